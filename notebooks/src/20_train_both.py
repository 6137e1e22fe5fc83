# ---
# jupyter:
#   mgmr:
#     title: Train both
#     claim: "Which of two networks is better is settled by a plan made before the first run, and by differences between runs, over several seeds."
#     goals:
#       - write an experiment down so that its answer cannot be bent afterwards
#       - train MGMR-Net and MFMB-Net from one seed on the same broken clips, beside a rival and a control
#       - kill a run, finish it, and show that nothing was lost
#       - say what a recorded number depends on, and notice one that was edited
#       - compare two networks by paired differences, and know how many seeds a difference needs
#       - plan a study of your own, start it in the background, and judge it by its plan
#     minutes: 60
#     budget_s: 90
#     device: cpu
#     requires: ["10", "15", "19"]
#     introduces: [ledger, provenance, paired difference]
# ---
# %% [markdown]
# ## Which of the two is better?
# Two papers, two networks, and each paper calls its own the better one, though not in every column of its tables [@mgmr2025] [@mfmb2025]. A colleague trains both once and reports: "MGMR-Net
# wins by 0.01 points of error." How would we know whether to believe her?
#
# **Predict, then run:** suppose that the two are *equally good*, and that luck of its own moves each one's error by about as much. How often does one training each name a winner by that much?

# %%
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt

from mgmr_lib.course import check, exercise, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.chapters.ch20_train_both import figures as draw
from mgmr_lib.data.load import load_corpus

use_style()
corpus = load_corpus("classroom-mosi")

# %%
predict("20.a", "How often is a winner named by at least 0.01?", between=(0, 100), step=1, within=8, unit="%")


# %%
def simulated_scores(experiments, seeds, shared=0.02, own=0.01, gain=0.0, rng=0):
    """Errors (experiments, seeds) of two networks. Simulated: a seed's luck that both share, and luck of their own."""
    rng = np.random.default_rng(rng)
    luck = shared * rng.normal(size=(experiments, seeds))
    first, second = (luck + own * rng.normal(size=luck.shape) for _ in "ab")
    return 1.0 - gain + first, 1.0 + second


first, second = simulated_scores(10_000, 1)
named = np.mean(np.abs(first - second) >= 0.01)
own = (first - second).std() / 2**0.5
say(f"In these *simulated* scores luck moves each error by {first.std():.3f} points. By {own:.3f} it is luck of its "
    "own; the rest is shared and cancels in the difference. Nobody is better, and yet one training each names a winner "
    f"by 0.01 in about **{named:.0%}** of the cases.")

# %%
outcome("20.a", 100 * named, because="Two trainings differ by the luck of both, and the winner is whoever had more of "
        "it.")

# %% [markdown]
# The noise here is our assumption: a seed draws the first weights, the order of the clips and what gets lost in training, and each of that moves the result. How
# large it really is, only repeated trainings tell. So we plan before we train.

# %% [markdown]
# ## 1 The plan comes first
# | question | our answer, fixed now |
# |---|---|
# | compared | MGMR-Net and MFMB-Net, paper readings, one profile |
# | beside them | ten baselines, the text ridge, the mean of the labels; a control with shuffled labels |
# | protocol | B: one model for all missing rates |
# | primary metric | AUILC of the mean absolute error over rates 0 to 1; all others are reported, none decides |
# | choice of the epoch | lowest error on the valid split |
# | repetitions | five seeds for each of the two, the same five; three of these for each baseline |
# | verdict | our two: the interval of the paired difference, if it leaves out 0; against rivals, who have fewer seeds: Welch's test and Holm's procedure (notebooks 10 and 11) |

# %% [markdown]
# Each line closes a door. Without a primary metric we would find one that likes our favourite; without fixed seeds we could go on until we like the result. The plan
# is also code: the command that records our tables builds its list of runs from it.
#
# **Predict, then run:** in which order would you do the ten runs, if the power may fail at any time?

