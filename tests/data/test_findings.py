"""Odd data is said, by describe and by train; units of the features do not matter."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from mgmr_lib import cli
from mgmr_lib.data.batch import mask_split
from mgmr_lib.data.commands import describe
from mgmr_lib.data.corpus import Ragged
from mgmr_lib.data.findings import findings, flat_channels, repairs
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.data.mmsa import export_mmsa, load_mmsa
from mgmr_lib.evaluation.references import fit_ridge
from mgmr_lib.training.config import make_config
from mgmr_lib.training.setup import prepare
from mgmr_lib.training.trainer import Trainer, predict
from tests.data.test_mmsa import make_data, write
from tests.toy import toy_corpus


def with_frames(corpus, modality, change):
    """The corpus with a modality's values changed in every split."""
    splits = {}
    for name, split in corpus.splits.items():
        frames = getattr(split, modality)
        values = np.asarray(change(frames.values.copy()), np.float32)
        splits[name] = replace(split, **{modality: Ragged(values, frames.lengths, frames.max_length)})
    return replace(corpus, splits=splits)


def test_a_channel_is_flat_against_its_own_size():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((50, 6)).astype(np.float32)
    values[:, 1], values[:, 3] = 0.0, 7.5
    values[:, 4] = 1000 + values[:, 4]
    for unit in (1e-30, 1e-9, 1.0, 1e9, 1e30):
        assert flat_channels(values * np.float32(unit)).tolist() == [False, True, False, True, False, False]


def trained(corpus):
    settings = dict(
        d_model=8, epochs=6, text_encoder="tiny", pool_audio=4, pool_vision=4, lr=2e-2, batch_size=16, ema=0.0
    )
    setup = prepare(make_config("concat", "laptop", **settings), corpus)
    Trainer(setup, quiet=True).run()
    return predict(setup.model, setup.masked("test", 0.3, 1))


def test_the_unit_of_the_features_changes_no_prediction():
    corpus = with_frames(toy_corpus(), "audio", lambda v: np.concatenate([v, np.full((len(v), 1), 3.0)], axis=1))
    expected = trained(corpus)
    assert expected.std() > 0.1
    for unit in (1e-9, 1e-7, 1e9):
        both = with_frames(with_frames(corpus, "audio", lambda v, u=unit: v * u), "vision", lambda v, u=unit: v / u)
        np.testing.assert_allclose(trained(both), expected, atol=1e-3)


def test_a_channel_that_never_changed_in_training_says_nothing_later():
    flat = with_frames(toy_corpus(), "audio", lambda v: np.concatenate([v[:, :2], np.full((len(v), 1), 5.0)], axis=1))
    inputs = prepare(make_config("concat", "laptop", d_model=8, text_encoder="tiny", pool_audio=4), flat).model.inputs
    x = torch.tensor([[0.0, 0.0, 5.0], [0.0, 0.0, 4e6]])
    assert inputs.standardise("audio", x)[:, 2].abs().max() < 1e-30
    assert all(torch.isfinite(b).all() for b in inputs.buffers())


def test_a_reference_does_not_depend_on_units_either():
    rng = np.random.default_rng(1)
    features = np.concatenate([rng.standard_normal((40, 5)), np.full((40, 1), 0.3)], axis=1)
    labels = features[:, 0] + 0.1 * rng.standard_normal(40)
    expected = fit_ridge(features, labels).predict(features)
    for unit in (1e-9, 1e9):
        np.testing.assert_allclose(fit_ridge(features * unit, labels).predict(features * unit), expected, atol=1e-6)


def test_constant_channels_modalities_and_blank_clips_are_said():
    assert findings(toy_corpus()) == []
    some = with_frames(toy_corpus(), "audio", lambda v: v * np.array([1, 0, 1, 0, 1]) + np.array([0, 0, 0, 2, 0]))
    (line,) = findings(some)
    assert "train/audio: 2 of 5 channels never change" in line and "(1, 3)" in line
    (line,) = findings(with_frames(toy_corpus(), "vision", lambda v: v * 0))
    assert line == "train/vision never changes: this modality says nothing"
    corpus = toy_corpus()
    lengths = corpus["train"].vision.lengths
    gone = with_frames(corpus, "vision", lambda v: np.concatenate([np.zeros((lengths[0], 7)), v[lengths[0] :]]))
    assert any("clips without any vision (all frames zero): train 1 of 48" in line for line in findings(gone))


