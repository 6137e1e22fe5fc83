"""Eqs. 3 to 7 of MFMB-Net against a slow waterfall on single clips, the hub behind each sequence as printed."""

import torch

from mgmr_lib.models.encoder_layer import Mixing
from mgmr_lib.models.mfmb.macro_fusion import WATERFALL, MacroFusion
from tests.models.mfmb_oracles import assert_same_gradients, ragged, slow_encoder_layer

D, HUB = 6, 2
LENGTHS = {"text": [4, 1], "audio": [2, 5], "vision": [3, 3]}


def module(encoder="transformer"):
    torch.manual_seed(0)
    return MacroFusion(D, 5, HUB, Mixing(encoder, 2, 3, 1, 2), 0.1).double().eval()


def inputs(junk=None):
    found = {m: ragged(lengths, D, seed, junk) for seed, (m, lengths) in enumerate(LENGTHS.items())}
    return {m: x for m, (x, _) in found.items()}, {m: valid for m, (_, valid) in found.items()}


def slow_waterfall(net, clip):
    """Eqs. 3 to 6 for one clip {modality: (l, d)}: the hub (k, d) after vision, audio and text."""
    hub, found = net.hub, []
    for m in ("vision", "audio", "text"):
        h_bar = slow_encoder_layer(net.encode[m], clip[m])  # Eq. 3
        both = slow_encoder_layer(net.fuse[m], torch.cat([h_bar, hub]))  # Eqs. 4, 5, 6: [H | hub]
        hub = both[len(h_bar) :]
        found.append(hub)
    return found


def clips(h):
    return [{m: h[m][i, : LENGTHS[m][i]] for m in h} for i in range(2)]


def test_equation_3_encodes_each_modality_with_weights_of_its_own():
    net, (h, valid) = module(), inputs(junk=9.0)
    for m in WATERFALL:
        got = net.encode[m](h[m], valid[m])
        for i, l in enumerate(LENGTHS[m]):
            torch.testing.assert_close(got[i, :l], slow_encoder_layer(net.encode[m], h[m][i, :l]), atol=1e-12, rtol=0)
    weights = [net.encode[m].mix.query.weight for m in WATERFALL]
    assert not torch.equal(weights[0], weights[1]) and not torch.equal(weights[1], weights[2])


def check_hub(which):
    net, (h, valid) = module(), inputs(junk=9.0)
    got = net.hubs(h, valid)
    assert list(got) == ["vision", "audio", "text"]
    for i, clip in enumerate(clips(h)):
        torch.testing.assert_close(got[WATERFALL[which]][i], slow_waterfall(net, clip)[which], atol=1e-12, rtol=0)


def test_equation_4_the_hub_takes_up_vision():
    check_hub(0)


def test_equation_5_the_hub_goes_on_to_audio():
    check_hub(1)


def test_equation_6_the_hub_ends_at_text():
    check_hub(2)


def test_equation_7_the_stream_gives_the_hub_token_by_token():
    net, (h, valid) = module(), inputs()
    got = net(h, valid)
    assert got.shape == (2, net.width) == (2, HUB * D)
    want = torch.stack([torch.cat(list(slow_waterfall(net, clip)[-1])) for clip in clips(h)])
    torch.testing.assert_close(got, want, atol=1e-12, rtol=0)
    assert_same_gradients(got, want, list(net.parameters()))


def test_a_hub_reads_a_modality_only_when_its_turn_has_come():
    net, (h, valid) = module(), inputs()
    for x in h.values():
        x.requires_grad_()
    hubs = net.hubs(h, valid)
    for at, hub in enumerate(hubs.values()):
        grads = torch.autograd.grad((hub * hub).sum(), [h[m] for m in WATERFALL], retain_graph=True, allow_unused=True)
        assert [g is not None and bool(g.abs().sum() > 0) for g in grads] == [i <= at for i in range(3)]


def test_the_twins_hub_reads_whole_clips_and_no_padding():
    net, (h, valid) = module("mamba"), inputs(junk=9.0)
    whole = net(h, valid)
    for i, clip in enumerate(clips(h)):
        alone = {m: x[None] for m, x in clip.items()}
        one = net(alone, {m: torch.ones(x.shape[:2], dtype=torch.bool) for m, x in alone.items()})
        torch.testing.assert_close(one[0], whole[i], atol=1e-12, rtol=0)
    for x in h.values():
        x.requires_grad_()
    for m, g in zip(h, torch.autograd.grad(net(h, valid).pow(2).sum(), list(h.values())), strict=True):
        assert ((g.abs().amax(-1) > 0) == valid[m]).all()


def test_the_hub_starts_small_and_is_learned():
    net = MacroFusion(64, 5, 400, Mixing(), 0.0)
    assert net.hub.requires_grad and abs(net.hub.std().item() - 0.02) < 0.001 and abs(net.hub.mean().item()) < 0.001


def test_number_of_weights():
    layer = 4 * (D * D + D) + (D * 5 + 5) + (5 * D + D) + 2 * 2 * D
    assert sum(p.numel() for p in module().parameters()) == 6 * layer + HUB * D
