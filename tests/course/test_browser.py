"""What a learner does, in a real JupyterLab in a real browser: bet, solve, ask for help, read the solution, explore."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request

import nbformat
import pytest

from mgmr_lib.course import working_copies
from mgmr_lib.course.authoring.source import SOLUTION, read_sources
from mgmr_lib.paths import REPOSITORY

BROWSER = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome")) if p), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RUN_TIMEOUT = 120_000  # milliseconds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        BROWSER is None, reason="no Chromium or Chrome on the PATH: `apt-get install chromium` brings one"
    ),
]


def codes(edition, file):
    return [c.source for c in nbformat.read(REPOSITORY / edition / file, as_version=4).cells if c.cell_type == "code"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def running_lab(root):
    """A JupyterLab on fresh working copies in the folder `root`; gives its address and the learner's folder."""
    learner = root / "learner"
    working_copies.prepare(REPOSITORY, learner)
    env = working_copies.lab_environment(learner) | {
        "JUPYTER_CONFIG_DIR": str(root / "config"),
        "JUPYTER_RUNTIME_DIR": str(root / "runtime"),
        "MGMR_LEARNER": str(learner),
        "MGMR_PROFILE": "fast",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    tracker = learner / ".jupyter/settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    tracker.parent.mkdir(parents=True)
    tracker.write_text(json.dumps({"windowingMode": "none"}))  # cells outside the window are in the page too
    port = free_port()
    command = working_copies.lab_command(
        "",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--IdentityProvider.token=",
        "--ServerApp.port_retries=0",
        "--LabApp.expose_app_in_browser=True",
        root=learner,
    )
    log = open(root / "server.log", "w")  # noqa: SIM115 - it lives as long as the server
    server = subprocess.Popen(command, cwd=learner, env=os.environ | env, stdout=log, stderr=log)
    try:
        wait_for_server(server, port, root / "server.log")
        yield f"http://127.0.0.1:{port}", learner
    finally:
        server.terminate()
        server.wait(timeout=20)
        log.close()


@pytest.fixture
def lab(tmp_path):
    with running_lab(tmp_path) as made:
        yield made


def wait_for_server(server, port, log, seconds=120):
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status", timeout=2).read()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def page(lab):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=BROWSER, args=FLAGS)
        made = browser.new_page(viewport={"width": 1366, "height": 768})
        made.set_default_timeout(RUN_TIMEOUT)
        faults = []
        made.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        made.on("pageerror", lambda e: faults.append(str(e)))
        yield made
        assert faults == []
        browser.close()


def open_notebook(page, lab, file):
    page.goto(f"{lab[0]}/lab/tree/{file}?reset")
    page.wait_for_function("() => window.jupyterapp && window.jupyterapp.shell")
    page.evaluate(
        """async (file) => {
        const app = window.jupyterapp;
        await app.restored;
        for (let i = 0; i < 300 && app.shell.currentWidget?.context?.path !== file; i++)
            await new Promise(r => setTimeout(r, 100));
        const widget = app.shell.currentWidget;
        await widget.context.ready;
        await widget.sessionContext.ready;
    }""",
        file,
    )


def run_all(page):
    """Run every cell; its end is when the last one has its number."""
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")


def run_above(page, index):
    """Run the cells above the one at `index`."""
    page.evaluate(
        """async (index) => {
        window.jupyterapp.shell.currentWidget.content.activeCellIndex = index;
        await window.jupyterapp.commands.execute('notebook:run-all-above');
    }""",
        index,
    )


def run_cells(page, first, last):
    """Run the cells from `first` to `last`, as a learner does with Shift+Enter."""
    for index in range(first, last + 1):
        page.evaluate(
            """async (index) => {
            window.jupyterapp.shell.currentWidget.content.activeCellIndex = index;
            await window.jupyterapp.commands.execute('notebook:run-cell');
        }""",
            index,
        )


def outputs(page):
    """Text of each code cell's outputs, and whether it ended with an error."""
    return page.evaluate("""() => window.jupyterapp.shell.currentWidget.content.widgets
        .filter(c => c.model.type === 'code')
        .map(c => ({count: c.model.executionCount, text: JSON.stringify(c.model.outputs.toJSON()),
                    failed: c.model.outputs.toJSON().some(o => o.output_type === 'error')}))""")


def cell_index(page, words):
    """Where the cell is whose text holds these words."""
    return page.evaluate(
        """(words) => window.jupyterapp.shell.currentWidget.content.widgets
        .findIndex(c => c.model.sharedModel.getSource().includes(words))""",
        words,
    )


def cell(page, index):
    return page.locator(".jp-NotebookPanel:visible .jp-Notebook .jp-Cell").nth(index)


def answer_with(page, index, code):
    """Type `code` over what stands in a cell."""
    place = cell(page, index)
    place.scroll_into_view_if_needed()
    place.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(code)


def repository_status():
    """What git says of the course's own files; None where there is no git."""
    if not (shutil.which("git") and (REPOSITORY / ".git").exists()):
        return None
    done = subprocess.run(["git", "status", "--porcelain"], cwd=REPOSITORY, capture_output=True, text=True)
    return done.stdout


def test_a_learners_first_lesson(page, lab):
    """One test, so that one JupyterLab and one browser serve it (also where tests are spread over workers)."""
    before, file = repository_status(), read_sources()["01"].meta.file_name
    open_notebook(page, lab, file)
    assert not any(o["count"] or o["text"] != "[]" for o in outputs(page))
    read_titles_in_the_file_list(page, file)
    lose_a_bet(page, lab)
    solve_wrongly_ask_for_help_and_solve(page, lab, file)
    run_all_and_move_a_slider_by_keyboard(page)
    read_the_solution(page, lab, file)
    assert repository_status() == before


def read_titles_in_the_file_list(page, file):
    listed = page.locator(f'.jp-DirListing-item[title*=": {file}"] .jp-DirListing-itemText')
    listed.wait_for()
    shown = listed.evaluate("e => [getComputedStyle(e, '::after').content, e.scrollWidth <= e.clientWidth]")
    assert shown == ['"01 A recurrence is a memory"', True]  # all of it, in the list as wide as it comes


def lose_a_bet(page, lab):
    asked, settled = cell_index(page, 'predict("01.a"'), cell_index(page, 'outcome("01.a"')
    assert "still leave something" not in cell(page, settled).inner_text()  # the lesson is not in sight
    run_above(page, asked + 1)
    panel = cell(page, asked).locator(".course-bet")
    panel.get_by_label("a half").check()
    panel.get_by_label("90 %").check()
    page.wait_for_function("() => document.querySelector('.course-bet-said').innerText.includes('Your bet is kept')")
    run_cells(page, asked + 1, settled)
    expect = "Your bet: a half (90 % sure). The outcome: a tenth."
    cell(page, settled).get_by_text(expect).wait_for()
    assert "still leave something" in cell(page, settled).inner_text()
    assert not panel.get_by_label("nothing").is_enabled()
    kept = json.loads((lab[1] / "bets.json").read_text())
    assert kept == {"01.a": {"bet": "a half", "confidence": 90, "right": False}}


def solve_wrongly_ask_for_help_and_solve(page, lab, file):
    solution = next(c for c in codes(SOLUTION, file) if c.startswith('@exercise("01.1")'))
    task, judged = cell_index(page, '@exercise("01.1")'), cell_index(page, 'check("01.1"')
    answer_with(page, task, '@exercise("01.1")\ndef step(h, x, a, b):\n    return a * h\n')
    run_cells(page, task, judged)
    verdict = cell(page, judged)
    verdict.get_by_text("01.1 not yet").wait_for()
    assert verdict.get_by_role("rowheader", name="your result").is_visible()
    assert not verdict.get_by_text("a share of the old state").is_visible()
    verdict.get_by_text("Hint 1: in words").click()
    assert verdict.get_by_text("a share of the old state").is_visible()
    verdict.get_by_text("The course's solution").click()
    assert "a * h + b * x" in verdict.inner_text()
    answer_with(page, task, '@exercise("01.1")\ndef step(h, x, a, b):\n    return a * h + b x\n')
    run_cells(page, task, judged)
    verdict.get_by_text("cannot read your newest answer").wait_for()
    answer_with(page, task, solution)
    assert "NotImplementedError" not in cell(page, task).inner_text()
    run_cells(page, task, judged)
    verdict.get_by_text("01.1 passed").wait_for()
    assert json.loads((lab[1] / "score.json").read_text())["01.1"] == "passed"


def run_all_and_move_a_slider_by_keyboard(page):
    task = cell_index(page, '@exercise("01.2")')
    answer_with(page, task, '@exercise("01.2")\ndef run(x, a, b, c, d):\n    return [0 for v in x]\n')
    run_all(page)
    ran = outputs(page)
    assert all(o["count"] for o in ran) and not any(o["failed"] for o in ran)
    assert any("waits for 01.2" in o["text"] for o in ran)
    assert page.locator(".jp-OutputArea img:not([alt])").count() == 0

    handle = page.locator(".course-explore .noUi-handle").first
    page.wait_for_function(
        "() => document.querySelector('.course-explore .course-labelled .noUi-handle')?.ariaValueText === '0.9'"
    )
    handle.scroll_into_view_if_needed()
    picture = page.locator("img.course-explore-figure").first
    text, before = picture.get_attribute("alt"), picture.screenshot()
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(old) => document.querySelector('img.course-explore-figure').alt !== old", arg=text)
    page.wait_for_function("() => document.querySelector('img.course-explore-figure').complete")
    assert handle.get_attribute("aria-label") == "radius" and handle.get_attribute("aria-valuetext") == "0.95"
    assert "radius = 0.95" in picture.get_attribute("alt") and picture.screenshot() != before
    box = page.locator(".course-explore").first.bounding_box()
    assert box["height"] < 500, "slider and picture fit on one screen"
    step_through_an_animation(page)


def step_through_an_animation(page):
    frame, old = page.locator("img.course-animation-figure").first, "The drawing at"
    before = frame.get_attribute("alt")
    assert before.startswith(old)
    page.locator(".course-animation .noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(old) => document.querySelector('img.course-animation-figure').alt !== old", arg=before)
    assert frame.get_attribute("alt").startswith(old)


def read_the_solution(page, lab, file):
    score = (lab[1] / "score.json").read_text()
    open_notebook(page, lab, f"solutions/{file.replace('.ipynb', '_SOLUTION.ipynb')}")
    assert "SOLUTION of 01" in cell(page, 0).inner_text()
    run_above(page, cell_index(page, 'check("01.2"') + 1)
    cell(page, cell_index(page, 'check("01.2"')).get_by_text("01.2 passed").wait_for()
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    assert (lab[1] / "score.json").read_text() == score
