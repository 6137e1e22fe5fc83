"""`evaluate`: a finished run over missing rates, as JSON and as a table."""

import argparse
import os
from pathlib import Path

from mgmr_lib.errors import CourseError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run")
    parser.add_argument("--rates", default="0:1:0.1", help="first:last:step (both included) or a list such as 0,0.5")
    parser.add_argument("--seeds", type=int, default=5, help="how many mask seeds (1, 2, ...)")
    parser.add_argument("--data", help="another corpus or file (default: the run's own)")
    parser.add_argument("--split", default="test", choices=("train", "valid", "test"))
    parser.add_argument("--references", action="store_true", help="the mean predictor and a text-only ridge beside it")
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def check_writable(path: Path) -> None:
    """Find out before the work, not after it, that the result cannot be written."""
    parent = path.parent if str(path.parent) else Path(".")
    if path.is_dir():
        raise CourseError(f"{path} is a folder: give the name of a file with --out")
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CourseError(f"the folder {parent} cannot be made ({error.strerror}): choose another --out") from None
    if not os.access(parent, os.W_OK):
        raise CourseError(f"{parent} cannot be written to: choose another --out")


def main(args: argparse.Namespace) -> int:
    from mgmr_lib.evaluation.evaluation import evaluate_run, print_table
    from mgmr_lib.evaluation.missing_rates import parse_rates
    from mgmr_lib.training.checkpoint import write_json
    from mgmr_lib.training.run import load_run

    rates = parse_rates(args.rates)
    if args.seeds < 1:
        raise CourseError(f"--seeds must be at least 1, not {args.seeds}")
    check_writable(args.out)
    run = load_run(args.run, data=args.data, labels=args.split, partial=not args.references)
    seeds = range(1, args.seeds + 1)
    result = evaluate_run(run, rates, seeds, args.split, args.references, args.quiet)
    write_json(args.out, result)
    print_table(result)
    print(f"records and aggregates in {args.out}")
    return 0
