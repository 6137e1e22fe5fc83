"""Drawings of 00 and of Part V (20 to 24)."""

from collections.abc import Callable

import numpy as np

from mgmr_lib.course import figures
from mgmr_lib.data.classroom.corpora import SPECS
from mgmr_lib.data.classroom.features import PAUSE
from mgmr_lib.data.corpus import MODALITIES, Split
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


def nested_masks(fig, clip: Split, rates, seed: int = 1) -> None:
    """One clip's masks, a row a missing rate and a column a step: dark where it is kept."""
    axes = fig.subplots(1, 3, sharey=True, width_ratios=[1, 2, 2])
    for ax, modality in zip(axes, MODALITIES, strict=True):
        rows = np.stack([draw_masks(clip, float(rate), seed)[modality][0] for rate in rates])
        ax.imshow(rows, aspect="auto", interpolation="nearest", cmap="Blues", vmin=0, vmax=1.3)
        unit = "token" if modality == "text" else "frame"
        ax.set(title=f"{modality}: {rows.shape[1]} {unit}s", xlabel=f"{unit} of the clip")
        ax.grid(False)
    axes[0].set(ylabel="missing rate", yticks=range(len(rates)), yticklabels=[f"{rate:g}" for rate in rates])


def training_rates(fig, drawn: list[dict[str, np.ndarray]]) -> None:
    """Protocol B's rates of some epochs (one dictionary an epoch): every clip a dot, text against voice."""
    axes = fig.subplots(1, len(drawn), sharex=True, sharey=True, squeeze=False)[0]
    for epoch, (ax, rates) in enumerate(zip(axes, drawn, strict=True)):
        ax.plot(rates["text"], rates["audio"], ".", ms=3, alpha=0.6, color=figures.BLUE)
        complete = np.mean([max(r) == 0 for r in zip(*rates.values(), strict=True)])
        ax.set(title=f"epoch {epoch}: {complete:.0%} complete (all at 0, 0)", xlabel="text lost (rate)")
    axes[0].set(ylabel="voice lost (rate)")


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
