"""Whether an order of networks holds on another corpus, from records whose order is known."""

import matplotlib.figure
import numpy as np
import pytest
from scipy.stats import spearmanr

from mgmr_lib.chapters.shared.recorded_areas import bootstrap_said, common, rank_agreement, two_worlds
from mgmr_lib.experiments.ledger import read_ledger, read_named, summary
from mgmr_lib.experiments.plan import BASELINES, POM, SYSTEMS, TWO
from tests.experiments.test_tables import record

NAMES = ("mgmr", "mfmb", "concat", "tfn", "lmf")


def world(sign: int, wobble: float = 0.0, names=NAMES) -> list[dict]:
    """Three trainings of each network: the later in the list, the larger the error (or the smaller)."""
    return [
        record(name, seed, sign * 0.1 * i + wobble * ((i * (seed % 7)) % 3))
        for i, name in enumerate(names)
        for seed in (1111, 1112, 1113)
    ]


def test_the_same_order_a_reversed_one_and_a_noisy_one():
    same, reversed_, noisy = (rank_agreement(world(1), world(s, w)) for s, w in ((1, 0), (-1, 0), (1, 0.2)))
    assert same["between"] == pytest.approx(1) and reversed_["between"] == pytest.approx(-1)
    assert same["first"] == same["second"] == pytest.approx(1)
    assert noisy["second"] < 0.95 and noisy["first"] == pytest.approx(1)
    assert same["low"] == pytest.approx(1) and noisy["low"] <= noisy["between"] <= noisy["high"]


def test_no_agreement_is_excluded_where_the_interval_leaves_out_0():
    assert bootstrap_said({"low": -0.3, "high": 0.5}).endswith("-0.30 to +0.50: no agreement at all is not excluded.")
    for low, high in ((0.1, 0.9), (-0.9, -0.1)):
        assert bootstrap_said({"low": low, "high": high}).endswith("no agreement at all is excluded.")


@pytest.mark.parametrize("seed", [1, 2])
def test_the_two_worlds_orders_agree_weakly_or_not_at_all(seed):
    """What 21.f says holds whichever half of the networks is left out, in most draws, and by no draw the reverse."""
    records, real = read_ledger(), read_named(*POM)
    fusing = [n for n in (*TWO, *BASELINES, *SYSTEMS) if not n.startswith("fc_")]
    names = common([r for r in records if r["name"] in fusing], real)
    x, y = (summary(rows, names)["auilc mae"].to_numpy() for rows in (records, real))
    rng = np.random.default_rng(seed)
    chosen = [rng.choice(len(names), 2 * len(names) // 3, replace=False) for _ in range(200)]
    found = np.array([spearmanr(x[i], y[i]).statistic for i in chosen])
    assert np.mean((found > -0.3) & (found < 0.4)) > 0.8 and found.min() > -0.6


def test_only_networks_of_both_corpora_count_and_too_few_give_no_number():
    some = world(1, names=NAMES[:2]) + [record("mean", 0, 0.3, config=False)]
    assert common(world(1), some) == ["mgmr", "mfmb"]
    found = rank_agreement(world(1), some)
    assert all(value != value for value in found.values())


def test_each_common_network_is_drawn_once_and_nothing_recorded_draws_nothing():
    fig = matplotlib.figure.Figure()
    two_worlds(fig, world(1), world(-1))
    dots = [line for line in fig.axes[0].lines if line.get_marker() == "o"]
    assert len(dots) == len(NAMES) and {"mgmr", "mfmb", "concat"} <= {t.get_text() for t in fig.axes[0].texts}
    labelled, drawn = [t.xy for t in fig.axes[0].texts], [(d.get_xdata()[0], d.get_ydata()[0]) for d in dots]
    for axis in (0, 1):  # who is best and worst on either corpus has a name
        for end in (min, max):
            assert end(drawn, key=lambda at: at[axis]) in labelled
    assert len(labelled) < len(NAMES)
    empty = matplotlib.figure.Figure()
    two_worlds(empty, world(1), [])
    assert not empty.axes[0].lines and "not recorded" in empty.axes[0].get_ylabel()
