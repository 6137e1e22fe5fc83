"""Settings of every command: one typed converter and one validator, fed by the dataclasses that hold the settings.

A field says what it is once: `epochs: int = setting(60, "passes over the training clips", low=1)`. From its annotation
and these words follow the conversion of a command line's text, the check of a value whoever gives it, and the help.
Nothing here imports more than the standard library, so that a typing error and `--help` answer at once.

For an option that is no field there are `whole`, `number` and `rates` (argparse types), for names `known`, and for
NAME=VALUE words `parse_set`. Errors: CourseError, one sentence with the option's name and its range.
"""

import argparse
import dataclasses
import difflib
import math
import numbers
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from mgmr_lib.errors import CourseError

MOST_RATES = 1001
LARGEST = 2**63  # no number in torch or numpy is an integer beyond it


@dataclass(frozen=True)
class Rule:
    """What a setting may be. low, high: bounds that belong to the range; above, below: bounds that do not."""

    help: str = ""
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    odd: bool = False

    def range(self) -> str:
        """The range in words, "" where everything is allowed: "at least 0 and below 1"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.low is not None and self.high is not None:
            return f"between {self.low:g} and {self.high:g}"
        bounds = [("at least", self.low), ("above", self.above), ("at most", self.high), ("below", self.below)]
        words = " and ".join(f"{word} {value:g}" for word, value in bounds if value is not None)
        return ("odd and " if self.odd else "") + words if words else "odd" if self.odd else ""

    def allows(self, value) -> bool:
        """Whether a value of the right type lies in the range; nan and infinity never do."""
        if self.choices:
            return value in self.choices
        if isinstance(value, str | bool):
            return True
        if not abs(value) < LARGEST:  # nan is not smaller than anything
            return False
        inside = (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        inside = inside and (self.above is None or value > self.above) and (self.below is None or value < self.below)
        return inside and not (self.odd and value % 2 == 0)


def setting(default, help: str, **bounds):
    """A dataclass field with its rule: see Rule for the bounds."""
    return dataclasses.field(default=default, metadata={"rule": Rule(help, **bounds)})


def rule_of(field: dataclasses.Field) -> Rule:
    """The field's rule; a field without one allows everything of its type."""
    return field.metadata.get("rule", Rule())


def option(name: str) -> str:
    """d_model -> --d-model."""
    return "--" + name.replace("_", "-")


# ---- one converter -------------------------------------------------------------------------------------------------


def _whole(text: str) -> int:
    return int(text.strip())


def _number(text: str) -> float:
    value = float(text.strip())
    if not math.isfinite(value):
        raise ValueError
    return value


def _switch(text: str) -> bool:
    return {"true": True, "yes": True, "on": True, "1": True,
            "false": False, "no": False, "off": False, "0": False}[text.strip().lower()]  # fmt: skip


# annotation: (its name in a sentence, how text becomes one, how a Python value becomes one)
KINDS: dict[object, tuple[str, Callable | None, Callable | None]] = {
    int: ("a whole number", _whole, lambda v: int(v) if isinstance(v, numbers.Integral) else None),
    float: ("a number", _number, lambda v: float(v) if isinstance(v, numbers.Real) else None),
    bool: ("true or false", _switch, lambda v: v if isinstance(v, bool) else None),
    str: ("a word", str, lambda v: v if isinstance(v, str) else None),
    tuple[float, ...]: ("rates between 0 and 1, as first:last:step or a list such as 0,0.5,1", None, None),
}


def kind_of(annotation) -> tuple[object, bool]:
    """(the type, whether None is allowed) of an annotation such as `int` or `int | None`."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        (inner,) = (a for a in typing.get_args(annotation) if a is not type(None))
        return inner, True
    return annotation, False


def typed(name: str, value, annotation, rule: Rule = Rule(), text: bool = False):  # noqa: B008 (Rule is frozen)
    """The value as the annotation's type, checked against the rule; CourseError that names the option and its range.

    text: the value is what somebody typed, to be read; otherwise it is a Python value, to be checked (an int is taken
    for a float, and a bool for neither).
    """
    kind, optional = kind_of(annotation)
    if optional and (value is None or (text and value.strip().lower() == "none")):
        return None
    if kind == tuple[float, ...]:
        return _checked_rates(name, value, text)
    _, read, take = KINDS[kind]
    assert read is not None and take is not None  # only rates have neither
    try:
        found = read(value) if text else None if kind is not bool and isinstance(value, bool) else take(value)
    except (ValueError, KeyError, OverflowError):
        found = None
    if found is None or not rule.allows(found):
        near = nearest(value, rule.choices) if rule.choices else None
        raise CourseError(
            f"{option(name)} must be {describe(annotation, rule)}, not {_shown(value)}"
            + (f": did you mean {near}?" if near else "")
        )
    return found


def describe(annotation, rule: Rule = Rule()) -> str:  # noqa: B008
    """ "a whole number of at least 1, or none": the type and the range in words."""
    kind, optional = kind_of(annotation)
    what, range_ = KINDS[kind][0], rule.range()
    words = range_ if rule.choices else f"{what}, {range_}" if range_ else what
    return words + (", or none" if optional else "")


def _shown(value) -> str:
    shown = str(value) if isinstance(value, numbers.Number) and not isinstance(value, bool) else repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _checked_rates(name: str, value, text: bool) -> tuple[float, ...]:
    if text:
        return tuple(parse_rates(value, option(name)))
    try:
        rates = [float(v) for v in value if not isinstance(v, str | bool)]
    except (TypeError, ValueError):
        rates = []
    return tuple(_rates_in_range(rates, option(name), value))


# ---- one validator -------------------------------------------------------------------------------------------------


def fields_of(kind: type) -> dict[str, tuple[dataclasses.Field, object]]:
    """{name: (field, annotation)} of a configuration's settings: every field that has a type which can be typed in."""
    hints = typing.get_type_hints(kind)
    return {f.name: (f, hints[f.name]) for f in dataclasses.fields(kind) if kind_of(hints[f.name])[0] in KINDS}


