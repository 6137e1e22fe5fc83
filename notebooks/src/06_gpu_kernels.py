# ---
# jupyter:
#   mgmr:
#     title: The state never leaves the chip
#     claim: "In a plain scan a GPU waits for memory, not for arithmetic, say the data sheets: what saves most is never to write the states down."
#     goals:
#       - say what a GPU's memories are, and what must be moved for a scan
#       - write a fused scan kernel with the lowest possible score
#       - mask the last tile, and find the bug where that is forgotten
#       - read a Triton kernel, write one, and run both without a GPU
#       - place a computation under a roofline
#       - compare the rungs of the scan ladder, and know which numbers are still missing
#     minutes: 90
#     budget_s: 60
#     device: cpu
#     requires: ["04"]
#     introduces: [slow and fast memory, GPU kernel, tile, fusion, arithmetic intensity, roofline]
# ---
# %% [markdown]
# ## What a fetched number costs
# A GPU adds and multiplies with thousands of units, and fetches its numbers from memory chips that lie beside it. Both speeds stand
# in its data sheet.
#
# **Predict:** an H100 fetches one float32 number from its memory. How many operations could it have done in that time: about
# one, ten, or a hundred?

# %%
import importlib.util
import os

os.environ["TRITON_INTERPRET"] = "1"  # before triton is imported: kernels then run in Python, on the CPU
import numpy as np
import torch
from matplotlib import pyplot as plt

from mgmr_lib.chapters.ch06_gpu_kernels import counted_triton, figures, listing, recorded, warp_scans
from mgmr_lib.chapters.ch06_gpu_kernels.memory_traffic import (SlowMemory, expected_output, launch, least_traffic,
                                                               scan_memory, tiled_traffic, unfused_traffic)
from mgmr_lib.chapters.ch06_gpu_kernels.roofline import (A100_MEMORIES, DEVICES, matmul_cost, modelled_seconds,
                                                         scan_cost)
from mgmr_lib.chapters.shared import part_one_figures as figures_partI
from mgmr_lib.course import check, exercise, explore, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.ssm import available_backends, selective_scan

use_style()
has_triton = importlib.util.find_spec("triton") is not None

# %%
predict("06.a", "How many operations could an H100 have done while one number arrives?",
        {"about one": 1, "about ten": 10, "about a hundred": 100})

# %%
for device in DEVICES:
    print(f"{device.name:5} {device.bandwidth / 1e9:5.0f} GB/s   {device.flops / 1e12:5.1f} x 10^12 operations/s   "
          f"{4 * device.balance:4.0f} operations while one float32 arrives")

# %%
assert DEVICES[-1].name == "H100"
outcome("06.a", 4 * DEVICES[-1].balance,
        because="Fetching a number looks like a mere preparation for the arithmetic, but on a GPU it is the "
        "slow part.")

# %% [markdown]
# These are data-sheet figures; nothing in this notebook is measured on a GPU unless it says so. But the proportion decides
# everything here: a kernel that fetches a number for each of its few operations leaves most of the chip idle. So in this
# notebook we do not count operations. We count *numbers moved*.

# %% [markdown]
# **Two sittings.** Sections 5 and 9 are a second sitting of 60 minutes, and optional: the library's kernel, read line by line, and the
# scan inside a block that you build yourself. The 90 minutes at the top are for the rest. You need not read
# section 5 for that, but run its cells: section 7 uses two of its functions.

# %% [markdown]
# ## 1 Two memories
# Think of a GPU as two memories ([slow and fast memory](glossary.md#slow-and-fast-memory)), in papers *HBM* and *SRAM*. The slow one holds all tensors:
# tens of gigabytes, beside the chip. The fast one lies on the chip, next to the arithmetic: registers and a small shared store,
# some hundred kilobytes for each of the processors in it. A function that runs on the chip is a
# [GPU kernel](glossary.md#gpu-kernel). It loads, computes and stores; when it ends, its fast memory is lost.

# %%
fig, ax = plt.subplots(figsize=(9, 2.4))
figures.memories(ax, A100_MEMORIES)
ax.set_title("Outwards each memory is slower, and only the last one is large")
named = [f"{m.name} {m.bandwidth / 1e12:.3g}" for m in A100_MEMORIES]
show(fig, f"The memories of an A100, all multiprocessors together, in TB/s: {', '.join(named)}. The first three "
     "lie on the chip and hold tens of megabytes each; the last lies beside it and holds 80 GB.")

# %% [markdown]
# Sizes, the L2 cache's 5120 bytes a clock and HBM's bandwidth are the maker's [@choquette2021]. The other two are counts: an
# arithmetic unit takes three numbers from registers and gives one back each clock, and shared memory has 32 banks of 4 bytes. *SRAM* in
# papers is shared memory [@dao2022]. Our kernels keep their state one level further in: in registers.

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $b$, $e$, $l$, $n$ | batch, channels, length, state size | sizes |
# | $u$, $\Delta$, $y$ | input, time step, output | $(b, e, l)$ each |
# | $A$ | decay rates | $(e, n)$ |
# | $B$, $C$ | into the state, out of the state | here stored as $(b, l, n)$ |
# | $h$ | all states, if anybody keeps them | $(b, e, l, n)$ |

# %% [markdown]
# The scan of notebook 04, again: $h_t = e^{\Delta_t A} h_{t-1} + \Delta_t B_t u_t$ and $y_t = \sum_n C_t h_t$.
#
# ### Exercise 06.1 · what must be moved at least (easy, 5 minutes)
# Assume a perfect kernel whose fast memory holds whatever it likes. How many numbers must cross between slow memory and the
# chip, in and out together, for one scan?


