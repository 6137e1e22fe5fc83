# ---
# jupyter:
#   mgmr:
#     title: Case study
#     claim: "One clip shows how a network answers; whether that matters, only a rule stated before looking and all the other clips can tell."
#     goals:
#       - hide words and seconds of a clip and watch prediction, gates and reconstruction
#       - choose cases by a rule, the failure included, and say where they stand among all clips
#       - measure a chosen gain again, and see it shrink
#       - ask what one word did to a prediction, with a fair control
#     minutes: 65
#     budget_s: 90
#     device: cpu
#     requires: ["20"]
#     introduces: [case study, cherry-picking, regression to the mean, counterfactual]
# ---
# %% [markdown]
# ## Three clips in a figure
# Figure 4 of the MGMR-Net paper shows "three representative samples": one that MGMR-Net gets right and its rivals wrong, an easy one, and one
# of "severe modality missingness" that all get wrong [@mgmr2025]. Such a page is a [case study](glossary.md#case-study). The paper does not say how the three were found.
#
# **Predict:** take a reader that knows *nothing* and says the same number to each of some hundred clips. How small is its smallest error? In section 3 we look.

# %%
import numpy as np
from matplotlib import pyplot as plt

from mgmr_lib.chapters.ch24_case_study import dashboard
from mgmr_lib.chapters.ch24_case_study import figures as draw
from mgmr_lib.course import check, exercise, explore, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.data.encoding_memo import EncodingMemo
from mgmr_lib.data.load import load_corpus
from mgmr_lib.data.text import load_encoder, load_tokenizer

use_style()
corpus, tokenizer = load_corpus("classroom-mosi"), load_tokenizer("minilm")
encoder = load_encoder("minilm", frozen=True)
encoder.memo = EncodingMemo()

# %%
predict("24.a", "How small is the smallest error of a reader that knows nothing?",
        {"half a point": 0.5, "a tenth of a point": 0.1, "a few hundredths of a point": 0.025})

# %% [markdown]
# We train both networks, small ones, in seconds. What follows works for any trained run: `load_run("runs/mine")` in the place of a setup. Voice and face are simulated, as
# everywhere in this corpus; the sentences and their ratings are real.

# %%
from mgmr_lib.training import trainer
from mgmr_lib.training.config import make_config
from mgmr_lib.training.setup import prepare

networks = {}
for name, label in (("mgmr", "MGMR-Net"), ("mfmb", "MFMB-Net")):
    networks[label] = prepare(make_config(name, "fast"), corpus, encoder)
    trainer.Trainer(networks[label], quiet=True).run()
net = networks["MGMR-Net"]
test, train = net.splits["test"], net.splits["train"]

# %% [markdown]
# ## 1 A dashboard
# We want to hide *this* word or *that* second, and not a share at random. Words are steps of the text already; for voice and face, seconds must become frames. A clip's frames share its
# duration equally.
#
# ### Exercise 24.1 · seconds to frames (easy, 5 minutes)
# A frame is hidden where its middle lies in the window: at least `start`, and below `end`.


# %%
@exercise("24.1")
def frames_hidden(frames, seconds, start, end):
    """frames: their number; seconds: the clip's duration; start, end in seconds -> list of booleans, True = hidden."""
    # SOLUTION
    middles = [(i + 0.5) / frames * seconds for i in range(frames)]
    return [start <= m < end for m in middles]
    # END SOLUTION


# %%
check("24.1", frames_hidden)

# %%
for frames, window in ((375, (0.5, 2.0)), (40, (1.0, 1.5))):
    theirs = dashboard.frames_hidden(frames, 6.4, *window).tolist()
    assert frames_hidden(frames, 6.4, *window) == theirs, "exercise 24.1 is not solved yet"

# %% [markdown]
# That is the whole trick: a mask of our own choice instead of a random one. Everything behind it is the same code as in training. `hide` builds the mask, `look` runs a network and keeps
# what it shows of its inside.

# %%
clip = test.select([0])
keep = dashboard.hide(clip, words=[1, 2], audio=[(0.5, 1.5)])
seen = dashboard.look(net, clip, keep)
print(clip.raw_text[0])
print("tokens hidden:", int((~keep["text"]).sum()), "| voice frames hidden:", int((~keep["audio"]).sum()),
      "| face frames hidden:", int((~keep["vision"]).sum()))
assert seen.missing["audio"].sum() <= (~keep["audio"]).sum() and set(seen.gates) == {"text", "audio", "vision"}

# %% [markdown]
# | in the picture | what | shape |
# |---|---|---|
# | red dots for words | hidden tokens; the network sees `[UNK]` | $(l_t)$ |
# | pitch | seen, lost, and MGMR-Net's guess at the lost steps | $(l_a)$ frames, some averaged into a step |
# | gate | share of what came in against what was guessed | $(k_m)$ steps per modality |
# | points | both predictions and the true label | one number each |
#
# **Predict, then run:** which hides more of the sentiment from the networks: all the words, or voice and face together?

