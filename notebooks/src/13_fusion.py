# ---
# jupyter:
#   mgmr:
#     title: "Fusion: one line, one scan, one maximum"
#     claim: "Interleaving puts what happens at one moment side by side, so a causal Mamba block finds it in a short training; turning the order within the moment round did no harm, and the maximum must not see padding."
#     goals:
#       - build stage 2 from the paper's equations, equal to the library's class
#       - say what each order of tokens hides from a causal scan, and show it on a task
#       - pool over valid steps only, and prove that nothing else reaches a prediction
#       - compare the scan with a whole Transformer layer in weights, multiplications and what it learns
#     minutes: 60
#     budget_s: 75
#     device: cpu
#     requires: ["12"]
#     introduces: [stage 2, interleaving, masked maximum]
# ---
# %% [markdown]
# ## At the same moment?
# A raised voice *on* the word "great" means something else than a raised voice somewhere in the sentence. In our toy clips each modality has
# three events in eight steps. The question: is there a step at which voice and words have an event at once?

# %%
import torch
from matplotlib import pyplot as plt

from mgmr_lib.course import check, exercise, explore, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.chapters.ch13_fusion import figures as figures_ch13
from mgmr_lib.chapters.ch13_fusion.toys import ArrangedFusion, MomentTask, fit_moments, moment_model

use_style()
small = {"d_state": 4, "expand": 2}
task = MomentTask()
clips, answers = task.draw(1000, torch.Generator().manual_seed(0))
fig = plt.figure(figsize=(8.0, 2.4))
figures_ch13.events(fig, clips, answers)
show(fig, "Events of two clips, a row a modality. In the left one voice and words meet at one step, in the right "
     "one at none; each row alone has three events in both.")

# %% [markdown]
# No single modality knows the answer: each has three events, wherever they are.
#
# **Predict, then run:** a model embeds each modality, takes the largest value of each channel over all steps and modalities, and reads that. No scan.
# How often is it right? (Guessing: one half.)

# %%
predict("13.a", "How often is the maximum over everything right?",
        {"half of the time, it guesses": 0.5, "about three times in four": 0.75, "nearly always": 1})

# %% tags=["baseline"]
scores = {"no scan": [fit_moments(moment_model(lambda: ArrangedFusion(24, 0), s), task, s) for s in (0, 1)]}
print("below 65 % on both seeds:", max(scores["no scan"]) < 0.65)

# %%
assert max(scores["no scan"]) < 0.65
outcome("13.a", sum(scores["no scan"]) / 2,
        because="Every event reaches the maximum, but the maximum forgets when it was.")

# %% [markdown]
# What is missing is a place where voice and words of one step meet. In MGMR-Net that place is [stage 2](glossary.md#stage-2): one line of all tokens, Mamba layers over it, one maximum [@mgmr2025]. (Or it is stage 1,
# if that exchanges; we come to this.)

# %% [markdown]
# ## 1 One line
# After stage 1 all modalities share a clock. [Interleaving](glossary.md#interleaving) puts the three tokens of a step side by side:
#
# $$X_{mm} = [C_a^1;\, C_v^1;\, C_t^1;\, C_a^2;\, C_v^2;\, C_t^2;\, \dots;\, C_a^T;\, C_v^T;\, C_t^T]$$
#
# | symbol | what | shape |
# |---|---|---|
# | $C_a$, $C_v$, $C_t$ | aligned audio, vision, text | $(b, l, d)$ each, $l = T$ |
# | $X_{mm}$ | the interleaved line | $(b, 3l, d)$ |

# %% [markdown]
# ### Exercise 13.1 · interleave (easy, 5 minutes)
# Write it without a loop. Mind the order.


# %%
@exercise("13.1")
def interleave(audio, vision, text):
    """Three (b,l,d) -> (b,3l,d): a1 v1 t1 a2 v2 t2 ..."""
    # SOLUTION
    b, l, d = text.shape
    return torch.stack([audio, vision, text], dim=2).reshape(b, 3 * l, d)
    # END SOLUTION


