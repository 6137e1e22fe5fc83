# ---
# jupyter:
#   mgmr:
#     title: A scan is a matrix
#     claim: "With one decay for a whole head, a scan is attention with a fading mask; cut into blocks, it is nearly all matrix products."
#     goals:
#       - write a scan as one lower-triangular matrix, and read its entries
#       - say which of attention's three parts are C, B and x, and what stands in the softmax's place
#       - sum decays so that no digit and no gradient is lost
#       - measure the ranks of a scan's blocks, and build the chunked scan of Mamba-2 from them
#       - count multiply-adds, and say why the count alone does not choose the chunk
#       - say what one decay a head gives up
#     minutes: 75
#     budget_s: 45
#     device: cpu
#     requires: ["05", "06"]
#     introduces: [semiseparable matrix, state-space duality, segment sum]
# ---
# %% [markdown]
# ## Sixty-four answers at once
# This notebook is optional: it follows Part I to where Mamba went next [@dao2024]. Here is one head of such a network: a scan of 64
# steps. It is linear in its input, so it must be a *matrix* of 64 times 64 weights. We look at it first.
#
# **Predict:** how many numbers must we know to write down all of its entries?

# %%
import math
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt

from mgmr_lib.chapters.ch25_a_scan_is_a_matrix import figures as draw
from mgmr_lib.chapters.shared.counting import cpu_seconds
from mgmr_lib.chapters.shared.part_one_figures import growth
from mgmr_lib.course import check, exercise, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.ssm import Mamba2Block, MambaBlock, available_backends, selective_scan, ssd_masked, ssd_scan

use_style()

# %%
predict("25.a", "How many numbers determine the 64 x 64 matrix?",
        {"64, one a step": 64, "about 600": 576, "2080, a triangle": 2080, "4096, all of them": 4096})


# %%
def recurrence(a, B, C, X):
    """Factors a (l), B and C (l,n), inputs X (l,p) -> Y (l,p), one step after the other."""
    h, out = X.new_zeros(B.shape[1], X.shape[1]), []
    for a_t, B_t, C_t, x_t in zip(a, B, C, X, strict=True):
        h = a_t * h + torch.outer(B_t, x_t)
        out.append(C_t @ h)
    return torch.stack(out)


