"""Both networks train the same way compiled and not."""

import copy

import pytest
import torch

from mgmr_lib.data.batch import MaskedSplit
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.data.text import load_encoder
from mgmr_lib.models.inputs import Inputs
from mgmr_lib.models.mfmb.network import MFMBConfig, MFMBNet
from mgmr_lib.models.mgmr.network import MGMRConfig, MGMRNet
from mgmr_lib.training.losses import LossWeights, joint_loss
from tests.toy import toy_corpus

MAMBA = dict(encoder="mamba", d_state=2, expand=1)
NETWORKS = {
    "MGMR-Net": (MGMRNet, MGMRConfig(d_model=4, d_state=2, expand=1, dropout=0.0)),
    "MFMB-Net": (MFMBNet, MFMBConfig(d_model=4, heads=2, ffn=8, d_lstm=2, d_mix=4, d_fine=2, ffn_rebuild=8, dropout=0.0)),
    "its Mamba twin": (MFMBNet, MFMBConfig(d_model=4, ffn=8, d_lstm=2, d_mix=4, d_fine=2, ffn_rebuild=8, dropout=0.0, **MAMBA)),
}  # fmt: skip


def losses(net: torch.nn.Module, forward, batch, steps: int = 20) -> list[float]:
    """The joint loss at each of so many steps of training on one batch."""
    optimiser, found = torch.optim.AdamW(net.parameters(), lr=3e-3), []
    for _ in range(steps):
        loss = joint_loss(forward(batch), batch.labels, LossWeights())["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    return found


@pytest.mark.parametrize("first_eagerly", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_compiled_network_trains_like_an_eager_one(name, first_eagerly, backend="aot_eager"):
    if first_eagerly and name != "MGMR-Net":
        pytest.skip("one network is enough to see that an eager call before changes nothing")
    torch._dynamo.reset()
    torch.manual_seed(0)
    make, config = NETWORKS[name]
    encoder = load_encoder("tiny")
    net = make(config, Inputs({"text": encoder.dim, "audio": 5, "vision": 7}, None, encoder)).train()
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    split = toy_corpus(sizes=(6, 4, 4))["train"]
    batch = MaskedSplit(split, draw_masks(split, 0.3, 1)).batch(range(6))
    other = copy.deepcopy(net)
    if first_eagerly:
        other(batch)
    expected, got = losses(net, net, batch), losses(other, torch.compile(other, backend=backend), batch)
    assert expected[-1] < expected[0]
    assert got == pytest.approx(expected, abs=1e-4)
    for a, b in zip(other.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)
