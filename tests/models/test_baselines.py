"""The baselines: sizes, the fusion tensor against loops, and what a prediction may depend on."""

import itertools
import json

import numpy as np
import pytest
import torch

from mgmr_lib import cli
from mgmr_lib.data import export_mmsa
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.errors import CourseError
from mgmr_lib.models.baselines.attention import AttentionStack, positions
from mgmr_lib.models.baselines.common import last_valid, masked_mean, run_packed
from mgmr_lib.models.baselines.tensor_fusion import LowRankFusion, outer_product
from mgmr_lib.models.inputs import Inputs
from mgmr_lib.models.registry import NETWORKS, Entry, entry
from mgmr_lib.training.config import make_config
from mgmr_lib.training.losses import LossWeights, joint_loss
from mgmr_lib.training.run import load_run, train_run
from mgmr_lib.training.setup import prepare
from mgmr_lib.training.trainer import predict
from tests.models.properties import (
    assert_a_prediction_depends_on_its_clip_alone,
    assert_every_weight_gets_a_gradient,
    assert_hidden_content_changes_nothing,
    assert_nothing_is_left_at_rate_one,
    masked,
    predictions,
    tiny,
)
from tests.toy import toy_corpus
from tests.training.resuming import assert_resuming_changes_nothing

ATTENTION = {"d_model": 8, "heads": 2, "depth": 1}
HEADS = {"head_fused": 8, "head_text": 6, "head_audio": 5, "head_vision": 7, "lstm_audio": 4, "lstm_vision": 6}
HYPER = {"head_width": 3, "ffn": 5, "tokens": 3, "scales": 2, "depth_fuse": 1}
VECTORS = {"d_text": 8, "d_audio": 4, "d_vision": 4, "d_fused": 8}
SIZES = {
    "fc_t": {"d_model": 8},
    "fc_a": {"d_model": 8},
    "fc_v": {"d_model": 8},
    "concat": {"d_model": 8},
    "early_lstm": {"d_model": 8},
    "late_lstm": {"d_model": 8},
    "tfn": VECTORS,
    "lmf": VECTORS | {"rank": 3},
    "mult": ATTENTION | {"depth_self": 1},
    "tfr": ATTENTION | {"heads": 2, "d_text": 4, "d_audio": 3, "d_vision": 5, "depth_gru": 2, "d_head": 8},
    "misa": {"d_model": 8, "ffn": 16},
    "self_mm": HEADS | {"d_audio": 3, "d_vision": 5},
    "mmim": {"d_model": 8, "lstm_audio": 4, "lstm_vision": 6, "d_audio": 3, "d_vision": 5, "d_estimator": 7},
    "tetfn": ATTENTION | HEADS | {"depth_self": 1},
    "cenet": ATTENTION,
    "almt": ATTENTION | HYPER,
    "lnln": ATTENTION | HYPER,
    "emt": ATTENTION | {"depth": 2, "expansion": 2, "lstm_audio": 4, "lstm_vision": 5, "d_audio": 3, "d_vision": 4,
                        "d_head": 6, "bottleneck_global": 4, "bottleneck_text": 4},
    "tf_mamba": {"d_model": 8, "heads": 2, "head_width": 3, "d_state": 2, "expand": 1},
}  # fmt: skip
D_TEXT, D_AUDIO, D_VISION = 64, 5, 7  # the tiny encoder's width, and the toy corpus's


def linear(d_in, d_out):
    return d_in * d_out + d_out


def lstm(d_in, d):
    return 4 * (d_in * d + d * d + 2 * d)


def gru(d_in, d):
    return 3 * (d_in * d + d * d + 2 * d)


def attention(d, norms):
    return 4 * linear(d, d) + linear(d, 4 * d) + linear(4 * d, d) + norms * 2 * d


def mult_count():
    conv = (D_TEXT * 1 + D_AUDIO * 5 + D_VISION * 3) * 8 + 3 * 8
    return conv + 6 * attention(8, 3) + 3 * attention(16, 2) + 2 * linear(48, 48) + linear(48, 1)


