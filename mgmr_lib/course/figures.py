"""Figures of the course: one style, a colour-blind palette, and a caption under every figure.

The caption is the alternative text too: some viewers drop a PNG's own, so it stands below the figure as a sentence.
"""

import io

from mgmr_lib.errors import CourseError

# Okabe and Ito's palette: distinct for all common forms of colour blindness.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
    "#777777",
)
PALETTE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY)

STYLE = {
    "figure.figsize": (8.0, 3.2),
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 100,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "image.cmap": "cividis",
}


def use_style() -> None:
    """Set the course's matplotlib style for this kernel."""
    import matplotlib.pyplot as plt

    plt.rcdefaults()
    plt.rcParams.update(STYLE | {"axes.prop_cycle": plt.cycler(color=PALETTE)})


def problems(fig) -> list[str]:
    """What a figure lacks: a title that says the finding, axis labels."""
    axes = [a for a in fig.axes if a.axison and a.get_label() != "<colorbar>"]
    titled = fig._suptitle is not None or any(a.get_title(loc) for a in fig.axes for loc in ("left", "center", "right"))
    titled = titled or any(f._suptitle is not None for f in fig.subfigs)
    found = [] if titled else ["a title that says the finding"]
    for axis in ("x", "y"):
        shared = getattr(fig, f"_sup{axis}label", None) is not None
        if axes and not shared and not any(getattr(a, f"get_{axis}label")() for a in axes):
            found.append(f"a label of its {axis} axis, with the unit")
    return found


def png(fig) -> bytes:
    """The figure as PNG, the same bytes for the same figure."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def show(fig, caption: str) -> None:
    """Show `fig` with `caption` below it, and close it.

    caption: one or two full sentences that say what is to be seen, for readers who cannot see the figure too; numbers
    in it should be computed (an f-string). Raises CourseError where the title, an axis label or the caption is missing.
    """
    import base64

    import matplotlib.pyplot as plt

    lacks = problems(fig) + ([] if len(caption.split()) >= 5 else ["a caption of at least five words"])
    plt.close(fig)
    if lacks:
        raise CourseError("this figure lacks " + " and ".join(lacks))
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        print(f"Figure: {caption}")
        return
    data = {"image/png": base64.b64encode(png(fig)).decode(), "text/plain": f"Figure: {caption}"}
    display(data, raw=True, metadata={"image/png": {"alt": caption}})
    display({"text/markdown": f"*Figure: {caption}*", "text/plain": f"Figure: {caption}"}, raw=True)
