"""What a state can tell of the past: the exact formula against a regression on sampled inputs."""

import torch

from mgmr_lib.chapters.ch02_three_views import memory
from mgmr_lib.ssm import linear


def test_traces_are_the_impulse_response_of_the_state():
    Ab, Bb = memory.random_system(5, 0.9, seed=1)
    click = torch.zeros(12, dtype=torch.float64)
    click[0] = 1
    M = memory.traces(Ab, Bb, 12)
    for row, C in zip(M, torch.eye(5, dtype=torch.float64), strict=True):
        assert torch.allclose(row, linear.recurrence(Ab, Bb, C, click))
    assert torch.linalg.eigvals(Ab).abs().max().sub(0.9).abs() < 1e-12


def test_a_complex_state_counts_as_its_real_numbers():
    Ab, Bb = linear.discretise(linear.s4d_lin(3), torch.ones(3, dtype=torch.float64), 0.1)
    M = memory.traces(Ab, Bb, 9)
    assert M.shape == (5, 9)  # three real parts, two imaginary ones: the first entry of S4D-Lin does not swing
    assert torch.allclose(M[1:3].T + 1j * M[3:].T, torch.stack([Ab[1:] ** k * Bb[1:] for k in range(9)]))


def test_recall_is_what_a_regression_on_samples_finds():
    length, noise = 30, 0.1
    S = memory.smooth_covariance(length, 3.0) + 1e-6 * torch.eye(length, dtype=torch.float64)
    M = memory.traces(*memory.random_system(4, 0.95, seed=2), length)
    g = torch.Generator().manual_seed(0)
    past = torch.randn(40_000, length, dtype=torch.float64, generator=g) @ torch.linalg.cholesky(S).T
    state = past @ M.T
    state = state + noise * state.std(0) * torch.randn(state.shape, dtype=torch.float64, generator=g)
    left = past - state @ torch.linalg.lstsq(state, past).solution
    sampled = 1 - left.var(0) / past.var(0)
    assert torch.allclose(memory.recall(M, S, noise), sampled, atol=0.02)


def test_a_buffer_tells_exactly_its_length_of_noise():
    white = torch.eye(40, dtype=torch.float64)
    told = memory.recall(memory.traces(*memory.buffer_system(7), 40), white, noise=0.0)
    assert torch.allclose(told, (torch.arange(40) < 7).double())


def test_smooth_inputs_have_variance_one_and_fade_with_distance():
    S = memory.smooth_covariance(50, 10.0)
    assert torch.allclose(S.diagonal(), torch.ones(50, dtype=torch.float64)) and torch.equal(S, S.T)
    assert S[0, 10].sub(0.6065).abs() < 1e-3 and S[0, 40] < 0.001
