"""How the chunked scan cuts its work: slabs of rows, chunks of time, and buffers that stay in the cache."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LOG2_E = 1.4426950408889634
BUFFER_ELEMENTS = 1 << 17  # of one (rows, time, groups, n, channels) buffer: four of them fit a cache of 2 MB
STEP_ELEMENTS = 1 << 14  # of one time step of it: enough to drown the cost of a call


class Layout:
    """Every operand is seen as (rows, time, g groups, n, k channels of a group), with e = g k."""

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
        """(rows,T,e) as (rows,T,g,1,k)."""
        return t.view(*t.shape[:2], self.g, 1, self.k)

    def mixing(self, t: Tensor, rows: slice) -> tuple[Tensor, ...]:
        """The chunks of B or C of some rows, as views: (b,g,n,l) as (rows,T,g,n,1), or (e,n) as (1,1,g,n,k) every
        time."""
        if t.dim() == 2:
            return (self.matrix(t)[None, None],) * self.chunks
        return t[rows].permute(0, 3, 1, 2).unsqueeze(-1).split(self.steps, dim=1)


class Sequences:
    """Sequences (b,e,l) of a slab as chunks (rows,T,e), channels last.

    Where memory is laid out that way, chunks are views. Else a slab is transposed as a whole, row by row into a buffer
    that all slabs share: transposing chunk by chunk would touch every cache line several times.
    """

    def __init__(self, layout: Layout):
        self.layout = layout
        self.buffers: dict[str, Tensor] = {}

    def read(self, name: str, t: Tensor | None, rows: slice) -> tuple[Tensor | None, ...]:
        """The chunks of t (b,e,l)."""
        return self._chunks(name, t, rows, fill=True)

    def room(self, name: str, t: Tensor | None, rows: slice) -> tuple[Tensor | None, ...]:
        """Chunks to write t (b,e,l) into; `store` puts them where they belong."""
        return self._chunks(name, t, rows, fill=False)

    def store(self, name: str, t: Tensor | None, rows: slice) -> None:
        """Complete what was written into the chunks of `room`."""
        if t is not None and name in self.buffers:
            for row, buffered in zip(t[rows], self.buffers[name], strict=False):
                row.copy_(buffered.t())

    def _chunks(self, name: str, t: Tensor | None, rows: slice, fill: bool) -> tuple[Tensor | None, ...]:
        if t is None:
            return (None,) * self.layout.chunks
        slab = t[rows].transpose(1, 2)
        if slab.stride(2) != 1 and slab.shape[2] > 1:
            if name not in self.buffers:
                self.buffers[name] = t.new_empty(self.layout.rows, *slab.shape[1:])
            if fill:
                for row, buffered in zip(slab, self.buffers[name], strict=False):
                    buffered.copy_(row)
            slab = self.buffers[name][: len(slab)]
        return slab.split(self.layout.steps, dim=1)


class Buffer(NamedTuple):
    """One working tensor (rows,T,g,n,k), whole and as its T steps (rows,g,n,k)."""

    whole: Tensor
    steps: tuple[Tensor, ...]


class Workspace:
    """The working tensors of one call (no call shares them with another), cut to the chunk at hand."""

    def __init__(self, layout: Layout, like: Tensor, count: int):
        self.shape = (layout.g, layout.n, layout.k)
        size = layout.rows * layout.steps * torch.Size(self.shape).numel()
        self.flat = [like.new_empty(size) for _ in range(count)]
        self.cut: dict[tuple[int, int], list[Buffer]] = {}

    def get(self, rows: int, steps: int) -> list[Buffer]:
        """The buffers for a chunk of that size."""
        if (rows, steps) not in self.cut:
            shape = torch.Size((rows, steps, *self.shape))
            views = [f[: shape.numel()].view(shape) for f in self.flat]
            self.cut[rows, steps] = [Buffer(v, v.unbind(1)) for v in views]
        return self.cut[rows, steps]


def time_step(delta: Tensor, bias: Tensor | None, softplus: bool) -> Tensor:
    """dt = softplus(delta + bias) of one chunk (rows,T,e)."""
    dt = delta if bias is None else delta + bias
    return F.softplus(dt) if softplus else dt


def run_states(a: Buffer, H: Buffer, h: Tensor, dt: Tensor, x: Tensor, B: Tensor, A2: Tensor) -> None:
    """One chunk: fill a_t = exp(dt_t A) and H_t = a_t H_{t-1} + B_t x_t, from the state h before it; x = dt u, A2 = A
    log2(e)."""
    torch.mul(dt, A2, out=a.whole).exp2_()
    torch.mul(x, B, out=H.whole)
    for a_t, h_t in zip(*(buffer.steps for buffer in (a, H)), strict=True):
        h = h_t.addcmul_(a_t, h)


def project(C: Tensor, H: Tensor, constant: bool) -> Tensor:
    """sum over n of C H: (rows,T,e). A batched product of small matrices, unless C is one matrix (e,n)."""
    if constant:
        y = (C * H).sum(-2)
    else:
        y = torch.bmm(C.view(-1, 1, H.shape[3]), H.view(-1, *H.shape[3:]))
    return y.view(*H.shape[:2], -1)
