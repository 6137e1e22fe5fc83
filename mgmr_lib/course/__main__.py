"""`python -m mgmr_lib.course build|lint|test|mutants|site|slides|open|class|reset`."""

import argparse
import sys
from pathlib import Path

from mgmr_lib.course.room import command as room_command
from mgmr_lib.errors import CourseError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mgmr_lib.course", description="Build, check and open the course's notebooks."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build notebooks from notebooks/src")
    build.add_argument(
        "numbers", nargs="*", metavar="NN", help="execute and build these; without any, all that changed"
    )
    build.add_argument("--check", action="store_true", help="only say whether all is built, without executing anything")
    build.add_argument("--force", action="store_true", help="execute all of them")
    lint = commands.add_parser("lint", help="check the rules of CONTRIBUTING.md")
    lint.add_argument("numbers", nargs="*", metavar="NN", help="only these notebooks")
    test = commands.add_parser("test", help="run every test and every notebook")
    test.add_argument("--fast", action="store_true", help="a few minutes: no slow test, one notebook of each part")
    mutants = commands.add_parser(
        "mutants", help="try every exercise's check with wrong answers made from its reference"
    )
    mutants.add_argument("numbers", nargs="*", metavar="NN", help="only these notebooks, or exercises (NN.M)")
    mutants.add_argument("--full", action="store_true", help="200 draws of each instead of 20")
    site = commands.add_parser("site", help="make static pages of the notebooks, from their stored outputs")
    site.add_argument("numbers", nargs="*", metavar="NN", help="only these notebooks")
    site.add_argument("--out", default="site", metavar="FOLDER", help="where the pages go (site)")
    slides = commands.add_parser("slides", help="make slide decks and A4 hand-outs, from the stored notebooks")
    slides.add_argument("numbers", nargs="*", metavar="NN", help="only these notebooks")
    slides.add_argument("--out", default="runs/slides", metavar="FOLDER", help="where they go (runs/slides)")
    start = commands.add_parser("open", help="open your own copies in JupyterLab; further options go to JupyterLab")
    start.add_argument("--prepare-only", action="store_true", help="make the copies, do not start JupyterLab")
    room = commands.add_parser("class", help="a page on which a teacher sees how far a room is")
    room_command.add_arguments(room)
    reset = commands.add_parser("reset", help="a fresh copy of a notebook (yours is kept beside it)")
    reset.add_argument("number", metavar="NN")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; bad input ends with one sentence and exit code 2."""
    parser = _parser()
    args, rest = parser.parse_known_args(argv)
    if rest and args.command != "open":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    args.rest = rest
    try:
        return _run(args)
    except CourseError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2


def _run(args) -> int:
    if args.command == "build":
        from mgmr_lib.course.authoring import build

        if args.check:
            return build.check()
        build.build([n.zfill(2) for n in args.numbers], force=args.force)
        return 0
    if args.command == "lint":
        from mgmr_lib.course.authoring import lint

        found = lint.lint([n.zfill(2) for n in args.numbers])
        print("\n".join(found) if found else "lint: nothing to say")
        return 1 if found else 0
    if args.command == "test":
        from mgmr_lib.course.authoring import testing

        return testing.run(args.fast)
    if args.command == "mutants":
        from mgmr_lib.course.authoring import mutation_test

        return mutation_test.run(args.numbers, mutation_test.ALL_DRAWS if args.full else mutation_test.DRAWS)
    if args.command == "site":
        from mgmr_lib.course.site import build as site

        print(f"the site is made: open {site.build(Path(args.out), [n.zfill(2) for n in args.numbers])}")
        return 0
    if args.command == "slides":
        from mgmr_lib.course.slides import build as slides

        made = slides.write(Path(args.out), [n.zfill(2) for n in args.numbers] or None)
        print(f"decks and hand-outs are made: open {made}")
        return 0
    if args.command == "class":
        return room_command.main(args)
    from mgmr_lib.course import working_copies

    if args.command == "reset":
        print(working_copies.reset(args.number))
        return 0
    if args.prepare_only:
        print("\n".join([*working_copies.prepare(), f"your copies are in {working_copies.learner_dir()}"]))
        return 0
    return working_copies.open_lab(args.rest)


if __name__ == "__main__":
    sys.exit(main())
