"""`run`: both networks on one corpus, under the same masks, in one table and one figure."""

import argparse
import dataclasses
import json

import pytest

from mgmr_lib import cli
from mgmr_lib.commands import run as command
from mgmr_lib.data import load
from mgmr_lib.training.config import make_config
from tests.toy import toy_corpus

pytestmark = pytest.mark.slow


@pytest.fixture
def toy(monkeypatch):
    """A tiny corpus and encoder, and one epoch."""
    small = {"text_encoder": "tiny", "epochs": 1, "batch_size": 8}
    corpus = dataclasses.replace(toy_corpus(sizes=(16, 6, 9)), repaired={"train/audio": 3})
    monkeypatch.setattr(load, "load_corpus", lambda *_, **__: corpus)
    monkeypatch.setattr(command, "configuration", lambda model, *_: make_config(model, "fast", **small))


def test_run_lays_both_networks_and_the_references_side_by_side(toy, tmp_path, capsys):
    assert cli.main(["run", "--quiet", "--out", str(tmp_path)]) == 0
    told, *table = capsys.readouterr().out.splitlines()
    assert told == "values that were infinite or NaN and are 0 now: train/audio 3"
    for name in ("mgmr mae", "mfmb mae", "mean mae", "text ridge mae"):
        assert name in table[1]
    assert [line.split()[0] for line in table[3:15]] == ["0", *(f"0.{i}" for i in range(1, 10)), "1", "AUILC"]
    found = json.loads((tmp_path / "missing_rates.json").read_text())["runs"]
    assert [r["model"] for r in found] == ["mgmr", "mfmb"] and all(len(r["records"]) == 33 for r in found)
    assert set(found[0]["references"]) == {"mean", "text ridge"} and found[1]["references"] == {}
    assert (tmp_path / "missing_rates.png").stat().st_size > 10_000
    again = tmp_path / "again.png"
    assert (
        cli.main(["report", "--results", str(tmp_path / "missing_rates.json"), "--out", str(again)]) == 0
        and again.exists()
    )


def test_both_networks_share_one_encoder_that_remembers(toy, tmp_path):
    encoder = command.shared_encoder(make_config("mfmb", "fast", text_encoder="tiny"))
    assert encoder.memo is not None and encoder.memo.hits == 0
    assert command.shared_encoder(make_config("mfmb", "fast", text_encoder="tiny", encoder_lr=1e-5)) is None


def test_the_fast_profile_is_not_cut_down_as_for_a_notebook():
    def settings(profile, **of_corpus):
        config = command.configuration("mfmb", argparse.Namespace(profile=profile, seed=5, data="x"), "sims", of_corpus)
        return config.max_clips, config.epochs, config.batch_size, config.lr, config.seed, config.data

    assert settings("fast") == (None, 8, 32, 1e-3, 5, "x")
    assert settings("fast", max_clips=9) == (9, 8, 32, 1e-3, 5, "x")
    own = make_config("mfmb", "laptop", "sims")
    assert settings("laptop") == (own.max_clips, own.epochs, own.batch_size, own.lr, 5, "x")
