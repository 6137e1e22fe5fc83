"""Notebook 28: who is a rival. A paper's claim is judged against the networks of its own tables, and beside that
against everyone and under other care for settings."""

from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd

from mgmr_lib.course import figures
from mgmr_lib.evaluation.statistics import holm, welch
from mgmr_lib.experiments import verdicts
from mgmr_lib.experiments.ledger import by_name, curves
from mgmr_lib.experiments.plan import BASELINES, SYSTEMS, VARIANTS
from mgmr_lib.experiments.tables import paper_rows

RIVALS = (*BASELINES, *SYSTEMS)


def theirs(paper: str, table: int, family: str = "mosi") -> tuple[str, ...]:
    """Our names of the networks that a paper's table sets beside its own."""
    named = {VARIANTS[n].label.partition(" (")[0]: n for n in RIVALS}
    return tuple(named[label] for label in paper_rows((paper, table), family).index if label in named)


def _changes(records: Iterable[dict], metric: str, rate: float, share: bool) -> dict[str, list[float]]:
    """{name: of each training, how much the metric changes from rate 0 to this rate}; share: of its lead over the mean
    label at rate 0, which share is left (a training without a lead is left out)."""
    groups = by_name(records)
    if not groups or (share and "mean" not in groups):
        return {}
    table = curves([r for runs in groups.values() for r in runs])
    mean = table[table["name"] == "mean"].groupby("rate")[metric].mean()
    found: dict[str, list[float]] = {}
    for (name, _), run in table[table["name"] != "mean"].groupby(["name", "training_seed"]):
        at = run.set_index("rate")[metric]
        if share and mean[0.0] <= at[0.0]:
            continue
        change = (mean[rate] - at[rate]) / (mean[0.0] - at[0.0]) if share else at[rate] - at[0.0]
        found.setdefault(str(name), []).append(float(change))
    return found


def shares_left(records: Iterable[dict], rate: float = 0.9) -> dict[str, list[float]]:
    """{name: of each training, how much of its lead over the mean label at rate 0 is left at this rate, by MAE}."""
    return _changes(records, "mae", rate, share=True)


def mean_loss(records: Iterable[dict], network: str, metric: str, rate: float = 0.9) -> float:
    """How much worse the metric gets from rate 0 to this rate, above 0, over trainings."""
    lost = _changes(records, metric, rate, share=False)[network]
    return abs(sum(lost) / len(lost))


def start_and_rise(records: Iterable[dict], names: Iterable[str], rate: float = 0.9) -> float:
    """Correlation, over networks, of the mean MAE at rate 0 with its rise to this rate; nan with fewer than three."""
    table = curves([r for r in records if r["name"] in set(names)])
    means = table.groupby(["name", "rate"])["mae"].mean().unstack()
    return float(np.corrcoef(means[0.0], means[rate] - means[0.0])[0, 1]) if len(means) > 2 else float("nan")


def _judged(values: dict[str, list[float]], records: list[dict], network: str, rivals: Iterable[str], better: int):
    """A row for each recorded rival: "second" (its label), welch's numbers of the network's values minus the rival's,
    and "word" by Holm's procedure over the rows, BETTER where the difference has the sign of `better`."""
    labels = {r["name"]: r["label"] for r in records}
    there = [r for r in rivals if len(values.get(r, ())) > 1] if len(values.get(network, ())) > 1 else []
    rows = {rival: {"second": labels[rival], **welch(values[network], values[rival])} for rival in there}
    for row, told in zip(rows.values(), holm([row["p"] for row in rows.values()]), strict=True):
        row["word"] = verdicts.NOT_TOLD_APART
        if told:
            row["word"] = verdicts.BETTER if row["mean"] * better > 0 else verdicts.WORSE
    return pd.DataFrame.from_dict(rows, orient="index")


def keeps_more(records: Iterable[dict], network: str, rivals: Iterable[str]) -> pd.DataFrame:
    """Whether the network keeps a larger share of its lead than each recorded rival (_judged)."""
    records = list(records)
    return _judged(shares_left(records), records, network, rivals, better=1)


