"""The command line from a file to a figure, and one sentence for every mistake."""

import csv
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mgmr_lib import cli
from mgmr_lib.data import export_mmsa
from mgmr_lib.paths import runs_dir
from tests.toy import toy_corpus

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (
    "--profile fast --text-encoder tiny --epochs 2 --d-model 8 --d-state 2 --expand 1 --batch-size 16 --quiet".split()
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "toy_mosi.pkl"
    export_mmsa(toy_corpus(), path)
    return path


@pytest.fixture(scope="module")
def run(file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "toy"
    arguments = ["train", "--model", "mgmr", "--data", str(file), "--out", str(folder), "--seed", "7", *SETTINGS]
    assert cli.main(arguments) == 0
    return folder


def test_train_says_which_metrics_and_writes_weights(run, capsys):
    about = json.loads((run / "config.json").read_text())
    assert about["corpus"]["family"] == "mosi" and about["config"]["seed"] == 7
    assert about["config"]["network"]["d_model"] == 8 and about["config"]["epochs"] == 2
    assert (run / "model.safetensors").exists() and json.loads((run / "result.json").read_text())["epoch"] == 2


def test_evaluate_writes_a_record_for_each_rate_and_seed_and_report_draws_them(run, tmp_path, capsys):
    out = tmp_path / "e.json"
    arguments = ["--run", str(run), "--rates", "0:1:0.5", "--seeds", "2", "--references", "--quiet"]
    assert cli.main(["evaluate", *arguments, "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    assert [(r["rate"], r["seed"]) for r in result["records"]] == [(r, s) for r in (0.0, 0.5, 1.0) for s in (1, 2)]
    half = [r["mae"] for r in result["records"] if r["rate"] == 0.5]
    assert half[0] != half[1]
    assert result["aggregates"]["auilc"]["mae"] == pytest.approx(
        0.25 * result["records"][0]["mae"] + 0.5 * np.mean(half) + 0.25 * result["records"][-1]["mae"], abs=1e-9
    )
    assert set(result["references"]) == {"mean", "text ridge"}
    assert "mae" in capsys.readouterr().out
    assert cli.main(["report", "--results", str(out), "--out", str(tmp_path / "e.png")]) == 0
    assert (tmp_path / "e.png").read_bytes().startswith(b"\x89PNG")
    assert cli.main(["report", "--results", str(out), "--metrics", "mae,acc9", "--out", str(tmp_path / "x.png")]) == 2
    said = capsys.readouterr().err
    assert "--metrics acc9 is not in these files: they hold " in said and "corr" in said
    assert not (tmp_path / "x.png").exists()


def predictions(path):
    with open(path, newline="") as f:
        return {row["id"]: (float(row["truth"]), float(row["prediction"])) for row in csv.DictReader(f)}


def predict(run, out, *more):
    assert cli.main(["predict", "--run", str(run), "--out", str(out), *map(str, more)]) == 0
    return predictions(out)


def test_predictions_do_not_depend_on_batch_size_or_on_the_order_in_the_file(run, file, tmp_path):
    first = predict(run, tmp_path / "a.csv", "--rate", 0.5, "--seed", 3)
    assert len(first) == 24
    with open(file, "rb") as f:
        data = pickle.load(f)  # our own file, written by the fixture above
    order = np.random.default_rng(0).permutation(24)
    n = len(data["test"]["id"])
    data["test"] = {k: (v[order] if isinstance(v, np.ndarray) else [v[i] for i in order]) if len(v) == n else v
                    for k, v in data["test"].items()}  # fmt: skip
    turned = tmp_path / "toy_mosi.pkl"
    turned.write_bytes(pickle.dumps(data))
    others = [
        predict(run, tmp_path / "b.csv", "--rate", 0.5, "--seed", 3, "--batch-size", 1),
        predict(run, tmp_path / "c.csv", "--rate", 0.5, "--seed", 3, "--data", turned),
    ]
    for other in others:
        for name, (truth, value) in first.items():
            assert other[name] == (pytest.approx(truth), pytest.approx(value, abs=1e-5))


def test_a_sentence_of_ones_own(run, capsys, monkeypatch):
    from mgmr_lib.training import sentence

    found = {}

    def tokens(_, texts, length, special):
        words = texts[0].split()
        ids = np.zeros((1, length), np.int64)
        ids[0, : len(words) + 2] = [101, *[1000 + len(w) for w in words], 102]
        found["ids"] = ids
        return ids, np.array([len(words) + 2])

    monkeypatch.setattr(sentence, "load_tokenizer", lambda _: None)
    monkeypatch.setattr(sentence, "tokenize", tokens)
    values = []
    for text in ("a good film", "a truly dreadful film"):
        assert cli.main(["predict", "--run", str(run), "--text", text]) == 0
        values.append(capsys.readouterr().out)
    assert "voice and face missing" in values[0] and values[0] != values[1]


MISTAKES = [
    (["train", "--model", "mgrm", "--out", "x"], "no model 'mgrm'"),
    (["train", "--profile", "gigantic", "--out", "x"], "no profile 'gigantic'"),
    (["train", "--data", "clasroom", "--out", "x"], "clasroom"),
    (["train", "--data", "missing.pkl", "--out", "x"], "missing.pkl"),
    (["train", "--rate", "1.5", "--out", "x"], "between 0 and 1"),
    (["train", "--kernel-text", "2", "--out", "x"], "odd"),
    (["train", "--collaboration", "none", "--out", "x"], "collaboration"),
    (["train", "--seed", "-1", "--out", "x"], "--seed"),
    (["evaluate", "--run", "nowhere", "--out", "x.json"], "nowhere"),
    (["evaluate", "--run", "nowhere", "--rates", "0:2:0.5", "--out", "x.json"], "between 0 and 1"),
    (["evaluate", "--run", "nowhere", "--rates", "many", "--out", "x.json"], "--rates"),
    (["evaluate", "--run", "nowhere", "--seeds", "0", "--out", "x.json"], "--seeds"),
    (["predict", "--run", "nowhere", "--rate", "2", "--out", "x.csv"], "--rate"),
    (["predict", "--run", "nowhere"], "--out"),
    (["predict", "--run", "nowhere", "--text", " "], "--text is empty"),
    (["report", "--results", "nowhere.json", "--out", "x.png"], "nowhere.json"),
]


@pytest.mark.parametrize("arguments, words", MISTAKES, ids=[" ".join(a) for a, _ in MISTAKES])
def test_a_mistake_is_one_sentence_and_exit_code_two(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mgmr_lib", *arguments])
    assert cli.main(arguments) == 2
    message = capsys.readouterr().err.strip()
    assert message.startswith("error: ") and "\n" not in message and words in message
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def out_of_memory():
    import torch

    torch.empty(1 << 50, dtype=torch.uint8)


def stopped(error):
    """A command that ends in this error."""

    def main(*_):
        raise error

    return main


@pytest.mark.parametrize(
    ("broken", "code", "says"),
    [
        (stopped(KeyboardInterrupt()), 130, "interrupted: run the same command again to go on\n"),
        (stopped(OSError(28, "No space left on device", "runs/x.json")), 2, "error: runs/x.json cannot be written (No"),
        (stopped(OSError(28, "No space left on device")), 2, "error: the result cannot be written (No space"),
        (lambda *_: out_of_memory(), 2, "error: there is not enough memory for this: give smaller sizes"),
        (lambda *_: np.empty(1 << 52), 2, "error: there is not enough memory for this: give smaller sizes"),
        (
            stopped(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")),
            2,
            "smaller --batch-size or --max-clips",
        ),
    ],
)
def test_what_stops_a_command_is_one_sentence(broken, code, says, monkeypatch, capsys):
    monkeypatch.setattr("mgmr_lib.doctor.main", broken)
    assert cli.main(["doctor"]) == code
    shown = capsys.readouterr()
    assert says in shown.err and shown.err.count("\n") == 1 and not shown.out


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), RuntimeError("shapes differ"), ValueError("x")])
def test_a_defect_keeps_its_traceback(error, monkeypatch):
    monkeypatch.setattr("mgmr_lib.doctor.main", stopped(error))
    with pytest.raises(type(error)) as found:
        cli.main(["doctor"])
    assert found.value is error


@pytest.mark.skipif(os.name == "nt", reason="Windows says in other words that a reader has gone")
@pytest.mark.parametrize("arguments", [["--help"], ["doctor"]])
def test_a_reader_that_has_gone_is_no_fault(arguments, monkeypatch, capsys):
    monkeypatch.setattr("mgmr_lib.doctor.main", lambda _: print("what nobody reads"))
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as out:  # its end writes what is still held back: no error there either
        monkeypatch.setattr(sys, "stdout", out)
        assert cli.main(arguments) == 0
    assert not capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="on Windows every ~name leads to a folder")
def test_a_home_that_nobody_has_is_a_name_as_in_a_shell(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", "--results", "~no-such-user/e.json", "--out", "~no-such-user/e.png"]) == 2
    assert "~no-such-user/e.json does not exist" in capsys.readouterr().err
    monkeypatch.setenv("MGMR_LEARNER", "~no-such-user")
    assert runs_dir() == tmp_path / "~no-such-user" / "runs"


def test_the_module_answers_from_a_shell_without_a_traceback(tmp_path):
    (tmp_path / "broken.pkl").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    command = [sys.executable, "-m", "mgmr_lib", "train", "--data", "broken.pkl", "--out", "x"]
    found = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert found.returncode == 2 and "Traceback" not in found.stderr and "broken.pkl" in found.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.pkl"]
