# ---
# jupyter:
#   mgmr:
#     title: Reconstruction
#     claim: "A loss over all positions praises a copier, and a training that loses few steps guesses worse by it; a straight line is the rival to beat, and a good guess is not yet a good prediction."
#     goals:
#       - build MGMR-Net's reconstruction module from its equations, and know what its gate mixes
#       - write a loss that cannot be cheated by copying
#       - say where a straight line beats a network, and why
#       - tell what a guess adds to a prediction from what it only repairs
#     minutes: 65
#     budget_s: 45
#     device: cpu
#     requires: ["08", "13"]
#     introduces: [reconstruction, interpolation, reconstruction gate, SmoothL1]
# ---
# %% [markdown]
# ## Half of a smile
# A camera follows the corner of a mouth, seventeen frames per second, and loses most of them. MGMR-Net has a module that puts back what was lost,
# a [reconstruction](glossary.md#reconstruction) [@mgmr2025]. Before we build it: what would *you* put there?
#
# **Predict, then run:** the mean of all clips, the last frame that we saw, or a straight line to the next one. Which is nearest to the truth?

# %%
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt

from mgmr_lib.course import check, exercise, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.chapters.ch14_reconstruction import figures as figures_ch14
from mgmr_lib.data.load import load_corpus
from mgmr_lib.chapters.ch14_reconstruction import toys as filling
from mgmr_lib.chapters.shared.filling import hold_last, straight_line

use_style()
corpus = load_corpus("classroom-mosi")

# %%
predict("14.a", "Which filling is nearest to the truth?", ["mean", "repeat the last", "straight line"])

# %% [markdown]
# Every signal of this notebook is in standard deviations from its mean. So zero, which stands where a frame is lost, *is* the mean. The
# face is simulated, as always in this corpus; columns 8 and 2 are the lip corner and the brow.

# %%
signals = {"face": filling.face(corpus, [8, 2]), "swing": filling.swing(), "noise": filling.white_noise()}
x, lost_share = signals["face"].test, 0.7
keep = filling.lose(x, lost_share, seed=5)
print("clips, frames, channels:", tuple(x.shape), f" lost: {(~keep).float().mean():.2f}")

# %% tags=["baseline"]
def mean(x, keep):
    """Nothing known, nothing said: zero everywhere."""
    return torch.zeros_like(x)


rivals = {"mean": mean, "repeat the last": hold_last, "straight line": straight_line}
for name, rival in rivals.items():
    print(f"{name:16} error at the lost frames {filling.lost_error(rival, x, keep):.2f}")

# %%
fig, ax = plt.subplots(figsize=(8.0, 3.4))
filled = {name: rival(x, keep)[243, :, 0] for name, rival in rivals.items()}
figures_ch14.fillings(ax, x[243, :, 0], keep[243], filled)
ax.set_title("A smooth face hides little between two frames")
show(fig, "A simulated smile with most frames lost. The straight line between kept frames stays near the "
     "truth, repeating the last frame lags behind it, the mean ignores it.")

# %%
outcome("14.a", min(rivals, key=lambda name: filling.lost_error(rivals[name], x, keep)),
        because="What comes after a gap tells of it as much as what came before, and both are known.")

# %% [markdown]
# Putting a value between its neighbours is [interpolation](glossary.md#interpolation). It needs no training. It is the first rival of every
# reconstruction, and neither of our two papers shows it.
#
# ### Exercise 14.1 · fill by a straight line (medium, 10 minutes)
# `values` is a list with `None` where a step is lost. Beyond the outermost kept steps stay level; if nothing is kept, return zeros.


# %%
@exercise("14.1")
def fill_line(values):
    """values: l numbers or None -> l numbers."""
    # SOLUTION
    kept = [t for t, v in enumerate(values) if v is not None]
    if not kept:
        return [0.0] * len(values)
    filled = []
    for t in range(len(values)):
        before = max((k for k in kept if k <= t), default=kept[0])
        after = min((k for k in kept if k >= t), default=kept[-1])
        share = (t - before) / (after - before) if after != before else 0.0
        filled.append(values[before] + share * (values[after] - values[before]))
    return filled
    # END SOLUTION


# %%
check("14.1", fill_line)

# %%
for clip, kept in zip(x[:20, :, 0], keep[:20], strict=True):
    holes = [v if k else None for v, k in zip(clip.tolist(), kept.tolist(), strict=True)]
    theirs = straight_line(clip[None, :, None], kept[None])[0, :, 0]
    assert torch.allclose(torch.tensor(fill_line(holes)), theirs, atol=1e-5), "exercise 14.1 is not solved yet"
print("fill_line = the library's straight_line")

