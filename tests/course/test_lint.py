"""Every lint rule fails on a notebook that breaks it, and is silent on one that does not."""

from pathlib import Path

import nbformat
import pytest

from mgmr_lib.course.authoring import build, lint, lint_bets, lint_course, lint_outputs, lint_source
from mgmr_lib.course.authoring.source import Cell, Meta, Source
from mgmr_lib.course.registry import Exercise

META = {
    "slug": "good",
    "title": "Good",
    "claim": "It is.",
    "goals": ("see",),
    "minutes": 20,
    "budget_s": 20,
    "device": "cpu",
}
ANSWER = '@exercise("50.1")\ndef f(x):\n    # SOLUTION\n    return x\n    # END SOLUTION'
GOOD = (
    Cell("markdown", "The [gizmo](glossary.md#gizmo) turns; gizmos are everywhere."),
    Cell("code", "from mgmr_lib.course import check, exercise, hint\n\nrate = 0.35\nprint(rate)", ("baseline",)),
    Cell("markdown", "### Exercise 50.1 · f (easy, 5 minutes)"),
    Cell("code", ANSWER),
    Cell("code", 'check("50.1", f)', ("control",)),
    Cell(
        "markdown",
        "## Limits\nWith a rate of 0.35 (see exercise 50.1) it stops; 35 % is our choice, and 2025 is a year.",
    ),
    Cell("markdown", "## Summary\nA paper has 75.8 [@someone].\n\nIt turns `1.234` times, $2.5$ a step."),
)
KNOWN = (Exercise("50.1", "f", 1, 5, lambda x: x, ("a", "b"), (), cases=lambda rng: [(1,)]),)


def source(*cells, number="50", requires=(), introduces=("gizmo",), **meta):
    full = Meta(number=number, requires=requires, introduces=introduces, **META | meta)
    return Source(Path(f"{number}_good.py"), "", full, tuple(cells) or GOOD)


def text(words):
    return Cell("markdown", words)


def code(words, *tags):
    return Cell("code", words, tags)


@pytest.mark.parametrize("rule", lint.RULES["source"], ids=lambda r: r.__name__)
def test_a_good_source_passes(rule):
    assert list(rule(source(), KNOWN)) == []


BAD_SOURCES = [
    (lint_source.sizes, (code("x = 1\n" * 26),), "26 lines"),
    (lint_source.sizes, (code("x = 1\n" * 9), code("x = 1\n" * 9), code("x = 1")), "median"),
    (lint_source.sizes, (code("x = " + "1" * 117),), "121 columns"),
    (lint_source.sizes, (text("word " * 91),), "91 words"),
    (lint_source.tags, (code("x", "nbval-skip"),), "nbval-skip"),
    (lint_source.tags, (code("x", "nbval-ignore-output"), *[code("y")] * 5), "at most 15 %"),
    (lint_source.tags, (code("# NBVAL_SKIP\nx = 1"),), "comments"),
    (lint_source.anatomy, GOOD[:5], "limits"),
    (lint_source.anatomy, GOOD[:6], "summary"),
    (lint_source.anatomy, (GOOD[0], *GOOD[2:]), "baseline"),
    (lint_source.anatomy, (*GOOD[:4], *GOOD[5:]), "control"),
    (lint_source.exercises, (code(ANSWER),), "must call check('50.1'"),
    (lint_source.exercises, (code(ANSWER + "\n\n" + ANSWER), GOOD[4]), "its own cell"),
    (lint_source.exercises, (code("helper = 1\n\n\n" + ANSWER), GOOD[4]), "holds more than the answer"),
    (lint_source.exercises, (code('@exercise("50.1")\ndef f(x):\n    return x'), GOOD[4]), "no # SOLUTION region"),
    (lint_source.exercises, (*GOOD, code("# SOLUTION\nx = 1\n# END SOLUTION")), "without @exercise"),
    (lint_source.exercises, (code(ANSWER), GOOD[4]), "import hint"),
    (lint_source.exercises, (code(ANSWER), text("### Exercise 50.1 (4 minutes)")), "(5 minutes)"),
    (lint_source.exercises, (text("nothing"),), "needs a heading"),
    (lint_source.exercises, (text("nothing"),), "defines ['50.1']"),
    (lint_source.exercises, (code(ANSWER + "\n    oh no"), GOOD[4]), "not valid Python"),
    (lint_source.typed_numbers, (text("The error is 0.47 here."),), "0.47"),
    (lint_source.typed_numbers, (text("It is right in 93 % of the clips."),), "93 %"),
    (lint_source.typed_numbers, (text("All 12 817 clips."),), "12 817"),
    (lint_source.typed_numbers, (text("Cited [@someone].\n\nNot cited: 0.47."),), "0.47"),
    (lint_source.typed_numbers, (code('show(fig, f"The error falls to 0.47 of {x}.")'),), "0.47"),
    (lint_source.typed_numbers, (code('say("It is 61.8 points.")'),), "61.8"),
    (lint_source.silent_figures, (code("plt.show()"),), "show(fig, caption)"),
]