# %%
hides = {"all the words": {"text": 1.0}, "voice and face": {"audio": 1.0, "vision": 1.0}}
unclear = "these clips cannot tell"
predict("24.b", "Which hides more of the sentiment from the networks?", [*hides, unclear])

# %%
short = [int(i) for i in np.flatnonzero((test.token_lengths >= 9) & (test.token_lengths <= 13))[:3]]
explore(draw.panel(networks, test, tokenizer),
        "Three short clips, each with all words and with all words lost, and the second half of voice and face "
        "lost throughout. Each drawing: the words, the voice's pitch, with a guess where a whole step of the "
        "network is lost and its middle lies within the clip, "
        "MGMR-Net's gates over the clip, and both predictions beside the truth. Live, sliders "
        "choose clip and lost parts.",
        title="One clip, parts hidden: what two networks make of it", size=(4.8, 3.9), clip=short,
        text=list(dashboard.PARTS), voice=list(dashboard.PARTS), face=list(dashboard.PARTS))

# %% [markdown]
# A gate need not fall where words are lost: it reads what came in, `[UNK]` or not, and is told nothing else.
#
# Three clips cannot answer the question; all test clips can, as far as they go. How much of the correlation between predictions and labels is left? The interval comes from drawing the clips anew, with replacement.

# %%
from mgmr_lib.data.batch import mask_split
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.evaluation.statistics import bootstrap_interval

predicted = {}
for part, lost in ({"nothing": {}} | hides).items():
    keep = draw_masks(test, {"text": 0.0, "audio": 0.0, "vision": 0.0} | lost, seed=1)
    seen_now = mask_split(test, keep, encoder, targets=False)
    predicted[part] = np.array([trainer.predict(n.model, seen_now) for n in networks.values()])


def shares_left(*rows):
    """labels, then predictions with all, without the words, without voice and face -> the two shares of r left."""
    with_all, *without = (np.corrcoef(row, rows[0])[0, 1] for row in rows[1:])
    return np.array(without) / with_all


def difference(*rows):
    """The same, k networks below each other -> share left without voice and face less that without words, mean."""
    readers = np.array(rows[1:]).reshape(3, -1, len(rows[0]))
    return np.mean([np.diff(shares_left(rows[0], *readers[:, k]))[0] for k in range(readers.shape[1])])


# %%
for k, label in enumerate(networks):
    wordless, only_words = shares_left(test.labels, *(predicted[part][k] for part in predicted))
    say(f"{label}: without words **{wordless:.0%}** of the correlation is left, without voice and face "
        f"**{only_words:.0%}**.")
apart = bootstrap_interval(difference, test.labels, *np.concatenate(list(predicted.values())))
points = [100 * apart[k] for k in ("value", "low", "high")]
say("On average over both, more is left without voice and face than without words, by **{:+.0f}** percentage points "
    "(interval {:+.0f} to {:+.0f}).".format(*points))

# %%
words_hide_more, others_hide_more = apart["low"] > 0, apart["high"] < 0
outcome("24.b", list(hides)[0] if words_hide_more else list(hides)[1] if others_hide_more else unclear,
        because="What counts is how much of the rating a part carries for these networks, and how widely the answer "
        "moves with the clips that happen to be in the test set.")

# %% [markdown]
# And one training is one training. The interval knows of other clips and not of other first weights. Another training may answer otherwise, for one of the two networks or for both: give `make_config` in section 1 another `seed` and look.

# %% [markdown]
# Nice pictures, and they explain nothing yet: for each we can make up a story. So, rules.
#
# ## 2 Three cases by a rule
# We write the rule down before we look, and the looking is then done by code. All test clips of the profile at missing rate 0.5, one mask seed:
#
# | case | rule |
# |---|---|
# | A | the smallest error of MGMR-Net |
# | B | the largest gain over a reader of text alone |
# | C | the largest error |

# %% tags=["baseline"]
from mgmr_lib.evaluation.references import text_ridge

masked = {seed: net.masked("test", 0.5, seed) for seed in (1, 2)}
ridge = text_ridge(net.complete_text("train"), train.labels)
values = {seed: {label: trainer.predict(n.model, m) for label, n in networks.items()} | {"text ridge": ridge(m)}
          for seed, m in masked.items()}
errors = {seed: {label: np.abs(v - test.labels) for label, v in by.items()} for seed, by in values.items()}

# %% [markdown]
# **Predict, then run:** will case C be a clip that lost much, one with a strong label, or a sarcastic one?

# %%
traits = ["one that lost much, its label middling", "one with a strong label", "a sarcastic one, its label middling"]
predict("24.c", "What will case C be, the largest error?", traits)

# %% tags=["signature"]
found = dashboard.choose_cases(errors[1]["MGMR-Net"], errors[1]["text ridge"])
fig = plt.figure(figsize=(8.0, 4.8))
draw.cases(fig, found, test, values[1], tokenizer, masked[1].keep["text"])
fig.suptitle("Three cases, chosen by the rule", x=0.01, ha="left")
show(fig, "For each case the rule, what was left of the words at rate 0.5, and on a line from -3 to 3 the true label "
     "(black bar) and the predictions of both networks and of the text ridge.")

