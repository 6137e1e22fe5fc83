# ---
# jupyter:
#   mgmr:
#     title: Metrics and their traps
#     claim: "A score is computed by a few lines with choices in them, and the choices can move it by more than the steps between the rows of a printed table."
#     goals:
#       - write every metric of the field from its definition, with its conventions
#       - recognise, from two printed numbers, an F1 that no predictions can have
#       - say what choosing a checkpoint on the test clips gains when there is nothing to gain
#       - turn a curve over missing rates into one number, in two ways that agree only where a curve ends as high as it begins
#       - decide when half a point is real
#     minutes: 76
#     budget_s: 60
#     device: cpu
#     requires: ["09"]
#     introduces: [weighted F1, AUILC, bootstrap, power]
# ---
# %% [markdown]
# ## Two numbers that do not fit
# A small network that sees only faces is tested on 686 clips of CMU-MOSI. The MFMB-Net paper prints, for this FC(V), Acc-2 44.79 and F1 61.45
# [@mfmb2025]. Acc-2 is the share of clips whose sign is right.
#
# **Predict:** worse than a coin, and yet an F1 far above it. What does such a network answer? Place a bet; in section 3 it meets the numbers.

# %%
import numpy as np
from matplotlib import pyplot as plt

from mgmr_lib.chapters.ch10_metrics_and_traps import figures as draw
from mgmr_lib.course import check, exercise, explore, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.data.load import load_corpus
from mgmr_lib.evaluation.metrics import auilc, evaluate, mean_over_rates, notes

use_style()
corpus = load_corpus("classroom-mosi")
y, y_valid, y_train = (corpus[name].labels.astype(float) for name in ("test", "valid", "train"))

# %%
predict("10.a", "What does such a network answer?",
        ["signs at random", "mostly the wrong sign", "positive, to nearly every clip",
         "negative, to nearly every clip"])

# %% [markdown]
# We need readers to score. A trained network would do, but then nobody knows the truth about it. So ours is *simulated*: part of the label plus
# noise, so that its skill is exactly known. Labels and their number, 686, are those of the classroom's test clips.

# %%
rng = np.random.default_rng(10)
reader = 0.55 * y + 0.75 * rng.normal(size=len(y))
print(len(y), "clips, labels from", y.min().round(1), "to", y.max().round(1))

# %% [markdown]
# Beside it stand two rivals that read nothing. The blind one answers the mean training label, always. The random one answers the label of some
# training clip, drawn by lot.
#
# **Predict, then run:** which of the two has the better error, which the better seven-class accuracy?

# %%
predict("10.b", "Which rival is better by the error, which by the seven-class accuracy?",
        ["the blind one by both", "the blind one by the error only", "the random one by the error only",
         "the random one by both"])

# %% tags=["baseline"]
rivals = {"simulated reader": reader, "blind: mean label": np.full(len(y), y_train.mean()),
          "random label": rng.permutation(y_train)[: len(y)]}
kept = {"acc2_has0": "Acc-2 (share)", "f1_has0": "F1 (no unit)", "acc7": "Acc-7 (share)",
        "mae": "MAE (points)", "corr": "Corr (no unit)"}
table = {name: {kept[m]: evaluate(p, y, "mosi")[m] for m in kept} for name, p in rivals.items()}

# %%
fig = plt.figure(figsize=(8.0, 2.4))
draw.readers_by_metric(fig, table)
fig.suptitle("Who is worst depends on the metric", x=0.01, ha="left")
show(fig, "Five metrics of three readers; MAE is better to the left, all others to the right. The blind "
     "reader has the smaller error of the two rivals, and the random one the "
     "higher seven-class accuracy and F1.")

# %%
blind, chance = table["blind: mean label"], table["random label"]
assert blind["MAE (points)"] < chance["MAE (points)"] - 0.1
assert blind["Acc-7 (share)"] < chance["Acc-7 (share)"] - 0.05
outcome("10.b", "the blind one by the error only",
        because="To stay in the middle keeps errors small, but the middle is a class with few labels: a "
        "random answer at least visits the frequent ones.")

# %% [markdown]
# Neither knows anything, and each looks better than the other somewhere. So we look into the formulas.
#
# ## 1 Distance and correlation
# $$\text{MAE} = \frac1n\sum_i |p_i - y_i| \qquad \text{Corr} = \frac{\sum_i (p_i-\bar p)(y_i-\bar y)}{\sqrt{\sum_i (p_i-\bar p)^2\,\sum_i (y_i-\bar y)^2}}$$
#
# | symbol | what | shape |
# |---|---|---|
# | $p$, $y$ | predictions and labels, in points | $(n)$ |
# | $\bar p$, $\bar y$ | their means | one number |

# %%
def mae(p, y):
    return float(np.abs(p - y).mean())


def corr(p, y):
    a, b = p - p.mean(), y - y.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


assert abs(mae(reader, y) - evaluate(reader, y, "mosi")["mae"]) < 1e-12
assert abs(corr(reader, y) - evaluate(reader, y, "mosi")["corr"]) < 1e-12

# %% [markdown]
# **Predict, then run:** we move the predictions to $10\,p + 7$. What happens to each of the two? And what is the correlation of a constant?

# %%
predict("10.c", "Which of the two changes if p becomes 10 p + 7?", ["neither", "MAE only", "Corr only", "both"])

# %%
moved = 10 * reader + 7
print(f"MAE  {mae(reader, y):.2f} -> {mae(moved, y):.1f}\nCorr {corr(reader, y):.3f} -> {corr(moved, y):.3f}")
with np.errstate(invalid="ignore"):
    constant = np.zeros(len(y))
    print("constant:", corr(constant, y), "by the formula,", evaluate(constant, y, "mosi")["corr"], "ours")
say(f"The library's note: *{notes(constant, y, 'mosi')[0]}*.")

# %%
changes = [not np.isclose(metric(moved, y), metric(reader, y)) for metric in (mae, corr)]
outcome("10.c", {(False, False): "neither", (True, False): "MAE only", (False, True): "Corr only",
                 (True, True): "both"}[tuple(changes)],
        because="Corr takes away mean and scale before it compares, so predictions far off the scale cost it "
        "nothing.")

