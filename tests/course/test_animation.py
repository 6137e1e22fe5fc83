"""The player: a strip of pictures always, each frame drawn once, play and slider at the same frame."""

import pytest

plt = pytest.importorskip("matplotlib.pyplot")

from mgmr_lib.course import animate, animation  # noqa: E402
from mgmr_lib.errors import CourseError  # noqa: E402


def draw_dot(fig, step):
    ax = fig.subplots()
    ax.plot(step, step**2, "o")
    ax.set(xlim=(0, 9), ylim=(0, 81), xlabel="step", ylabel="square", title=f"after {step} steps")


def test_outside_a_notebook_it_says_its_caption(capsys):
    animate(draw_dot, "A dot that climbs along a parabola.", "It climbs", range(10))
    assert capsys.readouterr().out == "Figure: A dot that climbs along a parabola.\n"


@pytest.mark.parametrize("frames", [[], [1], range(500)])
def test_a_number_of_frames_that_cannot_be_played_is_refused(frames):
    with pytest.raises(CourseError, match=f"2 to 120 frames, not {len(frames)}"):
        animate(draw_dot, "A dot that climbs along a parabola.", "It climbs", frames)


def test_the_strip_holds_the_first_and_the_last_frame_in_order():
    fig = animation._strip(draw_dot, "It climbs", (3, 2), animation.spread(list(range(10)), 4), columns=2)
    titles = [a.get_title("left") or a.get_title() for a in fig.axes]
    plt.close(fig)
    assert titles == [f"after {n} steps" for n in (0, 3, 6, 9)]


def test_play_and_slider_show_the_same_frame_and_each_frame_is_drawn_once():
    pytest.importorskip("ipywidgets")
    drawn = []

    def draw(fig, step):
        drawn.append(step)
        draw_dot(fig, step)

    box = animation.make_player(draw, (3, 2), [0, 5, 9])
    (play, at), picture = box.children[0].children, box.children[1]
    first = picture.value
    play.value = 2
    assert at.value == 2 and 'alt="The drawing at step 9"' in picture.value and picture.value != first
    at.value = 0
    assert play.value == 0 and picture.value == first and drawn == [0, 9]
