"""Show sentences with computed numbers in a notebook, and answers that look like answers."""

import html
import os

STORED = "MGMR_STORED_OUTPUTS"  # set where the builder or the tests execute a notebook
WIDGET = "application/vnd.jupyter.widget-view+json"
# Shown beside an answer: a sign and a colour for each kind. The colours are the theme's own, so that they can be told
# from a light and from a dark page; the words always say the same.
KINDS = {
    "right": ("✓", "var(--jp-success-color1, #2e7d32)"),
    "wrong": ("✗", "var(--jp-error-color1, #c62828)"),
    "open": ("○", "var(--jp-info-color1, #0277bd)"),
    "note": ("→", "var(--jp-info-color1, #0277bd)"),
}


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel, rather than a terminal."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return get_ipython() is not None


def is_live() -> bool:
    """Whether a learner sits in front of this notebook: its outputs are read now, and never stored or compared."""
    return in_notebook() and not os.environ.get(STORED)


def bundle(data: dict[str, object], metadata: dict | None = None) -> None:
    """Show one output in several forms ("text/html", "text/plain", ...); outside a notebook its plain text is
    printed."""
    if in_notebook():
        from IPython.display import display

        display(data, metadata=metadata or {}, raw=True)
    else:
        print(data["text/plain"])


def markdown(text: str, plain: str | None = None) -> None:
    """Show `text` as Markdown in a notebook, and print it (or `plain`) elsewhere."""
    bundle({"text/markdown": text, "text/plain": text if plain is None else plain})


def say(text: str) -> None:
    """Prose with numbers that this notebook computed: say(f"The pole lies at {pole:.2f}.")."""
    markdown(text)


def panel(kind: str, head: str, body: str = "") -> str:
    """HTML of an answer: a coloured edge, a sign, a line in bold (plain text), and below it `body` (HTML)."""
    sign, colour = KINDS[kind]
    return (
        f'<div style="border-left: 4px solid {colour}; padding: 4px 12px; margin: 4px 0; max-width: 60em; '
        f'overflow-wrap: anywhere;"><div><span aria-hidden="true" style="color: {colour}; font-weight: bold;">{sign}'
        f"</span> <strong>{html.escape(head)}</strong></div>{body}</div>"
    )


def paragraph(text: str) -> str:
    """HTML of one paragraph of plain text."""
    return f'<p style="margin: 4px 0;">{html.escape(text)}</p>' if text else ""


def has_widgets() -> bool:
    """Whether this is a notebook's kernel that can show widgets (ipywidgets may be missing)."""
    import importlib.util

    if not in_notebook() or importlib.util.find_spec("ipywidgets") is None:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def widget_view(widget) -> dict[str, object]:
    """The form of an output in which a live notebook shows `widget`; never stored."""
    return {WIDGET: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}


SLIDERS = "course-sliders"  # the class of a box whose sliders are labelled
# A slider of JupyterLab's widgets tells a screen reader the position of its handle and nothing else. This gives each
# handle the label and the value that stand beside it. Without it (in another front end) all else works.
LABELS = """const label = () => {
    for (const slider of document.querySelectorAll(".course-sliders .widget-slider:not(.course-labelled)")) {
        const [name, value] = [".widget-label", ".widget-readout"].map(s => slider.querySelector(s));
        const handle = slider.querySelector(".noUi-handle");
        if (!name || !value || !handle) continue;
        slider.classList.add("course-labelled");
        const tell = () => {
            handle.setAttribute("aria-label", name.innerText);
            handle.setAttribute("aria-valuetext", value.innerText);
        };
        new MutationObserver(tell).observe(value, {childList: true, characterData: true, subtree: true});
        tell();
    }
};
for (const wait of [300, 1000, 3000, 10000]) setTimeout(label, wait);  // the widgets come when they come
"""


def label_sliders() -> None:
    """Give the sliders in boxes of the class SLIDERS their names and values; only in a live notebook."""
    if is_live():
        bundle({"application/javascript": f"{{{LABELS}}}"})
