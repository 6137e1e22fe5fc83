"""Batch normalisation that never counts padding."""

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from mgmr_lib.ssm.padding import zeroed


class MaskedBatchNorm(nn.Module):
    """BatchNorm over the valid rows of (..., d): padding enters no statistic and stays zero.

    In training each channel's mean and variance are the batch's, in evaluation the running ones, so that a prediction
    does not depend on its neighbours. A batch with a single row has no variance: it is normalised by the running
    statistics.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, d: int, affine: bool = True, momentum: float = 0.1, eps: float = 1e-5):
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(d)) if affine else None
        self.bias = nn.Parameter(torch.zeros(d)) if affine else None
        self.register_buffer("running_mean", torch.zeros(d))
        self.register_buffer("running_var", torch.ones(d))

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """x (..., d), valid (...) bool or None for all -> (..., d), zero where not valid."""
        if self.training and valid is not None:
            return x.new_zeros(x.shape).masked_scatter(valid[..., None], self._normalised(x[valid]))
        # In evaluation no row matters to another one, so that an exported program needs no count of the valid ones.
        rows = zeroed(x, valid).reshape(-1, x.shape[-1])
        return zeroed(self._normalised(rows).view_as(x), valid)

    def _normalised(self, rows: Tensor) -> Tensor:
        fresh = self.training and len(rows) > 1
        args = self.running_mean, self.running_var, self.weight, self.bias, fresh, self.momentum, self.eps
        return batch_norm(rows, *args)
