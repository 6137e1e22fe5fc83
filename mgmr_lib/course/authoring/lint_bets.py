"""The rule on bets: every question to predict has its `predict`, its `outcome`, and a lesson.

The builder hides the code of both cells (the choices are in the panel, the lesson would spoil the bet)."""

import ast
import re

from mgmr_lib.course.authoring.source import BET, Source

# While notebooks are being converted, the rule holds for those that hold at least one bet; True: for all of them.
ALL_CONVERTED = True
MARKER = re.compile(r"\*\*Predict[^*\n]*:\*\*")
FEWEST_WORDS = 5
IMPORTS = re.compile(r"^(from|import) ")
SHOWN = re.compile(r"^(@exercise|check|explore|hint|print|progress|say|show)\(|^(def|class|from|import) ", re.MULTILINE)


def _calls(code: str, name: str) -> list[ast.Call]:
    """The calls of `name` in a cell, in order."""
    found = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == name]
    return sorted(found, key=lambda n: n.lineno)


def _id(call: ast.Call) -> str:
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, ast.Constant) else "?"


def _words(call: ast.Call) -> int:
    """How many words the lesson has (numbers filled in count as none)."""
    because = next((k.value for k in call.keywords if k.arg == "because"), call.args[2] if len(call.args) > 2 else None)
    texts = [] if because is None else [n.value for n in ast.walk(because) if isinstance(n, ast.Constant)]
    return len(" ".join(t for t in texts if isinstance(t, str)).split())


def bets(source: Source, known):
    """Each **Predict, ...:** is followed by its `predict`, each `predict` later by one `outcome` with a lesson; ids are
    01.a, 01.b, ... in order."""
    asked: list[str] = []
    settled: list[str] = []
    waiting = ""  # a question in the text whose predict has not come yet
    unasked = []
    for cell in source.cells:
        if cell.kind == "markdown":
            if waiting and MARKER.search(cell.source):
                unasked.append(waiting)
            markers = MARKER.findall(cell.source)
            waiting = cell.source[cell.source.index(markers[0]) :][:60] if markers else waiting
            continue
        predicts = _calls(cell.source, "predict")
        if BET.search(cell.source) and (shown := SHOWN.search(cell.source)):
            yield f"the cell of a bet is hidden, and holds {shown[0]!r}: give predict and outcome a cell of their own"
        if waiting and not predicts and IMPORTS.match(cell.source):
            continue  # a notebook's first question stands above its imports
        if waiting and not predicts:
            unasked.append(waiting)
        waiting = ""
        asked += map(_id, predicts)
        for call in _calls(cell.source, "outcome"):
            yield from _outcome_faults(call, asked, settled)
            settled.append(_id(call))
    unasked += [waiting] if waiting else []
    if asked or ALL_CONVERTED:
        for text in unasked:
            yield f"the question {text!r} has no predict(...) in the code cell below it"
    wanted = [f"{source.meta.number}.{chr(ord('a') + i)}" for i in range(len(asked))]
    if asked != wanted:
        yield f"the bets are {asked}: number them {wanted}"
    for bet in [b for b in asked if b not in settled]:
        yield f"the bet {bet} has no outcome({bet!r}, ..., because=...) below it"


def _outcome_faults(call: ast.Call, asked: list[str], settled: list[str]):
    bet = _id(call)
    if bet not in asked:
        yield f"outcome({bet!r}, ...) stands above its predict, or has none"
    if bet in settled:
        yield f"outcome({bet!r}, ...) stands twice"
    if _words(call) < FEWEST_WORDS:
        yield f"outcome({bet!r}, ...): because= says in one sentence what a lost bet teaches"