# %%
strength = np.abs(test.labels)
c, strong = found["largest error"], np.quantile(strength, 0.75)
outcome("24.c", traits[1 if strength[c] > strong else 2 if test.extra["sarcastic"][c] else 0],
        because="See what else is true of it: a clip has many traits at once, and from one case nobody can tell which "
        "of them made the error.")

# %% [markdown]
# Do you feel the pull to explain? "A: MGMR-Net sees through the gaps. B: voice and face save it." Before we believe it, we ask the same of all clips.

# %% [markdown]
# ## 3 How representative are three cases?
# **Predict, then run:** mark the three on the histogram of all errors in your mind. And what are the three cases of the reader that says the mean label to everything?

# %%
predict("24.d", "Where do the cases A and C stand among all clips?",
        ["both near the median", "A near the median, C at the edge", "both at the edges"])

# %%
blind = np.abs(train.labels.mean() - test.labels)
fig = plt.figure(figsize=(8.0, 2.8))
draw.among_all(fig, errors[1] | {"mean label": blind}, found)
fig.suptitle("By their rules, best and worst stand at the edges", x=0.01, ha="left")
show(fig, "Histograms of all clips' errors at rate 0.5 for both networks, the text ridge and the mean label; "
     "the three cases of MGMR-Net are marked, the dashed line is the median. "
     "Smallest and largest error stand at the edges of its histogram.")

# %%
places = [dashboard.standing(errors[1]["MGMR-Net"], i) for i in found.values()]
assert places[0] == 0.0 and places[2] == 1.0
outcome("24.d", "both at the edges",
        because="A rule that asks for the smallest or the largest finds edges, however many clips lie in between.")

# %% [markdown]
# Nothing typical is in A and C: a best and a worst of hundreds. The negative control is the reader that knows nothing. If its case A looks nearly perfect, too, a good case proves nothing.

# %% tags=["control"]
blind_cases = dashboard.choose_cases(blind, errors[1]["text ridge"])
best, gain = (list(blind_cases.values())[i] for i in (0, 1))
say(f"The mean label's best clip has an error of **{blind[best]:.3f}** points, and on its best-looking case it "
    "beats the text ridge by more than half a point. A convincing case study, of a reader that cannot read.")

# %%
assert blind[best] < 0.03 and errors[1]["text ridge"][gain] - blind[gain] > 0.5
outcome("24.a", blind[best], because="Among hundreds of labels some lie close to most numbers in the middle, so one "
        "good answer shows no skill.")

# %% [markdown]
# Showing the best and being silent about the rest is [cherry-picking](glossary.md#cherry-picking). The cure is not to show no cases, but to choose by a rule, to show the failure, and to
# say where each stands.

# %% [markdown]
# There is a subtler form of it. Case B was chosen by its gain, under one drawing of masks. What if other steps had been lost?
#
# ### Exercise 24.2 · chosen, then measured again (medium, 7 minutes)
# Choose the `k` clips with the largest gain under the first masks, and return their mean gain under fresh masks.


# %%
@exercise("24.2")
def fresh_gain(gains, fresh, k):
    """gains, fresh: n numbers each, the same clips under two sets of masks -> the chosen k clips' mean fresh gain."""
    # SOLUTION
    order = sorted(range(len(gains)), key=lambda i: gains[i], reverse=True)
    return sum(fresh[i] for i in order[:k]) / k
    # END SOLUTION


# %%
check("24.2", fresh_gain)

# %% [markdown]
# **Predict, then run:** for the twenty clips with the largest gain of MGMR-Net over the text ridge, how much of the gain is left under fresh masks: all, most, some?

# %%
predict("24.e", "How much of the chosen clips' gain is left under fresh masks?",
        {"all": 1, "about two thirds": 0.65, "about a third": 0.33, "hardly any": 0})

# %%
first, second = (errors[seed]["text ridge"] - errors[seed]["MGMR-Net"] for seed in (1, 2))
chosen = np.argsort(-first)[:20]
left = fresh_gain(list(first), list(second), 20) / first[chosen].mean()
assert abs(fresh_gain(list(first), list(second), 20) - second[chosen].mean()) < 1e-9
fig, ax = plt.subplots(figsize=(6.0, 3.6))
draw.against_fresh(ax, first, second, chosen)
ax.set_title("Chosen for a large gain, measured again: smaller")
show(fig, "Gain of MGMR-Net over the text ridge for each test clip, under two independent sets of masks. The "
     "twenty clips chosen by the first lie mostly below the dotted line of equal gain.")
print("less is left under fresh masks:", bool(left < 1))

# %%
assert left < 1
outcome("24.e", left, because="What belongs to the clip comes back, and what it gained by the luck of its first masks "
        "does not.")

# %%
blind = np.abs(train.labels.mean() - test.labels)
by_mean = [errors[seed]["text ridge"] - blind for seed in (1, 2)]
kept = fresh_gain(list(by_mean[0]), list(by_mean[1]), 20) / by_mean[0][np.argsort(-by_mean[0])[:20]].mean()
say(f"And not all that comes back is skill: chosen in the same way, the *mean label* keeps {kept:.0%} of its gain over "
    f"the ridge, although over all clips it gains {by_mean[0].mean():+.2f} points.")

