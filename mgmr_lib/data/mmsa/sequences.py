"""The sequences of one split of an MMSA file: token ids, text features, audio and vision, only the valid steps of each.

`part` is a reader.Part: the split's keys, checked as they are asked for.
"""

import sys

import numpy as np

from mgmr_lib.data.corpus import Ragged, StoredText
from mgmr_lib.data.missing import valid_mask

CLS_ID, SEP_ID = 101, 102  # in the vocabularies of bert-base-uncased and bert-base-chinese alike
CHUNK = 256  # clips converted at a time, so that a file of several GB never lies in memory twice


def read_text(part) -> tuple[np.ndarray, np.ndarray, StoredText | None]:
    """Token ids (n, L), lengths (n,), and the text features if the file holds any.

    Without text_bert the ids are all zero and the lengths are the features'.
    """
    if "text_bert" in part.data:
        ids, lengths = _tokens(part)
        return ids, lengths, _beside_tokens(part, lengths, ids.shape[1]) if "text" in part.data else None
    frames = read_features(part, "text")
    if frames.lengths.any():
        part.notes.append(
            f"text comes as features ({frames.dim} wide) without token ids: it trains with --text-encoder stored, "
            "where missing steps are zero"
        )
    ids = np.zeros((part.n, frames.max_length), np.int64)
    return ids, frames.lengths, StoredText(lambda: frames, frames.dim)


def _beside_tokens(part, lengths: np.ndarray, longest: int) -> StoredText:
    """The features of the tokens in text_bert: read when they are asked for, 3 GB for MOSEI."""
    value = part.data["text"]
    if _is_ragged(value):
        part.agree("text", len(value))
        return StoredText(lambda: read_features(part, "text"), _width(part, value))
    shape = part.numbers("text", ("clips", "tokens", "features")).shape
    if shape[1] != longest:  # of other steps than the tokens
        return StoredText(lambda: read_features(part, "text"), shape[2])

    def read() -> Ragged:
        frames, repaired = _valid_frames(part.data["text"], lengths)
        if repaired:
            part.repair("text", repaired)
            print(
                f"{part.path}: {part.split}/text: {repaired} values were infinite or NaN and are 0 now", file=sys.stderr
            )
        return frames

    return StoredText(read, shape[2])


def _width(part, clips) -> int:
    """How wide the features of the first clip are that has any; 0 where none has."""
    for i, clip in enumerate(clips):
        try:
            shape = np.shape(clip)
        except ValueError:  # rows of different lengths
            shape = ()
        if 0 not in shape:
            if len(shape) != 2:
                raise part.error("text", f"has something other than (frames, features) at clip {i}")
            return shape[1]
    return 0


def _is_ragged(value) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "O" and value.ndim == 1 and len(value) > 0 and isinstance(value[0], np.ndarray)
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(v, (np.ndarray, list)) for v in value)


def _tokens(part) -> tuple[np.ndarray, np.ndarray]:
    """text_bert (n, 3, L) -> ids (n, L) int64 with zeros beyond the mask, lengths (n,)."""
    bert = part.numbers("text_bert", ("clips", "3", "tokens"))
    if bert.shape[1] != 3 or bert.shape[2] < 2:
        raise part.error("text_bert", f"has shape {bert.shape}, but must be (clips, 3, tokens): ids, mask, segments")
    ids, mask = bert[:, 0].astype(np.float64), bert[:, 1].astype(np.float64)
    if not np.isin(mask, (0, 1)).all():
        raise part.error("text_bert", "has a mask row (the second of three) with values other than 0 and 1")
    lengths = mask.sum(axis=1).astype(np.int64)
    holes = np.flatnonzero((mask != valid_mask(lengths, mask.shape[1])).any(axis=1))
    if len(holes):
        raise part.error("text_bert", f"has a mask that is not ones followed by zeros (clip {holes[0]})")
    ids = np.where(mask == 1, ids, 0)
    bad = np.flatnonzero(~((ids >= 0) & (ids < 2**31) & (ids == np.floor(ids))).all(axis=1))
    if len(bad):
        raise part.error("text_bert", f"has token ids that are not whole numbers from 0 (clip {bad[0]})")
    ids, short = ids.astype(np.int64), lengths < 2
    if short.all():
        raise part.error("text_bert", "has no clip with two tokens or more: is its mask the second of the three rows?")
    ids[short, 0], ids[short, 1], lengths[short] = CLS_ID, SEP_ID, 2
    part.repair("text_bert", short.sum())
    return ids, lengths


def read_features(part, key: str) -> Ragged:
    """audio, vision or text as Ragged: finite float32, only the valid frames."""
    if _is_ragged(part.data[key]):
        return _of_clips(part, key)
    padded = part.numbers(key, ("clips", "frames", "features"))
    starts: int | np.ndarray = 0
    lengths = _stored_lengths(part, f"{key}_lengths", padded.shape[1])
    if lengths is None:
        starts, lengths = _spans(part, key, padded)
    frames, repaired = _valid_frames(padded, lengths, starts)
    part.repair(key, repaired)
    return frames


