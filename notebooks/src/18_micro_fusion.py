# ---
# jupyter:
#   mgmr:
#     title: "Micro fusion: what is said, and when"
#     claim: "From words and voice that are each summed up over time, a linear reader cannot tell which word the voice stressed. The micro stream joins the two before anything is read, each step in a place of its own, and a linear reader finds the word after a short training."
#     goals:
#       - write an LSTM step and say what padding does to a backward pass
#       - build a gate that looks at a step's neighbours, as printed and with a sigmoid
#       - keep padding out of a batch's statistics
#       - build MFMB-Net's micro stream, equal to the library's
#       - tell by a task what a stream must know of time, and find weights that never learn
#     minutes: 60
#     budget_s: 45
#     device: cpu
#     requires: ["07", "17"]
#     introduces: [LSTM, memory gate, batch normalisation, micro fusion]
# ---
# %% [markdown]
# ## The stressed word
# "The *acting* was good, the story was not." Each word of a clip is good, $+1$, or bad, $-1$; the voice is loud during one of them. The label is the word
# that the voice stresses.
#
# **Predict, then run:** 3, 5 or 7 words, fair coins all. Somebody reads the words alone and takes the majority. How often is he right?

# %%
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from torch import nn

from mgmr_lib.course import check, exercise, explore, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.chapters.ch18_micro_fusion import figures as figures_ch18
from mgmr_lib.chapters.shared.fit import seeded
from mgmr_lib.chapters.ch18_micro_fusion.toys import (
    GateReader,
    NegationTask,
    StressTask,
    each_stressed,
    fit_gate,
    fit_stress,
    stress_model,
    word_influence,
)

use_style()

# %%
predict("18.a", "How often is the majority of the words right?", between=(0, 100), step=1, within=4, unit="%")

# %% tags=["baseline"]
task = StressTask()
clips = task.draw(20_000, torch.Generator().manual_seed(0))
words, loud = clips.h["text"][..., 0], clips.h["audio"][..., 0]
majority = (words.sum(1).sign() == clips.labels).float().mean()
say(f"The majority is right in **{majority:.0%}**: one word of few weighs something. The voice alone "
    "says only *where*, never *what*.")

# %%
outcome("18.a", 100 * majority.item(), because="The stressed word has a vote, too, so the majority leans to its side; "
        "but the others outvote it often.")

# %% [markdown]
# The label needs one word *at* one moment. A sum $f(\text{words}) + g(\text{voice})$, fitted by least squares, is no better than the majority. Another sum, chosen for its sign alone, can do a little more: $g$ puts the moments in
# an order, and $f$ sets a threshold in that order for each sentence. How much is that at best?

# %%
from itertools import product


def best_sum(n):
    """Share of right signs of the best f(words) + g(voice) for clips of n words, every threshold tried."""
    def right(w, k):
        return sum(x > 0 for x in w[:k]) + sum(x < 0 for x in w[k:])
    return sum(max(right(w, k) for k in range(n + 1)) for w in product((1, -1), repeat=n)) / (n * 2**n)


at_best = sum(best_sum(n) for n in (3, 5, 7)) / 3
say(f"The best sum of words and voice has the right sign in **{at_best:.1%}**. Whoever is beyond that has joined the "
    "two.")

# %% [markdown]
# The macro stream
# condenses whole sequences into a few vectors. MFMB-Net's second stream, [micro fusion](glossary.md#micro-fusion), is for "local" information
# [@mfmb2025]. We build it, and then ask it for the stressed word.

# %% [markdown]
# In the picture of the network, drawn from the library's modules in the sizes of the `laptop` profile, it is the middle branch. Look at its arrow to the head: in these sizes, those of the first edition's records, it is a narrow one; in the searched settings it is wider than macro fusion's. (A box shows its number of weights, an arrow the shape that passes, without the clips; the paper's picture is its Figure 2, and of the last step Figure 3.)

# %%
from mgmr_lib.chapters.shared.network_map import draw_network, sketch

fig, ax = plt.subplots(figsize=(10.0, 3.4))
recorded, noise = sketch("mfmb")
draw_network(ax, recorded, noise, "micro")
ax.set_title("Micro fusion reads the same three sequences; in these sizes it hands the head few numbers")
show(fig, "MFMB-Net from left to right: inputs, projections and hybrid attention for text, audio and vision; then "
     f"three branches. Micro fusion, in blue, hands the head {recorded.micro.width} numbers a clip, macro fusion "
     f"{recorded.macro.width}.")

