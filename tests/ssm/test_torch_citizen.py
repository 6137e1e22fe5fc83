"""Scans and blocks under whatever torch does to modules: tracing, copying, loading, transforming, other dtypes."""

import copy
import inspect
import io
import pickle

import pytest
import torch
from torch import nn
from torch.func import functional_call

from mgmr_lib.ssm import BiMamba, MambaBlock, MambaLayer, SimplifiedMambaLayer, flip_valid, selective_scan
from mgmr_lib.ssm.engines import backends, conv, scan_operator
from mgmr_lib.ssm.engines.arguments import Operands, checked
from mgmr_lib.ssm.padding import right_padded
from tests.ssm.cases import outputs_and_gradients, problem, worst_error

needs_native = pytest.mark.skipif(backends.status("native") != "ok", reason=f"native: {backends.status('native')}")
ENGINES = ["chunked", pytest.param("native", marks=needs_native)]


class Pair(nn.Module):
    """Two BiMambas that share both state matrices."""

    def __init__(self, **options):
        super().__init__()
        self.text = BiMamba(6, d_state=3, **options)
        self.audio = BiMamba(6, d_state=3, shares_A_of=self.text, **options)

    def forward(self, x, valid=None):
        return self.audio(x, valid) + 2 * self.text(x, valid)


def tied(pair: Pair) -> bool:
    owners, borrowers = ((part.ahead, part.back) for part in (pair.text, pair.audio))
    return all(
        b.A_log is o.A_log is o._parameters["A_log"] and "A_log" not in b._parameters
        for o, b in zip(owners, borrowers, strict=True)
    )


def moved(state: dict) -> dict:
    """Other values of the same parameters, the shared ones among them."""
    make = torch.Generator().manual_seed(3)
    return {k: v + 0.2 * torch.randn(v.shape, generator=make) for k, v in state.items()}


@pytest.fixture
def pair():
    torch.manual_seed(0)
    return Pair()


@pytest.fixture
def x():
    return torch.randn(2, 7, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def valid():
    return torch.tensor([7, 4])[:, None] > torch.arange(7)


# --- loading and copying: the tie of shared state matrices --------------------------------------------------------


def test_a_state_dict_holds_a_shared_matrix_once_and_old_ones_still_load(pair):
    names = [name for name in pair.state_dict() if "A_log" in name]
    assert names == ["text.ahead.A_log", "text.back.A_log"] and tied(pair)
    assert sorted(dict(pair.named_parameters())) == sorted(pair.state_dict())


@pytest.mark.parametrize("assign", [False, True])
def test_loading_reaches_both(pair, x, assign):
    state, loaded = moved(pair.state_dict()), Pair()
    assert (pair(x) - functional_call(pair, state, (x,))).abs().max() > 1e-3
    loaded.load_state_dict(state, assign=assign)
    assert tied(loaded)
    for part in (loaded.text, loaded.audio):  # the same numbers as blocks that share nothing
        alone = BiMamba(6, d_state=3)
        prefix = "text." if part is loaded.text else "audio."
        own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        alone.load_state_dict(own | {k: state[f"text.{k}"] for k in ("ahead.A_log", "back.A_log")})
        torch.testing.assert_close(part(x), alone(x), rtol=0, atol=0)


def test_functional_call_reaches_both_and_leaves_no_trace(pair, x):
    state, before = moved(pair.state_dict()), pair(x)
    loaded = Pair()
    loaded.load_state_dict(state)
    torch.testing.assert_close(functional_call(pair, state, (x,)), loaded(x), rtol=0, atol=0)
    torch.testing.assert_close(pair(x), before, rtol=0, atol=0)
    assert tied(pair)


def test_meta_modules_give_shapes_and_get_their_numbers_later(pair, x, valid):
    with torch.device("meta"):
        empty = Pair()
    assert empty(x.to("meta"), valid.to("meta")).shape == x.shape
    empty.to_empty(device="cpu").load_state_dict(pair.state_dict())
    assert tied(empty)
    torch.testing.assert_close(empty(x, valid), pair(x, valid), rtol=0, atol=0)


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
)
def test_copies_are_tied_among_themselves(pair, x, duplicate):
    other = duplicate(pair)
    assert tied(other) and other.text.ahead.A_log is not pair.text.ahead.A_log
    torch.testing.assert_close(other(x), pair(x), rtol=0, atol=0)


