# ---
# jupyter:
#   mgmr:
#     title: The input decides what is kept
#     claim: "A linear system with fixed weights cannot learn to choose, and we can prove it; let the input set the time step, and the same state solves the task."
#     goals:
#       - say what a system with fixed weights cannot learn, and why no size helps
#       - write the selective recurrence, and set a gate by hand
#       - read a time step as time that passes or stands still, and draw what a state keeps
#       - tell what selective delta, B and C each contribute, from an ablation
#     minutes: 75
#     budget_s: 45
#     device: cpu
#     requires: ["02"]
#     introduces: [time-invariant, selective copying, selection, time step, induction]
# ---
# %% [markdown]
# ## Bells
# A teacher calls letters. In every round each of a, b, c, d is called once, in random order. Now and then a bell rings with a call. After
# six rounds the pupils write down the letters that came with a bell, in order. There are three of them.
#
# Below, a capital letter is one with a bell.

# %%
import math

import torch
from matplotlib import pyplot as plt

from mgmr_lib.chapters.ch03_selection.drawings import clocks, gate
from mgmr_lib.chapters.ch03_selection.toys import SWITCHES, CopyTask, InductionTask, accuracy, tiny_model, train
from mgmr_lib.chapters.shared import part_one_figures as figures_partI
from mgmr_lib.course import animate, check, exercise, explore, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.ssm import selective_scan

use_style()
task = CopyTask(letters=4, rounds=6, keep=3)


# %%
def spell(inputs):
    """One sequence (l, 5) as letters; capitals came with a bell."""
    calls = ["abcd"[row[:4].argmax()] for row in inputs]
    return "".join(c.upper() if row[4] else c for c, row in zip(calls, inputs, strict=True))


inputs, targets = task.draw(3, torch.Generator().manual_seed(1))
for sequence, answer in zip(inputs, targets, strict=True):
    print(spell(sequence), "->", "".join("ABCD"[i] for i in answer))

# %% [markdown]
# Easy for us. Give the task to notebook 02's best system: fixed weights, a state as large as you like, trained as long as you like.
#
# **Predict, then run:** how many of the letters will it get right: all, about half, or a quarter, which is guessing?

# %%
predict("03.a", "How many of the letters do fixed weights get right, however long they train?",
        {"a quarter, which is guessing": 0.25, "about half": 0.5, "all": 1})

# %% [markdown]
# ## 1 What fixed weights compute
# The task is called [selective copying](glossary.md#selective-copying) [@gu2023]. Each step is five numbers: four say which letter is
# called, the fifth whether the bell rings.
#
# | symbol | what | shape |
# |---|---|---|
# | `inputs` | letter (one of four is 1) and bell (0 or 1) | $(b, l, 5)$ with $l = 24$ |
# | `targets` | the letters with a bell, in order, as 0 to 3 | $(b, 3)$ |

# %% [markdown]
# A system is [time-invariant](glossary.md#time-invariant) if its weights are the same at every step; linear and time-invariant is LTI for
# short. Notebook 02 showed what that means: its output is a *sum over steps*. Feed letters and bells separately and add the outputs:
# you get the output for both together, plus the output for silence, which was counted twice.
#
# So the bell of step 7 adds something, the letter of step 7 adds something, and neither changes what the other one adds.

# %%
lti = tiny_model(task, selective=(), seed=0)
both, _ = task.draw(5, torch.Generator().manual_seed(2))
letters_only, bells_only = both.clone(), both.clone()
letters_only[..., 4], bells_only[..., :4] = 0, 0
silence = lti(torch.zeros_like(both))
apart = lti(letters_only) + lti(bells_only) - silence
print("together = letters + bells:", torch.allclose(lti(both), apart, atol=1e-5))

# %% [markdown]
# Now look at one number at a time. Does the letter of one single step, seen without its bell, tell us anything about the answer? The
# teacher calls every letter once a round, so whatever is marked, each letter is there.
#
# **Predict, then run:** how often is the letter of some fixed step the first letter of the answer?

# %%
predict("03.b", "How often, at the best of the 24 steps?",
        {"a quarter, as by guessing": 0.25, "a third, at the early steps": 0.33, "half, at the early steps": 0.5})

