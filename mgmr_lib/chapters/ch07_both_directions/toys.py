"""Toy tasks of notebook 07: fill a gap in a random walk, which needs both directions of time; and copy over silence.

No causal model can fill it better than by repeating the last known value: the steps of a random walk are independent of
everything before them. The first value behind the gap says more, and only a model that reads backwards sees it in time.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mgmr_lib.chapters.ch03_selection.toys import CopyTask
from mgmr_lib.chapters.shared import filling
from mgmr_lib.chapters.shared.fit import fit, seeded, unseen


@dataclass(frozen=True)
class GapTask:
    """A random walk with unit steps, of which `gap` neighbouring values are hidden. Only the hidden ones are to be
    predicted.

    The input of a step is its value (0 where hidden) and a flag (1 where hidden). With `independent` the values are the
    steps themselves, without any memory: neighbours say nothing about each other. Errors are squared, in units of a
    step.
    """

    length: int = 24
    gap: int = 7
    independent: bool = False
    scale = 4.0  # the network sees and predicts values / scale

    @property
    def sizes(self) -> tuple[int, int]:
        """(input features, outputs)."""
        return 2, 1

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs (b,l,2) and all true values (b,l,1), both divided by `scale`; a walk starts near 0."""
        steps = torch.randn(count, self.length, generator=generator)
        walk = steps if self.independent else steps.cumsum(1)
        start = torch.randint(1, self.length - self.gap, (count, 1), generator=generator)
        step = torch.arange(self.length)
        hidden = ((step >= start) & (step < start + self.gap)).float()
        walk = walk / self.scale
        return torch.stack([walk * (1 - hidden), hidden], dim=-1), walk[..., None]

    def loss(self, outputs: Tensor, drawn: tuple[Tensor, Tensor]) -> Tensor:
        """Mean squared error (in scaled units) of outputs (b,l,1) where the values were hidden."""
        inputs, truth = drawn
        hidden = inputs[..., 1:]
        return ((outputs - truth).square() * hidden).sum() / hidden.sum()

    def error(self, outputs: Tensor, drawn: tuple[Tensor, Tensor]) -> float:
        """Mean squared error in units of a step's variance."""
        return self.loss(outputs, drawn).item() * self.scale**2


def hold_last(inputs: Tensor) -> Tensor:
    """Repeat the last value before the gap: the best that a causal model can do. Inputs (b,l,2) -> (b,l,1)."""
    return filling.hold_last(inputs[..., :1], inputs[..., 1] == 0)


def straight_line(inputs: Tensor) -> Tensor:
    """Draw a line from the last value before the gap to the first behind it: the best there is. (b,l,2) -> (b,l,1)."""
    return filling.straight_line(inputs[..., :1], inputs[..., 1] == 0)


def gap_model(mixer: nn.Module, d_model: int, seed: int = 0) -> nn.Sequential:
    """Linear, the mixer (b,l,d) -> (b,l,d), Linear: (b,l,2) -> (b,l,1). The two layers' start depends on the seed
    alone."""
    return seeded(seed, lambda: nn.Sequential(nn.Linear(2, d_model), mixer, nn.Linear(d_model, 1)))


def train_gap(
    model: nn.Module, task: GapTask, steps: int = 160, batch: int = 32, lr: float = 1e-2, seed: int = 0
) -> float:
    """Adam on fresh walks, the rate falling linearly to zero; returns the error on 1000 walks that training does not
    draw."""

    def loss(generator: torch.Generator) -> Tensor:
        drawn = task.draw(batch, generator)
        return task.loss(model(drawn[0]), drawn)

    fit(model, loss, steps=steps, lr=lr, seed=seed, clip=1.0)
    with torch.no_grad():
        drawn = task.draw(1000, unseen(seed))
        return task.error(model(drawn[0]), drawn)


@dataclass(frozen=True)
class SilencedCopy(CopyTask):
    """Selective copying whose unmarked steps are silent (zeros): as long, its letters at the same places, and nothing
    to ignore. With `first` the marked letters come first, and all silence after them.
    """

    first: bool = False

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """As CopyTask.draw."""
        inputs, targets = super().draw(count, generator)
        heard = inputs * inputs[..., -1:]
        if self.first:
            order = (heard[..., -1] == 0).long().argsort(dim=1, stable=True)
            heard = heard.gather(1, order[..., None].expand_as(heard))
        return heard, targets
