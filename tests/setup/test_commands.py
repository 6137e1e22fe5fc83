"""course.py's own words: what it takes, what it suggests."""

import pytest

from mgmr_lib.errors import CourseError
from mgmr_lib.setup import commands
from mgmr_lib.setup.commands import main, parse


@pytest.mark.parametrize(
    ("typed", "parsed"),
    [
        ("open", ("open", None, [])),
        ("open --no-browser --port=8890", ("open", None, ["--no-browser", "--port=8890"])),
        ("--torch cpu test --fast", ("test", "cpu", ["--fast"])),
        ("test --torch=cuda", ("test", "cuda", [])),
        ("run --help", ("run", None, ["--help"])),
    ],
)
def test_options_of_the_set_up_and_of_the_command(typed, parsed):
    assert parse(typed.split()) == parsed


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("opne", "did you mean `open`"),
        ("tets --fast", "did you mean `test`"),
        ("docter", "did you mean `doctor`"),
        ("xyzzy", "there are open, test, run"),
        ("open --torch", "cpu or cuda"),
        ("open --torch rocm", "cpu or cuda"),
        ("", "name a command"),
    ],
)
def test_a_typing_error_is_one_sentence(typed, says, capsys, tmp_path):
    assert main(typed.split(), tmp_path) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and says in said.err and said.err.count("\n") == 1 and not said.out
    assert not list(tmp_path.iterdir())


def test_a_question_downloads_nothing(capsys, tmp_path):
    assert main(["test", "--help"], tmp_path) == 0
    assert "run every test and every notebook" in capsys.readouterr().out.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in commands.COMMANDS)


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (CourseError("no room"), 2, "error: no room\n"),
        (OSError(28, "No space left on device", "/x/.venv"), 2, "error: /x/.venv: No space left on device"),
        (KeyboardInterrupt(), 130, "run the same command again to go on"),
    ],
)
def test_no_fault_ends_in_a_traceback(error, code, says, monkeypatch, capsys, tmp_path):
    def broken(*_):
        raise error

    monkeypatch.setattr(commands.Environment, "prepare", broken)
    assert main(["open"], tmp_path) == code
    assert says in capsys.readouterr().err


def test_data_that_cannot_be_prepared_ends_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(commands.Environment, "prepare", lambda *_: None)
    calls = []
    monkeypatch.setattr(commands, "call", lambda root, python, *words: calls.append(words) or 2)
    assert main(["open"], tmp_path) == 2 and len(calls) == 1
    assert main(["reset", "01"], tmp_path) == 2 and calls[-1] == ("-m", "mgmr_lib.course", "reset", "01")


def test_a_folder_is_named_from_where_the_learner_stands(monkeypatch, tmp_path):
    seen = {}
    monkeypatch.setattr(
        commands.subprocess, "run", lambda *_, **kw: seen.update(kw["env"]) or type("Done", (), {"returncode": 0})
    )
    monkeypatch.setenv("MGMR_LEARNER", "mine")
    monkeypatch.setenv("PYTHONPATH", "theirs")
    monkeypatch.chdir(tmp_path)
    commands.call(tmp_path / "course", tmp_path / "python", "-m", "x")
    assert seen["MGMR_LEARNER"] == str(tmp_path / "mine")
    assert seen["PYTHONPATH"].split(":" if ":" in seen["PYTHONPATH"] else ";")[0].endswith("course")
