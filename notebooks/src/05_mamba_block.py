# ---
# jupyter:
#   mgmr:
#     title: The Mamba block
#     claim: "Four small parts around the selective scan make a block: each has a task that is learned sooner with it, and the whole writes."
#     goals:
#       - say what the short convolution, the gate, the skip and the start of the time steps are for, and what is learned later without each
#       - build the block from its nine tensors, and exchange them with another library
#       - run it one step at a time with a memory that does not grow
#       - train a small language model, and measure it against rivals that count and on shuffled text
#       - load a published checkpoint into your block, and write with it
#       - write the whole block alone, from its nine tensors, so that it can go on from a state
#     minutes: 90
#     budget_s: 45
#     device: cpu
#     requires: ["03", "04"]
#     introduces: [Mamba block, short convolution, gate, skip, streaming, bits per character]
# ---
# %% [markdown]
# ## Nine tensors
# Notebook 03 made a state-space model selective, notebook 04 made it fast. What people download under the name Mamba [@gu2023] is
# a [Mamba block](glossary.md#mamba-block): the selective scan and a few parts around it. Here is one of width 64.
#
# **Predict, then run:** which share of its weights belongs to the scan ($A$, and what makes $\Delta$, $B$, $C$): a quarter, a half, nearly
# all?

# %% [markdown]
# The minutes above are for sections 1 to 5, 7 and 8 with their exercises. Sections 6 and 9 are optional, and section 10 is a longer
# piece of work for another sitting. Run the cells of 6 and 9 even if you do not read them: later ones use what they define.

# %%
import math

import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt

from mgmr_lib.chapters.ch05_mamba_block import toys
from mgmr_lib.chapters.ch05_mamba_block.drawings import memory_of_bias
from mgmr_lib.chapters.ch05_mamba_block.toys import AskedChannels, Echo, SlowAverage, parts_model, train_parts
from mgmr_lib.chapters.shared import part_one_figures as figures_partI
from mgmr_lib.chapters.shared.growing_drawing import mamba_block as draw_block
from mgmr_lib.course import check, exercise, explore, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.ssm import MambaBlock, selective_scan

use_style()

# %%
predict("05.a", "Which share of the block's weights belongs to the scan?",
        {"a quarter": 0.25, "a half": 0.5, "nearly all": 0.95})

# %%
torch.manual_seed(0)
block = MambaBlock(64)
sizes = {name: w.numel() for name, w in block.state_dict().items()}
for name, w in block.state_dict().items():
    print(f"{name:16} {str(tuple(w.shape)):14} {w.numel():6}")
scan = sum(sizes[k] for k in ("A_log", "x_proj.weight", "dt_proj.weight", "dt_proj.bias"))
ends = sizes["in_proj.weight"] + sizes["out_proj.weight"]
total = sum(sizes.values())
say(f"Of {total} weights **{scan / total:.0%}** belong to the scan, and {ends / total:.0%} to two plain matrices, "
    f"`in_proj` and `out_proj`. The convolution and the skip share the last {(total - scan - ends) / total:.0%}.")

# %%
outcome("05.a", scan / total, because="The weights lie in the two matrices that lead in and out, which are wide on "
        "both sides; those of the scan are narrow on one.")

# %%
fig, ax = plt.subplots(figsize=(8.0, 3.4))
draw_block(ax)
ax.set_title("A Mamba block: a scan with a convolution before it and a gate behind it")
show(fig, "The drawing of 01 to 04, folded into the blue boxes; orange is what is new here. in_proj splits "
     "the input in two: one half passes the short convolution, silu and the scan, the other half becomes the "
     "gate that multiplies the scan's output; out_proj returns to the width of the input.")

# %% [markdown]
# What do the two big matrices do? The scan and the convolution treat each channel for itself; channels meet only in what makes
# $\Delta$, $B$ and $C$. `in_proj` mixes all $d$ channels into $2e$ new ones, so that each may hold whatever combination is worth
# remembering, and `out_proj` mixes what was remembered back into $d$. They are to the scan what the two layers of an MLP are to its
# nonlinearity, which is why a Mamba network has no MLP beside its blocks.

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $x$, $y$ | input and output of the block | $(b, l, d)$ |
# | $u$, $z$ | the two halves after `in_proj`; usually $e = 2d$ | $(b, l, e)$ |
# | $w$, $\beta$ | taps and bias of the short convolution | $(e, k)$, $(e)$ |
# | $r$ | a narrow vector from which $\Delta$ is made | $(b, l, \text{rank})$ |
# | $\Delta$, $B$, $C$ | time step, write and read weights, as in notebook 03 | $(b, l, e)$, $(b, l, n)$, $(b, l, n)$ |
# | $A$, $D$ | decay rates, below 0; skip weights | $(e, n)$, $(e)$ |

