"""`python course.py class`: the class on this computer, until Ctrl+C."""

import argparse
import asyncio
import contextlib
import time
import webbrowser
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.paths import absolute, runs_dir

LOCAL = ("127.0.0.1", "localhost", "::1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    everybody = "what to listen on: 0.0.0.0 lets the room's laptops in (default: this computer alone)"
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help=everybody)
    parser.add_argument("--port", type=int, default=8777, metavar="N", help="(default: 8777)")
    parser.add_argument("--store", type=Path, metavar="FILE", help="what was told (default: runs/class.sqlite)")
    parser.add_argument("--new", action="store_true", help="begin a new class; the file of the last one is kept")
    parser.add_argument("--no-browser", action="store_true", help="do not open the page")


def main(args: argparse.Namespace) -> int:
    from mgmr_lib.course.room import catalogue
    from mgmr_lib.course.room.server import Room, serve
    from mgmr_lib.course.room.storage import Storage

    if not 0 <= args.port < 65536:
        raise CourseError(f"--port is a number from 0 to 65535, not {args.port}")
    path = absolute(args.store) if args.store else runs_dir() / "class.sqlite"
    if args.new and path.exists():
        put_aside(path)
    storage = Storage(path)

    def started(room: Room) -> None:
        port = room.at.rpartition(":")[2]
        at = f"http://127.0.0.1:{port}" if args.host == "0.0.0.0" else room.at
        say(room, f"{at}/?key={room.key}", args.host, path)
        if not args.no_browser:
            webbrowser.open(f"{at}/?key={room.key}")

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(storage, catalogue.read(), args.host, args.port, started))
    print(f"\nclosed: everything told is in {path}; the same command goes on")
    return 0


def say(room, page: str, host: str, path: Path) -> None:
    """What the teacher reads in the terminal."""
    print(f"your page:      {page}\n                (its key is yours: whoever has it sees names and answers)")
    print("to join, in a cell of a notebook:\n")
    print(*("    " + line for line in room.line().splitlines()), sep="\n")
    print(f"\nkept in:        {path}\nstop:           Ctrl+C; the same command goes on, with --new a new class begins")
    if host in LOCAL:
        print("(this computer alone can join: --host 0.0.0.0 lets in the network that it is in)")
    print(end="", flush=True)


def put_aside(path: Path) -> None:
    """Rename the last class's file, and what SQLite keeps beside it. Errors: CourseError."""
    when = time.strftime("%Y-%m-%d-%H%M%S")
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        old = path.with_name(name)
        try:
            if old.exists():
                old.rename(path.with_name(f"{path.stem}-{when}{name.removeprefix(path.stem)}"))
        except OSError as error:
            raise CourseError(
                f"{old} cannot be put aside ({error.strerror or error}): stop the class that uses it, or name another "
                "file with --store"
            ) from None
