"""Read a pickle of dicts, lists, strings, numbers and numpy arrays without ever calling what the file asks for.

Unpickling runs a program that lies in the file, and that program may import and call anything. So we do not unpickle:
`pickletools.genops` lists the program's steps, and a small machine follows the ones that plain data needs. The names
that numpy 1 and 2 write for an array stand for functions in pickle_names; every other name is refused, and named.
numpy's own functions are not called either, because their arguments come from the file too (a forged dtype turns bytes
into pointers).
"""

import gzip
import mmap
import pickletools
import re
import stat
import zipfile
import zlib
from pathlib import Path
from types import FunctionType

from mgmr_lib.data.mmsa.pickle_names import NAMES, Array, DType, Refused, shorten
from mgmr_lib.data.mmsa.torch_tensors import TORCH_NAMES, Storage
from mgmr_lib.errors import CourseError

MAX_STEPS = 2_000_000  # MMSA's largest file has about half a million
LARGE = 1 << 16  # longer reads are views of the mapped file, so that arrays nobody asks for are never loaded
KNOWN = NAMES | TORCH_NAMES  # the only names that a file may use
FUNCTIONS = tuple(f for f in KNOWN.values() if isinstance(f, FunctionType))
ZIP = b"PK\x03\x04"
GZIP = b"\x1f\x8b"
FOREIGN = {
    b"\x89HDF": "an HDF5 file", ZIP: "a zip archive, as numpy.savez writes it",
    b"\x93NUMPY": "a numpy array", b"BZh": "a bzip2 file", b"\xfd7zXZ": "an xz file",
}  # fmt: skip
DEEPEST = 8  # levels of lists and dicts in which arrays are looked for
IDENTIFIERS = re.compile(r"[\w.]+ [\w.]+")


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
        machine = _torch_archive(Path(path), source) if source.data[:4] == ZIP else _Machine(source)
        value = machine.run()
    except Refused as refusal:
        raise CourseError(
            f"{shown} is refused, because it {refusal}: reading that would execute what the file says, and a corpus "
            "needs only dicts, lists, strings, numbers and arrays. If you trust its source, rewrite it once as plain "
            "data "
            '(data/README.md, "Other layouts", has the three lines)'
        ) from None
    except Exception as error:
        raise CourseError(f"{shown} {_damage(source, error)}") from None
    return _plain(value, {})


def _plain(value, known: dict, depth: int = 0):
    """`value` with numpy arrays in the place of our Arrays. known: by identity, so that shared parts cost nothing."""
    if isinstance(value, Array):
        return value.value
    if type(value) not in (dict, list, tuple) or depth > DEEPEST:
        return value
    if id(value) not in known:
        known[id(value)] = value  # what holds itself stays as it is
        made = [_plain(item, known, depth + 1) for item in (value.values() if type(value) is dict else value)]
        known[id(value)] = dict(zip(value, made, strict=True)) if type(value) is dict else type(value)(made)
    return known[id(value)]


def _open(path: Path) -> "_Source":
    """The file as a `_Source`, or one sentence that says why not."""
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
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if data[:2] == GZIP:
            data = _unpacked(path, 200 * len(data) + (1 << 26))
        return _Source(data)
    except FileNotFoundError:
        raise CourseError(f"{shown} does not exist: check the path") from None
    except CourseError:
        raise
    except (OSError, ValueError) as error:
        raise CourseError(f"{shown} cannot be read: {shorten(getattr(error, 'strerror', None) or error)}") from None


def _torch_archive(path: Path, source: "_Source") -> "_Machine":
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

    machine = _Machine(_Source(archive.read(pickles[0])), storage)
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


def _damage(source: "_Source", error: Exception) -> str:
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


class _Source:
    """The mapped file, read as genops wants it; reads beyond the end come back short, whatever length the file
    claims."""

    def __init__(self, data: mmap.mmap | bytearray | bytes):
        self.data, self.view, self.position = data, memoryview(data), 0

    def tell(self) -> int:
        return self.position

    def read(self, n: int):
        start, self.position = self.position, min(self.position + n, len(self.data))
        return self.view[start : self.position] if n >= LARGE else self.data[start : self.position]

    def readline(self) -> bytes:
        start, end = self.position, self.data.find(b"\n", self.position)
        self.position = len(self.data) if end < 0 else end + 1
        return self.data[start : self.position]


