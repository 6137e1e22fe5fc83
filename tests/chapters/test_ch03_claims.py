"""What notebook 03 claims beyond tests/chapters/test_toys.py (which trains the contest itself), under a fresh seed."""

import random

import torch

from mgmr_lib.chapters.ch03_selection.exercises import gate_weights, kept, softplus
from mgmr_lib.chapters.ch03_selection.toys import CopyTask, accuracy, tiny_model, train

SEED = random.SystemRandom().randrange(10**6)
TASK = CopyTask()


def test_the_best_sum_over_steps_is_a_guess():
    """Least squares on all inputs contains every LTI system with a linear readout."""
    g = torch.Generator().manual_seed(SEED)
    (inputs, targets), (fresh, answers) = TASK.draw(20_000, g), TASK.draw(10_000, g)
    x, z = (torch.cat([i.flatten(1), torch.ones(len(i), 1)], dim=1).double() for i in (inputs, fresh))
    wanted = torch.nn.functional.one_hot(targets, 4).flatten(1).double()
    table = torch.linalg.lstsq(x, wanted, driver="gelsd").solution
    right = ((z @ table).unflatten(1, (3, 4)).argmax(-1) == answers).float().mean()
    assert right <= 1.1 * TASK.chance, f"seed {SEED}"
    products = (
        (inputs[..., :4] * inputs[..., 4:]).flatten(1).double(),
        (fresh[..., :4] * fresh[..., 4:]).flatten(1).double(),
    )
    table = torch.linalg.lstsq(products[0], wanted, driver="gelsd").solution
    right = ((products[1] @ table).unflatten(1, (3, 4)).argmax(-1) == answers).float().mean()
    assert right > 2 * TASK.chance, f"seed {SEED}: products of letter and bell do help a sum"


class Silenced(torch.nn.Module):
    def __init__(self, seed):
        super().__init__()
        self.model = tiny_model(TASK, (), seed)

    def forward(self, inputs):
        return self.model(inputs * inputs[..., 4:])


def test_silence_in_front_of_fixed_weights_helps_and_is_not_enough():
    model = Silenced(SEED)
    train(model, TASK, seed=SEED)
    assert 1.5 * TASK.chance < accuracy(model, TASK, seed=SEED).mean() < 0.95, f"seed {SEED}"


def test_gates_appear_by_training():
    model = tiny_model(TASK, ("delta",), SEED)
    train(model, TASK, seed=SEED)
    inputs, _ = TASK.draw(20, torch.Generator().manual_seed(SEED))
    with torch.no_grad():
        delta, bell = model.mixer.delta(model.embed(inputs)), inputs[..., 4] > 0
    opens = delta[bell].mean(0) / delta[~bell].mean(0)
    assert (opens > 4).sum() >= 4, f"seed {SEED}"


def test_what_is_kept_is_what_the_scan_keeps():
    from mgmr_lib.ssm import selective_scan

    delta, A = [0.3, 1.2, 0.05, 0.7], -0.8
    for t, k in enumerate(kept(delta, A)):
        u = torch.zeros(1, 1, 4, dtype=torch.float64)
        u[0, 0, t] = 1
        one = torch.ones(1, 1, dtype=torch.float64)
        y = selective_scan(u, torch.tensor([[delta]], dtype=torch.float64), A * one, one, one, backend="reference")
        assert abs(y[0, 0, -1].item() - k) < 1e-12


def test_a_gate_set_by_hand_is_where_it_was_set():
    bias, weight = gate_weights(0.005, 0.8)
    assert abs(softplus(bias) - 0.005) < 1e-12 and abs(softplus(bias + weight) - 0.8) < 1e-12