def tfr_count():
    conv = (D_TEXT * 1 + D_AUDIO * 5 + D_VISION * 3) * 8 + 3 * 8
    extract = 3 * (attention(8, 2) + 2 * attention(8, 3))
    rebuild = 3 * attention(24, 2) + sum(linear(24, d) for d in (D_TEXT, D_AUDIO, D_VISION))
    gates = sum(2 * (gru(24, d) + gru(2 * d, d)) + (2 * d * 3 + 1) + linear(24 + 2 * d, d) for d in (4, 3, 5))
    return conv + extract + rebuild + gates + 2 * 12 + linear(12, 8) + linear(8, 1)


def misa_count():
    lstms = sum(40 * d * d + 36 * d for d in (D_AUDIO, D_VISION))
    vectors = sum(linear(d, 8) + 16 for d in (D_TEXT, 4 * D_AUDIO, 4 * D_VISION))
    layer = 4 * linear(8, 8) + linear(8, 16) + linear(16, 8) + 2 * 16
    return lstms + vectors + 7 * linear(8, 8) + layer + linear(48, 24) + linear(24, 1)


def vectors_count(d_audio, d_vision):
    return lstm(D_AUDIO, 4) + linear(4, d_audio) + lstm(D_VISION, 6) + linear(6, d_vision)


def head(d_in, d):
    return linear(d_in, d) + linear(d, d) + linear(d, 1)


def self_mm_count():
    return vectors_count(3, 5) + head(D_TEXT + 3 + 5, 8) + head(D_TEXT, 6) + head(3, 5) + head(5, 7)


def mmim_count():
    fuse = linear(D_TEXT + 3 + 5, 8) + linear(8, 8) + linear(8, 1)
    estimators = sum(2 * (linear(D_TEXT, 7) + linear(7, d)) for d in (3, 5))
    return vectors_count(3, 5) + fuse + sum(linear(8, d) for d in (D_TEXT, 3, 5)) + estimators


def tetfn_count():
    stack = lambda w, depth: depth * (12 * w * w + 13 * w) + 2 * w  # noqa: E731
    low = linear(D_TEXT, 8) + lstm(D_AUDIO, 4) + linear(4, 8) + lstm(D_VISION, 6) + linear(3 * 6, 8)
    stacks = 4 * stack(8, 1) + 2 * (stack(8, 1) + stack(8, 1)) + 3 * stack(16, 1)
    return low + stacks + head(48, 8) + head(8, 6) + head(8, 5) + head(8, 7)


def layer(d, inner, ffn):
    """An EncoderLayer whose heads have `inner` channels together."""
    mix = linear(d, inner) + linear(d, 2 * inner) + linear(inner, d)
    return mix + linear(d, ffn) + linear(ffn, d) + 2 * 2 * d


def cenet_count():
    asked = sum(linear(d, 8) + linear(8, 8) + 16 + linear(D_TEXT, 8) + linear(8, 16) for d in (D_AUDIO, D_VISION))
    return asked + linear(16, D_TEXT) + linear(D_TEXT, 8) + layer(8, 8, 32) + 16 + linear(8, 8) + linear(8, 1)


def almt_count():
    d, tokens, one = 8, 3, layer(8, 6, 5)
    embed = sum(linear(d_in, d) + tokens * d + one for d_in in (D_TEXT, D_AUDIO, D_VISION))
    collect = 3 * 2 * d + d * d + 2 * d * 2 * d + linear(d, d)
    return embed + 4 * tokens * d + d + one + 2 * collect + one + linear(d, 1)


def lnln_count():
    d, tokens, one = 8, 3, layer(8, 6, 5)
    completeness = d + one + linear(d, 4) + linear(4, 1)
    proxy = 3 * tokens * d + one
    return almt_count() + completeness + proxy + linear(d, 4) + linear(4, 2) + 3 * (tokens * d + one)


def emt_count():
    widths, d = (D_TEXT, 3, 4), 8
    steps = lstm(D_AUDIO, 4) + linear(4, 3) + lstm(D_VISION, 5) + linear(5, 4) + sum(widths) * d
    unit = 4 * 2 * d + 8 * linear(d, d) + linear(d, 32) + linear(16, d)
    pool = linear(24, 24) + linear(24, 1)
    attract = sum(w * w + w * k + 2 * k + linear(k, w) for w, k in zip((24, *widths), (4, 4, 8, 16), strict=True))
    rebuild = sum(linear(d, d_in) for d_in in (D_TEXT, D_AUDIO, D_VISION))
    return steps + unit + pool + attract + rebuild + linear(24 + sum(widths), 6) + linear(6, 6) + linear(6, 1)


