"""What decides a run's numbers: the content of its corpus, and what its configuration changes from the defaults.

Neither depends on a file's name or place. A setting that is added later, with a default that keeps the old behaviour,
leaves the identity of older runs as it was.
"""

import dataclasses
import hashlib
import json
import weakref
from collections.abc import Iterator

import numpy as np

from mgmr_lib.data.classroom.corpora import SPECS, VERSION
from mgmr_lib.data.corpus import Corpus, Ragged, Split
from mgmr_lib.errors import CourseError
from mgmr_lib.training.config import TrainConfig

_KNOWN: dict[int, tuple[weakref.ref, str]] = {}  # fingerprints of corpora in memory: a large one takes seconds


def fingerprint(corpus: Corpus) -> str:
    """12 hex digits of what a corpus holds: clips' names, labels, tokens and features of every split.

    A classroom corpus's features are named by what the generator made them from: their last bits depend on the machine.
    """
    known = _KNOWN.get(id(corpus))
    if known is None or known[0]() is not corpus:
        known = _KNOWN[id(corpus)] = (weakref.ref(corpus), _fingerprint(corpus))
    return known[1]


def _fingerprint(corpus: Corpus) -> str:
    digest = hashlib.sha256()
    spec = SPECS.get(corpus.name)
    if spec is not None:
        digest.update(json.dumps({"version": VERSION, **dataclasses.asdict(spec)}, sort_keys=True).encode())
    for name, split in sorted(corpus.splits.items()):
        for part in _parts(split, features=spec is None):
            digest.update(f"{name} {len(part)} ".encode() + part)
    return digest.hexdigest()[:12]


def _parts(split: Split, features: bool) -> Iterator[bytes]:
    yield "\0".join(split.ids).encode("utf-8", "surrogatepass")
    yield np.ascontiguousarray(split.labels, np.float32).tobytes()
    valid = np.arange(split.token_ids.shape[1])[None, :] < np.asarray(split.token_lengths)[:, None]
    yield np.ascontiguousarray(split.token_lengths, np.int64).tobytes()
    yield np.ascontiguousarray(split.token_ids[valid], np.int64).tobytes()
    if features:
        for name, part in sorted(vars(split).items()):
            if isinstance(part, Ragged):
                yield f"{name} {part.dim}".encode() + np.ascontiguousarray(part.lengths, np.int64).tobytes()
                yield np.ascontiguousarray(part.values, np.float32).tobytes()
        if split.text is not None and not split.has_tokens:  # beside tokens, MOSEI's would take seconds and 3 GB
            yield b"text" + np.ascontiguousarray(split.text.features().values, np.float32).tobytes()


def first_fingerprint(corpus: Corpus) -> str:
    """The fingerprint of the first release's records and runs, which did not cover the features."""
    digest = hashlib.sha256()
    for split in corpus.splits.values():
        digest.update("\n".join(split.ids).encode("utf-8", "surrogatepass"))
        digest.update(np.ascontiguousarray(split.labels).tobytes())
        digest.update(np.ascontiguousarray(split.token_ids).tobytes())
    return digest.hexdigest()[:12]


def read_config(values: object, where: object) -> TrainConfig:
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
