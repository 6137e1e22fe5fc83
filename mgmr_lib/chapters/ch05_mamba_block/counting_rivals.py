"""Language models that only count: n-grams with Witten-Bell smoothing, the rivals of notebook 05's tiny Mamba.

Witten and Bell 1991: the share of a context's counts that goes to the shorter context is the number of different
characters seen after it, t, beside the number of all characters seen after it, n:

    p(c | context) = (count(context, c) + t * p(c | shorter context)) / (n + t),     p(c | nothing) = 1 / v
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence


def witten_bell_bits(train: Sequence[int], test: Sequence[int], order: int, v: int) -> float:
    """Mean bits of every character of test (l) but its first, by contexts of up to order - 1 characters of train.

    order: 1 counts single characters, 2 pairs, ... (at least 1). v: number of characters.
    """
    if order < 1:
        raise ValueError(f"order must be at least 1, but is {order}")
    after: dict[tuple, Counter] = defaultdict(Counter)
    for i, character in enumerate(train):
        for k in range(min(order, i + 1)):
            after[tuple(train[i - k : i])][character] += 1
    bits = 0.0
    for i in range(1, len(test)):
        p = 1 / v
        for k in range(min(order, i + 1)):
            counts = after.get(tuple(test[i - k : i]))
            if counts is None:
                break  # a longer context is not known either
            different = len(counts)
            p = (counts[test[i]] + different * p) / (counts.total() + different)
        bits -= math.log2(p)
    return bits / (len(test) - 1)
