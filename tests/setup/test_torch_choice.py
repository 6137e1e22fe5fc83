"""Which torch: decided from the machine and the wish, and from what a real (local) index answers."""

import http.server
import sys
import threading
import time
from functools import partial

import pytest

from mgmr_lib.errors import CourseError
from mgmr_lib.setup import torch_choice
from mgmr_lib.setup.machine import Machine, this_machine
from mgmr_lib.setup.torch_choice import choose, index_url, pinned_torch
from tests.setup import stand_ins

LINUX = Machine()
MAC, WINDOWS = Machine(system="Darwin", processor="arm64"), Machine(system="Windows", processor="AMD64")


def decided(where=LINUX, wanted=None, gpu=False, kept=False, index=True):
    return choose(where, wanted, "2.13.0", lambda: gpu, lambda _: kept, lambda *_: index)


@pytest.mark.parametrize(
    ("options", "build", "requirement", "index"),
    [
        ({}, "cpu", "torch==2.13.0+cpu", "whl/cpu"),
        ({"gpu": True}, "cuda", "torch===2.13.0", None),
        ({"gpu": True, "wanted": "cpu"}, "cpu", "torch==2.13.0+cpu", "whl/cpu"),
        ({"wanted": "cuda", "kept": True}, "cuda", "torch===2.13.0", None),
        ({"kept": True, "index": False}, "cpu", "torch==2.13.0+cpu", None),
        ({"index": False}, "cuda", "torch===2.13.0", None),
        ({"where": MAC, "gpu": True}, "cpu", "torch==2.13.0", None),
        ({"where": WINDOWS, "gpu": True}, "cpu", "torch==2.13.0", None),
        ({"where": WINDOWS, "wanted": "cuda"}, "cuda", "torch==2.13.0+cu130", "whl/cu130"),
    ],
)
def test_the_choice(options, build, requirement, index):
    choice = decided(**options)
    assert (choice.build, choice.requirement) == (build, requirement)
    assert choice.index is None if index is None else choice.index.endswith(index)
    assert "2.13.0" in choice.says and "\n" not in choice.says


def test_the_fallback_says_why():
    assert "no NVIDIA GPU is here" in decided(index=False).says and "cannot be reached" in decided(index=False).says


@pytest.mark.parametrize(
    "options",
    [
        {"wanted": "cpu", "index": False},
        {"where": MAC, "wanted": "cuda"},
        {"where": WINDOWS, "wanted": "cuda", "index": False},
    ],
)
def test_what_is_asked_for_and_cannot_be_had_is_refused(options):
    with pytest.raises(CourseError, match="--torch"):
        decided(**options)


def test_the_pin_is_read_from_constraints():
    assert pinned_torch("a==1\ntorch==2.13.0\ntorchx==9\n") == "2.13.0"
    with pytest.raises(CourseError, match="constraints.txt"):
        pinned_torch("torchvision==1\n")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def index(tmp_path):
    """A local index with one stand-in CPU wheel of torch for this Python, and its address."""
    stand_ins.torch_wheel(tmp_path / "index" / "torch", "cpu", stand_ins.native_tag())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "index"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the choice between two indexes")
def test_an_index_that_lists_the_wheel_serves_it_and_another_does_not(index, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("MGMR_TORCH_INDEX", index)
    here = this_machine()

    def ask(version):
        return choose(here, None, version, lambda: False, lambda _: False)

    assert ask("2.13.0").index == index == index_url("cpu")
    assert ask("2.14.0").build == "cuda"  # the page is there, this version is not
    monkeypatch.setenv("MGMR_TORCH_INDEX", index + "/nothing")
    assert ask("2.13.0").build == "cuda"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the choice between two indexes")
def test_a_small_index_is_all_it_takes_for_the_cpu_build(index, tmp_path):
    root, wheels = stand_ins.checkout(tmp_path / "course"), stand_ins.registry(tmp_path / "registry")
    env = stand_ins.environment(wheels, MGMR_TORCH_INDEX=index, no_proxy="127.0.0.1")
    del env["PIP_NO_INDEX"]
    env["PIP_INDEX_URL"] = "http://127.0.0.1:9"
    done = stand_ins.course(root, env, "open")
    assert done.returncode == 0, done.stderr
    assert f"from {index} (no NVIDIA GPU is here" in done.stdout or "an NVIDIA GPU is here" in done.stdout
    assert "ran open" in done.stdout
    if "an NVIDIA GPU" not in done.stdout:
        assert (stand_ins.packages(root) / "torch-2.13.0+cpu.dist-info").is_dir()
    done = stand_ins.course(root, env, "open", "--torch", "cuda")
    assert done.returncode == 0 and (stand_ins.packages(root) / "torch-2.13.0.dist-info").is_dir()
    done = stand_ins.course(root, env, "open")  # what was chosen stays
    assert done.returncode == 0 and "setting up" not in done.stdout
    done = stand_ins.course(root, env | {"MGMR_TORCH_INDEX": "http://127.0.0.1:9"}, "open", "--torch=cpu")
    assert done.returncode == 2 and "cannot be reached" in done.stderr and "Traceback" not in done.stderr


def test_an_index_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(torch_choice, "WAIT_S", 0.5)
    with http.server.HTTPServer(("127.0.0.1", 0), Quiet) as silent:  # accepts, and never says a word
        began = time.monotonic()
        assert not torch_choice._offers(f"http://127.0.0.1:{silent.server_port}", "torch")
        assert time.monotonic() - began < 5
