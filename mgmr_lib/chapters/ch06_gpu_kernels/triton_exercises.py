"""Exercises 06.6 to 06.8: kernels that learners write in Triton, graded in its interpreter by values and by traffic."""

import numpy as np

from mgmr_lib.chapters.ch06_gpu_kernels.counted_triton import installed, jit, launch
from mgmr_lib.chapters.ch06_gpu_kernels.memory_traffic import SlowMemory, expected_output, scan_memory, tiled_traffic
from mgmr_lib.course.registry import Exercise, Wrong
from mgmr_lib.course.stages import in_stages

if installed():
    import triton.language as tl

NEEDS = ("triton", "which exists for Linux on x86-64 only")


@jit
def add(x1, x2):
    """What the running sum joins with."""
    return x1 + x2


@jit
def join(a1, x1, a2, x2):
    """Two steps h -> a h + x as one, the earlier one first."""
    return a1 * a2, a2 * x1 + x2


# --- 06.6: an elementwise kernel


def gate(y, z, out, n, BLOCK):
    """out = y silu(z); program i works on block i."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    y_block, z_block = tl.load(y + at, mask=inside), tl.load(z + at, mask=inside)
    tl.store(out + at, y_block * z_block * tl.sigmoid(z_block), mask=inside)


def _gate(load_mask=True, store_mask=True, first_only=False, again=False, formula="y z sigmoid(z)"):
    """The kernel above with one thing done otherwise."""

    def kernel(y, z, out, n, BLOCK):
        at = (0 if first_only else tl.program_id(0)) * BLOCK + tl.arange(0, BLOCK)
        loading, storing = at < n if load_mask else None, at < n if store_mask else None
        y_block, z_block = tl.load(y + at, mask=loading), tl.load(z + at, mask=loading)
        weight = tl.sigmoid(tl.load(z + at, mask=loading) if again else z_block)
        results = {
            "y z sigmoid(z)": lambda: y_block * z_block * weight,
            "y sigmoid(z)": lambda: y_block * weight,
            "z silu(y)": lambda: z_block * y_block * tl.sigmoid(y_block),
        }
        tl.store(out + at, results[formula](), mask=storing)

    return kernel


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _differs(got, want, other: dict) -> str | None:
    """None where `got` is right, else the message of the mistake whose result it is, or the first wrong number."""
    if np.allclose(got, want, rtol=1e-4, atol=1e-5):
        return None
    for message, result in other.items():
        if np.allclose(got, result, rtol=1e-4, atol=1e-5):
            return message
    at = tuple(int(k) for k in np.argwhere(~np.isclose(got, want, rtol=1e-4, atol=1e-5))[0])
    place = ", ".join(map(str, at))
    return f"the result at [{place}] is {got[at]:.4g}, it should be {want[at]:.4g}."


def _twice(memory, least: dict[str, int]) -> str | None:
    """Which array is moved more often than it must."""
    for name, (read, written) in memory.table().items():
        if read + written > least[name]:
            return (
                f"the values are right, but {name} costs {read + written} numbers of traffic where {least[name]} will "
                "do: what was loaded or computed once is in a variable."
            )
    return None


def _test_gate(kernel, rng):
    for blocks, rest in ((2, 0), (rng.randint(1, 3), rng.randint(1, 3))):
        n, draw = 4 * blocks + rest, np.random.default_rng(rng.randrange(10**6))
        y, z = draw.normal(size=n) + 2, draw.normal(size=n) + 1
        memory = launch(kernel, -(-n // 4), SlowMemory(y=y, z=z, out=(n,)), "y z out", n=n, BLOCK=4)
        right = y * z * _sigmoid(z)
        mistakes = {
            "every program worked on the first block; the others are still 0: tl.program_id(0) says which block is "
            "whose.": right * (np.arange(n) < 4),
            "silu(z) is z sigmoid(z); here the factor z is missing.": y * _sigmoid(z),
            "the two inputs changed their parts: z is the one that goes through silu.": z * y * _sigmoid(y),
            "Nothing is stored in out.": np.zeros(n),
        }
        wrong = _differs(memory.array("out"), right, mistakes) or _twice(memory, dict.fromkeys(("y", "z", "out"), n))
        if wrong:
            return f"With n = {n} in blocks of 4, {wrong}"
    return None


# --- 06.7: a running sum inside a block


def running_sum(x, y, n, BLOCK):
    """y_t = x_0 + ... + x_t, by one program, a block at a time."""
    before = 0.0
    for start in range(0, n, BLOCK):
        at = start + tl.arange(0, BLOCK)
        block = tl.load(x + at, mask=at < n, other=0.0)
        tl.store(y + at, before + tl.associative_scan(block, 0, add), mask=at < n)
        before += tl.sum(block)


def _running_sum(carry="sum", exclusive=False, mask=True, again=False, walks=False):
    """The kernel above with one thing done otherwise."""

    def kernel(x, y, n, BLOCK):
        before = 0.0
        for start in range(0, n, 1 if walks else BLOCK):
            at = start + tl.arange(0, 1 if walks else BLOCK)
            inside = at < n if mask else None
            block = tl.load(x + at, mask=inside)
            if carry == "memory" and start:
                before = tl.load(y + start - 1)
            up_to = before + tl.associative_scan(block, 0, add)
            tl.store(y + at, up_to - block if exclusive else up_to, mask=inside)
            total = tl.sum(tl.load(x + at, mask=inside) if again else block)
            before = {"sum": before + total, "none": 0.0, "last": total, "memory": before, "max": tl.max(up_to)}[carry]

    return kernel


def _by_largest(x):
    """Running sums where a block of 4 starts from the largest sum before it, in place of the last."""
    found, before = [], 0.0
    for part in np.split(x, range(4, len(x), 4)):
        found.append(before + np.cumsum(part))
        before = found[-1].max()
    return np.concatenate(found)


def _test_running_sum(kernel, rng):
    for blocks, rest in ((1, 0), (3, 0), (2, rng.randint(1, 3))):
        n = 4 * blocks + rest
        x = np.array([rng.choice([-1, 1]) * rng.randint(1, 40) / 8 for _ in range(n)])
        x[3] = -abs(x[3])  # so that the first block's last sum is not its largest
        memory = launch(kernel, 1, SlowMemory(x=x, y=(n,)), "x y", n=n, BLOCK=4)
        whole, lone = np.cumsum(x), np.concatenate([np.cumsum(part) for part in np.split(x, range(4, n, 4))])
        sums = np.array([0, *(part.sum() for part in np.split(x, range(4, n, 4)))])
        mistakes = {
            "each sum leaves out its own number: y_0 is x_0, not 0.": whole - x,
            "every block starts again from 0: carry the sum of the blocks before along.": lone,
            "a block gets the sum of one block before it; it needs those of all: add to what you carry.": lone
            + sums[np.arange(n) // 4],
            "the largest sum of a block is carried along; the last one counts, and it is smaller where numbers are "
            "below 0.": _by_largest(x),
            "Nothing is stored in y.": 0 * x,
        }
        wrong = _differs(memory.array("y"), whole, mistakes)
        if not wrong and memory.moved("y", "read"):
            wrong = "the sum so far comes back from slow memory: the program has it, keep it in a variable."
        wrong = wrong or _twice(memory, {"x": n, "y": n})
        if not wrong and len(memory.transfers) > 2 * -(-n // 4):
            wrong = f"there are {len(memory.transfers)} loads and stores: one of each will do for a block."
        if wrong:
            return f"With n = {n} in blocks of 4, {wrong}"
    return None


# --- 06.8: build it yourself, the selective scan of one channel


def channel_scan(u, delta, A, B, C, y, length, N, BLOCK):
    """Program e: the selective scan of channel e, BLOCK steps at a time."""
    channel, steps, states = tl.program_id(0), tl.arange(0, BLOCK), tl.arange(0, N)
    decay, h = tl.load(A + channel * N + states), tl.zeros((N,), dtype=tl.float32)
    for start in range(0, length, BLOCK):
        t = start + steps
        inside, own, mixing = t < length, channel * length + t, t[:, None] * N + states[None, :]
        dt, u_t = tl.load(delta + own, mask=inside), tl.load(u + own, mask=inside)
        B_t = tl.load(B + mixing, mask=inside[:, None])
        C_t = tl.load(C + mixing, mask=inside[:, None])
        a, x = tl.exp(dt[:, None] * decay[None, :]), (dt * u_t)[:, None] * B_t
        a, x = tl.associative_scan((a, x), 0, join)
        all_h = a * h[None, :] + x
        tl.store(y + own, tl.sum(all_h * C_t, axis=1), mask=inside)
        h = tl.sum(tl.where((steps == BLOCK - 1)[:, None], all_h, 0.0), axis=0)


@jit
def _later_first(a1, x1, a2, x2):
    return a1 * a2, a1 * x2 + x1


def _channel_scan(
    carry="state", joined="right", mask=True, A_again=False, own=True, mixes=True, exponential=True, block=0
):
    """The kernel above with one thing done otherwise; block: steps at a time (0: BLOCK)."""

    def kernel(u, delta, A, B, C, y, length, N, BLOCK):
        BLOCK = block or BLOCK
        channel, steps, states = (tl.program_id(0) if own else 0), tl.arange(0, BLOCK), tl.arange(0, N)
        decay, h = tl.load(A + channel * N + states), tl.zeros((N,), dtype=tl.float32)
        for start in range(0, length, BLOCK):
            t = start + steps
            inside = t < length if mask else t >= 0
            at, mixing = channel * length + t, t[:, None] * N + states[None, :]
            dt, u_t = tl.load(delta + at, mask=inside), tl.load(u + at, mask=inside)
            B_t, C_t = tl.load(B + mixing, mask=inside[:, None]), tl.load(C + mixing, mask=inside[:, None])
            if A_again and start:
                decay = tl.load(A + channel * N + states)
            rate = dt[:, None] * decay[None, :]
            steps_of_block = (tl.exp(rate) if exponential else 1 + rate), (dt * u_t)[:, None] * B_t
            a, x = tl.associative_scan(steps_of_block, 0, join if joined == "right" else _later_first)
            all_h = x + {"state": a * h[None, :], "none": 0.0, "not faded": h[None, :]}[carry]
            tl.store(y + at, tl.sum(all_h * C_t if mixes else all_h, axis=1), mask=inside)
            h = tl.sum(tl.where((steps == BLOCK - 1)[:, None], all_h, 0.0), axis=0)

    return kernel


def _scanned(kernel, rng, e: int, length: int, n: int):
    memory = scan_memory(1, e, length, n, seed=rng.randrange(10**6))
    return launch(kernel, e, memory, "u delta A B C y", length=length, N=n, BLOCK=4)


def _values(kernel, rng, e: int, length: int, n: int) -> str | None:
    memory = _scanned(kernel, rng, e, length, n)
    if not memory.moved("y", "write"):
        return "nothing is stored in y."
    return _differs(memory.array("y")[0], expected_output(memory)[0], {})


def _one_block(kernel, rng):
    return _values(kernel, rng, 1, 4, rng.choice([1, 2]))


def _carry(kernel, rng):
    memory = _scanned(kernel, rng, 1, 8, 2)
    alone = [expected_output(_steps(memory, start)) for start in (0, 4)]
    forgotten = "the second block starts from nothing: its first state needs what the first block ends with."
    want = expected_output(memory)
    wrong = _differs(memory.array("y"), want, {forgotten: np.concatenate(alone, axis=2)})
    hint = " What is carried over fades on the way: a of the joined steps says how much is left of it."
    return wrong if wrong in (None, forgotten) else wrong + hint


def _steps(memory: SlowMemory, start: int) -> SlowMemory:
    """Four steps of a scan as a scan of their own."""
    part = {name: memory.array(name)[:, :, start : start + 4] for name in ("u", "delta", "y")}
    return SlowMemory(A=memory.array("A"), **part, **{m: memory.array(m)[:, start : start + 4] for m in "BC"})


def _short_block(kernel, rng):
    return _values(kernel, rng, 1, rng.choice([9, 10, 11]), 2)


def _channels(kernel, rng):
    wrong = _values(kernel, rng, 3, rng.choice([5, 6]), 2)
    return wrong and wrong + " Program i works on channel i: its u, delta and y start at i length, its A at i N."


def _traffic(kernel, rng):
    e, length, n = 2, 8, 2
    memory = _scanned(kernel, rng, e, length, n)
    least = {"A": e * n} | dict.fromkeys(("u", "delta", "y"), e * length) | dict.fromkeys("BC", e * length * n)
    assert sum(least.values()) == tiled_traffic(1, e, length, n, 1)
    if wrong := _twice(memory, least):
        return wrong
    most = e * (1 + 5 * length // 4)
    if len(memory.transfers) > most:
        return (
            f"there are {len(memory.transfers)} loads and stores where {most} will do: load and store a whole block of "
            "steps at once."
        )
    return None


EXERCISES = [
    Exercise(
        id="06.6",
        title="the gate, your first Triton kernel",
        difficulty=1,
        minutes=10,
        reference=gate,
        test=_test_gate,
        needs=NEEDS,
        hints=(
            "Which numbers are this program's? Then: load, compute, store, each with the mask.",
            "at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK) has shape (BLOCK,), and so has the mask at < n.",
        ),
        after="Two numbers in, one out. Plain PyTorch would store silu(z) and load it again.",
        wrong=(
            Wrong("loads without mask", _gate(load_mask=False), "lies outside of y"),
            Wrong("store without mask", _gate(store_mask=False), "lies outside of out"),
            Wrong("first block only", _gate(first_only=True), "every program worked on the first block"),
            Wrong("z loaded twice", _gate(again=True), "z costs"),
            Wrong("sigmoid for silu", _gate(formula="y sigmoid(z)"), "the factor z is missing"),
            Wrong("gate and gated", _gate(formula="z silu(y)"), "changed their parts"),
        ),
    ),
    Exercise(
        id="06.7",
        title="a running sum, block by block",
        difficulty=2,
        minutes=10,
        reference=running_sum,
        test=_test_running_sum,
        needs=NEEDS,
        hints=(
            "Inside a block tl.associative_scan does it. What must be added to all of its sums? How does that change "
            "from block to block?",
            "block and its running sum have shape (BLOCK,); what is carried along is one number, and grows by "
            "tl.sum(block).",
        ),
        after="Any associative join goes there, notebook 04's too: that is a scan inside a block.",
        wrong=(
            Wrong("no carry", _running_sum(carry="none"), "every block starts again"),
            Wrong("carry of one block", _running_sum(carry="last"), "add to what you carry"),
            Wrong("exclusive", _running_sum(exclusive=True), "leaves out its own number"),
            Wrong("largest for last", _running_sum(carry="max"), "is carried along"),
            Wrong("no mask", _running_sum(mask=False), "lies outside of x"),
            Wrong("x loaded twice", _running_sum(again=True), "x costs"),
            Wrong("carry from slow memory", _running_sum(carry="memory"), "comes back from slow memory"),
            Wrong("one number at a time", _running_sum(walks=True), "one of each will do for a block"),
        ),
    ),
    Exercise(
        id="06.8",
        title="build it yourself: the selective scan of a channel",
        difficulty=3,
        minutes=20,
        reference=channel_scan,
        test=in_stages(
            ("one block", _one_block),
            ("the state from block to block", _carry),
            ("the last block", _short_block),
            ("one program for each channel", _channels),
            ("the traffic", _traffic),
        ),
        needs=NEEDS,
        hints=(
            "As the running sum, with pairs (a, x) in place of numbers and join in place of add. A state that comes "
            "into the block enters as a * h + x, with the joined a and x.",
            "steps (BLOCK,), states (N,); u, dt (BLOCK,); B, C, a, x and all states (BLOCK, N); the carried h (N,) is "
            "the last row: tl.sum(tl.where((steps == BLOCK - 1)[:, None], ..., 0.0), axis=0).",
        ),
        after="Time is shared out now, as in mamba_ssm's kernel, and the states still never left the chip.",
        wrong=(
            Wrong("joined the wrong way round", _channel_scan(joined="later first"), "Now one block: the result at"),
            Wrong("no carry", _channel_scan(carry="none"), "starts from nothing"),
            Wrong("carry does not fade", _channel_scan(carry="not faded"), "fades on the way"),
            Wrong("no mask", _channel_scan(mask=False), "is a mask missing"),
            Wrong("first channel only", _channel_scan(own=False), "Program i works on channel i"),
            Wrong("A in every block", _channel_scan(A_again=True), "A costs"),
            Wrong("one step at a time", _channel_scan(block=1), "a whole block of steps"),
        ),
    ),
]
