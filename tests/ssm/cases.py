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


def assert_steps_equal_the_whole(block: torch.nn.Module, partner: bool) -> None:
    """A block of width 8, step by step, gives what it gives for the whole sequence."""
    x, other = torch.randn(2, 3, 11, 8).unbind(0)
    state, ys = block.allocate_state(3), []
    for t in range(11):
        y, state = block.step(x[:, t], state, other[:, t] if partner else None)
        ys.append(y)
    whole = block(x, partner=other if partner else None)
    torch.testing.assert_close(torch.stack(ys, 1), whole, rtol=1e-5, atol=1e-5)


def assert_padding_reaches_nothing(layer: torch.nn.Module, garbage: float) -> None:
    """A layer of width 8: outputs and gradients are the same whatever stands in the padding, and each clip's as if it
    were alone."""
    lengths, clean, results = [9, 1, 6], torch.randn(3, 9, 8), []
    valid = torch.arange(9) < torch.tensor(lengths)[:, None]
    for filling in (0.0, garbage):
        x = clean.masked_fill(~valid[..., None], filling).requires_grad_()
        y = layer(x, valid)
        assert not y[~valid].any()
        results.append([y, *torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])])
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected)
    for i, length in enumerate(lengths):
        alone = layer(clean[i : i + 1, :length])[0]
        torch.testing.assert_close(results[0][0][i, :length], alone, rtol=1e-5, atol=1e-5)
