"""Bets: asked before, settled after, kept in the learner's folder, and never in the way of "Run All"."""

import json

import pytest

from mgmr_lib.course import bets, calibration, outcome, predict, progress, store
from mgmr_lib.course.bet_panel import Panel
from mgmr_lib.errors import CourseError

LESSON = "A decay has no last step."


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """The test works in a learner's folder."""
    monkeypatch.setenv("MGMR_LEARNER", str(tmp_path))
    monkeypatch.setattr(bets, "_open", {})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def clap(**more):
    predict("98.a", "What is left?", {"nothing": 0, "a tenth": 0.1, "a half": 0.5})
    return bets._open["98.a"][0]


def said(capsys):
    return capsys.readouterr().out


def test_without_a_bet_both_say_the_same_at_every_run(capsys):
    texts = []
    for _ in range(2):
        clap()
        outcome("98.a", 0.12, because=LESSON)
        texts.append(said(capsys))
    assert (
        texts[0]
        == texts[1]
        == (
            "98.a  Your bet: What is left?\n      - nothing\n      - a tenth\n      - a half\n"
            "98.a  The outcome: a tenth.\n      A decay has no last step.\n"
        )
    )
    assert store.read(bets.FILE) == {}


@pytest.mark.parametrize(
    ("bet", "words", "right"),
    [
        ("a half", "Your bet: a half (70 % sure). The outcome: a tenth.", False),
        ("a tenth", "Your bet was right: a tenth (70 % sure).", True),
    ],
)
def test_a_bet_is_settled_once_and_kept(folder, capsys, bet, words, right):
    question = clap()
    bets.place(question, bet, 70)
    outcome("98.a", 0.12, because=LESSON)
    assert words in said(capsys)
    kept = json.loads((folder / "bets.json").read_text())
    assert kept == {"98.a": {"bet": bet, "confidence": 70, "right": right}}
    bets.place(question, "nothing", 90)  # too late
    outcome("98.a", 0.12, because=LESSON)
    assert words in said(capsys) and json.loads((folder / "bets.json").read_text()) == kept


@pytest.mark.parametrize(
    ("settings", "bet", "truth", "right"),
    [
        ({"within": 1.0}, 12.0, 12.9, True),
        ({"within": 1.0}, 12.0, 13.1, False),
        ({"factor": 2}, 50, 99, True),
        ({"factor": 2}, 50, 101, False),
        ({"factor": 2}, 50, 24, False),
        ({"factor": 2}, -50, 50, False),
        ({"factor": 2}, 0, 0, False),
        ({"within": 0.5}, 0, 0, True),
    ],
)
def test_a_number_is_right_within_its_tolerance(settings, bet, truth, right):
    assert bets.Question("98.a", "How many?", **settings).is_right(bet, truth) == right


def test_the_nearest_choice_or_the_named_one_wins():
    numbers = bets.Question("98.a", "?", ("none", "ten", "sixty"), (0.0, 10.0, 60.0))
    assert [numbers.truth(v) for v in (4.9, 5.1, 34, 36, 1e9, -3)] == ["none", "ten", "ten", "sixty", "sixty", "none"]
    texts = bets.Question("98.a", "?", ("falls", "rises"))
    assert texts.truth("rises") == "rises"
    with pytest.raises(CourseError, match="none of the choices"):
        texts.truth("stays")


@pytest.mark.parametrize(
    "arguments",
    [
        ("98", "?", ["a", "b"]),
        ("98.1", "?", ["a", "b"]),
        ("98.a", "?", ["a"]),
        ("98.a", "?", ["a", "a"]),
        ("98.a", "?"),
    ],
)
def test_a_badly_made_question_is_named(arguments):
    with pytest.raises(CourseError, match="98"):
        predict(*arguments)


def test_an_outcome_whose_question_was_not_asked_says_so(capsys):
    outcome("98.a", 3, because=LESSON)
    assert "predict('98.a', ...) first" in said(capsys)


