# ---
# jupyter:
#   mgmr:
#     title: Missing rates
#     claim: "A network under missing data is a curve, and a curve says nothing until a blind rival stands beside it."
#     goals:
#       - lose steps exactly as the protocol says, and count whether we did
#       - train MGMR-Net and draw its error over missing rates
#       - turn a curve into one number, and know what that number hides
#       - say what no network can beat once everything is missing
#     minutes: 55
#     budget_s: 75
#     device: cpu
#     requires: ["00", "01", "08", "09", "10"]
#     introduces: []
# ---
# %% [markdown]
# ## A sentence to check
# As more of the input goes missing, the paper says, MGMR-Net shows "only marginal degradation in both the F1-score and MAE"
# [@mgmr2025]. How would we check such a sentence?
#
# **Predict, then run:** sketch on paper: missing rate from 0 to 1 to the right, error upwards. One curve for MGMR-Net, one line for
# a rival that sees nothing. Where do they meet?

# %%
import os
from dataclasses import replace

import numpy as np
from matplotlib import pyplot as plt

from mgmr_lib.course import check, exercise, hint, progress, say, show, use_style
from mgmr_lib.data.load import load_corpus

use_style()
corpus = load_corpus("classroom-mosi")

# %% [markdown]
# We start the training now and ask questions afterwards. All sizes come from a profile: `fast` trains on a part of the clips, in seconds,
# and is a sketch; `laptop` takes minutes, and section 5 shows what was recorded with it. Voice and face are simulated, as everywhere in
# this corpus.

# %%
from mgmr_lib.training.config import make_config
from mgmr_lib.training.setup import prepare
from mgmr_lib.training.trainer import Trainer, predict

config = make_config("mgmr", os.environ.get("MGMR_PROFILE", "fast"))
setup = prepare(config, corpus)
train, test = setup.splits["train"], setup.splits["test"]

# %%
history = Trainer(setup, quiet=True).run().history

# %%
fig, ax = plt.subplots(figsize=(6.0, 2.6))
ax.plot([h["epoch"] + 1 for h in history], [h["valid_mae"] for h in history], "o-")
ax.set(title="It learns something. Is that good?", xticks=[h["epoch"] + 1 for h in history])
ax.set(xlabel="epoch (passes over the training clips)", ylabel="valid error (points)")
show(fig, "Mean absolute error on the validation clips after each epoch, averaged over the missing rates "
     f"{', '.join(map(str, setup.valid_rates()))}. The curve falls, but from it alone nobody can tell good from bad.")
assert min(h["valid_mae"] for h in history) < history[0]["valid_mae"]

# %% [markdown]
# A falling curve is no result: the scale of the error means nothing without a rival. And what is it that went missing? We settle
# that first.
#
# ## 1 What exactly is lost
# Each step of each modality tosses its own coin. With a uniform draw $u$ from 0 to 1, a step is kept where
#
# $$u \ge r \quad\text{or the step is protected}$$

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $r$ | missing rate | one number in 0..1 |
# | $u$ | a draw for every step, from a seed that depends on clip and modality | $l$ numbers in $[0, 1)$ |
# | keep | what a network may see | $l$ booleans |
# | valid | True on the clip's own steps, False in the padding behind them | $l$ booleans |

# %% [markdown]
# ### Exercise 21.1 · keep or lose (easy, 5 minutes)
# `draws` is a list of numbers in $[0, 1)$, `rate` a number from 0 to 1, `protected` a list of booleans. Return the list of booleans
# that says which steps are kept.


# %%
@exercise("21.1")
def keep_steps(draws, rate, protected):
    """draws (l numbers), rate, protected (l booleans) -> keep (l booleans)."""
    # SOLUTION
    return [u >= rate or p for u, p in zip(draws, protected, strict=True)]
    # END SOLUTION


# %%
check("21.1", keep_steps)

