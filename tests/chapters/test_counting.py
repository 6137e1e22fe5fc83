"""The counters that notebooks print from, on computations whose costs can be counted by hand."""

import time

import torch

from mgmr_lib.chapters.shared.counting import Written, cpu_seconds, graph_nodes, kept_for_backward, written_in_backward


def test_fresh_and_changed_tensors_are_written_and_views_are_not():
    x = torch.zeros(5, 4)
    with Written() as w:
        x.t()[1:].unbind(0)
    assert w.elements == 0
    with Written() as w:
        x + 1  # 20
        x.add_(1)  # 20
        torch.add(x[0], 1, out=x[1])  # 4
        x.sum()  # 1
    assert w.elements == 45


def test_a_backward_is_seen():
    x = torch.ones(6, requires_grad=True)
    assert written_in_backward(x * 2) == 6  # the sum's gradient is a view, the product's is written
    indexed = [
        written_in_backward(torch.stack([y[t] for t in range(n)]))
        for n in (32, 64)
        for y in [torch.ones(n, requires_grad=True) * 1]
    ]
    assert indexed[1] / indexed[0] > 3.5


def test_kept_blocks_count_once():
    x = torch.ones(10, requires_grad=True)
    assert kept_for_backward(lambda: x * 2) == 0
    assert kept_for_backward(lambda: x * x) == 10
    assert kept_for_backward(lambda: x.exp()) == 10
    y = x * 1
    assert kept_for_backward(lambda: torch.stack([p * p for p in y.unbind(0)])) == 10


def test_nodes_are_counted_once_each():
    x = torch.ones(3, requires_grad=True)
    y = x * x
    assert graph_nodes((y + y).sum()) == {"SumBackward0": 1, "AddBackward0": 1, "MulBackward0": 1, "AccumulateGrad": 1}
    assert graph_nodes(torch.stack([x[t] for t in range(3)]))["SelectBackward0"] == 3


def test_processor_time_grows_with_work():
    def work(n):
        return lambda: sum(range(n))

    assert cpu_seconds(work(300_000)) > cpu_seconds(work(300))
    assert cpu_seconds(lambda: time.sleep(0.01), repeats=1) < 0.01
