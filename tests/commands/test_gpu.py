"""`python -m mgmr_lib gpu` chooses a wheel or a build, proves it, and leaves the course whole (stand-ins; no GPU here)."""

import argparse
import dataclasses
import os
import re
import subprocess
import sys
from collections import namedtuple
from importlib import metadata

import pytest
from packaging.version import Version

from mgmr_lib.commands import gpu
from mgmr_lib.commands.gpu import machine, nvcc, pip, wheels
from mgmr_lib.commands.gpu.trial import check
from mgmr_lib.errors import CourseError
from mgmr_lib.ssm.engines.backends import status
from tests.commands import gpu_stand_ins

HERE = machine.Machine("linux_x86_64", "cp312", "2.10", "13.0", True, "NVIDIA H100", (9, 0))
WHEEL = "{}-2.3.1+cu13torch2.10cxx11abiTRUE-cp312-cp312-linux_x86_64.whl"
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the command itself refuses other systems")


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


def only(monkeypatch, tmp_path, *versions):
    """These toolkits and no others; the first in CUDA_HOME, the second on the path."""
    homes = [gpu_stand_ins.nvcc(tmp_path, v) for v in versions]
    monkeypatch.delenv("CUDA_PATH", raising=False)
    monkeypatch.setattr(machine, "_homes", lambda m: [tmp_path / "nothing", *homes])
    return homes


@linux_only
def test_the_toolkit_of_torchs_cuda_is_taken(monkeypatch, tmp_path):
    homes = only(monkeypatch, tmp_path, "12.4", "13.1")
    assert machine.toolkit_for(HERE) == machine.Toolkit(homes[1], "13.1")
    with pytest.raises(CourseError, match=r"is of CUDA 12.4, but torch was built with CUDA 11.8"):
        machine.toolkit_for(dataclasses.replace(HERE, cuda="11.8"))
    only(monkeypatch, tmp_path)
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


@pytest.fixture
def on_a_gpu_machine(monkeypatch, tmp_path):
    """Prepare stand-ins: `on_a_gpu_machine(ready=..., built=..., fails=..., lists=..., toolkit=...)`."""

    def prepare(lists=("causal_conv1d", "mamba_ssm"), toolkit="13.0", **kinds):
        programs = gpu_stand_ins.write(tmp_path, **kinds)
        monkeypatch.setattr(pip, "PIP", programs["PIP"])
        monkeypatch.setattr(gpu, "TRIAL", programs["TRIAL"])
        monkeypatch.setattr(machine, "this_machine", lambda: HERE)
        monkeypatch.setattr(machine, "why_not", lambda m: None)
        only(monkeypatch, tmp_path, *([toolkit] if toolkit else []))
        packages = [
            dataclasses.replace(
                p,
                releases=gpu_stand_ins.listing(
                    tmp_path, p.module, WHEEL.format(p.module if p.module in lists else "x")
                ),
            )
            for p in wheels.PACKAGES
        ]
        monkeypatch.setattr(wheels, "PACKAGES", tuple(packages))
        for key, value in {
            "STAND_INS": tmp_path,
            "PYTHONPATH": tmp_path / "site",
            "MGMR_DATA": tmp_path / "data",
        }.items():
            monkeypatch.setenv(key, str(value))
        monkeypatch.setenv("MAMBA_SKIP_CUDA_BUILD", "TRUE")
        monkeypatch.syspath_prepend(tmp_path / "site")
        return tmp_path

    return prepare


def start(build=False):
    return gpu.main(argparse.Namespace(check=False, build=build))


def verbs(folder):
    return [c["verb"] for c in gpu_stand_ins.calls(folder)]


def installed(folder):
    return sorted(p.name for p in (folder / "site").glob("*.dist-info"))


BOTH = ["causal_conv1d-9.dist-info", "mamba_ssm-9.dist-info"]


