"""Our Triton kernels: under the interpreter on any machine, compiled for a GPU without having one, and on a GPU where
there is one.

Triton decides at import whether it interprets, so those tests run in a process of their own.
"""

import json
import os
import subprocess
import sys

import pytest
import torch

from mgmr_lib.paths import REPOSITORY
from mgmr_lib.ssm import available_backends, selective_scan
from mgmr_lib.ssm.engines import backends, triton_adapter
from tests.ssm.cases import OPTIONAL, outputs_and_gradients, problem, worst_error

triton = pytest.importorskip("triton", reason="triton is not installed (it exists for Linux only)")

CASES = {
    "every option, two chunks": ((2, 4, 18, 4, "var", "var", OPTIONAL, torch.float32), 1e-5),
    "channels last in memory, a view of a wider tensor": ((2, 3, 5, 2, "var", "var", OPTIONAL, torch.float32), 1e-5),
    "constant B and C, odd sizes": ((2, 3, 5, 3, "const", "const", ("D",), torch.float32), 1e-5),
    "groups": ((1, 12, 4, 2, 2, 3, (), torch.float32), 1e-5),
    "float64": ((1, 2, 5, 3, "const", "var", OPTIONAL, torch.float64), 1e-12),
    "bfloat16": ((1, 4, 5, 2, "var", "var", OPTIONAL, torch.bfloat16), 1e-2),
    "one of each": ((1, 1, 1, 1, "var", "var", (), torch.float32), 1e-5),
}

INTERPRETED = """
import json
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.ssm import available_backends
from tests.ssm.test_triton import errors_of_every_case
print(json.dumps({"status": available_backends()["triton"], "errors": errors_of_every_case()}))
"""


def errors_of_every_case() -> dict[str, dict[str, float]]:
    """{case: {output or gradient: its error}}, computed in this process."""
    errors = {}
    for name, (case, _) in CASES.items():
        args = problem(*case)
        if "view" in name:
            args["u"] = args["u"].detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
            args["z"] = torch.cat([args["z"].detach()] * 2, dim=1)[:, : case[1]].requires_grad_()
        exact = {k: t.detach().double().requires_grad_() for k, t in args.items()}
        truth, got = outputs_and_gradients(exact, "reference"), outputs_and_gradients(args, "triton")
        errors[name] = {k: worst_error(got[k], truth[k]) for k in truth}
    return errors


def in_a_process_of_its_own(script: str, **environment) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def interpreted():
    return json.loads(in_a_process_of_its_own(INTERPRETED, TRITON_INTERPRET="1").splitlines()[-1])


@pytest.mark.parametrize("name", CASES)
def test_kernels_equal_the_oracle_under_the_interpreter(name, interpreted):
    assert interpreted["status"] == "ok"
    case, limit = CASES[name]
    assert set(interpreted["errors"][name]) >= {"y", "last", "u", "delta", "A", "B", "C", *case[6]}
    for what, error in interpreted["errors"][name].items():
        assert error < limit, f"{what} is off by {error:.1e}"


COMPILED = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from mgmr_lib.ssm.engines import triton_scan
flags = dict(SOFTPLUS=True, B_CONSTANT=False, C_CONSTANT=False, CHUNK=16, TILE=32, NP=16, se=1)
half = "u delta z y dy du ddelta dz B C".split()
for kernel in (triton_scan.scan_forward, triton_scan.scan_backward):
    names = kernel.arg_names
    signature = {n: "constexpr" if n in flags else
                 "i32" if n in "E L N G sb sl".split() else
                 "*bf16" if n in half else "*fp32" for n in names}
    constants = {(names.index(n),): v for n, v in flags.items()}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 1})
    assert len(compiled.asm["cubin"]) > 1000
"""


def test_kernels_compile_for_a_gpu_on_a_machine_without_one(tmp_path):
    in_a_process_of_its_own(COMPILED, TRITON_INTERPRET="0", TRITON_CACHE_DIR=str(tmp_path))


def test_without_the_package_it_is_named(monkeypatch):
    backends.status.cache_clear()
    monkeypatch.setattr(triton_adapter.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(triton_adapter, "interpreted", lambda: True)
    with pytest.raises(ValueError, match="the package triton is not installed"):
        selective_scan(**problem(1, 2, 3, 2), backend="triton")
    backends.status.cache_clear()


def test_without_a_gpu_the_reason_is_said():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert "CUDA device" in available_backends()["triton"]
    with pytest.raises(ValueError, match="CUDA device"):
        selective_scan(**problem(1, 2, 3, 2), backend="triton")


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device on this machine")


def on_gpu(args: dict) -> dict:
    return {k: t.detach().cuda().requires_grad_() for k, t in args.items()}


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("backend", ["triton", "cuda"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("shape", "B", "C"),
    [
        ((2, 64, 257, 16), "var", "var"),
        ((3, 96, 100, 12), 3, 3),
        ((2, 40, 65, 5), "const", "const"),
        ((1, 1, 1, 1), "var", "var"),
    ],
)
def test_gpu_backends_equal_the_oracle(backend, dtype, shape, B, C):
    if available_backends()[backend] != "ok":
        pytest.skip(available_backends()[backend])
    args = on_gpu(problem(*shape, B, C, options=("D", "z", "delta_bias"), dtype=dtype))
    if backend == "cuda":
        args |= {k: args[k].detach().float().requires_grad_() for k in ("A", "D", "delta_bias")}
    y = selective_scan(**args, delta_softplus=True, backend=backend)
    exact = {k: t.detach().double().requires_grad_() for k, t in args.items()}
    truth = selective_scan(**exact, delta_softplus=True, backend="reference")
    weights = torch.randn_like(truth)
    got = torch.autograd.grad((y.double() * weights).sum(), list(args.values()))
    expected = torch.autograd.grad((truth * weights).sum(), list(exact.values()))
    limit = 1e-4 if dtype == torch.float32 else 2e-2
    assert worst_error(y, truth) < limit
    for name, g, t in zip(args, got, expected, strict=True):
        assert worst_error(g, t) < limit, f"{name} is off by {worst_error(g, t):.1e}"


@pytest.mark.gpu
@needs_gpu
def test_triton_on_a_gpu_with_a_state_at_both_ends():
    args = on_gpu(problem(2, 70, 100, 16))
    exact = {k: t.detach().double().requires_grad_() for k, t in args.items()}
    truth = outputs_and_gradients(exact, "reference")
    for name, got in outputs_and_gradients(args, "triton").items():
        assert worst_error(got, truth[name]) < 1e-4


@pytest.mark.gpu
@needs_gpu
def test_auto_on_a_gpu_serves_what_mamba_ssm_cannot():
    args = on_gpu(problem(2, 8, 20, 4))
    y, last = selective_scan(**args, delta_softplus=True, return_last_state=True)
    (y.sum() + last.sum()).backward()
    assert all(t.grad is not None and torch.isfinite(t.grad).all() for t in args.values())
