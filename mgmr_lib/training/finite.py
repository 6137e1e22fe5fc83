"""Numbers that are not finite are named: which one, in which clip, in which epoch. They never pass in silence."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from mgmr_lib.data.corpus import Corpus, Ragged, Split
from mgmr_lib.errors import CourseError
from mgmr_lib.files import read_json
from mgmr_lib.models.output import Output

FAILED = "failed.json"  # in a run's folder: why its training ended early


class NotFinite(CourseError):
    """A training that went wrong. what: "the loss"; place: where it was seen, such as "step 3, clip 12$_$4"."""

    def __init__(self, what: str, place: str = ""):
        super().__init__(f"{what} is not finite" + (f" ({place})" if place else ""))
        self.what, self.place = what, place


def why_failed(folder: Path | None) -> str | None:
    """The sentence with which the training in this folder ended early; None where none did."""
    if folder is None or not (folder / FAILED).exists():
        return None
    return str(read_json(folder / FAILED).get("sentence", f"the training in {folder} went wrong"))


def check_corpus(corpus: Corpus, splits: dict[str, Split]) -> None:
    """CourseError that names the first clip whose features are not finite (data.door.check_labels sees to labels)."""
    for name, split in splits.items():
        for part, ragged in vars(split).items():
            if isinstance(ragged, Ragged):
                check_features(corpus, name, split, part, ragged)


def check_features(corpus: Corpus, name: str, split: Split, part: str, ragged: Ragged) -> None:
    """CourseError that names the first clip with a feature that is not finite. part: "audio", "vision" or "text"."""
    values = np.asarray(ragged.values)
    if np.isfinite(values.sum(dtype=np.float64)):  # no nan and no infinity, without an array of truth values
        return
    rows = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(rows):
        clip = int(np.searchsorted(np.cumsum(ragged.lengths), rows[0], side="right"))
        frame = int(rows[0] - np.sum(ragged.lengths[:clip]))
        raise CourseError(
            f"{corpus.source or corpus.name}: split {name}, clip {split.ids[clip]}: {part} has a feature that is not "
            f"finite (step {frame}): mend the file, or leave the clip out"
        )


def check_loss(loss: torch.Tensor, output: Output, ids: Iterable[str], step: int) -> None:
    """NotFinite unless the loss is finite; names the clips whose own outputs are not, where others' are."""
    if torch.isfinite(loss):
        return
    bad = ~torch.isfinite(output.prediction.detach()).reshape(len(output.prediction), -1).all(1)
    for side in output.sides.values():
        bad |= ~torch.isfinite(side.detach())
    for rebuilt in output.reconstruction.values():
        bad |= ~torch.isfinite(rebuilt.value.detach()).flatten(1).all(1)
    clips = [clip for clip, is_bad in zip(ids, bad.tolist(), strict=True) if is_bad]
    raise NotFinite("the loss", ", ".join([f"step {step + 1}", *_named(clips, len(bad))]))


def check_predictions(found: np.ndarray, split: Split, what: str) -> None:
    """NotFinite unless all predictions are finite; names the clips."""
    bad = np.flatnonzero(~np.isfinite(found))
    if len(bad):
        raise NotFinite(f"a prediction on {what}", ", ".join(_named([split.ids[i] for i in bad], len(found))))


def _named(clips: list[str], of: int) -> list[str]:
    if not clips:
        return []
    if len(clips) == of > 1:
        return [f"all {of} clips"]
    return [f"clip {clips[0]}" + (f" and {len(clips) - 1} more" if len(clips) > 1 else "")]