# %% [markdown]
# We take the parts one at a time. For each we ask a small task where it should help, train the block with and without it, and look at
# the error. An error after a fixed training says who learns *sooner*; section 4 ends with what longer training changes.
# The tasks and the crippled block lie in `mgmr_lib/chapters/ch05_mamba_block/toys.py`. Each training is a second or two, on fresh random data at every step.

# %% [markdown]
# ## 1 The short convolution: who was my neighbour?
# In notebook 03, $B_t$, $C_t$ and $\Delta_t$ were made from the input of step $t$ alone. So whether a letter is worth keeping cannot depend
# on the letter before it. The [short convolution](glossary.md#short-convolution) runs first and mixes each step with the $k - 1$ before
# it, each channel for itself:
#
# $$u'_t = \mathrm{silu}\Big(\beta + \sum_{j=0}^{k-1} w_j\, u_{t-k+1+j}\Big) \qquad \mathrm{silu}(a) = \frac{a}{1 + e^{-a}}$$

# %% [markdown]
# Entries of $u$ before the first step count as 0. The last tap, $w_{k-1}$, weighs the present. Usually $k = 4$.
#
# ### Exercise 05.1 · the short convolution (medium, 8 minutes)
# Return the sum in the big brackets, without the silu. No loop over time is needed: a loop over the $k$ taps is enough.


# %%
@exercise("05.1")
def short_convolution(u, w, bias):
    """u (b,l,e), w (e,k), bias (e) -> (b,l,e)."""
    # SOLUTION
    k, length = w.shape[1], u.shape[1]
    padded = F.pad(u, (0, 0, k - 1, 0))
    return sum(w[:, j] * padded[:, j : j + length] for j in range(k)) + bias
    # END SOLUTION


# %%
check("05.1", short_convolution)

# %% [markdown]
# The library uses `nn.Conv1d` with one group a channel and cuts off the end. Both must agree.

# %%
u = torch.randn(2, 10, 128)
ours = short_convolution(u, block.conv1d.weight[:, 0], block.conv1d.bias)
theirs = block.conv1d(u.transpose(1, 2))[..., :10].transpose(1, 2)
assert torch.allclose(ours, theirs, atol=1e-6)
print("same as nn.Conv1d with groups=e, cut to the first l steps")

# %% [markdown]
# The task: a row of random letters, one mark among them. *Which letter came right after the mark?* The mark itself is easy to see. The
# letter behind it looks like any other letter.
#
# **Predict, then run:** can a block without the convolution find it? (It could keep every letter after the mark, and then guess.)

# %%
predict("05.b", "How often does the block without the convolution find the letter?",
        ["about as often as with it", "in half of the cases", "not much more often than a guess"])

# %%
task = toys.AfterMark()
marked = {}
for conv in (True, False):
    model = parts_model(task, d_model=32, conv=conv)
    marked[conv] = train_parts(model, task, steps=120, batch=64, lr=5e-3)
few, many = 0.2, 0.6
say(f"With the convolution fewer than {few:.0%} of the answers are wrong, without it more than {many:.0%} "
    f"(a blind guess: {1 - 1 / task.letters:.0%}).")

# %%
assert marked[True] < few and marked[False] > many
found = {"about as often as with it": 1 - marked[True], "in half of the cases": 0.5,
         "not much more often than a guess": 1 / task.letters}
outcome("05.b", min(found, key=lambda how: abs(found[how] - (1 - marked[False]))),
        because="Selection decides by one step's input, and this letter looks like all others: what is special is only "
        "its neighbour.")

# %% [markdown]
# With the convolution, "the mark stands before me" is visible in $u'_t$, so $\Delta_t$ and $B_t$ can act on it. Is it the neighbour, or just one more
# layer? In the course's tests a convolution of a single tap, which sees no neighbour, errs as often as none, and with two taps hardly an answer is wrong. A
# second block may stand in: of two blocks without convolutions, trained four times as long, some starts err in under a third of the cases, others
# in half, as one block does.

# %% [markdown]
# ## 2 The gate: each channel has its own say
# The scan reads its memory with $C_t$: only $n$ numbers, and the same ones for all $e$ channels. The [gate](glossary.md#gate) lets the
# present speak to every channel by itself:
#
# $$o_t = y_t \odot \mathrm{silu}(z_t)$$
#
# Here $y_t$ is the scan's output, $z_t$ the second half of `in_proj`'s output, and $\odot$ multiplies entry by entry.

# %% [markdown]
# The task: step 0 shows one number for each of six channels. At every later step each channel is asked for its number, or not, by a coin
# of its own; where it is not asked, the answer is 0. The rival without a gate gets a wider inside ($e = 3d$ for $2d$), so that both have
# equally many weights in the two big projections.

# %% [markdown]
# **Predict, then run:** an answer that ignores the questions does best with half of the number everywhere. How large is its squared
# error, in units of the squared target? (Half of the time the target is $v$, half of the time 0.)

