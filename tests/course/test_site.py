"""The site: what is made of a stored bet and a link; that its pages hold together; what a reader does in a browser."""

import functools
import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import nbformat
import pytest

from mgmr_lib.course.authoring.source import BET, LEARNER, SOLUTION, read_sources
from mgmr_lib.course.bets import Question, _asked_in_words
from mgmr_lib.course.site import bets, build, sliders
from mgmr_lib.course.site.links import Links, as_hover
from mgmr_lib.course.site.notebooks import site_notebook
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY
from tests.course.test_browser import BROWSER, FLAGS

MOST_BYTES = 3_000_000  # of a page with its pictures


SOURCES = functools.cache(read_sources)  # reading them takes seconds


def stored(edition, number):
    (path,) = (REPOSITORY / edition).glob(f"{number}_*.ipynb")
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize(
    "question",
    [
        Question("01.a", "How much: 3 < 4?", ("a <b>", "- both", "none")),
        Question("01.b", "How many?", between=(-3, 3), within=0.5),
        Question("01.c", "What share?", between=(0, 100), within=10, unit="%"),
        Question("01.d", "After how many?", between=(0, 1200), within=60, unit="steps"),
        Question("01.e", "How many times as long?", factor=2, unit="s"),
        Question("01.f", "How far?", within=2, unit="points"),
    ],
    ids=lambda q: q.id,
)
def test_a_stored_bet_says_what_the_question_was(question):
    read = bets.asked(_asked_in_words(question))
    assert (read.id, read.text, read.choices) == (question.id, question.text, question.choices)
    if question.choices:
        return
    assert (read.between and tuple(map(float, read.between))) == question.between
    assert (read.rule, float(read.by)) == (
        ("factor", question.factor) if question.factor > 1 else ("within", question.within)
    )
    assert question.factor > 1 or read.unit == question.unit


def test_every_script_and_style_of_ours_is_in_the_library():
    folder = build.Path(build.SETTINGS["html_static_path"][0])
    named = {*build.SETTINGS["html_js_files"], *build.SETTINGS["html_css_files"]}
    assert named <= {path.name for path in folder.iterdir()}


def test_every_bet_of_the_course_can_be_won():
    """Each is asked and then settled, once, and its outcome is one of the choices, or a number."""
    for path in sorted((REPOSITORY / LEARNER).glob("*.ipynb")):
        waiting = {}
        for cell in stored(LEARNER, path.name[:2]).cells:
            if cell.cell_type == "code" and (bet := BET.search(cell.source)):
                plain = cell.outputs[-1]["data"]["text/plain"]
                if bet[1] == "predict":
                    asked = bets.asked(plain)
                    waiting[asked.id] = asked
                    continue
                name, html = bets.outcome(plain)
                choices, truth = waiting.pop(name).choices, bets.SETTLED.match(plain)["truth"]
                assert f'data-outcome="{name}"' in html
                assert truth in choices if choices else re.match(bets.NUMBER, truth)
        assert waiting == {}, path


def test_a_changed_text_of_a_bet_is_said():
    with pytest.raises(CourseError, match="build the notebook"):
        bets.asked("01.a  What do you bet?")
    with pytest.raises(CourseError, match="build the notebook"):
        bets.outcome("01.a  It is so.")


def test_a_notebook_without_outputs_is_said():
    cleared = stored(LEARNER, "01")
    for cell in cleared.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    with pytest.raises(CourseError, match="nothing in notebook 01.*build the notebook"):
        site_notebook(cleared, stored(SOLUTION, "01"), LINKS)


def test_nothing_of_a_bet_becomes_markup():
    form = bets.form(bets.asked(_asked_in_words(Question("01.a", "<i>?", ('"a" <b>', "c")))))
    assert "<i>" not in form and "<b>" not in form and 'value="&quot;a&quot; &lt;b&gt;"' in form


LINKS = Links(
    {"notebooks/02_b.ipynb": "02_b.ipynb", "notebooks/glossary.md": "glossary.md", "data/README.md": "data.md"},
    {"term-state": "What is kept."},
)


