"""A deck as one file: title, contents with the teacher's routes to choose from, and the slides of its notebooks."""

import html
import re
from pathlib import Path

from mgmr_lib.course.slides import markup
from mgmr_lib.course.slides.deck import Slide, slides
from mgmr_lib.course.slides.reading import Notebook

STATIC = Path(__file__).with_name("static")
KEYS = (
    "→ next, also what a bet hides · ← back · Home, End · C this page · printing: one slide a page, bets still hidden"
)
CONTROLS = """<nav id="controls" aria-label="Slides">
<button id="back" aria-label="Slide before">←</button>
<span id="where" role="status"></span>
<button id="next" aria-label="Next slide">→</button>
</nav>"""


def deck_page(title: str, about: str, chapters: list[tuple[Notebook, dict[int, list[str]]]]) -> str:
    """HTML of a deck. chapters: a notebook, and for each section that is shown the routes that show it."""
    made = [_slide("title", "first", "", f'<h1>{html.escape(title)}</h1><p class="claim">{html.escape(about)}</p>')]
    made.append(_slide("contents", "contents", "", _contents(chapters)))
    for notebook, shown in chapters:
        in_routes = list(dict.fromkeys(name for names in shown.values() for name in names))
        for k, (section, slide) in enumerate(slides(notebook, shown)):
            routes = in_routes if section is None else shown[section]
            footer = f"{notebook.number} · {notebook.title}" if k else ""
            made.append(_slide(slide.kind, f"s{notebook.number}-{k}", footer, _inside(slide), routes))
    style = (STATIC / "deck.css").read_text(encoding="utf-8")
    script = (STATIC / "deck.js").read_text(encoding="utf-8")
    return markup.page(title, style, "\n".join(["<main>", *made, "</main>", CONTROLS]), script)


def _inside(slide: Slide) -> str:
    title = re.sub(r" (\([^()]*minutes\))$", r" <small>\1</small>", markup.inline(slide.title))
    return f'<h2>{title}</h2><div class="body">{"".join(slide.parts)}</div>'


def _slide(kind: str, name: str, footer: str, inside: str, routes: list[str] | None = None) -> str:
    shown_in = "" if routes is None else f' data-routes="{" ".join(map(_word, routes))}"'
    below = f'<p class="footer">{html.escape(footer)}</p>' if footer else ""
    return f'<section class="slide" data-kind="{kind}" id="{name}"{shown_in}>{inside}{below}</section>'


def _word(route: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", route.lower())


def _contents(chapters: list[tuple[Notebook, dict[int, list[str]]]]) -> str:
    routes = list(dict.fromkeys(name for _, shown in chapters for names in shown.values() for name in names))
    rows = "".join(
        f'<li><a href="#s{n.number}-0">{n.number} · {html.escape(n.title)}</a></li>' for n, shown in chapters if shown
    )
    choices = "".join(
        f'<label><input type="radio" name="route" value="{_word(name)}"> {html.escape(name)}</label>' for name in routes
    )
    chosen = '<label><input type="radio" name="route" value="" checked> all slides</label>'
    route = f"<fieldset><legend>Show what fits</legend>{chosen}{choices}</fieldset>" if routes else ""
    return f'<h2>Contents</h2><div class="body"><ul>{rows}</ul>{route}<p class="keys">{KEYS}</p></div>'