# %% [markdown]
# This is [regression to the mean](glossary.md#regression-to-the-mean): what was chosen for being extreme in one measurement is less so in the next. No network has changed. Every
# sentence such as "here our module helps most" that was found by looking for it needs a second look at fresh data.

# %% [markdown]
# ## 4 Why does it fail?
# Case C is one clip. What do large errors have in common? Two suspects: strong labels, since all predictions crowd in the middle; and sarcasm, which this corpus knows, as its voice and
# face are simulated: in about a tenth of the clips they turn against the words.

# %%
from mgmr_lib.chapters.shared.experiment_figures import channel

every = corpus["train"]
sarcastic = every.extra["sarcastic"]
column = channel(corpus.name, "vision", "AU12 lip corner puller")
smile = np.array([every.vision[i][:, column].mean() for i in range(len(every))])
agreement = {"sarcastic": sarcastic, "others": ~sarcastic}
print("smile against label, correlation:",
      {name: round(float(np.corrcoef(smile[w], every.labels[w])[0, 1]), 2) for name, w in agreement.items()})

# %% [markdown]
# Among sarcastic clips a smile speaks *against* a good label: the words still carry the rating, the face shows its opposite. A network that trusts faces is misled there.
#
# **Predict, then run:** for which suspect are the errors larger in *both* networks, by more than their interval?

# %%
suspects = ["neither", "strong labels alone", "sarcasm alone", "both"]
predict("24.f", "Which suspect shows in the errors of both networks, beyond the interval?", suspects)

# %%
odd = test.extra["sarcastic"]
shown = {label: values[1][label] for label in networks}
fig = plt.figure(figsize=(8.0, 3.6))
draw.shrinking(fig, test.labels, shown, odd)
fig.suptitle("Predictions crowd in the middle, and follow sarcastic clips' labels less", x=0.01, ha="left")
show(fig, "Prediction against label at rate 0.5 for both networks. The straight line through all clips is much "
     "flatter than the dotted diagonal, so the strongest labels have large errors. "
     "Among the sarcastic clips (crosses) a larger share than among the others lies on the wrong side of zero.")

# %%
from mgmr_lib.evaluation.statistics import welch

strong = np.abs(test.labels) > np.quantile(np.abs(test.labels), 0.75)
for name, w in (("strong labels", strong), ("sarcasm", odd)):
    for label, e in (errors[1] | {"mean label": blind}).items():
        more = welch(e[w], e[~w])
        print(f"{name:13} {label:10} errors larger by {more['mean']:+.2f} ({more['low']:+.2f} to {more['high']:+.2f})")

# %%
agree = {label: [np.corrcoef(v[w], test.labels[w])[0, 1] for w in (odd, ~odd)] for label, v in values[1].items()}
crossed = {label: [np.mean((v * test.labels < 0)[w]) for w in (odd, ~odd)] for label, v in shown.items()}
for label, (on_odd, on_others) in crossed.items():
    say(f"{label}: on the {odd.sum()} sarcastic ones of {len(test)} test clips **{on_odd:.0%}** of the predictions lie "
        f"on the wrong side of zero, on the others {on_others:.0%}; the correlation is {agree[label][0]:.2f} and "
        f"{agree[label][1]:.2f}.")
say(f"The control, who hears no voice and sees no face, does not fall: the text ridge's correlation is "
    f"{agree['text ridge'][0]:.2f} on sarcastic clips and {agree['text ridge'][1]:.2f} on others.")

# %%
for label, v in shown.items():
    assert v.std() < 0.8 * test.labels.std() and agree[label][0] < agree[label][1]
sure = [[welch(errors[1][n][w], errors[1][n][~w])["low"] > 0 for n in shown] for w in (strong, odd)]
outcome("24.f", suspects[all(sure[0]) + 2 * all(sure[1])], because="A strong label is far from any middling "
        "prediction, and the mean label errs there most of all. Sarcasm stands out in the errors of "
        f"{sum(sure[1])} of {len(shown)} networks: what {odd.sum()} clips leave open is neither guilt nor innocence.")

# %% [markdown]
# Sarcasm can only mislead a network that listens to voice and face. So that guess has a test of its own: take both away from all clips, and leave the words as broken as they were.
#
# **Predict, then run:** what happens on sarcastic clips, and what on all others?

# %%
groups = {(1, 1): "better on both", (1, -1): "better on sarcastic clips, worse on the others",
          (-1, -1): "worse on both", (0, 0): "as before on both"}
predict("24.g", "Without voice and face, how do predictions follow the labels?", list(groups.values()))

