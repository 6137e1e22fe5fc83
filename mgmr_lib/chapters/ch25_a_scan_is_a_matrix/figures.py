"""Drawings of notebook 25: a scan's matrix and its two factors, its blocks, their ranks, and what chunks cost."""

import torch
from torch import Tensor

from mgmr_lib.course import figures


def _heatmap(ax, M: Tensor, title: str, most: float, below: bool = True):
    """A signed matrix (l,l), 0 white; above the diagonal, where nothing is, grey."""
    shown = M.masked_fill(torch.ones_like(M, dtype=torch.bool).triu(1), torch.nan) if below else M
    ax.set_facecolor("#E5E5E5")
    image = ax.imshow(shown, cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
    ax.set(title=title, xlabel="input step j")
    ax.grid(False)
    return image


def one_matrix(ax, M: Tensor) -> None:
    """The matrix of a scan (l,l): outputs downwards, inputs to the right."""
    image = _heatmap(ax, M, "", float(M.abs().quantile(0.99)))
    ax.set_ylabel("output step t")
    ax.figure.colorbar(image, ax=ax, label="weight of input j in output t", shrink=0.85)


def factors(fig, L: Tensor, scores: Tensor, M: Tensor) -> None:
    """The mask of decays, the scores C B^T, and their product entry by entry, each (l,l)."""
    axes = fig.subplots(1, 3, sharey=True)
    most = float(scores.abs().quantile(0.98))
    _heatmap(axes[0], most * L, "mask $L$: what is left", most)
    _heatmap(axes[1], scores, "scores $C B^T$", most, below=False)
    image = _heatmap(axes[2], M, r"their product $M$", most)
    axes[0].set_ylabel("output step t")
    bar = fig.colorbar(image, ax=axes, label="weight", shrink=0.85, ticks=[-most, 0, most])
    bar.ax.set_yticklabels(["negative", "0", "positive"])


def blocks(ax, M: Tensor, T: int, ranks: Tensor) -> None:
    """The matrix of a scan cut into blocks (T,T), with the rank of each written on it. ranks: (l/T,l/T)."""
    _heatmap(ax, M, "", float(M.abs().quantile(0.99)))
    ax.set_ylabel("output step t")
    for i, row in enumerate(ranks.tolist()):
        for k, rank in enumerate(row[: i + 1]):
            colour = figures.BLUE if i == k else "black"
            box = {"boxstyle": "round,pad=0.25", "fc": "white", "ec": colour, "alpha": 0.85}
            at = (k + 0.5) * T - 0.5, (i + 0.5) * T - 0.5
            ax.text(*at, rank, ha="center", va="center", color=colour, weight="bold", bbox=box)
        ax.axhline(i * T - 0.5, color=figures.GREY, lw=0.8)
        ax.axvline(i * T - 0.5, color=figures.GREY, lw=0.8)


def spectra(ax, values: dict[str, Tensor], floor: float = 1e-16) -> None:
    """Singular values of blocks, largest first and relative to it, on a logarithmic axis. values: {name: (T,)}."""
    for (name, s), marker in zip(values.items(), "os^D", strict=False):
        ax.semilogy(range(1, len(s) + 1), (s / s[0]).clamp(min=floor), marker=marker, ms=4, label=name)
    ax.set(xlabel="singular value (number)", ylabel="share of the largest")
    ax.legend()


def counted_and_measured(fig, chunks: list[int], counted: list[float], seconds: list[float]) -> None:
    """Multiply-adds (left) and processor time (right) of one scan over the length of its chunks."""
    left, right = fig.subplots(1, 2)
    for ax, values, colour, label in (
        (left, counted, figures.BLUE, "multiply-adds (millions)"),
        (right, [1000 * s for s in seconds], figures.ORANGE, "processor time (ms)"),
    ):
        ax.plot(chunks, values, "o-", color=colour)
        ax.set(xlabel="steps a chunk T", ylabel=label, xscale="log", yscale="log")
        ax.set_xticks(chunks, [str(T) for T in chunks], fontsize=8)
        ax.minorticks_off()
    left.set_title("Counted: short chunks are cheapest")
    right.set_title("Measured where this was drawn")