# %%
predict("05.c", "How large is the squared error of half of the number, in units of the squared target?",
        {"a quarter": 0.25, "a half": 0.5, "as large as the target": 1})

# %%
task = AskedChannels()
asked = {"gate": train_parts(parts_model(task), task, steps=150, lr=2e-2),
         "no gate, wider": train_parts(parts_model(task, gate=False, expand=3), task, steps=150, lr=2e-2)}
blind = (0.5**2 * 0.5 + 0.5**2 * 0.5) / 0.5
small, large = 0.05, 0.35
say(f"Ignoring the questions costs {blind:.1f}. With the gate the error is below {small}, without it above "
    f"{large}: so far, the questions hardly get through.")

# %%
assert asked["gate"] < small and asked["no gate, wider"] > large
outcome("05.c", blind, because="Half of the number is off every time, by a quarter of the square, while the target "
        "itself is 0 half of the time: both have to be averaged.")

# %% [markdown]
# ## 3 The skip: the present, undelayed
# The [skip](glossary.md#skip) adds the present input to what the memory reports:
#
# $$y_t = C_t \cdot h_t + D \odot u'_t$$
#
# Without it the present reaches the output only through the state: written with weight $\Delta_t B_t$, read with $C_t$. All three start small,
# so little of it arrives.
#
# **Predict, then run:** in a fresh block, how strong is the scan's share of the output next to the skip's?

# %%
predict("05.d", "How strong is the scan's share, measured by the skip's?",
        {"twice as strong": 2, "as strong": 1, "a half": 0.5, "less than a tenth": 0.05})

# %%
shares = []
for seed in range(5):
    model = parts_model(Echo(), seed)
    x, _ = Echo().draw(64, torch.Generator().manual_seed(seed))
    scanned, skipped, _ = model[1].paths(model[0](x))
    shares.append((scanned.square().mean() / skipped.square().mean()).sqrt().item())
most = 0.1
say(f"In five fresh blocks out of five, the scan's share is below {most:.0%} of the skip's.")

# %%
assert max(shares) < most and (model[1].D == 1).all()
outcome("05.d", max(shares), because="What takes the skip is multiplied by D, which starts at one, and what takes the "
        "state by Δ, B and C, and each of them starts far below one.")

# %% [markdown]
# A fresh block without the skip is nearly mute. Does training repair that? The plainest task shows it: say at every step what you hear.

# %%
echo = {}
for skip in (True, False):
    echo[skip] = train_parts(parts_model(Echo(), skip=skip), Echo(), steps=20, batch=16)
assert echo[False] > 1.1 * echo[True]
say("After twenty steps of training the block with the skip is ahead; the figure at the end of section 4 "
    "shows by how much.")

# %% [markdown]
# ## 4 The start of the time steps
# The memory of channel $c$, entry $n$, keeps the share $e^{-\Delta n}$ in a step, because $A$ starts at $-1, -2, \dots$ in every channel. What is
# $\Delta$ before anything is learned?
#
# $$\Delta_t = \mathrm{softplus}(W r_t + \beta_\Delta) \qquad \mathrm{softplus}(a) = \ln(1 + e^a)$$
#
# With an ordinary bias near 0 it is about $\ln 2$ everywhere.

# %% [markdown]
# **Predict, then run:** with $\Delta = \ln 2$ and $A = -1$, how many steps is the half-life?

# %%
predict("05.e", "How many steps is the half-life?", {"1": 1, "about 7": 7, "about 70": 70})

# %%
share_left = math.exp(-math.log(2) * 1)
print(f"after one step {share_left:.3f} is left, after ten steps {share_left**10:.3f}")

# %%
outcome("05.e", math.log(0.5) / math.log(share_left), because="A time step is small or large beside 1 / |A|, and a "
        "step of nearly that size forgets at once.")

# %% [markdown]
# Mamba chooses the bias so that the channels start with very different memories: $\Delta$ is *log-uniform* between 0.001 and 0.1, which means
# that $\ln \Delta$ is uniform. For that we must undo softplus.

# %% [markdown]
# ### Exercise 05.2 · the bias of a given time step (medium, 6 minutes)
# Return the number whose softplus is `dt`, for a tensor of positive numbers.


# %%
@exercise("05.2")
def bias_for(dt):
    """dt, a tensor of positive numbers -> x with softplus(x) = dt, same shape."""
    # SOLUTION
    return torch.log(torch.expm1(dt))
    # END SOLUTION


# %%
check("05.2", bias_for)

# %%
wanted = torch.tensor([0.001, 0.1, 2.0])
assert torch.allclose(F.softplus(bias_for(wanted)), wanted)
starts = {"log-uniform (Mamba)": True, "ordinary bias": False}
half_lives = {}
for name, chosen in starts.items():
    bias = parts_model(SlowAverage(), d_model=64, time_scales=chosen)[1].dt_proj.bias.detach()
    half_lives[name] = (math.log(2) / F.softplus(bias)).sort().values
