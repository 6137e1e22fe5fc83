"""Run a Triton kernel in Triton's interpreter on the counting memory: every `tl.load` and `tl.store` is served by it.

Addresses are real ones: each array has a region of its own with room before and behind it, so that a kernel that strays
is told from which array it strayed, instead of reading what happens to lie there. Triton exists for Linux; elsewhere
this module imports, and `installed()` says no.
"""

import contextlib
import importlib.util
import os
from collections.abc import Callable
from unittest import mock

import numpy as np
import torch

from mgmr_lib.chapters.ch06_gpu_kernels.memory_traffic import SlowMemory
from mgmr_lib.errors import CourseError

ROOM = 1 << 16  # numbers of a region; its array starts in the middle


def installed() -> bool:
    """Whether Triton can be imported here."""
    return importlib.util.find_spec("triton") is not None


def jit(fn: Callable) -> Callable:
    """`triton.jit` for the interpreter: what `tl.associative_scan` joins with. Without Triton the function itself."""
    if not installed():
        return fn
    import triton

    with mock.patch.dict(os.environ, TRITON_INTERPRET="1"):
        return triton.jit(fn)


def launch(kernel: Callable, programs: int, memory: SlowMemory, arrays: str, **sizes: int) -> SlowMemory:
    """Run `programs` programs of kernel(*addresses, **sizes), one after the other; returns the memory.

    kernel: a plain function of `tl` (`@triton.jit` is added here); arrays: names in `memory` with blanks between them,
    in the order of the kernel's arguments; all numbers are float32. sizes: its other arguments, by name; one in
    capitals (BLOCK) is known at compile time. An error in the kernel is raised as it is.
    """
    if not installed():
        raise CourseError("Triton is not installed: it exists for Linux on x86-64; the toy memory works everywhere")
    names, failed = arrays.split(), []
    regions = torch.empty(len(names), ROOM)
    with _interpreter(memory, names, regions.data_ptr()):
        import triton

        try:
            program = triton.jit(_program(kernel, names, list(sizes), failed))
            program[(programs,)](*regions[:, ROOM // 2 :].unbind(), **sizes)
        except Exception:
            if failed:
                raise failed[0].with_traceback(failed[1]) from None
            raise
    return memory


def _program(kernel: Callable, names: list[str], sizes: list[str], failed: list) -> Callable:
    """A function with the kernel's arguments by name, as Triton wants it; the kernel's error comes into `failed`."""
    import triton.language as tl

    def call(*given):
        try:
            kernel(*given)
        except Exception as e:
            failed[:] = e, e.__traceback__
            raise

    given = ", ".join([*names, *sizes])
    scope = {"tl": tl, "call": call}
    source = f"def program({given}): call({given})"  # only our own names: Triton reads them, so *given will not do
    exec(compile(source, "<program>", "exec"), scope)  # "<string>" has a source since Python 3.13: what -c was given
    scope["program"].__annotations__ = {name: tl.constexpr for name in sizes if name.isupper()}
    return scope["program"]


@contextlib.contextmanager
def _interpreter(memory: SlowMemory, names: list[str], start: int):
    """Triton's interpreter, in whatever mode Triton was imported, with loads and stores that go to `memory`."""
    with mock.patch.dict(os.environ, TRITON_INTERPRET="1"), contextlib.ExitStack() as stack:
        import triton
        import triton.language as tl
        from triton.runtime import interpreter
        from triton.runtime.jit import JITFunction

        for module in (tl, tl.standard):  # tl.sum and others wait for a compiler where Triton came in without this mode
            for name, f in list(vars(module).items()):
                if isinstance(f, JITFunction) and not name.startswith("_"):
                    stack.enter_context(mock.patch.object(module, name, triton.jit(f.fn)))

        def place(pointers) -> tuple[str, np.ndarray]:
            """The array that these addresses belong to, and the offsets in it."""
            at = (pointers.data.astype(np.int64) - start) // 4
            which = min(max(int(np.median(at)) // ROOM, 0), len(names) - 1)
            return names[which], at - which * ROOM - ROOM // 2

        def load(pointers, mask, other, *_):
            name, offsets = place(pointers)
            rest = np.nan if other is None else other.data  # Triton leaves undefined what stands there
            values = memory.load(name, offsets, mask.data.astype(bool), rest)
            return interpreter.TensorHandle(values.astype(np.float32), tl.float32)

        def store(pointers, value, mask, *_):
            name, offsets = place(pointers)
            memory.store(name, offsets, value.data, mask.data.astype(bool))

        builder = interpreter.interpreter_builder
        stack.enter_context(mock.patch.object(builder, "create_masked_load", load))
        stack.enter_context(mock.patch.object(builder, "create_masked_store", store))
        yield
