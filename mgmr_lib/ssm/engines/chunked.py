"""The fast CPU rung: the recurrence in chunks that stay in the cache, with a backward of its own that recomputes.

Six decisions make it fast (notebook 04 measures the first ones): channels last, so that a time step of a slab of rows
is one `addcmul_` over long runs of memory; a few small buffers used again and again, because fresh memory costs a page
fault every 4 KB; `exp2` with log2(e) folded into A, which never falls into the slow path that `exp` has for strong
decay; only the states at chunk borders are kept for the backward, which computes the others again (as section 3.3.2 of
the Mamba paper does on a GPU); gradients from the adjoint recurrence, not from autograd; softplus, D and the gate
within the chunk, not on whole tensors.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mgmr_lib.ssm.engines.arguments import ScanArguments
from mgmr_lib.ssm.engines.chunk_layout import LOG2_E, Layout, Sequences, Workspace, project, run_states, time_step
from mgmr_lib.ssm.engines.chunked_backward import ScanGradients


def chunked_scan(args: ScanArguments) -> tuple[Tensor, Tensor]:
    """The selective scan in chunks: y (b,e,l) and the last state (b,e,n), both differentiable (once)."""
    args = args.cast().with_same_groups()
    return _ChunkedScan.apply(
        args.u, args.delta, args.A, args.B, args.C, args.D, args.z, args.delta_bias, args.state(), args.delta_softplus
    )


class _ChunkedScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u, delta, A, B, C, D, z, bias, state, softplus):
        lay = Layout(u, A, B, C)
        borders = u.new_empty(lay.chunks, lay.b, lay.g, lay.n, lay.k) if any(ctx.needs_input_grad) else None
        y, last = torch.empty_like(u), torch.empty_like(state)
        with torch.autocast(u.device.type, enabled=False):
            work, seqs = Workspace(lay, u, 2), Sequences(lay)
            A2 = (lay.matrix(A) * LOG2_E).contiguous()
            for rows in lay.slabs():
                h = lay.states(state[rows]).contiguous()
                inputs = (seqs.read(name, t, rows) for name, t in (("u", u), ("delta", delta), ("z", z)))
                chunks = zip(*inputs, seqs.room("y", y, rows), lay.mixing(B, rows), lay.mixing(C, rows), strict=True)
                for i, chunk in enumerate(chunks):
                    if borders is not None:
                        borders[i, rows] = h
                    h = _chunk(lay, work, h, A2, D, bias, softplus, C.dim() == 2, *chunk)
                seqs.store("y", y, rows)
                lay.states(last[rows]).copy_(h)
        if borders is not None:
            ctx.save_for_backward(u, delta, A, B, C, D, z, bias, borders)
        ctx.softplus = softplus
        return y, last

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dy, dlast):
        with torch.autocast(dy.device.type, enabled=False):
            gradients = ScanGradients(ctx.saved_tensors, ctx.softplus, ctx.needs_input_grad).run(dy, dlast)
        wanted = (g if need else None for g, need in zip(gradients, ctx.needs_input_grad, strict=False))
        return *wanted, None


def _chunk(lay, work, h, A2, D, bias, softplus, constant_C: bool, u, delta, z, y, B, C) -> Tensor:
    """One chunk: writes y (rows,T,e) and returns the state that it ends with."""
    dt = time_step(delta, bias, softplus)
    a, H = work.get(*u.shape[:2])
    run_states(a, H, h, lay.wide(dt), lay.wide(dt * u), B, A2)
    out = project(C.contiguous(), H.whole, constant_C)
    if D is not None:
        out.addcmul_(u, D)
    y.copy_(out if z is None else out.mul_(F.silu(z)))
    return H.steps[-1].clone()
