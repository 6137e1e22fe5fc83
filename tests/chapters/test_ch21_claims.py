"""What notebook 21 draws and says follows from the records that it is given."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from mgmr_lib.chapters.ch21_missing_rates import figures as draw
from mgmr_lib.chapters.ch21_missing_rates.exercises import lead_lost
from mgmr_lib.chapters.ch28_what_the_papers_claim.rivals import shares_left
from mgmr_lib.data.load import load_corpus
from mgmr_lib.data.missing import draw_masks, valid_steps
from mgmr_lib.evaluation.statistics import welch
from mgmr_lib.experiments import patterns_page, tuned_page
from mgmr_lib.experiments.ledger import RUNS, curves, read_ledger, read_named, write_record
from mgmr_lib.experiments.plan import EQUAL, POM
from tests.experiments.test_ledger import RATES, made
from tests.toy import toy_corpus


def records():
    # mgmr is better than concat by 0.1 with every seed; seeds differ by 0.2; mask seed 2 adds 0.1.
    return [
        made(name, seed, shift + 0.2 * i)
        for i, seed in enumerate((1, 2, 3))
        for name, shift in (("mgmr", 0.0), ("concat", 0.1))
    ]


def test_a_band_is_the_mean_and_its_interval_over_trainings():
    fig = Figure()
    draw.bands(fig, records(), ["mgmr", "tfn"])
    line = fig.axes[0].lines[0]
    assert list(line.get_ydata()) == pytest.approx([1.25 + r for r in RATES])
    edges = fig.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    # Three values 0.2 apart: sd 0.2, half width 4.3027 * 0.2 / sqrt(3).
    assert edges.min() == pytest.approx(1.25 - 0.49684, abs=1e-4) and len(fig.axes[0].lines) == 1


def test_networks_are_ordered_at_one_rate():
    fig = Figure()
    draw.at_rate(records())(fig, 0.5, "mae")
    ax = fig.axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["CONCAT", "MGMR"]
    assert ax.lines[-1].get_xdata()[0] == pytest.approx(1.75)


def test_pooling_masks_makes_a_narrower_interval_than_trainings_do():
    table = draw.by_training(records(), "mgmr", 0.5, "mae")
    assert np.allclose(table, [[1.5, 1.6], [1.7, 1.8], [1.9, 2.0]])
    said = draw.widths_said(0.5, table, [v for row in table for v in row], [1.55, 1.75, 1.95])
    assert "3 trainings under 2 masks" in said and "0.994" in said and "2.5 times" in said


def test_the_verdict_is_that_of_the_family():
    said = draw.verdicts(records())
    assert "| MGMR | CONCAT | 3 / 3 | -0.100" in said and "| not told apart |" in said and "better" not in said
    assert (
        "Not recorded" in draw.verdicts([])
        and "Not recorded" in draw.area_table([])
        and "Not recorded" in draw.widths_said(0.5, [], [], [])
    )
    fig = Figure()
    draw.bands(fig, [], ["mgmr"])
    assert fig.axes[0].get_title() == "not recorded yet"
    draw.at_rate([])(Figure(), 0.5, "mae")


def test_a_learners_own_corpus_is_found(tmp_path):
    write_record(tmp_path, made() | {"corpus": "classroom-mosi"})
    assert draw.own_corpora((tmp_path,)) == {}
    write_record(tmp_path, made() | {"corpus": "mosi"})
    assert draw.own_corpora((tmp_path,)) == {"f-mosi": "mosi"}


def test_steps_lost_counts_windows_that_hold_no_frame():
    split = toy_corpus()["test"]
    valid, keep = valid_steps(split)["audio"], draw_masks(split, 0.7, seed=1)["audio"]
    steps = empty = 0
    for there, left in zip(valid, keep & valid, strict=True):
        for start in range(0, int(there.sum()), 3):
            steps += 1
            empty += not left[start : start + 3].any()
    found = draw.steps_lost(split, {"audio": 3}, [0.0, 0.7], "frames")["audio"]
    assert found[0] == (0, 0) and found[1] == pytest.approx((1 - (keep & valid).sum() / valid.sum(), empty / steps))
    assert 0.05 < empty / steps < found[1][0]


def with_reference(name="mgmr"):
    mean = made("mean", 0, config=False)
    mean["records"] = [{**row, "mae": 2.0} for row in mean["records"]]
    return [r for r in records() if r["name"] == name] + [mean]


def test_a_lost_lead_is_measured_a_training_from_the_blind_value():
    found = draw.shares_lost(with_reference(), "mgmr", "mae", lead_lost)
    # Errors 1.05, 1.25, 1.45 at rate 0 and as much more as is lost: 0.5 of leads of 0.95, 0.75, 0.55.
    assert found[0.5]["mean"] == pytest.approx((0.5 / 0.95 + 0.5 / 0.75 + 0.5 / 0.55) / 3) and found[0.0]["mean"] == 0
    coin = draw.shares_lost(with_reference(), "mgmr", "mae", lead_lost, blind=3.05)
    assert coin[0.5]["mean"] == pytest.approx((0.5 / 2 + 0.5 / 1.8 + 0.5 / 1.6) / 3)
    assert draw.lost_said(found, (0.5,)).startswith("70% [") and draw.lost_said(found).count("at rate") == 2
    assert draw.lost_said(draw.shares_lost([], "mgmr", "mae", lead_lost)) == "not recorded"
    assert draw.shares_lost(with_reference()[:-1], "mgmr", "mae", lead_lost) == {}


def test_most_of_the_recorded_lead_in_error_is_lost_for_each_training_and_corpus():
    """What 21.2's line says of MGMR-Net on classroom-mosi holds of each training, and on the second edition, too."""
    everything = [read_ledger(), read_ledger(corpus=tuned_page.CORPUS, profile=tuned_page.PROFILE)]
    for found in everything:
        table = curves(found).pivot_table(index=["name", "training_seed"], columns="rate", values="mae")
        blind, ours = table.loc["mean"][0.0].item(), table.loc["mgmr"]
        assert len(ours) > 2 and all(lead_lost(row[0.0], row[0.9], blind) > 0.5 for _, row in ours.iterrows())


