"""The fast CPU rung: the recurrence in chunks that stay in the cache, with a backward of its own that recomputes.

Six decisions make it fast (notebook 04 measures the first ones): time first and channels last, so that a step is one
contiguous `addcmul_`; a few small buffers used again and again, because fresh memory costs a page fault every 4 KB; `exp2`
with log2(e) folded into A, which never falls into the slow path that `exp` has for strong decay; only the states at
chunk borders are kept for the backward, which computes the others again (as section 3.3.2 of the Mamba paper does on a GPU);
gradients from the adjoint recurrence, not from autograd; softplus, D and the gate on a slab that is in the cache anyway.
"""

from math import lcm

import torch
from torch import Tensor

from .arguments import ScanArguments
from .chunk_layout import Layout, Workspace, project, run_states, time_step
from .chunked_backward import LOG2_E, ScanGradients


def chunked_scan(args: ScanArguments) -> tuple[Tensor, Tensor]:
    """The selective scan in chunks: y (b,e,l) and the last state (b,e,n), both differentiable (once)."""
    B, C = args.B, args.C
    if B.dim() == C.dim() == 4 and B.shape[1] != C.shape[1]:
        g = lcm(B.shape[1], C.shape[1])
        B, C = (t.repeat_interleave(g // t.shape[1], dim=1) for t in (B, C))
    state = args.initial_state
    if state is None:
        state = args.u.new_zeros(args.u.shape[0], *args.A.shape)
    return _ChunkedScan.apply(args.u, args.delta, args.A, B, C, args.D, args.z, args.delta_bias, state, args.delta_softplus)


class _ChunkedScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u, delta, A, B, C, D, z, bias, state, softplus):
        lay = Layout(u, A, B, C)
        training = any(ctx.needs_input_grad)
        borders = u.new_empty(lay.chunks, lay.b, lay.g, lay.n, lay.k) if training else None
        y, last, before_gate = torch.empty_like(u), torch.empty_like(state), []
        with torch.autocast(u.device.type, enabled=False):
            work = Workspace(lay, u, 2)
            A2 = (lay.matrix(A) * LOG2_E).contiguous()
            for rows in lay.slabs():
                u_s = lay.by_time(u[rows])
                dt = time_step(lay, delta[rows], bias, softplus)
                mixed = lay.mixing(B, rows), lay.mixing(C, rows)
                kept = None if borders is None else borders[:, rows]
                y_s, h = _states_and_outputs(lay, work, dt, u_s * dt, *mixed, C.dim() == 2, A2, lay.states(state[rows]), kept)
                lay.states(last[rows]).copy_(h)
                if D is not None:
                    y_s.addcmul_(u_s, lay.vector(D))
                if z is not None:
                    before_gate += [y_s] if training else []
                    y_s = torch.nn.functional.silu(lay.by_time(z[rows])).mul_(y_s)
                y[rows] = lay.by_row(y_s)
        if training:
            ctx.save_for_backward(u, delta, A, B, C, D, z, bias, borders, *before_gate)
        ctx.softplus = softplus
        return y, last

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dy, dlast):
        with torch.autocast(dy.device.type, enabled=False):
            gradients = ScanGradients(ctx.saved_tensors, ctx.softplus, ctx.needs_input_grad).run(dy, dlast)
        wanted = (g if need else None for g, need in zip(gradients, ctx.needs_input_grad, strict=False))
        return *wanted, None


def _states_and_outputs(lay, work, dt, x, B, C, constant_C: bool, A2, h, borders) -> tuple[Tensor, Tensor]:
    """One slab: C . h at every time step (l,rows,g,1,k) and the last state; the states at chunk starts go to `borders`."""
    y = torch.empty_like(x)
    for i, (dt_c, x_c, B_c, C_c, y_c) in enumerate(lay.split(dt, x, B, C, y)):
        a, H = work.get(dt_c.shape[0], dt_c.shape[1])
        H[2][0].copy_(h)
        if borders is not None:
            borders[i] = h
        run_states(a, H, dt_c, x_c, B_c, A2)
        project(C_c, H[1], constant_C, y_c)
        h = H[2][-1]
    return y, h
