"""MGMR-Net's stage 2: one interleaved sequence, Mamba layers over it, the maximum over time (its section 3.3.1)."""

import torch
from torch import Tensor, nn

from mgmr_lib.ssm import MambaLayer


def interleave(x: dict[str, Tensor]) -> Tensor:
    """[C_a^1; C_v^1; C_t^1; C_a^2; ...]: three (b, l, d) -> (b, 3 l, d)."""
    b, l, d = x["text"].shape
    return torch.stack([x["audio"], x["vision"], x["text"]], dim=2).reshape(b, 3 * l, d)


def masked_max(x: Tensor, valid: Tensor) -> Tensor:
    """The largest valid value of each channel: (b, l, d), (b, l) -> (b, d)."""
    return x.masked_fill(~valid[..., None], -torch.inf).amax(1)


class InterleavedFusion(nn.Module):
    """F = MambaLayers(X_mm), F_final = max over the valid ones of the 3 T tokens. depth 0 is the ablation "w/o S-2"."""

    def __init__(self, d_model: int, depth: int, **layer_options):
        super().__init__()
        self.layers = nn.ModuleList([MambaLayer(d_model, **layer_options) for _ in range(depth)])
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: dict[str, Tensor], valid: Tensor) -> Tensor:
        """x: {modality: (b, l, d)}, valid: (b, l) -> (b, d)."""
        tokens, mask = interleave(x), torch.repeat_interleave(valid, 3, dim=1)
        for layer in self.layers:
            tokens = layer(tokens, mask)
        return masked_max(self.norm(tokens), mask)
