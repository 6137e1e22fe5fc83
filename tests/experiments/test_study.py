"""A learner's own study: a plan that stays, a training that is killed and goes on, and what is read of it."""

import json
import time
from pathlib import Path

import pytest

from mgmr_lib.chapters.shared import own_study
from mgmr_lib.cli import main
from mgmr_lib.course import store, study_panel
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments import background, study
from mgmr_lib.experiments.ledger import areas, by_name
from mgmr_lib.experiments.study import Plan, Standing, read_plan, seconds_left, standings, train, write_plan

SMALL = {"text_encoder": "tiny", "max_clips": 40, "epochs": 2}
TINY = Plan(seeds=(1, 2), profile="fast", mask_seeds=(1,), settings=SMALL, expectation="none & <b>no</b>")


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """A finished study of two networks and a variant, two seeds."""
    folder = tmp_path_factory.mktemp("study")
    write_plan(folder, Plan(("mgmr", "mfmb", "mgmr_no_recon"), (1, 2), profile="fast", mask_seeds=(1,), settings=SMALL))
    train(folder, say=str)
    return folder


def test_a_plan_is_written_once_and_read_back(tmp_path):
    first = write_plan(tmp_path, TINY)
    assert first.models == ("mgmr", "mfmb") and first.written and read_plan(tmp_path) == first
    assert write_plan(tmp_path, TINY) == first
    other = write_plan(tmp_path, Plan(seeds=(7,)))  # nothing has begun: it may still be replaced
    assert other.seeds == (7,) and [s.state for s in standings(tmp_path)] == ["waiting", "waiting"]
    assert other.runs == [("mgmr", 7), ("mfmb", 7)]


def test_an_edited_plan_and_an_impossible_one_are_refused(tmp_path):
    write_plan(tmp_path, TINY)
    path = tmp_path / study.PLAN
    path.write_text(path.read_text().replace('"verdict": "told', '"verdict": "always told'))
    with pytest.raises(CourseError, match="changed after it was written"):
        read_plan(tmp_path)
    for wrong in ({"models": ("mgrm",)}, {"seeds": ()}, {"seeds": (-1,)}, {"profile": "desk"}, {"pattern": "rain"}):
        with pytest.raises(CourseError):
            Plan(**wrong)


def test_no_plan_is_one_sentence(tmp_path):
    with pytest.raises(CourseError, match="holds no plan"):
        read_plan(tmp_path)
    with pytest.raises(CourseError, match="holds no plan"):
        background.start(tmp_path)
    assert background.process(tmp_path) is None and not background.stop(tmp_path)


def test_a_plan_stays_once_a_run_has_begun_and_its_runs_are_recorded(done):
    assert [s.state for s in standings(done)] == ["recorded"] * 6
    assert train(done, say=str) == []  # nothing is done twice
    with pytest.raises(CourseError, match="stays as it is"):
        write_plan(done, TINY)
    names = [(r["name"], r["training_seed"]) for r in study.records(done) if r["config"]]
    assert sorted(names) == sorted(read_plan(done).runs)
    assert [run.config.seed for run in study.runs(done, "mgmr")] == [1, 2]  # not those of mgmr_no_recon


