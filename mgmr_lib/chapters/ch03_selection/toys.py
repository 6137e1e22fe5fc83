"""Two toy tasks that need selection, and a model so small that it trains in a few CPU seconds (notebooks 03 and 07).

Selective copying and induction heads are the tasks of Gu & Dao 2023, arXiv:2312.00752, Section 4.1. Ours are balanced,
so that no single step says anything about the answer: P(letter of step t = answer) is 1/letters for every t, and the
marks say nothing about letters. A model whose logits are a sum over steps (any linear time-invariant system with a
linear readout, of any size) then has log(letters) as its lowest cross-entropy: that loss is convex in such a model's
logits, and at equal logits its gradient is zero. Only a product of letter and mark helps, and selection makes products.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mgmr_lib.chapters.shared.fit import fit, seeded, unseen
from mgmr_lib.ssm.blocks import inverse_softplus
from mgmr_lib.ssm.scan import selective_scan

SWITCHES = ("delta", "B", "C")


@dataclass(frozen=True)
class CopyTask:
    """Write down the marked letters in order.

    In each of `rounds` rounds every letter is called once, in random order. In `keep` random rounds one random call is
    marked. The input of a step is its letter (one-hot) and, behind it, the mark (0 or 1). With `only_marked` the
    unmarked steps are cut out: plain copying, where nothing is to be ignored.
    """

    letters: int = 4
    rounds: int = 6
    keep: int = 3
    only_marked: bool = False

    def __post_init__(self):
        if self.letters < 2 or not 1 <= self.keep <= self.rounds:
            raise ValueError(f"at least 2 letters and 1 <= keep <= rounds, but there are {self}")

    @property
    def length(self) -> int:
        """l, the number of steps."""
        return self.keep if self.only_marked else self.letters * self.rounds

    @property
    def chance(self) -> float:
        """The accuracy of a guess."""
        return 1 / self.letters

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """`count` sequences: inputs (b,l,letters+1) and the marked letters, in order, (b,keep)."""
        shape = count, self.rounds
        calls = torch.rand(*shape, self.letters, generator=generator).argsort(-1).flatten(1)
        rounds = torch.rand(shape, generator=generator).argsort(-1)[:, : self.keep].sort(-1).values
        marked = rounds * self.letters + torch.randint(self.letters, (count, self.keep), generator=generator)
        targets = calls.gather(1, marked)
        if self.only_marked:
            return _inputs(targets, torch.ones_like(targets), self.letters), targets
        return _inputs(calls, torch.zeros_like(calls).scatter_(1, marked, 1), self.letters), targets


@dataclass(frozen=True)
class InductionTask:
    """Say which letter came after the mark: letters ... mark, answer, ... letters, mark -> answer.

    Every letter stands in the sequence `repeats` times, in random order. The mark is a step of its own (no letter),
    once at a random place before a letter and once at the end.
    """

    letters: int = 4
    repeats: int = 5
    keep: ClassVar[int] = 1  # answers a sequence, as in CopyTask

    def __post_init__(self):
        if self.letters < 2 or self.repeats < 1:
            raise ValueError(f"at least 2 letters and 1 repeat, but there are {self}")

    @property
    def length(self) -> int:
        """l, the number of steps."""
        return self.letters * self.repeats + 2

    @property
    def chance(self) -> float:
        """The accuracy of a guess."""
        return 1 / self.letters

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """`count` sequences: inputs (b,l,letters+1) and the answer (b,1)."""
        places = self.letters * self.repeats
        calls = torch.rand(count, places, generator=generator).argsort(-1) % self.letters
        at = torch.randint(places, (count, 1), generator=generator)
        step = torch.arange(places + 1)
        is_mark = step == at
        letter = calls.gather(1, (step - (step > at).long()).clamp(max=places - 1))
        inputs = _inputs(letter, is_mark, self.letters)
        inputs[..., :-1].masked_fill_(is_mark[..., None], 0.0)
        end = torch.zeros(count, 1, self.letters + 1)
        end[..., -1] = 1.0
        return torch.cat([inputs, end], dim=1), calls.gather(1, at)


def _inputs(letters: Tensor, marks: Tensor, count: int) -> Tensor:
    """Letters and marks (b,l) -> one-hot letters with the mark behind them (b,l,count+1)."""
    return torch.cat([F.one_hot(letters, count).float(), marks.float()[..., None]], dim=-1)


class TinySSM(nn.Module):
    """A state space layer and nothing else (no gate, no nonlinearity on the signal): (b,l,d) -> (b,l,d).

    selective: which of "delta", "B" and "C" depend on the input, as in Mamba; () is a linear time-invariant system with
    the same state, (d,n). taps: length of a linear, causal, depthwise convolution in front (1: none).
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 4,
        selective: tuple[str, ...] = SWITCHES,
        taps: int = 1,
        dt_min: float = 0.1,
        dt_max: float = 1.0,
    ):
        super().__init__()
        if set(selective) - set(SWITCHES):
            raise ValueError(f"selective may hold {', '.join(SWITCHES)}, but is {selective}")
        self.selective = tuple(selective)
        self.conv = (
            nn.Conv1d(d_model, d_model, taps, groups=d_model, padding=taps - 1, bias=False) if taps > 1 else None
        )
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, d_state + 1)).repeat(d_model, 1))
        dt = torch.exp(torch.rand(d_model) * math.log(dt_max / dt_min) + math.log(dt_min))
        self.dt = nn.Parameter(inverse_softplus(dt))
        shapes = {name: (d_state,) if name in selective else (d_model, d_state) for name in "BC"}
        self.B = nn.Parameter(torch.ones(shapes["B"]))
        self.C = nn.Parameter(torch.randn(shapes["C"]) / d_state**0.5)
        widths = {"delta": d_model, "B": d_state, "C": d_state}
        self.select = nn.ModuleDict({name: nn.Linear(d_model, widths[name], bias=False) for name in self.selective})

    def delta(self, x: Tensor) -> Tensor:
        """The time steps (b,l,d), all positive, for what the convolution made of the input (b,l,d)."""
        own = self.select["delta"](x) if "delta" in self.selective else torch.zeros_like(x)
        return F.softplus(self.dt + own)

    def convolve(self, x: Tensor) -> Tensor:
        """The short convolution (or nothing): (b,l,d) -> (b,l,d)."""
        return x if self.conv is None else self.conv(x.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2)

    def _mixing(self, name: str, x: Tensor) -> Tensor:
        """B or C: each channel's own (d,n) where constant, else (b,n,l), a constant plus what the input adds."""
        constant = getattr(self, name)
        if name not in self.selective:
            return constant
        return constant[:, None] + self.select[name](x).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """x (b,l,d) -> y (b,l,d)."""
        x = self.convolve(x)
        B, C = self._mixing("B", x), self._mixing("C", x)
        return selective_scan(x.transpose(1, 2), self.delta(x).transpose(1, 2), -torch.exp(self.A_log), B, C).transpose(
            1, 2
        )


