"""What every network of the course returns."""

from dataclasses import dataclass, field

from torch import Tensor


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
    """prediction: (b,) sentiment; reconstruction: one entry a modality, or empty where a network does not reconstruct;
    gates: {modality: (b, l) or (b, l, d)} in (0, 1), for drawings; logits: (b, classes) for classification, or None."""

    prediction: Tensor
    reconstruction: dict[str, Reconstruction] = field(default_factory=dict)
    gates: dict[str, Tensor] = field(default_factory=dict)
    logits: Tensor | None = None