def tf_mamba_count():
    d, n, bins = 8, 2, 50
    mamba = d * 2 * d + 5 * d + d * (1 + 2 * n) + linear(1, d) + d * n + d + d * d
    enhance = sum(
        lstm(d_in, bins + 1) + lstm(bins + 1, bins + 1) + 2 * d_in + linear(d_in, d) + 2 * d + 1
        for d_in in (D_AUDIO, D_VISION)
    )
    pairs = 2 * (4 * mamba - 2 * d * n + 4 * d)
    ask = linear(d, 6) + linear(d, 12) + linear(6, d) + 2 * d
    text = 2 * D_TEXT + linear(D_TEXT, d) + linear(d, d) + linear(d, D_TEXT)
    return text + enhance + pairs + ask + 2 * mamba + 2 * d + linear(d, 1)


def language_count():
    return lstm(D_TEXT, 8) + 2 * linear(8, 8)


COUNTS = {
    "fc_t": linear(D_TEXT, 8) + linear(8, 1),
    "fc_a": linear(D_AUDIO, 8) + linear(8, 1),
    "fc_v": linear(D_VISION, 8) + linear(8, 1),
    "concat": linear(D_TEXT + D_AUDIO + D_VISION, 8) + linear(8, 1),
    "early_lstm": lstm(D_TEXT + D_AUDIO + D_VISION, 8) + linear(8, 8) + linear(8, 1),
    "late_lstm": lstm(D_TEXT, 8) + lstm(D_AUDIO, 8) + lstm(D_VISION, 8) + linear(24, 8) + linear(8, 1),
    "tfn": language_count() + linear(D_AUDIO, 4) + linear(D_VISION, 4) + 4 * linear(4, 4)
    + linear(9 * 5 * 5, 8) + linear(8, 8) + linear(8, 1),
    "lmf": language_count() + linear(D_AUDIO, 4) + linear(D_VISION, 4) + 2 * linear(4, 4)
    + 3 * (9 + 5 + 5) * 8 + 8 + linear(8, 1),
    "mult": mult_count(),
    "tfr": tfr_count(),
    "cenet": cenet_count(),
    "almt": almt_count(),
    "lnln": lnln_count(),
    "emt": emt_count(),
    "tf_mamba": tf_mamba_count(),
    "misa": misa_count(),
    "self_mm": self_mm_count(),
    "mmim": mmim_count(),
    "tetfn": tetfn_count(),
}  # fmt: skip
REBUILT = {"tfr": MODALITIES, "emt": MODALITIES, "tf_mamba": ("text",)}
NAMES = [name for name in NETWORKS if name not in ("mgmr", "mfmb")]  # these have tests of their own
every_baseline = pytest.mark.parametrize("name", NAMES)


def network(name, pool=None, seed=0, **changes):
    torch.manual_seed(seed)
    found = entry(name)
    inputs = Inputs({"text": tiny().dim, "audio": D_AUDIO, "vision": D_VISION}, pool, tiny())
    net = found.build(found.config(**SIZES[name] | changes), inputs).eval()
    # Fresh weights make nearly the same of every clip: with larger ones, whatever leaks is seen.
    with torch.no_grad():
        for part in (p for n, p in net.named_parameters() if "text_encoder" not in n and p.dim() > 1):
            part.mul_(2.0)
    return net


@every_baseline
def test_number_of_weights(name):
    assert sum(p.numel() for n, p in network(name).named_parameters() if "text_encoder" not in n) == COUNTS[name]


@every_baseline
@pytest.mark.parametrize("pool", [None, {"audio": 4, "vision": 6}], ids=["native", "pooled"])
def test_one_number_a_clip_and_where_it_reconstructs_the_raw_shapes(name, pool):
    net, batch = network(name, pool), masked(0.5).batch(range(6))
    output, seen = net(batch), net.inputs(batch)
    assert output.prediction.shape == (6,) and output.prediction.isfinite().all()
    assert set(output.reconstruction) == set(REBUILT.get(name, ()))
    for m, r in output.reconstruction.items():
        assert r.value.shape == r.target.shape == seen[m].target.shape and r.missing.any()
        assert torch.equal(r.missing, seen[m].valid & ~seen[m].keep)
    assert {m: g.shape for m, g in output.gates.items()} == (
        {m: seen[m].valid.shape for m in MODALITIES} if name == "tfr" else {}
    )