for name, steps in half_lives.items():
    print(f"{name:20} half-lives from {steps.min():.1f} to {steps.max():.1f} steps")

# %%
fig, ax = plt.subplots()
for (name, steps), marker in zip(half_lives.items(), "os", strict=True):
    ax.plot(steps, marker, ms=4, label=name)
ax.set(title="Mamba's channels start with memories from a few steps to hundreds",
       xlabel="channel, sorted", ylabel="half-life (steps)", yscale="log")
ax.legend()
ours, other = half_lives.values()
show(fig, "Half-life of the slowest entry of each channel's state at the start. Mamba's reach from "
     f"{ours.min():.0f} to {ours.max():.0f} steps; with an ordinary bias none is above {other.max():.1f}.")

# %% [markdown]
# One bias, seen from close by. Well below zero, softplus is nearly the exponential: each unit down makes the memory about $e$ times as long.
# Entry $n$ of a channel forgets $n$ times as fast as its first.

# %%
explore(memory_of_bias, "Share of an input that is left in entries 1, 4 and 16 of a channel, for three biases "
        "of the time step. At -7 the first entry holds half of it for hundreds of steps. At -3 all curves "
        "have moved to the left, to tens of steps and fewer. At 1 nearly nothing is left after a few steps.",
        "A lower bias is a longer memory", size=(3.2, 2.8),
        bias=[-7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0])

# %% [markdown]
# A channel that forgets half in two steps gets hardly any gradient from a hundred steps ago: $2^{-50}$ of what was heard is left. The task: report
# the fading average of noise with a half-life of thirty steps.
#
# **Predict, then run:** both blocks train for 45 steps, from three starts each. Who is ahead?

# %%
predict("05.f", "Who is ahead after 45 steps?", ["the ordinary bias", "neither, by a tenth or more", "Mamba's start"])

# %%
task, slow = SlowAverage(), {}
for start in (True, False):
    models = [parts_model(task, seed, time_scales=start) for seed in range(3)]
    slow[start] = sum(train_parts(m, task, 45, batch=16, seed=seed) for seed, m in enumerate(models)) / 3
least = 1.25
say(f"Mamba: on average the other error is more than {least} times as large. Later the other block may catch "
    "up: it is the same block, only its start differs.")

# %%
assert slow[False] > least * slow[True]
ahead = slow[False] / slow[True]
outcome("05.f", "Mamba's start" if ahead > 1.1 else "the ordinary bias" if ahead < 1 / 1.1 else
        "neither, by a tenth or more", because="Time steps are learned, but from what the state still holds: a short "
        "memory must first grow before the task can reward it.")

# %%
pairs = {"neighbours\n(convolution)": tuple(marked.values()), "questions\n(gate)": tuple(asked.values()),
         "echo\n(skip)": tuple(echo.values()), "slow average\n(time steps)": tuple(slow.values())}
fig, ax = plt.subplots()
figures_partI.with_and_without(ax, pairs)
ax.set(title="Each part has a task that is learned sooner with it", ylim=(0, 1),
       xlabel="task (part that is left out)", ylabel="error (0: perfect)")
show(fig, "Errors after equally long training with all parts and without the one in brackets: share of wrong "
     "answers for the neighbours, squared error in units of the squared target for the others. At this point of the "
     "training every task is behind without its part.")

# %% [markdown]
# Is "behind" the same as "unable"? The course's tests train on, with several seeds:
#
# | part | training | error with it | error without it |
# |---|---|---|---|
# | convolution | 4 times as long | 0.00 | 0.4 to 0.6 |
# | gate | 4 times as long | 0.00 | 0.01 |
# | skip | 10 times as long | 0.01 to 0.07 | 0.06 to 0.07; for most of ten seeds within a quarter of those with it |
# | skip | 40 times as long | below 0.01; 0.06 for one of five seeds | below 0.01; 0.06 for another of the five |
# | time steps | 4 times as long | 0.01 | 0.01; better than with it for one of three seeds |
#
# So one of the four gaps stays wide, the convolution's. The skip's is gone for most seeds at ten times the training: what is left, about 1/16, is one
# of the echo's sixteen directions that this block of width 16 has not found yet, with the skip or without. In the end gate, skip and time steps are a *head start*: without its part, the block finds another
# way, later.

# %% [markdown]
# ## 5 Build it
# All parts are on the table. A colleague has written the whole block, with the weights in a dictionary under the library's names. She uses
# `selective_scan` of notebook 04, which can add a bias to `delta` and take the softplus itself. Her outputs are not the library's.

