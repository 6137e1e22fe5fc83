# ---
# jupyter:
#   mgmr:
#     title: Meet the data
#     claim: "A clip is three sequences on three clocks; and before a number about it means anything, we must know which of the three is real."
#     goals:
#       - read one clip, with its words, its voice and its face at the same moments
#       - handle lengths, padding, dropped frames and -inf without losing a clip's end
#       - tell a finding from chance, with a permutation test and a negative control
#       - find the fingerprints of a simulation, and say what such a test can prove
#       - open your own MOSI file, and look at it beside ours
#     minutes: 75
#     budget_s: 60
#     device: cpu
#     requires: ["00"]
#     introduces: [action unit, permutation test, negative control]
# ---
# %% [markdown]
# ## A great idea
# A sentence from a film review follows. Some twenty people rated it from -4 to 4 [@hutto2014]; our label is their mean, brought to the scale from -3 to 3. We let a speaker say it and measure the voice.
#
# **Predict, then run:** which label did it get? And at which word will the voice be loudest?

# %%
import numpy as np
from matplotlib import pyplot as plt

from mgmr_lib.chapters.ch08_meet_the_data import figures as draw
from mgmr_lib.course import check, exercise, explore, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.data.load import load_corpus

use_style()
my_file = None  # or the path of your own MMSA pickle, such as "../data/mosi/unaligned_50.pkl": see section 5
corpus = load_corpus("classroom-mosi")
train, test = corpus["train"], corpus["test"]
clip = test.select([test.ids.index("video0024$_$4")])
print(clip.raw_text[0])

# %%
predict("08.a", "On which side of 0 is the label, and where is the voice loudest?",
        ["above 0, at the first great", "above 0, at the second great", "below 0, at not",
         "below 0, at the second great"])

# %%
fig = plt.figure(figsize=(8.0, 3.2))
draw.voice(fig, clip)
fig.suptitle("The voice is loudest at the second great", x=0.01, ha="left")
show(fig, "Pitch and energy of the simulated voice over time, with the words where they are spoken. "
     "The energy has peaks behind the first great, at becomes and, highest of all, at the second great.")

# %%
loudest = draw.times(len(clip.audio[0]), "audio")[clip.audio[0][:, 1].argmax()]
word, start, _ = next(w for w in draw.words_of(clip) if w[1] <= loudest < w[2])
say(f"The label is **{clip.labels[0]:+.1f}**, and the voice is loudest at {loudest:.1f} s: "
    "at the *second* great, the one after *not*.")

# %%
assert word == "great" and start > 2
outcome("08.a", f"{'below' if clip.labels[0] < 0 else 'above'} 0, at the second great",
        because="A voice and a rating of the same clip need not agree: here the voice is loudest at a kind "
        "word that the raters saw denied.")

# %% [markdown]
# People who read this sentence took the *not* for what it is. The voice did not. Would a person praise, at the top of her voice, what she condemns?
# Keep the question; section 4 answers it. **This voice is simulated**, as is the face that we look at next. Sentence and label are real.

# %% [markdown]
# ## 1 One clip, three clocks
# A clip holds three sequences. The text is a list of tokens, pieces of words. Voice and face are lists of *frames*: measurements at regular
# moments, each a row of numbers that have a name and a unit.

# %%
from mgmr_lib.data.classroom.corpora import SPECS

streams = SPECS["classroom-mosi"].modalities()
voice, face = streams["audio"], streams["vision"]
print(f"text:  {clip.token_lengths[0]} tokens")
for name, frames, stream in (("voice", clip.audio[0], voice), ("face", clip.vision[0], face)):
    print(f"{name}: {frames.shape} = frames x features, {stream.frame_rate:.1f} frames a second")
    print(f"   {', '.join(stream.names[:5])}{', ...' if len(stream.names) > 5 else ''}")

# %% [markdown]
# What does such a voice sound like? We turn the two curves above into a tone: its pitch follows the pitch, its loudness the energy. No words will be heard;
# features keep the tune and lose the text.

# %%
from mgmr_lib.chapters.ch08_meet_the_data.sonify import play, tone

sound = tone(clip.audio[0][:, 0], clip.audio[0][:, 1], voice.frame_rate)
play(sound, f"a tone of {clip.extra['seconds'][0]:.1f} s that follows pitch and energy of the simulated voice; "
     "it is loudest at the second great.")

# %% [markdown]
# The face is measured in [action units](glossary.md#action-unit): each stands for one movement, such as AU12, which pulls the corners of the mouth up, on a
# scale from 0 to 5. OpenFace and Facet are programs that read them off a video.
#
# **Predict, then run:** behind the second *great*, will the rows of a frown turn violet, above their mean, or those of a smile?

# %%
predict("08.b", "Do the rows of a frown or of a smile rise behind the second great?",
        ["a frown: AU04 and AU15", "a smile: AU06 and AU12", "neither"])

# %%
fig = plt.figure(figsize=(8.0, 4.6))
draw.strips(fig, clip, face.names)
fig.suptitle("A face as strips: the smile rises behind the second great, and so do other rows", x=0.01, ha="left")
show(fig, "The seventeen action units of the simulated face over time, violet above and orange below their own mean. "
     "AU06 and AU12, which make a smile, are up behind the second great; so are AU05 and AU09, by as much. One clip "
     "cannot say which rise is an answer to the word: section 4 averages the smile over many.")

