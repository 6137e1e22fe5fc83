"""MISA, Self-MM, MMIM and TETFN: each loss against a slow version of it, and what may reach what."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines import misa, mmim
from mgmr_lib.models.baselines.config_self_supervised import MMIMConfig, SelfMMConfig
from mgmr_lib.models.baselines.pseudo_labels import NAMES, PseudoLabels
from mgmr_lib.models.output import Output
from mgmr_lib.training.losses import LossWeights, joint_loss
from tests.models.properties import masked
from tests.models.test_baselines import network


def clips(b, d=3, seed=0):
    return torch.rand(b, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64, requires_grad=True)


def batch_of(rows, labels):
    """As much of a batch as a Teacher reads."""
    return dataclasses.make_dataclass("B", ["rows", "labels"])(torch.tensor(rows), torch.tensor(labels))


# ---- MISA ----------------------------------------------------------------------------------------------------------


def slow_cmd(x, y):
    b, total = len(x), 0.0
    means = [[sum(row[c] for row in z) / b for c in range(3)] for z in (x, y)]
    total += math.sqrt(sum((p - q) ** 2 for p, q in zip(*means, strict=True)))
    for k in range(2, 6):
        moments = [
            [sum((row[c] - mean[c]) ** k for row in z) / b for c in range(3)]
            for z, mean in zip((x, y), means, strict=True)
        ]
        total += math.sqrt(sum((p - q) ** 2 for p, q in zip(*moments, strict=True)))
    return total


def test_cmd_is_the_distance_of_five_moments():
    x, y = clips(7), 0.5 * clips(7, seed=1)
    found = misa.central_moment_discrepancy(x, y)
    assert found.item() == pytest.approx(slow_cmd(x.tolist(), y.tolist()), abs=1e-12) and found > 0.3
    assert misa.central_moment_discrepancy(y, x.flip(0)).item() == pytest.approx(found.item(), abs=1e-12)
    assert misa.central_moment_discrepancy(x, x.flip(0)).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("loss", [misa.central_moment_discrepancy, misa.overlap])
@pytest.mark.parametrize("b", [1, 2, 6])
@pytest.mark.parametrize("equal", [True, False])
def test_misas_losses_have_finite_gradients(loss, b, equal):
    x, y = clips(b), clips(b, seed=0 if equal else 1)
    loss(x, y).backward()
    assert x.grad.isfinite().all() and y.grad.isfinite().all()


def test_overlap_is_the_mean_square_of_products_of_channels():
    x, y = clips(6).detach(), clips(6, seed=1).detach()
    rows = []
    for z in (x, y):
        centred = z - z.mean(0)
        rows.append([(row / (math.sqrt(sum(v * v for v in row.tolist())) + 1e-6)).tolist() for row in centred])
    products = [
        sum(rows[0][i][p] * rows[1][i][q] for i in range(6)) ** 2 for p, q in itertools.product(range(3), repeat=2)
    ]
    assert misa.overlap(x, y).item() == pytest.approx(np.mean(products), abs=1e-12)
    signs = torch.tensor([1.0, 1, 1, 1, -1, -1, -1, -1])[:, None], torch.tensor([1.0, -1] * 4)[:, None]
    assert misa.overlap(*signs) < 1e-12 < misa.overlap(signs[0], signs[0])  # columns at right angles, and the same


def test_one_shared_encoder_and_private_ones():
    net, batch = network("misa"), masked(0.3).batch(range(6))
    _, private, shared = net.encode(batch)
    with torch.no_grad():
        net.shared[0].bias += 1
        net.private["audio"][0].bias += 1
    _, private_now, shared_now = net.encode(batch)
    assert all(not torch.equal(shared[m], shared_now[m]) for m in MODALITIES)
    assert [m for m in MODALITIES if not torch.equal(private[m], private_now[m])] == ["audio"]


def test_misa_reads_a_voice_to_its_end():
    net, batch = network("misa"), masked(0.0).batch(range(6))
    clean = net(batch).prediction
    last = batch.audio.valid.sum(1) - 1
    assert (last >= batch.text.valid.sum(1)).any()
    batch.audio.x[range(6), last] += 3.0
    assert ((net(batch).prediction - clean).abs() > 1e-6).all()


@pytest.mark.parametrize("name", ["misa", "mmim"])
def test_terms_are_for_training_alone_and_keep_their_names_for_a_single_clip(name):
    net = network(name)
    assert net(masked().batch(range(4))).terms == {}
    many, one = (net.train()(masked().batch(range(b))).terms for b in (4, 1))
    assert many.keys() == one.keys() and len(one) == 3 and all(v.isfinite() and v.requires_grad for v in one.values())


# ---- Self-MM and TETFN ---------------------------------------------------------------------------------------------

SMALL = SelfMMConfig(head_fused=2, head_text=2, head_audio=2, head_vision=2)


def taught(labels, features, own=None, epoch=1):
    """A teacher that has seen `features` {name: (n, d)}, with its own labels where they are given."""
    teacher = PseudoLabels(SMALL, torch.tensor(labels))
    for name in NAMES:
        getattr(teacher, f"features_{name}").copy_(features[name])
        if name in (own or {}):
            getattr(teacher, f"label_{name}").copy_(torch.tensor(own[name]))
    teacher.start_epoch(epoch)
    return teacher


def test_a_pseudo_label_moves_by_hand():
    labels = [2.0, -1.0, 1.0]
    corners = {"fused": [[4.0, 0], [0, 0], [2, 0]], "text": [[0, 4.0], [0, 0], [0, 4]]}
    features = {n: torch.tensor(corners["text" if n == "text" else "fused"]) for n in NAMES}
    teacher = taught(labels, features, own={"text": [2.0, -0.5, -1.0]}, epoch=2)
    latent = {n: torch.tensor([[1.0, 0.0]]) for n in NAMES} | {"text": torch.tensor([[0.0, 3.0]])}
    teacher.update(Output(torch.zeros(1), latent=latent), batch_of([0], [2.0]))
    # Fused: centres (3, 0) and (0, 0). Text: (0, 4), its own label of the third clip being negative, and (0, 2).
    fused, text = (1 - 2) / 2, (1 - 1) / 1
    new = 0.5 * (2 * text / fused + 2 + text - fused)
    assert teacher.label_text[0].item() == pytest.approx(1 / 2 * 2.0 + 1 / 2 * new, abs=1e-6) != 2.0
    assert teacher.label_text[1:].tolist() == [-0.5, -1.0]
    assert teacher.label_audio.tolist() == labels  # whose features lie where the fused ones do
    assert teacher.features_text[0].tolist() == [0.0, 3.0] and teacher.label_fused.tolist() == labels


def test_relative_distances_are_those_of_a_loop():
    g = torch.Generator().manual_seed(0)
    features = {n: torch.randn(9, 2, generator=g) for n in NAMES}
    labels = [1.0, -2.0, 0.0, 3.0, -1.0, 0.0, 2.0, 1.0, -0.2]
    teacher, x = taught(labels, features), torch.randn(4, 2, generator=g)
    found = teacher.relative_distance("audio", x)
    for row, delta in zip(x.tolist(), found.tolist(), strict=True):
        centre = {}
        for sign in (1, -1):
            mine = [f for f, y in zip(features["audio"].tolist(), labels, strict=True) if y * sign > 0]
            centre[sign] = [sum(c) / len(mine) for c in zip(*mine, strict=True)]
        positive, negative = (math.dist(row, centre[s]) for s in (1, -1))
        assert delta == pytest.approx((negative - positive) / (positive + 1e-8), abs=1e-4)


def random_output(b, seed=0):
    g = torch.Generator().manual_seed(seed)
    sides = {m: torch.randn(b, generator=g) for m in MODALITIES}
    return Output(torch.randn(b, generator=g), sides=sides, latent={n: torch.randn(b, 2, generator=g) for n in NAMES})


def test_sides_are_free_for_two_epochs_and_cost_by_their_own_labels_then():
    labels = [1.0, -2.0, 0.5, 3.0]
    teacher, batch = PseudoLabels(SMALL, torch.tensor(labels)), batch_of([0, 1, 2, 3], labels)
    for epoch in range(3):
        teacher.start_epoch(epoch)
        output = random_output(4, epoch)
        losses = teacher(output, batch)
        assert set(losses) == {"text_pseudo", "audio_pseudo", "vision_pseudo"}
        own = teacher.label_vision
        want = sum(
            math.tanh(abs(o - y)) * abs(p - o)
            for o, y, p in zip(own.tolist(), labels, output.sides["vision"].tolist(), strict=True)
        )
        assert losses["vision_pseudo"].item() == pytest.approx(want / 4, abs=1e-6)
        assert (sum(losses.values()) == 0) == (epoch < 2)
        teacher.update(output, batch)
    assert all(getattr(teacher, f"label_{m}").abs().max() <= 3 for m in MODALITIES)


def test_labels_are_bounded_and_stay_while_a_centre_is_undefined():
    g = torch.Generator().manual_seed(0)
    features = {n: torch.randn(3, 2, generator=g) for n in NAMES}
    positive = taught([1.0, 2.0, 0.0], features)
    positive.update(random_output(3), batch_of([0, 1, 2], [1.0, 2.0, 0.0]))
    assert all(getattr(positive, f"label_{m}").tolist() == [1, 2, 0] for m in MODALITIES)
    level = {n: torch.tensor([[1.0, 0], [-1, 0], [0, 0]]) for n in NAMES}  # |delta_m| of (0, y) is 0
    teacher = taught([3.0, -3.0, 2.0], level)
    output = random_output(3)
    output.latent["fused"] = torch.tensor([[0.0, 1], [0, 1], [0, 1]])
    teacher.update(output, batch_of([0, 1, 2], [3.0, -3.0, 2.0]))
    assert all(getattr(teacher, f"label_{m}").isfinite().all() for m in MODALITIES)
    assert all(getattr(teacher, f"label_{m}").abs().max() <= 3 for m in MODALITIES)
    assert teacher.label_text.tolist() != [3, -3, 2]


@pytest.mark.parametrize("name", ["self_mm", "tetfn"])
def test_each_side_reads_its_own_modality(name):
    net = network(name)
    clean = net(masked(0.0).batch(range(6))).sides
    for m in MODALITIES:
        batch = masked(0.0).batch(range(6))
        x = batch[m].x
        batch[m].x = torch.where(batch[m].valid, 1500, x) if m == "text" else x + 1.0 * batch[m].valid[..., None]
        sides = net(batch).sides
        assert [n for n in MODALITIES if not torch.allclose(sides[n], clean[n], atol=1e-6)] == [m]


@pytest.mark.parametrize("m", ["audio", "vision"])
def test_voice_and_face_ask_each_other_through_the_text(m):
    net = network("tetfn")
    stack = net.through[m]
    x, other, text = (torch.randn(2, 5, 8, requires_grad=True) for _ in range(3))
    valid = torch.arange(5)[None] < torch.tensor([[5], [3]])
    found = stack(x, other, text, valid)
    assert torch.equal(found, stack.upper(x, valid, stack.lower(other, valid, text, valid), valid))
    assert torch.autograd.grad(found[valid].square().sum(), text, retain_graph=True)[0].abs().sum() > 0
    for layer in stack.lower.layers:
        torch.nn.init.zeros_(layer.mix.out.weight)
    cut = stack(x, other, text, valid)[valid].square().sum()
    grads = torch.autograd.grad(cut, (text, other), allow_unused=True)
    assert grads[0].abs().sum() == 0 < grads[1].abs().sum()


def test_frames_of_tetfn_lie_at_the_texts_steps():
    net, batch = network("tetfn"), masked(0.3).batch(range(5))
    sequences = net.inputs(batch)
    low = net.low_level(sequences)
    for m in MODALITIES:
        assert low[m].shape == (*batch.text.valid.shape, 8) and (low[m][~batch.text.valid] == 0).all()
    assert net.project["vision"].conv.kernel_size == (3,) and net.project["audio"].conv.kernel_size == (1,)


# ---- MMIM ----------------------------------------------------------------------------------------------------------


def test_the_contrastive_loss_is_a_double_loop():
    x, guess = clips(5).detach() - 0.5, clips(5, seed=1).detach() - 0.5
    cos = lambda a, b: float(a @ b / (a.norm() * b.norm()))  # noqa: E731
    total = 0.0
    for i in range(5):
        scores = [math.exp(cos(x[j], guess[i])) for j in range(5)]
        total -= math.log(scores[i] / sum(scores))
    by_vector = 0.0
    for i in range(5):
        scores = [math.exp(cos(x[i], guess[j])) for j in range(5)]
        by_vector -= math.log(scores[i] / sum(scores))
    found = mmim.contrastive_loss(x, guess).item()
    assert found == pytest.approx(by_vector / 5, abs=1e-9) and abs(total - by_vector) > 1e-4
    assert mmim.contrastive_loss(x[:1], guess[:1]).item() == 0.0


def test_the_likelihood_is_a_gaussians_and_its_variance_bounded():
    q = mmim.Likelihood(6, 4, 3)
    text, x = torch.randn(5, 6) * 50, torch.randn(5, 3)
    scale = (0.5 * q.log_variance(text)).exp()
    want = Normal(q.mean(text), scale).log_prob(x).sum(-1)
    torch.testing.assert_close(q(text, x), want)
    torch.testing.assert_close(mmim.with_fixed_weights(q, text, x), want)
    assert scale.max() <= math.exp(0.5) and scale.min() >= math.exp(-0.5)


def test_likelihood_teaches_the_encoders_and_estimator_the_estimators():
    net, batch = network("mmim").train(), masked(0.2).batch(range(6))
    estimators = [n for n, _ in net.named_parameters() if n.startswith("likelihood.")]

    def reached(term):
        net.zero_grad(set_to_none=True)
        net(batch).terms[term].backward()
        return {n for n, p in net.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}

    assert reached("estimator") == set(estimators) and len(estimators) == 16
    encoders = reached("likelihood")
    assert not encoders & set(estimators) and any(n.startswith("vectors.audio.lstm") for n in encoders)


def test_the_entropy_is_that_of_a_gaussian_for_each_sign():
    g = torch.Generator().manual_seed(0)
    x, labels = torch.randn(30, 4, generator=g, dtype=torch.float64), torch.randn(30, generator=g)
    want = sum(np.linalg.slogdet(np.cov(x[rows].numpy().T) + 1e-4 * np.eye(4))[1] for rows in (labels > 0, labels < 0))
    assert mmim.entropy_by_sign(x, labels).item() == pytest.approx(want / 4, abs=1e-9)


def entropy_setup(n=40, memory=32):
    g = torch.Generator().manual_seed(0)
    teacher = mmim.SignEntropy(MMIMConfig(d_audio=5, d_vision=6, memory=memory), torch.randn(n, generator=g))
    vectors = {m: torch.randn(n, d, generator=g, requires_grad=True) for m, d in (("audio", 5), ("vision", 6))}

    def step(rows):
        output = Output(torch.zeros(len(rows)), latent={m: x[rows] for m, x in vectors.items()})
        batch = batch_of(list(rows), teacher.labels[list(rows)].tolist())
        return teacher(output, batch)["entropy"], lambda: teacher.update(output, batch)

    return teacher, vectors, step


@pytest.mark.parametrize("b", range(1, 7))
def test_a_small_batch_has_no_entropy_and_a_remembered_one_a_finite_one(b):
    teacher, vectors, step = entropy_setup()
    teacher.start_epoch(0)
    loss, update = step(range(b))
    assert loss.item() == 0.0 and loss.requires_grad
    with torch.no_grad():
        update()
        step(range(6, 34))[1]()
    loss, _ = step(range(34, 34 + b))
    loss.backward()
    assert loss.isfinite() and loss != 0 and vectors["audio"].grad.isfinite().all()
    assert (vectors["audio"].grad[:34] == 0).all() and (vectors["audio"].grad[34 : 34 + b] != 0).any()


def test_the_memory_is_of_the_last_clips_of_this_epoch():
    teacher, _, step = entropy_setup(memory=7)
    teacher.start_epoch(0)
    assert len(teacher.remembered()) == 0
    with torch.no_grad():
        for rows in ([0, 1, 2, 3], [9, 8, 7], [20, 21, 22]):
            step(rows)[1]()
    assert set(teacher.remembered().tolist()[:6]) == {7, 8, 9, 20, 21, 22} and len(teacher.remembered()) == 7
    assert teacher.state_dict() == {} and not any(b.requires_grad for b in teacher.buffers())
    teacher.start_epoch(1)
    assert len(teacher.remembered()) == 0


def test_clips_of_one_sign_have_no_entropy():
    x = clips(20, 4)
    loss = mmim.entropy_by_sign(x, torch.ones(20))
    loss.backward()
    assert loss == 0 and (x.grad == 0).all()


@pytest.mark.parametrize("name", ["misa", "self_mm", "mmim", "tetfn"])
def test_the_task_is_compared_as_the_setting_says(name):
    batch = masked(0.2).batch(range(6))
    for task, power in (("mae", 1), ("mse", 2)):
        output = network(name, task=task)(batch)
        wrong = (output.prediction - batch.labels).abs() ** power
        losses = joint_loss(output, batch.labels, LossWeights(), taught={})
        assert losses["task"].item() == pytest.approx(wrong.mean().item(), rel=1e-5)
