"""Remember what a frozen text encoder said, within a limit of memory: sweeps meet the same masked text again and
again."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from mgmr_lib.data.corpus import Ragged

SHARED_ENCODINGS = "MGMR_SHARED_ENCODINGS"  # the environment's name for a folder that processes share features in


class EncodingMemo:
    """Features by the content of a call (ids and lengths), the longest unused given up first.

    Runs of one seed draw the same masks whatever the network, so eleven networks need the text of each epoch encoded
    once. A whole call is remembered, never a single clip: the result is the one that the encoder gave, to the last bit.
    limit_bytes: the most that is kept.
    """

    def __init__(self, limit_bytes: int = 2_000_000_000):
        self.limit_bytes, self.used = limit_bytes, 0
        self.hits = self.misses = 0
        self._kept: OrderedDict[str, Ragged] = OrderedDict()

    def features(self, ids: np.ndarray, lengths: np.ndarray, compute: Callable[[], Ragged]) -> Ragged:
        """What `compute` returned for these ids (n, L) and lengths (n,) before, or returns now."""
        key = self._key(ids, lengths)
        if key in self._kept:
            self.hits += 1
            self._kept.move_to_end(key)
            return self._kept[key]
        self.misses += 1
        found = compute()
        if found.values.nbytes <= self.limit_bytes:
            self._kept[key] = found
            self.used += found.values.nbytes
        while self.used > self.limit_bytes:
            _, old = self._kept.popitem(last=False)
            self.used -= old.values.nbytes
        return found

    @staticmethod
    def _key(ids: np.ndarray, lengths: np.ndarray) -> str:
        digest = hashlib.sha256(repr(ids.shape).encode())
        for part in (ids, lengths):
            digest.update(np.asarray(part, dtype=np.int64).tobytes())
        return digest.hexdigest()