class ToyModel(nn.Module):
    """Linear embedding, any mixer (b,l,d) -> (b,l,d), and a linear readout of its last step: logits
    (b,keep,letters)."""

    def __init__(self, task, mixer: nn.Module, d_model: int):
        super().__init__()
        self.shape = task.keep, task.letters
        self.embed = nn.Linear(task.letters + 1, d_model, bias=False)
        nn.init.normal_(self.embed.weight)
        self.mixer = mixer
        self.out = nn.Linear(d_model, task.keep * task.letters)

    def forward(self, x: Tensor) -> Tensor:
        """x (b,l,letters+1) -> logits (b,keep,letters)."""
        return self.out(self.mixer(self.embed(x))[:, -1]).unflatten(-1, self.shape)


def tiny_model(
    task, selective: tuple[str, ...] = SWITCHES, seed: int = 0, d_model: int = 32, d_state: int = 4, taps: int = 1
) -> ToyModel:
    """A ToyModel on a TinySSM whose start depends on the seed alone (torch's own generator is left as it was)."""
    return seeded(seed, lambda: ToyModel(task, TinySSM(d_model, d_state, selective, taps), d_model))


def train(model: nn.Module, task, steps: int = 250, batch: int = 64, lr: float = 2e-2, seed: int = 0) -> list[float]:
    """Adam on fresh sequences, the rate falling to zero over the second half; returns the cross-entropy (nats) of each
    step.

    `model` maps inputs (b,l,letters+1) to logits (b,keep,letters).
    """

    def loss(generator: torch.Generator) -> Tensor:
        inputs, targets = task.draw(batch, generator)
        return F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())

    return fit(model, loss, steps=steps, lr=lr, seed=seed, rate="late", clip=1.0)


@torch.no_grad()
def accuracy(model: nn.Module, task, count: int = 2000, seed: int = 0) -> Tensor:
    """The share of right letters in each of the `keep` places, (keep), on sequences that training does not draw."""
    inputs, targets = task.draw(count, unseen(seed))
    return (model(inputs).argmax(-1) == targets).float().mean(0)
