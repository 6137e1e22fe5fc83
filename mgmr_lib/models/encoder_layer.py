"""An encoder layer in two makes: its steps are mixed by attention (a Transformer's) or by scans in both directions.

MFMB-Net is built of Transformer encoders. Its Mamba twin differs in one thing: wherever attention mixes the steps of a
sequence, or brings in those of another one, a pair of Mamba blocks does.
"""

import dataclasses
import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from mgmr_lib.ssm import BiMamba, flip_valid, make_block
from mgmr_lib.ssm.padding import checked_mask, right_padded, zeroed


class Attention(nn.Module):
    """Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2), without dropout on its weights.

    That dropout would cost the fused kernel, and with it a factor of five. causal: None, or an offset o: step i sees
    steps j <= i + o of what it asks. head_width: of each head; 0 shares d out.
    """

    def __init__(self, d: int, heads: int, causal: int | None = None, head_width: int = 0):
        super().__init__()
        self.heads, self.causal = heads, causal
        inner = heads * head_width or d
        self.query = nn.Linear(d, inner)
        self.key_value = nn.Linear(d, 2 * inner)
        self.out = nn.Linear(inner, d)

    def forward(
        self,
        x: Tensor,
        valid: Tensor,
        memory: Tensor | None = None,
        memory_valid: Tensor | None = None,
        first: int | None = None,
    ) -> Tensor:
        """x (b,l,d), valid (b,l), memory (b,k,d), memory_valid (b,k) -> (b,l,d). Without a memory, x asks itself.

        first: compute the outputs of the first so many steps alone, (b,first,d). Outputs in the padding mean nothing.
        """
        itself = memory is None
        if memory is None:
            memory, memory_valid = x, valid
        assert memory_valid is not None  # it comes with the memory
        key, value = self.key_value(memory).chunk(2, dim=-1)
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # noqa: E731
        query = self.query(x if first is None else x[:, :first])
        mask, causal = self._mask(query.shape[1], memory_valid, itself)
        found = scaled_dot_product_attention(split(query), split(key), split(value), attn_mask=mask, is_causal=causal)
        return self.out(found.transpose(1, 2).flatten(2))

    def _mask(self, l: int, valid: Tensor, itself: bool) -> tuple[Tensor | None, bool]:
        if self.causal == 0 and itself:
            right_padded(valid)
            return None, True  # padding lies behind every valid step, so the causal mask hides it as well
        mask, k = valid[:, None, None, :], valid.shape[1]
        if self.causal is not None and self.causal < k - 1:
            steps = torch.arange(max(l, k), device=valid.device)
            mask = mask & (steps[None, :k] <= steps[:l, None] + self.causal)
        return mask, False


class Scan(nn.Module):
    """BiMamba in the place of self-attention: same arguments, same shapes."""

    def __init__(self, d: int, layer: str = "selective", **options):
        super().__init__()
        self.mamba = BiMamba(d, block=functools.partial(make_block, layer), **options)

    def forward(self, x: Tensor, valid: Tensor, first: int | None = None) -> Tensor:
        """x (b,l,d), valid (b,l) -> (b,l,d), or (b,first,d)."""
        return self.mamba(x, valid)[:, :first]


class CrossScan(nn.Module):
    """Two Mamba blocks in the place of cross-attention: x is scanned right behind the memory that it asks.

    One block reads [memory; x] in the order of time, the other one reads both in reverse ([reversed memory; reversed
    x]), so that in either direction every step of x comes after the whole memory, as every query of an attention sees
    all keys. What is worth carrying over is up to the selection. Only the outputs at x's steps are kept; the two are
    averaged.
    """

    def __init__(self, d: int, layer: str = "selective", **options):
        super().__init__()
        self.ahead = make_block(layer, d, **options)
        self.back = make_block(layer, d, **options)

    def forward(
        self, x: Tensor, valid: Tensor, memory: Tensor, memory_valid: Tensor, first: int | None = None
    ) -> Tensor:
        """x (b,l,d), valid (b,l), memory (b,k,d), memory_valid (b,k) -> (b,l,d), zero in x's padding."""
        valid, memory_valid = checked_mask(valid, x), checked_mask(memory_valid, memory)
        ahead = self._read(self.ahead, x, valid, memory, memory_valid)
        reverse = flip_valid(x, valid), valid, flip_valid(memory, memory_valid), memory_valid
        back = flip_valid(self._read(self.back, *reverse), valid)
        return 0.5 * (ahead + back)[:, :first]

    @staticmethod
    def _read(block: nn.Module, x: Tensor, valid: Tensor, memory: Tensor, memory_valid: Tensor) -> Tensor:
        joined, mask, place = join(memory, memory_valid, x, valid)
        return zeroed(take(block(joined, mask), place), valid)


