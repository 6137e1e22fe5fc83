"""Eqs. 1 and 2 of MFMB-Net, and the two makes of an encoder layer, against slow versions on single clips."""

import pytest
import torch

from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines.attention import positions
from mgmr_lib.models.encoder_layer import Attention, CrossScan, EncoderLayer, Mixing, join
from mgmr_lib.models.inputs import Sequence
from mgmr_lib.models.mfmb.hybrid_attention import HybridAttention, others
from mgmr_lib.ssm import BiMamba
from tests.models.mfmb_oracles import (
    assert_same_gradients,
    ragged,
    slow_attention,
    slow_encoder_layer,
    slow_ffn,
    slow_linear,
    slow_norm,
)

D = 6
LENGTHS = {"text": [4, 1, 2], "audio": [2, 5, 1], "vision": [3, 3, 6]}
DIMS = {"text": 5, "audio": 3, "vision": 2}


def module(encoder="transformer"):
    torch.manual_seed(0)
    mixing = Mixing(encoder, heads=2, d_state=3, expand=1, d_conv=2)
    return HybridAttention(DIMS, D, ffn=7, mixing=mixing, dropout=0.1, input_dropout=0.1).double().eval()


def sequences():
    found = {}
    for seed, m in enumerate(MODALITIES):
        x, valid = ragged(LENGTHS[m], DIMS[m], seed)
        found[m] = Sequence(x, x, valid, valid)
    return found


def test_equation_1_is_a_linear_layer_on_every_step():
    net, s = module(), sequences()
    for m in MODALITIES:
        got = net.encode(m, s[m])
        for i, l in enumerate(LENGTHS[m]):
            want = slow_linear(net.project[m], s[m].x[i, :l])
            torch.testing.assert_close(got[i, :l] - positions(l, D, got), want, atol=1e-12, rtol=0)


def slow_hpa(net, clip):
    """{modality: (l, d_m)} of one clip -> {modality: (l, d)}."""
    x = {m: slow_linear(net.project[m], v) + positions(len(v), D, v) for m, v in clip.items()}
    for m, h in x.items():
        n = slow_norm(net.norm_within[m], h)
        x[m] = h + slow_attention(net.within[m], n, n)
    n = {m: slow_norm(net.norm_across[m], h) for m, h in x.items()}
    out = {}
    for m, h in x.items():
        first, second = (slow_attention(net.across[f"{m}_asks_{o}"], n[m], n[o]) for o in others(m))
        h = h + (first + second) / 2
        out[m] = h + slow_ffn(net.feed_forward[m], slow_norm(net.norm_between[m], h))
    return out


def test_equation_2_is_self_attention_then_two_cross_attentions_clip_by_clip():
    net, s = module(), sequences()
    got = net(s)
    for i in range(3):
        want = slow_hpa(net, {m: s[m].x[i, : LENGTHS[m][i]] for m in MODALITIES})
        for m in MODALITIES:
            l = LENGTHS[m][i]
            torch.testing.assert_close(got[m][i, :l], want[m], atol=1e-10, rtol=0)
            assert (got[m][i, l:] == 0).all()


def test_equation_2_has_the_slow_versions_gradients():
    net, s = module(), sequences()
    got = torch.cat([h[s[m].valid].flatten() for m, h in net(s).items()])
    clips = [slow_hpa(net, {m: s[m].x[i, : LENGTHS[m][i]] for m in MODALITIES}) for i in range(3)]
    want = torch.cat([clip[m].flatten() for m in MODALITIES for clip in clips])
    torch.testing.assert_close(got, want, atol=1e-10, rtol=0)
    assert_same_gradients(got, want, list(net.parameters()))


@pytest.mark.parametrize("encoder", ["transformer", "mamba"])
def test_every_modality_hears_of_every_other(encoder):
    net, s = module(encoder), sequences()
    for part in s.values():
        part.x.requires_grad_()
    h = net(s)
    for m in MODALITIES:
        grads = torch.autograd.grad(h[m][0].pow(2).sum(), [s[o].x for o in MODALITIES], retain_graph=True)
        for o, g in zip(MODALITIES, grads, strict=True):
            # Every valid step of the same clip matters, nothing else does.
            assert ((g.abs().amax(-1) > 0) == (s[o].valid & (torch.arange(3) == 0)[:, None])).all(), (m, o)


