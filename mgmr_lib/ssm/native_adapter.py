"""From torch tensors to native_scan.c and back; rows of the batch are shared out over torch's threads."""

import ctypes
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from ..errors import CourseError
from .arguments import ScanArguments
from .native import library

LANES = 16  # W in native_scan.c
CHUNK = 64  # steps between two kept states
WORK_PER_THREAD = 1 << 20  # (b,e,l,n) elements below which another thread does not pay


class _Seq(ctypes.Structure):
    _fields_ = [("p", ctypes.c_void_p), *((name, ctypes.c_int64) for name in ("row", "channel", "time"))]


class _Problem(ctypes.Structure):
    """`problem` of native_scan.c, field by field."""

    SEQUENCES = ("u", "delta", "z", "y", "dy", "du", "ddelta", "dz")
    POINTERS = ("A", "B", "C", "D", "bias", "h0", "dlast", "last", "dh0", "borders", "dA", "dB", "dC", "dD", "dbias")
    _fields_ = [*((name, ctypes.c_int64) for name in ("e", "l", "n", "g", "chunk")),
                *((name, ctypes.c_int32) for name in ("softplus", "const_B", "const_C")),
                *((name, _Seq) for name in SEQUENCES), *((name, ctypes.c_void_p) for name in POINTERS)]

    def give(self, **tensors: Tensor | None) -> "_Problem":
        """Set pointers; the caller keeps the tensors alive."""
        for name, t in tensors.items():
            if t is not None and name in self.SEQUENCES:
                setattr(self, name, _Seq(t.data_ptr(), *t.stride()))
            elif t is not None:
                setattr(self, name, t.data_ptr())
        return self


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
    return _NativeScan.apply(args.u, args.delta, args.A, args.B, args.C, args.D, args.z, args.delta_bias, args.state(),
                             args.delta_softplus)


def _rows(call, problems: list[_Problem], b: int) -> None:
    """Run call(problem, first row, stop row) with the rows shared out, one problem a thread. ctypes lets go of Python's lock."""
    borders = [b * i // len(problems) for i in range(len(problems) + 1)]
    jobs = list(zip(map(ctypes.byref, problems), borders, borders[1:], strict=False))
    if len(jobs) == 1:
        codes = [call(*_typed(*jobs[0]))]
    else:
        with ThreadPoolExecutor(len(jobs)) as pool:
            codes = list(pool.map(lambda job: call(*_typed(*job)), jobs))
    if any(codes):
        raise MemoryError("the compiled scan could not allocate its working memory")


def _typed(problem, first: int, stop: int):
    return problem, ctypes.c_int64(first), ctypes.c_int64(stop)


def _threads(b: int, elements: int) -> int:
    return max(1, min(torch.get_num_threads(), b, elements // WORK_PER_THREAD))


def _problem(u, A, B, C, softplus: bool) -> _Problem:
    groups = max(t.shape[1] if t.dim() == 4 else 1 for t in (B, C))
    sizes = (u.shape[1], u.shape[2], A.shape[1], groups, CHUNK)
    return _Problem(*sizes, softplus=softplus, const_B=B.dim() == 2, const_C=C.dim() == 2)


def _time_before_n(t: Tensor) -> Tensor:
    """B or C as the C code reads it: (b,g,l,n), or (e,n) as it is."""
    return t.contiguous() if t.dim() == 2 else t.transpose(2, 3).contiguous()


class _NativeScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u, delta, A, B, C, D, z, bias, state, softplus):
        b, e, length = u.shape
        q = _problem(u, A, B, C, softplus)
        A, D, bias, state = (None if t is None else t.contiguous() for t in (A, D, bias, state))
        B_c, C_c, y, last = _time_before_n(B), _time_before_n(C), torch.empty_like(u), torch.empty_like(state)
        tiles = q.g * -(-(e // q.g) // LANES)
        kept = b * -(-length // CHUNK) * tiles * q.n * LANES if any(ctx.needs_input_grad) else None
        borders = None if kept is None else u.new_empty(kept)
        q.give(u=u, delta=delta, z=z, y=y, A=A, B=B_c, C=C_c, D=D, bias=bias, h0=state, last=last, borders=borders)
        _rows(library().scan_forward, [q] * _threads(b, u.numel() * q.n), b)
        if kept is not None:
            ctx.save_for_backward(u, delta, A, B, C, D, z, bias, borders)
        ctx.softplus = softplus
        return y, last

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dy, dlast):
        u, delta, A, B, C, D, z, bias, borders = ctx.saved_tensors
        q = _problem(u, A, B, C, ctx.softplus)
        threads = _threads(len(u), u.numel() * q.n)
        B_c, C_c, dlast = _time_before_n(B), _time_before_n(C), dlast.contiguous()
        du, ddelta, dz = (None if t is None else torch.empty_like(t) for t in (u, delta, z))
        dstate = torch.empty_like(dlast)
        # what all rows add to exists once a thread; what each row has for itself exists once
        dA, dD, dbias = (None if t is None else t.new_zeros(threads, *t.shape) for t in (A, D, bias))
        dB, dC = (t.new_zeros(threads, *t.shape) if t.dim() == 2 else torch.empty_like(t) for t in (B_c, C_c))
        q.give(u=u, delta=delta, z=z, dy=dy, du=du, ddelta=ddelta, dz=dz, A=A, B=B_c, C=C_c, D=D, bias=bias, dlast=dlast,
               dh0=dstate, borders=borders)
        problems = []
        for i in range(threads):
            mine = {name: t if t is None or t.dim() == 4 else t[i] for name, t in
                    (("dA", dA), ("dB", dB), ("dC", dC), ("dD", dD), ("dbias", dbias))}
            problems.append(_Problem.from_buffer_copy(q).give(**mine))
        _rows(library().scan_backward, problems, len(u))
        dB, dC = (t.transpose(2, 3) if t.dim() == 4 else t.sum(0) for t in (dB, dC))
        dA, dD, dbias = (None if t is None else t.sum(0) for t in (dA, dD, dbias))
        return du, ddelta, dA, dB, dC, dD, dz, dbias, dstate, None
