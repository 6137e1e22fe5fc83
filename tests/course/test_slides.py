"""Decks and hand-outs: what they keep and what they hide, that they follow a notebook, and a talk in a browser."""

import functools
import html
import re
from html.parser import HTMLParser

import nbformat
import pytest

from mgmr_lib.course.authoring.pages import load_yaml
from mgmr_lib.course.authoring.routes import Plan, plans
from mgmr_lib.course.authoring.source import LEARNER, REGION, SOLUTION
from mgmr_lib.course.bets import Question, _asked_in_words
from mgmr_lib.course.slides import build, deck, markup, rooms, wording
from mgmr_lib.course.slides.reading import Block, Notebook, Section, read_notebook
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY
from tests.course.test_browser import BROWSER, FLAGS

needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium or Chrome on the PATH: `apt-get install chromium` brings one"
)
MOST_BYTES = 4_000_000  # of one file that holds all pictures of half a day
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("The state fades fast. Two follows. Three too.", [0]),
        ("It is 0.5, e.g. here, by Eq. 3 of $a. B$ [Gu et al. 2023](b.md). Two follows.", [0]),
        ("The state fades fast. Two **counts**. Three too.", [0, 1]),
        ("(One stands in *brackets.*) Two follows it here.", [0]),
        ("Why is it so? Because of the pole. And so on.", [0, 1]),
        ("Not at all. It stays where it was. And so on.", [0, 1]),
        ("The state fades fast. $h_t$ is small now. It follows:", [0, 2]),
        ("Why?", [0]),
    ],
)
def test_a_slide_keeps_whole_sentences_of_a_paragraph(text, kept):
    every = wording.sentences(text)
    assert " ".join(every) == text
    assert wording.reduced(text, leads=True) == [every[k] for k in kept]


def test_a_note_keeps_its_name_and_what_it_says():
    assert wording.reduced_note("**Card: ours.** It is so. Why.") == ["**Card: ours.**", "It is so."]
    assert wording.reduced_note("It is so. Why.") == ["It is so."]


@pytest.mark.parametrize("most", [1, 4, 6, 99])
def test_the_first_paragraph_is_cut_between_sentences(most):
    text = "One two. Three four. Five six."
    kept = " ".join(wording.opening(text, most))
    assert text.startswith(kept) and kept.endswith(".") and (wording.words(kept) <= max(most, 2))
    assert len(kept) == {1: 8, 4: 20, 6: 30, 99: 30}[most]


ABOUT = Notebook(
    "01",
    "x",
    sections=[
        Section("A clap"),
        Section("1 State", [Block("exercise", "", title="Exercise 01.1 · step")]),
        Section("2 Length", [Block("exercise", "", title="Exercise 01.12 · pole")]),
        Section("3 Memory"),
        Section("4 Left to the reader"),
        Section("5 Summary"),
    ],
)


def test_a_row_of_a_plan_leads_to_its_sections():
    rows = ["A clap", "Hands up", "1 and 3 In words", "Pole, exercise 01.12", "Again", "14 of 15, exercise 01.1"]
    plan = Plan(dict.fromkeys([*rows, "Summary"], 5), 10)
    assert list(rooms.sections_of_rows(plan, ABOUT).values()) == [[0], [0], [1, 3], [2], [2], [1], [5]]


def test_a_section_knows_its_routes_and_what_no_plan_shows_is_left_out():
    plan = Plan({"A clap": 5, "1 State": 5, "3 Memory": 5}, 10)
    visit = {"sessions": [{"blocks": [{"pause": 5}, {"notebook": "01", "rows": ["A clap", "3 Memory"]}]}]}
    shown = rooms.shown(ABOUT, plan, {"short": visit, "long": {"sessions": [{"blocks": [{"notebook": "01"}]}]}})
    assert shown == {0: ["short", "long"], 1: ["long"], 3: ["short", "long"], 5: ["short", "long"]}


def test_code_is_shown_where_it_says_something():
    define = "import torch\n\n\ndef f(x):\n    return x\n\n\nassert f(1) == 1\nsay('one')"
    assert deck.telling(define, prints=False) == "def f(x):\n    return x"
    assert deck.telling("y = f(1)\nprint(y)", prints=True) == "y = f(1)\nprint(y)"
    assert deck.telling("y = f(1)", prints=False) == "" == deck.telling("%time f()", prints=True)
    assert deck.telling("\n".join(["def f():"] + ["    pass"] * deck.MOST_CODE), prints=True) == ""


