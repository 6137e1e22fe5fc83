"""What is generated from metadata: header and closing cells, course map, README table, glossary and bibliography
pages."""

import json
import re
from pathlib import Path

from mgmr_lib.course.authoring.source import LEARNER, SOLUTION, Meta, Source, source_dir
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.setup.cloud import binder_address, colab_address, on_github

BEGIN, END = "<!-- notebooks:begin -->", "<!-- notebooks:end -->"
RESULTS_BEGIN, RESULTS_END = "<!-- results:begin -->", "<!-- results:end -->"
LINKS_BEGIN, LINKS_END = "<!-- links:begin -->", "<!-- links:end -->"
CITATION = re.compile(r"\[@([a-z0-9]+)\]")
DEVICES = {"cpu": "CPU", "gpu": "GPU", "cpu, gpu": "CPU, and GPU if there is one"}


def load_yaml(name: str, root: Path = REPOSITORY) -> dict:
    """notebooks/src/glossary.yml or bibliography.yml as a dict, empty where the file does not exist yet."""
    import yaml

    path = source_dir(root) / name
    if not path.exists():
        return {}
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as e:
        raise CourseError(f"notebooks/src/{name} is not valid YAML: {str(e).splitlines()[0]}") from e
    if not isinstance(found, dict) or not all(isinstance(v, dict) for v in found.values()):
        raise CourseError(
            f"notebooks/src/{name}: every entry is a key with fields below it (CONTRIBUTING.md shows one)"
        )
    return found


def anchor(key: str) -> str:
    """The anchor of a glossary or bibliography entry."""
    return re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")


def header(meta: Meta, sources: dict[str, Source]) -> str:
    """The first cell of a notebook."""
    needs = [
        f"[{n} {sources[n].meta.title}]({sources[n].meta.file_name})" if n in sources else n for n in meta.requires
    ]
    goals = "\n".join(f"- {g}" for g in meta.goals)
    table = (
        f"| part | time | device | needs |\n|---|---|---|---|\n"
        f"| {meta.part} | {meta.minutes} minutes | {DEVICES.get(meta.device, meta.device)} | "
        f"{', '.join(needs) or 'nothing'} |"
    )
    title = f"# {meta.number} · {meta.title}\n\n**{meta.claim}**"
    parts = title, neighbours(meta, sources), table, f"After this notebook we can:\n\n{goals}", part_map(meta, sources)
    return "\n\n".join(p for p in parts if p)


def neighbours(meta: Meta, sources: dict[str, Source]) -> str:
    """Links to the notebook before and the one after."""
    numbers = sorted(sources)
    here = numbers.index(meta.number)
    linked = [f"← {_link(sources[n].meta)}" for n in numbers[:here][-1:]]
    linked += [f"{_link(sources[n].meta)} →" for n in numbers[here + 1 :][:1]]
    return " · ".join(linked)


def _link(meta: Meta) -> str:
    return f"[{meta.number} {meta.title}]({meta.file_name})"


def part_map(meta: Meta, sources: dict[str, Source]) -> str:
    """The notebooks of this part, with "you are here"."""
    part = [s.meta for _, s in sorted(sources.items()) if s.meta.part == meta.part]
    stops = [f"**{m.number} (you are here)**" if m.number == meta.number else _link(m) for m in part]
    return f"Part {meta.part}: {' → '.join(stops)}" if len(part) > 1 else ""


def closing(meta: Meta, sources: dict[str, Source], glossary: dict) -> str:
    """The last cell of a notebook: the notation it introduces, and the links on."""
    rows = [
        f"| [{k}](glossary.md#{anchor(k)}) | {e.get('symbol', '')} | {e.get('shape', '')} | "
        f"{' '.join(e['text'].split())} |"
        for k in meta.introduces
        if (e := glossary.get(k))
    ]
    table = ["## Notation", "", "| term | symbol | shape | in words |", "|---|---|---|---|", *rows, ""] if rows else []
    last = "" if any(n > meta.number for n in sources) else "This was the last notebook. "
    table += ["## Before and after", "", last + neighbours(meta, sources)]
    return "\n".join(table)


def course_map(sources: dict[str, Source]) -> str:
    """All notebooks by part, with what each needs, as a table."""
    lines = ["| | notebook | minutes | needs |", "|---|---|---|---|"]
    part = None
    for number, s in sorted(sources.items()):
        if s.meta.part != part:
            part = s.meta.part
            lines.append(f"| | **{part}** | | |")
        lines.append(
            f"| {number} | [{s.meta.title}]({s.meta.file_name}) | {s.meta.minutes} | {', '.join(s.meta.requires)} |"
        )
    return "\n".join(lines)