# %%
inputs, targets = task.draw(40_000, torch.Generator().manual_seed(3))
same = (inputs[..., :4].argmax(-1) == targets[:, :1]).float().mean(0)
print(f"over the {task.length} steps: between {same.min():.2f} and {same.max():.2f}; guessing: {task.chance:.2f}")

# %%
assert same.max() - same.min() < 0.03
outcome("03.b", same.max(), because="If the first bell rings in the round of that step, one of four calls is the "
        "answer and three are surely not: being early changes nothing.")

# %% [markdown]
# Nothing at all, at any step. And a bell alone does not know any letter. So every single number is worthless, and a sum of worthless
# numbers is what fixed weights compute.
#
# Could a clever sum still help? We need not train a network to know. *Every* LTI system with a linear readout, whatever its state, is one table of
# weights on the $24 \cdot 5$ inputs. We compute the best table in squared error directly.

# %% tags=["baseline"]
def features(inputs):
    """(b, l, 5) -> (b, 5 l + 1): everything that a sum over steps can use, and a constant."""
    return torch.cat([inputs.flatten(1), torch.ones(len(inputs), 1)], dim=1).double()


wanted = torch.nn.functional.one_hot(targets, 4).flatten(1).double()
table = torch.linalg.lstsq(features(inputs), wanted, driver="gelsd").solution
fresh, answers = task.draw(20_000, torch.Generator().manual_seed(4))
best_sum = ((features(fresh) @ table).unflatten(1, (3, 4)).argmax(-1) == answers).float().mean()
say(f"The table of least squared error, from {len(inputs)} sequences, gets **{best_sum:.2f}** of the letters right. "
    f"Guessing gets {task.chance:.2f}.")

# %%
outcome("03.a", best_sum, because="A larger state makes more sums, and no sum knows which bell belongs to which "
        "letter.")

# %% [markdown]
# With the cross-entropy that networks train on, the statement is exact, in three steps. *One*: the loss of a sum is convex, so a point
# where it is flat is its lowest.

# %% [markdown]
# *Two*: at equal scores, the slope along the weight from an input $x$ to the score of letter $a$ is the mean of
# $x\,(\frac{1}{4} - [\text{the answer is } a])$. *Three*: that mean is zero if $x$ and "the answer is $a$" are unrelated, and they are: a
# bell knows no letter, and a letter without its bell is right in a quarter of the cases.

# %% [markdown]
# The last point needs one condition: the three bells ring in three different rounds. Then each rings with every call of its round
# equally often. (With two bells in a round, an early call would more often be the first answer.) So $\ln 4$ is the lowest loss there is,
# for every state size. What helps is a *product*: this letter times its own bell.

# %% [markdown]
# Does the lowest loss mean the fewest right letters, too? Not quite: we answer with the *largest* score, and it can take two weights together
# to be the largest. We write a table for the first letter by hand. It says d, unless step 1 calls a with a bell, or step 2 b with a bell, or
# step 3 c with a bell.

# %%
by_hand = torch.full((len(fresh), 4), 1.5)  # the score of d stays, and one point is too few to beat it
for i in range(3):
    by_hand[:, i] = fresh[:, i, i] + fresh[:, i, 4]  # one point for letter i in step i, one for a bell in step i
right = (by_hand.argmax(1) == answers[:, 0]).float().mean()
loss = torch.nn.functional.cross_entropy(by_hand, answers[:, 0])
assert right > 1.2 * task.chance and loss > math.log(4)
say(f"By hand: **{right:.2f}** of the first letters right, at a loss of {loss:.2f}. "
    f"A guess: {task.chance:.2f}, at {math.log(4):.2f}.")

# %% [markdown]
# So a sum can be sure in a few cases, at the price of a higher loss, and training on the loss leads away from it. In the course's tests a
# search for the most right letters, whatever the loss, gets about four in ten.

# %% [markdown]
# Is it really choosing that fails, or is the memory too weak? Our table has no memory to lose: it reads all 24 steps at once. A control takes
# away the choice alone and keeps the length: the three marked letters are called first, and 21 silent steps follow.
#
# **Predict, then run:** what does the best table of weights get now?

# %%
predict("03.c", "Does the best table of fixed weights copy the three letters?",
        ["it guesses", "it gets a part", "it solves it"])

# %% tags=["control"]
def verdict(right, chance=task.chance):
    """Accuracies of the places -> a word."""
    mean = right.mean().item()
    return "guesses" if mean <= 1.5 * chance else "solves it" if mean >= 0.95 else "gets a part"


