"""bf16: the network's products in bfloat16; weights, gradients, losses, scans and checkpoints in float32."""

import json

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from mgmr_lib.errors import CourseError
from mgmr_lib.models.output import Output, Reconstruction, in_float32
from mgmr_lib.models.registry import NETWORKS
from mgmr_lib.training.batches import AHEAD, on_device
from mgmr_lib.training.config import TrainConfig, make_config
from mgmr_lib.training.precision import accelerator_for
from mgmr_lib.training.run import train_run
from mgmr_lib.training.setup import prepare
from mgmr_lib.training.trainer import Trainer
from tests.toy import toy_corpus
from tests.training.resuming import assert_resuming_changes_nothing

SMALL = {"text_encoder": "tiny", "epochs": 2, "batch_size": 16, "dropout": 0.0, "lr": 1e-3, "warmup": 0.0}


class Watched(Trainer):
    """Keeps each step's losses, and sees that every gradient is float32 and finite."""

    seen: list

    def _step(self, batch, takes_part):
        found = super()._step(batch, takes_part)
        self.seen.append({k: float(v) for k, v in found.items()})
        return found

    def _set_learning_rate(self):
        super()._set_learning_rate()
        backward = self.accelerator.backward

        def checked(loss):
            assert loss.dtype == torch.float32
            backward(loss)
            for p in self.model.parameters():
                assert p.dtype == torch.float32
                assert p.grad is None or (p.grad.dtype == torch.float32 and torch.isfinite(p.grad).all())
            self.accelerator.backward = backward

        self.accelerator.backward = checked


def losses_of(corpus, precision: str, model: str = "mgmr", **settings):
    config = make_config(model, "fast", **(SMALL | settings), precision=precision)
    trainer = Watched(prepare(config, corpus), quiet=True)
    trainer.seen = []
    trainer.run()
    return trainer


# bfloat16 keeps eight bits: a product is right to 0.4 %, and a loss is a mean of many. Over six steps the two paths
# come no further apart than this share of the loss.
TOLERANCE = 0.03


@pytest.mark.parametrize("model", ["mgmr", "mfmb"])
@pytest.mark.parametrize("encoder_lr", [0.0, 1e-5])
def test_bf16_learns_what_fp32_learns(model, encoder_lr):
    corpus = toy_corpus()
    half, full = (losses_of(corpus, p, model, encoder_lr=encoder_lr) for p in ("bf16", "fp32"))
    assert len(half.seen) == len(full.seen) == 6
    one, other = (np.array([step["total"] for step in t.seen]) for t in (half, full))
    assert np.isfinite(one).all() and (np.abs(one / other - 1) < TOLERANCE).all()
    assert (one != other).any()  # it was computed in another precision
    assert all(t.dtype == torch.float32 for t in half.best_weights.values() if t.is_floating_point())


@pytest.mark.parametrize("model", sorted(NETWORKS))
def test_every_network_takes_a_step_in_bf16(model):

    config = make_config(model, "fast", text_encoder="tiny", epochs=1, batch_size=16, precision="bf16")
    trainer = Trainer(prepare(config, toy_corpus()), quiet=True)
    assert np.isfinite(trainer.run().history[0]["train_total"])


def test_a_run_in_bf16_resumes_exactly(tmp_path):
    config = make_config("mgmr", "fast", **SMALL, ema=0.9, precision="bf16")
    tensors = assert_resuming_changes_nothing(config, toy_corpus(), tmp_path)
    assert {t.dtype for t in tensors.values()} <= {torch.float32, torch.float64, torch.int64, torch.bool}
    about = json.loads((tmp_path / "whole" / "config.json").read_text())
    assert about["config"]["precision"] == "bf16"
    with pytest.raises(CourseError, match="precision is bf16 there and fp32 here"):
        train_run(make_config("mgmr", "fast", **SMALL, ema=0.9), tmp_path / "whole", toy_corpus(), quiet=True)


