"""What must hold for every network, whatever it is made of: what a prediction may depend on, and that all of it
learns."""

import dataclasses
import functools

import numpy as np
import torch
from torch import Tensor, nn

from mgmr_lib.data.batch import MaskedSplit
from mgmr_lib.data.corpus import MODALITIES, Split
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.data.text import load_encoder
from mgmr_lib.training.losses import LossWeights, joint_loss
from tests.toy import toy_corpus


@functools.cache
def tiny():
    return load_encoder("tiny")


@functools.cache
def toy_test() -> Split:
    return toy_corpus(sizes=(4, 4, 15))["test"]


def masked(rate: float = 0.4, seed: int = 1, split: Split | None = None) -> MaskedSplit:
    split = split or toy_test()
    return MaskedSplit(split, draw_masks(split, rate, seed))


@torch.no_grad()
def predictions(net: nn.Module, data: MaskedSplit, batch_size: int = 24, order=None) -> Tensor:
    """(clips), in the split's order, from batches in any order and of any size."""
    order = np.arange(len(data)) if order is None else order
    parts = [net(data.batch(order[i : i + batch_size])).prediction for i in range(0, len(order), batch_size)]
    return torch.cat(parts)[np.argsort(order)]


def assert_a_prediction_depends_on_its_clip_alone(net: nn.Module, spread: float, rtol: float = 0) -> None:
    """Neither on the order nor on the size of the batch. spread: what the predictions must differ by, or nothing is
    shown."""
    data = masked()
    whole = predictions(net, data)
    assert whole.std() > spread
    order = np.random.default_rng(0).permutation(len(data))
    torch.testing.assert_close(predictions(net, data, 5, order), whole, atol=1e-5, rtol=rtol)
    torch.testing.assert_close(predictions(net, data, 1), whole, atol=1e-5, rtol=rtol)


def assert_hidden_content_changes_nothing(net: nn.Module, garbage: float = float("nan")) -> None:
    """Nothing in padding, in missing steps or in a target reaches a prediction or a guess, bit for bit."""
    batch = masked(0.5).batch(range(8))
    clean = net(batch)
    for m in MODALITIES:
        part = batch[m]
        if m == "text":
            part.x[~part.valid] = 1999
        else:
            part.x[~part.keep] = garbage
        part.target[part.missing | ~part.valid] = 7
    found = net(batch)
    torch.testing.assert_close(found.prediction, clean.prediction, atol=0, rtol=0)
    for m, r in found.reconstruction.items():
        torch.testing.assert_close(r.value, clean.reconstruction[m].value, atol=0, rtol=0)


def assert_nothing_is_left_at_rate_one(net: nn.Module) -> None:
    """Two splits with other contents get the same predictions at rate 1, and others at rate 0.5."""
    split = toy_test()
    other = dataclasses.replace(
        split,
        token_ids=np.where((split.token_ids > 102), 1500, split.token_ids),
        audio=dataclasses.replace(split.audio, values=-9 * split.audio.values),
        vision=dataclasses.replace(split.vision, values=split.vision.values + 4),
    )
    gone = predictions(net, masked(1.0, split=split))
    assert gone.isfinite().all() and torch.equal(gone, predictions(net, masked(1.0, split=other)))
    assert not torch.equal(predictions(net, masked(0.5, split=split)), predictions(net, masked(0.5, split=other)))


def assert_every_weight_gets_a_gradient(net: nn.Module) -> None:
    """From the joint loss of one batch; a frozen text encoder has none by intention."""
    batch = masked(0.5).batch(range(15))  # an odd number: the signs of an even one can cancel in the bias
    joint_loss(net(batch), batch.labels, LossWeights())["total"].backward()
    idle = [n for n, p in net.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.abs().sum() > 0)]
    assert idle == []
