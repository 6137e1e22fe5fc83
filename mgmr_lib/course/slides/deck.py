"""Sections -> slides: one for each heading, figure, equation, bet, exercise and short cell, with what leads to it.

Prose is reduced by rule (wording.py), never retyped. What does not fit goes on to a further slide of the same heading.
"""

import ast
import html
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from mgmr_lib.course.site.bets import Asked
from mgmr_lib.course.slides import markup, wording
from mgmr_lib.course.slides.reading import Block, Notebook, Section

MOST_CODE, MOST_PRINTING = 10, 3  # lines of a cell that defines something, and of one that only prints
MOST_PRINTED, MOST_ROWS = 12, 9  # lines of what a cell printed, lines of a table
ROW = 75  # characters of a table's row that make a line
ROOM = {"section": 75, "text": 75, "equation": 40, "table": 25, "figure": 34, "code": 40, "printed": 40}  # words
LINE = 6  # words whose room a printed line takes
JOINS = 30  # words of a slide of text that what it speaks of joins
SAID = ("say", "show", "use_style", "predict", "outcome")  # calls whose output is shown, so that they need not be


@dataclass
class Slide:
    """kind: what it is made for; parts: HTML; words: of its text so far; last: its last text, which may lead to what
    comes next; hidden: parts that a key shows."""

    kind: str
    title: str
    parts: list[str] = field(default_factory=list)
    words: int = 0
    last: str = ""
    hidden: list[str] = field(default_factory=list)

    def fits(self, words: int) -> bool:
        """Whether so many more words have room."""
        return self.kind in ROOM and (not self.parts or self.words + words <= ROOM[self.kind])

    def say(self, kind: str, markdown: str) -> None:
        """Add a line."""
        self.parts.append(f'<p class="{kind}">{markup.inline(markdown)}</p>')
        self.words += wording.words(markdown)
        self.last = markdown


LED_TO = ("equation", "table", "points", "fence")


class Flow:
    """The slides of one section, as its blocks come."""

    def __init__(self, section: Section, outcomes: dict[str, tuple[str, str]]):
        self.outcomes, self.title = outcomes, section.title
        self.slides = [Slide("section", self.title)]
        for block, following in zip(section.blocks, [*section.blocks[1:], Block("", "")], strict=True):
            getattr(self, f"_{block.kind}")(block, following)
        self.slides = [s for s in self.slides if s.parts or s.kind == "section"]
        for slide in self.slides:
            if slide.hidden:
                slide.parts.append(f'<div class="outcome" hidden>{"".join(slide.hidden)}</div>')

    def _open(self, kind: str, *parts: str) -> Slide:
        self.slides.append(Slide(kind, self.title, list(parts)))
        return self.slides[-1]

    def _lines(self, kind: str, lines: Iterable[str]) -> None:
        for line in lines:
            slide = self.slides[-1]
            if kind == "result" and slide.kind == "bet":
                slide.hidden.append(f'<p class="result">{markup.inline(line)}</p>')
                continue
            if not slide.fits(wording.words(line)):
                slide = self._open("text")
            slide.say(kind, line)

    def _text(self, block: Block, following: Block) -> None:
        leads = following.kind in LED_TO
        if self.slides[-1].kind == "section" and not self.slides[-1].parts:
            first = wording.opening(block.text)
            lead = [s for s in wording.sentences(block.text)[-1:] if leads and s.endswith(":")]
            first = first[:-1] if lead and first[-1:] == lead else first
            self._lines("said", ([" ".join(first)] if first else []) + lead)
        else:
            self._lines("said", wording.reduced(block.text, leads))

    def _result(self, block: Block, _) -> None:
        self._lines("result", wording.reduced(block.text))

    def _note(self, block: Block, _) -> None:
        self._lines("note", [" ".join(wording.reduced_note(block.text))])

    def _points(self, block: Block, _) -> None:
        items = re.split(r"^(?:[-*]|\d+\.) ", block.text, flags=re.MULTILINE)[1:]
        self._lines("point", (" ".join(wording.reduced(item)) for item in items))

    def _heading(self, block: Block, _) -> None:
        self.title = block.text
        self._open("section")

    def _with_lead(self, kind: str) -> Slide:
        """The slide for what comes: a short slide of text, a new one with the line that leads to it, or a new one."""
        before = self.slides[-1]
        joins = before.kind == "text" or (before.kind == "section" and kind not in ("bet", "figure"))
        if joins and before.words <= JOINS:
            before.kind = kind
            return before
        if not before.last.endswith(":") and not wording.BOLD.fullmatch(before.last):
            return self._open(kind)
        slide = self._open(kind, before.parts.pop())
        slide.words = wording.words(before.last)
        before.words -= slide.words
        before.last = ""
        return slide

    def _equation(self, block: Block, _) -> None:
        self._with_lead("equation").parts.append(markup.formula(block.text))

    def _table(self, block: Block, _) -> None:
        head, rule, *rows = block.text.splitlines()
        before = self.slides[-1]
        if (
            before.kind == "equation"
            and before.words <= 40
            and len(rows) <= 6
            and "<table" not in "".join(before.parts)
        ):
            before.parts.append(markup.blocks(block.text))
            return
        for k, part in enumerate(in_parts(rows)):
            slide = self._open("table") if k else self._with_lead("table")
            slide.parts.append(markup.blocks("\n".join([head, rule, *part])))

    def _figure(self, block: Block, _) -> None:
        caption = wording.sentences(block.text)
        said = " ".join(caption[: 1 if len(caption[0].split()) >= 10 else 2])
        slide = self._with_lead("figure")
        slide.words += wording.words(said) // 2
        slide.parts.append(
            f'<figure><img alt="{html.escape(block.text)}" src="data:image/png;base64,{block.picture}">'
            f"<figcaption>{markup.inline(said)}</figcaption></figure>"
        )

    def _fence(self, block: Block, _) -> None:
        if len(block.text.splitlines()) <= 2 * MOST_CODE:
            self._with_lead("code").parts.append(markup.code(block.text))

    def _code(self, block: Block, following: Block) -> None:
        shown = telling(block.text, prints=following.kind == "printed")
        if shown and block.title != "figure":
            self._with_lead("code").parts.append(markup.code(shown))

    def _printed(self, block: Block, _) -> None:
        lines = block.text.rstrip().splitlines()
        if len(lines) > MOST_PRINTED:
            lines = [*lines[: MOST_PRINTED - 1], "..."]
        part, slide = markup.printed("\n".join(lines)), self.slides[-1]
        if slide.kind == "bet" and len(lines) <= MOST_PRINTED // 2:
            slide.hidden.append(part)
            return
        if not slide.fits(LINE * len(lines)):
            slide = self._open("printed")
        slide.parts.append(part)
        slide.words += LINE * len(lines)

    def _bet(self, block: Block, _) -> None:
        bet = block.bet
        slide = self._with_lead("bet")
        slide.title = f"Your bet {bet.id}"
        if before := said_before(block):
            slide.parts.append(f'<p class="before">{markup.inline(before)}</p>')
        answers = "".join(f"<li>{html.escape(c)}</li>" for c in bet.choices or [number_wanted(bet)])
        slide.parts.append(f'<p class="question">{html.escape(bet.text)}</p><ul class="choices">{answers}</ul>')
        if bet.id in self.outcomes:
            truth, because = map(html.escape, self.outcomes[bet.id])
            slide.hidden.append(f'<p class="truth"><strong>{truth}.</strong> {because}</p>')

    def _exercise(self, block: Block, _) -> None:
        slide = self._open("exercise", markup.blocks(block.text))
        slide.title = block.title
        if block.code:
            slide.parts.append(markup.code(block.code.strip("\n")))

    def _answer(self, *_) -> None:
        """The learner's cell: the exercise's slide shows it already."""


