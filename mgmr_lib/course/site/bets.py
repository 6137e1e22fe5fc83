"""A stored bet as the site shows it: a form, and an outcome that static/bets.js keeps out of sight until one has bet.

All comes from the two plain texts that `predict` and `outcome` store, so that no code of a notebook is run here.
"""

import html
import re
from dataclasses import dataclass

from mgmr_lib.errors import CourseError

NUMBER = r"-?[\d.]+(?:e[+-]?\d+)?"
ASKED = re.compile(r"(?P<id>\d\d\.[a-z])  Your bet: (?P<text>.*)\n(?P<answers>(?:.*\n?)+)")
RANGE = re.compile(rf"between ({NUMBER}) ?.*? and ({NUMBER})")
WITHIN = re.compile(rf"right within ({NUMBER}) ?(.*)")
FACTOR = re.compile(rf"right within a factor of ({NUMBER})")
SETTLED = re.compile(r"(?P<id>\d\d\.[a-z])  The outcome: (?P<truth>.*)\.\n *(?P<because>.*)")


@dataclass(frozen=True)
class Asked:
    """A bet as `predict` stored it. choices: empty where it is a number, with `between` (its ends, or None), `rule`
    ("within" or "factor"), the tolerance `by` and the unit."""

    id: str
    text: str
    choices: tuple[str, ...] = ()
    between: tuple[str, str] | None = None
    rule: str = ""
    by: str = ""
    unit: str = ""


def asked(plain: str) -> Asked:
    """Read the text that `predict` stored."""
    found = ASKED.match(plain)
    if not found:
        raise CourseError(f"the stored text of a bet is not as `predict` makes it: {plain[:80]!r}: build the notebook")
    lines = [line.strip() for line in found["answers"].splitlines()]
    if lines[0].startswith("- "):
        return Asked(found["id"], found["text"], tuple(line.removeprefix("- ") for line in lines))
    ends, within, factor = RANGE.search(lines[0]), WITHIN.search(lines[0]), FACTOR.search(lines[0])
    rule, by, unit = ("factor", factor[1], "") if factor else ("within", *within.groups())
    return Asked(found["id"], found["text"], (), ends and ends.groups(), rule, by, unit)


def form(bet: Asked) -> str:
    """HTML of the question; without JavaScript it is a list of the choices and nothing is hidden."""
    rows = (
        "".join(
            f'<label><input type="radio" name="bet-{bet.id}" value="{html.escape(c)}"> {html.escape(c)}</label>'
            for c in bet.choices
        )
        if bet.choices
        else _number(bet)
    )
    return (
        f'<form class="course-bet" data-bet="{bet.id}" data-rule="{bet.rule}" data-by="{bet.by}" '
        f'data-unit="{html.escape(bet.unit)}"><fieldset><legend>Your bet {bet.id}: {html.escape(bet.text)}</legend>'
        f'{rows}<p class="course-bet-said" role="status"></p></fieldset></form>'
    )


def _number(bet: Asked) -> str:
    unit = f" {html.escape(bet.unit)}" if bet.unit else ""
    rule = f"right within a factor of {bet.by}" if bet.rule == "factor" else f"right within {bet.by}{unit}"
    if not bet.between:
        field = '<input type="number" step="any" inputmode="decimal" required>'
        return f"<label>Your number{unit}, {rule}: {field}</label><button>Place this bet</button>"
    low, high = bet.between
    step = (float(high) - float(low)) / 100
    field = f'<input type="range" min="{low}" max="{high}" step="{step:g}" value="{low}"> <output>{low}</output>{unit}'
    return f"<label>{low} to {high}{unit}, {rule}: {field}</label><button>Place this bet</button>"


def outcome(plain: str) -> tuple[str, str]:
    """(id, HTML of the outcome) from the text that `outcome` stored."""
    found = SETTLED.match(plain)
    if not found:
        raise CourseError(f"the stored text of an outcome is not as it is made: {plain[:80]!r}: build the notebook")
    truth, because = html.escape(found["truth"]), html.escape(found["because"])
    return found["id"], (
        f'<div class="course-outcome" data-outcome="{found["id"]}" data-truth="{truth}"><p><strong>{found["id"]} '
        f'<span class="course-verdict">The outcome: {truth}.</span></strong></p><p>{because}</p></div>'
    )