def best_table(inputs, targets, fresh, answers):
    """Accuracy of each place, for the table of least squared error on these inputs (b,l,5) and targets (b,3)."""
    wanted = torch.nn.functional.one_hot(targets, 4).flatten(1).double()
    table = torch.linalg.lstsq(features(inputs), wanted, driver="gelsd").solution
    return ((features(fresh) @ table).unflatten(1, (3, 4)).argmax(-1) == answers).float().mean(0)


plain = CopyTask(letters=4, rounds=6, keep=3, only_marked=True)
drawn = plain.draw(20_000, torch.Generator().manual_seed(3)), plain.draw(5000, torch.Generator().manual_seed(4))
silent = [torch.nn.functional.pad(letters, (0, 0, 0, 21)) for letters, _ in drawn]
copies = verdict(best_table(silent[0], drawn[0][1], silent[1], drawn[1][1]))
print("three letters, then 21 silent steps: the best table", copies)

# %%
outcome("03.c", f"it {copies}", because="Fixed weights can carry three letters in their order over any silence: what "
        "they cannot learn is to choose.")

# %% [markdown]
# A table covers every system with fixed weights. A small *trained* system has to learn its memory, too. We train one on the three
# letters alone, and one that has to wait for 21 steps.

# %%
class Waits(CopyTask):
    """The three letters, and then silence."""

    def draw(self, count, generator):
        letters, targets = super().draw(count, generator)
        return torch.nn.functional.pad(letters, (0, 0, 0, 21)), targets


for name, waits in {"at once": plain, "21 silent steps": Waits(letters=4, rounds=6, keep=3, only_marked=True)}.items():
    small = tiny_model(waits, selective=(), seed=0)
    train(small, waits, seed=0)
    print(f"{name:15}: the small LTI system {verdict(accuracy(small, waits))}")

# %% [markdown]
# Is its memory too short? In the course's tests we train it four times as long. After 21 silent steps it then has the first and the last letter
# right, and the middle one in about half of the cases: nothing has faded away. The best table shows that there are fixed weights for the
# middle letter, too; this training does not find them. That is one weakness of our small system. The other one is that it cannot learn to choose, and
# for that we have the proof.

# %% [markdown]
# ## 2 Let the input set the weights
# [Selection](glossary.md#selection) [@gu2023] keeps the recurrence and gives every step its own weights, computed from the input $x_t$ of that
# step. For one channel with input $u_t$:
#
# $$h_t = \exp(\Delta_t A)\,h_{t-1} + \Delta_t B_t\,u_t \qquad\qquad y_t = C_t \cdot h_t$$
#
# $$\Delta_t = \mathrm{softplus}(\delta + W_\Delta x_t) \qquad B_t = \beta + W_B x_t \qquad C_t = \gamma + W_C x_t$$

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $x_t$ | input of step $t$, all $e$ channels; $u_t$ is the channel's own number in it | $e$ |
# | $\Delta_t$ | [time step](glossary.md#time-step), one for each channel; $\mathrm{softplus}(v) = \ln(1 + \exp v)$ keeps it positive | $e$ |
# | $A$ | rates, below zero, the same at every step | $(e, n)$ |
# | $B_t$, $C_t$ | how the input enters, how the state is read | $n$, shared by the channels |
# | $h_t$ | state | $(e, n)$ |
# | $\delta$, $\beta$, $\gamma$, $W_\Delta$, $W_B$, $W_C$ | learned | $e$, $n$, $n$, $(e, e)$, $(n, e)$, $(n, e)$ |

# %%
from mgmr_lib.chapters.shared.growing_drawing import state_space

fig, ax = plt.subplots(figsize=(7, 3))
state_space(ax, "selection")
ax.set_title("The input sets three of the boxes that it passes")
show(fig, "The drawing of notebooks 01 and 02 for one channel. New, in orange: time step, write and read weights are "
     "computed from the input of the same step, all channels together.")

# %% [markdown]
# ### Exercise 03.1 · one selective step (easy, 6 minutes)
# Return the new state of one channel: a list of $n$ numbers.


