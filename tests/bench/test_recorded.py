"""The recorded benchmark: its numbers in words, and what is said where it is missing or damaged."""

import json

import pytest

from mgmr_lib.bench import recorded, report
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY


def record(name, median, shape=None, what=recorded.BOTH, **more):
    made = {"name": name, "median_s": median, "rounds": 1 if median == 1.0 else 7, **more}
    return made if shape is None else made | {"shape": list(shape), "pass": what}


SCAN, SSD = (24, 500, 128, 12), (8, 1024, 8, 64, 64)
RESULT = {
    "settings": {"patience_s": 8.0},
    "provenance": {
        "date": "2026-11-29", "commit": "abc", "processor": "A chip", "load": 0.5, "versions": {"torch": "2.13.0"},
    },
    "scan": [
        record("ours, chunked", 9.0, (1, 2, 3, 4)),
        record("ours, chunked", 0.2, SCAN),
        record("ours, chunked", 0.1, SCAN, "forward"),
        record("theirs", 1.0, SCAN),
        record("theirs", 0.9, SCAN, "forward"),
    ],
    "ssd": [
        record("ours, ssd_scan", 0.01, (8, 256, 8, 64, 64)),
        record("ours, ssd_scan", 0.02, (8, 1024, 8, 64, 16)),
        record("ours, ssd_scan", 0.05, SSD),
        record("another", 0.2, SSD),
    ],
    "layers": [
        record(name, seconds, length=length)
        for name, row in {"attention": (1, 2, 6, 7), "Mamba": (2, 1, 5, 6), "Bi-Mamba": (4, 5, 6, 8)}.items()
        for length, seconds in zip((10, 20, 40, 80), row, strict=True)
    ],
}  # fmt: skip


@pytest.fixture
def root(tmp_path):
    file = tmp_path / recorded.FOLDER / "bench.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(RESULT))
    return tmp_path


def test_factors_are_of_one_shape_and_one_pass(root):
    found = recorded.read(root)
    ladder = recorded.at(found["scan"], *SCAN)
    assert recorded.times(ladder, "ours, chunked") == {"theirs": pytest.approx(5.0)}
    assert recorded.times(ladder, "ours, chunked", "forward") == {"theirs": pytest.approx(9.0)}


@pytest.mark.parametrize(
    "dearer, rival, length", [("attention", "Mamba", 20), ("attention", "Bi-Mamba", None), ("Bi-Mamba", "Mamba", 10)]
)
def test_two_layers_cross_where_the_dearer_one_stays_dearer(dearer, rival, length):
    assert recorded.crossing(RESULT, dearer, rival) == length


def test_a_lead_that_is_lost_again_is_no_crossing():
    rows = {"a": (3, 1, 3), "b": (2, 2, 2)}
    layers = [record(n, s, length=l) for n, row in rows.items() for l, s in zip((1, 2, 4), row, strict=True)]
    assert recorded.crossing({"layers": layers}, "a", "b") == 4


def test_readme_tells_factors_and_where_they_come_from(root):
    lines = "\n".join(recorded.readme_section(root))
    assert f"{SCAN}, as many times as long as ours in PyTorch: theirs: 5.0. The scan" in lines
    assert f"{SSD}, as many times as long as our `ssd_scan`: another: 4.0." in lines
    assert "Timed once, as a call took longer than 8 s: theirs." in lines
    assert "A chip, one thread, torch 2.13.0, load 0.5" in lines and "2026-11-29 at commit abc" in lines


def test_nothing_recorded_says_so_and_leaves_readme_alone(tmp_path):
    assert recorded.readme_section(tmp_path) == []
    with pytest.raises(CourseError, match="bench.json holds no recorded benchmark .*python -m mgmr_lib bench --out"):
        recorded.read(tmp_path)


@pytest.mark.parametrize("text", ["[1]", "{}", "no json", json.dumps({"provenance": {}, "scan": []})])
def test_a_damaged_record_is_named(text, root):
    (root / recorded.FOLDER / "bench.json").write_text(text)
    with pytest.raises(CourseError, match="holds no recorded benchmark"):
        recorded.read(root)


def test_a_shape_that_was_not_measured_is_named():
    with pytest.raises(CourseError, match=r"no shape \(1, 1\)"):
        recorded.at(RESULT["scan"], 1, 1)


def test_curves_of_the_ssd_scan_go_over_length_and_state():
    from matplotlib.figure import Figure

    left, right = Figure().subplots(1, 2)
    report.ssd_curves(left, right, RESULT["ssd"])
    ours = [ax.get_lines()[0].get_xydata().tolist() for ax in (left, right)]
    assert ours == [[[256, 10], [1024, 50]], [[16, 20], [64, 50]]]
    assert [t.get_text() for t in right.get_xticklabels()] == ["16", "64"]


def test_the_course_has_a_recorded_run_of_full_size():
    found = recorded.read()
    assert found["settings"]["lengths"][-1] == 4000 and "--quick" not in found["provenance"]["command"]
    assert not found["provenance"]["commit"].endswith("+"), "recorded from changed files"
    assert (REPOSITORY / recorded.FOLDER / "bench.png").stat().st_size > 10_000
    steps = {(r["name"], r["length"]): r["median_s"] for r in found["layers"]}
    last = {n: steps[n, 4000] / steps[n, 2000] for n in ("attention, fused", "Mamba", "Bi-Mamba", "BiLSTM")}
    assert last.pop("attention, fused") > max(last.values()), "23 says that attention climbs most steeply"
    for suite in ("scan", "ssd"):
        assert all(r["error"] < 1e-4 for r in found[suite])
