"""What every call into the compiled C shares: sequences by their strides, and rows of the batch shared out over
threads."""

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

WORK_PER_THREAD = 1 << 20  # elements of work below which another thread does not pay


class Seq(ctypes.Structure):
    """`seq` of native_lanes.h: a tensor (b,e,l) by its strides."""

    _fields_ = [("p", ctypes.c_void_p), *((name, ctypes.c_int64) for name in ("row", "channel", "time"))]


class Task(ctypes.Structure):
    """What one C function is called with; subclasses name the fields."""

    def give(self, **tensors: Tensor | None) -> "Task":
        """Set pointers; the caller keeps the tensors alive."""
        kinds = {field[0]: field[1] for field in self._fields_}
        for name, t in tensors.items():
            if t is not None:
                setattr(self, name, Seq(t.data_ptr(), *t.stride()) if kinds[name] is Seq else t.data_ptr())
        return self

    def copy(self) -> "Task":
        """The same pointers and sizes, to give one thread a result of its own."""
        return type(self).from_buffer_copy(self)


def threads_for(rows: int, work: int) -> int:
    """How many threads to use: torch's number at most."""
    return max(1, min(torch.get_num_threads(), rows, work // WORK_PER_THREAD))


def run(call: Callable[..., int], tasks: list[Task], rows: int) -> None:
    """call(task, first row, stop row), one task a thread. ctypes lets go of Python's lock meanwhile."""
    borders = [rows * i // len(tasks) for i in range(len(tasks) + 1)]
    jobs = [
        (ctypes.byref(task), ctypes.c_int64(borders[i]), ctypes.c_int64(borders[i + 1])) for i, task in enumerate(tasks)
    ]
    if len(jobs) == 1:
        codes = [call(*jobs[0])]
    else:
        with ThreadPoolExecutor(len(jobs)) as pool:
            codes = list(pool.map(lambda job: call(*job), jobs))
    if any(codes):
        raise MemoryError("the compiled code could not allocate its working memory")