# %% [markdown]
# When must the line fail? When a signal turns round between two kept steps. Our second signal is a simulated head that nods and turns, with a
# period of eight steps; the third is white noise, where no step knows anything of another. Each has two channels and forty steps.
#
# **Predict, then run:** with as many steps lost as above, on which of the three is the line worse than the mean?

# %%
on = {"none": [], "the noise": ["noise"], "the swing and the noise": ["swing", "noise"],
      "all three": ["face", "swing", "noise"]}
predict("14.b", f"With {lost_share:.0%} lost, on which signals is the straight line worse than the mean?", list(on))

# %%
for name, signal in signals.items():
    kept = filling.lose(signal.test, lost_share, seed=5)
    found = {rival: filling.lost_error(rivals[rival], signal.test, kept) for rival in ("mean", "straight line")}
    print(f"{name:6}", "  ".join(f"{rival} {error:.2f}" for rival, error in found.items()))

# %%
def line_is_worse(rate):
    """The signals on which the line is worse than the mean where this share of the steps is lost."""
    off = {name: [filling.lost_error(f, s.test, filling.lose(s.test, rate, seed=5)) for f in (mean, straight_line)]
           for name, s in signals.items()}
    return [name for name, (m, line) in off.items() if line > m]


# %%
outcome("14.b", next(words for words, names in on.items() if names == line_is_worse(lost_share)),
        because="A line is not the cautious choice: it claims to know the way between two steps, and the mean claims "
        "nothing.")

# %%
fewer = (0.1, 0.3, 0.5)
assert all(line_is_worse(rate) == ["noise"] for rate in fewer)
say(f"So it is with {lost_share:.0%} lost. With {fewer[0]:.0%}, {fewer[1]:.0%} or {fewer[2]:.0%} lost the line beats "
    "the mean on the swing, too, and is worse on the noise alone: how many steps are lost decides as well.")

# %% [markdown]
# Watch it happen: a swing has a period of eight steps, and the gap grows.

# %%
from mgmr_lib.course.widgets import explore

explore(lambda fig, gap: figures_ch14.across_a_gap(fig, gap, signals["swing"].test[0, :, 0], straight_line),
        "One swing of which 1, 4 and 8 steps in a row are lost. Across one step the line is near the truth, across "
        "half a period it cuts off a turn, across a whole one it says hardly anything of what happened.",
        title="The line fails where the signal turns between two kept steps", size=(8.0, 1.9), gap=[1, 2, 4, 6, 8])

# %% [markdown]
# So a line is no safe choice: it believes that all signals are smooth. A network can *learn* how a signal moves. On noise there is nothing to
# learn: there no guess is better on average than the mean. On a finite test one may fall below it by a hair, by chance; clearly below would be a bug.

# %% [markdown]
# Where does the module stand? The picture is drawn from the library's network, in the sizes of the `laptop` profile: a box is a module with its number of weights, an arrow carries the shape that passes, steps × channels, without the clips of the batch. The paper's Figure 1 names it "Mamba-enhanced reconstruction module" [@mgmr2025].

# %%
from mgmr_lib.chapters.shared.network_map import draw_network, sketch

fig, ax = plt.subplots(figsize=(10.0, 3.4))
draw_network(ax, *sketch("mgmr"), "reconstruction")
ax.set_title("Each modality is rebuilt alone, at its own length, before any two of them meet")
show(fig, "MGMR-Net from left to right, a row each for text, audio and vision. The reconstruction, in blue, is one "
     "module a modality; what enters and what leaves it have the same number of steps and channels. Pooling onto "
     "words, the two stages and the head follow.")

# %% [markdown]
# ## 1 The module
# The paper [@mgmr2025] reads the encoded sequence $X$ of one modality: voice and face behind an LSTM, text behind its encoder, all three behind a convolution. Mamba
# layers make a guess, and a [gate](glossary.md#reconstruction-gate) mixes it with what came in:
#
# $$\hat X^{(n)} = \mathrm{Layer}^{(n)}(\hat X^{(n-1)}) \qquad \Gamma = \sigma(W_g\,\mathrm{LN}(X)) \qquad X' = \Gamma X + (1-\Gamma)\hat X$$
#
# $$X'' = W_{proj}\,\mathrm{ReLU}(\mathrm{LN}(X'))$$

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $X$, $\hat X^{(n)}$ | encoded sequence; the guess after $n$ layers, starting from $\hat X^{(0)} = X$ | $(b, l, d)$ |
# | $\Gamma$ | the gate, between 0 and 1 | $(b, l, 1)$ or $(b, l, d)$ |
# | $W_g$ | its weights | $(1, d)$ or $(d, d)$ |
# | $X'$, $X''$ | mixture; what goes on to the alignment | $(b, l, d)$ |
# | $\mathrm{LN}$, $\sigma$ | layer norm over the channels; sigmoid | |