# %%
def colleagues_block(x, w):
    """x (b,l,d), w the nine tensors by name -> (b,l,d)."""
    n, rank = w["A_log"].shape[1], w["dt_proj.weight"].shape[1]
    u, z = (x @ w["in_proj.weight"].T).chunk(2, dim=-1)
    u = F.silu(short_convolution(u, w["conv1d.weight"][:, 0], w["conv1d.bias"]))
    r, B, C = (u @ w["x_proj.weight"].T).split([rank, n, n], dim=-1)
    delta = r @ w["dt_proj.weight"].T + w["dt_proj.bias"]
    A = -torch.exp(w["A_log"])
    u_, delta, B, C = (t.transpose(1, 2) for t in (u, delta, B, C))  # the scan wants time last
    y = selective_scan(u_, delta, A, B, C, delta_bias=w["dt_proj.bias"], delta_softplus=True)
    y = (y.transpose(1, 2) + w["D"] * u) * z
    return y @ w["out_proj.weight"].T


# %%
x, weights = torch.randn(2, 20, 64), block.state_dict()
with torch.no_grad():
    print("equal to the library's:", torch.allclose(colleagues_block(x, weights), block(x), atol=1e-5))

# %% [markdown]
# ### Exercise 05.3 · find the two bugs in the block (harder, 14 minutes)
# Copy her lines and repair them. Both mistakes stand in a published re-implementation: nothing crashes, every shape fits, and only a
# comparison of numbers finds them.


# %%
@exercise("05.3")
def mamba_block(x, w):
    """x (b,l,d), w the nine tensors by name -> (b,l,d)."""
    # SOLUTION
    n, rank = w["A_log"].shape[1], w["dt_proj.weight"].shape[1]
    u, z = (x @ w["in_proj.weight"].T).chunk(2, dim=-1)
    u = F.silu(short_convolution(u, w["conv1d.weight"][:, 0], w["conv1d.bias"]))
    r, B, C = (u @ w["x_proj.weight"].T).split([rank, n, n], dim=-1)
    delta = r @ w["dt_proj.weight"].T
    A = -torch.exp(w["A_log"])
    u_, delta, B, C = (t.transpose(1, 2) for t in (u, delta, B, C))  # the scan wants time last
    y = selective_scan(u_, delta, A, B, C, delta_bias=w["dt_proj.bias"], delta_softplus=True)
    y = (y.transpose(1, 2) + w["D"] * u) * F.silu(z)
    return y @ w["out_proj.weight"].T
    # END SOLUTION


# %%
check("05.3", mamba_block)

# %%
with torch.no_grad():
    assert torch.allclose(mamba_block(x, weights), block(x), atol=1e-5)
print("built by hand = the library's block, with the library's weights")

# %% [markdown]
# ## 6 The same weights elsewhere (optional)
# Names matter: the official package and Hugging Face's `transformers` call the nine tensors as we do. So a block that was trained there
# must load here, and the other way round. We try both directions with Hugging Face's `MambaMixer`, with random weights.

# %%
import transformers
from transformers.models.mamba.modeling_mamba import MambaMixer

transformers.logging.set_verbosity_error()  # it would tell us that its fast kernel needs a GPU
config = transformers.MambaConfig(hidden_size=64, state_size=16, expand=2, conv_kernel=4,
                                  num_hidden_layers=1)
torch.manual_seed(1)
mixer, ours = MambaMixer(config, layer_idx=0), MambaBlock(64)

# %%
with torch.no_grad():
    for p in mixer.parameters():
        p.add_(0.1 * torch.randn_like(p))  # no tensor may hide behind a common start
    assert not torch.allclose(mixer(x), ours(x), atol=1e-5)
    ours.load_state_dict(mixer.state_dict(), strict=True)
    assert torch.allclose(mixer(x), ours(x), atol=1e-5)
    mixer.load_state_dict(block.state_dict(), strict=True)
    assert torch.allclose(mixer(x), block(x), atol=1e-5)
print("weights loaded strictly in both directions; outputs equal to 1e-5")

# %% [markdown]
# ## 7 One step at a time
# To write, a model must run forward one step, choose, and feed the choice back. A recurrence does that without reading everything again. This is
# [streaming](glossary.md#streaming). What must it carry? The scan's state, and what else?
#
# **Predict, then run:** which other part of the block looks at the past?

# %%
predict("05.g", "Which other part looks at the past?",
        ["the gate", "the skip", "the short convolution", "the projections", "none, the state is enough"])

# %%
with torch.no_grad():
    made = torch.Generator().manual_seed(7)
    signal, gates, another = torch.randn(3, 1, 10, 128, generator=made)
    parts = {
        "the gate": lambda u: u * F.silu(gates),
        "the skip": lambda u: block.D * u,
        "the short convolution": lambda u: short_convolution(u, block.conv1d.weight[:, 0], block.conv1d.bias),
        "the projections": block.out_proj,
    }
    other_past = torch.cat([another[:, :9], signal[:, 9:]], dim=1)
    looks_back = {name: not part(signal)[:, 9].allclose(part(other_past)[:, 9]) for name, part in parts.items()}
print("another past, the same present; does the output of the present change?", looks_back)