def test_a_process_trains_in_one_precision_after_the_other():
    corpus, given = toy_corpus(), Accelerator()
    before = losses_of(corpus, "fp32").seen
    assert losses_of(corpus, "bf16").seen != before
    assert losses_of(corpus, "fp32").seen == before
    assert accelerator_for("bf16", given).mixed_precision == "bf16"
    assert accelerator_for("fp32", given).mixed_precision == "no"
    given = accelerator_for("fp32")
    assert accelerator_for("fp32", given) is given


def test_recorded_names_stay():
    config = make_config("mgmr", "laptop")
    assert config.precision == "fp32" and config.hash() == make_config("mgmr", "laptop", precision="fp32").hash()
    older = config.to_dict()
    del older["precision"]  # as every record before this setting has it
    assert TrainConfig.from_dict(older) == config
    assert make_config("mgmr", "laptop", precision="bf16").hash() != config.hash()
    with pytest.raises(CourseError, match="fp16"):
        make_config("mgmr", "full", precision="fp16")


def test_half_precision_leaves_an_output_as_float32():
    half, ints = torch.ones(2, dtype=torch.bfloat16), torch.tensor([1, 2])
    rebuilt = Reconstruction(half[:, None, None], half[:, None, None], torch.ones(2, 1, dtype=torch.bool))
    found = in_float32(Output(half, {"text": rebuilt}, logits=half, terms={"a": half[0]}, latent={"b": ints}))
    tensors = (found.prediction, found.logits, found.terms["a"], found.reconstruction["text"].value)
    assert all(t.dtype == torch.float32 for t in tensors)
    assert found.latent["b"] is ints and found.task == "mae"
    assert found.reconstruction["text"].missing.dtype == torch.bool


# ------------------------------------------------------------------------------------------------- batches for a GPU


class StandIn:
    """In the place of a Batch, where there is no GPU: what was done to it."""

    def __init__(self, rows, log):
        self.rows, self.log = rows, log
        log.append(("made", rows))

    def pin_memory(self):
        self.log.append(("pinned", self.rows))
        return self

    def to(self, device, non_blocking=False):
        self.log.append(("moved", self.rows, str(device), non_blocking))
        return self


def test_batches_for_a_gpu_are_made_ahead_pinned_and_moved_without_waiting():
    log: list = []
    batches = on_device(lambda rows: StandIn(rows, log), range(6), "cuda")
    first = next(batches)
    assert first.rows == 0 and ("moved", 0, "cuda", True) in log
    assert ("made", AHEAD + 1) not in log  # no more than wait
    assert [first.rows, *(b.rows for b in batches)] == list(range(6))
    assert [e[1] for e in log if e[0] == "pinned"] == list(range(6))
    assert all(e[3] for e in log if e[0] == "moved")


def test_elsewhere_a_batch_is_made_when_it_is_asked_for():
    log: list = []
    batches = on_device(lambda rows: StandIn(rows, log), range(3), torch.device("cpu"))
    next(batches)
    assert log == [("made", 0), ("moved", 0, "cpu", False)]


def test_what_goes_wrong_in_the_thread_is_raised_and_leaving_early_ends_it():
    def broken(rows):
        if rows == 1:
            raise CourseError("clip 1 is broken")
        return StandIn(rows, [])

    batches = on_device(broken, range(3), "cuda")
    assert next(batches).rows == 0
    with pytest.raises(CourseError, match="clip 1 is broken"):
        next(batches)
    log: list = []
    batches = on_device(lambda rows: StandIn(rows, log), range(1000), "cuda")
    next(batches)
    batches.close()
    assert len(log) < 20


def test_a_batch_says_how_it_moves(monkeypatch):
    split = prepare(make_config("fc_a", "fast", text_encoder="tiny"), toy_corpus()).masked("test", 0.5, 1)
    batch, moves = split.batch([0, 2]), []
    to = torch.Tensor.to

    def watched(self, *args, **kw):
        moves.append(kw.get("non_blocking"))
        return to(self, *args, **kw)

    monkeypatch.setattr(torch.Tensor, "to", watched)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    moved = batch.pin_memory().to("cpu", non_blocking=True)
    assert moves == [True] * 14 and moved.ids == batch.ids and torch.equal(moved.audio.x, batch.audio.x)
    assert torch.equal(moved.rows, torch.tensor([0, 2]))