# %%
@exercise("03.1")
def selective_step(h, u, delta, A, B):
    """h, A, B (lists of n), u and delta (numbers) -> new state (list of n)."""
    # SOLUTION
    return [math.exp(delta * a) * h_i + delta * b * u for a, b, h_i in zip(A, B, h, strict=True)]
    # END SOLUTION


# %%
check("03.1", selective_step)

# %% [markdown]
# **Predict, then run:** the state holds 1, the input shouts 100, $A = -1$, $B = 1$. What is the new state for $\Delta = 0$, for $\Delta =
# 0.001$, and for $\Delta = 10$?

# %%
predict("03.d", "What is the new state for the longest of the three, Δ = 10?",
        {"1, as it was": 1, "100, the input": 100, "101, both": 101, "1000, ten times the input": 1000})

# %%
new_state = {delta: selective_step([1.0], 100.0, delta, [-1.0], [1.0])[0] for delta in (0.0, 0.001, 10.0)}
for delta, value in new_state.items():
    print(f"delta = {delta:6}:  new state {value:9.4f}")

# %%
outcome("03.d", new_state[10.0], because="A time step does two things at once: it fades the old state, and it "
        "multiplies what enters.")

# %% [markdown]
# A time step of zero makes time stand still: nothing fades, nothing enters. A large one lets so much time pass that the past is gone.
# Only the input remains, here ten times as large as it came: $\Delta_t B_t$ grows without end, where notebook 02's hold would stay at
# $B / |A|$. What reads the state has to live with that scale. One number does both, and the input chooses it.

# %% [markdown]
# ### Exercise 03.2 · set a gate by hand (medium, 8 minutes)
# Let $\Delta_t = \mathrm{softplus}(\text{bias} + \text{weight} \cdot \text{bell}_t)$. Return bias and weight such that $\Delta_t$ is
# `shut` without a bell and `opened` with one.


# %%
@exercise("03.2")
def gate_weights(shut, opened):
    """Two wanted time steps, both above 0 -> (bias, weight)."""
    # SOLUTION
    bias = math.log(math.exp(shut) - 1)
    return bias, math.log(math.exp(opened) - 1) - bias
    # END SOLUTION


# %%
check("03.2", gate_weights)

# %% [markdown]
# ### Exercise 03.3 · find the bug (medium, 8 minutes)
# A colleague computes time steps from inputs $x_t$ of $e$ numbers each. "I subtract the mean score, so that the steps stay in range."
# On recorded films her model is good, on a live stream it is not. Change the last input and look at the first time step; then
# write the function correctly: $\Delta_t$ as in section 2, from $x_t$ alone.


# %%
def colleagues_steps(x, w, bias):
    scores = [sum(a * b for a, b in zip(w, row, strict=True)) for row in x]
    mean = sum(scores) / len(scores)
    return [math.log(1 + math.exp(s - mean + bias)) for s in scores]


w, bias = [0.0, 3.0], -4.0
print([round(d, 3) for d in colleagues_steps([[1, 0], [1, 1], [0, 0]], w, bias)])
print([round(d, 3) for d in colleagues_steps([[1, 0], [1, 1], [0, 1]], w, bias)])


# %%
@exercise("03.3")
def time_steps(x, w, bias):
    """x (l lists of e), w (e), bias -> l time steps."""
    # SOLUTION
    scores = [sum(a * b for a, b in zip(w, row, strict=True)) + bias for row in x]
    return [math.log(1 + math.exp(s)) for s in scores]
    # END SOLUTION


# %%
check("03.3", time_steps)

# %% [markdown]
# ## 3 What delta does to memory
# How much of each input is left in the state at the end? It entered with its own $\Delta_t$, and then faded through all the steps after
# it:
#
# $$k_t = \Delta_t \exp\Big(A \sum_{s > t} \Delta_s\Big) \qquad (B = 1)$$
#
# With equal $\Delta$ this is notebook 01's fading memory. Now the sum runs over time that *passed*, not over steps.

# %% [markdown]
# ### Exercise 03.4 · what is kept (harder, 12 minutes)
# Return $k_t$ for every step. Walking backwards saves adding up the same numbers again and again.


# %%
@exercise("03.4")
def kept(delta, A):
    """delta (list of l), A (one number below 0) -> k (list of l)."""
    # SOLUTION
    later, found = 0.0, []
    for d in reversed(delta):
        found.append(d * math.exp(A * later))
        later += d
    return found[::-1]
    # END SOLUTION


