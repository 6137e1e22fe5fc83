"""Exercises of 01 recurrence, in pure Python: no tensor before notebook 02."""

import cmath
import math

from mgmr_lib.chapters.shared.drawing import columns, in_plain_lists, signed, telling
from mgmr_lib.course.registry import Case, Exercise, Wrong


def step(h, x, a, b):
    """The next state."""
    return a * h + b * x


def run(x, a, b, c, d):
    """All outputs of the recurrence that starts from h = 0."""
    h, y = 0.0, []
    for value in x:
        h = a * h + b * value
        y.append(c * h + d * value)
    return y


def pole_for_half_life(steps):
    """The a in (0, 1) that leaves half of the state after `steps` steps."""
    return 0.5 ** (1 / steps)


def vector_step(h, x, A, B):
    """The next state of n numbers."""
    return [sum(a * value for a, value in zip(row, h, strict=True)) + b * x for row, b in zip(A, B, strict=True)]


def poles(A):
    """Both eigenvalues of a 2 x 2 matrix."""
    trace, det = A[0][0] + A[1][1], A[0][0] * A[1][1] - A[0][1] * A[1][0]
    root = cmath.sqrt(trace * trace - 4 * det)
    return (trace + root) / 2, (trace - root) / 2


def is_stable(A):
    """Whether both poles lie inside the unit circle."""
    return all(abs(p) < 1 for p in poles(A))


def _step_cases(rng):
    one_below_zero = telling(rng, lambda rng: columns(rng, 5, 4), lambda made: min(step(*args) for args in made) < 0)
    return [Case((2.0, 1.0, 0.5, 3.0), "two round numbers"), *one_below_zero]


def _run_cases(rng):
    a, b, c, d = (
        rng.choice([0.25, 0.5, 0.75]),
        float(rng.randint(2, 4)),
        float(rng.randint(2, 4)),
        float(rng.randint(2, 4)),
    )
    made = [Case(([1.0, 0.0, 0.0, 0.0], a, b, c, d), "a click, then silence")]
    weights = zip(signed(rng, 4, 1, 3), columns(rng, 4, 3), strict=True)
    made += [(signed(rng, rng.randint(3, 6)), a, *others) for a, others in weights]
    return made + [Case(([], a, b, c, d), "no input at all")]


def _late(x, a, b, c, d):
    h, y = 0.0, []
    for value in x:
        y.append(c * h + d * value)
        h = a * h + b * value
    return y


def _forgets_the_state(x, a, b, c, d):
    return [c * b * value + d * value for value in x]


def _in_place(h, x, A, B):
    h = list(h)
    for i in range(len(h)):
        h[i] = sum(A[i][j] * h[j] for j in range(len(h))) + B[i] * x
    return h


def _vector_cases(rng):
    made = [Case(([1.0, 0.0], 0.0, [[0.0, -1.0], [1.0, 0.0]], [1.0, 0.0]), "a quarter turn")]
    for x, n in zip(signed(rng, 4), (rng.randint(3, 4), *(rng.randint(2, 4) for _ in range(3))), strict=True):
        made.append((signed(rng, n), x, [signed(rng, n) for _ in range(n)], signed(rng, n, 2)))
    return made


def _stable_cases(rng):
    """Families that separate the plausible shortcuts, each with random numbers; real poles of 1.4 at most outside, so
    that one divided by 3 in place of 2 shows, too."""
    s, big, r = rng.choice([-1, 1]), float(rng.randint(3, 20)), rng.choice([1.1, 1.25, 1.3])
    return [
        Case(([[0.5, big], [0.0, rng.choice([0.25, 0.75])]],), "a large entry beside the diagonal"),
        Case(([[0.75, rng.choice([0.5, 0.625])], [rng.choice([0.5, 0.625]), 0.75]],), "every entry below 1"),
        Case(([[0.0, -r], [r, 0.0]],), "a turn that grows"),
        Case(([[0.0, -1 / r], [1 / r, 0.0]],), "a turn that shrinks"),
        Case(([[s * r, 0.0], [0.0, 0.5]],), "one pole outside"),
        Case(([[0.75, 0.0], [0.0, -s * 2.0]],), "one pole far outside"),
        Case(([[-r, 1.0], [0.0, 0.25]],), "a negative pole outside, a positive one inside"),
        Case(([[-0.5, rng.choice([0.0, 1.0])], [0.0, -0.75]],), "negative poles"),
        Case(([[0.999, big], [0.0, 0.998]],), "long growth before it fades"),
        # on the circle: only matrices whose poles every way of computing them gets without rounding
        Case(([[float(s), 0.0], [0.0, 0.0]],), "a pole exactly on the circle"),
        Case(([[0.0, -s * 1.0], [s * 1.0, 0.0]],), "a turn that neither grows nor shrinks"),
        *(Case((A,), "close to the border") for A in _near_the_border(rng, 24)),
    ]


