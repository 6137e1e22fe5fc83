"""Exercises of 04 parallel scan: composing steps, the doubling scan, carrying into chunks, backwards that stay
linear."""

import math
from itertools import accumulate

import torch

from mgmr_lib.chapters.ch04_parallel_scan.own_backward import BUILD_A_SCAN, linear_loop
from mgmr_lib.chapters.shared.counting import graph_nodes, written_in_backward
from mgmr_lib.chapters.shared.drawing import columns, in_plain_lists, signed, telling
from mgmr_lib.course.compare import difference
from mgmr_lib.course.registry import Case, Exercise, Wrong


def compose(first, second):
    """The one step that does what `first` and then `second` do; a step (a, x) sends h to a h + x."""
    (a1, x1), (a2, x2) = first, second
    return a2 * a1, a2 * x1 + x2


def doubling(steps, join=compose):
    """All prefixes of the list, in rounds of reach 1, 2, 4, ...; every round reads only what the round before wrote."""
    known, reach = list(steps), 1
    while reach < len(known):
        known = known[:reach] + [join(known[i - reach], known[i]) for i in range(reach, len(known))]
        reach *= 2
    return known


def with_carry(local, a, carry):
    """The states of a chunk that starts from `carry`, from those of the same chunk started from zero."""
    return [h + p * carry for h, p in zip(local, accumulate(a, lambda p, q: p * q), strict=True)]


def adjoint(a, x, dy):
    """Gradients (da, dx) of L = sum_t dy_t h_t, for h_t = a_t h_{t-1} + x_t from h = 0."""
    states, h = [], 0.0
    for a_t, x_t in zip(a, x, strict=True):
        states.append(h)
        h = a_t * h + x_t
    da, dx, g, a_later = [], [], 0.0, 0.0
    for a_t, before, d in reversed(list(zip(a, states, dy, strict=True))):
        g = d + a_later * g
        dx.append(g)
        da.append(g * before)
        a_later = a_t
    return da[::-1], dx[::-1]


def steps_before_overflow(decay):
    """The largest T for which exp(decay T) is still a finite float32."""
    return int(math.log(3.4028234663852886e38) / decay)


def _steps(rng, n):
    return [(rng.choice([0.25, 0.5, 0.75, -0.5]), x) for x in signed(rng, n, 4)]


def _compose_cases(rng):
    def six(rng):
        return [((a, x), (b, y)) for a, x, b, y in columns(rng, 6, 4)]

    one_below_zero = telling(rng, six, lambda made: min(min(compose(*args)) for args in made) < 0)
    return [Case(((0.5, 1.0), (0.25, 3.0)), "halve and add 1, then quarter and add 3"), *one_below_zero]


def _in_place(steps, join=compose):
    known, reach = list(steps), 1
    while reach < len(known):
        for i in range(reach, len(known)):
            known[i] = join(known[i - reach], known[i])
        reach *= 2
    return known


def _reach_by_one(steps, join=compose):
    known, reach = list(steps), 1
    while reach < len(known):
        known = known[:1] + [join(known[i - 1], known[i]) for i in range(1, len(known))]
        reach *= 2
    return known


def _one_round_short(steps, join=compose):
    known, reach = list(steps), 1
    while 2 * reach < len(known):
        known = known[:reach] + [join(known[i - reach], known[i]) for i in range(reach, len(known))]
        reach *= 2
    return known


def _one_round(steps, join=compose):
    return list(steps[:1]) + [join(p, q) for p, q in zip(steps, steps[1:], strict=False)]


class _Folded(tuple):
    """A step made of several: how many joins one after the other it took."""

    depth = 0


def _rounds_test(fn, rng):
    """Eight steps need three rounds: no result may hang on a longer chain of joins."""

    def join(first, second):
        both = _Folded(compose(first, second))
        both.depth = 1 + max(getattr(first, "depth", 0), getattr(second, "depth", 0))
        return both

    found = fn(_steps(rng, 8), join)
    depth = max(getattr(step, "depth", 0) for step in found)
    if depth == 0:
        return "The result is right, but the function does not use its argument join: call join(first, second)."
    if depth > 3:
        return (
            f"The result is right, but it comes one after the other: a chain of {depth} joins for 8 steps. "
            "Rounds of reach 1, 2, 4 need 3."
        )
    return None


def _one_after_the_other(steps, join=compose):
    return list(accumulate(steps, join))