# %%
@exercise("06.1")
def numbers_moved(b, e, length, n):
    """Sizes -> the least count of numbers that any scan moves."""
    # SOLUTION
    inputs = 2 * b * e * length + e * n + 2 * b * n * length
    return inputs + b * e * length
    # END SOLUTION


# %%
check("06.1", numbers_moved)

# %% [markdown]
# What does plain PyTorch do? Each operation is a kernel of its own. It reads its operands from slow memory and writes its
# result back. At best, four of them: $a = e^{\Delta A}$, then $x = \Delta B u$, then the recurrence, then the sum with $C$.
# Three of their results have the size of $h$.
#
# **Predict, then run:** at $n = 16$, by which factor does it move more than it must?

# %%
predict("06.b", "How many times the least do the four kernels move?",
        {"2 times": 2, "4 times, once a kernel": 4, "16 times, the state size": 16, "more than 30 times": 33})

# %% tags=["baseline"]
sizes = 32, 1024, 2048, 16  # b, e, l, n
least, apart = numbers_moved(*sizes), unfused_traffic(*sizes)
assert least == least_traffic(*sizes)
say(f"At (b, e, l, n) = {sizes}, four separate kernels move {apart / least:.0f} times the least. The states "
    "alone take "
    f"{4 * np.prod(sizes) / 1e9:.1f} GB in float32; what must be moved is {4 * least / 1e9:.1f} GB in all.")

# %%
outcome("06.b", apart / least,
        because="It is not the kernels that count: three results have the size of all states, and each of "
        "them is written and then read again.")

# %% [markdown]
# ## 2 A puzzle with a score
# We play with a toy: `SlowMemory` holds flat arrays, serves loads and stores by *offset*, and counts. What a kernel keeps in
# Python variables is in fast memory and free. A row of a batch is cut into groups of channels, each called a
# [tile](glossary.md#tile). One copy of the kernel, a *program*, works on one tile of one row.

# %%
memory = SlowMemory(v=[10.0, 11.0, 12.0, 13.0, 14.0, 15.0], sums=(2,))
first = memory.load("v", np.arange(3))
memory.store("sums", 0, first.sum())
print("loaded", first, "stored", memory.array("sums"), "score", memory.moved())

# %% [markdown]
# Offsets are what a GPU wants: memory is one long line. Element $(r, c, t)$ of an array $(b, e, l)$ lies at offset
# $(r\,e + c)\,l + t$. Here is a first scan kernel. Its result is right.
#
# **Predict:** which of its lines move numbers that need not move?

# %%
predict("06.c", "Which arrays does the first kernel move in vain?",
        ["u and delta", "B and C", "h only", "A and h"])


# %%
def first_kernel(memory, i, row, tile, e, length, n):
    """Program i of a row: channels i*tile, i*tile+1, ...; all time steps."""
    channels, states = i * tile + np.arange(tile), np.arange(n)
    own = np.arange(tile * n).reshape(tile, n)
    memory.allocate("h", (tile, n))
    for t in range(length):
        at = (row * e + channels) * length + t
        u, delta = memory.load("u", at), memory.load("delta", at)
        A = memory.load("A", channels[:, None] * n + states)
        B = memory.load("B", (row * length + t) * n + states)
        C = memory.load("C", (row * length + t) * n + states)
        h = np.exp(delta[:, None] * A) * memory.load("h", own) + (delta * u)[:, None] * B
        memory.store("h", own, h)
        memory.store("y", at, (h * C).sum(1))


# %%
def played(kernel, b=1, e=4, length=6, n=3, tile=4):
    """Run a kernel on a random scan; the memory afterwards."""
    memory = launch(kernel, scan_memory(b, e, length, n), tile, b, e, length, n)
    assert np.allclose(memory.array("y"), expected_output(memory)), "the output is wrong"
    return memory


print("score", played(first_kernel).moved(), "of at least", numbers_moved(1, 4, 6, 3))

# %% [markdown]
# ### Exercise 06.2 · the lowest score (medium, 15 minutes)
# Write the kernel again with the least possible score. The number of channels is a multiple of `tile` for now. The check tells what
# is moved in vain.


# %%
@exercise("06.2")
def fused_kernel(memory, i, row, tile, e, length, n):
    """Channels i*tile ... of one row: reads u, delta, A, B, C, stores y, and keeps the state to itself."""
    # SOLUTION
    channels, states = i * tile + np.arange(tile), np.arange(n)
    A = memory.load("A", channels[:, None] * n + states)
    h = np.zeros((tile, n))
    for t in range(length):
        at = (row * e + channels) * length + t
        u, delta = memory.load("u", at), memory.load("delta", at)
        B = memory.load("B", (row * length + t) * n + states)
        C = memory.load("C", (row * length + t) * n + states)
        h = np.exp(delta[:, None] * A) * h + (delta * u)[:, None] * B
        memory.store("y", at, (h * C).sum(1))
    # END SOLUTION


# %%
check("06.2", fused_kernel)

# %%
fig = plt.figure(figsize=(9, 3.6))
kernels = {"first kernel": played(first_kernel), "state kept on the chip": played(fused_kernel)}
figures_partI.memory_traffic(fig, kernels)
fig.suptitle("What crosses to slow memory, transfer by transfer", x=0.01, ha="left")
scores = [m.moved() for m in kernels.values()]
show(fig, f"Each dot is a transfer, its area the count of numbers. The first kernel reads A and h and writes "
     f"h at every step, score {scores[0]}. "
     f"The second loads A once and never moves h, score {scores[1]}.")

