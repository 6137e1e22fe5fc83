"""Tensor Fusion Network (Zadeh et al., EMNLP 2017) and Low-rank Multimodal Fusion (Liu et al., ACL 2018).

Both summarise each modality in one vector, append a 1 and weight all products of the three vectors' entries. TFN writes
the products down; LMF factorises the weights, so that the products are never formed.
"""

import functools

import torch
from torch import Tensor, nn

from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines.common import last_valid, masked_mean
from mgmr_lib.models.baselines.config import LMFConfig, TFNConfig
from mgmr_lib.models.inputs import Inputs, Network, Sequence
from mgmr_lib.models.output import Output


def with_one(z: Tensor) -> Tensor:
    """[z; 1]: (b, d) -> (b, d + 1). The 1 keeps products of fewer modalities among the products of all."""
    return torch.cat([z, z.new_ones(z.shape[0], 1)], dim=-1)


def outer_product(text: Tensor, audio: Tensor, vision: Tensor) -> Tensor:
    """[z_t; 1] x [z_a; 1] x [z_v; 1] (TFN's fusion layer): (b, d_t), (b, d_a), (b, d_v) -> (b, d_t + 1, d_a + 1, d_v +
    1)."""
    return torch.einsum("bi,bj,bk->bijk", with_one(text), with_one(audio), with_one(vision))


def relu_layers(d_in: int, d_out: int, depth: int, dropout: float) -> nn.Sequential:
    """Dropout, then `depth` fully connected layers, each followed by ReLU: (b, d_in) -> (b, d_out)."""
    widths = [d_in] + depth * [d_out]
    layers = [part for a, b in zip(widths, widths[1:], strict=False) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(nn.Dropout(dropout), *layers)


class LanguageEmbedding(nn.Module):
    """LSTM over the tokens, its last state, two fully connected layers: Sequence -> (b, d).

    TFN's paper feeds the states of all steps to these layers; that fixes a length, so we take the last one.
    """

    def __init__(self, d_in: int, d: int, dropout: float):
        super().__init__()
        self.lstm = nn.LSTM(d_in, d, batch_first=True)
        self.layers = relu_layers(d, d, 2, dropout)

    def forward(self, sequence: Sequence) -> Tensor:
        """sequence.x (b, l, d_text) -> (b, d)."""
        return self.layers(last_valid(self.lstm(sequence.x)[0], sequence.valid))


class FrameEmbedding(nn.Module):
    """Mean over the frames, then `depth` fully connected layers (three in TFN, two in LMF): Sequence -> (b, d)."""

    def __init__(self, d_in: int, d: int, depth: int, dropout: float):
        super().__init__()
        self.layers = relu_layers(d_in, d, depth, dropout)

    def forward(self, sequence: Sequence) -> Tensor:
        """sequence.x (b, l, d_in) -> (b, d)."""
        return self.layers(masked_mean(sequence.x, sequence.valid))


def embeddings(config: TFNConfig | LMFConfig, inputs: Inputs, depth: int) -> nn.ModuleDict:
    """One embedding network a modality; `depth` layers for voice and face."""
    return nn.ModuleDict(
        {
            "text": LanguageEmbedding(inputs.dims["text"], config.d_text, config.dropout),
            "audio": FrameEmbedding(inputs.dims["audio"], config.d_audio, depth, config.dropout),
            "vision": FrameEmbedding(inputs.dims["vision"], config.d_vision, depth, config.dropout),
        }
    )


class TFN(Network):
    """Embeddings -> outer product -> two fully connected layers -> sentiment."""

    def __init__(self, config: TFNConfig, inputs: Inputs):
        super().__init__()
        c = self.config = config
        self.inputs = inputs
        self.embed = embeddings(c, inputs, depth=3)
        products = (c.d_text + 1) * (c.d_audio + 1) * (c.d_vision + 1)
        self.infer = relu_layers(products, c.d_fused, 2, c.dropout)
        self.head = nn.Linear(c.d_fused, 1)

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output with one prediction for each clip, (b)."""
        sequences = self.inputs(batch)
        products = outer_product(*(self.embed[m](sequences[m]) for m in MODALITIES))
        y = self.head(self.infer(products.flatten(1))).squeeze(-1)
        limit = self.config.limit
        return Output(limit * (2 * torch.sigmoid(y) - 1) if limit else y)


class LowRankFusion(nn.Module):
    """h = b + sum over the rank i of the entrywise product over modalities m of W_m^(i) [z_m; 1] (LMF's section 3.3).

    It equals a linear layer on TFN's outer product whose weights are sum_i W_t^(i) x W_a^(i) x W_v^(i), at a cost that
    adds over modalities where TFN's multiplies.
    """

    def __init__(self, widths: dict[str, int], d_fused: int, rank: int):
        super().__init__()
        self.factors = nn.ParameterDict({m: nn.Parameter(torch.empty(rank, d + 1, d_fused)) for m, d in widths.items()})
        self.bias = nn.Parameter(torch.zeros(d_fused))
        for m, factor in self.factors.items():
            nn.init.normal_(factor, std=(widths[m] + 1) ** -0.5)

    def forward(self, z: dict[str, Tensor]) -> Tensor:
        """z: {modality: (b, d_m)} -> (b, d_fused)."""
        factors = [torch.einsum("bi,rif->brf", with_one(z[m]), factor) for m, factor in self.factors.items()]
        return functools.reduce(torch.mul, factors).sum(1) + self.bias

    def weight_tensor(self) -> Tensor:
        """The weights that the factors stand for: (d_fused, d_t + 1, d_a + 1, d_v + 1). For tests and notebooks: it is
        large."""
        return torch.einsum("rif,rjf,rkf->fijk", *(self.factors[m] for m in MODALITIES))


class LMF(Network):
    """Embeddings -> low-rank fusion -> a linear layer -> sentiment."""

    def __init__(self, config: LMFConfig, inputs: Inputs):
        super().__init__()
        c = self.config = config
        self.inputs = inputs
        self.embed = embeddings(c, inputs, depth=2)
        self.fuse = LowRankFusion({m: getattr(c, f"d_{m}") for m in MODALITIES}, c.d_fused, c.rank)
        self.dropout = nn.Dropout(c.dropout)
        self.head = nn.Linear(c.d_fused, 1)

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output with one prediction for each clip, (b)."""
        sequences = self.inputs(batch)
        h = self.fuse({m: self.embed[m](sequences[m]) for m in MODALITIES})
        return Output(self.head(self.dropout(h)).squeeze(-1))