# %%
def one_head(length=64, n=4, p=3, seed=0):
    """log a (l), B and C (l,n), X (l,p) in float64: mild decay, and two steps at which nearly all is forgotten."""
    made = torch.Generator().manual_seed(seed)
    log_a = -0.15 * torch.rand(length, generator=made, dtype=torch.float64)
    log_a[[length // 3, 2 * length // 3]] = -4.0
    B, C, X = (torch.randn(length, m, generator=made, dtype=torch.float64) for m in (n, n, p))
    return log_a, B, C, X


log_a, B, C, X = one_head()
a = log_a.exp()

# %% [markdown]
# A matrix tells its columns if we multiply it by unit vectors. So we ask the recurrence for 64 impulses, one at each step, all at once:
# the columns of the identity.

# %%
columns = recurrence(a, B, C, torch.eye(64, dtype=torch.float64))
fig, ax = plt.subplots(figsize=(5.6, 4.4))
draw.one_matrix(ax, columns)
ax.set_title("A scan of 64 steps, asked for its 64 columns")
show(fig, "Weight of each input (to the right) in each output (downwards). Above the diagonal, where the "
     "future would be, nothing. Weights fade downwards, and break off at the two steps that forget nearly all.")

# %% [markdown]
# ## 1 What stands in an entry
# Mamba-2's scan differs from Mamba's in one point: all $n$ entries of the state, and all $p$ channels of a *head*, share one decay per step.
#
# $$h_t = a_t\,h_{t-1} + B_t\,x_t^\top \qquad y_t = C_t\,h_t \qquad a_t = \exp(\Delta_t A)$$

# %% [markdown]
# | symbol | what | shape (one head) |
# |---|---|---|
# | $a_t$ | factor of a step, *one number* | $(l)$ |
# | $B_t$, $C_t$ | what writes, what reads | $(l, n)$ |
# | $x_t$ | input of $p$ channels, $\Delta_t$ already multiplied in | $(l, p)$ |
# | $h_t$ | state | $(n, p)$ |
# | $M$ | the scan as a matrix, $Y = M X$ | $(l, l)$ |
#
# The $p$ channels go through the same $M$, side by side.

# %% [markdown]
# ### Exercise 25.1 · the matrix of a scan (easy, 6 minutes)
# Follow input $j$ until output $t$ reads it, and return the whole matrix. Loops are fine here.


# %%
@exercise("25.1")
def scan_matrix(a, B, C):
    """Factors a (l), B and C (l,n) -> M (l,l) with Y = M X."""
    # SOLUTION
    M = torch.zeros(len(a), len(a), dtype=a.dtype)
    for t in range(len(a)):
        for j in range(t + 1):
            M[t, j] = (C[t] @ B[j]) * a[j + 1 : t + 1].prod()
    return M
    # END SOLUTION


# %%
check("25.1", scan_matrix)

# %%
M = scan_matrix(a, B, C)
assert torch.allclose(M, columns, atol=1e-12) and torch.allclose(M @ X, recurrence(a, B, C, X), atol=1e-12)
given = a.numel() + B.numel() + C.numel()
say(f"Equal to the recurrence to 12 decimal places. It took {given} numbers to fill {M.numel()} entries.")

# %%
outcome("25.a", given, because="Each entry is made of what one step writes, one step reads and the steps between them "
        "leave, so the count grows with the length and not with its square.")

# %% [markdown]
# Such a matrix, lower triangular, and filled from a short list of vectors, is called a
# [semiseparable matrix](glossary.md#semiseparable-matrix). Every scan is one. What comes next needs the single decay.

# %% [markdown]
# ## 2 Attention with a fading mask
# $M_{tj} = (C_t \cdot B_j)\; a_{j+1} \cdots a_t$: a product of two tables. The first, $C B^\top$, compares every reader with every writer.
# The second, $L$, holds what is left after the steps between.
#
# $$M = L \circ (C B^\top) \qquad\qquad L_{tj} = a_{j+1} \cdots a_t \;\text{ for } j \le t, \text{ else } 0$$

# %%
L = scan_matrix(a, torch.ones(64, 1, dtype=torch.float64), torch.ones(64, 1, dtype=torch.float64))
scores = C @ B.T
assert torch.allclose(L * scores, M, atol=1e-12)
fig = plt.figure(figsize=(9.5, 3.4))
draw.factors(fig, L, scores, M)
fig.suptitle("The scan is a mask times a table of scores", x=0.01, ha="left")
show(fig, "Left: the mask, dark where much is left: two steps that forget cut it into three triangles. "
     "Middle: the scores, which know of no time. Right: their product, the matrix of the scan.")

# %% [markdown]
# Hold it beside attention [@vaswani2017], $\mathrm{softmax}(Q K^\top)\,V$: $C$ asks, $B$ is asked, $X$ is what is handed out. In the place of softmax and causal mask stands
# $L$, which the input decides through $\Delta$. Nothing is normalised. One function, two programs, linear and quadratic in the length: this is
# [state-space duality](glossary.md#state-space-duality).

# %%
as_attention = (L * (C @ B.T)) @ X
x, B_, C_ = X[None, :, None], B[None, :, None], C[None, :, None]  # batch of one, one head, one group
dt, A = -log_a[None, :, None], -torch.ones(1, dtype=torch.float64)
library = ssd_masked(x / dt[..., None], dt, A, B_, C_)[0, :, 0]
assert torch.allclose(as_attention, recurrence(a, B, C, X), atol=1e-12)
assert torch.allclose(as_attention, library, atol=1e-10)
print("masked attention = recurrence = the library's ssd_masked: True")

# %% [markdown]
# ## 3 The mask without a lost digit
# Products of many small factors vanish, so we sum logarithms: $S_{tj} = \log a_{j+1} + \dots + \log a_t$, a
# [segment sum](glossary.md#segment-sum), and $L = \exp S$. The quick way takes one running sum $s$ and all differences $s_t - s_j$.


# %%
def quick_mask(log_a):
    """log a (l) -> L (l,l), from differences of one running sum."""
    s = log_a.cumsum(0)
    return torch.exp(s[:, None] - s[None, :]).tril()


assert torch.allclose(quick_mask(log_a), L, atol=1e-12)

# %% [markdown]
# It passes. Now a scene cut: one step that wipes the state out, with Mamba's strongest $A = -16$ and $\Delta = 10$, between steps with a mild decay of a thousandth, all in float32.
# What comes after the cut decays mildly again.
#
# **Predict, then run:** how many correct digits have the *sums* after the cut? float32 has about seven.

# %%
predict("25.b", "How many digits of the sums after the cut are right?",
        {"seven, all": 7, "five": 5, "two": 2, "none": 0})

# %%
cut = torch.full((40,), -0.001)
cut[5] = -16 * 10
s = cut.cumsum(0)
quick = s[6:] - s[5]  # what steps 6, 7, ... leave of the input of step 5
exact = cut[6:].double().cumsum(0)
worst = ((quick - exact) / exact).abs().max().item()
print("quick:", [round(v, 5) for v in quick[:6].tolist()])
print("exact:", [round(v, 5) for v in exact[:6].tolist()])

# %%
outcome("25.b", -math.log10(worst), because="A float32 near 160 has few digits left for a thousandth, so the "
        "difference of two such numbers knows little of what lies between them.")

# %% [markdown]
# There is a second trap, on the *other* side of the diagonal. There $s_t - s_j$ is positive, here up to 160, and its exponential is infinite. `tril` replaces it by
# 0, so the values are fine.
#
# **Predict, then run:** and the gradient of `quick_mask(cut).sum()`?

# %%
predict("25.c", "What is the gradient of the quick mask's sum?",
        ["right, as the values are", "zero everywhere", "infinite", "NaN, not a number"])

# %%
trained = cut.clone().requires_grad_()
mask = quick_mask(trained)
(gradient,) = torch.autograd.grad(mask.sum(), trained)
print("values finite:", mask.isfinite().all().item())
print("gradients finite:", gradient.isfinite().sum().item(), "of", len(cut))

# %%
kinds = ["right, as the values are", "zero everywhere", "infinite", "NaN, not a number"]
seen = 3 if gradient.isnan().any() else 2 if gradient.isinf().any() else 1 if not gradient.any() else 0
outcome("25.c", kinds[seen], because="Backwards the zero that came in place of the infinite number is multiplied "
        "by it, so mask first, with minus infinity, and take exp then.")

# %% [markdown]
# ### Exercise 25.2 · segment sums that keep their digits (medium, 10 minutes)
# Return $S$ with $-\infty$ above the diagonal. Do not subtract: let the sum of column $j$ *start* at $j + 1$. No loop is needed.


# %%
@exercise("25.2")
def segment_sums(log_a):
    """log a (l) -> S (l,l): log a_{j+1} + ... + log a_t for j <= t, -inf above the diagonal."""
    # SOLUTION
    length = len(log_a)
    below = torch.ones(length, length, dtype=torch.bool).tril(-1)
    sums = log_a[:, None].expand(length, length).masked_fill(~below, 0.0).cumsum(0)
    return sums.masked_fill(below.T, -torch.inf)
    # END SOLUTION


# %%
check("25.2", segment_sums)

# %%
kept = segment_sums(cut)
assert torch.allclose(kept[6:, 5].double(), exact, rtol=1e-5)
trained = cut.clone().requires_grad_()
(gradient,) = torch.autograd.grad(segment_sums(trained).exp().sum(), trained)
assert gradient.isfinite().all()
print("after the cut:", [round(v, 5) for v in kept[6:12, 5].tolist()], "  gradients finite: True")

# %% [markdown]
# Notebook 04 said "never divide by a product of decays". In logarithms: never subtract two sums that are longer than what lies between.

# %% [markdown]
# ## 4 What the past can tell the future
# Cut time in two, before and after step 32. The block of $M$ below and left of the cut holds all that the first half says to the second: $32 \times 32$ weights.
#
# **Predict, then run:** our state has $n = 4$ entries. Which rank has this block?

# %%
predict("25.d", "Which rank has the 32 x 32 block below the diagonal?",
        {"1": 1, "4, as the state": 4, "16": 16, "32, full": 32})

# %% [markdown]
# To compare, two other causal matrices of the same size: softmax attention with the same $C$ and $B$, and random numbers.

# %% tags=["baseline"]
softmax = scores.masked_fill(torch.ones(64, 64).triu(1) > 0, -torch.inf).softmax(-1)
made = torch.Generator().manual_seed(1)
others = {"scan, n = 4": M, "softmax of the same scores": softmax,
          "random": torch.randn(64, 64, generator=made, dtype=torch.float64).tril()}
spectra = {name: torch.linalg.svdvals(matrix[32:, :32]) for name, matrix in others.items()}
ranks = {name: int((s > 1e-10 * s[0]).sum()) for name, s in spectra.items()}
print(ranks)

# %%
fig, ax = plt.subplots(figsize=(8, 3.4))
draw.spectra(ax, spectra)
ax.set_title(f"A scan's past reaches its future through {ranks['scan, n = 4']} numbers, and not one more")
show(fig, "Singular values of the block below the cut, on a logarithmic axis. The scan's fall to rounding error after "
     f"the {ranks['scan, n = 4']}th; {ranks['softmax of the same scores']} of the softmax's and {ranks['random']} of "
     "the random matrix's lie above a ten-billionth of the largest.")

# %%
outcome("25.d", ranks["scan, n = 4"], because="All that crosses the cut crosses it as the state, and its rows are the "
        "only ones from which the second half can mix.")

# %% [markdown]
# This holds at every cut, and for every block below the diagonal. A block of rank $n$ is a product of a thin and a flat matrix, and we know both: the flat one *writes*
# the state at the border, the thin one *reads* it.

# %%
T = 16
cuts = M.unfold(0, T, T).unfold(1, T, T)
block_ranks = torch.linalg.matrix_rank(cuts, rtol=1e-10)
fig, ax = plt.subplots(figsize=(5.2, 4.4))
draw.blocks(ax, M, T, block_ranks)
ax.set_title("Ranks: full on the diagonal, n below it")
below = {int(block_ranks[i, k]) for i in range(4) for k in range(i)}
show(fig, f"The matrix cut into blocks of {T} steps, each with its rank as measured: {int(block_ranks[0, 0])} "
     f"on the diagonal, {', '.join(map(str, sorted(below)))} below it, even where the picture is nearly white.")
assert max(below) == 4

# %% [markdown]
# ### Exercise 25.3 · how a chunk reads and writes the state (medium, 8 minutes)
# One chunk of $T$ steps. Return `reader`, which gives what its outputs take from the state *before* the chunk, and `writer`, which turns its inputs into their share
# of the state *after* it. Your `segment_sums` helps with one of them.


# %%
@exercise("25.3")
def chunk_factors(log_a, B, C):
    """log a (T), B and C (T,n) of one chunk -> reader (T,n), writer (n,T)."""
    # SOLUTION
    reader = torch.exp(log_a.cumsum(0))[:, None] * C
    writer = (torch.exp(segment_sums(log_a)[-1])[:, None] * B).T
    return reader, writer
    # END SOLUTION


# %%
check("25.3", chunk_factors)

# %%
first, second = slice(0, 16), slice(16, 32)
writer = chunk_factors(log_a[first], B[first], C[first])[1]
reader = chunk_factors(log_a[second], B[second], C[second])[0]
assert torch.allclose(reader @ writer, M[second, first], atol=1e-12)
say(f"A block of {M[second, first].numel()} weights from {reader.numel() + writer.numel()} numbers.")

# %% [markdown]
# ## 5 Blocks instead of steps
# So a block matrix multiplies $X$ like this. On the diagonal: masked attention inside a chunk. Everything below the diagonal, however long the sequence: one small state, handed from
# chunk to chunk. It is the [chunked scan](glossary.md#chunked-scan) of notebook 04, with matrix products inside.
#
# $$Y_c = (L_c \circ C_c B_c^\top)\,X_c + R_c\,h \qquad\qquad h \leftarrow \Big(\prod_{t \in c} a_t\Big) h + W_c\,X_c$$

# %% [markdown]
# ### Exercise 25.4 · the scan in chunks of matrix products (hard, 14 minutes)
# Write it, with no loop over steps and no table of all steps against all steps. `v.split(T)` cuts the time axis; the last chunk may be shorter. The check counts your operations.


# %%
@exercise("25.4")
def chunked_scan(log_a, B, C, X, T):
    """log a (l), B and C (l,n), X (l,p), steps a chunk T -> Y (l,p)."""
    # SOLUTION
    state, out = X.new_zeros(B.shape[1], X.shape[1]), []
    for log_a_c, B_c, C_c, X_c in zip(*(v.split(T) for v in (log_a, B, C, X)), strict=True):
        reader, writer = chunk_factors(log_a_c, B_c, C_c)
        inside = torch.exp(segment_sums(log_a_c)) * (C_c @ B_c.T)
        out.append(inside @ X_c + reader @ state)
        state = torch.exp(log_a_c.sum()) * state + writer @ X_c
    return torch.cat(out)
    # END SOLUTION


# %%
check("25.4", chunked_scan)

# %% [markdown]
# The library's `ssd_scan` does this for a batch of many heads, with a backward of its own. $A$ is a number per head; groups of heads share $B$ and $C$. We give both the same.

# %%
made = torch.Generator().manual_seed(2)
x, B_, C_ = (torch.randn(2, 50, m, w, generator=made, dtype=torch.float64) for m, w in ((6, 3), (2, 4), (2, 4)))
dt, A = torch.rand(2, 50, 6, generator=made, dtype=torch.float64), -torch.arange(1, 7, dtype=torch.float64)
by_hand = torch.empty_like(x)
for clip in range(2):
    for head in range(6):
        group, step = head // 3, dt[clip, :, head]
        written = step[:, None] * x[clip, :, head]
        by_hand[clip, :, head] = chunked_scan(step * A[head], B_[clip, :, group], C_[clip, :, group], written, 16)
assert torch.allclose(by_hand, ssd_scan(x, dt, A, B_, C_), atol=1e-10)
print("2 clips, 6 heads in 2 groups: our chunks equal the library's ssd_scan")

# %% [markdown]
# ## 6 Why matrix units like it
# A matrix product is the one thing that every processor does at full speed: a CPU's vector units, and on a GPU separate *matrix units* that can do nothing else. Mamba-2
# was designed for them [@dao2024]. A step of the plain recurrence has no matrix product to offer. How much work is it in chunks?

# %% [markdown]
# ### Exercise 25.5 · count the multiply-adds (medium, 6 minutes)
# Count those of your four matrix products for one head. $T$ divides the length. A masked half counts: a matrix unit computes it anyway.


# %%
@exercise("25.5")
def multiply_adds(length, T, n, p):
    """Length l, steps a chunk T, state size n, channels p -> multiply-adds in matrix products."""
    # SOLUTION
    per_chunk = T * T * n + T * T * p + T * n * p + n * T * p
    return length // T * per_chunk
    # END SOLUTION


# %%
check("25.5", multiply_adds)

# %% [markdown]
# PyTorch can count for itself. It finds our number.

# %%
from torch.utils.flop_counter import FlopCounterMode

log_64, B_64, C_64, X_64 = (v.float() for v in one_head(1024, n=64, p=64))
with FlopCounterMode(display=False) as counter:
    chunked_scan(log_64, B_64, C_64, X_64, 64)
assert counter.get_total_flops() == 2 * multiply_adds(1024, 64, 64, 64)
print("PyTorch counts a multiply-add as 2 operations, and agrees")

# %% [markdown]
# And what is left to do entry by entry? Sums, exponentials and product of the mask, reader and writer, the fading of the state. The recurrence makes its whole state so: fade, then add.

# %%
T = n = p = 64
in_products = multiply_adds(1024, T, n, p) / 1024
by_entry = (3 * T * T + 2 * T * n + 2 * n * p) / T
say(f"With T = n = p = {T}, a step costs {in_products:.0f} multiply-adds in matrix products, and {by_entry:.0f} "
    f"operations entry by entry: {by_entry / (in_products + by_entry):.0%} of all. The recurrence does {2 * n * p} "
    "entry by entry.")

# %% [markdown]
# **Predict, then run:** $n = p = 64$ and 1024 steps. Which chunk needs the fewest multiply-adds?

# %%
predict("25.e", "Which chunk length T needs the fewest multiply-adds?",
        {"1": 0, "32, the root of 1024": 5, "64, as n and p": 6, "1024, a single chunk": 10})

# %%
chunks = [1, 4, 16, 64, 256, 1024]
counted = [multiply_adds(1024, T, 64, 64) / 1e6 for T in chunks]
seconds = [cpu_seconds(lambda T=T: chunked_scan(log_64, B_64, C_64, X_64, T), 1) for T in chunks]
fig = plt.figure(figsize=(9, 3.2))
draw.counted_and_measured(fig, chunks, counted, seconds)
show(fig, f"One head, 1024 steps, n = p = 64. Left: multiply-adds, from {counted[0]:.1f} million with chunks of one "
     f"step to {counted[-1]:.0f} million in a single chunk. Right: the processor time of our function, measured where "
     "this was drawn.")

# %%
fewest = chunks[counted.index(min(counted))]
outcome("25.e", math.log2(fewest), because="Chunks add work, and they are worth it for another reason: in pieces of "
        "one step the few multiplications hide behind calls and memory.")

# %% [markdown]
# Two opposite lessons in one figure. By the count, the recurrence is unbeatable. By the clock, on the CPUs where we measured, it was the slowest by far: a chunk of one step is a thousand tiny calls. In between
# lies a valley: look how far from its bottom the clock climbs by a factor of two. Notebook 06 told the same story of bytes.

# %% [markdown]
# Is it faster than Mamba's own scan? Both compute the same here: we give our selective scan one decay for all $n$ entries. We take its PyTorch rung, which is built with the same
# tools as `ssd_scan`; its compiled rung, where a compiler is found; and the quadratic form.


# %%
def both(length, n, p=64, heads=4):
    """The same scan in several ways: {name: function without arguments}, float32, forward only."""
    made = torch.Generator().manual_seed(3)
    x, B, C = (torch.randn(1, length, m, w, generator=made) for m, w in ((heads, p), (1, n), (1, n)))
    dt, A = 0.1 * torch.rand(1, length, heads, generator=made), -torch.ones(heads)
    channels = x.flatten(2).mT.contiguous(), dt.repeat_interleave(p, 2).mT.contiguous()
    wide = A.repeat_interleave(p)[:, None].repeat(1, n), B[:, :, 0].mT.contiguous(), C[:, :, 0].mT.contiguous()

    def selective(backend):
        return lambda: selective_scan(*channels, *wide, backend=backend).mT.unflatten(2, (heads, p))

    ways = {"ssd_scan": lambda: ssd_scan(x, dt, A, B, C), "selective, PyTorch": selective("chunked")}
    if available_backends()["native"] == "ok":
        ways["selective, compiled"] = selective("native")
    return ways | {"ssd_masked": lambda: ssd_masked(x, dt, A, B, C)}


results = [run() for run in both(200, 16).values()]
assert all(torch.allclose(results[0], other, rtol=1e-4, atol=1e-4) for other in results)

# %% tags=["signature"]
lengths, states = [256, 512, 1024], [16, 32, 64, 128]
by_length = {name: [1000 * cpu_seconds(both(m, 64)[name]) for m in lengths] for name in both(8, 2)}
scans = [name for name in by_length if name != "ssd_masked"]
by_state = {name: [1000 * cpu_seconds(both(1024, n)[name]) for n in states] for name in scans}
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6))
growth(left, lengths, by_length, "forward (ms of CPU time)")
growth(right, states, by_state, "forward (ms of CPU time)")
right.set_xlabel("state size n")
left.set_title("The scans are linear in the length, the mask is not")
times = {name: [ours / ssd for ours, ssd in zip(by_state[name], by_state["ssd_scan"], strict=True)] for name in scans}
told = [f"{name.split(', ')[1]} {f[0]:.1f} and {f[-1]:.1f}" for name, f in times.items() if name != "ssd_scan"]
right.set_title("times ssd_scan, at n = 16 and 128:\n" + ", ".join(told), fontsize=9)
show(fig, "Processor time on one core, measured where this was drawn. Left, over the length at n = 64: the scans, "
     "and the masked form, which climbs more steeply. Right, over the state size at 1024 steps; the title holds "
     "how many times ssd_scan's time the selective scan took.")

