"""The map of notebook 27 is found and not drawn from memory, and what the notebook claims holds on other draws."""

import os

import pandas as pd
import pytest
import torch
from matplotlib import pyplot as plt
from torch import nn

from mgmr_lib.chapters.ch23_complexity.operations import multiply_adds
from mgmr_lib.chapters.ch27_ten_ways_to_fuse import figures as figures_ch27
from mgmr_lib.chapters.ch27_ten_ways_to_fuse import recorded
from mgmr_lib.chapters.ch27_ten_ways_to_fuse.toys import moving, pseudo_labels
from mgmr_lib.chapters.shared.counting import Products
from mgmr_lib.chapters.shared.exchange import JOINT, exchanges
from mgmr_lib.chapters.shared.exchange_map import SMALL, survey
from mgmr_lib.course import figures
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.experiments import verdicts
from mgmr_lib.experiments.complexity import costs_path, network, random_batch, read_costs
from mgmr_lib.experiments.cost_tables import TETFN_AT_50, published_frame, published_markdown
from mgmr_lib.experiments.ledger import read_ledger, summary
from mgmr_lib.experiments.plan import SYSTEMS
from mgmr_lib.models.baselines.mmim import contrastive_loss
from mgmr_lib.models.output import Output

SEED = int(os.environ.get("MGMR_TEST_SEED", "2027"))  # set MGMR_TEST_SEED to try another one


def seen(name):
    return exchanges(network(name, "fast", SMALL), random_batch((9, 11), 8, SMALL, words=6))


class Toy(nn.Module):
    """Voice asks text, by a matrix product or by torch's attention; a loss compares face and voice; face alone, too."""

    def __init__(self, fused: bool):
        super().__init__()
        self.maps = nn.ModuleDict({m: nn.Linear(w, 4) for m, w in zip(MODALITIES, SMALL, strict=True)})
        self.fused = fused

    def forward(self, batch):
        t, a, v = (self.maps[m](batch[m].x) for m in ("text", "audio", "vision"))
        if self.fused:
            a = a + nn.functional.scaled_dot_product_attention(a, t, t)
        else:
            a = a + (a @ t.transpose(1, 2)).softmax(-1) @ t
        whole, face = torch.cat([a.mean(1), t.mean(1)], dim=-1).sum(-1), v.mean(1)
        terms = {"near": (face - a.mean(1)).square().mean()} if self.training else {}
        return Output(whole, terms=terms, sides={"vision": face.sum(-1)})


@pytest.mark.parametrize("fused", [True, False])
def test_exchanges_of_a_toy_are_those_it_was_built_with(fused):
    found = exchanges(Toy(fused), random_batch((9, 11), 8, SMALL, words=6))
    assert found.asks == {("audio", "text")} and found.meets == {frozenset({"audio", "text"})}
    assert found.compared == {frozenset({"audio", "vision"})} and found.sides == ("vision",)


@pytest.mark.parametrize("name", ["concat", "misa", "self_mm", "mmim", "cenet", "tetfn", "almt", "lnln", "emt",
                                  "tf_mamba", "mult"])  # fmt: skip
def test_who_asks_whom_agrees_with_the_gradient(name):
    """Where no attention and no joint place leads from one modality to another one, neither does a gradient; and a
    network that is said to fuse reads all three."""
    found = seen(name)
    net, batch = network(name, "fast", SMALL).eval(), random_batch((9, 11), 4, SMALL, rate=0.0, words=6)
    for m in MODALITIES:
        batch[m].x.requires_grad_()
    output = net(batch)
    for m in MODALITIES:
        assert torch.autograd.grad(output.prediction.sum(), batch[m].x, retain_graph=True)[0].abs().max() > 0
    for m in set(found.sides) & set(MODALITIES):
        others = [batch[n].x for n in MODALITIES if n != m]
        assert torch.autograd.grad(output.sides[m].sum(), others, allow_unused=True, retain_graph=True) == (None, None)


