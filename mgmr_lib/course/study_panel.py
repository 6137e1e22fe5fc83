"""A study in a notebook: where each training is, and, where a learner sits in front, buttons that start and stop it."""

import html
import threading
from pathlib import Path

from mgmr_lib.course import display
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments import background, study

EVERY = 3.0  # seconds between two looks while it trains
WORDS = {"waiting": "waits", "recorded": "recorded"}


def page(folder: Path) -> str:
    """HTML of a study: its plan, a row for each training, and what is left. Says so where there is no plan."""
    try:
        plan, found = study.read_plan(folder), study.standings(folder)
    except CourseError as error:
        return display.panel("open", "No study yet", display.paragraph(str(error) if _has_plan(folder) else NONE))
    done, running = sum(s.state == "recorded" for s in found), background.process(folder) is not None
    rows = "".join(_row(s) for s in found)
    expects = f" Expected: {html.escape(plan.expectation)}" if plan.expectation else ""
    table = (
        "<table><thead><tr><th>network</th><th>seed</th><th>where it is</th><th>epochs</th>"
        f"<th>lowest valid error</th></tr></thead><tbody>{rows}</tbody></table>"
    )
    head = f"{done} of {len(found)} trainings recorded" + _rest(folder, found, done, running)
    about = f"<p>Plan of {html.escape(plan.written)}: {html.escape(plan.data)}, {plan.profile} profile.{expects}</p>"
    return display.panel("right" if done == len(found) else "note" if running else "open", head, about + table)


NONE = "Write a plan and start it; notebook 20 says how."


def _has_plan(folder: Path) -> bool:
    return (folder / study.PLAN).exists()


def _row(s: study.Standing) -> str:
    best = "" if s.best is None else f"{s.best:.3f}"
    epochs = "" if s.epochs is None else f"{s.epoch} of at most {s.epochs}"
    bar = "" if s.epochs is None else f'<progress max="{s.epochs}" value="{s.epoch}" aria-hidden="true"></progress> '
    cells = (html.escape(s.name), s.seed, WORDS.get(s.state, "begun"), bar + epochs, best)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _rest(folder: Path, found: list[study.Standing], done: int, running: bool) -> str:
    """What the head says beside the number of recorded trainings."""
    if done == len(found):
        return ""
    left = study.seconds_left(found)
    time = "" if left is None else f", at most {max(1, round(left / 60))} minutes of training to go"
    if running:
        return f"; training now{time}"
    said = background.last_words(folder)
    return f"; not training now{time}" + (f". It ended with: {said}" if "error" in said.lower() else "")


class Panel:
    """The widgets of a study. plan: what Start writes down, where no plan of this folder has begun."""

    def __init__(self, folder: Path, plan: study.Plan):
        import ipywidgets as w

        self.folder, self.plan = folder, plan
        self.shown, self.said = w.HTML(), w.HTML()
        self.go = w.Button(description="Start or go on", layout=w.Layout(width="160px"))
        self.halt = w.Button(description="Stop", layout=w.Layout(width="120px"))
        self.go.on_click(lambda _: self._do(self._start))
        self.halt.on_click(lambda _: self._do(self._stop))
        self.box = w.VBox([w.HBox([self.go, self.halt]), self.said, self.shown])
        self.watching: threading.Thread | None = None
        self.refresh()

    def refresh(self) -> bool:
        """Look once; True while it trains. The first look that finds it training goes on looking."""
        self.shown.value = page(self.folder)
        running = background.process(self.folder) is not None
        self.go.disabled, self.halt.disabled = running, not running
        if running and (self.watching is None or not self.watching.is_alive()):
            self.watching = threading.Thread(target=self._watch, daemon=True)
            self.watching.start()
        return running

    def _watch(self) -> None:
        pause = threading.Event()
        while background.process(self.folder) is not None:
            self.shown.value = page(self.folder)
            pause.wait(EVERY)
        self.refresh()

    def _do(self, action) -> None:
        try:
            self.said.value = display.paragraph(action())
        except CourseError as error:
            self.said.value = display.panel("wrong", str(error))
        self.refresh()

    def _start(self) -> str:
        study.write_plan(self.folder, self.plan)
        background.start(self.folder)
        return "Training in the background. You may close this notebook, or go on reading: it does not need it."

    def _stop(self) -> str:
        background.stop(self.folder)
        return "Stopped. What the last whole epoch left is kept; start again, today or tomorrow, and it goes on there."


def show_study(folder: Path, plan: study.Plan) -> None:
    """The panel of a study in a live notebook; elsewhere its page alone."""
    plain = "\n".join(study.lines(folder)) if _has_plan(folder) else NONE
    data: dict[str, object] = {"text/html": page(folder), "text/plain": plain}
    if display.is_live() and display.has_widgets():
        data |= display.widget_view(Panel(folder, plan).box)
    display.bundle(data)
