"""The metrics against a second implementation in pure Python, written from the definitions alone."""

import json
import math
import warnings

import numpy as np
import pytest

from mgmr_lib.evaluation.metrics import KEYS, aggregate, auilc, evaluate, mean_over_rates, notes
from mgmr_lib.evaluation.statistics import bootstrap_interval, paired_difference, t_interval

# ---- the definitions, one clip at a time
# -------------------------------------------------------------------------------


def clip(x, top):
    return max(-top, min(top, x))


def accuracy(predicted, true):
    return sum(a == b for a, b in zip(predicted, true, strict=True)) / len(true)


def weighted_f1(predicted, true):
    """Each true class's F1, weighted by how many clips truly have it."""
    pairs, total = list(zip(predicted, true, strict=True)), 0.0
    for c in set(true):
        hit = sum(p == c and t == c for p, t in pairs)
        wrong = sum((p == c) != (t == c) for p, t in pairs)
        total += (2 * hit / (2 * hit + wrong)) * sum(t == c for t in true)
    return total / len(true)


def pearson(p, y):
    if len(set(p)) == 1 or len(set(y)) == 1:
        return 0.0
    mp, my = math.fsum(p) / len(p), math.fsum(y) / len(y)
    cov = math.fsum((a - mp) * (b - my) for a, b in zip(p, y, strict=True))
    return cov / math.sqrt(math.fsum((a - mp) ** 2 for a in p) * math.fsum((b - my) ** 2 for b in y))


def mae(p, y):
    return math.fsum(abs(a - b) for a, b in zip(p, y, strict=True)) / len(y)


def bin_of(x, edges):
    return next(i for i, (lo, hi) in enumerate(zip(edges, edges[1:], strict=False)) if lo < x <= hi)


def by_hand(p, y, dataset, swapped=False):
    p, y = [float(v) for v in p], [float(v) for v in y]

    def f1(a, b):
        return weighted_f1(b, a) if swapped else weighted_f1(a, b)

    if dataset == "sims":
        p, y = [clip(v, 1.0) for v in p], [clip(v, 1.0) for v in y]
        two, three = (-1.01, 0.0, 1.01), (-1.01, -0.1, 0.1, 1.01)
        five = (-1.01, -0.7, -0.1, 0.1, 0.7, 1.01)
        out = {f"acc{len(e) - 1}": accuracy(*([bin_of(v, e) for v in x] for x in (p, y))) for e in (two, three, five)}
        out["f1"] = f1(*([bin_of(v, two) for v in x] for x in (p, y)))
    else:
        out = {f"acc{2 * top + 1}": accuracy(*([round(clip(v, top)) for v in x] for x in (p, y))) for top in (1, 2, 3)}
        non_negative = [v >= 0 for v in p], [v >= 0 for v in y]
        out["acc2_has0"], out["f1_has0"] = accuracy(*non_negative), f1(*non_negative)
        kept = [(a > 0, b > 0) for a, b in zip(p, y, strict=True) if b != 0]
        if kept:
            predicted, true = zip(*kept, strict=True)
            out["acc2_non0"], out["f1_non0"] = accuracy(predicted, true), f1(predicted, true)
        else:
            out["acc2_non0"] = out["f1_non0"] = math.nan
    return out | {"mae": mae(p, y), "corr": pearson(p, y)}


def assert_same(got, expected, tolerance=1e-9):
    assert set(got) == set(expected)
    for key, value in expected.items():
        assert type(got[key]) is float
        assert math.isnan(got[key]) if math.isnan(value) else abs(got[key] - value) <= tolerance, (key, got[key], value)


EDGES = [
    0.0,
    -0.0,
    0.1,
    -0.1,
    0.7,
    -0.7,
    1.0,
    -1.0,
    1.01,
    -1.01,
    0.5,
    -0.5,
    1.5,
    -1.5,
    2.5,
    -2.5,
    3.0,
    -3.0,
    3.5,
    -3.5,
    9.0,
]
EDGES += [np.nextafter(v, s) for v in EDGES for s in (-10, 10)]


