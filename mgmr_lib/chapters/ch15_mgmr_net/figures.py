"""Drawings of 15 the whole MGMR-Net; each function fills empty axes or an empty figure."""

import numpy as np

from mgmr_lib.course import figures
from mgmr_lib.evaluation.statistics import bootstrap_interval, paired_difference, t_interval

COLOURS = (figures.BLUE, figures.ORANGE, figures.GREEN, figures.RED, figures.PURPLE, figures.SKY)
MARKERS = "os^Dv<"


def gradient_map(ax, sizes: dict) -> None:
    """Sizes of gradients, a row a part of the network and a column a loss: {loss: {part: norm}}; a dash where there is
    none."""
    parts = list(next(iter(sizes.values())))
    table = np.array([[found[p] for found in sizes.values()] for p in parts])
    shown = np.log10(np.where(table > 0, table, np.nan))
    image = ax.imshow(shown, aspect="auto", cmap="cividis")
    middle = (np.nanmin(shown) + np.nanmax(shown)) / 2
    for (i, j), size in np.ndenumerate(table):
        dark = size == 0 or shown[i, j] > middle
        ax.text(
            j,
            i,
            "–" if size == 0 else f"{size:.1g}",
            ha="center",
            va="center",
            fontsize=8,
            color="black" if dark else "white",
        )
    ax.set(xticks=range(len(sizes)), xticklabels=list(sizes), yticks=range(len(parts)), yticklabels=parts)
    ax.set(xlabel="term of the loss", ylabel="part of the network")
    ax.grid(False)
    ax.figure.colorbar(image, ax=ax, label="gradient norm (log₁₀)")


def overfit(ax, losses: dict, constant: float) -> None:
    """Errors on one batch over training steps, {name: [error]}; the best constant as a line."""
    for (name, values), colour in zip(losses.items(), COLOURS, strict=False):
        ax.plot(range(1, len(values) + 1), values, color=colour, label=name)
    ax.axhline(constant, ls="--", color=figures.GREY, lw=1)
    ax.text(1, constant * 0.98, "best constant", va="top", fontsize=9)
    ax.set(xlabel="step", ylabel="error on the batch (points)", ylim=(0, None))
    ax.legend(loc="center right")


def clip_bands(predictions: dict, labels, resamples: int = 300) -> dict:
    """{reader: [{"value", "low", "high"} at each rate]}: mean absolute errors with bootstrap intervals over the test
    clips.

    predictions: {reader: [(n,) at each rate]}.
    """
    labels = np.asarray(labels, dtype=np.float64)
    return {
        name: [bootstrap_interval(np.mean, np.abs(p - labels), n_resamples=resamples) for p in by_rate]
        for name, by_rate in predictions.items()
    }


def curves(ax, rates, bands: dict) -> None:
    """Error over the missing rate with an interval at each point: what `clip_bands` returns."""
    for i, (name, points) in enumerate(bands.items()):
        colour = figures.GREY if "control" in name or "blind" in name else COLOURS[i % len(COLOURS)]
        low, high = ([p[end] for p in points] for end in ("low", "high"))
        ax.plot(
            rates,
            [p["value"] for p in points],
            marker=MARKERS[i % 6],
            color=colour,
            label=name,
            ls="--" if "control" in name else "-",
        )
        ax.fill_between(rates, low, high, color=colour, alpha=0.12, lw=0)
    ax.set(xlabel="missing rate", ylabel="error (points)")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def paired_clips(first, second, labels, resamples: int = 500) -> dict:
    """Error of `first` minus error of `second` on the same clips and rates, both [(n,) at each rate]: mean and
    bootstrap interval."""
    labels = np.asarray(labels, dtype=np.float64)
    errors = [np.mean([np.abs(p - labels) for p in by_rate], axis=0) for by_rate in (first, second)]
    found = paired_difference(*errors, n_resamples=resamples)
    return {"mean": found["mean"], "low": found["bootstrap_low"], "high": found["bootstrap_high"]}


