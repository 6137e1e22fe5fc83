"""How much of the past a linear state can tell: exact, for an input of known covariance, without sampling."""

import torch
from torch import Tensor

SEEN_NOISE = 0.01  # each state entry is read with an error of 1 % of its size, else any invertible A "remembers" all


def traces(Ab: Tensor, Bb: Tensor, length: int) -> Tensor:
    """M (n,l): column k is what an input of k steps ago has left in the state, Ab^k Bb.

    A complex state gives two rows an entry, real and imaginary part; a row of zeros is left out.
    """
    columns = [Bb.to(Ab.dtype)]
    for _ in range(length - 1):
        columns.append(Ab * columns[-1] if Ab.dim() == 1 else Ab @ columns[-1])
    M = torch.stack(columns, dim=1)
    if M.is_complex():
        M = torch.cat([M.real, M.imag])
    return M[M.abs().amax(1) > 0]  # the imaginary part of a real pole holds nothing


def recall(M: Tensor, covariance: Tensor, noise: float = SEEN_NOISE) -> Tensor:
    """R^2 (l) of the best linear guess of the input k steps ago from the state: 1 tells it exactly, 0 says nothing.

    M (n,l) as `traces` gives it; covariance (l,l) of the last l inputs; noise: error of reading the state, relative to
    each entry's standard deviation. Its sum over k is the memory capacity; for a white input it is at most n (Jaeger
    2002).
    """
    shared = M @ covariance
    state = shared @ M.T
    state = state + noise**2 * torch.diag(state.diagonal())
    return (shared * torch.linalg.solve(state, shared)).sum(0) / covariance.diagonal()


def smooth_covariance(length: int, width: float) -> Tensor:
    """(l,l) covariance of a smooth input: exp(-(distance / width)^2 / 2), in steps."""
    t = torch.arange(length, dtype=torch.float64)
    return torch.exp(-0.5 * ((t[:, None] - t) / width) ** 2)


def random_system(n: int, radius: float, seed: int) -> tuple[Tensor, Tensor]:
    """Ab (n,n) with normal entries, scaled so that its largest pole has this radius, and a normal Bb (n)."""
    generator = torch.Generator().manual_seed(seed)
    A = torch.randn(n, n, dtype=torch.float64, generator=generator)
    return A * radius / torch.linalg.eigvals(A).abs().max(), torch.randn(n, dtype=torch.float64, generator=generator)


def buffer_system(n: int) -> tuple[Tensor, Tensor]:
    """Ab (n,n), Bb (n) of a state that holds the last n inputs as they are: each step shifts them by one place."""
    return torch.diag(torch.ones(n - 1, dtype=torch.float64), -1), torch.eye(n, dtype=torch.float64)[0]


def random_swings(n: int, radius: float, fastest: float, seed: int) -> tuple[Tensor, Tensor]:
    """Ab (n/2, complex) with this radius and random angles between 0 and `fastest` (radians a step), and Bb of ones.

    A complex entry is two numbers, so half of n of them make a state of n numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    angles = fastest * torch.rand(n // 2, dtype=torch.float64, generator=generator)
    return torch.polar(torch.full_like(angles, radius), angles), torch.ones(n // 2, dtype=torch.complex128)