# %%
first_table, fused_table = (m.table() for m in kernels.values())
in_vain = [name for name in first_table if sum(first_table[name]) > sum(fused_table.get(name, (0, 0)))]
outcome("06.c", " and ".join(in_vain) if len(in_vain) > 1 else f"{in_vain[0]} only",
        because="Moving is in vain where the chip had the number already: the state, and whatever is the same"
        " at every step.")

# %% [markdown]
# To join several operations into one kernel, so that what lies between them stays on the chip, is called
# [fusion](glossary.md#fusion). It computes the same. It only writes less down.
#
# **Predict, then run:** how does the gain depend on the state size $n$? And on the length?

# %%
predict("06.d", "With what does the gain of fusion grow?",
        ["with neither", "with n, hardly with the length", "with the length, hardly with n", "with both"])

# %%
for n in (1, 4, 16, 64):
    gains = [unfused_traffic(32, 1024, length, n) / least_traffic(32, 1024, length, n) for length in (64, 2048)]
    print(f"n = {n:3}: separate kernels move {gains[0]:5.1f} times the least at l = 64, {gains[1]:5.1f} at l = 2048")

# %%
gain = {(n, length): unfused_traffic(32, 1024, length, n) / least_traffic(32, 1024, length, n)
        for n in (1, 64) for length in (64, 2048)}
with_n, with_length = gain[64, 2048] > 2 * gain[1, 2048], gain[64, 2048] > 1.2 * gain[64, 64]
outcome("06.d", {(False, False): "with neither", (True, False): "with n, hardly with the length",
                 (False, True): "with the length, hardly with n", (True, True): "with both"}[with_n, with_length],
        because="A longer clip multiplies what must be moved and what is moved in vain alike; a larger state "
        "multiplies mostly what is moved in vain.")

# %% [markdown]
# ## 3 Tiles, and the last one
# A program's fast memory is small: a tile of channels times $n$ states has to fit. More tiles mean more programs that run side
# by side, which a GPU needs. But each of them loads $B$ and $C$ for itself.
#
# **Predict, then run:** with 64 channels, how large must a tile be until this repeated loading hardly matters?

# %%
predict("06.e", "Which tile is the first that costs less than a fifth more than the least?",
        {"2 channels": 2, "4 channels": 4, "16 channels": 16, "all 64 channels": 64})

# %%
tiles = [1, 2, 4, 8, 16, 32, 64]
simulated = [played(fused_kernel, e=64, length=8, n=4, tile=k).moved() for k in tiles]
assert simulated == [tiled_traffic(1, 64, 8, 4, k) for k in tiles]
fig, ax = plt.subplots()
ax.plot(tiles, simulated, "o-", label="score of the kernel")
ax.axhline(least_traffic(1, 64, 8, 4), color="#E69F00", ls="--", label="least possible")
ax.set(title="Small tiles load B and C again and again", xlabel="channels a tile", ylabel="numbers moved", xscale="log")
ax.set_xticks(tiles, [str(k) for k in tiles])
ax.legend()
show(fig, f"Score against tile size for 64 channels: {simulated[0]} with one channel a tile, {simulated[-1]} "
     "with all in one.")

# %%
outcome("06.e", next(k for k, moved in zip(tiles, simulated, strict=True) if moved < 1.2 * least_traffic(1, 64, 8, 4)),
        because="Each doubling of the tile halves what is loaded again, so the first few doublings save "
        "nearly all of it.")

# %% [markdown]
# What if $e$ is no multiple of the tile? With six channels in tiles of four, the second program holds channels 4 to 7, and two
# of them do not exist. Their offsets do. On a GPU nobody stops the kernel; in our toy we put two rows behind $A$ to play that.


# %%
memory = scan_memory(2, 6, 4, 3)
memory.allocate("A", np.pad(memory.array("A"), ((0, 2), (0, 0))))
for i in range(2):
    first_kernel(memory, i, 0, 4, 6, 4, 3)
print("only row 0 was launched; row 1 of y, first three channels:")
print(memory.array("y")[1, :3].round(2))

# %% [markdown]
# The program of row 0 wrote into row 1. If row 1 happens to run later, it repairs the damage, and the test is green. If it runs
# earlier, two of its channels are wrong. Such a bug shows on some days only.

# %% [markdown]
# ### Exercise 06.3 · find the bug: the last tile (medium, 10 minutes)
# Loads and stores take a `mask`, True where a place exists. Masked places are not moved and load as zero. Write the kernel so
# that it is right for every $e$, and touches nothing that is not its own.


# %%
@exercise("06.3")
def masked_kernel(memory, i, row, tile, e, length, n):
    """As fused_kernel, for any number of channels e."""
    # SOLUTION
    channels, states = i * tile + np.arange(tile), np.arange(n)
    inside = channels < e
    A = memory.load("A", channels[:, None] * n + states, mask=inside[:, None])
    h = np.zeros((tile, n))
    for t in range(length):
        at = (row * e + channels) * length + t
        u, delta = memory.load("u", at, mask=inside), memory.load("delta", at, mask=inside)
        B = memory.load("B", (row * length + t) * n + states)
        C = memory.load("C", (row * length + t) * n + states)
        h = np.exp(delta[:, None] * A) * h + (delta * u)[:, None] * B
        memory.store("y", at, (h * C).sum(1), mask=inside)
    # END SOLUTION


