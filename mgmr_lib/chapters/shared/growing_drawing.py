"""One box-and-arrow drawing of x -> h -> y that grows through Part I: each notebook adds what it has found."""

from matplotlib.axes import Axes

from mgmr_lib.course import figures

STAGES = ("recurrence", "step", "selection")  # notebooks 01, 02 and 03
BOXES = {"B": (2.2, 1.0), "h": (4.4, 1.0), "C": (6.6, 1.0), "A": (4.4, 2.1), "D": (4.4, 0.1)}


def state_space(ax: Axes, stage: str) -> None:
    """Draw the state space model as it stands after `stage` (one of STAGES); what is new in it is orange."""
    if stage not in STAGES:
        raise ValueError(f"stage must be one of {', '.join(STAGES)}, but is {stage!r}")
    age = STAGES.index(stage)
    ax.axis("off")
    ax.set(xlim=(0, 8.8), ylim=(-0.4, 3.7 if age == 2 else 2.7))
    labels = {
        "recurrence": {"A": r"$\times\; A$", "B": r"$\times\; B$", "C": r"$C\,\cdot$"},
        "step": {"A": r"$\times\; \exp(\Delta A)$", "B": r"$\times\; \bar B$", "C": r"$C\,\cdot$"},
        "selection": {"A": r"$\times\; \exp(\Delta_t A)$", "B": r"$\times\; \Delta_t B_t$", "C": r"$C_t\,\cdot$"},
    }[stage] | {"D": r"$\times\; D$", "h": "state $h$"}
    new = {"recurrence": {"h"}, "step": {"A", "B"}, "selection": set()}[stage]
    for name, place in BOXES.items():
        _box(ax, labels[name], place, figures.ORANGE if name in new else figures.SKY)
    _flow(ax, "u" if age else "x")
    if stage == "selection":
        _selection(ax)


def _box(ax: Axes, label: str, place: tuple[float, float], colour: str) -> None:
    look = {"boxstyle": "round,pad=0.4", "fc": colour, "ec": "black"}
    ax.text(*place, label, ha="center", va="center", zorder=3, bbox=look)


def _arrow(ax: Axes, start, end, bend: float = 0.0, colour: str = "black") -> None:
    style = {"arrowstyle": "->", "lw": 1.4, "color": colour, "connectionstyle": f"arc3,rad={bend}"}
    ax.annotate("", end, start, arrowprops=style)


def _flow(ax: Axes, name: str) -> None:
    """Input -> B -> h -> C -> y, the way of h back into itself through A, and the shortcut D."""
    ax.text(0.3, 1.0, f"${name}_t$", va="center", ha="center")
    ax.text(8.5, 1.0, "$y_t$", va="center", ha="center")
    for start, end in (
        ((0.6, 1.0), (1.6, 1.0)),
        ((2.8, 1.0), (3.7, 1.0)),
        ((5.1, 1.0), (6.1, 1.0)),
        ((7.1, 1.0), (8.2, 1.0)),
    ):
        _arrow(ax, start, end)
    _arrow(ax, (5.0, 1.2), (5.2, 2.0), bend=0.5)
    _arrow(ax, (3.6, 2.0), (3.8, 1.2), bend=0.5)
    ax.text(5.32, 1.65, "one step\nlater", fontsize=8, va="center")
    _arrow(ax, (0.6, 0.85), (3.8, 0.1), bend=0.15)
    _arrow(ax, (5.0, 0.1), (8.2, 0.85), bend=0.15)


def _selection(ax: Axes) -> None:
    """The input chooses the time step, B and C."""
    ax.text(0.3, 3.3, "$x_t$\n(all channels)", va="center", ha="center", fontsize=9)
    _box(ax, r"$\Delta_t,\; B_t,\; C_t$ from $x_t$", (4.4, 3.3), figures.ORANGE)
    _arrow(ax, (0.9, 3.35), (3.2, 3.35), colour=figures.ORANGE)
    for start, end in (((3.3, 3.1), (2.3, 1.35)), ((4.4, 3.0), (4.4, 2.45)), ((5.5, 3.1), (6.5, 1.35))):
        _arrow(ax, start, end, colour=figures.ORANGE)
