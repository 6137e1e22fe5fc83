"""Drawings of 00 and of Part V (20 to 24)."""

from collections.abc import Callable

import numpy as np

from mgmr_lib.course import figures
from mgmr_lib.data.classroom.corpora import SPECS
from mgmr_lib.data.classroom.features import PAUSE
from mgmr_lib.data.corpus import Split
from mgmr_lib.data.missing import draw_masks

# --- 00 start here
# --------------------------------------------------------------------------------------------------------

SHOWN = {"audio": ("pitch", "voice pitch (Hz)"), "vision": ("AU12 lip corner puller", "smile (0 to 5)")}


def channel(corpus_name: str, modality: str, name: str) -> int:
    """The column of a named feature of a classroom corpus."""
    return SPECS[corpus_name].modalities()[modality].names.index(name)


def lost_clip(clip: Split, encoding, said: dict[float, float] | None = None, seed: int = 1) -> Callable:
    """A drawing of one clip with parts lost: words at the times when they are spoken, pitch and smile as curves.

    clip: a split of one clip of classroom-mosi; encoding: its text as the tokeniser gives it (tokens and offsets, [CLS]
    and [SEP] left out); said: missing rate -> a prediction for the title; seed: of the masks. Returns draw(fig, rate).
    """
    seconds = float(clip.extra["seconds"][0])
    letters = max(end for _, end in encoding.offsets)
    centres = [PAUSE + (start + end) / 2 / letters * (seconds - 2 * PAUSE) for start, end in encoding.offsets]

    def draw(fig, rate: float = 0.0) -> None:
        keep = draw_masks(clip, float(rate), seed)
        axes = fig.subplots(3, 1, sharex=True, height_ratios=[1, 2, 2])
        _words(axes[0], encoding.tokens, centres, keep["text"][0][1:-1])
        for ax, modality in zip(axes[1:], SHOWN, strict=True):
            _curve(ax, clip, modality, keep[modality][0], seconds)
        axes[0].set_title(
            f"missing rate {rate:g}" + ("" if said is None else f": the text ridge says {said[rate]:+.2f}")
        )
        axes[-1].set(xlabel="time (s)", xlim=(0, seconds))

    return draw


def _words(ax, tokens, centres, kept) -> None:
    for token, centre, seen in zip(tokens, centres, kept, strict=True):
        ax.text(
            centre,
            0.5,
            token if seen else "•",
            ha="center",
            va="center",
            fontsize=9,
            color="black" if seen else figures.RED,
        )
    ax.set(ylim=(0, 1), yticks=[])
    ax.grid(False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(bottom=False)


def _curve(ax, clip: Split, modality: str, kept, seconds: float) -> None:
    name, label = SHOWN[modality]
    values = getattr(clip, modality)[0][:, channel("classroom-mosi", modality, name)]
    time = (np.arange(len(values)) + 0.5) / len(values) * seconds
    colour = figures.BLUE if modality == "audio" else figures.GREEN
    ax.plot(time[kept], values[kept], ".", ms=4, color=colour)
    ax.plot(time, np.where(kept, values, np.nan), lw=1.2, color=colour)
    spare = 0.1 * max(float(np.ptp(values)), 0.1)
    ax.set(ylabel=label.replace(" (", "\n("), ylim=(values.min() - spare, values.max() + spare))


# --- 21 missing rates
# -----------------------------------------------------------------------------------------------------


def curves(fig, records: dict[str, list[dict]], metrics=("mae", "corr")) -> None:
    """Missing-rate curves of several predictors on the same masks, one panel a metric; names with "control" or
    "shuffled" in grey."""
    from mgmr_lib.evaluation.plots import LABELS

    axes = fig.subplots(1, len(metrics), squeeze=False)[0]
    markers = "os^Dv"
    for ax, metric in zip(axes, metrics, strict=True):
        for i, (name, found) in enumerate(records.items()):
            colour = figures.GREY if "control" in name or "shuffled" in name else figures.PALETTE[i]
            by_rate: dict[float, list[float]] = {}
            for record in found:
                by_rate.setdefault(record["rate"], []).append(record[metric])
            means = [float(np.mean(v)) for v in by_rate.values()]
            ax.plot(list(by_rate), means, marker=markers[i % 5], color=colour, label=name)
        ax.set(xlabel="missing rate (share of steps lost)", ylabel=LABELS[metric])
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(records))
