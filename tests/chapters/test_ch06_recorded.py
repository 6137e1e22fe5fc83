"""Recorded GPU numbers are shown with their provenance, their absence is said, a broken file is named; listings follow
files."""

import json

import pytest

from mgmr_lib.chapters.ch06_gpu_kernels.listing import annotated, source_lines
from mgmr_lib.chapters.ch06_gpu_kernels.recorded import gpu_benchmarks
from mgmr_lib.errors import CourseError

RECORD = {
    "shape": [2, 8, 4, 3],
    "dtype": "bfloat16",
    "pass": "forward",
    "name": "ours, triton",
    "error": 2e-3,
    "median_s": 0.0123,
}
FACTS = {"gpu": "Some GPU", "versions": {"torch": "9.9"}, "commit": "abc", "date": "2031-02-03T04:05:06+00:00"}


def test_nothing_recorded_is_said(tmp_path):
    (tmp_path / "bench_cpu.json").write_text("{}")
    assert gpu_benchmarks(tmp_path).startswith("**Not recorded yet.**")


def test_a_record_comes_with_its_provenance(tmp_path):
    (tmp_path / "bench_gpu_x.json").write_text(json.dumps({"provenance": FACTS, "cuda": [RECORD]}))
    told = gpu_benchmarks(tmp_path)
    for part in (
        "bench_gpu_x.json",
        "Some GPU",
        "torch 9.9",
        "abc",
        "2031-02-03",
        "| ours, triton | (2, 8, 4, 3) | bfloat16 | forward | 12.3 |",
    ):
        assert part in told
    assert "Not recorded" not in told


@pytest.mark.parametrize("text", ["{", "[]", '{"provenance": {}}', json.dumps({"provenance": FACTS, "cuda": [{}]})])
def test_a_broken_file_is_named(tmp_path, text):
    (tmp_path / "bench_gpu.json").write_text(text)
    with pytest.raises(CourseError, match=r"bench_gpu\.json"):
        gpu_benchmarks(tmp_path)


def test_a_listing_has_letters_where_notes_belong(tmp_path):
    file = tmp_path / "some.py"
    file.write_text('x = 1\n\n\ndef f(a):\n    """What it does,\n    in two lines."""\n    b = a + 1\n    return b\n')
    lines = source_lines(file, "f")
    assert lines == ["def f(a):", "    b = a + 1", "    return b"]
    notes = {"return": "the end", "a + 1": "one more", "nowhere": "never shown"}
    assert annotated(lines, notes).split("\n") == [
        "    def f(a):",
        "(a)     b = a + 1",
        "(b)     return b",
        "",
        "(a) one more",
        "(b) the end",
    ]
    with pytest.raises(CourseError, match="no function 'g'"):
        source_lines(file, "g")
