"""`@exercise`, `check` and `hint`: what a learner's notebook calls.

An exercise cell holds a function whose body raises NotImplementedError until the learner writes it. The decorator lets
such a function fall through to the reference, so that "Run All" works on an untouched notebook.
"""

import functools
import inspect
import types
from pathlib import Path

from mgmr_lib.course import registry, score
from mgmr_lib.course.grading import Verdict, grade
from mgmr_lib.errors import CourseError

_hints_given: dict[str, int] = {}  # the only state of this module: which hint comes next in this kernel


def _codes(obj) -> set:
    """The code objects of a function or class body, nested ones included."""
    found, todo = set(), []
    for f in vars(obj).values() if inspect.isclass(obj) else [obj]:
        f = getattr(f, "__func__", f)
        todo += [f.__code__] if isinstance(f, types.FunctionType) else []
    while todo:
        code = todo.pop()
        found.add(code)
        todo += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return found


def is_unsolved(error: BaseException, obj) -> bool:
    """Whether `error` is the bare NotImplementedError that stands in the body of `obj`, not one of a library it
    calls."""
    if type(error) is not NotImplementedError or error.args:
        return False
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return tb is not None and tb.tb_frame.f_code in _codes(obj)


def _class_is_unsolved(cls: type) -> bool:
    return any("NotImplementedError" in code.co_names for code in _codes(cls))


def exercise(exercise_id: str):
    """Mark a function (or class) as the learner's answer to `exercise_id`.

    A function that reaches its `raise NotImplementedError` gives the reference's result instead; a class with one in
    any method is replaced by the reference class. `check` always sees the learner's own.
    """
    spec = registry.find(exercise_id)

    def decorate(obj):
        if inspect.isclass(obj):
            chosen = type(obj.__name__, (spec.reference,), {}) if _class_is_unsolved(obj) else obj
            chosen.exercise_id, chosen.learner = exercise_id, obj
            return chosen

        @functools.wraps(obj)
        def answer(*args, **kwargs):
            try:
                return obj(*args, **kwargs)
            except NotImplementedError as e:
                if not is_unsolved(e, obj):
                    raise
            return spec.reference(*args, **kwargs)

        answer.exercise_id, answer.learner = exercise_id, obj
        return answer

    return decorate


def verdict(exercise_id: str, fn) -> Verdict:
    """What `check` would say, without printing or scoring; never raises for anything that `fn` does."""
    spec = registry.find(exercise_id)
    theirs = getattr(fn, "exercise_id", exercise_id)
    if theirs != exercise_id:
        return Verdict("wrong", f"this is the function of exercise {theirs}: check({theirs!r}, ...) looks at that one.")
    learner = getattr(fn, "learner", fn)
    if not callable(learner):
        return Verdict(
            "wrong", f"check wants the function itself, you gave it a {type(learner).__name__}: leave out the call."
        )
    if inspect.isclass(learner):
        return Verdict("not attempted") if _class_is_unsolved(learner) else grade(spec, learner, lambda e: False)
    return grade(spec, learner, lambda e: is_unsolved(e, learner))


def check(exercise_id: str, fn) -> None:
    """Say whether `fn` solves the exercise: passed, not attempted, or what is wrong. Never raises; keeps the score."""
    try:
        spec, result = registry.find(exercise_id), verdict(exercise_id, fn)
    except CourseError as e:
        print(f"{exercise_id}  {e}")
        return
    score.record(exercise_id, result.state)
    if result.state == "passed":
        print(f"{exercise_id}  passed: {spec.title}." + (f"\n       {spec.after}" if spec.after else ""))
    elif result.state == "not attempted":
        print(f'{exercise_id}  not attempted yet: {spec.title}. Stuck? Run hint("{exercise_id}").')
    else:
        print(f"{exercise_id}  not yet: {result.message}")


def hint(exercise_id: str, level: int | None = None) -> None:
    """Print the next hint: first in words, then in shapes, then where the solution is; or the hint number `level`."""
    try:
        spec = registry.find(exercise_id)
    except CourseError as e:
        print(e)
        return
    level = min(_hints_given.get(exercise_id, 0) + 1, 3) if level is None else min(max(int(level), 1), 3)
    _hints_given[exercise_id] = level
    if level < 3:
        print(f"{exercise_id}  hint {level} of 3: {spec.hints[level - 1]}")
    else:
        from mgmr_lib.course.display import markdown

        path = _solution_path(exercise_id[:2])
        markdown(f"{exercise_id}  hint 3 of 3: the solution is exercise {exercise_id} in [{path}]({path}).")


def _solution_path(number: str) -> str:
    """Where the notebook's browser finds the solution; a learner's folder outside the repository holds copies of them."""
    from mgmr_lib.paths import REPOSITORY

    found = sorted((REPOSITORY / "solutions").glob(f"{number}_*.ipynb"))
    folder = "solutions" if Path("solutions").is_dir() else "../solutions"
    return f"{folder}/{found[0].name if found else number + '.ipynb'}"