# %% [markdown]
# The library does the same for whole splits. We give one clip's draws to your function, and the same seed to the library's
# `keep_mask`. `[CLS]` and `[SEP]`, the first and the last token, are protected.

# %%
from mgmr_lib.data.missing import clip_seed, keep_mask, protected_tokens, valid_mask

one = corpus["test"].select([corpus["test"].ids.index("video0090$_$15")])
seed = clip_seed(one.ids[0], "text", seed=1)
valid, protected = valid_mask(one.token_lengths), protected_tokens(one.token_lengths)
draws = np.random.default_rng(seed).random(valid.shape[1]).tolist()
for rate in (0.0, 0.3, 1.0):
    theirs = keep_mask(valid, rate, [seed], protected)[0].tolist()
    assert keep_steps(draws, rate, protected[0].tolist()) == theirs, "exercise 21.1 is not solved yet"

# %% [markdown]
# **Predict, then run:** the next picture shows one clip's masks for rates from 0 to 1, a row each. A frame is lost at rate 0.3. Can it
# be back at 0.5? Will voice and face lose the same moments?

# %%
from mgmr_lib.course import figures_experiments as draw

fig = plt.figure(figsize=(8.0, 2.8))
draw.nested_masks(fig, one, [i / 10 for i in range(11)])
fig.suptitle("Lost once, lost at every higher rate; each modality for itself", x=0.01, ha="left")
show(fig, "Kept steps (dark) of one clip, a row a missing rate. Down each column dark turns to light once and never "
     "back; the three patterns differ; the text's first and last token stay dark to the end.")

# %% [markdown]
# Since the draws stay and only the bar $r$ rises, the masks are nested: a curve over rates follows the same clips as they fade, instead of
# new accidents at each rate. Other seeds give other accidents.
#
# Did we lose as much as we asked for? That has to be counted, and it is easy to count wrongly.

# %% [markdown]
# ### Exercise 21.2 · find the bug (medium, 8 minutes)
# A colleague asks for rate 0.5 and counts what share of the voice's frames is lost in 3 clips. Her function says much more
# than 0.5. Look at what `valid` holds for the shorter clips, and count correctly: lost steps over steps that were there.


# %%
def colleagues_share(keep, valid):
    return 1 - keep.mean()


