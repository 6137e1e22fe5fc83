"""Every summary of a simulated voice or face lies within the real ones, or its reason is said."""

import pandas as pd
import pytest

from mgmr_lib.evaluation import calibration
from mgmr_lib.evaluation.calibration_verdict import (
    ELSEWHERE,
    FIRST_EDITION,
    compared,
    in_words,
    is_simulated,
    numbers,
    page,
)

SECOND = ["classroom-mosi@2", "classroom-mosei@2", "classroom-sims@2"]


@pytest.mark.parametrize(
    "cell, expected",
    [
        ("0.75 (0.67-0.81)", (0.75, 0.67, 0.81)),
        ("-0.026 (-0.047--0.008)", (-0.026, -0.047, -0.008)),
        ("-0.003 (-0.007-0.001)", (-0.003, -0.007, 0.001)),
        ("54%", (0.54, 0.54, 0.54)),
        ("0.172", (0.172, 0.172, 0.172)),
    ],
)
def test_numbers_are_read_from_the_printed_cells(cell, expected):
    assert numbers(cell) == expected


def test_within_is_between_the_lowest_and_highest_quartile_of_all_real_columns():
    index = pd.MultiIndex.from_tuples([("audio", "variance between clips"), ("vision", "ridge on means")])
    rows = [["0.20 (0.10-0.30)", "0.77 (0.1-0.9)", "0.79 (0.1-0.9)"], ["0.100", "0.131", "0.133"]]
    table = pd.DataFrame(rows, index, ["mine", "classroom-mosi@2, 5 frames a step", "classroom-mosi"])
    found = {(o.corpus, o.modality): o for o in compared(table)}
    assert {k: o.within for k, o in found.items()} == {
        ("classroom-mosi@2, 5 frames a step", "audio"): True, ("classroom-mosi", "audio"): False,
        ("classroom-mosi@2, 5 frames a step", "vision"): True, ("classroom-mosi", "vision"): False,
    }  # fmt: skip
    assert found["classroom-mosi", "audio"].low == 0.10 and found["classroom-mosi", "audio"].high == 0.78
    assert found["classroom-mosi", "vision"].reason == FIRST_EDITION
    said = in_words(list(found.values()))
    assert "classroom-mosi@2, 5 frames a step: 2 of 2 summaries lie within" in said
    assert "- voice, variance between clips: 0.79 (real: 0.1 to 0.78);" in said


def test_what_is_recorded_has_each_edition_beside_the_real_ones_and_every_reason():
    table, where = calibration.read()
    for name in SECOND:
        assert any(column.partition(",")[0] == name for column in table.columns), name
    assert "pom" in table.columns and not is_simulated("pom") and set(ELSEWHERE) <= set(table.index)
    found = compared(table)
    assert len(found) == len(table) * sum(map(is_simulated, table.columns))
    assert all(o.within or o.reason for o in found)
    in_second = [o.within for o in found if o.corpus.startswith("classroom-mosi@2")]
    in_first = [o.within for o in found if o.corpus.startswith("classroom-mosi,")]
    assert sum(in_second) > sum(in_first)  # what the second edition was made for
    shown = calibration.RECORDED.with_suffix(".md").read_text(encoding="utf-8")
    assert shown == page(table, where), "write it anew: calibration_verdict.page(*calibration.read())"
