"""`predict` and `outcome`: a bet before the code runs, and what to learn from it afterwards.

    predict("01.a", "What is left of the clap after 20 steps?", choices={"nothing": 0, "a tenth": 0.1, "a half": 0.5})
    ...
    outcome("01.a", heard[20], because="twenty factors of 0.9 make about an eighth.")

In a live notebook `predict` shows the choices (or a slider, or a field for a number) and keeps the bet in the learner's
folder. `outcome` compares it with what was computed. Without a bet both say in words what was asked and what came out:
"Run All", the stored notebooks and the tests never wait for anybody.
"""

import re
from dataclasses import dataclass

from mgmr_lib.course import display, store
from mgmr_lib.course.room import joining
from mgmr_lib.errors import CourseError

FILE = "bets.json"
ID = re.compile(r"^\d\d\.[a-z]$")
CONFIDENCES = (50, 70, 90)  # per cent
_open: dict[str, tuple] = {}  # what this kernel has asked: id -> (Question, its live panel or None)


@dataclass(frozen=True)
class Question:
    """What is bet on: one of `choices` (with `numbers`, the truth is the choice whose number lies nearest), or a
    number.

    between: the ends of the slider, None for a field; a numeric bet is right within `within` (absolute) or within the
    factor `factor` of the truth; unit: of the number ("steps", "%").
    """

    id: str
    text: str
    choices: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()
    between: tuple[float, float] | None = None
    step: float | None = None
    within: float = 0.0
    factor: float = 1.0
    unit: str = ""

    def __post_init__(self):
        where = f"predict({self.id!r}, ...)"
        if not ID.match(self.id):
            raise CourseError(f"{where}: an id is the notebook's two digits, a dot and a letter, such as '09.a'")
        if bool(self.choices) == bool(self.within or self.factor > 1):
            raise CourseError(f"{where}: give choices=[...], or a number's tolerance (within=... or factor=...)")
        if self.choices and len(set(self.choices)) < 2:
            raise CourseError(f"{where}: give at least two different choices")
        if self.between and not self.between[0] < self.between[1]:
            raise CourseError(f"{where}: between=(low, high) needs low < high, not {self.between}")

    def truth(self, value):
        """What came out, as a bet would say it: the text of a choice, or the number."""
        if not self.choices:
            return float(value)
        if self.numbers and not isinstance(value, str):
            return min(zip(self.choices, self.numbers, strict=True), key=lambda c: abs(c[1] - float(value)))[0]
        if value in self.choices:
            return value
        raise CourseError(f"outcome({self.id!r}, {value!r}): none of the choices {list(self.choices)}")

    def is_right(self, bet, truth) -> bool:
        """Whether the bet is won."""
        if self.choices:
            return bet == truth
        if self.factor > 1:
            return bet * truth > 0 and 1 / self.factor <= bet / truth <= self.factor
        return abs(bet - truth) <= self.within + 1e-12

    def fits(self, bet) -> bool:
        """Whether a bet that was kept earlier belongs to this question (the course may have changed it)."""
        return bet in self.choices if self.choices else isinstance(bet, (int, float))

    def words(self, answer) -> str:
        """An answer in words: "a half", "12 steps"."""
        return answer if isinstance(answer, str) else f"{answer:.3g}{' ' * (self.unit != '%')}{self.unit}".rstrip()

    def tolerance(self) -> str:
        """What counts as right, in words."""
        if self.factor > 1:
            return f"right within a factor of {self.factor:g}"
        return f"right within {self.words(self.within)}"


def kept(question: Question) -> dict:
    """The learner's bet on `question`: {} or {"bet": ..., "confidence": 70 or None, "right": only once it is
    settled}."""
    found = store.read(FILE).get(question.id)
    return found if isinstance(found, dict) and question.fits(found.get("bet")) else {}


def place(question: Question, bet, confidence: int | None) -> None:
    """Keep a bet; one that is settled stays as it was."""
    if "right" not in kept(question):
        store.update(FILE, lambda bets: bets | {question.id: {"bet": bet, "confidence": confidence}})
        joining.tell_bet(question.id, bet)


