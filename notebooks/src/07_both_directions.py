# ---
# jupyter:
#   mgmr:
#     title: Both directions, and the paper's own layer
#     claim: "Reading from both ends fills gaps as no causal model can; turn the valid part only, or a clip's outputs depend on its padding; and one layer without selection keeps the memory and hardly learns the choice."
#     goals:
#       - run a layer in both directions, and say what each output depends on
#       - reverse clips of different lengths without letting padding in
#       - read the MGMR-Net paper's layer, with its unclear places, and build it
#       - say what that layer keeps of Mamba and what it loses, and show it on tasks
#     minutes: 80
#     budget_s: 60
#     device: cpu
#     requires: ["03", "05"]
#     introduces: [Bi-Mamba, padding, superposition]
# ---
# %% [markdown]
# ## The microphone drops out
# A value wanders: every step adds a random number of mean 0 and variance 1. For seven steps the recording is lost. We must fill them in.
#
# **Predict, then run:** we may repeat the last value that we heard, or, if we can wait, draw a straight line to the first value behind
# the gap. By which factor does waiting reduce the squared error?

# %%
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from torch import nn

from mgmr_lib.chapters.ch07_both_directions import figures
from mgmr_lib.chapters.ch07_both_directions.toys import GapTask, gap_model, hold_last, straight_line, train_gap
from mgmr_lib.chapters.shared import part_one_figures as figures_partI
from mgmr_lib.course import check, exercise, explore, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.ssm import BiMamba, MambaBlock, SimplifiedMambaLayer, selective_scan
from mgmr_lib.ssm import flip_valid as library_flip

use_style()

# %%
predict("07.a", "By which factor does waiting reduce the squared error?", between=(1, 8), step=0.1, within=0.5)

# %% tags=["baseline"]
gaps = GapTask()
drawn = gaps.draw(4000, torch.Generator().manual_seed(1))
hold, line = (gaps.error(rival(drawn[0]), drawn) for rival in (hold_last, straight_line))
say(f"Repeating the last value costs {hold:.1f}, the straight line **{line:.1f}** (squared, in units of "
    "one step's variance).")

# %%
inputs, truth = drawn[0][9:10], drawn[1][9, :, 0] * gaps.scale
hidden = inputs[0, :, 1] > 0
fig, ax = plt.subplots()
ax.plot(truth, color="#777777", label="truth")
for name, rival, marker in (("repeat the last value", hold_last, "s"), ("straight line", straight_line, "^")):
    filled = rival(inputs)[0, :, 0] * gaps.scale
    ax.plot(hidden.nonzero()[:, 0], filled[hidden], marker, label=name)
ax.set(title="What comes after the gap tells much about the gap", xlabel="time step",
       ylabel="value (unit: a step's deviation)")
ax.legend()
show(fig, "One random walk with seven hidden steps. Repeating the last value drifts away from the truth towards the "
     "end of the gap, the straight line does not. On some other walks the line is behind: the errors above are "
     "means over 4000.")

# %%
outcome("07.a", hold / line,
        because="Repeating goes wrong more with every step of the gap; a line that is held at both ends goes "
        "wrong most in the middle, and less again towards the second end.")

# %% [markdown]
# All our models so far are *causal*: output $t$ depends on inputs up to $t$. For a random walk, the last value is then the best guess that
# exists, because the coming steps are independent of everything before. No training, no width, no depth can beat it. To do better we must
# read from the other end too.

# %% [markdown]
# ## 1 Both directions
# [Bi-Mamba](glossary.md#bi-mamba) runs two blocks: $f$ ahead in time, $g$ over the reversed sequence, whose output is reversed again. The
# MGMR-Net paper [@mgmr2025] takes the mean:
#
# $$C = \tfrac{1}{2}\big(f(X) + \mathrm{Flip}(g(\mathrm{Flip}(X)))\big)$$

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $X$, $C$ | input and output sequences | $(b, l, d)$ |
# | $f$, $g$ | two causal layers, each with weights of its own | $(b, l, d) \to (b, l, d)$ |
# | $\mathrm{Flip}$ | reverses time, axis 1 | $(b, l, d) \to (b, l, d)$ |