# %%
(looking,) = [name for name, changes in looks_back.items() if changes] or ["none, the state is enough"]
outcome("05.g", looking, because="All the others take one step at a time and need no memory; what mixes neighbours "
        "must have kept them.")

# %% [markdown]
# The short convolution looks $k - 1$ steps back. So a window with its last $k$ inputs travels along, next to $h$.
#
# ### Exercise 05.4 · the convolution one step at a time (medium, 8 minutes)
# Push the new input into the window, newest last, and return the new window and the convolution's output. Leave the given window as it
# is: somebody may want to go on from it twice.


# %%
@exercise("05.4")
def push(window, u, w, bias):
    """window (b,e,k), u (b,e), taps w (e,k), bias (e) -> next window (b,e,k), output (b,e)."""
    # SOLUTION
    window = torch.cat([window[:, :, 1:], u[:, :, None]], dim=2)
    return window, (window * w).sum(2) + bias
    # END SOLUTION


# %%
check("05.4", push)

# %%
window, steps = torch.zeros(2, 128, 4), []
for u_t in u.unbind(1):
    window, out = push(window, u_t, block.conv1d.weight[:, 0], block.conv1d.bias)
    steps.append(out)
assert torch.allclose(torch.stack(steps, dim=1), theirs, atol=1e-6)
print("step by step = all at once, for the convolution")

# %% [markdown]
# `MambaBlock.step` does this, and one step of the recurrence behind it. Twenty single steps must equal one pass over twenty steps.

# %%
state, outputs = block.allocate_state(batch=2), []
with torch.no_grad():
    for x_t in x.unbind(1):
        y_t, state = block.step(x_t, state)
        outputs.append(y_t)
    assert torch.allclose(torch.stack(outputs, dim=1), block(x), atol=1e-5)
kept = sum(s[0].numel() for s in state)
attention = {length: 2 * 64 * length for length in (100, 10_000)}
say(f"Step by step equals the full pass. The block carries **{kept} numbers**, always. Attention of the same width "
    f"keeps keys and values: {attention[100]} numbers after 100 steps, {attention[10_000]} after ten thousand.")

# %% [markdown]
# ## 8 It learns to write
# Two blocks, each with a norm before it and a residual connection around it, between an embedding and a readout: that is a language model.
# Ours reads characters of a short text that we wrote for this purpose. The last two paragraphs are held out.

# %%
from mgmr_lib.chapters.ch05_mamba_block.tiny_text import split
from mgmr_lib.chapters.ch05_mamba_block.language import CharModel, bits_per_character, train_characters

train, test = split()
characters = sorted(set(train))
v = len(characters)


def encode(text):
    """Text -> indices (l)."""
    return torch.tensor([characters.index(c) for c in text])


print(f"{len(train)} characters to learn from, {len(test)} held out, {v} different ones")
print(train[:124])

# %% [markdown]
# We measure surprise: $-\log_2 p$ of the character that really comes, averaged over the held-out text, in
# [bits per character](glossary.md#bits-per-character). Knowing nothing costs $\log_2 v$ bits.
#
# ### Exercise 05.5 · a bigram rival (medium, 10 minutes)
# The rival counts in the training text which character follows which, starts all counts at 1, and predicts the held-out text from pairs of
# neighbours. Return its mean bits per character as a plain number.


# %% tags=["baseline"]
@exercise("05.5")
def bigram_bits(train, test, v):
    """Indices (l) of both texts, number of characters -> bits per character of the test text but its first one."""
    # SOLUTION
    counts = torch.ones(v, v)
    for now, following in zip(train[:-1].tolist(), train[1:].tolist(), strict=True):
        counts[now, following] += 1
    p = counts / counts.sum(1, keepdim=True)
    return -torch.log2(p[test[:-1], test[1:]]).mean().item()
    # END SOLUTION


# %%
check("05.5", bigram_bits)

# %%
rival = bigram_bits(encode(train), encode(test), v)
say(f"Knowing nothing costs {math.log2(v):.2f} bits per character; the bigram rival needs **{rival:.2f}**.")

# %% [markdown]
# **Predict, then run:** two small blocks, trained for a few seconds. Better than the rival by a little, or by a factor?

# %%
predict("05.h", "How many bits does Mamba need on unseen text, measured by the rival's?",
        {"more than the rival": 1.2, "a little less": 0.9, "less than half": 0.4})

# %% tags=["signature"]
model = CharModel(v, d_model=32)
losses = train_characters(model, encode(train), steps=110)
ours = bits_per_character(model, encode(test))
weights = sum(p.numel() for p in model.parameters())
say(f"Mamba needs **less than half** of the rival's bits on text that it has not seen, with {weights} weights.")

# %%
assert ours < rival / 2
outcome("05.h", ours / rival, because="The rival sees one character back, and in a text that repeats its phrases the "
        "characters before that one tell far more.")

