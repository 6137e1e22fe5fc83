"""MFMB-Net, whole, in both readings and both makes: what a prediction may depend on, sizes, gradients, training."""

import dataclasses
import functools

import numpy as np
import pytest
import torch

from mgmr_lib.data.batch import MaskedSplit
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.errors import CourseError
from mgmr_lib.models.inputs import Inputs
from mgmr_lib.models.mfmb.config import PRINTED, MFMBCodeConfig, MFMBConfig
from mgmr_lib.models.mfmb.network import MFMBNet
from mgmr_lib.models.output import class_values
from mgmr_lib.models.registry import entry
from mgmr_lib.training.config import make_config
from mgmr_lib.training.losses import LossWeights, joint_loss
from mgmr_lib.training.run import load_run, train_run
from mgmr_lib.training.setup import prepare
from mgmr_lib.training.trainer import Trainer, predict
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

D_TEXT, D_AUDIO, D_VISION = 64, 5, 7  # the tiny encoder's width, and the toy corpus's
TWIN = {"d_state": 3, "expand": 1, "d_conv": 3}
PAPER = {
    "d_model": 8,
    "heads": 2,
    "ffn": 12,
    "hub": 2,
    "d_lstm": 3,
    "d_mix": 5,
    "d_fine": 2,
    "ffn_rebuild": 9,
    "text_length": 16,
}
CODE = {
    "reading": "code", "hub": 2, "text_length": 16, "d_model": 4, "heads": 2, "depth": 1, "depth_cross": 2,
    "steps_audio": 40, "steps_vision": 60, "steps": 6, "macro_heads": 3, "macro_depth": 1,
    "gru_text": 3, "gru_audio": 2, "gru_vision": 4, "gru_depth": 2, "common": 5, "head": 7, "rebuild_heads": 5,
}  # fmt: skip
WITHOUT = [{"use_macro": False}, {"use_micro": False}, {"use_reconstruction": False}]
CHANGES = [{}, {"encoder": "mamba"}, *WITHOUT, {"classes": 7}]
LATER = [{"encoder": "mamba", "layer": "mamba2"}, {"encoder": "mamba", "layer": "mamba3", "d_state": 4}]


def make(settings):
    """The configuration of these settings' reading."""
    return entry("mfmb").reading(settings)(**settings)


VARIANTS = [make(sizes | TWIN | change) for sizes in (PAPER, CODE) for change in CHANGES]
VARIANTS.append(make(PAPER | TWIN | {"gate": "sigmoid"}))
VARIANTS += [make(PAPER | TWIN | change) for change in LATER] + [make(CODE | TWIN | LATER[1])]
VARIANTS += [make(CODE | {"as_printed": part}) for part in PRINTED[1:]]
MOVED_HUB = {"encoder": "mamba", "as_printed": "own-length", "expand": 2}  # a scan needs padding to stay at the end
VARIANTS.append(make(CODE | TWIN | MOVED_HUB))


def variant(config):
    """What distinguishes a variant, as a test's name."""
    names = ("encoder", "use_macro", "use_micro", "use_reconstruction", "classes", "gate", "layer")
    own = [f"{k}={getattr(config, k)}" for k in names if getattr(config, k, "printed") != getattr(VARIANTS[0], k)]
    part = getattr(config, "as_printed", "nothing")
    return ",".join([config.reading, *own, *([part] if part != "nothing" else [])])


every_variant = pytest.mark.parametrize("config", VARIANTS, ids=variant)


def fresh(config, pool=(), seed=0):
    torch.manual_seed(seed)
    return MFMBNet(config, Inputs({"text": tiny().dim, "audio": D_AUDIO, "vision": D_VISION}, dict(pool), tiny()))


@functools.cache
def network(config, pool=()):
    net = fresh(config, pool)
    # Fresh weights make nearly the same of every clip, and fresh statistics hide what BatchNorm does: change both.
    with torch.no_grad():
        for part in (p for n, p in net.named_parameters() if "text_encoder" not in n and p.dim() > 1):
            part.mul_(2.0)
        net.train()(masked(0.3).batch(range(9)))
    return net.eval()


POOLED = (("audio", 4), ("vision", 6))
WHOLE = [c for c in VARIANTS if c.use_macro and c.use_micro and c.use_reconstruction]


@pytest.mark.parametrize(
    "config, pool",
    [(c, ()) for c in VARIANTS] + [(c, POOLED) for c in WHOLE],
    ids=[variant(c) for c in VARIANTS] + [f"pooled-{variant(c)}" for c in WHOLE],
)
def test_a_prediction_depends_on_its_clip_alone(config, pool):
    assert_a_prediction_depends_on_its_clip_alone(network(config, pool), spread=1e-3, rtol=1e-5)


@every_variant
def test_nothing_in_padding_or_missing_steps_changes_a_prediction(config):
    assert_hidden_content_changes_nothing(network(config))


