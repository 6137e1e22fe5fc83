"""Notebook 19: what each part of MFMB-Net's published code does, by trainings in which it is as the paper prints it."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from mgmr_lib import markdown
from mgmr_lib.course import figures
from mgmr_lib.experiments import ledger, verdicts
from mgmr_lib.experiments.plan import PARTS

WHOLE = "mfmb_code"


def differences(records: Iterable[dict]) -> pd.DataFrame:
    """verdicts.family of the code's network with each part taken back against the code's network: a row per part, the
    index its variant's name; beside it "parameters" and "last", how many trainings were best in their last epoch."""
    records = list(records)
    runs, found = ledger.by_name(records), verdicts.family(records, [(part, WHOLE) for part in PARTS])
    found.index = [first for first, _ in found.index]
    for name in found.index:
        found.loc[name, "parameters"] = runs[name][0]["parameters"]
        found.loc[name, "last"] = sum(r["best_epoch"] + 1 == r["epochs"] for r in runs[name])
    return found


def table(found: pd.DataFrame) -> str:
    """Markdown of differences()."""
    rows = [
        (r["first"].removeprefix("its code with "), f"{r['parameters']:,.0f}", r["seeds"][0], verdicts.interval_text(r),
         f"{r['p']:.2g}", r["word"], f"{r['last']:.0f}")
        for _, r in found.iterrows()
    ]  # fmt: skip
    head = ("the code's network, but with", "weights", "seeds", "AUILC of MAE, minus the code's", "p",
            "it is, in a family of " + str(len(rows)), "best in the last epoch")  # fmt: skip
    return markdown.table(head, rows)


def told_apart(found: pd.DataFrame) -> int:
    """How many of the rows Holm's procedure tells apart from the code's network."""
    return int((found["word"] != verdicts.NOT_TOLD_APART).sum())


def draw(ax, recordings: dict[str, pd.DataFrame]) -> None:
    """A point and a 95 % interval for each row of differences(), in the first recording's order from above; a second
    recording's lie below the first one's. recordings: one or two, name -> differences()."""
    first = next(iter(recordings.values()))
    places = np.arange(len(first))[::-1]
    ax.axvline(0, color=figures.GREY, linewidth=1)
    styles = (("o", figures.BLUE), ("s", figures.GREY))
    for i, (name, rows) in enumerate(recordings.items()):
        found, (marker, colour) = rows.reindex(first.index), styles[i]
        spans = [(found["mean"] - found["low"]).to_numpy(), (found["high"] - found["mean"]).to_numpy()]
        ax.errorbar(found["mean"], places - 0.3 * i, xerr=spans, fmt=marker, color=colour, capsize=3, label=name)
    ax.set_yticks(places, [label.removeprefix("its code with ") for label in first["first"]])
    ax.set(xlabel="change of the error's area (points)\nbelow 0: better than the code's", ylabel="the code, but with")
