"""Every rung of the ladder equals the float64 oracle, values and gradients; what the scan promises about its
arguments."""

import itertools
import threading
import warnings

import pytest
import torch

from mgmr_lib.ssm import available_backends, selective_scan, selective_scan_step
from mgmr_lib.ssm.engines import backends, chunk_layout
from tests.ssm.cases import OPTIONAL, outputs_and_gradients, problem, worst_error

needs_native = pytest.mark.skipif(backends.status("native") != "ok", reason=f"native: {backends.status('native')}")
NATIVE = pytest.param("native", marks=needs_native)
EXACT = ("python", "loop", "chunked")  # float64 too
RUNGS = (*EXACT, NATIVE)
SHAPES = [(1, 1, 1, 1), (2, 1, 5, 1), (1, 6, 1, 3), (3, 5, 7, 1), (2, 6, 37, 5), (5, 12, 13, 3)]
MIXES = [
    ("var", "var"),
    ("const", "const"),
    ("const", "var"),
    ("var", "const"),
    (1, "var"),
    (2, 3),
    (3, "const"),
    (6, 2),
]


@pytest.fixture
def small_chunks(monkeypatch):
    """Buffers so small that even these shapes need many slabs and chunks."""
    monkeypatch.setattr(chunk_layout, "BUFFER_ELEMENTS", 240)
    monkeypatch.setattr(chunk_layout, "STEP_ELEMENTS", 70)


def compare(args, backend, softplus=True, forward=1e-5, backward=1e-4):
    truth = outputs_and_gradients(
        {k: t.detach().double().requires_grad_() for k, t in args.items()}, "reference", softplus
    )
    for name, got in outputs_and_gradients(args, backend, softplus).items():
        limit = forward if name in ("y", "last") else backward
        assert worst_error(got, truth[name]) < limit, f"{backend}: {name} is off by {worst_error(got, truth[name]):.1e}"


