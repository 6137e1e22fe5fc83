"""The wheels of one system and one Python, whichever this one is.

pip downloads for systems that are not this one, but reads environment markers as if they were: so we walk through the
requirements ourselves, from wheel to wheel, and pip gets exact versions without dependencies.
"""

import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.tags import compatible_tags, cpython_tags, mac_platforms
from packaging.utils import canonicalize_name, parse_wheel_filename

from mgmr_lib.errors import CourseError
from mgmr_lib.setup import faults, installer, torch_choice
from mgmr_lib.setup.machine import OLDEST_GLIBC, OLDEST_MACOS, Machine

PYTHONS = ("3.11", "3.12", "3.13")
MARKERS = ("sys_platform", "platform_system", "os_name", "platform_machine")
MANYLINUX = (f"manylinux_2_{minor}_x86_64" for minor in range(OLDEST_GLIBC[1], 4, -1))


@dataclass(frozen=True)
class System:
    """markers: values of MARKERS there; platforms: tags of the wheels that run there."""

    markers: tuple[str, str, str, str]
    platforms: tuple[str, ...]

    def machine(self, python: str) -> Machine:
        """A computer of this kind."""
        return Machine(python=_version(python), system=self.markers[1], processor=self.markers[3])


SYSTEMS = {
    "linux": System(
        ("linux", "Linux", "posix", "x86_64"),
        (*MANYLINUX, "manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"),
    ),
    "macos": System(("darwin", "Darwin", "posix", "arm64"), tuple(mac_platforms((OLDEST_MACOS, 0), "arm64"))),
    "windows": System(("win32", "Windows", "nt", "AMD64"), ("win_amd64",)),
}


def _version(python: str) -> tuple[int, int]:
    major, minor = map(int, python.split(".")[:2])
    return major, minor


class Collector:
    """Downloads the wheels of one system and Python ("3.12.0") into `folder`."""

    def __init__(self, folder: Path, system: System, python: str, root: Path):
        self.folder, self.system, self.python = folder, system, python
        version, abi = _version(python), "cp{}{}".format(*_version(python))
        platforms = list(system.platforms)
        self.tags = {*cpython_tags(version, [abi], platforms), *compatible_tags(version, abi, platforms)}
        self.markers = dict(zip(MARKERS, system.markers, strict=True)) | {
            "python_version": ".".join(python.split(".")[:2]),
            "python_full_version": python,
            "implementation_version": python,
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_version": "",
        }
        text = (root / "constraints.txt").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        pins = [pin for pin in map(Requirement, lines) if self._holds(pin)]
        self.pins: dict[str, str] = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}
        self.torch = torch_choice.pinned_torch(text)

    def _holds(self, requirement: Requirement, extras: Iterable[str] = ()) -> bool:
        marker = requirement.marker
        return marker is None or any(marker.evaluate(self.markers | {"extra": e}) for e in ("", *extras))

    def collect(self, asked: list[str]) -> dict[str, Path]:
        """{"name version": wheel} of all that is asked for, and of what that asks for. Errors: CourseError."""
        wheels: dict[str, Path] = {}
        extras: dict[str, set[str]] = {}
        fresh = [r for r in map(Requirement, asked) if self._holds(r)]
        while fresh:
            changed = set()
            for requirement in fresh:
                name = canonicalize_name(requirement.name)
                if name not in extras or not requirement.extras <= extras[name]:
                    extras[name] = extras.get(name, set()) | requirement.extras
                    changed.add(name)
            wheels |= self._get(sorted(changed - wheels.keys()))
            fresh = [
                needed for name in changed for needed in _requires(wheels[name]) if self._holds(needed, extras[name])
            ]
        return {f"{name} {self.pins[name]}": path for name, path in wheels.items()}

    def _get(self, names: list[str]) -> dict[str, Path]:
        if missing := [name for name in names if name not in self.pins]:
            raise CourseError(f"constraints.txt pins no {missing[0]} for {self._where()}: resolve the pins again")
        new = [name for name in names if not self._is_there(name)]
        if "torch" in new:
            self._get_torch()
        if plain := [f"{name}=={self.pins[name]}" for name in new if name != "torch"]:
            print(f"  {len(plain)} packages ...", flush=True)
            self._download("-q", *plain)
        for name in names:
            if not self._wheels(name):
                raise CourseError(f"pip left no wheel of {name} for {self._where()}: run the same command again")
        return {name: self._wheels(name)[0] for name in names}

    def _get_torch(self) -> None:
        """The CPU's build, by the same rule as on a learner's computer."""

        def kept_here(requirement: str) -> bool:  # and if so, it comes
            return self._pip(["--no-index", "-q", requirement])[0] == 0

        machine = self.system.machine(self.python)
        choice = torch_choice.choose(machine, "cpu", self.torch, lambda: False, kept_here)
        print(f"  {choice.says}", flush=True)
        if choice.index or machine.system != "Linux":  # else it has just come
            self._download(*(["--index-url", choice.index] if choice.index else []), choice.requirement)

    def _is_there(self, name: str) -> bool:
        """Whether a whole wheel is there; what is not whole goes."""
        for path in self._wheels(name):
            if _is_whole(path, path.stat().st_size):
                return True
            path.unlink()
        return False

    def _wheels(self, name: str) -> list[Path]:
        """The wheels of the pinned version that are there and run on this system and Python."""
        version = self.pins[name] + ("+cpu" if name == "torch" and "linux" in self.system.markers else "")
        named = [(path, *parse_wheel_filename(path.name)) for path in sorted(self.folder.glob("*.whl"))]
        return [
            path for path, found, built, _, tags in named if (found, str(built)) == (name, version) and tags & self.tags
        ]

    def _where(self) -> str:
        return f"{self.system.markers[1]} with Python {_version(self.python)[0]}.{_version(self.python)[1]}"

    def _download(self, *what: str) -> None:
        code, said = self._pip(list(what))
        if code:
            kind = faults.kind_of(said, code)
            if kind not in ("pins", "unknown", "network"):
                raise CourseError(faults.sentence(kind, Path(sys.prefix)))
            lines = [line for line in said.splitlines() if line.startswith("ERROR")] or [
                said[-300:] or "no reason given"
            ]
            raise CourseError(
                f"the packages for {self._where()} could not be downloaded ({lines[0]}): mend that, {faults.AGAIN} "
                "(what is there is kept)"
            )

    def _pip(self, what: list[str]) -> tuple[int, str]:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check", "--no-input"]
        command += ["--dest", str(self.folder), "--only-binary", ":all:", "--python-version", self.python]
        command += [word for tag in self.system.platforms for word in ("--platform", tag)]
        return installer.run([*command, *what], self.folder, live=False)


@cache
def _is_whole(wheel: Path, size: int) -> bool:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError):
        return False


def _requires(wheel: Path) -> list[Requirement]:
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        said = HeaderParser().parsestr(archive.read(name).decode("utf-8"))
    return [Requirement(text) for text in said.get_all("Requires-Dist") or ()]
