"""What the names in a pickle or torch.save file of torch tensors stand for in safe_pickle: arrays over the stored
bytes.

torch itself is not asked: a tensor's shape, strides and offset come from the file, so each is checked against its
bytes.
"""

import math

import numpy as np

from mgmr_lib.data.mmsa.pickle_names import Array, Refused, shorten


class StorageType:
    """The type of the numbers in a storage."""

    def __init__(self, dtype: str):
        self.dtype = np.dtype(dtype).newbyteorder("<")


class Storage:
    """A flat run of numbers that tensors are views of; `fill` gives it its bytes."""

    def __init__(self, identity):
        if type(identity) is not tuple or len(identity) < 5 or identity[0] != "storage":
            raise Refused("refers to something outside the file")
        _, kind, self.key, _, self.count = identity[:5]
        if type(kind) is not StorageType or type(self.key) is not str or type(self.count) is not int or self.count < 0:
            raise Refused("holds a tensor of numbers that numpy does not know")
        self.dtype, self.values = kind.dtype, None

    def fill(self, raw) -> "Storage":
        if len(raw) != self.count * self.dtype.itemsize:
            raise ValueError("a tensor with the wrong number of bytes")
        self.values = np.frombuffer(raw, self.dtype) if self.count else np.empty(0, self.dtype)
        return self


def _load_from_bytes(machine, raw) -> Storage:
    """A storage as `pickle.dump` writes it: four small pickles, the storage's name, its length and its bytes."""
    if type(raw) not in (bytes, bytearray, memoryview) or machine.is_nested:
        raise Refused("unpacks a tensor from something other than bytes")
    machine.spend(len(raw))  # however often it points at the same bytes
    (_, _, system, storage, keys), rest = machine.nested(raw, 5)
    if (
        type(storage) is not Storage
        or keys != [storage.key]
        or type(system) is not dict
        or not system.get("little_endian")
    ):
        raise ValueError("a tensor without its numbers")
    return storage.fill(rest[8:])


def _rebuild_tensor(machine, storage, offset, size, stride, *more) -> Array:
    if type(storage) is not Storage or storage.values is None or type(size) is not tuple or type(stride) is not tuple:
        raise ValueError("a tensor without its numbers")
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or len(size) > 8 or any(type(n) is not int or not 0 <= n < 1 << 62 for n in numbers):
        raise ValueError("a tensor with a strange shape")
    count = math.prod(size)
    if not count:
        return Array(np.empty(size, storage.dtype))
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if last >= storage.count:
        raise ValueError(f"a tensor of shape {shorten(size)} beyond its numbers")
    step = storage.dtype.itemsize
    view = np.lib.stride_tricks.as_strided(storage.values[offset:], size, [s * step for s in stride], writeable=False)
    if not view.flags.c_contiguous:
        machine.spend(count * step)
        view = view.copy()
    return Array(view)


def _rebuild_parameter(machine, data, *more):
    return data


TYPES = {
    "Float": "f4",
    "Double": "f8",
    "Half": "f2",
    "Long": "i8",
    "Int": "i4",
    "Short": "i2",
    "Char": "i1",
    "Byte": "u1",
    "Bool": "?",
}
TORCH_NAMES = {f"torch {name}Storage": StorageType(dtype) for name, dtype in TYPES.items()} | {
    "torch._utils _rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils _rebuild_parameter": _rebuild_parameter,
    "torch.storage _load_from_bytes": _load_from_bytes,
}
