"""MFMB-Net as published, without its faults: each part against a slow version on single clips."""

import dataclasses
import math

import pytest
import torch

from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.errors import CourseError
from mgmr_lib.models.baselines.attention import positions
from mgmr_lib.models.encoder_layer import Mixing
from mgmr_lib.models.inputs import Inputs, Sequence
from mgmr_lib.models.mfmb.config import MFMBCodeConfig, MFMBConfig
from mgmr_lib.models.mfmb.hybrid_attention import others
from mgmr_lib.models.mfmb.network import MFMBNet
from mgmr_lib.models.mfmb.published_code import (
    CodeAlignment,
    CodeEncoder,
    CodeHead,
    CodeMacro,
    CodeMicro,
    CodeReconstruction,
    GatedSummary,
    fit,
    steps_of,
)
from tests.models.mfmb_oracles import ragged, slow_encoder_layer, slow_linear, slow_norm

D, W = 4, 12
LENGTHS = {"text": [4, 1], "audio": [2, 5], "vision": [3, 3]}
STEPS = {"text": 4, "audio": 6, "vision": 9}
DIMS = {"text": 5, "audio": 3, "vision": 2}
CONFIG = MFMBCodeConfig(d_model=D, heads=2, macro_heads=3, depth=2, depth_cross=2)


def close(got, want):
    torch.testing.assert_close(got, want, atol=1e-10, rtol=0)


def slow_encoder(net, x, memory=None, sees=lambda i, j: True):
    """A CodeEncoder on one clip (l, d)."""
    embed = lambda t: math.sqrt(t.shape[1]) * t + (positions(*t.shape, t) if net.positional else 0)  # noqa: E731
    x = embed(x)
    for layer in net.layers:
        x = slow_encoder_layer(layer, x, None if memory is None else embed(memory), sees)
    return slow_norm(net.norm, x)


def test_alignment_is_three_encoders_side_by_side_under_causal_masks():
    torch.manual_seed(0)
    net = CodeAlignment(CONFIG, DIMS, STEPS).double().eval()
    s = {m: ragged(LENGTHS[m], DIMS[m], seed) for seed, m in enumerate(MODALITIES)}
    got = net({m: Sequence(x, x, valid, valid) for m, (x, valid) in s.items()})
    for i in range(2):
        x = {m: slow_linear(net.project[m], s[m][0][i, : LENGTHS[m][i]]) for m in MODALITIES}
        for m in MODALITIES:
            parts = [slow_encoder(net.within[m], x[m], sees=lambda i, j: j <= i)]
            for o in others(m):
                offset = abs(STEPS[m] - STEPS[o])
                sees = lambda i, j, offset=offset: j <= i + offset  # noqa: E731
                parts.append(slow_encoder(net.across[f"{m}_asks_{o}"], x[m], x[o], sees))
            close(got[m][i, : LENGTHS[m][i]], torch.cat(parts, dim=1))
            assert (got[m][i, LENGTHS[m][i] :] == 0).all()


def test_what_a_step_may_see_does_not_depend_on_the_neighbours_lengths():
    torch.manual_seed(0)
    net = CodeEncoder(D, 1, Mixing(heads=2), cross=True, causal=3).double().eval()
    x, memory = torch.randn(1, 5, D, dtype=torch.float64), torch.randn(1, 6, D, dtype=torch.float64)
    one = net(x, torch.ones(1, 5, dtype=torch.bool), memory, torch.ones(1, 6, dtype=torch.bool))
    wider = net(x, torch.ones(1, 5, dtype=torch.bool), fit(memory, 20), torch.arange(20)[None] < 6)
    close(one, wider)


