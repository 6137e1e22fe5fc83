"""`experiment tune`: the same points for everyone, a search that several processes share, and what is made of it."""

import json
import math
import sys
from dataclasses import replace

import filelock
import optuna
import pytest

from mgmr_lib.cli import main
from mgmr_lib.data.load import load_corpus
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments import tuning
from mgmr_lib.experiments.plan import TWO, VARIANTS
from mgmr_lib.experiments.search_space import DECAY, DROPOUT, POOLS, RATE, SCALED, points, settings_at, start
from mgmr_lib.experiments.tuned_page import chosen_table
from mgmr_lib.experiments.tuning import Study, chosen, filled, lines, opened, run, trials_of, work
from mgmr_lib.files import write_json
from mgmr_lib.models.registry import NETWORKS
from mgmr_lib.settings import fields_of
from mgmr_lib.training.config import TrainConfig, make_config
from mgmr_lib.training.identity import fingerprint
from mgmr_lib.training.tuned import read_tuning

SMALL = (("epochs", 1), ("max_clips", 16), ("text_encoder", "tiny"))
QUICK = ("fc_a", "fc_v")


@pytest.fixture(scope="module")
def corpus():
    return load_corpus("classroom-mosi@1")


@pytest.fixture
def study(tmp_path):
    return Study(f"sqlite:///{tmp_path / 'trials.db'}", "classroom-mosi@1", "mosi", QUICK, 4, 0, SMALL)


@pytest.fixture
def instead(monkeypatch):
    """Trials that train nothing: their value is a function of the configuration."""
    seen = []

    def trained(config, corpus, encoder):
        seen.append(config)
        return abs(math.log(config.lr / 1e-3)) + config.network.dropout, 0

    monkeypatch.setattr(tuning, "_trained", trained)
    return seen


# --------------------------------------------------------------------------------------------------------------- points


def test_every_network_is_tried_at_the_same_points():
    first = points("concat", 16, 0)
    assert len(first) == 15 == len({json.dumps(p) for p in first})
    for model in NETWORKS:
        other = points(model, 16, 0)
        for a, b in zip(first, other, strict=True):
            assert {k: v for k, v in a.items() if k != "objective"} == {k: v for k, v in b.items() if k != "objective"}
    assert points("concat", 16, 1) != first and points("concat", 40, 0)[:15] == first and points("concat", 1, 0) == []


def test_the_points_fill_the_space():
    found = points("mfmb", 33, 0)
    for axis, (low, high) in (("lr", RATE), ("weight_decay", DECAY), ("dropout", DROPOUT)):
        values = sorted(p[axis] for p in found)
        assert low <= values[0] and values[-1] <= high
        middle = math.sqrt(low * high) if low else high / 2
        assert 12 <= sum(v < middle for v in values) <= 20  # of 32: half, but for what scrambling moves
    for axis, count in (("width", 3), ("pool", 3), ("objective", 3)):
        each = [sum(p[axis] == v for p in found) for v in {p[axis] for p in found}]
        assert len(each) == count and min(each) >= 8
    assert {p["objective"] for p in points("mgmr", 33, 0)} == {"mae", "mse"}


@pytest.mark.parametrize("model", NETWORKS)
def test_a_point_sets_what_it_says_and_every_network_can_have_it(model):
    before = make_config(model, **start(model))
    for point in points(model, 9, 0):
        config = make_config(model, **settings_at(model, point))
        assert (config.lr, config.weight_decay) == (point["lr"], point["weight_decay"])
        assert config.pool_audio == point["pool"] and (config.pool_audio, config.pool_vision) in POOLS
        assert config.network.dropout == point["dropout"]
        if point["objective"] == "classes":
            assert config.network.classes == 7 and config.objective is None
        else:
            assert config.objective == point["objective"] and getattr(config.network, "classes", 1) == 1
        scaled = [n for n in SCALED if n in fields_of(type(config.network))]
        assert scaled
        for name in scaled:
            size, unit = getattr(before.network, name), getattr(config.network, "heads", 1) if name == "d_model" else 1
            assert abs(getattr(config.network, name) - point["width"] * size) <= unit / 2 or size < 2
        searched = (*scaled, "dropout", "classes", "class_targets")
        others = {n for n in fields_of(type(config.network)) if n not in searched}
        assert all(getattr(config.network, n) == getattr(before.network, n) for n in others)