@every_baseline
@pytest.mark.parametrize("pool", [None, {"audio": 4, "vision": 6}], ids=["native", "pooled"])
def test_a_prediction_depends_on_its_clip_alone(name, pool):
    assert_a_prediction_depends_on_its_clip_alone(network(name, pool), spread=0.01)


@every_baseline
def test_nothing_in_padding_or_missing_steps_changes_a_prediction(name):
    assert_hidden_content_changes_nothing(network(name))


@every_baseline
def test_at_rate_one_all_content_is_gone(name):
    assert_nothing_is_left_at_rate_one(network(name))


@every_baseline
def test_every_weight_gets_a_gradient(name):
    assert_every_weight_gets_a_gradient(network(name).train())


@pytest.mark.parametrize("name, modality", [("fc_t", "text"), ("fc_a", "audio"), ("fc_v", "vision")])
def test_a_one_modality_network_reads_its_own_and_no_other(name, modality):
    net, batch = network(name), masked(0.0).batch(range(8))
    clean = net(batch).prediction
    for m in MODALITIES:
        part = batch[m]
        part.x = torch.where(part.valid if m == "text" else part.valid[..., None], 1500 if m == "text" else 3.0, part.x)
        changed = not torch.equal(net(batch).prediction, clean)
        assert changed == (m == modality)
        batch = masked(0.0).batch(range(8))
    assert (net.inputs.text_encoder is not None) == (modality == "text")


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith("fc_")])
def test_a_multimodal_network_reads_all_three(name):
    net = network(name)
    clean = net(masked(0.0).batch(range(8))).prediction
    for m in MODALITIES:
        batch = masked(0.0).batch(range(8))
        part = batch[m]
        part.x = torch.where(part.valid if m == "text" else part.valid[..., None], 1500 if m == "text" else 3.0, part.x)
        assert (net(batch).prediction - clean).abs().max() > 1e-4


def vectors(seed=0, b=3, widths=(4, 3, 2)):
    torch.manual_seed(seed)
    return {
        m: torch.randn(b, d, dtype=torch.float64, requires_grad=True) for m, d in zip(MODALITIES, widths, strict=True)
    }


def test_the_fusion_tensor_is_every_product_of_entries_and_ones():
    z = vectors()
    got = outer_product(*z.values())
    extended = {m: [[*row.tolist(), 1.0] for row in v] for m, v in z.items()}
    assert got.shape == (3, 5, 4, 3)
    for n, i, j, k in itertools.product(range(3), range(5), range(4), range(3)):
        want = extended["text"][n][i] * extended["audio"][n][j] * extended["vision"][n][k]
        assert got[n, i, j, k].item() == pytest.approx(want, abs=1e-12)
    # The ones keep each modality by itself, and the constant.
    assert torch.equal(got[:, :4, -1, -1], z["text"]) and (got[:, -1, -1, -1] == 1).all()


def test_low_rank_fusion_is_tensor_fusion_with_the_tensor_that_its_factors_make():
    z = vectors()
    fuse = LowRankFusion({m: v.shape[1] for m, v in z.items()}, d_fused=6, rank=2).double()
    torch.nn.init.normal_(fuse.bias)
    low = fuse(z)
    weights = torch.zeros(6, 5, 4, 3, dtype=torch.float64)
    t, a, v = (fuse.factors[m] for m in MODALITIES)
    for r, f, i, j, k in itertools.product(range(2), range(6), range(5), range(4), range(3)):
        weights[f, i, j, k] += (t[r, i, f] * a[r, j, f] * v[r, k, f]).detach()
    torch.testing.assert_close(fuse.weight_tensor().detach(), weights, atol=1e-12, rtol=0)
    full = torch.nn.functional.linear(outer_product(*z.values()).flatten(1), fuse.weight_tensor().flatten(1), fuse.bias)
    torch.testing.assert_close(low, full, atol=1e-12, rtol=0)
    for which in (*z.values(), *fuse.parameters()):
        grads = [torch.autograd.grad((y * y).sum(), which, retain_graph=True)[0] for y in (low, full)]
        torch.testing.assert_close(*grads, atol=1e-10, rtol=0)


