"""Where numbers come from: machine, versions, commit, date. Recorded with every run, record and benchmark."""

import hashlib
import json
import platform
import subprocess
import time
from importlib import metadata

from mgmr_lib.paths import REPOSITORY

PACKAGES = ("torch", "transformers", "accelerate", "numpy", "scikit-learn")


def provenance(packages: tuple[str, ...] = PACKAGES) -> dict:
    """What numbers depend on beside a configuration; packages that are not installed are left out."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu, {torch.get_num_threads()} threads"
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {p: version(p) for p in packages if version(p)},
        "device": device,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit(),
    }


def version(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def commit() -> str:
    """The course's commit, "+" behind it where files differ from it; "" outside a git checkout."""
    command = ["git", "describe", "--always", "--abbrev=7", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def digest(record: dict) -> str:
    """12 hex digits of a record's content (all but the digest itself)."""
    rest = {k: v for k, v in record.items() if k != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:12]