# %%
silent = draw_masks(test, {"text": 0.5, "audio": 1.0, "vision": 1.0}, seed=1)
words_only = mask_split(test, silent, encoder, targets=False)
silent_values = {label: trainer.predict(n.model, words_only) for label, n in networks.items()}
follow, change = {}, {}
for label in networks:
    for name, v in (("all three", values[1][label]), ("words only", silent_values[label])):
        follow[label, name] = [np.corrcoef(v[w], test.labels[w])[0, 1] for w in (odd, ~odd)]
    change[label] = np.subtract(follow[label, "words only"], follow[label, "all three"])
    say(f"{label}, without voice and face: the correlation changes by **{change[label][0]:+.2f}** on the {odd.sum()} "
        f"sarcastic clips and by **{change[label][1]:+.2f}** on the {(~odd).sum()} others.")

# %%
over_all = {label: [(np.corrcoef(v, test.labels)[0, 1], np.abs(v - test.labels).mean())
                    for v in (values[1][label], silent_values[label])] for label in networks}
for label, ((r, mae), (r_words, mae_words)) in over_all.items():
    assert r_words < r and mae_words > mae
    say(f"{label}, over all {len(test)} clips: without voice and face the correlation falls from {r:.2f} to "
        f"**{r_words:.2f}**, and the mean error rises from {mae:.2f} to **{mae_words:.2f}** points.")

# %%
signs = {tuple((np.sign(moved) * (np.abs(moved) > 0.05)).astype(int).tolist()) for moved in change.values()}
assert len(signs) == 1
outcome("24.g", groups[signs.pop()], because="Voice and face mislead where sarcasm turns them round, and help on the "
        "other clips: without them the few are read better and the many worse. Yet over all clips it costs.")

# %% [markdown]
# A story about sarcasm becomes a claim when it is tested on all such clips. We took voice and face together: which of them misleads more, this does not say. And it rests on few clips.
#
# And crowding in the middle? With half of a clip lost, the best guess is nearer to the mean. Is it the lost half that pulls predictions there?

# %%
whole = mask_split(test, draw_masks(test, 0.0, seed=1), encoder, targets=False)
for label, n in networks.items():
    reach = [np.std(v) / test.labels.std() for v in (trainer.predict(n.model, whole), values[1][label])]
    assert max(reach) < 0.85
    say(f"{label}'s predictions spread {reach[0]:.0%} as widely as the labels with everything there, "
        f"{reach[1]:.0%} with half of it.")

# %% [markdown]
# In this training hardly: they crowd nearly as much with everything there. (In another the lost half may pull more; one training is one training.) What such a network does not know about a clip is much more than what was lost. An error measure rewards a guess nearer to the mean wherever one knows little, so at a strong label it errs.

# %% [markdown]
# ## 5 What did this word do?
# A [counterfactual](glossary.md#counterfactual) question: the same clip, but without this one word. What would the network have said? We hide each token alone, and note how the prediction on the
# complete clip changes.
#
# **Predict, then run:** how large is the change for a word without sentiment?

# %%
predict("24.h", "By how much does hiding an ordinary word change the prediction?",
        {"not at all": 0, "by about a tenth of a point": 0.1, "by half a point": 0.5})

# %%
pieces = {i: tokenizer.encode(test.raw_text[i], add_special_tokens=False).tokens[:48] for i in range(len(test))}
moved = {rule: (pieces[i], dashboard.changes(net, test.select([i]))) for rule, i in found.items()}

# %% [markdown]
# A change by itself says little. The comparison, on up to 200 clips: hide the token with the strongest entry in VADER's lexicon [@hutto2014]. And two controls from the same clip, both without an entry: any other token, and a
# content word (whole, four letters or more, and on no list of little words).

# %%
from mgmr_lib.data.classroom.ratings import read_lexicon, word_valence
from mgmr_lib.evaluation.statistics import t_interval

lexicon, rng = read_lexicon(), np.random.default_rng(24)
valence = {i: np.array([abs(word_valence(p, lexicon)) for p in pieces[i]]) for i in pieces}
content = {i: dashboard.content_words(pieces[i]) & (valence[i] == 0) for i in pieces}
some = [i for i in pieces if len(pieces[i]) > 5 and valence[i].max() >= 1.5 and content[i].any()][:200]
places = {"loaded word": [int(valence[i].argmax()) for i in some],
          "random other token": [int(rng.choice(np.flatnonzero(valence[i] == 0))) for i in some],
          "random content word": [int(rng.choice(np.flatnonzero(content[i]))) for i in some]}

# %%
split, said = test.select(some), {}
for name, tokens in {"nothing": None, **places}.items():
    keep = draw_masks(split, 0.0, seed=1)
    if tokens is not None:
        keep["text"][np.arange(len(some)), 1 + np.array(tokens)] = False
    said[name] = trainer.predict(net.model, mask_split(split, keep, encoder, targets=False))
moves = {name: np.abs(said[name] - said["nothing"]) for name in places}

# %%
fig = plt.figure(figsize=(8.0, 3.4))
draw.deletions(fig, moved, float(np.median(moves["random content word"])))
fig.suptitle("One token hidden at a time; the grey band is an ordinary word", x=0.01, ha="left")
show(fig, "For the three cases, how the prediction on the complete clip changes as each token is hidden alone "
     "(the twelve largest changes are named). "
     "The grey band holds half of the changes that a random content word without sentiment makes in other clips.")