# %% [markdown]
# Corr sees neither scale nor offset. For a constant it is zero over zero, and `nan` poisons every mean over seeds. We report 0 and say so:
# networks under heavy loss do become constant, and at missing rate 1 all of them should be nearly that.

# %% [markdown]
# ## 2 Signs and classes
# Two conventions are in use for Acc-2:
#
# | | counts | positive means |
# |---|---|---|
# | has0: negative / non-negative | all clips | $p \ge 0$, $y \ge 0$ |
# | non0: negative / positive | clips with $y \ne 0$ | $p > 0$, $y > 0$ |
#
# Tables print both with a slash between. MFMB-Net puts has0 first, MGMR-Net non0 [@mfmb2025] [@mgmr2025].

# %% [markdown]
# ### Exercise 10.1 · Acc-2, twice (easy, 6 minutes)
# Return the accuracy as a fraction. Mind predictions of exactly 0, and which clips count.


# %%
@exercise("10.1")
def acc2(prediction, truth, convention):
    """prediction, truth: arrays (n,); convention: "has0" or "non0" -> the share of right signs."""
    # SOLUTION
    if convention == "has0":
        return float(np.mean((prediction >= 0) == (truth >= 0)))
    some = truth != 0
    return float(np.mean((prediction[some] > 0) == (truth[some] > 0)))
    # END SOLUTION


# %%
check("10.1", acc2)

# %% [markdown]
# How much can the choice matter? Our test split has next to no zeros, CMU-MOSI has more: its test clips are 379 negative, 30 neutral and 277 positive
# [@mfmb2025]. We build labels with these counts; only signs matter here.
#
# **Predict, then run:** three readers without any skill always answer -1, 0 or 1. Which of them gains by switching the convention?

# %%
predict("10.d", "Who gains most by switching from has0 to non0?",
        ["always -1", "always 0", "always 1", "nobody gains"])

# %%
NEGATIVE, NEUTRAL, POSITIVE = 379, 30, 277
mosi = np.repeat([-1.0, 0.0, 1.0], [NEGATIVE, NEUTRAL, POSITIVE])
for value in (-1, 0, 1):
    has0, non0 = (100 * acc2(np.full(len(mosi), float(value)), mosi, c) for c in ("has0", "non0"))
    print(f"always {value:2}: has0 {has0:.2f}  non0 {non0:.2f}")

# %%
gained = {v: acc2(np.full(len(mosi), float(v)), mosi, "non0") - acc2(np.full(len(mosi), float(v)), mosi, "has0")
          for v in (-1, 0, 1)}
most = max(gained, key=gained.get)
outcome("10.d", f"always {most}" if gained[most] > 0 else "nobody gains",
        because="The convention not only drops the neutral clips: it also decides on which side an answer of "
        "exactly 0 stands.")

# %% [markdown]
# Always 0 gains more than ten points by a change of convention, since $0 \ge 0$ is true and $0 > 0$ is not. And the first number of the last
# line is close to one at the top of this notebook.

# %% [markdown]
# ### Classes
# Acc-7, Acc-5 and Acc-3 clip prediction and label to $\pm 3$, $\pm 2$, $\pm 1$ and round to whole numbers. A colleague wrote the function below.
#
# **Predict, then run:** we give it perfect predictions, $p = y$. What does she get?

# %%
predict("10.e", "What score do perfect predictions get?",
        {"all of them right": 1, "nine in ten": 0.9, "about half": 0.5, "none": 0})

# %%
def colleagues_acc7(p, y):
    return np.mean((np.clip(p, -3, 3) + 0.5).astype(int) == np.round(np.clip(y, -3, 3)))


print(f"perfect predictions: {colleagues_acc7(y, y):.0%}")

# %%
outcome("10.e", colleagues_acc7(y, y),
        because="A metric is code, and wrong code fails in silence: try it first on answers whose score you "
        "know.")

# %% [markdown]
# ### Exercise 10.2 · find the bug: classes (medium, 8 minutes)
# Find what goes wrong, and write the function for any `top`: 3 for seven classes, 2 for five, 1 for three. At .5 follow `np.round`.


# %%
@exercise("10.2")
def class_accuracy(prediction, truth, top):
    """prediction, truth: arrays (n,); top: 1, 2 or 3 -> the share of clips in the right class."""
    # SOLUTION
    classes = [np.round(np.clip(x, -top, top)) for x in (prediction, truth)]
    return float(np.mean(classes[0] == classes[1]))
    # END SOLUTION


# %%
check("10.2", class_accuracy)

# %%
rules = {"np.round: half to even": np.round, "half up: floor(x + 0.5)": lambda x: np.floor(x + 0.5),
         "the colleague's int(x + 0.5)": lambda x: (x + 0.5).astype(int)}
fig, ax = plt.subplots(figsize=(8.0, 3.4))
draw.staircases(ax, rules)
ax.set_title("Three ways to round: one is wrong below zero, two differ at .5 alone")
show(fig, "Class against value, the lines shifted a little so that none hides another; marks show the class at "
     "exactly .5. The colleague's rule is one class too high for most negative values, and its class 0 is twice as "
     "wide.")

# %% [markdown]
# Does .5 ever happen? Predictions with many digits hardly land there. Labels do: they are means over a few raters.

# %%
half_up = np.floor(y + 0.5)
changed = half_up != np.round(y)
say(f"Of {len(y)} labels, {np.sum(y % 1 == 0.5)} lie on .5, and {changed.sum()} of them change class if we "
    f"round half up. So the rule can move Acc-7 by up to {100 * changed.mean():.1f} points.")
x = np.linspace(-4, 4, 3201)
assert all((np.round(np.clip(x, -t, t)) == np.clip(np.round(x), -t, t)).all() for t in (1, 2, 3))

# %% [markdown]
# The cell's last line checks that clipping may come before or after rounding, since the borders are whole numbers. It must only not be forgotten. The
# same fact gives a check for tables.
#
# **Predict:** can a network be right more often among seven classes than among five?

# %%
predict("10.f", "Can Acc-7 be above Acc-5 for the same predictions?",
        ["yes, easily", "only with unusual predictions", "never"])

