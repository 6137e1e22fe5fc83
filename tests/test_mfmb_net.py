"""MFMB-Net, whole, in both readings and both makes: what a prediction may depend on, sizes, gradients, training."""

import dataclasses
import functools

import numpy as np
import pytest
import torch

from mgmr_lib.data.batch import MaskedSplit
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.data.text import load_encoder
from mgmr_lib.errors import CourseError
from mgmr_lib.models.inputs import Inputs
from mgmr_lib.models.mfmb_net import MFMBConfig, MFMBNet
from mgmr_lib.training import setup as preparation
from mgmr_lib.training.config import make_config
from mgmr_lib.training.losses import LossWeights, joint_loss
from mgmr_lib.training.run import load_run, train_run
from mgmr_lib.training.setup import prepare
from mgmr_lib.training.trainer import predict
from tests.toy import toy_corpus

D_TEXT, D_AUDIO, D_VISION = 64, 5, 7  # the tiny encoder's width, and the toy corpus's
TWIN = {"d_state": 3, "expand": 1, "d_conv": 3}
PAPER = {"d_model": 8, "heads": 2, "ffn": 12, "hub": 2, "d_lstm": 3, "d_mix": 5, "d_fine": 2, "ffn_rebuild": 9, "text_length": 16}
CODE = {
    "reading": "code", "hub": 2, "text_length": 16, "code_d_model": 4, "code_heads": 2, "code_depth": 1, "code_depth_cross": 2,
    "code_steps_audio": 40, "code_steps_vision": 60, "code_steps": 6, "code_macro_heads": 3, "code_macro_depth": 1,
    "code_gru_text": 3, "code_gru_audio": 2, "code_gru_vision": 4, "code_gru_depth": 2, "code_common": 5, "code_head": 7,
    "code_rebuild_heads": 5,
}  # fmt: skip
WITHOUT = [{"use_macro": False}, {"use_micro": False}, {"use_reconstruction": False}]
CHANGES = [{}, {"encoder": "mamba"}, *WITHOUT, {"classes": 7}]
VARIANTS = [MFMBConfig(**sizes | TWIN | change) for sizes in (PAPER, CODE) for change in CHANGES]
VARIANTS.append(MFMBConfig(**PAPER | TWIN | {"gate": "sigmoid"}))


def variant(config):
    """What distinguishes a variant, as a test's name."""
    names = ("encoder", "use_macro", "use_micro", "use_reconstruction", "classes", "gate")
    own = [f"{k}={getattr(config, k)}" for k in names if getattr(config, k) != getattr(VARIANTS[0], k)]
    return ",".join([config.reading, *own])


every_variant = pytest.mark.parametrize("config", VARIANTS, ids=variant)


@functools.cache
def tiny():
    return load_encoder("tiny")


def network(config=VARIANTS[0], pool=None, seed=0):
    torch.manual_seed(seed)
    net = MFMBNet(config, Inputs({"text": tiny().dim, "audio": D_AUDIO, "vision": D_VISION}, pool, tiny()))
    # Fresh weights make nearly the same of every clip, and fresh statistics hide what BatchNorm does: change both.
    with torch.no_grad():
        for part in (p for n, p in net.named_parameters() if "text_encoder" not in n and p.dim() > 1):
            part.mul_(2.0)
        net.train()(masked(0.3).batch(range(9)))
    return net.eval()


@functools.cache
def toy_test():
    return toy_corpus(sizes=(4, 4, 15))["test"]


def masked(rate=0.4, seed=1, split=None):
    split = split or toy_test()
    return MaskedSplit(split, draw_masks(split, rate, seed))


@torch.no_grad()
def predictions(net, data, batch_size=24, order=None):
    order = np.arange(len(data)) if order is None else order
    found = [net(data.batch(order[i : i + batch_size])).prediction for i in range(0, len(order), batch_size)]
    return torch.cat(found)[np.argsort(order)]


@every_variant
@pytest.mark.parametrize("pool", [None, {"audio": 4, "vision": 6}], ids=["native", "pooled"])
def test_a_prediction_depends_on_its_clip_alone(config, pool):
    net, data = network(config, pool), masked()
    whole = predictions(net, data)
    assert whole.std() > 1e-3
    order = np.random.default_rng(0).permutation(len(data))
    torch.testing.assert_close(predictions(net, data, 5, order), whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(predictions(net, data, 1), whole, atol=1e-5, rtol=1e-5)


@every_variant
def test_nothing_in_padding_or_missing_steps_changes_a_prediction(config):
    net, batch = network(config), masked(0.5).batch(range(8))
    clean = net(batch)
    for m in MODALITIES:
        part = batch[m]
        if m == "text":
            part.x[~part.valid] = 1999
        else:
            part.x[~part.keep] = 1e3
        part.target[part.missing | ~part.valid] = 7
    found = net(batch)
    torch.testing.assert_close(found.prediction, clean.prediction, atol=0, rtol=0)
    for m, r in found.reconstruction.items():
        torch.testing.assert_close(r.value, clean.reconstruction[m].value, atol=0, rtol=0)


@every_variant
def test_a_reconstruction_depends_on_its_clip_alone(config):
    net, data = network(config), masked(0.5)
    whole = net(data.batch(range(15))).reconstruction
    assert set(whole) == (set(MODALITIES) if config.use_reconstruction else set())
    for i in (0, 7, 14):
        for m, r in net(data.batch([i])).reconstruction.items():
            l = int(r.missing.shape[1])
            torch.testing.assert_close(r.value[0], whole[m].value[i, :l], atol=1e-5, rtol=1e-5)


@every_variant
@pytest.mark.parametrize("pool", [None, {"audio": 4, "vision": 6}], ids=["native", "pooled"])
def test_one_number_a_clip_and_the_raw_shapes(config, pool):
    net, batch = network(config, pool), masked(0.5).batch(range(6))
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
    net, split = network(config), toy_test()
    other = dataclasses.replace(
        split,
        token_ids=np.where((split.token_ids > 102), 1500, split.token_ids),
        audio=dataclasses.replace(split.audio, values=-9 * split.audio.values),
        vision=dataclasses.replace(split.vision, values=split.vision.values + 4),
    )
    gone = predictions(net, masked(1.0, split=split))
    assert gone.isfinite().all() and torch.equal(gone, predictions(net, masked(1.0, split=other)))
    assert not torch.equal(predictions(net, masked(0.5, split=split)), predictions(net, masked(0.5, split=other)))
