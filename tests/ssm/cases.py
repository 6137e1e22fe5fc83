"""Random selective-scan problems, and how a backend's outputs and gradients are compared with the oracle's."""

import torch

from mgmr_lib.ssm import selective_scan

OPTIONAL = ("D", "z", "delta_bias", "initial_state")


def problem(b, e, length, n, B="var", C="var", options=OPTIONAL, dtype=torch.float32, seed=0) -> dict:
    """Arguments of a scan. B, C: "const" (e,n), "var" (b,n,l), or a number of groups g (b,g,n,l)."""
    make = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, generator=make, dtype=torch.float64)

    shapes = {"const": (e, n), "var": (b, n, length)}
    args = {"u": random(b, e, length), "delta": random(b, e, length), "A": -torch.exp(random(e, n))}
    args |= {name: random(*shapes.get(kind, (b, kind, n, length))) for name, kind in (("B", B), ("C", C))}
    every = {"D": (e,), "z": (b, e, length), "delta_bias": (e,), "initial_state": (b, e, n)}
    args |= {name: random(*every[name]) for name in options}
    return {name: t.to(dtype).requires_grad_() for name, t in args.items()}


def outputs_and_gradients(args: dict, backend: str, softplus: bool = True) -> dict[str, torch.Tensor]:
    """y, the last state, and the gradient of every argument of a loss that weighs all of both outputs differently."""
    y, last = selective_scan(**args, delta_softplus=softplus, return_last_state=True, backend=backend)
    make = torch.Generator().manual_seed(1)
    weights = [torch.randn(t.shape, generator=make, dtype=torch.float64).to(t) for t in (y, last)]
    loss = sum((t * w).sum() for t, w in zip((y, last), weights, strict=True))
    gradients = torch.autograd.grad(loss, list(args.values()))
    return {"y": y, "last": last} | dict(zip(args, gradients, strict=True))


def worst_error(got: torch.Tensor, truth: torch.Tensor) -> float:
    """The largest error relative to the largest entry of the truth."""
    return ((got.double() - truth.double()).abs().max() / truth.double().abs().max().clamp(min=1e-12)).item()
