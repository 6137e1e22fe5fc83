""".venv: made with the Python that runs this, filled with what the command needs, and left alone from then on.

A stamp inside it, written last, says what is there; whatever has no stamp that fits is made whole again, so that an
interrupted set-up goes on with the same command.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.setup import faults, machine, sizes, torch_choice
from mgmr_lib.setup.installer import Installer
from mgmr_lib.setup.packed import Pack

NEEDS = ("open", "test")  # a learner's packages; those and [dev], to test and change the course and make its web pages
EXTRAS = {"open": ".", "test": ".[dev]"}
WITNESSES = ("pip", "torch", "numpy", "jupyterlab")  # folders without which no stamp is believed


@dataclass(frozen=True)
class Stamp:
    """What .venv holds: pins hashes pyproject.toml and constraints.txt, where is the checkout that is installed."""

    needs: str
    build: str
    python: str
    pins: str
    where: str


class Environment:
    """The virtual environment of the checkout `root`."""

    def __init__(self, root: Path):
        self.root, self.folder = root, root / ".venv"
        self.python = self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.stamp_file = self.folder / "course-stamp.json"

    def stamp(self) -> Stamp | None:
        """What is installed, or None where nothing is, or not completely."""
        try:
            found = Stamp(**json.loads(self.stamp_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return found if found.needs in NEEDS and self._is_whole() else None

    def _packages(self) -> Path | None:
        found = sorted(self.folder.glob("lib/python3*/site-packages")) or [self.folder / "Lib" / "site-packages"]
        return found[0] if found[0].is_dir() else None

    def _is_whole(self) -> bool:
        packages = self._packages()
        return self.python.exists() and packages is not None and all((packages / w).is_dir() for w in WITNESSES)

    def serves(self, needs: str, torch: str | None) -> bool:
        """Whether nothing has to be done for `needs` with the build `torch` (None: whichever is there)."""
        stamp = self.stamp()
        if stamp is None or NEEDS.index(stamp.needs) < NEEDS.index(needs) or torch not in (None, stamp.build):
            return False
        if not self.writable():  # somebody else keeps this one: it serves every learner as it is
            return stamp.pins == self.pins()
        return (stamp.python, stamp.pins, stamp.where) == (_python(), self.pins(), str(self.root))

    def writable(self) -> bool:
        """Whether this user may make or change .venv."""
        return all(os.access(p, os.W_OK) for p in (self.root, self.folder) if p.exists())

    def pins(self) -> str:
        """A hash of pyproject.toml and constraints.txt."""
        texts = [(self.root / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "constraints.txt")]
        return hashlib.sha256("\0".join(texts).encode()).hexdigest()

    def prepare(self, needs: str, torch: str | None, pack: Pack | None = None) -> None:
        """Install what is missing (from `pack` alone, where one is given); CourseError says in one sentence why it
        cannot be."""
        if self.serves(needs, torch):
            return
        if refusal := machine.refusal(machine.this_machine()):
            raise CourseError(refusal)
        if not self.writable():
            raise CourseError(
                f"{self.root} cannot be written to and is not set up for this: who owns it runs `python course.py "
                f"{needs}` there once, or copy the course into a folder of yours"
            )
        with _alone(self.root):
            if not self.serves(needs, torch):  # another terminal may have done it while we waited
                if pack:
                    pack.check(machine.this_machine(), needs, self.pins())
                self._install(needs, torch, pack)

    def _install(self, needs: str, torch: str | None, pack: Pack | None) -> None:
        before = self.stamp()
        if not self._usable() or (before and torch not in (None, before.build)):
            self._make()
            before = None
        self._forget_half_installed()
        kept = before.needs if before else "open"
        needs = max(needs, kept, key=NEEDS.index)  # what is there stays there
        self.stamp_file.unlink(missing_ok=True)
        installer = Installer(self.python, self.root, pack.install_options() if pack else [])
        version = torch_choice.pinned_torch((self.root / "constraints.txt").read_text(encoding="utf-8"))
        build = self._torch_build(version, torch) or self._install_torch(installer, needs, version, torch, pack)
        if before:
            print(f"adding to .venv what `course.py {needs}` needs, with {installer.name} ...", flush=True)
        installer.install("-c", "constraints.txt", "-e", EXTRAS[needs])
        stamp = Stamp(needs, build, _python(), self.pins(), str(self.root))
        self.stamp_file.write_text(json.dumps(asdict(stamp), indent=1), encoding="utf-8", newline="\n")

    def _install_torch(
        self, installer: Installer, needs: str, version: str, wanted: str | None, pack: Pack | None
    ) -> str:
        """Decide, say, check the disk, install torch alone; returns the build."""
        here = machine.this_machine()
        if pack:
            choice = torch_choice.packed(here, wanted, version, pack.folder)
        else:
            choice = torch_choice.choose(here, wanted, version, machine.has_nvidia_gpu, installer.keeps)
        size = sizes.of(needs, choice.build)
        download = "no download" if pack else f"download about {size['download_mb'] / 1000:.1f} GB"
        print(f"setting up {self.folder} with {installer.name}")
        print(f"  {choice.says}")
        print(f"  {download}, {size['disk_mb'] / 1000:.1f} GB on the disk; some minutes", flush=True)
        free_mb = shutil.disk_usage(self.folder).free / 1e6
        if free_mb < size["disk_mb"]:
            raise CourseError(faults.no_room(self.folder, free_mb, size["disk_mb"]))
        source = ["--index-url", choice.index] if choice.index else []
        installer.install("--no-deps", *source, choice.requirement)
        return choice.build

    def _torch_build(self, version: str, wanted: str | None) -> str | None:
        """The build of the pinned torch that .venv holds already: "cpu" or "cuda"; None where it holds none, or not the
        one that is wanted."""
        packages = self._packages()
        code = "import importlib.metadata as m; print(m.version('torch'))"
        found = subprocess.run(
            [str(self.python), "-c", code], capture_output=True, text=True, check=False
        ).stdout.strip()
        facts = packages / "torch" / "version.py" if packages else None
        if found.split("+")[0] != version or not facts or not facts.exists():
            return None
        build = "cpu" if "cuda: Optional[str] = None" in facts.read_text(encoding="utf-8") else "cuda"
        return build if wanted in (None, build) else None

    def _usable(self) -> bool:
        """Whether .venv runs, was made by this Python's version, and has pip."""
        code = "import sys, pip; print('%d.%d' % sys.version_info[:2])"
        try:
            said = subprocess.run([str(self.python), "-c", code], capture_output=True, text=True, check=False)
        except OSError:
            return False
        return said.returncode == 0 and said.stdout.strip() == _python()

    def _make(self) -> None:
        """A new .venv. The old one is renamed first: where somebody uses it (Windows), it stays whole."""
        if self.folder.exists() or self.folder.is_symlink():
            old = self.folder.with_name(f".venv-old-{os.getpid()}")
            try:
                self.folder.rename(old)
            except PermissionError as error:
                raise CourseError(faults.in_use(self.folder)) from error
            old.unlink() if not old.is_dir() or old.is_symlink() else shutil.rmtree(old, ignore_errors=True)
        if os.pathsep in str(self.folder):
            raise CourseError(
                f"a folder whose name holds {os.pathsep!r} cannot hold Python packages: rename {self.root}"
            )
        said = subprocess.run(_venv_command(self.folder), capture_output=True, text=True, check=False)
        if said.returncode:
            shutil.rmtree(self.folder, ignore_errors=True)
            output = said.stdout + said.stderr
            kind = faults.kind_of(output)
            if kind in ("disk", "not writable", "network", "proxy"):
                raise CourseError(faults.sentence(kind, self.folder))
            raise CourseError(_no_venv())

    def _forget_half_installed(self) -> None:
        """A package whose installation was cut off has no RECORD: without this it would count as installed."""
        packages = self._packages()
        for info in packages.glob("*.dist-info") if packages else ():
            if not (info / "RECORD").exists():
                shutil.rmtree(info, ignore_errors=True)


