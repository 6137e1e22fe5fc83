"""What notebook 23 claims about counts, crossings and clocks holds for inputs that it does not show; drawings show what
they are given."""

import os

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import pyplot as plt
from torch.nn.functional import scaled_dot_product_attention
from transformers import BertConfig, BertModel

from mgmr_lib.chapters.ch23_complexity import figures as draw
from mgmr_lib.chapters.ch23_complexity import long_clips
from mgmr_lib.chapters.ch23_complexity.exercises import attention_count, crossing, seconds_a_call
from mgmr_lib.chapters.ch23_complexity.operations import SimulatedGPU, multiply_adds
from mgmr_lib.chapters.shared.counting import Written, cpu_seconds
from mgmr_lib.experiments.complexity import costs_path, forward, network, random_batch, read_costs
from mgmr_lib.experiments.long_sequences import read_long
from mgmr_lib.experiments.long_tables import errors, series
from mgmr_lib.experiments.tables import PAPERS
from mgmr_lib.ssm.blocks import BiMamba, MambaBlock
from tests.chapters.notebook_code import definitions

SEEDS = (23, int(os.environ.get("MGMR_TEST_SEED", "2027")))  # set MGMR_TEST_SEED to try another one
WIDTHS = (6, 3, 4)


@pytest.fixture(scope="module")
def notebook():
    return definitions("23_complexity.py")


@pytest.mark.parametrize("seed", SEEDS)
def test_counts_by_hand_are_those_of_the_layers(notebook, seed):
    rng = np.random.default_rng(seed)
    l_q, l_k, d = (int(v) for v in (rng.integers(3, 40), rng.integers(3, 40), 8 * rng.integers(1, 5)))
    layer, lstm = torch.nn.MultiheadAttention(d, 4, batch_first=True), torch.nn.LSTM(d, 5)
    x, z = torch.randn(1, l_q, d), torch.randn(1, l_k, d)
    assert multiply_adds(lambda: layer(x, z, z, need_weights=False)) == attention_count(l_q, l_k, d)
    assert notebook["lstm_count"](1, d, 5) == lstm.weight_ih_l0.numel() + lstm.weight_hh_l0.numel()
    block = MambaBlock(d, d_state=4)
    weights = sum(p.numel() for n, p in block.named_parameters() if n.endswith("proj.weight") or n == "conv1d.weight")
    assert notebook["mamba_count"](7, d, 2 * d, 4) == 7 * (weights + 3 * 2 * d * 4)


def test_the_fused_kernel_is_counted_with_its_shares():
    q, k = torch.randn(2, 4, 9, 8), torch.randn(2, 4, 21, 8)
    assert multiply_adds(lambda: scaled_dot_product_attention(q, k, k)) == 2 * 2 * 4 * 9 * 21 * 8


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("both_ways", [False, True])
def test_an_lstm_is_counted_with_and_without_onednn(notebook, layers, both_ways):
    lstm, x = torch.nn.LSTM(16, 8, layers, bidirectional=both_ways, batch_first=True), torch.randn(2, 30, 16)
    ways = 1 + both_ways
    made = 2 * ways * sum(notebook["lstm_count"](30, d, 8) for d in (16, 8 * ways)[:layers])
    assert multiply_adds(lambda: lstm(x)) == made
    with torch.backends.mkldnn.flags(enabled=False):
        assert multiply_adds(lambda: lstm(x)) == made
    one = torch.nn.LSTM(64, 32, batch_first=True)
    assert multiply_adds(lambda: one(torch.randn(1, 100, 64))) == notebook["lstm_count"](100, 64, 32)


@pytest.mark.parametrize("d, n", [(16, 4), (64, 16)])
def test_what_a_scan_makes_is_added_by_hand(notebook, d, n):
    layer, x = BiMamba(d, n), torch.randn(3, 20, d)
    run = lambda: layer(x)  # noqa: E731
    whole = 2 * 3 * notebook["mamba_count"](20, d, 2 * d, n)
    assert multiply_adds(run, scans_of=layer) == whole > multiply_adds(run) > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_crossing_is_the_first_length_at_which_attention_is_dearer(seed):
    rng = np.random.default_rng(seed)
    for _ in range(50):
        a, b, m = (int(v) for v in rng.integers(1, 400, 3))
        assert crossing(a, b, m) == next(l for l in range(1, 1000) if a * l + b * l * l > m * l)


