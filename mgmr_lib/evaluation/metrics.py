"""The field's metrics for sentiment regression, as the published evaluation code defines them, without its traps.

Accuracies and F1 are fractions, not per cent. F1 is weighted by the *true* classes; several published codes swap
f1_score's arguments and weight by the predicted ones, which `f1_order="swapped"` reproduces on request.
"""

from collections.abc import Iterable, Sequence

import numpy as np

# SIMS: a value x belongs to the bin (lo, hi], so its class is the number of edges below x.
SIMS_EDGES = {"acc2": (0.0,), "acc3": (-0.1, 0.1), "acc5": (-0.7, -0.1, 0.1, 0.7)}
FAMILIES = ("mosi", "mosei", "sims")
KEYS = {
    "mosi": ("acc2_has0", "f1_has0", "acc2_non0", "f1_non0", "acc3", "acc5", "acc7", "mae", "corr"),
    "sims": ("acc2", "f1", "acc3", "acc5", "mae", "corr"),
}
KEYS["mosei"] = KEYS["mosi"]


def evaluate(prediction, truth, dataset: str, f1_order: str = "true") -> dict[str, float]:
    """All metrics of one set of predictions: {key of KEYS[dataset]: float}.

    prediction, truth: n numbers each, (n,) or (n, 1). dataset: "mosi", "mosei" or "sims".
    has0: negative against non-negative, all clips. non0: negative against positive, clips whose label is not 0; nan
    where every label is 0. acc7, acc5, acc3: rounded half to even after clipping to +-3, 2, 1. corr: Pearson; 0 where
    prediction or truth is constant (`notes` says so). SIMS clips both to [-1, 1] first and has bins of its own. Raises
    ValueError for NaN or infinite values, no values, lengths that disagree, or an unknown dataset or f1_order.
    """
    prediction, truth, family = _checked(prediction, truth, dataset)
    if f1_order not in ("true", "swapped"):
        raise ValueError(f'f1_order is "true" or "swapped", not {f1_order!r}')
    return (_sims if family == "sims" else _mosi)(prediction, truth, f1_order == "swapped")


def notes(prediction, truth, dataset: str) -> list[str]:
    """What a reader of `evaluate`'s numbers has to know: a sentence for each value that is a convention, not a
    measurement."""
    prediction, truth, family = _checked(prediction, truth, dataset)
    if family == "sims":
        prediction, truth = np.clip(prediction, -1, 1), np.clip(truth, -1, 1)
    said = []
    for name, values in (("prediction", prediction), ("label", truth)):
        if _constant(values):
            said.append(
                f"corr is reported as 0, because every {name} is {float(values[0]):g} (Pearson is undefined there)"
            )
    if family != "sims" and not truth.any():
        said.append("acc2_non0 and f1_non0 are nan, because every label is 0")
    return said


def _checked(prediction, truth, dataset: str) -> tuple[np.ndarray, np.ndarray, str]:
    family = str(dataset).lower()
    if family not in FAMILIES:
        raise ValueError(f"dataset must be one of {', '.join(FAMILIES)}, not {dataset!r}")
    prediction, truth = _vector(prediction, "prediction"), _vector(truth, "truth")
    if len(prediction) != len(truth):
        raise ValueError(f"{len(prediction)} predictions for {len(truth)} labels")
    return prediction, truth, family


def _vector(values, name: str) -> np.ndarray:
    """(n,) real and finite. The dtype stays: SIMS's edges are compared in the precision that the numbers came in."""
    values = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    if values.dtype.kind in "biu":
        values = values.astype(np.float64)
    if values.dtype.kind != "f" or values.ndim not in (1, 2) or (values.ndim == 2 and values.shape[1] != 1):
        raise ValueError(f"{name} must be n numbers, not {values.dtype} of shape {values.shape}")
    if not values.size:
        raise ValueError(f"{name} is empty")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds NaN or infinite values")
    return values.ravel()


def _mosi(p: np.ndarray, y: np.ndarray, swapped: bool) -> dict[str, float]:
    out = {"acc2_has0": _share(p >= 0, y >= 0), "f1_has0": _f1(p >= 0, y >= 0, swapped)}
    some = y != 0
    if some.any():
        positive = p[some] > 0, y[some] > 0
        out |= {"acc2_non0": _share(*positive), "f1_non0": _f1(*positive, swapped)}
    else:
        out |= {"acc2_non0": float("nan"), "f1_non0": float("nan")}
    for classes in (3, 5, 7):
        top = classes // 2
        out[f"acc{classes}"] = _share(np.round(np.clip(p, -top, top)), np.round(np.clip(y, -top, top)))
    return out | regression(p, y)


def _sims(p: np.ndarray, y: np.ndarray, swapped: bool) -> dict[str, float]:
    p, y = np.clip(p, -1, 1), np.clip(y, -1, 1)
    classes = {key: (_sims_class(p, edges), _sims_class(y, edges)) for key, edges in SIMS_EDGES.items()}
    out = {"acc2": _share(*classes["acc2"]), "f1": _f1(*classes["acc2"], swapped)}
    out |= {key: _share(*classes[key]) for key in ("acc3", "acc5")}
    return out | regression(p, y)


