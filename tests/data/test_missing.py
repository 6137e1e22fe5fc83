"""The missing-data protocol, checked by counting."""

import subprocess
import sys

import numpy as np
import pytest

from mgmr_lib.data.corpus import Ragged, Split
from mgmr_lib.data.missing import (
    UNK_ID,
    clip_seed,
    draw_masks,
    keep_mask,
    mask_features,
    mask_tokens,
    protected_tokens,
    reconstruction_mask,
    train_masks,
    train_rates,
    valid_mask,
    valid_steps,
)

MODALITIES = ("text", "audio", "vision")


def make_split(n=200, seed=0, longest=(20, 60, 40)):
    rng = np.random.default_rng(seed)
    text, audio, vision = (rng.integers(low, high + 1, n) for low, high in zip((2, 1, 1), longest, strict=True))
    ids = np.where(valid_mask(text, 25), rng.integers(200, 3000, (n, 25)), 0)

    def ragged(lengths, dim, length):
        return Ragged(rng.normal(size=(lengths.sum(), dim)).astype(np.float32), lengths, length)

    names = tuple(f"video{i // 7}$_${i % 7}" for i in range(n))
    return Split(names, names, ids, text, ragged(audio, 3, 70), ragged(vision, 2, 45), rng.normal(size=n))


def within_binomial(count, n, p):
    return abs(count - n * p) <= 5 * np.sqrt(n * p * (1 - p)) + 1e-9


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("seeds", ["one", "rows"])
def test_realised_rate_counts_valid_steps_only(rate, seeds):
    valid = valid_mask(np.random.default_rng(1).integers(1, 101, 400), 120)
    keep = keep_mask(valid, rate, 7 if seeds == "one" else np.arange(400) + 50)
    assert keep.dtype == bool and keep.shape == valid.shape
    assert not keep[~valid].any()
    assert within_binomial(reconstruction_mask(valid, keep).sum(), valid.sum(), rate)


def test_rate_zero_keeps_all_and_one_keeps_protected_only():
    lengths = np.array([2, 3, 9, 12])
    valid, protect = valid_mask(lengths, 12), protected_tokens(lengths, 12)
    assert (keep_mask(valid, 0, 3) == valid).all()
    assert not keep_mask(valid, 1, 3).any()
    assert (keep_mask(valid, 1.0, 3, protect) == protect).all()
    assert protect.sum(1).tolist() == [2, 2, 2, 2]
    assert protect[2].nonzero()[0].tolist() == [0, 8]


def test_protection_never_reaches_into_padding_and_changes_nothing_else():
    valid = valid_mask([3, 5], 8)
    protect = np.ones((2, 8), dtype=bool)
    assert (keep_mask(valid, 1, 0, protect) == valid).all()
    valid, protect = valid_mask([50] * 30), protected_tokens([50] * 30)
    plain, guarded = keep_mask(valid, 0.6, 5), keep_mask(valid, 0.6, 5, protect)
    assert (guarded == (plain | protect)).all()


def test_valid_may_have_holes():
    valid = np.random.default_rng(0).random((50, 40)) < 0.5
    keep = keep_mask(valid, 0.4, 1)
    assert not (keep & ~valid).any() and within_binomial(keep.sum(), valid.sum(), 0.6)


def test_nested_across_rates():
    valid = valid_mask([80] * 60)
    for seed in (11, np.arange(60)):
        masks = [keep_mask(valid, r, seed) for r in np.linspace(0, 1, 11)]
        assert all((high <= low).all() for low, high in zip(masks, masks[1:], strict=False))
        assert all(low.sum() > high.sum() for low, high in zip(masks, masks[1:], strict=False))


def test_one_rate_a_row():
    rates = np.repeat([0.0, 0.25, 0.75, 1.0], 100)
    valid = valid_mask([60] * 400)
    share = keep_mask(valid, rates, 2).reshape(4, -1).mean(axis=1)
    assert share[0] == 1 and share[3] == 0
    assert within_binomial(share[1] * 6000, 6000, 0.75) and within_binomial(share[2] * 6000, 6000, 0.25)


def test_rows_do_not_depend_on_each_other_nor_on_padding():
    seeds = np.array([5, 99, 7, 5], dtype=np.uint64)
    valid = valid_mask([40, 30, 20, 40])
    keep = keep_mask(valid, 0.5, seeds)
    order = [2, 0, 3, 1]
    assert (keep_mask(valid[order], 0.5, seeds[order]) == keep[order]).all()
    assert (keep_mask(valid[1:2], 0.5, seeds[1:2]) == keep[1:2]).all()
    assert (keep_mask(np.pad(valid, ((0, 0), (0, 30))), 0.5, seeds)[:, :40] == keep).all()
    assert (keep[0] == keep[3]).all() and (keep[0] != keep[2]).any()
    one = keep_mask(valid, 0.5, 5)
    assert (keep_mask(np.pad(valid, ((0, 0), (0, 30))), 0.5, 5)[:, :40] == one).all()
    assert (one[0] != one[3]).any(), "one seed must not give every row the same mask"


