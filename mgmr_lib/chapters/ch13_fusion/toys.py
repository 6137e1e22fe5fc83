"""Toy clips for stage 2, and ways to fuse three modalities that differ in one thing each (notebook 13).

Whether two events happen *together* is a matter of neighbouring tokens if the modalities are interleaved, and of tokens
far apart if one modality comes after the other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mgmr_lib.chapters.shared.fit import fit, seeded, unseen
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.mgmr.alignment import CollaborativeBiMamba
from mgmr_lib.models.mgmr.fusion import InterleavedFusion, interleave, masked_max

LAYOUTS = ("interleaved", "concatenated", "shuffled")
STREAMS = ("audio", "vision", "text")  # the order of interleaving


@dataclass(frozen=True)
class MomentTask:
    """Each modality has `events` events at random steps; one event is 1, no event 0, plus a little noise.

    kind "together": is there a step at which voice and words have an event at once? Both answers are equally frequent,
    and no single modality says anything. kind "loud": is one of all events twice as large? Then no order matters.
    """

    kind: str = "together"
    length: int = 8
    events: int = 3
    noise: float = 0.05

    def __post_init__(self):
        if self.kind not in ("together", "loud"):
            raise ValueError(f"kind must be 'together' or 'loud', not {self.kind!r}")
        if 2 * self.events > self.length:
            raise ValueError(f"{self.events} events of two modalities do not fit apart into {self.length} steps")

    def draw(self, count: int, generator: torch.Generator) -> tuple[dict[str, Tensor], Tensor]:
        """{modality: (b, l, 1)} and the answers (b,), 0 or 1."""
        order = torch.rand(3, count, self.length, generator=generator).argsort(-1)
        text, vision = order[0, :, : self.events], order[1, :, : self.events]
        answers = torch.randint(2, (count,), generator=generator)
        # The first event of the voice meets one of the words or none; the others meet none.
        apart = order[0, :, self.events : 2 * self.events]
        meets = (answers == 1) & (self.kind == "together")
        voice = torch.where(meets[:, None] & (torch.arange(self.events) == 0), text[:, :1], apart)
        places = {"audio": voice, "vision": vision, "text": text}
        x = {m: torch.zeros(count, self.length).scatter_(1, places[m], 1.0) for m in STREAMS}
        if self.kind == "loud":
            which = torch.randint(3, (count,), generator=generator)
            for i, m in enumerate(STREAMS):
                x[m].scatter_add_(1, places[m][:, :1], ((which == i) & (answers == 1)).float()[:, None])
        for m in STREAMS:
            x[m] = (x[m] + self.noise * torch.randn(count, self.length, generator=generator))[..., None]
        return x, answers.float()


def arrange(layout: str, length: int, order: tuple[str, ...] = STREAMS, seed: int = 0) -> Tensor:
    """Where each of the 3 l tokens comes from, as places (3 l,) in the interleaved sequence a1 v1 t1 a2 ...

    "interleaved": by step, within a step by `order`; "concatenated": by modality, in `order`; "shuffled": any order,
    but always the same one.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {LAYOUTS}, not {layout!r}")
    if layout == "shuffled":
        return torch.randperm(3 * length, generator=torch.Generator().manual_seed(seed))
    streams = torch.tensor([STREAMS.index(m) for m in order])
    steps = 3 * torch.arange(length)
    grid = steps[:, None] + streams if layout == "interleaved" else streams[:, None] + steps
    return grid.flatten()


class ArrangedFusion(InterleavedFusion):
    """Stage 2 with its tokens in another order (see `arrange`); padding goes to the end of the line, whatever the
    layout."""

    def __init__(
        self, d_model: int, depth: int, layout: str = "interleaved", order: tuple[str, ...] = STREAMS, **layer_options
    ):
        super().__init__(d_model, depth, **layer_options)
        self.layout, self.order = layout, tuple(order)

    def forward(self, x: dict[str, Tensor], valid: Tensor) -> Tensor:
        """{modality: (b, l, d)}, valid (b, l) -> (b, d)."""
        index = arrange(self.layout, valid.shape[1], self.order)
        tokens, mask = interleave(x)[:, index], valid.repeat_interleave(3, dim=1)[:, index]
        front = (~mask).long().argsort(dim=1, stable=True)
        tokens, mask = tokens.gather(1, front[..., None].expand_as(tokens)), mask.gather(1, front)
        for layer in self.layers:
            tokens = layer(tokens, mask)
        return masked_max(self.norm(tokens), mask)