# %%
check("13.1", interleave)

# %%
from mgmr_lib.models.mgmr.fusion import interleave as library_interleave

g = torch.Generator().manual_seed(1)
x = dict(zip(("audio", "vision", "text"), torch.randn(3, 4, 9, 16, generator=g), strict=True))
assert torch.equal(interleave(**x), library_interleave(x))
steps = {m: torch.full((1, 3, 1), 10.0 * k) + torch.arange(1, 4)[:, None] for k, m in enumerate(x, start=1)}
print(interleave(**steps).flatten().tolist())

# %% [markdown]
# > **Card: the paper is unclear.** It interleaves sequences of equal length $T$, but gets them from unaligned clips; notebook 12 brought voice and
# > face onto each clip's own tokens. Why audio comes first and text last it does not say. It reads the line ahead only,
# > "to preserve temporal causality", by a "time-priority selective scanning mechanism", of which the order of the line is all that it prints [@mgmr2025]. We keep that order, and measure what it does.

# %% [markdown]
# ## 2 What a causal scan hears
# A scan reads the line once, ahead. A token hears what stands before it, never what comes later.
#
# **Predict, then run:** within one step, who hears whom if the order is audio, vision, text? And with text first?

# %%
ends = ["the last of a step, in both orders", "the first of a step, in both orders", "the text, in both orders",
        "all three, in both orders"]
predict("13.b", "Who hears all three tokens of a step?", ends)

# %%
from mgmr_lib.ssm import MambaLayer

torch.manual_seed(0)
layer = MambaLayer(16, **small)


def hearing(order):
    """{listener: the speakers on whose token its output depends}, for one step of six."""
    heard = {}
    line = torch.randn(1, 18, 16, generator=torch.Generator().manual_seed(2), requires_grad=True)
    out = layer(line)[0].unflatten(0, (6, 3))
    for i, listener in enumerate(order):
        moved = torch.autograd.grad(out[3, i].sum(), line, retain_graph=True)[0].unflatten(1, (6, 3))[0, 3]
        heard[listener] = [speaker for speaker, m in zip(order, moved.norm(dim=-1), strict=True) if m > 0]
    return heard


orders = [("audio", "vision", "text"), ("text", "vision", "audio")]
for order in orders:
    print(" - ".join(order))
    for listener, speakers in hearing(order).items():
        print(f"  {listener:6} hears {', '.join(speakers)}")

# %%
places = [{i for i, speakers in enumerate(hearing(order).values()) if len(speakers) == 3} for order in orders]
outcome("13.b", ends[[[{2}, {2}], [{0}, {0}], [{2}, {0}], [{0, 1, 2}] * 2].index(places)],
        because="What a token hears hangs on its place in the line alone, not on which modality it is.")

# %% [markdown]
# In the paper's order the words come last, and hear the whole moment: that would fit a "text-centric" network, though the paper gives no reason. But the maximum reads *all* tokens, and
# in every order some token comes last. So which order within a step is best may not matter at all. Distance might.

# %% [markdown]
# ### Exercise 13.2 · how far back? (medium, 8 minutes)
# A token of `listener` at some step: how many places *before* it stands the token of `speaker` of the same step? Negative if it stands behind. Two
# layouts: `"interleaved"` as above, and `"concatenated"`, all steps of the first modality in `order`, then all of the second, then of the third.


# %%
@exercise("13.2")
def places_back(layout, order, length, listener, speaker):
    """layout: a name; order: tuple of three names; length: steps of each -> an integer."""
    # SOLUTION
    apart = order.index(listener) - order.index(speaker)
    return apart if layout == "interleaved" else apart * length
    # END SOLUTION


# %%
check("13.2", places_back)

# %%
order = ("audio", "vision", "text")
for layout in ("interleaved", "concatenated"):
    back = [places_back(layout, order, length, "text", "audio") for length in (8, 50)]
    print(f"{layout:13} the word's voice is {back[0]} places back with 8 steps, {back[1]} with 50")