def test_the_search_starts_without_what_was_chosen_for_the_two_alone():
    for model in TWO:
        assert settings_at(model, None) == dict(VARIANTS[f"{model}_plain"].settings)
        config = make_config(model, **settings_at(model, None))
        rival = make_config("concat")
        assert (config.epochs, config.network.input_dropout, config.network.dropout) == (12, 0.0, rival.network.dropout)
    assert settings_at("concat", None) == {}


def test_an_objective_is_for_networks_that_predict_a_number():
    assert make_config("misa", objective="mae").hash() != make_config("misa").hash()
    with pytest.raises(CourseError, match="give --classes 1 with it"):
        make_config("mfmb", objective="mae")


def test_the_objective_decides_what_training_compares(corpus):
    from mgmr_lib.training.setup import prepare
    from mgmr_lib.training.trainer import Trainer

    losses = {}
    for objective in (None, "mae", "mse"):
        c = make_config("fc_a", objective=objective, **dict(SMALL), lr=1e-9, dropout=0.0)
        losses[objective] = Trainer(prepare(c, corpus), quiet=True).run().history[0]["train_task"]
    assert losses[None] == losses["mae"] != losses["mse"]
    c = make_config("misa", objective="mae", **dict(SMALL))
    assert Trainer(prepare(c, corpus), quiet=True).run().history[0]["train_task"] < 3  # the squared error is above


# ---------------------------------------------------------------------------------------------------------------- study


def test_every_network_gets_its_trials_and_the_best_one_is_chosen(study, corpus, instead):
    run(study, corpus, say=lambda text: None)
    found = chosen(study, corpus)
    assert list(found["networks"]) == list(QUICK) and len(instead) == 8
    for model, network in found["networks"].items():
        assert [row["trial"] for row in network["trials"]] == [0, 1, 2, 3]
        values = [row["valid_mae"] for row in network["trials"]]
        assert network["trial"] == values.index(min(values)) == 0 and network["settings"] == start(model)
    assert found["budget"] == 4 and found["set"] == dict(SMALL)


def test_the_same_seed_repeats_the_same_trials(study, corpus, instead, tmp_path):
    again = replace(study, storage=f"sqlite:///{tmp_path / 'again.db'}")
    other = replace(study, storage=f"sqlite:///{tmp_path / 'other.db'}", seed=1)
    results = []
    for s in (study, again, other):
        run(s, corpus, say=lambda text: None)
        results.append(
            {m: [(r["at"], r["valid_mae"]) for r in n["trials"]] for m, n in chosen(s, corpus)["networks"].items()}
        )
    assert results[0] == results[1] != results[2]


