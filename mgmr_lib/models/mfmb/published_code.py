"""MFMB-Net as its published code builds it (`reading="code"`), without the faults of that code.

What differs from the equations: three encoders a modality side by side instead of one after the other; one encoder
shared by all of macro-fusion, around a hub that starts at zero and is not learned; no coarse-to-fine MLP (the mixer in
its place is built and never called); a reconstruction of its own. What is repaired here, each measured in a notebook:
the reconstruction attended across the clips of a batch; padding was attended to; the hub needed a GPU; batches of
another size than the configured one failed. Attention has no dropout on its weights (0.2, 0.1 and 0 there), which
keeps the fused kernel.

`as_printed` brings one of the code's parts nearer to what the paper prints, to measure what it does: "full-attention"
(Eq. 2, no causal mask), "own-length" (Eqs. 4 and 5: audio and vision at their own steps, masked, not through a linear
layer over time, with the hub in front of both), "one-run" (each sequence passes macro-fusion's encoder once),
"own-encoders" (Eqs. 3 to 6: weights for each of the five places, which run as often as the shared ones), "whole-hub"
(Eq. 7), "streams-only" and "linear-head" (Eq. 16: no summaries of single modalities; one layer), "two-layer-generator"
(Eq. 15, at its end).
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
from mgmr_lib.models.mfmb.config import MFMBConfig
from mgmr_lib.models.mfmb.hybrid_attention import others
from mgmr_lib.models.mgmr.fusion import masked_max
from mgmr_lib.models.recurrent import Bidirectional

PLACES = ("audio", "vision", "hub, audio", "hub, vision", "hub, text")  # where macro-fusion's encoder reads


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
        masked = c.as_printed != "full-attention"
        self.text_dropout = nn.Dropout(c.dropout)
        self.project = nn.ModuleDict({m: nn.Linear(dims[m], d) for m in MODALITIES})
        self.within = nn.ModuleDict(
            {m: CodeEncoder(d, c.depth, mixing, c.dropout, causal=0 if masked else None) for m in MODALITIES}
        )
        across = {f"{m}_asks_{o}": abs(steps[m] - steps[o]) if masked else None for m in MODALITIES for o in others(m)}
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
    """{modality: (b,l_m,w)} -> the last hub token (b,w), or with "whole-hub" all of them (b, hub * w).

    Audio and vision: a linear layer over time, to `steps`. One shared encoder reads audio twice, vision twice, then
    [audio; hub], [hub; vision], [hub; text], and that once more. Four hub tokens that start at zero. printed: the
    configuration's `as_printed`; with "own-length" the hub stands in front of audio, too, so that padding stays behind.
    """

    def __init__(
        self, w: int, depth: int, hub: int, steps: int, longest: dict[str, int], mixing: Mixing,
        printed: str = "nothing",
    ):  # fmt: skip
        super().__init__()
        self.hub, self.longest, self.channels = hub, longest, w
        self.runs = 1 if printed == "one-run" else 2
        self.width = w * hub if printed == "whole-hub" else w
        squeezed = () if printed == "own-length" else ("audio", "vision")
        self.over_time = nn.ModuleDict({m: nn.Linear(longest[m], steps) for m in squeezed})
        make = lambda: CodeEncoder(w, depth, mixing)  # noqa: E731
        self.encoder = nn.ModuleDict({p: make() for p in PLACES}) if printed == "own-encoders" else make()

    def forward(self, h: dict[str, Tensor], valid: dict[str, Tensor]) -> Tensor:
        """h {modality: (b, l_m, w)}, valid {modality: (b, l_m)} -> (b, w), or (b, hub * w)."""
        audio, vision = (self.encode(m, h[m], valid[m]) for m in ("audio", "vision"))
        hub = h["text"].new_zeros(h["text"].shape[0], self.hub, self.channels)
        if self.over_time:
            hub = self._read("hub, audio", torch.cat([audio[0], hub], dim=1), None)[:, -self.hub :]
        else:
            hub = self._pour("audio", hub, *audio)
        hub = self._pour("vision", hub, *vision)
        hub = self._pour("text", hub, h["text"], valid["text"], self.runs)
        return hub.flatten(1) if self.width > self.channels else hub[:, -1]

    def encode(self, m: str, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor | None]:
        """(b,l,w) as the hub meets it, and its mask; over a fixed number of steps every one counts (None)."""
        mask: Tensor | None = valid
        if m in self.over_time:
            x, mask = self.over_time[m](fit(x, self.longest[m]).transpose(1, 2)).transpose(1, 2), None
        return self._read(m, x, mask, self.runs), mask

    def _pour(self, m: str, hub: Tensor, x: Tensor, valid: Tensor | None, runs: int = 1) -> Tensor:
        """The hub after a modality that stands behind it."""
        mask = None if valid is None else torch.cat([valid.new_ones(hub.shape[:2]), valid], dim=1)
        return self._read(f"hub, {m}", torch.cat([hub, x], dim=1), mask, runs)[:, : self.hub]

    def _read(self, place: str, x: Tensor, valid: Tensor | None, runs: int = 1) -> Tensor:
        encoder = self.encoder[place] if isinstance(self.encoder, nn.ModuleDict) else self.encoder
        mask = x.new_ones(x.shape[:2], dtype=torch.bool) if valid is None else valid
        for _ in range(runs):
            x = encoder(x, mask)
        return x


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
    of the two rows is normalised over the batch and the channels, with one BatchNorm for both pairs. summaries: pass on
    the unimodal ones, too.
    """

    def __init__(
        self, w: int, sizes: dict[str, int], depth: int, common: int, rate: float, summaries: bool = True
    ):  # fmt: skip
        super().__init__()
        self.summaries = summaries
        self.summary = nn.ModuleDict({m: GatedSummary(w, sizes[m], depth, rate) for m in MODALITIES})
        self.to_common = nn.ModuleDict({m: nn.Linear(sizes[m], common) for m in MODALITIES})
        self.norm = MaskedBatchNorm(2, affine=False)
        self.width = (sum(sizes.values()) if summaries else 0) + 4 * common

    def forward(self, h: dict[str, Tensor], valid: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """h {modality: (b, l_m, w)}, valid {modality: (b, l_m)} -> (b, 3d + 4 common), without summaries (b, 4 common);
        gates {modality: (b, l_m)}."""
        found, gates = {}, {}
        for m in MODALITIES:
            found[m], gates[m] = self.summary[m](h[m], valid[m])
        common = {m: self.to_common[m](x) for m, x in found.items()}
        pairs = [self._pair(common["text"], common[q]) for q in ("vision", "audio")]
        return torch.cat([*(found.values() if self.summaries else ()), *pairs], dim=-1), gates

    def _pair(self, text: Tensor, other: Tensor) -> Tensor:
        return self.norm(torch.stack([text, other], dim=2)).transpose(1, 2).flatten(1)


class CodeReconstruction(nn.Module):
    """(b,l,w) -> (b,l,d_raw): an encoder over the transposed sequence, then one linear layer, or two (hidden > 0).

    Its tokens are the w channels, each with its whole course over time as the embedding (`steps` wide, rounded up to
    a multiple of the heads). The published code hands the clips of a batch to the encoder as if they were the tokens;
    here the channels of a clip attend to each other and to no other clip. They have no order: no positions, no causal
    mask.
    """

    def __init__(
        self, w: int, d_raw: int, steps: int, depth: int, mixing: Mixing, rate: float, hidden: int = 0
    ):  # fmt: skip
        super().__init__()
        self.steps = math.ceil(steps / mixing.heads) * mixing.heads
        self.encoder = CodeEncoder(self.steps, depth, mixing, rate, positional=False)
        self.decode = feed_forward(w, hidden, d_raw) if hidden else nn.Linear(w, d_raw)

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
    w, steps, mixing, printed = 3 * c.d_model, steps_of(c, inputs), Mixing.of(c), c.as_printed
    sizes = {m: getattr(c, f"gru_{m}") for m in MODALITIES}
    macro_mixing = dataclasses.replace(mixing, heads=c.macro_heads)
    macro = CodeMacro(w, c.macro_depth, c.hub, c.steps, steps, macro_mixing, printed) if c.use_macro else None
    summaries = printed != "streams-only"
    micro = CodeMicro(w, sizes, c.gru_depth, c.common, c.dropout, summaries) if c.use_micro else None
    rebuild_mixing = dataclasses.replace(mixing, heads=c.rebuild_heads)
    hidden = MFMBConfig.ffn_rebuild if printed == "two-layer-generator" else 0

    def rebuild(m: str) -> nn.Module:
        return CodeReconstruction(w, inputs.dims[m], steps[m], c.depth, rebuild_mixing, c.dropout, hidden)

    def head(width: int, classes: int) -> nn.Module:
        return nn.Linear(width, classes) if printed == "linear-head" else CodeHead(width, c.head, classes)

    return CodeAlignment(c, inputs.dims, steps), macro, micro, rebuild, head
