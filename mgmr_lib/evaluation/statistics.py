"""How sure a number is: intervals over seeds, and differences between two networks on the same clips or seeds."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

Numbers: TypeAlias = Sequence[float] | np.ndarray  # (n,), one a seed or a clip


def t_interval(values: Numbers, confidence: float = 0.95) -> dict[str, float]:
    """{"mean", "sd", "low", "high"} of a few runs by Student's t; one run has no sd and no interval (nan)."""
    from scipy import stats  # imported late: slow to load

    x = _numbers(values, "values")
    mean, n = float(x.mean()), len(x)
    if n < 2:
        return {"mean": mean, "sd": float("nan"), "low": float("nan"), "high": float("nan")}
    sd = float(x.std(ddof=1))
    half = float(stats.t.ppf((1 + _level(confidence)) / 2, n - 1)) * sd / float(np.sqrt(n))
    return {"mean": mean, "sd": sd, "low": mean - half, "high": mean + half}


def bootstrap_interval(
    statistic: Callable[..., float], *columns: Numbers, n_resamples: int = 1000, seed: int = 0, confidence: float = 0.95
) -> dict[str, float]:
    """{"value", "low", "high"}: percentile bootstrap of statistic(*columns), resampling the clips (rows) with
    replacement.

    columns: arrays of one length n, such as prediction and truth. Resamples where the statistic is nan are left out.
    """
    arrays = [_numbers(c, "columns") for c in columns]
    if len({len(c) for c in arrays}) != 1:
        raise ValueError("the columns must have one length")
    rng = np.random.default_rng(seed)
    n = len(arrays[0])
    draws = (rng.integers(0, n, size=n) for _ in range(n_resamples))
    found = np.array([statistic(*(c[rows] for c in arrays)) for rows in draws], dtype=np.float64)
    found = found[~np.isnan(found)]
    tail = (1 - _level(confidence)) / 2
    low, high = np.quantile(found, [tail, 1 - tail]) if len(found) else (np.nan, np.nan)
    return {"value": float(statistic(*arrays)), "low": float(low), "high": float(high)}


def paired_difference(
    first: Numbers, second: Numbers, n_resamples: int = 10_000, seed: int = 0, confidence: float = 0.95
) -> dict[str, float]:
    """first - second, pair by pair (the same seed, or the same clip): mean, t-interval, t-test's p, bootstrap interval.

    Returns {"mean", "sd", "low", "high", "p", "bootstrap_low", "bootstrap_high"}. Where all differences are the same,
    the t-test says nothing: p is 1 for a difference of 0 and 0 otherwise.
    """
    from scipy import stats

    a, b = _numbers(first, "first"), _numbers(second, "second")
    if len(a) != len(b):
        raise ValueError(f"pairs need two of each: {len(a)} and {len(b)} values")
    difference = a - b
    out = t_interval(difference, confidence)
    if len(difference) < 2:
        out["p"] = float("nan")
    elif out["sd"] == 0:
        out["p"] = 1.0 if out["mean"] == 0 else 0.0
    else:
        out["p"] = float(stats.ttest_rel(a, b).pvalue)
    low, high = _bootstrap_of_the_mean(difference, n_resamples, seed, confidence)
    return out | {"bootstrap_low": low, "bootstrap_high": high}


def _bootstrap_of_the_mean(x: np.ndarray, n_resamples: int, seed: int, confidence: float) -> tuple[float, float]:
    """`bootstrap_interval(np.mean, x)`'s low and high, from the same draws, a thousand resamples at a time."""
    rng, tail = np.random.default_rng(seed), (1 - _level(confidence)) / 2
    blocks = [min(1000, n_resamples - start) for start in range(0, n_resamples, 1000)]
    means = [x[rng.integers(0, len(x), size=(block, len(x)))].mean(axis=1) for block in blocks]
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)


def welch(first: Numbers, second: Numbers, confidence: float = 0.95) -> dict[str, float]:
    """mean(first) - mean(second) of runs that are not paired, by Welch's t: {"mean", "low", "high", "p"}.

    A single value in `second` is taken as known (a predictor that is not trained has no seeds): a one-sample t. Where
    nothing varies, or `first` holds one run, there is no interval (nan), and p is nan.
    """
    from scipy import stats

    a, b = _numbers(first, "first"), _numbers(second, "second")
    mean = float(a.mean() - b.mean())
    if len(a) < 2 or (np.ptp(a) == 0 and np.ptp(b) == 0):
        return {"mean": mean, "low": float("nan"), "high": float("nan"), "p": float("nan")}
    known = len(b) == 1
    test = stats.ttest_1samp(a, b[0]) if known else stats.ttest_ind(a, b, equal_var=False)
    low, high = test.confidence_interval(_level(confidence))
    shift = b[0] if known else 0.0  # a one-sample interval is that of the mean itself
    return {"mean": mean, "low": float(low - shift), "high": float(high - shift), "p": float(test.pvalue)}


def holm(p: Sequence[float], level: float = 0.05) -> list[bool]:
    """Which of a family of p values are significant, such that a false alarm anywhere has at most probability `level`.

    Holm's step-down procedure (1979): the smallest p meets level / m, the next level / (m - 1), ..., until one fails. A
    nan is not significant, and counts in the family.
    """
    found = [False] * len(p)
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: (np.isnan(p[i]), p[i]))):
        if not p[i] <= level / (len(p) - rank):
            break
        found[i] = True
    return found


def _numbers(values, name: str) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"{name} must be a list of finite numbers, not empty")
    return values


def _level(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError("confidence lies between 0 and 1")
    return confidence
