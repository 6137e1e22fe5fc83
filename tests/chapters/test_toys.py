"""The toy tasks: balanced as they say, and solved by selection alone, also under a seed that nobody has tried."""

import math
import random

import pytest
import torch

from mgmr_lib.chapters.ch03_selection.toys import (
    SWITCHES,
    CopyTask,
    InductionTask,
    TinySSM,
    accuracy,
    tiny_model,
    train,
)

COPY, INDUCTION = CopyTask(), InductionTask()


def trained(task, selective, seed, **options):
    model = tiny_model(task, selective, seed, taps=2 if isinstance(task, InductionTask) else 1)
    losses = train(model, task, seed=seed, **options)
    return accuracy(model, task, seed=seed), losses


def generator(seed):
    return torch.Generator().manual_seed(seed)


def test_the_answer_of_copying_is_the_marked_letters_in_order():
    for task in (COPY, CopyTask(letters=6, rounds=9, keep=5), CopyTask(letters=2, rounds=1, keep=1)):
        inputs, targets = task.draw(50, generator(1))
        assert inputs.shape == (50, task.length, task.letters + 1) and targets.shape == (50, task.keep)
        for row, answer in zip(inputs, targets, strict=True):
            assert row[row[:, -1] == 1][:, :-1].argmax(-1).tolist() == answer.tolist()
        rounds = inputs[..., :-1].unflatten(1, (task.rounds, task.letters))
        assert (rounds.sum(2) == 1).all()  # every letter once a round
        assert (inputs[..., -1].unflatten(1, (task.rounds, task.letters)).sum(2) <= 1).all()


def test_plain_copying_holds_only_the_marked_steps_of_the_same_sequences():
    inputs, targets = COPY.draw(20, generator(3))
    plain, same = CopyTask(only_marked=True).draw(20, generator(3))
    assert torch.equal(targets, same)
    assert torch.equal(plain, inputs[inputs[..., -1] == 1].unflatten(0, (20, COPY.keep)))


def test_the_answer_of_induction_follows_the_first_mark():
    inputs, targets = INDUCTION.draw(200, generator(2))
    assert inputs.shape == (200, INDUCTION.length, 5)
    for row, answer in zip(inputs, targets, strict=True):
        marks = row[:, -1].nonzero().flatten().tolist()
        assert len(marks) == 2 and marks[1] == INDUCTION.length - 1
        assert row[marks[0] + 1, :-1].argmax() == answer
        assert (row[marks, :-1] == 0).all() and row[:, :-1].sum(0).tolist() == [INDUCTION.repeats] * 4
    assert len({row[:-1, -1].argmax().item() for row in inputs}) > 15  # the mark wanders


@pytest.mark.parametrize("task", [COPY, INDUCTION], ids=["copying", "induction"])
def test_no_single_step_says_anything_about_the_answer(task):
    """P(letter of step t = answer) is 1/letters, and marks say nothing about letters: the premise of "LTI is at
    chance"."""
    inputs, targets = task.draw(40_000, generator(5))
    for place in range(task.keep):
        for letter in range(task.letters):
            is_answer = (targets[:, place] == letter).float()
            features = inputs.flatten(1)
            shares = (features.T @ is_answer) / features.sum(0).clamp(min=1)
            shares = shares[features.sum(0) > 1500]
            assert (shares - task.chance).abs().max() < 0.06
            assert (shares - task.chance).abs().mean() < 0.01


@pytest.mark.parametrize("selective", [(), ("delta",), ("B",), ("C",), SWITCHES])
def test_without_selection_and_only_then_the_model_adds_up_over_steps(selective):
    """Logits of an LTI model are a sum over steps: f(x) + f(y) = f(x + y) + f(0)."""
    model = tiny_model(INDUCTION, selective, seed=4, taps=2).double()
    x, y = (INDUCTION.draw(8, generator(s))[0].double() for s in (1, 2))
    adds_up = torch.allclose(model(x) + model(y), model(x + y) + model(torch.zeros_like(x)), atol=1e-9)
    assert adds_up == (selective == ())


def test_the_model_is_causal_and_its_time_steps_follow_the_input_only_where_delta_is_selective():
    x = torch.randn(2, 9, 32, generator=generator(0))
    changed = x.clone()
    changed[:, 6:] += 1
    for selective in ((), ("delta",), SWITCHES):
        layer = tiny_model(COPY, selective, seed=1, taps=3).mixer
        assert torch.allclose(layer(x)[:, :6], layer(changed)[:, :6], atol=1e-6)
        assert (layer.delta(x) > 0).all()
        assert (layer.delta(x).std(1) > 0).any() == ("delta" in selective)


def test_seeds_decide_everything_and_nobody_elses_random_numbers_are_spent():
    before = torch.random.get_rng_state()
    runs = [train(tiny_model(COPY, seed=s), COPY, steps=3, seed=s) for s in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("bad", [dict(letters=1), dict(keep=0), dict(keep=7)])
def test_impossible_tasks_are_refused(bad):
    with pytest.raises(ValueError, match="keep <= rounds"):
        CopyTask(**bad)
    with pytest.raises(ValueError, match="selective may hold"):
        TinySSM(4, selective=("dt",))
    with pytest.raises(ValueError, match="1 repeat"):
        InductionTask(repeats=0)


def test_selection_solves_selective_copying_and_without_it_the_model_guesses():
    seed = random.SystemRandom().randrange(10**6)
    lti, losses = trained(COPY, (), seed)
    assert lti.mean() <= 1.5 * COPY.chance, f"seed {seed}"
    assert sum(losses[-50:]) / 50 > math.log(COPY.letters) - 0.03, f"seed {seed}: no step helps, so the loss stays"
    assert trained(COPY, SWITCHES, seed)[0].mean() >= 0.95, f"seed {seed}"


def test_without_selection_plain_copying_is_easy():
    assert trained(CopyTask(only_marked=True), (), 8)[0].mean() >= 0.95


def test_delta_alone_suffices_B_alone_loses_the_order_and_C_alone_comes_too_late():
    found = {name: trained(COPY, (name,), 77)[0].mean() for name in SWITCHES}
    assert found["delta"] >= 0.95
    assert 1.5 * COPY.chance < found["B"] < 0.95
    assert found["C"] <= 1.5 * COPY.chance


def test_induction_needs_selection_too():
    seed = random.SystemRandom().randrange(10**6)
    assert trained(INDUCTION, (), seed)[0].mean() <= 1.5 * INDUCTION.chance, f"seed {seed}"
    assert trained(INDUCTION, ("delta",), seed)[0].mean() >= 0.95, f"seed {seed}"