# %%
check("03.4", kept)

# %% [markdown]
# Before any training we set the gate by hand on one sequence of calls: almost shut without a bell, open with one. Beside it, the same
# state with a fixed $\Delta$, whose total time is the same.
#
# **Predict, then look:** in which of the two can the three marked letters be told from the rest?

# %%
predict("03.e", "Where do the three marked calls leave more than all others?",
        ["in neither", "with the fixed step only", "set by the bell only", "in both"])

# %%
one, _ = task.draw(1, torch.Generator().manual_seed(5))
bells = one[0, :, 4].tolist()
bias, weight = gate_weights(0.005, 0.8)
by_hand = time_steps([[bell] for bell in bells], [weight], bias)
equal = [sum(by_hand) / len(by_hand)] * len(by_hand)
fig = plt.figure(figsize=(9, 4))
figures_partI.kept_letters(fig, spell(one[0]), {"fixed": equal, "set by the bell": by_hand}, kept)
from_bells = sum(k for k, bell in zip(kept(by_hand, -1.0), bells, strict=True) if bell) / sum(kept(by_hand, -1.0))
last_three = sum(kept(equal, -1.0)[-3:]) / sum(kept(equal, -1.0))
show(fig, "Above: time steps of one sequence. Below: what each call has left in the state at the end. Set by the bell, "
     f"{from_bells:.0%} of what is left comes from the marked calls (dark bars), each newer one stronger; fixed, age "
     f"alone counts, and the last three calls hold {last_three:.0%}.")

# %%
told_apart = []  # whether each marked call leaves more than every other one
for delta in (equal, by_hand):
    left = list(zip(kept(delta, -1.0), bells, strict=True))
    told_apart.append(min(k for k, bell in left if bell) > max(k for k, bell in left if not bell))
places = ["in neither", "with the fixed step only", "set by the bell only", "in both"]
outcome("03.e", places[told_apart[0] + 2 * told_apart[1]],
        because="With a fixed step only the age of a call counts: the three would have to be the last three.")

# %% [markdown]
# Now call by call. On the left the clock runs at every call, and the state changes at every call. On the right it nearly stands still
# until a bell rings.

# %%
steps_of_both = {"fixed": equal, "set by the bell": by_hand}
animate(clocks(spell(one[0]), steps_of_both, kept), "What each call has left in the state, after four of the "
        "calls; the dashed line is now. Fixed: every call enters, and all older ones shrink. Set by the bell: "
        "between bells the bars stay nearly as they are and the clock hardly moves; at a bell a dark bar enters, "
        "and the older ones shrink together.", "Between bells, time stands still",
        range(1, task.length + 1), name="call", size=(9.0, 1.9), shown=4)

# %% [markdown]
# How good must the gate be? Two numbers can go wrong: the time step without a bell, and the one with it.

# %%
explore(gate(spell(one[0]), time_steps, gate_weights, kept), "Share of the state that each call holds at the "
        "end, for six gates. With a time step of 0.3 without a bell and 0.4 with one, unmarked calls hold most "
        "of the state. Where a bell opens the gate by 3, the newest marked call has pushed out the two before "
        "it.", "A gate must shut well, and must not open too far", size=(4.6, 2.3),
        shut=[0.001, 0.005, 0.02, 0.1, 0.3], opened=[0.4, 0.8, 1.5, 3.0])

# %% [markdown]
# Why does that solve the order too? Time stands still between the bells. What the state sees is a sequence of three letters, one
# right after the other: exactly the plain copying that the small LTI system could do. Selection cuts out the steps that do not matter.
#
# The library's scan does this for all channels and sequences at once. It must agree with our step.

# %%
gen = torch.Generator().manual_seed(6)
u, delta = torch.randn(1, 1, 9, generator=gen).double(), torch.rand(1, 1, 9, generator=gen).double()
A, B, C = -torch.rand(1, 3, generator=gen).double(), *torch.randn(2, 1, 3, 9, generator=gen).double()
h, y = [0.0] * 3, []
for t in range(9):
    h = selective_step(h, u[0, 0, t].item(), delta[0, 0, t].item(), A[0].tolist(), B[0, :, t].tolist())
    y.append(sum(c * v for c, v in zip(C[0, :, t].tolist(), h, strict=True)))
