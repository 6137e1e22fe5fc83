"""What notebook 12 claims holds for seeds that it does not show; its toy task and its drawings do what they say."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from mgmr_lib.chapters.ch12_alignment import figures as figures_ch12
from mgmr_lib.chapters.ch12_alignment.exercises import branch, pool_batch, select
from mgmr_lib.chapters.ch12_alignment.toys import IronyTask, TwoStreams, fit, two_streams
from mgmr_lib.course import figures
from mgmr_lib.data.corpus import Ragged, Split
from mgmr_lib.models.inputs import pool_to_length
from mgmr_lib.models.mgmr.alignment import CollaborativeBiMamba
from mgmr_lib.ssm import MambaBlock

SEEDS = (11, int(os.environ.get("MGMR_TEST_SEED", "2027")))  # set MGMR_TEST_SEED to try another one


@pytest.mark.parametrize("kind", ["irony", "plain", "strangers"])
def test_labels_have_unit_variance_and_follow_their_rule(kind):
    clips = IronyTask(kind).draw(20_000, torch.Generator().manual_seed(SEEDS[1]))
    words, tones = clips.words[..., 0], clips.tones[..., 0]
    assert clips.labels.var().item() == pytest.approx(1, abs=0.06) and abs(clips.labels.mean()) < 0.04
    assert ((words != 0) == clips.valid).all() and ((tones != 0) == clips.valid).all()
    rule = {"irony": words * tones, "plain": words + tones, "strangers": words * tones.roll(1, 0)}[kind]
    assert torch.corrcoef(torch.stack([rule.sum(1), clips.labels]))[0, 1] > 0.95
    for single in (words, tones):
        found = torch.corrcoef(torch.stack([single.sum(1), clips.labels]))[0, 1].abs()
        assert found > 0.6 if kind == "plain" else found < 0.03
    if kind == "strangers":
        assert torch.corrcoef(torch.stack([(words * tones).sum(1), clips.labels]))[0, 1].abs() < 0.03


def test_each_label_is_a_sum_divided_by_the_root_of_the_number_of_its_terms():
    for kind in ("irony", "plain", "strangers"):
        clips = IronyTask(kind).draw(200, torch.Generator().manual_seed(SEEDS[1]))
        words, tones = clips.words[..., 0], clips.tones[..., 0]
        lists = {"irony": words * tones, "plain": torch.cat([words, tones], 1), "strangers": words * tones.roll(1, 0)}
        terms = lists[kind]
        torch.testing.assert_close(clips.labels, terms.sum(1) / (terms != 0).sum(1).sqrt())


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="sarcasm"):
        IronyTask("sarcasm")


@pytest.mark.parametrize("seed", SEEDS)
def test_exchange_hears_irony(seed):
    assert fit(two_streams("exchange", seed), IronyTask(), seed) > 0.8


def test_shared_learns_plain_clips_and_nobody_learns_strangers():
    seed = SEEDS[1]
    assert fit(two_streams("shared", seed), IronyTask("plain"), seed) > 0.95
    assert fit(two_streams("exchange", seed), IronyTask("strangers"), seed) < 0.1


def test_a_shared_model_is_additive():
    """f(words, tones) + f(other words, other tones) = f(words, other tones) + f(other words, tones)."""
    model = two_streams("shared", SEEDS[1]).eval()
    clips = IronyTask().draw(16, torch.Generator().manual_seed(1))
    full = torch.ones_like(clips.valid)
    with torch.no_grad():

        def said(words, tones):
            return model(SimpleNamespace(words=words, tones=tones, valid=full))

        w, v = clips.words, -clips.words.roll(1, 0)
        a, b = clips.tones, clips.tones.roll(2, 0)
        torch.testing.assert_close(said(w, a) + said(v, b), said(w, b) + said(v, a), atol=1e-5, rtol=0)
        model = two_streams("exchange", SEEDS[1]).eval()
        assert (said(w, a) + said(v, b) - said(w, b) - said(v, a)).abs().max() > 1e-3


def test_two_streams_start_from_the_seed_alone():
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    a, b, c = (two_streams("exchange", s) for s in (3, 3, 4))
    assert torch.equal(before, torch.rand(1)) and isinstance(a, TwoStreams)
    assert torch.equal(a.out.weight, b.out.weight) and not torch.equal(a.out.weight, c.out.weight)


@pytest.mark.parametrize("collaboration", ["shared", "exchange"])
def test_the_branch_by_hand_is_the_librarys(collaboration):
    torch.manual_seed(SEEDS[0])
    made = CollaborativeBiMamba(8, 2, collaboration, d_state=3).double()
    text, other = torch.randn(2, 3, 9, 8, dtype=torch.float64).unbind(0)
    valid = torch.arange(9) < torch.tensor([[9], [4], [1]])
    got = branch(lambda t, o: made.ahead(t, o, valid), lambda t, o: made.back(t, o, valid), text, other, valid)
    for a, b in zip(got, made(text, other, valid), strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=0)


def test_select_by_hand_is_what_a_block_does():
    torch.manual_seed(SEEDS[0])
    m = MambaBlock(8, 3, partner=True).double()
    x, partner = torch.randn(2, 5, m.d_inner, dtype=torch.float64), torch.randn(2, 5, 8, dtype=torch.float64)
    dt, B, C = select(x, partner, m.x_proj.weight, m.partner_proj.weight, m.dt_rank, m.d_state)
    for a, b in zip((dt @ m.dt_proj.weight.T, B, C), m._select(x, partner), strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=0)


def test_pooling_by_hand_is_the_librarys():
    torch.manual_seed(SEEDS[0])
    valid, lengths = torch.arange(20) < torch.tensor([[20], [3], [11]]), torch.tensor([6, 7, 11])
    x = torch.randn(3, 20, 4, dtype=torch.float64)
    assert pool_batch(x, valid, lengths).shape == (3, 11, 4)
    assert torch.equal(pool_batch(x, valid, lengths), pool_to_length(x, valid, lengths, 11))


class Words:
    """A tokeniser of whole words."""

    def encode(self, text, add_special_tokens):
        ends = np.cumsum([len(w) + 1 for w in text.split()])
        return SimpleNamespace(
            tokens=text.split(),
            offsets=[(int(e) - len(w) - 1, int(e) - 1) for w, e in zip(text.split(), ends, strict=True)],
        )


def one_clip(text, seconds):
    tokens = len(text.split()) + 2
    frames = Ragged(np.zeros((4, 5), np.float32), np.array([4]), 4)
    return Split(
        ("a",),
        (text,),
        np.ones((1, tokens), np.int64),
        np.array([tokens]),
        frames,
        frames,
        np.zeros(1, np.float32),
        {"seconds": np.array([seconds])},
    )


def test_the_clock_puts_even_bins_beside_the_spoken_times():
    middle, spoken, seconds = figures_ch12.clock(one_clip("aa bb", 2.6), Words())
    assert seconds == 2.6 and middle.tolist() == pytest.approx([1.5 / 4 * 2.6, 2.5 / 4 * 2.6])
    assert spoken.tolist() == pytest.approx([0.3 + 1 / 5 * 2, 0.3 + 4 / 5 * 2])


def test_the_drawings_show_what_they_are_given():
    fig = plt.figure()
    maps = {"exchange": torch.rand(4, 9) + 0.1, "shared": torch.zeros(4, 9)}
    figures_ch12.alignment(fig, maps, one_clip("aa bb", 2.6), Words())
    assert not figures.problems(fig)
    assert [a.get_title(loc="left") or a.get_title() for a in fig.axes[:2]] == ["exchange", "shared: no path at all"]
    assert [t.get_text() for t in fig.axes[0].get_yticklabels()] == ["[CLS]", "aa", "bb", "[SEP]"]
    shown = fig.axes[0].images[0].get_array()
    assert np.allclose(shown.max(1), 1) and bool(np.ma.masked_invalid(fig.axes[1].images[0].get_array()).mask.all())
    plt.close(fig)
    fig, ax = plt.subplots()
    figures_ch12.explained_shares(ax, {("irony", "shared"): [0.1, 0.3], ("irony", "exchange"): [0.9]})
    assert [list(line.get_ydata()) for line in ax.lines[:2]] == [[0.1, 0.3], [0.9]]
    assert ax.collections[0].get_segments()[0][0][1] == pytest.approx(0.2)
    plt.close(fig)
