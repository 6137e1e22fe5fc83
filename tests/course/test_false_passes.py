"""Natural wrong answers that once passed a check, on some draws or on all: none passes on any of these draws.

Each module of false_passes holds WRONG, {exercise: {name: answer}}, and RIGHT, correct answers that were once refused.
Mutants (test_mutants.py) come from the reference's syntax tree; these are what people write.
"""

import importlib
import pkgutil
import random

import pytest

from mgmr_lib.course import registry
from mgmr_lib.course.grading import judge
from tests.course import false_passes

DRAWS = 20


def _all(kind: str) -> list:
    modules = [
        importlib.import_module(f"{false_passes.__name__}.{m.name}")
        for m in pkgutil.iter_modules(false_passes.__path__)
    ]
    return [
        pytest.param(exercise, answer, id=f"{exercise} {name}")
        for module in modules
        for exercise, answers in getattr(module, kind, {}).items()
        for name, answer in answers.items()
    ]


def _state(exercise: str, answer, seed: int) -> str:
    spec = registry.find(exercise)
    try:
        return judge(spec, answer, spec.inputs(random.Random(seed)), random.Random(seed), diagnose=False).state
    except Exception as error:  # noqa: BLE001 (whatever an answer raises, a learner is told so: it did not pass)
        return f"raised {error!r}"


@pytest.mark.parametrize(("exercise", "answer"), _all("WRONG"))
def test_a_natural_wrong_answer_passes_on_no_draw(exercise, answer):
    states = [_state(exercise, answer, seed) for seed in range(DRAWS)]
    assert "passed" not in states
    broken = ("raised NameError", "raised ImportError", "raised TypeError", "raised SyntaxError")
    assert not any(state.startswith(broken) for state in states)  # then it is this list that is wrong


@pytest.mark.parametrize(("exercise", "answer"), _all("RIGHT"))
def test_a_correct_answer_passes_on_every_draw(exercise, answer):
    assert {_state(exercise, answer, seed) for seed in range(DRAWS)} == {"passed"}
