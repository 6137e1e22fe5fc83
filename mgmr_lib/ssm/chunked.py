"""The fast CPU rung: the recurrence in chunks that stay in the cache, with a backward of its own that recomputes.

Five decisions make it fast (notebook 04 measures each): time first and channels last, so that a step is one contiguous
`addcmul_`; a few small buffers used again and again, because fresh memory costs a page fault every 4 KB; `exp2` with log2(e)
folded into A, which is several times cheaper than `exp`; only the states at chunk borders are kept for the backward, which
computes the others again (as section 3.3.2 of the Mamba paper does on a GPU); and the gradients come from the adjoint
recurrence, not from autograd.
"""

from math import lcm

import torch
from torch import Tensor

LOG2_E = 1.4426950408889634
BUFFER_ELEMENTS = 1 << 19  # of one (time, rows, groups, n, channels) buffer
ROW_ELEMENTS = 1 << 16  # of one time step of it


def chunked_core(u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
    """The selective scan in chunks. Shapes as in `ScanArguments`; returns y (b,e,l) and the last state (b,e,n)."""
    if B.dim() == C.dim() == 4 and B.shape[1] != C.shape[1]:
        g = lcm(B.shape[1], C.shape[1])
        B, C = (t.repeat_interleave(g // t.shape[1], dim=1) for t in (B, C))
    if state is None:
        state = u.new_zeros(u.shape[0], *A.shape)
    return _ChunkedScan.apply(u, dt, A, B, C, state)


class _Layout:
    """Every operand seen as (time, rows, groups, n, channels of a group), and the slabs of rows and chunks of time."""

    def __init__(self, u: Tensor, A: Tensor, B: Tensor, C: Tensor):
        self.b, e, self.l = u.shape
        self.n = A.shape[1]
        self.g = max(t.shape[1] if t.dim() == 4 else 1 for t in (B, C))
        self.k = e // self.g
        rows = min(self.b, max(1, ROW_ELEMENTS // (e * self.n)))
        self.rows = -(-self.b // -(-self.b // rows))
        self.steps = min(self.l, max(8, BUFFER_ELEMENTS // (self.rows * e * self.n)))

    def slabs(self):
        """Row ranges."""
        return [slice(i, min(i + self.rows, self.b)) for i in range(0, self.b, self.rows)]

    def chunks(self):
        """Time ranges."""
        return [slice(i, min(i + self.steps, self.l)) for i in range(0, self.l, self.steps)]

    def channels(self, t: Tensor) -> Tensor:
        """(b,e,l) as (l,b,g,1,k)."""
        return t.unflatten(1, (self.g, 1, self.k)).permute(4, 0, 1, 2, 3)

    def matrix(self, t: Tensor) -> Tensor:
        """(e,n) as (g,n,k)."""
        return t.unflatten(0, (self.g, self.k)).transpose(1, 2)

    def states(self, t: Tensor) -> Tensor:
        """(b,e,n) as (b,g,n,k)."""
        return t.unflatten(1, (self.g, self.k)).transpose(2, 3)

    def mixing(self, t: Tensor, rows: slice) -> Tensor:
        """B or C of some rows: (b,g,n,l) as (l,b,g,n,1), or (e,n) as (1,1,g,n,k)."""
        if t.dim() == 2:
            return self.matrix(t)[None, None].contiguous()
        return t[rows].permute(3, 0, 1, 2).contiguous().unsqueeze(-1)


class _Workspace:
    """The buffers of one call, cut to the chunk at hand, with their time steps as lists."""

    def __init__(self, layout: _Layout, like: Tensor, count: int):
        self.layout = layout
        step = layout.rows * layout.g * layout.n * layout.k
        self.flat = [like.new_empty((layout.steps + 1) * step) for _ in range(count)]
        self.cut = {}

    def get(self, steps: int, rows: int) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
        """Each buffer as (steps+1, rows, g, n, k), and unbound over time."""
        if (steps, rows) not in self.cut:
            shape = (steps + 1, rows, self.layout.g, self.layout.n, self.layout.k)
            views = [f[: torch.Size(shape).numel()].view(shape) for f in self.flat]
            self.cut[steps, rows] = [(v, v.unbind(0)) for v in views]
        return self.cut[steps, rows]


def _at(t: Tensor, steps: slice) -> Tensor:
    """The time steps of a mixing tensor, which may be constant in time."""
    return t if t.shape[0] == 1 else t[steps]


def _run_states(a, H, dt, x, B, A2) -> None:
    """Fill a_t = exp(dt_t A) and H_{t+1} = a_t H_t + B_t x_t for one chunk; H_0 is there already."""
    (a, a_steps), (H, H_steps) = a, H
    torch.mul(dt, A2, out=a[:-1]).exp2_()
    torch.mul(x, B, out=H[1:])
    for a_t, before, h in zip(a_steps, H_steps, H_steps[1:], strict=False):
        h.addcmul_(a_t, before)


class _ChunkedScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u, dt, A, B, C, state):
        with torch.autocast(u.device.type, enabled=False):
            lay = _Layout(u, A, B, C)
            borders = u.new_empty(len(lay.chunks()), lay.b, lay.g, lay.n, lay.k)
            y = torch.empty_like(u)
            last = torch.empty_like(state)
            work = _Workspace(lay, u, 2)
            A2 = (lay.matrix(A) * LOG2_E).contiguous()
            for rows in lay.slabs():
                B_s, C_s = lay.mixing(B, rows), lay.mixing(C, rows)
                u_s, dt_s, y_s = (lay.channels(t[rows]) for t in (u, dt, y))
                h = lay.states(state[rows])
                for i, steps in enumerate(lay.chunks()):
                    borders[i, rows] = h
                    a, H = work.get(steps.stop - steps.start, rows.stop - rows.start)
                    H[1][0].copy_(h)
                    dt_c = dt_s[steps].contiguous()
                    _run_states(a, H, dt_c, dt_c * u_s[steps], _at(B_s, steps), A2)
                    y_s[steps] = _project(_at(C_s, steps), H[0][1:])
                    h = H[1][-1]
                lay.states(last[rows]).copy_(h)
        ctx.save_for_backward(u, dt, A, B, C, borders)
        return y, last

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dy, dlast):
        u, dt, A, B, C, borders = ctx.saved_tensors
        with torch.autocast(u.device.type, enabled=False):
            return _backward(_Layout(u, A, B, C), u, dt, A, B, C, borders, dy, dlast)


def _project(C: Tensor, H: Tensor) -> Tensor:
    """y = C . H over n: (T,S,g,1,k)."""
    if C.shape[-1] == 1:
        return torch.matmul(C.transpose(-1, -2), H)
    return (C * H).sum(-2, keepdim=True)


def _unmix(lay: _Layout, like: Tensor, G: Tensor, x: Tensor, grad: Tensor, rows: slice, steps: slice, out: Tensor) -> None:
    """Add sum(G x) to the gradient of B or C, over whatever that one is constant in."""
    torch.mul(G, x, out=out)
    if like.dim() == 2:
        lay.matrix(grad).add_(out.sum((0, 1)))
        return
    total = out.sum(-1)
    if like.shape[1] != lay.g:
        total = total.sum(2, keepdim=True)
    grad[rows, :, :, steps] = total.permute(1, 2, 3, 0)


def _backward(lay, u, dt, A, B, C, borders, dy, dlast):
    grads = [torch.empty_like(u), torch.empty_like(dt), torch.zeros_like(A)]
    dB, dC = (torch.zeros_like(t) for t in (B, C))
    du, ddt, dA = grads
    dstate = torch.empty_like(dlast)
    work = _Workspace(lay, u, 4)
    A1 = lay.matrix(A).contiguous()
    A2 = A1 * LOG2_E
    dA_ = torch.zeros_like(A1)
    for rows in lay.slabs():
        B_s, C_s = lay.mixing(B, rows), lay.mixing(C, rows)
        u_s, dt_s, dy_s, du_s, ddt_s = (lay.channels(t[rows]) for t in (u, dt, dy, du, ddt))
        carry = lay.states(dlast[rows]).contiguous()
        for i, steps in reversed(list(enumerate(lay.chunks()))):
            a, H, G, tmp = work.get(steps.stop - steps.start, rows.stop - rows.start)
            H[1][0].copy_(borders[i, rows])
            dt_c, u_c, dy_c = (t[steps].contiguous() for t in (dt_s, u_s, dy_s))
            x_c, B_c, C_c = dt_c * u_c, _at(B_s, steps), _at(C_s, steps)
            _run_states(a, H, dt_c, x_c, B_c, A2)
            torch.mul(C_c, dy_c, out=G[0][:-1])
            G[1][-2].add_(carry)
            for t in range(steps.stop - steps.start - 2, -1, -1):
                G[1][t].addcmul_(a[1][t + 1], G[1][t + 1])
            torch.mul(a[1][0], G[1][0], out=carry)
            g, p, scratch = G[0][:-1], a[0][:-1], tmp[0][:-1]
            _unmix(lay, C, H[0][1:], dy_c, dC, rows, steps, scratch)
            _unmix(lay, B, g, x_c, dB, rows, steps, scratch)
            dx = _project(B_c, g)
            p.mul_(H[0][:-1]).mul_(g)
            ddt_s[steps] = torch.mul(p, A1, out=scratch).sum(-2, keepdim=True).addcmul_(dx, u_c)
            du_s[steps] = dx.mul_(dt_c)
            dA_ += p.mul_(dt_c).sum((0, 1))
        lay.states(dstate[rows]).copy_(carry)
    lay.matrix(dA).copy_(dA_)
    return du, ddt, dA, dB, dC, dstate