def test_the_map_says_what_the_sheets_of_the_papers_say():
    pairs = lambda found: {frozenset(p) for p in found}  # noqa: E731
    misa, mmim, tetfn, almt, lnln, mamba = (seen(n) for n in ("misa", "mmim", "tetfn", "almt", "lnln", "tf_mamba"))
    assert misa.asks == {(JOINT, JOINT)} and len(misa.compared) == 3 and JOINT not in frozenset().union(*misa.compared)
    assert pairs(mmim.compared) >= pairs([("text", "audio"), ("text", "vision"), (JOINT, "text"), (JOINT, "audio")])
    assert frozenset({"audio", "vision"}) not in mmim.compared
    assert len(tetfn.asks) == 6 and tetfn.sides == ("text", "audio", "vision")
    assert almt.asks == {("text", "audio"), ("text", "vision")}
    assert {(JOINT, "audio"), (JOINT, "vision")} <= lnln.asks and ("text", "audio") not in lnln.asks
    assert {("audio", "text"), ("vision", "text"), ("text", JOINT)} == mamba.asks and mamba.rebuilt == ("text",)


def test_the_pairs_of_tf_mamba_pass_no_data():
    pair = network("tf_mamba", "fast", SMALL).align["audio"][0]
    x, y = (torch.randn(2, 5, pair.norms[0].normalized_shape[0], requires_grad=True) for _ in range(2))
    first, second = pair(x, y, torch.ones(2, 5, dtype=torch.bool))
    assert torch.autograd.grad(first.sum(), y, allow_unused=True) == (None,)
    assert torch.autograd.grad(second.sum(), x, allow_unused=True) == (None,)


