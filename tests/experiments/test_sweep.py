"""Sweeps on a toy corpus: nothing is run twice, damaged records are named and repeated, a record reproduces its
numbers."""

import dataclasses
import errno
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mgmr_lib.data.encoding_memo import EncodingMemo
from mgmr_lib.data.text import encode, load_encoder
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments import plan, reproduce, sweep
from mgmr_lib.experiments.carry_over import carry_over
from mgmr_lib.experiments.ledger import read_ledger, read_record
from mgmr_lib.experiments.records import digest
from mgmr_lib.training.identity import first_fingerprint
from tests.toy import toy_corpus

pytestmark = pytest.mark.slow

SETTINGS = {"epochs": 1, "text_encoder": "tiny", "max_clips": 32}


@pytest.fixture
def toy(tmp_path):
    return sweep.Sweep(tmp_path / "ledger", tmp_path / "runs", toy_corpus(), (1, 2), (0.0, 0.5, 1.0))


def jobs(names=("fc_t", "concat"), seeds=2, protocol="B", **settings):
    return plan.jobs_of(names, protocol, "fast", "mosi", "toy", None, seeds, **{**SETTINGS, **settings})


def test_an_interrupted_sweep_goes_on_and_repeats_nothing(toy):
    heard = []
    assert sweep.run_sweep(toy, jobs()[:3], say=heard.append) == ["fc_t-1111", "concat-1111", "fc_t-1112"]
    before = {f: f.stat().st_mtime_ns for f in toy.ledger.rglob("*.json")}
    assert sweep.run_sweep(toy, jobs(), say=heard.append) == ["concat-1112"]
    assert sweep.run_sweep(toy, jobs(), say=heard.append) == [] and "4 of 4 runs are recorded" in heard[-1]
    assert all(f.stat().st_mtime_ns == t for f, t in before.items())


def test_a_damaged_record_is_named_kept_aside_and_repeated_the_others_stay(toy):
    sweep.run_sweep(toy, jobs(), say=str)
    files = sorted(toy.ledger.rglob("*.json"))
    before = {f: f.read_text() for f in files}
    bad = next(f for f in files if f.name == "concat-1111.json")
    bad.write_text(bad.read_text().replace('"rate": 0.5', '"rate": 0.4', 1))
    heard = []
    assert sweep.run_sweep(toy, jobs(), say=heard.append) == ["concat-1111"]
    assert "concat-1111.json" in heard[0] and "damaged" in heard[0]
    assert bad.with_name("concat-1111.json.damaged").exists()
    again = {f: read_record(f)["records"] for f in files}
    assert again == {f: json.loads(t)["records"] for f, t in before.items()}


def test_other_settings_or_data_make_a_record_stale(toy):
    one = jobs(("concat",), 1)
    sweep.run_sweep(toy, one, say=str)
    assert sweep.standing(toy, one[0])[0] == "recorded"
    state, sentence = sweep.standing(toy, jobs(("concat",), 1, lr=0.01)[0])
    assert state == "stale" and "lr is 0.002 there and 0.01 here" in sentence
    other = sweep.Sweep(toy.ledger, toy.folder, toy_corpus(1), toy.mask_seeds, toy.rates)
    assert sweep.standing(other, one[0])[0] == "missing"  # other data have a folder of their own
    more = sweep.Sweep(toy.ledger, toy.folder, toy.corpus, (1, 2, 3), toy.rates)
    assert sweep.standing(more, one[0])[0] == "stale"


def test_protocol_a_is_measured_at_its_own_rate_only(toy):
    sweep.run_sweep(toy, jobs(("concat",), 1, "A"), say=str)
    (record,) = read_ledger(toy.ledger, toy.key, "fast", "A-0.0")
    assert {r["rate"] for r in record["records"]} == {0.0} and record["config"]["protocol"] == "A"
    assert record["training_seed"] == 111


def test_a_record_reproduces_its_numbers_and_another_seed_does_not(toy, tmp_path, monkeypatch):
    sweep.run_sweep(toy, jobs(("concat",), 2), say=str)
    monkeypatch.setattr(reproduce, "load_corpus", lambda *_: toy.corpus)
    first, second = read_ledger(toy.ledger, toy.key, "fast")
    again = reproduce.repeat(first, tmp_path / "again")
    assert max(reproduce.differences(first["records"], again["records"]).values()) == 0.0
    assert max(reproduce.differences(first["records"], second["records"]).values()) > 0.0
    with pytest.raises(CourseError, match="not the data of this record"):
        reproduce.repeat({**first, "fingerprint": "other"}, tmp_path / "third")