# %%
orders = ["all of one network, then all of the other", "seed by seed, both networks", "any order will do"]
predict("20.b", "In which order does the course's command do the ten runs?", orders)

# %%
from mgmr_lib.experiments.plan import TWO, jobs_of

jobs = jobs_of(TWO, "B", "laptop", corpus.family, corpus.name)
print([job.name for job in jobs])

# %%
couples = [{job.name.split("-")[1] for job in jobs[i : i + 2]} for i in range(0, len(jobs), 2)]
assert all(len(seeds) == 1 for seeds in couples)
outcome("20.b", orders[1], because="Whatever is finished when the power fails should hold whole comparisons, and one "
        "network alone is none.")

# %% [markdown]
# Each run has a name that its settings determine, a hash of its configuration, but for the place of its data (which have a fingerprint, section 4):
# the same settings give the same name on every machine, and other settings another one.

# %%
config = jobs[0].config
same = jobs_of(TWO, "B", "laptop", corpus.family, corpus.name)[0].config
assert same.hash() == config.hash() and len(config.hash()) == 12
others = [replace(config, lr=0.002), replace(config, seed=1112), replace(config, shuffle_labels=True)]
assert len({c.hash() for c in [config, *others]}) == 4
print("same settings, same hash; four different settings, four hashes")

# %% [markdown]
# ### Exercise 20.1 · find the bug: which epoch (medium, 6 minutes)
# A colleague's training loop keeps, for each epoch, the error on the valid and on the test clips. She reports the function below. What is wrong with her number? Report
# what the plan says. If two epochs tie, take the earlier one.


# %%
def colleagues_error(history):
    return min(epoch["test"] for epoch in history)


# %%
@exercise("20.1")
def reported_error(history):
    """history: one {"valid": error, "test": error} an epoch -> the test error that the plan reports."""
    # SOLUTION
    chosen = min(history, key=lambda epoch: epoch["valid"])
    return chosen["test"]
    # END SOLUTION


# %%
check("20.1", reported_error)

# %%
rng = np.random.default_rng(0)
lucky = [[{"valid": v, "test": t} for v, t in 1 + 0.02 * rng.normal(size=(12, 2))] for _ in range(2000)]
gain = {rule.__name__: 1 - np.mean([rule(h) for h in lucky]) for rule in (colleagues_error, reported_error)}
say(f"Twelve *simulated* epochs of equal worth: her rule gains {gain['colleagues_error']:.3f} points from luck alone, "
    f"the plan's gains {abs(gain['reported_error']):.3f}. The true gain is 0.")

# %% [markdown]
# ## 2 Both, from the same seed
# Now both in the `fast` profile: a part of the clips and a few epochs, a sketch in seconds. The same seed means that both meet the same clips with the same steps lost, epoch
# by epoch. So the frozen text encoder has to read each broken sentence only once; its memo gives the second network what the first one saw.

# %%
from mgmr_lib.data.encoding_memo import EncodingMemo
from mgmr_lib.data.text import load_encoder
from mgmr_lib.training.config import make_config
from mgmr_lib.training.setup import prepare
from mgmr_lib.training.trainer import Trainer
from mgmr_lib.training.trainer import predict as predictions

encoder = load_encoder("minilm", frozen=True)
encoder.memo = EncodingMemo()
NAMES = {"mgmr": "MGMR-Net", "mfmb": "MFMB-Net"}
setups = {label: prepare(make_config(name, "fast"), corpus, encoder) for name, label in NAMES.items()}

# %%
epoch0 = [s.train_epoch(0) for s in setups.values()]
assert all(np.array_equal(epoch0[0].keep[m], epoch0[1].keep[m]) for m in ("text", "audio", "vision"))
histories = {label: Trainer(s, quiet=True).run().history for label, s in setups.items()}
assert encoder.memo.hits >= len(histories["MFMB-Net"])

