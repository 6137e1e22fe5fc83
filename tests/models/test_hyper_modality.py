"""ALMT and LNLN: their shared parts against slow versions, and who gets which gradient."""

import pytest
import torch

from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines import lnln
from mgmr_lib.models.baselines.config import ALMTConfig, LNLNConfig
from mgmr_lib.models.baselines.hyper_modality import Condense, HyperLayer
from mgmr_lib.models.inputs import Inputs, Sequence
from mgmr_lib.models.registry import entry
from mgmr_lib.training.losses import LossWeights, joint_loss
from tests.models.properties import masked, tiny

SMALL = {"d_model": 8, "heads": 2, "head_width": 3, "ffn": 5, "tokens": 3, "scales": 2, "depth_fuse": 1}


def network(name, seed=0, **changes):
    torch.manual_seed(seed)
    inputs = Inputs({"text": tiny().dim, "audio": 5, "vision": 7}, None, tiny())
    return entry(name).build(entry(name).config(**SMALL | changes), inputs)


def some_steps(l=9, d=8):
    torch.manual_seed(0)
    return torch.randn(3, l, d), torch.arange(l)[None] < torch.tensor([[l], [3], [1]])


@pytest.mark.parametrize("depth", [1, 2])
def test_tokens_alone_are_what_whole_layers_give_at_their_places(depth):
    torch.manual_seed(1)
    condense = Condense(ALMTConfig(**SMALL), depth, 3)
    x, valid = some_steps()
    got = condense(x, valid)
    for i in range(3):
        own = int(valid[i].sum())
        whole = torch.cat([condense.tokens[None], x[i : i + 1, :own]], dim=1)
        for layer in condense.layers:
            whole = layer(whole, torch.ones(1, 3 + own, dtype=torch.bool))
        torch.testing.assert_close(got[i], whole[0, :3], atol=1e-5, rtol=0)


@pytest.mark.parametrize("normalised", [False, True])
def test_the_hyper_modality_collects_by_one_query_from_voice_and_face(normalised):
    torch.manual_seed(0)
    layer = HyperLayer(8, 2, normalised)
    hyper, text, audio, vision = torch.randn(4, 3, 5, 8)
    got, found = layer(hyper, text, audio, vision), torch.zeros(3, 5, 8)
    query = layer.norms["text"](text) @ layer.query.weight.T
    for m, x in (("audio", audio), ("vision", vision)):
        key, value = (layer.norms[m](x) @ w.T for w in layer.key_value[m].weight.chunk(2))
        for h in (slice(0, 4), slice(4, 8)):
            shares = torch.einsum("bid,bjd->bij", query[..., h], key[..., h]).div(2).softmax(-1)
            found[..., h] += torch.einsum("bij,bjd->bid", shares, value[..., h])
    residual = torch.nn.functional.layer_norm(hyper, (8,)) if normalised else hyper
    torch.testing.assert_close(got, residual + layer.out(found), atol=1e-5, rtol=0)


def test_equal_tokens_of_voice_and_face_shift_every_hyper_token_alike():
    torch.manual_seed(0)
    layer = HyperLayer(8, 2)
    text, audio, vision = torch.randn(3, 5, 8), torch.randn(3, 1, 8).expand(-1, 5, -1), torch.ones(3, 5, 8)
    shift = layer(torch.zeros(3, 5, 8), text, audio, vision)
    torch.testing.assert_close(shift, shift[:, :1].expand_as(shift), atol=1e-6, rtol=0)
    assert shift.std(0).max() > 1e-3


@pytest.mark.parametrize("reading, text_asks", [("paper", True), ("code", False)])
def test_voice_reaches_the_prediction_through_the_hyper_modality_alone(reading, text_asks, monkeypatch):
    """And in the published code so does the text: what it asks of the fusion's memory is never read."""
    net = network("almt", reading=reading)
    collected = net.fusion.collected
    monkeypatch.setattr(net.fusion, "collected", lambda *given: collected(*given).detach())
    net(masked(0.0).batch(range(6))).prediction.sum().backward()
    learns = {m: net.embed[m].project.weight.grad is not None for m in MODALITIES}
    assert learns == {"text": text_asks, "audio": False, "vision": False}


def test_a_residual_that_starts_at_ones_and_is_normalised_starts_at_zero():
    net = network("almt", reading="code")
    first = net.fusion.collect[0]
    assert (first.norm_hyper(net.fusion.hyper) == 0).all()
    grad = torch.autograd.grad(first.norm_hyper(net.fusion.hyper)[0, 0], net.fusion.hyper)[0]
    assert grad.abs().max() > 100  # 1 / sqrt(eps) = 316


def test_reversal_is_the_identity_with_the_gradient_turned_round():
    x = torch.randn(50, requires_grad=True)
    y = lnln.reverse_gradient(x)
    assert torch.equal(y, x)
    (3 * y).sum().backward()
    assert torch.equal(x.grad, torch.full((50,), -3.0))