# %% [markdown]
# ### Exercise 10.3 · seven classes into five (easy, 5 minutes)
# A proof in code. Given only the class of a value among seven, a whole number from -3 to 3, return its class among five. If that
# is possible, two values that share a class among seven share one among five.


# %%
@exercise("10.3")
def five_from_seven(c):
    """c: class among seven, -3 to 3 -> class among five, -2 to 2."""
    # SOLUTION
    return max(-2, min(2, c))
    # END SOLUTION


# %%
check("10.3", five_from_seven)

# %%
values = np.linspace(-4, 4, 3201)
among_seven, among_five = (np.round(np.clip(values, -top, top)) for top in (3, 2))
split_up = [c for c in np.unique(among_seven) if len(np.unique(among_five[among_seven == c])) > 1]
outcome("10.f", "only with unusual predictions" if split_up else "never",
        because="Fewer classes are not other classes: five come from seven by merging, and merging can only "
        "add hits.")

# %% [markdown]
# So who is right among seven is right among five: Acc-5 is at least Acc-7 for any predictions, and so for any mean over seeds or rates. Now read
# MGMR-Net's Table 4, results on CMU-MOSEI [@mgmr2025]. The numbers are the paper's.
#
# **Predict, then run:** how many of its nine rows keep the rule?

# %%
predict("10.g", "How many of the nine rows keep the rule?",
        {"all nine": 9, "all but one": 8, "five": 5, "none": 0})

# %%
for name, (acc7, acc5) in draw.PAPER_MOSEI.items():
    print(f"{name:9} Acc-7 {acc7:.2f}  Acc-5 {acc5:.2f}", "  <- no predictions can do this" if acc5 < acc7 else "")

# %%
outcome("10.g", sum(acc5 >= acc7 for acc7, acc5 in draw.PAPER_MOSEI.values()),
        because="Numbers that stand in one row of a printed table need not come from the same predictions, or"
        " the same code.")

# %% [markdown]
# > **Card: the table cannot be right.** In four rows of other authors' networks Acc-5 lies below Acc-7. TFR-Net's 34.67 is its Acc-5 on CMU-MOSI in the
# > table before, and TETFN's Acc-2 69.76/67.68 and MAE 1.087 stand in both tables [@mgmr2025]. Either something went wrong in copying, or classes were
# > made differently from row to row: then the column compares nothing. The rows of MGMR-Net itself and of LNLN keep the rule.

# %% [markdown]
# ## 3 Weighted F1
# The F1 of class $c$ is $2 h_c / (a_c + w_c)$. The [weighted F1](glossary.md#weighted-f1) is the mean over both classes, weighted by how often each is *true*:
#
# $$\text{F1} = \sum_c \frac{w_c}{n}\cdot\frac{2 h_c}{a_c + w_c}$$
#
# | symbol | what |
# |---|---|
# | $w_c$, $a_c$ | clips that truly are, and that are answered to be, in class $c$ |
# | $h_c$ | hits: clips that are both |

# %% [markdown]
# ### Exercise 10.4 · weighted F1 (medium, 10 minutes)
# Arrays of booleans come in, True for positive. A class that is never true and never predicted adds 0.


# %%
@exercise("10.4")
def weighted_f1(predicted, true):
    """predicted, true: boolean arrays (n,) -> one number in 0..1."""
    # SOLUTION
    total = 0.0
    for c in (True, False):
        hits = np.sum((predicted == c) & (true == c))
        both = np.sum(predicted == c) + np.sum(true == c)
        total += np.mean(true == c) * (2 * hits / both if both else 0.0)
    return float(total)
    # END SOLUTION


# %%
check("10.4", weighted_f1)

# %% [markdown]
# scikit-learn's function is `f1_score(truth, prediction)`, in this order. Several published evaluations call it the other way round, among them the code of MFMB-Net
# [@mfmb2025], of TFR-Net, and LNLN's first release [@zhang2024]. Nothing fails: hits stay hits, and each class keeps its F1. Only $w_c$ and $a_c$ change places, so the weights
# are now how often each class is *predicted*.

# %%
for p in (reader, np.where(reader > -1.5, 1.0, -1.0), np.ones(len(y))):
    true, swapped = (evaluate(p, y, "mosi", f1_order=o)["f1_has0"] for o in ("true", "swapped"))
    assert abs(true - weighted_f1(p >= 0, y >= 0)) < 1e-12 and abs(swapped - weighted_f1(y >= 0, p >= 0)) < 1e-12
    print(f"{np.mean(p >= 0):4.0%} predicted positive: true F1 {100 * true:.1f}, swapped {100 * swapped:.1f}")

# %% [markdown]
# A balanced reader hardly notices. The more one-sided the answers, the more the swap pays. Now the extreme case.
#
# ### Exercise 10.5 · a constant answer (medium, 8 minutes)
# Everything is answered with "positive". From the numbers of truly negative and positive clips compute accuracy, true weighted F1 and swapped
# weighted F1, as fractions.


# %%
@exercise("10.5")
def constant_positive(negative, positive):
    """Counts of clips -> (accuracy, true F1, swapped F1)."""
    # SOLUTION
    share = positive / (negative + positive)
    f1 = 2 * positive / (2 * positive + negative)
    return share, share * f1, f1
    # END SOLUTION


# %%
check("10.5", constant_positive)

# %% [markdown]
# **Predict, then run:** we put in the counts of CMU-MOSI's test clips: 379 negative, 30 neutral, 277 positive, from MFMB-Net's Table 1. Below stand FC(V) and FC(A), the
# face and the voice alone, as its Table 2 prints them [@mfmb2025]. To which F1 of the
# constant does the printed one come close?

# %%
predict("10.h", "To which F1 of a constant answer is the printed F1 of FC(V) close?",
        ["the true one", "the swapped one", "neither"])

# %%
both = [constant_positive(NEGATIVE, NEUTRAL + POSITIVE), constant_positive(NEGATIVE, POSITIVE)]
for i, name in enumerate(("Acc-2", "true F1", "swapped F1")):
    print(f"always positive, computed here: {name:10} {100 * both[0][i]:.2f} / {100 * both[1][i]:.2f}")
