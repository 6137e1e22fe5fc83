"""The memory toy counts what was moved, serves what a GPU would serve, and its formulas are what kernels really
move."""

import numpy as np
import pytest
import torch

from mgmr_lib.chapters.ch06_gpu_kernels.memory_traffic import (
    SlowMemory,
    expected_output,
    launch,
    least_traffic,
    scan_memory,
    tiled_traffic,
    unfused_traffic,
)
from mgmr_lib.ssm import selective_scan


def test_loads_and_stores_are_counted_without_masked_places():
    memory = SlowMemory(v=np.arange(6.0).reshape(2, 3), out=(4,))
    assert memory.moved() == 0
    got = memory.load("v", np.array([0, 4, 9]), mask=np.array([True, True, False]), other=-1.0)
    assert got.tolist() == [0.0, 4.0, -1.0]
    memory.store("out", np.arange(4), 2.0, mask=np.arange(4) < 3)
    assert memory.array("out").tolist() == [2.0, 2.0, 2.0, 0.0]
    assert memory.table() == {"v": (2, 0), "out": (0, 3)}
    assert (memory.moved(), memory.moved(kind="read"), memory.moved("out", "write")) == (5, 2, 3)


def test_it_serves_the_neighbour_inside_and_refuses_outside():
    memory = SlowMemory(v=np.arange(6.0).reshape(2, 3))
    assert memory.load("v", 3) == 3.0  # the first number of the next row
    for offset in (-1, 6):
        with pytest.raises(IndexError, match="is a mask missing"):
            memory.load("v", offset)
        with pytest.raises(IndexError, match="is a mask missing"):
            memory.store("v", offset, 1.0)
    with pytest.raises(KeyError, match="no array 'w'"):
        memory.load("w", 0)


def test_looks_from_outside_are_copies():
    given = np.ones(3)
    memory = SlowMemory(v=given)
    memory.array("v")[0] = 5.0
    memory.store("v", 1, 7.0)
    assert memory.array("v").tolist() == [1.0, 7.0, 1.0] and given.tolist() == [1.0, 1.0, 1.0]


def test_the_expected_output_is_the_selective_scans():
    memory = scan_memory(2, 3, 7, 4, seed=3)
    u, delta, A, B, C = (torch.from_numpy(memory.array(k)) for k in ("u", "delta", "A", "B", "C"))
    want = selective_scan(u, delta, A, B.transpose(1, 2), C.transpose(1, 2), backend="reference")
    assert np.allclose(expected_output(memory), want.numpy(), atol=1e-12)


def fused(memory, i, row, tile, e, length, n):
    channels, states = i * tile + np.arange(tile), np.arange(n)
    inside, h = channels < e, np.zeros((tile, n))
    A = memory.load("A", channels[:, None] * n + states, inside[:, None])
    for t in range(length):
        at = (row * e + channels) * length + t
        u, dt = memory.load("u", at, inside), memory.load("delta", at, inside)
        B, C = (memory.load(name, (row * length + t) * n + states) for name in "BC")
        h = np.exp(dt[:, None] * A) * h + (dt * u)[:, None] * B
        memory.store("y", at, (h * C).sum(1), inside)


def unfused(memory, b, e, length, n):
    """Four kernels, whole arrays at a time."""
    for name in ("a", "x", "h"):
        memory.allocate(name, (b, e, length, n))

    def whole(name):
        array = memory.array(name)
        return memory.load(name, np.arange(array.size).reshape(array.shape))

    def put(name, values):
        memory.store(name, np.arange(values.size).reshape(values.shape), values)

    put("a", np.exp(whole("delta")[..., None] * whole("A")[:, None]))
    put("x", (whole("delta") * whole("u"))[..., None] * whole("B")[:, None])
    a, x, h = whole("a"), whole("x"), np.zeros((b, e, length, n))
    for t in range(length):
        h[:, :, t] = a[:, :, t] * (h[:, :, t - 1] if t else 0.0) + x[:, :, t]
    put("h", h)
    put("y", (whole("h") * whole("C")[:, None]).sum(3))


@pytest.mark.parametrize(("b", "e", "length", "n", "tile"), [(1, 4, 6, 3, 4), (2, 5, 7, 2, 2), (3, 1, 1, 1, 4)])
def test_the_formulas_are_what_kernels_move(b, e, length, n, tile):
    memory = launch(fused, scan_memory(b, e, length, n), tile, b, e, length, n)
    assert np.allclose(memory.array("y"), expected_output(memory))
    assert memory.moved() == tiled_traffic(b, e, length, n, tile)
    one = launch(fused, scan_memory(1, e, length, n), e, 1, e, length, n)
    assert one.moved() == least_traffic(1, e, length, n) == tiled_traffic(1, e, length, n, e)
    apart = scan_memory(b, e, length, n)
    unfused(apart, b, e, length, n)
    assert np.allclose(apart.array("y"), expected_output(apart))
    assert apart.moved() == unfused_traffic(b, e, length, n)
