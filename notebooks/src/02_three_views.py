# ---
# jupyter:
#   mgmr:
#     title: One system, three views
#     claim: "A differential equation, a recurrence and a convolution are one system: we think in the first, run the second, and can train with the third."
#     goals:
#       - turn a differential equation into a recurrence, and choose the step
#       - say which swings a step can see, and which it mistakes
#       - unroll a recurrence into a convolution, and compute that with an FFT
#       - say which view is cheap for what
#       - measure what a state of n numbers knows about the past, and what its start has to do with that
#     minutes: 85
#     budget_s: 45
#     device: cpu
#     requires: ["01"]
#     introduces: [differential equation, discretisation, zero-order hold, aliasing, convolution kernel, fast Fourier transform, HiPPO, recall]
# ---
# %% [markdown]
# ## A new camera
# A face is filmed with 25 frames per second. As in notebook 01, we have tried several memories on it, and $a = 0.9$ was a good one. Now
# we buy a camera with 50 frames per second, and keep program and $a$ as they are.
#
# **Predict, then run:** how long is the memory now, in seconds: the same, twice as long, or half?

# %%
import math

import numpy as np
import torch
from matplotlib import pyplot as plt
from scipy.signal import lfilter

from mgmr_lib.chapters.ch02_three_views import memory
from mgmr_lib.chapters.shared import part_one_figures as figures_partI
from mgmr_lib.chapters.shared.counting import cpu_seconds
from mgmr_lib.course import check, exercise, explore, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.course.widgets import discretisation_step
from mgmr_lib.ssm import linear

use_style()

# %%
predict("02.a", "How long is the memory with the new camera, in seconds?",
        {"twice as long": 2, "the same": 1, "half as long": 0.5})

# %%
half_life = math.log(0.5) / math.log(0.9)
for frames in (25, 50):
    print(f"{frames} frames a second: half is left after {half_life:.1f} frames = {half_life / frames:.2f} s")

# %%
old, new = (half_life / frames for frames in (25, 50))
outcome("02.a", new / old, because="The factor is paid once a frame, whatever a frame lasts: more frames a second "
        "make it fade faster.")

# %% [markdown]
# The face did not change, our memory of it did. The number $a$ mixes two things: how fast something fades, and how often we look. So
# we write the system down without any steps, and add them afterwards.

# %% [markdown]
# ## 1 A system without steps
# A [differential equation](glossary.md#differential-equation) says at every moment $t$ how fast the state changes:
#
# $$h'(t) = A\,h(t) + B\,u(t) \qquad\qquad y(t) = C\,h(t) + D\,u(t)$$
#
# From here on the input is called $u$, as in Mamba's code. For now every symbol is one number; $A$ is negative, and its unit is
# *per second*.

# %% [markdown]
# | symbol | what | shape here | later |
# |---|---|---|---|
# | $u(t)$, $y(t)$ | input and output | one number | one number |
# | $h(t)$ | state | one number | $n$ numbers |
# | $A$ | rate: how fast the state fades, per second | one number below 0 | $n \times n$, or $n$ for a diagonal |
# | $B$, $C$ | how the input enters, how the state is read | one number each | $n$ numbers each |
# | $D$ | shortcut | one number | one number |
# | $\Delta$ | time from one sample to the next, in seconds | one number above 0 | the same |

# %% [markdown]
# In silence, $h' = A h$: the state fades as $h(t) = e^{A t} h(0)$. After a step of $\Delta$ seconds the factor $e^{\Delta A}$ is left, and
# that is the $a$ of notebook 01. With an input, we need to know what $u$ does between two samples. The simplest guess is that it
# keeps its value: the [zero-order hold](glossary.md#zero-order-hold).

# %% [markdown]
# > **Box: why $e^{A t}$?** We look for a curve whose slope is everywhere $A$ times its height. $e^{A t}$ has slope $A\,e^{A t}$, so it is
# > one, and scaled by $h(0)$ it starts at the right height. A computer can check it with a very short step:

# %%
rate, moment, tiny_step = -2.0, 0.7, 1e-6
slope = (math.exp(rate * (moment + tiny_step)) - math.exp(rate * moment)) / tiny_step
print(f"slope of the curve {slope:.4f}, rate times height {rate * math.exp(rate * moment):.4f}")

# %% [markdown]
# Take the moment that lies $s$ seconds before the step's end. It lets in $B u\,ds$, and of that $e^{s A}$ is left at the end. Adding up all
# moments of the step, from $s = 0$ to $\Delta$, gives an integral that we can solve:
#
# $$h_t = \bar A\,h_{t-1} + \bar B\,u_t \qquad \bar A = e^{\Delta A} \qquad \bar B = \int_0^\Delta e^{s A} ds\; B = \frac{e^{\Delta A} - 1}{A}\,B$$
#
# A recurrence again. Going from $A, B$ to $\bar A, \bar B$ is called [discretisation](glossary.md#discretisation).

# %%
from mgmr_lib.chapters.shared.growing_drawing import state_space

fig, ax = plt.subplots(figsize=(7, 2.4))
state_space(ax, "step")
ax.set_title("The drawing of notebook 01, with a time step in two of its boxes")
show(fig, "What is new is orange: the factor of the state and the weight of the input come from a rate and a step.")

