"""The training loop: it learns, it is a function of its configuration, and a killed run ends as an uninterrupted
one."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mgmr_lib.data.classroom.corpora import exact_name
from mgmr_lib.data.text import load_encoder
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.training import run as runs
from mgmr_lib.training.checkpoint import load_tensors, save_tensors
from mgmr_lib.training.config import TrainConfig, make_config
from mgmr_lib.training.run import load_run, train_run
from mgmr_lib.training.setup import prepare
from mgmr_lib.training.trainer import Trainer, like_length_batches, predict
from tests.toy import toy_corpus
from tests.training.resuming import assert_resuming_changes_nothing

TINY = {
    "text_encoder": "tiny",
    "d_model": 8,
    "d_state": 2,
    "expand": 1,
    "batch_size": 16,
    "pool_audio": 4,
    "pool_vision": 4,
}


def config(**changes) -> TrainConfig:
    return make_config("mgmr", "laptop", **{**TINY, "epochs": 3, **changes})


def test_batches_cover_every_clip_once_and_hold_clips_of_like_length():
    lengths = np.random.default_rng(0).integers(2, 51, 1000)
    batches = like_length_batches(lengths, 32, seed=1)
    assert sorted(np.concatenate(batches)) == list(range(1000))
    spread = np.mean([np.ptp(lengths[b]) for b in batches])
    assert spread < 0.3 * np.ptp(lengths)
    assert any(
        (a != b).any()
        for a, b in zip(batches, like_length_batches(lengths, 32, seed=2), strict=True)
        if len(a) == len(b)
    )


def test_it_overfits_what_the_audio_says():
    corpus = toy_corpus(sizes=(32, 8, 8))
    settings = {
        "protocol": "A",
        "rate": 0.0,
        "epochs": 60,
        "patience": 60,
        "lr": 1e-2,
        "dropout": 0.0,
        "weight_decay": 0.0,
    }
    setup = prepare(config(**settings), corpus)
    Trainer(setup, quiet=True).run()
    error = np.abs(predict(setup.model, setup.masked("train", 0.0, 1)) - corpus["train"].labels).mean()
    assert error < 0.5 * np.abs(corpus["train"].labels - np.median(corpus["train"].labels)).mean()


def test_two_runs_of_one_configuration_are_equal_and_another_seed_is_not():
    corpus, found = toy_corpus(), {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        setup = prepare(config(seed=seed), corpus)
        Trainer(setup, quiet=True).run()
        found[name] = predict(setup.model, setup.masked("test", 0.3, 1))
    assert (found["a"] == found["b"]).all() and (found["a"] != found["c"]).any()


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_resuming_after_each_epoch_ends_where_an_uninterrupted_run_does(tmp_path, ema):
    assert_resuming_changes_nothing(config(ema=ema), toy_corpus(), tmp_path)


def test_early_stopping_keeps_the_best_epoch(tmp_path):
    corpus = toy_corpus()
    run = train_run(config(lr=0.3, epochs=12, patience=2), tmp_path / "run", corpus, quiet=True)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    maes = [h["valid_mae"] for h in result["history"]]
    assert len(maes) == result["best_epoch"] + 3 < 12 and result["best"] == min(maes)
    rates = run.config.valid_rates
    labels = corpus["valid"].labels
    again = np.mean([np.abs(run.predict(run.masked("valid", r, 1)) - labels).mean() for r in rates])
    assert again == pytest.approx(result["best"], abs=1e-5)


def test_a_run_folder_refuses_other_settings_other_data_and_foreign_folders(tmp_path):
    corpus = toy_corpus()
    train_run(config(epochs=1), tmp_path / "run", corpus, quiet=True)
    with pytest.raises(CourseError, match="other settings"):
        train_run(config(epochs=2), tmp_path / "run", corpus, quiet=True)
    with pytest.raises(CourseError, match="other data"):
        train_run(config(epochs=1), tmp_path / "run", toy_corpus(seed=5), quiet=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("keep me")
    with pytest.raises(CourseError, match="with the metrics of mosi, and .* is read as sims here: give --dataset mosi"):
        train_run(config(epochs=1), tmp_path / "run", dataclasses.replace(corpus, family="sims"), quiet=True)
    train_run(config(epochs=1, d_model=12), tmp_path / "wide", corpus, quiet=True)
    (tmp_path / "run" / "last.safetensors").write_bytes((tmp_path / "wide" / "last.safetensors").read_bytes())
    with pytest.raises(CourseError, match="last.safetensors does not fit this network .*use the configuration"):
        Trainer(prepare(config(epochs=1), corpus), tmp_path / "run", quiet=True).run()
    with pytest.raises(CourseError, match="not empty"):
        train_run(config(), tmp_path / "mine", corpus, quiet=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "keep me"


def test_damaged_and_unfinished_runs_are_one_sentence(tmp_path):
    corpus = toy_corpus()
    train_run(config(epochs=1), tmp_path / "run", corpus, quiet=True)
    weights = tmp_path / "run" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CourseError, match="model.safetensors is damaged"):
        load_run(tmp_path / "run", corpus)
    weights.unlink()
    with pytest.raises(CourseError, match="not complete"):
        load_run(tmp_path / "run", corpus)
    with pytest.raises(CourseError, match="no run"):
        load_run(tmp_path / "nowhere", corpus)
    with pytest.raises(CourseError, match="widths"):
        weights.write_bytes(whole)
        load_run(tmp_path / "run", toy_corpus(widths=(6, 7)))


def test_shared_tensors_and_state_survive_a_checkpoint(tmp_path):
    shared = torch.randn(3)
    save_tensors(tmp_path / "x.safetensors", {"a": shared, "b": shared}, {"epoch": 3})
    tensors, state = load_tensors(tmp_path / "x.safetensors")
    assert torch.equal(tensors["a"], shared) and torch.equal(tensors["b"], shared) and state == {"epoch": 3}
    save_file({"a": shared}, tmp_path / "x.safetensors", {"state": "[1, 2]"})
    with pytest.raises(CourseError, match=r"x.safetensors is damaged \(its state is no dictionary\)"):
        load_tensors(tmp_path / "x.safetensors")


def test_a_text_encoder_that_learns_is_trained_resumed_saved_and_read_again(tmp_path):
    corpus = toy_corpus(sizes=(24, 8, 8))
    learning = config(epochs=2, encoder_lr=1e-3, batch_size=8)
    name = "inputs.text_encoder.bert.embeddings.word_embeddings.weight"
    before = prepare(learning, corpus).model.state_dict()[name].clone()
    resumed = assert_resuming_changes_nothing(learning, corpus, tmp_path)
    moved = (resumed[f"model/{name}"] - before).abs().max()
    assert 1e-4 < moved < 0.1  # some steps of about the encoder's own rate
    run = load_run(tmp_path / "whole", corpus)
    assert not torch.equal(run.model.state_dict()[name], before) and run.complete_text("train") is None
    again, masked = load_run(tmp_path / "whole", corpus), run.masked("test", 0.5, 1)
    assert np.array_equal(predict(run.model, masked), predict(again.model, masked))


@pytest.mark.parametrize("model", ["mgmr", "mfmb"])
def test_a_text_encoder_with_channels_of_next_to_nothing_learns(model, monkeypatch):
    """MiniLM's last layer norm shrinks two channels to 1e-33; what comes back through their scale must not overflow."""
    encoder, corpus = load_encoder("tiny", frozen=False), toy_corpus(sizes=(16, 8, 8))
    monkeypatch.setattr("mgmr_lib.training.setup.load_encoder", lambda *_: encoder)
    norm = encoder.bert.encoder.layer[-1].output.LayerNorm
    with torch.no_grad():
        norm.weight[3], norm.bias[3] = 1e-33, 1e-33
    setup = prepare(make_config(model, text_encoder="tiny", epochs=1, encoder_lr=1e-3, batch_size=8), corpus)
    before = norm.weight.detach().clone()
    Trainer(setup, quiet=True).run()
    assert torch.isfinite(norm.weight).all() and not torch.equal(norm.weight, before)
    assert setup.model.inputs.text_scale[3] == torch.finfo(torch.float32).max


