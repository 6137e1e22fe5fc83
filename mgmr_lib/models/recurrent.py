"""Recurrences in both directions of time over clips of different lengths."""

import torch
from torch import Tensor, nn

from mgmr_lib.ssm import flip_valid


class Bidirectional(nn.Module):
    """`depth` layers of a recurrence (nn.LSTM or nn.GRU) ahead and one back, side by side: (b,l,d_in) -> (b,l,2d).

    The backward one reads each clip from its own last step: its valid part is reversed and its padding stays at the
    back, where neither direction's valid outputs depend on it. That is what packing is for, too, but a packed backward
    pass is up to eight times slower on a CPU.
    """

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU], d_in: int, d: int, depth: int = 1):
        super().__init__()
        widths = [d_in] + [2 * d] * (depth - 1)
        self.ahead = nn.ModuleList([kind(w, d, batch_first=True) for w in widths])
        self.back = nn.ModuleList([kind(w, d, batch_first=True) for w in widths])

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x (b,l,d_in), valid (b,l) bool -> (b,l,2d); what stands in the padding means nothing."""
        for ahead, back in zip(self.ahead, self.back, strict=True):
            x = torch.cat([ahead(x)[0], flip_valid(back(flip_valid(x, valid))[0], valid)], dim=-1)
        return x
