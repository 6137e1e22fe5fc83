# ---
# jupyter:
#   mgmr:
#     title: A recurrence is a memory
#     claim: "One multiplication and one addition a step make a memory, and a single number decides how long it lasts."
#     goals:
#       - write the state equations and run them with Python lists
#       - say how long a system remembers, and choose that length
#       - tell from the poles whether a state fades, swings or explodes
#       - show where a memory helps, and where it hurts
#     minutes: 60
#     budget_s: 20
#     device: cpu
#     requires: ["00"]
#     introduces: [recurrence, state, impulse response, half-life, pole, stability, state-space model]
# ---
# %% [markdown]
# ## A clap, then silence
# A microphone hears one clap and then nothing. We may keep a single number, $h$. At every step we multiply it by 0.9 and add
# what we hear.
#
# **Predict, then run:** after 20 silent steps, how much of the clap is left in $h$: nothing, a tenth, a half?

# %%
import cmath
import math
import random

from matplotlib import pyplot as plt

from mgmr_lib.course import check, exercise, explore, hint, outcome, predict, progress, say, show, use_style

use_style()

# %%
predict("01.a", "How much of the clap is left after 20 silent steps?",
        {"nothing": 0, "a tenth": 0.1, "a half": 0.5})

# %%
clap = [1.0] + [0.0] * 29
h, heard = 0.0, []
for x in clap:
    h = 0.9 * h + x
    heard.append(h)
say(f"After 20 silent steps **{heard[20]:.0%}** of the clap is left: one number remembers it.")

# %%
outcome("01.a", heard[20], because="Twenty factors just below one still leave something: a decay has no last step.")

# %% [markdown]
# ## 1 One number that remembers
# The loop above is a [recurrence](glossary.md#recurrence): the new value follows from the old one and the input. The number that
# it carries along is the [state](glossary.md#state). Four weights make it general:
#
# $$h_t = a\,h_{t-1} + b\,x_t \qquad\qquad y_t = c\,h_t + d\,x_t$$
#
# The first line remembers, the second one reports.

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $x$, $y$ | input and output, one number per step | list of $l$ |
# | $h_t$ | state after step $t$; before the first step $h = 0$ | one number |
# | $a$, $b$ | how much of the old state stays, how much of the input enters | one number each |
# | $c$, $d$ | how the state is read, and the shortcut from input to output | one number each |

# %%
from mgmr_lib.chapters.shared.growing_drawing import state_space

fig, ax = plt.subplots(figsize=(7, 2.4))
state_space(ax, "recurrence")
ax.set_title("The state goes round, the input joins it, the output reads it")
show(fig, "The whole system: what enters is multiplied by b, joins the state, and the state returns one step later, "
     "multiplied by a. In capitals, because section 4 lets the state be a list. Notebooks 02 and 03 add to it.")

# %% [markdown]
# > **Two conventions.** Books on control often write $h_{t+1} = a h_t + b x_t$: there the output lags one step behind the input.
# > We follow the papers on Mamba [@gu2023]: the input of step $t$ is in the state of step $t$, and in the output at once.

# %% [markdown]
# ### Exercise 01.1 · one step (easy, 3 minutes)
# Return the new state; all four arguments are plain numbers. Write in place of `raise NotImplementedError`, run the cell, then
# the check below it. In any cell, `hint("01.1")` gives a hint, up to three times. An exercise that you leave open does not stop
# you: the course's own version answers for it.


# %%
@exercise("01.1")
def step(h, x, a, b):
    """Old state h, input x, weights a and b -> new state."""
    # SOLUTION
    return a * h + b * x
    # END SOLUTION


# %%
check("01.1", step)

# %% [markdown]
# ### Exercise 01.2 · the whole sequence (easy, 8 minutes)
# Return the list of all outputs $y$, as long as $x$. Start from $h = 0$; at every step update the state first, then report. Use
# `step` if you like.


