"""What is recorded: every record is whole, names its configuration and machine, and every table shown follows from the
records."""

from pathlib import Path

import pytest

from mgmr_lib.course.authoring.pages import RESULTS_BEGIN, RESULTS_END
from mgmr_lib.experiments import ledger, results_page, tables
from mgmr_lib.experiments.complexity import costs_path, read_costs
from mgmr_lib.experiments.cost_tables import write_costs
from mgmr_lib.experiments.plan import EXPERIMENTS, VARIANTS
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.training.config import TrainConfig
from mgmr_lib.training.identity import read_config

FILES = sorted(ledger.RUNS.rglob("*.json"))
TABLES = REPOSITORY / "data" / "results" / "tables"
SHOWN = sorted((p.parent.parent.name, p.parent.name) for p in TABLES.glob("*/*/curves.csv"))


def test_there_are_records_and_tables():
    assert FILES and SHOWN


@pytest.mark.parametrize("path", FILES, ids=[f.stem for f in FILES])
def test_a_record_is_whole_and_names_its_configuration_and_machine(path):
    record = ledger.read_record(path)
    assert path == ledger.record_path(ledger.RUNS, record)
    assert {"python", "versions", "device", "date", "commit", "threads", "scan"} <= record["provenance"].keys()
    assert "+" not in record["provenance"]["commit"], "recorded from files that no commit holds"
    if record["config"] is None:
        return
    config = TrainConfig.from_dict(record["config"])
    assert config.hash() == record["config_hash"] and config.seed == record["training_seed"] and record["seconds"] > 0
    assert VARIANTS[record["name"]].model == config.model and VARIANTS[record["name"]].label == record["label"]


def _without_its_seed(record: dict) -> dict:
    """The configuration as this release reads it: a setting that came later has its default in older records."""
    read = read_config(record["config"], Path("a record")).to_dict() if record["config"] else {}
    return {k: v for k, v in read.items() if k != "seed"}


def _place(record: dict) -> tuple:
    """What a table takes together: one corpus, profile and protocol, and the same settings beside the profile's."""
    return record["profile"], record["protocol"], record["corpus"], str(sorted(record.get("settings", {}).items()))


def test_the_runs_of_a_name_differ_in_their_seed_alone():
    for records in ledger.by_name(ledger.read_record(f) for f in FILES).values():
        places = {_place(r) for r in records}
        shared = {(_place(r), str(_without_its_seed(r))) for r in records}
        assert len(shared) == len(places)
        assert len({(r["fingerprint"], r["corpus"]) for r in records}) == len({r["corpus"] for r in records})


@pytest.mark.parametrize("corpus, profile", SHOWN)
def test_every_table_shown_is_recomputed_from_the_records(corpus, profile, tmp_path):
    (key,) = (p.name for p in ledger.RUNS.iterdir() if corpus == p.name or corpus.endswith(f"-{p.name}"))
    made = [p for kind in EXPERIMENTS for p in tables.report(kind, ledger.RUNS, key, profile, tmp_path)]
    fresh = {p.name: p.read_text() for p in made if p.suffix != ".png"}
    shown = {p.name: p.read_text() for p in (TABLES / corpus / profile).iterdir() if p.suffix in (".md", ".csv")}
    if costs := read_costs(costs_path(key, profile)):
        fresh |= {p.name: p.read_text() for p in write_costs(costs, tmp_path / "costs") if p.suffix != ".png"}
    assert fresh == shown, "run `python -m mgmr_lib experiment ... --report-only`"


def test_readmes_results_are_recomputed_from_the_records():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert text.split(RESULTS_BEGIN)[1].split(RESULTS_END)[0].strip() == results_page.results_section().strip()