def cases(count, seed):
    rng = np.random.default_rng(seed)
    for k in range(count):
        n = int(rng.integers(1, 40))
        kinds = [
            lambda n=n: rng.normal(scale=rng.choice([0.05, 0.7, 2.5]), size=n),
            lambda n=n: rng.choice(EDGES, n),
            lambda n=n: np.full(n, rng.choice(EDGES)),
            lambda n=n: rng.integers(-7, 8, n) / 2,
            lambda n=n: rng.integers(-5, 6, n) / 5,
            lambda n=n: np.abs(rng.normal(size=n)),
            lambda n=n: rng.choice([0.0, -0.0], n),
        ]
        yield kinds[k % 7](), kinds[k // 7 % 7]()


@pytest.mark.parametrize("dataset", ["mosi", "mosei", "sims"])
def test_agrees_with_the_definitions(dataset):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for p, y in cases(700, seed=len(dataset)):
            assert_same(evaluate(p, y, dataset), by_hand(p, y, dataset))


@pytest.mark.parametrize("dataset", ["mosi", "sims"])
def test_swapped_f1_is_the_other_order(dataset):
    for p, y in cases(150, seed=9):
        assert_same(evaluate(p, y, dataset, f1_order="swapped"), by_hand(p, y, dataset, swapped=True))
    with pytest.raises(ValueError, match="f1_order"):
        evaluate([1.0], [1.0], dataset, f1_order="both")


def test_keys():
    assert (
        set(evaluate([1, 2], [1, 2], "mosi"))
        == set(KEYS["mosi"])
        == {"acc2_has0", "f1_has0", "acc2_non0", "f1_non0", "acc3", "acc5", "acc7", "mae", "corr"}
    )
    assert set(evaluate([1, 2], [1, 2], "SIMS")) == set(KEYS["sims"]) == {"acc2", "f1", "acc3", "acc5", "mae", "corr"}


def test_the_constant_positive_predictor_of_mosi():
    """MOSI's test split has 277 labels above 0, 30 at 0 and 379 below: the two orders of F1 are 34 points apart."""
    truth = np.concatenate([np.full(277, 1.0), np.full(30, 0.0), np.full(379, -1.0)])
    true, swapped = (evaluate(np.full(686, 0.5), truth, "mosi", f1_order=o) for o in ("true", "swapped"))
    assert round(100 * true["acc2_has0"], 2) == 44.75 and round(100 * true["acc2_non0"], 2) == 42.23
    assert (round(100 * true["f1_has0"], 1), round(100 * true["f1_non0"], 1)) == (27.7, 25.1)
    assert (round(100 * swapped["f1_has0"], 1), round(100 * swapped["f1_non0"], 1)) == (61.8, 59.4)
    assert true["corr"] == 0.0


def test_half_to_even_zero_signs_and_clipping():
    got = evaluate([0.5, 1.5, 2.5, -2.5, 9.0], [0.0, 2.0, 2.0, -2.0, 3.0], "mosi")
    assert got["acc7"] == 1.0 and got["mae"] == pytest.approx((0.5 + 0.5 + 0.5 + 0.5 + 6.0) / 5)
    signed = evaluate([-0.0, 0.0], [0.0, -0.0], "mosi")
    assert signed["acc2_has0"] == 1.0 and math.isnan(signed["acc2_non0"]) and signed["acc3"] == 1.0
    sims = evaluate([5.0, -5.0, 0.0], [1.0, -1.0, -0.1], "sims")
    assert sims["mae"] == pytest.approx(0.1 / 3) and sims["acc2"] == 1.0 and sims["acc3"] == pytest.approx(2 / 3)


def test_acc5_is_never_below_acc7():
    for p, y in cases(200, seed=4):
        got = evaluate(p, y, "mosi")
        assert got["acc7"] <= got["acc5"] + 1e-12


def test_sims_edges_hold_in_single_precision_too():
    """float32(0.1) is above 0.1 in double precision, but it is the edge in the precision that the numbers came in."""
    p, y = np.float32([0.1, 0.7, -0.1, -0.7]), np.float32([0.05, 0.2, -0.2, -0.9])
    got = evaluate(p, y, "sims")
    assert got["acc3"] == 1.0 and got["acc5"] == 1.0


def test_single_precision_input_is_averaged_in_double():
    rng = np.random.default_rng(0)
    p, y = rng.normal(size=5000).astype(np.float32), rng.normal(size=5000).astype(np.float32)
    assert_same(evaluate(p, y, "mosei"), by_hand(p, y, "mosei"))


def test_extreme_magnitudes_keep_corr():
    p, y = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 3.5])
    expected = evaluate(p, y, "mosi")["corr"]
    for scale in (1e-200, 1e200):
        assert evaluate(p * scale, y, "mosi")["corr"] == pytest.approx(expected, abs=1e-12)


