"""EMT-DLFR: one unit for all, two views, and the attraction between them."""

import pytest
import torch

from mgmr_lib.models.baselines.config import EMTConfig
from mgmr_lib.models.baselines.emt import Attraction, PromotedFusion
from mgmr_lib.models.inputs import Inputs
from mgmr_lib.models.registry import entry
from mgmr_lib.training.losses import LossWeights, joint_loss
from tests.models.properties import masked, tiny

SMALL = {"d_model": 8, "heads": 2, "depth": 2, "expansion": 2, "lstm_audio": 4, "lstm_vision": 5, "d_audio": 3,
         "d_vision": 4, "d_head": 6, "bottleneck_global": 4, "bottleneck_text": 4, "dropout": 0.0}  # fmt: skip


def network(**changes):
    torch.manual_seed(0)
    inputs = Inputs({"text": tiny().dim, "audio": 5, "vision": 7}, None, tiny())
    return entry("emt").build(EMTConfig(**SMALL | changes), inputs)


def sequences(b=3):
    torch.manual_seed(1)
    x = {m: torch.randn(b, l, 8) for m, l in (("text", 4), ("audio", 7), ("vision", 5))}
    valid = {m: torch.arange(s.shape[1])[None] < torch.tensor([[2], [s.shape[1]], [1]]) for m, s in x.items()}
    return torch.randn(b, 3, 8), x, valid


def test_layers_modalities_and_directions_share_one_unit():
    def size(depth):
        return sum(p.numel() for p in PromotedFusion(EMTConfig(**SMALL | {"depth": depth})).parameters())

    assert size(1) == size(5)


def test_one_layer_step_by_step():
    torch.manual_seed(0)
    fusion = PromotedFusion(EMTConfig(**SMALL | {"depth": 1})).eval()
    g, x, valid = sequences()
    got, promoted = fusion(g, x, valid)
    for i in range(3):
        own = {m: s[i : i + 1, : int(valid[m][i].sum())] for m, s in x.items()}
        whole, three = (lambda s: torch.ones(s.shape[:2], dtype=torch.bool)), torch.ones(1, 3, dtype=torch.bool)
        seen = [fusion.unit(g[i : i + 1], three, s, whole(s)).flatten() for s in own.values()]
        shares = torch.stack([fusion.weigh(s) for s in seen]).softmax(0)
        want = sum(w * s for w, s in zip(shares, seen, strict=True))
        torch.testing.assert_close(got[i], want, atol=1e-5, rtol=0)
        for m, s in own.items():
            moved = fusion.unit(s, whole(s), g[i : i + 1], three)[0]
            torch.testing.assert_close(promoted[m][i, : s.shape[1]], moved, atol=1e-5, rtol=0)


def test_sequences_that_nobody_reads_are_left_alone_and_change_nothing():
    fusion = PromotedFusion(EMTConfig(**SMALL)).eval()
    g, x, valid = sequences()
    torch.testing.assert_close(fusion(g, x, valid)[0], fusion(g, x, valid, promoted=False)[0], atol=0, rtol=0)


def test_attraction_moves_neither_view_as_a_target():
    """With a predictor that says the same of every clip, only the targets depend on the views."""
    torch.manual_seed(0)
    attract = Attraction(5, 4).train()
    x, y = torch.randn(2, 6, 5, requires_grad=True)
    grads = torch.autograd.grad(attract(x, y), (attract.project[0].weight,), retain_graph=True)
    assert grads[0].abs().max() > 1e-4
    torch.nn.init.zeros_(attract.predict[-1].weight)
    torch.nn.init.ones_(attract.predict[-1].bias)
    (grad,) = torch.autograd.grad(attract(x, y), (attract.project[0].weight,))
    assert grad.abs().max() == 0


def test_attraction_is_minus_the_mean_cosine_both_ways():
    torch.manual_seed(0)
    attract = Attraction(5, 4).train()
    x, y = torch.randn(2, 6, 5)
    z = [attract.project(v) for v in (x, y)]
    q = [attract.predict(v) for v in z]
    cosine = lambda a, b: torch.stack([u @ v / u.norm() / v.norm() for u, v in zip(a, b, strict=True)])  # noqa: E731
    want = -(cosine(q[0], z[1]) + cosine(q[1], z[0])).mean() / 2
    torch.testing.assert_close(attract(x, y), want)
    torch.testing.assert_close(attract(y, x), want)
    torch.testing.assert_close(attract(x[[3, 1, 0, 2, 5, 4]], y[[3, 1, 0, 2, 5, 4]]), want)


def test_the_complete_view_is_the_same_network_on_the_complete_clip():
    net = network().train()
    lost, complete = masked(0.5).batch(range(7)), masked(0.0).batch(range(7))
    output = net(lost)
    torch.testing.assert_close(output.sides["complete"], net(complete).prediction, atol=1e-5, rtol=0)
    assert (output.sides["complete"] - output.prediction).abs().max() > 1e-4
    losses = joint_loss(output, lost.labels, LossWeights())
    assert {f"attraction_{m}" for m in ("global", "text", "audio", "vision")} < set(losses)
    quiet = net.eval()(lost)
    assert quiet.terms == quiet.sides == {}
    torch.testing.assert_close(quiet.prediction, output.prediction, atol=1e-5, rtol=0)


@pytest.mark.parametrize("clips", [1, 2])
def test_small_batches_train(clips):
    net, batch = network().train(), masked(0.5).batch(range(clips))
    joint_loss(net(batch), batch.labels, LossWeights())["total"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters() if p.requires_grad)
