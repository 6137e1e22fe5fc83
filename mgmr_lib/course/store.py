"""What the course remembers of a learner (score, bets): small JSON files in the learner's own folder.

Only work in that folder counts: the course's notebooks and solutions, when they are executed by the builder or the
tests, keep everything in memory, so that no run of the course's tests changes or shows what a learner did.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.files import write_text
from mgmr_lib.paths import REPOSITORY, absolute

SOLUTIONS = "solutions"  # the sub-folder with copies that are read, not answered: nothing in it counts
_in_memory: dict[str, dict] = {}


def learner_dir() -> Path:
    """The learner's folder: `MGMR_LEARNER` where the environment sets it, else `learner/` of the repository, else,
    where that belongs to somebody else (one installation for many), `mgmr-course` in the home folder."""
    if named := os.environ.get("MGMR_LEARNER"):
        return absolute(named)
    ours = REPOSITORY / "learner"
    writable = os.access(ours if ours.exists() else REPOSITORY, os.W_OK)
    return ours if writable else Path.home() / "mgmr-course"


def _file(name: str) -> Path | None:
    """The file `name` ("score.json"), or None where this process works outside the learner's folder."""
    folder, here = learner_dir().resolve(), Path.cwd().resolve()
    inside = here == folder or folder in here.parents
    reading = here == folder / SOLUTIONS or folder / SOLUTIONS in here.parents
    return folder / name if inside and not reading else None


def counts_here() -> bool:
    """Whether this process works in the learner's folder, so that what it does is the learner's."""
    return _file("score.json") is not None


def read(name: str) -> dict:
    """What is kept under `name`; empty where nothing is, or where the file is damaged."""
    file = _file(name)
    if file is None:
        return dict(_in_memory.get(name, {}))
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def update(name: str, change: Callable[[dict], dict]) -> None:
    """Replace what is kept under `name` by `change(kept)`, whole or not at all; two notebooks may do so at once.

    A folder that cannot be written to must not stop a notebook: it is said, and nothing is kept.
    """
    file = _file(name)
    if file is None:
        _in_memory[name] = change(read(name))
        return
    from filelock import FileLock, Timeout

    try:
        with FileLock(file.with_name(f".{name}.lock"), timeout=5):
            write_text(file, json.dumps(change(read(name)), indent=1, sort_keys=True))
    except CourseError as e:
        print(f"({e})")
    except (OSError, Timeout) as e:
        print(f"({file} could not be written: {getattr(e, 'strerror', None) or 'another notebook holds it'})")