def test_seeds_matter_and_repeat():
    valid = valid_mask([100] * 20)
    assert (keep_mask(valid, 0.5, 1) == keep_mask(valid, 0.5, 1)).all()
    agreement = (keep_mask(valid, 0.5, 1) == keep_mask(valid, 0.5, 2)).sum()
    assert within_binomial(agreement, 2000, 0.5)


@pytest.mark.parametrize("rate", [-1e-9, 1.0001, np.nan, np.inf, [0.1, np.nan], [0.1, 0.2, 0.3], "0.5", None, True])
def test_bad_rates(rate):
    with pytest.raises(ValueError, match="rate"):
        keep_mask(valid_mask([3, 3]), rate, 0)


@pytest.mark.parametrize("valid", [np.ones((2, 3)), np.ones((2, 3), int), np.ones(3, bool), np.ones((2, 3, 1), bool)])
def test_valid_must_be_boolean_and_two_dimensional(valid):
    with pytest.raises(ValueError, match="valid must be"):
        keep_mask(valid, 0.5, 0)


def test_bad_protect_and_seeds():
    valid = valid_mask([3, 3])
    with pytest.raises(ValueError, match="protect must be"):
        keep_mask(valid, 0.5, 0, valid.astype(int))
    with pytest.raises(ValueError, match="protect has shape"):
        keep_mask(valid, 0.5, 0, valid[:1])
    for seed in (-1, 1.5, [1], [1, -2], [1.0, 2.0], np.ones((2, 1), int), "ab", None, True):
        with pytest.raises(ValueError, match="seed"):
            keep_mask(valid, 0.5, seed)


def test_empty_arrays():
    assert keep_mask(np.zeros((0, 5), bool), 0.5, 1).shape == (0, 5)
    assert keep_mask(np.zeros((3, 0), bool), 0.5, 1).shape == (3, 0)


def test_clip_seed_is_stable_across_processes_and_sensitive_to_each_part():
    code = "from mgmr_lib.data.missing import clip_seed; print(clip_seed('v$_$1', 'audio', 1111))"
    fresh = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert fresh == clip_seed("v$_$1", "audio", 1111) < 2**64
    variants = [("v$_$1", "audio", 1111), ("v$_$2", "audio", 1111), ("v$_$1", "text", 1111), ("v$_$1", "audio", 1112)]
    assert len({clip_seed(*v, space=s) for v in variants for s in ("evaluation", "train")}) == 8


def test_draw_masks_shapes_protection_and_rates():
    split = make_split(400)
    masks, valid = draw_masks(split, {"text": 0.5, "audio": 0.2, "vision": 1.0}, 3), valid_steps(split)
    lengths = {"text": split.token_lengths, "audio": split.audio.lengths, "vision": split.vision.lengths}
    for m in MODALITIES:
        assert masks[m].shape == (400, lengths[m].max()) and not (masks[m] & ~valid[m]).any()
    assert masks["text"][:, 0].all() and masks["text"][np.arange(400), split.token_lengths - 1].all()
    inner = valid["text"] & ~protected_tokens(split.token_lengths)
    assert within_binomial((masks["text"] & inner).sum(), inner.sum(), 0.5)
    assert within_binomial(masks["audio"].sum(), valid["audio"].sum(), 0.8)
    assert not masks["vision"].any()


def test_a_clips_mask_depends_on_its_id_alone():
    split = make_split(60)
    masks = draw_masks(split, 0.5, 4)
    order = np.random.default_rng(2).permutation(60)[:25]
    part = draw_masks(split.select(order), 0.5, 4)
    for m in MODALITIES:
        assert (part[m] == masks[m][order][:, : part[m].shape[1]]).all()


def test_modalities_and_spaces_are_independent():
    n, length = 150, 100
    frames = Ragged(np.zeros((n * length, 1), np.float32), np.full(n, length), length)
    names = tuple(f"clip{i}" for i in range(n))
    split = Split(names, names, np.ones((n, length), int), np.full(n, length), frames, frames, np.zeros(n))
    drawn = draw_masks(split, 0.5, 9)
    trained = draw_masks(split, 0.5, 9, space="train")
    epochs = [draw_masks(split, 0.5, 9, epoch=e, space="train")["audio"] for e in (0, 1)]
    pairs = [
        (drawn["audio"], drawn["vision"]),
        (drawn["text"][:, 1:-1], drawn["audio"][:, 1:-1]),
        (drawn["audio"], trained["audio"]),
        (trained["audio"], epochs[0]),
        tuple(epochs),
    ]
    for one, other in pairs:
        assert within_binomial((one == other).sum(), one.size, 0.5)