def test_a_long_table_goes_on_on_the_next_slide():
    rows = ["| " + "word " * 30 + "|", *["| a |"] * 20]
    parts = deck.in_parts(rows)
    assert [row for part in parts for row in part] == rows and all(parts)
    assert len(parts[0]) < len(parts[1]) == deck.MOST_ROWS


def output(**data):
    kinds = {"png": "image/png", "md": "text/markdown", "plain": "text/plain"}
    return nbformat.v4.new_output("display_data", {kinds[k]: v for k, v in data.items()})


def edition(answer, title="1 A state", caption="Figure: It falls <fast>, and stays low for ever after that moment."):
    """A small notebook with one thing of each kind; answer: what stands in the exercise's function."""
    asked = _asked_in_words(Question("01.a", "How much is < left?", ("nothing", "a tenth <or so>")))
    md, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    made = nbformat.v4.new_notebook(metadata={"mgmr": {"title": "A memory", "number": "01"}})
    made.cells = [
        md("# 01 · A memory\n\n**It was a tenth.**\n\nAfter this notebook we can:\n\n- run it"),
        md("## A clap\nWe hear one clap.\n\n**Predict, then run:** how much is it?"),
        code('predict("01.a", ...)', outputs=[output(plain=asked)]),
        code(
            "x = 1\n" * 5 + "print(x)", outputs=[nbformat.v4.new_output("stream", name="stdout", text="0.12 of it\n")]
        ),
        code(
            'outcome("01.a", 0.12)',
            outputs=[output(plain="01.a  The outcome: a tenth <or so>.\n      Decays have no end.")],
        ),
        md(f"## {title}\nThe state follows. So:\n\n$$h_t = a\\,h_{{t-1}}$$\n\nIt stays."),
        md("| symbol | what | shape |\n|---|---|---|\n| $h$ | state | number |"),
        md("| result | points |\n|---|---|\n| a | 77 |"),
        code("import torch\ndraw(torch)", outputs=[output(png=PIXEL, plain=caption), output(md=f"*{caption}*")]),
        md("Every state falls in the end. Nobody reads this."),
        md("### Exercise 01.1 · find the bug (easy, 8 minutes)\nReturn the new `state`."),
        code("def colleagues(h):\n    return h"),
        code(f'@exercise("01.1")\ndef step(h):\n    """One step."""\n    {answer}'),
        code('check("01.1", step)', outputs=[output(plain="01.1  not attempted yet")]),
        md("## 2 For home\nNot shown."),
        md("## Notation\n\n| term | symbol | shape | in words |\n|---|---|---|---|\n| state | $h$ | | what is kept |"),
    ]
    return made