# %% [markdown]
# Read the right side with care. On the CPU where we measured, the compiled scan was ahead at Mamba's usual $n = 16$, and behind at $n = 128$, a size that Mamba-2 takes: its time grows with $n$, that of the matrix
# products hardly. So the gain is less "the same, faster" than *a larger state for a smaller surcharge*. That was forward only, one clip and four heads; by our count
# $n = 128$ takes four times the multiply-adds of $n = 16$.

# %% [markdown]
# And with the backward and more work, beside other people's versions of the same scan? The next figure is a recorded run of `python -m mgmr_lib bench`; nothing in it is computed here.

# %%
from mgmr_lib.bench import recorded
from mgmr_lib.bench.report import ssd_curves

bench = recorded.read()
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6))
ssd_curves(left, right, bench["ssd"])
b, length, h, p, n = size = tuple(bench["ssd"][-1]["shape"])
left.set_title(f"Recorded: over the length, n = {n}")
right.set_title(f"over the state size, l = {length}")
show(fig, f"Processor time of forward and backward on one thread, both axes logarithmic, {b} clips, {h} heads of {p} "
     "channels: our two scans, the listing of the paper (ssd_minimal), and what transformers runs on a CPU.")
against = recorded.times(recorded.at(bench["ssd"], *size), "ours, ssd_scan")
say(f"At l = {length} and n = {n}, as many times as long as `ssd_scan`: our selective scan "
    f"{against['ours, selective_scan']:.1f}, `ssd_minimal` {against['mamba_ssm ssd_minimal']:.1f}, transformers "
    f"{against['transformers, Mamba-2']:.1f}. {recorded.provenance_line(bench)}")
