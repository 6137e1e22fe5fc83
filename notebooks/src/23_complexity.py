# ---
# jupyter:
#   mgmr:
#     title: Complexity
#     claim: "How a cost grows is decided by what is computed; whether that matters is decided by the length, and a stopwatch sees neither without care."
#     goals:
#       - count what attention, a selective scan and an LSTM compute, before measuring anything
#       - say at which length a linear layer becomes cheaper than a quadratic one
#       - time a computation that runs behind the clock's back
#       - say from what is computed how a missing half changes the time
#       - read a table of inference times, and list what it leaves out
#     minutes: 60
#     budget_s: 90
#     device: cpu
#     requires: ["04", "05", "11", "12", "16", "20", "21"]
#     introduces: [complexity]
# ---
# %% [markdown]
# ## A table of seconds
# MGMR-Net's Table 7 gives the inference time on CMU-MOSI, complete and with half of everything missing. The text says that the model is fast because it
# reduces the [complexity](glossary.md#complexity) "from quadratic O(N²) to linear O(N)", and that the slight increase at missing rate 0.5 "highlights the model's robustness and computational efficiency" [@mgmr2025].
#
# **Predict, then run:** half of the input is missing. Should a network then be faster, slower, or neither?

# %%
import numpy as np
import torch
from matplotlib import pyplot as plt

from mgmr_lib.chapters.ch23_complexity import figures as draw
from mgmr_lib.course import check, exercise, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.experiments.tables import PAPERS

use_style()
torch.set_num_threads(1)

# %%
hopes = ["faster: half of the work is gone", "slower: the gaps must be filled", "neither"]
predict("23.a", "Half of the input is missing: how should a network's time change?", hopes)

# %%
import pandas as pd

printed = pd.read_csv(PAPERS).query("paper == 'MGMR-Net' and table == 7")
seconds = printed.pivot_table(index="model", columns="area", values="value", sort=False)
fig, ax = plt.subplots(figsize=(8.0, 2.8))
draw.table_seven(ax, {n: (r["complete"], r["0.5 missing"]) for n, r in seconds.iterrows()})
ax.set_title("The paper's Table 7 from zero: six networks, nearly one time")
show(fig, "Seconds of six networks as the paper prints them, complete and half missing. All lie near four "
     "seconds; four are slower with a missing half by a quarter to over half a second, two change by a hundredth.")

# %%
least, most = seconds["complete"].min(), seconds["complete"].max()
say(f"From the fastest to the slowest it is {most / least - 1:.0%}. A missing half changes between "
    f"{(seconds['0.5 missing'] - seconds['complete']).min():+.2f} and "
    f"{(seconds['0.5 missing'] - seconds['complete']).max():+.2f} seconds.")

# %% [markdown]
# Three questions follow. What do we expect from counting? What do we measure? And what would Table 7 have to say before we could read it?
#
# ## 1 Count first
# We count multiply-adds. In attention $l_q$ steps ask $l_k$ steps at width $d$: queries, keys, values and the result are each made by a $d \times d$ matrix; each score is a
# sum of $d$ products, and the values are mixed with the scores.

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $Q$ | queries | $(l_q, d)$ |
# | $K$, $V$ | keys and values | $(l_k, d)$ |
# | $QK^\top$ | scores | $(l_q, l_k)$ |
# | $e$, $n$ | inner width and state size of a Mamba block | numbers |

# %% [markdown]
# ### Exercise 23.1 · count an attention (easy, 6 minutes)
# Return the multiply-adds of one attention of `l_q` steps that ask `l_k` steps. Biases and the softmax do not count; the number of heads makes no difference.


# %%
@exercise("23.1")
def attention_count(l_q, l_k, d):
    """l_q, l_k, d: whole numbers -> multiply-adds."""
    # SOLUTION
    projections = 2 * l_q * d * d + 2 * l_k * d * d
    scores_and_mixture = 2 * l_q * l_k * d
    return projections + scores_and_mixture
    # END SOLUTION


# %%
check("23.1", attention_count)

# %% [markdown]
# Does PyTorch count the same? It has a counter of its own. First we count a whole attention layer. Then the *fused attention kernel* alone: one function of PyTorch that makes scores, softmax and mixture
# in a single call, so that no table of scores is ever handed out.
#
# **Predict, then run:** how much of the kernel's work does PyTorch's counter find?

# %%
predict("23.b", "How much of the fused kernel's work does PyTorch's counter find?",
        {"nothing": 0, "a half: the scores, not the mixing": 0.5, "all of it": 1})

# %%
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from mgmr_lib.chapters.ch23_complexity.operations import multiply_adds

layer = torch.nn.MultiheadAttention(64, 4, batch_first=True)
asking, asked = torch.randn(1, 30, 64), torch.randn(1, 70, 64)
count = multiply_adds(lambda: layer(asking, asked, asked, need_weights=False))
assert count == attention_count(30, 70, 64), "exercise 23.1 is not solved yet"
q = torch.randn(1, 4, 64, 16)
with FlopCounterMode(display=False) as torchs:
    scaled_dot_product_attention(q, q, q)
