"""`@exercise`, `check`, `hint` and the score: nothing that a learner's function does may break a notebook."""

import inspect
import random
import sys
import time
import types

import pytest

from mgmr_lib.course import (
    answers,
    check,
    display,
    exercise,
    exercises,
    grading,
    hint,
    progress,
    registry,
    score,
    store,
    waiting,
)
from mgmr_lib.course.authoring import build
from mgmr_lib.course.compare import difference
from mgmr_lib.course.registry import Case, Exercise, Wrong
from mgmr_lib.errors import CourseError


def add(a, values):
    return [a + v for v in values]


class Counter:
    def __init__(self):
        self.n = 0

    def up(self):
        self.n += 1
        return self.n


def cases(rng):
    return [Case((rng.randint(1, 9), [rng.randint(1, 9) for _ in range(3)]), "three numbers") for _ in range(4)]


def counts(cls, rng):
    counter = cls()
    return None if [counter.up() for _ in range(3)] == [1, 2, 3] else "it does not count by one."


HINTS = ("Add it to every one of the values.", "A number and a list go in, a list comes out.")
SPECS = [
    Exercise(
        "98.1",
        "add to all",
        1,
        5,
        add,
        HINTS,
        limit_s=1.0,  # a first call may load what it needs
        cases=cases,
        after="Well added.",
        wrong=(
            Wrong(
                "first only", lambda a, v: [a + v[0], *v[1:]], "only the first", "You added it to only the first value."
            ),
        ),
    ),
    Exercise("98.2", "a counter", 1, 5, Counter, HINTS, test=counts, wrong=()),
]


@pytest.fixture(autouse=True)
def course(monkeypatch, tmp_path):
    module = types.ModuleType("mgmr_lib.chapters.ch98_made_up.exercises")
    module.EXERCISES = SPECS
    monkeypatch.setitem(sys.modules, module.__name__, module)
    real = registry.chapter
    monkeypatch.setattr(registry, "chapter", lambda n: "mgmr_lib.chapters.ch98_made_up" if n == "98" else real(n))
    monkeypatch.setenv("MGMR_LEARNER", str(tmp_path / "learner"))
    monkeypatch.setattr(store, "_in_memory", {})
    monkeypatch.setattr(exercises, "_hints_given", {})
    monkeypatch.setattr(exercises, "_announced", {})
    return tmp_path


def said(capsys, fn, exercise_id="98.1"):
    check(exercise_id, fn)
    return capsys.readouterr().out


def test_unsolved_falls_through_and_solved_is_the_learners_own():
    @exercise("98.1")
    def unsolved(a, values):
        raise NotImplementedError  # your code here

    @exercise("98.1")
    def solved(a, values):
        return "mine"

    assert unsolved(1, [2, 3]) == [3, 4] and solved(1, [2]) == "mine"
    assert unsolved.__name__ == "unsolved"


def test_an_answer_above_the_forgotten_raise_counts():
    @exercise("98.1")
    def answer(a, values):
        return [a + v for v in values]
        raise NotImplementedError  # your code here

    assert exercises.verdict("98.1", answer).state == "passed"


def test_a_nested_helper_that_is_unsolved_counts_as_unsolved():
    @exercise("98.1")
    def answer(a, values):
        def one(v):
            raise NotImplementedError  # your code here

        return [one(v) for v in values]

    assert answer(1, [1]) == [2] and exercises.verdict("98.1", answer).state == "not attempted"


def test_a_library_that_does_not_implement_something_is_the_learners_error():
    def library():
        raise NotImplementedError("no such kernel")

    @exercise("98.1")
    def answer(a, values):
        return library()

    with pytest.raises(NotImplementedError, match="no such kernel"):
        answer(1, [1])
    verdict = exercises.verdict("98.1", answer)
    assert verdict.state == "wrong" and "no such kernel" in verdict.message


def test_a_class_falls_through_while_any_method_is_unsolved():
    class Mine:
        def __init__(self):
            self.n = 0

        def up(self):
            raise NotImplementedError  # your code here

    assert exercise("98.2")(Mine)().up() == 1
    assert exercises.verdict("98.2", exercise("98.2")(Mine)).state == "not attempted"
    Mine.up = lambda self: 5
    assert exercise("98.2")(Mine)().up() == 5
    assert "count by one" in exercises.verdict("98.2", exercise("98.2")(Mine)).message
    assert exercises.verdict("98.2", Counter).state == "passed"