# %% [markdown]
# Was the rival a strong one? It sees one character back. Counting can look further: with
# [Witten-Bell smoothing](https://en.wikipedia.org/wiki/Witten-Bell_smoothing) an $n$-gram trusts its longest context as far as it has
# counted it, and else the shorter one.

# %% tags=["baseline"]
from mgmr_lib.chapters.ch05_mamba_block.counting_rivals import witten_bell_bits

texts = encode(train).tolist(), encode(test).tolist()
counted = {order: witten_bell_bits(*texts, order, v) for order in range(1, 8)}
for order, bits in counted.items():
    print(f"{order}-gram: {bits:.2f} bits per character")

# %%
kept_back = texts[0][: -len(test)], texts[0][-len(test) :]
best_order = min(counted, key=lambda order: witten_bell_bits(*kept_back, order, v))
assert counted[best_order] < ours < counted[4]
say(f"The end of the training text, kept back, chooses the **{best_order}-gram**. On the held-out text it needs "
    f"{counted[best_order]:.2f} bits and is ahead of our Mamba, which lies between it and the {4}-gram.")

# %% [markdown]
# A table of counts, made in a moment, beats our network on this text, which repeats its phrases: most strings of six characters of the held-out part
# stand in the training part more than once. Longer training does not help. In the course's tests four times as many steps make the held-out text
# *dearer*, while the training text comes to cost less than half of what it did: it is learned by heart. Whether a network overtakes the table on
# more text we have not measured.

# %% [markdown]
# Is it the order of the characters that it has learned, or is something wrong with our measurement? As a control we shuffle the characters of both texts.
# The letters are the same, and no context says anything. Trained as long as before, nobody can do better than counting single letters.

# %% tags=["control"]
mixed = torch.Generator().manual_seed(0)
shuffled = [t[torch.randperm(len(t), generator=mixed)] for t in (encode(train), encode(test))]
control = CharModel(v, d_model=32)
train_characters(control, shuffled[0], steps=110)
share = (torch.bincount(shuffled[0], minlength=v) + 1) / (len(train) + v)
single = -torch.log2(share[shuffled[1][1:]]).mean().item()
control_bits = bits_per_character(control, shuffled[1])
assert control_bits > single - 0.05
say(f"On shuffled text counting single letters costs {single:.2f} bits, and Mamba is no better.")

# %%
fig, ax = plt.subplots()
ax.plot([loss / math.log(2) for loss in losses], label="Mamba, training pieces")
ax.axhline(rival, ls="--", color="#E69F00", label="bigram rival, held out")
ax.axhline(counted[best_order], ls="-.", color="#009E73", label=f"{best_order}-gram rival, held out")
ax.axhline(ours, ls=":", color="#0072B2", label="Mamba at the end, held out")
ax.axhline(single, color="#777777", lw=1, label="single letters, shuffled text")
ax.set(title="A few seconds of training pass the bigrams, and end near the best table of counts",
       xlabel="training step", ylabel="bits per character")
ax.legend(loc="upper right")
show(fig, "Surprise while training. The curve passes the cost of single letters and then the bigram rival; at the "
     "end the held-out text costs clearly more than the training pieces, and a little more than the best table asks.")

# %% [markdown]
# Now it writes, one step at a time with the state of section 7. We divide the logits by a *temperature* of 0.5, which favours likely characters, and
# draw with a fixed seed.

# %% tags=["nbval-ignore-output"]
generator, state, text = torch.Generator().manual_seed(0), model.allocate_state(), "on sunday "
with torch.no_grad():
    for i in encode(text):
        logits, state = model.step(i[None], state)
    for _ in range(240):
        drawn = torch.multinomial((logits[0] / 0.5).softmax(-1), 1, generator=generator)
        text += characters[drawn]
        logits, state = model.step(drawn, state)
print(text)

# %% [markdown]
# ## 9 A published model in our block (optional)
# What people download is our `CharModel` with more of everything. `state-spaces/mamba-130m-hf` has 24 blocks of width 768, each with a
# norm before it and a residual connection around it, and a readout that shares the embedding's weights. Its file holds the same nine
# tensors per block under other prefixes. So loading it is renaming, and every name must fit.

# %% [markdown]
# That file takes half a gigabyte of download. The notebook makes do with a small one in the same layout, which `transformers` writes with random weights.

# %%
import tempfile

from mgmr_lib.chapters.ch05_mamba_block.published import continue_text, published_model

transformers.utils.logging.disable_progress_bar()
config = transformers.MambaConfig(vocab_size=200, hidden_size=64, num_hidden_layers=4)
torch.manual_seed(2)
theirs = transformers.MambaForCausalLM(config).eval()
with tempfile.TemporaryDirectory() as folder:
    theirs.save_pretrained(folder)
    ours_too = published_model(folder)
read = torch.randint(200, (1, 50), generator=torch.Generator().manual_seed(3))