# %% [markdown]
# > **Card: the paper is unclear.** It prints $\hat X^{(n)} = \mathrm{Layer}(X^{(n-1)})$, without a hat inside, so that a second layer would never
# > see the first one's guess. We read a hat on both sides. (A hat may have been lost in our copy of the text.) Its words "combining the outputs from each layer" could mean a sum over layers; its equation takes the last layer's, and so do we.

# %% [markdown]
# > **Card: the paper is unclear.** $W_g \in \mathbb{R}^{d}$ [@mgmr2025] is one row: a *scalar* gate, the same for all channels of a step. Its
# > product between $\Gamma$ and $X$, if it is the elementwise one of its section 3.3.1, would fit a gate for each channel too, with a square matrix. We take the scalar as default,
# > `gate="channel"` is an option, and section 3 measures both.

# %% [markdown]
# ### Exercise 14.2 · the gate (medium, 8 minutes)
# `normed` is the layer norm of `x`. Return the mixture $X'$. One line of code should serve both shapes of `W`.


# %%
@exercise("14.2")
def gated_mix(x, guess, normed, W):
    """x, guess, normed (b,l,d); W (1,d) or (d,d) -> (b,l,d)."""
    # SOLUTION
    gamma = torch.sigmoid(normed @ W.T)
    return gamma * x + (1 - gamma) * guess
    # END SOLUTION


# %%
check("14.2", gated_mix)

# %% [markdown]
# > **Card: the paper is unclear.** $W_{proj}$ makes all modalities equally wide, for the fusion. Yet if the loss compares the same output with raw features (next card),
# > 20 numbers per frame for the face and 5 for the voice [@mgmr2025], it cannot have both widths. We give the mixture $X'$ two heads:
# > $W_{proj}$ for the fusion, and a linear decoder to the raw width for the loss.

# %% [markdown]
# > **Card: the paper is unclear.** Section 3.4 defines $X$ as the *encoded* sequence, and its loss compares with $X$ where the mask is [@mgmr2025]. So the target may be the encoding of the complete clip instead of raw features: then one width
# > would do. But encodings learn, and a loss between them is least where all of them are alike; and section 3 names "the original complete modality features" as supervision. We take raw features for voice and face, and for text the frozen encoder's output.

# %% [markdown]
# Now the whole module, from matrices. The Mamba layers come from notebook 07; they are pre-norm and residual, $x + \mathrm{block}(\mathrm{LN}(x))$, which is *ours*: the paper prints neither a residual nor a norm
# inside its layers (card in notebook 12). At padding $X''$ is zero.

# %%
def norm(x, layer):
    """Layer norm over the channels."""
    centred = x - x.mean(-1, keepdim=True)
    scale = torch.sqrt(centred.square().mean(-1, keepdim=True) + layer.eps)
    return centred / scale * layer.weight + layer.bias


def by_hand(module, x, valid):
    """x (b,l,d), valid (b,l) -> X'' (b,l,d), decoded (b,l,raw)."""
    guess = x
    for layer in module.layers:
        guess = layer(guess, valid)
    mixed = gated_mix(x, guess, norm(x, module.gate_norm), module.gate.weight)
    fused = torch.relu(norm(mixed, module.out_norm)) @ module.project.weight.T
    return fused * valid[..., None], mixed @ module.decode.weight.T + module.decode.bias


# %%
from mgmr_lib.models.mgmr.reconstruction import ReconstructionModule

valid = torch.arange(30) < torch.tensor([30, 4, 17])[:, None]
encoded = torch.randn(3, 30, 16, generator=torch.Generator().manual_seed(2)) * valid[..., None]
for depth, gate in ((1, "scalar"), (2, "scalar"), (1, "channel")):
    torch.manual_seed(0)
    module = ReconstructionModule(16, 20, depth, gate=gate, d_state=8).eval()
    with torch.no_grad():
        for ours, theirs in zip(by_hand(module, encoded, valid), module(encoded, valid)[:2], strict=True):
            assert torch.allclose(ours, theirs, atol=1e-6)
print("by hand = the library's ReconstructionModule, with one layer and two, with both gates")

# %% [markdown]
# Put the residual layer into the mixture, for one layer with block $M$:
#
# $$X' = \Gamma X + (1-\Gamma)\,(X + M(X)) = X + (1-\Gamma)\,M(X)$$
#
# So in *our* module $X$ always comes through whole, and the gate only scales the *correction*. Where $\Gamma$ is 1 nothing is corrected. In the paper's, without the residual, the same gate can shut $X$ out: there it chooses between input and
# guess. (Since $M$ can scale itself too, look at how a gate *changes*, and not at its level.)

# %% [markdown]
# What may the module look at? Not at lost frames, nor at padding. We shout into both and listen.
#
# **Predict, then run:** which outputs at valid steps move?

# %%
listeners = ["none", "those at the lost steps", "those behind a shout", "all"]
predict("14.c", "Which outputs at valid steps move?", listeners)

