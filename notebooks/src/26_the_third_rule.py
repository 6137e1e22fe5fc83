# ---
# jupyter:
#   mgmr:
#     title: The third rule
#     claim: "Mamba-3 changes two things in the recurrence: an input enters at both ends of its step, and the state turns. The first can be more exact, the second can count."
#     goals:
#       - say by which rule each generation of Mamba lets an input enter, and measure the order of its error
#       - turn a state by turning what writes and what reads it
#       - build a state that tracks parity at any length, and say why one that only fades cannot
#       - tell what a state can hold from what training finds
#       - run a Mamba-3 block step by step, and count what it costs
#     minutes: 75
#     budget_s: 75
#     device: cpu
#     requires: ["25"]
#     introduces: [trapezoidal rule, order, state tracking, MIMO]
# ---
# %% [markdown]
# ## A lamp with one button
# Each press switches a lamp: on, off, on. We see only the presses, 1 or 0 a step, and want to know whether it is on. One number should do, 1 for on and 0 for off:
# $h_t = a\,h_{t-1} + 1$ at a press, $h_t = h_{t-1}$ else.
#
# **Predict, then run:** with which $a$ is $h$ that 1 or 0 after any number of presses?

# %%
import math

import torch
from matplotlib import pyplot as plt

from mgmr_lib.chapters.ch26_the_third_rule import figures as draw
from mgmr_lib.chapters.ch26_the_third_rule import recorded
from mgmr_lib.chapters.shared.counting import cpu_seconds
from mgmr_lib.course import check, exercise, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.ssm import Mamba2Block, Mamba3Block, MambaBlock, linear, mamba3, mamba3_scan

use_style()

# %%
predict("26.a", "Which factor a belongs to a press?", {"1": 1, "0.5": 0.5, "0": 0, "-1": -1})


# %%
def presses(a, count):
    """The state after each of `count` presses."""
    h, states = 0.0, []
    for _ in range(count):
        h = a * h + 1
        states.append(h)
    return states


for a in (1, 0.5, 0, -1):
    print(f"a = {a:4}:", " ".join(f"{h:.4g}" for h in presses(a, 8)))

# %%
works = [a for a in (1, 0.5, 0, -1) if presses(a, 100)[0::2] == [1] * 50 and presses(a, 100)[1::2] == [0] * 50]
assert len(works) == 1
outcome("26.a", works[0], because="With a bounded state, only a factor that takes it back to where it was can tell "
        "an even count from an odd one for ever: what fades settles. A sum (a = 1) tells them too, and grows for ever.")

# %% [markdown]
# Mamba and Mamba-2 cannot learn this factor: theirs is $e^{\Delta A}$ with a negative $A$, always between 0 and 1. That is one of two
# things that Mamba-3 changes [@lahoti2026]. This notebook is optional, as 25 is. We begin with the other one, which is older than
# computers.

# %% [markdown]
# ## 1 How an input enters
# Notebook 02 started from $h'(t) = A\,h(t) + B\,u(t)$. Over one step of $\Delta$ its exact solution is
#
# $$h_t = e^{\Delta A} h_{t-1} + \int_0^\Delta e^{(\Delta - s) A}\, B\, u(t_{-} + s)\, ds$$
#
# with $t_{-}$ the step's start. The decay is exact in all Mambas. The rules differ in the integral: the area under a curve of which we know
# both ends.

# %% [markdown]
# | rule | the area | who |
# |---|---|---|
# | right end | $\Delta B u_t$ | Mamba, Mamba-2 |
# | hold | $\frac{e^{\Delta A} - 1}{A} B u_t$, exact for an input that stays | notebook 02 |
# | trapezoid | $\frac{\Delta}{2} (e^{\Delta A} B u_{t-1} + B u_t)$ | textbooks |
# | $\lambda$ | $\Delta\,((1 - \lambda)\, e^{\Delta A} B u_{t-1} + \lambda B u_t)$ | Mamba-3 |
#
# With $\lambda = 1$ the last one is the first. What came at the step's start has faded for a whole step: hence its $e^{\Delta A}$.

# %% [markdown]
# The mean of both ends is the [trapezoidal rule](glossary.md#trapezoidal-rule). Mamba-3 keeps its form and learns the weight: $\lambda_t$
# comes from the input, through a sigmoid.
#
# ### Exercise 26.1 · three weights (easy, 7 minutes)
# Written as a recurrence, $h_t = \alpha h_{t-1} + \beta u_{t-1} + \gamma u_t$. Return the three weights for numbers $A$, $B$, $\Delta$ and
# $\lambda$.


# %%
@exercise("26.1")
def three_weights(A, B, dt, lam):
    """Rate A, weight B, step dt, share lam of the step's end -> (alpha, beta, gamma)."""
    # SOLUTION
    alpha = math.exp(dt * A)
    return alpha, (1 - lam) * dt * alpha * B, lam * dt * B
    # END SOLUTION


