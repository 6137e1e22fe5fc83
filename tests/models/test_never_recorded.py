"""Clips of which a modality was never recorded, through every network of the registry: what holds for others holds."""

import dataclasses

import numpy as np
import pytest
import torch

from mgmr_lib.data.batch import MaskedSplit
from mgmr_lib.data.corpus import MODALITIES, Ragged
from mgmr_lib.data.missing import share_gone
from mgmr_lib.models.inputs import Inputs
from mgmr_lib.models.registry import NETWORKS
from mgmr_lib.training.config import make_config
from mgmr_lib.training.losses import LossWeights, joint_loss
from tests.models.properties import (
    assert_a_prediction_depends_on_its_clip_alone,
    assert_an_unrecorded_modality_is_missing_from_the_start,
    assert_gradients_are_finite_and_add_up,
    assert_hidden_content_changes_nothing,
    fitted,
    gappy,
    masked_gappy,
    predictions,
)
from tests.toy import toy_corpus

SPLIT = toy_corpus(sizes=(4, 4, 12), longest=(9, 14), text=8)["test"]

EVERY = [(name, reading) for name, found in NETWORKS.items() for reading in found.readings or (None,)]
SHORT = {"paper": {"text_length": 8}, "code": {"text_length": 8, "steps_audio": 9, "steps_vision": 14}}
SITUATIONS = {"gaps": (None, False), "no text, pooled": ({"audio": 4, "vision": 6}, True)}


def network(name, reading, split, pool=None):
    settings = {"reading": reading} if reading else {}
    config = make_config(name, "fast", **settings, **SHORT.get(reading, {})).network
    torch.manual_seed(0)
    dims = {"text": split.text.dim, "audio": split.audio.dim, "vision": split.vision.dim}
    net = NETWORKS[name].build(config, fitted(Inputs(dims, pool, None, True), split)).eval()
    with torch.no_grad():  # fresh weights make nearly the same of every clip
        for part in (p for p in net.parameters() if p.dim() > 1):
            part.mul_(2.0)
    return net


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("name, reading", EVERY)
def test_every_network_takes_clips_without_a_modality(name, reading, situation):
    pool, textless = SITUATIONS[situation]
    split = gappy(SPLIT, textless=textless)
    net = network(name, reading, split, pool)
    assert_an_unrecorded_modality_is_missing_from_the_start(net, split)
    if not (textless and name == "fc_t"):  # which then has nothing to tell clips apart by
        assert_a_prediction_depends_on_its_clip_alone(net, 1e-3, rtol=1e-5, data=masked_gappy(split))
    assert_hidden_content_changes_nothing(net, data=masked_gappy(split, 0.5))
    assert_gradients_are_finite_and_add_up(net, split)


@pytest.mark.parametrize("name, reading", EVERY)
def test_at_rate_one_nothing_tells_but_which_steps_there_were(name, reading):
    split = gappy(SPLIT)
    other = dataclasses.replace(
        split,
        audio=dataclasses.replace(split.audio, values=-9 * split.audio.values),
        vision=dataclasses.replace(split.vision, values=split.vision.values + 4),
    )
    net = network(name, reading, split)
    assert torch.equal(predictions(net, masked_gappy(split, 1.0)), predictions(net, masked_gappy(other, 1.0)))


@pytest.mark.parametrize("pool", [None, {"audio": 4, "vision": 3}])
def test_a_corpus_without_words_has_as_many_lost_words_as_a_clip_has_steps(pool):
    split = gappy(SPLIT, textless=True)
    inputs = fitted(Inputs({"text": 4, "audio": 5, "vision": 7}, pool, None, True), split)
    loaded = Inputs({"text": 4, "audio": 5, "vision": 7}, pool, None, True)
    loaded.load_state_dict(inputs.state_dict())
    factors = pool or {"audio": 1, "vision": 1}
    for door in (inputs, loaded):
        text = door(masked_gappy(split, 0.0).batch(range(6)))["text"]
        steps = [max(1, *(-(-int(getattr(split, m).lengths[i]) // k) for m, k in factors.items())) for i in range(6)]
        assert text.valid.sum(1).tolist() == steps and steps[3] == 1 < max(steps)
        assert not text.x.any() and not text.keep.any() and not text.missing.any()


@pytest.mark.parametrize("name", ["mgmr", "mfmb", "concat"])
def test_never_had_words_reads_as_all_words_lost(name):
    split = gappy(SPLIT, textless=True)
    net, data = network(name, "paper" if name == "mfmb" else None, split), masked_gappy(split, 0.3)
    found = predictions(net, data, len(data))
    steps = np.maximum(np.maximum(split.audio.lengths, split.vision.lengths), 1)
    words = Ragged(np.full((int(steps.sum()), 4), 9, np.float32), steps, int(steps.max()))
    keep = data.keep | {"text": np.zeros((len(data), int(steps.max())), bool)}
    lost = MaskedSplit(dataclasses.replace(split, token_lengths=steps), keep, words, words)
    net.inputs.has_words = True
    torch.testing.assert_close(predictions(net, lost, len(data)), found, atol=0, rtol=0)


def test_what_was_never_recorded_counts_as_gone():
    split = gappy(SPLIT)
    for rate in (0.0, 0.5, 1.0):
        data = masked_gappy(split, rate)
        for m, share in share_gone(split, data.keep).items():
            lengths = split.token_lengths if m == "text" else getattr(split, m).lengths
            slow = [1.0 if n == 0 else 1 - data.keep[m][i, :n].mean() for i, n in enumerate(lengths)]
            np.testing.assert_allclose(share, np.mean(slow), atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name, reading", EVERY)
def test_every_network_learns_clips_with_gaps_by_heart(name, reading):
    split = gappy(SPLIT)
    net = network(name, reading, split)
    reads = getattr(net, "modalities", MODALITIES)
    data, rows = masked_gappy(split, 0.0), np.flatnonzero(np.any([split.recorded(m) for m in reads], axis=0))
    batch, adam = data.batch(rows), torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(600 if len(reads) == 1 else 150):  # few numbers to tell clips apart by take longer
        adam.zero_grad()
        joint_loss(net.train()(batch), batch.labels, LossWeights())["total"].backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adam.step()
    off = np.abs(predictions(net.eval(), data)[rows].numpy() - batch.labels.numpy()).mean()
    assert off < 0.35 * np.abs(batch.labels.numpy() - batch.labels.numpy().mean()).mean()
