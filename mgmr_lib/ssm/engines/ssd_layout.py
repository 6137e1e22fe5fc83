"""How the SSD scan cuts its work: slabs of rows, chunks of time, and buffers that stay in the cache."""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

LOG2_E = 1.4426950408889634
SLOWEST = -1100.0  # 2 ** SLOWEST is 0 in float64: a stronger decay is the same decay, and sums stay small
SLAB_ELEMENTS = 1 << 18  # of one (rows,h,t,t+n) buffer: larger ones leave the cache, smaller ones drown in calls


class SSDOperands(NamedTuple):
    """h_t = exp(a_t) h_{t-1} + w_t B_t x_t^T, y_t = C_t h_t + D x_t; in the order of their gradients.

    x (b,l,h,p); w, a (b,l,h): what a step writes with, and the logarithm of its decay; B, C (b,l,g,n); D (h,p) or None;
    state (b,h,n,p), where the scan starts. All in one dtype.
    """

    x: Tensor
    w: Tensor
    a: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None
    state: Tensor


def default_steps(length: int, n: int) -> int:
    """Steps of a chunk: more would cost time within chunks, fewer time and memory at their borders (measured)."""
    return min(length, max(48, 3 * n // 4))


class Layout:
    """Sizes, the sums of log decays, and buffers that all chunks share."""

    def __init__(self, operands: SSDOperands, steps: int):
        self.operands = operands
        self.b, self.l, self.h, self.p = operands.x.shape
        self.g, self.n = operands.B.shape[2:]
        self.k = self.h // self.g  # heads of a group
        self.steps = steps
        self.count = -(-self.l // steps)
        on_cpu = operands.x.device.type == "cpu"
        room = min(
            SLAB_ELEMENTS, max(SLAB_ELEMENTS >> 4, operands.x.numel() // 8)
        )  # a small problem gets small buffers
        fit = max(1, room // (self.h * steps * (steps + self.n))) if on_cpu else self.b
        self.rows = -(-self.b // -(-self.b // fit))
        self.flat: dict[str, Tensor] = {}
        self.future = operands.x.new_full((steps, steps), -torch.inf).triu(1)
        self._sum_decays(operands.a)

    @property
    def borders(self) -> tuple[int, ...]:
        """The shape of the states before each chunk."""
        return self.count, self.b, self.h, self.n, self.p

    def _sum_decays(self, a: Tensor) -> None:
        """Segment sums in float64 and base 2: their differences keep all digits of the result's dtype, however strong a
        decay stands before them; and exp2 has no slow path."""
        a = torch.nn.functional.pad(a.double() * LOG2_E, (0, 0, 0, self.count * self.steps - self.l))
        a = a.clamp_(min=SLOWEST).view(self.b, self.count, self.steps, self.g, self.k)
        self.sums = a.permute(0, 1, 3, 4, 2).contiguous().cumsum(-1)  # (b,chunk,g,k,t)
        dtype = self.operands.x.dtype
        self.into = self.sums.to(dtype).exp2()
        self.out_of = (self.sums[..., -1:] - self.sums).to(dtype).exp2_()

    def slabs(self) -> list[slice]:
        """Row ranges."""
        return [slice(i, min(i + self.rows, self.b)) for i in range(0, self.b, self.rows)]

    def chunks(self, rows: slice) -> Iterator["Chunk"]:
        """The chunks of some rows, in the order of time."""
        return (Chunk(self, rows, i) for i in range(self.count))

    @staticmethod
    def dense_states(states: Tensor) -> Tensor:
        """A copy of (rows,h,n,p) as (rows h,n,p)."""
        return states.flatten(0, 1).clone(memory_format=torch.contiguous_format)

    def buffer(self, name: str, *shape: int) -> Tensor:
        """Dense working memory of that name, whatever it held before."""
        size = torch.Size(shape).numel()
        if name not in self.flat or self.flat[name].numel() < size:
            self.flat[name] = self.operands.x.new_empty(size)
        return self.flat[name][:size].view(shape)


class Chunk:
    """The matrices of one chunk of a slab, for all heads at once; `count` = rows h."""

    def __init__(self, layout: Layout, rows: slice, index: int):
        self.layout, self.rows = layout, rows
        start = index * layout.steps
        self.span = slice(start, min(start + layout.steps, layout.l))
        self.t = self.span.stop - self.span.start
        operands = layout.operands
        self.x, self.w = operands.x[rows, self.span], operands.w[rows, self.span]
        self.B, self.C = (t[rows, self.span].transpose(1, 2) for t in (operands.B, operands.C))  # (rows,g,t,n)
        self.count = len(self.x) * layout.h
        self.into, self.out_of = (t[rows, index, ..., : self.t] for t in (layout.into, layout.out_of))  # (rows,g,k,t)
        self.whole = layout.into[rows, index, ..., -1].reshape(-1, 1, 1)
        self.sums = layout.sums[rows, index, ..., : self.t]

    def heads_first(self, t: Tensor) -> Tensor:
        """(rows h,...) as (rows,h,...)."""
        return t.unflatten(0, (-1, self.layout.h))

    def time_first(self, t: Tensor) -> Tensor:
        """(rows h,t,p) as (rows,t,h,p)."""
        return self.heads_first(t).transpose(1, 2)

    @cached_property
    def L(self) -> Tensor:
        """exp(s_t - s_j) for j <= t, else 0: (rows,g,k,t,t)."""
        out = self.layout.buffer("L", *self.sums.shape, self.t)
        torch.sub(self.sums[..., :, None], self.sums[..., None, :], out=out)
        return out.add_(self.layout.future[: self.t, : self.t]).exp2_()

    @cached_property
    def G(self) -> Tensor:
        """C_t . B_j: (rows,g,t,t)."""
        return torch.matmul(self.C, self.B.mT)

    def mixer(self) -> Tensor:
        """[M | C']: (rows h,t,t+n)."""
        lay = self.layout
        W = lay.buffer("W", *self.into.shape, self.t + lay.n)
        torch.mul(self.L, self.G[:, :, None], out=W[..., : self.t])
        torch.mul(self.into[..., None], self.C[:, :, None], out=W[..., self.t :])
        return W.flatten(0, 2)

    def values(self, state: Tensor) -> Tensor:
        """[X; h_0]: (rows h,t+n,p)."""
        lay = self.layout
        V = lay.buffer("V", self.count, self.t + lay.n, lay.p)
        self.X = V[:, : self.t]
        torch.mul(self.x.transpose(1, 2), self.w.transpose(1, 2)[..., None], out=self.heads_first(self.X))
        V[:, self.t :] = state
        return V

    def writer(self) -> Tensor:
        """B'^T: (rows h,n,t)."""
        out = self.layout.buffer("writer", *self.out_of.shape, self.layout.n)
        return torch.mul(self.out_of[..., None], self.B[:, :, None], out=out).flatten(0, 2).mT
