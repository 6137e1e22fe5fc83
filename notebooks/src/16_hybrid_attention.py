# ---
# jupyter:
#   mgmr:
#     title: Hybrid parallel attention
#     claim: "Attention looks things up: each step asks all others, however far, at any pace. Order and padding it does not see by itself; we have to give it the one and hide the other."
#     goals:
#       - compute attention by hand, from a query, keys and values to heads
#       - hide padding from a softmax, and show what leaks if we do not
#       - say what attention knows of order, and prove it
#       - build MFMB-Net's hybrid attention, equal to the library's
#       - tell what its published code does differently, and what a scan can do in its place
#     minutes: 60
#     budget_s: 60
#     device: cpu
#     requires: ["07", "11"]
#     introduces: [attention, attention head, position code, key-padding mask]
# ---
# %% [markdown]
# ## Which frame sounded excited?
# A voice has three frames. Each has a *key*, here one number that says how excited it sounds, and a *value*, what we want to know: its pitch, in semitones
# above the speaker's mean. A word asks with a *query* of 2: "excited frames, please".
#
# Multiply query and keys, and turn the three scores into shares that sum to one.
#
# **Predict, then run:** the keys are 1, 0 and $-1$, the values 5, 3 and 1. Which pitch does the word get?

# %%
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt

from mgmr_lib.course import check, exercise, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.chapters.ch16_hybrid_attention import figures as figures_ch16

use_style()

# %%
predict("16.a", "Which pitch does the word get?", between=(1, 5), step=0.1, within=0.2, unit="semitones")

# %%
query, keys, values = torch.tensor(2.0), torch.tensor([1.0, 0.0, -1.0]), torch.tensor([5.0, 3.0, 1.0])
scores = query * keys
shares = scores.exp() / scores.exp().sum()
print("scores", scores.tolist(), " shares", [f"{s:.2f}" for s in shares], f" answer {shares @ values:.2f}")

# %%
outcome("16.a", shares @ values, because="The best key gets most and not all: even the worst one has an exponential "
        "above zero.")

# %% [markdown]
# This is [attention](glossary.md#attention), which notebook 11 used and we now take apart: a lookup that does not pick one entry but mixes all, mostly those that
# fit. The shares are a *softmax*, the exponentials divided by their sum.
#
# **Predict, then run:** what answers a query of 0? Of 20? Of $-2$?

# %%
predict("16.b", "What answers a query of 0?", {"0, nothing": 0, "1, the least excited frame": 1, "3, the mean": 3,
                                               "5, the most excited frame": 5})

# %% tags=["baseline"]
for q in (0.0, 20.0, -2.0):
    print(f"query {q:5}: answer {(q * keys).softmax(0) @ values:.2f}")

# %%
outcome("16.b", (0 * keys).softmax(0) @ values, because="A query of zero is no refusal: it makes all scores equal, and "
        "equal scores make equal shares.")

# %% [markdown]
# A query of 0 asks for nothing and gets the mean: our baseline. A large one picks the best entry. So attention reaches from averaging to picking, and a
# network can learn where to stand, since the answer has a derivative with respect to the query.

# %%
from mgmr_lib.course.widgets import explore

explore(lambda fig, query: figures_ch16.one_query(fig, query, keys, values),
        "Shares of the three frames for a query of -20, 0 and 20. The negative one gives all to the least excited "
        "frame, zero gives the same to each, the positive one gives all to the most excited frame.",
        title="A query moves the answer from picking over averaging to picking", size=(3.0, 2.4),
        query=[-20.0, -2.0, -0.5, 0.0, 0.5, 2.0, 20.0])

# %% [markdown]
# Part IV is about a network that looks things up, MFMB-Net [@mfmb2025]. The picture is drawn from the library's network, in the sizes of the `laptop` profile: a box is a module with its number of weights, an arrow carries the shape that passes, steps × channels, without the clips of the batch. Its Figure 2 shows the same parts: encoders, two streams, reconstruction.

# %%
from mgmr_lib.chapters.shared.network_map import draw_network, sketch

fig, ax = plt.subplots(figsize=(10.0, 3.4))
draw_network(ax, *sketch("mfmb"), "project", "align")
ax.set_title("Attention stands in front of everything: three branches read what it makes")
show(fig, "MFMB-Net from left to right, a row each for text, audio and vision: inputs, a projection to one width, and "
     "hybrid attention, both in blue. Three branches read its result: macro fusion and micro fusion lead to the "
     "head, the rebuilt modalities to the loss alone.")

