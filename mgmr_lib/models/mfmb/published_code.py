"""MFMB-Net as its published code builds it (`reading="code"`), without the faults of that code.

What differs from the equations: three encoders a modality side by side instead of one after the other; one encoder
shared by all of macro-fusion, around a hub that starts at zero and is not learned; no coarse-to-fine MLP (the mixer in
its place is built and never called); a reconstruction of its own. What is repaired here, each measured in a notebook:
the reconstruction attended across the clips of a batch; padding was attended to; the hub needed a GPU; batches of
another size than the configured one failed. Attention has no dropout on its weights (0.2, 0.1 and 0 there), which
keeps the fused kernel.
"""

import dataclasses
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, pad

from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines.attention import positions
from mgmr_lib.models.encoder_layer import EncoderLayer, Mixing, feed_forward
from mgmr_lib.models.inputs import Inputs, Sequence
from mgmr_lib.models.masked_norm import MaskedBatchNorm
from mgmr_lib.models.mfmb.hybrid_attention import others
from mgmr_lib.models.mgmr.fusion import masked_max
from mgmr_lib.models.recurrent import Bidirectional


def steps_of(config, inputs: Inputs) -> dict[str, int]:
    """{modality: the longest sequence that the linear layers over time take}, pooled as the inputs are."""
    longest = {"text": config.text_length, "audio": config.steps_audio, "vision": config.steps_vision}
    return {m: math.ceil(l / inputs.pool.get(m, 1)) for m, l in longest.items()}


def fit(x: Tensor, steps: int) -> Tensor:
    """(b,l,d) -> (b,steps,d): zeros behind a shorter sequence, the end of a longer one cut off."""
    return pad(x, (0, 0, 0, steps - x.shape[1]))


class CodeEncoder(nn.Module):
    """sqrt(d) x + positions, `depth` pre-norm layers with FFN 4 d, LayerNorm. A memory is asked anew in every layer."""

    def __init__(
        self, d: int, depth: int, mixing: Mixing, rate: float = 0.0, cross: bool = False, causal: int | None = None,
        positional: bool = True,
    ):  # fmt: skip
        super().__init__()
        self.rate, self.positional, self.scale = rate, positional, math.sqrt(d)
        self.layers = nn.ModuleList([EncoderLayer(d, 4 * d, mixing, rate, cross, causal) for _ in range(depth)])
        self.norm = nn.LayerNorm(d)

    def forward(
        self, x: Tensor, valid: Tensor, memory: Tensor | None = None, memory_valid: Tensor | None = None
    ) -> Tensor:
        """x (b,l,d), valid (b,l), memory (b,k,d), memory_valid (b,k) -> (b,l,d)."""
        x, memory = self._embed(x), None if memory is None else self._embed(memory)
        for layer in self.layers:
            x = layer(x, valid, memory, memory_valid)
        return self.norm(x)

    def _embed(self, x: Tensor) -> Tensor:
        x = self.scale * x
        x = x + positions(x.shape[1], x.shape[2], x) if self.positional else x
        return dropout(x, self.rate, self.training)


class CodeAlignment(nn.Module):
    """{modality: Sequence} -> {modality: (b,l_m,3d)}: self-attention and both cross-attentions on the same h_m, side by
    side.

    The causal mask is part of it: step i of a sequence of at most S steps sees steps j <= i + |S - S'| of one of at
    most S'.
    """

    def __init__(self, config, dims: dict[str, int], steps: dict[str, int]):
        super().__init__()
        c, d, mixing = config, config.d_model, Mixing.of(config)
        self.text_dropout = nn.Dropout(c.dropout)
        self.project = nn.ModuleDict({m: nn.Linear(dims[m], d) for m in MODALITIES})
        self.within = nn.ModuleDict({m: CodeEncoder(d, c.depth, mixing, c.dropout, causal=0) for m in MODALITIES})
        across = {f"{m}_asks_{o}": abs(steps[m] - steps[o]) for m in MODALITIES for o in others(m)}
        self.across = nn.ModuleDict(
            {name: CodeEncoder(d, c.depth_cross, mixing, c.dropout, True, offset) for name, offset in across.items()}
        )

    def forward(self, sequences: dict[str, Sequence]) -> dict[str, Tensor]:
        """{modality: Sequence of (b, l_m, d_m)} -> {modality: (b, l_m, 3d)}; zero at padded steps."""
        x = {m: self.project[m](self.text_dropout(s.x) if m == "text" else s.x) for m, s in sequences.items()}
        found = {}
        for m, s in sequences.items():
            asked = [self.across[f"{m}_asks_{o}"](x[m], s.valid, x[o], sequences[o].valid) for o in others(m)]
            found[m] = torch.cat([self.within[m](x[m], s.valid), *asked], dim=-1).masked_fill(~s.valid[..., None], 0.0)
        return found


