"""What notebook 16 claims holds for seeds that it does not show; its toy tasks and its drawings do what they say."""

import os

import pytest
import torch
from matplotlib import pyplot as plt

from mgmr_lib.chapters.ch16_hybrid_attention import figures as figures_ch16
from mgmr_lib.chapters.ch16_hybrid_attention.exercises import hybrid, masked_shares
from mgmr_lib.chapters.ch16_hybrid_attention.toys import Asker, LookupTask, OrderTask, Reader, mean_tone, train_signs
from mgmr_lib.chapters.shared.fit import seeded
from mgmr_lib.course import figures
from mgmr_lib.models.baselines.attention import positions
from mgmr_lib.models.encoder_layer import Attention, Mixing
from mgmr_lib.models.inputs import Sequence
from mgmr_lib.models.mfmb.hybrid_attention import HybridAttention

SEEDS = (11, int(os.environ.get("MGMR_TEST_SEED", "2027")))  # set MGMR_TEST_SEED to try another one
ATTENTION, TWIN = Mixing("transformer", heads=4), Mixing("mamba", d_state=4, expand=1)


def test_a_word_asks_for_a_frame_that_is_there_and_carries_its_tone():
    task = LookupTask(frames=8)
    drawn = task.draw(300, torch.Generator().manual_seed(1))
    lengths = drawn.memory_valid.sum(1, keepdim=True)
    assert (drawn.answers < lengths).all() and set(lengths.flatten().tolist()) == {4, 5, 6, 7, 8}
    assert (drawn.memory[~drawn.memory_valid] == 0).all()
    rows = torch.arange(300)[:, None]
    assert torch.equal(drawn.memory[rows, drawn.answers][..., :-1], drawn.x)
    assert torch.equal(drawn.memory[rows, drawn.answers][..., -1], drawn.labels)
    foreign = LookupTask(frames=8, kind="strangers").draw(300, torch.Generator().manual_seed(1))
    assert (foreign.memory[rows, foreign.answers][..., -1] * foreign.labels).mean().abs() < 0.15
    with pytest.raises(ValueError, match="lookup"):
        LookupTask(kind="nothing")


def test_order_and_count_say_what_they_ask():
    drawn = OrderTask().draw(200, torch.Generator().manual_seed(2))
    first = drawn.x[..., 0].argmax(1) < drawn.x[..., 1].argmax(1)
    assert torch.equal(drawn.labels > 0, first) and 0.35 < first.float().mean() < 0.65
    counted = OrderTask(kind="count").draw(200, torch.Generator().manual_seed(2))
    assert torch.equal(counted.labels > 0, counted.x[..., 0].sum(1) == 2)
    assert torch.equal(counted.labels < 0, counted.x[..., 1].sum(1) == 1)
    with pytest.raises(ValueError, match="order"):
        OrderTask(kind="nothing")


def test_the_mean_tone_of_one_frame_is_the_answer():
    assert mean_tone(LookupTask(frames=1)) == 1.0
    assert 0.65 < mean_tone(LookupTask(frames=4)) < 0.85
    assert 0.45 < mean_tone(LookupTask(frames=8, kind="strangers")) < 0.55


@pytest.mark.parametrize("seed", SEEDS)
def test_order_needs_codes_or_a_scan(seed):
    plain = seeded(seed, lambda: Reader(3, ATTENTION, False))
    x = torch.randn(2, 12, 3, generator=torch.Generator().manual_seed(seed))
    order, valid = torch.randperm(12), torch.ones(2, 12, dtype=torch.bool)
    assert torch.allclose(plain.encode(x[:, order], valid), plain.encode(x, valid)[:, order], atol=1e-5)
    assert train_signs(plain, OrderTask(), seed, steps=30) < 0.6
    assert train_signs(seeded(seed, lambda: Reader(3, ATTENTION, True)), OrderTask(), seed) > 0.9
    assert train_signs(seeded(seed, lambda: Reader(3, TWIN, False)), OrderTask(), seed) > 0.9


@pytest.mark.parametrize("seed", SEEDS)
def test_attention_finds_the_frame_and_a_scan_learns_the_mean(seed):
    task = LookupTask(frames=16)
    attention = seeded(seed, lambda: Asker(task.tags, task.tags + 1, ATTENTION))
    assert train_signs(attention, task, seed) > 0.95
    short = LookupTask(frames=4)
    scan = seeded(seed, lambda: Asker(short.tags, short.tags + 1, TWIN))
    assert abs(train_signs(scan, short, seed) - mean_tone(short)) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("frames", "steps"), [(4, 1000), (16, 2000)])
