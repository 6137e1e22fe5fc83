# ---
# jupyter:
#   mgmr:
#     title: "Alignment: words and voice side by side"
#     claim: "Stage 1 reads words and voice in both directions, side by side; whether one hears the other hangs on the reading of a single word, and we measure both readings."
#     goals:
#       - bring voice and face onto the words' clock, and say what that costs
#       - build stage 1 from the paper's equations, equal to the library's class
#       - draw which frames of the voice move which words
#       - show by a task, not by words, what "collaborative" has to mean
#     minutes: 60
#     budget_s: 45
#     device: cpu
#     requires: ["07", "11"]
#     introduces: [unaligned, stage 1, additive model]
# ---
# %% [markdown]
# ## "Great."
# Said warmly, it is praise. Said flatly, it is irony. Let us make a world of this: each word is good or bad, $w_t = \pm 1$, each is said in a tone,
# $a_t = \pm 1$, that leaves it or turns it round. Clips have four to eight words, $l$ of them. The label sums up what was meant, divided by $\sqrt l$, so that long and short clips
# spread alike: $\tfrac{1}{\sqrt l}\sum_t w_t\, a_t$.

# %% [markdown]
# **Predict, then run:** all words and tones are fair coin flips. How strongly does the label correlate with the sum of the words? With the sum of the
# tones?

# %%
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt

from mgmr_lib.course import check, exercise, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.chapters.ch12_alignment import figures as figures_ch12
from mgmr_lib.chapters.ch12_alignment.toys import IronyTask, fit, two_streams
from mgmr_lib.ssm import flip_valid, selective_scan

use_style()

# %%
predict("12.a", "How strongly does the label correlate with the sum of the words, or of the tones?",
        {"0, not at all": 0, "about 0.2": 0.2, "about 0.5": 0.5, "about 0.7": 0.7})

# %%
clips = IronyTask().draw(20_000, torch.Generator().manual_seed(0))
words, tones = clips.words[..., 0], clips.tones[..., 0]
for name, known in (("words", words), ("tones", tones), ("products", words * tones)):
    together = torch.stack([known.sum(1), clips.labels])
    print(f"sum of {name:9} correlation with the label {torch.corrcoef(together)[0, 1].abs():.2f}")

# %%
sums = [torch.corrcoef(torch.stack([known.sum(1), clips.labels]))[0, 1].abs() for known in (words, tones)]
outcome("12.a", max(sums), because="A label made of two modalities need not show in either: over fair tones, what a "
        "word means cancels out.")

# %% [markdown]
# Neither says anything. Did we only sum too crudely? An [additive model](glossary.md#additive-model) reads the words in any way it likes, reads the
# tones in any way it likes, and adds, $\hat y = f(w) + g(a)$. Here is a rich one: every word, every tone, and all products *within* a modality.
#
# **Predict, then run:** which share of the label's variance does it explain on clips that it was not fitted to?

# %%
predict("12.b", "Which share of the variance does the rich additive model explain on fresh clips?",
        {"nothing": 0, "about a quarter": 0.25, "about a half": 0.5, "nearly all": 1})

# %% tags=["baseline"]
def within(x):
    """x (b,l) -> x and all products of two entries of x, (b, l + l²)."""
    return torch.cat([x, (x[:, :, None] * x[:, None]).flatten(1)], dim=1)


rich = torch.cat([within(words), within(tones)], dim=1).double()
y, half = clips.labels.double(), 10_000
weights = torch.linalg.lstsq(rich[:half].T @ rich[:half] + torch.eye(rich.shape[1]), rich[:half].T @ y[:half]).solution
left = (y[half:] - rich[half:] @ weights).square().sum() / y[half:].square().sum()
print("rich additive model: explains less than 2 % =", bool(left > 0.98))

# %%
assert left > 0.98
outcome("12.b", 1 - left, because="More terms of words and more terms of tones are not yet one term of both.")

