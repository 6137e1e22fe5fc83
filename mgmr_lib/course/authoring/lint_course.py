"""Rules on the course as a whole: prerequisites, concepts, links, budgets. Each yields (number of the notebook,
sentence)."""

import re

from mgmr_lib.course.authoring import pages
from mgmr_lib.course.authoring.lint_source import prose

MOST_SECONDS, MOST_MINUTES = 90, 90


def required(number: str, sources: dict) -> set[str]:
    """Everything that notebook `number` builds on, directly or not (cycles do no harm here)."""
    seen, todo = set(), list(sources[number].meta.requires)
    while todo:
        n = todo.pop()
        if n not in seen and n in sources:
            seen.add(n)
            todo += sources[n].meta.requires
    return seen


def prerequisites(sources: dict, glossary: dict):
    """Required notebooks exist and come earlier, so that no cycle is possible."""
    for number, s in sources.items():
        for n in s.meta.requires:
            if n not in sources:
                yield number, f"{number} requires {n}, which has no source"
            elif n >= number:
                yield number, f"{number} requires {n}, which does not come before it"


def glossary_complete(sources: dict, glossary: dict):
    """Each term of the glossary is introduced by exactly one notebook, linked there, and explained."""
    by = {}
    for number, s in sources.items():
        for term in s.meta.introduces:
            if term not in glossary:
                yield number, f"{number} introduces {term!r}, which is not in notebooks/src/glossary.yml"
            if term in by:
                yield number, f"{number} introduces {term!r}, and {by[term]} does so already"
            by.setdefault(term, number)
            if not any(_link(term) in c.source for c in s.cells if c.kind == "markdown"):
                yield (
                    number,
                    f"{number} introduces {term!r} and never links it: write [{term}]({_link(term)}) where it is "
                    "explained",
                )
    for term, entry in glossary.items():
        if term not in by:
            yield "", f"notebooks/src/glossary.yml: no notebook introduces {term!r}"
        if len(str(entry.get("text", "")).split()) < 5:
            yield "", f"notebooks/src/glossary.yml: {term!r} has no explanation"


def _link(term: str) -> str:
    return f"glossary.md#{pages.anchor(term)}"


def _pattern(term: str, entry: dict) -> re.Pattern:
    words = [re.escape(w).replace(r"\ ", r"[\s-]").replace(r"\-", r"[\s-]") for w in [term, *entry.get("says", [])]]
    return re.compile(rf"\b({'|'.join(words)})(s|es)?\b", re.IGNORECASE)


def introduced_before_use(sources: dict, glossary: dict):
    """A term stands in prose only after its introduction (here, or in a notebook that this one requires), or as a
    link."""
    by = {term: n for n, s in sources.items() for term in s.meta.introduces}
    for number, s in sources.items():
        if s.meta.preview:
            continue
        known = required(number, sources)
        for term, entry in glossary.items():
            if entry.get("quiet") or term not in by or by[term] in known:
                continue
            early = _first_unexplained(s, term, entry)
            if early:
                where = "before it is introduced there" if by[term] == number else f"which only {by[term]} introduces"
                yield (
                    number,
                    f"{number} uses {term!r} in {early[:50]!r}, {where}: move it, require {by[term]}, or link the "
                    "glossary",
                )


def _first_unexplained(source, term: str, entry: dict) -> str | None:
    for c in source.cells:
        if c.kind != "markdown":
            continue
        if _link(term) in c.source:
            return None
        if _pattern(term, entry).search(prose(c.source)):
            return c.source
    return None


def links(sources: dict, glossary: dict):
    """Links between notebooks and to the pages lead somewhere."""
    files = {s.meta.file_name for s in sources.values()}
    anchors = {pages.anchor(t) for t in glossary}
    for number, s in sources.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", "\n".join(c.source for c in s.cells if c.kind == "markdown")):
            file, _, anchor = target.partition("#")
            if file == "glossary.md" and anchor not in anchors:
                yield number, f"{number} links {target}, which is not in the glossary"
            if file.endswith(".ipynb") and "/" not in file and file not in files:
                yield number, f"{number} links {target}, which does not exist"


def budgets(sources: dict, glossary: dict):
    """Times that fit a lesson and the test run (the test run itself tells what is above budget_s)."""
    for number, s in sources.items():
        if not 1 <= s.meta.budget_s <= MOST_SECONDS:
            yield number, f"{number} has budget_s {s.meta.budget_s}: between 1 and {MOST_SECONDS} seconds"
        if not 5 <= s.meta.minutes <= MOST_MINUTES:
            yield number, f"{number} takes {s.meta.minutes} minutes: between 5 and {MOST_MINUTES}"
