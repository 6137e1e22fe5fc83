"""MGMR-Net, whole: encode -> reconstruct -> align (stage 1) -> fuse (stage 2) -> predict.

Paper: "MGMR-Net: Mamba-Guided Multimodal Reconstruction and Fusion Network ...", Electronics 2025, 14(15), 3088. Where
the paper is silent or contradicts itself, the reading is named in the docstring of the part.
"""

from typing import Any

from torch import nn

from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.inputs import Inputs, Network, pool_to_length
from mgmr_lib.models.mgmr.alignment import Alignment
from mgmr_lib.models.mgmr.config import MGMRConfig
from mgmr_lib.models.mgmr.encoders import UnimodalEncoder
from mgmr_lib.models.mgmr.fusion import InterleavedFusion
from mgmr_lib.models.mgmr.reconstruction import ProjectionOnly, ReconstructionModule
from mgmr_lib.models.output import Output, Reconstruction


class MGMRNet(Network):
    """Batch -> Output. `inputs` standardises and hides what is missing; everything after it is the paper's."""

    def __init__(self, config: MGMRConfig, inputs: Inputs):
        super().__init__()
        c = self.config = config
        self.inputs = inputs
        layer = {"d_state": c.d_state, "expand": c.expand, "d_conv": c.d_conv, "layer": c.layer, "dropout": c.dropout}
        kernels = {"text": c.kernel_text, "audio": c.kernel_audio, "vision": c.kernel_vision}
        self.encoders = nn.ModuleDict(
            {
                m: UnimodalEncoder(inputs.dims[m], c.d_model, kernels[m], m != "text", c.input_dropout)
                for m in MODALITIES
            }
        )
        self.reconstruction = nn.ModuleDict({m: self._reconstruction(inputs.dims[m], layer) for m in MODALITIES})
        self.alignment = Alignment(c.d_model, c.depth_align, c.collaboration, **layer) if c.use_alignment else None
        self.fusion = InterleavedFusion(c.d_model, c.depth_fuse if c.use_fusion else 0, **layer)
        self.dropout = nn.Dropout(c.dropout)
        self.head = nn.Linear(c.d_model, 1)

    def _reconstruction(self, d_raw: int, layer: dict) -> nn.Module:
        c = self.config
        if not c.use_reconstruction:
            return ProjectionOnly(c.d_model)
        options: dict[str, Any] = {"gate": c.gate, "bidirectional": c.bidirectional}
        return ReconstructionModule(c.d_model, d_raw, c.depth_align, **options, **layer)

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output: predictions (b), the reconstruction and the gate of each modality."""
        sequences = self.inputs(batch)
        fused, rebuilt, gates = {}, {}, {}
        for m, s in sequences.items():
            x = self.encoders[m](s)
            if self.config.use_reconstruction:
                fused[m], decoded, gates[m] = self.reconstruction[m](x, s.valid)
                rebuilt[m] = Reconstruction(decoded, s.target, s.missing)
            else:
                fused[m] = self.reconstruction[m](x, s.valid)
        text = sequences["text"]
        lengths, longest = text.valid.sum(1), text.valid.shape[1]
        for m in ("audio", "vision"):
            # Text counts a clip in tokens, voice and face in frames: bring them onto the clip's own token count.
            fused[m] = pool_to_length(fused[m], sequences[m].valid, lengths, longest)
        if self.alignment is not None:
            fused = self.alignment(fused, text.valid)
        summary = self.fusion(fused, text.valid)
        return Output(self.head(self.dropout(summary)).squeeze(-1), rebuilt, gates)