# %%
seconds = draw.times(len(clip.vision[0]), "vision")
behind = (seconds > start) & (seconds < start + 0.8)
risen = (clip.vision[0][behind].mean(0) - clip.vision[0].mean(0)) / clip.vision[0].std(0)
units = {name.split()[0]: float(rise) for name, rise in zip(face.names, risen, strict=True)}
smile_up, frown_up = min(units["AU06"], units["AU12"]), min(units["AU04"], units["AU15"])
found_rows = "a smile: AU06 and AU12" if smile_up > frown_up else "a frown: AU04 and AU15"
outcome("08.b", found_rows if max(smile_up, frown_up) > 0.5 else "neither",
        because="The smile is up where the voice was loudest, behind a kind word, though the sentence that holds the "
        "word is not kind.")

# %% [markdown]
# The same numbers as a face. It is only a drawing: mouth, brows, eyes and cheeks move by nine of the units. In JupyterLab you can move the slider through
# the sentence.

# %%
explore(draw.face(clip, face.names),
        "The schematic face at three moments of the clip: in the first great, in not, and behind the second "
        "great, where it smiles most. It is drawn from simulated action units; nobody was filmed.",
        title="Action units move a face", size=(2.6, 3.2), second=[0.6, 1.3, 2.1, 2.5, 2.9])

# %% [markdown]
# ### When is frame 30?
# Frames are numbered from 0. Frame $i$ of a stream with rate $f$ is on from $i/f$ to $(i+1)/f$ seconds; its middle is
#
# $$t_i = \frac{i + \tfrac{1}{2}}{f}$$
#
# **Predict, then run:** frame 30 of the voice and frame 30 of the face: does the speaker say the same word?

# %%
predict("08.c", "At frame 30 of the voice and of the face, where in the sentence are they?",
        ["at the same word", "the face at an earlier word", "the face at a later word"])

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $i$ | number of a frame, from 0 | a whole number |
# | $f$ | frame rate, frames per second | one number for each stream |
# | $t_i$ | middle of frame $i$, seconds | one number |

# %%
for name, stream in streams.items():
    second = 30.5 / stream.frame_rate
    word = next(w for w, start, end in draw.words_of(clip) if start <= second < end)
    print(f"{name}: frame 30 is at {second:.2f} s, in the word {word!r}")

# %%
at = {name: 30.5 / stream.frame_rate for name, stream in streams.items()}
heard_at, seen_at = ([w for w in draw.words_of(clip) if w[1] <= at[m] < w[2]][0] for m in ("audio", "vision"))
later = "the face at a later word" if at["vision"] > at["audio"] else "the face at an earlier word"
outcome("08.c", "at the same word" if heard_at == seen_at else later,
        because="A frame's number is a count of one clock only: the faster clock has reached the same count "
        "sooner.")

# %% [markdown]
# Such streams are called [unaligned](glossary.md#unaligned): they share the time, and not the numbering. To find out what the face did at a frame of the
# voice, we go through the time.
#
# ### Exercise 08.1 · the same moment (easy, 5 minutes)
# Return the number of the *other* stream's frame that is on at the middle of our frame.


# %%
@exercise("08.1")
def same_moment(frame, rate, other_rate):
    """frame (a whole number, from 0), rate and other_rate (frames a second) -> a whole number."""
    # SOLUTION
    return int((frame + 0.5) / rate * other_rate)
    # END SOLUTION


# %%
check("08.1", same_moment)

# %%
middle = draw.times(len(clip.vision[0]), "vision")
for i, second in enumerate(draw.times(len(clip.audio[0]), "audio")):
    j = same_moment(i, voice.frame_rate, face.frame_rate)
    assert abs(middle[j] - second) <= 0.5001 / face.frame_rate, "exercise 08.1 is not solved yet"
print(f"the face at frame 30 of the voice: frame {same_moment(30, voice.frame_rate, face.frame_rate)}")

# %% [markdown]
# > **Card: the paper is unclear.** MGMR-Net interleaves the three streams "at each time step" [@mgmr2025], as if they had the same steps, and
# > its table of settings gives one length, 50, for CMU-MOSI. The features come in up to 50 tokens, 375 and 500 frames. We let every stream keep its own
# > clock until the network has encoded it, and average its frames onto the text's steps then.

# %% [markdown]
# ## 2 Rectangles
# A file holds each stream of all clips as one array, as long as the longest clip may be: 50 tokens, 375 frames of voice, 500 of the face. What lies behind the
# end of a clip is [padding](glossary.md#padding), zeros that belong to nobody.
#
# **Predict, then run:** what share of the voice's array is padding?

# %%
predict("08.d", "What share of the voice's array is padding?", between=(0, 100), step=5, within=10, unit="%")

# %%
fig = plt.figure(figsize=(8.0, 3.0))
draw.rectangles(fig, test)
fig.suptitle("Most of a padded array is nothing", x=0.01, ha="left")
show(fig, "The first fourteen test clips, a row each, in their rectangles: coloured is data, grey is padding. "
     "The titles give its share over all test clips: about half of the text, three quarters of voice and face.")

# %%
outcome("08.d", 100 * (1 - test.audio.lengths.mean() / test.audio.max_length),
        because="An array is as long as its longest clip may be, and most clips are far from that.")

# %% [markdown]
# Whoever averages over such a row averages nothing with something. Short clips then look calm and quiet, just because they are short.
#
# ### Exercise 08.2 · a mean without padding (easy, 6 minutes)
# Return each clip's mean over its own frames. `padded` has the shape $(n, L, d)$: clips, padded length, features; `lengths` holds $n$ whole numbers.


# %%
@exercise("08.2")
def valid_mean(padded, lengths):
    """padded (n, L, d), lengths (n) -> (n, d)."""
    # SOLUTION
    return np.stack([x[:n].mean(axis=0) for x, n in zip(padded, lengths, strict=True)])
    # END SOLUTION


