"""Run pip, and say in one sentence why it, or a call of what it installed, failed."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import psutil

from mgmr_lib.commands.gpu import nvcc
from mgmr_lib.commands.gpu.machine import Machine, Toolkit
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
BUILD_TOOLS = ("setuptools", "wheel", "packaging", "ninja")
# Measured: nvcc 13.0 on three of mamba_ssm 2.3.2's files, for one kind of GPU: 53 to 125 s of a core and 0.7 GB each.
SECONDS_A_FILE, GB_A_JOB = 100, 2.0

_NETWORK = (
    r"Failed to establish|Max retries|name resolution|Connection(?:Error|Reset| refused)|ProxyError|"
    r"CERTIFICATE|ReadTimeout"
)
# (what pip, the compiler or Python says, what it means and the fix); the first that is found counts
REASONS = (
    (r"No space left on device|Errno 28", "the disk is full: make about 5 GB of room (TMPDIR names another disk)"),
    (
        r"signal 9|Killed|[Oo]ut of memory|Cannot allocate memory",
        "memory ran out: close other programs, or start it with the environment variable MAX_JOBS=1",
    ),
    (
        r"No module named '(?:torch|setuptools|wheel|packaging|ninja)'",
        "the build could not see torch or its own tools (it ran isolated from them): take PIP_* settings and pip's "
        "configuration out of the way, and start `python course.py gpu`, which builds without isolation",
    ),
    (
        r"bare_metal_version|CUDA_HOME environment variable is not set|nvcc(?:'|: )?.*(?:not found|No such file)",
        "the CUDA compiler (nvcc) was not found: install the CUDA toolkit that torch was built with, and set CUDA_HOME "
        "to its folder",
    ),
    (
        r"detected CUDA version .* mismatches|libcudart\.so\.\d+: cannot open",
        "the CUDA toolkit is of another version than torch's CUDA: install the one that `python -m mgmr_lib doctor` "
        "names for torch, and set CUDA_HOME to its folder",
    ),
    (
        r"undefined symbol|GLIBCXX_|CXXABI_",
        "it was built for another torch or C++ ABI than the one here: compile it here with `python course.py gpu "
        "--build`",
    ),
    (
        r"No module named '(?:selective_scan_cuda|causal_conv1d_cuda)'",
        "it was installed without its CUDA kernel: compile it here with `python course.py gpu --build`",
    ),
    (
        r"no kernel image is available",
        "it holds no code for this GPU: compile it here with `python course.py gpu --build`",
    ),
    (
        r"unsupported GNU version|unsupported clang version",
        "nvcc refuses this C++ compiler as too new: install an older g++ and name it, "
        "NVCC_PREPEND_FLAGS='-ccbin g++-12' say",
    ),
    (r"Python\.h: No such file", "Python's headers are missing: install python3-dev of this Python's version"),
    (_NETWORK, "the network failed: check it (and HTTPS_PROXY behind a proxy), then run `python course.py gpu` again"),
)


def reason(said: str) -> str:
    """What a failed command's output means, with the fix; where it is unknown, its last error line."""
    for pattern, sentence in REASONS:
        if re.search(pattern, said):
            return sentence
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\b[Ee]rror\b|ERROR", line)]
    return (errors or lines or ["it said nothing"])[-1][:300]


def run(command: tuple[str, ...], env: dict[str, str], log: Path) -> None:
    """Run a command, show how far its compiler is, keep all that it says in `log`; a CourseError where it fails."""
    said = []
    with (
        subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process,
        open(log, "a", encoding="utf-8", newline="\n") as kept,
    ):
        assert process.stdout is not None  # a pipe
        for line in process.stdout:
            said.append(line)
            kept.write(line)
            if step := re.match(r"\s*\[(\d+)/(\d+)\] ", line):
                print(f"  compiled {step[1]} of {step[2]}", flush=True)
    if process.returncode:
        ended = f"ended by signal {-process.returncode}" if process.returncode < 0 else ""
        raise CourseError(reason("".join([*said, ended])))


def install(wheels: list[str], env: dict[str, str], log: Path, *options: str) -> None:
    """Install these and nothing that they ask for: torch stays the one that is there."""
    pins = ("-c", str(REPOSITORY / "constraints.txt"))
    run((*PIP, "install", "--no-deps", *pins, *options, *wheels), env, log)


def download(address: str, folder: Path, env: dict[str, str], log: Path) -> str:
    """Fetch one wheel; its path."""
    folder.mkdir(parents=True)
    run((*PIP, "download", "--no-deps", "-d", str(folder), address), env, log)
    return _only_wheel(folder)


def build(name: str, folder: Path, env: dict[str, str], log: Path) -> str:
    """Compile one package into a wheel; its path."""
    folder.mkdir(parents=True)
    run(
        (*PIP, "wheel", "-v", "--no-deps", "--no-build-isolation", "--no-binary", name, "-w", str(folder), name),
        env,
        log,
    )
    return _only_wheel(folder)


def _only_wheel(folder: Path) -> str:
    found = sorted(folder.glob("*.whl"))
    if len(found) != 1:
        raise CourseError(f"pip left {len(found)} wheels in {folder} where one was due")
    return str(found[0])


def jobs() -> int:
    """How many files to compile at once: as many as cores, and as memory holds. MAX_JOBS in the environment wins."""
    named = os.environ.get("MAX_JOBS", "")
    if named.isdigit() and int(named) > 0:
        return int(named)
    fit = int(psutil.virtual_memory().available / 1e9 // GB_A_JOB)
    return max(1, min(os.cpu_count() or 1, fit))


def build_environment(machine: Machine, toolkit: Toolkit, tools: Path, force: tuple[str, ...]) -> dict[str, str]:
    """For `build`: the toolkit, the tools in a folder of their own, one kind of GPU, no ready-made wheels."""
    assert machine.capability is not None  # machine.why_not has seen a GPU
    major, minor = machine.capability
    stand_in = f"{shlex.quote(sys.executable)} {shlex.quote(nvcc.__file__)}"
    return {
        **{k: v for k, v in os.environ.items() if not k.endswith("_SKIP_CUDA_BUILD")},
        **dict.fromkeys(force, "TRUE"),
        "CUDA_HOME": str(toolkit.home),
        "MAX_JOBS": str(jobs()),
        "PYTORCH_NVCC": stand_in,
        "MGMR_NVCC": str(toolkit.home / "bin" / "nvcc"),
        "MGMR_CAPABILITY": f"{major}{minor}",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(tools), os.environ.get("PYTHONPATH")])),
        "PATH": os.pathsep.join([str(tools / "bin"), os.environ.get("PATH", "")]),
    }
