"""Real sentences with real human ratings: the four ground-truth sets of VADER, and its lexicon of word valences.

C.J. Hutto and E. Gilbert (2014), "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media
Text", ICWSM-14. Each sentence's rating is the mean of at least 15 people's, from -4 (extremely negative) to 4
(extremely positive).
"""

import html
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from mgmr_lib.data.download.pinned import VADER
from mgmr_lib.data.download.sources import require
from mgmr_lib.errors import CourseError

SETS = ("movieReviewSnippets", "nytEditorialSnippets", "tweets", "amazonReviewSnippets")
GROUPED_SETS = ("nytEditorialSnippets", "amazonReviewSnippets")  # their ids "3_12" name the editorial or review
RATING_RANGE = 4.0


@dataclass(frozen=True)
class RatedSentence:
    """One sentence. origin: "set/id in the file"; group: its editorial or review where the file tells it, else None."""

    origin: str
    group: str | None
    text: str
    rating: float


def read_set(name: str) -> list[RatedSentence]:
    """All sentences of one of SETS, in the file's order, HTML entities decoded and white space collapsed."""
    path = require(VADER, f"{name}.txt")
    sentences = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            label, rating, text = line.split("\t")
            sentence = RatedSentence(f"{name}/{label}", _group(name, label), clean(text), float(rating))
        except ValueError as error:
            raise CourseError(_damaged(path, number)) from error
        if not abs(sentence.rating) <= RATING_RANGE:
            raise CourseError(_damaged(path, number))
        sentences.append(sentence)
    return sentences


def _group(name: str, label: str) -> str | None:
    return f"{name}/{label.split('_')[0]}" if name in GROUPED_SETS else None


def _damaged(path: Path, number: int) -> str:
    return (
        f"{path}, line {number}, is not `id, rating, text`: delete the file and run `python -m mgmr_lib data prepare`"
    )


def clean(text: str) -> str:
    """The sentence as one would read it: entities decoded (the file holds some twice encoded), single spaces."""
    while (decoded := html.unescape(text)) != text:
        text = decoded
    return " ".join(text.split())


def normalised(text: str) -> str:
    """What decides whether two sentences are the same: letters and digits alone, without case, accents or spaces."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKD", clean(text)).casefold())


def read_lexicon() -> dict[str, float]:
    """Each word's (or emoticon's) mean valence, from -4 to 4."""
    lines = require(VADER, "vader_lexicon.txt").read_text(encoding="utf-8").splitlines()
    return {word: float(valence) for word, valence, *_ in (line.split("\t") for line in lines if "\t" in line)}


def word_valence(word: str, lexicon: dict[str, float]) -> float:
    """The valence of a word as it stands in a sentence ("Great!" is "great"); 0 for a word not in the lexicon."""
    lower = word.lower()
    return lexicon.get(lower, lexicon.get(lower.strip(".,;:!?\"'()[]-*"), 0.0))