# %% [markdown]
# ## 1 Context: an LSTM each way
# The paper's first step, its Eq. 8, is $\bar H'_m = \tanh(\mathrm{BiLSTM}(H_m))$ (we read $H_m$ inside, see the card below, and leave out the bar from here on; it is not notebook 17's $H'_m$). An [LSTM](glossary.md#lstm) is a recurrence with a *cell* $c_t$ and an output $h_t$:
#
# $$c_t = \sigma(f_t) \odot c_{t-1} + \sigma(i_t) \odot \tanh(g_t) \qquad h_t = \sigma(o_t) \odot \tanh(c_t)$$
# $$(i_t, f_t, g_t, o_t) = W x_t + U h_{t-1} + b$$

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $x_t$ | input at step $t$ | $(b, d)$ |
# | $h_t$, $c_t$ | output and cell, zero before the first step | $(b, k)$ |
# | $i_t, f_t, g_t, o_t$ | what comes in, what stays, the candidate, what is read | $(b, k)$ each |
# | $W$, $U$, $b$ | weights of all four, one below the other | $(4k, d)$, $(4k, k)$, $(4k)$ |
# | $\sigma$ | sigmoid, between 0 and 1 | |

# %% [markdown]
# Compare with a Mamba block: a decay that the input chooses, and a gate behind the state. What costs us here: $h_{t-1}$ enters the gates, so the
# parallel scan of notebook 04 does not apply: torch and we go step by step.
#
# ### Exercise 18.1 · one step (medium, 8 minutes)
# In torch's order of rows: $i, f, g, o$. Return both.


# %%
@exercise("18.1")
def lstm_step(x, h, c, W, U, bias):
    """x (b,d), h, c (b,k), W (4k,d), U (4k,k), bias (4k) -> h, c (b,k)."""
    # SOLUTION
    i, f, g, o = (x @ W.T + h @ U.T + bias).chunk(4, dim=-1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c
    # END SOLUTION


# %%
check("18.1", lstm_step)


# %%
def read(lstm, x):
    """One direction over clips without padding: x (b,l,d) -> (b,l,k)."""
    h = c = x.new_zeros(len(x), lstm.hidden_size)
    bias, states = lstm.bias_ih_l0 + lstm.bias_hh_l0, []
    for x_t in x.unbind(1):
        h, c = lstm_step(x_t, h, c, lstm.weight_ih_l0, lstm.weight_hh_l0, bias)
        states.append(h)
    return torch.stack(states, dim=1)


torch.manual_seed(0)
one_way, clip = nn.LSTM(6, 5, batch_first=True), torch.randn(2, 9, 6)
with torch.no_grad():
    assert torch.allclose(read(one_way, clip), one_way(clip)[0], atol=1e-6)
print("our loop = torch's LSTM")

# %% [markdown]
# The second direction reads the clip from its end. **Predict, then run:** a clip of 10 steps, then the same clip in a rectangle of 30, zeros behind it, through
# torch's two-way LSTM. Which of the clip's 10 outputs change, and which of them most?

# %%
changed = ["none, zeros say nothing", "the forward ones, most at the last step",
           "the backward ones, most at the first step", "the backward ones, most at the last step"]
predict("18.b", "Which outputs change?", changed)

# %%
torch.manual_seed(1)
both_ways, clip = nn.LSTM(6, 5, batch_first=True, bidirectional=True), torch.randn(1, 10, 6)
with torch.no_grad():
    alone, padded = both_ways(clip)[0], both_ways(F.pad(clip, (0, 0, 0, 20)))[0][:, :10]
ahead, back = (padded - alone)[0].abs().amax(-1), (padded - alone)[0, :, 5:].abs().amax(-1)

# %%
fig, ax = plt.subplots()
ax.plot(range(1, 11), (padded - alone)[0, :, :5].abs().amax(-1), "o-", label="ahead")
ax.plot(range(1, 11), back, "s-", label="back")
ax.set(title="Twenty zeros behind a clip change what the backward pass says", xlabel="step of the clip",
       ylabel="largest change of an output (no unit)")
ax.legend()
show(fig, "Change of each of ten outputs when twenty steps of zeros stand behind the clip. Ahead: none. "
     "Back: most at the "
     "last step, which is read first, and roughly less and less towards the start.")

# %%
assert (padded - alone)[..., :5].abs().max() < 1e-6 and back[-1] == back.max() and back[0] < back[-1] / 3
outcome("18.b", changed[3], because="Read backwards the zeros come first, and where the input is zero the biases still "
        "drive the cell away from zero.")

# %% [markdown]
# So the clip begins in a state that belongs to its padding. Cures: pack the clips, as
# torch calls it, or reverse the valid part only, as in notebook 07. The library does the latter: it is quicker on a CPU, and the same.

# %%
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mgmr_lib.models.recurrent import Bidirectional

ours = Bidirectional(nn.LSTM, 6, 5)
for mine, end in ((ours.ahead[0], ""), (ours.back[0], "_reverse")):
    mine.load_state_dict({name: getattr(both_ways, name + end) for name in mine.state_dict()})
x, lengths = torch.randn(3, 12, 6), torch.tensor([12, 1, 7])
valid = torch.arange(12) < lengths[:, None]
with torch.no_grad():
    packed = both_ways(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))[0]
    packed = pad_packed_sequence(packed, batch_first=True)[0]
    assert torch.allclose(ours(x, valid)[valid], packed[valid], atol=1e-6)
