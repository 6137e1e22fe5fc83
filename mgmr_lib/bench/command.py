"""The command: run the suites, print the tables, write bench.json and bench.png."""

import argparse
import sys
from pathlib import Path

from mgmr_lib.bench.settings import FULL, QUICK
from mgmr_lib.errors import CourseError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `bench`."""
    parser.add_argument(
        "--quick", action="store_true", help="small shapes, under a minute; the full run takes about 20"
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="cuda adds our Triton kernels and mamba_ssm's"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder for bench.json and bench.png")
    parser.add_argument("--offline", action="store_true", help="do not download a peer that is missing; say that it is")


def main(args: argparse.Namespace) -> int:
    """Run, print, write. Exit code 0."""
    import torch

    from mgmr_lib.bench import report, suites
    from mgmr_lib.bench.machine import machine

    if args.device == "cuda" and not torch.cuda.is_available():
        raise CourseError(
            "--device cuda needs a CUDA device, and torch sees none here: leave the option out, or see "
            "`python -m mgmr_lib doctor`"
        )
    settings = QUICK if args.quick else FULL
    result = {"provenance": machine(sys.argv), "settings": settings.as_dict(), "device": args.device}
    result |= suites.run(settings, args.device, args.offline, say=lambda line: print(line, file=sys.stderr, flush=True))
    print(report.text(result))
    paths = report.write(result, args.out)
    print("\nwritten: " + ", ".join(map(str, paths)))
    return 0