states = sorted({r["shape"][-1] for r in bench["ssd"] if tuple(r["shape"][:-1]) == size[:-1]})
few, many = ({r["name"]: r["median_s"] for r in recorded.at(bench["ssd"], b, length, h, p, n)
              if r["pass"] == "forward+backward"} for n in (states[0], states[-1]))
say(f"On the right, {states[-1] // states[0]} times the state costs `ssd_scan` "
    f"{many['ours, ssd_scan'] / few['ours, ssd_scan']:.1f} times the time, and our selective scan "
    f"{many['ours, selective_scan'] / few['ours, selective_scan']:.1f} times.")

# %% [markdown]
# ## 7 What is given up
# Mamba-1 has a decay for *each* state entry: $a_{t,i} = \exp(\Delta_t A_i)$. Its matrix is $M_{tj} = \sum_i C_{t,i} B_{j,i} \exp\!\big(A_i (\Delta_{j+1} + \dots + \Delta_t)\big)$. Can one mask do
# this? If any can, then the quotient $M / (C B^\top)$ (none of our scores is 0). A mask of decays has blocks of rank 1: one number crosses the border.
#
# **Predict, then run:** which rank do blocks of this quotient have, for $n = 4$ different decays?

# %%
predict("25.f", "Which rank has a block of the mask that Mamba-1 would need?",
        {"1, as before": 1, "4, as the state": 4, "more than 4": 9})


