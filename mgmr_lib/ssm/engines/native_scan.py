"""From torch tensors to native_scan.c and back."""

import ctypes

import torch
from torch import Tensor

from mgmr_lib.errors import CourseError
from mgmr_lib.ssm.engines.arguments import Operands, ScanArguments, groups
from mgmr_lib.ssm.engines.native import library
from mgmr_lib.ssm.engines.native_call import Seq, Task, run, threads_for
from mgmr_lib.ssm.engines.operators import sequence_like

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


def prepared(args: ScanArguments) -> ScanArguments:
    """All in float32, B and C in one number of groups; CourseError where the compiled code cannot serve."""
    if (reason := supports(args)) is not None:
        raise CourseError(reason)
    return args.cast().with_same_groups()


def kept_shape(u: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[int, ...]:
    """The states at chunk borders, in tiles of LANES channels."""
    g = groups(B, C)
    return (u.shape[0] * -(-u.shape[2] // CHUNK) * g * -(-(u.shape[1] // g) // LANES) * A.shape[1] * LANES,)


def _task(x: Operands) -> _Scan:
    sizes = (x.u.shape[1], x.u.shape[2], x.A.shape[1], x.groups, CHUNK)
    return _Scan(*sizes, softplus=x.softplus, const_B=x.B.dim() == 2, const_C=x.C.dim() == 2)


def _as_read(x: Operands) -> Operands:
    """The same with B and C as the C code reads them, (b,g,l,n) or (e,n), and all but sequences contiguous."""
    B, C = (t.contiguous() if t.dim() == 2 else t.transpose(2, 3).contiguous() for t in (x.B, x.C))
    D, bias = (None if t is None else t.contiguous() for t in (x.D, x.bias))
    return x._replace(A=x.A.contiguous(), B=B, C=C, D=D, bias=bias, state=x.state.contiguous())


def forward(x: Operands, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
    """y (b,e,l), the last state (b,e,n), and the states at chunk borders (empty without keep)."""
    borders = x.u.new_empty(kept_shape(x.u, x.A, x.B, x.C) if keep else 0)
    y, last, q, x = sequence_like(x.u), x.state.new_empty(x.state.shape), _task(x), _as_read(x)
    q.give(u=x.u, delta=x.delta, z=x.z, y=y, A=x.A, B=x.B, C=x.C, D=x.D, bias=x.bias, h0=x.state, last=last)
    q.give(borders=borders if keep else None)
    run(library().scan_forward, [q] * threads_for(len(y), y.numel() * q.n), len(y))
    return y, last, borders


def backward(dy: Tensor, dlast: Tensor, x: Operands, kept: Tensor, wants_decay: bool) -> tuple[Tensor | None, ...]:
    """The gradients in the order of `Operands`."""
    du, ddelta, dz = (None if t is None else sequence_like(t) for t in (x.u, x.delta, x.z))
    dlast, q, x = dlast.contiguous(), _task(x), _as_read(x)
    dstate, threads = torch.empty_like(dlast), threads_for(len(dy), dy.numel() * q.n)
    # what all rows add to exists once a thread; what each row has for itself exists once
    shared = {"dA": x.A, "dD": x.D, "dbias": x.bias} | {f"d{k}": t for k, t in (("B", x.B), ("C", x.C)) if t.dim() == 2}
    parts = {name: None if t is None else t.new_zeros(threads, *t.shape) for name, t in shared.items()}
    own = {f"d{k}": torch.empty_like(t) for k, t in (("B", x.B), ("C", x.C)) if t.dim() == 4}
    q.give(u=x.u, delta=x.delta, z=x.z, dy=dy, du=du, ddelta=ddelta, dz=dz, A=x.A, B=x.B, C=x.C, D=x.D, bias=x.bias)
    q.give(dlast=dlast, dh0=dstate, borders=kept, **own)
    tasks = [q.copy().give(**{name: None if t is None else t[i] for name, t in parts.items()}) for i in range(threads)]
    run(library().scan_backward, tasks, len(dy))
    sums = {name: None if t is None else t.sum(0) for name, t in parts.items()}
    dB, dC = (own[name].transpose(2, 3) if name in own else sums[name] for name in ("dB", "dC"))
    return du, ddelta, sums["dA"], dB, dC, sums["dD"], dz, sums["dbias"], dstate