def _valid_frames(padded: np.ndarray, lengths: np.ndarray, starts=0) -> tuple[Ragged, int]:
    """The frames from starts (n,) on, lengths (n,) of them, of padded (n, L, d); and how many values had to be set to
    0."""
    values, repaired, starts = [], 0, np.broadcast_to(starts, lengths.shape)
    for a in range(0, len(padded), CHUNK):
        with np.errstate(over="ignore", invalid="ignore"):
            chunk = padded[a : a + CHUNK].astype(np.float32)
        bad = ~np.isfinite(chunk)
        repaired += int(bad.sum())
        chunk[bad] = 0
        ends = starts[a : a + CHUNK] + lengths[a : a + CHUNK]
        values.append(chunk[valid_mask(ends, chunk.shape[1]) & ~valid_mask(starts[a : a + CHUNK], chunk.shape[1])])
    return Ragged(np.concatenate(values), lengths.astype(np.int64), padded.shape[1]), repaired


def _spans(part, key: str, padded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each clip starts (n,) and how long it is (n,), told by its zero frames.

    A clip ends with its last non-zero frame; one without any was never recorded, and its length is 0. It starts with
    the first frame of the array, unless the padding is clearly in front (as MulT's and MFN's files have it): many clips
    start with zero frames and few end with them, or more than a tenth start with several and end with none.
    """
    found = [_edges(padded[a : a + CHUNK]) for a in range(0, len(padded), CHUNK)]
    first, last, blank = (np.concatenate(parts) for parts in zip(*found, strict=True))
    leading, trailing = ((first > 0) & ~blank).sum(), ((last < padded.shape[1] - 1) & ~blank).sum()
    if leading <= max(0.2 * (~blank).sum(), 2 * trailing):
        # Some clips may be padded in front, others behind. A single zero frame is a [CLS] without a sound.
        front = ~blank & (first > 1) & (last == padded.shape[1] - 1)
        first = np.where(front & (front.sum() > 0.1 * (~blank).sum()), first, 0)
    part.repair(f"{key}_front", (first[~blank] > 0).sum())
    return first, np.where(blank, 0, last - first + 1)


def _edges(chunk: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, L, d) -> index of the first and of the last frame that is not all zero (0 where all are), and which are."""
    nonzero = (chunk != 0) & np.isfinite(chunk) if chunk.dtype.kind == "f" else chunk
    alive: np.ndarray = np.any(nonzero, axis=2)
    blank: np.ndarray = ~np.any(alive, axis=1)
    last = chunk.shape[1] - 1 - np.argmax(alive[:, ::-1], axis=1)
    return np.argmax(alive, axis=1), np.where(blank, 0, last), blank


def _of_clips(part, key: str) -> Ragged:
    """A list, or an object array, with one array (l_i, d) a clip."""
    clips = part.data[key]
    values: list[np.ndarray] = []
    part.agree(key, len(clips))
    for i, clip in enumerate(clips):
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                frames = np.asarray(clip, dtype=np.float32)
        except (TypeError, ValueError, OverflowError):
            raise part.error(key, f"holds something other than an array of numbers at clip {i}") from None
        if frames.size and frames.ndim != 2 or frames.ndim > 2:
            raise part.error(key, f"has shape {frames.shape} at clip {i}, but each clip must be (frames, features)")
        values.append(frames)
    width = next((v.shape[1] for v in values if v.size), 0)
    wrong = next((i for i, v in enumerate(values) if v.size and v.shape[1] != width), None)
    if not width or wrong is not None:
        i = wrong or 0
        raise part.error(
            key, f"has shape {values[i].shape} at clip {i}, but each clip must be (frames, features), all as wide"
        )
    values = [v if v.size else v.reshape(0, width) for v in values]
    longest = max(len(v) for v in values)
    stored = _stored_lengths(part, f"{key}_lengths", longest)
    if stored is not None:
        values = [v[:n] for v, n in zip(values, stored, strict=True)]
    joined = np.concatenate(values)
    bad = ~np.isfinite(joined)
    part.repair(key, bad.sum())
    joined[bad] = 0
    return Ragged(joined, np.array([len(v) for v in values], np.int64), longest)


def _stored_lengths(part, key: str, longest: int) -> np.ndarray | None:
    if part.data.get(key) is None:
        return None
    stored = part.finite(key)
    if (stored < 0).any() or (stored != np.floor(stored)).any():
        raise part.error(key, "holds lengths that are negative or not whole numbers")
    lengths = np.clip(stored, 0, longest)
    part.repair(key, (lengths != stored).sum())
    return lengths.astype(np.int64)
