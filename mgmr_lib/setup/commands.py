"""The commands of course.py. To add one, add a line to COMMANDS."""

import difflib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY, absolute
from mgmr_lib.setup.environment import Environment
from mgmr_lib.setup.packed import Pack

BUILDS = ("cpu", "cuda")


@dataclass(frozen=True)
class Command:
    """help: one line; module: what `.venv/bin/python -m` then runs; needs: "open" (a learner's packages) or "test"
    (and those that test and change the course and make web pages of it); data: whether the corpus is prepared first."""

    help: str
    module: tuple[str, ...]
    needs: str = "open"
    data: bool = True


COMMANDS = {
    "open": Command("open the course in JupyterLab, on your own copies of the notebooks", ("mgmr_lib.course", "open")),
    "test": Command("run every test and every notebook (--fast: a few minutes)", ("mgmr_lib.course", "test"), "test"),
    "run": Command("train on the default corpus, print and plot the missing-rate table", ("mgmr_lib", "run")),
    "site": Command("the course as web pages, in the folder site", ("mgmr_lib.course", "site"), "test", data=False),
    "slides": Command("slides and A4 hand-outs, in runs/slides", ("mgmr_lib.course", "slides"), "test", data=False),
    "class": Command("a page on which a teacher sees how far a room is", ("mgmr_lib.course", "class"), data=False),
    "pack": Command("a folder from which others install without a network (open --from)", ("mgmr_lib", "pack")),
    "reset": Command("a fresh copy of a notebook, by its number", ("mgmr_lib.course", "reset"), data=False),
    "gpu": Command("mamba_ssm's CUDA kernels, tried before they are installed", ("mgmr_lib", "gpu"), data=False),
    "doctor": Command("what works on this machine, and what to do where not", ("mgmr_lib", "doctor"), data=False),
}


def usage() -> str:
    """What --help prints."""
    lines = [f"  {name:8}{command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: python course.py COMMAND [--torch cpu|cuda] [--from FOLDER] [OPTIONS OF THE COMMAND]",
            "",
            *lines,
            "",
            "Each sets up .venv first, where that is still to do. --torch: which build of torch; without it, CUDA "
            "where an",
            "NVIDIA GPU is. --from: without a network, from what `pack` made. Everything else: python -m mgmr_lib "
            "--help",
        ]
    )


def take(arguments: list[str], option: str) -> tuple[str | None, list[str]]:
    """(the value of `--option VALUE` or `--option=VALUE`, None where it is not given; the other words)."""
    for i, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name == option:
            rest = arguments[:i] + arguments[i + (1 if equals else 2) :]
            return value if equals else "".join(arguments[i + 1 : i + 2]), rest
    return None, list(arguments)


def parse(arguments: list[str]) -> tuple[str, str | None, list[str]]:
    """(command, build of torch or None, the command's own arguments). Errors: CourseError."""
    torch, rest = take(arguments, "--torch")
    if torch is not None and torch not in BUILDS:
        raise CourseError(f"--torch takes cpu or cuda, not {torch!r}")
    if not rest:
        raise CourseError(f"name a command: {', '.join(COMMANDS)} (`python course.py open` is the first)")
    command, *rest = rest
    if command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, 1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(COMMANDS)}"
        raise CourseError(f"there is no command {command!r}: {hint}")
    return command, torch, rest


def call(root: Path, python: Path, *arguments: str) -> int:
    """Run the environment's Python in the checkout, whose library comes first wherever a child process stands.

    In UTF-8 on Windows too: what it and a notebook's kernel read and print is what other systems read and print.
    """
    own = {"PYTHONPATH": os.pathsep.join(p for p in (str(root), os.environ.get("PYTHONPATH")) if p)}
    for name in ("MGMR_LEARNER", "MGMR_DATA"):  # relative to where the learner stands, not to the checkout
        if value := os.environ.get(name):
            own[name] = str(absolute(value))
    return subprocess.run(
        [str(python), *arguments], cwd=root, env={"PYTHONUTF8": "1", **os.environ, **own}, check=False
    ).returncode


def main(arguments: list[str], root: Path = REPOSITORY) -> int:
    """Set up, prepare the data, run the command. 2: a sentence on stderr says what to mend."""
    for stream in (sys.stdout, sys.stderr):  # a console that lacks a letter of a path must not end the set-up
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if arguments[:1] in (["-h"], ["--help"]):
        print(usage())
        return 0
    try:
        source, words = take(arguments, "--from")
        name, torch, rest = parse(words)
        command, environment = COMMANDS[name], Environment(root)
        if {"-h", "--help"} & set(rest):  # a question downloads nothing
            if environment.serves("open", None):
                return call(root, environment.python, "-m", *command.module, *rest)
            print(usage(), f"\n\npython course.py {name}: {command.help}. Its options are shown once .venv is there.")
            return 0
        if source == "":
            raise CourseError("--from takes the folder that `python course.py pack` made")
        pack = Pack.read(absolute(source)) if source else None
        environment.prepare(command.needs, torch, pack)
        if pack and command.data:
            pack.put_data()
        code = call(root, environment.python, "-m", "mgmr_lib", "data", "prepare", "--wait") if command.data else 0
        return code or call(root, environment.python, "-m", *command.module, *rest)
    except CourseError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(
            f"error: {error.filename or root}: {error.strerror}: mend this and run the same command again",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        print("\ninterrupted: run the same command again to go on", file=sys.stderr)
        return 130
    return 2
