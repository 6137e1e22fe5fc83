"""A finished run is used from everywhere: its data moved, gone, replaced; `evaluate` and `predict` beside
references."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from mgmr_lib import cli
from mgmr_lib.data.mmsa.export import export_mmsa
from tests.toy import toy_corpus

SMALL = ["--model", "fc_t", "--profile", "fast", "--text-encoder", "tiny", "--epochs", "1", "--quiet"]
FEW = ["--rates", "0,1", "--seeds", "1", "--quiet"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on a file that was given by a relative path."""
    folder = tmp_path_factory.mktemp("trained")
    export_mmsa(toy_corpus(), folder / "data.pkl")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert cli.main(["train", "--data", "data.pkl", "--out", "run", *SMALL]) == 0
    return folder


@pytest.fixture
def folder(trained, tmp_path, monkeypatch):
    """The run and its data in a folder where a test may break them; the working folder is another one."""
    shutil.copytree(trained, tmp_path / "f")
    path = tmp_path / "f" / "run" / "config.json"
    path.write_text(path.read_text().replace(str(trained), str(tmp_path / "f")))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "f"


def evaluate(folder, *words):
    return cli.main(["evaluate", "--run", str(folder / "run"), "--out", str(folder / "e.json"), *FEW, *map(str, words)])


def test_it_is_evaluated_from_another_folder_beside_its_references(folder, capsys):
    assert evaluate(folder) == 0
    printed = capsys.readouterr().out
    assert "mean mae" in printed and "text ridge mae" in printed
    result = json.loads((folder / "e.json").read_text(), parse_constant=lambda word: pytest.fail(f"bare {word}"))
    corpus = toy_corpus()
    expected = np.abs(corpus["test"].labels - corpus["train"].labels.mean()).mean()
    assert result["references"]["mean"]["records"][0]["mae"] == pytest.approx(expected, abs=1e-5)
    assert result["aggregates"]["per_rate"][0]["sd"]["mae"] is None  # one seed has no spread
    assert cli.main(["report", "--results", str(folder / "e.json"), "--out", str(folder / "e.png")]) == 0
    assert evaluate(folder, "--no-references") == 0
    assert json.loads((folder / "e.json").read_text())["references"] == {}


def test_moved_data_is_asked_for_and_found(folder, capsys, monkeypatch):
    moved = folder.parent / "home" / "moved.pkl"
    moved.parent.mkdir()
    (folder / "data.pkl").rename(moved)
    assert evaluate(folder) == 2
    error = capsys.readouterr().err
    assert f"{folder / 'data.pkl'}, which is not there any more" in error and "--data" in error
    assert not (folder / "e.json").exists()
    monkeypatch.setenv("HOME", str(moved.parent))
    assert evaluate(folder, "--data", "~/moved.pkl") == 0
    assert "text ridge" in json.loads((folder / "e.json").read_text())["references"]  # the same data: references hold
    assert not (folder.parent / "elsewhere" / "~").exists()


def test_a_sentence_needs_no_data(folder, capsys):
    (folder / "data.pkl").unlink()
    assert cli.main(["predict", "--run", str(folder / "run"), "--text", "a fine film"]) == 0
    assert "on a scale from -3 to 3" in capsys.readouterr().out


def test_other_data_has_the_training_mean_and_no_ridge(folder):
    export_mmsa(toy_corpus(7), folder / "other.pkl")
    assert evaluate(folder, "--data", folder / "other.pkl") == 0
    references = json.loads((folder / "e.json").read_text())["references"]
    expected = np.abs(toy_corpus(7)["test"].labels - toy_corpus()["train"].labels.mean()).mean()
    assert set(references) == {"mean"}
    assert references["mean"]["records"][0]["mae"] == pytest.approx(expected, abs=1e-5)


