"""A cell that takes long says how long it usually takes, while it runs; only where a learner sits in front of it.

`notebooks/cell_seconds.json` holds what the builder measured: the seconds of every cell that took three or more.
"""

import json
import time
from pathlib import Path

from mgmr_lib.course import display
from mgmr_lib.paths import REPOSITORY

FILE = "cell_seconds.json"
LONG = 3.0  # seconds
BAR = """<div role="status">This cell usually takes about {seconds:.0f} seconds.</div>
<div style="width: 320px; max-width: 100%; height: 6px; background: var(--jp-border-color2, #ccc);">
<div style="height: 6px; background: var(--jp-brand-color1, #1976d2);
animation: course-wait {seconds:.1f}s linear forwards;">
</div></div><style>@keyframes course-wait {{ from {{ width: 0; }} to {{ width: 100%; }} }}
@media (prefers-reduced-motion: reduce) {{
@keyframes course-wait {{ from {{ width: 0; }} to {{ width: 0; }} }} }}</style>"""

_running: list[tuple] = []  # of the cell that runs: (when it began, its bar's handle)


def usual_seconds(root: Path = REPOSITORY) -> dict[str, float]:
    """Seconds of each slow cell, by the cell's id; empty where they were not measured."""
    try:
        kept = json.loads((root / "notebooks" / FILE).read_text(encoding="utf-8"))
        return {cell: float(s) for cells in kept.values() for cell, s in cells.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def before_cell(info) -> None:
    """IPython's hook: show the bar of a cell that is known to be slow."""
    _running.clear()
    seconds = usual_seconds().get(getattr(info, "cell_id", None) or "", 0.0)
    if seconds >= LONG:
        from IPython.display import HTML
        from IPython.display import display as show

        _running.append((time.monotonic(), show(HTML(BAR.format(seconds=seconds)), display_id=True)))


def after_cell(result) -> None:
    """IPython's hook: the bar gives way to the seconds that it took."""
    from IPython.display import HTML

    while _running:
        began, handle = _running.pop()
        handle.update(HTML(f"<small>This took {time.monotonic() - began:.0f} seconds.</small>"))


def watch(shell) -> None:
    """Register both hooks in a live notebook."""
    if display.is_live() and not any(f.__name__ == "before_cell" for f in shell.events.callbacks["pre_run_cell"]):
        shell.events.register("pre_run_cell", before_cell)
        shell.events.register("post_run_cell", after_cell)