@pytest.mark.parametrize("name", ["mgmr", "mfmb", "mult"])
def test_nothing_that_is_computed_depends_on_what_is_missing(name):
    model, found = network(name, "fast", WIDTHS, pool=True), []
    forward(model, random_batch(60, 2, WIDTHS, words=8))  # the process's first scan also tries its backend out
    for rate in (0.0, 0.5, 1.0):
        batch = random_batch(60, 2, WIDTHS, rate, words=8)
        with Written() as w:
            forward(model, batch)
        found.append((w.elements, multiply_adds(lambda batch=batch: forward(model, batch))))
    assert found[0] == found[1] == found[2]


def test_arithmetic_grows_with_the_square_in_mult_and_linearly_in_mgmr():
    for name, low, high in (("mult", 2.3, 4.0), ("mgmr", 1.0, 2.05)):
        model = network(name, "fast", WIDTHS).train()
        short, long = (multiply_adds(lambda l=l, model=model: model(random_batch(l, 1, WIDTHS))) for l in (1000, 2000))
        assert low < long / short < high


def counts(name, profile, lengths, scans=False, widths=(384, 5, 20)):
    model = network(name, profile, widths).train()
    run = lambda frames: lambda: model(random_batch(frames, 1, widths))  # noqa: E731
    return np.array([multiply_adds(run(frames), scans_of=model if scans else None) for frames in lengths])


def test_the_laptop_twin_is_dearer_at_first_then_even_then_cheaper():
    twin, mfmb = (counts(n, "laptop", (125, 250, 500, 1000), scans=True) for n in ("mfmb_mamba", "mfmb"))
    shares = twin / mfmb
    assert 1.6 < shares[0] < 1.8 and 1.3 < shares[1] < 1.5 and 1 < shares[2] < 1.1 and shares[3] < 0.75


@pytest.mark.parametrize("name, least, most", [("mgmr", 0.03, 0.06), ("mfmb_mamba", 0.08, 0.1), ("mult", 0, 0)])
def test_the_whole_count_of_the_figure_has_the_scans_that_the_counter_misses(notebook, name, least, most):
    notebook["WIDTHS"], model = (384, 5, 20), network(name, "fast", (384, 5, 20)).train()
    whole = np.array([notebook["whole_count"](model, frames) for frames in (125, 250, 1000)])
    missed = 1 - counts(name, "fast", (125, 250, 1000)) / whole
    assert (missed >= least).all() and (missed <= most).all()
    grown = whole[1:] / whole[:-1] / (2, 4)  # by what a line would
    assert (
        (grown > 1.1).all() if name == "mult" else (grown < 1).all()
    )  # steeper and flatter than linear, from the start


