"""README's picture: a clip with holes, and how far the recorded networks are off as more goes missing; that in words.

`python -m mgmr_lib.course.authoring.cover` makes both again, from the corpus and from data/results.
"""

import numpy as np

from mgmr_lib.course import figures
from mgmr_lib.paths import REPOSITORY

FILE = REPOSITORY / ".github" / "cover.png"
BEGIN, END = "<!-- words:begin -->", "<!-- words:end -->"  # around README's paragraph
TABLE = REPOSITORY / "data/results/tables/classroom-mosi@2/tuned/curves.csv"
CLIP, RATE, SEED = 551, 0.5, 6  # of the test split; which share of its steps is lost
SHOWN = {  # row of the table: (what the picture calls it, colour)
    "mean of the training labels": ("always the same guess", figures.GREY),
    "text ridge": ("words alone, linear", figures.ORANGE),
    "MGMR-Net": ("MGMR-Net", figures.BLUE),
    "MFMB-Net": ("MFMB-Net", figures.RED),
}


def curves():
    """Mean absolute error over seeds: one row for each missing rate, one column for each line of the picture."""
    import pandas as pd

    table = pd.read_csv(TABLE)
    return table.pivot_table(index="rate", columns="label", values="mae")[list(SHOWN)]


def in_words() -> str:
    """README's paragraph about the curves."""
    error = curves()
    none, half, all_lost = (error.loc[rate] for rate in (0.0, 0.5, 1.0))
    guess, ridge, mgmr, mfmb = SHOWN
    assert min(all_lost[[mgmr, mfmb]]) > all_lost[guess] - 0.005  # the last sentence
    return (
        f"**In plain words.** Ratings go from −3 to +3. Who always guesses the average is off by {none[guess]:.2f} "
        f"points. A linear model of the words alone is off by {none[ridge]:.2f} while nothing is lost, and by "
        f"{half[ridge]:.2f} when half of each stream is; MGMR-Net by {none[mgmr]:.2f} and {half[mgmr]:.2f}, MFMB-Net "
        f"by {none[mfmb]:.2f} and {half[mfmb]:.2f}. When everything is lost, neither is better than the average. "
        "*AUILC* in the table is the mean of a measure over all missing rates; the lines below the table say which "
        "differences are larger than what another seed changes, and which are not."
    )


def cover(split):
    """The picture. split: the classroom corpus's test split."""
    from matplotlib import pyplot as plt

    figures.use_style()
    fig = plt.figure(figsize=(9.6, 3.0))
    left, right = fig.subfigures(1, 2, width_ratios=[1.05, 1])
    _clip(left, split)
    ax = right.subplots()
    for name, line in curves().items():
        label, colour = SHOWN[str(name)]
        ax.plot(100 * line.index, line, color=colour, label=label, lw=2.2)
    ax.set(xlabel="lost (% of each stream)", ylabel="error (points)", xticks=range(0, 101, 25))
    ax.set_title("The more is lost, the larger the error")
    ax.legend(loc="lower right")
    return fig


def _clip(part, split) -> None:
    rng = np.random.default_rng(SEED)
    words, *streams = part.subplots(3, 1, height_ratios=[1, 1, 1.6])
    words.axis("off")
    heard = [w if rng.random() >= RATE else "▒" * len(w) for w in split.raw_text[CLIP].split()]
    words.text(0, 0.3, " ".join(heard), fontsize=11, family="DejaVu Sans Mono")
    words.set_title(f"How positive, from −3 to +3? People say {split.labels[CLIP]:+.1f}.")
    for ax, name, ragged in zip(streams, ("voice", "face"), (split.audio, split.vision), strict=True):
        frames = ragged.padded()[CLIP][: int(ragged.lengths[CLIP])]
        scaled = (frames - frames.mean(0)) / np.maximum(frames.std(0), 1e-6)
        scaled[rng.random(len(scaled)) < RATE] = np.nan
        ax.imshow(scaled.T, aspect="auto", interpolation="nearest", vmin=-2.5, vmax=2.5)
        ax.set(yticks=[], xticks=[])
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
        ax.grid(False)
    streams[-1].set_xlabel("time (simulated voice and face; white: lost)")


def main() -> None:
    """Draw the picture, and write the paragraph into README."""
    from mgmr_lib.data.load import load_corpus
    from mgmr_lib.files import write_bytes, write_text

    write_bytes(FILE, figures.png(cover(load_corpus("classroom-mosi@2")["test"]), small=True))
    readme = REPOSITORY / "README.md"
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    write_text(readme, f"{before}{BEGIN}\n{in_words()}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