# %%
leads = {name: t_interval(moves["loaded word"] - moves[name]) for name in list(places)[1:]}
for name, lead in leads.items():
    say(f"The loaded word moves the prediction more than a {name}, on {len(some)} clips by **{lead['mean']:.2f}** "
        f"points (interval {lead['low']:+.2f} to {lead['high']:+.2f}).")

# %%
assert 0 < leads["random other token"]["low"]
assert leads["random content word"]["mean"] < leads["random other token"]["mean"]
outcome("24.h", np.median(moves["random content word"]), because="Most deletions break a sentence and move the "
        "prediction, so a change counts only beside those of other words.")

# %% [markdown]
# On average the lexicon's words do move more than other tokens, full stops included. Beside content words the lead is smaller, and hardly told apart from none. Which of the other tokens (little words, pieces, full stops) made the rest of it, this draw does not show.

# %% [markdown]
# For a single clip we must be careful, as a colleague is not. She finds the token with the largest change in her clip, and reports: "Of all single deletions in
# other clips, only a few per cent do as much. This word is special!"

# %% [markdown]
# ### Exercise 24.3 · find the bug: a fair control (hard, 9 minutes)
# `changes` are those of her clip, `others` one list for each other clip. Return the share of other clips that hold a change at least as large, up or down, as the largest of hers.


# %%
def colleagues_share(changes, others):
    mine, singles = max(abs(c) for c in changes), [abs(c) for other in others for c in other]
    return sum(s >= mine for s in singles) / len(singles)


# %%
@exercise("24.3")
def as_large(changes, others):
    """changes: list of numbers; others: list of such lists -> share of other clips, 0 to 1."""
    # SOLUTION
    mine = max(abs(c) for c in changes)
    return sum(max(abs(c) for c in other) >= mine for other in others) / len(others)
    # END SOLUTION


# %%
check("24.3", as_large)

# %%
rng = np.random.default_rng(3)
noise = [list(rng.normal(size=15)) for _ in range(400)]
shares = [(colleagues_share(c, noise), as_large(c, noise)) for c in noise[:100]]
hers, fair = np.median(shares, axis=0)
special = np.mean([share <= 0.05 for share, _ in shares])
print(f"pure noise, 15 words a clip: by her share {hers:.0%} do as much, by the fair one {fair:.0%}")
print(f"clips with a word that at most one in twenty others reach, by her share: {special:.0%}")

# %% [markdown]
# In pure noise about every second clip has a "special" word by her count. A largest must be compared with largests.
#
# One more check of the tool itself. In a clip of which everything is hidden already, no further deletion may change anything, whatever stands there.

# %%
everything = dashboard.hide_parts(clip, "all", "all", "all")
other_voice = test.select([0])
other_voice.audio.values[:] += 50
for n in networks.values():
    before, after = (dashboard.look(n, c, everything).prediction for c in (clip, other_voice))
    assert abs(before - after) < 1e-5
print("what is hidden is hidden")

# %% [markdown]
# ## 6 A sentence of your own
# Type one. Voice and face count as missing, since you have none here; `predict_sentence` keeps all the words.

# %%
from scipy import stats

from mgmr_lib.training.run import Run, describe
from mgmr_lib.training.sentence import predict_sentence

mine = "a wonderful, moving film"
run = Run(**vars(net), about={"corpus": describe(corpus)})
sentences = [mine, "a terrible, boring film", "not a terrible film"]
points = [predict_sentence(run, s) for s in sentences]
assert points[0] > points[1] + 0.05
assert abs(points[0]) < 0.5
print(f"{sentences[0]!r} above {sentences[1]!r}: {points[0] > points[1]}")

# %%
fig, ax = plt.subplots(figsize=(8.0, 1.8))
ax.barh(sentences[::-1], points[::-1])
ax.set(title="One's own sentences: a case study of three", xlabel="prediction (points, -3 to 3)", ylabel="sentence")
show(fig, "MGMR-Net's predictions for three typed sentences, words only. The wonderful film lies above the "
     "terrible one, and stays near the middle.")

# %% [markdown]
# Look at the third sentence in the picture. Whatever you now want to say about negation: you have one sentence. What would you need before you say it? On the command line: `python -m mgmr_lib predict --run runs/mine --text "a wonderful, moving film"`.

# %% [markdown]
# Several pairs, and a rule stated first: a pair counts where "not" moves the prediction *away* from what the sentence says without it, down from praise and up from blame. The control has "just" in the place of "not".
#
# Write ten sentences of your own over ours, each with one "not"; five praise and five blame without it. Do not try them out before.

# %%
praise = ["this is not a good film", "the story is not funny", "i was not impressed by the acting",
          "the ending is not convincing", "i did not enjoy the music"]
blame = ["this is not a bad film", "the story is not boring", "i was not disappointed by the acting",
         "the ending is not stupid", "i did not hate the music"]