# %%
check("06.3", masked_kernel)

# %%
memory = played(masked_kernel, b=2, e=6, length=4, n=3)
print("score", memory.moved(), "=", tiled_traffic(2, 6, 4, 3, tile=4), "as the formula says, for e = 6 in tiles of 4")

# %% [markdown]
# ## 4 The same kernel in Triton
# Triton [@tillet2019] compiles a Python function to a GPU kernel. Hold the two side by side, and you can read it already:
#
# | our toy | Triton |
# |---|---|
# | `i, row` are arguments | `tl.program_id(0)`, `tl.program_id(1)` |
# | `np.arange(tile)` | `tl.arange(0, TILE)`, a power of two that is known when it is compiled |
# | `memory.load("u", at, mask=inside)` | `tl.load(u + at, mask=inside, other=0.0)`: `u` is an address |
# | variables | registers of the chip |
# | `launch(kernel, memory, ...)` | `kernel[(tiles, rows)](u, delta, ...)` |

# %%
if has_triton:
    import triton
    import triton.language as tl

    @triton.jit
    def triton_kernel(u, delta, A, B, C, y, e, length, N: tl.constexpr, TILE: tl.constexpr):
        i, row = tl.program_id(0), tl.program_id(1)
        channels, states = i * TILE + tl.arange(0, TILE), tl.arange(0, N)
        inside = channels < e
        A_tile = tl.load(A + channels[:, None] * N + states[None, :], mask=inside[:, None], other=0.0)
        h = tl.zeros((TILE, N), dtype=tl.float32)
        for t in range(length):
            at = (row * e + channels) * length + t
            u_t = tl.load(u + at, mask=inside, other=0.0)
            dt = tl.load(delta + at, mask=inside, other=0.0)
            B_t = tl.load(B + (row * length + t) * N + states)
            C_t = tl.load(C + (row * length + t) * N + states)
            h = tl.exp(dt[:, None] * A_tile) * h + (dt * u_t)[:, None] * B_t[None, :]
            tl.store(y + at, tl.sum(h * C_t[None, :], axis=1), mask=inside)

# %% [markdown]
# There is no GPU here, so `TRITON_INTERPRET=1` (first cell) makes Triton run each program in Python, one after the other. That
# is slow and says nothing about speed, and it hides what depends on order: two programs that write to the same place, as in section 3,
# disturb each other on a GPU only. Without Triton (it exists for Linux) the cell says so, and the toy above stays your kernel.

# %% tags=["nbval-ignore-output"]
memory = scan_memory(2, 6, 8, 4)
u, delta, A, B, C = (torch.tensor(memory.array(k), dtype=torch.float32) for k in ("u", "delta", "A", "B", "C"))
if has_triton:
    y = torch.zeros(2, 6, 8)
    triton_kernel[(2, 2)](u, delta, A, B, C, y, 6, 8, N=4, TILE=4)  # two tiles, two rows: four programs
    error = np.abs(y.numpy() - expected_output(memory)).max()
    print("four programs have run; the result equals the toy's:", error < 1e-5)
else:
    print("skipped: the package triton is not installed here (on Linux: pip install triton)")

# %% [markdown]
# ## 5 The library's kernel (second sitting, optional)
# `mgmr_lib/ssm/engines/triton_scan.py` is this kernel, grown up. Before you read: it also adds `delta_bias`, softplus, the skip $D u$
# and the gate silu(z); starts from a given state; serves $B$ and $C$ that are constant or in groups; and it leaves something
# behind for the backward.
#
# **Predict:** what does a backward need that must be saved on the way?

# %%
predict("06.f", "Which of its states does the forward kernel store for the backward?",
        ["none", "only the last one", "one every now and then", "all of them"])

# %% tags=["nbval-ignore-output"]
notes = {
    "tl.program_id(0)": "Which tile, which row: as in our kernel. Batches may be large, so b counts in 64 bits.",
    "e < E": "The masks: channels that do not exist, and states up to the next power of two.",
    "h = tl.load(h0": "The state starts from what the caller gives, and lives in registers from here on.",
    "LOG2_E": "exp(x) = exp2(x log2(e)): the chip has a unit for exp2, and the factor is folded into A once.",
    "tl.store(borders": "For the backward: the state at the start of every chunk. But for the last one, no other "
    "states leave the chip.",
    "SOFTPLUS": "Known when it is compiled: the branch that is not taken costs nothing.",
    "tl.exp2(": "The recurrence itself. Nothing of size (b,e,l,n) is ever stored.",
    "tl.sum(h * C_t": "The output of a step is a sum over the tile's states.",
    "tl.store(y": "One store a step, in the caller's dtype; all arithmetic before it is float32.",
    "tl.store(last": "The last state, for those who go on step by step.",
}
kernel_lines = listing.source_lines(REPOSITORY / "mgmr_lib" / "ssm" / "engines" / "triton_scan.py", "scan_forward")
print(listing.annotated(kernel_lines, notes))

# %%
stores = [line.split("tl.store(")[1].split()[0] for line in kernel_lines if "tl.store(" in line]
assert stores == ["borders", "y", "last"]  # one state a chunk, the output, and the last state for the caller
outcome("06.f", "one every now and then",
        because="A state that was not stored can be computed again from an earlier one, so the backward needs"
        " only places to start from.")

