"""Data that goes missing: which tokens and frames a network may see, and what it sees in the place of the others.

A step is kept where a uniform draw is at least the missing rate, so with one seed the masks are nested: what is missing
at rate 0.3 is missing at 0.5 too. Every clip and modality has a generator of its own, seeded by the clip's id; a mask
therefore depends on id, modality, rate and seed, and not on the row, the batch or the padding. Two protocols from the
literature, whose numbers must not be compared with each other:
  A  one model per rate; that rate in training, validation and test; the training masks never change (TFR-Net, MFMB-Net)
  B  one model for all rates; every clip and modality draws its own rate, half of the clips are complete; redrawn every
     epoch (so LNLN and TF-Mamba, but their codes give each modality a complete half of its own and redraw few clips)
Losses in the world come together: beside a coin for each step ("frames", as in both papers) there are bursts, and
modalities that are lost whole (PATTERNS).
"""

import hashlib
import math
from numbers import Integral

import numpy as np

from mgmr_lib.data.corpus import MODALITIES, Split

UNK_ID = 100  # [UNK] in the vocabularies of bert-base-uncased and bert-base-chinese alike
PROTOCOLS = ("A", "B")
PATTERNS = ("frames", "bursts", "modality")  # a coin for each step; stretches of neighbours; a modality whole
BURSTS = 8  # stretches that a clip is cut into, where each holds two steps or more


def clip_seed(clip_id: str, modality: str, seed: int, space: str = "evaluation") -> int:
    """A stable 64-bit seed for one clip and modality; different spaces (training, evaluation) share no seeds."""
    key = f"{space}\x1f{modality}\x1f{int(seed)}\x1f{clip_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")


def valid_mask(lengths, length: int | None = None) -> np.ndarray:
    """(n,) lengths -> (n, L) bool, True on each row's first lengths[i] steps; L defaults to the longest."""
    lengths = np.asarray(lengths)
    width = int(lengths.max(initial=0)) if length is None else length
    return np.arange(width)[None, :] < lengths[:, None]


def protected_tokens(token_lengths, length: int | None = None) -> np.ndarray:
    """(n,) token lengths -> (n, L) bool, True on [CLS] (first) and [SEP] (last valid token)."""
    valid = valid_mask(token_lengths, length)
    step = np.arange(valid.shape[1])[None, :]
    return valid & ((step == 0) | (step == np.asarray(token_lengths)[:, None] - 1))


def _known_pattern(pattern: str) -> None:
    if pattern not in PATTERNS:
        raise ValueError(f"pattern is one of {', '.join(PATTERNS)}, not {pattern!r}")


def keep_mask(valid: np.ndarray, rate, seed, protect: np.ndarray | None = None, pattern: str = "frames") -> np.ndarray:
    """Which valid steps survive: (uniform >= rate) & valid, plus the protected valid ones.

    pattern: "frames", a draw for each step; "bursts", one for each stretch of neighbours (`burst_scores`); "modality"
    wants rates of 0 and 1 alone (`lost_modalities`).

    valid, protect: (n, L) bool. rate: one number in 0..1, or (n,) of them; 0 keeps every valid step, 1 only protected
    ones.
    seed: one integer, or (n,) of them, a generator a row; the first L draws of a row are the same whatever the padding.
    Returns (n, L) bool. Raises ValueError for a rate outside 0..1, arrays that are not boolean, shapes that disagree,
    or another pattern.
    """
    _known_pattern(pattern)
    valid = _boolean(valid, "valid")
    rates = _rates(rate, len(valid))
    seeds = _seeds(seed, len(valid))
    keep = np.zeros(valid.shape, dtype=bool)
    for i in range(len(valid)):
        if rates[i] <= 0:
            keep[i] = True
        elif rates[i] < 1:
            rng = np.random.default_rng(seeds[i])
            keep[i] = (_burst_row(rng, valid[i]) if pattern == "bursts" else rng.random(valid.shape[1])) >= rates[i]
    if protect is not None:
        protect = _boolean(protect, "protect")
        if protect.shape != valid.shape:
            raise ValueError(f"protect has shape {protect.shape}, valid has {valid.shape}")
        keep |= protect
    return keep & valid


