"""TETFN: Text Enhanced Transformer Fusion Network (Wang et al., Pattern Recognition 136, 2023)."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines.common import TemporalConv, last_valid
from mgmr_lib.models.baselines.config_self_supervised import TETFNConfig
from mgmr_lib.models.baselines.pseudo_labels import Heads
from mgmr_lib.models.encoder_layer import Mixing
from mgmr_lib.models.inputs import Inputs, Network, Sequence, pool_to_length
from mgmr_lib.models.mfmb.published_code import CodeEncoder
from mgmr_lib.models.mgmr.fusion import masked_max
from mgmr_lib.models.output import Output

OTHER = {"audio": "vision", "vision": "audio"}


class ThroughText(nn.Module):
    """The text enhanced transformer: x asks what `other` found in the text (positions in both stacks)."""

    def __init__(self, config: TETFNConfig, mixing: Mixing):
        super().__init__()
        c = config
        self.lower = CodeEncoder(c.d_model, c.depth_through, mixing, c.dropout, cross=True)
        self.upper = CodeEncoder(c.d_model, c.depth, mixing, c.dropout, cross=True)

    def forward(self, x: Tensor, other: Tensor, text: Tensor, valid: Tensor) -> Tensor:
        """x, other, text (b, l, d), valid (b, l) -> (b, l, d)."""
        return self.upper(x, valid, self.lower(other, valid, text, valid), valid)


class TETFN(Network):
    """Features at the text's steps -> six directed stacks, voice and face asking each other through the text -> three
    self-attention stacks -> last steps -> sentiment; and from each modality alone, against pseudo-labels.

    Kept, from thuiar/MMSA (MIT; the paper has no repository of its own): the stacks, positions in those through the
    text alone, heads and pseudo-labels as Self-MM's, sizes. Simplified: voice and face are averaged over the text's
    steps (published results are for word-aligned data), no causal mask, no dropout of attention weights, padded
    convolutions with a bias. Repaired: nothing reads padding (there LSTMs, maxima and the "last step" do), vision's
    kernel is its own (there audio's), pseudo-labels end where the corpus's labels do (there at 3 for SIMS too). The
    paper takes face features from a Vision Transformer; here, as in every table, they are the file's columns.
    """

    def __init__(self, config: TETFNConfig, inputs: Inputs):
        super().__init__()
        c, d, mixing = config, config.d_model, Mixing("transformer", config.heads)
        self.config, self.inputs = c, inputs
        self.lstms = nn.ModuleDict(
            {m: nn.LSTM(inputs.dims[m], getattr(c, f"lstm_{m}"), batch_first=True) for m in OTHER}
        )
        widths = {"text": inputs.dims["text"]} | {m: getattr(c, f"lstm_{m}") for m in OTHER}
        self.project = nn.ModuleDict({m: TemporalConv(w, d, getattr(c, f"kernel_{m}")) for m, w in widths.items()})
        stack = lambda w, depth, cross: CodeEncoder(w, depth, mixing, c.dropout, cross, positional=False)  # noqa: E731
        names = ("text_asks_audio", "text_asks_vision", "audio_asks_text", "vision_asks_text")
        self.across = nn.ModuleDict({name: stack(d, c.depth, True) for name in names})
        self.through = nn.ModuleDict({m: ThroughText(c, mixing) for m in OTHER})
        self.within = nn.ModuleDict({m: stack(2 * d, c.depth_self, False) for m in MODALITIES})
        self.heads = Heads(c, {"fused": 6 * d} | dict.fromkeys(MODALITIES, d))

    def rates(self) -> dict[str, float]:
        """The two LSTMs' learning rates, as factors."""
        return {f"lstms.{m}.": getattr(self.config, f"rate_{m}") for m in OTHER}

    def low_level(self, sequences: dict[str, Sequence]) -> dict[str, Tensor]:
        """{modality: Sequence} -> {modality: (b, l, d)} at the text's steps, zero in padding."""
        valid, low = sequences["text"].valid, {}
        for m, s in sequences.items():
            x = s.x
            if m in OTHER:
                x = self.lstms[m](pool_to_length(x, s.valid, valid.sum(1), valid.shape[1]))[0]
            low[m] = self.project[m](replace(s, x=x.masked_fill(~valid[..., None], 0.0), valid=valid))
        return low

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output: predictions (b), each modality's own in `sides`, features in `latent`."""
        sequences = self.inputs(batch)
        x, valid = self.low_level(sequences), sequences["text"].valid
        asked = {
            name: stack(x[name.split("_")[0]], valid, x[name.split("_")[2]], valid)
            for name, stack in self.across.items()
        }
        pairs = {"text": (asked["text_asks_audio"], asked["text_asks_vision"])}
        for m, other in OTHER.items():
            pairs[m] = asked[f"{m}_asks_text"], self.through[m](x[m], x[other], x["text"], valid)
        last = [last_valid(self.within[m](torch.cat(pairs[m], dim=-1), valid), valid) for m in MODALITIES]
        return self.heads({"fused": torch.cat(last, dim=-1)} | {m: masked_max(h, valid) for m, h in x.items()})
