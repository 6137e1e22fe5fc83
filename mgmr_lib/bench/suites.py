"""What is measured: the scans and their peers, layers over length, memory, and the GPU kernels."""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mgmr_lib.bench import layers, peers, ssd
from mgmr_lib.bench.measure import cuda_seconds, interleaved, limits, one_thread, peak_bytes
from mgmr_lib.bench.settings import Settings
from mgmr_lib.ssm import available_backends, selective_scan

OURS = ("native", "chunked", "loop")


def run(settings: Settings, device: str, offline: bool, say: Callable[[str], None]) -> dict:
    """Every suite, in one process and on one thread."""
    result: dict[str, Any] = {"backends": available_backends()}
    with one_thread():
        say("limits of this machine")
        result["limits"] = limits()
        found, result["missing_peers"] = peers.load(offline)
        contenders = {f"ours, {name}": ours(name) for name in OURS if result["backends"][name] == "ok"} | found
        result["scan"] = []
        for shape in settings.scan_shapes:
            say(f"selective scan at (b, l, e, n) = {shape}")
            result["scan"] += scan_suite(contenders, shape, settings)
        say("memory")
        result["memory"] = memory_suite(contenders, settings.memory_shape)
        result["ssd"], (found, missing) = [], ssd.load(offline)
        result["missing_peers"] |= missing
        for sizes in settings.ssd_shapes:
            say(f"SSD scan at (b, l, h, p, n) = {sizes}")
            result["ssd"] += ssd.suite(found, sizes, settings)
        say(f"layers over length {settings.lengths}")
        result["layers"] = layer_suite(settings)
    if device == "cuda":
        say(f"GPU kernels at (b, l, e, n) = {settings.cuda_shape}")
        result["cuda"] = cuda_suite(settings)
    return result


def ours(backend: str) -> Callable:
    """One of our backends, with the signature of the peers."""

    def scan(u, delta, A, B, C, D):
        return selective_scan(u, delta, A, B, C, D, delta_softplus=True, backend=backend)

    return scan


def arguments(
    shape: tuple[int, int, int, int], device: str = "cpu", dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    """u, delta, A, B, C, D as a block just initialised would pass them: A = -1..-n, time steps from 0.001 to 0.1."""
    b, length, e, n = shape
    make = torch.Generator().manual_seed(0)
    steps = torch.exp(torch.empty(b, e, length).uniform_(math.log(1e-3), math.log(1e-1), generator=make))
    u, B, C = (torch.randn(*s, generator=make) for s in ((b, e, length), (b, n, length), (b, n, length)))
    sequences = [u, torch.log(torch.expm1(steps)), B, C]
    u, delta, B, C = (t.to(device, dtype).requires_grad_() for t in sequences)
    A, D = (t.to(device).requires_grad_() for t in (-torch.arange(1.0, n + 1).repeat(e, 1), torch.ones(e)))
    return [u, delta, A, B, C, D]


def forward(scan: Callable, inputs: list[Tensor]) -> Tensor:
    """y, without a graph."""
    with torch.no_grad():
        return scan(*inputs)


def forward_backward(scan: Callable, inputs: list[Tensor]) -> None:
    """y, and the gradient of its sum of squares for every input."""
    torch.autograd.grad(scan(*inputs).float().square().sum(), inputs)


def scan_suite(
    contenders: dict[str, Callable],
    shape,
    settings: Settings,
    clock=None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> list[dict]:
    """A record a contender and pass. `error` is its output's largest distance to ours, relative to the largest
    output."""
    inputs = arguments(shape, device, dtype)
    clock = {} if clock is None else {"clock": clock}
    records, truth = [], forward(ours("chunked"), [t.float() for t in inputs])
    errors = {
        name: ((forward(scan, inputs).float() - truth).abs().max() / truth.abs().max()).item()
        for name, scan in contenders.items()
    }
    for what, run_pass in (("forward", forward), ("forward+backward", forward_backward)):
        calls = {name: functools.partial(run_pass, scan, inputs) for name, scan in contenders.items()}
        for name, times in interleaved(calls, settings.rounds, settings.patience_s, **clock).items():
            records.append(
                {
                    "shape": list(shape),
                    "dtype": str(dtype).removeprefix("torch."),
                    "pass": what,
                    "name": name,
                    "error": errors[name],
                    **times,
                }
            )
    return records


def memory_suite(contenders: dict[str, Callable], shape) -> list[dict]:
    """The most memory of forward+backward beyond the inputs, in units of one (b,e,l,n) float32 tensor."""
    inputs, one = arguments(shape), 4 * math.prod(shape)
    return [
        {
            "shape": list(shape),
            "name": name,
            "tensors": peak_bytes(functools.partial(forward_backward, scan, inputs)) / one,
        }
        for name, scan in contenders.items()
        if name in ("ours, native", "ours, chunked", "mambapy pscan")
    ]


def layer_suite(settings: Settings) -> list[dict]:
    """Time of forward+backward of whole layers over length; a layer that became too slow or too large is left out from
    there on."""
    records, slow = [], set()
    for length in settings.lengths:
        x = torch.randn(settings.layer_batch, length, settings.layer_width)
        every = layers.build(settings.layer_width)
        slow |= {
            name
            for name, layer in every.items()
            if isinstance(layer, layers.SelfAttention) and layer.working_bytes(x) > settings.room_bytes
        }
        calls = {
            name: functools.partial(layers.train_step, layer, x) for name, layer in every.items() if name not in slow
        }
        times = interleaved(calls, max(3, settings.rounds // 2), settings.patience_s / 2)
        slow |= {name for name, t in times.items() if t["median_s"] > settings.patience_s / 4}
        records += [{"length": length, "name": name, **t} for name, t in times.items()]
    return records


def cuda_suite(settings: Settings) -> list[dict]:
    """Our Triton kernels and mamba_ssm's, float32 and bfloat16; one that does not work here is left out (see
    backends)."""
    working = [name for name in ("triton", "cuda") if available_backends()[name] == "ok"]
    contenders = {f"ours, {name}" if name == "triton" else "mamba_ssm's kernel": ours(name) for name in working}
    records = []
    for dtype in (torch.float32, torch.bfloat16):
        records += scan_suite(contenders, settings.cuda_shape, settings, cuda_seconds, "cuda", dtype)
    return records
