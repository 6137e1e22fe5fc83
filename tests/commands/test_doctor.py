"""doctor tells what is there, what is missing, and what to do; and never fails itself."""

import argparse
import dataclasses
import re
import shutil
import subprocess
import sys
from importlib import metadata

import pytest

from mgmr_lib import doctor
from mgmr_lib.commands.gpu import machine
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.ssm import available_backends


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
    assert "the course runs without them" in text or available_backends()["cuda"] == "ok" or "course.py gpu" in text
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
    ("changes", "nvcc", "says"),
    [
        ({"gpu": None}, "13.0", "there is nothing to install, and the course runs without"),
        ({}, "13.0", r"run `python course.py gpu`; it has nvcc 13.0 to compile with"),
        ({}, "12.4", "run `python course.py gpu`; where no ready-made wheel fits: nvcc in .+ is of CUDA 12.4"),
        ({}, None, "where no ready-made wheel fits: there is no CUDA compiler .+ install the CUDA toolkit 13.0"),
    ],
)
def test_advice_for_each_kind_of_machine(monkeypatch, tmp_path, capsys, changes, nvcc, says):
    here = machine.Machine("linux_x86_64", "cp312", "2.10", "13.0", True, "NVIDIA H100", (9, 0))
    monkeypatch.setattr(machine, "this_machine", lambda: dataclasses.replace(here, **changes))
    monkeypatch.setattr(machine, "_homes", lambda m: [tmp_path])
    monkeypatch.setattr(machine, "_version", lambda home: nvcc)
    _, text = report(capsys)
    assert re.search(rf'to get "cuda" +.*{says}', text)


def test_a_torch_that_cannot_be_imported_is_a_trouble():
    code = "import sys; sys.modules['torch'] = None; from mgmr_lib import cli; sys.exit(cli.main(['doctor']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and not done.stderr
    assert re.search(r"^  device +unknown without torch$", done.stdout, re.MULTILINE)
    assert re.search(r"^  all +cannot be imported: .*torch", done.stdout, re.MULTILINE)
    assert "all: the library cannot be imported: `git status`" in done.stdout.split("\nto do\n")[1]


def test_cores_that_this_process_may_not_use_are_told_where_the_system_knows_them(capsys, monkeypatch):
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(doctor.os, "sched_getaffinity", lambda _: {0, 5, 6}, raising=False)
    assert "cores              8 (3 usable by this process)\n" in report(capsys)[1]
    monkeypatch.delattr(doctor.os, "sched_getaffinity")  # macOS and Windows
    assert "cores              8\n" in report(capsys)[1]


def test_memory_is_known_on_every_system(capsys):
    _, text = report(capsys)
    free, total = re.search(r"memory +([\d.]+) of ([\d.]+) GB free", text).groups()
    assert 0 < float(free) <= float(total) < 1e5
