"""The command line. Heavy modules are imported by the command that needs them, so that a typing error answers at
once."""

import argparse
import importlib
import os
import sys

from mgmr_lib.errors import CourseError

# command: (module that offers add_arguments and main, what it does)
COMMANDS = {
    "doctor": ("doctor", "say what works on this machine, and what to do where something does not"),
    "data": ("data.commands", "prepare, verify, describe or export the corpora"),
    "train": ("commands.train", "train a network into a folder; run it again to resume"),
    "evaluate": ("commands.evaluate", "measure a finished run over missing rates"),
    "predict": ("commands.predict", "predict clips of a split, or a sentence of your own"),
    "report": ("commands.report", "draw the missing-rate curves of evaluations as a PNG"),
    "experiment": ("commands.experiment", "the papers' tables and figures, from runs that the ledger keeps"),
    "bench": ("bench", "time the scans against their peers"),
    "gpu": ("commands.gpu", "install mamba_ssm's CUDA kernels, tried before they are installed"),
    "run": ("commands.run", "train on the default corpus, print and plot the missing-rate table"),
}


def build_parser(command: str | None) -> argparse.ArgumentParser:
    """The parser; only the named command's module is imported."""
    parser = argparse.ArgumentParser(prog="python -m mgmr_lib", description="The library behind the course.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, text) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == command:
            importlib.import_module(f".{module}", __package__).add_arguments(sub)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Exit code 0: done; 2: bad input, said in one sentence; 130: interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    command = next((a for a in arguments if not a.startswith("-")), None)
    try:
        args = build_parser(command).parse_args(arguments)
        return importlib.import_module(f".{COMMANDS[args.command][0]}", __package__).main(args) or 0
    except CourseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: nothing is wrong, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
