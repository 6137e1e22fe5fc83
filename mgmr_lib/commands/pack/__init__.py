"""`pack`: a folder for a USB stick or a share, from which `course.py open --from FOLDER` installs without a network."""

import argparse
import contextlib
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mgmr_lib.commands.pack.collect import PYTHONS, SYSTEMS, Collector, System
from mgmr_lib.errors import CourseError
from mgmr_lib.files import make_folder, replacing, write_text
from mgmr_lib.paths import REPOSITORY, absolute, data_root
from mgmr_lib.setup import faults, sizes
from mgmr_lib.setup.environment import NEEDS, Environment
from mgmr_lib.setup.packed import Pack, facts, target

HOW = """The course, without a network.

1. Copy this folder to the computer (or leave it on the share), and unpack course.zip where you may write.
2. A Python for it must be there (python.org has installers); this folder serves: {serves}.
3. In the unpacked folder:   python course.py open --from PATH_OF_THIS_FOLDER
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to; run again to go on, or to add systems")
    parser.add_argument("--systems", type=_some_of(tuple(SYSTEMS)), default=tuple(SYSTEMS), metavar="A,B",
                        help=f"of {', '.join(SYSTEMS)} (default: all)")  # fmt: skip
    parser.add_argument("--pythons", type=_some_of(PYTHONS), default=PYTHONS, metavar="A,B",
                        help=f"of {', '.join(PYTHONS)} (default: all)")  # fmt: skip
    parser.add_argument("--for", dest="needs", choices=NEEDS, default="open", help="test: also what tests the course")


def _some_of(choices: tuple[str, ...]):
    def read(text: str) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(text.replace(" ", "").split(",")))
        if not set(found) <= set(choices):
            raise argparse.ArgumentTypeError(f"must be some of {','.join(choices)}, with commas, not {text!r}")
        return found

    return read


def main(args: argparse.Namespace) -> int:
    folder = make_folder(absolute(args.folder), "FOLDER")
    pack = begin(folder, args.needs)
    say_size(folder, args.systems, args.pythons)
    for system in args.systems:
        for python in args.pythons:
            pack = add_target(pack, SYSTEMS[system], python)
    pack = add_data(pack)
    add_course(pack)
    size = sum(known["size"] for known in pack.files.values())
    print(f"ready: {folder}, {size / 1e9:.1f} GB for {', '.join(sorted(pack.targets))}")
    print(f"elsewhere: python course.py open --from {folder.name}   (the folder's HOW.txt says it too)")
    return 0


def begin(folder: Path, needs: str, root: Path = REPOSITORY) -> Pack:
    """The pack to go on with: the folder's own where it is of this version of the course, else an empty one. What is
    damaged goes: it comes again."""
    pins = Environment(root).pins()
    (folder / "wheels").mkdir(exist_ok=True)
    with contextlib.suppress(CourseError):
        found = Pack.read(folder)
        for name in found.damaged(list(found.files)):
            (folder / name).unlink(missing_ok=True)
        if (found.pins, found.needs) == (pins, needs):
            return found
    return Pack(folder, pins, needs, {}, {})


def say_size(folder: Path, systems: Iterable[str], pythons: Iterable[str]) -> None:
    """What it will take, before anything is downloaded. Errors: CourseError where the disk is too small."""
    measured, systems, pythons = sizes.measured()["packs"], list(systems), list(pythons)
    needed = measured["shared_mb"] + len(pythons) * sum(measured[s] for s in systems)
    there = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6
    print(f"packing for {', '.join(systems)} with Python {', '.join(pythons)}: about {needed / 1000:.1f} GB")
    print(f"  {there / 1000:.1f} GB are in the folder already" if there > 1 else "  --systems, --pythons make less",
          flush=True)  # fmt: skip
    free = shutil.disk_usage(folder).free / 1e6
    if free + there < needed:
        raise CourseError(faults.no_room(folder, free, needed - there))


def add_target(pack: Pack, system: System, python: str, root: Path = REPOSITORY) -> Pack:
    """The pack with the wheels of one more system and Python, on the disk and in the manifest."""
    name = target(system.machine(python))
    if name in pack.targets and not pack.damaged(pack.targets[name]):
        print(f"{name}: already there, and whole", flush=True)
        return pack
    print(f"{name}:", flush=True)
    found: dict[str, Path] = {}
    for version in (f"{python}.0", f"{python}.99"):  # some pins depend on the third number
        collector = Collector(pack.folder / "wheels", system, version, root)
        found |= collector.collect(roots(root, pack.needs))
    wheels = sorted(f"wheels/{path.name}" for path in found.values())
    files = pack.files | {wheel: facts(pack.folder / wheel) for wheel in wheels}
    pack = replace(pack, targets=pack.targets | {name: wheels}, files=files)
    pack.write()
    return pack


def roots(root: Path, needs: str) -> list[str]:
    """What the course itself asks for, and what builds it."""
    said = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    asked = said["build-system"]["requires"] + said["project"]["dependencies"]
    return asked + (said["project"]["optional-dependencies"]["dev"] if needs == "test" else [])


def add_data(pack: Pack) -> Pack:
    """The pack with the sentences, the text encoder and the default corpus, as `data prepare` left them."""
    from mgmr_lib.data.classroom import corpora
    from mgmr_lib.data.download.pinned import SOURCES
    from mgmr_lib.data.load import prepare

    prepare(["classroom-mosi"], wait=True)
    paths = [source.path / name for source in SOURCES for name in source.members]
    return put_files(pack, [*paths, corpora.corpus_path("classroom-mosi"), corpora.manifest_path("classroom-mosi")])


def put_files(pack: Pack, paths: list[Path]) -> Pack:
    """The pack with these files of the data folder."""
    for path in paths:
        name = f"data/{path.relative_to(data_root()).as_posix()}"
        known = facts(path)
        if pack.files.get(name) != known or pack.damaged([name]):
            (pack.folder / name).parent.mkdir(parents=True, exist_ok=True)
            with replacing(pack.folder / name) as part:
                shutil.copyfile(path, part)
        pack.files[name] = known
    pack.write()
    return pack


def add_course(pack: Pack) -> None:
    """The course itself, as it is committed, and how to begin; without git, a learner brings the course along."""
    folder, serves = pack.folder, ", ".join(sorted(pack.targets))
    write_text(folder / "HOW.txt", HOW.format(serves=serves))
    with replacing(folder / "course.zip") as part:
        command = ["git", "archive", "--format=zip", "--prefix=course/", "-o", str(part), "HEAD"]
        try:
            made = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False).returncode == 0
        except OSError:
            made = False
        if not made:
            print("(no git here: bring a copy of the course along yourself)")
            part.write_bytes(b"")
    if not made:
        (folder / "course.zip").unlink()
