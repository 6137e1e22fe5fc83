"""Toy tasks of notebook 16: looking up a tone by its tag in another sequence, and telling which of two marks came
first."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

from mgmr_lib.chapters.shared.fit import fit, unseen
from mgmr_lib.models.baselines.attention import positions
from mgmr_lib.models.encoder_layer import EncoderLayer, Mixing

LOOKUPS = ("lookup", "strangers")
ORDERS = ("order", "count")


@dataclass(frozen=True)
class Drawn:
    """x (b,l,d_x) asks, memory (b,k,d_m) is asked (None where x asks itself); valid and memory_valid (b,l), (b,k);
    labels +-1."""

    x: Tensor
    valid: Tensor
    labels: Tensor
    memory: Tensor | None = None
    memory_valid: Tensor | None = None
    answers: Tensor | None = None


@dataclass(frozen=True)
class LookupTask:
    """Words of one clip ask its voice: which tone has the frame that carries my tag?

    A voice of frames/2 to `frames` frames, each a tag (all different, in random order) and a tone, +1 or -1. `words`
    words, each a tag that occurs in the voice. labels (b, words): the tone of that frame; answers (b, words): the
    number of that frame. kind "strangers": the tones are those of another clip, so that nothing can be learned.
    """

    frames: int = 8
    words: int = 4
    tags: int = 32
    kind: str = "lookup"

    def __post_init__(self):
        if self.kind not in LOOKUPS:
            raise ValueError(f"kind must be one of {LOOKUPS}, not {self.kind!r}")

    def draw(self, count: int, generator: torch.Generator) -> Drawn:
        """`count` clips: x (b,words,tags), memory (b,frames,tags+1)."""
        lengths = torch.randint(max(self.frames // 2, 1), self.frames + 1, (count, 1), generator=generator)
        valid = torch.arange(self.frames) < lengths
        tag = torch.rand(count, self.tags, generator=generator).argsort(1)[:, : self.frames]
        tone = 2.0 * torch.randint(2, (count, self.frames), generator=generator) - 1
        answers = (torch.rand(count, self.words, generator=generator) * lengths).long()
        shown = tone.roll(1, 0) if self.kind == "strangers" else tone
        memory = torch.cat([one_hot(tag, self.tags), shown[..., None]], dim=-1) * valid[..., None]
        x = one_hot(tag.gather(1, answers), self.tags).float()
        return Drawn(x, valid.new_ones(count, self.words), tone.gather(1, answers), memory, valid, answers)


@dataclass(frozen=True)
class OrderTask:
    """One sequence of `length` steps of noise with one A and one B in it: +1 where A comes first, -1 where B does.

    kind "count": the label says instead whether there are two As (+1) or an A and a B (-1), for which no order is
    needed.
    """

    length: int = 12
    kind: str = "order"

    def __post_init__(self):
        if self.kind not in ORDERS:
            raise ValueError(f"kind must be one of {ORDERS}, not {self.kind!r}")

    def draw(self, count: int, generator: torch.Generator) -> Drawn:
        """`count` sequences: x (b,length,3), a column for A, one for B, one of noise; labels (b,)."""
        place = torch.rand(count, self.length, generator=generator).argsort(1)[:, :2]
        first = 2.0 * (place[:, 0] < place[:, 1]) - 1
        same = 2.0 * torch.randint(2, (count,), generator=generator) - 1
        marks = one_hot(place, self.length).float()
        x = torch.stack([marks[:, 0], marks[:, 1], torch.randn(count, self.length, generator=generator)], dim=-1)
        if self.kind == "count":
            both = torch.stack([marks.sum(1), torch.zeros_like(x[..., 1])], dim=-1)
            x[..., :2] = torch.where((same > 0)[:, None, None], both, x[..., :2])
        return Drawn(x, torch.ones(count, self.length, dtype=torch.bool), first if self.kind == "order" else same)


class Asker(nn.Module):
    """Embed, let x ask the memory once through `mixing.across`, and read a number off each step: Drawn -> (b,l)."""

    def __init__(self, d_x: int, d_memory: int, mixing: Mixing, d: int = 32):
        super().__init__()
        self.x, self.memory = nn.Linear(d_x, d), nn.Linear(d_memory, d)
        self.mix = mixing.across(d)
        self.out = nn.Linear(d, 1)

    def forward(self, drawn: Drawn) -> Tensor:
        return self.out(self.mix(self.x(drawn.x), drawn.valid, self.memory(drawn.memory), drawn.memory_valid))[..., 0]


class Reader(nn.Module):
    """Embed, one encoder layer, the mean over the valid steps, one number: Drawn -> (b,). positional: with position
    codes."""

    def __init__(self, d_x: int, mixing: Mixing, positional: bool, d: int = 16):
        super().__init__()
        self.embed, self.positional = nn.Linear(d_x, d), positional
        self.layer = EncoderLayer(d, 2 * d, mixing)
        self.out = nn.Linear(d, 1)

    def encode(self, x: Tensor, valid: Tensor) -> Tensor:
        """(b,l,d_x) -> (b,l,d)."""
        h = self.embed(x)
        h = h + positions(h.shape[1], h.shape[2], h) if self.positional else h
        return self.layer(h, valid)

    def forward(self, drawn: Drawn) -> Tensor:
        inside = drawn.valid[..., None]
        return self.out((self.encode(drawn.x, drawn.valid) * inside).sum(1) / inside.sum(1))[..., 0]


def train_signs(model: nn.Module, task, seed: int = 0, steps: int = 200, batch: int = 64, lr: float = 1e-2) -> float:
    """Adam on fresh draws with the logistic loss, the rate falling to zero; returns the share of right signs on 500
    others."""

    def loss(generator: torch.Generator) -> Tensor:
        drawn = task.draw(batch, generator)
        return softplus(-drawn.labels * model(drawn)).mean()

    fit(model, loss, steps=steps, lr=lr, seed=seed)
    return right_signs(model, task, seed)


@torch.no_grad()
def right_signs(model: nn.Module, task, seed: int = 0) -> float:
    """Share of right signs on 500 draws that no training of this seed saw."""
    drawn = task.draw(500, unseen(seed))
    return (model(drawn) * drawn.labels > 0).float().mean().item()


def mean_tone(task: LookupTask, seed: int = 0) -> float:
    """Share of right answers of the rival that asks nobody: the sign of the clip's mean tone (a coin where it is
    zero)."""
    drawn = task.draw(2000, unseen(seed))
    agree = drawn.memory[..., -1].sum(1, keepdim=True).sign() * drawn.labels
    return (agree > 0).float().mean().item() + (agree == 0).float().mean().item() / 2
