"""The map of networks that fuse: who exchanges what with whom, how many weights it has, how much it multiplies.

Everything on it is found in the networks: exchanges by watching them (`exchange.py`), weights and multiplications by
counting at the sizes of MOSI's longest clips.
"""

from dataclasses import dataclass

import torch

from mgmr_lib.chapters.shared.counting import Products
from mgmr_lib.chapters.shared.exchange import JOINT, Exchanges, exchanges
from mgmr_lib.course import figures
from mgmr_lib.experiments.complexity import MOSI_FRAMES, MOSI_WIDTHS, network, random_batch
from mgmr_lib.experiments.plan import VARIANTS

AT = {"text": (0.0, 1.0), "audio": (-0.95, -0.65), "vision": (0.95, -0.65), JOINT: (0.0, -0.1)}
LETTERS = {"text": "T", "audio": "A", "vision": "V", JOINT: "+"}
SMALL = (16, 5, 7)  # widths of the batch that is watched; who exchanges with whom does not depend on them


@dataclass(frozen=True)
class Entry:
    """A network on the map. weights: its parameters at published sizes, text encoder left out; products: what its
    matrix products multiply for one clip of MOSI's longest lengths."""

    label: str
    exchanges: Exchanges
    weights: int
    products: int


def survey(names) -> dict[str, Entry]:
    """{name in experiments/plan.py: what is found in that network}, with fresh weights."""
    return {name: _entry(name) for name in names}


def _entry(name: str) -> Entry:
    seen = exchanges(network(name, "fast", SMALL), random_batch((9, 11), 8, SMALL, words=6))
    full = network(name, "full", MOSI_WIDTHS).eval()
    clip = random_batch(MOSI_FRAMES, 1, MOSI_WIDTHS)
    with torch.no_grad(), Products() as done:
        full(clip)
    return Entry(VARIANTS[name].label, seen, sum(p.numel() for p in full.parameters()), done.count)


def draw_map(fig, entries: dict[str, Entry], columns: int = 5, small: bool = False) -> None:
    """A panel per network: T, A, V at the corners, "+" for what is joint."""
    rows = -(-len(entries) // columns)
    axes = fig.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, entry in zip(axes, entries.values(), strict=False):
        _panel(ax, entry.exchanges, small)
        ax.set_title(entry.label, fontsize=8 if small else 10, loc="center")
        cost = f"{_short(entry.weights)} weights\n{_short(entry.products)} products"
        ax.text(0, -1.12, cost, ha="center", va="top", fontsize=6.5 if small else 8, color="#333333")


def _short(n: int) -> str:
    return f"{n / 1e6:.1f} M" if n >= 1e6 else f"{n / 1e3:.0f} k"


def _panel(ax, found: Exchanges, small: bool) -> None:
    ax.set(xlim=(-1.4, 1.4), ylim=(-1.85, 1.4), aspect="equal")
    joint = any(found.meets) or any(JOINT in pair for pair in found.asks)
    for places in found.meets:
        for place in places - {JOINT}:
            ax.plot(*zip(AT[place], AT[JOINT], strict=True), color="#BBBBBB", lw=4, zorder=1, solid_capstyle="round")
    for pair in found.compared:
        ax.plot(*zip(*(AT[p] for p in pair), strict=True), ls=":", color=figures.RED, lw=1.8, zorder=2)
    for asker, asked in found.asks:
        if asker != asked:
            _arrow(ax, AT[asked], AT[asker])
    size = 9 if small else 13
    if (JOINT, JOINT) in found.asks:  # a ring around it: it asks itself
        ax.plot(*AT[JOINT], "o", ms=size + 6, mfc="white", mec=figures.BLUE, mew=1.3, zorder=3)
    for place, (x, y) in AT.items():
        if place == JOINT and not joint:
            continue
        alone = place in found.sides
        ax.plot(
            x,
            y,
            "o",
            ms=size,
            mfc=figures.SKY if place in found.rebuilt else "white",
            mec=figures.GREEN if alone else "#333333",
            mew=2.2 if alone else 0.8,
            zorder=4,
        )
        ax.text(x, y, LETTERS[place], ha="center", va="center", fontsize=5.5 if small else 7.5, zorder=5)


def _arrow(ax, start, end) -> None:
    """From who is asked to who asks: that is the way of what is found."""
    look = {"arrowstyle": "-|>", "connectionstyle": "arc3,rad=0.16", "color": figures.BLUE, "lw": 1.3}
    ax.annotate("", end, start, arrowprops=look | {"shrinkA": 7, "shrinkB": 7, "mutation_scale": 9}, zorder=3)