print("valid part reversed = packed")

# %% [markdown]
# > **Card: the paper is misprinted.** Eq. 8 reads $\bar H'_m = \tanh(\mathrm{BiLSTM}(\bar H'_m))$: its input is its own output [@mfmb2025]. The candidates are
# > $H_m$, the output of hybrid attention, and $\bar H_m$, which macro fusion makes of it. The two streams are called "parallel", so we take $H_m$.

# %% [markdown]
# ## 2 The memory gate
# Next, each step is weighed by its neighbourhood. The [memory gate](glossary.md#memory-gate) is a convolution over time, a small network, and a product:
#
# $$\mathrm{MGN} = \mathrm{FFN}(\mathrm{Conv1d}(H'_m)) \qquad U_m = H'_m \odot \mathrm{MGN}$$
#
# with $\mathrm{FFN}(x) = W_2\,\mathrm{ReLU}(W_1 x + b_1) + b_2$ on every step, its weights its own. $H'_m$, what the convolution gives, $\mathrm{MGN}$ and $U_m$ have the shape $(b, l_m, d)$.
#
# ### Exercise 18.2 · the gate (medium, 8 minutes)
# One clip, three taps: a step and one neighbour on each side, zeros beside the ends.


# %%
@exercise("18.2")
def memory_gate(h, K, k, W1, b1, W2, b2):
    """h (l,d), K (d,d,3) and k (d): kernel and bias, W1, W2 (d,d), b1, b2 (d) -> U (l,d)."""
    # SOLUTION
    near = F.conv1d(h.T[None], K, k, padding=1)[0].T
    gate = torch.relu(near @ W1.T + b1) @ W2.T + b2
    return h * gate
    # END SOLUTION


# %%
check("18.2", memory_gate)

# %% [markdown]
# Nothing bounds this gate, and nothing keeps it positive: it is a product of two features. A sigmoid would keep it between 0 and 1.
#
# **Predict, then run:** we let the input of the LSTM grow a thousandfold. Does $U$ explode?

# %%
growths = ["less than ten times", "about a thousand times", "about a million times"]
predict("18.c", "How many times larger does the largest entry of U become?", growths)

# %%
from mgmr_lib.models.mfmb.micro_fusion import MemoryGate

torch.manual_seed(0)
gate, x = MemoryGate(10), torch.randn(1, 30, 6)
with torch.no_grad():
    behind = {s: gate(torch.tanh(ours(s * x, torch.ones(1, 30, dtype=torch.bool))))[0].abs().max() for s in (1, 1000)}
    untanhed = {s: gate(ours(s * x, torch.ones(1, 30, dtype=torch.bool)))[0].abs().max() for s in (1, 1000)}
    bare = {s: gate(s * torch.randn(1, 30, 10, generator=torch.Generator().manual_seed(1)))[0].abs().max()
            for s in (1, 1000)}
say(f"Behind the LSTM no: the largest entry is {behind[1]:.2g}, then {behind[1000]:.2g}. Nor is it the tanh of Eq. 8 "
    f"that holds it: without that tanh it is {untanhed[1]:.2g}, then {untanhed[1000]:.2g}. An LSTM's output lies in "
    "$(-1, 1)$ already (exercise 18.1: a sigmoid times a tanh). On a sequence that nothing bounds, a thousandfold "
    "input makes a product more than ten thousand times as large.")

# %%
assert max(behind[1000], untanhed[1000]) < 1 and bare[1000] > 1e4 * bare[1]
growth = behind[1000] / behind[1]
outcome("18.c", growths[0 if growth < 10 else 1 if growth < 30_000 else 2],
        because="A product explodes only where its factors can, and an LSTM's output is bounded by itself; Eq. 8's "
        "tanh only squeezes it a little more.")

# %% [markdown]
# The paper puts the gate there "to filter out irrelevant contextual information" [@mfmb2025]. Two tasks: words again, each perhaps behind a "not", which is a mark on the step before. In *filter* such a word does not count; in *negation* it is turned round. The label is the mean of what is left, or meant.

# %% [markdown]
# We train the gate as printed, with a sigmoid for each channel, and none at all (open: a gate of one, which sees no neighbour), and a mean over time behind it.
#
# **Predict, then run:** which of the three can learn the negation? A sigmoid cannot turn a word round, can it?

# %%
learners = {("printed",): "the printed one only", ("printed", "sigmoid"): "the printed one and the sigmoid",
            ("printed", "sigmoid", "open"): "all three", (): "none"}