# %% [markdown]
# > **Card: the paper is unclear.** Its equation averages the forward output with a $Y_b$ that it never defines, and its text says that "the
# > temporal flip operation restores" the order [@mgmr2025]. We read $Y_b = \mathrm{Flip}(H_b)$, with $H_b$ the last backward layer's
# > output. Its layers also read $H^{t-1,(n)}$ where only $H^{(n-1)}$, the output of the layer before, makes sense.

# %% [markdown]
# ### Exercise 07.1 · both directions (easy, 6 minutes)
# Write the equation. All clips have the same length here.


# %%
@exercise("07.1")
def both_directions(ahead, back, x):
    """ahead, back: layers (b,l,d) -> (b,l,d); x (b,l,d) -> (b,l,d)."""
    # SOLUTION
    return 0.5 * (ahead(x) + back(x.flip(1)).flip(1))
    # END SOLUTION


# %%
check("07.1", both_directions)

# %%
torch.manual_seed(0)
bi = BiMamba(16, d_state=8)
x = torch.randn(2, 20, 16)
assert torch.allclose(both_directions(bi.ahead, bi.back, x), bi(x), atol=1e-6)
print("both_directions = the library's BiMamba")

# %% [markdown]
# Which inputs does each output depend on? We measure it: the size of the derivative of output $t$ with respect to input $s$.
#
# **Predict, then run:** three pictures, with a row for each output and a column for each input: one half of a square, the other half, the whole?

# %%
predict("07.b", "Where is the picture of the block that runs ahead bright?",
        ["only on the diagonal", "on and below it", "on and above it", "everywhere"])

# %%
def influence(layer, length=20):
    """|d y_t / d x_s|, (l,l): row t, column s."""
    x = torch.randn(1, length, 16, generator=torch.Generator().manual_seed(3), requires_grad=True)
    y = layer(x)[0].sum(-1)
    rows = [torch.autograd.grad(y_t, x, retain_graph=True)[0][0].norm(dim=-1) for y_t in y]
    return torch.stack(rows)


maps = {"ahead": influence(bi.ahead), "back": influence(lambda x: bi.back(x.flip(1)).flip(1)), "both": influence(bi)}

# %%
fig = plt.figure(figsize=(8.0, 3.0))
figures_partI.influence_maps(fig, maps)
show(fig, "Influence of input s (to the right) on output t (downwards), bright where strong. Ahead: only the lower "
     "triangle, the past. Back: only the upper one, the future. Both: the whole square. White means none at all.")

# %%
assert maps["ahead"].triu(1).max() == 0 and maps["back"].tril(-1).max() == 0
assert maps["ahead"].tril(-1).max() > 0 and maps["both"].triu(1).max() > 0
outcome("07.b", "on and below it",
        because="A row belongs to one output, and an output that is computed ahead in time knows only the "
        "columns up to its own step.")

# %% [markdown]
# Now both learn to fill gaps. The causal rival is one block with twice the inner width, so both have the same number of weights.
#
# **Predict, then run:** where do they end up between the error of the last value and that of the straight line?

# %%
predict("07.c", "After training, where do their errors lie?",
        ["both near the straight line", "the causal one at the last value, the other nearer the line",
         "both at the last value"])

# %%
def causal(seed):
    torch.manual_seed(seed)
    return gap_model(MambaBlock(24, 8, expand=4, dt_min=0.05, dt_max=0.5), 24, seed)


def two_way(seed):
    torch.manual_seed(seed)
    return gap_model(BiMamba(24, 8, expand=2, dt_min=0.05, dt_max=0.5), 24, seed)


count = [sum(p.numel() for p in make(0).parameters()) for make in (causal, two_way)]
assert count[0] == count[1]
print(count[0], "weights each")

# %% tags=["signature"]
walked = {"causal": train_gap(causal(0), gaps), "both directions": train_gap(two_way(0), gaps)}
say("The causal block is **no better than repeating the last value**, as it must be. Reading both ways comes "
    "**close to the straight line**, which nobody told it about.")

# %%
assert walked["causal"] > 0.95 * hold and line < walked["both directions"] < (hold + line) / 2
outcome("07.c", "the causal one at the last value, the other nearer the line",
        because="Weights and training can only use what the inputs tell, and the past of a random walk does "
        "not tell where it goes next.")

# %% [markdown]
# Is it the future that helps? A second block that also runs ahead cannot be the reason: no causal model beats the last value. But the hidden
# values themselves might leak in. As a control we take away what the future knows: independent values instead of a walk. Then neighbours say
# nothing, and the best answer is 0, with error 1.

