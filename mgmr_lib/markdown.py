"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table: a line for the head, one under it, and one for each row."""
    text = ["| " + " | ".join(map(str, line)) + " |" for line in (head, *rows)]
    return "\n".join([text[0], "|" + "---|" * len(head), *text[1:]])
