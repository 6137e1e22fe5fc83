"""A folder that `course.py pack` made, as `open --from FOLDER` finds it: whole, or one sentence.

    FOLDER/course-pack.json    every file's size and SHA-256; which wheels serve which system and Python
    FOLDER/wheels, FOLDER/data

Only what this computer needs is checked: a stick without the other systems' wheels serves as well.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.files import replacing
from mgmr_lib.paths import data_root
from mgmr_lib.setup.machine import Machine

MANIFEST, FORMAT = "course-pack.json", 1
SYSTEMS = {("Linux", "x86_64"): "linux", ("Darwin", "arm64"): "macos", ("Windows", "AMD64"): "windows"}
SAFE = re.compile(r"(wheels|data)(/[A-Za-z0-9_+][\w.+!-]*)+")  # a path that stays in the folder, on every system


def target(machine: Machine) -> str:
    """What the manifest calls a system and Python: "linux-3.12"."""
    system = SYSTEMS.get((machine.system, machine.processor), f"{machine.system} on {machine.processor}")
    return f"{system}-{machine.python[0]}.{machine.python[1]}"


def facts(path: Path) -> dict:
    """{"size", "sha256"} of a file."""
    with open(path, "rb") as file:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


@dataclass(frozen=True)
class Pack:
    """The manifest. pins: of which version of the course; needs: "open", or "test" with what tests it; targets: names
    of wheels by system and Python; files: {path: {"size", "sha256"}}, paths with "/"."""

    folder: Path
    pins: str
    needs: str
    targets: dict[str, list[str]]
    files: dict[str, dict]

    @classmethod
    def read(cls, folder: Path) -> "Pack":
        """The pack in the folder. Errors: CourseError where it holds none, or half a manifest."""
        path = folder / MANIFEST
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            pack = cls(folder, found["pins"], found["needs"], found["targets"], found["files"])
            named = [w for wheels in pack.targets.values() for w in wheels]
            strange = [f for f in (*pack.files, *named) if not SAFE.fullmatch(f)]
            whole = not strange and all({"size", "sha256"} <= known.keys() for known in pack.files.values())
        except FileNotFoundError:
            raise CourseError(
                f"{folder} has no {MANIFEST}: name the folder that `python course.py pack` made, copied to its end"
            ) from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise CourseError(f"{path} cannot be read ({error}): copy it again, {_AGAIN}") from None
        if found.get("format") != FORMAT or not whole:
            raise CourseError(f"{path} is not of this course: pack again with `python course.py pack`")
        return pack

    def damaged(self, names: list[str]) -> list[str]:
        """Those of the named files that are missing or differ from what was packed."""
        return [n for n in names if not _is(self.folder / n, self.files.get(n))]

    def data(self) -> list[str]:
        """The files of the data folder."""
        return [name for name in self.files if name.startswith("data/")]

    def check(self, here: Machine, needs: str, pins: str) -> None:
        """CourseError unless all that this computer needs is there, to the byte."""
        if self.pins != pins:
            raise CourseError(
                f"{self.folder} was packed for another version of the course (other constraints.txt or pyproject.toml):"
                " use the course that came with it, or pack again"
            )
        if needs == "test" and self.needs != "test":
            raise CourseError(f"{self.folder} lacks what tests the course: pack again with `--for test`")
        wheels = self.targets.get(target(here))
        if wheels is None:
            raise CourseError(
                f"{self.folder} serves {', '.join(sorted(self.targets)) or 'nothing yet'} and this is {target(here)}: "
                "start course.py with such a Python, or pack again with --systems and --pythons"
            )
        self.refuse_damage([*wheels, *self.data()])

    def refuse_damage(self, names: list[str]) -> None:
        """CourseError that counts the files that are not whole."""
        if bad := self.damaged(names):
            raise CourseError(
                f"{self.folder} is not whole ({len(bad)} of {len(names)} files are missing or damaged, the first is "
                f"{bad[0]}): copy it again, {_AGAIN}"
            )

    def install_options(self) -> list[str]:
        """What tells pip and uv to take wheels from here and from nowhere else."""
        return ["--no-index", "--find-links", str(self.folder / "wheels")]

    def put_data(self) -> None:
        """Copy what the data folder lacks. Errors: CourseError."""
        for name in self.data():
            at = data_root() / name.removeprefix("data/")
            if not _is(at, self.files[name]):
                self.refuse_damage([name])
                at.parent.mkdir(parents=True, exist_ok=True)
                with replacing(at) as part:
                    part.write_bytes((self.folder / name).read_bytes())

    def write(self) -> None:
        """The manifest, whole or not at all."""
        kept = {"format": FORMAT, "pins": self.pins, "needs": self.needs, "targets": self.targets, "files": self.files}
        with replacing(self.folder / MANIFEST) as part:
            part.write_text(json.dumps(kept, indent=1, sort_keys=True), encoding="utf-8", newline="\n")


_AGAIN = "then run the same command again"


def _is(path: Path, known: dict | None) -> bool:
    try:
        return known is not None and os.path.getsize(path) == known["size"] and facts(path) == known
    except OSError:
        return False
