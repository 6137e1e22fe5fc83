"""`python -m mgmr_lib gpu` chooses a wheel or a build that fits the machine, and knows why it fails (stand-ins; no GPU
here)."""

import dataclasses
import os
import re
import subprocess
import sys
from collections import namedtuple

import pytest
from packaging.version import Version

from mgmr_lib.commands.gpu import machine, nvcc, pip, wheels
from mgmr_lib.errors import CourseError
from tests.commands import gpu_stand_ins
from tests.commands.gpu_stand_ins import HERE, linux_only, only_toolkits


def name(**changes):
    parts = {"v": "2.3.1", "cuda": "13", "torch": "2.10", "abi": "TRUE", "python": "cp312", "system": "linux_x86_64"}
    parts |= changes
    return "mamba_ssm-{v}+cu{cuda}torch{torch}cxx11abi{abi}-{python}-{python}-{system}.whl".format(**parts)


def test_a_wheel_fits_when_everything_in_its_name_does():
    assert wheels.fits(name(), "mamba_ssm", HERE) == Version("2.3.1")
    for changes in ({"cuda": "12"}, {"torch": "2.1"}, {"torch": "2.11"}, {"abi": "FALSE"}, {"python": "cp311"},
                    {"system": "linux_aarch64"}, {"v": "none"}):  # fmt: skip
        assert wheels.fits(name(**changes), "mamba_ssm", HERE) is None, changes
    assert wheels.fits(name(), "causal_conv1d", HERE) is None
    assert wheels.fits("mamba_ssm-2.3.1-rocm6.whl", "mamba_ssm", HERE) is None
    older = dataclasses.replace(HERE, cuda="12.8")
    for cuda in ("12", "122", "128"):
        assert wheels.fits(name(cuda=cuda), "mamba_ssm", older), cuda
    assert wheels.fits(name(cuda="118"), "mamba_ssm", older) is None
    assert wheels.fits(name(), "mamba_ssm", dataclasses.replace(HERE, cuda=None)) is None


def test_the_newest_release_is_taken_with_its_hash(tmp_path):
    names = [name(v="2.3.9"), name(v="2.3.10"), name(v="2.4.0rc1"), name(v="9.9", torch="2.9"), "source.tar.gz"]
    package = dataclasses.replace(wheels.PACKAGES[1], releases=gpu_stand_ins.listing(tmp_path, "mamba_ssm", *names))
    assert wheels.find(package, HERE) == f"https://example.org/{names[1]}#sha256={1:064x}"
    assert wheels.find(package, dataclasses.replace(HERE, python="cp314")) is None


@pytest.mark.parametrize("text", ["not json", '{"message": "rate limit"}', '[{"assets": [{"name": "x"}]}]'])
def test_a_listing_that_cannot_be_read_is_said(tmp_path, text):
    (tmp_path / "list.json").write_text(text)
    for address in ((tmp_path / "list.json").as_uri(), (tmp_path / "missing.json").as_uri()):
        with pytest.raises(CourseError, match="list of mamba-ssm's wheels cannot be read"):
            wheels.find(dataclasses.replace(wheels.PACKAGES[1], releases=address), HERE)


@pytest.mark.parametrize(
    ("changes", "driver", "says"),
    [
        ({}, True, None),
        ({"system": "darwin_arm64"}, False, "need Linux and an NVIDIA GPU, and this is darwin_arm64"),
        ({"system": "win32_AMD64"}, True, "inside WSL"),
        ({"cuda": None, "gpu": None}, True, "course.py open --torch cuda"),
        ({"cuda": None, "gpu": None}, False, "torch sees no NVIDIA GPU"),
        ({"gpu": None}, True, "torch sees no NVIDIA GPU"),
    ],
)
def test_where_nothing_can_run_nothing_is_tried(monkeypatch, changes, driver, says):
    monkeypatch.setattr(machine.shutil, "which", lambda name: f"/usr/bin/{name}" if driver else None)
    sentence = machine.why_not(dataclasses.replace(HERE, **changes))
    assert sentence is None if says is None else says in sentence


@linux_only
def test_the_toolkit_of_torchs_cuda_is_taken(monkeypatch, tmp_path):
    homes = only_toolkits(monkeypatch, tmp_path, "12.4", "13.1")
    assert machine.toolkit_for(HERE) == machine.Toolkit(homes[1], "13.1")
    with pytest.raises(CourseError, match=r"is of CUDA 12.4, but torch was built with CUDA 11.8"):
        machine.toolkit_for(dataclasses.replace(HERE, cuda="11.8"))
    only_toolkits(monkeypatch, tmp_path)
    with pytest.raises(CourseError, match=r"no CUDA compiler \(nvcc\) here: install the CUDA toolkit 13.0"):
        machine.toolkit_for(HERE)


