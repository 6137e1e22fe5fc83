"""One stored notebook as sections of blocks, in its own words: what a deck and a hand-out are made of."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from mgmr_lib.course.site import bets
from mgmr_lib.course.site.notebooks import EXERCISE, LEFT_OUT
from mgmr_lib.course.slides.markup import parser
from mgmr_lib.errors import CourseError

TASK = re.compile(r"Exercise (\d\d\.\d{1,2})")
NUMBERED = re.compile(r"(\d+) ")
COURSE_LINE = re.compile(r"^# (?:Your bet|The outcome of) .*\n", re.MULTILINE)
KINDS = {  # markdown-it's token -> our kind
    "paragraph_open": "text",
    "bullet_list_open": "points",
    "ordered_list_open": "points",
    "blockquote_open": "note",
    "table_open": "table",
    "math_block": "equation",
    "fence": "fence",
}


@dataclass(frozen=True)
class Block:
    """A piece of a notebook.

    kind: "heading", "text", "points", "note", "table" (text: Markdown), "equation" (text: LaTeX), "fence" or "code"
    (text: Python), "printed" (text: what a cell printed), "result" (text: Markdown that a cell said), "figure" (text:
    its caption; picture: the PNG in base64), "bet" (text: what was said before it; bet), "exercise" (title; text:
    the task; code: the cell to fill in), or "answer" (text: the exercise whose cell stands here).
    """

    kind: str
    text: str
    title: str = ""
    picture: str = ""
    code: str = ""
    bet: bets.Asked | None = None


@dataclass
class Section:
    """A heading and what stands below it, up to the next heading of its rank."""

    title: str
    blocks: list[Block] = field(default_factory=list)

    @property
    def number(self) -> str:
        """ "3" of "3 Stability"; "" where it has none."""
        found = NUMBERED.match(self.title)
        return found[1] if found else ""

    def exercises(self) -> set[str]:
        """The ids of its exercises."""
        return {TASK.match(b.title)[1] for b in self.blocks if b.kind == "exercise"}


@dataclass
class Notebook:
    """A stored notebook. outcomes: id of a bet -> (what came out, why), as stored; solutions: id of an exercise -> its
    solved cell."""

    number: str
    title: str
    claim: str = ""
    goals: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    notation: str = ""
    outcomes: dict[str, tuple[str, str]] = field(default_factory=dict)
    solutions: dict[str, str] = field(default_factory=dict)


def read_notebook(learner: Path, solution: Path) -> Notebook:
    """Read both stored editions. Errors: CourseError where one is missing or was stored without what its cells gave."""
    import nbformat

    for path in (learner, solution):
        if not path.exists():
            raise CourseError(f"{path} is missing: run `python -m mgmr_lib.course build {learner.name[:2]}`")
    stored, solved = (nbformat.read(path, as_version=4) for path in (learner, solution))
    notebook = Notebook(learner.name[:2], stored.metadata.get("mgmr", {}).get("title", learner.stem))
    for cell in solved.cells:
        for number in EXERCISE.findall(cell.source) if cell.cell_type == "code" else ():
            notebook.solutions[number] = cell.source
    reader = _Reader(notebook, {n: c.source for c in stored.cells for n in EXERCISE.findall(c.source)})
    for cell in stored.cells:
        reader.markdown(cell.source) if cell.cell_type == "markdown" else reader.code(cell)
    return notebook


class _Reader:
    """Goes through the cells and keeps what the next one needs: the words before a bet, whether the notation began."""

    def __init__(self, notebook: Notebook, tasks: dict[str, str]):
        self.notebook, self.tasks, self.before_bet = notebook, tasks, ""

    def add(self, kind: str, text: str, **more) -> None:
        if self.notebook.sections:
            self.notebook.sections[-1].blocks.append(Block(kind, text, **more))

    def markdown(self, source: str) -> None:
        lines = source.splitlines()
        tokens = [t for t in parser().parse(source) if t.level == 0 and t.map]
        for token in tokens:
            text = "\n".join(lines[token.map[0] : token.map[1]])
            if token.type == "heading_open":
                title = text.lstrip("# ").strip()
                if token.tag == "h1":
                    self._header(source)
                    return
                if title in ("Notation", "Before and after"):
                    self.notebook.notation = _table(lines)
                    return
                if TASK.match(title):
                    task = "\n".join(lines[token.map[1] :]).strip()
                    self.add("exercise", task, title=title, code=self._to_fill_in(title))
                    return
                if token.tag == "h2":
                    self.notebook.sections.append(Section(title))
                else:
                    self.add("heading", title)
            elif token.type in KINDS:
                self._block(KINDS[token.type], token, text)

    def _block(self, kind: str, token, text: str) -> None:
        if kind == "text" and text.startswith("**Predict"):
            self.before_bet = text
        elif kind == "equation" or kind == "fence":
            self.add(kind, token.content.strip("\n"))
        elif kind == "note":
            self.add(kind, re.sub(r"^> ?", "", text, flags=re.MULTILINE))
        else:
            self.add(kind, text)

    def _header(self, source: str) -> None:
        bold = re.search(r"^\*\*(.+)\*\*$", source, re.MULTILINE)
        self.notebook.claim = bold[1] if bold else ""
        self.notebook.goals = re.findall(r"^- (.+)$", source, re.MULTILINE)

    def _to_fill_in(self, title: str) -> str:
        cell = self.tasks.get(TASK.match(title)[1], "")
        return "\n".join(line for line in cell.splitlines() if "your code here" not in line and line[:9] != "@exercise")

    def code(self, cell) -> None:
        if LEFT_OUT.match(cell.source.strip()):
            return
        if asked := EXERCISE.findall(cell.source):
            self.add("answer", asked[0])
            return
        stored = [o.get("data", {}) for o in cell.outputs]
        plain = [d.get("text/plain", "") for d in stored]
        if question := next(filter(bets.ASKED.match, plain), ""):
            self.add("bet", self.before_bet, bet=bets.asked(question))
            self.before_bet = ""
            return
        if re.search(r"^predict\(", cell.source, re.MULTILINE):
            raise CourseError(
                f"a bet of notebook {self.notebook.number} was stored without its question: build the notebook"
            )
        settled = next(filter(bets.SETTLED.match, plain), "")
        if settled:
            found = bets.SETTLED.match(settled)
            self.notebook.outcomes[found["id"]] = (found["truth"], found["because"])
        else:
            shows = any("image/png" in d for d in stored)
            self.add("code", COURSE_LINE.sub("", cell.source), title="figure" if shows else "")
        for output, data in zip(cell.outputs, stored, strict=True):
            self._output(output, data)

    def _output(self, output, data) -> None:
        if output.output_type == "stream" and output.name == "stdout":
            self.add("printed", output.text)
        elif "image/png" in data:
            self.add("figure", data["text/plain"].removeprefix("Figure: "), picture=data["image/png"].replace("\n", ""))
        elif "text/markdown" in data and not data["text/markdown"].startswith("*Figure: "):
            self._said(data["text/markdown"])

    def _said(self, markdown: str) -> None:
        for token in parser().parse(markdown):
            if token.level == 0 and token.map and token.type in KINDS:
                text = "\n".join(markdown.splitlines()[slice(*token.map)])
                kind = KINDS[token.type]
                self._block("result" if kind == "text" else kind, token, text)


def _table(lines: list[str]) -> str:
    return "\n".join(line for line in lines if line.startswith("|"))