for name in ("FC(V)", "FC(A)"):
    row = draw.PAPER_ROWS["MFMB-Net, Table 2"][name]
    print(f"{name} in the paper:   Acc-2 {row[0]:.2f} / {row[1]:.2f},  F1 {row[2]:.2f} / {row[3]:.2f}")

# %%
printed = draw.PAPER_ROWS["MFMB-Net, Table 2"]["FC(V)"]
apart = {kind: abs(printed[2] - 100 * both[0][i]) for i, kind in ((1, "the true one"), (2, "the swapped one"))}
near = min(apart, key=apart.get)
outcome("10.h", near if apart[near] < 1 else "neither",
        because="Weighed by how often each class is answered, an F1 leaves out the class that nobody "
        "answered: its failure weighs nothing.")

# %% [markdown]
# Both rows look like a network that answers "positive" to nearly everything, scored with the swapped F1: it has learned next to nothing, which Acc-2 says and
# F1 hides. Is there another explanation? Some better network with the same two numbers? Two steps settle it.
#
# First: do only these counts of clips give a constant its two accuracies? We try them all. (The first one printed for FC(V) is no whole number of 686 clips [@mfmb2025]: a mean of runs, or of fewer clips.)

# %%
n, fits = NEGATIVE + NEUTRAL + POSITIVE, []
target = [round(100 * share[0], 2) for share in both]
for positive in range(n + 1):
    for neutral in range(n + 1 - positive):
        negative = n - positive - neutral
        if round(100 * (positive + neutral) / n, 2) == target[0] and negative + positive:
            if round(100 * positive / (negative + positive), 2) == target[1]:
                fits.append((negative, neutral, positive))
print(f"counts of {n} clips for which a constant has Acc-2 {target[0]} / {target[1]}:", fits)

# %% [markdown]
# Second, a ceiling. With $a$ the accuracy and $q$ the true share of positive clips, *no* predictions have a true weighted F1 above
#
# $$1 - (1-a)\Big(\tfrac12 + \sqrt{q(1-q)}\Big)$$
#
# With $E = (1-a)n$ errors, F1 is $1 - E \sum_c (w_c/n)/(a_c + w_c)$, the denominators add up to $2n$, and the Cauchy-Schwarz inequality does the rest.
# Being straight in $a$, it holds for means over seeds and rates too.

# %%
def ceiling(accuracy, share):
    """The largest true weighted F1 at this accuracy, where `share` of the clips is positive."""
    return 1 - (1 - accuracy) * (0.5 + np.sqrt(share * (1 - share)))


def every_table(negative, positive):
    """Accuracy, true F1, swapped F1, share answered positive, of all tables of hits: (negative + 1, positive + 1)."""
    right, good = np.meshgrid(np.arange(positive + 1), np.arange(negative + 1))
    n, errors = negative + positive, negative + positive - right - good
    f1 = [2 * h / np.maximum(2 * h + errors, 1) for h in (right, good)]
    said = (right + negative - good) / n
    return 1 - errors / n, (positive * f1[0] + negative * f1[1]) / n, said * f1[0] + (1 - said) * f1[1], said

# %% [markdown]
# We do not have to believe the inequality: there are finitely many tables of hits on 379 and 307 clips, and we try them all.

# %%
accuracy, true, swapped, said = every_table(NEGATIVE, NEUTRAL + POSITIVE)
assert (true <= ceiling(accuracy, (NEUTRAL + POSITIVE) / n) + 1e-12).all()
near = np.abs(accuracy - 0.4479) < 0.0015
most = [100 * f1[near].max() for f1 in (true, swapped)]
say(f"Of {accuracy.size} possible tables, {near.sum()} have FC(V)'s accuracy, give or take a clip. Their true "
    f"F1 is at most **{most[0]:.1f}**; their swapped F1 goes up to **{most[1]:.1f}**.")
pair = near & (np.abs(swapped - 0.6145) < 0.0015)
say(f"Where accuracy and swapped F1 both fit, at least {said[pair].min():.0%} of the answers are positive.")

# %%
least, most_said = said[pair].min(), said[pair].max()
assert least > 0.9 or most_said < 0.1
outcome("10.a", "positive, to nearly every clip" if least > 0.9 else "negative, to nearly every clip",
        because="An F1 far above the accuracy is no sign of skill: with swapped arguments, whoever always "
        "says the same is rewarded for it.")

# %% [markdown]
# So the printed 61.45 [@mfmb2025] is not a true weighted F1, whatever the network was.
#
# **Predict, then run:** the ceiling applies to every row on these clips. Of the 21 rows that two tables of MFMB-Net and one of MGMR-Net print for CMU-MOSI
# [@mfmb2025] [@mgmr2025], how many lie above it? We allow a fifth of a point: MFMB-Net's code drops the last 14 test clips, and that may move the ceiling a little.

# %%
predict("10.i", "How many of the 21 rows lie above the ceiling in both conventions?",
        between=(0, 21), step=1, within=2, unit="rows")

# %% tags=["signature"]
shares = {"has0": (NEUTRAL + POSITIVE) / n, "non0": POSITIVE / (NEGATIVE + POSITIVE)}
fewer = (POSITIVE - 14) / (NEGATIVE + POSITIVE - 14)
assert 100 * abs(ceiling(0.42, fewer) - ceiling(0.42, shares["non0"])) < 0.2
for source, rows in draw.PAPER_ROWS.items():
    above = {name: sum(row[2 + j] > 100 * ceiling(row[j] / 100, q) + 0.2 for j, q in enumerate(shares.values()))
             for name, row in rows.items()}
    words = [", ".join(name for name, k in above.items() if k == many) or "none" for many in (2, 1)]
    print(f"{source}, {len(rows)} rows, above in both conventions: {words[0]}; in one: {words[1]}")