@linux_only
def test_a_ready_made_wheel_is_proved_and_then_installed(on_a_gpu_machine, capsys):
    folder = on_a_gpu_machine()
    assert start() == 0
    text = capsys.readouterr().out
    assert "agrees\n" in text and "ready-made wheels fit" in text and "doctor" in text
    assert installed(folder) == BOTH
    installs = [c["arguments"] for c in gpu_stand_ins.calls(folder) if c["verb"] == "install"]
    assert "--target" in installs[0] and "--target" not in installs[1]  # the trial's folder first, then the course's
    assert all("--no-deps" in arguments for arguments in installs)
    assert verbs(folder) == ["download", "download", "install", "install"]


@linux_only
def test_without_a_wheel_it_is_compiled_and_says_how_long(on_a_gpu_machine, capsys, monkeypatch):
    monkeypatch.setenv("MAX_JOBS", "4")
    folder = on_a_gpu_machine(lists=("causal_conv1d",))
    assert start() == 0
    text = capsys.readouterr().out
    assert "the authors of mamba-ssm have no wheel for torch 2.10, CUDA 13.0, Python cp312" in text
    assert "compiling 12 files with nvcc 13.0, 4 at a time: about 5 minutes" in text and "compiled 2 of 2" in text
    builds = [c for c in gpu_stand_ins.calls(folder) if c["verb"] == "wheel"]
    assert [c["arguments"][-1] for c in builds] == ["causal-conv1d", "mamba-ssm"]
    for c in builds:
        assert {"--no-build-isolation", "--no-deps"} <= set(c["arguments"])
        assert c["env"] == {"CUDA_HOME": str(folder / "cuda-13.0"), "MAX_JOBS": "4", "MAMBA_FORCE_BUILD": "TRUE",
                            "MAMBA_SKIP_CUDA_BUILD": None}  # fmt: skip
    assert installed(folder) == BOTH


@linux_only
@pytest.mark.parametrize("ready", ["selective_scan_cuda.so: undefined symbol: _ZN3c10", "wrong", "dies"])
def test_a_wheel_that_does_not_work_never_reaches_the_course(on_a_gpu_machine, capsys, ready):
    folder = on_a_gpu_machine(ready=ready)
    assert start() == 0
    text = capsys.readouterr().out
    said = {"wrong": "gives other numbers than our own", "dies": "ends its process (signal 11)"}
    assert f"ready-made: a call of the kernels {'fails' if ready != 'dies' else 'ends'}" in text
    assert said.get(ready, "it was built for another torch or C++ ABI") in text
    targets = ["--target" in c["arguments"] for c in gpu_stand_ins.calls(folder) if c["verb"] == "install"]
    assert targets == [True, True, True, False]  # trial of the wheel; tools; trial of the build; the course
    assert installed(folder) == BOTH


@linux_only
@pytest.mark.parametrize(
    ("kinds", "says"),
    [
        ({"lists": (), "toolkit": None}, "no CUDA compiler (nvcc) here: install the CUDA toolkit 13.0"),
        ({"lists": (), "toolkit": "12.4"}, "is of CUDA 12.4, but torch was built with CUDA 13.0"),
        ({"lists": (), "fails": {"wheel": "No module named 'torch'"}}, "without isolation"),
        ({"lists": (), "fails": {"wheel": "c++: fatal error: Killed signal terminated program cc1plus"}}, "MAX_JOBS=1"),
        ({"fails": {"download": "Max retries exceeded", "wheel": "Max retries exceeded"}}, "network failed"),
        ({"ready": "wrong", "built": "wrong"}, "gives other numbers than our own"),
    ],
)
def test_a_failure_leaves_the_course_as_it_was(on_a_gpu_machine, kinds, says):
    folder = on_a_gpu_machine(**kinds)
    torch = metadata.version("torch")
    with pytest.raises(CourseError, match="the course is as it was") as error:
        start()
    assert says in str(error.value) and "gpu-install.log" in str(error.value)
    assert installed(folder) == [] and metadata.version("torch") == torch