# %% [markdown]
# ## 1 Vectors, clips, heads
# Now each step has a vector. Three linear layers make queries, keys and values of it [@vaswani2017]:
#
# $$\mathrm{Att}(Q, K, V) = \mathrm{softmax}\Big(\frac{Q K^\top}{\sqrt{d}}\Big) V, \qquad Q = W^Q x,\quad K = W^K z,\quad V = W^V z$$

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $x$ | the sequence that asks | $(b, l_q, d)$ |
# | $z$ | the sequence that is asked, maybe $x$ itself | $(b, l_k, d)$ |
# | $Q$; $K$, $V$ | queries; keys and values | $(b, l_q, d)$; $(b, l_k, d)$ |
# | $Q K^\top$ | scores, one for each query and key | $(b, l_q, l_k)$ |
# | softmax | over the keys: every query's shares sum to one | $(b, l_q, l_k)$ |

# %% [markdown]
# ### Exercise 16.1 · attention (easy, 6 minutes)
# One clip, three matrices, the formula. `torch.softmax` needs to know along which axis.


# %%
@exercise("16.1")
def attend(Q, K, V):
    """Q (l_q,d), K (l_k,d), V (l_k,d_v) -> (l_q,d_v)."""
    # SOLUTION
    weights = torch.softmax(Q @ K.T / Q.shape[-1] ** 0.5, dim=-1)
    return weights @ V
    # END SOLUTION


# %%
check("16.1", attend)

# %% [markdown]
# Why divide by $\sqrt d$? A product of two random vectors has a deviation of $\sqrt d$. The wider the vectors, the larger the scores, and the sharper the
# softmax.
#
# **Predict, then run:** 50 random keys, one random query. How large is the largest share, at width 4 and at width 256?

# %%
predict("16.c", "How large is the largest of 50 shares at width 256, undivided?",
        {"hardly above the mean, 0.02": 0.02, "about 0.3": 0.3, "about 0.6": 0.6, "about 0.9": 0.9})

# %%
g = torch.Generator().manual_seed(0)
print("width  largest share: plain  divided by sqrt(d)")
for d in (4, 64, 256):
    Q, K = torch.randn(500, 1, d, generator=g), torch.randn(500, 50, d, generator=g)
    scores = (Q * K).sum(-1)
    largest = [s.softmax(-1).amax(-1).mean().item() for s in (scores, scores / d**0.5)]
    print(f"{d:5}  {largest[0]:20.2f}  {largest[1]:18.2f}")

# %%
outcome("16.c", largest[0], because="Random is not even: a softmax turns a lead of a few points in the score into "
        "nearly everything.")

# %% [markdown]
# Undivided, wide random vectors pick one entry before anything is learned, and a softmax that has picked passes almost no gradient. Divided, the start is
# soft at any width.

# %% [markdown]
# One softmax mixes one thing. To ask several questions at once, the channels are cut into [heads](glossary.md#attention-head): each head has its own slice
# of $Q$, $K$ and $V$, of width $d/\text{heads}$, and its own shares. The answers are put side by side again, and a last linear layer mixes them.

# %% [markdown]
# ## 2 A softmax sees padding
# Clips have different lengths, so there is [padding](glossary.md#padding). Zeros are harmless in a sum.
#
# **Predict, then run:** our three frames, with five zeros behind them, key 0 and value 0. What does the query of 2 get now?

# %%
predict("16.d", "What does the query of 2 get with five padded frames?",
        between=(0, 5), step=0.1, within=0.4, unit="semitones")

# %%
padded_keys, padded_values = F.pad(keys, (0, 5)), F.pad(values, (0, 5))
shares = (2 * padded_keys).softmax(0)
print(f"answer {shares @ padded_values:.2f} instead of 4.70; share of the padding {shares[3:].sum():.2f}")

# %%
outcome("16.d", shares @ padded_values, because="Zeros are harmless in a sum, but a softmax gives a key of zero its "
        "share, and the value of zero pulls.")

# %% [markdown]
# A score of 0 is not "no". It is $e^0 = 1$, more than a key gets that does not fit. To say no, a score must be $-\infty$, because $e^{-\infty} = 0$.
# Which keys are real is told by a [key-padding mask](glossary.md#key-padding-mask), one boolean a key.
#
# ### Exercise 16.2 · find the bug: hide the padding (medium, 8 minutes)
# A colleague sets the scores of padded keys to 0. Write it right: shares over the valid keys alone, exactly zero elsewhere.


# %%
def colleagues_shares(scores, valid):
    return scores.masked_fill(~valid[:, None], 0.0).softmax(-1)


# %%
@exercise("16.2")
def masked_shares(scores, valid):
    """scores (b,l_q,l_k), valid (b,l_k) bool -> shares (b,l_q,l_k)."""
    # SOLUTION
    return scores.masked_fill(~valid[:, None], float("-inf")).softmax(-1)
    # END SOLUTION


# %%
check("16.2", masked_shares)

# %% [markdown]
# What does the leak do to a clip? Its result depends on how much padding stands behind it, and that depends on the *longest clip in its batch*. We take 10
# random steps that ask themselves, alone and with more and more padding.