# %%
fig = plt.figure(figsize=(8.0, 3.8))
draw.accuracy_against_f1(fig, shares, ceiling)
fig.suptitle("What no true F1 can be: the papers' rows above the black line", x=0.01, ha="left")
show(fig, "Weighted F1 against Acc-2 as the papers print them; true F1 can only lie in the grey area. All "
     "rows of MFMB-Net's Table 2 lie above it, two of them on the dashed line of constant answers; so do "
     "MFMB-Net's own row in its Table 4 and ALMT's in MGMR-Net's Table 3.")

# %%
impossible = [all(row[2 + j] > 100 * ceiling(row[j] / 100, q) + 0.2 for j, q in enumerate(shares.values()))
              for rows in draw.PAPER_ROWS.values() for row in rows.values()]
assert len(impossible) == 21
outcome("10.i", sum(impossible),
        because="By eye many of these pairs of numbers look possible; a bound tells for each row, without "
        "any predictions, whether it is.")

# %% [markdown]
# > **Card: paper and code differ.** In MFMB-Net's Table 4 its own F1 lies above the ceiling, and those of its rivals, which come from another paper, below
# > [@mfmb2025]. Its published code swaps the arguments; its lead in F1 then compares two different metrics. MGMR-Net's own row on CMU-MOSI keeps
# > to the ceiling [@mgmr2025].

# %% [markdown]
# > **Card: the paper is unclear.** On CH-SIMS the paper prints MGMR-Net with Acc-2 73.65 and F1 78.91, LNLN with 72.73 and 79.43, ALMT with 71.85 and 76.21 [@mgmr2025]. A
# > corrected rerun that LNLN's authors show has 69.18 for LNLN's 79.43 and 67.49 for ALMT's 76.21 [@zhang2024]. For which class shares could MGMR-Net's pair be a true one?

# %%
grid = np.linspace(0.001, 0.5, 5000)
rarest = grid[ceiling(0.7365, grid) >= 0.7891].max()
say(f"Only where the rarer class has at most {rarest:.0%} of the clips. Whoever always answers the other "
    f"class would then have Acc-2 {1 - rarest:.0%}, far above all rows of that table. So this F1 is hardly a "
    "true one either.")

# %% [markdown]
# ### CH-SIMS, and the test of our tools
# CH-SIMS labels lie in $[-1, 1]$. Everything is clipped to that range first, for MAE and Corr too. Classes are intervals $(lo, hi]$ with the edges 0; $\pm 0.1$; $\pm 0.1, \pm 0.7$ for two, three and five
# classes. So 0 is negative here. We write both families by hand and compare with the library on random inputs, many of them exactly on an edge.

# %%
def sims_class(x, edges):
    return sum((x > edge).astype(int) for edge in edges)


def by_hand(p, y, family):
    if family == "sims":
        p, y = np.clip(p, -1, 1), np.clip(y, -1, 1)
        edges = {"acc2": [0], "acc3": [-0.1, 0.1], "acc5": [-0.7, -0.1, 0.1, 0.7]}
        out = {k: float(np.mean(sims_class(p, e) == sims_class(y, e))) for k, e in edges.items()}
        out["f1"] = weighted_f1(p > 0, y > 0)
    else:
        some = y != 0
        out = {f"acc2_{c}": acc2(p, y, c) for c in ("has0", "non0")}
        out |= {"f1_has0": weighted_f1(p >= 0, y >= 0), "f1_non0": weighted_f1(p[some] > 0, y[some] > 0)}
        out |= {f"acc{2 * top + 1}": class_accuracy(p, y, top) for top in (1, 2, 3)}
    return out | {"mae": mae(p, y), "corr": corr(p, y)}


# %%
rng = np.random.default_rng(1)
for trial in range(200):
    family, scale = ("mosi", 4.0) if trial % 2 else ("sims", 1.2)
    p, labels = rng.uniform(-scale, scale, size=(2, rng.integers(20, 60)))
    if trial % 4 < 2:
        p, labels = np.round(p * 10) / 10, np.round(labels * 2) / 2
    ours, theirs = by_hand(p, labels, family), evaluate(p, labels, family)
    assert set(ours) == set(theirs) and all(abs(ours[k] - theirs[k]) < 1e-12 for k in ours)
print("200 random inputs: by hand = the library's evaluate, every metric of both families")

# %% [markdown]
# ## 4 Choosing on the test clips
# A training leaves a checkpoint an epoch. Which one is reported? The rule is: the one that is best on the valid split. Published code of LNLN and others takes, for *each
# metric by itself*, the epoch that is best on the test split [@zhang2024].
#
# What does that gain? We simulate checkpoints that are all *equally good*: same skill, same noise for the clip, and a little noise of their own. Any gain is luck.

# %%
def checkpoints(labels, many, rng, skill=0.55, own=0.35):
    """Predictions (many, n) of equally good checkpoints of one training."""
    shared = skill * labels + 0.75 * rng.normal(size=len(labels))
    return shared + own * rng.normal(size=(many, len(labels)))


def scores(p, labels):
    """{metric: (many,)}, all so that more is better; in points of a per cent, and hundredths for Corr and MAE."""
    some = labels != 0
    a, b = ((x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True) for x in (p, labels))
    seven = [np.round(np.clip(x, -3, 3)) for x in (p, labels)]
    return {"Acc-2": 100 * ((p[:, some] > 0) == (labels[some] > 0)).mean(1),
            "Acc-7": 100 * (seven[0] == seven[1]).mean(1),
            "Corr": 100 * (a * b).mean(1), "MAE": -100 * np.abs(p - labels).mean(1)}


# %%
def gains(many, skill=0.55, draws=100):
    """Mean gain over an average checkpoint, {rule: {metric: gain}}: picked by valid MAE, or by each metric on test."""
    found = {"best valid MAE, once": [], "best on test, for each metric": []}
    for seed in range(draws):
        rng = np.random.default_rng([seed, many])
        test = scores(checkpoints(y, many, rng, skill), y)
        pick = scores(checkpoints(y_valid, many, rng, skill), y_valid)["MAE"].argmax()
        found["best valid MAE, once"].append([s[pick] - s.mean() for s in test.values()])
        found["best on test, for each metric"].append([s.max() - s.mean() for s in test.values()])
    return {rule: dict(zip(test, np.mean(g, axis=0), strict=True)) for rule, g in found.items()}

