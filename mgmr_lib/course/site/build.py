"""Gather the site's pages in a temporary folder and let Sphinx make them, where every warning is an error."""

import importlib.util
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from mgmr_lib.course import frames
from mgmr_lib.course.authoring import build as notebooks
from mgmr_lib.course.authoring import pages
from mgmr_lib.course.authoring.source import LEARNER, PARTS, SOLUTION, Source, read_sources
from mgmr_lib.course.site.links import Links, as_hover
from mgmr_lib.course.site.notebooks import frames_folder, site_notebook
from mgmr_lib.course.slides import build as slides
from mgmr_lib.errors import CourseError
from mgmr_lib.files import cannot_write, make_folder, write_text
from mgmr_lib.paths import REPOSITORY, absolute
from mgmr_lib.setup.cloud import binder_address, colab_address, on_github, repository_address, with_first_cell

TOOLS = ("sphinx", "myst_nb", "furo", "latex2mathml")  # of the extra [dev]
TEXTS = {  # file of the repository -> document of the site
    "README.md": "index.md",
    "FAQ.md": "faq.md",
    f"{LEARNER}/glossary.md": "glossary.md",
    f"{LEARNER}/bibliography.md": "bibliography.md",
    "data/README.md": "data.md",
    f"{SOLUTION}/instructor/README.md": "teachers.md",
    "CHANGELOG.md": "changelog.md",
}
SLIDES = '\n\n<p class="course-ways"><a href="slides/index.html">Slide decks and hand-outs</a></p>\n'

SETTINGS = {
    "project": "Mamba and robust multimodal learning",
    "html_title": "Mamba and robust multimodal learning",
    "extensions": ["myst_nb", "mgmr_lib.course.site.extension"],
    "html_theme": "furo",
    "html_math_renderer": "mathml",
    "html_static_path": [str(Path(__file__).with_name("static"))],
    "html_css_files": ["course.css"],
    "html_js_files": ["bets.js", "frames.js", "reach.js"],
    "html_copy_source": False,
    "html_show_sphinx": False,
    "html_show_search_summary": False,  # it would fetch pages, which browsers refuse without a server
    "html_extra_path": ["extra"],
    "exclude_patterns": ["extra"],
    "nb_execution_mode": "off",
    "nb_render_markdown_format": "myst",
    "nb_ipywidgets_js": {},
    "myst_enable_extensions": ["dollarmath"],
    "myst_heading_anchors": 3,
}


def build(out: Path, numbers: list[str] | None = None, root: Path = REPOSITORY) -> Path:
    """Make the site of all notebooks (or of `numbers`) in the folder `out`; returns its first page.

    Errors: CourseError where the tools are missing, a notebook is not built, or Sphinx warns of something.
    """
    lacking = [name for name in TOOLS if importlib.util.find_spec(name) is None]
    if lacking:
        raise CourseError(f"the site needs {', '.join(lacking)}: run `python course.py site`, which installs them")
    sources = read_sources(root)
    if unknown := sorted(set(numbers or ()) - set(sources)):
        raise CourseError(f"there is no notebook {', '.join(unknown)}: there are {', '.join(sources)}")
    out = make_folder(absolute(out))
    if any(out.iterdir()) and not (out / "searchindex.js").exists():
        raise CourseError(f"{out} holds something else than a site: choose an empty folder with --out")
    with tempfile.TemporaryDirectory(prefix="mgmr-site-") as made:
        chosen = {n: s for n, s in sources.items() if n in (numbers or sources)}
        gather(Path(made) / "pages", chosen, root)
        slides.write(Path(made) / "pages" / "extra" / "slides", list(chosen), root)
        _sphinx(Path(made), Path(made) / "html")
        _replace(out, Path(made) / "html")
    return out / "index.html"


