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

from mgmr_lib.ssm.engines.arguments import Operands, ScanArguments
from mgmr_lib.ssm.engines.chunk_layout import LOG2_E, Layout, Sequences, Workspace, project, run_states, time_step
from mgmr_lib.ssm.engines.chunked_backward import ScanGradients
from mgmr_lib.ssm.engines.operators import sequence_like


def prepared(args: ScanArguments) -> ScanArguments:
    """All in the compute dtype, B and C in one number of groups."""
    return args.cast().with_same_groups()


def kept_shape(u: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[int, ...]:
    """The states at chunk borders."""
    lay = Layout(u, A, B, C)
    return lay.chunks, lay.b, lay.g, lay.n, lay.k


def forward(x: Operands, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
    """y (b,e,l), the last state (b,e,n), and the states at chunk borders (empty without keep)."""
    lay = Layout(x.u, x.A, x.B, x.C)
    borders = x.u.new_empty(kept_shape(x.u, x.A, x.B, x.C) if keep else 0)
    y, last = sequence_like(x.u), x.state.new_empty(x.state.shape)
    with torch.autocast(x.u.device.type, enabled=False):
        work, seqs = Workspace(lay, x.u, 2), Sequences(lay)
        A2 = (lay.matrix(x.A) * LOG2_E).contiguous()
        for rows in lay.slabs():
            h = lay.states(x.state[rows]).contiguous()
            inputs = (seqs.read(name, t, rows) for name, t in (("u", x.u), ("delta", x.delta), ("z", x.z)))
            chunks = zip(*inputs, seqs.room("y", y, rows), lay.mixing(x.B, rows), lay.mixing(x.C, rows), strict=True)
            for i, chunk in enumerate(chunks):
                if keep:
                    borders[i, rows] = h
                h = _chunk(lay, work, h, A2, x.D, x.bias, x.softplus, x.C.dim() == 2, *chunk)
            seqs.store("y", y, rows)
            lay.states(last[rows]).copy_(h)
    return y, last, borders


def backward(dy: Tensor, dlast: Tensor, x: Operands, kept: Tensor, wants_decay: bool) -> tuple[Tensor | None, ...]:
    """The gradients in the order of `Operands`; without wants_decay those of delta, A and bias mean nothing."""
    with torch.autocast(dy.device.type, enabled=False):
        return ScanGradients(x, kept, wants_decay).run(dy, dlast)


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
