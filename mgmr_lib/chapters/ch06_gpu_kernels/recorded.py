"""Recorded GPU benchmarks: what `python -m mgmr_lib bench --device cuda` wrote and somebody kept in data/results."""

import json
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.markdown import table
from mgmr_lib.paths import REPOSITORY

RESULTS = REPOSITORY / "data" / "results"
PATTERN = "bench_gpu*.json"


def gpu_benchmarks(folder: Path = RESULTS) -> str:
    """Markdown: a table for each recorded file, with where and when it was measured; or that nothing is recorded
    yet."""
    files = sorted(folder.glob(PATTERN))
    if not files:
        return (
            f"**Not recorded yet.** No file `{PATTERN}` lies in `data/results`: nobody has run `python -m mgmr_lib "
            "bench --device cuda` on a GPU and kept its result, so this course states no time of a GPU."
        )
    return "\n\n".join(_table(f) for f in files)


def _table(file: Path) -> str:
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
        facts, records = result["provenance"], result["cuda"]
        head = (
            f"Recorded, not computed here: `{file.name}`, {facts['gpu']}, torch {facts['versions']['torch']}, commit "
            f"{facts['commit']}, {str(facts['date'])[:10]}."
        )
        rows = [
            (r["name"], tuple(r["shape"]), r["dtype"], r["pass"], f"{1e3 * r['median_s']:.3g}", f"{r['error']:.0e}")
            for r in records
        ]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise CourseError(
            f"data/results/{file.name} is not a result of `bench --device cuda` ({type(e).__name__}: {e}): "
            "record it again, or delete it"
        ) from e
    return head + "\n\n" + table(("kernel", "(b, l, e, n)", "dtype", "pass", "median ms", "error"), rows)
