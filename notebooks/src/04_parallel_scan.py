# ---
# jupyter:
#   mgmr:
#     title: A scan need not wait
#     claim: "A recurrence can be folded in any grouping, which shortens the wait; and its gradient is the same recurrence, run backwards."
#     goals:
#       - fold the steps of a recurrence in rounds, and count work and depth
#       - cut a scan into chunks and carry the state from one to the next
#       - say why a loop over indices has a quadratic backward, and write one that is linear
#       - derive the backward of a scan by hand, and give a scan of your own that backward
#       - recognise a closed form that breaks in float32
#       - say where a scan beats attention, and where it does not
#     minutes: 90
#     budget_s: 60
#     device: cpu
#     requires: ["03"]
#     introduces: [associative, parallel scan, work and depth, chunked scan, adjoint]
# ---
# %% [markdown]
# ## A loop that nobody can help
# Every state waits for the one before it. A processor with a thousand arithmetic units runs our loop on one of them, and the others
# watch.
#
# **Predict:** we have eight steps of $h \leftarrow a h + x$, from $h = 0$, and as many helpers as we like. Whatever can be done at
# the same time counts as one round. The loop takes eight rounds. How few can it be?

# %% [markdown]
# The minutes above are for sections 1 to 6 with their exercises. Sections 7 and 8 are optional (8 uses cells of 7), and section 9 is a
# longer piece of work for another sitting.

# %%
import math
from itertools import accumulate

import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from torch import nn

from mgmr_lib.course import animate, check, exercise, explore, hint, outcome, predict, progress, say, show, use_style
from mgmr_lib.chapters.ch04_parallel_scan.drawings import division, tree_fold
from mgmr_lib.chapters.shared import part_one_figures as figures_partI
from mgmr_lib.chapters.shared.counting import Written, cpu_seconds, graph_nodes, kept_for_backward, written_in_backward
from mgmr_lib.chapters.shared.growing_drawing import all_steps
from mgmr_lib.ssm import MambaBlock, selective_scan

use_style()

# %%
predict("04.a", "How few rounds can eight steps take?", {"one": 1, "three": 3, "four": 4, "seven": 7})

# %%
steps = [(0.5, 1.0), (0.5, 2.0), (1.0, 0.0), (0.25, 4.0), (0.5, 1.0), (2.0, 1.0), (0.5, 3.0), (0.5, 2.0)]
h, loop_states = 0.0, []
for a, x in steps:
    h = a * h + x
    loop_states.append(h)
print([round(h, 3) for h in loop_states])
fewest = {length: math.ceil(math.log2(length)) for length in (8, 1024)}
say(f"Eight steps, one after the other. Section 2 does them in **{fewest[8]} rounds**, and 1024 steps in "
    f"{fewest[1024]}.")

# %%
outcome("04.a", fewest[8], because="A helper can join what two others found before anybody knows the state, so what is "
        "known may double with every round.")

# %% [markdown]
# ## 1 Two steps are one step
# For one channel and one entry of its state, the selective scan of notebook 03 is a recurrence with weights that change:
#
# $$h_t = a_t\,h_{t-1} + x_t \qquad a_t = \exp(\Delta_t A) \qquad x_t = \Delta_t B_t u_t \qquad y_t = \textstyle\sum_n C_t\,h_t$$
#
# Everything hard is in the first equation; the others are computed for all steps at once.

# %% [markdown]
# | symbol | what | shape |
# |---|---|---|
# | $u_t$, $\Delta_t$, $y_t$ | input, time step, output of a channel | tensors $(b, e, l)$: batch, channels, length |
# | $A$ | decay rates, negative | $(e, n)$ |
# | $B_t$, $C_t$ | how the input enters the state, and how it is read | $(b, n, l)$ |
# | $a_t$, $x_t$, $h_t$ | factor, fresh input, state | $(b, e, n, l)$; in lists: one number per step |

# %% [markdown]
# Call the pair $(a, x)$ a *step*: the rule that sends $h$ to $a h + x$. If we do two steps in a row, what comes out is again $h$
# times something plus something. So two steps are one step, and we can know it before we know $h$.
#
# ### Exercise 04.1 · two steps are one step (easy, 5 minutes)
# Return the pair that does `first` and then `second` in one go.


# %%
@exercise("04.1")
def compose(first, second):
    """Two steps, pairs (a, x) -> the one step that does both, a pair."""
    # SOLUTION
    (a1, x1), (a2, x2) = first, second
    return a2 * a1, a2 * x1 + x2
    # END SOLUTION


# %%
check("04.1", compose)

# %% [markdown]
# Fold all eight pairs from left to right: since we start from $h = 0$, the second number of each result is the state.
#
# **Predict, then run:** three steps $p, q, r$. Does it matter whether we fold $p, q$ first or $q, r$ first? And does it matter if
# $p$ and $q$ change places?

# %%
predict("04.b", "What matters for the result?", ["only the grouping", "only the order", "both", "neither"])

# %%
folded = list(accumulate(steps, compose))
assert [x for _, x in folded] == loop_states
p, q, r = steps[0], steps[1], steps[3]
print("grouping:", compose(compose(p, q), r), compose(p, compose(q, r)))
print("order:   ", compose(p, q), compose(q, p))

# %%
grouping, order = compose(compose(p, q), r) != compose(p, compose(q, r)), compose(p, q) != compose(q, p)
outcome("04.b", ["neither", "only the order", "only the grouping", "both"][2 * grouping + order],
        because="To put brackets elsewhere still does the same steps one after the other, while a swap lets the "
        "second factor fade another input.")

# %% [markdown]
# The grouping is free, the order is not. An operation with this property is [associative](glossary.md#associative): matrix products
# have it, and text that is glued together. It is all that the rest of this notebook needs. Whatever we can fold in any grouping, we
# can fold with many hands.

# %% [markdown]
# ## 2 Rounds instead of steps
# We want the fold of *every* prefix: that is a scan. Let every place know, at first, only its own step. In round one each place
# joins what its left neighbour knows to its own, so it knows two steps. Now it reaches back two places and knows four; then eight.
# Each round doubles what everybody knows [@hillis1986].

# %% [markdown]
# ### Exercise 04.2 · find the bug (medium, 10 minutes)
# A colleague wrote the rounds like this. His result is wrong from the third place on. Find out which value a place reads that it
# must not read, and write the function correctly. `join` is any associative operation; leave its default alone.


# %%
def colleagues_doubling(steps, join=compose):
    known, reach = list(steps), 1
    while reach < len(known):
        for i in range(reach, len(known)):
            known[i] = join(known[i - reach], known[i])
        reach *= 2
    return known


print("colleague:", [round(x, 3) for _, x in colleagues_doubling(steps)])
print("loop:     ", [round(h, 3) for h in loop_states])