@pytest.mark.parametrize(
    ("folder", "text", "becomes"),
    [
        ("notebooks", "[b](02_b.ipynb)", "[b](02_b.ipynb)"),
        ("", "[b](notebooks/02_b.ipynb#x)", "[b](02_b.ipynb#x)"),
        ("notebooks", "the [state](glossary.md#state).", 'the [state](#term-state "What is kept.").'),
        ("notebooks", "[new](glossary.md#new-term)", "[new](#term-new-term)"),
        ("", "[data](data/README.md)", "[data](data.md)"),
        ("notebooks", "[not on the site](../LICENSE)", "not on the site"),
        ("notebooks", "`a`: [`code` and](../mgmr_lib/a.py), [`b`](02_b.ipynb)", "`a`: `code` and, [`b`](02_b.ipynb)"),
        ("data", "[up](../CONTRIBUTING.md#house)", "up"),
        ("", "[out](https://example.org/a)", "[out](https://example.org/a)"),
        ("", "![figure](a/b.png)", "![figure](a/b.png)"),
        ("", "`a[i](x)` and\n```\n[b](gone.md)\n```\n", "`a[i](x)` and\n```\n[b](gone.md)\n```\n"),
    ],
)
def test_a_link_leads_to_a_page_or_nowhere(folder, text, becomes):
    assert LINKS.rewrite(text, folder) == becomes


def test_every_link_of_the_site_has_its_target(tmp_path, monkeypatch):
    """Without Sphinx, and in what cells printed, too."""
    monkeypatch.delenv("MGMR_REPOSITORY", raising=False)
    build.gather(tmp_path, SOURCES(), REPOSITORY)
    texts = {p: p.read_text(encoding="utf-8") for p in tmp_path.glob("*.md")}
    for path in tmp_path.glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        shown = [c.source for c in cells if c.cell_type == "markdown"]
        shown += [o.data.get("text/markdown", "") for c in cells for o in c.get("outputs", ()) if "data" in o]
        texts[path] = "\n\n".join(shown)
    assert len(texts) > 30
    for path, text in texts.items():
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
        for target in re.findall(r"\]\(([^()\s]+)", prose):
            if not target.startswith(("#", "http")):
                assert (tmp_path / target.partition("#")[0]).exists(), f"{path.name}: {target}"


def test_with_an_address_other_files_lead_to_the_repository():
    links = Links(LINKS.pages, {}, "https://example.org/me/course")
    assert links.rewrite("[L](../LICENSE)", "notebooks") == "[L](https://example.org/me/course/blob/main/LICENSE)"


def test_a_hover_is_plain_text():
    assert as_hover('A "state" $h_t$ of [n](x.md) <numbers>,\n $\\bar A$') == "A 'state' h_t of n &lt;numbers>, A"


@pytest.fixture(scope="module")
def first():
    """Notebook 01 as the site shows it, and its pictures."""
    return site_notebook(stored(LEARNER, "01"), stored(SOLUTION, "01"), LINKS)


def test_outputs_between_a_bet_and_its_outcome_carry_its_name(first):
    cells = first[0].cells
    form = next(i for i, c in enumerate(cells) if 'data-bet="01.a"' in c.source)
    end = next(i for i, c in enumerate(cells) if 'outcome("01.a"' in c.source)
    tagged = [i for i, c in enumerate(cells) if "bet-01-a" in c.metadata.get("tags", [])]
    assert tagged == [i for i in range(form, end + 1) if cells[i].cell_type == "code"] and len(tagged) == 2
    assert "course-outcome" in str(cells[end].outputs)
    assert any("12%" in str(o) for o in cells[tagged[0]].outputs) and "remove-input" in cells[end].metadata.tags


def test_each_exercise_has_its_solution_folded_and_no_check(first):
    cells = first[0].cells
    assert not any(re.match(r"check\(|progress\(", c.source) for c in cells)
    tasks = [i for i, c in enumerate(cells) if "NotImplementedError" in c.source and c.cell_type == "code"]
    assert len(tasks) == 5
    for i in tasks:
        solution = cells[i + 1]
        assert solution.metadata.tags == ["hide-input"] and "NotImplementedError" not in solution.source
    assert "return a * h + b * x" in cells[tasks[0] + 1].source


def test_figures_have_their_caption_once_and_their_size(first):
    made, pictures = first
    before = [o for c in stored(LEARNER, "01").cells for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    shown = [o["data"]["text/html"] for c in made.cells for o in c.get("outputs", []) if "<figure" in str(o)]
    assert len(pictures) == len(shown) == len(before) and all(p.startswith(b"\x89PNG") for p in pictures.values())
    for old, html in zip(before, shown, strict=True):
        assert f'width="{old["metadata"]["image/png"]["width"]}"' in html and 'alt="' in html
    assert "*Figure:" not in str(made.cells)


class Page(HTMLParser):
    """What a page asks for and what can be linked in it."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.ids = set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids |= {found[k] for k in ("id", "name") if found.get(k)}
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        elif found.get("src") or (tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload")):
            self.loads.add(found.get("src") or found["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site of two notebooks."""
    out = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "read_sources", lambda root: SOURCES())
        patch.delenv("MGMR_REPOSITORY", raising=False)
        build.build(out, ["01", "09"])
    return out


