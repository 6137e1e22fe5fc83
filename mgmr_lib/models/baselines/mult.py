"""Multimodal Transformer for unaligned sequences (Tsai et al., ACL 2019)."""

import torch
from torch import Tensor, nn

from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines.attention import AttentionStack, positions
from mgmr_lib.models.baselines.common import TemporalConv, last_valid
from mgmr_lib.models.baselines.config import MulTConfig
from mgmr_lib.models.inputs import Inputs, Network, Sequence
from mgmr_lib.models.output import Output


class MulT(Network):
    """Conv1d and positions -> six crossmodal stacks -> three self-attention stacks -> last steps -> residual block ->
    sentiment.

    Each modality asks the two others, at its own length: nothing is aligned or pooled. No causal mask: the paper
    describes none (the published code sets one). The "last step" is each clip's last valid one.
    """

    def __init__(self, config: MulTConfig, inputs: Inputs):
        super().__init__()
        c, d = config, config.d_model
        self.config, self.inputs = c, inputs
        self.project = nn.ModuleDict(
            {m: TemporalConv(inputs.dims[m], d, getattr(c, f"kernel_{m}")) for m in MODALITIES}
        )
        pairs = [(source, target) for target in MODALITIES for source in MODALITIES if source != target]
        rest = (c.dropout, c.attention_dropout)
        self.cross = nn.ModuleDict({f"{s}_to_{t}": AttentionStack(d, c.heads, c.depth, *rest, True) for s, t in pairs})
        self.within = nn.ModuleDict({m: AttentionStack(2 * d, c.heads, c.depth_self, *rest) for m in MODALITIES})
        self.dropout = nn.Dropout(c.dropout)
        self.mix = nn.Sequential(nn.Linear(6 * d, 6 * d), nn.ReLU(), nn.Dropout(c.dropout), nn.Linear(6 * d, 6 * d))
        self.head = nn.Linear(6 * d, 1)

    def _low_level(self, modality: str, sequence: Sequence) -> Tensor:
        x = self.project[modality](sequence)
        return self.dropout(x + positions(x.shape[1], x.shape[2], x))

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output with one prediction for each clip, (b)."""
        sequences = self.inputs(batch)
        low = {m: self._low_level(m, s) for m, s in sequences.items()}
        last = []
        for target in MODALITIES:
            valid = sequences[target].valid
            asked = [
                self.cross[f"{source}_to_{target}"](low[target], valid, low[source], sequences[source].valid)
                for source in MODALITIES
                if source != target
            ]
            last.append(last_valid(self.within[target](torch.cat(asked, dim=-1), valid), valid))
        x = torch.cat(last, dim=-1)
        return Output(self.head(x + self.mix(x)).squeeze(-1))
