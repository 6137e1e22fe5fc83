"""The three plans give the running joins, of a join whose order matters, and cost what the notebook says."""

import math

import pytest

from mgmr_lib.chapters.ch06_gpu_kernels import warp_scans

PLANS = (warp_scans.in_order, warp_scans.doubling, warp_scans.tree)


@pytest.mark.parametrize("n", [1, 2, 4, 8, 32, 64])
@pytest.mark.parametrize("plan", PLANS, ids=lambda p: p.__name__)
def test_every_plan_gives_the_running_joins_in_order(plan, n):
    letters = [chr(ord("A") + t) for t in range(n)]
    assert warp_scans.carry_out(plan(n), letters, str.__add__) == ["".join(letters[: t + 1]) for t in range(n)]


@pytest.mark.parametrize("n", [16, 32, 64, 256])
def test_who_is_first_depends_on_the_hands(n):
    rounds, log = [len(plan(n)) for plan in PLANS], int(math.log2(n))
    assert rounds == [n - 1, log, 2 * log - 1]
    assert [warp_scans.joins(plan(n)) for plan in PLANS] == [n - 1, n * log - n + 1, 2 * n - 2 - log]
    turns = {hands: [warp_scans.turns(plan(n), hands) for plan in PLANS] for hands in (1, 4, n)}
    assert min(turns[1]) == turns[1][0] < turns[1][2] < turns[1][1]
    assert min(turns[4]) == turns[4][2] < min(turns[4][:2])
    assert min(turns[n]) == turns[n][1] < min(turns[n][0], turns[n][2])