# %% [markdown]
# Our negative control are checkpoints with skill 0, pure noise: they know nothing, and an honest procedure must not find anything in them.
#
# **Predict, then run:** with 30 checkpoints to choose from, how many points of Acc-2 are gained in three cases: picked on valid, picked on test, picked on test from pure noise?

# %%
predict("10.j", "How many points of Acc-2 does pure noise gain by picking on test?",
        {"none": 0, "half a point": 0.5, "two or three": 2.5, "about ten": 10})

# %% tags=["control"]
numbers = [3, 10, 30, 100]
skilled, noise = [gains(k) for k in numbers], [gains(k, skill=0.0) for k in numbers]
valid, test = skilled[0].keys()
growth = {"skilled, picked on test": (numbers, [g[test]["Acc-2"] for g in skilled]),
          "noise, picked on test": (numbers, [g[test]["Acc-2"] for g in noise]),
          "skilled, picked on valid": (numbers, [g[valid]["Acc-2"] for g in skilled])}

# %%
fig = plt.figure(figsize=(8.0, 3.6))
draw.selection(fig, growth, skilled[2])
fig.suptitle("Choosing on the test clips gains points where there is nothing to gain", x=0.01, ha="left")
show(fig, "Left: mean gain in Acc-2 over an average checkpoint, against the number of checkpoints. Picked on "
     "valid it stays near zero; picked on test it grows with their number, for pure noise even more. Right: "
     "gains for each metric with 30 checkpoints.")

# %%
won, luck = skilled[2][test], noise[2][test]
steps = np.diff(sorted(row[1] for row in draw.PAPER_ROWS["MGMR-Net, Table 3"].values()))
say(f"With {numbers[2]} checkpoints, picking on test gains **{won['Acc-2']:.1f} points of Acc-2** and "
    f"{won['Acc-7']:.1f} of Acc-7, from skill that does not differ. Noise gains {luck['Acc-2']:.1f} points: a "
    "coin that is thrown often enough looks gifted. Between neighbouring rows of MGMR-Net's Table 3 lie at most "
    f"{steps.max():.1f} points (both by non0).")

# %%
assert all(abs(v) < 0.5 for g in skilled + noise for v in (g[valid]["Acc-2"], g[valid]["Acc-7"]))
assert growth["noise, picked on test"][1][2] > 1.5 and growth["skilled, picked on test"][1][2] > 1.2
outcome("10.j", luck["Acc-2"],
        because="Luck cancels in a mean and not in a maximum: the best of many equal scores lies above all "
        "that they deserve.")

# %% [markdown]
# > **Card: our choice.** We select on the valid split, one checkpoint for all metrics, because a score that was picked on the test clips is a maximum and not an
# > estimate. Results of both kinds must not share a table: the gain above exceeds the steps between its rows.

# %% [markdown]
# ## 5 A curve in one number
# Under missing modalities every metric is a curve over the missing rate $r$. MFMB-Net reports the area under it, the [AUILC](glossary.md#auilc), its Eq. 20
# [@mfmb2025]: neighbouring points are joined by straight lines, so a strip's area is its width times the mean of its two heights.
#
# $$\text{AUILC} = \sum_{i=0}^{t-1} \tfrac12 (x_i + x_{i+1})(r_{i+1} - r_i)$$
#
# | symbol | what | shape |
# |---|---|---|
# | $r_i$, $x_i$ | missing rates, increasing, and the metric there | $(t+1)$ each |

# %% [markdown]
# ### Exercise 10.7 · the area under a curve (easy, 6 minutes)
# Write the equation for any increasing rates, however far apart they lie. It is not divided by the range of the rates, nor by anything else.


# %%
@exercise("10.7")
def area(rates, values):
    """rates, values: arrays (t + 1,), the rates increasing -> one number."""
    # SOLUTION
    return float(np.sum((values[:-1] + values[1:]) / 2 * np.diff(rates)))
    # END SOLUTION


# %%
check("10.7", area)

# %%
rates = np.arange(11) / 10
rng = np.random.default_rng(5)
fading = [(1 - r) * reader + r * 0.75 * rng.normal(size=len(y)) for r in rates]
curve = np.array([100 * acc2(p, y, "has0") for p in fading])
assert abs(area(rates, curve) - auilc(rates, curve)) < 1e-9, "exercise 10.7 is not solved yet"

# %% [markdown]
# MGMR-Net and LNLN report the plain mean over the rates 0 to 0.9 instead [@mgmr2025] [@zhang2024]. Our simulated reader fades from its own skill to
# noise at rate 1.
#
# **Predict, then run:** same curve, two numbers. Which one is larger, and by how much?

# %%
predict("10.k", "Which of the two is larger, and by how much?",
        ["the AUILC, by over a point", "they differ by less than a point", "the plain mean, by over a point"])

# %%
mean = mean_over_rates(rates, curve)
whole = area(rates, curve)
say(f"AUILC {whole:.1f}, plain mean {mean:.1f}: **{mean - whole:.1f} points** between two summaries of one curve.")
assert abs((mean - whole) - (curve[0] - curve[-1]) / 20) < 1e-9

# %%
outcome("10.k", "they differ by less than a point" if abs(mean - whole) < 1 else
        "the plain mean, by over a point" if mean > whole else "the AUILC, by over a point",
        because="Summaries of the same points differ by what they do with the ends, and a falling curve has a"
        " good end and a bad one.")

# %%
fig = plt.figure(figsize=(8.0, 3.0))
draw.area_and_mean(fig, rates, curve)
fig.suptitle("The plain mean leaves out the worst point", x=0.01, ha="left")
show(fig, "Acc-2 of one simulated reader over the missing rate. Left the area that AUILC takes, from 0 to 1; "
     "right the ten values that the plain mean averages, without the point at rate 1.")

# %% [markdown]
# The assert holds for every curve on this grid: the plain mean is larger by $(x_0 - x_{10})/20$. AUILC gives both ends half
# a weight; the mean gives the good end a whole one and the bad end none. For MAE, where lower is better, the mean looks better too. Always say which of the two a
# number is.

# %% [markdown]
# And why an area at all? Suppose that somebody tests at five rates only, four of them low.