# %%
@exercise("01.2")
def run(x, a, b, c, d):
    """Inputs x (list of l), weights -> outputs (list of l)."""
    # SOLUTION
    h, y = 0.0, []
    for value in x:
        h = step(h, value, a, b)
        y.append(c * h + d * value)
    return y
    # END SOLUTION


# %%
check("01.2", run)

# %% [markdown]
# `run` must repeat our opening loop. With $c = 1$ and $d = 0$ the output is the state itself.
#
# **Predict, then run:** with $c = 0$ and $d = 1$, what does the system do with the clap?

# %%
predict("01.b", "What comes out with c = 0 and d = 1?",
        ["the fading clap, as before", "the clap, and then silence", "silence"])

# %%
assert run(clap, 0.9, 1.0, 1.0, 0.0) == heard, "exercise 01.2 is not solved yet"
print("c = 1, d = 0:", [round(y, 2) for y in run(clap, 0.9, 1.0, 1.0, 0.0)[:5]])
handed_on = run(clap, 0.9, 1.0, 0.0, 1.0)
print("c = 0, d = 1:", [round(y, 2) for y in handed_on[:5]])

# %%
outcome("01.b", "the clap, and then silence" if handed_on == clap else "the fading clap, as before",
        because="The state still fades inside, but with c = 0 nobody reads it: d only hands the input on.")

# %% [markdown]
# The shortcut $d$ hands the input straight through and remembers nothing. All memory sits in $a$.

# %% [markdown]
# ## 2 How long does it remember?
# Feed one click and watch what comes out: that is the [impulse response](glossary.md#impulse-response). For our system it needs no
# loop. The click enters as $b$, every later step multiplies by $a$, and $c$ reports:
#
# $$k_t = c\,a^t\,b \quad (\text{plus } d \text{ at } t = 0)$$

# %% [markdown]
# **Predict, then run:** three systems hear the same clap, with $a$ = 0.5, 0.9 and 0.98. Which of them still knows of it after ten
# steps? And after fifty?

# %%
predict("01.c", "Which of the three has more than a per cent of the clap left after fifty steps?",
        ["none of them", "0.98 only", "0.9 and 0.98", "all three"])

# %%
click = [1.0] + [0.0] * 59
kept = {a: run(click, a, 1.0, 1.0, 0.0) for a in (0.5, 0.9, 0.98)}
for a, k in kept.items():
    print(f"a = {a:4}:  after 10 steps {k[10]:6.1%}   after 50 steps {k[50]:6.1%}")

# %%
know = sum(k[50] > 0.01 for k in kept.values())
outcome("01.c", ["none of them", "0.98 only", "0.9 and 0.98", "all three"][know],
        because="Small differences near one are raised to the fiftieth power, so 0.9 and 0.98 are worlds apart.")

# %%
fig, ax = plt.subplots()
for (a, k), marker in zip(kept.items(), "os^", strict=True):
    ax.plot(k, marker=marker, markevery=5, label=f"a = {a}")
ax.set(title="The same clap, three memories: a decides how fast it fades")
ax.set(xlabel="time step t", ylabel="state h (no unit)")
ax.legend()
show(fig, f"Impulse responses. With a = 0.5 the clap is gone after a few steps; "
     f"with a = 0.98, {kept[0.98][50]:.0%} of it is left after 50.")

# %% [markdown]
# Why look at clicks, when real inputs are never clicks? Because every input is a sum of clicks, one a step, each with its own
# height. Our system only adds and scales, so its output is the sum of its answers to the single clicks. We test that on a random
# input.

