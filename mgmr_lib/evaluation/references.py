"""What a network must beat: the mean of the training labels, and a ridge regression on the mean of the text's
encodings, or of voice and face where there are no words."""

from collections.abc import Callable

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from mgmr_lib.data.batch import MaskedSplit
from mgmr_lib.data.corpus import Ragged, Split
from mgmr_lib.data.missing import draw_masks, valid_mask

Predictor = Callable[[MaskedSplit], np.ndarray]  # a split under its masks -> (n,) predictions
ALPHAS = np.logspace(-1, 5, 25)


def mean_pool(features: Ragged) -> np.ndarray:
    """The average of each clip's steps: (n, d) float64; zero where a clip has none."""
    found, some = np.zeros((len(features), features.dim)), features.lengths > 0
    if some.any():  # reduceat knows no empty sums
        starts = (np.cumsum(features.lengths) - features.lengths)[some]
        sums = np.add.reduceat(features.values.astype(np.float64), starts)
        found[some] = sums / features.lengths[some, None]
    return found


def mean_predictor(train_labels: np.ndarray) -> Predictor:
    """Always the mean of the training labels."""
    value = float(np.mean(train_labels))
    return lambda masked: np.full(len(masked), value)


def fit_ridge(features: np.ndarray, labels: np.ndarray) -> Pipeline:
    """Ridge on standardised features, its penalty chosen by leave-one-out."""
    return make_pipeline(StandardScaler(), RidgeCV(ALPHAS)).fit(features, labels)


def text_ridge(complete_train_text: Ragged, train_labels: np.ndarray) -> Predictor:
    """Ridge on mean-pooled, frozen encodings of complete training text; it predicts from the same masked text as
    others."""
    model = fit_ridge(mean_pool(complete_train_text), train_labels)

    def predictor(masked: MaskedSplit) -> np.ndarray:
        assert masked.masked_text is not None  # its encoder is frozen, as the training text's was
        return model.predict(mean_pool(masked.masked_text))

    return predictor


def seen_means(masked: MaskedSplit) -> np.ndarray:
    """The average of each clip's kept frames of voice and face: (n, d_a + d_v), NaN where none was kept."""
    parts = []
    for m in ("audio", "vision"):
        frames = getattr(masked.split, m)
        valid = valid_mask(frames.lengths, masked.keep[m].shape[1])
        kept = (masked.keep[m] & valid).sum(1)
        means = mean_pool(Ragged(frames.values[masked.keep[m][valid]], kept, frames.max_length))
        parts.append(np.where(kept[:, None] > 0, means, np.nan))
    return np.concatenate(parts, axis=1)


def steps(masked: MaskedSplit) -> np.ndarray:
    """How many steps of voice and face a clip has, and whether it has any: (n, 4). No mask hides that."""
    lengths = np.stack([masked.split.audio.lengths, masked.split.vision.lengths], axis=1)
    return np.concatenate([lengths, lengths > 0], axis=1).astype(np.float64)


def means_and_steps(masked: MaskedSplit) -> np.ndarray:
    """(n, d_a + d_v + 4): seen_means and steps."""
    return np.concatenate([seen_means(masked), steps(masked)], axis=1)


def frames_ridge(train: Split, features: Callable[[MaskedSplit], np.ndarray] = seen_means) -> Predictor:
    """Ridge on the clip means of voice and face (or other `features`), complete in training. What is missing is the
    mean of the training clips that have it."""
    model = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), RidgeCV(ALPHAS))
    model.fit(features(MaskedSplit(train, draw_masks(train, 0.0, 0))), train.labels)
    return lambda masked: model.predict(features(masked))


def wordless(train: Split) -> dict[str, Predictor]:
    """{name in the ledger: ridge} where no text was recorded: on what voice and face say on average, on how long they
    are alone (a network reads that, too, at every missing rate), and on both."""
    return {
        "frames_ridge": frames_ridge(train),
        "lengths_ridge": frames_ridge(train, steps),
        "frames_lengths_ridge": frames_ridge(train, means_and_steps),
    }
