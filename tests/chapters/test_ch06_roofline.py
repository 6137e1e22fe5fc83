"""The roofline model: its figures are the data sheets', its bounds are the right ones of three."""

import pytest

from mgmr_lib.chapters.ch06_gpu_kernels.roofline import (
    A100_MEMORIES,
    DEVICES,
    Cost,
    Device,
    attainable,
    matmul_cost,
    modelled_seconds,
    scan_cost,
)

TOY = Device("toy", bandwidth=10.0, flops=100.0, exps=20.0)


def test_the_devices_have_the_peaks_that_their_data_sheets_print():
    printed = {"T4": 8.1e12, "A100": 19.5e12, "H100": 67e12}
    assert {d.name for d in DEVICES} == set(printed)
    for d in DEVICES:
        assert d.flops == pytest.approx(printed[d.name], rel=0.01)
        assert d.exps < d.flops / 4 and 5 < d.balance < 40


def test_outwards_each_memory_of_the_a100_is_slower_and_the_last_one_is_its_main_memory():
    speeds = [level.bandwidth for level in A100_MEMORIES]
    assert speeds == sorted(speeds, reverse=True) and all(a > 2 * b for a, b in zip(speeds, speeds[1:], strict=False))
    assert A100_MEMORIES[-1].bandwidth == next(d for d in DEVICES if d.name == "A100").bandwidth
    assert all(level.bytes < A100_MEMORIES[-1].bytes / 1000 for level in A100_MEMORIES[:-1])


def test_tensor_cores_lie_well_above_the_ordinary_units():
    assert {d.name: d.tensor / 1e12 for d in DEVICES} == {"T4": 65, "A100": 312, "H100": 989}
    assert all(7.9 < d.tensor / d.flops < 17 for d in DEVICES)
    assert all(matmul_cost("m", 4096, bytes_each=2).intensity > d.tensor / d.bandwidth for d in DEVICES)


def test_the_bound_is_the_slowest_of_three():
    assert modelled_seconds(Cost("moves", 50, 1, 0), TOY) == 5.0
    assert modelled_seconds(Cost("computes", 1, 300, 0), TOY) == 3.0
    assert modelled_seconds(Cost("exps", 1, 100, 80), TOY) == 4.0


def test_the_two_roofs_meet_at_the_balance():
    assert attainable(TOY.balance, TOY.flops, TOY.bandwidth) == TOY.flops
    assert attainable(TOY.balance / 4, TOY.flops, TOY.bandwidth) == TOY.flops / 4
    assert attainable(TOY.balance * 4, TOY.flops, TOY.bandwidth) == TOY.flops


def test_the_costs_of_a_scan_and_of_a_product():
    cost = scan_cost("s", 1000, 2, 3, 5, 4, bytes_each=2)
    assert (cost.bytes, cost.flops, cost.exps) == (2000, 7 * 120, 120)
    assert matmul_cost("m", 8).intensity == pytest.approx(2 * 8**3 / (3 * 64 * 4))
    assert matmul_cost("m", 8, passes=2).bytes == 2 * matmul_cost("m", 8).bytes