class AttentionFusion(nn.Module):
    """The O(l^2) rival: interleaved tokens, a Transformer layer in place of the scan, masked maximum.

    Residual and pre-norm as in a Mamba layer. Queries and keys also see a learned vector for their step. told: start
    with very different vectors, and with queries that look for keys of their own step.
    """

    def __init__(self, d_model: int, longest: int = 50, told: bool = False):
        super().__init__()
        self.before, self.norm = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.place = nn.Parameter(torch.randn(longest, d_model) * (3.0 if told else 0.02))
        self.attend = nn.MultiheadAttention(d_model, 1, batch_first=True)
        self.mlp = nn.Sequential(
            nn.LayerNorm(d_model), nn.Linear(d_model, 2 * d_model), nn.ReLU(), nn.Linear(2 * d_model, d_model)
        )
        if told:
            with torch.no_grad():
                query, key, _ = self.attend.in_proj_weight.chunk(3)
                key.copy_(query)

    def forward(self, x: dict[str, Tensor], valid: Tensor) -> Tensor:
        """{modality: (b, l, d)}, valid (b, l) -> (b, d)."""
        tokens, mask = interleave(x), valid.repeat_interleave(3, dim=1)
        seen = self.before(tokens)
        placed = seen + self.place[: valid.shape[1]].repeat_interleave(3, dim=0)
        mixed, _ = self.attend(placed, placed, seen, key_padding_mask=~mask, need_weights=False)
        tokens = tokens + mixed
        return masked_max(self.norm(tokens + self.mlp(tokens)), mask)


class VoiceBranch(nn.Module):
    """Of stage 1 the branch of text and audio; the face passes untouched."""

    def __init__(self, d_model: int, collaboration: str, **layer_options):
        super().__init__()
        self.branch = CollaborativeBiMamba(d_model, 1, collaboration, **layer_options)

    def forward(self, x: dict[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """{modality: (b, l, d)}, valid (b, l) -> the same."""
        text, audio = self.branch(x["text"], x["audio"], valid)
        return {**x, "text": text, "audio": audio}


class MomentModel(nn.Module):
    """Embed each modality, align (or not), fuse, and read one logit: {modality: (b, l, 1)} -> (b,)."""

    def __init__(self, fusion: nn.Module, d_model: int, align: nn.Module | None = None):
        super().__init__()
        self.embed = nn.ModuleDict({m: nn.Linear(1, d_model) for m in MODALITIES})
        self.align, self.fusion, self.out = align, fusion, nn.Linear(d_model, 1)

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        """(b,) logits."""
        x = {m: self.embed[m](v) for m, v in x.items()}
        valid = torch.ones(x["text"].shape[:2], dtype=torch.bool)
        x = x if self.align is None else self.align(x, valid)
        return self.out(self.fusion(x, valid))[:, 0]


def moment_model(
    fusion: Callable[[], nn.Module], seed: int, d_model: int = 24, align: Callable | None = None
) -> MomentModel:
    """A MomentModel whose start depends on the seed alone; fusion, align: functions that make the parts."""
    return seeded(seed, lambda: MomentModel(fusion(), d_model, align() if align else None))


def fit_moments(
    model: nn.Module, task: MomentTask, seed: int, steps: int = 80, batch: int = 32, lr: float = 2e-2
) -> float:
    """Adam on fresh clips, the rate falling to zero; returns the share of right answers on 1000 clips not trained
    on."""

    def loss(generator: torch.Generator) -> Tensor:
        x, answers = task.draw(batch, generator)
        return F.binary_cross_entropy_with_logits(model(x), answers)

    fit(model, loss, steps=steps, lr=lr, seed=seed, clip=1.0)
    with torch.no_grad():
        x, answers = task.draw(1000, unseen(seed))
        return ((model(x) > 0) == (answers > 0)).float().mean().item()
