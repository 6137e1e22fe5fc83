# ---
# jupyter:
#   mgmr:
#     title: Start here
#     claim: "When one word goes missing, a sentence can turn round; this course builds networks that expect it."
#     goals:
#       - say what goes missing in this course, and how its damage is measured
#       - work with the notebooks, with their exercises, hints and sliders
#       - know that the set-up works, and where to go next
#     minutes: 30
#     budget_s: 45
#     device: cpu
#     requires: []
#     introduces: [modality, missing rate, mean absolute error, text ridge]
#     preview: true
# ---
# %% [markdown]
# ## A sentence loses its words
# People read sentences from film reviews and rated each one [@hutto2014]; on our scale from -3 (very negative) to 3 (very positive)
# their mean is the *label*. Here is such a sentence. Run the cells one by one with Shift+Enter.

# %%
from matplotlib import pyplot as plt

from mgmr_lib.course import check, exercise, explore, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.data.load import load_corpus

use_style()
corpus = load_corpus("classroom-mosi")
test = corpus["test"]

# %%
clip = test.select([test.ids.index("video0059$_$1")])
say(f"> {clip.raw_text[0]}")

# %% [markdown]
# **Predict, then run:** which label did it get? Place your bet in the panel below, say how sure you are, and run on.

# %%
predict("00.a", "Which label did the sentence get?", between=(-3, 3), step=0.1, within=0.5)

# %%
say(f"The mean of the people who rated it: **{clip.labels[0]:+.1f}**.")

# %%
outcome("00.a", clip.labels[0], because="A label is a mean over people, some milder than others, so it is seldom near "
        "an end of the scale.")

# %% [markdown]
# That is the habit that this course lives on: every **Predict, then run** is a bet. Make it first; a lost bet teaches more than a
# won one. Without a bet the cells run all the same.

# %% [markdown]
# Speakers have more than words. A clip of our corpus has three streams, each a [modality](glossary.md#modality): the text, the voice
# and the face, measured more than ten times per second. The sentence and its label are real. **Voice and face are simulated** by a program
# that the corpus's documentation spells out; nobody was recorded.

# %%
from mgmr_lib.chapters.shared.experiment_figures import lost_clip
from mgmr_lib.data.text import load_tokenizer

encoding = load_tokenizer("minilm").encode(clip.raw_text[0], add_special_tokens=False)
fig = plt.figure(figsize=(8.0, 3.0))
lost_clip(clip, encoding)(fig, rate=0.0)
fig.suptitle("Three streams of one clip, each with steps of its own", x=0.01, ha="left")
show(fig, "One clip, complete: real words at the times when they would be spoken, a simulated pitch of the voice "
     f"and a simulated smile, over {clip.extra['seconds'][0]:.1f} s.")

# %% [markdown]
# Now parts get lost: the microphone drops out, a hand covers the mouth, the transcript has gaps. The [missing rate](glossary.md#missing-rate)
# is the share of steps that go missing: at 0 all is there, at 1 nothing is. To see what that does, we need a reader.

# %% [markdown]
# Our first reader is a [text ridge](glossary.md#text-ridge): a language model, which we never train, turns each piece of text into
# 384 numbers; we average them over the sentence, and ridge regression fits one weight per number to the labels of 1284
# training sentences. It sees no voice and no face.

# %%
from mgmr_lib.data.text import cached_features, load_encoder
from mgmr_lib.evaluation.references import text_ridge

train = corpus["train"]
encoder = load_encoder("minilm")
read = text_ridge(cached_features(encoder, train), train.labels)
assert (len(train), encoder.dim) == (1284, 384)

# %% [markdown]
# We hide one piece of the text at a time, put it back, hide the next, and let the ridge read what is left. A hidden piece becomes
# `[UNK]`, "unknown", a symbol that the language model has in its vocabulary.
#
# **Predict, then run:** a single word turns this sentence round. Which one?

# %%
predict("00.b", "Which single word, once lost, turns the ridge's answer to positive?",
        ["characters", "nowhere", "near", "gripping", "another word"])

# %%
from mgmr_lib.data.batch import mask_split
from mgmr_lib.data.missing import draw_masks

