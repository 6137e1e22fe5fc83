"""Triton kernels on the counting memory: right values, counted traffic, named strays, in every mode of Triton."""

import linecache
import os
import subprocess
import sys

import numpy as np
import pytest

from mgmr_lib.chapters.ch06_gpu_kernels import counted_triton, triton_exercises
from mgmr_lib.chapters.ch06_gpu_kernels.memory_traffic import SlowMemory, expected_output, scan_memory, tiled_traffic
from mgmr_lib.course import exercises, registry
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY

needs_triton = pytest.mark.skipif(not counted_triton.installed(), reason="triton exists for Linux on x86-64")


@needs_triton
@pytest.mark.parametrize(("e", "length", "n", "block"), [(2, 11, 4, 4), (1, 16, 1, 8), (3, 3, 2, 4)])
def test_a_scan_inside_blocks_is_right_and_moves_what_the_toys_formula_says(e, length, n, block):
    memory = scan_memory(1, e, length, n, seed=length)
    arguments = dict(length=length, N=n, BLOCK=block)
    counted_triton.launch(triton_exercises.channel_scan, e, memory, "u delta A B C y", **arguments)
    assert np.allclose(memory.array("y"), expected_output(memory), atol=1e-5)
    assert memory.moved() == tiled_traffic(1, e, length, n, 1)
    assert len(memory.transfers) == e * (1 + 5 * -(-length // block))


@needs_triton
def test_masked_places_are_not_counted_and_without_another_value_they_hold_nothing():
    import triton.language as tl

    def kernel(x, y, n, BLOCK):
        at = tl.arange(0, BLOCK)
        tl.store(y + at, tl.load(x + at, mask=at < n))
        tl.store(y + BLOCK + at, tl.load(x + at, mask=at < n, other=7.0))

    memory = SlowMemory(x=[1.0, 2.0], y=(8,))
    counted_triton.launch(kernel, 1, memory, "x y", n=2, BLOCK=4)
    assert np.array_equal(memory.array("y"), [1, 2, np.nan, np.nan, 1, 2, 7, 7], equal_nan=True)
    assert memory.table() == {"x": (4, 0), "y": (0, 8)}


@needs_triton
@pytest.mark.parametrize(("shift", "name"), [(-1, "offset -1 lies outside of x"), (3, "offset 4 lies outside of x")])
def test_a_stray_is_told_its_array_and_its_line_of_the_kernel(shift, name):
    import triton.language as tl

    def kernel(x, y, BLOCK):
        tl.store(y + tl.arange(0, BLOCK), tl.load(x + shift + tl.arange(0, BLOCK)))

    memory = SlowMemory(x=[1.0, 2.0, 3.0, 4.0], y=(4,))
    with pytest.raises(IndexError, match=name) as caught:
        counted_triton.launch(kernel, 1, memory, "x y", BLOCK=2)
    assert "kernel" in [entry.name for entry in caught.traceback[:4]]
    assert not memory.moved()


@needs_triton
def test_what_python_was_given_as_a_string_is_not_taken_for_the_kernels_source(monkeypatch):
    """Python 3.13 remembers `python -c ...` as the source of "<string>"."""
    monkeypatch.setitem(linecache.cache, "<string>", (22, None, ["import sys; f = lambda: 0\n"], "<string>"))

    def kernel(x, y, BLOCK):
        tl.store(y + tl.arange(0, BLOCK), 2 * tl.load(x + tl.arange(0, BLOCK)))

    import triton.language as tl

    memory = SlowMemory(x=[1.0, 2.0], y=(2,))
    assert counted_triton.launch(kernel, 1, memory, "x y", BLOCK=2).array("y").tolist() == [2.0, 4.0]


@needs_triton
def test_the_kernels_own_error_comes_out_and_triton_is_as_it_was_afterwards():
    import triton.language as tl
    from triton.runtime.interpreter import interpreter_builder

    before = tl.sum, tl.load, interpreter_builder.create_masked_load

    def kernel(x, BLOCK):
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        counted_triton.launch(kernel, 1, SlowMemory(x=[1.0]), "x", BLOCK=2)
    assert before[:2] == (tl.sum, tl.load)
    assert before[2].__func__ is interpreter_builder.create_masked_load.__func__


@needs_triton
@pytest.mark.parametrize("mode", ["0", "1"])
def test_it_works_in_whatever_mode_triton_was_imported(mode):
    code = (
        "import triton.language\nfrom mgmr_lib.chapters.ch06_gpu_kernels.triton_exercises import EXERCISES\n"
        "from mgmr_lib.course.exercises import verdict\n"
        "print([verdict(e.id, f).state for e in EXERCISES for f in (e.reference, e.wrong[1].fn)])"
    )
    environment = os.environ | {"TRITON_INTERPRET": mode}
    ran = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert ran.stdout.strip().endswith(str(["passed", "wrong"] * 3)), ran.stderr


def test_without_triton_the_check_says_in_a_sentence_what_is_missing(monkeypatch, capsys):
    found = registry.importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None if name == "triton" else found(name, *a))
    for spec in triton_exercises.EXERCISES:
        verdict = exercises.verdict(spec.id, spec.reference)
        assert verdict.state == "not attempted" and "Linux on x86-64" in verdict.message
    exercises.check("06.6", lambda: None)
    assert 'needs triton, which exists for Linux on x86-64 only; hint("06.6", 3)' in capsys.readouterr().out
    with pytest.raises(CourseError, match="Linux on x86-64"):
        counted_triton.launch(lambda x: None, 1, SlowMemory(x=[1.0]), "x")
    assert counted_triton.jit(len) is len
