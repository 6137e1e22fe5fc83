"""A learner's answers survive every update of the course."""

import json
import os
import re
from pathlib import Path

import nbformat
import pytest

from mgmr_lib.course import working_copies as copies
from mgmr_lib.course.__main__ import main
from mgmr_lib.errors import CourseError


def write(path, answer, output=""):
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(answer, id="a")])
    if output:
        nb.cells[0].outputs = [nbformat.v4.new_output("stream", text=output)]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, path)


def edit(path, answer, output=""):
    """What JupyterLab saves: other cells and outputs, the same metadata."""
    nb = nbformat.read(path, as_version=4)
    nb.cells[0].source = answer
    nb.cells[0].outputs = [nbformat.v4.new_output("stream", text=output)] if output else []
    nbformat.write(nb, path)


@pytest.fixture
def course(tmp_path, monkeypatch):
    root = tmp_path / "course"
    write(root / "notebooks" / "01_a.ipynb", "task")
    write(root / "notebooks" / "02_b.ipynb", "task")
    (root / "notebooks" / "glossary.md").write_text("words")
    return root


@pytest.fixture
def learner(course):
    assert copies.prepare(course, course / "learner") == []
    return course / "learner"


def answer(path):
    return nbformat.read(path, as_version=4).cells[0].source


def test_copies_are_made_once(course, learner):
    assert answer(learner / "01_a.ipynb") == "task" and (learner / "glossary.md").read_text() == "words"
    before = (learner / "01_a.ipynb").stat().st_mtime_ns
    assert copies.prepare(course, learner) == []
    assert (learner / "01_a.ipynb").stat().st_mtime_ns == before


def test_an_edited_copy_stays_whatever_happens(course, learner):
    edit(learner / "01_a.ipynb", "my answer")
    assert copies.prepare(course, learner) == []
    write(course / "notebooks" / "01_a.ipynb", "a better task")
    notes = copies.prepare(course, learner)
    assert answer(learner / "01_a.ipynb") == "my answer"
    assert len(notes) == 1 and "stays" in notes[0] and "reset 01" in notes[0]
    write(learner / "01_a.ipynb", "my answer")  # by a program that drops the metadata
    assert len(copies.prepare(course, learner)) == 1 and answer(learner / "01_a.ipynb") == "my answer"


def test_an_unedited_copy_follows_the_course_even_after_it_was_run(course, learner):
    edit(learner / "01_a.ipynb", "task", output="ran")
    write(course / "notebooks" / "01_a.ipynb", "a better task")
    notes = copies.prepare(course, learner)
    assert answer(learner / "01_a.ipynb") == "a better task" and "up to date" in notes[0]
    assert copies.prepare(course, learner) == []


def test_a_copy_of_an_older_course_follows_by_its_manifest(course, learner):
    write(learner / "01_a.ipynb", "task", output="ran")  # without the mark that copies bear now
    digest = copies.cells_digest((learner / "01_a.ipynb").read_text())
    write(course / "notebooks" / "01_a.ipynb", "a better task")
    assert "stays" in copies.prepare(course, learner)[0]
    (learner / copies.OLD_MANIFEST).write_text(json.dumps({"01_a.ipynb": digest}))
    assert "up to date" in copies.prepare(course, learner)[0]
    assert answer(learner / "01_a.ipynb") == "a better task"


def test_a_copy_spoils_no_bet(course, learner):
    write(course / "notebooks" / "02_b.ipynb", "another task", output="the answer is 42")
    copies.prepare(course, learner)
    cell = nbformat.read(learner / "02_b.ipynb", as_version=4).cells[0]
    assert cell.source == "another task" and cell.outputs == [] and cell.execution_count is None


def test_solutions_are_marked_copies_that_lead_back(course, learner):
    links = "# 01 · A title\n\n[word](../notebooks/glossary.md#word), [next](02_b.ipynb)"
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(links, id="a")])
    (course / "solutions").mkdir()
    nbformat.write(nb, course / "solutions" / "01_a.ipynb")
    copies.prepare(course, learner)
    text = answer(learner / "solutions" / "01_a_SOLUTION.ipynb")
    assert text.startswith("# SOLUTION of 01 · A title\n") and "](../01_a.ipynb)" in text
    assert "](../glossary.md#word)" in text and "](02_b_SOLUTION.ipynb)" in text


def test_a_run_copy_keeps_its_outputs_while_the_course_stands_still(course, learner):
    edit(learner / "01_a.ipynb", "task", output="ran")
    assert copies.prepare(course, learner) == []
    assert "ran" in (learner / "01_a.ipynb").read_text()


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"cells": 3}'])
def test_a_damaged_copy_or_manifest_is_never_overwritten(text, course, learner):
    (learner / "01_a.ipynb").write_text(text)
    write(course / "notebooks" / "01_a.ipynb", "a better task")
    assert "stays" in copies.prepare(course, learner)[0]
    assert (learner / "01_a.ipynb").read_text() == text
    (learner / copies.OLD_MANIFEST).write_text(text)
    copies.prepare(course, learner)
    assert (learner / "01_a.ipynb").read_text() == text


