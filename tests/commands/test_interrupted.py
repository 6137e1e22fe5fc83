"""Commands that are killed, or meet a full disk, at any write: nothing half-written, and the next run ends alike."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from mgmr_lib import cli, files
from mgmr_lib.data.mmsa.export import export_mmsa
from mgmr_lib.experiments.ledger import read_record
from mgmr_lib.paths import REPOSITORY
from tests.toy import toy_corpus

SMALL = ["--models", "fc_t", "--seeds", "2", "--mask-seeds", "1", "--quiet", "--set", "epochs=2", "text_encoder=tiny"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "clips.pkl"
    export_mmsa(toy_corpus(), path)
    return path


def words(data: Path, folder: Path) -> list[str]:
    places = ["--ledger", str(folder / "ledger"), "--runs", str(folder / "runs"), "--out", str(folder / "tables")]
    return ["experiment", "curve", "--data", str(data), *places, *SMALL]


def outcome(folder: Path) -> dict:
    """What an experiment leaves: its measured numbers and its tables."""
    numbers = {p.name: read_record(p)["records"] for p in (folder / "ledger").rglob("*.json")}
    return numbers | {p.name: p.read_bytes() for p in (folder / "tables").rglob("*.csv")}


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert cli.main(words(data, folder)) == 0
    return outcome(folder)


def check_whole(folder: Path) -> None:
    """Every file under its own name is whole."""
    for path in folder.rglob("*.json"):
        json.loads(path.read_text())
    for path in folder.rglob("*.png"):
        assert path.read_bytes().endswith(b"IEND\xaeB`\x82")


class FullDisk:
    """Every write through files.py counts; from number `last` on the disk is full."""

    def __init__(self, last: int):
        self.last, self.count = last, 0

    def __call__(self, path):
        self.count += 1
        if self.count > self.last:
            Path(path).write_bytes(Path(path).read_bytes()[:7])  # what a full disk leaves
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_is_full_at_any_write_costs_nothing_but_the_rest(data, whole, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(files, "_to_disk", counter := FullDisk(10**9))
    shutil.rmtree(tmp_path, ignore_errors=True)
    assert cli.main(words(data, tmp_path)) == 0 and outcome(tmp_path) == whole
    for last in (0, counter.count // 3, 2 * counter.count // 3, counter.count - 1):
        folder = tmp_path / str(last)
        monkeypatch.setattr(files, "_to_disk", FullDisk(last))
        capsys.readouterr()
        assert cli.main(words(data, folder)) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and "No space left" in error and "Traceback" not in error
        check_whole(folder)
        assert not [p for p in folder.rglob("*") if p.name.endswith(".part")]
        monkeypatch.setattr(files, "_to_disk", lambda path: None)
        assert cli.main(words(data, folder)) == 0 and outcome(folder) == whole


def start(data: Path, folder: Path) -> subprocess.Popen:
    env = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, "-m", "mgmr_lib", *words(data, folder)]
    return subprocess.Popen(command, cwd=REPOSITORY, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_a_killed_experiment_goes_on_to_the_same_numbers(data, whole, tmp_path):
    for number, awaited in enumerate(("last.safetensors", "fc_t-1111.json")):
        folder = tmp_path / str(number)
        process, end = start(data, folder), time.monotonic() + 120
        while process.poll() is None and not list(folder.rglob(awaited)) and time.monotonic() < end:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        check_whole(folder)
        assert cli.main(words(data, folder)) == 0 and outcome(folder) == whole


def test_two_processes_on_one_ledger_end_alike(data, whole, tmp_path):
    both = [start(data, tmp_path) for _ in range(2)]
    errors = [p.communicate(timeout=240)[1].decode() for p in both]
    assert not any("Traceback" in e for e in errors), errors
    codes = [p.returncode for p in both]
    assert 0 in codes and set(codes) <= {0, 2}  # one may be told that the other trains there
    assert cli.main(words(data, tmp_path)) == 0 and outcome(tmp_path) == whole


@pytest.mark.parametrize("command", ["evaluate", "predict", "report"])
def test_a_full_disk_leaves_the_old_result(data, tmp_path, monkeypatch, capsys, command):
    run, out = tmp_path / "run", tmp_path / "out"
    train = ["--model", "fc_t", "--profile", "fast", "--text-encoder", "tiny", "--epochs", "1", "--quiet"]
    assert cli.main(["train", "--data", str(data), "--out", str(run), *train]) == 0
    measured = ["evaluate", "--run", str(run), "--rates", "0,1", "--seeds", "1", "--quiet", "--out"]
    assert cli.main([*measured, str(tmp_path / "e.json")]) == 0
    call = {
        "evaluate": [*measured, str(out)],
        "predict": ["predict", "--run", str(run), "--out", str(out)],
        "report": ["report", "--results", str(tmp_path / "e.json"), "--out", str(out)],
    }[command]
    out.write_text("the old result")
    monkeypatch.setattr(files, "_to_disk", FullDisk(0))
    capsys.readouterr()
    assert cli.main(call) == 2
    assert f"{out} cannot be written (No space left" in capsys.readouterr().err
    assert out.read_text() == "the old result" and not list(tmp_path.glob(".*.part"))
    monkeypatch.undo()
    assert cli.main(call) == 0 and out.read_bytes() != b"the old result"
