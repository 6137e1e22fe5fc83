"""The rung of state-space duality: our chunks of matrix products beside ssd_minimal, transformers' Mamba-2 on a CPU,
and our selective scan with one decay per head.

All take x (b,l,h,p), positive dt (b,l,h), A (h), B, C (b,l,1,n) and give y (b,l,h,p).
"""

import functools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from mgmr_lib.bench import peers
from mgmr_lib.bench.measure import interleaved, peak_bytes
from mgmr_lib.bench.settings import Settings
from mgmr_lib.errors import CourseError
from mgmr_lib.ssm import selective_scan, ssd_scan

MINIMAL_CHUNK = 64  # as in ssd_minimal's own test; on a CPU 32 to 64 are its best
HUGGINGFACE_CHUNK = 256  # the default of Mamba2Config


def ours_selective(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """Our selective scan, to which heads, and a decay that all states of a channel share, mean nothing."""
    p, n = x.shape[3], B.shape[3]
    u = x.flatten(2).transpose(1, 2)
    delta = dt.repeat_interleave(p, dim=2).transpose(1, 2)
    A = A.repeat_interleave(p)[:, None].expand(-1, n)
    y = selective_scan(u, delta, A, B.permute(0, 2, 3, 1), C.permute(0, 2, 3, 1))
    return y.transpose(1, 2).unflatten(2, (-1, p))


def ssd_minimal(offline: bool) -> Callable:
    """mamba_ssm's ssd_minimal_discrete, the listing of the paper."""
    minimal = peers.mamba_ssm_module("modules/ssd_minimal.py", offline).ssd_minimal_discrete

    def scan(x, dt, A, B, C):
        h, short = x.shape[2], -x.shape[1] % MINIMAL_CHUNK
        operands = (x * dt[..., None], A * dt, B.expand(-1, -1, h, -1), C.expand(-1, -1, h, -1))
        padded = [F.pad(t, (0, 0) * (t.dim() - 2) + (0, short)) for t in operands]
        return minimal(*padded, MINIMAL_CHUNK)[0][:, : x.shape[1]]

    return scan


def huggingface(offline: bool) -> Callable:
    """What transformers' Mamba2Mixer runs on a CPU."""
    try:
        from transformers.models.mamba2.modeling_mamba2 import mamba2_chunk_scan
    except ImportError:
        raise CourseError("this version of transformers has no separate scan: install transformers >= 5.20") from None

    def scan(x, dt, A, B, C):
        return mamba2_chunk_scan(x, dt, A, B, C, HUGGINGFACE_CHUNK)

    return scan


def load(offline: bool) -> tuple[dict[str, Callable], dict[str, str]]:
    """Ours and the peers that can be had here, and the reasons for those that cannot."""
    found: dict[str, Callable] = {"ours, ssd_scan": ssd_scan, "ours, selective_scan": ours_selective}
    missing = {}
    for name, make in (("mamba_ssm ssd_minimal", ssd_minimal), ("transformers, Mamba-2", huggingface)):
        try:
            found[name] = make(offline)
        except CourseError as error:
            missing[name] = str(error)
    return found, missing


def arguments(shape: tuple[int, ...]) -> list[Tensor]:
    """x, dt, A, B, C as a block just initialised would pass them, at (b, l, h, p, n)."""
    b, l, h, p, n = shape
    make = torch.Generator().manual_seed(0)
    dt = torch.exp(torch.empty(b, l, h).uniform_(math.log(1e-3), math.log(1e-1), generator=make))
    A = -torch.empty(h).uniform_(1, 16, generator=make)
    x, B, C = (torch.randn(*size, generator=make) for size in ((b, l, h, p), (b, l, 1, n), (b, l, 1, n)))
    return [t.requires_grad_() for t in (x, dt, A, B, C)]


def forward(scan: Callable, inputs: list[Tensor]) -> Tensor:
    """y, without a graph."""
    with torch.no_grad():
        return scan(*inputs)


def forward_backward(scan: Callable, inputs: list[Tensor]) -> None:
    """y, and the gradient of its sum of squares for every input."""
    torch.autograd.grad(scan(*inputs).square().sum(), inputs)


def suite(contenders: dict[str, Callable], shape: tuple[int, ...], settings: Settings) -> list[dict]:
    """A record a contender and pass: seconds; `error`, relative to the largest output; `tensors`, the most memory of
    forward+backward beyond the inputs, in tensors of x's size."""
    inputs = arguments(shape)
    truth, records = forward(ours_selective, inputs), []
    one = 4 * inputs[0].numel()
    facts = {
        name: {
            "error": ((forward(scan, inputs) - truth).abs().max() / truth.abs().max()).item(),
            "tensors": peak_bytes(functools.partial(forward_backward, scan, inputs)) / one,
        }
        for name, scan in contenders.items()
    }
    for what, run_pass in (("forward", forward), ("forward+backward", forward_backward)):
        calls = {name: functools.partial(run_pass, scan, inputs) for name, scan in contenders.items()}
        for name, times in interleaved(calls, settings.rounds, settings.patience_s).items():
            records.append({"shape": list(shape), "pass": what, "name": name, **facts[name], **times})
    return records
