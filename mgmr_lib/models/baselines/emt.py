"""EMT-DLFR: Efficient Multimodal Transformer with Dual-Level Feature Restoration (Sun, Lian, Liu and Tao, IEEE
Transactions on Affective Computing 2023)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, gelu

from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines.attention import positions
from mgmr_lib.models.baselines.common import last_valid
from mgmr_lib.models.baselines.config import EMTConfig
from mgmr_lib.models.baselines.vectors import summarise
from mgmr_lib.models.encoder_layer import Attention
from mgmr_lib.models.inputs import Inputs, Sequence
from mgmr_lib.models.masked_norm import MaskedBatchNorm
from mgmr_lib.models.output import Output, Reconstruction


class GatedFeedForward(nn.Module):
    """W_2 (a * gelu(g)), [a; g] = W_1 x (GEGLU, Shazeer 2020): (..., d) -> (..., d)."""

    def __init__(self, d: int, hidden: int, dropout: float):
        super().__init__()
        self.inner, self.out = nn.Linear(d, 2 * hidden), nn.Linear(hidden, d)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.inner(x).chunk(2, dim=-1)
        return self.dropout(self.out(value * gelu(gate)))


class Promotion(nn.Module):
    """The mutual promotion unit: ask the other one, then itself, then a gated feed-forward layer; pre-norm."""

    def __init__(self, d: int, heads: int, expansion: int, dropout: float):
        super().__init__()
        self.norms = nn.ModuleDict({n: nn.LayerNorm(d) for n in ("cross", "memory", "within", "feed")})
        self.cross, self.within = Attention(d, heads), Attention(d, heads)
        self.feed = GatedFeedForward(d, expansion * d, dropout)

    def forward(self, x: Tensor, valid: Tensor, memory: Tensor, memory_valid: Tensor) -> Tensor:
        """x (b,l,d), valid (b,l), memory (b,k,d), memory_valid (b,k) -> (b,l,d)."""
        x = x + self.cross(self.norms["cross"](x), valid, self.norms["memory"](memory), memory_valid)
        x = x + self.within(self.norms["within"](x), valid)
        return x + self.feed(self.norms["feed"](x))


class PromotedFusion(nn.Module):
    """Three global tokens g and three sequences promote each other, `depth` times by one and the same unit.

    x_m <- unit(x_m; g) and g_m <- unit(g; x_m as it was); then g <- the g_m, weighted by attention.
    """

    def __init__(self, config: EMTConfig):
        super().__init__()
        c, width = config, len(MODALITIES) * config.d_model
        self.depth = c.depth
        self.unit = Promotion(c.d_model, c.heads, c.expansion, c.dropout)
        self.weigh = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, g: Tensor, x: dict[str, Tensor], valid: dict[str, Tensor], promoted: bool = True):
        """g (b,3,d), x {m: (b,l_m,d)}, valid {m: (b,l_m)} -> g (b,3 d) and x. promoted False: x is not asked for, and
        the last layer leaves it as it was."""
        there = g.new_ones(g.shape[:2], dtype=torch.bool)
        for i in range(1, self.depth + 1):
            seen = torch.stack([self.unit(g, there, x[m], valid[m]).flatten(1) for m in x], dim=1)
            if promoted or i < self.depth:
                x = {m: self.unit(x[m], valid[m], g, there) for m in x}
            g = (self.weigh(seen).softmax(1) * seen).sum(1).unflatten(1, (len(x), -1))
        return g.flatten(1), x


class Attraction(nn.Module):
    """SimSiam between two views of a vector (Chen and He 2021): -(cos(q(z), z') + cos(q(z'), z)) / 2, z = p(x); the
    view that is compared with carries no gradient.

    Batch statistics are the batch's in training; a batch of one clip takes the running ones. No bias in front of a
    norm, which would undo it.
    """

    def __init__(self, d: int, bottleneck: int):
        super().__init__()
        self.project = nn.Sequential(nn.Linear(d, d, bias=False), MaskedBatchNorm(d, affine=False))
        self.predict = nn.Sequential(
            nn.Linear(d, bottleneck, bias=False), MaskedBatchNorm(bottleneck), nn.ReLU(), nn.Linear(bottleneck, d)
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Two (b,d) -> a scalar in -1..1."""
        one, other = self.project(x), self.project(y)
        towards = lambda z, target: cosine_similarity(self.predict(z), target.detach(), dim=-1).mean()  # noqa: E731
        return -(towards(one, other) + towards(other, one)) / 2