@pytest.mark.parametrize("causal", [None, 0, 2])
def test_attention_over_padded_clips_is_attention_over_each_clip(causal):
    torch.manual_seed(0)
    layer = Attention(D, 3, causal).double()
    sees = (lambda i, j: True) if causal is None else (lambda i, j: j <= i + causal)
    (x, valid), (memory, memory_valid) = ragged([4, 2], D, 1, junk=9.0), ragged([3, 5], D, 2, junk=-9.0)
    itself, other = layer(x, valid), layer(x, valid, memory, memory_valid)
    for i, (l, k) in enumerate(((4, 3), (2, 5))):
        clip = x[i, :l]
        torch.testing.assert_close(itself[i, :l], slow_attention(layer, clip, clip, sees), atol=1e-12, rtol=0)
        torch.testing.assert_close(other[i, :l], slow_attention(layer, clip, memory[i, :k], sees), atol=1e-12, rtol=0)


def test_an_encoder_layer_and_its_first_steps():
    torch.manual_seed(0)
    layer = EncoderLayer(D, 5, Mixing(heads=2), 0.1).double().eval()
    x, valid = ragged([5, 3], D, 1, junk=9.0)
    whole, first = layer(x, valid), layer(x, valid, first=2)
    torch.testing.assert_close(first, whole[:, :2], atol=1e-12, rtol=0)
    for i, l in enumerate((5, 3)):
        torch.testing.assert_close(whole[i, :l], slow_encoder_layer(layer, x[i, :l]), atol=1e-12, rtol=0)


def test_joined_sequences_have_no_padding_between_them():
    a, b = torch.tensor([[1.0, 2, 0], [3, 4, 5]]), torch.tensor([[6.0, 0], [7, 8]])
    joined, mask, place = join(a[..., None], a > 0, b[..., None], b > 0)
    assert joined[0, :3, 0].tolist() == [1, 2, 6] and joined[1, :5, 0].tolist() == [3, 4, 5, 7, 8]
    assert mask.tolist() == [[True] * 3 + [False] * 2, [True] * 5] and place[:, 0].tolist() == [2, 3]


def test_a_cross_scan_reads_the_whole_memory_before_each_clip_in_both_directions():
    torch.manual_seed(0)
    scan = CrossScan(D, d_state=3, expand=1, d_conv=2).double()
    (x, valid), (memory, memory_valid) = ragged([4, 2], D, 1), ragged([3, 5], D, 2)
    got = scan(x, valid, memory, memory_valid)
    for i, (l, k) in enumerate(((4, 3), (2, 5))):
        clip, before = x[i : i + 1, :l], memory[i : i + 1, :k]
        ahead = scan.ahead(torch.cat([before, clip], 1))[:, k:]
        back = scan.back(torch.cat([before.flip(1), clip.flip(1)], 1))[:, k:].flip(1)
        torch.testing.assert_close(got[i, :l], (ahead + back)[0] / 2, atol=1e-12, rtol=0)
    assert (got[~valid] == 0).all()


def test_the_twin_differs_in_what_mixes_steps_and_in_nothing_else():
    one, twin = module(), module("mamba")
    names = [{n for n, _ in net.named_parameters() if not n.startswith(("within", "across"))} for net in (one, twin)]
    assert names[0] == names[1]
    assert all(isinstance(scan.mamba, BiMamba) for scan in twin.within.values())
    assert all(isinstance(scan, CrossScan) for scan in twin.across.values())
    x = torch.zeros(1, 3, D, dtype=torch.float64), torch.ones(1, 3, dtype=torch.bool)
    assert twin.within["text"](*x).shape == one.within["text"](*x).shape


def test_number_of_weights():
    linear = lambda i, o: i * o + o  # noqa: E731
    attention = 4 * linear(D, D)
    want = sum(linear(d, D) for d in DIMS.values()) + 9 * attention + 3 * (3 * 2 * D + linear(D, 7) + linear(7, D))
    assert sum(p.numel() for p in module().parameters()) == want
