"""Which of torch's builds is taken, decided and said before anything is downloaded.

The registry's own torch for Linux holds CUDA and asks for gigabytes of NVIDIA's packages; a Linux machine without an
NVIDIA GPU takes PyTorch's CPU build from PyTorch's own index instead. macOS and Windows get small builds anyway.

torch comes in a step of its own, before the rest, with one index and its exact build. PyTorch's index also holds
packages of other projects: as a second index beside the registry it could answer for any name in our list, so it is
never given as one. The second step finds torch in place and takes everything else from the registry.
"""

import os
import re
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.setup.machine import Machine

INDEX = "https://download.pytorch.org/whl"
CUDA = "cu130"  # the CUDA of torch's default build, for Windows, where the registry has the CPU build alone
WAIT_S = 6  # for PyTorch's index: no answer in this time, and the registry serves


@dataclass(frozen=True)
class Choice:
    """build: "cpu" or "cuda"; requirement: what the first step installs; index: from where (None: the registry, or
    wheels that are kept here); says: the sentence to print."""

    build: str
    requirement: str
    index: str | None
    says: str


def index_url(build: str) -> str:
    """PyTorch's index of a build; `MGMR_TORCH_INDEX` names another one (a mirror) in its place."""
    return (os.environ.get("MGMR_TORCH_INDEX") or f"{INDEX}/{build}").rstrip("/")


def pinned_torch(constraints: str) -> str:
    """torch's version in the text of constraints.txt."""
    found = re.search(r"^torch==([\w.]+)", constraints, re.MULTILINE)
    if not found:
        raise CourseError("constraints.txt pins no torch: get a fresh copy of it (git checkout constraints.txt)")
    return found[1]


def choose(
    machine: Machine,
    wanted: str | None,
    version: str,
    has_gpu: Callable[[], bool],
    kept_here: Callable[[str], bool],
    offers: Callable[[str, str], bool] | None = None,
) -> Choice:
    """The build for this machine. wanted: "cpu", "cuda" or None (ours to decide).

    kept_here(requirement): whether pip finds it among wheels that are kept here (find-links); offers(index, wheel):
    whether that index answers and lists a wheel whose name matches the pattern (default: ask it).
    Errors: CourseError where what is wanted does not exist or cannot be had.
    """
    offers = offers or _offers
    if machine.system != "Linux":
        return _elsewhere(machine, wanted, version, offers)
    gpu = wanted is None and has_gpu()
    if wanted == "cuda" or gpu:
        why = "an NVIDIA GPU is here" if gpu else "--torch cuda"
        return Choice("cuda", f"torch==={version}", None, f"torch {version} with CUDA ({why}; --torch cpu is smaller)")
    # "===" above and below: "==2.13.0" would also take a kept "2.13.0+cpu", which counts as the newer of the two
    why = "--torch cpu" if wanted else "no NVIDIA GPU is here; --torch cuda takes the other build"
    requirement = f"torch=={version}+cpu"
    if kept_here(requirement):
        return Choice(
            "cpu", requirement, None, f"torch {version} for the CPU, from the wheels that are kept here ({why})"
        )
    index = index_url("cpu")
    if offers(index, _wheel(machine, version, "cpu")):
        return Choice("cpu", requirement, index, f"torch {version} for the CPU, from {index} ({why})")
    unavailable = f"{index} cannot be reached or has no torch {version} for this Python"
    if wanted == "cpu":
        raise CourseError(
            f"{unavailable}: check the network, or leave --torch cpu out to take the registry's build with CUDA"
        )
    says = f"torch {version} with CUDA, which computes on the CPU as well: no NVIDIA GPU is here, but {unavailable}"
    return Choice("cuda", f"torch==={version}", None, says)


def packed(machine: Machine, wanted: str | None, version: str, folder: Path) -> Choice:
    """The build that a folder of `course.py pack` holds."""
    if wanted == "cuda":
        raise CourseError(f"{folder} holds torch for the CPU alone: leave --torch cuda out, or leave --from out")
    requirement = f"torch=={version}+cpu" if machine.system == "Linux" else f"torch=={version}"
    return Choice("cpu", requirement, None, f"torch {version} for the CPU, from {folder}")


def _elsewhere(machine: Machine, wanted: str | None, version: str, offers: Callable[[str, str], bool]) -> Choice:
    """macOS and Windows: the registry's build as it comes, unless CUDA is asked for on Windows."""
    if wanted != "cuda":
        hint = "; --torch cuda takes the build for NVIDIA GPUs" if machine.system == "Windows" else ""
        return Choice(
            "cpu", f"torch=={version}", None, f"torch {version} as the registry has it for {machine.system}{hint}"
        )
    if machine.system == "Darwin":
        raise CourseError("torch has no CUDA build for macOS: leave --torch cuda out")
    index = index_url(CUDA)
    if not offers(index, _wheel(machine, version, CUDA)):
        raise CourseError(
            f"{index} cannot be reached or has no torch {version} for this Python: check the network, or leave "
            "--torch cuda out to take the registry's CPU build"
        )
    return Choice("cuda", f"torch=={version}+{CUDA}", index, f"torch {version} with CUDA, from {index} (--torch cuda)")


def _wheel(machine: Machine, version: str, build: str) -> str:
    """A regular expression of the wheel's file name as an index lists it."""
    tag = "cp{}{}".format(*machine.python)
    system = {"Linux": f"(many)?linux[^\"'<>]*_{machine.processor}", "Windows": "win_amd64"}[machine.system]
    return rf"torch-{re.escape(version)}\+{build}-{tag}-{tag}-{system}\.whl"


def _offers(index: str, wheel: str) -> bool:
    """Whether the index lists such a wheel. Neither a silent network nor a name that is never resolved can hold this
    up: the question is asked in a thread that is left behind after `WAIT_S`."""
    page: list[str] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(f"{index}/torch/", timeout=WAIT_S) as answer:  # heeds the proxy variables
                page.append(urllib.parse.unquote(answer.read(5_000_000).decode("utf-8", "replace")))
        except (OSError, ValueError):  # URLError and the like are OSErrors; ValueError: what is no URL
            pass

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(WAIT_S)
    return bool(page) and re.search(wheel, page[0]) is not None
