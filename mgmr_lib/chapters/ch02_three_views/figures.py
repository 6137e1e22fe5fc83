"""Drawings of notebook 02: one small system in its three views."""

import math

from mgmr_lib.course import figures

Numbers = list[float]


def curve(rate: float, dt: float, u: Numbers, parts: int = 20) -> tuple[Numbers, Numbers]:
    """Times and h(t) of h' = rate h + u from h(0) = 0; the input of step k (the first is 1) is held over the step that
    ends at k dt."""
    times, h = [0.0], [0.0]
    for k, held in enumerate(u):
        for part in range(1, parts + 1):
            into = part * dt / parts
            times.append(k * dt + into)
            h.append(math.exp(rate * into) * h[k * parts] + math.expm1(rate * into) / rate * held)
    return times, h


def three_views(fig, rate: float, dt: float, u: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """A curve, a recurrence and a sum over the inputs of h' = rate h + u, y = h, on a few steps; returns the outputs of
    each."""
    factor, weight = math.exp(rate * dt), math.expm1(rate * dt) / rate
    flowing, stepping, summing = fig.subplots(1, 3, sharey=True)
    steps = range(1, len(u) + 1)

    times, h = curve(rate, dt, u)
    seen = h[len(h) // len(u) :: len(h) // len(u)]
    flowing.plot(times, h, color=figures.GREY, lw=3, alpha=0.6)
    flowing.set(title="1 a curve in time", xlabel="time (s)", ylabel="output y (no unit)")

    left, entered, y = [], [], 0.0
    for value in u:
        left.append(factor * y)
        entered.append(weight * value)
        y = left[-1] + entered[-1]
    stepping.bar(steps, left, color=figures.SKY, label="left of the dot before")
    stepping.bar(steps, entered, bottom=left, color=figures.ORANGE, label="enters now")
    stepping.set(title="2 step by step", xlabel="time step t")
    stepping.legend(loc="upper left")

    total = [0.0] * len(u)
    colours = iter((figures.BLUE, figures.GREEN, figures.PURPLE, figures.RED))
    for t, value in enumerate(u):
        if value == 0:
            continue
        share = [factor ** (s - t) * weight * value if s >= t else 0.0 for s in range(len(u))]
        summing.bar(steps, share, bottom=total, color=next(colours), label=f"from step {t + 1}")
        total = [a + b for a, b in zip(total, share, strict=True)]
    summing.set(title="3 a sum over the inputs", xlabel="time step t")
    summing.legend(loc="upper left")

    stepped = [a + b for a, b in zip(left, entered, strict=True)]
    flowing.plot([k * dt for k in steps], seen, "o", ms=5, color="black")
    stepping.plot(steps, stepped, "o", ms=5, color="black")
    summing.plot(steps, total, "o", ms=5, color="black")
    flowing.set_ylim(0, 1.45 * max(total))
    return seen, stepped, total