predict("18.d", "Which of the three can learn the negation?", list(learners.values()))

# %%
explained = {}
gates = ("printed", "sigmoid", "code", "code, gate alone", "code, signed", "open")  # "code": see below
for kind in ("negation", "filter"):
    for name in gates:
        seeds = (0, 1) if kind == "negation" else (0,)
        explained[kind, name] = [fit_gate(GateReader(name, s), NegationTask(kind), s) for s in seeds]
fig, ax = plt.subplots(figsize=(8.0, 3.2))
figures_ch18.shares(ax, explained)
ax.tick_params(axis="x", labelsize=7)
ax.set(title="Every gate can filter; one positive number a step turns a word round only in part",
       ylabel="explained share (1: all)")
show(fig, "Explained share of the label's variance, a dot a seed. Negation: the printed gate, the sigmoid and "
     "the published code with its next line are near one, its gate without a sigmoid a little lower, its gate alone "
     "in between, the open gate near zero. Filter: all gates are high, the open gate in between.")

# %%
low = {key: min(values) for key, values in explained.items()}
assert max(explained["negation", "open"]) < 0.2
assert min(low[kind, name] for kind in ("negation", "filter") for name in gates[:3]) > 0.9 > 0.8 > \
    max(max(explained[kind, "open"]) for kind in ("negation", "filter"))
alone = explained["negation", "code, gate alone"]
assert 0.3 < min(alone) <= max(alone) < 0.7 < 0.9 < low["filter", "code, gate alone"]
outcome("18.d", learners[tuple(n for n in ("printed", "sigmoid", "open") if low["negation", n] > 0.7)],
        because="A sigmoid can, with two channels of opposite signs: a turned word passes through one, any other word "
        "through the other.")

# %% [markdown]
# The published code's gate has a sigmoid, too, but *one* number for all channels of a step. At a word's own step it can mute the word, and not change its sign. Yet of the negation it explains about half after this training, and after a longer one more than muting can (9/16): words behind a "not" are then turned round in part (tested). Its three taps let the gate of the "not"'s own step see the next word, too. Without the sigmoid (*signed*) one number gets nearly all.

# %% [markdown]
# And the code's next line is $\tanh(W[x; g \tanh(s)])$, with $x$ what its GRU reads and $s$ what it says; our toy has no GRU, $s$ is $x$. A word that also goes past the gate can be turned round by opening it: $w - 2 w g$ is $-w$ where $g$ is one.

# %% [markdown]
# The equations' letter is our default, and the sigmoid for each channel an option: on these tasks they and the code's two lines are equals. (In the network an LSTM stands before the gate and hears a "not", too: the task shows what a gate can do, and not that the network needs it.)

# %% [markdown]
# > **Card: paper and code differ.** Printed: an FFN of two layers, one gate for each channel, no bound. Published code: one convolution to a *single*
# > number per step and a sigmoid, so that the gated part passes or is muted as a whole, and a linear layer that reads the GRU's input beside it [@mfmb2025]. Our library has the printed one (`gate="printed"`), a bounded one
# > (`gate="sigmoid"`), and the code's own in `reading="code"`.

# %% [markdown]
# ## 3 Onto the text's clock, stacked, normalised
# "We use the text modality as a flag to guide" [@mfmb2025]: text is joined with vision and with audio, $q \in \{v, a\}$, each in its own branch:
#
# $$H_{stack} = \mathrm{stack}(U_t, U_q) \qquad H_{co} = \mathrm{BN}(\phi(H_{stack}))$$
#
# | symbol | what | shape |
# |---|---|---|
# | $U_t$, $U_q$ | gated steps, $U_q$ averaged onto the text's steps | $(b, L, d)$ |
# | $H_{stack}$ | one upon the other | $(b, 2, L, d)$ |
# | $\phi$ | rearranges: channels first, all steps of text, then all of $q$ | $(b, d, 2L)$ |
# | $H_{co}$ | each channel normalised | $(b, d, 2L)$ |

# %% [markdown]
# > **Card: the paper is unclear.** A stack needs equal lengths; texts have up to 50 steps, voices 375, and how they meet is not said [@mfmb2025]. We spread each
# > clip's valid frames evenly over its own tokens and average, as our MGMR-Net does; behind a clip's last token there are zeros up to $L$.

# %% [markdown]
# [Batch normalisation](glossary.md#batch-normalisation) takes one channel over the whole batch, subtracts its mean $\mu$ and divides by its deviation:
# $\mathrm{BN}(x) = \gamma\,(x - \mu)/\sqrt{\sigma^2 + \epsilon} + \beta$, with $\gamma, \beta$ learned. In training both come from the batch; a running mean of them serves
# afterwards, so that a prediction does not depend on its neighbours.
#
# ### Exercise 18.3 · find the bug: whose statistics? (medium, 8 minutes)
# A colleague normalises the rectangle. Write it for valid steps alone, zeros elsewhere; leave out $\gamma$ and $\beta$.