def take(x: Tensor, steps: Tensor) -> Tensor:
    """x (b,l,d) at steps (b,k) -> (b,k,d)."""
    return x.gather(1, steps[..., None].expand(-1, -1, x.shape[2]))


def join(first: Tensor, first_valid: Tensor, then: Tensor, then_valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Two sequences end to end without padding between them.

    (b,k,d), (b,k), (b,l,d), (b,l) -> joined (b,k+l,d), its mask (b,k+l), and where `then`'s steps lie in it (b,l).
    """
    k, l = first.shape[1], then.shape[1]
    before = first_valid.sum(1, keepdim=True)
    steps = torch.arange(k + l, device=first.device)
    source = torch.where(steps < before, steps, steps + k - before).clamp(max=k + l - 1)
    joined = take(torch.cat([first, then], dim=1), source)
    return joined, steps < before + then_valid.sum(1, keepdim=True), before + steps[:l]


@dataclass(frozen=True)
class Mixing:
    """What mixes steps: attention with so many heads, or Mamba blocks of this generation and these sizes (see
    ssm/generations.py)."""

    encoder: str = "transformer"
    heads: int = 4
    head_width: int = 0
    d_state: int = 16
    expand: int = 2
    d_conv: int = 4
    layer: str = "selective"

    @classmethod
    def of(cls, config) -> "Mixing":
        """How a network with this configuration mixes steps; what it leaves open keeps its default."""
        return cls(**{f.name: getattr(config, f.name) for f in dataclasses.fields(cls) if hasattr(config, f.name)})

    def within(self, d: int, causal: int | None = None) -> nn.Module:
        """A mixer of one sequence's steps."""
        return self._attention(d, causal) if self.encoder == "transformer" else Scan(d, **self._scan())

    def across(self, d: int, causal: int | None = None) -> nn.Module:
        """A mixer that asks another sequence."""
        return self._attention(d, causal) if self.encoder == "transformer" else CrossScan(d, **self._scan())

    def _attention(self, d: int, causal: int | None) -> Attention:
        return Attention(d, self.heads, causal, self.head_width)

    def _scan(self) -> dict:
        return {"layer": self.layer, "d_state": self.d_state, "expand": self.expand, "d_conv": self.d_conv}


def feed_forward(d: int, hidden: int, d_out: int | None = None, dropout: float = 0.0) -> nn.Sequential:
    """Two linear layers with a ReLU between them: (..., d) -> (..., d_out or d)."""
    return nn.Sequential(nn.Linear(d, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, d_out or d))


class EncoderLayer(nn.Module):
    """Pre-norm: x + mix(LN(x)), then x + FFN(LN(x)); with a memory, x + mix(LN(x), LN(memory))."""

    def __init__(
        self, d: int, ffn: int, mixing: Mixing, dropout: float = 0.0, cross: bool = False, causal: int | None = None
    ):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.mix = mixing.across(d, causal) if cross else mixing.within(d, causal)
        self.norm_between = nn.LayerNorm(d)
        self.feed_forward = feed_forward(d, ffn, dropout=dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        valid: Tensor,
        memory: Tensor | None = None,
        memory_valid: Tensor | None = None,
        first: int | None = None,
    ) -> Tensor:
        """x (b,l,d), valid (b,l), memory (b,k,d), memory_valid (b,k) -> (b,l,d), or (b,first,d)."""
        asked = {} if memory is None else {"memory": self.norm(memory), "memory_valid": memory_valid}
        x = x[:, :first] + self.dropout(self.mix(self.norm(x), valid, **asked, first=first))
        return x + self.dropout(self.feed_forward(self.norm_between(x)))
