"""Features of text on disk, and the memory that computing them leaves behind."""

import ctypes
import shutil
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file

from mgmr_lib.errors import CourseError
from mgmr_lib.files import replacing

LARGE = 200_000_000  # bytes: from there on as .npy, which is written and read without a second copy in memory
LARGEST = 1_000_000_000  # classroom-mosei's take 0.63 GB, and a minute and a half of one core before the first epoch
ROOM = 10  # times as much must be free on the disk as a large file takes


def read_values(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """The features (steps, d) that `write_values` stored for this path; None where there are none of this shape."""
    try:
        if _bytes(shape) > LARGE:
            values = np.load(path.with_suffix(".npy"), allow_pickle=False)
        else:  # mapped, the file could not be replaced on Windows
            values = load(path.read_bytes())["values"].numpy()
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return values if values.shape == shape and values.dtype == np.float32 else None


def write_values(path: Path, values: np.ndarray, largest: int | None = None) -> None:
    """Store features (steps, d) float32, unless they take more than `largest` bytes (LARGE where it is not given).

    A full or read-only disk costs time alone."""
    if values.nbytes > (LARGE if largest is None else largest):
        return
    with suppress(OSError, SafetensorError, CourseError):  # we compute them again next time
        path.parent.mkdir(parents=True, exist_ok=True)
        if values.nbytes <= LARGE:
            with replacing(path) as part:
                save_file({"values": torch.from_numpy(values)}, part)
        elif shutil.disk_usage(path.parent).free > ROOM * values.nbytes:
            with replacing(path.with_suffix(".npy")) as part, open(part, "wb") as file:
                np.save(file, values)


def _bytes(shape: tuple[int, int]) -> int:
    return 4 * shape[0] * shape[1]


@cache
def _trim():
    """glibc's malloc_trim; None with another C library."""
    if not sys.platform.startswith("linux"):
        return None
    with suppress(OSError, AttributeError):
        return ctypes.CDLL(None).malloc_trim
    return None


def give_back() -> None:
    """Return freed memory to the system, which glibc keeps as long as something above it is in use; some
    milliseconds."""
    if (trim := _trim()) is not None:
        trim(ctypes.c_size_t(0))