# %%
rng = random.Random(1)
x = [rng.gauss(0, 1) for _ in range(12)]
k = run([1.0] + [0.0] * 11, 0.9, 0.5, 2.0, 0.3)
summed = [sum(k[t - s] * x[s] for s in range(t + 1)) for t in range(12)]
direct = run(x, 0.9, 0.5, 2.0, 0.3)
assert all(math.isclose(p, q, abs_tol=1e-12) for p, q in zip(summed, direct, strict=True))
print("the sum of clicks: ", [round(y, 2) for y in summed[:6]])
print("the recurrence:    ", [round(y, 2) for y in direct[:6]])

# %% [markdown]
# So the impulse response says everything about the system, and its length is the memory. To measure that length we ask after how
# many steps one half is left, the [half-life](glossary.md#half-life) $s$:
#
# $$a^s = \tfrac{1}{2} \quad\Longleftrightarrow\quad s = \frac{\ln \frac{1}{2}}{\ln a}$$

# %%
for a in (0.5, 0.9, 0.99, 0.999):
    print(f"a = {a:<6} half-life {math.log(0.5) / math.log(a):7.1f} steps")

# %% [markdown]
# Each further nine makes the memory about ten times as long. Near 1, a tiny change of $a$ is a huge change of memory, which is
# one reason not to learn $a$ itself: notebook 02 turns to a better handle.

# %% [markdown]
# ### Exercise 01.3 · choose a memory (medium, 8 minutes)
# Turn the formula round: return the $a$ between 0 and 1 that leaves one half of the state after `steps` steps.


# %%
@exercise("01.3")
def pole_for_half_life(steps):
    """Half-life in steps (a number above 0) -> a."""
    # SOLUTION
    return 0.5 ** (1 / steps)
    # END SOLUTION


# %%
check("01.3", pole_for_half_life)

# %% [markdown]
# **Predict, then run:** a state with a half-life of 10 steps hears the clap. What is left after 20 steps, and after 30? (Halve
# and halve again.)

# %%
predict("01.d", "What is left after 30 steps?", between=(0, 100), step=0.5, within=1, unit="%")

# %%
a = pole_for_half_life(10)
left = run([1.0] + [0.0] * 30, a, 1.0, 1.0, 0.0)
print(f"a = {a:.3f}:", {t: round(left[t], 3) for t in (0, 10, 20, 30)})

# %%
outcome("01.d", 100 * left[30], because="Each half-life halves what is left, it does not take away half of the start.")

# %% [markdown]
# ## 3 When does it explode?
# A memory that never fades sounds attractive. Let a constant tone play, $x_t = 1$ for ever, and look at three systems: one that
# fades, one that keeps all, one that amplifies.
#
# **Predict, then run:** where does each of the three end up?

# %%
predict("01.e", "Near which number is the fading system, with a = 0.9, after 60 steps?",
        {"0, it fades": 0, "1, the tone": 1, "10": 10, "60, a step each": 60})

# %%
tone = [1.0] * 60
ends = {a: run(tone, a, 1.0, 1.0, 0.0) for a in (0.9, 1.0, 1.05)}
for a, y in ends.items():
    print(f"a = {a:4}:  after 60 steps {y[-1]:6.1f}")
print(f"1 / (1 - 0.9) = {1 / (1 - 0.9):.1f}")

# %%
outcome("01.e", ends[0.9][-1], because="The state grows until a step's loss, a tenth of it, equals what comes in.")

# %%
fig, ax = plt.subplots()
for (a, y), marker in zip(ends.items(), "os^", strict=True):
    ax.plot(y, marker=marker, markevery=6, label=f"a = {a}")
ax.set(title="Only the fading memory settles", ylim=(0, 70))
ax.set(xlabel="time step t", ylabel="state h (no unit)")
ax.legend(loc="upper left")
show(fig, f"A constant tone. With a = 0.9 the state settles at {ends[0.9][-1]:.1f}, with a = 1 "
     f"it climbs by one a step, with a = 1.05 it leaves the picture and reaches {ends[1.05][-1]:.0f}.")