def test_accepts_columns_lists_and_tensors():
    torch = pytest.importorskip("torch")
    expected = evaluate([0.1, -0.4], [1.0, -1.0], "mosi")
    assert evaluate(np.array([[0.1], [-0.4]]), (1, -1), "mosi") == expected
    tensor = torch.tensor([0.1, -0.4], dtype=torch.float64, requires_grad=True)
    assert evaluate(tensor, torch.tensor([1.0, -1.0]), "mosi") == expected


@pytest.mark.parametrize(
    "p, y",
    [
        ([np.nan, 1.0], [1.0, 1.0]),
        ([1.0, 1.0], [np.nan, 1.0]),
        ([np.inf], [1.0]),
        ([1.0], [-np.inf]),
        ([1.0, 2.0], [1.0]),
        ([1.0], [1.0, 2.0]),
        ([], []),
        (np.zeros((0, 1)), []),
        (np.zeros((2, 2)), np.zeros(4)),
        (np.zeros((2, 2)), np.zeros((2, 2))),
        (1.0, 1.0),
        (["a"], [1.0]),
        ([None], [1.0]),
        ([1j], [1.0]),
        ([[1.0], [2.0]], [1.0]),
    ],
)
@pytest.mark.parametrize("dataset", ["mosi", "sims"])
def test_refuses_what_cannot_be_measured(p, y, dataset):
    with pytest.raises(ValueError):
        evaluate(p, y, dataset)
    with pytest.raises(ValueError):
        notes(p, y, dataset)


@pytest.mark.parametrize("dataset", ["imdb", "", None, "mosi "])
def test_unknown_dataset(dataset):
    with pytest.raises(ValueError, match="mosi, mosei, sims"):
        evaluate([1.0], [1.0], dataset)


def test_notes():
    assert notes([0.1, 0.2], [1.0, -1.0], "mosi") == []
    (said,) = notes([0.1] * 7, [1, -1, 1, -1, 1, -1, 2], "mosi")
    assert "every prediction is 0.1" in said
    said = notes([0.1, 0.2], [0.0, -0.0], "mosei")
    assert len(said) == 2 and "every label" in said[0] and "nan" in said[1]
    assert "every prediction is 1" in notes([3.0, 2.0], [0.0, 1.0], "sims")[0]


# ---- over rates and seeds
# ----------------------------------------------------------------------------------------------


def test_auilc():
    assert auilc([0, 0.5, 1.0], [1.0, 0.5, 0.0]) == pytest.approx(0.5)
    assert auilc([0.0, 0.1, 1.0], [2.0, 1.0, 1.0]) == pytest.approx(0.15 + 0.9)
    assert auilc(np.linspace(0, 1, 11), np.full(11, 3.0)) == pytest.approx(3.0)
    assert math.isnan(auilc([0, 1], [np.nan, 1]))
    for rates, values in [
        ([0, 0], [1, 1]),
        ([0.5, 0.1], [1, 1]),
        ([0], [1]),
        ([], []),
        ([0, 1], [1]),
        ([0, np.nan], [1, 1]),
    ]:
        with pytest.raises(ValueError):
            auilc(rates, values)


def test_mean_over_rates_stops_at_its_last():
    rates = [i / 10 for i in range(11)]
    assert mean_over_rates(rates, list(range(11))) == pytest.approx(4.5)
    assert mean_over_rates([0.1 * i for i in range(11)], list(range(11))) == pytest.approx(4.5)
    assert math.isnan(mean_over_rates([1.0], [2.0]))
    with pytest.raises(ValueError):
        mean_over_rates([0.0, 0.1], [1.0])