# %%
def colleagues_norm(x, valid, eps=1e-5):
    mean, variance = x.mean((0, 1)), x.var((0, 1), unbiased=False)
    return (x - mean) / torch.sqrt(variance + eps)


# %%
@exercise("18.3")
def masked_norm(x, valid, eps=1e-5):
    """x (b,l,d), valid (b,l) bool -> (b,l,d), zero where not valid."""
    # SOLUTION
    rows = x[valid]
    mean, variance = rows.mean(0), rows.var(0, unbiased=False)
    return (x - mean) / torch.sqrt(variance + eps) * valid[..., None]
    # END SOLUTION


# %%
check("18.3", masked_norm)

# %% [markdown]
# What does the bug cost? We take the lengths of 24 real texts of our corpus, and random features of mean 0 and deviation 1 at their valid steps.
#
# **Predict, then run:** which deviation have the *valid* steps after the colleague's norm, in rectangles of growing length?

# %%
predict("18.e", "The rectangle grows. What does the deviation of the valid steps do?",
        ["it stays at 1", "it falls below 1", "it grows beyond 1"])

# %%
from mgmr_lib.data.load import load_corpus

tokens = torch.as_tensor(load_corpus("classroom-mosi")["train"].token_lengths[:24].astype("int64"))
rectangles, spread = list(range(int(tokens.max()), 101, 6)), {"whole rectangle": [], "valid steps": []}
for length in rectangles:
    valid = torch.arange(length) < tokens[:, None]
    x = torch.randn(24, length, 4, generator=torch.Generator().manual_seed(0)) * valid[..., None]
    for name, norm in zip(spread, (colleagues_norm, masked_norm), strict=True):
        spread[name].append(norm(x, valid)[valid].std(0).mean().item())

# %%
fig, ax = plt.subplots()
for (name, values), style in zip(spread.items(), ("s-", "o-"), strict=True):
    ax.plot(rectangles, values, style, label=name)
ax.set(title="Padding in the statistics: the scale depends on the rectangle", ylim=(0, None),
       xlabel="length of the rectangle (steps)", ylabel="deviation of the valid steps (1: as wanted)")
ax.legend(loc="lower right")
show(fig, "Deviation of the valid steps after the norm, over the length that the batch is padded to. "
     "With statistics over "
     "the whole rectangle it grows with the length; over valid steps alone it stays at one.")

# %%
assert max(spread["valid steps"]) < 1.01
first, last = spread["whole rectangle"][0], spread["whole rectangle"][-1]
outcome("18.e", f"it {'grows beyond' if last > max(1.3, first) else 'falls below' if last < 0.8 else 'stays at'} 1",
        because="At mean 0 the zeros make the rectangle's deviation too small, and what is divided by too little comes "
        "out too large. With a mean far from 0 it can come out too small, too.")

# %% [markdown]
# The scale of a clip's features now says how long somebody else's text was. The running statistics take this in, too, and carry it to the test set.
# `MaskedBatchNorm` in the library counts valid steps only.

# %% [markdown]
# ## 4 Coarse to fine
# Eq. 13 is a small network *along time*, the same one for every channel:
#
# $$H_k = \mathrm{ReLU}(W_2\,\mathrm{LN}(\mathrm{ReLU}(W_1 H_{co} + b_1)) + b_2)$$
#
# $W_1$ takes all $2L$ steps to 64 numbers, $W_2$ takes these to 4: $(b, d, 2L) \to (b, d, 64) \to (b, d, 4)$. LN brings each row of 64 to mean 0 and deviation 1.
#
# ### Exercise 18.4 · the MLP over time (easy, 6 minutes)
# Return $H_k$ for a whole batch. The steps are the last axis, so each weight matrix multiplies that one; LN is `F.layer_norm` over the
# hidden numbers, without weights of its own.


# %%
@exercise("18.4")
def coarse_to_fine(x, W1, b1, W2, b2):
    """x (b,d,2L), W1 (k,2L), b1 (k), W2 (f,k), b2 (f) -> (b,d,f)."""
    # SOLUTION
    hidden = torch.relu(x @ W1.T + b1)
    return torch.relu(F.layer_norm(hidden, hidden.shape[-1:]) @ W2.T + b2)
    # END SOLUTION


# %%
check("18.4", coarse_to_fine)

# %% [markdown]
# $W_1$ has a column for each step of the text and one for each step of $q$: it knows *when*. A ReLU of a word plus a loudness at the same step is large only if
# both are. That is the product which the stressed word needs.
#
# **Predict:** $\phi$ could also alternate the steps, $t_1 q_1 t_2 q_2 \dots$ In MGMR-Net's stage 2 such an order matters. Here?

