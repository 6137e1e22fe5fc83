"""What every rung of the scan ladder receives: checked shapes on one device."""

from dataclasses import dataclass, replace
from math import lcm
from typing import NamedTuple

import torch
from torch import Tensor

TENSORS = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias", "initial_state")
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class ScanArguments:
    """The arguments of one selective scan, with checked shapes.

    u, delta, z (b,e,l); A (e,n); B, C (e,n) or (b,g,n,l) with g dividing e; D, delta_bias (e); initial_state (b,e,n).
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

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """(b, e, l, n)."""
        return *self.u.shape, self.A.shape[1]

    def tensors(self) -> list[Tensor]:
        """Those that are there."""
        return [t for name in TENSORS if (t := getattr(self, name)) is not None]

    @property
    def compute_dtype(self) -> torch.dtype:
        """float32, or float64 where a tensor is: float16 and bfloat16 are computed in float32 and cast back at the very
        end."""
        dtype = torch.float32
        for t in self.tensors():
            dtype = torch.promote_types(dtype, t.dtype)
        return dtype

    def cast(self, dtype: torch.dtype | None = None) -> "ScanArguments":
        """The same arguments, all in one dtype (by default the one that we compute in)."""
        dtype = dtype or self.compute_dtype
        return replace(self, **{k: getattr(self, k).to(dtype) for k in TENSORS if getattr(self, k) is not None})

    def with_same_groups(self) -> "ScanArguments":
        """The same scan with B and C in one number of groups, where both vary in time."""
        B, C = self.B, self.C
        if B.dim() == 2 or C.dim() == 2 or B.shape[1] == C.shape[1]:
            return self
        g = lcm(B.shape[1], C.shape[1])
        B, C = (t.repeat_interleave(g // t.shape[1], dim=1) for t in (B, C))
        return replace(self, B=B, C=C)

    def state(self) -> Tensor:
        """The state to start from: the given one, or zeros (b,e,n)."""
        return self.A.new_zeros(self.u.shape[0], *self.A.shape) if self.initial_state is None else self.initial_state


class Operands(NamedTuple):
    """The tensors of one scan as engines take them, in the order of their gradients; B and C have one number of groups.

    u, delta, z (b,e,l); A (e,n); B, C (e,n) or (b,g,n,l); D, bias (e); state (b,e,n), where the scan starts.
    """

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None
    z: Tensor | None
    bias: Tensor | None
    state: Tensor
    softplus: bool

    @property
    def groups(self) -> int:
        """g, 1 where neither B nor C varies in time."""
        return groups(self.B, self.C)


def groups(B: Tensor, C: Tensor) -> int:
    """How many groups of channels B and C serve: 1 where both are constant in time."""
    return max(t.shape[1] if t.dim() == 4 else 1 for t in (B, C))


def checked(
    u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, initial_state=None
) -> ScanArguments:
    """Check shapes, dtypes and devices (ValueError says what was expected)."""
    named = dict(u=u, delta=delta, A=A, B=B, C=C, D=D, z=z, delta_bias=delta_bias, initial_state=initial_state)
    _check_tensors(named)
    if u.dim() != 3 or A.dim() != 2:
        raise ValueError(f"u must be (b,e,l) and A (e,n), but u is {_shape(u)} and A is {_shape(A)}")
    b, e, length = u.shape
    n = A.shape[1]
    if any(size < 1 for size in (b, e, length, n)):  # not min(): it would bind a traced program to these sizes
        raise ValueError(f"every size must be at least 1, but u is {_shape(u)} and A is {_shape(A)}")
    expected = dict(delta=(b, e, length), A=(e, n), D=(e,), z=(b, e, length), delta_bias=(e,), initial_state=(b, e, n))
    letters = dict(delta="(b,e,l)", A="(e,n)", D="(e,)", z="(b,e,l)", delta_bias="(e,)", initial_state="(b,e,n)")
    for name, shape in expected.items():
        if named[name] is not None and tuple(named[name].shape) != shape:
            raise ValueError(
                f"{name} must be {letters[name]} = {shape}, but is {_shape(named[name])} (u is {_shape(u)})"
            )
    named["B"], named["C"] = (_grouped(name, named[name], b, e, n, length) for name in "BC")
    return ScanArguments(**named, delta_softplus=bool(delta_softplus))


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
            raise ValueError(
                f"{name} must be a real floating-point tensor (float16, bfloat16, float32 or float64), but is {t.dtype}"
            )
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
    raise ValueError(
        f"{name} must be (e,n) = {(e, n)}, (b,n,l) = {(b, n, length)} or (b,g,n,l) = ({b}, g, {n}, {length}) "
        f"with g dividing e = {e}, but is {_shape(t)}"
    )
