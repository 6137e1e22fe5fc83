"""What the ledger says of networks side by side (11, 15, 20, 21, 26, 27): areas with intervals, verdicts in words, and
whether an order of networks holds on another corpus."""

import warnings
from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from mgmr_lib.course import figures
from mgmr_lib.evaluation.statistics import bootstrap_interval
from mgmr_lib.experiments import verdicts
from mgmr_lib.experiments.ledger import areas as areas_of
from mgmr_lib.experiments.ledger import by_name, summary
from mgmr_lib.experiments.plan import REFERENCES, TWO

NOT_RECORDED = "not recorded yet"


def areas(fig, records: Iterable[dict]) -> None:
    """AUILC of MAE, one line per network with its interval over seeds, lowest error on top; grey without training."""
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


def common(*corpora: Iterable[dict]) -> list[str]:
    """Names of the networks, without references, that every corpus has at least two trainings of."""
    groups = [by_name(r for r in records if r.get("config") is not None) for records in corpora]
    return [name for name in groups[0] if all(len(g.get(name, ())) > 1 for g in groups)]


def two_worlds(fig, first: Iterable[dict], second: Iterable[dict], named: Iterable[str] = (*TWO, "concat")) -> None:
    """Each network's AUILC of MAE on one corpus against that on another, with intervals over seeds. Named: some, and
    who is best and worst on either."""
    first, second, ax = list(first), list(second), fig.subplots()
    names = common(first, second)
    x, y = (summary(records, names) for records in (first, second))
    outermost = {f["auilc mae"].idxmin() for f in (x, y) if names} | {f["auilc mae"].idxmax() for f in (x, y) if names}
    for name in names:
        at = x.loc[name, "auilc mae"], y.loc[name, "auilc mae"]
        colour = figures.RED if name in TWO else figures.BLUE
        for frame, axis in ((x, 0), (y, 1)):
            ends = [frame.loc[name, "auilc mae low"], frame.loc[name, "auilc mae high"]]
            ax.plot(*((ends, [at[1]] * 2) if axis == 0 else ([at[0]] * 2, ends)), color=colour, lw=1, alpha=0.5)
        ax.plot(*at, "o", color=colour, ms=5)
        if name in {*named, *outermost}:
            aside = {"xytext": (14, 10 if names.index(name) % 2 else -14), "arrowprops": {"arrowstyle": "-", "lw": 0.6}}
            ax.annotate(x.loc[name, "label"], at, textcoords="offset points", fontsize=8, **aside)
    corpora = [records[0]["corpus"] if records else NOT_RECORDED for records in (first, second)]
    ax.set(xlabel=f"AUILC of the error on {corpora[0]}", ylabel=f"AUILC of the error on {corpora[1]}")


def rank_agreement(first: Iterable[dict], second: Iterable[dict]) -> dict[str, float]:
    """Spearman's correlation of the networks' AUILC of MAE: "between" the two corpora (means over seeds), with "low"
    and "high" from a bootstrap over the networks, and "first" and "second" within one, between one training seed and
    another (mean over pairs), which "between" cannot exceed by much. nan where fewer than three networks are common."""
    first, second = list(first), list(second)
    names = common(first, second)
    if len(names) < 3:
        return dict.fromkeys(("between", "low", "high", "first", "second"), float("nan"))
    means = [summary(records, names)["auilc mae"].to_numpy() for records in (first, second)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a resample of one network alone has no correlation, and is left out
        drawn = bootstrap_interval(lambda x, y: spearmanr(x, y).statistic, *means)
    found = {"between": drawn["value"], "low": drawn["low"], "high": drawn["high"]}
    for key, records in (("first", first), ("second", second)):
        table = pd.DataFrame({n: {r["training_seed"]: areas_of(r)["auilc", "mae"] for r in by_name(records)[n]}
                              for n in names}).dropna()  # fmt: skip
        pairs = [spearmanr(table.loc[a], table.loc[b]).statistic for a, b in combinations(table.index, 2)]
        found[key] = float(np.mean(pairs)) if pairs else float("nan")
    return found


def bootstrap_said(found: dict[str, float]) -> str:
    """A sentence on rank_agreement's "between": its interval, and whether it leaves out 0."""
    excluded = found["low"] > 0 or found["high"] < 0
    return (
        f"A bootstrap over the networks goes from {found['low']:+.2f} to {found['high']:+.2f}: no agreement at all is "
        f"{'excluded' if excluded else 'not excluded'}."
    )
