"""From torch tensors to native_scan.c and back."""

import ctypes

import torch
from torch import Tensor

from mgmr_lib.errors import CourseError
from mgmr_lib.ssm.engines.arguments import ScanArguments
from mgmr_lib.ssm.engines.native import library
from mgmr_lib.ssm.engines.native_call import Seq, Task, run, threads_for

LANES = 16  # W in native_scan.c
CHUNK = 64  # steps between two kept states


class _Scan(Task):
    """`problem` of native_scan.c, field by field."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("e", "l", "n", "g", "chunk")),
        *((name, ctypes.c_int32) for name in ("softplus", "const_B", "const_C")),
        *((name, Seq) for name in ("u", "delta", "z", "y", "dy", "du", "ddelta", "dz")),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "A",
                "B",
                "C",
                "D",
                "bias",
                "h0",
                "dlast",
                "last",
                "dh0",
                "borders",
                "dA",
                "dB",
                "dC",
                "dD",
                "dbias",
            )
        ),
    ]


def supports(args: ScanArguments) -> str | None:
    """None, or the reason why the compiled scan cannot serve this call."""
    if args.u.device.type != "cpu":
        return f"it needs tensors on the CPU, but they are on {args.u.device}"
    if args.compute_dtype != torch.float32:
        return 'it computes in float32 only; "chunked" has float64'
    return None


def native_scan(args: ScanArguments) -> tuple[Tensor, Tensor]:
    """The selective scan in compiled C: y (b,e,l) and the last state (b,e,n), both differentiable (once)."""
    reason = supports(args)
    if reason is not None:
        raise CourseError(reason)
    library()
    args = args.cast().with_same_groups()
    return _NativeScan.apply(
        args.u, args.delta, args.A, args.B, args.C, args.D, args.z, args.delta_bias, args.state(), args.delta_softplus
    )


def _task(u, A, B, C, softplus: bool) -> _Scan:
    groups = max(t.shape[1] if t.dim() == 4 else 1 for t in (B, C))
    sizes = (u.shape[1], u.shape[2], A.shape[1], groups, CHUNK)
    return _Scan(*sizes, softplus=softplus, const_B=B.dim() == 2, const_C=C.dim() == 2)


def _time_before_n(t: Tensor) -> Tensor:
    """B or C as the C code reads it: (b,g,l,n), or (e,n) as it is."""
    return t.contiguous() if t.dim() == 2 else t.transpose(2, 3).contiguous()


class _NativeScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u, delta, A, B, C, D, z, bias, state, softplus):
        b, e, length = u.shape
        q = _task(u, A, B, C, softplus)
        A, D, bias, state = (None if t is None else t.contiguous() for t in (A, D, bias, state))
        B_c, C_c, y, last = _time_before_n(B), _time_before_n(C), torch.empty_like(u), torch.empty_like(state)
        tiles = q.g * -(-(e // q.g) // LANES)
        kept = b * -(-length // CHUNK) * tiles * q.n * LANES if any(ctx.needs_input_grad) else None
        borders = None if kept is None else u.new_empty(kept)
        q.give(u=u, delta=delta, z=z, y=y, A=A, B=B_c, C=C_c, D=D, bias=bias, h0=state, last=last, borders=borders)
        run(library().scan_forward, [q] * threads_for(b, u.numel() * q.n), b)
        if kept is not None:
            ctx.save_for_backward(u, delta, A, B, C, D, z, bias, borders)
        ctx.softplus = softplus
        return y, last

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dy, dlast):
        u, delta, A, B, C, D, z, bias, borders = ctx.saved_tensors
        q = _task(u, A, B, C, ctx.softplus)
        threads = threads_for(len(u), u.numel() * q.n)
        B_c, C_c, dlast = _time_before_n(B), _time_before_n(C), dlast.contiguous()
        du, ddelta, dz = (None if t is None else torch.empty_like(t) for t in (u, delta, z))
        dstate = torch.empty_like(dlast)
        # what all rows add to exists once a thread; what each row has for itself exists once
        dA, dD, dbias = (None if t is None else t.new_zeros(threads, *t.shape) for t in (A, D, bias))
        dB, dC = (t.new_zeros(threads, *t.shape) if t.dim() == 2 else torch.empty_like(t) for t in (B_c, C_c))
        q.give(
            u=u,
            delta=delta,
            z=z,
            dy=dy,
            du=du,
            ddelta=ddelta,
            dz=dz,
            A=A,
            B=B_c,
            C=C_c,
            D=D,
            bias=bias,
            dlast=dlast,
            dh0=dstate,
            borders=borders,
        )
        tasks = []
        for i in range(threads):
            mine = {
                name: t if t is None or t.dim() == 4 else t[i]
                for name, t in (("dA", dA), ("dB", dB), ("dC", dC), ("dD", dD), ("dbias", dbias))
            }
            tasks.append(q.copy().give(**mine))
        run(library().scan_backward, tasks, len(u))
        dB, dC = (t.transpose(2, 3) if t.dim() == 4 else t.sum(0) for t in (dB, dC))
        dA, dD, dbias = (None if t is None else t.sum(0) for t in (dA, dD, dbias))
        return du, ddelta, dA, dB, dC, dD, dz, dbias, dstate, None
