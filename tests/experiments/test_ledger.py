"""Records on disk and what follows from several of them: made-up numbers whose means can be computed by hand."""

import json

import numpy as np
import pytest

from mgmr_lib.errors import CourseError
from mgmr_lib.experiments import ledger

RATES = [round(i / 10, 1) for i in range(11)]


def made(name="mgmr", seed=1111, shift=0.0, config=True, rates=RATES):
    """MAE = 1 + rate + shift (+0.1 for mask seed 2), Corr = 0.8 - rate / 2."""
    rows = [
        {"rate": r, "seed": s, "mae": 1 + r + shift + 0.1 * (s == 2), "corr": 0.8 - r / 2}
        for r in rates
        for s in (1, 2)
    ]
    record = {
        "name": name,
        "label": name.upper(),
        "corpus": "toy",
        "dataset": "mosi",
        "split": "test",
        "protocol": "B",
        "profile": "laptop",
        "training_seed": seed,
        "fingerprint": "f",
        "records": rows,
        "config": None,
        "provenance": {"device": "cpu", "commit": "abc", "date": "2026-01-01", "versions": {"torch": "2"}},
    }
    if config:
        record |= {
            "config": {"seed": seed},
            "config_hash": "h",
            "parameters": 5,
            "seconds": 60.0,
            "best_epoch": 1,
            "epochs": 2,
        }
    return record


def test_a_record_comes_back_as_it_was_written_and_knows_its_place(tmp_path):
    path = ledger.write_record(tmp_path, made())
    assert path == tmp_path / "f-mosi" / "laptop" / "B" / "mgmr-1111.json"
    assert {k: v for k, v in ledger.read_record(path).items() if k != "digest"} == made()
    assert ledger.read_ledger(tmp_path, "f-mosi") == [ledger.read_record(path)]
    assert ledger.read_ledger(tmp_path, "f-mosi", "full") == []


@pytest.mark.parametrize(
    "old, new",
    [
        ('"mae": 1.3,', '"mae": 1.2,'),
        ('"corr": 0.8}', '"corr": 0.9}'),
        ('"training_seed": 1111', '"training_seed": 1112'),
        ('"commit": "abc"', '"commit": "abd"'),
        ('"digest"', '"digests"'),
        ("]", ""),
        ('"seconds": 60.0,', ""),
    ],
)
def test_one_edited_place_is_noticed_and_the_file_is_named(tmp_path, old, new):
    path = ledger.write_record(tmp_path, made())
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(CourseError, match="mgmr-1111.json is damaged.*delete it"):
        ledger.read_ledger(tmp_path, "f-mosi")


