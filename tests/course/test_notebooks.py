"""What the test run catches in notebooks: outputs that the code no longer makes, budgets, half-solved editions."""

import json
import os
import random
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest

from mgmr_lib.course.authoring import build, mixed, pytest_budget, testing
from mgmr_lib.course.authoring.pytest_failures import FAILURES, note_failure
from mgmr_lib.course.authoring.source import EDITIONS, LEARNER, SOLUTION, read_sources
from mgmr_lib.paths import REPOSITORY

SANITIZE = REPOSITORY / "mgmr_lib" / "course" / "authoring" / "sanitize.cfg"


def write(path, *cells, budget=1000):
    """A notebook of (code, printed) cells, with right digests: only running it can tell whether its outputs are
    true."""
    nb = nbformat.v4.new_notebook(metadata={"mgmr": {"budget_s": budget}})
    for i, (code, printed) in enumerate(cells):
        outputs = [nbformat.v4.new_output("stream", text=printed)] if printed else []
        nb.cells.append(nbformat.v4.new_code_cell(code, id=f"c{i}", execution_count=i + 1, outputs=outputs))
    nbformat.write(nb, path)


def run(folder, *options):
    """pytest's exit code and text on the notebooks of a folder, with the options of the real test run."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "mgmr_lib.course.authoring.pytest_budget",
        "-p",
        "mgmr_lib.course.authoring.pytest_failures",
        "--nbval",
        "--nbval-current-env",
        "--nbval-sanitize-with",
        str(SANITIZE),
        "-p",
        "no:cacheprovider",
        *options,
        str(folder),
    ]
    env = build.kernel_environment() | {FAILURES: str(folder / "failures.txt")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env)
    return done.returncode, done.stdout + done.stderr


def test_only_true_outputs_within_budget_pass(tmp_path):
    write(
        tmp_path / "a_true.ipynb",
        ("print(2 + 2)", "4\n"),
        ("print(f'took {1.5} s at {0x7f001122:#x}')", "took 9.9 s at 0x7fffffff\n"),
    )
    write(tmp_path / "b_wrong.ipynb", ("print(2 + 2)", "5\n"))
    write(tmp_path / "c_deleted.ipynb", ("print(2 + 2)", ""))
    write(tmp_path / "d_slow.ipynb", ("import time; time.sleep(0.5)", ""), budget=0.01)
    code, text = run(tmp_path, "-n", "2", "--dist", "loadfile", "--notebook-seconds", str(tmp_path / "seconds.json"))
    assert code == 1
    assert "2 failed, 3 passed" in text
    assert "b_wrong.ipynb::Cell 0" in text and "c_deleted.ipynb::Cell 0" in text
    assert "/d_slow.ipynb took" in text and "a_true.ipynb took" not in text
    failed = (tmp_path / "failures.txt").read_text().splitlines()
    assert len(failed) == 3 and {line.partition(".ipynb")[0].rpartition("/")[2] for line in failed} == {
        "b_wrong",
        "c_deleted",
        "d_slow",
    }
    seconds = json.loads((tmp_path / "seconds.json").read_text())
    assert seconds[f"{tmp_path.name}/d_slow.ipynb"] > 0.5 and len(seconds) == 4


def test_a_notebook_far_over_its_budget_turns_the_run_red(tmp_path):
    write(tmp_path / "slow.ipynb", ("import time; time.sleep(0.5)", ""), budget=0.01)
    code, text = run(tmp_path)
    assert "1 passed" in text and "/slow.ipynb took" in text and code == 1


class Session:
    exitstatus = pytest.ExitCode.OK
    config = SimpleNamespace(getoption=lambda name: None)


@pytest.mark.parametrize(
    "took, said, failed", [(9.9, [], []), (15.0, ["took 15.0 s"], []), (20.5, [], ["took 20.5 s"])]
)
def test_a_slower_machine_is_told_and_not_failed(tmp_path, monkeypatch, took, said, failed):
    monkeypatch.setattr(pytest_budget, "slowdown", lambda: 1.0)
    monkeypatch.setenv(FAILURES, str(tmp_path / "failures.txt"))
    write(tmp_path / "slow.ipynb", ("1", ""), budget=10)
    budget, session = pytest_budget.Budget(Session.config), Session()
    budget.seconds[tmp_path / "slow.ipynb"] = took
    budget.pytest_sessionfinish(session)
    for lines, words in ((budget.over, said), (budget.far_over, failed)):
        assert len(lines) == len(words) and all(w in line for w, line in zip(words, lines, strict=True))
    assert (session.exitstatus == pytest.ExitCode.TESTS_FAILED) == bool(failed) == (tmp_path / "failures.txt").exists()


def test_budgets_stretch_on_a_busy_machine_only(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (1.0, 0.5, 9.0), raising=False)
    assert pytest_budget.slowdown() == 1
    monkeypatch.setattr(os, "getloadavg", lambda: (6.0, 5.0, 1.0), raising=False)
    assert pytest_budget.slowdown() == 3


def test_every_edition_is_there_and_says_what_it_is():
    for number, source in read_sources().items():
        for edition in EDITIONS:
            meta = json.loads((REPOSITORY / edition / source.meta.file_name).read_text(encoding="utf-8"))["metadata"][
                "mgmr"
            ]
            assert (meta["number"], meta["edition"], meta["source"]) == (number, edition, source.digest)


def edition(name, file):
    return nbformat.read(REPOSITORY / name / file, as_version=4)


@pytest.mark.parametrize("seed", range(5))
def test_a_mixed_notebook_holds_some_solutions_and_some_tasks(seed):
    file = read_sources()["01"].meta.file_name
    made, solved = mixed.mix(edition(LEARNER, file), edition(SOLUTION, file), random.Random(seed))
    assert 0 < len(solved) < 5
    for i in range(1, 6):
        code, said = ("", "")
        for c in made.cells:
            if c.cell_type == "code" and f'@exercise("01.{i}")' in c.source:
                code = c.source
            if c.cell_type == "code" and c.source.startswith(f'check("01.{i}"'):
                said = c.outputs[0].data["text/plain"]
        assert ("NotImplementedError" in code) == (f"01.{i}" not in solved)
        assert ("passed" in said) == (f"01.{i}" in solved)
    ignored = [c.source for c in made.cells if "nbval-ignore-output" in c.metadata.get("tags", [])]
    assert ignored == ['progress("01")']


def test_the_test_command_names_what_failed(monkeypatch, capsys):
    def bad():
        for i in range(12):
            note_failure(f"tests/test_{i}.py::test: 1 is not 2")
        return 3

    def broken():
        raise RuntimeError("no kernel")

    both = ("fast", "full")
    parts = (
        ("good", lambda: 0, both),
        ("bad", bad, both),
        ("broken", broken, ("fast",)),
        ("slow", lambda: 1, ("full",)),
    )
    monkeypatch.setattr(testing, "PARTS", parts)
    assert testing.run(fast=True) == 1
    lines = capsys.readouterr().out.splitlines()
    told = lines[lines.index("=== summary") + 1 : -1]
    assert [line.split()[0] for line in told if not line.startswith("   ")] == ["ok", "FAILED", "FAILED"]
    assert [line.strip() for line in told if line.startswith("   ")] == [
        *(f"tests/test_{i}.py::test: 1 is not 2" for i in range(10)),
        "and 2 more",
    ]
    assert "2 of 3 parts FAILED" in lines[-1]
    monkeypatch.setattr(testing, "PARTS", parts[:1])
    before = dict(os.environ)
    assert testing.run() == 0 and "all green" in capsys.readouterr().out
    assert dict(os.environ) == before, "what a run sets ends with it"


def test_the_fast_run_takes_the_quickest_notebook_of_each_part(monkeypatch):
    taken = []
    monkeypatch.setattr(testing, "nbval", lambda *names: taken.extend(names) or 0)
    assert testing.quick_notebooks() == 0
    sources, seconds = read_sources(), testing.pages.measured_seconds()
    by_part = {sources[name.split("/")[1][:2]].meta.part: name for name in taken}
    assert len(by_part) == len(taken) == len({s.meta.part for s in sources.values()})
    for number, source in sources.items():
        chosen = by_part[source.meta.part]
        assert chosen.startswith(LEARNER + "/")
        assert seconds[chosen.split("/")[1][:2]][LEARNER] <= seconds[number][LEARNER]
    monkeypatch.setattr(testing.pages, "measured_seconds", dict)  # before anything was measured
    taken.clear()
    assert testing.quick_notebooks() == 0 and len(taken) == len(by_part)


@pytest.mark.parametrize(
    ("platform", "option"), [("linux", "--nbval"), ("darwin", "--nbval-lax"), ("win32", "--nbval-lax")]
)
def test_outputs_are_compared_where_they_were_stored(monkeypatch, platform, option):
    called = []
    monkeypatch.setattr(testing.sys, "platform", platform)
    monkeypatch.setattr(testing, "_call", lambda *arguments, env: called.append(arguments) or 0)
    testing.nbval("notebooks")
    assert option in called[0] and called[0][-1] == "notebooks"


def test_nobodys_score_reaches_a_built_notebook(monkeypatch):
    monkeypatch.setenv("MGMR_LEARNER", "/somewhere")
    env = build.kernel_environment()
    assert "MGMR_LEARNER" not in env and env["MGMR_PROFILE"] == "fast" and env["OMP_NUM_THREADS"] == "1"
    assert env["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize("seed", range(3))
def test_a_third_is_answered_wrongly_each_in_its_own_way(seed):
    file = read_sources()["01"].meta.file_name
    learner = edition(LEARNER, file)
    made, ids = mixed.with_wrong_answers(learner, "01", random.Random(seed))
    changed = [a.source for a, b in zip(made.cells, learner.cells, strict=True) if a.source != b.source]
    assert len(ids) == len(changed) == 1 and all(
        f'"{i}"' in c or f"'{i}'" in c for i, c in zip(ids, changed, strict=True)
    )
