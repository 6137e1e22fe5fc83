"""Tests that tell a simulated voice and face from the real sentences beside them (notebook 08).

A simulation is simple where a person is not: its face follows a list of words, not what a sentence says, and everything
that it knows of the sentence passes through a few numbers.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mgmr_lib.data.classroom.features import word_spans
from mgmr_lib.data.classroom.ratings import word_valence
from mgmr_lib.data.corpus import Ragged, Split

NEGATIONS = frozenset(
    "not no never nothing none neither nor without hardly nobody cannot lacks lack lacking less".split()
)
REACH = 3  # words after a negation that it may turn round
GOOD = 0.8  # valence from which a word is a good one
EDGES = ".,;:!?\"'()[]-*"


@dataclass(frozen=True)
class GoodWord:
    """A word with a good valence, as it is spoken. clip, place: row and word; second: its middle; negated: after a
    negation."""

    clip: int
    place: int
    word: str
    second: float
    negated: bool


def is_negation(word: str) -> bool:
    """ "not", "never", "isn't" and their like."""
    bare = word.lower().replace("’", "'").strip(EDGES)
    return bare in NEGATIONS or bare.endswith("n't")


def good_words(split: Split, lexicon: dict[str, float]) -> list[GoodWord]:
    """Every good word of a classroom split (it needs extra["seconds"]), in order."""
    found = []
    for clip, (text, seconds) in enumerate(zip(split.raw_text, split.extra["seconds"], strict=True)):
        words, middles = text.split(), word_spans(text, float(seconds)).mean(axis=1)
        for place, word in enumerate(words):
            if word_valence(word, lexicon) > GOOD:
                negated = any(is_negation(w) for w in words[max(0, place - REACH) : place])
                found.append(GoodWord(clip, place, word, float(middles[place]), negated))
    return found


def curves_around(
    features: Ragged, column: int, words: Iterable[GoodWord], frame_rate: float, lags: np.ndarray
) -> np.ndarray:
    """A feature around each word, less the clip's mean: (words, lags), NaN outside the clip. lags: seconds after the
    word's middle."""
    rows = []
    for word in words:
        values = features[word.clip][:, column].astype(np.float64)
        time = (np.arange(len(values)) + 0.5) / frame_rate
        rows.append(np.interp(word.second + lags, time, values - values.mean(), left=np.nan, right=np.nan))
    return np.array(rows)


def known_causes(split: Split, lexicon: dict[str, float]) -> np.ndarray:
    """What a simulation may have known of each clip: (n, 4) label, sums of its good and of its bad valences, number of
    words."""
    valences = [np.array([word_valence(w, lexicon) for w in text.split()]) for text in split.raw_text]
    sums = [(v.clip(min=0).sum(), v.clip(max=0).sum(), len(v)) for v in valences]
    return np.column_stack([split.labels.astype(np.float64), np.array(sums, dtype=np.float64)])


def correlations(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The correlation of each column of (n, k) with that of the other: (k,); 0 where a column is constant."""
    a, b = predicted - predicted.mean(axis=0), truth - truth.mean(axis=0)
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.divide((a * b).sum(axis=0), size, out=np.zeros(len(size)), where=size > 1e-12)