# %%
net = filling.fresh()
loud = x.clone()
loud[~keep] = 1000.0
with torch.no_grad():
    moved = (net(loud, keep)[0] - net(x, keep)[0]).abs().amax(-1) > 0
    shouted = encoded.masked_fill(~valid[..., None], 1000.0)
    by_padding = [(after - before)[valid].abs().max().item() > 1e-5
                  for before, after in zip(module(encoded, valid), module(shouted, valid), strict=True)]
print("a shout at lost frames moves something:", bool(moved.any()))
print("a shout in the padding moves something at valid steps:", any(by_padding))

# %%
assert not moved.any() and not any(by_padding)
outcome("14.c", "none", because="What is lost is hidden before the first layer that mixes steps, not after the last.")

# %% [markdown]
# ## 2 The loss, and how to cheat it
# The paper compares reconstruction and truth by [SmoothL1](glossary.md#smoothl1), on "corrupted segments" only [@mgmr2025]. With $e$ the
# difference of one number:
#
# $$\ell(e) = \tfrac12 e^2 \ \text{ if } |e| < 1, \qquad |e| - \tfrac12 \ \text{ otherwise}$$
#
# ### Exercise 14.3 · SmoothL1 (easy, 5 minutes)
# Write it elementwise. Large differences, of either sign, count linearly.


# %%
@exercise("14.3")
def smooth_l1(x, y):
    """x, y: tensors of one shape -> the loss of each element."""
    # SOLUTION
    e = (x - y).abs()
    return torch.where(e < 1, 0.5 * e**2, e - 0.5)
    # END SOLUTION


# %%
check("14.3", smooth_l1)

# %% [markdown]
# A colleague trains with `smooth_l1(value, target).mean()`, at a missing rate of 0.1, and reports a splendid loss. We give her loss a *copier*, which
# returns what it gets: the truth where a step is kept, zero where it is lost. It has never guessed anything.
#
# **Predict, then run:** what does the copier's loss look like at missing rates 0.1, 0.5 and 0.9, and what does it say at the lost steps alone?

# %%
changes = {(True, False): "over all positions it grows, at the lost ones it stays",
           (True, True): "both grow", (False, False): "both stay",
           (False, True): "over all positions it stays, at the lost ones it grows"}
predict("14.d", "What happens to the copier's loss as more steps are lost?", list(changes.values()))

# %%
rates = [0.1, 0.3, 0.5, 0.7, 0.9]
copier = {"all positions": [], "lost ones only": []}
for rate in rates:
    kept = filling.lose(x, rate, seed=5)
    loss = smooth_l1(x.masked_fill(~kept[..., None], 0.0), x)
    copier["all positions"].append(loss.mean().item())
    copier["lost ones only"].append(loss[~kept].mean().item())
for name, values in copier.items():
    print(f"{name:15}", " ".join(f"{v:.2f}" for v in values))

# %%
grows = tuple(values[-1] > 1.5 * values[0] for values in copier.values())
outcome("14.d", changes[grows], because="Each kept step counts as a success for a copier, and a low rate keeps most.")

# %% [markdown]
# Over all positions the copier looks nearly ten times better at rate 0.1 than it is. The fewer steps are lost, the better it looks. At the lost steps it is the
# mean, at every rate.
#
# ### Exercise 14.4 · find the bug: what the loss looks at (harder, 12 minutes)
# Mend her loss: the average over the elements of steps that were there (`valid`) and were lost. `F.smooth_l1_loss` is allowed. If nothing is
# lost, return 0.


# %%
def colleagues_loss(value, target, valid, keep):
    return F.smooth_l1_loss(value, target)


# %%
@exercise("14.4")
def lost_loss(value, target, valid, keep):
    """value, target (b,l,d); valid, keep (b,l) -> a scalar tensor."""
    # SOLUTION
    lost = valid & ~keep
    if not lost.any():
        return value.new_zeros(())
    return F.smooth_l1_loss(value[lost], target[lost])
    # END SOLUTION


# %%
check("14.4", lost_loss)

# %%
from mgmr_lib.models.output import Output, Reconstruction
from mgmr_lib.training.losses import LossWeights, joint_loss

value, target = torch.randn(2, 3, 30, 20, generator=torch.Generator().manual_seed(3))
kept = valid & filling.lose(value, 0.4, seed=1)
output = Output(torch.zeros(3), {"vision": Reconstruction(value, target, valid & ~kept)})
theirs = joint_loss(output, torch.zeros(3), LossWeights())["vision"]
assert torch.allclose(lost_loss(value, target, valid, kept), theirs, atol=1e-6), "exercise 14.4 is not solved yet"
print("lost_loss = the vision term of the library's joint loss")

