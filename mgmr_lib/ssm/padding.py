"""Right padding: clips of one batch have different lengths, and what lies behind their end must not matter."""

from typing import overload

import torch
from torch import Tensor

from mgmr_lib.ssm.engines.operators import operator

WRONG_ORDER = (
    "valid must be True, then False, in every row: padding belongs behind a clip's end, not before it and not within"
)


@operator("right_padded(Tensor valid) -> Tensor", torch.empty_like)
def right_padded(valid: Tensor) -> Tensor:
    """The same mask (b,l), if every row is True, then False. An operator, so that a compiled or exported program checks
    its masks when it runs; on a GPU, where looking would make the program wait, the check is a device assertion."""
    again = (valid[:, 1:] > valid[:, :-1]).any()
    if again.device.type == "cuda":
        torch._assert_async(~again, WRONG_ORDER)
    elif again:
        raise ValueError(WRONG_ORDER)
    return valid.clone()


def _vmapped(info, in_dims, valid: Tensor) -> tuple[Tensor, int]:
    rows = valid.movedim(in_dims[0], 0)
    return right_padded(rows.flatten(0, 1)).view_as(rows), 0


torch.library.register_vmap("mgmr::right_padded", _vmapped)


@overload
def checked_mask(valid: Tensor, x: Tensor) -> Tensor: ...
@overload
def checked_mask(valid: None, x: Tensor) -> None: ...
def checked_mask(valid: Tensor | None, x: Tensor) -> Tensor | None:
    """`valid`, or ValueError unless it is a bool mask (b,l) for x (b,l,...) with the padding behind each clip's end."""
    if valid is None:
        return None
    if valid.dtype != torch.bool or tuple(valid.shape) != tuple(x.shape[:2]):
        raise ValueError(
            f"valid must be a bool mask (b,l) = {tuple(x.shape[:2])}, but is {valid.dtype} {tuple(valid.shape)}"
        )
    return right_padded(valid)


def zero_padding(x: Tensor, valid: Tensor | None) -> Tensor:
    """x (b,l,...) with zeros wherever `valid` (b,l) is False, even where x holds NaN there."""
    return zeroed(x, checked_mask(valid, x))


def zeroed(x: Tensor, valid: Tensor | None) -> Tensor:
    """`zero_padding` with a mask that has been checked."""
    return x if valid is None else x.masked_fill(~valid.reshape(*valid.shape, *(1,) * (x.dim() - 2)), 0.0)


def flip_valid(x: Tensor, valid: Tensor | None = None) -> Tensor:
    """Reverse time within each row's valid part, and leave the padding where it is.

    x: (b,l,...); valid: (b,l) bool, True for the first lengths[i] steps of row i (right padding), or None for no
    padding. Applying it twice gives x back.
    """
    valid = checked_mask(valid, x)
    if valid is None:
        return x.flip(1)
    steps = torch.arange(x.shape[1], device=x.device)
    mirrored = valid.sum(1, keepdim=True) - 1 - steps
    index = torch.where(valid, mirrored.clamp(min=0), steps)
    return x.gather(1, index.reshape(*index.shape, *(1,) * (x.dim() - 2)).expand_as(x))
