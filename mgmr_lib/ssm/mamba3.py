"""Mamba-3 (Lahoti et al. 2026, arXiv:2603.15569), its form with one input and one output a state (SISO).

Three changes to Mamba-2's recurrence. The input enters by the trapezoidal rule: a share lambda_t of the step's own
input and 1 - lambda_t of the one before it (lambda = 1 is Mamba-2's rule). The state turns: each pair of its entries is
a complex number, and step t multiplies it by exp(-i dt_t angle_t), so that it can count what only decay forgets. And
the decay A_t depends on the input, too. With R_t the rotation by dt_t angle_t, one head's state h (n,p) is

    h_t = exp(dt_t A_t) R_t^T (h_{t-1} + (1 - lambda_t) dt_t B_{t-1} x_{t-1}^T) + lambda_t dt_t B_t x_t^T,
    y_t = C_t h_t + D x_t,    and with a gate  y_t silu(z_t).

Both changes cost one SSD scan. Rotations add up: with Theta_t = dt_1 angle_1 + ... + dt_t angle_t, B and C turned by
Theta_t leave a state that does not turn. And x_t is written at t and at t + 1: together with the weight
w_t = lambda_t dt_t + (1 - lambda_{t+1}) dt_{t+1}, of which y_t must not see the second part yet, which is subtracted.

Compared with mamba_ssm 2.3's Mamba-3 (tests/ssm/test_mamba3.py): its module, on its own weights, step by step, with its
own reference functions (rotation, state update) in the place of its kernels. Not compared, for want of a GPU: its
kernels over a sequence and their gradients (their sines and tanh are a GPU's instructions, which triton's interpreter
does not have), and its norm before out_proj. MIMO (several inputs and outputs a state) is not built.
"""

import math
from typing import NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mgmr_lib.ssm.blocks import check_sequence, flagged, initial_dt_bias
from mgmr_lib.ssm.engines.ssd_layout import SSDOperands, default_steps
from mgmr_lib.ssm.engines.ssd_operator import chunked
from mgmr_lib.ssm.mamba2 import heads_of
from mgmr_lib.ssm.padding import checked_mask, zeroed

Operands: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]  # x, dt, A, B, C, lambda, angle


class Mamba3State(NamedTuple):
    """What a scan carries on: the sum of angles (b,h,k), the state (b,h,p,n), and the last step's turned B (b,h,n) and
    x (b,h,p). The state does not turn: it is the one that turned B and C see."""

    angle: Tensor
    h: Tensor
    B: Tensor
    x: Tensor


def mamba3_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    trapezoid: Tensor,
    angle: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    initial_state: Mamba3State | None = None,
    return_last_state: bool = False,
    chunk: int | None = None,
    valid: Tensor | None = None,
):
    """The scan of Mamba-3, in one SSD scan.

    x, z: (b,l,h,p). dt, A, trapezoid: (b,l,h): the step, the negative decay rate, and lambda in 0..1. B, C: (b,l,h,n).
    angle: (b,l,h,k) with 2 k <= n, in radians for dt = 1: it turns the first 2 k entries of the state, pair by pair.
    D: (h,). chunk, valid: as in `ssd_scan`. Returns y (b,l,h,p) in x's dtype, or (y, Mamba3State). Raises ValueError on
    wrong shapes.
    """
    given = dict(x=x, dt=dt, A=A, B=B, C=C, trapezoid=trapezoid, angle=angle, D=D, z=z)
    _check_shapes(given)
    valid, dtype = checked_mask(valid, x), x.dtype
    wide = torch.promote_types(dtype, torch.float32)
    with torch.autocast(x.device.type, enabled=False):
        x, dt, A, B, C, trapezoid, angle = (zeroed(t.to(wide), valid) for t in (x, dt, A, B, C, trapezoid, angle))
        z = None if z is None else zeroed(z.to(wide), valid)
        start = _start(x, B, angle) if initial_state is None else initial_state
        theta = angle_sums(angle * dt[..., None], start.angle)
        same_step = (B * C).sum(-1)
        turned_B, turned_C = turned(B, theta), turned(C, theta)
        late = dt * (1 - trapezoid)  # what a step writes of the input before it
        next_late = F.pad(late[:, 1:], (0, 0, 0, 1))
        h = start.h.mT + late[:, 0, :, None, None] * start.B[..., None] * start.x[:, :, None]
        steps = default_steps(x.shape[1], B.shape[3]) if chunk is None else min(chunk, x.shape[1])
        operands = SSDOperands(x, dt * trapezoid + next_late, dt * A, turned_B, turned_C, None, h.contiguous())
        y, last = chunked(operands, steps)
        seen = -next_late * same_step
        y = torch.addcmul(y, x, (seen if D is None else seen + D.to(wide))[..., None])
        y = zeroed(y if z is None else y * F.silu(z), valid).to(dtype)
        if not return_last_state:
            return y
        return y, _end(theta, last.mT, turned_B, x, valid)