# %%
fig = plt.figure(figsize=(8.0, 2.8))
draw.learning_curves(fig, histories)
fig.suptitle("Both learn; neither curve says who is better", x=0.01, ha="left")
show(fig, "Left the training error on broken clips after each epoch, right the error on the valid clips, "
     "averaged over the validation's missing rates. Lines of both networks, one training each.")
assert all(min(h["valid_mae"] for h in hs) < hs[0]["valid_mae"] for hs in histories.values())

# %% [markdown]
# The left curves are no test: these clips were learned from, and other steps are lost in each epoch. The right ones choose the epoch. For the verdict there are the test
# clips, which nothing has touched so far.
#
# First the rivals. They read the same clips, with the same steps lost.

# %% tags=["baseline"]
from mgmr_lib.evaluation.references import mean_predictor, text_ridge

setup = setups["MGMR-Net"]
train = setup.splits["train"]
readers = {label: lambda masked, s=s: predictions(s.model, masked) for label, s in setups.items()}
readers["text ridge"] = text_ridge(setup.complete_text("train"), train.labels)
readers["mean label"] = mean_predictor(train.labels)

# %% [markdown]
# And the [negative control](glossary.md#negative-control): the same training after the labels were dealt out at random. How do we judge it? Not by the correlation of one shuffle. A network's
# predictions vary along few directions, one of which is how positive the words are, and a single shuffle may turn that way or the other by chance. We judge it by
# its error: it must not be below the mean label's by more than 0.08 points; the luck of one training can make some 0.05.

# %% tags=["control"]
shuffled = prepare(replace(setup.config, shuffle_labels=True), corpus, encoder)
Trainer(shuffled, quiet=True).run()
readers["control: shuffled labels"] = lambda masked: predictions(shuffled.model, masked)

# %% [markdown]
# **Predict, then run:** three missing rates, five readers. Write down the order at rate 0 and at rate 1.

# %%
networks = ("MFMB-Net", "MGMR-Net")
ahead_at_1 = {networks: "the two networks", (*networks, "text ridge"): "all but the control",
              (): "nobody", ("text ridge",): "the text ridge only"}
predict("20.c", "At rate 1, who is ahead of the mean label by at least 0.05 points?", list(ahead_at_1.values()))

# %% tags=["signature"]
from mgmr_lib.evaluation.missing_rates import missing_rate_records

rates = [0.0, 0.5, 1.0]
records = missing_rate_records(
    readers, lambda rate, seed: setup.masked("test", rate, seed), corpus.family, rates, [1], quiet=True)
mae = {name: np.array([r["mae"] for r in found]) for name, found in records.items()}

# %%
from mgmr_lib.chapters.shared.experiment_figures import curves

fig = plt.figure(figsize=(8.0, 3.2))
curves(fig, records)
fig.suptitle("One seed: a sketch, and no verdict", x=0.01, ha="left")
show(fig, "Error (lower is better) and correlation (higher is better) of five readers over three missing "
     "rates, on the same broken test clips. Both networks beat the mean label while all is there; the "
     "control does not.")

# %%
blind = mae["mean label"]
assert (mae["control: shuffled labels"] > blind - 0.08).all()
for label in NAMES.values():
    assert mae[label][0] < blind[0] - 0.05
    ahead = bool(mae[label][2] < blind[2] - 0.05)
    print(f"{label}: clearly better than the mean label at rate 0; ahead by 0.05 at rate 1: {ahead}")
say("The control's error is nowhere below the mean label's by more than 0.08 points: no large leak from training "
    "or evaluation. (A small one, such as an epoch chosen on the test clips, would not show, nor a label hidden among "
    "the inputs: dealt out anew, labels no longer fit it.)")

# %%
rivals = sorted(name for name in mae if name != "mean label")
outcome("20.c", ahead_at_1[tuple(name for name in rivals if mae[name][2] < blind[2] - 0.05)],
        because="Where every word and frame is lost no design can help: what is left are lengths, and they say "
        "little.")

# %% [markdown]
# That is all that one short training supports. Which network lies lower at some rate we do not even print: another seed may turn it round.

