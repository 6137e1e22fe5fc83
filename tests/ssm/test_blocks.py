"""The Mamba block is the published one, and padding, streaming and sharing change nothing that they should not."""

import copy

import pytest
import torch
import torch.nn.functional as F
from transformers import MambaConfig
from transformers.models.mamba.modeling_mamba import MambaMixer

from mgmr_lib.bench import peers
from mgmr_lib.paths import cache_dir
from mgmr_lib.ssm import (
    BiMamba,
    MambaBlock,
    MambaLayer,
    SimplifiedMambaLayer,
    flip_valid,
    make_block,
    selective_scan,
    zero_padding,
)

OFFICIAL = {
    "in_proj.weight",
    "conv1d.weight",
    "conv1d.bias",
    "x_proj.weight",
    "dt_proj.weight",
    "dt_proj.bias",
    "A_log",
    "D",
    "out_proj.weight",
}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def lengths_to_valid(lengths, length):
    return torch.arange(length) < torch.tensor(lengths)[:, None]


def shaken(module):
    """The same module with every parameter moved, so that no initial value (D = 1, gamma, ...) hides a mistake."""
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return module


def layers(d=8):
    yield shaken(MambaBlock(d, d_state=4))
    yield shaken(BiMamba(d, d_state=3, d_conv=2, expand=3))
    yield shaken(SimplifiedMambaLayer(d))
    yield shaken(MambaLayer(d, d_state=4))
    yield shaken(MambaLayer(d, layer="simplified", norm="rms"))


