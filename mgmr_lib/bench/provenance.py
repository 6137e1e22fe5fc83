"""Where numbers come from: machine, versions, commit, date. Recorded with every benchmark."""

import datetime
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import torch

from mgmr_lib.paths import REPOSITORY

PACKAGES = ("torch", "triton", "transformers", "mambapy", "mamba-ssm", "numpy")


def provenance(command: list[str]) -> dict:
    """The facts that make a measurement repeatable. `load` is the machine's run queue over the last minute."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": " ".join([Path(command[0]).name, *command[1:]]) if command else "",
        "commit": commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "versions": {name: version(name) for name in PACKAGES if version(name)},
    }


def version(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def commit() -> str | None:
    """The commit of the repository, with "+" where files differ from it; None outside a repository."""

    def git(*arguments):
        done = subprocess.run(["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True, timeout=20)
        return done.stdout.strip() if done.returncode == 0 else None

    try:
        head = git("rev-parse", "--short=12", "HEAD")
        return head and head + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.TimeoutExpired):
        return None


def processor() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
