"""CENET: what the shift reads, and what is left without it."""

import pytest
import torch

from mgmr_lib.models.baselines.cenet import Asked
from mgmr_lib.models.baselines.config import CENETConfig
from mgmr_lib.models.baselines.vectors import summarise
from mgmr_lib.models.inputs import Inputs, Sequence
from mgmr_lib.models.registry import entry
from tests.models.properties import masked, tiny


def network():
    torch.manual_seed(0)
    inputs = Inputs({"text": tiny().dim, "audio": 5, "vision": 7}, None, tiny())
    return entry("cenet").build(CENETConfig(d_model=8, heads=2, depth=1), inputs).eval()


def test_a_token_finds_the_softmax_over_the_clips_own_frames():
    torch.manual_seed(0)
    ask, text = Asked(6, 3, 4), torch.randn(2, 5, 6)
    valid = torch.arange(7)[None] < torch.tensor([[7], [2]])
    frames = torch.randn(2, 7, 3)
    got = ask(text, Sequence(frames, frames, valid, valid))
    for i in range(2):
        seen = ask.transform(frames[i, valid[i]])
        key, value = ask.key_value(seen).chunk(2, dim=-1)
        shares = (ask.query(text[i]) @ key.T / 2).softmax(-1)
        torch.testing.assert_close(shares.sum(-1), torch.ones(5))
        torch.testing.assert_close(got[i], shares @ value, atol=1e-6, rtol=0)


def louder(batch, by=2.0):
    for m in ("audio", "vision"):
        part = batch[m]
        part.x = torch.where(part.keep[..., None], part.x + by, part.x)
    return batch


def test_without_its_output_layer_voice_and_face_are_not_there():
    net = network()
    calm, loud = masked(0.0).batch(range(5)), louder(masked(0.0).batch(range(5)))
    assert not torch.allclose(net(calm).prediction, net(loud).prediction)
    torch.nn.init.zeros_(net.enhance.out.weight)
    torch.nn.init.zeros_(net.enhance.out.bias)
    assert torch.equal(net(calm).prediction, net(loud).prediction)
    sequences = net.inputs(calm)
    assert torch.equal(net.enhance(sequences["text"].x, sequences), sequences["text"].x)


def test_where_all_frames_are_lost_the_shift_says_nothing_of_them():
    net = network()
    lost = louder(masked(1.0).batch(range(5)), by=9.0)
    s = net.inputs(lost)
    found = net.enhance.asked["audio"](s["text"].x, s["audio"])
    torch.testing.assert_close(found, found[:1, :1].expand_as(found), atol=1e-6, rtol=0)


@pytest.mark.parametrize("summary", ["mean", "cls"])
def test_summaries_of_a_text(summary):
    x, valid = torch.randn(2, 4, 3), torch.arange(4)[None] < torch.tensor([[4], [2]])
    want = torch.stack([x[0].mean(0), x[1, :2].mean(0)]) if summary == "mean" else x[:, 0]
    torch.testing.assert_close(summarise(x, valid, summary), want)