@pytest.mark.parametrize(("rule", "cells", "says"), BAD_SOURCES, ids=[f"{r.__name__}: {s}" for r, _, s in BAD_SOURCES])
def test_a_bad_source_is_named(rule, cells, says):
    assert any(says in m for m in rule(source(*cells), KNOWN))


ASKED = text("**Predict, then run:** how many?")
BET = code('predict("50.a", "How many?", ["one", "two"])')
SETTLED = code('outcome("50.a", found, because=f"The second is hidden, and {x} look twice.")')


def test_a_bet_with_its_lesson_passes():
    imports = code("import math\n\nx = 1")
    assert list(lint_bets.bets(source(ASKED, BET, code("found = 1"), SETTLED), ())) == []
    assert list(lint_bets.bets(source(ASKED, imports, BET, SETTLED), ())) == []


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ((ASKED, BET, SETTLED, ASKED, code("x = 1")), "has no predict"),
        ((ASKED, BET, SETTLED, ASKED), "has no predict"),
        ((ASKED, ASKED, BET, SETTLED), "has no predict"),
        ((ASKED, code("x = 1"), BET, SETTLED), "has no predict"),
        ((ASKED, BET), "no outcome"),
        ((ASKED, SETTLED, BET), "above its predict"),
        ((ASKED, BET, SETTLED, SETTLED), "twice"),
        ((ASKED, BET, code('outcome("50.a", 1, because="So it is.")')), "a lost bet teaches"),
        ((ASKED, BET, code('outcome("50.a", 1)')), "a lost bet teaches"),
        (
            (ASKED, code(BET.source.replace("50.a", "50.b")), code(SETTLED.source.replace("50.a", "50.b"))),
            "number them",
        ),
        ((ASKED, BET, SETTLED, ASKED, BET, SETTLED), "number them"),
        ((ASKED, code("import math\n" + BET.source), SETTLED), "a cell of their own"),
        ((ASKED, BET, code("show(fig, 'The truth at last.')\n" + SETTLED.source)), "a cell of their own"),
    ],
)
def test_a_bet_that_is_not_whole_is_named(cells, says):
    assert any(says in m for m in lint_bets.bets(source(*cells), ()))


def test_once_all_are_converted_a_question_without_a_bet_is_named(monkeypatch):
    monkeypatch.setattr(lint_bets, "ALL_CONVERTED", True)
    assert any("has no predict" in m for m in lint_bets.bets(source(ASKED, code("found = 1")), ()))


def test_exercises_longer_than_the_notebook_and_a_preview():
    assert any("5 minutes" in m for m in lint_source.exercises(source(minutes=4), KNOWN))
    assert list(lint_source.anatomy(source(text("Hello"), preview=True), ())) == []


def stream(words, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=words)


def data(bundle, metadata=None):
    return nbformat.v4.new_output("display_data", data=bundle, metadata=metadata or {})


CAPTION = "The value halves with every step."
FIGURE = data({"image/png": "AAAA", "text/plain": CAPTION}, {"image/png": {"alt": CAPTION}})
BELOW = data({"text/markdown": f"*Figure: {CAPTION}*"})
ERROR = nbformat.v4.new_output("error", ename="KeyError", evalue="x", traceback=[])


def built(*cells):
    """A built notebook; each cell is (code, [outputs], *tags)."""
    nb = nbformat.v4.new_notebook()
    for i, (words, outputs, *tags) in enumerate(cells):
        cell = nbformat.v4.new_code_cell(words, execution_count=i + 1, outputs=outputs)
        cell.metadata.update({"tags": tags} if tags else {})
        nb.cells.append(cell)
    return nb


FINE = built(
    ("print(1)", [stream("1.234\n")]),
    ("show(fig, CAPTION)", [FIGURE, BELOW]),
    ("x = 1", []),
    ("1 / 0", [ERROR], "raises-exception"),
)


@pytest.mark.parametrize("rule", lint.RULES["outputs"], ids=lambda r: r.__name__)
def test_good_outputs_pass(rule):
    assert list(rule(FINE, build.serialise(FINE))) == []


def without_count():
    nb = built(("x = 1", []), ("y = 1", []))
    nb.cells[1].execution_count = None
    return nb


def with_state():
    nb = built(("x = 1", []))
    nb.metadata["widgets"] = {"state": {}}
    return nb


