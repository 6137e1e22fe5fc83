"""Rules on a built notebook: executed, complete, comparable, every figure with its caption."""

import re

from mgmr_lib.course.display import WIDGET

SPEAKS = re.compile(r"^(check|progress|show|explore|say|print|hint|predict|outcome)\(", re.MULTILINE)
BY_LEARNER = re.compile(r"^(check|progress)\(", re.MULTILINE)
MOST_BYTES = 1_500_000


def _code(notebook):
    return [c for c in notebook.cells if c.cell_type == "code"]


def _texts(cell):
    """All text that a cell put out."""
    for o in cell.outputs:
        yield from [o["text"]] if "text" in o else [v for k, v in o.get("data", {}).items() if k.startswith("text/")]


def _title(cell) -> str:
    return repr(cell.source.split("\n")[0][:50])


def executed_in_order(notebook, text):
    """Execution counts are 1, 2, 3, ..."""
    counts = [c.execution_count for c in _code(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        wrong = next(i for i, n in enumerate(counts) if n != i + 1)
        yield f"code cell {wrong + 1} has the execution count {counts[wrong]}: every code cell is executed, in order"


def outputs_present(notebook, text):
    """A cell that shows something has an output."""
    for c in _code(notebook):
        if SPEAKS.search(c.source) and not c.outputs:
            yield f"the cell {_title(c)} shows something, and no output is stored"


def no_errors(notebook, text):
    """No traceback but an announced one, nothing on stderr (warnings hold paths and process ids)."""
    for c in _code(notebook):
        for o in c.outputs:
            announced = "raises-exception" in c.metadata.get("tags", []) and not c.source.count("@exercise(")
            if o.output_type == "error" and not announced:
                yield f"the cell {_title(c)} ends with {o.ename}"
            if o.get("name") == "stderr":
                yield f"the cell {_title(c)} writes to stderr: {o.text.strip()[:60]!r}"


def captions(notebook, text):
    """Each figure carries alternative text, and shows the same sentence below it."""
    for c in _code(notebook):
        for i, o in enumerate(c.outputs):
            data = o.get("data", {})
            if not any(k.startswith("image/") for k in data):
                continue
            alt = o.metadata.get("image/png", {}).get("alt", "")
            below = c.outputs[i + 1].get("data", {}).get("text/markdown", "") if i + 1 < len(c.outputs) else ""
            if len(alt.split()) < 5 or alt not in below:
                yield f"a figure of the cell {_title(c)} has no caption: show it with show(fig, caption)"


def no_widget_state(notebook, text):
    """Widgets leave nothing behind: their static figure is what the stored notebook shows."""
    if "widgets" in notebook.metadata:
        yield "the metadata hold widget state"
    for c in _code(notebook):
        if any(WIDGET in o.get("data", {}) for o in c.outputs):
            yield f"the cell {_title(c)} stores a widget: use explore(), or leave it out"


def comparable(notebook, text):
    """Outputs that are the same on the next machine: few digits, no addresses, no paths."""
    for c in _code(notebook):
        if "nbval-ignore-output" in c.metadata.get("tags", []):
            continue
        if any("image/svg+xml" in o.get("data", {}) for o in c.outputs):
            yield f"the cell {_title(c)} shows an SVG, which differs from run to run: use a PNG"
        for t in _texts(c):
            if long := re.search(r"\d\.\d{7,}", t):
                yield f"the cell {_title(c)} prints {long[0]}: round it to at most four significant digits"
            if path := re.search(r"(?<![\w.])/(home|work|tmp|Users|root|mnt)/\S+|[A-Z]:\\\S+", t):
                yield f"the cell {_title(c)} prints the path {path[0]}"


def file_size(notebook, text):
    """A notebook that GitHub still shows."""
    if len(text) > MOST_BYTES:
        yield f"{len(text) / 1e6:.1f} MB: at most {MOST_BYTES / 1e6:.1f} MB, so use fewer or smaller figures"


def editions_agree(learner, solution):
    """Solving the exercises changes nothing but what check and progress say."""
    for a, b in zip(_code(learner), _code(solution), strict=False):
        if not BY_LEARNER.search(a.source) and list(_texts(a)) != list(_texts(b)):
            yield f"the cell {_title(a)} prints something else in the solution: an exercise differs from its reference"