# %%
with torch.no_grad():
    assert (ours_too(read) - theirs(read).logits).abs().max() < 1e-4
    written = theirs.generate(read, max_new_tokens=30, do_sample=False, eos_token_id=None, pad_token_id=0)
assert torch.equal(continue_text(ours_too, read[0], 30), written[0])
carried = sum(part.numel() for layer in ours_too.allocate_state() for part in layer)
say(f"Same logits to 1e-4, and the same 30 tokens written, ours one step at a time. Between two tokens our model "
    f"carries **{carried} numbers**, after 10 tokens or after a million.")

# %% [markdown]
# Where the published weights can be downloaded, these lines write English with your block:
#
# ```python
# name = "state-spaces/mamba-130m-hf"
# tokenizer, model = transformers.AutoTokenizer.from_pretrained(name), published_model(name)
# ids = torch.tensor(tokenizer("The river remembers").input_ids)
# print(tokenizer.decode(continue_text(model, ids, 40)))
# ```

# %% [markdown]
# ## 10 Build it yourself: the whole block
# In section 5 you repaired a block, with `selective_scan` at hand. Now a longer piece of work: write one alone, from its nine tensors to
# its output, and let it go on where an earlier call stopped.

# %% [markdown]
# ### Exercise 05.6 · build a whole Mamba block that can go on (hard, 30 minutes)
# `whole_block(x, w, state=None)` returns two things: the output $(b, l, d)$, and a state from which the next call goes on.
#
# - `w` holds the nine tensors under the names that the first cell prints; read all sizes from their shapes.
# - `state=None`: nothing came before. What a state looks like is up to you; it stays small, and no call changes the one it gets.
# - Pieces of any length, in a row, give the output of one pass.

# %% [markdown]
# The check goes in stages and silences what comes later: with $C = 0$ only the halves, the skip, the gate and the way out are heard, then the
# convolution; with $A = 0$ the state only adds up; then all of it, to 1e-10 in float64 and 1e-5 in float32; then the state. So begin
# with what the first stage needs, check, and go on. The cells above may lend you their functions.


# %%
@exercise("05.6")
def whole_block(x, w, state=None):
    """x (b,l,d), w the nine tensors by name, an earlier call's state -> output (b,l,d), state."""
    # SOLUTION
    e, n = w["A_log"].shape
    k, rank, length = w["conv1d.weight"].shape[2], w["dt_proj.weight"].shape[1], x.shape[1]
    window, h = (x.new_zeros(len(x), k - 1, e), x.new_zeros(len(x), e, n)) if state is None else state
    u, z = (x @ w["in_proj.weight"].T).chunk(2, dim=-1)
    seen = torch.cat([window, u], dim=1)
    u = sum(w["conv1d.weight"][:, 0, j] * seen[:, j : j + length] for j in range(k))
    u = F.silu(u + w["conv1d.bias"])
    r, B, C = (u @ w["x_proj.weight"].T).split([rank, n, n], dim=-1)
    delta = F.softplus(r @ w["dt_proj.weight"].T + w["dt_proj.bias"])
    A, outputs = -torch.exp(w["A_log"]), []
    for t in range(length):
        h = torch.exp(delta[:, t, :, None] * A) * h + (delta * u)[:, t, :, None] * B[:, t, None]
        outputs.append((h * C[:, t, None]).sum(-1))
    y = (torch.stack(outputs, dim=1) + w["D"] * u) * F.silu(z)
    return y @ w["out_proj.weight"].T, (seen[:, length:], h)
    # END SOLUTION


# %%
check("05.6", whole_block)

# %% [markdown]
# The model of section 9 has four such blocks, made by other people's code. Its first one, from its own tensors and in two pieces, is
# what you have written:

# %%
published = theirs.backbone.layers[0].mixer
with torch.no_grad():
    first, memory = whole_block(x[:, :12], published.state_dict())
    second, _ = whole_block(x[:, 12:], published.state_dict(), memory)
    assert torch.allclose(torch.cat([first, second], dim=1), published(x), atol=1e-5)
print("built alone, in two pieces = transformers' block")

# %% [markdown]
# ## 11 Limits
# Each of our four tasks was made for its part, and the blocks were alone. In a deep network other parts may stand in: a second block for the
# convolution, in part (section 1), perhaps the residual connection for the skip. What a part is worth in a large model, such tasks do not say.
#
# The text is tiny and repeats itself. The held-out paragraphs share most of their words with the rest: this is a demonstration, not a
# language model.

# %% [markdown]
# ## 12 Summary
# - The short convolution shows each step its neighbours, so that $\Delta$, $B$, $C$ may depend on them.
# - Gate, skip and log-uniform time steps are a head start on our tasks: with longer training the block does without.
# - Our tiny model beats bigrams and loses to a good table of counts; a published one loads by renaming.
# - Nine tensors, with the same names here, in the official package and in `transformers`; step by step it carries $e\,(n + k)$ numbers, whatever the length.

# %%
progress("05")
