"""How often somebody may ask: buckets that fill again with time."""

import time
from collections import OrderedDict
from collections.abc import Callable


class Buckets:
    """A bucket for each key: `burst` requests at once, then `per_second`. Of more than `most` keys the one that was
    longest silent is forgotten."""

    def __init__(self, burst: float, per_second: float, most: int = 2000, now: Callable[[], float] = time.monotonic):
        self.burst, self.per_second, self.most, self.now = burst, per_second, most, now
        self.held: OrderedDict[str, tuple[float, float]] = OrderedDict()  # key: (left, at what time)

    def take(self, key: str) -> bool:
        """Whether one more request of `key` is allowed; counts it if so."""
        now = self.now()
        left, at = self.held.pop(key, (self.burst, now))
        left = min(self.burst, left + (now - at) * self.per_second)
        allowed = left >= 1
        self.held[key] = (left - allowed, now)
        if len(self.held) > self.most:
            self.held.popitem(last=False)
        return allowed
