"""The door for data: what a run may meet, what is refused in one sentence, and stored text from a file to a number."""

import json
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

from mgmr_lib import cli
from mgmr_lib.data.corpus import Ragged
from mgmr_lib.data.door import check_meets, check_trainable, settings_for, text_view
from mgmr_lib.data.load import load_corpus
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.data.mmsa import export_mmsa
from mgmr_lib.data.text import load_encoder
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import data_root
from mgmr_lib.training.config import TrainConfig
from mgmr_lib.training.identity import fingerprint
from mgmr_lib.training.run import describe
from tests.data.test_encoders import checkpoint
from tests.toy import toy_corpus


def with_split(corpus, name, **changes):
    return replace(corpus, splits=corpus.splits | {name: replace(corpus[name], **changes)})


def sentence(call, *arguments, **options) -> str:
    with pytest.raises(CourseError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_fingerprint_names_the_content_and_not_the_name():
    corpus = toy_corpus()
    known = fingerprint(corpus)
    assert fingerprint(replace(corpus, name="other", source="/elsewhere.pkl")) == known
    audio = corpus["test"].audio
    one_value = audio.values.copy()
    one_value[17, 2] += 1e-3
    turned = audio.values.copy()
    turned[[3, 4]] = turned[[4, 3]]
    for values in (one_value, turned):
        other = with_split(corpus, "test", audio=Ragged(values, audio.lengths, audio.max_length))
        assert fingerprint(other) != known
    assert fingerprint(with_split(corpus, "valid", labels=-corpus["valid"].labels)) != known


def test_what_a_run_may_meet():
    corpus = toy_corpus()
    about = {"corpus": describe(corpus)}
    check_meets("RUN", about, corpus)
    other = toy_corpus(seed=3)
    check_meets("RUN", about, other)
    assert "'audio': 6" in sentence(check_meets, "RUN", about, toy_corpus(widths=(6, 7)))
    sims = replace(other, family="sims")
    assert "-1 to 1 (sims)" in sentence(check_meets, "RUN", about, sims)
    unlabelled = {n: replace(s, labels=s.labels * np.nan) for n, s in sims.splits.items()}
    check_meets("RUN", about, replace(sims, splits=unlabelled))  # a prediction needs no labels
    stored = {"corpus": {**about["corpus"], "widths": {"audio": 5, "vision": 7, "text": 300}}}
    assert "'text': 0" in sentence(check_meets, "RUN", stored, corpus)


def test_training_needs_three_splits_and_labels():
    corpus = toy_corpus()
    check_trainable(corpus)
    said = sentence(check_trainable, replace(corpus, splits={"test": corpus["test"]}))
    assert "'train' and 'valid'" in said and "predict" in said
    unlabelled = with_split(corpus, "valid", labels=np.full(16, np.nan, np.float32))
    assert "valid/regression_labels" in sentence(check_trainable, unlabelled)


def test_foreign_tokens_are_refused_and_long_clips_are_cut_and_counted(capsys):
    encoder = load_encoder("tiny")
    corpus = toy_corpus(text=600)
    before = corpus["train"]
    seen = text_view(corpus, encoder)["train"]
    long = np.flatnonzero(before.token_lengths > 512)
    assert len(long) and (seen.token_lengths == np.minimum(before.token_lengths, 512)).all()
    assert (seen.token_ids[long, 511] == 102).all() and (
        seen.token_ids[long, :511] == before.token_ids[long, :511]
    ).all()
    total = sum((s.token_lengths > 512).sum() for s in corpus.splits.values())
    assert f"{total} clips have more than the 512 tokens" in capsys.readouterr().err
    ids = before.token_ids.copy()
    ids[5, 2] = 119547
    said = sentence(text_view, with_split(corpus, "train", token_ids=ids), encoder)
    assert "train/text_bert" in said and "119547" in said and "train5$_$1" in said and "--text-encoder" in said


# ---- stored text
# ---------------------------------------------------------------------------------------------------------


def glove_data(n=(40, 12, 16), steps=9, seed=0):
    """MulT's layout: no token ids, no words, labels (n, 1, 1), padding in front, -inf in the audio."""
    rng, data = np.random.default_rng(seed), {}
    for split, size in zip(("train", "valid", "test"), n, strict=True):
        labels = rng.uniform(-3, 3, size)
        part = {key: np.zeros((size, steps, d), np.float32) for key, d in (("text", 30), ("audio", 5), ("vision", 4))}
        for i in range(size):
            length = rng.integers(3, steps + 1)
            for value in part.values():
                value[i, steps - length :] = rng.standard_normal((length, value.shape[2])) + 0.1
            part["text"][i, steps - length :, 0] = labels[i]
        part["audio"][0, -1, 0] = -np.inf
        part["labels"] = labels.astype(np.float32)[:, None, None]
        part["id"] = np.array([[f"{split}{i}", "0.5", "3.25"] for i in range(size)], dtype=object)
        data[split] = part
    return data


@pytest.fixture
def glove(tmp_path):
    path = tmp_path / "mosi_data.pkl"
    path.write_bytes(pickle.dumps(glove_data()))
    return path


def test_short_modalities_are_not_averaged():
    def settings(audio: int, vision: int) -> dict:
        corpus = toy_corpus()
        frames = {"audio": audio, "vision": vision}
        made = {m: Ragged(np.ones((n, 3), np.float32), np.array([n]), 500) for m, n in frames.items()}
        part = replace(corpus["train"].select([0]), **made)
        return settings_for(replace(corpus, splits={"train": part}))

    assert settings(64, 65) == {"pool_audio": 1}
    assert settings(65, 20) == {"pool_vision": 1}
    assert settings(300, 0) == {}  # a face that was never recorded asks for nothing


def test_a_file_with_text_features_alone_is_read(glove):
    corpus, data = load_corpus(glove), glove_data()["train"]
    train = corpus["train"]
    assert (
        not train.has_tokens
        and train.text.dim == 30
        and settings_for(corpus) == {"text_encoder": "stored", "encoder_lr": 0.0, "pool_audio": 1, "pool_vision": 1}
    )
    assert train.ids[3] == "train3$_$0.5$_$3.25"
    for i in range(40):
        alive = data["text"][i].any(axis=1)
        assert (train.text.features()[i] == data["text"][i][alive]).all()
    assert corpus.repaired["train/text_front"] == (data["text"][:, 0] == 0).all(axis=1).sum()
    assert corpus.repaired["train/audio"] == 1 and any("without token ids" in note for note in corpus.notes)
    assert "--text-encoder stored" in sentence(text_view, corpus, load_encoder("tiny"))
    assert "no text features" in sentence(text_view, toy_corpus(), load_encoder("stored"))


def test_missing_stored_steps_are_zero_and_none_is_protected(glove):
    encoder = load_encoder("stored")
    from mgmr_lib.data.batch import mask_split

    split = text_view(load_corpus(glove), encoder)["test"]
    masks = draw_masks(split, 0.5, 1)
    masked = mask_split(split, masks, encoder)
    complete = split.text.features()
    for i in range(len(split)):
        keep = masks["text"][i, : complete.lengths[i]]
        assert (masked.masked_text[i] == complete[i] * keep[:, None]).all()
    assert not draw_masks(split, 1.0, 1)["text"].any()


@pytest.mark.parametrize("model", ["mgmr", "mfmb", "mult", "tfn"])
def test_stored_text_trains_evaluates_and_predicts(glove, tmp_path, model, capsys):
    run, out = tmp_path / "run", tmp_path / "out.json"
    settings = "--profile fast --text-encoder stored --epochs 2 --batch-size 16 --quiet".split()
    assert cli.main(["train", "--model", model, "--data", str(glove), "--out", str(run), *settings]) == 0
    said = capsys.readouterr().out
    assert "features (30 wide)" in said and "padding was in front" in said
    found = ["evaluate", "--run", str(run), "--rates", "0,1", "--seeds", "1", "--quiet"]
    assert cli.main([*found, "--out", str(out)]) == 0
    assert cli.main(["predict", "--run", str(run), "--out", str(tmp_path / "a.csv")]) == 0
    capsys.readouterr()
    assert cli.main(["predict", "--run", str(run), "--text", "a film"]) == 2
    assert "stored text features" in capsys.readouterr().err


def test_one_clip_of_ones_own_without_labels(glove, tmp_path, capsys):
    run, mine = tmp_path / "run", tmp_path / "mine.pkl"
    settings = "--profile fast --text-encoder stored --epochs 1 --d-model 8 --batch-size 16 --quiet".split()
    assert cli.main(["train", "--data", str(glove), "--out", str(run), *settings]) == 0
    part = {k: v[:1] for k, v in glove_data()["test"].items() if k != "labels"}
    mine.write_bytes(pickle.dumps({"test": part}))
    csv = tmp_path / "mine.csv"
    assert cli.main(["predict", "--run", str(run), "--data", str(mine), "--out", str(csv)]) == 0
    rows = csv.read_text().splitlines()
    assert len(rows) == 2 and rows[1].startswith("test0$_$0.5$_$3.25,,")
    capsys.readouterr()
    for command in (
        ["train", "--data", str(mine), "--out", str(tmp_path / "no"), *settings],
        ["evaluate", "--run", str(run), "--data", str(mine), "--out", str(tmp_path / "no.json")],
        ["predict", "--run", str(run), "--data", str(mine), "--split", "valid", "--out", str(csv)],
    ):
        assert cli.main(command) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and error.startswith("error: ") and "mine.pkl" in error


def test_a_refused_text_leaves_no_run_behind(tmp_path, capsys):
    """The next try, with the fix, goes into the same folder."""
    file, out = tmp_path / "toy_mosi.pkl", tmp_path / "run"
    export_mmsa(toy_corpus(sizes=(24, 8, 8)), file)
    settings = "--profile fast --epochs 1 --d-model 8 --quiet".split()
    train = ["train", "--data", str(file), "--out", str(out), *settings]
    assert cli.main([*train, "--text-encoder", "stored"]) == 2
    assert "no text features" in capsys.readouterr().err
    assert cli.main([*train, "--text-encoder", "tiny"]) == 0


def test_paths_mean_the_same_from_every_folder(tmp_path, monkeypatch, capsys):
    home, data = tmp_path / "home", tmp_path / "home" / "toy_mosi.pkl"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    export_mmsa(toy_corpus(sizes=(24, 8, 8)), data)
    checkpoint(home, "bert")
    monkeypatch.chdir(home)
    settings = "--profile fast --text-encoder tiny --epochs 1 --d-model 8 --quiet".split()
    assert cli.main(["train", "--data", "toy_mosi.pkl", "--out", "~/run", *settings]) == 0
    assert TrainConfig.from_dict(json.loads((home / "run" / "config.json").read_text())["config"]).data == str(data)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["predict", "--run", "~/run", "--out", str(tmp_path / "a.csv")]) == 0
    assert cli.main(["data", "describe", "~/home.pkl"]) == 2 and "~" not in os.listdir(tmp_path)
    data.rename(home / "moved_mosi.pkl")
    capsys.readouterr()
    assert cli.main(["predict", "--run", "~/run", "--out", str(tmp_path / "a.csv")]) == 2
    assert "--data" in capsys.readouterr().err
    moved = ["--data", "~/moved_mosi.pkl", "--out", str(tmp_path / "a.csv")]
    assert cli.main(["predict", "--run", "~/run", *moved]) == 0
    assert cli.main(["predict", "--run", "~/run", "--text", "a good film"]) == 0