def test_a_scan_that_trains_for_longer_finds_the_frame(frames, steps, seed=SEEDS[-1]):
    task = LookupTask(frames)
    scan = seeded(seed, lambda: Asker(task.tags, task.tags + 1, TWIN))
    assert train_signs(scan, task, seed, steps=steps) > mean_tone(task) + 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_padding_is_asked_without_a_mask(seed):
    layer = seeded(seed, lambda: Attention(16, 4))
    clip = torch.randn(1, 10, 16, generator=torch.Generator().manual_seed(seed))
    wide = torch.nn.functional.pad(clip, (0, 0, 0, 40))
    with torch.no_grad():
        alone = layer(clip, torch.ones(1, 10, dtype=torch.bool))
        masked, open_ = (layer(wide, torch.arange(50)[None] < n)[:, :10] for n in (10, 50))
    assert (masked - alone).norm() < 1e-5 * alone.norm() and (open_ - alone).norm() > 0.2 * alone.norm()


def ask(m, x, z, valid):
    """Multi-head attention by hand."""
    parts = m.query(x), *m.key_value(z).chunk(2, dim=-1)
    found = []
    for q, k, v in zip(*(t.chunk(m.heads, dim=-1) for t in parts), strict=True):
        found.append(masked_shares(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, valid) @ v)
    return m.out(torch.cat(found, dim=-1))


@pytest.mark.parametrize("seed", SEEDS)
def test_hybrid_attention_by_hand_is_the_librarys_with_its_gradients(seed):
    m = (
        seeded(seed, lambda: HybridAttention({"text": 6, "audio": 5, "vision": 7}, 8, 12, Mixing(heads=2)))
        .double()
        .eval()
    )
    g = torch.Generator().manual_seed(seed)
    sequences = {}
    for name, longest, width in (("text", 6, 6), ("audio", 11, 5), ("vision", 9, 7)):
        x = torch.randn(2, longest, width, generator=g, dtype=torch.float64)
        valid = torch.arange(longest) < torch.tensor([[longest], [3]])
        sequences[name] = Sequence(x.masked_fill(~valid[..., None], 0.0).requires_grad_(), x, valid, valid)
    valid = {k: s.valid for k, s in sequences.items()}
    h = {k: m.project[k](s.x) for k, s in sequences.items()}
    h = {k: x + positions(x.shape[1], 8, x) for k, x in h.items()}
    within = {k: lambda x, k=k: ask(m.within[k], m.norm_within[k](x), m.norm_within[k](x), valid[k]) for k in h}
    across = {
        (k, o): lambda x, z, k=k, o=o: ask(
            m.across[f"{k}_asks_{o}"], m.norm_across[k](x), m.norm_across[o](z), valid[o]
        )
        for k in h
        for o in h
        if o != k
    }
    ours = {k: x + m.feed_forward[k](m.norm_between[k](x)) for k, x in hybrid(h, within, across).items()}
    theirs = m(sequences)
    for k in h:
        mine = ours[k].masked_fill(~valid[k][..., None], 0.0)
        torch.testing.assert_close(mine, theirs[k], atol=1e-10, rtol=1e-10)
        pair = [
            torch.autograd.grad(y.square().sum(), sequences["audio"].x, retain_graph=True)[0] for y in (mine, theirs[k])
        ]
        torch.testing.assert_close(*pair, atol=1e-9, rtol=1e-9)


def test_the_drawings_show_what_they_are_given():
    fig = plt.figure()
    figures_ch16.lookups(
        fig,
        torch.eye(4)[None, None].repeat(2, 1, 1, 1),
        torch.ones(2, 4, dtype=torch.bool),
        torch.arange(4).repeat(2, 1),
    )
    assert fig.axes[0].images[0].get_array()[2, 2] == 1 and not figures.problems(fig)
    fig, ax = plt.subplots()
    figures_ch16.strengths(ax, {"attention": 0.5, "scan": 0.9}, {4: {"mean tone": 0.7}})
    assert [round(p.get_height(), 2) for p in ax.patches] == [0.5, 0.9, 0.7]
    fig = plt.figure()
    rows = torch.ones(3, 3).tril()
    figures_ch16.readings(fig, {(r, a): rows for r in ("paper", "code") for a in ("text", "audio")})
    assert fig.axes[0].images[0].get_array().mask[0, 1] and not figures.problems(fig)
    fig = plt.figure()
    figures_ch16.codes(fig, positions(20, 8, torch.zeros(1)))
    assert fig.axes[0].images[0].get_array().shape == (8, 20)
    fig = plt.figure()
    figures_ch16.one_query(fig, 0.0, torch.tensor([1.0, 0.0]), torch.tensor([5.0, 3.0]))
    assert [p.get_height() for p in fig.axes[0].patches] == [0.5, 0.5] and "answer 4.00" in fig.axes[0].get_title()
    assert not figures.problems(fig)
    plt.close("all")
