"""The course in somebody else's notebook server (Colab, Kaggle), which knows nothing of it: `first_cell` fetches it,
and `prepare` makes the running kernel able to use it.

Nothing that the service brings is replaced unless it is too old for the course; torch never is.
"""

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.setup import machine

ADDRESS = "MGMR_REPOSITORY"
COLAB_BRANCH = "colab"  # holds the notebooks with that cell in front, nothing else: .ci/publish_notebooks
FRONT_END = ("jupyterlab",)  # the service has its own
REQUIREMENT = re.compile(r"^([A-Za-z0-9_.-]+)>=([\d.]+)$")
CELL = """# On Colab and Kaggle this fetches the course (a minute or two); everywhere else it does nothing.
import os
import subprocess
import sys

if "google.colab" in sys.modules or "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
    home = os.path.abspath(os.environ.setdefault("MGMR_COURSE", "mgmr-course"))
    if not os.path.exists(os.path.join(home, "course.py")):
        fetch = ["git", "clone", "--quiet", "--depth", "1", "{repository}", home]
        assert subprocess.call(fetch) == 0, "git could not fetch the course: is the notebook's internet access on?"
    sys.path.insert(0, home)
    from mgmr_lib.setup import cloud

    cloud.prepare()
"""


def repository_address(root: Path = REPOSITORY) -> str | None:
    """The repository's address on the web: MGMR_REPOSITORY, or `repository` in pyproject.toml's [project.urls]; None
    where neither is set. Errors: CourseError for what is no address (it goes into a notebook's code)."""
    return _checked(os.environ.get(ADDRESS)) or project_address(root)


def project_address(root: Path = REPOSITORY) -> str | None:
    """The address that the repository itself names, in pyproject.toml's [project.urls]: what is stored depends on no
    environment. Errors: CourseError for what is no address."""
    file = root / "pyproject.toml"
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"] if file.exists() else {}
    return _checked(project.get("urls", {}).get("repository"))


def _checked(found: str | None) -> str | None:
    if found and not re.fullmatch(r"[\w.:/@~+-]+", found):
        raise CourseError(
            f"{found!r} is no address of a repository: mend {ADDRESS}, or [project.urls] in pyproject.toml"
        )
    return found.rstrip("/") if found else None


def on_github(address: str | None) -> tuple[str, str] | None:
    """(owner, name) of a repository on GitHub, None for another address."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+)", address or "")
    return (found[1], found[2]) if found else None


def binder_address(owner: str, name: str, notebook: str) -> str:
    """Where Binder opens that notebook of a repository on GitHub; notebook: "notebooks/00_start_here.ipynb"."""
    return f"https://mybinder.org/v2/gh/{owner}/{name}/main?urlpath=lab/tree/{notebook}"


def colab_address(owner: str, name: str, notebook: str) -> str:
    """Where Colab opens that notebook of a repository on GitHub; notebook: "00_start_here.ipynb"."""
    return f"https://colab.research.google.com/github/{owner}/{name}/blob/{COLAB_BRANCH}/{notebook}"


def first_cell(address: str) -> str:
    """The code that goes in front of a notebook: it fetches the course from `address` where it finds itself in Colab or
    Kaggle."""
    return CELL.replace("{repository}", address).rstrip("\n")


def with_first_cell(notebook: dict, address: str) -> dict:
    """A copy of a notebook (as JSON) with that cell in front; once, however often it is called."""
    source = first_cell(address)
    cell = {"id": "fetch-the-course", "cell_type": "code", "metadata": {"tags": ["fetch"]}, "execution_count": None,
            "outputs": [], "source": source.splitlines(keepends=True)}  # fmt: skip
    return notebook | {"cells": [cell, *(c for c in notebook["cells"] if c.get("id") != cell["id"])]}


def prepare(root: Path = REPOSITORY) -> None:
    """Install what the kernel's Python lacks, prepare the data, go to the learner's folder. Errors: CourseError."""
    if refusal := machine.refusal(machine.this_machine()):
        raise CourseError(refusal)
    lacking = missing((root / "pyproject.toml").read_text(encoding="utf-8"))
    if any(need.startswith("torch>") for need in lacking) and version("torch"):
        raise CourseError(f"torch {metadata.version('torch')} is too old for the course: choose a newer runtime")
    if lacking:
        print(f"installing {', '.join(lacking)} ...", flush=True)
        _run("packages could not be installed", "pip", "install", "--quiet", "--disable-pip-version-check", *lacking)
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in (str(root), os.environ.get("PYTHONPATH")) if p)
    print("preparing the data ...", flush=True)
    _run("the data could not be prepared", "mgmr_lib", "data", "prepare", "--wait")
    (root / "learner").mkdir(exist_ok=True)
    os.chdir(root / "learner")  # where score and bets are kept
    stale = [need for need in lacking if REQUIREMENT.sub(r"\1", need).replace("-", "_") in sys.modules]
    print(
        f"restart the session and run this cell again: {', '.join(stale)} came new" if stale else "the course is here"
    )


def missing(pyproject: str) -> list[str]:
    """What the course asks for and this Python lacks, or has too old: "transformers>=5.0"."""
    asked = tomllib.loads(pyproject)["project"]["dependencies"]
    found = [(need, REQUIREMENT.match(need)) for need in asked]
    return [
        need for need, m in found if m and m[1] not in FRONT_END and (version(m[1]) or (-1,)) < _numbers(m[2])
    ]  # fmt: skip


def version(package: str) -> tuple[int, ...] | None:
    """The installed version's numbers, None where it is not installed."""
    try:
        return _numbers(metadata.version(package))
    except metadata.PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.match(r"\d+(?:\.\d+)*", text)[0].split(".")))  # type: ignore[index]


def _run(what: str, module: str, *words: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise CourseError(f"{what} ({last}): mend that and run the cell again")
