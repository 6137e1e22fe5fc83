"""`experiment plan`: what a ledger lacks, and the hours, memory and disk of it."""

from dataclasses import replace

import pytest

from mgmr_lib.cli import main
from mgmr_lib.data.load import load_corpus
from mgmr_lib.data.text import load_encoder
from mgmr_lib.experiments import budget
from mgmr_lib.experiments.budget import Cost, cost, encoding_seconds, lines, planned_jobs
from mgmr_lib.experiments.plan import BASELINES, EXPERIMENTS, TWO
from mgmr_lib.training.config import make_config

HOW = {"profile": "laptop", "family": "mosi", "data": "classroom-mosi@1", "count": 3}


def test_every_experiment_is_planned_and_complete_data_where_it_is_tabled():
    jobs = planned_jobs(None, "AB", **HOW)
    of = {p: {j.variant.name for j in jobs if j.protocol == p} for p in ("B", "A-0.0")}
    assert of["B"] == {*TWO, *(n for names in EXPERIMENTS.values() for n in names)}
    assert of["A-0.0"] == {*TWO, *BASELINES}
    assert len(jobs) == len({(j.name, j.protocol) for j in jobs}) == 3 * (len(of["B"]) + len(of["A-0.0"]))
    assert {j.protocol for j in planned_jobs(("mgmr", "almt"), "A", **HOW)} == {"A-0.0"}


def test_hours_and_disk_are_those_of_the_runs_that_are_to_go():
    jobs = planned_jobs(("fc_a", "concat"), "B", **HOW)
    costs = {"fc_a": Cost(1800.0, 10**7, 10**6), "concat": Cost(3600.0, 2 * 10**7, 2 * 10**6)}
    found = lines(jobs, jobs[1:], costs, 360.0, 2)  # of fc_a the first seed is recorded
    assert "  2 of   3 runs to go, at most 0.50 hours each, 1.00 million weights, 0.01 GB" in found[0]
    # two of half an hour, three of an hour, three seeds' text of a tenth
    assert found[2] == (
        "in all: 5 of 6 runs to go, at most 4.3 hours of training (2.1 with --jobs 2), of which the frozen text "
        "encoder 0.3; 0.2 GB of weights and checkpoints"
    )
    assert lines(jobs, [], {}, 0.0, 2) == [
        "in all: 0 of 6 runs to go, at most 0.0 hours of training; 0.0 GB of weights and checkpoints"
    ]


def test_a_training_costs_its_epochs_and_its_clips(monkeypatch):
    corpus, ticks = load_corpus("classroom-mosi@1"), iter(range(1000))
    monkeypatch.setattr(budget.time, "perf_counter", lambda: next(ticks))  # a second between two looks
    monkeypatch.setattr(budget, "peak_bytes", lambda call: 7)
    monkeypatch.setattr(budget, "Trainer", lambda setup, quiet: type("T", (), {"run": lambda self: None})())
    c = make_config("fc_a", text_encoder="tiny", batch_size=8, epochs=3, max_clips=64)
    found = cost(c, corpus)
    assert found == Cost(1 * (64 / 8) * 3, 7, 449)
    assert cost(replace(c, epochs=6), corpus).seconds == 2 * found.seconds
    assert cost(replace(c, max_clips=None), corpus).seconds == pytest.approx(3 * 1284 / 8)


def test_the_validation_has_its_share_of_the_clips(monkeypatch):
    corpus, seen = load_corpus("classroom-mosi@1"), []
    monkeypatch.setattr(budget, "peak_bytes", lambda call: 7)

    class Trained:
        def __init__(self, setup, quiet):
            seen.append({name: len(split) for name, split in setup.splits.items()})

        def run(self):
            pass

    monkeypatch.setattr(budget, "Trainer", Trained)
    cost(make_config("fc_a", text_encoder="tiny", batch_size=32), corpus)
    assert all(s["train"] == 32 and s["valid"] == round(32 * 229 / 1284) for s in seen) and len(seen) == 2


def test_the_command_counts_what_is_recorded(tmp_path, capsys):
    small = ("--set", "epochs=1", "max_clips=16", "text_encoder=tiny")
    places = ("--ledger", str(tmp_path / "ledger"), "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out"))
    given = ("--data", "classroom-mosi@1", "--models", "fc_a", "--protocol", "B", "--mask-seeds", "1", *small, *places)
    assert main(["experiment", "plan", *given, "--seeds", "2"]) == 0
    assert "in all: 2 of 2 runs to go" in capsys.readouterr().out and not (tmp_path / "ledger").exists()
    assert main(["experiment", "table", *given, "--seeds", "1", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["experiment", "plan", *given, "--seeds", "2"]) == 0
    said = capsys.readouterr().out
    assert "fc_a " in said and "1 of   2 runs to go" in said and "in all: 1 of 2 runs" in said
    assert main(["experiment", "plan", *given, "--seeds", "1"]) == 0
    assert "in all: 0 of 1 runs to go" in capsys.readouterr().out


def test_frozen_text_is_measured_anew_and_stored_features_cost_nothing(monkeypatch, tmp_path):
    corpus, config = load_corpus("classroom-mosi@1"), make_config("fc_a", text_encoder="tiny", batch_size=8, epochs=3)
    monkeypatch.setenv("MGMR_SHARED_ENCODINGS", str(tmp_path))
    ticks = iter(range(1000))
    monkeypatch.setattr(budget.time, "perf_counter", lambda: next(ticks))
    assert encoding_seconds(config, corpus, load_encoder("tiny")) == pytest.approx(3 * 1284 / 8)
    assert not list(tmp_path.iterdir())  # what another process wrote would be read in no time
    assert encoding_seconds(config, corpus, load_encoder("stored")) == 0.0
