"""Drawings of 08 meet the data: one clip's voice and face beside its words, rectangles with padding, fingerprints of a
simulation."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from mgmr_lib import markdown
from mgmr_lib.course import figures
from mgmr_lib.data.classroom.corpora import SPECS
from mgmr_lib.data.classroom.features import word_spans
from mgmr_lib.data.corpus import SPLITS, Corpus, Split
from mgmr_lib.evaluation.calibration import CONTROL, ZERO_SUM

COLOURS = {"text": figures.ORANGE, "audio": figures.BLUE, "vision": figures.GREEN}
SPLIT_COLOURS = dict(zip(SPLITS, (figures.BLUE, figures.ORANGE, figures.GREEN), strict=True))


def times(frames: int, modality: str, corpus: str = "classroom-mosi") -> np.ndarray:
    """The middle of each frame in seconds."""
    return (np.arange(frames) + 0.5) / SPECS[corpus].modalities()[modality].frame_rate


def words_of(clip: Split) -> list[tuple[str, float, float]]:
    """(word, start, end) of a split of one classroom clip, in seconds."""
    spans = word_spans(clip.raw_text[0], float(clip.extra["seconds"][0]))
    return [(word, start, end) for word, (start, end) in zip(clip.raw_text[0].split(), spans.tolist(), strict=True)]


def _words_above(ax, clip: Split) -> None:
    """The words over an axis, each where it is spoken, with a thin line at its start."""
    for word, start, end in words_of(clip):
        ax.axvline(start, color="#BBBBBB", lw=0.6)
        ax.text((start + end) / 2, 1.02, word, transform=ax.get_xaxis_transform(), ha="center", va="bottom", fontsize=9)
    ax.set(xlim=(0, float(clip.extra["seconds"][0])))


def voice(fig, clip: Split) -> None:
    """Pitch and energy of one clip over time, its words above."""
    axes, values = fig.subplots(2, 1, sharex=True), clip.audio[0]
    time = times(len(values), "audio")
    for ax, column, label, colour in zip(
        axes, (0, 1), ("pitch (Hz)", "energy (dB)"), (figures.BLUE, figures.RED), strict=True
    ):
        ax.plot(time, values[:, column], ".-", lw=1.4, color=colour)
        ax.set(ylabel=label)
    for _, start, _ in words_of(clip):
        axes[1].axvline(start, color="#BBBBBB", lw=0.6)
    _words_above(axes[0], clip)
    axes[1].set(xlabel="time (s)")


def strips(fig, clip: Split, names, unit_of: Callable[[str], bool] = lambda name: name.startswith("AU")) -> None:
    """The action units of one clip as strips, a row a unit, each in deviations from its own mean; words above."""
    ax, values = fig.subplots(), clip.vision[0]
    rows = [k for k, name in enumerate(names) if unit_of(name)]
    shown = ((values[:, rows] - values[:, rows].mean(axis=0)) / np.maximum(values[:, rows].std(axis=0), 1e-6)).T
    end = len(values) / SPECS["classroom-mosi"].modalities()["vision"].frame_rate
    image = ax.imshow(
        shown,
        aspect="auto",
        interpolation="nearest",
        cmap="PuOr",
        vmin=-2.5,
        vmax=2.5,
        extent=(0, end, len(rows) - 0.5, -0.5),
    )
    ax.grid(False)
    _words_above(ax, clip)
    ax.set(yticks=range(len(rows)), yticklabels=[names[k] for k in rows], xlabel="time (s)", ylabel="action unit")
    fig.colorbar(image, ax=ax, label="deviations from its mean")


def face(clip: Split, names) -> Callable:
    """A schematic face moved by the action units of one clip. Returns draw(fig, second)."""
    values, column = clip.vision[0], {name[:4]: k for k, name in enumerate(names)}
    seconds = float(clip.extra["seconds"][0])

    def draw(fig, second: float = 0.0) -> None:
        frame = values[min(int(second / seconds * len(values)), len(values) - 1)]
        unit = {name: (float(frame[k]) - 1.2) / 0.5 for name, k in column.items() if name.startswith("AU")}
        ax = fig.subplots()
        _features(ax, unit)
        word = next((w for w, start, end in words_of(clip) if start <= second < end), "(silence)")
        ax.set(xlim=(-4, 4), ylim=(-5, 5), aspect="equal")
        ax.set_title(
            f"{second:g} s: {word}\nAU12 {frame[column['AU12']]:.1f}, AU04 {frame[column['AU04']]:.1f} (of 5)",
            fontsize=10,
        )
        ax.set_axis_off()

    return draw


def _features(ax, unit: dict[str, float]) -> None:
    """Head, brows, eyes and mouth; unit: an action unit's intensity, in spreads above its resting value."""
    turn, x = np.linspace(0, 2 * np.pi, 80), np.linspace(-1, 1, 30)
    ax.plot(3.2 * np.cos(turn), 4.3 * np.sin(turn), color=figures.GREY)
    opened = np.clip(0.35 + 0.1 * unit["AU05"] - 0.06 * unit["AU07"], 0.08, 0.7)
    for side in (-1, 1):
        ax.fill(side * 1.3 + 0.55 * np.cos(turn), 1.2 + opened * np.sin(turn), color=figures.SKY)
        inner = 2.2 + 0.2 * unit["AU01"] - 0.15 * unit["AU04"]
        ax.plot([side * 0.6, side * 2.0], [inner, 2.2 + 0.2 * unit["AU02"]], color="black", lw=3)
        ax.plot(side * 2.2, -0.2, "o", ms=float(np.clip(9 + 4 * unit["AU06"], 3, 22)), color=figures.ORANGE, alpha=0.5)
    corner = np.clip(0.5 * unit["AU12"] - 0.5 * unit["AU15"], -1.4, 1.4)
    gap = np.clip(0.15 + 0.12 * (unit["AU25"] + unit["AU26"]), 0.02, 1.0)
    upper, lower = (-2 + corner * (x**2 - 0.5) + sign * gap * (1 - x**2) for sign in (1, -1))
    ax.fill_between(1.4 * x, lower, upper, color=figures.RED)
    ax.plot(1.4 * x, (upper + lower) / 2, color=figures.RED, lw=2)


