"""`predict`: a CSV of clips, or the sentiment of one sentence."""

import argparse
from pathlib import Path

from mgmr_lib.commands.evaluate import check_writable
from mgmr_lib.data.corpus import LABEL_RANGES
from mgmr_lib.errors import CourseError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run")
    parser.add_argument("--text", help="a sentence of your own; voice and face count as missing")
    parser.add_argument("--data", help="a corpus's name or a file (default: the run's own)")
    parser.add_argument("--split", default="test", choices=("train", "valid", "test"))
    parser.add_argument("--rate", type=float, default=0.0, help="missing rate, 0 to 1")
    parser.add_argument("--seed", type=int, default=1, help="mask seed")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--out", type=Path, help="CSV file with the columns id, truth, prediction")


def main(args: argparse.Namespace) -> int:
    if not 0 <= args.rate <= 1:
        raise CourseError(f"--rate lies between 0 and 1, and is {args.rate}")
    if args.batch_size < 1:
        raise CourseError(f"--batch-size must be at least 1, not {args.batch_size}")
    if args.text is None and args.out is None:
        raise CourseError("give --out FILE.csv for the predictions of a split, or --text for one sentence")
    if args.text is not None:
        return _sentence(args)
    return _split(args)


def _split(args: argparse.Namespace) -> int:
    import pandas as pd

    from mgmr_lib.training.run import load_run

    check_writable(args.out)
    run = load_run(args.run, data=args.data, partial=True)
    split = run.split(args.split)
    found = run.predict(run.masked(split, args.rate, args.seed), args.batch_size)
    part = args.out.with_name(args.out.name + ".part")
    pd.DataFrame({"id": split.ids, "truth": split.labels, "prediction": found}).to_csv(part, index=False)
    part.replace(args.out)
    print(f"{len(split)} predictions at missing rate {args.rate:g} in {args.out}")
    return 0


def _sentence(args: argparse.Namespace) -> int:
    from mgmr_lib.training.run import load_run
    from mgmr_lib.training.sentence import predict_sentence

    if not args.text.strip():
        raise CourseError("--text is empty: give a sentence")
    run = load_run(args.run, without_corpus=True)
    value = predict_sentence(run, args.text)
    limit = LABEL_RANGES[run.about["corpus"]["family"]]
    print(f"{value:+.3f} on a scale from {-limit:g} to {limit:g} (voice and face missing)")
    return 0
