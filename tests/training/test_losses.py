"""The joint loss against a loop over single numbers, and what it must not look at."""

import numpy as np
import pytest
import torch

from mgmr_lib.models.output import Output, Reconstruction, class_index, class_shares, class_values, expected_value
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
        rebuilt = {
            m: Reconstruction(r.value[rows], r.target[rows], r.missing[rows]) for m, r in output.reconstruction.items()
        }
        return joint_loss(Output(output.prediction[rows], rebuilt), labels[rows], LossWeights(), counts)["total"]

    assert (part(slice(0, 3)) + part(slice(3, 4))).item() == pytest.approx(whole.item(), abs=1e-12)


def classifier(classes, step=1.0, b=6):
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(b, classes, generator=g, dtype=torch.float64, requires_grad=True)
    labels = 2 * torch.randn(b, generator=g, dtype=torch.float64)
    return Output(expected_value(logits, step), logits=logits, class_step=step), labels


def test_classification_costs_minus_log_of_the_true_classs_probability():
    output, labels = classifier(7)
    total = 0.0
    for row, y in zip(output.logits.tolist(), labels.tolist(), strict=True):
        true = int(np.clip(np.round(y), -3, 3)) + 3
        total -= np.log(np.exp(row[true]) / np.exp(row).sum())
    losses = joint_loss(output, labels, LossWeights())
    assert losses["task"].item() == losses["total"].item() == pytest.approx(total / len(labels), abs=1e-12)


def two_hot(y, values):
    """One label's shares among the classes' values, slowly: the nearer of its two neighbours gets the more."""
    y = min(max(y, values[0]), values[-1])
    return [max(0.0, 1 - abs(y - v) / (values[1] - values[0])) for v in values]


@pytest.mark.parametrize("classes, step", [(7, 1.0), (2, 1.0), (5, 0.5), (4, 1.5), (3, 0.2)])
def test_two_hot_classes_share_a_label_so_that_their_mean_is_the_label(classes, step):
    values = [(i - (classes - 1) / 2) * step for i in range(classes)]
    labels = torch.cat([torch.linspace(-4, 4, 81, dtype=torch.float64), torch.tensor(values, dtype=torch.float64)])
    shares = class_shares(labels, classes, step)
    assert torch.allclose(
        shares, torch.tensor([two_hot(y, values) for y in labels.tolist()], dtype=torch.float64), atol=1e-12
    )
    means = shares @ class_values(classes, step, labels)
    assert torch.allclose(means, labels.clamp(values[0], values[-1]), atol=1e-12)


def test_two_hot_classification_costs_each_of_the_two_classes_its_share():
    output, labels = classifier(7)
    total = 0.0
    for row, y in zip(output.logits.tolist(), labels.tolist(), strict=True):
        log_all = np.log(np.exp(row).sum())
        total -= sum(share * (x - log_all) for share, x in zip(two_hot(y, range(-3, 4)), row, strict=True))
    output.class_targets = "two-hot"
    losses = joint_loss(output, labels, LossWeights())
    assert losses["task"].item() == pytest.approx(total / len(labels), abs=1e-12)
    losses["task"].backward()  # the slope of cross-entropy: what is said minus what was asked, over the clips
    want = (output.logits.detach().softmax(-1) - class_shares(labels, 7)) / len(labels)
    assert torch.allclose(output.logits.grad, want, atol=1e-12)


def test_with_global_counts_the_classification_loss_of_a_divided_batch_adds_up():
    output, labels = classifier(3)
    counts = loss_counts(output, labels)
    parts = [
        joint_loss(Output(output.prediction[rows], logits=output.logits[rows]), labels[rows], LossWeights(), counts)[
            "total"
        ]
        for rows in (slice(0, 4), slice(4, 6))
    ]
    assert sum(parts).item() == pytest.approx(joint_loss(output, labels, LossWeights())["total"].item(), abs=1e-12)


@pytest.mark.parametrize("classes, limit", [(7, 3), (5, 2), (3, 1)])
def test_odd_numbers_of_classes_are_those_of_the_accuracies(classes, limit):
    labels = torch.linspace(-3, 3, 61)
    labels = torch.cat([labels, torch.arange(-3, 3.5, 0.5)])
    want = np.round(np.clip(labels.numpy(), -limit, limit)) + limit
    assert (class_index(labels, classes).numpy() == want).all()
    assert class_values(classes).tolist() == list(range(-limit, limit + 1))


def test_two_classes_split_at_zero_and_three_steps_of_a_fifth_are_those_of_sims():
    assert class_index(torch.tensor([-3.0, -0.2, 0.0, 0.2, 3.0]), 2).tolist() == [0, 0, 1, 1, 1]
    assert class_index(torch.tensor([-1.0, -0.6, -0.2, 0.0, 0.2, 1.0]), 3, 0.2).tolist() == [0, 0, 0, 1, 2, 2]


def test_a_sure_classifier_says_its_classs_value():
    assert expected_value(torch.tensor([[0.0, 0.0, 90.0, 0.0]])).item() == pytest.approx(0.5)
    assert expected_value(torch.zeros(1, 5)).item() == pytest.approx(0.0, abs=1e-6)
