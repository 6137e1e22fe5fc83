"""The SSD scan: chunked, masked and step by step, each against the float64 oracle, values and gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mgmr_lib.bench.measure import peak_bytes
from mgmr_lib.errors import CourseError
from mgmr_lib.ssm import ssd_masked, ssd_reference, ssd_scan, ssd_step
from tests.ssm.cases import worst_error

OPTIONAL = ("D", "z", "dt_bias", "initial_state")


def problem(b, l, h, p, n, g=1, options=OPTIONAL, dtype=torch.float64, decay=1.0, wide_D=False, seed=0):
    """Arguments of a scan, with gradients wanted."""
    make = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, generator=make, dtype=torch.float64)

    args = {"x": random(b, l, h, p), "dt": random(b, l, h), "A": -decay * torch.exp(random(h))}
    args |= {"B": random(b, l, g, n), "C": random(b, l, g, n)}
    shapes = {"D": (h, p) if wide_D else (h,), "z": (b, l, h, p), "dt_bias": (h,), "initial_state": (b, h, p, n)}
    args |= {name: random(*shapes[name]) for name in options}
    return {name: t.to(dtype).requires_grad_() for name, t in args.items()}


def outputs_and_gradients(scan, args: dict, **more) -> dict[str, torch.Tensor]:
    """y, the last state, and the gradients of a loss that weighs all of both differently."""
    y, last = scan(**args, dt_softplus=True, return_last_state=True, **more)
    make = torch.Generator().manual_seed(1)
    weights = [torch.randn(t.shape, generator=make, dtype=torch.float64).to(t) for t in (y, last)]
    loss = sum((t * w).sum() for t, w in zip((y, last), weights, strict=True))
    return {"y": y, "last": last} | dict(zip(args, torch.autograd.grad(loss, list(args.values())), strict=True))


def assert_equal(got: dict, truth: dict, forward: float, gradient: float) -> None:
    for name, value in truth.items():
        bound = forward if name in ("y", "last") else gradient
        assert got[name].isfinite().all() and worst_error(got[name], value) < bound, name


SHAPES = [(2, 50, 4, 3, 5, 2), (1, 1, 1, 1, 1, 1), (3, 17, 3, 4, 2, 1), (2, 130, 6, 5, 7, 3), (1, 65, 2, 1, 9, 2)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("options", [OPTIONAL, (), ("D",), ("z", "initial_state")], ids=str)
def test_chunked_and_masked_equal_the_oracle_in_float64(shape, options):
    args = problem(*shape, options=options)
    truth = outputs_and_gradients(ssd_reference, args)
    assert_equal(outputs_and_gradients(ssd_masked, args), truth, 1e-10, 1e-10)
    for chunk in (None, 1, 7, 64, 1000):
        assert_equal(outputs_and_gradients(ssd_scan, args, chunk=chunk), truth, 1e-10, 1e-10)


@given(
    st.tuples(*(st.integers(1, top) for top in (3, 40, 3, 5, 5, 3))),
    st.integers(1, 50),
    st.booleans(),
    st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_every_shape_and_chunk_equals_the_oracle(sizes, chunk, wide_D, seed):
    b, l, k, p, n, g = sizes
    args = problem(b, l, k * g, p, n, g, wide_D=wide_D, seed=seed)
    got = outputs_and_gradients(ssd_scan, args, chunk=chunk)
    assert_equal(got, outputs_and_gradients(ssd_reference, args), 1e-10, 1e-10)


@pytest.mark.parametrize("shape", [(2, 200, 4, 8, 16, 2), (1, 1, 2, 3, 4, 1), (2, 129, 3, 5, 7, 1)], ids=str)
def test_float32(shape):
    args = problem(*shape, dtype=torch.float32)
    truth = outputs_and_gradients(ssd_reference, args)
    assert truth["last"].dtype == torch.float64
    assert_equal(outputs_and_gradients(ssd_scan, args), truth, 1e-5, 1e-4)


@pytest.mark.parametrize("decay", [1e-4, 30.0, 1e4, 1e30])
def test_strong_and_weak_decay_keep_their_digits(decay):
    """Behind one step that forgets everything, weak decays must keep theirs: sums that are subtracted would lose it."""
    args = problem(2, 150, 3, 4, 5, dtype=torch.float32, options=("initial_state",))
    with torch.no_grad():
        args["dt"].fill_(-5.0)
        args["dt"][:, 20::50] = 3.0
        args["A"].copy_(-decay * torch.tensor([1e-3, 1.0, 2.0]))
    truth = outputs_and_gradients(ssd_reference, args)
    assert_equal(outputs_and_gradients(ssd_scan, args), truth, 1e-5, 1e-4)


def test_long_sequences_stay_finite_and_right():
    args = problem(1, 8192, 2, 2, 3, dtype=torch.float32)
    got = outputs_and_gradients(ssd_scan, args)
    assert all(t.isfinite().all() for t in got.values())
    with torch.no_grad():
        y, last = ssd_reference(**args, dt_softplus=True, return_last_state=True)
    assert worst_error(got["y"], y) < 1e-5 and worst_error(got["last"], last) < 1e-5


def test_gradients_by_finite_differences():
    args = problem(1, 4, 2, 1, 2, 2)

    def run(*tensors):
        named = dict(zip(args, tensors, strict=True))
        return ssd_scan(**named, dt_softplus=True, return_last_state=True, chunk=3)

    assert torch.autograd.gradcheck(run, tuple(args.values()), fast_mode=True)
    first = torch.autograd.grad(run(*args.values())[0].square().sum(), args["x"], create_graph=True)[0]
    with pytest.raises(CourseError, match="no second derivative"):
        torch.autograd.grad(first.sum(), args["x"])


def test_a_sequence_may_be_cut_and_carried_on():
    args = problem(2, 40, 4, 3, 5, 2, options=("D", "z", "dt_bias"))
    sequences = ("x", "dt", "B", "C", "z")
    whole, last = ssd_scan(**args, dt_softplus=True, return_last_state=True)
    parts, state = [], None
    for cut in (slice(0, 13), slice(13, 14), slice(14, 40)):
        part = {k: t[:, cut] if k in sequences else t for k, t in args.items()}
        y, state = ssd_scan(**part, dt_softplus=True, initial_state=state, return_last_state=True)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(state, last, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("wide_D", [False, True])
def test_step_by_step(wide_D):
    args = problem(2, 9, 4, 3, 5, 2, wide_D=wide_D)
    whole, last = ssd_scan(**args, dt_softplus=True, return_last_state=True)
    state, ys = args["initial_state"], []
    for t in range(9):
        x, dt, B, C, z = (args[k][:, t] for k in ("x", "dt", "B", "C", "z"))
        y, state = ssd_step(state, x, dt, args["A"], B, C, args["D"], z, args["dt_bias"], True)
        ys.append(y)
    torch.testing.assert_close(torch.stack(ys, 1), whole, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(state, last, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("scan", [ssd_scan, ssd_masked, ssd_reference])
@pytest.mark.parametrize("garbage", [3.0, 1e30, float("nan"), float("inf")])
def test_padding_changes_no_state_gives_zero_and_gets_no_gradient(scan, garbage):
    lengths, args = [9, 1, 6], problem(3, 9, 4, 3, 5, 2)
    valid = torch.arange(9) < torch.tensor(lengths)[:, None]
    with torch.no_grad():
        for name in ("x", "dt", "B", "C", "z"):
            args[name][~valid] = garbage
    got = outputs_and_gradients(scan, args, valid=valid)
    assert not got["y"][~valid].any()
    for name in ("x", "dt", "B", "C", "z"):
        assert not got[name][~valid].any() and got[name][valid].abs().sum() > 0
    assert all(t.isfinite().all() for t in got.values())
    for i, length in enumerate(lengths):
        own = {k: t[i : i + 1, :length] if k in ("x", "dt", "B", "C", "z") else t for k, t in args.items()}
        own["initial_state"] = args["initial_state"][i : i + 1]
        y, last = scan(**own, dt_softplus=True, return_last_state=True)
        torch.testing.assert_close(got["y"][i : i + 1, :length], y, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(got["last"][i : i + 1], last, rtol=1e-10, atol=1e-10)


def test_half_precision_is_computed_in_float32():
    args = {k: t.detach().bfloat16() for k, t in problem(2, 70, 2, 4, 3).items()}
    y, last = ssd_scan(**args, dt_softplus=True, return_last_state=True)
    assert y.dtype == torch.bfloat16 and last.dtype == torch.float32
    exact = ssd_reference(**{k: t.double() for k, t in args.items()}, dt_softplus=True)
    assert worst_error(y, exact) < 2**-8


def test_memory_is_a_few_tensors_and_does_not_grow_faster_than_length():
    def tensors(l):
        args = problem(8, l, 4, 32, 32, options=(), dtype=torch.float32)
        inputs = list(args.values())
        held = peak_bytes(lambda: torch.autograd.grad(ssd_scan(**args, dt_softplus=True).square().sum(), inputs))
        return held / (4 * args["x"].numel())

    assert tensors(256) < 6 and tensors(512) < 1.1 * tensors(256)


def test_compiled_exported_and_mapped():
    x, dt, A, B, C = (t.detach() for t in problem(3, 20, 2, 3, 4, options=(), dtype=torch.float32).values())

    def loss(x, dt, A, B, C):
        return ssd_scan(x, dt, A, B, C, dt_softplus=True).square().sum()

    single = [loss(x[i : i + 1], dt[i : i + 1], A, B[i : i + 1], C[i : i + 1]) for i in range(3)]
    batched = torch.func.vmap(lambda *s: loss(s[0][None], s[1][None], A, s[2][None], s[3][None]))(x, dt, B, C)
    torch.testing.assert_close(batched, torch.stack(single))
    want = torch.func.grad(loss, argnums=(0, 1, 2, 3, 4))(x, dt, A, B, C)

    def of_each(dt, A):
        return torch.func.vmap(lambda x, dt, B, C: loss(x[None], dt[None], A, B[None], C[None]))(x, dt, B, C).sum()

    for got, i in zip(torch.func.grad(of_each, argnums=(0, 1))(dt, A), (1, 2), strict=True):
        torch.testing.assert_close(got, want[i])  # a gradient of a vmap
    one = torch.func.grad(lambda x, dt, B, C: loss(x[None], dt[None], A, B[None], C[None]))
    torch.testing.assert_close(torch.func.vmap(one)(x, dt, B, C), want[0])  # a vmap of gradients
    leaves = [t.clone().requires_grad_() for t in (x, dt, A, B, C)]
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)(*leaves)
    for got, expected in zip(torch.autograd.grad(compiled, leaves), want, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x": torch.ones(2, 5, 6)}, r"x must be \(b,l,h,p\)"),
        ({"x": None}, "x is required"),
        ({"x": torch.ones(2, 0, 4, 3)}, "every size at least 1"),
        ({"B": torch.ones(2, 5, 2, 6, device="meta")}, r"B must be on the device of x \(cpu\), but is on meta"),
        ({"dt": torch.ones(2, 5, 4, 1)}, r"dt must be \(b,l,h\) = \(2, 5, 4\)"),
        ({"A": torch.ones(4, 6)}, r"A must be \(h,\) = \(4,\)"),
        ({"B": torch.ones(2, 5, 3, 6)}, r"with g dividing h = 4"),
        ({"B": torch.ones(2, 5, 6)}, r"B must be \(b,l,g,n\)"),
        ({"C": torch.ones(2, 5, 1, 6)}, r"C must be \(b,l,g,n\) like B"),
        ({"D": torch.ones(3)}, r"D must be \(h,\) = \(4,\) or \(h,p\) = \(4, 3\)"),
        ({"z": torch.ones(2, 5, 4)}, "z must be"),
        ({"dt_bias": torch.ones(4, 1)}, "dt_bias must be"),
        ({"initial_state": torch.ones(2, 4, 6, 3)}, r"initial_state must be \(b,h,p,n\) = \(2, 4, 3, 6\)"),
        ({"x": torch.ones(2, 5, 4, 3, dtype=torch.int64)}, "real floating-point"),
        ({"chunk": 0}, "chunk must be a whole number of at least 1"),
        ({"chunk": 2.5}, "chunk must be a whole number of at least 1"),
        ({"valid": torch.ones(2, 5)}, "valid must be a bool mask"),
        ({"valid": torch.tensor([[False, True, True, True, True]] * 2)}, "True, then False"),
    ],
)
def test_wrong_arguments_are_one_clear_sentence(change, says):
    args = {"x": torch.ones(2, 5, 4, 3), "dt": torch.ones(2, 5, 4), "A": -torch.ones(4)}
    args |= {"B": torch.ones(2, 5, 2, 6), "C": torch.ones(2, 5, 2, 6)}
    with pytest.raises(ValueError, match=says):
        ssd_scan(**(args | change))


def test_a_step_with_wrong_shapes_is_refused():
    with pytest.raises(ValueError, match=r"x must be a tensor \(b,h,p\)"):
        ssd_step(torch.ones(1, 2, 3, 4), torch.ones(1, 2), torch.ones(1, 2), torch.ones(2), *torch.ones(2, 1, 1, 4))
