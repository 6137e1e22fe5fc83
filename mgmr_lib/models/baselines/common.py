"""What several baselines share: recurrences and summaries that never see padding."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mgmr_lib.models.inputs import Sequence


def masked_mean(x: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid steps: (b, l, d), (b, l) bool -> (b, d)."""
    return x.masked_fill(~valid[..., None], 0.0).sum(1) / valid.sum(1, keepdim=True).clamp(min=1)


def last_valid(x: Tensor, valid: Tensor) -> Tensor:
    """Each clip's last valid step: (b, l, d), (b, l) bool, True at the front -> (b, d)."""
    return x[torch.arange(x.shape[0], device=x.device), valid.sum(1) - 1]


def run_packed(rnn: nn.RNNBase, x: Tensor, valid: Tensor) -> Tensor:
    """A recurrence in one or both directions over the valid steps alone: (b, l, d_in) -> (b, l, d_out), zero in
    padding.

    Packed by length, a backward pass starts at each clip's own last step and not in the padding of a longer neighbour.
    """
    packed = pack_padded_sequence(x, valid.sum(1).cpu(), batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(rnn(packed)[0], batch_first=True, total_length=x.shape[1])[0]


class TemporalConv(nn.Module):
    """Conv1d over time, brought to a common width: Sequence of width d_in -> (b, l, d_out), zero in padding.

    What lies in the padding is zero already (the door of the network saw to it), so the last valid steps see zeros.
    """

    def __init__(self, d_in: int, d_out: int, kernel: int):
        super().__init__()
        self.conv = nn.Conv1d(d_in, d_out, kernel, padding=kernel // 2)

    def forward(self, sequence: Sequence) -> Tensor:
        """sequence.x (b, l, d_in) -> (b, l, d_out); zero at padded steps."""
        x = self.conv(sequence.x.transpose(1, 2)).transpose(1, 2)
        return x.masked_fill(~sequence.valid[..., None], 0.0)
