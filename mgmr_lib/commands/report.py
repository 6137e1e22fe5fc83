"""`report`: missing-rate curves of one or several evaluations."""

import argparse
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.files import check_writable, read_json
from mgmr_lib.paths import expanded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, nargs="+", required=True, help="JSON files that evaluate wrote")
    parser.add_argument("--metrics", default="mae,corr", help="comma-separated (default: mae,corr)")
    parser.add_argument("--out", type=Path, required=True, help="PNG file")


def main(args: argparse.Namespace) -> int:
    out = expanded(args.out)
    check_writable(out)
    results = [one for path in args.results for one in read_results(expanded(path))]
    from mgmr_lib.evaluation.plots import missing_rate_figure, save_figure, tidy

    frame = tidy(results)
    metrics = tuple(args.metrics.split(","))
    unknown = [m for m in metrics if m not in frame]
    if unknown:
        raise CourseError(
            f"--metrics {','.join(unknown)} is not in these files: they hold {', '.join(frame.columns[4:])}"
        )
    data = ", ".join(sorted({r["data"] for r in results}))
    save_figure(missing_rate_figure(frame, metrics, f"{data}: what is left as more goes missing"), out)
    print(f"figure in {out}")
    return 0


def read_results(path: Path) -> list[dict]:
    """The evaluations of a file: one, or (`run` writes them) several under "runs"; CourseError for another file."""
    found = read_json(path)
    runs = found.get("runs", [found])
    if not (isinstance(runs, list) and runs and all(map(_is_evaluation, runs))):
        raise CourseError(f"{path} is not an evaluation: give the JSON that `evaluate --out` wrote")
    return runs


def _is_evaluation(run: object) -> bool:
    return (
        isinstance(run, dict)
        and all(isinstance(run.get(k), str) for k in ("model", "data"))
        and _are_records(run.get("records"))
        and isinstance(references := run.get("references", {}), dict)
        and all(isinstance(r, dict) and _are_records(r.get("records")) for r in references.values())
    )


def _are_records(rows: object) -> bool:
    def number(value: object) -> bool:
        return value is None or (isinstance(value, int | float) and not isinstance(value, bool))

    return (
        isinstance(rows, list)
        and bool(rows)
        and all(isinstance(r, dict) and r.get("rate") is not None and "seed" in r for r in rows)
        and all(number(value) for r in rows for value in r.values())
    )
