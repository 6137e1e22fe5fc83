"""Exercises of 06 GPU kernels: what must be moved, a kernel that moves no more, masks, recomputation, the roofline;
kernels in Triton stand in `triton_exercises`."""

import numpy as np

from mgmr_lib.chapters.ch06_gpu_kernels.memory_traffic import (
    expected_output,
    launch,
    least_traffic,
    scan_memory,
    tiled_traffic,
)
from mgmr_lib.chapters.ch06_gpu_kernels.roofline import attainable
from mgmr_lib.chapters.ch06_gpu_kernels.triton_exercises import EXERCISES as IN_TRITON
from mgmr_lib.chapters.shared.drawing import telling
from mgmr_lib.course.registry import Case, Exercise, Wrong


def scan_kernel(memory, i, row, tile, e, length, n):
    """One program: `tile` channels of one row, all time steps; the state stays in a variable."""
    channels, states = i * tile + np.arange(tile), np.arange(n)
    inside = channels < e
    A = memory.load("A", channels[:, None] * n + states, inside[:, None])
    h = np.zeros((tile, n))
    for t in range(length):
        at = (row * e + channels) * length + t
        u, dt = memory.load("u", at, inside), memory.load("delta", at, inside)
        B = memory.load("B", (row * length + t) * n + states)
        C = memory.load("C", (row * length + t) * n + states)
        h = np.exp(dt[:, None] * A) * h + (dt * u)[:, None] * B
        memory.store("y", at, (h * C).sum(1), inside)