def test_configurations_survive_json_and_unknown_settings_are_refused():
    c = config(valid_rates=(0.0, 0.5))
    assert TrainConfig.from_dict(json.loads(json.dumps(c.to_dict()))) == c
    assert c.hash() != dataclasses.replace(c, seed=7).hash()
    with pytest.raises(CourseError, match="no setting 'depht'"):
        config(depht=3)
    with pytest.raises(CourseError, match="no model 'mgrm'"):
        make_config("mgrm")
    with pytest.raises(CourseError, match="between 0 and 1"):
        config(rate=1.5)


def test_protocol_a_keeps_its_masks_and_b_draws_anew():
    corpus = toy_corpus()
    for protocol, same in (("A", True), ("B", False)):
        setup = prepare(config(protocol=protocol, rate=0.5), corpus)
        first, second = setup.train_epoch(0), setup.train_epoch(1)
        assert (first.keep["audio"] == second.keep["audio"]).all() == same


def test_shuffled_labels_belong_to_other_clips_and_the_test_split_keeps_its_own():
    corpus = toy_corpus()
    setup = prepare(config(shuffle_labels=True), corpus)
    assert sorted(setup.splits["train"].labels) == sorted(corpus["train"].labels)
    assert (setup.splits["train"].labels != corpus["train"].labels).mean() > 0.9
    assert (setup.splits["test"].labels == corpus["test"].labels).all()


SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from tests.toy import toy_corpus
from tests.training.test_training import config
from mgmr_lib.training.run import train_run
train_run(config(epochs=8, patience=8), {folder!r}, toy_corpus(), quiet=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is a POSIX signal")
def test_kill_nine_in_mid_epoch_changes_nothing(tmp_path):
    root = str(REPOSITORY)

    def start(folder):
        return subprocess.Popen([sys.executable, "-c", SCRIPT.format(root=root, folder=str(folder))])

    def epochs(folder):
        try:
            return load_tensors(folder / "last.safetensors")[1]["epoch"]
        except CourseError:
            return 0

    killed = tmp_path / "killed"
    process = start(killed)
    while process.poll() is None and epochs(killed) < 2:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert 2 <= epochs(killed) < 8
    assert start(killed).wait() == 0
    assert start(tmp_path / "whole").wait() == 0
    a, b = (load_tensors(tmp_path / n / "model.safetensors")[0] for n in ("killed", "whole"))
    assert all(torch.equal(a[k], b[k]) for k in b)


def test_a_classroom_run_is_read_again_with_its_own_edition(monkeypatch):
    monkeypatch.setattr(runs, "load_corpus", lambda name, *more, **options: name)
    about = {"corpus": {"family": "mosi"}}
    trained = dataclasses.replace(config(), data="classroom-mosi")
    assert runs.corpus_of(Path("somewhere"), about, trained) == "classroom-mosi@1" == exact_name("classroom-mosi")
