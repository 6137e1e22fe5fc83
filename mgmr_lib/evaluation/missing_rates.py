"""How predictions hold up as more goes missing: one record for each missing rate and mask seed."""

from collections.abc import Callable, Iterable

import numpy as np
from tqdm.auto import tqdm

from mgmr_lib.data.batch import MaskedSplit
from mgmr_lib.errors import CourseError
from mgmr_lib.evaluation.metrics import evaluate

Predictor = Callable[[MaskedSplit], np.ndarray]


def parse_rates(text: str) -> list[float]:
    """ "0:1:0.1" (both ends included) or "0,0.5,1" -> missing rates, rounded to 6 digits."""
    try:
        if ":" in text:
            first, last, step = (float(part) for part in text.split(":"))
            if step <= 0:
                raise ValueError
            rates = list(np.arange(first, last + step / 2, step))
        else:
            rates = [float(part) for part in text.split(",")]
    except ValueError:
        raise CourseError(f"--rates is first:last:step or a list such as 0,0.5,1, not {text!r}") from None
    rates = [round(float(r), 6) for r in rates]
    if not rates or not all(0 <= r <= 1 for r in rates):
        raise CourseError(f"missing rates lie between 0 and 1: {text!r} does not")
    return rates


def missing_rate_records(
    predictors: dict[str, Predictor],
    make_masked: Callable[[float, int], MaskedSplit],
    dataset: str,
    rates: Iterable[float],
    seeds: Iterable[int],
    quiet: bool = False,
) -> dict[str, list[dict]]:
    """{name: records}, every predictor on the same masks.

    make_masked(rate, seed): the split under static masks. Rates 0 and 1 leave nothing to chance, so they are
    predicted once and recorded for every seed.
    """
    rates, seeds = list(rates), list(seeds)
    records: dict[str, list[dict]] = {name: [] for name in predictors}
    bar = tqdm(total=len(rates) * len(seeds), disable=quiet, desc="missing rates", unit="mask")
    for rate in rates:
        found: dict[str, dict] = {}
        for seed in seeds:
            if not found or rate not in (0.0, 1.0):
                masked = make_masked(rate, seed)
                labels = masked.split.labels
                found = {name: evaluate(p(masked), labels, dataset) for name, p in predictors.items()}
            for name, metrics in found.items():
                records[name].append({"rate": rate, "seed": seed, **metrics})
            bar.update()
    bar.close()
    return records
