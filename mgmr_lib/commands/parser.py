"""The argparse parser of every command: mistakes are one CourseError with the nearest name, help shows the defaults."""

import argparse
import re
from collections.abc import Callable, Iterable

from mgmr_lib.errors import CourseError
from mgmr_lib.settings import describe, fields_of, kind_of, nearest, option, rule_of, typed


class Help(argparse.RawDescriptionHelpFormatter):
    """Options with their default behind them, and examples as they are written."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=30, width=110)

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        shown = action.default not in (None, argparse.SUPPRESS, False, True) and action.default != []
        return text + (" (default: %(default)s)" if shown and "default" not in text else "")


class Parser(argparse.ArgumentParser):
    """No abbreviations; an unknown option, choice or command, or a wrong value, raises CourseError.

    late: called with (parser, words) before the words are parsed, to add options that depend on them.
    """

    def __init__(self, **keywords) -> None:
        super().__init__(**{"allow_abbrev": False, "formatter_class": Help, **keywords})
        self.late: Callable[[Parser, list[str]], None] | None = None

    def parse_known_args(self, args=None, namespace=None):
        """As argparse's, but every word must be known."""
        words = list(args or ())
        if self.late is not None:
            self.late(self, words)
        known, extra = super().parse_known_args(self._with_values(words), namespace)
        if extra:
            self.error(f"there is no use for {extra[0]!r} here: see --help")
        return known, []

    def _with_values(self, words: list[str]) -> list[str]:
        """The words with options checked, and `--lr -1e-3` written as `--lr=-1e-3`: a value may begin with a minus."""
        if self._subparsers is not None:
            for word in words[: next((i for i, w in enumerate(words) if not w.startswith("-")), None)]:
                self._action_of(word)
            return words
        out: list[str] = []
        rest = iter(words)
        for word in rest:
            if word == "--":
                return [*out, word, *rest]
            action = self._action_of(word)
            if action is not None and action.nargs is None and "=" not in word:
                value = next(rest, None)
                if value is not None and value not in self._option_string_actions and not value.startswith("--"):
                    out.append(f"{word}={value}")
                    continue
                if value is not None:
                    self._action_of(value)
                self.error(f"argument {word}: needs a value")
            out.append(word)
        return out

    def _action_of(self, word: str) -> argparse.Action | None:
        """The option that a word names, None for a value; CourseError for an option that is not there."""
        name = word.split("=", 1)[0]
        if name in self._option_string_actions or not name.startswith("--"):
            return self._option_string_actions.get(name)
        names = [n for n in self._option_string_actions if n.startswith("--")]
        raise CourseError(f"there is no option {name} of `{self.prog}`: {_hint(name, names)}")

    def _check_value(self, action: argparse.Action, value) -> None:
        if action.choices is None or value in action.choices:
            return
        what = "/".join(action.option_strings) or str(action.metavar or action.dest).lower()
        if isinstance(action, argparse._SubParsersAction):
            raise CourseError(f"there is no {what} {value!r}: {_hint(str(value), action.choices)}")
        names = [str(c) for c in action.choices]
        near = nearest(value, names)
        more = f": did you mean {near}?" if near else ""
        raise CourseError(f"{what} must be one of {', '.join(names)}, not {str(value)!r}{more}")

    def error(self, message: str):
        """One sentence instead of the usage."""
        message = re.sub(r"^argument (\S+): (?=must |names |needs |is )", r"\1 ", message).removeprefix("argument ")
        missing = message.removeprefix("the following arguments are required: ")
        raise CourseError(message if missing == message else f"`{self.prog}` needs {missing}: see --help")


def _hint(name: str, names: Iterable[str]) -> str:
    names = list(names)
    starting = [n for n in names if n.startswith(name)]
    near = starting[0] if len(starting) == 1 else nearest(name, names)
    if near:
        return f"did you mean {near}?"
    return f"use {', '.join(names)}" if len(names) <= 12 else "see --help"


def add_settings(group, kind: type, without: Iterable[str] = (), defaults: object = None) -> None:
    """Every setting of a configuration as an option, with its meaning, range and default.

    Options that are not given are left out of the result. defaults: an instance whose values are shown as such (None:
    the dataclass's own).
    """
    for name, (field, annotation) in fields_of(kind).items():
        if name in without:
            continue
        rule = rule_of(field)
        default = field.default if defaults is None else getattr(defaults, name)
        metavar = "|".join(rule.choices) if 0 < len(rule.choices) <= 4 else _METAVARS.get(kind_of(annotation)[0], "X")
        range_ = "" if "|" in metavar else describe(annotation, rule) + "; "  # the metavar says it already
        text = f"{rule.help} ({range_}default: {_written(default)})".replace("%", "%%")
        group.add_argument(
            option(name), type=_reader(name, annotation, rule), default=argparse.SUPPRESS, help=text, metavar=metavar
        )


_METAVARS: dict[object, str] = {int: "N", float: "X", bool: "true|false", tuple[float, ...]: "RATES"}


def _reader(name: str, annotation, rule) -> Callable[[str], object]:
    def read(text: str):
        try:
            return typed(name, text, annotation, rule, text=True)
        except CourseError as error:
            raise argparse.ArgumentTypeError(str(error).removeprefix(option(name) + " ")) from None

    return read


def _written(value) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(f"{v:g}" for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