ours, theirs = multiply_adds(lambda: scaled_dot_product_attention(q, q, q)), torchs.get_total_flops() // 2
print(f"fused kernel, multiply-adds: {ours} by our counter, {theirs} by PyTorch's")

# %%
outcome("23.b", theirs / ours, because="A counter adds up the operations that it has been told about, and nobody has "
        "told it about this kernel.")

# %% [markdown]
# That is so on a CPU. There a second call is as opaque: a whole LSTM, handed to a library (oneDNN). A table made with the bare counter shows attention as linear and an LSTM as free. Our
# `multiply_adds` tells the counter what both make inside.
#
# The rivals, by hand: an LSTM of width $h$ makes four gates per step, a [Mamba block](glossary.md#mamba-block) a few projections and three products for each of its $e \cdot n$ states.

# %%
def lstm_count(l, d, h):
    return l * 4 * h * (d + h)


def mamba_count(l, d, e, n, taps=4):
    r = -(-d // 16)  # rank of the time step
    projections = 2 * d * e + e * (r + 2 * n) + r * e + e * d
    return l * (projections + taps * e + 3 * e * n)


lstm = torch.nn.LSTM(64, 32, batch_first=True)
inside = sum(p.numel() for name, p in lstm.named_parameters() if "weight" in name)
assert lstm_count(1, 64, 32) == inside  # each weight is used once a step
steps_100 = torch.randn(1, 100, 64)
assert multiply_adds(lambda: lstm(steps_100)) == lstm_count(100, 64, 32)
for name, f in {"attention": lambda l: attention_count(l, l, 64), "Mamba block": lambda l: mamba_count(l, 64, 128, 16),
                "LSTM": lambda l: lstm_count(l, 64, 64)}.items():
    print(f"{name:12} 50 -> 100 steps: x {f(100) / f(50):.2f}   5000 -> 10000 steps: x {f(10_000) / f(5_000):.2f}")

# %% [markdown]
# "Quadratic" is what attention becomes, not what it is at 50 steps: there its projections weigh more. So the question is not *whether* a linear layer wins, but *where*.
#
# ### Exercise 23.2 · where two costs cross (medium, 6 minutes)
# Attention costs $a\,l + b\,l^2$, a linear rival $m\,l$. Return the smallest whole length, at least 1, at which attention is the dearer one.


# %%
@exercise("23.2")
def crossing(a, b, m):
    """a, b, m: positive whole numbers -> the smallest l >= 1 with a l + b l^2 > m l."""
    # SOLUTION
    return max(1, int(np.floor((m - a) / b)) + 1)
    # END SOLUTION


# %%
check("23.2", crossing)

# %% [markdown]
# **Predict, then run:** one attention layer with its feed-forward part (twice the width, as in MFMB-Net's `tuned` sizes) against a Bi-Mamba, that is two Mamba blocks, both at width 64. A sentence has at most 50
# tokens, a face up to 500 frames. Where do they cross?

# %%
predict("23.c", "From which length on is attention the dearer one?", between=(0, 600), step=10, within=60, unit="steps")

# %%
d, f = 64, 128
a, b = attention_count(1, 1, d) - 2 * d + 2 * d * f, 2 * d
m = 2 * mamba_count(1, d, 2 * d, 16)
cross = crossing(a, b, m)
assert a * 50 + b * 50**2 == attention_count(50, 50, d) + 50 * 2 * d * f
say(f"Attention is the dearer one from **{cross} steps** on. At the 50 tokens of a sentence it makes "
    f"{(a + 50 * b) / m:.0%} of the Bi-Mamba's multiply-adds, at the 500 frames of a face {(a + 500 * b) / m:.0%}.")

# %%
spans = np.arange(1, 601)
fig, ax = plt.subplots(figsize=(8.0, 3.4))
draw.crossing(ax, spans, {"attention and feed-forward": a * spans + b * spans**2, "Bi-Mamba": m * spans},
              {"50 tokens": 50, "they cross": cross, "500 frames": 500})
ax.set_title("For a sentence the quadratic layer is the cheaper one")
show(fig, "Multiply-adds of one layer against the length. The parabola of attention starts below the straight "
     "line of the Bi-Mamba and crosses it at a few hundred steps; a sentence lies far to the left.")

# %%
assert m > 2 * a
outcome("23.c", cross, because="The exponent decides only in the end: before, the Bi-Mamba's surplus for each step "
        "alone is more than what attention pays for pairs. For each step alone it makes more than twice as much.")

# %% [markdown]
# *Our* MGMR-Net pools voice and face onto the text's steps (how, notebook 12) before its two stages, which then run on at most 50 and three times 50 steps [@mgmr2025]. There the sizes decide as much as the exponent (notebook 13). Counts are not seconds, either:
# MFMB-Net and its Mamba twin, whole networks, cross in *time* (recorded in notebook 19) at far more frames than these layers do in counts. A scan gives less to fast matrix units; whether that is the reason nothing here isolates.

# %% [markdown]
# Notebook 13 counts in the same way and asks for *one* block of expansion 4 against a layer with a feed-forward part four times as wide, at width 128: there they cross near the paper's 50 steps, each of three tokens. Where two costs cross depends on what stands on either side.

# %% [markdown]
# ## 2 Whole networks
# Now both networks, MFMB-Net's Mamba twin, and MulT, which is attention between all modalities at native lengths [@tsai2019]. No pooling, 50 tokens, growing voice and face. The simple rival reads text only.
#
# **Predict, then run:** how does each one's arithmetic grow when the frames double from 1000 to 2000?

# %%
predict("23.d", "Whose arithmetic more than doubles?",
        ["MulT's alone", "MulT's and MFMB-Net's", "that of all but the text reader", "nobody's"])

# %% tags=["baseline"]
from mgmr_lib.experiments.complexity import network, random_batch, train_step
from mgmr_lib.experiments.plan import VARIANTS

WIDTHS = (384, 5, 20)  # features of text, voice and face
names = ("mgmr", "mfmb", "mfmb_mamba", "mult", "fc_t")
networks = {n: network(n, "fast", WIDTHS).train() for n in names}
labels = {n: VARIANTS[n].label for n in names}
frames = [125, 250, 500, 1000, 2000]
counted = {n: [multiply_adds(lambda model=model, l=l: model(random_batch(l, 1, WIDTHS))) for l in frames]
           for n, model in networks.items()}

# %%
for n, values in counted.items():
    factor = values[-1] / values[-2]
    word = "does not grow" if factor < 1.1 else "at most linear" if factor <= 2.05 else "more than linear"
    print(f"{labels[n]:24} {word}")

# %%
factors = {n: values[-1] / values[-2] for n, values in counted.items()}
assert factors["mult"] > 2.3
whose = {(): "nobody's", ("mult",): "MulT's alone", ("mfmb", "mult"): "MulT's and MFMB-Net's",
         names[:-1]: "that of all but the text reader"}
outcome("23.d", whose[tuple(n for n in names if factors[n] > 2.05)],
        because="A square needs pairs: it grows where frames attend to frames, while a scan passes each frame "
        "once, a Bi-Mamba twice.")

# %% [markdown]
# Can we trust the counter? It knows matrix products alone, and what the paper's claim is about, the scan, is none of them. By hand, `mamba_count` has it, but that count is linear because we wrote `l * (...)`: it proves nothing.
#
# So we watch a scan instead. The backend `"loop"` writes the recurrence out in PyTorch's own operations, and `Written` adds up every element that they write.

# %%
from mgmr_lib.chapters.shared.counting import Written
from mgmr_lib.ssm.blocks import BiMamba


def written_by(layer, l):
    with torch.no_grad(), Written() as w:
        layer(torch.randn(1, l, 64))
    return w.elements


bi, bi_loop = BiMamba(64), BiMamba(64, backend="loop")
by_counter, by_hand = multiply_adds(lambda: bi(torch.randn(1, 200, 64))), 2 * mamba_count(200, 64, 128, 16)
seen = [written_by(bi_loop, l) for l in (100, 200, 400)]

# %%
assert by_counter < by_hand == multiply_adds(lambda: bi(torch.randn(1, 200, 64)), scans_of=bi)
assert all(1.9 < b / a < 2.1 for a, b in zip(seen[:-1], seen[1:], strict=True))
say(f"At 200 steps a Bi-Mamba makes {by_hand / 1e6:.1f} million multiply-adds by hand, of which the counter sees "
    f"{by_counter / by_hand:.0%}. Written out, it writes {seen[1] / 1e6:.1f} million elements, and when the steps "
    f"double, x {seen[1] / seen[0]:.2f} and x {seen[2] / seen[1]:.2f}.")

# %% [markdown]
# So MGMR-Net's claim of linear cost holds for its matrix products, and for a scan that is written out. (Inside a compiled kernel nothing here looks.) Two things are in it: no attention, and, in our reading, stages that only ever see the text's steps. And memory? `kept_for_backward` counts what must
# be kept until the gradients arrive (notebook 04).
#
# **Predict, then run:** attention kept a table of $l_q \times l_k$ numbers when it was introduced. In a training, whose memory grows with the square?

# %%
predict("23.e", "Whose memory of a training grows with the square?",
        ["MulT's alone", "nobody's", "MulT's and MFMB-Net's", "that of all but the text reader"])

# %%
from mgmr_lib.chapters.shared.counting import cpu_seconds, kept_for_backward
from mgmr_lib.training.losses import LossWeights, joint_loss


def loss_of(model, batch):
    return joint_loss(model(batch), batch.labels, LossWeights())["total"]


kept = {n: [kept_for_backward(lambda model=model, l=l: loss_of(model, random_batch(l, 1, WIDTHS))) for l in frames]
        for n, model in networks.items()}
for n, values in kept.items():
    print(f"{labels[n]:24} {'at most linear' if values[-1] / values[-2] < 2.2 else 'more than linear'}")

# %%
outcome("23.e", whose[tuple(n for n in names if kept[n][-1] / kept[n][-2] >= 2.2)],
        because="Arithmetic and memory are two questions: all pairs are computed, and yet never kept at once.")

# %% [markdown]
# The fused kernel computes the table piece by piece and never stores it [@dao2022]; the price is more arithmetic in the backward. One table, made by hand, shows what it saves.

# %%
def table_attention(q, k, v):
    """Attention with its table of shares, which autograd must keep: (b, h, l, d)."""
    return torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, dim=-1) @ v


