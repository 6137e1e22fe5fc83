"""What notebook 18 claims holds for seeds that it does not show."""

import os

import pytest
import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn.functional import pad

from mgmr_lib.chapters.ch18_micro_fusion import figures as figures_ch18
from mgmr_lib.chapters.ch18_micro_fusion import toys
from mgmr_lib.chapters.ch18_micro_fusion.toys import (
    GateReader,
    NegationTask,
    StressTask,
    each_stressed,
    fit_gate,
    fit_stress,
    stress_model,
    word_influence,
)
from mgmr_lib.chapters.shared.fit import seeded
from mgmr_lib.course import figures
from mgmr_lib.models.mfmb import micro_fusion
from mgmr_lib.models.mfmb.micro_fusion import MemoryGate
from mgmr_lib.models.mfmb.published_code import CodeHead, GatedSummary
from mgmr_lib.models.recurrent import Bidirectional
from tests.chapters.notebook_code import definitions

SEED = int(os.environ.get("MGMR_TEST_SEED", "2027"))  # set MGMR_TEST_SEED to try another one


@pytest.mark.parametrize("kind", ["stress", "majority", "strangers"])
def test_labels_are_what_the_task_says(kind):
    drawn = StressTask(kind).draw(3000, torch.Generator().manual_seed(1))
    words, loud, valid = drawn.h["text"][..., 0], drawn.h["audio"][..., 0], drawn.valid
    assert set(valid["text"].sum(1).tolist()) == {3, 5, 7} and (loud.sum(1) == 2).all()
    assert (words[~valid["text"]] == 0).all() and (loud[~valid["audio"]] == 0).all()
    heard = (words * loud[:, ::2]).sum(1)
    agree = (heard == drawn.labels).float().mean().item()
    assert agree == 1 if kind == "stress" else agree < 0.85
    assert (words.sum(1).sign() == drawn.labels).float().mean().item() == pytest.approx(
        1 if kind == "majority" else 0.69, abs=0.04
    )


@pytest.mark.parametrize("seed", range(5))
def test_padding_reaches_the_backward_half_alone_and_its_last_step_most(seed):
    torch.manual_seed(seed)
    lstm, clip = nn.LSTM(6, 5, batch_first=True, bidirectional=True), torch.randn(1, 10, 6)
    with torch.no_grad():
        change = (lstm(pad(clip, (0, 0, 0, 20)))[0][:, :10] - lstm(clip)[0])[0].abs()
    assert change[:, :5].max() < 1e-6
    assert change[-1, 5:].max() == change[:, 5:].max() and change[0, 5:].max() < change[-1, 5:].max() / 3


@pytest.mark.parametrize("seed", range(3))
def test_an_lstm_bounds_what_the_gate_multiplies_and_the_tanh_only_squeezes_it(seed):
    torch.manual_seed(seed)
    lstm, gate, x = Bidirectional(nn.LSTM, 6, 5), MemoryGate(10), torch.randn(1, 30, 6)
    valid, free = torch.ones(1, 30, dtype=torch.bool), torch.randn(1, 30, 10)
    with torch.no_grad():
        context = lstm(1000 * x, valid)
        plain, squeezed = (gate(h)[0].abs().max().item() for h in (context, torch.tanh(context)))
        small, large = (gate(s * free)[0].abs().max().item() for s in (1, 1000))
    assert context.abs().max() <= 1 and squeezed < plain < 1 and large > 1e4 * small


@pytest.mark.parametrize(
    "gate, low, high, filtered",
    [("printed", 0.9, 1.0, 0.9), ("sigmoid", 0.9, 1.0, 0.9), ("code", 0.9, 1.0, 0.9), ("open", -0.2, 0.2, 0.4),
     ("code, gate alone", 0.3, 0.72, 0.9), ("code, signed", 0.9, 1.0, 0.9)],
)  # fmt: skip
def test_every_gate_filters_and_one_number_a_step_leaves_half_of_the_negation_after_this_training(
    gate, low, high, filtered
):
    assert low < fit_gate(GateReader(gate, SEED), NegationTask(), SEED) <= high
    found = fit_gate(GateReader(gate, SEED), NegationTask("filter"), SEED)
    assert found > filtered and (gate != "open" or found < 0.8)
    assert fit_gate(GateReader(gate, SEED), NegationTask("plain"), SEED) > 0.7


@pytest.mark.slow
def test_a_longer_training_turns_words_round_in_part_with_one_number_a_step():
    """Muting alone explains 9/16 of the negation at most: the mean of the words that are not behind a "not"."""
    reader = GateReader("code, gate alone", 2)
    assert 9 / 16 + 0.03 < fit_gate(reader, NegationTask(), 2, steps=1000) < 0.9
    x, _ = NegationTask().draw(500, torch.Generator().manual_seed(5))
    x[:, 3, 1], x[:, 4, 0] = 1, 1  # a "not", then a word
    turned = x.clone()
    turned[:, 4, 0] = -1
    with torch.no_grad():
        effect = (reader(x) - reader(turned)).mean().item() / (2 / 8**0.5)
    assert -0.9 < effect < -0.2, effect  # -1: turned round altogether; 0: muted