# %%
few = np.array([0, 1, 2, 3, 10])
area_of, mean_of = ([f(rates[k], curve[k]) for k in (slice(None), few)] for f in (area, lambda r, x: x.mean()))
for name, (eleven, five) in (("area", area_of), ("mean", mean_of)):
    print(f"{name} over all eleven rates {eleven:.1f}, over {rates[few].tolist()} {five:.1f}")
assert abs(area_of[0] - area_of[1]) < 1 < mean_of[1] - mean_of[0]
beside = curve - np.interp(rates, rates[few], curve[few])
assert beside[4] > 1 and beside[8] < -1

# %% [markdown]
# A mean of points praises whoever looks most where it is easy. The area weighs each point by the room around it, and hardly moves in this curve: in the long gap
# it first lies above the straight line and then below it, and that cancels.

# %% [markdown]
# ## 6 When is half a point real?
# The test clips are a sample; other clips would give other scores. The [bootstrap](glossary.md#bootstrap) [@efron1979] imitates that: draw $n$ of the $n$ clips with replacement,
# score again, many times. The middle 95 % of the scores is the interval.
#
# **Predict, then run:** how wide is it for Acc-2 on 686 clips?

# %%
predict("10.l", "How wide is the reader's interval for Acc-2?", between=(0, 20), step=0.5, within=1.5, unit="points")

# %%
from mgmr_lib.evaluation.statistics import bootstrap_interval, paired_difference

hits = {name: ((p >= 0) == (y >= 0)).astype(float) for name, p in rivals.items()}
rows = np.random.default_rng(0).integers(0, len(y), size=(1000, len(y)))
found = {}
for name, h in hits.items():
    low, high = np.quantile(h[rows].mean(axis=1), [0.025, 0.975])
    found[name] = tuple(100 * v for v in (h.mean(), low, high))
    theirs = bootstrap_interval(np.mean, h, n_resamples=1000)
    assert abs(low - theirs["low"]) < 0.01 and abs(high - theirs["high"]) < 0.01

# %%
fig, ax = plt.subplots(figsize=(8.0, 2.0))
draw.intervals(ax, found)
ax.set(title="686 clips leave several points open", xlabel="Acc-2 (%), has0, with its 95 % interval", ylabel="reader")
width = found["simulated reader"][2] - found["simulated reader"][1]
show(fig, f"Acc-2 of three readers with bootstrap intervals. The simulated reader's is {width:.1f} points "
     "wide; those of the two rivals overlap, as they should.")

# %%
outcome("10.l", width,
        because="Hundreds of clips feel like many, but an interval narrows only with the root of their "
        "number.")

# %% [markdown]
# Two networks are better compared on the *same* clips: what is hard for one is mostly hard for the other. A colleague wants an interval for the difference of two
# accuracies, and draws clips for each network anew. Her interval is too wide.
#
# ### Exercise 10.6 · find the bug: whose clips (medium, 6 minutes)
# Hits are 0 or 1 for each clip; each row of `rows` is one draw of $n$ clips. Return the difference of the accuracies for each draw.


# %%
def colleagues_gains(hits_a, hits_b, rows):
    return hits_a[rows].mean(axis=1) - hits_b[rows[::-1]].mean(axis=1)


# %%
@exercise("10.6")
def resampled_gains(hits_a, hits_b, rows):
    """hits_a, hits_b: (n,) of 0 and 1; rows: (R, n) clip numbers -> (R,) differences, first minus second."""
    # SOLUTION
    return hits_a[rows].mean(axis=1) - hits_b[rows].mean(axis=1)
    # END SOLUTION


# %%
check("10.6", resampled_gains)

# %%
first, second = ((p >= 0) == (y >= 0) for p in checkpoints(y, 2, np.random.default_rng(3)))
for name, fn in (("drawn apart", colleagues_gains), ("same clips  ", resampled_gains)):
    low, high = np.quantile(100 * fn(first.astype(float), second.astype(float), rows), [0.025, 0.975])
    print(f"{name}: an interval of {high - low:.1f} points")
print(f"the two disagree on {np.mean(first != second):.0%} of the clips")
assert paired_difference(first, second)["p"] > 0.05

# %% [markdown]
# Two checkpoints of equal skill, and even the paired interval is several points wide. The [power](glossary.md#power) of an experiment is the probability that it sees a
# difference that is there. We simulate it: a network that is better by $g$, and that disagrees with its rival on a share $d$ of the clips.
#
# | symbol | what |
# |---|---|
# | $d$ | clips on which exactly one of the two is right, as a share |
# | $g$ | true gain: of these, $(d+g)/2$ go to the better one, $(d-g)/2$ to the other |

# %%
def power(clips, gain, disagree, draws=4000, seed=0):
    """Share of experiments whose paired test (two-sided, 5 %) finds the gain; all as fractions."""
    wins = [(disagree + gain) / 2, (disagree - gain) / 2, 1 - disagree]
    better, worse, _ = np.random.default_rng(seed).multinomial(clips, wins, size=draws).T
    mean = (better - worse) / clips
    error = np.sqrt(np.maximum((better + worse) / clips - mean**2, 1e-12) / (clips - 1))
    return float(np.mean(mean / error > 1.96))

# %% [markdown]
# **Predict, then run:** true gain half a point, 686 clips, a tenth of them in dispute. Of a hundred such experiments, how many find the better network? And how many clips would find it in four
# of five?

# %%
predict("10.m", "Of a hundred such experiments, how many find the better network?",
        between=(0, 100), step=1, within=5, unit="%")

# %%
needed = (1.96 + 0.84) ** 2 * 0.1 / 0.005**2
seen, large = 100 * power(686, 0.005, 0.1), 100 * (1.96 + 0.84) * np.sqrt(0.1 / 686)
say(f"About **{seen:.0f} in a hundred**. It takes some **{1000 * round(needed / 1000)} clips**; on 686, the gain must "
    f"be about {large:.1f} points before four of five experiments see it.")