def test_all_that_a_page_links_or_loads_is_there(site):
    pages = {p.name: Page(p.read_text(encoding="utf-8")) for p in site.glob("*.html")}
    assert {"index.html", "01_recurrence.html", "09_break_the_data.html", "glossary.html", "faq.html"} <= set(pages)
    for name, page in pages.items():
        for link in page.links:
            target, _, anchor = link.partition("#")
            if "://" in target or target.startswith("mailto:"):
                continue
            assert (site / unquote(target or name)).is_file(), f"{name} links {link}"
            assert not anchor or anchor in pages[target or name].ids, f"{name} links {link}"
        loaded = [load for load in page.loads if not load.startswith("data:")]
        assert not [load for load in loaded if "//" in load], f"{name} asks another host"
        files = [site / load.partition("?")[0] for load in loaded] + [site / name]
        assert sum(f.stat().st_size for f in files) < MOST_BYTES, name


def test_terms_explain_themselves_and_formulas_need_no_script(site):
    text = (site / "01_recurrence.html").read_text(encoding="utf-8")
    assert re.search(r'href="glossary.html#term-state" title="What a recurrence carries', text)
    assert "<math" in text and "MathJax" not in text and "</annotation" not in text
    assert "<summary>" in text and "A solution of 01.1" in text


def test_links_to_where_notebooks_run_need_an_address():
    name = "01_recurrence.ipynb"
    nowhere, elsewhere, github = (
        build._ways_to_open(name, a) for a in (None, "https://example.org/me/course", "https://github.com/me/course")
    )
    assert "Colab" not in nowhere and "Colab" in elsewhere and "Colab" in github
    assert f'/github/me/course/blob/colab/{name}">open in Colab<' in github and "open in" not in nowhere + elsewhere
    assert "Binder" not in nowhere + elsewhere and "gh/me/course/main?" in github


@pytest.mark.parametrize("address", [None, "https://example.org/me/course"])
def test_a_download_fetches_the_course_where_its_address_is_known(address, tmp_path):
    build._write_notebook(tmp_path, read_sources()["01"], Links({}, {}, address), REPOSITORY)
    made = json.loads((tmp_path / "extra" / "downloads" / "01_recurrence.ipynb").read_text(encoding="utf-8"))
    stored = json.loads((REPOSITORY / "notebooks" / "01_recurrence.ipynb").read_text(encoding="utf-8"))
    added = made["cells"][: len(made["cells"]) - len(stored["cells"])]
    assert made["cells"][len(added) :] == stored["cells"] and made["metadata"] == stored["metadata"]
    assert [address in "".join(c["source"]) for c in added] == ([True] if address else [])


SIZE = {"width": 460, "height": 190}
FRAMES = [
    {"names": ["radius", "angle"], "choices": [["0.5", "0.9", "1"], ["0", "15"]], "milliseconds": 0} | SIZE,
    {"names": ["step"], "choices": [["0", "1", "2"]], "milliseconds": 400} | SIZE,
]


def test_sliders_start_in_the_middle_and_players_at_their_first_frame():
    one, two = sliders.moving(FRAMES[0], 1, "figures/frames-01"), sliders.moving(FRAMES[1], 2, "figures/frames-01")
    assert 'src="figures/frames-01/1-1-1.png"' in one and 'alt="The drawing for radius = 0.9, angle = 15"' in one
    assert (
        'width="460"' in one
        and one.count('type="range"') == 2
        and "<button" not in one
        and 'aria-valuetext="0.9"' in one
    )
    assert 'src="figures/frames-01/2-0.png"' in two and '<button type="button">Play' in two
    assert all("hidden" in made.partition(">")[0] for made in (one, two)), "without a script there is nothing to move"


def test_nothing_of_a_choice_becomes_markup():
    figure = {"names": ['<i>"'], "choices": [["<b>", '"']], "milliseconds": 0} | SIZE
    made = sliders.moving(figure, 1, "f")
    assert "<b>" not in made and "<i>" not in made


def test_a_slider_stands_below_its_figure_in_the_order_of_the_calls():
    learner, solution = stored(LEARNER, "01"), stored(SOLUTION, "01")
    made, _ = site_notebook(learner, solution, LINKS, frames=FRAMES)
    found = [c for c in made.cells if "course-frames" in str(c.get("outputs"))]
    assert [re.search(r'data-frames="([^"]+)"', str(c.outputs))[1] for c in found] == [
        "figures/frames-01/1",
        "figures/frames-01/2",
    ]
    assert all("<figure" in str(c.outputs).partition("course-frames")[0] for c in found)