def test_the_codes_gate_stands_before_its_next_line_as_in_the_library():
    """GatedSummary with a GRU that says what it reads, and no maximum over time, is the toy."""

    class Says(nn.Module):
        def forward(self, x, valid):
            return x

    torch.manual_seed(SEED)
    theirs, ours = GatedSummary(6, 3, 1, 0.0), toys.CodeGate(6)
    theirs.mix = ours.join  # (w + 2d) to as many; theirs ends in d, which nothing below looks at
    theirs.gate.load_state_dict(ours.gate.state_dict())
    theirs.gru = Says()
    x = torch.randn(2, 1, 6)  # one step, of which the maximum over time is itself
    found, gate = theirs(x, torch.ones(2, 1, dtype=torch.bool))
    assert torch.allclose(found, ours(x)[0][:, 0]) and torch.allclose(gate, ours(x)[1][..., 0])


def test_what_a_not_does_to_the_next_word():
    for kind, weight in (("negation", -1.0), ("filter", 0.0), ("plain", 1.0)):
        x, labels = NegationTask(kind).draw(4000, torch.Generator().manual_seed(SEED))
        behind = torch.cat([torch.zeros(4000, 1), x[:, :-1, 1]], dim=1)
        meant = torch.where(behind == 1, weight * x[..., 0], x[..., 0]).sum(1)
        assert torch.allclose(meant / meant.std(), labels / labels.std(), atol=1e-5)
        assert labels.var().item() == pytest.approx(1.0, abs=0.1)


def test_sums_over_time_stay_at_the_majority():
    task = StressTask()
    net = stress_model("pooled", task, SEED)
    assert 0.6 < fit_stress(net, task, SEED) < 0.75
    even = word_influence(net, task, 50)
    assert (even / even.sum(1, keepdim=True)).diagonal().mean() < 0.25


def test_micro_fusion_finds_the_stressed_word_and_no_strangers():
    task, strangers = StressTask(), StressTask("strangers")
    net = stress_model("micro", task, SEED)
    assert fit_stress(net, task, SEED) > 0.85
    rows = word_influence(net, task, 50)
    assert (rows / rows.sum(1, keepdim=True)).diagonal().mean() > 0.25
    assert fit_stress(stress_model("micro", strangers, SEED), strangers, SEED, steps=40) < 0.75


@pytest.mark.slow
def test_four_times_the_steps_teach_the_hub():
    task = StressTask()
    assert fit_stress(stress_model("hub", task, SEED), task, SEED, steps=600) > 0.9


@pytest.mark.slow
def test_behind_hybrid_attention_a_linear_reader_finds_the_word_even_in_pooled_steps():
    task = StressTask()
    assert fit_stress(stress_model("pooled", task, SEED, attention=True), task, SEED, steps=600, lr=3e-3) > 0.9


@pytest.mark.slow
def test_without_places_micro_fusion_is_only_slower(monkeypatch):
    """Every step of U replaced by the clip's mean: Eq. 13 still joins words and voice in front of the reader."""

    class Placeless(MemoryGate):
        def forward(self, x):
            gated, gate = super().forward(x)
            valid = (x != 0).any(-1, keepdim=True)
            mean = (gated * valid).sum(1, keepdim=True) / valid.sum(1, keepdim=True).clamp(min=1)
            return mean * valid, gate

    monkeypatch.setattr(micro_fusion, "MemoryGate", Placeless)
    task, at_best = StressTask(), sum(definitions("18_micro_fusion.py")["best_sum"](n) for n in (3, 5, 7)) / 3
    assert fit_stress(stress_model("micro", task, 0), task, 0) < at_best
    longer = [fit_stress(stress_model("micro", task, seed), task, seed, steps=600, lr=3e-3) for seed in (0, 1)]
    assert min(longer) > at_best + 0.04, longer  # "most seeds": of six that we tried, one stayed below


@pytest.mark.slow
def test_under_the_codes_head_pooled_steps_get_beyond_the_best_sum():
    """ "From most of six seeds, mostly by little": three of them, and one well beyond."""
    at_best, shares = headed_shares((0, 2, 4), 600, stream="pooled", lr=3e-3)
    assert shares[1] > at_best and shares[2] > at_best + 0.04 and shares[0] > at_best - 0.03, shares


@pytest.mark.slow
def test_longer_texts_need_a_longer_training():
    task = StressTask(longest=15)
    short = sorted(fit_stress(stress_model("micro", task, seed), task, seed) for seed in range(8))
    assert sum(share < 0.7 for share in short) >= 4 and 0.72 < short[-2] <= short[-1] < 0.9, short
    assert fit_stress(stress_model("micro", task, SEED), task, SEED, steps=600, lr=3e-3) > 0.95