def validate(config) -> None:
    """Check every field of a configuration (call it in __post_init__). A number is kept as its field's type."""
    for name, (field, annotation) in fields_of(type(config)).items():
        value = getattr(config, name)
        checked = typed(name, value, annotation, rule_of(field))
        if type(checked) is not type(value):
            object.__setattr__(config, name, checked)  # 1 for a float field is 1.0: equal settings are written alike


def convert(name: str, text: str, kinds: Iterable[type]):
    """What `text` means for the setting `name` of the first of these configurations that has it; CourseError for a
    wrong value, and for a name that none of them has."""
    found = [fields_of(kind) for kind in kinds]
    for fields in found:
        if name in fields:
            field, annotation = fields[name]
            return typed(name, text, annotation, rule_of(field), text=True)
    raise unknown("setting", name, {n for fields in found for n in fields})


def parse_set(words: Iterable[str], kinds: Iterable[type]) -> dict:
    """["epochs=3", "max_clips=none"] -> {"epochs": 3, "max_clips": None}, typed and checked by the configurations'
    fields (`kinds`: TrainConfig and those of the networks concerned)."""
    kinds, out = list(kinds), {}
    for word in words:
        name, sign, text = word.partition("=")
        name = name.strip().lstrip("-").replace("-", "_")
        if not sign or not name:
            raise CourseError(f"--set takes NAME=VALUE, such as epochs=3, and not {word!r}")
        if name in out:
            raise CourseError(f"--set gives {name} twice: keep one of them")
        out[name] = convert(name, text, kinds)
    return out


def known(what: str, name: str, names: Iterable[str]) -> str:
    """The name, if it is one of the known ones; else a CourseError that suggests the nearest."""
    names = list(names)
    if name not in names:
        raise unknown(what, name, names)
    return name


def unknown(what: str, name: str, names: Iterable[str]) -> CourseError:
    """ "there is no setting 'epoch': did you mean epochs?", or the known names where none is near."""
    names = sorted(names) if isinstance(names, set | frozenset) else list(names)
    near = nearest(name, names)
    return CourseError(
        f"there is no {what} {_shown(name)}: " + (f"did you mean {near}?" if near else f"use {', '.join(names)}")
    )


def nearest(name: object, names: Iterable[str]) -> str | None:
    """The known name that somebody most likely meant, if one is near."""
    near = difflib.get_close_matches(str(name).lower(), list(names), n=1, cutoff=0.6)
    return near[0] if near else None


# ---- missing rates -------------------------------------------------------------------------------------------------


def parse_rates(text: str, name: str = "--rates") -> list[float]:
    """ "0:1:0.1" or "0,0.5,1" -> missing rates, rounded to 6 digits.

    first:last:step goes from first in steps as long as last is not passed, so last is among them where a step meets it.
    Raises CourseError for rates outside 0..1, for a rate given twice, and for no rate at all.
    """
    try:
        if ":" in text:
            first, last, step = (Decimal(part.strip()) for part in text.split(":"))
            if not (step > 0 and first <= last and (last - first) / step < MOST_RATES):
                raise ValueError
            rates = [float(first + i * step) for i in range(int((last - first) / step) + 1)]
        else:
            rates = [float(part) for part in text.split(",")]
    except (ValueError, InvalidOperation, ArithmeticError):
        raise CourseError(
            f"{name} is first:last:step (a step above 0, at most {MOST_RATES} rates) or a list such as 0,0.5,1 of "
            f"rates between 0 and 1, not {_shown(text)}"
        ) from None
    return _rates_in_range(rates, name, text)


def _rates_in_range(rates: list[float], name: str, given) -> list[float]:
    if not rates or not all(0 <= r <= 1 for r in rates):
        raise CourseError(f"{name} must be missing rates between 0 and 1, not {_shown(given)}")
    rates = [round(r, 6) + 0.0 for r in rates]  # -0.0 is 0.0
    twice = [r for r in rates if rates.count(r) > 1]
    if twice:
        raise CourseError(f"{name} names the rate {twice[0]:g} twice: give each rate once")
    return rates


# ---- types of options that are no field ----------------------------------------------------------------------------


def _option_type(annotation, rule: Rule) -> Callable[[str], Any]:
    def read(text: str):
        try:
            return typed("", text, annotation, rule, text=True)
        except CourseError as error:
            raise argparse.ArgumentTypeError(str(error).removeprefix("-- ").strip()) from None

    return read


def whole(**bounds) -> Callable[[str], int]:
    """An argparse type: a whole number within bounds, such as whole(low=1)."""
    return _option_type(int, Rule(**bounds))


def number(**bounds) -> Callable[[str], float]:
    """An argparse type: a finite number within bounds, such as number(low=0, high=1)."""
    return _option_type(float, Rule(**bounds))


def rates(text: str) -> list[float]:
    """An argparse type: parse_rates."""
    try:
        return parse_rates(text)
    except CourseError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("--rates ")) from None