def test_an_interrupted_search_goes_on(study, corpus, instead, monkeypatch):
    plain, calls = tuning._trained, []

    def interrupted(config, corpus, encoder):
        calls.append(config)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(config, corpus, encoder)

    monkeypatch.setattr(tuning, "_trained", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(study, corpus, say=lambda text: None)
    partial = chosen(study, corpus)
    assert partial["networks"] == {}
    assert lines(partial, QUICK)[0].startswith("fc_a: not all of its 4 trials are finished; the same command goes on")
    run(study, corpus, say=lambda text: None)
    assert len(calls) == 9  # eight trials, one of them twice
    content = fingerprint(corpus, "")
    assert [len(trials_of(opened(study, m, content), study)) for m in QUICK] == [4, 4]


def test_a_larger_budget_adds_trials_and_keeps_the_old_ones(study, corpus, instead):
    run(study, corpus, say=lambda text: None)
    more = replace(study, trials=6)
    assert chosen(more, corpus)["networks"] == {}
    run(more, corpus, say=lambda text: None)
    assert len(instead) == 12 and len(chosen(more, corpus)["networks"]["fc_v"]["trials"]) == 6


def test_two_processes_share_one_search(study, corpus):
    run(study, corpus, processes=2)
    content = fingerprint(corpus, "")
    for model in QUICK:
        trials = opened(study, model, content).get_trials(deepcopy=False)
        done = [t.user_attrs["point"] for t in trials if t.state.name == "COMPLETE"]
        assert sorted(done) == [0, 1, 2, 3]  # each once
        assert all(math.isfinite(t.value) for t in trials if t.state.name == "COMPLETE")


def test_a_trial_is_taken_by_one_process_at_a_time(study, corpus, instead, monkeypatch):
    from optuna.storages import RDBStorage

    taken, real = [], RDBStorage.set_trial_state_values

    def watched(self, trial_id, state, values=None):
        if state.name == "RUNNING":  # SQLite locks no row, so between looking and taking nobody else may look
            with pytest.raises(filelock.Timeout):
                filelock.FileLock(f"{study.storage.removeprefix('sqlite:///')}.lock").acquire(timeout=0)
            taken.append(trial_id)
        return real(self, trial_id, state, values)

    monkeypatch.setattr(RDBStorage, "set_trial_state_values", watched)
    work(study, corpus, lambda text: None)
    assert len(taken) == len(set(taken)) == 2 * study.trials


def test_a_trial_that_was_taken_back_while_the_computer_slept_counts_once(study, corpus, monkeypatch):
    first, slept = replace(study, models=QUICK[:1]), []

    def trained(config, corpus, encoder):
        if not slept:
            slept.append(True)
            found = filled(first, QUICK[0], fingerprint(corpus, ""))
            mine = next(t for t in found.trials if t.state.name == "RUNNING")
            found.tell(mine.number, state=optuna.trial.TrialState.FAIL)  # as after GRACE seconds without a sign of life
            filled(first, QUICK[0], fingerprint(corpus, ""))  # its point waits again
        return config.lr, 0

    monkeypatch.setattr(tuning, "_trained", trained)
    work(first, corpus, lambda text: None)
    found = opened(first, QUICK[0], fingerprint(corpus, ""))
    assert sorted(t.user_attrs["point"] for t in found.trials if t.state.name == "COMPLETE") == [0, 1, 2, 3]
    assert len(found.trials) == 5

    def broken(config, corpus, encoder):
        raise ValueError("an error of the training itself")

    monkeypatch.setattr(tuning, "_trained", broken)
    with pytest.raises(ValueError, match="of the training itself"):
        work(replace(study, models=QUICK[1:]), corpus, lambda text: None)


def test_a_trial_that_another_process_took_is_not_made_up(study, corpus, instead, monkeypatch):
    content, first = fingerprint(corpus, ""), study.models[0]
    found = filled(study, first, content)
    while any(t.state.name == "WAITING" for t in found.get_trials(deepcopy=False)):
        found.ask()  # another process takes them all, between our look and our asking
    looks = iter([["WAITING"], []])
    real = type(found).get_trials

    class Waiting:
        def __init__(self, name):
            self.state = type("State", (), {"name": name})
            self.user_attrs = {}

    def get_trials(self, deepcopy=True, states=None):
        names = next(looks, None)
        return real(self, deepcopy, states) if names is None else [Waiting(n) for n in names]

    monkeypatch.setattr(tuning, "filled", lambda *args: found)
    monkeypatch.setattr(type(found), "get_trials", get_trials)
    work(replace(study, models=(first,)), corpus, lambda text: None)
    monkeypatch.undo()
    assert not instead and [t.state.name for t in found.trials].count("PRUNED") == 1


def test_a_training_that_is_not_finite_counts_as_a_trial_and_is_written_as_none(study, corpus, monkeypatch, tmp_path):
    monkeypatch.setattr(tuning, "_trained", lambda c, *_: (math.inf, -1) if c.lr > 1e-3 or c.lr == 1e-3 else (1.0, 3))
    run(study, corpus, say=lambda text: None)
    found = chosen(study, corpus)
    write_json(tmp_path / "tuning.json", found)
    assert read_tuning(tmp_path / "tuning.json") == found  # JSON has no infinity, and the digest still fits
    values = [row["valid_mae"] for row in found["networks"]["fc_a"]["trials"]]
    assert values[0] is None and 1.0 in values and found["networks"]["fc_a"]["trial"] == values.index(1.0)
    assert "not finite at the start, 1.0000 in trial" in lines(found, ["fc_a"])[0]


def test_looking_at_a_search_leaves_it_as_it_is(study, corpus):
    content = fingerprint(corpus, "")
    assert chosen(study, corpus)["networks"] == {}
    assert opened(study, "fc_a", content).get_trials() == []


def test_settings_of_several_values_are_the_same_search_when_it_goes_on(study):
    rates = replace(study, settings=(*SMALL, ("valid_rates", (0.0, 0.5))))
    opened(rates, "fc_a", "f00")
    opened(rates, "fc_a", "f00")
    with pytest.raises(CourseError, match="another --search-seed"):
        opened(replace(study, settings=(*SMALL, ("valid_rates", (0.0, 0.6)))), "fc_a", "f00")


def test_another_search_in_the_same_storage_is_refused(study, corpus):
    content = fingerprint(corpus, "")
    opened(study, "fc_a", content)
    for other in (replace(study, seed=1), replace(study, settings=())):
        with pytest.raises(CourseError, match="holds a search with another --search-seed, corpus or --set"):
            opened(other, "fc_a", content)
    with pytest.raises(CourseError, match="another --search-seed, corpus"):
        opened(study, "fc_a", "another corpus")


def test_a_storage_that_cannot_be_opened_is_one_sentence(study, corpus, tmp_path):
    (tmp_path / "text.db").write_text("no database at all, but long enough to be read as one" * 20)
    for url in (f"sqlite:///{tmp_path / 'text.db'}", "nonsense://x", "no url"):
        with pytest.raises(CourseError, match="cannot be opened .*: give another --storage"):
            opened(replace(study, storage=url), "fc_a", "f00")


def test_without_optuna_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(CourseError, match="needs the package optuna: pip install"):
        tuning.optuna()


def test_a_training_that_is_not_finite_is_a_finished_trial(study, corpus, monkeypatch):
    from mgmr_lib.training.trainer import Trainer

    def run_it(self):
        raise CourseError("the loss is not finite since epoch 1")

    monkeypatch.setattr(Trainer, "run", run_it)
    value, epoch = tuning._trained(study.config("fc_a", None), corpus, None)
    assert value == math.inf and epoch == -1


# -------------------------------------------------------------------------------------------------------------- command


def command(tmp_path, *more):
    given = ("experiment", "tune", "--data", "classroom-mosi@1", "--trials", "2", "--models", "fc_a,fc_v")
    small = ("--set", "epochs=1", "max_clips=16", "text_encoder=tiny")
    places = ("--storage", f"sqlite:///{tmp_path / 'trials.db'}", "--out", str(tmp_path / "out"))
    return main([*given, *small, *places, *more])


def test_the_command_writes_what_was_chosen_with_every_trial(tmp_path, capsys, instead):
    assert command(tmp_path) == 0
    path = tmp_path / "out" / "tuning.json"
    said = capsys.readouterr().out
    assert "fc_a: 2 trials" in said and str(path) in said
    read_tuning.cache_clear()
    found = read_tuning(path)
    assert found["networks"].keys() == {"fc_a", "fc_v"} and found["provenance"]["commit"]
    assert command(tmp_path, "--report-only") == 0 and len(instead) == 4
    path.write_text(path.read_text().replace('"trial": 0', '"trial": 1', 1))
    read_tuning.cache_clear()
    with pytest.raises(CourseError, match="tuning.json was changed after it was written"):
        read_tuning(path)


def test_a_profile_to_start_from_is_refused(capsys, tmp_path):
    assert command(tmp_path, "--profile", "fast") == 2
    assert "leave --profile fast out" in capsys.readouterr().err and not (tmp_path / "trials.db").exists()


def test_networks_with_less_care_are_not_written_into_the_course(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tuning, "REPOSITORY", tmp_path)
    given = ["experiment", "tune", "--data", "classroom-mosi@1", "--models", "fc_a", "--report-only", "--into-course"]
    storage = ["--storage", f"sqlite:///{tmp_path / 'trials.db'}"]
    assert main([*given, *storage]) == 2
    assert "would have had less care" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_the_table_of_what_was_chosen(study, corpus, instead):
    run(study, corpus, say=lambda text: None)
    found = chosen(study, corpus)
    config = make_config("fc_a", **settings_at("fc_a", found["networks"]["fc_a"]["trials"][2]["at"]))
    record = {"name": "fc_a", "config": config.to_dict(), "parameters": 449}
    found["networks"]["fc_a"]["trial"] = 2
    row = chosen_table(found, [record, record]).splitlines()[2]
    assert row.startswith("| FC(A) | 4 | ") and row.endswith("| mae | 449 |")
    assert f"| {config.lr:g} | {config.weight_decay:g} | {config.network.dropout:g} |" in row
    assert TrainConfig.from_dict(record["config"]) == config
