"""Eqs. 14 and 15 of MFMB-Net against loops over single clips."""

import math

import torch

from mgmr_lib.models.encoder_layer import Mixing
from mgmr_lib.models.mfmb.reconstruction import ReconstructionBranch
from tests.models.mfmb_oracles import assert_same_gradients, ragged, slow_ffn, slow_linear, softmax_mean

D, RAW, LENGTHS = 6, 4, [5, 1, 3]


def module(encoder="transformer"):
    torch.manual_seed(0)
    return ReconstructionBranch(D, RAW, 7, Mixing(encoder, 1, 3, 1, 2)).double()


def slow_single_head(attend, h):
    """Eq. 14 for one clip (l, d)."""
    q, k, v = (slow_linear(w, h) for w in (attend.query, attend.key, attend.value))
    return torch.stack(
        [softmax_mean([(q[i] * k[j]).sum() / math.sqrt(D) for j in range(len(h))], v) for i in range(len(h))]
    )


def test_equation_14_is_one_head_over_the_clips_own_steps():
    attend, (h, valid) = module().attend, ragged(LENGTHS, D, junk=9.0)
    got = attend(h, valid)
    for i, l in enumerate(LENGTHS):
        torch.testing.assert_close(got[i, :l], slow_single_head(attend, h[i, :l]), atol=1e-12, rtol=0)
    assert [p.shape for p in attend.parameters()] == [(D, D)] * 3


def test_equation_15_is_two_layers_to_the_raw_width():
    net, (h, valid) = module(), ragged(LENGTHS, D, junk=9.0)
    got = net(h, valid)
    assert got.shape == (*valid.shape, RAW)
    want = [slow_ffn(net.feed_forward, slow_single_head(net.attend, h[i, :l])) for i, l in enumerate(LENGTHS)]
    torch.testing.assert_close(got[valid], torch.cat(want), atol=1e-12, rtol=0)
    assert_same_gradients(got[valid], torch.cat(want), list(net.parameters()))


def test_the_twin_rebuilds_by_a_scan_of_the_clip_alone():
    net, (h, valid) = module("mamba"), ragged(LENGTHS, D, junk=9.0)
    got = net(h, valid)
    for i, l in enumerate(LENGTHS):
        alone = net(h[i : i + 1, :l], torch.ones(1, l, dtype=torch.bool))
        torch.testing.assert_close(got[i, :l], alone[0], atol=1e-12, rtol=0)


def test_number_of_weights():
    assert sum(p.numel() for p in module().parameters()) == 3 * D * D + (D * 7 + 7) + (7 * RAW + RAW)