# %%
from mgmr_lib.models.encoder_layer import Attention

torch.manual_seed(0)
layer = Attention(16, heads=4)
clip = torch.randn(1, 10, 16)
extra = [0, 1, 2, 5, 10, 20, 40, 80]


@torch.no_grad()
def change(masked):
    """Relative change of the clip's own 10 outputs with 0, 1, 2, ... 80 steps of zeros behind it."""
    outputs = []
    for n in extra:
        valid = torch.arange(10 + n)[None] < (10 if masked else 10 + n)
        outputs.append(layer(F.pad(clip, (0, 0, 0, n)), valid)[:, :10])
    return [((y - outputs[0]).norm() / outputs[0].norm()).item() for y in outputs]


leaks = {"no mask": change(False), "key-padding mask": change(True)}
assert leaks["key-padding mask"][-1] < 1e-6 and leaks["no mask"][-1] > 0.3

# %%
fig, ax = plt.subplots()
for (name, values_), style in zip(leaks.items(), ("s-", "o-"), strict=True):
    ax.plot(extra, values_, style, label=name)
ax.set(title="Without a mask the company of longer clips changes a clip",
       xlabel="steps of padding behind 10 valid ones", ylabel="relative change of the outputs")
ax.legend()
show(fig, "Change of a clip's own outputs over the padding behind it. Without a mask it grows with "
     "every step of padding; with a mask it stays at zero.")

# %% [markdown]
# > **Card: paper and code differ.** The paper does not speak of padding [@mfmb2025]; its published code has no padding mask. All clips there are padded to
# > the file's longest, 50, 375 and 500 steps, so a clip's result does not change with its batch, but with the rectangle. Our library masks in both
# > readings. Section 7 measures what it changes.

# %% [markdown]
# ## 3 What attention knows of order
# **Predict, then run:** we shuffle the ten steps and ask again. What happens to the outputs?

# %%
shuffles = ["each step's output stays in its old place", "the outputs are shuffled in the same way",
            "all outputs become others"]
predict("16.e", "What happens to the outputs when the steps are shuffled?", shuffles)

# %%
order = torch.randperm(10, generator=torch.Generator().manual_seed(1))
valid = torch.ones(1, 10, dtype=torch.bool)
with torch.no_grad():
    plain, shuffled = layer(clip, valid), layer(clip[:, order], valid)
print("outputs of the shuffled clip = outputs of the clip:", torch.allclose(shuffled, plain, atol=1e-6))
print("outputs of the shuffled clip = shuffled outputs of the clip:",
      torch.allclose(shuffled, plain[:, order], atol=1e-6))

# %%
same = [torch.allclose(shuffled, y, atol=1e-6) for y in (plain, plain[:, order])]
outcome("16.e", shuffles[0 if same[0] else 1 if same[1] else 2],
        because="A score compares two contents and holds no time, so no step notices who stands where.")

# %% [markdown]
# They are shuffled in the same way, nothing else. "Not good, bad" and "not bad, good" are one
# bag of words. A recurrence knows order by its nature; attention has to be told. So we add a [position code](glossary.md#position-code) to every step: sines
# and cosines of the time $t$, quick ones and slow ones [@vaswani2017].

# %% [markdown]
# $$p_{t,i} = \sin(t\,\omega_i), \quad p_{t,\,h+i} = \cos(t\,\omega_i), \qquad \omega_i = 10000^{-i/h}$$
#
# | symbol | what | shape |
# |---|---|---|
# | $p$ | position codes, added to the sequence | $(l, d)$ |
# | $h$ | half of the channels, $d/2$ ($d$ even) | |
# | $\omega_i$ | angle per step, for $i = 0 \dots h-1$ | $(h)$ |

# %% [markdown]
# ### Exercise 16.3 · position codes (easy, 6 minutes)
# All sines first, then all cosines; the first step is $t = 0$.


# %%
@exercise("16.3")
def position_codes(length, d):
    """-> (length,d), d even."""
    # SOLUTION
    half = d // 2
    speed = 10000.0 ** (-torch.arange(half) / half)
    angle = torch.arange(length)[:, None] * speed
    return torch.cat([angle.sin(), angle.cos()], dim=1)
    # END SOLUTION


# %%
check("16.3", position_codes)

# %%
from mgmr_lib.models.baselines.attention import positions

codes = position_codes(60, 32)
assert torch.allclose(codes, positions(60, 32, torch.zeros(1)), atol=1e-5)
with torch.no_grad():
    told = layer(clip + position_codes(10, 16), valid)
    told_shuffled = layer(clip[:, order] + position_codes(10, 16), valid)
assert not torch.allclose(told_shuffled, told[:, order], atol=1e-2)

