"""Read corpora in MMSA's pickle layout: a learner's own CMU-MOSI, CMU-MOSEI or CH-SIMS, whatever its sizes.

{"train", "valid", "test"} -> {id, raw_text, text_bert (n, 3, L: ids, mask, segments) or text (n, L, d) features, audio
(n, La, da), vision (n, Lv, dv), regression_labels (n,), and further keys}. Other people's names for these are taken
where they can mean one thing (layouts.py). Every key that is there is checked; an error names file, split and key.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mgmr_lib.data.corpus import SPLITS, Corpus, Split
from mgmr_lib.data.mmsa.export import export_mmsa
from mgmr_lib.data.mmsa.layouts import renamed
from mgmr_lib.data.mmsa.safe_pickle import load, shorten
from mgmr_lib.data.mmsa.sequences import read_features, read_text
from mgmr_lib.errors import CourseError

__all__ = ["export_mmsa", "family_in", "load_mmsa"]

FAMILIES = ("mosei", "mosi", "sims")
REQUIRED = ("audio", "vision")
ONE_MODALITY_LABELS = ("regression_labels_T", "regression_labels_A", "regression_labels_V")
KNOWN = {
    *REQUIRED,
    "id",
    "raw_text",
    "text_bert",
    "regression_labels",
    *ONE_MODALITY_LABELS,
    "text",
    "annotations",
    "classification_labels",
    "audio_lengths",
    "vision_lengths",
    "text_lengths",
}
FOLDER = re.compile(
    r"(cmu|ch|classroom)?[-_ ]?(mosei|mosi|sims)([-_ ]?(v?\d+|data|dataset|raw|processed))?", re.IGNORECASE
)


def load_mmsa(path, dataset: str | None = None, name: str | None = None, partial: bool = False) -> Corpus:
    """The corpus in one MMSA pickle, which is read without executing anything (see safe_pickle).

    dataset: the metric family, "mosi", "mosei" or "sims"; None asks the file, then its name and folders, then its
    labels. partial: a file may lack splits and labels. Stored lengths win; where a file has none (aligned files), a
    clip ends with its last non-zero frame; padding in front of most clips is moved behind them.
    A clip of length 0 has no such modality (`Split.recorded`).
    Counted in Corpus.repaired: NaN and infinite features (set to 0), lengths beyond the array (moved to its end, as in
    files whose features were cut after their lengths were noted), clips without [CLS] and [SEP]
    (given both). 'text' features are kept for text_encoder "stored". Clips of one id share their masks. annotations and
    classification_labels are checked, but not kept: they follow from the labels' sign. Raises CourseError in one
    sentence that names file, split and key.
    """
    path = Path(path)
    return corpus_of(load(path), path, dataset, name, partial)


def corpus_of(data: dict, path: Path, dataset: str | None = None, name: str | None = None, partial=False) -> Corpus:
    """`load_mmsa` for the dict that lies in the file `path`."""
    if dataset is not None and family_in(dataset) is None:
        raise CourseError(f"--dataset is mosi, mosei or sims, not {shorten(dataset)!r}")
    data = renamed(data)
    repaired: dict[str, int] = {}
    names = [split for split in SPLITS if split in data] if partial else SPLITS
    parts = [
        Part(shorten(path, 300), split, _split_dict(path, data, split), repaired, partial) for split in names or SPLITS
    ]
    splits = {part.split: _read_split(part) for part in parts}
    for key in ("audio", "vision", "text"):
        dims = {split: getattr(s, key).dim for split, s in splits.items() if getattr(s, key) is not None}
        if len(set(dims.values())) > 1:
            raise CourseError(f"{parts[0].path}: the splits' {key} features have different widths: {dims}")
    if len({s.has_tokens for s in splits.values()}) > 1 or len({s.text is None for s in splits.values()}) > 1:
        raise CourseError(
            f"{parts[0].path}: some splits have text_bert or text and others have not: give all the same keys"
        )
    family, reason = _family(path, data, dataset, np.concatenate([s.labels for s in splits.values()]))
    notes = dict.fromkeys(note for part in parts for note in part.notes)
    corpus = Corpus(name or path.stem, family, reason, splits, str(path), repaired, tuple(notes))
    for part in parts:
        _check_range(part, corpus)
    return corpus


def family_in(text) -> str | None:
    """The family that a name contains ("CMU-MOSEI" -> "mosei"), or None."""
    return next((family for family in FAMILIES if family in str(text).lower()), None)


def _split_dict(path, data: dict, split: str) -> dict:
    if split not in data:
        found = ", ".join(shorten(key, 20) for key in list(data)[:8]) or "nothing"
        raise CourseError(f"{shorten(path, 300)} has no split '{split}' (it holds {found}): is it in MMSA's layout?")
    if type(data[split]) is not dict:
        raise CourseError(
            f"{shorten(path, 300)}: split '{split}' is a {type(data[split]).__name__}, not a dict of keys: "
            "`python -m mgmr_lib data convert SRC DST` reads lists of clips (MISA's layout)"
        )
    return data[split]


def _family(path: Path, data: dict, dataset, labels: np.ndarray) -> tuple[str, str]:
    """(family, how we know), from the first of: argument, the file's own word, file and folder names, the labels'
    range."""
    if family := family_in(dataset or ""):
        return family, f"--dataset says {dataset}"
    for key in ("dataset", "corpus"):
        if type(data.get(key)) is str and (family := family_in(data[key])):
            return family, f"the file calls itself {shorten(data[key])}"
    whole = path.absolute()
    if family := family_in(whole.name):
        return family, f"the file is named {shorten(whole.name)}"
    for folder in (whole.parent.name, whole.parent.parent.name):
        if FOLDER.fullmatch(folder) and (family := family_in(folder)):
            return family, f"the folder is named {shorten(folder)}"
    if not np.isfinite(labels).any():
        return "mosi", "the file has no labels, and nothing else tells (--dataset overrides)"
    if np.nanmax(np.abs(labels)) <= 1:
        return "sims", "all labels lie in [-1, 1] (nothing else tells; --dataset overrides)"
    return "mosi", "labels go beyond [-1, 1] (nothing else tells; --dataset overrides)"


@dataclass
class Part:
    """One split of one file, and the sentences about it."""

    path: str
    split: str
    data: dict
    repaired: dict[str, int]
    partial: bool = False
    n: int = field(default=-1)
    notes: list[str] = field(default_factory=list)

    def error(self, key: str, what: str) -> CourseError:
        return CourseError(f"{self.path}: {self.split}/{key} {what}")

    def repair(self, key: str, count: int):
        if count:
            self.repaired[f"{self.split}/{key}"] = self.repaired.get(f"{self.split}/{key}", 0) + int(count)

    def numbers(self, key: str, axes: tuple[str, ...]) -> np.ndarray:
        """The key as an array of numbers with the given axes, of which "clips" must agree with the other keys."""
        value = self.data[key]
        flat = type(value) in (list, tuple) or (
            isinstance(value, np.ndarray) and value.dtype.kind == "O" and value.ndim == 1
        )
        if flat and all(isinstance(v, (bool, int, float, np.number)) for v in value):
            value = self._floats(key, value)
        if not isinstance(value, np.ndarray):
            raise self.error(key, f"is a {type(value).__name__}, not an array of numbers")
        if value.dtype.kind not in "biuf":
            raise self.error(key, f"holds {value.dtype} values, not numbers")
        if axes == ("clips",) and value.ndim == 2 and value.shape[1] == 1:
            value = value[:, 0]
        if value.ndim != len(axes):
            raise self.error(key, f"has shape {value.shape}, but must be ({', '.join(axes)})")
        self.agree(key, len(value))
        if 0 in value.shape:
            raise self.error(key, f"is empty along an axis: its shape is {value.shape}")
        return value

    def _floats(self, key: str, values) -> np.ndarray:
        try:
            return np.array([float(v) for v in values])
        except OverflowError:
            raise self.error(key, "holds a number beyond all range") from None

    def finite(self, key: str) -> np.ndarray:
        """One finite number per clip, as float64."""
        value = self.numbers(key, ("clips",)).astype(np.float64)
        bad = np.flatnonzero(~np.isfinite(value))
        if len(bad):
            raise self.error(key, f"holds NaN or infinite values ({len(bad)}, the first at clip {bad[0]})")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """One text per clip; bytes are decoded, numbers written out, None and NaN become empty."""
        value = self.data[key]
        if isinstance(value, np.ndarray) and value.ndim == 2 and value.shape[1] == 1:
            value = value[:, 0]
        if isinstance(value, np.ndarray) and value.ndim != 1:
            raise self.error(key, f"has shape {value.shape}, but must be (clips)")
        if not isinstance(value, (list, tuple, np.ndarray)):
            raise self.error(key, f"is a {type(value).__name__}, not a list with one text a clip")
        self.agree(key, len(value))
        items = value.tolist() if isinstance(value, np.ndarray) else value
        return tuple(self._string(key, i, item) for i, item in enumerate(items))

    def _string(self, key: str, i: int, item) -> str:
        if isinstance(item, bytes):
            return item.decode("utf-8", "replace")
        if item is None or (isinstance(item, float) and np.isnan(item)):
            return ""
        if not isinstance(item, (str, int, float, np.number)):
            raise self.error(key, f"holds a {type(item).__name__} at clip {i}, not a text")
        return str(item).encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair cannot be printed

    def agree(self, key: str, n: int):
        if self.n < 0:
            self.n = n
        if n == 0:
            raise self.error(key, "is empty: the split has no clips")
        if n != self.n:
            raise self.error(key, f"has {n} clips, but {'id' if 'id' in self.data else 'audio'} has {self.n}")


def _read_split(part: Part) -> Split:
    missing = [key for key in REQUIRED if key not in part.data]
    if "text_bert" not in part.data and "text" not in part.data:
        missing.append("text_bert (or text)")
    if "regression_labels" not in part.data and not part.partial:
        missing.append("regression_labels")
    if missing:
        raise CourseError(
            f"{part.path}: split '{part.split}' lacks the key{'s' * (len(missing) > 1)} {', '.join(missing)}"
        )
    ids = part.strings("id") if "id" in part.data else _numbered(part)
    token_ids, token_lengths, text = read_text(part)
    raw_text = part.strings("raw_text") if "raw_text" in part.data else ("",) * part.n
    labels = np.full(part.n, np.nan, np.float32)
    if "regression_labels" in part.data:
        labels = part.finite("regression_labels").astype(np.float32)
    _check_optional(part)
    audio, vision = read_features(part, "audio"), read_features(part, "vision")
    return Split(ids, raw_text, token_ids, token_lengths, audio, vision, labels, _extra(part), text)


def _numbered(part: Part) -> tuple[str, ...]:
    part.notes.append("the file names no clips: they are numbered")
    return tuple(f"{part.split}{i}$_${i}" for i in range(len(part.data["audio"])))


def _check_optional(part: Part):
    """Keys that the course does not use must still fit, or the file is not what it seems."""
    if "annotations" in part.data:
        part.strings("annotations")
    if "classification_labels" in part.data:
        part.finite("classification_labels")


def _extra(part: Part) -> dict:
    """SIMS's labels of single modalities, and whatever else has one number per clip."""
    out = {key: part.finite(key).astype(np.float32) for key in ONE_MODALITY_LABELS if key in part.data}
    for key, value in part.data.items():
        if type(key) is str and key not in KNOWN and isinstance(value, np.ndarray) and value.shape == (part.n,):
            if value.dtype.kind in "biuf":
                out[key] = value.copy()
    return out


def _check_range(part: Part, corpus: Corpus):
    labels, top = corpus[part.split].labels, corpus.label_range
    bad = np.flatnonzero(np.abs(labels) > top + 1e-5)
    if len(bad):
        raise part.error(
            "regression_labels",
            f"holds {labels[bad[0]]:g} at clip {bad[0]}, outside [-{top:g}, {top:g}] of {corpus.family}"
            f" ({corpus.family_reason}): check the file, name another --dataset, or map another scale with"
            " `data convert --label-range LOW:HIGH`",
        )
