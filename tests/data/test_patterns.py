"""How steps go missing: each by itself, in bursts, a modality whole. Counted on 3000 clips."""

import numpy as np
import pytest

from mgmr_lib.data.corpus import MODALITIES, Ragged, Split
from mgmr_lib.data.missing import PATTERNS, draw_masks, keep_mask, lost_modalities, share_gone, train_masks, valid_steps
from mgmr_lib.training import profiles

RATES = (0.1, 0.3, 0.5, 0.9)


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    n, lengths = 3000, rng.integers(12, 50, (3, 3000))
    frames = [Ragged(np.zeros((int(l.sum()), 1), np.float32), l.astype(np.int64), int(l.max())) for l in lengths[1:]]
    ids = np.zeros((n, 50), np.int64)  # stored text: no token is protected
    return Split(tuple(f"v$_${i}" for i in range(n)), ("",) * n, ids, lengths[0], *frames, np.zeros(n, np.float32))


def runs_of(lost: np.ndarray) -> int:
    """How many stretches of neighbours are lost."""
    return int((np.diff(np.pad(lost.astype(int), 1)) == 1).sum())


def test_the_settings_offer_what_the_masks_know():
    assert profiles.PATTERNS == PATTERNS
    with pytest.raises(ValueError, match="frames, bursts, modality"):
        draw_masks(None, 0.5, 0, pattern="stretches")


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("rate", RATES)
def test_the_realised_rate_is_the_one_asked_for(clips, pattern, rate):
    gone = share_gone(clips, draw_masks(clips, rate, 1, pattern=pattern))
    assert abs(np.mean(list(gone.values())) - rate) < 0.005
    for m in MODALITIES:  # of one modality that is lost whole, 3000 coins tell its rate to about a point
        assert abs(gone[m] - rate) < (0.03 if pattern == "modality" else 0.005)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_is_missing_at_a_low_rate_is_missing_at_a_higher_one(clips, pattern):
    split = clips.select(range(200))
    steps = [draw_masks(split, rate, 3, pattern=pattern) for rate in (0.0, *RATES, 1.0)]
    for m, valid in valid_steps(split).items():
        kept = [s[m] for s in steps]
        assert np.array_equal(kept[0], valid) and not kept[-1].any()
        assert all((more <= less).all() for less, more in zip(kept, kept[1:], strict=False))


def test_bursts_are_few_and_long_and_coins_are_not(clips):
    split, runs = clips.select(range(300)), {}
    for pattern in ("frames", "bursts"):
        keep = draw_masks(split, 0.4, 2, pattern=pattern)["audio"]
        lost = [~row[:l] for row, l in zip(keep, split.audio.lengths, strict=True)]
        runs[pattern] = np.mean([x.sum() for x in lost]) / np.mean([runs_of(x) for x in lost])
        if pattern == "bursts":  # a stretch is never cut, but by the clip's own ends
            inner = ["".join("01"[int(v)] for v in x).split("0") for x in lost if not (x[0] or x[-1])]
            assert inner and min(len(stretch) for stretches in inner for stretch in stretches if stretch) >= 2
    assert runs["bursts"] > 2.5 * runs["frames"]


def test_a_modality_is_lost_exactly_whole(clips):
    keep = draw_masks(clips, 0.5, 1, pattern="modality")
    for m, valid in valid_steps(clips).items():
        kept = (keep[m] & valid).sum(1)
        assert ((kept == 0) | (kept == valid.sum(1))).all() and 0 < (kept == 0).sum() < len(kept)
    lost = lost_modalities(clips.ids, dict.fromkeys(MODALITIES, 0.5), 1)
    assert set(np.sum([lost[m] for m in MODALITIES], axis=0)) == {1.0, 2.0}  # never none, never all three
    assert (np.sum([*lost_modalities(clips.ids, dict.fromkeys(MODALITIES, 1.0), 1).values()], axis=0) == 3).all()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_mask_depends_on_the_clip_alone(clips, pattern):
    whole, order = draw_masks(clips, 0.5, 4, pattern=pattern), [17, 3, 99]
    part = draw_masks(clips.select(order), 0.5, 4, pattern=pattern)
    for m in MODALITIES:
        assert np.array_equal(part[m], whole[m][order][:, : part[m].shape[1]])
    other = draw_masks(clips, 0.5, 5, pattern=pattern)
    assert any(not np.array_equal(other[m], whole[m]) for m in MODALITIES)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_training_draws_the_pattern_anew_every_epoch(clips, pattern):
    split = clips.select(range(100))
    first, again, later = (train_masks(split, e, 7, pattern=pattern) for e in (0, 0, 1))
    for m, valid in valid_steps(split).items():
        assert np.array_equal(first[m], again[m]) and not np.array_equal(first[m], later[m])
        if pattern == "modality":
            kept = (first[m] & valid).sum(1)
            assert ((kept == 0) | (kept == valid.sum(1))).all()


def test_an_unknown_pattern_is_refused():
    with pytest.raises(ValueError, match="pattern is one of frames, bursts, modality, not 'burst'"):
        keep_mask(np.ones((1, 4), bool), 0.5, 0, pattern="burst")
