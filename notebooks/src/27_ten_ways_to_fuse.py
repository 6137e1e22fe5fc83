# ---
# jupyter:
#   mgmr:
#     title: Ten ways to fuse
#     claim: "Ten networks differ in five answers, most of them one line long; and one wrong line is enough to read a part of a voice, to learn nothing, or to learn the opposite."
#     goals:
#       - say of ten networks who exchanges what with whom, and find it by watching them
#       - build the discrepancy, the moving label, the contrast, the likelihood and the reversal that they train with
#       - find three bugs of published code by what they do to a gradient or a prediction
#       - test what a pseudo-label finds against the label that it started from
#     minutes: 75
#     budget_s: 75
#     device: cpu
#     requires: ["11", "14"]
#     introduces: [central moment discrepancy, pseudo-label, contrastive loss, gradient reversal, hyper-modality]
# ---
# %% [markdown]
# ## A voice cut short
# A published framework, MMSA, feeds unaligned voices to MISA, a network made for word-aligned ones [@hazarika2020]. There each word had one frame, so the LSTM over the voice
# was told the *text's* length. Unaligned, a voice has many frames for each word, and the LSTM stops where the text would end.
#
# **Predict:** how much of our voices does such a reader hear?

# %%
import numpy as np
import torch
from matplotlib import pyplot as plt

from mgmr_lib.chapters.ch27_ten_ways_to_fuse import figures as draw
from mgmr_lib.chapters.ch27_ten_ways_to_fuse import recorded as recorded_ch27
from mgmr_lib.course import check, exercise, hint, outcome, predict, progress, say, show, use_style

use_style()

# %%
predict("27.a", "How much of the voices is heard?", {"all": 1, "two thirds": 0.67, "a quarter": 0.25, "a tenth": 0.1})

# %%
from mgmr_lib.data.load import load_corpus

train = load_corpus("classroom-mosi")["train"]
voice, words = np.asarray(train.audio.lengths), np.asarray(train.token_lengths)
heard = np.minimum(voice, words).sum() / voice.sum()

# %%
fig, ax = plt.subplots()
draw.unread(ax, voice, words)
ax.set_title("Told the text's length, a reader leaves most of a voice unheard")
show(fig, f"Frames of voices, a bar a clip: blue what is read up to the text's number of tokens, grey the rest. Over "
     f"all clips {heard:.0%} of the frames are read.")

# %%
outcome("27.a", heard, because="Tokens are word pieces and frames fractions of a second, so one length says nothing "
        "about the other.")

# %% [markdown]
# Nothing crashes, and the network still learns, from the text and the beginning of each voice. Its row in a table looks like any other.
#
# ### Exercise 27.1 · find the bug: a voice cut short (easy, 6 minutes)
# Here is the faulty line in our own words, with a mean for the LSTM. Return the mean over each clip's own frames.


# %%
def colleagues_mean(voice, voice_lengths, text_lengths):
    read = torch.arange(voice.shape[1]) < text_lengths[:, None]
    return (voice * read[..., None]).sum(1) / text_lengths[:, None]


# %%
@exercise("27.1")
def voice_mean(voice, voice_lengths, text_lengths):
    """voice (b,l,d), two lengths (b) -> (b,d)."""
    # SOLUTION
    own = torch.arange(voice.shape[1]) < voice_lengths[:, None]
    return (voice * own[..., None]).sum(1) / voice_lengths[:, None]
    # END SOLUTION


# %%
check("27.1", voice_mean)

# %%
frames, lengths, tokens = torch.randn(2, 9, 3), torch.tensor([9, 6]), torch.tensor([3, 2])
loud = frames.clone()
loud[:, 3:] += 100
for name, rule in (("colleague's", colleagues_mean), ("ours", voice_mean)):
    same = torch.equal(rule(frames, lengths, tokens), rule(loud, lengths, tokens))
    print(f"{name}: every frame behind the text's length changed, the result {'stays' if same else 'moves'}")

# %% [markdown]
# This is a test worth remembering: change what must count, and see whether anything moves. It finds bugs that no error message reports.

