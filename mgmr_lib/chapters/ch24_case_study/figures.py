"""Drawings of notebook 24: one clip with parts hidden, three cases, what a deleted piece did, and where cases stand
among all."""

import textwrap

import numpy as np

from mgmr_lib.chapters.ch24_case_study import dashboard
from mgmr_lib.chapters.shared.experiment_figures import channel
from mgmr_lib.course import figures
from mgmr_lib.data.corpus import Split

COLOURS = {"MGMR-Net": figures.RED, "MFMB-Net": figures.BLUE, "text ridge": figures.GREEN, "truth": "black"}
SHORT = {"text": "text", "audio": "voice", "vision": "face"}


def panel(readers: dict, split: Split, tokenizer):
    """draw(fig, clip, text, voice, face): the dashboard. readers: {label: Setup or Run}, the first shows its gates and
    guesses.

    clip: number in the split; text, voice, face: a part by name (dashboard.PARTS).
    """
    first = next(iter(readers.values()))

    def draw(fig, clip: int = 0, text: str = "nothing", voice: str = "nothing", face: str = "nothing") -> None:
        one = split.select([clip])
        keep = dashboard.hide_parts(one, text, voice, face)
        seen = {label: dashboard.look(reader, one, keep) for label, reader in readers.items()}
        axes = fig.subplots(4, 1, height_ratios=[1, 3, 2.4, 2])
        words(axes[0], tokenizer.encode(one.raw_text[0], add_special_tokens=False).tokens, keep["text"][0][1:-1])
        axes[0].set_title(f"clip {clip}, lost: text {text}, voice {voice}, face {face}", fontsize=9)
        _pitch(axes[1], one, first, next(iter(seen.values())))
        _gates(axes[2], next(iter(seen.values())).gates)
        points(axes[3], {label: s.prediction for label, s in seen.items()} | {"truth": float(one.labels[0])})
        for ax in axes:
            ax.tick_params(labelsize=7)

    return draw


def words(ax, tokens: list[str], kept) -> None:
    """The tokens in a row, a red dot for each hidden one."""
    places = np.cumsum([0, *(len(t) + 1.5 for t in tokens)])
    for token, left, right, seen in zip(tokens, places, places[1:], kept, strict=False):
        ax.text(
            (left + right) / 2,
            0.5,
            token if seen else "•",
            ha="center",
            va="center",
            fontsize=8,
            color="black" if seen else figures.RED,
        )
    ax.set(xlim=(0, places[-1]), ylim=(0, 1))
    ax.axis("off")


def _pitch(ax, clip: Split, reader, seen: dashboard.Look) -> None:
    """The voice's pitch where it was seen, the truth where not, and what the network guesses there."""
    seconds, c = dashboard.seconds_of(clip), channel("classroom-mosi", "audio", "pitch")
    values, kept = clip.audio[0][:, c], seen.keep["audio"]
    time = (np.arange(len(values)) + 0.5) / len(values) * seconds
    ax.plot(time, np.where(kept, values, np.nan), lw=1, color="black", label="seen")
    ax.plot(time, np.where(kept, np.nan, values), lw=1, color="#BBBBBB", label="lost")
    if "audio" in seen.guess and seen.missing["audio"].any():
        inputs, factor = reader.model.inputs, reader.config.pool_audio
        guess = seen.guess["audio"][:, c] * float(inputs.audio_scale[c]) + float(inputs.audio_mean[c])
        steps = (np.arange(len(guess)) + 0.5) * factor / len(values) * seconds
        drawn = seen.missing["audio"] & (steps < seconds)  # a step of padding lies behind the clip's end
        if drawn.any():
            ax.plot(steps[drawn], guess[drawn], "o", ms=3, color=figures.RED, label="guessed")
    ax.set_ylabel("pitch (Hz)", fontsize=8)
    ax.set_xlabel("time (s)", fontsize=8, labelpad=0)
    low, high = ax.get_ylim()
    ax.set(xlim=(0, seconds), ylim=(low, high + 0.35 * (high - low)))  # room for the legend above the curve
    ax.legend(fontsize=6, loc="upper right", ncols=3)


def _gates(ax, gates: dict) -> None:
    """A line per modality over the clip, from its start (0) to its end (1)."""
    for (m, gate), style in zip(gates.items(), ("-", "--", ":"), strict=False):
        ax.plot((np.arange(len(gate)) + 0.5) / len(gate), gate, style, lw=1.3, label=SHORT[m])
    ax.set(xlim=(0, 1), ylim=(0, 1), yticks=[0, 1])
    ax.set_ylabel("gate", fontsize=8)
    ax.set_xlabel("share of the clip", fontsize=8, labelpad=0)
    if gates:
        ax.legend(fontsize=6, loc="upper right", ncols=3)


def points(ax, values: dict[str, float]) -> None:
    """Predictions and truth on one line from -3 to 3."""
    for label, value in values.items():
        high = label == "truth"
        ax.plot(
            [value],
            [0],
            "|" if high else "o",
            ms=16 if high else 7,
            mew=3 if high else 1,
            color=COLOURS.get(label, figures.GREY),
            label=label,
        )
    ax.axvline(0, color="#BBBBBB", lw=0.8)
    ax.set(xlim=(-3.2, 3.2), ylim=(-0.5, 1.1), yticks=[])
    ax.set_xlabel("sentiment (points)", fontsize=8, labelpad=0)
    ax.legend(fontsize=6, ncols=4, loc="upper center", markerscale=0.6)


