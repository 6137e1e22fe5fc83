"""What an exercise is, and where its definition is found.

`mgmr_lib/chapters/chNN_slug/exercises.py` defines a list `EXERCISES` of `Exercise` for notebook NN. An exercise names
its reference, inputs that are new on every check, and the wrong answers that learners plausibly give, each with the
sentence that helps them on.
"""

import importlib
import importlib.util
import pkgutil
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mgmr_lib.errors import CourseError

ID_PATTERN = re.compile(r"^\d\d\.\d{1,2}$")


@dataclass(frozen=True)
class Wrong:
    """A plausible wrong answer.

    name: a few words; fn: the wrong function; says: a part of the message that `check` must answer with. If `message`
    is given, `check` recognises this mistake (the learner's results equal `fn`'s) and answers with `message`; else the
    exercise's own test must find words that contain `says`.
    """

    name: str
    fn: Callable
    says: str
    message: str = ""


@dataclass(frozen=True)
class Case:
    """One input of a check: positional arguments, and what is special about it ("an impulse")."""

    args: tuple
    about: str = ""


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    id: "04.2"; title: what it asks, in a few words; difficulty: 1 to 3; minutes: expected time; reference: the function
    (or class) that an unsolved exercise falls through to; cases(rng) -> fresh `Case`s (bare tuples of arguments will
    do), compared with the reference within `rtol`/`atol`; or, where outputs cannot be compared with a reference's,
    test(fn, rng), which returns the sentence that says what is wrong, or None (give both to have both); wrong:
    plausible mistakes; hints: (in words, in shapes); after: a sentence shown with "passed"; may_change_inputs: for
    exercises that ask for it; limit_s: time limit; needs: a package without which nothing can be graded (not
    installed on every system), and why in a few words: ("triton", "which exists for Linux on x86-64").
    """

    id: str
    title: str
    difficulty: int
    minutes: int
    reference: Callable
    hints: tuple[str, str]
    wrong: tuple[Wrong, ...]
    cases: Callable[[random.Random], Iterable] | None = None
    test: Callable[[Callable, random.Random], str | None] | None = None
    after: str = ""
    rtol: float = 1e-6
    atol: float = 1e-9
    may_change_inputs: bool = False
    limit_s: float = 10.0
    needs: tuple[str, str] | None = None

    def __post_init__(self):
        if not ID_PATTERN.match(self.id):
            raise CourseError(
                f"exercise id {self.id!r}: write the notebook's two digits, a dot and a number, such as '04.2'"
            )
        if self.cases is None and self.test is None:
            raise CourseError(
                f"exercise {self.id}: give `cases` (fresh inputs) or `test` in chapters/ch{self.id[:2]}_*/exercises.py"
            )

    def missing(self) -> str:
        """One sentence where this system lacks what the exercise needs; "" where it can be graded."""
        if self.needs is None or importlib.util.find_spec(self.needs[0]) is not None:
            return ""
        return (
            f"cannot be checked here, because it needs {self.needs[0]}, {self.needs[1]}; "
            f'hint("{self.id}", 3) shows the solution to read.'
        )

    def inputs(self, rng: random.Random) -> list[Case]:
        """Fresh inputs."""
        made = [] if self.cases is None else self.cases(rng)
        return [c if isinstance(c, Case) else Case(tuple(c)) for c in made]


def chapter(number: str) -> str | None:
    """The package of notebook `number`'s chapter ("mgmr_lib.chapters.ch04_parallel_scan"); None where there is none."""
    from mgmr_lib import chapters

    names = [m.name for m in pkgutil.iter_modules(chapters.__path__) if re.match(rf"^ch{re.escape(number)}_", m.name)]
    return f"mgmr_lib.chapters.{names[0]}" if names else None


def _module(number: str):
    package = chapter(number)
    if package is None:
        return None
    name = f"{package}.exercises"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as e:
        if e.name == name:
            return None
        raise


def exercises_of(number: str) -> tuple[Exercise, ...]:
    """The exercises of notebook `number` ("04"), in order; empty where it has none."""
    module = _module(number)
    return () if module is None else tuple(module.EXERCISES)


def is_known(exercise_id: str) -> bool:
    """Whether there is an exercise with that id."""
    return bool(ID_PATTERN.match(exercise_id)) and any(e.id == exercise_id for e in exercises_of(exercise_id[:2]))


def find(exercise_id: str) -> Exercise:
    """The exercise with that id; `CourseError` where there is none."""
    if is_known(exercise_id):
        return next(e for e in exercises_of(exercise_id[:2]) if e.id == exercise_id)
    raise CourseError(f"there is no exercise {exercise_id!r}: its id is in the heading of the exercise, such as '01.2'")


def all_exercises() -> tuple[Exercise, ...]:
    """Every exercise of the course, by notebook."""
    from mgmr_lib import chapters

    matches = [re.match(r"^ch(\d\d)_", m.name) for m in pkgutil.iter_modules(chapters.__path__)]
    return tuple(e for n in sorted(m[1] for m in matches if m) for e in exercises_of(n))