BAD_OUTPUTS = [
    (lint_outputs.executed_in_order, without_count(), "code cell 2 has the execution count None"),
    (lint_outputs.outputs_present, built(("print(1)", [])), "no output is stored"),
    (lint_outputs.outputs_present, built(("a = 1\nshow(fig, 'x')", [])), "no output is stored"),
    (lint_outputs.no_errors, built(("x", [ERROR])), "KeyError"),
    (lint_outputs.no_errors, built(("x", [stream("FutureWarning", "stderr")])), "stderr"),
    (lint_outputs.captions, built(("x", [data({"image/png": "AAAA"})])), "no caption"),
    (lint_outputs.captions, built(("x", [FIGURE])), "no caption"),
    (lint_outputs.captions, built(("x", [FIGURE, stream("else")])), "no caption"),
    (lint_outputs.no_widget_state, with_state(), "widget state"),
    (lint_outputs.no_widget_state, built(("x", [data({lint_outputs.WIDGET: {"model_id": "1"}})])), "stores a widget"),
    (lint_outputs.comparable, built(("x", [stream("0.30000000000000004")])), "0.30000000000000004"),
    (lint_outputs.comparable, built(("x", [stream("in /home/ada/course")])), "/home/ada/course"),
    (lint_outputs.comparable, built(("x", [data({"image/svg+xml": "<svg/>"})])), "SVG"),
    (lint_outputs.file_size, built(("x", [stream("x" * 1_500_001)])), "1.5 MB"),
]


@pytest.mark.parametrize(("rule", "nb", "says"), BAD_OUTPUTS, ids=[f"{r.__name__}: {s}" for r, _, s in BAD_OUTPUTS])
def test_bad_outputs_are_named(rule, nb, says):
    assert any(says in m for m in rule(nb, build.serialise(nb)))


def test_editions_may_differ_in_what_check_says_only():
    ours = built(("print(f(1))", [stream("1")]), ('check("50.1", f)', [stream("not attempted")]))
    same = built(("print(f(1))", [stream("1")]), ('check("50.1", f)', [stream("passed")]))
    other = built(("print(f(1))", [stream("2")]), ('check("50.1", f)', [stream("passed")]))
    assert list(lint_outputs.editions_agree(ours, same)) == []
    assert any("something else in the solution" in m for m in lint_outputs.editions_agree(ours, other))


GLOSSARY = {"gizmo": {"text": "A thing that turns when it is asked to."}}
LINKED = text("The [gizmo](glossary.md#gizmo) turns.")


def course(**changes):
    sources = {"50": source(), "51": source(text("Use the gizmo."), number="51", requires=("50",), introduces=())}
    return sources | {n.strip("n"): s for n, s in changes.items()}


@pytest.mark.parametrize("rule", lint.RULES["course"], ids=lambda r: r.__name__)
def test_a_good_course_passes(rule):
    assert list(rule(course(), GLOSSARY)) == []


BAD_COURSES = [
    (lint_course.prerequisites, course(n50=source(requires=("51",))), GLOSSARY, "does not come before"),
    (lint_course.prerequisites, course(n50=source(requires=("49",))), GLOSSARY, "no source"),
    (lint_course.prerequisites, course(n50=source(requires=("50",))), GLOSSARY, "does not come before"),
    (lint_course.glossary_complete, course(), {}, "not in notebooks/src/glossary.yml"),
    (lint_course.glossary_complete, course(n51=source(number="51")), GLOSSARY, "does so already"),
    (lint_course.glossary_complete, course(n50=source(text("The gizmo turns."))), GLOSSARY, "never links it"),
    (
        lint_course.glossary_complete,
        course(),
        GLOSSARY | {"widget": {"text": "Some thing that we never came to."}},
        "no notebook introduces",
    ),
    (lint_course.glossary_complete, course(), {"gizmo": {"text": "A thing."}}, "no explanation"),
    (
        lint_course.introduced_before_use,
        course(n51=source(text("A gizmo."), number="51", introduces=())),
        GLOSSARY,
        "which only 50",
    ),
    (
        lint_course.introduced_before_use,
        course(n50=source(text("Gizmos!"), LINKED)),
        GLOSSARY,
        "before it is introduced",
    ),
    (
        lint_course.links,
        course(n51=source(text("[x](glossary.md#nothing)"), number="51")),
        GLOSSARY,
        "glossary.md#nothing",
    ),
    (lint_course.links, course(n51=source(text("[x](77_lost.ipynb)"), number="51")), GLOSSARY, "77_lost"),
    (lint_course.budgets, course(n50=source(budget_s=91)), GLOSSARY, "budget_s 91"),
    (lint_course.budgets, course(n50=source(minutes=95)), GLOSSARY, "95 minutes"),
]


@pytest.mark.parametrize(
    ("rule", "sources", "glossary", "says"), BAD_COURSES, ids=[f"{r.__name__}: {s}" for r, _, _, s in BAD_COURSES]
)
def test_a_bad_course_is_named(rule, sources, glossary, says):
    assert any(says in m for _, m in rule(sources, glossary))


def test_words_in_code_and_formulas_are_no_use_of_a_term_and_other_names_are():
    quiet = course(n51=source(text("Call `gizmo` and $gizmo$."), number="51", introduces=()))
    assert list(lint_course.introduced_before_use(quiet, GLOSSARY)) == []
    spoken = course(n51=source(text("The turning-thing."), number="51", introduces=()))
    named = {"gizmo": {"text": "A thing that turns.", "says": ["turning thing"]}}
    assert len(list(lint_course.introduced_before_use(spoken, named))) == 1
    assert list(lint_course.introduced_before_use(spoken, {"gizmo": named["gizmo"] | {"quiet": True}})) == []
