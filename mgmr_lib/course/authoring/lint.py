"""What a notebook must keep to, beyond running: rules on one notebook, and on the course as a whole.

Every rule is a function that yields sentences; tests/course/test_lint.py shows each of them failing.
"""

from pathlib import Path

from mgmr_lib.course import registry
from mgmr_lib.course.authoring import lint_bets, lint_course, lint_outputs, lint_source, pages
from mgmr_lib.course.authoring.source import EDITIONS, read_sources
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY

RULES = {
    "source": (
        lint_source.sizes,
        lint_source.tags,
        lint_source.anatomy,
        lint_source.exercises,
        lint_source.typed_numbers,
        lint_source.silent_figures,
        lint_bets.bets,
    ),
    "outputs": (
        lint_outputs.executed_in_order,
        lint_outputs.outputs_present,
        lint_outputs.no_errors,
        lint_outputs.captions,
        lint_outputs.no_widget_state,
        lint_outputs.comparable,
        lint_outputs.file_size,
    ),
    "course": (
        lint_course.prerequisites,
        lint_course.glossary_complete,
        lint_course.introduced_before_use,
        lint_course.links,
        lint_course.budgets,
    ),
}


def lint_one(source, root: Path = REPOSITORY) -> list[str]:
    """All that is wrong with one notebook, its source and its two built editions."""
    import nbformat

    name = f"notebooks/src/{source.path.name}"
    known = registry.exercises_of(source.meta.number)
    found = [f"{name}: {m}" for rule in RULES["source"] for m in rule(source, known)]
    editions = []
    for edition in EDITIONS:
        path = root / edition / source.meta.file_name
        if not path.exists():
            found.append(
                f"{edition}/{path.name} is missing: run `python -m mgmr_lib.course build {source.meta.number}`"
            )
            continue
        text = path.read_text(encoding="utf-8")
        try:
            notebook = nbformat.reads(text, as_version=4)
        except Exception as e:
            found.append(f"{edition}/{path.name} is not a readable notebook: {e}")
            continue
        editions.append(notebook)
        found += [f"{edition}/{path.name}: {m}" for rule in RULES["outputs"] for m in rule(notebook, text)]
    if len(editions) == 2:
        found += [f"{source.meta.file_name}: {m}" for m in lint_outputs.editions_agree(*editions)]
    return found


def lint(numbers: list[str] = (), root: Path = REPOSITORY) -> list[str]:
    """All that is wrong, of the notebooks of `numbers` (all where empty)."""
    sources = read_sources(root)
    unknown = sorted(set(numbers) - set(sources))
    if unknown:
        raise CourseError(f"there is no source for notebook {', '.join(unknown)} in notebooks/src")
    glossary = pages.load_yaml("glossary.yml", root)
    found = [m for n in (numbers or sources) for m in lint_one(sources[n], root)]
    for rule in RULES["course"]:
        found += [m for number, m in rule(sources, glossary) if not numbers or number in numbers]
    return found