# %% [markdown]
# ### Exercise 24.4 · a share and its interval (medium, 8 minutes)
# Return three numbers: the share of pairs that count (no change does not), and the ends of its exact interval for nineteen in twenty, `stats.binomtest(count, number).proportion_ci()`.


# %%
@exercise("24.4")
def turned_share(plain, changed, is_praise):
    """plain, changed: n predictions without and with the word; is_praise: n booleans -> (share, low, high)."""
    # SOLUTION
    triples = zip(plain, changed, is_praise, strict=True)
    count = sum(after < before if good else after > before for before, after, good in triples)
    interval = stats.binomtest(count, len(plain)).proportion_ci()
    return count / len(plain), float(interval.low), float(interval.high)
    # END SOLUTION


# %%
check("24.4", turned_share)

# %% [markdown]
# **Predict, then run:** of a hundred such pairs, how many would MGMR-Net move the right way, going by these ten?

# %%
predict("24.i", "Of a hundred such pairs, how many does \"not\" move the right way?",
        between=(0, 100), step=10, within=10)

# %%
def tried(reader, word):
    """turned_share of a network for all sentences, with `word` in the place of "not"."""
    run = Run(**vars(reader), about={"corpus": describe(corpus)})
    plain, changed = ([predict_sentence(run, s) for s in dashboard.reworded(praise + blame, w)] for w in ("", word))
    return turned_share(plain, changed, [True] * len(praise) + [False] * len(blame))


shares = {(label, word): tried(n, word) for label, n in networks.items() for word in ("not", "just")}
for (label, word), (share, low, high) in shares.items():
    say(f"{label}, \"{word}\": **{share:.0%}** of {len(praise + blame)} pairs move the right way "
        f"(interval {low:.0%} to {high:.0%}).")

# %%
outcome("24.i", 100 * shares["MGMR-Net", "not"][0], because="Ten pairs leave a wide interval, whatever their share: "
        "even ten of ten do not say always.")

# %% [markdown]
# The interval is for sentences like these: short, in five frames, by one author. And a move in the right direction is not yet a sentence understood: "just" denies nothing, and moves some pairs the right way too.

# %% [markdown]
# ## 7 Figure 4, on your own network
# Figure 4's three kinds: right where the rivals are wrong, easy, and hard with much lost. Our rule, stated first: the largest lead over the best rival and the smallest error of the worst reader, at rate 0.5; the
# largest error of the best reader, at rate 0.9. The cells take the first finished training of each network of your study (notebook 20) on this corpus, and the small ones from above where it has none.

# %%
from mgmr_lib.chapters.shared import own_study

own = own_study.networks(corpus, encoder)
whole = {**networks, **own}
say(f"Networks of your own study here: {', '.join(own) or 'none yet, so the small ones stand in'}.")

# %% [markdown]
# **Predict, then run:** the hard case comes from a rate where nearly all is lost. The control: the same rule with *nothing* lost. How large is its hard case's error, for the best of all readers, as a share of the one with nearly all lost?

# %%
predict("24.j", "With nothing lost, how large is the hard case's error, as a share?",
        {"hardly anything": 0.1, "about a half": 0.5, "most of it": 0.85})

# %%
readers, at_rate = {}, {}
for rate in (0.0, 0.5, 0.9, 1.0):
    at_rate[rate] = net.masked("test", rate, 1)
    readers[rate] = {label: trainer.predict(n.model, at_rate[rate]) for label, n in whole.items()}
    readers[rate]["text ridge"] = ridge(at_rate[rate])
wrong = {rate: {name: np.abs(v - test.labels) for name, v in by.items()} for rate, by in readers.items()}
kinds = {rate: dashboard.three_kinds(by, "MGMR-Net") for rate, by in wrong.items()}
right, easy, hard = dashboard.KINDS

# %%
fig = plt.figure(figsize=(8.0, 3.6))
draw.cases(fig, {kind: kinds[0.5][kind] for kind in (right, easy)}, test, readers[0.5], tokenizer,
           at_rate[0.5].keep["text"], ("right", "easy"))
fig.suptitle("Half is lost: a clip for us, and one for everybody", x=0.01, ha="left")
show(fig, "Two test clips chosen by the rule at rate 0.5, with what was left of the words, the true label (black bar) "
     "and the predictions of both networks and of the text ridge.")

# %%
fig = plt.figure(figsize=(8.0, 4.0))
for part, rate in zip(fig.subfigures(2, 1), (0.9, 0.0), strict=True):
    draw.cases(part, {hard: kinds[rate][hard]}, test, readers[rate], tokenizer, at_rate[rate].keep["text"],
               (f"rate {rate:g}",))
fig.suptitle("A clip that everybody gets wrong, with nearly all lost and with nothing lost", x=0.01, ha="left")
show(fig, "The hardest test clip by the rule, above at rate 0.9, below with nothing lost: what was left of its words, "
     "the true label (black bar) and the predictions of both networks and of the text ridge. Both labels are strong, "
     "and all predictions lie far from them.")

