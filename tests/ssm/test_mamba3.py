"""Mamba-3: the chunked scan equals the recurrence in lists of complex numbers; the block is the published one."""

import ast
import math

import pytest
import torch
from torch import nn

from mgmr_lib.bench import peers
from mgmr_lib.paths import cache_dir
from mgmr_lib.ssm import BiMamba, Mamba3Block, mamba3_scan, ssd_scan
from mgmr_lib.ssm.mamba3 import angle_sums, list_mamba3
from tests.ssm.cases import assert_padding_reaches_nothing, assert_steps_equal_the_whole
from tests.ssm.test_blocks import lengths_to_valid, shaken


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def problem(b, l, h, p, n, k, dtype=torch.float64, decay=1.0):
    """x, dt, A, B, C, trapezoid, angle, D, z."""
    x, z = torch.randn(2, b, l, h, p, dtype=torch.float64)
    B, C = torch.randn(2, b, l, h, n, dtype=torch.float64)
    dt, A = torch.rand(2, b, l, h, dtype=torch.float64) + 0.1
    trapezoid, angle = torch.rand(b, l, h, dtype=torch.float64), 4 * torch.randn(b, l, h, k, dtype=torch.float64)
    args = dict(x=x, dt=dt, A=-decay * A, B=B, C=C, trapezoid=trapezoid, angle=angle, D=torch.randn(h).double(), z=z)
    return {name: t.to(dtype).requires_grad_() for name, t in args.items()}


def by_lists(args: dict) -> torch.Tensor:
    """y without the gate."""
    b, l, h, p = args["x"].shape
    y = torch.empty(b, l, h, p, dtype=torch.float64)
    for i in range(b):
        for j in range(h):
            one = [args[k][i, :, j].tolist() for k in ("x", "dt", "A", "B", "C", "trapezoid", "angle")]
            y[i, :, j] = torch.tensor(list_mamba3(*one, args["D"][j].item()), dtype=torch.float64)
    return y


@pytest.mark.parametrize(
    "shape", [(2, 17, 3, 2, 6, 2), (1, 1, 1, 1, 2, 1), (1, 70, 2, 3, 5, 2), (1, 9, 2, 2, 4, 0)], ids=str
)
@pytest.mark.parametrize("chunk", [None, 1, 5])
def test_the_scan_equals_the_recurrence_in_lists(shape, chunk):
    args = problem(*shape)
    truth = by_lists(args)
    y = mamba3_scan(**args, chunk=chunk)
    torch.testing.assert_close(y, truth * torch.nn.functional.silu(args["z"]), rtol=1e-10, atol=1e-10)
    single = {k: t.float() for k, t in args.items()}
    error = (mamba3_scan(**single, chunk=chunk).double() - y).abs().max() / y.abs().max()
    assert error < 1e-5


def test_without_rotation_and_with_all_weight_on_its_own_input_it_is_mamba_2():
    args = problem(2, 20, 3, 4, 6, 2)
    with torch.no_grad():
        args["angle"].zero_()
        args["trapezoid"].fill_(1.0)
        args["A"].copy_(args["A"][:1, :1].expand_as(args["A"]))
    x, dt, A, B, C, _, _, D, z = args.values()
    torch.testing.assert_close(mamba3_scan(**args), ssd_scan(x, dt, A[0, 0], B, C, D, z), rtol=1e-10, atol=1e-10)
    args["angle"] = args["angle"] + 1.0
    assert (mamba3_scan(**args) - ssd_scan(x, dt, A[0, 0], B, C, D, z)).abs().max() > 0.1


def test_a_turn_of_half_a_circle_counts_what_decay_cannot():
    """One pair, angle pi at every step, no decay: the sign of the state is the parity of the steps."""
    ones = torch.ones(1, 7, 1, 1)
    B = torch.tensor([1.0, 0.0]).expand(1, 7, 1, 2)
    x = torch.zeros(1, 7, 1, 1)
    x[0, 0] = 1.0
    y = mamba3_scan(x, ones[..., 0], 0 * ones[..., 0], B, B, ones[..., 0], math.pi * ones)
    torch.testing.assert_close(y.flatten(), torch.tensor([1.0, -1, 1, -1, 1, -1, 1]), rtol=0, atol=1e-5)


