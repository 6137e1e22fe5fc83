"""A character model of two Mamba blocks, small enough to train in a few CPU seconds (notebook 05)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mgmr_lib.ssm.blocks import MambaBlock


class CharModel(nn.Module):
    """Embedding, residual Mamba blocks with a norm before each, a last norm, logits: (b,l) indices -> (b,l,v).

    v: number of characters. The readout shares the embedding's weights. The start depends on the seed alone. block:
    further options of MambaBlock.
    """

    def __init__(self, characters: int, d_model: int = 48, layers: int = 2, d_state: int = 8, seed: int = 0, **block):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embed = nn.Embedding(characters, d_model)
            nn.init.normal_(self.embed.weight, std=d_model**-0.5)
            self.norms = nn.ModuleList(nn.RMSNorm(d_model) for _ in range(layers + 1))
            self.blocks = nn.ModuleList(MambaBlock(d_model, d_state, **block) for _ in range(layers))

    def _read(self, x: Tensor) -> Tensor:
        return F.linear(self.norms[-1](x), self.embed.weight)

    def forward(self, ids: Tensor) -> Tensor:
        """ids (b,l) -> logits of the next character at every step (b,l,v)."""
        x = self.embed(ids)
        for norm, block in zip(self.norms, self.blocks, strict=False):
            x = x + block(norm(x))
        return self._read(x)

    def allocate_state(self, batch: int = 1) -> list[tuple[Tensor, Tensor]]:
        """The empty state of every block."""
        return [block.allocate_state(batch) for block in self.blocks]

    def step(self, ids: Tensor, states: list) -> tuple[Tensor, list]:
        """One character a row: ids (b), states -> logits (b,v) and the next states."""
        x, after = self.embed(ids), []
        for norm, block, state in zip(self.norms, self.blocks, states, strict=False):
            y, state = block.step(norm(x), state)
            x, after = x + y, [*after, state]
        return self._read(x), after


def train_characters(
    model: CharModel, ids: Tensor, steps: int = 150, batch: int = 16, length: int = 64, lr: float = 1e-2, seed: int = 0
) -> list[float]:
    """Adam on random pieces of the text ids (l), the rate falling linearly to zero; returns each step's loss in
    nats."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    pieces, losses = ids.unfold(0, length + 1, 1), []
    for i in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (1 - i / steps)
        chosen = pieces[torch.randint(len(pieces), (batch,), generator=generator)]
        loss = F.cross_entropy(model(chosen[:, :-1]).flatten(0, 1), chosen[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def bits_per_character(model: CharModel, ids: Tensor) -> float:
    """Mean surprise in bits about every character of ids (l) but the first, read in one pass."""
    return F.cross_entropy(model(ids[None, :-1])[0], ids[1:]).item() / math.log(2)