def _start(x: Tensor, B: Tensor, angle: Tensor) -> Mamba3State:
    """Nothing written, nothing turned."""
    b, _, h, p = x.shape
    n, k = B.shape[3], angle.shape[3]
    return Mamba3State(x.new_zeros(b, h, k), x.new_zeros(b, h, p, n), x.new_zeros(b, h, n), x.new_zeros(b, h, p))


def _end(theta: Tensor, h: Tensor, B: Tensor, x: Tensor, valid: Tensor | None) -> Mamba3State:
    """The state at each clip's end."""
    ends = [x.shape[1]] * len(x) if valid is None else valid.sum(1)
    last = torch.as_tensor(ends, device=x.device).clamp(min=1) - 1
    rows = torch.arange(len(x), device=x.device)
    return Mamba3State(theta[rows, last], h, B[rows, last], x[rows, last])


def angle_sums(steps: Tensor, start: Tensor) -> Tensor:
    """Theta (b,l,h,k) in 0..2 pi: summed in float64, since a long sum in float32 would lose the angle's digits."""
    total = start.double()[:, None] + steps.double().cumsum(1)
    return (total - 2 * math.pi * torch.floor(total.detach() / (2 * math.pi))).to(steps.dtype)


def turned(t: Tensor, theta: Tensor) -> Tensor:
    """t (...,n) with entries 2 i and 2 i + 1 turned by theta_i, for the k angles of theta (...,k)."""
    pairs, rest = t.split([2 * theta.shape[-1], t.shape[-1] - 2 * theta.shape[-1]], dim=-1)
    even, odd = pairs.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = torch.cos(theta), torch.sin(theta)
    pairs = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)
    return torch.cat([pairs, rest], dim=-1)


def _check_shapes(given: dict) -> None:
    for name, t in given.items():
        if t is None and name in ("D", "z"):
            continue
        if not isinstance(t, Tensor) or not t.is_floating_point():
            raise ValueError(f"{name} must be a floating-point tensor, but is {getattr(t, 'dtype', type(t).__name__)}")
    x, B, angle = given["x"], given["B"], given["angle"]
    if x.dim() != 4 or B.dim() != 4 or angle.dim() != 4 or any(size < 1 for t in (x, B) for size in t.shape):
        raise ValueError(
            "x must be (b,l,h,p), B (b,l,h,n) and angle (b,l,h,k) with sizes of at least 1, but they are "
            f"{tuple(x.shape)}, {tuple(B.shape)} and {tuple(angle.shape)}"
        )
    steps, n, k = tuple(x.shape[:3]), B.shape[3], angle.shape[3]
    shapes = {name: steps for name in ("dt", "A", "trapezoid")}
    shapes |= {name: (*steps, n) for name in "BC"} | {"angle": (*steps, k), "D": steps[2:], "z": tuple(x.shape)}
    for name, shape in shapes.items():
        if given[name] is not None and tuple(given[name].shape) != shape:
            raise ValueError(f"{name} must be {shape}, but is {tuple(given[name].shape)} (x is {tuple(x.shape)})")
    if 2 * k > n:
        raise ValueError(f"angle turns pairs: its k = {k} must be at most half of n = {n}")


