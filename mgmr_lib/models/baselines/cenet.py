"""CENET: Cross-modal Enhancement Network (Wang et al., IEEE Transactions on Multimedia 2022)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from mgmr_lib.data.batch import Batch
from mgmr_lib.models.baselines.config import CENETConfig
from mgmr_lib.models.baselines.vectors import summarise
from mgmr_lib.models.encoder_layer import EncoderLayer, Mixing
from mgmr_lib.models.inputs import Inputs, Sequence
from mgmr_lib.models.output import Output
from mgmr_lib.ssm.padding import checked_mask


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

    Two readings, to be named in every table. injection="inside", the paper's: the shift is added behind the language
    model's first layer, whose further layers read on; the language model has to be trained with the network.
    injection="after", of every profile, for any encoder or features: **the shift comes after an encoder that never sees
    voice or face**, and layers of our own read on. Kept, from thuiar/MMSA's version (MIT): an additive shift of every
    token before further layers, attention of each token to unaligned frames with weights of its own for voice and face,
    the head with tanh, absolute error. Changed: the shift's inner width is d_model (768 there); scores are divided by
    sqrt(d) (there multiplied by 8); the transformed frames are normalised; a frozen encoder's summary is the mean of
    its tokens (there [CLS] of a trained one: `summary`); one learning rate for all but the encoder; its embeddings
    learn, too. Repaired: padded frames are no keys (there 36 to 46 % of the attention of a clip with 80 % padding).
    """

    def __init__(self, config: CENETConfig, inputs: Inputs):
        super().__init__()
        c, d_text, inside = config, inputs.dims["text"], config.injection == "inside"
        if inside and (inputs.text_encoder is None or inputs.text_encoder.frozen):
            raise ValueError("injection inside needs a text encoder in `inputs` that learns")
        self.config, self.inputs = c, inputs
        self.enhance = Enhancement(d_text, inputs.dims, c.d_model)
        d, mixing = d_text if inside else c.d_model, Mixing.of(c)
        self.project = nn.Identity() if inside else nn.Linear(d_text, d)
        depth = 0 if inside else c.depth
        self.layers = nn.ModuleList([EncoderLayer(d, 4 * d, mixing, c.dropout) for _ in range(depth)])
        self.norm = nn.Identity() if inside else nn.LayerNorm(d)
        self.head = nn.Sequential(nn.Dropout(c.dropout), nn.Linear(d, d), nn.Tanh(), nn.Dropout(c.dropout))
        self.output = nn.Linear(d, 1)
        if inside:  # small enough, as published, for the layers above to recognise what they get
            nn.init.normal_(self.enhance.out.weight, std=0.02)

    def _shifted(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(b,l,d_text), (b,l): the text's states, shifted by what they find in voice and face, and which are valid."""
        frames = {m: self.inputs.one(batch, m) for m in ("audio", "vision")}
        if self.config.injection == "after":
            text = self.inputs.one(batch, "text")
            return self.enhance(text.x, frames), text.valid
        encoder = self.inputs.text_encoder
        assert encoder is not None  # "inside" asks for one that learns

        def shift(_, __, states):
            hook.remove()  # once a pass: some families call one layer again and again
            if isinstance(states, Tensor):
                return self.enhance(states, frames)
            return self.enhance(states[0], frames), *states[1:]

        first = next(part for part in encoder.bert.modules() if isinstance(part, nn.ModuleList))[0]
        hook = first.register_forward_hook(shift)
        valid = checked_mask(batch.text.valid, batch.text.x)
        try:
            return encoder(batch.text.x, valid), valid
        finally:
            hook.remove()

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output with one prediction for each clip, (b)."""
        states, valid = self._shifted(batch)
        x = self.project(states)
        for layer in self.layers:
            x = layer(x, valid)
        summary = self.head(summarise(self.norm(x), valid, self.config.summary))
        return Output(self.output(summary).squeeze(-1), task=self.config.task)
