"""Three plans for the running joins of n steps: in order, doubling, and the tree up and down; and their price by hands.

A plan is a list of rounds; a round is a list of pairs (i, j): "place j takes on place i", all at the same time.
"""

from collections.abc import Callable

Plan = list[list[tuple[int, int]]]


def in_order(n: int) -> Plan:
    """Each step joins the one before it: n - 1 rounds of one join."""
    return [[(t - 1, t)] for t in range(1, n)]


def doubling(n: int) -> Plan:
    """Every place takes on the one 1, 2, 4, ... places before it (Hillis and Steele)."""
    return [[(t - d, t) for t in range(d, n)] for d in _powers(n)]


def tree(n: int) -> Plan:
    """Up: pairs, pairs of pairs, ...; down: what stands on the left goes to the places between. n a power of two."""
    up = [[(t - d, t) for t in range(2 * d - 1, n, 2 * d)] for d in _powers(n)]
    down = [[(t - d, t) for t in range(3 * d - 1, n, 2 * d)] for d in reversed(_powers(n // 2))]
    return up + down


def _powers(n: int) -> list[int]:
    return [1 << k for k in range((n - 1).bit_length())] if n > 1 else []


def carry_out(plan: Plan, values: list, join: Callable) -> list:
    """The running joins of `values`; join(earlier, later)."""
    values = list(values)
    for pairs in plan:
        joined = {j: join(values[i], values[j]) for i, j in pairs}
        values = [joined.get(t, v) for t, v in enumerate(values)]
    return values


def joins(plan: Plan) -> int:
    """How many joins a plan makes in all."""
    return sum(len(pairs) for pairs in plan)


def turns(plan: Plan, hands: int) -> int:
    """How long it takes `hands` workers, each of whom makes one join a turn, with a common break after each round."""
    return sum(-(-len(pairs) // hands) for pairs in plan)