library = selective_scan(u, delta, A, B, C, backend="reference")[0, 0]
print("equal up to rounding:", bool((library - torch.tensor(y, dtype=torch.float64)).abs().max() < 1e-5))

# %% [markdown]
# ## 4 Which of the three does it?
# Now we train. Five models of the same build: a linear embedding into 32 channels, one state-space layer with $n = 4$, a linear readout
# of its last step. No convolution, no gate, nothing nonlinear on the signal. They differ only in what may depend on the input:
# nothing, $C$, $B$, $\Delta$, or all three. A few seconds each.

# %% [markdown]
# **Predict, then run:** sort the five. A hint for each: when does $C_t$ act, and what does it see? What does $B_t$ do to a call without a
# bell, and what does it do to the time between two bells?

# %%
predict("03.f", "Which of the five solve the task?",
        ["all three", "only delta and all three", "only B and all three", "only B and only delta and all three"])

# %% tags=["signature"]
choices = {"nothing": (), "only C": ("C",), "only B": ("B",), "only delta": ("delta",), "all three": SWITCHES}
models, losses, right = {}, {}, {}
for name, selective in choices.items():
    models[name] = tiny_model(task, selective, seed=0)
    losses[name] = train(models[name], task, seed=0)
    right[name] = accuracy(models[name], task)
    print(f"{name:11} selective: {verdict(right[name])}")

# %%
fig = plt.figure(figsize=(9, 3.4))
figures_partI.ablation(fig, right, losses, task.chance)
show(fig, "Left: share of right letters for each of the three places; the dashed line is guessing. Right: the loss in "
     "training; with fixed weights it stays at the dashed line, the logarithm of four, which is the loss of guessing.")

# %%
solved = [name for name in choices if verdict(right[name]) == "solves it"]
outcome("03.f", " and ".join(solved), because="To let only the right letters in is not enough: the answer asks for "
        "their order too, and the clock blurs it unless Δ stops the clock.")

# %% [markdown]
# - **Nothing** guesses, as proven.
# - **Only $C$** chooses how to *read* at the last step, when everything is in one heap. Too late for all calls but the
#   last one, whose bell it sees: hence the small gain at place 3.
# - **Only $B$** lets only marked letters in. But they fade by the clock: the first and the last can be told by their strength, the
#   middle one gets mixed up.
# - **Only $\Delta$** gets choice and order from one number.

# %% [markdown]
# Is this one lucky seed? The course's tests train with other seeds, a fresh one at every run: fixed weights stay below one and a half
# times chance, selection stays above 95 % on average over the three places. Is it the short training? With four times as many steps "only
# $B$" gets nearly all of the first and last letters and still loses more than a tenth of the middle ones; "only $C$" gains nothing.

# %% [markdown]
# We ask the trained model what it does with time. Nobody told it what a bell is for.
#
# **Predict, then run:** will all 32 channels behave like our gate?

# %%
predict("03.g", "How many of the 32 channels become such a gate?", ["none", "some", "all"])

# %%
model = models["only delta"]
with torch.no_grad():
    delta = model.mixer.delta(model.embed(one))[0]
    rates = -torch.exp(model.mixer.A_log).min(1).values
bell = one[0, :, 4] > 0
opens = delta[bell].mean(0) / delta[~bell].mean(0)
gates = [c for c in range(32) if opens[c] > 4]
left = torch.tensor([kept(delta[:, c].tolist(), rates[c].item()) for c in gates])
share = (left / left.sum(1, keepdim=True)).mean(0)
print("several channels open four times as wide for a bell:", len(gates) >= 4)
print("four fifths of what they keep, or more, are marked calls:", bool(share[bell].sum() > 0.8))

# %%
fig = plt.figure(figsize=(9, 4.6))
figures_partI.learned_time(fig, spell(one[0]), delta, opens, share)
show(fig, "Above: learned time steps for the same calls, one row a channel, bright is long. Those above the line are "
     "longest at the bells. Below: what these channels hold at the end comes from the marked calls, the newest most.")

# %%
outcome("03.g", "some" if 0 < len(gates) < 32 else "all" if gates else "none",
        because="Training rewards right answers, and nothing in it asks every channel to work as we would.")

# %% [markdown]
# Some channels became our gate. Others move when no bell rings, or hardly move at all; the readout mixes all of them, and what each
# contributes cannot be read off this picture. What we can say: gates appeared without being asked for.