# %%
check("26.1", three_weights)

# %% [markdown]
# Now we measure. The system is the one of notebook 02, $A = -1$; the input $u = \sin 3t$ moves, and the exact answer is known. The inputs
# before the first are 0.


# %%
def exact(t):
    """The state of h' = -h + sin 3t, from h = 0 at t = 0."""
    return (torch.sin(3 * t) - 3 * torch.cos(3 * t) + 3 * torch.exp(-t)) / 10


def rule(dt, lam=None, method="mamba", seconds=4.0):
    """States of one rule at t = dt, 2 dt, ...: with lam the third rule, else a rule of notebook 02."""
    t = dt * torch.arange(1, round(seconds / dt) + 1, dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    alpha, gamma = (v.item() for v in linear.discretise(-one, one, dt, method))
    alpha, beta, gamma = (alpha, 0.0, gamma) if lam is None else three_weights(-1.0, 1.0, dt, lam)
    h, before, states = 0.0, 0.0, []
    for u in torch.sin(3 * t).tolist():
        h = alpha * h + beta * before + gamma * u
        states.append(h)
        before = u
    return t, torch.tensor(states, dtype=torch.float64)


# %%
fig, ax = plt.subplots()
draw.curves(ax, exact, {"right end": rule(0.25), "hold": rule(0.25, method="zoh"), "trapezoid": rule(0.25, 0.5)})
ax.set_title("With a step of a quarter second, the trapezoid stays closest to the curve")
show(fig, "State against time. The grey curve is exact. The dots of the right end run ahead of it, those of the hold "
     "too; the trapezoid's lie nearly on it.")

# %% [markdown]
# We halve the step again and again. A rule has [order](glossary.md#order) $p$ if half the step leaves a $2^p$-th of the error. Notebook 02
# called the hold exact.
#
# **Predict, then run:** what is left of the hold's error when the step is halved, for this input that moves?

# %%
predict("26.b", "What does half the step leave of the hold's error?",
        {"nothing: it is exact": 0, "a quarter": 0.25, "a half": 0.5, "all of it": 1})


# %%
def error(dt, **options):
    """The largest distance from the exact state."""
    t, states = rule(dt, **options)
    return (states - exact(t)).abs().max().item()


steps = [0.25 / 2**i for i in range(6)]
rules = {"Euler (02)": dict(method="euler"), "right end (Mamba)": {}, "hold (02)": dict(method="zoh"),
         "trapezoid": dict(lam=0.5)}
errors = {name: [error(dt, **options) for dt in steps] for name, options in rules.items()}
for name, e in errors.items():
    print(f"{name:18} {e[0]:.4f} ... {e[-1]:.1e}, measured order {math.log2(e[-2] / e[-1]):.2f}")

# %%
fig, ax = plt.subplots()
draw.orders(ax, steps, errors)
ax.set_title("Half the step: half the error for the others, a quarter for the trapezoid")
show(fig, "Largest error against the step, both axes logarithmic. Three lines rise with slope 1, the trapezoid's "
     "with slope 2, far below them.")

# %%
measured = {name: math.log2(e[-2] / e[-1]) for name, e in errors.items()}
assert abs(measured["trapezoid"] - 2) < 0.05 and all(abs(measured[n] - 1) < 0.1 for n in list(rules)[:3])
outcome("26.b", errors["hold (02)"][-1] / errors["hold (02)"][-2], because="The hold is exact for inputs that stay; "
        "one that moves is late or early by a part of a step, whatever is integrated exactly afterwards.")

# %% [markdown]
# So what the trapezoid buys is not the decay, but the second sample. And which $\lambda$ would training prefer here?

# %%
shares = [i / 40 for i in range(41)]
fig, ax = plt.subplots()
for dt in (0.25, 0.125, 0.0625):
    ax.plot(shares, [error(dt, lam=lam) for lam in shares], label=f"step {dt} s")
ax.set(title="A half is best here, and λ = 1, Mamba's rule, as bad as λ = 0", yscale="log",
       xlabel="weight λ of the step's end", ylabel="largest error (state)")
ax.legend()
best = min(shares, key=lambda lam: error(0.0625, lam=lam))
show(fig, f"Error against the weight for three steps: V-shaped, lowest at {best:.3g} for the shortest step. At "
     f"the right edge, Mamba's rule, it is {error(0.0625, lam=1.0) / error(0.0625, lam=best):.0f} times as high there.")

# %% [markdown]
# Order 2 holds only for $\lambda = \frac12$, or where $\lambda - \frac12$ shrinks with the step. Close to $\frac12$ a long step does not show it yet:

# %%
halved = {dt: error(dt, lam=0.49) / error(dt / 2, lam=0.49) for dt in (0.25 / 2**i for i in (0, 3, 9))}
say("With λ fixed at 0.49 the measured order is " + ", ".join(
    f"**{math.log2(times):.2f}** from a step of {dt:.2g} s" for dt, times in halved.items()) + ".")

# %% [markdown]
# A learned $\lambda_t$ gives the guarantee away and gets something else: two taps at once,
# a short convolution *inside* the recurrence. Mamba-3 drops the convolution of its predecessors; its block has none.

# %% [markdown]
# ## 2 A state that turns
# The lamp needs a factor of $-1$. For a switch with $k$ positions we need the $k$-th part of a turn: a complex pole (notebook 01), with
# radius $e^{\Delta A}$ and angle $\Delta\omega$. A complex number is a pair of real ones, and multiplying by it turns and shrinks the pair:
#
# $$h_t = e^{\Delta A} e^{-i \Delta \omega} h_{t-1} + \dots \quad\Leftrightarrow\quad \begin{pmatrix} p \\ q \end{pmatrix} \leftarrow e^{\Delta A} \begin{pmatrix} \cos \Delta\omega & \sin \Delta\omega \\ -\sin \Delta\omega & \cos \Delta\omega \end{pmatrix} \begin{pmatrix} p \\ q \end{pmatrix}$$

# %%
torch.manual_seed(0)
u, rate, omega, dt = torch.randn(50, dtype=torch.complex128), -0.1, 2.0, 0.5
pole = torch.exp(dt * torch.tensor(complex(rate, -omega), dtype=torch.complex128))
cos, sin = math.cos(dt * omega), math.sin(dt * omega)
matrix = math.exp(dt * rate) * torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float64)
h, pair = torch.zeros((), dtype=torch.complex128), torch.zeros(2, dtype=torch.float64)
for u_t in u:
    h, pair = pole * h + u_t, matrix @ pair + torch.view_as_real(u_t)
    assert torch.allclose(torch.view_as_real(h), pair, atol=1e-12)