def cases(
    fig,
    found: dict[str, int],
    split: Split,
    values: dict[str, np.ndarray],
    tokenizer,
    kept: np.ndarray,
    names: tuple[str, ...] = ("case A", "case B", "case C"),
) -> None:
    """A row a case: which rule chose it, what was left of its words, and what the readers say.

    found: {rule: clip}; values: {reader: (n,) predictions}; kept: (n, l) the text's mask, [CLS] first; names: what the
    rows are called.
    """
    axes = fig.subplots(len(found), 1, sharex=True, squeeze=False)[:, 0]
    for i, (ax, (rule, clip)) in enumerate(zip(axes, found.items(), strict=True)):
        pieces = tokenizer.encode(split.raw_text[clip], add_special_tokens=False).tokens
        left = " ".join(p if k else "[UNK]" for p, k in zip(pieces, kept[clip][1:], strict=False))
        points(ax, {name: float(v[clip]) for name, v in values.items()} | {"truth": float(split.labels[clip])})
        sarcastic = "sarcastic" in split.extra and bool(split.extra["sarcastic"][clip])
        lines = textwrap.wrap(left, 96)
        shown = "\n".join(lines[:3]) + (" ..." if len(lines) > 3 else "")
        ax.set_title(f"{rule}{' (a sarcastic clip)' if sarcastic else ''}\n{shown}", fontsize=9)
        ax.set_ylabel(names[i])
        if i:
            ax.get_legend().remove()
        if i < len(found) - 1:
            ax.set_xlabel("")


def among_all(fig, errors: dict[str, np.ndarray], found: dict[str, int]) -> None:
    """A histogram of all clips' errors for each reader, with three cases marked. errors: {reader: (n,)}."""
    axes = fig.subplots(1, len(errors), sharex=True, sharey=True, squeeze=False)[0]
    for ax, (name, error) in zip(axes, errors.items(), strict=True):
        ax.hist(error, bins=np.arange(0, 4.3, 0.2), color="#BBBBBB")
        for (rule, clip), colour in zip(found.items(), (figures.GREEN, figures.BLUE, figures.RED), strict=True):
            ax.axvline(error[clip], color=colour, lw=2, label=f"case: {rule}")
        ax.axvline(np.median(error), color="black", lw=1.2, ls="--", label="median of all")
        ax.set(title=name, xlabel="error at rate 0.5 (points)")
    axes[0].set_ylabel("clips")
    fig.legend(*axes[0].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=4)


def deletions(fig, found: dict[str, tuple[list[str], np.ndarray]], spread: float) -> None:
    """A panel a case: how the prediction changes as each piece is hidden alone (the twelve largest are named); the band
    holds what a typical other piece does.

    found: {rule: (pieces, changes)}; spread: half the band's width, in points.
    """
    axes = fig.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for ax, (rule, (pieces, change)) in zip(axes, found.items(), strict=True):
        ax.axhspan(-spread, spread, color="#EEEEEE")
        ax.bar(range(len(change)), change, color=[figures.GREEN if c > 0 else figures.RED for c in change])
        named = np.sort(np.argsort(-np.abs(change), kind="stable")[:12])  # more labels than that would overlap
        ax.set_xticks(named, [pieces[i] for i in named], rotation=90, fontsize=7)
        ax.set(title=rule, xlabel="hidden token")
        ax.grid(False)
    axes[0].set_ylabel("change of the prediction (points)")


def shrinking(fig, truth: np.ndarray, values: dict[str, np.ndarray], sarcastic: np.ndarray) -> None:
    """Prediction against truth for each network; sarcastic clips are marked."""
    axes = fig.subplots(1, len(values), sharex=True, sharey=True, squeeze=False)[0]
    for ax, (name, v) in zip(axes, values.items(), strict=True):
        ax.plot(truth[~sarcastic], v[~sarcastic], ".", ms=4, color="#999999", label="other clips")
        ax.plot(truth[sarcastic], v[sarcastic], "x", ms=6, color=figures.RED, label="sarcastic")
        slope, start = np.polyfit(truth, v, 1)
        ax.plot([-3, 3], [start - 3 * slope, start + 3 * slope], color=figures.BLUE, label="straight line through all")
        ax.plot([-3, 3], [-3, 3], ":", color="black", lw=1, label="prediction = truth")
        ax.set(title=name, xlabel="label (points)", ylim=(-3.2, 3.2))
    axes[0].set_ylabel("prediction (points)")
    axes[-1].legend(fontsize=7, loc="upper left")


def against_fresh(ax, first: np.ndarray, second: np.ndarray, chosen: np.ndarray) -> None:
    """Each clip's gain under two sets of masks; the clips that the first set chose are marked."""
    ax.plot(first, second, ".", ms=4, color="#999999", label="all clips")
    ax.plot(first[chosen], second[chosen], "o", ms=5, color=figures.RED, label="chosen by the first masks")
    low, high = min(first.min(), second.min()), max(first.max(), second.max())
    ax.plot([low, high], [low, high], ":", color="black", lw=1)
    ax.axhline(0, color="#BBBBBB", lw=0.8)
    ax.set(xlabel="gain under the masks that chose (points)", ylabel="gain under fresh masks (points)")
    ax.legend()
