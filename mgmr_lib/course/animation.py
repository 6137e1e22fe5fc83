"""`animate`: a drawing that moves from frame to frame: a strip of pictures always, and a player in a live notebook."""

from mgmr_lib.course import display, figures, widgets
from mgmr_lib.course.frames import keep, spread
from mgmr_lib.errors import CourseError

MOST_FRAMES = 120  # each is a picture that stays in the kernel's memory once it was drawn


def animate(
    draw,
    caption: str,
    title: str,
    frames,
    name: str = "step",
    size: tuple[float, float] = (8.0, 2.4),
    shown: int = 4,
    columns: int = 1,
    milliseconds: int = 400,
) -> None:
    """Show `draw(fig, frame)` for `shown` of the frames as one figure; below it, in a live notebook, a player with all.

    draw: fills an empty (sub)figure with axes that carry titles and labels; frames: the values it is called with, in
    order; caption: what the static pictures show; title: the finding; name: what a frame is ("step"); size: inches of
    one drawing; columns: of the static pictures; milliseconds: how long a frame stays. Nothing of the player is stored.
    """
    frames = list(frames)
    if not 2 <= len(frames) <= MOST_FRAMES:
        raise CourseError(f"animate: give 2 to {MOST_FRAMES} frames, not {len(frames)}")
    figures.show(_strip(draw, title, size, spread(frames, shown), columns), caption)
    keep(lambda **frame: widgets.one(draw, size, *frame.values(), small=True), {name: frames}, milliseconds)
    if display.has_widgets():  # else the strip says the same
        display.bundle(display.widget_view(make_player(draw, size, frames, name, milliseconds)))
        display.label_sliders()


def _strip(draw, title: str, size, frames: list, columns: int):
    import matplotlib.pyplot as plt

    rows = -(-len(frames) // columns)
    fig = plt.figure(figsize=(size[0] * columns, size[1] * rows + 0.3))
    parts = fig.subfigures(rows, columns, squeeze=False)
    for part, frame in zip(parts.flat, frames, strict=False):
        draw(part, frame)
    fig.suptitle(title, x=0.01, ha="left")
    return fig


def make_player(draw, size, frames: list, name: str = "step", milliseconds: int = 400):
    """The live widget: play, pause and repeat; a slider to stop at any frame, with keys too; the drawing."""
    import ipywidgets as w

    drawn: dict[int, str] = {}
    play = w.Play(min=0, max=len(frames) - 1, interval=milliseconds, description=f"play {name}s")
    at = w.SelectionSlider(
        options=[(str(f), i) for i, f in enumerate(frames)],
        description=name,
        layout=w.Layout(width="420px", max_width="100%"),
        style={"description_width": "110px"},
    )
    picture = w.HTML()

    def redraw(_=None) -> None:
        i = at.value
        if i not in drawn:
            words = f"The drawing at {name} {frames[i]}"
            drawn[i] = figures.img(widgets.one(draw, size, frames[i]), words, "course-animation-figure")
        picture.value = drawn[i]

    redraw()
    at.observe(redraw, names="value")
    w.link((play, "value"), (at, "value"))
    box = w.VBox([w.HBox([play, at]), picture])
    box.add_class("course-animation")
    box.add_class(display.SLIDERS)
    return box
