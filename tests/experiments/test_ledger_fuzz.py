"""Mutated records: every one is read, or refused in one sentence that names the file; what is read can be shown.

MGMR_FUZZ=5000 makes a long search of it.
"""

import copy
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mgmr_lib.errors import CourseError
from mgmr_lib.experiments import ledger, results_page, tables
from mgmr_lib.experiments.records import digest
from mgmr_lib.training.config import make_config
from mgmr_lib.training.identity import changed_settings, read_config
from tests.experiments.test_ledger import made

LEAVES = st.none() | st.booleans() | st.integers(-3, 10**400) | st.floats() | st.text(max_size=8)
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=6), v, max_size=3))
FEW = settings(
    max_examples=int(os.environ.get("MGMR_FUZZ", 80)), deadline=None, suppress_health_check=list(HealthCheck)
)


def valid(name="mgmr", seed=1111, config=True) -> dict:
    record = made(name, seed, config=config, rates=[0.0, 0.5, 0.9, 1.0])
    if config:
        record["config"] = make_config("mgmr", seed=seed).to_dict()
    return record | {"settings": {"epochs": 3}}


def places(tree, path=()):
    """Every place in a JSON tree."""
    yield path
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


@st.composite
def mutated(draw) -> dict:
    """A valid record with one to three places replaced, deleted or doubled."""
    record = copy.deepcopy(valid(config=draw(st.booleans())))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([p for p in places(record) if p]))
        parent = record
        for key in path[:-1]:
            parent = parent[key]
        kind = draw(st.sampled_from(["replace", "delete", "add"]))
        if kind == "replace":
            parent[path[-1]] = draw(VALUES)
        elif kind == "delete":
            del parent[path[-1]]
        elif isinstance(parent, list):
            parent.insert(path[-1], copy.deepcopy(parent[path[-1]]))
        else:
            parent[draw(st.text(max_size=6))] = draw(VALUES)
    return record


def show(records: list[dict], folder: Path) -> None:
    """All that the course makes of records."""
    for names in (("mgmr", "concat"), ("mean", "mgmr"), ("mgmr", "mean")):
        ledger.paired(records, *names)
    ledger.summary(records)
    ledger.curves(records)
    ledger.provenance_line(records)
    results_page.headline_table(records)
    found = results_page.judged(records)
    results_page.verdicts(found), results_page.in_words(found)
    for table in tables.tables_of("table", "mosi"):
        tables.page(table, tables.rows(table, records, "mosi"), records, "mosi")


def others() -> list[dict]:
    return [valid(n, s, n != "mean") for n, s in (("mgmr", 1112), ("concat", 1111), ("concat", 1112), ("mean", 0))]


@FEW
@given(mutated(), st.booleans())
def test_a_mutated_record_is_refused_or_shown(record, forged):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = ledger.write_record(folder, valid())
        for other in others():
            ledger.write_record(folder, other)
        mark = digest(record) if forged else digest(valid())
        changed = json.dumps(record, sort_keys=True) != json.dumps(valid(), sort_keys=True)
        first.write_text(json.dumps(record | {"digest": mark}), encoding="utf-8", errors="surrogatepass")
        key, profile = first.relative_to(folder).parts[:2]
        try:
            records = ledger.read_ledger(folder, key, profile)
            assert forged or not changed
            for r in records:
                if r["config"] is not None:
                    changed_settings(read_config(r["config"], "x"), make_config("mgmr"))
            show(records, folder)
        except CourseError as error:
            assert "\n" not in str(error) and len(str(error)) < 2000


@FEW
@given(st.data())
def test_mutated_bytes_are_refused_or_mean_the_same(data):
    with tempfile.TemporaryDirectory() as name:
        path = ledger.write_record(Path(name), valid())
        content, before = bytearray(path.read_bytes()), ledger.read_record(path)
        for _ in range(data.draw(st.integers(1, 4))):
            start = data.draw(st.integers(0, len(content)))
            end = start + data.draw(st.integers(0, 40))
            content[start:end] = data.draw(st.binary(max_size=6))
        path.write_bytes(content)
        try:
            assert ledger.read_record(path) == before
        except CourseError as error:
            assert path.name in str(error)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, "1" * 10_000, '{"digest": NaN}', "\x00", "{}" * 2])
def test_files_that_break_parsers_are_refused(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(CourseError, match="x.json is damaged"):
        ledger.read_record(path)
