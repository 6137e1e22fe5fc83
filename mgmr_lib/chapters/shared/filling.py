"""Two ways to fill a gap without a network: repeat the last kept step, or draw a straight line."""

import torch
from torch import Tensor


def hold_last(x: Tensor, keep: Tensor) -> Tensor:
    """Each lost step repeats the last kept one before it; zero where there is none. x (n,l,c), keep (n,l) ->
    (n,l,c)."""
    last = _kept_before(keep)
    return _take(x, last.clamp(min=0)).masked_fill((last < 0)[..., None], 0.0)


def straight_line(x: Tensor, keep: Tensor) -> Tensor:
    """A straight line from the last kept step to the next one; level beyond the outermost kept steps; zero where none
    is kept."""
    before, after = _kept_before(keep), keep.shape[1] - 1 - _kept_before(keep.flip(1)).flip(1)
    nothing = ~keep.any(1)[:, None, None]
    before = torch.where(before < 0, after, before)
    after = torch.where(after >= keep.shape[1], before, after)
    last = keep.shape[1] - 1
    before, after = before.clamp(0, last), after.clamp(0, last)
    share = (torch.arange(last + 1) - before) / (after - before).clamp(min=1)
    return torch.lerp(_take(x, before), _take(x, after), share[..., None]).masked_fill(nothing, 0.0)


def _kept_before(keep: Tensor) -> Tensor:
    """(n, l) -> for every step the last kept one up to it, -1 where there is none."""
    steps = torch.arange(keep.shape[1]).expand(keep.shape)
    return torch.where(keep, steps, -1).cummax(1).values


def _take(x: Tensor, index: Tensor) -> Tensor:
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[2]))