print("50 steps: the complex state and the pair that turns agree to 1e-12; radius", f"{abs(pole):.3f}")

# %% [markdown]
# Mamba-3 gives each pair of state entries an angle that depends on the input, $\omega_t = \pi \tanh(\dots)$, and all $p$ channels of a head
# turn alike. The state of one head is $n \times p$. To turn it costs four products per pair and channel. There is a cheaper way. What input
# $j$ wrote is turned by all steps after $j$ until $t$ reads it:
#
# $$\Theta_t - \Theta_j \qquad \text{with} \qquad \Theta_t = \Delta_1 \omega_1 + \dots + \Delta_t \omega_t$$

# %% [markdown]
# A product of a turned reader and a turned writer knows only the difference of their angles. So we turn $B_j$ by $\Theta_j$ and $C_t$ by
# $\Theta_t$, and let the state alone. Rotary position embeddings (RoPE) do this to attention's queries and keys, with angles that grow with
# the position [@su2021].
#
# **Predict, then run:** $n = 128$ entries, $p = 64$ channels. How many times fewer products does it take to turn $B$ and $C$ than to turn
# the state?

# %%
predict("26.c", "How many times fewer products does turning B and C take?",
        {"as many": 1, "half as many": 2, "about 30 times fewer": 32, "about 4000 times fewer": 4096})

# %%
n, p = 128, 64
turn_state, turn_both = 4 * (n // 2) * p, 4 * (n // 2) * 2
print(f"a step and head: {turn_state} products to turn the state, {turn_both} to turn B and C")

# %%
outcome("26.c", turn_state / turn_both, because="B and C are one vector each for all channels of the head, and the "
        "state holds one for each channel.")

# %% [markdown]
# ### Exercise 26.2 · turn the pairs (easy, 7 minutes)
# Entries 0 and 1 are the first pair, 2 and 3 the second. Turn each by its angle, counter-clockwise: $(a, b)$ becomes
# $(a \cos\theta - b \sin\theta,\; a \sin\theta + b \cos\theta)$.


# %%
@exercise("26.2")
def turn(v, theta):
    """v (l,n), theta (l,n/2) in radians -> (l,n)."""
    # SOLUTION
    a, b = v[:, 0::2], v[:, 1::2]
    cos, sin = torch.cos(theta), torch.sin(theta)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=2).flatten(1)
    # END SOLUTION


# %%
check("26.2", turn)

# %% [markdown]
# ### Exercise 26.3 · a scan whose state does not turn (hard, 12 minutes)
# One head with $\lambda = 1$: $h_t = e^{\Delta_t A_t} h_{t-1} + \Delta_t B_t x_t^\top$, $y_t = C_t h_t$, with $B$ and $C$ turned by the
# sums $\Theta$. Use `turn`. A loop over the steps is fine; the state must only decay.