# %%
check("08.2", valid_mean)

# %%
from mgmr_lib.evaluation.references import fit_ridge, mean_pool

ours = valid_mean(test.audio.padded().astype(np.float64), test.audio.lengths)
assert np.allclose(ours, mean_pool(test.audio)), "exercise 08.2 is not solved yet"
print("valid_mean = the library's mean_pool")

# %% [markdown]
# From here on we use `mean_pool`. It works on frames that are stored end to end, without any padding: that is how the library keeps every corpus.

# %% [markdown]
# ### Values that are no numbers
# Energy in dB is a logarithm. The logarithm of silence is $-\infty$, and MOSI's audio file does hold `-inf`. One of them is enough to make a mean, and then
# a whole training, worthless.

# %% [markdown]
# ### Exercise 08.3 · find the bug: repair what is not finite (easy, 5 minutes)
# A colleague repairs frames with `np.nan_to_num`. Run it, look at the mean, and write it correctly: every value that is not finite becomes 0, all others stay.


# %%
def colleagues_repair(frames):
    return np.nan_to_num(frames)


silent = np.array([[60.0, 1.0], [-np.inf, 2.0], [64.0, 3.0]])
print(f"mean energy: {colleagues_repair(silent).mean(axis=0)[0]:.0e} dB")


# %%
@exercise("08.3")
def repair(frames):
    """frames (l, d) with -inf, inf or NaN in some places -> (l, d), 0 in these places."""
    # SOLUTION
    return np.where(np.isfinite(frames), frames, 0.0)
    # END SOLUTION


# %%
check("08.3", repair)

# %% [markdown]
# ### Where does a clip end?
# There are *aligned* files too, in which a tool has averaged the frames over each word, so that all three streams have 50 steps. These hold no lengths:
# we must find the end ourselves. And a camera that loses the face writes a frame of zeros, in the middle of a clip.

# %% [markdown]
# ### Exercise 08.4 · find the bug: where does a clip end? (medium, 8 minutes)
# A colleague ends a clip at its first frame of zeros. Run her function on a clip of 5 frames whose second one was lost. Then write one that tells a hole
# from the end. A clip of nothing but zeros keeps one frame.


# %%
def colleagues_length(frames):
    zero = ~frames.any(axis=1)
    return int(zero.argmax()) if zero.any() else len(frames)


holed = np.array([[3.0, 1.0], [0.0, 0.0], [2.0, 0.0], [1.0, 1.0], [2.0, 2.0], [0.0, 0.0], [0.0, 0.0]])
print(colleagues_length(holed))


# %%
@exercise("08.4")
def clip_length(frames):
    """frames (L, d), zeros behind the end -> the number of frames of the clip, at least 1."""
    # SOLUTION
    alive = np.flatnonzero(frames.any(axis=1))
    return int(alive[-1]) + 1 if len(alive) else 1
    # END SOLUTION


# %%
check("08.4", clip_length)

# %% [markdown]
# How much does the first rule cost? We lose a share of the test clips' face frames at random and cut each clip by both rules.
#
# **Predict, then run:** one frame in fifty is lost. How much of the data does the first rule throw away?

# %%
predict("08.e", "One frame in fifty is lost: how much of the data does the first rule throw away?",
        between=(0, 100), step=1, within=10, unit="%")

# %%
shares, rng = [0.0, 0.01, 0.02, 0.05, 0.1], np.random.default_rng(8)
kept = {"first zero frame": [], "last frame that is not zero": []}
faces = test.vision.padded()[:200]
for share in shares:
    lossy = faces * (rng.random(faces.shape[:2]) >= share)[..., None]
    for name, rule in zip(kept, (colleagues_length, clip_length), strict=True):
        kept[name].append(sum(map(rule, lossy)) / test.vision.lengths[:200].sum())

# %%
fig, ax = plt.subplots(figsize=(8.0, 2.8))
for (name, values), marker in zip(kept.items(), "s^", strict=True):
    ax.plot(shares, values, marker + "-", label=name)
ax.set(title="One bad rule throws most of the face away", ylim=(0, 1.05))
ax.set(xlabel="share of frames lost", ylabel="share of steps kept")
ax.legend(loc="center right")
show(fig, "Share of the clips' steps that is left after cutting. "
     f"With {shares[2]:.0%} of the frames lost, the first rule keeps {kept['first zero frame'][2]:.0%}; "
     "the other rule keeps nearly everything at every share.")
assert min(kept["last frame that is not zero"]) > 0.98, "exercise 08.4 is not solved yet"

# %%
assert kept["first zero frame"][0] == 1 > 2 * kept["first zero frame"][2]
outcome("08.e", 100 * (1 - kept["first zero frame"][2]),
        because="It is not the lost frame that is thrown away but all that comes behind it, and in a long "
        "clip one is lost soon.")

# %% [markdown]
# > **Card: paper and code differ.** The papers do not say how they find a clip's end in aligned files. Published code on which they build takes the
# > first frame of zeros, which cuts a clip at a dropped frame. We take the last frame that is not zero, as you did. Where a file holds lengths, these win.
#
# Remember it for the next notebook: what is *missing* lies inside the clip, padding behind it, and both may look like zeros.

# %% [markdown]
# ## 3 Labels, lengths, and what chance can do
# **Predict, then run:** are neutral sentences frequent? Do the three splits look alike?

# %%
predict("08.f", "How are the labels spread over their scale?",
        ["most lie around 0", "evenly", "two humps, and a valley at 0"])