def headed_shares(seeds, steps: int, stream: str = "code", lr: float = 1e-2) -> tuple[float, list[float]]:
    """The best sum, and how often a stream with the code's head is right: all seeds are asked the same clips, so many
    that chance makes hardly half a point."""
    task, shares = StressTask(), []
    scene = task.draw(8000, torch.Generator().manual_seed(99))
    best_sum = definitions("18_micro_fusion.py")["best_sum"]
    for seed in seeds:
        net = stress_model(stream, task, seed=seed)
        net.out = seeded(seed + 1, lambda net=net: CodeHead(net.stream.width, 32, 1))
        fit_stress(net, task, seed=seed, steps=steps, lr=lr)
        with torch.no_grad():
            shares.append((net(scene) * scene.labels > 0).float().mean().item())
    return sum(best_sum(n) for n in (3, 5, 7)) / 3, sorted(shares)


@pytest.mark.slow
def test_without_position_codes_the_grus_steps_still_hold_the_moment(monkeypatch):
    monkeypatch.setattr(toys, "positions", lambda steps, d, like: like.new_zeros(steps, d))
    at_best, (worst, *others) = headed_shares((0, 2, 3), 600)
    assert min(others) > at_best + 0.04 and worst < at_best, (worst, others)


@pytest.mark.slow
def test_how_far_the_codes_stream_gets_under_its_own_head_depends_on_the_seed():
    at_best, shares = headed_shares(range(6), 150)
    lowest, *others = shares
    assert at_best - 0.03 < lowest < at_best + 0.03 and min(others) > at_best + 0.04, shares


def test_each_clip_stresses_another_of_the_same_words():
    task, words = StressTask(), torch.tensor([1.0, -1.0, -1.0, 1.0, -1.0])
    scene = each_stressed(words, task)
    heard = scene.h["audio"][..., 0].unflatten(1, (5, task.frames))
    assert (heard == torch.eye(5)[..., None]).all() and (scene.h["text"][..., 0] == words).all()
    assert ((heard.mean(-1) * scene.h["text"][..., 0]).sum(1) == scene.labels).all()
    drawn = task.draw(1, torch.Generator().manual_seed(0))
    assert scene.h.keys() == drawn.h.keys() and all(
        scene.h[m][..., 1].all() and v.all() for m, v in scene.valid.items()
    )


@pytest.mark.parametrize("words", [(1, -1, -1, 1, -1, 1, -1), (-1, 1, 1, -1, 1, -1, 1)])
def test_the_answer_of_micro_fusion_turns_with_the_stress_and_the_pooled_one_does_not(words):
    task, swing = StressTask(), {}
    scene = each_stressed(torch.tensor(words, dtype=torch.float32), task)
    for name in ("pooled", "code", "micro"):
        net = stress_model(name, task, SEED)
        fit_stress(net, task, SEED)
        with torch.no_grad():
            sure = torch.sigmoid(net(scene))
        swing[name] = (sure.max() - sure.min()).item()
    assert swing["micro"] > 0.5 and max(swing["pooled"], swing["code"]) < 0.1


def title_of(ax) -> str:
    return ax.get_title("left") + ax.get_title()  # on the left in the course's style


def test_the_picture_of_the_stress_frames_one_word_and_says_who_is_right():
    fig = plt.figure()
    figures_ch18.turning([1.0, -1.0], {"a": [0.9, 0.8], "b": [0.4, 0.3]})(fig, 2)
    said, streams = fig.axes
    assert title_of(said) == "the voice stresses word 2: bad" and not figures.problems(fig)
    assert (said.patches[-1].get_x(), said.patches[-1].get_width()) == (1.5, 1.0)
    assert [bar.get_width() for bar in streams.patches] == [0.8, 0.3]
    assert [t.get_text() for t in streams.texts] == ["wrong", "right"]
    plt.close(fig)


def test_figures_draw_what_they_are_given():
    fig, (left, right) = plt.subplots(1, 2)
    figures_ch18.shares(left, {("negation", "printed"): [0.5, 0.7], ("negation", "open"): [0.0, 0.1]})
    assert [line.get_ydata().tolist() for line in left.lines[:2]] == [[0.5, 0.7], [0.0, 0.1]]
    figures_ch18.who_is_right(right, {"micro": 0.9, "hub": 0.6}, 0.7)
    assert [bar.get_height() for bar in right.patches] == [0.9, 0.6] and right.lines[0].get_ydata()[0] == 0.7
    maps = plt.figure()
    figures_ch18.influence(maps, {"a": torch.tensor([[1.0, 3.0], [2.0, 2.0]]), "b": torch.ones(2, 2)})
    assert maps.axes[0].images[0].get_array().tolist() == [[0.25, 0.75], [0.5, 0.5]]
    plt.close("all")
