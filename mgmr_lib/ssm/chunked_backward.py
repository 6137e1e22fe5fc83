"""The gradients of the chunked scan: the adjoint recurrence, chunk by chunk, last chunk first.

With a_t = exp(dt_t A), x_t = dt_t u_t and g_t = dL/dh_t:  g_t = C_t dy_t + a_{t+1} g_{t+1}, and from it
dC_t = sum_e dy_t h_t,  dB_t = sum_e g_t x_t,  dx_t = sum_n B_t g_t,  d(dt_t A) = a_t h_{t-1} g_t.
"""

import torch
from torch import Tensor

from .chunk_layout import Layout, Workspace, project, run_states, time_step

LOG2_E = 1.4426950408889634


class ScanGradients:
    """One backward pass. `saved` is what the forward kept; `needs` says which of its inputs want a gradient."""

    def __init__(self, saved: tuple, softplus: bool, needs: tuple[bool, ...]):
        self.u, self.delta, self.A, self.B, self.C, self.D, self.z, self.bias, self.borders, *self.pre = saved
        self.softplus, self.needs = softplus, needs
        self.lay = Layout(self.u, self.A, self.B, self.C)
        self.work = Workspace(self.lay, self.u, 4)
        self.A1 = self.lay.matrix(self.A).contiguous()
        self.A2 = self.A1 * LOG2_E
        self.wants_decay = any(needs[i] for i in (1, 2, 7))
        self.grad = {name: None if t is None else torch.zeros_like(t) if t.dim() < 3 else torch.empty_like(t)
                     for name, t in (("u", self.u), ("delta", self.delta), ("B", self.B), ("C", self.C), ("D", self.D),
                                     ("z", self.z), ("bias", self.bias))}
        self.dA = torch.zeros_like(self.A1)

    def run(self, dy: Tensor, dlast: Tensor) -> tuple[Tensor | None, ...]:
        """dy (b,e,l), dlast (b,e,n) -> the gradients of u, delta, A, B, C, D, z, delta_bias and the initial state."""
        dstate = torch.empty_like(dlast)
        for i, rows in enumerate(self.lay.slabs()):
            carry = self.lay.states(dlast[rows]).contiguous()
            self._slab(rows, dy[rows], carry, self.pre[i] if self.pre else None)
            self.lay.states(dstate[rows]).copy_(carry)
        g = self.grad
        dA = self.dA.transpose(1, 2).reshape(self.A.shape)
        return g["u"], g["delta"], dA, g["B"], g["C"], g["D"], g["z"], g["bias"], dstate

    def _slab(self, rows: slice, dy: Tensor, carry: Tensor, pre: Tensor | None) -> None:
        lay = self.lay
        dy = lay.by_time(dy)
        if pre is not None:
            dy = self._through_gate(rows, dy, pre)
        u, dt = lay.by_time(self.u[rows]), time_step(lay, self.delta[rows], self.bias, self.softplus)
        x = u * dt
        B, C = lay.mixing(self.B, rows), lay.mixing(self.C, rows)
        dx, ddt, dB, dC = torch.empty_like(u), torch.zeros_like(u), torch.zeros_like(B), torch.zeros_like(C)
        chunks = lay.split(dt, x, dy, B, C, dx, ddt, dB, dC)
        for i in reversed(range(lay.chunks)):
            self._chunk(self.borders[i, rows], carry, *chunks[i])
        for name, part in (("B", dB), ("C", dC)):
            if self.grad[name].dim() == 2:
                lay.matrix(self.grad[name]).add_(part[0, 0])
            else:
                self.grad[name][rows] = part.squeeze(-1).permute(1, 2, 3, 0)
        self._outer(rows, u, dt, dy, dx, ddt)

    def _chunk(self, border, carry, dt, x, dy, B, C, dx, ddt, dB, dC) -> None:
        """One chunk; carry holds a_{t+1} g_{t+1} from the later one, and then this chunk's for the earlier one."""
        a, H, G, scratch = self.work.get(dt.shape[0], dt.shape[1])
        H[2][0].copy_(border)
        run_states(a, H, dt, x, B, self.A2)
        torch.mul(C, dy, out=G[0])
        G[2][-2].add_(carry)
        for g, a_later, g_later in zip(G[2][-3::-1], a[2][-2::-1], G[2][-2::-1], strict=False):
            g.addcmul_(a_later, g_later)
        torch.mul(a[2][0], G[2][0], out=carry)
        self._unmix(self.C, H[1], dy, dC, scratch[0])
        self._unmix(self.B, G[0], x, dB, scratch[0])
        project(B, G[0], self.B.dim() == 2, dx)
        if self.wants_decay:
            through = a[0].mul_(H[0]).mul_(G[0])
            torch.sum(torch.mul(through, self.A1, out=scratch[0]), -2, keepdim=True, out=ddt)
            self.dA += through.mul_(dt).sum((0, 1))

    def _unmix(self, like: Tensor, G: Tensor, x: Tensor, out: Tensor, scratch: Tensor) -> None:
        """The gradient of B or C: sum(G x) over whatever it is constant in. out: (T,rows,g,n,1) or (1,1,g,n,k)."""
        if like.dim() == 2:
            out += torch.mul(G, x, out=scratch).sum((0, 1), keepdim=True)
        else:
            torch.bmm(G.view(-1, *G.shape[3:]), x.view(-1, x.shape[4], 1), out=out.view(-1, out.shape[3], 1))

    def _through_gate(self, rows: slice, dy: Tensor, pre: Tensor) -> Tensor:
        """The output was pre silu(z): store dz, return the gradient of pre."""
        z = self.lay.by_time(self.z[rows])
        s = torch.sigmoid(z)
        gate = z * s
        # silu'(z) = s + z s (1 - s)
        self.grad["z"][rows] = self.lay.by_row((s + gate - gate * s).mul_(pre).mul_(dy))
        return gate.mul_(dy)

    def _outer(self, rows: slice, u: Tensor, dt: Tensor, dy: Tensor, dx: Tensor, ddt: Tensor) -> None:
        """From x = dt u, the skip D u and the softplus to u, delta, D and the bias."""
        lay, g = self.lay, self.grad
        ddt.addcmul_(dx, u)
        dx.mul_(dt)
        if self.D is not None:
            g["D"] += (dy * u).sum((0, 1)).flatten()
            dx.addcmul_(dy, lay.vector(self.D))
        g["u"][rows] = lay.by_row(dx)
        if self.softplus:
            ddt.mul_(torch.expm1(-dt).neg_())  # softplus' = sigmoid(v) = 1 - exp(-softplus(v))
        g["delta"][rows] = lay.by_row(ddt)
        if self.bias is not None:
            g["bias"] += ddt.sum((0, 1)).flatten()