# %% [markdown]
# ## 3 Killed, and finished
# Our recorded runs take hours together, and computers stop. After each epoch a training writes a checkpoint: weights, averaged weights, best weights, the optimiser's memory.
# Masks, order and dropout of an epoch come from seed and epoch alone.
#
# **Predict, then run:** we cut the power in the third epoch. Will the finished run have *nearly* or *exactly* the weights of one that ran through?

# %%
likeness = ["nearly", "exactly", "not even nearly"]
predict("20.d", "How equal are the weights of the finished run?", likeness)

# %%
small = make_config("mfmb", "fast", corpus.family, text_encoder="tiny", max_clips=40, epochs=4)
tiny = load_encoder("tiny", frozen=True)


class PowerCut(Trainer):
    """A trainer whose machine goes down in the third epoch."""

    def _train_epoch(self, epoch):
        if epoch == 2:
            raise OSError("no power")
        return super()._train_epoch(epoch)


# %%
folder = Path(tempfile.mkdtemp())
through = prepare(small, corpus, tiny)
Trainer(through, quiet=True).run()
try:
    PowerCut(prepare(small, corpus, tiny), folder, quiet=True).run()
except OSError as error:
    print("stopped:", error, "| left behind:", [f.name for f in folder.iterdir()])

# %%
resumed = prepare(small, corpus, tiny)
progress_made = Trainer(resumed, folder, quiet=True).run()
one, other = through.model.state_dict(), resumed.model.state_dict()
apart = max((one[name] - other[name]).abs().max().item() for name in one if one[name].is_floating_point())
print(f"{len(progress_made.history)} epochs in the history, largest difference of a weight: {apart:g}")

# %%
assert list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)
outcome("20.d", likeness[1 if apart == 0 else 0 if apart < 0.001 else 2],
        because="Nothing that matters lives outside the checkpoint and the seed, so nothing is left to chance.")

# %% [markdown]
# The checkpoint itself is written to a second file first, which then takes the old one's place in one
# step: a power cut while writing leaves the old one whole.
#
# A list of runs is resumed in the same way. Now for real: a small study, a plan on disk, trains in a *process of its own*, as yours will in section 7, and we kill it in the middle.

# %%
import time

from mgmr_lib.experiments import background, study

settings = {"text_encoder": "tiny", "max_clips": 40, "epochs": 8, "patience": 8}
little = study.write_plan(folder / "study", study.Plan(seeds=(1,), profile="fast", mask_seeds=(1,), settings=settings))
background.start(folder / "study")
while not study.standings(folder / "study")[0].epoch and background.process(folder / "study"):
    time.sleep(0.05)
assert background.stop(folder / "study", kill=True) and background.process(folder / "study") is None

# %%
killed = study.standings(folder / "study")
print("after the kill:", [f"{s.name}-{s.seed}: {s.state}" for s in killed])
assert killed[0].epoch > 0, background.last_words(folder / "study")
print("done now:", study.train(folder / "study", say=str, encoder=tiny))
print("done now:", study.train(folder / "study", say=str, encoder=tiny))

# %% [markdown]
# ## 4 What a number depends on
# Each finished run became a file, its record, and the records together are the [ledger](glossary.md#ledger). Beside the scores a record holds its settings, its data's fingerprint and its [provenance](glossary.md#provenance):
# what else the scores depend on. Let us open one.

# %%
from mgmr_lib.experiments.ledger import read_ledger, read_record

path = next((folder / "study" / "ledger").rglob("mgmr-1.json"))
record = read_record(path)
print("file:      ", "/".join(path.parts[-4:]))
print("settings:  ", "config_hash" in record, "| data:", "fingerprint" in record)
print("provenance:", ", ".join(record["provenance"]))
print("scores:    ", len(record["records"]), "rows of", ", ".join(list(record["records"][0])[-2:]), "and others")