def test_a_bounded_output_stays_within_its_limit():
    net = network("tfn", limit=3.0)
    torch.nn.init.constant_(net.head.bias, 50.0)
    assert predictions(net, masked()).max() <= 3.0 and predictions(net, masked()).min() > 2.9


def some_steps(d=6):
    torch.manual_seed(0)
    lengths = torch.tensor([9, 3, 1])
    x, valid = torch.randn(3, 9, d), torch.arange(9)[None] < lengths[:, None]
    return x, valid, lengths


def test_summaries_over_time_are_those_of_the_clip_alone():
    x, valid, lengths = some_steps()
    for i, l in enumerate(lengths):
        torch.testing.assert_close(masked_mean(x, valid)[i], x[i, :l].mean(0))
        assert torch.equal(last_valid(x, valid)[i], x[i, l - 1])


def test_a_packed_recurrence_runs_backward_from_the_clips_own_end():
    x, valid, lengths = some_steps()
    rnn = torch.nn.GRU(6, 4, 2, batch_first=True, bidirectional=True)
    got = run_packed(rnn, x.masked_fill(~valid[..., None], 99.0), valid)
    for i, l in enumerate(lengths):
        torch.testing.assert_close(got[i, :l], rnn(x[i : i + 1, :l])[0][0], atol=1e-6, rtol=0)
        assert (got[i, l:] == 0).all()


def test_attention_is_softmax_over_the_valid_steps_of_the_memory():
    x, valid, _ = some_steps(8)
    memory, memory_valid = torch.randn(3, 5, 8), torch.arange(5)[None] < torch.tensor([[5], [2], [4]])
    layer = AttentionStack(8, 2, 1, 0.0, 0.0, crossmodal=True).eval().layers[0]
    got = layer(x, memory, memory_valid)
    q, m = layer.norm(x), layer.norm_memory(memory)
    parts = torch.nn.functional.linear(
        torch.cat([q, m], 1), layer.attention.in_proj_weight, layer.attention.in_proj_bias
    )
    want = torch.zeros_like(q)
    for i, h in itertools.product(range(3), range(2)):
        one = slice(4 * h, 4 * h + 4)
        n = int(memory_valid[i].sum())
        keys, values = parts[i, 9 : 9 + n, 8:16][:, one], parts[i, 9 : 9 + n, 16:][:, one]
        want[i, :, one] = (parts[i, :9, :8][:, one] @ keys.T / 2).softmax(-1) @ values
    z = layer.norm_between(layer.attention.out_proj(want) + q)
    torch.testing.assert_close(got, z + layer.feedforward(z), atol=1e-5, rtol=0)


def test_positions_tell_steps_apart_and_do_not_depend_on_the_length():
    codes = positions(500, 30, torch.zeros(1))
    assert codes.shape == (500, 30) and torch.pdist(codes).min() > 0.05
    assert torch.equal(codes[:7], positions(7, 30, torch.zeros(1))) and positions(4, 5, torch.zeros(1)).shape == (4, 5)


def test_frames_seen_by_early_fusion_lie_on_the_clips_own_tokens():
    net, batch = network("early_lstm"), masked(0.0).batch(range(4))
    x, valid = net.aligned(batch)
    seen = net.inputs(batch)
    assert x.shape == (*batch.text.valid.shape, D_TEXT + D_AUDIO + D_VISION) and torch.equal(valid, batch.text.valid)
    for i in range(4):
        frames, tokens = int(seen["audio"].valid[i].sum()), int(valid[i].sum())
        pooled = torch.nn.functional.adaptive_avg_pool1d(seen["audio"].x[i, :frames].T[None], tokens)[0].T
        torch.testing.assert_close(x[i, :tokens, D_TEXT : D_TEXT + D_AUDIO], pooled, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "name, changes, words",
    [
        ("fc_t", {"d_model": 0}, "--d-model must be a whole number, at least 1"),
        ("late_lstm", {"dropout": 1.0}, "--dropout must be a number, at least 0 and below 1"),
        ("lmf", {"rank": -1}, "--rank must be a whole number, at least 1"),
        ("tfn", {"limit": -3.0}, "--limit must be a number, at least 0"),
        ("mult", {"heads": 3}, "--heads must divide --d-model"),
        ("tfr", {"kernel_audio": 4}, "--kernel-audio must be a whole number, odd and at least 1"),
    ],
)
def test_impossible_sizes_are_one_sentence(name, changes, words):
    with pytest.raises(CourseError, match=words):
        entry(name).config(**SIZES[name] | changes)