# %% [markdown]
# ### The backward recomputes
# Notebook 04: the backward is the same scan, reversed, and it needs the states. To keep them all would undo everything that
# fusion gained. So the forward stores one state a chunk of $T$ steps. The backward takes chunk after chunk, last one first,
# computes its states again into a small scratch, and walks back over them [@gu2023].

# %% [markdown]
# ### Exercise 06.4 · what a recomputing backward keeps (easy, 5 minutes)
# Count the states held at the same time, for one channel and one entry: one for the start of each chunk, and the scratch of one
# chunk, which has room for $T$ states whatever the length.


# %%
@exercise("06.4")
def states_kept(length, T):
    """Length l and chunk T (whole numbers) -> states held."""
    # SOLUTION
    chunks = (length + T - 1) // T
    return chunks + T
    # END SOLUTION


# %%
check("06.4", states_kept)

# %%
chunk = [1, 4, 8, 16, 32, 64, 128, 512, 2048]
kept = [states_kept(2048, T) for T in chunk]
fig, ax = plt.subplots()
ax.plot(chunk, kept, "o-")
ax.axhline(2048, ls="--", color="#777777", label="all states kept")
ax.set(title="A chunk near the square root of the length keeps the least", xlabel="steps a chunk T",
       ylabel="states kept", xscale="log", yscale="log")
ax.legend()
show(fig, f"States kept for 2048 steps against the chunk length. The least of these is {min(kept)}, at T = "
     f"{chunk[kept.index(min(kept))]}; "
     f"keeping everything takes 2048.")

# %% [markdown]
# The price is one more run of the recurrence. Where memory is the limit, the chip has that arithmetic to spare; where the exponentials are (section 6 meets that case, in bfloat16), it has not.
#
# Now both kernels of the library against the float64 oracle, values and gradients, under the interpreter and at tiny sizes.


# %%
def tiny(b=2, e=5, length=9, n=3):
    """u, delta (b,e,l), A (e,n), B, C (b,n,l), D (e), z (b,e,l) in float32; sizes that fill no tile."""
    made = torch.Generator().manual_seed(3)
    u, z = torch.randn(2, b, e, length, generator=made)
    B, C = torch.randn(2, b, n, length, generator=made)
    delta, A = torch.rand(b, e, length, generator=made), -torch.rand(e, n, generator=made)
    return u, delta, A, B, C, torch.randn(e, generator=made), z


# %%
def distance_to_oracle(backend):
    """Largest error of values and of gradients against the float64 reference, relative to the largest number."""
    results = []
    for name, dtype in ((backend, torch.float32), ("reference", torch.float64)):
        given = [v.to(dtype).requires_grad_() for v in tiny()]
        y = selective_scan(*given, backend=name)
        results.append((y, *torch.autograd.grad(y.square().sum(), given)))
    errors = [((p - q).abs().max() / q.abs().max()).item() for p, q in zip(*results, strict=True)]
    return errors[0], max(errors[1:])


# %% tags=["nbval-ignore-output"]
if has_triton:
    values, gradients = distance_to_oracle("triton")
    print(f"Triton, interpreted: values within 1e-5: {values < 1e-5}, all seven gradients within 1e-4: "
    f"{gradients < 1e-4}")
else:
    print("skipped: the package triton is not installed here")

# %% [markdown]
# ## 6 The roofline
# How fast could it be? Call the operations that a program does for each byte that it moves its
# [arithmetic intensity](glossary.md#arithmetic-intensity). Memory delivers *bandwidth* bytes per second, so it feeds at most
# intensity times bandwidth operations. The arithmetic units have their own peak. The lower one stops us: the
# [roofline](glossary.md#roofline) [@williams2009].
#
# ### Exercise 06.5 · the roofline (easy, 5 minutes)
# Return the operations per second that a device can reach at best.


# %%
@exercise("06.5")
def attainable(intensity, flops, bandwidth):
    """Operations a byte, peak operations a second, bytes a second -> attainable operations a second."""
    # SOLUTION
    return min(flops, intensity * bandwidth)
    # END SOLUTION


# %%
check("06.5", attainable)

# %% [markdown]
# **A model, not a measurement.** We take the data sheets' peaks, count a scan's bytes as above and seven operations for each
# state. Real kernels reach a part of these bounds. The peak is that of ordinary float32 units. A matrix product in 16 bits may also use
# the *tensor cores*, whose roof (dotted) lies more than ten times higher on an H100. A scan has no matrix product to give them.
#
# **Predict, then run:** on which side of the corner does each computation lie?

# %%
predict("06.g", "Which of the three reach the flat roof of the H100?",
        ["none", "the matrix product", "the product and the fused scan", "all three"])