# %% [markdown]
# ## 1 Ten networks in ten lines
# Concat and nine published networks, a line each. `t`, `a`, `v` are what text, voice and face have become; `x.ask(y)` is attention in which `x` has the queries; names in capitals are terms of the loss.
#
# ```python
# # nothing but side by side
# concat   = head(cat([t, a, v]))
# # what is shared?
# misa     = head(attend([*private(t, a, v), *shared(t, a, v)])); CMD(shared); OVERLAP(private, shared); REBUILD(m)
# # what does one modality say alone?
# self_mm  = head(cat([t, a, v])); [HEAD_m(m) against a label of its own for m in (t, a, v)]
# # what does one know of the other?
# mmim     = head(z := cat([t, a, v])); LIKELIHOOD(a | t), LIKELIHOOD(v | t); ENTROPY(a, v); CONTRAST(m, guess(z))
# # who guides whom?
# cenet    = head(read_on(t + W([t.ask(v), t.ask(a)])))
# tetfn    = head(cat([t.ask(a), t.ask(v), a.ask(t), a.ask(v.ask(t)), v.ask(t), v.ask(a.ask(t))])); HEAD_m as self_mm
# almt     = head(t3.ask(hyper := sum(W(t_i.ask(a) + t_i.ask(v)) for t_i in (t1, t2, t3))))
# # what to do when something is gone?
# lnln     = almt(w * t + (1 - w) * proxy(a, v), a, v); COMPLETENESS(w); DECEIVE; REBUILD
# emt      = head(promote(g, t, a, v)); ATTRACT(incomplete, complete); REBUILD
# tf_mamba = head(mamba(t.ask([a + like(a, t), v + like(v, t)]))); REBUILD
# ```

# %% [markdown]
# The nine come from [@hazarika2020], [@yu2021], [@han2021], [@wang2022], [@wang2023], [@zhang2023], [@zhang2024], [@sun2023] and [@li2025]. Which of these lines
# is true of the *code*? We watch it. Each tensor is marked with the place at which it lies, the steps of one modality or "joint"; an operation on tensors
# of two places is an exchange.
#
# **Predict, then run:** in how many of the ten does voice ask face, or face voice, before anything has been put side by side with others?

# %%
predict("27.b", "In how many of ten do voice and face ask each other?", {"none": 0, "one": 1, "four": 4, "eight": 8})

# %%
cost = ["CENET, which asks at every token", "TETFN, where everyone asks everyone", "LNLN, which has the most weights",
        "EMT-DLFR, which shares one unit"]
predict("27.c", "Who multiplies most for one clip?", cost)

# %%
from mgmr_lib.experiments.plan import SYSTEMS

networks = draw.survey(("concat", *SYSTEMS))
fig = plt.figure(figsize=(8.0, 4.4))
draw.draw_map(fig, networks)
fig.suptitle("Voice and face hardly ever ask each other directly", x=0.01, ha="left")
show(fig, "Ten networks as they compute. T, A, V: text, audio, vision; +: what is joint. Grey: put together. "
     "Arrows: attention, from who is asked to who asks; a ring around +: it asks itself. Dotted: a loss compares the "
     "two, in training alone. Green rim: predicts by itself, too. Blue filling: its lost steps are rebuilt. Below: "
     "weights and multiplications.")

# %%
direct = [e.label for e in networks.values() if {("audio", "vision"), ("vision", "audio")} & e.exchanges.asks]
through = [e.label for e in networks.values() if e.exchanges.asks and e.label not in direct]
print("voice and face ask each other:", ", ".join(direct))
print("attention, but voice and face only once put side by side, or not at all:", ", ".join(through))

# %%
outcome("27.b", len(direct), because="Where there is attention, the words stand in between, or something that is joint "
        "already.")

# %% [markdown]
# In TETFN, too, what is asked is not the bare voice: it has asked the text before. A ring hides more: MISA puts six vectors side by side, LNLN the tokens of voice and face,
# and there everyone asks everyone, voice and face too. Two things are *not* on the map. LNLN rebuilds condensed tokens, in its loss alone, and not lost steps. TF-Mamba scans
# voice and text "in pairs", yet a pair shares one matrix of weights and passes no data; voice meets text by attention, before.

# %%
from mgmr_lib.markdown import table

rows = [(e.label, f"{e.weights:,}", f"{e.products / 1e6:,.1f}") for e in networks.values()]
say(table(("network", "weights", "million products a clip"), rows))

# %%
most, heaviest = (max(networks.values(), key=lambda e, k=k: getattr(e, k)).label for k in ("products", "weights"))
assert heaviest == "LNLN" and most != heaviest
outcome("27.c", next(c for c in cost if c.startswith(most)), because="Weights that are used again at every step, layer "
        "and direction are counted once and multiplied each time.")

