"""Figures of results: missing-rate curves, one colour a model, a band where there are several seeds."""

from pathlib import Path

import matplotlib.figure
import pandas as pd
import seaborn as sns

from mgmr_lib.files import replacing

LABELS = {
    "mae": "mean absolute error",
    "corr": "Pearson correlation",
    "acc2_non0": "Acc-2 (negative / positive)",
    "acc2_has0": "Acc-2 (negative / non-negative)",
    "acc2": "Acc-2",
    "acc7": "Acc-7",
    "acc5": "Acc-5",
}


def tidy(results: list[dict]) -> pd.DataFrame:
    """Evaluations (as `evaluate` writes them) -> one row a record, with the column `model`; references once each."""
    rows, seen = [], set()
    for result in results:
        name = result["model"]
        rows += [{"model": name, "training_seed": result.get("training_seed"), **r} for r in result["records"]]
        for reference, other in result.get("references", {}).items():
            if reference not in seen:
                seen.add(reference)
                rows += [{"model": reference, "training_seed": None, **r} for r in other["records"]]
    frame = pd.DataFrame(rows)
    metrics = frame.columns.drop(["model", "training_seed"])
    return frame.astype(dict.fromkeys(metrics, float))  # JSON has no nan: a metric without a value is None there


def missing_rate_figure(
    frame: pd.DataFrame, metrics: tuple[str, ...] = ("mae", "corr"), title: str = ""
) -> matplotlib.figure.Figure:
    """One panel a metric: its mean over seeds against the missing rate, and one standard deviation as a band."""
    figure = matplotlib.figure.Figure(figsize=(4.6 * len(metrics), 3.6), layout="constrained", dpi=120)
    axes = figure.subplots(1, len(metrics), squeeze=False)[0]
    colours = dict(zip(frame["model"].unique(), sns.color_palette("colorblind"), strict=False))
    for ax, metric in zip(axes, metrics, strict=True):
        for name, part in frame.groupby("model", sort=False):
            curve = part.groupby("rate")[metric].agg(["mean", "std"]).fillna(0.0)
            ax.plot(curve.index, curve["mean"], marker="o", markersize=3.5, color=colours[name], label=name)
            ax.fill_between(
                curve.index, curve["mean"] - curve["std"], curve["mean"] + curve["std"], color=colours[name], alpha=0.2
            )
        ax.set(xlabel="missing rate (share of steps lost)", ylabel=LABELS.get(metric, metric))
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False)
    if title:
        figure.suptitle(title)
    return figure


def save_figure(figure: matplotlib.figure.Figure, path: Path) -> None:
    """A PNG, written whole."""
    with replacing(path) as part:
        figure.savefig(part, format="png")