def test_data_that_was_replaced_under_its_name_is_said(folder, capsys):
    export_mmsa(toy_corpus(7), folder / "data.pkl")
    assert evaluate(folder) == 0
    assert "holds other data than when" in capsys.readouterr().err
    assert cli.main(["train", "--data", str(folder / "data.pkl"), "--out", str(folder / "run"), *SMALL]) == 2
    assert "on other data" in capsys.readouterr().err


def test_the_setting_that_differs_is_named_and_a_renamed_file_does_not(folder, capsys):
    (folder / "data.pkl").rename(folder / "renamed.pkl")
    words = ["train", "--data", str(folder / "renamed.pkl"), "--out", str(folder / "run"), *SMALL]
    assert cli.main(words) == 0
    assert cli.main([*words, "--lr", "0.5"]) == 2
    assert "other settings (lr is 0.002 there and 0.5 here)" in capsys.readouterr().err


def test_predictions_come_with_their_references(folder, capsys):
    out = folder / "p.csv"
    assert cli.main(["predict", "--run", str(folder / "run"), "--out", str(out), "--rate", "0.5"]) == 0
    table, lines = pd.read_csv(out), capsys.readouterr().out.splitlines()
    rows = {line.rsplit(maxsplit=2)[0]: [float(x) for x in line.rsplit(maxsplit=2)[1:]] for line in lines[-3:]}
    assert set(rows) == {"fc_t", "mean", "text ridge"}
    assert rows["fc_t"][0] == pytest.approx((table.prediction - table.truth).abs().mean(), abs=1e-3)
    mean = toy_corpus()["train"].labels.mean()
    assert rows["mean"] == [pytest.approx((table.truth - mean).abs().mean(), abs=1e-3), 0.0]


def test_a_prediction_that_is_no_number_is_named_with_its_clip(folder, capsys):
    path = folder / "run" / "model.safetensors"
    weights = load_file(path)
    name = next(k for k in weights if "head" in k and k.endswith("weight"))
    save_file(weights | {name: weights[name] * np.nan}, path)
    for words in (["evaluate", *FEW], ["predict"]):
        assert cli.main([*words, "--run", str(folder / "run"), "--out", str(folder / "e.json")]) == 2
        error = capsys.readouterr().err
        assert "test0$_$1" in error and "Traceback" not in error and not (folder / "e.json").exists()


@pytest.mark.parametrize(
    "words, said",
    [
        (["--rates", "0,0,1"], "twice"),
        (["--rates", "0:2:0.5"], "between 0 and 1"),
        (["--seeds", "0"], "at least 1"),
        (["--data", "nowhere.pkl"], "nowhere.pkl"),
        (["--out", "."], "is a folder"),
    ],
)
def test_mistakes_of_evaluate_are_one_sentence(folder, capsys, words, said):
    assert evaluate(folder, *words) == 2
    assert said in capsys.readouterr().err and not (folder / "e.json").exists()


@pytest.mark.parametrize("content", ["[]", "{}", '{"records": 3}', '{"model": "m", "data": "d", "records": [1]}', "{",
                                     '{"runs": []}', '{"model": "m", "data": "d", "records": [{"rate": "x", "seed": '
                                                     '1}]}'])  # fmt: skip
def test_a_report_refuses_what_is_no_evaluation(tmp_path, capsys, content):
    path = tmp_path / "r.json"
    path.write_text(content)
    assert cli.main(["report", "--results", str(path), "--out", str(tmp_path / "r.png")]) == 2
    assert "r.json" in capsys.readouterr().err and not (tmp_path / "r.png").exists()


@pytest.mark.parametrize("change", [{"config": {}}, {"corpus": 1}, {"fingerprint": None}, {"config": {"model": "x"}}])
def test_an_edited_config_is_one_sentence(folder, capsys, change):
    path = folder / "run" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    code = evaluate(folder)
    error = capsys.readouterr().err
    assert "Traceback" not in error and (code == 2 and "config.json" in error or "other data" in error)
