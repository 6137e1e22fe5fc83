"""How our networks stand to their papers: one line a claim, with what the paper says, what published code does, what
we do, where that is, and which test would notice if it were not so."""

from collections.abc import Sequence
from dataclasses import dataclass

from mgmr_lib import markdown

KINDS = {
    "said": "What the method says",
    "besides": "What the published code does besides",
    "ours": "Ours",
    "promised": "Promised, and found in no equation",
}


@dataclass(frozen=True)
class Claim:
    """One line. where, tests: "path/of/file.py::object" from the repository's root; a "promised" line has neither."""

    kind: str
    what: str
    paper: str
    code: str
    here: str
    where: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


# What both networks do to their inputs.
CLAMP = Claim(
    "ours",
    "clamp",
    "not mentioned",
    "–",
    "standardised features end at ±5",
    ("mgmr_lib/models/inputs.py::Inputs.standardise",),
    ("tests/chapters/test_fidelity.py::test_a_spike_ends_at_five_standard_deviations",),
)


def table(claims: Sequence[Claim], kind: str) -> str:
    """Markdown: a heading and the lines of one kind, in their order; objects and tests are links from a notebook."""
    head = ("claim", "paper", "published code", "here", "where", "test")
    rows = [
        (c.what, c.paper, c.code, c.here, _links(c.where, _as_object), _links(c.tests, _as_sentence))
        for c in claims
        if c.kind == kind
    ]
    return f"**{KINDS[kind]}**\n\n" + markdown.table(head, rows)


def _links(places: Sequence[str], words) -> str:
    pairs = [place.split("::") for place in places]
    return ", ".join(f"[{words(name)}](../{path})" for path, name in pairs) or "–"


def _as_object(name: str) -> str:
    return f"`{name}`"


def _as_sentence(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")  # a name of a test is a sentence, and wraps as one
