"""MFMB-Net's micro-fusion (Eqs. 8 to 13): what each step says, gated, and joined to the text step by step."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.encoder_layer import feed_forward
from mgmr_lib.models.inputs import pool_to_length
from mgmr_lib.models.masked_norm import MaskedBatchNorm
from mgmr_lib.models.recurrent import Bidirectional

PAIRS = ("vision", "audio")  # the modalities that text is stacked with


class MemoryGate(nn.Module):
    """Eqs. 9 and 10: MGN = FFN(Conv1d(H')), U = H' x MGN, for H' (b,l,d) -> U (b,l,d), MGN (b,l,d).

    As printed, nothing bounds the gate: it is a product of two features. "sigmoid" brings it into (0, 1).
    """

    def __init__(self, d: int, gate: str = "printed"):
        super().__init__()
        self.conv = nn.Conv1d(d, d, 3, padding=1)
        self.feed_forward = feed_forward(d, d)
        self.activation = torch.sigmoid if gate == "sigmoid" else nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x: zero in padding, so that a clip's last step sees the same beside it in any batch."""
        gate = self.activation(self.feed_forward(self.conv(x.transpose(1, 2)).transpose(1, 2)))
        return x * gate, gate


class CoarseToFine(nn.Module):
    """Eqs. 11 to 13 for one pair: two (b,L,d) on the text's steps -> (b, d * fine).

    Eq. 11 stacks text and the other, (b,2,L,d); Eq. 12 rearranges to (b,d,2L), where BN normalises each channel over
    the valid steps of both; Eq. 13 mixes along time: W1 2L -> hidden, ReLU, LN, W2 hidden -> fine, ReLU. The paper
    gives no sizes. Padding is zeroed before W1, whose columns for steps that a clip lacks then see nothing.
    """

    def __init__(self, length: int, d: int, hidden: int, fine: int):
        super().__init__()
        self.norm = MaskedBatchNorm(d)
        self.mix = nn.Sequential(
            nn.Linear(2 * length, hidden), nn.ReLU(), nn.LayerNorm(hidden), nn.Linear(hidden, fine), nn.ReLU()
        )

    def forward(self, text: Tensor, other: Tensor, valid: Tensor) -> Tensor:
        """text, other (b,L,d), valid (b,L) -> (b, d * fine)."""
        return self.mix(self.coarse(text, other, valid)).flatten(1)

    def coarse(self, text: Tensor, other: Tensor, valid: Tensor) -> Tensor:
        """Eqs. 11 and 12: (b,d,2L), zero in padding."""
        stacked = torch.stack([text, other], dim=1)
        rearranged = stacked.flatten(1, 2)  # (b,2L,d): all steps of text, then all of the other
        return self.norm(rearranged, torch.cat([valid, valid], dim=1)).transpose(1, 2)


class MicroFusion(nn.Module):
    """{modality: H_m (b,l_m,d)} -> H_fusion (b, 2 * 2 hidden * fine), and the gates {modality: (b,l_m,2 hidden)}.

    Eq. 8, whose bar over H'_m we leave out: H'_m = tanh(BiLSTM(H_m)), `hidden` each way. (The printed input is the
    output itself; the two streams run side by side, so H_m it is.) Eqs. 9 and 10: the memory gate. Eqs. 11 to 13:
    vision and audio, averaged onto the text's steps, are each joined with the text. length: L of Eq. 13, the text's
    longest; a longer text is averaged onto L steps.
    dropout: on U_m, in training (the paper does not say where it drops).
    "Pseudo-Siamese": the same structure with weights of its own for each modality and each pair.
    """

    def __init__(
        self, d: int, hidden: int, length: int, mix: int, fine: int, gate: str = "printed", dropout: float = 0.0
    ):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.length, self.width = length, len(PAIRS) * 2 * hidden * fine
        self.context = nn.ModuleDict({m: Bidirectional(nn.LSTM, d, hidden) for m in MODALITIES})
        self.gate = nn.ModuleDict({m: MemoryGate(2 * hidden, gate) for m in MODALITIES})
        self.fine = nn.ModuleDict({q: CoarseToFine(length, 2 * hidden, mix, fine) for q in PAIRS})

    def forward(self, h: dict[str, Tensor], valid: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """h {modality: (b, l_m, d)}, valid {modality: (b, l_m)} -> H_fusion (b, 4 hidden * fine), gates, Eqs. 8 to
        13."""
        u, gates = {}, {}
        for m in MODALITIES:
            context = torch.tanh(self.context[m](h[m], valid[m])).masked_fill(~valid[m][..., None], 0.0)
            gated, gates[m] = self.gate[m](context)
            u[m] = self.dropout(gated)
        steps, lengths = self._on_text(u, valid)
        mask = torch.arange(self.length, device=lengths.device) < lengths[:, None]
        fine = [self.fine[q](steps["text"], steps[q], mask) for q in PAIRS]
        return torch.cat(fine, dim=-1), gates

    def _on_text(self, u: dict[str, Tensor], valid: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        """All three (b,L,d) on the text's steps, padded to L, and the clips' lengths (b,)."""
        length, tokens = self.length, valid["text"].sum(1)
        lengths = tokens.clamp(max=length)
        steps = {q: pool_to_length(u[q], valid[q], lengths, length) for q in PAIRS}
        spare = length - u["text"].shape[1]
        if spare >= 0:
            return steps | {"text": pad(u["text"], (0, 0, 0, spare))}, lengths
        return steps | {"text": pool_to_length(u["text"], valid["text"], lengths, length)}, lengths
