"""Compare a learner's answer with the reference's, and say in words what differs."""

import math
from numbers import Number


def _is_array(x) -> bool:
    return hasattr(x, "shape") and hasattr(x, "dtype") and not isinstance(x, Number)  # a NumPy scalar is a number


def _plain(x):
    """Tensors and arrays as nested lists of Python numbers."""
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        x = x.double() if x.is_floating_point() else x
    return x.tolist()


def _one_number(x):
    """A Python number for an array or tensor without axes: an answer may use either."""
    if type(x).__module__ == "numpy" and getattr(x, "shape", None) == ():
        return x.item()
    return _plain(x) if _is_array(x) and tuple(x.shape) == () else x


def short(x, digits: int = 4) -> str:
    """A value as a learner wants to read it: few digits, long lists cut, tensors with their shape."""
    if _is_array(x):
        flat = _plain(x)
        size = math.prod(x.shape)
        return f"shape {tuple(x.shape)}" + (f": {short(flat, digits)}" if size <= 12 else "")
    if isinstance(x, bool) or x is None or isinstance(x, str):
        return repr(x)
    if isinstance(x, complex):
        return f"({x.real:.{digits}g}{x.imag:+.{digits}g}j)"
    if isinstance(x, float):
        return f"{x + 0.0:.{digits}g}"  # + 0.0: a zero has no sign worth reading
    if isinstance(x, (list, tuple)):
        parts = [short(v, digits) for v in x[:8]] + (["..."] if len(x) > 8 else [])
        inside = ", ".join(parts)
        return f"[{inside}]" if isinstance(x, list) else f"({inside})"
    if isinstance(x, dict):
        inside = ", ".join(f"{k!r}: {short(v, digits)}" for k, v in list(x.items())[:8])
        return f"{{{inside}}}"
    text = repr(x)
    return text if len(text) <= 80 else text[:77] + "..."


def short_pair(a, b) -> tuple[str, str]:
    """Both values as `short` writes them, with as many digits as it takes to see that they differ."""
    pair = short(a), short(b)
    for digits in range(5, 18):
        if pair[0] != pair[1]:
            break
        pair = short(a, digits), short(b, digits)
    return pair


def _numbers_differ(got: Number, want: Number, atol: float, place: str) -> str:
    """Where both should be 0, say 0: the last bit of a float teaches nothing."""
    want = 0 if not isinstance(want, bool) and abs(want) < min(atol, 1e-12) else want
    yours, expected = short_pair(got, want)
    return f"you have {yours}{place}, we expect {expected}"


def _close(a, b, rtol: float, atol: float) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return a == b and isinstance(a, (bool, int)) and isinstance(b, (bool, int))
    if a == b:
        return True
    a, b = complex(a), complex(b)
    if any(map(math.isnan, (a.real, a.imag, b.real, b.imag))):
        return str(a) == str(b)
    if any(map(math.isinf, (a.real, a.imag, b.real, b.imag))):
        return False  # equal ones are close above; from anything else infinity is infinitely far
    return abs(a - b) <= atol + rtol * abs(b)


def difference(got, want, rtol: float = 1e-6, atol: float = 1e-9, where: str = "") -> str | None:
    """None where `got` equals `want`; else one sentence that names the first difference."""
    place = f" at {where}" if where else ""
    got, want = _one_number(got), _one_number(want)
    if _is_array(got) and isinstance(want, (list, tuple)):
        got = _plain(got)
    if got is None and want is not None:
        return "it returns None: does every path end in a `return`?" if not where else f"there is None{place}"
    if _is_array(want) or _is_array(got):
        return _array_difference(got, want, rtol, atol, place)
    if isinstance(want, Number) and isinstance(got, Number):
        return None if _close(got, want, rtol, atol) else _numbers_differ(got, want, atol, place)
    if isinstance(want, (list, tuple)):
        return _list_difference(got, want, rtol, atol, where)
    if isinstance(want, dict):
        if not isinstance(got, dict) or set(got) != set(want):
            have = sorted(map(str, got)) if isinstance(got, dict) else type(got).__name__
            return f"we expect the keys {sorted(map(str, want))}{place}, you have {have}"
        return next((d for k in want if (d := difference(got[k], want[k], rtol, atol, f"{where}[{k!r}]"))), None)
    if type(got) is not type(want):
        return (
            f"you have a {type(got).__name__}{place} ({short(got)}), we expect a {type(want).__name__} ({short(want)})"
        )
    return None if got == want else f"you have {short(got)}{place}, we expect {short(want)}"


def _list_difference(got, want, rtol, atol, where) -> str | None:
    place = f" at {where}" if where else ""
    if not isinstance(got, (list, tuple)):
        return (
            f"you have a {type(got).__name__}{place} ({short(got)}), we expect a {type(want).__name__} of {len(want)}"
        )
    if len(got) != len(want):
        return f"you have {len(got)} values{place}, we expect {len(want)} ({short(want)})"
    pairs = enumerate(zip(got, want, strict=True))
    return next((d for i, (g, w) in pairs if (d := difference(g, w, rtol, atol, f"{where}[{i}]"))), None)


def _array_difference(got, want, rtol, atol, place) -> str | None:
    if not _is_array(want):
        return f"you have an array or tensor{place}, we expect {short(want)}"
    if not _is_array(got):
        return f"you have a {type(got).__name__}{place}, we expect a {type(want).__name__} of shape {tuple(want.shape)}"
    if tuple(got.shape) != tuple(want.shape):
        return f"your shape{place} is {tuple(got.shape)}, we expect {tuple(want.shape)}"
    if hasattr(want, "detach") != hasattr(got, "detach"):
        return f"you have a {type(got).__name__}{place}, we expect a {type(want).__name__}"
    return difference(_plain(got), _plain(want), rtol, atol, place.removeprefix(" at "))
