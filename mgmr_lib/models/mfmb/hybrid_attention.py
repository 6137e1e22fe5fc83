"""MFMB-Net's unimodal encoders and its hybrid parallel attention (Eqs. 1 and 2)."""

from torch import Tensor, nn

from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines.attention import positions
from mgmr_lib.models.encoder_layer import Mixing, feed_forward
from mgmr_lib.models.inputs import Sequence


class HybridAttention(nn.Module):
    """{modality: Sequence} -> {modality: H_m (b,l_m,d)}, each at its own length, zero in padding.

    Eq. 1: h_m = W_m X'_m + b_m. It is linear as printed, although the sentence before it speaks of non-linearity.
    Eq. 2: H_m = HPA(h_m, h_m, h_m), "first self-attention ..., then cross-attention": pre-norm self-attention in all
    three modalities; then each one asks what the other two have become (its two answers are averaged); then a
    feed-forward layer. Sinusoidal positions are added to h_m. How the parts of HPA connect is not printed: this is our
    reading.
    """

    def __init__(
        self, dims: dict[str, int], d: int, ffn: int, mixing: Mixing, dropout: float = 0.0, input_dropout: float = 0.0
    ):
        super().__init__()
        # Text alone drops inputs: its hundreds of features are what a small corpus lets a network learn by heart.
        self.input_dropout = nn.ModuleDict({m: nn.Dropout(input_dropout if m == "text" else 0.0) for m in MODALITIES})
        self.dropout = nn.Dropout(dropout)
        self.project = nn.ModuleDict({m: nn.Linear(dims[m], d) for m in MODALITIES})
        self.norm_within = nn.ModuleDict({m: nn.LayerNorm(d) for m in MODALITIES})
        self.within = nn.ModuleDict({m: mixing.within(d) for m in MODALITIES})
        self.norm_across = nn.ModuleDict({m: nn.LayerNorm(d) for m in MODALITIES})
        pairs = [(m, other) for m in MODALITIES for other in others(m)]
        self.across = nn.ModuleDict({f"{m}_asks_{other}": mixing.across(d) for m, other in pairs})
        self.norm_between = nn.ModuleDict({m: nn.LayerNorm(d) for m in MODALITIES})
        self.feed_forward = nn.ModuleDict({m: feed_forward(d, ffn, dropout=dropout) for m in MODALITIES})

    def forward(self, sequences: dict[str, Sequence]) -> dict[str, Tensor]:
        """{modality: Sequence of (b, l_m, d_m)} -> {modality: H_m (b, l_m, d)}, Eqs. 1 and 2."""
        valid = {m: s.valid for m, s in sequences.items()}
        x = {m: self.encode(m, s) for m, s in sequences.items()}
        x = {m: h + self.dropout(self.within[m](self.norm_within[m](h), valid[m])) for m, h in x.items()}
        n = {m: self.norm_across[m](h) for m, h in x.items()}
        x = {m: self._ask(m, h, n, valid) for m, h in x.items()}
        return {m: h.masked_fill(~valid[m][..., None], 0.0) for m, h in x.items()}

    def encode(self, modality: str, sequence: Sequence) -> Tensor:
        """Eq. 1, and the positions: (b,l,d_m) -> (b,l,d)."""
        h = self.project[modality](self.input_dropout[modality](sequence.x))
        return h + positions(h.shape[1], h.shape[2], h)

    def _ask(self, m: str, x: Tensor, n: dict[str, Tensor], valid: dict[str, Tensor]) -> Tensor:
        answers = [self.across[f"{m}_asks_{o}"](n[m], valid[m], n[o], valid[o]) for o in others(m)]
        x = x + self.dropout((answers[0] + answers[1]) / 2)
        return x + self.dropout(self.feed_forward[m](self.norm_between[m](x)))


def others(modality: str) -> tuple[str, str]:
    """The two modalities beside this one."""
    one, other = (m for m in MODALITIES if m != modality)
    return one, other
