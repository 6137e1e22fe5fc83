"""Other people's selective scans, to time beside ours. Each is called as published; none is part of the course's own
code.

All take u, delta (b,e,l), A (e,n), B, C (b,n,l), D (e) and give y (b,e,l) = the scan of softplus(delta).
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tarfile
import types
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F

from mgmr_lib.errors import CourseError
from mgmr_lib.files import write_text
from mgmr_lib.paths import cache_dir

SDIST = "mamba_ssm-2.3.2.post1.tar.gz"
SDIST_SHA256 = "104cc47e9101e5401a675fa2b784f2952b9b037f3b1dd83b5ac544394e95d028"


def mamba_ssm_sdist(offline: bool) -> Path:
    """The source archive of mamba_ssm, from the cache or by pip; its hash is checked before anything in it runs."""
    path = cache_dir() / "peers" / SDIST
    if not path.exists():
        if offline:
            raise CourseError(f"{path} is not there, and --offline forbids its download")
        _download(path.parent)
    if hashlib.sha256(path.read_bytes()).hexdigest() != SDIST_SHA256:
        raise CourseError(f"{path} is not the published file (its hash differs): delete it and run again")
    return path


def _download(folder: Path) -> None:
    """pip refuses a file with another hash, and does so before it runs the archive's own set-up code."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = folder / "requirements.txt"
    version = SDIST.removeprefix("mamba_ssm-").removesuffix(".tar.gz")
    write_text(wanted, f"mamba-ssm=={version} --hash=sha256:{SDIST_SHA256}\n")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-binary",
        ":all:",
        "--no-build-isolation",
        "--require-hashes",
        "-r",
        str(wanted),
        "-d",
        str(folder),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=180, env=os.environ | {"MAMBA_SKIP_CUDA_BUILD": "TRUE"}
        )
    except subprocess.TimeoutExpired:
        raise CourseError("pip gave no answer in 180 seconds when asked for mamba-ssm's source archive") from None
    if done.returncode != 0 or not (folder / SDIST).exists():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise CourseError(f"pip could not download mamba-ssm's source archive ({last})")


def mamba_ssm_module(member: str, offline: bool = True, **replace) -> types.ModuleType:
    """One Python file of mamba_ssm's archive, run with its compiled parts replaced by empty modules.

    member: "ops/selective_scan_interface.py", say. replace: names to put into what it imports from its own package.
    """
    if importlib.util.find_spec("einops") is None:
        raise CourseError("mamba_ssm's Python files need the package einops: pip install -e '.[dev]'")
    source = mamba_ssm_source(member, offline)
    module = types.ModuleType(f"peer_{Path(member).stem}")
    with mock.patch.dict(sys.modules, _stand_ins(replace)):
        exec(compile(source, f"mamba_ssm/{member}", "exec"), module.__dict__)
    return module


def mamba_ssm_source(member: str, offline: bool = True) -> bytes:
    """The text of one Python file of mamba_ssm's archive."""
    with tarfile.open(mamba_ssm_sdist(offline)) as archive:
        file = archive.extractfile(f"{SDIST.removesuffix('.tar.gz')}/mamba_ssm/{member}")
        assert file is not None  # a file, no folder
        return file.read()


def _stand_ins(replace: dict) -> dict[str, types.ModuleType | None]:
    contents: dict[str, dict] = {
        "mamba_ssm": {},
        "mamba_ssm.utils": {},
        "mamba_ssm.ops": {},
        "mamba_ssm.ops.triton": {},
        "mamba_ssm.distributed": {},
        "mamba_ssm.ops.triton.ssd_combined": {
            "mamba_chunk_scan_combined": None,
            "mamba_split_conv1d_scan_combined": None,
        },
        "mamba_ssm.ops.triton.layernorm_gated": {"RMSNorm": None},
        "mamba_ssm.ops.triton.mamba3": {},
        "mamba_ssm.ops.triton.mamba3.mamba3_siso_combined": {"mamba3_siso_combined": None},
        "mamba_ssm.ops.triton.mamba3.mamba3_mimo_rotary_step": {"apply_rotary_qk_inference_fwd": None},
        "mamba_ssm.ops.cute": {},
        "mamba_ssm.ops.cute.mamba3": {},
        "mamba_ssm.ops.cute.mamba3.mamba3_step_fn": {"mamba3_step_fn": None},
        "mamba_ssm.distributed.tensor_parallel": {"ColumnParallelLinear": None, "RowParallelLinear": None},
        "mamba_ssm.distributed.distributed_utils": {"all_reduce": None, "reduce_scatter": None},
        "selective_scan_cuda": {},
        "mamba_ssm.utils.torch": {"custom_fwd": lambda f: f, "custom_bwd": lambda f: f},
        "mamba_ssm.ops.triton.layer_norm": {
            name: None for name in ("_layer_norm_fwd", "RMSNorm", "layer_norm_fn", "rms_norm_fn")
        },
        "mamba_ssm.ops.triton.selective_state_update": {"selective_state_update": None},
        "mamba_ssm.ops.selective_scan_interface": {},
    }
    modules = {name: types.ModuleType(name) for name in contents}
    for name, names in contents.items():
        modules[name].__dict__.update(names | replace)
    return modules | {"causal_conv1d": None, "causal_conv1d.cpp_functions": None}  # None: as if not installed


def mamba_ssm_reference(offline: bool) -> Callable:
    """mamba_ssm's own selective_scan_ref."""
    reference = mamba_ssm_module("ops/selective_scan_interface.py", offline).selective_scan_ref

    def scan(u, delta, A, B, C, D):
        return reference(u, delta, A, B, C, D, delta_softplus=True)

    return scan


def huggingface(offline: bool) -> Callable:
    """What transformers' MambaMixer runs on a CPU unless told otherwise."""
    try:
        from transformers.models.mamba.modeling_mamba import mamba_selective_scan
    except ImportError:
        raise CourseError("this version of transformers has no separate scan: install transformers >= 5.20") from None

    def scan(u, delta, A, B, C, D):
        return mamba_selective_scan(u, delta, A, B, C, D, delta_softplus=True)

    return scan


def mambapy_pscan(offline: bool) -> Callable:
    """mambapy's parallel scan, with the steps around it as its block has them (also transformers' use_mambapy=True)."""
    try:
        from mambapy.pscan import pscan
    except ImportError:
        raise CourseError("the package mambapy is not installed: pip install -e '.[dev]'") from None

    def scan(u, delta, A, B, C, D):
        x, dt = u.transpose(1, 2), F.softplus(delta).transpose(1, 2)
        decay = torch.exp(dt.unsqueeze(-1) * A)
        states = pscan(decay, dt.unsqueeze(-1) * B.transpose(1, 2).unsqueeze(2) * x.unsqueeze(-1))
        y = (states @ C.transpose(1, 2).unsqueeze(-1)).squeeze(3) + D * x
        return y.transpose(1, 2)

    return scan


PEERS = {
    "mamba_ssm selective_scan_ref": mamba_ssm_reference,
    "transformers, default": huggingface,
    "mambapy pscan": mambapy_pscan,
}


def load(offline: bool) -> tuple[dict[str, Callable], dict[str, str]]:
    """The peers that can be had here, and the reasons for those that cannot."""
    found, missing = {}, {}
    for name, make in PEERS.items():
        try:
            found[name] = make(offline)
        except CourseError as error:
            missing[name] = str(error)
    return found, missing