class _Machine:
    """A pickle machine for plain data: a stack, marks, a memo, and no way to import or call anything but FUNCTIONS.

    storage: makes the numbers of a tensor of what stands for them in torch's files.
    """

    def __init__(self, source: _Source, storage=None, is_nested: bool = False):
        self.source, self.storage, self.is_nested = source, storage, is_nested
        self.budget = 2 * len(source.data)
        self.stack, self.marks, self.memo = [], [], {}

    def spend(self, amount: int):
        """Copies of data must not add up to more than the file, however often it points at the same data."""
        self.budget -= amount
        if self.budget < 0:
            raise Refused("unpacks to far more data than it holds")

    def nested(self, raw, count: int) -> tuple[list, memoryview]:
        """The values of `count` pickles that lie one behind the other in some bytes, and the bytes behind them."""
        source, values = _Source(bytes(raw)), []
        for _ in range(count):
            values.append(_Machine(source, Storage, is_nested=True).run())
        return values, source.view[source.position :]

    def persistent(self):
        if self.storage is None:
            raise Refused("uses the pickle instruction BINPERSID")
        self.stack.append(self.storage(self.stack.pop()))

    def run(self):
        for count, (opcode, argument, _) in enumerate(pickletools.genops(self.source)):
            if count > MAX_STEPS:
                raise Refused(f"has more than {MAX_STEPS} parts")
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name in VALUES:
                self.stack.append(argument)
            elif opcode.name in STEPS:
                STEPS[opcode.name](self, argument)
            elif count:
                raise Refused(f"uses the pickle instruction {opcode.name}")
            else:
                raise ValueError(f"it begins with {opcode.name}")

    def name(self, name: str):
        if not IDENTIFIERS.fullmatch(name):
            raise ValueError(f"a strange name, {shorten(name)}")  # a text file that starts with c or i gets here
        if name not in KNOWN:
            raise Refused(f"asks for {shorten(name).replace(' ', '.')}")
        self.stack.append(KNOWN[name])

    def instance(self, name: str):
        self.name(name)
        raise Refused("uses the pickle instruction INST")

    def stack_global(self):
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise Refused("asks for a name that is no text")
        self.name(f"{module} {name}")

    def reduce(self):
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(arguments) is not tuple or not any(function is f for f in FUNCTIONS):
            raise Refused("calls something that is not a function of numpy's pickles")
        self.stack.append(function(self, *arguments))

    def build(self):
        state = self.stack.pop()
        if type(self.stack[-1]) not in (Array, DType):
            raise Refused(f"sets the state of a {type(self.stack[-1]).__name__}")
        self.stack[-1].build(state, self)

    def mark(self):
        self.marks.append(self.stack)
        self.stack = []

    def since_mark(self) -> list:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def push(self, value):
        self.stack.append(value)  # a method, because `stack` is another list once the items since a mark are taken

    def pop(self):
        self.stack.pop() if self.stack else self.since_mark()

    def tuple_of(self, n: int):
        if len(self.stack) < n:
            raise ValueError("a tuple of more than there is")
        self.stack[-n:] = [tuple(self.stack[-n:])]

    def extend(self, items: list):
        if type(self.stack[-1]) is not list:
            raise ValueError("items for something that is no list")
        self.stack[-1].extend(items)

    def fill(self, items: list):
        """Keys are text or numbers: hashing a deeply nested tuple would exhaust the C stack."""
        if type(self.stack[-1]) is not dict or len(items) % 2:
            raise ValueError("pairs for something that is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, bytes, int, float, bool):
                raise ValueError(f"a dict with a {type(key).__name__} as key")
            self.stack[-1][key] = value

    def new_dict(self):
        items = self.since_mark()
        self.stack.append({})
        self.fill(items)

    def pair(self):
        value, key = self.stack.pop(), self.stack.pop()
        self.fill([key, value])

    def put(self, index):
        self.memo[index] = self.stack[-1]


VALUES = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE"
    " SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8".split()
)
STEPS = {
    "PROTO": lambda m, a: None,
    "FRAME": lambda m, a: None,
    "NONE": lambda m, a: m.push(None),
    "NEWTRUE": lambda m, a: m.push(True),
    "NEWFALSE": lambda m, a: m.push(False),
    "EMPTY_TUPLE": lambda m, a: m.push(()),
    "EMPTY_LIST": lambda m, a: m.push([]),
    "EMPTY_DICT": lambda m, a: m.push({}),
    "MARK": lambda m, a: m.mark(),
    "POP": lambda m, a: m.pop(),
    "POP_MARK": lambda m, a: m.since_mark(),
    "DUP": lambda m, a: m.push(m.stack[-1]),
    "TUPLE": lambda m, a: m.push(tuple(m.since_mark())),
    "TUPLE1": lambda m, a: m.tuple_of(1),
    "TUPLE2": lambda m, a: m.tuple_of(2),
    "TUPLE3": lambda m, a: m.tuple_of(3),
    "LIST": lambda m, a: m.push(m.since_mark()),
    "DICT": lambda m, a: m.new_dict(),
    "APPEND": lambda m, a: m.extend([m.stack.pop()]),
    "APPENDS": lambda m, a: m.extend(m.since_mark()),
    "SETITEM": lambda m, a: m.pair(),
    "SETITEMS": lambda m, a: m.fill(m.since_mark()),
    "MEMOIZE": lambda m, a: m.put(len(m.memo)),
    "GLOBAL": lambda m, a: m.name(a),
    "INST": lambda m, a: m.instance(a),
    "STACK_GLOBAL": lambda m, a: m.stack_global(),
    "REDUCE": lambda m, a: m.reduce(),
    "BUILD": lambda m, a: m.build(),
    "BINPERSID": lambda m, a: m.persistent(),
} | {name: lambda m, a: m.put(a) for name in ("PUT", "BINPUT", "LONG_BINPUT")}
STEPS |= {name: lambda m, a: m.push(m.memo[a]) for name in ("GET", "BINGET", "LONG_BINGET")}
