"""Clips whose voices say something of their own, and labels that try to find it out."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mgmr_lib.models.baselines.config_self_supervised import SelfMMConfig
from mgmr_lib.models.baselines.pseudo_labels import NAMES, PseudoLabels
from mgmr_lib.models.output import Output

LIMIT = 3.0


@dataclass(frozen=True)
class Rows:
    """As much of a batch as a Teacher reads."""

    rows: Tensor
    labels: Tensor


def moving(knows: bool = True, clips: int = 300, seed: int = 0) -> tuple[PseudoLabels, Output, Rows]:
    """A Teacher that has seen nothing yet, and all clips as one batch: `output.latent` holds their features.

    What a voice says (`truth`, kept in output.sides["audio"]) is its label y and as much again that is its own.
    Features lie along one direction, at the place of what they know, with noise around: the fused ones at y, the
    voice's at its truth or (knows False) nowhere in particular.
    """
    g = torch.Generator().manual_seed(seed)
    noise = lambda *shape: torch.randn(*shape, generator=g)  # noqa: E731
    label = (1.2 * noise(clips)).clamp(-LIMIT, LIMIT)
    truth = (label + 1.2 * noise(clips)).clamp(-LIMIT, LIMIT)
    known = dict.fromkeys(NAMES, label) | {"audio": truth if knows else torch.zeros(clips)}
    latent = {name: torch.stack([x, torch.zeros(clips)], dim=1) + 0.3 * noise(clips, 2) for name, x in known.items()}
    teacher = PseudoLabels(SelfMMConfig(limit=LIMIT, **{f"head_{name}": 2 for name in NAMES}), label)
    output = Output(torch.zeros(clips), latent=latent, sides={"audio": truth})
    return teacher, output, Rows(torch.arange(clips), label)


def pseudo_labels(epochs: int, knows: bool = True, clips: int = 300, seed: int = 0) -> dict[str, Tensor]:
    """{"label": y (n,), "truth": what the voice alone says (n,), "found": its pseudo-labels (n,)} after some epochs."""
    teacher, output, batch = moving(knows, clips, seed)
    for epoch in range(epochs):
        teacher.start_epoch(epoch)
        teacher.update(output, batch)
    return {"label": batch.labels, "truth": output.sides["audio"], "found": teacher.label_audio}