@pytest.mark.parametrize("reading, sign", [("paper", 1.0), ("code", -1.0)])
def test_only_the_published_code_trains_the_proxy_against_the_task(reading, sign, monkeypatch):
    def task_gradient():
        net, batch = network("lnln", reading=reading).train(), masked(0.5).batch(range(7))
        joint_loss(net(batch), batch.labels, LossWeights())["task"].backward()
        return torch.cat([p.grad.flatten() for p in net.proxy.parameters()])

    got = task_gradient()
    monkeypatch.setattr(lnln, "reverse_gradient", lambda x: x)
    torch.testing.assert_close(got, sign * task_gradient(), atol=1e-6, rtol=1e-4)
    assert got.norm() > 1e-4


@pytest.mark.parametrize("reading, part, sign", [("paper", "proxy", -1), ("paper", "completeness", -1),
                                                 ("code", "proxy", -1), ("code", "completeness", 1)])  # fmt: skip
def test_who_deceives_the_discriminator(reading, part, sign, monkeypatch):
    def adversarial_gradient():
        net, batch = network("lnln", reading=reading).train(), masked(0.5).batch(range(7))
        net(batch).terms["adversarial"].backward()
        return torch.cat([p.grad.flatten() for p in getattr(net, part).parameters()])

    got = adversarial_gradient()
    monkeypatch.setattr(lnln, "reverse_gradient", lambda x: x)
    torch.testing.assert_close(got, sign * adversarial_gradient(), atol=1e-7, rtol=1e-4)
    assert got.norm() > 1e-6


@pytest.mark.parametrize("score, ignored, read", [(50.0, "audio", "text"), (-50.0, "text", "audio")])
def test_a_complete_text_needs_no_proxy_and_an_empty_one_is_replaced(score, ignored, read):
    net = network("lnln").eval()
    torch.nn.init.zeros_(net.completeness.score[2].weight)
    torch.nn.init.constant_(net.completeness.score[2].bias, score)
    tokens = {m: torch.randn(2, 3, 8) for m in MODALITIES}
    dominant, w = net.corrected(tokens)
    assert torch.allclose(w, torch.full((2, 1), float(score > 0)))
    moved = {m: net.corrected(tokens | {m: torch.randn(2, 3, 8)})[0] for m in (ignored, read)}
    torch.testing.assert_close(moved[ignored], dominant)
    assert (moved[read] - dominant).abs().max() > 0.1


def test_completeness_is_the_share_of_what_can_be_lost():
    batch, inputs = masked(1.0).batch(range(8)), network("lnln").inputs
    assert (lnln.share_kept(inputs(batch)["text"], 2) == 0).all()
    assert (lnln.share_kept(inputs(masked(0.0).batch(range(8)))["text"], 2) == 1).all()
    valid = torch.tensor([[True] * 6, [True] * 2 + [False] * 4])
    keep = torch.tensor([[True, False, True, True, False, True], [True] * 2 + [False] * 4])
    half = Sequence(torch.zeros(2, 6, 1), torch.zeros(2, 6, 1), valid, keep)
    assert lnln.share_kept(half, 2).tolist() == [0.5, 1.0]
    assert lnln.share_kept(half, 0).tolist() == pytest.approx([4 / 6, 1.0])


@pytest.mark.parametrize("mode", [True, False])
def test_the_complete_clip_reaches_the_losses_and_never_the_prediction(mode):
    net, batch = network("lnln").train(mode), masked(0.5).batch(range(7))
    clean = net(batch)
    for m in ("audio", "vision"):
        batch[m].target[batch[m].missing] = 5.0
    batch.text.target[batch.text.missing] = 1234
    found = net(batch)
    assert torch.equal(found.prediction, clean.prediction)
    assert set(found.terms) == ({"completeness", "adversarial", "reconstruction"} if mode else set())
    if mode:
        assert found.terms["reconstruction"] != clean.terms["reconstruction"]


@pytest.mark.parametrize("reading", ["paper", "code"])
def test_what_is_rebuilt_is_a_constant_unless_the_code_is_followed(reading):
    net, batch = network("lnln", reading=reading).train(), masked(0.5).batch(range(7))
    seen = {}
    net.embed["audio"].register_forward_hook(lambda _, __, out: seen.setdefault(out.requires_grad, out))
    net(batch)
    assert set(seen) == ({True, False} if reading == "paper" else {True})


def test_a_discriminator_that_is_trained_alone_learns():
    net, batch = network("lnln").train(), masked(0.5).batch(range(15))
    optimizer, losses = torch.optim.Adam(net.discriminator.parameters(), 0.02), []
    for _ in range(60):
        losses.append(net(batch).terms["adversarial"])
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.6 * losses[0]


def test_readings_have_the_same_settings_and_other_networks():
    for name, config in (("almt", ALMTConfig), ("lnln", LNLNConfig)):
        assert config().reading == "paper"
        nets = [network(name, reading=r).eval() for r in ("paper", "code")]
        batch = masked(0.3).batch(range(4))
        assert nets[0](batch).prediction.shape == (4,) and nets[1](batch).prediction.isfinite().all()
