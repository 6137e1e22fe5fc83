# ---
# jupyter:
#   mgmr:
#     title: Missing rates
#     claim: "A network under missing data is a curve, and a curve says nothing until a blind rival stands beside it."
#     goals:
#       - train MGMR-Net and draw its error over missing rates, between rivals and a control
#       - say what no network can beat once everything is missing
#       - put a band on a curve that says what it claims
#       - say which share of a lead is lost at a rate, and judge a paper's sentence by it
#       - compare two networks in one number and rate by rate, by a rule that was fixed beforehand
#       - say which conclusions change with the world, with care for settings and with the way of losing
#     minutes: 85
#     budget_s: 90
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

from mgmr_lib.course import check, exercise, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.data.load import load_corpus

use_style()
corpus = load_corpus("classroom-mosi")

# %%
predict("21.a", "Where do MGMR-Net and the rival that sees nothing meet?",
        {"where a quarter is lost": 0.25, "where a half is lost": 0.5, "where three quarters are lost": 0.75,
         "only where all is lost": 1})

# %% [markdown]
# We start the training now and ask questions afterwards. All sizes come from a profile: `fast` trains on a part of the clips, in seconds,
# and is a sketch; `laptop` takes minutes, and section 3 shows what was recorded with it. Voice and face are simulated, as everywhere in
# this corpus.

# %%
from mgmr_lib.training import trainer
from mgmr_lib.training.config import make_config
from mgmr_lib.training.setup import prepare

config = make_config("mgmr", os.environ.get("MGMR_PROFILE", "fast"))
setup = prepare(config, corpus)
train, test = setup.splits["train"], setup.splits["test"]

# %%
history = trainer.Trainer(setup, quiet=True).run().history

# %%
fig, ax = plt.subplots(figsize=(6.0, 2.6))
ax.plot([h["epoch"] + 1 for h in history], [h["valid_mae"] for h in history], "o-")
ax.set(title="It learns something. Is that good?", xticks=[h["epoch"] + 1 for h in history])
ax.set(xlabel="epoch (passes over the training clips)", ylabel="valid error (points)")
show(fig, "Mean absolute error on the validation clips after each epoch, averaged over the missing rates "
     f"{', '.join(map(str, setup.valid_rates()))}. The curve falls, but from it alone nobody can tell good from bad.")
assert min(h["valid_mae"] for h in history) < history[0]["valid_mae"]

# %% [markdown]
# A falling curve is no result: the scale of the error means nothing without a rival. What is lost, and how, we know from notebook 09: each
# step of each modality tosses its own coin, masks of higher rates contain those of lower ones, and `[CLS]` and `[SEP]` stay. We train
# by [protocol](glossary.md#protocol) B: one network for all rates, masks drawn anew every epoch.

# %% [markdown]
# ## 1 The curve, and its rivals
# Two rivals need no network. The blind rival says the mean training label to everything. The [text ridge](glossary.md#text-ridge) of notebook 00
# reads the same masked words as the network, and nothing else; it is fitted on the same training clips.

# %% tags=["baseline"]
from mgmr_lib.evaluation.references import mean_predictor, text_ridge

readers = {
    "MGMR-Net": lambda masked: trainer.predict(setup.model, masked),
    "text ridge": text_ridge(setup.complete_text("train"), train.labels),
    "blind rival": mean_predictor(train.labels),
}

# %% [markdown]
# And one thing that must *not* work, a [negative control](glossary.md#negative-control): the same network, trained in the same way, after the
# labels of the training clips were dealt out at random. There is nothing to learn. Should it beat the blind rival on the test clips by more than luck makes,
# then our pipeline lets it see what it must not.

# %% tags=["control"]
shuffled = prepare(replace(config, shuffle_labels=True), corpus)
trainer.Trainer(shuffled, quiet=True).run()
readers["control: shuffled labels"] = lambda masked: trainer.predict(shuffled.model, masked)

# %% [markdown]
# **Predict, then run:** at which rate will MGMR-Net lead the text ridge by most: complete, half lost, or nearly all lost?

# %%
places = ["with nothing lost", "in between", "with everything lost"]
predict("21.b", "Where does MGMR-Net lead the text ridge by most?", places)

# %% tags=["signature"]
from mgmr_lib.evaluation.missing_rates import missing_rate_records

rates = [0.0, 0.25, 0.5, 0.75, 1.0]
records = missing_rate_records(
    readers, lambda rate, seed: setup.masked("test", rate, seed), corpus.family, rates, [1], quiet=True)
mae = {name: [r["mae"] for r in found] for name, found in records.items()}

# %%
from mgmr_lib.chapters.shared import experiment_figures as draw

