"""Measuring over missing rates: which masks, which records, and the references that a network must beat."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from mgmr_lib.data.batch import MaskedSplit, mask_split
from mgmr_lib.data.corpus import MODALITIES, Ragged
from mgmr_lib.data.missing import PATTERNS, draw_masks, share_gone
from mgmr_lib.data.text import encode, load_encoder
from mgmr_lib.errors import CourseError
from mgmr_lib.evaluation.metrics import aggregate
from mgmr_lib.evaluation.missing_rates import missing_rate_records, never_recorded, side_by_side, table
from mgmr_lib.evaluation.plots import missing_rate_figure, tidy
from mgmr_lib.evaluation.references import (
    fit_ridge,
    frames_ridge,
    mean_pool,
    mean_predictor,
    seen_means,
    steps,
    text_ridge,
    wordless,
)
from mgmr_lib.settings import parse_rates
from tests.models.properties import gappy
from tests.toy import toy_corpus


@pytest.mark.parametrize(
    "text, rates",
    [("0:1:0.25", [0, 0.25, 0.5, 0.75, 1]), ("0:0.9:0.3", [0, 0.3, 0.6, 0.9]), ("0.5", [0.5]), ("0,1", [0, 1])],
)
def test_rates_include_both_ends(text, rates):
    assert parse_rates(text) == rates


def test_eleven_rates_are_exact_tenths():
    assert parse_rates("0:1:0.1") == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


@pytest.mark.parametrize("text", ["", "0:1", "0:1:0", "1:0:0.1", "-0.1", "nan", "0:1.1:0.1", "a:b:c"])
def test_other_rates_are_refused(text):
    with pytest.raises(CourseError):
        parse_rates(text)


def test_every_predictor_sees_the_same_masks_and_certain_rates_are_computed_once():
    split, calls = toy_corpus()["test"], []

    def make(rate, seed):
        calls.append((rate, seed))
        return MaskedSplit(split, draw_masks(split, rate, seed))

    seen = {"a": [], "b": []}
    predictors = {n: lambda m, n=n: seen[n].append(m) or m.keep["audio"].sum(1).astype(float) for n in seen}
    records = missing_rate_records(predictors, make, "mosi", [0.0, 0.5, 1.0], [1, 2], quiet=True)
    assert calls == [(0.0, 1), (0.5, 1), (0.5, 2), (1.0, 1)]
    assert all(a is b for a, b in zip(seen["a"], seen["b"], strict=True))
    assert [(r["rate"], r["seed"]) for r in records["a"]] == [(r, s) for r in (0.0, 0.5, 1.0) for s in (1, 2)]
    maes = {(r["rate"], r["seed"]): r["mae"] for r in records["a"]}
    assert maes[0.0, 1] == maes[0.0, 2] and maes[0.5, 1] != maes[0.5, 2] and maes[1.0, 1] == np.abs(split.labels).mean()


def test_mean_pooling_is_the_mean_of_each_clip():
    lengths = np.array([3, 1, 5])
    values = np.random.default_rng(0).standard_normal((9, 4)).astype(np.float32)
    want = [values[:3].mean(0), values[3], values[4:].mean(0)]
    np.testing.assert_allclose(mean_pool(Ragged(values, lengths, 5)), want, atol=1e-6)


def test_the_ridge_is_sklearns_on_standardised_features_and_picks_a_penalty_by_the_data():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 30)) * 7 + 3
    y = x[:, 0] + 20 * rng.standard_normal(200)
    model = fit_ridge(x, y)
    z = (x - x.mean(0)) / x.std(0)
    want = Ridge(model[-1].alpha_).fit(z, y).predict(z)
    np.testing.assert_allclose(model.predict(x), want, atol=1e-8)
    assert model[-1].alpha_ > 10 > fit_ridge(x, x[:, 0])[-1].alpha_


def test_references_read_the_masked_text_only():
    corpus, encoder = toy_corpus(), load_encoder("tiny")
    train, test = corpus["train"], corpus["test"]
    ridge = text_ridge(encode(encoder, train.token_ids, train.token_lengths), train.labels)
    found = {r: ridge(mask_split(test, draw_masks(test, r, 1), encoder)) for r in (0.0, 0.7, 1.0)}
    assert np.ptp(found[0.0]) > 0 and (found[0.0] != found[0.7]).any()
    same_length = test.token_lengths == np.bincount(test.token_lengths).argmax()
    assert same_length.sum() > 1 and np.ptp(found[1.0][same_length]) < 1e-4
    mean = mean_predictor(train.labels)(mask_split(test, draw_masks(test, 0.0, 1)))
    assert (mean == train.labels.mean()).all()


def test_masked_text_is_the_encoding_of_the_masked_ids_whether_reused_or_not():
    split, encoder = toy_corpus()["test"], load_encoder("tiny")
    complete = encode(encoder, split.token_ids, split.token_lengths)
    rates = {"text": np.where(np.arange(len(split)) % 2, 0.6, 0.0), "audio": 0.0, "vision": 0.0}
    keep = draw_masks(split, rates, 1)
    fresh, reused = mask_split(split, keep, encoder), mask_split(split, keep, encoder, complete)
    np.testing.assert_allclose(reused.masked_text.values, fresh.masked_text.values, atol=1e-5)
    assert not np.allclose(reused.masked_text.values, complete.values)


def test_the_table_and_the_figure_show_seed_means():
    records = [{"rate": r, "seed": s, "mae": r + s, "corr": 0.5} for r in (0.0, 1.0) for s in (1, 3)]
    result = {"model": "mgmr", "records": records, "references": {"mean": {"records": records}}}
    assert table(result)["mae"].tolist() == [2.0, 3.0]
    axes = missing_rate_figure(tidy([result])).axes
    lines = {line.get_label(): line.get_ydata().tolist() for line in axes[0].lines}
    assert lines == {"mgmr": [2.0, 3.0], "mean": [2.0, 3.0]} and axes[0].get_ylabel() == "mean absolute error"


def test_two_networks_and_the_references_of_one_stand_side_by_side():
    def measured(offset):
        records = [
            {"rate": r, "seed": s, "mae": offset + r + s, "corr": 1 - r} for r in (0.0, 0.5, 1.0) for s in (1, 3)
        ]
        return {"records": records, "aggregates": aggregate(records)}

    results = [
        {"model": "mgmr", **measured(0), "references": {"mean": measured(5)}},
        {"model": "mfmb", **measured(1), "references": {}},
    ]
    found = side_by_side(results)
    assert list(found) == ["mgmr mae", "mgmr corr", "mean mae", "mean corr", "mfmb mae", "mfmb corr"]
    assert found["mfmb mae"].to_dict() == {"0": 3.0, "0.5": 3.5, "1": 4.0, "AUILC": pytest.approx(3.5)}
    assert found["mean mae"].tolist() == pytest.approx([7.0, 7.5, 8.0, 7.5]) and found["mgmr corr"][
        "AUILC"
    ] == pytest.approx(0.5)


def test_the_ridge_on_voice_and_face_reads_kept_frames_and_takes_the_missing_for_average():
    corpus = toy_corpus(sizes=(80, 4, 30))
    train, test = (gappy(corpus[s], seed=k, share=0.3, textless=True) for k, s in enumerate(("train", "test")))
    masked = MaskedSplit(test, draw_masks(test, 0.5, 1))
    means = seen_means(masked)
    for i in range(len(test)):
        for frames, m, columns in ((test.audio, "audio", slice(0, 5)), (test.vision, "vision", slice(5, 12))):
            kept = frames[i][masked.keep[m][i, : frames.lengths[i]]]
            want = kept.mean(0, dtype=np.float64) if len(kept) else np.full(frames.dim, np.nan)
            np.testing.assert_allclose(means[i, columns], want, atol=1e-6)
    ridge, nothing = frames_ridge(train), MaskedSplit(test, draw_masks(test, 1.0, 1))
    np.testing.assert_allclose(ridge(nothing), train.labels.mean(), atol=1e-6)
    complete = ridge(MaskedSplit(test, draw_masks(test, 0.0, 1)))
    assert wordless(train).keys() == {"frames_ridge", "lengths_ridge", "frames_lengths_ridge"}
    heard = test.recorded("audio")
    assert np.corrcoef(complete[heard], test.labels[heard])[0, 1] > 0.9


def test_a_ridge_on_lengths_alone_reads_them_when_everything_is_gone():
    corpus = toy_corpus(sizes=(80, 4, 30))
    train, test = (gappy(corpus[s], seed=k, share=0.3, textless=True) for k, s in enumerate(("train", "test")))
    train, test = (replace(s, labels=0.1 * s.audio.lengths + (s.vision.lengths > 0)) for s in (train, test))
    for rate in (0.0, 0.5, 1.0):
        masked = MaskedSplit(test, draw_masks(test, rate, 1))
        assert steps(masked)[:, 0].tolist() == test.audio.lengths.tolist()
        found = {name: np.abs(ridge(masked) - test.labels).mean() for name, ridge in wordless(train).items()}
        assert found["lengths_ridge"] < 0.05 and found["frames_ridge"] > 0.1
        assert found["frames_lengths_ridge"] < 0.5 * found["frames_ridge"]


def test_what_was_gone_is_told_of_the_pattern_that_was_evaluated():
    split = gappy(toy_corpus(sizes=(4, 4, 30))["test"], share=0.3)
    run = SimpleNamespace(splits={"test": split})
    told = {p: never_recorded(run, "test", [0.4], p) for p in PATTERNS}
    for pattern, found in told.items():
        assert found["clips"] == {m: int((~split.recorded(m)).sum()) for m in MODALITIES} and found["of"] == 30
        masks = draw_masks(split, 0.4, 1, pattern=pattern)
        assert found["gone"] == {"0.4": round(float(np.mean(list(share_gone(split, masks).values()))), 4)}
    assert told["frames"]["gone"] != told["modality"]["gone"]
