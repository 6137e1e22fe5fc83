"""What differences between recorded networks allow to say, for every table, page and notebook.

One comparison that was planned beforehand: its 95 % interval leaves out 0. Many at once: Welch's test on all seeds, and
Holm's procedure over the family.
"""

import functools
import math
from collections.abc import Iterable, Mapping

import pandas as pd

from mgmr_lib.evaluation.statistics import holm, welch
from mgmr_lib.experiments.ledger import areas, by_name

BETTER, WORSE, NOT_TOLD_APART = "better", "worse", "not told apart"
LOWER_IS_BETTER = frozenset({"mae"})
UNKNOWN = dict.fromkeys(("mean", "low", "high", "p"), math.nan)


def verdict(difference: Mapping, metric: str = "mae") -> str:
    """BETTER, WORSE or NOT_TOLD_APART: the first of a pair (ledger.paired's first) against the second, by this metric.

    difference: its "low" and "high"; an interval that is not known (nan, one seed) tells nothing apart.
    """
    low, high = difference["low"], difference["high"]
    if metric in LOWER_IS_BETTER:
        low, high = -high, -low
    return BETTER if low > 0 else WORSE if high < 0 else NOT_TOLD_APART


def interval_text(difference: Mapping) -> str:
    """ "-0.123 [-0.150, -0.096]": the mean difference and its interval."""
    return f"{difference['mean']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}]"


def family(
    records: Iterable[dict], pairs: Iterable[tuple[str, str]], metric: str = "mae", area: str = "auilc"
) -> pd.DataFrame:
    """A row for each of `pairs` (first, second) that is recorded: "first", "second" (labels), "seeds" of both, "mean"
    of first - second, "low", "high", "p", and "word" for the first: BETTER, WORSE, or NOT_TOLD_APART by Holm's
    procedure over all rows. The index holds the pairs. A first without two seeds is left out.
    """
    groups, rows = by_name(records), {}
    of = functools.cache(lambda name: [areas(r).get((area, metric), math.nan) for r in groups[name]])
    for first, second in pairs:
        if first not in groups or second not in groups or len(groups[first]) < 2:
            continue
        a, b = of(first), of(second)
        labels = (groups[name][0]["label"] for name in (first, second))
        rows[first, second] = dict(zip(("first", "second"), labels, strict=True)) | {"seeds": (len(a), len(b))}
        rows[first, second] |= welch(a, b) if all(map(math.isfinite, (*a, *b))) else UNKNOWN
    told = holm([row["p"] for row in rows.values()])
    for row, significant in zip(rows.values(), told, strict=True):
        better = (row["mean"] < 0) == (metric in LOWER_IS_BETTER)
        row["word"] = (BETTER if better else WORSE) if significant else NOT_TOLD_APART
    return pd.DataFrame.from_dict(rows, orient="index")
