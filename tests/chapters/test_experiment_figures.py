"""Drawings of 00 and Part V: what they show is what the masks and the records say."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from mgmr_lib.chapters.shared import experiment_figures as fx
from mgmr_lib.data.classroom.corpora import SPECS
from mgmr_lib.data.corpus import Ragged, Split
from mgmr_lib.data.missing import draw_masks

TOKENS = ["there", "is", "nothing", "funny", "in", "it", "."]


class Encoding:
    tokens = TOKENS
    offsets = [(0, 5), (6, 8), (9, 16), (17, 22), (23, 25), (26, 28), (28, 29)]


@pytest.fixture
def clip():
    rng = np.random.default_rng(0)
    frames = {
        m: Ragged(rng.random((n, width), dtype=np.float32), np.array([n]), n)
        for m, n, width in (("audio", 30, 5), ("vision", 40, 20))
    }
    ids = np.array([[101, *range(2000, 2007), 102]])
    return Split(
        ("video1$_$1",),
        ("there is nothing funny in it.",),
        ids,
        np.array([9]),
        frames["audio"],
        frames["vision"],
        np.zeros(1, np.float32),
        {"seconds": np.array([3.0])},
    )


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.5, 1.0])
def test_a_lost_clip_shows_exactly_what_the_masks_keep(clip, rate):
    fig = Figure()
    fx.lost_clip(clip, Encoding, {rate: -0.5})(fig, rate)
    keep = draw_masks(clip, rate, seed=1)
    words, voice, face = fig.axes
    assert [t.get_text() for t in words.texts] == [
        t if k else "•" for t, k in zip(TOKENS, keep["text"][0][1:-1], strict=True)
    ]
    assert "-0.50" in words.get_title("left") + words.get_title()
    for ax, modality in ((voice, "audio"), (face, "vision")):
        dots, line = ax.lines
        assert len(dots.get_xdata()) == keep[modality].sum() and np.array_equal(
            ~np.isnan(line.get_ydata()), keep[modality][0]
        )


def test_the_curves_show_the_named_channels():
    modalities = SPECS["classroom-mosi"].modalities()
    for modality, (name, _) in fx.SHOWN.items():
        assert modalities[modality].names[fx.channel("classroom-mosi", modality, name)] == name
