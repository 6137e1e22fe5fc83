"""MISA: Modality-Invariant and -Specific Representations (Hazarika, Zimmermann, Poria, ACM Multimedia 2020)."""

from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines.common import last_valid, masked_mean
from mgmr_lib.models.baselines.config_self_supervised import MISAConfig
from mgmr_lib.models.inputs import Inputs, Network, Sequence
from mgmr_lib.models.output import Output
from mgmr_lib.models.recurrent import Bidirectional

MOMENTS = 5


def central_moment_discrepancy(x: Tensor, y: Tensor, moments: int = MOMENTS) -> Tensor:
    """|E x - E y| + sum over k = 2..moments of |C_k(x) - C_k(y)|, C_k = E (x - E x)^k per channel, E over the batch.

    x, y (b, d), values in (0, 1) -> a scalar (Zellinger et al. 2017). Its floor depends on b: two batches of equal
    distributions give 1.66 at 16 clips and 0.81 at 64. Its gradient at 0 is 0.
    """
    means = x.mean(0), y.mean(0)
    x, y = x - means[0], y - means[1]
    total = torch.linalg.vector_norm(means[0] - means[1])
    for k in range(2, moments + 1):
        total = total + torch.linalg.vector_norm(x.pow(k).mean(0) - y.pow(k).mean(0))
    return total


def overlap(x: Tensor, y: Tensor) -> Tensor:
    """The mean square of every product of a channel of x with one of y, over the batch: 0 where no channel of the one
    can be told from the other.

    x, y (b, d) are centred over the batch, and each clip's row is then scaled to length 1, the length taken as given.
    """
    x, y = (v - v.mean(0) for v in (x, y))
    x, y = (v / (torch.linalg.vector_norm(v.detach(), dim=1, keepdim=True) + 1e-6) for v in (x, y))
    return (x.T @ y).square().mean()


class TwoLSTMs(nn.Module):
    """Two bidirectional LSTMs, LayerNorm between: their last states in both directions, (b, l, d_in) -> (b, 4 d)."""

    def __init__(self, d_in: int, d: int):
        super().__init__()
        self.first, self.norm = Bidirectional(nn.LSTM, d_in, d), nn.LayerNorm(2 * d)
        self.second = Bidirectional(nn.LSTM, 2 * d, d)

    def forward(self, sequence: Sequence) -> Tensor:
        """sequence.x (b, l, d_in) -> (b, 4 d)."""
        first = self.first(sequence.x, sequence.valid)
        second = self.second(self.norm(first), sequence.valid)
        return torch.cat([part for states in (first, second) for part in self._last(states, sequence.valid)], dim=-1)

    @staticmethod
    def _last(states: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """The forward half ends at the clip's last step, the backward half at its first."""
        ahead, back = states.chunk(2, dim=-1)
        return last_valid(ahead, valid), back[:, 0]


class MISA(Network):
    """A vector for each modality -> a private and a shared part of it -> self-attention over the six -> sentiment.

    Kept, from declare-lab/MISA (MIT): one shared encoder for all modalities, sigmoids, CMD over five moments, the
    difference loss (a mean, where the paper writes a squared norm: 128^2 times larger), reconstruction from the sum of
    both parts, one post-norm Transformer layer, sizes. Left out: the adversarial variant and weights that are never
    used. Simplified: LSTMs at most `d_model` wide (709 columns of SIMS would mean 20 million weights). Repaired: voice
    and face are read to their end (MMSA packs unaligned frames by the *text's* length, and never reads the rest), and
    gradients stay finite in a batch of one clip.
    """

    def __init__(self, config: MISAConfig, inputs: Inputs):
        super().__init__()
        c, d = config, config.d_model
        self.config, self.inputs = c, inputs
        hidden = {m: min(inputs.dims[m], d) for m in ("audio", "vision")}
        self.lstms = nn.ModuleDict({m: TwoLSTMs(inputs.dims[m], h) for m, h in hidden.items()})
        widths = {"text": inputs.dims["text"]} | {m: 4 * h for m, h in hidden.items()}
        self.project = nn.ModuleDict(
            {m: nn.Sequential(nn.Linear(w, d), nn.ReLU(), nn.LayerNorm(d)) for m, w in widths.items()}
        )
        self.private = nn.ModuleDict({m: nn.Sequential(nn.Linear(d, d), nn.Sigmoid()) for m in MODALITIES})
        self.shared = nn.Sequential(nn.Linear(d, d), nn.Sigmoid())
        self.rebuild = nn.ModuleDict({m: nn.Linear(d, d) for m in MODALITIES})
        self.attend = nn.TransformerEncoderLayer(d, c.heads, c.ffn, c.attention_dropout, batch_first=True)
        self.head = nn.Sequential(nn.Linear(6 * d, 3 * d), nn.Dropout(c.dropout), nn.ReLU(), nn.Linear(3 * d, 1))

    def encode(self, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        """Batch -> each modality's vector, its private and its shared part: {modality: (b, d)} three times."""
        sequences = self.inputs(batch)
        text = sequences["text"]
        x = {"text": masked_mean(text.x, text.valid)} | {m: lstm(sequences[m]) for m, lstm in self.lstms.items()}
        x = {m: self.project[m](v) for m, v in x.items()}
        return x, {m: self.private[m](v) for m, v in x.items()}, {m: self.shared(v) for m, v in x.items()}

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output with one prediction for each clip, (b)."""
        x, private, shared = self.encode(batch)
        six = self.attend(torch.stack([*private.values(), *shared.values()], dim=1))
        terms = self.losses(x, private, shared) if self.training else {}
        return Output(self.head(six.flatten(1)).squeeze(-1), task=self.config.task, terms=terms)

    def losses(self, x: dict[str, Tensor], private: dict[str, Tensor], shared: dict[str, Tensor]) -> dict[str, Tensor]:
        """{"difference", "similarity", "rebuild"}, weighted."""
        c, pairs = self.config, list(combinations(MODALITIES, 2))
        apart = [overlap(private[m], shared[m]) for m in MODALITIES] + [
            overlap(private[m], private[n]) for m, n in pairs
        ]
        alike = [central_moment_discrepancy(shared[m], shared[n]) for m, n in pairs]
        rebuilt = [mse_loss(self.rebuild[m](private[m] + shared[m]), x[m]) for m in MODALITIES]
        return {
            "difference": c.difference * torch.stack(apart).sum(),
            "similarity": c.similarity * torch.stack(alike).mean(),
            "rebuild": c.rebuild * torch.stack(rebuilt).mean(),
        }
