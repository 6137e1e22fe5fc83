"""Whole layers of the same width, to compare how their time grows with length."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mgmr_lib.ssm import BiMamba, MambaBlock


class SelfAttention(nn.Module):
    """Multi-head self-attention, fused or written out with its (l,l) matrix: (b,l,d) -> (b,l,d)."""

    def __init__(self, width: int, heads: int = 4, fused: bool = True):
        super().__init__()
        self.heads, self.fused = heads, fused
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x (b, l, d) -> (b, l, d)."""
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.qkv(x).chunk(3, dim=-1))
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = F.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1) @ v
        return self.out(y.transpose(1, 2).flatten(2))

    def working_bytes(self, x: Tensor) -> int:
        """About what a train step on x (b,l,d) needs: six (b,heads,l,l) tensors where attention is written out."""
        return 0 if self.fused else 6 * 4 * self.heads * x.shape[0] * x.shape[1] ** 2


class BiLSTM(nn.Module):
    """A bidirectional LSTM whose output has the width of its input."""

    def __init__(self, width: int):
        super().__init__()
        self.lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        """x (b, l, d) -> (b, l, d)."""
        return self.lstm(x)[0]


def build(width: int) -> dict[str, nn.Module]:
    """The layers, by the name that tables and figures show."""
    torch.manual_seed(0)
    return {
        "Mamba": MambaBlock(width),
        "Bi-Mamba": BiMamba(width),
        "BiLSTM": BiLSTM(width),
        "attention, fused": SelfAttention(width),
        "attention, written out": SelfAttention(width, fused=False),
    }


def train_step(layer: nn.Module, x: Tensor) -> None:
    """Forward and backward of a scalar loss."""
    layer.zero_grad()
    layer(x).square().mean().backward()
