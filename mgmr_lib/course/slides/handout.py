"""A notebook's A4 hand-out: goals, symbols and equations, bets and exercises with room to write; and its solutions."""

import html
import re

from mgmr_lib.course.slides import markup
from mgmr_lib.course.slides.deck import number_wanted, said_before
from mgmr_lib.course.slides.deck_page import STATIC
from mgmr_lib.course.slides.reading import TASK, Block, Notebook

MINUTES = re.compile(r"(\d+) minutes")
LINES = (5, 16)  # to write on: at least, at most


def handout(notebook: Notebook) -> str:
    """HTML of the hand-out. Neither the claim nor prose is in it: both may tell what a bet asks."""
    goals = "".join(f"<li>{markup.inline(g)}</li>" for g in notebook.goals)
    parts = [
        f"<h1>{notebook.number} · {html.escape(notebook.title)}</h1>",
        '<p class="name">Name <span></span> Date <span></span></p>',
        f'<h2>After this notebook we can</h2><ul class="boxes">{goals}</ul>' if goals else "",
        _part("Symbols and equations", _formulas(notebook)),
        _part("Words", [markup.blocks(notebook.notation)] if notebook.notation else []),
        _part("Bets, placed before the code runs", [_bet(b) for b in _all(notebook, "bet")]),
        _part("Exercises", _exercises(notebook)),
    ]
    return _page(f"{notebook.number} {notebook.title}: hand-out", parts)


def solutions(notebook: Notebook) -> str:
    """HTML of the sheet with what came out of each bet, and an answer to each exercise."""
    bets = [_settled(b, *notebook.outcomes[b.bet.id]) for b in _all(notebook, "bet") if b.bet.id in notebook.outcomes]
    answers = [
        f'<section class="exercise"><h3>{markup.inline(b.title)}</h3>{markup.code(_answer(notebook, b))}</section>'
        for b in _all(notebook, "exercise")
    ]
    title = f"<h1>{notebook.number} · {html.escape(notebook.title)}: solutions</h1>"
    return _page(
        f"{notebook.number} {notebook.title}: solutions", [title, _part("Bets", bets), _part("Exercises", answers)]
    )


def _page(title: str, parts: list[str]) -> str:
    style = (STATIC / "handout.css").read_text(encoding="utf-8")
    return markup.page(title, style, "\n".join(["<main>", *filter(None, parts), "</main>"]))


def _part(title: str, inside: list[str]) -> str:
    return f"<h2>{title}</h2>\n" + "\n".join(inside) if inside else ""


def _all(notebook: Notebook, kind: str) -> list[Block]:
    return [b for s in notebook.sections for b in s.blocks if b.kind == kind]


def _formulas(notebook: Notebook) -> list[str]:
    """Equations and tables of symbols, by section."""
    found = []
    for section in notebook.sections:
        inside = []
        for block in section.blocks:
            if block.kind == "equation":
                inside.append(markup.formula(block.text))
            elif block.kind == "table" and re.match(r"\|\s*(?:symbol|tensor)s?\b", block.text):
                inside.append(markup.blocks(block.text))
        if inside:
            found.append(f"<section><h3>{markup.inline(section.title)}</h3>{''.join(inside)}</section>")
    return found


def _bet(block: Block) -> str:
    bet = block.bet
    answer = (
        f'<p class="number"><span></span> {html.escape(bet.unit)} <small>{html.escape(number_wanted(bet))}</small></p>'
    )
    if bet.choices:
        answer = f'<ul class="boxes">{"".join(f"<li>{html.escape(c)}</li>" for c in bet.choices)}</ul>'
    before = said_before(block)
    said = f"<p>{markup.inline(before)}</p>" if before else ""
    question = f"<p><strong>{html.escape(bet.text)}</strong></p>"
    return f'<section class="bet"><h3>{bet.id}</h3>{said}{question}{answer}</section>'


def _settled(block: Block, truth: str, because: str) -> str:
    question, truth, because = map(html.escape, (block.bet.text, truth, because))
    said = f"<p>{question}</p><p><strong>{truth}.</strong> {because}</p>"
    return f'<section class="bet"><h3>{block.bet.id}</h3>{said}</section>'


def _exercises(notebook: Notebook) -> list[str]:
    return [
        _exercise(block, _given(section.blocks, k))
        for section in notebook.sections
        for k, block in enumerate(section.blocks)
        if block.kind == "exercise"
    ]


def _given(blocks: list[Block], k: int) -> list[Block]:
    """What an exercise is about beside its text: the code between it and the cell to fill in, or, where a bug is to be
    found, the last code before it."""
    end = next((i for i in range(k + 1, len(blocks)) if blocks[i].kind in ("answer", "bet", "exercise")), k)
    given = [b for b in blocks[k + 1 : end] if b.kind in ("code", "fence", "printed") and b.title != "figure"]
    if given or "find the bug" not in blocks[k].title:
        return given if end > k and blocks[end].kind == "answer" else []
    before = [b for b in blocks[:k] if b.kind == "code" and "def " in b.text]
    return ([b for b in before if "def colleague" in b.text] or before)[-1:]


def _exercise(block: Block, given: list[Block]) -> str:
    minutes = MINUTES.search(block.title)
    low, high = LINES
    lines = min(max(int(minutes[1]) if minutes else low, low), high)
    shown = "".join(markup.printed(b.text) if b.kind == "printed" else markup.code(b.text) for b in given)
    cell = markup.code(block.code.strip("\n")) if block.code else ""
    return (
        f'<section class="exercise"><div class="task"><h3>{markup.inline(block.title)}</h3>{markup.blocks(block.text)}'
        f'{shown}{cell}</div><div class="answer" style="--lines: {lines}"></div></section>'
    )


def _answer(notebook: Notebook, block: Block) -> str:
    cell = notebook.solutions.get(TASK.match(block.title)[1], "")
    return "\n".join(line for line in cell.splitlines() if line[:9] != "@exercise")
