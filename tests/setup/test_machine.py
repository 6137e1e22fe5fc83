"""What has no wheels is refused in one sentence that names what to use; an old Python can still say so."""

import ast
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mgmr_lib.paths import REPOSITORY
from mgmr_lib.setup import machine
from mgmr_lib.setup.machine import Machine, has_nvidia_gpu, refusal, this_machine

MAC = Machine(system="Darwin", processor="arm64")
WINDOWS = Machine(system="Windows", processor="AMD64")


@pytest.mark.parametrize("where", [Machine(), Machine(processor="aarch64"), MAC, WINDOWS])
@pytest.mark.parametrize("python", [(3, 11), (3, 12), (3, 13), (3, 14)])
def test_three_systems_and_four_pythons_are_served(where, python):
    assert refusal(replace(where, python=python)) is None


@pytest.mark.parametrize(
    ("where", "says"),
    [
        (replace(Machine(), python=(3, 10)), "3.11 to 3.14"),
        (replace(WINDOWS, python=(3, 15)), "3.11 to 3.14"),
        (replace(MAC, implementation="PyPy"), "CPython"),
        (replace(Machine(), free_threaded=True), "ordinary build"),
        (replace(WINDOWS, bits=32, processor="x86"), "64-bit Python"),
        (replace(Machine(), bits=32, processor="armv7l"), "64-bit Python"),
        (replace(MAC, processor="x86_64"), "arm64"),
        (replace(MAC, macos=12), "update macOS"),
        (replace(WINDOWS, processor="ARM64"), "x86-64"),
        (replace(Machine(), processor="riscv64"), "x86-64 or aarch64"),
        (replace(Machine(), glibc=()), "Debian"),
        (replace(Machine(), glibc=(2, 17)), "glibc 2.28"),
        (replace(Machine(), system="FreeBSD"), "Linux"),
    ],
)
def test_what_has_no_wheels_is_told_what_to_use(where, says):
    sentence = refusal(where)
    assert says in sentence and "\n" not in sentence and re.search(r"use|install|start|update", sentence)


def test_the_refusal_names_a_python_that_runs_here(monkeypatch, tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    for folder, code in ((good, 0), (bad, 127)):
        folder.mkdir()
        (folder / "python3.13").write_text(f"#!/bin/sh\nexit {code}\n")
        (folder / "python3.13").chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name, *_: str(good / name) if (good / name).exists() else None)
    assert "`python3.13 course.py open`" in refusal(Machine(python=(3, 9)))
    monkeypatch.setattr(shutil, "which", lambda name, *_: str(bad / name) if (bad / name).exists() else None)
    assert "install Python 3.12" in refusal(Machine(python=(3, 9)))  # a shim of a version that is not installed


def test_where_uv_alone_is_there_it_brings_the_python(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, *_: "/usr/bin/uv" if name == "uv" else None)
    assert "`uv run --no-project --python 3.12 course.py open`" in refusal(Machine(python=(3, 9)))


def test_on_windows_the_pythons_own_processor_counts(monkeypatch):
    monkeypatch.setattr(machine.platform, "system", lambda: "Windows")
    monkeypatch.setattr(machine.platform, "machine", lambda: "ARM64")  # the computer's
    for built_for, says in (("win-amd64", None), ("win-arm64", "64-bit (x86-64) Python"), ("win32", "x86-64")):
        monkeypatch.setattr(machine.sysconfig, "get_platform", lambda built_for=built_for: built_for)
        said = refusal(this_machine())
        assert said is None if says is None else says in said


@pytest.mark.skipif(sys.platform != "linux", reason="plays a Linux with another C library")
def test_a_c_library_that_does_not_know_the_question_is_not_glibc(monkeypatch):
    def unknown(_):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(machine.os, "confstr", unknown)
    assert this_machine().glibc == () and "musl" in refusal(this_machine())


def test_this_machine_runs_the_course():
    assert refusal(this_machine()) is None


def test_course_py_can_be_read_by_an_old_python():
    tree = ast.parse((REPOSITORY / "course.py").read_text(encoding="utf-8"), feature_version=(3, 0))
    new = (ast.JoinedStr, ast.NamedExpr, ast.Match, ast.AnnAssign, ast.Starred, ast.AsyncFunctionDef)
    assert not [node for node in ast.walk(tree) if isinstance(node, new)]


@pytest.mark.parametrize("name", ["python2.7", "python3.6", "python3.8", "python3.10"])
def test_an_old_python_says_one_sentence(name):
    shims = sorted(Path.home().glob(f".pyenv/versions/{name.removeprefix('python')}*/bin/python"))
    python = str(shims[0]) if shims else shutil.which(name)
    if python is None:
        pytest.skip(f"there is no {name} on this machine")
    done = subprocess.run([python, str(REPOSITORY / "course.py"), "open"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("error: the course needs Python 3.11 to 3.14")
    assert done.stderr.count("\n") == 1


def test_a_gpu_is_what_nvidias_driver_shows(monkeypatch, tmp_path):
    says = {"text": "GPU 0: NVIDIA H200 (UUID: GPU-1)\n", "code": 0}

    def run(command, **_):
        return subprocess.CompletedProcess(command, says["code"], says["text"], "")

    monkeypatch.setattr(machine.subprocess, "run", run)
    assert has_nvidia_gpu(tmp_path / "none")
    says |= {"text": "NVIDIA-SMI has failed: no driver\n", "code": 9}
    assert not has_nvidia_gpu(tmp_path / "none")
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    assert has_nvidia_gpu(tmp_path / "gpus")
    monkeypatch.setattr(
        machine.subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError("nvidia-smi"))
    )
    assert not has_nvidia_gpu(tmp_path / "none")


def test_the_set_up_imports_the_standard_library_alone():
    allowed = sys.stdlib_module_names | {"mgmr_lib"}
    for path in sorted((REPOSITORY / "mgmr_lib" / "setup").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert all(name.split(".")[0] in allowed for name in names), (path.name, names)
            ours = [n for n in names if n.startswith("mgmr_lib")]
            assert all(
                n in ("mgmr_lib.errors", "mgmr_lib.files", "mgmr_lib.paths") or n.startswith("mgmr_lib.setup")
                for n in ours
            )