def numbers_kept(length, T):
    """States that a backward with chunks of T steps holds for one channel and entry: the borders, and one chunk's
    own."""
    return -(-length // T) + T


def _variant(
    state="variable",
    A_again=False,
    per_channel=False,
    y_in_parts=False,
    carried=True,
    mixed=True,
    load_mask=True,
    store_mask=True,
    mask=lambda channels, e: channels < e,
    clamp=False,
    skip=False,
):
    """The kernel above with one thing done otherwise."""

    def kernel(memory, i, row, tile, e, length, n):
        channels, states = i * tile + np.arange(tile), np.arange(n)
        if skip and channels[-1] >= e:
            return
        channels = np.minimum(channels, e - 1) if clamp else channels
        inside = mask(channels, e)
        loading = inside if load_mask else np.ones(tile, bool)
        storing = inside if store_mask else np.ones(tile, bool)
        square = np.arange(tile * n).reshape(tile, n)
        if state == "slow":
            memory.allocate("h", (tile, n))
        A, h = memory.load("A", channels[:, None] * n + states, loading[:, None]), np.zeros((tile, n))
        for t in range(length):
            at, mixing = (row * e + channels) * length + t, (row * length + t) * n + states
            if A_again and t:
                A = memory.load("A", channels[:, None] * n + states, loading[:, None])
            if per_channel:
                mixing = mixing[None, :] + 0 * channels[:, None]
            u, dt = memory.load("u", at, loading), memory.load("delta", at, loading)
            B, C = memory.load("B", mixing), memory.load("C", mixing)
            if state == "slow":
                h = memory.load("h", square)
            h = np.exp(dt[:, None] * A) * (h if carried else 0.0) + (dt * u)[:, None] * B
            if state == "slow":
                memory.store("h", square, h)
            out = h * C if mixed else h
            if not y_in_parts:
                memory.store("y", at, out.sum(1), storing)
                continue
            for k in range(n):
                memory.store("y", at, (memory.load("y", at, storing) if k else 0.0) + out[:, k], storing)

    return kernel


class _Counted:
    """A slow memory of which a kernel sees only what is counted: load, store, allocate."""

    def __init__(self, memory):
        self.load, self.store, self.allocate = memory.load, memory.store, memory.allocate

    def __getattr__(self, name):
        raise AttributeError(
            "a kernel moves numbers by memory.load and memory.store alone, so that they are counted; not by "
            f"memory.{name}"
        )


def _run(kernel, b, e, length, n, tile, rng):
    memory = scan_memory(b, e, length, n, seed=rng.randrange(10**6))
    launch(lambda _, *where: kernel(_Counted(memory), *where), memory, tile, b, e, length, n)
    return memory


def _uncounted(memory, i, row, tile, e, length, n):
    u, delta, A, B, C = (memory.array(name) for name in ("u", "delta", "A", "B", "C"))
    h = np.zeros((tile, n))
    for t in range(length):
        dt = delta[row, i * tile : (i + 1) * tile, t, None]
        h = np.exp(dt * A[i * tile : (i + 1) * tile]) * h + dt * u[row, i * tile : (i + 1) * tile, t, None] * B[row, t]
        memory.array("y")[row, i * tile : (i + 1) * tile, t] = (h * C[row, t]).sum(1)


def _wrong_values(memory) -> str | None:
    got, want = memory.array("y"), expected_output(memory)
    if np.allclose(got, want):
        return None
    if not memory.moved("y", "write"):
        return "Nothing is stored in y."
    row, e, t = (int(k) for k in np.argwhere(~np.isclose(got, want))[0])
    return f"y is {got[row, e, t]:.4g} in row {row}, channel {e}, step {t}; the recurrence gives {want[row, e, t]:.4g}."


def _test_fused(kernel, rng):
    for b, tiles in ((1, 1), (2, 2), (2, 3)):
        tile, n = rng.sample([2, 3, 4], 2)
        e, length = tile * tiles, 5 if tiles == 3 else rng.choice([5, 7])  # more channels than steps, too
        memory = _run(kernel, b, e, length, n, tile, rng)
        if message := _wrong_values(memory):
            return message
        least = tiled_traffic(b, e, length, n, tile)
        if memory.moved() > least:
            return (
                f"Right, with a score of {memory.moved()}; {least} is possible. {_waste(memory, b, e, length, n, tile)}"
            )
    return None


def _waste(memory, b, e, length, n, tile) -> str:
    """Which array is moved too often."""
    for name, (read, written) in memory.table().items():
        if name not in ("u", "delta", "A", "B", "C", "y"):
            return (
                f"{name} makes {read + written} numbers of traffic: what a program needs again belongs in a variable."
            )
        if name == "A" and read > b * e * n:
            return (
                f"A is read {read / (b * e * n):.0f} times, and it is the same at every step: load it before the loop."
            )
        if name in "BC" and read > b * length * n * (e // tile):
            return (
                f"{name} is loaded for each channel of the tile: its n numbers serve all of them, let them broadcast."
            )
        if name == "y" and (read or written > b * e * length):
            return "y is put together in slow memory: sum over the states first, then store each number once."
    return "Look for a number that is moved twice."


def _test_masked(kernel, rng):
    for n in rng.sample([1, 2, 3], 3):
        tile, length = 4, rng.choice([2, 5])
        e = tile * rng.randint(1, 2) + rng.randint(1, 2)
        where = f"With e = {e} channels and tiles of {tile}, row 0 "
        memory = scan_memory(2, e, length, n, seed=rng.randrange(10**6))
        memory.allocate("A", np.pad(memory.array("A"), ((0, tile), (0, 0))))  # on a GPU some other array lies behind A
        for i in range(-(-e // tile)):
            kernel(memory, i, 0, tile, e, length, n)
        if strayed := _strayed(memory, e, length, n):
            return where + strayed
        if np.abs(memory.array("y")[0]).min() == 0:
            return where + "leaves channels without a result: the last tile is not full, but it must run."
        if message := _wrong_values(_run(kernel, 2, e, length, n, tile, rng)):
            return message
        if memory.moved() > tiled_traffic(1, e, length, n, tile):
            return where + "moves some channels several times: mask them out instead of doing the last one again."
    return None


def _strayed(memory, e: int, length: int, n: int) -> str | None:
    """Whether the programs of row 0 touched what is not theirs."""
    a_channel = {"u": length, "delta": length, "y": length, "A": n}
    furthest = {
        (name, kind): offsets.max() // a_channel[name] - e
        for name, kind, offsets in memory.transfers
        if name in a_channel and offsets.size and offsets.max() >= e * a_channel[name]
    }
    reads = sorted(name for name, kind in furthest if kind == "read")
    if not furthest:
        return None
    if ("y", "write") in furthest and reads:
        if max(furthest.values()) == 0:
            return f"works on one channel too many: channels count from 0, so channel {e} does not exist."
        return "loads and stores beyond its channels, in row 1: nothing holds the last tile back, give it a mask."
    if reads:
        return f"loads numbers of {reads[0]} that are not its own: give every load of channels the mask."
    return "stores into y of row 1: the loads are masked, the store needs the mask too."


def _traffic_cases(rng):
    def sizes(rng):
        return rng.randint(2, 4), rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 5)

    def all_different(drawn):
        return len(set(drawn)) == len(drawn)

    return [Case((1, 1, 1, 1), "one number of each"), *(telling(rng, sizes, all_different) for _ in range(4))]


EXERCISES = [
    Exercise(
        id="06.1",
        title="what must be moved at least",
        difficulty=1,
        minutes=5,
        reference=least_traffic,
        cases=_traffic_cases,
        hints=(
            "Every input enters once, the output leaves once. What stays on the chip costs nothing.",
            "u, delta and y have b e l numbers each, A has e n, B and C have b n l each: five arrays in, one out.",
        ),
        after="No program can score below this; a good kernel comes close.",
        wrong=(
            Wrong(
                "output forgotten",
                lambda b, e, length, n: 2 * b * e * length + e * n + 2 * b * n * length,
                "output",
                "The output is missing: y leaves the chip, once.",
            ),
            Wrong(
                "states counted",
                lambda b, e, length, n: least_traffic(b, e, length, n) + b * e * length * n,
                "never has to leave",
                "This counts the states; h is needed from one step to the next, but it never has to leave the chip.",
            ),
            Wrong(
                "B and C per channel",
                lambda b, e, length, n: 3 * b * e * length + e * n + 2 * b * e * n * length,
                "share",
                "This moves B and C for every channel; all e channels share them.",
            ),
            Wrong(
                "A per row",
                lambda b, e, length, n: 3 * b * e * length + b * e * n + 2 * b * n * length,
                "every row of the batch",
                "This moves A for every row of the batch; the rows have it in common, so once is enough.",
            ),
            Wrong(
                "one of B and C",
                lambda b, e, length, n: 3 * b * e * length + e * n + b * n * length,
                "two arrays",
                "B and C are two arrays of b n l numbers; here only one of them is counted.",
            ),
        ),
    ),
    Exercise(
        id="06.2",
        title="the fused kernel, at the lowest score",
        difficulty=2,
        minutes=15,
        reference=scan_kernel,
        test=_test_fused,
        hints=(
            "Move everything that does not change with t in front of the loop, and keep the state in a Python "
            "variable.",
            "Per program: A (tile, n) and h (tile, n) once; per step u, delta (tile,), B, C (n,) in, and y (tile,) "
            "out.",
        ),
        after="That is the whole idea of the GPU kernel: the state never leaves the chip.",
        wrong=(
            Wrong("state in slow memory", _variant(state="slow"), "h makes"),
            Wrong("A in every step", _variant(A_again=True), "A is read"),
            Wrong("B and C per channel", _variant(per_channel=True), "for each channel of the tile"),
            Wrong("y in parts", _variant(y_in_parts=True), "put together in slow memory"),
            Wrong("state not carried", _variant(carried=False), "step 1;"),
            Wrong("C forgotten", _variant(mixed=False), "channel 0, step 0;"),
            Wrong("nothing stored", lambda memory, i, row, tile, e, length, n: None, "Nothing is stored"),
            Wrong("not counted", _uncounted, "so that they are counted"),
        ),
    ),
    Exercise(
        id="06.3",
        title="find the bug: the last tile",
        difficulty=2,
        minutes=10,
        reference=scan_kernel,
        test=_test_masked,
        hints=(
            "Which channels does the last program hold if e is no multiple of tile? Whose numbers lie at those "
            "offsets?",
            "inside = channels < e has shape (tile,): it goes to the loads of u, delta and A (as inside[:, None]) and "
            "to the store of y.",
        ),
        after="In our count a mask costs nothing, and without it the last tile writes into the next row.",
        wrong=(
            Wrong("no mask", _variant(load_mask=False, store_mask=False), "nothing holds the last tile back"),
            Wrong("store without mask", _variant(store_mask=False), "the store needs"),
            Wrong("loads without mask", _variant(load_mask=False), "not its own"),
            Wrong("one channel too many", _variant(mask=lambda channels, e: channels <= e), "one channel too many"),
            Wrong("last tile left out", _variant(skip=True), "not full"),
            Wrong("last channel again", _variant(clamp=True), "several times"),
        ),
    ),
    Exercise(
        id="06.4",
        title="what a recomputing backward keeps",
        difficulty=1,
        minutes=5,
        reference=numbers_kept,
        cases=lambda rng: [(16, 4), (17, 4), (5, 8)] + [(rng.randint(50, 400), rng.randint(3, 20)) for _ in range(3)],
        hints=(
            "One state at the start of each chunk, and room for the states of the one chunk that is being recomputed.",
            "length and T are whole numbers; the last chunk may be shorter and has a start all the same: round up.",
        ),
        after="With T near the square root of l it is smallest, as in notebook 04.",
        wrong=(
            Wrong(
                "rounded down",
                lambda length, T: length // T + T,
                "shorter chunk at the end",
                "A shorter chunk at the end has a start too: round the number of chunks up.",
            ),
            Wrong(
                "no scratch",
                lambda length, T: -(-length // T),
                "room",
                "While a chunk is worked on, its T states need room: add them.",
            ),
            Wrong(
                "all scratch",
                lambda length, T: -(-length // T) * (T + 1),
                "one chunk at a time",
                "Only one chunk at a time has its states in memory; this keeps those of all chunks.",
            ),
            Wrong(
                "all states",
                lambda length, T: length + T,
                "every state",
                "This keeps every state, which is what we want to avoid: keep one a chunk.",
            ),
        ),
    ),
    Exercise(
        id="06.5",
        title="the roofline",
        difficulty=1,
        minutes=5,
        reference=attainable,
        cases=lambda rng: (
            [Case((1.0, 100.0, 10.0), "few operations a byte"), Case((50.0, 100.0, 10.0), "many operations a byte")]
            + [(rng.randint(1, 7) / 4, rng.randint(120, 360) / 4, rng.randint(17, 59) / 4 + 0.1) for _ in range(3)]
            + [(float(rng.randint(20, 30)), f + 0.25, rng.randint(17, 59) / 4) for f in rng.sample(range(20, 80), 3)]
        ),
        hints=(
            "Memory feeds at most intensity times bandwidth operations a second. The arithmetic units cap it.",
            "Three numbers in, one out: operations a second, the lower one of two roofs.",
        ),
        after="Left of the corner only fewer bytes help; right of it only fewer operations.",
        wrong=(
            Wrong(
                "higher roof",
                lambda intensity, flops, bandwidth: max(flops, intensity * bandwidth),
                "higher",
                "This takes the higher roof; the lower one stops us.",
            ),
            Wrong(
                "memory alone",
                lambda intensity, flops, bandwidth: intensity * bandwidth,
                "without end",
                "This grows without end; the arithmetic units have a peak.",
            ),
            Wrong(
                "peak alone",
                lambda intensity, flops, bandwidth: flops,
                "may wait",
                "The units may wait for memory: at low intensity the bandwidth is the limit.",
            ),
            Wrong(
                "divided",
                lambda intensity, flops, bandwidth: min(flops, bandwidth / intensity),
                "times operations",
                "Bytes a second times operations a byte gives operations a second; here they are divided.",
            ),
            Wrong(
                "sum",
                lambda intensity, flops, bandwidth: flops + intensity * bandwidth,
                "do not add",
                "The two roofs do not add: each is a limit of its own.",
            ),
        ),
    ),
    *IN_TRITON,
]
