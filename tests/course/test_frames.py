"""Frames of sliders: what a build keeps, what it refuses, and that a notebook outside a build keeps nothing."""

import json
import math
from itertools import product

import pytest

from mgmr_lib.course import frames
from mgmr_lib.course.animation import animate
from mgmr_lib.course.authoring import build
from mgmr_lib.course.authoring.source import LEARNER, read_sources
from mgmr_lib.course.widgets import explore
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY

CAPTION = "A line that climbs, for some of its slopes."


def line(fig, slope=1.0, start=0, kind="whole"):
    """A drawing with a title and labels."""
    ax = fig.subplots()
    ax.plot([start, start + slope])
    ax.set(title=f"slope {slope} {kind}", xlabel="step", ylabel="value (no unit)")


@pytest.mark.parametrize(
    "lengths, kept", [([7, 5], [7, 5]), ([5, 4, 4, 4], [3, 3, 2, 2]), ([200], [48]), ([2] * 5, [2] * 5)]
)
def test_long_lists_lose_choices_first_and_keep_their_ends(lengths, kept):
    values = {f"n{i}": list(range(n)) for i, n in enumerate(lengths)}
    chosen = frames.thinned(values)
    assert [len(c) for c in chosen.values()] == kept and math.prod(kept) <= frames.MOST
    for name, choices in chosen.items():
        assert choices == sorted(set(choices)) and (choices[0], choices[-1]) == (0, len(values[name]) - 1)


def test_outside_a_build_nothing_is_drawn(tmp_path, monkeypatch):
    monkeypatch.delenv(frames.FOLDER, raising=False)
    monkeypatch.chdir(tmp_path)
    frames.keep(lambda **_: pytest.fail("drawn"), {"slope": [1, 2]})
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """What two calls in a notebook that is being built leave."""
    folder = tmp_path / "drawn"
    folder.mkdir()
    monkeypatch.setenv(frames.FOLDER, str(folder))
    explore(line, CAPTION, "It climbs", (2, 1), slope=[0.5, 1.0, 2.0], start=[0, 1], kind=["whole", "half"])
    animate(lambda fig, start: line(fig, 5.0, start), CAPTION, "It climbs", range(3), size=(2, 1), milliseconds=250)
    return folder


CODE = ["explore(line, 1)", "x = 1\nanimate(line)\n# explore( is not called here"]


def test_each_call_keeps_a_picture_for_each_choice(drawn, tmp_path):
    frames.store(drawn, tmp_path / "01", CODE, "digest")
    sliders, player = frames.stored(tmp_path / "01", CODE, "digest")
    assert sliders == {
        "width": 200,
        "height": 100,
        "names": ["slope", "start", "kind"],
        "choices": [["0.5", "1", "2"], ["0", "1"], ["whole", "half"]],
        "milliseconds": 0,
    }
    assert player == {"width": 200, "height": 100, "names": ["step"], "choices": [["0", "1", "2"]], "milliseconds": 250}
    pictures = {p.name: p.read_bytes() for p in (tmp_path / "01").glob("*.png")}
    names = {frames.file_name(1, at) for at in product(range(3), range(2), range(2))} | {
        "2-0.png",
        "2-1.png",
        "2-2.png",
    }
    assert set(pictures) == names and len(set(pictures.values())) == len(names), "each choice has a drawing of its own"


def test_a_build_replaces_all_frames_and_leaves_none_where_nothing_moves(drawn, tmp_path):
    target = tmp_path / "01"
    target.mkdir()
    (target / "9-9.png").write_bytes(b"old")
    frames.store(drawn, target, CODE, "digest")
    assert not (target / "9-9.png").exists()
    (tmp_path / "none").mkdir()
    frames.store(tmp_path / "none", target, ["x = 1"], "digest")
    assert not target.exists() and frames.stored(target, ["x = 1"], "digest") == []


def test_a_call_without_frames_is_said(drawn, tmp_path):
    with pytest.raises(CourseError, match="01 calls explore or animate 3 times .* and 2 left frames"):
        frames.store(drawn, tmp_path / "01", [*CODE, "explore(line)"], "digest")


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda target: (target / "index.json").unlink(), "the frames of 01 are missing"),
        (lambda target: (target / "index.json").write_text("{}"), "the frames of 01 are missing"),
        (lambda target: (target / "1-2-1-0.png").unlink(), "the frames of 01 lack 1-2-1-0.png"),
        (lambda target: retell(target, code="another"), "the frames of 01 were drawn by other code"),
        (lambda target: retell(target, figures=[]), "the frames of 01 were drawn by other code"),
    ],
)
def test_frames_that_do_not_fit_are_said(drawn, tmp_path, spoil, said):
    frames.store(drawn, tmp_path / "01", CODE, "digest")
    spoil(tmp_path / "01")
    with pytest.raises(CourseError, match=f"{said}: run `python -m mgmr_lib.course build 01`"):
        frames.stored(tmp_path / "01", CODE, "digest")


def retell(target, **changes):
    path = target / frames.INDEX
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_every_slider_of_the_course_has_its_frames():
    for number, source in read_sources().items():
        code, digest = build.code_of(build._stored(REPOSITORY / LEARNER / source.meta.file_name))
        folder = build.frames_folder(number)
        figures = frames.stored(folder, code, digest)
        known = {
            frames.file_name(k, at)
            for k, f in enumerate(figures, 1)
            for at in product(*map(range, map(len, f["choices"])))
        }
        assert {p.name for p in folder.glob("*.png")} == known, number


def test_a_notebook_whose_frames_are_of_other_code_differs(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "frames_folder", lambda number, root: tmp_path / number)
    sources = {"01": read_sources()["01"]}
    assert list(build._frames_that_differ(sources, REPOSITORY)) == [
        "the frames of 01 are missing: run `python -m mgmr_lib.course build 01`"
    ]