# %% [markdown]
# ### Exercise 02.1 · discretise (medium, 8 minutes)
# Return the pair $\bar A, \bar B$ of the zero-order hold. All arguments are numbers, and $A$ is below zero.


# %%
@exercise("02.1")
def hold(A, B, dt):
    """Rate A, weight B, step dt in seconds -> (A bar, B bar)."""
    # SOLUTION
    A_bar = math.exp(dt * A)
    return A_bar, (A_bar - 1) / A * B
    # END SOLUTION


# %%
check("02.1", hold)

# %% [markdown]
# Our good memory had $\bar A = 0.9$ at 25 frames per second. From that follows the rate, $A = 25 \ln 0.9$, and from the rate the
# factor for any camera.
#
# **Predict, then run:** what is $\bar A$ for 50 frames per second: the square of 0.9, 0.9 itself, or its root?

# %%
predict("02.b", "Which factor belongs to 50 frames a second?",
        {"the square of 0.9": 0.9**2, "0.9 itself": 0.9, "the root of 0.9": 0.9**0.5})

# %%
A = 25 * math.log(0.9)
factors = {frames: hold(A, 1.0, 1 / frames)[0] for frames in (25, 50, 100)}
for frames, factor in factors.items():
    seconds = math.log(0.5) / math.log(factor) / frames
    print(f"{frames:3} frames a second: factor {factor:.4f}, half is left after {seconds:.2f} s")

# %%
assert math.isclose(factors[50] ** 2, factors[25])
outcome("02.b", factors[50], because="Two short steps multiply, and together they must fade as much as a long one "
        "did, so each of them fades less.")

# %%
fig, ax = plt.subplots()
figures_partI.two_cameras(ax, A, 0.9)
show(fig, "What is left of a clap. With the rate fixed, both cameras see the same fading; with the factor fixed "
     f"at 0.9, the quick camera forgets twice as fast. A second with the right rate leaves {math.exp(A):.2f}.")

# %% [markdown]
# This is the better handle that notebook 01 promised. Whatever negative $A$ and positive $\Delta$ a training finds, $\bar A =
# e^{\Delta A}$ lies between 0 and 1: the system is stable by construction. Mamba learns $\ln(-A)$ and a $\Delta$, never $\bar A$.

# %% [markdown]
# ## 2 The step can be too long
# There are other rules than the hold. Euler's follows the slope of the step's start; the bilinear rule takes the mean of the slopes at
# start and end. The Mamba paper prints the hold [@gu2023]; its code, and ours, keep the exact $\bar A$ and simplify $\bar B$ to
# Euler's. Where $\Delta |A|$ is well below 1, the two nearly agree. Most of Mamba's steps start there. Where they differ, $B$, which is
# learned, can make up for a part of the scale.
#
# | rule | $\bar A$ | $\bar B$ |
# |---|---|---|
# | zero-order hold | $e^{\Delta A}$ | $(e^{\Delta A} - 1) / A \cdot B$ |
# | Euler | $1 + \Delta A$ | $\Delta B$ |
# | bilinear | $(1 + \Delta A / 2) / (1 - \Delta A / 2)$ | $\Delta B / (1 - \Delta A / 2)$ |
# | Mamba | $e^{\Delta A}$ | $\Delta B$ |

# %% [markdown]
# **Predict, then run:** $A = -1$ per second, and a step of 0.1, 1, and then 2.5 seconds. Which rule leaves the region of stability?

# %%
predict("02.c", "Which rule makes the fading system unstable at 2.5 seconds?",
        ["Euler", "bilinear", "Mamba's", "Euler and Mamba's", "none"])

# %%
one = torch.ones(1, dtype=torch.float64)
for method in linear.METHODS:
    bars = [linear.discretise(-one, one, dt, method) for dt in (0.1, 1.0, 2.5)]
    print(f"{method:9}", "   ".join(f"factor {a.item():6.3f}, input {b.item():5.3f}" for a, b in bars))
assert all(math.isclose(hold(-1.0, 1.0, dt)[1], linear.discretise(-one, one, dt)[1].item()) for dt in (0.1, 1.0, 2.5))

# %%
titles = {"zoh": "the hold", "bilinear": "bilinear", "euler": "Euler", "mamba": "Mamba's"}
unstable = [titles[m] for m in linear.METHODS if linear.discretise(-one, one, 2.5, m)[0].abs().item() >= 1]
outcome("02.c", " and ".join(unstable) or "none", because="Euler keeps the slope of the step's start, and a long step "
        "then overshoots zero by more than it started with; a large input weight, as Mamba's, cannot do that.")

# %% [markdown]
# For short steps all four agree. At 2.5 seconds Euler's factor is below -1: its state swings up without end, though the true
# one fades. The hold is exact at every step; what it cannot know is an input that moves between the samples.

# %%
explore(
    discretisation_step,
    "A constant input switched on at time 0. The exact rule lies on the continuous curve at every step; Euler "
    "is too quick at step 1 and leaves the picture beyond 2.",
    title="The exact rule fits at any step, Euler's only at short ones",
    size=(4.6, 2.6),
    step=[0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5],
)

# %% [markdown]
# ### What a step cannot see
# A wheel that turns 20 times per second is filmed with 25 frames per second.
#
# **Predict, then run:** what does the film show: 20 turns forward, 5 forward, or 5 backward?