# %%
assert power(686, 0.005, 0.1) < 0.15 and abs(power(round(needed), 0.005, 0.1) - 0.8) < 0.04
assert power(686, 0.0, 0.1) < 0.05
outcome("10.m", seen,
        because="A gain can be real and yet hidden: an experiment sees it only where it stands out from the "
        "luck of the clips.")

# %%
explore(lambda fig, disagree: draw.power_over_clips(fig, disagree, power),
        "Share of experiments that see a true gain of half a point, against the number of test clips. With "
        "686 clips hardly any does; four in five (dashed) takes tens of thousands, and the more the two "
        "networks disagree, the more clips.",
        title="Half a point needs tens of thousands of clips", size=(4.0, 2.7), disagree=[0.05, 0.1, 0.2])

# %% [markdown]
# The clips needed are $(1.96 + 0.84)^2\, d / g^2$: 1.96 for the 5 % test, 0.84 for four in five. A gain twice as large needs a quarter.
#
# Seeds are the other source of luck. Trained again, a network gets another score on the *same* clips. Means over seeds remove that luck, and only that one.
#
# **Predict, then run:** scores spread by one point (standard deviation) from seed to seed. Are the papers' three or five seeds enough for half a point?

# %%
predict("10.n", "How many seeds find half a point in four of five experiments?",
        {"three": 3, "five": 5, "about twenty": 20, "more than forty": 80})

# %%
from scipy import stats


def power_seeds(seeds, gain, spread, draws=4000):
    """Share of experiments in which a paired t-test over seeds (two-sided, 5 %) finds the gain, in points."""
    d = gain + np.sqrt(2) * spread * np.random.default_rng(seeds).normal(size=(draws, seeds))
    t = d.mean(axis=1) / (d.std(axis=1, ddof=1) / np.sqrt(seeds))
    return float(np.mean(t > stats.t.ppf(0.975, seeds - 1)))


seeds = [3, 5, 10, 20, 40, 80]
curves = {f"gain {g:g}, spread {s:g}": (seeds, [power_seeds(k, g, s) for k in seeds])
          for g, s in ((2.0, 1.0), (0.5, 0.5), (0.5, 1.0))}

# %%
fig, ax = plt.subplots(figsize=(8.0, 3.0))
draw.power_over_seeds(ax, curves)
ax.set_title("Five seeds mostly see two points, not half a point")
show(fig, "Share of experiments that see a true gain (both numbers in points), against the seeds for each "
     "network. Half a point at a spread of one point takes some sixty-five seeds; a gain of two points is "
     "mostly seen with five to ten.")

# %%
tried, found_it = curves["gain 0.5, spread 1"]
assert found_it[1] < 0.2 < 0.8 < found_it[-1]
outcome("10.n", next(k for k, p in zip(tried, found_it, strict=True) if p > 0.8),
        because="A mean over seeds loses its luck only with the root of their number, and a difference "
        "carries the luck of two networks.")

# %% [markdown]
# One run of `paired_difference` gives it all: mean, t-interval, p and bootstrap interval. Here for five pairs of seeds, whose true gain we know to be 0. The t-interval's half-width is the standard error times
# *Student's factor*: above four for three values, nearly three for five, near two only for many, because so few values hardly know their own spread.

# %%
a, b = np.random.default_rng(7).normal(80, 1, size=(2, 5)).round(1)
result = paired_difference(a, b)
print("scores", a, "and", b)
print({k: round(float(result[k]), 2) for k in ("mean", "low", "high", "p")})

# %% [markdown]
# **Pairing by seed is another matter than pairing by clip.** On one clip two networks meet the same difficulty, so pairing takes it out. One seed starts two *different* networks at unrelated weights: their scores need not rise and fall
# together, and then pairing gains nothing, drops every seed that only one of them has, and pays Student's larger factor. It must be chosen before looking, not for the narrower interval.

# %% [markdown]
# **Many comparisons.** Twenty comparisons without any true difference still give one with $p < 0.05$ on average. Holm's rule [@holm1979] pays for the number $m$: sort the $p$, compare the smallest with $0.05/m$, the next with
# $0.05/(m-1)$, and so on, and stop at the first that fails. Notebook 22 builds it; until then read a table with ten verdicts as ten looks.

# %% [markdown]
# So when is half a point real? We ask once more for what speaks most for it: a better network that loses no clip to its rival, and five seeds whose scores spread by less than a point (all spreads in points).

# %%
one_run = float(stats.binom.sf(5, 686, 0.005))  # six wins or more, no loss: fewer have an exact p above 5 %
by_spread = {s: power_seeds(5, 0.5, s) for s in (1.0, 0.5, 0.2)}
assert one_run < 0.5 and by_spread[1.0] < 0.15 and by_spread[0.5] < 0.3 and by_spread[0.2] > 0.8
shares = ", ".join(f"{seen:.0%} if scores spread by {s:g}" for s, seen in by_spread.items())
say(f"One run of each network on 686 clips: {one_run:.0%} of such experiments see half a point (a few clips are "
    "in dispute, too few for the bell curve of `power`: counted exactly, six are needed). Five seeds, on the same "
    f"clips: {shares} from seed to seed.")

# %% [markdown]
# Not with one run of each, then; with five seeds mostly where scores hardly spread, and then on these clips. Elsewhere we may say that two networks are *not told apart*. The course's
# tables print intervals for this reason.

# %% [markdown]
# ## 7 Limits
# - Readers and checkpoints were simulated with independent noise. Real checkpoints of one training resemble each other more, and some are truly better.
# - The bootstrap treats clips as independent. Clips of one speaker are not, so real intervals may be wider.
# - The ceiling proves what a number is *not*. How it came about we read from published code, and a table may have been made with another version.

# %% [markdown]
# ## 8 Summary
# - Name the Acc-2 convention: for who answers 0 they differ by many points.
# - Clip both sides; `np.round` at .5; Acc-5 is never below Acc-7.
# - Weighted F1 weighs by truth, and `f1_score` takes the truth first. There is a ceiling over each accuracy.
# - Picking on test gains from luck, and more with every checkpoint.
# - AUILC and the plain mean of one curve differ by a twentieth of its drop.
# - Half a point took tens of thousands of clips here, and dozens of seeds.

# %%
progress("10")
