"""`python -m mgmr_lib gpu` (`python course.py gpu`): mamba_ssm's CUDA kernels, tried before they are installed.

A ready-made wheel of the packages' authors where one was built for this very torch, CUDA, C++ ABI and Python; else they
are compiled here. Everything happens in a temporary folder first: only what a call has proved to agree with our own
scan reaches the course's environment, and torch is never replaced. The course needs none of it: our own GPU kernel
comes with torch's CUDA build.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY, cache_dir

TRIAL = (sys.executable, "-m", "mgmr_lib", "gpu", "--check")
TRIAL_SECONDS = 600  # the first call of a kernel may compile other parts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--check tries what is installed; --build compiles even where a ready-made wheel exists."""
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="only try what is installed, and compare it with our scan")
    choice.add_argument("--build", action="store_true", help="compile here, even where a ready-made wheel exists")


def main(args: argparse.Namespace) -> int:
    """Install, or only check. A CourseError says why neither route works; nothing is changed then."""
    from mgmr_lib.commands.gpu.machine import this_machine, why_not

    machine = this_machine()
    if sentence := why_not(machine):
        raise CourseError(sentence)
    if args.check:
        from mgmr_lib.commands.gpu.trial import check

        print(check())
        return 0
    print(f"for {machine.gpu} ({machine.words})", flush=True)
    log = cache_dir() / "gpu-install.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("", encoding="utf-8", newline="\n")
    with tempfile.TemporaryDirectory(prefix="mamba-") as folder:
        said = _install(machine, Path(folder), log, args.build)
    print(f"{said}\n`python -m mgmr_lib doctor` lists the backend as cuda")
    return 0


def _install(machine, folder: Path, log: Path, only_build: bool) -> str:
    """Try the routes in turn; the sentence of the one that works."""
    failures = []
    for route in (_compiled,) if only_build else (_ready_made, _compiled):
        name = route.__name__.strip("_").replace("_", "-")
        work = folder / name
        work.mkdir()
        try:
            wheels = route(machine, work, log)
            return _prove_and_install(wheels, work, log)
        except CourseError as error:
            failures.append(f"{name}: {error}")
            print(failures[-1], flush=True)
    raise CourseError(
        f"mamba_ssm could not be installed, and the course is as it was ({'; '.join(failures)}). All that was said is "
        f"in {log}"
    )


def _ready_made(machine, work: Path, log: Path) -> list[str]:
    from mgmr_lib.commands.gpu import pip, wheels

    found = {package.name: wheels.find(package, machine) for package in wheels.PACKAGES}
    addresses = {name: address for name, address in found.items() if address is not None}
    missing = [name for name in found if name not in addresses]
    if missing:
        raise CourseError(f"the authors of {' and '.join(missing)} have no wheel for {machine.words}")
    print("ready-made wheels fit: downloading them takes about a minute", flush=True)
    return [pip.download(address, work / name, dict(os.environ), log) for name, address in addresses.items()]


def _compiled(machine, work: Path, log: Path) -> list[str]:
    from mgmr_lib.commands.gpu import pip, wheels
    from mgmr_lib.commands.gpu.machine import toolkit_for

    toolkit = toolkit_for(machine)
    count, files = pip.jobs(), sum(package.files for package in wheels.PACKAGES)
    minutes = -(-files // count) * pip.SECONDS_A_FILE / 60
    print(
        f"compiling {files} files with nvcc {toolkit.version}, {count} at a time: about {minutes:.0f} minutes",
        flush=True,
    )
    env = pip.build_environment(machine, toolkit, work / "tools", tuple(p.force_build for p in wheels.PACKAGES))
    pip.install(list(pip.BUILD_TOOLS), env, log, "--target", str(work / "tools"))
    return [pip.build(package.name, work / package.name, env, log) for package in wheels.PACKAGES]


def _prove_and_install(wheels: list[str], work: Path, log: Path) -> str:
    """Try the wheels from a folder of their own, then install them; back to what there was where that fails."""
    from mgmr_lib.commands.gpu import pip

    env, torch, before = dict(os.environ), _version("torch"), {name: _version(name) for name in _names()}
    pip.install([*wheels, "einops"], env, log, "--target", str(work / "site"))
    _trial(work / "site", log)
    try:
        pip.install([*wheels, *(["einops"] if _version("einops") is None else [])], env, log, "--force-reinstall")
        said = _trial(None, log)
        if _version("torch") != torch:
            raise CourseError(
                f"torch was {torch} and is {_version('torch')} now: delete .venv and run `python course.py open`"
            )
        return said
    except CourseError:
        new = [name for name, version in before.items() if version is None and _version(name) is not None]
        if new:
            pip.run((*pip.PIP, "uninstall", "-y", *new), env, log)
        raise


def _names() -> list[str]:
    from mgmr_lib.commands.gpu import wheels

    return [package.name for package in wheels.PACKAGES]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _trial(site: Path | None, log: Path) -> str:
    """Call the kernels in a process of its own (a wrong kernel can end its process); what it says."""
    from mgmr_lib.commands.gpu import pip

    path = [str(site)] if site else []
    env = os.environ | {"PYTHONPATH": os.pathsep.join([*path, str(REPOSITORY), os.environ.get("PYTHONPATH", "")])}
    try:
        done = subprocess.run(
            TRIAL, cwd=REPOSITORY, env=env, capture_output=True, text=True, errors="replace", timeout=TRIAL_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise CourseError(f"a call of the kernels did not end within {TRIAL_SECONDS} s") from None
    with open(log, "a", encoding="utf-8", newline="\n") as kept:
        kept.write(done.stdout + done.stderr)
    if done.returncode < 0:
        raise CourseError(
            f"a call of the kernels ends its process (signal {-done.returncode}): compile them with --build"
        )
    if done.returncode:
        raise CourseError(f"a call of the kernels fails: {pip.reason(done.stderr)}")
    return done.stdout.strip()


def advice() -> str:
    """For doctor: how to get mamba_ssm's kernels on this machine, or why there is nothing to do."""
    from mgmr_lib.commands.gpu.machine import this_machine, toolkit_for, why_not

    machine = this_machine()
    if sentence := why_not(machine):
        return sentence
    try:
        compiler = f"it has nvcc {toolkit_for(machine).version} to compile with where no ready-made wheel fits"
    except CourseError as error:
        compiler = f"where no ready-made wheel fits: {error}"
    return f"run `python course.py gpu`; {compiler}"
