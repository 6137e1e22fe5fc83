"""A network for each rate beside one for all: every number is the records', and the word is Welch's and Holm's."""

import pytest
from scipy import stats

from mgmr_lib.experiments import plan, rates_table, tables
from mgmr_lib.experiments.ledger import write_record
from tests.experiments.test_tables import record

SEEDS = (1111, 1112, 1113)


def at(record, rate):
    return [row["mae"] for row in record["records"] if row["rate"] == rate]


@pytest.fixture
def ledger(tmp_path):
    """MGMR-Net's own networks are far better at rate 0.3, a bit worse at 0.6; one seed alone at 0.9; none at 0."""
    wobble = dict(zip(SEEDS, (0.0, 0.01, 0.035), strict=True))
    for seed in SEEDS:
        write_record(tmp_path, record("mgmr", seed, wobble[seed], rates=[0.0, 0.3, 0.6, 0.9]))
        for rate, shift in ((0.3, -0.4), (0.6, 0.004)):
            write_record(tmp_path, record("mgmr", seed, shift - wobble[seed], rates=[rate], protocol=f"A-{rate}"))
    write_record(tmp_path, record("mgmr", SEEDS[0], -0.4, rates=[0.9], protocol="A-0.9"))
    return tmp_path


def test_each_row_holds_both_trainings_at_its_rate_and_the_verdict(ledger):
    frame, records = rates_table.comparison(ledger, "classroom-mosi", records_profile(ledger))
    assert list(frame["rate"]) == [0.3, 0.6] and list(frame["word"]) == ["better", "not told apart"]
    for _, row in frame.iterrows():
        own, shared = ([sum(v) / len(v) for r in records if r["protocol"] == p and (v := at(r, row["rate"]))]
                       for p in (f"A-{row['rate']}", "B"))  # fmt: skip
        assert row["own"] == pytest.approx(sum(own) / 3) and row["shared"] == pytest.approx(sum(shared) / 3)
        assert row["p"] == pytest.approx(stats.ttest_ind(own, shared, equal_var=False).pvalue)
        assert row["mean"] == pytest.approx(row["own"] - row["shared"])


def records_profile(ledger):
    (folder,) = {p.parent.parent.name for p in ledger.rglob("*.json")}
    return folder


def test_the_page_and_the_file_show_the_same_and_other_data_is_left_out(ledger, tmp_path):
    profile = records_profile(ledger)
    page, csv = tables.report("rates", ledger, "classroom-mosi", profile, tmp_path / "out")
    assert page.name == "rates.md" and "| mgmr | 0.3 |" in page.read_text() and "2 comparisons" in page.read_text()
    assert csv.read_text().count("mgmr") == 4  # the name and the label, in two rows
    assert tables.report("rates", ledger, "classroom-mosi", profile, tmp_path / "none", "another") == []


def test_it_trains_one_network_for_all_rates_and_one_for_each_of_four():
    trainings = plan.trainings_of("rates")
    assert dict(trainings).keys() == {"A", "B"} and [r for p, r in trainings if p == "A"] == [0.0, 0.3, 0.6, 0.9]
    jobs = [j for p, r in trainings for j in plan.jobs_of(["tfr"], p, "fast", "mosi", "toy", count=2, rate=r)]
    assert [j.protocol for j in jobs[::2]] == ["B", "A-0.0", "A-0.3", "A-0.6", "A-0.9"] and len(jobs) == 10
    assert {j.config.rate for j in jobs if j.config.protocol == "A"} == {0.0, 0.3, 0.6, 0.9}
    assert set(plan.planned(["tfr"], trainings, 2)) == {"B", "A-0.0", "A-0.3", "A-0.6", "A-0.9"}
    assert plan.trainings_of("table", "AB") == (("B", 0.0), ("A", 0.0)) and plan.trainings_of("care") == (("B", 0.0),)