def test_recorded_time_about_quadruples_at_the_last_doubling_with_attention_and_memory_only_doubles():
    rows = [r for r in read_costs(costs_path("classroom-mosi", "laptop"))["over_length"] if r["pass"] == "train step"]
    of = {(r["name"], r["frames"]): (r["seconds"], r["bytes"]) for r in rows}
    longest = max(frames for _, frames in of)
    grown = {n: np.divide(of[n, longest], of[n, longest // 2]) for n in ("mgmr", "mfmb", "mfmb_mamba", "mult")}
    assert all(3.7 < grown[n][0] < 4.3 for n in draw.ATTENTION)
    assert all(grown[n][0] < 2.4 for n in grown.keys() - set(draw.ATTENTION))
    assert all(1.9 < memory <= 2.0 for _, memory in grown.values())


@pytest.mark.parametrize("name", ["mgmr", "mfmb_mamba"])
def test_a_count_does_not_depend_on_the_backend(name, monkeypatch):
    found = []
    for value in ("1", "0"):
        monkeypatch.setenv("MGMR_NATIVE_SCAN", value)
        found.append(counts(name, "fast", (125,), widths=WIDTHS)[0])
    assert found[0] == found[1]


def test_the_fast_twin_nearly_ties_in_products_at_the_first_length():
    share = counts("mfmb_mamba", "fast", (125,))[0] / counts("mfmb", "fast", (125,))[0]
    assert 1 < share < 1.01


def test_a_scan_that_is_written_out_grows_linearly(notebook):
    layer = BiMamba(64, backend="loop")
    short, long = (notebook["written_by"](layer, l) for l in (60, 120))
    assert 1.9 < long / short < 2.1


def test_one_layer_of_minilm_makes_more_products_than_mgmr_net(notebook):
    sizes = {"hidden_size": 384, "num_hidden_layers": 1, "num_attention_heads": 12, "intermediate_size": 1536}
    one_layer = notebook["multiply_adds_of"](BertConfig(vocab_size=100, **sizes))
    itself = network("mgmr", "laptop", (384, 5, 20), pool=True)
    assert one_layer > 5 * multiply_adds(lambda: itself(random_batch(400, 1, (384, 5, 20))))


def test_the_simulated_clock_shows_what_a_careless_reading_gets():
    for first, pending in ((0.0, 0.0), (4.0, 3.0), (2.0, 10.0)):
        gpu = SimulatedGPU(first=first, handing=0.0625, pending=pending)
        assert seconds_a_call(gpu, 0.5, 8) == 0.5 + 0.0625 / 8
    gpu = SimulatedGPU()
    gpu.run(0.5)
    assert gpu.now == 0.0625
    gpu.wait()
    assert gpu.now == 4.5625


def test_what_all_share_decides_whether_the_lead_is_small_or_large(notebook):
    rows = pd.read_csv(PAPERS).query("paper == 'MGMR-Net' and table == 7 and area == 'complete'").set_index("model")
    mine, rival = rows.loc["MGMR-Net", "value"], rows.loc["LNLN", "value"]
    assert notebook["times_faster"](3.0, 4.0, 2.0) == 2.0
    assert 1.1 < notebook["times_faster"](mine, rival, 0.0) < 1.2  # "a little faster"
    assert notebook["times_faster"](mine, rival, 3.5) > 3 and notebook["times_faster"](mine, rival, 3.6) > 9


@pytest.mark.parametrize("clips", [1, 8])
def test_of_the_seconds_the_network_is_more_than_of_the_products(clips):
    sizes = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    shape = BertConfig(vocab_size=100, **sizes)  # MiniLM's
    encoder, tokens = BertModel(shape).eval(), torch.ones(clips, 50, dtype=torch.long)
    model, batch = network("mgmr", "laptop", (384, 5, 20), pool=True), random_batch(400, clips, (384, 5, 20))
    works = torch.inference_mode()(lambda: encoder(tokens)), lambda: forward(model, batch)
    for_products, for_seconds = ([cost(work) for work in works] for cost in (multiply_adds, cpu_seconds))
    assert for_seconds[1] / sum(for_seconds) > 2 * for_products[1] / sum(for_products)


def test_an_absent_record_is_said_to_be_absent_and_a_present_one_is_drawn():
    assert draw.recorded_inference(None) == draw.NOT_RECORDED
    fig = plt.figure()
    draw.recorded_lengths(fig, None)
    assert "not recorded" in fig.axes[0].get_title() + fig.axes[0].get_title("left")
    rows = [
        {"name": "mgmr", "label": "MGMR-Net", "frames": f, "pass": p, "seconds": f / 10, "bytes": f * 1e6}
        for f in (20, 10)
        for p in ("forward", "train step")
    ]
    found = {
        "corpus": "toy",
        "profile": "laptop",
        "over_length": rows,
        "provenance": {
            "device": "cpu, 1",
            "versions": {"torch": "2"},
            "scan": "native",
            "commit": "x",
            "date": "today",
        },
        "inference": [
            {"name": "mgmr", "label": "MGMR-Net", "rate": r, "clips": 10, "seconds": 1 + r, "parameters": 5}
            for r in (0.0, 0.5)
        ],
    }
    fig = plt.figure()
    draw.recorded_lengths(fig, found)
    assert [list(ax.lines[0].get_ydata()) for ax in fig.axes] == [[1.0, 2.0], [10.0, 20.0]]
    text = draw.recorded_inference(found)
    assert (
        "| MGMR-Net | 5 | 1.00 | 1.50 |" in text and "| MGMR-Net | 3.65 | 3.93 |" in text and not text.startswith("#")
    )
    plt.close("all")


def test_the_drawings_show_what_they_are_given():
    fig, ax = plt.subplots()
    draw.crossing(ax, [1, 2], {"x": [1e6, 4e6]}, {"here": 1.5})
    fig.draw_without_rendering()
    assert not ax.get_legend().get_window_extent().overlaps(ax.bbox)  # it covers no line
    assert list(ax.lines[0].get_ydata()) == [1.0, 4.0] and list(ax.lines[1].get_xdata()) == [1.5, 1.5]
    fig, ax = plt.subplots()
    draw.times(ax, {"complete": [1.0, 2.0], "complete again": [3.0]})
    assert list(ax.lines[1].get_xdata()) == [3.0] and ax.lines[0].get_color() != ax.lines[1].get_color()
    fig, ax = plt.subplots()
    draw.times(ax, {"complete": [1.0, 3.0, 2.0]}, 0.1)
    assert list(ax.lines[1].get_xdata()) == pytest.approx([2.0, 2.2])  # from the median on
    fig, ax = plt.subplots()
    draw.table_seven(ax, {"n": (3.0, 4.0)})
    assert list(ax.lines[0].get_xdata()) == [3.0, 4.0]
    fig, ax = plt.subplots()
    draw.left_over(ax, [0.0, 1.0], {"n": [1.0, 2.0]})
    assert list(ax.lines[0].get_ydata()) == [1.0, 2.0]
    plt.close("all")


def test_what_is_said_of_long_clips_is_what_was_recorded():
    found = read_long()
    wrong, seconds = errors(found), series(found, "seconds")
    for attention, scan in (("mgmr_attention", "mgmr"), ("mfmb", "mfmb_mamba")):
        assert all(wrong[attention][f] <= wrong[scan][f] for f in wrong[attention])  # "err no more"
    assert all(e > 0.1 for n in ("attention", "mamba") for e in wrong[n].values())  # "a single layer did badly"
    assert seconds["mfmb"][16000] > 3.8 * seconds["mfmb"][8000]  # "nearly all of the time goes into pairs"
    low, high = long_clips.growth(found, long_clips.ATTENTION, "seconds")
    assert long_clips.growth(found, long_clips.SCANS, "seconds")[1] < 8 < low < high <= 64
    held = series(found, "bytes")
    assert held["table"][8000] > 15 * held["table"][2000]  # the written-out table alone grows with the square
    assert all(of[16000] < 8.2 * of[2000] for n, of in held.items() if n != "table")
    said = long_clips.wrong_signs(found)
    assert f"at **{4000:,} frames**" in said and "only networks with scans were trained" in said
    assert {n for n, of in wrong.items() if 16000 in of} == {*long_clips.SCANS, "mean", "parts"}
    assert f"{wrong['mgmr'][16000]:.1%}" in said and "and was not run" in long_clips.step_costs(found)
    assert abs(wrong["mean"][16000] - 0.5) < 0.05


def test_what_the_last_doubling_costs_is_read_from_the_record():
    assert "from 2.68 to 10.73 s, **x 4.00**" in long_clips.last_doubling(read_long())
    runs = {"mfmb": (1.0, 3.0, 6.0), "mfmb_mamba": (1.0, 1.5, 2.0)}
    made = [
        {"name": n, "frames": f, "seconds": s, "bytes": 1}
        for n, of in runs.items()
        for f, s in zip((10, 20, 60), of, strict=True)
    ]
    said = long_clips.last_doubling({"plan": {"lengths": [60, 10, 20]}, "costs": made})
    assert "from 20 to 60 frames" in said and "3.00 to 6.00 s, **x 2.00**" in said
    assert "pairs alone grows x 9 and a cost of frames x 3" in said and "1.50 to 2.00 s, x 1.33" in said