# %%
kinds = ["nothing", "neighbours in time now meet, so it learns more", "text and voice get mixed up, so it learns less"]
predict("18.f", "What can the alternating order change?", kinds)

# %%
torch.manual_seed(2)
x, W1, W2 = torch.randn(2, 6, 20), torch.randn(8, 20), torch.randn(4, 8)
b1, b2 = torch.randn(8), torch.randn(4)
alternate = torch.arange(20).view(2, 10).T.flatten()
one, other = (coarse_to_fine(x[..., p], W1[:, p], b1, W2, b2) for p in (torch.arange(20), alternate))
print("alternated steps with alternated columns of W1, the same result:", torch.allclose(one, other, atol=1e-5))

# %%
assert torch.allclose(one, other, atol=1e-5)
outcome("18.f", kinds[0], because="A linear layer has no neighbours: every input has a column of its own, wherever it "
        "stands.")

# %% [markdown]
# Whatever order $\phi$ has, a $W_1$ with its columns in that order gives the same.

# %% [markdown]
# > **Card: the paper is unclear.** It says neither what $\phi$ rearranges nor over which axis BN runs ("spatial dimension"), no size of Eq. 13, nor what "stretched to the temporal dimension" means [@mfmb2025].
# > We put channels first, norm each, and let Eq. 13 act over time, as the sentence before it says ("along the temporal dimension"), with 64 and 4 numbers. Padding is zeroed after BN, so that $W_1$ sees nothing there. (The
# > code's BN norms the two stacked rows.)

# %% [markdown]
# ## Build it
# The whole stream, step by step from our own functions, against the library's class with the same weights, in training, on three clips of different lengths.

# %%
from mgmr_lib.models.inputs import pool_to_length
from mgmr_lib.models.mfmb.micro_fusion import MicroFusion


def gated(net, m, x):
    """Eqs. 8 to 10 for one clip (l,d) -> (l,2k)."""
    two, g = net.context[m], net.gate[m]
    ahead, back = read(two.ahead[0], x[None]), read(two.back[0], x.flip(0)[None]).flip(1)
    context = torch.tanh(torch.cat([ahead, back], dim=-1))[0]
    first, _, _, second = g.feed_forward
    return memory_gate(context, g.conv.weight, g.conv.bias, first.weight, first.bias, second.weight, second.bias)


def pair(fine, text, other, valid):
    """Eqs. 11 to 13: text, other (b,L,d) -> (b, 4 d)."""
    stacked = torch.cat([text, other], dim=1)
    both = torch.cat([valid, valid], dim=1)
    coarse = masked_norm(stacked, both) * fine.norm.weight + fine.norm.bias * both[..., None]
    first, _, _, second, _ = fine.mix
    return coarse_to_fine(coarse.transpose(1, 2), first.weight, first.bias, second.weight, second.bias).flatten(1)


# %%
torch.manual_seed(0)
net, counts = MicroFusion(6, 5, 8, 16, 4), {"text": [5, 1, 8], "audio": [20, 3, 11], "vision": [9, 30, 8]}
h = {m: torch.randn(3, max(n), 6) for m, n in counts.items()}
valid = {m: torch.arange(max(n)) < torch.tensor(n)[:, None] for m, n in counts.items()}
with torch.no_grad():
    library = net(h, valid)[0]
    u = {m: torch.zeros(3, max(n), 10) for m, n in counts.items()}
    for m, n in counts.items():
        for i, steps in enumerate(n):
            u[m][i, :steps] = gated(net, m, h[m][i, :steps])
    placed = {q: pool_to_length(u[q], valid[q], torch.tensor(counts["text"]), 8) for q in ("vision", "audio")}
    by_hand = torch.cat([pair(net.fine[q], u["text"], placed[q], valid["text"]) for q in placed], dim=-1)
assert torch.allclose(by_hand, library, atol=1e-6)
print("micro fusion by hand = the library's MicroFusion, to 1e-6:", tuple(library.shape))

# %% [markdown]
# "Pseudo-Siamese", says the paper of this network, and does not say what that is. We read: the same structure, weights of their own.

# %% [markdown]
# ## 5 Who finds the stressed word?
# Four streams read the same clips, each modality 16 channels wide (Eq. 13 with 32 and 4 numbers), and one linear layer reads the answer off each (they differ in weights, and in how many numbers they hand over):
#
# | stream | how it treats time |
# |---|---|
# | pooled | a network on each step, then the mean over each modality |
# | code | the published micro stream, with one layer of its GRU (a recurrent layer like the LSTM, with fewer gates) in the place of three: the maximum over time of each modality alone, put side by side |
# | hub | macro fusion: four hub tokens pass through vision, audio and text |
# | micro | ours |