# %% [markdown]
# No $f$ and $g$ could do better: given all the words, the label's mean is still zero; given all the tones, too. So the best additive answer is the
# constant 0.
#
# MGMR-Net calls its [stage 1](glossary.md#stage-1) "cross-modal alignment via multi-layer collaborative Bi-Mamba" [@mgmr2025]. Is it an additive
# model, or can it hear irony? We build it from its equations and find out. First a practical matter: at which word are we?

# %% [markdown]
# Where does stage 1 stand? The picture is drawn from the library's network, in the sizes of the `laptop` profile: a box is a module with its number of weights, an arrow carries the shape that passes, steps × channels, without the clips of the batch. Blue is what this notebook builds. The paper's own picture of it is Figure 2, within the network of its Figure 1 [@mgmr2025].

# %%
from mgmr_lib.chapters.shared.network_map import draw_network, sketch

fig, ax = plt.subplots(figsize=(10.0, 3.4))
draw_network(ax, *sketch("mgmr"), "pooling", "alignment")
ax.set_title("Stage 1 is the first part that all three modalities enter, on the words' clock")
show(fig, "MGMR-Net from left to right, a row each for text, audio and vision. Up to the boxes \"to words\" each "
     "modality has its own number of steps; these boxes and stage 1, in blue, are this notebook's. Behind them all "
     "have the words' number of steps.")

# %% [markdown]
# ## 1 One clock for all
# Real clips are [unaligned](glossary.md#unaligned): text comes in tokens, voice and face in frames, each at its own rate. Here are three clips of our
# corpus (their voice and face are simulated).

# %%
from mgmr_lib.data.load import load_corpus

corpus = load_corpus("classroom-mosi")
test = corpus["test"]
print("clip  tokens  voice frames  face frames")
for i in (0, 4, 5):
    print(f"{i:4}  {test.token_lengths[i]:6}  {test.audio.lengths[i]:12}  {test.vision.lengths[i]:11}")

# %% [markdown]
# > **Card: the paper is unclear.** Its equations give all modalities $T$ steps, and its table of settings a "length L" of 50, 50 and 39
# > [@mgmr2025]; yet the data is unaligned, up to 500 frames long. How frames become steps it does not say. We average each clip's valid frames onto
# > *its own* number of tokens, after reconstruction, so that lost frames are repaired at full detail.

# %% [markdown]
# Token $j$ of $k$ gets its share of the clip's $s$ frames: bin $j$ runs from the frame at $j\,s/k$, rounded down, to the one at $(j+1)\,s/k$,
# rounded up.
#
# $$z_j = \frac{1}{\text{hi}_j - \text{lo}_j} \sum_{i=\text{lo}_j}^{\text{hi}_j - 1} x_i, \qquad
# \text{lo}_j = \lfloor j\,s/k \rfloor, \quad \text{hi}_j = \lceil (j+1)\,s/k \rceil$$
#
# | symbol | what | shape |
# |---|---|---|
# | $x$ | one clip's valid frames, encoded | $(s, d)$ |
# | $z$ | the same clip, a step a token | $(k, d)$ |

# %% [markdown]
# Neighbouring bins may share a frame, and a clip with fewer frames than tokens repeats frames: no bin is ever empty.
#
# ### Exercise 12.1 · frames onto tokens (easy, 6 minutes)
# Write it for one clip. Integers are safer than floats here: `j * s // k` rounds down, `-(-a // k)` rounds $a/k$ up.


