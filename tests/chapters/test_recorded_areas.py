"""Whether an order of networks holds on another corpus, from records whose order is known."""

import matplotlib.figure
import pytest

from mgmr_lib.chapters.shared.recorded_areas import common, rank_agreement, two_worlds
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


def test_only_networks_of_both_corpora_count_and_too_few_give_no_number():
    some = world(1, names=NAMES[:2]) + [record("mean", 0, 0.3, config=False)]
    assert common(world(1), some) == ["mgmr", "mfmb"]
    found = rank_agreement(world(1), some)
    assert all(value != value for value in found.values())


def test_each_common_network_is_drawn_once_and_nothing_recorded_draws_nothing():
    fig = matplotlib.figure.Figure()
    two_worlds(fig, world(1), world(-1))
    dots = [line for line in fig.axes[0].lines if line.get_marker() == "o"]
    assert len(dots) == len(NAMES) and {t.get_text() for t in fig.axes[0].texts} == {"mgmr", "mfmb", "concat"}
    empty = matplotlib.figure.Figure()
    two_worlds(empty, world(1), [])
    assert not empty.axes[0].lines and "not recorded" in empty.axes[0].get_ylabel()
