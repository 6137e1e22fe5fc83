"""Sections -> slides: one for each heading, figure, equation, bet, exercise and short cell, with what leads to it.

Prose is reduced by rule (wording.py), never retyped. What does not fit goes on to a further slide of the same heading.
"""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from mgmr_lib.course.slides import markup, wording
from mgmr_lib.course.slides.reading import Block, Notebook, Section

MOST_CODE, MOST_PRINTED, MOST_ROWS = 10, 12, 9  # lines of a cell, of what it printed, rows of a table
ROOM = {"section": 75, "text": 75, "equation": 40, "table": 25, "figure": 24, "code": 30, "printed": 30}  # words
LEFT_OUT_OF_CODE = re.compile(r"^(?:import |from |use_style\(|#)")
NO_NEWS = re.compile(r"^(?:assert |say\(|show\(| |\)|$)")


@dataclass
class Slide:
    """kind: what it is made for; parts: HTML; words: of its text so far; last: its last text, which may lead to what
    comes next."""

    kind: str
    title: str
    parts: list[str] = field(default_factory=list)
    words: int = 0
    last: str = ""

    def fits(self, words: int) -> bool:
        """Whether so many more words have room."""
        return self.kind in ROOM and (not self.parts or self.words + words <= ROOM[self.kind])

    def say(self, kind: str, markdown: str) -> None:
        """Add a line."""
        self.parts.append(f'<p class="{kind}">{markup.inline(markdown)}</p>')
        self.words += wording.words(markdown)
        self.last = markdown


class Flow:
    """The slides of one section, as its blocks come."""

    def __init__(self, section: Section, outcomes: dict[str, tuple[str, str]]):
        self.outcomes, self.title = outcomes, section.title
        self.slides = [Slide("section", self.title)]
        for block, following in zip(section.blocks, [*section.blocks[1:], Block("", "")], strict=True):
            getattr(self, f"_{block.kind}")(block, following)
        self.slides = [s for s in self.slides if s.parts or s.kind == "section"]

    def _open(self, kind: str, *parts: str) -> Slide:
        self.slides.append(Slide(kind, self.title, list(parts)))
        return self.slides[-1]

    def _lines(self, kind: str, lines: Iterable[str]) -> None:
        for line in lines:
            slide = self.slides[-1]
            if not slide.fits(wording.words(line)):
                slide = self._open("text")
            slide.say(kind, line)

    def _text(self, block: Block, following: Block) -> None:
        self._lines("said", wording.reduced(block.text, leads=following.kind in ("equation", "table", "points")))

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
        """A new slide, to which the line moves that leads to it; the old one becomes it where nothing else is on it."""
        before = self.slides[-1]
        if before.kind not in ("section", "text") or not before.last.rstrip("*").endswith(":"):
            return self._open(kind)
        if len(before.parts) == 1:
            before.kind = kind if before.kind == "text" else "section"
            return before
        lead = before.parts.pop()
        slide = self._open(kind, lead)
        slide.words = wording.words(before.last)
        return slide

    def _equation(self, block: Block, _) -> None:
        self._with_lead("equation").parts.append(markup.formula(block.text))

    def _table(self, block: Block, _) -> None:
        head, rule, *rows = block.text.splitlines()
        before = self.slides[-1]
        if before.kind == "equation" and before.words <= 30 and len(rows) <= 5 and "<table" not in "".join(before.parts):
            before.parts.append(markup.blocks(block.text))
            return
        for k in range(0, len(rows), MOST_ROWS):
            slide = self._with_lead("table") if k == 0 else self._open("table")
            slide.parts.append(markup.blocks("\n".join([head, rule, *rows[k : k + MOST_ROWS]])))

    def _figure(self, block: Block, _) -> None:
        said = html.escape(block.text)
        self._open(
            "figure",
            f'<figure><img alt="{said}" src="data:image/png;base64,{block.picture}">'
            f"<figcaption>{markup.inline(wording.sentences(block.text)[0])}</figcaption></figure>",
        )

    def _fence(self, block: Block, _) -> None:
        if len(block.text.splitlines()) <= 2 * MOST_CODE:
            self._open("code", markup.code(block.text))

    def _code(self, block: Block, _) -> None:
        lines = [line for line in block.text.splitlines() if not LEFT_OUT_OF_CODE.match(line)]
        if block.title != "figure" and len(lines) <= MOST_CODE and not all(map(NO_NEWS.match, lines)):
            self._open("code", markup.code("\n".join(lines).strip("\n")))

    def _printed(self, block: Block, _) -> None:
        lines = block.text.rstrip().splitlines()
        if len(lines) > MOST_PRINTED:
            lines = [*lines[: MOST_PRINTED - 1], "..."]
        slide = self.slides[-1] if self.slides[-1].kind == "code" else self._open("printed")
        slide.parts.append(markup.printed("\n".join(lines)))

    def _bet(self, block: Block, _) -> None:
        bet = block.bet
        answers = "".join(f"<li>{html.escape(c)}</li>" for c in bet.choices)
        if not bet.choices:
            ends = f"between {bet.between[0]} and {bet.between[1]} {bet.unit}, " if bet.between else ""
            by = f"within a factor of {bet.by}" if bet.rule == "factor" else f"within {bet.by} {bet.unit}".rstrip()
            answers = f"<li>a number, {html.escape(f'{ends}right {by}')}</li>"
        slide = self._open("bet")
        if before := re.sub(r"^\*\*Predict[^*]*\*\*\s*", "", block.text):
            slide.parts.append(f'<p class="before">{markup.inline(before)}</p>')
        slide.parts.append(f'<p class="question">{html.escape(bet.text)}</p><ul class="choices">{answers}</ul>')
        if bet.id in self.outcomes:
            truth, because = map(html.escape, self.outcomes[bet.id])
            slide.parts.append(f'<div class="outcome" hidden><p><strong>{truth}.</strong> {because}</p></div>')
        slide.title = f"Your bet {bet.id}"

    def _exercise(self, block: Block, _) -> None:
        slide = self._open("exercise", markup.blocks(block.text))
        slide.title = block.title
        if block.code:
            slide.parts.append(markup.code(block.code.strip("\n")))

    def _answer(self, *_) -> None:
        """The learner's cell: the exercise's slide shows it already."""


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
