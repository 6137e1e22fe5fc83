"""Exercises of 23 complexity: counting attention, where two costs cross, timing what runs in a queue, what a timing
leaves out."""

import math

from mgmr_lib.chapters.ch23_complexity.operations import SimulatedGPU
from mgmr_lib.chapters.ch23_complexity.timings import FACTS, judged, lacking
from mgmr_lib.course.registry import Case, Exercise, Wrong


def attention_count(l_q, l_k, d):
    """Multiply-adds of one attention: four projections, scores, mixture."""
    return 2 * l_q * d * d + 2 * l_k * d * d + 2 * l_q * l_k * d


def crossing(a, b, m):
    """The smallest length l >= 1 with a l + b l^2 > m l."""
    return max(1, math.floor((m - a) / b) + 1)


def seconds_a_call(gpu, work, rounds):
    """Warm up, wait, time `rounds` calls with one wait behind them, divide."""
    gpu.run(work)
    gpu.wait()
    begun = gpu.now
    for _ in range(rounds):
        gpu.run(work)
    gpu.wait()
    return (gpu.now - begun) / rounds


def _attention_cases(rng):
    made = [
        Case((10, 10, 4), "self-attention"),
        Case((3, 100, 4), "few queries, many keys"),
        Case((100, 3, 4), "many queries, few keys"),
    ]
    return made + [(rng.randint(2, 9) * 5, rng.randint(11, 20) * 7, rng.choice([8, 16])) for _ in range(3)]


def _crossing_cases(rng):
    made = [
        Case((100, 2, 300), "both costs agree at a whole length"),
        Case((300, 2, 100), "attention is dearer from the first step"),
        Case((100, 8, 305), "they cross between two lengths"),
        Case((300, 2, rng.randint(4000, 9000) * 10 + 5), "they cross far out"),
    ]
    return made + [(rng.randint(10, 90) * 10, rng.randint(3, 9), rng.randint(100, 200) * 10 + 5) for _ in range(3)]


def _first_at_least(a, b, m):
    return max(1, math.ceil((m - a) / b))


def _gpu_cases(rng):
    made = [
        Case((SimulatedGPU(), 0.5, 4), "an idle GPU"),
        Case((SimulatedGPU(pending=3.0), 0.25, 8), "somebody left work in the queue"),
        Case((SimulatedGPU(first=0.0), 1.0, 2), "nothing to prepare"),
        Case((SimulatedGPU(handing=0.125), 0.5, 4), "handing over takes longer"),
        Case((SimulatedGPU(handing=0.5), 0.25, 4), "handing over takes longer than the work"),
    ]
    return made + [
        (SimulatedGPU(pending=rng.randint(1, 6) / 2), rng.randint(1, 8) / 4, rng.choice([2, 4, 8])) for _ in range(3)
    ]


def _timed(gpu, work, rounds, warm, wait_before, wait_after):
    if warm:
        gpu.run(work)
    if wait_before:
        gpu.wait()
    begun = gpu.now
    for _ in range(rounds):
        gpu.run(work)
    if wait_after:
        gpu.wait()
    return (gpu.now - begun) / rounds


def _waits_every_round(gpu, work, rounds):
    gpu.run(work)
    gpu.wait()
    begun = gpu.now
    for _ in range(rounds):
        gpu.run(work)
        gpu.wait()
    return (gpu.now - begun) / rounds


def _undivided(gpu, work, rounds):
    return rounds * seconds_a_call(gpu, work, rounds)


def _but(letter, facts):
    """lacking(), with another answer for one description."""
    return lambda which: facts if which == letter else lacking(which)


