"""Drawings of Part I that are too long for a notebook's cell; one section per notebook, each function fills an empty
figure."""

import math

from mgmr_lib.course import figures

# --- 02 three views
# --------------------------------------------------------------------------------------------------------


def two_cameras(ax, rate: float, factor: float, frames: tuple[int, int] = (25, 50), seconds: float = 0.8) -> None:
    """A fading state, sampled by two cameras: with the factor from the rate (dots on the curve), and with a fixed
    factor (crosses)."""
    times = [seconds * k / 200 for k in range(201)]
    ax.plot(times, [math.exp(rate * t) for t in times], color=figures.GREY, lw=4, alpha=0.5, label="continuous")
    for n, marker, size, colour in zip(frames, "o.", (7, 8), (figures.BLUE, figures.ORANGE), strict=True):
        at = [k / n for k in range(int(seconds * n) + 1)]
        ax.plot(
            at,
            [math.exp(rate / n) ** k for k in range(len(at))],
            marker,
            ms=size,
            color=colour,
            label=f"{n} frames/s, same rate",
        )
        if factor != math.exp(rate / n) and n == frames[1]:
            ax.plot(
                at,
                [factor**k for k in range(len(at))],
                "x",
                ms=5,
                color=figures.RED,
                label=f"{n} frames/s, same factor {factor:g}",
            )
    ax.set(
        title="The same rate is the same memory; the same factor is not",
        xlabel="time (s)",
        ylabel="left of the clap (no unit)",
    )
    ax.legend()


def alias(ax, turns: tuple[float, float], rate: float, fade: float) -> None:
    """Two fading swings of `turns` turns per second over one second, and what `rate` samples per second see of both."""
    times = [k / 1000 for k in range(1001)]
    for f, colour, width in zip(turns, (figures.BLUE, figures.ORANGE), (2.4, 1.0), strict=True):
        swing = [math.exp(-fade * t) * math.cos(2 * math.pi * f * t) for t in times]
        ax.plot(times, swing, color=colour, lw=width, label=f"{f:g} turns a second")
    at = [k / rate for k in range(int(rate) + 1)]
    seen = [math.exp(-fade * t) * math.cos(2 * math.pi * turns[0] * t) for t in at]
    ax.plot(at, seen, "o", color="black", ms=5, label=f"samples, {rate:g} a second")
    ax.set(
        title="Between the samples anything may happen", xlabel="time (s)", ylabel="real part of the state (no unit)"
    )
    ax.legend(loc="upper right", ncols=3)


def recalls(fig, told: dict) -> None:
    """Recall over the lag, one panel for each input: told = {input: {start: R^2 (l)}}."""
    axes = fig.subplots(1, len(told), sharey=True)
    for ax, (title, starts) in zip(axes, told.items(), strict=True):
        for (name, r), style in zip(starts.items(), ("--", ":", "-.", "-", "-", (0, (6, 1))), strict=False):
            ax.plot(r, linestyle=style, label=name, lw=2.6 if name == "HiPPO" else 1.8)
        ax.set(title=title, xlabel="lag k (steps ago)", ylim=(-0.03, 1.03))
    axes[0].set_ylabel("recall R² (share of variance)")
    axes[-1].legend()


def trace_rows(fig, traces: dict, rows: int = 4) -> None:
    """The first rows of M (n,l) of each start, each scaled to a largest size of 1."""
    axes = fig.subplots(1, len(traces), sharey=True)
    for ax, (name, M) in zip(axes, traces.items(), strict=True):
        for row in M[:rows]:
            ax.plot(row / row.abs().max())
        ax.set(title=name, xlabel="lag k (steps ago)")
    axes[0].set_ylabel("weight in the state (scaled)")


# --- 03 selection
# ----------------------------------------------------------------------------------------------------------


def kept_letters(fig, calls: str, deltas: dict, kept) -> None:
    """Time steps (above) and what is left of each call at the end (below), one column for each of `deltas` = {title:
    list of l}.

    calls: a letter per step, capitals with a bell (drawn dark); kept(delta, A) -> list of l.
    """
    axes = fig.subplots(2, len(deltas), sharex=True, sharey="row")
    colours = [figures.BLUE if c.isupper() else figures.SKY for c in calls]
    for (above, below), (title, delta) in zip(axes.T, deltas.items(), strict=True):
        above.bar(range(len(calls)), delta, color=colours)
        above.set(title=f"time steps {title}")
        below.bar(range(len(calls)), kept(delta, -1.0), color=colours)
        below.set_xticks(range(len(calls)), list(calls))
        below.set_xlabel("call (capitals: with a bell)")
        for ax in (above, below):
            ax.grid(axis="x", visible=False)
    axes[0, 0].set_ylabel("time step Δ")
    axes[1, 0].set_ylabel("left at the end")