# %% tags=["control"]
noise = GapTask(independent=True)
makers = {"causal": causal, "both directions": two_way}
unrelated = {name: train_gap(make(0), noise) for name, make in makers.items()}
assert min(unrelated.values()) > 0.9
say("On independent values neither is better than answering 0. The gain was information, not size.")

# %%
fig, ax = plt.subplots()
pairs = {"random walk": tuple(walked.values()), "independent values": tuple(unrelated.values())}
figures_partI.with_and_without(ax, pairs, ("causal", "both directions"))
ax.axhline(hold, ls="--", color="#777777", lw=1)
ax.text(0.5, hold, "repeat the last value", va="bottom", ha="center", fontsize=9)
ax.axhline(line, ls=":", color="#777777", lw=1.4)
ax.text(0.5, line, "straight line", va="bottom", ha="center", fontsize=9)
ax.set(title="Both directions help where the future knows something", xlabel="what the values are",
       ylabel="squared error (steps²)", ylim=(0, 5.6))
causal, both = walked.values()
show(fig, f"Errors inside the gap. On the walk the causal block stays above the dashed line ({causal:.1f} against "
     f"{hold:.1f}), the best that any causal model can reach; with both directions ({both:.1f}) the error comes near "
     f"the dotted line ({line:.1f}). On independent values both stay at one.")

# %% [markdown]
# ## 2 Clips of different lengths
# A batch is a rectangle, clips are not. So we put [padding](glossary.md#padding) behind the short ones, on the right, and remember the
# lengths. Forward in time that is harmless: a causal layer reaches the padding only after the clip.
#
# **Predict, then run:** two clips of 5 and 2 steps. Where does the second one begin after `flip`?

# %%
predict("07.d", "At which step does the second clip begin after flip, counted from 1?",
        {"at step 1": 1, "at step 3": 3, "at step 4": 4})

# %%
batch, lengths = torch.tensor([[1, 2, 3, 4, 5], [6, 7, 0, 0, 0]]), torch.tensor([5, 2])
print(batch.flip(1).tolist())

# %%
outcome("07.d", 1 + int(batch.flip(1)[1].nonzero()[0]),
        because="Flip turns the whole row of the rectangle, so the padding that lay behind the clip now lies "
        "before it.")

# %% [markdown]
# The backward layer meets three steps of padding before the first word. What stands there? Zeros, if we are lucky. Behind an encoder or a
# layer with a bias it is something else: a text encoder gives its padding vectors as large as those of words.
#
# **Predict, then run:** we put padding behind a clip of 10 steps, zeros or random vectors, and look at the outputs of its own 10 steps. Which
# of the two changes them?

# %%
predict("07.e", "Which padding changes the clip's own outputs?",
        ["neither", "zeros only", "random vectors only", "both"])

# %%
clip, rest = torch.randn(1, 50, 16, generator=torch.Generator().manual_seed(5)).split([10, 40], dim=1)
extra = [0, 1, 2, 5, 10, 20, 40]


def change(layer, filling):
    """Relative change of a clip's outputs when the first 0, 1, 2, ... 40 steps of `filling` stand behind it."""
    longer = [layer(torch.cat([clip, filling[:, :more]], dim=1))[:, :10] for more in extra]
    return [((y - longer[0]).norm() / longer[0].norm()).item() for y in longer]


# %%
with torch.no_grad():
    ours = {"zeros": change(lambda x: both_directions(bi.ahead, bi.back, x), torch.zeros_like(rest)),
            "random vectors": change(lambda x: both_directions(bi.ahead, bi.back, x), rest)}
say(f"Both. Behind 40 random vectors the outputs of the same clip change by **{ours['random vectors'][-1]:.0%}**, "
    f"behind 40 zeros by {ours['zeros'][-1]:.2%}. Not at all is what we want.")

# %%
assert min(ours["zeros"][1:]) > 1e-5 and min(ours["random vectors"][1:]) > 0.02
outcome("07.e", "both",
        because="The backward layer hears the padding first, and an input of zero does not mean that nothing "
        "happens in a layer.")

# %% [markdown]
# Even a zero does not stay zero: the convolution has a bias, so $\mathrm{silu}(\beta)$ enters the state. The clip's features now depend on how long
# the *longest clip of the batch* is. A prediction that depends on its neighbours in the batch is a bug, and a quiet one: training runs, losses
# fall.