# %% [markdown]
# Counted at published sizes with MOSI's longest lengths, text encoder left out, matrix products alone (a scan's own steps are not among them). Ours differ from the published
# modules: each docstring says where.
#
# Products are no seconds. What does a train step take, ours and the published modules'?

# %%
from mgmr_lib.experiments.complexity import costs_path, read_costs
from mgmr_lib.experiments.cost_tables import published_markdown

say(published_markdown(read_costs(costs_path("classroom-mosi", "laptop"))).split("\n", 2)[2])

# %% [markdown]
# The published seconds hold to about 30 %: only large ratios say something. TETFN's has a plain cause. Ours brings voice and face to the text's tokens before anything asks, so its attention meets at most 50 steps, not 500. Its own setting, named above
# the table, has 50 too: there its module is no slower than ours. So what do 500 steps cost? For that we compare the published module with itself.

# %%
say(recorded_ch27.what_steps_cost(read_costs(costs_path("classroom-mosi", "laptop"))))

# %% [markdown]
# ## 2 What is shared?
# MISA splits each clip's vector into a private and a shared part. To make shared parts alike it compares their *distributions* over a batch, by the
# [central moment discrepancy](glossary.md#central-moment-discrepancy) [@zellinger2017] [@hazarika2020]:
#
# $$\mathrm{CMD}_K(x, y) = \lVert \bar x - \bar y \rVert + \sum_{k=2}^{K} \lVert C_k(x) - C_k(y) \rVert,\qquad C_k(x) = \tfrac1b \sum_i (x_i - \bar x)^k$$
#
# | symbol | what | shape |
# |---|---|---|
# | $x$, $y$ | shared parts of two modalities, values in (0, 1) | $(b, d)$ |
# | $\bar x$, $C_k(x)$ | mean and moments, a number per channel | $(d)$ |
#
# **Predict, then run:** a batch of one clip, lengths as the root of a sum of squares. What gradient comes out?

# %%
gradients = ["zeros: nothing varies", "numbers: the means differ", "not a number", "an error, one clip has no moments"]
predict("27.d", "What gradient does a single clip get?", gradients)


# %%
def root_of_squares(v):
    return v.square().sum().sqrt()


def cmd_with(length, x, y, moments=5):
    """CMD, with a given way to measure a length."""
    total, x, y = length(x.mean(0) - y.mean(0)), x - x.mean(0), y - y.mean(0)
    return total + sum(length((x**k).mean(0) - (y**k).mean(0)) for k in range(2, moments + 1))


# %%
one = torch.tensor([[0.2, 0.7]], requires_grad=True)
value = cmd_with(root_of_squares, one, torch.tensor([[0.6, 0.4]]))
(gradient,) = torch.autograd.grad(value, one)
print(f"value {value.item():.1f}, gradient {gradient.tolist()}")

# %%
outcome("27.d", gradients[2 if gradient.isnan().all() else 1 if gradient.any() else 0],
        because="The root has an infinite slope at 0, which the chain rule multiplies by a zero.")

# %% [markdown]
# The value is sound, the gradient ruins every weight in one step. The last batch of an epoch may hold one clip: a hundred clips in batches of three do.
#
# ### Exercise 27.2 · central moment discrepancy (medium, 10 minutes)
# Write it for $K$ moments, with a gradient that is a number even where moments are equal.


# %%
@exercise("27.2")
def cmd(x, y, moments):
    """Two (b,d), also of different b; moments: K -> a scalar."""
    # SOLUTION
    length = torch.linalg.vector_norm
    total, x, y = length(x.mean(0) - y.mean(0)), x - x.mean(0), y - y.mean(0)
    return total + sum(length((x**k).mean(0) - (y**k).mean(0)) for k in range(2, moments + 1))
    # END SOLUTION


# %%
check("27.2", cmd)

# %%
from mgmr_lib.models.baselines.misa import central_moment_discrepancy

x, y = torch.rand(2, 16, 8, generator=torch.Generator().manual_seed(0))
assert torch.allclose(cmd(x, y, 5), central_moment_discrepancy(x, y))
print("cmd = the library's, to rounding")

# %% [markdown]
# Does it see more than a rival that compares means alone? And what does it say of two batches that *are* alike?