def burst_scores(rng: np.random.Generator, steps: int) -> np.ndarray:
    """(steps,) in 0..1, each uniform, equal within a stretch of about an eighth of the clip, two steps at least.

    Where the stretches begin is drawn, and so is their order; their scores are spread evenly over 0..1, so that at
    each rate nearly that share of every clip is gone, in a few bursts.
    """
    long = max(2, math.ceil(steps / BURSTS))
    stretch = (np.arange(steps) + rng.integers(long)) // long
    count = int(stretch[-1]) + 1 if steps else 0
    return ((rng.permutation(count) + rng.random()) / max(count, 1))[stretch]


def _burst_row(rng: np.random.Generator, valid: np.ndarray) -> np.ndarray:
    scores = np.zeros(len(valid))
    scores[valid] = burst_scores(rng, int(valid.sum()))
    return scores


def lost_modalities(ids, rates: dict, seed: int, space: str = "evaluation") -> dict[str, np.ndarray]:
    """Pattern "modality": {modality: (n,) of 0.0 or 1.0}, lost whole with the probability that its rate is.

    A clip's three draws are spread evenly over 0..1, in a random order: at a rate of one third every clip loses one
    modality, at one half one or two, and never all three below two thirds.
    """
    rates = {m: _rates(rates[m], len(ids)) for m in MODALITIES}
    lost = {m: np.zeros(len(ids)) for m in MODALITIES}
    for i, clip in enumerate(ids):
        rng = np.random.default_rng(clip_seed(clip, "modality", seed, space))
        scores = (rng.permutation(len(MODALITIES)) + rng.random()) / len(MODALITIES)
        for m, score in zip(MODALITIES, scores, strict=True):
            lost[m][i] = score < rates[m][i]
    return lost


def _boolean(mask, name: str) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.ndim != 2:
        raise ValueError(f"{name} must be a boolean (n, L) array, not {mask.dtype} of shape {mask.shape}")
    return mask


def _rates(rate, n: int) -> np.ndarray:
    rates = np.asarray(rate)
    if rates.dtype.kind not in "iuf" or rates.shape not in ((), (n,)):
        raise ValueError(f"rate must be a number or {n} numbers, got {rates.dtype} of shape {rates.shape}")
    if not ((rates >= 0) & (rates <= 1)).all():  # NaN fails both comparisons
        raise ValueError("a missing rate lies in 0..1")
    return np.broadcast_to(rates, n)


def _seeds(seed, n: int) -> list:
    """A list of n seeds for `default_rng`; a single seed becomes [seed, 0], [seed, 1], ... so that rows differ."""
    if isinstance(seed, Integral) and not isinstance(seed, bool):
        if seed < 0:
            raise ValueError("seed must not be negative")
        return [[int(seed), i] for i in range(n)]
    seeds = [s.item() if isinstance(s, np.generic) else s for s in (seed if np.ndim(seed) == 1 else [])]
    if len(seeds) != n or np.ndim(seed) != 1 or any(type(s) is not int or s < 0 for s in seeds):
        raise ValueError(f"seed must be an integer or {n} integers, none of them negative")
    return seeds


