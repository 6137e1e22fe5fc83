"""Which clips share a batch, and how batches come to the device."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch

from mgmr_lib.data.batch import Batch

AHEAD = 2  # batches that wait in pinned memory while a GPU computes
Rows = TypeVar("Rows")


def like_length_batches(lengths: np.ndarray, batch_size: int, seed: int, mixed: int = 8) -> list[np.ndarray]:
    """Shuffled batches of clips of like length, so that little padding is computed.

    The clips are shuffled, sorted by length within every `mixed` batches' worth of them, cut, and the batches shuffled.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), mixed * batch_size):
        part = order[start : start + mixed * batch_size]
        part = part[np.argsort(lengths[part], kind="stable")]
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def on_device(make: Callable[[Rows], Batch], parts: Iterable[Rows], device: torch.device | str) -> Iterator[Batch]:
    """make(rows) for each of the parts, in order, on the device.

    For a CUDA device a thread makes them ahead, in pinned memory, from which they are moved without waiting; elsewhere
    each is made when it is asked for. `make` must draw nothing at random: what it makes is the same either way.
    """
    device = torch.device(device)
    if device.type != "cuda":
        yield from (make(rows).to(device) for rows in parts)
        return
    with ThreadPoolExecutor(1) as thread:
        waiting: deque = deque()
        try:
            for rows in parts:
                waiting.append(thread.submit(lambda rows: make(rows).pin_memory(), rows))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result().to(device, non_blocking=True)
            while waiting:
                yield waiting.popleft().result().to(device, non_blocking=True)
        finally:  # whoever asks for no more waits for none that was not begun
            for future in waiting:
                future.cancel()
