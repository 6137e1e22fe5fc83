"""The state-space duality scan in chunks of matrix products (Dao & Gu 2024, section 6), with a backward of its own.

One head, one chunk, from the state h_0 (n,p) before it, with the log decays a_t, their sums s_t = a_1 + ... + a_t and
X_j = w_j x_j:

    Y = [M | C'] [X; h_0],    M_tj = exp(s_t - s_j) C_t . B_j for j <= t,    C'_t = exp(s_t) C_t,
    h = exp(s_Q) h_0 + B'^T X,                                               B'_j = exp(s_Q - s_j) B_j.

Chunks run one after the other on buffers that stay in the cache, several rows at once; C_t . B_j is computed once for
all heads of a group. The forward keeps the states at chunk borders, and the backward computes everything else again.
"""

import torch
from torch import Tensor

from mgmr_lib.ssm.engines.ssd_layout import Chunk, Layout, SSDOperands


def forward(x: SSDOperands, steps: int, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
    """y (b,l,h,p), the last state (b,h,n,p), and the states at chunk borders (empty without keep)."""
    lay = Layout(x, steps)
    y, last = x.x.new_empty(x.x.shape), x.x.new_empty(x.state.shape)
    borders = x.x.new_empty(lay.borders if keep else 0)
    for rows in lay.slabs():
        state = lay.dense_states(x.state[rows])
        for i, chunk in enumerate(lay.chunks(rows)):
            if keep:
                borders[i, rows] = state.unflatten(0, (-1, lay.h))
            Y = torch.bmm(chunk.mixer(), chunk.values(state), out=lay.buffer("Y", chunk.count, chunk.t, lay.p))
            state.mul_(chunk.whole).baddbmm_(chunk.writer(), chunk.X)
            out, Y = y[rows, chunk.span], chunk.time_first(Y)
            if x.D is None:
                out.copy_(Y)
            else:
                torch.addcmul(Y, chunk.x, x.D, out=out)
        last[rows] = state.unflatten(0, (-1, lay.h))
    return y, last, borders


class Gradients:
    """One backward pass: dy (b,l,h,p), dlast (b,h,n,p) -> the gradients in the order of `SSDOperands`.

    The decays' gradient is a sum of what flows over each step: da_t = sum of dL/dM_ij M_ij over i >= t > j (and over
    the ways from h_0 and into h). Taking it as a difference of row and column sums would be cheaper, and would lose all
    digits where the decay is strong.
    """

    def __init__(self, x: SSDOperands, borders: Tensor, steps: int):
        self.lay = lay = Layout(x, steps)
        self.operands, self.borders = x, borders
        self.dx, self.dB, self.dC, self.dstate = (t.new_empty(t.shape) for t in (x.x, x.B, x.C, x.state))
        self.dw, self.da = x.w.new_empty(x.w.shape), x.a.new_empty(x.a.shape)
        self.dD = None if x.D is None else x.D.new_zeros(x.D.shape)
        ones = x.x.new_ones(lay.steps, lay.steps)
        self.later, self.before = ones.triu(), ones.tril(-1)

    def run(self, dy: Tensor, dlast: Tensor) -> tuple[Tensor | None, ...]:
        """All chunks, the last one first."""
        for rows in self.lay.slabs():
            carry = self.lay.dense_states(dlast[rows])
            for i, chunk in reversed(list(enumerate(self.lay.chunks(rows)))):
                self._chunk(chunk, dy[rows, chunk.span], carry, self.borders[i, rows].flatten(0, 1))
            self.dstate[rows] = carry.unflatten(0, (-1, self.lay.h))
        return self.dx, self.dw, self.da, self.dB, self.dC, self.dD, self.dstate

    def _chunk(self, c: Chunk, dy: Tensor, carry: Tensor, border: Tensor) -> None:
        """carry is dL/dh behind the chunk, and becomes dL/dh_0."""
        lay = self.lay
        W, V, writer = c.mixer(), c.values(border), c.writer()
        dY = lay.buffer("dY", c.count, c.t, lay.p)
        c.heads_first(dY).copy_(dy.transpose(1, 2))
        dX = torch.bmm(W[..., : c.t].mT, dY, out=lay.buffer("dX", c.count, c.t, lay.p)).baddbmm_(writer.mT, carry)
        dW = torch.bmm(dY, V.mT, out=lay.buffer("dW", c.count, c.t, c.t + lay.n))
        dwriter = torch.bmm(carry, c.X.mT, out=lay.buffer("dwriter", c.count, lay.n, c.t))
        through_state = torch.mul(carry, border, out=lay.buffer("V", *carry.shape)).sum((1, 2)).mul_(c.whole.flatten())
        carry.mul_(c.whole).baddbmm_(W[..., c.t :].mT, dY)
        da = self._into_chunk(c, dW[..., : c.t], dW[..., c.t :], dwriter)
        self.da[c.rows, c.span] = (da + through_state[:, None]).unflatten(0, (-1, lay.h)).transpose(1, 2)
        self._into_values(c, c.time_first(dX), dy)

    def _into_chunk(self, c: Chunk, dM: Tensor, dreader: Tensor, dwriter: Tensor) -> Tensor:
        """From the gradients of M, C' and B' to dB and dC of the chunk; returns what of da passes through them."""
        lay = self.lay
        dM = dM.mul_(c.L.flatten(0, 2)).unflatten(0, (-1, lay.g, lay.k))  # now the gradient of C_t . B_j, head by head
        dG = dM.sum(2) if lay.k > 1 else dM[:, :, 0].clone()
        flows = torch.mul(dM, c.G[:, :, None], out=c.L).flatten(0, 2)  # L and W have done their work
        later = self.later[: c.t, : c.t].expand(c.count, -1, -1)
        passed = torch.bmm(later, flows, out=lay.buffer("W", c.count, c.t, c.t))
        da = passed.mul_(self.before[: c.t, : c.t]).sum(-1)

        dreader = dreader.unflatten(0, (-1, lay.g, lay.k)).mul_(c.into[..., None])
        dwriter = dwriter.mT.unflatten(0, (-1, lay.g, lay.k)).mul_(c.out_of[..., None])
        dC = torch.matmul(dG, c.B).add_(dreader.sum(2))
        dB = torch.matmul(dG.mT, c.C).add_(dwriter.sum(2))
        self.dC[c.rows, c.span], self.dB[c.rows, c.span] = dC.transpose(1, 2), dB.transpose(1, 2)
        read = dreader.mul_(c.C[:, :, None]).sum(-1).flatten(0, 2)
        written = dwriter.mul_(c.B[:, :, None]).sum(-1).flatten(0, 2)
        da += read.flip(1).cumsum(1).flip(1)  # from h_0 to a reader at t or later
        da[:, 1:] += written.cumsum(1)[:, :-1]  # from a writer before t into h
        return da

    def _into_values(self, c: Chunk, dX: Tensor, dy: Tensor) -> None:
        """dx, dw and dD from dX (rows,t,h,p)."""
        product = torch.mul(dX, c.x, out=self.lay.buffer("V", *dX.shape))
        torch.sum(product, -1, out=self.dw[c.rows, c.span])
        w, dx = c.w.unsqueeze(-1), self.dx[c.rows, c.span]
        torch.mul(dX, w, out=dx)
        if self.dD is not None and self.operands.D is not None:
            dx.addcmul_(dy, self.operands.D)
            self.dD += torch.mul(dy, c.x, out=product).sum((0, 1))
