"""README's animation: twenty seconds of a learner's desk, taken in a real JupyterLab in a real browser.

`python -m tests.course.desk_animation` makes .github/desk.gif again (after `course open` has prepared the data).
"""

import io
import tempfile
from pathlib import Path

from PIL import Image

from mgmr_lib.course.authoring.source import SOLUTION
from mgmr_lib.paths import REPOSITORY
from tests.course import test_browser as desk

FILE = REPOSITORY / ".github" / "desk.gif"
NOTEBOOK = "01_recurrence.ipynb"
SIZE, SHOWN = (1000, 620), (800, 496)  # of the browser's window, and of the animation
COLOURS, AGAIN = 64, 1  # it plays twice and then rests
DRAWN = """() => parseFloat(document.querySelector('.course-explore-values').innerText.slice('radius = '.length)) ===
    parseFloat(document.querySelector('.course-explore .noUi-handle').ariaValueText)"""


class Film:
    """Pictures of a page, and how many milliseconds each is shown."""

    def __init__(self, page):
        self.page, self.frames, self.times = page, [], []

    def take(self, milliseconds: int) -> None:
        """One picture of what the window shows."""
        self.page.wait_for_timeout(400)  # what slides in has arrived
        picture = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB").resize(SHOWN, Image.Resampling.LANCZOS)
        self.frames.append(picture.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE))
        self.times.append(milliseconds)

    def write(self, file: Path) -> None:
        """Write the animation."""
        first, *rest = self.frames
        first.save(file, save_all=True, append_images=rest, duration=self.times, loop=AGAIN, optimize=True)


def play(page, film: Film) -> None:
    """Lose a bet, get an exercise wrong, get it right, move a slider."""
    asked, settled = desk.cell_index(page, 'predict("01.a"'), desk.cell_index(page, 'outcome("01.a"')
    desk.run_above(page, asked + 1)
    panel = desk.cell(page, asked).locator(".course-bet")
    panel.scroll_into_view_if_needed()
    film.take(2000)
    panel.get_by_label("a half").check()
    panel.get_by_label("90 %").check()
    film.take(1500)
    desk.run_cells(page, asked + 1, settled)
    desk.cell(page, settled).get_by_text("The outcome: a tenth").wait_for()
    desk.cell(page, settled).evaluate("e => e.scrollIntoView({block: 'end'})")
    film.take(3000)
    _solve(page, film)
    _explore(page, film)


def _solve(page, film: Film) -> None:
    right = next(c for c in desk.codes(SOLUTION, NOTEBOOK) if c.startswith('@exercise("01.1")'))
    wrong = '@exercise("01.1")\ndef step(h, x, a, b):\n    """Old state h, input x."""\n    return b * h + a * x\n'
    task, judged = desk.cell_index(page, '@exercise("01.1")'), desk.cell_index(page, 'check("01.1"')
    for code, verdict, milliseconds in ((wrong, "01.1 not yet", 3500), (right, "01.1 passed", 2500)):
        desk.answer_with(page, task, code)
        film.take(1500)
        desk.run_cells(page, task, judged)
        desk.cell(page, judged).get_by_text(verdict).wait_for()
        desk.cell(page, judged).scroll_into_view_if_needed()
        film.take(milliseconds)


def _explore(page, film: Film) -> None:
    slider = desk.cell_index(page, "pole_and_impulse,")
    desk.run_above(page, slider + 1)
    handle = page.locator(".course-explore .noUi-handle").first
    handle.wait_for()
    page.locator(".course-explore").first.evaluate("e => e.scrollIntoView({block: 'center'})")
    film.take(1000)
    handle.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        page.wait_for_function(DRAWN)
        film.take(1000)


def main() -> None:
    """Make the animation."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as p, desk.running_lab(Path(folder)) as lab:
        browser = p.chromium.launch(executable_path=desk.BROWSER, args=desk.FLAGS)
        page = browser.new_page(viewport=dict(zip(("width", "height"), SIZE, strict=True)))
        page.set_default_timeout(desk.RUN_TIMEOUT)
        desk.open_notebook(page, lab, NOTEBOOK)
        page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
        film = Film(page)
        play(page, film)
        film.write(FILE)
        browser.close()
    print(f"{FILE}: {len(film.frames)} pictures, {sum(film.times) / 1000:.0f} s, {FILE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