def _own_join(steps, join=compose):
    return doubling(steps)


def _carry_cases(rng):
    made = []
    for n in (3, 4, rng.randint(5, 6)):
        a, h, local = signed(rng, n, 1, 3), 0.0, []
        for a_t, x in zip(a, signed(rng, n, 4, 20), strict=True):
            h = a_t * h + x
            local.append(h)
        made.append((local, a, rng.choice([-1, 1]) * (rng.randint(2, 8) + 0.25)))
    made.append((local, a, -made[-1][2]))
    return made


# --- a loop with a linear backward
# --------------------------------------------------------------------------------------------

FULL_SIZE = (
    "SelectBackward0",
    "SliceBackward0",
    "UnbindBackward0",
    "CopySlices",
    "IndexSelectBackward0",
    "IndexBackward0",
    "SplitBackward0",
)


def _inputs(rng, length):
    made = torch.Generator().manual_seed(rng.randrange(2**31))
    return [torch.rand(2, 3, length, generator=made, dtype=torch.float64).requires_grad_() for _ in range(2)]


def _gradients(fn, a, x, weight):
    h = fn(a * 1, x * 1)
    if h.grad_fn is None:
        return h, None
    return h, torch.autograd.grad((h * weight).sum(), (a, x), allow_unused=True)


def _test_linear_loop(fn, rng):
    a, x = _inputs(rng, 5)
    weight = torch.rand(2, 3, 5, dtype=torch.float64)
    want, expected = _gradients(linear_loop, a, x, weight)
    got = fn((a * 1).detach(), (x * 1).detach())
    if found := difference(got, want.detach()):
        return f"For a and x of shape (2, 3, 5), {found}."
    strong, long = torch.full((50,), -30.0, dtype=torch.float64).exp(), _inputs(rng, 50)[1].detach()[0, 0]
    if found := difference(fn(strong, long), linear_loop(strong, long)):
        return f"For 50 factors of exp(-30), {found}. A product of many such factors is 0: never divide by it."
    got, grads = _gradients(fn, a, x, weight)
    if grads is None or any(g is None for g in grads):
        return "The values are right, but no gradient reaches a and x: a detach (or .data, or numpy) cuts the graph."
    for name, g, w in zip(("a", "x"), grads, expected, strict=True):
        if found := difference(g, w):
            return f"The values are right, the gradient of {name} is not ({found}): is a part of the chain detached?"
    costs, nodes = [], None
    for length in (24, 48):
        a, x = _inputs(rng, length)
        out = fn(a * 1, x * 1)
        nodes = graph_nodes(out)
        costs.append(written_in_backward(out))
    if costs[1] <= 2.6 * costs[0]:
        return None
    culprit = max(FULL_SIZE, key=lambda n: nodes[n])
    return (
        f"The result is right, but twice the length costs {costs[1] / costs[0]:.1f} times the writing in the backward. "
        f"For 48 steps the graph holds {nodes[culprit]} nodes {culprit}, and each of them writes a tensor of all 48 "
        "steps."
    )


def _loop(read):
    """A loop that reads step t of a tensor by `read(tensor, t)`."""

    def loop(a, x):
        h, out = torch.zeros_like(x[..., 0]), []
        for t in range(x.shape[-1]):
            h = read(a, t) * h + read(x, t)
            out.append(h)
        return torch.stack(out, dim=-1)

    return loop


def _prefilled(a, x):
    h, out = torch.zeros_like(x[..., 0]), torch.zeros_like(x)
    for t, (a_t, x_t) in enumerate(zip(a.unbind(-1), x.unbind(-1), strict=True)):
        h = a_t * h + x_t
        out[..., t] = h
    return out


def _cut_state(a, x):
    h, out = torch.zeros_like(x[..., 0]), []
    for a_t, x_t in zip(a.unbind(-1), x.unbind(-1), strict=True):
        h = a_t * h.detach() + x_t
        out.append(h)
    return torch.stack(out, dim=-1)


# --- the adjoint
# ------------------------------------------------------------------------------------------------------------


def _adjoint_cases(rng):
    made = [Case(([0.5, 0.5, 0.5], [1.0, 2.0, 4.0], [0.0, 0.0, 1.0]), "only the last state counts")]
    for n in (3, 4, 5):
        made.append((signed(rng, n, 1, 3), signed(rng, n, 4, 24), signed(rng, n, 4, 24)))
    return made