def endless(a, values):
    return endless(a, values)


def looping(a, values):
    while True:
        pass


def swallowing(a, values):
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            pass


def changing(a, values):
    for i in range(len(values)):
        values[i] += a
    return values


def printing(a, values):
    print("x" * 10000)
    return [a + v for v in values]


@pytest.mark.parametrize(
    ("fn", "words"),
    [
        (endless, "calls itself without end"),
        (looping, "does not come to an end"),
        (swallowing, "does not come to an end"),
        (lambda a, v: sys.exit(3), "SystemExit"),
        (lambda a, v: 1 / 0, "ZeroDivisionError"),
        (lambda a: a, "TypeError"),
        (lambda a, v: None, "return"),
        (lambda a, v: 7, "we expect a list of 3"),
        (lambda a, v: [a + x for x in v][:2], "you have 2 values, we expect 3"),
        (lambda a, v: [str(a + x) for x in v], "you have a str at [0]"),
        (lambda a, v: [float("nan")] * 3, "nan"),
        (lambda a, v: [a + x + 1 for x in v], "(three numbers), you have"),
        (lambda a, v: [a + v[0], *v[1:]], "You added it to only the first value. For a ="),
        (changing, "changes its input"),
        (5, "leave out the call"),
        (None, "leave out the call"),
    ],
)
def test_check_teaches_and_never_raises(fn, words, capsys):
    out = said(capsys, fn)
    assert out.startswith("98.1  not yet: ") and words in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 100


def test_what_check_says_of_passed_and_untouched(capsys):
    assert said(capsys, add) == "98.1  passed: add to all.\n       Well added.\n"
    assert said(capsys, printing) == said(capsys, add)

    def untouched(a, values):
        raise NotImplementedError

    assert said(capsys, untouched) == '98.1  not attempted yet: add to all. Stuck? Run hint("98.1").\n'
    assert "there is no exercise '98.7'" in said(capsys, add, "98.7")
    assert "exercise 98.1" in said(capsys, exercise("98.1")(add), "98.2")


def test_a_line_of_the_learners_function_is_named(capsys):
    def answer(a, values):
        first = values[0]
        return first / 0

    assert "(line 3 of answer)" in said(capsys, answer)


def test_check_leaves_random_numbers_alone():
    torch, numpy = pytest.importorskip("torch"), pytest.importorskip("numpy")

    def greedy(a, values):
        random.random(), torch.rand(3), numpy.random.rand(3)
        return add(a, values)

    def draw():
        return random.random(), torch.rand(1).item(), numpy.random.rand()

    random.seed(1), torch.manual_seed(1), numpy.random.seed(1)
    want = draw()
    random.seed(1), torch.manual_seed(1), numpy.random.seed(1)
    assert exercises.verdict("98.1", greedy).state == "passed"
    assert draw() == want


def test_tensors_are_compared_in_shape_and_value():
    torch = pytest.importorskip("torch")
    want = torch.arange(6.0).reshape(2, 3)
    assert difference(want.clone(), want) is None
    assert difference(want.T, want) == "your shape is (3, 2), we expect (2, 3)"
    assert "at [1][2]" in difference(want + torch.tensor([[0, 0, 0], [0, 0, 1.0]]), want)
    assert "we expect a Tensor" in difference(want.tolist(), want)
    assert difference(want.numpy()[0, 1], 1.0) is None
    assert difference(0.0, -float("inf")) and difference(-float("inf"), 0.0) and difference(*2 * [float("inf")]) is None
    assert difference(True, False) and difference(True, 7) and difference(1, True) is None
    assert difference({"a": 1.0}, {"a": 2.0}) == "you have 1 at ['a'], we expect 2"


def test_hints_go_from_words_to_shapes_to_the_solution(capsys):
    for _ in range(4):
        hint("98.1")
    lines = capsys.readouterr().out.splitlines()
    assert HINTS[0] in lines[0] and HINTS[1] in lines[1]
    shown = inspect.getsource(add).rstrip().splitlines()
    assert lines[3 : 3 + len(shown)] == [f"    {line}" for line in shown] and lines.count(lines[2]) == 2
    hint("98.1", 1)
    assert HINTS[0] in capsys.readouterr().out
    hint("77.1")
    assert "no exercise" in capsys.readouterr().out