# %% [markdown]
# > **Card: the paper is unclear.** "Flip" is applied to whole sequences, padding is never mentioned [@mgmr2025]. We reverse the valid part
# > only, in every backward pass of the course.

# %% [markdown]
# ### Exercise 07.2 · find the bug: flip the valid part (harder, 12 minutes)
# Our own `both_directions` has the bug: `x.flip(1)`. Write the reversal that it should have used. In row $i$ reverse the first `lengths[i]`
# steps, and leave the rest exactly as it is.


# %%
@exercise("07.2")
def flip_valid(x, lengths):
    """x (b,l,d), lengths (b) -> (b,l,d)."""
    # SOLUTION
    steps = torch.arange(x.shape[1])
    inside = steps < lengths[:, None]
    index = torch.where(inside, lengths[:, None] - 1 - steps, steps)
    return x.gather(1, index[..., None].expand_as(x))
    # END SOLUTION


# %%
check("07.2", flip_valid)

# %%
print(flip_valid(batch[..., None], lengths)[..., 0].tolist())
x, lengths = torch.randn(4, 30, 16), torch.tensor([30, 1, 17, 8])
valid = torch.arange(30) < lengths[:, None]
assert torch.equal(flip_valid(x, lengths), library_flip(x, valid))
assert torch.equal(flip_valid(flip_valid(x, lengths), lengths), x)

# %% [markdown]
# The library speaks of `valid`, a mask (b,l) that is True inside the clips. `BiMamba` and `MambaBlock` take it, turn only what is valid, and
# put zeros into the padding at both ends. The test is always the same: a clip alone and in company.

# %%
def valid_only(x):
    """The library's way, for a clip of 10 steps in front."""
    return bi(x, torch.arange(x.shape[1])[None] < 10)


with torch.no_grad():
    together = bi(x, valid)
    for i, n in enumerate(lengths.tolist()):
        assert torch.allclose(together[i, :n], bi(x[i : i + 1, :n])[0], atol=1e-6)
    sound = change(valid_only, rest)
assert max(sound) < 1e-5
print("four clips of 30, 1, 17 and 8 steps: the same outputs alone and together")

# %%
fig, ax = plt.subplots()
named = {"all flipped, random vectors": ours["random vectors"], "all flipped, zeros": ours["zeros"],
         "valid part flipped, random vectors": sound}
for (name, values), marker in zip(named.items(), "s^o", strict=True):
    ax.plot(extra, [100 * v for v in values], marker + "-", label=name)
ax.set_yscale("symlog", linthresh=0.01)
ax.set(title="Flipped padding changes a clip that has not changed", ylim=(-0.004, 300),
       xlabel="steps of padding behind a clip of 10 steps", ylabel="change of its outputs (%)")
ax.legend(ncols=3, loc="upper center")
show(fig, "Relative change of the outputs of one clip against the steps of padding behind it. If everything is flipped "
     f"the outputs move, by {ours['random vectors'][-1]:.0%} with random vectors and a little with zeros. If only the "
     "valid part is flipped they do not move at all.")

# %% [markdown]
# What happens inside? Take the simplest backward layer, one fading number that adds up what it hears, and move the padding. What matters
# is the state at the blue bars: does it hear the clip as if the clip stood alone?

# %%
explore(
    figures.backward_hears,
    "Bars in the order in which a backward layer hears them, blue for the clip, orange for padding; the line is its "
    "state, dashed where the clip is alone. Whole row flipped: padding comes first and lifts the state under the clip. "
    "Valid part flipped: the state at the clip is the dashed one, whatever follows.",
    title="Flip the whole row, and the clip is heard after its padding",
    size=(4.6, 2.4),
    padding=[0, 1, 2, 3, 4, 6, 8],
    flip=["the whole row", "the valid part"],
)

# %% [markdown]
# ## 3 The paper's own layer
# The MGMR-Net paper speaks of Mamba, and prints a layer of its own [@mgmr2025]:
#
# $$h_t = \lambda \odot h_{t-1} + \gamma \odot x_t \qquad\qquad x'_t = \phi(W h_t + b)$$
#
# Compare with notebook 05: no time step, no $B_t$, no $C_t$, no convolution, no gate.

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $x_t$, $x'_t$ | input and output of the layer at step $t$ | $(b, d)$ |
# | $h_t$ | state: one number per channel | $(b, d)$ |
# | $\lambda$, $\gamma$ | decay and input weight, learned, the same at all steps | $(d)$ |
# | $W$, $b$ | an ordinary linear layer | $(d, d)$, $(d)$ |
# | $\phi$ | a nonlinearity, "such as ReLU": negative values become 0 | |

