"""What a learner should be told of a corpus before trusting a number from it: `data describe` and `train` say it."""

import numpy as np

from mgmr_lib.data.corpus import MODALITIES, Corpus, Ragged

FLAT = 1e-6  # a channel whose values differ by less than this share of its own size does not change
TELLING = 0.1  # a correlation of lengths with labels from which on it is told
# Every kind of repair that the reader makes, by the end of its key in Corpus.repaired.
REPAIRS = {
    "_lengths": "lengths beyond the array, moved to its end",
    "_front": "clips whose padding was in front of their frames, moved behind them",
    "text_bert": "clips without [CLS] and [SEP], given both",
    "": "values that were infinite or NaN and are 0 now",
}


def flat_channels(values: np.ndarray) -> np.ndarray:
    """(frames, d) -> (d,) bool, True where a channel never changes, measured against its own size."""
    high, low = values.max(axis=0).astype(np.float64), values.min(axis=0).astype(np.float64)
    return high - low <= FLAT * np.maximum(np.abs(high), np.abs(low))


def repairs(corpus: Corpus) -> list[str]:
    """One line for each kind of repair and place."""
    lines = []
    for end, meaning in REPAIRS.items():
        places = {k: n for k, n in corpus.repaired.items() if n and next(e for e in REPAIRS if k.endswith(e)) == end}
        if places:
            lines.append(f"{meaning}: {', '.join(f'{place} {count}' for place, count in places.items())}")
    return lines


def findings(corpus: Corpus) -> list[str]:
    """Sentences about what is odd: how the file was read, channels and modalities that say nothing, odd labels."""
    lines = [*corpus.notes, *_never_recorded(corpus)]
    parts = {m: {name: getattr(s, m) for name, s in corpus.splits.items()} for m in ("audio", "vision")}
    first = next(iter(corpus.splits))
    for modality, splits in parts.items():
        if not len(splits[first].values):
            continue
        lines += _flat(f"{first}/{modality}", splits[first])
        blank = {name: _blank_clips(frames) for name, frames in splits.items()}
        if any(blank.values()) and flat_channels(splits[first].values).sum() < splits[first].dim:
            counts = ", ".join(f"{name} {n} of {len(splits[name])}" for name, n in blank.items())
            lines.append(f"clips without any {modality} (all frames zero): {counts}")
    return lines + _telling_lengths(corpus) + _labels(corpus)


def _telling_lengths(corpus: Corpus) -> list[str]:
    """Modalities whose length alone goes with the label of the train split: no mask hides a length, so a network reads
    it at every missing rate."""
    train = corpus.splits.get("train")
    if train is None or not np.isfinite(train.labels).all():
        return []
    found = {"text": train.token_lengths} if train.has_tokens else {}
    lines = []
    for m, lengths in (found | {"audio": train.audio.lengths, "vision": train.vision.lengths}).items():
        if np.ptp(lengths) == 0 or np.ptp(train.labels) == 0:
            continue
        r = float(np.corrcoef(lengths, train.labels)[0, 1])
        if abs(r) > max(TELLING, 4 / len(lengths) ** 0.5):  # four standard deviations of chance
            lines.append(
                f"how long a clip's {m} is goes with its label (train: r = {r:+.2f}), and no missing rate hides a "
                "length: a network may reach a part of its correlation by that alone"
            )
    return lines


def _never_recorded(corpus: Corpus) -> list[str]:
    """How many clips have no step of a modality."""
    lines = []
    for m in MODALITIES:
        gone = {name: (~split.recorded(m)).sum() for name, split in corpus.splits.items()}
        if any(gone.values()):
            counts = ", ".join(f"{name} {n} of {len(corpus[name])}" for name, n in gone.items())
            lines.append(f"clips whose {m} was never recorded (missing at every rate, in training too): {counts}")
    return lines


def _flat(place: str, frames: Ragged) -> list[str]:
    flat = np.flatnonzero(flat_channels(frames.values))
    if len(flat) == frames.dim:
        return [f"{place} never changes: this modality says nothing"]
    if len(flat):
        shown = ", ".join(map(str, flat[:10])) + (", ..." if len(flat) > 10 else "")
        return [f"{place}: {len(flat)} of {frames.dim} channels never change and are ignored ({shown})"]
    return []


def _blank_clips(frames: Ragged) -> int:
    ends = np.cumsum(frames.lengths)
    alive = np.concatenate([[0], np.cumsum(frames.values.any(axis=1))])
    return int(((alive[ends] == alive[ends - frames.lengths]) & (frames.lengths > 0)).sum())


def _labels(corpus: Corpus) -> list[str]:
    """Splits whose labels are on another scale than the train split's."""
    if "train" not in corpus.splits or not np.isfinite(corpus["train"].labels).all():
        return []
    lines, train = [], corpus["train"].labels
    if np.ptp(train) == 0:
        return [f"all labels of the train split are {train[0]:g}: nothing can be learned from them"]
    for name, split in corpus.splits.items():
        labels = split.labels
        if name == "train" or len(labels) < 10 or not np.isfinite(labels).all():
            continue
        shrunk = np.abs(labels).max() <= 1 < np.abs(train).max()
        scaled = not 0.5 <= (labels.std() or 1e-9) / train.std() <= 2
        standard = abs(labels.mean()) < 1e-3 and abs(labels.std() - 1) < 1e-3
        shifted = labels.min() >= 0 > train.min()
        if shrunk or scaled or standard or shifted:
            lines.append(
                f"labels of {name} look normalised: they lie in [{labels.min():.2f}, {labels.max():.2f}] with standard "
                f"deviation {labels.std():.2f}, those of train in [{train.min():.2f}, {train.max():.2f}] with "
                f"{train.std():.2f}"
            )
    return lines
