"""What notebook 05 lets a learner move: the bias of a time step, and the memory that it makes."""

import math

from mgmr_lib.course import figures

ENTRIES = (1, 4, 16)  # of a state with A = -1, -2, ..., -16


def memory_of_bias(fig, bias: float = -3.0, steps: int = 1000) -> None:
    """Share of an input that is left after 1 to `steps` steps, in entries of the state, for softplus(bias) as Δ."""
    ax, delta = fig.subplots(), math.log1p(math.exp(bias))
    for n, colour, style in zip(ENTRIES, (figures.BLUE, figures.ORANGE, figures.GREEN), ("-", "--", ":"), strict=True):
        left = [math.exp(-delta * n * t) for t in range(1, steps + 1)]
        ax.plot(range(1, steps + 1), left, style, color=colour, label=f"entry {n}")
    half = f"{math.log(2) / delta:.3g} steps" if delta < math.log(2) else "under 1 step"
    ax.set(title=f"bias {bias:g}: Δ = {delta:.2g},\nhalf-life of entry 1: {half}", xscale="log")
    ax.set(xlabel="steps later", ylabel="share left", ylim=(-0.03, 1.03))
    ax.legend(fontsize=7, loc="upper right" if bias > -5 else "lower left")