EXERCISES = [
    Exercise(
        id="23.1",
        title="count an attention",
        difficulty=1,
        minutes=6,
        reference=attention_count,
        cases=_attention_cases,
        hints=(
            "Queries and results have one row for each asking step; keys and values one for each step that is asked. "
            "Each projection of one row costs d * d.",
            "Q, K, V: (l_q,d), (l_k,d), (l_k,d); scores (l_q,l_k), each a sum of d products; the mixture again d "
            "products for each score; the result (l_q,d) is projected once more.",
        ),
        after="Only the last term holds both lengths: it alone is quadratic.",
        wrong=(
            Wrong(
                "one length",
                lambda l_q, l_k, d: 4 * l_q * d * d + 2 * l_q * l_q * d,
                "asks itself",
                "This is right where a sequence asks itself: keys and values belong to the other one, of length l_k.",
            ),
            Wrong(
                "no result projection",
                lambda l_q, l_k, d: l_q * d * d + 2 * l_k * d * d + 2 * l_q * l_k * d,
                "fourth projection",
                "The fourth projection is missing: what was mixed, l_q rows, goes through one more matrix.",
            ),
            Wrong(
                "no mixture",
                lambda l_q, l_k, d: 2 * l_q * d * d + 2 * l_k * d * d + l_q * l_k * d,
                "mixing",
                "Scores are there, but mixing the values with them costs the same again.",
            ),
            Wrong(
                "scores of one product",
                lambda l_q, l_k, d: 2 * l_q * d * d + 2 * l_k * d * d + 2 * l_q * l_k,
                "d products",
                "Each score is a sum of d products, not one, and so is each mixed value's share.",
            ),
            Wrong(
                "projections only",
                lambda l_q, l_k, d: 2 * l_q * d * d + 2 * l_k * d * d,
                "linear part",
                "This is the linear part only: scores and mixture are missing.",
            ),
        ),
    ),
    Exercise(
        id="23.2",
        title="where two costs cross",
        difficulty=2,
        minutes=6,
        reference=crossing,
        cases=_crossing_cases,
        hints=(
            "Divide both costs by l. Attention then costs a + b l a step, the rival m. When is the first larger?",
            "Three numbers in, one whole number out, at least 1; at equal costs attention is not dearer yet: "
            "math.floor, then one more.",
        ),
        after="Below this length the quadratic layer is the cheaper one.",
        wrong=(
            Wrong(
                "linear part forgotten",
                lambda a, b, m: max(1, math.floor(m / b) + 1),
                "pays a",
                "Attention pays a in every step, too: only m - a is left for the quadratic part.",
            ),
            Wrong(
                "added",
                lambda a, b, m: max(1, math.floor((m + a) / b) + 1),
                "added",
                "a and m are added here, but a stands on the other side of the inequality.",
            ),
            Wrong(
                "equal counts",
                _first_at_least,
                "both may cost",
                "At this length both may cost the same: the smallest length at which attention is really dearer is "
                "asked for.",
            ),
            Wrong(
                "root",
                lambda a, b, m: max(1, math.floor(math.sqrt(max(0, m - a) / b)) + 1),
                "root",
                "This takes a square root: both sides hold a factor l, which cancels one of the two.",
            ),
            Wrong(
                "below one",
                lambda a, b, m: math.floor((m - a) / b) + 1,
                "length of at least 1",
                "Where attention is dearer from the start, answer a length of at least 1.",
            ),
        ),
    ),
    Exercise(
        id="23.3",
        title="time what runs in a queue",
        difficulty=2,
        minutes=10,
        reference=seconds_a_call,
        cases=_gpu_cases,
        may_change_inputs=True,
        hints=(
            "Three things distort the colleague's number: work that others left in the queue, the first call's "
            "preparation, and a clock that is read before the queue is empty.",
            "gpu.run(work) and gpu.wait() return nothing, gpu.now is the clock; one call that is not timed, wait, "
            "clock, `rounds` calls, wait once, clock; the result is one number.",
        ),
        after="On a CUDA device the same lines are torch.cuda.synchronize().",
        wrong=(
            Wrong(
                "as found",
                lambda g, w, r: _timed(g, w, r, False, False, False),
                "returns at once",
                "Only handing over is timed here: run returns at once. Wait before the clock is read.",
            ),
            Wrong(
                "waits every round",
                _waits_every_round,
                "after every call",
                "This waits after every call, so that handing over is never hidden behind work: wait once, behind all "
                "rounds.",
            ),
            Wrong(
                "no warm-up",
                lambda g, w, r: _timed(g, w, r, False, True, True),
                "preparation",
                "The first call's preparation is part of this time: make one call that does not count.",
            ),
            Wrong(
                "no first wait",
                lambda g, w, r: _timed(g, w, r, True, False, True),
                "still in the queue",
                "When the clock starts, older work is still in the queue, the warm-up too: wait before the first "
                "reading.",
            ),
            Wrong("not divided", _undivided, "their number", "This is the time of all rounds: divide by their number."),
        ),
    ),
    Exercise(
        id="23.4",
        title="what a timing leaves out",
        difficulty=1,
        minutes=6,
        reference=lacking,
        test=judged,
        hints=(
            "Go through the five facts for each description. What is told counts, whether it is good practice or not; "
            "what you only suppose does not.",
            'One letter in, a list of facts out: {"A": [...], "B": [...], ...}[which], [] where nothing is lacking.',
        ),
        after="What a table leaves out, none of its readers can add.",
        wrong=(
            Wrong("a confession is a silence", _but("D", ["batch", "warm-up", "spread"]), "no good practice"),
            Wrong("a median is a spread", _but("B", []), "median of nine"),
            Wrong("stored features tell nothing", _but("B", ["spread", "encoder"]), "encoder is outside"),
            Wrong("a data set is its clips", _but("F", ["batch", "warm-up", "spread", "encoder"]), "data set's name"),
            Wrong("a wait for the queue tells all", _but("E", ["batch"]), "about the clock"),
            Wrong("what is told", lambda which: [f for f in FACTS if f not in lacking(which)], "that are told"),
        ),
    ),
]