# %% [markdown]
# > **Card: the paper is unclear.** It prints $\lambda = \exp(D_{decay})$ with a learned $D_{decay}$ [@mgmr2025]. Where an entry is above 0 the
# > state grows without bound. (A minus sign may have been lost on the way to our copy of the text.) We read
# > $\lambda = \exp(-\mathrm{softplus}(D_{decay}))$, which lies between 0 and 1 for every $D_{decay}$. (It is no time step: the printed layer
# > has none.)

# %% [markdown]
# **Predict, then run:** $D_{decay} = 0.05$ looks harmless. What has become of a clap after 500 steps, the length of the papers' clips?

# %%
predict("07.f", "What has become of the clap after 500 steps?",
        ["it has faded", "it is about 25 times as large", "some thousands of times", "more than a billion times"])

# %%
clap = 1.0
for _ in range(500):
    clap *= torch.tensor(0.05).exp().item()
print(f"printed decay: {clap:.1e}")
decay = torch.tensor([-10.0, 0.0, 0.05, 10.0])
print("our reading:  ", [f"{v:.3g}" for v in torch.exp(-F.softplus(decay)).tolist()])

# %%
sizes = ["it has faded", "it is about 25 times as large", "some thousands of times", "more than a billion times"]
outcome("07.f", sizes[sum(clap > edge for edge in (1, 100, 1e9))],
        because="Small gains do not add up over the steps, they multiply: a decay a little above one is an "
        "explosion that is late.")

# %% [markdown]
# > **Card: the paper is unclear.** "In the Mamba architecture, the term $D_{out} x(t)$ is omitted, as the input effect is incorporated through the
# > recurrent dynamics" [@mgmr2025]. Mamba keeps it [@gu2023]: it is the tensor `D`, and notebook 05 measured that a fresh block is nearly mute
# > without it. Our default layer keeps $D$; the literal layer below has none.

# %% [markdown]
# > **Card: the paper is unclear.** Its table of settings gives a Mamba state of 12, 12 and 16 and an expansion of 4, 4 and 2 for the three
# > corpora [@mgmr2025]. The printed layer has no place for either: its state is one number per channel, and its width stays $d$. A Mamba-1 block
# > (notebook 05's; the number tells it from its successor, Mamba-2) has both places, so our default layer is that block.

# %% [markdown]
# > **Card: the paper is unclear.** It calls the layer selective, yet $\lambda$ and $\gamma$ are learned constants. And one of its equations has
# > $h(t+1) = \lambda h(t) + \gamma x(t)$, one step late, the other $h_t = \lambda h_{t-1} + \gamma x_t$ [@mgmr2025]. We follow the second, as in
# > notebook 01.

# %% [markdown]
# ### Exercise 07.3 · the paper's layer (medium, 10 minutes)
# Build it with our reading of $\lambda$ and with ReLU. A loop over time is fine.


# %%
@exercise("07.3")
def simplified_layer(x, decay, gamma, W, bias):
    """x (b,l,d); decay, gamma, bias (d); W (d,d) -> (b,l,d)."""
    # SOLUTION
    lam = torch.exp(-F.softplus(decay))
    h, ys = torch.zeros_like(x[:, 0]), []
    for x_t in x.unbind(1):
        h = lam * h + gamma * x_t
        ys.append(torch.relu(h @ W.T + bias))
    return torch.stack(ys, dim=1)
    # END SOLUTION


# %%
check("07.3", simplified_layer)

# %% [markdown]
# The library has it as `SimplifiedMambaLayer`, and runs it on the fast scan: it is a selective scan that selects nothing. State size $n = 1$, $\Delta = 1$ at all
# steps, $A = -\mathrm{softplus}(D_{decay})$, $B = \gamma$, $C = 1$.