# %% [markdown]
# Two places back lies within reach of a block's short convolution, four taps long (Mamba's; the paper's printed layer has none). A hundred places back, the state must have kept *which* step
# each event belonged to.
#
# **Predict, then run:** the same model, weights and training; only the order of the line differs. Which layouts learn whether voice and words meet:
# interleaved; concatenated; one fixed random order?

# %%
predict("13.c", "Which orders of the line learn whether voice and words meet?",
        ["all three", "interleaved and concatenated", "interleaved", "interleaved and shuffled"])

# %%
def accuracies(make, task, seeds):
    """Share of right answers on fresh clips, one number a seed."""
    return [fit_moments(moment_model(make, s), task, s) for s in seeds]


for layout, seeds in (("interleaved", (0, 1, 2)), ("concatenated", (0, 1, 2)), ("shuffled", (0, 1))):
    scores[layout] = accuracies(lambda layout=layout: ArrangedFusion(24, 1, layout, **small), task, seeds)

# %% tags=["signature"]
from mgmr_lib.evaluation.statistics import t_interval

gain = [a - b for a, b in zip(scores["interleaved"], scores["concatenated"], strict=True)]
say("Interleaved is right more than 90 % of the time on each of three seeds, concatenated guesses. Over seeds, the "
    f"{0.95:.0%} interval of the difference lies above 0.2 altogether.")

# %%
assert t_interval(gain)["low"] > 0.2 and min(scores["interleaved"]) > 0.9 and max(scores["concatenated"]) < 0.65
learned = [layout for layout in ("interleaved", "concatenated", "shuffled") if min(scores[layout]) > 0.9]
outcome("13.c", "all three" if len(learned) == 3 else " and ".join(learned),
        because="That everything stands somewhere on the line is not enough for a short training to find it.")

# %% [markdown]
# Would a longer memory help? Take a scan that keeps a fixed share of its state at every token. The picture shows what it holds of
# each token when it has just read the word of the middle step.
#
# **Look for** the orange bar, the voice of that step; its share of all stands in each title. In JupyterLab, raise `kept`: does the
# voice ever stand out in the concatenated line as it does in the interleaved one? Then lengthen the clip with `steps`.

# %%
explore(figures_ch13.fading_memory, "What a memory with a fixed decay holds of each token, coloured for the step whose "
        "word it has just read, for three decays. Interleaved, voice, face and word are the newest three bars. "
        "Concatenated, a short memory has lost the voice, and a long one holds it among all that came since.",
        title="Concatenated, the voice is forgotten or one of many", size=(4.6, 2.2),
        kept=[0.5, 0.8, 0.9, 0.95, 0.99], layout=["interleaved", "concatenated"], steps=[4, 8, 16])

# %% [markdown]
# At none of these settings has the voice as large a share concatenated as interleaved. A selective scan need not treat all tokens alike: it could keep
# the voice and skip the rest, if it learned which to keep. Whether that is what ours failed to learn, the picture does not show.

# %% [markdown]
# And where the line is interleaved: is it the scan that finds the moment, or the four taps before it, which see two places back at once? We take them away (`d_conv=1`); then we put in the layer that the paper prints, which has none (in our residual and norm).

# %%
right, layers = {}, {"without the taps": {"d_conv": 1, **small}, "with the printed layer": {"layer": "simplified"}}
for name, options in layers.items():
    tried = accuracies(lambda options=options: ArrangedFusion(24, 1, **options), task, (0, 1, 2))
    right[name] = f"{sum(score > 0.9 for score in tried)} of {len(tried)} trainings"
    assert min(tried) < 0.65
with_taps = sum(score > 0.9 for score in scores["interleaved"])
say("The moment is found " + " and ".join(f"{name} in {many}" for name, many in right.items()) + ". "
    f"With the taps it was {with_taps} of {len(scores['interleaved'])}.")