@linux_only
def test_what_fails_once_it_is_installed_is_taken_back(on_a_gpu_machine, monkeypatch):
    folder = on_a_gpu_machine(toolkit=None)
    trial = gpu._trial

    def fails_in_place(site, log):
        if site is None:
            assert installed(folder) == BOTH
            raise CourseError("a call of the kernels fails: the disk is full")
        return trial(site, log)

    monkeypatch.setattr(gpu, "_trial", fails_in_place)
    with pytest.raises(CourseError, match="the disk is full"):
        start()
    assert installed(folder) == [] and verbs(folder)[-1] == "uninstall"


@linux_only
def test_a_changed_torch_is_noticed(on_a_gpu_machine, monkeypatch):
    on_a_gpu_machine(toolkit=None)
    versions = iter(["2.10.0", "2.11.0", "2.11.0"])
    real = gpu._version
    monkeypatch.setattr(gpu, "_version", lambda name: next(versions) if name == "torch" else real(name))
    with pytest.raises(CourseError, match="torch was 2.10.0 and is 2.11.0 now: delete .venv"):
        start()


@linux_only
def test_build_takes_no_wheel(on_a_gpu_machine):
    folder = on_a_gpu_machine()
    assert start(build=True) == 0
    assert "download" not in verbs(folder) and installed(folder) == BOTH


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Stand-ins of both packages in a folder on the path; `packages(factor)` scales the scan's result."""

    def write(factor):
        for file, text in {
            "mamba_ssm/__init__.py": "",
            "mamba_ssm/ops/__init__.py": "",
            "mamba_ssm/ops/selective_scan_interface.py": gpu_stand_ins.SCAN.format(factor=factor),
            "causal_conv1d.py": gpu_stand_ins.CONVOLUTION,
        }.items():
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        return tmp_path

    yield write
    for name in [n for n in sys.modules if n.startswith(("mamba_ssm", "causal_conv1d"))]:
        del sys.modules[name]


def test_the_trial_compares_outputs_and_gradients(packages):
    packages(1.0)
    said = re.fullmatch(
        r"mamba_ssm's scan agrees with ours to (\S+); causal_conv1d agrees with ours to (\S+)", check("cpu")
    )
    assert float(said[1]) < 1e-5 and float(said[2]) < 1e-5


@pytest.mark.parametrize("factor", ["1.01", "float('nan')"])
def test_the_trial_refuses_other_numbers(packages, factor):
    packages(factor)
    with pytest.raises(CourseError, match="mamba_ssm's scan gives other numbers than our own"):
        check("cpu")


def test_the_trial_refuses_right_outputs_with_wrong_gradients(packages):
    file = packages(1.0) / "mamba_ssm/ops/selective_scan_interface.py"
    call = "selective_scan(u, delta, A"
    assert call in file.read_text()
    file.write_text(file.read_text().replace(call, "selective_scan(u, 2 * delta - delta.detach(), A"))
    with pytest.raises(CourseError, match="mamba_ssm's scan gives other numbers than our own"):
        check("cpu")


def test_the_trial_runs_in_a_process_of_its_own(packages, monkeypatch, tmp_path):
    packages(1.0)
    monkeypatch.setattr(gpu, "TRIAL", (sys.executable, "-c", gpu_stand_ins.TRIAL))
    assert "mamba_ssm's scan agrees with ours to" in gpu._trial(tmp_path, tmp_path / "log.txt")
    assert "agrees with ours" in (tmp_path / "log.txt").read_text()


def test_on_a_machine_without_a_gpu_the_command_ends_with_one_sentence():
    if status("cuda") == "ok":
        pytest.skip("this machine has the kernels")
    done = subprocess.run([sys.executable, "-m", "mgmr_lib", "gpu"], capture_output=True, text=True)
    if "for NVIDIA" not in done.stdout:
        assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