# %% [markdown]
# All get position codes, as in the network; none gets what stands before them there, hybrid attention. In the code's stream and in the pooled one words and voice do not meet before the reader, and a linear reader only adds: no training brings these two beyond the best sum. The hub can
# carry the moment of the loud frame from the voice over to the words.
#
# **Predict, then run:** which of the four beat the best sum of words and voice?

# %%
finders = {("micro",): "micro only", ("hub", "micro"): "hub and micro", ("code", "micro"): "code and micro",
           ("code", "hub", "micro"): "all but pooled"}
predict("18.g", "Which of the four beat the best sum of words and voice?", list(finders.values()))

# %% tags=["signature"]
nets = {name: stress_model(name, task, seed=0) for name in ("pooled", "code", "hub", "micro")}
right = {name: fit_stress(net, task, seed=0) for name, net in nets.items()}

# %% [markdown]
# Does micro fusion use the voice at all, or is it the words in their places that help? As a control the voice now comes from another clip: then nobody can be better than the majority.

# %% tags=["control"]
strangers = StressTask("strangers")
right["micro, strangers"] = fit_stress(stress_model("micro", strangers, seed=0), strangers, seed=0)
assert right["micro, strangers"] < at_best
fig, ax = plt.subplots()
figures_ch18.who_is_right(ax, right, majority.item())
ax.set(title="Read by one linear layer, after 150 steps: the micro stream is ahead")
show(fig, "Share of right answers of four streams on the stressed word, each read by one linear layer, and of micro "
     "fusion with the voice of another clip. The pooled stream, the code's, the hub and the control lie near the "
     "dashed line, the majority of the words; micro fusion is near one.")

# %%
assert max(right["pooled"], right["code"]) < at_best and right["micro"] > 0.9
assert right["hub"] < right["micro"] - 0.08
outcome("18.g", finders[tuple(name for name in ("pooled", "code", "hub", "micro") if right[name] > at_best)],
        because="A linear reader adds, so words and voice have to meet in the stream, while both still know their "
        "moment; the hub can do that, too, but did not learn to in this training.")

# %% [markdown]
# But the published stream is not read by one linear layer. Its head has batch norm, a hidden layer and a ReLU. With that head, is the code's stream still at the majority?

# %%
from mgmr_lib.models.mfmb.published_code import CodeHead

headed = stress_model("code", task, seed=0)
headed.out = seeded(1, lambda: CodeHead(headed.stream.width, 32, 1))
with_head = fit_stress(headed, task, seed=0)
assert with_head > right["code"] + 0.04
say(f"With the published head the same stream is right in **{with_head:.0%}** after the same training, where the best "
    f"sum has {at_best:.0%}. The maximum over time of a GRU's steps can still hold something of the moment, and a "
    "hidden layer can join it.")

# %% [markdown]
# How far it gets there depends on the seed: of six, five come well beyond the best sum and one hardly (the course's tests run them). But that it *can* be right shows that the failure above belongs to the *reader*. The pooled stream's does in part: under the same head, after four times the steps at a smaller rate, it gets beyond the best sum from most of six seeds, mostly by little.

# %% [markdown]
# Nor does the code's stream need position codes: without any, and with four times the steps, some seeds get there and others stay near the majority (run there, too).

# %% [markdown]
# The hub is only slower on these short clips: after four times the steps (run there, too) it is right in more than nine of ten. What is left of micro fusion's lead here: over the hub, few steps; over the other two, a linear reader is enough, because word and
# loudness meet in the stream. In the paper's network (Eq. 16) the reader is linear.

# %% [markdown]
# Is it the *places*? We took those of Eq. 13's columns away: every step of $U_m$ replaced by the clip's mean of them (codes and LSTM still mark the moment). The short training then stays below the best sum from the seed we tried; four times the steps at a smaller rate get beyond it from most seeds (run there, too). So what opens the way is that Eq. 13 joins
# words and voice; the places make it quick.

# %% [markdown]
# And in the network neither stream reads raw words: hybrid attention stands before both, where each word has asked the voice already. With it in front, and four times the steps at a smaller rate (run there, too), a linear reader finds the stressed word even behind the pooled stream, in more than nine of ten (one seed). So we saw what a *stream alone* can do, and not that the network needs it.

# %% [markdown]
# Which word moves the answer? For clips of seven words we take the size of the derivative of the answer with respect to each word, by the word that is
# stressed. **Predict** both pictures.

# %%
fig = plt.figure(figsize=(8.0, 3.2))
maps = {name: word_influence(nets[name], task) for name in ("pooled", "micro")}
figures_ch18.influence(fig, maps)
show(fig, "Influence of each word (to the right) on the answer, by the stressed word (downwards), rows "
     "relative to their sum. "
     "Pooled: all words alike, whatever is stressed. Micro: the diagonal is brightest.")