for name, mix in (("with a table", table_attention), ("fused", scaled_dot_product_attention)):
    held = []
    for l in (512, 1024):
        q = torch.randn(1, 4, l, 16, requires_grad=True)
        held.append(kept_for_backward(lambda mix=mix, q=q: mix(2 * q, 3 * q, 4 * q)))
    print(f"attention {name:13} 512 -> 1024 steps: memory x {held[1] / held[0]:.1f}")

# %% [markdown]
# So a *training* keeps a linear amount. (A forward pass alone may still hold tables while it runs: see below.) Now the clock. Processor time of a train step, one thread, two clips, up to 1000 frames, on the machine that runs this notebook; times are drawn and never printed, since yours differ.

# %%
def step_ms(model, length):
    batch = random_batch(length, 2, WIDTHS)
    return 1e3 * cpu_seconds(lambda: train_step(model, batch), 1)


def whole_count(model, length):
    """Multiply-adds of a forward pass on one clip, with what its scans make added by hand."""
    return multiply_adds(lambda: model(random_batch(length, 1, WIDTHS)), scans_of=model)


timed = {n: [step_ms(networks[n], l) for l in frames[:-1]] for n in names if n != "fc_t"}

# %% tags=["signature"]
fig = plt.figure(figsize=(8.0, 4.0))
mega = {n: [whole_count(networks[n], l) / 1e6 for l in frames] for n in timed}
panels = {"multiply-adds, one clip (millions)": mega, "processor time (ms), measured here": timed}
draw.over_frames(fig, frames, panels, labels)
fig.suptitle("Counts say which curves bend, a clock how high they lie and when they do", x=0.01, ha="left")
show(fig, "Left counted multiply-adds of a forward pass, the scans' part added by hand, right measured processor time "
     "of a train step, against the frames, both axes logarithmic; networks with attention dashed. On the left MulT and "
     "MFMB-Net are steeper than linear from the start and bend towards the quadratic line; the two others are flatter "
     "than linear.")

