"""What notebook 26 says, on other seeds, lengths and sizes than the notebook shows."""

import json
import math

import pytest
import torch
from matplotlib import pyplot as plt

from mgmr_lib.chapters.ch26_the_third_rule import figures as draw
from mgmr_lib.chapters.ch26_the_third_rule import recorded, toys
from mgmr_lib.errors import CourseError
from mgmr_lib.ssm import mamba3
from tests.chapters.notebook_code import definitions

NB = definitions("26_the_third_rule.py")
COUNTS_TO_THREE = ("Mamba-3", "LSTM")


def test_two_ends_are_of_order_two_and_all_rules_with_one_end_of_order_one():
    for options, order in (
        (dict(lam=0.5), 2),
        (dict(lam=1.0), 1),
        (dict(lam=0.8), 1),
        (dict(lam=0.49), 1),
        ({}, 1),
        (dict(method="zoh"), 1),
    ):
        found = math.log2(NB["error"](1 / 256, **options) / NB["error"](1 / 512, **options))
        assert found == pytest.approx(order, abs=0.05)
    close = [NB["error"](dt, lam=0.49) for dt in (1 / 4, 1 / 8)]
    assert math.log2(close[0] / close[1]) > 1.9  # a long step does not show it yet
    shrinking = [NB["error"](dt, lam=0.5 + dt) for dt in (1 / 128, 1 / 256)]
    assert math.log2(shrinking[0] / shrinking[1]) == pytest.approx(2, abs=0.05)
    assert NB["error"](0.1, lam=1.0) == pytest.approx(NB["error"](0.1), rel=1e-12)  # lambda = 1 is Mamba-2's rule


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("sizes", [dict(length=1, n=2, p=1), dict(length=33, n=4, p=5), dict(length=70, n=8, p=2)])
def test_turned_b_and_c_are_the_turning_state(sizes, seed):
    x, dt, A, B, C, lam, angle = NB["operands"](**sizes, seed=seed)
    one = torch.ones_like(lam)
    judge = mamba3.list_mamba3(*(v.tolist() for v in (x, dt, A, B, C, one, angle)))
    want = torch.tensor(judge, dtype=torch.float64)
    torch.testing.assert_close(NB["turned_scan"](x, dt, A, B, C, angle), want, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(NB["library"](x, dt, A, B, C, one, angle), want, rtol=1e-10, atol=1e-10)


def test_a_half_turn_counts_for_ever_and_one_that_is_short_fails_where_its_errors_add_up_to_a_quarter():
    bits = torch.randint(0, 2, (3, 20_001), generator=torch.Generator().manual_seed(9))
    assert (NB["parity_by_hand"](bits) == (bits.cumsum(1) % 2 == 1)).all()
    ones = torch.ones(1, 400, dtype=torch.long)
    for off in (0.02, 0.005):
        wrong = NB["parity_by_hand"](ones, (1 - off) * math.pi) != (ones.cumsum(1) % 2 == 1)
        assert wrong[0].nonzero()[0].item() + 1 == pytest.approx(0.5 / off, abs=2)


def test_a_factor_between_zero_and_one_settles_in_a_row_of_ones():
    for a in (0.2, 0.7, 0.95):
        states = NB["presses"](a, 400)
        assert all(later >= now for now, later in zip(states, states[1:], strict=False))
        assert states[-1] - states[-2] == pytest.approx(0, abs=1e-7)


def test_the_record_says_what_the_notebook_says():
    made = recorded.load()
    assert {(r["k"], r["network"], r["seed"]) for r in made["runs"]} == {
        (k, name, seed) for k in (2, 3) for name in toys.BLOCKS for seed in recorded.SEEDS
    }
    for name, shares in recorded.shares(made, 3, 4).items():
        assert len(shares) == 3 and (min(shares) > 0.9) == (name in COUNTS_TO_THREE)
    parity = [recorded.shares(made, 2, times)["Mamba-3"] for times in recorded.TIMES]
    assert min(parity[0]) > 0.97 and min(*parity[1], *parity[2]) < 0.1 and max(*parity[1], *parity[2]) > 0.9
    for run in made["runs"]:
        model = toys.Tracker(run["network"], run["k"])
        assert run["weights"] == sum(w.numel() for w in model.parameters())


def test_a_damaged_record_is_one_sentence(tmp_path):
    broken = json.loads(recorded.FILE.read_text(encoding="utf-8"))
    del broken["runs"][0]["right"]
    for text in ("{", "[]", json.dumps(broken)):
        (tmp_path / "r.json").write_text(text, encoding="utf-8")
        with pytest.raises(CourseError, match="record it again"):
            recorded.load(tmp_path / "r.json")


def test_sums_start_at_the_sign_and_ignore_it():
    for k in (2, 3, 5):
        numbers, sums = toys.SumTask(k).draw(50, torch.Generator().manual_seed(1), 30, mixed=True)
        assert (numbers[:, 0] == k).all() and (sums[:, 0] == 0).all() and numbers[:, 1:].max() == k - 1
        assert torch.equal(sums[:, 1:], numbers[:, 1:].cumsum(1) % k)


def test_held_angles_stay_zero_in_training_and_all_else_moves():
    before = toys.seeded(3, lambda: toys.Tracker("Mamba-3, angles held", 3))
    after = toys.train("Mamba-3, angles held", toys.SumTask(3, 5), seed=3, steps=5)
    assert toys.turns(after, 3).abs().max() == 0
    moved = (after.block.in_proj.weight != before.block.in_proj.weight).any(1)
    assert not moved[-after.block.n_angles :].any() and moved[: -after.block.n_angles].float().mean() > 0.9


def test_parity_swings_by_the_turns_that_are_not_exact_and_stops_when_both_are():
    task = toys.SumTask(2)
    model = toys.train("Mamba-3", task, seed=4)
    swings = {at: toys.by_step(model, task, seed=4, rounded=at) for at in ((), (0,), (1,), (0, 1))}
    below = {at: next((t for t, share in enumerate(s) if share < 0.5), len(s)) for at, s in swings.items()}
    assert min(swings[()][: task.length]) > 0.97 and min(swings[()]) < 0.2
    assert min(below[0,], below[1,]) > below[()]
    beyond = swings[0, 1][task.length :]
    assert max(beyond) - min(beyond) < 0.3 < max(swings[()][task.length :]) - min(swings[()])
    assert toys.by_step(model, task, seed=4) == swings[()]  # the rounding does not stay


def test_ways_tell_pairs_that_count_from_those_that_do_not():
    third = torch.tensor([[0.0, 1, 2], [0.0, 2, 1], [0.0, 1, 1], [0.0, 1.5, 2], [1.0, 2, 0], [0.05, -2, -1.05]]) / 3
    turns = (third - third.round()).T[:, None]  # (k, heads, angles)
    same = [toys.FORTH, toys.BACK, toys.SAME, toys.MISSED, toys.MISSED, toys.FORTH]
    assert toys.ways(turns) == same and toys.ways(turns, near=0.04)[-1] == toys.MISSED


def test_the_figures_draw_what_they_are_given():
    fig = plt.figure()
    panels = {"a": {"x": [[0.1, 0.2], [0.3, 0.5]]}, "b": {"x": [[1.0, 0.0], [0.5, 0.5]]}}
    draw.tracking(fig, panels, [0.5, 0.3], (1, 2))
    means = [list(ax.lines[0].get_ydata()) for ax in fig.axes]
    assert means == [pytest.approx([0.15, 0.4]), pytest.approx([0.5, 0.5])]
    fig, ax = plt.subplots()
    draw.learned_turns(ax, torch.tensor([[[0.0]], [[0.25]]]))
    (x0, y0), (x1, y1) = (line.get_xydata()[0] for line in ax.lines[-2:])
    radii = [math.hypot(*line.get_xydata()[0]) for line in ax.lines[:1]]
    assert radii == [pytest.approx(math.hypot(x0, y0))]  # the pair lies on its ring
    assert x0 > 0 and y0 == pytest.approx(0, abs=1e-6) and x1 == pytest.approx(0, abs=1e-6) and y1 > 0
    fig, ax = plt.subplots()
    draw.swings(ax, {"a": [1.0, 0.5], "b": [0.0, 0.25]}, 1)
    assert [list(line.get_ydata()) for line in ax.lines[:2]] == [[1.0, 0.5], [0.0, 0.25]]
    fig = plt.figure()
    draw.rows_of_ones(fig, range(1, 5), {0.5: [1, 1.5, 1.75, 1.875]}, [1, 0, 1, 0])
    on = {line.get_label(): list(line.get_xdata()) for line in fig.axes[0].lines}
    assert on["a = 0.5, on"] == [1, 3] and on["a = 0.5, off"] == [2, 4]
    plt.close("all")