# %%
torch.manual_seed(0)
layer = SimplifiedMambaLayer(16)
x = torch.randn(2, 50, 16)
with torch.no_grad():
    by_hand = simplified_layer(x, layer.decay, layer.gamma, layer.proj.weight, layer.proj.bias)
    A, B, C = -F.softplus(layer.decay)[:, None], layer.gamma[:, None], torch.ones(16, 1)
    scanned = selective_scan(x.transpose(1, 2), torch.ones(2, 16, 50), A, B, C).transpose(1, 2)
    assert torch.allclose(by_hand, layer(x), atol=1e-6)
    assert torch.allclose(torch.relu(layer.proj(scanned)), layer(x), atol=1e-6)
print("by hand = the library's layer = a selective scan with nothing selected")

# %%
block = MambaBlock(128, d_state=12, expand=4)
simple = SimplifiedMambaLayer(128)
numbers = {"simplified": (simple.allocate_state(1), simple), "Mamba block": (block.allocate_state(1)[1], block)}
for name, (state, module) in numbers.items():
    weights = sum(p.numel() for p in module.parameters())
    print(f"{name:12} state {state.numel():5} numbers, {weights:7} weights")

# %% [markdown]
# At width 128, with the paper's state of 12 and expansion of 4, these are two very different machines under one name.

# %% [markdown]
# ## 4 A test for what cannot choose
# In notebook 01 the answer to a sum was the sum of the answers. This is [superposition](glossary.md#superposition):
#
# $$f(x + x') = f(x) + f(x')$$
#
# A system that obeys it treats every input alike, whatever else it hears. One that chooses what to keep cannot obey it.

# %% [markdown]
# The test works in one direction only: what breaks the rule need not choose. A bias or a ReLU breaks it, too, and so does the paper's whole layer with its $\phi$. That is why we ask its recurrence alone.
#
# ### Exercise 07.4 · does superposition hold? (easy, 5 minutes)
# Return the largest absolute entry of $f(x + x') - f(x) - f(x')$ as a plain number.


# %%
@exercise("07.4")
def superposition_gap(system, x1, x2):
    """system: (b,l,d) -> (b,l,d); x1, x2 (b,l,d) -> a number, at least 0."""
    # SOLUTION
    return (system(x1 + x2) - system(x1) - system(x2)).abs().max().item()
    # END SOLUTION


# %%
check("07.4", superposition_gap)

# %% [markdown]
# **Predict, then run:** the recurrence of the paper's layer (before $\phi$), and the small selective layer of notebook 03. Which of them obeys?

# %%
predict("07.g", "Which of the two obeys superposition?",
        ["neither", "the paper's recurrence", "the selective layer", "both"])

# %%
from mgmr_lib.chapters.ch03_selection.toys import CopyTask, TinySSM, ToyModel, accuracy, tiny_model, train


def paper_states(x):
    """The states of the paper's layer, (b,l,d)."""
    return selective_scan(x.transpose(1, 2), torch.ones_like(x.transpose(1, 2)), A, B, C).transpose(1, 2)


x1, x2 = torch.randn(2, 1, 50, 16, generator=torch.Generator().manual_seed(2)).unbind(0)
torch.manual_seed(0)
with torch.no_grad():
    obeys = superposition_gap(paper_states, x1, x2)
    chooses = superposition_gap(TinySSM(16), x1, x2)
print("the paper's recurrence obeys superposition:", obeys < 1e-4)
print("the selective layer obeys superposition:   ", chooses < 1e-4)

# %%
assert obeys < 1e-4 and chooses > 0.1
outcome("07.g", "the paper's recurrence",
        because="A recurrence with fixed weights only scales and adds; a selective layer sets its weights by "
        "the input, so a sum meets other weights than its parts did.")

# %% [markdown]
# ## 5 What it keeps, what it loses
# Three tasks. The *slow average* of notebook 05 needs a long memory and no choice. *Plain copying* needs the order of three letters, heard one after the other. *Selective
# copying* of notebook 03 shows letters, a few of them marked, and asks for the marked ones.
#
# **Predict, then run:** where does the paper's layer pass: in none, one, two, all three?

# %%
predict("07.h", "In how many of the three tasks does the paper's layer pass?",
        {"none": 0, "one": 1, "two": 2, "all three": 3})

# %%
from mgmr_lib.chapters.ch05_mamba_block.toys import SlowAverage, train_parts

slow = SlowAverage()
with torch.random.fork_rng(devices=[]):
    torch.manual_seed(0)
    simple = nn.Sequential(nn.Linear(4, 32), SimplifiedMambaLayer(32, time_scales=100), nn.Linear(32, 4))
    selective = nn.Sequential(nn.Linear(4, 16), MambaBlock(16, 8), nn.Linear(16, 4))
