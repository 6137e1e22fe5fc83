"""State tracking: a sum modulo k, which a turning state can keep at any length (notebook 26).

Each step shows a number 0..k-1; the answer at every step is the sum so far, modulo k. The states of Mamba-1 and Mamba-2
decay with positive real factors, which forget, but never go round; a pair of Mamba-3's may turn by 2 pi x / k at the
number x. That it can does not mean that training finds it. Four choices were made so that what it finds lasts beyond
the training's lengths: time steps near 1, a start with weak decay (Mamba-1's and Mamba-2's is weak by itself), more
weight on late steps, and few angles per head, since many make clocks that fit short sequences alone.
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
    "Mamba": lambda: MambaBlock(WIDTH, d_state=4),
    "Mamba-2": lambda: Mamba2Block(WIDTH, d_state=4, head_dim=16),
    "Mamba-3": lambda: _starting_slowly(_mamba3()),
    "Mamba-3, angles held": lambda: _without_angles(_starting_slowly(_mamba3())),
    "LSTM": lambda: _LSTM(),
}


@dataclass(frozen=True)
class SumTask:
    """Sums modulo `k` of numbers, each equally likely: k = 2 is parity."""

    k: int = 3
    length: int = 16

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
        with torch.no_grad():
            self.embed.weight[:, 0] = 1.0  # the same for all numbers at the start: blocks take their biases from it
        self.norm, self.read = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, k)

    def forward(self, numbers: Tensor) -> Tensor:
        """numbers (b,l) -> logits (b,l,k)."""
        return self.read(self.norm(self.block(self.embed(numbers))))


class _LSTM(nn.LSTM):
    """The baseline, with a block's call."""

    def __init__(self):
        super().__init__(WIDTH, WIDTH, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """(b,l,d) -> (b,l,d)."""
        return super().forward(x)[0]


def _mamba3() -> Mamba3Block:
    """Two angles per head, and time steps near 1, with which half a turn per step can be reached."""
    return Mamba3Block(WIDTH, d_state=4, head_dim=16, rope_fraction=1.0, dt_min=0.9, dt_max=1.1)


def _starting_slowly(block: Mamba3Block, bias: float = -5.0) -> Mamba3Block:
    """Decay near 1 at every number: A = -softplus(-5) at the start, by the embedding's constant entry."""
    end = -block.n_angles - block.n_heads  # in_proj's last rows: delta, A, lambda, and the angles
    with torch.no_grad():
        block.in_proj.weight[end - block.n_heads : end] = 0.0
        block.in_proj.weight[end - block.n_heads : end, 0] = bias
    return block


def _without_angles(block: Mamba3Block) -> Mamba3Block:
    """The control: all else as it is, but no state turns."""
    angles = torch.zeros(len(block.in_proj.weight), 1)
    angles[-block.n_angles :] = 1.0
    with torch.no_grad():
        block.in_proj.weight *= 1 - angles
    block.in_proj.weight.register_hook(lambda grad: grad * (1 - angles))
    return block


def train(name: str, task: SumTask, seed: int, steps: int = 400, batch: int = 64, lr: float = 1e-2) -> Tracker:
    """A tracker with that block, trained on lengths that grow from 2 to the task's within the first half; step t of a
    sequence weighs t."""
    model, done = seeded(seed, lambda: Tracker(name, task.k)), 0

    def loss(generator: torch.Generator) -> Tensor:
        nonlocal done
        length = 2 + round((task.length - 2) * min(1.0, 2 * done / steps))
        done += 1
        numbers, sums = task.draw(batch, generator, length, mixed=True)
        surprise = F.cross_entropy(model(numbers).mT, sums, label_smoothing=SMOOTHING, reduction="none").mean(0)
        weights = torch.arange(1.0, length + 1)
        return (surprise * weights).sum() / weights.sum()

    fit(model, loss, steps=steps, lr=lr, seed=seed, clip=1.0)
    return model


@torch.no_grad()
def accuracy(model: Tracker, task: SumTask, seed: int, times: int = 4, count: int = 256) -> float:
    """The share of right answers at the last step of sequences `times` as long as the training's."""
    numbers, sums = task.draw(count, unseen(seed), times * task.length)
    return (model(numbers)[:, -1].argmax(-1) == sums[:, -1]).double().mean().item()


@torch.no_grad()
def by_step(
    model: Tracker, task: SumTask, seed: int, rounded: tuple[int, ...] = (), times: int = 8, count: int = 256
) -> list[float]:
    """The share of right answers after each step of sequences `times` as long as the training's.

    rounded: at these numbers each pair of a Mamba-3 turns by the whole k-th parts of a turn nearest to what it learned.
    """
    numbers, sums = task.draw(count, unseen(seed), times * task.length)
    if not rounded:
        return (model(numbers).argmax(-1) == sums).double().mean(0).tolist()
    select, here = model.block._select, torch.isin(numbers, torch.tensor(rounded))[..., None, None]

    def exact(x, partner):
        z, (values, dt, *others, angle) = select(x, partner)
        stop = 2 * torch.pi / task.k / dt[..., None]
        return z, (values, dt, *others, torch.where(here, (angle / stop).round() * stop, angle))

    model.block._select = exact
    try:
        return (model(numbers).argmax(-1) == sums).double().mean(0).tolist()
    finally:
        del model.block._select  # the class's own is back


@torch.no_grad()
def turns(model: Tracker, k: int) -> Tensor:
    """How far each pair turns at each number: (k, heads, angles), in whole turns, between -1/2 and 1/2."""
    _, (_, dt, _, _, _, _, angle) = model.block._select(model.embed(torch.arange(k)[None]), None)
    whole = (angle * dt[..., None])[0] / (2 * torch.pi)
    return whole - whole.round()


FORTH, BACK, SAME, MISSED = (
    "near its stops",
    "near its stops the other way round",
    "two numbers near one stop",
    "missed",
)
NEAR = 0.1  # of the way from one stop to the next


def ways(turns: Tensor, near: float = NEAR) -> list[str]:
    """How each pair's turns, (k, heads, angles) in whole turns, stand to the stops 0, 1/k, 2/k, ...

    FORTH: number x near stop x; BACK: near stop -x; SAME: near stops, two numbers at one; MISSED: anything else. Near
    is a share of the way from one stop to the next.
    """
    k = len(turns)
    stops, found = k * turns.flatten(1).T, []
    for pair in stops:
        at = (pair.round() % k).int().tolist()
        if (pair - pair.round()).abs().max() > near:
            found.append(MISSED)
        elif at == list(range(k)):
            found.append(FORTH)
        else:
            found.append(BACK if at == [-x % k for x in range(k)] else SAME if len(set(at)) < k else MISSED)
    return found
