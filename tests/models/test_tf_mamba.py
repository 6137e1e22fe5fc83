"""TF-Mamba: spreading and enhancement against loops over clips and tokens."""

import pytest
import torch

from mgmr_lib.models.baselines.tf_mamba import MambaPair, Spread, TextEnhanced
from mgmr_lib.models.inputs import Sequence

TOKENS = torch.tensor([4, 2, 1])


def some(l=4, bins=6):
    torch.manual_seed(0)
    lengths = torch.tensor([9, 3, 5])
    there = torch.arange(9)[None] < lengths[:, None]
    x = torch.randn(3, 9, 2).masked_fill(~there[..., None], 0.0)
    return Sequence(x, x, there, there), torch.arange(l)[None] < TOKENS[:, None], Spread(2, bins)


@pytest.mark.parametrize("bins", [4, 6])
def test_frames_are_shared_out_among_the_clips_own_tokens_and_a_blank(bins):
    frames, valid, spread = some(bins=bins)
    got = spread(frames, valid)
    for i, n in enumerate(TOKENS):
        own = frames.x[i, frames.valid[i]]
        shares = spread.lstm(own[None])[0][0, :, : n + 1].softmax(-1)
        for j in range(n):
            torch.testing.assert_close(got[i, j], (shares[:, j + 1, None] * own).sum(0), atol=1e-5, rtol=0)
        assert (got[i, n:] == 0).all()


def test_a_text_longer_than_the_bins_gets_nothing_at_its_end():
    frames, valid, spread = some(bins=3)
    got = spread(frames, valid)
    assert got.shape == (3, 4, 2) and (got[0, 3] == 0).all() and (got[0, :3].abs().sum(-1) > 0).all()


def test_enhancement_adds_the_tokens_that_resemble_more_than_an_even_share():
    frames, valid, _ = some()
    torch.manual_seed(3)
    part, text = TextEnhanced(2, 5, 6), torch.randn(3, 4, 5)
    own, got = part.project(part.spread(frames, valid)), part(frames, text, valid)
    dropped = 0
    for i, n in enumerate(TOKENS):
        cosines = [[torch.cosine_similarity(own[i, j], text[i, k], dim=0) / 0.07 for k in range(n)] for j in range(n)]
        for j in range(n):
            shares = torch.stack(cosines[j]).softmax(0)
            heavy = shares > 1 / n
            dropped += int((~heavy).sum())
            want = own[i, j] + (shares * heavy) @ text[i, :n]
            torch.testing.assert_close(got[i, j], want, atol=1e-4, rtol=0)
        assert (got[i, n:] == 0).all()
    assert dropped > 3


def test_equal_tokens_add_nothing_whatever_rounding_says():
    frames, valid, _ = some()
    part, text = TextEnhanced(2, 5, 6), torch.randn(1, 1, 5).expand(3, 4, -1)
    own = part.project(part.spread(frames, valid))
    torch.testing.assert_close(part(frames, text, valid)[valid], own[valid])


def test_a_pair_shares_its_decays_and_nothing_else():
    pair = MambaPair(4, d_state=2, expand=1)
    assert pair.second.ahead.A_log is pair.first.ahead.A_log and pair.second.back.A_log is pair.first.back.A_log
    x, y = torch.randn(2, 3, 5, 4)
    valid = torch.arange(5)[None] < torch.tensor([[5], [2], [1]])
    moved = pair(x, y + 1, valid)
    assert torch.equal(moved[0], pair(x, y, valid)[0]) and not torch.equal(moved[1], pair(x, y, valid)[1])