def small(name, **changes):
    fixed = {"text_encoder": "tiny", "pool_audio": 4, "pool_vision": 4}
    return make_config(name, "laptop", **fixed | SIZES[name] | changes)


WIDER = dict.fromkeys(NAMES, {"d_model": 32}) | {
    "tfn": {"d_text": 16, "d_audio": 8, "d_vision": 8, "d_fused": 32},
    "lmf": {"d_text": 16, "d_audio": 8, "d_vision": 8, "d_fused": 32},
    "mult": {"d_model": 16},
    "tfr": {"d_model": 8, "d_text": 16, "d_audio": 16, "d_vision": 16, "depth_gru": 1, "d_head": 32},
    "self_mm": {"head_fused": 32},
    "tetfn": {"d_model": 16},
    "almt": {"d_model": 16, "ffn": 16},
    "lnln": {"d_model": 16, "ffn": 16},
    "cenet": {"d_model": 16},
    "emt": {"d_model": 16, "depth": 1, "d_head": 32},
    "tf_mamba": {"d_model": 16},
}


@every_baseline
def test_it_overfits_thirty_two_clips(name):
    no_dropout = {k: 0.0 for k in ("dropout", "attention_dropout") if hasattr(entry(name).config(), k)}
    setup = prepare(small(name, **no_dropout | WIDER[name]), toy_corpus(sizes=(32, 4, 4)))
    data = setup.masked("train", 0.0, 1)
    batch, model = data.batch(range(32)), setup.model.train()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, 600)
    for _ in range(600):
        output = model(batch)
        losses = joint_loss(output, batch.labels, LossWeights())
        if (output.prediction - batch.labels).abs().mean() < 0.05:
            break
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
        scheduler.step()
    assert np.abs(predict(model, data) - setup.splits["train"].labels).mean() < 0.1


@every_baseline
def test_it_trains_by_the_same_loop_and_is_read_back_whole(name, tmp_path):
    corpus = toy_corpus(sizes=(16, 8, 8))
    run = train_run(small(name, epochs=2, batch_size=5), tmp_path / "run", corpus, quiet=True)  # 16 = 5 + 5 + 5 + 1
    untrained = prepare(run.config, corpus).model.state_dict()
    assert any(not torch.equal(v, untrained[k]) for k, v in run.model.state_dict().items())
    data = run.masked("test", 0.5, 1)
    assert (load_run(tmp_path / "run", corpus).predict(data) == run.predict(data)).all()
    assert len(np.unique(run.predict(data))) == 8


@every_baseline
def test_resuming_after_each_epoch_changes_nothing(name, tmp_path):
    epochs = 2 if entry(name).teacher == Entry.teacher else 3  # pseudo-labels move in the second, and cost in the third
    assert_resuming_changes_nothing(small(name, epochs=epochs), toy_corpus(sizes=(21, 6, 6)), tmp_path)


@pytest.fixture(scope="module")
def toy_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("baselines") / "toy_mosi.pkl"
    export_mmsa(toy_corpus(sizes=(16, 8, 8)), path)
    return path


@every_baseline
def test_the_command_line_trains_and_evaluates_it(name, toy_file, tmp_path, capsys):
    settings = ["--profile", "fast", "--text-encoder", "tiny", "--epochs", "2", "--batch-size", "8", "--quiet"]
    run, out = tmp_path / "run", tmp_path / "measured.json"
    assert cli.main(["train", "--model", name, "--data", str(toy_file), "--out", str(run), *settings]) == 0
    assert f"{name}, " in capsys.readouterr().out
    rates = ["--rates", "0:1:0.5", "--seeds", "2", "--references", "--quiet"]
    assert cli.main(["evaluate", "--run", str(run), "--out", str(out), *rates]) == 0
    result = json.loads(out.read_text())
    assert result["model"] == name and name in capsys.readouterr().out
    assert [(r["rate"], r["seed"]) for r in result["records"]] == [(r, s) for r in (0.0, 0.5, 1.0) for s in (1, 2)]
    assert all(np.isfinite(r["mae"]) and 0 <= r["acc2_has0"] <= 1 for r in result["records"])
    assert set(result["references"]) == {"mean", "text ridge"}
