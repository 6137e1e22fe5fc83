"""Stacked attention between two sequences of different lengths, or within one: what MulT and TFR-Net are built of."""

import math

import torch
from torch import Tensor, nn


def positions(l: int, d: int, like: Tensor) -> Tensor:
    """Sinusoidal position codes (Vaswani et al. 2017, section 3.5): (l, d), sines in the first half and cosines in the
    second."""
    half = (d + 1) // 2
    speed = torch.exp(-torch.arange(half, device=like.device) * (math.log(10000.0) / half))
    angle = torch.arange(l, device=like.device)[:, None] * speed
    return torch.cat([angle.sin(), angle.cos()], dim=1)[:, :d].to(like.dtype)


class AttentionLayer(nn.Module):
    """One block of a crossmodal transformer (MulT, section 3.2): attention, then two position-wise layers, with
    residuals.

    Z-hat = MultiHead(LN(x), LN(memory)) + LN(x), out = FFN(LN(Z-hat)) + LN(Z-hat). As printed, the residuals carry the
    normalised values (the published code carries the plain ones). Without a memory the layer attends to x itself.
    """

    def __init__(self, d: int, heads: int, dropout: float, attention_dropout: float, crossmodal: bool):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.norm_memory = nn.LayerNorm(d) if crossmodal else None
        self.attention = nn.MultiheadAttention(d, heads, dropout=attention_dropout, batch_first=True)
        self.norm_between = nn.LayerNorm(d)
        self.dropout = nn.Dropout(dropout)
        self.feedforward = nn.Sequential(nn.Linear(d, 4 * d), nn.ReLU(), nn.Dropout(dropout), nn.Linear(4 * d, d))

    def forward(self, x: Tensor, memory: Tensor | None, memory_valid: Tensor) -> Tensor:
        """x: (b, l, d), memory: (b, k, d) or None, memory_valid: (b, k) bool -> (b, l, d)."""
        x = self.norm(x)
        keys = x if self.norm_memory is None else self.norm_memory(memory)
        found, _ = self.attention(x, keys, keys, key_padding_mask=~memory_valid, need_weights=False)
        x = self.norm_between(x + self.dropout(found))
        return x + self.dropout(self.feedforward(x))


class AttentionStack(nn.Module):
    """`depth` layers. A crossmodal stack asks the other modality's low-level features anew in every layer."""

    def __init__(
        self, d: int, heads: int, depth: int, dropout: float, attention_dropout: float, crossmodal: bool = False
    ):
        super().__init__()
        options = (d, heads, dropout, attention_dropout, crossmodal)
        self.layers = nn.ModuleList([AttentionLayer(*options) for _ in range(depth)])

    def forward(
        self, x: Tensor, valid: Tensor, memory: Tensor | None = None, memory_valid: Tensor | None = None
    ) -> Tensor:
        """x: (b, l, d), valid: (b, l), memory: (b, k, d), memory_valid: (b, k) -> (b, l, d), zero in x's padding."""
        for layer in self.layers:
            x = layer(x, memory, valid if memory is None else memory_valid)
        return x.masked_fill(~valid[..., None], 0.0)