# %%
b, e, length, n = sizes
fused = scan_cost("scan, fused", tiled_traffic(*sizes, tile=32), b, e, length, n)
apart = scan_cost("scan, four kernels", unfused_traffic(*sizes), b, e, length, n)
matmul, half_matmul = (matmul_cost(f"product, {bits} bits", 4096, bytes_each=bits // 8) for bits in (32, 16))
h100 = DEVICES[-1]
for cost in (apart, fused, matmul):
    share = attainable(cost.intensity, h100.flops, h100.bandwidth) / h100.flops
    print(f"{cost.name:18} {cost.intensity:6.1f} operations a byte: at most {share:4.0%} of an H100's float32 units")
cores = attainable(half_matmul.intensity, h100.tensor, h100.bandwidth) / h100.tensor
print(f"{half_matmul.name:18} {half_matmul.intensity:6.1f} operations a byte: at most {cores:4.0%} of its tensor cores")
corner = h100.tensor / h100.bandwidth
print(f"corner of its float32 roof: {h100.balance:.0f} operations a byte, of the tensor cores' {corner:.0f}")

# %%
fig, ax = plt.subplots(figsize=(8, 4.2))
figures.roofline(ax, DEVICES, (apart, fused, matmul, half_matmul))
ax.set_title("Data-sheet model, nothing measured: fusion moves the scan to the right, towards the corner")
show(fig, f"Rooflines of three GPUs from their data sheets. Four kernels have {apart.intensity:.1f} "
     "operations a byte, the fused scan "
     f"{fused.intensity:.1f}, a large matrix product {matmul.intensity:.0f}: only the product lies under the "
     f"flat roof, in 16 bits ({half_matmul.intensity:.0f}) even under the one of the tensor cores.")

# %%
reach = sum(cost.intensity >= h100.balance for cost in (matmul, fused, apart))
assert matmul.intensity > fused.intensity > apart.intensity
outcome("06.g", ["none", "the matrix product", "the product and the fused scan", "all three"][reach],
        because="Fusion takes away the needless traffic; what is left is still much for the few operations "
        "that a scan does with each number.")

# %% tags=["signature"]
for device in DEVICES:
    slow, quick = (modelled_seconds(cost, device) for cost in (apart, fused))
    print(f"{device.name:5} bound by the model: four kernels {1000 * slow:6.2f} milliseconds, fused "
    f"{1000 * quick:5.2f}; "
          f"{slow / quick:3.0f} times")

# %% [markdown]
# Does fusion always pay? As a control take the matrix product, and let its operands pass through slow memory twice instead of once.
#
# **Predict, then run:** what does the doubled traffic cost the product, and what the scan?

# %%
predict("06.h", "Whose bound doubles with the traffic?", ["both", "the scan's only", "the product's only", "neither"])

# %% tags=["control"]
twice = matmul_cost("the same, twice the traffic", 4096, passes=2)
ratio = modelled_seconds(twice, h100) / modelled_seconds(matmul, h100)
scan_twice = scan_cost("scan", 2 * tiled_traffic(*sizes, tile=32), b, e, length, n)
scan_ratio = modelled_seconds(scan_twice, h100) / modelled_seconds(fused, h100)
say(f"Twice the traffic: the matrix product's bound is multiplied by {ratio:.1f}, the scan's by "
    f"{scan_ratio:.1f}. Fusion has nothing to give where arithmetic is the limit.")

# %%
assert ratio == 1.0 and scan_ratio > 1.9
outcome("06.h", "the scan's only",
        because="Traffic costs time only where it is the limit: in the product the arithmetic takes longer "
        "than even the doubled traffic.")

# %% [markdown]
# One last question to the model. bfloat16 halves every byte.
#
# **Predict, then run:** does the bound of the fused scan halve, too?

# %%
predict("06.i", "On how many of the three GPUs does the bound halve?",
        {"on none": 0, "on one": 1, "on two": 2, "on all three": 3})

# %%
half = scan_cost("scan, bfloat16", tiled_traffic(*sizes, tile=32), b, e, length, n, bytes_each=2)
for device in DEVICES:
    whole, halved = modelled_seconds(fused, device), modelled_seconds(half, device)
    limit = "exponentials" if halved == half.exps / device.exps else "memory"
    print(f"{device.name:5} bound falls by a factor of {whole / halved:.1f}; then the limit is: {limit}")

# %%
outcome("06.i", sum(modelled_seconds(fused, d) / modelled_seconds(half, d) > 1.9 for d in DEVICES),
        because="A bound is the largest of several times: make that one smaller, and the next largest takes "
        "over.")

# %% [markdown]
# Where the factor stays below 2, a third roof appears: every state needs an exponential, and a chip has far fewer units for
# `exp2` than for sums. Such is the life of a kernel writer: remove one limit, and meet the next.
#
# Move the state size: each number that arrives is then used more often, so the fused scan climbs along the slope, until the
# exponentials stop it. The four kernels stay below one operation a byte.

# %%
explore(
    figures.scan_under_roof,
    "Where the model puts the scan at three state sizes, on a T4 and an H100. The fused scan moves up the slope as "
    "the state grows, and on the H100 the exponentials stop it; four kernels stay below one operation a byte.",
    title="A larger state brings the fused scan to the next roof, not four kernels",
    size=(4.6, 2.7),
    state_size=[1, 4, 16, 32, 64, 128],
    gpu=["T4", "A100", "H100"],
)

# %% [markdown]
# ## 7 mamba_ssm's kernel, and the ladder
# The official package [@gu2023] has a kernel in CUDA C++ with the same plan: load $u, \Delta, A, B, C$, keep the states on the
# chip, store $y$ and the states at chunk borders, recompute in the backward. It differs inside a chunk. There, the threads of
# one block share out the *time steps* of one channel.

# %% [markdown]
# Each thread folds the few steps that it holds one after the other, which is
# notebook 04's chunk. Then the 32 threads of a *warp* join their folded steps in five rounds, by passing registers to one another:
# notebook 04's doubling. Then the warps' totals are joined. No up-and-down tree is walked.

# %% [markdown]
# Ours walks through time, and shares out channels. Why did we learn to fold in other groupings, then? Because it depends on how many
# hands have something to do. Walking needs no extra work at all, and it fills a chip as soon as $b \cdot e / \text{tile}$ programs
# are many. With a small batch they are few, and most of the chip waits.

# %%
for b, e in ((1, 256), (1, 1536), (32, 1536)):
    programs = b * e // 32
    print(f"batch {b:2}, {e:4} channels, tiles of 32: {programs:5} programs for the 132 processors of an H100")

# %% [markdown]
# Where programs are few, sharing out the time as well can be worth its extra joins; the official kernel always does so. By which
# plan? Notebook 04's tree makes far fewer joins than doubling. Count turns: `hands` joins can be made in one turn, and a round
# ends before the next begins.
#
# **Predict, then run:** 32 steps, one for each thread of a warp, so 32 hands. Which plan is through first?

# %%
predict("06.j", "Which plan is through first with 32 hands?",
        ["in order", "doubling", "the tree", "doubling and the tree at once"])

# %%
plans = {plan.__name__: plan(32) for plan in (warp_scans.in_order, warp_scans.doubling, warp_scans.tree)}
for name, plan in plans.items():
    assert warp_scans.carry_out(plan, list(range(32)), int.__add__) == np.cumsum(range(32)).tolist()
    turns = [warp_scans.turns(plan, hands) for hands in (1, 4, 32)]
    print(f"{name:9} {warp_scans.joins(plan):4} joins in {len(plan):2} rounds; turns of 1, 4, 32 hands: {turns}")

# %%
fig, ax = plt.subplots()
figures.plans_by_hands(ax)
ax.set_title("One hand: in order. A few: the tree. A hand for each step: doubling")
show(fig, "Turns that 32 steps take, against the number of hands, both axes logarithmic. In order stays level and is "
     "best with one hand; the tree is best with 4 and 8; at 16 it meets doubling, which is best with 32.")

# %%
fewest = min(plans, key=lambda name: warp_scans.turns(plans[name], 32))
outcome("06.j", {"in_order": "in order", "tree": "the tree"}.get(fewest, fewest),
        because="The tree saves joins, and joins are free for hands that would otherwise rest; what costs time in a "
        "warp are rounds.")

# %% [markdown]
# That is when the tree pays: with more than two hands, but far fewer than steps. A warp has a hand for each of its 32 folded steps, and its
# threads take part in every instruction anyhow. A chip as a whole is the other case: it has fewer hands than a long sequence has steps, so
# everybody first folds a chunk in order, and only the chunks' totals are joined. Our count knows no time: it leaves
# out what it costs to pass a number on.

# %% [markdown]
# Mamba-2 goes further: it lets all states of a head share one decay, cuts time into chunks, and turns the work inside a chunk into
# matrix products, so that tensor cores can do it. The library has it too (`mgmr_lib/ssm/mamba2.py`), and Mamba-3, with a better
# rule for the step and a state that turns (`mamba3.py`).

# %% [markdown]
# Which of them works on a given machine is not a matter of belief. `available_backends()` tries a call of each rung and says
# why one does not work. Every rung is held against the float64 oracle.
#
# **Predict, then run:** which rungs do you expect on your machine?

# %%
predict("06.k", "Which rungs will not work here?",
        ["none, all work", "cuda only", "triton only", "triton and cuda"])

# %% tags=["nbval-ignore-output"]
rungs = available_backends()
for name, status in rungs.items():
    if status != "ok":
        print(f"{name:10} skipped: {status}")
        continue
    values, gradients = distance_to_oracle(name)
    how = " (interpreted)" if name == "triton" else ""
    print(f"{name:10} ok{how}: values within 1e-5: {values < 1e-5}, gradients within 1e-4: {gradients < 1e-4}")

# %% tags=["nbval-ignore-output"]
missing = [name for name in ("triton", "cuda") if rungs[name] != "ok"]
outcome("06.k", {0: "none, all work", 1: f"{missing[0]} only" if missing else "", 2: "triton and cuda"}[len(missing)],
        because="To be written for a GPU is not to need one: Triton's kernel runs in the interpreter wherever"
        " Triton is installed, a compiled CUDA kernel does not.")

# %% [markdown]
# The rungs that need no extra package must agree everywhere, and that is an assertion:

# %%
everywhere = {name: distance_to_oracle(name) for name in ("python", "loop", "chunked")}
assert all(values < 1e-5 and gradients < 1e-4 for values, gradients in everywhere.values())
print("equal to the oracle, values and gradients:", ", ".join(everywhere))

# %% [markdown]
# How to get `mamba_ssm` onto a GPU machine: `python course.py gpu`. It takes a ready-made wheel where one fits torch, CUDA and
# Python, and else compiles, with torch's own CUDA and with `--no-build-isolation`, so that the build sees torch at all. Then it
# calls the kernels and compares them with ours. Our Triton kernel needs none of this: torch's CUDA builds bring Triton along.
#
# And the times on a real GPU? A record is shown with where it comes from; if there is none, we say that.

# %%
say(recorded.gpu_benchmarks())

# %% [markdown]
# ## 8 Your first Triton kernel
# Reading is not writing. Here the kernels are yours, and they run in Triton's interpreter with one change: `launch` sends every
# `tl.load` and `tl.store` to the counting memory of section 2. So a check sees values, traffic, and offsets that stray. `launch` also
# adds `@triton.jit` and makes `BLOCK` a number known at compile time; in a file of your own you write both (`BLOCK: tl.constexpr`).
# The course installs Triton on Linux with x86-64; elsewhere the checks say that it is missing, and everything else runs.

# %% [markdown]
# ### Exercise 06.6 · the gate (easy, 10 minutes)
# A Mamba block ends with a gate (notebook 05): $\mathrm{out} = y \cdot \mathrm{silu}(z)$ with $\mathrm{silu}(z) = z\,\sigma(z)$, where
# $\sigma$ is `tl.sigmoid`. All three arrays are flat, with `n` numbers. Program $i$ works on `BLOCK` of them, from $i \cdot$ `BLOCK`
# on; the last block may be short.


# %%
@exercise("06.6")
def gate(y, z, out, n, BLOCK):
    """y, z, out: addresses of n numbers each; one program a block."""
    # SOLUTION
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    y_block, z_block = tl.load(y + at, mask=inside), tl.load(z + at, mask=inside)
    tl.store(out + at, y_block * z_block * tl.sigmoid(z_block), mask=inside)
    # END SOLUTION


# %%
check("06.6", gate)

# %%
numbers = np.random.default_rng(0)
memory = SlowMemory(y=numbers.normal(size=10), z=numbers.normal(size=10), out=(10,))
if has_triton:
    counted_triton.launch(gate, 3, memory, "y z out", n=10, BLOCK=4)
    print("numbers (read, written):", memory.table())
    print(f"moved by two kernels, t = silu(z) and y * t: {2 * 10 + 3 * 10} numbers; by yours: {memory.moved()}")
else:
    print("skipped: the package triton is not installed here")

# %% [markdown]
# ## 9 A scan inside a block (second sitting, optional)
# In Triton, time is shared out by `tl.associative_scan(block, axis, join)`. It gives the running joins of a block along an axis. You
# choose the join, which must be associative; how it is folded among the threads is the compiler's business. With a pair of blocks, the
# join takes the earlier pair, then the later one. `add` makes running sums; `join` is notebook 04's.

# %%
@counted_triton.jit
def add(x1, x2):
    return x1 + x2


@counted_triton.jit
def join(a1, x1, a2, x2):
    return a1 * a2, a2 * x1 + x2


# %% [markdown]
# ### Exercise 06.7 · a running sum, block by block (medium, 10 minutes)
# One program writes $y_t = x_0 + \dots + x_t$ for all `n` numbers, `BLOCK` at a time in a Python loop (`for start in range(0, n, BLOCK)`).
# Each number is loaded once and stored once, a block in one piece. `tl.sum` adds up a block.


# %%
@exercise("06.7")
def running_sum(x, y, n, BLOCK):
    """x, y: addresses of n numbers each; one program."""
    # SOLUTION
    before = 0.0
    for start in range(0, n, BLOCK):
        at = start + tl.arange(0, BLOCK)
        block = tl.load(x + at, mask=at < n, other=0.0)
        tl.store(y + at, before + tl.associative_scan(block, 0, add), mask=at < n)
        before += tl.sum(block)
    # END SOLUTION


# %%
check("06.7", running_sum)

# %% [markdown]
# ### Exercise 06.8 · build it yourself: the selective scan of a channel (harder, 20 minutes)
# The kernel of this notebook, the official way: $h_t = e^{\Delta_t A} h_{t-1} + \Delta_t B_t u_t$ and $y_t = \sum_n C_t h_t$, `BLOCK` steps at a
# time. The check goes in stages: one block, the state from block to block, the last block, the channels, the traffic.

# %% [markdown]
# - Program $i$ works on channel $i$: `u`, `delta`, `y` are (channels, length), `A` is (channels, N), row after row; `N` is a power of two.
# - `B` and `C` are (length, N), shared by all channels.
# - The state starts at 0 and stays on the chip; `length` may end inside a block.
# - It moves the least, a whole block of steps in each load and store.


# %%
@exercise("06.8")
def channel_scan(u, delta, A, B, C, y, length, N, BLOCK):
    """Addresses of u, delta, A, B, C, y; one program a channel."""
    # SOLUTION
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
    # END SOLUTION


# %%
check("06.8", channel_scan)

# %%
memory = scan_memory(1, 2, 16, 4)
if has_triton:
    counted_triton.launch(channel_scan, 2, memory, "u delta A B C y", length=16, N=4, BLOCK=8)
    assert np.abs(memory.array("y") - expected_output(memory)).max() < 1e-4
    print("score", memory.moved(), "as the toy with tiles of one channel:", tiled_traffic(1, 2, 16, 4, tile=1))
    print("loads and stores", len(memory.transfers), "where walking step by step makes", 2 * (1 + 5 * 16))
else:
    print("skipped: the package triton is not installed here")

# %% [markdown]
# The same numbers cross, in far fewer loads and stores: a block of neighbours comes in one piece, and all steps of the block are worked on at the
# same time. The price is the joins. Which way is quicker on a given chip, for a given batch, is a matter of measuring.

# %% [markdown]
# ## 10 Limits
# The toy has no cache: on a GPU, programs that run side by side find $B$ and $C$ in the second-level cache, so small tiles hurt
# less than our score says. It has no time either: how many programs are in flight, whether neighbouring threads load
# neighbouring addresses, how long a register spill takes. Whoever tunes a kernel measures. The model only says what is worth
# trying.

# %% [markdown]
# ## 11 Summary
# - Count the numbers that move.
# - A scan must move about $3\,b\,e\,l$ numbers; separate kernels move several times $b\,e\,l\,n$.
# - Fused: the state lives in registers; the backward keeps one state per chunk and recomputes the rest.
# - The last tile needs a mask.
# - By the model, memory limits the fused scan, then exponentials.
# - Many programs: walk. Few: share out time, chunks in order and a warp by doubling.
# - Every rung equals the float64 oracle. Speeds need a measurement.

# %%
progress("06")