# %%
def averaged(measure, draw_x, draw_y, clips, rounds=50):
    """Mean of a measure over fresh batches of 32 channels."""
    g = torch.Generator().manual_seed(clips)
    return sum(measure(draw_x(clips, g), draw_y(clips, g)).item() for _ in range(rounds)) / rounds


wide = lambda b, g: torch.rand(b, 32, generator=g)
narrow = lambda b, g: 0.4 + 0.2 * torch.rand(b, 32, generator=g)  # the same mean, a fifth of the spread
measures = {"CMD": lambda x, y: cmd(x, y, 5), "means alone": lambda x, y: (x.mean(0) - y.mean(0)).norm()}

# %%
sizes = [4, 16, 64, 256]
found = {f"{name}, {kind}": [averaged(measure, wide, other, b) for b in sizes]
         for name, measure in measures.items() for kind, other in (("same", wide), ("other spread", narrow))}
fig, ax = plt.subplots()
draw.discrepancies(ax, sizes, found)
ax.set_title("CMD sees another spread, and never says 0 of equal distributions")
show(fig, "Discrepancy against the clips of a batch. Solid: one of the two batches is narrower. Dashed: both come "
     "from one distribution. All fall with the size; in the end only CMD's solid line is well above its dashed one.")

# %%
ratio = {name: found[f"{name}, other spread"][-1] / found[f"{name}, same"][-1] for name in measures}
floor = found["CMD, same"]
assert ratio["CMD"] > 2 > 1 > ratio["means alone"]
say(f"With {sizes[-1]} clips CMD of different spreads is {ratio['CMD']:.1f} times that of equal distributions; to "
    f"means alone the different ones look more alike. But with {sizes[0]} clips, equal distributions read "
    f"{floor[0]:.1f}, more than different ones with {sizes[-1]}.")
assert floor[0] > found["CMD, other spread"][-1]

# %% [markdown]
# So a weight of this loss that was tuned with batches of one size means something else with another. MMSA's and MISA's own batches differ in size [@hazarika2020].
#
# > **Card: paper and code differ.** To keep private and shared parts apart MISA prints the squared norm of their product; its code takes the mean over the
# > entries, smaller by the square of the width. We keep the code's, whose weight it was tuned with.

# %% [markdown]
# ## 3 What does one modality say alone?
# Self-MM predicts from each modality alone, too. But a clip has one label $y$, and a flat voice may say "great". So each modality $s$ gets a
# [pseudo-label](glossary.md#pseudo-label) $y_s$ that starts at $y$ and moves [@yu2021]. With $\delta$ small where features lie nearer to the negative clips' centre:
#
# $$\tilde y_s = \tfrac12 \Big(\tfrac{\delta_s}{\delta_m}\, y + y + \delta_s - \delta_m\Big),\quad y_s \leftarrow \tfrac{e-1}{e+1}\, y_s + \tfrac{2}{e+1}\, \tilde y_s$$
#
# | symbol | what |
# |---|---|
# | $\delta_s$, $\delta_m$ | relative distances of one modality's features and of the fused ones |
# | $e$ | epoch, counted from 1; $\tilde y_s$ is kept within $\pm H$ |

# %% [markdown]
# ### Exercise 27.3 · a label that moves (medium, 10 minutes)
# One step of the update, on plain numbers.


# %%
@exercise("27.3")
def moved_label(own, y, delta, delta_fused, epoch, limit):
    """own: y_s so far; delta, delta_fused: the two distances -> the new y_s."""
    # SOLUTION
    new = (delta / delta_fused * y + y + delta - delta_fused) / 2
    new = max(-limit, min(limit, new))
    return (epoch - 1) / (epoch + 1) * own + 2 / (epoch + 1) * new
    # END SOLUTION


# %%
check("27.3", moved_label)

# %%
from mgmr_lib.chapters.ch27_ten_ways_to_fuse.toys import moving

teacher, output, batch = moving(clips=40, seed=1)
for epoch in range(4):
    teacher.start_epoch(epoch)
    delta, fused = (teacher.relative_distance(n, output.latent[n]).tolist() for n in ("audio", "fused"))
    before = teacher.label_audio.tolist()
    teacher.update(output, batch)
    if epoch:  # in the first epoch there are no features to compare with
        each = zip(before, batch.labels.tolist(), delta, fused, strict=True)
        hand = [moved_label(*now, epoch + 1, 3.0) for now in each]
        assert torch.allclose(torch.tensor(hand), teacher.label_audio, atol=1e-4)
print("moved_label = the library's update of 40 labels, three epochs long")