def list_mamba3(x: list, dt: list, A: list, B: list, C: list, trapezoid: list, angle: list, D: float = 0.0) -> list:
    """The oracle: one head in Python lists and complex numbers, straight from the recurrence, the state turning.

    x (l,p), dt, A, trapezoid (l), B, C (l,n), angle (l,k) as nested lists of floats. Returns y (l,p).
    """
    pairs = lambda v: [complex(*v[i : i + 2]) for i in range(0, len(v), 2)]  # noqa: E731
    p, count = len(x[0]), len(pairs(B[0]))
    state = [[0j] * p for _ in range(count)]
    before, ys = [[0j] * p for _ in range(count)], []
    for x_t, dt_t, A_t, B_t, C_t, share, angles in zip(x, dt, A, B, C, trapezoid, angle, strict=True):
        now = [[b * v for v in x_t] for b in pairs(B_t)]
        for i in range(count):
            theta = dt_t * angles[i] if i < len(angles) else 0.0
            turn = math.exp(dt_t * A_t) * complex(math.cos(theta), -math.sin(theta))
            for j in range(p):
                carried = state[i][j] + (1 - share) * dt_t * before[i][j]
                state[i][j] = turn * carried + share * dt_t * now[i][j]
        read = [sum((c.conjugate() * s[j]).real for c, s in zip(pairs(C_t), state, strict=True)) for j in range(p)]
        ys.append([r + D * v for r, v in zip(read, x_t, strict=True)])
        before = now
    return ys


def mamba3_step(
    state: Mamba3State,
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    trapezoid: Tensor,
    angle: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
) -> tuple[Tensor, Mamba3State]:
    """One time step of `mamba3_scan`, for streaming: x, z (b,h,p), dt, A, trapezoid (b,h), B, C (b,h,n), angle (b,h,k).

    Returns y (b,h,p) and the next state; the given state is not changed.
    """
    x, dt, A, B, C, trapezoid, angle = (t.unsqueeze(1) for t in (x, dt, A, B, C, trapezoid, angle))
    z = None if z is None else z.unsqueeze(1)
    y, after = mamba3_scan(x, dt, A, B, C, trapezoid, angle, D, z, state, return_last_state=True)
    return y[:, 0], after


