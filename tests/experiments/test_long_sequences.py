"""Long clips: the same every time, with a label that no average knows; the record is checked; the command runs."""

import json

import pytest
import torch

from mgmr_lib.cli import main
from mgmr_lib.data.batch import Batch
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments import long_clips as clips
from mgmr_lib.experiments import long_sequences as long
from mgmr_lib.experiments import long_tables as tables
from mgmr_lib.experiments.long_networks import CONTENDERS, CausalAttention, mgmr
from mgmr_lib.provenance import digest
from mgmr_lib.ssm import MambaBlock

PLACES = ("--ledger", "ledger", "--out", "out", "--runs", "runs")


def both(frames: int, count: int, seed: int) -> tuple[Batch, Batch]:
    """The same draws with all labels +1, and with all -1."""
    ones = torch.ones(count)
    return clips.long_clips(frames, count, seed, ones), clips.long_clips(frames, count, seed, -ones)


@pytest.mark.parametrize("frames", [40, 2000])
def test_clips_are_the_same_every_time_and_others_for_another_seed(frames):
    one, again, other = (clips.long_clips(frames, 6, seed) for seed in (3, 3, 4))
    for m in ("text", "audio", "vision"):
        assert torch.equal(one[m].x, again[m].x) and not torch.equal(one[m].x, other[m].x)
    assert torch.equal(one.labels, again.labels) and one.audio.x.shape == (6, frames, clips.WIDTHS["audio"])
    assert clips.long_clips(frames, 400, 0).labels.mean().abs() < 0.15


@pytest.mark.parametrize("frames", [40, 2000, 16000])
def test_the_bag_of_frames_knows_nothing_of_the_label_and_their_order_everything(frames):
    up, down = both(frames, 5, 7)
    assert (up.audio.x.mean(1) - down.audio.x.mean(1)).abs().max() < 1e-6
    assert torch.equal(up.audio.x[..., 0].sort(1).values, down.audio.x[..., 0].sort(1).values)
    assert torch.equal(up.text.x, down.text.x) and torch.equal(up.vision.x, down.vision.x)
    place = up.audio.x[..., 0].unfold(1, clips.CUE_FRAMES, 1).mean(-1)
    for clip, sign in ((place, 1), (-down.audio.x[..., 0].unfold(1, clips.CUE_FRAMES, 1).mean(-1), -1)):
        first, second = clip.argmax(1), clip.argmin(1)
        assert (second - first >= clips.APART * frames - 2 * clips.CUE_FRAMES).all(), sign


def test_the_mean_frame_of_many_clips_is_uncorrelated_with_the_label():
    batch = clips.long_clips(2000, 600, 11)
    both_of = torch.cat([batch.audio.x.mean(1), batch.labels[:, None]], dim=1)
    assert both_of.T.corrcoef()[-1, :-1].abs().max() < 4 / 600**0.5


def test_the_twin_has_attention_wherever_the_network_has_a_mamba_block():
    torch.manual_seed(0)
    kinds = [[type(m) for m in mgmr(a).modules() if isinstance(m, MambaBlock | CausalAttention)] for a in (False, True)]
    assert kinds == [[MambaBlock] * len(kinds[0]), [CausalAttention] * len(kinds[0])] and kinds[0]
    attend = CausalAttention(partner=True)
    x, partner, valid = torch.randn(1, 9, 16), torch.randn(1, 9, 16), torch.ones(1, 9, dtype=torch.bool)
    later = x.clone()
    later[:, 5:] += 1
    torch.testing.assert_close(attend(x, valid, partner)[:, :5], attend(later, valid, partner)[:, :5])


@pytest.mark.parametrize("name", CONTENDERS)
def test_every_contender_reads_the_voice(name):
    torch.manual_seed(0)
    model, (up, down) = CONTENDERS[name].build().eval(), both(40, 2, 0)
    assert (model(up).prediction != model(down).prediction).all()


def test_memory_that_would_not_do_is_extrapolated_and_not_tried():
    before = [{"frames": 100, "bytes": 1e3}, {"frames": 200, "bytes": 4e3}]
    assert long._needs(before, 400) == pytest.approx(16e3) and long._needs(before[:1], 400) == 0
    assert long._needs([before[1], {"frames": 400, "needs_bytes": 16e3}], 800) == pytest.approx(64e3)