def test_one_shared_encoder_reads_all_of_macro_fusion():
    torch.manual_seed(0)
    net = CodeMacro(W, 2, 2, 3, STEPS, Mixing(heads=3)).double().eval()
    h = {m: ragged(LENGTHS[m], W, seed, junk=0.0) for seed, m in enumerate(MODALITIES)}
    got = net({m: x for m, (x, _) in h.items()}, {m: valid for m, (_, valid) in h.items()})
    read = lambda x: slow_encoder(net.encoder, x)  # noqa: E731
    for i in range(2):
        over = {}
        for m in ("audio", "vision"):
            padded = torch.zeros(STEPS[m], W, dtype=torch.float64)
            padded[: LENGTHS[m][i]] = h[m][0][i, : LENGTHS[m][i]]
            over[m] = read(read(slow_linear(net.over_time[m], padded.T).T))
        hub = read(torch.cat([over["audio"], torch.zeros(2, W, dtype=torch.float64)]))[-2:]
        hub = read(torch.cat([hub, over["vision"]]))[:2]
        both = read(read(torch.cat([hub, h["text"][0][i, : LENGTHS["text"][i]]])))
        close(got[i], both[1])
    names = {n.split(".")[0] for n, _ in net.named_parameters()}
    assert names == {"over_time", "encoder"}  # the hub is no parameter


def slow_macro(net, h, i, lengths, hub=2):
    """The steps that the hub has, (hub, w), of clip i, by whatever `net` has as the paper prints it."""
    encoder = lambda place: net.encoder[place] if isinstance(net.encoder, torch.nn.ModuleDict) else net.encoder  # noqa: E731

    def read(place, x, times=1):
        for _ in range(times):
            x = slow_encoder(encoder(place), x)
        return x

    over, start = {}, torch.zeros(hub, W, dtype=torch.float64)
    for m in ("audio", "vision"):
        x = h[m][0][i, : lengths[m][i]]
        if net.over_time:
            x = slow_linear(net.over_time[m], fit(x[None], STEPS[m])[0].T).T
        over[m] = read(m, x, net.runs)
    if net.over_time:
        found = read("hub, audio", torch.cat([over["audio"], start]))[-hub:]
    else:
        found = read("hub, audio", torch.cat([start, over["audio"]]))[:hub]
    found = read("hub, vision", torch.cat([found, over["vision"]]))[:hub]
    text = h["text"][0][i, : lengths["text"][i]]
    return read("hub, text", torch.cat([found, text]), net.runs)[:hub]


@pytest.mark.parametrize("printed", ["nothing", "own-length", "one-run", "own-encoders", "whole-hub"])
def test_a_part_of_macro_fusion_as_the_paper_prints_it(printed):
    torch.manual_seed(0)
    net = CodeMacro(W, 1, 2, 3, STEPS, Mixing(heads=3), printed).double().eval()
    h = {m: ragged(LENGTHS[m], W, seed, junk=0.0) for seed, m in enumerate(MODALITIES)}
    got = net({m: x for m, (x, _) in h.items()}, {m: valid for m, (_, valid) in h.items()})
    for i in range(2):
        hub = slow_macro(net, h, i, LENGTHS)
        close(got[i], hub.flatten() if printed == "whole-hub" else hub[-1])
    assert got.shape == (2, net.width) == (2, 2 * W if printed == "whole-hub" else W)
    assert net.runs == (1 if printed == "one-run" else 2)
    assert bool(net.over_time) == (printed != "own-length")
    encoders = {n.split(".")[1] for n, _ in net.encoder.named_parameters(prefix="encoder")}
    assert ("hub, text" in encoders) == (printed == "own-encoders")


def built(printed):
    config = dataclasses.replace(CONFIG, as_printed=printed, gru_text=3, gru_audio=2, gru_vision=4, common=5, head=7)
    return MFMBNet(config, Inputs(DIMS, {}))


def test_without_a_causal_mask_every_step_sees_all():
    for printed, offset in (("nothing", 0), ("full-attention", None)):
        net = built(printed)
        assert {layer.mix.causal for m in MODALITIES for layer in net.align.within[m].layers} == {offset}
        across = {layer.mix.causal for encoder in net.align.across.values() for layer in encoder.layers}
        assert (across == {None}) == (offset is None)


def test_the_head_and_the_generator_as_printed():
    width = W + 9 + 4 * 5
    assert built("nothing").head[1].in_features == width and built("streams-only").head[1].in_features == width - 9
    linear = built("linear-head").head
    assert isinstance(linear, torch.nn.Linear) and linear.weight.shape == (1, width)
    assert isinstance(built("nothing").rebuild["audio"].decode, torch.nn.Linear)
    first, relu, _, second = built("two-layer-generator").rebuild["audio"].decode
    assert isinstance(relu, torch.nn.ReLU) and first.in_features == W and second.out_features == DIMS["audio"]


