"""How the chunked scan cuts its work: slabs of rows, chunks of time, and buffers that stay in the cache."""

import torch
import torch.nn.functional as F
from torch import Tensor

LOG2_E = 1.4426950408889634
BUFFER_ELEMENTS = 1 << 17  # of one (time, rows, groups, n, channels) buffer: four of them fit a cache of 2 MB
STEP_ELEMENTS = 1 << 14  # of one time step of it: enough to drown the cost of a call


class Layout:
    """Every operand is seen as (time, rows, g groups, n, k channels of a group), with e = g k."""

    def __init__(self, u: Tensor, A: Tensor, B: Tensor, C: Tensor):
        self.b, e, self.l = u.shape
        self.n = A.shape[1]
        self.g = max(t.shape[1] if t.dim() == 4 else 1 for t in (B, C))
        self.k = e // self.g
        rows = min(self.b, max(1, STEP_ELEMENTS // (e * self.n)))
        self.rows = -(-self.b // -(-self.b // rows))
        # a small problem gets small buffers: together about half of one (b,e,l,n) tensor at most
        room = min(BUFFER_ELEMENTS, max(BUFFER_ELEMENTS >> 3, self.b * self.l * e * self.n // 10))
        self.steps = min(self.l, max(4, room // (self.rows * e * self.n)))
        self.chunks = -(-self.l // self.steps)

    def slabs(self) -> list[slice]:
        """Row ranges."""
        return [slice(i, min(i + self.rows, self.b)) for i in range(0, self.b, self.rows)]

    def matrix(self, t: Tensor) -> Tensor:
        """(e,n) as (g,n,k)."""
        return t.unflatten(0, (self.g, self.k)).transpose(1, 2)

    def states(self, t: Tensor) -> Tensor:
        """(rows,e,n) as (rows,g,n,k)."""
        return t.unflatten(1, (self.g, self.k)).transpose(2, 3)

    def wide(self, t: Tensor) -> Tensor:
        """(T,rows,e) as (T,rows,g,1,k)."""
        return t.view(*t.shape[:2], self.g, 1, self.k)

    def sequence(self, t: Tensor | None) -> tuple[Tensor | None, ...]:
        """The chunks of (rows,e,l), as views (T,rows,e) with time first; None for each chunk where t is None."""
        return (None,) * self.chunks if t is None else t.permute(2, 0, 1).split(self.steps)

    def mixing(self, t: Tensor, rows: slice) -> tuple[Tensor, ...]:
        """The chunks of B or C of some rows, as views: (b,g,n,l) as (T,rows,g,n,1), or (e,n) as (1,1,g,n,k) every time."""
        if t.dim() == 2:
            return (self.matrix(t)[None, None],) * self.chunks
        return t[rows].permute(3, 0, 1, 2).unsqueeze(-1).split(self.steps)


class Workspace:
    """The buffers of one call (no call shares them with another), cut to the chunk at hand."""

    def __init__(self, layout: Layout, like: Tensor, count: int):
        self.shape = (layout.rows, layout.g, layout.n, layout.k)
        size = (layout.steps + 1) * torch.Size(self.shape).numel()
        self.flat = [like.new_empty(size) for _ in range(count)]
        self.cut = {}

    def get(self, steps: int, rows: int) -> list[tuple[Tensor, Tensor, tuple[Tensor, ...]]]:
        """Each buffer of steps+1 time steps: all but the last step, all but the first, and the list of steps."""
        if (steps, rows) not in self.cut:
            shape = (steps + 1, rows, *self.shape[1:])
            views = [f[: torch.Size(shape).numel()].view(shape) for f in self.flat]
            self.cut[steps, rows] = [(v[:-1], v[1:], v.unbind(0)) for v in views]
        return self.cut[steps, rows]


def time_step(delta: Tensor, bias: Tensor | None, softplus: bool) -> Tensor:
    """dt = softplus(delta + bias) of one chunk (T,rows,e)."""
    dt = delta.contiguous()
    if bias is not None:
        dt = dt + bias
    return F.softplus(dt) if softplus else dt


def run_states(a, H, dt: Tensor, x: Tensor, B: Tensor, A2: Tensor) -> None:
    """One chunk: fill a_t = exp(dt_t A) and H_{t+1} = a_t H_t + B_t x_t, where x = dt u, A2 = A log2(e), and H_0 is there."""
    torch.mul(dt, A2, out=a[0]).exp2_()
    torch.mul(x, B, out=H[1])
    for a_t, before, h in zip(a[2], H[2], H[2][1:], strict=False):
        h.addcmul_(a_t, before)


def project(C: Tensor, H: Tensor, constant: bool, out: Tensor) -> None:
    """sum over n of C H into out (T,rows,e). A batched product of small matrices, unless C is one matrix (e,n)."""
    if constant:
        torch.sum(C * H, -2, out=out.view(*H.shape[:3], H.shape[4]))
    else:
        torch.bmm(C.view(-1, 1, C.shape[3]), H.view(-1, *H.shape[3:]), out=out.view(-1, 1, H.shape[4]))