three = test.select(np.argsort(test.audio.lengths)[[0, len(test) // 2, -1]])
valid = valid_mask(three.audio.lengths)
keep = keep_mask(valid, 0.5, seed=1)
print("frames:", three.audio.lengths.tolist(), f" lost, she says: {colleagues_share(keep, valid):.2f}")


# %%
@exercise("21.2")
def lost_share(keep, valid):
    """keep, valid: (n, l) boolean arrays -> the share of valid steps that were lost, one number."""
    # SOLUTION
    return (valid & ~keep).sum() / valid.sum()
    # END SOLUTION


# %%
check("21.2", lost_share)

# %%
from mgmr_lib.data.missing import draw_masks, valid_steps

masks, valid = draw_masks(test, 0.5, seed=1), valid_steps(test)
realised = {m: float(lost_share(masks[m], valid[m])) for m in masks}
print({m: round(share, 2) for m, share in realised.items()})

# %% [markdown]
# Voice and face lose what we asked for. The text loses a little less, because `[CLS]` and `[SEP]` are there and never lost: the shorter a
# sentence, the more that matters.

# %% [markdown]
# That is the test. For training there are two customs, and results of one must not be set beside results of the other. Each is a
# [protocol](glossary.md#protocol):
#
# | | protocol A | protocol B |
# |---|---|---|
# | models | one for each rate | one for all rates |
# | training masks | that rate, never redrawn | each clip and modality draws its own rate; half of the clips are complete; redrawn every epoch |
# | reported | area over rates 0 to 1 | mean over rates 0 to 0.9 |

# %% [markdown]
# MFMB-Net follows A [@mfmb2025]. MGMR-Net's text fits B best [@mgmr2025], and we train by B: one network must cope with
# whatever comes. Here are the rates that our training drew.

# %%
from mgmr_lib.data.missing import train_rates

fig = plt.figure(figsize=(8.0, 3.0))
drawn = [train_rates(train.ids, epoch, config.seed) for epoch in (0, 1)]
draw.training_rates(fig, drawn)
fig.suptitle("Protocol B: every clip loses another share in every epoch", x=0.01, ha="left")
show(fig, "Rates that the training clips drew in two epochs, a dot a clip, text against voice. Half of the clips sit "
     "at (0, 0), complete; the others fill the square evenly, and in the next epoch they lie elsewhere.")

# %% [markdown]
# > **Paper and code differ.** The paper replaces lost frames "with zero vectors, effectively introducing white Gaussian noise"
# > [@mgmr2025]. A zero is no noise. All published code that we read uses zeros, and so do we; `mask_features` has noise as an option.

# %% [markdown]
# ## 2 The curve, and its rivals
# Two rivals need no network. The blind rival says the mean training label to everything. The [text ridge](glossary.md#text-ridge) of notebook 00
# reads the same masked words as the network, and nothing else; it is fitted on the same training clips.

# %% tags=["baseline"]
from mgmr_lib.evaluation.references import mean_predictor, text_ridge

readers = {
    "MGMR-Net": lambda masked: predict(setup.model, masked),
    "text ridge": text_ridge(setup.complete_text("train"), train.labels),
    "blind rival": mean_predictor(train.labels),
}

# %% [markdown]
# And one thing that must *not* work, a [negative control](glossary.md#negative-control): the same network, trained in the same way, after the
# labels of the training clips were dealt out at random. There is nothing to learn. Should it beat the blind rival on the test clips all the same,
# then our pipeline lets it see what it must not.

# %% tags=["control"]
shuffled = prepare(replace(config, shuffle_labels=True), corpus)
Trainer(shuffled, quiet=True).run()
readers["control: shuffled labels"] = lambda masked: predict(shuffled.model, masked)

# %% [markdown]
# **Predict, then run:** at which rate will MGMR-Net lead the text ridge by most: complete, half lost, or nearly all lost?

# %% tags=["signature"]
from mgmr_lib.evaluation.missing_rates import missing_rate_records

rates = [0.0, 0.25, 0.5, 0.75, 1.0]
records = missing_rate_records(
    readers, lambda rate, seed: setup.masked("test", rate, seed), corpus.family, rates, [1], quiet=True)
mae = {name: [r["mae"] for r in found] for name, found in records.items()}

# %%
fig = plt.figure(figsize=(8.0, 3.4))
draw.curves(fig, records)
fig.suptitle("With everything lost, all readers are blind", x=0.01, ha="left")
show(fig, "Error (lower is better) and correlation (higher is better) against the missing rate, on the same "
     "masks. MGMR-Net and the text ridge get worse as more is lost; at rate 1 nobody is clearly better than the "
     "blind rival, and the control never is.")

# %% [markdown]
# What may we say after one short training, one mask seed and a part of the clips? Only what holds by a wide margin. Anything finer is
# for section 5.

# %%
net, ridge, blind, control = (np.array(mae[name]) for name in readers)
assert net[0] < blind[0] - 0.05 and net[0] < net[2] < net[-1]
assert (control > blind - 0.05).all()
say("MGMR-Net beats the blind rival while all is there, and loses that lead step by step. The network with "
    "shuffled labels is never ahead of the blind rival by more than 0.05 points, at any rate: no leak.")

# %%
for rate, lead in zip(rates, ridge - net, strict=True):
    who = "MGMR-Net leads" if lead > 0.05 else "the text ridge leads" if lead < -0.05 else "a draw"
    print(f"rate {rate}: {who}")

# %% [markdown]
# A lead of less than 0.05 points we call a draw. The ridge needs few clips to read complete sentences well, but it has never met a broken
# one. The network has met little else, and it has voice and face to fall back on, of which a share is always left.

# %% [markdown]
# ## 3 One number for a curve
# Tables have no room for curves, so the field reports the area under them, the [AUILC](glossary.md#auilc) [@mfmb2025]: between two
# neighbouring rates the curve is taken as a straight line, and the area of a strip is its width times the mean of its two heights.
#
# $$\text{AUILC} = \sum_{i=0}^{t-1} \tfrac{1}{2}\,(x_i + x_{i+1})\,(r_{i+1} - r_i)$$

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $r_0 < r_1 < \dots < r_t$ | missing rates | $t + 1$ numbers |
# | $x_i$ | the metric at rate $r_i$ | $t + 1$ numbers |

# %% [markdown]
# ### Exercise 21.3 · the area under a curve (medium, 8 minutes)
# Write the sum. The rates need not be equally far apart, nor end at 1.


# %%
@exercise("21.3")
def area(rates, values):
    """rates (increasing), values: lists of n >= 2 numbers -> the area under the straight lines between them."""
    # SOLUTION
    total = 0.0
    for i in range(len(rates) - 1):
        total += (values[i] + values[i + 1]) / 2 * (rates[i + 1] - rates[i])
    return total
    # END SOLUTION


# %%
check("21.3", area)

# %% [markdown]
# **Predict, then run:** the blind rival makes the same error at every rate. What is the area under its curve from 0 to 1?

# %%
from mgmr_lib.evaluation.metrics import auilc

areas = {name: area(rates, values) for name, values in mae.items()}
for name, values in mae.items():
    assert abs(areas[name] - auilc(rates, values)) < 1e-12, "exercise 21.3 is not solved yet"
print(f"blind rival: error {mae['blind rival'][0]:.2f} at every rate, area {areas['blind rival']:.2f}")
print(f"text ridge:  error {ridge[0]:.2f} to {ridge[-1]:.2f}, area {areas['text ridge']:.2f}")

# %%
fig, ax = plt.subplots(figsize=(8.0, 2.2))
ax.plot(list(areas.values())[::-1], list(areas)[::-1], "o", ms=9)
ax.axvline(areas["blind rival"], ls="--", color="#777777")
ax.set(title="The area sorts the readers, and hides where they differ", ylabel="reader")
ax.set(xlabel="AUILC of the mean absolute error over rates 0 to 1 (points)", ylim=(-0.5, 3.5))
show(fig, "Area under each error curve (lower is better); the dashed line is the blind rival's. "
     "The curves above say where each reader wins and loses; the area does not.")

# %%
gap = abs(areas["MGMR-Net"] - areas["text ridge"])
say(f"By area, MGMR-Net and the text ridge differ by {'less' if gap < 0.05 else 'more'} than 0.05 points, "
    f"though at single rates they differ by up to {np.abs(net - ridge).max():.1f}.")

# %% [markdown]
# The area from 0 to 1 is a mean over rates in which all rates count the same. Whether that suits you is a matter of your microphones: who
# expects to lose a tenth should look at the curve near 0.1. And the plain mean over rates 0 to 0.9, which papers by protocol B print
# [@mgmr2025], leaves the worst point out: never set it beside an area.

# %% [markdown]
# ## 4 What no network can beat
# At rate 1 the words, the voice and the face are gone. A network still sees how *long* the clip is, and if the length says nothing about the
# label, it can do no better than one constant for all clips. Which constant?

# %% [markdown]
# ### Exercise 21.4 · the best blind answer (medium, 6 minutes)
# Return the one number whose mean absolute error against `labels` is smallest. `labels` is a list of an odd number of numbers, in no
# order. (Try with 0, 0 and 3: is it their mean?)


# %%
@exercise("21.4")
def best_constant(labels):
    """labels (n numbers, n odd) -> the constant with the smallest mean absolute error."""
    # SOLUTION
    return sorted(labels)[len(labels) // 2]
    # END SOLUTION


# %%
check("21.4", best_constant)

# %%
truth = test.labels[: len(test) - 1 + len(test) % 2]
floor = float(np.abs(truth - best_constant(truth.tolist())).mean())
length_tells = np.corrcoef(test.token_lengths, test.labels)[0, 1]
assert abs(length_tells) < 0.15
say(f"Even the constant that is best *on the test labels themselves*, which nobody may know, is off by "
    f"**{floor:.2f}** points. Length and label correlate by {length_tells:.2f}: hardly a way out.")

# %% [markdown]
# So there is a floor under the right end of every honest curve, up to a few hundredths that luck or length may give. Whoever is clearly below it at
# rate 1 has seen something. Let us also try to *make* our network see: we replace every frame by loud noise and every word by another, and
# lose everything again.
#
# **Predict, then run:** by how much do the predictions change?

# %%
from mgmr_lib.data.masked import mask_split


def scream(split, rng):
    """The same clips with noise for voice and face, and random words."""
    noise = {m: replace(x, values=100 * rng.normal(size=x.values.shape).astype("float32"))
             for m, x in (("audio", split.audio), ("vision", split.vision))}
    words = np.where(split.token_ids > 998, rng.integers(2000, 20000, split.token_ids.shape), split.token_ids)
    return replace(split, token_ids=words, **noise)


# %%
some = test.select(range(50))
heard = []
for split in (some, scream(some, np.random.default_rng(0))):
    masked = mask_split(split, draw_masks(split, 1.0, seed=1), setup.encoder, targets=False)
    heard.append(predict(setup.model, masked))
assert np.abs(heard[0] - heard[1]).max() < 1e-5
assert net[-1] > floor - 0.02 and control[-1] > floor - 0.02
print("everything shouted, everything lost: no prediction moves; nobody is below the floor at rate 1")

# %% [markdown]
# Now the sentence of our opening can be checked. "Marginal degradation" is possible in two ways: the network is still good when most is
# lost, or it is hardly better than blind when nothing is. The curve shows which, but only with the blind rival in the same picture.

# %% [markdown]
# ## 5 What was recorded
# The `laptop` profile trains on all clips with a larger network, several times with different seeds, and takes minutes a
# training. Such results are not computed here: the next cells read them from the course's records and say where they come from.
#
# **Predict, then run:** which of our draws and leads will turn round?

# %%
from mgmr_lib.paths import REPOSITORY

runs = draw.recorded_runs(REPOSITORY / "data" / "results" / "laptop-classroom-mosi.json")
say(draw.recorded_provenance(runs))

# %%
say(draw.recorded_table(runs))

# %%
fig = plt.figure(figsize=(8.0, 3.4))
draw.recorded_curves(fig, runs)
fig.suptitle("Recorded: the laptop profile, all clips", x=0.01, ha="left")
show(fig, "Recorded curves, means over all trainings and mask seeds of the table above; grey is the negative control. "
     "Nothing in this picture was computed by this notebook.")

# %% [markdown]
# To record your own, type in a terminal `python -m mgmr_lib train --model mgmr --data classroom-mosi --profile laptop --seed 1111 --out runs/mine`,
# then `python -m mgmr_lib evaluate --run runs/mine --rates 0:1:0.1 --seeds 5 --references --out mine.json`.

# %% [markdown]
# ## Limits
# - One training, one mask seed: another seed moves every point a little.
# - Steps get lost by independent coins. Real losses come in bursts and have reasons, and the reasons may know the label.
# - Voice and face are simulated: what they add here says nothing about people.
# - The ridge was fitted on complete text, the network on broken text. A ridge could learn that, too.

# %% [markdown]
# ## Summary
# - A step is kept where its draw is at least the rate; masks are nested, padding is never missing, `[CLS]` and `[SEP]` stay.
# - Protocols A and B train differently and report differently: never in one table.
# - A curve needs rivals: blind, simple, and a control that must fail.
# - AUILC is a mean over rates. It sorts, and it hides where.
# - At rate 1 there is a floor. Below it there are only leaks.

# %%
progress("21")