# %%
fig = plt.figure(figsize=(8.0, 3.0))
figures_ch16.codes(fig, codes)
show(fig, "Left: position codes, time to the right, channels downwards; quick waves above, slow ones "
     "below in each half. Right: the product of two codes is largest at the same time and falls off in waves.")

# %% [markdown]
# Does it matter? A sequence of noise holds one A and one B; say which came first. The model is one attention layer and a mean over time.
#
# **Predict, then run:** how often is it right without position codes?

# %%
predict("16.f", "How often is attention right without position codes?",
        {"half of the time": 0.5, "about three times in four": 0.75, "nearly always": 1})

# %%
from mgmr_lib.models.encoder_layer import Mixing
from mgmr_lib.chapters.ch16_hybrid_attention.toys import Asker, LookupTask, OrderTask, Reader, mean_tone, train_signs
from mgmr_lib.chapters.shared.fit import seeded

attention, twin = Mixing("transformer", heads=4), Mixing("mamba", d_state=4, expand=1)
order_task = OrderTask()
makers = {"attention": lambda: Reader(3, attention, False), "attention + codes": lambda: Reader(3, attention, True),
          "scan": lambda: Reader(3, twin, False)}
in_order = {name: train_signs(seeded(0, make), order_task) for name, make in makers.items()}

# %%
assert in_order["attention"] < 0.6 and min(in_order["attention + codes"], in_order["scan"]) > 0.9
outcome("16.f", in_order["attention"], because="A mean over time of answers that know no time is the same for both "
        "orders, whatever the weights.")

# %% [markdown]
# Is the layer without codes just too weak? As a control, a question that needs no order: two As, or an A and a B?

# %% tags=["control"]
counting = train_signs(seeded(0, makers["attention"]), OrderTask(kind="count"))
assert counting > 0.95
say("Which came first: attention without codes guesses, as it must: the mean over time cannot change "
    f"when the steps are shuffled. With codes it is right in more than {0.9:.0%}, and so is a scan without "
    f"any codes. Counting, the control, attention does without codes, in more than {0.95:.0%}.")

# %% [markdown]
# ## 4 Asking another modality
# Nothing in the formula wants $l_q = l_k$. Words may ask the voice's frames: the crossmodal attention of notebook 11, which this paper calls cross-attention. No
# common clock, no pooling, each modality at its own length. MGMR-Net, by contrast, averages voice and face onto the tokens' clock first.

# %% [markdown]
# A test: four words, each with a tag, and a voice of up to 16 frames in random order, each with a tag and a tone, high or low. Each word needs the
# tone *of the frame with its tag*. Without asking we could answer with the clip's mean tone.
#
# **Predict, then run:** how often is the mean tone right? And a layer of cross-attention?

# %%
predict("16.g", "How often is the mean tone right?",
        {"half of the time": 0.5, "in six of ten": 0.6, "in three of four": 0.75, "in nine of ten": 0.9})

# %% tags=["signature"]
lookup = LookupTask(frames=16)
asking = seeded(0, lambda: Asker(lookup.tags, lookup.tags + 1, attention))
found = {"mean tone": mean_tone(lookup), "attention": train_signs(asking, lookup)}
strangers = LookupTask(frames=16, kind="strangers")
found["strangers"] = train_signs(seeded(0, lambda: Asker(32, 33, attention)), strangers)
say(f"The mean tone is right in {found['mean tone']:.0%}; cross-attention in more than {0.95:.0%}. With the "
    "tones of another clip, where there is nothing to find, it guesses.")

# %%
assert found["mean tone"] < 0.7 < 0.95 < found["attention"] and found["strangers"] < 0.6
outcome("16.g", found["mean tone"], because="The frame that is asked for is one of those in the mean, so the mean "
        "leans a little to its side.")

# %% [markdown]
# Where did it look? We compute the shares by hand, head by head. From here on, `ask` is our multi-head attention.

# %%
def ask(m, x, z, valid):
    """m: weights; x (b,l_q,d) asks z (b,l_k,d), valid (b,l_k) -> answers (b,l_q,d), shares (b,heads,l_q,l_k)."""
    Q, (K, V) = m.query(x), m.key_value(z).chunk(2, dim=-1)
    answers, shares = [], []
    for q, k, v in zip(*(t.chunk(m.heads, dim=-1) for t in (Q, K, V)), strict=True):
        share = masked_shares(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, valid)
        answers.append(share @ v)
        shares.append(share)
    return m.out(torch.cat(answers, dim=-1)), torch.stack(shares, dim=1)


# %%
drawn = lookup.draw(200, torch.Generator().manual_seed(9))
with torch.no_grad():
    x, z = asking.x(drawn.x), asking.memory(drawn.memory)
    by_hand, shares = ask(asking.mix, x, z, drawn.memory_valid)
    library = asking.mix(x, drawn.valid, z, drawn.memory_valid)
