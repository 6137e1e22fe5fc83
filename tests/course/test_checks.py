"""Every exercise of the course: its reference passes, each wrong answer is rejected with its own words, constants
fail."""

import copy
import functools
import random

import pytest

from mgmr_lib.course import exercises, registry
from mgmr_lib.course.compare import difference, short

ALL = [e for e in registry.all_exercises() if not e.missing()]
WRONG = [(e, w) for e in ALL for w in e.wrong]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """Keep the score of whoever runs this out of it."""
    monkeypatch.setenv("MGMR_LEARNER", str(tmp_path / "learner"))


@functools.cache
def verdict_on(fn, exercise_id):
    """One verdict, kept: some exercises train for it."""
    return exercises.verdict(exercise_id, fn)


def never_solved(*args, **kwargs):
    raise NotImplementedError


@pytest.mark.parametrize("spec", ALL, ids=lambda e: e.id)
def test_the_reference_passes_again_and_again(spec):
    for _ in range(3):
        assert exercises.verdict(spec.id, spec.reference) == exercises.Verdict("passed")


@pytest.mark.parametrize(("spec", "wrong"), WRONG, ids=[f"{e.id} {w.name}" for e, w in WRONG])
def test_a_wrong_answer_is_rejected_in_its_own_words(spec, wrong):
    for verdict in (verdict_on(wrong.fn, spec.id), exercises.verdict(spec.id, wrong.fn)):
        assert verdict.state == "wrong"
        assert wrong.says in verdict.message


@pytest.mark.parametrize("spec", ALL, ids=lambda e: e.id)
def test_the_wrong_answers_are_several_and_their_words_differ(spec):
    assert len(spec.wrong) >= 2
    messages = [verdict_on(w.fn, spec.id).message for w in spec.wrong]
    for i, w in enumerate(spec.wrong):
        others = [m for j, m in enumerate(messages) if j != i]
        assert not any(w.says in m for m in others), f"{w.name!r} shares its words with another wrong answer"


@pytest.mark.parametrize("spec", [e for e in ALL if e.cases], ids=lambda e: e.id)
def test_a_lazy_constant_fails(spec):
    for case in spec.inputs(random.Random(7)):
        value = spec.reference(*copy.deepcopy(case.args))
        assert exercises.verdict(spec.id, lambda *a, v=value, **k: copy.deepcopy(v)).state == "wrong"


@pytest.mark.parametrize("spec", [e for e in ALL if e.cases], ids=lambda e: e.id)
def test_two_checks_use_different_inputs(spec):
    first, second = ([c.args for c in spec.inputs(random.Random(seed))] for seed in (1, 2))
    assert len(first) != len(second) or any(difference(list(a), list(b)) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("spec", ALL, ids=lambda e: e.id)
def test_an_unsolved_exercise_is_not_attempted_and_falls_through(spec):
    if isinstance(spec.reference, type):
        chosen = exercises.exercise(spec.id)(type("Answer", (), {"__init__": never_solved}))
        assert issubclass(chosen, spec.reference)
    else:
        chosen = exercises.exercise(spec.id)(never_solved)
        for case in spec.inputs(random.Random(3)):
            want = spec.reference(*copy.deepcopy(case.args))
            assert difference(chosen(*copy.deepcopy(case.args)), want) is None
    assert exercises.verdict(spec.id, chosen).state == "not attempted"


@pytest.mark.parametrize("spec", ALL, ids=lambda e: e.id)
def test_an_exercise_says_what_a_learner_needs(spec):
    most = 45 if spec.title.startswith("build") else 20  # longer work is checked in stages
    assert 1 <= spec.difficulty <= 3 and 1 <= spec.minutes <= most
    assert len(spec.hints) == 2 and all(len(h.split()) >= 5 for h in spec.hints)
    assert spec.hints[0] != spec.hints[1]


@pytest.mark.parametrize("spec", ALL, ids=lambda e: e.id)
@pytest.mark.parametrize("value", [None, 0, True, [], "solved"], ids=repr)
def test_an_answer_that_ignores_its_inputs_fails(spec, value):
    assert exercises.verdict(spec.id, lambda *args, **kwargs: value).state == "wrong"


def test_a_zero_is_shown_without_a_sign():
    assert short([-0.0, -1.5, 0.0]) == "[0, -1.5, 0]"
