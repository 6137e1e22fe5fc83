"""Compile the native_*.c files on this machine, once, and keep the result where downloads are kept.

Nothing is compiled when the course is installed, and nothing needs it. MGMR_NATIVE_SCAN in the environment decides: "1"
(as if unset) lets "auto" take this rung, "by name" leaves it to `backend="native"`, "0" switches it off. Without it,
and without a C compiler, "auto" takes the chunked rung. Notebooks are built and tested with "by name", so that their
numbers need no compiler.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from mgmr_lib.errors import CourseError
from mgmr_lib.files import put_in_place, write_text
from mgmr_lib.paths import cache_dir

FOLDER = Path(__file__).parent
SOURCES = ("native_scan.c", "native_conv.c")
HEADERS = ("native_lanes.h",)
COMMON_FLAGS = ("-std=gnu11", "-shared", "-fPIC", "-ffp-contract=fast", "-fno-strict-aliasing")
# The first set that the compiler accepts. -march=native: use every vector instruction of this very processor.
FLAG_SETS = (("-O3", "-march=native"), ("-O3", "-mcpu=native"), ("-O2",))
TIMEOUT_S = 120


@torch.compiler.assume_constant_result
def preferred() -> bool:
    """Whether "auto" may take the compiled rung."""
    return os.environ.get("MGMR_NATIVE_SCAN", "1") == "1"


@functools.cache
def library() -> ctypes.CDLL:
    """The compiled functions. CourseError says why there is none."""
    if os.environ.get("MGMR_NATIVE_SCAN", "1") == "0":
        raise CourseError("it is switched off by MGMR_NATIVE_SCAN=0 in the environment")
    compiler = find_compiler()
    name = f"scan-{fingerprint(compiler)}.so"
    # Only here, never in a folder that others can write to: what is loaded is executed.
    folder = cache_dir() / "native"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / name).exists():
            compile_once(folder / name, compiler)
        return ctypes.CDLL(str(folder / name))
    except OSError as error:
        raise CourseError(f"the compiled scan could not be stored in {folder} or loaded ({error})") from None


def find_compiler() -> list[str]:
    """The C compiler as a command: the environment's CC, else cc, gcc or clang."""
    named = shlex.split(os.environ.get("CC", ""))
    for command in ([named] if named else []) + [["cc"], ["gcc"], ["clang"]]:
        if found := shutil.which(command[0]):
            if sys.platform == "darwin" and found.startswith("/usr/bin/") and not _has_command_line_tools():
                break
            return command
    how = "; on a Mac, `xcode-select --install` installs one" if sys.platform == "darwin" else ""
    raise CourseError(
        "there is no C compiler on the path (cc, gcc or clang); with one it would be several times faster than "
        f'"chunked"{how}'
    )


def _has_command_line_tools() -> bool:
    """Whether Apple's compilers are there. Without them /usr/bin/cc only opens a window that offers to install them."""
    try:
        return subprocess.run(["xcode-select", "-p"], capture_output=True, timeout=TIMEOUT_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def fingerprint(compiler: list[str]) -> str:
    """Changes with the source, the compiler and the processor, so that a stale or foreign file is never loaded."""
    said = subprocess.run([*compiler, "--version"], capture_output=True, text=True, timeout=TIMEOUT_S).stdout
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    code = [(FOLDER / name).read_text(encoding="utf-8") for name in SOURCES + HEADERS]
    facts = (
        *code,
        COMMON_FLAGS + FLAG_SETS,
        shutil.which(compiler[0]),
        said,
        platform.machine(),
        platform.processor(),
        features,
    )
    return hashlib.sha256("\0".join(map(str, facts)).encode()).hexdigest()[:20]


def compile_once(target: Path, compiler: list[str]) -> None:
    """`compile_into`, whose failure is written down and said again, so that it costs its time once on a machine."""
    note = target.with_suffix(".failed.txt")
    if note.exists():
        raise CourseError(note.read_text(encoding="utf-8").strip())
    try:
        compile_into(target, compiler)
    except CourseError as error:
        write_text(note, f"{error}; it is not tried again before {note} is deleted\n")
        raise CourseError(note.read_text(encoding="utf-8").strip()) from None


def compile_into(target: Path, compiler: list[str]) -> None:
    """Compile into `target`; it appears complete or not at all, also when two processes compile at once."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        spare = Path(folder) / "scan.so"
        for flags in FLAG_SETS:
            command = [*compiler, *flags, *COMMON_FLAGS, *(str(FOLDER / name) for name in SOURCES), "-o", str(spare)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
            except subprocess.TimeoutExpired:
                raise CourseError(f"{compiler[0]} did not finish compiling in {TIMEOUT_S} seconds") from None
            if done.returncode == 0 and runs(spare):
                put_in_place(spare, target)
                return
    said = next((line for line in done.stderr.splitlines() if "error" in line), "what it compiles does not run here")
    raise CourseError(f"{compiler[0]} could not compile {FOLDER} ({said.strip()})")


def runs(compiled: Path) -> bool:
    """Try it in a process of its own: an instruction that this processor lacks would end the process that meets it."""
    script = f"import ctypes, sys; sys.exit(ctypes.CDLL({str(compiled)!r}).native_check())"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=TIMEOUT_S).returncode == 0
