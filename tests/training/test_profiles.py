"""Profiles are rows of data: every configuration can be made of them, and what was recorded is what they give."""

import dataclasses
import json

import pytest

from mgmr_lib.errors import CourseError
from mgmr_lib.experiments.plan import VARIANTS
from mgmr_lib.experiments.search_space import points, settings_at
from mgmr_lib.models.mfmb.config import MFMBCodeConfig, MFMBConfig, from_recorded
from mgmr_lib.models.registry import NETWORKS, entry
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.provenance import digest
from mgmr_lib.settings import fields_of
from mgmr_lib.training.config import TrainConfig, make_config
from mgmr_lib.training.profiles import FAMILIES, PROFILES, ROWS
from mgmr_lib.training.tuned import read_tuning, tuned_settings

RECORDS = [
    record
    for path in sorted((REPOSITORY / "data" / "results" / "ledger").rglob("*.json"))
    if (record := json.loads(path.read_text(encoding="utf-8")))["config"] is not None
]


# What data.door.settings_for says of a corpus without words whose clips have at most twenty steps.
OF_POM = {"text_encoder": "stored", "encoder_lr": 0.0, "pool_audio": 1, "pool_vision": 1}
OWN = {"pom": OF_POM, "classroom-sims@2": {"pool_vision": 1}}  # SIMS's faces have few steps, too


def test_what_was_recorded_is_what_the_profiles_give():
    assert len(RECORDS) > 100
    for record in RECORDS:
        recorded = TrainConfig.from_dict(record["config"])
        v = VARIANTS[record["name"]]
        same = {name: getattr(recorded, name) for name in ("seed", "data", "dataset", "protocol", "rate")}
        own = OWN.get(record["corpus"], {})
        given = same | own | record.get("settings", {}) | dict(v.settings)
        now = make_config(v.model, record["profile"], record["dataset"], **given)
        assert now == recorded and now.hash() == recorded.hash(), f"{record['name']} {record['training_seed']}"
        assert TrainConfig.from_dict(json.loads(json.dumps(now.to_dict()))) == now


def test_every_row_names_settings_that_its_models_have_and_fits_something():
    for row in ROWS:
        fitted = 0
        for model in row.models or NETWORKS:
            for reading, kind in (entry(model).readings or {None: entry(model).config}).items():
                if row.reading in (None, reading):
                    assert row.settings.keys() <= fields_of(kind).keys() | fields_of(TrainConfig).keys(), row
                    fitted += 1
        assert fitted and row.profile in (None, *PROFILES) and row.family in (None, *FAMILIES)


def test_each_reading_of_mfmb_net_has_its_own_settings():
    paper, code = (make_config("mfmb", "laptop", reading=r) for r in ("paper", "code"))
    assert type(paper.network) is MFMBConfig and type(code.network) is MFMBCodeConfig
    assert paper.hash() != code.hash() != make_config("mfmb", "laptop", reading="code", depth=2).hash()
    assert (
        dataclasses.replace(paper, network=MFMBConfig()).hash()
        != dataclasses.replace(paper, network=MFMBCodeConfig()).hash()
    )


@pytest.mark.parametrize("reading", ["paper", "code"])
def test_older_records_held_both_readings_settings(reading):
    old = {
        "reading": reading,
        "d_model": 128,
        "heads": 4,
        "hub": 2,
        "gate": "sigmoid",
        "input_dropout": 0.2,
        "code_d_model": 12,
        "code_heads": 3,
        "code_steps_audio": 40,
        "classes": 7,
    }
    expected = (
        {
            "reading": "paper",
            "d_model": 128,
            "heads": 4,
            "hub": 2,
            "gate": "sigmoid",
            "input_dropout": 0.2,
            "classes": 7,
        }
        if reading == "paper"
        else {"reading": "code", "hub": 2, "classes": 7, "d_model": 12, "heads": 3, "steps_audio": 40}
    )
    assert from_recorded(old) == expected == from_recorded(expected)


@pytest.mark.parametrize("model", NETWORKS)
def test_tuned_is_the_laptop_with_what_the_search_chose(model):
    tuning = read_tuning()
    network = tuning["networks"][model]
    best = min(network["trials"], key=lambda row: (row["valid_mae"], row["trial"]))
    assert len(network["trials"]) == tuning["budget"] >= 16 and best["trial"] == network["trial"]
    assert [row["at"] for row in network["trials"]] == [None, *points(model, tuning["budget"], tuning["seed"])]
    assert network["settings"] == settings_at(model, best["at"])
    assert make_config(model, "tuned") == dataclasses.replace(
        make_config(model, "laptop", **network["settings"]), profile="tuned"
    )


@pytest.mark.parametrize("model", NETWORKS)
@pytest.mark.parametrize("family", FAMILIES)
def test_long_is_the_laptop_with_every_frame(model, family):
    every = make_config(model, "laptop", family, pool_audio=1, pool_vision=1)
    assert make_config(model, "long", family) == dataclasses.replace(every, profile="long")
    assert make_config(model, "long", family).encoder_lr == 0


def test_tuned_leaves_the_published_codes_reading_as_it_was():
    code = make_config("mfmb", "tuned", reading="code")
    assert code == dataclasses.replace(make_config("mfmb", "laptop", reading="code"), profile="tuned")


def test_what_the_search_did_not_choose_or_somebody_changed_is_one_sentence(tmp_path):
    path = tmp_path / "tuning.json"
    with pytest.raises(CourseError, match="does not exist, so no settings are chosen: .* experiment tune"):
        tuned_settings("concat", path)
    found = {"networks": {"concat": {"settings": {"lr": 0.002}}}}
    path.write_text(json.dumps(found | {"digest": digest(found)}), encoding="utf-8")
    assert tuned_settings("concat", path) == {"lr": 0.002}
    with pytest.raises(CourseError, match="holds no settings for mgmr"):
        tuned_settings("mgmr", path)
    read_tuning.cache_clear()
    path.write_text(path.read_text(encoding="utf-8").replace("0.002", "0.003"), encoding="utf-8")
    with pytest.raises(CourseError, match="was changed after it was written"):
        tuned_settings("concat", path)
    read_tuning.cache_clear()
