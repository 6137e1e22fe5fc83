"""Unimodal encoders of MGMR-Net (its section 3.2): an LSTM for voice and face, BERT's outputs for text, then Conv1D."""

from torch import Tensor, nn

from mgmr_lib.models.inputs import Sequence
from mgmr_lib.ssm.padding import checked_mask, zeroed


class UnimodalEncoder(nn.Module):
    """X_m = Conv1D(X_m^w; kernel_m): (b, l, d_m) -> (b, l, d).

    Voice and face first pass a one-layer, unidirectional LSTM of width d (the paper's "sLSTM", read as
    "single-directional": its size is absent there). Text arrives encoded. A causal LSTM reads right padding last, so
    what it says at valid steps is the same with or without packing (tested), and unpacked is faster here.
    """

    def __init__(self, d_in: int, d_model: int, kernel: int, recurrent: bool, dropout: float = 0.0):
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"the convolution's kernel must be odd, so that steps stay in place, but is {kernel}")
        self.lstm = nn.LSTM(d_in, d_model, batch_first=True) if recurrent else None
        self.conv = nn.Conv1d(d_model if recurrent else d_in, d_model, kernel, padding=kernel // 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, sequence: Sequence) -> Tensor:
        """sequence.x (b, l, d_m) -> X_m (b, l, d); zero at padded steps."""
        x = self.dropout(sequence.x)
        if self.lstm is not None:
            x, _ = self.lstm(x)
        # The convolution looks both ways: zero the padding before it, or the last valid steps would see it.
        valid = checked_mask(sequence.valid, x)
        x = self.conv(zeroed(x, valid).transpose(1, 2)).transpose(1, 2)
        return zeroed(x, valid)