def test_the_score_is_kept_in_the_learners_folder_only(course, monkeypatch, capsys):
    outside, inside = course / "elsewhere", course / "learner"
    outside.mkdir(), inside.mkdir()
    monkeypatch.chdir(outside)
    check("98.1", add)
    assert not (inside / "score.json").exists() and score.read() == {"98.1": "passed"}
    monkeypatch.chdir(inside)
    assert score.read() == {}
    check("98.1", add)
    check("98.1", lambda a, v: None)
    assert score.read() == {"98.1": "passed"}
    capsys.readouterr()
    progress("98")
    out = capsys.readouterr().out
    assert "1 of 2 exercises passed" in out and "● ○" in out


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"98.1": "excellent"}'])
def test_a_damaged_score_starts_anew(text, course, monkeypatch, capsys):
    folder = course / "learner"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "score.json").write_text(text)
    assert score.read() == {}
    check("98.1", add)
    assert score.read() == {"98.1": "passed"}


def test_a_badly_defined_exercise_is_named():
    with pytest.raises(CourseError, match="4.2"):
        Exercise("4.2", "t", 1, 1, add, HINTS, (), cases=cases)
    with pytest.raises(CourseError, match="cases"):
        Exercise("04.2", "t", 1, 1, add, HINTS, ())
    with pytest.raises(CourseError, match="99.1"):
        registry.find("99.1")


def first_only(a, values):
    return [a + values[0], *values[1:]]


def test_an_answer_that_check_found_wrong_gives_way_to_the_reference(capsys):
    answer = exercise("98.1")(first_only)
    assert answer(1, [1, 1]) == [2, 1]  # nobody has looked yet
    check("98.1", answer)
    assert "98.1  not yet" in capsys.readouterr().out
    assert answer(1, [1, 1]) == [2, 2] and answer(2, [1, 1]) == [3, 3]
    assert capsys.readouterr().out.count("waits for 98.1") == 1
    check("98.1", answer)  # still judged on its own
    assert "98.1  not yet" in capsys.readouterr().out


def test_a_cell_that_the_learner_added_meets_the_learners_own_answer(monkeypatch):
    answer = exercise("98.1")(first_only)
    check("98.1", answer)
    monkeypatch.setattr(exercises, "_cell_id", lambda: "0123456789-2")
    assert answer(1, [1, 1]) == [2, 2]
    monkeypatch.setattr(exercises, "_cell_id", lambda: "8d4f2c6e-1111-4222-8333-444455556666")
    assert answer(1, [1, 1]) == [2, 1]


def test_an_answer_that_calls_itself_never_meets_the_reference_while_it_is_judged():
    @exercise("98.1")
    def answer(a, values):
        return [a + values[0], *answer(a, values[1:])] if len(values) > 1 else []

    for _ in range(2):
        check("98.1", answer)
        assert exercises.verdict("98.1", answer).state == "wrong"


def test_an_answer_whose_cell_failed_is_said_and_replaced(capsys):
    made = exercises.stand_in("98.1", "answer", "the cell stops with NameError: x.")
    assert made(1, [2, 3]) == [3, 4]
    capsys.readouterr()
    check("98.1", made)
    assert "98.1  not yet: the cell stops with NameError" in capsys.readouterr().out and score.read()["98.1"] == "wrong"


@pytest.fixture
def shown(monkeypatch):
    """What a notebook would show."""
    bundles = []
    monkeypatch.setattr(display, "bundle", lambda data, metadata=None: bundles.append(data))
    return bundles


def test_check_shows_inputs_and_both_results_as_a_table_and_help_in_place(shown):
    check("98.1", lambda a, v: ["<b>", 2, 3])
    html = shown[-1]["text/html"]
    for part in ("input a", "input values", "your result", "expected", "&lt;b&gt;", "three numbers", *HINTS):
        assert part in html
    assert "<b>" not in html and html.count("<details>") == 3 and "return [a + v for v in values]" in html
    check("98.1", add)
    assert "passed: add to all." in shown[-1]["text/html"] and "<details>" not in shown[-1]["text/html"]