def test_the_references_are_recorded_once(toy, monkeypatch):
    config = plan.reference_config("fast", "mosi", {"text_encoder": "tiny", "max_clips": None})
    sweep.record_references(toy, config)
    names = {r["name"]: r for r in read_ledger(toy.ledger, toy.key, "fast")}
    assert names.keys() == {"mean", "text_ridge"} and names["mean"]["config"] is None
    expected = np.abs(toy.corpus["test"].labels - toy.corpus["train"].labels.mean()).mean()
    assert names["mean"]["records"][0]["mae"] == pytest.approx(expected, abs=1e-5)
    monkeypatch.setattr(sweep, "prepare", lambda *a, **k: pytest.fail("recorded already"))
    sweep.record_references(toy, config)


def test_references_read_the_same_encoder_and_clips_as_the_runs(toy):
    whole, part = (
        plan.reference_config("fast", "mosi", {"text_encoder": "tiny", "max_clips": clips, "d_model": 8})
        for clips in (None, 12)
    )
    sweep.record_references(toy, whole)
    before = read_ledger(toy.ledger, toy.key, "fast")
    sweep.record_references(toy, part)
    after = {r["name"]: r for r in read_ledger(toy.ledger, toy.key, "fast")}
    assert after["mean"]["reference"] == {"text_encoder": "tiny", "max_clips": 12}
    few = toy.corpus["test"].labels[:12] - toy.corpus["train"].labels[:12].mean()
    assert after["mean"]["records"][0]["mae"] == pytest.approx(np.abs(few).mean(), abs=1e-5)
    assert after["text_ridge"]["records"] != next(r for r in before if r["name"] == "text_ridge")["records"]


def test_a_run_that_another_ledger_holds_is_not_run_again(toy, tmp_path):
    one = jobs(("concat",), 1)
    sweep.run_sweep(toy, one, say=str)
    mine = sweep.Sweep(tmp_path / "mine", toy.folder, toy.corpus, toy.mask_seeds, toy.rates, others=(toy.ledger,))
    assert sweep.run_sweep(mine, one, say=str) == [] and not mine.ledger.exists()
    assert sweep.run_sweep(mine, jobs(("concat",), 2), say=str) == ["concat-1112"]
    assert [f.name for f in mine.ledger.rglob("*.json")] == ["concat-1112.json"]


def test_records_of_an_earlier_release_are_filed_under_their_content_unchanged(toy, tmp_path):
    one = jobs(("concat",), 1)
    sweep.run_sweep(toy, one, say=str)
    path = next(toy.ledger.rglob("*.json"))
    record = read_record(path)
    old = record | {"fingerprint": first_fingerprint(toy.corpus), "config_hash": "abcdefabcdef"}
    path.unlink()
    place = toy.ledger / "toy" / "fast" / "B" / path.name  # by the file's name
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(old | {"digest": digest(old)}))
    assert sweep.standing(toy, one[0])[0] == "missing"
    (place.parent / "concat-1112.json").write_text("no record")  # is passed over
    assert carry_over(toy, jobs(("concat",), 1, lr=0.01), say=str) == 0  # another run
    assert carry_over(dataclasses.replace(toy, settings={"epochs": 1}), one, say=str) == 0
    other = dataclasses.replace(toy.corpus["train"], labels=-toy.corpus["train"].labels)
    splits = {**toy.corpus.splits, "train": other}
    assert carry_over(dataclasses.replace(toy, corpus=dataclasses.replace(toy.corpus, splits=splits)), one) == 0
    assert carry_over(toy, one, say=str) == 1 and carry_over(toy, one, say=str) == 0
    assert read_record(path) == record and sweep.standing(toy, one[0])[0] == "recorded"


def test_the_plan_has_five_seeds_for_the_two_networks_and_three_for_others():
    assert plan.seeds_of("mgmr") == (1111, 1112, 1113, 1114, 1115) and plan.seeds_of("concat") == (1111, 1112, 1113)
    assert plan.seeds_of("mfmb", "A") == (111, 1111, 11111) and plan.seeds_of("tfn", count=1) == (1111,)
    ablated = plan.job("mgmr_no_s1", 1111, "laptop", "mosi", "classroom-mosi")
    assert not ablated.config.network.use_alignment and ablated.config.network.use_fusion
    with pytest.raises(CourseError, match="no variant"):
        plan.job("nothing", 1, "laptop", "mosi", "classroom-mosi")


