"""From torch tensors to our Triton kernels and back: memory layout, tile sizes, and the sums that the kernels leave
open."""

import importlib.util
import os
from dataclasses import replace

import torch
from torch import Tensor

from mgmr_lib.errors import CourseError
from mgmr_lib.ssm.engines.arguments import Operands, ScanArguments
from mgmr_lib.ssm.engines.operators import channels_adjacent, sequence_like

CHUNK = 16  # steps whose states the backward keeps in scratch at a time
TILE = 32  # channels of one program at most


def interpreted() -> bool:
    """True where TRITON_INTERPRET=1 runs kernels on the CPU, slowly, to test them."""
    return os.environ.get("TRITON_INTERPRET", "0") == "1"


def prepared(args: ScanArguments) -> ScanArguments:
    """Parameters and states in the compute dtype, one number of groups, and a state to start from; u, delta, z stay as
    they are."""
    exact, args = args.cast(), args.with_same_groups()
    return replace(args, A=exact.A, D=exact.D, delta_bias=exact.delta_bias, initial_state=exact.state())


def _check(u: Tensor) -> None:
    if u.device.type != "cuda" and not interpreted():
        raise CourseError(
            f'it needs tensors on a CUDA device, but they are on {u.device}; use "chunked" there '
            "(TRITON_INTERPRET=1 in the environment runs it on a CPU, only to test it)"
        )
    if importlib.util.find_spec("triton") is None:
        raise CourseError("the package triton is not installed (torch's CUDA builds for Linux bring it)")


class _Launch:
    """What both kernels are called with: layouts, sizes, flags."""

    def __init__(self, x: Operands):
        u, A, B, C = x.u, x.A, x.B, x.C
        self.order = (0, 2, 1) if channels_adjacent(u) else (0, 1, 2)
        self.u, self.delta = self.laid_out(u), self.laid_out(x.delta)
        self.z = None if x.z is None else self.laid_out(x.z)
        self.B, self.C = (t.contiguous() if t.dim() == 2 else t.transpose(2, 3).contiguous() for t in (B, C))
        b, e, length = u.shape
        self.groups = x.groups
        tile = 1
        while tile < TILE and (tile < e if self.groups == 1 else (e // self.groups) % (2 * tile) == 0):
            tile *= 2
        self.sizes = (e, length, A.shape[1], self.groups, *self.u.stride())
        self.tile, self.states = tile, 1 << (A.shape[1] - 1).bit_length()
        self.flags = dict(
            SOFTPLUS=x.softplus,
            B_CONSTANT=B.dim() == 2,
            C_CONSTANT=C.dim() == 2,
            CHUNK=CHUNK,
            TILE=tile,
            NP=self.states,
            num_warps=1,
        )
        self.chunks, self.grid = -(-length // CHUNK), (-(-e // tile), b)

    def laid_out(self, t: Tensor) -> Tensor:
        """(b,e,l) in the memory order of u, dense."""
        return t.permute(self.order).contiguous().permute(self.order)

    def parts(self, like: Tensor, rows: int, A: Tensor) -> Tensor:
        """Room for the partial gradients of B or C."""
        if like.dim() == 2:
            return A.new_empty(rows, *like.shape)
        return A.new_empty(self.grid[0], rows, like.shape[3], like.shape[2])

    def added_up(self, parts: Tensor, like: Tensor) -> Tensor:
        """The partial gradients as the gradient of `like`."""
        if like.dim() == 2:
            return parts.sum(0).to(like.dtype)
        parts = parts.unflatten(0, (self.groups, -1)).sum(1)  # (g,b,l,n)
        return parts.transpose(0, 1).to(like.dtype).contiguous().transpose(2, 3)


def kept_shape(u: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[int, ...]:
    """The states at chunk borders."""
    return u.shape[0], -(-u.shape[2] // CHUNK), *A.shape


def forward(x: Operands, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
    """y (b,e,l), the last state (b,e,n), and the states at chunk borders, which the kernel writes in any case."""
    _check(x.u)
    from mgmr_lib.ssm.engines.triton_scan import scan_forward

    go = _Launch(x)
    A, state = x.A.contiguous(), x.state.contiguous()
    D, bias = (None if t is None else t.contiguous() for t in (x.D, x.bias))
    y, last = torch.empty_like(go.u), torch.empty_like(state)
    borders = A.new_empty(kept_shape(x.u, A, x.B, x.C))
    scan_forward[go.grid](go.u, go.delta, A, go.B, go.C, D, go.z, bias, state, y, last, borders, *go.sizes, **go.flags)
    return y, last, borders if keep else A.new_empty(0)


def backward(dy: Tensor, dlast: Tensor, x: Operands, kept: Tensor, wants_decay: bool) -> tuple[Tensor | None, ...]:
    """The gradients in the order of `Operands`."""
    from mgmr_lib.ssm.engines.triton_scan import scan_backward

    go, rows = _Launch(x), x.u.shape[0]
    A = x.A.contiguous()
    D, bias = (None if t is None else t.contiguous() for t in (x.D, x.bias))
    du, ddelta, dz = (None if t is None else torch.empty_like(t) for t in (go.u, go.delta, go.z))
    dD, dbias = (None if t is None else t.new_empty(rows, len(t)) for t in (D, bias))
    dA, dstate = A.new_empty(rows, *A.shape), dlast.new_empty(dlast.shape)
    dB, dC = go.parts(x.B, rows, A), go.parts(x.C, rows, A)
    scratch = A.new_empty(go.grid[0] * rows * CHUNK * go.tile * go.states)
    inputs = (go.u, go.delta, A, go.B, go.C, D, go.z, bias, kept, go.laid_out(dy), dlast.contiguous(), scratch)
    scan_backward[go.grid](*inputs, du, ddelta, dA, dB, dC, dD, dz, dbias, dstate, *go.sizes, **go.flags)
    du, ddelta, dz = (
        None if like is None or t is None else _in_order_of(like, t)
        for like, t in ((x.u, du), (x.delta, ddelta), (x.z, dz))
    )
    dD, dbias = (None if t is None else t.sum(0) for t in (dD, dbias))
    return du, ddelta, dA.sum(0), go.added_up(dB, x.B), go.added_up(dC, x.C), dD, dz, dbias, dstate


def _in_order_of(like: Tensor, t: Tensor) -> Tensor:
    """t in the memory order that autograd expects of a gradient of `like`."""
    return t if channels_adjacent(t) == channels_adjacent(like) else sequence_like(like).copy_(t)
