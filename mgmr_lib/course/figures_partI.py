"""Drawings of Part I that are too long for a notebook's cell; one section per notebook, each function fills an empty figure."""

from mgmr_lib.course import figures

# --- 04 parallel scan ------------------------------------------------------------------------------------------------------


def scan_rounds(fig, joins: dict) -> None:
    """Which steps each join puts together, and in which round.

    joins: {title: [((first, middle, last), round), ...]}, the join of steps first..middle with middle+1..last.
    """
    axes = fig.subplots(1, len(joins), sharex=True, sharey=True)
    most = max(r for made in joins.values() for _, r in made)
    for ax, (title, made) in zip(axes, joins.items(), strict=True):
        lanes: dict[int, int] = {}
        widest = max(sum(r == k for _, r in made) for k in range(1, most + 1))
        for (first, middle, last), r in made:
            lane = lanes[r] = lanes.get(r, -1) + 1
            y = r - 0.42 + 0.84 * (lane + 0.5) / max(widest, 1)
            ax.plot([first - 0.4, middle + 0.45], [y, y], color=figures.BLUE, lw=2, solid_capstyle="butt")
            ax.plot([middle + 0.55, last + 0.4], [y, y], color=figures.ORANGE, lw=2, solid_capstyle="butt")
        ax.set(title=title, xlabel="time steps that are joined", ylim=(most + 0.6, 0.4), yticks=range(1, most + 1))
    axes[0].set_ylabel("round")


def growth(ax, lengths, costs: dict, ylabel: str) -> None:
    """Costs over lengths on logarithmic axes, one marker a method; the slope is the power of the length."""
    for (name, values), marker in zip(costs.items(), "os^Dv", strict=False):
        ax.plot(lengths, values, marker=marker, label=name)
    ax.set(xlabel="length l (steps)", ylabel=ylabel, xscale="log", yscale="log")
    ax.set_xticks(lengths, [str(n) for n in lengths])
    ax.minorticks_off()
    ax.legend()


def pairs_of_bars(ax, values: dict) -> None:
    """Horizontal bars, two and two in one colour, each with its value."""
    colours = [figures.PALETTE[i // 2 % len(figures.PALETTE)] for i in range(len(values))]
    bars = ax.barh(list(values), list(values.values()), color=colours)
    ax.bar_label(bars, fmt="%.2g", padding=3)
    ax.invert_yaxis()
    ax.set_ylabel("program")
