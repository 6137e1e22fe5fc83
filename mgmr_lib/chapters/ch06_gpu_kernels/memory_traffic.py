"""A toy of a GPU's memory that counts: flat arrays in slow memory, loads and stores by offset and mask, as a Triton
kernel has them.

What a kernel keeps in Python variables is in fast memory and costs nothing here; every load and every store costs the
numbers that it moves. Programs (Triton's name for the copies of a kernel) run one after the other; nothing else is
modelled: no cache, no time. Notebook 06 scores kernels with it.
"""

from collections.abc import Callable

import numpy as np


class SlowMemory:
    """Named arrays in slow memory. `SlowMemory(u=u, y=(e, l))`: an array is copied in, a tuple makes zeros of that
    shape.

    transfers: list of (name, "read" or "write", offsets that were really moved), in order.
    """

    def __init__(self, **arrays):
        self._flat, self._shape, self.transfers = {}, {}, []
        for name, given in arrays.items():
            self.allocate(name, given)

    def allocate(self, name: str, given) -> None:
        """Put an array there (an array is copied, a tuple of sizes makes zeros). Free of charge."""
        array = np.zeros(given) if isinstance(given, tuple) else np.array(given, dtype=np.float64)
        self._flat[name], self._shape[name] = array.reshape(-1), array.shape

    def array(self, name: str) -> np.ndarray:
        """What is stored under `name`, as a copy in its shape; a look from outside, free of charge."""
        return self._known(name).reshape(self._shape[name]).copy()

    def load(self, name: str, offsets, mask=None, other: float = 0.0) -> np.ndarray:
        """The numbers at these flat offsets; `other` where mask is False. Masked places are not moved.

        An offset outside of the array raises IndexError; one inside of it is served, even if another row lives there.
        """
        flat, offsets, mask = self._known(name), *_paired(offsets, mask)
        self._check(name, offsets[mask])
        self.transfers.append((name, "read", offsets[mask]))
        return np.where(mask, flat[np.where(mask, offsets, 0)], other)

    def store(self, name: str, offsets, values, mask=None) -> None:
        """Write `values` to these flat offsets, where mask is True."""
        flat, offsets, mask = self._known(name), *_paired(offsets, mask)
        self._check(name, offsets[mask])
        self.transfers.append((name, "write", offsets[mask]))
        flat[offsets[mask]] = np.broadcast_to(values, offsets.shape)[mask]

    def moved(self, name: str | None = None, kind: str | None = None) -> int:
        """Numbers moved so far: all, or those of one array, or only "read" or "write"."""
        return sum(o.size for n, k, o in self.transfers if name in (None, n) and kind in (None, k))

    def table(self) -> dict[str, tuple[int, int]]:
        """{array: (numbers read, numbers written)}, the arrays that were touched."""
        return {name: (self.moved(name, "read"), self.moved(name, "write")) for name in self._flat if self.moved(name)}

    def _known(self, name: str) -> np.ndarray:
        if name not in self._flat:
            raise KeyError(f"there is no array {name!r} in slow memory, only {', '.join(self._flat)}")
        return self._flat[name]

    def _check(self, name: str, offsets: np.ndarray) -> None:
        size = self._flat[name].size
        if offsets.size and (offsets.min() < 0 or offsets.max() >= size):
            bad = offsets.min() if offsets.min() < 0 else offsets.max()
            raise IndexError(f"offset {bad} lies outside of {name}, which has {size} numbers: is a mask missing?")


def _paired(offsets, mask) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.asarray(offsets, dtype=np.int64)
    mask = np.ones(offsets.shape, bool) if mask is None else np.broadcast_to(mask, offsets.shape)
    return offsets, mask


def scan_memory(b: int, e: int, length: int, n: int, seed: int = 0) -> SlowMemory:
    """A random selective scan in slow memory: u, delta, y (b,e,l), A (e,n), and B, C stored time first, (b,l,n)."""
    rng = np.random.default_rng(seed)
    return SlowMemory(
        u=rng.normal(size=(b, e, length)),
        delta=rng.uniform(0.1, 1.0, (b, e, length)),
        A=-rng.uniform(0.1, 2.0, (e, n)),
        B=rng.normal(size=(b, length, n)),
        C=rng.normal(size=(b, length, n)),
        y=(b, e, length),
    )


def launch(kernel: Callable, memory: SlowMemory, tile: int, b: int, e: int, length: int, n: int) -> SlowMemory:
    """Run kernel(memory, i, row, tile, e, l, n) for every tile i of channels and every row of the batch; returns the
    memory."""
    for row in range(b):
        for i in range(-(-e // tile)):
            kernel(memory, i, row, tile, e, length, n)
    return memory


def expected_output(memory: SlowMemory) -> np.ndarray:
    """y (b,e,l) of the selective scan whose arguments lie in `memory`, by the plain recurrence."""
    u, delta, A, B, C = (memory.array(name) for name in ("u", "delta", "A", "B", "C"))
    h, y = np.zeros((*u.shape[:2], A.shape[1])), np.zeros_like(u)
    for t in range(u.shape[2]):
        dt = delta[:, :, t, None]
        h = np.exp(dt * A) * h + dt * u[:, :, t, None] * B[:, None, t]
        y[:, :, t] = (h * C[:, None, t]).sum(2)
    return y


def least_traffic(b: int, e: int, length: int, n: int) -> int:
    """Numbers that any selective scan must move: u, delta, A, B, C once in, y once out."""
    return 3 * b * e * length + e * n + 2 * b * n * length


def tiled_traffic(b: int, e: int, length: int, n: int, tile: int) -> int:
    """The same with programs of `tile` channels that share no cache: each reads B and C again, each row reads A
    again."""
    return 3 * b * e * length + b * e * n + 2 * b * n * length * -(-e // tile)


def unfused_traffic(b: int, e: int, length: int, n: int) -> int:
    """Four separate kernels that leave a = exp(delta A), x = delta u B and h, each (b,e,l,n), in slow memory, each as
    thrifty as it can be: a from delta and A; x from delta, u and B; h from a and x; y from h and C."""
    big = b * e * length * n
    return 6 * big + 4 * b * e * length + e * n + 2 * b * n * length