def rectangles(fig, split: Split, most: int = 14) -> None:
    """The first clips of a split in their padded rectangles: dark is data, light is padding, a row per clip."""
    sizes = {"text": (split.token_lengths, split.token_ids.shape[1], "token")}
    sizes |= {m: (getattr(split, m).lengths, getattr(split, m).max_length, "frame") for m in ("audio", "vision")}
    axes = fig.subplots(1, 3, sharey=True)
    for ax, (name, (lengths, longest, unit)) in zip(axes, sizes.items(), strict=True):
        rows = np.arange(min(most, len(split)))
        ax.barh(rows, longest, height=0.8, color="#DDDDDD")
        ax.barh(rows, lengths[rows], height=0.8, color=COLOURS[name])
        ax.set(
            title=f"{name}: {1 - lengths.mean() / longest:.0%} padding",
            xlabel=f"{unit} (of {longest})",
            xlim=(0, longest),
        )
        ax.grid(False)
    axes[0].set(ylabel="clip", yticks=rows[:: max(1, len(rows) // 6)])
    axes[0].invert_yaxis()


def profile(fig, corpus: Corpus) -> None:
    """Labels and lengths of any corpus: the share of each split's clips in every bin, one line per split."""
    axes = fig.subplots(1, 4)
    top = corpus.label_range
    columns = [("label (points)", [corpus[s].labels for s in SPLITS], np.linspace(-top, top, 13))]
    for name in ("text", "audio", "vision"):
        lengths = [corpus[s].token_lengths if name == "text" else getattr(corpus[s], name).lengths for s in SPLITS]
        longest = max(x.max() for x in lengths)
        columns.append(
            (f"{name} ({'tokens' if name == 'text' else 'frames'})", lengths, np.linspace(0, longest + 1, 13))
        )
    for ax, (label, values, edges) in zip(axes, columns, strict=True):
        for split, found in zip(SPLITS, values, strict=True):
            share = np.histogram(np.clip(found, edges[0], edges[-1]), edges)[0] / len(found)
            ax.stairs(share, edges, color=SPLIT_COLOURS[split], lw=1.6, label=f"{split} ({len(found)})")
        ax.set(xlabel=label)
    axes[0].set(ylabel="share of the clips")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)


def chance(fig, found: dict[str, float], shuffled: dict[str, np.ndarray], says: dict[str, str]) -> None:
    """What shuffled labels give (bars) and what the real ones give (a line), one panel each; says: a title for each."""
    axes = fig.subplots(1, len(found), sharex=True, sharey=True, squeeze=False)[0]
    for ax, (name, value) in zip(axes, found.items(), strict=True):
        ax.hist(shuffled[name], np.linspace(-0.4, 0.4, 41), color="#BBBBBB", label="shuffled labels")
        ax.axvline(value, color=figures.RED, lw=2.5, label="real labels")
        ax.set(title=f"{name}: {says[name]}", xlabel="correlation with the labels")
    axes[0].set(ylabel="number of shuffles")
    axes[0].legend(loc="upper left")


def control(fig, judged: dict[str, tuple]) -> None:
    """What a control reaches (bars) and what the real thing reaches (a line), judged in several ways: {label: (values,
    real)}."""
    axes = fig.subplots(1, len(judged), sharey=True, squeeze=False)[0]
    for ax, (label, (values, real)) in zip(axes, judged.items(), strict=True):
        ax.hist(values, 15, color="#BBBBBB", label="control: shuffled training labels")
        ax.axvline(real, color=figures.RED, lw=2.5, label="real training labels")
        ax.set(xlabel=label)
    axes[0].set(ylabel="number of shuffles")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)


def negation(fig, lags: np.ndarray, curves: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> None:
    """The smile around good words, plain and negated (curves: (words, lags)), beside the labels of their clips (labels:
    (words,))."""
    left, right = fig.subplots(1, 2, width_ratios=[2, 1])
    for (name, rows), colour in zip(curves.items(), (figures.BLUE, figures.RED), strict=True):
        mean = np.nanmean(rows, axis=0)
        error = np.nanstd(rows, axis=0) / np.sqrt(np.isfinite(rows).sum(axis=0))
        left.plot(lags, mean, color=colour, label=f"{name} ({len(rows)} clips)")
        left.fill_between(lags, mean - 2 * error, mean + 2 * error, color=colour, alpha=0.2, lw=0)
    left.axvline(0, color="#777777", lw=1, ls="--")
    left.set(title="the simulated face", xlabel="seconds after the good word", ylabel="smile above the clip's mean")
    left.legend(loc="upper left")
    means = [float(y.mean()) for y in labels.values()]
    errors = [2 * float(y.std() / np.sqrt(len(y))) for y in labels.values()]
    right.bar(list(labels), means, yerr=errors, color=[figures.BLUE, figures.RED], capsize=6)
    right.axhline(0, color="black", lw=0.8)
    right.set(title="the people who rated", ylabel="mean label (points)", xlabel="good word of the clip")


def doors(fig, names, before: np.ndarray, after: np.ndarray, label: tuple[float, float]) -> None:
    """How well the text tells each feature, and what is left of that without the known causes; the label at the top, as
    (before, after)."""
    ax = fig.subplots()
    rows = np.arange(len(names) + 1)
    ax.plot([label[0], *before], rows, "o", color="#999999", label="the feature itself")
    ax.plot([label[1], *after], rows, "s", color=figures.RED, label="what the known causes leave of it")
    ax.axvline(0, color="black", lw=0.8)
    ax.set(
        yticks=rows, yticklabels=["LABEL (real)", *names], xlabel="correlation of the text's prediction on test clips"
    )
    ax.set(ylabel="feature")
    ax.tick_params(axis="y", labelsize=8)
    ax.invert_yaxis()
    ax.legend(loc="lower right")


SENSES = {"audio": "voice", "vision": "face"}


def side_by_side(table: pd.DataFrame, rows: Iterable[str]) -> str:
    """calibration.read's table as Markdown, only these rows of each modality."""
    lines = [(SENSES[m], what, *table.loc[(m, what)]) for m in SENSES for what in rows]
    return markdown.table(("", "summary", *table.columns), lines)


def first_number(cell: str) -> float:
    """ "0.151 (0.129-0.164)" -> 0.151."""
    return float(cell.split()[0])


def control_beside(fig, table: pd.DataFrame) -> None:
    """A panel per corpus: the ridges on zero-sum kernels, on the same over noise, and on lengths alone, by modality."""
    bars = {
        ZERO_SUM: ("kernels", figures.BLUE),
        CONTROL: ("kernels on noise of the same lengths", figures.ORANGE),
        "ridge on lengths alone": ("length alone", "#999999"),
    }
    axes = fig.subplots(1, 2, sharey=True)
    for ax, corpus in zip(axes, table.columns, strict=True):
        for i, (row, (label, colour)) in enumerate(bars.items()):
            values = [first_number(table.loc[(m, row), corpus]) for m in SENSES]
            ax.bar(np.arange(2) + 0.26 * (i - 1), values, 0.24, color=colour, label=label)
        ax.set(xticks=[0, 1], xticklabels=list(SENSES.values()), title=corpus, xlabel="what is summarised")
        ax.axhline(0, color="black", lw=0.8)
    axes[0].set(ylabel="correlation with the label")
    axes[1].legend(loc="upper right", fontsize=8)