complete = draw_masks(clip, 0.0, seed=1)
whole = float(read(mask_split(clip, complete, encoder))[0])
alone = {}  # the ridge's answer if only this piece is lost
for i, piece in enumerate(encoding.tokens):
    one_lost = {m: keep.copy() for m, keep in complete.items()}
    one_lost["text"][0, i + 1] = False
    alone[piece] = float(read(mask_split(clip, one_lost, encoder))[0])
fig, ax = plt.subplots(figsize=(8, 3.2))
ax.bar(list(alone), list(alone.values()), color=["#E69F00" if v > 0 else "#0072B2" for v in alone.values()])
ax.axhline(whole, ls="--", color="#777777", label=f"nothing lost: {whole:+.2f}")
ax.axhline(0, color="black", lw=0.8)
ax.set(title="One lost word turns the sentence round; without any other one it stays negative",
       xlabel="piece of the text that is lost", ylabel="the ridge says")
ax.tick_params(axis="x", rotation=35)
ax.legend(loc="upper right")
show(fig, f"What the ridge says if one piece alone is lost. Complete, it reads {whole:+.1f}: the right side, though "
     f"harsher than the raters. Without *{max(alone, key=alone.get)}* it reads {max(alone.values()):+.1f}.")

# %%
turning = max(alone, key=alone.get)
assert [piece for piece, value in alone.items() if value > 0] == [turning] and whole < -0.5
outcome("00.b", turning if turning in ("characters", "nowhere", "near", "gripping") else "another word",
        because="A word need not sound good or bad to decide: one that turns the others round does.")

# %% [markdown]
# Now we hide pieces at random, more and more of them. Move the slider below (it needs this notebook open in JupyterLab, and its cells
# run). Voice and face lose their frames at the same rate, each at places of its own. What is lost at one rate stays lost at every
# higher one.

# %%
rates = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0]
masks = {rate: draw_masks(clip, rate, seed=1) for rate in rates}
said = {rate: float(read(mask_split(clip, masks[rate], encoder))[0]) for rate in rates}
explore(
    lost_clip(clip, encoding, said),
    "The clip at three missing rates, with the prediction of the text ridge above each. Dots stand for lost "
    "words, gaps in the curves for lost frames; at rate 1 nothing is left.",
    title="The more goes missing, the less a reader has to go by",
    size=(8.0, 2.6),
    rate=rates,
)

# %% [markdown]
# At rate 1 the ridge still says something, here a number close to the middle, though it never met a text without words in training.
# Remember it. A network that has lost everything must say about the same for every sentence: only their lengths still differ, and no
# cleverness can change that.

# %% [markdown]
# ## How an exercise works
# An exercise is a function with `raise NotImplementedError` in it. Replace that line, run the cell, run the check below it. An
# exercise that you leave open stops nothing: the course's own version answers in its place, so that every notebook runs
# from top to bottom.

# %% [markdown]
# ### Exercise 00.1 · hide the lost words (easy, 3 minutes)
# `words` is a list of strings, `keep` a list of True and False, as long. Return a new list in which every word that is not kept is
# the string `"[UNK]"`.


# %%
@exercise("00.1")
def hide(words, keep):
    """words (l strings), keep (l booleans) -> l strings, "[UNK]" in the place of each lost word."""
    # SOLUTION
    return [word if kept else "[UNK]" for word, kept in zip(words, keep, strict=True)]
    # END SOLUTION


# %%
check("00.1", hide)

# %% [markdown]
# `check` answers with *passed*, with *not attempted yet*, or with what went wrong and why. It tries fresh inputs every time, so a
# typed answer does not pass. Stuck? A first call of `hint` gives words, a second one shapes, a third one the place of the solution.

# %%
hint("00.1")

# %% [markdown]
# Now your function at work, beside the library's. The library hides numbers, not words: each piece of text is an id in a
# vocabulary, and `[UNK]` has an id too. Both must hide the same places.

# %%
from mgmr_lib.data.missing import UNK_ID, mask_tokens, valid_mask

