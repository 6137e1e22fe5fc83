"""What notebook 25 says, on other seeds, lengths and sizes than the notebook shows."""

import pytest
import torch
from matplotlib import pyplot as plt

from mgmr_lib.chapters.ch25_a_scan_is_a_matrix import figures as draw
from mgmr_lib.chapters.shared.counting import written_in_backward
from mgmr_lib.ssm import ssd_scan
from tests.chapters.notebook_code import definitions

NB = definitions("25_a_scan_is_a_matrix.py")
segment_sums, chunked_scan, chunk_factors = NB["segment_sums"], NB["chunked_scan"], NB["chunk_factors"]


@pytest.mark.parametrize("seed", [5, 6])
@pytest.mark.parametrize("sizes", [dict(length=1, n=1, p=1), dict(length=37, n=3, p=2), dict(length=80, n=7, p=1)])
def test_matrix_masked_attention_and_chunks_are_the_recurrence(sizes, seed):
    log_a, B, C, X = NB["one_head"](**sizes, seed=seed)
    want = NB["recurrence"](log_a.exp(), B, C, X)
    M = NB["scan_matrix"](log_a.exp(), B, C)
    torch.testing.assert_close(M @ X, want, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(segment_sums(log_a).exp() * (C @ B.T), M, rtol=1e-12, atol=1e-12)
    for T in (1, 5, 16, 100):
        torch.testing.assert_close(chunked_scan(log_a, B, C, X, T), want, rtol=1e-12, atol=1e-12)
    A = -torch.ones(1, dtype=torch.float64)
    x = X[None, :, None] / -log_a[None, :, None, None]
    library = ssd_scan(x, -log_a[None, :, None], A, B[None, :, None], C[None, :, None])
    torch.testing.assert_close(library[0, :, 0], want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("n", [1, 2, 6])
def test_blocks_below_the_diagonal_have_the_rank_of_the_state(n):
    log_a, B, C, _ = NB["one_head"](length=60, n=n, seed=n)
    M = NB["scan_matrix"](log_a.exp(), B, C)
    for cut in (20, 30, 41):
        assert NB["rank"](M[cut:, :cut]) == n
    writer, reader = chunk_factors(log_a[:30], B[:30], C[:30])[1], chunk_factors(log_a[30:], B[30:], C[30:])[0]
    torch.testing.assert_close(reader @ writer, M[30:, :30], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("strong", [-100.0, -1e4, -1e30])
def test_segment_sums_keep_digits_and_gradients_where_the_quick_mask_does_not(strong):
    log_a = torch.full((30,), -0.002)
    log_a[7] = strong
    exact = log_a[8:].double().cumsum(0)
    torch.testing.assert_close(segment_sums(log_a)[8:, 7].double(), exact, rtol=1e-5, atol=0)
    running = log_a.cumsum(0)
    assert ((running[8:] - running[7] - exact) / exact).abs().max() > 1e-4
    for mask, finite in ((NB["quick_mask"], False), (lambda v: segment_sums(v).exp(), True)):
        wanting = log_a.clone().requires_grad_()
        assert torch.autograd.grad(mask(wanting).sum(), wanting)[0].isfinite().all() == finite


def test_work_is_linear_in_the_length_and_least_in_the_shortest_chunks():
    count = NB["multiply_adds"]
    for n, p in ((16, 64), (128, 64), (3, 5)):
        assert [count(512, T, n, p) for T in (1, 8, 64, 512)] == sorted(count(512, T, n, p) for T in (1, 8, 64, 512))
        assert count(2048, 32, n, p) == 4 * count(512, 32, n, p)

    def written(length):
        log_a, B, C, X = (v.requires_grad_() for v in NB["one_head"](length))
        return written_in_backward(chunked_scan(log_a, B, C, X, 16))

    assert written(256) < 2.6 * written(128)


@pytest.mark.parametrize("n", [2, 3])
def test_only_one_decay_for_all_entries_has_a_mask_of_rank_one(n):
    log_a, B, C, _ = NB["one_head"](length=64, n=n, seed=9)
    NB.update(log_a=log_a, B=B, C=C)  # what needed_mask reads from the notebook
    same = torch.full((n,), -0.7, dtype=torch.float64)
    assert NB["rank"](NB["needed_mask"](same)[32:, :32]) == 1
    apart = -torch.linspace(0.3, 2, n, dtype=torch.float64)
    mask = NB["needed_mask"](apart)
    assert NB["rank"](mask[32:, :32]) > n and NB["rank"]((mask * (C @ B.T))[32:, :32]) == n
    A, one = apart.expand(64, n), torch.zeros(n, dtype=torch.float64)
    states = [one := torch.exp(-log_a[t] * A[t]) * one + B[t] * (t == 10) for t in range(64)]
    want = torch.stack([C[t] @ h for t, h in enumerate(states)])  # column 10, step by step
    torch.testing.assert_close((mask * (C @ B.T))[:, 10], want, rtol=1e-12, atol=1e-12)


def test_both_scans_compute_the_same():
    runs = [run() for run in NB["both"](70, 5, p=3, heads=4).values()]
    for other in runs[1:]:
        torch.testing.assert_close(runs[0], other, rtol=1e-4, atol=1e-5)


def test_figures_show_the_numbers():
    M = torch.tensor([[1.0, 9.0], [-2.0, 4.0]])
    fig, ax = plt.subplots()
    draw.blocks(ax, M, 1, torch.tensor([[1, 7], [3, 1]]))
    assert [t.get_text() for t in ax.texts] == ["1", "3", "1"]  # the block above the diagonal stays empty
    shown = ax.images[0].get_array()
    assert shown.mask[0, 1] and shown[1, 0] == -2
    plt.close(fig)
    fig = plt.figure()
    draw.factors(fig, torch.eye(2), M, torch.eye(2) * M)
    assert fig.axes[1].images[0].get_array()[0, 1] == 9  # scores know of no future
    plt.close(fig)
    fig = plt.figure()
    draw.counted_and_measured(fig, [1, 2], [3.0, 4.0], [0.5, 0.25])
    assert [list(ax.lines[0].get_ydata()) for ax in fig.axes] == [[3.0, 4.0], [500.0, 250.0]]
    plt.close(fig)
    fig, ax = plt.subplots()
    draw.spectra(ax, {"a": torch.tensor([4.0, 2.0, 0.0])})
    assert list(ax.lines[0].get_ydata()) == pytest.approx([1, 0.5, 1e-16])
    plt.close(fig)
