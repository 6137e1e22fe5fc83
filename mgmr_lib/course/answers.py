"""What `check` and `hint` show: a sign and words, the inputs and both results as a table, help that opens in place.

The plain text (terminal, stored notebook, tests) says the same as the HTML. Both are the same at every run for the
states that a stored notebook can hold: passed, and not attempted.
"""

import html
import inspect
import re
import sys
import textwrap

from mgmr_lib.course import display
from mgmr_lib.course.grading import Verdict
from mgmr_lib.course.registry import Exercise
from mgmr_lib.paths import REPOSITORY

COLUMNS = 100
HELP = ("Hint 1: in words", "Hint 2: in shapes", "The course's solution")


def shell():
    """IPython's shell, or None outside IPython."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def show_verdict(spec: Exercise, result: Verdict) -> None:
    """Show what `check` found."""
    if result.state == "passed":
        head, text, body = f"passed: {spec.title}.", spec.after, display.paragraph(spec.after)
        _show("right", spec.id, head, text, body)
    elif result.state == "not attempted":
        head = result.message or f'not attempted yet: {spec.title}. Stuck? Run hint("{spec.id}").'
        _show("open", spec.id, head, "", _help(spec))
    else:
        text = "\n".join(textwrap.wrap(f"{spec.id}  not yet: {result.message}", COLUMNS, subsequent_indent=" " * 7))
        html_text = display.panel("wrong", f"{spec.id}  not yet", _wrong(result) + _help(spec))
        display.bundle({"text/html": html_text, "text/plain": text})


def show_hint(spec: Exercise, level: int) -> None:
    """Show hint 1, 2 or 3."""
    text = spec.hints[level - 1] if level < 3 else "the course's solution:"
    code = solution(spec) if level == 3 else ""
    body = _code(code) if code else ""
    _show("note", spec.id, f"hint {level} of 3: {text}", textwrap.indent(code, "    "), body)


def _show(kind: str, exercise_id: str, head: str, text: str, body: str) -> None:
    line = f"{exercise_id}  {head}"
    indented = text if text.startswith(" ") else f"       {text}"
    plain = f"{line}\n{indented}" if text else line
    display.bundle({"text/html": display.panel(kind, line, body), "text/plain": plain})


def _wrong(result: Verdict) -> str:
    """HTML of what is wrong: advice, the difference, the table of inputs and results."""
    if not result.finding:
        return display.paragraph(result.message)
    rows = [(f"input {name}".strip(), value) for name, value in result.given]
    rows += [("your result", result.yours), ("expected", result.expected)] if result.expected else []
    said = result.finding[:1].upper() + result.finding[1:].rstrip(".") + "."
    about = f" ({result.about})" if result.about else ""
    return display.paragraph(result.advice) + display.paragraph(said) + _table(rows, f"One of the inputs{about}")


def _table(rows: list[tuple[str, str]], caption: str) -> str:
    left = "text-align: left; vertical-align: top; padding: 2px 12px 2px 0;"
    cells = "".join(
        f'<tr><th scope="row" style="{left} white-space: nowrap;">{html.escape(name)}</th>'
        f'<td style="{left} white-space: pre-wrap; overflow-wrap: '
        f'anywhere;"><code>{html.escape(value)}</code></td></tr>'
        for name, value in rows
    )
    head = f'<caption style="text-align: left; white-space: nowrap;">{html.escape(caption)}</caption>'
    return f'<table style="margin: 4px 0;">{head}<tbody>{cells}</tbody></table>' if rows else ""


def _help(spec: Exercise) -> str:
    """HTML of both hints and the solution, each closed until it is clicked."""
    inside = [*map(display.paragraph, spec.hints), _code(solution(spec))]
    opened = zip(HELP, inside, strict=True)
    return "".join(f"<details><summary>{name}</summary>{body}</details>" for name, body in opened)


def _code(text: str) -> str:
    return f'<pre style="white-space: pre-wrap; margin: 4px 0;"><code>{html.escape(text)}</code></pre>'


def solution(spec: Exercise) -> str:
    """The solution as the course's own notebook has it; where the sources are missing, the reference's code."""
    from mgmr_lib.course.authoring.source import SOLUTION, edition_code

    for path in sorted((REPOSITORY / "notebooks" / "src").glob(f"{spec.id[:2]}_*.py")):
        for cell in re.split(r"^# %%.*$", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
            start = re.search(rf"^@exercise\([\"']{re.escape(spec.id)}[\"']\)", cell, re.MULTILINE)
            if start:
                return edition_code(cell[start.start() :].strip("\n"), SOLUTION)
    try:
        return inspect.getsource(spec.reference).strip("\n")
    except (OSError, TypeError):
        return "(its source is not here)"
