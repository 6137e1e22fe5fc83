"""How like a real voice and face a simulated one is: simple summaries side by side, no network among them.

`python -m mgmr_lib calibrate REAL SIMULATED ...` prints them. A summary takes the clips that have the modality; a
ridge's correlation is that of five-fold cross-validated predictions over the clips of all splits.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mgmr_lib.data.corpus import Corpus, Ragged
from mgmr_lib.evaluation.references import ALPHAS
from mgmr_lib.files import read_json, write_json
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.provenance import provenance

RECORDED = REPOSITORY / "data" / "results" / "calibration.json"  # POM's voice and face beside the classroom's
KERNELS, WIDTH, DRAWS = 300, 5, 3
QUARTILES = (50, 25, 75)
ZERO_SUM = "ridge on zero-sum kernels"
CONTROL = "the same on noise of these lengths"  # the largest of many answers grows with their number


def joined(corpus: Corpus, modality: str, average: int = 1) -> tuple[list[np.ndarray], np.ndarray]:
    """The clips of all splits, (l_i, d) each in standard deviations of its channels over all frames, and their labels.

    average: so many frames become one step, as real corpora give segments where the classroom gives frames. Channels
    that never change are left out.
    """
    frames: list[Ragged] = [getattr(s, modality) for s in corpus.splits.values()]
    clips = [averaged(f[i].astype(np.float64), average) for f in frames for i in range(len(f))]
    everything = np.concatenate(clips)
    mean, spread = everything.mean(0), everything.std(0)
    alive = spread > 1e-9 * np.maximum(np.abs(mean), 1e-30)
    labels = np.concatenate([s.labels for s in corpus.splits.values()])
    return [(c[:, alive] - mean[alive]) / spread[alive] for c in clips], labels


def averaged(x: np.ndarray, average: int) -> np.ndarray:
    """(l, d) -> (ceil(l / average), d): means of so many steps, the last of what is left."""
    if average == 1 or len(x) == 0:
        return x
    starts = np.arange(0, len(x), average)
    return np.add.reduceat(x, starts) / np.diff(np.append(starts, len(x)))[:, None]


def between_share(clips: list[np.ndarray]) -> np.ndarray:
    """(d,): the share of each channel's variance that lies between clips, and not within them."""
    some = [c for c in clips if len(c)]
    sizes, means = np.array([len(c) for c in some]), np.array([c.mean(0) for c in some])
    overall = np.average(means, axis=0, weights=sizes)
    between = np.average((means - overall) ** 2, axis=0, weights=sizes)
    within = np.concatenate([c - m for c, m in zip(some, means, strict=True)]).var(0)
    return between / np.maximum(between + within, 1e-30)


def autocorrelation(clips: list[np.ndarray]) -> np.ndarray:
    """(d,): of what is left when each clip's mean is taken away, from one step to the next."""
    rest = [c - c.mean(0) for c in clips if len(c) > 1]
    now, following = np.concatenate([r[:-1] for r in rest]), np.concatenate([r[1:] for r in rest])
    return (now * following).sum(0) / np.sqrt((now**2).sum(0) * (following**2).sum(0))


def means(c: np.ndarray) -> np.ndarray:
    """(l, d) -> (d,)."""
    return c.mean(0)


def spread(c: np.ndarray) -> np.ndarray:
    """(l, d) -> (4 d,): mean, standard deviation, smallest and largest."""
    return np.concatenate([c.mean(0), c.std(0), c.min(0), c.max(0)])


