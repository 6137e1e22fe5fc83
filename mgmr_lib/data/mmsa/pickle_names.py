"""What the names in a numpy pickle stand for in safe_pickle: functions of our own that make arrays of plain data.

Their arguments come from the file, so each function checks all of them. `machine.spend` bounds how much may be copied.
"""

import math
import re
from typing import Literal

import numpy as np

DTYPE = re.compile(r"[<>|=]?(?:b1|\?|[iu][1248]|f[248]|[SU][1-9]\d{0,8}|O8?)")
SCALARS = (str, bytes, bool, int, float, type(None), np.generic)
LONGEST_SCALAR = 1 << 16


class Refused(Exception):
    """The file asks for something that plain data does not need."""


class TooLarge(Refused):
    """The file is small, and asks for far more memory or time."""


def shorten(text, most: int = 80) -> str:
    """`text` fit for one line of a message: no control characters, not too long."""
    text = "".join(c if c.isprintable() else "?" for c in str(text))
    return text if len(text) <= most else text[: most - 3] + "..."


class DType:
    """What a file says about a dtype: one of a few plain ones, in either byte order."""

    def __init__(self, spec, align=False, copy=False):
        if type(spec) is not str or not DTYPE.fullmatch(spec):
            raise Refused(f"uses the dtype {shorten(spec, 30) if type(spec) is str else type(spec).__name__}")
        self.value = np.dtype(spec)

    def build(self, state, machine):
        if type(state) is not tuple or len(state) < 5 or any(part is not None for part in state[2:5]):
            raise Refused("uses a structured dtype")
        if state[1] in ("<", ">"):
            self.value = self.value.newbyteorder(state[1])


class Array:
    """An array in the making: `_reconstruct` makes it, the state that follows fills it."""

    def __init__(self, value=None):
        self.value = value

    def build(self, state, machine):
        if type(state) is not tuple or len(state) != 5:
            raise ValueError("an array without its state")
        _, shape, dtype, fortran, raw = state
        self.value = _make_array(machine, raw, dtype, shape, "F" if fortran else "C")


def _make_array(machine, raw, dtype, shape, order) -> np.ndarray:
    """The array in a buffer. Its size must agree with the bytes that are there, so a shape alone cannot claim
    memory."""
    if type(dtype) is not DType or type(shape) is not tuple or len(shape) > 8:
        raise ValueError("an array with a strange shape or dtype")
    if any(type(s) is not int or not 0 <= s < 1 << 62 for s in shape):
        raise ValueError("an array with a strange shape")
    dtype, size = dtype.value, math.prod(shape)
    if dtype.kind == "O":
        return _object_array(machine, raw, shape, size, order)
    if type(raw) is str:
        raw = _encode(machine, raw, "latin1")
    if type(raw) not in (bytes, bytearray, memoryview) or len(raw) != size * dtype.itemsize:
        raise ValueError(f"an array of shape {shorten(shape)} with the wrong number of bytes")
    if dtype.kind == "U" and size:  # four bytes may be no character at all
        if np.frombuffer(raw, np.dtype(np.uint32).newbyteorder(dtype.byteorder)).max() > 0x10FFFF:
            raise ValueError("an array of text with characters that do not exist")
    return (np.frombuffer(raw, dtype) if size else np.empty(0, dtype)).reshape(shape, order=order)


def _object_array(machine, raw, shape, size: int, order: Literal["C", "F"]) -> np.ndarray:
    if type(raw) is not list or len(raw) != size:
        raise ValueError("an object array without its list")
    machine.spend(size)
    out = np.empty(size, dtype=object)
    for i, item in enumerate(raw):
        if isinstance(item, Array) and isinstance(item.value, np.ndarray):  # clips of different lengths
            item = out[i] = item.value
            continue
        if not isinstance(item, SCALARS):
            raise Refused(f"holds an object array with a {type(item).__name__.strip('_')} in it")
        out[i] = item
    return out.reshape(shape, order=order)


def _reconstruct(machine, subtype, shape, code) -> Array:
    if subtype is not Array:
        raise Refused("makes an array of a class other than numpy.ndarray")
    return Array()


def _scalar(machine, dtype, raw):
    if type(dtype) is not DType or dtype.value.kind == "O" or dtype.value.itemsize > LONGEST_SCALAR:
        raise Refused("makes a numpy scalar that is neither a number nor a short string")
    return _make_array(machine, raw, dtype, (), "C")[()]


def _frombuffer(machine, raw, dtype, shape, order) -> Array:
    return Array(_make_array(machine, raw, dtype, shape, "F" if order == "F" else "C"))


def _encode(machine, text, encoding) -> bytes:
    """How protocols 0 to 2 write bytes: as text."""
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise Refused("calls _codecs.encode with other arguments than numpy's")
    machine.spend(len(text))
    return text.encode("latin1")


def _dtype(machine, *args) -> DType:
    return DType(*args)


def _empty_bytes(machine) -> bytes:
    return b""


def _empty_dict(machine) -> dict:
    return {}


# The names of numpy's pickles that a file may use. What they stand for is never called by its numpy name.
NAMES = {
    "numpy ndarray": Array,
    "numpy dtype": _dtype,
    "_codecs encode": _encode,
    "builtins bytes": _empty_bytes,
    "__builtin__ bytes": _empty_bytes,
    "collections OrderedDict": _empty_dict,
}
for _core in ("numpy.core", "numpy._core"):
    NAMES[f"{_core}.multiarray _reconstruct"] = _reconstruct
    NAMES[f"{_core}.multiarray scalar"] = _scalar
    NAMES[f"{_core}.numeric _frombuffer"] = _frombuffer
