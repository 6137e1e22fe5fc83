"""Drawings of notebook 06: the memories of a GPU, the roofline, the scan under a roof, three plans and their price."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mgmr_lib.chapters.ch06_gpu_kernels import warp_scans
from mgmr_lib.chapters.ch06_gpu_kernels.memory_traffic import tiled_traffic, unfused_traffic
from mgmr_lib.chapters.ch06_gpu_kernels.roofline import DEVICES, Memory, modelled_seconds, scan_cost
from mgmr_lib.course import figures


def memories(ax: Axes, levels: tuple[Memory, ...]) -> None:
    """From the arithmetic outwards: a box a level with its size, and between boxes an arrow as thick as what passes."""
    widest = max(level.bandwidth for level in levels)
    place = 2.1
    ax.text(place / 2 - 0.15, 0.5, "arithmetic", ha="center", va="center", fontsize=10)
    for i, level in enumerate(levels):
        on_chip = i < len(levels) - 1
        arrow = {"arrowstyle": "<->", "lw": 1 + 7 * (level.bandwidth / widest) ** 0.5, "color": figures.GREY}
        ax.annotate("", (place + 0.75, 0.5), (place - 0.35, 0.5), arrowprops=arrow)
        ax.text(place + 0.2, 0.72, f"{level.bandwidth / 1e12:.3g} TB/s", ha="center", fontsize=9)
        tall = 0.6 if on_chip else 1.1
        colour = figures.SKY if on_chip else figures.ORANGE
        ax.add_patch(Rectangle((place + 0.8, 0.5 - tall / 2), 1.9, tall, fc=colour, ec="black", alpha=0.6))
        size = f"{level.bytes / 2**20:.0f} MB" if level.bytes < 1e9 else f"{level.bytes / 1e9:.0f} GB"
        ax.text(
            place + 1.75,
            0.5,
            f"{level.name.replace(' and ', chr(10) + 'and ')}\n{size}".replace(", ", ",\n"),
            ha="center",
            va="center",
            fontsize=9,
        )
        place += 3.1
    ax.axvline(place - 2.5, color=figures.RED, ls=":", lw=1.5)
    ax.text(place - 2.55, -0.12, "the chip ends here", ha="right", fontsize=9, color=figures.RED)
    ax.set(xlim=(0, place), ylim=(-0.2, 1.2))
    ax.axis("off")


def roofline(ax: Axes, devices, costs) -> None:
    """Attainable operations/s over operations a byte: a roof a device, the last one's tensor cores too; a vertical line
    a computation."""
    span = sorted([2.0**k for k in range(-3, 13)] + [d.balance for d in devices])
    for device, style in zip(devices, ("-", "--", "-."), strict=False):  # no markers: nothing here is measured
        roof = [min(device.flops, x * device.bandwidth) / 1e12 for x in span]
        ax.plot(span, roof, style, label=device.name)
    last = devices[-1]
    above = [last.balance, last.tensor / last.bandwidth, span[-1]]
    roof = [min(last.tensor, x * last.bandwidth) / 1e12 for x in above]
    ax.plot(above, roof, ":", color=figures.RED, lw=2, label=f"{last.name}, tensor cores (16 bits)")
    top = 300 * max(d.tensor for d in devices) / 1e12  # the names stand above every roof
    for cost in costs:
        ax.axvline(cost.intensity, color=figures.GREY, ls="--", lw=1)
        ax.text(cost.intensity * 1.07, top, cost.name, rotation=90, va="top", fontsize=8)
    ax.set(
        xscale="log",
        yscale="log",
        ylim=(None, 1.3 * top),
        xlabel="arithmetic intensity (operations a byte)",
        ylabel="attainable (10$^{12}$ operations/s)",
    )
    ax.legend(loc="lower right", fontsize=8, frameon=True, framealpha=1)


def scan_under_roof(fig: Figure, state_size: int = 16, gpu: str = "H100") -> None:
    """Where the fused scan and the four kernels stand under a GPU's roof at this state size, as the model has it."""
    ax, sizes = fig.subplots(), (32, 1024, 2048, state_size)
    device = next(d for d in DEVICES if d.name == gpu)
    span = sorted([2.0**k for k in range(-3, 9)] + [device.balance])
    ax.plot(span, [min(device.flops, x * device.bandwidth) / 1e12 for x in span], color=figures.GREY, lw=2)
    ax.axhline(7 * device.exps / 1e12, ls=":", color=figures.RED)
    ax.text(0.14, 7 * device.exps / 1e12, "exponentials", color=figures.RED, va="bottom", fontsize=8)
    moved = {"four kernels": unfused_traffic(*sizes), "fused": tiled_traffic(*sizes, tile=32)}
    looks = zip(moved.items(), ("s", "o"), (figures.ORANGE, figures.BLUE), strict=True)
    for (name, numbers), marker, colour in looks:
        cost = scan_cost(name, numbers, *sizes)
        reached = cost.flops / modelled_seconds(cost, device)
        ax.plot(cost.intensity, reached / 1e12, marker, mfc="none", mew=2, color=colour, label=name)
    ax.set(
        xscale="log",
        yscale="log",
        ylim=(0.02, 200),
        title=f"{gpu}, n = {state_size}: fused, {reached / device.flops:.0%} of the arithmetic",
        xlabel="operations a byte",
        ylabel="10$^{12}$ operations/s",
    )
    ax.legend(loc="lower right", fontsize=8)


def plans_by_hands(ax: Axes, n: int = 32) -> None:
    """Turns that each plan takes for n steps, against the number of hands."""
    hands = [2**k for k in range((n - 1).bit_length() + 1)]
    for plan, marker in ((warp_scans.in_order, "s"), (warp_scans.doubling, "^"), (warp_scans.tree, "o")):
        turns = [warp_scans.turns(plan(n), h) for h in hands]
        ax.plot(hands, turns, marker + "-", label=plan.__name__.replace("_", " "))
    ax.set(xscale="log", yscale="log", xlabel="hands that work at the same time", ylabel=f"turns for {n} steps")
    ax.set_xticks(hands, [str(h) for h in hands])
    ax.set_yticks([5, 10, 20, 50, 100], ["5", "10", "20", "50", "100"])
    ax.minorticks_off()
    ax.legend()
