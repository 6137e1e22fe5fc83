"""Adapter to mamba_ssm's CUDA kernel, with the reasons why it may not serve a call.

Its selective_scan_fn takes u, delta, z (b,e,l) of one dtype, A, D and delta_bias in float32, at most 256 states, no
initial state, and gives no gradient through the last state. Its package has no ready-made build: `install_command` says
how to make one.
"""

import os
import re
import shutil
import subprocess
import sys

import torch
from torch import Tensor

from mgmr_lib.errors import CourseError
from mgmr_lib.ssm.engines.arguments import ScanArguments

DEVICE = "cuda"
MAX_STATES = 256


def supports(args: ScanArguments, wants_state: bool) -> str | None:
    """None, or the reason why mamba_ssm's kernel cannot serve this call."""
    if args.u.device.type != DEVICE:
        return f'it needs tensors on a CUDA device, but they are on {args.u.device}; use "chunked" there'
    if args.initial_state is not None:
        return "it has no initial state"
    if args.A.shape[1] > MAX_STATES:
        return f"it serves at most {MAX_STATES} states, but A has {args.A.shape[1]}"
    if args.compute_dtype == torch.float64:
        return "it has no float64"
    if wants_state and torch.is_grad_enabled() and any(t.requires_grad for t in args.tensors()):
        return 'it gives no gradient through the last state; "triton" and "chunked" do'
    return None


@torch.compiler.disable(reason='mamba_ssm cannot be traced; backend="triton" and "auto" can')
def cuda_scan(args: ScanArguments) -> tuple[Tensor, Tensor]:
    """The selective scan by mamba_ssm's kernel: y (b,e,l) and the last state (b,e,n), the latter without a gradient."""
    reason = supports(args, wants_state=False)
    if reason is not None:
        raise CourseError(reason)
    scan, args = _kernel(), args.with_same_groups()
    dtype = args.u.dtype
    exact = {
        name: None if t is None else t.float()
        for name, t in (("A", args.A), ("D", args.D), ("delta_bias", args.delta_bias))
    }
    B, C = (t.float() if t.dim() == 2 else t.to(dtype) for t in (args.B, args.C))
    z = None if args.z is None else args.z.to(dtype)
    y, last = scan(
        args.u, args.delta.to(dtype), exact["A"], B, C, exact["D"], z, exact["delta_bias"], args.delta_softplus, True
    )
    return y, last.detach()


def _kernel():
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except ImportError as error:
        raise CourseError(f"mamba_ssm cannot be imported ({error}): {install_advice()}") from None
    return selective_scan_fn


def install_advice() -> str:
    """What to do on this machine to get mamba_ssm's kernel, in one sentence with the exact command."""
    if not torch.cuda.is_available():
        if shutil.which("nvidia-smi") and torch.version.cuda is None:
            return f"this machine has an NVIDIA driver but a CPU build of torch: install torch's CUDA build, then {install_command()}"
        return f"nothing to install on this machine, which has no CUDA device; on one that has: {install_command()}"
    found, needed = nvcc_version(), torch.version.cuda
    if found is None:
        return f"install the CUDA toolkit {needed} (nvcc is not on the path), then {install_command()}"
    if found.split(".")[0] != needed.split(".")[0]:
        return f"nvcc is {found} but torch was built with CUDA {needed}: install that toolkit, then {install_command()}"
    return f"install it with {install_command()}"


def nvcc_version() -> str | None:
    """The version of the CUDA compiler on the path, such as "13.0"; None without one."""
    if shutil.which("nvcc") is None:
        return None
    said = subprocess.run(["nvcc", "--version"], capture_output=True, text=True).stdout
    match = re.search(r"release (\d+\.\d+)", said)
    return match and match[1]


def install_command() -> str:
    """The shell command that builds mamba_ssm here. The build must see torch, hence no isolation; there are no
    ready-made wheels."""
    homes = [os.environ.get("CUDA_HOME"), f"/usr/local/cuda-{torch.version.cuda}", "/usr/local/cuda"]
    if nvcc := shutil.which("nvcc"):
        homes.append(os.path.dirname(os.path.dirname(os.path.realpath(nvcc))))
    home = next((h for h in homes if h and os.path.exists(f"{h}/bin/nvcc")), "/usr/local/cuda")
    return (
        f"CUDA_HOME={home} MAX_JOBS={os.cpu_count()} CAUSAL_CONV1D_FORCE_BUILD=TRUE MAMBA_FORCE_BUILD=TRUE "
        f"{sys.executable} -m pip install --no-build-isolation --no-deps einops causal-conv1d mamba-ssm"
    )
