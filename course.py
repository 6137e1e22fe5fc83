#!/usr/bin/env python3
"""The course in two commands: `python course.py open` and `python course.py test` (and `run`, without notebooks).

Only the standard library is used here: this file makes the virtual environment that holds everything else.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
STAMP = VENV / "course-stamp"
OLDEST = (3, 11)
COMMANDS = {
    "open": "open the course in JupyterLab (on your own copies of the notebooks, in learner/)",
    "test": "run every test and every notebook",
    "run": "train on the default corpus, print and plot the missing-rate table",
    "reset": "give a notebook's fresh copy, by its number (yours is kept beside it)",
}


def stop(sentence: str) -> None:
    sys.exit(f"error: {sentence}")


def python() -> Path:
    """The virtual environment's interpreter."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def wanted() -> str:
    """A hash of everything that decides what gets installed."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {HERE}".encode())
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def install() -> None:
    """Make .venv and install into it, unless the stamp says that this was done."""
    if STAMP.exists() and STAMP.read_text() == wanted() and python().exists():
        return
    print("setting up .venv (about 2 GB, some minutes the first time) ...", flush=True)
    if not python().exists() or not _same_python():
        shutil.rmtree(VENV, ignore_errors=True)
        venv.create(VENV, with_pip=True)
    pip = [str(python()), "-m", "pip", "install", "--disable-pip-version-check", "-q"]
    command = [*pip, "-c", "constraints.txt", "-e", ".[dev]"]
    if subprocess.run(command, cwd=HERE).returncode:
        stop(
            "the installation failed (the lines above say why): check the network and the disk, then run the same command again"
        )
    STAMP.write_text(wanted())


def _same_python() -> bool:
    """Whether .venv was made by this Python version and still works where it lies now."""
    code = "import sys; print(sys.version_info[:2])"
    found = subprocess.run([str(python()), "-c", code], capture_output=True, text=True)
    return found.returncode == 0 and found.stdout.strip() == str(sys.version_info[:2])


def call(*arguments: str, **environment: str) -> int:
    """Run the virtual environment's Python with these arguments in the repository."""
    return subprocess.run([str(python()), *arguments], cwd=HERE, env={**os.environ, **environment}).returncode


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="everything else: python -m mgmr_lib --help"
    )
    parser.add_argument("command", choices=COMMANDS, help="; ".join(f"{k}: {v}" for k, v in COMMANDS.items()))
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="further arguments of that command")
    args = parser.parse_args()
    if sys.version_info < OLDEST:
        stop(
            f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, and this is {sys.version.split()[0]}: start me with a newer one"
        )
    try:
        install()
        if args.command == "reset":
            return call("-m", "mgmr_lib.course", "reset", *args.rest)
        code = call("-m", "mgmr_lib", "data", "prepare", "--wait")
        if code:
            return code
        if args.command == "run":
            return call("-m", "mgmr_lib", "run", *args.rest)
        return call("-m", "mgmr_lib.course", args.command, *args.rest)
    except KeyboardInterrupt:
        print("\ninterrupted: run the same command again to go on", file=sys.stderr)
        return 130
    except OSError as error:
        stop(f"{error.filename or HERE}: {error.strerror}: mend this and run the same command again")


if __name__ == "__main__":
    sys.exit(main())
