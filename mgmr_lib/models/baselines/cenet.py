"""CENET: Cross-modal Enhancement Network (Wang et al., IEEE Transactions on Multimedia 2022), behind the encoder."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from mgmr_lib.data.batch import Batch
from mgmr_lib.models.baselines.config import CENETConfig
from mgmr_lib.models.baselines.vectors import summarise
from mgmr_lib.models.encoder_layer import EncoderLayer, Mixing
from mgmr_lib.models.inputs import Inputs, Sequence
from mgmr_lib.models.output import Output


class Asked(nn.Module):
    """What every token finds in one modality's frames: softmax(W_q h (W_k M)^T / sqrt(d)) W_v M, one head.

    M = LN(W relu(W m)) stands for the paper's "feature transformation" (there the frames' clusters, looked up).
    """

    def __init__(self, d_text: int, d_in: int, d: int):
        super().__init__()
        self.transform = nn.Sequential(nn.Linear(d_in, d), nn.ReLU(), nn.Linear(d, d), nn.LayerNorm(d))
        self.query = nn.Linear(d_text, d)
        self.key_value = nn.Linear(d, 2 * d)

    def forward(self, text: Tensor, frames: Sequence) -> Tensor:
        """text (b,l,d_text), frames.x (b,k,d_in) -> (b,l,d)."""
        key, value = self.key_value(self.transform(frames.x)).chunk(2, dim=-1)
        return scaled_dot_product_attention(self.query(text), key, value, attn_mask=frames.valid[:, None, :])


class Enhancement(nn.Module):
    """The cross-modal shift: h + W [S_v; S_a], token by token."""

    def __init__(self, d_text: int, dims: dict[str, int], d: int):
        super().__init__()
        self.asked = nn.ModuleDict({m: Asked(d_text, dims[m], d) for m in ("vision", "audio")})
        self.out = nn.Linear(2 * d, d_text)

    def forward(self, text: Tensor, sequences: dict[str, Sequence]) -> Tensor:
        """text (b,l,d_text) -> (b,l,d_text)."""
        return text + self.out(torch.cat([ask(text, sequences[m]) for m, ask in self.asked.items()], dim=-1))


class CENET(nn.Module):
    """Text + the shift that its tokens find in voice and face -> layers that read on -> summary -> sentiment.

    The paper shifts a language model's states *behind its first layer* and fine-tunes the eleven above. **Here the
    shift comes after the encoder, which never sees voice or face, and layers of our own read on: tables should call it
    "CENET (after)".** Kept, from the version in thuiar/MMSA (MIT): an additive shift of every token before further
    layers, attention of each token to unaligned frames with weights of its own for voice and for face, the head with
    tanh, absolute error. Changed: the shift's inner width is d_model (768 there); scores are divided by sqrt(d) (there
    multiplied by 8); the transformed frames are normalised; the summary is the mean of a frozen encoder's tokens (there
    [CLS] of a trained one: `summary`). Repaired: padded frames are no keys (there 36 to 46 % of the attention of a clip
    with 80 % padding).
    """

    def __init__(self, config: CENETConfig, inputs: Inputs):
        super().__init__()
        c, d_text = config, inputs.dims["text"]
        self.config, self.inputs = c, inputs
        self.enhance = Enhancement(d_text, inputs.dims, c.d_model)
        self.project = nn.Linear(d_text, c.d_model)
        mixing = Mixing.of(c)
        self.layers = nn.ModuleList([EncoderLayer(c.d_model, 4 * c.d_model, mixing, c.dropout) for _ in range(c.depth)])
        self.norm = nn.LayerNorm(c.d_model)
        self.head = nn.Sequential(
            nn.Dropout(c.dropout), nn.Linear(c.d_model, c.d_model), nn.Tanh(), nn.Dropout(c.dropout)
        )
        self.output = nn.Linear(c.d_model, 1)

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output with one prediction for each clip, (b)."""
        sequences = self.inputs(batch)
        valid = sequences["text"].valid
        x = self.project(self.enhance(sequences["text"].x, sequences))
        for layer in self.layers:
            x = layer(x, valid)
        summary = self.head(summarise(self.norm(x), valid, self.config.summary))
        return Output(self.output(summary).squeeze(-1), task=self.config.task)
