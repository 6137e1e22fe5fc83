"""TFR-Net: Transformer-based Feature Reconstruction Network (Yuan et al., ACM Multimedia 2021)."""

import torch
from torch import Tensor, nn

from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines.attention import AttentionStack, positions
from mgmr_lib.models.baselines.common import TemporalConv, run_packed
from mgmr_lib.models.baselines.config import TFRConfig
from mgmr_lib.models.inputs import Inputs, Network
from mgmr_lib.models.mgmr.fusion import masked_max
from mgmr_lib.models.output import Output, Reconstruction


class FeatureExtraction(nn.Module):
    """One modality's H_m = [intra-modal attention; attention to the one other; attention to the other other].

    All three run side by side on the same Conv1d features, so H_m is three times as wide as each.
    """

    def __init__(self, config: TFRConfig):
        super().__init__()
        c = config
        sizes = (c.d_model, c.heads, c.depth, c.dropout, c.attention_dropout)
        self.intra = AttentionStack(*sizes)
        self.inter = nn.ModuleList([AttentionStack(*sizes, crossmodal=True) for _ in range(len(MODALITIES) - 1)])

    def forward(self, x: Tensor, valid: Tensor, others: list[tuple[Tensor, Tensor]]) -> Tensor:
        """x: (b, l, d), valid: (b, l), others: two pairs of features (b, k, d) and mask (b, k) -> (b, l, 3 d)."""
        asked = [stack(x, valid, *other) for stack, other in zip(self.inter, others, strict=True)]
        return torch.cat([self.intra(x, valid), *asked], dim=-1)


class Rebuild(nn.Module):
    """The complete features from H_m: self-attention, then a linear layer to the raw width.

    Attention runs over the clip's own time steps. The published code hands its encoder the clips of a batch where it
    expects time steps, so that there clips attend to each other.
    """

    def __init__(self, d: int, d_raw: int, config: TFRConfig):
        super().__init__()
        c = config
        self.attend = AttentionStack(d, c.heads, c.depth_rebuild, c.dropout, c.attention_dropout)
        self.decode = nn.Linear(d, d_raw)

    def forward(self, h: Tensor, valid: Tensor) -> Tensor:
        """(b, l, 3 d), (b, l) -> (b, l, d_raw)."""
        return self.decode(self.attend(h, valid))


class GateEncoder(nn.Module):
    """The fusion module's CNN gate encoder: which steps speak, and the maximum of what they say.

    G = BiGRU(H), gate = sigmoid(Conv1d(G)), one number per step; U = max over time of tanh(W [H; gate tanh(G)] + b).
    """

    def __init__(self, d_in: int, d: int, depth: int, dropout: float):
        super().__init__()
        between = dropout if depth > 1 else 0.0
        self.gru = nn.GRU(d_in, d, depth, batch_first=True, bidirectional=True, dropout=between)
        self.gate = nn.Conv1d(2 * d, 1, 3, padding=1)
        self.mix = nn.Linear(d_in + 2 * d, d)

    def forward(self, h: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """h: (b, l, d_in), valid: (b, l) -> U (b, d), gate (b, l)."""
        states = run_packed(self.gru, h, valid)
        gate = torch.sigmoid(self.gate(states.transpose(1, 2)).transpose(1, 2))
        mixed = torch.tanh(self.mix(torch.cat([h, gate * torch.tanh(states)], dim=-1)))
        return masked_max(mixed, valid), gate.squeeze(-1)


class TFRNet(Network):
    """Extract -> reconstruct (for the loss alone) and gate, fuse -> predict.

    Two departures. LayerNorm stands where the published head has BatchNorm: a clip's prediction must not depend on
    its batch, and the last batch of an epoch may hold a single clip. The loss is the course's (mean over missing
    elements, standardised targets), so that alpha_m means the same in every network.
    """

    def __init__(self, config: TFRConfig, inputs: Inputs):
        super().__init__()
        c, d = config, config.d_model
        self.config, self.inputs = c, inputs
        widths = {m: getattr(c, f"d_{m}") for m in MODALITIES}
        self.project = nn.ModuleDict(
            {m: TemporalConv(inputs.dims[m], d, getattr(c, f"kernel_{m}")) for m in MODALITIES}
        )
        self.extract = nn.ModuleDict({m: FeatureExtraction(c) for m in MODALITIES})
        self.rebuild = nn.ModuleDict({m: Rebuild(3 * d, inputs.dims[m], c) for m in MODALITIES})
        self.gates = nn.ModuleDict({m: GateEncoder(3 * d, widths[m], c.depth_gru, c.dropout) for m in MODALITIES})
        self.dropout = nn.Dropout(c.dropout)
        total = sum(widths.values())
        self.head = nn.Sequential(
            nn.LayerNorm(total),
            nn.Linear(total, c.d_head),
            nn.LeakyReLU(),
            nn.Dropout(c.dropout),
            nn.Linear(c.d_head, 1),
        )

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output: predictions (b), the reconstruction and the gate of each modality."""
        sequences = self.inputs(batch)
        low = {m: self.project[m](s) for m, s in sequences.items()}
        low = {m: self.dropout(x + positions(x.shape[1], x.shape[2], x)) for m, x in low.items()}
        said, rebuilt, gates = [], {}, {}
        for m, s in sequences.items():
            h = self.extract[m](low[m], s.valid, [(low[n], sequences[n].valid) for n in MODALITIES if n != m])
            rebuilt[m] = Reconstruction(self.rebuild[m](h, s.valid), s.target, s.missing)
            summary, gates[m] = self.gates[m](h, s.valid)
            said.append(summary)
        prediction = self.head(self.dropout(torch.cat(said, dim=-1))).squeeze(-1)
        return Output(prediction, rebuilt, gates)