average = [train_parts(net, slow, steps=60, batch=16) for net in (simple, selective)]
say("Both learn the slow average (error below a third of the target's power, far from the 1 of answering 0).")

# %%
def simplified_model(task, layers=1, seed=0):
    """The same embedding and readout as in notebook 03, with the paper's layer between them."""
    torch.manual_seed(seed)
    mixer = nn.Sequential(*[SimplifiedMambaLayer(32, time_scales=task.length) for _ in range(layers)])
    return ToyModel(task, mixer, 32)


plain, marked = CopyTask(only_marked=True), CopyTask()
scores = {}
for name, task in (("plain copying", plain), ("selective copying", marked)):
    pair = simplified_model(task), tiny_model(task)
    for net in pair:
        train(net, task)
    scores[name] = [accuracy(net, task).mean().item() for net in pair]

# %%
chance = marked.chance
say(f"Plain copying: both above {0.95:.0%}. Selective copying: the selective layer is above {0.95:.0%}, the paper's "
    f"layer stays at chance ({chance:.0%}).")

# %%
fig, ax = plt.subplots()
pairs = {"slow average\n(1 - error)": [1 - e for e in average]}
pairs |= {f"{task}\n(share right)": values for task, values in scores.items()}
figures_partI.with_and_without(ax, pairs, ("paper's simplified layer", "selective layer"))
ax.axhline(chance, ls="--", color="#777777", lw=1)
ax.text(1.5, chance, "chance", fontsize=9, va="bottom", ha="center")
ax.set(title="The simplified layer keeps the memory and hardly learns the choice", xlabel="task",
       ylabel="score (1: perfect)", ylim=(0, 1.45))
show(fig, "Scores of the paper's simplified layer and of a selective one: a Mamba block for the slow average, notebook "
     "03's small layer for the copying. On the slow average the simplified one is ahead after this short training, on "
     "plain copying both are perfect; on selective copying the simplified layer is at chance and the selective one "
     "nearly perfect.")

# %%
assert max(average) < 0.35 and min(scores["plain copying"]) > 0.95
assert scores["selective copying"][0] < 1.5 * chance and scores["selective copying"][1] > 0.95
passed = [average[0] < 0.35, scores["plain copying"][0] > 0.95, scores["selective copying"][0] > 0.95]
outcome("07.h", sum(passed),
        because="To keep what was heard is one ability, to choose what to keep is another: fixed weights suffice "
        "for the first, and one layer of them hardly learns the second.")

# %% [markdown]
# Is it the choice? The two copying tasks differ in more: 3 steps against 24. So we keep the 24 steps and the places of the marked letters, and silence all others (zeros).

# %%
from mgmr_lib.chapters.ch07_both_directions.toys import SilencedCopy

silenced = SilencedCopy()
alone = simplified_model(silenced)
train(alone, silenced)
in_silence = accuracy(alone, silenced).mean().item()
assert in_silence > 0.9
say(f"With the others silent, the paper's layer gets **{in_silence:.0%}** of the letters over the same 24 steps, after "
    "the same training: length is not what keeps it at chance, but the letters that are to be ignored.")

# %% [markdown]
# It is not free, either: where the three letters come first and 21 silent steps after them, this training leaves the layer at about three quarters; four times as long, it gets nearly all (the course's tests run both).

# %% [markdown]
# Why chance? The state is a sum of what every step put in, and a step's letter and mark are put in side by side. Whether *this* letter was
# marked is a product, and $\phi$, which can make products, comes only after the sum: to multiply the letter and the mark of one step, $W$
# would first have to take that step out of the sum again. With enough channels of different decays there are weights that do so; our
# training does not find them.

# %% [markdown]
# Between two layers a nonlinearity stands before the second sum.
#
# **Predict, then run:** two of the paper's layers, one upon the other, trained as long as the single ones. Still at chance?

# %%
predict("07.i", "How do two of the paper's layers copy selectively?",
        ["at chance, as one does", "above chance, below one selective layer", "as well as one selective layer"])

# %%
stacked = simplified_model(marked, layers=2)
train(stacked, marked)
both = accuracy(stacked, marked).mean().item()
say(f"Two layers leave chance ({chance:.0%}) behind and get **{both:.0%}**: the first one's nonlinearity can make "
    "products of letter and mark, the second one sums them.")