# %% [markdown]
# So in this short training it is mostly the *convolution* that lets neighbours meet. Without it a state finds the moment less reliably: even trained four times as long, such layers do in some trainings and not in others. Where this notebook says that
# interleaving helps, it speaks of Mamba's block. Of the paper's equations, which have no taps (notebook 07), it does not show it.
#
# And the order *within* a step? The paper's is audio, vision, text. Here is the reverse.

# %%
backwards = ("text", "vision", "audio")
scores["interleaved, text first"] = accuracies(lambda: ArrangedFusion(24, 1, order=backwards, **small), task, (0, 1))
assert min(scores["interleaved, text first"]) > 0.9
say("Also above 90 %: whoever comes last in a step hears the others, and the maximum takes it from there.")

# %% [markdown]
# The control: a question for which no order is needed. Is one event of any modality twice as *loud* as the others? If concatenating lost here too,
# it would be a poor layout for reasons that have nothing to do with moments.

# %% tags=["control"]
loud = MomentTask("loud")
controls = {layout: accuracies(lambda layout=layout: ArrangedFusion(24, 1, layout, **small), loud, (0, 1))
            for layout in ("interleaved", "concatenated")}
assert min(min(v) for v in controls.values()) > 0.9
say("Both layouts hear the loud event, more than 90 % right: concatenating is not a poor layout as such, it separates "
    "what belongs to one moment.")

# %%
fig, ax = plt.subplots(figsize=(8.0, 3.4))
figures_ch13.scores(ax, scores, controls)
ax.set(title="Kept together on the line a moment is found; apart, not in this training")
show(fig, "Share of right answers, a dot a seed. On the question of moments only the two interleaved layouts are "
     "near one, the others nearer to one half; on loudness interleaved and concatenated are both near one.")

# %% [markdown]
# This is a toy in which moments are everything. It shows what each layout makes easy in a short training, not that a larger model could never learn
# it concatenated. (With four times the steps, ours still guessed.)

# %% [markdown]
# ## 3 One maximum
# Stage 2 runs $N$ layers over the line and takes the largest value of each channel over its $3T$ tokens:
#
# $$F^{(0)} = X_{mm},\quad F^{(n)} = \mathrm{Layer}^{(n)}(F^{(n-1)}),\qquad F_{final} = \max_{i = 1 \dots 3T} F^{(N)}_i$$
#
# | symbol | what | shape |
# |---|---|---|
# | $F^{(n)}$ | output of layer $n$ | $(b, 3l, d)$ |
# | $F_{final}$ | the clip in one vector | $(b, d)$ |

# %% [markdown]
# > **Card: the paper is unclear.** In a batch, the $3T$ tokens of a short clip are partly padding. As printed, the maximum sees them [@mgmr2025]. Ours
# > is a [masked maximum](glossary.md#masked-maximum), over valid tokens only.

# %% [markdown]
# > **Card: ours, not the paper's.** It prints $F^{(n)} = \mathrm{MambaLayer}^{(n)}(F^{(n-1)})$: no residual, no norm [@mgmr2025]. Published Mamba stacks have both, and
# > so have our layers, $x + \mathrm{block}(\mathrm{LN}(x))$. A sum of raw and processed tokens has no fixed scale, so we normalise once more before the maximum;
# > that is ours, too.

# %% [markdown]
# ### Exercise 13.3 · find the bug: zeros win (medium, 7 minutes)
# A colleague zeroes the padding and takes the maximum: "zeros do no harm". Look at what comes out for a clip whose values are all below 0, then
# write it right. The mask knows *steps*, the line holds three tokens per step.


# %%
def colleagues_maximum(line, valid):
    """line (b,3l,d), valid (b,l) -> (b,d)."""
    mask = valid.repeat_interleave(3, dim=1)
    return (line * mask[..., None]).amax(1)