def test_the_memo_gives_the_same_bits_and_forgets_the_longest_unused():
    encoder = load_encoder("tiny")
    rng = np.random.default_rng(0)
    ids, lengths = rng.integers(1000, 2000, (6, 9)), rng.integers(3, 10, 6)
    plain = encode(encoder, ids, lengths)
    encoder.memo = EncodingMemo(limit_bytes=2 * plain.values.nbytes)
    for _ in range(2):
        np.testing.assert_array_equal(encode(encoder, ids, lengths).values, plain.values)
    assert (encoder.memo.hits, encoder.memo.misses) == (1, 1)
    others = [rng.integers(1000, 2000, (6, 9)) for _ in range(2)]
    for o in others:
        encode(encoder, o, lengths)
    assert encoder.memo.used <= encoder.memo.limit_bytes
    encode(encoder, others[1], lengths)
    assert encoder.memo.hits == 2
    encode(encoder, ids, lengths)
    assert encoder.memo.misses == 4


def test_an_old_reference_is_carried_over_as_it_is(toy):
    sweep.record_references(toy, plan.reference_config("fast", "mosi", {"text_encoder": "tiny", "max_clips": None}))
    (new,) = toy.ledger.rglob("mean-0.json")
    record = read_record(new)
    old = record | {"fingerprint": first_fingerprint(toy.corpus)}
    place = toy.ledger / "toy" / "fast" / "B" / new.name
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(old | {"digest": digest(old)}))
    new.unlink()
    assert carry_over(toy, [], say=str) == 1 and read_record(new) == record


def test_two_processes_record_what_one_does(toy, tmp_path):
    two = dataclasses.replace(toy, ledger=tmp_path / "two", folder=tmp_path / "runs of two")
    for one, processes in ((toy, 1), (two, 2)):
        assert sweep.run_sweep(one, jobs(("concat",)), processes, say=str) == ["concat-1111", "concat-1112"]
    first, second = ([r["records"] for r in read_ledger(s.ledger, s.key, "fast")] for s in (toy, two))
    assert first == second and first[0] != first[1]


def test_jobs_and_accelerate_do_not_both_divide_the_work(toy, monkeypatch):
    monkeypatch.setattr(sweep, "Accelerator", lambda: SimpleNamespace(num_processes=2))
    with pytest.raises(CourseError, match="--jobs and `accelerate launch` both divide the work"):
        sweep.run_sweep(toy, jobs(("concat",)), 2, say=str)
    assert not toy.ledger.exists()


def test_a_classroom_corpus_in_another_version_makes_a_record_stale(toy):
    """Its folder bears its name, so the content has to be compared."""
    one, older = jobs(("concat",), 1), dataclasses.replace(toy.corpus, name="classroom-mosi")
    newer = dataclasses.replace(toy_corpus(1), name="classroom-mosi")
    sweep.run_sweep(dataclasses.replace(toy, corpus=older), one, say=str)
    state, sentence = sweep.standing(dataclasses.replace(toy, corpus=newer), one[0])
    assert state == "stale" and "another version of classroom-mosi" in sentence


def test_references_of_bursts_say_so(toy):
    settings = {"text_encoder": "tiny", "max_clips": None, "pattern": "bursts"}
    sweep.record_references(toy, plan.reference_config("fast", "mosi", settings))
    assert {r["reference"]["pattern"] for r in read_ledger(toy.ledger, toy.key, "fast")} == {"bursts"}


def test_a_damaged_record_that_cannot_be_set_aside_stops_the_sweep_in_a_sentence(toy, monkeypatch):
    sweep.run_sweep(toy, jobs(("concat",), 1), say=str)
    (path,) = toy.ledger.rglob("concat-1111.json")
    path.write_text("{")

    def refuse(self, target):
        raise OSError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(CourseError, match="concat-1111.json"):
        sweep.run_sweep(toy, jobs(("concat",), 1), say=str)
    assert path.read_text() == "{"


@pytest.mark.parametrize(
    "gpu, works, rung",
    [(True, {"cuda"}, "cuda"), (True, set(), "triton"), (False, {"native"}, "native"), (False, set(), "chunked")],
)
def test_a_record_names_the_rung_that_auto_takes(gpu, works, rung, monkeypatch):
    monkeypatch.setattr(sweep.torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(sweep, "status", lambda name: "ok" if name in works else "it is not there")
    monkeypatch.setattr(sweep, "preferred", lambda: True)
    assert sweep.scan_rung() == rung


def test_records_are_compared_number_by_number_and_only_with_their_like():
    row = {"rate": 0.5, "seed": 1, "mae": 0.8, "corr": None}
    assert reproduce.differences([row], [row | {"mae": 0.85}]) == {"mae": pytest.approx(0.05), "corr": 0.0}
    assert reproduce.differences([row], [row | {"corr": 0.5}])["corr"] == np.inf
    for other in (row | {"rate": 0.4}, row | {"f1": 0.5}):
        with pytest.raises(CourseError, match="different rates or mask seeds, or by other metrics"):
            reproduce.differences([row], [other])