def _near_the_border(rng, n):
    """Matrices in which every entry counts: their larger pole is a little too large and a little too small in turn."""
    made = []
    while len(made) < n:
        A = [[rng.choice([-1, 1]) * rng.randint(1, 12) / 8 for _ in range(2)] for _ in range(2)]
        low, high = (0.85, 0.97) if len(made) % 2 else (1.03, 1.15)
        if low < max(abs(p) for p in poles(A)) < high:
            made.append(A)
    return made


EXERCISES = [
    Exercise(
        id="01.1",
        title="one step of the recurrence",
        difficulty=1,
        minutes=3,
        reference=step,
        cases=_step_cases,
        hints=(
            "The new state is a share of the old state plus a share of the input.",
            "h, x, a and b are plain numbers, and so is the result: one line with two products.",
        ),
        after="That is the whole memory: everything before this step reaches us through h alone.",
        wrong=(
            Wrong(
                "a and b swapped",
                lambda h, x, a, b: b * h + a * x,
                "swapped",
                "The weights look swapped: a belongs to the state, b to the input.",
            ),
            Wrong(
                "b left out",
                lambda h, x, a, b: a * h + x,
                "weight b",
                "The input enters without its weight b: it is right only where b = 1.",
            ),
            Wrong(
                "state not scaled",
                lambda h, x, a, b: h + b * x,
                "never fades",
                "The old state enters without its factor a: such a memory never fades.",
            ),
            Wrong(
                "old state lost",
                lambda h, x, a, b: b * x,
                "only the present",
                "The old state is missing: this system knows only the present.",
            ),
            Wrong(
                "a over both",
                lambda h, x, a, b: a * (h + b * x),
                "fresh input",
                "The factor a is applied to the sum: it fades the fresh input too, before it was ever stored.",
            ),
        ),
    ),
    Exercise(
        id="01.2",
        title="the whole sequence",
        difficulty=1,
        minutes=8,
        reference=run,
        cases=_run_cases,
        test=in_plain_lists(lambda rng: _run_cases(rng)[0].args),
        hints=(
            "Start with h = 0. For each input: first update the state, then compute the output from the new state.",
            "x and y are lists of equal length l; h stays a single number that the loop overwrites.",
        ),
        after="The loop keeps one number, whatever the length of x.",
        wrong=(
            Wrong(
                "one step late",
                _late,
                "one step late",
                "The output comes one step late: it is computed from the old state. Update h first, then compute y.",
            ),
            Wrong(
                "d forgotten",
                lambda x, a, b, c, d: run(x, a, b, c, 0.0),
                "shortcut",
                "The shortcut d x is missing: the input also reaches the output directly.",
            ),
            Wrong(
                "states returned",
                lambda x, a, b, c, d: run(x, a, b, 1.0, 0.0),
                "states",
                "These are the states: the output is c h + d x.",
            ),
            Wrong(
                "state restarts",
                _forgets_the_state,
                "starts again",
                "The state starts again at every step: set h = 0 once, before the loop.",
            ),
            Wrong(
                "last output only",
                lambda x, a, b, c, d: (run(x, a, b, c, d) or [0.0])[-1],
                "last output alone",
                "This is the last output alone: collect one output for every step in a list.",
            ),
            Wrong(
                "c on the sum",
                lambda x, a, b, c, d: [c * y for y in run(x, a, b, 1.0, d)],
                "both terms",
                "c multiplies both terms: it belongs to the state alone, d to the input.",
            ),
            Wrong("a tuple", lambda x, a, b, c, d: tuple(run(x, a, b, c, d)), "a plain list"),
        ),
    ),
    Exercise(
        id="01.3",
        title="the pole of a given half-life",
        difficulty=2,
        minutes=8,
        reference=pole_for_half_life,
        cases=lambda rng: [(2,)] + [(n,) for n in rng.sample(range(3, 200), 5)],
        hints=(
            "After one step a share a is left, after two a times a. Which a leaves one half after `steps` steps?",
            "A number goes in, a number between 0 and 1 comes out: solve a ** steps = 0.5 for a.",
        ),
        after="From now on we can choose a memory in steps instead of guessing a.",
        wrong=(
            Wrong(
                "linear",
                lambda steps: 1 - 1 / steps,
                "same share",
                "1 - 1/steps is the fading of a memory that loses the same amount every step; ours loses the same "
                "share.",
            ),
            Wrong(
                "half at once",
                lambda steps: 0.5 / steps,
                "divides",
                "This divides one half by the steps; the factors of the steps multiply.",
            ),
            Wrong(
                "time constant",
                lambda steps: cmath.exp(-1 / steps).real,
                "time constant",
                "This is the a of a time constant: it leaves 1/e (about a third) after `steps` steps, not one half.",
            ),
            Wrong(
                "doubling",
                lambda steps: 2 ** (1 / steps),
                "doubles",
                "This a is larger than 1: the state doubles instead of halving.",
            ),
            Wrong(
                "power turned round",
                lambda steps: 0.5**steps,
                "one step",
                "This is what a = 0.5 leaves after `steps` steps; we look for the a of one step, so take a root.",
            ),
            Wrong(
                "half in equal parts",
                lambda steps: 1 - 0.5 / steps,
                "equal parts",
                "This takes away one half in equal parts, of the start; each step takes its share of what is left.",
            ),
            Wrong(
                "the logarithm of a",
                lambda steps: math.log(0.5) / steps,
                "log a",
                "This is log a, which is below 0: exp turns it into a.",
            ),
            Wrong(
                "not turned round",
                lambda steps: math.log(0.5) / math.log(steps),
                "half-life of a pole",
                "Here `steps` stands in the place of a, as if we wanted the half-life of a pole: solve the formula "
                "for a.",
            ),
        ),
    ),
    Exercise(
        id="01.4",
        title="find the bug in the vector step",
        difficulty=2,
        minutes=10,
        reference=vector_step,
        cases=_vector_cases,
        hints=(
            "Follow a quarter turn by hand: when the second entry is computed, which first entry does it read, old or "
            "new?",
            "h and B are lists of n numbers, A is a list of n rows; build a new list of n numbers and leave h alone.",
        ),
        after="All n entries of the new state read the same old state.",
        wrong=(
            Wrong(
                "updated in place",
                _in_place,
                "already been overwritten",
                "Later entries read earlier ones that have already been overwritten: compute all of them from the old "
                "state.",
            ),
            Wrong(
                "columns for rows",
                lambda h, x, A, B: vector_step(h, x, [list(r) for r in zip(*A, strict=True)], B),
                "row i",
                "This uses columns for rows: entry i of the result needs row i of A.",
            ),
            Wrong(
                "input lost",
                lambda h, x, A, B: vector_step(h, 0.0, A, B),
                "B x",
                "The term B x is missing: without it nothing ever enters the state.",
            ),
            Wrong(
                "input without B",
                lambda h, x, A, B: vector_step(h, x, A, [1.0] * len(B)),
                "its own weight",
                "x is added to every entry alike: each entry has its own weight in B.",
            ),
        ),
    ),
    Exercise(
        id="01.5",
        title="the stability of two numbers",
        difficulty=3,
        minutes=12,
        reference=is_stable,
        cases=_stable_cases,
        hints=(
            "Solve p² - trace p + det = 0: the poles are (trace ± cmath.sqrt(trace² - 4 det)) / 2. Both must be "
            "smaller than 1 in abs.",
            "A is a list of two rows of two numbers; two complex poles come from it; the answer is one True or False.",
        ),
        after="The poles decide, not the entries: a large one on one side of the diagonal alone does no harm.",
        wrong=(
            Wrong(
                "entries",
                lambda A: all(abs(v) < 1 for row in A for v in row),
                "entries",
                "This looks at the entries of A; a matrix with small entries can grow, and one with a large entry can "
                "fade.",
            ),
            Wrong(
                "determinant",
                lambda A: abs(A[0][0] * A[1][1] - A[0][1] * A[1][0]) < 1,
                "determinant",
                "This looks at the determinant, the product of the poles: a small one can hide a large one.",
            ),
            Wrong(
                "real parts",
                lambda A: all(abs(p.real) < 1 for p in poles(A)),
                "real part",
                "This looks at the real part alone: a pole far up the imaginary axis grows too. Take abs of the "
                "complex number.",
            ),
            Wrong(
                "continuous time",
                lambda A: all(p.real < 0 for p in poles(A)),
                "continuous time",
                "Real parts below zero are the rule of continuous time; with steps, the poles must lie inside the unit "
                "circle.",
            ),
            Wrong(
                "circle included",
                lambda A: all(abs(p) <= 1 for p in poles(A)),
                "on the circle",
                "A pole on the circle never fades, and some input drives it beyond all bounds. Inside means strictly "
                "inside.",
            ),
            Wrong(
                "one pole suffices",
                lambda A: any(abs(p) < 1 for p in poles(A)),
                "both poles",
                "One pole inside is not enough: both poles must lie inside the circle.",
            ),
            Wrong(
                "answer turned round",
                lambda A: not is_stable(A),
                "turned round",
                "The answer is turned round: True means stable, so that the state fades.",
            ),
        ),
    ),
]
