"""The benchmark measures what it says: memory, interleaving, peers that compute the same scan, files with
provenance."""

import argparse
import dataclasses
import io
import json
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mgmr_lib.bench import add_arguments, command, layers, machine, main, measure, peers, report, settings, ssd, suites
from mgmr_lib.cli import main as cli
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import cache_dir
from mgmr_lib.ssm import available_backends
from tests.ssm.cases import worst_error

TINY = settings.Settings(
    scan_shapes=((2, 8, 4, 2), (2, 12, 4, 2)),
    memory_shape=(2, 8, 4, 2),
    lengths=(4, 8),
    layer_batch=1,
    layer_width=8,
    cuda_shape=(1, 8, 4, 2),
    ssd_shapes=((1, 70, 2, 4, 3),),
    rounds=2,
    patience_s=5.0,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One run of the command at tiny sizes."""
    out = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "QUICK", TINY)
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        assert main(parser.parse_args(["--quick", "--offline", "--out", str(out / "deep")])) == 0
    return out / "deep"


def test_files_hold_every_measurement_with_its_provenance(folder):
    result = json.loads((folder / "bench.json").read_text())
    assert {"date", "commit", "processor", "cores", "load", "versions", "command"} <= set(result["provenance"])
    assert result["provenance"]["versions"]["torch"] == metadata.version("torch")
    measured = {(tuple(r["shape"]), r["pass"], r["name"]) for r in result["scan"]}
    for shape in TINY.scan_shapes:
        for name in ("ours, chunked", "ours, loop", "mambapy pscan"):
            assert {(shape, "forward", name), (shape, "forward+backward", name)} <= measured
    assert all(r["median_s"] >= r["min_s"] > 0 and r["rounds"] >= 1 for r in result["scan"] + result["layers"])
    assert all(r["error"] < 1e-5 for r in result["scan"])
    for name in ("ours, ssd_scan", "ours, selective_scan", "transformers, Mamba-2"):
        mine = [r for r in result["ssd"] if r["name"] == name]
        assert {r["pass"] for r in mine} == {"forward", "forward+backward"}
        assert all(r["error"] < 1e-5 and r["tensors"] > 1 and r["median_s"] > 0 for r in mine)
    assert {r["length"] for r in result["layers"]} == {4, 8}
    assert sorted(p.name for p in folder.iterdir()) == ["bench.json", "bench.png"]
    assert (folder / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_the_text_names_what_was_not_measured_and_why(folder):
    result = json.loads((folder / "bench.json").read_text())
    result["missing_peers"] = {"a peer": "the file is not there"}
    text = report.text(result)
    assert "not measured: a peer: the file is not there" in text
    for name in ("ours, chunked", "ours, ssd_scan", "Bi-Mamba", "attention, written out", "GB/s"):
        assert name in text


def test_ratios_are_multiples_of_our_times():
    seconds = {"ours, native": 0.001, "ours, chunked": 0.002, "slow": 0.05}
    records = [
        {"shape": [1, 1, 1, 1], "dtype": "float32", "pass": p, "name": name, "median_s": s, "error": 0.0, "rounds": 1}
        for p in ("forward", "forward+backward")
        for name, s in seconds.items()
    ]
    line = report.scan_table(records, {"exp2_ns": 1.0}).splitlines()[-1]
    assert line.split()[:7] == ["slow", "50.0", "50.0", "25.0", "50.0", "50.0", "25.0"]
    records = [r for r in records if r["name"] != "ours, native"]
    assert report.scan_table(records, {"exp2_ns": 1.0}).splitlines()[-1].split()[:5] == [
        "slow",
        "50.0",
        "25.0",
        "50.0",
        "25.0",
    ]


def test_every_round_runs_every_call_once_and_the_slow_one_only_once():
    log = []
    seconds = {"a": 0.1, "b": 9.0, "c": 0.3}

    def clock(call):
        return seconds[call()]

    calls = {name: lambda name=name: log.append(name) or name for name in seconds}
    result = measure.interleaved(calls, rounds=3, patience_s=1.0, clock=clock)
    assert log == ["a", "b", "c"] + ["a", "c"] * 3
    assert [result[k]["rounds"] for k in "abc"] == [3, 1, 3] and result["b"]["median_s"] == 9.0


def test_processor_time_does_not_count_sleep():
    import time

    assert measure.cpu_seconds(lambda: time.sleep(0.2)) < 0.1


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="inside"), measure.one_thread():
        assert torch.get_num_threads() == 1
        raise RuntimeError("inside")
    assert torch.get_num_threads() == before


def test_peak_memory_counts_what_is_held_at_once():
    def call():
        first = torch.ones(1000, 100)
        second = first + 1
        del first
        return second * 2

    assert measure.peak_bytes(call) == pytest.approx(2 * 400_000, rel=0.01)


def test_our_scans_need_less_than_one_and_a_half_state_tensors():
    """Forward and backward, outputs and gradients included, at a shape where the fixed buffers count too."""
    scans = {f"ours, {name}": suites.ours(name) for name in ("chunked", "native") if available_backends()[name] == "ok"}
    scans["mambapy pscan"] = peers.mambapy_pscan(True)
    tensors = {r["name"]: r["tensors"] for r in suites.memory_suite(scans, (8, 250, 64, 12))}
    assert all(0.2 < tensors[name] < 1.5 for name in scans if name.startswith("ours"))
    assert tensors["mambapy pscan"] > 5  # the yardstick itself: a tree of full-size copies


def test_layers_keep_shape_and_both_attentions_are_one_function():
    x = torch.randn(2, 7, 16)
    every = layers.build(16)
    assert all(layer(x).shape == x.shape for layer in every.values())
    fused, plain = every["attention, fused"], every["attention, written out"]
    plain.load_state_dict(fused.state_dict())
    torch.testing.assert_close(fused(x), plain(x), rtol=1e-5, atol=1e-6)


def test_a_layer_that_needs_too_much_memory_is_left_out():
    small = dataclasses.replace(TINY, lengths=(4, 64), room_bytes=1e5)
    measured = {(r["name"], r["length"]) for r in suites.layer_suite(small)}
    assert ("attention, written out", 4) in measured and ("attention, written out", 64) not in measured
    assert ("attention, fused", 64) in measured


def test_peers_that_need_no_download_compute_our_scan():
    inputs = suites.arguments((2, 9, 6, 3))
    found, _ = peers.load(offline=True)
    assert {"transformers, default", "mambapy pscan"} <= set(found)
    weights = torch.randn(2, 6, 9)

    def gradients(scan):
        return torch.autograd.grad((scan(*inputs) * weights).sum(), inputs)

    truth = gradients(suites.ours("reference"))
    for name, scan in found.items():
        for got, expected in zip(gradients(scan), truth, strict=True):
            assert worst_error(got, expected) < 1e-5, name


def test_every_contender_computes_one_ssd_scan():
    inputs = ssd.arguments((2, 70, 3, 4, 5))
    found, _ = ssd.load(offline=True)
    weights = torch.randn(2, 70, 3, 4)
    truth = torch.autograd.grad((ssd.ours_selective(*inputs) * weights).sum(), inputs)
    for name, scan in found.items():
        for got, expected in zip(torch.autograd.grad((scan(*inputs) * weights).sum(), inputs), truth, strict=True):
            assert worst_error(got, expected) < 1e-4, name


def test_a_peer_that_is_not_there_is_said_not_fatal(monkeypatch, tmp_path):
    monkeypatch.setenv("MGMR_DATA", str(tmp_path))
    found, missing = peers.load(offline=True)
    assert "mamba_ssm selective_scan_ref" not in found
    assert "--offline forbids" in missing["mamba_ssm selective_scan_ref"]
    found, missing = ssd.load(offline=True)
    assert "ours, ssd_scan" in found and "--offline forbids" in missing["mamba_ssm ssd_minimal"]


def test_an_archive_with_another_hash_is_never_run(monkeypatch, tmp_path):
    monkeypatch.setenv("MGMR_DATA", str(tmp_path))
    trap, target = b"raise SystemExit('this code ran')", tmp_path / "cache" / "peers" / peers.SDIST
    target.parent.mkdir(parents=True)
    with tarfile.open(target, "w:gz") as archive:
        info = tarfile.TarInfo(f"{peers.SDIST.removesuffix('.tar.gz')}/mamba_ssm/ops/selective_scan_interface.py")
        info.size = len(trap)
        archive.addfile(info, io.BytesIO(trap))
    with pytest.raises(CourseError, match="its hash differs"):
        peers.mamba_ssm_reference(True)


@pytest.fixture
def archive(monkeypatch, tmp_path):
    """A function that makes an archive of one module, in the cache or (as pip would) elsewhere."""
    monkeypatch.setenv("MGMR_DATA", str(tmp_path))

    def make(member: str, code: bytes, path: Path = tmp_path / "cache" / "peers" / peers.SDIST) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w:gz") as file:
            info = tarfile.TarInfo(f"{peers.SDIST.removesuffix('.tar.gz')}/mamba_ssm/{member}")
            info.size = len(code)
            file.addfile(info, io.BytesIO(code))
        monkeypatch.setattr(peers, "SDIST_SHA256", peers.hashlib.sha256(path.read_bytes()).hexdigest())

    return make


def test_a_module_of_the_archive_runs_beside_empty_stand_ins(archive):
    code = b"from mamba_ssm.ops.triton.layer_norm import RMSNorm\nimport importlib.util\nfound = RMSNorm\n"
    archive("modules/one.py", code + b"try:\n    import causal_conv1d\nexcept ImportError:\n    conv = None\n")
    made = peers.mamba_ssm_module("modules/one.py", RMSNorm=torch.nn.Identity)
    assert made.found is torch.nn.Identity and made.conv is None


def test_its_reference_is_called_with_a_softplus(archive):
    code = b"def selective_scan_ref(u, delta, A, B, C, D, delta_softplus=False):\n    return delta_softplus, D\n"
    archive("ops/selective_scan_interface.py", code)
    assert peers.mamba_ssm_reference(True)(1, 2, 3, 4, 5, 6) == (True, 6)


def test_its_minimal_ssd_gets_whole_chunks_and_heads_and_is_cut_to_length(archive):
    """Played by a scan without a state: y_t = C_t (B_t dt_t x_t)."""
    archive(
        "modules/ssd_minimal.py",
        b"""
def ssd_minimal_discrete(x, decay, B, C, chunk):
    assert x.shape[1] % chunk == 0 and B.shape == C.shape == (*x.shape[:3], 5)
    assert decay.shape == x.shape[:3]
    return (B * C).sum(-1, keepdim=True) * x, None
""",
    )
    x, dt, A, B, C = ssd.arguments((2, ssd.MINIMAL_CHUNK + 3, 3, 4, 5))
    got = ssd.ssd_minimal(True)(x, dt, A, B, C)
    torch.testing.assert_close(got, (B * C).sum(-1, keepdim=True) * dt[..., None] * x)


@pytest.mark.parametrize("what", ["no answer", "refused", "nothing", "brought"])
def test_a_download_ends_in_the_archive_or_in_a_sentence(what, archive, monkeypatch, tmp_path):
    archive("a.py", b"", tmp_path / "published")

    def pip(command, timeout, **more):
        folder = Path(command[command.index("-d") + 1])
        assert "--require-hashes" in command and peers.SDIST_SHA256 in (folder / "requirements.txt").read_text()
        if what == "no answer":
            raise subprocess.TimeoutExpired(command, timeout)
        if what == "brought":
            (folder / peers.SDIST).write_bytes((tmp_path / "published").read_bytes())
        return subprocess.CompletedProcess(command, what == "refused", "", "one\nno space left\n" * (what == "refused"))

    monkeypatch.setattr(peers.subprocess, "run", pip)
    if what == "brought":
        assert peers.mamba_ssm_source("a.py", offline=False) == b""
        return
    sentence = {"no answer": "no answer in 180 seconds", "refused": r"\(no space left\)", "nothing": r"\(no message\)"}
    with pytest.raises(CourseError, match=sentence[what]):
        peers.mamba_ssm_source("a.py", offline=False)


@pytest.mark.parametrize(
    "package, load",
    [
        ("transformers.models.mamba.modeling_mamba", peers.huggingface),
        ("transformers.models.mamba2.modeling_mamba2", ssd.huggingface),
        ("mambapy.pscan", peers.mambapy_pscan),
    ],
)
def test_a_package_that_is_not_there_is_named_with_what_to_install(package, load, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CourseError, match=f"{package.partition('.')[0]}.*install"):
        load(True)
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CourseError, match="need the package einops: pip install"):
        peers.mamba_ssm_module("a.py")


def test_seconds_on_a_gpu_lie_between_two_events_after_all_is_done(monkeypatch):
    happened = []
    event = SimpleNamespace(record=lambda: happened.append("event"), elapsed_time=lambda stop: 250.0)
    monkeypatch.setattr(measure.torch.cuda, "Event", lambda enable_timing: event)
    monkeypatch.setattr(measure.torch.cuda, "synchronize", lambda: happened.append("wait"))
    assert measure.cuda_seconds(lambda: happened.append("call")) == 0.25
    assert happened == ["wait", "event", "call", "event", "wait"]


def test_the_gpus_half_measures_what_works_and_says_what_does_not(monkeypatch):
    """A GPU played by the CPU: its kernels by our chunked scan, its clock by the processor's."""
    reasons = {"triton": "ok", "cuda": "mamba_ssm is not installed"}
    arguments, ours = suites.arguments, suites.ours
    monkeypatch.setattr(suites, "available_backends", lambda: reasons)
    monkeypatch.setattr(suites, "arguments", lambda shape, device, dtype: arguments(shape, "cpu", dtype))
    monkeypatch.setattr(suites, "ours", lambda name: ours("chunked"))
    monkeypatch.setattr(suites, "cuda_seconds", measure.cpu_seconds)
    records = suites.cuda_suite(TINY)
    assert {(r["name"], r["dtype"]) for r in records} == {("ours, triton", "float32"), ("ours, triton", "bfloat16")}
    assert all(r["error"] < 0.05 and r["median_s"] > 0 for r in records)
    text = report.cuda_text({"provenance": {"gpu": "A Card"}, "backends": reasons, "cuda": records})
    assert "GPU: A Card" in text and "not measured: cuda: mamba_ssm is not installed" in text
    assert text.count("ours, triton") == 4 and "bfloat16" in text


def test_a_processor_has_a_name_where_linux_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "Path", lambda *_: tmp_path / "cpuinfo")
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    monkeypatch.setattr(machine.platform, "machine", lambda: "arm64")
    assert machine.processor() == "arm64"
    (tmp_path / "cpuinfo").write_text("cores: 4\nmodel name\t: Fast One\n")
    assert machine.processor() == "Fast One"


def test_stand_ins_do_not_stay_behind():
    if not (cache_dir() / "peers" / peers.SDIST).exists():
        pytest.skip("mamba_ssm's source archive is not in the cache: `python -m mgmr_lib bench` downloads it")
    before = set(sys.modules)
    peers.mamba_ssm_reference(True)
    assert not any("mamba_ssm" in name or "causal_conv1d" in name for name in set(sys.modules) - before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_without_a_gpu_is_one_clear_sentence(capsys):
    assert cli(["bench", "--quick", "--device", "cuda", "--offline"]) == 2
    assert capsys.readouterr().err.startswith("error: --device cuda needs a CUDA device")


def test_a_folder_that_cannot_be_written_is_said(tmp_path, folder):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(CourseError, match="choose another folder with --out"):
        report.write(json.loads((folder / "bench.json").read_text()), blocked / "out")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device on this machine")
def test_cuda_suite_measures_what_works_here():
    records = suites.cuda_suite(TINY)
    assert {r["dtype"] for r in records} == {"float32", "bfloat16"}
    assert all(r["error"] < 0.05 for r in records)
