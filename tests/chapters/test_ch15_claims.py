"""What notebook 15 claims holds for networks and seeds that it does not show; and its drawings draw what they are
given."""

import dataclasses
import functools
import os
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from mgmr_lib.chapters.ch15_mgmr_net import figures as figures_ch15
from mgmr_lib.data.batch import MaskedSplit
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.data.text import load_encoder
from mgmr_lib.experiments.ledger import curves, summary
from mgmr_lib.models.inputs import Inputs
from mgmr_lib.models.mgmr.config import MGMRConfig
from mgmr_lib.models.mgmr.network import MGMRNet
from mgmr_lib.training.losses import LossWeights, joint_loss
from tests.chapters.notebook_code import definitions
from tests.toy import toy_corpus

SEEDS = (11, int(os.environ.get("MGMR_TEST_SEED", "2027")))  # set MGMR_TEST_SEED to try another one
SMALL = MGMRConfig(d_model=8, d_state=3, expand=2)
CHANGES = ({}, {"depth_align": 2, "depth_fuse": 2}, {"gate": "channel", "bidirectional": True})


@functools.cache
def notebook():
    return SimpleNamespace(**definitions("15_mgmr_net.py"))


def network_and_batch(seed, **changes):
    torch.manual_seed(seed)
    encoder = load_encoder("tiny")
    net = MGMRNet(
        dataclasses.replace(SMALL, **changes), Inputs({"text": encoder.dim, "audio": 5, "vision": 7}, None, encoder)
    )
    split = toy_corpus(seed, sizes=(4, 4, 9))["test"]
    return net.eval(), MaskedSplit(split, draw_masks(split, 0.5, seed)).batch(range(9))


@pytest.mark.parametrize("changes", CHANGES, ids=lambda c: ",".join(c) or "default")
@pytest.mark.parametrize("k", range(2))
def test_the_composition_by_hand_is_the_librarys_network(changes, k):
    n = notebook()
    net, batch = network_and_batch(SEEDS[k], **changes)
    with torch.no_grad():
        s = net.inputs(batch)
        steps = (n.encode, n.rebuild, n.to_words, n.align, n.fuse, n.head)
        parts = SimpleNamespace(**{f.__name__: partial(f, net, s) for f in steps})
        got = n.whole(parts, {m: s[m].x for m in MODALITIES})
        torch.testing.assert_close(got, net(batch).prediction, atol=1e-6, rtol=0)


@pytest.mark.parametrize("k", range(2))
def test_a_reconstruction_loss_reaches_three_parts_of_its_own_modality(k):
    n = notebook()
    net, batch = network_and_batch(SEEDS[k])
    terms = joint_loss(net.train()(batch), batch.labels, LossWeights())
    for m in MODALITIES:
        size = partial(n.gradient_size, terms[m])
        for other in MODALITIES:
            r = net.reconstruction[other]
            for part in (net.encoders[other], r.layers, r.gate, r.decode):
                assert (size(part.parameters()) > 0) == (other == m)
            assert size([*r.out_norm.parameters(), *r.project.parameters()]) == 0
            assert n.gradient_size(terms["task"], r.decode.parameters()) == 0
        for part in (net.alignment, net.fusion, net.head):
            assert size(part.parameters()) == 0


@pytest.mark.parametrize("k", range(2))
def test_a_broadcast_loss_learns_the_median_for_everyone(k):
    n, labels, ends = notebook(), 3 * torch.randn(15, generator=torch.Generator().manual_seed(SEEDS[k])), {}
    for loss in (n.colleagues_loss, n.task_loss):
        prediction = torch.zeros(15, 1, requires_grad=True)
        optimizer = torch.optim.Adam([prediction], lr=0.05)
        for _ in range(300):
            optimizer.zero_grad()
            loss(prediction, labels).backward()
            optimizer.step()
        ends[loss.__name__] = prediction.detach()[:, 0]
    assert (ends["colleagues_loss"] - labels.median()).abs().max() < 0.3
    assert (ends["task_loss"] - labels).abs().max() < 0.3


def test_pairing_by_clip_sees_what_separate_bands_do_not():
    rng = np.random.default_rng(3)
    labels = rng.normal(size=200)
    hard = rng.normal(size=200)
    first, second = labels + np.abs(hard) + 0.1, labels + np.abs(hard) + 0.2
    bands = figures_ch15.clip_bands({"a": [first], "b": [second]}, labels)
    assert bands["a"][0]["high"] > bands["b"][0]["low"]
    d = figures_ch15.paired_clips([first], [second], labels)
    assert d["mean"] == pytest.approx(-0.1) and d["high"] < 0


def test_the_drawings_show_what_they_are_given():
    fig, axes = plt.subplots(1, 4)
    figures_ch15.gradient_map(axes[0], {"task": {"a": 1.0, "b": 0.0}, "text": {"a": 0.01, "b": 2.0}})
    assert [t.get_text() for t in axes[0].texts] == ["1", "0.01", "–", "2"]
    figures_ch15.overfit(axes[1], {"x": [1.0, 0.5]}, 0.9)
    assert list(axes[1].lines[0].get_ydata()) == [1.0, 0.5] and axes[1].lines[1].get_ydata()[0] == 0.9
    point = {"value": 1.0, "mean": 1.0, "low": 0.8, "high": 1.3}
    figures_ch15.curves(axes[2], [0, 1], {"net": [point, point], "control": [point, point]})
    assert [line.get_label() for line in axes[2].lines] == ["net", "control"]
    figures_ch15.differences(axes[3], {"w/o a": point, "another seed": point})
    assert [t.get_text() for t in axes[3].get_yticklabels()] == ["w/o a", "another seed"]
    fig = plt.figure()
    figures_ch15.weights_sweep(fig, [0, 1], {"text": [1.1, 1.0], "audio": [1.0, 0.8]}, {"rate 0": [point, point]}, 1.2)
    assert [list(line.get_ydata()) for line in fig.axes[0].lines[:2]] == [[1.1, 1.0], [1.0, 0.8]]
    assert [list(line.get_ydata()) for line in fig.axes[1].lines] == [[0.8, 1.3], [0.8, 1.3], [1.0, 1.0], [1.2, 1.2]]
    plt.close("all")


def test_recorded_pictures_say_when_nothing_is_recorded():
    fig, ax = plt.subplots()
    figures_ch15.recorded_curves(ax, curves([]), {"mgmr": "MGMR-Net"})
    assert ax.get_title() == "Not recorded yet"
    fig = plt.figure()
    figures_ch15.recorded_areas(fig, summary([], ["mgmr"]))
    assert fig.axes[0].get_title() == "Not recorded yet"
    plt.close("all")
