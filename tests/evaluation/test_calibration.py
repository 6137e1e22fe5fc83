"""The summaries that real and simulated corpora are compared by, on clips whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest

from mgmr_lib import cli
from mgmr_lib.data.corpus import Corpus, Ragged
from mgmr_lib.data.mmsa import export_mmsa
from mgmr_lib.evaluation import calibration
from mgmr_lib.evaluation.calibration import (
    autocorrelation,
    between_share,
    draw_kernels,
    joined,
    pattern,
    ridge_correlation,
    thirds,
)
from tests.models.properties import without
from tests.toy import toy_corpus


def clips(level, rest=1.0, memory=0.0, n=400, l=30, seed=0):
    """n clips whose two channels are a level of the clip and noise with a memory."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n, l, 2))
    for t in range(1, l):
        noise[:, t] = memory * noise[:, t - 1] + np.sqrt(1 - memory**2) * noise[:, t]
    return list(level * rng.standard_normal((n, 1, 2)) + rest * noise)


@pytest.mark.parametrize("level", [0.5, 1.0, 2.0])
def test_share_between_clips_is_that_of_the_levels(level):
    expected = (level**2 + 1 / 30) / (level**2 + 1)  # a mean of 30 steps keeps a thirtieth of their variance
    np.testing.assert_allclose(between_share(clips(level)), expected, atol=0.04)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_autocorrelation_is_that_of_the_rest(memory):
    found = autocorrelation(clips(3.0, memory=memory, l=400, n=60))
    np.testing.assert_allclose(found, memory, atol=0.03)


def test_kernels_are_blind_to_a_level_and_see_a_pattern():
    kernels, rng = draw_kernels(2, 0), np.random.default_rng(0)
    one = rng.standard_normal((12, 2))
    np.testing.assert_allclose(pattern(one + [5, -3], kernels)[:300], pattern(one, kernels)[:300], atol=1e-9)
    assert np.abs(kernels.sum(1)).max() < 1e-9
    labels = rng.standard_normal(300)
    levels = [y + 0.3 * rng.standard_normal((12, 2)) for y in labels]
    ramps = [y * np.linspace(-1, 1, 12)[:, None] + 0.3 * rng.standard_normal((12, 2)) for y in labels]
    see = [lambda c: c.mean(0), lambda c: pattern(c, kernels), thirds]
    level, ramp = ([ridge_correlation(x, labels, s) for s in see] for x in (levels, ramps))
    assert level[0] > 0.95 and abs(level[1]) < 0.2 and level[2] > 0.95
    assert abs(ramp[0]) < 0.2 and ramp[1] > 0.8 and ramp[2] > 0.9


def test_a_clip_without_a_step_is_an_average_one_and_counted(tmp_path, monkeypatch, capsys):
    corpus = toy_corpus(sizes=(60, 10, 10))
    gone = {n: np.arange(len(s)) % 4 == 0 for n, s in corpus.splits.items()}
    splits = {n: type(s)(**vars(s) | {"vision": without(s.vision, gone[n])}) for n, s in corpus.splits.items()}
    corpus = Corpus("gappy", "mosi", "made for a test", splits)
    found, labels = joined(corpus, "vision")
    assert sum(len(c) == 0 for c in found) == sum(g.sum() for g in gone.values()) and len(found) == len(labels) == 80
    export_mmsa(corpus, tmp_path / "gappy.pkl")
    monkeypatch.setattr(calibration, "KERNELS", 20)
    assert cli.main(["calibrate", str(tmp_path / "gappy.pkl"), f"{tmp_path / 'gappy.pkl'}:3",
                     "--out", str(tmp_path / "side.json")]) == 0  # fmt: skip
    said = capsys.readouterr().out
    assert said.count("26%") == 2 and "ridge on zero-sum kernels" in said
    table, where = calibration.read(tmp_path / "side.json")
    assert table.to_string() in said and where["versions"]["torch"]
    assert cli.main(["calibrate", "gappy:0"]) == 2


def test_the_control_shows_what_lengths_alone_tell(monkeypatch):
    monkeypatch.setattr(calibration, "KERNELS", 40)
    corpus, rng = toy_corpus(sizes=(400, 10, 10)), np.random.default_rng(0)
    lengths = rng.integers(2, 40, 400)
    frames = Ragged(rng.standard_normal((lengths.sum(), 3)).astype(np.float32), lengths, 40)
    labels = (lengths / 10 + rng.standard_normal(400)).astype(np.float32)
    train = replace(corpus["train"], audio=frames, labels=labels)
    found = calibration.summaries(replace(corpus, splits={"train": train}), "audio")
    alone, control = float(found["ridge on lengths alone"]), float(found[calibration.CONTROL].split()[0])
    assert alone > 0.6 and control > 0.4 and abs(float(found["ridge on means"])) < 0.2


def test_steps_are_averages_of_frames():
    frames = Ragged(np.arange(14, dtype=np.float32).reshape(7, 2), np.array([5, 2]), 5)
    np.testing.assert_allclose(calibration.averaged(frames[0], 2), [[1, 2], [5, 6], [8, 9]])