@pytest.mark.parametrize("text", ["", "[1]", '{"98.a": 3}', '{"98.a": {"bet": "a third"}}', '{"98.a": {}}'])
def test_a_damaged_file_or_a_bet_on_an_older_question_is_no_bet(folder, capsys, text):
    (folder / "bets.json").write_text(text)
    question = clap()
    assert bets.kept(question) == {}
    outcome("98.a", 0.12, because=LESSON)
    assert "The outcome: a tenth." in said(capsys)
    bets.place(question, "a half", None)
    assert bets.kept(question) == {"bet": "a half", "confidence": None}


def test_a_panel_keeps_every_change_until_it_is_settled(capsys):
    pytest.importorskip("ipywidgets")
    question = clap()
    panel = Panel(question)
    panel.sure.value = 90  # without a bet nothing is kept
    assert bets.kept(question) == {}
    panel.answer.value = "nothing"
    assert bets.kept(question) == {"bet": "nothing", "confidence": 90}
    panel.answer.value, panel.sure.value = "a half", 50
    assert bets.kept(question) == {"bet": "a half", "confidence": 50}
    bets._open["98.a"] = (question, panel)
    outcome("98.a", 0.12, because=LESSON)
    assert panel.answer.disabled and panel.sure.disabled and "It is a tenth" in panel.said.value
    again = Panel(question)
    assert again.answer.disabled and again.answer.value == "a half" and again.sure.value == 50


def test_a_slider_places_its_bet_by_its_button_and_shows_its_axis():
    pytest.importorskip("ipywidgets")
    question = bets.Question("98.b", "Where?", between=(0, 100), step=5, within=10, unit="%")
    panel = Panel(question)
    panel.answer.value = 40.0
    assert bets.kept(question) == {} and 'aria-label="you 40%"' in panel.axis.value
    panel.button.click()
    assert bets.kept(question) == {"bet": 40.0, "confidence": None}


def test_texts_are_escaped():
    pytest.importorskip("ipywidgets")
    question = bets.Question("98.a", "Is a < b?", ("a < b", "no"))
    assert "a &lt; b" in Panel(question).box.children[0].value


def kept_bets(*bets):
    """(confidence, right) of each."""
    return {f"98.{chr(97 + i)}": {"bet": "x", "confidence": c, "right": r} for i, (c, r) in enumerate(bets)}


def test_progress_says_how_often_right_and_where_over_confident(folder, capsys):
    sure = [(90, True)] * 2 + [(90, False)] * 3 + [(50, True)] * 2 + [(50, False)] * 2 + [(70, True), (None, False)]
    store.update(bets.FILE, lambda _: kept_bets(*sure) | {"97.a": {"bet": "x", "confidence": 50, "right": True}})
    store.update(bets.FILE, lambda kept: kept | {"98.z": {"bet": "open", "confidence": 90}, "98.y": 3})
    progress("98")
    out = said(capsys)
    assert "5 of 11 bets right" in out and "90 % sure: 2 of 5 right, over-confident" in out
    assert "50 % sure: 2 of 4 right, well judged" in out and "70 % sure: 1 of 1 right, too few" in out
    assert "another look: 98.c, 98.d, 98.e, 98.h, 98.i, 98.k" in out
    assert "Figure: How often your bets were right" in out


@pytest.mark.parametrize(
    ("confidence", "right", "number", "words"),
    [
        (50, 3, 3, "under-confident"),
        (90, 3, 3, "well judged"),
        (90, 1, 3, "over-confident"),
        (70, 0, 3, "over-confident"),
        (70, 10, 10, "under-confident"),
        (70, 8, 10, "well judged"),
    ],
)
def test_confidence_is_judged_by_its_own_spread(confidence, right, number, words):
    assert calibration.judgement(confidence, right, number) == words


def test_without_a_bet_progress_says_nothing_of_bets(capsys):
    progress("01")
    assert "bets" not in said(capsys)
