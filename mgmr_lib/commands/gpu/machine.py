"""What decides how mamba_ssm gets onto this machine: system, Python, torch, GPU, and the CUDA compilers that are
there."""

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from mgmr_lib.errors import CourseError


@dataclass(frozen=True)
class Machine:
    """system: "linux_x86_64"; python: "cp312"; torch: "2.13"; cuda: the CUDA that torch was built with, None on a CPU
    build; cxx11_abi: of torch's C++ code; gpu: its name, None without one; capability: (9, 0) on an H100."""

    system: str
    python: str
    torch: str
    cuda: str | None
    cxx11_abi: bool
    gpu: str | None = None
    capability: tuple[int, int] | None = None

    @property
    def words(self) -> str:
        """For sentences."""
        return f"torch {self.torch}, CUDA {self.cuda}, Python {self.python}, {self.system}"


def this_machine() -> Machine:
    """The facts, as this process sees them."""
    there = torch.cuda.is_available()
    return Machine(
        f"{sys.platform}_{platform.machine()}",
        f"cp{sys.version_info.major}{sys.version_info.minor}",
        ".".join(torch.__version__.split(".")[:2]),
        torch.version.cuda,
        torch.compiled_with_cxx11_abi(),
        torch.cuda.get_device_name() if there else None,
        torch.cuda.get_device_capability() if there else None,
    )


def why_not(machine: Machine) -> str | None:
    """None, or why mamba_ssm's kernels cannot run here, whatever is installed: a sentence with the fix."""
    if not machine.system.startswith("linux"):
        hint = "; inside WSL it can be installed" if machine.system.startswith("win") else ""
        return (
            f"mamba_ssm's kernels need Linux and an NVIDIA GPU, and this is {machine.system}: there is nothing to "
            f"install, and the course runs without them{hint}"
        )
    if machine.cuda is None and shutil.which("nvidia-smi"):
        return (
            "this machine has an NVIDIA GPU, but its torch is a build for CPUs: run `python course.py open --torch "
            "cuda`, then `python course.py gpu`"
        )
    if machine.cuda is None or machine.gpu is None:
        return (
            "torch sees no NVIDIA GPU here, and mamba_ssm's kernels run on nothing else: there is nothing to install, "
            "and the course runs without them"
        )
    return None


@dataclass(frozen=True)
class Toolkit:
    """A CUDA toolkit: its folder (CUDA_HOME) and the version that its compiler states."""

    home: Path
    version: str


def toolkit_for(machine: Machine) -> Toolkit:
    """The toolkit to compile with; a CourseError where there is none, or only others than torch was built with."""
    assert machine.cuda is not None  # why_not has refused a torch without CUDA
    found = [Toolkit(home, version) for home in _homes(machine) if (version := _version(home))]
    for toolkit in found:
        if toolkit.version.split(".")[0] == machine.cuda.split(".")[0]:
            return toolkit
    if not found:
        raise CourseError(
            f"there is no CUDA compiler (nvcc) here: install the CUDA toolkit {machine.cuda} and set CUDA_HOME to its "
            "folder (in a container: an image whose name holds 'devel'), then run `python course.py gpu` again"
        )
    raise CourseError(
        f"nvcc in {found[0].home} is of CUDA {found[0].version}, but torch was built with CUDA {machine.cuda}: install "
        f"the CUDA toolkit {machine.cuda} and set CUDA_HOME to its folder, then run `python course.py gpu` again"
    )


def _homes(machine: Machine) -> list[Path]:
    named = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), f"/usr/local/cuda-{machine.cuda}"]
    on_path = shutil.which("nvcc")
    found = os.path.dirname(os.path.dirname(os.path.realpath(on_path))) if on_path else None
    return [Path(home) for home in (*named, found, "/usr/local/cuda") if home]


def _version(home: Path) -> str | None:
    """ "13.0", or None where there is no compiler that runs."""
    try:
        said = subprocess.run([home / "bin" / "nvcc", "--version"], capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"release (\d+\.\d+)", said)
    return match and match[1]