def in_parts(rows: list[str]) -> list[list[str]]:
    """A table's rows in parts of a slide's height; a long row counts as several lines."""
    parts: list[list[str]] = [[]]
    height = 0
    for row in rows:
        lines = -(-len(row) // ROW)
        if parts[-1] and height + lines > MOST_ROWS:
            parts.append([])
            height = 0
        parts[-1].append(row)
        height += lines
    return parts


def telling(source: str, prints: bool) -> str:
    """What is worth a look of a short cell, without imports and tests: a definition, or the few lines that print."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a line for the notebook itself, such as %time
        return ""
    kept = [s for s in statements if not isinstance(s, (ast.Import, ast.ImportFrom, ast.Assert)) and not _is_said(s)]
    lines = source.splitlines()
    shown = [line for s in kept for line in lines[_first(s) - 1 : s.end_lineno]]
    defines = any(isinstance(s, (ast.FunctionDef, ast.ClassDef)) for s in kept)
    most = MOST_CODE if defines else MOST_PRINTING if prints else 0
    return "\n".join(shown) if len(shown) <= most else ""


def _first(statement: ast.stmt) -> int:
    return min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])


def _is_said(statement: ast.stmt) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in SAID


def said_before(bet: Block) -> str:
    """What the notebook said before a bet, without its label."""
    text = re.sub(r"^\*\*Predict[^*]*\*\*\s*", "", bet.text)
    return text[:1].upper() + text[1:]


def number_wanted(bet: Asked) -> str:
    """Which number a bet without choices asks for."""
    unit = f" {bet.unit}" if bet.unit else ""
    ends = f", between {bet.between[0]} and {bet.between[1]}{unit}" if bet.between else ""
    by = f"a factor of {bet.by}" if bet.rule == "factor" else f"{bet.by}{unit}"
    return f"a number{ends}; right within {by}"


def opening(notebook: Notebook) -> Slide:
    """A notebook's first slide: its claim and goals."""
    goals = "".join(f"<li>{markup.inline(g)}</li>" for g in notebook.goals)
    claim = f'<p class="claim">{markup.inline(notebook.claim)}</p>' if notebook.claim else ""
    return Slide("opening", f"{notebook.number} · {notebook.title}", [f"{claim}<ul>{goals}</ul>"])


def slides(notebook: Notebook, sections: Iterable[int]) -> list[tuple[int | None, Slide]]:
    """(position of the section, or None for the notebook's first slide; the slide), in order."""
    found: list[tuple[int | None, Slide]] = [(None, opening(notebook))]
    for k in sections:
        found += [(k, slide) for slide in Flow(notebook.sections[k], notebook.outcomes).slides]
    return found
