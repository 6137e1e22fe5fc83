"""Which sections of a notebook are shown in a room, and in which of the teacher's routes: the minute plans say it."""

import re

from mgmr_lib.course.authoring.routes import Plan
from mgmr_lib.course.slides.reading import Notebook

EXERCISE_ID = re.compile(r"\b\d\d\.\d{1,2}\b")
NUMBERS = re.compile(r"^(\d+)(?:(?:, | and )(\d+)\b)?(?! of)")
CLOSING = "Summary"  # belongs to every visit


def sections_of_rows(plan: Plan, notebook: Notebook) -> dict[str, list[int]]:
    """Row of the plan -> positions of the sections it is about.

    A row names a section by its number ("3 Stability"), an exercise of it ("Half-life, exercise 01.3") or its title;
    any other row goes on with the section of the row before.
    """
    at, found = [0], {}
    for row in plan.rows:
        at = _named(row, notebook) or at[-1:]
        found[row] = at
    return found


def _named(row: str, notebook: Notebook) -> list[int]:
    numbers, ids = NUMBERS.match(row), set(EXERCISE_ID.findall(row))
    wanted = set(filter(None, numbers.groups())) if numbers else set()
    by_number = [k for k, s in enumerate(notebook.sections) if s.number in wanted and s.number]
    by_exercise = [k for k, s in enumerate(notebook.sections) if s.exercises() & ids]
    by_title = [k for k, s in enumerate(notebook.sections) if row.lower() in s.title.lower()]
    return by_number or by_exercise or by_title


def shown(notebook: Notebook, plan: Plan, routes: dict) -> dict[int, list[str]]:
    """Position of each section that the plan shows -> the routes that show it, in the course's order."""
    rows = sections_of_rows(plan, notebook)
    found: dict[int, list[str]] = {k: [] for places in rows.values() for k in places}
    closing = [k for k, s in enumerate(notebook.sections) if s.title.endswith(CLOSING)]
    found |= {k: [] for k in closing}
    for name, route in routes.items():
        visits = [b for session in route["sessions"] for b in session["blocks"] if b.get("notebook") == notebook.number]
        taken = {k for visit in visits for row in visit.get("rows", plan.rows) for k in rows[row]}
        for k in sorted(taken | set(closing if visits else ())):
            found[k].append(name)
    return dict(sorted(found.items()))
