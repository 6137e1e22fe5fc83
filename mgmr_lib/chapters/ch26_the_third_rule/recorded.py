"""Five small networks learn to count, three seeds each: recorded once, shown in notebook 26.

`python -m mgmr_lib.chapters.ch26_the_third_rule.recorded` trains them (some minutes) and writes the record.
"""

import json
import time
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.files import write_text
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.provenance import provenance

FILE = REPOSITORY / "data" / "results" / "state_tracking.json"
SEEDS, TIMES = (0, 1, 2), (1, 2, 4)


def record(file: Path = FILE) -> None:
    """Train every network on parity and on sums modulo 3, and write how often the last step's answer is right."""
    from mgmr_lib.chapters.ch26_the_third_rule import toys

    runs = []
    for k in (3, 2):
        task = toys.SumTask(k)
        for name in toys.BLOCKS:
            for seed in SEEDS:
                begun = time.process_time()
                model = toys.train(name, task, seed)
                right = {str(times): toys.accuracy(model, task, seed, times) for times in TIMES}
                weights = sum(w.numel() for w in model.parameters())
                runs.append(dict(k=k, network=name, seed=seed, weights=weights, right=right,
                                 seconds=round(time.process_time() - begun, 1)))  # fmt: skip
                print(runs[-1], flush=True)
    made = {"provenance": provenance(("torch",)), "length": toys.SumTask().length, "runs": runs}
    write_text(file, json.dumps(made, indent=1) + "\n")


def load(file: Path = FILE) -> dict:
    """The record: provenance, the training's length, and runs; CourseError where it is none."""
    try:
        made = json.loads(file.read_text(encoding="utf-8"))
        for run in made["runs"]:
            run["right"] = {int(times): float(share) for times, share in run["right"].items()}
        line(made)
        return made
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise CourseError(
            f"{file} is not a record of notebook 26 ({type(e).__name__}: {e}): record it again with "
            "`python -m mgmr_lib.chapters.ch26_the_third_rule.recorded`"
        ) from e


def line(made: dict) -> str:
    """Markdown: that these numbers were recorded, and where."""
    facts, runs = made["provenance"], made["runs"]
    seeds = ", ".join(str(seed) for seed in sorted({r["seed"] for r in runs}))
    return (
        f"**Recorded, not computed here**: {len(runs)} training runs (seeds {seeds}), "
        f"{sum(r['seconds'] for r in runs):.0f} seconds of processor time on {facts['device']}, torch "
        f"{facts['versions']['torch']}, commit {facts['commit']}, {facts['date']}."
    )


def shares(made: dict, k: int, times: int) -> dict[str, list[float]]:
    """{network: share of right answers of each seed} at `times` the training's length."""
    found: dict[str, list[float]] = {}
    for run in made["runs"]:
        if run["k"] == k:
            found.setdefault(run["network"], []).append(run["right"][times])
    return found


if __name__ == "__main__":
    record()