@pytest.mark.parametrize("wrong", ["[gone](#term-that-is-nowhere)", "[gone](gone.md)", "# Twice\n\n### Too deep"])
def test_a_warning_leaves_the_old_site_alone(wrong, tmp_path, monkeypatch):
    (tmp_path / "searchindex.js").write_text("old", encoding="utf-8")

    def gather(folder, *_):
        folder.mkdir()
        (folder / "index.md").write_text(f"# Page\n\n{wrong}\n", encoding="utf-8")

    monkeypatch.setattr(build, "gather", gather)
    monkeypatch.setattr(build, "read_sources", lambda root: {})
    with pytest.raises(CourseError, match="site was not made"):
        build.build(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["searchindex.js"]


def test_a_folder_with_something_else_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "TOOLS", ())
    monkeypatch.setattr(build, "read_sources", lambda root: {})
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(CourseError, match="something else than a site"):
        build.build(tmp_path)
    assert (tmp_path / "mine.txt").exists()


def test_what_is_missing_is_said_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "TOOLS", ("no_such_tool",))
    with pytest.raises(CourseError, match="needs no_such_tool: run `python course.py site`"):
        build.build(tmp_path / "out")
    monkeypatch.setattr(build, "TOOLS", ())
    monkeypatch.setattr(build, "read_sources", lambda root: SOURCES())
    with pytest.raises(CourseError, match="there is no notebook 98"):
        build.build(tmp_path / "out", ["98"])
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on the PATH: `apt-get install chromium` brings one")
@pytest.mark.parametrize("width", [1366, 390])
def test_a_reader_bets_in_a_browser_without_a_server(site, width):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": 800})
        faults, asked = [], []
        page.on("pageerror", lambda e: faults.append(str(e)))
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: asked.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
        page.goto((site / "01_recurrence.html").as_uri())
        bet(page)
        move(page)
        page.goto((site / "09_break_the_data.html").as_uri())
        bet_a_number(page)
        page.goto((site / "search.html").as_uri() + "?q=recurrence")
        page.locator("ul.search li a").first.wait_for()
        assert faults == [] and asked == []
        browser.close()


def fits(page):
    return page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def bet(page):
    lesson, others = page.get_by_text("Twenty factors just below one"), page.get_by_text("not what came out")
    assert not lesson.is_visible() and not page.get_by_text("of the clap is left: one number").last.is_visible()
    assert fits(page)
    page.get_by_label("a half").check()
    assert lesson.is_visible() and others.last.inner_text() == "You bet a half: not what came out. It is a tenth."
    assert not page.get_by_label("a tenth").is_enabled()
    assert not page.get_by_text("The state still fades inside").is_visible()  # the next bet is its own
    page.reload()
    assert page.get_by_text("Twenty factors just below one").is_visible(), "a bet is kept"
    page.locator("form[data-bet='01.b'] + .course-waiting").get_by_role("button").click()
    assert page.get_by_text("The state still fades inside").is_visible()
    page.locator("summary", has_text="A solution of 01.1").click()
    assert page.get_by_text("return a * h + b * x").first.is_visible() and fits(page)


def move(page):
    """A player and two sliders, with keys."""
    player, pole = page.locator(".course-frames").first, page.locator(".course-frames").last
    picture = player.locator("img")
    picture.scroll_into_view_if_needed()
    player.get_by_role("button").click()
    page.wait_for_function("() => document.querySelector('.course-frames input').value === '2'")
    player.get_by_role("button").click()
    stopped = player.locator("input").input_value()
    assert picture.get_attribute("src") == f"figures/frames-01/1-{stopped}.png"
    assert player.get_by_role("button").inner_text() == "Play"
    radius, angle = pole.locator("input").all()
    before = pole.locator("img").get_attribute("src")
    radius.press("End")
    angle.press("Home")
    assert radius.get_attribute("aria-valuetext") == "1.05" == pole.locator("output").first.inner_text()
    picture = pole.locator("img")
    assert picture.get_attribute("alt") == "The drawing for radius = 1.05, angle = 0"
    assert picture.get_attribute("src") != before and fits(page)
    page.wait_for_function("() => [...document.querySelectorAll('.course-frames img')].at(-1).naturalWidth > 0")


def bet_a_number(page):
    form = page.locator("form.course-bet", has=page.locator("input[type=range]")).first
    name, field = form.get_attribute("data-bet"), form.locator("input")
    hidden = page.locator(f"[data-outcome='{name}']")
    truth = re.match(bets.NUMBER, hidden.get_attribute("data-truth"))[0]
    assert not hidden.is_visible()
    field.fill(str(round(float(truth) / float(field.get_attribute("step"))) * float(field.get_attribute("step"))))
    assert form.locator("output").inner_text() == field.input_value()
    form.get_by_role("button").click()
    assert hidden.is_visible() and "right" in hidden.locator(".course-verdict").inner_text()
    assert "right." in form.locator(".course-bet-said").inner_text() and fits(page)
