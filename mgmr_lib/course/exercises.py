"""`@exercise`, `check` and `hint`: what a learner's notebook calls.

An exercise cell holds a function whose body raises NotImplementedError until the learner writes it. The decorator lets
such a function fall through to the reference, so that "Run All" works on an untouched notebook. An answer that `check`
found wrong, and one whose cell Python could not run, give way to the reference too: they never end "Run All".
"""

import functools
import inspect
import re
import types

from mgmr_lib.course import answers, registry, score
from mgmr_lib.course.grading import Verdict, broken_cell, grade
from mgmr_lib.course.room import joining
from mgmr_lib.errors import CourseError

_hints_given: dict[str, int] = {}  # which hint comes next in this kernel
_announced: dict[str, object] = {}  # the cell in which it was last said that an exercise's reference steps in
DEFINED = re.compile(r"^@exercise\(\s*[\"'](\d\d\.\d{1,2})[\"']\s*\)\s*\n(?:def|class)\s+(\w+)", re.MULTILINE)
COURSE_CELL = re.compile(r"^[0-9a-f]{10}(-\d+)?$")  # the builder's cell ids; a cell that a learner adds has another


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

    A function that reaches its `raise NotImplementedError`, or that `check` found wrong, gives the reference's result
    instead; a class with one in any method is replaced by the reference class. `check` always sees the learner's own,
    and so does a cell that the learner added.
    """
    spec = registry.find(exercise_id)

    def decorate(obj):
        if inspect.isclass(obj):
            chosen = type(obj.__name__, (spec.reference,), {}) if _class_is_unsolved(obj) else obj
            chosen.exercise_id, chosen.learner = exercise_id, obj
            return chosen

        @functools.wraps(obj)
        def answer(*args, **kwargs):
            if answer.wrong and _is_course_cell():
                _announce(exercise_id)
                return spec.reference(*args, **kwargs)
            try:
                return obj(*args, **kwargs)
            except NotImplementedError as e:
                if not is_unsolved(e, obj):
                    raise
            return spec.reference(*args, **kwargs)

        answer.exercise_id, answer.learner, answer.wrong = exercise_id, obj, False
        return answer

    return decorate


def _cell_id() -> str | None:
    """The id of the cell that runs, where the front end tells."""
    kernel = getattr(answers.shell(), "kernel", None)
    parent = kernel.get_parent() if kernel else {}
    return (parent.get("metadata") or {}).get("cellId")


def _is_course_cell() -> bool:
    """Whether the cell that runs is one of the course's, rather than one that the learner added to try things."""
    cell = _cell_id()
    return cell is None or bool(COURSE_CELL.match(cell))


def _announce(exercise_id: str) -> None:
    """Say once a cell that the reference steps in."""
    here = getattr(answers.shell(), "execution_count", 0)
    if _announced.get(exercise_id) != here:
        _announced[exercise_id] = here
        print(f"(This waits for {exercise_id}: your answer is not right yet, so the course's version goes on here.)")


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
    if spec.missing():
        return Verdict("not attempted", spec.missing())
    broken = broken_cell(exercise_id, fn)
    if broken or hasattr(fn, "failed"):
        return broken or Verdict("wrong", fn.failed)
    if inspect.isclass(learner):
        return Verdict("not attempted") if _class_is_unsolved(learner) else grade(spec, learner, lambda e: False)
    return _graded(spec, fn, learner)


def _graded(spec, fn, learner) -> Verdict:
    """The verdict on the learner's function; where it calls itself, it must not meet the reference."""
    wrong, marked = getattr(fn, "wrong", False), hasattr(fn, "wrong")
    try:
        if marked:
            fn.wrong = False
        return grade(spec, learner, lambda e: is_unsolved(e, learner))
    finally:
        if marked:
            fn.wrong = wrong


def check(exercise_id: str, fn) -> None:
    """Say whether `fn` solves the exercise: passed, not attempted, or what is wrong. Never raises; keeps the score."""
    try:
        spec, result = registry.find(exercise_id), verdict(exercise_id, fn)
    except CourseError as e:
        print(f"{exercise_id}  {e}")
        return
    score.record(exercise_id, result.state)
    joining.tell_exercise(exercise_id, result)
    if hasattr(fn, "wrong") and getattr(fn, "exercise_id", None) == exercise_id:
        fn.wrong = result.state == "wrong"
    answers.show_verdict(spec, result)


def hint(exercise_id: str, level: int | None = None) -> None:
    """Show the next hint: first in words, then in shapes, then the course's solution; or the hint number `level`."""
    try:
        spec = registry.find(exercise_id)
    except CourseError as e:
        print(e)
        return
    level = min(_hints_given.get(exercise_id, 0) + 1, 3) if level is None else min(max(int(level), 1), 3)
    _hints_given[exercise_id] = level
    answers.show_hint(spec, level)


def stand_in(exercise_id: str, name: str, why: str):
    """What takes the place of an answer whose cell did not run: the reference, which `check` reports as wrong."""

    def learner(*args, **kwargs):
        raise NotImplementedError

    learner.__name__ = name
    made = exercise(exercise_id)(learner)
    made.wrong, made.failed = True, why
    return made


def _after_cell(result) -> None:
    """IPython's hook: define what an exercise cell that failed should have defined, so that later cells go on."""
    error = result.error_before_exec or result.error_in_exec
    found = DEFINED.search(getattr(result.info, "raw_cell", None) or "") if error is not None else None
    if not found or not registry.is_known(found[1]):
        return
    why = f"the cell of your newest answer stops with {type(error).__name__}: {error}. Repair it, run it, check again."
    answers.shell().user_ns[found[2]] = stand_in(found[1], found[2], why)


def watch(shell) -> None:
    """Ask IPython's `shell` to call `_after_cell`."""
    if not any(f.__name__ == "_after_cell" for f in shell.events.callbacks["post_run_cell"]):
        shell.events.register("post_run_cell", _after_cell)