fig = plt.figure(figsize=(8.0, 3.4))
draw.curves(fig, records)
fig.suptitle("With everything lost, all readers are blind", x=0.01, ha="left")
show(fig, "Error (lower is better) and correlation (higher is better) against the missing rate, on the same "
     "masks. MGMR-Net and the text ridge get worse as more is lost; at rate 1 nobody is clearly better than the "
     "blind rival, and the control never is.")

# %% [markdown]
# What may we say after one short training, one mask seed and a part of the clips? Only what holds by a wide margin. Anything finer is
# for section 3.

# %%
net, ridge, blind, control = (np.array(mae[name]) for name in readers)
assert net[0] < blind[0] - 0.05 and net[0] < net[2] < net[-1]
assert (control > blind - 0.08).all()
say("MGMR-Net beats the blind rival while all is there, and loses that lead step by step. The network with "
    "shuffled labels is never ahead of the blind rival by more than 0.08 points: no leak of labels that is large "
    "enough to show here.")

# %%
outcome("21.a", next(rate for rate, lead in zip(rates, blind - net, strict=True) if lead <= 0.05),
        because="What is left still says something: only with nothing to read is the network no better than its rival.")

# %%
for rate, lead in zip(rates, ridge - net, strict=True):
    who = "MGMR-Net leads" if lead > 0.05 else "the text ridge leads" if lead < -0.05 else "a draw"
    print(f"rate {rate}: {who}")

# %%
most = int(np.argmax(ridge - net))
assert ridge[most] - net[most] > 0.05
outcome("21.b", places[0 if rates[most] == 0 else 2 if rates[most] == 1 else 1],
        because="A simple reader reads complete sentences well, too, and lost ones nobody reads: training on gaps can "
        "pay where there are some.")

# %% [markdown]
# A lead of less than 0.05 points we call a draw. The ridge needs few clips to read complete sentences well, but it has never met a broken
# one. Of the network's clips every second one was broken, and below rate 1 it has what is left of voice and face to fall back on.

# %% [markdown]
# ## 2 What no network can beat
# At rate 1 the words, the voice and the face are gone. A network still sees how *long* the clip is, and if the length says nothing about the
# label, it can do no better than one constant for all clips. Which constant?

# %% [markdown]
# ### Exercise 21.1 · the best blind answer (medium, 6 minutes)
# Return the one number whose mean absolute error against `labels` is smallest. `labels` is a list of an odd number of numbers, in no
# order. (Try with 0, 0 and 3: is it their mean?)


