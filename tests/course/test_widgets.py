"""The explorations: small multiples always, sliders that redraw, and the mathematics that they draw."""

import base64
import io
import math
import re

import pytest

plt = pytest.importorskip("matplotlib.pyplot")

from mgmr_lib.course import explore, figures, show, widgets  # noqa: E402
from mgmr_lib.errors import CourseError  # noqa: E402


def draw(fig, height=1, width=1):
    ax = fig.subplots()
    ax.plot([0, width], [0, height])
    ax.set(xlabel="x", ylabel="y")


def pixels(png):
    return plt.imread(io.BytesIO(png))


def test_explore_outside_a_notebook_says_its_caption(capsys):
    explore(draw, "Lines of several heights and widths.", title="Lines", height=[1, 2, 3])
    assert capsys.readouterr().out == "Figure: Lines of several heights and widths.\n"


def test_small_multiples_show_the_ends_and_the_middle():
    grid = widgets._grid({"height": [1, 2, 3, 4, 5], "width": [1, 2, 3], "third": [7, 8, 9]})
    assert [(g["height"], g["width"], g["third"]) for g in grid] == [
        (1, 1, 8),
        (1, 3, 8),
        (3, 1, 8),
        (3, 3, 8),
        (5, 1, 8),
        (5, 3, 8),
    ]


@pytest.mark.parametrize("values", [{}, {"height": 3}, {"height": [1]}])
def test_explore_wants_values(values):
    with pytest.raises(CourseError, match="explore"):
        explore(draw, "A caption of at least five words.", title="t", **values)


def test_a_slider_redraws_the_picture_and_says_the_values():
    pytest.importorskip("ipywidgets")
    box = widgets.make_sliders(draw, (3, 2), {"height": [1, 2, 3], "width": [0.5, 1.5]})
    first, second, said, picture = box.children
    assert (first.value, second.value) == (2, 1.5) and "height = 2, width = 1.5" in said.value
    before = picture.value
    second.value = 0.5
    assert "height = 2, width = 0.5" in said.value and 'alt="The drawing for height = 2, width = 0.5"' in picture.value
    old, new = (pixels(base64.b64decode(re.search('base64,([^"]+)', v)[1])) for v in (before, picture.value))
    assert new.shape == old.shape == (400, 600, 4) and (new != old).any() and 'width="300"' in picture.value
    second.value = 1.5
    assert picture.value == before


class Shown(list):
    """Outputs of a notebook: (data, metadata)."""

    def __call__(self, data, metadata=None):
        self.append((data, metadata))


@pytest.fixture
def shown(monkeypatch):
    made = Shown()
    monkeypatch.setattr(figures.display, "bundle", made)
    monkeypatch.setattr(figures.display, "in_notebook", lambda: True)
    return made


def rising():
    fig, ax = plt.subplots(figsize=(3, 2))
    ax.set(title="It rises", xlabel="x", ylabel="y")
    return fig


def test_a_stored_figure_has_twice_the_pixels_of_its_width_on_the_page(shown, monkeypatch):
    monkeypatch.setenv(figures.display.STORED, "1")
    for _ in range(2):
        show(rising(), "A line that rises <quickly> to the right.")
    (data, metadata), (below, _) = shown[:2]
    picture = base64.b64decode(data["image/png"])
    assert pixels(picture).shape[:2] == (400, 600)
    alt = "A line that rises <quickly> to the right."
    assert metadata["image/png"] == {"alt": alt, "width": 300, "height": 200}
    assert below["text/markdown"] == f"*Figure: {alt}*" and shown[:2] == shown[2:]


def test_a_live_figure_carries_its_alternative_text(shown, monkeypatch):
    monkeypatch.delenv(figures.display.STORED, raising=False)
    show(rising(), 'A line that rises <quickly> to the "right".')
    html = shown[0][0]["text/html"]
    assert 'alt="A line that rises &lt;quickly&gt; to the &quot;right&quot;."' in html and 'width="300"' in html
    assert "<figcaption" in html and len(shown) == 1


def test_a_figure_needs_a_finding_labels_and_a_caption():
    caption = "The line rises from left to right."
    for settings, lacking in (
        ({"xlabel": "x", "ylabel": "y"}, "title"),
        ({"title": "It rises", "ylabel": "y"}, "x axis"),
        ({"title": "It rises", "xlabel": "x"}, "y axis"),
    ):
        fig, ax = plt.subplots()
        ax.set(**settings)
        with pytest.raises(CourseError, match=lacking):
            show(fig, caption)
    fig, ax = plt.subplots()
    ax.set(title="It rises", xlabel="x", ylabel="y")
    with pytest.raises(CourseError, match="caption"):
        show(fig, "rises")
    assert plt.get_fignums() == []


def test_the_palette_differs_in_brightness_too():
    rgb = [tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in figures.PALETTE[:4]]
    brightness = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in rgb]
    assert len(set(rgb)) == 4 and max(brightness) - min(brightness) > 50


@pytest.mark.parametrize("step", [0.1, 0.5, 2.5])
def test_the_drawn_discretisations_are_what_the_textbook_says(step):
    fig, a = plt.figure(), -0.8
    widgets.discretisation_step(fig, step=step, a=a)
    lines = {line.get_label(): line.get_ydata() for line in fig.axes[0].lines}
    limit = 1 / 0.8
    factors = {"zoh": math.exp(a * step), "euler": 1 + a * step, "bilinear": (1 + a * step / 2) / (1 - a * step / 2)}
    assert lines["continuous"][-1] == pytest.approx(limit * (1 - math.exp(a * 6)))
    for rule, factor in factors.items():
        assert list(lines[rule]) == pytest.approx([limit * (1 - factor**k) for k in range(len(lines[rule]))])
    plt.close(fig)


def test_the_drawn_impulse_response_is_the_poles_power():
    fig = plt.figure()
    widgets.pole_and_impulse(fig, radius=0.8, angle=60, steps=5)
    plane, response = fig.axes
    assert response.containers[0].markerline.get_ydata() == pytest.approx(
        [0.8**t * math.cos(t * math.pi / 3) for t in range(5)]
    )
    assert sum(line.get_marker() == "x" for line in plane.lines) == 2
    plt.close(fig)


def test_missing_steps_are_blank_and_stay_missing_at_higher_rates():
    np = pytest.importorskip("numpy")
    clip = widgets.missing_rate({"audio": np.ones((200, 3)), "vision": np.ones((50, 2))}, seed=1)

    def blank(rate):
        fig = plt.figure()
        clip(fig, rate=rate)
        found = [np.ma.getmaskarray(ax.images[0].get_array())[0] for ax in fig.axes]
        plt.close(fig)
        return found

    low, high = blank(0.3), blank(0.6)
    for few, more, length in zip(low, high, (200, 50), strict=True):
        assert len(few) == length and not (few & ~more).any()
        assert 0.15 * length < few.sum() < more.sum() < 0.8 * length
    assert not blank(0.0)[0].any() and blank(1.0)[0].all()


def test_drawings_fit_their_small_multiples():
    values = {"step": [0.1, 1.0, 2.5]}
    fig = widgets._small_multiples(widgets.discretisation_step, "Large steps break Euler's rule", (4, 2.5), values)
    assert len(fig.axes) == 3 and figures.problems(fig) == []
    plt.close(fig)
