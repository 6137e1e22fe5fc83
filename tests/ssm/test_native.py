"""The compiled scan: its own edges (tiles, chunks, threads, its exponential), and what happens where it cannot be
compiled."""

import ctypes
import subprocess

import pytest
import torch

from mgmr_lib.errors import CourseError
from mgmr_lib.ssm import available_backends, selective_scan
from mgmr_lib.ssm.engines import backends, conv, native, native_call, native_scan
from tests.ssm.cases import outputs_and_gradients, problem, worst_error

needs_native = pytest.mark.skipif(backends.status("native") != "ok", reason=f"native: {backends.status('native')}")


@pytest.fixture
def fresh():
    """Forget what was compiled and tried, before and after."""

    def forget():
        native.library.cache_clear()
        backends.status.cache_clear()

    forget()
    yield
    forget()


def copy_of_sources(monkeypatch, folder):
    for name in native.SOURCES + native.HEADERS:
        (folder / name).write_text((native.FOLDER / name).read_text())
    monkeypatch.setattr(native, "FOLDER", folder)


def compare(args, softplus=True):
    truth = outputs_and_gradients(
        {k: t.detach().double().requires_grad_() for k, t in args.items()}, "reference", softplus
    )
    for name, got in outputs_and_gradients(args, "native", softplus).items():
        assert worst_error(got, truth[name]) < 1e-5, name


@needs_native
@pytest.mark.parametrize("e", [15, 16, 17, 33])
@pytest.mark.parametrize("length", [63, 64, 65, 130])
def test_no_seam_at_the_edges_of_tiles_and_chunks(e, length):
    compare(problem(2, e, length, 3))


@needs_native
@pytest.mark.parametrize(("groups_B", "groups_C"), [(2, 2), (3, "const"), ("const", 6), (2, 3)])
def test_tiles_stay_within_a_group(groups_B, groups_C):
    compare(problem(2, 6 * 17, 9, 2, groups_B, groups_C))


