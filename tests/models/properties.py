"""What must hold for every network, whatever it is made of: what a prediction may depend on, and that all of it
learns."""

import dataclasses
import functools

import numpy as np
import torch
from torch import Tensor, nn

from mgmr_lib.data.batch import MaskedSplit, mask_split
from mgmr_lib.data.corpus import MODALITIES, Ragged, Split, StoredText
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.data.text import StoredFeatures, load_encoder
from mgmr_lib.training.losses import LossWeights, joint_loss, loss_counts
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


def assert_a_prediction_depends_on_its_clip_alone(
    net: nn.Module, spread: float, rtol: float = 0, data: MaskedSplit | None = None
) -> None:
    """Neither on the order nor on the size of the batch. spread: what the predictions must differ by, or nothing is
    shown."""
    data = data or masked()
    whole = predictions(net, data)
    assert whole.std() > spread
    order = np.random.default_rng(0).permutation(len(data))
    torch.testing.assert_close(predictions(net, data, 5, order), whole, atol=1e-5, rtol=rtol)
    torch.testing.assert_close(predictions(net, data, 1), whole, atol=1e-5, rtol=rtol)


def assert_hidden_content_changes_nothing(
    net: nn.Module, garbage: float = float("nan"), data: MaskedSplit | None = None
) -> None:
    """Nothing in padding, in missing steps or in a target reaches a prediction or a guess, bit for bit."""
    batch = (data or masked(0.5)).batch(range(8))
    clean = net(batch)
    for m in MODALITIES:
        part = batch[m]
        if m == "text" and not part.x.is_floating_point():
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


# ---- clips without a modality --------------------------------------------------------------------------------------


def without(frames: Ragged, gone) -> Ragged:
    """The same clips, those of `gone` (n,) bool without a step."""
    keep = np.repeat(~gone, frames.lengths)
    return Ragged(frames.values[keep], np.where(gone, 0, frames.lengths), frames.max_length)


def gappy(split: Split, seed: int = 0, share: float = 0.4, textless: bool = False) -> Split:
    """The split with text features for its tokens, and clips in which a modality, two or all three never were."""
    rng = np.random.default_rng(seed)
    words = split.token_lengths
    features = Ragged(rng.standard_normal((int(words.sum()), 4)).astype(np.float32), words, split.token_ids.shape[1])
    gone = {m: rng.random(len(split)) < share for m in MODALITIES}
    gone["text"] |= textless
    for k, m in enumerate(MODALITIES):  # clip k has this one alone, clip 3 nothing at all, clip 4 everything
        gone[m][:5] = [k != 0 or textless, k != 1, k != 2, True, textless and k == 0]
    text = without(features, gone["text"])
    return dataclasses.replace(
        split,
        audio=without(split.audio, gone["audio"]),
        vision=without(split.vision, gone["vision"]),
        text=StoredText(lambda: text, 4),
    ).with_stored_text()


def masked_gappy(split: Split, rate: float = 0.4, seed: int = 1) -> MaskedSplit:
    """A split of stored text under its masks, as training and evaluation see it."""
    return mask_split(split, draw_masks(split, rate, seed), StoredFeatures())


def fitted(inputs: nn.Module, split: Split) -> nn.Module:
    """The inputs with the statistics of the split."""
    for m, frames in {"text": split.text.features(), "audio": split.audio, "vision": split.vision}.items():
        inputs.fit(m, frames.values)
    return inputs


def one_lost_step(data: MaskedSplit) -> MaskedSplit:
    """What a clip without a modality must look like: a single step of it was there, and it is missing."""
    parts, keep = {}, {}
    for m, frames in {"text": data.masked_text, "audio": data.split.audio, "vision": data.split.vision}.items():
        clips = [frames[i] if n else np.full((1, frames.dim), 9, np.float32) for i, n in enumerate(frames.lengths)]
        lengths = np.maximum(frames.lengths, 1)
        parts[m], keep[m] = Ragged(np.concatenate(clips), lengths, frames.max_length), data.keep[m]
    split = dataclasses.replace(
        data.split, audio=parts["audio"], vision=parts["vision"], token_lengths=parts["text"].lengths
    )
    return MaskedSplit(split, keep, parts["text"], parts["text"])


def assert_an_unrecorded_modality_is_missing_from_the_start(net: nn.Module, split: Split) -> None:
    """At every rate, bit for bit, as one that lost all it had; and nobody is asked to guess it."""
    for rate in (0.0, 0.5, 1.0):
        data = masked_gappy(split, rate)
        batch, found = data.batch(range(len(data))), predictions(net, data, len(data))
        assert found.isfinite().all()
        torch.testing.assert_close(found, predictions(net, one_lost_step(data), len(data)), atol=0, rtol=0)
        for m, r in net(batch).reconstruction.items():
            recorded = torch.from_numpy(split.recorded(m))
            assert not r.missing[~recorded].any() and (
                rate == 0 or r.missing[recorded].any(1).any() or not recorded.any()
            )


def assert_gradients_are_finite_and_add_up(net: nn.Module, split: Split) -> None:
    """The loss of a batch is that of its two halves, as two processes compute it, and every gradient is a number."""
    data = masked_gappy(split, 0.5)
    whole, halves = range(len(data)), (range(0, 7), range(7, len(data)))
    batch = data.batch(whole)
    counts = loss_counts(net(batch), batch.labels)
    total = joint_loss(net(batch), batch.labels, LossWeights())["total"]
    parts = [data.batch(half) for half in halves]
    shares = [joint_loss(net(b), b.labels, LossWeights(), counts)["total"] for b in parts]
    torch.testing.assert_close(sum(shares), total, atol=1e-5, rtol=1e-5)
    total.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())
