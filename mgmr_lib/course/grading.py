"""Grade one answer: run it on fresh inputs, recognise known mistakes, and never raise.

Nothing that the learner's function does may escape: exceptions, endless recursion or loops, changed inputs, printed
floods, `sys.exit()`, consumed random numbers.
"""

import ast
import contextlib
import copy
import inspect
import io
import random
import re
import sys
from dataclasses import dataclass

from mgmr_lib.course.compare import difference, short, short_pair
from mgmr_lib.course.registry import Case, Exercise
from mgmr_lib.course.time_limit import TimeIsUp, time_limit


@dataclass(frozen=True)
class Verdict:
    """state: "passed", "not attempted" or "wrong"; message: all that is wrong, for the learner, in plain text.

    For a table, the message's parts: advice (what a recognised mistake teaches, or ""), finding ("you have 3 at [1], we
    expect 4"), given ((name, value) for every input), about ("an impulse", or ""), yours and expected (both results,
    with digits enough to differ). All are empty where there is nothing to show.
    """

    state: str
    message: str = ""
    advice: str = ""
    finding: str = ""
    given: tuple[tuple[str, str], ...] = ()
    about: str = ""
    yours: str = ""
    expected: str = ""


@contextlib.contextmanager
def untouched_random_state():
    """Put Python's, NumPy's and torch's generators back, so that a check never changes what later cells print."""
    python, numpy, torch = random.getstate(), sys.modules.get("numpy"), sys.modules.get("torch")
    numpy_state = numpy.random.get_state() if numpy else None
    torch_state = torch.random.get_rng_state() if torch and hasattr(torch, "random") else None
    try:
        yield
    finally:
        random.setstate(python)
        if numpy_state is not None:
            numpy.random.set_state(numpy_state)
        if torch_state is not None:
            torch.random.set_rng_state(torch_state)


@contextlib.contextmanager
def one_torch_thread():
    """torch computes with one thread: the inputs of a check are small, and on a busy machine threads that wait for each
    other take many times as long, all of it computing, until the time limit ends a right answer."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch and hasattr(torch, "get_num_threads") else None
    if before is None:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def named_inputs(fn, case: Case) -> tuple[tuple[str, str], ...]:
    """Name and value, in few digits, of every argument of a case; "" for a name that `fn` does not have."""
    try:
        names = list(inspect.signature(fn).parameters)
    except (TypeError, ValueError):
        names = []
    return tuple((names[i] if i < len(names) else "", short(a)) for i, a in enumerate(case.args))


def describe(fn, case: Case) -> str:
    """The input in words: "a = 0.5, x = [1, 0, 0] (an impulse)"; long values cut, so that the finding stands out."""
    named = [f"{name} = {_cut(value)}" if name else _cut(value) for name, value in named_inputs(fn, case)]
    return ", ".join(named) + (f" ({case.about})" if case.about else "")


def _cut(value: str, most: int = 60) -> str:
    if len(value) <= most:
        return value
    return value.partition(": [")[0] if value.startswith("shape") else value[: most - 4] + " ..."


def _in_words(error: BaseException, where: str) -> str:
    if isinstance(error, TimeIsUp):
        return f"it does not come to an end{where}: is there a loop whose condition never changes?"
    if isinstance(error, RecursionError):
        return f"it calls itself without end{where}: a recursion needs a case that returns, a loop is simpler here."
    if isinstance(error, KeyboardInterrupt):
        return "the check was interrupted; run it again."
    text = str(error).strip().split("\n")[0][:200]
    line = _line_of(error)
    return f"it stops with {type(error).__name__}{': ' + text if text else ''}{line}{where}."


def _line_of(error: BaseException) -> str:
    """ ", in its line 3": the line of the learner's function, counted from its `def`."""
    tb, deepest = error.__traceback__, None
    while tb is not None:
        if "mgmr_lib" not in tb.tb_frame.f_code.co_filename:
            deepest = deepest or tb
        tb = tb.tb_next
    if deepest is None:
        return ""
    offset = deepest.tb_lineno - deepest.tb_frame.f_code.co_firstlineno
    return f" (line {offset + 1} of {deepest.tb_frame.f_code.co_name})"


def grade(spec: Exercise, fn, is_unsolved, seed: int | None = None) -> Verdict:
    """Grade `fn`; `is_unsolved(error)` says whether an error is the exercise's own NotImplementedError."""
    rng = random.Random(seed)
    hidden = io.StringIO()
    try:
        with untouched_random_state(), one_torch_thread(), contextlib.redirect_stdout(hidden), time_limit(spec.limit_s):
            return judge(spec, fn, spec.inputs(rng), rng)
    except BaseException as e:  # noqa: B036 - a learner's function may raise anything, SystemExit included
        if is_unsolved(e):
            return Verdict("not attempted")
        case = getattr(e, "_course_case", None)
        if case is None:
            return Verdict("wrong", _in_words(e, ""))
        return _stopped(spec, case, e)