# %%
fig = plt.figure(figsize=(8.0, 2.9))
draw.profile(fig, corpus)
fig.suptitle("Few neutral clips, many short ones, and three splits that look alike", x=0.01, ha="left")
show(fig, "Labels and lengths of the three splits. Labels have a hump on either side and a valley at 0. Most clips' "
     "voices and faces are shorter than half of the longest one.")

# %%
counts = [(train.labels < 0).sum(), (train.labels == 0).sum(), (train.labels > 0).sum()]
say(f"Of our {len(train)} training clips {counts[0]} are negative, {counts[1]} exactly 0 and {counts[2]} positive.")

# %%
around = [int(np.sum(np.abs(train.labels - middle) < 0.5)) for middle in (-1, 0, 1)]
low_middle, high_middle = around[1] < 0.8 * min(around[0], around[2]), around[1] > 1.2 * max(around[0], around[2])
outcome("08.f", "two humps, and a valley at 0" if low_middle else "most lie around 0" if high_middle else "evenly",
        because="Measurements often heap up in the middle of their scale, but these are opinions, and whoever"
        " reviews a film takes a side.")

# %% [markdown]
# Of the real MOSI's 1284 training clips 552 are negative, 53 neutral and 679 positive [@mfmb2025]: more positive ones than ours, and more in the middle.
#
# What do voice and face tell about the label? We fit ridges as in notebook 00, on the average frame of each training clip, and correlate what they say about
# the test clips with the labels. The blind rival says the same to all.

# %% tags=["baseline"]
from mgmr_lib.data.text import cached_features, load_encoder

encoder, pooled = load_encoder("minilm"), {}
for split in ("train", "test"):
    text = mean_pool(cached_features(encoder, corpus[split]))
    heard, seen = mean_pool(corpus[split].audio), mean_pool(corpus[split].vision)
    pooled[split] = {"text": text, "voice": heard, "face": seen}
read = {m: fit_ridge(pooled["train"][m], train.labels).predict(pooled["test"][m]) for m in ("text", "voice", "face")}
found = {m: np.corrcoef(read[m], test.labels)[0, 1] for m in read}
blind = np.abs(test.labels - train.labels.mean()).mean()
for m in read:
    error = np.abs(read[m] - test.labels).mean()
    print(f"{m:5} correlation {found[m]:.1f}, error {error:.2f} (blind rival {blind:.2f})")

# %% [markdown]
# A correlation of 0.2: could that be chance? We ask chance itself. In a [permutation test](glossary.md#permutation-test) we deal the test labels out at random, so
# that every link between clip and label is cut, and correlate again, a thousand times. With $c$ found and $c_1, \dots, c_k$ after the shuffles:
#
# $$p = \frac{1 + \#\{j : |c_j| \ge |c|\}}{1 + k}$$

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $c$ | what we found | one number |
# | $c_j$ | the same, with labels shuffled | $k$ numbers |
# | $p$ | how often chance alone does at least that | one number in 0..1 |
#
# The 1 stands for the real order, which is one of the orders that chance can give.

# %% [markdown]
# ### Exercise 08.5 · how often does chance do that? (medium, 8 minutes)
# Write the formula; `found` is a number, `shuffled` a list of numbers.


# %%
@exercise("08.5")
def p_value(found, shuffled):
    """found (a number), shuffled (k numbers) -> a number between 1 / (k + 1) and 1."""
    # SOLUTION
    return (1 + sum(abs(s) >= abs(found) for s in shuffled)) / (1 + len(shuffled))
    # END SOLUTION


# %%
check("08.5", p_value)

# %%
rng = np.random.default_rng(0)
orders = [rng.permutation(test.labels) for _ in range(1000)]
shuffled = {m: np.array([np.corrcoef(read[m], labels)[0, 1] for labels in orders]) for m in read}
says = {m: "p = 1/1001" if p_value(found[m], shuffled[m].tolist()) < 0.0015 else "p above 1/1001" for m in read}

# %%
fig = plt.figure(figsize=(8.0, 2.8))
draw.chance(fig, {m: found[m] for m in ("voice", "face")}, shuffled, says)
fig.suptitle("No shuffle reaches what voice and face tell", x=0.01, ha="left")
show(fig, "Correlations with a thousand shuffles of the test labels (grey), and with the real ones (red). "
     "The grey ones lie close around zero; the red lines stand far outside.")
assert set(says.values()) == {"p = 1/1001"}, "exercise 08.5 is not solved yet"

# %% [markdown]
# So the ridges read something. Is the *procedure* sound, too, or does it leak test labels? That asks for a
# [negative control](glossary.md#negative-control): the whole procedure, on an input where it must fail. Now we shuffle the *training* labels and fit again.
#
# **Predict, then run:** the voice's ridge learns from 60 shuffles in turn. How near does its correlation with the real test labels come to what the real ridge has?

# %%
predict("08.g", "How large is the largest of the 60 correlations, with either sign?",
        {"near 0": 0, "half of the real one": 0.5, "as large as the real one": 1})

# %% tags=["control"]
control = []
for _ in range(60):
    fitted = fit_ridge(pooled["train"]["voice"], rng.permutation(train.labels))
    control.append(fitted.predict(pooled["test"]["voice"]))
correlated = [np.corrcoef(said, test.labels)[0, 1] for said in control]
gains = [blind - np.abs(said - test.labels).mean() for said in control]
spread = np.median([said.std() for said in control])

# %%
gain = blind - np.abs(read["voice"] - test.labels).mean()
fig = plt.figure(figsize=(8.0, 3.0))
draw.control(fig, {"correlation with the test labels": (correlated, found["voice"]),
                   "points better than the blind rival": (gains, gain)})
fig.suptitle("By correlation the control looks as good as the real thing; by its error, never", x=0.01, ha="left")
show(fig, "The control's correlations heap up at both ends, one of them as large as the real ridge's; by its error the "
     "control never comes near the real gain over the blind rival.")