def test_a_chain_of_borrowers_has_one_owner_and_a_tie_is_not_broken_by_assignment(pair):
    third = BiMamba(6, d_state=3, shares_A_of=pair.audio)
    assert third.ahead.A_log is pair.text.ahead.A_log
    with pytest.raises(KeyError, match="A_log"):
        third.ahead.A_log = nn.Parameter(torch.zeros(12, 3))


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-6), (torch.float16, 2e-2), (torch.bfloat16, 5e-2)])
def test_other_dtypes_keep_the_tie_and_the_numbers(pair, x, valid, dtype, limit):
    other = copy.deepcopy(pair).to(dtype)
    y = other(x.to(dtype), valid)
    assert tied(other) and y.dtype == dtype and worst_error(y, pair(x, valid)) < limit
    y.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in other.parameters())


def test_autocast_computes_the_scan_in_float32(pair, x, valid):
    with torch.autocast("cpu", torch.bfloat16):
        y = pair(x, valid)
    assert y.dtype == torch.bfloat16 and worst_error(y, pair(x, valid)) < 5e-2
    y.float().sum().backward()
    assert pair.text.ahead.A_log.grad.abs().sum() > 0


# --- functional transforms ----------------------------------------------------------------------------------------


def loss(parameters, pair, x, valid):
    return functional_call(pair, parameters, (x[None], valid[None])).square().sum()


def test_torch_func_grad_and_gradients_of_each_example(pair, x, valid):
    parameters = dict(pair.named_parameters())
    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, None, 0, 0))(parameters, pair, x, valid)
    for i in range(2):
        expected = torch.autograd.grad(loss(parameters, pair, x[i], valid[i]), list(parameters.values()))
        for got, true in zip(each.values(), expected, strict=True):
            torch.testing.assert_close(got[i], true)


def test_a_gradient_of_a_vmap(pair, x, valid):
    """Within vmap no tensor says that it wants a gradient: the backward has to notice."""

    def total(parameters):
        return torch.func.vmap(lambda x, v: loss(parameters, pair, x, v))(x, valid).sum()

    parameters = dict(pair.named_parameters())
    got = torch.func.grad(total)(parameters)
    expected = torch.autograd.grad(pair(x, valid).square().sum(), list(parameters.values()))
    for name, true in zip(parameters, expected, strict=True):
        torch.testing.assert_close(got[name], true)


def test_vmap_with_lists_and_over_one_argument_alone():
    args = {k: t.detach() for k, t in problem(2, 3, 4, 2).items()}
    several = torch.stack([args["A"], 2 * args["A"]])
    for backend in ("python", "chunked", "loop"):
        got = torch.func.vmap(lambda A, backend=backend: selective_scan(**args | {"A": A}, backend=backend))(several)
        torch.testing.assert_close(got[1], selective_scan(**args | {"A": several[1]}, backend=backend))


@pytest.mark.parametrize("backend", ["python", *ENGINES])
def test_gradients_of_each_example_of_a_scan(backend):
    args = {k: t.detach().float() for k, t in problem(2, 3, 4, 2).items()}

    def loss(A):
        return selective_scan(**args | {"A": A}, backend=backend).square().sum()

    several = torch.stack([args["A"], 2 * args["A"]])
    each = torch.func.vmap(torch.func.grad(loss))(several)
    torch.testing.assert_close(each, torch.stack([torch.func.grad(loss)(A) for A in several]))


@pytest.mark.parametrize("backend", ["python", *ENGINES])
def test_second_derivatives_and_forward_mode_are_refused_in_a_sentence(backend):
    args = problem(1, 2, 3, 2)
    y = selective_scan(**args, backend=backend)
    (first,) = torch.autograd.grad(y.square().sum(), args["u"], create_graph=True)
    with pytest.raises(ValueError, match='no second derivative: .* backend="loop"'):
        first.sum().backward()
    with pytest.raises(NotImplementedError, match="jvp|forward mode"):
        torch.func.jvp(lambda u: selective_scan(**args | {"u": u}, backend=backend), (args["u"],), (args["u"],))


