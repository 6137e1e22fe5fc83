"""Drawings of 09 break the data."""

import numpy as np
from matplotlib.colors import ListedColormap

from mgmr_lib.course import figures
from mgmr_lib.data.corpus import MODALITIES, Split
from mgmr_lib.data.missing import valid_steps

NAMES = {"text": "text", "audio": "voice", "vision": "face"}
MARKERS = "os^Dv"


def mask_grid(fig, split: Split, keep: dict[str, np.ndarray]) -> None:
    """Which cells of each modality's rectangle are kept (2, blue), missing (1, orange) or padding (0, white), a row a
    clip."""
    valid = valid_steps(split)
    axes = fig.subplots(1, 3, sharey=True, width_ratios=[1, 2, 2])
    for ax, modality in zip(axes, MODALITIES, strict=True):
        _cells(ax, valid[modality], keep[modality])
        ax.set(title=NAMES[modality], xlabel="token" if modality == "text" else "frame")
    axes[0].set(ylabel="clip", yticks=[])


def _cells(ax, valid: np.ndarray, keep: np.ndarray) -> None:
    colours = ListedColormap(["white", figures.ORANGE, figures.BLUE])
    ax.imshow(valid.astype(int) + keep, aspect="auto", interpolation="nearest", cmap=colours, vmin=0, vmax=2)
    ax.grid(False)


def mask_patterns(fig, split: Split, masks: dict[str, dict[str, np.ndarray]]) -> None:
    """The cells of `mask_grid` for several masks of the same clips: a column per mask, a row of panels per modality."""
    valid = valid_steps(split)
    axes = fig.subplots(len(MODALITIES), len(masks), squeeze=False)
    for column, (name, keep) in zip(axes.T, masks.items(), strict=True):
        for ax, modality in zip(column, MODALITIES, strict=True):
            _cells(ax, valid[modality], keep[modality])
            ax.set(yticks=[], xlabel="token" if modality == "text" else "frame")
        column[0].set(title=name)
    for ax, modality in zip(axes[:, 0], MODALITIES, strict=True):
        ax.set(ylabel=f"{NAMES[modality]}: clips")


def beside_gaps(fig, rates, distances: dict[str, list[float]], errors: dict[str, list[float]], blind: float) -> None:
    """Left: how far a lost step is from the nearest kept one. Right: errors of a filling, dashed where a name says
    "shuffled", and the blind filling's. A line a name, over the rates."""
    left, right = fig.subplots(1, 2)
    looks = {"frames": ("o", figures.BLUE), "bursts": ("s", figures.ORANGE), "modality": ("^", figures.GREEN)}
    for ax, lines in ((left, distances), (right, errors)):
        for name, values in lines.items():
            marker, colour = looks[name.split(",")[0]]
            ax.plot(rates, values, marker, ls=":" if "shuffled" in name else "-", color=colour, label=name)
        ax.set(xlabel="missing rate")
    left.set(title="to the nearest kept frame", ylabel="median distance (frames)", yscale="log")
    left.set_yticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    left.minorticks_off()
    right.axhline(blind, ls="--", color=figures.GREY, lw=1.2, label="blind filling")
    right.set(title="error of the straight line", ylabel="mean absolute error (deviations)", ylim=(0, None))
    fig.legend(*right.get_legend_handles_labels(), loc="outside right upper")


def lead_curves(fig, kinds: dict[str, dict[float, dict[str, float]]]) -> None:
    """One panel a kind of loss: {kind: {rate: {modality: share of the lead that is left}}}, and the line 1 - rate."""
    axes = fig.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    for ax, (kind, shares) in zip(axes, kinds.items(), strict=True):
        rates = list(shares)
        ax.plot([0, 1], [1, 0], "--", color=figures.GREY, lw=1, label="1 - rate")
        for modality, marker in zip(MODALITIES, MARKERS, strict=False):
            ax.plot(rates, [shares[r][modality] for r in rates], marker + "-", label=NAMES[modality])
        ax.set(title=kind, xlabel="missing rate")
    axes[0].set(ylabel="share of the lead left")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper")


def error_curves(ax, rates, named: dict, blind: float) -> None:
    """Errors against the rate, a line a name, and the blind rival's."""
    for (name, errors), marker in zip(named.items(), MARKERS, strict=False):
        ax.plot(rates, errors, marker + "-", label=name)
    ax.axhline(blind, ls="--", color=figures.GREY, lw=1.2, label="blind rival")
    ax.set(xlabel="missing rate", ylabel="mean absolute error (points)")
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside right upper")


def shared_seed(fig, errors: dict[str, list[float]], rates, duets: dict[str, list[float]]) -> None:
    """Left: errors of the reader that lets modalities stand in, a dot per mask seed. Right: the comparing reader's
    curves."""
    left, right = fig.subplots(1, 2)
    colours = {"own seeds": figures.BLUE, "one seed": figures.RED}
    for row, (name, values) in enumerate(errors.items()):
        left.plot(values, np.full(len(values), row), "|", ms=14, mew=1, color=colours[name])
        left.plot([np.mean(values)], [row], "D", color=colours[name])
    left.set(
        title="stands in: error, a line a mask seed",
        xlabel="mean absolute error (points)",
        yticks=range(len(errors)),
        yticklabels=list(errors),
        ylabel="masks",
        ylim=(-0.6, len(errors) - 0.4),
    )
    for (name, values), marker in zip(duets.items(), MARKERS, strict=False):
        right.plot(rates, values, marker + "-", color=colours[name], label=name)
    right.set(
        title="compares (toy): correlation", xlabel="missing rate", ylabel="correlation with the label", ylim=(0, 1.05)
    )
    right.legend(loc="lower left")


def lucky_draws(ax, values: np.ndarray, best: float) -> None:
    """How one reader's correlation varies with the mask seed; lines at the mean and at the average best of twenty."""
    ax.hist(values, bins=25, color=figures.SKY)
    for at, colour, label in ((float(np.mean(values)), figures.GREY, "mean"), (best, figures.RED, "best of twenty")):
        ax.axvline(at, color=colour, lw=2, label=label)
    ax.set(
        title="Twenty looks are worth a few hundredths",
        xlabel="correlation with the label",
        ylabel="mask seeds (number)",
    )
    ax.legend(loc="upper left")


def intervals(ax, found: dict[str, dict[str, float]], blind: float) -> None:
    """A row a name: value and interval ({"value", "low", "high"}), and the blind rival's error."""
    for row, (_, v) in enumerate(reversed(found.items())):
        ax.plot([v["low"], v["high"]], [row, row], color=figures.BLUE)
        ax.plot([v["value"]], [row], "o", color=figures.BLUE)
    ax.axvline(blind, ls="--", color=figures.GREY, lw=1.2)
    ax.set(
        yticks=range(len(found)),
        yticklabels=list(reversed(found)),
        ylim=(-0.6, len(found) - 0.4),
        xlabel="mean absolute error (points)",
        ylabel="voice reader",
    )
