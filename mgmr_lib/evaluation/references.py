"""What a network must beat: the mean of the training labels, and a ridge regression on the mean of the text's
encodings."""

from collections.abc import Callable

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from mgmr_lib.data.batch import MaskedSplit
from mgmr_lib.data.corpus import Ragged

Predictor = Callable[[MaskedSplit], np.ndarray]  # a split under its masks -> (n,) predictions
ALPHAS = np.logspace(-1, 5, 25)


def mean_pool(features: Ragged) -> np.ndarray:
    """The average of each clip's steps: (n, d) float64."""
    starts = np.concatenate([[0], np.cumsum(features.lengths)[:-1]])
    return np.add.reduceat(features.values.astype(np.float64), starts) / features.lengths[:, None]


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