class CodeMacro(nn.Module):
    """{modality: (b,l_m,w)} -> the last hub token (b,w).

    Audio and vision: a linear layer over time, to `steps`. One shared encoder reads audio twice, vision twice, then
    [audio; hub], [hub; vision], [hub; text], and that once more. Four hub tokens that start at zero.
    """

    def __init__(self, w: int, depth: int, hub: int, steps: int, longest: dict[str, int], mixing: Mixing):
        super().__init__()
        self.hub, self.longest, self.width = hub, longest, w
        self.over_time = nn.ModuleDict({m: nn.Linear(longest[m], steps) for m in ("audio", "vision")})
        self.encoder = CodeEncoder(w, depth, mixing)

    def forward(self, h: dict[str, Tensor], valid: dict[str, Tensor]) -> Tensor:
        """h {modality: (b, l_m, w)}, valid {modality: (b, l_m)} -> (b, w)."""
        audio, vision = (self._encode_twice(m, h[m]) for m in ("audio", "vision"))
        hub = audio.new_zeros(audio.shape[0], self.hub, self.width)
        hub = self._read(torch.cat([audio, hub], dim=1))[:, -self.hub :]
        hub = self._read(torch.cat([hub, vision], dim=1))[:, : self.hub]
        mask = torch.cat([valid["text"].new_ones(hub.shape[:2]), valid["text"]], dim=1)
        x = torch.cat([hub, h["text"]], dim=1)
        for _ in range(2):
            x = self.encoder(x, mask)
        return x[:, self.hub - 1]

    def _encode_twice(self, m: str, x: Tensor) -> Tensor:
        x = self.over_time[m](fit(x, self.longest[m]).transpose(1, 2)).transpose(1, 2)
        return self._read(self._read(x))

    def _read(self, x: Tensor) -> Tensor:
        return self.encoder(x, x.new_ones(x.shape[:2], dtype=torch.bool))


