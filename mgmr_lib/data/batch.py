"""From clips to tensors: a split under its masks, and the batches that every network of the course takes."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn

from mgmr_lib.data.compact import PatchedRagged
from mgmr_lib.data.corpus import MODALITIES, Ragged, Split
from mgmr_lib.data.missing import mask_tokens
from mgmr_lib.data.text import STORED, encode


@dataclass
class ModalityBatch:
    """One modality of b clips, padded to the longest of them (l steps).

    x: what the network may see, (b, l) token ids or (b, l, d) features; missing steps hold [UNK] or zeros.
    target: the same, complete (only losses read it). valid: (b, l) bool, False in padding.
    keep: (b, l) bool, True where a valid step was not lost. A clip whose modality was never recorded has no valid step.
    """

    x: Tensor
    target: Tensor
    valid: Tensor
    keep: Tensor

    @property
    def missing(self) -> Tensor:
        """(b, l) bool: valid steps that were lost. Padding is never missing."""
        return self.valid & ~self.keep


@dataclass
class Batch:
    """b clips: their names, labels (b,), three ModalityBatches, and where they stand in their split, rows (b,) int64
    (None in a batch that was made of no split)."""

    ids: tuple[str, ...]
    labels: Tensor
    text: ModalityBatch
    audio: ModalityBatch
    vision: ModalityBatch
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, modality: str) -> ModalityBatch:
        return getattr(self, modality)

    def to(self, device, non_blocking: bool = False) -> "Batch":
        """The same batch on another device. non_blocking: from pinned memory, without waiting for the copy."""
        return self._each(lambda t: t.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """The same batch in memory from which a GPU reads by itself."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        changed = {
            m: ModalityBatch(**{f.name: change(getattr(self[m], f.name)) for f in fields(ModalityBatch)})
            for m in MODALITIES
        }
        return Batch(self.ids, change(self.labels), **changed, rows=None if self.rows is None else change(self.rows))


def pad(sequences: list[np.ndarray]) -> Tensor:
    """Stack b arrays (l_i, ...) into (b, max l_i, ...), one step at least, with zeros at the back."""
    length = max(1, *(len(s) for s in sequences))
    out = np.zeros((len(sequences), length, *sequences[0].shape[1:]), dtype=sequences[0].dtype)
    for row, sequence in zip(out, sequences, strict=True):
        row[: len(sequence)] = sequence
    return torch.from_numpy(out)


@dataclass(frozen=True)
class MaskedSplit:
    """A split together with what was lost from it.

    keep: {modality: (n, L) bool}, L at least the longest clip. Where the text encoder is frozen, its outputs stand in
    for the token ids: complete_text and masked_text are Ragged (n clips of (l_i, d) features).
    """

    split: Split
    keep: dict[str, np.ndarray]
    complete_text: Ragged | None = None
    masked_text: Ragged | None = None

    def __len__(self) -> int:
        return len(self.split)

    def batch(self, index) -> Batch:
        """The clips of `index` as one Batch."""
        index = [int(i) for i in index]
        labels = torch.from_numpy(self.split.labels[index])
        parts = {
            "text": self._text(index),
            "audio": self._frames("audio", index),
            "vision": self._frames("vision", index),
        }
        return Batch(tuple(self.split.ids[i] for i in index), labels, **parts, rows=torch.tensor(index))

    def _masks(self, modality: str, index: list[int], lengths) -> tuple[Tensor, Tensor]:
        longest = max(1, int(max(lengths)))
        valid = torch.arange(longest)[None, :] < torch.as_tensor(np.asarray(lengths))[:, None]
        keep = torch.from_numpy(self.keep[modality][index, :longest])
        return valid, nn.functional.pad(keep, (0, longest - keep.shape[1])) & valid

    def _frames(self, modality: str, index: list[int]) -> ModalityBatch:
        frames: Ragged = getattr(self.split, modality)
        valid, keep = self._masks(modality, index, frames.lengths[index])
        target = pad([frames[i] for i in index])
        return ModalityBatch(target.masked_fill(~keep[..., None], 0.0), target, valid, keep)

    def _text(self, index: list[int]) -> ModalityBatch:
        lengths = self.split.token_lengths[index]
        valid, keep = self._masks("text", index, lengths)
        if self.masked_text is not None:
            x = pad([self.masked_text[i] for i in index])
            target = x if self.complete_text is None else pad([self.complete_text[i] for i in index])
            return ModalityBatch(x, target, valid, keep)
        target = torch.from_numpy(self.split.token_ids[index, : valid.shape[1]])
        return ModalityBatch(torch.where(valid & ~keep, self.split.unk_id, target), target, valid, keep)


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
        return MaskedSplit(
            split, keep, split.stored_text.features() if targets else None, encoder.masked(split, keep["text"])
        )
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
        masked = PatchedRagged(complete, touched, encode(encoder, ids[touched], split.token_lengths[touched]))
    return MaskedSplit(split, keep, complete if targets else None, masked)
