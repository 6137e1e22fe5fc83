"""The door of the networks: nothing missing or padded gets through it, and pooling in time is plain averaging."""

import numpy as np
import pytest
import torch

from mgmr_lib.data.batch import MaskedSplit
from mgmr_lib.data.missing import UNK_ID, draw_masks
from mgmr_lib.models.inputs import Inputs, pool_frames, pool_to_length
from tests.toy import toy_corpus


def slow_pool_frames(frames, mask, factor):
    b, l, d = frames.shape
    windows = -(-l // factor)
    out, any_kept = np.zeros((b, windows, d)), np.zeros((b, windows), bool)
    for i in range(b):
        for w in range(windows):
            kept = [frames[i, t] for t in range(w * factor, min(l, (w + 1) * factor)) if mask[i, t]]
            if kept:
                out[i, w], any_kept[i, w] = np.mean(kept, axis=0), True
    return out, any_kept


@pytest.mark.parametrize("factor", [1, 3, 7, 50])
def test_pool_frames_is_the_mean_of_what_was_kept(factor):
    rng = np.random.default_rng(factor)
    frames, mask = rng.standard_normal((4, 23, 3)), rng.random((4, 23)) < 0.3
    got, kept = pool_frames(torch.tensor(frames), torch.tensor(mask), factor)
    want, want_kept = slow_pool_frames(frames, mask, factor)
    np.testing.assert_allclose(got, want, atol=1e-12)
    assert (kept.numpy() == want_kept).all()


@pytest.mark.parametrize("steps, bins", [(1, 1), (1, 9), (9, 1), (37, 12), (12, 12), (5, 12), (50, 7)])
def test_pool_to_length_is_adaptive_average_pooling(steps, bins):
    x = torch.randn(1, steps + 4, 3, dtype=torch.float64)
    valid = torch.arange(steps + 4)[None] < steps
    got = pool_to_length(x, valid, torch.tensor([bins]), bins + 3)
    want = torch.nn.functional.adaptive_avg_pool1d(x[:, :steps].transpose(1, 2), bins).transpose(1, 2)
    torch.testing.assert_close(got[:, :bins], want, atol=1e-12, rtol=0)
    assert (got[:, bins:] == 0).all()


def masked_toy(rate=0.5):
    split = toy_corpus()["train"]
    return MaskedSplit(split, draw_masks(split, rate, 1))


def test_a_batch_shows_zeros_and_unk_where_steps_are_missing():
    batch = masked_toy().batch(range(8))
    for m in ("audio", "vision"):
        part = batch[m]
        assert part.missing.any() and (part.x[part.missing] == 0).all() and (part.target[part.missing] != 0).any()
        assert not (part.missing & ~part.valid).any()
    text = batch.text
    assert (text.x[text.missing] == UNK_ID).all() and (text.x[text.keep] == text.target[text.keep]).all()


@pytest.mark.parametrize("pool", [{}, {"audio": 4, "vision": 3}])
def test_inputs_overwrite_whatever_lies_in_padding_and_missing_steps(pool):
    inputs = Inputs({"text": 4, "audio": 5, "vision": 7}, pool)
    split = masked_toy().split
    inputs.fit("audio", split.audio.values)
    batch = masked_toy().batch(range(6))
    batch.text.x = torch.randn(*batch.text.valid.shape, 4)
    batch.text.target = batch.text.x
    clean = inputs(batch)
    for m in ("audio", "vision"):
        batch[m].x[~batch[m].keep] = float("nan")
    batch.text.x = torch.where(batch.text.valid[..., None], batch.text.x, torch.nan)
    dirty = inputs(batch)
    for m in ("text", "audio", "vision"):
        assert torch.equal(clean[m].x, dirty[m].x)


def test_standardised_training_frames_have_mean_zero_and_unit_variance_and_constant_channels_stay():
    inputs = Inputs({"text": 4, "audio": 3, "vision": 7})
    values = np.random.default_rng(0).normal([5.0, -3.0, 2.0], [10.0, 0.1, 0.0], (5000, 3))
    inputs.fit("audio", values)
    z = inputs.standardise("audio", torch.tensor(values))
    np.testing.assert_allclose(z[:, :2].mean(0), 0, atol=0.01)
    np.testing.assert_allclose(z[:, :2].std(0), 1, atol=0.01)
    assert (z[:, 2] == 0).all()