line, valid = -torch.arange(1.0, 7.0)[None, :, None], torch.tensor([[True, False]])
print("valid tokens:", line[0, :3, 0].tolist(), " her maximum:", colleagues_maximum(line, valid).item())


# %%
@exercise("13.3")
def masked_maximum(line, valid):
    """line (b,3l,d), valid (b,l) bool -> (b,d): the maximum over the tokens of valid steps."""
    # SOLUTION
    mask = valid.repeat_interleave(3, dim=1)
    return line.masked_fill(~mask[..., None], -torch.inf).amax(1)
    # END SOLUTION


# %%
check("13.3", masked_maximum)

# %% [markdown]
# Now we have everything. Stage 2 by hand, against the library's class with the same weights, on clips of 9, 4 and 1 steps:

# %%
from mgmr_lib.models.mgmr.fusion import InterleavedFusion

torch.manual_seed(0)
stage = InterleavedFusion(16, 2, **small).eval()


def stage_by_hand(stage, x, valid):
    """Interleave, layers, norm, maximum: {modality: (b,l,d)}, (b,l) -> (b,d)."""
    line = interleave(**x)
    for layer in stage.layers:
        line = line + layer.mixer(layer.norm(line))
    return masked_maximum(stage.norm(line), valid)


# %%
valid = torch.arange(9) < torch.tensor([[9], [4], [1], [6]])
with torch.no_grad():
    assert torch.allclose(stage_by_hand(stage, x, valid), stage(x, valid), atol=1e-6)
    longer = {m: torch.cat([v, 100 * torch.randn_like(v)], dim=1) for m, v in x.items()}
    more = torch.cat([valid, torch.zeros_like(valid)], dim=1)
    assert torch.allclose(stage_by_hand(stage, longer, more), stage(x, valid), atol=1e-6)
print("stage 2 by hand = the library's, to 1e-6, whatever stands in the padding")

# %% [markdown]
# Why was there no mask in our layers? They are causal: padding stands at the end, and nothing valid reads it. Only the maximum looks everywhere.

# %% [markdown]
# ## 4 Nothing else reaches a prediction
# One stage is sound. Is the whole network? We take clips of the corpus (voice and face simulated) at missing rate 0.5 and scribble on everything that must not count: padding of
# all modalities, lost frames, lost words.
#
# **Predict, then run:** by how much do the predictions change?

# %%
amounts = ["not at all, to the last bit", "by rounding, in the last digits", "by some hundredths of a point",
           "by a tenth of a point or more"]
predict("13.d", "By how much do the predictions change?", amounts)

# %%
from dataclasses import replace

from mgmr_lib.data.load import load_corpus
from mgmr_lib.data.batch import mask_split
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.training.config import make_config
from mgmr_lib.training.setup import prepare

corpus = load_corpus("classroom-mosi")
setup = prepare(make_config("mgmr", "fast", max_clips=64), corpus)
net, eight = setup.model.eval(), corpus["test"].select(range(8))
keep = draw_masks(eight, 0.5, seed=1)
batch = mask_split(eight, keep, setup.encoder).batch(range(8))
with torch.no_grad():
    clean = net(batch).prediction

from mgmr_lib.chapters.shared.network_map import draw_network

fig, ax = plt.subplots(figsize=(10.0, 3.4))
draw_network(ax, net, batch, here="fusion")
ax.set_title("Stage 2 in its network: the last place where steps are left")
show(fig, "MGMR-Net from left to right, drawn from its modules: inputs, encoders, reconstruction and pooling in a row "
     "for each modality, then stage 1, stage 2 (in blue) and the head. Numbers on the arrows are steps and channels of "
     "this batch; behind stage 2 one vector a clip is left.")

# %% [markdown]
# Each box is a module with its number of weights. The paper draws the same parts in its Figure 1, and gives no picture of its own to stage 2 [@mgmr2025].