class EMT(nn.Module):
    """Two views of a clip, as it is and complete, through one network; what differs between them is drawn together.

    L = |p - y| + |p_complete - y| + four attractions (global tokens, text, audio, vision) + the rebuilt raw features of
    what was lost (the published `alpha_m`: 1; SIMS .5). Kept from the published code (sunlicai/EMT-DLFR, MIT): one unit
    shared over layers, modalities and directions, pooling of the global tokens, the head on [t; a; v; g], sizes.
    Changed: the text's vector is the mean of a frozen encoder's tokens (there [CLS] of a trained one, which is left out
    of the text's sequence); both views are computed in training alone; the last layer moves the sequences only where
    they are rebuilt; no dropout of attention weights; one learning rate; on SIMS the complete view counts fully (there
    half). Repaired: a batch of one clip works; the text's mask ends where the text does (there two tokens earlier).
    """

    def __init__(self, config: EMTConfig, inputs: Inputs):
        super().__init__()
        c, d = config, config.d_model
        self.config, self.inputs = c, inputs
        widths = {"text": inputs.dims["text"], "audio": c.d_audio, "vision": c.d_vision}
        hidden = {"audio": c.lstm_audio, "vision": c.lstm_vision}
        self.lstms = nn.ModuleDict({m: nn.LSTM(inputs.dims[m], h, batch_first=True) for m, h in hidden.items()})
        self.narrow = nn.ModuleDict({m: nn.Linear(h, widths[m]) for m, h in hidden.items()})
        self.project = nn.ModuleDict({m: nn.Linear(w, d, bias=False) for m, w in widths.items()})
        self.fusion = PromotedFusion(c)
        parts = {"global": len(MODALITIES) * d} | widths
        self.attract = nn.ModuleDict({m: Attraction(w, getattr(c, f"bottleneck_{m}")) for m, w in parts.items()})
        self.rebuild = nn.ModuleDict({m: nn.Linear(d, inputs.dims[m]) for m in MODALITIES})
        self.dropout, total = nn.Dropout(c.dropout), sum(parts.values())
        self.head = nn.Sequential(
            nn.Linear(total, c.d_head), nn.ReLU(), nn.Linear(c.d_head, c.d_head), nn.ReLU(), nn.Linear(c.d_head, 1)
        )

    def _steps(self, m: str, x: Tensor) -> Tensor:
        return self.narrow[m](self.lstms[m](x)[0]) if m in self.lstms else x

    def view(self, x: dict[str, Tensor], valid: dict[str, Tensor], promoted: bool) -> tuple[Tensor, dict, dict]:
        """{m: (b,l_m,d_m)} -> prediction (b), vectors {m: (b,d)} with "global", promoted sequences {m: (b,l_m,d)}."""
        steps = {m: self._steps(m, x[m]) for m in MODALITIES}
        vectors = {m: last_valid(s, valid[m]) for m, s in steps.items() if m != "text"}
        vectors = {"text": summarise(steps["text"], valid["text"], self.config.summary)} | vectors
        g = torch.stack([self.project[m](v) for m, v in vectors.items()], dim=1)
        low = {m: self.project[m](s) for m, s in steps.items()}
        low = {m: s + positions(s.shape[1], s.shape[2], s) for m, s in low.items()}
        vectors["global"], low = self.fusion(g, low, valid, promoted)
        prediction = self.head(self.dropout(torch.cat(list(vectors.values()), dim=-1))).squeeze(-1)
        return prediction, vectors, low

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output: predictions (b), reconstructions; in training the complete view's prediction and four
        attractions."""
        sequences = self.inputs(batch)
        valid = {m: s.valid for m, s in sequences.items()}
        prediction, vectors, low = self.view({m: s.x for m, s in sequences.items()}, valid, promoted=True)
        rebuilt = {m: Reconstruction(self.rebuild[m](low[m]), s.target, s.missing) for m, s in sequences.items()}
        output = Output(prediction, rebuilt, task=self.config.task)
        if self.training:
            self._complete(output, sequences, vectors)
        return output

    def _complete(self, output: Output, sequences: dict[str, Sequence], vectors: dict[str, Tensor]) -> None:
        valid = {m: s.valid for m, s in sequences.items()}
        output.sides["complete"], others, _ = self.view({m: s.target for m, s in sequences.items()}, valid, False)
        weight = self.config.attraction
        output.terms |= {f"attraction_{m}": weight * a(vectors[m], others[m]) for m, a in self.attract.items()}
