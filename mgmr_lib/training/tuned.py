"""What an equal search chose for each network, for the profile "tuned": data/results/tuning.json."""

import functools
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.files import read_json
from mgmr_lib.paths import REPOSITORY

TUNING = REPOSITORY / "data" / "results" / "tuning.json"


def tuned_settings(model: str, path: Path = TUNING) -> dict:
    """The chosen settings of a network, beside the laptop profile's; a CourseError where no search chose any."""
    networks = _read(path).get("networks")
    if not isinstance(networks, dict) or not isinstance(networks.get(model, {}).get("settings"), dict):
        raise CourseError(
            f"{path} holds no settings for {model}: `python -m mgmr_lib experiment tune --models {model}` searches, "
            "and --into-course writes it; or take --profile laptop"
        )
    return dict(networks[model]["settings"])


@functools.cache
def _read(path: Path) -> dict:
    return read_json(path) if path.exists() else {}
