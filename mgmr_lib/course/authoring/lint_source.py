"""Rules on a notebook's source: sizes, tags, anatomy, exercises, numbers in prose."""

import ast
import re
import statistics

from mgmr_lib.course.authoring.source import BET, LEARNER, REGION, Cell, Source, edition_code
from mgmr_lib.errors import CourseError

MOST_CODE_LINES, MEDIAN_CODE_LINES, MOST_COLUMNS, MOST_WORDS = 25, 8, 120, 90
TAGS = {"baseline", "control", "signature", "raises-exception", "nbval-ignore-output"}
SHOWING = ("say", "show", "explore", "animate", "outcome")  # what shows its texts to the reader
NUMBER = re.compile(r"(?<![\w.@#/-])(\d{1,3}(?:[ ,]\d{3})+|\d+(?:\.\d+)?)(\s?%)?(?![\w@/-])(?!\.\d)")


def prose(text: str) -> str:
    """Markdown without code, formulas, link targets, tables and HTML."""
    text = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]+\$|<!--.*?-->|<[^>]+>", " ", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("|"))


def code_lines(code: str) -> int:
    """Lines that hold something."""
    return sum(bool(line.strip()) for line in code.split("\n"))


def sizes(source: Source, known):
    """Cells that can be taken in at a glance."""
    lengths = [code_lines(c.source) for c in source.cells if c.kind == "code" and not BET.search(c.source)]
    for c in source.cells:
        first = c.source.split("\n")[0][:50]
        if c.kind == "code" and code_lines(c.source) > MOST_CODE_LINES:
            yield f"the code cell {first!r} has {code_lines(c.source)} lines: at most {MOST_CODE_LINES}"
        longest = max(c.source.split("\n"), key=len)
        if c.kind == "code" and len(longest) > MOST_COLUMNS:
            yield f"the line {longest.strip()[:50]!r} has {len(longest)} columns: at most {MOST_COLUMNS}, aim at 100"
        if c.kind == "markdown" and len(prose(c.source).split()) > MOST_WORDS:
            yield (
                f"the text cell {first!r} has {len(prose(c.source).split())} words: at most {MOST_WORDS}, aim at 20 to "
                "70"
            )
    if lengths and statistics.median(lengths) > MEDIAN_CODE_LINES:
        yield f"the median code cell has {statistics.median(lengths):g} lines: at most {MEDIAN_CODE_LINES}"


def tags(source: Source, known):
    """Known tags only, and few cells whose output nobody compares."""
    code = [c for c in source.cells if c.kind == "code"]
    for c in source.cells:
        for tag in sorted(set(c.tags) - TAGS):
            yield f"tag {tag!r} is not one of {', '.join(sorted(TAGS))}"
        if c.kind == "code" and re.search(r"#\s*(NBVAL|PYTEST_VALIDATE)_", c.source):
            yield "write nbval's options as tags, not as comments that learners see"
    ignored = sum("nbval-ignore-output" in c.tags for c in code)
    if ignored > 0.15 * len(code):
        yield f"{ignored} of {len(code)} code cells have the tag nbval-ignore-output: at most 15 %"


def anatomy(source: Source, known):
    """The parts that every notebook has (design: a baseline, a control, limits, a summary)."""
    if source.meta.preview:
        return
    headings = [
        line.lower()
        for c in source.cells
        if c.kind == "markdown"
        for line in c.source.split("\n")
        if line.startswith("#")
    ]
    for word in ("limits", "summary"):
        if not any(word in h for h in headings):
            yield f"no heading with the word {word!r}"
    for tag, what in (("baseline", "the simple rival"), ("control", "the input where the method must not win")):
        if not any(tag in c.tags for c in source.cells):
            yield f"no cell has the tag {tag!r} ({what})"
    if not known:
        yield f"no exercise: define some in mgmr_lib/chapters/ch{source.meta.number}_*/exercises.py"


def exercise_ids(cell: Cell) -> list[str]:
    """The ids that a code cell marks with @exercise."""
    return re.findall(r"^@exercise\([\"']([^\"']+)[\"']\)", cell.source, re.MULTILINE)


