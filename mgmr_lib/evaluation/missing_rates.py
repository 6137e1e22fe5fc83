"""How predictions hold up as more goes missing: one record for each missing rate and mask seed, and the tables of
them."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from mgmr_lib.data.batch import MaskedSplit
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.data.door import check_labels
from mgmr_lib.data.missing import draw_masks, share_gone
from mgmr_lib.evaluation.metrics import aggregate, evaluate
from mgmr_lib.evaluation.references import Predictor, mean_predictor, text_ridge, wordless
from mgmr_lib.provenance import provenance
from mgmr_lib.training.identity import fingerprint, first_fingerprint
from mgmr_lib.training.run import Run

SHOWN = ["acc2_has0", "acc2_non0", "f1_non0", "acc2", "f1", "acc3", "acc5", "acc7", "mae", "corr"]


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
    predicted once and recorded for every seed. A rate or seed that is given twice is measured once.
    """
    rates = list(dict.fromkeys(round(float(r), 6) for r in rates))
    seeds = list(dict.fromkeys(seeds))
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


def references_of(run: Run) -> dict[str, Predictor]:
    """{name: predictor}: the mean of the training labels, and a ridge on the mean-pooled encodings of the text, or on
    those of voice and face and on their lengths where no text was recorded.

    Both know what the network was trained on, no more: on another corpus the mean is that of the run's own training
    labels, and there is no ridge. Nor is there one where the network encodes the text itself.
    """
    own = run.about.get("fingerprint") in (
        fingerprint(run.corpus, run.config.text_encoder),
        first_fingerprint(run.corpus),
    )
    train = run.splits.get("train") if own else None
    mean = run.about["corpus"].get("label_mean")
    if train is None:
        return {} if mean is None else {"mean": mean_predictor(np.array([mean]))}
    references = {"mean": mean_predictor(train.labels)}
    complete = run.complete_text("train")
    if not train.recorded("text").any():
        found = wordless(train)
        references["voice and face ridge"] = found["frames_ridge"]
        references["ridge on lengths alone"] = found["lengths_ridge"]
    elif complete is not None:
        references["text ridge"] = text_ridge(complete, train.labels)
    return references


def evaluate_run(
    run: Run,
    rates: Iterable[float],
    seeds: Iterable[int],
    split: str = "test",
    references: bool = False,
    quiet: bool = False,
    pattern: str | None = None,
) -> dict:
    """{"records", "aggregates", "references", ...}: what `evaluate` writes. references: also those of references_of,
    which see the same masked text as the network does. pattern: how steps go missing (default: as in training)."""
    check_labels(run.corpus, split)
    predictors = {run.config.model: run.predict} | (references_of(run) if references else {})
    family = run.corpus.family
    found = missing_rate_records(
        predictors, lambda rate, seed: run.masked(split, rate, seed, pattern=pattern), family, rates, seeds, quiet
    )
    own = found.pop(run.config.model)
    return {
        "model": run.config.model + (" (shuffled labels)" if run.config.shuffle_labels else ""),
        "data": run.corpus.name,
        "fingerprint": fingerprint(run.corpus, run.config.text_encoder),
        "dataset": family,
        "split": split,
        "protocol": run.config.protocol,
        "pattern": pattern or run.config.pattern,
        "training_seed": run.config.seed,
        "config_hash": run.config.hash(),
        "provenance": provenance(),
        "never_recorded": never_recorded(run, split, rates, pattern or run.config.pattern),
        "records": own,
        "aggregates": aggregate(own),
        "references": {name: {"records": r, "aggregates": aggregate(r)} for name, r in found.items()},
    }


def never_recorded(run: Run, split: str, rates: Iterable[float], pattern: str = "frames", seed: int = 1) -> dict:
    """{"clips": {modality: how many have no step of it}, "gone": {rate: share of all three that nobody sees}}; empty
    where every clip has all three."""
    part = run.splits[split]
    clips = {m: int((~part.recorded(m)).sum()) for m in MODALITIES}
    if not any(clips.values()):
        return {}
    gone = {r: np.mean(list(share_gone(part, draw_masks(part, r, seed, pattern=pattern)).values())) for r in rates}
    return {"clips": clips, "of": len(part), "gone": {f"{r:g}": round(float(g), 4) for r, g in gone.items()}}


def _print_never_recorded(result: dict) -> None:
    found = result.get("never_recorded")
    if found:
        clips = ", ".join(f"{m} in {n}" for m, n in found["clips"].items() if n)
        gone = ", ".join(f"{g:.0%} at rate {r}" for r, g in found["gone"].items())
        print(f"never recorded, so missing at every rate: {clips} of {found['of']} clips; gone in all: {gone}")


def table(result: dict) -> pd.DataFrame:
    """Seed means by missing rate: one row per rate, the metrics as columns."""
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
        f"{result['model']} on {result['data']}, {result['split']} split, protocol {result['protocol']}, {seeds} mask "
        "seeds"
    )
    print(frame.round(3).to_string())
    _print_never_recorded(result)


def side_by_side(results: list[dict]) -> pd.DataFrame:
    """MAE and correlation of several evaluations and their references: one row per rate, areas (AUILC) below."""
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
    _print_never_recorded(first)