# %%
kept, great = keep["text"], 2307  # the number of the token "great"
tokens = eight.token_ids.copy()
lost = (tokens[:, : kept.shape[1]] > 0) & ~kept
tokens[:, : kept.shape[1]][lost] = great
other_words = replace(eight, token_ids=tokens)
scribbled = mask_split(other_words, keep, setup.encoder).batch(range(8))
scribbled["text"].x[~scribbled["text"].valid] = 1000.0
for part in (scribbled["audio"], scribbled["vision"]):
    part.x[~part.keep] = 1000.0
    part.target[~part.keep] = -1000.0
with torch.no_grad():
    change = (net(scribbled).prediction - clean).abs().max().item()
voice = int((~scribbled["audio"].keep).sum())
print(f"{int(lost.sum())} lost words made \"great\", {voice} lost or padded frames of the voice overwritten: "
      f"largest change of a prediction {change}")

# %%
assert change == 0
outcome("13.d", amounts[sum(change > bound for bound in (0, 1e-5, 0.1))],
        because="A mask that works leaves no rest: a change in the last digit would mean that something is read.")

# %% [markdown]
# Not "nearly": to the last bit. The test would be worth nothing if no scribbling could ever show. So we move the *seen* frames of the voice, too.

# %%
part = scribbled["audio"]
part.x[part.keep] += 1.0
with torch.no_grad():
    moved = (net(scribbled).prediction - clean).abs()
assert moved.min() > 0
print("seen frames of the voice changed, all eight predictions move:", bool(moved.min() > 0))

# %% [markdown]
# ## 5 The rival: attention
# Attention lets every token look at every other one, in both directions [@vaswani2017]. No order can keep two tokens apart. Its price grows with the
# square of the length, which is the paper's argument for Mamba [@mgmr2025]. Let us count.
#
# A line of $l$ tokens of width $d$: four linear maps $d \times d$ for each token (queries, keys, values, output); one product of width $d$ for each *pair* of
# tokens to compare, another one to collect.

# %% [markdown]
# ### Exercise 13.4 · count the multiplications (easy, 5 minutes)
# For one attention layer (all heads together; heads cut $d$ into parts and change nothing). Pairs are ordered, and a token is paired with itself, too.


# %%
@exercise("13.4")
def attention_multiplications(l, d):
    """l tokens of width d -> an integer."""
    # SOLUTION
    return 4 * l * d * d + 2 * l * l * d
    # END SOLUTION


# %%
check("13.4", attention_multiplications)

# %% [markdown]
# A Mamba block of inner width $e$ (expansion times $d$), state $n$, rank $r$ and $k$ taps: three linear maps $d \times e$, the small ones for $\Delta$, $B$, $C$, the
# convolution, and three multiplications for each of $e \times n$ state entries. All of it once a token.

# %% [markdown]
# What does it replace? Not attention alone. A Transformer layer has a *feed-forward part* behind it, two linear maps to $f\,d$ channels and back, $2 f d^2$ a token, where each token is
# worked on by itself [@vaswani2017]. A Mamba block has its widening inside. With $f = 4$ that part is as usual; MFMB-Net has $f = 2$ in our `tuned` sizes.

# %% [markdown]
# **Predict, then run:** at our width of 128 (the paper gives none) and its state 12 and expansion 4, from how many steps of three tokens on is the Mamba block cheaper than a whole Transformer
# layer with $f = 4$?

# %%
predict("13.e", "From how many steps on is Mamba cheaper?", between=(0, 400), step=5, within=30, unit="steps")

