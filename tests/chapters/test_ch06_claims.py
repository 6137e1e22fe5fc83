"""What notebook 06 says, on other seeds and sizes than the notebook shows."""

import ast

import numpy as np
import pytest

from mgmr_lib.chapters.ch06_gpu_kernels import listing
from mgmr_lib.chapters.ch06_gpu_kernels.memory_traffic import (
    expected_output,
    launch,
    least_traffic,
    scan_memory,
    tiled_traffic,
    unfused_traffic,
)
from mgmr_lib.chapters.ch06_gpu_kernels.roofline import DEVICES, matmul_cost, modelled_seconds, scan_cost
from mgmr_lib.course.authoring.source import read_source
from mgmr_lib.paths import REPOSITORY
from tests.chapters.notebook_code import definitions

NB = definitions("06_gpu_kernels.py")


@pytest.mark.parametrize("seed", [5, 6])
@pytest.mark.parametrize(("b", "e", "length", "n", "tile"), [(1, 8, 5, 2, 4), (3, 4, 7, 5, 2)])
def test_the_first_kernel_is_right_and_wasteful_and_the_fused_one_as_thrifty_as_can_be(seed, b, e, length, n, tile):
    scores = []
    for name in ("first_kernel", "fused_kernel", "masked_kernel"):
        memory = launch(NB[name], scan_memory(b, e, length, n, seed), tile, b, e, length, n)
        assert np.allclose(memory.array("y"), expected_output(memory))
        scores.append(memory.moved())
    assert scores[1] == scores[2] == tiled_traffic(b, e, length, n, tile)
    # the state comes and goes at every step, and A comes again at every step but the first
    assert scores[0] == scores[1] + b * e * n * (2 * length + length - 1)


@pytest.mark.parametrize(("e", "tile"), [(5, 4), (6, 4), (7, 8)])
def test_without_a_mask_the_next_row_is_written_over_and_with_it_nothing_is(e, tile):
    length, n = 3, 2
    memory = scan_memory(2, e, length, n, seed=e)
    memory.allocate("A", np.pad(memory.array("A"), ((0, tile), (0, 0))))
    for i in range(-(-e // tile)):
        NB["first_kernel"](memory, i, 0, tile, e, length, n)
    assert (memory.array("y")[1, : -e % tile] != 0).all()
    memory = scan_memory(2, e, length, n, seed=e)
    for i in range(-(-e // tile)):
        NB["masked_kernel"](memory, i, 0, tile, e, length, n)
    assert not memory.array("y")[1].any() and memory.array("y")[0].all()


def test_fusion_gains_with_the_state_size_and_not_with_the_length():
    gain = {
        (length, n): unfused_traffic(8, 256, length, n) / least_traffic(8, 256, length, n)
        for length in (100, 1000)
        for n in (1, 8, 32)
    }
    assert gain[100, 32] > 2 * gain[100, 8] > 4 * gain[100, 1]
    assert gain[1000, 8] == pytest.approx(gain[100, 8], rel=0.1)


@pytest.mark.parametrize("device", DEVICES, ids=lambda d: d.name)
@pytest.mark.parametrize("sizes", [(32, 1024, 2048, 16), (8, 512, 1000, 16)])
def test_the_model_puts_the_scan_under_the_slope_and_the_product_under_the_flat_roof(device, sizes):
    b, e, length, n = sizes
    fused = scan_cost("fused", tiled_traffic(*sizes, tile=32), b, e, length, n)
    apart = scan_cost("apart", unfused_traffic(*sizes), b, e, length, n)
    twice = scan_cost("twice", 2 * tiled_traffic(*sizes, tile=32), b, e, length, n)
    assert apart.intensity < fused.intensity < device.balance < matmul_cost("m", 4096).intensity
    assert modelled_seconds(apart, device) > 10 * modelled_seconds(fused, device)
    assert modelled_seconds(twice, device) > 1.5 * modelled_seconds(fused, device)
    assert modelled_seconds(matmul_cost("m", 4096, passes=2), device) == modelled_seconds(
        matmul_cost("m", 4096), device
    )


@pytest.mark.parametrize("device", DEVICES, ids=lambda d: d.name)
def test_a_larger_state_brings_the_fused_scan_closer_to_the_roof_but_not_four_kernels(device):
    shares = {}
    for name, moved in (("fused", lambda s: tiled_traffic(*s, tile=32)), ("apart", lambda s: unfused_traffic(*s))):
        costs = [scan_cost(name, moved(s), *s) for s in ((8, 512, 1000, n) for n in (1, 4, 16, 64, 256))]
        shares[name] = [cost.flops / modelled_seconds(cost, device) / device.flops for cost in costs]
    assert shares["fused"] == sorted(shares["fused"]) and max(shares["apart"]) < 0.05
    assert shares["fused"][-1] == pytest.approx(7 * device.exps / device.flops)  # the exponentials' roof stops it


def test_every_note_in_the_margin_still_finds_its_line_of_the_kernel():
    cells = [
        c.source
        for c in read_source(REPOSITORY / "notebooks" / "src" / "06_gpu_kernels.py").cells
        if c.source.startswith("notes =")
    ]
    notes = ast.literal_eval(ast.parse(cells[0]).body[0].value)
    lines = listing.source_lines(REPOSITORY / "mgmr_lib" / "ssm" / "engines" / "triton_scan.py", "scan_forward")
    assert len(notes) >= 8 and all(any(key in line for line in lines) for key in notes)