def _replace(out: Path, made: Path) -> None:
    """Put the new site in the old one's place; until it is copied whole, the old one stays."""
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        shutil.copytree(made, part)
        shutil.rmtree(out)
        part.rename(out)
    except OSError as error:
        raise cannot_write(out, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def gather(folder: Path, sources: dict[str, Source], root: Path) -> None:
    """Write all documents of the site, and what they show, to `folder`."""
    glossary, bibliography = pages.load_yaml("glossary.yml", root), pages.load_yaml("bibliography.yml", root)
    explained = {f"term-{pages.anchor(k)}": as_hover(e["text"]) for k, e in glossary.items()}
    explained |= {
        f"ref-{pages.anchor(k)}": as_hover(f"{e['authors']} ({e['year']}). {e['title']}.")
        for k, e in bibliography.items()
    }
    texts = {name: page for name, page in TEXTS.items() if (root / name).exists()}
    known = texts | {f"{LEARNER}/{s.meta.file_name}": s.meta.file_name for s in sources.values()}
    links = Links(known, explained, repository_address(root))
    for name, page in texts.items():
        text = pages.without_links((root / name).read_text(encoding="utf-8"))
        _write_text_page(folder, name, page, text, links, root)
    write_text(folder / "index.md", (folder / "index.md").read_text(encoding="utf-8") + _contents(sources, texts))
    for source in sources.values():
        _write_notebook(folder, source, links, root)


def _write_text_page(folder: Path, name: str, page: str, text: str, links: Links, root: Path) -> None:
    kind = {"glossary.md": "term", "bibliography.md": "ref"}.get(page)
    if kind:
        text = re.sub(r'<a id="([a-z0-9-]+)"></a>', rf"({kind}-\1)=", text)
    where = os.path.dirname(name)
    for picture in re.findall(r"!\[[^\]]*\]\(([^():]+)\)", text):
        file = folder / where / picture
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / where / picture, file)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / page, links.rewrite(text, where) + (SLIDES if page == "teachers.md" else ""))


def _contents(sources: dict[str, Source], texts: dict[str, str]) -> str:
    """The hidden tables of contents, one for each part: what the theme shows beside each page."""
    lines = []
    for _, _, part in PARTS:
        inside = [s.meta.file_name.removesuffix(".ipynb") for s in sources.values() if s.meta.part == part]
        lines += _tree(part, inside) if inside else []
    return "\n".join([*lines, *_tree("To look up", [p.removesuffix(".md") for p in texts.values() if p != "index.md"])])


def _tree(caption: str, documents: list[str]) -> list[str]:
    return ["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *documents, "```", ""]


def _write_notebook(folder: Path, source: Source, links: Links, root: Path) -> None:
    import nbformat

    name = source.meta.file_name
    editions = [root / edition / name for edition in (LEARNER, SOLUTION)]
    if missing := [p for p in editions if not p.exists()]:
        raise CourseError(f"{missing[0]} is missing: run `python -m mgmr_lib.course build {source.meta.number}`")
    learner, solution = (nbformat.read(p, as_version=4) for p in editions)
    number, drawn = source.meta.number, notebooks.frames_folder(source.meta.number, root)
    moving = frames.stored(drawn, *notebooks.code_of(learner))
    made, pictures = site_notebook(learner, solution, links, _ways_to_open(name, links.repository), moving)
    write_text(folder / name, nbformat.writes(made))
    figures, downloads = folder / "extra" / "figures", folder / "extra" / "downloads"
    for place in (figures, downloads, downloads / SOLUTION):
        place.mkdir(parents=True, exist_ok=True)
    for file, picture in pictures.items():
        (figures / file).write_bytes(picture)
    if moving:
        shutil.copytree(drawn, folder / "extra" / frames_folder(number), ignore=shutil.ignore_patterns("*.json"))
    for edition, place in zip(editions, (downloads, downloads / SOLUTION), strict=True):
        download = json.loads(edition.read_text(encoding="utf-8"))
        if links.repository:
            download = with_first_cell(download, links.repository)
        write_text(place / name, json.dumps(download, indent=1, ensure_ascii=False) + "\n")


def _ways_to_open(name: str, repository: str | None) -> str:
    """A line of links. Where the repository's address is known, a download fetches the course in Colab and Kaggle;
    straight to Colab and to Binder only where that is on GitHub."""
    elsewhere = " (for Colab and Kaggle, too)" if repository else ""
    ways = [
        f'<a href="downloads/{name}" download>Download the notebook{elsewhere}</a>',
        f'<a href="downloads/{SOLUTION}/{name}" download>its solution</a>',
    ]
    if found := on_github(repository):
        ways.append(f'<a href="{colab_address(*found, name)}">open in Colab</a>')
        ways.append(f'<a href="{binder_address(*found, f"{LEARNER}/{name}")}">open in Binder</a>')
    return f'<p class="course-ways">{" · ".join(ways)}</p>'


def _sphinx(made: Path, html: Path) -> None:
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError

    try:
        app = Sphinx(
            made / "pages", None, html, made / "doctrees", "html", confoverrides=SETTINGS, status=None,
            warningiserror=True,
        )  # fmt: skip
        app.build()
    except SphinxError as error:
        raise CourseError(f"the site was not made: {error}") from error
    if app.statuscode:
        raise CourseError("the site was not made: mend what the warnings above name")