@linux_only
def test_cuda_home_comes_before_the_path(monkeypatch, tmp_path):
    home = gpu_stand_ins.nvcc(tmp_path, "13.0")
    other = gpu_stand_ins.nvcc(tmp_path / "other", "13.0")
    monkeypatch.setenv("PATH", f"{other / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_HOME", raising=False)
    monkeypatch.delenv("CUDA_PATH", raising=False)
    assert other in machine._homes(HERE)
    monkeypatch.setenv("CUDA_HOME", str(home))
    assert machine.toolkit_for(HERE).home == home


def test_code_is_made_for_one_gpu():
    listed = ["-O3"]
    for n in (75, 80, 87, 90, 120):
        listed += ["-gencode", f"arch=compute_{n},code=sm_{n}"]
    listed += ["-c", "x.cu"]
    for capability, kept in ((90, 90), (89, 87), (86, 80), (75, 75), (121, 120)):
        expected = ["-O3", "-gencode", f"arch=compute_{kept},code=sm_{kept}", "-c", "x.cu"]
        assert nvcc.for_one_gpu(listed, capability) == expected
    assert nvcc.for_one_gpu(listed, 70) == listed  # an older GPU than the package knows: nothing is dropped
    assert nvcc.for_one_gpu(["-c", "-gencode"], 90) == ["-c", "-gencode"]


@linux_only
def test_the_stand_in_starts_the_compiler_with_what_is_left(tmp_path):
    compiler = tmp_path / "nvcc"
    compiler.write_text('#!/bin/sh\necho "$@"\nexit 3\n')
    compiler.chmod(0o755)
    listed = [part for n in (80, 90) for part in ("-gencode", f"arch=compute_{n},code=sm_{n}")]
    env = os.environ | {"MGMR_NVCC": str(compiler), "MGMR_CAPABILITY": "90"}
    command = [sys.executable, nvcc.__file__, *listed, "-c", "a file.cu"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "-gencode arch=compute_90,code=sm_90 -c a file.cu\n")


@linux_only
def test_a_real_nvcc_makes_code_for_one_gpu(tmp_path):
    home = next((home for home in machine._homes(HERE) if machine._version(home)), None)
    if home is None:
        pytest.skip("no CUDA compiler is here")
    (tmp_path / "x.cu").write_text("__global__ void f(float *x) { x[threadIdx.x] += 1; }\n")
    listed = [part for n in (75, 80, 90) for part in ("-gencode", f"arch=compute_{n},code=sm_{n}")]
    env = os.environ | {"MGMR_NVCC": str(home / "bin" / "nvcc"), "MGMR_CAPABILITY": "86"}
    command = [sys.executable, nvcc.__file__, *listed, "-c", "x.cu", "-o", "x.o"]
    assert subprocess.run(command, cwd=tmp_path, env=env).returncode == 0
    assert set(re.findall(rb"sm_\d+", (tmp_path / "x.o").read_bytes())) == {b"sm_80"}


def test_jobs_fit_into_memory(monkeypatch):
    Memory = namedtuple("Memory", "available")
    monkeypatch.delenv("MAX_JOBS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    for gigabytes, expected in ((64, 16), (9, 4), (1, 1)):
        monkeypatch.setattr(pip.psutil, "virtual_memory", lambda g=gigabytes: Memory(g * 1e9))
        assert pip.jobs() == expected
    monkeypatch.setenv("MAX_JOBS", "3")
    assert pip.jobs() == 3


@pytest.mark.parametrize(
    ("said", "means"),
    [
        # the five ways in which this installation is known to fail, as pip, the compiler and Python word them
        ("NameError: name 'bare_metal_version' is not defined", "nvcc) was not found"),
        ("ModuleNotFoundError: No module named 'torch'\nerror: subprocess-exited-with-error", "without isolation"),
        ("selective_scan_cuda.so: undefined symbol: _ZN3c104cuda9SetDeviceEi", "another torch or C++ ABI"),
        ("The detected CUDA version (12.4) mismatches the version that was used to compile PyTorch", "another version"),
        ("ModuleNotFoundError: No module named 'selective_scan_cuda'", "without its CUDA kernel"),
        ("ImportError: libcudart.so.12: cannot open shared object file", "another version"),
        ("nvcc fatal: Killed\nninja: build stopped", "MAX_JOBS=1"),
        ("ended by signal 9", "MAX_JOBS=1"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("RuntimeError: CUDA error: no kernel image is available for execution", "no code for this GPU"),
        ("#error -- unsupported GNU version! gcc versions later than 13", "older g++"),
        ("NewConnectionError: Failed to establish a new connection", "network failed"),
        ("all well so far\nERROR: something new\ndone", "ERROR: something new"),
        ("", "it said nothing"),
    ],
)
def test_each_known_failure_has_its_sentence(said, means):
    assert means in pip.reason(said)