def test_a_relative_data_folder_stays_where_it_was_named(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MGMR_DATA", "mine")
    assert data_root() == tmp_path / "mine"
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert data_root() == tmp_path / "mine" and os.environ["MGMR_DATA"] == str(tmp_path / "mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("MGMR_DATA", "~/course")
    assert data_root() == tmp_path / "course"


def test_labels_of_another_range_are_refused_by_name_and_said_by_look(tmp_path, capsys):
    run, named = tmp_path / "run", tmp_path / "ch_sims.pkl"
    file, unnamed = tmp_path / "toy_mosi.pkl", tmp_path / "other.pkl"
    export_mmsa(toy_corpus(sizes=(24, 8, 8)), file)
    settings = "--profile fast --text-encoder tiny --epochs 1 --d-model 8 --quiet".split()
    assert cli.main(["train", "--data", str(file), "--out", str(run), *settings]) == 0
    part = pickle.loads(file.read_bytes())["test"]  # ours
    part["regression_labels"] = part["regression_labels"] / 3
    for path in (named, unnamed):
        path.write_bytes(pickle.dumps({"test": part}))
    capsys.readouterr()
    out = ["--run", str(run), "--rates", "0", "--seeds", "1", "--quiet", "--out", str(tmp_path / "a.json")]
    assert cli.main(["evaluate", *out, "--data", str(named)]) == 2
    assert "-1 to 1 (sims)" in capsys.readouterr().err
    assert cli.main(["evaluate", *out, "--data", str(unnamed)]) == 0
    assert "warning: " in (said := capsys.readouterr().err) and "[-1, 1]" in said
