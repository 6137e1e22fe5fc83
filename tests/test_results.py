"""The recorded results: every aggregate follows from its records, and every record says where it comes from."""

import json
import math

import pytest

from mgmr_lib.evaluation.metrics import aggregate
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.training.config import TrainConfig

FILES = sorted((REPOSITORY / "data" / "results").glob("*classroom*.json"))
RUNS = [(f.name, run) for f in FILES for run in json.loads(f.read_text())["runs"]]


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(a) and math.isnan(b))
    return a == b


def test_there_are_recorded_results():
    assert RUNS


@pytest.mark.parametrize("name, run", RUNS, ids=[f"{n}:{r['model']}:{r['training_seed']}" for n, r in RUNS])
def test_aggregates_are_recomputed_from_the_records(name, run):
    parts = [run, *run["references"].values()]
    for part in parts:
        fresh = json.loads(json.dumps(aggregate(part["records"])))
        assert same(fresh, part["aggregates"]), f"{name}: the stored aggregates do not follow from the records"
    changed = [dict(r) for r in run["records"]]
    changed[0]["mae"] += 0.001
    assert not same(json.loads(json.dumps(aggregate(changed))), run["aggregates"])


@pytest.mark.parametrize("name, run", RUNS, ids=[f"{n}:{r['model']}:{r['training_seed']}" for n, r in RUNS])
def test_every_run_names_its_configuration_and_machine(name, run):
    config = TrainConfig.from_dict(run["training"]["config"])
    assert config.hash() == run["config_hash"] and config.seed == run["training_seed"]
    assert {"python", "versions", "device", "date"} <= run["provenance"].keys() and run["training"]["seconds"] > 0