# %% [markdown]
# Does it matter for training? We train the module twice on the face, at rate 0.1, once with each loss.
#
# **Predict, then run:** whose guesses are better *at the lost steps*, and who is better at the kept ones?

# %%
winners = {(True, True): "the loss on lost steps wins at both",
           (True, False): "the loss on lost steps wins at the lost ones, the other at the kept ones",
           (False, False): "the loss on all positions wins at both"}
predict("14.e", "Which training wins at the lost steps, and which at the kept ones?", list(winners.values()))

# %% tags=["signature"]
face = signals["face"]
honest = filling.train_filling(filling.fresh(), face.train, rate=0.1)
cheated = filling.train_filling(filling.fresh(), face.train, rate=0.1, everywhere=True)


def errors(fill, x):
    """Error at the lost steps for every rate."""
    return [filling.lost_error(fill, x, filling.lose(x, rate, seed=5)) for rate in rates]


by_loss = {"loss on all positions": errors(cheated, face.test), "on the lost ones": errors(honest, face.test)}
lost_at_10 = [values[0] for values in by_loss.values()]

# %%
first = filling.lose(face.test, 0.1, seed=5)
with torch.no_grad():
    at_kept = [(n(face.test, first)[0] - face.test)[first].abs().mean() for n in (cheated, honest)]
say("Asked about all positions, the module **copies better and guesses worse**: nine of ten positions pay for "
    "copying. The honest loss leaves the kept steps alone, and its guesses are better by a wide margin.")

# %%
fig = plt.figure(figsize=(8.0, 3.2))
figures_ch14.leak(fig, rates, copier, by_loss)
fig.suptitle("A loss over all positions praises the copier, and at rate 0.1 trains worse guesses", x=0.01, ha="left")
show(fig, "Left: the copier's loss over all positions falls towards zero as fewer steps are lost, at the lost "
     "ones it is the same at every rate. Right: errors at lost steps after training with either loss at rate "
     "0.1; the honest loss gives the lower curve.")

# %%
assert lost_at_10[0] > 1.2 * lost_at_10[1] and at_kept[0] < 0.8 * at_kept[1]
outcome("14.e", winners[lost_at_10[1] < lost_at_10[0], bool(at_kept[1] < at_kept[0])],
        because="At this rate nine of ten positions pay for copying, whose answer stands in the input.")

# %% [markdown]
# That is for this rate. Trained at rates from 0 to 1, as below, the loss on all positions guesses better where few steps are lost, and worse where most are. *Trained* with nine in ten lost, the two losses ask for nearly the same, and the one on all positions
# is ahead by a little (the course's tests run both). What it says of a *copier* stays wrong at every rate: as a score of guesses it is never to be read.

# %% [markdown]
# > **Card: the paper is unclear.** Its loss is a plain *sum* over steps [@mgmr2025], so that long clips and wide modalities weigh more. The face
# > with its 709 numbers per frame would drown the rest, unless the weights $\alpha_m$ (notebook 15), which it does not give, hold it down; for long clips no such weight is there. We divide by the number of lost elements.

# %% [markdown]
# > **Card: the paper is unclear.** In which units does it compare? It does not say [@mgmr2025]. Pitch has hundreds of hertz, an action unit lies
# > between 0 and 5. We standardise all targets by the training split, so that a one is a standard deviation. For text the target is the encoding of
# > the complete sentence, without gradient.

# %% [markdown]
# ## 3 Can it beat a line?
# Now the module learns each of the three signals, each batch at random rates from 0 to 1, encoder in front, honest loss. This is the
# paper's causal module with its scalar gate.
#
# **Predict, then run:** on which signals will it beat the straight line?

# %%
beaten = {"none": [], "the face and the swing": ["face", "swing"], "the swing and the noise": ["swing", "noise"],
          "all three": ["face", "swing", "noise"]}
predict("14.f", "On which signals does the module beat the straight line?", list(beaten))

# %%
printed = {name: filling.train_filling(filling.fresh(), signals[name].train) for name in ("face", "swing")}

# %% [markdown]
# In front of the module stands an encoder with an LSTM, which can guess, too. So a second rival learns: the encoder alone, with a linear decoder.

# %%
encoder_alone = {name: filling.train_filling(filling.fresh_encoder(), signals[name].train,
                                             steps=50 if name == "noise" else 100) for name in signals}

# %% [markdown]
# And the control: on white noise nothing may beat the mean, neither the line nor the module.

# %% tags=["control"]
printed["noise"] = filling.train_filling(filling.fresh(), signals["noise"].train, steps=50)
found = {}
for name, signal in signals.items():
    fills = {"mean": mean, "straight line": straight_line, "module": printed[name]}
    fills["encoder alone"] = encoder_alone[name]
    found[name] = {who: errors(fill, signal.test) for who, fill in fills.items()}
