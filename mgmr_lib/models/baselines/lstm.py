"""Early- and late-fusion LSTM, the recurrent baselines of the field's tables (EF-LSTM and LF-LSTM in MulT's Tables 1 to
3)."""

import torch
from torch import Tensor, nn

from mgmr_lib.data.batch import Batch
from mgmr_lib.data.corpus import MODALITIES
from mgmr_lib.models.baselines.common import last_valid
from mgmr_lib.models.baselines.config import LSTMConfig
from mgmr_lib.models.inputs import Inputs, Network, pool_to_length
from mgmr_lib.models.output import Output, predicted


class Regressor(nn.Sequential):
    """Two fully connected layers on a clip's summary: (b, d_in) -> (b, d_out)."""

    def __init__(self, d_in: int, d_hidden: int, dropout: float, d_out: int = 1):
        super().__init__(
            nn.Dropout(dropout), nn.Linear(d_in, d_hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(d_hidden, d_out)
        )


def make_lstm(d_in: int, config: LSTMConfig) -> nn.LSTM:
    """Forward in time only. It reads right padding last, so its state at a clip's last valid step never saw any."""
    between = config.dropout if config.depth > 1 else 0.0
    return nn.LSTM(d_in, config.d_model, config.depth, batch_first=True, dropout=between)


class EarlyLSTM(Network):
    """Early fusion: [x_t; x_a; x_v] at every step -> one LSTM -> its last state -> sentiment.

    Concatenation step by step needs one time axis, and our modalities have three. We average each clip's valid audio
    and vision frames onto its own tokens (`pool_to_length`), as MGMR-Net does before its stage 1: word-aligned
    features, which the published early fusions were given, are not in an unaligned file.
    """

    def __init__(self, config: LSTMConfig, inputs: Inputs):
        super().__init__()
        self.config, self.inputs = config, inputs
        self.lstm = make_lstm(sum(inputs.dims[m] for m in MODALITIES), config)
        self.head = Regressor(config.d_model, config.d_model, config.dropout, config.classes)

    def aligned(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(b, l, d_t + d_a + d_v) on the text's time axis, and its (b, l) bool mask."""
        s = self.inputs(batch)
        valid = s["text"].valid
        spread = [pool_to_length(s[m].x, s[m].valid, valid.sum(1), valid.shape[1]) for m in ("audio", "vision")]
        return torch.cat([s["text"].x, *spread], dim=-1), valid

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output with one prediction for each clip, (b)."""
        x, valid = self.aligned(batch)
        return predicted(self.head(last_valid(self.lstm(x)[0], valid)), self.config)


class LateLSTM(Network):
    """Late fusion: one LSTM a modality at its own length -> the three last states, concatenated -> sentiment."""

    def __init__(self, config: LSTMConfig, inputs: Inputs):
        super().__init__()
        self.config, self.inputs = config, inputs
        self.lstms = nn.ModuleDict({m: make_lstm(inputs.dims[m], config) for m in MODALITIES})
        self.head = Regressor(len(MODALITIES) * config.d_model, config.d_model, config.dropout, config.classes)

    def forward(self, batch: Batch) -> Output:
        """Batch -> Output with one prediction for each clip, (b)."""
        states = [last_valid(self.lstms[m](s.x)[0], s.valid) for m, s in self.inputs(batch).items()]
        return predicted(self.head(torch.cat(states, dim=-1)), self.config)