@pytest.fixture
def course(tmp_path):
    """A repository with one small notebook, its plan, a route and a deck."""
    files = {
        "notebooks/src/decks.yml": 'Of memories:\n  for: "All."\n  notebooks: ["01"]\n',
        "notebooks/src/routes.yml": "brief:\n  for: x\n  sessions:\n    - minutes: 5\n      blocks:\n"
        '        - {notebook: "01", rows: ["A clap"]}\n',
        "solutions/instructor/01_x.md": "10 minutes with everything, 5 with the cuts\n| 0-5 | A clap | x |\n"
        "| 5-10 | 1 State, exercise 01.1 | y |\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    store(tmp_path)
    return tmp_path


def store(root, **changes):
    nbformat.write(edition("raise NotImplementedError  # your code here", **changes), root / LEARNER / "01_x.ipynb")
    nbformat.write(edition("return 0.9 * h", **changes), root / SOLUTION / "01_x.ipynb")


class Page(HTMLParser):
    """What a page loads, its pictures' alternative texts, and of each slide its kind, heading and body."""

    def __init__(self, text):
        super().__init__()
        self.text, self.loads, self.alts, self.slides, self.inside = text, [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.loads += [found[k] for k in ("src", "srcset", "data", "poster", "background") if found.get(k)]
        self.loads += [found["href"]] if tag in ("link", "base", "image", "use") else []
        if tag == "img":
            self.alts.append(found.get("alt", ""))
        if "slide" in found.get("class", "").split():
            self.slides.append({"id": found["id"], "kind": found["data-kind"], "h2": "", "body": ""})
        if tag in ("h1", "h2") or found.get("class") == "body":
            self.inside = "body" if found.get("class") == "body" else "h2"
        if tag in ("img", "math") and self.slides:
            self.slides[-1][self.inside] += f"<{tag}>"

    def handle_data(self, data):
        if self.slides and self.inside:
            self.slides[-1][self.inside] += data.strip()


def deck_of(root):
    build.write(root / "out", root=root)
    return Page((root / "out" / "deck_1_of-memories.html").read_text(encoding="utf-8"))


def test_a_deck_has_one_slide_for_each_thing(course):
    page = deck_of(course)
    assert [s["kind"] for s in page.slides] == [
        "title", "contents", "opening", "section", "bet", "equation", "table", "figure", "exercise", "code",
    ]  # fmt: skip
    assert [s["id"] for s in page.slides[2:]] == [f"s01-{k}" for k in range(8)]
    by_kind = {s["kind"]: s for s in page.slides}
    assert by_kind["equation"]["h2"] == "1 A state" and "The state follows." in by_kind["equation"]["body"]
    assert "Nobody reads this" not in page.text and "For home" not in page.text and "0.9 * h" not in page.text
    assert "Exercise 01.1" in by_kind["exercise"]["h2"] and "def step(h)" in re.sub("<[^>]*>", "", page.text)
    assert page.alts == ["It falls <fast>, and stays low for ever after that moment."]
    assert re.findall(r'data-kind="(\w+)" id="[^"]+" data-routes="brief"', page.text) == ["opening", "section", "bet"]


def test_an_outcome_waits_behind_a_key(course):
    text = deck_of(course).text
    hidden = re.search(r'<div class="outcome" hidden>(.*?)</div>', text, re.S)
    assert "a tenth &lt;or so&gt;.</strong> Decays have no end." in hidden[1] and "0.12 of it" in hidden[1]
    rest = text.replace(hidden[0], "")
    assert "Decays" not in rest and "0.12" not in rest and "How much is &lt; left?" in rest


def test_a_hand_out_tells_neither_answers_nor_outcomes_and_its_solutions_do(course):
    build.write(course / "out", root=course)
    plain = {
        name: re.sub(r"<[^>]*>", "", (course / "out" / f"{name}_01_x.html").read_text(encoding="utf-8"))
        for name in ("handout", "solutions")
    }
    for told in ("Decays have no end", "0.9", "0.12", "It was a tenth", "77"):
        assert told not in plain["handout"]
    for asked in (
        "run it",
        "How much is &lt; left?",
        "a tenth &lt;or so&gt;",
        "find the bug",
        "def colleagues(h)",
        "what is kept",
    ):
        assert asked in plain["handout"]
    assert "Decays have no end" in plain["solutions"] and "return 0.9 * h" in plain["solutions"]


def test_a_deck_follows_its_notebook(course):
    deck_of(course)
    store(course, title="1 Something new", caption="Figure: It rises in small steps and then a large one follows them.")
    page = deck_of(course)
    assert "1 Something new" in [s["h2"] for s in page.slides] and "1 A state" not in page.text
    assert page.alts == ["It rises in small steps and then a large one follows them."]


def without_solution(root):
    (root / SOLUTION / "01_x.ipynb").unlink()


def without_outputs(root):
    notebook = nbformat.read(root / LEARNER / "01_x.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    nbformat.write(notebook, root / LEARNER / "01_x.ipynb")


def with_deck(text):
    return lambda root: (root / "notebooks/src/decks.yml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (without_solution, "01_x.ipynb is missing: run `python -m mgmr_lib.course build 01`"),
        (without_outputs, "a bet of notebook 01 was stored without its question: build the notebook"),
        (with_deck('A:\n  for: x\n  notebooks: ["77"]\n'), "decks.yml, A: there is no plan for notebook 77"),
        (with_deck("A:\n  for: x\n"), "decks.yml, A: a deck has the fields `for` and `notebooks`"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(course, spoil, says):
    spoil(course)
    with pytest.raises(CourseError, match=re.escape(says)):
        build.write(course / "out", root=course)
    assert not (course / "out").exists() or not any((course / "out").iterdir())


def test_a_notebook_that_is_not_there_is_said(course):
    with pytest.raises(CourseError, match="there is no built notebook 98"):
        build.write(course / "out", ["98"], course)


def test_a_missing_tool_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(markup, "TOOLS", ("no_such_tool",))
    with pytest.raises(CourseError, match="slides need no_such_tool: run `python course.py slides`"):
        build.write(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All decks and hand-outs of the course."""
    out = tmp_path_factory.mktemp("slides")
    build.write(out)
    return out


@functools.cache
def notebook(name):
    return read_notebook(REPOSITORY / LEARNER / name, REPOSITORY / SOLUTION / name)


NAMES = sorted(p.name for p in (REPOSITORY / LEARNER).glob("[0-9][0-9]_*.ipynb"))


def test_no_page_asks_another_host_and_all_links_hold(made):
    assert len(list(made.glob("deck_*.html"))) == 3 and len(list(made.glob("handout_*.html"))) == len(NAMES)
    for path in made.iterdir():
        page = Page(path.read_text(encoding="utf-8"))
        assert all(load.startswith("data:image/png;base64,") for load in page.loads), path.name
        style = "".join(re.findall(r"<style>(.*?)</style>", page.text, re.S))
        assert "url(" not in style and "@import" not in style and len(page.text) < MOST_BYTES
        script = "".join(re.findall(r"<script[^>]*>(.*?)</script>", page.text, re.S))
        assert not re.search(r"fetch|XMLHttp|https?:|import\b", script)
        ids = set(re.findall(r' id="([^"]+)"', page.text))
        for link in re.findall(r'<a [^>]*href="([^"]+)"', page.text):
            assert link[1:] in ids if link.startswith("#") else (made / link).is_file(), f"{path.name}: {link}"


def test_every_slide_says_something_and_every_figure_is_described(made):
    pictures = 0
    for path in made.glob("deck_*.html"):
        page = Page(path.read_text(encoding="utf-8"))
        assert len(page.slides) > 100 and len({s["id"] for s in page.slides}) == len(page.slides)
        for slide in page.slides:
            assert slide["h2"] and (slide["body"] or slide["kind"] in ("title", "section")), slide["id"]
        assert all(len(alt.split()) >= 5 for alt in page.alts)
        pictures += len(page.alts)
    known = plans()
    chapters = [notebook(name) for name in NAMES if name[:2] not in ("25", "26", "27")]
    shown = [n.sections[k] for n in chapters for k in rooms.shown(n, known[n.number], {})]
    assert pictures == sum(b.kind == "figure" for s in shown for b in s.blocks) > 100


@pytest.mark.parametrize("name", NAMES)
def test_no_hand_out_of_the_course_tells_an_answer_or_an_outcome(name, made):
    stem = name.removesuffix(".ipynb")
    text = (made / f"handout_{stem}.html").read_text(encoding="utf-8")
    told = unescaped(text)
    source = (REPOSITORY / "notebooks" / "src" / f"{stem}.py").read_text(encoding="utf-8")
    open_code = "\n".join(c.source for c in nbformat.read(REPOSITORY / LEARNER / name, as_version=4).cells)
    answers = [line.strip() for m in REGION.finditer(source) for line in m[2].splitlines()]
    secret = [line for line in answers if len(line) > 12 and line not in open_code]
    assert [line for line in secret if line in told] == []
    for truth, because in notebook(name).outcomes.values():
        assert because not in told and f"outcome: {truth}" not in told
    asked = [b for s in notebook(name).sections for b in s.blocks if b.kind in ("bet", "exercise")]
    assert text.count('class="bet"') + text.count('class="exercise"') == len(asked) > 0
    solved = unescaped((made / f"solutions_{stem}.html").read_text(encoding="utf-8"))
    assert all(line in solved for line in secret)


def unescaped(page):
    return html.unescape(re.sub(r"<[^>]*>", "", page))


def test_a_route_shows_what_its_rows_name():
    first = notebook("01_recurrence.ipynb")
    shown = rooms.shown(first, plans()["01"], load_yaml("routes.yml"))
    half = [first.sections[k].title for k, routes in shown.items() if "half a day" in routes]
    assert half == ["A clap, then silence", "1 One number that remembers", "2 How long does it remember?", "7 Summary"]


@pytest.fixture
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as p:
        started = p.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield started
        started.close()


def opened(browser, path):
    """The page, and a list of what went wrong or left the machine."""
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.set_default_timeout(120_000)
    faults = []
    page.on("pageerror", lambda e: faults.append(str(e)))
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: faults.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
    page.goto(path.as_uri())
    return page, faults


def now(page):
    return page.evaluate("[...document.querySelectorAll('.slide.now')].map(s => s.id).join()")


@pytest.mark.slow
@needs_browser
def test_a_teacher_turns_the_slides_with_the_keyboard(course, browser):
    deck_of(course)
    page, faults = opened(browser, course / "out" / "deck_1_of-memories.html")
    where, lesson = page.locator("#where"), page.get_by_text("Decays have no end")
    assert now(page) == "first" and where.inner_text() == "1 / 10"
    for key, slide in [
        ("ArrowRight", "contents"),
        ("ArrowLeft", "first"),
        ("PageDown", "contents"),
        ("ArrowDown", "s01-0"),
    ]:
        page.keyboard.press(key)
        assert now(page) == slide
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert now(page) == "s01-2" and page.get_by_text("How much is < left?").is_visible() and not lesson.is_visible()
    page.keyboard.press("ArrowRight")
    assert now(page) == "s01-2" and lesson.is_visible(), "the key shows the outcome before it turns the slide"
    page.keyboard.press("ArrowRight")
    assert now(page) == "s01-3" and page.locator("#s01-3 math").first.is_visible() and not lesson.is_visible()
    page.keyboard.press("End")
    assert where.inner_text() == "10 / 10"
    page.keyboard.press("c")
    page.get_by_label("brief").check()
    assert where.inner_text() == "2 / 5" and now(page) == "contents"
    page.keyboard.press("End")
    assert now(page) == "s01-2"
    page.get_by_role("button", name="Slide before").click()
    assert now(page) == "s01-1"
    page.reload()
    assert now(page) == "s01-1" and faults == []
    assert sizes(page) == [(968, 544)] * 10, "one slide a page"


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("deck_number", [1, 2, 3])
def test_every_slide_of_the_course_fits(deck_number, made, browser):
    (path,) = made.glob(f"deck_{deck_number}_*.html")
    page, faults = opened(browser, path)
    page.evaluate("window.dispatchEvent(new Event('beforeprint')); document.querySelector('.now').className = 'slide'")
    tight = page.evaluate("""() => [...document.querySelectorAll('.slide')].filter(slide => {
        const body = slide.querySelector('.body');
        document.querySelectorAll('.now').forEach(other => other.classList.remove('now'));
        slide.classList.add('now');
        if (!slide.clientHeight) return true;
        if (!body) return false;
        const small = parseFloat(body.style.getPropertyValue('--fit') || 1) < 0.6;
        const picture = slide.querySelector('img');
        return small || body.scrollHeight > body.clientHeight + 5 || body.scrollWidth > body.clientWidth + 5
            || (picture && picture.clientHeight < 200);
    }).map(slide => slide.id)""")
    assert tight == [] and faults == []


def sizes(page):
    """(width, height) in points of each printed page."""
    printed = page.pdf(prefer_css_page_size=True)
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
    return [(round(float(w)), round(float(h))) for w, h in boxes]


@pytest.mark.slow
@needs_browser
def test_a_hand_out_prints_on_a4_and_nothing_is_too_wide(made, browser):
    by_size = sorted(made.glob("handout_*.html"), key=lambda p: p.stat().st_size)
    for path in by_size:
        page, faults = opened(browser, path)
        if path in (by_size[0], by_size[-1]):
            printed = sizes(page)
            assert 1 <= len(printed) <= 12 and set(printed) == {(595, 842)}, path.name
        page.set_viewport_size({"width": 672, "height": 1000})  # as wide as the text on A4
        page.emulate_media(media="print")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path.name
        assert faults == []
        page.close()
