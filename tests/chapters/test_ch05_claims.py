"""What notebook 05 claims holds for seeds that it does not show; its streaming model equals its full pass."""

import math
import os

import pytest
import torch

from mgmr_lib.chapters.ch05_mamba_block.counting_rivals import witten_bell_bits
from mgmr_lib.chapters.ch05_mamba_block.exercises import bigram_bits
from mgmr_lib.chapters.ch05_mamba_block.language import CharModel, bits_per_character, train_characters
from mgmr_lib.chapters.ch05_mamba_block.tiny_text import TEXT, split
from mgmr_lib.chapters.ch05_mamba_block.toys import (
    AfterMark,
    AskedChannels,
    Echo,
    PartsBlock,
    SlowAverage,
    parts_model,
    train_parts,
)
from mgmr_lib.ssm import MambaBlock
from tests.chapters.enough import until

SEEDS = (11, int(os.environ.get("MGMR_TEST_SEED", "2027")))  # set MGMR_TEST_SEED to try another one


def errors(task, left_out: dict, seed: int, train: dict, **both) -> tuple[float, float]:
    return tuple(
        train_parts(parts_model(task, seed, **both, **parts), task, seed=seed, **train) for parts in ({}, left_out)
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_the_neighbour_is_learned_sooner_with_the_convolution(seed):
    whole, without = errors(AfterMark(), {"conv": False}, seed, {"steps": 120, "batch": 64, "lr": 5e-3}, d_model=32)
    assert whole < 0.2 and without > 0.6


@pytest.mark.parametrize(("taps", "low", "high"), [(1, 0.6, 1.0), (2, 0.0, 0.1)])
def test_the_neighbour_is_learned_through_two_taps_and_not_through_one(taps, low, high):
    model = parts_model(AfterMark(), SEEDS[1], d_model=32, d_conv=taps)
    error = train_parts(model, AfterMark(), steps=120, batch=64, lr=5e-3, seed=SEEDS[1])
    assert low <= error <= high


class Residual(torch.nn.Module):
    """`blocks` blocks without the convolution, each added to its input, between the first and last layer."""

    def __init__(self, task, seed: int, blocks: int):
        super().__init__()
        one = parts_model(task, seed, d_model=32, conv=False)
        more = [parts_model(task, seed + k, d_model=32, conv=False)[1] for k in range(1, blocks)]
        self.first, self.blocks, self.last = one[0], torch.nn.ModuleList([one[1], *more]), one[2]

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = x + block(torch.nn.functional.layer_norm(x, x.shape[-1:]))
        return self.last(x)


@pytest.mark.slow
def test_a_second_block_stands_in_for_the_convolution_from_some_starts_and_not_from_others():
    train = {"steps": 480, "batch": 64, "lr": 5e-3}
    error = lambda seed, blocks: train_parts(Residual(AfterMark(), seed, blocks), AfterMark(), seed=seed, **train)  # noqa: E731
    assert min(error(11, 1), error(2027, 1)) > 0.4
    seeds = (11, 2027, 6, 7, 9, 12, 13, 14)  # which of them learn depends on the processor
    both = lambda errors: min(errors) < 0.33 and max(errors) > 0.4  # noqa: E731
    two = until(both, (error(seed, 2) for seed in seeds))
    assert both(two), two


@pytest.mark.parametrize("seed", SEEDS)
def test_the_questions_are_learned_sooner_with_the_gate(seed):
    whole, without = errors(AskedChannels(), {"gate": False, "expand": 3}, seed, {"steps": 150, "lr": 2e-2})
    assert whole < 0.05 and without > 0.35


def test_the_rival_without_a_gate_has_as_many_weights_in_its_projections():
    gated, wider = (parts_model(AskedChannels(), **parts)[1] for parts in ({}, {"gate": False, "expand": 3}))
    used = wider.in_proj.weight[: wider.d_inner].numel() + wider.out_proj.weight.numel()
    assert used == gated.in_proj.weight.numel() + gated.out_proj.weight.numel()


@pytest.mark.parametrize("seed", range(8))
def test_a_fresh_block_is_nearly_mute_without_the_skip(seed):
    model = parts_model(Echo(), seed)
    x, _ = Echo().draw(64, torch.Generator().manual_seed(seed))
    scanned, skipped, _ = model[1].paths(model[0](x))
    assert scanned.square().mean() < 0.1**2 * skipped.square().mean()


@pytest.mark.parametrize("seed", range(3))
def test_time_steps_b_and_c_all_start_small_and_the_time_steps_alone_do_not_silence_the_scan(seed):
    x, _ = Echo().draw(64, torch.Generator().manual_seed(seed))
    for scales, largest in ((True, 0.1), (False, 1.0)):
        first, block, _ = parts_model(Echo(), seed, time_scales=scales)
        seen = []
        block.x_proj.register_forward_hook(lambda _, __, made, seen=seen: seen.append(made))
        with torch.no_grad():
            scanned, skipped, _ = block.paths(first(x))
            r, B, C = seen[0].split([block.dt_rank, block.d_state, block.d_state], dim=-1)
            delta = torch.nn.functional.softplus(block.dt_proj(r))
        assert max(v.square().mean().sqrt() for v in (B, C)) < 0.3 and delta.square().mean().sqrt() < largest
        assert scanned.square().mean() < 0.2**2 * skipped.square().mean()  # with time steps of nearly 1, too


@pytest.mark.parametrize("seed", SEEDS)
def test_the_echo_is_learned_faster_with_the_skip(seed):
    whole, without = errors(Echo(), {"skip": False}, seed, {"steps": 20, "batch": 16})
    assert without > 1.1 * whole


def test_a_long_memory_is_learned_sooner_from_log_uniform_time_steps():
    pairs = [
        errors(SlowAverage(), {"time_scales": False}, seed, {"steps": 45, "batch": 16})
        for seed in (*SEEDS, SEEDS[1] + 1)
    ]
    assert sum(without for _, without in pairs) > 1.25 * sum(whole for whole, _ in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_trained_longer_only_the_convolution_keeps_its_lead(seed):
    whole, without = errors(AfterMark(), {"conv": False}, seed, {"steps": 480, "batch": 64, "lr": 5e-3}, d_model=32)
    assert whole < 0.02 and 0.3 < without < 0.7
    for task, left_out, train, most in (
        (AskedChannels(), {"gate": False, "expand": 3}, {"steps": 600, "lr": 2e-2}, 0.03),
        (Echo(), {"skip": False}, {"steps": 200, "batch": 16}, 0.15),
        (SlowAverage(), {"time_scales": False}, {"steps": 180, "batch": 16}, 0.03),
    ):
        whole, without = errors(task, left_out, seed, train)
        assert max(whole, without) < most, f"{task}: {whole:.3f} with it, {without:.3f} without"


@pytest.mark.slow
def test_at_ten_times_the_training_most_seeds_are_as_far_without_the_skip_and_later_one_direction_is_left_at_most():
    most = lambda pairs: sum(0.8 < without / whole < 1.25 for whole, without in pairs) >= 6  # noqa: E731
    trained = (errors(Echo(), {"skip": False}, seed, {"steps": 200, "batch": 16}) for seed in range(10))
    tenfold = until(most, trained)
    assert most(tenfold), tenfold  # so at most four of ten can have twice the error, or half of it
    fortyfold = {seed: errors(Echo(), {"skip": False}, seed, {"steps": 800, "batch": 16}) for seed in (0, 1, 2, 3, 7)}
    left = [error for pair in fortyfold.values() for error in pair if error > 0.01]
    assert len(left) <= 3 and all(abs(error - 1 / 16) < 0.02 for error in left), fortyfold  # one direction of 16


def test_the_scan_has_a_quarter_of_the_weights_and_two_matrices_have_most():
    for width in (64, 256):
        sizes = {name: w.numel() for name, w in MambaBlock(width).state_dict().items()}
        ends = sizes["in_proj.weight"] + sizes["out_proj.weight"]
        scan = sum(sizes[k] for k in ("A_log", "x_proj.weight", "dt_proj.weight", "dt_proj.bias"))
        assert ends > 0.7 * sum(sizes.values()) and scan < 0.26 * sum(sizes.values())


@pytest.mark.parametrize("bias", [-7.0, -4.0, -2.0])
def test_a_bias_of_one_less_makes_the_memory_about_e_times_as_long(bias):
    lower, upper = torch.nn.functional.softplus(torch.tensor([bias - 1, bias])).tolist()
    assert upper / lower == pytest.approx(math.e, rel=0.05)


def test_with_all_parts_it_is_the_library_block():
    torch.manual_seed(0)
    parts, block = PartsBlock(8, 4), MambaBlock(8, 4)
    block.load_state_dict(parts.state_dict())
    x = torch.randn(2, 9, 8)
    assert torch.allclose(parts(x), block(x), atol=1e-6)


def test_the_language_model_streams_as_it_reads():
    model = CharModel(9, d_model=16, seed=3)
    ids = torch.randint(9, (2, 30), generator=torch.Generator().manual_seed(0))
    state, steps = model.allocate_state(2), []
    for column in ids.unbind(1):
        logits, state = model.step(column, state)
        steps.append(logits)
    assert torch.allclose(torch.stack(steps, 1), model(ids), atol=1e-5)


def test_the_language_model_beats_bigrams_only_where_there_is_an_order():
    characters = sorted(set(TEXT))
    train, test = (torch.tensor([characters.index(c) for c in part]) for part in split())
    v, generator = len(characters), torch.Generator().manual_seed(SEEDS[1])
    model = CharModel(v, d_model=32, seed=SEEDS[1])
    train_characters(model, train, steps=110, seed=SEEDS[1])
    assert bits_per_character(model, test) < bigram_bits(train, test, v) / 2
    mixed = [t[torch.randperm(len(t), generator=generator)] for t in (train, test)]
    control = CharModel(v, d_model=32, seed=SEEDS[1])
    train_characters(control, mixed[0], steps=110, seed=SEEDS[1])
    share = (torch.bincount(mixed[0], minlength=v) + 1) / (len(train) + v)
    assert bits_per_character(control, mixed[1]) > -torch.log2(share[mixed[1][1:]]).mean().item() - 0.05


def encoded() -> tuple[torch.Tensor, torch.Tensor, int]:
    characters = sorted(set(TEXT))
    return *(torch.tensor([characters.index(c) for c in part]) for part in split()), len(characters)


def test_the_best_table_of_counts_is_ahead_of_the_tiny_model():
    train, test, v = encoded()
    counted = [witten_bell_bits(train.tolist(), test.tolist(), order, v) for order in range(1, 8)]
    assert min(counted) == counted[4] and abs(counted[1] - bigram_bits(train, test, v)) < 0.3
    texts = train[: -len(test)].tolist(), train[-len(test) :].tolist()  # what chooses the order in the notebook
    kept_back = [witten_bell_bits(*texts, order, v) for order in range(1, 8)]
    assert min(kept_back) == kept_back[4]
    model = CharModel(v, d_model=32, seed=SEEDS[1])
    train_characters(model, train, steps=110, seed=SEEDS[1])
    assert counted[4] < bits_per_character(model, test) < counted[2]


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_longer_training_makes_the_held_out_text_dearer_and_the_training_text_cheaper(seed):
    train, test, v = encoded()
    bits = []
    for steps in (110, 440):
        model = CharModel(v, d_model=32, seed=seed)
        train_characters(model, train, steps=steps, seed=seed)
        bits.append((bits_per_character(model, test), bits_per_character(model, train)))
    (held_out, seen), (longer_held_out, longer_seen) = bits
    assert longer_held_out > 1.1 * held_out and longer_seen < 0.5 * seen


def test_most_strings_of_six_characters_of_the_held_out_text_stand_in_the_training_text_more_than_once():
    train, test = split()
    strings = [test[i : i + 6] for i in range(len(test) - 5)]
    assert sum(train.count(s) > 1 for s in strings) > 0.7 * len(strings)


def test_held_out_text_is_not_in_the_training_text():
    train, test = split()
    assert set(test) <= set(train)
    assert not any(paragraph in train for paragraph in test.split("\n\n"))