@pytest.mark.parametrize("backend", ["loop", "reference"])
def test_second_derivatives_where_they_are_promised(backend):
    args = problem(1, 2, 3, 2, dtype=torch.float64)

    def scan(*tensors):
        return selective_scan(**dict(zip(args, tensors, strict=True)), delta_softplus=True, backend=backend)

    assert torch.autograd.gradgradcheck(scan, tuple(args.values()))


def test_a_block_of_loops_has_a_hessian_and_agrees_with_differences():
    torch.manual_seed(0)
    block, x = MambaBlock(3, d_state=2, backend="loop").double(), torch.randn(1, 3, 3, dtype=torch.float64)
    hessian = torch.func.hessian(lambda x: block(x).square().sum())(x).reshape(9, 9)
    gradient, step = torch.func.grad(lambda x: block(x).square().sum()), torch.zeros_like(x)
    step[0, 1, 2] = 1e-5
    torch.testing.assert_close(
        hessian[5], ((gradient(x + step) - gradient(x - step)) / 2e-5).flatten(), rtol=1e-5, atol=1e-8
    )


# --- tracing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("B", "C", "options"), [("var", "var", ("D", "z", "delta_bias")), ("const", 2, ()), (2, 3, ("D",))]
)
def test_operators_pass_torchs_own_checks(engine, B, C, options):
    args = checked(**{k: t.detach() for k, t in problem(2, 6, 9, 3, B, C, options).items()}, delta_softplus=True)
    args = scan_operator.ENGINES[engine].prepared(args)
    x = Operands(args.u, args.delta, args.A, args.B, args.C, args.D, args.z, args.delta_bias, args.state(), True)
    leaves = [t.requires_grad_() if isinstance(t, torch.Tensor) else t for t in x]
    torch.library.opcheck(scan_operator.scan, (*leaves, False, engine))
    tensors = [t.detach() if isinstance(t, torch.Tensor) else t for t in x[:9]]
    y, last, kept = scan_operator.scan(*tensors, True, True, engine)
    once = ("test_schema", "test_faketensor")  # it has no derivative of its own
    torch.library.opcheck(scan_operator.scan_backward, (y, last, *tensors, kept, True, True, engine), test_utils=once)


@needs_native
@pytest.mark.parametrize("bias", [True, False])
def test_the_convolution_and_the_masks_pass_torchs_own_checks(bias):
    x = torch.randn(2, 5, 3).transpose(1, 2).requires_grad_()
    weight, bias = torch.randn(3, 4, requires_grad=True), torch.randn(3, requires_grad=True) if bias else None
    torch.library.opcheck(conv.conv, (x, weight, bias))
    args = [None if t is None else t.detach() for t in (x, x, weight, bias)]
    torch.library.opcheck(conv.conv_backward, args, test_utils=("test_schema", "test_faketensor"))
    torch.library.opcheck(right_padded, (torch.tensor([[True, False]]),))


@pytest.mark.parametrize("first_eagerly", [False, True])
def test_compiled_like_eager_values_gradients_and_masks(pair, x, valid, first_eagerly):
    torch._dynamo.reset()
    backends.status.cache_clear()
    if first_eagerly:
        pair(x, valid)
    y = torch.compile(pair, backend="aot_eager", fullgraph=True)(x, valid)
    got = torch.autograd.grad(y.square().sum(), list(pair.parameters()))
    expected = torch.autograd.grad(pair(x, valid).square().sum(), list(pair.parameters()))
    torch.testing.assert_close(y, pair(x, valid))
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_one_compiled_program_serves_every_length(x):
    torch._dynamo.reset()
    block = MambaBlock(6, d_state=3)
    compiled = torch.compile(block, backend="aot_eager", dynamic=True, fullgraph=True)
    for length in (7, 8, 200):
        x = torch.randn(3, length, 6)
        torch.testing.assert_close(compiled(x), block(x))


