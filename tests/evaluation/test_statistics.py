"""Welch's interval against scipy's two samples and a known value, Holm's procedure by its definition; families."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from mgmr_lib.evaluation.statistics import bootstrap_interval, holm, paired_difference, welch
from mgmr_lib.experiments.verdicts import BETTER, NOT_TOLD_APART, WORSE, family, verdict

A, B = [0.81, 0.79, 0.83, 0.80, 0.82], [0.86, 0.84, 0.90]


def test_welch_is_the_formula():
    found = welch(A, B)
    va, vb = np.var(A, ddof=1) / len(A), np.var(B, ddof=1) / len(B)
    df = (va + vb) ** 2 / (va**2 / (len(A) - 1) + vb**2 / (len(B) - 1))
    half = stats.t.ppf(0.975, df) * math.sqrt(va + vb)
    mean = np.mean(A) - np.mean(B)
    assert found["mean"] == pytest.approx(mean) and found["low"] == pytest.approx(mean - half)
    assert found["high"] == pytest.approx(mean + half)
    assert found["p"] == pytest.approx(2 * stats.t.sf(abs(mean) / math.sqrt(va + vb), df))


def test_against_one_known_value_it_is_the_one_sample_t():
    found, half = welch(A, [0.85]), stats.t.ppf(0.975, 4) * np.std(A, ddof=1) / math.sqrt(5)
    assert found["mean"] == pytest.approx(-0.04) and found["high"] - found["mean"] == pytest.approx(half)
    assert found["p"] == pytest.approx(stats.ttest_1samp(A, 0.85).pvalue)


@pytest.mark.parametrize("a, b", [([0.8], B), ([0.8, 0.8], [0.9, 0.9])])
def test_where_nothing_can_be_said_it_says_nothing(a, b):
    found = welch(a, b)
    assert found["mean"] == pytest.approx(np.mean(a) - np.mean(b)) and math.isnan(found["p"] + found["low"])


@pytest.mark.parametrize(
    "p, told",
    [
        ([0.01, 0.04, 0.03], [True, False, False]),
        ([0.04, 0.001, 0.02], [True, True, True]),  # Bonferroni would find one
        ([0.2, 0.017, 0.018], [False, False, False]),  # each alone would be found
        ([0.05], [True]),
        ([math.nan, 0.024], [False, True]),
        ([math.nan, 0.026], [False, False]),
        ([], []),
    ],
)
def test_holm(p, told):
    assert holm(p) == told


def test_holm_does_not_depend_on_the_order():
    p = [0.001, 0.02, 0.021, 0.4]
    for order in itertools.permutations(range(4)):
        assert holm([p[i] for i in order]) == [holm(p)[i] for i in order]


def runs(name, values):
    rates = [round(0.1 * r, 1) for r in range(11)]
    return [
        {"name": name, "label": name.upper(), "training_seed": seed, "config": {}, "protocol": "B",
         "records": [{"rate": r, "seed": 1, "mae": v, "corr": 1 - v} for r in rates]}
        for seed, v in enumerate(values)
    ]  # fmt: skip


def test_a_family_is_judged_together_and_corr_counts_upwards():
    records = runs("mgmr", A) + runs("tfn", B) + runs("lmf", [0.70, 0.69, 0.71]) + runs("mult", [0.80, 0.82, 0.83])
    pairs = [("mgmr", "tfn"), ("mgmr", "lmf"), ("mgmr", "mult"), ("mgmr", "absent")]
    found = family(records, pairs)
    assert list(found.index) == pairs[:3] and found["seeds"].tolist() == [(5, 3)] * 3
    assert found["p"].tolist() == pytest.approx([welch(A, B)["p"], welch(A, [0.70, 0.69, 0.71])["p"],
                                                 welch(A, [0.80, 0.82, 0.83])["p"]])  # fmt: skip
    told = holm(found["p"].tolist())
    assert found["word"].tolist() == [BETTER if told[0] else NOT_TOLD_APART, WORSE, NOT_TOLD_APART]
    assert family(records, pairs, "corr")["word"].tolist() == found["word"].tolist()


@pytest.mark.parametrize(
    "low, high, by_error, by_corr",
    [
        (0.1, 0.2, WORSE, BETTER),
        (-0.2, -0.1, BETTER, WORSE),
        (-0.1, 0.1, NOT_TOLD_APART, NOT_TOLD_APART),
        (math.nan, math.nan, NOT_TOLD_APART, NOT_TOLD_APART),
    ],
)
def test_an_error_that_is_lower_is_better_and_a_correlation_that_is_higher(low, high, by_error, by_corr):
    assert verdict({"low": low, "high": high}) == by_error
    assert verdict({"low": low, "high": high}, "corr") == by_corr


def test_one_pair_has_a_difference_and_no_test():
    found = paired_difference([0.8], [0.9])
    assert found["mean"] == pytest.approx(-0.1) and math.isnan(found["p"]) and math.isnan(found["low"])


@pytest.mark.parametrize("pairs", [2, 5, 9, 130, 686])
@pytest.mark.parametrize("resamples", [1, 999, 1000, 2500])
def test_the_bootstrap_of_pairs_is_the_general_one_of_their_mean(pairs, resamples):
    first, second = np.random.default_rng(pairs).normal(size=(2, pairs))
    found = paired_difference(first, second, n_resamples=resamples, seed=3)
    slow = bootstrap_interval(np.mean, first - second, n_resamples=resamples, seed=3)
    assert (found["bootstrap_low"], found["bootstrap_high"]) == (slow["low"], slow["high"])
