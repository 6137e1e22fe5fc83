"""Put masks on a split, and encode the text that is left where the text encoder is frozen."""

import numpy as np

from mgmr_lib.data.batch import MaskedSplit
from mgmr_lib.data.corpus import Ragged, Split
from mgmr_lib.data.missing import mask_tokens
from mgmr_lib.data.text import STORED, encode


def mask_split(
    split: Split, keep: dict[str, np.ndarray], encoder=None, complete: Ragged | None = None, targets: bool = True
) -> MaskedSplit:
    """A MaskedSplit under `keep` ({modality: (n, L) bool}).

    encoder: the frozen text encoder (None: the network encodes token ids itself); complete: its features of the
    complete text, which clips without a missing token reuse. targets False leaves the complete text out (evaluation
    needs none).
    """
    if encoder is None:
        return MaskedSplit(split, keep)
    if encoder.name == STORED:
        return MaskedSplit(split, keep, split.text.features() if targets else None, encoder.masked(split, keep["text"]))
    longest = min(keep["text"].shape[1], split.token_ids.shape[1])
    valid = np.arange(longest)[None, :] < split.token_lengths[:, None]
    seen = keep["text"][:, :longest]
    touched = np.flatnonzero((valid & ~seen).any(1))
    ids = mask_tokens(split.token_ids[:, :longest], seen, valid, split.unk_id)
    if complete is None or len(touched) == len(split):
        masked = encode(encoder, ids, split.token_lengths)
    elif len(touched) == 0:
        masked = complete
    else:
        masked = _replace(complete, touched, encode(encoder, ids[touched], split.token_lengths[touched]))
    return MaskedSplit(split, keep, complete if targets else None, masked)


def _replace(features: Ragged, index: np.ndarray, new: Ragged) -> Ragged:
    """`features` with the clips of `index` taken from `new` (same lengths)."""
    values = features.values.copy()
    starts = np.concatenate([[0], np.cumsum(features.lengths)])
    for row, i in enumerate(index):
        values[starts[i] : starts[i + 1]] = new[row]
    return Ragged(values, features.lengths, features.max_length)
