"""What the ledger says of networks side by side, for 20, 26 and 27: areas with intervals, and verdicts in words."""

from collections.abc import Iterable

import pandas as pd

from mgmr_lib.course import figures
from mgmr_lib.experiments import verdicts
from mgmr_lib.experiments.ledger import summary
from mgmr_lib.experiments.plan import REFERENCES, TWO

NOT_RECORDED = "not recorded yet"


def areas(fig, records: Iterable[dict]) -> None:
    """AUILC of MAE, one line a network with its interval over seeds, lowest error at the top; grey without training."""
    ax = fig.subplots()
    ax.set(xlabel="AUILC of the mean absolute error over rates 0 to 1 (points)", ylabel="network")
    records = list(records)
    if not records:
        ax.set(title=NOT_RECORDED, yticks=[])
        return
    frame = summary(records).sort_values("auilc mae", ascending=False)
    for i, (name, row) in enumerate(frame.iterrows()):
        colour = figures.RED if name in TWO else figures.GREY if name in REFERENCES else figures.BLUE
        ax.plot([row["auilc mae low"], row["auilc mae high"]], [i, i], color=colour, lw=2.5)
        ax.plot(row["auilc mae"], i, "o", color=colour, ms=5)
    ax.set_yticks(range(len(frame)), frame["label"])


def in_words(found: pd.DataFrame) -> str:
    """Markdown of verdicts.family: one line each."""
    words = {verdicts.BETTER: "beats", verdicts.WORSE: "loses to"}
    lines = [
        f"- {r['first']} {words.get(r['word'], f'is {verdicts.NOT_TOLD_APART} from')} {r['second']}: "
        f"{verdicts.interval_text(r)}, p = {r['p']:.2g}"
        for _, r in found.iterrows()
    ]
    return "\n".join(lines) or f"**{NOT_RECORDED.capitalize()}.**"


def still_falling(records: Iterable[dict]) -> str:
    """A sentence: how many trainings were best in their last epoch, which more epochs may change; "" for none."""
    trained = [r for r in records if r.get("config") is not None]
    late = [r for r in trained if r["best_epoch"] == r["epochs"] - 1]
    where = sorted({r["label"] for r in late})
    return (
        f"{len(late)} of {len(trained)} trainings were best in their last epoch, so more epochs may move them: "
        f"{'; '.join(where)}."
        if late
        else ""
    )
