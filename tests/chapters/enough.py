"""Several trainings for one claim, no more of them than it takes."""

from collections.abc import Callable, Iterable


def until(enough: Callable[[list], bool], trainings: Iterable) -> list:
    """The first results of `trainings` for which `enough` holds; all of them where it never does. `enough` has to stay
    true whatever the rest would be, so that nothing is left out that could have refuted the claim."""
    found: list = []
    for result in trainings:
        found.append(result)
        if enough(found):
            break
    return found
