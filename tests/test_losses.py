"""The joint loss against a loop over single numbers, and what it must not look at."""

import numpy as np
import pytest
import torch

from mgmr_lib.models.output import Output, Reconstruction
from mgmr_lib.training.losses import LossWeights, joint_loss, loss_counts


def random_output(seed=0, b=3):
    g = torch.Generator().manual_seed(seed)
    rebuilt = {}
    for m, (l, d) in {"text": (4, 6), "audio": (9, 2), "vision": (7, 3)}.items():
        value, target = (3 * torch.randn(b, l, d, generator=g, dtype=torch.float64) for _ in range(2))
        rebuilt[m] = Reconstruction(value.requires_grad_(), target, torch.rand(b, l, generator=g) < 0.4)
    prediction = torch.randn(b, generator=g, dtype=torch.float64, requires_grad=True)
    return Output(prediction, rebuilt), torch.randn(b, generator=g, dtype=torch.float64)


def slow_smooth_l1(r):
    total, count = 0.0, 0
    for i, t in np.argwhere(r.missing.numpy()):
        for x, y in zip(r.value[i, t].tolist(), r.target[i, t].tolist(), strict=True):
            total += 0.5 * (x - y) ** 2 if abs(x - y) < 1 else abs(x - y) - 0.5
            count += 1
    return total / count


def test_the_joint_loss_is_the_sum_of_its_parts_computed_one_number_at_a_time():
    output, labels = random_output()
    losses = joint_loss(output, labels, LossWeights(0.5, 2.0, 3.0))
    parts = {m: slow_smooth_l1(r) for m, r in output.reconstruction.items()}
    for m, value in parts.items():
        assert losses[m].item() == pytest.approx(value, abs=1e-12)
    task = np.mean(np.abs(output.prediction.detach().numpy() - labels.numpy()))
    assert losses["task"].item() == pytest.approx(task, abs=1e-12)
    want = task + 0.5 * parts["text"] + 2 * parts["audio"] + 3 * parts["vision"]
    assert losses["total"].item() == pytest.approx(want, abs=1e-12)


def test_observed_positions_get_no_gradient_and_targets_none_at_all():
    output, labels = random_output()
    for r in output.reconstruction.values():
        r.target.requires_grad_()
    joint_loss(output, labels, LossWeights())["total"].backward()
    for r in output.reconstruction.values():
        assert (r.value.grad[~r.missing] == 0).all() and (r.value.grad[r.missing] != 0).any()
        assert r.target.grad is None


def test_nothing_missing_costs_nothing_and_stays_finite():
    output, labels = random_output()
    for r in output.reconstruction.values():
        r.missing[:] = False
    losses = joint_loss(output, labels, LossWeights())
    assert losses["total"].item() == losses["task"].item()


def test_with_global_counts_the_parts_of_a_divided_batch_add_up():
    output, labels = random_output(b=4)
    whole = joint_loss(output, labels, LossWeights())["total"]
    counts = loss_counts(output, labels)

    def part(rows):
        rebuilt = {m: Reconstruction(r.value[rows], r.target[rows], r.missing[rows]) for m, r in output.reconstruction.items()}
        return joint_loss(Output(output.prediction[rows], rebuilt), labels[rows], LossWeights(), counts)["total"]

    assert (part(slice(0, 3)) + part(slice(3, 4))).item() == pytest.approx(whole.item(), abs=1e-12)