def test_a_killed_study_goes_on_in_the_middle_of_a_training(tmp_path):
    folder = tmp_path / "a study"
    write_plan(
        folder,
        Plan(("fc_a",), (1,), profile="fast", mask_seeds=(1,), settings=SMALL | {"epochs": 400, "patience": 400}),
    )
    background.start(folder)
    with pytest.raises(CourseError, match="is training already"):
        background.start(folder)
    deadline = time.monotonic() + 120
    while not standings(folder)[0].epoch and background.process(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "training now" in study_panel.page(folder)
    assert background.stop(folder, kill=True) and background.process(folder) is None
    left = standings(folder)[0]
    assert left.state == "begun" and 0 < left.epoch < 400, background.last_words(folder)
    assert "not training now" in study_panel.page(folder)
    background.start(folder)
    while standings(folder)[0].epoch <= left.epoch and time.monotonic() < deadline:
        time.sleep(0.05)
    assert standings(folder)[0].epoch > left.epoch and background.stop(folder)


def test_what_is_left_counts_whole_trainings():
    found = [Standing("a", 1, "recorded", 4, 10, None, 8.0), Standing("b", 1, "begun", 2, 10, 1.0, 4.0),
             Standing("a", 2, "waiting", 0, None, None, 0.0)]  # fmt: skip
    assert seconds_left(found) == pytest.approx(2.0 * (8 + 10))
    assert seconds_left(found[2:]) is None


def test_the_command_trains_what_its_plan_says(tmp_path, capsys):
    small = ["--set", *(f"{k}={v}" for k, v in SMALL.items()), "--profile", "fast", "--mask-seeds", "1", "--quiet"]
    there = ["experiment", "study", "--study", str(tmp_path / "mine")]
    assert main([*there, "--models", "fc_a", "--seeds", "1", *small]) == 0
    assert "1 of 1 trainings recorded" in capsys.readouterr().out
    assert main([*there, "--report-only"]) == 0
    assert main([*there, "--models", "mgmr"]) == 2
    assert "says what is trained" in capsys.readouterr().err


def test_it_stands_beside_what_was_recorded(done):
    own = study.records(done)
    at = {n: [areas(r)["auilc", "mae"] for r in found] for n, found in by_name(own).items()}
    table = own_study.beside(own, [r for r in own if r["training_seed"] == 1])
    assert f"{sum(at['mgmr']) / 2:.3f} [" in table and f"{at['mfmb'][0]:.3f} (one seed)" in table
    difference = (at["mgmr"][0] + at["mgmr"][1] - at["mfmb"][0] - at["mfmb"][1]) / 2
    assert f"yours: {difference:+.3f} [" in own_study.pair(own, [])
    assert "fewer than two seeds" in own_study.pair([r for r in own if r["training_seed"] == 1], [])
    assert "an epoch in your study, not recorded" in own_study.seconds(own, [])
    assert "not recorded with two seeds" in own_study.spreads(own, [])
    asked = []

    def judge(scores, whole, variants, seeds):
        asked.extend((whole, *variants, *seeds, scores("mgmr_no_recon", 2)))
        return {v: ("worse", 0.1, 0.05, 0.15) for v in variants}

    assert own_study.judged(own, "mgmr", judge).endswith("worse, +0.100 [+0.050, +0.150]")
    assert asked == ["mgmr", "mgmr_no_recon", 1, 2, at["mgmr_no_recon"][1]]
    assert "no changed version" in own_study.judged(own, "mfmb", judge)


def test_recorded_like_means_the_same_corpus_profile_and_settings(done):
    assert own_study.recorded_like(study.records(done)) == []  # the course recorded no such settings
    own = [r | {"profile": "laptop", "settings": {}} for r in study.records(done)]
    assert {r["profile"] for r in own_study.recorded_like(own)} == {"laptop"}


def test_a_study_is_the_learners_alone(done, monkeypatch, tmp_path):
    monkeypatch.setenv("MGMR_LEARNER", str(tmp_path / "learner"))
    for here, counts in ((tmp_path / "learner", True), (tmp_path / "learner" / "solutions", False), (tmp_path, False)):
        here.mkdir(exist_ok=True)
        monkeypatch.chdir(here)
        assert store.counts_here() == counts
        assert (own_study.folder() == tmp_path / "learner" / "runs" / "study") == counts
    assert own_study.records() == [] and own_study.networks() == {}
    assert own_study.beside([], []) == own_study.pair([], []) == own_study.judged([], "mgmr", None) == own_study.NONE


def test_the_page_escapes_what_the_learner_wrote(tmp_path):
    assert "No study yet" in study_panel.page(tmp_path)
    write_plan(tmp_path, TINY)
    page = study_panel.page(tmp_path)
    assert "none &amp; &lt;b&gt;no&lt;/b&gt;" in page and "0 of 4 trainings recorded; not training now" in page
    record = json.loads((tmp_path / study.PLAN).read_text())
    assert record["digest"] and record["seeds"] == [1, 2]
