"""The learner's score: kept in `learner/score.json`, drawn by `progress()`.

Only work in the learner's own folder counts: the course's notebooks and solutions, when they are executed by the
builder or the tests, keep their score in memory, so that no run of the course's tests changes or shows a learner's
score.
"""

import json
import os
from pathlib import Path

from mgmr_lib.paths import REPOSITORY

STATES = ("not attempted", "wrong", "passed")
_in_memory: dict[str, str] = {}


def learner_dir() -> Path:
    """The learner's folder: `MGMR_LEARNER` where the environment sets it, else `learner/` of the repository."""
    return Path(os.environ.get("MGMR_LEARNER") or REPOSITORY / "learner")


def _file() -> Path | None:
    """The score file, or None where this process works outside the learner's folder."""
    folder, here = learner_dir().resolve(), Path.cwd().resolve()
    return folder / "score.json" if here == folder or folder in here.parents else None


def read() -> dict[str, str]:
    """Best state of each exercise that was ever checked."""
    file = _file()
    if file is None:
        return dict(_in_memory)
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return {k: v for k, v in kept.items() if v in STATES}
    except (OSError, ValueError, AttributeError):
        return {}


def record(exercise_id: str, state: str) -> None:
    """Remember `state` if it is better than what is kept: a passed exercise stays passed."""
    kept = read()
    if STATES.index(state) <= STATES.index(kept.get(exercise_id, STATES[0])) and exercise_id in kept:
        return
    kept[exercise_id] = state
    file = _file()
    if file is None:
        _in_memory.update(kept)
        return
    try:
        part = file.with_name(f".score.{os.getpid()}.part")
        part.write_text(json.dumps(kept, indent=1, sort_keys=True), encoding="utf-8")
        os.replace(part, file)
    except OSError as e:  # a read-only folder must not stop a check
        print(f"(the score could not be saved in {file}: {e.strerror})")


def progress(number: str | None = None) -> None:
    """Draw the exercises passed: of notebook `number` ("01"), or of the whole course."""
    from mgmr_lib.course import registry
    from mgmr_lib.course.display import markdown
    from mgmr_lib.markdown import table

    exercises = registry.exercises_of(number) if number else registry.all_exercises()
    kept = read()
    sign = {"passed": "●", "wrong": "◐", "not attempted": "○"}
    rows: dict[str, list[str]] = {}
    for e in exercises:
        rows.setdefault(e.id[:2], []).append(sign[kept.get(e.id, "not attempted")])
    done = sum(kept.get(e.id) == "passed" for e in exercises)
    shown = table(("notebook", "exercises"), ((n, " ".join(s)) for n, s in rows.items()))
    markdown(f"**{done} of {len(exercises)} exercises passed** (● passed, ◐ tried, ○ open)\n\n{shown}")