# %%
assert max(map(abs, correlated)) > 0.2 and abs(np.mean(correlated)) < 0.15 and max(gains) < 0.03
outcome("08.g", max(map(abs, correlated)) / abs(found["voice"]),
        because="Where nothing can be learned the error shows it; a correlation can still be large, by the "
        "luck of a direction.")

# %%
ratio = spread / test.labels.std()
assert ratio < 0.01 < gain / 5
say("By correlation the control seems to succeed, now and then as well as the real thing. It says almost a constant, "
    f"though: its predictions mostly spread by less than {0.01:.0%} of what the labels do. "
    "**A correlation does not see how small a prediction is; an error does.**")

# %% [markdown]
# Why so far from 0? The five features of the voice hang together, louder is higher, and for labels that they do not tell the ridge mostly chooses a large penalty. Together these
# bring many of the ridges near one line, ahead or backwards. A single
# control is one throw of a coin. Look at many, look at the error, and never take one lucky shuffle for a leak, or for its absence.

# %% [markdown]
# ## 4 Real, or simulated?
# Our corpus has real sentences and real ratings [@hutto2014]. Everything else comes from a program, whose documentation gives all its equations. Here is its heart, for
# feature $k$ of voice or face:
#
# $$z = s\,a\,\tfrac{y}{2} + \sqrt{1 - a^2}\;\varepsilon \qquad x_k(t) = \beta_k + \sigma_k\Big(\lambda_k z + \sum_w g_k(s\,v_w)\,\mathrm{bump}(t - t_w) + \text{noise}\Big)$$

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $y$ | rating of the sentence, from -4 to 4 (**real**); our label is $\tfrac{3}{4} y$ | one number |
# | $v_w$, $t_w$ | valence of word $w$ in a word list (**real**), and when it is spoken (simulated) | a number per word |
# | $s$ | -1 in a sarcastic clip, else 1; one in ten | one number |
# | $a$, $\varepsilon$ | strength of the link, and what else moves the speaker | one number each |
# | $x_k(t)$ | feature $k$; the noise has a memory, a drift and a speaker of its own | frames |
# | $\beta_k, \sigma_k, \lambda_k, g_k$ | resting value, spread, weight of the feeling, answer to a word | one for each feature |

# %% [markdown]
# Suppose that nobody had told us. Could we find out? A first thought: the correlations of section 3. They are no help: $a$ was chosen so that a ridge reaches by the
# voice about what it does on some real clips, and by the face somewhat more (on others, further below, it reaches half of both). A test can only find what the forger forgot.
#
# **Predict, then run:** how many different values of pitch do the training clips hold?

# %%
predict("08.h", "How many different values of pitch are there in over a hundred thousand frames?",
        ["nearly as many as frames", "some ten thousand", "a few hundred"])

# %%
pitch = train.audio.values[:, 0]
apart = np.abs(test.vision.lengths - test.audio.lengths * 4 / 3).max()
assert apart <= 1
print(f"{len(pitch)} frames, {len(np.unique(pitch))} different values of pitch")
print("frames of the face and 4/3 of those of the voice differ by at most 1 in every test clip")

# %%
different = len(np.unique(pitch))
outcome("08.h", "a few hundred" if different < 1000 else
        "some ten thousand" if different < 0.5 * len(pitch) else "nearly as many as frames",
        because="A number with many digits need not be one of many: how finely it was stored decides how many"
        " there are.")

# %% [markdown]
# Suspicious? Hardly. Features stored in 8 bits look like that, and two programs that run over one video at fixed rates give such a ratio. A fingerprint counts only if a real
# recording would *not* leave it. So we need something that people do and that this program does not.

# %% [markdown]
# ### The first fingerprint: it does not understand *not*
# The program looks words up in a list, one by one. People read sentences. So we collect good words, plain ones and those that follow a negation by at most three
# words: *a great idea*, *a not great movie*. One a clip.
#
# **Predict, then run:** what does the label do behind a *not*, and what does the smile?

# %%
predict("08.i", "What changes behind a not?",
        ["label and smile turn round", "the label only", "the smile only", "neither"])

# %%
from mgmr_lib.chapters.ch08_meet_the_data.fingerprints import curves_around, good_words
from mgmr_lib.data.classroom.ratings import read_lexicon

lexicon = read_lexicon()
words = good_words(train, lexicon)
groups = {"plain": {w.clip: w for w in words if not w.negated}, "negated": {w.clip: w for w in words if w.negated}}
for clip_of_both in groups["plain"].keys() & groups["negated"].keys():
    del groups["plain"][clip_of_both]
print({name: len(found_words) for name, found_words in groups.items()})

# %% tags=["signature"]
lags, smile = np.linspace(-1.0, 1.5, 26), face.names.index("AU12 lip corner puller")
curves, labels = {}, {}
for name, group in groups.items():
    curves[name] = curves_around(train.vision, smile, group.values(), face.frame_rate, lags)
    labels[name] = train.labels[list(group)]
peak = {name: np.nanmean(rows[:, (lags > 0) & (lags < 0.5)], axis=1) for name, rows in curves.items()}

# %%
fig = plt.figure(figsize=(8.0, 3.2))
draw.negation(fig, lags, curves, labels)
fig.suptitle("People hear the not; the face smiles all the same", x=0.01, ha="left")
show(fig, "Left: the smile around a good word, mean over clips with two standard errors. It rises by about as much "
     "after a negation as without one. Right: the mean label of the same clips is positive for plain good words and "
     "negative for negated ones.")

