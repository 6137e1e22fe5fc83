"""Write the decks, a hand-out and solutions for each notebook, and a page that lists them."""

import html
import importlib.util
import re
from pathlib import Path

from mgmr_lib.course.authoring.pages import load_yaml
from mgmr_lib.course.authoring.routes import FILE as ROUTES
from mgmr_lib.course.authoring.routes import plans
from mgmr_lib.course.authoring.source import LEARNER, SOLUTION
from mgmr_lib.course.slides import markup
from mgmr_lib.course.slides.deck_page import STATIC, deck_page
from mgmr_lib.course.slides.handout import handout, solutions
from mgmr_lib.course.slides.reading import Notebook, read_notebook
from mgmr_lib.course.slides.rooms import shown
from mgmr_lib.errors import CourseError
from mgmr_lib.files import make_folder, write_text
from mgmr_lib.paths import REPOSITORY, absolute

FILE = "decks.yml"


def write(out: Path, numbers: list[str] | None = None, root: Path = REPOSITORY) -> Path:
    """Write all to the folder `out` and return the page that lists them. numbers: only these notebooks (None: all).

    Errors: CourseError where a tool is missing, a notebook is not built, or notebooks/src/decks.yml names one without
    a minute plan.
    """
    lacking = [name for name in markup.TOOLS if importlib.util.find_spec(name) is None]
    if lacking:
        raise CourseError(f"slides need {', '.join(lacking)}: run `python course.py slides`, which installs them")
    built = sorted((root / LEARNER).glob("[0-9][0-9]_*.ipynb"))
    files = [p for p in built if numbers is None or p.name[:2] in numbers]
    if unknown := sorted(set(numbers or ()) - {p.name[:2] for p in files}):
        raise CourseError(f"there is no built notebook {', '.join(unknown)} in {root / LEARNER}")
    notebooks = {p.name[:2]: read_notebook(p, root / SOLUTION / p.name) for p in files}
    out, made = make_folder(absolute(out)), dict(_decks(notebooks, root))
    for path in files:
        notebook = notebooks[path.name[:2]]
        made[f"handout_{path.stem}.html"] = (notebook, handout(notebook))
        made[f"solutions_{path.stem}.html"] = (notebook, solutions(notebook))
    for name, (_, text) in made.items():
        write_text(out / name, text)
    write_text(out / "index.html", _list(made))
    return out / "index.html"


def _decks(notebooks: dict[str, Notebook], root: Path):
    """(file name, (title, HTML)) of each deck, with those of its notebooks that are there."""
    known, routes = plans(root), load_yaml(ROUTES, root)
    for k, (title, deck) in enumerate(load_yaml(FILE, root).items(), 1):
        where = f"notebooks/src/{FILE}, {title}"
        if set(deck) != {"for", "notebooks"}:
            raise CourseError(f"{where}: a deck has the fields `for` and `notebooks`, not {sorted(deck)}")
        if strange := sorted(set(deck["notebooks"]) - known.keys()):
            raise CourseError(f"{where}: there is no plan for notebook {strange[0]}")
        here = [notebooks[n] for n in deck["notebooks"] if n in notebooks]
        chapters = [(notebook, shown(notebook, known[notebook.number], routes)) for notebook in here]
        if chapters:
            name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
            yield f"deck_{k}_{name}.html", (title, deck_page(title, deck["for"], chapters))


def _list(made: dict) -> str:
    decks = "".join(
        f'<li><a href="{name}">{html.escape(title)}</a></li>'
        for name, (title, _) in made.items()
        if name.startswith("deck")
    )
    sheets = "".join(
        f'<li><a href="{name}">{notebook.number} · {html.escape(notebook.title)}</a> '
        f'(<a href="{name.replace("handout", "solutions", 1)}">solutions</a>)</li>'
        for name, (notebook, _) in made.items()
        if name.startswith("handout")
    )
    body = (
        "<h1>Slides and hand-outs</h1>\n<p>Made from the notebooks. A deck needs nothing but its file; arrow keys turn "
        "its slides, and printing gives one slide a page. Hand-outs are for A4.</p>\n"
        f"<h2>Decks</h2>\n<ul>{decks}</ul>\n"
        f"<h2>Hand-outs</h2>\n<ul>{sheets}</ul>"
    )
    return markup.page("Slides and hand-outs", (STATIC / "handout.css").read_text(encoding="utf-8"), body)
