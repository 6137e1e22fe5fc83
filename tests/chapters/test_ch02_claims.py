"""What notebook 02 claims, on systems that it does not show."""

import math
import random

import pytest
import torch

from mgmr_lib.chapters.ch02_three_views import memory
from mgmr_lib.ssm import linear

SEED = random.SystemRandom().randrange(10**6)


@pytest.mark.parametrize("dense", [False, True], ids=["diagonal", "dense"])
def test_all_views_give_the_same_output(dense):
    for seed in range(SEED, SEED + 10):
        g = torch.Generator().manual_seed(seed)
        n, length = 1 + seed % 7, 1 + int(300 * torch.rand((), generator=g))
        A = -3 * torch.rand(n, dtype=torch.float64, generator=g)
        if dense:
            A = torch.diag(A) + torch.tril(torch.randn(n, n, dtype=torch.float64, generator=g), -1)
        B, C = torch.randn(2, n, dtype=torch.float64, generator=g)
        Ab, Bb = linear.discretise(A, B, 0.01 + 0.2 * torch.rand((), generator=g).item())
        u = torch.randn(length, dtype=torch.float64, generator=g)
        judge = torch.tensor(
            linear.recurrence_lists(Ab.tolist(), Bb.tolist(), C.tolist(), u.tolist()), dtype=torch.float64
        )
        K = linear.kernel(Ab, Bb, C, length)
        for y in (linear.recurrence(Ab, Bb, C, u), linear.convolve_directly(u, K), linear.convolve(u, K)):
            assert (y - judge).abs().max() < 1e-10 * (1 + judge.abs().max()), f"seed {seed}"


def test_an_alias_gives_the_same_recurrence_and_half_a_turn_is_the_limit():
    rate = 10 + SEED % 40
    for turns in (1, 3, -4):
        A = torch.tensor(
            [complex(-1, 2 * math.pi * f) for f in (turns, turns + rate, turns + 0.5 * rate)], dtype=torch.complex128
        )
        Ab, _ = linear.discretise(A, torch.ones(3, dtype=torch.float64), 1 / rate)
        assert (Ab[0] - Ab[1]).abs() < 1e-11
        assert (Ab[0] + Ab[2]).abs() < 1e-11


def test_euler_leaves_stability_where_the_step_is_twice_the_memory_and_the_others_never_do():
    one = torch.ones(1, dtype=torch.float64)
    for rate in (0.3, 1.0, 7.0):
        for share, stable in ((1.9, True), (2.1, False)):
            factors = {m: linear.discretise(-rate * one, one, share / rate, m)[0].abs().item() for m in linear.METHODS}
            assert (factors.pop("euler") < 1) == stable
            assert all(f < 1 for f in factors.values())


@pytest.mark.parametrize("width", [8, 10, 15])
def test_structured_starts_remember_a_smooth_past_better_than_any_random_one(width):
    n, length = 16, 400
    smooth = memory.smooth_covariance(length, width)
    rivals = [
        memory.recall(memory.traces(*memory.random_system(n, r, SEED + s), length), smooth).sum()
        for r in (0.9, 0.95, 0.99, 0.999)
        for s in range(5)
    ]
    hippo = memory.recall(memory.traces(*linear.discretise(*linear.hippo_legs(n), 0.01, "bilinear"), length), smooth)
    real = memory.recall(
        memory.traces(*linear.discretise(linear.s4d_real(n), torch.ones(n).double(), 0.01), length), smooth
    )
    assert hippo.sum() > 2 * max(rivals), f"seed {SEED}"
    assert real.sum() > max(rivals), f"seed {SEED}"


def test_no_start_tells_more_than_n_steps_of_noise():
    n, length = 12, 300
    white = torch.eye(length, dtype=torch.float64)
    systems = [
        memory.random_system(n, 0.99, SEED),
        linear.discretise(*linear.hippo_legs(n), 0.02, "bilinear"),
        memory.buffer_system(n),
    ]
    for system in systems:
        assert memory.recall(memory.traces(*system, length), white).sum() <= n + 1e-6
