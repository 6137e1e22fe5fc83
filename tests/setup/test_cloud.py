"""The first cell for Colab and Kaggle, run in a Python that plays them; and Binder's files."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.setup import cloud
from mgmr_lib.setup.machine import Machine
from tests.setup import stand_ins

COLAB = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')\n"
AFTER = """
import os, mgmr_lib
print('uses', mgmr_lib.__file__, 'in', os.getcwd(), 'children', os.environ.get('PYTHONPATH'))
"""
NEEDS = """[project]
name = "x"
version = "1"
dependencies = ["torch>=2.6", "numpy>=2.0", "jupyterlab>=4", "brandnew>=1.0"]
"""


@pytest.fixture
def address(tmp_path):
    """A course on the web that installs one stand-in package, and whose library says what it was asked to do."""
    root = stand_ins.checkout(tmp_path / "on the web")
    (root / "pyproject.toml").write_text(NEEDS)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", str(root)]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    return str(root)


def run(code, tmp_path, wheels, **own):
    """Run code as a kernel would, in an empty folder, with a pip that sees `wheels` and a folder to install into."""
    content = tmp_path / "content"
    content.mkdir(exist_ok=True)
    extra = tmp_path / "site"
    env = {k: v for k, v in stand_ins.environment(wheels, **own).items() if k != "PYTHONPATH"}
    env |= {"PIP_TARGET": str(extra), "PYTHONPATH": str(extra)}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=content, env=env, capture_output=True, text=True, timeout=200
    )


@pytest.fixture
def wheels(tmp_path):
    stand_ins.wheel(tmp_path / "wheels", "brandnew", "1.2")
    return tmp_path / "wheels"


@pytest.mark.parametrize(("begin", "own"), [(COLAB, {}), ("", {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"})])
def test_the_cell_fetches_installs_and_serves_the_kernel_and_its_children(address, tmp_path, wheels, begin, own):
    code = begin + cloud.first_cell(address) + AFTER
    done = run(code, tmp_path, wheels, **own)
    home = tmp_path / "content" / "mgmr-course"
    assert done.returncode == 0, done.stderr
    assert "installing brandnew>=1.0 ..." in done.stdout and "the course is here" in done.stdout
    assert f"uses {home / 'mgmr_lib' / '__init__.py'} in {home / 'learner'} children {home}" in done.stdout
    assert (tmp_path / "site" / "brandnew").is_dir()
    again = run(code, tmp_path, tmp_path / "nothing", **own)  # a second run of the cell has nothing to do
    assert again.returncode == 0 and "installing" not in again.stdout, again.stderr


def test_elsewhere_the_cell_does_nothing(address, tmp_path, wheels):
    done = run(cloud.first_cell(address) + "\nprint('on')", tmp_path, wheels)
    assert done.stdout == "on\n" and not list((tmp_path / "content").iterdir())


def test_no_internet_and_a_package_that_cannot_be_had_are_sentences(address, tmp_path, wheels):
    done = run(COLAB + cloud.first_cell(str(tmp_path / "nowhere")), tmp_path, wheels)
    assert "git could not fetch the course" in done.stderr.splitlines()[-1]
    done = run(COLAB + cloud.first_cell(address), tmp_path, tmp_path / "nothing")
    assert "packages could not be installed" in done.stderr.splitlines()[-1] and "brandnew" in done.stderr
    done = run(COLAB + cloud.first_cell(address), tmp_path, wheels)
    assert done.returncode == 0, done.stderr


def test_only_what_is_lacking_or_too_old_is_installed(monkeypatch):
    have = {"torch": "2.9.1+cu126", "numpy": "1.26.4"}

    def version(name):
        if name in have:
            return have[name]
        raise cloud.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(cloud.metadata, "version", version)
    assert cloud.missing(NEEDS) == ["numpy>=2.0", "brandnew>=1.0"]
    have |= {"numpy": "2.0", "brandnew": "1.0.0rc1"}
    assert cloud.missing(NEEDS) == []
    own = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    have.clear()
    assert {need.partition(">")[0] for need in cloud.missing(own)} >= {
        "torch",
        "transformers",
        "scikit-learn",
        "psutil",
    }


def test_torch_is_never_replaced_and_a_python_that_is_too_old_is_refused(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text(NEEDS.replace("torch>=2.6", "torch>=99.0"))
    with pytest.raises(CourseError, match="choose a newer runtime"):
        cloud.prepare(tmp_path)
    monkeypatch.setattr(cloud.machine, "this_machine", lambda: Machine(python=(3, 10)))
    with pytest.raises(CourseError, match=r"3\.10"):
        cloud.prepare(tmp_path)


def test_every_dependency_of_the_course_is_one_that_the_cell_can_read():
    asked = cloud.tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert all(cloud.REQUIREMENT.match(need) for need in asked)


def test_the_cell_goes_in_front_of_a_notebook_once():
    path = REPOSITORY / "notebooks" / "01_recurrence.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    made = cloud.with_first_cell(cloud.with_first_cell(notebook, "https://example.org/a"), "https://example.org/b")
    assert made["cells"][1:] == notebook["cells"] and "https://example.org/b" in "".join(made["cells"][0]["source"])
    import nbformat

    nbformat.validate(nbformat.from_dict(made))


@pytest.mark.parametrize("address", ['x", "rm", "-rf', "a b"])
def test_an_address_that_is_none_is_refused(address, monkeypatch):
    monkeypatch.setenv(cloud.ADDRESS, address)
    with pytest.raises(CourseError, match="is no address"):
        cloud.repository_address()


def test_the_address_comes_from_the_project_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv(cloud.ADDRESS, raising=False)
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nname = "x"\n', encoding="utf-8")
    assert cloud.repository_address(tmp_path) is None
    project.write_text('[project.urls]\nrepository = "https://example.org/a/b/"\n', encoding="utf-8")
    assert cloud.repository_address(tmp_path) == "https://example.org/a/b"
    monkeypatch.setenv(cloud.ADDRESS, "https://example.org/fork/b")
    assert cloud.repository_address(tmp_path) == "https://example.org/fork/b"


@pytest.mark.skipif(os.name == "nt", reason="Binder is Linux")
def test_binder_installs_torch_from_its_own_index_and_then_the_rest(tmp_path):
    script = REPOSITORY / ".binder" / "postBuild"
    assert stat.S_IMODE(script.stat().st_mode) & 0o100
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "python"
    fake.write_text('#!/bin/sh\necho "$@" >> "$CALLS"\n')
    fake.chmod(0o755)
    env = {"PATH": f"{tmp_path / 'bin'}:{os.defpath}", "CALLS": str(tmp_path / "calls")}
    subprocess.run([shutil.which("sh"), str(script)], cwd=REPOSITORY, env=env, check=True)
    torch, rest, data = (tmp_path / "calls").read_text().splitlines()
    assert "--no-deps --index-url https://download.pytorch.org/whl/cpu torch==" in torch
    assert rest.endswith("-c constraints.txt -e .") and "index" not in rest
    assert data == "-m mgmr_lib data prepare"
    assert Path(REPOSITORY / ".binder" / "environment.yml").read_text(encoding="utf-8").count("python=3.1") == 1