def test_draw_masks_names_its_modalities():
    split = make_split(3)
    with pytest.raises(ValueError, match="text, audio, vision"):
        draw_masks(split, {"text": 0.5, "audio": 0.5}, 0)
    with pytest.raises(ValueError, match="0..1"):
        draw_masks(split, {"text": 0.5, "audio": 0.5, "vision": 1.5}, 0)


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_protocol_b_rates(n):
    ids = tuple(f"clip{i}" for i in range(n))
    rates = train_rates(ids, epoch=3, seed=1111)
    complete = np.stack([rates[m] == 0 for m in MODALITIES])
    assert complete.sum(axis=1).tolist() == [n // 2] * 3 and complete.all(axis=0).sum() == n // 2
    for m in MODALITIES:
        drawn = rates[m][rates[m] > 0]
        assert ((drawn > 0) & (drawn < 1)).all()
        if n == 1000:  # 500 uniform draws: mean 0.5 +- 5 standard errors, deciles filled
            assert abs(drawn.mean() - 0.5) < 5 * np.sqrt(1 / 12 / 500)
            assert np.histogram(drawn, 10, (0, 1))[0].min() > 20
    if n == 1000:
        busy = ~complete[0]
        for one, other in (("text", "audio"), ("text", "vision"), ("audio", "vision")):
            assert abs(np.corrcoef(rates[one][busy], rates[other][busy])[0, 1]) < 5 / np.sqrt(500)


def test_protocol_b_with_each_modality_its_own_half():
    ids = tuple(f"clip{i}" for i in range(2000))
    rates = train_rates(ids, 0, 1, complete="modality")
    complete = np.stack([rates[m] == 0 for m in MODALITIES])
    assert complete.sum(axis=1).tolist() == [1000] * 3
    assert within_binomial(complete.all(axis=0).sum(), 2000, 1 / 8)
    with pytest.raises(ValueError, match="complete"):
        train_rates(ids, 0, 1, complete="all")


def test_protocol_b_redraws_by_epoch_and_seed_but_not_by_order():
    split = make_split(101)
    first, again = train_masks(split, 0, 5), train_masks(split, 0, 5)
    order = np.random.default_rng(0).permutation(101)
    shuffled = train_masks(split.select(order), 0, 5)
    for m in MODALITIES:
        assert (first[m] == again[m]).all() and (first[m][order] == shuffled[m]).all()
        assert (first[m] != train_masks(split, 1, 5)[m]).any() and (first[m] != train_masks(split, 0, 6)[m]).any()
    valid = valid_steps(split)
    whole = [all((first[m][i] == valid[m][i]).all() for m in MODALITIES) for i in range(101)]
    assert sum(whole) >= 50
    train_rates(("same",) * 5, 0, 1)  # duplicate ids are no reason to fail


def test_protocol_a_is_static_and_apart_from_evaluation():
    split = make_split(120)
    assert all((r == 0.4).all() for r in train_rates(split.ids, 0, 5, "A", 0.4).values())
    masks = train_masks(split, 0, 5, protocol="A", rate=0.4)
    later = train_masks(split, 7, 5, protocol="A", rate=0.4)
    test = draw_masks(split, 0.4, 5)
    assert all((masks[m] == later[m]).all() and (masks[m] != test[m]).any() for m in MODALITIES)
    with pytest.raises(ValueError, match="give the rate"):
        train_masks(split, 0, 5, protocol="A")
    with pytest.raises(ValueError, match="protocol"):
        train_masks(split, 0, 5, protocol="C")


def test_each_modality_may_have_a_rate_of_its_own():
    split = make_split(30)
    masks = draw_masks(split, {"text": 0.0, "audio": 1.0, "vision": 0.0}, 1)
    assert not masks["audio"].any() and (masks["vision"] == valid_steps(split)["vision"]).all()


def test_mask_tokens_and_features():
    split = make_split(80)
    length = split.token_lengths.max()
    ids = split.token_ids[:, :length].copy()
    valid, masks = valid_steps(split), draw_masks(split, 0.5, 8)
    seen = mask_tokens(ids, masks["text"], valid["text"])
    missing = reconstruction_mask(valid["text"], masks["text"])
    assert (seen[missing] == UNK_ID).all() and (seen[masks["text"]] == ids[masks["text"]]).all()
    assert (seen[~valid["text"]] == 0).all() and missing.sum() > 0 and seen.dtype == ids.dtype
    padded = split.audio.padded(masks["audio"].shape[1])
    padded[~valid["audio"]] = np.nan  # garbage in the padding must not come through
    out = mask_features(padded, masks["audio"])
    assert (out[masks["audio"]] == padded[masks["audio"]]).all() and (out[~masks["audio"]] == 0).all()
    noisy = mask_features(padded, masks["audio"], valid["audio"], noise_std=2.0, seed=1)
    gone = reconstruction_mask(valid["audio"], masks["audio"])
    assert (noisy[~valid["audio"]] == 0).all() and (noisy[masks["audio"]] == out[masks["audio"]]).all()
    assert abs(noisy[gone].std() - 2.0) < 0.1 and noisy.dtype == np.float32
    with pytest.raises(ValueError, match="valid"):
        mask_features(padded, masks["audio"], noise_std=1.0)
