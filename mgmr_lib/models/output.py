"""What every network of the course returns."""

from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor

from mgmr_lib.models.classes import Classes


@dataclass
class Reconstruction:
    """One modality's guess at what was lost.

    value, target: (b, l, d_m) in standardised units; missing: (b, l) bool, the positions that the loss counts.
    """

    value: Tensor
    target: Tensor
    missing: Tensor


@dataclass
class Output:
    """prediction: (b,) sentiment; reconstruction: one entry per modality, empty where a network does not reconstruct;
    gates: {modality: (b, l) or (b, l, d)}, for drawings (in (0, 1), but for MFMB-Net's printed one, which is not
    bounded);
    logits: (b, classes) where the network classifies, or None; class_step, class_targets: see `class_index`,
    `class_shares`.

    What training alone reads: task: "mae" or "mse", how prediction and label are compared; terms: {name: scalar}, what
    the loss adds without a label, each weighted and a mean over the batch's clips, {} unless the network trains (the
    same names in every batch, zeros included); sides: {name: (b,)} more predictions of the same sentiment, from one
    modality alone or from the complete clip; latent: {name: (b, d)}, what a `Teacher` reads."""

    prediction: Tensor
    reconstruction: dict[str, Reconstruction] = field(default_factory=dict)
    gates: dict[str, Tensor] = field(default_factory=dict)
    logits: Tensor | None = None
    class_step: float = 1.0
    class_targets: str = "one-hot"
    task: str = "mae"
    terms: dict[str, Tensor] = field(default_factory=dict)
    sides: dict[str, Tensor] = field(default_factory=dict)
    latent: dict[str, Tensor] = field(default_factory=dict)


def in_float32(output: Output) -> Output:
    """The same with every tensor of half precision as float32: losses are sums over many elements."""

    def full(value):
        if isinstance(value, dict):
            return {name: full(v) for name, v in value.items()}
        if isinstance(value, Reconstruction):
            return replace(value, value=full(value.value), target=full(value.target))
        return value.float() if isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16) else value

    return replace(output, **{f.name: full(getattr(output, f.name)) for f in fields(output)})


def class_values(classes: int, step: float = 1.0, like: Tensor | None = None) -> Tensor:
    """(classes,) the sentiment that each class stands for: `step` apart, symmetric about 0."""
    values = (torch.arange(classes) - (classes - 1) / 2) * step
    return values if like is None else values.to(like)


def class_index(labels: Tensor, classes: int, step: float = 1.0) -> Tensor:
    """(b,) int64: the class of each label.

    An odd number of classes rounds (half to even) and clips: 7, 5 and 3 with step 1 are the classes of Acc-7, Acc-5 and
    Acc-3 on MOSI and MOSEI; 3 with step 0.2 are the 3 of SIMS, whose labels are multiples of 0.2. Two are negative |
    non-negative.
    """
    labels, half = labels / step, (classes - 1) / 2
    nearest = labels.round() if classes % 2 else labels.floor() + 0.5
    return (nearest.clamp(-half, half) + half).long()


def class_shares(labels: Tensor, classes: int, step: float = 1.0) -> Tensor:
    """(b, classes): each label as "two-hot" probabilities, shared by the two classes that it lies between.

    1.25 is three quarters of class 1 and one quarter of class 2, so that the classes' mean is the label itself, which
    rounding would lose (Schrittwieser et al. 2020, MuZero). Beyond the last class it is that class's alone.
    """
    half = (classes - 1) / 2
    place = (labels / step).clamp(-half, half) + half
    below = place.floor().clamp(max=classes - 2)
    shares = labels.new_zeros(len(labels), classes).scatter_(1, below.long()[:, None], (1 - (place - below))[:, None])
    return shares.scatter_(1, below.long()[:, None] + 1, (place - below)[:, None])


def expected_value(logits: Tensor, step: float = 1.0) -> Tensor:
    """(b, classes) -> (b,): the mean of the classes' values under softmax(logits), the prediction of a classifier."""
    return logits.softmax(-1) @ class_values(logits.shape[-1], step, logits)


def predicted(
    y: Tensor,
    config: Classes,
    reconstruction: dict[str, Reconstruction] | None = None,
    gates: dict[str, Tensor] | None = None,
) -> Output:
    """What a head gives, (b, classes), as an Output: its one number, or the mean of the classes' values."""
    reconstruction, gates = reconstruction or {}, gates or {}
    if config.classes == 1:
        return Output(y.squeeze(-1), reconstruction, gates)
    step = config.class_step
    return Output(expected_value(y, step), reconstruction, gates, y, step, config.class_targets)
