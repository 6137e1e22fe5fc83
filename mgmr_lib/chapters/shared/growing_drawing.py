"""One box-and-arrow drawing of x -> h -> y that grows through Part I: each notebook adds what it has found.

01 to 03 draw the model as it walks from step to step (`state_space`), 04 all steps at once (`all_steps`), and 05 puts
that into the whole block (`mamba_block`).
"""

from matplotlib.axes import Axes

from mgmr_lib.course import figures

Place = tuple[float, float]

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


def all_steps(ax: Axes) -> None:
    """Draw the same model when all steps are known: the loop through A is a fold (orange) of pairs."""
    ax.axis("off")
    ax.set(xlim=(0, 11.6), ylim=(-0.4, 3.7))
    boxes = {
        (2.6, 1.0): ("steps\n" + r"$(a_t,\; \Delta_t B_t\, u_t)$", figures.SKY),
        (5.2, 1.0): ("fold\n(tree or chunks)", figures.ORANGE),
        (7.5, 1.0): (r"states $h_1 \ldots h_l$", figures.SKY),
        (9.4, 1.0): (r"$C_t\,\cdot$", figures.SKY),
        (5.2, -0.15): (r"$\times\; D$", figures.SKY),
        (5.2, 3.2): (r"$\Delta_t,\; B_t,\; C_t$ from $x_t$, for all $t$", figures.SKY),
        (2.6, 2.25): (r"$a_t = \exp(\Delta_t A)$", figures.SKY),
    }
    for place, (label, colour) in boxes.items():
        _box(ax, label, place, colour)
    for place, label in (
        ((0.5, 1.0), r"$u_1 \ldots u_l$"),
        ((11.0, 1.0), r"$y_1 \ldots y_l$"),
        ((0.5, 3.2), "$x_1 \\ldots x_l$\n(all channels)"),
    ):
        ax.text(*place, label, ha="center", va="center", fontsize=10)
    _arrows(ax, ((1.05, 1.0), (1.6, 1.0)), ((3.6, 1.0), (4.2, 1.0)), ((6.2, 1.0), (6.6, 1.0)))
    _arrows(ax, ((8.4, 1.0), (8.9, 1.0)), ((9.8, 1.0), (10.45, 1.0)), ((1.2, 3.2), (3.4, 3.2)))
    _arrows(ax, ((3.5, 2.95), (2.9, 2.55)), ((2.6, 1.95), (2.6, 1.45)), ((4.3, 2.9), (3.1, 1.5)))
    _arrow(ax, (7.0, 2.95), (9.3, 1.35))
    _arrow(ax, (0.6, 0.75), (4.6, -0.15), bend=0.15)
    _arrow(ax, (5.8, -0.15), (10.9, 0.75), bend=0.15)


def mamba_block(ax: Axes) -> None:
    """Draw the whole block, with shapes on the arrows: the selective scan, and (orange) what 05 puts around it."""
    ax.axis("off")
    ax.set(xlim=(0, 10.4), ylim=(0, 2.9))
    boxes = {
        "in_proj": (0.9, 1.4),
        "conv1d\nsilu": (2.9, 2.3),
        "selective scan\n$A$, $D$": (6.2, 2.3),
        "x_proj\ndt_proj": (4.5, 1.2),
        "silu": (6.2, 0.3),
        "×": (7.9, 1.4),
        "out_proj": (9.2, 1.4),
    }
    for label, place in boxes.items():
        _box(ax, label, place, figures.SKY if label[:3] in ("sel", "x_p") else figures.ORANGE)
    arrows: list[tuple[Place, Place, str, Place]] = [
        ((0.0, 1.4), (0.4, 1.4), "$x$ $(b,l,d)$", (0.1, 1.85)),
        ((1.3, 1.65), (2.35, 2.25), "$u$ $(b,l,e)$", (1.35, 2.3)),
        ((3.45, 2.3), (5.3, 2.3), "$u'$", (4.2, 2.45)),
        ((3.6, 2.2), (4.05, 1.55), "", (0, 0)),
        ((5.05, 1.45), (5.7, 1.9), r"$\Delta$, $B$, $C$", (5.5, 1.45)),
        ((1.3, 1.15), (5.8, 0.25), "$z$ $(b,l,e)$", (2.4, 0.35)),
        ((7.1, 2.15), (7.7, 1.65), "$y$", (7.5, 2.1)),
        ((6.6, 0.35), (7.7, 1.15), "gate", (7.3, 0.55)),
        ((8.1, 1.4), (8.65, 1.4), "", (0, 0)),
        ((9.75, 1.4), (10.3, 1.4), "$(b,l,d)$", (9.75, 1.85)),
    ]
    for start, end, label, place in arrows:
        _arrow(ax, start, end)
        ax.text(*place, label, fontsize=9)


def _box(ax: Axes, label: str, place: Place, colour: str) -> None:
    look = {"boxstyle": "round,pad=0.4", "fc": colour, "ec": "black"}
    ax.text(*place, label, ha="center", va="center", zorder=3, bbox=look)


def _arrow(ax: Axes, start, end, bend: float = 0.0, colour: str = "black") -> None:
    style = {"arrowstyle": "->", "lw": 1.4, "color": colour, "connectionstyle": f"arc3,rad={bend}"}
    ax.annotate("", end, start, arrowprops=style)


def _arrows(ax: Axes, *ends: tuple[Place, Place]) -> None:
    for start, end in ends:
        _arrow(ax, start, end)


def _flow(ax: Axes, name: str) -> None:
    """Input -> B -> h -> C -> y, the way of h back into itself through A, and the shortcut D."""
    ax.text(0.3, 1.0, f"${name}_t$", va="center", ha="center")
    ax.text(8.5, 1.0, "$y_t$", va="center", ha="center")
    _arrows(ax, ((0.6, 1.0), (1.6, 1.0)), ((2.8, 1.0), (3.7, 1.0)), ((5.1, 1.0), (6.1, 1.0)), ((7.1, 1.0), (8.2, 1.0)))
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