# %%
assert labels["plain"].mean() > 0.2 and labels["negated"].mean() < -0.2
assert np.nanmean(peak["negated"]) > 3 * np.nanstd(peak["negated"]) / len(peak["negated"]) ** 0.5
outcome("08.i", "the label only",
        because="To understand a not one must read two words together, and this program looks up one at a "
        "time.")

# %% [markdown]
# Does the difference of the labels need a test? We have one: shuffle which clips are the negated ones.

# %%
def difference(values, negated):
    return np.nanmean(values[negated]) - np.nanmean(values[~negated])


negated = np.repeat([False, True], [len(groups["plain"]), len(groups["negated"])])
for name, parts in (("label", labels), ("smile", peak)):
    values = np.concatenate([parts["plain"], parts["negated"]])
    chance = [difference(values, rng.permutation(negated)) for _ in range(1000)]
    p = p_value(difference(values, negated), chance)
    print(f"{name}: the negated clips lie {'lower' if difference(values, negated) < 0 else 'no lower'}, "
          f"p {'below 0.01' if p < 0.01 else 'above 0.01'}")

# %% [markdown]
# For the smile, "above 0.01" is no proof that nothing changed: with so few negated clips a difference of half the smile's rise could hide. What we may say is that the smile still rises behind a *not*, and that the labels turn round.

# %% [markdown]
# ### The second fingerprint: two doors
# All that the simulated voice and face know of a sentence came in through the rating and the word list (and the words' number and letters, which set the times). Behind these doors there is nothing. So: fit each
# feature on these *known causes*, keep what they leave, and let the text predict the rest.
#
# **Predict, then run:** how much is left for the text to predict? And if we do the same to the label, with the word list as its known cause?

# %%
predict("08.j", "Without the known causes, what can the text still predict?",
        ["nothing", "the label only", "voice and face only", "the label, voice and face"])

# %%
from mgmr_lib.chapters.ch08_meet_the_data.fingerprints import correlations, known_causes


def told_by_text(pooled, target, causes):
    """Test correlation of what the text says of targets (n, k): as they are, and less what the causes explain."""
    explained = fit_ridge(causes["train"], target["train"])
    rest = {s: target[s] - explained.predict(causes[s]).reshape(target[s].shape) for s in target}
    out = []
    for wanted in (target, rest):
        said = fit_ridge(pooled["train"]["text"], wanted["train"]).predict(pooled["test"]["text"])
        out.append(correlations(said.reshape(wanted["test"].shape), wanted["test"]))
    return out


causes = {s: known_causes(corpus[s], lexicon) for s in pooled}
features = {s: np.hstack([pooled[s]["voice"], pooled[s]["face"]]) for s in pooled}
before, after = told_by_text(pooled, features, causes)

# %%
label_before, label_after = told_by_text(
    pooled, {s: corpus[s].labels[:, None].astype(float) for s in pooled}, {s: causes[s][:, 1:] for s in pooled})
fig = plt.figure(figsize=(8.0, 5.4))
draw.doors(fig, [*voice.names, *face.names], before, after, (label_before[0], label_after[0]))
fig.suptitle("The word list does not exhaust the label; the causes exhaust voice and face", x=0.01, ha="left")
show(fig, "How well the text predicts each feature of the test clips, before (circles) and after (squares) the known "
     "causes are taken out. The label keeps most of its own. The features' squares lie around 0, as chance would "
     "have it.")

# %%
size = {name: float(np.sqrt((c**2).mean() * len(test))) for name, c in (("before", before), ("after", after))}
say(f"Without the word list's share, the text still predicts the label with a correlation of {label_after[0]:.1f}: "
    "there is more in a sentence than its words' valences. What it tells of the 25 features is, before, clearly more "
    "than chance gives on average; without the known causes it is what chance gives.")

# %%
assert label_after[0] > 0.4 and size["before"] > 1.5 > 1.3 > size["after"]
outcome("08.j", "the label only",
        because="What a program made is exhausted by what went into it; in a person's rating there is more of"
        " the sentence than a word list knows.")

# %% [markdown]
# ### Beside a real voice and face
# MOSI may not be passed on. POM may [@park2014]: 903 film reviews as features of voice and face, without words, and without a face in more than half of the clips. `python -m mgmr_lib data fetch pom` brings it, and `calibrate pom
# classroom-mosi` compares the two, which takes minutes; we read what it printed. POM's steps are segments of some seconds, so five of our frames are averaged into one.

# %%
from mgmr_lib.evaluation import calibration

recorded, where = calibration.read()
beside = recorded[["pom", "classroom-mosi, 5 frames a step"]]
shown_first = ["clips without it", "variance between clips", "ridge on means", calibration.ZERO_SUM]
say(f"**Recorded, not computed here**: commit {where['commit']}, {where['date']}, torch {where['versions']['torch']}.")
say(draw.side_by_side(beside, shown_first))

# %% [markdown]
# *Variance between clips* is the share that a level for each clip explains, over channels (median, quartiles). A *ridge* row is a correlation with the label, cross-validated. The last row asks whether a pattern in time tells anything: random kernels over five steps whose weights
# $w_j$ add up to zero in each channel, so that a level $c$ changes nothing:

# %% [markdown]
# $$\sum_j w_j\,(x_{t+j} + c) = \sum_j w_j\,x_{t+j} + c \sum_j w_j = \sum_j w_j\,x_{t+j}$$
#
# The ridge sees each kernel's largest answer in the clip, and the share of its answers above 0. In the real voice that tells something, in ours nothing: so a real voice speaks in patterns, and ours in levels?
#
# **Predict, then run:** a control. In the place of each clip of the real voice we put noise of the same length. How much of the real voice's correlation do the kernels reach on that?