# %% [markdown]
# The `fingerprint` belongs to the data: clips, labels and words under the same name but with other content are noticed. And the `digest` belongs to the record. Somebody improves one error by one
# hundredth, in a text editor.
#
# **Predict, then run:** what will `read_record` say?

# %%
answers = ["nothing, one hundredth is plausible", "that these are other data", "that the file was changed"]
predict("20.e", "What does it say of the edited record?", answers)

# %%
import json
import shutil

from mgmr_lib.errors import CourseError

edited = folder / "edited.json"
shutil.copy(path, edited)
forged = json.loads(edited.read_text())
forged["records"][0]["mae"] -= 0.01
edited.write_text(json.dumps(forged))
said = ""
try:
    read_record(edited)
except CourseError as error:
    said = str(error).replace(str(folder), "...").split(": delete")[0]
print(said)

# %%
outcome("20.e", answers[2 if "digest" in said else 1 if said else 0],
        because="A digest does not judge what is plausible: it is computed from every digit, and another digit makes "
        "another digest.")

# %% [markdown]
# That is no lock: who knows how can compute a new digest. It stops mistakes, and forgers have to face something harder: anybody may run the thing again. `python -m mgmr_lib experiment
# reproduce --record FILE` trains from the record's own settings, measures on the same masks, and compares every number to the third digit. We do it with our little record.

# %%
from mgmr_lib.experiments.reproduce import differences, repeat

again = repeat(record, folder / "again")
largest = differences(record["records"], again["records"])
assert max(largest.values()) < 0.0005
assert max(differences(forged["records"], again["records"]).values()) > 0.005
print("reproduced to the third digit; the edited copy is not")

# %% [markdown]
# ## 5 Paired differences
# Does a seed move both networks alike? It loses the same steps of the same clips for both. *If* it does, the [paired difference](glossary.md#paired-difference), seed by seed, scatters less
# than two separate spreads suggest.
#
# $$d_s = x_s - y_s, \qquad \bar d \pm t_{n-1}\, \frac{\mathrm{sd}(d)}{\sqrt n}$$

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $x_s$, $y_s$ | errors of the two networks trained with seed $s$ | $n$ numbers each |
# | $\bar d$, $\mathrm{sd}(d)$ | mean and standard deviation of the differences, with $n - 1$ below the line | one number |
# | $t_{n-1}$ | Student's factor for 95 %; with few seeds much larger than 2 | one number |

# %% [markdown]
# ### Exercise 20.2 · a paired interval (medium, 8 minutes)
# Return both ends of the interval of first minus second.


# %%
@exercise("20.2")
def paired_interval(first, second, t):
    """first, second: errors of n seeds each, in one order; t: Student's factor -> (low, high)."""
    # SOLUTION
    d = [a - b for a, b in zip(first, second, strict=True)]
    n = len(d)
    mean = sum(d) / n
    sd = (sum((x - mean) ** 2 for x in d) / (n - 1)) ** 0.5
    return mean - t * sd / n**0.5, mean + t * sd / n**0.5
    # END SOLUTION


# %%
check("20.2", paired_interval)

# %%
from scipy import stats

from mgmr_lib.evaluation.statistics import paired_difference

first, second = simulated_scores(1, 5, rng=3)
low, high = paired_interval(first[0], second[0], stats.t.ppf(0.975, 4))
library = paired_difference(first[0], second[0])
assert abs(low - library["low"]) < 1e-12 and abs(high - library["high"]) < 1e-12
assert low < 0 < high
print("ours is the library's; of these five simulated pairs, which do not differ in truth, it leaves 0 inside")

# %% [markdown]
# Now one of the simulated networks *is* better, by 0.02 points. Of a thousand experiments with five seeds, how many see it by pairs, and how many by two separate averages?