# %%
predict("02.d", "What does the film show, in turns a second?", ["20 forward", "5 forward", "5 backward"])

# %%
angles = [20 * frame / 25 % 1 for frame in range(6)]
print("the wheel on six frames, in turns:", [round(angle, 1) for angle in angles])

# %%
told = {"20 forward": 20, "5 forward": 5, "5 backward": -5}
fit = [t for t in told if all(math.cos(2 * math.pi * (told[t] * k / 25 - a)) > 0.999 for k, a in enumerate(angles))]
assert "20 forward" in fit  # the film fits the truth too, but nobody sees it
outcome("02.d", min(fit, key=lambda t: abs(told[t])), because="A film holds places, not motion, and of all motions "
        "that pass through these places we see the slowest.")

# %% [markdown]
# Between two frames the wheel makes four fifths of a turn. The film cannot tell that from one fifth backward. Whole turns between two
# samples leave no trace: [aliasing](glossary.md#aliasing).

# %% [markdown]
# ### Exercise 02.2 · what the frames show (medium, 8 minutes)
# A wheel makes `turns` turns per second (negative: backward), with a frame every `dt` seconds. Return the turns per second that the film
# shows, at most half a turn per frame in either direction.


# %%
@exercise("02.2")
def seen_turns(turns, dt):
    """Turns a second, seconds a frame -> turns a second on the film, between -1/(2 dt) and 1/(2 dt)."""
    # SOLUTION
    rate = 1 / dt
    return (turns + rate / 2) % rate - rate / 2
    # END SOLUTION


# %%
check("02.2", seen_turns)

# %% [markdown]
# > **Box: $e^{i \theta}$** is the point of the unit circle at angle $\theta$: $\cos \theta + i \sin \theta$. To multiply by it is to turn by
# > $\theta$, and angles add: $e^{i \theta} e^{i \theta'} = e^{i (\theta + \theta')}$, as exponents do.

# %%
quarter = complex(math.cos(math.pi / 2), math.sin(math.pi / 2))
turned = [(3 + 1j) * quarter**k for k in range(5)]
print("turned by a quarter, four times:", [f"{z.real:.0f}{z.imag:+.0f}i" for z in turned])

# %% [markdown]
# A state swings when $A$ is complex: $A = -r + i\,2\pi f$ fades at rate $r$ and makes $f$ turns per second. Its factor is
# $\bar A = e^{-r \Delta} e^{i\,2\pi f \Delta}$, a pole whose angle is the turn in one step.
#
# **Predict, then run:** two systems, one with 3 and one with 28 turns per second, both at 25 frames per second. How do their
# factors $\bar A$ differ?

# %%
predict("02.e", "How do the two factors differ, as complex numbers?",
        ["in angle and radius", "in the angle", "in the radius", "not at all"])

# %%
swings = torch.tensor([complex(-2, 2 * math.pi * f) for f in (3, 28)], dtype=torch.complex128)
A_bar, _ = linear.discretise(swings, torch.ones(2, dtype=torch.float64), 1 / 25)
print("same factor:", bool((A_bar[0] - A_bar[1]).abs() < 1e-12))
print("28 turns are seen as:", round(seen_turns(28, 1 / 25), 6), "turns a second")
fig, ax = plt.subplots()
figures_partI.alias(ax, (3, 28), 25, 2.0)
show(fig, "Two fading swings of 3 and 28 turns a second meet at every one of 25 frames a second: no recurrence with "
     "this step can tell them apart.")

# %%
radius, angle = (bool((part[0] - part[1]).abs() > 1e-9) for part in (A_bar.abs(), A_bar.angle()))
outcome("02.e", ["not at all", "in the radius", "in the angle", "in angle and radius"][2 * angle + radius],
        because="The angle is the turn in one step, and a whole turn more leads to the same place.")

# %% [markdown]
# So a step must match what is to be seen: it needs more than two samples a turn. For a state that only fades there is nothing to
# alias; but a step far longer than its memory, $\Delta \gg 1 / |A|$, leaves nothing of it from one sample to the next.

# %% [markdown]
# ## 3 The third view: unroll it
# Write the first outputs of the recurrence out, with $D = 0$:
#
# $$y_0 = C \bar B u_0 \qquad y_1 = C \bar A \bar B u_0 + C \bar B u_1 \qquad y_2 = C \bar A^2 \bar B u_0 + C \bar A \bar B u_1 + C \bar B u_2$$
#
# Every output is a weighted sum of the inputs so far, and the weight depends only on how long ago an input came:
#
# $$y_t = \sum_{j=0}^{t} K_j\,u_{t-j} \qquad\qquad K_j = C \bar A^j \bar B$$

# %% [markdown]
# Such a sum is a *convolution*, and $K$ is its [convolution kernel](glossary.md#convolution-kernel) [@gu2022]. There is no state in it any more. We compute
# $K$ once, and then no step waits for another. From here on the state has $n$ numbers and $\bar A$ is diagonal: $n$ numbers, each with its own factor.
# The output then adds up what the $n$ of them say: $K_j = \sum_i C_i \bar A_i^j \bar B_i$.
#
# ### Exercise 02.3 · the kernel (medium, 8 minutes)
# Return $K_0 \dots K_{l-1}$ as a tensor, in `torch.float64` as its inputs are.