NORMALISED = {
    "divided by three": lambda y: y / 3,
    "standardised": lambda y: (y - y.mean()) / y.std(),
    "from 0 to 1": lambda y: (y + 3) / 6,
    "percent": lambda y: y / 100,
}


def test_lengths_that_go_with_the_label_are_said():
    corpus = toy_corpus(sizes=(600, 10, 10))
    train = corpus["train"]
    assert not any("how long a clip" in line for line in findings(corpus))
    labels = (train.audio.lengths - train.audio.lengths.mean()) / 10 + np.random.default_rng(0).normal(0, 1, 600)
    told = replace(corpus, splits=corpus.splits | {"train": replace(train, labels=labels.astype(np.float32))})
    r = np.corrcoef(train.audio.lengths, labels)[0, 1]
    assert any(f"how long a clip's audio is goes with its label (train: r = {r:+.2f})" in x for x in findings(told))


@pytest.mark.parametrize("case", NORMALISED)
def test_test_labels_on_another_scale_are_said(case):
    corpus = toy_corpus()
    labels = NORMALISED[case](corpus["test"].labels.astype(np.float64)).astype(np.float32)
    odd = replace(corpus, splits=corpus.splits | {"test": replace(corpus["test"], labels=labels)})
    (line,) = findings(odd)
    assert line.startswith("labels of test look normalised")
    assert line in describe(odd)


def test_each_kind_of_repair_has_its_own_line(tmp_path):
    data = make_data()
    data["train"]["audio"][0, 0, 0] = np.nan
    data["test"]["vision_lengths"][0] = 500
    data["valid"]["text_bert"][0, 1] = 0
    corpus = load_mmsa(write(tmp_path, data))
    lines = repairs(corpus)
    assert len(lines) == 3 and all(line in describe(corpus) for line in lines)
    assert [line for line in lines if "NaN" in line] == [
        "values that were infinite or NaN and are 0 now: train/audio 1"
    ]
    assert any("lengths beyond the array" in line and line.endswith("test/vision_lengths 1") for line in lines)
    assert any("[CLS] and [SEP]" in line and line.endswith("valid/text_bert 1") for line in lines)


def test_columns_stay_apart(tmp_path):
    data = make_data(audio=(900, 12345), vision=(11, 709), sims=True)
    rows = describe(
        load_mmsa(write(tmp_path, {s: {k: v for k, v in p.items() if k != "text"} for s, p in data.items()}))
    )
    table = rows.splitlines()[3:7]
    assert len({len(row) for row in table}) == 1
    assert all(len([part for part in row.split("   ") if part.strip()]) == 7 for row in table)


def test_train_says_what_describe_says(tmp_path, capsys):
    corpus = toy_corpus(sizes=(24, 12, 12))
    odd = replace(corpus, splits=corpus.splits | {"test": replace(corpus["test"], labels=corpus["test"].labels / 3)})
    odd, path = with_frames(odd, "vision", lambda v: v * 0 + 1), tmp_path / "toy_mosi.pkl"
    export_mmsa(odd, path)
    settings = "--profile fast --text-encoder tiny --epochs 1 --d-model 8 --quiet".split()
    assert cli.main(["train", "--data", str(path), "--out", str(tmp_path / "run"), *settings]) == 0
    said = capsys.readouterr().out
    assert cli.main(["data", "describe", str(path)]) == 0
    described = capsys.readouterr().out
    for line in findings(odd):
        assert line in said and line in described
    assert len(findings(odd)) == 2


def test_stored_features_beside_tokens_serve_too(tmp_path):
    data = make_data()
    for part in data.values():
        part["text"] *= part["text_bert"][:, 1, :, None]
    corpus = load_mmsa(write(tmp_path, data))
    train = corpus["train"]
    assert train.has_tokens and train.text.dim == 768
    features = train.text.features()
    for i, n in enumerate(train.token_lengths):
        np.testing.assert_array_equal(features[i], data["train"]["text"][i, :n])
    seen = train.with_stored_text()
    assert not seen.has_tokens and (seen.token_lengths == train.token_lengths).all()
    part = seen.select([2, 0])
    np.testing.assert_array_equal(part.text.features()[1], features[0])
    assert pickle.dumps(data)  # the source is left as it was