# %% [markdown]
# ## 5 Was the contest fair?
# One may object: put something nonlinear *before* the fixed system, and it can multiply letter and bell there. True, and real LTI
# networks do that. We give it such a layer for free: calls without a bell are silenced. And so that no weak memory is to blame, we ask
# the best table of weights again.
#
# **Predict, then run:** does the fixed system now solve the task? Think of "only $B$".

# %%
predict("03.h", "What does the fixed system do, now that it hears only the marked calls?",
        ["it guesses", "it gets a part", "it solves it"])

# %%
places = best_table(inputs * inputs[..., 4:], targets, fresh * fresh[..., 4:], answers)
heard = verdict(places)
print("the best table, unmarked calls silenced:", heard)
print("right at the first, second and third place:", [round(p, 2) for p in places.tolist()])

# %%
outcome("03.h", f"it {heard}", because="A weight for each step can favour early calls or late ones, but no weight "
        "favours the one that has others on both sides.")

# %% [markdown]
# The first and the last letter come out right: let the weights fall or rise quickly with time, and the earliest or the latest call outweighs
# the others. For the middle one, step $t$ would have to weigh more than an earlier and than a later step, for *every* such pair; no list of
# numbers does that. What $\Delta_t$ adds to a gate in front is that ignored steps do not age the others: the second call is then
# always one place before the last.

# %% [markdown]
# ## 6 A second task
# [Induction](glossary.md#induction) asks for what came after a mark the last time [@gu2023]. Here the mark `*` is a step of its own; it
# comes once somewhere, and again at the end. The answer is the letter behind the first one.

# %%
induction = InductionTask(letters=4, repeats=5)
sequences, answers = induction.draw(3, torch.Generator().manual_seed(1))
for sequence, answer in zip(sequences, answers, strict=True):
    print("".join("*" if row[4] else "abcd"[row[:4].argmax()] for row in sequence), "->", "abcd"[answer])

# %% [markdown]
# When the answer comes, the mark is already gone. So both models get a short linear convolution in front, which shows each step
# its predecessor too; Mamba has one, and notebook 05 returns to it.
#
# **Predict, then run:** the convolution sees mark and letter together. Is that enough for fixed weights?

# %%
predict("03.i", "What do fixed weights do behind the convolution?", ["it is enough", "they get a part", "they guess"])

# %%
induced = {}
for name, selective in {"nothing": (), "only C": ("C",), "only B": ("B",), "only delta": ("delta",)}.items():
    model = tiny_model(induction, selective, seed=0, taps=2)
    train(model, induction, batch=32, seed=0)
    induced[name] = verdict(accuracy(model, induction), induction.chance)
    print(f"{name:11} selective: {induced[name]}")

# %%
words = {"solves it": "it is enough", "gets a part": "they get a part", "guesses": "they guess"}
outcome("03.i", words[induced["nothing"]], because="To see two things together is not to join them: a linear "
        "convolution adds mark and letter, and a sum of sums is a sum.")

# %% [markdown]
# And here $B$ suffices as well as $\Delta$: behind the convolution, "after a mark" is visible in the input, and $B$ lets in only what is.
# One letter has no order to keep, so it does not matter that the clock runs on. Which parts are needed depends on the task.

# %% [markdown]
# ## 7 Limits
# Selection has a price. The weights change at every step, so there is no kernel and no FFT: notebook 02's fast training view is gone.
# Notebook 04 finds another way.
#
# Our tasks are tiny, and our proof is about systems that are linear from end to end. Stacked layers of fixed weights with a
# nonlinearity between them can learn to choose, not from every start: notebook 07 trains two. And the state stays finite: a selective state chooses what to forget, it does not remember all.

# %% [markdown]
# ## 8 Summary
# - Fixed weights add up over steps. If no single input number says anything (a letter without its bell, a bell without its letter), no state size takes a linear readout below the loss of guessing.
# - Selection computes $\Delta_t$, $B_t$, $C_t$ from the input; then letter and bell are multiplied.
# - A time step near zero makes time stand still; a large one forgets.
# - $\Delta$ alone suffices here: it chooses *and* keeps the order. $B$ chooses, $C$ comes too late.
# - What is kept of an input: $\Delta_t \exp(A \sum_{s>t} \Delta_s)$.

# %%
progress("03")
