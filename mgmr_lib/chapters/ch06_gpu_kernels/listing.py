"""Show a function's source with notes in the margin; the text comes from the file, so that it cannot grow old."""

import ast
from pathlib import Path

from mgmr_lib.errors import CourseError


def source_lines(path: Path, function: str) -> list[str]:
    """The lines of a function's body and head, without decorators and docstring; the file is read, not imported."""
    text = path.read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            lines = text.splitlines()
            skip = range(0)
            if ast.get_docstring(node) is not None:
                skip = range(node.body[0].lineno, node.body[0].end_lineno + 1)
            return [lines[i - 1] for i in range(node.lineno, node.end_lineno + 1) if i not in skip]
    raise CourseError(f"{path.name} holds no function {function!r}: name one that it defines")


def annotated(lines: list[str], notes: dict[str, str]) -> str:
    """The lines with a letter in the margin where a note belongs, and the notes below. notes: {part of a line: note}.

    Each note goes to the first line that contains its key; a note without such a line is left out.
    """
    marked, told = {}, []
    for key, note in notes.items():
        at = next((i for i, line in enumerate(lines) if key in line), None)
        if at is not None:
            marked.setdefault(at, []).append(note)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    margin = {at: next(letters) for at in sorted(marked)}
    told = [f"({margin[at]}) {' '.join(marked[at])}" for at in sorted(marked)]
    listing = [f"{f'({margin[i]})' if i in margin else '':4}{line}" for i, line in enumerate(lines)]
    return "\n".join([*listing, "", *told])
