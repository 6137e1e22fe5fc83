"""What decides a run's numbers: the content of its corpus, and what its configuration changes from the defaults.

Neither depends on a file's name or place. A setting that is added later, with a default that keeps the old behaviour,
leaves the identity of older runs as it was.
"""

import hashlib
import json
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from mgmr_lib.data.classroom.corpora import SPECS
from mgmr_lib.data.corpus import Corpus, Split
from mgmr_lib.data.door import STORED
from mgmr_lib.data.missing import valid_mask
from mgmr_lib.errors import CourseError
from mgmr_lib.training.config import TrainConfig

_KNOWN: dict[
    tuple[int, bool], tuple[weakref.ref, str]
] = {}  # fingerprints of corpora in memory: a large one takes seconds


def fingerprint(corpus: Corpus, text_encoder: str = "") -> str:
    """12 hex digits of what a corpus holds: clips' names, labels, tokens and features of every split.

    The file's own text features count where there are no tokens, or where the text encoder is "stored", so that they
    are what is read. A classroom corpus's features are named by what the generator made them from: their last bits
    depend on the machine.
    """
    stored = text_encoder == STORED
    known = _KNOWN.get((id(corpus), stored))
    if known is None or known[0]() is not corpus:
        known = _KNOWN[id(corpus), stored] = (weakref.ref(corpus), _fingerprint(corpus, stored))
    return known[1]


def _fingerprint(corpus: Corpus, stored: bool) -> str:
    digest = hashlib.sha256()
    spec = SPECS.get(corpus.name)
    if spec is not None:
        digest.update(json.dumps(spec.made_from(), sort_keys=True).encode())
    for name, split in sorted(corpus.splits.items()):
        for part in _parts(split, spec is None, stored):
            digest.update(f"{name} {part.nbytes} ".encode())
            digest.update(part.data)
    return digest.hexdigest()[:12]


def _parts(split: Split, features: bool, stored: bool) -> Iterator[np.ndarray]:
    """The content of a split, part by part, without copies of large ones."""
    yield np.frombuffer("\0".join(split.ids).encode("utf-8", "surrogatepass"), np.uint8)
    yield np.ascontiguousarray(split.labels, np.float32)
    yield np.ascontiguousarray(split.token_lengths, np.int64)
    yield np.ascontiguousarray(split.token_ids[valid_mask(split.token_lengths, split.token_ids.shape[1])], np.int64)
    sequences = [split.audio, split.vision] if features else []
    if split.text is not None and (stored or not split.has_tokens):
        sequences.append(split.text.features())
    for part in sequences:
        yield np.array([part.dim])
        yield np.ascontiguousarray(part.lengths, np.int64)
        yield np.ascontiguousarray(part.values, np.float32)


def first_fingerprint(corpus: Corpus) -> str:
    """The fingerprint of the first release's records and runs, which did not cover the features."""
    digest = hashlib.sha256()
    for split in corpus.splits.values():
        digest.update("\n".join(split.ids).encode("utf-8", "surrogatepass"))
        digest.update(np.ascontiguousarray(split.labels).tobytes())
        digest.update(np.ascontiguousarray(split.token_ids).tobytes())
    return digest.hexdigest()[:12]


def read_config(values: Any, where: object) -> TrainConfig:
    """A configuration as a file holds it; one that this release cannot read is a CourseError that names the file."""
    try:
        return TrainConfig.from_dict(values)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CourseError(
            f"{where} holds a configuration that this release cannot read ({error}): it was edited, or made by another"
            " release; make it again"
        ) from None


def changed_settings(before: TrainConfig, after: TrainConfig) -> dict[str, tuple[object, object]]:
    """{setting: (before, after)} of two configurations, those that name the place of the data left out."""
    one, two = (_flat(c) for c in (before, after))
    return {k: (one.get(k), two.get(k)) for k in sorted(one.keys() | two.keys()) if one.get(k) != two.get(k)}


def _flat(config: TrainConfig) -> dict[str, object]:
    values = config.to_dict()
    network = values.pop("network") or {}
    return {k: v for k, v in values.items() if k not in TrainConfig.PLACE} | network


def sentence_of(changed: dict[str, tuple[object, object]]) -> str:
    """ "lr is 0.001 there and 0.002 here", for each setting."""
    return "; ".join(f"{name} is {before} there and {after} here" for name, (before, after) in changed.items())
