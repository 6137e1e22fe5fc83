"""`python -m mgmr_lib gpu` proves what it installs and leaves the course whole where that fails (stand-ins; no GPU
here)."""

import argparse
import dataclasses
import re
import subprocess
import sys
from importlib import metadata

import pytest

from mgmr_lib.commands import gpu
from mgmr_lib.commands.gpu import machine, pip, wheels
from mgmr_lib.commands.gpu.trial import check
from mgmr_lib.errors import CourseError
from mgmr_lib.ssm.engines.backends import status
from tests.commands import gpu_stand_ins
from tests.commands.gpu_stand_ins import HERE, linux_only, only_toolkits

WHEEL = "{}-2.3.1+cu13torch2.10cxx11abiTRUE-cp312-cp312-linux_x86_64.whl"


@pytest.fixture
def on_a_gpu_machine(monkeypatch, tmp_path):
    """Prepare stand-ins: `on_a_gpu_machine(ready=..., built=..., fails=..., lists=..., toolkit=...)`."""

    def prepare(lists=("causal_conv1d", "mamba_ssm"), toolkit="13.0", **kinds):
        programs = gpu_stand_ins.write(tmp_path, **kinds)
        monkeypatch.setattr(pip, "PIP", programs["PIP"])
        monkeypatch.setattr(gpu, "TRIAL", programs["TRIAL"])
        monkeypatch.setattr(machine, "this_machine", lambda: HERE)
        monkeypatch.setattr(machine, "why_not", lambda m: None)
        only_toolkits(monkeypatch, tmp_path, *([toolkit] if toolkit else []))
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


def test_packages_that_cannot_be_imported_are_named(packages, monkeypatch):
    packages(1.0)
    monkeypatch.setitem(sys.modules, "causal_conv1d", None)
    with pytest.raises(CourseError, match="the packages cannot be imported: .*causal_conv1d"):
        check("cpu")


def test_a_call_that_hangs_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "TRIAL", (sys.executable, "-c", "import time; time.sleep(60)"))
    monkeypatch.setattr(gpu, "TRIAL_SECONDS", 0.3)
    with pytest.raises(CourseError, match=r"a call of the kernels did not end within 0\.3 s"):
        gpu._trial(None, tmp_path / "log.txt")


def test_a_pip_that_leaves_nothing_is_noticed(monkeypatch, tmp_path):
    monkeypatch.setattr(pip, "PIP", (sys.executable, "-c", ""))
    with pytest.raises(CourseError, match="pip left 0 wheels in .*causal where one was due"):
        pip.download("https://example.org/x.whl", tmp_path / "causal", {}, tmp_path / "log.txt")


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