def test_inductor_compiles_a_simplified_layer():
    """The default compiler, on the smallest module that holds a scan: it takes long."""
    torch._dynamo.reset()
    layer, x = SimplifiedMambaLayer(4), torch.randn(2, 5, 4)
    y = torch.compile(layer, fullgraph=True)(x)
    torch.testing.assert_close(y, layer(x))
    got, expected = (torch.autograd.grad(t.square().sum(), list(layer.parameters())) for t in (y, layer(x)))
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_a_loop_compiles_and_lists_break_the_graph(x):
    for backend in ("loop", "python"):
        torch._dynamo.reset()
        block = MambaBlock(6, d_state=2, backend=backend)
        y = torch.compile(block, backend="aot_eager")(x[:1, :3])
        torch.testing.assert_close(y, block(x[:1, :3]))
        got, expected = (torch.autograd.grad(t.square().sum(), block.A_log)[0] for t in (y, block(x[:1, :3])))
        torch.testing.assert_close(got, expected)


def test_an_exported_program_serves_other_sizes_is_saved_and_can_be_trained(pair, x, valid):
    sizes = {0: torch.export.Dim("b", min=2), 1: torch.export.Dim("l", min=2)}
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(pair, (x, valid), dynamic_shapes=(sizes, sizes)), buffer)
    assert b"native" not in buffer.getvalue()  # it must run where there is no compiler
    buffer.seek(0)
    program = torch.export.load(buffer).module()
    x, valid = torch.randn(3, 20, 6), torch.tensor([20, 1, 8])[:, None] > torch.arange(20)
    torch.testing.assert_close(program(x, valid), pair(x, valid), rtol=1e-4, atol=1e-6)
    program(x, valid).square().sum().backward()
    pair(x, valid).square().sum().backward()
    torch.testing.assert_close(program.text.ahead.A_log.grad, pair.text.ahead.A_log.grad, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="valid must be True, then False"):
        program(x, valid.flip(1))


def test_lists_are_not_exported(x):
    with pytest.raises(ValueError, match='backend "python" computes with lists, which cannot be exported'):
        torch.export.export(MambaBlock(6, backend="python"), (x,))


@pytest.mark.filterwarnings("ignore")
def test_jit_trace_is_saved_and_can_be_trained(pair, x):
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(pair, (x,)), buffer)
    buffer.seek(0)
    program = torch.jit.load(buffer)
    torch.testing.assert_close(program(2 * x), pair(2 * x))
    got = torch.autograd.grad(program(x).square().sum(), program.text.ahead.A_log)[0]
    torch.testing.assert_close(got, torch.autograd.grad(pair(x).square().sum(), pair.text.ahead.A_log)[0])


# --- masks --------------------------------------------------------------------------------------------------------

WRONG = {"on the left": [[0, 1, 1]], "a hole": [[1, 0, 1]], "one row of two": [[1, 1, 0], [0, 0, 1]]}


