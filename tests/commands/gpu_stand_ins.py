"""What `python -m mgmr_lib gpu` meets on a GPU machine, as stand-ins: pip, nvcc, the authors' packages, a trial on the
CPU.

Nothing here ran on a GPU: the tests show the command's decisions and sentences, not the kernels.
"""

import json
import os
import sys
from pathlib import Path

import pytest

from mgmr_lib.commands.gpu import machine

HERE = machine.Machine("linux_x86_64", "cp312", "2.10", "13.0", True, "NVIDIA H100", (9, 0))
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the command itself refuses other systems")

FAKE_PIP = r"""
import json, os, pathlib, sys
arguments, here = sys.argv[1:], pathlib.Path(os.environ["STAND_INS"])
plan = json.loads((here / "plan.json").read_text())
verb = next(a for a in arguments if a in ("install", "download", "wheel", "uninstall"))
names = [a for a in arguments[arguments.index(verb) + 1:] if not a.startswith("-")]
interesting = {k: os.environ.get(k) for k in ("CUDA_HOME", "MAX_JOBS", "MAMBA_FORCE_BUILD", "MAMBA_SKIP_CUDA_BUILD")}
with open(here / "calls.jsonl", "a") as log:
    log.write(json.dumps({"verb": verb, "arguments": arguments, "env": interesting}) + "\n")
if (message := plan["fails"].get(verb)) is not None:
    print(message)
    sys.exit(1)
after = lambda option: pathlib.Path(arguments[arguments.index(option) + 1])
if verb == "wheel":
    print("  [1/2] nvcc one.cu\n  [2/2] nvcc two.cu")
    (after("-w") / f"{names[-1]}-built.whl").write_text("")
elif verb == "download":
    (after("-d") / (names[-1].split("/")[-1].split("#")[0])).write_text("")
elif verb == "install" and any(n.endswith(".whl") for n in names):
    route = "built" if any("built" in n for n in names) else "ready"
    site = after("--target") if "--target" in arguments else here / "site"
    for module, texts in plan["packages"].items():
        for folder, file, text in ((module, "__init__.py", texts[route]), (module + "-9.dist-info", "METADATA",
                                   f"Metadata-Version: 2.1\nName: {module}\nVersion: 9\n")):
            (site / folder).mkdir(parents=True, exist_ok=True)
            (site / folder / file).write_text(text)
    for extra, text in plan["extra"][route].items():
        (site / extra).parent.mkdir(parents=True, exist_ok=True)
        (site / extra).write_text(text)
elif verb == "uninstall":
    import shutil
    for name in names:
        for found in (here / "site").glob(name.replace("-", "_") + "*"):
            shutil.rmtree(found)
"""

CONVOLUTION = """
import torch.nn.functional as F
def causal_conv1d_fn(x, weight, bias=None, activation=None):
    return F.silu(F.conv1d(F.pad(x, (weight.shape[1] - 1, 0)), weight[:, None], bias, groups=len(weight)))
"""
SCAN = """
from mgmr_lib.ssm import selective_scan
def selective_scan_fn(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False):
    return {factor} * selective_scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, backend="loop")
"""
# the command's own trial, on the CPU
TRIAL = """
import sys
from mgmr_lib.cli import main
from mgmr_lib.commands.gpu import machine, trial
check = trial.check
machine.why_not, trial.check = lambda m: None, lambda: check("cpu")
sys.exit(main(["gpu", "--check"]))
"""
# as quick as possible: what its answer is, is written in the stand-in of the package
QUICK_TRIAL = """
import sys
try:
    from mamba_ssm.ops import selective_scan_interface
except ImportError as error:
    sys.exit(f"error: the packages cannot be imported: {error}")
sys.exit("error: it gives other numbers than our own" if selective_scan_interface.WRONG else print("agrees"))
"""


def scan_module(kind: str) -> str:
    """The text of mamba_ssm.ops.selective_scan_interface: "right", "wrong", "dies", or an error that its import
    raises."""
    if kind == "dies":
        return "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    return f"WRONG = {kind == 'wrong'}" if kind in ("right", "wrong") else f"raise ImportError({kind!r})"


def write(folder: Path, ready: str = "right", built: str = "right", fails: dict[str, str] | None = None) -> dict:
    """Write the stand-ins into `folder`; returns what to put in the place of the command's own programs."""
    packages = {name: {"ready": "", "built": ""} for name in ("mamba_ssm", "causal_conv1d")}
    extra = {
        route: {"mamba_ssm/ops/__init__.py": "", "mamba_ssm/ops/selective_scan_interface.py": scan_module(kind)}
        for route, kind in (("ready", ready), ("built", built))
    }
    (folder / "plan.json").write_text(json.dumps({"fails": fails or {}, "packages": packages, "extra": extra}))
    (folder / "site").mkdir(exist_ok=True)
    (folder / "pip.py").write_text(FAKE_PIP)
    return {"PIP": (sys.executable, str(folder / "pip.py")), "TRIAL": (sys.executable, "-c", QUICK_TRIAL)}


def calls(folder: Path) -> list[dict]:
    """What pip was asked to do."""
    log = folder / "calls.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def nvcc(folder: Path, version: str) -> Path:
    """A CUDA toolkit whose compiler only states its version; its CUDA_HOME."""
    program = folder / f"cuda-{version}" / "bin" / "nvcc"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'Cuda compilation tools, release {version}, V{version}.88'\n")
    os.chmod(program, 0o755)
    return program.parent.parent


def listing(folder: Path, module: str, *names: str) -> str:
    """The address of a list of releases that holds these wheels."""
    assets = [
        {"name": n, "browser_download_url": f"https://example.org/{n}", "digest": f"sha256:{i:064x}"}
        for i, n in enumerate(names)
    ]
    file = folder / f"{module}.json"
    file.write_text(json.dumps([{"assets": assets[:1]}, {"assets": assets[1:]}]))
    return file.as_uri()


def only_toolkits(monkeypatch, tmp_path, *versions):
    """These toolkits and no others; the first in CUDA_HOME, the second on the path."""
    homes = [nvcc(tmp_path, v) for v in versions]
    monkeypatch.delenv("CUDA_PATH", raising=False)
    monkeypatch.setattr(machine, "_homes", lambda m: [tmp_path / "nothing", *homes])
    return homes