def _sims_class(x: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    above = np.zeros(x.shape, np.int64)
    for edge in edges:
        above += x > edge
    return above


def _share(predicted: np.ndarray, true: np.ndarray) -> float:
    return float(np.mean(predicted == true))


def _f1(predicted: np.ndarray, true: np.ndarray, swapped: bool) -> float:
    from sklearn.metrics import f1_score  # imported late: scikit-learn takes a second to load

    first, second = (predicted, true) if swapped else (true, predicted)
    return float(f1_score(first, second, average="weighted", zero_division=0))


def regression(p: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """{"mae", "corr"} of predictions and labels, (n,) each; corr is 0 where one of them is constant."""
    p, y = p.astype(np.float64), y.astype(np.float64)
    return {"mae": float(np.mean(np.abs(p - y))), "corr": _pearson(p, y)}


def _constant(values: np.ndarray) -> bool:
    """All values the same. The variance cannot tell: seven times 0.1 has a tiny one that is not zero."""
    return bool((values == values[0]).all())


def _pearson(p: np.ndarray, y: np.ndarray) -> float:
    if _constant(p) or _constant(y):
        return 0.0
    # Scaled first, so that squares of very small or very large numbers stay in range.
    return float(np.corrcoef(p / np.abs(p).max(), y / np.abs(y).max())[0, 1])


def auilc(rates: Sequence[float], values: Sequence[float]) -> float:
    """Area under the curve of a metric over missing rates by the trapezoid rule (MFMB-Net, Eq. 20).

    rates: at least two, increasing. Raises ValueError otherwise, or where the lengths disagree. A nan value gives nan.
    """
    x, y = np.asarray(rates, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise ValueError(f"auilc needs one value for each of at least two rates, got shapes {x.shape}, {y.shape}")
    if not (np.diff(x) > 0).all():
        raise ValueError("rates must increase, without duplicates")
    return float(_trapezoids(x, y))


def _trapezoids(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The area under each row of y (..., r) at x (r)."""
    return np.sum((y[..., :-1] + y[..., 1:]) / 2 * np.diff(x), axis=-1)


def mean_over_rates(rates: Sequence[float], values: Sequence[float], last: float = 0.9) -> float:
    """Plain mean of the values whose rate is at most `last` (LNLN's table: 0.0 to 0.9). nan where there is no such
    rate."""
    x, y = np.asarray(rates, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"one value a rate, got shapes {x.shape}, {y.shape}")
    chosen = y[_up_to(x, last)]
    return float(chosen.mean()) if len(chosen) else float("nan")


def _up_to(rates: np.ndarray, last: float) -> np.ndarray:
    """Which rates are at most `last`, but for rounding."""
    return rates <= last + 1e-9


def aggregate(records: Iterable[dict]) -> dict:
    """Means over seeds, and then over rates, of records {"rate", "seed", metric: value, ...}.

    Returns {"metrics": [...], "rates": [...], "seeds": [...], "per_rate": [{"rate", "seeds": how many, "mean": {...},
    "sd": {...}}], "auilc": {...} over all rates, "mean_rates_0_to_0.9": {...}}; the last two from the seeds' means.
    sd is the sample standard deviation, nan for one seed. None counts as nan (JSON has no nan).
    Raises ValueError for no records, a rate and seed that occur twice, or records with different metrics.
    """
    records = list(records)
    if not records:
        raise ValueError("there are no records to aggregate")
    metrics = [key for key in records[0] if key not in ("rate", "seed")]
    by_rate: dict[float, dict] = {}
    for record in records:
        if set(record) != {"rate", "seed", *metrics}:
            raise ValueError(f"records hold different keys: {sorted(record)} and {sorted(records[0])}")
        seeds = by_rate.setdefault(round(float(record["rate"]), 6), {})
        if record["seed"] in seeds:
            raise ValueError(f"rate {record['rate']} with seed {record['seed']} is recorded twice")
        seeds[record["seed"]] = [np.nan if record[m] is None else float(record[m]) for m in metrics]
    rates = sorted(by_rate)
    tables = [np.array(list(by_rate[rate].values())).reshape(-1, len(metrics)) for rate in rates]
    means = np.array([table.mean(axis=0) for table in tables])
    sds = [table.std(axis=0, ddof=1) if len(table) > 1 else np.full(len(metrics), np.nan) for table in tables]
    x, curves = np.array(rates), np.ascontiguousarray(means.T)  # a row each metric, so that sums add in auilc's order
    low = np.ascontiguousarray(curves[:, _up_to(x, 0.9)])

    def named(values) -> dict[str, float]:
        return {m: float(v) for m, v in zip(metrics, values, strict=True)}

    return {
        "metrics": metrics,
        "rates": rates,
        "seeds": sorted({record["seed"] for record in records}),
        "per_rate": [
            {"rate": rate, "seeds": len(table), "mean": named(mean), "sd": named(sd)}
            for rate, table, mean, sd in zip(rates, tables, means, sds, strict=True)
        ],
        "auilc": named(_trapezoids(x, curves) if len(rates) > 1 else np.full(len(metrics), np.nan)),
        "mean_rates_0_to_0.9": named(low.mean(axis=-1) if low.size else np.full(len(metrics), np.nan)),
    }
