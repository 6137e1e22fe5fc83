"""Witten-Bell n-grams: probabilities that add up to one, and the formula by hand."""

import math

import pytest

from mgmr_lib.chapters.ch05_mamba_block.counting_rivals import witten_bell_bits


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_the_probabilities_of_the_next_character_add_up_to_one(order):
    train, start, v = [0, 1, 2, 0, 1, 1, 2, 0, 3], [2, 0, 1], 5
    begun = witten_bell_bits(train, start, order, v) * 2
    total = sum(2 ** -(3 * witten_bell_bits(train, [*start, c], order, v) - begun) for c in range(v))
    assert total == pytest.approx(1)


def test_a_pair_by_hand():
    train, v = [0, 1, 0, 1, 0, 2], 4
    single = (2 + 3 / v) / (6 + 3)  # 1 stands twice among six, of which three are different
    pair = (2 + 2 * single) / (3 + 2)  # after 0 come 1, 1 and 2
    assert witten_bell_bits(train, [0, 1], 2, v) == pytest.approx(-math.log2(pair))
    assert witten_bell_bits(train, [3, 1], 2, v) == pytest.approx(-math.log2(single))  # nothing is known after 3


def test_a_text_that_repeats_itself_is_cheaper_the_longer_the_context():
    train = [0, 0, 1, 1] * 20
    bits = [witten_bell_bits(train, train[:21], order, 2) for order in (1, 2, 3)]
    assert bits[0] > 0.9 and bits[1] > 0.9 and bits[2] < 0.2
    with pytest.raises(ValueError, match="at least 1"):
        witten_bell_bits(train, train, 0, 2)
