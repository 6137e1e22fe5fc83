"""Notebook 11: a knob of the simulated world, how much of what a voice says is a level, and who hears what it says."""

from dataclasses import replace

import numpy as np

from mgmr_lib.course import figures
from mgmr_lib.data.classroom import features
from mgmr_lib.data.classroom.corpora import SECOND, SPECS, simulate_clips
from mgmr_lib.data.classroom.splits import draw_splits
from mgmr_lib.evaluation.calibration import averaged, draw_kernels, means, pattern, ridge_correlation

LEVELS = (0.0, 0.5, 1.0)
AVERAGE = 5  # frames per step, as in notebook 08's comparison with real voices
KERNELS = 100


def voices(level: float, clips: int, seed: int = 0, window: int = AVERAGE) -> tuple[list[np.ndarray], np.ndarray]:
    """Simulated voices of the second edition with this knob, averaged over windows of frames, [(steps, 5)] in standard
    deviations of each channel, and the labels. The same clips, feelings and noise at every level."""
    whole = SPECS["classroom-mosi@2"]
    spec = replace(whole, sizes=(clips, 8, 8), voice=replace(SECOND["voice"], level=level))
    drawn = draw_splits(spec.sets, spec.sizes, spec.seed)["train"]
    voice = spec.modalities()["audio"]
    found = [features.decode(heard["audio"], voice) for _, heard in simulate_clips(spec, drawn, [spec.seed, seed])]
    steps = [averaged(x.astype(np.float64), window) for x in found]
    everything = np.concatenate(steps)
    scaled = [(x - everything.mean(0)) / everything.std(0) for x in steps]
    return scaled, np.array([clip.sentence.rating for clip in drawn])


def who_hears(level: float, clips: int, seed: int = 0, window: int = AVERAGE) -> dict[str, float]:
    """{reader: correlation with the ratings, five-fold} of three readers without a network: the clip's average, random
    patterns in time that no level moves, and the same patterns on noise of the same lengths, the control."""
    heard, labels = voices(level, clips, seed, window)
    rng, kernels = np.random.default_rng(seed), draw_kernels(heard[0].shape[1], seed)[:KERNELS]
    noise = [rng.standard_normal(x.shape) for x in heard]
    return {
        "averages": ridge_correlation(heard, labels, means),
        "patterns in time": ridge_correlation(heard, labels, lambda x: pattern(x, kernels)),
        "control: patterns in noise": ridge_correlation(noise, labels, lambda x: pattern(x, kernels)),
    }


def draw(ax, found: dict[float, dict[str, float]]) -> None:
    """A line per reader over the knob."""
    levels = sorted(found)
    for name, style in zip(found[levels[0]], ("o-", "s-", "x--"), strict=True):
        colour = {"o-": figures.BLUE, "s-": figures.ORANGE}.get(style, figures.GREY)
        ax.plot(levels, [found[level][name] for level in levels], style, color=colour, label=name)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel="the knob: how much of what a voice says is a level", ylabel="correlation with the rating")
    ax.set_xticks(levels)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
