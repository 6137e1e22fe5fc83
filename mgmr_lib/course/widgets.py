"""`explore`: one drawing under several values, as static small multiples always and with sliders in a live notebook.

The static figure is what a PDF and the stored notebook show; the site adds sliders over frames that were drawn when the
notebook was built. The live sliders redraw a picture in an HTML widget: no output area, no stored widget state, so that
a notebook's stored outputs stay comparable.
"""

import cmath
import math
from itertools import product

from mgmr_lib.course import display, figures, frames
from mgmr_lib.errors import CourseError


def explore(draw, caption: str, title: str = "", size: tuple[float, float] = (8.0, 2.4), **values) -> None:
    """Show `draw(fig, **choice)` for the values of the first two names as small multiples, then with a slider for each
    name.

    draw: fills an empty figure (or sub-figure) with axes that carry titles and labels; values: name=[choices in order],
    the middle one is where the slider starts; caption: what the small multiples show; title: the finding;
    size: inches of one drawing. Statically at most three choices of the first name and two of the second are drawn.
    """
    for name, choices in values.items():
        if not isinstance(choices, (list, tuple, range)) or len(choices) < 2:
            raise CourseError(f"explore: {name} needs a list of at least two values, not {choices!r}")
    if not values:
        raise CourseError("explore: give at least one name=[values]")
    figures.show(_small_multiples(draw, title, size, values), caption)
    frames.keep(lambda **choice: one(draw, size, small=True, **choice), values)
    _sliders(draw, size, values)