# %%
@exercise("12.1")
def pool_to_tokens(x, k):
    """x (s,d): the valid frames of one clip; k: its tokens -> (k,d)."""
    # SOLUTION
    s = x.shape[0]
    bins = [x[j * s // k : -(-(j + 1) * s // k)].mean(0) for j in range(k)]
    return torch.stack(bins)
    # END SOLUTION


# %%
check("12.1", pool_to_tokens)

# %% [markdown]
# Even shares assume that every token takes the same time. Our voices are simulated, so we know when each token is really spoken, and may check.
#
# **Predict, then run:** long words take longer, and there is silence before and after. How far off is the middle of a bin, compared with a bin's
# width?

# %%
predict("12.c", "How far is the middle of a token from the middle of its bin, on average?",
        {"a tenth of a bin": 0.1, "about one bin": 1, "about three bins": 3, "about ten bins": 10})

# %%
from mgmr_lib.data.text import load_tokenizer

tokenizer = load_tokenizer("minilm")
apart, bins_off = [], []
for i in range(100):
    middle, spoken, seconds = figures_ch12.clock(test.select([i]), tokenizer)
    apart.append((middle - spoken).abs())
    bins_off.append(apart[-1] / (seconds / test.token_lengths[i]))
apart, bins_off = torch.cat(apart), torch.cat(bins_off)
near = (bins_off < 1.5).float().mean()
say(f"The middle of a bin lies on average **{apart.mean():.2f} s** from the middle of its token, or "
    f"{bins_off.mean():.1f} bins of its own clip; for {near:.0%} of the tokens the right frames lie in the bin or a "
    "neighbour of it.")

# %%
outcome("12.c", bins_off.mean(), because="Uneven words and silences shift a token against its even share, by more "
        "bins in a longer clip; but the words fill the clip nearly from end to end, as the bins do.")

# %% [markdown]
# Good enough for layers that look around, which ours do. Now the batch, where the same step goes wrong easily.
#
# ### Exercise 12.2 · find the bug: pooling in a batch (medium, 8 minutes)
# A colleague pools the whole batch at once. One clip, alone and beside a longer one: its steps change. Find the two things that come from the
# *neighbours*, then write it right: row $i$ holds clip $i$'s own valid frames on its own tokens, zeros behind them.


# %%
def colleagues_pool(x, valid, lengths):
    """x (b,s,d), valid (b,s), lengths (b): tokens of each clip -> (b, max lengths, d)."""
    return F.adaptive_avg_pool1d(x.transpose(1, 2), int(lengths.max())).transpose(1, 2)


frames = torch.arange(12.0)[None, :, None].repeat(2, 1, 1)
valid, lengths = torch.arange(12) < torch.tensor([[4], [12]]), torch.tensor([2, 3])
frames = frames * valid[..., None]
print("clip 0 alone:  ", colleagues_pool(frames[:1, :4], valid[:1, :4], lengths[:1]).flatten().tolist())
print("clip 0 beside 1:", colleagues_pool(frames, valid, lengths)[0].flatten().tolist())


# %%
@exercise("12.2")
def pool_batch(x, valid, lengths):
    """x (b,s,d), valid (b,s) bool, lengths (b) -> (b, max lengths, d)."""
    # SOLUTION
    out = x.new_zeros(x.shape[0], int(lengths.max()), x.shape[2])
    for i, k in enumerate(lengths.tolist()):
        out[i, :k] = pool_to_tokens(x[i, : valid[i].sum()], k)
    return out
    # END SOLUTION


# %%
check("12.2", pool_batch)

# %%
from mgmr_lib.models.inputs import pool_to_length

print("clip 0 beside 1:", pool_batch(frames, valid, lengths)[0].flatten().tolist())
x = torch.randn(4, 30, 16, generator=torch.Generator().manual_seed(1))
valid, lengths = torch.arange(30) < torch.tensor([[30], [5], [17], [8]]), torch.tensor([7, 9, 12, 3])
assert torch.allclose(pool_batch(x, valid, lengths), pool_to_length(x, valid, lengths, 12), atol=1e-6)

# %% [markdown]
# ## 2 One branch, by hand
# Stage 1 has two branches, (text, audio) and (text, vision). In each, a stack of $N$ layers reads the sequences ahead in time, another stack reads
# them reversed, and the two are averaged. For each sequence $X$ of a branch:
#
# $$H_f^{(0)} = X,\quad H_f^{(n)} = \mathrm{Layer}_f^{(n)}(H_f^{(n-1)}) \qquad
# H_b^{(0)} = \mathrm{Flip}(X),\quad H_b^{(n)} = \mathrm{Layer}_b^{(n)}(H_b^{(n-1)})$$
# $$C = \tfrac12\big(H_f^{(N)} + \mathrm{Flip}(H_b^{(N)})\big)$$

# %% [markdown]
# Text passes both branches, so it comes out twice, and is averaged once more: $C_t = \tfrac12\,(C_t^{(a)} + C_t^{(v)})$.
#
# | symbol | what | shape |
# |---|---|---|
# | $X$ | text, audio or vision, all on the tokens' clock | $(b, l, d)$ |
# | $H_f^{(n)}$, $H_b^{(n)}$ | output of layer $n$, ahead and back | $(b, l, d)$ |
# | $C$ | the aligned sequence | $(b, l, d)$ |
# | $N$ | layers per direction | |

# %% [markdown]
# > **Card: the paper's equations are misprinted.** They read $H^{t-1,(n)}$ where layer $n$ must read layer $n-1$: as printed, it reads its own output of
# > one step ago, and the layers below it never reach the result [@mgmr2025]. Where the mean needs the reversed output we read
# > $\mathrm{Flip}(H_b^{(N)})$ for its undefined $Y_b$.

# %% [markdown]
# > **Card: the paper is unclear.** Flip is applied to whole rows; padding would come first. As in notebook 07 we flip the valid part only. The other
# > two of that notebook's cards hold here too: $\lambda = \exp(D_{decay})$ grows where $D_{decay} > 0$, and "$D_{out}$ is omitted" contradicts Mamba
# > [@mgmr2025]. Our layers are Mamba blocks, which have a decay below 1 and keep $D$.

# %% [markdown]
# > **Card: ours, not the paper's.** It prints $X^{(n)} = \mathrm{MambaLayer}^{(n)}(X^{(n-1)})$, without a residual and without a norm [@mgmr2025]. Ours is
# > $x + \mathrm{block}(\mathrm{LN}(x))$, as in published Mamba stacks: a deep stack trains, and a layer can begin by doing little. It also lets every input pass unchanged, which no equation of the paper says.

# %% [markdown]
# > **Card: the paper is unclear.** $\mathrm{MambaLayer}^{(n)}$ carries the number of the layer and nothing else: no index for the modality, the branch or the direction [@mgmr2025]. Read by
# > the letter, one layer serves text, voice and face, ahead and back. Its prose has "modality-specific" parts and no equation for them. We give every sequence and direction its own weights.

# %% [markdown]
# ### Exercise 12.3 · ahead, back, mean (medium, 8 minutes)
# `ahead` and `back` are the stacks: each takes `(text, other)` and returns both, one step a step, reading forward. `flip_valid(x, valid)` from
# notebook 07 is imported. Return the aligned pair.


# %%
@exercise("12.3")
def branch(ahead, back, text, other, valid):
    """ahead, back: (text, other) -> (text, other); text, other (b,l,d), valid (b,l) -> aligned text, aligned other."""
    # SOLUTION
    forward = ahead(text, other)
    backward = back(flip_valid(text, valid), flip_valid(other, valid))
    return tuple((f + flip_valid(b, valid)) / 2 for f, b in zip(forward, backward, strict=True))
    # END SOLUTION


# %%
check("12.3", branch)

# %% [markdown]
# The equations name no term in which one modality meets the other: each sequence passes its layers alone. What is left for "collaborative"? The published code of related networks (TF-Mamba;
# DepMamba, which the paper cites for Bi-Mamba) lets the two layers of a pair share their decay matrix $A$. That is a loan from there, not a line of this paper. The library calls this reading `"shared"`.

# %%
from mgmr_lib.models.mgmr.alignment import CollaborativeBiMamba

torch.manual_seed(0)
shared = CollaborativeBiMamba(16, 2, "shared", d_state=4).eval()
first, second = shared.ahead.first[0].mixer, shared.ahead.second[0].mixer
assert first.A_log is second.A_log and first.x_proj.weight is not second.x_proj.weight


def apart_stack(stack):
    """The layers of one direction, each sequence through its own: (text, other) -> (text, other)."""
    def run(text, other):
        for own_text, own_other in zip(stack.first, stack.second, strict=True):
            text, other = own_text(text), own_other(other)
        return text, other
    return run


# %%
g = torch.Generator().manual_seed(3)
text, voice, face = (torch.randn(3, 12, 16, generator=g) for _ in range(3))
valid = torch.arange(12) < torch.tensor([[12], [7], [1]])
with torch.no_grad():
    by_hand = branch(apart_stack(shared.ahead), apart_stack(shared.back), text, voice, valid)
    library = shared(text, voice, valid)
for a, b in zip(by_hand, library, strict=True):
    assert torch.allclose(a[valid], b[valid], atol=1e-6)
print("a branch by hand = the library's, \"shared\"")

# %% [markdown]
# ## 3 What can "collaborative" mean?
# The text says that the aligned features "improve cross-modal interactions" [@mgmr2025]. So let us ask the branch: if a frame of the voice
# changes, which aligned words change?
#
# **Predict, then run:** the derivative of all aligned words with respect to the voice. Large, small, zero?

# %%
paths = ["large, as for the words themselves", "small, but not zero", "there is none: no path leads there"]
predict("12.d", "How large is the derivative of the aligned words with respect to the voice?", paths)

# %%
def gradient_to_voice(branch):
    """d (sum of aligned text) / d voice, (b,l,d), or None where there is no path at all."""
    heard = voice.clone().requires_grad_()
    aligned, _ = branch(text, heard, valid)
    return torch.autograd.grad(aligned.sum(), heard, allow_unused=True)[0]


print("shared:", gradient_to_voice(shared))

# %%
found, own = gradient_to_voice(shared), text.clone().requires_grad_()
usual = torch.autograd.grad(shared(own, voice, valid)[0].sum(), own)[0].norm()
outcome("12.d", paths[2] if found is None else paths[0] if found.norm() > usual / 2 else paths[1],
        because="Standing in one branch and sharing a weight is not hearing: each sequence passes its own layers.")

# %% [markdown]
# `None`: not a small derivative, no path. Sharing $A$ ties two layers' *weights*, and no value ever crosses; sharing whole layers would change nothing in this. Read linearly, such a stage is an
# additive model by construction.

# %% [markdown]
# > **Card: ours, not the paper's.** Its words claim cross-modal interaction, its equations have none, and its Figure 2, of this stage, is explained by none either [@mgmr2025]. `"shared"` follows
# > the *wiring* of the equations: each sequence passes its layers alone, ahead and back, averaged. These are Mamba blocks, not the printed layers, with weights of their own, residual, norm and a common $A$.

# %% [markdown]
# > **Card: ours, not the paper's.** `"exchange"`, our default and our invention, follows the words at a small price: in a Mamba block, $B_t$, $C_t$ and $\Delta_t$
# > decide what enters the state, what is read from it and how long it lasts, and we let the time-aligned *partner* have a say in them.

# %% [markdown]
# With $\tilde x_t$ what the block's short convolution saw, and $p_t$ the partner's step:
#
# $$(\delta_t, B_t, C_t) = W \tilde x_t + U p_t$$
#
# | symbol | what | shape |
# |---|---|---|
# | $\tilde x_t$, $p_t$ | own step (inner width $e$), the partner's step | $(b, e)$, $(b, d)$ |
# | $\delta_t$, $B_t$, $C_t$ | the raw time step (rank $r$), write and read weights | $(b, r)$, $(b, n)$, $(b, n)$ |
# | $W$, $U$ | `x_proj`, `partner_proj` | $(r + 2n, e)$, $(r + 2n, d)$ |

# %% [markdown]
# The state takes in $\Delta_t B_t x_t$: with the partner inside $B_t$, that is a *product* of one modality with the other, at one moment.
#
# ### Exercise 12.4 · let the partner choose too (medium, 7 minutes)
# Return the three parts in the order of the equation.


# %%
@exercise("12.4")
def select(x, partner, W, U, rank, n):
    """x (b,l,e), partner (b,l,d), W (rank+2n,e), U (rank+2n,d) -> (b,l,rank), (b,l,n), (b,l,n)."""
    # SOLUTION
    parts = x @ W.T + partner @ U.T
    return parts.split([rank, n, n], dim=-1)
    # END SOLUTION


# %%
check("12.4", select)

# %% [markdown]
# Around it stands the block of notebook 05, line by line. Then a pair of layers, each with its own norm and its residual; both read the partner
# as it was *before* this layer.

# %%
def block(m, x, partner):
    """A Mamba block that hears its partner; m holds the weights; x, partner (b,l,d) -> (b,l,d)."""
    x, z = m.in_proj(x).chunk(2, dim=-1)
    x = F.silu(m.conv1d(x.transpose(1, 2))[..., : x.shape[1]]).transpose(1, 2)
    dt, B, C = select(x, partner, m.x_proj.weight, m.partner_proj.weight, m.dt_rank, m.d_state)
    x, dt, B, C, z = (t.transpose(1, 2) for t in (x, dt @ m.dt_proj.weight.T, B, C, z))
    y = selective_scan(x, dt, -torch.exp(m.A_log), B, C, m.D, z, m.dt_proj.bias, True)
    return m.out_proj(y.transpose(1, 2))


def exchange_stack(stack):
    """The layers of one direction, with exchange: (text, other) -> (text, other)."""
    def run(text, other):
        for a, b in zip(stack.first, stack.second, strict=True):
            t, o = a.norm(text), b.norm(other)
            text, other = text + block(a.mixer, t, o), other + block(b.mixer, o, t)
        return text, other
    return run


# %% [markdown]
# All of stage 1, by hand, against the library's class with the same weights.

# %%
from mgmr_lib.models.mgmr.alignment import Alignment

torch.manual_seed(0)
stage = Alignment(16, 2, "exchange", d_state=4).eval()
with torch.no_grad():
    sides = [branch(exchange_stack(b.ahead), exchange_stack(b.back), text, other, valid)
             for b, other in ((stage.audio, voice), (stage.vision, face))]
    by_hand = {"text": (sides[0][0] + sides[1][0]) / 2, "audio": sides[0][1], "vision": sides[1][1]}
    library = stage({"text": text, "audio": voice, "vision": face}, valid)
for m, aligned in by_hand.items():
    assert torch.allclose(aligned[valid], library[m][valid], atol=1e-6)
print("stage 1 by hand = the library's Alignment, to 1e-6")

# %%
crossing = gradient_to_voice(stage.audio)
assert crossing[valid].norm(dim=-1).min() > 0 and crossing[~valid].abs().max() == 0
price = {c: sum(p.numel() for p in Alignment(128, 1, c, d_state=12, expand=4).parameters())
         for c in ("shared", "exchange")}
more = price["exchange"] / price["shared"] - 1
say("With exchange every valid step of the voice moves the words, and no padded one does. Its price at width 128, "
    f"state 12 and expansion 4: {more:.1%} more weights in stage 1 than \"shared\" has.")

# %% [markdown]
# ## 4 Which frames move which words?
# Now a clip of the corpus (its voice is simulated), unaligned, through the whole front of the network: encoders, reconstruction, pooling onto tokens, stage 1. For each aligned token
# we take the size of its derivative with respect to each *frame* of the voice.
#
# **Predict, then run:** the network is untrained. Will there be any order in the picture? And under `"shared"`?

# %%
pictures = ["no order in either", "a band along the clock in both", "a band under exchange, nothing under shared",
            "no order under exchange, nothing under shared"]
predict("12.e", "What does the picture show before any training?", pictures)

# %%
from dataclasses import replace

from mgmr_lib.data.batch import mask_split
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.models.mgmr.network import MGMRNet
from mgmr_lib.training.config import make_config
from mgmr_lib.training.setup import prepare

one = test.select([test.ids.index("video0090$_$15")])
setup = prepare(make_config("mgmr", "fast", pool_audio=1, pool_vision=1, max_clips=64), corpus)
clip = mask_split(one, draw_masks(one, 0.0, 1), setup.encoder).batch([0])
torch.manual_seed(0)
nets = {reading: MGMRNet(replace(setup.config.network, collaboration=reading), setup.model.inputs)
        for reading in ("exchange", "shared")}


# %%
def influence(net):
    """|d aligned token j / d voice frame i|, (tokens, frames); zero where there is no path."""
    seen = net.eval().inputs(clip)
    heard = seen["audio"].x.requires_grad_()
    x = {m: net.reconstruction[m](net.encoders[m](s), s.valid)[0] for m, s in seen.items()}
    tokens = seen["text"].valid.sum(1)
    for m in ("audio", "vision"):
        x[m] = pool_to_length(x[m], seen[m].valid, tokens, int(tokens))
    rows = []
    for token in net.alignment(x, seen["text"].valid)["text"][0]:
        back = torch.autograd.grad(token.sum(), heard, retain_graph=True, allow_unused=True)[0]
        rows.append(torch.zeros(heard.shape[1]) if back is None else back[0].norm(dim=-1))
    return torch.stack(rows)


# %% tags=["signature"]
maps = {reading: influence(net) for reading, net in nets.items()}
fig = plt.figure(figsize=(8.0, 4.2))
figures_ch12.alignment(fig, maps, one, tokenizer)
show(fig, "Influence of each voice frame (to the right, in seconds) on each aligned token (downwards); circles mark "
     "when the token is really spoken. With exchange a bright band follows the circles from corner to corner; under "
     "shared there is nothing.")

# %%
middle, spoken, seconds = figures_ch12.clock(one, tokenizer)
rows = maps["exchange"][1:-1]
where = torch.arange(rows.shape[1]) * seconds / rows.shape[1]
near = (where - spoken[:, None]).abs() < 0.5
share = ((rows * near).sum(1) / rows.sum(1)).mean().item()
even = near.float().mean().item()
say("Frames within half a second of a token's true moment have more than 1.5 times their even share of the influence "
    "on it, before any training.")

# %%
assert maps["exchange"].min() > 0 and share > 1.5 * even
silent = bool(maps["shared"].abs().max() == 0)
outcome("12.e", pictures[2 if silent else 1], because="Random weights are not random paths: pooling and layers go "
        "along the clock before they learn anything.")

# %% [markdown]
# Nothing was learned yet. What training can add is *what* to do with a
# frame. Where no path exists, it can add nothing.

# %% [markdown]
# ## 5 Does it matter? Three tasks
# Back to irony. A small model: embed words and tones, one branch of stage 1, sum both outputs over time, read linearly. Behind the branch all is
# linear, so only the branch can multiply. Three kinds of clips, each label a sum divided by the root of the number of its terms:
#
# | kind | label | needs the partner? |
# |---|---|---|
# | irony | sum of word times tone | yes |
# | plain | sum of words and tones | no |
# | strangers | as irony, but the voice comes from another clip | nothing to learn |

# %% [markdown]
# The last two are there to keep us honest. If exchange won on `plain`, it would win by size, not by crossing; if it won on `strangers`, something
# would leak.
#
# **Predict, then run:** fill in a table: two readings, three kinds, share of variance explained (0: knows nothing, 1: perfect).

# %%
predict("12.f", "On which kinds does exchange explain most of the variance, and shared hardly any?",
        ["irony", "irony and plain", "irony and strangers", "none of them"])

# %%
seeds = {"irony": (0, 1, 2), "plain": (0, 1)}
explained = {}
for kind, starts in seeds.items():
    for reading in ("shared", "exchange"):
        runs = [fit(two_streams(reading, s), IronyTask(kind), s) for s in starts]
        explained[kind, reading] = runs

# %% tags=["control"]
strangers = IronyTask("strangers")
runs = [fit(two_streams("exchange", s), strangers, s) for s in (0, 1)]
explained["strangers", "exchange"] = runs

# %%
fig, ax = plt.subplots()
figures_ch12.explained_shares(ax, explained)
ax.set(title="Where a product is needed, only exchange learns it", ylabel="explained share of variance (1: all)")
show(fig, "Explained share of variance, a dot a seed, a bar at the mean. Irony: shared at zero, exchange near one. "
     "Plain: both near one. Strangers: zero, as it must be.")

# %%
say("On every seed, exchange explains more than 80 % of irony and shared less than a tenth; on plain clips both "
    "explain more than 95 %. So it is the crossing that helps, not the size: "
    "a shared branch, read linearly, stays additive at any size.")

# %%
low = {key: min(values) for key, values in explained.items()}
assert low["irony", "exchange"] > 0.8 and max(explained["irony", "shared"]) < 0.1
assert min(low["plain", "shared"], low["plain", "exchange"]) > 0.95 and max(explained["strangers", "exchange"]) < 0.1
only = [kind for kind in ("irony", "plain", "strangers") if low[kind, "exchange"] > 0.5
        and max(explained.get((kind, "shared"), [0.0])) < 0.1]
outcome("12.f", " and ".join(only) or "none of them",
        because="Only this label needs the two multiplied, and shared has no place where they are.")

# %% [markdown]
# On these toys, that is. Is `"shared"` then a bad network? Stage 1 is not the end: stage 2, of the next notebook, lets the three modalities pass one
# common scan.
#
# **Predict, then run:** a `"shared"` branch with the library's stage 2 behind it. Still nothing?

# %%
predict("12.g", "How much of irony does a shared branch explain with stage 2 behind it?",
        ["hardly anything", "some, less than a half", "more than a half"])

# %%
from mgmr_lib.models.mgmr.fusion import InterleavedFusion

later = two_streams("shared", 0, after=lambda: InterleavedFusion(16, 1, d_state=4, expand=1))
caught_up = fit(later, IronyTask(), seed=0, steps=60)
say(f"With stage 2 behind it, the shared branch explains more than half of irony: {caught_up > 0.5}.")

# %%
assert caught_up > 0.5
outcome("12.g", "more than a half", because="A stage is not the network: somewhere the modalities must meet, and it "
        "need not be in stage 1.")

# %% [markdown]
# So on this task stage 2 makes up for much of what a `"shared"` stage 1 cannot do (one training, one seed). That is what the two readings differ in: *where* words and voice first meet. It matters for the paper's own ablation, too. Without stage 2, those of
# a `"shared"` network first meet in one maximum over the whole clip, which has forgotten the moments. With `"exchange"` they have met before.

# %% [markdown]
# ## 6 Limits
# The irony task was made to need a product at one moment, so that exchange wins here is what we put in. How much of that real speech holds a toy cannot say. Our corpus cannot either: its voice and face are *simulated*
# from the rating and a word list, one clip in ten is sarcastic as a whole, and no single word is turned round by its tone. Whether exchange helps there takes full trainings with several seeds, and says nothing yet about people.

# %% [markdown]
# Our pooling assumes an even pace, and was checked against *simulated* speaking times, which are fairly even by construction. Speech with long pauses would need real word times.

# %% [markdown]
# ## 7 Summary
# - Voice and face are averaged onto each clip's own tokens: never onto the batch's.
# - Stage 1 is a pair of stacks ahead and one back, averaged; only valid parts are flipped.
# - In the paper's equations of stage 1 no value crosses between modalities. Mamba's block, residual, norm and exchange are our reading.
# - With exchange, the partner has a say in $B$, $C$ and $\Delta$: a product of the two, and irony needs one.
# - On plain clips, the control, both readings do equally well.

# %%
progress("12")