for m, line, *learned in zip(*found["noise"].values(), strict=True):
    assert all(0.98 * m < error < 1.05 * m < line for error in learned)
say("On noise both learn to say the mean, and the line is worse than that at every rate: no leak.")

# %%
fig = plt.figure(figsize=(8.0, 3.2))
figures_ch14.error_panels(fig, rates, found)
fig.suptitle("The line wins on the smooth face, the module where the signal swings", x=0.01, ha="left")
show(fig, "Error at lost steps against the missing rate. Face: the line is below the module at all rates, "
     "both below the mean. Swing: the module is far below line and mean, and the line passes the mean. The encoder "
     "alone lies a little above the module on both. Noise: module, encoder and mean coincide, the line lies above.")

# %%
line, module_error = (found["face"][k] for k in ("straight line", "module"))
assert all(m > 1.1 * s for m, s in zip(module_error, line, strict=True))
assert max(module_error) < found["face"]["mean"][0]
line, module_error = (found["swing"][k] for k in ("straight line", "module"))
assert all(m < 0.8 * s for m, s in zip(module_error, line, strict=True))
share = {name: 1 - sum(found[name]["module"]) / sum(found[name]["encoder alone"]) for name in ("face", "swing")}
assert all(e < 0.9 * s for e, s in zip(found["swing"]["encoder alone"], line, strict=True)) and share["face"] > 0.03
say("**On our smooth face the straight line wins, at every rate.** On the swing the module, encoder in front, wins by "
    "a wide margin: the period is learned, which a line cannot know. **The encoder alone beats the line there, too**; "
    f"the module takes {share['swing']:.0%} off its error ({share['face']:.0%} on the face).")

# %%
better_than_line = [name for name, of_filling in found.items()
                    if all(m < s for m, s in zip(of_filling["module"], of_filling["straight line"], strict=True))]
outcome("14.f", next(words for words, names in beaten.items() if names == better_than_line),
        because="Learning is no advantage in itself: it pays where what the line takes for granted is false.")

# %% [markdown]
# How much the module adds hangs on the training: six times as long (the course's tests run it), it takes less than 5 % off the encoder's error on the swing, and still about a tenth on the face.

# %% [markdown]
# For smooth features, this module after a short training does not yet do what a line does for free. A fairer rival is missing: *repeating the last step* (section 0) knows the past alone.
# Add it to `fills`: on the face it too beats the module. That is the short training: after one twelve times as long (the course's tests run it) it passes that rival at every rate, and the line at none. That it looks back only is the next question.

# %% [markdown]
# ### What the printed module cannot see
# > **Card: two readings.** The printed layers run forward in time, so a lost step knows its past alone [@mgmr2025]. Yet nothing forces
# > that: the whole clip is there when we reconstruct, and stage 1 reads both ways. We keep the printed, causal module as default;
# > `bidirectional=True` replaces its layers by Bi-Mamba (notebook 07).

# %%
swing = signals["swing"]
both = filling.train_filling(filling.fresh(bidirectional=True), swing.train)
channel = filling.train_filling(filling.fresh(gate="channel"), swing.train)
readings = {"printed": printed["swing"], "channel gate": channel, "both directions": both}
swing_errors = {name: errors(net, swing.test) for name, net in readings.items()}

# %% [markdown]
# **Predict, then run:** the camera starts late, and the first eight steps are lost. Which of them can each module guess?

# %%
predict("14.g", "Of the first eight steps, which can the printed module guess?",
        {"none": 0, "the last one": 1, "the last four": 4, "all eight": 8})

# %%
late = torch.ones(swing.test.shape[:2], dtype=torch.bool)
late[:, :8] = False
steps = {"mean": swing.test.abs().mean((0, 2))[:16]}
with torch.no_grad():
    for name in ("printed", "both directions"):
        steps[name] = (readings[name](swing.test, late)[0] - swing.test).abs().mean((0, 2))[:16]

# %%
fig, ax = plt.subplots()
figures_ch14.late_camera(ax, steps, lost=8)
ax.set_title("Before the first frame, the printed module knows one step")
show(fig, "Error of each step where the first eight are lost. The printed module is at the mean's error for "
     "seven of them and drops at the last lost step; the module in both directions drops several steps "
     "earlier.")

# %%
assert steps["printed"][:7].min() > 0.9 * steps["mean"].mean() and steps["printed"][7] < 0.6 * steps["mean"].mean()
assert steps["both directions"][5:8].max() < 0.7 * steps["mean"].mean()
outcome("14.g", (steps["printed"][:8] < 0.75 * steps["mean"].mean()).sum(),
        because="The clip is there as a whole, but layers that run forward tell a step of its past alone.")

# %% [markdown]
# Why does the causal module know the *last* lost step? Because of the encoder: its convolution has kernel 3 for the face and 5 for the voice, and is
# centred. It looks one step ahead for the face, and two for the voice. The printed layers are causal; with *our* kernels the module is so up to that.

