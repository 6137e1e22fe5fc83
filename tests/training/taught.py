"""A tiny network that uses all that training offers: a squared error, a term, a side, a latent vector, a learning rate
of its own, and a teacher whose pseudo-labels depend on every clip that it has seen."""

from dataclasses import dataclass

import torch
from torch import nn

from mgmr_lib.models.baselines.common import masked_mean
from mgmr_lib.models.output import Output
from mgmr_lib.models.registry import NETWORKS, Entry
from mgmr_lib.models.teacher import Teacher
from mgmr_lib.settings import setting


@dataclass(frozen=True)
class TaughtConfig:
    d_model: int = setting(4, "width", low=1)


class Taught(nn.Module):
    def __init__(self, config, inputs):
        super().__init__()
        self.config, self.inputs = config, inputs
        self.encode = nn.Linear(inputs.dims["audio"], config.d_model)
        self.head = nn.Linear(config.d_model, 1)
        self.side = nn.Linear(config.d_model, 1)

    def rates(self):
        return {"side.": 0.25}

    def forward(self, batch):
        s = self.inputs.one(batch, "audio")
        h = torch.tanh(self.encode(masked_mean(s.x, s.valid)))
        terms = {"small": 0.1 * h.square().mean()} if self.training else {}
        sides = {"audio": self.side(h).squeeze(-1)}
        return Output(self.head(h).squeeze(-1), task="mse", terms=terms, sides=sides, latent={"audio": h})


class Mover(Teacher):
    """Moves a clip's pseudo-label by how far its features lie from the mean of all; seen counts within an epoch."""

    def __init__(self, config, labels):
        super().__init__(config, labels)
        self.register_buffer("pseudo", labels.clone())
        self.register_buffer("features", torch.zeros(len(labels), config.d_model))
        self.register_buffer("seen", torch.zeros(len(labels), dtype=torch.int64), persistent=False)

    def start_epoch(self, epoch):
        self.epoch = epoch
        self.seen.zero_()

    def forward(self, output, batch):
        wrong = (output.sides["audio"] - self.pseudo[batch.rows]).abs()
        return {"taught": (wrong * (1 + self.seen.sum() / len(self.seen))).mean()}

    def update(self, output, batch):
        assert not torch.is_grad_enabled()
        h = output.latent["audio"]
        self.pseudo[batch.rows] += (h - self.features.mean(0)).mean(1) / (self.epoch + 1)
        self.features[batch.rows] = h
        self.seen[batch.rows] += 1


HERE = Taught.__module__
ENTRY = Entry(TaughtConfig, f"{HERE}:Taught", teacher=f"{HERE}:Mover")


def register():
    """In the place of a network of the registry, whose names are the only ones that a configuration takes."""
    NETWORKS["concat"] = ENTRY
