"""A Mamba block whose parts can be left out, and one small task for each part that fails without it (notebook 05).

Each task draws inputs (b,l,features) and targets, and says how far outputs are off: the share of wrong answers, or the
squared error in units of the target's own power (1: as good as answering 0).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mgmr_lib.chapters.shared.fit import fit, seeded, unseen
from mgmr_lib.ssm.blocks import MambaBlock
from mgmr_lib.ssm.scan import selective_scan


class PartsBlock(MambaBlock):
    """A MambaBlock without what is set to False: (b,l,d) -> (b,l,d).

    conv: the short convolution. gate: silu(z). skip: the term D u. time_scales: the log-uniform start of dt_proj's
    bias; without it the bias starts as that of any nn.Linear. The weights stay registered, so that equal seeds give
    equal starts.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        conv: bool = True,
        gate: bool = True,
        skip: bool = True,
        time_scales: bool = True,
        **more,
    ):
        super().__init__(d_model, d_state, **more)
        self.has_conv, self.has_gate, self.has_skip = conv, gate, skip
        if not time_scales:
            with torch.no_grad():
                self.dt_proj.bias.uniform_(-(self.dt_rank**-0.5), self.dt_rank**-0.5)

    def paths(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (b,l,d) -> what the scan gives, what the skip gives, and the gate silu(z), each (b,l,e)."""
        u, z = self.in_proj(x).chunk(2, dim=-1)
        if self.has_conv:
            u = self.conv1d(u.transpose(1, 2))[..., : u.shape[1]].transpose(1, 2)
        u = F.silu(u)
        r, B, C = self.x_proj(u).split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        delta = F.linear(r, self.dt_proj.weight)  # the scan adds the bias
        time_last = (t.transpose(1, 2) for t in (u, delta, B, C))
        first, delta, B, C = time_last
        scanned = selective_scan(
            first, delta, -torch.exp(self.A_log), B, C, delta_bias=self.dt_proj.bias, delta_softplus=True
        )
        return scanned.transpose(1, 2), self.D * u, F.silu(z)

    def forward(self, x: Tensor) -> Tensor:
        """x (b,l,d) -> (b,l,d)."""
        scanned, skipped, gate = self.paths(x)
        y = scanned + skipped if self.has_skip else scanned
        return self.out_proj(y * gate if self.has_gate else y)


@dataclass(frozen=True)
class AfterMark:
    """Letters, one mark among them: which letter came right after the mark? Asked at the last step."""

    letters: int = 6
    length: int = 12

    @property
    def sizes(self) -> tuple[int, int]:
        """(input features, outputs)."""
        return self.letters + 1, self.letters

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs (b,l,letters+1), one-hot, the mark last; answers (b)."""
        calls = torch.randint(self.letters, (count, self.length), generator=generator)
        at = torch.randint(self.length - 1, (count,), generator=generator)
        rows = torch.arange(count)
        calls[rows, at] = self.letters
        return F.one_hot(calls, self.letters + 1).float(), calls[rows, at + 1]

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of the last step."""
        return F.cross_entropy(outputs[:, -1], targets)

    def error(self, outputs: Tensor, targets: Tensor) -> float:
        """The share of wrong answers."""
        return (outputs[:, -1].argmax(-1) != targets).float().mean().item()


class _Regression:
    """Squared error on the steps that count, from `first` on."""

    first = 0

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error."""
        return F.mse_loss(outputs[:, self.first :], targets[:, self.first :])

    def error(self, outputs: Tensor, targets: Tensor) -> float:
        """Squared error in units of the target's power."""
        return (self.loss(outputs, targets) / targets[:, self.first :].square().mean()).item()


@dataclass(frozen=True)
class AskedChannels(_Regression):
    """Step 0 shows one number per channel; at every later step each channel is asked for it, or not, by a coin of its
    own.

    The target is the number where asked, and 0 where not.
    """

    channels: int = 6
    questions: int = 6
    first = 1

    @property
    def sizes(self) -> tuple[int, int]:
        """(input features, outputs)."""
        return 2 * self.channels + 1, self.channels

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs (b,l,2 channels+1): numbers, questions, a mark at step 0; targets (b,l,channels)."""
        numbers = torch.randn(count, 1, self.channels, generator=generator)
        asked = (torch.rand(count, self.questions + 1, self.channels, generator=generator) < 0.5).float()
        asked[:, 0] = 0
        start = torch.zeros(count, self.questions + 1, 1)
        start[:, 0] = 1
        return torch.cat([numbers * start, asked, start], dim=-1), asked * numbers


@dataclass(frozen=True)
class Echo(_Regression):
    """Noise goes in; the target of every step is its own input."""

    channels: int = 16
    length: int = 24

    @property
    def sizes(self) -> tuple[int, int]:
        """(input features, outputs)."""
        return self.channels, self.channels

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs (b,l,channels), which are the targets too."""
        x = torch.randn(count, self.length, self.channels, generator=generator)
        return x, x


@dataclass(frozen=True)
class SlowAverage(_Regression):
    """Noise goes in; the target is its fading average with the given half-life in steps. The second half of the steps
    counts."""

    half_life: float = 30.0
    channels: int = 4
    length: int = 100
    first = 50

    @property
    def sizes(self) -> tuple[int, int]:
        """(input features, outputs)."""
        return self.channels, self.channels

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs and targets (b,l,channels); the targets have about unit variance."""
        x = torch.randn(count, self.length, self.channels, generator=generator)
        a = 0.5 ** (1 / self.half_life)
        h, ys = torch.zeros(count, self.channels), []
        for step in x.unbind(1):
            h = a * h + (1 - a * a) ** 0.5 * step
            ys.append(h)
        return x, torch.stack(ys, dim=1)


def parts_model(task, seed: int = 0, d_model: int = 16, d_state: int = 8, **parts) -> nn.Sequential:
    """Linear, a PartsBlock with these parts, Linear, for the task's sizes; its start depends on the seed alone.

    The first layer starts so that its outputs have about unit variance, whatever the task's inputs are.
    """
    features, outputs = task.sizes

    def make() -> nn.Sequential:
        inputs, _ = task.draw(64, torch.Generator().manual_seed(0))
        first = nn.Linear(features, d_model)
        nn.init.normal_(first.weight, std=inputs.square().sum(-1).mean().item() ** -0.5)
        return nn.Sequential(first, PartsBlock(d_model, d_state, **parts), nn.Linear(d_model, outputs))

    return seeded(seed, make)


def train_parts(model: nn.Module, task, steps: int, batch: int = 32, lr: float = 1e-2, seed: int = 0) -> float:
    """Adam on fresh draws; returns the task's error on 512 sequences that training does not draw."""

    def loss(generator: torch.Generator) -> Tensor:
        inputs, targets = task.draw(batch, generator)
        return task.loss(model(inputs), targets)

    fit(model, loss, steps=steps, lr=lr, seed=seed, rate="constant")
    with torch.no_grad():
        inputs, targets = task.draw(512, unseen(seed))
        return task.error(model(inputs), targets)
