"""State tracking: a sum modulo k, which a turning state can keep at any length (notebook 26).

Each step shows a number 0..k-1; the answer at every step is the sum so far, modulo k. The states of Mamba-1 and Mamba-2
decay with positive real factors, which forget, but never go round; a pair of Mamba-3's may turn by 2 pi x / k at the
number x. That it can does not mean that training finds it: unfinished. First trial of Mamba-3 (k = 2, lengths up to
32, seed 0, 600 steps): the last step is right in every sequence of that length, in 98 % at twice the length, and in
64 % at four times. Earlier trials, without a sign for the start, were worse, with 8 angles a head worst.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mgmr_lib.chapters.shared.fit import fit, seeded, unseen
from mgmr_lib.ssm import Mamba2Block, Mamba3Block, MambaBlock

WIDTH = 16
SMOOTHING = 0.1  # keeps a pull on the angles when all answers are right already: four times the length needs them exact
BLOCKS = {
    "Mamba-1": lambda: MambaBlock(WIDTH, d_state=4),
    "Mamba-2": lambda: Mamba2Block(WIDTH, d_state=4, head_dim=16),
    "Mamba-3": lambda: Mamba3Block(WIDTH, d_state=4, head_dim=16, dt_min=0.9, dt_max=1.1),  # one angle a head
}


@dataclass(frozen=True)
class SumTask:
    """Sums modulo `k` of numbers, each equally likely: k = 2 is parity."""

    k: int = 2
    length: int = 32

    def draw(self, count: int, generator: torch.Generator, length: int, mixed: bool = False) -> tuple[Tensor, Tensor]:
        """`count` sequences: a sign k for the start, numbers (b,l), and the sum so far, modulo k (b,l).

        mixed: every sequence has odds of its own, from all alike to one number alone. Under equal odds a step's place
        nearly tells how often each number came, and a clock would be as good as a count.
        """
        odds = -torch.rand(count, self.k, generator=generator).log() if mixed else torch.ones(count, self.k)
        numbers = torch.multinomial(odds, length, replacement=True, generator=generator)
        sums = numbers.cumsum(1) % self.k
        numbers[:, 0], sums = self.k, (sums - numbers[:, :1]) % self.k  # a sign for the start, which counts nothing
        return numbers, sums


class Tracker(nn.Module):
    """Numbers -> one block -> logits of the sum: (b,l) -> (b,l,k)."""

    def __init__(self, name: str, k: int):
        super().__init__()
        self.embed, self.block = nn.Embedding(k + 1, WIDTH), BLOCKS[name]()
        self.norm, self.read = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, k)

    def forward(self, numbers: Tensor) -> Tensor:
        """numbers (b,l) -> logits (b,l,k)."""
        return self.read(self.norm(self.block(self.embed(numbers))))


def train(name: str, task: SumTask, seed: int, steps: int = 600, batch: int = 64, lr: float = 1e-2) -> Tracker:
    """A tracker with that block, trained on lengths that grow from 2 to the task's within the first half."""
    model, done = seeded(seed, lambda: Tracker(name, task.k)), 0

    def loss(generator: torch.Generator) -> Tensor:
        nonlocal done
        longest = 2 + round((task.length - 2) * min(1.0, 2 * done / steps))
        done += 1
        numbers, sums = task.draw(batch, generator, longest, mixed=True)
        return F.cross_entropy(model(numbers).flatten(0, 1), sums.flatten(), label_smoothing=SMOOTHING)

    fit(model, loss, steps=steps, lr=lr, seed=seed, clip=1.0)
    return model


@torch.no_grad()
def accuracy(model: Tracker, task: SumTask, seed: int, times: int = 4, count: int = 256) -> float:
    """The share of right answers at the last step of sequences `times` as long as the training's."""
    numbers, sums = task.draw(count, unseen(seed), times * task.length)
    return (model(numbers)[:, -1].argmax(-1) == sums[:, -1]).double().mean().item()