# %% tags=["control"]
def needed_mask(A_i):
    """A decay rate for each entry (n) -> M / (C B^T) (l,l); the time steps are our -log a."""
    times = segment_sums(log_a)[:, :, None]
    left = torch.exp(times * -A_i).nan_to_num(0.0)
    return torch.einsum("ti,tji,ji->tj", C, left, B) / (C @ B.T)


def rank(block):
    """How many singular values lie above a hundred-millionth of the largest."""
    s = torch.linalg.svdvals(block)
    return int((s > 1e-8 * s[0]).sum())


same, apart = -torch.ones(4, dtype=torch.float64), -torch.tensor([0.25, 0.5, 1.0, 2.0], dtype=torch.float64)
found = {name: rank(needed_mask(A_i)[32:, :32]) for name, A_i in (("one decay", same), ("four decays", apart))}
print("rank of the mask's block:", found)
assert found["one decay"] == 1

# %%
outcome("25.f", min(found["four decays"], 9), because="A sum of four masks, each weighted by its own scores, is "
        "not a mask times their sum: what fades how fast can no longer be said without saying for which entry.")

# %% [markdown]
# The shortcut of taking the *mean* decay fails, and the failure is not small. What survives is the other half: $M$ still has blocks of rank $n$, so chunks with a carried state still work. Only inside
# the chunk, where attention did it in one product, there are now $n$ masks.

