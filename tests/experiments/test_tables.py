"""Tables and figures from made-up records: the numbers shown are those that the records give, the papers' rows are
marked."""

import pandas as pd
import pytest

from mgmr_lib.experiments import figures, tables
from mgmr_lib.experiments.ledger import write_record
from tests.experiments.test_ledger import RATES, made

MOSI = ("acc7", "acc5", "acc2_non0", "acc2_has0", "f1_non0", "f1_has0")


def record(name, seed, shift=0.0, config=True, rates=RATES, protocol="B"):
    r = made(name, seed, shift, config, rates) | {"corpus": "classroom-mosi", "label": name, "protocol": protocol}
    r["records"] = [{**row, **dict.fromkeys(MOSI, 0.5 + shift)} for row in r["records"]]
    return r


@pytest.fixture
def folder(tmp_path):
    for seed, shift in ((1111, 0.0), (1112, 0.02)):
        for name, extra in (("mgmr", 0.0), ("mgmr_no_s1", 0.1), ("concat", 0.2)):
            write_record(tmp_path, record(name, seed, shift + extra))
        write_record(tmp_path, record("concat", seed, shift, rates=[0.0], protocol="A-0.0"))
    write_record(tmp_path, record("text_ridge", 0, 0.3, config=False))
    return tmp_path


def test_the_papers_numbers_are_all_there_and_as_printed():
    theirs = tables.paper_rows(("MGMR-Net", 3), "mosi")
    assert (
        len(theirs) == 9
        and theirs.loc["MGMR-Net", "acc2_non0"] == 73.50
        and theirs.loc["MGMR-Net", "acc2_has0"] == 72.37
    )
    assert (
        theirs.loc["TFR-Net", "mae"] == 1.200 and tables.paper_rows(("MGMR-Net", 5), "sims").loc["LNLN", "f1"] == 79.43
    )
    area = tables.paper_rows(("MFMB-Net", 4), "mosi")
    assert area.loc["MFMB-Net", "mae"] == 1.115 and area.loc["MFMB-Net", "f1_non0"] == 69.8 and len(area) == 8
    assert tables.paper_rows(("MFMB-Net", 5), "mosi").loc["MFMB-Net w/o Recon", "corr"] == 0.422
    assert tables.paper_rows(None, "mosi").empty


def test_where_a_paper_does_not_say_on_what_data_it_measured_nobody_says_it_for_it(folder, tmp_path):
    frame = pd.read_csv(tables.PAPERS)
    unsaid = frame[frame.area == "not said"]
    assert set(zip(unsaid.paper, unsaid.table, strict=True)) == {("MFMB-Net", 2)} and len(unsaid) == 20
    assert set(frame[(frame.paper == "MFMB-Net") & (frame.table == 3)].area) == {"complete"}
    for seed in (1111, 1112):
        write_record(folder, record("fc_t", seed, rates=[0.0], protocol="A-0.0"))
    files = {f.name: f for f in tables.report("table", folder, "classroom-mosi", "laptop", tmp_path / "out")}
    told = "does not say whether the clips are complete"
    assert told in files["unimodal.md"].read_text() and told not in files["complete.md"].read_text()


def test_rows_are_in_per_cent_with_intervals_and_the_papers_come_last(folder):
    table = next(t for t in tables.tables_of("table", "mosi") if t.key == "overall")
    frame = tables.rows(table, tables.read_ledger(folder), "mosi")
    ours = frame[frame.source == "this course"].set_index("label")
    assert list(ours.index) == ["text_ridge", "concat", "mgmr"]
    assert ours.loc["mgmr", "acc7"] == pytest.approx(51.0) and ours.loc["mgmr", "mae"] == pytest.approx(1.51)
    assert ours.loc["mgmr", "mae low"] == pytest.approx(1.51 - 0.12706, abs=1e-4)
    theirs = frame[frame.source != "this course"]
    assert set(theirs.source) == {"MGMR-Net's Table 3"} and theirs.index.min() > ours.shape[0] - 1


def test_a_report_holds_what_the_records_say_and_one_edited_number_changes_it(folder, tmp_path):
    out = tmp_path / "out"
    files = {f.name: f for f in tables.report("table", folder, "classroom-mosi", "laptop", out)}
    assert {"overall.md", "overall.csv", "auilc.md", "complete.md", "unimodal.md", "table.png"} <= files.keys()
    text = files["auilc.md"].read_text()
    assert "| mgmr | 2 | 51.0 [38.3, 63.7]" in text and "1.560 [1.433, 1.687]" in text
    assert (
        "**The paper's numbers** (MFMB-Net's Table 4" in text
        and "simulated" in text
        and "Recorded, not computed here" in text
    )
    assert pd.read_csv(files["overall.csv"]).loc[0, "label"] == "text_ridge"
    write_record(folder, record("mgmr", 1111, 0.3))
    tables.report("table", folder, "classroom-mosi", "laptop", out)
    assert files["auilc.md"].read_text() != text


def test_curves_and_ablations_are_drawn_from_the_records(folder, tmp_path):
    for experiment, wanted in (("curve", "curve.png"), ("ablation", "ablation-mgmr.md")):
        assert wanted in {
            f.name for f in tables.report(experiment, folder, "classroom-mosi", "laptop", tmp_path / "out")
        }
    records = tables.read_ledger(folder)
    frame = figures.differences(records)
    assert list(frame.index) == ["mgmr_no_s1"] and frame.loc["mgmr_no_s1", "mean"] == pytest.approx(0.1)
    lines = figures.curve_figure(records, "x").axes[1].get_lines()
    mgmr = next(x for x in lines if x.get_label() == "mgmr")
    assert list(mgmr.get_ydata()) == pytest.approx([1.06 + r for r in RATES])


def test_no_records_no_files(tmp_path):
    assert tables.report("table", tmp_path, "classroom-mosi", "laptop", tmp_path / "out") == []


@pytest.mark.parametrize(
    ("experiment", "one"),
    [
        ("systems", "tetfn"),
        ("layers", "mfmb_mamba3"),
        ("care", "mgmr_plain"),
        ("parts", "mfmb_one_run"),
        ("objectives", "mfmb_l1"),
    ],
)
def test_a_table_of_rivals_needs_a_record_of_one_of_them(experiment, one, folder, tmp_path):
    out = tmp_path / "out"
    assert tables.report(experiment, folder, "classroom-mosi", "laptop", out) == []
    write_record(folder, record(one, 1111, 0.05))
    files = {f.name: f for f in tables.report(experiment, folder, "classroom-mosi", "laptop", out)}
    assert files.keys() == {f"{experiment}.md", f"{experiment}.csv", f"{experiment}.png"}
    labels = list(pd.read_csv(files[f"{experiment}.csv"]).label)
    assert {one} <= set(labels) and (experiment in ("parts", "objectives") or "mgmr" in labels)
