"""Fresh inputs of exercises: numbers that are pleasant to read, and such that a wrong answer shows on every draw."""

import copy

from mgmr_lib.course.compare import difference


def signed(rng, n: int, low: int = 1, high: int = 9, without: tuple[int, ...] = ()) -> list[float]:
    """n quarters from low/4 to high/4 (not those of `without`), of different size while these last; of two or more
    numbers, half are below 0."""
    sizes = [k for k in range(low, high + 1) if k not in without]
    drawn = [k for _ in range(-(-n // len(sizes))) for k in rng.sample(sizes, len(sizes))][:n]
    signs = [-1, 1] * (n // 2) + [rng.choice([-1, 1])] * (n % 2)
    rng.shuffle(signs)
    return [s * k / 4 for s, k in zip(signs, drawn, strict=True)]


def columns(rng, n: int, width: int, low: int = 1, high: int = 9) -> list[tuple[float, ...]]:
    """n tuples of `width` quarters; each place is negative in half of them."""
    return list(zip(*(signed(rng, n, low, high) for _ in range(width)), strict=True))


def quarters(rng, *shape: int, low: int = 1, high: int = 9, without: tuple[int, ...] = ()):
    """A float64 tensor of `signed` numbers."""
    import torch  # here: notebook 01 does without

    flat = signed(rng, torch.Size(shape).numel(), low, high, without)
    return torch.tensor(flat, dtype=torch.float64).reshape(shape)


def separating(rng, draw, right, rivals, least: int = 4) -> list[tuple]:
    """Arguments from draw(rng), at least `least` times, and until every rival was wrong on some of them."""
    made, left = [], list(rivals)
    for _ in range(2000):
        if len(made) >= least and not left:
            return made
        args = draw(rng)
        fooled = [r for r in left if _agree(r, right, args)]
        if len(made) < least or len(fooled) < len(left):
            made.append(args)
            left = fooled
    raise ValueError(f"no drawn input separates {len(left)} of the wrong answers from the right one")


def telling(rng, draw, holds):
    """The first draw(rng) for which holds(drawn): what is drawn has what shows the wrong answers, on every check."""
    for _ in range(2000):
        drawn = draw(rng)
        if holds(drawn):
            return drawn
    raise ValueError("nothing drawn has the property that it must have")


def unlike(right, *rivals):
    """A property for `telling`: every rival is wrong on the drawn arguments."""
    return lambda args: not any(_agree(r, right, args) for r in rivals)


def misread(right, i: int, change):
    """A rival: `right` of arguments whose i-th is taken for change(it)."""
    return lambda *args: right(*args[:i], change(args[i]), *args[i + 1 :])


def _agree(rival, right, args) -> bool:
    try:
        return difference(rival(*copy.deepcopy(args)), right(*copy.deepcopy(args))) is None
    except Exception:  # a rival that stops with an error is wrong there
        return False


def in_plain_lists(make, pair: bool = False):
    """A test for right numbers in a tensor, an array or a tuple, where later cells of the notebook compare lists.

    make(rng): the arguments of one call, which returns a list, or a pair of lists.
    """

    def test(fn, rng) -> str | None:
        out = fn(*make(rng))
        if all(type(part) is list for part in (out if pair else [out])) and (not pair or type(out) is tuple):
            return None
        wanted = "a pair of plain lists" if pair else "a plain list"
        return f"The numbers are right, but the cells below go on with {wanted}: return that."

    return test
