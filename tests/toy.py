"""A tiny corpus for tests: random tokens and frames, and labels that the audio's first channel carries."""

import numpy as np

from mgmr_lib.data.corpus import Corpus, Ragged, Split


def _frames(rng, labels, longest, width):
    lengths = rng.integers(3, longest + 1, len(labels))
    values = rng.standard_normal((int(lengths.sum()), width)).astype(np.float32)
    values[:, 0] += np.repeat(labels, lengths).astype(np.float32)
    return Ragged(values, lengths, longest)


def toy_split(rng, n, name, widths=(5, 7), longest=(40, 60), text=16) -> Split:
    lengths = rng.integers(4, text + 1, n)
    ids = np.zeros((n, text), np.int64)
    for row, length in zip(ids, lengths, strict=True):
        row[:length] = rng.integers(1000, 2000, length)
        row[0], row[length - 1] = 101, 102
    labels = rng.uniform(-3, 3, n).astype(np.float32)
    audio, vision = (_frames(rng, labels, longest[k], widths[k]) for k in (0, 1))
    names = tuple(f"{name}{i}$_$1" for i in range(n))
    return Split(names, ("",) * n, ids, lengths, audio, vision, labels)


def toy_corpus(seed=0, sizes=(48, 16, 24), **kw) -> Corpus:
    rng = np.random.default_rng(seed)
    names = ("train", "valid", "test")
    return Corpus(
        "toy", "mosi", "made for a test", {n: toy_split(rng, k, n, **kw) for n, k in zip(names, sizes, strict=True)}
    )
