"""Notebook 28: who is a rival. A paper's claim is judged against the networks of its own tables, and beside that
against everyone and under other care for settings."""

from collections.abc import Iterable

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


def shares_left(records: Iterable[dict], rate: float = 0.9) -> dict[str, list[float]]:
    """{name: of each training, how much of its lead over the mean label at rate 0 is left at this rate, by MAE}."""
    groups = by_name(records)
    if "mean" not in groups:
        return {}
    table = curves([r for records in groups.values() for r in records])
    mean = table[table["name"] == "mean"].groupby("rate")["mae"].mean()
    found: dict[str, list[float]] = {}
    for (name, _), run in table[table["name"] != "mean"].groupby(["name", "training_seed"]):
        lead = mean - run.set_index("rate")["mae"]
        found.setdefault(str(name), []).append(float(lead[rate] / lead[0.0]))
    return found


def keeps_more(records: Iterable[dict], network: str, rivals: Iterable[str]) -> pd.DataFrame:
    """A row for each recorded rival: "second" (its label), welch's numbers of the shares left (the network's minus the
    rival's), and "word" for the network, BETTER where it keeps more, by Holm's procedure over the rows."""
    records = list(records)
    left, labels = shares_left(records), {r["name"]: r["label"] for r in records}
    there = [r for r in rivals if len(left.get(r, ())) > 1]
    if len(left.get(network, ())) < 2:
        there = []
    rows = {rival: {"second": labels[rival], **welch(left[network], left[rival])} for rival in there}
    for row, told in zip(rows.values(), holm([row["p"] for row in rows.values()]), strict=True):
        row["word"] = verdicts.NOT_TOLD_APART
        if told:
            row["word"] = verdicts.BETTER if row["mean"] > 0 else verdicts.WORSE
    return pd.DataFrame.from_dict(rows, orient="index")


def told_apart(found: pd.DataFrame) -> str:
    """ "better than 3, worse than 1 of 8": a family (verdicts.family) in numbers."""
    words = found["word"].tolist() if len(found) else []
    return f"better than {words.count(verdicts.BETTER)}, worse than {words.count(verdicts.WORSE)} of {len(words)}"


CONDITIONS = {  # a menu of the notebook: (whose records, which variant stands for the network)
    "equal search": ("equal", ""),
    "profile's settings": ("runs", ""),
    "rivals' settings": ("runs", "_plain"),
}


def differences(evidence, network: str, condition: str, rivals: Iterable[str] = RIVALS) -> pd.DataFrame:
    """verdicts.family of a network against rivals under one of CONDITIONS, in the AUILC of MAE."""
    source, suffix = CONDITIONS[condition]
    return verdicts.family(getattr(evidence, source), [(network + suffix, rival) for rival in rivals])


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
        ax.set_title(f"{VARIANTS[network].label}, {settings}: {told_apart(found)}")

    return draw