# %% [markdown]
# A system is stable ([stability](glossary.md#stability)) if no bounded input can drive its state beyond all bounds. Here, where $b$ is not zero, that holds exactly
# when $|a| < 1$: then inputs of size at most one leave no more than $1 + |a| + |a|^2 + \dots = 1 / (1 - |a|)$, times
# $|b|$. The number $a$ is the system's [pole](glossary.md#pole).

# %% [markdown]
# ## 4 Several numbers at once
# One number can fade, stay as large or grow, with or without a change of sign at every step, and nothing else. With a list of $n$
# numbers as the state, every new number may read all the old ones. This is the [state-space model](glossary.md#state-space-model) [@kalman1960]. Mamba runs one for each of its
# channels, the numbers that make up one step of its input:
#
# $$h_t = A\,h_{t-1} + B\,x_t \qquad\qquad y_t = C \cdot h_t + D\,x_t$$

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $h_t$ | state | list of $n$ |
# | $A$ | row $i$ says how the old state makes new entry $i$ | $n$ lists of $n$ |
# | $B$ | how the input enters each entry | list of $n$ |
# | $C$ | how the entries are read into one output | list of $n$ |
# | $D$ | shortcut | one number |

# %% [markdown]
# ### Exercise 01.4 · find the bug (medium, 10 minutes)
# A colleague wrote the step below. Her test is a quarter turn: $A$ turns the point (1, 0) to (0, 1), at the same distance from the
# origin. Her program says that the point lands on the origin. Run it, find the reason, and write the step correctly.


# %%
def colleagues_step(h, x, A, B):
    h = list(h)
    for i in range(len(h)):
        h[i] = sum(A[i][j] * h[j] for j in range(len(h))) + B[i] * x
    return h


quarter_turn = [[0.0, -1.0], [1.0, 0.0]]
print(colleagues_step([1.0, 0.0], 0.0, quarter_turn, [1.0, 0.0]))


# %%
@exercise("01.4")
def vector_step(h, x, A, B):
    """Old state h (n), input x (a number), A (n lists of n), B (n) -> new state (n)."""
    # SOLUTION
    return [sum(A[i][j] * h[j] for j in range(len(h))) + B[i] * x for i in range(len(h))]
    # END SOLUTION


# %%
check("01.4", vector_step)

# %%
h, turn = [1.0, 0.0], []
for _ in range(4):
    h = vector_step(h, 0.0, quarter_turn, [1.0, 0.0])
    turn.append([round(v, 2) for v in h])
print(turn)

# %% [markdown]
# Four quarter turns bring the point home.
#
# ### Build it
# `run` with `vector_step` inside is the whole model. The library has the same loop, `recurrence_lists` (it calls the input $u$, as
# many papers do). We assert that both agree on a random system of three numbers; from now on we may import it.


# %%
def run_vector(x, A, B, C, D):
    h, y = [0.0] * len(B), []
    for value in x:
        h = vector_step(h, value, A, B)
        y.append(sum(c * v for c, v in zip(C, h, strict=True)) + D * value)
    return y


# %%
from mgmr_lib.ssm.linear import recurrence_lists

A = [[rng.uniform(-0.5, 0.5) for _ in range(3)] for _ in range(3)]
B, C = [[rng.gauss(0, 1) for _ in range(3)] for _ in range(2)]
ours, theirs = run_vector(x, A, B, C, 0.3), recurrence_lists(A, B, C, x, 0.3)
distance = max(abs(p - q) for p, q in zip(ours, theirs, strict=True))
assert distance < 1e-12, "exercise 01.4 is not solved yet"
print("ours:    ", [round(y, 2) for y in ours[:6]])
print("library: ", [round(y, 2) for y in theirs[:6]])