def test_negative_clips_count_from_the_end():
    frames = toy_corpus()["train"].audio
    assert np.array_equal(frames[-1], frames[len(frames) - 1]) and len(frames[-1]) == frames.lengths[-1]
    for beyond in (len(frames), -len(frames) - 1):
        with pytest.raises(IndexError):
            frames[beyond]


def test_what_a_file_lacks_is_said(tmp_path, capsys):
    """No train split, no labels: described, and no claim is made about what is not there."""
    data = {"test": {k: v for k, v in make_data()["test"].items() if not k.endswith("labels")}}
    assert cli.main(["data", "describe", str(write(tmp_path, data))]) == 0
    said = capsys.readouterr().out
    assert "no split train and valid: `predict --data` works, training does not" in said
    assert "no labels in the test split: `predict --data` works, training and evaluating do not" in said
    assert said.splitlines()[4].split()[-1] == "none" and "look normalised" not in said and "goes with" not in said


def test_labels_that_are_all_the_same_are_said():
    corpus = toy_corpus()
    train = replace(corpus["train"], labels=np.full(48, -0.5, np.float32))
    (line,) = findings(replace(corpus, splits=corpus.splits | {"train": train}))
    assert line == "all labels of the train split are -0.5: nothing can be learned from them"


@pytest.mark.parametrize("text", ["7:1", "1:1", "1", "low:high", "nan:3", "0:inf", ":", "1:7:9"])
def test_a_label_range_that_is_none(tmp_path, capsys, text):
    arguments = ["data", "convert", str(tmp_path / "a.pkl"), str(tmp_path / "b.pkl"), "--label-range", text]
    assert cli.main(arguments) == 2
    assert f"--label-range must be LOW:HIGH, such as 1:7, not '{text}'" in capsys.readouterr().err


def test_a_label_range_maps_the_lowest_to_the_lowest(tmp_path):
    data = make_data()
    for part in data.values():
        part["regression_labels"] = part["regression_labels"] + 4
    source, out = write(tmp_path, data), str(tmp_path / "out.pkl")
    assert cli.main(["data", "convert", str(source), out, "--label-range", "1:7"]) == 0
    plain = load_mmsa(write(tmp_path, make_data(), "plain.pkl"))
    for name, split in load_mmsa(out).splits.items():
        np.testing.assert_allclose(split.labels, plain[name].labels, atol=1e-6)


def test_frames_and_lengths_must_agree():
    padded, lengths = np.arange(24, dtype=np.float64).reshape(2, 4, 3), np.array([1, 3])
    frames = Ragged.from_padded(padded, lengths)
    assert frames.values.dtype == np.float32 and frames.max_length == 4
    assert frames[0].tolist() == padded[0, :1].tolist() and frames[1].tolist() == padded[1, :3].tolist()
    with pytest.raises(ValueError, match="lengths add up to 5, but there are 4 frames"):
        Ragged(frames.values, np.array([2, 3]), 4)


def test_a_batch_is_as_long_as_its_clips():
    batch = mask_split(toy_corpus()["test"], draw_masks(toy_corpus()["test"], 0.5, 1)).batch([5, 0, 7])
    assert len(batch) == len(batch.labels) == 3 and batch.ids == ("test5$_$1", "test0$_$1", "test7$_$1")


def test_a_modality_without_a_frame_has_no_channel_that_is_flat():
    corpus = toy_corpus(sizes=(12, 6, 6))
    flat, splits = corpus["train"].audio.values, {}
    flat[:, 1] = 3.0
    for name, s in corpus.splits.items():
        nothing = Ragged(np.empty((0, 7), np.float32), np.zeros_like(s.vision.lengths), 60)
        splits[name] = replace(s, vision=nothing)
    lines = [line for line in findings(replace(corpus, splits=splits)) if line.startswith("train/")]
    assert len(lines) == 1 and lines[0].startswith("train/audio") and "1 of 5" in lines[0], lines