class GatedSummary(nn.Module):
    """(b,l,w) -> (b,d) and the gate (b,l): a bidirectional GRU, a gate for each step, the maximum over the valid
    steps."""

    def __init__(self, w: int, d: int, depth: int, rate: float):
        super().__init__()
        self.gru = Bidirectional(nn.GRU, w, d, depth)
        self.gate = nn.Conv1d(2 * d, 1, 3, padding=1)
        self.mix = nn.Linear(w + 2 * d, d)
        self.dropout = nn.Dropout(rate)

    def forward(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """x (b, l, w), valid (b, l) -> summary (b, d), gate (b, l)."""
        states = self.gru(x, valid).masked_fill(~valid[..., None], 0.0)
        gate = torch.sigmoid(self.gate(states.transpose(1, 2)).transpose(1, 2))
        mixed = torch.tanh(self.mix(torch.cat([x, gate * torch.tanh(states)], dim=-1)))
        return self.dropout(masked_max(mixed, valid)), gate.squeeze(-1)


class CodeMicro(nn.Module):
    """{modality: (b,l_m,w)} -> (b, unimodal summaries and two normalised pairs side by side), and the gates.

    Each summary is brought to `common` channels; (text, audio) and (text, vision) are stacked, (b,2,common), and each
    of the two rows is normalised over the batch and the channels, with one BatchNorm for both pairs.
    """

    def __init__(self, w: int, sizes: dict[str, int], depth: int, common: int, rate: float):
        super().__init__()
        self.summary = nn.ModuleDict({m: GatedSummary(w, sizes[m], depth, rate) for m in MODALITIES})
        self.to_common = nn.ModuleDict({m: nn.Linear(sizes[m], common) for m in MODALITIES})
        self.norm = MaskedBatchNorm(2, affine=False)
        self.width = sum(sizes.values()) + 4 * common

    def forward(self, h: dict[str, Tensor], valid: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """h {modality: (b, l_m, w)}, valid {modality: (b, l_m)} -> (b, 3d + 4 common), gates {modality: (b, l_m)}."""
        found, gates = {}, {}
        for m in MODALITIES:
            found[m], gates[m] = self.summary[m](h[m], valid[m])
        common = {m: self.to_common[m](x) for m, x in found.items()}
        pairs = [self._pair(common["text"], common[q]) for q in ("vision", "audio")]
        return torch.cat([*found.values(), *pairs], dim=-1), gates

    def _pair(self, text: Tensor, other: Tensor) -> Tensor:
        return self.norm(torch.stack([text, other], dim=2)).transpose(1, 2).flatten(1)


class CodeReconstruction(nn.Module):
    """(b,l,w) -> (b,l,d_raw): an encoder over the transposed sequence, then one linear layer.

    Its tokens are the w channels, each with its whole course over time as the embedding (`steps` wide, rounded up to
    a multiple of the heads). The published code hands the clips of a batch to the encoder as if they were the tokens;
    here the channels of a clip attend to each other and to no other clip. They have no order: no positions, no causal
    mask.
    """

    def __init__(self, w: int, d_raw: int, steps: int, depth: int, mixing: Mixing, rate: float):
        super().__init__()
        self.steps = math.ceil(steps / mixing.heads) * mixing.heads
        self.encoder = CodeEncoder(self.steps, depth, mixing, rate, positional=False)
        self.decode = nn.Linear(w, d_raw)

    def forward(self, h: Tensor, valid: Tensor) -> Tensor:
        """h (b, l, w), valid (b, l) -> (b, l, d_raw)."""
        channels = fit(h, self.steps).transpose(1, 2)
        channels = self.encoder(channels, valid.new_ones(channels.shape[:2]))
        return self.decode(fit(channels.transpose(1, 2), h.shape[1]))


class CodeHead(nn.Sequential):
    """(b,width) -> (b,classes): BatchNorm, a hidden layer, ReLU."""

    def __init__(self, width: int, hidden: int, classes: int):
        super().__init__(MaskedBatchNorm(width), *feed_forward(width, hidden, classes))


def code_parts(c, inputs: Inputs) -> tuple:
    """The published architecture's parts: align, macro, micro, and what makes a rebuild and the head. c: an
    MFMBCodeConfig."""
    w, steps, mixing = 3 * c.d_model, steps_of(c, inputs), Mixing.of(c)
    sizes = {m: getattr(c, f"gru_{m}") for m in MODALITIES}
    macro_mixing = dataclasses.replace(mixing, heads=c.macro_heads)
    macro = CodeMacro(w, c.macro_depth, c.hub, c.steps, steps, macro_mixing) if c.use_macro else None
    micro = CodeMicro(w, sizes, c.gru_depth, c.common, c.dropout) if c.use_micro else None
    rebuild_mixing = dataclasses.replace(mixing, heads=c.rebuild_heads)

    def rebuild(m: str) -> nn.Module:
        return CodeReconstruction(w, inputs.dims[m], steps[m], c.depth, rebuild_mixing, c.dropout)

    def head(width: int, classes: int) -> nn.Module:
        return CodeHead(width, c.head, classes)

    return CodeAlignment(c, inputs.dims, steps), macro, micro, rebuild, head
