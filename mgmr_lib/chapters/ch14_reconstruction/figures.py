"""Drawings of 14 reconstruction; each function fills empty axes or an empty figure."""

import numpy as np

from mgmr_lib.course import figures

STYLES = {
    "mean": ("--", figures.GREY),
    "repeat the last": (":", figures.ORANGE),
    "straight line": ("-.", figures.GREEN),
}
MODULES = (("-", figures.BLUE), ("-", figures.RED), ("-", figures.PURPLE))


def fillings(ax, truth, keep, filled: dict) -> None:
    """One signal (l) with kept steps as dots, and what each rival puts into its gaps. filled = {name: (l)}."""
    steps = np.arange(len(truth))
    ax.plot(steps, truth, color=figures.GREY, lw=4, alpha=0.4, label="truth")
    for name, values in filled.items():
        style, colour = STYLES[name]
        ax.plot(steps, values, style, color=colour, lw=1.6, label=name)
    ax.plot(steps[keep], np.asarray(truth)[keep], "o", color="black", ms=5, label="kept")
    ax.set(xlabel="frame (17 a second)", ylabel="smile (standard deviations)")
    ax.legend(ncols=5, loc="upper center", bbox_to_anchor=(0.5, -0.22))


def error_panels(fig, rates, found: dict) -> None:
    """Error at lost steps over the missing rate, a panel a signal: found = {signal: {who: [error at each rate]}}."""
    axes = fig.subplots(1, len(found), sharey=True)
    handles: dict = {}
    for ax, (signal, errors) in zip(np.atleast_1d(axes), found.items(), strict=True):
        free = iter(MODULES)
        for who, values in errors.items():
            style, colour = STYLES[who] if who in STYLES else next(free)
            wide = (
                {"lw": 5, "alpha": 0.5} if who == "mean" else {"marker": "o", "ms": 4}
            )  # seen where another line lies on it
            handles.setdefault(who, ax.plot(rates, values, style, color=colour, **wide)[0])
        ax.set(title=signal, xlabel="missing rate", ylim=(0, 1.25))
    np.atleast_1d(axes)[0].set_ylabel("error at lost steps\n(standard deviations)")
    fig.legend(handles.values(), handles, loc="outside lower center", ncols=len(handles))


def late_camera(ax, errors: dict, lost: int) -> None:
    """Error of each step where the first `lost` ones are gone: errors = {who: (l)}."""
    for (who, values), (style, colour), marker in zip(
        errors.items(), (("--", figures.GREY), *MODULES), "^os", strict=False
    ):
        ax.plot(values, style, marker=marker, ms=5, color=colour, label=who)
    ax.axvspan(-0.5, lost - 0.5, color=figures.GREY, alpha=0.15, lw=0)
    ax.text(lost / 2 - 0.5, 0.04, "lost", ha="center", fontsize=9)
    ax.set(xlabel="step", ylabel="error (standard deviations)", ylim=(0, 1.05))
    ax.legend(loc="center right")


def gap_gates(ax, gates: dict, gap: tuple[int, int]) -> None:
    """The mean gate of each step where the steps from gap[0] to gap[1] - 1 are lost: gates = {signal: (l)}."""
    for (name, values), marker in zip(gates.items(), "os^", strict=False):
        ax.plot(values, marker=marker, ms=4, label=name)
    ax.axvspan(gap[0] - 0.5, gap[1] - 0.5, color=figures.GREY, alpha=0.15, lw=0)
    ax.text(sum(gap) / 2 - 0.5, 0.03, "lost", ha="center", fontsize=9)
    ax.set(xlabel="step", ylabel="gate Γ (share of x)", ylim=(0, 1))
    ax.legend(ncols=len(gates), loc="upper right")


def leak(fig, rates, losses: dict, errors: dict) -> None:
    """Left: what two losses say of a copier, {loss: [value at each rate]}; right: lost-step errors of two trainings."""
    left, right = fig.subplots(1, 2)
    for (name, values), marker in zip(losses.items(), "so", strict=True):
        left.plot(rates, values, marker=marker, label=name)
    left.set(title="what the loss says of a copier", xlabel="missing rate", ylabel="SmoothL1 (no unit)", ylim=(0, 0.62))
    left.legend(loc="upper left")
    for (name, values), marker in zip(errors.items(), "so", strict=True):
        right.plot(rates, values, marker=marker, label=name)
    right.set(
        title="what training with it gives",
        xlabel="missing rate",
        ylabel="error at lost steps\n(standard deviations)",
        ylim=(0, 0.95),
    )
    right.legend(loc="upper left")


def filled_ridge(ax, rates, errors: dict, blind: float) -> None:
    """Error of a ridge on clip averages for each way of filling, against the missing rate; the blind rival as a
    line."""
    for (name, values), marker, size in zip(errors.items(), "so^", (7, 10, 5), strict=False):
        ax.plot(rates, values, marker=marker, ms=size, label=name)
    ax.axhline(blind, ls="--", color=figures.GREY, lw=1)
    ax.text(rates[-1], blind + 0.003, "the mean label", va="bottom", ha="right", fontsize=9)
    ax.set_ylim(top=blind + 0.02)
    ax.set(xlabel="missing rate", ylabel="error (points)")
    ax.legend()


def recorded_ablation(ax, frame, names: dict) -> None:
    """Recorded curves (`ledger.curves`), one thin line a training run; names = {name in the ledger: what to call
    it}."""
    for (name, label), colour in zip(names.items(), (figures.BLUE, figures.RED), strict=False):
        part = frame[frame["name"] == name] if len(frame) else frame
        for i, (_, run) in enumerate(part.groupby("training_seed") if len(part) else ()):
            ax.plot(run["rate"], run["mae"], color=colour, lw=1.2, alpha=0.8, label=label if i == 0 else None)
    drawn = bool(ax.lines)
    ax.set(xlabel="missing rate", ylabel="error (points)")
    ax.set_title("Recorded: with and without reconstruction" if drawn else "Not recorded yet")
    if drawn:
        ax.legend()


def across_a_gap(fig, gap: int, truth, fill, start: int = 12, shown: int = 32) -> None:
    """One signal (l) with `gap` steps in a row lost, and `fill`(x (1,l,1), keep (1,l)), the straight line, there."""
    keep = truth.new_ones(1, len(truth)).bool()
    keep[0, start : start + gap] = False
    line, steps = fill(truth[None, :, None], keep)[0, :, 0], np.arange(shown)
    ax = fig.subplots()
    ax.plot(steps, truth[:shown], color=figures.GREY, lw=4, alpha=0.4, label="truth")
    ax.plot(steps[keep[0, :shown]], truth[:shown][keep[0, :shown]], "o", color="black", ms=4, label="kept")
    ax.plot(np.arange(start - 1, start + gap + 1), line[start - 1 : start + gap + 1], "-.", color=figures.GREEN,
            label="straight line")  # fmt: skip
    ax.axvspan(start - 0.5, start + gap - 0.5, color=figures.GREY, alpha=0.15, lw=0)
    ax.set(title=f"lost in a row: {gap}", xlabel="step", ylabel="swing (std. deviations)")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