def expand(text: str, edition: str, sources: dict[str, Source], bibliography: dict, where: str) -> str:
    """Prose of one edition: `{{course_map}}` and citations `[@key]` filled in, links to the pages made to fit the
    folder."""

    def cite(m):
        if m[1] not in bibliography:
            raise CourseError(f"{where}: [@{m[1]}] is not in notebooks/src/bibliography.yml; add it there")
        entry = bibliography[m[1]]
        return f"[[{entry['short']}](bibliography.md#{anchor(m[1])})]"

    text = CITATION.sub(cite, text)
    if "{{course_map}}" in text:
        text = text.replace("{{course_map}}", course_map(sources))
    if edition == SOLUTION:
        text = re.sub(r"\]\((glossary|bibliography)\.md", rf"](../{LEARNER}/\1.md", text)
    return text


def glossary_page(sources: dict[str, Source], glossary: dict) -> str:
    """notebooks/glossary.md."""
    first = {term: s.meta for _, s in sorted(sources.items(), reverse=True) for term in s.meta.introduces}
    lines = [
        "# Glossary",
        "",
        "Generated from `notebooks/src/glossary.yml`; every term names the notebook that introduces it.",
        "",
    ]
    for key in sorted(glossary, key=str.lower):
        e = glossary[key]
        symbol = f" {e['symbol']}" if e.get("symbol") else ""
        shape = f" Shape {e['shape']}." if e.get("shape") else ""
        origin = f" [{first[key].number} {first[key].title}]({first[key].file_name})" if key in first else ""
        lines += [f'<a id="{anchor(key)}"></a>', f"**{key}**{symbol}: {' '.join(e['text'].split())}{shape}{origin}", ""]
    return "\n".join(lines)


def bibliography_page(bibliography: dict) -> str:
    """notebooks/bibliography.md."""
    lines = ["# Bibliography", "", "Generated from `notebooks/src/bibliography.yml`.", ""]
    for key in sorted(bibliography):
        e = bibliography[key]
        links = [f"[doi:{e['doi']}](https://doi.org/{e['doi']})"] if e.get("doi") else []
        links += [f"[arXiv:{e['arxiv']}](https://arxiv.org/abs/{e['arxiv']})"] if e.get("arxiv") else []
        where = " ".join(x for x in (f"*{e['venue']}*." if e.get("venue") else "", ", ".join(links)) if x)
        lines += [
            f'<a id="{anchor(key)}"></a>',
            f"**{e['short']}**. {e['authors']} ({e['year']}). {e['title']}. {where}".rstrip(),
            "",
            " ".join(e["text"].split()),
            "",
        ]
    return "\n".join(lines)


def measured_seconds(root: Path = REPOSITORY) -> dict:
    """Seconds of each notebook in the recorded test run: {"01": {"notebooks": 6.1, "solutions": 6.2}}."""
    path = root / "notebooks" / "seconds.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def readme_table(sources: dict[str, Source], seconds: dict) -> str:
    """README's table of notebooks."""
    lines = ["| | notebook | solved | minutes | seconds in CI | device |", "|---|---|---|---|---|---|"]
    part = None
    for number, s in sorted(sources.items()):
        m = s.meta
        if m.part != part:
            part = m.part
            lines.append(f"| | **{part}** | | | | |")
        took = seconds.get(number, {}).get(LEARNER)
        lines.append(
            f"| {number} | [{m.title}]({LEARNER}/{m.file_name}) | [solution]({SOLUTION}/{m.file_name}) | {m.minutes} | "
            f"{'' if took is None else round(took)} | {DEVICES.get(m.device, m.device)} |"
        )
    return "\n".join(lines)


def readme(text: str, table: str, results: str = "", links: str = "") -> str:
    """README's text with the table of notebooks, the results and the links between their markers; unchanged where it
    has none."""
    for begin, end, inner in (
        (BEGIN, END, table),
        (RESULTS_BEGIN, RESULTS_END, results),
        (LINKS_BEGIN, LINKS_END, links),
    ):
        text = _between(text, begin, end, inner)
    return text


def readme_links(repository: str | None) -> str:
    """README's badge and links, which need the repository's address: "" where it is unknown; the badge, the site,
    Colab and Binder where it is on GitHub."""
    if not repository:
        return ""
    if not (found := on_github(repository)):
        return f"[The repository]({repository})"
    owner, name = found
    ci, site = f"{repository}/actions/workflows/ci.yml", f"https://{owner}.github.io/{name}/"
    first = "00_start_here.ipynb"
    colab, binder = colab_address(owner, name, first), binder_address(owner, name, f"{LEARNER}/{first}")
    return (
        f"[![Continuous integration]({ci}/badge.svg)]({ci}) · [Read it on the web]({site}), where each notebook can be "
        f"downloaded for Kaggle, too · Run it in [Colab]({colab}) or [Binder]({binder})"
    )


def without_links(text: str) -> str:
    """README's text without that block: the site asks no other host."""
    return _between(text, LINKS_BEGIN, LINKS_END, "")


def _between(text: str, begin: str, end: str, inner: str) -> str:
    if begin not in text or end not in text:
        return text
    before, rest = text.split(begin, 1)
    return f"{before}{begin}\n{inner}\n{end}{rest.split(end, 1)[1]}"
