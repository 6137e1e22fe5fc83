"""`report`: missing-rate curves of one or several evaluations."""

import argparse
from pathlib import Path

from mgmr_lib.commands.evaluate import check_writable
from mgmr_lib.errors import CourseError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, nargs="+", required=True, help="JSON files that evaluate wrote")
    parser.add_argument("--metrics", default="mae,corr", help="comma-separated (default: mae,corr)")
    parser.add_argument("--out", type=Path, required=True, help="PNG file")


def main(args: argparse.Namespace) -> int:
    from mgmr_lib.evaluation.plots import missing_rate_figure, save_figure, tidy
    from mgmr_lib.training.checkpoint import read_json

    check_writable(args.out)
    results = []
    for path in args.results:
        found = read_json(path)
        # A file of data/results holds several evaluations under "runs".
        runs = found.get("runs", [found]) if isinstance(found, dict) else [found]
        if not all(isinstance(r, dict) and "records" in r for r in runs):
            raise CourseError(f"{path} is not an evaluation: give the JSON that `evaluate --out` wrote")
        results += runs
    frame = tidy(results)
    metrics = tuple(args.metrics.split(","))
    unknown = [m for m in metrics if m not in frame]
    if unknown:
        raise CourseError(
            f"--metrics {','.join(unknown)} is not in these files: they hold {', '.join(frame.columns[3:])}"
        )
    data = ", ".join(sorted({r["data"] for r in results}))
    save_figure(missing_rate_figure(frame, metrics, f"{data}: what is left as more goes missing"), args.out)
    print(f"figure in {args.out}")
    return 0