# %%
assert 1.5 * chance < both < scores["selective copying"][1]
outcome("07.i", "above chance, below one selective layer",
        because="What one layer does not learn, depth may learn: there is a nonlinearity between two layers, but what"
        " to do with it has to be learned.")

# %% [markdown]
# One start is an anecdote, and so is one length of training (`tests/chapters/test_ch07_claims.py`). From many of eight other starts two layers
# leave chance behind, and from some they find nothing. Trained six times as long, they get nearly all letters from about half of nine starts, and from
# some still nothing.

# %% [markdown]
# Is that depth, or our learning rate? At a quarter of it, and again six times the training, two layers get more than nine tenths of the letters from every start that we tried, and one layer about a third (at 250 steps
# the lower rate is no help: two layers get about six tenths). At our rate one layer stays at chance, with four times the width, too. So depth *can* choose; it learns to later than the selective layer, and how surely depends on the rate.

# %% [markdown]
# So the card is not a verdict on the paper's results: its network stacks layers, and the authors may well have run a selective block. Our
# library has both, as `MambaLayer(..., layer="selective")`, the default, and `layer="simplified"`. Part III builds the network on the default.

# %% [markdown]
# ## 6 Where it goes
# Part I ends here: from one fading number to a block that chooses, is fast, and reads both ways. The rest of the course puts it into two
# networks. We build MGMR-Net and MFMB-Net's Mamba twin, untrained, with the sizes of their configurations, and count.
#
# **Predict, then run:** MGMR-Net rebuilds what is missing, aligns voice and face with the text, and fuses. Where do most of its Mamba
# blocks stand?

# %%
predict("07.j", "Which part of MGMR-Net holds the most Mamba blocks?",
        ["rebuilding", "aligning", "fusing", "each as many"])

# %%
nets = figures.both_networks()
for name, net in nets.items():
    counts = {part: figures.mamba_blocks(module) for part, module in net.named_children()}
    print(name, {part: n for part, n in counts.items() if n})

# %%
fig, axes = plt.subplots(2, 1, figsize=(9, 5.6), height_ratios=[1, 2.6])
for ax, (name, net) in zip(axes, nets.items(), strict=True):
    figures.blocks_in_network(ax, name, net)
fig.suptitle("The block of Part I stands in most parts of MGMR-Net and of MFMB-Net's twin", x=0.01, ha="left")
totals = [figures.mamba_blocks(net) for net in nets.values()]
show(fig, "The parts of both networks from left to right, orange where Mamba blocks are in them, with their number and "
     f"the notebook that builds the part: {totals[0]} blocks in MGMR-Net, {totals[1]} in MFMB-Net's twin. White: the "
     "encoders of single modalities, micro fusion, and the prediction.")

# %%
parts = {"rebuilding": "reconstruction", "aligning": "alignment", "fusing": "fusion"}
held = {words: figures.mamba_blocks(getattr(nets["MGMR-Net"], part)) for words, part in parts.items()}
most = max(held, key=held.get)
outcome("07.j", most if list(held.values()).count(held[most]) == 1 else "each as many",
        because="Aligning is done for two pairs, text with voice and text with face, for both sequences of a pair, and "
        "in both directions.")

# %% [markdown]
# MFMB-Net itself mixes time steps with attention; its twin, which notebook 19 builds, puts a Bi-Mamba wherever a Transformer encoder stood.
# What each part is for, and whether it earns its place, is the matter of the notebooks named in the boxes.

# %% [markdown]
# ## 7 Limits
# Reading both ways needs the whole clip: no streaming, no live captions, and twice the work. Our gaps were short and lay inside the clip; a gap at
# the end leaves the backward block nothing to say.
#
# The toy tasks were made to show one thing each. What a missing choice costs on real clips is an open question until we train on them.

# %% [markdown]
# ## 8 Summary
# - No causal model fills a gap in a random walk better than by repeating the last value; both directions do.
# - Reverse the valid part only. Test every model on a clip alone and in company.
# - The paper's layer is a selective scan with nothing selected: it obeys superposition before its nonlinearity.
# - It keeps long memories and plain order; one layer of it hardly learns to choose, two do, later than a selective layer.
# - Where the paper is unclear, a card says so.

# %%
progress("07")