# %% [markdown]
# What decides now whether a state fades? Not single entries of $A$, but directions that $A$ only multiplies by a number $p$: along them
# the state behaves like our one number. These numbers are the poles of $A$, its eigenvalues. A turn leaves no real direction as it
# was, but if we allow complex numbers, it has such directions too. For two numbers the poles solve
#
# $$p^2 - \underbrace{(A_{11} + A_{22})}_{\text{trace}}\,p + \underbrace{(A_{11} A_{22} - A_{12} A_{21})}_{\text{determinant}} = 0$$

# %% [markdown]
# For the quarter turn this is $p^2 + 1 = 0$: the poles are $\pm i$. As $A$ holds real numbers, complex poles always come as such a
# pair, and their meaning is simple: the *angle* of a pole is the turn in one step, its distance from zero, the *radius*, is the factor a step by
# which the state shrinks or grows in the long run. A positive real pole has angle zero: no swing. A negative one has angle 180°: it flips the sign at
# every step.

# %% [markdown]
# Watch one turn: poles with radius 0.93 and an angle of 30°. The state goes round as an arrow, and what we read off, its first number,
# swings. In live JupyterLab, play it step by step.

# %%
from mgmr_lib.chapters.ch01_recurrence.figures import turning_state
from mgmr_lib.course import animate

radius, angle = 0.93, math.radians(30)
A = [[radius * math.cos(angle), -radius * math.sin(angle)], [radius * math.sin(angle), radius * math.cos(angle)]]
states = [[1.0, 0.0]]
for _ in range(12):
    states.append(vector_step(states[-1], 0.0, A, [1.0, 0.0]))
animate(
    turning_state(states),
    "The state after steps 0, 4, 8 and 12, as an arrow in the plane, with its trail inside the unit circle. It makes a "
    f"third of a turn in four steps; after 12 it points where it began, {states[12][0]:.0%} as long. Its first number "
    "has swung down and up again.",
    "The arrow turns and shrinks; its first number swings and fades",
    frames=range(13),
    size=(4.8, 2.3),
    columns=2,
)

# %% [markdown]
# ### Exercise 01.5 · is it stable? (harder, 12 minutes)
# Return True if both poles of the 2 x 2 matrix lie strictly inside the unit circle. `cmath.sqrt` takes roots of negative numbers, `abs`
# of a complex number is its radius.


# %%
@exercise("01.5")
def is_stable(A):
    """A (2 lists of 2 numbers) -> True if every state fades when the input stops."""
    # SOLUTION
    trace, det = A[0][0] + A[1][1], A[0][0] * A[1][1] - A[0][1] * A[1][0]
    root = cmath.sqrt(trace * trace - 4 * det)
    return abs((trace + root) / 2) < 1 and abs((trace - root) / 2) < 1
    # END SOLUTION


# %%
check("01.5", is_stable)

# %% [markdown]
# **Predict, then run:** which of these three matrices are stable? The first has small entries, the second a huge one, the third
# turns the state by a little over its length.

# %%
predict("01.f", "Which are stable?",
        ["the small entries only", "the huge entry only", "the small entries and the growing turn", "none"])

# %%
candidates = {
    "small entries": [[0.7, 0.6], [0.6, 0.7]],
    "a huge entry": [[0.5, 100.0], [0.0, 0.5]],
    "a growing turn": [[0.0, -1.02], [1.02, 0.0]],
}
for name, A in candidates.items():
    print(f"{name:15} stable: {is_stable(A)}")

# %%
assert [is_stable(A) for A in candidates.values()] == [False, True, False]
outcome("01.f", "the huge entry only",
        because="The size of the entries says little: what counts are the directions in which they only stretch.")

# %% [markdown]
# Along the direction (1, 1) the first matrix multiplies by 0.7 + 0.6, more than one. The huge entry of the second only passes one
# number on to the other: it makes a large bump, and the bump fades.

# %% [markdown]
# Now turn the two knobs of a pole. The radius sets how fast the answer to a click fades, the angle how fast it swings. In live
# JupyterLab the sliders below move the pole; the small pictures show six of its places.

# %%
from mgmr_lib.course.widgets import pole_and_impulse