# %%
M_1 = needed_mask(apart) * scores
M_mean = segment_sums(-apart.mean() * log_a).exp() * scores
error = ((M_1 - M_mean).norm() / M_1.norm()).item()
masks = sum(segment_sums(-A_i * log_a).exp() * torch.outer(C[:, i], B[:, i]) for i, A_i in enumerate(apart))
assert torch.allclose(masks, M_1, atol=1e-12) and rank(M_1[32:, :32]) == 4
say(f"With the mean decay the matrix is wrong by {error:.0%} of its size. With {len(apart)} masks it is exact: "
    f"{len(apart)} times the exponentials and entry-by-entry products.")

# %%
decays = {"Mamba": MambaBlock(64).A_log.numel(), "Mamba-2": Mamba2Block(64, head_dim=64).A_log.numel()}
say(f"At width 64, a Mamba block learns {decays['Mamba']} decay rates, a Mamba-2 block {decays['Mamba-2']}, one a "
    "head. Which of the two learns better, this notebook does not measure.")

# %% [markdown]
# ## 8 A real Mamba-2 block
# Around the scan stands what notebook 05 built: projections, a short convolution, a gate. New are that $B$, $C$ and $\Delta$ come straight from `in_proj`, so that the convolution
# covers $B$ and $C$, too, and a norm before `out_proj`. We take a small random model of the `transformers` library, save it as a checkpoint, and read one layer of it.

