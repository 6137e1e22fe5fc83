"""What every rung of the scan ladder receives: checked shapes, one device, one compute dtype."""

from dataclasses import dataclass

import torch
from torch import Tensor

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class ScanArguments:
    """The arguments of one selective scan, checked and in the dtype that we compute in.

    u, delta, z (b,e,l); A (e,n); B, C (e,n) or (b,g,n,l) with g dividing e; D, delta_bias (e); initial_state (b,e,n).
    `out_dtype` is what the caller's u had: float16 and bfloat16 are computed in float32 and cast back at the very end.
    """

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None
    z: Tensor | None
    delta_bias: Tensor | None
    delta_softplus: bool
    initial_state: Tensor | None
    out_dtype: torch.dtype

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """(b, e, l, n)."""
        return *self.u.shape, self.A.shape[1]

    @property
    def tensors(self) -> list[Tensor]:
        """Every tensor that was given."""
        every = (self.u, self.delta, self.A, self.B, self.C, self.D, self.z, self.delta_bias, self.initial_state)
        return [t for t in every if t is not None]

    def to(self, dtype: torch.dtype) -> "ScanArguments":
        """The same arguments in another compute dtype."""
        names = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias", "initial_state")
        cast = {k: None if getattr(self, k) is None else getattr(self, k).to(dtype) for k in names}
        return ScanArguments(**cast, delta_softplus=self.delta_softplus, out_dtype=self.out_dtype)


def checked(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, initial_state=None) -> ScanArguments:
    """Check shapes, dtypes and devices (ValueError says what was expected) and cast to the compute dtype."""
    named = dict(u=u, delta=delta, A=A, B=B, C=C, D=D, z=z, delta_bias=delta_bias, initial_state=initial_state)
    _check_tensors(named)
    if u.dim() != 3 or A.dim() != 2:
        raise ValueError(f"u must be (b,e,l) and A (e,n), but u is {_shape(u)} and A is {_shape(A)}")
    b, e, length = u.shape
    n = A.shape[1]
    if min(b, e, length, n) < 1:
        raise ValueError(f"every size must be at least 1, but u is {_shape(u)} and A is {_shape(A)}")
    expected = dict(delta=(b, e, length), A=(e, n), D=(e,), z=(b, e, length), delta_bias=(e,), initial_state=(b, e, n))
    letters = dict(delta="(b,e,l)", A="(e,n)", D="(e,)", z="(b,e,l)", delta_bias="(e,)", initial_state="(b,e,n)")
    for name, shape in expected.items():
        if named[name] is not None and tuple(named[name].shape) != shape:
            raise ValueError(f"{name} must be {letters[name]} = {shape}, but is {_shape(named[name])} (u is {_shape(u)})")
    named["B"], named["C"] = (_grouped(name, named[name], b, e, n, length) for name in "BC")
    dtype = torch.float32
    for t in named.values():
        dtype = dtype if t is None else torch.promote_types(dtype, t.dtype)
    cast = {k: None if t is None else t.to(dtype) for k, t in named.items()}
    return ScanArguments(**cast, delta_softplus=bool(delta_softplus), out_dtype=u.dtype)


def _shape(t: Tensor) -> tuple[int, ...]:
    return tuple(t.shape)


def _check_tensors(named: dict) -> None:
    for name, t in named.items():
        if t is None and name in ("u", "delta", "A", "B", "C"):
            raise ValueError(f"{name} is required")
        if t is None:
            continue
        if not isinstance(t, Tensor):
            raise ValueError(f"{name} must be a torch tensor, but is a {type(t).__name__}")
        if t.dtype not in FLOATS:
            raise ValueError(f"{name} must be a real floating-point tensor (float16, bfloat16, float32 or float64), "
                             f"but is {t.dtype}")
        if t.device != named["u"].device:
            raise ValueError(f"{name} must be on the device of u ({named['u'].device}), but is on {t.device}")


def _grouped(name: str, t: Tensor, b: int, e: int, n: int, length: int) -> Tensor:
    """B or C as (e,n), or as (b,g,n,l)."""
    if t.dim() == 2 and _shape(t) == (e, n):
        return t
    if t.dim() == 3 and _shape(t) == (b, n, length):
        return t.unsqueeze(1)
    if t.dim() == 4 and _shape(t) == (b, t.shape[1], n, length) and t.shape[1] >= 1 and e % t.shape[1] == 0:
        return t
    raise ValueError(f"{name} must be (e,n) = {(e, n)}, (b,n,l) = {(b, n, length)} or (b,g,n,l) = ({b}, g, {n}, {length}) "
                     f"with g dividing e = {e}, but is {_shape(t)}")