explore(
    pole_and_impulse,
    "Poles (crosses) in the complex plane with the unit circle, and the impulse response of each. "
    "Inside the circle the response fades, outside it grows; an angle makes it swing.",
    title="Radius: how long it lasts. Angle: how fast it swings.",
    size=(4.6, 1.9),
    radius=[0.5, 0.7, 0.8, 0.9, 0.95, 1.0, 1.05],
    angle=[0, 15, 30, 45, 60],
)

# %% [markdown]
# ## 5 Is it worth its number?
# A voice has a level that drifts slowly, and each frame that we measure is off by noise. We want the level *now*. One number is
# enough for a fading average: $h_t = a\,h_{t-1} + (1 - a)\,x_t$, whose weights add up to one.

# %%
rng = random.Random(0)


def voice(length=600):
    """(true level, noisy frames) of one clip."""
    level, levels, frames = 0.0, [], []
    for _ in range(length):
        level += rng.gauss(0, 0.3)
        levels.append(level)
        frames.append(level + rng.gauss(0, 1.0))
    return levels, frames


clips, fresh = [voice() for _ in range(10)], [voice() for _ in range(10)]

# %% [markdown]
# The rival is the plainest of all, a moving average of the last $m$ frames, which must keep $m$ numbers. The error is the root mean
# square (RMS) distance to the true level, in units of the noise: reporting each frame as it comes makes an error of about one. We
# choose $a$ and $m$ on ten clips and report on ten fresh ones.
#
# **Predict, then run:** how many frames must the rival keep to draw level with our one number?

# %%
predict("01.g", "How many frames must the moving average keep to be as good?",
        ["about 3", "about 10", "about 30", "it never is"])


# %% tags=["baseline"]
def moving_average(x, m):
    """The mean of the last m values at every step (of fewer at the start)."""
    windows = [x[max(0, t - m + 1) : t + 1] for t in range(len(x))]
    return [sum(w) / len(w) for w in windows]


# %%
def rms_error(method, clips):
    """Root mean square distance of method(frames) from the true levels."""
    squares = []
    for levels, frames in clips:
        squares += [(y - true) ** 2 for y, true in zip(method(frames), levels, strict=True)]
    return math.sqrt(sum(squares) / len(squares))


def fading(a):
    """The fading average with pole a, as a method."""
    return lambda frames: run(frames, a, 1 - a, 1.0, 0.0)


# %% tags=["signature"]
def averaging(m):
    """The moving average of m frames, as a method."""
    return lambda frames: moving_average(frames, m)


poles = [i / 20 for i in range(20)]
ours = {a: rms_error(fading(a), clips) for a in poles}
rivals = {m: rms_error(averaging(m), clips) for m in (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32)}
best_a, best_m = min(ours, key=ours.get), min(rivals, key=rivals.get)

# %%
raw, rival, one = (rms_error(f, fresh) for f in (averaging(1), averaging(best_m), fading(best_a)))
say(f"On fresh clips: frames as they come, error {raw:.2f}. Best moving average, "
    f"**{best_m} numbers** kept: {rival:.2f}. Our recurrence with a = {best_a}, **one number** kept: **{one:.2f}**.")

# %%
assert one < rival < raw
outcome("01.g", "it never is", because="On this level a sharp window trusts its oldest frame as much as its "
        "newest, and no length mends that.")

# %% [markdown]
# **The world was made for our method.** A level that drifts in Gaussian steps under Gaussian white noise is the case where a fading average is
# the best that any formula can do in the long run (it is then the Kalman filter [@kalman1960], with $a$ near 0.74 here). Elsewhere nothing
# promises that it wins: below we try other levels.

# %% [markdown]
# On this level the rival never draws level: it trusts its oldest frame as much as its newest, and then drops it at once. Is that so
# everywhere? We let the level swing as a sine does, and then add a hum to the frames: a swing of five frames that is no part of the level.