# %%
predict("08.k", "What do the kernels reach on noise in the place of POM's voice?",
        {"nothing": 0, "about half of it": 0.5, "nearly all of it": 1})

# %%
fig = plt.figure(figsize=(8.0, 3.0))
draw.control_beside(fig, beside)
fig.suptitle("On noise of the same lengths, the kernels do as well as on the real voice", x=0.01, ha="left")
show(fig, "Correlation with the label of ridges on zero-sum kernels, on the same kernels over noise of the same "
     "lengths, and on the length alone: voice and face of POM and of classroom-mosi. In POM the noise reaches most of "
     "what the voice does.")
alone, levels = (draw.first_number(beside.loc[("audio", f"ridge on {row}"), "pom"])
                 for row in ("lengths alone", "means"))
say(f"In POM the number of the voice's steps alone reaches {alone:.2f}, the means of all its channels {levels:.2f}.")

# %%
voice, noise = (draw.first_number(beside.loc[("audio", row), "pom"])
                for row in (calibration.ZERO_SUM, calibration.CONTROL))
ours = draw.first_number(beside.loc[("audio", calibration.ZERO_SUM)].iloc[1])
assert noise > 0.8 * voice > 0.1 and abs(ours) < 0.05 and alone > levels
outcome("08.k", noise / voice,
        because="The largest of many answers grows with their number: such a summary can read a length, and "
        "whoever talks longer here was rated otherwise.")

# %% [markdown]
# A control that must fail, and does not: the sentence about patterns is not shown. What is shown is that in this real corpus *length* tells, which it hardly does in ours, and which no missing rate hides: a network knows how many steps a clip had.
# So on real data a ridge on lengths belongs to the rivals, and `data describe` warns where lengths go with labels.

# %%
second = recorded["classroom-mosi@2, 5 frames a step"]
kernels, on_noise, by_means = (draw.first_number(second[("audio", row)])
                               for row in (calibration.ZERO_SUM, calibration.CONTROL, "ridge on means"))
say("Our corpus has a second edition, `classroom-mosi@2`, on which notebooks 11, 20 and 21 read records. Its voice was "
    f"made to speak in patterns, too: there the kernels reach {kernels:.2f}, on noise {on_noise:.2f}, and a ridge on "
    f"means {by_means:.2f}. In `data/results/calibration.md` stands how far each edition is from two real corpora.")

# %% [markdown]
# What have we shown? That this voice and face depend on the sentence through a short list of numbers, which we know because we could read it. No test proves that data are *real*: it can only fail
# to find a given fingerprint, and a better forger leaves fewer. And a finding on simulated features is about methods on such sequences, not about people.

# %% [markdown]
# ## 5 Your own file
# The papers' features come as pickles in the layout of MMSA, a collection of published models. The course may not pass MOSI on, but whoever has it can use it everywhere. We write six clips of each
# split of our corpus in that layout, to see what such a file holds.

# %%
import tempfile
from pathlib import Path

from mgmr_lib.data.corpus import SPLITS, Corpus
from mgmr_lib.data.mmsa import export_mmsa
from mgmr_lib.data.mmsa.safe_pickle import load

excerpt = Corpus("excerpt", "mosi", "cut from classroom-mosi", {s: corpus[s].select(range(6)) for s in SPLITS})
folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
path = Path(folder.name) / "mosi_excerpt.pkl"
export_mmsa(excerpt, path)
layout = {key: value.shape for key, value in load(path)["train"].items()}
for key in ("id", "raw_text", "text_bert", "audio", "audio_lengths", "vision", "vision_lengths", "regression_labels"):
    print(f"{key:18} {layout[key]}")

# %% [markdown]
# `text_bert` holds three rows per clip: token ids, a 1 for every valid token, and a row of zeros that we do not need. `audio` and `vision` are padded. `load_corpus` reads a file by its path. Is
# everything back?

# %%
again = load_corpus(path)
for split in SPLITS:
    mine, theirs = excerpt[split], again[split]
    assert mine.ids == theirs.ids and mine.raw_text == theirs.raw_text and (mine.labels == theirs.labels).all()
    assert (mine.token_ids == theirs.token_ids).all() and (mine.audio.lengths == theirs.audio.lengths).all()
    assert (mine.audio.values == theirs.audio.values).all() and (mine.vision.values == theirs.vision.values).all()
print(f"equal; metrics of the family {again.family}, because {again.family_reason}")

# %% [markdown]
# Now a file as they come: without lengths, with a lost frame in the face, and with an `-inf` in the voice. The reader must repair it by the rules of your exercises.

# %%
import pickle

data = load(path)
for part in data.values():
    if isinstance(part, dict):
        part["audio"], part["vision"] = part["audio"].copy(), part["vision"].copy()
        part["audio"][0, 3, 1], part["vision"][:, 10] = -np.inf, 0.0
        del part["audio_lengths"], part["vision_lengths"]
rough = path.with_name("mosi_rough.pkl")
rough.write_bytes(pickle.dumps(data))
read_back = load_corpus(rough)
voices, faces = data["test"]["audio"], data["test"]["vision"]
assert read_back["test"].vision.lengths.tolist() == [clip_length(x) for x in faces], "exercise 08.4 is not solved yet"
assert np.array_equal(read_back["test"].audio.padded()[0], repair(voices[0])), "exercise 08.3 is not solved yet"
print("repaired (a frame of zeros is no error, and stays):", read_back.repaired)