def exercises(source: Source, known):
    """Each registered exercise has one cell with a solution region, and its check in the next code cell."""
    code = [c for c in source.cells if c.kind == "code"]
    order = []
    for i, c in enumerate(code):
        ids = exercise_ids(c)
        order += ids
        if len(ids) > 1:
            yield f"one cell holds the exercises {', '.join(ids)}: give each its own cell"
        if bool(REGION.search(c.source)) != bool(ids):
            yield (
                f"exercise {ids[0]} has no # SOLUTION region"
                if ids
                else f"a # SOLUTION region stands in a cell without @exercise: {c.source[:50]!r}"
            )
        if ids and c.source.split("@exercise", 1)[0].strip():
            yield f"the cell of exercise {ids[0]} holds more than the answer: give the rest a cell of its own"
        for x in ids:
            following = code[i + 1].source if i + 1 < len(code) else ""
            if not re.search(rf"^check\([\"']{re.escape(x)}[\"'],", following, re.MULTILINE):
                yield f"the code cell after exercise {x} must call check({x!r}, ...)"
        try:
            ast.parse(edition_code(c.source, LEARNER))
        except (SyntaxError, CourseError) as e:
            yield f"a code cell is not valid Python in the learner's edition: {e}"
    text = "\n".join(c.source for c in source.cells if c.kind == "markdown")
    for e in known:
        heading = re.search(rf"^#+ Exercise {re.escape(e.id)}\b.*$", text, re.MULTILINE)
        if not heading or f"{e.minutes} minutes" not in heading[0]:
            yield f"exercise {e.id} needs a heading '### Exercise {e.id} · ... ({e.minutes} minutes)' above its cell"
    if order and not any(re.search(r"^from mgmr_lib\.course import .*\bhint\b", c.source, re.MULTILINE) for c in code):
        yield "import hint from mgmr_lib.course: check tells learners to call it"
    if order != [e.id for e in known]:
        yield (
            f"the cells hold the exercises {order}, chapters/ch{source.meta.number}_*/exercises.py defines "
            f"{[e.id for e in known]}"
        )
    if sum(e.minutes for e in known) > source.meta.minutes:
        yield (
            f"the exercises take {sum(e.minutes for e in known)} minutes, the whole notebook is said to take "
            f"{source.meta.minutes}"
        )


def _literals(source: Source) -> set[float]:
    """Every number that stands in the code: it was given, not computed."""
    found = set()
    for c in source.cells:
        if c.kind == "code":
            tree = ast.parse(re.sub(r"^\s*[%!].*$", "", c.source, flags=re.MULTILINE))
            found |= {
                float(n.value) for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) in (int, float)
            }
    return found


def _suspicious(text: str, given: set[float]):
    """Numbers in prose that look like results: decimals, per cents, and counts of a thousand or more that no code
    holds."""
    for m in NUMBER.finditer(text):
        value = float(re.sub(r"[ ,]", "", m[1]))
        year = value == int(value) and 1900 <= value < 2100 and "." not in m[1]
        looks = "." in m[1] or m[2] or value >= 1000
        per_cent_given = m[2] and value / 100 in given
        if looks and not year and value not in given and not per_cent_given:
            yield m[0].strip()


def _spoken(cell: Cell):
    """The constant parts of the texts that a code cell shows with say, show, explore, animate and outcome."""
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in SHOWING:
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def typed_numbers(source: Source, known):
    """No result is typed by hand: prose takes numbers from say(f"...") and captions; a cited paragraph may quote a
    paper's."""
    given = _literals(source)
    for c in source.cells:
        texts = re.split(r"\n\s*\n", c.source) if c.kind == "markdown" else list(_spoken(c))
        for text in texts:
            if "[@" in text:
                continue
            text = re.sub(r"(?i)exercise \d\d\.\d+", "", text)
            text = re.sub(r"^#+ [\d.]+ ", "", text, flags=re.MULTILINE)
            for number in _suspicious(prose(text) if c.kind == "markdown" else text, given):
                yield (
                    f"the number {number} in {text.strip()[:50]!r} is typed: compute it (say, an f-string), or cite "
                    "its source"
                )


def silent_figures(source: Source, known):
    """Figures reach the page through show() alone, which demands a caption."""
    for c in source.cells:
        if c.kind == "code" and re.search(r"\bplt\.show\(|\.savefig\(", c.source):
            yield f"use show(fig, caption) instead of plt.show or savefig: {c.source[:40]!r}"
