"""The command line. Heavy modules are imported by the command that needs them, so that a typing error answers at
once."""

import argparse
import importlib
import os
import sys
import tomllib
from importlib import metadata
from typing import NamedTuple

from mgmr_lib.commands.parser import Parser
from mgmr_lib.errors import CourseError
from mgmr_lib.files import REMEDIES, cannot_write
from mgmr_lib.paths import REPOSITORY


class Command(NamedTuple):
    """module: offers add_arguments(parser) and main(args); text: what it does; examples: lines to copy."""

    module: str
    text: str
    examples: tuple[str, ...]


COMMANDS = {
    "doctor": Command("doctor", "say what works on this machine, and what to do where something does not", ("doctor",)),
    "data": Command(
        "data.commands",
        "prepare, fetch, verify, describe or export the corpora",
        (
            "data prepare",
            "data fetch pom",
            "data describe classroom-mosi",
            "data describe data/mosi/unaligned_50.pkl --dataset mosi",
        ),
    ),
    "train": Command(
        "commands.train",
        "train a network into a folder; run it again to resume",
        (
            "train --model mgmr --profile fast --out runs/mgmr",
            "train --model mfmb --epochs 4 --lr 5e-4 --out runs/mfmb",
        ),
    ),
    "evaluate": Command(
        "commands.evaluate",
        "measure a finished run over missing rates",
        ("evaluate --run runs/mgmr --rates 0:1:0.1 --seeds 3 --out runs/mgmr.json",),
    ),
    "predict": Command(
        "commands.predict",
        "predict clips of a split, or a sentence of your own",
        ('predict --run runs/mgmr --text "a quiet, moving film"', "predict --run runs/mgmr --rate 0.5 --out half.csv"),
    ),
    "report": Command(
        "commands.report",
        "draw the missing-rate curves of evaluations as a PNG",
        ("report --results runs/mgmr.json runs/mfmb.json --metrics mae,corr --out curves.png",),
    ),
    "calibrate": Command(
        "commands.calibrate",
        "real and simulated voices and faces side by side, by simple summaries",
        ("calibrate pom classroom-mosi classroom-mosi@2",),
    ),
    "experiment": Command(
        "commands.experiment",
        "the papers' tables and figures, from runs that the ledger keeps",
        (
            "experiment table --report-only",
            "experiment ablation --profile fast --seeds 1 --set epochs=1 max_clips=64",
            "experiment tune --models mgmr,concat --trials 16 --jobs 2",
        ),
    ),
    "bench": Command("bench", "time the scans against their peers", ("bench --quick",)),
    "gpu": Command("commands.gpu", "install mamba_ssm's CUDA kernels, tried before they are installed", ("gpu",)),
    "pack": Command(
        "commands.pack",
        "make a folder from which others install the course without a network",
        ("pack /media/stick/course", "pack course-pack --systems windows --pythons 3.12"),
    ),
    "run": Command(
        "commands.run",
        "train on the default corpus, print and plot the missing-rate table",
        ("run", "run --profile laptop --out runs/laptop"),
    ),
}
PROGRAM = "python -m mgmr_lib"


def build_parser(command: str | None) -> argparse.ArgumentParser:
    """The parser; only the named command's module is imported."""
    parser = Parser(
        prog=PROGRAM, description="The library behind the course.", epilog=f"for example:\n  {PROGRAM} train --help"
    )
    parser.add_argument("--version", action="version", version=f"mgmr_lib {version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, c in COMMANDS.items():
        examples = "for example:\n" + "\n".join(f"  {PROGRAM} {line}" for line in c.examples)
        sub = commands.add_parser(name, help=c.text, description=c.text[0].upper() + c.text[1:] + ".", epilog=examples)
        if name == command:
            importlib.import_module(f"mgmr_lib.{c.module}").add_arguments(sub)
    return parser


def version() -> str:
    """The course's version: what its pyproject.toml says, or the installed package."""
    try:
        with open(REPOSITORY / "pyproject.toml", "rb") as file:
            return tomllib.load(file)["project"]["version"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return metadata.version("mgmr-course")


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Exit code 0: done; 2: bad input, said in one sentence; 130: interrupted."""
    arguments = sys.argv[1:] if arguments is None else [str(a) for a in arguments]
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        return _run(arguments)
    except CourseError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _drop_what_nobody_takes()  # the reader of our output (head, less) has gone: nothing is wrong
        return 0
    except OSError as error:
        if error.errno not in REMEDIES:
            raise
        return _fail(str(cannot_write(error.filename or "the result", error)))
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        return _fail(
            "there is not enough memory for this: give smaller sizes, or a smaller --batch-size or --max-clips"
        )


def _is_out_of_memory(error: Exception) -> bool:
    """Python's and numpy's error, torch's on a GPU, and what torch says on a CPU."""
    words = ("DefaultCPUAllocator", "can't allocate memory", "CUDA out of memory")
    return isinstance(error, MemoryError) or any(w in str(error) for w in words)


def _run(arguments: list[str]) -> int:
    command = next((a for a in arguments if not a.startswith("-")), None)
    try:
        args = build_parser(command).parse_args(arguments)
    except SystemExit as stop:  # argparse has printed the help or the version
        code = int(stop.code or 0)
    else:
        code = importlib.import_module(f"mgmr_lib.{COMMANDS[args.command].module}").main(args) or 0
    sys.stdout.flush()  # a full disk behind the output is noticed here, not when Python ends
    return code


def _drop_what_nobody_takes() -> None:
    """Output that is held back and cannot be written (no reader, a full disk) goes nowhere: Python would try once more
    at its end, complain in words of its own and change the exit code."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(sentence: str) -> int:
    _drop_what_nobody_takes()
    print("error: " + " ".join(sentence.split()), file=sys.stderr)
    return 2
