"""What notebook 27 says of recorded costs and areas."""

from collections.abc import Iterable

import pandas as pd

from mgmr_lib.chapters.shared.recorded_areas import NOT_RECORDED
from mgmr_lib.experiments import verdicts
from mgmr_lib.experiments.cost_tables import TETFN_AT_50, published_frame
from mgmr_lib.experiments.ledger import summary
from mgmr_lib.experiments.plan import SYSTEMS


def what_steps_cost(costs: dict) -> str:
    """A sentence: TETFN's published module at 500 steps against itself at 50, and against ours."""
    row = published_frame(costs).set_index("name").loc["tetfn"]
    long = row["published_seconds"]
    return (
        f"TETFN's published module takes {long:.2f} s at 500 steps and {TETFN_AT_50:.2f} s at 50: about "
        f"**{long / TETFN_AT_50:.0f} times** as long. The table's {row['times_faster']:.1f} is another ratio, "
        f"theirs at 500 steps against ours at 50 ({row['seconds']:.2f} s)."
    )


def areas_finding(records: Iterable[dict]) -> str:
    """A figure's title: who has the lowest mean area, and how many of the nine intervals reach Concat's."""
    frame = summary(records)
    here = [name for name in SYSTEMS if name in frame.index]
    if not here or "concat" not in frame.index:
        return f"Areas with their intervals over seeds: {NOT_RECORDED}"
    low, high = (frame[f"auilc mae {end}"] for end in ("low", "high"))
    reach = sum(low[name] <= high["concat"] and low["concat"] <= high[name] for name in here)
    best = frame.loc[frame["auilc mae"].idxmin(), "label"]
    return f"Recorded: {best} is lowest; intervals of {reach} of the {len(here)} published ones overlap Concat's"


def largest_and_told(found: pd.DataFrame) -> str:
    """A sentence on verdicts.family: the largest difference beside the smallest one that is told apart; "" where the
    largest is told apart, or none is."""
    sizes, told = found["mean"].abs(), found["word"] != verdicts.NOT_TOLD_APART
    largest = found.loc[sizes.idxmax()]
    if not told.any() or told[sizes.idxmax()]:
        return ""
    one = found.loc[sizes[told].idxmin()]
    wider = (largest["high"] - largest["low"]) / (one["high"] - one["low"])
    return (
        f"The largest difference, {largest['first']}'s {largest['mean']:+.3f}, is not told apart, and {one['first']}'s "
        f"{one['mean']:+.3f} is: the larger one's interval is {wider:.1f} times as wide."
    )
