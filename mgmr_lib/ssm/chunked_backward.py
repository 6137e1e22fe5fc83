"""The gradients of the chunked scan: the adjoint recurrence, chunk by chunk, last chunk first.

With a_t = exp(dt_t A), x_t = dt_t u_t and g_t = dL/dh_t:  g_t = C_t dy_t + a_{t+1} g_{t+1}, and from it
dC_t = sum_e dy_t h_t,  dB_t = sum_e g_t x_t,  dx_t = sum_n B_t g_t,  d(dt_t A) = a_t h_{t-1} g_t.
"""

import torch
from torch import Tensor

from .chunk_layout import LOG2_E, Layout, Workspace, project, run_states, time_step


class ScanGradients:
    """One backward pass. `saved` is what the forward kept; `needs` says which of its inputs want a gradient."""

    def __init__(self, saved: tuple, softplus: bool, needs: tuple[bool, ...]):
        self.u, self.delta, self.A, self.B, self.C, self.D, self.z, self.bias, self.borders = saved
        self.softplus = softplus
        self.wants_decay = any(needs[i] for i in (1, 2, 7))
        self.lay = Layout(self.u, self.A, self.B, self.C)
        self.work = Workspace(self.lay, self.u, 4)
        self.A1 = self.lay.matrix(self.A).contiguous()
        self.A2 = self.A1 * LOG2_E
        self.dA = torch.zeros_like(self.A1)
        self.du, self.ddelta = torch.empty_like(self.u), torch.empty_like(self.delta)
        # B and C are constant in time as (e,n), and then their gradient is a sum
        self.dB, self.dC = (torch.zeros_like(t) if t.dim() == 2 else torch.empty_like(t) for t in (self.B, self.C))
        self.dz = None if self.z is None else torch.empty_like(self.z)
        self.dD, self.dbias = (None if t is None else torch.zeros_like(t) for t in (self.D, self.bias))

    def run(self, dy: Tensor, dlast: Tensor) -> tuple[Tensor | None, ...]:
        """dy (b,e,l), dlast (b,e,n) -> the gradients of u, delta, A, B, C, D, z, delta_bias and the initial state."""
        lay, dstate = self.lay, torch.empty_like(dlast)
        for rows in lay.slabs():
            carry = lay.states(dlast[rows]).contiguous()
            every = (self.u, self.delta, self.z, dy, self.du, self.ddelta, self.dz)
            sequences = [lay.sequence(None if t is None else t[rows]) for t in every]
            mixing = [lay.mixing(t, rows) for t in (self.B, self.C, self.dB, self.dC)]
            chunks = list(zip(self.borders[:, rows], *sequences, *mixing, strict=True))
            for chunk in reversed(chunks):
                self._chunk(carry, *chunk)
            lay.states(dstate[rows]).copy_(carry)
        dA = self.dA.transpose(1, 2).reshape(self.A.shape)
        return self.du, self.ddelta, dA, self.dB, self.dC, self.dD, self.dz, self.dbias, dstate

    def _chunk(self, carry, border, u, delta, z, dy, du, ddelta, dz, B, C, dB, dC) -> None:
        """One chunk; carry holds a_{t+1} g_{t+1} from the later one, and then this chunk's for the earlier one."""
        u, dt, dy = u.contiguous(), time_step(delta, self.bias, self.softplus), dy.contiguous()
        B, C, x = B.contiguous(), C.contiguous(), dt * u
        a, H, G, scratch = self.work.get(*u.shape[:2])
        H[2][0].copy_(border)
        run_states(a, H, self.lay.wide(dt), self.lay.wide(x), B, self.A2)
        if z is not None:
            dy = self._through_gate(u, C, H[1], z.contiguous(), dy, dz)
        self._run_adjoint(a, G, C, dy, carry)
        self._unmix(self.C, H[1], dy, dC, scratch[0])
        self._unmix(self.B, G[0], x, dB, scratch[0])
        dx, ddt = torch.empty_like(x), torch.empty_like(x)
        project(B, G[0], self.B.dim() == 2, dx)
        if self.wants_decay:
            through = a[0].mul_(H[0]).mul_(G[0])
            torch.sum(torch.mul(through, self.A1, out=scratch[0]), -2, out=ddt.view(*a[0].shape[:3], -1))
            self.dA += through.mul_(self.lay.wide(dt)).sum((0, 1))
            self._into_delta(ddelta, u, dt, dx, ddt)
        dx.mul_(dt)
        if self.D is not None:
            self.dD += (dy * u).sum((0, 1))
            dx.addcmul_(dy, self.D)
        du.copy_(dx)

    def _run_adjoint(self, a, G, C: Tensor, dy: Tensor, carry: Tensor) -> None:
        """Fill g_t = C_t dy_t + a_{t+1} g_{t+1}, backwards in time."""
        torch.mul(C, self.lay.wide(dy), out=G[0])
        G[2][-2].add_(carry)
        for g, a_later, g_later in zip(G[2][-3::-1], a[2][-2::-1], G[2][-2::-1], strict=False):
            g.addcmul_(a_later, g_later)
        torch.mul(a[2][0], G[2][0], out=carry)

    def _unmix(self, like: Tensor, G: Tensor, x: Tensor, out: Tensor, scratch: Tensor) -> None:
        """The gradient of B or C into its view `out`: sum(G x) over whatever B or C is constant in."""
        if like.dim() == 2:
            out += torch.mul(G, self.lay.wide(x), out=scratch).sum((0, 1), keepdim=True)
        else:
            out.copy_(torch.bmm(G.view(-1, *G.shape[3:]), x.view(-1, G.shape[4], 1)).view(out.shape))

    def _through_gate(self, u, C, H, z, dy, dz) -> Tensor:
        """The output is v silu(z) with v = C . h + D u: write dz, return dv."""
        v = torch.empty_like(u)
        project(C, H, self.C.dim() == 2, v)
        if self.D is not None:
            v.addcmul_(u, self.D)
        s = torch.sigmoid(z)
        gate = z * s
        dz.copy_(v.mul_(dy).mul_(s + gate - gate * s))  # silu'(z) = s + z s (1 - s)
        return gate.mul_(dy)

    def _into_delta(self, ddelta, u, dt, dx, ddt) -> None:
        """delta acts through x = dt u and through the decay: softplus' = sigmoid(v) = 1 - exp(-softplus(v))."""
        ddt.addcmul_(dx, u)
        if self.softplus:
            ddt.mul_(torch.expm1(-dt).neg_())
        if self.bias is not None:
            self.dbias += ddt.sum((0, 1))
        ddelta.copy_(ddt)
