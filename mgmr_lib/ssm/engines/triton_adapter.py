"""From torch tensors to our Triton kernels and back: memory layout, tile sizes, and the sums that the kernels leave
open."""

import os
from dataclasses import replace

import torch
from torch import Tensor

from mgmr_lib.errors import CourseError
from mgmr_lib.ssm.engines.arguments import ScanArguments

CHUNK = 16  # steps whose states the backward keeps in scratch at a time
TILE = 32  # channels of one program at most


def interpreted() -> bool:
    """True where TRITON_INTERPRET=1 runs kernels on the CPU, slowly, to test them."""
    return os.environ.get("TRITON_INTERPRET", "0") == "1"


def triton_scan(args: ScanArguments) -> tuple[Tensor, Tensor]:
    """The selective scan by our kernels: y (b,e,l) and the last state (b,e,n), both differentiable (once)."""
    if args.u.device.type != "cuda" and not interpreted():
        raise CourseError(
            f'it needs tensors on a CUDA device, but they are on {args.u.device}; use "chunked" there '
            "(TRITON_INTERPRET=1 in the environment runs it on a CPU, only to test it)"
        )
    try:
        import triton  # noqa: F401
    except ImportError:
        raise CourseError("the package triton is not installed (torch's CUDA builds for Linux bring it)") from None
    args = _prepared(args)
    return _TritonScan.apply(
        args.u,
        args.delta,
        args.A,
        args.B,
        args.C,
        args.D,
        args.z,
        args.delta_bias,
        args.initial_state,
        args.delta_softplus,
    )


def _prepared(args: ScanArguments) -> ScanArguments:
    """Parameters and states in the compute dtype, one number of groups, and a state to start from; u, delta, z stay as
    they are."""
    exact, args = args.cast(), args.with_same_groups()
    return replace(args, A=exact.A, D=exact.D, delta_bias=exact.delta_bias, initial_state=exact.state())


class _Launch:
    """What both kernels are called with: layouts, sizes, flags."""

    def __init__(self, u, delta, A, B, C, z, softplus: bool):
        channels_last = u.dim() == 3 and u.stride(1) == 1 and u.shape[1] > 1
        self.order = (0, 2, 1) if channels_last else (0, 1, 2)
        self.u, self.delta, self.z = (None if t is None else self.laid_out(t) for t in (u, delta, z))
        self.B, self.C = (t.contiguous() if t.dim() == 2 else t.transpose(2, 3).contiguous() for t in (B, C))
        b, e, length = u.shape
        self.groups = max(t.shape[1] if t.dim() == 4 else 1 for t in (B, C))
        tile = 1
        while tile < TILE and (tile < e if self.groups == 1 else (e // self.groups) % (2 * tile) == 0):
            tile *= 2
        self.sizes = (e, length, A.shape[1], self.groups, *self.u.stride())
        self.tile, self.states = tile, 1 << (A.shape[1] - 1).bit_length()
        self.flags = dict(
            SOFTPLUS=softplus,
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
        return parts.unflatten(0, (self.groups, -1)).sum(1).permute(1, 0, 3, 2).to(like.dtype)


class _TritonScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u, delta, A, B, C, D, z, bias, state, softplus):
        from mgmr_lib.ssm.engines.triton_scan import scan_forward

        go = _Launch(u, delta, A, B, C, z, softplus)
        A, D, bias, state = (None if t is None else t.contiguous() for t in (A, D, bias, state))
        y, last = torch.empty_like(go.u), torch.empty_like(state)
        borders = A.new_empty(u.shape[0], go.chunks, *A.shape)
        scan_forward[go.grid](
            go.u, go.delta, A, go.B, go.C, D, go.z, bias, state, y, last, borders, *go.sizes, **go.flags
        )
        ctx.save_for_backward(u, delta, A, B, C, D, z, bias, borders)
        ctx.softplus = softplus
        return y, last

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dy, dlast):
        from mgmr_lib.ssm.engines.triton_scan import scan_backward

        u, delta, A, B, C, D, z, bias, borders = ctx.saved_tensors
        go = _Launch(u, delta, A, B, C, z, ctx.softplus)
        rows = u.shape[0]
        du, ddelta = torch.empty_like(go.u), torch.empty_like(go.delta)
        dz = None if z is None else torch.empty_like(go.z)
        dD, dbias = (None if t is None else t.new_empty(rows, len(t)) for t in (D, bias))
        dA, dstate = A.new_empty(rows, *A.shape), torch.empty_like(dlast, memory_format=torch.contiguous_format)
        dB, dC = go.parts(B, rows, A), go.parts(C, rows, A)
        scratch = A.new_empty(go.grid[0] * rows * CHUNK * go.tile * go.states)
        scan_backward[go.grid](
            go.u,
            go.delta,
            A,
            go.B,
            go.C,
            D,
            go.z,
            bias,
            borders,
            go.laid_out(dy),
            dlast.contiguous(),
            scratch,
            du,
            ddelta,
            dA,
            dB,
            dC,
            dD,
            dz,
            dbias,
            dstate,
            *go.sizes,
            **go.flags,
        )
        dD, dbias = (None if t is None else t.sum(0) for t in (dD, dbias))
        return du, ddelta, dA.sum(0), go.added_up(dB, B), go.added_up(dC, C), dD, dz, dbias, dstate, None
