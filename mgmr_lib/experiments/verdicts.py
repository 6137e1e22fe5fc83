"""What a paired difference allows to say. One rule for every table, page and notebook: its 95 % interval leaves out
0."""

from collections.abc import Mapping

BETTER, WORSE, NOT_TOLD_APART = "better", "worse", "not told apart"
LOWER_IS_BETTER = frozenset({"mae"})


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