# %%
best = {rate: np.min(list(by.values()), axis=0) for rate, by in wrong.items()}
hardest = {rate: float(e[kinds[rate][hard]]) for rate, e in best.items()}
say("The hard case's error, for the best of all readers: " + ", ".join(
    f"**{hardest[rate]:.2f}** at rate {rate:g}" for rate in (0.0, 0.5, 0.9)) + ".")

# %%
outcome("24.j", hardest[0.0] / hardest[0.9], because="The worst of hundreds of clips is bad at any rate, so a hard "
        "case does not show what the loss did.")

# %% [markdown]
# What does show it is a mean over clips that were named beforehand, all those with a label above two points, up or down, for one reader a rate, the best by that mean: a choice after looking, too, but of one among three, and not anew for each clip.

# %%
far = np.abs(test.labels) > 2
means = {rate: min(float(e[far].mean()) for e in by.values()) for rate, by in wrong.items()}
blind_far = float(blind[far].mean())
assert means[0.0] < means[0.9] < means[1.0]
say(f"Over all {far.sum()} clips with a strong label the best reader's mean error is " + ", ".join(
    f"**{v:.2f}** at rate {rate:g}" for rate, v in means.items()) + f"; the mean label's is {blind_far:.2f}.")
for label in networks:
    spread = {rate: np.std(readers[rate][label]) / test.labels.std() for rate in (0.0, 0.5, 0.9)}
    say(f"{label}'s predictions spread " + ", ".join(f"{v:.0%}" for v in spread.values()) + " as widely as the labels.")

# %% [markdown]
# So loss does its work, and it shows over many clips, not in one. The crowding of section 4 goes along with it: half a loss changed it hardly in this training, nearly everything lost changes it more. But does it make the errors? As a control we give the predictions at rate 0.9 the spread back that they have with nothing lost, and change nothing else.

# %%
for label in networks:
    full, late = (readers[rate][label] for rate in (0.0, 0.9))
    before, after, stretched = (np.abs(v - test.labels)[far].mean()
                                for v in (full, late, dashboard.with_the_spread_of(full, late)))
    say(f"{label}, strong labels: from rate 0 to 0.9 the mean error rises by {after - before:.2f} points; with the "
        f"spread of rate 0, **{after - stretched:.2f}** of them come back.")

# %% [markdown]
# What comes back is the smaller part in both: the crowding alone does not make these errors, in this training.

# %% [markdown]
# Three kinds of case, as convincing as the paper's. And the first kind? Its control is the same rule for the reader that knows nothing.

# %%
nothing = {"mean label": blind, "text ridge": wrong[0.5]["text ridge"], "MFMB-Net": wrong[0.5]["MFMB-Net"]}
its = dashboard.three_kinds(nothing, "mean label")[right]
lead = {"MGMR-Net": min(wrong[0.5][n][kinds[0.5][right]] for n in wrong[0.5] if n != "MGMR-Net")
        - wrong[0.5]["MGMR-Net"][kinds[0.5][right]],
        "mean label": min(nothing[n][its] for n in ("text ridge", "MFMB-Net")) - blind[its]}
say("A clip where it is right and its rivals are wrong: MGMR-Net leads there by "
    f"**{lead['MGMR-Net']:.2f}** points, and the mean label has one where it leads by **{lead['mean label']:.2f}**.")
assert lead["mean label"] > 0.2

# %% [markdown]
# So this kind of case shows that there are many clips, and says nothing for a network. What says something is how *many* clips it wins, with an interval, and how many the mean label wins:

# %%
duels = [("MGMR-Net", wrong[0.5]["MGMR-Net"], rival) for rival in wrong[0.5] if rival != "MGMR-Net"]
for name, error, rival in (*duels, ("The mean label", blind, "text ridge")):
    won = stats.binomtest(int(np.sum(error < wrong[0.5][rival])), len(test))
    low, high = won.proportion_ci()
    say(f"{name} is nearer to the label than {rival} on **{won.statistic:.0%}** of the test clips at rate 0.5 "
        f"(interval {low:.0%} to {high:.0%}; half is a draw).")

# %% [markdown]
# ## Limits
# - The networks of sections 1 to 6 were trained for seconds on a part of the clips. With a run of your own, the same cells say more.
# - Hiding a word leaves `[UNK]` in its place. That is not the sentence that somebody would have said without it.
# - Voice and face are simulated, and so is sarcasm: its rule is ours, and cleaner than people are.
# - Gates and guesses show what a part computes, not why a prediction came out.

# %% [markdown]
# ## Summary
# - A case study is chosen by a rule, holds the failure, and says where its cases stand among all.
# - Even a blind reader has nearly perfect cases.
# - What was chosen for being extreme shrinks when it is measured again.
# - Predictions crowd in the middle, so strong labels fail. Voice and face that contradict the words mislead a network that listens to them.
# - Compare a deletion with deletions of like words, a largest with largests, and give a share its interval.

# %% [markdown]
# This was the last notebook of the course proper; 25 to 28 show where Mamba went, who else fuses, and what is left of the two papers' claims. You can now take a published network apart, build it, and ask it for proof. Take your own data next: `--data PATH`.

# %%
progress("24")