# %% [markdown]
# Now all of it in one function, for another sitting if you like (it is not in this notebook's minutes). It gets one split, such as `data["test"]`, and returns a list with a dict for each clip: its `"id"`,
# its `"label"` as a plain number, and the frames of its `"audio"` and `"vision"`. The check goes through the rules below in stages, and says how far a loader holds.

# %% [markdown]
# ### Exercise 08.6 · build it yourself: a loader (hard, 25 minutes)
# 1. Where `part` has `"audio_lengths"` (or vision's), a clip has as many frames.
# 2. Else it ends with its last frame that is not all zero. Zeros inside stay. A clip of zeros alone was never recorded: shape $(0, d)$.
# 3. A value that is no finite number counts as zero, in the padding too. The file's own arrays stay as they are.
# 4. If `audio`, `vision` or `regression_labels` has not a row for each id, raise a `ValueError` that names the key.


# %%
@exercise("08.6")
def load_split(part):
    """part: dict with id [n], audio (n, L, d), vision (n, M, e), regression_labels (n) -> a list of n dicts."""
    # SOLUTION
    clips, n = [], len(part["id"])
    for key in ("audio", "vision", "regression_labels"):
        if len(part[key]) != n:
            raise ValueError(f"{key} has {len(part[key])} rows for {n} ids")
    for i, name in enumerate(part["id"]):
        clip = {"id": name, "label": float(part["regression_labels"][i])}
        for key in ("audio", "vision"):
            rows = np.where(np.isfinite(part[key][i]), part[key][i], 0.0)
            if f"{key}_lengths" in part:
                end = int(part[f"{key}_lengths"][i])
            else:
                alive = np.flatnonzero(rows.any(axis=1))
                end = alive[-1] + 1 if len(alive) else 0
            clip[key] = rows[:end]
        clips.append(clip)
    return clips
    # END SOLUTION


# %%
check("08.6", load_split)

# %%
for split in SPLITS:
    theirs = read_back[split]
    for i, loaded in enumerate(load_split(data[split])):
        assert (loaded["id"], loaded["label"]) == (theirs.ids[i], theirs.labels[i]), "exercise 08.6 is not solved yet"
        for key, frames in (("audio", theirs.audio[i]), ("vision", theirs.vision[i])):
            assert np.array_equal(loaded[key].astype(np.float32), frames), "exercise 08.6 is not solved yet"
print("clip for clip, the loader gives what the library's reader gives")

# %% [markdown]
# A pickle is a program, and one from the internet may do anything.
#
# **Predict, then run:** what happens to a file that wants to print something as it is loaded?

# %%
predict("08.l", "What happens?",
        ["it prints, and the file is loaded", "it prints, then the file is refused",
         "the file is refused, nothing is printed"])

# %%
import contextlib
import io

from mgmr_lib.errors import CourseError


class Greeting:
    def __reduce__(self):
        return print, ("I run on your computer",)


greeting = path.with_name("mosi_greeting.pkl")
greeting.write_bytes(pickle.dumps({"train": Greeting()}))
said, answer = io.StringIO(), "loaded"
try:
    with contextlib.redirect_stdout(said):
        load_corpus(greeting)
except CourseError as error:
    answer = str(error).replace(str(greeting), greeting.name)
print(f"it printed {said.getvalue()!r}; {answer}")

# %%
assert "refused" in answer or answer == "loaded"
outcome("08.l", "the file is refused, nothing is printed" if not said.getvalue() and answer != "loaded" else
        "it prints, and the file is loaded" if answer == "loaded" else "it prints, then the file is refused",
        because="To check a file after it is loaded would be too late: our reader follows only the steps that"
        " plain data needs, and stops before any other.")

# %% [markdown]
# Set `my_file` in the first code cell to the path of your own file, and the next two cells draw it as sections 2 and 3 drew ours. Look for: how many different labels there are (ours are means over some
# twenty people); lengths that do not have our 3 to 4; clips that fill their rectangle to the end, because they were cut there.

# %%
mine = load_corpus(my_file) if my_file else again
fig = plt.figure(figsize=(8.0, 2.9))
draw.profile(fig, mine)
title = "Your file" if my_file else "The six-clip excerpt stands in for your file"
fig.suptitle(f"{title}: labels and lengths", x=0.01, ha="left")
show(fig, f"Labels and lengths of {'your own file' if my_file else 'the excerpt that we wrote and read back'}; "
     "six clips a split make rough curves, a whole file makes smooth ones.")

# %%
fig = plt.figure(figsize=(8.0, 2.4))
draw.rectangles(fig, mine["test"])
fig.suptitle("The same rectangles, read from a pickle", x=0.01, ha="left")
show(fig, "The first test clips of that file with their padding, as in section 2.")
folder.cleanup()

# %% [markdown]
# With a real file, three notes. Its second fingerprint can be tested too: `known_causes` and `told_by_text` ask for nothing but texts, labels and features. Its first one
# cannot: an unaligned file does not say when a word is spoken. And what you measure then is about people: treat it so.

# %% [markdown]
# ## Limits
# We looked at one simulated speaker in detail and at averages of the rest. The negations are found by a list of words, and *not only great* is none. A ridge on average frames sees
# levels, no movements; and with 686 test clips a thread thinner than a correlation of about 0.1 escapes us. And we knew where to look: we had read the program.

# %% [markdown]
# ## Summary
# - Text, voice and face share the time, not the numbering: compare moments.
# - Padding lies behind a clip, holes inside.
# - A permutation test says what chance does. Judge a control by many shuffles.
# - Sentences and ratings are real. Voice and face are simulated: their level follows the rating, the smile behind a word hears no *not*.
# - A test finds the fingerprints that somebody thought of.
# - A summary may read a clip's length alone: noise of the same lengths tells.

# %%
progress("08")