# %% [markdown]
# What was recorded with the `laptop` profile's sizes, over longer inputs? Nothing in the next figure is computed here.

# %%
from mgmr_lib.experiments.complexity import costs_path, read_costs

recorded = read_costs(costs_path("classroom-mosi", "laptop"))
fig = plt.figure(figsize=(8.0, 4.0))
draw.recorded_lengths(fig, recorded)
fig.suptitle("Recorded: at the last doubling, time about quadruples with attention; memory only doubles", x=0.01,
             ha="left")
show(fig, "Recorded processor time and peak memory of a train step against the frames of voice and face, without "
     "pooling, both axes logarithmic; networks with attention dashed, a linear and a quadratic line in grey. On the "
     "left the dashed lines end nearly as steep as the quadratic one; on the right none is steeper than linear.")

# %%
steps = {n: {r["frames"]: r["seconds"] for r in recorded["over_length"]
             if (r["name"], r["pass"]) == (n, "train step")} for n in ("mfmb", "mfmb_mamba", "mult")}
sized, laptop = {n: network(n, "laptop", WIDTHS).train() for n in steps}, {}
for n, model in sized.items():
    laptop[n] = [whole_count(model, l) for l in frames]
in_counts = {l: laptop["mfmb_mamba"][i] / laptop["mfmb"][i] for i, l in enumerate(frames)}
in_seconds = {l: steps["mfmb_mamba"][l] / steps["mfmb"][l] for l in steps["mfmb"]}
print("MFMB-Net's Mamba twin by MFMB-Net, laptop sizes")
for l, ratio in in_seconds.items():
    counts = f"x {in_counts[l]:.2f}" if l in in_counts else "-"
    print(f"{l:5} frames   multiply-adds {counts:7} recorded seconds x {ratio:.2f}")

# %%
fewer, slower = [l for l in frames if in_counts[l] < 1], [l for l in in_seconds if in_seconds[l] > 1]
assert fewer == frames[3:] and 1 < in_counts[frames[2]] < 1.1 and slower == frames
say(f"Counted, a forward pass with the scans' part added by hand, the twin is the dearer one at {frames[0]} and "
    f"{frames[1]} frames, nearly even at {frames[2]} and the cheaper one from {fewer[0]} on. In recorded seconds of a "
    f"train step it is the dearer one up to {max(slower)} frames.")

