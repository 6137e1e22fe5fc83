"""MGMR-Net's Mamba-enhanced reconstruction (its section 3.4): guess what was lost, and gate it with what was seen."""

import functools

import torch
from torch import Tensor, nn

from mgmr_lib.ssm import BiMamba, MambaLayer, make_block


class ReconstructionModule(nn.Module):
    """One modality: stacked Mamba layers, a gate, and two heads.

    X-hat^(n) = MambaLayer^(n)(X-hat^(n-1)), Gamma = sigmoid(W_g LayerNorm(X)), X' = Gamma X + (1 - Gamma) X-hat, and
    W_proj ReLU(LayerNorm(X')) for the fusion. The paper's L_rec compares with the raw features, whose width W_proj
    cannot have as well, so a second, linear head decodes X' to (b, l, d_raw).

    As printed, the layers run forward in time only: a lost step sees no later one; `bidirectional` lifts that.
    `gate` is "scalar" (one number per step, as W_g in R^d says) or "channel".
    """

    def __init__(
        self,
        d_model: int,
        d_raw: int,
        depth: int,
        *,
        gate: str = "scalar",
        bidirectional: bool = False,
        **layer_options,
    ):
        super().__init__()
        if gate not in ("scalar", "channel"):
            raise ValueError(f"gate must be 'scalar' or 'channel', not {gate!r}")
        make = ResidualBiMamba if bidirectional else MambaLayer
        self.layers = nn.ModuleList([make(d_model, **layer_options) for _ in range(depth)])
        self.gate_norm = nn.LayerNorm(d_model)
        self.gate = nn.Linear(d_model, 1 if gate == "scalar" else d_model, bias=False)
        self.out_norm = nn.LayerNorm(d_model)
        self.project = nn.Linear(d_model, d_model, bias=False)
        self.decode = nn.Linear(d_model, d_raw)

    def forward(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x: (b, l, d), valid: (b, l) -> fused (b, l, d), decoded (b, l, d_raw), gate (b, l, 1 or d)."""
        guess = x
        for layer in self.layers:
            guess = layer(guess, valid)
        gamma = torch.sigmoid(self.gate(self.gate_norm(x)))
        mixed = gamma * x + (1 - gamma) * guess
        fused = self.project(torch.relu(self.out_norm(mixed)))
        return fused.masked_fill(~valid[..., None], 0.0), self.decode(mixed), gamma


class ProjectionOnly(nn.Module):
    """The ablation "w/o Recon": W_proj alone, no guess and no loss."""

    def __init__(self, d_model: int):
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.project = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x (b, l, d), valid (b, l) -> (b, l, d); zero at padded steps."""
        return self.project(torch.relu(self.norm(x))).masked_fill(~valid[..., None], 0.0)


class ResidualBiMamba(nn.Module):
    """x + BiMamba(LayerNorm(x)): a reconstruction layer that may look ahead."""

    def __init__(self, d_model: int, *, dropout: float = 0.0, layer: str = "selective", **options):
        super().__init__()
        if layer == "simplified":
            raise ValueError("a bidirectional reconstruction is built of Mamba blocks: use layer='selective'")
        self.norm = nn.LayerNorm(d_model)
        self.mixer = BiMamba(d_model, block=functools.partial(make_block, layer), **options)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x (b, l, d), valid (b, l) -> (b, l, d)."""
        return x + self.dropout(self.mixer(self.norm(x), valid))
