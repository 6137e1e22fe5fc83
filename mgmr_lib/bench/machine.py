"""What a benchmark's numbers depend on beside the common provenance: the command, the processor and its load."""

import os
import platform
from pathlib import Path

import torch

from mgmr_lib import provenance

PACKAGES = ("torch", "triton", "transformers", "mambapy", "mamba-ssm", "numpy")


def machine(command: list[str]) -> dict:
    """The facts that make a measurement repeatable. `load` is the machine's run queue over the last minute."""
    return provenance.provenance(PACKAGES) | {
        "command": " ".join([Path(command[0]).name, *command[1:]]) if command else "",
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def processor() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
