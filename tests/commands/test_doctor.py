"""doctor tells what is there, what is missing, and what to do; and never fails itself."""

import argparse
import re
import shutil
import subprocess
from importlib import metadata

import pytest
import torch

from mgmr_lib import doctor
from mgmr_lib.ssm import available_backends
from mgmr_lib.ssm.engines import mamba_cuda


def report(capsys) -> tuple[int, str]:
    code = doctor.main(argparse.Namespace())
    return code, capsys.readouterr().out


def test_it_names_versions_backends_and_reasons(capsys):
    code, text = report(capsys)
    assert code == 0
    assert re.search(
        rf"torch +{re.escape(metadata.version('torch'))}$", text, re.MULTILINE
    )  # CUDA's build says +cu only inside
    for name, reason in available_backends().items():
        assert re.search(rf"^  {name} +{re.escape(reason)}$", text, re.MULTILINE), name
    assert (
        "--no-build-isolation --no-deps einops causal-conv1d mamba-ssm" in text or available_backends()["cuda"] == "ok"
    )
    assert re.search(r"auto takes +((native|chunked) on cpu|(cuda|triton) on cuda)", text)
    assert re.search(r"cores +\d+", text) and re.search(r"GB free", text)


def test_data_is_prepared_or_the_command_is_named(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MGMR_DATA", str(tmp_path / "not" / "yet"))
    code, text = report(capsys)
    assert code == 0 and "python -m mgmr_lib data prepare" in text and "(from MGMR_DATA)" in text
    built = tmp_path / "not" / "yet" / "corpora"
    built.mkdir(parents=True)
    (built / "classroom-mosi.json").write_text("{}")
    _, text = report(capsys)
    assert "classroom-mosi.json" in text and re.search(r"prepared +yes", text)


def test_a_missing_package_is_a_trouble_with_its_remedy(capsys, monkeypatch):
    real = metadata.version

    def version(name):
        if name in ("pandas", "mambapy"):
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    code, text = report(capsys)
    assert code == 1
    assert re.search(r"to do\n  pandas: install the course's packages: .+ -m pip install -e ", text)
    assert "not installed (optional: a peer in the benchmark)" in text


def test_a_full_disk_is_a_trouble(capsys, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**10, 10**10 - 10**8, 10**8))
    code, text = report(capsys)
    assert code == 1 and "make room, or set MGMR_DATA" in text


@pytest.mark.parametrize(
    ("gpu", "cuda", "nvcc", "says"),
    [
        (False, None, None, "nothing to install on this machine"),
        (True, "13.0", "13.0", "install it with CUDA_HOME="),
        (True, "13.0", "12.4", "nvcc is 12.4 but torch was built with CUDA 13.0"),
        (True, "12.8", None, "install the CUDA toolkit 12.8"),
    ],
)
def test_advice_for_each_kind_of_machine(monkeypatch, gpu, cuda, nvcc, says):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/cuda/bin/{name}" if name == "nvcc" and nvcc else None)
    output = f"Cuda compilation tools, release {nvcc}, V{nvcc}.48"
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 0, stdout=output))
    advice = mamba_cuda.install_advice()
    assert says in advice
    assert re.search(
        r"CUDA_HOME=\S+ MAX_JOBS=\d+ .*MAMBA_FORCE_BUILD=TRUE \S+ -m pip install --no-build-isolation", advice
    )