@pytest.mark.parametrize("content", ["", "[]", "null", '{"records": []}', "\udcff"])
def test_what_is_no_record_is_refused(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(CourseError, match="x.json is damaged"):
        ledger.read_record(path)


def test_areas_are_those_of_the_papers():
    found = ledger.areas(made())
    assert found["complete", "mae"] == pytest.approx(1.05)
    assert found["mean", "mae"] == pytest.approx(1.05 + np.mean(RATES[:10]))
    assert found["auilc", "mae"] == pytest.approx(1.05 + 0.5)
    assert found["auilc", "corr"] == pytest.approx(0.8 - 0.25)


def test_areas_that_the_rates_do_not_cover_are_left_out():
    assert {a for a, _ in ledger.areas(made(rates=[0.0]))} == {"complete"}
    assert {a for a, _ in ledger.areas(made(rates=[0.0, 0.5]))} == {"complete"}
    assert {a for a, _ in ledger.areas(made(rates=RATES[:10]))} == {"complete", "mean"}


def test_summary_and_intervals_are_over_training_seeds():
    records = [made(seed=1, shift=0.0), made(seed=2, shift=0.2), made("concat", 1, 0.5)]
    frame = ledger.summary(records)
    assert list(frame.index) == ["mgmr", "concat"] and list(frame["seeds"]) == [2, 1]
    row = frame.loc["mgmr"]
    assert row["auilc mae"] == pytest.approx(1.65)
    # Two values 0.2 apart: sd 0.1414, standard error 0.1, Student's t with one degree of freedom 12.706.
    assert row["auilc mae high"] - row["auilc mae"] == pytest.approx(1.2706, abs=1e-3)
    assert np.isnan(frame.loc["concat", "auilc mae low"])
    assert list(ledger.summary(records, ["concat", "tfn", "mgmr"]).index) == ["concat", "mgmr"]


def test_pairs_share_their_seeds_and_a_reference_serves_all():
    records = [made(seed=s, shift=0.1 * s) for s in (1, 2, 3)] + [made("concat", s, 0.1 * s + 0.3) for s in (2, 3, 4)]
    found = ledger.paired(records, "mgmr", "concat")
    assert found["seeds"] == [2, 3] and found["mean"] == pytest.approx(-0.3)
    records.append(made("text_ridge", 0, 1.0, config=False))
    assert ledger.paired(records, "mgmr", "text_ridge")["mean"] == pytest.approx(0.2 - 1.0)
    turned = ledger.paired(records, "text_ridge", "mgmr")
    assert turned["seeds"] == [1, 2, 3] and turned["mean"] == pytest.approx(1.0 - 0.2)
    with pytest.raises(CourseError, match="no acc7 for the area"):
        ledger.paired(records, "mgmr", "concat", "acc7")
    with pytest.raises(CourseError, match="no run of 'tfn'"):
        ledger.paired(records, "mgmr", "tfn")
    with pytest.raises(CourseError, match="no training seed in common"):
        ledger.paired([made(seed=1), made("concat", 2)], "mgmr", "concat")


def test_curves_are_means_over_mask_seeds():
    frame = ledger.curves([made()])
    assert len(frame) == 11 and frame.loc[frame.rate == 0.5, "mae"].item() == pytest.approx(1.55)


def test_the_provenance_says_recorded_and_counts_runs_not_references():
    line = ledger.provenance_line([made(seed=1), made(seed=2), made("mean", 0, config=False)])
    assert "Recorded, not computed here" in line and "2 training runs" in line and "2 minutes" in line and "abc" in line
    assert "Not recorded yet" in ledger.provenance_line([])


def test_the_provenance_says_who_classified():
    two_hot = made("mfmb")
    two_hot["config"]["network"] = {"classes": 7, "class_targets": "two-hot"}
    end = "MFMB on 7 two-hot classes (cross-entropy, MFMB-Net's Eq. 17; two-hot targets are ours)"
    assert ledger.provenance_line([two_hot, two_hot]).endswith(f"Trained {end}.")
    assert ledger.provenance_line([made(), two_hot]).endswith(f"Trained {end}, all else on the absolute error.")
    squared = made()
    squared["config"]["network"] = {"task": "mse"}
    assert ledger.provenance_line([made(), squared]).endswith(
        "Trained MGMR on the squared error, all else on the absolute error."
    )
    twins = [made(name) for name in ("mfmb", "mfmb_code", "mfmb_mamba", "mfmb_no_f1")]
    for r in twins:
        r["config"] |= {"model": "mfmb", "network": two_hot["config"]["network"]}
    assert "Trained MFMB and MFMB_CODE and MFMB_MAMBA on 7" in ledger.provenance_line(twins[:3])
    other = squared | {"config": squared["config"] | {"model": "mgmr"}}
    line = ledger.provenance_line([*twins, twins[1], other])
    assert "Trained MFMB and 3 of its variants on 7" in line and line.endswith("; MGMR on the squared error.")
    without = [*twins[1:], twins[1] | {"name": "mfmb_no_f2"}]
    assert "Trained 4 variants on 7" in ledger.provenance_line(without)
    two_hot["config"]["network"]["class_targets"] = "one-hot"
    assert ledger.provenance_line([two_hot]).endswith(" one-hot classes (cross-entropy, MFMB-Net's Eq. 17).")
    two_hot["config"]["network"]["classes"] = 1
    assert "Trained" not in ledger.provenance_line([made(), two_hot])


def test_a_record_is_readable_one_rate_a_line(tmp_path):
    text = ledger.write_record(tmp_path, made()).read_text()
    assert sum('"rate"' in line for line in text.splitlines()) == 22 and json.loads(text)["name"] == "mgmr"


def test_a_record_in_another_ones_place_is_noticed(tmp_path):
    first, second = (ledger.write_record(tmp_path, made(seed=s, shift=s)) for s in (1, 2))
    texts = first.read_text(), second.read_text()
    first.write_text(texts[1])
    second.write_text(texts[0])  # swapped
    with pytest.raises(CourseError, match="mgmr-1.json is damaged.*record of .*mgmr-2.json.*renamed or moved"):
        ledger.read_ledger(tmp_path, "f-mosi")
    first.write_text(texts[0])
    second.write_text(texts[1])
    assert len(ledger.read_ledger(tmp_path, "f-mosi")) == 2
    second.rename(second.with_name("mgmr-3.json"))
    with pytest.raises(CourseError, match="mgmr-3.json is damaged"):
        ledger.read_ledger(tmp_path, "f-mosi")


def test_of_several_ledgers_the_first_that_holds_a_run_counts(tmp_path):
    own, course = tmp_path / "own", tmp_path / "course"
    ledger.write_record(course, made(seed=1, shift=0.0))
    ledger.write_record(course, made(seed=2, shift=0.0))
    ledger.write_record(own, made(seed=2, shift=0.5))
    found = ledger.read_ledger((own, course), "f-mosi")
    assert [r["records"][0]["mae"] for r in found] == [1.0, 1.5]
    assert ledger.corpora((own, course)) == {"f-mosi": "toy"}


def test_corpora_of_one_name_and_runs_of_other_settings_keep_apart(tmp_path):
    paths = {
        ledger.write_record(tmp_path, made() | facts)
        for facts in ({}, {"fingerprint": "g"}, {"dataset": "sims"}, {"settings": {"epochs": 3}}, {"profile": "full"})
    }
    assert len(paths) == 5 and len(ledger.read_ledger(tmp_path, "f-mosi")) == 1


def test_a_metric_without_a_value_is_null_on_disk_and_empty_in_a_summary(tmp_path):
    record = made()
    record["records"] = [{**row, "acc2_non0": None} for row in record["records"]]
    text = ledger.write_record(tmp_path, record).read_text()
    assert "NaN" not in text and '"acc2_non0": null' in text
    row = ledger.summary(ledger.read_ledger(tmp_path, "f-mosi")).loc["mgmr"]
    assert np.isnan(row["auilc acc2_non0"]) and row["auilc mae"] == pytest.approx(1.55)
    with pytest.raises(ValueError, match="not JSON compliant"):
        ledger.write_record(tmp_path, made(shift=float("nan")))


def test_a_record_without_its_primary_metric_is_refused(tmp_path):
    record = made()
    record["records"] = [{**row, "mae": None} for row in record["records"]]
    with pytest.raises(CourseError, match="no number for mae"):
        ledger.read_record(ledger.write_record(tmp_path, record))
