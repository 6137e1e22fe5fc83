"""Write a corpus as a pickle in MMSA's full layout, for code that expects one."""

import pickle

import numpy as np

from mgmr_lib.data.corpus import Corpus, Split
from mgmr_lib.data.missing import valid_mask
from mgmr_lib.files import replacing


def export_mmsa(corpus: Corpus, path) -> None:
    """Write a corpus as a full MMSA pickle (padded arrays, protocol 4), which `load_mmsa` reads back equal.

    annotations and classification_labels (0, 1, 2) follow from the labels' sign; 'text' is written where the corpus
    holds features, text_bert where it holds token ids.
    The file appears whole or not at all. Raises CourseError where it cannot be written.
    """
    data = {name: _export_split(split) for name, split in corpus.splits.items()} | {"dataset": corpus.family}
    with replacing(path) as part, part.open("wb") as file:
        pickle.dump(data, file, protocol=4)


def _export_split(split: Split) -> dict:
    mask = valid_mask(split.token_lengths, split.token_ids.shape[1])
    text = {}
    if split.has_tokens:
        text["text_bert"] = np.stack([split.token_ids, mask, np.zeros_like(split.token_ids)], axis=1).astype(np.int64)
    if split.text is not None:
        text["text"] = split.text.features().padded()
        if not split.has_tokens:
            text["text_lengths"] = split.text.features().lengths.astype(np.int64)
    return {
        "raw_text": np.array(split.raw_text, dtype=str),
        "id": np.array(split.ids, dtype=str),
        **text,
        "audio": split.audio.padded(),
        "vision": split.vision.padded(),
        "audio_lengths": split.audio.lengths.astype(np.int64),
        "vision_lengths": split.vision.lengths.astype(np.int64),
        **_labels(split.labels),
        **{key: np.asarray(values) for key, values in split.extra.items()},
    }


def _labels(labels: np.ndarray) -> dict:
    if not np.isfinite(labels).all():
        return {}
    sign = np.sign(labels).astype(np.int64)
    return {
        "annotations": np.array(["Negative", "Neutral", "Positive"])[sign + 1],
        "classification_labels": sign + 1,
        "regression_labels": labels.astype(np.float32),
    }