# %% [markdown]
# > **Card: two silent epochs.** The loss of a head alone is weighted by $\tanh |y_s - y|$, and labels move after they were used, from the second
# > epoch on [@yu2021]. So in epochs 1 and 2 that weight is 0, and the heads learn nothing. With Adam's coupled weight decay they do not even rest: their gradient is the decay
# > alone, which Adam scales up to full steps. We use AdamW.

# %% [markdown]
# Does a label find what its modality says? On real clips nobody knows. In a toy we do: each voice has a truth of its own, the label and as much again that only the
# voice knows, and the features lie where that truth is. The rival is the label itself, left alone.
#
# **Predict, then run:** after eight epochs, which is nearer to what the voice says?

# %%
nearer = ["the pseudo-label", "the clip's own label", "both alike, within a twentieth"]
predict("27.e", "Which is nearer to what the voice says?", nearer)

# %% tags=["baseline"]
from mgmr_lib.chapters.ch27_ten_ways_to_fuse.toys import pseudo_labels

seeds = range(5)
runs = [pseudo_labels(8, seed=s) for s in seeds]
error = {name: [(run[name] - run["truth"]).abs().mean().item() for run in runs] for name in ("label", "found")}

# %% [markdown]
# The control: the same voices with features that know nothing. Labels must not find anything there.


# %% tags=["control"]
def direction(run):
    """Correlation between a label's movement and the way to the truth."""
    moved, wanted = run["found"] - run["label"], run["truth"] - run["label"]
    return torch.corrcoef(torch.stack([moved, wanted]))[0, 1].item()


deaf = [pseudo_labels(8, knows=False, seed=s) for s in seeds]
ways = {"the voice knows": [direction(r) for r in runs], "the voice knows nothing": [direction(r) for r in deaf]}

# %% tags=["signature"]
fig = plt.figure(figsize=(8.0, 3.2))
draw.labels(fig, {"features know the truth": runs[0], "control: features know nothing": deaf[0]})
fig.suptitle("On the whole labels move the right way, and miss the distance", x=0.01, ha="left")
show(fig, "How far each label moved against how far the truth lies from it, a dot a clip; on the dashed line a label "
     "would arrive. Left the cloud rises with the truth, right it does not.")

# %%
for name, values in ways.items():
    print(f"{name}: correlation of movement and truth from {min(values):.2f} to {max(values):.2f}")
label, found_by = (np.mean(error[k]) for k in ("label", "found"))
say(f"Movements tend the right way where features know something. Yet on average over {len(runs)} draws the moved "
    f"label errs by {found_by:.2f} points, the clip's own by {label:.2f}.")

# %%
assert min(ways["the voice knows"]) > 0.3 > 0.15 > max(map(abs, ways["the voice knows nothing"]))
outcome("27.e", nearer[2 if abs(label - found_by) < 0.05 * label else int(label < found_by)],
        because="A ratio of distances to two centres knows a direction, but its size is no number of points.")

# %% [markdown]
# One toy with one geometry, no network, no training: it does not say that Self-MM's heads are useless. It says that "the voice's own rating" is too much to call such a
# label, and that the plain label is a rival to try.

# %% [markdown]
# ## 4 What does one know of the other?
# MMIM keeps information while it fuses: from the fused vector $z$ a linear layer guesses each modality's vector, and the guess must fit its own clip better than the
# batch's others. That is a [contrastive loss](glossary.md#contrastive-loss) [@oord2018] [@han2021], with $c_{ij} = \cos(x_i, g_j)$:
#
# $$L = -\frac1b \sum_i \log \frac{\exp c_{ii}}{\sum_j \exp c_{ij}}$$

# %% [markdown]
# ### Exercise 27.4 · which guess is mine? (medium, 8 minutes)
# The mean over clips; the sum runs over all guesses, the right one among them.


# %%
@exercise("27.4")
def contrast(x, guess):
    """Vectors and guesses, (b,d) each -> a scalar."""
    # SOLUTION
    x, guess = (v / v.norm(dim=-1, keepdim=True) for v in (x, guess))
    scores = x @ guess.T
    return (scores.logsumexp(1) - scores.diagonal()).mean()
    # END SOLUTION


# %%
check("27.4", contrast)

# %%
from mgmr_lib.models.baselines.mmim import contrastive_loss

assert torch.allclose(contrast(x, y), contrastive_loss(x, y), atol=1e-6)
print("contrast = the library's, to rounding")