# %%
def mamba_multiplications(l, d, expand, n, taps=4):
    """l tokens of width d through one Mamba block."""
    e, rank = expand * d, -(-d // 16)
    return l * (3 * d * e + e * (taps + 2 * rank + 2 * n) + 3 * e * n)


def transformer_multiplications(l, d, f):
    """Attention and a feed-forward part f times as wide; f = 0 leaves that part out."""
    return attention_multiplications(l, d) + 2 * f * l * d * d


def cheaper_from(expand, f, d=128, n=12):
    """The first number of steps (three tokens each) at which a Mamba block needs fewer multiplications."""
    return next(t for t in range(1, 10_000)
                if mamba_multiplications(3 * t, d, expand, n) < transformer_multiplications(3 * t, d, f))


parts = {"attention alone": 0, "with feed-forward, f = 2": 2, "with feed-forward, f = 4": 4}
crossings = {name: [cheaper_from(expand, f) for expand in (2, 4)] for name, f in parts.items()}
rows = ["| a Mamba block is cheaper than | expansion 2 | expansion 4 |", "|---|---|---|"]
rows += [f"| {name} | " + " | ".join("at every length" if t == 1 else f"from {t} steps on" for t in found) + " |"
         for name, found in crossings.items()]
say("\n".join(rows))

# %%
fig, ax = plt.subplots()
lengths = [10, 20, 50, 100, 200, 500]
figures_ch13.costs(ax, lengths, {
    "attention alone": [attention_multiplications(3 * t, 128) for t in lengths],
    "Transformer layer, f = 4": [transformer_multiplications(3 * t, 128, 4) for t in lengths],
    "Mamba, expansion 4": [mamba_multiplications(3 * t, 128, 4, 12) for t in lengths],
    "Mamba, expansion 2": [mamba_multiplications(3 * t, 128, 2, 12) for t in lengths]}, mark=50)
ax.set(title="At 50 steps a wide Mamba block costs what a Transformer layer costs")
show(fig, "Multiplications of one layer against the number of steps, both axes logarithmic. Attention alone starts "
     "below the Mamba block of expansion 4 and crosses it late. The whole Transformer layer starts beside that block "
     "and lies above it from a little behind the paper's 50 steps on; the block of expansion 2 is below it everywhere.")

# %%
at_50 = mamba_multiplications(150, 128, 4, 12) / transformer_multiplications(150, 128, 4)
assert abs(at_50 - 1) < 0.03 and mamba_multiplications(150, 128, 4, 12) > 2 * attention_multiplications(150, 128)
assert crossings["with feed-forward, f = 4"][0] == 1
outcome("13.e", crossings["with feed-forward, f = 4"][1], because="Linear says how a cost grows, not where it "
        "starts; and where two costs cross depends on what each of them counts.")

# %%
assert crossings["with feed-forward, f = 2"][0] == 1 < crossings["attention alone"][0]
say("So at the paper's 50 steps, with its expansion 4 and our width, one block costs about as much as a whole "
    "Transformer layer, and more than twice as much as attention alone. With expansion 2 it is cheaper than "
    f"the whole layer at every length, and than attention alone from {crossings['attention alone'][0]} steps on.")

# %% [markdown]
# The layer that the paper *prints* (a decay per channel and one $d \times d$ map, notebook 07) is cheaper than both at every length: attention alone has four such maps. Whoever quotes $O(l^2)$ against $O(l)$ should say
# at which $l$, which expansion, and what stands beside the attention.

# %% [markdown]
# Notebook 23 counts in the same way and asks something else: *two* blocks, ahead and back, against attention with $f = 2$ at width 64. There a step is one token, not three, and the crossing lies at a few hundred. Both are right; they
# are two questions.
#
# Does attention *learn* the moments, then? It must find out which tokens belong to one step; queries and keys see a learned vector for each step.

# %%
from mgmr_lib.chapters.ch13_fusion.toys import AttentionFusion

found = accuracies(lambda: AttentionFusion(24), task, (0, 1))  # a Transformer layer, feed-forward part included
told, untold = (fit_moments(moment_model(lambda start=start: AttentionFusion(24, told=start), 0), task, 0, steps=150,
                            lr=5e-3) for start in (True, False))
makers = {"scan": lambda: ArrangedFusion(24, 1, **small), "attention": lambda: AttentionFusion(24)}
weights = {name: sum(p.numel() for p in moment_model(make, 0).fusion.parameters()) for name, make in makers.items()}
assert max(*found, untold) < 0.65 and told > 0.75 and weights["attention"] > 0.8 * weights["scan"]
print("weights of the toy layers:", weights)
say("With the training that the scan got, attention guesses. Started so that each token looks at its own step, and "
    "trained longer at a smaller rate, it is right far more often than a guess. So it can hold the answer. The longer "
    "training without that start guesses still.")

# %% [markdown]
# Fair words for both: the block is *given* the moments by the layout and its taps, attention has to learn them, here from 80 small batches. How many it would need we did not measure, nor what it does
# on a real corpus. MFMB-Net, in Part IV, is built of attention, and can be asked.

# %% [markdown]
# ## 6 Without stage 1, without stage 2
# The paper switches its stages off one by one. On MOSI the error rises from 1.038 to 1.120 points without stage 1 ("w/o S-1"), and to 1.073 without
# stage 2 ("w/o S-2") [@mgmr2025]. How to leave a stage out it does not say.

# %% [markdown]
# > **Card: the paper is unclear.** Our reading: w/o S-1 puts the identity in its place; w/o S-2 interleaves and takes the maximum, without layers
# > between. The head stays the same.
#
# What breaks depends on where the modalities can meet. Two of four cases we have measured: no stage 1 with a scan (right), neither (guesses).
#
# **Predict, then run:** the other two, stage 1 without a scan, as `"shared"` and as `"exchange"`. Which are right?

# %%
readings = ["neither", "shared", "exchange", "both"]
predict("13.f", "Which reading of stage 1 is right without a scan behind it?", readings)

# %%
from mgmr_lib.chapters.ch13_fusion.toys import VoiceBranch

ablations = {"no S-1, S-2": min(scores["interleaved"]), "neither": max(scores["no scan"])}
for reading in ("shared", "exchange"):
    net = moment_model(lambda: ArrangedFusion(24, 0), 0,
                       align=lambda reading=reading: VoiceBranch(24, reading, d_state=4, expand=1))
    ablations[f"S-1 {reading}, no S-2"] = fit_moments(net, task, 0)

# %%
for name, score in ablations.items():
    print(f"{name:22} {'right' if score > 0.9 else 'guesses' if score < 0.65 else 'in between'}")

# %%
alone = [ablations[f"S-1 {reading}, no S-2"] for reading in ("shared", "exchange")]
assert all(score < 0.65 or score > 0.9 for score in alone)
outcome("13.f", readings[(alone[0] > 0.9) + 2 * (alone[1] > 0.9)],
        because="A maximum can do without a scan only where the modalities have met before it, moment by moment.")

# %% [markdown]
# - **Without stage 2**, everything hangs on exchange in stage 1. In `"shared"`, whose wiring is that of the equations (its layers are Mamba's, not the printed ones), the modalities never meet before
#   a maximum over separate tokens.
# - **Without stage 1**, they still meet in the scan, but it reads the line ahead only: of what is to come, a token knows no more than its own encoder saw.
#
# So an ablation says something about a network only together with the reading of the stage that stays.

# %% [markdown]
# ## 7 Limits
# Our question was made of moments, its clips had eight steps, its training was short. On clips of a corpus the maximum may read from a mixture of cues, and a
# layout's effect may drown in noise. We did not train the layouts on the corpus here: a difference that small needs many seeds. The ablations of Part V
# measure the stages themselves, with intervals.
#
# Counted multiplications are not seconds: attention is one large matrix product, a scan is many small steps. Notebook 23 takes the time.

# %% [markdown]
# ## 8 Summary
# - Interleaved, the tokens of one moment are neighbours, and one Mamba block with its convolution finds the moment.
# - Concatenated, they stand apart, and the same short training finds nothing.
# - Both orders within a step let the maximum find the moment.
# - The maximum is where padding can get in: mask it with minus infinity, not with zeros.
# - At 50 steps and our width, a block of the paper's expansion 4 costs about what a Transformer layer costs; with expansion 2, less.

# %%
progress("13")
