"""A stand-in for mamba_ssm's compiled kernel: its module, its signature and its demands, computed by our reference.

The demands are those of mamba_ssm 2.3 (ops/selective_scan_interface.py and csrc/selective_scan/selective_scan.cpp), so
that what our adapter hands over is what the real kernel would take. We call nothing of causal_conv1d.
"""

import sys
from types import ModuleType

import torch

from mgmr_lib.ssm.engines.arguments import checked
from mgmr_lib.ssm.engines.reference import reference_scan


def selective_scan_fn(
    u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=False
):
    assert u.dtype in (torch.float32, torch.float16, torch.bfloat16) and u.dtype == delta.dtype
    assert z is None or z.dtype == u.dtype
    assert A.dtype == torch.float32 and A.shape[1] <= 256
    assert all(t is None or (t.dtype == torch.float32 and t.dim() == 1) for t in (D, delta_bias))
    assert all(t.dtype == (u.dtype if t.dim() > 2 else torch.float32) for t in (B, C))
    assert len({t.shape[1] if t.dim() == 4 else 1 for t in (B, C) if t.dim() > 2}) <= 1
    y, last = reference_scan(checked(u, delta, A, B, C, D, z, delta_bias, delta_softplus))
    y = y.to(u.dtype)
    return (y, last.detach().float()) if return_last_state else y


def install(monkeypatch, scan=selective_scan_fn) -> None:
    """Make `mamba_ssm.ops.selective_scan_interface` importable, with this function in it."""
    interface = ModuleType("mamba_ssm.ops.selective_scan_interface")
    interface.selective_scan_fn = scan
    for name in ("mamba_ssm", "mamba_ssm.ops"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
