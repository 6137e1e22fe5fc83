"""One built notebook as the site shows it.

Left out: what only makes sense for who works in it (checks, the score). Changed: figures become HTML figures, a bet
becomes a form, and the outputs between a bet and its outcome carry the bet's class; a solution is folded below each
exercise.
"""

import base64
import html
import re
from dataclasses import dataclass, field

from mgmr_lib.course.authoring.source import BET
from mgmr_lib.course.figures import natural_size
from mgmr_lib.course.frames import DRAWN
from mgmr_lib.course.site import bets, sliders
from mgmr_lib.course.site.links import Links

LEFT_OUT = re.compile(r"^(check|progress|hint)\([^\n]*\)$")
EXERCISE = re.compile(r"^@exercise\(\"([\d.]+)\"\)", re.MULTILINE)


@dataclass
class Page:
    """A notebook being made: its cells, the files of its figures, the bets whose outcome has not come yet, its
    figures with frames and how many of them were shown."""

    number: str
    links: Links
    cells: list = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)
    open_bets: list[str] = field(default_factory=list)
    frames: list[dict] = field(default_factory=list)
    moving: int = 0


def site_notebook(learner, solution, links: Links, below_title: str = "", frames: list[dict] | None = None):
    """(the notebook for the site, {file name: PNG}). learner, solution: both built editions, cell by cell the same;
    below_title: Markdown that is put below the first cell; frames: of its sliders, as `frames.stored` gives them, where
    the page shall show them."""
    import nbformat

    page = Page(learner.metadata.mgmr.number, links, frames=frames or [])
    for cell, solved in zip(learner.cells, solution.cells, strict=True):
        if cell.cell_type == "markdown":
            page.cells.append(_markdown(links.rewrite(cell.source, "notebooks")))
        elif not LEFT_OUT.match(cell.source.strip()):
            _code(page, cell, solved)
    page.cells.insert(1, _markdown(below_title))
    made = nbformat.v4.new_notebook(cells=page.cells)
    made.metadata.update(kernelspec=learner.metadata.kernelspec, language_info=learner.metadata.language_info)
    return made, page.pictures


def _markdown(text: str):
    import nbformat

    return nbformat.v4.new_markdown_cell(text)


def _code(page: Page, cell, solved) -> None:
    import nbformat

    bet = BET.search(cell.source)
    if bet and bet[1] == "predict":
        asked = bets.asked(_stored(cell, bets.ASKED) or f"nothing in notebook {page.number}")
        page.open_bets.append(asked.id)
        page.cells.append(_markdown(bets.form(asked)))
        return
    tags = [f"bet-{name.replace('.', '-')}" for name in page.open_bets]
    if bet:
        tags.append("remove-input")
        if plain := _stored(cell, bets.SETTLED):
            settled = bets.outcome(plain)[0]
            page.open_bets.remove(settled)
            tags = [f"bet-{settled.replace('.', '-')}", "remove-input"]  # its own bet alone hides it
    outputs = [_output(page, output) for output in _without_captions(cell.outputs)]
    for figure in page.frames[page.moving : page.moving + len(DRAWN.findall(cell.source))]:
        page.moving += 1
        outputs.append(_html(sliders.moving(figure, page.moving, frames_folder(page.number))))
    page.cells.append(nbformat.v4.new_code_cell(cell.source, outputs=outputs, metadata={"tags": tags}))
    for number in EXERCISE.findall(cell.source):
        prompts = {"code_prompt_show": f"A solution of {number}", "code_prompt_hide": f"Fold the solution of {number}"}
        folded = {"tags": ["hide-input"], "mystnb": prompts}
        page.cells.append(nbformat.v4.new_code_cell(solved.source, metadata=folded))


def _stored(cell, kind: re.Pattern) -> str:
    """The text of the cell's output that is of this kind, or ""."""
    texts = (o.get("data", {}).get("text/plain", "") for o in cell.outputs)
    return next(filter(kind.match, texts), "")


def _without_captions(outputs) -> list:
    """The outputs without the caption that is stored below each PNG: the figure carries it."""
    kept = []
    for output in outputs:
        says = output.get("data", {}).get("text/plain")
        if not (kept and "image/png" in kept[-1].get("data", {}) and says == kept[-1]["data"]["text/plain"]):
            kept.append(output)
    return kept


def _output(page: Page, output):
    import nbformat

    data = output.get("data", {})
    if bets.SETTLED.match(data.get("text/plain", "")):
        return _html(bets.outcome(data["text/plain"])[1])
    if "image/png" in data:
        return _html(_figure(page, data))
    if "text/markdown" in data:
        text = page.links.rewrite(data["text/markdown"], "notebooks")
        return nbformat.v4.new_output("display_data", {"text/markdown": text})
    return output


def _html(text: str):
    import nbformat

    return nbformat.v4.new_output("display_data", {"text/html": text})


def frames_folder(number: str) -> str:
    """Where a page finds the frames of its sliders."""
    return f"figures/frames-{number}"


def _figure(page: Page, data) -> str:
    picture = base64.b64decode(data["image/png"])
    caption = html.escape(data["text/plain"].removeprefix("Figure: "))
    name = f"{page.number}-{len(page.pictures) + 1}.png"
    page.pictures[name] = picture
    size = '{width}" height="{height}'.format(**natural_size(picture))
    return (
        f'<figure class="course-figure"><img src="figures/{name}" alt="{caption}" width="{size}" loading="lazy">'
        f"<figcaption>{caption}</figcaption></figure>"
    )