# %%
def found(gain, paired, experiments=1000, seeds=5):
    """The share of experiments whose interval leaves out 0."""
    a, b = simulated_scores(experiments, seeds, gain=gain, rng=1)
    if paired:
        error, freedom = (a - b).std(1, ddof=1) / seeds**0.5, seeds - 1
    else:
        error, freedom = ((a.var(1, ddof=1) + b.var(1, ddof=1)) / seeds) ** 0.5, 2 * seeds - 2
    return float(np.mean(np.abs((a - b).mean(1)) > stats.t.ppf(0.975, freedom) * error))


seen = {(gain, paired): found(gain, paired) for gain in (0.0, 0.02) for paired in (True, False)}
assert seen[0.02, True] > 1.5 * seen[0.02, False] and seen[0.0, True] < 0.08
say(f"By pairs **{seen[0.02, True]:.0%}**, by averages {seen[0.02, False]:.0%}. Where nothing differs, pairs "
    f"raise a false alarm in {seen[0.0, True]:.0%}.")

# %%
alike = np.corrcoef(*simulated_scores(1, 10_000))[0, 1]
say(f"That gain comes from the luck which we let both share: seed by seed the two simulated errors correlate by "
    f"**{alike:.1f}**. Where two share none, pairs bring nothing and cost something.")

# %% [markdown]
# What do real networks share? We take three sets of the course's records: the area under each training's error curve, minus the mean of its network. That is its luck. Then we set every two networks side by
# side, seed by seed.
#
# **Predict, then run:** is a seed that is good for MGMR-Net good for MFMB-Net, and for Concat? How much do the lucks of two networks correlate?

# %%
predict("20.f", "How much does the luck of two recorded networks correlate, under the same seed?",
        {"as in the simulation: 0.8": 0.8, "half as much": 0.4, "a little: 0.2": 0.2, "hardly at all": 0})

# %%
from mgmr_lib.experiments.headline import EVERYONE
from mgmr_lib.experiments.ledger import read_named
from mgmr_lib.experiments.plan import EQUAL, POM

worlds = {"classroom-mosi": read_ledger(), "POM": read_named(*POM), "equal search": read_named(*EQUAL)}
worlds = {name: [r for r in records if r["name"] in EVERYONE] for name, records in worlds.items()}
luck = {name: draw.seed_luck(records) for name, records in worlds.items()}
luck = {"simulated": draw.simulated_luck(shared=0.02, own=0.01)} | luck
fig = plt.figure(figsize=(9.0, 2.8))
draw.luck_clouds(fig, luck)
fig.suptitle("Simulated: one network's luck tells another's. Recorded: little", x=0.01, ha="left")
show(fig, "Each dot is a pair of networks under one seed: how far each one's area lies from its own mean. On the "
     "dotted line a seed moves both alike. Large and vermilion: MGMR-Net, MFMB-Net and Concat. Left as simulated "
     "above, then three recorded sets: classroom-mosi, real voices and faces (POM), and after an equal search "
     "(notebook 21).")
say(draw.luck_said(luck))

# %%
shared = {name: draw.shared_luck(found) for name, found in luck.items()}
pays_from = 1 - (stats.t.ppf(0.975, 8) / stats.t.ppf(0.975, 4)) ** 2
assert shared["simulated"] > 0.5 and all(shared[name] < pays_from for name in worlds if luck[name].size)
outcome("20.f", float(np.median([shared[name] for name in worlds])),
        because="In the middle one of the three sets luck is hardly shared, and what one network's luck says of "
        "another's is little in all three.")

# %%
say(f"With five seeds each, pairs take Student's factor for four free numbers, {stats.t.ppf(0.975, 4):.2f}, and not "
    f"that for eight, {stats.t.ppf(0.975, 8):.2f}: they are the shorter ones from a correlation of "
    f"**{pays_from:.2f}** on.")

# %%
searched = worlds["equal search"]
without = {seed: draw.shared_luck(draw.seed_luck([r for r in searched if r["training_seed"] != seed]))
           for seed in sorted({r["training_seed"] for r in searched if r["config"]})}