@pytest.fixture(scope="module")
def measured():
    return long.measure(long.QUICK, quiet=True)


def test_everything_of_a_plan_is_measured(measured):
    assert {(r["name"], r["frames"]) for r in measured["costs"]} == {(n, f) for n in CONTENDERS for f in (80, 160)}
    trained = {n for n, c in CONTENDERS.items() if c.up_to != 0}
    assert {(r["name"], r["frames"]) for r in measured["errors"]} == {(n, f) for n in trained for f in (80, 160)}
    assert all(0 <= r["error"] <= 1 for r in measured["errors"] + measured["controls"])
    text = tables.long_markdown(measured)
    assert all(c.label in text for c in CONTENDERS.values()) and "Recorded, not computed" in text


def test_training_ends_where_a_contender_does():
    few = long.Plan((80, 160), shortest=40, first=1, steps=1, batch=2, clips=2)
    rows = long.train(long.Contender("one", CONTENDERS["mamba"].build, up_to=80), 0, few)
    assert [r["frames"] for r in rows] == [80] and long.train(CONTENDERS["table"], 0, few) == []


def test_what_was_not_run_is_said_with_what_it_needs(measured):
    slow, table = ("mfmb", 160), {"name": "table", "frames": 160, "needs_bytes": 12.4e9}
    costs = [r | ({"seconds": 600.0} if (r["name"], r["frames"]) == slow else {}) for r in measured["costs"]]
    costs = [table if (r["name"], r["frames"]) == ("table", 160) else r for r in costs]
    errors = [r for r in measured["errors"] if (r["name"], r["frames"]) != slow]
    text = tables.long_markdown(measured | {"costs": costs, "errors": errors})
    assert "not run: needs 12 GB" in text and "not run: needs 10 min" in text


def test_the_reader_takes_a_record_and_refuses_an_edited_or_an_absent_one(measured, tmp_path):
    path = tmp_path / "long.json"
    with pytest.raises(CourseError, match="does not exist: .* experiment long"):
        long.read_long(path)
    path.write_text(json.dumps(measured), encoding="utf-8")
    assert long.read_long(path) == measured
    edited = json.loads(json.dumps(measured))
    edited["errors"][0]["error"] = 0.0123
    path.write_text(json.dumps(edited), encoding="utf-8")
    with pytest.raises(CourseError, match="was changed after it was written"):
        long.read_long(path)
    edited["errors"][0]["name"] = "rnn"
    path.write_text(json.dumps(edited | {"digest": digest(edited)}), encoding="utf-8")
    with pytest.raises(CourseError, match="speaks of rnn"):
        long.read_long(path)


def test_the_command_measures_records_and_reports(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MGMR_LEARNER", str(tmp_path))
    places = [w if w.startswith("--") else str(tmp_path / w) for w in PLACES]
    words = ["experiment", "long", "--profile", "fast", "--quiet", *places]
    assert main([*words, "--report-only"]) == 2 and "does not exist" in capsys.readouterr().err
    assert main(words) == 0
    record, page, figure = capsys.readouterr().out.split()
    found = long.read_long(tmp_path / "long_sequences.json")
    assert str(tmp_path / "long_sequences.json") == record and found["plan"]["lengths"] == [80, 160]
    assert figure.endswith(".png") and open(page, encoding="utf-8").read() == tables.long_markdown(found)
    assert main([*words, "--report-only"]) == 0 and capsys.readouterr().out.split() == [page, figure]
    assert main(["experiment", "long", "--profile", "fast", "--into-course"]) == 2


def test_the_courses_record_is_the_plans_and_its_tables_are_its():
    found = long.read_long()
    plan = json.loads(json.dumps(long.Plan().__dict__))
    assert found["plan"] == plan and "+" not in found["provenance"]["commit"]
    page = long.FILE.parent / "tables" / "long" / "long_sequences.md"
    assert page.read_text(encoding="utf-8") == tables.long_markdown(found)