# %%
def swinging(hum, length=600):
    """One clip whose level is a slow sine, with noise and a hum of this height."""
    levels = [3 * math.sin(2 * math.pi * t / 100) for t in range(length)]
    hums = [hum * math.sin(2 * math.pi * t / 5) for t in range(length)]
    return levels, [true + extra + other_rng.gauss(0, 1.0) for true, extra in zip(levels, hums, strict=True)]


other_rng, rms = random.Random(2), {}
for name, hum in (("sine", 0.0), ("with a hum", 3.0)):
    others, unheard = [swinging(hum) for _ in range(10)], [swinging(hum) for _ in range(10)]
    choice_a = min(poles, key=lambda a: rms_error(fading(a), others))
    choice_m = min(rivals, key=lambda m: rms_error(averaging(m), others))
    rms[name] = rms_error(fading(choice_a), unheard), rms_error(averaging(choice_m), unheard)
    print(f"{name:10} one number {rms[name][0]:.2f}, moving average of {choice_m} {rms[name][1]:.2f}")
assert abs(rms["sine"][0] - rms["sine"][1]) < 0.03 and rms["with a hum"][0] > 1.2 * rms["with a hum"][1]

# %% [markdown]
# On the sine it is nearly a tie. With the hum the window is ahead: five frames hold one whole swing of it, whose mean is zero, so it cancels; a
# fading average only dampens it. What the recurrence has for it everywhere is its price: one number, where the window keeps several.

# %% [markdown]
# Does a memory always help? As a control we shuffle the steps of each clip. The levels and the noise are the same, but the past
# says next to nothing about the present. If memory is the reason for our success, it must now be useless.

# %% tags=["control"]
shuffled = []
for levels, frames in clips:
    order = rng.sample(range(len(frames)), len(frames))
    shuffled.append(([levels[i] for i in order], [frames[i] for i in order]))
control = {a: rms_error(fading(a), shuffled) for a in poles}
best_control = min(control, key=control.get)
assert best_control <= 0.1 and control[best_a] > 1.5 * control[0.0]

# %%
fig, ax = plt.subplots()
ax.plot(poles, list(ours.values()), "o-", label="recurrence, one number")
ax.axhline(rivals[best_m], ls="--", color="#E69F00", label=f"best moving average, {best_m} numbers")
ax.plot(poles, list(control.values()), "s-", color="#777777", label="control: steps shuffled")
ax.set(title="Memory pays where the past says something about the present")
ax.set(xlabel="pole a", ylabel="RMS error (noise = 1)")
ax.legend()
show(fig, f"Error against the pole. In order, the error falls from {ours[0.0]:.2f} without memory "
     f"to {ours[best_a]:.2f} at a = {best_a}; shuffled, the best is {control[best_control]:.2f} at "
     f"a = {best_control} (what is left is each clip's mean level), and a longer memory only hurts.")

# %% [markdown]
# ## 6 Limits
# The weights $a, b, c, d$ are the same at every step. Our system cannot decide that a clap is worth keeping and a cough is not: it
# stores both and fades both. And it takes a lost frame, which arrives as a zero, for true silence. Selection (notebook 03) lets
# the input choose the weights.
#
# It is also sequential: step $t$ waits for step $t - 1$. Notebook 04 finds a way around.

# %% [markdown]
# ## 7 Summary
# - $h_t = a\,h_{t-1} + b\,x_t$ remembers, $y_t = c\,h_t + d\,x_t$ reports; a vector state adds swinging.
# - The impulse response $c\,a^t\,b$ is the memory; its half-life is $\ln \frac{1}{2} / \ln a$ steps.
# - Stable means: every pole strictly inside the unit circle.
# - A memory pays where the past says something about the present. On a random walk one number beat the best moving average; on a sine
#   they nearly tied, under a hum of five frames the average won.

# %%
progress("01")
