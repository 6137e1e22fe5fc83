"""Which Python and which computer can run the course. The pinned packages have wheels for these and for no others."""

import os
import platform
import shutil
import struct
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 14)
OLDEST_GLIBC, OLDEST_MACOS = (2, 28), 14  # what the tags of torch's wheels ask for
PROCESSORS = {"Linux": ("x86_64", "aarch64"), "Darwin": ("arm64",), "Windows": ("AMD64",)}


@dataclass(frozen=True)
class Machine:
    """The facts on which it depends whether the pinned packages have wheels."""

    python: tuple[int, int] = (3, 12)
    implementation: str = "CPython"
    bits: int = 64
    free_threaded: bool = False
    system: str = "Linux"  # as platform.system() says
    processor: str = "x86_64"  # what this Python was built for: an Intel Python on an Apple-silicon Mac is x86_64
    glibc: tuple[int, ...] = OLDEST_GLIBC  # Linux; empty for another C library (musl)
    macos: int = OLDEST_MACOS


def this_machine() -> Machine:
    """The computer and the Python that run this."""
    system, processor = platform.system(), platform.machine()
    if system == "Windows":  # platform.machine() may name the computer's processor, not the Python's
        processor = {"win-amd64": "AMD64", "win-arm64": "ARM64"}.get(sysconfig.get_platform(), "x86")
    name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ") if _asks_glibc() else ("", "", "")
    return Machine(
        python=sys.version_info[:2],
        implementation=platform.python_implementation(),
        bits=8 * struct.calcsize("P"),
        free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        system=system,
        processor=processor,
        glibc=tuple(int(part) for part in version.split(".")[:2]) if name == "glibc" else (),
        macos=int(platform.mac_ver()[0].split(".")[0] or OLDEST_MACOS) if system == "Darwin" else OLDEST_MACOS,
    )


def _asks_glibc() -> bool:
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (AttributeError, ValueError, OSError):  # not Linux, or musl
        return False


def refusal(machine: Machine) -> str | None:
    """Why the course cannot be set up here, and what to use instead: one sentence, or None where it can."""
    version, span = ".".join(map(str, machine.python)), f"{_dotted(OLDEST)} to {_dotted(NEWEST)}"
    if machine.implementation != "CPython":
        return f"the course needs CPython {span} and this is {machine.implementation}: {_another_python()}"
    if not OLDEST <= machine.python <= NEWEST:
        return (
            f"the course needs Python {span}, for which its packages exist, and this is {version}: {_another_python()}"
        )
    if machine.free_threaded:
        return f"this is the free-threaded Python {version}, for which packages are missing: use the ordinary build"
    if machine.bits != 64:
        return f"this Python is a 32-bit one, and torch exists for 64 bit alone: install a 64-bit Python {span}"
    return _system_refusal(machine)


def _system_refusal(machine: Machine) -> str | None:
    if machine.system not in PROCESSORS:
        return f"torch has no wheels for {machine.system}: use Linux, macOS or Windows (or a Linux container)"
    if machine.processor not in PROCESSORS[machine.system]:
        return {
            "Darwin": "torch has had no wheels for Intel Macs since 2.3: on a Mac with Apple silicon use a Python "
            "built for arm64 (python.org's installer), on an Intel Mac another computer, such as a hosted JupyterLab "
            "on Linux",
            "Windows": "torch's pinned wheels for Windows are for x86-64: install the 64-bit (x86-64) Python, which "
            "Windows on ARM runs too",
        }.get(machine.system, f"torch has no wheels for Linux on {machine.processor}: use x86-64 or aarch64")
    if machine.system == "Linux" and machine.glibc < OLDEST_GLIBC:
        found = f"glibc {_dotted(machine.glibc)}" if machine.glibc else "another C library (musl, as on Alpine)"
        return (
            f"torch needs glibc {_dotted(OLDEST_GLIBC)} or newer and this Linux has {found}: use Debian 10, "
            "Ubuntu 20.04 or newer"
        )
    if machine.system == "Darwin" and machine.macos < OLDEST_MACOS:
        return (
            f"torch needs macOS {OLDEST_MACOS} or newer and this is {machine.macos}: update macOS, or use another "
            "computer"
        )
    return None


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _another_python() -> str:
    """What to type instead, with a Python that is on this computer where there is one."""
    for name in ("python3.12", "python3.13", "python3.11", "python3.14"):
        if (found := shutil.which(name)) and not subprocess.run(
            [found, "-V"], capture_output=True, check=False
        ).returncode:
            return f"start it with `{name} course.py open`"
    if shutil.which("uv"):
        return "start it with `uv run --no-project --python 3.12 course.py open`"
    return "install Python 3.12 (python.org has installers) and start the course with it"


def has_nvidia_gpu(driver: Path = Path("/proc/driver/nvidia/gpus")) -> bool:
    """Whether NVIDIA's driver shows a GPU: what decides between torch's builds."""
    if driver.is_dir() and any(driver.iterdir()):
        return True
    try:  # the only witness on Windows and in WSL
        said = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.returncode == 0 and "GPU " in said.stdout