def _python() -> str:
    return "{}.{}".format(*sys.version_info[:2])


def _venv_command(folder: Path) -> list[str]:
    """The standard library's venv where it is complete (Debian splits it off), else uv's."""
    base = getattr(sys, "_base_executable", None) or sys.executable  # the venv that we may run in is being replaced
    if all(importlib.util.find_spec(module) for module in ("venv", "ensurepip")):
        return [base, "-m", "venv", str(folder)]
    if uv := shutil.which("uv"):
        return [uv, "venv", "--seed", "--python", base, str(folder)]
    raise CourseError(_no_venv())


def _no_venv() -> str:
    package = f"python{_python()}-venv"
    return (
        f"this Python has no working venv (Debian, Ubuntu and WSL ship it apart): run `sudo apt install {package}` or "
        f"take a Python from python.org, {faults.AGAIN}"
    )


@contextlib.contextmanager
def _alone(root: Path):
    """One set-up of a checkout at a time: a second terminal waits for the first."""
    name = hashlib.sha256(str(root).encode()).hexdigest()[:16]
    user = getattr(os, "getuid", lambda: "user")()
    with open(
        Path(tempfile.gettempdir()) / f"mgmr-course-{user}-{name}.lock", "w", encoding="utf-8", newline="\n"
    ) as file:
        if sys.platform == "win32":
            import msvcrt

            lock, wait = (lambda mode: msvcrt.locking(file.fileno(), mode, 1)), msvcrt.LK_LOCK
            attempt = msvcrt.LK_NBLCK
        else:
            import fcntl

            lock, wait = (lambda mode: fcntl.flock(file, mode)), fcntl.LOCK_EX
            attempt = fcntl.LOCK_EX | fcntl.LOCK_NB
        try:
            lock(attempt)
        except OSError:
            print("another terminal is setting this course up: waiting for it ...", flush=True)
            lock(wait)
        yield
