"""Drawings of notebook 27: what of a voice is read, the map, what CMD sees, labels that move."""

import numpy as np

from mgmr_lib.chapters.shared.exchange_map import draw_map, survey
from mgmr_lib.course import figures

__all__ = ["discrepancies", "draw_map", "labels", "survey", "unread"]


def unread(ax, voice, words, clips: int = 60) -> None:
    """A bar per clip, the longest first: frames that are read in blue, the rest in grey."""
    order = np.argsort(voice, kind="stable")[::-1][:: max(1, len(voice) // clips)]
    read = np.minimum(voice, words)[order]
    at = np.arange(len(order))
    ax.bar(at, np.asarray(voice)[order], 1.0, color="#CCCCCC", label="never read")
    ax.bar(at, read, 1.0, color=figures.BLUE, label="read")
    ax.set(xlabel="some of the clips, the longest voice first", ylabel="frames of the voice")
    ax.legend()
    ax.grid(axis="x", visible=False)


def discrepancies(ax, sizes, found: dict[str, list[float]]) -> None:
    """A line a name against the clips of a batch; names with "same" are dashed."""
    for name, values in found.items():
        colour = figures.BLUE if "CMD" in name else figures.ORANGE
        ax.plot(sizes, values, "o--" if "same" in name else "o-", color=colour, label=name)
    ax.set(xscale="log", xlabel="clips in a batch", ylabel="discrepancy (no unit)", ylim=(0, None))
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.minorticks_off()
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))


def labels(fig, found: dict[str, dict]) -> None:
    """A panel a case: where the truth lies beside the label, and how far the pseudo-label moved."""
    axes = fig.subplots(1, len(found), sharey=True)
    for ax, (name, one) in zip(axes, found.items(), strict=True):
        ax.plot(one["truth"] - one["label"], one["found"] - one["label"], "o", ms=3, alpha=0.5)
        ax.axline((0, 0), slope=1, color=figures.GREY, ls="--", lw=1)
        ax.set(title=name, xlabel="truth minus label (points)")
    axes[0].set_ylabel("movement of the label (points)")
