"""Drawings of notebook 26 (the third rule)."""

import math

import torch
from torch import Tensor

from mgmr_lib.course import figures


def curves(ax, exact, rules: dict) -> None:
    """The exact state, a function of time, and {name: (times, states)} of rules as dots."""
    longest = max(float(t[-1]) for t, _ in rules.values())
    t = torch.linspace(0, longest, 400, dtype=torch.float64)
    ax.plot(t.tolist(), exact(t).tolist(), color=figures.GREY, lw=1.5, label="exact")
    for (name, (at, states)), marker, colour in zip(rules.items(), "os^", figures.PALETTE, strict=False):
        ax.plot(at.tolist(), states.tolist(), marker, ms=4, color=colour, label=name)
    ax.set(xlabel="time (s)", ylabel="state (no unit)")
    ax.legend(ncols=4, loc="upper right")


def orders(ax, steps: list[float], errors: dict[str, list[float]]) -> None:
    """Errors over the step, both axes logarithmic. errors: {rule: one for each step}."""
    for (name, e), marker in zip(errors.items(), "v^os", strict=False):
        ax.loglog(steps, e, marker=marker, ms=5, label=name)
    ax.set_xticks(steps, [f"{dt:.3g}" for dt in steps])
    ax.minorticks_off()
    ax.set(xlabel="step (s)", ylabel="largest error (state)")
    ax.legend()


def rows_of_ones(fig, counts, fading: dict[float, list[float]], turning: list[float]) -> None:
    """States after each of `counts` presses: fading factors on the left, a half turn on the right."""
    left, right = fig.subplots(1, 2)
    for a, colour in zip(fading, figures.PALETTE, strict=False):
        _presses(left, counts, fading[a], colour, f"a = {a}")
    _presses(right, counts, turning, figures.GREEN, "a = -1")
    left.set_title("What fades climbs to a ceiling")
    right.set_title("What turns comes back")
    left.set_ylabel("state (no unit)")
    for ax, tops in ((left, list(fading.values())), (right, [turning])):
        ax.set_ylim(-0.4, 1.45 * max(map(max, tops)))  # room for the legend
        ax.legend(ncols=2, loc="upper left", fontsize=8)


def _presses(ax, counts, states, colour, name: str) -> None:
    ax.plot(counts, states, color=colour, lw=1)
    for odd in (1, 0):
        at = [(c, h) for c, h in zip(counts, states, strict=True) if c % 2 == odd]
        filled = colour if odd else "white"
        ax.plot(*zip(*at, strict=True), "o", ms=5, color=colour, mfc=filled, label=f"{name}, {('off', 'on')[odd]}")
    ax.set_xlabel("presses")


def tracking(fig, panels: dict[str, dict[str, list[list[float]]]], chances: list[float], times: tuple) -> None:
    """One panel a task: each seed's share of right answers (a dot) and their mean (a line) over the length.

    panels: {title: {network: one list of seeds for each length}}.
    """
    axes = fig.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, (title, networks), chance in zip(axes, panels.items(), chances, strict=True):
        for i, ((name, seeds), marker) in enumerate(zip(networks.items(), "os^vD", strict=False)):
            places = [j + 0.1 * (i - (len(networks) - 1) / 2) for j in range(len(times))]
            colour = figures.PALETTE[i]
            ax.plot(places, [sum(s) / len(s) for s in seeds], color=colour, lw=1.2)
            for place, s in zip(places, seeds, strict=True):
                ax.plot([place] * len(s), s, marker, ms=5, alpha=0.8, color=colour)
            ax.plot([], [], marker + "-", color=colour, label=name)
        ax.axhline(chance, color=figures.GREY, ls=":", lw=1, label="a guess")
        ax.set_xticks(range(len(times)), [f"{t} x" for t in times])
        ax.set(title=title, xlabel="length (training's = 1 x)", ylim=(-0.03, 1.05))
    axes[0].set_ylabel("right answers, last step (share)")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=8)


def learned_turns(ax, turns: Tensor) -> None:
    """Where each pair of each head turns to at each number, a ring for each pair, the first one innermost.

    turns: (k, heads, angles) in whole turns.
    """
    k, heads, angles = turns.shape
    radius = torch.linspace(0.55, 1.3, heads * angles, dtype=torch.float64)
    circle = torch.linspace(0, 2 * math.pi, 200)
    for r in radius.tolist():
        ax.plot((r * circle.cos()).tolist(), (r * circle.sin()).tolist(), color=figures.GREY, lw=0.6, alpha=0.6)
    for stop in range(k):
        at = 2 * math.pi * stop / k
        ax.plot([0, 1.3 * math.cos(at)], [0, 1.3 * math.sin(at)], ":", color=figures.GREY, lw=1)
    for number, marker in zip(range(k), "osD^v", strict=False):
        at = 2 * math.pi * turns[number].flatten().double()
        x, y = (radius * at.cos()).tolist(), (radius * at.sin()).tolist()
        ax.plot(x, y, marker, ms=7, color=figures.PALETTE[number], label=f"at a {number}", ls="none")
    ax.set_aspect("equal")
    ax.grid(False)
    ax.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), xlabel="cos (turn)", ylabel="sin (turn)")
    ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))


def swings(ax, shares: dict[str, list[float]], trained: int) -> None:
    """Shares of right answers after each step, a line for each name; the first `trained` steps are shaded."""
    ax.axvspan(1, trained, color="#EEEEEE", lw=0)
    for (name, values), style, colour in zip(shares.items(), ("-", "--", "-.", ":"), figures.PALETTE, strict=False):
        ax.plot(range(1, len(values) + 1), values, style, color=colour, lw=1.6, label=name)
    ax.axhline(0.5, color=figures.GREY, lw=0.8)
    ax.set(xlabel="step", ylabel="right answers (share)", ylim=(-0.03, 1.05), xlim=(1, None))
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8)