def _overflow_cases(rng):
    """The last decay reaches the largest float32 with a whole number of steps and almost nothing over."""
    just = 88.72282 / rng.choice([100, 300, 700, 1000])
    made = [(0.5,), (10.0,), (1 / 256,)] + [(rng.randint(2, 160) / 16,) for _ in range(4)]
    return [*made, Case((just,), "where the last digits of the logarithm count")]


def _states(a, x):
    return [h for _, h in accumulate(zip(a, x, strict=True), compose)]


def _before(a, x):
    """The state before each step."""
    return [0.0, *_states(a, x)[:-1]]


def _adjoint_variant(a, x, dy, own_a=False, carry=True, new_state=False, forward=False):
    after, before = _states(a, x), _before(a, x)
    order = range(len(a)) if forward else reversed(range(len(a)))
    g, last, dx = 0.0, None, [0.0] * len(a)
    for t in order:
        factor = 0.0 if last is None or not carry else a[t] if own_a or forward else a[last]
        g, last = dy[t] + factor * g, t
        dx[t] = g
    return [p * h for p, h in zip(dx, after if new_state else before, strict=True)], dx


def _multiplied_too_early(a, x, dy):
    dx, g = [0.0] * len(a), 0.0
    for t in reversed(range(len(a))):
        g = a[t] * (dy[t] + g)
        dx[t] = g
    return [p * h for p, h in zip(dx, _before(a, x), strict=True)], dx


