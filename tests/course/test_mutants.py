"""Checks cannot be fooled: every mutant of every reference is rejected on every draw, or listed with a reason."""

import dataclasses
import random
import time

import pytest

from mgmr_lib.course import registry
from mgmr_lib.course.authoring import mutation_test
from mgmr_lib.course.authoring.mutants import mutants
from mgmr_lib.course.registry import Exercise, Wrong
from mgmr_lib.errors import CourseError

LISTS = mutation_test.EQUIVALENT
HINTS = ("Go through the values one by one.", "A list goes in, a number comes out.")


def largest_rise(values):
    """The largest step up from one value to the next; 0 where there is none."""
    found, i = 0, 1
    while i < len(values):
        found = max(found, values[i] - values[i - 1])
        i += 1
    return found


def made(cases, wrong=()):
    return Exercise("98.1", "the largest rise", 1, 5, largest_rise, HINTS, wrong, cases=cases)


def weak(rng):
    return [([0, rng.randint(1, 9)],)]


def strong(rng):
    return [([3, -2, 5 + rng.randint(1, 9), 6, 0],), ([9, rng.randint(5, 8), -4],), ([1, 2, 15, rng.randint(30, 40)],)]


@pytest.fixture(autouse=True)
def no_list(monkeypatch, request, tmp_path):
    if "spec" not in request.fixturenames:
        monkeypatch.setattr(mutation_test, "EQUIVALENT", tmp_path)


HERE = [e for e in registry.all_exercises() if not e.missing()]


@pytest.mark.parametrize("spec", HERE, ids=lambda e: e.id)
def test_no_mutant_passes_without_a_reason(spec, request):
    full = request.config.getoption("--mutants") == "full"
    effort = (mutation_test.ALL_DRAWS,) if full else mutation_test.affordable(spec)
    alive, stale = mutation_test.survivors(spec, *effort)
    assert not [f"{count} times: {m.key}" for m, count in alive]
    assert not stale, "listed as equivalent, but rejected or no longer made"


def test_slow_checks_get_fewer_draws_and_mutants_and_quick_ones_all():
    def slowly(fn, rng):
        begun = time.process_time()
        while time.process_time() - begun < 0.4:
            pass

    quick, slow = made(strong), dataclasses.replace(made(strong), test=slowly)
    assert mutation_test.affordable(quick) == (mutation_test.DRAWS, len(mutants(quick)))
    draws, most = mutation_test.affordable(slow)
    assert mutation_test.FEWEST <= draws < mutation_test.DRAWS and most in (mutation_test.SAMPLE, len(mutants(slow)))


def test_every_listed_mutant_belongs_to_an_exercise():
    keys = [k for file in LISTS.glob("*.txt") for k in mutation_test.equivalent(file.stem, LISTS)]
    assert {k.split(" ")[0] for k in keys} <= {e.id for e in registry.all_exercises()} and keys


def test_a_weak_check_lets_mutants_pass_and_a_strong_one_does_not():
    weak_alive = {m.text for m, _ in mutation_test.survivors(made(weak), 5)[0]}
    assert {"return found #2", "found = max(found, values[i])"} & weak_alive
    strong_alive = {m.text for m, _ in mutation_test.survivors(made(strong), 5)[0]}
    assert len(strong_alive) < len(weak_alive) / 2
    assert "found = max(found, values[i])" not in strong_alive


def test_endless_loops_end_and_count_as_rejected():
    endless = [m for m in mutants(made(strong)) if m.kind == "statement dropped" and m.text == "i += 1"]
    assert len(endless) == 1
    draws = [(0, made(strong).inputs(random.Random(0)))]
    assert mutation_test.passed(made(strong), endless[0], draws) == 0


def test_a_declared_wrong_answer_that_passes_is_found():
    lenient = made(weak, (Wrong("last minus first", lambda v: v[-1] - v[0], "ends"),))
    assert "98.1 | declared | last minus first" in [m.key for m, _ in mutation_test.survivors(lenient, 3)[0]]


def test_a_listed_mutant_needs_a_reason_and_must_still_pass(tmp_path):
    file = tmp_path / "98.txt"
    file.write_text("98.1 | input | values doubled\n")
    with pytest.raises(CourseError, match="reason"):
        mutation_test.equivalent("98")
    file.write_text("# why\nreason: doubling changes nothing\n98.1 | input | values doubled\n")
    assert mutation_test.survivors(made(strong), 3)[1] == ["98.1 | input | values doubled"]
