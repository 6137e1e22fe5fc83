"""A toy task that needs both modalities at the same moment (notebook 12): words, and a voice that may turn them round.

Words and tones are independent coin flips. Where the label is made of their products, its mean given all words is 0,
and so is its mean given all tones: no f(words) + g(tones), however large, predicts better than the constant 0.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mgmr_lib.chapters.shared import fit as shared
from mgmr_lib.models.mgmr.alignment import CollaborativeBiMamba

KINDS = ("irony", "plain", "strangers")


@dataclass(frozen=True)
class Clips:
    """words, tones: (b, l, 1), +1 or -1, zero in padding; valid: (b, l) bool; labels: (b,), of variance 1."""

    words: Tensor
    tones: Tensor
    valid: Tensor
    labels: Tensor


@dataclass(frozen=True)
class IronyTask:
    """Clips of longest/2 to `longest` words, each a +1 or a -1, spoken in a tone of +1 (meant so) or -1 (ironic).

    kind "irony": the label is the sum of word times tone; "plain": the sum of both (no product needed);
    "strangers": as irony, but with the voice of another clip (nothing can be learned). Sums are divided by their
    deviation.
    """

    kind: str = "irony"
    longest: int = 8

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, not {self.kind!r}")

    def draw(self, count: int, generator: torch.Generator) -> Clips:
        """`count` clips."""
        lengths = torch.randint(self.longest // 2, self.longest + 1, (count, 1), generator=generator)
        valid = torch.arange(self.longest) < lengths
        words, tones = (2.0 * torch.randint(2, (2, count, self.longest), generator=generator) - 1) * valid
        if self.kind == "plain":
            labels = (words + tones).sum(1) / (2 * lengths[:, 0]).sqrt()
        else:
            meant = tones.roll(1, 0) if self.kind == "strangers" else tones
            both = (valid & (meant != 0)).sum(1).clamp(min=1)
            labels = (words * meant).sum(1) / both.sqrt()
        return Clips(words[..., None], tones[..., None], valid, labels)


class TwoStreams(nn.Module):
    """Embed words and tones, one branch of stage 1, and a linear readout of both sums over time: Clips -> (b,).

    after: what stands between the branch and the readout, a function of {modality: (b, l, d)} and valid that returns
    (b, d), such as stage 2. Without it all that follows the branch is linear, so only the branch can multiply words by
    tones.
    """

    def __init__(self, collaboration: str, d_model: int = 16, after: nn.Module | None = None):
        super().__init__()
        self.words, self.tones = nn.Linear(1, d_model), nn.Linear(1, d_model)
        self.branch = CollaborativeBiMamba(d_model, 1, collaboration, d_state=4, expand=1)
        self.after = after
        self.out = nn.Linear(d_model if after else 2 * d_model, 1)

    def forward(self, clips: Clips) -> Tensor:
        """(b,) predictions."""
        text, voice = self.branch(self.words(clips.words), self.tones(clips.tones), clips.valid)
        if self.after is not None:
            return self.out(self.after({"text": text, "audio": voice, "vision": voice}, clips.valid))[:, 0]
        inside = clips.valid[..., None]
        summed = (torch.cat([text, voice], dim=-1) * inside).sum(1) / inside.sum(1).sqrt()
        return self.out(summed)[:, 0]


def fit(model: nn.Module, task: IronyTask, seed: int, steps: int = 40, batch: int = 32, lr: float = 2e-2) -> float:
    """Adam on fresh clips, the rate falling to zero; returns the explained share of variance on 1000 clips not trained
    on.

    1 is perfect, 0 what the constant 0 reaches; below 0 is worse than that.
    """

    def loss(generator: torch.Generator) -> Tensor:
        clips = task.draw(batch, generator)
        return (model(clips) - clips.labels).square().mean()

    shared.fit(model, loss, steps=steps, lr=lr, seed=seed)
    with torch.no_grad():
        clips = task.draw(1000, shared.unseen(seed))
        return 1 - ((model(clips) - clips.labels).square().mean() / clips.labels.square().mean()).item()


def two_streams(collaboration: str, seed: int, after=None) -> TwoStreams:
    """A TwoStreams whose start depends on the seed alone. after: makes the part behind the branch, called under that
    seed."""
    return shared.seeded(seed, lambda: TwoStreams(collaboration, after=after() if after else None))