assert shared["equal search"] == max(shared[name] for name in worlds) > 0.1 > min(without.values())
say(f"One of the three stands out, {shared['equal search']:+.2f}. Five seeds say little about that, too: with one left "
    f"out it is {', '.join(f'{value:+.2f} (without {seed})' for seed, value in without.items())}.")

# %%
shorter = {name: draw.pairs_are_shorter(found) for name, found in luck.items() if found.size}
assert shorter["simulated"] > 0.9 and all(shorter[name] < 0.6 for name in worlds if name in shorter)
say("Welch's test has fewer than eight free numbers where spreads differ. Against it pairs are shorter for this "
    "share of all two networks: " + ", ".join(f"{name} {share:.0%}" for name, share in shorter.items()) + ".")

# %% [markdown]
# Against eight free numbers none of the three sets reaches what pairs need; against Welch's test one about breaks even, and two fall short. For two given networks, five seeds do not say how much luck they share. A plan is kept all the same: who changes its rule after a look at the results chooses the result.

# %% [markdown]
# ### Exercise 20.3 · how many seeds (medium, 6 minutes)
# To see a gain $g$ in four of five experiments takes about $n = (2.8\,\mathrm{sd}(d)/g)^2$ seeds, rounded up to a whole number. From the differences of a pilot experiment compute $n$, with $n - 1$ below the line of
# the standard deviation, as above.


# %%
@exercise("20.3")
def seeds_needed(differences, gain):
    """differences: of the pilot's seeds; gain: the smallest difference that matters -> a whole number of seeds."""
    # SOLUTION
    sd = np.std(differences, ddof=1)
    return int(np.ceil((2.8 * sd / gain) ** 2))
    # END SOLUTION


# %%
check("20.3", seeds_needed)

# %%
pilot = np.subtract(*simulated_scores(1, 1000, rng=5))[0]
print({f"gain {gain}": seeds_needed(pilot, gain) for gain in (0.02, 0.01, 0.005)}, "for the simulated pair")

# %% [markdown]
# Half the gain takes four times the seeds. The formula counts on a normal distribution and is too hopeful below ten seeds or so.

# %% [markdown]
# ## 6 What was recorded
# The plan of section 1, carried out in the `laptop` profile: all clips, seconds to minutes a training. These numbers were recorded before and are read here from the ledger; what is not there yet is
# said to be missing. (The control with shuffled labels was recorded whole for the equal search alone: notebook 21.)
#
# **Predict, then run:** a network that does not beat three means side by side has not earned its equations, on this corpus. Does each of the two?

# %%
beat = {TWO: "both", TWO[:1]: "MGMR-Net only", TWO[1:]: "MFMB-Net only", (): "neither"}
predict("20.g", "Which of the two beats Concat, the simplest fusion, among the plan's rivals?", list(beat.values()))

# %%
from mgmr_lib.chapters.shared import recorded_areas
from mgmr_lib.experiments.verdicts import BETTER, family

recorded = read_ledger(corpus=corpus.name, profile="laptop")
say(draw.provenance(recorded))

# %%
say(draw.table(recorded))

# %%
fig = plt.figure(figsize=(8.0, 3.8))
recorded_areas.areas(fig, draw.shown(recorded))
fig.suptitle("Recorded: areas with their intervals over seeds", x=0.01, ha="left")
show(fig, "AUILC of the mean absolute error over rates 0 to 1 (lower is better), for each recorded network of the plan "
     "the mean over its seeds and the interval. Where nothing is recorded the picture is empty. Nothing here was "
     "computed by this notebook.")

# %%
fig = plt.figure(figsize=(8.0, 2.8))
draw.pairs(fig, recorded, "mgmr", "mfmb")
fig.suptitle("Recorded: the same seeds, joined", x=0.01, ha="left")
show(fig, "Left the area under the error curve of both networks, a line for each seed; right the "
     "difference for each seed, with the mean and its paired interval. Lines that ran side by side would mean "
     "shared luck.")

# %%
say(draw.verdict(recorded, "mgmr", "mfmb"))