def test_gradients_by_finite_differences():
    args = problem(1, 4, 2, 1, 3, 1)

    def run(*tensors):
        y, state = mamba3_scan(**dict(zip(args, tensors, strict=True)), chunk=3, return_last_state=True)
        return y, state.h, state.B, state.x

    assert torch.autograd.gradcheck(run, tuple(args.values()), fast_mode=True)


def test_strong_decay_and_long_sequences_stay_finite_and_keep_the_angle():
    args = problem(1, 8192, 1, 2, 2, 1, dtype=torch.float32, decay=1e4)
    y = mamba3_scan(**args)
    assert all(t.isfinite().all() for t in (y, *torch.autograd.grad(y.square().sum(), list(args.values()))))
    steps = torch.full((1, 8192, 1, 1), 3.0)
    assert angle_sums(steps, torch.zeros(1, 1, 1))[0, -1].item() == pytest.approx(
        math.fmod(3 * 8192, 2 * math.pi), abs=1e-6
    )


def test_a_sequence_may_be_cut_and_carried_on():
    args = problem(2, 12, 2, 3, 4, 1)
    whole, last = mamba3_scan(**args, return_last_state=True)
    parts, state = [], None
    for cut in (slice(0, 5), slice(5, 6), slice(6, 12)):
        part = {k: t if k == "D" else t[:, cut] for k, t in args.items()}
        y, state = mamba3_scan(**part, initial_state=state, return_last_state=True)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-10, atol=1e-10)
    for got, expected in zip(state, last, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)


def test_padding_changes_no_state_and_gives_zero():
    args, lengths = problem(3, 9, 2, 3, 4, 1), [9, 1, 6]
    valid = lengths_to_valid(lengths, 9)
    with torch.no_grad():
        for name in set(args) - {"D"}:
            args[name][~valid] = float("nan")
    y, last = mamba3_scan(**args, return_last_state=True, valid=valid)
    assert not y[~valid].any()
    gradients = torch.autograd.grad(y.sum() + last.h.sum(), list(args.values()))
    assert all(g.isfinite().all() for g in gradients)
    for i, length in enumerate(lengths):
        own = {k: t if k == "D" else t[i : i + 1, :length] for k, t in args.items()}
        alone, state = mamba3_scan(**own, return_last_state=True)
        torch.testing.assert_close(y[i : i + 1, :length], alone, rtol=1e-10, atol=1e-10)
        for got, expected in zip(last, state, strict=True):
            torch.testing.assert_close(got[i : i + 1], expected, rtol=1e-10, atol=1e-10)