class Mamba3Block(nn.Module):
    """The Mamba-3 mixer (SISO): (b,l,d) -> (b,l,d), causal, without a convolution.

    in_proj gives the gate z, x, B, C, delta, A, lambda and the angles at once; B and C are normalised and biased; the
    angles are the same for all heads, which turn at their own delta. The state dict is that of `mamba_ssm`'s Mamba3.

    d_model: d. d_state: n. expand: e = expand * d. head_dim: p, must divide e. n_groups: g, must divide the heads.
    rope_fraction: 0.5 or 1, the share of the state that turns. A_floor: the weakest decay rate. dt_min, dt_max,
    dt_init_floor: as in MambaBlock. chunk: see `ssd_scan`.
    partner: with True, `forward` takes a time-aligned partner sequence, whose linear image is added to all that is
    selected: B, C, delta, A, lambda and the angles (one more weight, `partner_proj`). There is no A_log to share.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 128,
        expand: int = 2,
        head_dim: int = 64,
        n_groups: int = 1,
        rope_fraction: float = 0.5,
        A_floor: float = 1e-4,
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        dt_init_floor: float = 1e-4,
        chunk: int | None = None,
        partner: bool = False,
    ):
        super().__init__()
        if rope_fraction not in (0.5, 1.0) or int(d_state * rope_fraction) < 2:
            raise ValueError(
                "rope_fraction must be 0.5 or 1, and d_state large enough for one pair (4 or 2), but they are "
                f"{rope_fraction} and {d_state}"
            )
        self.d_model, self.d_state, self.expand, self.d_inner = d_model, d_state, expand, int(expand * d_model)
        self.head_dim, self.n_groups, self.A_floor, self.chunk = head_dim, n_groups, A_floor, chunk
        self.n_heads = heads_of(self.d_inner, head_dim, n_groups)
        self.n_angles = int(d_state * rope_fraction) // 2
        self.d_select = 2 * n_groups * d_state + 3 * self.n_heads + self.n_angles
        self.in_proj = nn.Linear(d_model, 2 * self.d_inner + self.d_select, bias=False)
        dt_bias = initial_dt_bias(self.n_heads, dt_min, dt_max, dt_init_floor)
        self.dt_bias = flagged(nn.Parameter(dt_bias), "_no_weight_decay")
        self.B_bias = nn.Parameter(torch.ones(self.n_heads, 1, d_state))
        self.C_bias = nn.Parameter(torch.ones(self.n_heads, 1, d_state))
        self.B_norm, self.C_norm = nn.RMSNorm(d_state, eps=1e-5), nn.RMSNorm(d_state, eps=1e-5)
        self.D = flagged(nn.Parameter(torch.ones(self.n_heads)), "_no_weight_decay")
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=False)
        self.partner_proj = nn.Linear(d_model, self.d_select, bias=False) if partner else None

    def forward(self, x: Tensor, valid: Tensor | None = None, partner: Tensor | None = None) -> Tensor:
        """x (b,l,d), valid (b,l) bool (True, then False behind a clip's end), partner (b,l,d) -> (b,l,d).

        What lies in the padding reaches neither the other positions nor a gradient; the output there is zero.
        """
        check_sequence(x, self.d_model)
        valid = checked_mask(valid, x)
        z, operands = self._select(zeroed(x, valid), None if partner is None else zeroed(partner, valid))
        y = mamba3_scan(*operands, self.D, z, chunk=self.chunk)
        return zeroed(self.out_proj(y.flatten(2)), valid)

    def _select(self, x: Tensor, partner: Tensor | None) -> tuple[Tensor, Operands]:
        """z, and x, dt, A, B, C, lambda and the angles as `mamba3_scan` takes them."""
        if (partner is None) != (self.partner_proj is None):
            raise ValueError("give `partner` exactly when the block was built with partner=True")
        z, x, selected = self.in_proj(x).split([self.d_inner, self.d_inner, self.d_select], dim=-1)
        if partner is not None and self.partner_proj is not None:
            selected = selected + self.partner_proj(partner)
        mixing, h = self.n_groups * self.d_state, self.n_heads
        B, C, dt, A, trapezoid, angle = selected.split([mixing, mixing, h, h, h, self.n_angles], dim=-1)
        B, C = (
            norm(t.unflatten(-1, (self.n_groups, -1))).repeat_interleave(h // self.n_groups, dim=-2) + bias[:, 0]
            for t, norm, bias in ((B, self.B_norm, self.B_bias), (C, self.C_norm, self.C_bias))
        )
        z, x = (t.unflatten(-1, (h, -1)) for t in (z, x))
        A = (-F.softplus(A)).clamp(max=-self.A_floor)
        angle = (math.pi * torch.tanh(angle)).unsqueeze(-2).expand(*angle.shape[:-1], h, -1)
        return z, (x, F.softplus(dt + self.dt_bias), A, B, C, torch.sigmoid(trapezoid), angle)

    def allocate_state(self, batch: int) -> Mamba3State:
        """The empty state of streaming."""
        like, h = self.in_proj.weight, self.n_heads
        like = like.new_zeros((), dtype=torch.promote_types(like.dtype, torch.float32))
        sizes = (self.n_angles,), (self.head_dim, self.d_state), (self.d_state,), (self.head_dim,)
        return Mamba3State(*(like.new_zeros(batch, h, *size) for size in sizes))

    def step(self, x: Tensor, state: Mamba3State, partner: Tensor | None = None) -> tuple[Tensor, Mamba3State]:
        """One time step: x (b,d) and a state -> y (b,d) and the next state. Equals `forward` on the whole sequence."""
        z, operands = self._select(x, partner)
        y, state = mamba3_step(state, *operands, self.D, z)
        return self.out_proj(y.flatten(1)), state