# %% [markdown]
# And against every rival of the plan: many comparisons at once. (Later networks, which the plan did not name, are notebook 27's.) Only our two networks have five seeds, so Welch's test takes all seeds of both sides, unpaired; Holm's procedure judges the family (notebook 22).

# %%
against = draw.rivals(recorded)
say(recorded_areas.in_words(against))

# %%
if all((name, "concat") in against.index for name in TWO):
    winners = tuple(name for name in TWO if against.loc[[(name, "concat")], "word"].item() == BETTER)
    outcome("20.g", beat[winners], because="A lead in the table is no verdict: who is not told apart in the whole "
            "family has not earned its equations here.")

# %%
plain = recorded_areas.in_words(family(recorded, [("mfmb_plain", "concat")]))
say("Nor does a verdict say that it was the equations. MFMB-Net also has an objective, a dropout, a width and epochs "
    f"that were chosen for it. With its rivals' in their place (one comparison, for itself): "
    f"{plain.removeprefix('- ')}. "
    "The other way, a search for everyone, is notebook 21's.")

# %% [markdown]
# ## 7 Your own study
# Reading a table is one thing. Now train both networks whole, with five seeds that nobody has looked at: new evidence, by your plan.

# %%
whole = [r for r in recorded if r["name"] in TWO]
minutes = sum(r["seconds"] for r in whole) / 60
say(f"Where the course recorded them, {len(whole)} such trainings took {minutes:.0f} minutes of one core. "
    "Yours run in the background, over as many sittings as you like.")

# %% [markdown]
# First write down what you expect. Seeds, networks (also an ablation of notebook 22, such as `"mgmr_no_recon"`, or a rival, such as `"concat"`), profile and missing pattern may be
# others; metric and verdict are section 1's. With the first training the plan is fixed, and another one needs another folder.

# %%
from mgmr_lib.chapters.shared import own_study

plan = study.Plan(models=TWO, seeds=(1, 2, 3, 4, 5), profile="laptop",
                  expectation="MGMR-Net minus MFMB-Net will be ...")
own_study.panel(plan)

# %% [markdown]
# `Start or go on` writes the plan and begins; `Stop`, closing the notebook or a power cut leave what the last whole epoch left, and Start goes on there. The panel looks again every few seconds. In a
# terminal `python -m mgmr_lib experiment study` does the same, and `--report-only` says where it is.
#
# Notebooks 21 to 24 read your records and weights, and show the recorded ones beside them. Come back here for the verdict:

# %%
own = own_study.records()
like = own_study.recorded_like(own)
say(own_study.beside(own, like))

# %%
say(own_study.pair(own, like))

# %% [markdown]
# If your word is another one than the recorded, that is no contradiction: *not told apart* is what few seeds say of a small difference, and two honest experiments may disagree about it (notebook 10). Do not add seeds until
# you like the word.
#
# To fill the course's tables instead: `python -m mgmr_lib experiment table --models mgmr,mfmb --seeds 5`; with `--data PATH`, on your own data.

# %% [markdown]
# ## Limits
# - Voice and face of this corpus are simulated; a verdict here is one about these data.
# - Settings that the papers do not print are ours: in `laptop` after many trials for MFMB-Net (recorded on seven classes, notebook 19), hardly any for the baselines. In notebook 21 one search gives everyone as many.
# - Intervals over seeds say how training varies. Other test clips are another source of luck, which notebook 10 measures.
# - Many comparisons together raise false alarms: hence one primary metric, and Holm's procedure.

# %% [markdown]
# ## Summary
# - Write the plan before the first run: metric, seeds, protocol, choice of the epoch, verdict.
# - One training each names a winner even where there is none.
# - A run is a function of its settings: killed and resumed, it ends in the same weights.
# - A record carries its settings, data, versions and a digest. What counts is that it can be repeated.
# - Compare by the rule that the plan fixed. An interval that holds 0 says "not told apart", and never "equal".

# %%
progress("20")
