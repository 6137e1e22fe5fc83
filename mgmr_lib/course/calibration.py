"""What a learner's bets say: how often they were right, and whether the learner knew how sure to be."""

from mgmr_lib.course import figures, store
from mgmr_lib.course.bets import CONFIDENCES, FILE


def settled(number: str | None = None) -> dict[str, dict]:
    """The settled bets of notebook `number`, or of all: {"01.a": {"bet", "confidence", "right"}}."""
    return {
        bet_id: bet
        for bet_id, bet in sorted(store.read(FILE).items())
        if isinstance(bet, dict) and isinstance(bet.get("right"), bool) and bet_id.startswith(number or "")
    }


def shares(bets: dict[str, dict]) -> dict[int, tuple[int, int]]:
    """confidence -> (bets that were right, all bets), for each confidence that was used."""
    found = {c: [b["right"] for b in bets.values() if b.get("confidence") == c] for c in CONFIDENCES}
    return {c: (sum(r), len(r)) for c, r in found.items() if r}


def judgement(confidence: int, right: int, number: int) -> str:
    """Whether `right` of `number` fits the confidence (%), with at least three bets: outside the 90 % interval of a
    binomial count (by its normal approximation) it does not."""
    if number < 3:
        return "too few to tell"
    expected, spread = number * confidence / 100, (number * confidence / 100 * (1 - confidence / 100)) ** 0.5
    if abs(right - expected) <= 1.64 * spread:
        return "well judged"
    return "over-confident" if right < expected else "under-confident"


def in_words(bets: dict[str, dict]) -> str:
    """The bets in a few lines of Markdown; "" without any."""
    if not bets:
        return ""
    right = sum(b["right"] for b in bets.values())
    lines = [f"**{right} of {len(bets)} bets right**"]
    lines += [f"- {c} % sure: {r} of {n} right, {judgement(c, r, n)}" for c, (r, n) in shares(bets).items()]
    lost = [bet_id for bet_id, b in bets.items() if not b["right"]]
    lines += [f"- worth another look: {', '.join(lost)}"] if lost else []
    return "\n".join([lines[0], "", *lines[1:]])


def draw(bets: dict[str, dict]) -> None:
    """The calibration picture: how often right against how sure; nothing where no bet said how sure."""
    from matplotlib import pyplot as plt

    found = shares(bets)
    if not found:
        return
    fig, ax = plt.subplots(figsize=(4.6, 3.2))
    ax.plot([0, 100], [0, 100], color=figures.GREY, ls="--", lw=1)
    ax.plot(list(found), [100 * r / n for r, n in found.values()], "o", ms=10, color=figures.BLUE)
    for c, (r, n) in found.items():
        ax.annotate(f"{r} of {n}", (c, 100 * r / n), xytext=(9, -4), textcoords="offset points", fontsize=9)
    ax.set(xlabel="how sure you were (%)", ylabel="how often you were right (%)", xlim=(40, 100), ylim=(-5, 105))
    ax.set_title("Dots below the line: you were too sure")
    said = "; ".join(f"{c} % sure, right in {r} of {n}" for c, (r, n) in found.items())
    figures.show(fig, f"How often your bets were right against how sure you were: {said}.")
