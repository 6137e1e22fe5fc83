"""Drawings of notebook 01: a state of two numbers that turns."""

import math
from collections.abc import Callable

from mgmr_lib.course import figures


def turning_state(states: list[list[float]]) -> Callable:
    """draw(fig, step): the state as an arrow in the plane with its trail, and its first number up to that step.

    states: the state (two numbers) after each step, the first one at step 0.
    """
    circle = [2 * math.pi * k / 100 for k in range(101)]

    def draw(fig, step: int) -> None:
        plane, read = fig.subplots(1, 2, width_ratios=[1, 1.7])
        plane.plot([math.cos(a) for a in circle], [math.sin(a) for a in circle], color=figures.GREY, lw=1)
        past = states[: step + 1]
        plane.plot([h[0] for h in past], [h[1] for h in past], ".-", color=figures.SKY, lw=1, ms=4)
        look = {"arrowstyle": "-|>", "lw": 2, "color": figures.BLUE, "shrinkA": 0, "shrinkB": 0}
        plane.annotate("", past[-1], (0, 0), arrowprops=look)
        plane.plot([past[-1][0]] * 2, [0, past[-1][1]], ":", color=figures.ORANGE)
        plane.plot(past[-1][0], 0, "o", ms=5, color=figures.ORANGE)
        plane.set(title=f"state after step {step}", xlim=(-1.15, 1.15), ylim=(-1.15, 1.15), aspect="equal")
        plane.set(xlabel="first number", ylabel="second number", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
        read.axhline(0, color=figures.GREY, lw=1)
        read.plot(range(step + 1), [h[0] for h in past], "o-", ms=4, color=figures.ORANGE)
        read.set(title="its first number, read off", xlabel="time step t", xlim=(-0.5, len(states) - 0.5))
        read.set(ylim=(-1.15, 1.15))

    return draw
