"""`experiment` on a learner's own MMSA file: trained, recorded by its content and tabled."""

import dataclasses
import functools
import json
import shutil
from pathlib import Path

import pytest

from mgmr_lib import cli
from mgmr_lib.commands import experiment as command
from mgmr_lib.data.load import corpus_name
from mgmr_lib.data.mmsa.export import export_mmsa
from mgmr_lib.experiments import complexity
from mgmr_lib.experiments.ledger import corpora, read_ledger, read_record
from mgmr_lib.experiments.records import digest
from tests.toy import toy_corpus

pytestmark = pytest.mark.slow

SMALL = ["--set", "epochs=1", "text_encoder=tiny", "max_clips=24"]
ONE = ["--models", "fc_t", "--seeds", "1", "--mask-seeds", "1", "--quiet"]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of one's own that stands for the learner's; a function that runs `experiment` there."""
    monkeypatch.setenv("MGMR_LEARNER", str(tmp_path))

    def run(*words: str) -> int:
        return cli.main(["experiment", *map(str, words)])

    return run


def export(path, corpus=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    export_mmsa(corpus or toy_corpus(), path)
    return path


def records(tmp_path):
    return {p.relative_to(tmp_path / "runs" / "ledger"): read_record(p) for p in (tmp_path / "runs").rglob("B/*.json")}


def test_a_file_of_ones_own_goes_through_the_same_command(own, tmp_path, capsys):
    words = ["curve", "--data", export(tmp_path / "my clips.pkl"), *SMALL]
    assert own(*words, *ONE, "--models", "mgmr,fc_t") == 0
    printed = capsys.readouterr().out
    (key,) = corpora(tmp_path / "runs" / "ledger", "*")
    (profile,) = {p.parts[1] for p in records(tmp_path)}
    folder = tmp_path / "runs" / "tables" / f"my clips-{key}" / profile
    assert str(folder / "curves.csv") in printed and (folder / "curve.png").exists()
    names = {r["name"] for r in read_ledger(tmp_path / "runs" / "ledger", key, profile)}
    assert {"mgmr", "fc_t", "mean", "text_ridge"} == names
    assert own(*words, "--report-only") == 0
    printed = capsys.readouterr().out
    assert str(folder / "curves.csv") in printed
    assert "not recorded, and so not in these tables: mgmr (seeds 1112, 1113, 1114, 1115), mfmb (all seeds)" in printed


def test_the_course_is_not_written_to_but_by_its_authors(own, tmp_path, monkeypatch, capsys):
    course = tmp_path / "course"
    monkeypatch.setattr(command, "REPOSITORY", course)
    data = export(tmp_path / "a.pkl")
    assert own("curve", "--data", data, *ONE, *SMALL) == 0
    assert not course.exists() and len(records(tmp_path)) == 3
    shutil.rmtree(tmp_path / "runs" / "ledger")
    assert own("curve", "--data", data, *ONE, "--into-course", *SMALL) == 0
    assert len(list(course.rglob("data/results/ledger/*/*/B/*.json"))) == 3 and not records(tmp_path)
    assert list(course.rglob("data/results/tables/*/*/curves.csv"))
    capsys.readouterr()
    assert own("curve", "--data", data, *ONE, *SMALL) == 0  # what the course holds is read, and not computed again
    assert "1 of 1 runs are recorded, 0 to go" in capsys.readouterr().out and not records(tmp_path)
    assert own("curve", "--into-course", "--ledger", tmp_path / "x") == 2


def test_two_files_of_one_name_are_two_corpora_and_one_file_of_two_names_is_one(own, tmp_path, capsys):
    first, second = (export(tmp_path / f / "unaligned_50.pkl", toy_corpus(i)) for i, f in enumerate("ab"))
    for path in (first, second):
        assert own("curve", "--data", path, *ONE, *SMALL) == 0
    assert len({p.parts[0] for p in records(tmp_path)}) == 2
    before = {p: p.read_bytes() for p in (tmp_path / "runs" / "tables").rglob("curves.csv")}
    assert len(set(before.values())) == 2
    for path in (second, first):
        assert own("curve", "--data", path, *SMALL, "--report-only") == 0
    assert before == {p: p.read_bytes() for p in (tmp_path / "runs" / "tables").rglob("curves.csv")}
    renamed = tmp_path / "c" / "another name.pkl"
    renamed.parent.mkdir()
    first.rename(renamed)
    capsys.readouterr()
    assert own("curve", "--data", renamed, *ONE, *SMALL) == 0
    assert "1 of 1 runs are recorded, 0 to go" in capsys.readouterr().out


def test_features_alone_make_another_corpus(own, tmp_path):
    corpus = toy_corpus()
    test = corpus["test"]
    louder = dataclasses.replace(test, audio=dataclasses.replace(test.audio, values=test.audio.values + 1))
    other = dataclasses.replace(corpus, splits={**corpus.splits, "test": louder})
    for i, c in enumerate((corpus, other)):
        assert own("curve", "--data", export(tmp_path / str(i) / "x.pkl", c), *ONE, *SMALL) == 0
    assert len({p.parts[0] for p in records(tmp_path)}) == 2


def test_other_settings_are_kept_and_tabled_apart_and_references_follow_them(own, tmp_path):
    data = export(tmp_path / "x.pkl")
    assert own("curve", "--data", data, *ONE, *SMALL) == 0
    assert own("curve", "--data", data, *ONE, "--set", "epochs=1", "text_encoder=tiny", "max_clips=12") == 0
    found = records(tmp_path)
    assert len({p.parts[1] for p in found}) == 2 and len(found) == 6
    assert {r["settings"]["max_clips"] for r in found.values()} == {12, 24}
    for r in found.values():
        seen = r["reference"] if r["config"] is None else r["config"]
        assert (seen["text_encoder"], seen["max_clips"]) == ("tiny", r["settings"]["max_clips"])


def test_a_deleted_record_is_missed_and_made_again_alike(own, tmp_path, capsys):
    words = ["curve", "--data", export(tmp_path / "x.pkl"), *ONE, *SMALL, "--seeds", "2"]
    assert own(*words) == 0
    path = next(p for p in (tmp_path / "runs").rglob("fc_t-1112.json"))
    record = read_record(path)
    path.unlink()
    capsys.readouterr()
    assert own(*words, "--report-only") == 0
    assert "not recorded, and so not in these tables: fc_t (seeds 1112)" in capsys.readouterr().out
    (tmp_path / "x.pkl").rename(tmp_path / "y.pkl")  # a report needs no data
    assert own(*words, "--report-only") == 0
    (tmp_path / "y.pkl").rename(tmp_path / "x.pkl")
    assert own(*words) == 0
    assert read_record(path)["records"] == record["records"]


def test_reproduce_finds_a_moved_file_and_refuses_another(own, tmp_path, capsys):
    data = export(tmp_path / "x.pkl")
    assert own("curve", "--data", data, *ONE, *SMALL) == 0
    path = next(p for p in (tmp_path / "runs").rglob("fc_t-1111.json"))
    moved = tmp_path / "moved.pkl"
    data.rename(moved)
    assert own("reproduce", "--record", path, "--quiet") == 2
    assert own("reproduce", "--record", path, "--data", moved, "--quiet") == 0
    assert "reproduced to the 3rd digit" in capsys.readouterr().out
    elsewhere = read_record(path)
    elsewhere["provenance"]["system"] = "Plan 9"
    path.write_text(json.dumps(elsewhere | {"digest": digest(elsewhere)}))
    assert own("reproduce", "--record", path, "--data", moved, "--quiet") == 0
    assert "note: recorded with system Plan 9" in capsys.readouterr().out
    assert own("reproduce", "--record", path, "--data", export(tmp_path / "y.pkl", toy_corpus(3)), "--quiet") == 2
    assert "is not the data of this record" in capsys.readouterr().err
    assert own("reproduce") == 2 and "reproduce needs --record" in capsys.readouterr().err
    reference = next((tmp_path / "runs").rglob("mean-0.json"))
    assert own("reproduce", "--record", reference) == 2 and "without a training run" in capsys.readouterr().err


def test_costs_are_measured_recorded_and_reported(own, tmp_path, monkeypatch, capsys):
    """Of few networks at small sizes."""
    few = {
        "over_length": {"names": ("mgmr", "concat")},
        "published_sizes": {"names": ("self_mm",), "frames": (9, 7), "batch": 2, "rounds": 1},
        "inference": {"names": ("mgmr", "concat"), "rounds": 1},
        "measure_costs": {"costs": complexity.Costs(frames=(20,), batch=2, rounds=1)},
    }
    for name, options in few.items():
        monkeypatch.setattr(complexity, name, functools.partial(getattr(complexity, name), **options))
    words = ["complexity", "--data", export(tmp_path / "x.pkl"), "--profile", "fast"]
    assert own(*words, "--report-only") == 2
    assert "does not exist: run `python -m mgmr_lib experiment complexity` without" in capsys.readouterr().err
    assert own(*words) == 0
    (record,) = (tmp_path / "runs").glob("complexity-*-fast.json")
    found = complexity.read_costs(record)
    assert {(r["name"], r["frames"]) for r in found["over_length"]} == {("mgmr", 20), ("concat", 20)}
    assert {(r["name"], r["rate"], r["clips"]) for r in found["inference"]} == {
        (name, rate, 24) for name in ("mgmr", "concat") for rate in (0.0, 0.5)
    }
    for again in (capsys.readouterr().out.splitlines()[1:], None):
        files = again or (own(*words, "--report-only"), capsys.readouterr().out.splitlines())[1]
        assert {Path(f).name for f in files} >= {"inference.md", "published.md", "over_length.csv", "over_length.png"}
    assert own(*words, "--inference-again") == 0
    again = complexity.read_costs(record)
    assert again["over_length"] == found["over_length"] and again["inference"] != found["inference"]
    assert set(again["again"]) == {"inference"}
    assert "| Self-MM |" in next(Path(f) for f in files if f.endswith("published.md")).read_text()


@pytest.mark.parametrize(
    "words, said",
    [
        (["--set", "seed=3"], "use --seeds"),
        (["--set", "epoch=3"], "did you mean epochs"),
        (["--set", "epochs=three"], "whole number"),
        (["--models", "mgrm"], "did you mean mgmr"),
        (["--mask-seeds", "0"], "at least 1"),
        (["--report-only"], "leave --report-only out"),
        (["--report-only", "--data", "nowhere.pkl"], "is not there"),
    ],
)
def test_mistakes_are_one_sentence(own, tmp_path, capsys, words, said):
    data = [] if "--data" in words else ["--data", export(tmp_path / "x.pkl")]
    assert own("table", *data, *words) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "runs").exists()


def test_costs_that_nobody_measured_are_not_tabled(own, tmp_path, capsys):
    assert own("complexity", "--report-only", "--data", export(tmp_path / "x.pkl")) == 2
    assert "complexity --report-only" not in (said := capsys.readouterr().err) and "without --report-only" in said
    assert not (tmp_path / "runs").exists()


def test_the_courses_records_give_its_tables_again_without_its_data(own, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MGMR_DATA", str(tmp_path / "no data"))
    assert own("curve", "--report-only") == 0
    made = tmp_path / "runs" / "tables" / "classroom-mosi" / "laptop" / "curves.csv"
    kept = command.REPOSITORY / "data" / "results" / made.relative_to(tmp_path / "runs")
    assert made.read_bytes() == kept.read_bytes() and str(made) in capsys.readouterr().out


def test_the_records_are_json_as_others_read_it(own, tmp_path):
    corpus = toy_corpus()
    zero = dataclasses.replace(corpus["test"], labels=corpus["test"].labels * 0)  # no clip is positive or negative
    other = dataclasses.replace(corpus, splits={**corpus.splits, "test": zero})
    assert own("table", "--data", export(tmp_path / "x.pkl", other), *ONE, "--protocol", "B", *SMALL) == 0

    def refuse(word):
        raise AssertionError(f"bare {word}")

    for path in (tmp_path / "runs").rglob("*.json"):
        json.loads(path.read_text(), parse_constant=refuse)
    assert {r["records"][0]["acc2_non0"] for r in records(tmp_path).values()} == {None}


def test_a_file_called_like_a_classroom_corpus_keeps_its_records_apart():
    assert corpus_name("classroom-mosi") == "classroom-mosi"
    assert corpus_name("/somewhere/classroom-mosi.pkl") == "classroom-mosi-file"
    assert corpus_name("/somewhere/unaligned_50.pkl") == "unaligned_50"
