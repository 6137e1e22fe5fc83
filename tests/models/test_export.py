"""Whole networks as torch.export writes them down: text features given, evaluation, any number of clips."""

import os

import pytest
import torch
from torch import Tensor, nn

from mgmr_lib.data.batch import Batch, ModalityBatch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.experiments.complexity import network
from mgmr_lib.models.inputs import Network

WIDTHS = {"text": 12, "audio": 5, "vision": 7}
STEPS = {"text": 9, "audio": 40, "vision": 60}


class Prediction(nn.Module):
    """A network on plain tensors, {modality: (x, target, valid, keep)}."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def forward(self, parts: dict[str, tuple[Tensor, ...]]) -> Tensor:
        labels = parts["text"][0].new_zeros(parts["text"][0].shape[0])
        return self.network(Batch((), labels, *(ModalityBatch(*parts[m]) for m in MODALITIES))).prediction


def noise(clips: int) -> dict[str, tuple[Tensor, ...]]:
    """Clips of different lengths with half of their steps missing; junk in the padding."""
    g, parts = torch.Generator().manual_seed(clips), {}
    for m in MODALITIES:
        lengths = torch.randint(1, STEPS[m] + 1, (clips, 1), generator=g)
        valid = torch.arange(STEPS[m]) < lengths
        x = torch.randn(clips, STEPS[m], WIDTHS[m], generator=g)
        parts[m] = x, x, valid, valid & (torch.rand(clips, STEPS[m], generator=g) < 0.5)
    return parts


long = pytest.mark.skipif("MGMR_TEST_COMPILE" not in os.environ, reason="a minute of export: set MGMR_TEST_COMPILE=1")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mgmr", "mfmb", pytest.param("mfmb_code", marks=long)])
def test_an_exported_network_predicts_the_same_for_any_number_of_clips(name):
    net = Prediction(network(name, "fast", tuple(WIDTHS.values()), pool=True)).eval()
    clips = torch.export.Dim("clips", min=2)
    sizes = {m: tuple({0: clips} for _ in range(4)) for m in MODALITIES}
    program = torch.export.export(net, (noise(3),), dynamic_shapes=(sizes,)).module()
    for count in (3, 2, 7):
        torch.testing.assert_close(program(noise(count)), net(noise(count)), rtol=1e-4, atol=1e-6)
    backwards = {m: (x, target, valid.flip(1), keep) for m, (x, target, valid, keep) in noise(3).items()}
    with pytest.raises(ValueError, match="valid must be True, then False"):
        program(backwards)