def test_a_deleted_copy_comes_back_and_other_files_are_left_alone(course, learner):
    (learner / "01_a.ipynb").unlink()
    (learner / "mine.ipynb").write_text("mine")
    copies.prepare(course, learner)
    assert answer(learner / "01_a.ipynb") == "task" and (learner / "mine.ipynb").read_text() == "mine"


def test_reset_keeps_the_old_copy(course, learner):
    for words in ("first try", "second try"):
        write(learner / "01_a.ipynb", words)
        assert "fresh" in copies.reset("1", course, learner)
        assert answer(learner / "01_a.ipynb") == "task"
    assert sorted(answer(p) for p in (learner / "backup").glob("01_a-*.ipynb")) == ["first try", "second try"]
    assert copies.prepare(course, learner) == []


@pytest.mark.parametrize("number", ["7", "x", "", "../01", "001"])
def test_reset_of_nothing_is_one_sentence(number, course, learner):
    with pytest.raises(CourseError, match="there is no notebook"):
        copies.reset(number, course, learner)


def test_no_notebooks_and_no_folder_are_one_sentence(tmp_path, course):
    with pytest.raises(CourseError, match="there are no notebooks"):
        copies.prepare(tmp_path / "nothing", tmp_path / "learner")
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="file"):
        copies.prepare(course, tmp_path / "file")


def test_jupyterlab_opens_the_copy_without_news(course, learner):
    command = copies.lab_command("learner/01_a.ipynb", "--no-browser", root=course)
    assert (
        f"--ServerApp.root_dir={course}" in command and "--LabApp.default_url=/lab/tree/learner/01_a.ipynb" in command
    )
    assert command[-1] == "--no-browser"
    settings = copies.lab_environment(learner)["JUPYTERLAB_SETTINGS_DIR"]
    found = list((learner / ".jupyter").rglob("notification.jupyterlab-settings"))
    assert str(found[0]).startswith(settings) and json.loads(found[0].read_text())["fetchNews"] == "false"


def test_jupyterlab_lists_titles_and_keeps_other_places_of_its_path(course, learner, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", "/somewhere")
    learner.mkdir(exist_ok=True)
    heading = {"cells": [{"cell_type": "markdown", "source": ['# 01 · The "first" one\n', "text"]}]}
    (learner / "01_a.ipynb").write_text(json.dumps(heading), encoding="utf-8")
    for name, text in (("02_b", "{"), ("03_c", '{"cells": []}')):  # damaged or emptied by hand
        (learner / f"{name}.ipynb").write_text(text)
    first, *others = copies.lab_environment(learner)["JUPYTER_PATH"].split(os.pathsep)
    assert others == ["/somewhere"]
    made = Path(first) / "labextensions" / "mgmr-file-titles"
    build = json.loads((made / "package.json").read_text())["jupyterlab"]["_build"]
    script = (made / build["load"]).read_text(encoding="utf-8")
    sheet = json.loads(re.search(r"textContent = (.*);", script)[1])
    assert '[title*=": 01_a.ipynb"]' in sheet and 'content: "01 The \\"first\\" one";' in sheet
    assert "02_b" not in sheet and "03_c" not in sheet
    assert 'content: "01 The \\"first\\" one (solution)";' in sheet and '[title*=": 01_a_SOLUTION.ipynb"]' in sheet


def test_every_setting_of_jupyterlab_is_one_that_it_has(course):
    from jupyter_server.serverapp import ServerApp
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager
    from jupyterlab.labapp import LabApp

    classes = {c.__name__: c for c in (ServerApp, MappingKernelManager, LabApp)}
    given = {}
    for option in copies.lab_command("learner", root=course)[3:]:
        name, _, value = option.removeprefix("--").partition("=")
        if "." in name:
            owner, trait = name.split(".")
            assert trait in classes[owner].class_traits(), option
            given[name] = value
    assert given["ServerApp.use_redirect_file"] == "False"
    assert 600 <= int(given["MappingKernelManager.cull_idle_timeout"]) <= 2 * 3600
    assert given["MappingKernelManager.cull_connected"] == "True" and given["MappingKernelManager.cull_busy"] == "False"


@pytest.mark.parametrize(("user", "told"), [(0, True), (1000, False)])
def test_root_in_a_container_is_let_in(course, monkeypatch, user, told):
    monkeypatch.setattr(copies.os, "geteuid", lambda: user, raising=False)
    assert ("--allow-root" in copies.lab_command("learner", root=course)) == told


def test_the_command_line_says_what_it_cannot_do(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MGMR_LEARNER", str(tmp_path))
    assert main(["reset", "98"]) == 2
    assert capsys.readouterr().err.startswith("error: there is no notebook '98'")
    assert main(["build", "98"]) == 2
    with pytest.raises(SystemExit):
        main(["build", "--colour"])
    assert main(["open", "--prepare-only"]) == 0
    assert list(tmp_path.glob("01_*.ipynb"))