def reference_function(member: str, name: str):
    """One function of a file of mamba_ssm's archive, without the file's imports, which want a GPU's packages."""
    tree = ast.parse(peers.mamba_ssm_source(member))
    (found,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    space: dict = {"torch": torch, "math": math}
    imports = ast.parse("from typing import Optional").body
    exec(compile(ast.Module([*imports, found], []), member, "exec"), space)
    return space[name]


@pytest.mark.parametrize("options", [{}, {"rope_fraction": 1.0, "ngroups": 2}], ids=str)
def test_weights_of_mamba_ssm_give_the_same_outputs_and_load_both_ways(options):
    """Its module, step by step, with its own reference functions in the place of its kernels."""
    if not (cache_dir() / "peers" / peers.SDIST).exists():
        pytest.skip("mamba_ssm's source archive is not in the cache: `python -m mgmr_lib bench` downloads it")
    rotate = reference_function("ops/triton/mamba3/mamba3_mimo_rotary_step.py", "apply_rotary_qk_inference_reference")
    update = reference_function("ops/cute/mamba3/mamba3_step_fn.py", "selective_state_update_fused_ref_v2")

    def step(state, k, v, A, B, C, D, x, dt, trap, xproj, outproj, out, z, zproj, **_):
        y, new = update(state, A, B, C, xproj, x, zproj, z, dt, k, v, trap, D, outproj)
        out.copy_(y)
        state.copy_(new)

    made = peers.mamba_ssm_module(
        "modules/mamba3.py",
        RMSNorm=nn.RMSNorm,
        mamba3_step_fn=step,
        apply_rotary_qk_inference_fwd=lambda inplace, **rest: rotate(**rest),
    )
    ours_options = {"rope_fraction": options.get("rope_fraction", 0.5), "n_groups": options.get("ngroups", 1)}
    theirs = shaken(made.Mamba3(12, d_state=8, expand=2, headdim=6, **options))
    ours = Mamba3Block(12, d_state=8, expand=2, head_dim=6, **ours_options)
    x = torch.randn(2, 11, 12)

    def their_outputs():
        state, ys = theirs.allocate_inference_cache(2, 11), []
        with torch.no_grad():
            for x_t in x.unbind(1):
                y, *state = theirs.step(x_t, *state)
                ys.append(y)
        return torch.stack(ys, 1)

    if ours_options["n_groups"] == 1:  # their step spreads one group alone over the heads
        ours.load_state_dict(theirs.state_dict(), strict=True)
        torch.testing.assert_close(ours(x), their_outputs(), rtol=1e-5, atol=1e-5)
        theirs.load_state_dict(shaken(ours).state_dict(), strict=True)
        torch.testing.assert_close(ours(x), their_outputs(), rtol=1e-5, atol=1e-5)
    else:
        theirs.load_state_dict(ours.state_dict(), strict=True)


@pytest.mark.parametrize("partner", [False, True])
def test_step_by_step_equals_the_whole_sequence(partner):
    block = shaken(Mamba3Block(8, d_state=6, head_dim=4, n_groups=2, partner=partner))
    assert_steps_equal_the_whole(block, partner)


@pytest.mark.parametrize("garbage", [1e30, float("nan"), float("inf")])
def test_padding_reaches_nothing(garbage):
    for layer in (shaken(Mamba3Block(8, 4, head_dim=4)), shaken(BiMamba(8, 4, head_dim=4, block=Mamba3Block))):
        assert_padding_reaches_nothing(layer, garbage)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x": torch.ones(2, 5, 6)}, r"x must be \(b,l,h,p\)"),
        ({"dt": torch.ones(2, 5)}, r"dt must be \(2, 5, 4\)"),
        ({"C": torch.ones(2, 5, 4, 5)}, r"C must be \(2, 5, 4, 6\)"),
        ({"angle": torch.ones(2, 5, 4, 4)}, "at most half of n = 6"),
        ({"A": None}, "A must be a floating-point tensor"),
        ({"D": torch.ones(4, 3)}, r"D must be \(4,\)"),
    ],
)
def test_wrong_shapes_are_one_clear_sentence(change, says):
    args = {"x": torch.ones(2, 5, 4, 3), "dt": torch.ones(2, 5, 4), "A": -torch.ones(2, 5, 4)}
    args |= {"B": torch.ones(2, 5, 4, 6), "C": torch.ones(2, 5, 4, 6), "trapezoid": torch.ones(2, 5, 4)}
    with pytest.raises(ValueError, match=says):
        mamba3_scan(**(args | {"angle": torch.ones(2, 5, 4, 3)} | change))


def test_blocks_that_cannot_turn_are_refused():
    for options in ({"d_state": 3}, {"rope_fraction": 0.3}):
        with pytest.raises(ValueError, match="rope_fraction must be 0.5 or 1"):
            Mamba3Block(8, head_dim=4, **options)
    with pytest.raises(ValueError, match="partner=True"):
        Mamba3Block(8, 4, head_dim=4)(torch.ones(1, 2, 8), partner=torch.ones(1, 2, 8))
