"""Heads that regress or classify: MFMB-Net's, the fully connected baselines', the LSTMs'."""

import numpy as np
import pytest
import torch

from mgmr_lib.errors import CourseError
from mgmr_lib.experiments import plan
from mgmr_lib.models.classes import Classes
from mgmr_lib.models.output import predicted
from mgmr_lib.training.config import make_config
from mgmr_lib.training.losses import LossWeights, joint_loss
from mgmr_lib.training.run import load_run, train_run
from mgmr_lib.training.setup import prepare
from mgmr_lib.training.trainer import predict
from tests.toy import toy_corpus

RIVALS = ("fc_t", "concat", "early_lstm", "late_lstm")
TWO_HOT = {"classes": 7, "class_targets": "two-hot"}


def config(model, **changes):
    return make_config(
        model, "fast", text_encoder="tiny", dropout=0.0, ema=0.0, max_clips=None, **{"d_model": 24} | changes
    )


def test_one_number_is_the_prediction_and_seven_are_a_mean_of_classes():
    y = torch.tensor([[0.5], [-2.0]])
    assert predicted(y, Classes()).prediction.tolist() == [0.5, -2.0] and predicted(y, Classes()).logits is None
    shares = torch.tensor([[0.0, 0.0, 0.0, 0.25, 0.75, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    found = predicted(shares.clamp(min=1e-9).log(), Classes(7, 0.5, "two-hot"))
    assert found.prediction.tolist() == pytest.approx([0.375, -1.5], abs=1e-5)
    assert (found.class_step, found.class_targets) == (0.5, "two-hot")


@pytest.mark.parametrize("model", RIVALS)
def test_a_rival_on_two_hot_classes_learns_thirty_two_clips(model):
    setup = prepare(config(model, **TWO_HOT), toy_corpus(sizes=(32, 4, 4)))
    data = setup.masked("train", 0.0, 1)
    batch, network = data.batch(range(32)), setup.model.train()
    assert network(batch).logits.shape == (32, 7) and network(batch).class_targets == "two-hot"
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(300):
        losses = joint_loss(network(batch), batch.labels, LossWeights())
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
    assert np.abs(predict(network, data) - setup.splits["train"].labels).mean() < 0.15


def test_a_run_on_classes_is_read_back_whole(tmp_path):
    corpus = toy_corpus(sizes=(16, 8, 8))
    run = train_run(config("late_lstm", epochs=1, **TWO_HOT), tmp_path / "run", corpus, quiet=True)
    again = load_run(tmp_path / "run", corpus)
    assert again.config.network.classes == 7
    data = run.masked("test", 0.5, 1)
    assert np.array_equal(run.predict(data), again.predict(data))


@pytest.mark.parametrize("model", RIVALS)
def test_classes_leave_the_names_of_regressions_as_they_were(model):
    assert config(model).hash() == config(model, classes=1, class_step=1.0, class_targets="one-hot").hash()
    assert config(model).hash() != config(model, **TWO_HOT).hash()
    with pytest.raises(CourseError, match="give --classes 1"):
        config(model, objective="mse", **TWO_HOT)


def test_each_pair_of_objectives_differs_in_nothing_else():
    for name, other in plan.OBJECTIVES.items():
        one, two = (plan.job(n, 1111, "tuned", "mosi", "classroom-mosi@2").config.to_dict() for n in (name, other))
        settings = [{**c.pop("network"), **c} for c in (one, two)]
        free = {"classes", "class_targets", "objective"}
        differs = {key for key in settings[0] if settings[0][key] != settings[1][key]}
        assert {"classes", "objective"} <= differs <= free
        assert sorted(s["classes"] for s in settings) == [1, 7]
