"""Right padding: clips of one batch have different lengths, and what lies behind their end must not matter."""

import torch
from torch import Tensor


def check_valid(valid: Tensor, x: Tensor) -> None:
    """ValueError unless `valid` is a (b,l) bool mask for x (b,l,...)."""
    if valid.dtype != torch.bool or tuple(valid.shape) != tuple(x.shape[:2]):
        raise ValueError(
            f"valid must be a bool mask (b,l) = {tuple(x.shape[:2])}, but is {valid.dtype} {tuple(valid.shape)}"
        )


def zero_padding(x: Tensor, valid: Tensor | None) -> Tensor:
    """x (b,l,...) with zeros wherever `valid` (b,l) is False, even where x holds NaN there."""
    if valid is None:
        return x
    check_valid(valid, x)
    return x.masked_fill(~valid.reshape(*valid.shape, *(1,) * (x.dim() - 2)), 0.0)


def flip_valid(x: Tensor, valid: Tensor | None = None) -> Tensor:
    """Reverse time within each row's valid part, and leave the padding where it is.

    x: (b,l,...); valid: (b,l) bool, True for the first lengths[i] steps of row i (right padding), or None for no
    padding. Applying it twice gives x back.
    """
    if valid is None:
        return x.flip(1)
    check_valid(valid, x)
    steps = torch.arange(x.shape[1], device=x.device)
    mirrored = valid.sum(1, keepdim=True) - 1 - steps
    index = torch.where(valid, mirrored.clamp(min=0), steps)
    return x.gather(1, index.reshape(*index.shape, *(1,) * (x.dim() - 2)).expand_as(x))
