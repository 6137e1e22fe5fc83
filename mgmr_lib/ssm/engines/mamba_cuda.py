"""Adapter to mamba_ssm's CUDA kernel, with the reasons why it may not serve a call.

Its selective_scan_fn takes u, delta, z (b,e,l) of one dtype, A, D and delta_bias in float32, at most 256 states, no
initial state, and gives no gradient through the last state. `python course.py gpu` (mgmr_lib/commands/gpu) installs it.
"""

import torch
from torch import Tensor

from mgmr_lib.errors import CourseError
from mgmr_lib.ssm.engines.arguments import ScanArguments

DEVICE = "cuda"
MAX_STATES = 256


def supports(args: ScanArguments, wants_state: bool) -> str | None:
    """None, or the reason why mamba_ssm's kernel cannot serve this call."""
    if args.u.device.type != DEVICE:
        return f'it needs tensors on a CUDA device, but they are on {args.u.device}; use "chunked" there'
    if args.initial_state is not None:
        return "it has no initial state"
    if args.A.shape[1] > MAX_STATES:
        return f"it serves at most {MAX_STATES} states, but A has {args.A.shape[1]}"
    if args.compute_dtype == torch.float64:
        return "it has no float64"
    if wants_state and torch.is_grad_enabled() and any(t.requires_grad for t in args.tensors()):
        return 'it gives no gradient through the last state; "triton" and "chunked" do'
    return None


@torch.compiler.disable(reason='mamba_ssm cannot be traced; backend="triton" and "auto" can')
def cuda_scan(args: ScanArguments) -> tuple[Tensor, Tensor]:
    """The selective scan by mamba_ssm's kernel: y (b,e,l) and the last state (b,e,n), the latter without a gradient."""
    reason = supports(args, wants_state=False)
    if reason is not None:
        raise CourseError(reason)
    scan, args = _kernel(), args.with_same_groups()
    dtype = args.u.dtype
    exact = {
        name: None if t is None else t.float()
        for name, t in (("A", args.A), ("D", args.D), ("delta_bias", args.delta_bias))
    }
    B, C = (t.float() if t.dim() == 2 else t.to(dtype) for t in (args.B, args.C))
    z = None if args.z is None else args.z.to(dtype)
    y, last = scan(
        args.u, args.delta.to(dtype), exact["A"], B, C, exact["D"], z, exact["delta_bias"], args.delta_softplus, True
    )
    return y, last.detach()


def _kernel():
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except ImportError as error:
        raise CourseError(
            f"mamba_ssm cannot be imported ({error}): on a machine with an NVIDIA GPU, `python course.py gpu` installs "
            "it"
        ) from None
    return selective_scan_fn
