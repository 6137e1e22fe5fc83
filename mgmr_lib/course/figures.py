"""Figures of the course: one style, a colour-blind palette, and a caption under every figure.

The caption is the alternative text too. A stored notebook keeps the picture as PNG, with the caption below it as a
sentence, since viewers drop a PNG's alternative text; a live notebook shows an HTML figure, which carries it.
"""

import base64
import html
import io

from mgmr_lib.course import display
from mgmr_lib.errors import CourseError

# Okabe and Ito's palette: distinct for all common forms of colour blindness.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#777777",
)
PALETTE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY)

DPI, SCALE = 100, 2  # a figure of 8 inches is 800 points wide on the page, and drawn with twice as many pixels

STYLE = {
    "figure.figsize": (8.0, 3.2),
    "figure.dpi": DPI,
    "figure.constrained_layout.use": True,
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


def png(fig, small: bool = False) -> bytes:
    """The figure as PNG, the same bytes for the same figure; `small`: with 256 colours, a quarter of the size."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI * SCALE, metadata={"Software": None})
    if not small:
        return buffer.getvalue()
    from PIL import Image

    made = io.BytesIO()
    pixels = Image.open(buffer).convert("RGB")
    pixels.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(made, "png", optimize=True)
    return made.getvalue()


def natural_size(picture: bytes) -> dict[str, int]:
    """Width and height in points of the page of a PNG made by `png`."""
    width, height = (int.from_bytes(picture[i : i + 4], "big") // SCALE for i in (16, 20))
    return {"width": width, "height": height}


def img(picture: bytes, alt: str, css_class: str = "course-figure") -> str:
    """HTML of a PNG made by `png`, in its natural width where the page is wide enough; alt: what it shows."""
    data, width = base64.b64encode(picture).decode(), natural_size(picture)["width"]
    return (
        f'<img class="{css_class}" alt="{html.escape(alt)}" src="data:image/png;base64,{data}" width="{width}" '
        'style="max-width: 100%; height: auto; background: white;">'
    )


def show(fig, caption: str) -> None:
    """Show `fig` with `caption` below it, and close it.

    caption: one or two full sentences that say what is to be seen, for readers who cannot see the figure too; numbers
    in it should be computed (an f-string). Raises CourseError where the title, an axis label or the caption is missing.
    """
    import matplotlib.pyplot as plt

    lacks = problems(fig) + ([] if len(caption.split()) >= 5 else ["a caption of at least five words"])
    plt.close(fig)
    if lacks:
        raise CourseError("this figure lacks " + " and ".join(lacks))
    if not display.in_notebook():
        print(f"Figure: {caption}")
        return
    if display.is_live():
        below = f'<figcaption style="font-style: italic; max-width: 60em;">Figure: {html.escape(caption)}</figcaption>'
        figure = f'<figure style="margin: 0;">{img(png(fig), caption)}{below}</figure>'
        display.bundle({"text/html": figure, "text/plain": f"Figure: {caption}"})
        return
    picture = png(fig, small=True)
    data = {"image/png": base64.b64encode(picture).decode(), "text/plain": f"Figure: {caption}"}
    display.bundle(data, {"image/png": {"alt": caption} | natural_size(picture)})
    display.markdown(f"*Figure: {caption}*", f"Figure: {caption}")
