"""`experiment` on a learner's own MMSA file: trained, recorded under the file's name, tabled, and found by notebook
21."""

import pytest

from mgmr_lib import cli
from mgmr_lib.chapters.ch21_missing_rates.figures import own_corpora
from mgmr_lib.data.load import corpus_name
from mgmr_lib.data.mmsa.export import export_mmsa
from mgmr_lib.experiments.ledger import read_ledger
from tests.toy import toy_corpus

pytestmark = pytest.mark.slow

SMALL = ["--set", "epochs=1", "text_encoder=tiny", "max_clips=24"]


@pytest.fixture
def words(tmp_path):
    """A file of one's own, and where its results go."""
    path = tmp_path / "my clips.pkl"
    export_mmsa(toy_corpus(), path)
    return [
        "--data",
        str(path),
        "--ledger",
        str(tmp_path / "ledger"),
        "--runs",
        str(tmp_path / "runs"),
        "--out",
        str(tmp_path / "tables"),
    ]


def test_a_file_of_ones_own_goes_through_the_same_command(words, tmp_path, capsys):
    assert (
        cli.main(
            [
                "experiment",
                "curve",
                *words,
                "--models",
                "mgmr,fc_t",
                "--seeds",
                "1",
                "--mask-seeds",
                "1",
                "--quiet",
                *SMALL,
            ]
        )
        == 0
    )
    printed = capsys.readouterr().out
    folder = tmp_path / "tables" / "my clips" / "laptop"
    assert str(folder / "curves.csv") in printed and (folder / "curve.png").exists()
    names = {r["name"] for r in read_ledger(tmp_path / "ledger", "my clips", "laptop")}
    assert {"mgmr", "fc_t", "mean", "text_ridge"} == names
    assert own_corpora(tmp_path / "ledger") == ["my clips"]
    assert cli.main(["experiment", "curve", *words, "--report-only"]) == 0
    assert str(folder / "curves.csv") in capsys.readouterr().out


def test_a_report_without_records_is_an_error_that_says_what_to_do(words, capsys):
    assert cli.main(["experiment", "table", *words, "--report-only"]) != 0
    assert "leave --report-only out" in capsys.readouterr().err


def test_a_file_called_like_a_classroom_corpus_keeps_its_records_apart():
    assert corpus_name("classroom-mosi") == "classroom-mosi"
    assert corpus_name("/somewhere/classroom-mosi.pkl") == "classroom-mosi-file"
    assert corpus_name("/somewhere/unaligned_50.pkl") == "unaligned_50"