def predict(bet_id: str, question: str, choices=None, *, between=None, step=None, within=0.0, factor=1.0, unit=""):
    """Ask for a bet before the code runs. Returns nothing; `outcome(bet_id, ...)` settles it.

    question: one short sentence (the text above may say more). choices: a list of texts, or a dict text -> number,
    where `outcome` is given a number and the nearest wins. Without choices the bet is a number, right within `within`
    (absolute) or within the factor `factor`; between=(low, high) gives a slider over an axis, else a field is shown.
    """
    numbers = tuple(map(float, choices.values())) if isinstance(choices, dict) else ()
    asked = Question(bet_id, question, tuple(choices or ()), numbers, between, step, within, factor, unit)
    data, live = {"text/plain": _asked_in_words(asked)}, None
    if display.has_widgets():
        from mgmr_lib.course.bet_panel import Panel

        live = Panel(asked)
        data |= display.widget_view(live.box)
    _open[bet_id] = (asked, live)
    display.bundle(data)
    if between and live:
        display.label_sliders()


def _asked_in_words(q: Question) -> str:
    if q.choices:
        return "\n".join([f"{q.id}  Your bet: {q.text}", *(f"      - {c}" for c in q.choices)])
    ends = f"between {q.words(q.between[0])} and {q.words(q.between[1])}, " if q.between else ""
    return f"{q.id}  Your bet: {q.text}\n      a number, {ends}{q.tolerance()}"


def outcome(bet_id: str, value, because: str) -> None:
    """Settle the bet `bet_id` with what the notebook computed, and say what to learn from it.

    value: a number, or the text of a choice; because: one sentence, for those who bet otherwise.
    """
    if bet_id not in _open:
        print(f"{bet_id}  Run the cell with predict({bet_id!r}, ...) first: it asks what this cell answers.")
        return
    question, live = _open[bet_id]
    truth = question.truth(value)
    bet = kept(question)
    if bet:
        right = bet.get("right", question.is_right(bet["bet"], truth))
        bet |= {"right": right}
        store.update(FILE, lambda bets: bets | {bet_id: bet})
    if live is not None:
        live.settle(bet, truth)
    kind, head = _verdict(question, bet, truth)
    picture = axis(question, {"it is": truth} | ({"your bet": bet["bet"]} if bet else {})) if question.between else ""
    html = display.panel(kind, f"{bet_id}  {head}", display.paragraph(because) + picture)
    display.bundle({"text/html": html, "text/plain": f"{bet_id}  {head}\n      {because}"})


def _verdict(question: Question, bet: dict, truth) -> tuple[str, str]:
    """(kind of panel, its first line)."""
    it_is = question.words(truth)
    if not bet:
        return "note", f"The outcome: {it_is}."
    yours = question.words(bet["bet"]) + (f" ({bet['confidence']} % sure)" if bet["confidence"] else "")
    if bet["right"]:
        return "right", f"Your bet was right: {yours}." + ("" if question.choices else f" It is {it_is}.")
    return "wrong", f"Your bet: {yours}. The outcome: {it_is}."


def axis(question: Question, marks: dict[str, float], width: int = 420) -> str:
    """SVG of the axis from `question.between`, with a mark above it for each name in `marks`."""
    (low, high), inset = question.between, 30
    at = {v: inset + (width - 2 * inset) * (min(max(v, low), high) - low) / (high - low) for v in marks.values()}
    ticks = [low + (high - low) * k / 4 for k in range(5)]
    drawn = [f'<line x1="{inset}" x2="{width - inset}" y1="40" y2="40" stroke="currentColor"/>']
    for k, t in enumerate(ticks):
        x = inset + (width - 2 * inset) * k / 4
        drawn.append(f'<line x1="{x:g}" x2="{x:g}" y1="40" y2="46" stroke="currentColor"/>')
        drawn.append(f'<text x="{x:g}" y="60" text-anchor="middle">{question.words(t)}</text>')
    for row, (name, v) in enumerate(marks.items()):
        y = 12 + 14 * row
        drawn.append(
            f'<line x1="{at[v]:.1f}" x2="{at[v]:.1f}" y1="{y}" y2="40" stroke="currentColor" stroke-width="3"/>'
        )
        side = ("end", -6) if at[v] > width / 2 else ("start", 6)
        drawn.append(f'<text x="{at[v] + side[1]:.1f}" y="{y + 2}" text-anchor="{side[0]}">{name}</text>')
    said = ", ".join(f"{name} {question.words(v)}" for name, v in marks.items())
    return (
        f'<svg role="img" aria-label="{said}" width="{width}" height="66" viewBox="0 0 {width} 66" '
        f'fill="currentColor" font-size="11" style="max-width: 100%; color: var(--jp-ui-font-color1, currentColor);">'
        f"{''.join(drawn)}</svg>"
    )
