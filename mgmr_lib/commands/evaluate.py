"""`evaluate`: a finished run over missing rates, as JSON and as a table."""

import argparse
from pathlib import Path

from mgmr_lib.files import check_writable, write_json
from mgmr_lib.paths import expanded
from mgmr_lib.settings import rates, whole
from mgmr_lib.training.profiles import PATTERNS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run")
    parser.add_argument(
        "--rates", type=rates, default="0:1:0.1", help="first:last:step or a list such as 0,0.5 (default: 0:1:0.1)"
    )
    parser.add_argument("--seeds", type=whole(low=1), default=5, help="how many mask seeds, 1, 2, ... (default: 5)")
    parser.add_argument("--data", help="another corpus or file, or the run's own in its new place (default: the run's)")
    parser.add_argument("--pattern", choices=PATTERNS, help="how steps go missing (default: as in the run's training)")
    parser.add_argument("--split", default="test", choices=("train", "valid", "test"), help="default: test")
    parser.add_argument(
        "--references",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="beside the network: the mean of the training labels, and a ridge on the text alone (default: yes)",
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def main(args: argparse.Namespace) -> int:
    out = expanded(args.out)
    check_writable(out)
    from mgmr_lib.evaluation.missing_rates import evaluate_run, print_table
    from mgmr_lib.training.run import load_run

    run = load_run(args.run, data=args.data)
    result = evaluate_run(
        run, args.rates, range(1, args.seeds + 1), args.split, args.references, args.quiet, args.pattern
    )
    write_json(out, result)
    print_table(result)
    print(f"records and aggregates in {out}")
    return 0
