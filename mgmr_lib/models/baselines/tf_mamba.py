"""TF-Mamba: a text-enhanced fusion Mamba for sentiment with missing modalities (2025)."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from mgmr_lib.data.batch import Batch
from mgmr_lib.models.baselines.config import TFMambaConfig
from mgmr_lib.models.encoder_layer import Attention, feed_forward
from mgmr_lib.models.inputs import Inputs, Sequence
from mgmr_lib.models.mgmr.fusion import masked_max
from mgmr_lib.models.output import Output, Reconstruction
from mgmr_lib.ssm import BiMamba
from mgmr_lib.ssm.padding import zeroed


class Spread(nn.Module):
    """Frames spread over the clip's tokens, as CTC spreads sounds over letters: (b,k,d_in) -> (b,l,d_in).

    An LSTM gives every frame a softmax over `bins` tokens and a blank; a token gets the frames weighted by it. Tokens
    that the clip does not have are no choice; those beyond `bins` get nothing.
    """

    def __init__(self, d_in: int, bins: int):
        super().__init__()
        self.lstm = nn.LSTM(d_in, bins + 1, num_layers=2, batch_first=True)

    def forward(self, frames: Sequence, valid: Tensor) -> Tensor:
        """frames.x (b,k,d_in), valid (b,l) of the text -> (b,l,d_in). Padded frames are zero and weigh nothing."""
        scores = self.lstm(frames.x)[0]
        bins = scores.shape[-1] - 1
        there = pad(valid, (1, bins - valid.shape[1]), value=True)  # the blank, then the clip's tokens
        there[:, 1 + valid.shape[1] :] = False
        shares = scores.masked_fill(~there[:, None, : bins + 1], -torch.inf).softmax(-1)[..., 1:]
        spread = shares.transpose(1, 2) @ frames.x
        return pad(spread, (0, 0, 0, max(0, valid.shape[1] - bins)))[:, : valid.shape[1]]


class TextEnhanced(nn.Module):
    """One modality on the text's steps, plus what resembles it in the text: y + sum over tokens of a (text), where a is
    the softmax of scaled cosines and entries below an even share of the clip's tokens are dropped."""

    def __init__(self, d_in: int, d: int, bins: int):
        super().__init__()
        self.spread = Spread(d_in, bins)
        self.project = nn.Sequential(nn.LayerNorm(d_in), nn.Linear(d_in, d), nn.LayerNorm(d))
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, frames: Sequence, text: Tensor, valid: Tensor) -> Tensor:
        """frames.x (b,k,d_in), text (b,l,d), valid (b,l) -> (b,l,d)."""
        own = self.project(self.spread(frames, valid))
        scores = self.log_scale.exp() * normalize(own, dim=-1) @ normalize(text, dim=-1).transpose(1, 2)
        shares = scores.masked_fill(~valid[:, None, :], -torch.inf).softmax(-1)
        even = 1.001 / valid.sum(1)[:, None, None]  # equal shares stay even however they are rounded
        return zeroed(own + shares.masked_fill(shares <= even, 0.0) @ text, valid)


class MambaPair(nn.Module):
    """x + LN(BiMamba(x)) for two sequences with projections of their own and one state matrix A."""

    def __init__(self, d: int, **sizes):
        super().__init__()
        self.first = BiMamba(d, **sizes)
        self.second = BiMamba(d, shares_A_of=self.first, **sizes)
        self.norms = nn.ModuleList([nn.LayerNorm(d), nn.LayerNorm(d)])

    def forward(self, x: Tensor, y: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Two (b,l,d), valid (b,l) -> the same shapes."""
        return x + self.norms[0](self.first(x, valid)), y + self.norms[1](self.second(y, valid))


class TFMamba(nn.Module):
    """Text-enhanced voice and face -> paired Mamba blocks -> the text asks both -> Mamba blocks -> maximum over time ->
    sentiment; beside it the lost tokens' features, rebuilt.

    Kept from the paper's published code (codemous/TF-Mamba, no licence: read, not copied): spreading, enhancement, the
    pairs (audio, text) and (vision, text) with a shared A, the mean of the text's two outputs, norms behind the mixers,
    the query, squared error and SmoothL1 of the rebuilt text. `alpha_text` is its weight (.7 on MOSI, .3 on MOSEI, 1 on
    SIMS). Simplified: the course's Mamba block, whose two directions are averaged and have a projection each (there one
    for both). Repaired: the target of the rebuilt text carries no gradient; padding is no token, no key, and never the
    maximum, and a backward scan starts at the clip's own end.
    """

    def __init__(self, config: TFMambaConfig, inputs: Inputs):
        super().__init__()
        c, d, dims = config, config.d_model, inputs.dims
        self.config, self.inputs = c, inputs
        sizes: dict[str, Any] = {"d_state": c.d_state, "expand": c.expand, "d_conv": c.d_conv}
        self.project = nn.Sequential(nn.LayerNorm(dims["text"]), nn.Linear(dims["text"], d))
        self.enhance = nn.ModuleDict({m: TextEnhanced(dims[m], d, c.text_length) for m in ("audio", "vision")})
        self.rebuild = feed_forward(d, d, dims["text"], c.dropout)
        self.align = nn.ModuleDict(
            {m: nn.ModuleList([MambaPair(d, **sizes) for _ in range(c.depth_align)]) for m in ("audio", "vision")}
        )
        self.ask = Attention(d, c.heads, head_width=c.head_width)
        self.norm_asked = nn.LayerNorm(d)
        self.read = nn.ModuleList([BiMamba(d, **sizes) for _ in range(c.depth_query)])
        self.norms_read = nn.ModuleList([nn.LayerNorm(d) for _ in range(c.depth_query)])
        self.head = nn.Linear(d, 1)

    def _aligned(self, text: Tensor, audio: Tensor, vision: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        for pair_a, pair_v in zip(self.align["audio"].children(), self.align["vision"].children(), strict=True):
            audio, text_a = pair_a(audio, text, valid)
            vision, text_v = pair_v(vision, text, valid)
            text = (text_a + text_v) / 2
        return text, audio, vision

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output: predictions (b) and the text's reconstruction."""
        s = self.inputs(batch)
        words, valid = s["text"], s["text"].valid
        text = zeroed(self.project(words.x), valid)
        rebuilt = {"text": Reconstruction(self.rebuild(text), words.target, words.missing)}
        enhanced = {m: part(s[m], text, valid) for m, part in self.enhance.items()}
        text, audio, vision = self._aligned(text, valid=valid, **enhanced)
        x = text + self.norm_asked(
            self.ask(text, valid, torch.cat([audio, vision], dim=1), torch.cat([valid, valid], dim=1))
        )
        for mamba, norm in zip(self.read, self.norms_read, strict=True):
            x = x + norm(mamba(x, valid))
        return Output(self.head(masked_max(x, valid)).squeeze(-1), rebuilt, task=self.config.task)
