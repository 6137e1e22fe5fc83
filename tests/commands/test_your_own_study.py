"""data/your_own_study.md: each of its commands runs, in its order, on a small file in MMSA's layout."""

import re
import shlex

import pytest

from mgmr_lib import cli
from mgmr_lib.data.mmsa.export import export_mmsa
from mgmr_lib.paths import REPOSITORY
from tests.toy import toy_corpus

pytestmark = pytest.mark.slow

PAGE = REPOSITORY / "data" / "your_own_study.md"
SMALL = {
    "train": ["--epochs", "1", "--text-encoder", "tiny"],
    "experiment": ["--set", "epochs=1", "text_encoder=tiny", "--mask-seeds", "1", "--quiet"],
}


def commands() -> list[list[str]]:
    """The words behind `python -m mgmr_lib` of every command in a block of the page."""
    blocks = re.findall(r"```\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    lines = [line for block in blocks for line in block.strip().splitlines()]
    assert all(line.startswith("python -m mgmr_lib ") for line in lines)
    return [shlex.split(line)[3:] for line in lines]


def test_every_command_of_the_page_runs_on_a_small_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MGMR_LEARNER", str(tmp_path))
    path = tmp_path / "data" / "mosi" / "unaligned_50.pkl"
    path.parent.mkdir(parents=True)
    export_mmsa(toy_corpus(sizes=(16, 8, 9)), path)
    todo = commands()
    assert {words[0] for words in todo} >= {"data", "experiment", "train", "evaluate", "report", "predict", "doctor"}
    for words in todo:
        small = SMALL.get(words[0], [])
        if words[:2] == ["gpu", "--check"] or words[0] == "doctor":
            continue  # they speak of the machine, whatever it is: tests/commands/test_gpu_*.py, test_doctor.py
        assert cli.main([*words, *small]) == 0, " ".join(words)
        assert capsys.readouterr().out
    made = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    wanted = {words[words.index("--out") + 1] for words in todo if "--out" in words}
    for out in wanted:
        assert out in made or any(name.startswith(f"{out}/") for name in made), out
    assert len([name for name in made if "/B/mgmr-" in name and name.startswith("runs/ledger")]) == 3
    assert any(name.endswith("curve.png") for name in made) and any(name.endswith("auilc.md") for name in made)