assert torch.allclose(by_hand, library, atol=1e-5)
right = shares.amax(1).argmax(-1) == drawn.answers
assert right.float().mean() > 0.95
print("ask = the library's Attention; it looks at the right frame in over 95 %:", bool(right.float().mean() > 0.95))

# %%
fig = plt.figure(figsize=(8.0, 3.0))
figures_ch16.lookups(fig, shares[:3], drawn.memory_valid[:3], drawn.answers[:3])
show(fig, "Shares of three clips' words (downwards) over the frames of their voices (to the right), the "
     "sharpest head of each word; circles mark the frames with the words' tags. The bright cells lie in the "
     "circles; padded frames are white.")

# %% [markdown]
# ## 5 What it costs, and the twin
# Every query meets every key: $l_q\,l_k$ scores. A scan of notebook 04 visits each step once. We count both for hybrid attention: three self-attentions
# and six cross-attentions, against scans over the same sequences (a cross-scan reads the memory, then the asking sequence).
#
# **Predict, then run:** by how much do both grow when every clip is twice as long?

# %%
growths = ["both twice", "attention four times, scans twice", "both four times", "attention eight times, scans twice"]
predict("16.h", "By how much do both grow?", growths)

# %%
def counts(l_t, l_a, l_v):
    """Scores of nine attentions; steps that nine scans in one direction visit."""
    lengths = {"text": l_t, "audio": l_a, "vision": l_v}
    pairs = [(m, o) for m in lengths for o in lengths]
    scores = sum(lengths[m] * lengths[o] for m, o in pairs)
    steps = sum(lengths[m] + (lengths[o] if m != o else 0) for m, o in pairs)
    return scores, steps


typical, twice = counts(26, 95, 127), counts(52, 190, 254)
print("typical clip:", typical, " twice as long:", twice)
print("grows by:", [b / a for a, b in zip(typical, twice, strict=True)])

