"""State-space duality (Dao & Gu 2024, arXiv:2405.21060): a scan with one decay per head and step is a masked matrix.

The recurrence of one head, with the state h (n,p), is

    h_t = exp(dt_t A) h_{t-1} + dt_t B_t x_t^T,    y_t = C_t h_t + D x_t,    and with a gate  y_t silu(z_t).

Written out, y = (L * C B^T) (dt x) with L_tj = exp(dt_{j+1} A + ... + dt_t A) for j <= t and 0 above: attention without
a softmax, whose mask decays. `ssd_masked` computes it so, in l^2; `ssd_scan` in chunks, in l; `ssd_step` step by step;
`ssd_reference` is our selective scan with A shared over a head's state.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mgmr_lib.ssm.engines.arguments import FLOATS
from mgmr_lib.ssm.engines.ssd_layout import SSDOperands, default_steps
from mgmr_lib.ssm.engines.ssd_operator import chunked
from mgmr_lib.ssm.padding import checked_mask, zeroed
from mgmr_lib.ssm.scan import selective_scan


def ssd_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    dt_bias: Tensor | None = None,
    dt_softplus: bool = False,
    initial_state: Tensor | None = None,
    return_last_state: bool = False,
    chunk: int | None = None,
    valid: Tensor | None = None,
):
    """The scan of Mamba-2, with mamba_ssm's meaning: time linear in l, chunks of matrix products, own backward.

    x, z: (b,l,h,p). dt: (b,l,h). A, dt_bias: (h,), A negative for a system that forgets. B, C: (b,l,g,n), each of g
    groups for h/g neighbouring heads. D: (h,) or (h,p). initial_state: (b,h,p,n), zero by default. `dt_bias` is added
    to dt, and then, with `dt_softplus`, softplus is taken. valid: (b,l) bool, True, then False behind a clip's end:
    what lies there changes no state, gets no gradient, and gives 0. chunk: steps of a chunk, which changes speed and
    rounding alone. float16 and bfloat16 are computed in float32.

    Returns y (b,l,h,p) in x's dtype, or (y, last state (b,h,p,n) in the compute dtype). Gradients flow to every tensor,
    through both outputs, once. Raises ValueError on wrong shapes, dtypes or devices.
    """
    if chunk is not None and (isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1):
        raise ValueError(f"chunk must be a whole number of at least 1, or None, but is {chunk!r}")
    args = _checked(x, dt, A, B, C, D, z, dt_bias, dt_softplus, initial_state, valid)
    with torch.autocast(x.device.type, enabled=False):
        steps = default_steps(x.shape[1], B.shape[3]) if chunk is None else min(chunk, x.shape[1])
        y, last = chunked(args.operands(), steps)
        return args.finished(y, last, return_last_state)


def ssd_masked(
    x, dt, A, B, C, D=None, z=None, dt_bias=None, dt_softplus=False, initial_state=None, return_last_state=False,
    valid=None,
):  # fmt: skip
    """`ssd_scan` as one masked matrix (l,l) a head: the quadratic form, for short sequences and for the eye."""
    args = _checked(x, dt, A, B, C, D, z, dt_bias, dt_softplus, initial_state, valid)
    with torch.autocast(x.device.type, enabled=False):
        x, w, a, B, C, D, state = args.operands()
        k = x.shape[2] // B.shape[2]
        B, C = (t.repeat_interleave(k, dim=2).transpose(1, 2) for t in (B, C))  # (b,h,l,n)
        log_L = segment_sums(a.transpose(1, 2))
        X, s = (x * w[..., None]).transpose(1, 2), a.transpose(1, 2).cumsum(-1)[..., None]
        y = (torch.exp(log_L) * (C @ B.mT)) @ X + torch.exp(s) * (C @ state)
        last = torch.exp(s[:, :, -1:]) * state + (B * torch.exp(log_L[:, :, -1, :, None])).mT @ X
        y = y.transpose(1, 2)
        return args.finished(y if D is None else y + D * x, last, return_last_state)


def segment_sums(a: Tensor) -> Tensor:
    """S_tj = a_{j+1} + ... + a_t for j <= t, -inf above: (...,l) -> (...,l,l).

    Summed, not subtracted: the difference of two long sums would lose what lies between a strong decay and the end.
    """
    l = a.shape[-1]
    below = torch.ones(l, l, dtype=torch.bool, device=a.device).tril(-1)
    sums = a[..., :, None].expand(*a.shape, l).masked_fill(~below, 0.0).cumsum(-2)
    return sums.masked_fill(below.mT, -torch.inf)


def ssd_reference(
    x, dt, A, B, C, D=None, z=None, dt_bias=None, dt_softplus=False, initial_state=None, return_last_state=False,
    valid=None,
):  # fmt: skip
    """The oracle of `ssd_scan`: float64, one step after the other, every channel of a head with the head's dt and A."""
    args = _checked(x, dt, A, B, C, D, z, dt_bias, dt_softplus, initial_state, valid, torch.float64)
    x, w, _, B, C, D, state = args.operands()
    p, n = x.shape[3], B.shape[3]
    channels = lambda t: t.flatten(2).transpose(1, 2)  # noqa: E731
    A = args.A.repeat_interleave(p)[:, None].expand(-1, n)
    y, last = selective_scan(
        channels(x), channels(w[..., None].expand_as(x)), A, B.permute(0, 2, 3, 1), C.permute(0, 2, 3, 1),
        None if D is None else D.flatten(), None, backend="reference", return_last_state=True,
        initial_state=state.mT.flatten(1, 2),
    )  # fmt: skip
    return args.finished(y.transpose(1, 2).unflatten(2, (-1, p)), last.unflatten(1, (-1, p)).mT, return_last_state)


