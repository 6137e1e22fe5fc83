"""Exercises of 03 selection, on plain lists: the selective step, the gate's weights, causal time steps, what is
kept."""

import math

from mgmr_lib.chapters.shared.drawing import signed
from mgmr_lib.course.registry import Case, Exercise, Wrong


def softplus(v):
    """log(1 + e^v), without overflow."""
    return max(v, 0.0) + math.log1p(math.exp(-abs(v)))


def selective_step(h, u, delta, A, B):
    """One step of the selective recurrence for one channel."""
    return [math.exp(delta * a) * h_i + delta * b * u for a, b, h_i in zip(A, B, h, strict=True)]


def gate_weights(shut, opened):
    """(bias, weight) with softplus(bias) = shut and softplus(bias + weight) = opened."""
    bias = math.log(math.expm1(shut))
    return bias, math.log(math.expm1(opened)) - bias


def time_steps(x, w, bias):
    """softplus(w . x_t + bias) for every step."""
    return [softplus(sum(a * b for a, b in zip(w, row, strict=True)) + bias) for row in x]


def kept(delta, A):
    """What the input of each step has left in the state after the last step, per unit of input (B = 1)."""
    later, found = 0.0, []
    for d in reversed(delta):
        found.append(d * math.exp(A * later))
        later += d
    return found[::-1]


def _step_cases(rng):
    made = [Case(([1.0], 2.0, 0.5, [-1.0], [3.0]), "one state number")]
    for u in signed(rng, 5, 2):
        n, delta = rng.randint(2, 3), rng.choice([0.25, 0.5, 0.75, 1.5])
        made.append((signed(rng, n), u, delta, [-rng.randint(1, 8) / 4 for _ in range(n)], signed(rng, n, 2)))
    return made


def _gate_cases(rng):
    opened = rng.sample([0.5, 0.75, 1.5, 2.0, 3.0], 4)
    return [
        Case((0.01, 1.0), "almost shut, and open"),
        *((rng.choice([0.001, 0.02, 0.05, 0.1]), o) for o in opened),
        Case((2.0, rng.choice([2.5, 3.0])), "a gate that never shuts"),
        Case((rng.choice([0.75, 1.5]), 0.05), "a bell that shuts the gate"),
    ]


def _time_cases(rng):
    made = []
    for bias in rng.sample([-2.0, -1.0, -0.75, 0.5, 1.0], 5):
        d, length = rng.randint(2, 3), rng.randint(2, 4)
        made.append(([signed(rng, d) for _ in range(length)], signed(rng, d), bias))
    return made


def _kept_cases(rng):
    made = [Case(([1.0, 0.0, 0.0], -1.0), "one open step, then time stands still")]
    return made + [
        ([rng.choice([0.0, 0.25, 0.5, 1.0, 2.0]) for _ in range(rng.randint(2, 4))] + [0.75, 0.5], -rate / 4)
        for rate in rng.sample(range(1, 9), 5)  # two of them whole numbers at most
    ]


def _scores(x, w, bias):
    return [sum(a * b for a, b in zip(w, row, strict=True)) + bias for row in x]


def _centred(x, w, bias):
    scores = _scores(x, w, 0.0)
    mean = sum(scores) / len(scores)
    return [softplus(s - mean + bias) for s in scores]


def _centred_on_the_past(x, w, bias):
    scores = _scores(x, w, 0.0)
    return [softplus(s - sum(scores[: t + 1]) / (t + 1) + bias) for t, s in enumerate(scores)]


def _softmax(x, w, bias):
    powers = [math.exp(s) for s in _scores(x, w, bias)]
    return [p / sum(powers) for p in powers]


def _own_too(delta, A):
    return [k * math.exp(A * d) for k, d in zip(kept(delta, A), delta, strict=True)]


def _next_only(delta, A):
    return [d * math.exp(A * later) for d, later in zip(delta, [*delta[1:], 0.0], strict=True)]


def _states(delta, A):
    h, found = 0.0, []
    for d in delta:
        h = math.exp(d * A) * h + d
        found.append(h)
    return found


def _before(delta, A):
    return kept(delta[::-1], A)[::-1]