@pytest.mark.parametrize(("d", "n", "taps", "expand"), [(16, 16, 4, 2), (20, 5, 3, 1), (32, 12, 4, 4)])
def test_weights_of_huggingface_give_the_same_outputs_and_load_both_ways(d, n, taps, expand):
    config = MambaConfig(
        hidden_size=d, state_size=n, conv_kernel=taps, expand=expand, num_hidden_layers=1, vocab_size=8
    )
    theirs = shaken(MambaMixer(config, layer_idx=0))
    ours = MambaBlock(d, n, taps, expand)
    assert set(ours.state_dict()) == OFFICIAL
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(3, 17, d)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
    fresh = shaken(MambaBlock(d, n, taps, expand))
    theirs.load_state_dict(fresh.state_dict(), strict=True)
    torch.testing.assert_close(fresh(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_weights_of_mamba_ssm_give_the_same_outputs_and_load_both_ways():
    """Its own Python code, from its source archive, with its reference scan in place of the compiled one."""
    if not (cache_dir() / "peers" / peers.SDIST).exists():
        pytest.skip("mamba_ssm's source archive is not in the cache: `python -m mgmr_lib bench` downloads it")
    reference = peers.mamba_ssm_module("ops/selective_scan_interface.py").selective_scan_ref
    made = peers.mamba_ssm_module("modules/mamba_simple.py", selective_scan_fn=reference, mamba_inner_fn=None)
    theirs = shaken(made.Mamba(16, d_state=5, d_conv=3, expand=3, use_fast_path=False))
    ours = MambaBlock(16, d_state=5, d_conv=3, expand=3)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 13, 16)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
    fresh = shaken(MambaBlock(16, d_state=5, d_conv=3, expand=3))
    theirs.load_state_dict(fresh.state_dict(), strict=True)
    torch.testing.assert_close(fresh(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_initialisation_is_the_official_one():
    block = MambaBlock(256, d_state=8, dt_min=0.001, dt_max=0.1)
    dt = F.softplus(block.dt_proj.bias)
    assert dt.min() >= 0.001 * 0.999 and dt.max() <= 0.1 * 1.001
    # log-uniform: the median lies at the geometric mean, 0.01
    assert dt.log().median().exp().item() == pytest.approx(0.01, rel=0.35)
    torch.testing.assert_close(-torch.exp(block.A_log), -torch.arange(1.0, 9.0).expand(512, 8))
    assert torch.equal(block.D, torch.ones(512))
    bound = block.dt_rank**-0.5
    assert 0.95 * bound < block.dt_proj.weight.abs().max() <= bound and block.dt_rank == 16
    assert block.A_log._no_weight_decay and block.D._no_weight_decay
    assert torch.equal(MambaBlock(32, dt_init="constant", dt_scale=3.0).dt_proj.weight, torch.full((64, 2), 3 / 2**0.5))


def test_an_unknown_initialisation_or_a_wrong_shared_matrix_is_refused():
    with pytest.raises(ValueError, match="dt_init"):
        MambaBlock(8, dt_init="zeros")
    with pytest.raises(ValueError, match=r"a shared A_log must be \(e,n\) = \(16, 4\)"):
        MambaBlock(8, d_state=4, shares_A_of=MambaBlock(8, d_state=5))


@pytest.mark.parametrize(
    "make",
    [
        lambda: MambaBlock(8, d_state=4),
        lambda: SimplifiedMambaLayer(8),
        lambda: MambaBlock(8, d_state=4, d_conv=1, conv_bias=False),
    ],
)
def test_step_by_step_equals_the_whole_sequence(make):
    layer = shaken(make())
    x = torch.randn(3, 11, 8)
    state, ys = layer.allocate_state(3), []
    for x_t in x.unbind(1):
        y, state = layer.step(x_t, state)
        ys.append(y)
    torch.testing.assert_close(torch.stack(ys, 1), layer(x), rtol=1e-5, atol=1e-5)


def test_step_by_step_with_a_partner():
    block = shaken(MambaBlock(8, d_state=4, partner=True))
    x, partner = torch.randn(2, 2, 6, 8).unbind(0)
    state, ys = block.allocate_state(2), []
    for x_t, p_t in zip(x.unbind(1), partner.unbind(1), strict=True):
        y, state = block.step(x_t, state, p_t)
        ys.append(y)
    torch.testing.assert_close(torch.stack(ys, 1), block(x, partner=partner), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", list(layers()), ids=lambda m: type(m).__name__)
def test_a_padded_batch_equals_each_clip_alone(layer):
    lengths, x = [9, 1, 6], torch.randn(3, 9, 8)
    y = layer(x, lengths_to_valid(lengths, 9))
    for i, length in enumerate(lengths):
        torch.testing.assert_close(y[i, :length], layer(x[i : i + 1, :length])[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", list(layers()), ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("garbage", [0.0, 1e30, float("nan"), float("inf")])
def test_garbage_in_the_padding_reaches_neither_outputs_nor_gradients(layer, garbage):
    valid = lengths_to_valid([7, 3], 7)
    clean = torch.randn(2, 7, 8)
    results = []
    for filling in (5.0, garbage):
        x = clean.masked_fill(~valid[..., None], filling).requires_grad_()
        layer.zero_grad()
        y = layer(x, valid)
        y[valid].square().sum().backward()
        gradients = [p.grad.clone() for p in layer.parameters()]
        results.append([y[valid].detach(), x.grad, *gradients])
        assert not x.grad[~valid].any()
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected)


def test_padding_is_zero_at_the_output():
    valid = lengths_to_valid([4, 2], 4)
    for layer in (MambaBlock(8), SimplifiedMambaLayer(8)):
        assert not layer(torch.randn(2, 4, 8), valid)[~valid].any()


def test_a_mask_of_another_shape_or_type_is_refused():
    with pytest.raises(ValueError, match=r"valid must be a bool mask \(b,l\) = \(2, 4\)"):
        MambaBlock(8)(torch.randn(2, 4, 8), torch.ones(2, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match="valid must be a bool mask"):
        flip_valid(torch.randn(2, 4, 8), torch.ones(2, 4))


def test_flip_reverses_the_valid_part_only_and_twice_is_nothing():
    x = torch.arange(8.0).view(2, 4).unsqueeze(-1)
    valid = lengths_to_valid([4, 2], 4)
    assert flip_valid(x, valid).squeeze(-1).tolist() == [[3, 2, 1, 0], [5, 4, 6, 7]]
    assert torch.equal(flip_valid(flip_valid(x, valid), valid), x)
    assert torch.equal(flip_valid(x), x.flip(1))
    assert flip_valid(x.squeeze(-1), valid).shape == (2, 4)
    assert torch.equal(zero_padding(x, None), x)


def test_both_directions_are_averaged_and_mirror_each_other():
    """With the two blocks swapped, a reversed clip gives the reversed output."""
    bi = shaken(BiMamba(8, d_state=4))
    x = torch.randn(2, 7, 8)
    torch.testing.assert_close(bi(x), (bi.ahead(x) + bi.back(x.flip(1)).flip(1)) / 2)
    swapped = copy.deepcopy(bi)
    swapped.ahead, swapped.back = swapped.back, swapped.ahead
    torch.testing.assert_close(swapped(x.flip(1)).flip(1), bi(x), rtol=1e-5, atol=1e-5)


def test_the_backward_direction_sees_the_future():
    bi = BiMamba(8)
    x = torch.randn(1, 6, 8, requires_grad=True)
    bi(x)[0, 0].sum().backward()
    assert x.grad[0, 5].abs().sum() > 0


def test_a_shared_state_matrix_is_one_parameter():
    class Pair(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.text = BiMamba(8, d_state=4)
            self.audio = BiMamba(8, d_state=4, shares_A_of=self.text)

    pair = shaken(Pair())
    names = [name for name in pair.state_dict() if name.endswith("A_log")]
    assert names == ["text.ahead.A_log", "text.back.A_log"]
    assert len({id(p) for p in pair.parameters()}) == len(list(pair.parameters()))
    for module in (pair, copy.deepcopy(pair), pair.double()):
        assert module.audio.ahead.A_log is module.text.ahead.A_log
    x = torch.randn(1, 5, 8, dtype=torch.float64)
    pair.audio(x).sum().backward()
    assert pair.text.ahead.A_log.grad.abs().sum() > 0 and pair.text.ahead.in_proj.weight.grad is None
    other = Pair().double()
    other.load_state_dict(pair.state_dict(), strict=True)
    torch.testing.assert_close(other.audio(x), pair.audio(x))


def test_a_partner_changes_what_is_selected_and_gets_a_gradient():
    block = shaken(MambaBlock(8, d_state=4, partner=True))
    assert set(block.state_dict()) == OFFICIAL | {"partner_proj.weight"}
    assert tuple(block.partner_proj.weight.shape) == (block.dt_rank + 2 * 4, 8)
    x, partner = torch.randn(2, 6, 8), torch.randn(2, 6, 8, requires_grad=True)
    valid = lengths_to_valid([6, 3], 6)
    y = block(x, valid, partner)
    y.square().sum().backward()
    assert partner.grad[valid].abs().amin() > 0 and not partner.grad[~valid].any()
    without = MambaBlock(8, d_state=4)
    without.load_state_dict({k: v for k, v in block.state_dict().items() if k in OFFICIAL})
    torch.testing.assert_close(block(x, valid, torch.zeros_like(x)), without(x, valid))
    assert (y - without(x, valid)).abs().max() > 1e-4


def test_a_partner_is_time_aligned_in_both_directions():
    """What the partner says at one step must act at that step, in the backward block too."""
    bi = shaken(BiMamba(8, d_state=4, partner=True))
    x, partner = torch.randn(2, 1, 7, 8).unbind(0)
    expected = bi.back(x[:, :5].flip(1), None, partner[:, :5].flip(1)).flip(1)
    got = 2 * bi(x, lengths_to_valid([5], 7), partner)[:, :5] - bi.ahead(x[:, :5], None, partner[:, :5])
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("built", "given"), [(True, False), (False, True)])
def test_a_missing_or_surplus_partner_is_refused(built, given):
    x = torch.randn(1, 3, 8)
    with pytest.raises(ValueError, match="partner=True"):
        MambaBlock(8, partner=built)(x, partner=x if given else None)


@pytest.mark.parametrize("backend", ["python", "reference", "loop", "chunked"])
def test_the_simplified_layer_is_the_equation(backend):
    """h_t = lambda h_{t-1} + gamma x_t; x'_t = phi(W h_t + b)."""
    layer = shaken(SimplifiedMambaLayer(5, backend=backend)).double()
    x = torch.randn(2, 9, 5, dtype=torch.float64)
    lam, h, expected = torch.exp(-F.softplus(layer.decay)), torch.zeros(2, 5, dtype=torch.float64), []
    for x_t in x.unbind(1):
        h = lam * h + layer.gamma * x_t
        expected.append(torch.relu(layer.proj.weight @ h.T + layer.proj.bias[:, None]).T)
    torch.testing.assert_close(layer(x), torch.stack(expected, 1), rtol=1e-10, atol=1e-10)


def test_the_simplified_layer_stays_stable_and_starts_with_many_time_scales():
    layer = SimplifiedMambaLayer(4000, time_scales=100.0)
    scales = -1 / layer.lam.log()
    assert 1 - 1e-4 <= scales.min() and scales.max() <= 100.1
    assert scales.log().mean().item() == pytest.approx(torch.tensor(100.0).log().item() / 2, rel=0.05)
    torch.testing.assert_close(layer.gamma.square() + layer.lam.square(), torch.ones(4000))
    with torch.no_grad():
        layer.decay.uniform_(-12, 30)
    assert (layer.lam > 0).all() and (layer.lam < 1).all()


def test_the_simplified_layer_learns():
    layer = shaken(SimplifiedMambaLayer(4, activation="gelu").double())
    x = torch.randn(1, 4, 4, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in layer.named_parameters()]

    def run(x, *parameters):
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x, *layer.parameters()))


def test_a_residual_layer_is_x_plus_the_mixer_of_the_norm():
    x = torch.randn(2, 5, 8)
    for layer in (MambaLayer(8), MambaLayer(8, layer="simplified", norm="rms")):
        torch.testing.assert_close(layer(x), x + layer.mixer(layer.norm(x)))
        assert tuple(layer(x).shape) == (2, 5, 8)
    dropped = MambaLayer(8, dropout=1.0)
    assert torch.equal(dropped.train()(x), x)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layer": "mamba"}, "selective"),
        ({"norm": "batch"}, "layer"),
        ({"layer": "simplified", "activation": "elu"}, "relu"),
    ],
)
def test_unknown_options_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        MambaLayer(8, **options)


def test_the_block_is_the_equations_of_the_paper():
    """Rebuilt from its parameters with plain operations and the float64 oracle."""
    block = shaken(MambaBlock(6, d_state=3, d_conv=3)).double()
    x = torch.randn(2, 7, 6, dtype=torch.float64)
    inner, z = (x @ block.in_proj.weight.T).chunk(2, -1)
    padded = F.pad(inner, (0, 0, 2, 0))
    inner = sum(padded[:, i : i + 7] * block.conv1d.weight[:, 0, i] for i in range(3)) + block.conv1d.bias
    inner = inner * torch.sigmoid(inner)
    low, B, C = (inner @ block.x_proj.weight.T).split([block.dt_rank, 3, 3], -1)
    delta = low @ block.dt_proj.weight.T
    y = selective_scan(
        *(t.transpose(1, 2) for t in (inner, delta)),
        -torch.exp(block.A_log),
        B.transpose(1, 2),
        C.transpose(1, 2),
        block.D,
        z.transpose(1, 2),
        block.dt_proj.bias,
        True,
        backend="reference",
    )
    torch.testing.assert_close(block(x), y.transpose(1, 2) @ block.out_proj.weight.T, rtol=1e-10, atol=1e-10)


def test_autocast_and_bfloat16_parameters_run():
    x = torch.randn(2, 5, 8)
    block = MambaBlock(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = block(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), block(x), rtol=0.05, atol=0.02)
    y = copy.deepcopy(block).bfloat16()(x.bfloat16())
    torch.testing.assert_close(y.float(), block(x), rtol=0.05, atol=0.02)


def test_a_block_says_which_ranks_and_layers_there_are():
    with pytest.raises(ValueError, match="a whole number or \"auto\", but is 'automatic'"):
        MambaBlock(8, dt_rank="automatic")
    with pytest.raises(ValueError, match="layer must be one of selective, .*, but is 'mamba4'"):
        make_block("mamba4", 8)
