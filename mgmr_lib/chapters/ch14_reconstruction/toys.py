"""Filling gaps in short signals: MGMR-Net's reconstruction module trained alone, and rivals that need no training
(notebook 14).

Every signal is (n, l, c) in standard deviations from its mean, so that a zero, which stands where a step is lost, is
the mean.
"""

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mgmr_lib.data.corpus import Corpus
from mgmr_lib.models.inputs import CLAMP, Sequence
from mgmr_lib.models.mgmr.encoders import UnimodalEncoder
from mgmr_lib.models.mgmr.reconstruction import ReconstructionModule

LENGTH = 40
Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Signals:
    """train, test: (n, l, c), standardised by the training part."""

    train: Tensor
    test: Tensor


def swing(clips: tuple[int, int] = (800, 300), period: float = 8.0, noise: float = 0.3, seed: int = 0) -> Signals:
    """Simulated: a head that nods and turns, two channels that swing with one period (in steps) from a random phase,
    and noise."""
    g = torch.Generator().manual_seed(seed)

    def draw(n: int) -> Tensor:
        turn = 2 * math.pi * (torch.arange(LENGTH) / period + torch.rand(n, 1, generator=g))
        clean = math.sqrt(2) * torch.stack([turn.cos(), turn.sin()], dim=-1)
        return math.sqrt(1 - noise**2) * clean + noise * torch.randn(clean.shape, generator=g)

    return Signals(draw(clips[0]), draw(clips[1]))


def white_noise(clips: tuple[int, int] = (800, 300), seed: int = 0) -> Signals:
    """Independent values, two channels: no step knows anything of another."""
    g = torch.Generator().manual_seed(seed)
    return Signals(*(torch.randn(n, LENGTH, 2, generator=g) for n in clips))


def face(corpus: Corpus, channels: list[int], clips: tuple[int, int] = (800, 300)) -> Signals:
    """The middle LENGTH frames of each long enough clip of a corpus, some channels of its vision features."""
    values = corpus["train"].vision.values[:, channels]
    mean, scale = values.mean(0), values.std(0)

    def cut(name: str, n: int) -> Tensor:
        vision = corpus[name].vision
        long = [vision[i] for i in np.flatnonzero(vision.lengths >= LENGTH)[:n]]
        middle = np.stack([c[(len(c) - LENGTH) // 2 :][:LENGTH, channels] for c in long])
        return torch.from_numpy(((middle - mean) / scale).astype(np.float32)).clamp(-CLAMP, CLAMP)

    return Signals(cut("train", clips[0]), cut("test", clips[1]))


def lose(x: Tensor, rate: float | Tensor, seed: int) -> Tensor:
    """Which steps of (n, l, c) are kept, (n, l) bool; rate: a number, or (n, 1). With one seed the masks are nested."""
    return torch.rand(x.shape[:2], generator=torch.Generator().manual_seed(seed)) >= rate


class FillingNet(nn.Module):
    """Encoder and reconstruction module of one modality, as in MGMR-Net: (n, l, c) with gaps -> (n, l, c) without."""

    def __init__(self, channels: int, d_model: int = 32, **options):
        super().__init__()
        self.encoder = UnimodalEncoder(channels, d_model, 3, recurrent=True)
        self.reconstruction = ReconstructionModule(d_model, channels, 1, d_state=8, expand=1, **options)

    def forward(self, x: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """x (n,l,c), keep (n,l) -> decoded (n,l,c), gate (n,l,1 or d). What stands at lost steps is never looked at."""
        seen = _seen(x, keep)
        _, decoded, gate = self.reconstruction(self.encoder(seen), seen.valid)
        return decoded, gate


class EncoderAlone(nn.Module):
    """FillingNet's encoder with a linear decoder, and no reconstruction module between them."""

    def __init__(self, channels: int, d_model: int = 32):
        super().__init__()
        self.encoder = UnimodalEncoder(channels, d_model, 3, recurrent=True)
        self.decode = nn.Linear(d_model, channels)

    def forward(self, x: Tensor, keep: Tensor) -> tuple[Tensor, None]:
        """x (n,l,c), keep (n,l) -> decoded (n,l,c), and no gate."""
        return self.decode(self.encoder(_seen(x, keep))), None


def _seen(x: Tensor, keep: Tensor) -> Sequence:
    """What an encoder reads of (n,l,c): zero at lost steps."""
    return Sequence(x.masked_fill(~keep[..., None], 0.0), x, torch.ones_like(keep), keep)


def train_filling(
    net: Net, x: Tensor, *, rate: float | None = None, everywhere: bool = False, steps: int = 100, seed: int = 0
) -> Net:
    """Train on (n, l, c) with SmoothL1 at the lost steps, or at all of them (`everywhere`, the leak).

    rate: the missing rate of all clips; None draws one in 0..1 for each clip of a batch.
    """
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, steps, pct_start=0.1)
    g = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        part = x[torch.randint(len(x), (32,), generator=g)]
        rates = torch.rand(len(part), 1, generator=g) if rate is None else rate
        keep = torch.rand(part.shape[:2], generator=g) >= rates
        counted = torch.ones_like(keep) if everywhere else ~keep
        loss = F.smooth_l1_loss(net(part, keep)[0][counted], part[counted])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return net.eval()


def fresh(channels: int = 2, seed: int = 0, **options) -> FillingNet:
    """An untrained FillingNet whose weights depend on the seed alone."""
    torch.manual_seed(seed)
    return FillingNet(channels, **options)


def fresh_encoder(channels: int = 2, seed: int = 0, d_model: int = 32) -> EncoderAlone:
    """An untrained EncoderAlone whose weights depend on the seed alone."""
    torch.manual_seed(seed)
    return EncoderAlone(channels, d_model)


@torch.no_grad()
def lost_error(fill, x: Tensor, keep: Tensor) -> float:
    """Mean absolute error at the lost steps. fill: one of the networks, or a function (x, keep) -> (n, l, c)."""
    filled = fill(x, keep)
    filled = filled[0] if isinstance(filled, tuple) else filled
    return (filled - x)[~keep].abs().mean().item()
