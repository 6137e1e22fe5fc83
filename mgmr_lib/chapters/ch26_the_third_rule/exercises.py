"""Exercises of 26 the third rule: three weights, turned pairs, the scan that does not turn, counting, MIMO's cost."""

import cmath
import contextlib
import math
import sys
from itertools import accumulate

import torch

from mgmr_lib.chapters.shared.drawing import quarters
from mgmr_lib.course.registry import Case, Exercise, Wrong
from mgmr_lib.ssm import mamba3


def three_weights(A, B, dt, lam):
    """(alpha, beta, gamma) of h_t = alpha h_{t-1} + beta u_{t-1} + gamma u_t; lam is the share of the step's end."""
    alpha = math.exp(dt * A)
    return alpha, (1 - lam) * dt * alpha * B, lam * dt * B


def turn(v, theta):
    """v (l,n) with entries 2 i and 2 i + 1 turned by theta_i, theta (l,n/2) in radians."""
    return mamba3.turned(v, theta)


def turned_scan(x, dt, A, B, C, angle):
    """The turning recurrence of one head with lambda = 1, by turned B and C: (l,p), (l), (l), (l,n) twice, (l,n/2)."""
    theta = (dt[:, None] * angle).cumsum(0)
    B, C = turn(B, theta), turn(C, theta)
    h, ys = x.new_zeros(B.shape[1], x.shape[1]), []
    for t in range(len(x)):
        h = torch.exp(dt[t] * A[t]) * h + dt[t] * torch.outer(B[t], x[t])
        ys.append(C[t] @ h)
    return torch.stack(ys)


def count_by_turning(numbers, k):
    """The sum so far, modulo k, after each number, read from one complex number that turns."""
    z, sums = 1 + 0j, []
    for x in numbers:
        z = z * cmath.exp(2j * math.pi * x / k)
        sums.append(round(cmath.phase(z) * k / (2 * math.pi)) % k)
    return sums


def step_cost(n, p, r):
    """(multiply-adds, numbers moved) of one head's step with r inputs and outputs a state: decay, write, read."""
    return n * p * (1 + 2 * r), 2 * n * p + 2 * r * (n + p)


def _weight_cases(rng):
    made = [Case((-1.0, 1.0, 0.5, 1.0), "lambda = 1, the rule of Mamba-2"), Case((-1.0, 1.0, 0.5, 0.5), "lambda = 1/2")]
    rates, inputs = rng.sample(range(1, 9), 4), rng.sample([-2.5, -1.5, 0.5, 3.0], 4)
    steps, shares = rng.sample([0.125, 0.25, 0.75, 1.0], 4), rng.sample([0.125, 0.25, 0.75, 0.875], 4)
    return made + [(-a / 4, *rest) for a, *rest in zip(rates, inputs, steps, shares, strict=True)]


def _turn_cases(rng):
    quarter = torch.full((1, 1), math.pi / 2, dtype=torch.float64)
    made = [Case((torch.tensor([[1.0, 0.0]], dtype=torch.float64), quarter), "a quarter turn of (1, 0)")]
    return made + [(quarters(rng, l, 2 * k), quarters(rng, l, k)) for l, k in ((2, 1), (3, 2), (1, 3))]


def _turn_variant(v, theta, sign=1.0, halves=False, scale=1.0, mirrored=False):
    a, b = v.chunk(2, dim=1) if halves else (v[:, 0::2], v[:, 1::2])
    cos, sin = torch.cos(scale * theta), sign * torch.sin(scale * theta)
    first, second = a * cos - b * sin, a * sin + b * cos
    if mirrored:
        first = a * cos + b * sin
    return torch.cat([first, second], 1) if halves else torch.stack([first, second], 2).flatten(1)


