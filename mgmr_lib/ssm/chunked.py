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
BUFFER_ELEMENTS = 1 << 17  # of one (time, rows, groups, n, channels) buffer: four of them fit a 2 MB cache
STEP_ELEMENTS = 1 << 14  # of one time step of it: enough to drown the cost of a call


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
        rows = min(self.b, max(1, STEP_ELEMENTS // (e * self.n)))
        self.rows = -(-self.b // -(-self.b // rows))
        self.steps = min(self.l, max(4, BUFFER_ELEMENTS // (self.rows * e * self.n)))
        self.chunks = -(-self.l // self.steps)

    def slabs(self):
        """Row ranges."""
        return [slice(i, min(i + self.rows, self.b)) for i in range(0, self.b, self.rows)]

    def matrix(self, t: Tensor) -> Tensor:
        """(e,n) as (g,n,k)."""
        return t.unflatten(0, (self.g, self.k)).transpose(1, 2)

    def states(self, t: Tensor) -> Tensor:
        """(rows,e,n) as (rows,g,n,k)."""
        return t.unflatten(1, (self.g, self.k)).transpose(2, 3)

    def by_time(self, t: Tensor) -> Tensor:
        """A contiguous copy of (rows,e,l), time first: (l,rows,g,1,k)."""
        return t.permute(2, 0, 1).contiguous().view(self.l, t.shape[0], self.g, 1, self.k)

    def split(self, t: Tensor) -> tuple[Tensor, ...]:
        """The chunks of a time-first tensor (the same one again and again where it is constant)."""
        return t.split(self.steps) if t.shape[0] == self.l else (t,) * self.chunks

    def mixing(self, t: Tensor, rows: slice) -> Tensor:
        """B or C of some rows: (b,g,n,l) as (l,rows,g,n,1), or (e,n) as (1,1,g,n,k)."""
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

    def get(self, steps: int, rows: int):
        """Each buffer as (steps+1, rows, g, n, k), without its last step, without its first one, and as a list of steps."""
        if (steps, rows) not in self.cut:
            shape = (steps + 1, rows, self.layout.g, self.layout.n, self.layout.k)
            views = [f[: torch.Size(shape).numel()].view(shape) for f in self.flat]
            self.cut[steps, rows] = [(v[:-1], v[1:], v.unbind(0)) for v in views]
        return self.cut[steps, rows]


def _run_states(a, H, dt, x, B, A2) -> None:
    """Fill a_t = exp(dt_t A) and H_{t+1} = a_t H_t + B_t x_t for one chunk; H_0 is there already."""
    torch.mul(dt, A2, out=a[0]).exp2_()
    torch.mul(x, B, out=H[1])
    for a_t, before, h in zip(a[2], H[2], H[2][1:], strict=False):
        h.addcmul_(a_t, before)


class _ChunkedScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u, dt, A, B, C, state):
        with torch.autocast(u.device.type, enabled=False):
            lay = _Layout(u, A, B, C)
            borders = u.new_empty(lay.chunks, lay.b, lay.g, lay.n, lay.k)
            y = torch.empty_like(u)
            last = torch.empty_like(state)
            work = _Workspace(lay, u, 2)
            A2 = (lay.matrix(A) * LOG2_E).contiguous()
            for rows in lay.slabs():
                u_s, dt_s = lay.by_time(u[rows]), lay.by_time(dt[rows])
                x_s = u_s * dt_s
                y_s = torch.empty_like(u_s)
                h = lay.states(state[rows])
                chunks = zip(*map(lay.split, (dt_s, x_s, y_s, lay.mixing(B, rows), lay.mixing(C, rows))))
                for i, (dt_c, x_c, y_c, B_c, C_c) in enumerate(chunks):
                    borders[i, rows] = h
                    a, H = work.get(dt_c.shape[0], dt_c.shape[1])
                    H[2][0].copy_(h)
                    _run_states(a, H, dt_c, x_c, B_c, A2)
                    _project(C_c, H[1], y_c)
                    h = H[2][-1]
                lay.states(last[rows]).copy_(h)
                y[rows] = y_s.flatten(2).permute(1, 2, 0)
        ctx.save_for_backward(u, dt, A, B, C, borders)
        return y, last

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dy, dlast):
        u, dt, A, B, C, borders = ctx.saved_tensors
        with torch.autocast(u.device.type, enabled=False):
            return _backward(_Layout(u, A, B, C), u, dt, A, B, C, borders, dy, dlast)


def _project(C: Tensor, H: Tensor, out: Tensor) -> None:
    """y = C . H over n: (T,S,g,1,k)."""
    if C.shape[-1] == 1:
        torch.bmm(C.view(-1, 1, C.shape[3]), H.view(-1, *H.shape[3:]), out=out.view(-1, 1, H.shape[4]))
    else:
        torch.sum(C * H, -2, keepdim=True, out=out)


def _unmix(lay, G: Tensor, x: Tensor, out: Tensor, scratch: Tensor) -> None:
    """The gradient of B or C from sum(G x), over whatever that one is constant in. out: (T,S,g,n,1) or (1,1,g,n,k)."""
    if out.shape[-1] == 1 and out.shape[2] == lay.g:
        torch.bmm(G.view(-1, *G.shape[3:]), x.view(-1, x.shape[4], 1), out=out.view(-1, out.shape[3], 1))
    elif out.shape[-1] == 1:
        torch.sum(torch.mul(G, x, out=scratch), (2, 4), keepdim=True, out=out)
    else:
        out += torch.mul(G, x, out=scratch).sum((0, 1), keepdim=True)


def _backward(lay, u, dt, A, B, C, borders, dy, dlast):
    du, ddt, dA = torch.empty_like(u), torch.empty_like(dt), torch.empty_like(A)
    dB, dC = (torch.zeros_like(t) for t in (B, C))
    dstate = torch.empty_like(dlast)
    work = _Workspace(lay, u, 4)
    A1 = lay.matrix(A).contiguous()
    A2 = A1 * LOG2_E
    dA_ = torch.zeros_like(A1)
    for rows in lay.slabs():
        B_s, C_s = lay.mixing(B, rows), lay.mixing(C, rows)
        u_s, dt_s, dy_s = (lay.by_time(t[rows]) for t in (u, dt, dy))
        x_s = u_s * dt_s
        dx_s, ddt_s = torch.empty_like(u_s), torch.empty_like(u_s)
        dB_s, dC_s = torch.zeros_like(B_s), torch.zeros_like(C_s)
        carry = lay.states(dlast[rows]).contiguous()
        every = (dt_s, x_s, dy_s, dx_s, ddt_s, B_s, C_s, dB_s, dC_s)
        chunks = list(zip(range(lay.chunks), *map(lay.split, every)))
        for i, dt_c, x_c, dy_c, dx_c, ddt_c, B_c, C_c, dB_c, dC_c in reversed(chunks):
            a, H, G, tmp = work.get(dt_c.shape[0], dt_c.shape[1])
            H[2][0].copy_(borders[i, rows])
            _run_states(a, H, dt_c, x_c, B_c, A2)
            torch.mul(C_c, dy_c, out=G[0])
            G[2][-2].add_(carry)
            for g, a_next, g_next in zip(G[2][-3::-1], a[2][-2::-1], G[2][-2::-1], strict=False):
                g.addcmul_(a_next, g_next)
            torch.mul(a[2][0], G[2][0], out=carry)
            _unmix(lay, H[1], dy_c, dC_c, tmp[0])
            _unmix(lay, G[0], x_c, dB_c, tmp[0])
            _project(B_c, G[0], dx_c)
            p = a[0].mul_(H[0]).mul_(G[0])
            torch.sum(torch.mul(p, A1, out=tmp[0]), -2, keepdim=True, out=ddt_c)
            dA_ += p.mul_(dt_c).sum((0, 1))
        ddt_s.addcmul_(dx_s, u_s)
        dx_s.mul_(dt_s)
        du[rows] = dx_s.flatten(2).permute(1, 2, 0)
        ddt[rows] = ddt_s.flatten(2).permute(1, 2, 0)
        for grad, part in ((dB, dB_s), (dC, dC_s)):
            if grad.dim() == 2:
                lay.matrix(grad).add_(part[0, 0])
            else:
                grad[rows] = part.squeeze(-1).permute(1, 2, 3, 0)
        lay.states(dstate[rows]).copy_(carry)
    lay.matrix(dA).copy_(dA_)
    return du, ddt, dA, dB, dC, dstate