# %%
ratios = tuple(b // a for a, b in zip(typical, twice, strict=True))
outcome("16.h", growths[[(2, 2), (4, 2), (4, 4), (8, 2)].index(ratios)],
        because="Attention counts pairs, and in a pair both partners come from twice as many steps.")

# %% [markdown]
# Four times against twice, *between* steps. Linear layers, feed-forward layers among them, grow twice in both, and a step of a scan is dearer than a score: whole networks cross later than this count says, and
# notebook 19 measures where. Hence the library's *twin*, `encoder="mamba"`:
# a Bi-Mamba replaces self-attention. For cross-attention it scans `[memory; x]`, in both directions, so that each step of $x$ comes after the whole
# memory.

# %% [markdown]
# Is that a replacement? It knows order without codes, as we saw. But what it hears of the memory must pass through a state of fixed size.
#
# **Predict, then run:** the lookup with cross-scans, on voices of up to 4 and up to 16 frames. Better than the mean tone?

# %%
which = ["for both lengths", "for short voices only", "for long voices only", "for neither"]
predict("16.i", "For which voices is the cross-scan better than the mean tone?", which)

# %%
rows = {}
for frames in (4, 16):
    task = LookupTask(frames)
    askers = {"scan": seeded(0, lambda task=task: Asker(task.tags, task.tags + 1, twin))}
    rows[frames] = {"mean tone": mean_tone(task), "scan": train_signs(askers["scan"], task)}
rows[16]["attention"] = found["attention"]

# %%
fig, ax = plt.subplots()
figures_ch16.strengths(ax, in_order, rows)
ax.set(title="200 steps: attention needs codes for order, the scan finds no tags yet",
       ylabel="right answers (share)")
show(fig, "Share of right answers. Which came first: attention without codes at one half, with codes and "
     "scan near one. Lookup by tag: the scan is as good as the mean tone, for short voices and long ones; "
     "attention is near one.")

# %%
assert all(r["scan"] - r["mean tone"] > -0.1 for r in rows.values())
short, long = (rows[frames]["scan"] - rows[frames]["mean tone"] > 0.1 for frames in (4, 16))
outcome("16.i", which[3 - 2 * short - long] if short != long else which[0 if short else 3],
        because="The frame that is asked for is in the state with all others, and 200 steps do not teach this scan to "
        "find it.")

# %% [markdown]
# Is it the scan, or is the training short? The same scan on the short voices once more, with five times the steps:

# %%
longer = train_signs(seeded(0, lambda: Asker(32, 33, twin)), LookupTask(4), steps=1000)
assert longer > rows[4]["mean tone"] + 0.1
say(f"After 1000 steps the scan is right in **{longer:.0%}**, where the mean tone has {rows[4]['mean tone']:.0%}: "
    "it was the training.")

# %% [markdown]
# So a cross-scan can look up, but it learns to more slowly than attention. (For voices of up to 16 frames it is ahead of the mean tone after 2000 steps; the course's tests run them.) That
# says what to watch when notebook 19 compares the twins on clips: what must be found by *content*, what by *order*, and how long both were trained.

# %% [markdown]
# ## 6 Hybrid parallel attention
# MFMB-Net [@mfmb2025] makes all modalities equally wide, and lets them ask (its equations 1 and 2):
#
# $$h_m = W_m X'_m + b_m \qquad H_m = \mathrm{HPA}(h_m, h_m, h_m), \quad m \in \{t, v, a\}$$
#
# | symbol | what | shape |
# |---|---|---|
# | $X'_m$ | a modality with missing steps | $(b, l_m, d_m)$ |
# | $h_m$, $H_m$ | projected; aligned | $(b, l_m, d)$ |

# %% [markdown]
# > **Card: the paper is unclear.** HPA has no equation of its own. As printed, its three arguments are all of one modality, as in equation 3 (query, key and value of a self-attention): the other two
# > do not stand in it. The sentence says "first uses self-attention ... and then uses cross-attention"; the name says "hybrid *parallel*
# > attention" [@mfmb2025]. We follow the sentence: self-attention in each modality; then each asks what the other two *have become*. The name fits the published code better (section 7).

# %% [markdown]
# > **Card: our choice.** Neither equation 2 nor the text around it names what we put into the layer: the position codes added to $h_m$, the layer norm before each step and the residual around it, the *mean* of
# > both answers, the feed-forward layer at the end, one layer. The codes are sines and cosines, as in the published code, which adds them anew in each encoder of this layer.

# %% [markdown]
# ### Exercise 16.4 · first itself, then the others (medium, 8 minutes)
# `within[m](x)` is self-attention, `across[m, o](x, z)` lets modality `m` ask `o`. Norms and feed-forward come later. All three modalities ask at the same time.


# %%
@exercise("16.4")
def hybrid(h, within, across):
    """h {modality: (b,l_m,d)} -> the same."""
    # SOLUTION
    h = {m: x + within[m](x) for m, x in h.items()}
    mixed = {}
    for m, x in h.items():
        answers = [across[m, o](x, h[o]) for o in h if o != m]
        mixed[m] = x + (answers[0] + answers[1]) / 2
    return mixed
    # END SOLUTION


# %%
check("16.4", hybrid)

# %% [markdown]
# Now all of it on a real clip at native lengths (voice and face simulated): our `hybrid` and our `ask`, with the weights of the library's class.

# %%
from dataclasses import replace

from mgmr_lib.data.load import load_corpus
from mgmr_lib.data.batch import mask_split
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.models.mfmb.network import MFMBNet
from mgmr_lib.training.config import make_config
from mgmr_lib.training.setup import prepare

corpus = load_corpus("classroom-mosi")
setup = prepare(make_config("mfmb", "fast", pool_audio=1, pool_vision=1, max_clips=64), corpus)
some = corpus["test"].select([7, 0, 4])
batch = mask_split(some, draw_masks(some, 0.3, 1), setup.encoder).batch([0, 1, 2])
net = setup.model.eval()
sequences = net.inputs(batch)


# %%
def by_hand(m, sequences):
    """m: the library's weights; {modality: Sequence} -> {modality: (b,l_m,d)}."""
    valid = {k: s.valid for k, s in sequences.items()}
    h = {k: m.project[k](s.x) for k, s in sequences.items()}
    h = {k: x + positions(x.shape[1], x.shape[2], x) for k, x in h.items()}

    def itself(k):
        return lambda x: ask(m.within[k], m.norm_within[k](x), m.norm_within[k](x), valid[k])[0]

    def other(k, o):
        names = m.across[f"{k}_asks_{o}"], m.norm_across[k], m.norm_across[o]
        return lambda x, z: ask(names[0], names[1](x), names[2](z), valid[o])[0]

    h = hybrid(h, {k: itself(k) for k in h}, {(k, o): other(k, o) for k in h for o in h if o != k})
    h = {k: x + m.feed_forward[k](m.norm_between[k](x)) for k, x in h.items()}
    return {k: x * valid[k][..., None] for k, x in h.items()}


# %%
with torch.no_grad():
    ours, theirs = by_hand(net.align, sequences), net.align(sequences)
for m, x in ours.items():
    assert (x - theirs[m]).abs().max() < 1e-6 * theirs[m].abs().max().clamp(min=2)
    print(f"{m:6} by hand = the library's HybridAttention, {tuple(x.shape)}")

# %% [markdown]
# > **Card: the paper is unclear.** Before equation 1 it says that the layer "incorporates non-linearity" [@mfmb2025]; the equation is linear. We follow the
# > equation.
#
# **Predict, then run:** is anything lost? Which of $h_m$ and $H_m$ obeys superposition (notebook 07)?

# %%
obeys = ["neither", "the projected h only", "the aligned H only", "both"]
predict("16.j", "Which of the two obeys superposition?", obeys)

# %%
def superposition_gap(f, x, y):
    """Relative size of f(x + y) - f(x) - f(y) + f(0)."""
    zero = torch.zeros_like(x)
    gap = f(x + y) - f(x) - f(y) + f(zero)
    return (gap.norm() / f(x + y).norm()).item()


def aligned(x):
    """The voice's sequence replaced by x, the words' aligned sequence out."""
    return net.align(sequences | {"audio": replace(sequences["audio"], x=x)})["text"]


# %%
g = torch.Generator().manual_seed(4)
x, y = (torch.randn(sequences["audio"].x.shape, generator=g) for _ in range(2))
with torch.no_grad():
    linear, whole = superposition_gap(net.align.project["audio"], x, y), superposition_gap(aligned, x, y)
print("h_m is linear:", linear < 1e-5, "  H_m is linear:", whole < 1e-3)

# %%
assert not any(1e-5 < gap < 1e-3 for gap in (linear, whole))
outcome("16.j", obeys[(linear < 1e-5) + 2 * (whole < 1e-5)],
        because="A linear layer does not make what follows linear: bends behind it are bends of the whole.")

# %% [markdown]
# Softmax, norms and feed-forward layers are nonlinear anyway; the network as a whole loses no power in kind.

# %% [markdown]
# ## 7 What the published code does instead
# > **Card: paper and code differ.** Its three encoders stand *in parallel*: self-attention and both cross-attentions read the same $h_m$, each 30 wide, and are put
# > side by side to 90. They have 3 layers each, 6 heads, and a causal mask. So no modality ever asks what another one has *become*. `reading="code"` builds this,
# > with a padding mask.

# %% [markdown]
# We measure on our clip: which words move which aligned words? And what would happen without the padding mask, in the file's full rectangle? This is its sentence:

# %%
say(f"> {some.raw_text[0]}")

# %% [markdown]
# **Predict, then run:** may a word's vector hear the word *after* it in this layer, in the paper's reading and in the code's?

# %%
readings = ["in neither", "in the paper's only", "in the code's only", "in both"]
predict("16.k", "In which reading may a word's vector hear the word after it in this layer?", readings)

# %%
torch.manual_seed(0)
code = MFMBNet(make_config("mfmb", "fast", reading="code").network, net.inputs).eval()


def influence(align, asked):
    """|d aligned word / d step of the asked modality|, (l_t, l_asked), first clip of the batch, valid steps."""
    x = sequences[asked].x.clone().requires_grad_()
    words = align(sequences | {asked: replace(sequences[asked], x=x)})["text"][0]
    words = words[sequences["text"].valid[0]]
    rows = [torch.autograd.grad(w.norm(), x, retain_graph=True)[0][0].norm(dim=-1) for w in words]
    return torch.stack(rows)[:, sequences[asked].valid[0]]


maps = {(reading, asked): influence(align, asked) for reading, align in (("paper", net.align), ("code", code.align))
        for asked in ("text", "audio")}

# %%
fig = plt.figure(figsize=(8.0, 4.6))
figures_ch16.readings(fig, maps)
show(fig, "Influence of words (left) and voice frames (right) on aligned words (downwards), above in the "
     "paper's reading, below in the code's. Only the words in the code's reading form a triangle: in this layer "
     "no word's vector hears later ones. The voice is heard whole in both.")

# %%
assert maps["code", "text"].tril().max() > 0 and maps["code", "audio"].min() > 0
length = len(maps["paper", "text"])
later = [bool(maps[c, "text"][torch.ones(length, length).triu(1) > 0].min() > 0) for c in ("paper", "code")]
assert later[1] or maps["code", "text"].triu(1).max() == 0
outcome("16.k", readings[later[0] + 2 * later[1]], because="The causal mask shuts off later vectors. Later words "
        "are heard only as far as the text encoder, which reads both ways, mixed them in before.")

# %% [markdown]
# Across modalities the causal mask is moved by an offset, the difference of the longest lengths: step $i$ hears steps
# up to $i$ + offset. That is 325 for words and voice, and 125 for voice and face.
#
# **Predict, then run:** in how many of the test clips does it hide anything from the *first* step that asks?

# %%
predict("16.l", "In how many clips does a voice's first frame miss a part of the face?",
        {"in none": 0, "in one of ten": 0.1, "in half of them": 0.5, "in all": 1})

# %%
audio, vision = corpus["test"].audio.lengths, corpus["test"].vision.lengths
print("words asking a voice:", int((audio > 375 - 50 + 1).sum()), "of", len(audio))
print("words asking a face: ", int((vision > 500 - 50 + 1).sum()))
print("a voice asking a face:", int((vision > 500 - 375 + 1).sum()))
print("a face asking a voice:", int((audio > 500 - 375 + 1).sum()))

# %%
outcome("16.l", (vision > 500 - 375 + 1).mean(), because="The offset is made from the longest voice and the longest "
        "face, and knows nothing of this clip's face.")

# %% [markdown]
# Words hear voice and face whole, and both hear all words. But a voice's first frame misses the end of every face of more than 126 frames, and a face's first frame the end of every such voice. Now the padding mask. We put our clips into the file's rectangle of 50, 375 and 500 steps, once with the mask, once with all padding declared valid.

# %%
def widen(s, steps, masked):
    """A Sequence with padding up to `steps`; without a mask everything counts as valid."""
    more = steps - s.x.shape[1]
    valid = F.pad(s.valid, (0, more)) if masked else s.valid.new_ones(len(s.x), steps)
    return replace(s, x=F.pad(s.x, (0, 0, 0, more)), target=F.pad(s.target, (0, 0, 0, more)), valid=valid,
                   keep=F.pad(s.keep, (0, more)))


longest = {"text": 50, "audio": 375, "vision": 500}
with torch.no_grad():
    plain = code.align(sequences)["text"][:1, : sequences["text"].valid[0].sum()]
    moved = {}
    for masked in (True, False):
        wide = code.align({m: widen(s, longest[m], masked) for m, s in sequences.items()})
        moved[masked] = wide["text"][:1, : plain.shape[1]]
moved = {masked: ((y - plain).norm() / plain.norm()).item() for masked, y in moved.items()}
assert moved[True] < 1e-5 and moved[False] > 0.01
say(f"With the mask the rectangle does not matter. Without it, the {plain.shape[1]} words of our first clip move by "
    f"more than {0.01:.0%} of their size, in an untrained network: they ask hundreds of frames that never were.")

# %%
wide = {c: MFMBNet(make_config("mfmb", "full", reading=c).network, net.inputs).align for c in ("paper", "code")}
print("weights of the alignment at full size:", {c: sum(p.numel() for p in a.parameters()) for c, a in wide.items()})

# %% [markdown]
# ## 8 Missing is not padded
# Last: what does attention do with *missing* steps? They are part of the clip, so they stay valid: voice and face as zeros, a lost word as the encoder's answer to [UNK], then projected and coded.
#
# **Predict, then run:** 70 % of the voice is lost. Which share of the words' attention goes to lost frames?

# %%
predict("16.m", "Which share of the words' attention goes to lost frames?",
        {"none": 0, "about a third": 0.33, "about as much as is lost": 0.7, "nearly all": 1})

# %%
@torch.no_grad()
def share_of_lost(rate):
    """Mean share that the words of a clip give to missing frames of the voice."""
    seen = net.inputs(mask_split(some, draw_masks(some, rate, 1), setup.encoder).batch([0, 1, 2]))
    h = {k: net.align.encode(k, s) for k, s in seen.items()}
    x = {k: v + net.align.within[k](net.align.norm_within[k](v), seen[k].valid) for k, v in h.items()}
    n = {k: net.align.norm_across[k](v) for k, v in x.items()}
    shares = ask(net.align.across["text_asks_audio"], n["text"], n["audio"], seen["audio"].valid)[1].mean(1)
    to_lost = (shares * seen["audio"].missing[:, None]).sum(-1)
    return to_lost[seen["text"].valid].mean().item()


lost = {rate: share_of_lost(rate) for rate in (0.0, 0.3, 0.7, 1.0)}
print("rate -> share given to lost frames:", {r: round(v, 1) for r, v in lost.items()})

# %%
assert all(abs(v - rate) < 0.15 for rate, v in lost.items())
outcome("16.m", lost[0.7], because="Lost is not hidden: to untrained attention a step of zeros is like any other.")

# %% [markdown]
# About its rate. Training could teach it to look away, since zeros hardly occur otherwise; we have not measured whether it does. Whether to hide
# missing steps too, as if they were padding, is a choice; the paper does not hide them, and at rate 1 nothing would be left to ask.

# %% [markdown]
# ## 9 Limits
# Attention maps show where shares go, not what a network concludes; on our clips they are maps of untrained weights. The toys ask for one thing each, and one layer
# with one short training is a weak witness about scans. What the differences of section 7 cost in accuracy takes whole trainings, and comes in notebooks 19 and 22.

# %% [markdown]
# ## 10 Summary
# - Attention mixes values by how well keys fit a query; a query of zero gives the mean.
# - A score of zero is not a no: without a mask, padding is asked too.
# - Order is invisible to it without position codes; a scan has it for free.
# - Cross-attention works at unequal lengths; it costs $l_q\,l_k$.
# - MFMB-Net: first within, then across, as we read it, with codes, norms and residuals of our own; in the code side by side, with a causal mask.

# %%
progress("16")