# %%
@exercise("26.3")
def turned_scan(x, dt, A, B, C, angle):
    """x (l,p), dt and A (l), B and C (l,n), angle (l,n/2) in radians for dt = 1 -> y (l,p)."""
    # SOLUTION
    theta = (dt[:, None] * angle).cumsum(0)
    B, C = turn(B, theta), turn(C, theta)
    h, ys = x.new_zeros(B.shape[1], x.shape[1]), []
    for t in range(len(x)):
        h = torch.exp(dt[t] * A[t]) * h + dt[t] * torch.outer(B[t], x[t])
        ys.append(C[t] @ h)
    return torch.stack(ys)
    # END SOLUTION


# %%
check("26.3", turned_scan)

# %% [markdown]
# Three judges: ours; the library's oracle, which turns a complex state in Python lists; and `mamba3_scan`, which adds nothing to 25's
# chunked scan but the turned $B$ and $C$ and one correction for the trapezoid.

# %%
def operands(length=40, n=6, p=3, seed=0):
    """x, dt, A, B, C, lambda and angle of one head, in float64."""
    made = torch.Generator().manual_seed(seed)
    x, B, C, angle = (torch.randn(length, m, generator=made, dtype=torch.float64) for m in (p, n, n, n // 2))
    dt, A, lam = (torch.rand(length, generator=made, dtype=torch.float64) for _ in range(3))
    return x, dt, -A, B, C, lam, angle


def library(x, dt, A, B, C, lam, angle):
    """mamba3_scan for one clip and one head."""
    return mamba3_scan(*(v[None, :, None] for v in (x, dt, A, B, C, lam, angle)))[0, :, 0]


# %%
x, dt, A, B, C, lam, angle = operands()
for name, share in (("lambda = 1", torch.ones_like(lam)), ("lambda from 0 to 1", lam)):
    judge = torch.tensor(mamba3.list_mamba3(*(v.tolist() for v in (x, dt, A, B, C, share, angle))), dtype=torch.float64)
    assert torch.allclose(library(x, dt, A, B, C, share, angle), judge, atol=1e-10)
    same = torch.allclose(turned_scan(x, dt, A, B, C, angle), judge, atol=1e-10)
    print(f"{name:19} library = lists, ours", "equal" if same else "not (it has no trapezoid)")
    assert same == (name == "lambda = 1")

# %% [markdown]
# And how does the trapezoid fit into *one* scan? Input $t$ is written twice: with weight $\lambda_t \Delta_t$ now, and one step later with
# $(1 - \lambda_{t+1}) \Delta_{t+1}$, turned and faded in between like any state. So the scan writes the sum of both weights at once, and
# takes the second part back from $y_t$, which must not see it yet.

# %% [markdown]
# ## 3 Counting
# Back to the lamp. To follow a hidden state through a sequence of moves is called [state tracking](glossary.md#state-tracking). Parity is
# its smallest case; a sum modulo $k$ is the switch with $k$ positions.
#
# ### Exercise 26.4 · count by turning (medium, 8 minutes)
# Let one complex number carry the sum: turn it at each number, and read the sum modulo $k$ from its angle.


# %%
@exercise("26.4")
def count_by_turning(numbers, k):
    """Numbers 0..k-1 (list) -> the sum so far, modulo k, after each of them (list)."""
    # SOLUTION
    z, sums = 1 + 0j, []
    for x in numbers:
        z *= complex(math.cos(2 * math.pi * x / k), math.sin(2 * math.pi * x / k))
        sums.append(round(math.atan2(z.imag, z.real) * k / (2 * math.pi)) % k)
    return sums
    # END SOLUTION


# %%
check("26.4", count_by_turning)

# %% [markdown]
# The same inside `mamba3_scan`, with no training: a step before the first bit writes 1, later ones write nothing, nothing fades, and each 1
# turns the only pair by $\pi$. The output is $+1$ for an even count and $-1$ for an odd one.


# %%
def parity_by_hand(bits, turn=math.pi):
    """bits (b,l) -> True where the count so far is odd, by a turn of this many radians for each 1."""
    b, l = bits.shape
    angle = turn * torch.cat([torch.zeros(b, 1), bits], dim=1)[..., None, None]  # a step before the first bit
    start, one = torch.zeros_like(angle), torch.ones(b, l + 1, 1)
    start[:, 0] = 1
    pair = torch.tensor([1.0, 0.0]).expand(b, l + 1, 1, 2)
    return mamba3_scan(start, one, 0 * one, pair, pair, one, angle)[:, 1:, 0, 0] < 0


# %%
bits = torch.randint(0, 2, (8, 10_000), generator=torch.Generator().manual_seed(0))
odd = bits.cumsum(1) % 2 == 1
assert (parity_by_hand(bits) == odd).all()
say(f"Parity by one pair, no weight trained: all **{odd.numel()}** answers are right, over {bits.shape[1]} steps.")

# %% [markdown]
# A training would not find $\pi$ to seven digits.
#
# **Predict, then run:** each 1 turns by one per cent too little. After how many ones is the first answer wrong?

# %%
predict("26.d", "After how many ones is the first answer wrong?",
        {"never: it rounds": 1000, "about 50": 50, "about 10": 10, "at once": 1})

# %%
ones = torch.ones(1, 1000, dtype=torch.long)
truth = ones.cumsum(1) % 2 == 1
first = {}
for off in (0.1, 0.01, 0.001):
    wrong = (parity_by_hand(ones, (1 - off) * math.pi) != truth)[0].nonzero()
    first[off] = wrong[0].item() + 1
    print(f"{off:6.1%} too little: the first wrong answer is after {first[off]} ones")

# %%
assert first[0.001] > 9 * first[0.01] > 80 * first[0.1] / 1.2
outcome("26.d", first[0.01], because="Nothing rounds inside: the errors of all turns add up, and a quarter "
        "turn too few is on the other side.")

# %% [markdown]
# Keep this in mind: a turn that is right on short sequences may be wrong on long ones. And the rivals? In a row of ones every step has the
# same input, so a Mamba or Mamba-2 layer takes the same step with the same factor $0 < a < 1$ each time.

# %%
counts = range(1, 25)
fig = plt.figure(figsize=(9, 3.2))
draw.rows_of_ones(fig, counts, {a: presses(a, len(counts)) for a in (0.9, 0.5)}, presses(-1, len(counts)))
gap = presses(0.9, 128)
show(fig, "The state after each press, filled where the lamp is on. Left: with a factor of 0.9 or 0.5 it climbs to a "
     "ceiling, and odd and even counts come to lie together. Right: with a half turn they stay apart.")
say(f"With a = 0.9 the states after 7 and 8 presses differ by {gap[7] - gap[6]:.2f}, after 127 and 128 by "
    f"{gap[127] - gap[126]:.0e}.")

# %% [markdown]
# The difference shrinks by $a$ with every press, until noise and rounding hide it. This holds for any input that repeats, and for layers on
# top of each other: a layer below that has settled shows the next one the same input, too. Grazzi and others prove it for whole networks of
# finite precision [@grazzi2024].

# %% [markdown]
# ### What training finds
# That a state can count does not mean that a training finds out how. Five small networks of nearly the same size see sums modulo 3 and
# parity, over at most 16 steps: one block between an embedding and a readout (`toys.py` in this chapter's folder). Then they are asked at
# the end of sequences two and four times as long. Three seeds each; a guess is right in a third, or a half, of the cases.

# %% [markdown]
# The rival that could win is an [LSTM](glossary.md#lstm): its state passes nonlinear functions at every step, which costs it the parallel
# scan.
#
# **Predict:** who is right in nine of ten cases with sums modulo 3, at four times the length, on average over the seeds?

# %%
predict("26.e", "Who is right in nine of ten cases at four times the length?",
        ["nobody", "Mamba-3 alone", "the LSTM alone", "Mamba-3 and the LSTM", "all of them"])

# %% tags=["signature"]
made = recorded.load()
say(recorded.line(made))
mean = {(k, name, times): sum(s) / len(s) for k in (3, 2) for times in recorded.TIMES
        for name, s in recorded.shares(made, k, times).items()}
for name in ("Mamba", "Mamba-2", "Mamba-3"):
    means = ", ".join(f"{times} x {mean[3, name, times]:.1%}" for times in recorded.TIMES)
    seeds = " ".join(f"{s:.1%}" for s in recorded.shares(made, 3, 4)[name])
    print(f"{name:8} modulo 3, right at {means}; seeds at 4 x: {seeds}")

# %% tags=["baseline"]
for k in (3, 2):
    print(f"LSTM, sums modulo {k}: right at 1 x {mean[k, 'LSTM', 1]:.0%}, 4 x {mean[k, 'LSTM', 4]:.0%}; seeds:",
          " ".join(f"{s:.0%}" for s in recorded.shares(made, k, 4)["LSTM"]))

# %%
good = [name for name in ("Mamba", "Mamba-2", "Mamba-3", "LSTM") if mean[3, name, 4] > 0.9]
outcome("26.e", {(): "nobody", ("Mamba-3",): "Mamba-3 alone", ("LSTM",): "the LSTM alone",
                 ("Mamba-3", "LSTM"): "Mamba-3 and the LSTM"}.get(tuple(good), "all of them"),
        because="Counting is no privilege of the turn: an LSTM's nonlinear step counts, too; what Mamba-3 adds is a "
        "count that still runs as a scan.")

# %% [markdown]
# Is it the rotation? As a control we hold the angles of Mamba-3 at zero, and change nothing else: same start, same
# training, same trapezoid.

# %% tags=["control"]
held = "Mamba-3, angles held"
for k in (3, 2):
    print(f"{held}, sums modulo {k}: right at 1 x {mean[k, held, 1]:.0%}, 4 x {mean[k, held, 4]:.0%}")
assert mean[3, held, 4] < 0.6 < 0.9 < mean[3, "Mamba-3", 4]

# %%
panels = {f"sums modulo {k}": {name: [recorded.shares(made, k, times)[name] for times in recorded.TIMES]
                               for name in recorded.shares(made, 3, 1)} for k in (3, 2)}
fig = plt.figure(figsize=(9, 4))
draw.tracking(fig, panels, [1 / 3, 1 / 2], recorded.TIMES)
fig.suptitle("Modulo 3, Mamba-3 and the LSTM stay right; in parity only the LSTM at every length", x=0.01, ha="left")
beyond = [share for times in (2, 4) for share in recorded.shares(made, 2, times)["Mamba-3"]]
show(fig, "Share of right answers against the length, a dot for each seed. Left, sums modulo 3: Mamba-3 and LSTM "
     "stay at the top, the others lie at the guess. Right, parity: the LSTM stays; beyond the training's length "
     f"Mamba-3's dots lie anywhere between {min(beyond):.1%} and {max(beyond):.0%}.")

# %% [markdown]
# The LSTM is right everywhere, in less time at this size. Mamba and Mamba-2 are hardly better than a guess, even on the lengths that they were
# trained on; Mamba-3 counts modulo 3, and without its turns it guesses, too.

# %% [markdown]
# What did it learn? We train it once more here, a few seconds, and look at its turns. A pair that counts modulo 3 stays at a 0, turns by a third at a 1 and by
# two thirds at a 2, or all of it the other way round. Each pair has a ring of its own: follow one ring to see one pair.

# %%
from mgmr_lib.chapters.ch26_the_third_rule import toys

task = toys.SumTask(k=3)
model = toys.train("Mamba-3", task, seed=0)
far, enough = toys.accuracy(model, task, seed=0), 0.8
assert far > enough
say(f"On sequences four times as long as the training's more than {enough:.0%} of its answers are right.")

# %%
turns = toys.turns(model, 3)  # (3, heads, angles), in whole turns
ways = toys.ways(turns)
forth, back = ways.count(toys.FORTH), ways.count(toys.BACK)
fig, ax = plt.subplots(figsize=(6, 3.8))
draw.learned_turns(ax, turns)
ax.set_title(f"{forth} of {len(ways)} pairs counts by thirds, {back} the other way round")
show(fig, "How far each pair turns at a 0, 1 and 2, a ring a pair, with the three exact stops dotted. From the inside: "
     f"{'; '.join(ways)}. Near means within {toys.NEAR:.0%} of the way from one stop to the next.")

# %% [markdown]
# A pair that misses may still help: the readout sees all of them together.
#
# And parity? On the training's length Mamba-3 is right on all sequences. Beyond it, here are the recorded seeds:

# %%
for times in recorded.TIMES:
    seeds = " ".join(f"{s:.1%}" for s in recorded.shares(made, 2, times)["Mamba-3"])
    print(f"Mamba-3, parity, right at {times} x: {seeds}")

# %% [markdown]
# Nearly all, or nearly *none*: that is no guess. The network still counts, and reads the wrong way round. Is it the turns, which are not exact?
#
# We train one such network here and ask it after every step. Then we round its turns to whole half turns, those at a 0 alone, those at a 1 alone, or both, and change nothing else.

# %%
parity = toys.SumTask(k=2)
counter = toys.train("Mamba-3", parity, seed=0)
rounded = {"as trained": (), "turns at a 0 rounded": (0,), "turns at a 1 rounded": (1,), "both rounded": (0, 1)}
swings = {name: toys.by_step(counter, parity, seed=0, rounded=at) for name, at in rounded.items()}

# %%
fig, ax = plt.subplots(figsize=(8, 3.6))
draw.swings(ax, swings, parity.length)
ax.set_title("Parity swings between right and wrong, until the turns are exact")
show(fig, "Share of right answers after each step, for one network, with its turns as trained and rounded; shaded: the "
     "training's lengths. As trained the line falls from the top towards the bottom and comes back. With the turns at "
     "one number rounded it falls later; with both it no longer swings, below the top.")

# %%
for name, shares in swings.items():
    wrong, after = [t + 1 for t, share in enumerate(shares) if share < 0.5], shares[parity.length:]
    print(f"{name:20} first below a half at step {wrong[0] if wrong else '-'}, "
          f"beyond the training from {min(after):.0%} to {max(after):.0%}")

# %% [markdown]
# So both errors add up, those at a 0 and those at a 1, and within 16 steps they are too small to show. Rounded turns stop the swing; all right they do not make it here, since the
# readout was trained with the others. One network, one seed: how soon an answer turns over differs from training to training, which is why recorded seeds lie so far apart.

# %% [markdown]
# Four choices were made: weight on late steps, time steps near 1 (so that one step reaches half a turn), a weak decay at the start, few
# pairs; `toys.py` says which. We chose them for Mamba-3, on these same seeds and this same length, in about twenty short trials; Mamba,
# Mamba-2 and the LSTM were not tuned. So the table says what turning *can* do, not how often it is found; that decay alone *cannot* count
# rests on the row of ones above and on [@grazzi2024], not on these guesses.

# %% [markdown]
# ## 4 The block, step by step
# `Mamba3Block` makes everything from its input by one matrix: gate $z$, $x$, $B$, $C$, $\Delta$, $A$, $\lambda$ and the angles. Streaming
# must carry what the trapezoid needs, too: beside the state, the sum of the angles and the last turned $B$ and $x$.

# %%
torch.manual_seed(0)
block, clip = Mamba3Block(64, d_state=16, head_dim=16), torch.randn(2, 30, 64)
state, outputs = block.allocate_state(batch=2), []
with torch.no_grad():
    for x_t in clip.unbind(1):
        y_t, state = block.step(x_t, state)
        outputs.append(y_t)
    assert torch.allclose(torch.stack(outputs, dim=1), block(clip), atol=1e-5)
    late = torch.cat([clip[:, :20], torch.randn(2, 10, 64)], dim=1)
    assert torch.allclose(block(late)[:, :20], block(clip)[:, :20], atol=1e-5)
kept = {name: t[0].numel() for name, t in state._asdict().items()}
say(f"Thirty single steps equal one pass. Carried along: {kept}, {sum(kept.values())} numbers.")

# %% [markdown]
# What does one pay for the third rule and the turns? Three blocks of width 64, forward and backward, on this machine.

# %%
def training_step(block, x):
    """A function that runs forward and backward once."""
    return lambda: block(x).square().mean().backward()


lengths = [128, 256, 512, 1024]
blocks = {"Mamba": MambaBlock(64), "Mamba-2": Mamba2Block(64, d_state=16, head_dim=16), "Mamba-3": block}
took = {name: [1000 * cpu_seconds(training_step(made_block, torch.randn(4, l, 64)), 2) for l in lengths]
        for name, made_block in blocks.items()}

# %%
fig, ax = plt.subplots()
for (name, ms), marker in zip(took.items(), "os^", strict=True):
    ax.plot(lengths, ms, marker=marker, label=name)
ax.set(title="None of the three grows like the square of the length",
       xlabel="length (steps)", ylabel="processor time (ms)", ylim=(0, None))
ax.legend()
show(fig, "Processor time of this machine for one training step of three blocks, batch 4, state 16. Eight times the "
     "length costs about eight times the time or less; how even the lines are, and which is lowest, depends on the "
     "machine and on how busy it is.")

# %%
print("weights:", {name: sum(w.numel() for w in made_block.parameters()) for name, made_block in blocks.items()})

# %% [markdown]
# ### Several inputs for one state
# When a network writes text, each step reads the whole state from memory and writes it back, and the arithmetic waits for it (notebook 06).
# So Mamba-3's second form lets each step do more with the state while it is there: $r$ inputs and outputs, *multi-input, multi-output*
# ([MIMO](glossary.md#mimo)). $B_t$ becomes $(n, r)$, $x_t$ becomes $(p, r)$, and $B_t x_t^\top$ a matrix product of rank $r$.

# %% [markdown]
# ### Exercise 26.5 · what MIMO costs a step (easy, 6 minutes)
# One head, $\lambda = 1$. Count multiply-adds: the decay, one a state entry; writing $B_t x_t^\top$; reading $C_t$ against the state. Count
# numbers moved: the state in and out, and $B$, $C$, $x$, $y$. Turns and weights do not count.


# %%
@exercise("26.5")
def step_cost(n, p, r):
    """State n x p, r inputs and outputs -> (multiply-adds, numbers moved)."""
    # SOLUTION
    return n * p * (1 + 2 * r), 2 * n * p + 2 * r * (n + p)
    # END SOLUTION


# %%
check("26.5", step_cost)

# %% [markdown]
# **Predict, then run:** with $n = 128$, $p = 64$, four inputs need three times the multiply-adds of one. How much more moves?

# %%
predict("26.f", "How many times as much moves with r = 4?",
        {"less than a tenth more": 1.07, "twice as much": 2, "three times": 3, "four times": 4})

# %%
costs = {r: step_cost(128, 64, r) for r in (1, 2, 4, 8)}
for r, (work, moved) in costs.items():
    print(f"r = {r}: {work:7} multiply-adds, {moved:6} numbers moved, {work / moved:.1f} a number")

# %%
assert costs[4][0] == 3 * costs[1][0]
outcome("26.f", costs[4][1] / costs[1][1], because="Nearly all that moves is the state, and its size does not "
        "depend on how many inputs enter at once.")

# %% [markdown]
# A graphics card can do some tens of multiply-adds for each number that it fetches, its matrix units hundreds (notebook 06), so this work is nearly free when text is written one
# step at a time. In training, where chunks keep the units busy, it is not. We explain MIMO and count it; our library does not build it.

# %% [markdown]
# > **Card: paper, code, ours.** *The paper* [@lahoti2026] derives the rule as exponential-trapezoidal, and the turns as a complex state made real. *The code* (mamba_ssm 2.3) turns by
# > $\pi \tanh(\cdot)\,\Delta$, half of the state by default, pairs neighbours (with MIMO entry $i$ and $i + \frac{n}{2}$), lets $A_t$ depend
# > on the input and keeps it at most $-10^{-4}$, and starts biases of $B$ and $C$ at 1. *We* follow the code.

# %% [markdown]
# > Compared: our block on the package's weights with the package's module, step by step, its reference functions for rotation and state in
# > the place of its kernels. Not compared, for want of a GPU: its kernels over a sequence and their gradients, the norm before `out_proj`,
# > and MIMO (`mgmr_lib/ssm/mamba3.py`).

# %% [markdown]
# ## 5 Recorded: both networks with each layer
# Does any of this help where data go missing? We trained MGMR-Net, and MFMB-Net's Mamba twin (its encoders are Mamba blocks, notebook 19), with Mamba-2 and Mamba-3 in the place of Mamba. Nothing
# else changes: no setting was chosen for the new layers. All of it stands twice in the ledger, on both editions of the corpus (notebook 21).

# %%
from mgmr_lib.chapters.shared import recorded_areas, recorded_costs
from mgmr_lib.experiments import verdicts
from mgmr_lib.experiments.complexity import costs_path, read_costs
from mgmr_lib.experiments.ledger import provenance_line, read_ledger, read_named
from mgmr_lib.experiments.plan import EQUAL

pairs = [("mgmr_mamba2", "mgmr"), ("mgmr_mamba3", "mgmr"), ("mfmb_mamba2", "mfmb_mamba"), ("mfmb_mamba3", "mfmb_mamba")]
names = {name for pair in pairs for name in pair}
networks, before = ([r for r in records if r["name"] in names] for records in (read_named(*EQUAL), read_ledger()))
say(provenance_line(networks, "layers"))

# %%
fig = plt.figure(figsize=(8.0, 2.8))
recorded_areas.areas(fig, networks)
fig.suptitle("Recorded on the second edition: areas with their intervals over seeds", x=0.01, ha="left")
show(fig, "AUILC of the mean absolute error over missing rates 0 to 1 (lower is better), a dot for the mean over seeds "
     "and a line for its interval. Red: MGMR-Net with Mamba. Nothing here was computed by this notebook.")

# %%
say(recorded_areas.in_words(verdicts.family(networks, pairs)))
say(recorded_areas.still_falling(networks))
say("On the first edition, with the profile's settings:\n\n" + recorded_areas.in_words(verdicts.family(before, pairs)))

# %% [markdown]
# A few trainings each, in one size, on clips whose voice and face are simulated: *not told apart* says that these cannot see a difference, not that there is none. (The minutes of the line above hold pauses of the machine; times follow below.)
#
# What does a train step of each cost? Voice and face are of the length above the column, every frame read, half of them missing.

# %%
shown = ["mgmr", "mgmr_mamba2", "mgmr_mamba3", "mfmb_mamba", "mfmb_mamba2", "mfmb_mamba3"]
say(recorded_costs.train_steps(read_costs(costs_path("classroom-mosi", "laptop")), shown))

# %% [markdown]
# ## 6 Limits
# - The trainings are tiny, the tasks made for the turn. That a state can count says nothing yet about language, faces or voices.
# - Turns in a plane commute: their sum does not tell the order of the moves. To swap five cups one takes other matrices [@grazzi2024].
# - Four times the length is not every length: a learned turn is never exact. With more layers and steps Mamba may well fit 16 steps; what
#   it cannot do is go on.

# %% [markdown]
# ## 7 Summary
# - With both ends and $\lambda = \frac12$ an input enters with order 2; with any other fixed weight, and the hold, with order 1.
# - A pair that turns is a complex pole. Turn $B$ and $C$ by the summed angles, and the state need not turn.
# - What fades settles in a row of ones; a turn comes back.
# - Trained on 16 steps, Mamba-3 and an LSTM count modulo 3 on 64; Mamba and Mamba-2 guess. Mamba-3's parity swings
#   beyond 16: small errors of turns add up.

# %%
progress("26")