def reconstruction_mask(valid: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """The steps that went missing, valid & ~keep: where a reconstruction is compared with the truth."""
    return valid & ~keep


def valid_steps(split: Split) -> dict[str, np.ndarray]:
    """{modality: (n, L) bool}, L that modality's longest valid length in the split, one at least."""
    lengths = {"text": split.token_lengths, "audio": split.audio.lengths, "vision": split.vision.lengths}
    return {m: valid_mask(l, max(1, int(l.max(initial=0)))) for m, l in lengths.items()}


def share_gone(split: Split, keep: dict[str, np.ndarray]) -> dict[str, float]:
    """{modality: share of it that nobody sees under `keep`}, the mean over clips; a clip whose modality was never
    recorded counts as wholly gone."""
    shares = {}
    for m, valid in valid_steps(split).items():
        seen = (keep[m][:, : valid.shape[1]] & valid[:, : keep[m].shape[1]]).sum(1)
        shares[m] = float(1 - (seen / valid.sum(1).clip(min=1)).mean())
    return shares


def draw_masks(
    split: Split, rates, seed: int, epoch: int | None = None, space: str = "evaluation", pattern: str = "frames"
) -> dict:
    """The kept steps of every clip: {modality: (n, L) bool}, L that modality's longest valid length in the split.

    rates: one number for all, or {modality: number or (n,)}. The masks are static unless an epoch is given.
    space: masks of "evaluation" and "train" come from seeds that have nothing to do with each other.
    pattern: how steps go missing, one of PATTERNS.
    """
    _known_pattern(pattern)
    if not isinstance(rates, dict):
        rates = dict.fromkeys(MODALITIES, rates)
    if set(rates) != set(MODALITIES):
        raise ValueError(f"rates must name {', '.join(MODALITIES)}, got {', '.join(map(str, rates)) or 'none'}")
    space = space if epoch is None else f"{space}/{int(epoch)}"
    # Stored features have no [CLS] to protect; one that a BERT made would tell the whole sentence.
    protect = {"text": protected_tokens(split.token_lengths)} if split.has_tokens else {}
    if pattern == "modality":
        rates = lost_modalities(split.ids, rates, seed, space)
    return {
        m: keep_mask(valid, rates[m], [clip_seed(i, m, seed, space) for i in split.ids], protect.get(m), pattern)
        for m, valid in valid_steps(split).items()
    }


def train_rates(
    ids, epoch: int, seed: int, protocol: str = "B", rate: float | None = None, complete: str = "clip"
) -> dict:
    """One epoch's rates, {modality: (n,) in 0..1}: protocol A's one rate, or protocol B's draws, half of them (n // 2)
    zero.

    complete="clip": the same half of the clips is complete in all modalities. complete="modality": each modality has
    its own half, as LNLN's published code draws it, so that about one clip in eight is wholly complete. The order of
    the ids does not matter: a clip is complete where its draw is among the smaller half.
    """
    if protocol not in PROTOCOLS or complete not in ("clip", "modality"):
        raise ValueError(f'protocol is "A" or "B", complete "clip" or "modality"; got {protocol!r}, {complete!r}')
    if protocol == "A":
        if rate is None:
            raise ValueError("protocol A trains one model a rate: give the rate")
        return {m: _rates(rate, len(ids)).astype(float) for m in MODALITIES}
    out = {}
    for modality in MODALITIES:
        rates = _uniform(ids, f"rate/{modality}", seed, epoch)
        half = _uniform(ids, "complete" if complete == "clip" else f"complete/{modality}", seed, epoch)
        rates[np.lexsort((np.asarray(ids, dtype=str), half))[: len(rates) // 2]] = 0.0
        out[modality] = rates
    return out


def _uniform(ids, what: str, seed: int, epoch: int) -> np.ndarray:
    """(n,) uniform draws in [0, 1), one an id."""
    return np.array([(clip_seed(i, what, seed, f"train/{int(epoch)}") >> 11) * 2.0**-53 for i in ids])


def train_masks(
    split: Split, epoch: int, seed: int, protocol: str = "B", rate: float | None = None, pattern: str = "frames"
) -> dict:
    """The masks of one training epoch, as `draw_masks` returns them: static in protocol A, redrawn in protocol B."""
    rates = train_rates(split.ids, epoch, seed, protocol, rate)
    return draw_masks(split, rates, seed, epoch if protocol == "B" else None, "train", pattern)


def mask_tokens(ids: np.ndarray, keep: np.ndarray, valid: np.ndarray, unk: int = UNK_ID) -> np.ndarray:
    """Token ids (n, L) with [UNK] in the missing places and 0 in the padding; the attention mask stays `valid`."""
    return np.where(valid, np.where(keep, ids, unk), 0).astype(ids.dtype)


def mask_features(
    values: np.ndarray, keep: np.ndarray, valid: np.ndarray | None = None, noise_std: float = 0.0, seed=0
):
    """Features (n, L, d) with zeros where a frame is missing, and zeros in the padding.

    noise_std > 0 puts white Gaussian noise of that standard deviation into the missing valid frames instead: both
    papers' sentence names it, while all published code uses zeros. It needs `valid`.
    """
    out = np.where(keep[..., None], values, np.zeros((), dtype=values.dtype))
    if noise_std:
        if valid is None:
            raise ValueError("noise needs `valid`: padding is never missing")
        missing = reconstruction_mask(valid, keep)
        noise = np.random.default_rng(seed).standard_normal((int(missing.sum()), values.shape[-1]))
        out[missing] = (noise * noise_std).astype(values.dtype)
    return out
