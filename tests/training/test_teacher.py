"""What training offers beside labels: terms, sides, a teacher with a state, and learning rates of parts."""

import numpy as np
import pytest
import torch

from mgmr_lib.models.output import Output
from mgmr_lib.models.registry import NETWORKS
from mgmr_lib.training.checkpoint import load_tensors
from mgmr_lib.training.config import make_config
from mgmr_lib.training.losses import LossWeights, joint_loss, loss_counts
from mgmr_lib.training.run import load_run, train_run
from mgmr_lib.training.setup import prepare
from mgmr_lib.training.trainer import Trainer
from tests.models.properties import assert_every_weight_gets_a_gradient, masked
from tests.toy import toy_corpus
from tests.training.resuming import assert_resuming_changes_nothing
from tests.training.taught import ENTRY


@pytest.fixture(autouse=True)
def taught(monkeypatch):
    monkeypatch.setitem(NETWORKS, "concat", ENTRY)


def config(**changes):
    settings = {"text_encoder": "tiny", "d_model": 4, "batch_size": 16, "epochs": 3, "ema": 0.0, "lr": 0.02}
    return make_config("concat", "laptop", **settings | changes)


def output_of(b=6):
    g = torch.Generator().manual_seed(0)
    prediction, side, labels = torch.randn(3, b, generator=g, dtype=torch.float64)
    terms = {"apart": torch.tensor(0.7, dtype=torch.float64)}
    return Output(prediction, terms=terms, sides={"text": side}), labels


@pytest.mark.parametrize("task, power", [("mae", 1), ("mse", 2)])
def test_the_loss_adds_terms_and_sides_to_the_task(task, power):
    output, labels = output_of()
    output.task = task
    losses = joint_loss(output, labels, LossWeights())
    wrong, side = (np.abs((x - labels).numpy()) for x in (output.prediction, output.sides["text"]))
    assert losses["task"].item() == pytest.approx((wrong**power).mean(), abs=1e-12)
    assert losses["text_side"].item() == pytest.approx(side.mean(), abs=1e-12) and losses["apart"].item() == 0.7
    assert losses["total"].item() == pytest.approx((wrong**power).mean() + side.mean() + 0.7, abs=1e-12)


def test_a_teacher_replaces_the_sides_labels():
    output, labels = output_of()
    losses = joint_loss(output, labels, LossWeights(), taught={"pseudo": torch.tensor(0.25, dtype=torch.float64)})
    assert losses.keys() == {"total", "task", "apart", "pseudo"}
    assert losses["total"].item() == pytest.approx(losses["task"].item() + 0.95, abs=1e-12)


def test_terms_weigh_as_many_clips_as_they_are_means_over():
    output, labels = output_of()
    counts, total, apart = loss_counts(output, labels), 0.0, {"apart": (slice(0, 4), 1.0), "other": (slice(4, 6), 4.0)}
    for name, (rows, value) in apart.items():
        part = Output(output.prediction[rows], terms={name: torch.tensor(value)}, sides={"text": torch.zeros(6)[rows]})
        total += joint_loss(part, labels[rows], LossWeights(), counts)["total"].item()
    task = (output.prediction - labels).abs().mean().item()
    assert total == pytest.approx(task + labels.abs().mean().item() + (4 * 1.0 + 2 * 4.0) / 6, abs=1e-6)


@pytest.mark.parametrize("name", ["total", "task", "audio", "apart"])
def test_two_terms_of_one_name_are_refused(name):
    output, labels = output_of()
    with pytest.raises(ValueError, match=f"two terms of a loss are called {name}"):
        joint_loss(output, labels, LossWeights(), taught={name: torch.tensor(0.0)})


def test_a_batch_knows_where_its_clips_stand():
    data, order = masked(), [7, 2, 11]
    batch = data.batch(order)
    assert batch.rows.tolist() == order and batch.to("cpu").rows.dtype == torch.int64
    assert batch.ids == tuple(data.split.ids[i] for i in order)


def test_a_part_with_a_rate_of_its_own_moves_so_much_less():
    corpus = toy_corpus(sizes=(16, 8, 8))
    setup = prepare(config(epochs=1, warmup=0.0, weight_decay=0.0), corpus)
    before = {n: p.detach().clone() for n, p in setup.model.named_parameters()}
    trainer = Trainer(setup, quiet=True)
    assert [g["lr"] for g in trainer.optimizer.param_groups] == [0.02, 0.005]
    trainer.run()
    # Adam's first step has the size of the learning rate, whatever the gradient.
    moved = {n: (p - before[n]).abs().max().item() for n, p in setup.model.named_parameters()}
    assert moved["side.weight"] == pytest.approx(0.005, rel=1e-3) and moved["head.bias"] == pytest.approx(
        0.02, rel=1e-3
    )


def test_every_weight_gets_a_gradient_from_the_sides_too():
    setup = prepare(config(), toy_corpus())
    assert_every_weight_gets_a_gradient(setup.model.train())


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_resumed_teacher_goes_on_where_it_stopped(tmp_path, ema):
    corpus = toy_corpus(sizes=(49, 16, 24))
    tensors = assert_resuming_changes_nothing(config(ema=ema), corpus, tmp_path)
    state = {k: t for k, t in tensors.items() if k.startswith("teacher/")}
    assert state.keys() == {"teacher/pseudo", "teacher/features"} and (state["teacher/features"] != 0).any(1).all()
    assert not np.allclose(state["teacher/pseudo"], corpus["train"].labels, atol=0.01)


def test_a_finished_run_needs_no_teacher_and_reads_a_corpus_of_another_size(tmp_path):
    run = train_run(config(epochs=1), tmp_path / "run", toy_corpus(), quiet=True)
    assert not any("teacher" in k for k in load_tensors(tmp_path / "run" / "model.safetensors")[0])
    other = toy_corpus(sizes=(20, 8, 9))
    assert len(load_run(tmp_path / "run", other).masked("test", 0.0, 1)) == 9 and run.model.training is False
