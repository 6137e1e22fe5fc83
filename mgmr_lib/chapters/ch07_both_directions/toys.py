"""A toy task that needs both directions of time (notebook 07): fill a gap in a random walk.

No causal model can fill it better than by repeating the last known value: the steps of a random walk are independent of
everything before them. The first value behind the gap says more, and only a model that reads backwards sees it in time.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


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
    value, hidden = inputs.unbind(-1)
    last, out = value[:, 0], []
    for v, h in zip(value.unbind(1), hidden.unbind(1), strict=True):
        last = torch.where(h > 0, last, v)
        out.append(last)
    return torch.stack(out, dim=1)[..., None]


def straight_line(inputs: Tensor) -> Tensor:
    """Draw a line from the last value before the gap to the first behind it: the best there is. (b,l,2) -> (b,l,1)."""
    hidden = inputs[..., 1] > 0
    count = hidden.sum(1, keepdim=True)
    before, after = hold_last(inputs)[..., 0], hold_last(inputs.flip(1)).flip(1)[..., 0]
    share = hidden.cumsum(1) / (count + 1)
    return torch.where(hidden, before + (after - before) * share, inputs[..., 0])[..., None]


def gap_model(mixer: nn.Module, d_model: int, seed: int = 0) -> nn.Sequential:
    """Linear, the mixer (b,l,d) -> (b,l,d), Linear: (b,l,2) -> (b,l,1). The two layers' start depends on the seed
    alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(2, d_model), mixer, nn.Linear(d_model, 1))


def train_gap(
    model: nn.Module, task: GapTask, steps: int = 160, batch: int = 32, lr: float = 1e-2, seed: int = 0
) -> float:
    """Adam on fresh walks, the rate falling linearly to zero; returns the error on 1000 walks that training does not
    draw."""
    generator = torch.Generator().manual_seed(2 * seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for i in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (1 - i / steps)
        drawn = task.draw(batch, generator)
        loss = task.loss(model(drawn[0]), drawn)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        drawn = task.draw(1000, torch.Generator().manual_seed(2 * seed + 1))
        return task.error(model(drawn[0]), drawn)
