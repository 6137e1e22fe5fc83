"""Where things lie: the repository, and the data folder that downloads and built corpora go to."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def expanded(path: str | Path) -> Path:
    """The path with `~` expanded; the `~name` of nobody on this computer stays as it is, as in a shell."""
    return Path(os.path.expanduser(path))


def absolute(path: str | Path) -> Path:
    """The path with `~` expanded and made absolute, so that it means the same file from every folder."""
    return expanded(path).absolute()


def data_root() -> Path:
    """The data folder: `MGMR_DATA` where the environment sets it, else `data/` of the repository.

    A relative MGMR_DATA counts from the folder that we started in. It is made absolute on first use and written back,
    so that a later change of folder and child processes (notebook kernels) do not make a second data folder.
    """
    given = os.environ.get("MGMR_DATA")
    if not given:
        return REPOSITORY / "data"
    root = absolute(given)
    if str(root) != given:
        os.environ["MGMR_DATA"] = str(root)
    return root


data_root()  # before anybody changes the folder


def cache_dir() -> Path:
    """Downloads, the offline text encoder and cached text features (safe to delete: `data prepare` makes it again)."""
    return data_root() / "cache"


def corpora_dir() -> Path:
    """The built classroom corpora (safe to delete: `data prepare` makes them again)."""
    return data_root() / "corpora"


def runs_dir() -> Path:
    """What commands write by default, and git does not keep: `runs/`, of `MGMR_LEARNER` where the environment sets
    it."""
    return absolute(os.environ.get("MGMR_LEARNER") or REPOSITORY) / "runs"