def test_recorded_whole_modalities_cross_the_curve_of_single_frames_near_the_middle():
    found = patterns_page.by_pattern(tuned_page.CORPUS, tuned_page.PROFILE, {}, RUNS)
    lines = {name: curves(rows).query("name == 'mgmr'").groupby("rate")["mae"].mean() for name, rows in found.items()}
    more = lines["modality"] - lines["frames"]
    assert more[0.0] < more[0.3] / 2 and more[[0.2, 0.3]].max() < -0.005 and more[[0.8, 0.9]].min() > 0.005
    assert -0.02 < more[0.5] < 0.02 and more[[0.6, 0.7]].is_monotonic_increasing


def test_bursts_spare_words_and_cost_voices():
    """What 21 says of one modality alone, at every rate in the middle, not only the one that it prints."""
    found = patterns_page.by_pattern(tuned_page.CORPUS, tuned_page.PROFILE, {}, RUNS)
    means = {name: curves(rows).groupby(["name", "rate"])["mae"].mean() for name, rows in found.items()}
    for rate in (0.4, 0.5, 0.6, 0.7):
        moved = {n: means["bursts"][n, rate] - means["frames"][n, rate] for n in ("fc_t", "fc_a")}
        assert moved["fc_t"] < -0.01 and moved["fc_a"] > 0.005, (rate, moved)


def test_the_lead_of_whole_modalities_at_low_rates_is_there_at_rate_0():
    found = patterns_page.by_pattern(tuned_page.CORPUS, tuned_page.PROFILE, {}, RUNS)
    at = {n: curves(rows).query("name == 'mgmr'").set_index("rate")["mae"] for n, rows in found.items()}
    gaps = {rate: welch(at["modality"][rate].tolist(), at["frames"][rate].tolist()) for rate in (0.0, 0.3)}
    assert gaps[0.0]["low"] < 0 < gaps[0.0]["high"] and gaps[0.3]["mean"] > gaps[0.0]["mean"] - 0.02


def test_who_was_best_in_the_last_epoch_is_counted():
    late, early = made(seed=1) | {"best_epoch": 1}, made(seed=2) | {"best_epoch": 0}
    assert "1 of MGMR's 2 trainings were best in the last of 2 epochs" in draw.best_in_last([late, early], "mgmr")
    assert draw.best_in_last([early], "mgmr") == draw.best_in_last([late], "mfmb") == ""


def test_two_rules_shows_pairs_beside_welch_and_counts_the_wider():
    seeds = (1, 2, 3, 4, 5)
    first = [made("mgmr", s, 0.1 * s) for s in seeds]
    alike = first + [made("concat", s, 0.1 * s + 0.3 + 0.01 * (s % 2)) for s in seeds]
    said = draw.two_rules(alike, "mgmr", "concat", [-0.31, -0.3, -0.31, -0.3, -0.31])
    assert "-0.306 [-0.313, -0.299] by your 5 pairs" in said and "all 5 and 5 seeds" in said
    assert "the wider one in 0 of 1" in said
    apart = first + [made("concat", s, 0.3 - 0.1 * s) for s in seeds]
    assert "the wider one in 1 of 1" in draw.two_rules(apart, "mgmr", "concat", [0.0, 0.1])
    assert draw.two_rules(alike, "mgmr", "tfn", [0.0, 0.1]) == draw.EMPTY


def test_how_many_clips_lose_everything_is_counted_from_the_masks():
    """Whole modalities: a clip's three draws are spread evenly, so at rate 0.8 two in five lose all three (notebook
    09), not the 51 % of independent coins."""
    test = load_corpus("classroom-mosi")["test"]
    found = draw.clips_lost(test, 0.8, ("frames", "modality"))
    assert found["modality"] == pytest.approx(0.4, abs=0.045) and found["frames"] < 0.01
    assert draw.clips_lost(test.select(range(50)), 1.0, ["frames"]) == {"frames": 1.0}
    assert draw.clips_lost(test.select(range(50)), 0.0, ["modality"]) == {"modality": 0.0}


def test_after_the_equal_search_some_rivals_lose_a_larger_share_at_nine_tenths():
    found = shares_left(read_named(*EQUAL))
    for rival in ("cenet", "emt", "lnln"):
        test = welch(found["mgmr"], found[rival])
        assert test["mean"] > 0 and test["p"] < 0.01, rival


def test_on_pom_lengths_alone_lie_below_the_floor_at_rate_one():
    blind = curves(read_named(*POM)).query("rate == 1").groupby("name")["mae"].mean()
    assert 0.02 < blind["mean"] - blind["lengths_ridge"] < 0.08
