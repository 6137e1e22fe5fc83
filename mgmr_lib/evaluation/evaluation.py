"""A run measured over missing rates: records, aggregates, and the table that the command line prints."""

from collections.abc import Iterable

import pandas as pd

from mgmr_lib.data.text import cached_features
from mgmr_lib.evaluation.metrics import aggregate
from mgmr_lib.evaluation.missing_rates import missing_rate_records
from mgmr_lib.evaluation.references import mean_predictor, text_ridge
from mgmr_lib.training.run import Run, provenance

SHOWN = ["acc2_has0", "acc2_non0", "f1_non0", "acc2", "f1", "acc3", "acc5", "acc7", "mae", "corr"]


def evaluate_run(
    run: Run,
    rates: Iterable[float],
    seeds: Iterable[int],
    split: str = "test",
    references: bool = False,
    quiet: bool = False,
) -> dict:
    """{"records", "aggregates", "references", ...}: what `evaluate` writes.

    references: also the mean of the training labels, and a ridge on the mean-pooled encodings of the text (fitted on
    the run's own training split, complete; it sees the same masked text as the network does).
    """
    chosen, train = run.split(split), run.split("train")
    predictors = {run.config.model: run.predict}
    if references:
        predictors["mean"] = mean_predictor(train.labels)
        if run.frozen is not None:
            predictors["text ridge"] = text_ridge(cached_features(run.frozen, train), train.labels)
    family = run.corpus.family
    found = missing_rate_records(
        predictors, lambda rate, seed: run.masked(chosen, rate, seed), family, rates, seeds, quiet
    )
    own = found.pop(run.config.model)
    return {
        "model": run.config.model + (" (shuffled labels)" if run.config.shuffle_labels else ""),
        "data": run.corpus.name,
        "dataset": family,
        "split": split,
        "protocol": run.config.protocol,
        "training_seed": run.config.seed,
        "config_hash": run.config.hash(),
        "provenance": provenance(),
        "records": own,
        "aggregates": aggregate(own),
        "references": {name: {"records": r, "aggregates": aggregate(r)} for name, r in found.items()},
    }


def table(result: dict) -> pd.DataFrame:
    """Seed means by missing rate: one row a rate, the metrics as columns."""
    frame = pd.DataFrame(result["records"])
    metrics = [m for m in SHOWN if m in frame]
    return frame.groupby("rate")[metrics].mean()


def print_table(result: dict) -> None:
    """The table, and below it how the references fare in MAE and correlation."""
    frame = table(result)
    for name, other in result["references"].items():
        means = pd.DataFrame(other["records"]).groupby("rate")[["mae", "corr"]].mean()
        frame[f"{name} mae"], frame[f"{name} corr"] = means["mae"], means["corr"]
    seeds = len({r["seed"] for r in result["records"]})
    print(
        f"{result['model']} on {result['data']}, {result['split']} split, protocol {result['protocol']}, {seeds} mask seeds"
    )
    print(frame.round(3).to_string())


def side_by_side(results: list[dict]) -> pd.DataFrame:
    """MAE and correlation of several evaluations and their references: one row a rate, and the areas (AUILC) below."""
    columns = {}
    for result in results:
        everything = {result["model"]: result} | result["references"]
        for name, one in everything.items():
            means = pd.DataFrame(one["records"]).groupby("rate")[["mae", "corr"]].mean()
            for metric in ("mae", "corr"):
                column = means[metric].rename(index=lambda rate: f"{rate:g}")
                columns[f"{name} {metric}"] = pd.concat(
                    [column, pd.Series({"AUILC": one["aggregates"]["auilc"][metric]})]
                )
    return pd.DataFrame(columns).rename_axis("rate")


def print_side_by_side(results: list[dict]) -> None:
    """One table for several evaluations of the same corpus, split and masks."""
    first, names = results[0], ", ".join(r["model"] for r in results)
    seeds = len({r["seed"] for r in first["records"]})
    print(f"{names} on {first['data']}, {first['split']} split, protocol {first['protocol']}, {seeds} mask seeds")
    print(side_by_side(results).round(3).to_string())
