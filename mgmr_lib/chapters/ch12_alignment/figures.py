"""Drawings of notebook 12: when tokens are spoken, which frames move which tokens, and what two readings explain."""

import torch

from mgmr_lib.chapters.shared.seed_dots import seed_dots
from mgmr_lib.course import figures
from mgmr_lib.data.classroom.features import PAUSE
from mgmr_lib.data.corpus import Split


def spoken_at(encoding, seconds: float) -> torch.Tensor:
    """The middle of each token in seconds, by its letters: the rule by which the classroom corpus times its words."""
    letters = max(end for _, end in encoding.offsets)
    centres = [PAUSE + (start + end) / 2 / letters * (seconds - 2 * PAUSE) for start, end in encoding.offsets]
    return torch.tensor(centres)


def clock(clip: Split, tokenizer) -> tuple[torch.Tensor, torch.Tensor, float]:
    """(middles of the even bins, middles of the tokens as spoken, the clip's seconds), without [CLS] and [SEP].

    clip: a split of one clip of a classroom corpus. Tokens beyond the corpus's longest text are left out of both.
    """
    seconds, tokens = float(clip.extra["seconds"][0]), int(clip.token_lengths[0])
    spoken = spoken_at(tokenizer.encode(clip.raw_text[0], add_special_tokens=False), seconds)[: tokens - 2]
    middle = (torch.arange(1, len(spoken) + 1) + 0.5) / tokens * seconds
    return middle, spoken, seconds


def alignment(fig, maps: dict, clip: Split, tokenizer) -> None:
    """One panel a name: |d token / d frame| (tokens, frames), each row relative to its largest; white where there is no
    path."""
    axes = fig.subplots(1, len(maps), sharey=True)
    _, spoken, seconds = clock(clip, tokenizer)
    names = ["[CLS]", *tokenizer.encode(clip.raw_text[0], add_special_tokens=False).tokens[: len(spoken)], "[SEP]"]
    for ax, (name, rows) in zip(axes, maps.items(), strict=True):
        shown = rows / rows.amax(1, keepdim=True).clamp(min=1e-30)
        blank = shown.masked_fill(rows == 0, float("nan")).numpy()
        image = ax.imshow(
            blank, aspect="auto", extent=(0, seconds, len(rows) - 0.5, -0.5), vmin=0, vmax=1, interpolation="nearest"
        )
        ax.plot(spoken, range(1, len(spoken) + 1), "o", ms=4, mfc="none", color=figures.RED, label="spoken here")
        ax.set(
            title=name if rows.abs().max() > 0 else f"{name}: no path at all",
            xlabel="frame of the voice (s)",
            xlim=(0, seconds),
        )
        ax.grid(False)
    axes[0].set_yticks(range(len(names)), names, fontsize=8)
    axes[0].set_ylabel("aligned token")
    axes[-1].legend(loc="upper right")
    fig.colorbar(image, ax=axes, label="influence (row's largest = 1)", shrink=0.85)
    fig.suptitle("With exchange, a word hears the voice around it", x=0.01, ha="left")


def explained_shares(ax, explained: dict) -> None:
    """A dot for each seed, a column for each (kind, reading), a bar at their mean."""
    for k, ((_, reading), values) in enumerate(explained.items()):
        colour = figures.BLUE if reading == "exchange" else figures.ORANGE
        seed_dots(ax, k, values, colour)
    ax.set_xticks(range(len(explained)), [f"{kind}\n{reading}" for kind, reading in explained])
    ax.axhline(0, ls="--", lw=1, color=figures.GREY)
    ax.set(xlim=(-0.6, len(explained) - 0.4), ylim=(-0.12, 1.12), xlabel='kind of clips, reading of "collaborative"')
    ax.grid(axis="x", visible=False)