# %%
@exercise("02.3")
def kernel(Ab, Bb, C, length):
    """Ab, Bb, C (n) -> K (length): K_j is the sum over n of C Ab^j Bb."""
    # SOLUTION
    powers = Ab ** torch.arange(length)[:, None]
    return powers @ (C * Bb)
    # END SOLUTION


# %%
check("02.3", kernel)

# %%
torch.manual_seed(0)
n, length = 4, 200
Ab, Bb = linear.discretise(linear.s4d_real(n), torch.ones(n, dtype=torch.float64), 0.1)
C, u = torch.randn(n, dtype=torch.float64), torch.randn(length, dtype=torch.float64)
K = kernel(Ab, Bb, C, length)
stepwise, summed = linear.recurrence(Ab, Bb, C, u), linear.convolve_directly(u, K)
print("recurrence and convolution differ by less than 1e-10:", bool((stepwise - summed).abs().max() < 1e-10))

# %% [markdown]
# Now we have all three views of one system. Here they are side by side for a state of one number that hears three claps, the second one
# twice as loud. Each claims to know the same outputs, the black dots.

# %%
from mgmr_lib.chapters.ch02_three_views.figures import three_views

claps = [0.0, 1.0, 0.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0]
fig = plt.figure(figsize=(9, 3))
outputs = three_views(fig, rate=-0.6, dt=0.5, u=claps)
assert all(np.allclose(y, outputs[0]) for y in outputs)
show(fig, "One system, three views, the same dots. The curve passes through them; a step makes each dot from the one "
     "before and what enters now; the sum makes each from what every clap has left, one colour a clap.")

# %% [markdown]
# The curve knows what happens between the dots. The step needs no more than the dot before. The sum needs no other dot at all, but every
# input so far.

# %% [markdown]
# Equal, but is the sum cheaper? The recurrence needs about $2 n$ products per step: $n$ with $\bar A$, and $n$ with $C$ (which can take in $\bar B$). The sum needs $1 + 2 + \dots + l = l (l + 1) / 2$ of them.
# We do not count the making of $K$: it is done once for all inputs. (For a single input it costs about another $n l$ products, with $\bar B$ taken into $C$
# as before; then the sum is dearer from about $2 n$ steps on, not from about $4 n$.)
#
# **Predict, then run:** for a state of 16 numbers, from which length on does the plain sum cost more?

# %%
predict("02.f", "From which length on does the plain sum cost more?",
        {"about 16": 16, "about 60": 60, "about 250": 250, "about 1000": 1000})

