"""The adapter to mamba_ssm's kernel, with a stand-in for the kernel and the CPU in the place of a GPU."""

import pytest
import torch

from mgmr_lib.ssm import MambaBlock, available_backends, selective_scan
from mgmr_lib.ssm.engines import backends, mamba_cuda
from tests.ssm import stand_ins
from tests.ssm.cases import outputs_and_gradients, problem, worst_error

SERVED = ("D", "z", "delta_bias")  # all options but an initial state


@pytest.fixture
def on_cpu(monkeypatch):
    """The adapter believes that its kernel serves the CPU."""
    monkeypatch.setattr(mamba_cuda, "DEVICE", "cpu")
    backends.status.cache_clear()
    yield
    backends.status.cache_clear()


@pytest.fixture
def calls(monkeypatch, on_cpu):
    """Each call of the stand-in, by the number of states in it."""
    seen = []

    def scan(u, delta, A, *args):
        seen.append(A.shape[1])
        return stand_ins.selective_scan_fn(u, delta, A, *args)

    stand_ins.install(monkeypatch, scan)
    assert available_backends()["cuda"] == backends.status("cuda", "cpu") == "ok"
    seen.clear()
    return seen


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize(("B", "C"), [("var", "var"), ("const", "const"), ("const", 2), (2, 3)])
@pytest.mark.parametrize("options", [SERVED, ()])
def test_what_is_handed_over_gives_the_oracles_numbers(calls, dtype, limit, B, C, options):
    args = problem(2, 6, 9, 3, B, C, options, dtype)
    exact = {k: t.detach().double().requires_grad_() for k, t in args.items()}
    y = selective_scan(**args, delta_softplus=True, backend="cuda")
    truth = selective_scan(**exact, delta_softplus=True, backend="reference")
    assert calls == [3] and y.dtype == dtype and worst_error(y, truth) < limit
    gradients, expected = (
        torch.autograd.grad(t.double().square().sum(), list(a.values())) for t, a in ((y, args), (truth, exact))
    )
    for name, got, true in zip(args, gradients, expected, strict=True):
        assert got.dtype == dtype and worst_error(got, true) < 2 * limit, name


def test_auto_takes_it_first_and_leaves_to_others_what_it_cannot(calls):
    args = problem(2, 4, 7, 3, options=SERVED)
    selective_scan(**args, delta_softplus=True)
    assert calls == [3]
    calls.clear()
    with torch.no_grad():  # a state is served where nobody asks for its gradient
        _, last = selective_scan(**args, delta_softplus=True, return_last_state=True)
    assert calls == [3]
    expected = selective_scan(**args, delta_softplus=True, return_last_state=True, backend="loop")[1]
    torch.testing.assert_close(last, expected.detach())
    calls.clear()
    exact = {k: t.detach().double().requires_grad_() for k, t in args.items()}
    truth = outputs_and_gradients(exact, "reference")
    for name, got in outputs_and_gradients(args, "auto").items():
        assert worst_error(got, truth[name]) < 1e-4, name
    selective_scan(**problem(2, 4, 7, 3))
    selective_scan(**problem(1, 1, 2, 257, options=()))
    assert calls == []


WRONG = {
    "gives no gradient through the last state": (problem(1, 2, 3, 2, options=()), True),
    "has no initial state": (problem(1, 2, 3, 2), False),
    "at most 256 states, but A has 257": (problem(1, 1, 2, 257, options=()), False),
    "has no float64": (problem(1, 2, 3, 2, options=(), dtype=torch.float64), False),
}


@pytest.mark.parametrize("says", WRONG)
def test_what_it_cannot_serve_is_refused_by_name(calls, says):
    args, state = WRONG[says]
    with pytest.raises(
        ValueError, match=f'backend "cuda" cannot serve this call: it {says.removeprefix("it ")}|{says}'
    ):
        selective_scan(**args, return_last_state=state, backend="cuda")
    assert calls == []


def test_a_kernel_that_fails_is_said_and_a_slower_rung_goes_on(calls, monkeypatch):
    args = problem(1, 2, 3, 2, options=())
    expected = selective_scan(**args, backend="chunked")

    def broken(*args):
        raise RuntimeError("no kernel image is available")

    stand_ins.install(monkeypatch, broken)
    with pytest.warns(UserWarning, match='backend "cuda" failed .no kernel image'):
        assert worst_error(selective_scan(**args), expected) < 1e-5


@pytest.mark.parametrize(("factor", "says"), [(2.0, "wrong numbers"), (1.0, "wrong gradients")])
def test_a_kernel_that_computes_something_else_is_not_used(on_cpu, monkeypatch, factor, says):
    def wrong(u, *args):
        y, last = stand_ins.selective_scan_fn(u, *args)
        return factor * y + u - u.detach(), last

    stand_ins.install(monkeypatch, wrong)
    assert says in available_backends()["cuda"]


def test_a_block_runs_on_it_eagerly_and_compiled(calls):
    torch.manual_seed(0)
    block, x = MambaBlock(8, d_state=3, backend="cuda"), torch.randn(2, 5, 8)
    y = block(x)
    assert calls == [3]
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(block, backend="aot_eager")(x), y)
    assert calls == [3, 3]


def test_without_the_package_the_install_command_is_said(on_cpu):
    if "mamba_ssm" in available_backends()["cuda"]:
        with pytest.raises(ValueError, match="mamba_ssm cannot be imported .*course.py gpu"):
            selective_scan(**problem(1, 2, 3, 2, options=()), backend="cuda")


def test_off_its_device_it_says_where_the_tensors_are():
    with pytest.raises(ValueError, match='needs tensors on a CUDA device, but they are on cpu; use "chunked"'):
        mamba_cuda.cuda_scan(backends.checked(**problem(1, 2, 3, 2, options=())))