# %%
def better(name):
    """The share of the printed module's error that another reading takes away, averaged over rates."""
    return 1 - sum(swing_errors[name]) / sum(swing_errors["printed"])


assert abs(better("channel gate")) < 0.03 and 0.01 < better("both directions") < 0.15
say("On random gaps, a gate for each channel changes the error by less than 3 %. Both directions take a few "
    "per cent away after this short training, most of it at high rates.")

# %% [markdown]
# A short training can hide what looking ahead is worth. On the face it does: after one twelve times as long (the course's tests run it) both directions take about a sixth
# off at rates 0.7 and 0.9; at 0.9 they come level with the line, below they stay behind it.

# %% [markdown]
# ## 4 What the gate learns
# Nobody tells the gate what was lost. It sees $X$ alone. We lose twelve steps in a row and draw its mean over all test clips.
#
# **Predict, then run:** will the gate open or close inside the gap? And on noise, where every guess is worthless?

# %%
moves = ["it opens on face and swing, and stays on noise", "it closes on face and swing, and stays on noise",
         "it closes on all three", "it stays on all three"]
predict("14.h", "What does the gate do inside the gap?", moves)

# %%
gates = {}
for name, net in printed.items():
    gap = torch.ones(signals[name].test.shape[:2], dtype=torch.bool)
    gap[:, 12:24] = False
    with torch.no_grad():
        gates[name] = net(signals[name].test, gap)[1].mean((0, 2))

# %%
fig, ax = plt.subplots()
figures_ch14.gap_gates(ax, gates, (12, 24))
ax.set_title("The gate closes as the gap goes on, where a guess is worth something")
show(fig, "Mean gate of each step, with twelve lost steps in the middle. On face and swing the gate falls "
     "within the gap, so more of the correction comes through, and rises behind it. On noise it stays high "
     "and level.")

# %%
change = {name: (gate[23] / gate[8]).item() for name, gate in gates.items()}
assert (gates["noise"][23] - gates["noise"][8]).abs() < 0.08 and max(change["face"], change["swing"]) < 0.85
outcome("14.h", moves[1], because="Nobody tells the gate what is lost: it learned to give way where a guess lowers the "
        "loss, and only there.")

# %% [markdown]
# So the gate finds gaps by itself: in $X$, zeros must look different from frames. After this short training it takes the whole gap to do so; after one twelve times as long (run in the tests), three lost steps of the face are most of the way. A mask as an input would tell it at once; neither the paper's equations nor our module hand it one.

# %% [markdown]
# ## 5 Does it help the prediction?
# Filling makes no information: whatever is put into a gap was computed from the same kept frames. So where could it help? Let us ask the simplest
# reader: a ridge on the average of each clip's five voice features (simulated), fitted on complete clips, tested on broken ones.
#
# **Predict, then run:** zeros in the gaps, a straight line, or the average of the kept frames alone. How do they rank?

# %%
ranks = ["zeros worst, the other two alike", "line best, then the kept frames, then zeros",
         "kept frames best, then the line, then zeros", "all three alike"]
predict("14.i", "How do the three rank when most frames are lost?", ranks)

# %%
import numpy as np

from mgmr_lib.data.missing import draw_masks
from mgmr_lib.evaluation.references import fit_ridge

train, test = corpus["train"], corpus["test"]
centre, scale = train.audio.values.mean(0), train.audio.values.std(0)


def clip_means(split, rate, how):
    """(n, 5): each clip's average voice, its gaps filled by `how`."""
    masks, rows = draw_masks(split, rate, seed=1)["audio"], []
    for i, kept in enumerate(masks):
        x = torch.from_numpy((split.audio[i] - centre) / scale)[None]
        rows.append(how(x, torch.from_numpy(kept[: x.shape[1]])[None])[0].numpy())
    return np.stack(rows)


# %%
fills = {
    "zeros": lambda x, k: (x * k[..., None]).mean(1),
    "straight line": lambda x, k: straight_line(x, k).mean(1),
    "kept frames alone": lambda x, k: (x * k[..., None]).sum(1) / k.sum(1).clamp(min=1)[:, None],
}
ridge = fit_ridge(clip_means(train, 0.0, fills["zeros"]), train.labels)
ridge_rates = [0.0, 0.5, 0.9]
said = {name: [np.abs(ridge.predict(clip_means(test, rate, how)) - test.labels).mean() for rate in ridge_rates]
        for name, how in fills.items()}
blind = float(np.abs(train.labels.mean() - test.labels).mean())
for name, values in said.items():
    print(f"{name:18}", " ".join(f"{v:.2f}" for v in values))

