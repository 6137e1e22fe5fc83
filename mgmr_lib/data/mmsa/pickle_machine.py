"""A machine for pickles of plain data: `pickletools.genops` lists a file's steps, and this follows the harmless ones.

Any other step, and any name that is not in KNOWN, is Refused; safe_pickle says so in a sentence that names the file.
"""

import mmap
import pickletools
import re
from collections.abc import Callable
from types import FunctionType
from typing import Any

from mgmr_lib.data.mmsa.pickle_names import NAMES, Array, DType, Refused, TooLarge, shorten
from mgmr_lib.data.mmsa.torch_tensors import TORCH_NAMES, Storage

MAX_STEPS = 2_000_000  # MMSA's largest file has about half a million
LARGE = 1 << 16  # longer reads are views of the mapped file, so that arrays nobody asks for are never loaded
KNOWN = NAMES | TORCH_NAMES  # the only names that a file may use
FUNCTIONS = tuple(f for f in KNOWN.values() if isinstance(f, FunctionType))
IDENTIFIERS = re.compile(r"[\w.]+ [\w.]+")


class PickleSource:
    """The mapped file, read as genops wants it; reads beyond the end come back short, whatever length the file
    claims."""

    def __init__(self, data: mmap.mmap | bytearray | bytes):
        self.data, self.view, self.position = data, memoryview(data), 0

    def tell(self) -> int:
        return self.position

    def read(self, n: int):
        start, self.position = self.position, min(self.position + n, len(self.data))
        return self.view[start : self.position] if n >= LARGE else self.data[start : self.position]

    def readline(self) -> bytes | bytearray:
        start, end = self.position, self.data.find(b"\n", self.position)
        self.position = len(self.data) if end < 0 else end + 1
        return self.data[start : self.position]


class PickleMachine:
    """A pickle machine for plain data: a stack, marks, a memo, and no way to import or call anything but FUNCTIONS.

    storage: makes the numbers of a tensor of what stands for them in torch's files.
    """

    def __init__(self, source: PickleSource, storage=None, is_nested: bool = False):
        self.storage, self.is_nested = storage, is_nested
        self.source: Any = source  # genops is typed for whole files, and asks for read, readline and tell alone
        self.budget = 2 * len(source.data)
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def spend(self, amount: int):
        """Copies of data must not add up to more than the file, however often it points at the same data."""
        self.budget -= amount
        if self.budget < 0:
            raise TooLarge("unpacks to far more data than it holds")

    def nested(self, raw, count: int) -> tuple[list, memoryview]:
        """The values of `count` pickles that lie one behind the other in some bytes, and the bytes behind them."""
        source, values = PickleSource(bytes(raw)), []
        for _ in range(count):
            values.append(PickleMachine(source, Storage, is_nested=True).run())
        return values, source.view[source.position :]

    def persistent(self):
        if self.storage is None:
            raise Refused("uses the pickle instruction BINPERSID")
        self.stack.append(self.storage(self.stack.pop()))

    def run(self):
        for count, (opcode, argument, _) in enumerate(pickletools.genops(self.source)):
            if count > MAX_STEPS:
                raise TooLarge(f"has more than {MAX_STEPS} parts")
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
STEPS: dict[str, Callable[[PickleMachine, Any], object]] = {
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