def middle(choices):
    """Where a slider starts."""
    return choices[len(choices) // 2]


def _grid(values: dict) -> list[dict]:
    """The choices that are drawn statically, row by row."""
    names = list(values)
    rest = {n: middle(values[n]) for n in names[2:]}
    drawn = [frames.spread(values[n], most) for n, most in zip(names, (3, 2), strict=False)]
    return [dict(zip(names, c, strict=False)) | rest for c in product(*drawn)]


def _small_multiples(draw, title: str, size, values: dict):
    import matplotlib.pyplot as plt

    grid = _grid(values)
    columns = 1 if size[0] > 5 else min(2 if len(values) > 1 else 3, len(grid))
    rows = math.ceil(len(grid) / columns)
    fig = plt.figure(figsize=(size[0] * columns, size[1] * rows + 0.3))
    parts = fig.subfigures(rows, columns, squeeze=False)
    for part, choice in zip(parts.flat, grid, strict=False):
        draw(part, **choice)
    if title:
        fig.suptitle(title, x=0.01, ha="left")
    return fig


def one(draw, size, *frame, small: bool = False, **choice) -> bytes:
    """One drawing as PNG."""
    import matplotlib.pyplot as plt

    fig = plt.figure(figsize=size)
    draw(fig, *frame, **choice)
    plt.close(fig)
    return figures.png(fig, small)


def in_words(choice: dict) -> str:
    """ "radius = 0.9, angle = 30"."""
    return ", ".join(f"{k.replace('_', ' ')} = {frames.in_words(v)}" for k, v in choice.items())


def make_sliders(draw, size, values: dict):
    """The live widget: a slider for each name, a line that says the values, the drawing."""
    import ipywidgets as w

    sliders = {
        n: w.SelectionSlider(
            options=list(c),
            value=middle(c),
            description=n.replace("_", " "),
            layout=w.Layout(width="420px", max_width="100%"),
            style={"description_width": "110px"},
        )
        for n, c in values.items()
    }
    said, picture = w.HTML(), w.HTML()
    said.add_class("course-explore-values")

    def redraw(_=None):
        choice = {n: s.value for n, s in sliders.items()}
        words = in_words(choice)
        picture.value = figures.img(one(draw, size, **choice), f"The drawing for {words}", "course-explore-figure")
        said.value = f'<span role="status">{words}</span>'

    redraw()
    for s in sliders.values():
        s.observe(redraw, names="value")
    box = w.VBox([*sliders.values(), said, picture])
    box.add_class("course-explore")
    box.add_class(display.SLIDERS)
    return box


def _sliders(draw, size, values: dict) -> None:
    if not display.has_widgets():  # ipywidgets is missing: the small multiples say the same
        return
    # Only the view, without a text form: the stored notebook then has nothing to lose, and nbval nothing to compare.
    display.bundle(display.widget_view(make_sliders(draw, size, values)))
    display.label_sliders()


# --- what the first notebooks explore


def pole_and_impulse(fig, radius: float = 0.9, angle: float = 0.0, steps: int = 30) -> None:
    """01: a pole in the complex plane and the impulse response that it makes. angle: degrees."""
    pole = cmath.rect(radius, math.radians(angle))
    plane, response = fig.subplots(1, 2, width_ratios=[1, 3])
    circle = [cmath.rect(1, 2 * math.pi * k / 100) for k in range(101)]
    plane.plot([z.real for z in circle], [z.imag for z in circle], color=figures.GREY, lw=1)
    colour = figures.RED if radius > 1 else figures.BLUE
    for p in {pole, pole.conjugate()} if angle else {pole}:
        plane.plot(p.real, p.imag, "x", color=colour, ms=9, mew=2.5)
    plane.set(
        title=f"{radius:g} at {angle:g}°",
        xlabel="real",
        ylabel="imaginary",
        xlim=(-1.3, 1.3),
        ylim=(-1.3, 1.3),
        aspect="equal",
    )
    values = [(pole**t).real for t in range(steps)]
    response.stem(range(steps), values, basefmt=" ", linefmt=colour, markerfmt="o")
    how = "grows" if radius > 1 else "fades" if radius < 1 else "lasts"
    response.set(title=f"it {how}{' and swings' if angle else ''}", xlabel="time step t", ylabel="state (no unit)")


def discretisation_step(fig, step: float = 0.5, a: float = -1.0, end: float = 6.0) -> None:
    """02: dh/dt = a h + u for u = 1 from h(0) = 0, continuous and after three discretisations with this step (in
    seconds)."""
    import torch

    from mgmr_lib.ssm.linear import discretise

    ax, A = fig.subplots(), torch.tensor([a], dtype=torch.float64)
    times = [end * k / 200 for k in range(201)]
    ax.plot(times, [(math.exp(a * t) - 1) / a for t in times], color=figures.GREY, lw=4, alpha=0.5, label="continuous")
    for rule, colour in (("zoh", figures.BLUE), ("euler", figures.RED), ("bilinear", figures.GREEN)):
        a_bar, b_bar = (v.item() for v in discretise(A, torch.ones_like(A), step, rule))
        h, points = 0.0, [0.0]
        for _ in range(int(end / step + 1e-9)):
            h = a_bar * h + b_bar
            points.append(h)
        ax.plot([k * step for k in range(len(points))], points, "o-", ms=4, lw=1, color=colour, label=rule)
    ax.set(
        title=f"step {step:g} s: Euler's factor is {1 + a * step:g}",
        xlabel="time (s)",
        ylabel="state h (no unit)",
        ylim=(-0.6, 2.2),
    )
    ax.legend(loc="upper right", ncols=2)


def missing_rate(features: dict, seed: int = 0):
    """09: a drawing of one clip whose time steps go missing.

    features: modality -> (l, d) array. Returns draw(fig, rate): each modality as an image, time to the right, missing
    steps blank. A step that is missing at one rate stays missing at every higher one.
    """
    import numpy as np

    order = {name: np.random.default_rng([seed, i]).random(len(x)) for i, (name, x) in enumerate(features.items())}

    def draw(fig, rate: float = 0.5) -> None:
        axes = fig.subplots(len(features), 1, squeeze=False)[:, 0]
        for ax, (name, x) in zip(axes, features.items(), strict=True):
            shown = np.array(x, dtype=float)
            scale = np.abs(shown).max(axis=0, keepdims=True)
            shown = shown / np.where(scale > 0, scale, 1)
            shown[order[name] < rate] = np.nan
            ax.imshow(shown.T, aspect="auto", interpolation="nearest", vmin=-1, vmax=1)
            ax.set(ylabel=name, yticks=[])
            ax.grid(False)
        axes[0].set_title(f"missing rate {rate:.1f}")
        axes[-1].set_xlabel("time step (frame or token)")

    return draw
