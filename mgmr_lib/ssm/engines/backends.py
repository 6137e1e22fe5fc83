"""The rungs of the scan ladder by name: which of them work here, why not, and which one "auto" takes."""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
import torch.nn.functional as F
from torch import Tensor

from mgmr_lib.errors import CourseError
from mgmr_lib.ssm.engines import mamba_cuda, native, native_scan
from mgmr_lib.ssm.engines.arguments import ScanArguments, checked
from mgmr_lib.ssm.engines.loop import loop_core
from mgmr_lib.ssm.engines.reference import python_core, reference_scan
from mgmr_lib.ssm.engines.scan_operator import ENGINES, scan_with_gradient

Scan = Callable[[ScanArguments], tuple[Tensor, Tensor]]


def through_core(core: Callable, args: ScanArguments) -> tuple[Tensor, Tensor]:
    """A whole selective scan from a core that knows only the recurrence: softplus before it, D and the gate after it.

    Under autocast the scan stays in its compute dtype: a sum over thousands of steps needs it.
    """
    args = args.cast()
    with torch.autocast(args.u.device.type, enabled=False):
        delta = args.delta if args.delta_bias is None else args.delta + args.delta_bias[:, None]
        if args.delta_softplus:  # contiguous: torch's tracer mistakes the memory order of its gradient otherwise
            delta = F.softplus(delta.contiguous())
        y, last = core(args.u, delta, args.A, args.B, args.C, args.initial_state)
        if args.D is not None:
            y = torch.addcmul(y, args.u, args.D[:, None])
        return (y if args.z is None else y * F.silu(args.z)), last


BACKENDS: dict[str, Scan] = {
    "python": functools.partial(through_core, python_core),
    "reference": reference_scan,
    "loop": functools.partial(through_core, loop_core),
    **{name: functools.partial(scan_with_gradient, engine=name) for name in ENGINES},
    "cuda": mamba_cuda.cuda_scan,
}


def available_backends() -> dict[str, str]:
    """{name: "ok", or why this backend does not work on this machine and what to do}. Each is tried with a call,
    once."""
    return {name: status(name) for name in BACKENDS}


@functools.cache
def status(name: str, device: str | None = None) -> str:
    """ "ok", or the reason why `name` does not work on `device` (default: a GPU for the GPU backends, else the CPU)."""
    if device is None:
        device = mamba_cuda.DEVICE if name in ("triton", "cuda") and torch.cuda.is_available() else "cpu"
    try:
        # A thread of its own: the caller may be under no_grad, autocast, vmap, or a tracer's fake tensors.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(_trial, name, device).result()
    except CourseError as error:
        return str(error)
    except Exception as error:
        return f"a trial call on {device} failed: {type(error).__name__}: {error}"
    return "ok"


@torch.compiler.assume_constant_result
def ready(name: str, device: str) -> bool:
    """Whether `name` works on `device`; a compiler asks once and builds the answer into its graph."""
    return status(name, device) == "ok"


def _trial(name: str, device: str) -> None:
    """Forward and backward of a scan of ones, compared with its closed form."""
    ones = functools.partial(torch.ones, device=device, dtype=torch.float32)
    u, A, mixing = ones(1, 2, 4, requires_grad=True), -ones(2, 3), ones(1, 3, 4)
    y, _ = BACKENDS[name](checked(u, torch.ones_like(u), A, mixing, mixing))
    y.sum().backward()
    sums = torch.exp(-torch.arange(4, device=device, dtype=torch.float32)).cumsum(0)
    if not torch.allclose(y.detach().float(), (3 * sums).expand(1, 2, 4), rtol=1e-3):
        raise CourseError("its trial call gives wrong numbers here; use another backend and report this")
    if u.grad is None or not torch.allclose(u.grad.float(), (3 * sums.flip(0)).expand(1, 2, 4), rtol=1e-3):
        raise CourseError("its trial call gives wrong gradients here; use another backend and report this")


def named(name: str, args: ScanArguments, wants_state: bool) -> Scan:
    """The backend `name`, or a CourseError that says why it cannot serve this call."""
    if name not in BACKENDS:
        raise CourseError(f'backend must be "auto" or one of {", ".join(BACKENDS)}, but is {name!r}')
    if name in ("native", "triton", "cuda"):
        if not torch.compiler.is_compiling() and (reason := status(name)) != "ok":
            raise CourseError(f'backend "{name}" does not work here: {reason} (backend="auto" takes one that does)')
    if name == "cuda" and (refusal := mamba_cuda.supports(args, wants_state)) is not None:
        raise CourseError(f'backend "cuda" cannot serve this call: {refusal}')
    return BACKENDS[name]


def automatic(args: ScanArguments, wants_state: bool) -> list[str]:
    """The rungs that "auto" tries for these arguments, fastest first."""
    device = args.u.device.type
    names = ["chunked", "loop"]
    if device == "meta" or torch.compiler.is_exporting():
        return names[:1]  # shapes alone; or a program that has to run on another machine, too
    if device == "cpu":
        names = [*(["native"] if native.preferred() and native_scan.supports(args) is None else []), *names]
    if device == mamba_cuda.DEVICE:
        served = not torch.compiler.is_compiling() and mamba_cuda.supports(args, wants_state) is None
        names = [*(["cuda"] if served else []), "triton", *names]
    return [name for name in names if name == "loop" or ready(name, device)]
