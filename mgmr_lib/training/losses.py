"""The joint loss of both papers: L = L_task + sum over modalities of alpha_m L_rec^m (MGMR section 3.5; MFMB Eqs.
17-19), and what other networks add to it.

Every term is a sum over a count. The counts can come from all processes of a distributed run (`counts`), so that the
loss, and its gradient, do not depend on how a batch was divided.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.output import Output, class_index, class_shares


@dataclass(frozen=True)
class LossWeights:
    """alpha_m of the papers."""

    text: float = 1.0
    audio: float = 1.0
    vision: float = 1.0


def loss_counts(output: Output, labels: Tensor) -> Tensor:
    """What each term is divided by: [clips, missing elements of text, of audio, of vision], float64 (4,)."""
    counts = [labels.numel()]
    for m in MODALITIES:
        r = output.reconstruction.get(m)
        counts.append(0 if r is None else int(r.missing.sum()) * r.value.shape[-1])
    return torch.tensor(counts, dtype=torch.float64, device=labels.device)


def joint_loss(
    output: Output,
    labels: Tensor,
    weights: LossWeights,
    counts: Tensor | None = None,
    taught: dict[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """{"total", "task", "text", "audio", "vision", and the names of the network's and its teacher's terms}: scalars.

    task: mean absolute (or squared) error over the clips, or their mean cross-entropy where the network gives logits. A
    modality's term: SmoothL1 (beta 1) between the reconstruction and the complete, standardised features, summed over
    the missing positions only and divided by their number of elements; 0 where nothing is missing. Observed positions
    and padding never count. taught: a Teacher's terms; without one, each side's mean absolute error.
    """
    counts = loss_counts(output, labels) if counts is None else counts
    terms = {"task": _task(output, labels) / counts[0].to(labels.dtype)}
    total = terms["task"]
    for i, m in enumerate(MODALITIES, start=1):
        r = output.reconstruction.get(m)
        if r is None:
            continue
        value, target = r.value[r.missing], r.target[r.missing].detach()
        each = nn.functional.smooth_l1_loss(value, target, reduction="sum")
        terms[m] = each / counts[i].clamp(min=1).to(each.dtype)
        total = total + getattr(weights, m) * terms[m]
    if taught is None:
        taught = {f"{name}_side": (side - labels).abs().mean() for name, side in output.sides.items()}
    share = labels.numel() / counts[0].to(labels.dtype)  # of all processes' clips: the terms are means over ours
    for name, value in [*output.terms.items(), *taught.items()]:
        if name in ("total", *MODALITIES, *terms):
            raise ValueError(f"two terms of a loss are called {name}: name them apart")
        terms[name] = value * share
        total = total + terms[name]
    return {"total": total, **terms}


def _task(output: Output, labels: Tensor) -> Tensor:
    """Summed over the clips: |prediction - label| or its square, or -sum of y log(probability) over the classes, y
    one-hot or two-hot."""
    if output.logits is None:
        error = output.prediction - labels
        return {"mae": error.abs, "mse": error.square}[output.task]().sum()
    find = class_shares if output.class_targets == "two-hot" else class_index
    targets = find(labels, output.logits.shape[-1], output.class_step)
    return nn.functional.cross_entropy(output.logits, targets, reduction="sum")