kept = masks[0.4]["text"]
ids = clip.token_ids[:, : kept.shape[1]]
theirs = mask_tokens(ids, kept, valid_mask(clip.token_lengths))[0]
ours = hide(["[CLS]", *encoding.tokens, "[SEP]"], kept[0].tolist())
assert [i == UNK_ID for i in theirs] == [w == "[UNK]" for w in ours], "exercise 00.1 is not solved yet"
print(" ".join(ours))

# %% [markdown]
# `[CLS]` and `[SEP]` open and close every text. They carry no word, and the protocol never hides them.
#
# ## How wrong is a reader?
# One sentence is an anecdote. To judge a reader we take many and average how far it is off, its
# [mean absolute error](glossary.md#mean-absolute-error), in points of the scale from -3 to 3.

# %% [markdown]
# ### Exercise 00.2 · find the bug (easy, 5 minutes)
# A colleague's reader says 0 about two sentences with the labels 2 and -2: it is off by two points each time. Her program reports no
# error at all. Run it, find the reason, and write the function correctly.


# %%
def colleagues_error(predictions, labels):
    total = 0.0
    for prediction, label in zip(predictions, labels, strict=True):
        total += prediction - label
    return total / len(labels)


print(colleagues_error([0.0, 0.0], [2.0, -2.0]))


# %%
@exercise("00.2")
def mean_absolute_error(predictions, labels):
    """predictions, labels (lists of n numbers, n at least 1) -> the average distance between them."""
    # SOLUTION
    distances = [abs(p - y) for p, y in zip(predictions, labels, strict=True)]
    return sum(distances) / len(distances)
    # END SOLUTION


# %%
check("00.2", mean_absolute_error)

# %% [markdown]
# ## A first experiment
# Is the ridge worth anything? Its rival looks at nothing: it says the mean of all training labels to every sentence. If our ridge
# cannot beat that, we cannot tell that it has read. We test both on 200 sentences that nobody trained on.

# %% tags=["baseline"]
sample = test.select(range(200))
labels = sample.labels.tolist()
blind = float(train.labels.mean())
blind_error = mean_absolute_error([blind] * len(labels), labels)
print(f"the blind rival says {blind:+.2f} to everything and is off by {blind_error:.2f}")

# %% [markdown]
# **Predict, then run:** half of the words go missing. Will the ridge keep half of its lead over the blind rival, more, or less?

# %%
predict("00.c", "How much of its lead does the ridge keep if half of the text is lost?",
        between=(0, 100), step=1, within=10, unit="%")

# %%
errors = {}
for rate in (0.0, 0.25, 0.5, 0.75, 1.0):
    masked = mask_split(sample, draw_masks(sample, rate, seed=1), encoder)
    errors[rate] = mean_absolute_error(read(masked).tolist(), labels)

# %%
fig, ax = plt.subplots()
ax.plot(list(errors), list(errors.values()), "o-", label="text ridge")
ax.axhline(blind_error, ls="--", color="#777777", label="blind rival")
ax.set(title="The more words are lost, the larger the error; at the end the ridge is as blind as its rival")
ax.set(xlabel="missing rate (share of the text lost)", ylabel="mean absolute error (points)")
ax.legend()
show(fig, f"Error of the text ridge on 200 sentences, from {errors[0.0]:.2f} with the complete text "
     f"to {errors[1.0]:.2f} without any word; the blind rival stays at {blind_error:.2f}.")

# %%
lead = {rate: blind_error - error for rate, error in errors.items()}
assert lead[0.0] > lead[0.5] > 0, "exercise 00.2 is not solved yet"
left = [lead[0.5] / lead[0.0]]  # one number for each draw of the lost words
for seed in (2, 3):
    masked = mask_split(sample, draw_masks(sample, 0.5, seed=seed), encoder)
    left.append((blind_error - mean_absolute_error(read(masked).tolist(), labels)) / lead[0.0])
say(f"Complete, the ridge is **{lead[0.0]:.2f}** points better than the rival. With half of the text lost, "
    f"{' or '.join(f'{share:.0%}' for share in left)} of that lead is left: three draws, three answers.")

