"""`data convert`: the layouts in which others publish such features, turned into MMSA's.

A pickle or its gzip (MulT's and MMSA's dicts of arrays, MISA's and MAG-BERT's lists of clips), a folder of such pickles
by split, a folder of HDF5 or .npy files by split and modality (MFN's), one HDF5 file or .npz. Nothing is executed.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mgmr_lib.data.corpus import LABEL_RANGES, Corpus
from mgmr_lib.data.mmsa.layouts import one_column, renamed
from mgmr_lib.data.mmsa.reader import Part, corpus_of, family_in
from mgmr_lib.data.mmsa.safe_pickle import shorten
from mgmr_lib.data.mmsa.sources import grouped
from mgmr_lib.data.wordpiece import load_tokenizer, special_tokens, tokenize
from mgmr_lib.errors import CourseError

LONGEST_TEXT = 512  # tokens: what a BERT reads


@dataclass(frozen=True)
class Choices:
    """What a file does not tell. dataset: metric family; text_encoder: whose tokeniser makes ids of words;
    label_column: which one of several labels; label_range: (lowest, highest) of the source's scale, mapped to the
    family's.
    """

    dataset: str | None = None
    text_encoder: str = "minilm"
    label_column: int | None = None
    label_range: tuple[float, float] | None = None


def convert(source: Path, choices: Choices) -> Corpus:
    """The corpus in a file or folder of a known layout; CourseError in one sentence for others."""
    content, unread = grouped(source)
    data = renamed(content)
    splits = {s: part for s, part in data.items() if s in ("train", "valid", "test")}
    if not splits:
        found = ", ".join(shorten(k, 20) for k in list(data)[:8]) or "nothing"
        raise CourseError(
            f"{shorten(source, 300)} has no split train, valid or test that we can tell (it holds {found})"
        )
    splits = {s: _of_clips(source, s, part) if isinstance(part, (list, tuple)) else part for s, part in splits.items()}
    for split, part in splits.items():
        if type(part) is not dict:
            raise CourseError(
                f"{shorten(source, 300)}: split '{split}' is a {type(part).__name__}: no layout that we know"
            )
        _prepare(source, split, part, choices)
    _fill_in(splits)
    corpus = corpus_of(data | splits, source, choices.dataset, partial=True)
    notes = [f"not read, since their names tell no split and modality: {', '.join(unread)}"] if unread else []
    return replace(corpus, notes=(*corpus.notes, *notes))


def _prepare(source: Path, split: str, part: dict, choices: Choices) -> None:
    """Labels in one column and the family's scale; token ids where there are words alone."""
    if "regression_labels" in part:
        part["regression_labels"] = _labels(source, split, part["regression_labels"], choices)
    if "text" in part or "text_bert" in part:
        return
    if "raw_text" in part:
        tokenizer, special = load_tokenizer(choices.text_encoder), special_tokens(choices.text_encoder)
        texts = Part(shorten(source, 300), split, part, {}).strings("raw_text")
        ids, lengths = tokenize(tokenizer, texts, LONGEST_TEXT, special)
        ids = ids[:, : int(lengths.max(initial=2))]
        mask = (np.arange(ids.shape[1])[None, :] < lengths[:, None]).astype(np.int64)
        part["text_bert"] = np.stack([ids, mask, np.zeros_like(ids)], axis=1)


def _fill_in(splits: dict[str, dict]) -> None:
    """A modality that a split lacks was never recorded there: one blank step a clip, and lengths of 0.

    What no split has, is one channel wide. A split with neither voice nor face is left for the reader to refuse.
    """
    for key in ("audio", "vision", "text"):
        held = [part[key] for part in splits.values() if key in part]
        width = next((np.shape(v)[-1] for v in held if isinstance(v, np.ndarray) and np.ndim(v) == 3), 1)
        for part in splits.values():
            has_text = key == "text" and ("text" in part or "text_bert" in part)
            clips = next((len(part[k]) for k in ("audio", "vision") if k in part and np.iterable(part[k])), 0)
            if clips and key not in part and not has_text:
                part[key] = np.zeros((clips, 1, width), np.float32)
                part[f"{key}_lengths"] = np.zeros(clips, np.int64)


def _labels(source: Path, split: str, labels, choices: Choices):
    where, labels = f"{shorten(source, 300)}: {split}/regression_labels", one_column(labels)
    try:
        array = np.asarray(labels)
    except ValueError:  # lists of different lengths
        return labels
    if array.dtype.kind not in "biuf":
        return labels  # the reader says what is wrong
    if array.ndim > 1:
        array = array.reshape(len(array), -1)
        if choices.label_column is None or not 0 <= choices.label_column < array.shape[1]:
            raise CourseError(f"{where} has {array.shape[1]} columns: choose one with --label-column, from 0 on")
        array = array[:, choices.label_column]
    if choices.label_range is None:
        return array
    low, high = choices.label_range
    if array.size and not (low <= array.min() and array.max() <= high):
        raise CourseError(f"{where} holds {array.min():g} to {array.max():g}, outside --label-range {low:g}:{high:g}")
    top = LABEL_RANGES[family_in(choices.dataset) or "mosi"]
    return (array - low) / (high - low) * 2 * top - top


def _of_clips(source: Path, split: str, clips) -> dict:
    """MISA's and MAG-BERT's lists: ((words, vision, audio[, words as text]), label, name) a clip."""
    found: dict = {"id": [], "raw_text": [], "audio": [], "vision": [], "regression_labels": []}
    for i, clip in enumerate(clips):
        where = f"{shorten(source, 300)}: clip {i} of split '{split}'"
        if (
            not isinstance(clip, (list, tuple))
            or len(clip) < 2
            or not isinstance(clip[0], (list, tuple))
            or len(clip[0]) < 3
        ):
            raise CourseError(f"{where} is not ((words, vision, audio), label, name): no layout that we know")
        words, vision, audio = clip[0][:3]
        words = clip[0][3] if len(clip[0]) > 3 else words
        words = words.tolist() if isinstance(words, np.ndarray) else words
        if isinstance(words, str):
            words = words.split()
        if not isinstance(words, (list, tuple)) or not all(isinstance(w, (str, bytes)) for w in words):
            raise CourseError(
                f"{where} has numbers for words, of a dictionary that is not in the file: give the file with the words"
            )
        found["raw_text"].append(" ".join(w.decode("utf-8", "replace") if isinstance(w, bytes) else w for w in words))
        found["vision"].append(vision)
        found["audio"].append(audio)
        try:
            found["regression_labels"].append(np.asarray(clip[1]).ravel())
        except ValueError:
            raise CourseError(f"{where} has a label that is neither a number nor a row of numbers") from None
        name = clip[2] if len(clip) > 2 else f"{split}{i}"
        found["id"].append(name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name))
    if len({len(v) for v in found["regression_labels"]}) > 1:
        raise CourseError(f"{shorten(source, 300)}: the clips of split '{split}' have different numbers of labels")
    found["regression_labels"] = np.array(found["regression_labels"])
    return found
