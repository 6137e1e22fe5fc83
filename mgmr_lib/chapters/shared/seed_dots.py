"""Scores over training seeds: a dot for each seed, a bar at their mean."""


def seed_dots(ax, k: int, values: list[float], colour: str) -> None:
    """Column k of an axis: the seeds' dots side by side, and a bar at their mean."""
    spread = [k + 0.08 * (i - (len(values) - 1) / 2) for i in range(len(values))]
    ax.plot(spread, values, "o", color=colour, ms=7, alpha=0.8)
    ax.hlines(sum(values) / len(values), k - 0.25, k + 0.25, color=colour, lw=2)