@needs_native
@pytest.mark.parametrize("threads", [2, 3, 8])
def test_rows_shared_out_over_threads_give_the_same(monkeypatch, threads):
    args = problem(5, 20, 70, 4, "var", "const")
    alone = outputs_and_gradients(args, "native")
    monkeypatch.setattr(native_call, "WORK_PER_THREAD", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    together = outputs_and_gradients(args, "native")
    for name in alone:
        assert worst_error(together[name], alone[name]) < 1e-5, name  # sums over rows in another order


@needs_native
def test_decays_are_exact_to_rounding_over_the_whole_range():
    """One step from a state of one: y = exp(dt A)."""
    x = -torch.cat([torch.logspace(-8, 2.5, 4000), torch.zeros(1)])
    n = len(x)
    state, zero = torch.ones(1, n, 1), torch.zeros(1, n, 1)
    y = selective_scan(
        zero, torch.ones(1, n, 1), x[:, None], torch.ones(n, 1), torch.ones(n, 1), initial_state=state, backend="native"
    )
    truth = torch.exp(x.double())
    normal = truth > torch.finfo(torch.float32).tiny
    # the product dt A log2(e) is rounded before it is raised: half a unit in the last place of up to 126
    assert ((y[0, :, 0].double() - truth).abs() / truth)[normal].max() < 6e-6
    assert ((y[0, :, 0].double() - truth).abs() / truth)[x > -1].max() < 3e-7
    assert (y[0, :, 0][~normal] == 0).all()


@needs_native
def test_time_steps_from_tiny_to_huge():
    """softplus(v) over the whole range, where a careless log(1 + exp(v)) gives 0 or infinity."""
    v = torch.linspace(-60, 90, 1501).view(1, 1, -1)
    n = v.shape[2]
    y = selective_scan(
        torch.ones(1, 1, n),
        v,
        torch.full((1, 1), -1e30),
        torch.ones(1, 1),
        torch.ones(1, 1),
        delta_softplus=True,
        backend="native",
    )
    truth = torch.nn.functional.softplus(v.double(), threshold=1e9)
    assert ((y.double() - truth).abs() / truth).max() < 5e-6
    near = v.abs() < 5
    assert ((y.double() - truth).abs() / truth)[near].max() < 5e-7


@needs_native
def test_growth_and_nan_are_shown_not_hidden():
    u = torch.ones(1, 1, 3)
    one = torch.ones(1, 1)
    growing = selective_scan(u, 10 * u, 4 * one, one, one, initial_state=one[None], backend="native")
    assert torch.isinf(growing[0, 0, 2])
    u[0, 0, 1] = float("nan")
    assert selective_scan(u, torch.ones_like(u), -one, one, one, backend="native").isnan().tolist() == [
        [[False, True, True]]
    ]


@needs_native
def test_float64_is_left_to_chunked():
    args = problem(1, 2, 3, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match='"chunked" has float64'):
        selective_scan(**args, backend="native")
    assert torch.equal(selective_scan(**args), selective_scan(**args, backend="chunked"))


@needs_native
def test_a_failure_in_c_is_an_error_in_python(monkeypatch):
    class Library:
        def scan_forward(self, *arguments):
            return 1

    monkeypatch.setattr(native_scan, "library", Library)
    with pytest.raises(MemoryError, match="could not allocate"):
        selective_scan(**problem(1, 2, 3, 2), backend="native")


def reason_and_auto(says: str):
    """The reason is said, and "auto" takes chunked without a word."""
    assert says in available_backends()["native"]
    args = problem(1, 2, 3, 2)
    with pytest.raises(ValueError, match='backend "native" does not work here'):
        selective_scan(**args, backend="native")
    assert torch.equal(selective_scan(**args), selective_scan(**args, backend="chunked"))


@pytest.mark.filterwarnings("error")
def test_without_a_compiler_auto_takes_chunked(fresh, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(native.shutil, "which", lambda name: None)
    reason_and_auto("no C compiler on the path")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("tools", [True, False])
def test_on_a_mac_no_shim_is_started_that_opens_a_window(fresh, monkeypatch, tools):
    """Without the command line tools /usr/bin/cc opens a dialog; `xcode-select -p` tells without one."""
    started = []

    def run(command, **more):
        started.append(command[0])
        return subprocess.CompletedProcess(command, 0 if tools else 2, "", "")

    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(native.sys, "platform", "darwin")
    monkeypatch.setattr(native.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(native.subprocess, "run", run)
    if tools:
        assert native.find_compiler() == ["cc"]
    else:
        reason_and_auto("xcode-select --install")
    assert set(started) == {"xcode-select"}


def test_on_a_mac_another_compiler_needs_no_command_line_tools(monkeypatch):
    monkeypatch.setenv("CC", "gcc-14")
    monkeypatch.setattr(native.sys, "platform", "darwin")
    monkeypatch.setattr(native.shutil, "which", lambda name: f"/opt/homebrew/bin/{name}")
    monkeypatch.setattr(native.subprocess, "run", None)
    assert native.find_compiler() == ["gcc-14"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("error", [FileNotFoundError(), subprocess.TimeoutExpired("xcode-select", 1)])
def test_on_a_mac_tools_that_give_no_answer_are_not_there(error, fresh, monkeypatch):
    def run(command, **more):
        raise error

    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(native.sys, "platform", "darwin")
    monkeypatch.setattr(native.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(native.subprocess, "run", run)
    reason_and_auto("xcode-select --install")


def test_it_says_that_it_needs_the_cpu():
    given = {k: t.detach().float().to("meta") for k, t in problem(1, 2, 3, 2).items()}
    with pytest.raises(ValueError, match="it needs tensors on the CPU, but they are on meta"):
        selective_scan(**given, backend="native")


def test_it_can_be_switched_off(fresh, monkeypatch):
    monkeypatch.setenv("MGMR_NATIVE_SCAN", "0")
    reason_and_auto("MGMR_NATIVE_SCAN=0")


@needs_native
def test_the_environment_decides_whether_auto_takes_it(monkeypatch):
    args = backends.checked(**problem(1, 2, 3, 2))
    for value, first in (("1", "native"), ("by name", "chunked"), ("0", "chunked"), (None, "native")):
        monkeypatch.delenv("MGMR_NATIVE_SCAN", raising=False)
        if value is not None:
            monkeypatch.setenv("MGMR_NATIVE_SCAN", value)
        assert backends.automatic(args, False)[0] == first


@needs_native
@pytest.mark.filterwarnings("error")
def test_code_that_does_not_compile_is_said_and_leaves_nothing(fresh, monkeypatch, tmp_path):
    copy_of_sources(monkeypatch, tmp_path)
    (tmp_path / "native_scan.c").write_text("int scan_forward( {")
    monkeypatch.setenv("MGMR_DATA", str(tmp_path))
    reason_and_auto("could not compile")
    (note,) = (tmp_path / "cache" / "native").iterdir()
    assert note.name.endswith(".failed.txt")
    tries = []
    monkeypatch.setattr(native, "compile_into", lambda *a: tries.append(a))
    native.library.cache_clear(), backends.status.cache_clear()
    reason_and_auto(f"not tried again before {note} is deleted")  # as in the next process
    assert tries == []
    note.unlink()
    native.library.cache_clear()
    with pytest.raises(CourseError):  # the stand-in compiles nothing
        native.library()
    assert len(tries) == 1


@needs_native
@pytest.mark.filterwarnings("error")
def test_code_that_ends_its_process_never_reaches_ours(fresh, monkeypatch, tmp_path):
    copy_of_sources(monkeypatch, tmp_path)
    source = tmp_path / "native_scan.c"
    source.write_text(source.read_text().replace("volatile float zero", "abort(); volatile float zero"))
    monkeypatch.setenv("MGMR_DATA", str(tmp_path))
    reason_and_auto("does not run here")


@needs_native
def test_it_is_compiled_once_and_again_for_another_source(fresh, monkeypatch, tmp_path):
    monkeypatch.setenv("MGMR_DATA", str(tmp_path))
    runs = []
    real = native.compile_into
    monkeypatch.setattr(native, "compile_into", lambda *a: runs.append(a) or real(*a))
    assert isinstance(native.library(), ctypes.CDLL)
    native.library.cache_clear()
    native.library()
    assert len(runs) == 1
    copy_of_sources(monkeypatch, tmp_path)
    header = tmp_path / "native_lanes.h"
    header.write_text(header.read_text() + "\n")
    native.library.cache_clear()
    native.library()
    assert len(runs) == 2 and len(list((tmp_path / "cache" / "native").iterdir())) == 2


@needs_native
@pytest.mark.filterwarnings("error")
def test_where_the_data_folder_cannot_be_written_it_is_said(fresh, monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("MGMR_DATA", str(blocked))
    reason_and_auto("could not be stored")


@needs_native
def test_a_compiler_that_hangs_is_given_up(monkeypatch, tmp_path):
    def hang(*arguments, timeout, **more):
        raise subprocess.TimeoutExpired("cc", timeout)

    monkeypatch.setattr(native.subprocess, "run", hang)
    with pytest.raises(CourseError, match="did not finish compiling"):
        native.compile_into(tmp_path / "x.so", ["cc"])


@needs_native
@pytest.mark.parametrize(
    ("b", "e", "length", "taps"),
    [
        (2, 5, 9, 4),
        (1, 16, 64, 1),
        (3, 33, 63, 3),
        (2, 17, 130, 4),
        (1, 1, 1, 4),
        (1, 4, 62, 64),
        (2, 16, 128, 64),
        (2, 3, 2, 7),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_the_convolution_equals_torch(monkeypatch, b, e, length, taps, bias):
    monkeypatch.setattr(native_call, "WORK_PER_THREAD", 1)
    torch.manual_seed(0)
    wide = torch.randn(b, length, 2 * e, dtype=torch.float64)
    weight, offset = torch.randn(e, taps, dtype=torch.float64), torch.randn(e, dtype=torch.float64)
    weights, results = torch.randn(b, e, length, dtype=torch.float64), []
    for dtype, backend in ((torch.float64, "chunked"), (torch.float32, "native")):
        leaves = [t.to(dtype).requires_grad_() for t in ([wide, weight, offset] if bias else [wide, weight])]
        out = conv.causal_conv_silu(leaves[0][..., :e].transpose(1, 2), leaves[1], leaves[2] if bias else None, backend)
        gradients = torch.autograd.grad((out * weights.to(dtype)).sum(), leaves)
        results.append([out.detach(), *gradients])
    for got, truth in zip(results[1], results[0], strict=True):
        assert worst_error(got, truth) < 1e-5


@needs_native
def test_the_convolution_is_causal_and_starts_from_zeros():
    x = torch.zeros(1, 1, 8)
    x[0, 0, 3] = 1.0
    out = conv.causal_conv_silu(x, torch.tensor([[1.0, 10.0, 100.0]]), None, "native")
    assert (out[0, 0, :3] == 0).all() and (out[0, 0, 6:] == 0).all()
    torch.testing.assert_close(out[0, 0, 3:6], torch.nn.functional.silu(torch.tensor([100.0, 10.0, 1.0])))


@needs_native
def test_the_convolution_leaves_other_precisions_to_torch():
    x, weight = torch.randn(1, 3, 5), torch.randn(3, 4)
    expected = conv.causal_conv_silu(x, weight, None, "chunked")
    torch.testing.assert_close(conv.causal_conv_silu(x.double(), weight.double(), None).float(), expected)
    assert conv.causal_conv_silu(x.bfloat16(), weight.bfloat16(), None).dtype == torch.bfloat16
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv.causal_conv_silu(x, weight, None).dtype == torch.bfloat16