# %% [markdown]
# Who knows nothing pays about $\log b$, the price of a blind choice among $b$.
#
# **Predict, then run:** a batch of 32 random vectors, and every guess is *perfect*: the vector itself. How much of the blind price is left?

# %%
predict("27.f", "How much of the blind price is left for perfect guesses?",
        {"nothing": 0, "a tenth": 0.1, "a third": 0.33, "nearly three quarters": 0.72})

# %%
vectors = torch.randn(32, 16, generator=torch.Generator().manual_seed(0))
perfect, blind = contrast(vectors, vectors).item(), float(np.log(len(vectors)))
units = vectors / vectors.norm(dim=1, keepdim=True)
sharper = (lambda c: (c.logsumexp(1) - c.diagonal()).mean().item())(10 * units @ units.T)
print(f"blind {blind:.2f}, perfect {perfect:.2f}, perfect with cosines ten times as large {sharper:.2f}")

# %%
outcome("27.f", perfect / blind, because="A cosine ends at 1, and the exponential of 1 is not much against a sum over "
        "all others, however well one guesses.")

# %% [markdown]
# Published with plain cosines [@han2021], the loss can teach little more than what lies between the first two numbers. Contrastive learning elsewhere divides cosines by a small
# temperature, which does what the last number shows.

# %% [markdown]
# ### Exercise 27.5 · find the bug: it pays not to know (easy, 6 minutes)
# MMIM also asks how likely voice and face are, given the text: a Gaussian whose mean and log variance a small network guesses. Here is the published line
# in our words. Look at what it prefers, then write the log likelihood, without its constant.


# %%
def colleagues_likelihood(x, mean, log_variance):
    return -((x - mean) ** 2 / (2 * log_variance.exp())).sum(-1)


far = torch.tensor([[1.0]])
for log_variance in (0.0, 2.0, 20.0):
    print(log_variance, round(colleagues_likelihood(far, 0 * far, log_variance + 0 * far).item(), 4))


# %%
@exercise("27.5")
def log_likelihood(x, mean, log_variance):
    """(b,d) three times -> (b,)."""
    # SOLUTION
    return -(log_variance / 2 + (x - mean) ** 2 / (2 * log_variance.exp())).sum(-1)
    # END SOLUTION


# %%
check("27.5", log_likelihood)

# %%
from torch.distributions import Normal

spread = torch.linspace(-1, 1, 8).expand(16, 8)
whole = Normal(y, (spread / 2).exp()).log_prob(x).sum(-1)
assert torch.allclose(log_likelihood(x, y, spread) - 4 * np.log(2 * np.pi), whole, atol=1e-5)
grid = torch.linspace(-3, 3, 601)[:, None]
rules = {"colleague's": colleagues_likelihood, "ours": log_likelihood}
best = {name: grid[rule(far, 0 * far, grid).argmax()].item() for name, rule in rules.items()}
print("best log variance for an error of 1, between -3 and 3:", {k: round(v, 2) for k, v in best.items()})

# %% [markdown]
# The colleague's runs to the end of whatever it is allowed. A network trained so learns to be unsure, and its "likelihood" rises all the time: a falling loss that says nothing.
#
# > **Card: never trained.** The published entropy is taken of a projection that belongs to an optimiser whose loss does not use it [@han2021]. Ours is a fixed random
# > matrix, and says so.

# %% [markdown]
# ## 5 Who guides whom?
# In several networks the text chooses. CENET shifts each token by what it finds in voice and face [@wang2022]; TETFN sends what face asks of voice through the words [@wang2023]. ALMT condenses
# all to eight tokens, and a [hyper-modality](glossary.md#hyper-modality) $H$ collects, at three depths $i$ of the text [@zhang2023]:
#
# $$H \leftarrow H + W_o\big(\mathrm{att}(T_i, A) + \mathrm{att}(T_i, V)\big)$$
#
# The query is the text's both times; voice and face have keys and values of their own.

# %%
from mgmr_lib.models.baselines.hyper_modality import HyperLayer

torch.manual_seed(0)
layer = HyperLayer(8, heads=1).requires_grad_(False)
hyper, t, a, v = torch.randn(4, 2, 5, 8)


