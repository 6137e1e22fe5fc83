"""CENET: what the shift reads, and what is left without it."""

import pytest
import torch

from mgmr_lib.data.text import load_encoder
from mgmr_lib.errors import CourseError
from mgmr_lib.models.baselines.cenet import Asked
from mgmr_lib.models.baselines.config import CENETConfig
from mgmr_lib.models.baselines.vectors import summarise
from mgmr_lib.models.inputs import Inputs, Sequence
from mgmr_lib.models.registry import entry
from mgmr_lib.training.config import make_config
from tests.data.test_encoders import FAMILIES, checkpoint
from tests.models.properties import (
    assert_a_prediction_depends_on_its_clip_alone,
    assert_every_weight_gets_a_gradient,
    assert_hidden_content_changes_nothing,
    assert_nothing_is_left_at_rate_one,
    masked,
    tiny,
)


def network(injection="after"):
    torch.manual_seed(0)
    encoder = tiny() if injection == "after" else load_encoder("tiny", frozen=False)
    inputs = Inputs({"text": tiny().dim, "audio": 5, "vision": 7}, None, encoder)
    return entry("cenet").build(CENETConfig(d_model=8, heads=2, depth=1, injection=injection), inputs).eval()


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


@pytest.mark.parametrize("injection", ["after", "inside"])
def test_without_its_output_layer_voice_and_face_are_not_there(injection):
    net = network(injection)
    calm, loud = masked(0.0).batch(range(5)), louder(masked(0.0).batch(range(5)))
    assert not torch.allclose(net(calm).prediction, net(loud).prediction)
    torch.nn.init.zeros_(net.enhance.out.weight)
    torch.nn.init.zeros_(net.enhance.out.bias)
    assert torch.equal(net(calm).prediction, net(loud).prediction)
    plain = (
        net.inputs(calm)["text"].x if injection == "after" else net.inputs.text_encoder(calm.text.x, calm.text.valid)
    )
    assert torch.equal(net._shifted(calm)[0], plain)


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


def test_inside_the_shift_comes_behind_the_first_layer_and_the_second_reads_on():
    net, batch = network("inside"), masked(0.0).batch(range(3))
    bert, text = net.inputs.text_encoder.bert, batch.text
    frames = {m: net.inputs.one(batch, m) for m in ("audio", "vision")}
    states = net.enhance(bert(input_ids=text.x, attention_mask=text.valid.long(), output_hidden_states=True)
                         .hidden_states[1], frames)  # fmt: skip
    seen = text.valid[:, None, None, :].expand(-1, 1, text.valid.shape[1], -1)
    states = bert.encoder.layer[1](states, seen)
    states = states if isinstance(states, torch.Tensor) else states[0]
    torch.testing.assert_close(net._shifted(batch)[0][text.valid], states[text.valid], atol=1e-5, rtol=0)
    plain = net.inputs.text_encoder(text.x, text.valid)
    net._shifted(batch)
    assert torch.equal(net.inputs.text_encoder(text.x, text.valid), plain)  # the shift is gone with its pass


@pytest.mark.parametrize("family", FAMILIES)
def test_inside_every_family_of_encoders_hears_voice_and_face(family, tmp_path):
    """Some give states alone behind a layer, some a tuple, and some call one layer again and again."""
    checkpoint(tmp_path, family, tokenizer=True)
    encoder = load_encoder(str(tmp_path), frozen=False)
    torch.manual_seed(0)
    inputs = Inputs({"text": encoder.dim, "audio": 5, "vision": 7}, None, encoder)
    net = entry("cenet").build(CENETConfig(d_model=8, heads=2, depth=1, injection="inside"), inputs).eval()
    torch.nn.init.normal_(net.enhance.out.weight)
    calm, loud = masked(0.0).batch(range(5)), louder(masked(0.0).batch(range(5)))
    for batch in (calm, loud):
        batch.text.x = batch.text.x % 10 + 4
    (before, valid), (after, _) = net._shifted(calm), net._shifted(loud)
    assert before.isfinite().all() and (before - after).abs()[valid].max() > 1e-3
    torch.nn.init.zeros_(net.enhance.out.weight)
    torch.nn.init.zeros_(net.enhance.out.bias)
    assert torch.equal(net._shifted(calm)[0], inputs.text_encoder(calm.text.x, calm.text.valid))


def test_inside_voice_and_face_learn_through_the_encoder_and_a_clip_is_alone():
    net = network("inside")
    assert_every_weight_gets_a_gradient(net.train())
    assert_a_prediction_depends_on_its_clip_alone(net.eval(), spread=1e-3)
    assert_hidden_content_changes_nothing(net)
    assert_nothing_is_left_at_rate_one(net)


def test_inside_needs_an_encoder_that_learns():
    with pytest.raises(CourseError, match="--injection inside .* --encoder-lr"):
        make_config("cenet", "laptop", injection="inside")
    assert make_config("cenet", "laptop", injection="inside", encoder_lr=1e-5).network.injection == "inside"
    with pytest.raises(ValueError, match="that learns"):
        entry("cenet").build(
            CENETConfig(injection="inside"), Inputs({"text": 64, "audio": 5, "vision": 7}, None, tiny())
        )