# %%
@exercise("21.1")
def best_constant(labels):
    """labels (n numbers, n odd) -> the constant with the smallest mean absolute error."""
    # SOLUTION
    return sorted(labels)[len(labels) // 2]
    # END SOLUTION


# %%
check("21.1", best_constant)

# %%
truth = test.labels[: len(test) - 1 + len(test) % 2]
floor = float(np.abs(truth - best_constant(truth.tolist())).mean())
length_tells = np.corrcoef(test.token_lengths, test.labels)[0, 1]
assert abs(length_tells) < 0.15
say(f"Even the constant that is best *on the test labels themselves*, which nobody may know, is off by "
    f"**{floor:.2f}** points. Length and label correlate by {length_tells:.2f}: hardly a way out.")

# %% [markdown]
# So there is a floor under the right end of every honest curve, up to what luck or length may give: here hardly anything, on POM (section 5) a few hundredths. Whoever is clearly below it at
# rate 1 has seen something, or read the lengths. Let us also try to *make* our network see: we replace every frame by loud noise and every word by another, and
# lose everything again.
#
# **Predict, then run:** by how much do the predictions change?

# %%
predict("21.c", "By how much do the predictions change at most?",
        {"a few hundredths of a point": 0.05, "not at all": 0, "half a point or more": 0.5})

# %%
from mgmr_lib.data.batch import mask_split
from mgmr_lib.data.missing import draw_masks


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
    heard.append(trainer.predict(setup.model, masked))
assert net[-1] > floor - 0.02 and control[-1] > floor - 0.02
moved = np.abs(heard[0] - heard[1]).max()
print(f"everything shouted, everything lost: predictions move by {moved:.3f} points at most; "
      "nobody is below the floor at rate 1")

# %%
assert moved < 1e-5
outcome("21.c", moved, because="A lost step is replaced before the network sees it, so what stood there cannot matter, "
        "however loud it was.")

# %% [markdown]
# Now the sentence of our opening can be checked. "Marginal degradation" is possible in two ways: the network is still good when most is
# lost, or it is hardly better than blind when nothing is. The curve shows which, but only with the blind rival in the same picture; section 3 gives it a number.

# %% [markdown]
# ## 3 What was recorded
# The `laptop` profile trains on all clips with larger networks, several times with different seeds, and takes minutes a training. Such results
# are not computed here: the next cells read them from the course's ledger, a folder with one file a training, and say where they come from.

# %%
from mgmr_lib.chapters.ch21_missing_rates import figures as draw21
from mgmr_lib.evaluation.statistics import t_interval
from mgmr_lib.experiments import ledger

recorded = ledger.read_ledger()
say(ledger.provenance_line(recorded))

# %% [markdown]
# A curve is now a mean over training seeds, and a mean of three or five numbers is itself a guess. How good a guess? With $s$ trainings
# whose values are $x_1, \dots, x_s$ at some rate, Student's interval, which nineteen times of twenty holds the true mean, is
#
# $$\bar x \pm t_s \cdot \frac{\text{sd}}{\sqrt{s}}, \qquad \text{sd}^2 = \frac{1}{s - 1} \sum_i (x_i - \bar x)^2$$

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $s$ | trainings, each with its own seed | one number |
# | $x_i$ | the metric of training $i$ at this rate, its mean over mask seeds | $s$ numbers |
# | $\bar x$, sd | their mean and standard deviation | one number each |
# | $t_s$ | 12.71 for two trainings, 4.30 for three, 2.78 for five | one number |

# %% [markdown]
# **Predict, then run:** at which rates will the bands of the two networks and of Concat, the simplest fusion of notebook 11, lie apart?

# %%
predict("21.d", "Where do both networks' bands lie apart from Concat's?",
        ["at every rate", "while little is lost", "only when much is lost", "nowhere"])

# %%
fig = plt.figure(figsize=(8.6, 3.6))
draw21.bands(fig, recorded, ["mfmb", "mgmr", "concat", "fc_t", "mean"])
fig.suptitle("Recorded: means over trainings, and how sure we are of them", x=0.01, ha="left")
show(fig, "Error and correlation against the missing rate, with bands over training seeds. FC(T), which has words "
     "alone, falls behind as they go. Nothing in this picture was computed by this notebook.")

# %%
curves = ledger.curves(recorded)
bands = {name: [t_interval(at["mae"].to_numpy()) for _, at in curves[curves["name"] == name].groupby("rate")]
         for name in ("mfmb", "mgmr", "concat")}
ahead = {name: [ours["high"] < theirs["low"] for ours, theirs in zip(bands[name], bands["concat"], strict=True)]
         for name in ("mfmb", "mgmr")}
assert ahead["mfmb"][0] and ahead["mgmr"][0] and ahead["mfmb"][5] and not any(ahead["mgmr"][5:])
outcome("21.d", "while little is lost", because="A lead on complete data need not last: by half, MGMR-Net's has shrunk "
        "into the bands, while MFMB-Net's still stands out.")

# %% [markdown]
# ### Exercise 21.2 · how much of a lead is lost (easy, 5 minutes)
# Now judge the opening's sentence. A network has the value `complete` with nothing lost and `broken` with some lost; the blind rival has `blind`. Return the share of the lead over the blind rival that is
# gone: 0 for none, 1 for all. One formula serves errors (lower is better) and scores such as F1 (higher is better).


# %%
@exercise("21.2")
def lead_lost(complete, broken, blind):
    """complete, broken, blind: one number each -> the share of the lead at complete data that is gone."""
    # SOLUTION
    return (complete - broken) / (complete - blind)
    # END SOLUTION


# %%
check("21.2", lead_lost)

# %%
in_error = draw21.shares_lost(recorded, "mgmr", "mae", lead_lost)
assert in_error[0.5]["low"] > 0.25 and in_error[0.9]["low"] > 0.5
say(f"Of MGMR-Net's recorded lead in error over the mean label, {draw21.lost_said(in_error)} is gone (brackets: over "
    "trainings). Taken by itself that is no marginal degradation.")

# %% [markdown]
# But the sentence compares: "In contrast", it says, to the "clear decline" of other networks [@mgmr2025]. So here are the shares of five others that read all three modalities, by the same formula.

# %%
for name in ("mfmb", "concat", "mult", "late_lstm", "tfr"):
    lost_there = draw21.shares_lost(recorded, name, "mae", lead_lost)
    label = next(r["label"] for r in recorded if r["name"] == name)
    print(f"{label:18}" + ", ".join(f"{row['mean']:.0%} at rate {rate:g}" for rate, row in lost_there.items()))
    assert lost_there[0.9]["mean"] < in_error[0.9]["mean"] + 0.02

# %% [markdown]
# Among these five no contrast shows: none loses a clearly larger share; Concat and the late-fusion LSTM, two of the plainest, lose least up to 0.8. (After section 6's search some later rivals lose more at 0.9; the course's tests read that.)

# %%
in_f1, from_coin = (draw21.shares_lost(recorded, "mgmr", "f1_non0", lead_lost, blind) for blind in (None, 0.5))
one_class = curves.loc[curves["name"] == "mean", "f1_non0"].iloc[0]
assert in_f1[0.9]["high"] < in_error[0.9]["low"] and one_class < 0.4 and from_coin[0.9]["mean"] > in_f1[0.9]["mean"]
say(f"In F1, which the sentence names, too, it is {draw21.lost_said(in_f1)}. But there the blind rival says one class "
    f"to everything and gets {one_class:.2f}. Over a coin, which gets about 0.5, it is {draw21.lost_said(from_coin)}.")

# %% [markdown]
# So the word depends on who counts as blind; say that first. The paper's Figure 3 shows curves without numbers, and its tables print means over the rates and no blind rival, so for its own numbers the share cannot be computed [@mgmr2025].

# %% [markdown]
# One part of why the curves of the networks that have voice and face may bend so late: in `laptop` a network averages the frames of voice and face in windows, and a window is empty only when *all* of its frames are gone. We count that, for frames that go missing one by one,
# as recorded, and for the same share in bursts (notebook 09).

# %%
from mgmr_lib.training.config import make_config

laptop = make_config("mgmr", "laptop")
pools = {"audio": laptop.pool_audio, "vision": laptop.pool_vision}
some = corpus["test"].select(range(200))
lost = {pattern: draw21.steps_lost(some, pools, [0.1, 0.3, 0.5, 0.7, 0.9], pattern) for pattern in ("frames", "bursts")}
fig = plt.figure(figsize=(8.0, 3.0))
draw21.pooled_losses(fig, lost)
fig.suptitle("What a window of frames still holds", x=0.01, ha="left")
show(fig, "Share of pooled steps that hold no frame any more, against the share of frames lost, on 200 test clips. "
     "Left frames go missing one by one, right in bursts; the dotted line is a network without pooling.")
say(f"With windows of {pools['audio']} and {pools['vision']} frames and nine frames in ten lost, "
    f"**{lost['frames']['audio'][-1][1]:.0%}** of the voice's steps are empty where frames go one by one, and "
    f"**{lost['bursts']['audio'][-1][1]:.0%}** where they go in bursts.")

# %% [markdown]
# So the recorded curves are about noisy averages of voice and face, and about missing words. They say little about voices and faces that fall silent, before the very end.

# %% [markdown]
# ### Exercise 21.3 · find the bug (medium, 8 minutes)
# Each training is evaluated under several mask seeds. A colleague puts all numbers of one rate into one list and takes Student's interval
# over it. Her bands are often wonderfully narrow. What does she count as new evidence that is none? `table[i][j]` is training $i$
# under mask seed $j$; return what the interval should be taken over.


# %%
def colleagues_values(table):
    return [value for row in table for value in row]


# %%
@exercise("21.3")
def independent_values(table):
    """table: s lists (trainings) of m numbers (mask seeds) -> what an interval over trainings is made of."""
    # SOLUTION
    return [sum(row) / len(row) for row in table]
    # END SOLUTION


# %%
check("21.3", independent_values)

# %%
for rate in (0.0, 0.5, 0.9):
    found = draw21.by_training(recorded, "mgmr", rate, metric="mae")
    assert independent_values(found) is not None
    say(draw21.widths_said(rate, found, colleagues_values(found), independent_values(found)))

# %% [markdown]
# At rate 0 no mask hides anything: each number stands there three times over, and her interval shrinks without any new evidence. Elsewhere masks add a spread of
# their own, which may hide the fault. But another mask seed hides other words of the *same* trained network. What the interval has to cover is another training, and of those
# there are as many as there are seeds.

# %% [markdown]
# ## 4 One number a training, and pairs
# Tables have no room for curves: the area under one, [AUILC](glossary.md#auilc), is notebook 10's single number. Each training has its own. Two
# networks that were trained with the same seeds saw the same masks in the same order, so their areas come in pairs.

# %%
say(draw21.area_table(recorded))
say(draw21.best_in_last(recorded, "mfmb"))

# %% [markdown]
# ### Exercise 21.4 · in pairs (medium, 8 minutes)
# `first` and `second` map a training seed to an area. Return the list of differences first minus second for the seeds that both have, in
# rising order of the seed.


# %%
@exercise("21.4")
def differences(first, second):
    """first, second: {seed: area} -> differences over their common seeds, seeds rising."""
    # SOLUTION
    return [first[seed] - second[seed] for seed in sorted(set(first) & set(second))]
    # END SOLUTION


# %%
check("21.4", differences)

# %%
areas = {name: {r["training_seed"]: ledger.areas(r)["auilc", "mae"] for r in found}
         for name, found in ledger.by_name(recorded).items() if name in ("mgmr", "concat")}
pairs = differences(areas["mgmr"], areas["concat"])
same = ledger.paired(recorded, "mgmr", "concat")
assert abs(sum(pairs) / len(pairs) - same["mean"]) < 1e-12, "exercise 21.4 is not solved yet"

# %% [markdown]
# Do we pair, then? Our two have more seeds than their rivals, and pairs would drop the rest. So the table below takes Welch's test on all seeds (notebook 11).

# %%
say(draw21.two_rules(recorded, "mgmr", "concat", pairs))
say(draw21.verdicts(recorded))

# %% [markdown]
# How much of a lead is *care*? MFMB-Net's objective and sizes were chosen on extra clips, MGMR-Net's dropout on the valid split, and their rivals took the profile's. So both were trained with their rivals' as well (`experiment care`):

# %%
from mgmr_lib.experiments import results_page, verdicts
from mgmr_lib.experiments.plan import BASELINES, CARE, TWO

say(results_page.in_words(verdicts.family(recorded, [(ours, rival) for ours in CARE for rival in BASELINES])))

# %% [markdown]
# A verdict about two designs needs equal care for both. But these trainings have three seeds, and the table above has five for our two. So the same family again, with our own settings and as many seeds:

# %%
few = sorted({r["training_seed"] for r in recorded if r["name"] in CARE})
on_few = [r for r in recorded if r["name"] not in TWO or r["training_seed"] in few]
say(results_page.in_words(verdicts.family(on_few, [(ours, rival) for ours in TWO for rival in BASELINES])))

# %%
for ours, plain in zip(TWO, CARE, strict=True):
    own, without = ([ledger.areas(r)["auilc", "mae"] for r in on_few if r["name"] == n] for n in (ours, plain))
    print(f"{ours} with its rivals' care errs more by {np.mean(without) - np.mean(own):.3f} points on average")

# %% [markdown]
# In this order the *seeds* take most of the verdicts that went, and care few more; taken first, care may take as many. So compare the differences, not the words. Giving every rival as much care is the other way, in section 6.

# %% [markdown]
# README asks the same of nine later networks, too (notebook 27). Its family is larger, so Holm's procedure asks more of each difference, and a pair that is told apart here may not be there.

# %% [markdown]
# **Predict, then run:** the area is a mean over rates in which all count the same. Whose microphone rarely fails should look at the left
# end. Does the order of the networks stay the same at every rate? Move the slider.

# %%
predict("21.e", "Does the order by error stay the same from rate 0 to 0.9?",
        ["yes", "nearly: only close neighbours swap", "no: text alone falls behind voice alone and face alone"])

# %%
from mgmr_lib.course.widgets import explore

explore(draw21.at_rate(recorded),
        "Networks in order of a recorded metric at one missing rate, with intervals over training seeds. "
        "The order at complete data is not the order when little is left.",
        title="The order changes with the rate", size=(4.6, 3.4),
        rate=[i / 10 for i in range(11)], metric=["mae", "corr"])

# %%
at = curves.groupby(["name", "rate"])["mae"].mean()
lag = [at["fc_t", rate] - max(at["fc_a", rate], at["fc_v", rate]) for rate in (0.0, 0.9)]
assert lag[0] < -0.2 and lag[1] > 0
outcome("21.e", "no: text alone falls behind voice alone and face alone",
        because="An area hides where curves cross: words carry the most, and where losses come one by one they bear "
        "them worst, as a window still averages over what is left of its frames.")

# %%
say("Errors with nine tenths missing: " + ", ".join(
    f"{what} alone {at[name, 0.9]:.3f}" for name, what in (("fc_t", "text"), ("fc_a", "voice"), ("fc_v", "face")))
    + ". Section 6 asks it again of the second edition.")

# %% [markdown]
# ## 5 The same networks in another world
# All these voices and faces are simulated. The same networks were trained on POM, too: real voices and faces, no words, more than half of the clips without a face, 203 test clips (notebook 08). Does the order of the networks carry over? We compare ranks: Spearman's correlation is the correlation of two orders, 1 for the same order, 0 for none in common, -1 for the reverse.

# %% [markdown]
# An order is itself a guess. Two training seeds on *one* corpus give two orders; what they have in common says how far a single training's order repeats itself. Means over seeds, which we compare, repeat better, so two corpora could share more than that.
#
# **Predict, then run:** what is the rank correlation between the two corpora?

# %%
predict("21.f", "How do the orders of the networks agree, classroom-mosi against POM?",
        {"reversed": -0.8, "weakly or not at all": 0.2, "clearly": 0.6, "nearly the same order": 0.9})

# %%
from mgmr_lib.chapters.shared.recorded_areas import bootstrap_said, common, rank_agreement, two_worlds
from mgmr_lib.experiments.plan import POM, SYSTEMS, TWO

fusing = [n for n in (*TWO, *BASELINES, *SYSTEMS) if not n.startswith("fc_")]  # who reads one modality is no rival here
networks = [r for r in recorded if r["name"] in fusing]
real = ledger.read_named(*POM)
say(ledger.provenance_line(real))

# %%
fig = plt.figure(figsize=(6.4, 4.2))
two_worlds(fig, networks, real)
fig.suptitle("Recorded: who is good where", x=0.01, ha="left")
show(fig, "Each network's AUILC of the error on classroom-mosi (simulated voice and face, with words) against that on "
     "POM (real, without words), with intervals over seeds. Our two networks in red.")

# %%
agreement = rank_agreement(networks, real)
say(f"Rank correlation of {len(common(networks, real))} networks: **{agreement['between']:+.2f}** between the corpora; "
    f"from seed to seed {agreement['first']:+.2f} on classroom-mosi and {agreement['second']:+.2f} on POM. "
    f"{bootstrap_said(agreement)}")

# %%
outcome("21.f", agreement["between"],
        because="This order did not clearly carry over: what does has to be measured on the other corpus, beside how "
        "far an order repeats itself at all.")

# %% [markdown]
# Much differs at once: POM is real, has no words and half of the faces, and was trained longer, without windows. So this does not say *why* an order changes; it says how far a conclusion of this notebook reaches.

# %% [markdown]
# ## 6 The same care for everyone
# Section 4 took back what two networks alone had been given. The other way is to give everyone as much. `experiment tune` trains each network sixteen times on clips of which no result is read (`classroom-dev`), at the same points of one space: learning rate, weight decay, dropout, width, frames a step, and objective, where MFMB-Net alone has one more to choose, its classes. Its best trial's settings make the profile `tuned`.

# %% [markdown]
# With them all networks were trained once more, on the second edition of the simulated world. There voice and face tell less by a level that lasts for the clip, and more by patterns in time (notebook 11). So care and world both changed; the clips' words and ratings are the same.
#
# **Predict, then run:** from how many of its rivals is MGMR-Net told apart as the *better* one, by Holm's procedure over all comparisons?

# %%
portions = ["none", "less than half", "half or more", "all"]
predict("21.g", "MGMR-Net is better than how many of its rivals, after an equal search?", portions)

# %%
from mgmr_lib.experiments import headline, tuned_page

everything = ledger.read_ledger(corpus=tuned_page.CORPUS, profile=tuned_page.PROFILE)
tuned = [r for r in everything if r["name"] in headline.EVERYONE]
say(ledger.provenance_line(tuned))

# %%
say(headline.headline_table(tuned))
say(tuned_page.control_line(everything))

# %%
judged = headline.judged(tuned)
say(headline.in_words(judged))

# %%
first_world = headline.judged([r for r in recorded if r["name"] in headline.EVERYONE])
against, once = ([row["word"] for (first, second), row in found.iterrows()
                  if first == "mgmr" and second not in headline.RIDGES] for found in (judged, first_world))
won, before = against.count(verdicts.BETTER), once.count(verdicts.BETTER)
seeds_of = {world: {n: sum(r["name"] == n for r in rows) for n in ("mgmr", "almt")}
            for world, rows in (("here", tuned), ("before", recorded))}
assert len(against) == len(once) and seeds_of["before"]["almt"] < seeds_of["here"]["almt"]
outcome("21.g", portions[0 if not won else 3 if won == len(against) else 1 if 2 * won < len(against) else 2],
        because=f"{won} of {len(against)}, its {seeds_of['here']['mgmr']} trainings against "
        f"{seeds_of['here']['almt']} of a rival. With the profile's settings, in the first world, it was {before}, "
        f"{seeds_of['before']['mgmr']} against {seeds_of['before']['almt']}. The search, the other world and the "
        "rivals' trainings come together, and this does not part them (notebook 28 cuts all to three).")

# %% [markdown]
# Two rules, once more: notebook 20's plan compares our two networks in pairs of seeds, and this family by Welch's test, in which a pair's common luck, if any, stays in.

# %%
ours = ledger.paired(tuned, "mgmr", "mfmb")
there = ledger.curves(tuned).groupby(["name", "rate"])["mae"].mean()
say(f"MGMR-Net minus MFMB-Net here, in pairs: {verdicts.interval_text(ours)}, p = {ours['p']:.2g}; in the family by "
    f"Welch's test: {judged.loc[('mgmr', 'mfmb'), 'word']}.")
say("Errors with nine tenths missing, on this edition: " + ", ".join(
    f"{what} alone {there[name, 0.9]:.3f}" for name, what in (("fc_t", "text"), ("fc_a", "voice"), ("fc_v", "face")))
    + ". The face no longer keeps ahead of the text.")
assert there["fc_v", 0.9] > there["fc_t", 0.9]

# %%
equal = [r for r in tuned if r["name"] in fusing]
moved_ranks = rank_agreement(networks, equal)
say(f"Rank correlation of {len(common(networks, equal))} networks, the first edition with the profile's settings "
    f"against the second with chosen ones: **{moved_ranks['between']:+.2f}**; from seed to seed "
    f"{moved_ranks['first']:+.2f} and {moved_ranks['second']:+.2f}. {bootstrap_said(moved_ranks)}")

# %%
from mgmr_lib.chapters.shared.recorded_areas import still_falling

tuning = tuned_page.read_tuning()
assert tuning["budget"] == 16
chosen = tuned_page.chosen_table(tuning, tuned)
say(f"<details><summary>What the search chose for each network</summary>\n\n{chosen}\n\n</details>")
best_at = [row["best_epoch"] for network in tuning["networks"].values() for row in network["trials"]]
late = best_at.count(max(best_at)) / len(best_at)
say(f"{late:.0%} of the search's {len(best_at)} trainings were best in their last epoch. Of what was then recorded: "
    f"{still_falling(tuned)}")

# %% [markdown]
# Equal trials are not equal luck: sixteen points are few for six settings, and one training decided about each. And a search in which most trainings are best in their last epoch may reward who learns fast.

# %% [markdown]
# ## 7 The same share, lost in other ways
# So far each frame and each word went missing by a coin of its own. The same settings were trained and tested where steps go in *bursts*, and where each *modality* goes as a whole (notebook 09), at the same rates.
#
# **Predict, then run:** at which rates is MGMR-Net's error larger where whole modalities go than where words and frames go one by one?

# %%
places = ["at none", "at low ones", "at high ones", "at all"]
predict("21.h", "Whole modalities instead of single words and frames: where is MGMR-Net's error larger?", places)

# %%
from mgmr_lib.evaluation.statistics import welch
from mgmr_lib.experiments import patterns_page

patterns = patterns_page.by_pattern(tuned_page.CORPUS, tuned_page.PROFILE, {}, ledger.RUNS)
for pattern, rows in patterns.items():
    say(f"**{pattern}**{ledger.provenance_line(rows).removeprefix('**Recorded, not computed here**')}")
say(patterns_page.patterns_table(patterns))

# %%
by_pattern = {name: ledger.curves(rows).query("name == 'mgmr'") for name, rows in patterns.items()}
fig, ax = plt.subplots(figsize=(6.4, 3.4))
for name, rows in by_pattern.items():
    line = draw21.band(rows, "mae")
    ax.plot(line.index, line["mean"], "o-", ms=4, label=name)
    ax.fill_between(line.index, line["low"], line["high"], alpha=0.15, lw=0)
ax.set(title="MGMR-Net: whole modalities are worse where most is lost", xlabel="missing rate",
       ylabel="mean absolute error (points)")
ax.legend()
show(fig, "Recorded error of MGMR-Net over the missing rate where frames go one by one, in bursts, or where whole "
     "modalities go, with bands over trainings. The curve of whole modalities crosses that of single frames near the "
     "middle; below that the bands overlap, which is no test: the next lines have one.")

# %%
at = {rate: {name: rows.loc[rows["rate"] == rate, "mae"].tolist() for name, rows in by_pattern.items()}
      for rate in (0.0, 0.3, 0.8)}
found = {rate: welch(of["modality"], of["frames"]) for rate, of in at.items()}
for rate, row in found.items():
    say(f"Rate {rate}, whole modalities minus single frames: {verdicts.interval_text(row)}, p = {row['p']:.2g}.")

# %%
gone = draw21.clips_lost(corpus["test"], 0.8, ("frames", "modality"))
larger = tuple(verdicts.verdict(found[rate]) == verdicts.WORSE for rate in (0.3, 0.8))
outcome("21.h", dict(zip(((False, False), (True, False), (False, True), (True, True)), places, strict=True))[larger],
        because=f"At rate 0.8 {gone['modality']:.0%} of the test clips lose all three modalities, where words and "
        f"frames go one by one {gone['frames']:.0%} lose everything. Most of the lead at 0.3 is there at rate 0, where "
        "nothing is lost and three trainings tell nothing apart.")

# %% [markdown]
# One network is one network. How do the others stand, and what do bursts do to words and to voice? We take each network's means.

# %%
means = {name: ledger.curves(rows).groupby(["name", "rate"])["mae"].mean() for name, rows in patterns.items()}
nets = [n for n in means["modality"].index.unique("name") if n not in ("mean", *headline.RIDGES)]
for rate in (0.3, 0.8):
    worse = sum(means["modality"][n, rate] > means["frames"][n, rate] for n in nets)
    print(f"rate {rate}: whole modalities are worse than single frames for {worse} of {len(nets)} networks")
moved = {n: means["bursts"][n, 0.5] - means["frames"][n, 0.5] for n in ("fc_t", "fc_a", "fc_v")}
print("bursts minus single frames at rate 0.5:", {n: f"{value:+.3f}" for n, value in moved.items()})
assert moved["fc_t"] < 0 < moved["fc_a"]

# %% [markdown]
# Section 3 saw bursts empty many more windows of the voice, and the voice alone does get a little worse. Words alone do better in bursts, perhaps since a run of lost words leaves runs of whole phrases; we did not part that from other reasons. A network that reads both may end on either side.

# %% [markdown]
# ## 8 One network for each rate, or one for all
# Protocol B trains one network on all missing rates at once; protocol A trains one for each rate, and tests it there. (More differs: half of B's clips are complete and its masks are drawn anew each epoch, while A's, as in TFR-Net's code, are drawn once.)

# %% [markdown]
# A specialist ought to win at home. Four networks were trained for each of four rates (`experiment rates`), with the settings that the search chose under protocol B.
#
# **Predict, then run:** in how many of the sixteen comparisons is the specialist told apart as the better one, by Holm's procedure?

# %%
predict("21.i", "The specialist is better in ...", ["none of the sixteen", "up to half of them", "most of them", "all"])

# %%
from mgmr_lib.experiments import rates_table

own_rates, used = rates_table.comparison(ledger.RUNS, tuned_page.CORPUS, tuned_page.PROFILE)
say(rates_table.page(own_rates, used).partition("\n")[2])

# %%
better_at_home = (own_rates["word"] == verdicts.BETTER).mean()
half_width = (own_rates["high"] - own_rates["low"]).median() / 2
outcome("21.i", ["none of the sixteen", "up to half of them", "most of them", "all"][
            0 if not better_at_home else 1 if better_at_home <= 0.5 else 2 if better_at_home < 1 else 3],
        because=f"Told apart the other way round: {(own_rates['word'] == verdicts.WORSE).sum()}. By this rule no "
        "comparison speaks for a specialist. They are not shown to be as good as one network for all, either: half of "
        f"the intervals reach {half_width:.3f} points or more to either side.")

# %%
by_rate = own_rates.groupby("rate")["mean"].agg(["mean", lambda gaps: (gaps > 0).sum(), "size"])
for rate, (gap, worse, networks_there) in by_rate.iterrows():
    print(f"rate {rate:g}: the specialist's error is {gap:+.3f} on average, larger for {worse:.0f} of "
          f"{networks_there:.0f} networks")

# %% [markdown]
# In the means the specialist leads where nothing is lost, and falls behind where much is. That would fit masks drawn once, which a network can learn by heart, and it would fit harder training data; trainings at one rate with masks drawn anew would part the two.

# %% [markdown]
# ## 9 Your own recordings
# If you started a study in notebook 20, here are its curves, with bands over your seeds, and the recorded ones under the same conditions, dashed. Does the dashed line lie inside your band at each rate?

# %%
from mgmr_lib.chapters.shared import own_study

mine = own_study.records()
like = own_study.recorded_like(mine)
fig = plt.figure(figsize=(6.4, 3.6))
own_study.bands(fig, mine, like)
fig.suptitle("Your trainings, and the recorded ones", x=0.01, ha="left")
show(fig, "Error against the missing rate of the learner's own trainings, with bands over seeds, and dashed the "
     "recorded ones under the same conditions. Empty where no study has been trained yet.")
say(own_study.pair(mine, like))

# %% [markdown]
# A band of five seeds holds the true mean nineteen times of twenty; the *other* experiment's mean has luck of its own, and lies outside more often than that.

# %% [markdown]
# A file of your own goes through the same commands: `python -m mgmr_lib experiment curve --data PATH --models mgmr,concat`. Its records lie
# in `runs/ledger`, which git does not keep, and this cell draws them where there are any.

# %%
own = draw21.own_corpora()
say(f"Recorded beside the classroom corpora: {', '.join(own.values()) or 'nothing yet'}.")
for key, name in own.items():
    fig = plt.figure(figsize=(8.6, 3.6))
    records = ledger.read_ledger(draw21.own_ledgers(), key)
    draw21.bands(fig, records, ["mfmb", "mgmr", "concat", "fc_t", "mean"])
    fig.suptitle(f"Recorded on {name}", x=0.01, ha="left")
    show(fig, f"The recorded curves of {name}, with bands over training seeds.")

# %% [markdown]
# ## Limits
# - What we trained here is one training under one mask seed: another seed moves every point a little.
# - An interval over training seeds says nothing of other clips (notebook 10).
# - All losses are drawn by chance, with no regard to what is said. Real ones have reasons.
# - Voice and face are simulated: what they add here says nothing about people. Section 5 has one real corpus.
# - The ridge was fitted on complete text, the network on half complete and half broken clips.

# %% [markdown]
# ## Summary
# - A curve needs rivals: blind, simple, and a control that must fail.
# - At rate 1 there is a floor. What lies clearly below it comes from lengths or from a leak.
# - A band over trainings needs one number a training: average mask seeds first.
# - Say beforehand whether you pair. AUILC sorts, and hides at which rate.
# - A rank may change with the world and with care for settings (here both at once), a curve with the way of losing: name all three.

# %%
progress("21")