# %%
fig, ax = plt.subplots(figsize=(8.0, 2.8))
figures_ch14.filled_ridge(ax, ridge_rates, said, blind)
ax.set_title("Filling repairs what the zeros broke, and adds nothing")
show(fig, "Error of the ridge on average voices against the missing rate. With zeros in the gaps it climbs to "
     "the blind rival's line; with a straight line, or with the kept frames alone, it hardly moves.")

# %%
gap = abs(said["straight line"][2] - said["kept frames alone"][2])
say(f"At rate 0.9, zeros cost the ridge {said['zeros'][2] - said['zeros'][0]:.2f} points. The line wins them "
    "back, and so does leaving the lost frames out: the zeros were the damage, not the loss.")

# %%
assert said["zeros"][2] > said["straight line"][2] + 0.05 and gap < 0.01
outcome("14.i", ranks[0], because="A filled gap repeats its neighbours: an average that leaves gaps out already "
        "says what filling could say.")

# %% [markdown]
# A network could learn by itself to look past zeros. There is a second reason for caution: `laptop` and `tuned` average frames before the network
# sees them. A pooled step counts as lost only if *all* its frames are.

# %%
from mgmr_lib.training.config import make_config

pooled = [(m, getattr(make_config("mgmr", p), f"pool_{m}"), p)
          for p in ("laptop", "tuned") for m in ("audio", "vision")]
for modality, frames, profile in pooled:
    lengths, shares = getattr(test, modality).lengths, []
    for rate in (0.5, 0.7, 0.9):
        clips = list(zip(draw_masks(test, rate, seed=1)[modality], lengths, strict=True))
        has_data = [kept[i : min(i + frames, n)].any() for kept, n in clips for i in range(0, n, frames)]
        shares.append(f"{1 - np.mean(has_data):.3f}")
    print(f"{profile:6} {modality:6} {frames} frames a step; lost steps at rates 0.5, 0.7, 0.9: {' '.join(shares)}")

# %% [markdown]
# Averaging over what is left *is* a reconstruction, the simplest one. At rate 0.5 hardly a step of voice or face is left to guess. (At 0.9 most lost ones are in `laptop` a clip's last, of fewer frames; a full one is lost with chance $0.9^{32}$, or 0.03. With half as many frames a step, as in `tuned`, most are full ones.)
# What remains for the loss is text, and the highest rates.

# %% [markdown]
# Does the whole module help the whole network? That takes trainings of minutes. The next cells show what was recorded on all clips, MGMR-Net with its reconstruction
# and without ("w/o Recon": $W_{proj}$ alone, no loss). Learning rate, width and the like were searched for the whole network (profile `tuned`, notebook 21); the one without takes them over.

# %%
from mgmr_lib.experiments import ledger
from mgmr_lib.experiments.plan import EQUAL
from mgmr_lib.experiments.verdicts import BETTER, WORSE, family, interval_text

names = {"mgmr": "MGMR-Net", "mgmr_no_recon": "without reconstruction"}
records = [r for r in ledger.read_named(*EQUAL) if r["name"] in names]
say(ledger.provenance_line(records))

# %%
judged = family(records, [tuple(names)])
for _, d in judged.iterrows():
    effect = {BETTER: "it helps", WORSE: "it harms"}.get(d["word"], "its effect cannot be told from none")
    say(f"Recorded, {d['seeds'][0]} trainings with reconstruction and {d['seeds'][1]} without: with it the area under "
        f"the error curve changes by {interval_text(d)} points, by Welch's test over all of them (notebook 11). "
        f"So here **{effect}**.")
if judged.empty:
    say("One of the two networks is **not recorded yet**, so nothing is claimed.")

# %%
fig, ax = plt.subplots(figsize=(8.0, 2.8))
figures_ch14.recorded_ablation(ax, ledger.curves(records), names)
show(fig, "Recorded error curves of MGMR-Net with and without its reconstruction, a thin line a training. "
     "Nothing in this picture was computed by this notebook.")

# %% [markdown]
# ## Limits
# - Two channels, forty steps, a short training of one seed each: what a larger module does was not measured.
# - Steps get lost by independent coins, so below the highest rate most gaps are short, which flatters the line. Bursts are harder for whoever draws on neighbours.
# - Face and voice are simulated; a tracker's output may be less smooth. On real features, draw the rivals first.
# - A whole step is lost at once. Where channels fail one by one, the others may tell something.

# %% [markdown]
# ## Summary
# - The module guesses, mixes by a gate, projects for the fusion and decodes for the loss. Its gate scales a correction.
# - The loss counts lost steps only. Over all positions it praises a copier.
# - After a short training, a line wins on the smooth face, encoder and module on the swing, nobody on noise.
# - As printed the module is causal, up to the convolution's look ahead.
# - Filling adds no information; it can repair what zeros broke, and give a network more to learn.

# %%
progress("14")
