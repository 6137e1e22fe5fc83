"""The gradients of the chunked scan: the adjoint recurrence, chunk by chunk, last chunk first.

With a_t = exp(dt_t A), x_t = dt_t u_t and g_t = dL/dh_t:  g_t = C_t dy_t + a_{t+1} g_{t+1}, and from it
dC_t = sum_e dy_t h_t,  dB_t = sum_e g_t x_t,  dx_t = sum_n B_t g_t,  d(dt_t A) = a_t h_{t-1} g_t.
"""

import torch
from torch import Tensor

from mgmr_lib.ssm.engines.arguments import Operands
from mgmr_lib.ssm.engines.chunk_layout import (
    LOG2_E,
    Buffer,
    Layout,
    Sequences,
    Workspace,
    project,
    run_states,
    time_step,
)
from mgmr_lib.ssm.engines.operators import mixing_like, sequence_like


class ScanGradients:
    """One backward pass. wants_decay: whether delta, A or bias want a gradient."""

    def __init__(self, x: Operands, borders: Tensor, wants_decay: bool):
        self.u, self.delta, self.A, self.B, self.C, self.D, self.z, self.bias, _, self.softplus = x
        self.borders, self.wants_decay = borders, wants_decay
        self.lay = Layout(self.u, self.A, self.B, self.C)
        self.work = Workspace(self.lay, self.u, 4)
        self.A1 = self.lay.matrix(self.A).contiguous()
        self.A2 = self.A1 * LOG2_E
        self.dA = torch.zeros_like(self.A1)
        self.du, self.ddelta = sequence_like(self.u), sequence_like(self.delta)
        # B and C are constant in time as (e,n), and then their gradient is a sum
        self.dB, self.dC = (t.new_zeros(t.shape) if t.dim() == 2 else mixing_like(t) for t in (self.B, self.C))
        self.dz = None if self.z is None else sequence_like(self.z)
        self.dD, self.dbias = (None if t is None else torch.zeros_like(t) for t in (self.D, self.bias))

    def run(self, dy: Tensor, dlast: Tensor) -> tuple[Tensor | None, ...]:
        """dy (b,e,l), dlast (b,e,n) -> the gradients of u, delta, A, B, C, D, z, delta_bias and the initial state."""
        lay, dstate, seqs = self.lay, dlast.new_empty(dlast.shape), Sequences(self.lay)
        inputs = {"u": self.u, "delta": self.delta, "z": self.z, "dy": dy}
        outputs = {"du": self.du, "ddelta": self.ddelta, "dz": self.dz}
        for rows in lay.slabs():
            carry = lay.states(dlast[rows]).contiguous()
            sequences = [seqs.read(name, t, rows) for name, t in inputs.items()]
            sequences += [seqs.room(name, t, rows) for name, t in outputs.items()]
            mixing = [lay.mixing(t, rows) for t in (self.B, self.C, self.dB, self.dC)]
            for chunk in reversed(list(zip(self.borders[:, rows], *sequences, *mixing, strict=True))):
                carry = self._chunk(carry, *chunk)
            for name, t in outputs.items():
                seqs.store(name, t, rows)
            lay.states(dstate[rows]).copy_(carry)
        dA = self.dA.transpose(1, 2).reshape(self.A.shape).contiguous()
        return self.du, self.ddelta, dA, self.dB, self.dC, self.dD, self.dz, self.dbias, dstate

    def _chunk(self, carry, border, u, delta, z, dy, du, ddelta, dz, B, C, dB, dC) -> Tensor:
        """One chunk; carry is a_{t+1} g_{t+1} from the later one, and what returns is this chunk's for the earlier
        one."""
        lay, dt = self.lay, time_step(delta, self.bias, self.softplus)
        B, C, x = B.contiguous(), C.contiguous(), dt * u
        a, H, G, scratch = self.work.get(*u.shape[:2])
        run_states(a, H, border, lay.wide(dt), lay.wide(x), B, self.A2)
        dy = dy.contiguous() if z is None else self._through_gate(u, C, H.whole, z, dy, dz)
        carry = self._run_adjoint(a, G, C, dy, carry)
        self._unmix(self.C, H.whole, dy, dC, scratch.whole)
        self._unmix(self.B, G.whole, x, dB, scratch.whole)
        dx = project(B, G.whole, self.B.dim() == 2)
        if self.wants_decay:
            self._into_decay(ddelta, a, H, border, G, scratch.whole, u, dt, dx)
        dx.mul_(dt)
        if self.D is not None:
            self.dD += (dy * u).sum((0, 1))
            dx.addcmul_(dy, self.D)
        du.copy_(dx)
        return carry

    def _run_adjoint(self, a: Buffer, G: Buffer, C: Tensor, dy: Tensor, carry: Tensor) -> Tensor:
        """Fill g_t = C_t dy_t + a_{t+1} g_{t+1}, backwards in time."""
        torch.mul(C, self.lay.wide(dy), out=G.whole)
        g_later = G.steps[-1].add_(carry)
        for g, a_later in zip(G.steps[-2::-1], a.steps[:0:-1], strict=True):
            g_later = g.addcmul_(a_later, g_later)
        return a.steps[0] * g_later

    def _unmix(self, like: Tensor, G: Tensor, x: Tensor, out: Tensor, scratch: Tensor) -> None:
        """The gradient of B or C into its view `out`: sum(G x) over whatever B or C is constant in."""
        if like.dim() == 2:
            out += torch.mul(G, self.lay.wide(x), out=scratch).sum((0, 1), keepdim=True)
        else:  # x G^T and not G x^T: a row times a matrix is the faster of the two
            out.copy_(torch.bmm(x.view(-1, 1, G.shape[4]), G.view(-1, *G.shape[3:]).transpose(1, 2)).view(out.shape))

    def _into_decay(self, ddelta, a: Buffer, H: Buffer, border: Tensor, G: Buffer, scratch: Tensor, u, dt, dx) -> None:
        """d(dt_t A) = a_t h_{t-1} g_t, over n to dt and over rows and time to A; a is used up."""
        through = a.whole
        through[:, 1:].mul_(H.whole[:, :-1])
        through[:, 0].mul_(border)
        through.mul_(G.whole)
        ddt = torch.mul(through, self.A1, out=scratch).sum(-2).view(dx.shape)
        self.dA += through.mul_(self.lay.wide(dt)).sum((0, 1))
        ddt.addcmul_(dx, u)
        if self.softplus:
            ddt.mul_(torch.expm1(-dt).neg_())  # softplus' = sigmoid(v) = 1 - exp(-softplus(v))
        if self.dbias is not None:
            self.dbias += ddt.sum((0, 1))
        ddelta.copy_(ddt)

    def _through_gate(self, u, C, H, z, dy, dz) -> Tensor:
        """The output is v silu(z) with v = C . h + D u: write dz, return dv."""
        v = project(C, H, self.C.dim() == 2)
        if self.D is not None:
            v.addcmul_(u, self.D)
        s = torch.sigmoid(z)
        gate = z * s
        dz.copy_(v.mul_(dy).mul_(s + gate - gate * s))  # silu'(z) = s + z s (1 - s)
        return gate.mul_(dy)