def weights_sweep(fig, alphas, guess: dict, error: dict, blind: float) -> None:
    """Left: reconstruction loss as a share of what the mean would cost, {modality: [share at each weight]}; right: the
    error, {name: [{"value", "low", "high"} at each weight]}, and the blind rival's."""
    left, right = fig.subplots(1, 2)
    at = range(len(alphas))
    for (name, shares), marker in zip(guess.items(), MARKERS, strict=False):
        left.plot(at, shares, marker=marker, label=name)
    left.axhline(1, ls="--", color=figures.GREY, lw=1)
    left.text(len(alphas) - 1, 1.0, "say the mean", va="bottom", ha="right", fontsize=9)
    left.set(title="how well it guesses", ylabel="loss (share of the mean's)", xlabel="weight α of all three terms")
    left.legend(loc="lower left")
    for (name, points), marker, colour in zip(error.items(), MARKERS, (figures.BLUE, figures.ORANGE), strict=False):
        places = [i + (0.08 if colour == figures.ORANGE else -0.08) for i in at]
        for place, e in zip(places, points, strict=True):
            right.plot([place, place], [e["low"], e["high"]], color=colour, lw=2)
        right.plot(places, [e["value"] for e in points], marker, color=colour, ms=7, label=name)
    right.axhline(blind, ls="--", color=figures.GREY, lw=1)
    right.text(len(alphas) - 0.55, blind, "blind", va="bottom", ha="right", fontsize=9)
    right.legend(loc="lower left")
    right.set(
        title="how well it predicts",
        ylabel="error (points)",
        xlabel="weight α of all three terms",
        xlim=(-0.5, len(alphas) - 0.5),
    )
    for ax in (left, right):
        ax.set_xticks(list(at), [f"{a:g}" for a in alphas])


def differences(ax, found: dict, unit: str = "change of the error (points)") -> None:
    """Differences with intervals, one line each, {name: {"mean", "low", "high"}}; another seed's and the blind
    rival's in grey."""
    for i, (name, d) in enumerate(found.items()):
        colour = figures.GREY if "seed" in name or "blind" in name else figures.BLUE
        ax.plot([d["low"], d["high"]], [i, i], color=colour, lw=2)
        ax.plot(d["mean"], i, "o", color=colour, ms=7)
    ax.axvline(0, ls="--", color="black", lw=1)
    ax.set(
        yticks=range(len(found)), yticklabels=list(found), xlabel=unit, ylabel="network", ylim=(len(found) - 0.5, -0.5)
    )


# --- from the ledger
# ----------------------------------------------------------------------------------------------------------


def recorded_areas(fig, table) -> None:
    """AUILC of MAE and of correlation with intervals over training seeds: rows of `ledger.summary`."""
    if not len(table):
        fig.subplots().set(title="Not recorded yet", xlabel="AUILC", ylabel="network")
        return
    axes = fig.subplots(1, 2, sharey=True)
    for ax, metric, better in zip(axes, ("mae", "corr"), ("less", "more"), strict=True):
        for i, (name, row) in enumerate(table.iterrows()):
            colour, key = figures.BLUE if name == "mgmr" else figures.GREY, f"auilc {metric}"
            ax.plot([row[f"{key} low"], row[f"{key} high"]], [i, i], color=colour, lw=2)
            ax.plot(row[key], i, "o", color=colour, ms=7)
        unit = "error (points)" if metric == "mae" else "correlation"
        ax.set(xlabel=f"AUILC of {unit}: {better} is better", ylim=(len(table) - 0.5, -0.5))
    axes[0].set(
        yticks=range(len(table)),
        yticklabels=[f"{r['label']} ({int(r['seeds'])})" for _, r in table.iterrows()],
        ylabel="network (training seeds)",
    )


def recorded_curves(ax, frame, names: dict) -> None:
    """Recorded error curves of some networks (`ledger.curves`), bands: 95 % t-intervals over training seeds."""
    for i, (name, label) in enumerate(names.items()):
        part = frame[frame["name"] == name] if len(frame) else frame
        if not len(part):
            continue
        spread = {rate: t_interval(group["mae"]) for rate, group in part.groupby("rate")}
        ax.plot(
            list(spread),
            [s["mean"] for s in spread.values()],
            marker=MARKERS[i % 6],
            ms=4,
            color=COLOURS[i % 6],
            label=label,
        )
        ax.fill_between(
            list(spread),
            [s["low"] for s in spread.values()],
            [s["high"] for s in spread.values()],
            color=COLOURS[i % 6],
            alpha=0.15,
            lw=0,
        )
    ax.set(xlabel="missing rate", ylabel="error (points)")
    ax.set_title("Recorded on all clips: error by missing rate" if ax.lines else "Not recorded yet")
    if ax.lines:
        ax.legend()