def collect(hyper, t, a, v):
    """One step of the hyper-modality: four (b,T,d) -> (b,T,d)."""
    asks, shift = layer.query(layer.norms["text"](t)), 0
    for name, x in (("audio", a), ("vision", v)):
        key, value = layer.key_value[name](layer.norms[name](x)).chunk(2, dim=-1)
        shift = shift + (asks @ key.transpose(1, 2) / 8**0.5).softmax(-1) @ value
    return hyper + layer.out(shift)


assert torch.allclose(collect(hyper, t, a, v), layer(hyper, t, a, v), atol=1e-6)
print("collect = the library's HyperLayer")

# %% [markdown]
# What can the text's question do if all frames of a voice say the same? A control: with constant voice and face, the shift must be one and the same for every
# token, whatever the text asks.

# %%
flat = [m[:, :1].expand_as(m) for m in (a, v)]
shifts = [collect(0 * hyper, text, *flat) for text in (t, torch.randn(2, 5, 8))]
assert torch.allclose(*shifts, atol=1e-6)
real = [collect(0 * hyper, text, a, v) for text in (t, torch.randn(2, 5, 8))]
assert not torch.allclose(*real, atol=1e-2)
print("constant voice and face: the question does not matter; else it does")

# %% [markdown]
# > **Card: three guides in their code.** CENET multiplies its scores by 8 where attention divides them, and attends to padding. TETFN's convolution over the face gets the voice's
# > kernel. ALMT's residual carries *normalised* tokens that start equal: at first they are 0, with a gradient 316 times too large; and its first epoch runs at rate 0 [@zhang2023]. Ours
# > are repaired; `reading="code"` keeps ALMT's.

# %% [markdown]
# ## 6 What to do when something is gone?
# LNLN scores how complete a text is ($w$), makes a proxy $P$ of voice and face, and mixes $D = (1 - w) P + w T$. A discriminator must not tell $D$ from complete text [@zhang2024]. Both
# learn in one backward pass by a [gradient reversal](glossary.md#gradient-reversal) [@ganin2015]: forward nothing happens, backward the sign turns.

# %%
from mgmr_lib.models.baselines.lnln import reverse_gradient

turn = lambda x: 2 * x.detach() - x
p = torch.randn(50, requires_grad=True)
for rule in (turn, reverse_gradient):
    (grad,) = torch.autograd.grad((3 * rule(p)).sum(), p)
    assert torch.equal(rule(p), p) and torch.equal(grad, torch.full((50,), -3.0))
print("one line = the library's reverse_gradient")

# %% [markdown]
# ### Exercise 27.6 · find the bug: trained to harm (hard, 12 minutes)
# The published code, in our words, reverses at the proxy. Follow the two gradients back: the *task's*, and the discriminator's. Then return what the fusion reads and
# what the discriminator reads, so that all of $D$ deceives and nothing harms the task. `reverse_gradient` is at hand.


# %%
def colleagues_mix(proxy, text, w):
    mixed = (1 - w[..., None]) * reverse_gradient(proxy) + w[..., None] * text
    return mixed, mixed


# %%
@exercise("27.6")
def corrected(proxy, text, w):
    """proxy, text (b,T,d), w (b,1) -> two (b,T,d): for the fusion, for the discriminator."""
    # SOLUTION
    mixed = (1 - w[..., None]) * proxy + w[..., None] * text
    return mixed, reverse_gradient(mixed)
    # END SOLUTION


# %%
check("27.6", corrected)

# %%
def signs(mix):
    """Which way each reader's gradient reaches each part: +1 as it is, -1 reversed."""
    inputs = [torch.ones(1, 1, 1, requires_grad=True) for _ in range(2)]
    read = mix(*inputs, torch.full((1, 1), 0.5))
    return [[int(g.sign()) for g in torch.autograd.grad(one.sum(), inputs, retain_graph=True)] for one in read]


for name, mix in (("colleague's", colleagues_mix), ("ours", corrected)):
    task, deceive = signs(mix)
    print(f"{name:12} task: proxy {task[0]:+}, text {task[1]:+}", end="   ")
    print(f"discriminator: proxy {deceive[0]:+}, text {deceive[1]:+}")

# %% [markdown]
# In the colleague's, the proxy is trained to make the prediction worse, and the text to be found out. Now the library's two readings, with all their layers, on one batch of clips.

# %%
from mgmr_lib.models.baselines import lnln
from mgmr_lib.training.config import make_config
from mgmr_lib.training.losses import LossWeights, joint_loss
from mgmr_lib.training.setup import prepare