EXERCISES = [
    Exercise(
        id="03.1",
        title="one selective step",
        difficulty=1,
        minutes=6,
        reference=selective_step,
        cases=_step_cases,
        atol=1e-6,  # an answer in float32 is right where the two terms nearly cancel, too
        hints=(
            "As in notebook 02 with Mamba's rule, only that delta belongs to this step: it stands in the factor and "
            "beside the input.",
            "h, A and B are lists of n numbers, u and delta are numbers; build a new list of n numbers.",
        ),
        after="With delta = 0 nothing fades and nothing enters: for this step, time stands still.",
        wrong=(
            Wrong(
                "delta not on the input",
                lambda h, u, d, A, B: [math.exp(d * a) * s + b * u for a, b, s in zip(A, B, h, strict=True)],
                "at full strength",
                "The input enters at full strength however small delta is: a step that is to be ignored must not "
                "enter.",
            ),
            Wrong(
                "delta not on the state",
                lambda h, u, d, A, B: [math.exp(a) * s + d * b * u for a, b, s in zip(A, B, h, strict=True)],
                "fades as if",
                "The state fades as if delta were 1: a step that is to be ignored must not cost any memory.",
            ),
            Wrong(
                "Euler",
                lambda h, u, d, A, B: [(1 + d * a) * s + d * b * u for a, b, s in zip(A, B, h, strict=True)],
                "Euler",
                "This is Euler's factor; for a large delta it leaves stability. Mamba's factor is exp(delta A).",
            ),
            Wrong(
                "held input",
                lambda h, u, d, A, B: [
                    math.exp(d * a) * s + math.expm1(d * a) / a * b * u for a, b, s in zip(A, B, h, strict=True)
                ],
                "zero-order hold",
                "This is the zero-order hold, and it works; Mamba, whose weights we want to use later, has delta B "
                "instead.",
            ),
            Wrong("state lost", lambda h, u, d, A, B: [d * b * u for b in B], "old state", "The old state is missing."),
        ),
    ),
    Exercise(
        id="03.2",
        title="weights of a gate",
        difficulty=2,
        minutes=8,
        reference=gate_weights,
        cases=_gate_cases,
        hints=(
            "Solve softplus(v) = s for v first: e^v = e^s - 1. The weight is what the mark has to add.",
            "Two numbers in, two out: bias = log(exp(shut) - 1), weight = log(exp(opened) - 1) - bias.",
        ),
        after="One bias and one weight are enough to listen only when the bell rings.",
        wrong=(
            Wrong(
                "no difference",
                lambda s, o: (math.log(math.expm1(s)), math.log(math.expm1(o))),
                "comes on top",
                "Your weight would be right alone, but it comes on top of the bias: take the difference.",
            ),
            Wrong(
                "logarithm",
                lambda s, o: (math.log(s), math.log(o) - math.log(s)),
                "inverse of exp",
                "log is the inverse of exp; softplus(v) = log(1 + e^v) has the inverse log(e^s - 1).",
            ),
            Wrong(
                "softplus itself",
                lambda s, o: (softplus(s), softplus(o) - softplus(s)),
                "wrong way round",
                "You apply softplus once more; we go the wrong way round with it and need its inverse.",
            ),
            Wrong(
                "raw values",
                lambda s, o: (s, o - s),
                "passes through",
                "You forget that the sum passes through softplus: for these numbers the gate is never shut.",
            ),
            Wrong(
                "swapped",
                lambda s, o: gate_weights(o, s),
                "without a bell",
                "Your gate is open without a bell and shut with one: swap the two.",
            ),
        ),
    ),
    Exercise(
        id="03.3",
        title="find the bug in the time steps",
        difficulty=2,
        minutes=8,
        reference=time_steps,
        cases=_time_cases,
        hints=(
            "Which quantity of the colleague's code depends on steps that have not happened yet?",
            "x is a list of l lists of e numbers, w has e numbers, bias is one; each step gives one number, from its "
            "own row alone.",
        ),
        after="Each step decides alone, so that the same layer runs on a live signal.",
        wrong=(
            Wrong(
                "centred",
                _centred,
                "over all steps",
                "The mean runs over all steps, the future ones too: a live system does not have them.",
            ),
            Wrong(
                "centred on the past",
                _centred_on_the_past,
                "of the steps so far",
                "A mean of the steps so far no longer looks ahead, but the same input still gets another time step if "
                "others came before it, and the first step always gets softplus(bias). Leave the mean out.",
            ),
            Wrong(
                "softmax",
                _softmax,
                "compete",
                "With a softmax the steps compete for one total, and an early step depends on all later ones.",
            ),
            Wrong(
                "bias outside",
                lambda x, w, b: [softplus(s) + b for s in _scores(x, w, 0.0)],
                "inside softplus",
                "The bias belongs inside softplus: outside, a negative one makes negative time steps.",
            ),
            Wrong(
                "relu",
                lambda x, w, b: [max(s, 0.0) for s in _scores(x, w, b)],
                "exactly zero",
                "max(., 0) makes steps exactly zero, where no gradient can wake them again: use softplus.",
            ),
            Wrong(
                "exponential",
                lambda x, w, b: [math.exp(s) for s in _scores(x, w, b)],
                "is exp alone",
                "This is exp alone, which explodes for large scores: softplus grows only in proportion.",
            ),
            Wrong(
                "no bias",
                lambda x, w, b: [softplus(s) for s in _scores(x, w, 0.0)],
                "bias is missing",
                "The bias is missing: without it no step can be small by default.",
            ),
        ),
    ),
    Exercise(
        id="03.4",
        title="what is kept",
        difficulty=3,
        minutes=12,
        reference=kept,
        cases=_kept_cases,
        hints=(
            "An input enters with its own delta and then fades through all the deltas after it. Walk backwards and add "
            "those up.",
            "delta is a list of l numbers, A one number below 0; the result has l numbers, delta_t exp(A times the sum "
            "of later deltas).",
        ),
        after="Small deltas cost an input neither place nor time: what counts is the time that the gate was open "
        "since.",
        wrong=(
            Wrong(
                "own step fades too",
                _own_too,
                "its own step",
                "In yours each input fades through its own step too: it has just entered, only later steps fade it.",
            ),
            Wrong(
                "earlier deltas",
                _before,
                "earlier steps",
                "You let an input fade through the earlier steps: those happened before it came.",
            ),
            Wrong(
                "not turned back",
                lambda d, A: kept(d, A)[::-1],
                "last step first",
                "The numbers are right, but they come last step first: you walked backwards, so turn the list round at "
                "the end.",
            ),
            Wrong(
                "next step only",
                _next_only,
                "next step alone",
                "In yours each input fades through the next step alone: add up the deltas of all later steps.",
            ),
            Wrong(
                "A forgotten",
                lambda d, A: kept(d, -1.0),
                "A is missing",
                "A is missing from the exponent: it says how much a unit of time fades.",
            ),
            Wrong(
                "the state itself",
                _states,
                "the state after each step",
                "This is the state after each step, with all inputs together; asked is what each input has left at the "
                "end.",
            ),
            Wrong(
                "entry forgotten",
                lambda d, A: [
                    k / x if x else math.exp(A * sum(d[i + 1 :]))
                    for i, (k, x) in enumerate(zip(kept(d, A), d, strict=True))
                ],
                "all enter alike",
                "The fading is right, but all enter alike: an input enters with its own delta.",
            ),
            Wrong(
                "clock time",
                lambda d, A: [x * math.exp(A * (len(d) - 1 - i)) for i, x in enumerate(d)],
                "by the clock",
                "You let everything fade by the clock, one unit a step; here time passes only as fast as delta says.",
            ),
            Wrong(
                "shares",
                lambda d, A: [k / sum(kept(d, A)) for k in kept(d, A)],
                "share of the whole",
                "This is each input's share of the whole state; asked is what is left of one unit of it: do not divide "
                "by the sum.",
            ),
            Wrong(
                "grows",
                lambda d, A: kept(d, -A),
                "grows",
                "The past grows in yours: A is below zero, so no further minus belongs in the exponent.",
            ),
        ),
    ),
]
