"""Which rated sentence goes to which split, speaker and row of a classroom corpus.

No sentence occurs in two splits (nor twice in one), compared by `ratings.normalised`; nor does an editorial or a
product review, where the rated set tells it. Movie snippets and tweets do not say who wrote them: random handfuls of
them become one speaker, so that a speaker never spans two splits either. Ids, rows and speakers are in random order:
the source files are sorted in ways that tell the label.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from mgmr_lib.data.classroom.ratings import RatedSentence, normalised, read_set
from mgmr_lib.data.corpus import SPLITS


@dataclass(frozen=True)
class Clip:
    """A sentence with its place in the corpus."""

    sentence: RatedSentence
    video: int
    number: int


def draw_splits(
    sets: tuple[str, ...], sizes: tuple[int, int, int], seed: int, taken: Collection[str] = ()
) -> dict[str, list[Clip]]:
    """Which sentence goes to which split, speaker and row: exact sizes, groups never torn. taken: normalised texts and
    names of groups that other corpora hold, which are left out."""
    rng = np.random.default_rng([seed, 0])
    pool = _unique([sentence for name in sets for sentence in read_set(name)])
    if taken:
        pool = [s for s in pool if normalised(s.text) not in taken and s.group not in taken]
    groups: dict[str, list[RatedSentence]] = {}
    singles = []
    for sentence in pool:
        groups.setdefault(sentence.group, []).append(sentence) if sentence.group else singles.append(sentence)
    shared = _share_groups(list(groups.values()), sizes, sum(sizes) / len(pool), len(pool), rng)
    singles = [singles[i] for i in rng.permutation(len(singles))]
    for videos, size in zip(shared, sizes, strict=True):
        missing = size - sum(map(len, videos))
        videos.extend(_handfuls(singles[:missing], rng))
        singles = singles[missing:]
    names = list(rng.permutation(sum(map(len, shared))))
    splits = {}
    for split, videos in zip(SPLITS, shared, strict=True):
        clips = [Clip(s, int(video), n) for v in videos for video in [names.pop()] for n, s in enumerate(v, 1)]
        splits[split] = [clips[i] for i in rng.permutation(len(clips))]
    return splits


def held(splits: dict[str, list[Clip]]) -> set[str]:
    """The normalised texts of these splits, and the names of their groups."""
    sentences = [clip.sentence for clips in splits.values() for clip in clips]
    return {normalised(s.text) for s in sentences} | {s.group for s in sentences if s.group}


def _unique(sentences: list[RatedSentence]) -> list[RatedSentence]:
    """The first of each normalised text; texts without a letter or digit are left out."""
    first: dict[str, RatedSentence] = {}
    for sentence in sentences:
        first.setdefault(normalised(sentence.text), sentence)
    first.pop("", None)
    return list(first.values())


def _share_groups(groups, sizes, keep: float, pool: int, rng) -> list[list[list[RatedSentence]]]:
    """Deal whole groups to the splits, each split getting its share of them, to the nearest group."""
    grouped = sum(map(len, groups))
    room = [int(size / sum(sizes) * keep * grouped) for size in sizes]
    taken: list[list[list[RatedSentence]]] = [[] for _ in sizes]
    for i in rng.permutation(len(groups)):
        roomiest = int(np.argmax(room))
        if len(groups[i]) <= room[roomiest]:
            taken[roomiest].append(groups[i])
            room[roomiest] -= len(groups[i])
    return taken


def _handfuls(sentences: list[RatedSentence], rng) -> list[list[RatedSentence]]:
    """Cut a shuffled list into speakers of 10 to 30 clips."""
    videos, start = [], 0
    while start < len(sentences):
        count = int(rng.integers(10, 31))
        videos.append(sentences[start : start + count])
        start += count
    return videos
