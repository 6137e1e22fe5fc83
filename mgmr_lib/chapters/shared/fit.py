"""One training loop for the chapters' small experiments, and a start that depends on a seed alone."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

Made = TypeVar("Made")
RATES: dict[str, Callable[[float], float]] = {  # progress in 0..1 -> share of the learning rate
    "constant": lambda done: 1.0,
    "linear": lambda done: 1 - done,  # falls to zero
    "late": lambda done: min(1.0, 2 * (1 - done)),  # falls to zero over the second half
}


def seeded(seed: int, make: Callable[[], Made]) -> Made:
    """make() under a seed of its own; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def unseen(seed: int) -> torch.Generator:
    """Draws that `fit` with this seed does not train on."""
    return torch.Generator().manual_seed(2 * seed + 1)


def fit(
    model: nn.Module,
    loss: Callable[[torch.Generator], Tensor],
    *,
    steps: int,
    lr: float,
    seed: int = 0,
    rate: str = "linear",
    clip: float | None = None,
) -> list[float]:
    """Adam for `steps` steps; returns the loss of each.

    loss(generator): draws per batch and gives a scalar; the generator's draws depend on `seed` alone. rate: a key of
    RATES;
    clip: the largest norm of the gradient.
    """
    generator = torch.Generator().manual_seed(2 * seed)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=lr)
    losses = []
    for i in range(steps):
        optimizer.param_groups[0]["lr"] = lr * RATES[rate](i / steps)
        value = loss(generator)
        optimizer.zero_grad()
        value.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        losses.append(value.item())
    return losses