def test_aggregate():
    rng = np.random.default_rng(3)
    rates, seeds = [i / 10 for i in range(11)], [1, 2, 3]
    mae_of = {(r, s): float(rng.normal()) for r in rates for s in seeds}
    records = [{"rate": r, "seed": s, "mae": mae_of[r, s], "f1_non0": None} for r in reversed(rates) for s in seeds]
    out = aggregate(records)
    means = [sum(mae_of[r, s] for s in seeds) / 3 for r in rates]
    assert out["rates"] == rates and out["seeds"] == seeds and out["metrics"] == ["mae", "f1_non0"]
    assert [row["mean"]["mae"] for row in out["per_rate"]] == pytest.approx(means)
    sd = math.sqrt(sum((mae_of[0.3, s] - means[3]) ** 2 for s in seeds) / 2)
    assert out["per_rate"][3]["sd"]["mae"] == pytest.approx(sd) and out["per_rate"][3]["seeds"] == 3
    area = sum((a + b) / 2 * 0.1 for a, b in zip(means, means[1:], strict=False))
    assert out["auilc"]["mae"] == pytest.approx(area)
    assert out["mean_rates_0_to_0.9"]["mae"] == pytest.approx(sum(means[:10]) / 10)
    assert math.isnan(out["auilc"]["f1_non0"]) and math.isnan(out["per_rate"][0]["mean"]["f1_non0"])
    json.dumps(out)
    one = aggregate(records[:1])
    assert math.isnan(one["auilc"]["mae"]) and math.isnan(one["per_rate"][0]["sd"]["mae"])


@pytest.mark.parametrize("count", [2, 3, 8, 9, 10, 11, 40])
def test_areas_and_means_of_all_metrics_are_those_of_each_to_the_last_digit(count):
    rng, rates = np.random.default_rng(count), np.sort(np.random.default_rng(count).uniform(size=count)).round(3)
    drawn = ({"rate": r, "seed": s, "mae": rng.normal(), "corr": rng.normal()} for r in rates for s in (1, 2, 3))
    found = aggregate(drawn)
    for metric in ("mae", "corr"):
        curve = [row["mean"][metric] for row in found["per_rate"]]
        assert found["auilc"][metric] == auilc(found["rates"], curve)
        low = mean_over_rates(found["rates"], curve)
        assert found["mean_rates_0_to_0.9"][metric] == low or (math.isnan(low) and found["rates"][0] > 0.9)


def test_aggregate_refuses():
    good = {"rate": 0.1, "seed": 1, "mae": 1.0}
    with pytest.raises(ValueError, match="no records"):
        aggregate([])
    with pytest.raises(ValueError, match="twice"):
        aggregate([good, {**good, "rate": 0.1 + 1e-12}])
    with pytest.raises(ValueError, match="different keys"):
        aggregate([good, {"rate": 0.2, "seed": 1, "corr": 1.0}])


def test_t_interval_of_a_textbook_example():
    out = t_interval([4.0, 5.0, 6.0])  # t(.975, 2) = 4.302653
    assert out["mean"] == 5 and out["sd"] == 1
    assert out["high"] - 5 == pytest.approx(4.302653 / math.sqrt(3), abs=1e-5) == 5 - out["low"]
    assert math.isnan(t_interval([1.0])["low"]) and t_interval([2.0, 2.0])["low"] == 2.0
    for bad in ([], [np.nan, 1.0], [[1.0]]):
        with pytest.raises(ValueError):
            t_interval(bad)
    with pytest.raises(ValueError, match="confidence"):
        t_interval([1.0, 2.0], confidence=95)


def test_bootstrap_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = sum(
        low["low"] <= 0 <= low["high"]
        for low in (bootstrap_interval(np.mean, rng.normal(size=60), n_resamples=200, seed=s) for s in range(120))
    )
    assert 100 <= hits <= 120
    again = [bootstrap_interval(np.mean, np.arange(9.0), seed=5) for _ in range(2)]
    assert again[0] == again[1] and again[0]["low"] < again[0]["value"] == 4.0 < again[0]["high"]
    with pytest.raises(ValueError, match="one length"):
        bootstrap_interval(lambda a, b: 0.0, [1.0], [1.0, 2.0])


def test_paired_difference():
    out = paired_difference([1.0, 2.0, 3.0, 4.0], [0.5, 1.6, 2.4, 3.7])
    assert out["mean"] == pytest.approx(0.45) and out["p"] == pytest.approx(0.00615, abs=1e-4)
    assert out["low"] < 0.45 < out["high"] and 0.3 <= out["bootstrap_low"] < out["bootstrap_high"] <= 0.6
    same = paired_difference([1.0, 2.0], [1.0, 2.0])
    assert same["mean"] == 0 and same["p"] == 1.0
    assert paired_difference([2.0, 3.0], [1.0, 2.0])["p"] == 0.0
    with pytest.raises(ValueError, match="pairs"):
        paired_difference([1.0], [1.0, 2.0])
