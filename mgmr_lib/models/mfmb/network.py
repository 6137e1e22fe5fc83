"""MFMB-Net, whole: align (hybrid attention) -> fuse at large (macro) and in detail (micro) -> predict; and reconstruct.

Paper: "A Multi-Focus-Driven Multi-Branch Network for Robust Multimodal Sentiment Analysis", AAAI 2025.
Where each of its equations (1) to (20) is, and which test compares it with a slow version, is the table of notebook 19.
"""

import torch
from torch import Tensor, nn

from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.encoder_layer import Mixing
from mgmr_lib.models.inputs import Inputs, Network
from mgmr_lib.models.mfmb.config import MFMBCodeConfig, MFMBConfig
from mgmr_lib.models.mfmb.hybrid_attention import HybridAttention
from mgmr_lib.models.mfmb.macro_fusion import MacroFusion
from mgmr_lib.models.mfmb.micro_fusion import MicroFusion
from mgmr_lib.models.mfmb.published_code import code_parts
from mgmr_lib.models.mfmb.reconstruction import ReconstructionBranch
from mgmr_lib.models.output import Output, Reconstruction, predicted


class MFMBNet(Network):
    """Batch -> Output. Both readings have the same four parts: align, macro, micro, and a rebuild for each modality."""

    def __init__(self, config: MFMBConfig | MFMBCodeConfig, inputs: Inputs):
        super().__init__()
        c = self.config = config
        self.inputs = inputs
        parts = paper_parts(c, inputs) if isinstance(c, MFMBConfig) else code_parts(c, inputs)
        self.align, self.macro, self.micro, rebuild, head = parts
        self.rebuild = nn.ModuleDict({m: rebuild(m) for m in MODALITIES if c.use_reconstruction})
        self.head = head(sum(part.width for part in (self.macro, self.micro) if part is not None), c.classes)

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output: predictions (b) or class scores (b, c), reconstructions, gates."""
        sequences = self.inputs(batch)
        valid = {m: s.valid for m, s in sequences.items()}
        h = self.align(sequences)
        rebuilt = {
            m: Reconstruction(f(h[m], valid[m]), sequences[m].target, sequences[m].missing)
            for m, f in self.rebuild.items()
        }
        found, gates = self.represent(h, valid)
        return predicted(self.head(found), self.config, rebuilt, gates)

    def represent(self, h: dict[str, Tensor], valid: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """H of Eq. 16, (b, width), from the aligned sequences; and the gates."""
        streams, gates = [], {}
        if self.macro is not None:
            streams.append(self.macro(h, valid))
        if self.micro is not None:
            fine, gates = self.micro(h, valid)
            streams.append(fine)
        return torch.cat(streams, dim=-1), gates


def paper_parts(c: MFMBConfig, inputs: Inputs) -> tuple:
    """The parts after the paper's equations: align, macro, micro, and what makes a rebuild and the head.

    Eq. 16: y = W_H H + b_H on H = [H_f; H_fusion] ("concatenated", says the sentence before the printed "+").
    """
    d, mixing = c.d_model, Mixing.of(c)
    align = HybridAttention(inputs.dims, d, c.ffn, mixing, c.dropout, c.input_dropout)
    macro = MacroFusion(d, c.ffn, c.hub, mixing, c.dropout) if c.use_macro else None
    micro = MicroFusion(d, c.d_lstm, c.text_length, c.d_mix, c.d_fine, c.gate, c.dropout) if c.use_micro else None

    def rebuild(m: str) -> nn.Module:
        return ReconstructionBranch(d, inputs.dims[m], c.ffn_rebuild, mixing)

    def head(width: int, classes: int) -> nn.Module:
        return nn.Sequential(nn.Dropout(c.dropout), nn.Linear(width, classes))

    return align, macro, micro, rebuild, head