# %%
import transformers
from safetensors.torch import load_file

transformers.logging.set_verbosity_error()  # it would tell us that its fast kernel needs a GPU
transformers.logging.disable_progress_bar()
config = transformers.Mamba2Config(hidden_size=32, state_size=16, num_heads=8, head_dim=8, n_groups=2, expand=2,
                                   num_hidden_layers=1, vocab_size=20, chunk_size=16)
torch.manual_seed(0)
model = transformers.Mamba2Model(config).eval()
with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
    for weight in model.parameters():
        weight.add_(0.1 * torch.randn_like(weight))  # no tensor may hide behind a common start
    model.save_pretrained(folder)
    checkpoint = load_file(Path(folder) / "model.safetensors")

# %%
mixer = "layers.0.mixer."
ours = Mamba2Block(32, d_state=16, head_dim=8, n_groups=2)
clip = torch.randn(2, 50, 32)
with torch.no_grad():
    theirs = model.layers[0].mixer(clip)
    assert not torch.allclose(ours(clip), theirs, atol=1e-3)
    own = {name.removeprefix(mixer): t for name, t in checkpoint.items() if name.startswith(mixer)}
    print(ours.load_state_dict(own, strict=True))
    assert torch.allclose(ours(clip), theirs, rtol=1e-5, atol=1e-5)
