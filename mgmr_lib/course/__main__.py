"""`python -m mgmr_lib.course build|lint|test|open|reset`."""

import argparse
import sys

from mgmr_lib.errors import CourseError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mgmr_lib.course", description="Build, check and open the course's notebooks.")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build notebooks from notebooks/src")
    build.add_argument("numbers", nargs="*", metavar="NN", help="execute and build these; without any, all that changed")
    build.add_argument("--check", action="store_true", help="only say whether all is built, without executing anything")
    build.add_argument("--force", action="store_true", help="execute all of them")
    lint = commands.add_parser("lint", help="check the rules of CONTRIBUTING.md")
    lint.add_argument("numbers", nargs="*", metavar="NN", help="only these notebooks")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; bad input ends with one sentence and exit code 2."""
    args = _parser().parse_args(argv)
    try:
        return _run(args)
    except CourseError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2


def _run(args) -> int:
    if args.command == "build":
        from mgmr_lib.course import build

        if args.check:
            return build.check()
        build.build([n.zfill(2) for n in args.numbers], force=args.force)
        return 0
    if args.command == "lint":
        from mgmr_lib.course import lint

        found = lint.lint([n.zfill(2) for n in args.numbers])
        print("\n".join(found) if found else "lint: nothing to say")
        return 1 if found else 0
    raise CourseError(f"unknown command {args.command}")


if __name__ == "__main__":
    sys.exit(main())