def ablation(fig, right: dict, losses: dict, chance: float, window: int = 10) -> None:
    """Accuracy by place for each model, and the smoothed loss of each over training."""
    bars, curves = fig.subplots(1, 2, width_ratios=(3, 2))
    for place, colour in zip(
        range(len(next(iter(right.values())))), (figures.BLUE, figures.ORANGE, figures.GREEN), strict=False
    ):
        at = [i + 0.27 * (place - 1) for i in range(len(right))]
        drawn = bars.bar(at, [r[place].item() for r in right.values()], 0.25, color=colour, label=f"place {place + 1}")
        bars.bar_label(drawn, fmt="%.2f", fontsize=6.5, padding=1)
    bars.axhline(chance, color="black", ls="--", lw=1)
    bars.set_xticks(range(len(right)), list(right))
    bars.set(
        title="delta alone suffices; B mixes up place 2",
        xlabel="what depends on the input",
        ylabel="right letters (share)",
        ylim=(0, 1.25),
    )
    bars.legend(ncols=3, loc="upper left")
    bars.grid(axis="x", visible=False)
    for (name, values), style in zip(losses.items(), (":", "--", "-.", "-", "-"), strict=False):
        smooth = [sum(values[i : i + window]) / window for i in range(len(values) - window + 1)]
        curves.plot(smooth, style, label=name)
    curves.axhline(-math.log(chance), color="black", ls="--", lw=1)
    curves.set(
        title="fixed weights stay at the loss of guessing",
        xlabel="training step",
        ylabel="cross-entropy (nats)",
        ylim=(-0.03, 1.6),
    )
    curves.legend(fontsize=8)


def learned_time(fig, calls: str, delta, opens, left) -> None:
    """Time steps of all channels as an image, and what the channels above the line keep of each call.

    delta: (l,e); opens: (e), how many times longer a channel's time step is with a bell (the line is drawn at 4);
    left: list of l, shares of what those channels hold at the end.
    """
    image, bars = fig.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    order = opens.argsort(descending=True)
    drawn = image.imshow(delta.log10()[:, order].T, aspect="auto", interpolation="nearest", vmin=-3, vmax=1)
    image.axhline((opens > 4).sum().item() - 0.5, color="white", lw=2)
    image.set(title="Above the line: channels that open when the bell rings", ylabel="channel (sorted)")
    image.grid(False)
    fig.colorbar(drawn, ax=image, label="time step Δ (log10)")
    bars.bar(range(len(calls)), left, color=[figures.BLUE if c.isupper() else figures.SKY for c in calls])
    bars.set_xticks(range(len(calls)), list(calls))
    bars.set(xlabel="call (capitals: with a bell)", ylabel="share kept")
    bars.grid(axis="x", visible=False)


# --- 04 parallel scan
# ------------------------------------------------------------------------------------------------------


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


# --- 06 GPU kernels
# --------------------------------------------------------------------------------------------------------


def memory_traffic(fig, kernels: dict) -> None:
    """The transfers of kernels in order: a row for each array in slow memory, blue for reads, orange for writes.

    kernels: {title: SlowMemory after its launch}. The area of a dot is the count of numbers that it moves.
    """
    axes = fig.subplots(1, len(kernels), squeeze=False)[0]
    most = max(o.size for memory in kernels.values() for _, _, o in memory.transfers)
    for ax, (title, memory) in zip(axes, kernels.items(), strict=True):
        rows = {name: i for i, name in enumerate(memory.table())}
        for kind, colour in (("read", figures.BLUE), ("write", figures.ORANGE)):
            made = [
                (i, rows[name], 6 + 110 * o.size / most)
                for i, (name, k, o) in enumerate(memory.transfers)
                if k == kind and o.size
            ]
            at, row, area = zip(*made, strict=True)
            ax.scatter(at, row, s=area, color=colour, label=kind, alpha=0.8, linewidth=0)
        labels = [f"{name}: {sum(memory.table()[name])}" for name in rows]
        ax.set(title=f"{title}\nscore {memory.moved()}", xlabel="transfer (in order)", ylim=(len(rows) - 0.4, -0.6))
        ax.set_yticks(range(len(rows)), labels)
    axes[0].set_ylabel("array: numbers moved")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)


# --- 05 Mamba block
# --------------------------------------------------------------------------------------------------------


def with_and_without(ax, pairs: dict, labels: tuple[str, str] = ("all parts", "without this part")) -> None:
    """Two bars for each name: (with, without), each with its value."""
    for i, (label, colour) in enumerate(zip(labels, (figures.BLUE, figures.ORANGE), strict=True)):
        bars = ax.bar(
            [k + 0.38 * (i - 0.5) for k in range(len(pairs))],
            [p[i] for p in pairs.values()],
            0.36,
            color=colour,
            label=label,
        )
        ax.bar_label(bars, fmt="%.2f", padding=2, fontsize=9)
    ax.set_xticks(range(len(pairs)), list(pairs))
    ax.grid(axis="x", visible=False)
    ax.legend()


# --- 07 both directions
# ----------------------------------------------------------------------------------------------------


def influence_maps(fig, maps: dict) -> None:
    """How much output t (downwards) depends on input s (to the right), one square a name, on a logarithmic scale."""
    axes = fig.subplots(1, len(maps), sharey=True)
    most = max(float(m.max()) for m in maps.values())
    for ax, (name, m) in zip(axes, maps.items(), strict=True):
        shown = (m / most).clamp(min=1e-6).log10()
        image = ax.imshow(shown.masked_fill(m == 0, float("nan")), vmin=-6, vmax=0)  # exact zeros stay white
        ax.set(title=name, xlabel="input step s")
        ax.grid(False)
    axes[0].set_ylabel("output step t")
    fig.colorbar(image, ax=axes, label="influence (log10, largest = 0)", shrink=0.85)
    fig.suptitle("Only both directions see the whole clip", x=0.01, ha="left")
