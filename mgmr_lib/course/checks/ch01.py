"""Exercises of 01 recurrence."""

from mgmr_lib.course.registry import Exercise, Wrong


def step(h, x, a, b):
    return a * h + b * x


def _cases(rng):
    return [tuple(rng.randint(1, 9) / 4 for _ in range(4)) for _ in range(5)]


EXERCISES = [
    Exercise(
        id="01.1", title="one step of the recurrence", difficulty=1, minutes=3, reference=step, cases=_cases,
        hints=("The new state is a part of the old one plus a part of the input.", "All four are plain numbers, so is the result."),
        wrong=(Wrong("a and b swapped", lambda h, x, a, b: b * h + a * x, "swapped", "The weights are swapped: a belongs to the state."),),
    ),
]