corpus = load_corpus("classroom-mosi")


def task_gradient(reading):
    """The task's gradient at the proxy's weights, one long vector."""
    setup = prepare(make_config("lnln", "fast", max_clips=16, reading=reading), corpus)
    batch = setup.masked("train", 0.5, seed=1, targets=True).batch(range(16))
    joint_loss(setup.model.train()(batch), batch.labels, LossWeights())["task"].backward()
    return torch.cat([w.grad.flatten() for w in setup.model.proxy.parameters()])


# %%
cosine = torch.cosine_similarity(task_gradient("paper"), task_gradient("code"), dim=0).item()
assert cosine < -0.99
print(f"cosine between the two readings' task gradients: {cosine:.2f}")

# %% [markdown]
# > **Card: the paper is unclear.** Where the paper means the reversal to stand we could not check; the code's place is certain, its effect measured above [@zhang2024]. Its targets carry
# > gradients, so that both sides of the reconstruction may shrink; ours are detached.

# %% [markdown]
# EMT-DLFR passes the complete clip through the same network and draws the two views together. Each view is in turn the target, which gives no gradient; else both
# could agree on a constant [@sun2023]. TF-Mamba
# rebuilds the text alone, its published target *with* a gradient [@li2025]. A target that may move can come
# nearer by becoming simpler.

# %% [markdown]
# ## 7 Recorded: what they bring here
# Nine networks were trained as ours were: `classroom-mosi`, `laptop` profile, the same clips, masks and frozen text. Each keeps its own objective. Their other settings are ours, hardly tried; MFMB-Net's
# took many trials (notebook 19). So this says what they bring *as set here*.

# %% [markdown]
# Their rival is Concat (notebook 11): three means side by side. **Predict, then run:** from how many of the nine can Concat be told apart in the area under the error curve, for better or worse?

# %%
predict("27.g", "How many of the nine are told apart from Concat?", between=(0, 9), step=1, within=1)

# %%
from mgmr_lib.chapters.shared import recorded_areas
from mgmr_lib.experiments import verdicts
from mgmr_lib.experiments.ledger import provenance_line, read_ledger
from mgmr_lib.experiments.plan import TWO

beside = (*SYSTEMS, *TWO, "concat", "text_ridge", "mean")
recorded = [r for r in read_ledger(corpus=corpus.name, profile="laptop") if r["name"] in beside]
say(provenance_line(recorded, "systems"))

# %%
fig = plt.figure(figsize=(8.0, 4.2))
recorded_areas.areas(fig, recorded)
fig.suptitle(recorded_ch27.areas_finding(recorded), x=0.01, ha="left")
show(fig, "AUILC of the mean absolute error over rates 0 to 1 (lower is better): the nine and Concat in blue, our two "
     "in red, without training in grey. A dot is the mean over seeds, a line its interval. Nothing here was computed "
     "by this notebook.")

# %% [markdown]
# Intervals side by side are no verdict. Welch's test on all seeds is, with Holm's procedure over the nine pairs (notebook 22):

# %%
against = verdicts.family(recorded, [(name, "concat") for name in SYSTEMS])
say(recorded_areas.in_words(against))
say(recorded_areas.still_falling(recorded))

# %%
if len(against) == len(SYSTEMS):
    say(recorded_ch27.largest_and_told(against))
    outcome("27.g", int((against["word"] != verdicts.NOT_TOLD_APART).sum()), because="Three seeds tell apart a "
            "difference that is large beside its own spread, not simply a large one; and with other settings a network "
            "may stand elsewhere.")

# %% [markdown]
# ## 8 Limits
# - The nine were trained in one size, on one corpus whose voice and face are simulated, three times each and untuned. On their own data, with their authors' settings, their order may be another.
# - The map shows that data flow, not how much they matter.
# - Multiplications are not seconds, and a scan's own steps are not counted.
# - Bugs are those of the code that we read, at one version; what they did to the printed numbers we have not measured.

# %% [markdown]
# ## 9 Summary
# - Watching the tensors answers "who exchanges what" without trusting a figure.
# - CMD compares distributions; it depends on the batch's size, and its root needs care at 0.
# - A moving label knows a direction; the plain one is a rival.
# - Plain cosines can teach little; a likelihood without its height rewards not knowing.
# - A reversal acts on all that lies before it: put it where only the discriminator looks.
# - Change what must count, look at each gradient's sign: that finds silent bugs.

# %%
progress("27")
