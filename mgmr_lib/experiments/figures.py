"""Figures of the ledger: curves over missing rates, areas with intervals, differences of ablations."""

from collections.abc import Iterable

import matplotlib.figure
import numpy as np
import pandas as pd
import seaborn as sns

from mgmr_lib.evaluation.plots import LABELS
from mgmr_lib.evaluation.statistics import t_interval
from mgmr_lib.experiments.ledger import by_name, curves, paired, summary
from mgmr_lib.experiments.plan import ABLATIONS, BASELINES, READINGS, REFERENCES, RIDGES, SYSTEMS, TWO, VARIANTS

SHOWN_CURVES = (*TWO, "tfr", "late_lstm", "concat", "fc_t", *RIDGES, "mean")
F1 = {"mosi": "f1_non0", "mosei": "f1_non0", "sims": "f1"}


def colour(name: str) -> tuple:
    """A network's colour, the same in every figure; references are grey."""
    name = VARIANTS[name].model if name in VARIANTS else name
    order = (*TWO, *BASELINES)
    bright, dark = sns.color_palette("colorblind", 10), sns.color_palette("dark", 10)
    palette = [
        *bright[:7],
        *bright[8:],
        dark[0],
        dark[2],
        dark[4],
    ]  # the eighth bright one is grey, which references have
    if name in SYSTEMS:
        return sns.husl_palette(len(SYSTEMS), l=0.5)[SYSTEMS.index(name)]
    return (0.45, 0.45, 0.45) if name in REFERENCES else palette[order.index(name)]


def band(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Mean, low, high by missing rate: 95 % t-intervals over training seeds (the mean alone where there is one)."""
    found = {rate: t_interval(part[metric].to_numpy()) for rate, part in frame.groupby("rate")}
    return pd.DataFrame.from_dict(found, orient="index").sort_index()


def curve_figure(
    records: Iterable[dict], title: str, names: tuple[str, ...] = SHOWN_CURVES, metrics=None
) -> matplotlib.figure.Figure:
    """F1 and MAE against the missing rate (the counterpart of MGMR-Net's Figure 3), bands over training seeds."""
    records = list(records)
    metrics = metrics or (F1[records[0]["dataset"]], "mae")
    frame = curves(records)
    figure = matplotlib.figure.Figure(figsize=(4.6 * len(metrics) + 2, 3.7), layout="constrained", dpi=120)
    axes = figure.subplots(1, len(metrics), squeeze=False)[0]
    for ax, metric in zip(axes, metrics, strict=True):
        for name in [n for n in names if n in set(frame["name"])]:
            part = frame[frame["name"] == name]
            line, dashed = band(part, metric), name in REFERENCES
            ax.plot(
                line.index,
                line["mean"],
                "--" if dashed else "-",
                marker=None if dashed else "o",
                markersize=3,
                color=colour(name),
                lw=2.2 if name in TWO else 1.2,
                label=part["label"].iloc[0],
            )
            ax.fill_between(line.index, line["low"], line["high"], color=colour(name), alpha=0.15, lw=0)
        ax.set(
            xlabel="missing rate (share of steps lost)",
            ylabel=LABELS.get(metric, {"f1_non0": "F1 (negative / positive)", "f1": "F1"}.get(metric, metric)),
        )
        ax.spines[["top", "right"]].set_visible(False)
    axes[-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.suptitle(f"{title}: what is left as more goes missing")
    return figure


def area_figure(records: Iterable[dict], title: str) -> matplotlib.figure.Figure:
    """AUILC of MAE and correlation, one line per network with its interval, best at the top."""
    frame = summary(records)
    frame = frame.sort_values("auilc mae", ascending=False)
    figure = matplotlib.figure.Figure(figsize=(9, 0.32 * len(frame) + 1.4), layout="constrained", dpi=120)
    for ax, metric in zip(figure.subplots(1, 2, sharey=True), ("mae", "corr"), strict=True):
        _intervals(
            ax,
            frame["label"],
            frame[f"auilc {metric}"],
            frame[f"auilc {metric} low"],
            frame[f"auilc {metric} high"],
            [colour(n) for n in frame.index],
        )
        ax.set(xlabel=f"AUILC of {LABELS[metric]} (rates 0 to 1)")
    figure.suptitle(f"{title}: networks in order of their error, intervals over training seeds")
    return figure


def _intervals(ax, labels, values, low, high, colours) -> None:
    y = np.arange(len(labels))
    for i, (v, a, b, c) in enumerate(zip(values, low, high, colours, strict=True)):
        ax.plot(v, i, "o", color=c, markersize=5)
        if np.isfinite(a):
            ax.plot([a, b], [i, i], color=c, lw=2)
    ax.set_yticks(y, labels)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="x", alpha=0.3)


def differences(records: Iterable[dict], metric: str = "mae", area: str = "auilc") -> pd.DataFrame:
    """Variant minus whole network over common seeds: mean, low, high (paired t-interval), p, seeds; index variant's
    name."""
    records, found = list(records), {}
    names = by_name(records)
    for name in (*ABLATIONS["mgmr"], *ABLATIONS["mfmb"], *READINGS):
        whole = VARIANTS[name].model
        if name in names and whole in names:
            found[name] = {"label": VARIANTS[name].label, **paired(records, name, whole, metric, area)}
    return pd.DataFrame.from_dict(found, orient="index")


def ablation_figure(records: Iterable[dict], title: str) -> matplotlib.figure.Figure:
    """How much each ablation changes the two areas: paired differences over seeds, zero is the whole network."""
    records = list(records)
    figure = matplotlib.figure.Figure(figsize=(9.5, 4.2), layout="constrained", dpi=120)
    for ax, metric in zip(figure.subplots(1, 2, sharey=True), ("mae", "corr"), strict=True):
        frame = differences(records, metric)
        if len(frame):
            frame = frame.iloc[::-1]
            _intervals(
                ax,
                frame["label"],
                frame["mean"],
                frame["low"],
                frame["high"],
                [colour(VARIANTS[n].model) for n in frame.index],
            )
        ax.axvline(0, color="0.3", lw=1, ls=":")
        ax.set(xlabel=f"change in AUILC of {LABELS[metric]}")
    figure.suptitle(f"{title}: variant minus whole network, paired by seed, 95 % intervals")
    return figure
