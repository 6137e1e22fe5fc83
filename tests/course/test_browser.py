"""What a learner does, in a real JupyterLab in a real browser: open, run all, move a slider, solve an exercise."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request

import nbformat
import pytest

from mgmr_lib.course import working_copies
from mgmr_lib.course.authoring.source import LEARNER, SOLUTION, read_sources
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


def with_slider():
    """The first notebook that explores: 00 if it does."""
    explores = re.compile(r"^explore\(", re.MULTILINE)
    return next(
        s.meta.file_name for _, s in sorted(read_sources().items()) if any(explores.search(c.source) for c in s.cells)
    )


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def lab(tmp_path):
    """A JupyterLab on fresh working copies; gives its address and the learner's folder."""
    root = tmp_path
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
        "learner",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--IdentityProvider.token=",
        "--ServerApp.port_retries=0",
        "--LabApp.expose_app_in_browser=True",
        root=root,
    )
    log = open(root / "server.log", "w")  # noqa: SIM115 - it lives as long as the server
    server = subprocess.Popen(command, cwd=root, env=os.environ | env, stdout=log, stderr=log)
    try:
        wait_for_server(server, port, root / "server.log")
        yield f"http://127.0.0.1:{port}", learner
    finally:
        server.terminate()
        server.wait(timeout=20)
        log.close()


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
        made = browser.new_page(viewport={"width": 1300, "height": 900})
        made.set_default_timeout(RUN_TIMEOUT)
        yield made
        browser.close()


def open_notebook(page, lab, file):
    page.goto(f"{lab[0]}/lab/tree/learner/{file}?reset")
    page.wait_for_function("() => window.jupyterapp && window.jupyterapp.shell")
    page.evaluate(
        """async (file) => {
        const app = window.jupyterapp;
        await app.restored;
        for (let i = 0; i < 300 && app.shell.currentWidget?.context?.path !== 'learner/' + file; i++)
            await new Promise(r => setTimeout(r, 100));
        const widget = app.shell.currentWidget;
        await widget.context.ready;
        await widget.sessionContext.ready;
    }""",
        file,
    )


def run_all(page):
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


def outputs(page):
    """Text of each code cell's outputs, and whether it ended with an error."""
    return page.evaluate("""() => window.jupyterapp.shell.currentWidget.content.widgets
        .filter(c => c.model.type === 'code')
        .map(c => ({count: c.model.executionCount, text: JSON.stringify(c.model.outputs.toJSON()),
                    failed: c.model.outputs.toJSON().some(o => o.output_type === 'error')}))""")


def cell_index(page, start):
    """Where the cell is whose text starts so."""
    return page.evaluate(
        """(start) => window.jupyterapp.shell.currentWidget.content.widgets
        .findIndex(c => c.model.sharedModel.getSource().startsWith(start))""",
        start,
    )


def test_a_learners_first_lesson(page, lab):
    """One test, so that one JupyterLab and one browser serve it (also where tests are spread over workers)."""
    run_all_then_move_a_slider(page, lab)
    type_a_solution_and_see_passed(page, lab)


def run_all_then_move_a_slider(page, lab):
    file = with_slider()
    first = sorted(p.name for p in lab[1].glob("[0-9][0-9]_*.ipynb"))[0]
    if first != file:
        open_notebook(page, lab, first)
        run_all(page)
        assert not any(o["failed"] for o in outputs(page))
    open_notebook(page, lab, file)
    run_all(page)
    ran = outputs(page)
    assert len(ran) == len(codes(LEARNER, file)) and all(o["count"] for o in ran) and not any(o["failed"] for o in ran)

    handle = page.locator(".widget-slider .noUi-handle").first
    handle.scroll_into_view_if_needed()
    said, figure = page.locator(".course-explore-values").first, page.locator("img.course-explore-figure").first
    text, picture = said.inner_text(), figure.get_attribute("src")
    before = figure.screenshot()
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(old) => document.querySelector('.course-explore-values').innerText !== old", arg=text)
    page.wait_for_function("(old) => document.querySelector('img.course-explore-figure').src !== old", arg=picture)
    page.wait_for_function("() => document.querySelector('img.course-explore-figure').complete")
    assert said.inner_text() != text and figure.screenshot() != before


def type_a_solution_and_see_passed(page, lab):
    file = read_sources()["01"].meta.file_name
    marked = '@exercise("01.1")'
    solution = next(c for c in codes(SOLUTION, file) if c.startswith(marked))
    if file != with_slider():
        open_notebook(page, lab, file)
    task, answer = cell_index(page, marked), cell_index(page, 'check("01.1"')
    run_above(page, answer + 1)
    cell = page.locator(".jp-Notebook .jp-Cell").nth(task)
    cell.scroll_into_view_if_needed()
    assert "not attempted" in page.locator(".jp-Notebook .jp-Cell").nth(answer).inner_text()
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(solution)
    assert "NotImplementedError" not in cell.inner_text()
    for _ in range(answer - task + 1):
        page.keyboard.press("Shift+Enter")
    page.wait_for_function(
        """(i) => document.querySelectorAll('.jp-Notebook .jp-Cell')[i].innerText.includes('01.1  passed')""",
        arg=answer,
    )
    assert json.loads((lab[1] / "score.json").read_text())["01.1"] == "passed"
