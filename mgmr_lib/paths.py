"""Where things lie: the repository, and the data folder that downloads and built corpora go to."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def data_root() -> Path:
    """The data folder: `MGMR_DATA` where the environment sets it, else `data/` of the repository."""
    return Path(os.environ.get("MGMR_DATA") or REPOSITORY / "data")


def cache_dir() -> Path:
    """Downloads, the offline text encoder and cached text features (safe to delete: `data prepare` makes it again)."""
    return data_root() / "cache"


def corpora_dir() -> Path:
    """The built classroom corpora (safe to delete: `data prepare` makes them again)."""
    return data_root() / "corpora"


def runs_dir() -> Path:
    """What commands write by default, and git does not keep: `runs/`, of `MGMR_LEARNER` where the environment sets it."""
    return Path(os.environ.get("MGMR_LEARNER") or REPOSITORY).expanduser().absolute() / "runs"