# %% [markdown]
# Do clock and counts bend together? For the two networks with attention: what does each doubling of the frames cost, counted (a forward pass) and recorded (a train step), both with the `laptop` sizes?

# %%
print(f"each doubling from {frames[0]} to {frames[-1]} frames")
for n in ("mfmb", "mult"):
    for what, values in (("counted", laptop[n]), ("recorded", [steps[n][l] for l in frames])):
        grown = [b / a for a, b in zip(values[:-1], values[1:], strict=True)]
        print(f"{labels[n]:9} {what:9}", "  ".join(f"x {v:.2f}" for v in grown))

# %% [markdown]
# At first the clock grows by less than the counts. What each call costs, however short, may hide the square; nothing here isolates that. The bend that counts announce is felt later, and not evenly; why, nothing here isolates.
#
# And inference, of which the paper's Table 7 speaks?

# %%
alone = {r["frames"]: r["bytes"] / 1e6 for r in recorded["over_length"]
         if (r["name"], r["pass"]) == ("mult", "forward")}
longest = sorted(alone)[-2:]
say("Recorded: a *forward* pass of MulT without gradients holds at its peak " + ", ".join(
    f"{alone[l]:.0f} MB at {l} frames" for l in sorted(alone)[2:]) + f": x {alone[longest[1]] / alone[longest[0]]:.1f} "
    "when the frames double. There memory grows with the square: without "
    "gradients some of its attention layers take a path that writes their tables out.")

# %% [markdown]
# Those are whole networks. In section 1 *one layer* of attention and a Bi-Mamba crossed in counts; where do layers cross in seconds? A recorded run of `python -m mgmr_lib bench`
# timed a train step of each, at one width, on one thread (attention here has no feed-forward part).

# %%
from mgmr_lib.bench import recorded as recorded_bench
from mgmr_lib.bench.report import layer_curves

bench = recorded_bench.read()
assert bench["settings"]["layer_width"] == d  # so that counts and seconds are of the same layers
fig, ax = plt.subplots(figsize=(8.0, 3.4))
layer_curves(ax, bench["layers"])
ax.set_title("Recorded: where single layers cross in seconds")
show(fig, "Processor time of a train step of single layers against the length, both axes logarithmic. Attention "
     "climbs more steeply than the others at the right end.")
