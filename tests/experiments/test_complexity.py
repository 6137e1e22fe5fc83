"""Costs: what is measured belongs to the network and length named; a record survives the disk; tables show the record's
numbers."""

import pytest

from mgmr_lib.errors import CourseError
from mgmr_lib.experiments import complexity, cost_tables
from mgmr_lib.files import write_json

COSTS = complexity.Costs(frames=(20, 40), batch=2, rounds=1, widths=(6, 3, 4))


def recorded(rows):
    return {
        "corpus": "toy",
        "profile": "fast",
        "batch": 2,
        "words": 50,
        "over_length": rows,
        "provenance": {
            "device": "cpu, 1 threads",
            "versions": {"torch": "2"},
            "scan": "chunked",
            "commit": "abc",
            "date": "2026-01-01",
        },
        "inference": [
            {"name": n, "label": n.upper(), "rate": r, "clips": 10, "seconds": 1.0 + r, "parameters": 12345}
            for n in ("mgmr", "concat")
            for r in (0.0, 0.5)
        ],
    }


@pytest.fixture(scope="module")
def rows():
    return complexity.over_length("fast", COSTS, ("mgmr", "mult"))


def test_one_record_for_each_network_length_and_pass_and_longer_input_takes_more_memory(rows):
    assert {(r["name"], r["frames"], r["pass"]) for r in rows} == {
        (n, f, p) for n in ("mgmr", "mult") for f in (20, 40) for p in ("forward", "train step")
    }
    held = {(r["name"], r["frames"], r["pass"]): r["bytes"] for r in rows}
    assert held["mgmr", 40, "train step"] > held["mgmr", 20, "train step"] > held["mgmr", 20, "forward"] > 0
    assert all(r["seconds"] > 0 for r in rows)


def test_half_of_a_random_batch_is_missing_and_hidden():
    batch = complexity.random_batch((400, 30), 3, (6, 3, 4))
    assert batch.vision.x.shape == (3, 30, 4) and complexity.random_batch(9, 3, (6, 3, 4)).vision.x.shape == (3, 9, 4)
    assert batch.audio.x.shape == (3, 400, 3) and batch.text.x.shape == (3, 50, 6)
    assert batch.audio.keep.float().mean().item() == pytest.approx(0.5, abs=0.06)
    assert not batch.audio.x[~batch.audio.keep].any()


def test_published_sizes_are_measured_and_stand_beside_the_published_modules(rows):
    found = recorded(rows) | {"published": complexity.published_sizes(("self_mm", "misa"), (9, 7), 2, 1)}
    assert [r["name"] for r in found["published"]] == ["self_mm", "misa"]
    assert found["published"][0]["parameters"] == 159_332  # that of the published module, with nothing left out
    assert all(r["seconds"] > 0 < r["bytes"] for r in found["published"])
    found["published"][0] |= {"seconds": 0.125, "bytes": 3e6}
    text = cost_tables.published_markdown(found)
    assert "| Self-MM | 159,332 | 159,332 | 0.12 | 0.25 | 2.0 | 3 |" in text and "| MISA | 1," in text


def test_tables_and_figure_show_the_record(rows, tmp_path):
    path = complexity.costs_path("toy", "fast", tmp_path)
    assert complexity.read_costs(path) is None
    write_json(path, recorded(rows))
    files = cost_tables.write_costs(complexity.read_costs(path), tmp_path / "out")
    assert {f.name for f in files} == {"inference.md", "inference.csv", "over_length.csv", "over_length.png"}
    text = files[0].read_text()
    assert (
        "| MGMR | 12,345 | 1.00 | 1.50 | 150.00 |" in text
        and "| MGMR-Net | 3.65 | 3.93 |" in text
        and "Recorded, not computed" in text
    )
    write_json(path, {"records": []})
    with pytest.raises(CourseError, match="no record of costs"):
        complexity.read_costs(path)


def test_inference_measured_again_shows_its_own_provenance(rows, monkeypatch):
    found = recorded(rows)
    slower = [r | {"seconds": 2 * r["seconds"]} for r in found["inference"]]
    monkeypatch.setattr(complexity, "inference", lambda corpus, profile: slower)
    again = complexity.inference_again(found, None)
    text = cost_tables.inference_markdown(again)
    assert "| MGMR | 12,345 | 2.00 | 3.00 | 300.00 |" in text and "commit abc" not in text
    assert "commit abc" in cost_tables.inference_markdown(found) and again["over_length"] == rows
    assert complexity.provenance_of(again, "over_length") == found["provenance"]