@pytest.mark.parametrize("mask", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize(
    "call",
    [
        lambda x, v: BiMamba(4)(x, v),
        lambda x, v: MambaBlock(4)(x, v),
        lambda x, v: MambaLayer(4, layer="simplified")(x, v),
        lambda x, v: SimplifiedMambaLayer(4)(x, v),
        flip_valid,
        lambda x, v: torch.func.vmap(flip_valid)(x[None], v[None]),
        lambda x, v: torch.compile(flip_valid, backend="aot_eager")(x, v),
    ],
    ids=["BiMamba", "MambaBlock", "MambaLayer", "SimplifiedMambaLayer", "flip_valid", "vmap", "compiled"],
)
def test_padding_that_is_not_behind_the_end_is_refused(call, mask):
    valid = torch.tensor(mask, dtype=torch.bool)
    with pytest.raises(ValueError, match="valid must be True, then False"):
        call(torch.randn(*valid.shape, 4), valid)


def test_masks_of_whole_empty_and_shortest_clips_are_right():
    x = torch.randn(2, 1, 4)
    valid = torch.tensor([[True], [False]])
    y = BiMamba(4)(x, valid)
    assert y[0].any() and not y[1].any()
    assert torch.equal(flip_valid(x, valid), x)


# --- extremes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["python", "loop", *ENGINES])
def test_extremes_equal_the_oracle(backend):
    args = problem(2, 4, 6, 3)
    strong = args | {"A": (1e4 * args["A"].detach()).requires_grad_()}
    frozen = {k: t.detach().requires_grad_(k == "B") for k, t in args.items()}
    expanded = args | {"u": torch.randn(1, 1, 1).expand(2, 4, 6), "D": torch.ones(1).expand(4)}
    strided = args | {"u": torch.randn(6, 4, 4).permute(2, 1, 0)[::2], "A": -torch.rand(3, 8).t()[::2]}
    for case in (strong, frozen, expanded, strided, problem(2, 4, 1, 3)):
        exact = {k: t.detach().double() for k, t in case.items()}
        results = [
            selective_scan(**a, delta_softplus=True, backend=b) for a, b in ((case, backend), (exact, "reference"))
        ]
        assert worst_error(*results) < 1e-5
    mixed = args | {
        "u": args["u"].detach().bfloat16(),
        "z": args["z"].detach().half(),
        "A": args["A"].detach().double(),
    }
    if backend != "native":  # it has no float64 and says so
        y, last = selective_scan(**mixed, delta_softplus=True, return_last_state=True, backend=backend)
        exact = {k: t.detach().double() for k, t in mixed.items()}
        assert (y.dtype, last.dtype) == (torch.bfloat16, torch.float64)
        assert worst_error(y, selective_scan(**exact, delta_softplus=True, backend="reference")) < 1e-2


@pytest.mark.parametrize("layer", [MambaBlock(4), SimplifiedMambaLayer(4)], ids=["block", "simplified"])
@pytest.mark.parametrize("bad", [torch.ones(2, 3, 4, dtype=torch.int64), torch.ones(2, 3, 5), torch.ones(3, 4)])
def test_a_layer_says_what_it_takes(layer, bad):
    with pytest.raises(ValueError, match=r"x must be a floating-point tensor \(b,l,d\) with d = 4, but is torch\."):
        layer(bad)


def test_a_block_with_an_unknown_backend_names_the_known_ones(x):
    with pytest.raises(ValueError, match="backend must be \"auto\" or one of python, .* but is 'fast'"):
        MambaBlock(6, backend="fast")(x)


def test_a_clip_without_steps_is_refused():
    with pytest.raises(ValueError, match="every size must be at least 1"):
        MambaBlock(4)(torch.ones(2, 0, 4))


def test_a_default_dtype_or_a_mode_of_the_caller_does_not_condemn_a_backend():
    for mode in (torch.device("meta"), torch.inference_mode(), torch.autocast("cpu", torch.bfloat16)):
        backends.status.cache_clear()
        with mode:
            assert backends.status("chunked", "cpu") == "ok"
    torch.set_default_dtype(torch.float64)
    try:
        backends.status.cache_clear()
        before = backends.status("native")
    finally:
        torch.set_default_dtype(torch.float32)
        backends.status.cache_clear()
    assert before == backends.status("native")


def test_the_state_and_the_output_have_gradients_on_auto():
    args = problem(2, 3, 5, 2)
    exact = {k: t.detach().double().requires_grad_() for k, t in args.items()}
    truth = outputs_and_gradients(exact, "reference")
    for name, got in outputs_and_gradients(args, "auto").items():
        assert worst_error(got, truth[name]) < 1e-4


@pytest.mark.parametrize("function", [scan_operator.Scan, scan_operator.ScanGradients, conv.Convolution])
def test_the_signature_that_torch_finds_is_the_functions_own(function):
    """torch binds arguments to it at every call: a stale one would give an engine another's."""
    code = function.forward.__code__
    assert list(inspect.signature(function.forward).parameters) == list(code.co_varnames[: code.co_argcount])
