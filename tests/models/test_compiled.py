"""Both networks train the same way compiled and not."""

import copy
import os

import pytest
import torch
from torch import nn

from mgmr_lib.data.batch import Batch, mask_split
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.data.text import load_encoder
from mgmr_lib.models.inputs import Inputs
from mgmr_lib.models.mfmb.config import MFMBCodeConfig
from mgmr_lib.models.mfmb.network import MFMBConfig, MFMBNet
from mgmr_lib.models.mgmr.network import MGMRConfig, MGMRNet
from mgmr_lib.training.losses import LossWeights, joint_loss
from tests.toy import toy_corpus

PAPER = dict(d_model=4, ffn=8, d_lstm=2, d_mix=4, d_fine=2, ffn_rebuild=8, text_length=8, dropout=0.0)
CODE = dict(d_model=4, heads=2, depth=1, depth_cross=1, steps_audio=12, steps_vision=12, steps=8, macro_heads=2)
CODE |= dict(macro_depth=1, gru_text=2, gru_audio=2, gru_vision=2, gru_depth=1, common=4, head=4, rebuild_heads=2)
NETWORKS = {
    "MGMR-Net": (MGMRNet, MGMRConfig(d_model=8, d_state=2, expand=1, dropout=0.0)),
    "MFMB-Net": (MFMBNet, MFMBConfig(heads=2, **PAPER)),
    "its Mamba twin": (MFMBNet, MFMBConfig(encoder="mamba", d_state=2, expand=1, **PAPER)),
    "its code": (MFMBNet, MFMBCodeConfig(dropout=0.0, **CODE)),
}
SIZES = dict(sizes=(9, 4, 4), longest=(12, 12), text=8)

long = pytest.mark.skipif("MGMR_TEST_COMPILE" not in os.environ, reason="minutes of compiling: set MGMR_TEST_COMPILE=1")


def made(name: str, encoder: nn.Module, within: bool = False) -> nn.Module:
    """A network of NETWORKS, with the text encoder within it or in front of it, as for a frozen one."""
    torch.manual_seed(0)
    make, config = NETWORKS[name]
    return make(config, Inputs({"text": encoder.dim, "audio": 5, "vision": 7}, None, encoder if within else None))


def batches(encoder: nn.Module | None) -> list[Batch]:
    """Two batches of one shape: the same clips under other masks."""
    split = toy_corpus(**SIZES)["train"]
    return [mask_split(split, draw_masks(split, 0.3, seed), encoder).batch(range(4)) for seed in (1, 2)]


def losses(net: nn.Module, forward, batches: list[Batch], steps: int = 20) -> list[float]:
    """The joint loss at each of so many steps of training."""
    # eps: a weight before a batch norm has no gradient but rounding, which Adam would otherwise blow up to a full step.
    optimiser, found = torch.optim.AdamW(net.parameters(), lr=3e-3, eps=1e-4), []
    for step in range(steps):
        batch = batches[step % len(batches)]
        loss = joint_loss(forward(batch), batch.labels, LossWeights())["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    return found


def check_training(net: nn.Module, batches: list[Batch], backend: str, first_eagerly: bool) -> None:
    torch._dynamo.reset()
    net, other = net.train(), copy.deepcopy(net).train()
    if first_eagerly:
        before = copy.deepcopy(other.state_dict())  # a batch norm counts what it sees
        other(batches[0])
        other.load_state_dict(before)
    expected, got = losses(net, net, batches), losses(other, torch.compile(other, backend=backend), batches)
    assert min(expected[-2:]) < min(expected[:2])
    assert got == pytest.approx(expected, abs=1e-4)
    for a, b in zip(other.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)


def test_the_compilers_front_end_changes_nothing():
    """The one case that is quick enough for every run: what is traced, without what a backend makes of it."""
    encoder = load_encoder("tiny")
    check_training(made("MGMR-Net", encoder), batches(encoder), "eager", first_eagerly=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n if n.endswith("-Net") else pytest.param(n, marks=long) for n in NETWORKS])
def test_a_compiled_network_trains_like_an_eager_one(name):
    encoder = load_encoder("tiny")
    check_training(made(name, encoder), batches(encoder), "aot_eager", first_eagerly=False)


@long
@pytest.mark.parametrize("first_eagerly", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_so_it_does_with_its_text_encoder_within(name, first_eagerly):
    net = made(name, load_encoder("tiny"), within=True)
    check_training(net, batches(None), "aot_eager", first_eagerly)


@long
def test_so_it_does_by_the_default_compiler():
    encoder = load_encoder("tiny")
    check_training(made("MGMR-Net", encoder), batches(encoder), "inductor", first_eagerly=False)
