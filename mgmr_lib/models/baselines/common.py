"""What several baselines share: recurrences and summaries that never see padding, and checks of a configuration."""

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mgmr_lib.errors import CourseError
from mgmr_lib.models.inputs import Sequence


def masked_mean(x: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid steps: (b, l, d), (b, l) bool -> (b, d)."""
    return x.masked_fill(~valid[..., None], 0.0).sum(1) / valid.sum(1, keepdim=True).clamp(min=1)


def last_valid(x: Tensor, valid: Tensor) -> Tensor:
    """Each clip's last valid step: (b, l, d), (b, l) bool, True at the front -> (b, d)."""
    return x[torch.arange(len(x), device=x.device), valid.sum(1) - 1]


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


def check_config(config) -> None:
    """CourseError unless every size of a baseline's configuration makes sense.

    Whole numbers are at least 1, kernels odd (or steps would move), dropouts in [0, 1), and heads divide d_model.
    """
    for field in dataclasses.fields(config):
        value, option = getattr(config, field.name), "--" + field.name.replace("_", "-")
        if "dropout" in field.name and not 0 <= value < 1:
            raise CourseError(f"{option} must be at least 0 and below 1, and is {value}")
        if isinstance(value, int) and not isinstance(value, bool) and value < 1:
            raise CourseError(f"{option} must be at least 1, and is {value}")
        if field.name.startswith("kernel") and value % 2 == 0:
            raise CourseError(f"{option} must be odd, so that steps stay in place, and is {value}")
    if hasattr(config, "heads") and config.d_model % config.heads:
        raise CourseError(f"--heads must divide --d-model, and {config.heads} does not divide {config.d_model}")
