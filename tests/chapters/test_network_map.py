"""The drawings of both networks show what is in them: every weight in one box, every shape as it passes."""

import pytest
import torch
from matplotlib import pyplot as plt

from mgmr_lib.chapters.shared import network_map
from mgmr_lib.chapters.shared.network_map import draw_network, passing_shapes, sketch
from mgmr_lib.data.batch import Batch, ModalityBatch
from mgmr_lib.experiments.complexity import network
from mgmr_lib.models.mfmb.network import MFMBNet

NAMES = ("mgmr", "mfmb", "mfmb_mamba", "mfmb_code")
WIDTHS = (6, 5, 4)


def clips(text=7, audio=11, vision=9):
    def part(length, width):
        x, every = torch.randn(2, length, width), torch.ones(2, length, dtype=torch.bool)
        return ModalityBatch(x, x, every, every)

    parts = (part(n, w) for n, w in zip((text, audio, vision), WIDTHS, strict=True))
    return Batch(("a", "b"), torch.zeros(2), *parts)


def drawn(net, batch, *here):
    fig, ax = plt.subplots()
    draw_network(ax, net, batch, *here)
    plt.close(fig)
    return ax


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_stands_in_one_box(name):
    net = network(name, "fast", WIDTHS).eval()
    lines = [t.get_text().split("\n")[-1].replace(",", "") for t in drawn(net, clips()).texts if "\n" in t.get_text()]
    assert sum(int(line) for line in lines if line.isdigit()) == sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_those_of_the_batch_and_hooks_are_gone(name):
    net = network(name, "fast", WIDTHS).eval()
    seen = passing_shapes(net, clips())
    assert [seen["inputs", m] for m in ("text", "audio", "vision")] == [(2, 7, 6), (2, 11, 5), (2, 9, 4)]
    after = "align" if isinstance(net, MFMBNet) else "reconstruction"
    assert [seen[after, m][1] for m in ("text", "audio", "vision")] == [7, 11, 9]
    assert passing_shapes(net, clips(audio=13))[after, "audio"][1] == 13
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_stage_1_has_the_words_steps_and_branches_have_their_widths():
    seen = passing_shapes(network("mgmr", "fast", WIDTHS).eval(), clips())
    assert seen["pooling", "audio"][1] == seen["alignment", "vision"][1] == 7 and len(seen["fusion", ""]) == 2
    net = network("mfmb", "fast", WIDTHS).eval()
    seen = passing_shapes(net, clips())
    assert seen["macro", ""] == (2, net.macro.width) and seen["micro", ""] == (2, net.micro.width)
    assert seen["rebuild", "audio"] == (2, 11, 5)


@pytest.mark.parametrize("name, here, boxes", [("mgmr", ("pooling", "alignment"), 4), ("mfmb", ("macro",), 1)])
def test_the_part_at_hand_and_nothing_else_is_blue(name, here, boxes):
    ax = drawn(network(name, "fast", WIDTHS).eval(), clips(), *here)
    thick = [p for p in ax.patches if p.get_linewidth() > 2]
    assert len(thick) == boxes < len(ax.patches)
    with pytest.raises(ValueError, match="here must be of"):
        drawn(network(name, "fast", WIDTHS).eval(), clips(), "stage 3")


def test_a_twin_scans_where_the_original_attends():
    texts = {n: " ".join(t.get_text() for t in drawn(network(n, "fast", WIDTHS).eval(), clips()).texts) for n in NAMES}
    assert "hybrid\nscans" in texts["mfmb_mamba"] and "hybrid\nattention" in texts["mfmb"]


def test_a_sketch_leaves_the_stream_of_random_numbers_alone():
    torch.manual_seed(5)
    want = torch.rand(1)
    torch.manual_seed(5)
    net, batch = sketch("mgmr")
    assert torch.equal(torch.rand(1), want) and not net.training
    assert (batch.audio.x.shape[1], batch.vision.x.shape[1]) == network_map.FRAMES
