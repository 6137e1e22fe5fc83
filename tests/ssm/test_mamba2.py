"""The Mamba-2 block is the published one, and padding, streaming and sharing change nothing that they should not."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import Mamba2Config
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

from mgmr_lib.bench import peers
from mgmr_lib.paths import cache_dir
from mgmr_lib.ssm import BiMamba, Mamba2Block, ssd_reference
from tests.ssm.cases import assert_padding_reaches_nothing, assert_steps_equal_the_whole
from tests.ssm.test_blocks import lengths_to_valid, shaken

NAMES = {"in_proj.weight", "conv1d.weight", "conv1d.bias", "dt_bias", "A_log", "D", "norm.weight", "out_proj.weight"}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(("d", "n", "taps", "expand", "p", "g"), [(16, 16, 4, 2, 8, 1), (12, 5, 3, 4, 4, 3)])
def test_weights_of_huggingface_give_the_same_outputs_and_load_both_ways(d, n, taps, expand, p, g):
    config = Mamba2Config(
        hidden_size=d, state_size=n, conv_kernel=taps, expand=expand, head_dim=p, n_groups=g,
        num_heads=expand * d // p, num_hidden_layers=1, vocab_size=8, chunk_size=8,
    )  # fmt: skip
    theirs, ours = shaken(Mamba2Mixer(config, layer_idx=0)), Mamba2Block(d, n, taps, expand, p, g)
    assert set(ours.state_dict()) == NAMES
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(3, 19, d)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
    fresh = shaken(Mamba2Block(d, n, taps, expand, p, g))
    theirs.load_state_dict(fresh.state_dict(), strict=True)
    torch.testing.assert_close(fresh(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_weights_of_mamba_ssm_give_the_same_outputs_and_load_both_ways():
    """Its own block, from its source archive; for its compiled parts, our oracle and the norm's equation."""
    if not (cache_dir() / "peers" / peers.SDIST).exists():
        pytest.skip("mamba_ssm's source archive is not in the cache: `python -m mgmr_lib bench` downloads it")

    class Norm(nn.Module):
        def __init__(self, width, eps, norm_before_gate, group_size, device, dtype):
            super().__init__()
            self.weight, self.eps, self.size = nn.Parameter(torch.ones(width)), eps, group_size
            assert not norm_before_gate

        def forward(self, x, z):
            y = (x * F.silu(z)).unflatten(-1, (-1, self.size))
            return (y / (y.square().mean(-1, keepdim=True) + self.eps).sqrt()).flatten(-2) * self.weight

    def scan(x, dt, A, B, C, chunk_size, D, z, dt_bias, dt_softplus, seq_idx, cu_seqlens, **flags):
        assert z is None and seq_idx is None and cu_seqlens is None and not any(flags.values())
        return ssd_reference(x, dt, A, B, C, D, None, dt_bias, dt_softplus)

    made = peers.mamba_ssm_module("modules/mamba2.py", RMSNorm=Norm, mamba_chunk_scan_combined=scan)
    theirs = shaken(made.Mamba2(16, d_state=6, d_conv=3, expand=3, headdim=8, ngroups=2, use_mem_eff_path=False))
    ours = Mamba2Block(16, d_state=6, d_conv=3, expand=3, head_dim=8, n_groups=2)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 13, 16)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
    fresh = shaken(Mamba2Block(16, d_state=6, d_conv=3, expand=3, head_dim=8, n_groups=2))
    theirs.load_state_dict(fresh.state_dict(), strict=True)
    torch.testing.assert_close(fresh(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_initialisation_is_the_official_one():
    block = Mamba2Block(256, d_state=8, head_dim=1)
    dt = F.softplus(block.dt_bias)
    assert dt.min() >= 0.001 * 0.999 and dt.max() <= 0.1 * 1.001
    assert dt.log().median().exp().item() == pytest.approx(0.01, rel=0.35)
    A = torch.exp(block.A_log)
    assert 1 <= A.min() < 1.5 and 15.5 < A.max() <= 16 and A.mean().item() == pytest.approx(8.5, rel=0.1)
    assert torch.equal(block.D, torch.ones(512)) and torch.equal(block.norm.weight, torch.ones(512))
    assert block.A_log._no_weight_decay and block.D._no_weight_decay and block.dt_bias._no_weight_decay
    assert Mamba2Block(32).d_state == 128 and Mamba2Block(32).n_heads == 1


@pytest.mark.parametrize("options", [{}, {"d_conv": 1, "conv_bias": False}, {"n_groups": 2, "chunk": 3}], ids=str)
@pytest.mark.parametrize("partner", [False, True])
def test_step_by_step_equals_the_whole_sequence(options, partner):
    block = shaken(Mamba2Block(8, d_state=4, head_dim=4, partner=partner, **options))
    assert_steps_equal_the_whole(block, partner)


@pytest.mark.parametrize("garbage", [1e30, float("nan"), float("inf")])
def test_padding_reaches_nothing(garbage):
    block, bi = shaken(Mamba2Block(8, 4, head_dim=4)), shaken(BiMamba(8, 4, head_dim=4, block=Mamba2Block))
    for layer in (block, bi):
        assert_padding_reaches_nothing(layer, garbage)


def test_a_partner_selects_and_a_shared_decay_is_one_parameter():
    first = shaken(Mamba2Block(8, 4, head_dim=4, partner=True))
    second = Mamba2Block(8, 4, head_dim=4, partner=True, shares_A_of=first)
    assert "A_log" not in second.state_dict() and second.A_log is first.A_log
    x, partner = torch.randn(2, 2, 6, 8).unbind(0)
    partner.requires_grad_()
    valid = lengths_to_valid([6, 3], 6)
    y = second(x, valid, partner)
    y.square().sum().backward()
    assert partner.grad[valid].abs().amin() > 0 and not partner.grad[~valid].any()
    assert first.A_log.grad.abs().sum() > 0 and first.in_proj.weight.grad is None
    with pytest.raises(ValueError, match="partner=True"):
        first(x)
    with pytest.raises(ValueError, match=r"a shared A_log must be \(h,\) = \(2,\)"):
        Mamba2Block(8, 4, head_dim=8, shares_A_of=first)


@pytest.mark.parametrize(
    ("options", "says"), [({"head_dim": 5}, "head_dim must divide"), ({"head_dim": 4, "n_groups": 3}, "n_groups")]
)
def test_sizes_that_do_not_fit_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        Mamba2Block(8, **options)


def test_bfloat16_and_float64_run():
    x = torch.randn(2, 5, 8)
    block = shaken(Mamba2Block(8, 4, head_dim=4))
    exact = block.double()(x.double())
    torch.testing.assert_close(block.float()(x).double(), exact, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(block.bfloat16()(x.bfloat16()).double(), exact, rtol=0.1, atol=0.05)