# %%
@exercise("04.2")
def doubling(steps, join=compose):
    """List of l steps -> list of l folded prefixes; every round reaches twice as far."""
    # SOLUTION
    known, reach = list(steps), 1
    while reach < len(known):
        joined = [join(known[i - reach], known[i]) for i in range(reach, len(known))]
        known = known[:reach] + joined
        reach *= 2
    return known
    # END SOLUTION


# %%
check("04.2", doubling)

# %%
assert [x for _, x in doubling(steps)] == loop_states
print("glued text:", doubling(["p", "q", "r", "s", "t"], lambda left, right: left + right))

# %% [markdown]
# Doubling is short on waiting and long on labour: every place works in nearly every round. A tree is thriftier [@blelloch1990].
# Join neighbours to pairs; scan the half-long list of pairs by the same function; what is known after each pair then gives the
# places in between, with one join each.


# %%
def tree(steps, join=compose):
    """List of l steps -> list of l folded prefixes: pairs first, then the places between them."""
    if len(steps) < 2:
        return list(steps)
    pairs = [join(p, q) for p, q in zip(steps[0::2], steps[1::2], strict=False)]
    after_pairs = tree(pairs, join)
    known = [steps[0]]
    for i in range(1, len(steps)):
        known.append(after_pairs[i // 2] if i % 2 else join(after_pairs[i // 2 - 1], steps[i]))
    return known


assert [x for _, x in tree(steps)] == loop_states

# %% [markdown]
# To see and count what these functions do, we give them another associative operation: joining *ranges of steps*. A range also
# remembers in which round it was ready: one round after the later of its two parts.


# %%
def trace(scan, length):
    """Run a scan on ranges (first, last, round); returns every join as ((first, middle, last), round)."""
    made = []

    def join(left, right):
        assert left[1] + 1 == right[0], "only neighbours may be joined"
        ready = max(left[2], right[2]) + 1
        made.append(((left[0], left[1], right[1]), ready))
        return left[0], right[1], ready

    scan([(t, t, 0) for t in range(1, length + 1)], join)
    return made


scans = {"loop": lambda steps, join=compose: list(accumulate(steps, join)), "doubling": doubling, "tree": tree}

# %% [markdown]
# **Predict, then run:** for eight steps, which of the three has the fewest joins, and which the fewest rounds?

# %%
predict("04.c", "Which has the fewest joins, and which the fewest rounds?",
        ["joins: tree, rounds: doubling", "joins: loop, rounds: doubling", "joins: loop, rounds: tree",
         "joins: tree, rounds: tree"])

# %%
fig = plt.figure(figsize=(9.5, 4.4))
drawn = {name: trace(scan, 8) for name, scan in scans.items()}
titled = {f"{name}: {len(j)} joins, {max(r for _, r in j)} rounds": j for name, j in drawn.items()}
figures_partI.scan_rounds(fig, titled)
fig.suptitle("Eight steps, folded in three ways", x=0.01, ha="left")
show(fig, "Each bar is one join of the steps under its blue part with those under its orange part; joins at "
     "one number are made "
     "in the same round. The loop adds one step a round. Doubling works on nearly all places in every round. "
     "The tree goes up "
     "in pairs and comes down to the places between.")

# %%
joins, rounds = ({name: f(r for _, r in j) for name, j in drawn.items()} for f in (lambda made: len(list(made)), max))
assert rounds["doubling"] == fewest[8]  # what the opening promised
outcome("04.c", f"joins: {min(joins, key=joins.get)}, rounds: {min(rounds, key=rounds.get)}",
        because="Every shortcut is paid with joins whose results are no step's state: nothing is thriftier than one "
        "join a step.")

# %% [markdown]
# The tree once more, level by level. On the way *up* (the *up-sweep*), neighbours of equal length are joined: pairs, pairs of pairs, all
# eight. That finds only the states at places whose number is a power of two. On the way *down* (the *down-sweep*), what is known from
# the first step on is joined with the part behind it, long parts first, until every place has its state.

# %%
tree_joins = [join for join, _ in trace(tree, 8)]
draw_tree, levels = tree_fold(tree_joins, loop_states)
animate(draw_tree, "Each box holds the steps that its place knows; orange ones begin at step 1, so "
        "their place knows its state, printed in the bottom row. Up: boxes double in length, and the orange "
        "ones stand at places 1, 2, 4 and 8. Down: the range 1 to 4 completes place 6, and then ranges 1 to "
        "2, 1 to 4 and 1 to 6 complete places 3, 5 and 7.",
        "Up, ranges double; down, the places between get their states", levels, name="level",
        size=(4.8, 2.6), shown=len(levels), columns=2, milliseconds=900)

# %%
say(f"Here are {len(levels) - 1} levels, and the figure before counted {rounds['tree']} rounds: the join of level "
    "*down 1* needs nothing from *up 3*, so both can be made at the same time.")

# %% [markdown]
# Two numbers describe such a program ([work and depth](glossary.md#work-and-depth)): its *work*, all joins together, and its
# *depth*, the rounds that follow one another. A [parallel scan](glossary.md#parallel-scan) buys less depth with more work.

# %%
counts = {}
for length in (8, 64, 1024):
    for name, scan in scans.items():
        joins = trace(scan, length)
        counts[name, length] = len(joins), max(r for _, r in joins)
        print(f"l = {length:5}   {name:8}  work {counts[name, length][0]:6}   depth {counts[name, length][1]:5}")

# %%
loop_work, loop_depth = counts["loop", 1024]
for name in ("tree", "doubling"):
    work, depth = counts[name, 1024]
    say(f"1024 steps by {name}: {work / loop_work:.1f} times the loop's work, {loop_depth / depth:.0f} times "
        "less waiting.")

# %% [markdown]
# In general, for $l$ steps: the loop has work and depth $l$; the tree has work of about $2l$ and depth of about $2 \log_2 l$;
# doubling has work of about $l \log_2 l$ and depth $\log_2 l$. (The first step starts from nothing and needs no join: hence
# seven, not eight.)

# %% [markdown]
# Nobody has as many helpers as we like. With $w$ of them, a round of $m$ joins takes $\lceil m / w \rceil$ turns.
#
# **Predict, then run:** with one helper, which of the three is best? With how many does the tree overtake the loop?

# %%
predict("04.d", "With how many helpers does the tree overtake the loop?",
        {"already with 1": 1, "with 3": 3, "with 16": 16, "with 256": 256})


# %% tags=["control"]
def turns(name, length, helpers):
    """Turns that the scan needs when `helpers` joins can be done at the same time."""
    rounds = [r for _, r in trace(scans[name], length)]
    return sum(math.ceil(rounds.count(r) / helpers) for r in set(rounds))


helpers = [1, 2, 3, 4, 8, 16, 64, 256, 1024]
taken = {name: [turns(name, 512, w) for w in helpers] for name in ("doubling", "tree")} | {"loop": [511] * len(helpers)}
no_worse = [w for w, ours in zip(helpers, taken["tree"], strict=True) if ours >= 511]
print("loop no worse than the tree with", no_worse, "helpers")

# %%
fig, ax = plt.subplots()
for (name, values), marker in zip(taken.items(), "os^", strict=True):
    ax.plot(helpers, values, marker=marker, label=name)
ax.set(title="A parallel scan needs parallel hands: with one, the plain loop wins", xlabel="helpers",
       ylabel="turns for 512 steps", xscale="log", yscale="log")
ax.legend()
show(fig, f"Turns against helpers. One helper: loop {taken['loop'][0]}, tree {taken['tree'][0]}, doubling "
     f"{taken['doubling'][0]} turns. With 1024 helpers: {taken['loop'][-1]}, {taken['tree'][-1]} and "
     f"{taken['doubling'][-1]}.")

# %%
assert taken["loop"][0] < taken["tree"][0] < taken["doubling"][0]
outcome("04.d", next(w for w in helpers if turns("tree", 512, w) < turns("loop", 512, w)),
        because="The tree does about twice the loop's work, so a second helper only pays that back, and the third "
        "one is a gain.")

# %% [markdown]
# In PyTorch one operation on a whole tensor is a round. Doubling takes six lines; we compare it with the library's float64 reference.
# We make a small selective scan: batch $b$, channels $e$, state size $n$, length $l$.


# %%
def doubling_torch(a, x):
    """h_t = a_t h_{t-1} + x_t over the last axis, (..., l) -> (..., l), in log2(l) rounds."""
    reach = 1
    while reach < x.shape[-1]:
        x = x + a * F.pad(x[..., :-reach], (reach, 0))
        a = a * F.pad(a[..., :-reach], (reach, 0), value=1.0)
        reach *= 2
    return x


# %%
def small_scan(b=2, e=3, length=50, n=4, seed=0):
    """Arguments u, delta (b,e,l), A (e,n), B, C (b,n,l) of a selective scan, in float64."""
    made = torch.Generator().manual_seed(seed)
    shapes = (b, e, length), (e, n), (b, n, length), (b, n, length)
    u, A, B, C = (torch.randn(*s, generator=made, dtype=torch.float64) for s in shapes)
    delta = torch.rand(b, e, length, generator=made, dtype=torch.float64)
    return u, delta, -A.abs(), B, C


def factors(u, delta, A, B):
    """a_t and x_t of every step, each (b,e,n,l)."""
    return torch.exp(delta[:, :, None] * A[:, :, None]), (delta * u)[:, :, None] * B[:, None]


# %%
u, delta, A, B, C = arguments = small_scan()
h = doubling_torch(*factors(u, delta, A, B))
y = (C[:, None] * h).sum(2)
assert torch.allclose(y, selective_scan(*arguments, backend="reference"), atol=1e-12)
print("state", tuple(h.shape), "output", tuple(y.shape), "and equal to the reference: True")

# %% [markdown]
# ## 3 Chunks: few rounds, little extra work
# There is a middle way, the [chunked scan](glossary.md#chunked-scan). Cut the time axis into chunks of $T$ steps. Run all
# chunks at the same time, each from an empty state. Then walk over the chunks and hand each one the state it should have
# started from: the *carry*. One correction per place repairs the rest.

# %% [markdown]
# ### Exercise 04.3 · carry a state into a chunk (medium, 6 minutes)
# `local` are the states of a chunk that started from zero. Return the states of the same chunk started from `carry`.


# %%
@exercise("04.3")
def with_carry(local, a, carry):
    """States from zero (list of T), factors a (list of T), carry (a number) -> states from carry (list of T)."""
    # SOLUTION
    corrected, factor = [], 1.0
    for h, a_t in zip(local, a, strict=True):
        factor = factor * a_t
        corrected.append(h + factor * carry)
    return corrected
    # END SOLUTION


# %%
check("04.3", with_carry)

# %%
first, second = steps[:4], steps[4:]
local = [x for _, x in accumulate(second, compose)]
whole = with_carry(local, [a for a, _ in second], carry=loop_states[3])
assert whole == loop_states[4:]
print("from zero:", local, "\nrepaired: ", whole)

# %% [markdown]
# **Predict, then run:** $l$ steps in chunks of $T$ take $T$ rounds inside the chunks, $l / T$ for the walk and one for the
# correction. Which $T$ has the smallest sum for 1024 steps?

# %%
predict("04.e", "Which chunk length T has the fewest rounds for 1024 steps?",
        {"4": 4, "32": 32, "256": 256, "1024, a single chunk": 1024})

# %%
rounds = {T: T + 1024 // T + 1 for T in (1, 4, 16, 32, 64, 256, 1024)}
best = min(rounds, key=rounds.get)
print(rounds)
say(f"Best: T = {best}, the square root of 1024, with {rounds[best]} rounds. The work is about twice the loop's.")

# %%
outcome("04.e", best, because="Long chunks wait inside, short ones wait for the walk, and the sum is least where both "
        "waits are equal.")


# %%
def chunked_torch(a, x, T):
    """h_t = a_t h_{t-1} + x_t over the last axis, (..., l) -> (..., l), in chunks of T steps, side by side."""
    length = x.shape[-1]
    a, x = (F.pad(v, (0, -length % T)).unflatten(-1, (-1, T)) for v in (a, x))  # (..., chunks, T)
    local = [x[..., 0]]
    for a_t, x_t in zip(a.unbind(-1)[1:], x.unbind(-1)[1:], strict=True):
        local.append(a_t * local[-1] + x_t)
    local, product = torch.stack(local, -1), a.cumprod(-1)
    carries = [torch.zeros_like(local[..., 0, 0])]
    for p, h in zip(product[..., -1].unbind(-1)[:-1], local[..., -1].unbind(-1)[:-1], strict=True):
        carries.append(p * carries[-1] + h)
    return (local + product * torch.stack(carries, -1)[..., None]).flatten(-2)[..., :length]


a, x = factors(u, delta, A, B)
assert all(torch.allclose(chunked_torch(a, x, T), doubling_torch(a, x), atol=1e-12) for T in (1, 7, 16, 50))

# %% [markdown]
# The library's CPU backend, `chunked`, goes one step further from the textbook. A CPU core has few hands but a fast, small cache.
# So it takes one chunk after the other, starting each from the true state: no correction, no extra work. Its chunks are cut so
# that everything it touches stays in the cache. Chunks serve the memory there, not the helpers.

# %%
y = {backend: selective_scan(*arguments, backend=backend) for backend in ("chunked", "reference")}
assert torch.allclose(y["chunked"], y["reference"], atol=1e-12)
print("library's chunked backend equals the reference: True")

# %%
fig, ax = plt.subplots(figsize=(8.8, 3.2))
all_steps(ax)
ax.set_title("The state's loop has become a fold of all steps")
show(fig, "The drawing of 01 to 03 when all inputs are known. Time steps, B, C and the factors a are "
     "computed for all steps at once, and so are the outputs. Between them stands what was a loop from h to "
     "itself: the fold of the steps (a, x), by a tree or in chunks, which is new here.")

# %% [markdown]
# ## 4 One word makes the backward quadratic
# Now the gradients. Here are two loops that differ in how they take step $t$ out of a tensor: by index, or by one `unbind`
# before the loop. They return the same numbers.


# %%
def indexed_loop(a, x):
    """h_t = a_t h_{t-1} + x_t over the last axis; takes each step by index."""
    h, out = torch.zeros_like(x[..., 0]), []
    for t in range(x.shape[-1]):
        h = a[..., t] * h + x[..., t]
        out.append(h)
    return torch.stack(out, dim=-1)


# %%
def unbound_loop(a, x):
    """The same; takes all steps apart before the loop."""
    h, out = torch.zeros_like(x[..., 0]), []
    for a_t, x_t in zip(a.unbind(-1), x.unbind(-1), strict=True):
        h = a_t * h + x_t
        out.append(h)
    return torch.stack(out, dim=-1)


# %% [markdown]
# We do not time this: we count. `written_in_backward` adds up the size of every tensor that PyTorch writes during the backward.
# That number is the same on every machine.
#
# **Predict, then run:** at 512 steps, how many times as much as the second loop's does the first one's backward write?

# %%
predict("04.f", "How many times as much does the backward of the indexed loop write?",
        {"as much": 0, "twice as much": math.log10(2), "20 times": math.log10(20), "400 times": math.log10(400)})


# %%
def leaves(length, shape=(2, 8, 4)):
    """Random a and x of shape (b,e,n,l) that want gradients."""
    made = torch.Generator().manual_seed(1)
    return [torch.rand(*shape, length, generator=made).requires_grad_() for _ in range(2)]


lengths = [64, 128, 256, 512]
written = {loop: [written_in_backward(loop(*leaves(m))) / leaves(m)[0].numel() for m in lengths]
           for loop in (indexed_loop, unbound_loop)}
for loop, values in written.items():
    print(f"{loop.__name__:13} written per element of a:", [round(v) for v in values])

# %% tags=["signature"]
few, many = written[unbound_loop][-1], written[indexed_loop][-1]
say(f"Per element of $a$, the loop over `unbind` writes {few:.0f} numbers, at every length. The indexed loop writes "
    f"**{many:.0f}** at 512 steps, {many / few:.0f} times as many, and twice as many again whenever the "
    "length doubles.")

# %%
outcome("04.f", math.log10(many / few), because="A step that looks tiny in the forward need not have a tiny backward: "
        "that depends on how the step was taken out of the tensor.")

# %% [markdown]
# Why? Look at a single index. What is the gradient of `v[2]` with respect to the whole `v`?

# %%
v = torch.arange(6.0, requires_grad=True)
(gradient,) = torch.autograd.grad(v[2], v)
print(gradient.tolist())
print({name: n for name, n in graph_nodes(indexed_loop(*leaves(512))).items() if "Select" in name})

# %% [markdown]
# A tensor as long as `v`, full of zeros but for one place. Each index puts a node into the graph that writes such a tensor, and
# autograd adds them all up: $l$ steps, $l$ tensors of length $l$. The backward of `unbind` instead puts all the slices together
# at once.

# %% [markdown]
# And the *time*? Some of it goes into the numbers that are written, some into the calls: each operation costs something, however
# small its tensors.
#
# **Predict, then run:** when the length doubles, how many times as many calls does the indexed loop's backward make?

# %%
predict("04.g", "How many times as many calls when the length doubles?",
        {"as many": 1, "twice as many": 2, "four times, as the numbers written": 4, "eight times": 8})

# %%
calls = {loop: [graph_nodes(loop(*leaves(m))).total() for m in lengths] for loop in (indexed_loop, unbound_loop)}
for loop, nodes in calls.items():
    print(f"{loop.__name__:13} nodes of the backward:", nodes)

# %%
outcome("04.g", calls[indexed_loop][-1] / calls[indexed_loop][-2], because="Every step adds the same few calls, "
        "whatever the size of what they write: while tensors are small, a watch mostly sees the calls.")

# %%
timed = {"indexed loop": indexed_loop, "loop over unbind": unbound_loop}
seconds = {name: [1000 * cpu_seconds(lambda f=f, m=m: f(*leaves(m, (4, 16, 8))).sum().backward(), 1) for m in lengths]
           for name, f in timed.items()}
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
figures_partI.growth(left, lengths, {"indexed loop": written[indexed_loop], "loop over unbind": written[unbound_loop]},
                     "numbers written in backward\nper element of a")
figures_partI.growth(right, lengths, seconds, "forward + backward (ms of CPU time)")
left.set_title("The same result, a backward that grows with $l^2$")
right.set_title("measured where this figure was drawn")
show(fig, "Left: numbers written during the backward, per element. The indexed loop's line climbs with the "
     "length, so its total "
     "grows with the length squared; the other stays flat. Right: the time of forward and backward, where the "
     "cost of "
     "calling each small operation hides the difference at short lengths.")

# %% [markdown]
# At full size there is no such mercy. It is a part of why the plain PyTorch versions of Mamba that index in their loop take many times
# as long as the others (more may differ); section 7 shows a recorded run of `python -m mgmr_lib bench`, which times them side by side.
#
# ### Exercise 04.4 · find the slow line (medium, 8 minutes)
# Write the loop with a backward of $O(l)$ yourself. `a[..., t]` must go; so must `a[..., t:t+1]` and `out[..., t] = h`. The check
# counts nodes and says which one is to blame.


# %%
@exercise("04.4")
def linear_loop(a, x):
    """Tensors a, x (..., l) -> states (..., l): h_t = a_t h_{t-1} + x_t."""
    # SOLUTION
    h, out = torch.zeros_like(x[..., 0]), []
    for a_t, x_t in zip(a.unbind(-1), x.unbind(-1), strict=True):
        h = a_t * h + x_t
        out.append(h)
    return torch.stack(out, dim=-1)
    # END SOLUTION


# %%
check("04.4", linear_loop)

# %% [markdown]
# ## 5 The backward by hand
# Autograd now writes $O(l)$, but it also *keeps* every state and every factor until the backward. To do better we write the
# backward ourselves. Take three steps, from $h_0 = 0$, and a loss $L$ that knows the states through
# $dy_t = \partial L / \partial h_t$ (directly, at step $t$ alone). Call $g_t$ the *whole* effect of $h_t$ on the loss.

# %% [markdown]
# | $t$ | forward | who depends on $h_t$? | so |
# |---|---|---|---|
# | 3 | $h_3 = a_3 h_2 + x_3$ | only the loss | $g_3 = dy_3$ |
# | 2 | $h_2 = a_2 h_1 + x_2$ | the loss, and $h_3$ with factor $a_3$ | $g_2 = dy_2 + a_3 g_3$ |
# | 1 | $h_1 = x_1$ | the loss, and $h_2$ with factor $a_2$ | $g_1 = dy_1 + a_2 g_2$ |
#
# The pattern: $\;g_t = dy_t + a_{t+1}\,g_{t+1}$. It is called the [adjoint](glossary.md#adjoint).

# %% [markdown]
# With $g_t$ known, the rest is one look at $h_t = a_t h_{t-1} + x_t$. Nudge $x_t$, and $h_t$ moves by as much. Nudge $a_t$, and
# $h_t$ moves by $h_{t-1}$ times as much:
#
# $$\frac{\partial L}{\partial x_t} = g_t \qquad\qquad \frac{\partial L}{\partial a_t} = g_t\,h_{t-1}$$
#
# ### Exercise 04.5 · the backward by hand (hard, 15 minutes)
# Return both lists. Watch the shift: step $t$ receives from $t + 1$ through the factor $a_{t+1}$.


# %%
@exercise("04.5")
def adjoint(a, x, dy):
    """Lists of l numbers: factors, inputs, gradient of each state -> (da, dx), two lists of l."""
    # SOLUTION
    before, h = [], 0.0
    for a_t, x_t in zip(a, x, strict=True):
        before.append(h)
        h = a_t * h + x_t
    da, dx, g = [0.0] * len(a), [0.0] * len(a), 0.0
    for t in reversed(range(len(a))):
        g = dy[t] + (a[t + 1] * g if t + 1 < len(a) else 0.0)
        da[t], dx[t] = g * before[t], g
    return da, dx
    # END SOLUTION


# %%
check("04.5", adjoint)

# %% [markdown]
# We compare with autograd, on the three steps of the table.

# %%
a3, x3, dy3 = [0.5, 0.25, 2.0], [1.0, 3.0, 1.0], [1.0, -2.0, 4.0]
ta, tx = (torch.tensor(v, requires_grad=True) for v in (a3, x3))
(linear_loop(ta, tx) * torch.tensor(dy3)).sum().backward()
print("by hand: ", adjoint(a3, x3, dy3))
print("autograd:", (ta.grad.tolist(), tx.grad.tolist()))
assert adjoint(a3, x3, dy3) == (ta.grad.tolist(), tx.grad.tolist())

# %% [markdown]
# Read $g_t = dy_t + a_{t+1} g_{t+1}$ once more, from the end: it is a recurrence with inputs $dy$ and factors $a$, only
# reversed and shifted by one. **The gradient of a scan is a scan.** Every trick of sections 2 and 3 serves it too.

# %%
backwards = list(zip([0.0, *reversed(a3[1:])], reversed(dy3), strict=True))
assert [g for _, g in doubling(backwards)][::-1] == adjoint(a3, x3, dy3)[1]
print("g from the doubling scan, run on the reversed list:", [g for _, g in doubling(backwards)][::-1])

# %% [markdown]
# Now the whole selective scan. Only the chain rule is left, and sums over what was shared:
#
# | from | one entry's share | summed over |
# |---|---|---|
# | $y_t = \sum_n C_t h_t$ | $dh_t = C_t\,dy_t$ (the scan's $dy$), $\;dC_t = h_t\,dy_t$ | $dC$: channels |
# | $x_t = \Delta_t B_t u_t$ | $du_t = g_t \Delta_t B_t$, $\;dB_t = g_t \Delta_t u_t$, $\;d\Delta_t = g_t B_t u_t$ | $du, d\Delta$: entries; $dB$: channels |
# | $a_t = \exp(\Delta_t A)$ | $g_t h_{t-1}$ times $a_t A$ for $d\Delta_t$, times $a_t \Delta_t$ for $dA$ | $d\Delta$: entries; $dA$: batch, time |


# %%
def gradients_by_hand(u, delta, A, B, C, dy):
    """dL/du, dL/ddelta (b,e,l), dL/dA (e,n), dL/dB, dL/dC (b,n,l) from dy = dL/dy (b,e,l)."""
    a, x = factors(u, delta, A, B)
    h, dh = linear_loop(a, x), C[:, None] * dy[:, :, None]
    a_later = F.pad(a[..., 1:], (0, 1))
    g = linear_loop(a_later.flip(-1), dh.flip(-1)).flip(-1)
    through = g * a * F.pad(h[..., :-1], (1, 0))  # dL/d(delta A): exp is its own derivative
    into = (g * B[:, None]).sum(2)  # dL/d(delta u)
    du, dC = delta * into, (h * dy[:, :, None]).sum(1)
    ddelta = u * into + (A[:, :, None] * through).sum(2)
    dA, dB = (delta[:, :, None] * through).sum((0, 3)), (g * (delta * u)[:, :, None]).sum(1)
    return du, ddelta, dA, dB, dC


# %%
dy = torch.randn(u.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
ours = gradients_by_hand(*arguments, dy)
for backend in ("reference", "chunked"):
    wanting = [v.clone().requires_grad_() for v in arguments]
    theirs = torch.autograd.grad((selective_scan(*wanting, backend=backend) * dy).sum(), wanting)
    assert all(torch.allclose(p, q, atol=1e-10) for p, q in zip(ours, theirs, strict=True))
    print(f"{backend:9} u, delta, A, B, C: gradients equal those by hand")

# %% [markdown]
# The library's `chunked` backend does exactly this, chunk by chunk, last chunk first. It keeps only the state at the start of each
# chunk and computes the others again when the backward arrives: a little more arithmetic, far less memory.
#
# **Predict, then run:** how many tensors of the size of $h$ does each of them keep between forward and backward?

# %%
predict("04.h", "How many tensors of the size of h does the chunked scan keep?",
        {"none": 0, "a fifth of one": 0.2, "one": 1, "two": 2})


# %%
def kept(backend, length=2000):
    """Memory kept for the backward, in units of one (b,e,n,l) tensor."""
    wanting = [v.float().requires_grad_() for v in small_scan(b=2, e=32, length=length, n=16)]
    return kept_for_backward(lambda: selective_scan(*wanting, backend=backend)) / (2 * 32 * 16 * length)


keeps = {backend: kept(backend) for backend in ("loop", "chunked")}
say(f"The loop keeps {'more than two' if keeps['loop'] > 2 else 'at most two'} such tensors, the chunked scan "
    f"{'less than a quarter of one' if keeps['chunked'] < 0.25 else 'a quarter or more'}.")

# %%
outcome("04.h", keeps["chunked"], because="States can be computed again, but not from nothing: the inputs must stay, "
        "and they are small beside h: of those that run over time none has both channels and state entries.")

# %% [markdown]
# ## 6 A closed form that is too good
# A recurrence without any loop? Write $P_t = a_1 a_2 \cdots a_t$ and divide the equation by it:
# $h_t / P_t = h_{t-1} / P_{t-1} + x_t / P_t$. The quotient is a plain running sum, so
#
# $$h_t = P_t \sum_{s \le t} \frac{x_s}{P_s}$$
#
# Two calls of `cumsum`, no round of ours. It is exact on paper.


# %%
def closed_form(log_a, x):
    """h_t = a_t h_{t-1} + x_t from log a and x, (..., l) -> (..., l), by two running sums."""
    S = log_a.cumsum(-1)
    return torch.exp(S) * torch.cumsum(torch.exp(-S) * x, dim=-1)


def worst_error(scan, decay, length=100):
    """Largest error of a float32 scan whose state loses `decay` in the exponent at every step, against float64."""
    x = torch.randn(length, generator=torch.Generator().manual_seed(2))
    log_a = torch.full((length,), -decay)
    exact = linear_loop(log_a.double().exp(), x.double())
    return (scan(log_a, x) - exact).abs().max().item()


# %% [markdown]
# **Predict, then run:** 100 steps, with a state that is multiplied by $e^{-0.1}$ at every step, then by $e^{-0.5}$, $e^{-1}$ and
# $e^{-16}$. Where is the closed form fine?

# %%
predict("04.i", "At which decays is the closed form fine over 100 steps?",
        ["at all four", "at all but 16", "at 0.1 and 0.5", "at 0.1 only", "at none"])

# %%
closed = {}
for decay in (0.1, 0.5, 1.0, 16.0):
    errors = [worst_error(scan, decay) for scan in (closed_form, lambda log_a, x: doubling_torch(log_a.exp(), x))]
    closed[decay] = errors[0]
    told = ["below 1e-4" if e < 1e-4 else f"{e:.2g}" for e in errors]
    print(f"decay {decay:4}: error of the closed form {told[0]:10}, of doubling {told[1]}")

# %%
fine = [decay for decay, error in closed.items() if error < 1e-4]
assert fine == list(closed)[: len(fine)]  # the milder, the better
outcome("04.i", ["at none", "at 0.1 only", "at 0.1 and 0.5", "at all but 16", "at all four"][len(fine)],
        because="What counts is the decay of all steps together: a sequence that is long enough makes any decay "
        "strong.")

# %% [markdown]
# The sum holds $x_s / P_s$, and $1 / P_s$ grows without bound while $P_s$ vanishes: infinity times zero is NaN, "not a number".
# A state that forgets is the harmless case, and just there the formula dies. It passes a test with mild decay, so it keeps
# turning up.
#
# ### Exercise 04.6 · how long the closed form lives (medium, 5 minutes)
# `decay` is $\Delta\,|A|$. Return the largest $T$ for which $1 / P_T = \exp(\text{decay} \cdot T)$ is still a finite float32.


# %%
@exercise("04.6")
def steps_before_overflow(decay):
    """Decay a step (a number above 0) -> largest whole T with exp(decay T) finite in float32."""
    # SOLUTION
    return int(math.log(torch.finfo(torch.float32).max) / decay)
    # END SOLUTION


# %%
check("04.6", steps_before_overflow)

# %%
lives = {decay: steps_before_overflow(decay) for decay in (0.1, 1.0, 16.0)}
x = torch.ones(1000)
for decay, T in lives.items():
    bad = closed_form(torch.full((1000,), -decay), x).isfinite().logical_not().nonzero()
    print(f"decay {decay:4}: predicted to live {T} steps; first bad state at step {bad[0].item() + 1}")

# %% [markdown]
# With mild decay it dies a little early: there the *sum* of the last large terms overflows before the largest of them does.

# %% [markdown]
# The formula itself is not to blame, the division is. With $S_t = \ln P_t$, the weight of step $s$ at step $t$ is $\exp(S_t - S_s)$, which is
# never above 1 for $s \le t$. That form is stable, but it is a table of $l^2$ weights. Inside short chunks that is a fair price: it is how
# Mamba-2 computes.

# %% [markdown]
# Does cutting into chunks save the division? Mamba starts with $A$ from $-1$ to $-16$, and $\Delta$ may grow as training likes. For the
# strongest of these and $\Delta = 1$, the last line above says how long a chunk may be.
#
# **Predict, then run:** from which $\Delta$ on is no chunk safe for $A = -16$, not even one of a single step?

# %%
predict("04.j", "From which Δ on is no chunk safe for A = -16?", between=(0, 20), step=0.5, within=1)

# %%
hopeless = math.log(torch.finfo(torch.float32).max) / 16
say(f"Chunks of at most **{lives[16.0]} steps**, and none at all once Δ reaches {hopeless:.1f}.")
fine = worst_error(lambda log_a, x: doubling_torch(log_a.exp(), x), 250.0) < 1e-4
say(f"Folding never divides: its factors only shrink, towards an honest zero. Error below 1e-4 at a decay of "
    f"250: **{fine}**.")

# %%
one_step = [closed_form(torch.tensor([-16 * hopeless * f]), torch.ones(1)).isfinite().item() for f in (0.99, 1.01)]
assert one_step == [True, False]
outcome("04.j", hopeless, because="The shortest chunk still divides by one factor, and float32 ends long before "
        "Δ does.")

# %% [markdown]
# Decay and chunk length together: 100 steps with input 1, by the closed form, started anew in each chunk. Within a chunk $1 / P$ climbs
# by the decay at every step. Shorter chunks start it from the bottom more often; a strong decay reaches the end of float32 in the first
# step.

# %%
explore(division, "The power of ten of 1/P for six pairs of decay and chunk length, and crosses at wrong "
        "states. At a decay of 0.1 all states are right. At 4 they are right in chunks of 4, and in a chunk "
        "of 100 wrong from the step on at which 1/P leaves float32. At 128 every state is wrong, whatever "
        "the chunk.", "Short chunks save the division at a mild decay, none does at a strong one",
        size=(4.6, 2.5), decay=[0.1, 1.0, 4.0, 16.0, 128.0], chunk=[4, 16, 100])

# %% [markdown]
# ## 7 The same arithmetic at another speed (optional)
# Counting joins is not the whole story. The pairs of programs below do the same arithmetic and treat the machine differently:
# `exp` of a mild or of a very negative number, and `exp2` of the same; a product into fresh memory or into memory that was used
# before; a loop's steps over a tensor whose time axis comes last or first.
#
# **Predict, then run:** where is the largest difference?

# %%
predict("04.k", "In which pair is the slower program slower by the largest factor?",
        ["exp: mild or very negative", "exp2: mild or very negative", "product: fresh or used memory",
         "time axis: last or first"])

# %%
mild, tiny = torch.full((1 << 18,), -1.0), torch.full((1 << 18,), -100.0)
tinier = tiny * math.log2(math.e)  # exp2 of this is exp of -100
big = torch.rand(3, 1 << 24)
last, first = torch.rand(2, 64, 256, 64), torch.rand(2, 64, 64, 256)  # (a and x; time last, or time first)
state = torch.zeros(64, 256)
pairs = {
    "exp of -1": (lambda: mild.exp(), 1 << 18), "exp of -100": (lambda: tiny.exp(), 1 << 18),
    "exp2 of -1": (lambda: mild.exp2(), 1 << 18), "exp2 of -144": (lambda: tinier.exp2(), 1 << 18),
    "product, fresh memory": (lambda: torch.mul(big[0], big[1]), 1 << 24),
    "product, memory reused": (lambda: torch.mul(big[0], big[1], out=big[2]), 1 << 24),
    "steps, time last": (lambda: [last[1, ..., t].addcmul(last[0, ..., t], state) for t in range(64)], 1 << 20),
    "steps, time first": (lambda: [first[1, t].addcmul(first[0, t], state) for t in range(64)], 1 << 20),
}
nanoseconds = {name: 1e9 * cpu_seconds(fn) / elements for name, (fn, elements) in pairs.items()}

# %%
fig, ax = plt.subplots(figsize=(8, 3.4))
figures_partI.pairs_of_bars(ax, nanoseconds)
ax.set(title="Same arithmetic, other treatment of the machine", xlabel="nanoseconds an element (measured "
"where this was drawn)")
show(fig, "Time per element of exp and exp2 for a mild and for a strongly negative number, of a product into "
     "fresh or into used "
     "memory, and of a loop's steps over a tensor whose time axis is last or first. Our chunked scan uses "
     "exp2, used memory, and time first. (exp of -100 is *subnormal*, below what float32 stores at full precision; "
     "some implementations take a slow path there.)")

# %% tags=["nbval-ignore-output"]
pair_of = ["exp: mild or very negative", "exp2: mild or very negative", "product: fresh or used memory",
           "time axis: last or first"]
took = list(nanoseconds.values())
apart = [max(pair) / min(pair) for pair in zip(took[0::2], took[1::2], strict=True)]
outcome("04.k", pair_of[apart.index(max(apart))], because="No count of operations shows any of these differences, and "
        "another processor may order them otherwise: here only measuring helps.")

# %% [markdown]
# These are the `chunked` backend's other decisions: `exp2` with the factor $\log_2 e$ folded into $A$, a few small buffers used
# again and again, time as the first axis. None changes what is computed, and the bars say what each can cost on this machine.
# Notebook 06 shows the GPU's version of the same story.

# %% [markdown]
# And all of it together, at the size of a real batch? The next figure is a recorded run of `python -m mgmr_lib bench`; nothing in it is computed here. *Native* is our
# scan in C, compiled where a compiler is found.

# %%
from mgmr_lib.bench import recorded
from mgmr_lib.bench.report import bars

bench = recorded.read()
ladder = recorded.at(bench["scan"], *bench["scan"][-1]["shape"])
fig, ax = plt.subplots(figsize=(8.0, 2.6))
bars(ax, ladder)
ax.set(title=f"Recorded: one selective scan, (b, l, e, n) = {tuple(ladder[0]['shape'])}", ylabel="version of the scan")
show(fig, "Processor time of forward and backward of one selective scan, a bar for each version, on a logarithmic "
     "axis. Ours are coloured; in brackets, as many times as long as our fastest.")
against = recorded.times(ladder, "ours, loop")
say("As many times as long as our loop over `unbind`: `mamba_ssm`'s reference "
    f"{against['mamba_ssm selective_scan_ref']:.0f}, transformers' default {against['transformers, default']:.0f}. "
    f"{recorded.once(bench)} {recorded.provenance_line(bench)}")

# %% [markdown]
# ## 8 What O(l) buys, honestly (optional)
# Attention [@vaswani2017] compares every step with every other: $l^2$ pairs. A scan does $l$ steps. So a scan wins, sooner or
# later. The question is when, and against which rival. We take a layer of each kind at width $d = 64$, and train-step cost as
# the measure.

# %% [markdown]
# You need not know the layers yet: each maps $(b, l, d)$ to $(b, l, d)$. The *Mamba block* is our selective scan with a
# few parts around it ([05](05_mamba_block.ipynb)). The *LSTM* is a recurrence whose gates read its own previous output. *Attention* lets every
# step look at all others ([16](16_hybrid_attention.ipynb)).

# %% tags=["baseline"]
d = 64
torch.manual_seed(0)
layers = {
    "Mamba block": MambaBlock(d),
    "LSTM": nn.LSTM(d, d, batch_first=True),
    "attention, fused": nn.TransformerEncoderLayer(d, 4, 4 * d, dropout=0.0, batch_first=True),
    "attention, dropout 0.1": nn.TransformerEncoderLayer(d, 4, 4 * d, dropout=0.1, batch_first=True),
}


def train_step(layer, length, b=2):
    """Forward and backward of one layer on (b,l,d) noise."""
    out = layer(torch.randn(b, length, d))
    (out[0] if isinstance(out, tuple) else out).sum().backward()


# %% [markdown]
# With dropout inside the attention, PyTorch takes the plain way and writes the $l \times l$ table. Without it, it hands the same
# comparisons to one fused kernel.
#
# **Predict, then run:** by which factor does each layer's *writing* grow when the length doubles from 512 to 1024?

# %%
predict("04.l", "By which factor does the writing of the fused attention grow?",
        {"not at all": 1, "twofold": 2, "threefold": 3, "fourfold": 4})


# %%
def written_by(layer, length):
    """Elements written in one train step."""
    with Written() as w:
        train_step(layer, length)
    return w.elements


grows = {}
for name in ("Mamba block", "attention, fused", "attention, dropout 0.1"):
    grows[name] = written_by(layers[name], 1024) / written_by(layers[name], 512)
    print(f"{name:24} x {grows[name]:.1f}")

# %%
outcome("04.l", grows["attention, fused"], because="To compare every step with every other is arithmetic, and need not "
        "leave a table behind: we count what an operation hands out, not what it holds inside.")

# %% [markdown]
# What happens inside, our count cannot see. The idea of such kernels is to make the table piece by piece, and never to store the
# whole of it [@dao2022].
#
# So "attention needs quadratic memory" is no longer true of a good kernel. What stays quadratic is the
# arithmetic, fused or not. Time shows it.
#
# **Predict, then run:** who is fastest at 4096 steps? And is it the one who is fastest at 128? (With dropout we stop at 1024:
# tables of 4096 x 4096 would fill a gigabyte.)

# %%
predict("04.m", "Which layer takes the least time at 4096 steps?", ["Mamba block", "LSTM", "attention, fused"])

# %%
spans = [128, 512, 1024, 4096]
milliseconds = {name: [1000 * cpu_seconds(lambda f=layer, m=m: train_step(f, m), 1) for m in spans]
                for name, layer in layers.items() if name != "attention, dropout 0.1"}
milliseconds["attention, dropout 0.1"] = [
    1000 * cpu_seconds(lambda m=m: train_step(layers["attention, dropout 0.1"], m), 1) for m in spans[:3]]
fig, ax = plt.subplots(figsize=(8, 3.6))
for (name, values), marker in zip(milliseconds.items(), "os^D", strict=True):
    ax.plot(spans[: len(values)], values, marker=marker, label=name)
ax.set(xscale="log", yscale="log", xlabel="length l (steps)", ylabel="train step (ms of CPU time)")
ax.set_xticks(spans, [str(m) for m in spans])
ax.minorticks_off()
ax.legend()
steeper = {name: v[-1] / v[2] for name, v in milliseconds.items() if len(v) == 4}
ax.set_title("From 1024 to 4096 steps: " + ", ".join(f"{name} x {f:.0f}" for name, f in steeper.items()), fontsize=9)
show(fig, "Time of one train step on a CPU against length, d = 64, batch 2. The curves of Mamba and the LSTM rise with "
     "the length, both attention curves bend upwards, the one with dropout first. The title holds the factors that "
     "were measured.")

# %% tags=["nbval-ignore-output"]
longest = {name: values[-1] for name, values in milliseconds.items() if len(values) == len(spans)}
outcome("04.m", min(longest, key=longest.get), because="The order of growth decides in the long run only; until then "
        "the constants do, and they belong to the kernel and to the machine.")

# %% [markdown]
# On your machine another one may win. The recorded run of section 7 timed such layers too, at width 64, in batches of eight.

# %%
crossed = recorded.crossing(bench, "attention, fused", "Mamba")
longest_length = max(r["length"] for r in bench["layers"])
say("Recorded: a train step of the fused attention takes longer than a Mamba block's "
    + (f"from {crossed} steps on, of the lengths that were measured." if crossed else
       f"at none of the lengths up to {longest_length}."))

# %% [markdown]
# Three honest readings. The quadratic arithmetic catches up with the fused attention sooner or later. At short lengths that attention
# beats a Mamba block; which length is short depends on the machine. And the LSTM's time grows like Mamba's, so on one core length is no argument
# against it: its loop is one compiled kernel and its state is small. But its steps do not fold (section 10). Mamba's
# case rests on long sequences, on hardware with many hands, and on what 03 showed: selection.

# %% [markdown]
# ## 9 Build it yourself: a scan with its own backward
# A longer piece of work: make `scan(a, x)` one operation of PyTorch. You write the states' loop and the backward of section 5 once, and autograd
# calls them; it follows no step of yours. `torch.autograd.Function` is the tool. Here it gives the square a backward:


# %%
class Square(torch.autograd.Function):
    """v^2, with its own backward."""

    @staticmethod
    def forward(ctx, v):
        ctx.save_for_backward(v)  # what the backward will need
        return v * v

    @staticmethod
    def backward(ctx, dout):  # dL/d(v^2) comes in, dL/dv goes out: one gradient for each input of forward
        (v,) = ctx.saved_tensors
        return 2 * v * dout


v = torch.tensor([1.0, -3.0], requires_grad=True)
Square.apply(v).sum().backward()
print(v.grad.tolist())

# %% [markdown]
# ### Exercise 04.7 · build a scan with its own backward (hard, 30 minutes)
# - `a` and `x` have one shape $(\dots, l)$, $l \ge 1$; return all states, in the same shape and type, from $h_0 = 0$.
# - Factors may be negative, tiny or 0: never divide by their products.
# - The backward gets $dh$ of every state, does not change it, and returns $da$ and $dx$.
# - The graph has as many nodes for any $l$; the cost of a step does not grow with $l$. Keep $a$ and the states, inside `ctx`.

# %% [markdown]
# The check goes in stages and says how many hold: shapes; values in float64; strong decay and few steps; gradients; use beside others (two
# calls at once, `torch.autograd.gradcheck`); cost. So begin with a forward alone, check, and go on. The class may stand inside the function.


# %%
@exercise("04.7")
def scan(a, x):
    """Tensors a, x (..., l) -> states (..., l): h_t = a_t h_{t-1} + x_t, as one node of the graph."""
    # SOLUTION

    class Scan(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, x):
            h = unbound_loop(a, x)
            ctx.save_for_backward(a, h)
            return h

        @staticmethod
        def backward(ctx, dh):
            a, h = ctx.saved_tensors
            later = F.pad(a[..., 1:], (0, 1))  # step t receives through the factor of step t + 1
            dx = unbound_loop(later.flip(-1), dh.flip(-1)).flip(-1)
            return dx * F.pad(h[..., :-1], (1, 0)), dx

    return Scan.apply(a, x)
    # END SOLUTION


# %%
check("04.7", scan)

# %%
size = {name: [graph_nodes(f(*leaves(m))).total() for m in lengths]
        for name, f in {"loop over unbind": unbound_loop, "own backward": scan}.items()}
print("nodes of the graph at", lengths, "steps:", size)
(da, dx), (da_loop, dx_loop) = (
    torch.autograd.grad(f(*inputs).square().sum(), inputs) for inputs in [leaves(200)] for f in (scan, unbound_loop))
assert torch.allclose(da, da_loop, atol=1e-4) and torch.allclose(dx, dx_loop, atol=1e-4)

# %% [markdown]
# This is how the library's `chunked` backend and `mamba_ssm`'s kernel enter PyTorch: a forward, a backward, one node. They go one step further
# and do not even keep the states.

# %% [markdown]
# ## 10 Limits
# The fold needs steps that are *linear* in $h$: an LSTM computes its gates from its own previous output, and two such steps are no
# step of the same kind, so there is nothing to fold them into. Regrouping also rounds differently: results agree to a tolerance, not to the bit. And
# counts of joins say nothing about memory, which decides on a GPU: notebook 06.

# %% [markdown]
# ## 11 Summary
# - A step is a pair $(a, x)$; two steps fold into $(a_2 a_1,\; a_2 x_1 + x_2)$, in any grouping.
# - Doubling: depth $\log_2 l$, work $l \log_2 l$. Tree: depth $2 \log_2 l$, work $2 l$. With one pair of hands the loop wins.
# - Indexing inside a loop makes the backward quadratic; one `unbind` repairs it.
# - $g_t = dy_t + a_{t+1} g_{t+1}$: the backward is a scan, and recomputing the states saves their memory.
# - Never divide by a product of decays; a difference of logarithms, $\exp(S_t - S_s)$, is safe.

# %%
progress("04")
