"""Files that are there whole or not at all, on a full disk and after a kill too; what cannot be written is one
sentence.

Every writer first writes `.NAME.PROCESS.part` beside its target, brings that to the disk, and then puts it in the
target's place in one step. A failed write leaves the old file as it was and no part behind; a part of a killed process
goes with the next write of the same file.
"""

import contextlib
import errno
import glob
import json
import math
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from mgmr_lib.errors import CourseError

WINDOWS = os.name == "nt"
WAITS = (0.1, 0.3, 1.0)  # seconds between tries to replace a file that is open
LOCK = ".lock"
REMEDIES = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room in your quota",
    errno.EROFS: "the disk is read-only, so choose another folder",
    errno.EACCES: "mend its permissions or choose another folder",
    errno.EPERM: "mend its permissions or choose another folder",
    errno.EISDIR: "a folder has that name, so choose another one",
    errno.ENOTDIR: "a part of the path is a file, so choose another folder",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def cannot_write(path: Path | str, error: OSError) -> CourseError:
    """The sentence for a write that failed: which file, why, what to do."""
    reason = error.strerror or str(error) or type(error).__name__
    remedy = REMEDIES.get(error.errno or 0, "look at the disk")
    return CourseError(f"{path} cannot be written ({reason}): {remedy}, and run the same command again")


def system_error(error: Exception) -> Exception:
    """The system's own error, where a library's words alone tell its number ("... (os error 28)"); else `error`."""
    code = re.search(r"os error (\d+)", str(error))
    return error if code is None else OSError(int(code[1]), os.strerror(int(code[1])))


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """A path to write to. At the end of the block the file that stands there takes `path`'s place, in one step.

    Whatever goes wrong, `path` keeps what it had. An OSError in the block becomes a CourseError.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    _remove_parts_of_the_dead(path)
    try:
        yield part
        _as_others_may_read(part)
        _to_disk(part)
        put_in_place(part, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def put_in_place(part: Path, path: Path) -> None:
    """os.replace; where Windows refuses it, since a program has `path` open, wait a moment (for a virus scanner), then
    say so."""
    for seconds in (*WAITS, None):
        try:
            os.replace(part, path)
            return
        except PermissionError as error:
            if not WINDOWS or not path.exists():
                raise
            if seconds is None:
                raise CourseError(
                    f"{path} is open in another program and cannot be replaced: close it there (a running notebook, a "
                    "viewer), and run the same command again"
                ) from error
            time.sleep(seconds)


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write a file whole, or not at all."""
    with replacing(path) as part:
        part.write_bytes(content)


def write_text(path: Path | str, text: str) -> None:
    """Write a text whole, or not at all: UTF-8, and "\\n" at the end of a line on every system."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path | str, values: dict) -> None:
    """Write a JSON file whole, or not at all. JSON knows no nan and no infinity: they become null."""
    write_text(path, json.dumps(_finite(values), indent=1, allow_nan=False) + "\n")


def _finite(values):
    if isinstance(values, dict):
        return {key: _finite(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values


def read_json(path: Path | str) -> dict:
    """A JSON file's dictionary; a missing, broken or other file is a CourseError."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(f"{path} does not exist: is this the folder of a run?") from None
    except OSError as error:
        raise CourseError(f"{path} cannot be read ({error.strerror}): check the path") from None
    except (ValueError, RecursionError) as error:  # broken JSON, or no UTF-8
        raise CourseError(f"{path} is damaged ({error}): delete the folder and train again") from None
    if not isinstance(found, dict):
        raise CourseError(f"{path} is damaged (it holds no JSON object): delete the folder and train again")
    return found


def make_folder(folder: Path | str, option: str = "--out") -> Path:
    """The folder, made with its parents where it is missing; CourseError where it cannot be made or written to."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise CourseError(f"{folder} is a file, not a folder: choose another {option}") from None
    except OSError as error:
        raise CourseError(
            f"the folder {folder} cannot be made ({error.strerror or error}): choose another {option}"
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CourseError(f"{folder} cannot be written to: choose another {option} or mend its permissions")
    return folder


def check_writable(path: Path | str, option: str = "--out") -> None:
    """Find out before the work, not after it, that a result cannot be written; makes the folder that it goes to."""
    path = Path(path)
    if path.is_dir():
        raise CourseError(f"{path} is a folder: give the name of a file with {option}")
    make_folder(path.parent, option)


@contextlib.contextmanager
def only_one(folder: Path | str, what: str) -> Iterator[None]:
    """Hold a folder for this process; CourseError ("another process is ...") where another one holds it.

    The lock goes with its process, however that ends. Where nothing can be written there is nothing to guard.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(Path(folder) / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise CourseError(
            f"another process is {what} {folder} just now: wait until it is done, or choose another folder"
        ) from None
    except (OSError, NotImplementedError):
        pass
    try:
        yield
    finally:
        lock.release()


def is_litter(path: Path) -> bool:
    """Whether this is a lock or a part of a file: nothing that somebody would miss."""
    return path.name == LOCK or (path.name.startswith(".") and path.name.endswith(".part"))


def _as_others_may_read(path: Path) -> None:
    """The permissions that a new file gets here: some writers (safetensors) let only their own user read."""
    umask = os.umask(0o022)
    os.umask(umask)
    with contextlib.suppress(OSError):  # a disk that knows no permissions
        path.chmod(0o666 & ~umask)


def _to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _remove_parts_of_the_dead(path: Path) -> None:
    for name in glob.glob(glob.escape(str(path.parent / f".{path.name}.")) + "*.part"):
        process = re.search(r"\.(\d+)\.part$", name)
        if process and not _is_alive(int(process[1])):
            with contextlib.suppress(OSError):
                os.unlink(name)


def _is_alive(process: int) -> bool:
    if WINDOWS:
        return False  # there, a signal would end the process; and a file that is open cannot be removed
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
