"""What ALMT and LNLN are built of (Zhang et al., EMNLP 2023 and NeurIPS 2024): each modality condensed to a few tokens,
and a fusion in which the text, at several depths, collects a "hyper-modality" from voice and face.

Sizes are published ones where a configuration says so, layers are the course's own `EncoderLayer`: its biases and its
one norm for query and memory span the same functions as the published code's norm each; its feed-forward layer has
ReLU for GELU. Padding is never a key (in the published code it is).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from mgmr_lib.models.baselines.attention import positions
from mgmr_lib.models.encoder_layer import EncoderLayer, Mixing


def encoder_layers(depth: int, config, cross: bool = False) -> nn.ModuleList:
    """Pre-norm layers with the configuration's heads and widths."""
    c = config
    return nn.ModuleList([EncoderLayer(c.d_model, c.ffn, Mixing.of(c), c.dropout, cross=cross) for _ in range(depth)])


def all_valid(x: Tensor) -> Tensor:
    """(b, l) bool: a mask for tokens, none of which is padding."""
    return x.new_ones(x.shape[:2], dtype=torch.bool)


class Condense(nn.Module):
    """`tokens` learned tokens in front of a sequence, `depth` layers over both, the tokens kept: (b,l,d) -> (b,T,d).

    The last layer computes the tokens alone, since nothing else of it is read: with one layer the cost is linear in l.
    """

    def __init__(self, config, depth: int, tokens: int):
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(tokens, config.d_model))
        self.layers = encoder_layers(depth, config)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x (b,l,d), valid (b,l) bool -> (b,T,d)."""
        count = len(self.tokens)
        x, valid = torch.cat([self.tokens.expand(len(x), -1, -1), x], dim=1), pad(valid, (count, 0), value=True)
        for i, layer in enumerate(self.layers, start=1):
            x = layer(x, valid, first=count if i == len(self.layers) else None)
        return x


class Embed(nn.Module):
    """A modality's features -> its tokens: linear layer, positions, `Condense`."""

    def __init__(self, d_in: int, config):
        super().__init__()
        self.project = nn.Linear(d_in, config.d_model)
        self.condense = Condense(config, config.depth, config.tokens)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x (b,l,d_in), valid (b,l) -> (b,T,d)."""
        x = self.project(x)
        return self.condense(x + positions(x.shape[1], x.shape[2], x), valid)


class HyperLayer(nn.Module):
    """Adaptive hyper-modality learning: text asks voice and face, and what it finds is added to the hyper tokens.

    shift = W_o (att(H, A) + att(H, V)), with one query for both and keys and values of their own; the residual is
    plain, as in the paper's recursion, or (normalised) carries LN(hyper), as in the published code.
    """

    def __init__(self, d: int, heads: int, normalised: bool = False):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleDict({m: nn.LayerNorm(d) for m in ("text", "audio", "vision")})
        self.norm_hyper = nn.LayerNorm(d) if normalised else nn.Identity()
        self.query = nn.Linear(d, d, bias=False)
        self.key_value = nn.ModuleDict({m: nn.Linear(d, 2 * d, bias=False) for m in ("audio", "vision")})
        self.out = nn.Linear(d, d)

    def forward(self, hyper: Tensor, text: Tensor, audio: Tensor, vision: Tensor) -> Tensor:
        """Four (b,T,d) -> hyper (b,T,d)."""
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # noqa: E731
        query = split(self.query(self.norms["text"](text)))
        total = torch.zeros_like(query)
        for m, x in (("audio", audio), ("vision", vision)):
            key, value = self.key_value[m](self.norms[m](x)).chunk(2, dim=-1)
            total = total + scaled_dot_product_attention(query, split(key), split(value))
        return self.norm_hyper(hyper) + self.out(total.transpose(1, 2).flatten(2))


class DominantFusion(nn.Module):
    """Text at `scales` depths -> hyper-modality -> the text asks it -> one vector per clip.

    The published ALMT reads its fusion at an extra token, and since the fusion's layers have no self-attention, what
    the text asks there is never read: only `reading="code"` does so. Else the mean over the text's tokens is read, as
    in the published LNLN. Each order of tokens has a learned code, as published.
    """

    def __init__(self, config, literal: bool = False):
        super().__init__()
        c, d = config, config.d_model
        code = lambda rows: nn.Parameter(torch.randn(rows, d))  # noqa: E731
        self.text_code, self.layers = code(c.tokens), encoder_layers(c.scales - 1, c)
        self.hyper = nn.Parameter(torch.ones(c.tokens, d) if literal else 0.02 * torch.randn(c.tokens, d))
        self.collect = nn.ModuleList([HyperLayer(d, c.heads, literal) for _ in range(c.scales)])
        self.query_code, self.memory_code, self.memory_token = code(1 if literal else c.tokens), code(c.tokens), code(1)
        self.fuse = encoder_layers(c.depth_fuse, c, cross=True)
        self.literal = literal

    def scales(self, text: Tensor) -> list[Tensor]:
        """(b,T,d) -> the text at every depth, the first one before any layer."""
        found = [text + self.text_code]
        for layer in self.layers:
            found.append(layer(found[-1], all_valid(text)))
        return found

    def collected(self, scales: list[Tensor], audio: Tensor, vision: Tensor) -> Tensor:
        """The hyper-modality (b,T,d): all that the prediction learns of voice and face."""
        hyper = self.hyper.expand_as(audio)
        for layer, text in zip(self.collect, scales, strict=True):
            hyper = layer(hyper, text, audio, vision)
        return hyper

    def forward(self, text: Tensor, audio: Tensor, vision: Tensor) -> Tensor:
        """Three (b,T,d) -> (b,d)."""
        scales = self.scales(text)
        hyper = self.collected(scales, audio, vision)
        first = self.memory_token.expand(len(hyper), -1, -1)
        memory = torch.cat([first, hyper + self.memory_code], dim=1)
        x = self.query_code.expand(len(hyper), -1, -1) if self.literal else scales[-1] + self.query_code
        for layer in self.fuse:
            x = layer(x, all_valid(x), memory, all_valid(memory))
        return x.mean(1)
