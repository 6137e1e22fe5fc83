"""Ragged sequences that take less memory than their values: each clip's are made when it is asked for.

classroom-mosei's voice and face take 1.2 GB as float32 and a quarter of that in the steps that its file holds; the text
of an epoch's masked clips stands beside the complete text of the others, which need no second copy.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mgmr_lib.data.corpus import Ragged


class _Compact(Ragged):
    """A Ragged whose `values` are made anew on each reading: writing into them changes nothing, so that is refused.

    `dataclasses.replace` gives a plain Ragged.
    """

    def __new__(cls, *_, values: np.ndarray | None = None, **fields: Any):
        return super().__new__(cls) if values is None else Ragged(values, **fields)

    def _set(self, **fields: Any) -> None:
        self.__dict__.update(fields)  # the class is frozen

    def _all(self) -> np.ndarray:
        raise NotImplementedError

    @property
    def values(self) -> np.ndarray:  # type: ignore[override]
        """(sum of lengths, d) float32, made anew: keep them while they are needed, and no longer."""
        values = self._all()
        values.flags.writeable = False
        return values


class CodedRagged(_Compact):
    """Frames in the steps that they are stored in.

    steps: (sum of lengths, d) uint8; decode: steps (k, d) -> values (k, d) float32, each frame for itself.
    """

    steps: np.ndarray
    decode: Callable[[np.ndarray], np.ndarray]

    def __init__(
        self, steps: np.ndarray, decode: Callable[[np.ndarray], np.ndarray], lengths: np.ndarray, max_length: int
    ):
        if int(lengths.sum()) != len(steps):
            raise ValueError(f"lengths add up to {int(lengths.sum())}, but there are {len(steps)} frames")
        self._set(steps=steps, decode=decode, lengths=lengths, max_length=max_length)

    @property
    def dim(self) -> int:
        """Feature width d."""
        return self.steps.shape[1]

    def _all(self) -> np.ndarray:
        return self.decode(self.steps)

    def _clip(self, i: int) -> np.ndarray:
        return self.decode(self.steps[self._starts[i] : self._starts[i + 1]])

    def select(self, index) -> "CodedRagged":
        """The clips of `index`, in that order."""
        index = np.asarray(index, dtype=np.int64)
        parts = [self.steps[self._starts[i] : self._starts[i + 1]] for i in np.arange(len(self))[index]]
        steps = np.concatenate(parts) if parts else self.steps[:0]
        return CodedRagged(steps, self.decode, self.lengths[index], self.max_length)


class PatchedRagged(_Compact):
    """`features` with the clips of `index` taken from `new`, which has the same lengths; neither is copied."""

    features: Ragged
    new: Ragged
    place: np.ndarray  # (clips,) where a clip stands in `new`, -1 where it does not

    def __init__(self, features: Ragged, index: np.ndarray, new: Ragged):
        place = np.full(len(features), -1)
        place[index] = np.arange(len(index))
        if not np.array_equal(features.lengths[index], new.lengths):
            raise ValueError("the new clips are longer or shorter than those in whose place they stand")
        self._set(features=features, new=new, place=place, lengths=features.lengths, max_length=features.max_length)

    @property
    def dim(self) -> int:
        """Feature width d."""
        return self.features.dim

    def _all(self) -> np.ndarray:
        values = np.array(self.features.values)
        for i in np.flatnonzero(self.place >= 0):
            values[self._starts[i] : self._starts[i + 1]] = self.new[int(self.place[i])]
        return values

    def _clip(self, i: int) -> np.ndarray:
        return self.features[i] if self.place[i] < 0 else self.new[int(self.place[i])]