def loses_less(records: Iterable[dict], network: str, rivals: Iterable[str], metric: str, rate: float = 0.9):
    """Whether the network's metric gets less worse than each recorded rival's from rate 0 to this rate (_judged)."""
    records = list(records)
    better = -1 if metric in verdicts.LOWER_IS_BETTER else 1
    return _judged(_changes(records, metric, rate, share=False), records, network, rivals, better)


def at_rate(records: Iterable[dict], network: str, rivals: Iterable[str], rate: float = 0.9) -> pd.DataFrame:
    """Whether the network's MAE at this rate is lower than each recorded rival's (_judged)."""
    records = list(records)
    table = curves([r for r in records if r.get("config") is not None])
    runs = table[table["rate"] == rate].groupby("name")["mae"]
    return _judged({str(name): list(values) for name, values in runs}, records, network, rivals, better=-1)


def by_three_seeds(records: Iterable[dict], network: str, rivals: Iterable[str] = RIVALS) -> list[tuple[int, int]]:
    """(better than, worse than) so many rivals in the AUILC of MAE, for every three of the recorded seeds."""
    records, names = list(records), {network, *rivals}
    seeds = sorted({r["training_seed"] for r in records if r["name"] == network and r.get("config") is not None})
    found = []
    for three in combinations(seeds, 3):
        runs = [r for r in records if r["name"] in names and r["training_seed"] in three]
        words = verdicts.family(runs, [(network, rival) for rival in rivals])["word"].tolist()
        found.append((words.count(verdicts.BETTER), words.count(verdicts.WORSE)))
    return found


def told_apart(found: pd.DataFrame, better: str = "better", worse: str = "worse") -> str:
    """ "better than 3, worse than 1 of 8": a family (verdicts.family) in numbers."""
    words = found["word"].tolist() if len(found) else []
    return f"{better} than {words.count(verdicts.BETTER)}, {worse} than {words.count(verdicts.WORSE)} of {len(words)}"


THREE = (1111, 1112, 1113)
CONDITIONS = {  # a menu of the notebook: (whose records, which variant stands for the network, seeds of both sides)
    "equal search, five seeds": ("equal", "", (*THREE, 1114, 1115)),
    "profile's settings, three seeds (first edition)": ("runs", "", THREE),
    "rivals' settings, three seeds (first edition)": ("runs", "_plain", THREE),
    "equal search, three seeds": ("equal", "", THREE),
}


def differences(evidence, network: str, condition: str, rivals: Iterable[str] = RIVALS) -> pd.DataFrame:
    """verdicts.family of a network against rivals under one of CONDITIONS, in the AUILC of MAE."""
    source, suffix, seeds = CONDITIONS[condition]
    runs = [r for r in getattr(evidence, source) if r["training_seed"] in seeds]
    return verdicts.family(runs, [(network + suffix, rival) for rival in rivals])


def draw_differences(evidence):
    """A drawing function (fig, network, settings) for `explore`: one line a rival, with its interval."""

    def draw(fig, network, settings):
        found = differences(evidence, network, settings).iloc[::-1]
        ax = fig.subplots()
        colours = {verdicts.BETTER: figures.BLUE, verdicts.WORSE: figures.RED}
        for i, (_, row) in enumerate(found.iterrows()):
            colour = colours.get(row["word"], figures.GREY)
            ax.plot([row["low"], row["high"]], [i, i], color=colour, lw=2)
            ax.plot(row["mean"], i, "o", color=colour, ms=4)
        ax.set_yticks(np.arange(len(found)), found["second"] if len(found) else [], fontsize=8)
        ax.axvline(0, color="black", lw=0.8)
        ax.set(xlabel="difference of the AUILC of MAE (left: the network is ahead)", ylabel="rival")
        ax.set_title(f"{VARIANTS[network].label}: {told_apart(found)}\n{settings}")

    return draw