def _scan_cases(rng):
    def made(l, n, p):
        dt, A = quarters(rng, l, high=4).abs(), -quarters(rng, l, high=4).abs()
        return quarters(rng, l, p), dt, A, quarters(rng, l, n), quarters(rng, l, n), quarters(rng, l, n // 2)

    return [Case(made(2, 2, 1), "two steps of a single pair"), made(4, 2, 3), made(5, 4, 2), made(6, 6, 1)]


def _scan_variant(x, dt, A, B, C, angle, summed=True, late=False, with_dt=True, signs=(1, 1), write=True):
    steps = dt[:, None] * angle if with_dt else angle
    theta = steps.cumsum(0) if summed else steps
    theta = theta - steps if late else theta
    B, C = (turn(v, s * theta) for v, s in zip((B, C), signs, strict=True))
    h, ys = x.new_zeros(B.shape[1], x.shape[1]), []
    for t in range(len(x)):
        h = torch.exp(dt[t] * A[t]) * h + (dt[t] if write else 1.0) * torch.outer(B[t], x[t])
        ys.append(C[t] @ h)
    return torch.stack(ys)


def _count_cases(rng):
    def drawn(k, l):
        return [rng.randrange(k) for _ in range(l)], k

    made = [Case(([1, 1, 0, 1], 2), "parity"), Case(([1] * 7, 5), "a 1 at each step, modulo 5")]
    return made + [drawn(3, 6), drawn(rng.randint(4, 7), 9), Case(drawn(rng.choice([9, 11]), 400), "400 steps")]


class _Noted(int):
    """A whole number that notes when it is added to another one."""

    added = 0

    def __add__(self, other):
        if isinstance(other, int):
            type(self).added += 1
        return int(self) + other

    __radd__ = __add__


class _NotedAngle(float):
    """A real number that notes when it is added; so does what it is multiplied to. A complex number forgets it."""

    def __add__(self, other):
        if isinstance(other, (int, float)) and other != 0:
            type(self).added += 1
        return self._kept(float(self) + other)

    def _kept(self, value):
        return type(self)(value) if isinstance(value, float) else value

    def __mul__(self, other):
        return self._kept(float(self) * other)

    def __truediv__(self, other):
        return self._kept(float(self) / other)

    def __mod__(self, other):
        return self._kept(float(self) % other)

    def __index__(self):
        return int(self)

    __radd__, __rmul__ = __add__, __mul__


def _adds_at_once(fn, *args) -> bool:
    """Whether fn adds up a whole list, as np.sum, np.cumsum and math.fsum do."""
    found = []

    def watch(frame, event, called):
        if event == "c_call":
            name, of = getattr(called, "__name__", ""), getattr(called, "__self__", None)
            found.extend([name] * (name in ("cumsum", "fsum") or getattr(of, "__name__", "") == "add"))

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        fn(*args)
    finally:
        sys.setprofile(before)
    return bool(found)


def _turning_test(fn, rng):
    """Sums of whole numbers or of angles are right as well, but nothing turns."""
    numbers, noted = [rng.randrange(1, 5) for _ in range(6)], type("Number", (_Noted,), {})
    fn([noted(x) for x in numbers], 5)
    if noted.added:
        return (
            "The sums are right, but the whole numbers are added to each other: let one complex number carry the sum, "
            "and turn it at each number."
        )
    angle = type("Number", (_NotedAngle,), {"added": 0})
    with contextlib.suppress(Exception):  # an answer may ask for whole numbers, and had them above
        fn([angle(x) for x in numbers], 5)
    if angle.added or _adds_at_once(fn, numbers, 5):
        return (
            "The sums are right, but a real number carries them, as a sum of numbers or of angles: let one complex "
            "number carry the sum, and turn it at each number."
        )
    return None


def _angles_added(numbers, k):
    return [round(angle * k / (2 * math.pi)) % k for angle in accumulate(2 * math.pi * x / k for x in numbers)]


def _added(numbers, k):
    return [s % k for s in accumulate(numbers)]


def _count_variant(numbers, k, sign=1, modulo=True, angle=None, late=False, whole=round, summed=True):
    z, sums = 1 + 0j, []
    for x in numbers:
        before = z
        z = (z if summed else 1) * cmath.exp(sign * 1j * (2 * math.pi / k if angle is None else angle) * x)
        read = whole(cmath.phase(before if late else z) * k / (2 * math.pi))
        sums.append(read % k if modulo else read)
    return sums


def _cost_cases(rng):
    sizes = rng.sample(range(5, 30), 6)
    return [Case((128, 64, 1), "one input and one output a state")] + [
        (n, p, r) for n, p, r in zip(sizes[:3], sizes[3:], rng.sample(range(2, 9), 3), strict=True)
    ]


EXERCISES = [
    Exercise(
        id="26.1",
        title="three weights",
        difficulty=1,
        minutes=7,
        reference=three_weights,
        cases=_weight_cases,
        hints=(
            "What enters at the step's start fades for a whole step; what enters at its end does not fade at all.",
            "Four numbers in, three out: alpha = exp(dt A); beta and gamma share dt B, and beta carries alpha, too.",
        ),
        after="With lambda = 1 beta is 0, and this is the rule of Mamba and Mamba-2.",
        wrong=(
            Wrong(
                "lambda swapped",
                lambda A, B, dt, lam: three_weights(A, B, dt, 1 - lam),
                "wrong end",
                "Lambda sits at the wrong end: it is the share of the present input, gamma's.",
            ),
            Wrong(
                "the start does not fade",
                lambda A, B, dt, lam: (math.exp(dt * A), (1 - lam) * dt * B, lam * dt * B),
                "has faded",
                "beta weighs an input of one step ago, which has faded since: it needs the factor alpha.",
            ),
            Wrong(
                "both ends fade",
                lambda A, B, dt, lam: (math.exp(dt * A), *(s * dt * math.exp(dt * A) * B for s in (1 - lam, lam))),
                "just arrived",
                "The present input has just arrived: gamma does not fade.",
            ),
            Wrong(
                "Euler's decay",
                lambda A, B, dt, lam: (1 + dt * A, (1 - lam) * dt * (1 + dt * A) * B, lam * dt * B),
                "stays exact",
                "The decay stays exact, exp(dt A): only the integral over the input is approximated.",
            ),
            Wrong(
                "dt missing",
                lambda A, B, dt, lam: (math.exp(dt * A), (1 - lam) * math.exp(dt * A) * B, lam * B),
                "width of the step",
                "An area is height times width: the width of the step, dt, is missing in beta and gamma.",
            ),
        ),
    ),
    Exercise(
        id="26.2",
        title="turn the pairs",
        difficulty=1,
        minutes=7,
        reference=turn,
        cases=_turn_cases,
        hints=(
            "Read each pair as a point in the plane: (a, b) goes to (a cos - b sin, a sin + b cos).",
            "v[:, 0::2] and v[:, 1::2] are (l, n/2), as theta. `torch.stack(..., dim=2).flatten(1)` interleaves again.",
        ),
        after="This is the rotation of rotary position embeddings; there the angle grows with the position alone.",
        wrong=(
            Wrong(
                "backwards",
                lambda v, theta: _turn_variant(v, theta, sign=-1.0),
                "backwards",
                "The pairs turn backwards: (1, 0) turned by a quarter must become (0, 1).",
            ),
            Wrong(
                "halves for pairs",
                lambda v, theta: _turn_variant(v, theta, halves=True),
                "neighbours",
                "You pair entry i with entry i + n/2. Here neighbours are a pair: 0 and 1, 2 and 3, and so on.",
            ),
            Wrong(
                "a mirror",
                lambda v, theta: _turn_variant(v, theta, mirrored=True),
                "one of the two sines",
                "This does not turn: one of the two sines needs a minus.",
            ),
            Wrong(
                "degrees",
                lambda v, theta: _turn_variant(v, theta, scale=math.pi / 180),
                "radians",
                "theta is in radians already.",
            ),
        ),
    ),
    Exercise(
        id="26.3",
        title="a scan whose state does not turn",
        difficulty=3,
        minutes=12,
        reference=turned_scan,
        cases=_scan_cases,
        hints=(
            "Add up the angles first, turn B and C by the sums, and then run a recurrence that only decays.",
            "theta = (dt[:, None] * angle).cumsum(0) is (l, n/2); h is (n, p), torch.outer(B[t], x[t]) too.",
        ),
        after="An input of step j, read at step t, is turned by theta_t - theta_j: the turns of the steps between.",
        wrong=(
            Wrong(
                "angles not summed",
                lambda *a: _scan_variant(*a, summed=False),
                "add up",
                "Each step turns by its own angle only. Turns add up: take the sum of all so far.",
            ),
            Wrong(
                "without the step's own turn",
                lambda *a: _scan_variant(*a, late=True),
                "own turn",
                "The sum must hold the step's own turn: the state turns first, then the input enters.",
            ),
            Wrong(
                "without dt",
                lambda *a: _scan_variant(*a, with_dt=False),
                "for dt = 1",
                "The angle is given for dt = 1, like a speed: a step of dt turns by dt times it.",
            ),
            Wrong(
                "only B turned",
                lambda *a: _scan_variant(*a, signs=(1, 0)),
                "B alone",
                "You turn B alone. C must be turned, too, so that only the difference of the two angles counts.",
            ),
            Wrong(
                "only C turned",
                lambda *a: _scan_variant(*a, signs=(0, 1)),
                "C alone",
                "You turn C alone. B must be turned, too, so that only the difference of the two angles counts.",
            ),
            Wrong(
                "against each other",
                lambda *a: _scan_variant(*a, signs=(1, -1)),
                "same way",
                "B and C must turn the same way: their angles are subtracted in the product.",
            ),
            Wrong(
                "nothing turned",
                lambda *a: _scan_variant(*a, signs=(0, 0)),
                "Nothing turns",
                "Nothing turns: this is Mamba-2's recurrence.",
            ),
            Wrong(
                "x not multiplied by dt",
                lambda *a: _scan_variant(*a, write=False),
                "writes with dt",
                "The turns are right. A step writes with dt B, and your dt is missing there.",
            ),
        ),
    ),
    Exercise(
        id="26.4",
        title="count by turning",
        difficulty=2,
        minutes=8,
        reference=count_by_turning,
        cases=_count_cases,
        test=_turning_test,
        hints=(
            "k stops on a circle: the number x is x of k equal parts of a whole turn.",
            "z is one complex number; `cmath.phase` gives -pi..pi, and `% k` brings a negative stop into 0..k-1.",
        ),
        after="No weight was trained, and no length is too long until rounding adds up to half a stop.",
        wrong=(
            Wrong(
                "the other way round",
                lambda numbers, k: _count_variant(numbers, k, sign=-1),
                "other way",
                "You turn one way and read the other way: the sum comes out as k minus the sum.",
            ),
            Wrong(
                "negative stops",
                lambda numbers, k: _count_variant(numbers, k, modulo=False),
                "negative",
                "The phase is negative on half of the circle: bring the stop into 0..k-1.",
            ),
            Wrong(
                "half a turn for each 1",
                lambda numbers, k: _count_variant(numbers, k, angle=math.pi),
                "only for parity",
                "Half a turn for each 1 is right only for parity: k stops share a whole turn.",
            ),
            Wrong(
                "one late",
                lambda numbers, k: _count_variant(numbers, k, late=True),
                "before the turn",
                "You read before the turn: the sum after a number contains it.",
            ),
            Wrong(
                "cut, not rounded",
                lambda numbers, k: _count_variant(numbers, k, whole=int),
                "cuts off",
                "The phase is a hair above or below a stop, and int cuts off: round to the nearest stop.",
            ),
            Wrong(
                "only the last number",
                lambda numbers, k: _count_variant(numbers, k, summed=False),
                "forgets",
                "z starts afresh at every number, and forgets all that came before.",
            ),
            Wrong("added", _added, "added to each other"),
            Wrong("angles added", _angles_added, "a real number carries"),
        ),
    ),
    Exercise(
        id="26.5",
        title="what MIMO costs a step",
        difficulty=1,
        minutes=6,
        reference=step_cost,
        cases=_cost_cases,
        hints=(
            "Decay touches each entry of the state once; each of the r inputs is written into all of it, and each of "
            "the r outputs is read from all of it.",
            "(1 + 2 r) n p multiply-adds; moved: the state twice, and r vectors each of sizes n, n, p and p.",
        ),
        after="The work grows with r, and the state, which is nearly all that moves, does not.",
        wrong=(
            Wrong(
                "no decay",
                lambda n, p, r: (2 * r * n * p, step_cost(n, p, r)[1]),
                "The decay is missing",
                "The decay is missing: one product for each entry of the state.",
            ),
            Wrong(
                "decay r times",
                lambda n, p, r: (3 * r * n * p, step_cost(n, p, r)[1]),
                "decays once",
                "The state decays once a step, however many inputs it takes.",
            ),
            Wrong(
                "the state moved once",
                lambda n, p, r: (step_cost(n, p, r)[0], n * p + 2 * r * (n + p)),
                "written back",
                "The state is read and written back: twice n p numbers.",
            ),
            Wrong(
                "the state moved r times",
                lambda n, p, r: (step_cost(n, p, r)[0], 2 * r * n * p + 2 * r * (n + p)),
                "moves once",
                "The state moves once in and once out, whatever r is: that is the point of MIMO.",
            ),
            Wrong(
                "no vectors",
                lambda n, p, r: (step_cost(n, p, r)[0], 2 * n * p),
                "vectors",
                "B, C, x and y move, too: r vectors of each.",
            ),
        ),
    ),
]
