"""The builder: two editions from one source, the same bytes every time, and no tampering that the check overlooks."""

import json
import shutil

import nbformat
import pytest

from mgmr_lib.course.authoring import build, pages, skeleton
from mgmr_lib.course.authoring.source import LEARNER, SOLUTION, edition_code, read_source
from mgmr_lib.errors import CourseError

TINY = '''# ---
# jupyter:
#   mgmr:
#     title: Tiny
#     claim: "A small notebook."
#     goals: [build it]
#     minutes: 10
#     budget_s: 20
#     device: cpu
#     requires: []
#     introduces: [state]
# ---
# %% [markdown]
# The [state](glossary.md#state), after [@kalman1960].

# %%
from mgmr_lib.course import check, exercise


# %%
@exercise("01.1")
def step(h, x, a, b):
    """One step."""
    # SOLUTION
    fresh = b * x
    return a * h + fresh
    # END SOLUTION


# %%
check("01.1", step)
print("half of it:", step(3.0, 1.0, 0.5, 2.0))
'''
README = f"# Course\n\n{pages.BEGIN}\n{pages.END}\n\nThe end.\n"


def write_root(root):
    source = root / "notebooks" / "src"
    source.mkdir(parents=True)
    (source / "01_tiny.py").write_text(TINY)
    (source / "glossary.yml").write_text("state:\n  symbol: $h$\n  text: What a recurrence carries along.\n")
    (source / "bibliography.yml").write_text(
        "kalman1960:\n  short: Kalman 1960\n  authors: R. E. Kalman\n  year: 1960\n  title: Filtering\n  text: Our "
        "source.\n"
    )
    (root / "README.md").write_text(README)
    return root


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A course of one tiny notebook, built once."""
    root = write_root(tmp_path_factory.mktemp("course"))
    build.build(["01"], root)
    return root


@pytest.fixture
def course(built, tmp_path):
    """A copy that a test may spoil."""
    shutil.copytree(built, tmp_path / "course")
    return tmp_path / "course"


def notebook(root, edition):
    return nbformat.read(root / edition / "01_tiny.ipynb", as_version=4)


def printed(nb):
    outputs = [o for c in nb.cells if c.cell_type == "code" for o in c.outputs]
    return "\n".join(o.get("text") or o["data"]["text/plain"] for o in outputs)


def test_learners_get_the_task_and_solutions_the_answer(built):
    learner, solution = notebook(built, LEARNER), notebook(built, SOLUTION)
    codes = ["\n".join(c.source for c in nb.cells if c.cell_type == "code") for nb in (learner, solution)]
    assert "raise NotImplementedError" in codes[0] and "fresh" not in codes[0]
    assert "return a * h + fresh" in codes[1] and "SOLUTION" not in codes[0] + codes[1]
    assert "01.1  not attempted" in printed(learner) and "01.1  passed" in printed(solution)
    assert "half of it: 3.5" in printed(learner) and "half of it: 3.5" in printed(solution)
    assert [c.id for c in learner.cells] == [c.id for c in solution.cells]


def test_header_links_and_citations_are_generated_for_each_folder(built):
    learner, solution = notebook(built, LEARNER), notebook(built, SOLUTION)
    assert learner.cells[0].source.startswith("# 01 · Tiny") and "10 minutes" in learner.cells[0].source
    assert "[Kalman 1960](bibliography.md#kalman1960)" in learner.cells[1].source
    assert "[Kalman 1960](../notebooks/bibliography.md#kalman1960)" in solution.cells[1].source
    assert "What a recurrence carries along" in learner.cells[-1].source
    assert "(../notebooks/glossary.md#state)" in solution.cells[-1].source
    assert "[Tiny](notebooks/01_tiny.ipynb)" in (built / "README.md").read_text()
    assert (built / "README.md").read_text().endswith("The end.\n")


def test_nothing_stored_differs_from_run_to_run(built, course):
    for nb in (notebook(built, LEARNER), notebook(built, SOLUTION)):
        assert "widgets" not in nb.metadata and all("execution" not in c.metadata for c in nb.cells)
    before = {e: (course / e / "01_tiny.ipynb").read_bytes() for e in (LEARNER, SOLUTION)}
    build.build([], course, force=True)
    assert {e: (course / e / "01_tiny.ipynb").read_bytes() for e in before} == before
    assert build.differences(course) == []


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def spoil(path, edit):
    nb = nbformat.read(path, as_version=4)
    edit(nb)
    path.write_text(build.serialise(nb))


def last(nb):
    return [c for c in nb.cells if c.cell_type == "code"][-1]


TAMPERINGS = {
    "a source line": lambda r: change(r / "notebooks/src/01_tiny.py", "half of it:", "a half:"),
    "the solution's line": lambda r: change(r / "notebooks/src/01_tiny.py", "fresh = b * x", "fresh = x * b"),
    "a space at the end of a source line": lambda r: change(r / "notebooks/src/01_tiny.py", "# %%\n", "# %% \n"),
    "the claim": lambda r: change(r / "notebooks/src/01_tiny.py", "A small notebook", "A big notebook"),
    "a deleted output": lambda r: spoil(r / LEARNER / "01_tiny.ipynb", lambda nb: last(nb).update(outputs=[])),
    "a wrong number": lambda r: change(r / SOLUTION / "01_tiny.ipynb", "half of it: 3.5", "half of it: 3.6"),
    "an execution count": lambda r: change(
        r / LEARNER / "01_tiny.ipynb", '"execution_count": 3', '"execution_count": 7'
    ),
    "all outputs cleared": lambda r: spoil(
        r / LEARNER / "01_tiny.ipynb",
        lambda nb: [c.update(outputs=[], execution_count=None) for c in nb.cells if c.cell_type == "code"],
    ),
    "a code cell": lambda r: change(r / LEARNER / "01_tiny.ipynb", "your code here", "your code"),
    "a text cell": lambda r: change(r / SOLUTION / "01_tiny.ipynb", "A small notebook", "A nice notebook"),
    "a tag": lambda r: spoil(r / LEARNER / "01_tiny.ipynb", lambda nb: last(nb).metadata.update(tags=["nbval-skip"])),
    "a budget in the notebook": lambda r: change(r / LEARNER / "01_tiny.ipynb", '"budget_s": 20', '"budget_s": 90'),
    "a missing edition": lambda r: (r / SOLUTION / "01_tiny.ipynb").unlink(),
    "a notebook without a source": lambda r: shutil.copy(r / LEARNER / "01_tiny.ipynb", r / LEARNER / "02_more.ipynb"),
    "a torn file": lambda r: (r / LEARNER / "01_tiny.ipynb").write_text('{"cells": ['),
    "the glossary's source": lambda r: change(r / "notebooks/src/glossary.yml", "carries along", "carries"),
    "the glossary page": lambda r: change(r / "notebooks/glossary.md", "carries along", "keeps"),
    "README's table": lambda r: change(r / "README.md", "| 10 |", "| 12 |"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_the_check_finds(name, course):
    assert build.differences(course) == []
    TAMPERINGS[name](course)
    assert build.differences(course) != []


def test_changed_prose_keeps_outputs_and_changed_code_is_executed(course, monkeypatch):
    executed = []
    monkeypatch.setattr(build, "execute", lambda nb, folder, **_: executed.append(nb.metadata.mgmr.edition))
    change(course / "notebooks/src/01_tiny.py", "after [@kalman1960]", "see [@kalman1960]")
    build.build([], course)
    assert executed == [] and build.differences(course) == []
    assert "half of it: 3.5" in printed(notebook(course, LEARNER))
    change(course / "notebooks/src/01_tiny.py", "half of it:", "a half:")
    build.build([], course)
    assert sorted(executed) == [LEARNER, SOLUTION]


def test_building_one_notebook_mends_links_in_the_others_without_running_them(course, monkeypatch):
    executed = []
    monkeypatch.setattr(build, "execute", lambda nb, folder, **_: executed.append(nb.metadata.mgmr.number))
    second = TINY.replace("title: Tiny", "title: Second").replace("[state]\n", "[]\n").replace("01.1", "01.2")
    (course / "notebooks/src/02_second.py").write_text(second)
    build.build(["02"], course)
    assert executed == ["02", "02"]
    assert "[02 Second](02_second.ipynb)" in notebook(course, LEARNER).cells[-1].source
    assert build.differences(course) == []
    change(course / "notebooks/src/01_tiny.py", "half of it:", "a half:")
    build.build(["02"], course)
    assert "01" not in executed and any("01_tiny" in d for d in build.differences(course))


def test_outputs_that_were_tampered_with_are_not_kept(course, monkeypatch):
    executed = []
    monkeypatch.setattr(build, "execute", lambda nb, folder, **_: executed.append(nb.metadata.mgmr.edition))
    change(course / SOLUTION / "01_tiny.ipynb", "half of it: 3.5", "half of it: 3.6")
    build.build([], course)
    assert executed == [SOLUTION]


def test_a_failing_cell_writes_nothing(course):
    before = (course / LEARNER / "01_tiny.ipynb").read_bytes()
    change(course / "notebooks/src/01_tiny.py", 'print("half', '1 / 0\nprint("half')
    with pytest.raises(CourseError, match="nothing was written"):
        build.build(["01"], course)
    assert (course / LEARNER / "01_tiny.ipynb").read_bytes() == before
    assert not list((course / LEARNER).glob(".*part"))


def test_regions_keep_their_indentation():
    code = (
        "def f():\n    for i in x:\n        # SOLUTION\n        a = 1\n\n        b = 2\n        # END SOLUTION\n "
        "   return 1\n"
    )
    assert edition_code(code, LEARNER) == (
        "def f():\n    for i in x:\n        raise NotImplementedError  # your code here\n    return 1\n"
    )
    assert edition_code(code, SOLUTION) == "def f():\n    for i in x:\n        a = 1\n\n        b = 2\n    return 1\n"
    with pytest.raises(CourseError, match="END SOLUTION"):
        edition_code("def f():\n    # SOLUTION\n    return 1\n", LEARNER)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("1_tiny.py", TINY, "NN_slug.py"),
        ("01_tiny.py", TINY.replace("#     minutes: 10\n", ""), "minutes"),
        ("01_tiny.py", TINY.replace("minutes: 10", "minutes: ten"), "minutes must be a int"),
        ("01_tiny.py", TINY.replace("#     device: cpu\n", "#     device: cpu\n#     colour: red\n"), "colour"),
        ("01_tiny.py", "# %%\nprint(1)\n", "mgmr"),
        ("01_tiny.py", "# ---\n# jupyter:\n#   mgmr: [\n# ---\n# %%\n1\n", "01_tiny.py"),
    ],
)
def test_a_bad_header_is_named(name, text, says, tmp_path):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(CourseError, match=says):
        read_source(path)


def test_an_unknown_citation_or_number_is_named(course):
    change(course / "notebooks/src/01_tiny.py", "@kalman1960", "@nobody")
    with pytest.raises(CourseError, match="nobody"):
        build.build(["01"], course)
    with pytest.raises(CourseError, match="07"):
        build.build(["07"], course)


def test_measured_seconds_stand_in_the_table(course):
    (course / "notebooks" / "seconds.json").write_text(json.dumps({"01": {"notebooks": 6, "solutions": 7}}))
    assert build.differences(course) != []
    build.build([], course)
    assert "| 10 | 6 | CPU |" in (course / "README.md").read_text()


GITHUB = '\n[project.urls]\nrepository = "https://github.com/me/course/"\n'


def test_readme_links_the_site_colab_and_binder_once_the_address_is_known(course):
    readme = course / "README.md"
    readme.write_text(readme.read_text() + f"\n{pages.LINKS_BEGIN}\n\n{pages.LINKS_END}\n")
    assert build.differences(course) == [] and "mybinder" not in readme.read_text()
    (course / "pyproject.toml").write_text(f'[project]\nname = "course"\n{GITHUB}')
    assert build.differences(course) == ["README.md differs from its sources: run `python -m mgmr_lib.course build`"]
    build.build([], course)
    made = readme.read_text()
    for target in (
        "https://github.com/me/course/actions/workflows/ci.yml/badge.svg",
        "https://me.github.io/course/",
        "https://colab.research.google.com/github/me/course/blob/colab/00_start_here.ipynb",
        "https://mybinder.org/v2/gh/me/course/main?urlpath=lab/tree/notebooks/00_start_here.ipynb",
    ):
        assert f"]({target})" in made
    assert "github" not in pages.without_links(made) and "The end." in pages.without_links(made)


def test_elsewhere_than_on_github_readme_links_the_repository_alone():
    assert pages.readme_links("https://example.org/me/course") == "[The repository](https://example.org/me/course)"


def test_the_code_of_a_bet_is_hidden_and_its_first_line_gives_nothing_away():
    asked = skeleton.code_cell('predict("01.a", "How many?", [1, 2])', (), {}, LEARNER, "x")
    settled = skeleton.code_cell('assert n == 2\noutcome("01.a", n, because="It is.")', (), {}, SOLUTION, "x")
    assert asked.source.splitlines()[0] == "# Your bet 01.a: run this cell (Shift+Enter)"
    assert settled.source.splitlines()[:2] == ["# The outcome of 01.a: run this cell (Shift+Enter)", "assert n == 2"]
    assert asked.metadata.jupyter.source_hidden and settled.metadata.jupyter.source_hidden
    assert "jupyter" not in skeleton.code_cell("predictions = 1", (), {}, LEARNER, "x").metadata


def test_only_a_learners_answer_may_end_in_an_error():
    code = '@exercise("01.1")\ndef f(x):\n    # SOLUTION\n    return x\n    # END SOLUTION'
    assert skeleton.code_cell(code, ("control",), {}, LEARNER, "x").metadata.tags == ["control", "raises-exception"]
    assert skeleton.code_cell(code, (), {}, SOLUTION, "x").metadata == {}
    assert skeleton.code_cell("x = 1", (), {}, LEARNER, "x").metadata == {}
