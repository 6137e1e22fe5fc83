"""What a corpus is in memory: splits, each with a text, an audio and a vision sequence and one label per clip.

Audio and vision are *ragged*: only valid frames are stored, because MOSEI padded to 500 frames would need 5 GB.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from mgmr_lib.errors import CourseError

MODALITIES = ("text", "audio", "vision")
SPLITS = ("train", "valid", "test")
LABEL_RANGES = {"mosi": 3.0, "mosei": 3.0, "sims": 1.0}  # labels of a family lie in [-range, range]


@dataclass(frozen=True)
class Ragged:
    """n sequences of different lengths, stored end to end.

    values: (sum of lengths, d) float32; lengths: (n,) int64, each at most max_length, 0 where a clip has no step: its
    modality was never recorded; max_length: the padded length of the file that they came from, at least 1.
    """

    values: np.ndarray
    lengths: np.ndarray
    max_length: int

    def __post_init__(self):
        if int(self.lengths.sum()) != len(self.values):
            raise ValueError(f"lengths add up to {int(self.lengths.sum())}, but there are {len(self.values)} frames")

    @cached_property
    def _starts(self) -> np.ndarray:
        """Where each clip begins among the values, and where the last one ends: (n + 1,)."""
        return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)

    @classmethod
    def from_padded(cls, padded: np.ndarray, lengths: np.ndarray) -> "Ragged":
        """Keep the first lengths[i] frames of padded (n, L, d)."""
        valid = np.arange(padded.shape[1])[None, :] < lengths[:, None]
        return cls(np.ascontiguousarray(padded[valid], dtype=np.float32), lengths.astype(np.int64), padded.shape[1])

    @property
    def dim(self) -> int:
        """Feature width d."""
        return self.values.shape[1]

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, i: int) -> np.ndarray:
        """The valid frames of clip i: (lengths[i], d); a negative i counts from the end, as in a list."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"clip {i} of {len(self)}")
        return self._clip(int(i) % len(self))

    def _clip(self, i: int) -> np.ndarray:
        return self.values[self._starts[i] : self._starts[i + 1]]

    def padded(self, length: int | None = None) -> np.ndarray:
        """All clips with zeros at the back: (n, length or max_length, d)."""
        out = np.zeros((len(self), length or self.max_length, self.dim), dtype=np.float32)
        for i in range(len(self)):
            out[i, : self.lengths[i]] = self[i]
        return out

    def select(self, index) -> "Ragged":
        """The clips of `index`, in that order."""
        index = np.asarray(index)
        values = np.concatenate([self[i] for i in index]) if len(index) else self.values[:0]
        return Ragged(values, self.lengths[index], self.max_length)


class StoredText:
    """Text features that a file holds ready-made, (l_i, dim) a clip: read on first use, because MOSEI's take 3 GB.

    read: makes the Ragged; dim: its feature width, known beforehand.
    """

    def __init__(self, read: Callable[[], Ragged], dim: int):
        self._read, self.dim = read, dim
        self._features: Ragged | None = None

    def features(self) -> Ragged:
        """The features of all clips, complete."""
        if self._features is None:
            self._features = self._read()
        return self._features

    def select(self, index) -> "StoredText":
        """The clips of `index`, in that order."""
        return StoredText(lambda: self.features().select(index), self.dim)


@dataclass(frozen=True)
class Split:
    """n clips.

    ids: n names ("video$_$clip"); raw_text: n sentences; token_ids: (n, L) int64, zeros at the back;
    token_lengths: (n,) valid tokens, [CLS] and [SEP] included; audio, vision: Ragged; labels: (n,) float32, NaN where
    the file holds none;
    extra: further columns of n values each (SIMS's one-modality labels, the classroom corpus's sarcasm flag);
    text: the file's own text features, if it holds any. A file with features alone has token_ids that are all zero,
    and its token_lengths are the features', 0 where a clip's text was never recorded. unk_id: the token that stands
    for a missing one, [UNK] in BERT's vocabularies.
    """

    ids: tuple[str, ...]
    raw_text: tuple[str, ...]
    token_ids: np.ndarray
    token_lengths: np.ndarray
    audio: Ragged
    vision: Ragged
    labels: np.ndarray
    extra: dict = field(default_factory=dict)
    text: StoredText | None = None
    unk_id: int = 100

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def has_tokens(self) -> bool:
        """Whether there are token ids (else only stored text features)."""
        return bool(self.token_ids.any())

    @property
    def stored_text(self) -> StoredText:
        """The file's own text features. The door lets nobody ask for them where there are none."""
        assert self.text is not None
        return self.text

    def recorded(self, modality: str) -> np.ndarray:
        """(n,) bool: False where the clip has no step of this modality, which then is missing at every rate."""
        return (self.token_lengths if modality == "text" else getattr(self, modality).lengths) > 0

    def select(self, index) -> "Split":
        """The clips of `index`, in that order."""
        index = np.asarray(index)
        return Split(
            tuple(self.ids[i] for i in index),
            tuple(self.raw_text[i] for i in index),
            self.token_ids[index],
            self.token_lengths[index],
            self.audio.select(index),
            self.vision.select(index),
            self.labels[index],
            {k: np.asarray(v)[index] for k, v in self.extra.items()},
            self.text and self.text.select(index),
            self.unk_id,
        )

    def with_stored_text(self) -> "Split":
        """The split without token ids, as a network that reads the stored text features sees it."""
        steps = self.stored_text.features()
        return replace(self, token_ids=np.zeros((len(self), steps.max_length), np.int64), token_lengths=steps.lengths)


@dataclass(frozen=True)
class Corpus:
    """A named corpus.

    family: "mosi", "mosei" or "sims" (which metrics and label range hold); family_reason: how we know;
    source: the file it was read from; repaired: {"train/audio": number of -inf or NaN values set to 0, ...};
    notes: sentences about how the file was read that `describe` and `train` pass on.
    """

    name: str
    family: str
    family_reason: str
    splits: dict[str, Split]
    source: str = ""
    repaired: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __getitem__(self, split: str) -> Split:
        if split not in self.splits:
            held = ", ".join(self.splits) or "nothing"
            raise CourseError(
                f"{self.source or self.name} has no split '{split}' (it holds {held}): choose another --split"
            )
        return self.splits[split]

    @property
    def any_split(self) -> Split:
        """The first split there is, for what all splits share (feature widths)."""
        return next(iter(self.splits.values()))

    @property
    def family_is_a_guess(self) -> bool:
        """Whether only the labels' range told the family."""
        return "nothing else tells" in self.family_reason

    @property
    def label_range(self) -> float:
        """Labels lie in [-label_range, label_range]."""
        return LABEL_RANGES[self.family]