def test_what_a_stored_notebook_can_hold_is_the_same_at_every_run(shown):
    def untouched(a, values):
        raise NotImplementedError

    for _ in range(2):
        check("98.1", add)
        check("98.1", untouched)
    assert shown[:2] == shown[2:]


def test_the_solution_is_the_notebooks_own():
    text = answers.solution(registry.find("01.2"))
    assert text.startswith('@exercise("01.2")\ndef run(') and "h = step(h, value, a, b)" in text
    assert "SOLUTION" not in text and "check(" not in text


CELLS = """
from mgmr_lib.course import check, exercise
---
@exercise("01.1")
def step(h, x, a, b):
    return a * h + b * x x
---
check("01.1", step)
---
print(step(2.0, 3.0, 0.5, 1.0))
---
@exercise("01.1")
def step(h, x, a, b):
    return a * h
---
check("01.1", step)
---
print(step(2.0, 3.0, 0.5, 1.0))
---
@exercise("01.1")
def step(h, x, a, b):
    return a * h + b * x
---
check("01.1", step)
"""


def test_a_syntax_error_and_a_wrong_answer_do_not_end_run_all():
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    cells = [nbformat.v4.new_code_cell(c.strip()) for c in CELLS.split("---")]
    for c in cells:
        c.metadata["tags"] = ["raises-exception"] if c.source.startswith("@exercise") else []
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=60).execute(env=build.kernel_environment())
    outs = ["\n".join(o.get("text") or o["data"]["text/plain"] for o in c.outputs if "ename" not in o) for c in cells]
    assert "Python cannot read your newest answer" in outs[2] and "x x" in outs[2]
    assert "waits for 01.1" in outs[3] and "4.0" in outs[3]
    assert "01.1  not yet" in outs[5] and "4.0" in outs[6] and "waits for 01.1" in outs[6]
    assert "01.1  passed" in outs[8]


def test_a_slow_cell_says_how_long_it_takes(monkeypatch):
    updates = []
    handle = types.SimpleNamespace(update=lambda html: updates.append(html.data))
    pytest.importorskip("IPython")
    monkeypatch.setattr("IPython.display.display", lambda html, display_id: updates.append(html.data) or handle)
    monkeypatch.setattr(waiting, "usual_seconds", lambda: {"slow": 12.0, "quick": 2.0})
    for cell in ("quick", "unknown", None, "slow"):
        waiting.before_cell(types.SimpleNamespace(cell_id=cell))
        waiting.after_cell(None)
    assert len(updates) == 2 and "about 12 seconds" in updates[0] and "took 0 seconds" in updates[1]


@pytest.mark.parametrize("text", ["", "[]", '{"01": 3}', '{"01": {"x": "y"}}'])
def test_damaged_seconds_are_no_seconds(tmp_path, text):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / waiting.FILE).write_text(text)
    assert waiting.usual_seconds(tmp_path) == {}


def test_a_syntax_error_is_judged_as_such_not_the_function_before():
    good = '@exercise("98.1")\ndef add(a, values):\n    return [a + v for v in values]'
    bad, asked = good + ")", 'check("98.1", add)'
    assert grading.broken_cell("98.1", add, [good, asked]) is None
    verdict = grading.broken_cell("98.1", add, [good, asked, bad, asked])
    assert verdict.state == "wrong" and "unmatched ')'" in verdict.message and "line 3" in verdict.message
    assert grading.broken_cell("98.1", add, [good, bad, good, asked]) is None
    assert grading.broken_cell("98.2", Counter, [good, bad, asked]) is None


def test_numbers_in_a_message_differ_and_noise_is_zero():
    assert difference(-0.00558210, -0.00558214, 1e-9) == "you have -0.0055821, we expect -0.00558214"
    assert difference(0.5, -1.11e-16) == "you have 0.5, we expect 0"
    assert difference([True], [False]) == "you have True at [0], we expect False"
    verdict = exercises.verdict("98.1", lambda a, values: [a + v + 1e-5 for v in values])
    assert verdict.yours != verdict.expected and verdict.finding in verdict.message
    assert dict(verdict.given).keys() == {"a", "values"} and verdict.about == "three numbers"


def test_a_long_input_does_not_bury_the_sentence():
    long = Case((1, list(range(100000000, 100000008))))
    assert len(grading.describe(add, long)) < 100
