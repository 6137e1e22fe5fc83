"""`in_stages`: the check of a longer piece of work, which says how far it already holds."""

import random
from collections.abc import Callable

Stage = tuple[str, Callable[[Callable, random.Random], str | None]]


def in_stages(*stages: Stage) -> Callable[[Callable, random.Random], str | None]:
    """A `test` of an Exercise made of `stages` in order, each (what holds, test); it stops at the first that fails.

    Each test(fn, rng) returns the sentence that says what is wrong, or None. The sentence of the whole names the stages
    that hold, so that a learner works from one to the next: "2 of 4 stages hold (shapes; one step). Now the state: ..."
    """

    def test(fn: Callable, rng: random.Random) -> str | None:
        for done, (name, stage) in enumerate(stages):
            wrong = stage(fn, rng)
            if wrong is not None:
                holding = f" ({'; '.join(n for n, _ in stages[:done])})" if done else ""
                return f"{done} of {len(stages)} stages hold{holding}. Now {name}: {wrong}"
        return None

    return test
