"""Linear time-invariant state space models: one system, seen as an ODE, as a recurrence and as a convolution.

    h'(t) = A h(t) + B u(t),   y(t) = C h(t) + D u(t)            (continuous; one input and one output)
    h_k = Ab h_{k-1} + Bb u_k,   y_k = C h_k + D u_k             (discrete, Gu et al. 2022, arXiv:2111.00396, Eq. 3)
    y = K * u + D u,   K_j = C Ab^j Bb                           (Eq. 5)

A is (n,n), or (n) for a diagonal system; B and C are (n); D is a number; u is (...,l). Everything works in the dtype
that it is given: float64 to compare, complex128 for S4D-Lin.
"""

import math

import torch
from torch import Tensor

METHODS = ("zoh", "bilinear", "euler", "mamba")


def hippo_legs(n: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """HiPPO-LegS: A (n,n) and B (n) whose state holds the coefficients of the past in scaled Legendre polynomials.

    A[i,j] = -sqrt((2i+1)(2j+1)) for i > j, -(i+1) for i = j, else 0; B[i] = sqrt(2i+1) (Gu et al. 2020,
    arXiv:2008.07669, Theorem 2).
    """
    B = torch.sqrt(2 * torch.arange(n, dtype=dtype) + 1)
    A = -torch.tril(torch.outer(B, B), diagonal=-1) - torch.diag(torch.arange(1, n + 1, dtype=dtype))
    return A, B


def s4d_lin(n: int, dtype: torch.dtype = torch.complex128) -> Tensor:
    """S4D-Lin: A_i = -1/2 + i pi (index), a diagonal (n), complex (Gu et al. 2022, arXiv:2206.11893, Section 4.3).

    Each entry stands for itself and its conjugate, so a real system takes 2 Re(y).
    """
    index = torch.arange(n, dtype=torch.float64)
    return torch.complex(torch.full_like(index, -0.5), math.pi * index).to(dtype)


def s4d_real(n: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """S4D-Real: A_i = -(i+1), a diagonal (n); what Mamba starts every channel from."""
    return -torch.arange(1, n + 1, dtype=dtype)


def discretise(A: Tensor, B: Tensor, dt: float, method: str = "zoh") -> tuple[Tensor, Tensor]:
    """Ab and Bb of the recurrence with step dt (seconds, or whatever A's inverse counts).

    zoh: exact if u is constant within a step. bilinear: the trapezoid rule. euler: the forward Euler rule.
    mamba: exp(dt A) as zoh, but dt B, which is what Mamba's code computes (Bb's first-order term).
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, but is {method!r}")
    if A.dim() not in (1, 2) or tuple(A.shape) != (len(B),) * A.dim():
        raise ValueError(
            f"A must be (n,n) or, for a diagonal, (n), and B (n), but they are {tuple(A.shape)} and {tuple(B.shape)}"
        )
    B = B.to(A.dtype)
    rule = _diagonal if A.dim() == 1 else _dense
    return rule(A, B, dt, method)


def _diagonal(A: Tensor, B: Tensor, dt: float, method: str) -> tuple[Tensor, Tensor]:
    if method == "bilinear":
        return (1 + dt / 2 * A) / (1 - dt / 2 * A), dt * B / (1 - dt / 2 * A)
    if method == "euler":
        return 1 + dt * A, dt * B
    Ab = torch.exp(dt * A)
    if method == "mamba":
        return Ab, dt * B
    safe = torch.where(A == 0, torch.ones_like(A), A)  # (exp(dt A) - 1) / A tends to dt
    return Ab, torch.where(A == 0, torch.full_like(A, dt), torch.expm1(dt * safe) / safe) * B


def _dense(A: Tensor, B: Tensor, dt: float, method: str) -> tuple[Tensor, Tensor]:
    n = len(B)
    eye = torch.eye(n, dtype=A.dtype, device=A.device)
    if method == "bilinear":
        left = eye - dt / 2 * A
        return torch.linalg.solve(left, eye + dt / 2 * A), torch.linalg.solve(left, dt * B)
    if method == "euler":
        return eye + dt * A, dt * B
    if method == "mamba":
        return torch.matrix_exp(dt * A), dt * B
    # exp of [[A, B], [0, 0]] dt holds both Ab and the integral that is Bb, also where A has no inverse
    block = A.new_zeros(n + 1, n + 1)
    block[:n, :n], block[:n, n] = dt * A, dt * B
    block = torch.matrix_exp(block)
    return block[:n, :n], block[:n, n]


def recurrence_lists(Ab: list, Bb: list, C: list, u: list, D: float = 0.0) -> list:
    """The recurrence in Python lists: Ab (n lists of n, or n numbers for a diagonal), Bb, C (n), u (l) -> y (l)."""
    h, y = [0.0] * len(Bb), []
    for u_k in u:
        if isinstance(Ab[0], list):
            h = [sum(a * x for a, x in zip(row, h, strict=True)) + b * u_k for row, b in zip(Ab, Bb, strict=True)]
        else:
            h = [a * x + b * u_k for a, x, b in zip(Ab, h, Bb, strict=True)]
        y.append(sum(c * x for c, x in zip(C, h, strict=True)) + D * u_k)
    return y


def recurrence(Ab: Tensor, Bb: Tensor, C: Tensor, u: Tensor, D: float = 0.0) -> Tensor:
    """The same recurrence in torch, step by step: u (...,l) -> y (...,l)."""
    h = Ab.new_zeros(*u.shape[:-1], len(Bb))
    ys = []
    for u_k in u.unbind(-1):
        h = (h * Ab if Ab.dim() == 1 else h @ Ab.T) + u_k.unsqueeze(-1) * Bb
        ys.append((h * C).sum(-1))
    return torch.stack(ys, dim=-1) + D * u


def kernel(Ab: Tensor, Bb: Tensor, C: Tensor, length: int) -> Tensor:
    """K (l) with K_j = C Ab^j Bb: the system's response to an impulse.

    Doubling: from the first m columns Ab^j Bb, the next m are Ab^m times them.
    """
    columns, power = Bb.unsqueeze(-1).to(Ab.dtype), Ab
    while columns.shape[-1] < length:
        later = power.unsqueeze(-1) * columns if Ab.dim() == 1 else power @ columns
        columns = torch.cat([columns, later], dim=-1)
        power = power * power if Ab.dim() == 1 else power @ power
    return C.to(Ab.dtype) @ columns[:, :length]


def convolve(u: Tensor, K: Tensor, D: float = 0.0) -> Tensor:
    """Causal convolution y_k = sum_{j<=k} K_j u_{k-j} + D u_k by FFT: u (...,l), K (l) -> (...,l).

    Padded to 2l, because the FFT's own convolution is circular and would let the end leak into the start.
    """
    length = u.shape[-1]
    if K.is_complex():
        spectrum = torch.fft.fft(u.to(K.dtype), 2 * length) * torch.fft.fft(K, 2 * length)
        return torch.fft.ifft(spectrum)[..., :length] + D * u
    spectrum = torch.fft.rfft(u, 2 * length) * torch.fft.rfft(K, 2 * length)
    return torch.fft.irfft(spectrum, 2 * length)[..., :length] + D * u


def convolve_directly(u: Tensor, K: Tensor, D: float = 0.0) -> Tensor:
    """The same sum written out, O(l^2): what `convolve` is tested against."""
    ys = [(K[: k + 1].flip(0) * u[..., : k + 1]).sum(-1) for k in range(u.shape[-1])]
    return torch.stack(ys, dim=-1) + D * u