def ssd_step(
    state: Tensor,
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    dt_bias: Tensor | None = None,
    dt_softplus: bool = False,
) -> tuple[Tensor, Tensor]:
    """One time step of `ssd_scan`, for streaming. state: (b,h,p,n). x, z: (b,h,p). dt: (b,h). B, C: (b,g,n).

    Returns y (b,h,p) in x's dtype and the new state (b,h,p,n); the given state is not changed.
    """
    for name, t, letters in (("x", x, "(b,h,p)"), ("dt", dt, "(b,h)"), ("B", B, "(b,g,n)"), ("C", C, "(b,g,n)")):
        if not isinstance(t, Tensor) or t.dim() != letters.count(",") + 1:
            raise ValueError(f"{name} must be a tensor {letters}, but is {_shown(t)}")
    one = [None if t is None else t.unsqueeze(1) for t in (x, dt, B, C, z)]
    args = _checked(one[0], one[1], A, one[2], one[3], D, one[4], dt_bias, dt_softplus, state, None)
    with torch.autocast(x.device.type, enabled=False):
        X, w, a, B, C, D, h = args.operands()
        X, w, a = X[:, 0], w[:, 0, :, None, None], a[:, 0, :, None, None]
        B, C = (t[:, 0].repeat_interleave(X.shape[1] // t.shape[2], dim=1) for t in (B, C))
        h = torch.exp(a) * h + w * B[..., None] * X[:, :, None]
        y = (C[:, :, None] @ h)[:, :, 0]
        y, h = args.finished((y if D is None else y + D * X).unsqueeze(1), h, True)
    return y[:, 0], h.to(state.dtype)


@dataclass(frozen=True)
class _Arguments:
    """The checked arguments of one scan, in the dtype that we compute in. D is (h,p), state (b,h,n,p)."""

    x: Tensor
    dt: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None
    z: Tensor | None
    state: Tensor
    valid: Tensor | None
    dtype: torch.dtype

    def operands(self) -> SSDOperands:
        """What the engines take: dt is what a step writes with, and dt A the logarithm of its decay."""
        return SSDOperands(self.x, self.dt, self.dt * self.A, self.B, self.C, self.D, self.state)

    def finished(self, y: Tensor, last: Tensor, wants_state: bool):
        """The gate, zeros in the padding, the caller's dtype, and the state as (b,h,p,n)."""
        if self.z is not None:
            y = y * F.silu(self.z.to(y.dtype))
        y = zeroed(y, self.valid).to(self.dtype)
        return (y, last.mT.to(self.x.dtype)) if wants_state else y


def _checked(x, dt, A, B, C, D, z, dt_bias, dt_softplus, state, valid, dtype=torch.float32) -> _Arguments:
    named = dict(x=x, dt=dt, A=A, B=B, C=C, D=D, z=z, dt_bias=dt_bias, initial_state=state)
    _check_tensors(named)
    if x.dim() != 4 or any(size < 1 for size in x.shape):
        raise ValueError(f"x must be (b,l,h,p) with every size at least 1, but is {_shown(x)}")
    b, l, h, p = x.shape
    if B.dim() != 4 or B.shape[:2] != (b, l) or B.shape[2] < 1 or h % B.shape[2] or B.shape[3] < 1:
        raise ValueError(f"B must be (b,l,g,n) = ({b}, {l}, g, n) with g dividing h = {h}, but is {_shown(B)}")
    n = B.shape[3]
    shapes = {"dt": ("(b,l,h)", (b, l, h)), "A": ("(h,)", (h,)), "C": ("(b,l,g,n) like B", tuple(B.shape)),
              "z": ("(b,l,h,p)", (b, l, h, p)), "dt_bias": ("(h,)", (h,)),
              "initial_state": ("(b,h,p,n)", (b, h, p, n))}  # fmt: skip
    for name, (letters, shape) in shapes.items():
        if named[name] is not None and tuple(named[name].shape) != shape:
            raise ValueError(f"{name} must be {letters} = {shape}, but is {_shown(named[name])} (x is {_shown(x)})")
    if D is not None and tuple(D.shape) not in ((h,), (h, p)):
        raise ValueError(f"D must be (h,) = {(h,)} or (h,p) = {(h, p)}, but is {_shown(D)}")
    if any(t is not None and t.dtype == torch.float64 for t in named.values()):
        dtype = torch.float64
    return _in_one_dtype(named, dt_softplus, checked_mask(valid, x), dtype)


def _in_one_dtype(named: dict, dt_softplus: bool, valid: Tensor | None, dtype: torch.dtype) -> _Arguments:
    x = named["x"]
    t = {name: value.to(dtype) for name, value in named.items() if value is not None}
    dt = t["dt"] + t["dt_bias"] if "dt_bias" in t else t["dt"]
    dt = zeroed(dt, valid)  # before softplus too: its slope at NaN would reach dt_bias
    dt = zeroed(F.softplus(dt), valid) if dt_softplus else dt
    b, _, h, p = x.shape
    state = t["initial_state"] if "initial_state" in t else x.new_zeros(b, h, p, t["B"].shape[3], dtype=dtype)
    D = t.get("D")
    return _Arguments(
        x=zeroed(t["x"], valid),
        dt=dt,
        A=t["A"],
        B=zeroed(t["B"], valid),
        C=zeroed(t["C"], valid),
        D=D if D is None or D.dim() == 2 else D[:, None].expand(x.shape[2:]),
        z=zeroed(t["z"], valid) if "z" in t else None,
        state=state.mT,
        valid=valid,
        dtype=x.dtype,
    )


def _check_tensors(named: dict) -> None:
    for name, t in named.items():
        if t is None and name in ("x", "dt", "A", "B", "C"):
            raise ValueError(f"{name} is required")
        if t is None:
            continue
        if not isinstance(t, Tensor) or t.dtype not in FLOATS:
            raise ValueError(f"{name} must be a real floating-point tensor, but is {_shown(t)}")
        if t.device != named["x"].device:
            raise ValueError(f"{name} must be on the device of x ({named['x'].device}), but is on {t.device}")


def _shown(t) -> str:
    return f"{t.dtype} {tuple(t.shape)}" if isinstance(t, Tensor) else type(t).__name__
