"""Read a pickle of dicts, lists, strings, numbers and numpy arrays without ever calling what the file asks for.

Unpickling runs a program that lies in the file, and that program may import and call anything. So we do not unpickle:
a small machine (pickle_machine) follows the steps that plain data needs. The names that numpy 1 and 2 write for an
array stand for functions in pickle_names; every other name is refused, and named. numpy's own functions are not called
either, because their arguments come from the file too (a forged dtype turns bytes into pointers).
"""

import gzip
import mmap
import stat
import zipfile
import zlib
from pathlib import Path
from typing import Any

from mgmr_lib.data.mmsa.pickle_machine import MAX_STEPS, PickleMachine, PickleSource
from mgmr_lib.data.mmsa.pickle_names import Array, Refused, TooLarge, shorten
from mgmr_lib.data.mmsa.torch_tensors import Storage
from mgmr_lib.errors import CourseError

ZIP = b"PK\x03\x04"
GZIP = b"\x1f\x8b"
FOREIGN = {
    b"\x89HDF": "an HDF5 file", ZIP: "a zip archive, as numpy.savez writes it",
    b"\x93NUMPY": "a numpy array", b"BZh": "a bzip2 file", b"\xfd7zXZ": "an xz file",
}  # fmt: skip
DEEPEST = 32  # levels of lists and dicts


def load(path) -> dict:
    """The dict in a pickle file (see load_any), or a CourseError in one sentence that names the file."""
    value = load_any(path)
    if type(value) is not dict:
        raise CourseError(
            f"{shorten(path, 300)} holds a {type(value).__name__.replace('nd', 'numpy ')}, not a dict with the splits "
            "train, valid and test: is it another data set, or a layout that `python -m mgmr_lib data convert SRC DST` "
            "knows?"
        )
    return value


def load_any(path):
    """What a pickle file holds, of plain data; an array shares memory with the file. gzip is unpacked.

    Raises CourseError, in one sentence that names the file, for anything but a whole pickle of plain data.
    """
    shown, source = shorten(path, 300), _open(Path(path))
    try:
        machine = _torch_archive(Path(path), source) if source.data[:4] == ZIP else PickleMachine(source)
        return _plain(machine.run(), {})[0]
    except TooLarge as refusal:
        raise CourseError(
            f"{shown} is refused, because it {refusal}: write its numbers as arrays, and each but once"
        ) from None
    except Refused as refusal:
        raise CourseError(
            f"{shown} is refused, because it {refusal}: reading that would execute what the file says, and a corpus "
            "needs only dicts, lists, strings, numbers and arrays. If you trust its source, rewrite it once as plain "
            "data "
            '(data/README.md, "Other layouts", has the three lines)'
        ) from None
    except Exception as error:
        raise CourseError(f"{shown} {_damage(source, error)}") from None


def _plain(value, known: dict, depth: int = 0) -> tuple[Any, int]:
    """`value` with numpy arrays in the place of our Arrays, and of how many parts it is, shared ones counted wherever
    they stand. known: by identity, so that shared parts cost nothing here; what reads them may look at each."""
    if isinstance(value, Array):
        return value.value, 1
    if type(value) not in (dict, list, tuple):
        return value, 1
    if depth > DEEPEST:
        raise TooLarge(f"has lists or dicts in more than {DEEPEST} levels")
    if id(value) not in known:
        known[id(value)] = None  # until its parts are known
        made = [_plain(item, known, depth + 1) for item in (value.values() if type(value) is dict else value)]
        items, count = [item for item, _ in made], 1 + sum(parts for _, parts in made)
        if count > MAX_STEPS:
            raise TooLarge(f"repeats its lists until they have more than {MAX_STEPS} parts")
        known[id(value)] = dict(zip(value, items, strict=True)) if type(value) is dict else type(value)(items), count
    if known[id(value)] is None:
        raise TooLarge("holds a list or dict within itself")
    return known[id(value)]


def _open(path: Path) -> PickleSource:
    """The file as a `PickleSource`, or one sentence that says why not."""
    shown = shorten(path, 300)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise CourseError(f"{shown} is a folder: name the .pkl file in it")
        if not stat.S_ISREG(status.st_mode):
            raise CourseError(f"{shown} is not a regular file: name a .pkl file")
        if status.st_size == 0:
            raise CourseError(f"{shown} is empty: download or build it again")
        with path.open("rb") as file:
            data: mmap.mmap | bytearray = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if data[:2] == GZIP:
            data = _unpacked(path, 200 * len(data) + (1 << 26))
        return PickleSource(data)
    except FileNotFoundError:
        raise CourseError(f"{shown} does not exist: check the path") from None
    except CourseError:
        raise
    except (OSError, ValueError) as error:
        raise CourseError(f"{shown} cannot be read: {shorten(getattr(error, 'strerror', None) or error)}") from None


def _torch_archive(path: Path, source: PickleSource) -> PickleMachine:
    """A machine for the pickle in what torch.save wrote: a zip archive with the numbers in files of their own."""
    archive = zipfile.ZipFile(path)
    members = {info.filename: info for info in archive.infolist()}
    pickles = [name for name in members if name.endswith("/data.pkl")]
    if len(pickles) != 1 or any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
        raise ValueError("a zip archive that torch.save did not write")
    folder = pickles[0].removesuffix("data.pkl")

    def storage(identity) -> Storage:
        found = Storage(identity)
        machine.spend(members[f"{folder}data/{found.key}"].file_size)
        return found.fill(archive.read(f"{folder}data/{found.key}"))

    machine = PickleMachine(PickleSource(archive.read(pickles[0])), storage)
    machine.budget = 2 * len(source.data)  # once to read the numbers, once for tensors that are not contiguous
    return machine


def _unpacked(path: Path, most: int) -> bytearray:
    """The content of a gzip file; `most` bounds what a small file may claim to hold."""
    data = bytearray()
    try:
        with gzip.open(path) as file:
            while chunk := file.read(1 << 22):
                data += chunk
                if len(data) > most:
                    raise CourseError(
                        f"{shorten(path, 300)} unpacks to far more data than it holds: unpack it yourself, if you "
                        "trust it"
                    )
    except (OSError, EOFError, zlib.error) as error:
        raise CourseError(
            f"{shorten(path, 300)} is a damaged gzip file ({shorten(error)}): download it again"
        ) from None
    if not data:
        raise CourseError(f"{shorten(path, 300)} is empty: download or build it again")
    return data


def _damage(source: PickleSource, error: Exception) -> str:
    head = bytes(source.data[:256])
    for start, kind in FOREIGN.items():
        if head.startswith(start):
            return f"is {kind}, not a pickle: `python -m mgmr_lib data convert SRC DST` reads the layouts that it knows"
    if head[0] != 0x80 and all(c in b"\t\r\n\f" or c >= 32 for c in head):
        return "is a text file, not a pickle: name the .pkl file of the corpus"
    if head[0] != 0x80:
        return "is not a pickle: name the .pkl file of the corpus"
    if source.position >= len(source.data) or "expected" in str(error) and "remain" in str(error):
        return "ends too early, as if its download or copy had stopped: download or build it again"
    return f"is damaged ({shorten(error)}): download or build it again"
