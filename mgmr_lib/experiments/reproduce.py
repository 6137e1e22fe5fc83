"""Repeat one record: train again from its configuration, measure on the same masks, and compare every number."""

import argparse
import math
import tempfile
from pathlib import Path

import torch

from mgmr_lib.data.classroom.corpora import SPECS, exact_name
from mgmr_lib.data.load import load_corpus
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments.ledger import read_record
from mgmr_lib.experiments.plan import VARIANTS, Job
from mgmr_lib.experiments.sweep import Sweep, environment, measure, shared_encoder, train_run
from mgmr_lib.paths import expanded
from mgmr_lib.settings import known
from mgmr_lib.training.identity import fingerprint, first_fingerprint, read_config

DIGITS = 3


def differences(first: list[dict], second: list[dict]) -> dict[str, float]:
    """{metric: largest absolute difference} of two lists of records over the same rates and mask seeds.

    A metric that has no value (None) in one list and a number in the other differs by infinity.
    """
    one, two = ({(r["rate"], r["seed"]): r for r in rows} for rows in (first, second))
    if one.keys() != two.keys() or first[0].keys() != second[0].keys():
        raise CourseError("the two records were measured at different rates or mask seeds, or by other metrics")
    metrics = [k for k in first[0] if k not in ("rate", "seed")]
    return {m: max(_distance(one[k][m], two[k][m]) for k in one) for m in metrics}


def _distance(a: float | None, b: float | None) -> float:
    if a is None or b is None:
        return 0.0 if a is b else math.inf
    return abs(a - b)


def repeat(record: dict, folder: Path, quiet: bool = True, data: str | None = None) -> dict:
    """The same run once more: a record to compare with. data: the corpus's new place.

    The corpus must be the one that the record saw.
    """
    config = read_config(record["config"], "the record")
    corpus = load_corpus(data or exact_name(config.data), record["dataset"] if config.data not in SPECS else None)
    if record["fingerprint"] not in (fingerprint(corpus, config.text_encoder), first_fingerprint(corpus)):
        raise CourseError(
            f"{data or config.data} is not the data of this record: its clips, labels, words or features differ"
        )
    rates = tuple(sorted({r["rate"] for r in record["records"]}))
    seeds = tuple(sorted({r["seed"] for r in record["records"]}))
    sweep = Sweep(folder, folder, corpus, seeds, rates, quiet, settings=record.get("settings", {}))
    job = Job(VARIANTS[known("variant", record["name"], VARIANTS)], config)
    threads = torch.get_num_threads()
    then = record["provenance"].get("threads")  # sums are added up in another order with other threads
    torch.set_num_threads(then if isinstance(then, int) and then > 0 else threads)
    try:
        run = train_run(config, folder / job.name, corpus, quiet, None, shared_encoder([job]))
        return measure(sweep, job, run)
    finally:
        torch.set_num_threads(threads)


def main(args: argparse.Namespace) -> int:
    """`experiment reproduce --record FILE`: exit code 0 where every number agrees to the third digit, else 1."""
    if args.record is None:
        raise CourseError("reproduce needs --record data/results/ledger/.../NAME-SEED.json")
    record = read_record(expanded(args.record))
    if record.get("config") is None:
        raise CourseError(
            f"{args.record} is a reference without a training run: `experiment table` recomputes it every time"
        )
    here, there = environment(), record["provenance"]
    for key in ("system", "scan"):
        if here[key] != there.get(key):
            print(f"note: recorded with {key} {there.get(key)}, here it is {here[key]}: the last digits may differ")
    with tempfile.TemporaryDirectory() as folder:
        again = repeat(record, Path(folder), args.quiet, args.data)
    largest = differences(record["records"], again["records"])
    print(
        f"{record['label']}, seed {record['training_seed']}, protocol {record['protocol']}: largest difference over "
        "all rates and masks"
    )
    for metric, value in largest.items():
        print(f"  {metric:10s} {value:.6f}")
    same = all(value < 0.5 * 10**-DIGITS for value in largest.values())
    print(f"reproduced to the {DIGITS}rd digit" if same else f"not reproduced to the {DIGITS}rd digit on this machine")
    return 0 if same else 1