@every_variant
def test_a_reconstruction_depends_on_its_clip_alone(config):
    net, data = network(config), masked(0.5)
    whole = net(data.batch(range(15))).reconstruction
    assert set(whole) == (set(MODALITIES) if config.use_reconstruction else set())
    for i in (0, 7, 14):
        for m, r in net(data.batch([i])).reconstruction.items():
            l = int(r.missing.shape[1])
            scale = max(1.0, whole[m].value.abs().max().item())  # rounding grows with the doubled weights
            torch.testing.assert_close(r.value[0], whole[m].value[i, :l], atol=1e-5 * scale, rtol=1e-5)


@every_variant
def test_one_number_a_clip_and_the_raw_shapes(config):
    net, batch = network(config, POOLED), masked(0.5).batch(range(6))
    output, seen = net(batch), net.inputs(batch)
    assert output.prediction.shape == (6,) and output.prediction.isfinite().all()
    assert (output.logits is None) == (config.classes == 1) and (output.logits is None or output.logits.shape == (6, 7))
    for m, r in output.reconstruction.items():
        assert r.value.shape == r.target.shape == seen[m].target.shape and r.missing.any()
        assert torch.equal(r.missing, seen[m].valid & ~seen[m].keep)
    for m, gate in output.gates.items():
        assert gate.shape[:2] == seen[m].valid.shape


@every_variant
def test_at_rate_one_all_content_is_gone(config):
    assert_nothing_is_left_at_rate_one(network(config))


@every_variant
def test_clips_of_one_step_and_lost_modalities_give_a_number(config):
    net, split = network(config), toy_corpus(sizes=(2, 2, 6), longest=(3, 3), text=4)["test"]
    short = dataclasses.replace(split, token_lengths=np.full(6, 1), audio=split.audio, vision=split.vision)
    for lost in MODALITIES:
        keep = draw_masks(short, 0.0, 1)
        keep[lost][:] = False
        batch = MaskedSplit(short, keep).batch(range(6))
        found = predictions(net, MaskedSplit(short, keep))
        assert found.isfinite().all() and found.shape == (6,) and batch[lost].missing.any()
    assert net(batch).prediction.isfinite().all()


@pytest.mark.parametrize("config", [c for c in VARIANTS if c.use_macro and c.use_micro], ids=variant)
def test_every_weight_gets_a_gradient(config):
    assert_every_weight_gets_a_gradient(fresh(config).train())


def test_the_guesses_feed_the_loss_and_nothing_else():
    for config in (VARIANTS[0], make(CODE)):
        net, batch = fresh(config).train(), masked(0.5).batch(range(15))
        net(batch).prediction.abs().sum().backward()
        assert all(p.grad is None for p in net.rebuild.parameters())


def test_equation_16_is_one_linear_layer_on_both_streams():
    net, batch = network(VARIANTS[0]), masked(0.3).batch(range(6))
    sequences = net.inputs(batch)
    valid = {m: s.valid for m, s in sequences.items()}
    h = net.align(sequences)
    h_f, (h_fusion, _) = net.macro(h, valid), net.micro(h, valid)
    got, (weight, bias) = net(batch).prediction, net.head[-1].parameters()
    assert weight.shape == (1, h_f.shape[1] + h_fusion.shape[1])
    for i in range(6):
        both = h_f[i].tolist() + h_fusion[i].tolist()
        want = sum(w * x for w, x in zip(weight[0].tolist(), both, strict=True)) + bias.item()
        assert got[i].item() == pytest.approx(want, abs=1e-5)


def test_a_classifiers_number_is_the_mean_of_its_classes():
    net, batch = network(MFMBConfig(**PAPER | {"classes": 7})), masked(0.3).batch(range(6))
    output = net(batch)
    for logits, got in zip(output.logits.tolist(), output.prediction.tolist(), strict=True):
        weights = np.exp(logits)
        assert got == pytest.approx((weights * np.arange(-3, 4)).sum() / weights.sum(), abs=1e-5)


def count(net):
    return sum(p.numel() for n, p in net.named_parameters() if "text_encoder" not in n)


def test_number_of_weights_in_the_paper_reading():
    net, d, raw = fresh(VARIANTS[0]), 8, (D_TEXT, D_AUDIO, D_VISION)
    parts = {"align": net.align, "macro": net.macro, "micro": net.micro}
    rebuild = 3 * 3 * d * d + sum((d * 9 + 9) + (9 * r + r) for r in raw)
    head = (2 * d) + (2 * 6 * 2) + 1
    # The formulas of the three other parts are in their own tests.
    assert count(net) == sum(count(p) for p in parts.values()) + rebuild + head


def test_at_mosis_sizes_each_reading_has_a_fixed_number_of_weights():
    dims = {"text": 768, "audio": 5, "vision": 20}
    assert count(MFMBNet(MFMBConfig(), Inputs(dims))) == 768_802
    # The published network has 15 584 101 beside BERT, of which its forward pass never uses 245 853.
    assert count(MFMBNet(MFMBCodeConfig(), Inputs(dims))) == 15_584_101 - 245_853