LAYERS = {
    "linear": (nn.Linear(6, 4), (2, 5, 6)),
    "conv": (nn.Conv1d(6, 4, 3, padding=1), (2, 6, 5)),
    "lstm": (nn.LSTM(6, 4, 2, bidirectional=True, batch_first=True), (2, 5, 6)),
    "attention": (nn.TransformerEncoderLayer(6, 2, 8, batch_first=True), (2, 5, 6)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_products_are_those_of_torchs_own_counter(name):
    layer, shape = LAYERS[name]
    x = torch.randn(shape)
    with Products() as done:
        layer(x)
    with torch.backends.mkldnn.flags(enabled=False):  # whose LSTM torch's counter does not see
        assert done.count == multiply_adds(lambda: layer(x)) > 0


@pytest.mark.parametrize("name", ["concat", "almt", "emt"])
def test_products_of_whole_networks_too(name):
    net, batch = network(name, "fast", SMALL).eval().requires_grad_(False), random_batch((9, 11), 3, SMALL, words=6)
    with Products() as done:
        net(batch)
    with torch.backends.mkldnn.flags(enabled=False):
        assert done.count == multiply_adds(lambda: net(batch))


def test_weights_on_the_map_are_those_of_published_sizes():
    found = survey(["self_mm"])["self_mm"]
    assert (found.label, found.weights) == ("Self-MM", 159_332) and found.products > 10 * found.weights


def test_moved_labels_know_a_direction_and_miss_the_distance():
    for seed in range(SEED, SEED + 4):
        ways, errors = {}, {}
        for knows in (True, False):
            run = pseudo_labels(8, knows, seed=seed)
            moved, wanted = run["found"] - run["label"], run["truth"] - run["label"]
            ways[knows] = torch.corrcoef(torch.stack([moved, wanted]))[0, 1].item()
            errors[knows] = (run["found"] - run["truth"]).abs().mean() / (run["label"] - run["truth"]).abs().mean()
        assert ways[True] > 0.2 > abs(ways[False]) and 1.05 < errors[True] < errors[False]


def test_a_toys_voice_says_its_own():
    _, output, batch = moving(clips=4000, seed=SEED)
    truth = output.sides["audio"]
    assert 0.6 < torch.corrcoef(torch.stack([truth, batch.labels]))[0, 1] < 0.8
    assert (output.latent["audio"][:, 0] - truth).std() == pytest.approx(0.3, abs=0.03)
    assert (output.latent["fused"][:, 0] - batch.labels).std() == pytest.approx(0.3, abs=0.03)
    _, deaf, _ = moving(knows=False, clips=4000, seed=SEED)
    assert torch.corrcoef(torch.stack([deaf.latent["audio"][:, 0], deaf.sides["audio"]]))[0, 1].abs() < 0.06


def test_perfect_guesses_leave_most_of_the_blind_price():
    x = torch.randn(32, 16, generator=torch.Generator().manual_seed(SEED))
    assert 0.65 < contrastive_loss(x, x).item() / torch.tensor(32.0).log().item() < 0.8


def test_what_500_steps_cost_is_told_of_one_module_against_itself():
    costs = read_costs(costs_path("classroom-mosi", "laptop"))
    assert f"it takes {TETFN_AT_50:.2f} s" in published_markdown(costs)  # the table's own words
    said, ours = recorded.what_steps_cost(costs), published_frame(costs).set_index("name").loc["tetfn"]
    assert f"**{ours['published_seconds'] / TETFN_AT_50:.0f} times**" in said
    assert f"{ours['times_faster']:.1f} is another" in said and TETFN_AT_50 <= 1.3 * ours["seconds"]


def family(*rows):
    return pd.DataFrame(rows, columns=["first", "mean", "low", "high", "word"])


def test_a_large_difference_that_is_not_told_apart_is_named_beside_a_small_one_that_is():
    wide, narrow = ("A", 0.04, 0.0, 0.08), ("B", -0.01, -0.02, 0.0)
    said = recorded.largest_and_told(family((*wide, verdicts.NOT_TOLD_APART), (*narrow, verdicts.BETTER)))
    assert "A's +0.040, is not" in said and "B's -0.010 is" in said and "4.0 times" in said
    assert recorded.largest_and_told(family((*wide, verdicts.WORSE), (*narrow, verdicts.NOT_TOLD_APART))) == ""
    assert recorded.largest_and_told(family((*wide, verdicts.NOT_TOLD_APART))) == ""


def test_the_title_of_the_areas_counts_the_intervals_that_reach_concat():
    records = [r for r in read_ledger(corpus="classroom-mosi", profile="laptop") if r["name"] in (*SYSTEMS, "concat")]
    frame = summary(records)
    ends = frame[["auilc mae low", "auilc mae high"]]
    apart = (
        (ends["auilc mae low"] > ends.loc["concat"].max()) | (ends["auilc mae high"] < ends.loc["concat"].min())
    ).sum()
    title = recorded.areas_finding(records)
    assert f"of {len(SYSTEMS) - apart} of the {len(SYSTEMS)} " in title
    assert frame.sort_values("auilc mae")["label"].iloc[0] in title
    assert "not recorded yet" in recorded.areas_finding([r for r in records if r["name"] != "concat"])


def test_the_drawings_show_what_they_are_given():
    fig = plt.figure()
    entries = survey(["almt", "concat"])
    figures_ch27.draw_map(fig, entries, columns=2)
    fig.suptitle("a finding")
    arrows = [sum(bool(t.arrowprops) for t in ax.texts if hasattr(t, "arrowprops")) for ax in fig.axes]
    assert arrows == [2, 0] and [ax.get_title() for ax in fig.axes] == ["ALMT", "Concat"]
    assert {t.get_text() for t in fig.axes[0].texts} >= {"T", "A", "V"} and not figures.problems(fig)
    plt.close(fig)
    fig, ax = plt.subplots()
    figures_ch27.unread(ax, [4, 9, 2], [3, 3, 3])
    assert [p.get_height() for p in ax.patches] == [9, 4, 2, 3, 3, 2]
    plt.close(fig)
    fig, ax = plt.subplots()
    figures_ch27.discrepancies(ax, [4, 8], {"CMD, same": [1, 2], "means alone, same": [3, 4]})
    assert [list(line.get_ydata()) for line in ax.lines] == [[1, 2], [3, 4]]
    plt.close(fig)
    fig = plt.figure()
    figures_ch27.labels(fig, {"a": pseudo_labels(2, clips=20), "b": pseudo_labels(2, False, clips=20)})
    assert [ax.get_title(loc="left") or ax.get_title() for ax in fig.axes] == ["a", "b"]
    plt.close(fig)