# %%
mean_left = sum(left) / len(left)
assert 0.35 < mean_left < 0.7
outcome("00.c", 100 * mean_left, because="Words are neither all needed nor all spare, and which of "
        "them are lost makes a difference, even over 200 sentences.")

# %% [markdown]
# The control is the last point of the curve. Without words there is nothing to read, so a reader that clearly beat the blind rival
# there would have seen something that it must not see: a leak, which would spoil all our numbers. We look for it in every experiment.

# %% tags=["control"]
assert abs(lead[1.0]) < 0.05
say(f"At rate 1 the ridge and the blind rival differ by {abs(lead[1.0]):.2f} points: no leak in sight.")

# %% [markdown]
# ## Does the set-up work?
# If every cell so far ran, the data, the language model, the figures and the exercises work. One thing is left, that networks
# can learn here: a gradient through the scan, the operation that all our networks share and that Part I of the course builds.

# %%
import torch

from mgmr_lib.ssm.scan import selective_scan

torch.manual_seed(0)
u, delta = torch.randn(1, 4, 8), torch.rand(1, 4, 8)
A, B, C = -torch.rand(4, 2), torch.randn(1, 2, 8), torch.randn(1, 2, 8)
weights = A.clone().requires_grad_()
selective_scan(u, delta, weights, B, C).sum().backward()
assert torch.isfinite(weights.grad).all() and weights.grad.abs().sum() > 0
print("data, language model, figures, exercises, gradients: all work")

# %% [markdown]
# And we ask the doctor. Here it only says whether something is missing; typed in a terminal, `python -m mgmr_lib doctor` also says
# the versions, the GPU if there is one, and how to mend what is broken.

# %%
from mgmr_lib import doctor

for title, rows in (("packages", doctor.packages()), ("data", doctor.data())):
    troubles = [f"{name}: {trouble}" for name, found, trouble in rows if trouble]
    print(f"{title}: {'; '.join(troubles) or 'nothing missing'}")

# %% [markdown]
# ## What the course is
# Two published networks read text, voice and face together and are built for parts that go missing: MGMR-Net [@mgmr2025] and
# MFMB-Net [@mfmb2025]. We build both, from a recurrence of one line up, and measure by the curve that you have just drawn
# whether what they add is worth it. Here is the way:

# %% [markdown]
# {{course_map}}

# %% [markdown]
# Why not attention or an LSTM? Take a clip of 500 steps, and one more step that arrives.
#
# | reader | compares or computes | must wait for | keeps for the next step |
# |---|---|---|---|
# | attention | each step with each: $500^2$ = 250 000 pairs | nothing | all 500 steps |
# | LSTM | 500 steps | 500 rounds, one after the other | one state |
# | state-space model | 500 steps, or some 4000 joins for the fewest rounds | 9 rounds at best ($2^9 > 500$) | one state |
#
# The price is the last column: a state that does not grow cannot hold everything. [02](02_three_views.ipynb) measures what it holds, and
# [04](04_parallel_scan.ipynb) measures when the first column decides: later than one thinks.

# %% [markdown]
# The parts build on each other, and the table says which notebook needs which. New words link to a glossary, claims of others
# to a bibliography. You work on your own copies in the folder `learner`: an update of the course never touches
# them, and `python course.py reset 00` brings a fresh one.
#
# Two ways lead on. [01](01_recurrence.ipynb) starts from the beginning. [21](21_missing_rates.ipynb) shows the end first: a network
# trained in front of you, and its curve.

# %% [markdown]
# ## Limits
# Real sentences, but a simulated voice and face: what we find out about *text* here is about people, what we find out about voice and face
# is about a program. A ridge on 200 sentences is a first look, no result. And one clip with the right word lost proves nothing: we
# picked it because exactly one word turns it round. Many sentences turn at several words, many at none.

# %% [markdown]
# ## Summary
# - A clip has three modalities, and any step of each can go missing; the missing rate says how many do.
# - A reader is judged by its mean absolute error over missing rates, beside a rival that sees nothing.
# - At rate 1 nobody may clearly win. Whoever does has seen what was hidden.
# - Predict first, then run. Exercises: write, `check`, `hint`; `progress` shows how far you are.

# %%
progress("00")
