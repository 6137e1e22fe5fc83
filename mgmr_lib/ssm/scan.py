"""One selective scan, and its one-step form for streaming; the backends are rungs of one ladder."""

import warnings

import torch
import torch.nn.functional as F
from torch import Tensor

from mgmr_lib.ssm.engines.arguments import checked
from mgmr_lib.ssm.engines.backends import BACKENDS, automatic, named


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    backend: str = "auto",
    initial_state: Tensor | None = None,
):
    """h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t;  y_t = C_t . h_t + D u_t, times silu(z_t) (Gu & Dao 2023, Eq. 2,
    Alg. 2).

    u, delta, z: (b,e,l). A: (e,n), negative for a system that forgets. B, C: (e,n), (b,n,l), or (b,g,n,l) for g groups
    of e/g channels. D, delta_bias: (e,). initial_state: (b,e,n), zero by default. `delta_bias` is added to delta, and
    then, with `delta_softplus`, softplus is taken. float16 and bfloat16 are computed in float32.

    torch.compile, torch.export, torch.jit.trace, torch.func.grad and vmap take every backend, but for lists ("python"
    interrupts a compiled graph and is not exported) and mamba_ssm's kernel ("cuda" interrupts a compiled graph; "auto"
    takes "triton" there). Exported and traced programs need this package imported where they run. Second derivatives
    and forward mode (jvp): "loop" and "reference"; the others refuse.

    Returns y (b,e,l) in u's dtype, or (y, last state (b,e,n) in the compute dtype). Gradients flow to every tensor,
    through both outputs. Raises ValueError on wrong shapes, dtypes or devices, and for a backend that does not work
    here.
    """
    args = checked(u, delta, A, B, C, D, z, delta_bias, delta_softplus, initial_state)
    y, last = _run(args, backend, return_last_state)
    y = y.to(u.dtype)
    return (y, last.to(args.compute_dtype)) if return_last_state else y


def _run(args, backend: str, wants_state: bool):
    if backend != "auto":
        return named(backend, args, wants_state)(args)
    *faster, slowest = automatic(args, wants_state)
    if torch.compiler.is_compiling():  # what fails, fails when the graph runs: nothing to catch here
        return BACKENDS[(*faster, slowest)[0]](args)
    for name in faster:
        try:
            return BACKENDS[name](args)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            warnings.warn(f'selective_scan: backend "{name}" failed ({error}); a slower one goes on', stacklevel=3)
    return BACKENDS[slowest](args)


def selective_scan_step(
    state: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
) -> tuple[Tensor, Tensor]:
    """One time step of `selective_scan`: the same equation, for streaming.

    state: (b,e,n). u, delta, z: (b,e). B, C: (b,n), or (b,g,n) (for a constant (e,n) pass `B.expand(b, e, n)`: e
    groups). Returns y (b,e) in u's dtype and the new state (b,e,n); the given state is not changed.
    """
    for name, t, sizes in (("state", state, 3), ("u", u, 2), ("delta", delta, 2)):
        if not isinstance(t, Tensor) or t.dim() != sizes:
            raise ValueError(f"{name} must be a tensor with {sizes} dimensions {('(b,e)', '(b,e,n)')[sizes == 3]}")
    if B.dim() not in (2, 3) or C.dim() not in (2, 3):
        raise ValueError(f"B and C must be (b,n) or (b,g,n), but are {tuple(B.shape)} and {tuple(C.shape)}")
    B, C = (t.unsqueeze(1) if t.dim() == 2 else t for t in (B, C))
    one = [None if t is None else t.unsqueeze(-1) for t in (u, delta, B, C, z)]
    args = checked(one[0], one[1], A, one[2], one[3], D, one[4], delta_bias, delta_softplus, state).cast()
    with torch.autocast(u.device.type, enabled=False):
        y, new = _step(args)
    return y.to(u.dtype), new.to(state.dtype)


def _step(args):
    u, dt = args.u[:, :, 0], args.delta[:, :, 0]
    if args.delta_bias is not None:
        dt = dt + args.delta_bias
    if args.delta_softplus:
        dt = F.softplus(dt)
    B, C = (t[..., 0].repeat_interleave(u.shape[1] // t.shape[1], dim=1) for t in (args.B, args.C))
    h = torch.exp(dt.unsqueeze(-1) * args.A) * args.initial_state + (dt * u).unsqueeze(-1) * B
    y = (h * C).sum(-1)
    if args.D is not None:
        y = y + args.D * u
    return (y if args.z is None else y * F.silu(args.z[:, :, 0])), h