print("outputs equal to 1e-5:", {name: tuple(t.shape) for name, t in own.items()})

# %% [markdown]
# > **Card: the source.** Matrix, duality and chunks are Dao and Gu's [@dao2024]; they write $1$-semiseparable for our mask, and prove more than we measured. Three things of the code that a reader of
# > equations may miss: $\Delta$ multiplies $x$, not an integral of $B$ (notebook 26 calls this the right end's rule); the gate comes *before* the norm, $\mathrm{norm}(y \cdot \mathrm{silu}(z))$; and the mean square
# > is taken over each group of heads on its own. We follow the code, so that its weights load.

# %% [markdown]
# ## 9 Limits
# - All times are a CPU's: those measured here forward alone, the recorded ones with the backward. We have shown that the work is matrix products; what a matrix unit makes of it, only a GPU can tell.
# - Ranks were measured on random $B$ and $C$, with a threshold; a trained network may use less.
# - That one decay per head costs nothing in quality is a matter of training, which we did not do here.

# %% [markdown]
# ## 10 Summary
# - A scan is a lower-triangular matrix; its blocks below the diagonal have the rank of the state.
# - With one decay per head and step, $M = L \circ (C B^\top)$: attention without softmax, under a fading mask.
# - Sum the decays of a segment, never subtract long sums; mask with $-\infty$, then exp.
# - Chunks: attention inside, a small state between. More multiply-adds than the recurrence, nearly all in matrix products.
# - A decay for each state entry has no such mask: the price is one half-life a head.

# %%
progress("25")