took = {(r["length"], r["name"]): r["median_s"] for r in bench["layers"]}
for dearer in ("attention, fused", "attention, written out"):
    for rival in ("Mamba", "Bi-Mamba"):
        first = recorded_bench.crossing(bench, dearer, rival)
        counts = crossing(attention_count(1, 1, d) - b, b, m if rival == "Bi-Mamba" else m // 2)
        lead = took[first, dearer] / took[first, rival] if first else 0.0
        told = f"from about {first} steps on (x {lead:.2f} there)" if first else "at no recorded length"
        print(f"{dearer:22} dearer than {rival:8} in counts from {counts} steps on, in seconds {told}")
say(f"Seconds were measured at {', '.join(map(str, bench['settings']['lengths']))} steps, so each crossing lies "
    f"between two of these, and a factor near one, of {bench['layers'][0]['rounds']} rounds, is a tie. "
    + recorded_bench.provenance_line(bench))

# %% [markdown]
# ## 3 A stopwatch is an instrument
# On a GPU a call returns at once: the work stands in a queue and runs behind the clock's back. And the first call prepares, which takes long. We have no GPU here, so we simulate one, with a clock that never wobbles. A colleague
# times work of half a second.

# %%
from mgmr_lib.chapters.ch23_complexity.operations import SimulatedGPU


def colleagues_seconds(gpu, work, rounds):
    begun = gpu.now
    for _ in range(rounds):
        gpu.run(work)
    return (gpu.now - begun) / rounds


gpu = SimulatedGPU(first=4.0, handing=0.0625, pending=3.0)
print(f"work of 0.5 s, she finds {colleagues_seconds(gpu, 0.5, 8)} s a call")

# %% [markdown]
# ### Exercise 23.3 · find the bug: time what runs in a queue (medium, 10 minutes)
# `gpu.run(work)` hands over and returns, `gpu.wait()` returns when the queue is empty, `gpu.now` is the clock. The queue may hold other people's work. Make one call that does not count, then return the mean time of `rounds` calls, with
# a single wait behind all of them.


# %%
@exercise("23.3")
def seconds_a_call(gpu, work, rounds):
    """gpu: a SimulatedGPU; work: seconds; rounds: calls to average -> seconds a call."""
    # SOLUTION
    gpu.run(work)
    gpu.wait()
    begun = gpu.now
    for _ in range(rounds):
        gpu.run(work)
    gpu.wait()
    return (gpu.now - begun) / rounds
    # END SOLUTION


# %%
check("23.3", seconds_a_call)

# %%
for rounds in (1, 8, 64):
    found = seconds_a_call(SimulatedGPU(pending=3.0), 0.5, rounds)
    print(f"{rounds:2} rounds: {found:.3f} s a call")

# %% [markdown]
# What is left above half a second is handing over, which many rounds share. One more trap needs no GPU: who times two networks must give both the same batches. Short clips in a batch are padded to its longest.
#
# **Predict, then run:** the classroom's 686 test clips in batches of 64. How many frames are computed in the order of the file, and how many if clips of like length share a batch?

# %%
predict("23.f", "In the order of the file, how many frames are computed for each frame of voice?",
        between=(1, 4), step=0.1, within=0.3)

# %%
from mgmr_lib.data.load import load_corpus

lengths = load_corpus("classroom-mosi")["test"].audio.lengths


def computed_frames(order):
    batches = [lengths[order[i : i + 64]] for i in range(0, len(order), 64)]
    return sum(len(b) * b.max() for b in batches)


orders = {"order of the file": np.arange(len(lengths)), "like lengths": np.argsort(lengths, kind="stable")}
cost = {name: computed_frames(order) / lengths.sum() for name, order in orders.items()}
for name, frames_each in cost.items():
    print(f"{name:18} {frames_each:.2f} frames computed for each frame of voice")

# %%
assert cost["like lengths"] < 1.2
outcome("23.f", cost["order of the file"], because="A batch is as long as its longest clip, so a single long one pads "
        "all the others; among clips of like length little is lost.")

# %% [markdown]
# Those are frames of voice. What does the order do to a whole network? We count MGMR-Net's products with the `laptop` sizes, for both orders; a batch is as long as its longest sentence, voice and face.

# %%
clips, mgmr = load_corpus("classroom-mosi")["test"], network("mgmr", "laptop", WIDTHS, pool=True)


def products_of(order):
    total = 0
    for batch in (order[i : i + 64] for i in range(0, len(order), 64)):
        words, voice, face = (int(v[batch].max()) for v in (clips.token_lengths, lengths, clips.vision.lengths))
        one = random_batch((voice, face), 1, WIDTHS, words=words)
        total += len(batch) * multiply_adds(lambda one=one: mgmr(one))
    return total


more = products_of(orders["order of the file"]) / products_of(orders["like lengths"])
assert more > 1.1
say(f"The same network on the same clips makes x **{more:.2f}** the products in the order of the file. Table 7's "
    f"slowest network takes x {most / least:.2f} the seconds of its fastest. Counts are not seconds; but a table that "
    "is silent about batches leaves something of that size open.")

# %% [markdown]
# ## 4 Half missing
# In our data a missing step is a zero vector, and a missing word another token. Shapes stay, lengths stay, and no `if` in either network looks at the mask before it computes: MGMR-Net rebuilds every step and its gate
# chooses afterwards. What follows for the counts? We count both inputs, every element that is written included.

# %%
from mgmr_lib.experiments.complexity import forward

pooled = {n: network(n, "fast", WIDTHS, pool=True) for n in names}
inputs, found = {rate: random_batch(400, 8, WIDTHS, rate) for rate in (0.0, 0.5)}, {}
for n, model in pooled.items():
    found[n] = {}
    for rate, batch in inputs.items():
        with Written() as w:
            forward(model, batch)
        found[n][rate] = w.elements, multiply_adds(lambda model=model, batch=batch: forward(model, batch))
    same = found[n][0.0] == found[n][0.5]
    print(f"{labels[n]:24} {'the same' if same else 'different'} operations on both inputs")

# %%
assert all(by_rate[0.0] == by_rate[0.5] for by_rate in found.values())
outcome("23.a", "neither", because="A gap is still a step: none of these networks skips it, so each computes as "
        "much as on complete input.")

# %% [markdown]
# And the clock? The negative control is the complete input *again*: between it and the complete input nothing differs at all. We take turns, so that a slow moment of the machine meets all three. A grey line in the picture is as long as the paper's
# increase would be here.
#
# **Predict, then run:** will the three rows be told apart?

# %%
rows = ["yes, it lies below both others", "yes, it lies above both others", "no, they overlap"]
predict("23.g", "Do the times of the half-missing input lie apart from the others?", rows)

# %% tags=["control"]
import time

turns = {"complete": inputs[0.0], "half missing": inputs[0.5], "complete again": inputs[0.0]}
milliseconds = {name: [] for name in turns}
for round_number in range(13):
    for name, batch in turns.items():
        begun = time.process_time()
        forward(pooled["mgmr"], batch)
        if round_number:  # the first round warms up
            milliseconds[name].append(1e3 * (time.process_time() - begun))

# %%
fig, ax = plt.subplots(figsize=(8.0, 2.2))
increase = seconds.loc["MGMR-Net", "0.5 missing"] / seconds.loc["MGMR-Net", "complete"] - 1
draw.times(ax, milliseconds, increase)
ax.set_title("What a missing half changes, beside what nothing changes")
show(fig, "Processor time of MGMR-Net on one batch, twelve times each: complete, half missing, and the complete "
     "input again as a control (grey). The same operations run in all three rows; their spread is the machine's. "
     "A line below is as long as the increase that the paper prints.")

# %% tags=["nbval-ignore-output"]
half, whole = milliseconds["half missing"], milliseconds["complete"] + milliseconds["complete again"]
outcome("23.g", rows[0 if max(half) < min(whole) else 1 if min(half) > max(whole) else 2],
        because="Times wander even where nothing changes, as the control shows: only a gap beyond that is news.")

# %% [markdown]
# "No, they overlap" does not say that there is no difference: one or two slow calls are enough for rows to overlap, so this rule can miss an increase of the paper's size. That nothing more is computed, the counts say, and not the clock.

# %% [markdown]
# Could a missing half be *made* to pay? Yes: drop the missing steps, and the network gets a sequence of half the length. None of the networks above does that, and a scan would then need to know how much time had passed.
#
# So the paper's increase from 3.65 to 3.93 seconds [@mgmr2025] is not something that the network's equations explain, neither as a cost nor as robustness. What else could be in it? For example masking the data inside the timed part, or noise.

# %% [markdown]
# ## 5 What a table of seconds must tell
# Five facts, and six descriptions: five are made up, the last is the paper's own [@mgmr2025].

# %%
from mgmr_lib.chapters.ch23_complexity.timings import FACTS, TIMINGS

for fact, tells in FACTS.items():
    print(f"{fact:8} {tells}")
for which, text in TIMINGS.items():
    print(f"\n{which}: {text}")

# %% [markdown]
# ### Exercise 23.4 · what a timing leaves out (easy, 6 minutes)
# Return the facts that a description does not tell, in any order.


# %%
@exercise("23.4")
def lacking(which):
    """which: "A" to "F" -> list of the facts (keys of FACTS) that this description does not tell."""
    # SOLUTION
    return {
        "A": [],
        "B": ["spread"],
        "C": ["clips"],
        "D": ["batch", "spread"],
        "E": ["batch", "encoder"],
        "F": ["clips", "batch", "warm-up", "spread", "encoder"],
    }[which]
    # END SOLUTION


# %%
check("23.4", lacking)

# %% [markdown]
# > **Card: the paper is unclear.** Table 7 does not say what was timed: which clips, whether loading, masking and the text encoder are in it, batch size, warm-up, number of repetitions, spread [@mgmr2025]. Two of its rivals change by a hundredth of a second, one up and one down; three slow down. With no spread in
# > the table, a step of a quarter of a second cannot be told from nothing.

# %% [markdown]
# One of the five alone can move the meaning of the table. We take it that all six networks read text through the same BERT-like encoder, and suppose that Table 7 has it inside. Then the totals hide how fast the
# networks themselves are.


# %%
def times_faster(fast, slow, common):
    """How many times faster the first network's own part is, without the seconds that both share."""
    return (slow - common) / (fast - common)


common = np.linspace(0, 3.5, 60)
mine = seconds.loc["MGMR-Net", "complete"]
curves = {f"MGMR-Net against {n}": [times_faster(mine, seconds.loc[n, "complete"], c) for c in common]
          for n in ("LNLN", "Self_MM")}
fig, ax = plt.subplots(figsize=(8.0, 2.8))
draw.left_over(ax, common, curves)
ax.set_title("The same table means anything from a little faster to several times")
show(fig, "How many times faster MGMR-Net's own part would be than two rivals', by the paper's totals, against "
     "the seconds that all networks share. The unknown share decides whether the lead is small or large.")

# %% [markdown]
# How large might that share be? We count: MiniLM, the frozen encoder of our profiles, and MGMR-Net with the `laptop` sizes, on one clip of 50 tokens.
#
# **Predict, then run:** which part of all multiply-adds is the encoder's?

# %%
predict("23.h", "Which part of all multiply-adds is MiniLM's?", between=(0, 100), step=1, within=7, unit="%")

# %%
from transformers import BertConfig, BertModel

minilm = BertConfig(vocab_size=100, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
                    intermediate_size=1536)
shapes_of = {"MiniLM": minilm, "BERT-base": BertConfig(vocab_size=100)}
itself = multiply_adds(lambda: network("mgmr", "laptop", WIDTHS, pool=True)(random_batch(400, 1, WIDTHS)))


def multiply_adds_of(shape):
    with torch.device("meta"):  # shapes without numbers: nothing is computed
        encoder, tokens = BertModel(shape).eval(), torch.ones(1, 50, dtype=torch.long)
    return multiply_adds(lambda: encoder(tokens))


shares = {}
for name, shape in shapes_of.items():
    products = multiply_adds_of(shape)
    shares[name] = products / (products + itself)
    print(f"{name:9} makes {shares[name]:.1%} of the products")

# %%
from mgmr_lib.training.config import make_config

one_layer = multiply_adds_of(BertConfig(**(minilm.to_dict() | {"num_hidden_layers": 1})))
ours = make_config("mgmr", "laptop").network.d_model

# %%
assert one_layer > 5 * itself and minilm.hidden_size > 5 * ours
outcome("23.h", 100 * shares["MiniLM"], because="Products grow with the square of the width, and MiniLM's is "
        f"{minilm.hidden_size} against {ours}: a single one of its layers makes x {one_layer / itself:.1f} the "
        "products of the whole network behind it.")

# %%
say(f"By products MGMR-Net is {1 - shares['MiniLM']:.0%} of the whole behind MiniLM, and scan against attention, "
    "which the paper's argument is about, is less. Of the *seconds* the network is more (counts are not "
    "seconds, section 1): measure before you say what a total can show.")

# %% [markdown]
# ## 6 What was recorded
# Our counterpart of Table 7: all test clips in batches of 64, text features given, one thread, processor time, all networks and both columns in turn. The paper's rows stand below, to be read and not to be compared.

# %%
say(draw.recorded_inference(recorded))

# %%
if recorded:
    at = {(r["label"], r["rate"]): r["seconds"] for r in recorded["inference"]}
    others = [n for n, rate in at if rate == 0.0 and n != "MGMR-Net"]
    faster = [n for n in others if at[n, 0.0] < at["MGMR-Net", 0.0]]
    shares = [at[n, 0.5] / at[n, 0.0] for n in (*others, "MGMR-Net")]
    say(f"Complete, {len(faster)} of {len(others)} networks are faster here than MGMR-Net. With half missing a "
        f"network takes {min(shares):.0%} to {max(shares):.0%} of its time. All took turns, and by section 4 the work "
        "is the same, so a difference between the columns shows how far such seconds can be trusted.")

# %% [markdown]
# On your machine, from your study of notebook 20 (an epoch on all clips, the shared text encoder beside the first network that meets a broken sentence):

# %%
from mgmr_lib.chapters.shared import own_study

own = own_study.records()
say(own_study.seconds(own, own_study.recorded_like(own)))

# %% [markdown]
# ## 7 Where length should matter
# Our clips are short. So we made long ones, all **simulated**: noise, with two short cues of opposite sign in the voice, at least half of the clip apart. The label is the first one's sign. Swapped, the
# cues make a clip of the other label from the same frames, so the mean frame knows nothing: the control. Training began with short clips and doubled their length.
#
# **Predict, then run:** MFMB-Net against its Mamba twin, on the longest clips.

# %%
times = {"about as long": 1, "3 times as long": 3, "25 times as long": 25, "200 times as long": 200}
predict("23.i", "How long does a train step of MFMB-Net take, by its Mamba twin's, at 16,000 frames?", times)

# %%
from mgmr_lib.chapters.ch23_complexity import long_clips
from mgmr_lib.experiments.long_sequences import read_long
from mgmr_lib.experiments.long_tables import draw_long, provenance_line, series

long = read_long()
fig = plt.figure(figsize=(9.0, 4.4))
draw_long(fig, long)
fig.suptitle("Recorded: attention pays for pairs of frames in time, its table in memory as well", x=0.01, ha="left")
show(fig, "Recorded on simulated clips, against the frames of voice: wrong signs, processor time and peak memory of a "
     "train step. Dashed lines (attention) climb more steeply in time; in memory only the written-out table does. "
     "Curves of attention end early on the left, where it was not trained.")

# %%
a_step = series(long, "seconds")
outcome("23.i", a_step["mfmb"][16000] / a_step["mfmb_mamba"][16000], because="At this length nearly all of the time "
        "of attention goes into pairs of frames, while a scan passes each frame once, a Bi-Mamba twice.")

# %%
say(long_clips.last_doubling(long))
say(long_clips.wrong_signs(long))
say(long_clips.step_costs(long))
say(provenance_line(long))

# %% [markdown]
# What attention loses here is time: where it was trained, the whole networks with it err no more than those with scans. And the errors do not say what carried the cue: both whole networks
# hold LSTMs, and a single layer of either kind, which has none, did badly.

# %% [markdown]
# ## Limits
# - Multiply-adds leave out memory traffic, which bounds a scan on a GPU (notebook 06).
# - One thread of one processor: other machines have other crossings.
# - The `fast` profile's sizes are small; fixed costs weigh more in them.
# - The long clips are simulated, their networks small, their trainings few and short.
# - Inference in batches is not streaming: there a scan needs a state, attention all that it has read.

# %% [markdown]
# ## Summary
# - Attention is $4\,l\,d^2 + 2\,l^2 d$, its feed-forward part of inner width $f$ is $2\,l\,d\,f$ more: quadratic only where $l$ is well above $d$.
# - The fused kernel makes a training's memory linear, and leaves the arithmetic quadratic.
# - At a sentence's length, attention with its feed-forward part costs less than a Bi-Mamba.
# - Warm up, wait, repeat, take turns, and use the same batches.
# - How much these networks compute does not depend on what is missing.
# - A time without its share of common work, spread and setting is no result.

# %%
progress("23")
