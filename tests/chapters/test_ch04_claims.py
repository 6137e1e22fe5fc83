"""What notebook 04 says, on other seeds, lengths and shapes than the notebook shows."""

import math
import random
from itertools import accumulate

import pytest
import torch

from mgmr_lib.chapters.ch04_parallel_scan.drawings import divided_in_chunks, levels
from mgmr_lib.chapters.shared.counting import kept_for_backward, written_in_backward
from mgmr_lib.ssm import selective_scan
from tests.chapters.notebook_code import definitions

NB = definitions("04_parallel_scan.py")
compose, doubling, tree = NB["compose"], NB["doubling"], NB["tree"]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("length", [1, 2, 3, 7, 16, 33])
def test_every_grouping_gives_the_loops_states(seed, length):
    rng = random.Random(seed)
    steps = [(rng.uniform(-1, 1), rng.uniform(-1, 1)) for _ in range(length)]
    want = [x for _, x in accumulate(steps, compose)]
    for scan in (doubling, tree):
        assert [x for _, x in scan(steps)] == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("length", [2, 5, 8, 100, 1024])
def test_work_and_depth(length):
    def cost(scan):
        joins = NB["trace"](scan, length)
        return len(joins), max(r for _, r in joins)

    rounds = math.ceil(math.log2(length))
    assert cost(doubling) == (sum(length - 2**k for k in range(rounds)), rounds)
    work, depth = cost(tree)
    assert work < 2 * length and depth <= 2 * rounds


@pytest.mark.parametrize("power", [1, 2, 4, 6])
def test_the_tree_goes_up_in_doubling_ranges_and_down_to_the_places_between(power):
    length = 2**power
    named = levels([join for join, _ in NB["trace"](tree, length)])
    assert [name for name, _ in named] == [f"up {i + 1}" for i in range(power)] + [
        f"down {i + 1}" for i in range(power - 1)
    ]
    ranges = {(t, t) for t in range(1, length + 1)}
    for name, made in named:
        assert all((first, m) in ranges and (m + 1, last) in ranges for first, m, last in made)
        way, level = name.split()
        assert way == "down" or {last - first + 1 for first, _, last in made} == {2 ** int(level)}
        ranges |= {(first, last) for first, _, last in made}
        if name == f"up {power}":  # only places whose number is a power of two know their state
            assert {last for first, last in ranges if first == 1} == {2**k for k in range(power + 1)}
    assert {last for first, last in ranges if first == 1} == set(range(1, length + 1))


@pytest.mark.parametrize(
    ("decay", "chunk", "right"),
    [(0.1, 100, True), (4.0, 4, True), (4.0, 16, True), (16.0, 4, True)]
    + [(4.0, 100, False), (16.0, 16, False), (128.0, 1, False)],
)
def test_short_chunks_save_the_division_until_one_step_is_too_much(decay, chunk, right):
    log_a, x = torch.full((100,), -decay), torch.randn(100, generator=torch.Generator().manual_seed(4))
    exact = NB["linear_loop"](log_a.double().exp(), x.double())
    assert torch.allclose(divided_in_chunks(log_a, x, chunk).double(), exact, atol=1e-3) == right


@pytest.mark.parametrize("T", [1, 3, 8, 64])
def test_the_chunked_and_the_doubling_scan_of_tensors_equal_the_loop(T):
    made = torch.Generator().manual_seed(T)
    a, x = (
        torch.rand(3, 2, 41, generator=made, dtype=torch.float64),
        torch.randn(3, 2, 41, generator=made, dtype=torch.float64),
    )
    want = NB["linear_loop"](a, x)
    assert torch.allclose(NB["chunked_torch"](a, x, T), want, atol=1e-12)
    assert torch.allclose(NB["doubling_torch"](a, x), want, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 2)])
def test_the_indexed_loop_alone_is_quadratic(shape):
    def per_element(loop, length):
        leaves = NB["leaves"](length, shape)
        return written_in_backward(loop(*leaves)) / leaves[0].numel()

    indexed = [per_element(NB["indexed_loop"], n) for n in (50, 100, 200)]
    unbound = [per_element(NB["unbound_loop"], n) for n in (50, 100, 200)]
    assert indexed[2] / indexed[1] == pytest.approx(2, rel=0.05) and indexed[1] / indexed[0] == pytest.approx(
        2, rel=0.05
    )
    assert max(unbound) < 6


@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.parametrize("sizes", [dict(b=1, e=1, length=1, n=1), dict(b=3, e=2, length=37, n=5)])
def test_the_gradients_by_hand_are_the_librarys(seed, sizes):
    arguments = NB["small_scan"](**sizes, seed=seed)
    dy = torch.randn(arguments[0].shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    wanting = [v.clone().requires_grad_() for v in arguments]
    theirs = torch.autograd.grad((selective_scan(*wanting, backend="chunked") * dy).sum(), wanting)
    for ours, their in zip(NB["gradients_by_hand"](*arguments, dy), theirs, strict=True):
        assert torch.allclose(ours, their, atol=1e-10)


def test_the_chunked_rung_keeps_far_less():
    def kept(backend):
        wanting = [v.float().requires_grad_() for v in NB["small_scan"](b=3, e=24, length=1500, n=16)]
        return kept_for_backward(lambda: selective_scan(*wanting, backend=backend)) / (3 * 24 * 16 * 1500)

    assert kept("loop") > 2 and kept("chunked") < 0.25


@pytest.mark.parametrize("decay", [1.0, 3.0, 16.0])
def test_the_closed_form_breaks_where_it_is_predicted_to_and_folding_does_not(decay):
    T = NB["steps_before_overflow"](decay)
    x = torch.ones(T + 20)
    states = NB["closed_form"](torch.full((T + 20,), -decay), x)
    assert states[: T - 1].isfinite().all() and not states[T:].isfinite().any()
    folded = NB["doubling_torch"](torch.full((T + 20,), math.exp(-decay)), x)
    assert torch.allclose(folded, NB["linear_loop"](torch.full((T + 20,), math.exp(-decay)), x))


@pytest.mark.parametrize("decay", [0.1, 1.0, 16.0, 250.0])
def test_differences_of_logarithms_are_stable_where_the_division_is_not(decay):
    log_a, x = torch.full((100,), -decay), torch.randn(100, generator=torch.Generator().manual_seed(3))
    S = log_a.cumsum(0)
    weights = torch.exp((S[:, None] - S[None]).masked_fill(torch.ones(100, 100).triu(1) > 0, float("-inf")))
    assert weights.max() <= 1
    exact = NB["linear_loop"](log_a.double().exp(), x.double())
    assert torch.allclose((weights @ x).double(), exact, atol=1e-4)


@pytest.mark.slow
def test_at_4096_steps_fused_attention_takes_longer_than_a_mamba_block():
    from mgmr_lib.chapters.shared.counting import cpu_seconds
    from mgmr_lib.ssm import MambaBlock

    x = torch.randn(1, 4096, 64)
    layers = MambaBlock(64), torch.nn.TransformerEncoderLayer(64, 4, 256, dropout=0.0, batch_first=True)
    mamba, attention = (cpu_seconds(lambda layer=layer: layer(x).sum().backward(), 1) for layer in layers)
    assert attention > 1.5 * mamba