def thirds(c: np.ndarray) -> np.ndarray:
    """(l, d) -> (4 d,): mean, and the means of the first, the middle and the last third."""
    edges = np.linspace(0, len(c), 4)
    parts = [c[int(a) : max(int(a) + 1, int(np.ceil(b)))].mean(0) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    return np.concatenate([c.mean(0), *parts])


def pattern(c: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """(l, d) -> (2 k,): each random kernel's largest answer, and the share of its answers above 0.

    kernels: (k, WIDTH, d), the weights of each channel adding up to zero, so that a level changes nothing; the clip's
    ends are repeated.
    """
    ends = np.pad(c, ((WIDTH // 2, WIDTH // 2), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(ends, WIDTH, axis=0)  # (l, d, WIDTH)
    answers = windows.reshape(len(c), -1) @ kernels.transpose(2, 1, 0).reshape(-1, len(kernels))
    return np.concatenate([answers.max(0), (answers > 1e-9).mean(0)])


def draw_kernels(d: int, seed: int) -> np.ndarray:
    """(KERNELS, WIDTH, d): normal weights on a random handful of channels, zero-sum in time."""
    rng = np.random.default_rng(seed)
    kernels = rng.standard_normal((KERNELS, WIDTH, d))
    size = np.floor(2 ** rng.uniform(0, np.log2(min(d, WIDTH * 2) + 1), KERNELS))
    chosen = rng.random((KERNELS, d)).argsort(1) < size[:, None]
    return (kernels - kernels.mean(1, keepdims=True)) * chosen[:, None, :]


def ridge_correlation(clips: list[np.ndarray], labels: np.ndarray, summary) -> float:
    """How well a ridge on summary((l, d)) of each clip predicts the labels; a clip without a step is an average one."""
    some = next(c for c in clips if len(c))
    blank = np.full(len(summary(some)), np.nan)
    x = np.array([summary(c) if len(c) else blank for c in clips])
    model = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), RidgeCV(ALPHAS))
    found = cross_val_predict(model, x, labels, cv=KFold(5, shuffle=True, random_state=0))
    return float(np.corrcoef(found, labels)[0, 1])


def summaries(corpus: Corpus, modality: str, average: int = 1) -> dict[str, str]:
    """{what: how much, as text} of one modality of a corpus."""
    clips, labels = joined(corpus, modality, average)
    found = {
        "clips without it": f"{np.mean([len(c) == 0 for c in clips]):.0%}",
        "steps a clip (median)": f"{np.median([len(c) for c in clips if len(c)]):.0f}",
        "variance between clips": _quartiles(between_share(clips)),
        "autocorrelation of the rest": _quartiles(autocorrelation(clips)),
    }
    for name, summary in (("means", means), ("means, spread, extremes", spread), ("means of thirds", thirds)):
        found[f"ridge on {name}"] = f"{ridge_correlation(clips, labels, summary):.3f}"
    found["ridge on lengths alone"] = f"{ridge_correlation(clips, labels, lambda c: np.array([len(c)])):.3f}"
    noise = np.random.default_rng(0)
    for name, heard in ((ZERO_SUM, clips), (CONTROL, [noise.standard_normal(c.shape) for c in clips])):
        found[name] = _zero_sum(heard, labels)
    return found


def _zero_sum(clips: list[np.ndarray], labels: np.ndarray) -> str:
    d = next(c for c in clips if len(c)).shape[1]
    drawn = [draw_kernels(d, seed) for seed in range(DRAWS)]
    answers = [ridge_correlation(clips, labels, lambda c, k=k: pattern(c, k)) for k in drawn]
    return f"{np.mean(answers):.3f} ({min(answers):.3f}-{max(answers):.3f})"


def _quartiles(values: np.ndarray) -> str:
    middle, low, high = np.percentile(values, QUARTILES)
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def side_by_side(corpora: list[tuple[Corpus, int]]) -> pd.DataFrame:
    """One row per summary and modality, one column per corpus. corpora: each with how many frames become a step."""
    columns = {}
    for corpus, average in corpora:
        parts = {m: summaries(corpus, m, average) for m in ("audio", "vision")}
        name = corpus.name if average == 1 else f"{corpus.name}, {average} frames a step"
        columns[name] = {(m, what): v for m, part in parts.items() for what, v in part.items()}
    return pd.DataFrame(columns)


def write(path: Path, table: pd.DataFrame) -> None:
    """side_by_side's table and its provenance, as JSON."""
    rows = [
        [modality, what, *row] for (modality, what), row in zip(table.index, table.to_numpy().tolist(), strict=True)
    ]
    write_json(path, {"provenance": provenance(), "corpora": list(table.columns), "rows": rows})


def read(path: Path = RECORDED) -> tuple[pd.DataFrame, dict]:
    """What `write` wrote: the table and its provenance."""
    found = read_json(path)
    index = pd.MultiIndex.from_tuples([tuple(row[:2]) for row in found["rows"]])
    return pd.DataFrame([row[2:] for row in found["rows"]], index, found["corpora"]), found["provenance"]