def judge(spec: Exercise, fn, cases: list[Case], rng, diagnose: bool = True) -> Verdict:
    """The verdict on these cases and on the exercise's own test; errors that no known mistake explains pass through.

    Without `diagnose` a wrong answer is not compared with the known mistakes, which saves most of the time.
    """
    for case in cases:
        wrong = _try_case(spec, fn, case, rng, diagnose)
        if wrong:
            return wrong
    message = spec.test(fn, rng) if spec.test is not None else None
    return Verdict("wrong", message) if message else Verdict("passed")


def _try_case(spec: Exercise, fn, case: Case, rng, diagnose: bool) -> Verdict | None:
    given = copy.deepcopy(case.args)
    try:
        got = fn(*given)
    except BaseException as e:
        with contextlib.suppress(Exception):
            e._course_case = case
        if diagnose and isinstance(e, Exception) and not isinstance(e, NotImplementedError):
            mistake = _known_mistake(spec, fn, rng)
            if mistake:
                return _stopped(spec, case, e, mistake)
        raise
    want = spec.reference(*copy.deepcopy(case.args))
    finding = difference(got, want, spec.rtol, spec.atol)
    if finding is None:
        if spec.may_change_inputs or difference(list(given), list(case.args), 0, 0) is None:
            return None
        finding, advice = "the result is right, but your function changes its input", "Work on a copy."
        message = f"{finding} for {describe(spec.reference, case)}: work on a copy."
        return Verdict("wrong", message, advice, finding, named_inputs(spec.reference, case), case.about)
    mistake = _known_mistake(spec, fn, rng) if diagnose else ""
    message = f"{mistake} For {describe(spec.reference, case)}, {finding}.".strip()
    return Verdict(
        "wrong", message, mistake, finding, named_inputs(spec.reference, case), case.about, *short_pair(got, want)
    )


def _stopped(spec: Exercise, case: Case, error: BaseException, mistake: str = "") -> Verdict:
    """The verdict on an answer that ended in an error."""
    message = _in_words(error, f" for {describe(spec.reference, case)}")
    message = f"{mistake} ({message})" if mistake else message
    return Verdict("wrong", message, mistake, _in_words(error, ""), named_inputs(spec.reference, case), case.about)


def _known_mistake(spec: Exercise, fn, rng) -> str:
    """The message of the declared mistake whose results equal the learner's on several fresh inputs; "" where there is
    none."""
    cases = spec.inputs(rng) + spec.inputs(rng)
    theirs = [_outcome(fn, c) for c in cases]
    for wrong in spec.wrong:
        if not wrong.message:
            continue
        others = [_outcome(wrong.fn, c) for c in cases]
        if all(_same(a, b, spec) for a, b in zip(theirs, others, strict=True)):
            return wrong.message.rstrip()
    return ""


def _outcome(fn, case: Case):
    try:
        return "value", fn(*copy.deepcopy(case.args))
    except Exception as e:
        return "error", type(e).__name__


def _same(a, b, spec: Exercise) -> bool:
    if a[0] != b[0]:
        return False
    if a[0] == "error" or a[1] is None or b[1] is None:
        return a[1] == b[1]
    try:
        return difference(a[1], b[1], spec.rtol, spec.atol) is None
    except Exception:
        return False


def broken_cell(exercise_id: str, fn, cells: list[str] | None = None) -> Verdict | None:
    """A "wrong" verdict where the newest cell that defines the answer to an exercise is no valid Python: then `fn` is
    what an earlier cell defined, and judging it would mislead. None everywhere else, outside IPython too.

    cells: the cells run so far, oldest first (IPython's own history where it is not given).
    """
    if cells is None:
        shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        cells = list(shell.history_manager.input_hist_raw) if shell else []
    name = getattr(getattr(fn, "learner", fn), "__name__", "")
    defines = re.compile(
        rf"""^\s*@?exercise\(\s*['"]{re.escape(exercise_id)}['"]"""
        + (rf"|^\s*def\s+{name}\b" if name.isidentifier() else ""),
        re.MULTILINE,
    )
    cell = next((c for c in reversed(cells) if defines.search(c)), None)
    error = _syntax_error(cell) if cell else None
    if error is None:
        return None
    text = (error.text or "").strip()
    place = f" in line {error.lineno} of its cell" + (f" ({text})" if text else "")
    message = f"Python cannot read your newest answer: {error.msg}{place}. Repair it, run it, then check again"
    return Verdict("wrong", f"{message}: what you wrote before is not judged.", message + ".")


def _syntax_error(cell: str) -> SyntaxError | None:
    """Why Python cannot compile a cell; lines for IPython alone (%magic, !command, help?) do not count."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    try:
        compile(shell.transform_cell(cell) if shell else cell, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError) as e:
        return e if isinstance(e, SyntaxError) else SyntaxError(str(e))
    return None
