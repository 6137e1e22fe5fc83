"""Which mutants a check lets pass: `survivors` of one exercise, and the lists of those that may.

A mutant that gives the reference's results on every sensible input is no mistake. It stands with its reason in
tests/course/equivalent_mutants/NN.txt: a line `reason: ...`, then the mutants' keys that it holds for.
"""

import contextlib
import io
import random
import sys
import time
import warnings
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from mgmr_lib.course import registry
from mgmr_lib.course.authoring.mutants import Mutant, mutants
from mgmr_lib.course.grading import TimeIsUp, judge, time_limit, untouched_random_state
from mgmr_lib.course.registry import Exercise
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY

DRAWS, ALL_DRAWS, FEWEST, SAMPLE = 20, 200, 2, 60
PATIENCE_S = 30.0  # how long the mutants of one exercise may take where not all draws are asked for
EQUIVALENT = REPOSITORY / "tests" / "course" / "equivalent_mutants"


def equivalent(number: str, folder: Path | None = None) -> dict[str, str]:
    """Key -> reason of notebook `number`'s mutants that may pass; `CourseError` for a key without a reason."""
    file, reasons, reason = (folder or EQUIVALENT) / f"{number}.txt", {}, ""
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        if line.startswith("reason: "):
            reason = line.removeprefix("reason: ").strip()
        elif line.strip() and not line.startswith("#"):
            if not reason:
                raise CourseError(f"{file}: {line!r} has no `reason: ...` line above it")
            reasons[line.strip()] = reason
    return reasons


def passed(spec: Exercise, mutant: Mutant, draws: Iterable[tuple[int, list]]) -> int:
    """In how many draws (seed, cases) the check lets a mutant pass; an endless one fails them all."""
    count = 0
    for seed, cases in draws:
        try:
            with time_limit(spec.limit_s / 2):
                count += judge(spec, mutant.fn, cases, random.Random(seed), diagnose=False).state == "passed"
        except TimeIsUp:
            return 0
        except BaseException:  # noqa: B036 - as in a check, any error is a wrong answer
            continue
    return count


def survivors(
    spec: Exercise, draws: int = DRAWS, most: int | None = None
) -> tuple[list[tuple[Mutant, int]], list[str]]:
    """(mutant, number of draws that it passed) without a reason, and listed keys that every draw rejects."""
    drawn = [(seed, spec.inputs(random.Random(seed))) for seed in range(draws)]
    chosen = mutants(spec)
    if most is not None and len(chosen) > most:
        chosen = random.Random(0).sample(chosen, len(chosen))[:most]  # a slower machine tries some of the same
    listed = {key for key in equivalent(spec.id[:2]) if key.startswith(spec.id + " ")}
    listed &= {m.key for m in chosen} if most is not None else listed
    alive, fine = [], set()
    with quiet():
        judge(spec, spec.reference, drawn[0][1], random.Random(0))  # the first use of a library takes longer
        for m in chosen:
            count = passed(spec, m, drawn[:1] if m.key in listed else drawn)
            fine |= {m.key} if count and m.key in listed else set()
            alive += [(m, count)] if count and m.key not in listed else []
    return alive, sorted(listed - fine)


def affordable(spec: Exercise) -> tuple[int, int]:
    """(draws, mutants) of this exercise in the test run: DRAWS and all of them, fewer where one check takes long."""
    cases = spec.inputs(random.Random(0))
    with quiet():
        judge(spec, spec.reference, cases, random.Random(0))  # the first use of a library takes longer
        begun = time.process_time()
        judge(spec, spec.reference, cases, random.Random(0))
    each = max(time.process_time() - begun, 1e-6)
    made = len(mutants(spec))
    checks = int(PATIENCE_S / each)
    return max(FEWEST, min(DRAWS, checks // made)), made if checks >= FEWEST * made else min(made, SAMPLE)


@contextlib.contextmanager
def quiet():
    """No prints, no warnings, and the generators of random numbers as they were."""
    with warnings.catch_warnings(), untouched_random_state(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _report(exercise_id: str, draws: int) -> tuple[str, list[tuple[str, int]], list[str], int]:
    spec = registry.find(exercise_id)
    alive, stale = survivors(spec, draws)
    return exercise_id, [(m.key, count) for m, count in alive], stale, len(mutants(spec))


def run(numbers: list[str], draws: int) -> int:
    """Print the survivors of these notebooks or exercises (of all, where none is named); 1 where there are any."""
    ids = [e.id for e in registry.all_exercises() if not numbers or e.id[:2] in numbers or e.id in numbers]
    total = bad = 0
    with ProcessPoolExecutor(2) as pool:
        for exercise_id, alive, stale, made in pool.map(_report, ids, [draws] * len(ids)):
            total, bad = total + made, bad + len(alive) + len(stale)
            print(f"{exercise_id}  {made} mutants, {len(alive)} pass without a reason", flush=True)
            for key, count in alive:
                print(f"  {count:3d} of {draws}  {key}", flush=True)
            for key in stale:
                print(f"  listed as equivalent, but rejected (or no longer made)  {key}", file=sys.stderr)
    print(f"{total} mutants of {len(ids)} exercises, {draws} draws each: {bad} to look at")
    return 1 if bad else 0
