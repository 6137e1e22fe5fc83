"""Call mamba_ssm's and causal_conv1d's kernels and compare them with ours. An import proves nothing: newer releases
import without their kernel and fail at the call."""

import torch

from mgmr_lib.errors import CourseError
from mgmr_lib.ssm import selective_scan
from mgmr_lib.ssm.engines.conv import causal_conv_silu

TOLERANCE = 1e-3  # of the largest value; their kernels use the GPU's fast exponential


def check(device: str = "cuda") -> str:
    """A sentence that says how well they agree with ours, outputs and gradients; a CourseError where they do not."""
    try:
        from causal_conv1d import causal_conv1d_fn
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except ImportError as error:
        raise CourseError(f"the packages cannot be imported: {error}") from None
    worst = {}
    for name, theirs, ours, inputs in (
        ("mamba_ssm's scan", selective_scan_fn, selective_scan, _scan_inputs(device)),
        ("causal_conv1d", causal_conv1d_fn, causal_conv_silu, _convolution_inputs(device)),
    ):
        own = {"backend": "chunked"}
        fixed = {"delta_softplus": True} if ours is selective_scan else {"activation": "silu"}
        got = _values(theirs, inputs, fixed)
        want = _values(ours, inputs, own | fixed if ours is selective_scan else own)
        worst[name] = max(_difference(a, b) for a, b in zip(got, want, strict=True))
        if not worst[name] < TOLERANCE:  # also where it is NaN
            raise CourseError(
                f"{name} gives other numbers than our own ({worst[name]:.1g} of the largest value): it does not fit "
                "this GPU, driver or torch"
            )
    return "; ".join(f"{name} agrees with ours to {value:.0e}" for name, value in worst.items())


def _scan_inputs(device: str) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"u": (2, 64, 257), "delta": (2, 64, 257), "A": (64, 16), "B": (2, 16, 257), "C": (2, 16, 257)}
    shapes |= {"D": (64,), "z": (2, 64, 257), "delta_bias": (64,)}
    inputs = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    inputs["A"] = -inputs["A"].exp()
    return {name: t.to(device) for name, t in inputs.items()}


def _convolution_inputs(device: str) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = {"x": (2, 64, 257), "weight": (64, 4), "bias": (64,)}
    return {name: torch.randn(shape, generator=generator).to(device) for name, shape in shapes.items()}


def _values(function, inputs: dict[str, torch.Tensor], options: dict) -> list[torch.Tensor]:
    """The output, and the gradient of a weighted sum of it to each input."""
    leaves = {name: t.clone().requires_grad_() for name, t in inputs.items()}
    out = function(**leaves, **options)
    weights = torch.linspace(-1, 1, out.numel(), device=out.device).view_as(out)
    return [out.detach(), *torch.autograd.grad((out * weights).sum(), list(leaves.values()))]


def _difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).abs().max() / b.abs().max()).item()