def test_a_gated_summary_is_the_maximum_over_the_clips_own_steps():
    torch.manual_seed(0)
    net, (x, valid) = GatedSummary(W, 3, 2, 0.2).double().eval(), ragged([5, 1, 3], W, junk=9.0)
    got, gate = net(x, valid)
    for i, l in enumerate((5, 1, 3)):
        states = x[i : i + 1, :l]
        for ahead, back in zip(net.gru.ahead, net.gru.back, strict=True):
            states = torch.cat([ahead(states)[0], back(states.flip(1))[0].flip(1)], dim=-1)
        g = torch.sigmoid(net.gate(states.transpose(1, 2)))[0, 0]
        rows = [torch.tanh(net.mix(torch.cat([x[i, t], g[t] * torch.tanh(states[0, t])]))) for t in range(l)]
        close(got[i], torch.stack(rows).max(0).values)
        close(gate[i, :l], g)


def test_pairs_are_normalised_row_by_row_over_batch_and_channels():
    torch.manual_seed(0)
    net = CodeMicro(W, {"text": 3, "audio": 2, "vision": 4}, 1, 5, 0.0).double().train()
    h = {m: ragged(LENGTHS[m], W, seed) for seed, m in enumerate(MODALITIES)}
    valid = {m: v for m, (_, v) in h.items()}
    got, _ = net({m: x for m, (x, _) in h.items()}, valid)
    assert got.shape == (2, net.width) == (2, 9 + 20)
    common = {m: net.to_common[m](net.summary[m](h[m][0], valid[m])[0]) for m in MODALITIES}
    scale = lambda t: (t - t.mean()) / (t.var(unbiased=False) + 1e-5).sqrt()  # noqa: E731
    want = [scale(common["text"]), scale(common["vision"]), scale(common["text"]), scale(common["audio"])]
    close(got[:, 9:], torch.cat(want, dim=1))


def test_the_reconstruction_attends_among_the_channels_of_one_clip():
    torch.manual_seed(0)
    net = CodeReconstruction(W, 5, 7, 2, Mixing(heads=4), 0.0).double()
    assert net.steps == 8  # the next multiple of the heads
    (h, valid) = ragged([6, 2, 5], W)
    got = net(h, valid)
    for i in range(3):
        channels = torch.zeros(W, 8, dtype=torch.float64)
        channels[:, :6] = h[i].T
        close(got[i], slow_linear(net.decode, slow_encoder(net.encoder, channels).T[:6]))
    assert net(h[:, :2], valid[:, :2]).shape == (3, 2, 5) and net(torch.cat([h, h], 1), valid).shape == (3, 12, 5)


def test_no_clip_of_a_training_batch_reaches_another_ones_reconstruction():
    torch.manual_seed(0)
    net, (h, valid) = CodeReconstruction(W, 5, 7, 1, Mixing(heads=4), 0.0).double().train(), ragged([6, 2, 5], W)
    h.requires_grad_()
    (g,) = torch.autograd.grad(net(h, valid)[1].pow(2).sum(), h)
    assert (g[[0, 2]] == 0).all() and (g[1].abs() > 0).any()


def test_the_head_normalises_in_training_by_the_batch_and_then_by_what_it_has_seen():
    torch.manual_seed(0)
    head, x = CodeHead(6, 4, 1), 3 + 2 * torch.randn(40, 6)
    scaled = (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(head(x), head[4](head[2](head[1](scaled))), atol=1e-5, rtol=0)
    alone = head.eval()(x[:1])
    torch.testing.assert_close(alone, head(x)[:1], atol=1e-6, rtol=0)


@pytest.mark.parametrize("pool, want", [({}, (50, 375, 500)), ({"audio": 8, "vision": 10}, (50, 47, 50))])
def test_layers_over_time_follow_the_pooling(pool, want):
    steps = steps_of(MFMBCodeConfig(), Inputs(DIMS, pool))
    assert (steps["text"], steps["audio"], steps["vision"]) == want


@pytest.mark.parametrize("config, other", [(MFMBConfig, "code"), (MFMBCodeConfig, "paper")])
def test_each_reading_has_settings_of_its_own(config, other):
    with pytest.raises(CourseError, match=f"--reading {other} has settings of its own: use MFMB"):
        config(reading=other)