# %%
share = {name: (m / m.sum(1, keepdim=True)).diagonal().mean().item() for name, m in maps.items()}
assert share["pooled"] < 0.25 and share["micro"] > 1.5 * share["pooled"]
say("The stressed word has an even share of the influence in the pooled stream, and more than 1.5 times "
    "of that "
    "in micro fusion.")

# %% [markdown]
# A derivative says what a small change would do. Here is a large one: the seven words of a clip stay as they are, and the voice moves from word to word.
#
# **Look for** the streams whose answer follows the voice. In JupyterLab, turn `stressed` through all seven words.

# %%
words = torch.tensor([1.0, -1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
with torch.no_grad():
    answers = {name: torch.sigmoid(net(each_stressed(words, task))) for name, net in nets.items()}
explore(figures_ch18.turning(words.tolist(), answers), "Left: the words of one clip, the stressed one framed. "
        "Right: how sure each of the four streams is that the clip is good, in blue where it is right. Micro fusion's "
        "answer changes with the stressed word, the pooled stream's and the code's stay where they were.",
        title="The same words, another stress: micro fusion's answer turns with it", size=(8.0, 2.1),
        stressed=[1, 2, 3, 4, 5, 6, 7])

# %%
swing = {name: (a.max() - a.min()).item() for name, a in answers.items()}
assert swing["micro"] > 0.5 and max(swing["pooled"], swing["code"]) < 0.1
say("Over the seven stresses the micro stream's answer moves by more than a half, the pooled one's and the code's by "
    "less than a tenth.")

# %% [markdown]
# > **Card: paper and code differ.** The published micro stream: a GRU of three layers each way instead of the LSTM, 36, 20 and 48 wide; a sigmoid gate; $\tanh$ of a linear
# > layer on input and gated output; then the *maximum over time*, padding included (ours: over the clip's own steps); both vectors of a pair brought to 64, stacked and normalised [@mfmb2025]. Text and voice have met in hybrid attention; this
# > stream joins them no further: its summaries meet in the head.

# %% [markdown]
# ## 6 The mixer that nobody calls
# In the place of Eq. 13 the published code builds a mixer for each pair: an MLP with a GELU across its two *rows*, one across a row's 64 numbers, with residuals, without LN, and not along time [@mfmb2025]. No line calls
# them. Training runs, losses fall, nothing warns.
#
# ### Exercise 18.5 · find the weights that never learn (easy, 5 minutes)
# Clear old gradients, go through the network forwards and backwards once, and count the weights that have no gradient at all.


# %%
@exercise("18.5")
def idle_weights(net, x):
    """net: a module, x its input -> int."""
    # SOLUTION
    net.zero_grad(set_to_none=True)
    net(x).sum().backward()
    return sum(p.numel() for p in net.parameters() if p.grad is None)
    # END SOLUTION


# %%
check("18.5", idle_weights)


# %%
class Forgetful(nn.Module):
    """A stand-in of ours: Eq. 13 is built, and forward goes past it."""

    def __init__(self, length, called):
        super().__init__()
        first, second = nn.Linear(2 * length, 64), nn.Linear(64, 4)
        self.mixer = nn.Sequential(first, nn.ReLU(), nn.LayerNorm(64), second, nn.ReLU())
        self.out, self.called = nn.Linear(4, 1), called

    def forward(self, x):
        return self.out(self.mixer(x) if self.called else x[..., :4])


for called in (True, False):
    net = Forgetful(50, called)
    print("mixer called:", called, " weights", sum(p.numel() for p in net.parameters()),
          " idle", idle_weights(net, torch.randn(3, 10, 100)))

# %% [markdown]
# So a table of parameters counts them, and no result of that code says anything about Eq. 13. (Nor are they alone: each layer of its hub's encoder builds two gates that no line calls.) One line in a test suite finds it; ours asks every parameter of
# both networks for a gradient.

# %% [markdown]
# ## 7 Limits
# The stressed word was made for this stream: the voice says where, the text what, and both share a clock. Eq. 13 ties columns to *places*: what it learns at step 3 it
# does not know at step 9. Where the longest has fifteen words, the training above leaves it at the majority from most seeds and short of nine in ten from the others; four times the steps at a smaller rate bring it near one (tested from one seed).

# %% [markdown]
# Where nobody timed the words, we spread them evenly, and their places are a guess. Whether real clips need it is a matter of measurement, with the whole network.

# %% [markdown]
# ## 8 Summary
# - A two-way LSTM reads padding first, unless we reverse the valid part only.
# - A memory gate multiplies each step by what stands around it; one between 0 and 1 filters, and turns a word round only in part.
# - Statistics belong to valid steps.
# - Eq. 13 joins words and voice by place: a linear reader soon finds the stressed word. Behind separate summaries it takes a hidden layer, or attention before.
# - The published code takes the maximum over time, and calls no mixer.

# %%
progress("18")