def test_switched_off_parts_are_not_built():
    for sizes in (PAPER, CODE):
        full = count(fresh(make(sizes)))
        for change in WITHOUT:
            assert count(fresh(make(sizes | change))) < full
        assert len(fresh(make(sizes | {"use_reconstruction": False})).rebuild) == 0


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"reading": "both"}, "no reading 'both'"),
        ({"encoder": "lstm"}, "--encoder must be one of transformer, mamba"),
        ({"gate": "tanh"}, "--gate must be one of printed, sigmoid"),
        ({"class_targets": "soft"}, "--class-targets must be one of one-hot, two-hot"),
        ({"heads": 3}, "--heads must divide --d-model"),
        ({"reading": "code", "heads": 7}, "--heads must divide --d-model"),
        ({"reading": "code", "macro_heads": 7}, "--macro-heads must divide 3 times --d-model"),
        ({"dropout": 1.0}, "--dropout must be a number, at least 0 and below 1"),
        ({"hub": 0}, "--hub must be a whole number, at least 1"),
        ({"class_step": 0.0}, "--class-step must be a number, above 0"),
        ({"use_macro": False, "use_micro": False}, "keep one stream"),
    ],
)
def test_impossible_settings_are_one_sentence(changes, words):
    with pytest.raises(CourseError, match=words):
        make(changes)


def small(**changes):
    fixed = {"text_encoder": "tiny", "pool_audio": 4, "pool_vision": 4, "dropout": 0.0}
    own = {"steps_audio": 40, "steps_vision": 60} if changes.get("reading") == "code" else {"input_dropout": 0.0}
    longest = {"text_length": 16} | own
    return make_config("mfmb", "fast", **fixed | longest | {"ema": 0.0, "max_clips": None} | changes)


@pytest.mark.parametrize(("family", "largest"), [("mosi", 3.0), ("mosei", 3.0), ("sims", 1.0)])
@pytest.mark.parametrize("reading", ["paper", "code"])
def test_the_laptop_profiles_classes_span_the_labels_and_full_regresses(family, largest, reading):
    laptop, full = (make_config("mfmb", profile, family, reading=reading).network for profile in ("laptop", "full"))
    values = class_values(laptop.classes, laptop.class_step)
    assert values[-1].item() == pytest.approx(largest) and values[0].item() == pytest.approx(-largest)
    assert laptop.class_targets == "two-hot" and full.classes == 1


TWO_HOT = {"classes": 7, "class_targets": "two-hot"}


@pytest.mark.parametrize(
    "changes",
    [{}, {"encoder": "mamba"}, {"reading": "code"}, TWO_HOT],
    ids=["paper", "twin", "code", "two-hot classes"],
)
def test_it_overfits_thirty_two_clips(changes):
    setup = prepare(small(**changes), toy_corpus(sizes=(32, 4, 4)))
    data = setup.masked("train", 0.0, 1)
    batch, model = data.batch(range(32)), setup.model.train()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, 150)
    for _ in range(150):
        losses = joint_loss(model(batch), batch.labels, LossWeights())
        if losses["task"] < 0.025:
            break
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
        scheduler.step()
    assert np.abs(predict(model, data) - setup.splits["train"].labels).mean() < 0.1


class KilledError(Exception):
    pass


class OneEpoch(Trainer):
    def _save(self):
        super()._save()
        raise KilledError


@pytest.mark.parametrize(
    "changes", [{}, {"reading": "code"}, {"encoder": "mamba", "classes": 7}], ids=["paper", "code", "twin"]
)
def test_it_trains_by_the_same_loop_resumes_and_is_read_back_whole(changes, tmp_path):
    corpus, config = toy_corpus(sizes=(16, 8, 8)), small(epochs=2, batch_size=5, **changes)  # 16 = 5 + 5 + 5 + 1
    run = train_run(config, tmp_path / "run", corpus, quiet=True)
    data = run.masked("test", 0.5, 1)
    assert len(np.unique(run.predict(data))) == 8
    assert (load_run(tmp_path / "run", corpus).predict(data) == run.predict(data)).all()
    folder = tmp_path / "interrupted"
    folder.mkdir()
    with pytest.raises(KilledError):
        OneEpoch(prepare(config, corpus), folder, quiet=True).run()
    setup = prepare(config, corpus)
    Trainer(setup, folder, quiet=True).run()
    assert (predict(setup.model, data) == run.predict(data)).all()


def test_later_generations_need_the_twin_and_a_state_that_can_turn():
    with pytest.raises(CourseError, match="--layer mamba2 needs --encoder mamba"):
        make(PAPER | {"layer": "mamba2"})
    with pytest.raises(CourseError, match="--layer mamba3 needs --d-state of at least 4"):
        make(PAPER | TWIN | {"encoder": "mamba", "layer": "mamba3"})