EXERCISES = [
    Exercise(
        id="04.1",
        title="two steps are one step",
        difficulty=1,
        minutes=5,
        reference=compose,
        cases=_compose_cases,
        hints=(
            "Send h through the first step, put the result into the second, and collect what multiplies h and what "
            "does not.",
            "first and second are pairs of two numbers, and so is the result: a2 (a1 h + x1) + x2 = (...) h + (...).",
        ),
        after="Any number of steps can now be folded into one, and nobody said which neighbours we fold first.",
        wrong=(
            Wrong(
                "order swapped",
                lambda p, q: compose(q, p),
                "second step first",
                "This runs the second step first: the number that enters the second step is a1 h + x1.",
            ),
            Wrong(
                "inputs just added",
                lambda p, q: (p[0] * q[0], p[1] + q[1]),
                "passes through",
                "x1 passes through the second step too, so it is multiplied by a2 on its way.",
            ),
            Wrong(
                "factors added",
                lambda p, q: (p[0] + q[0], q[0] * p[1] + q[1]),
                "factors multiply",
                "h meets both factors one after the other: factors multiply, they do not add.",
            ),
            Wrong(
                "everything scaled",
                lambda p, q: (p[0] * q[0], q[0] * (p[1] + q[1])),
                "fresh",
                "x2 is fresh when it enters: only what was there before the second step is multiplied by a2.",
            ),
            Wrong(
                "inputs multiplied",
                lambda p, q: (p[0] * q[0], p[1] * q[1]),
                "not multiplied with each other",
                "The two inputs are not multiplied with each other: work out a2 (a1 h + x1) + x2.",
            ),
        ),
    ),
    Exercise(
        id="04.2",
        title="find the bug in the doubling scan",
        difficulty=2,
        minutes=10,
        reference=doubling,
        cases=lambda rng: (
            [Case((_steps(rng, 4),), "four steps")] + [(_steps(rng, n),) for n in (5, 8, rng.randint(17, 20))]
        ),
        test=_rounds_test,
        hints=(
            "In one round all places work at the same time. Which values may they read: those before the round, or "
            "fresh ones?",
            "steps is a list of l pairs, the result is a list of l pairs; build each round's list anew from the whole "
            "old list.",
        ),
        after="A round reads the old list and writes a new one. GPU programmers call this double buffering.",
        wrong=(
            Wrong(
                "in place",
                _in_place,
                "already been overwritten in this round",
                "Some places read a value that has already been overwritten in this round, so steps are counted twice. "
                "Build a new list from the old one.",
            ),
            Wrong(
                "reach stays one",
                _reach_by_one,
                "reaches back by one",
                "Every round reaches back by one place only, and reads sums that overlap: reach back by 1, 2, 4, ...",
            ),
            Wrong(
                "one round short",
                _one_round_short,
                "one round is missing",
                "The late places do not know the first steps: one round is missing. Go on while reach < len(steps).",
            ),
            Wrong(
                "one round only",
                _one_round,
                "two steps only",
                "Each place now knows two steps only: repeat with a reach of 2, 4, ... until it spans the list.",
            ),
            Wrong("a loop", _one_after_the_other, "one after the other"),
            Wrong("join not used", _own_join, "does not use its argument"),
            Wrong(
                "join turned round",
                lambda steps, join=compose: doubling(steps, lambda p, q: join(q, p)),
                "later part comes second",
                "The arguments of join are turned round: the earlier part comes first, the later part comes second.",
            ),
        ),
    ),
    Exercise(
        id="04.3",
        title="carry a state into a chunk",
        difficulty=2,
        minutes=6,
        reference=with_carry,
        cases=_carry_cases,
        test=in_plain_lists(lambda rng: _carry_cases(rng)[0]),
        hints=(
            "The chunk's first state misses a_1 carry, the second misses a_2 a_1 carry. And the third?",
            "local and a are lists of T numbers, carry is one number; the result is a list of T numbers.",
        ),
        after="One multiplication and one addition a place, and all places at the same time.",
        wrong=(
            Wrong(
                "carry added as it is",
                lambda local, a, carry: [h + carry for h in local],
                "does not fade",
                "Here the carry does not fade: it passes through every step of the chunk and is multiplied on its way.",
            ),
            Wrong(
                "own factor only",
                lambda local, a, carry: [h + p * carry for h, p in zip(local, a, strict=True)],
                "product of all",
                "Only the step's own factor is applied; the carry has come through the product of all factors up to "
                "this step.",
            ),
            Wrong(
                "product one late",
                lambda local, a, carry: [
                    h + p * carry for h, p in zip(local, [1.0, *accumulate(a, lambda p, q: p * q)], strict=False)
                ],
                "own factor too",
                "The product lacks the last factor: at step t the carry has met a_t, the step's own factor too.",
            ),
            Wrong(
                "first state only",
                lambda local, a, carry: [local[0] + a[0] * carry, *local[1:]],
                "every later state",
                "The carry enters at the first step, and from there it reaches every later state of the chunk.",
            ),
            Wrong(
                "last state only",
                lambda local, a, carry: with_carry(local, a, carry)[-1],
                "one number",
                "This is one number, the chunk's last state: return the states of all steps.",
            ),
            Wrong("a tensor", lambda *given: torch.tensor(with_carry(*given), dtype=torch.float64), "a plain list"),
        ),
    ),
    Exercise(
        id="04.4",
        title="a loop whose backward is linear",
        difficulty=2,
        minutes=8,
        reference=linear_loop,
        test=_test_linear_loop,
        limit_s=60.0,  # the first use of a dispatch mode imports much of torch, which takes long on a busy machine
        hints=(
            "Cut the tensor into its steps once, before the loop, with a single operation.",
            "a.unbind(-1) gives l tensors of shape (...); collect l states and join them with torch.stack(out, "
            "dim=-1).",
        ),
        after="One operation cut the tensor, so one node puts its gradient together, in a single pass.",
        wrong=(
            Wrong("indexing", _loop(lambda t, i: t[..., i]), " SelectBackward0"),
            Wrong("slices of width one", _loop(lambda t, i: t[..., i : i + 1].sum(-1)), "SliceBackward0"),
            Wrong("unbind inside the loop", _loop(lambda t, i: t.unbind(-1)[i]), "UnbindBackward0"),
            Wrong("a prefilled output", _prefilled, "CopySlices"),
            Wrong(
                "index_select",
                _loop(lambda t, i: t.index_select(-1, torch.tensor([i])).sum(-1)),
                "IndexSelectBackward0",
            ),
            Wrong("all detached", lambda a, x: linear_loop(a.detach(), x.detach()), "cuts the graph"),
            Wrong("state detached", _cut_state, "part of the chain"),
            Wrong("cumulative sum", lambda a, x: (a * x).cumsum(-1), "shape (2, 3, 5)"),
            Wrong("closed form", lambda a, x: a.cumprod(-1) * (x / a.cumprod(-1)).cumsum(-1), "never divide"),
        ),
    ),
    Exercise(
        id="04.5",
        title="the backward by hand",
        difficulty=3,
        minutes=15,
        reference=adjoint,
        cases=_adjoint_cases,
        test=in_plain_lists(lambda rng: _adjoint_cases(rng)[-1], pair=True),
        hints=(
            "Run forward once and keep the states. Then walk back with one number g: how much the loss changes if h_t "
            "changes.",
            "a, x, dy are lists of l numbers; return two lists of l: da_t = g_t h_{t-1} (with h = 0 before the start) "
            "and dx_t = g_t.",
        ),
        after="The backward of a recurrence is a recurrence that runs the other way.",
        wrong=(
            Wrong(
                "own factor",
                lambda a, x, dy: _adjoint_variant(a, x, dy, own_a=True),
                "factor of step t + 1",
                "From step t + 1 to step t the gradient passes the factor of step t + 1; here it is multiplied by a_t.",
            ),
            Wrong(
                "no carry",
                lambda a, x, dy: _adjoint_variant(a, x, dy, carry=False),
                "all later states",
                "h_t also acts on the loss through all later states: g_t needs the term from g of step t + 1.",
            ),
            Wrong(
                "new state",
                lambda a, x, dy: _adjoint_variant(a, x, dy, new_state=True),
                "the state before it",
                "a_t multiplies the state before it, h of step t - 1; da here uses the state after the step.",
            ),
            Wrong(
                "wrong direction",
                lambda a, x, dy: _adjoint_variant(a, x, dy, forward=True),
                "from the past",
                "This collects gradient from the past; a state acts on later outputs, so walk from the last step to "
                "the first.",
            ),
            Wrong(
                "lists swapped",
                lambda a, x, dy: adjoint(a, x, dy)[::-1],
                "the other way round",
                "The two lists are the other way round: da comes first, dx second.",
            ),
            Wrong(
                "reversed lists",
                lambda a, x, dy: tuple(v[::-1] for v in adjoint(a, x, dy)),
                "still in reverse",
                "The lists are still in reverse order: the walk went backwards, the result must start with step 1.",
            ),
            Wrong(
                "direct part alone in da",
                lambda a, x, dy: ([d * h for d, h in zip(dy, _before(a, x), strict=True)], adjoint(a, x, dy)[1]),
                "da takes dy",
                "dx is right, but da takes dy, the direct effect at step t alone: a_t moves h_t, whose whole effect is "
                "g_t.",
            ),
            Wrong(
                "multiplied too early",
                _multiplied_too_early,
                "too early",
                "g is multiplied by a_t too early, before it is stored: a_t leads on to step t - 1, and dx_t is g_t "
                "without it.",
            ),
            Wrong("a list of both", lambda a, x, dy: list(adjoint(a, x, dy)), "a pair of plain lists"),
        ),
    ),
    Exercise(
        id="04.6",
        title="how long the closed form lives",
        difficulty=2,
        minutes=5,
        reference=steps_before_overflow,
        cases=_overflow_cases,
        hints=(
            "The largest float32 is torch.finfo(torch.float32).max. Which power of e is that?",
            "decay is one positive number, the result a whole number: the largest T with decay T below that power.",
        ),
        after="A strongly decaying channel leaves the closed form a handful of steps.",
        wrong=(
            Wrong(
                "float64's range",
                lambda decay: int(709.78 / decay),
                "float64",
                "That is the range of Python's own numbers, float64; our tensors are float32, and their largest number "
                "is smaller.",
            ),
            Wrong(
                "88.7",
                lambda decay: int(88.7 / decay),
                "is cut to 88.7",
                "The logarithm is cut to 88.7, and at a mild decay the rest is several steps: take math.log of the "
                "largest float32.",
            ),
            Wrong(
                "one too many",
                lambda decay: int(math.log(3.4028234663852886e38) / decay) + 1,
                "one step too many",
                "That is one step too many: at this T the number is already infinite. Round down.",
            ),
            Wrong(
                "decay forgotten",
                lambda decay: 88,
                "whatever the decay",
                "This is the answer for a decay of 1, whatever the decay is: divide by it.",
            ),
            Wrong(
                "logarithm to base ten",
                lambda decay: int(math.log10(3.4028234663852886e38) / decay),
                "powers of ten",
                "This counts powers of ten; exp grows by powers of e, so use the natural logarithm.",
            ),
            Wrong(
                "multiplied",
                lambda decay: int(math.log(3.4028234663852886e38) * decay),
                "stronger decay",
                "With this formula a stronger decay lives longer: divide by the decay instead.",
            ),
        ),
    ),
    BUILD_A_SCAN,
]
