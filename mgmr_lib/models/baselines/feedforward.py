"""FC(T), FC(A), FC(V) and Concat(V,A,T): MFMB-Net's Table 2, "Unimodal Experiments"."""

import torch
from torch import nn

from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines.common import masked_mean
from mgmr_lib.models.baselines.config import FeedForwardConfig
from mgmr_lib.models.inputs import Inputs, Network
from mgmr_lib.models.output import Output, predicted


class FeedForward(Network):
    """Mean over time of each modality, concatenated -> fully connected layer -> sentiment.

    The paper: "unimodal features were encoded through the fully connected layer and then classified, while multimodal
    features were simply concatenated together and fed into the fully connected layer". How time is collapsed is not
    said: we take the mean over a clip's valid steps, since the three modalities have no common time axis to concatenate
    along.
    """

    def __init__(self, config: FeedForwardConfig, inputs: Inputs, modalities: tuple[str, ...] = MODALITIES):
        super().__init__()
        self.config, self.inputs, self.modalities = config, inputs, modalities
        if "text" not in modalities:
            inputs.text_encoder = None  # nothing to fine-tune, and nothing to compute
        self.encode = nn.Linear(sum(inputs.dims[m] for m in modalities), config.d_model)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.d_model, config.classes)

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output with one prediction for each clip, (b)."""
        parts = [self.inputs.one(batch, m) for m in self.modalities]
        x = torch.cat([masked_mean(s.x, s.valid) for s in parts], dim=-1)
        return predicted(self.head(self.dropout(torch.relu(self.encode(x)))), self.config)