# %%
products = {l: (2 * 16 * l, l * (l + 1) // 2) for l in (50, 100, 1000, 10000)}
for l, (recurrent, direct) in products.items():
    print(f"l = {l:6}   recurrence {recurrent:9,}   plain sum {direct:12,}")

# %%
dearer = next(l for l in range(1, 10_000) if l * (l + 1) // 2 > 2 * 16 * l)
outcome("02.f", dearer, because="An output of the sum costs half of the length on average, so a length of a few times "
        "the state's size is already too long.")

# %% [markdown]
# ## 4 The sum in a hurry
# Send a pure swing through a convolution: what comes out is the same swing, larger or smaller, earlier or later. Swings do not mix. So
# we split input and kernel into swings, multiply swing by swing, and put the result together. The [fast Fourier
# transform](glossary.md#fast-fourier-transform) (FFT) does the splitting in about $l \log_2 l$ operations [@cooley1965]:
#
# $$y = \mathrm{FFT}^{-1}\big(\mathrm{FFT}(u) \cdot \mathrm{FFT}(K)\big)$$

# %% [markdown]
# > **Box: the convolution theorem**, that last line, in one experiment: a swing goes in, the same swing comes out, changed in size and
# > shift alone. Mathematicians say that $e^{i \theta t}$ is an *eigenvector* of every convolution.

# %%
swing = torch.exp(2j * math.pi * 5 / 100 * torch.arange(300, dtype=torch.float64))  # five turns in 100 steps
answer = linear.convolve(swing, (0.8 ** torch.arange(300, dtype=torch.float64)).to(swing.dtype))
ratio = (answer / swing)[200:]  # once the start has faded
print("output / input, the same number at all later steps:", bool((ratio - ratio[0]).abs().max() < 1e-9))

# %% [markdown]
# ### Exercise 02.4 · find the bug (medium, 10 minutes)
# A colleague wrote this formula down as it stands. Then she sent a click at step 6 of 8, and her system answered at step 0,
# six steps before the click. Find out why, and write it correctly. `u` and `K` have $l$ numbers each, in
# `torch.float64`, and so has the result.


# %%
def colleagues_convolve(u, K):
    return torch.fft.irfft(torch.fft.rfft(u) * torch.fft.rfft(K), len(u))


late_click = torch.eye(8, dtype=torch.float64)[6]
fading = 0.5 ** torch.arange(8, dtype=torch.float64)
print([round(v, 3) for v in colleagues_convolve(late_click, fading).tolist()])


# %%
@exercise("02.4")
def fft_convolve(u, K):
    """u (l), K (l) -> y (l), y_t = sum of K_j u_(t-j) over j = 0..t."""
    # SOLUTION
    size = 2 * len(u)
    return torch.fft.irfft(torch.fft.rfft(u, size) * torch.fft.rfft(K, size), size)[: len(u)]
    # END SOLUTION


# %%
check("02.4", fft_convolve)

# %% [markdown]
# Now all views side by side, on systems that we did not choose: random states, steps and inputs, with the recurrence in plain
# Python lists as the judge. The library's functions and ours must agree with it, and the equality is exact up to rounding.

# %%
worst = 0.0
for seed in range(20):
    torch.manual_seed(seed)
    n = 1 + seed % 8
    A, B, C = -3 * torch.rand(n, dtype=torch.float64), *torch.randn(2, n, dtype=torch.float64)
    u, dt = torch.randn(257, dtype=torch.float64), 0.01 + 0.3 * torch.rand(()).item()
    Ab, Bb = linear.discretise(A, B, dt)
    judge = torch.tensor(linear.recurrence_lists(Ab.tolist(), Bb.tolist(), C.tolist(), u.tolist()), dtype=torch.float64)
    K = kernel(Ab, Bb, C, 257)
    assert torch.allclose(K, linear.kernel(Ab, Bb, C, 257), atol=1e-12)
    views = linear.recurrence(Ab, Bb, C, u), linear.convolve_directly(u, K), fft_convolve(u, K), linear.convolve(u, K)
    worst = max(worst, *((y - judge).abs().max().item() for y in views))
assert worst < 1e-10
say("20 random systems, five computations each: the largest difference is below 1e-10.")

# %% [markdown]
# ## 5 What each view costs
# **Predict, then look:** five ways to the same $y$, for a state of 16 numbers: the recurrence in Python lists, the same in torch, the same
# in compiled code (SciPy's `lfilter`, once for each number of the state), the plain sum, the FFT. Which ones are quick at 64 steps, and
# which at 16384?

# %%
predict("02.g", "Which way takes the least time at 16384 steps?",
        ["recurrence, lists", "recurrence, torch", "recurrence, compiled", "plain sum", "FFT"])

# %%
def ways(length, n=16):
    """Five zero-argument functions that compute the same y, for an input of this length."""
    Ab, Bb = linear.discretise(linear.s4d_real(n), torch.ones(n, dtype=torch.float64), 0.01)
    C, u = torch.ones(n, dtype=torch.float64), torch.randn(length, dtype=torch.float64)
    lists = [t.tolist() for t in (Ab, Bb, C, u)]
    filters = [([b * c], [1.0, -a]) for a, b, c in zip(*lists[:3], strict=True)]
    return {
        "recurrence, lists": lambda: linear.recurrence_lists(*lists),
        "recurrence, torch": lambda: linear.recurrence(Ab, Bb, C, u),
        "recurrence, compiled": lambda: sum(lfilter(*entry, u.numpy()) for entry in filters),
        "plain sum": lambda: np.convolve(u.numpy(), linear.kernel(Ab, Bb, C, length).numpy())[:length],
        "FFT": lambda: linear.convolve(u, linear.kernel(Ab, Bb, C, length)),
    }


# %%
lengths = [64, 256, 1024, 4096, 16384]
torch.manual_seed(0)
same = [np.asarray(way()) for way in ways(64).values()]
assert all(np.allclose(y, same[0]) for y in same)
took = [{name: 1000 * cpu_seconds(way, 2) for name, way in ways(l).items()} for l in lengths]
fig, ax = plt.subplots()
figures_partI.growth(ax, lengths, {name: [t[name] for t in took] for name in took[0]}, "processor time (ms)")
ax.set_title("On one core the compiled loop keeps up with the FFT")
show(fig, "Processor time of this machine against the length, both axes logarithmic. The Python loops start highest "
     "and grow in proportion to the length; the plain sum starts low and then grows with the square of it; the "
     "compiled loop and the FFT stay low, side by side.")

# %% tags=["nbval-ignore-output"]
outcome("02.g", min(took[-1], key=took[-1].get),
        because="A slow loop is mostly a slow language: compiled, a state of 16 numbers asks for a few products a "
        "step, and that is no more than an FFT asks for.")

# %% [markdown]
# A call into a library costs about the same for one number as for a thousand, which is why plain Python beats the torch loop here. And where
# the loop is compiled, at 16 numbers of state, the FFT gains little or nothing over it on one core. (The kernel's making is counted here.)

# %% [markdown]
# The convolution has another merit: it does not *wait*. The recurrence makes $l$ steps, each after the one before. An FFT makes
# $\log_2 l$ rounds, and within a round all numbers can be worked on at the same time. The convolution takes two FFTs one after the other, there and back.

# %%
for l in (1024, 16384):
    print(f"l = {l:5}: recurrence {l:5} rounds one after the other, two padded FFTs {2 * math.log2(2 * l):2.0f}")

# %% [markdown]
# One core cannot use that; a GPU with thousands of units can. There is a second merit, in training: a loop of torch calls leaves a
# graph with nodes for each step, the FFT leaves a handful, each of which is one fast call. We measure one training step, forward and
# backward, with the gradients of $\bar A$, $\bar B$ and $C$.

# %%
def training_step(way, length=1024, n=16):
    """Forward and backward through the recurrence or through kernel and FFT."""
    Ab, Bb = linear.discretise(linear.s4d_real(n), torch.ones(n, dtype=torch.float64), 0.01)
    wanting = [t.clone().requires_grad_() for t in (Ab, Bb, torch.ones(n, dtype=torch.float64))]
    u = torch.ones(length, dtype=torch.float64)
    y = linear.convolve(u, linear.kernel(*wanting, length)) if way == "FFT" else linear.recurrence(*wanting, u)
    return torch.autograd.grad(y.square().sum(), wanting)


assert all(torch.allclose(p, q) for p, q in zip(training_step("FFT"), training_step("loop"), strict=True))
slower = cpu_seconds(lambda: training_step("loop"), 1) / cpu_seconds(lambda: training_step("FFT"), 1)
say("The same gradients; through the loop of torch calls they take " +
    ("more than five times" if slower > 5 else "less than five times") + " as long.")

# %% [markdown]
# Notebooks 04 and 06 build the third possibility, a scan that is compiled, has a backward of its own, and need not wait either. What if
# one more frame arrives? The recurrence makes one step from its state. The convolution needs the whole past again.

# %%
n = 16
for past in (100, 10_000):
    print(f"one more frame after {past:6}: recurrence {2 * n} products, convolution {past} and all {past} inputs kept")

# %% [markdown]
# | view | good for | needs |
# |---|---|---|
# | differential equation | thinking: rates in seconds, any frame rate | nothing |
# | recurrence | running: one more step, constant memory | the state, $n$ numbers |
# | convolution | training: all steps at once | the whole input, and weights that never change |
#
# Keep the last entry in mind: notebook 03 breaks it.

# %% [markdown]
# ## 6 Which start remembers? (second sitting, optional)
# The 85 minutes at the top end here. This section takes 40 more, and nothing later needs it. It asks how many steps of the
# past a state of 16 numbers can tell, and whether it takes a start that was designed for that.

# %% [markdown]
# A state of 16 numbers has heard 800 steps. How much of them can it tell? We ask for each lag $k$: computed from $h$ as well as any
# linear formula can, how close do we get to the input of $k$ steps ago? The [recall](glossary.md#recall) $R^2_k$ is 1 if we get it
# exactly, and 0 if we know nothing [@jaeger2002].

# %% [markdown]
# > **Box: covariance** is the mean product of two quantities whose means are 0: positive where they rise together, 0 where they have
# > nothing to do with each other. The best linear guess of $x$ from $z$ is $\frac{\mathrm{cov}}{\mathrm{var}(z)}\,z$, and it explains the share
# > $\frac{\mathrm{cov}^2}{\mathrm{var}(x)\,\mathrm{var}(z)}$ of $x$'s variance. Below, $x_t$ is a sum of two neighbouring random numbers, so
# > that one of the two is in $x_{t-1}$ too.

# %%
drawn = torch.randn(200_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
x, z = (drawn[2:] + drawn[1:-1]), (drawn[1:-1] + drawn[:-2])  # x_t, and z = x_(t-1)
cov, var = (x * z).mean(), (z * z).mean()
explained = 1 - (x - cov / var * z).square().mean() / x.square().mean()
print(f"cov / var {cov / var:.2f}, so the formula says {cov**2 / var**2:.2f} explained; measured {explained:.2f}")

# %% [markdown]
# An input of 1, $k$ steps ago, has left $\bar A^k \bar B$ in the state. Stack these columns as $M$. With $S$ the covariance of the
# input ($S_{jk}$: the mean product of the inputs of $j$ and of $k$ steps ago, 0 where they are unrelated), the best linear guess explains
#
# $$R^2_k = \frac{\big[\,S M^\top (M S M^\top)^{-1} M S\,\big]_{kk}}{S_{kk}}$$
#
# | symbol | what | shape |
# |---|---|---|
# | $M$ | column $k$: the trace of the input of $k$ steps ago | $n \times l$ |
# | $S$ | covariance of the inputs of $l$ steps | $l \times l$ |

# %% [markdown]
# No sampling, no training: this is exact. The library adds one thing. Each state entry is read with an error of one per cent, since no
# computer and no network reads a number without end.
#
# Our input is smooth, as pitch or a mouth's opening are: steps that lie 10 apart are related, steps that lie 40 apart hardly. The rival is a
# plain buffer: 16 numbers, the last 16 inputs.

# %% tags=["baseline"]
n, length = 16, 800  # for the starts of the first table, a longer past adds no more than one step in a hundred
smooth = memory.smooth_covariance(length, width=10)
buffer = memory.recall(memory.traces(*memory.buffer_system(n), length), smooth)
say(f"The buffer of {n} inputs tells {buffer.sum():.0f} of {length} steps (the sum of its recall); beyond its end "
    "the input's smoothness helps for a few more.")

# %% [markdown]
# **Predict, then run:** a random $\bar A$ with poles close to the unit circle forgets slowly. Does it tell more steps than the buffer, and
# how many more at best?

# %%
predict("02.h", "How many steps does the best random start tell, beside the buffer?",
        {"half as many": 0.5, "as many": 1, "half as many again": 1.5, "five times as many": 5})

# %%
random_starts = {
    (radius, seed): memory.recall(memory.traces(*memory.random_system(n, radius, seed), length), smooth)
    for radius in (0.9, 0.95, 0.99, 0.999) for seed in range(6)
}
best_random = max(random_starts, key=lambda choice: random_starts[choice].sum())
say(f"Among {len(random_starts)} random starts, the best tells {random_starts[best_random].sum():.0f} steps, the worst "
    f"{min(r.sum() for r in random_starts.values()):.0f}; the buffer {buffer.sum():.0f}.")

# %%
outcome("02.h", random_starts[best_random].sum() / buffer.sum(), because="Slow fading alone is not memory: most "
        "entries of a random matrix listen to quick swings, of which this input has none.")

# %% [markdown]
# Why so few? A random matrix spreads its poles over all angles. Most of its entries listen to quick swings, and our smooth input has
# none. We shall come back to that with a better random start.

# %% [markdown]
# [HiPPO](glossary.md#hippo) asks the question from the other end [@gu2020]. Suppose that the state *should* be the best polynomial
# picture of the past, one coefficient for each number. Which equation must it obey? The answer can be computed once and for all:
#
# $$A_{ij} = -\sqrt{(2i+1)(2j+1)} \;\; (i > j), \qquad A_{ii} = -(i + 1), \qquad A_{ij} = 0 \;\; (i < j), \qquad B_i = \sqrt{2i+1}$$

# %% [markdown]
# ### Exercise 02.5 · the HiPPO matrix (medium, 8 minutes)
# Return $A$ and $B$. Row $i$ and column $j$ count from 0, $A$ has no entries above its diagonal, and both are `torch.float64`.


# %%
@exercise("02.5")
def hippo(n):
    """Size n -> A (n, n), B (n)."""
    # SOLUTION
    B = torch.sqrt(2 * torch.arange(n, dtype=torch.float64) + 1)
    below = torch.tril(torch.outer(B, B), diagonal=-1)
    return -below - torch.diag(torch.arange(1.0, n + 1, dtype=torch.float64)), B
    # END SOLUTION


# %%
check("02.5", hippo)

# %% [markdown]
# HiPPO's entries read one another, each row all rows above it. S4D starts from diagonals that cost $n$ products instead of about $n^2 / 2$: S4D-Lin has the
# swings $A_i = -\frac{1}{2} + i \pi \cdot \text{index}$, S4D-Real, which Mamba starts from, only fades, at rates $1, 2, \dots, n$ [@gu2022b].
# For a fair count, S4D-Lin gets half as many entries, since each is two numbers.

# %% [markdown]
# And the better random start: eight swings that fade slowly (radius 0.995) and turn slowly, at angles drawn between 0 and 0.1, one turn in
# 60 steps or more. Radius and range suit an input as slow as ours; the angles themselves are drawn blindly, with the first seed.
#
# **Predict, then run:** S4D and HiPPO run at $\Delta = 0.01$. Which start tells the most steps?

# %%
predict("02.i", "Which start tells the most steps of the smooth input?",
        ["S4D-Real", "S4D-Lin", "HiPPO", "the eight random slow swings", "the best random matrix"])

# %% tags=["signature"]
lin, ones = linear.s4d_lin(n // 2), torch.ones(n, dtype=torch.float64)
starts = {
    "buffer": memory.buffer_system(n),
    "random matrix, best": memory.random_system(n, *best_random),
    "S4D-Real": linear.discretise(linear.s4d_real(n), ones, 0.01),
    "S4D-Lin": linear.discretise(lin, ones[: n // 2], 0.01),
    "HiPPO": linear.discretise(*hippo(n), 0.01, "bilinear"),
    "random slow swings": memory.random_swings(n, 0.995, fastest=0.1, seed=0),
}
M = {name: memory.traces(*start, length) for name, start in starts.items()}
told = {name: memory.recall(m, smooth) for name, m in M.items()}
for name, r in told.items():
    print(f"{name:19} tells {r.sum():4.0f} of {length} steps")

# %%
best = max(told, key=lambda name: told[name].sum())
choices = {"random slow swings": "the eight random slow swings", "random matrix, best": "the best random matrix"}
outcome("02.i", choices.get(best, best), because="A start need not be designed to remember: these entries fade "
        "slowly, none is spent on swings quicker than the input's, and each says something of its own.")

# %% [markdown]
# So the random *matrix* was a weak rival, and randomness was not its fault. Is it the slow turning? We let the same swings turn at any
# speed.

# %%
quick = memory.recall(memory.traces(*memory.random_swings(n, 0.995, math.pi, seed=0), length), smooth).sum()
say(f"The same eight swings at any angle tell {quick:.0f} steps, at slow angles "
    f"{told['random slow swings'].sum():.0f}.")
designed = {
    "S4D-Real": lambda dt: linear.discretise(linear.s4d_real(n), ones, dt),
    "S4D-Lin": lambda dt: linear.discretise(lin, ones[: n // 2], dt),
    "HiPPO": lambda dt: linear.discretise(*hippo(n), dt, "bilinear"),
}
longer = 2 * length  # HiPPO at step 0.0025 has not forgotten after 800 steps
smoother = memory.smooth_covariance(longer, width=10)
for name, start in designed.items():
    at_step = {
        dt: memory.recall(memory.traces(*start(dt), longer), smoother).sum() for dt in (0.0025, 0.005, 0.01, 0.02)
    }
    print(f"{name:8}", "   ".join(f"step {dt}: {steps:3.0f}" for dt, steps in at_step.items()))

# %% [markdown]
# Slow entries that turn slowly, each at its own speed, suffice, at angles drawn blindly; S4D-Lin arrives there by design. HiPPO takes another way:
# none of its poles turns, they are S4D-Real's rates $-1$ to $-16$, and each of its entries is a mixture of S4D-Real's. Those fade so much alike
# that the reading error hides what tells them apart; HiPPO's mixtures do not.

# %% [markdown]
# Who leads depends on the step: at 0.01 the random swings, at 0.0025 S4D-Lin and HiPPO tell more than they do. Like the swings' radius and range, a step has to
# suit the input. S4D-Real tells the least of the four at each of these steps.

# %% [markdown]
# Why then does Mamba start from S4D-Real? Its authors report that real numbers did as well as complex ones on nearly all of their tasks,
# text among them, and suppose that continuous signals such as sound gain more from complex ones [@gu2023]. Real numbers cost half,
# and with selection (notebook 03) a state need not hold a picture of the whole past: it chooses what enters. Our count says nothing
# about that.

# %% [markdown]
# Where does the smoothness come in? As a control we feed white noise: no step is related to any other.
#
# **Predict, then run:** who wins on noise?

# %%
predict("02.j", "Who tells the most steps of white noise?",
        ["HiPPO", "S4D-Lin", "nobody more than the buffer", "the slow swings"])

# %% tags=["control"]
white = torch.eye(length, dtype=torch.float64)
told_white = {name: memory.recall(m, white) for name, m in M.items()}
assert all(r.sum() <= n + 1e-6 for r in told_white.values())
for name, r in told_white.items():
    print(f"{name:19} tells {r.sum():4.1f} steps of noise, of which the last {n}: {r[:n].sum():4.1f}")

# %%
fig = plt.figure(figsize=(9, 3.6))
shown = ({name: r[:500] for name, r in both.items()} for both in (told, told_white))
figures_partI.recalls(fig, dict(zip(("smooth input", "control: white noise"), shown, strict=True)))
near, far, further = (told["HiPPO"][lag] for lag in (0, 100, 400))
show(fig, f"Recall against the lag, up to 500 of {length} steps. On a smooth input HiPPO knows {near:.0%} of the "
     f"variance of the newest step, {far:.0%} of the step 100 back and {further:.0%} of the step 400 back; the best "
     f"random matrix {told['random matrix, best'][100]:.0%} at 100. On white noise nobody tells more than {n} steps, "
     "and the plain buffer is as good as any.")

# %%
most = max(r.sum() for r in told_white.values())
leader = max(told_white, key=lambda name: told_white[name].sum())
told_by = {"random slow swings": "the slow swings"}.get(leader, leader)
outcome("02.j", "nobody more than the buffer" if told_white["buffer"].sum() > most - 0.01 else told_by,
        because="The lead came from the smoothness of the input, not from a larger store.")

# %% [markdown]
# HiPPO and the swings do not hold more numbers. They spend them on what a smooth past is made of. On noise each step
# told costs one number, so no start can tell more than 16 [@jaeger2002]. There their budget is spread thinly over
# hundreds of steps, and the buffer, which keeps the last 16 exactly, is at least as good.

# %% [markdown]
# And what are these numbers? Each row of $M$ shows how one state entry weighs the past. HiPPO's rows have each one change of sign more
# than the one before: level, slope, bend and so on.

# %% [markdown]
# Its theorem, a best picture of the *whole* past in which all times count alike,
# needs an $A$ that is divided by the time $t$ [@gu2020]. With a fixed $A$, as here and in S4, the polynomials lie on a time axis
# that is warped exponentially [@gu2022c]: the near past is drawn large, the far past small, and recall falls with the lag.

# %%
fig = plt.figure(figsize=(9, 2.6))
rows = ("random matrix, best", "S4D-Real", "HiPPO")
figures_partI.trace_rows(fig, {name: M[name][:, :500] for name in rows})
show(fig, "The first four rows of M for three starts. Random matrix: quick wiggles that fade together. S4D-Real: "
     "fading at four rates. HiPPO: curves with no, one, two and three changes of sign, closer in the near past.")

# %% [markdown]
# ## 7 Limits
# All of this needs weights that are the same at every step: that is what makes a convolution. Such a memory treats the cough like the
# word: only their age counts. And the smoothness of the input, which HiPPO and the slow swings live on, is an assumption about the data:
# the swings' range of angles fits this input, and on another one HiPPO may be ahead.
#
# A recall of 1 says that the information is there, not that a network learns to read it.

# %% [markdown]
# ## 8 Summary
# - A rate $A$ and a step $\Delta$ give the factor $\bar A = e^{\Delta A}$: one system for every frame rate, stable by construction.
# - Swings above half a turn per step look slow or reversed.
# - Unrolled, it is a convolution with $K_j = C \bar A^j \bar B$; a padded FFT computes all steps.
# - Recurrence to run, convolution to train; on one core, at 16 numbers of state, a compiled loop is as quick.
# - On a smooth input 16 slow numbers, HiPPO's or random, tell hundreds of steps; on noise, 16 at most.

# %%
progress("02")
