"""The loop: the recurrence with one line of torch a step. Correct on every device, differentiated by autograd."""

import torch
from torch import Tensor

from mgmr_lib.ssm.engines.reference import every_channel


def loop_core(u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
    """The recurrence step by step. Shapes as in `ScanArguments`; returns y (b,e,l) and the last state (b,e,n).

    `unbind` and not `x[:, :, t]`: the gradient of each indexing is a full-size tensor of zeros with one slice filled,
    so that a loop over indices has a backward of O(l^2) (notebook 04 measures it).
    """
    b, e, length = u.shape
    decay = torch.exp(dt.unsqueeze(-1) * A[:, None, :]).unbind(2)
    x = (dt * u).unbind(2)
    B_t, C_t = (_steps(t, b, e, length) for t in (B, C))
    h = u.new_zeros(b, *A.shape) if state is None else state
    ys = []
    for t in range(length):
        h = torch.addcmul(decay[t] * h, x[t].unsqueeze(-1), B_t[t])
        ys.append((h * C_t[t]).sum(-1))
    return torch.stack(ys, dim=2), h


def _steps(t: Tensor, b: int, e: int, length: int):
    """The l steps of B or C, each broadcastable to (b,e,n)."""
    if t.dim() == 2:
        return (t,) * length
    if t.shape[1] == 1:
        return t.unbind(3)
    return every_channel(t, b, e, length).unbind(3)
