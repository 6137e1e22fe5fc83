"""What once passed in chapters 01 to 06."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from mgmr_lib.chapters.ch04_parallel_scan.exercises import compose
from mgmr_lib.chapters.ch05_mamba_block.exercises import bigram_bits, mamba_block

# --- 01


def _two_entries(h, x, A, B):
    return [sum(A[i][j] * h[j] for j in range(2)) + B[i] * x for i in range(2)]


def _small_after(steps):
    return lambda A: bool(np.abs(np.linalg.matrix_power(np.array(A), steps)).max() < 1)


# --- 02


def _slowed_down_only(turns, dt):
    while turns > 0.5 / dt:
        turns -= 1 / dt
    return turns


def _within(rate, half):
    """The remainder with another idea of the frame rate or of its half."""
    return lambda turns, dt: (turns + half(1 / dt)) % rate(1 / dt) - half(1 / dt)


def _zeros_in_front(u, K):
    size = 2 * len(u)
    both = torch.fft.rfft(F.pad(u, (len(u), 0)), size) * torch.fft.rfft(F.pad(K, (len(u), 0)), size)
    return torch.fft.irfft(both, size)[: len(u)]  # two delays of l steps are none on a circle of 2 l


# --- 03, 04


def _opens_only(shut, opened):
    bias = math.log(math.expm1(shut))
    return bias, abs(math.log(math.expm1(opened)) - bias)


def _rounds(reaches):
    def scan(steps, join=compose):
        known = list(steps)
        for r in reaches:
            known = known[:r] + [join(known[i - r], known[i]) for i in range(r, len(known))]
        return known

    return scan


def _grown_by_cat(a, x):
    h, out = torch.zeros_like(x[..., 0]), x[..., :0]
    for a_t, x_t in zip(a.unbind(-1), x.unbind(-1), strict=True):
        h = a_t * h + x_t
        out = torch.cat([out, h[..., None]], dim=-1)  # its backward makes views and writes nothing
    return out


# --- 05


def _linear_above(most):
    return lambda dt: torch.where(dt > most, dt, torch.log(torch.expm1(dt)))


def _at_least(least):
    return lambda dt: torch.log(torch.expm1(dt.clamp(min=least)))


def _block_in_float32(x, w):
    return mamba_block(x.float(), {name: t.float() for name, t in w.items()})


WRONG = {
    "01.4": {"two entries": _two_entries},
    "01.5": {f"power {steps}": _small_after(steps) for steps in (50, 200, 1000)},
    "02.2": {
        "fmod": lambda turns, dt: math.fmod(turns + 0.5 / dt, 1 / dt) - 0.5 / dt,
        "only from above": _slowed_down_only,
        "rounded to zero": lambda turns, dt: turns - int(turns * dt + 0.5) / dt,
        "whole rate": _within(int, lambda rate: int(rate) / 2),
        "nearest whole rate": _within(round, lambda rate: round(rate) / 2),
        "whole half": _within(float, lambda rate: rate // 2),
    },
    "03.2": {"weight above zero": _opens_only},
    "04.2": {"three rounds": _rounds((1, 2, 4)), "four rounds": _rounds((1, 2, 4, 8))},
    "04.6": {"88.7228": lambda decay: int(88.7228 / decay)},
    "05.2": {
        **{f"dt above {most}": _linear_above(most) for most in (1, 2, 3, 5)},
        **{f"dt at least {least}": _at_least(least) for least in (1e-2, 1e-3, 1e-4, 1e-5)},
        **{f"x at least {x}": lambda dt, x=x: torch.log(torch.expm1(dt)).clamp(min=x) for x in (-6, -10)},
    },
    "05.5": {
        "v from train": lambda train, test, v: bigram_bits(train, test, int(train.max()) + 1),
        "v from both": lambda train, test, v: bigram_bits(train, test, int(max(train.max(), test.max())) + 1),
        "v of train's characters": lambda train, test, v: bigram_bits(train, test, len(set(train.tolist()))),
    },
}

RIGHT = {
    "02.2": {
        "round": lambda turns, dt: turns - round(turns * dt) / dt,
        "remainder": lambda turns, dt: math.remainder(turns, 1 / dt),
    },
    "02.4": {"zeros in front": _zeros_in_front},
    "04.4": {"grown by cat": _grown_by_cat},
    "05.2": {
        "no overflow": lambda dt: dt + torch.log(-torch.expm1(-dt)),
        "exp less 1 in float32": lambda dt: torch.log(torch.exp(dt.float()) - 1),
    },
    "05.3": {"float32": _block_in_float32},
}
