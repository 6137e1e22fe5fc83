"""A study that trains in the background: started, stopped and looked at from a notebook or a terminal.

FOLDER/running.json names the process that was started last. A study goes on in a new process where the old one ended,
whatever ended it.
"""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil

from mgmr_lib.errors import CourseError
from mgmr_lib.experiments.study import LOG, PLAN
from mgmr_lib.files import WINDOWS, read_json, write_json
from mgmr_lib.paths import REPOSITORY, absolute

RUNNING = "running.json"
PATIENCE = 10.0  # seconds that a process gets to end by itself


def start(folder: Path) -> int:
    """Begin or go on with the study of a folder in a process of its own, which outlives this one; returns its number.

    A CourseError where there is no plan, or where one trains already.
    """
    folder = absolute(folder)
    if not (folder / PLAN).exists():
        raise CourseError(f"{folder} holds no plan: write one first")
    if process(folder) is not None:
        raise CourseError(f"the study in {folder} is training already: look at it, or stop it first")
    command = (sys.executable, "-m", "mgmr_lib", "experiment", "study", "--study", str(folder), "--quiet")
    own_group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Windows alone
    apart: dict = {"creationflags": own_group} if WINDOWS else {"start_new_session": True}
    with open(folder / LOG, "ab") as log:
        started = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **apart
        )
    with contextlib.suppress(psutil.NoSuchProcess):
        # The day and second of its start tell it from a later process with the same number.
        write_json(folder / RUNNING, {"pid": started.pid, "since": psutil.Process(started.pid).create_time()})
    _children.append(started)
    return started.pid


_children: list[subprocess.Popen] = []  # kept, so that one that ended is noticed and its number given back


def process(folder: Path) -> psutil.Process | None:
    """The process that trains this study, where one does."""
    for child in _children:
        child.poll()
    try:
        said = read_json(absolute(folder) / RUNNING)
        found = psutil.Process(said["pid"])
        same = abs(found.create_time() - said["since"]) < 1 and found.status() != psutil.STATUS_ZOMBIE
    except (CourseError, psutil.Error, KeyError, TypeError, ValueError):
        return None
    return found if same else None


def stop(folder: Path, kill: bool = False) -> bool:
    """End the process that trains this study; False where none does. What its last epoch left is kept.

    kill: at once and without a word, as a power cut would.
    """
    found = process(folder)
    if found is None:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        if not kill:
            found.terminate()
            with contextlib.suppress(psutil.TimeoutExpired):
                found.wait(PATIENCE)
        found.kill()
        found.wait(PATIENCE)
    return True


def last_words(folder: Path) -> str:
    """The last line that a training of this study said, or nothing."""
    try:
        with open(absolute(folder) / LOG, "rb") as log:
            log.seek(max(0, os.path.getsize(log.fileno()) - 4000))
            said = log.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(said) if line.strip()), "")