def test_oracle_equals_the_sum_written_out():
    """y_t = sum over s <= t of C_t . exp(A (dt_{s+1} + ... + dt_t)) dt_s B_s u_s: no recurrence in it."""
    b, e, length, n = 2, 3, 9, 4
    a = {k: t.detach() for k, t in problem(b, e, length, n, dtype=torch.float64).items()}
    dt = torch.log1p(torch.exp(a["delta"] + a["delta_bias"][:, None]))
    total = dt.cumsum(-1)
    y = torch.zeros(b, e, length, dtype=torch.float64)
    for t in range(length):
        first = torch.exp(a["A"] * total[:, :, t, None]) * a["initial_state"]
        y[:, :, t] += torch.einsum("ben,bn->be", first, a["C"][:, :, t])
        for s in range(t + 1):
            decay = torch.exp(a["A"] * (total[:, :, t] - total[:, :, s])[..., None])
            inflow = (dt * a["u"])[:, :, s, None] * a["B"][:, None, :, s]
            y[:, :, t] += torch.einsum("ben,bn->be", decay * inflow, a["C"][:, :, t])
    y = (y + a["D"][:, None] * a["u"]) * a["z"] * torch.sigmoid(a["z"])
    got = selective_scan(**a, delta_softplus=True, backend="reference")
    torch.testing.assert_close(got, y, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("backend", RUNGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_rungs_equal_the_oracle_on_odd_shapes(backend, shape):
    compare(problem(*shape), backend)


@pytest.mark.parametrize("backend", RUNGS)
@pytest.mark.parametrize(("B", "C"), MIXES)
def test_rungs_equal_the_oracle_for_every_form_of_B_and_C(backend, B, C, small_chunks):
    compare(problem(2, 6, 11, 3, B, C), backend)


@pytest.mark.parametrize("backend", RUNGS)
def test_rungs_equal_the_oracle_with_and_without_each_option(backend, small_chunks):
    for keep in itertools.product([False, True], repeat=len(OPTIONAL)):
        options = [name for name, yes in zip(OPTIONAL, keep, strict=True) if yes]
        for softplus in (False, True):
            args = problem(2, 3, 6, 2, options=options)
            if not softplus:  # without softplus, delta itself must be a positive time step
                args["delta"] = args["delta"].detach().abs().requires_grad_()
                args.pop("delta_bias", None)
            compare(args, backend, softplus)


def test_chunks_and_slabs_leave_no_seam(small_chunks):
    for seed, shape in enumerate([(5, 6, 29, 3), (3, 2, 50, 4), (7, 10, 9, 2), (4, 3, 21, 21)]):
        compare(problem(*shape, seed=seed), "chunked")


@pytest.mark.parametrize("backend", ["chunked", NATIVE])
def test_a_large_problem_in_the_default_chunks(backend):
    compare(problem(9, 64, 120, 16), backend)


@pytest.mark.parametrize("backend", EXACT)
def test_gradcheck(backend, small_chunks):
    for B, C in (("var", "var"), ("const", 2)):
        args = problem(2, 2, 4, 2, B, C, dtype=torch.float64)

        def scan(*tensors, names=tuple(args)):
            return selective_scan(
                **dict(zip(names, tensors, strict=True)), delta_softplus=True, return_last_state=True, backend=backend
            )

        assert torch.autograd.gradcheck(scan, tuple(args.values()), atol=1e-6)


@pytest.mark.parametrize("backend", ["chunked", NATIVE])
@pytest.mark.parametrize("wanted", [["u"], ["A"], ["B"], ["C"], ["delta_bias"], ["D", "z"], ["initial_state"]])
def test_when_only_some_inputs_want_a_gradient(wanted, backend):
    args = problem(2, 4, 9, 3)
    frozen = {k: t.detach().requires_grad_(k in wanted) for k, t in args.items()}
    results = [
        torch.autograd.grad(
            selective_scan(**frozen, delta_softplus=True, backend=name).square().sum(), [frozen[k] for k in wanted]
        )
        for name in (backend, "reference")
    ]
    for got, truth in zip(*results, strict=True):
        assert worst_error(got, truth) < 1e-4


@pytest.fixture(scope="module")
def strong_decay():
    """l = 8192 and dt |A| up to 250, and what the oracle makes of it."""
    args = problem(1, 2, 8192, 2, options=("D",))
    args["A"] = torch.tensor([[-250.0, -1.0], [-1e-3, -60.0]], requires_grad=True)
    args["delta"] = torch.rand(1, 2, 8192, generator=torch.Generator().manual_seed(0)).requires_grad_()
    exact = {k: t.detach().double().requires_grad_() for k, t in args.items()}
    return args, outputs_and_gradients(exact, "reference", False)


@pytest.mark.parametrize("backend", ["loop", "chunked", NATIVE])
def test_strong_decay_and_long_sequences_stay_finite(backend, strong_decay):
    """exp(-250) is 0 in float32, and its gradient too, but never NaN."""
    args, truth = strong_decay
    got = outputs_and_gradients(args, backend, softplus=False)
    assert all(torch.isfinite(t).all() for t in got.values())
    assert worst_error(got["y"], truth["y"]) < 1e-5
    assert all(worst_error(got[name], truth[name]) < 1e-4 for name in args)


@pytest.mark.parametrize("backend", ["python", "reference", "loop", "chunked", NATIVE])
def test_non_contiguous_inputs(backend):
    plain = problem(2, 4, 6, 3)
    views = {}
    for name, t in plain.items():
        shape = [2 * s for s in t.shape]
        wide = torch.full(shape[::-1], float("nan"))
        views[name] = wide.permute(*reversed(range(t.dim())))[tuple(slice(None, None, 2) for _ in shape)]
        views[name].copy_(t.detach())
        views[name].requires_grad_()
        assert not views[name].is_contiguous()
    expanded = plain["delta"].detach()[:, :1].expand(2, 4, 6)
    for args, same in ((views, plain), (plain | {"delta": expanded}, plain | {"delta": expanded.contiguous()})):
        got = selective_scan(**args, delta_softplus=True, backend=backend)
        torch.testing.assert_close(got, selective_scan(**same, delta_softplus=True, backend=backend))
    compare(views, backend)


@pytest.mark.parametrize("backend", ["reference", "loop", "chunked", NATIVE])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(backend, dtype):
    args = problem(2, 4, 40, 3, dtype=dtype)
    y, last = selective_scan(**args, delta_softplus=True, return_last_state=True, backend=backend)
    assert y.dtype == dtype and last.dtype == torch.float32
    exact = {k: t.detach().double() for k, t in args.items()}
    truth = selective_scan(**exact, delta_softplus=True, backend="reference")
    rounding = torch.finfo(dtype).eps  # the result is rounded once, at the very end
    torch.testing.assert_close(y.double(), truth, rtol=rounding, atol=rounding * truth.abs().max().item())
    gradients = torch.autograd.grad(y.float().sum(), list(args.values()))
    assert all(g.dtype == dtype and torch.isfinite(g).all() for g in gradients)


def test_autocast_does_not_reach_into_the_scan():
    args = problem(2, 4, 30, 3)
    plain = outputs_and_gradients(args, "chunked")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = {name: outputs_and_gradients(args, name) for name in ("chunked", "loop")}
    for got in inside.values():
        assert all(worst_error(got[k], plain[k]) < 1e-5 for k in plain)


def test_the_future_does_not_reach_the_past():
    args = {k: t.detach() for k, t in problem(1, 3, 20, 2).items()}
    changed = {k: t.clone() for k, t in args.items()}
    for name in ("u", "delta", "B", "C", "z"):
        changed[name][..., 12:] += 5.0
    before, after = (selective_scan(**a, delta_softplus=True)[..., :12] for a in (args, changed))
    assert torch.equal(before, after)


@pytest.mark.parametrize("backend", RUNGS)
def test_two_halves_joined_by_the_state_are_the_whole(backend):
    args = {k: t.detach() for k, t in problem(2, 3, 10, 2).items()}
    whole, last = selective_scan(**args, delta_softplus=True, return_last_state=True, backend=backend)
    state, ys = args.pop("initial_state"), []
    for part in (slice(0, 4), slice(4, 10)):
        piece = {k: t[..., part] if t.dim() == 3 else t for k, t in args.items()}
        y, state = selective_scan(
            **piece, delta_softplus=True, return_last_state=True, initial_state=state, backend=backend
        )
        ys.append(y)
    torch.testing.assert_close(torch.cat(ys, -1), whole)
    torch.testing.assert_close(state, last)


@pytest.mark.parametrize("groups", [None, 1, 3])
def test_single_steps_are_the_scan(groups):
    kind = "var" if groups is None else groups
    args = {k: t.detach() for k, t in problem(2, 6, 8, 3, kind, kind).items()}
    whole, last = selective_scan(**args, delta_softplus=True, return_last_state=True)
    state, fixed = args["initial_state"], {k: args[k] for k in ("A", "D", "delta_bias")}
    for t in range(8):
        now = {k: args[k][..., t] for k in ("u", "delta", "B", "C", "z")}
        kept = state.clone()
        y, new = selective_scan_step(state, **now, **fixed, delta_softplus=True)
        assert torch.equal(state, kept)
        torch.testing.assert_close(y, whole[..., t], rtol=1e-5, atol=1e-5)
        state = new
    torch.testing.assert_close(state, last, rtol=1e-5, atol=1e-5)


def test_steps_refuse_what_they_cannot_read():
    state, u, A, B = torch.zeros(2, 3, 4), torch.ones(2, 3), -torch.ones(3, 4), torch.ones(2, 4)
    with pytest.raises(ValueError, match=r"u must be a tensor with 2 dimensions \(b,e\)"):
        selective_scan_step(state, u[0], u, A, B, B)
    with pytest.raises(ValueError, match="B must be"):
        selective_scan_step(state, u, u, A, torch.ones(3, 4), B)
    with pytest.raises(ValueError, match=r"B and C must be \(b,n\) or \(b,g,n\), but are \(4,\) and \(2, 4\)"):
        selective_scan_step(state, u, u, A, B[0], B)


@pytest.mark.parametrize("backend", ["chunked", NATIVE])
def test_calls_from_several_threads_do_not_disturb_each_other(backend):
    problems = [problem(3, 16, 60, 4, seed=i) for i in range(4)]
    expected = [outputs_and_gradients(p, backend) for p in problems]
    results = [None] * 4

    def work(i):
        for _ in range(5):
            results[i] = outputs_and_gradients(problems[i], backend)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for got, truth in zip(results, expected, strict=True):
        assert all(torch.equal(got[k], truth[k]) for k in truth)


@pytest.mark.parametrize("backend", ["chunked", NATIVE])
def test_inputs_are_never_written_to(backend):
    for shape in ((1, 1, 1, 1), (1, 4, 6, 2), (3, 4, 6, 2)):
        args = problem(*shape)
        args["u"] = args["u"].detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
        before = {k: t.detach().clone() for k, t in args.items()}
        outputs_and_gradients(args, backend)
        assert all(torch.equal(args[k], before[k]) for k in args)


@pytest.mark.parametrize("backend", ["chunked", NATIVE])
def test_a_second_derivative_is_refused_not_wrong(backend):
    args = problem(1, 2, 3, 2)
    (gradient,) = torch.autograd.grad(
        selective_scan(**args, backend=backend).square().sum(), args["u"], create_graph=True
    )
    with pytest.raises(ValueError, match='backend="loop", which has'):
        gradient.sum().backward()


WRONG = {
    "u must be": {"u": torch.ones(2, 4)},
    "delta must be": {"delta": torch.ones(2, 4, 5)},
    "A must be": {"A": torch.ones(3, 3)},
    r"B must be \(e,n\)": {"B": torch.ones(2, 3, 5)},
    "g dividing e": {"C": torch.ones(2, 3, 3, 6)},
    "D must be": {"D": torch.ones(4, 1)},
    "z must be": {"z": torch.ones(2, 6, 4)},
    "delta_bias must be": {"delta_bias": torch.ones(5)},
    "initial_state must be": {"initial_state": torch.ones(2, 3, 4)},
    "real floating-point": {"A": torch.ones(4, 3, dtype=torch.complex64)},
    "but is torch.int64": {"u": torch.ones(2, 4, 6, dtype=torch.int64)},
    "must be on the device of u": {"B": torch.ones(2, 3, 6, device="meta")},
    "C is required": {"C": None},
    "must be a torch tensor": {"D": [1.0] * 4},
    "at least 1": {"u": torch.ones(2, 4, 0), "delta": torch.ones(2, 4, 0)},
}


@pytest.mark.parametrize("says", WRONG)
def test_wrong_arguments_say_what_was_expected(says):
    good = dict(
        u=torch.ones(2, 4, 6),
        delta=torch.ones(2, 4, 6),
        A=-torch.ones(4, 3),
        B=torch.ones(2, 3, 6),
        C=torch.ones(2, 3, 6),
    )
    selective_scan(**good)
    with pytest.raises(ValueError, match=says):
        selective_scan(**good | WRONG[says])


def test_available_backends_tell_the_truth():
    status = available_backends()
    assert list(status) == ["python", "reference", "loop", "chunked", "native", "triton", "cuda"]
    assert all(status[name] == "ok" for name in ("python", "reference", "loop", "chunked"))
    args = problem(1, 2, 3, 2)
    for name, reason in status.items():
        if reason != "ok":
            with pytest.raises(ValueError, match=f'backend "{name}" does not work here'):
                selective_scan(**args, backend=name)
    with pytest.raises(ValueError, match='"auto" or one of python'):
        selective_scan(**args, backend="fast")


def test_a_trial_under_no_grad_does_not_condemn_a_backend():
    backends.status.cache_clear()
    with torch.no_grad():
        assert backends.status("chunked", "cpu") == "ok"
    backends.status.cache_clear()
    with torch.inference_mode():
        selective_scan(**{k: t.detach() for k, t in problem(1, 2, 3, 2).items()})
        assert backends.status("chunked", "cpu") == "ok"


def test_a_gpu_without_memory_is_no_reason_for_a_slower_rung(monkeypatch):
    args = problem(2, 3, 5, 2)
    selective_scan(**args)

    def full(args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    for name in ("native", "chunked"):
        monkeypatch.setitem(backends.BACKENDS, name, full)
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        selective_scan(**args)


def test_auto_goes_on_with_a_slower_rung_where_a_fast_one_fails(monkeypatch):
    args = problem(2, 3, 5, 2)
    expected = selective_scan(**args, backend="loop")
    selective_scan(**args)  # the trial has passed before the rung breaks

    def broken(args):
        raise RuntimeError("no kernel image is available")

    for name in ("native", "chunked"):
        monkeypatch.setitem(backends.BACKENDS, name, broken)
    with pytest.warns(UserWarning, match="no kernel image"):
        got = selective_scan(**args)
    assert torch.equal(got, expected)
    backends.status.cache_clear()
    with warnings.catch_warnings():  # once the trial has shown that it fails, it is not even tried
        warnings.simplefilter("error")
        assert torch.equal(selective_scan(**args), expected)
    assert "no kernel image" in backends.status("chunked", "cpu")
    backends.status.cache_clear()
