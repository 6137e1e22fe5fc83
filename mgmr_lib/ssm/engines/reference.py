"""The two slow rungs that are obviously right: Python lists, and a float64 loop that everything else is tested against.

The selective state space model of Mamba (Gu & Dao 2023, arXiv:2312.00752, Eq. 2 and Algorithm 2) is, for one channel,
    h_t = exp(dt_t A) h_{t-1} + dt_t B_t u_t,    y_t = C_t . h_t + D u_t,    and with a gate  y_t silu(z_t).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mgmr_lib.errors import CourseError
from mgmr_lib.ssm.engines.arguments import ScanArguments
from mgmr_lib.ssm.engines.operators import FirstDerivative, each_example


def reference_scan(args: ScanArguments) -> tuple[Tensor, Tensor]:
    """The oracle: one step after the other in float64, whatever the inputs' dtype. Returns y (b,e,l), last state
    (b,e,n)."""
    a = args.cast(torch.float64)
    b, e, length, n = a.sizes
    delta = a.delta if a.delta_bias is None else a.delta + a.delta_bias[:, None]
    if a.delta_softplus:
        delta = F.softplus(delta)
    B, C = (every_channel(t, b, e, length) for t in (a.B, a.C))
    h = a.u.new_zeros(b, e, n) if a.initial_state is None else a.initial_state
    ys = []
    for dt, u, B_t, C_t in zip(delta.unbind(2), a.u.unbind(2), B.unbind(3), C.unbind(3), strict=True):
        h = torch.exp(dt[:, :, None] * a.A) * h + (dt * u)[:, :, None] * B_t
        ys.append((C_t * h).sum(2))
    y = torch.stack(ys, dim=2)
    if a.D is not None:
        y = y + a.D[:, None] * a.u
    if a.z is not None:
        y = y * F.silu(a.z)
    return y, h


def every_channel(t: Tensor, b: int, e: int, length: int) -> Tensor:
    """B or C, (e,n) or (b,g,n,l), as (b,e,n,l): each of g groups serves e/g neighbouring channels."""
    if t.dim() == 2:
        return t[None, :, :, None].expand(b, -1, -1, length)
    return t.repeat_interleave(e // t.shape[1], dim=1)


@torch.compiler.disable(reason='Python lists cannot be traced; every other backend can, "auto" among them')
def python_core(u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor | None):
    """The recurrence in Python lists, for tiny sizes. Shapes as in `ScanArguments`; returns y (b,e,l), state
    (b,e,n)."""
    if torch.compiler.is_exporting():
        raise CourseError('backend "python" computes with lists, which cannot be exported: "auto" and "loop" can')
    if state is None:
        state = u.new_zeros(u.shape[0], *A.shape)
    return _ListScan.apply(u, dt, A, *(every_channel(t, u.shape[0], u.shape[1], u.shape[2]) for t in (B, C)), state)


class _ListScan(torch.autograd.Function):
    """Each channel of each row is one scan over lists; autograd sums what channels share (A over rows, B and C in a
    group)."""

    @staticmethod
    def forward(u, dt, A, B, C, state):
        y, last = torch.empty_like(u), torch.empty_like(state)
        for i, j in _channels(u):
            states, outputs = list_scan(*_lists(i, j, u, dt, A, B, C, state))
            y[i, j], last[i, j] = u.new_tensor(outputs), u.new_tensor(states[-1])
        return y, last

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, dy, dlast):
        return _ListGradients.apply(dy, dlast, *ctx.saved_tensors)

    @staticmethod
    def vmap(info, in_dims, *args):
        return each_example(_ListScan.apply, info, in_dims, *args)


class _ListGradients(FirstDerivative):
    @staticmethod
    def forward(dy, dlast, u, dt, A, B, C, state):
        du, ddt, dA, dB, dC, dstate = (torch.zeros_like(t) for t in (u, dt, A, B, C, state))
        for i, j in _channels(u):
            given = (*_lists(i, j, u, dt, A, B, C, state), dy[i, j].tolist(), dlast[i, j].tolist())
            grads = list_scan_backward(*given)
            du[i, j], ddt[i, j], gA, gB, gC, dstate[i, j] = (u.new_tensor(g) for g in grads)
            dA[j] += gA
            dB[i, j], dC[i, j] = gB.T, gC.T
        return du, ddt, dA, dB, dC, dstate

    @staticmethod
    def vmap(info, in_dims, *args):
        return each_example(_ListGradients.apply, info, in_dims, *args)


def list_scan(u: list, dt: list, A: list, B: list, C: list, state: list) -> tuple[list, list]:
    """One channel: u, dt (l), A (n), B, C (l) lists of (n), state (n). Returns the l+1 states and the l outputs."""
    states, outputs = [state], []
    for u_t, dt_t, B_t, C_t in zip(u, dt, B, C, strict=True):
        h = [math.exp(dt_t * a) * h_i + dt_t * b * u_t for a, b, h_i in zip(A, B_t, states[-1], strict=True)]
        states.append(h)
        outputs.append(sum(c * h_i for c, h_i in zip(C_t, h, strict=True)))
    return states, outputs


def list_scan_backward(u, dt, A, B, C, state, dy: list, dlast: list) -> tuple[list, ...]:
    """The chain rule backwards in time: g_t = dL/dh_t = C_t dy_t + exp(dt_{t+1} A) g_{t+1}. Returns du, ddt, dA, dB,
    dC, dstate."""
    states, _ = list_scan(u, dt, A, B, C, state)
    n, g = len(A), list(dlast)
    du, ddt, dA, dB, dC = [], [], [0.0] * n, [], []
    for t in reversed(range(len(u))):
        g = [g_i + c * dy[t] for g_i, c in zip(g, C[t], strict=True)]
        decay = [math.exp(dt[t] * a) for a in A]
        through_decay = [g[i] * decay[i] * states[t][i] for i in range(n)]
        into_state = sum(g[i] * B[t][i] for i in range(n))
        du.append(dt[t] * into_state)
        ddt.append(u[t] * into_state + sum(p * a for p, a in zip(through_decay, A, strict=True)))
        dA = [total + dt[t] * p for total, p in zip(dA, through_decay, strict=True)]
        dB.append([dt[t] * u[t] * g_i for g_i in g])
        dC.append([dy[t] * h_i for h_i in states[t + 1]])
        g = [d * g_i for d, g_i in zip(decay, g, strict=True)]
    return du[::-1], ddt[::-1], dA, dB[::-1], dC[::-1], g


def _channels(u: Tensor):
    return ((i, j) for i in range(u.shape[0]) for j in range(u.shape[1]))


def _lists(i: int, j: int, u, dt, A, B, C, state) -> tuple[list, ...]:
    """Channel j of row i as lists; B and C time first."""
    rows = (u[i, j], dt[i, j], A[j], B[i, j].T, C[i, j].T, state[i, j])
    return tuple(t.tolist() for t in rows)
