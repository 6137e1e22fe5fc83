"""What an equal search chose for each network, for the profile "tuned": data/results/tuning.json."""

import functools
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.files import read_json
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.provenance import digest

TUNING = REPOSITORY / "data" / "results" / "tuning.json"


@functools.cache
def read_tuning(path: Path = TUNING) -> dict:
    """A search's result (experiments/tuning.py `chosen`); a CourseError where none is there, or where it was changed
    after it was written."""
    again = "`python -m mgmr_lib experiment tune --into-course` searches again"
    if not path.exists():
        raise CourseError(f"{path} does not exist, so no settings are chosen: {again}; or take --profile laptop")
    found = read_json(path)
    if found.get("digest") != digest(found) or not isinstance(found.get("networks"), dict):
        raise CourseError(f"{path} was changed after it was written: restore it from git, or {again}")
    return found


def tuned_settings(model: str, path: Path = TUNING) -> dict:
    """The chosen settings of a network, beside the laptop profile's; a CourseError where no search chose any."""
    networks = read_tuning(path)["networks"]
    if model not in networks:
        raise CourseError(
            f"{path} holds no settings for {model}: `python -m mgmr_lib experiment tune` searches, and --into-course "
            "writes them; or take --profile laptop"
        )
    return dict(networks[model]["settings"])
