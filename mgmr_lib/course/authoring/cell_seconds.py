"""The seconds of slow cells, measured where the builder executes a notebook; learners are told (course/waiting.py)."""

import json
import threading
from datetime import datetime
from pathlib import Path

from mgmr_lib.course import waiting
from mgmr_lib.course.authoring.source import LEARNER
from mgmr_lib.course.store import write_text
from mgmr_lib.paths import REPOSITORY

_LOCK = threading.Lock()  # notebooks are built two at a time, and their seconds stand in one file


def of(notebook) -> dict[str, int]:
    """Seconds of each cell that took long, by its id, from the times that the client recorded."""
    took = {}
    for cell in notebook.cells:
        times = cell.metadata.get("execution", {})
        if {"iopub.execute_input", "shell.execute_reply"} <= set(times):
            begun, ended = (datetime.fromisoformat(times[k]) for k in ("iopub.execute_input", "shell.execute_reply"))
            took[cell.id] = (ended - begun).total_seconds()
    return {cell: round(seconds) for cell, seconds in took.items() if seconds >= waiting.LONG}


def keep(number: str, seconds: dict[str, int], root: Path = REPOSITORY) -> None:
    """Keep what a notebook's slow cells took in notebooks/cell_seconds.json: learners are told."""
    path = root / LEARNER / waiting.FILE
    with _LOCK:
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        write_text(path, json.dumps(kept | {number: seconds}, indent=1, sort_keys=True) + "\n")
