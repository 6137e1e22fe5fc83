"""Self-MM: Self-Supervised Multi-task Multimodal sentiment analysis (Yu et al., AAAI 2021)."""

import torch
from torch import nn

from mgmr_lib.data.batch import Batch
from mgmr_lib.models.baselines.config_self_supervised import SelfMMConfig
from mgmr_lib.models.baselines.pseudo_labels import Heads
from mgmr_lib.models.baselines.vectors import LSTMVector, summarise
from mgmr_lib.models.inputs import Inputs, Network
from mgmr_lib.models.output import Output


class SelfMM(Network):
    """A vector for each modality -> concatenation -> sentiment; and from each vector alone, against pseudo-labels.

    Kept, from thuiar/Self-MM and thuiar/MMSA (both MIT): LSTMs over voice and face, one head a modality beside the
    fusion's, pseudo-labels (`PseudoLabels`), sizes. Simplified: AdamW and one learning rate with a factor for each LSTM
    (`rates`; the published code has four rates, and its coupled weight decay drives the idle heads of single modalities
    towards 0); every step is taken (there batches left over at an epoch's end are lost). A frozen encoder's text is
    summarised by its mean (there [CLS] of a trained one: `summary`).
    """

    def __init__(self, config: SelfMMConfig, inputs: Inputs):
        super().__init__()
        c = config
        self.config, self.inputs = c, inputs
        self.vectors = nn.ModuleDict(
            {m: LSTMVector(inputs.dims[m], getattr(c, f"lstm_{m}"), getattr(c, f"d_{m}")) for m in ("audio", "vision")}
        )
        widths = {"text": inputs.dims["text"], "audio": c.d_audio, "vision": c.d_vision}
        self.heads = Heads(c, {"fused": sum(widths.values())} | widths)

    def rates(self) -> dict[str, float]:
        """The two LSTMs' learning rates, as factors."""
        return {f"vectors.{m}.": getattr(self.config, f"rate_{m}") for m in self.vectors}

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output: predictions (b), each modality's own in `sides`, features in `latent`."""
        sequences = self.inputs(batch)
        text = sequences["text"]
        x = {"text": summarise(text.x, text.valid, self.config.summary)}
        x |= {m: vector(sequences[m]) for m, vector in self.vectors.items()}
        return self.heads({"fused": torch.cat(list(x.values()), dim=-1)} | x)
