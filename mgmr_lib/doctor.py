"""`python -m mgmr_lib doctor`: what works on this machine, and what to do where something does not."""

import argparse
import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path

from mgmr_lib.paths import REPOSITORY, cache_dir, corpora_dir, data_root

NEEDS_PYTHON = (3, 11)
NEEDS_FREE_GB = 3.0
PACKAGES = ("torch", "transformers", "accelerate", "safetensors", "numpy", "pandas", "scikit-learn", "jupyterlab")
BROKEN = (
    "the library cannot be imported: `git status` shows a changed file of mgmr_lib; where none is, delete .venv and "
    "run `python course.py open`"
)
OPTIONAL = {
    "triton": "our GPU kernels",
    "mamba-ssm": "mamba_ssm's GPU kernel",
    "causal-conv1d": "needed by mamba-ssm",
    "mambapy": "a peer in the benchmark",
    "playwright": "the browser test",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options: doctor only looks."""


def main(args: argparse.Namespace) -> int:
    """Print the report. Exit code 0 where the course can run, 1 where something that it needs is missing."""
    sections = {"machine": machine(), "packages": packages(), "data": data(), "scan backends": backends()}
    troubles = []
    for title, rows in sections.items():
        print(f"{title}")
        for name, value, trouble in rows:
            print(f"  {name:18} {value}")
            if trouble:
                troubles.append(f"{name}: {trouble}")
    print("\nto do" if troubles else "\nnothing to do: the course runs on this machine")
    for trouble in troubles:
        print(f"  {trouble}")
    return 1 if troubles else 0


def machine() -> list[tuple[str, str, str | None]]:
    """Rows (name, what we found, what to do or None) about the computer."""
    version = platform.python_version()
    old = sys.version_info[:2] < NEEDS_PYTHON
    rows = [
        (
            "python",
            f"{version}, {sys.executable}",
            f"the course needs Python {'.'.join(map(str, NEEDS_PYTHON))} or newer" if old else None,
        ),
        ("system", f"{platform.system()} {platform.release()} {platform.machine()}", None),
        ("cores", f"{os.cpu_count()}{_limited_cores()}", None),
        ("memory", "{1:.1f} of {0:.1f} GB free".format(*memory_gb()), None),
    ]
    folder = existing(data_root())
    free = shutil.disk_usage(folder).free / 1e9
    short = f"less than {NEEDS_FREE_GB:.0f} GB are free where the data goes ({folder}): make room, or set MGMR_DATA"
    return [*rows, ("disk", f"{free:.1f} GB free at {folder}", short if free < NEEDS_FREE_GB else None)]


def _limited_cores() -> str:
    if not hasattr(os, "sched_getaffinity"):
        return ""
    usable = len(os.sched_getaffinity(0))
    return "" if usable == os.cpu_count() else f" ({usable} usable by this process)"


def memory_gb() -> tuple[float, float]:
    """(total, free) in GB."""
    import psutil

    memory = psutil.virtual_memory()
    return memory.total / 1e9, memory.available / 1e9


def existing(folder: Path) -> Path:
    """The folder, or its closest parent that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder


def packages() -> list[tuple[str, str, str | None]]:
    """Versions, and what torch can use."""
    rows: list[tuple[str, str, str | None]] = []
    for name in PACKAGES:
        try:
            rows.append((name, metadata.version(name), None))
        except metadata.PackageNotFoundError:
            rows.append(
                (name, "missing", f"install the course's packages: {sys.executable} -m pip install -e {REPOSITORY}")
            )
    for name, purpose in OPTIONAL.items():
        try:
            rows.append((name, metadata.version(name), None))
        except metadata.PackageNotFoundError:
            rows.append((name, f"not installed (optional: {purpose})", None))
    return [*rows, ("device", device(), None)]


def device() -> str:
    """What torch computes on."""
    try:
        import torch
    except (ImportError, OSError):  # OSError: on Windows, a library that torch lacks
        return "unknown without torch"
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    return f"CPU, {torch.get_num_threads()} threads" + (
        "" if torch.version.cuda is None else f" (torch has CUDA {torch.version.cuda})"
    )


def data() -> list[tuple[str, str, str | None]]:
    """Which corpora and downloads are there; building them is a command, not a trouble."""
    rows = [("folder", f"{data_root()}" + (" (from MGMR_DATA)" if os.environ.get("MGMR_DATA") else ""), None)]
    for title, folder in (("corpora", corpora_dir()), ("downloads", cache_dir())):
        found = sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else []
        rows.append((title, ", ".join(found) or "none yet", None))
    prepared = rows[1][1] != "none yet"
    return [*rows, ("prepared", "yes" if prepared else "no: run `python -m mgmr_lib data prepare`", None)]


def backends() -> list[tuple[str, str, str | None]]:
    """Each backend of the selective scan: "ok", or why not; and how to get the GPU ones."""
    try:
        from mgmr_lib.commands.gpu import advice
        from mgmr_lib.ssm import available_backends
    except (ImportError, OSError) as error:
        return [("all", f"cannot be imported: {error}", BROKEN)]
    status = available_backends()
    rows = [(name, reason, None) for name, reason in status.items()]
    if status["cuda"] != "ok":
        rows.append(('to get "cuda"', advice(), None))
    return [*rows, ("auto takes", automatic(), None)]


def automatic() -> str:
    """The backend that "auto" starts with on the best device here."""
    import torch

    from mgmr_lib.ssm.engines.arguments import checked
    from mgmr_lib.ssm.engines.backends import automatic as rungs

    where = "cuda" if torch.cuda.is_available() else "cpu"
    u, A = torch.ones(1, 1, 1, device=where), -torch.ones(1, 1, device=where)
    return f"{rungs(checked(u, u, A, u, u), wants_state=False)[0]} on {where}"
