"""What notebook 00 claims: one word turns the sentence round, others turn at several or at none, half of the words
leave about half of the lead."""

import numpy as np
import pytest

from mgmr_lib.data.batch import mask_split
from mgmr_lib.data.load import load_corpus
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.data.text import cached_features, load_encoder
from mgmr_lib.evaluation.references import text_ridge

pytestmark = pytest.mark.slow  # minilm reads a training split


@pytest.fixture(scope="module")
def reader():
    corpus, encoder = load_corpus("classroom-mosi"), load_encoder("minilm")
    train = corpus["train"]
    return corpus["test"], train.labels.mean(), encoder, text_ridge(cached_features(encoder, train), train.labels)


def without_each(test, i: int, encoder, read) -> tuple[float, np.ndarray]:
    """The ridge's answer to sentence i complete, and with each piece alone lost."""
    pieces = int(test.token_lengths[i]) - 2
    copies = test.select([i] * (pieces + 1))
    masks = {m: keep.copy() for m, keep in draw_masks(copies, 0.0, seed=1).items()}
    masks["text"][range(pieces), range(1, pieces + 1)] = False
    answers = np.asarray(read(mask_split(copies, masks, encoder)))
    return float(answers[-1]), answers[:-1]


def test_one_word_alone_turns_the_sentence_and_no_other_does(reader):
    test, _, encoder, read = reader
    whole, alone = without_each(test, test.ids.index("video0059$_$1"), encoder, read)
    assert whole < -0.5 and (alone > 0).sum() == 1 and alone.max() > 0.2


def test_many_sentences_turn_at_several_words_and_many_at_none(reader):
    test, _, encoder, read = reader
    turning = []
    for i in range(0, 120, 4):
        whole, alone = without_each(test, i, encoder, read)
        turning.append((np.sign(alone) != np.sign(whole)).sum())
    assert sum(n == 0 for n in turning) >= 5 and sum(n > 1 for n in turning) >= 5, turning


def test_half_of_the_words_leave_about_half_of_the_lead_and_not_the_same_share_in_every_draw(reader):
    test, blind, encoder, read = reader
    sample = test.select(range(200))

    def lead(rate: float, seed: int) -> float:
        answers = np.asarray(read(mask_split(sample, draw_masks(sample, rate, seed=seed), encoder)))
        return np.abs(sample.labels - blind).mean() - np.abs(sample.labels - answers).mean()

    left = [lead(0.5, seed) / lead(0.0, 1) for seed in range(1, 7)]
    assert 0.35 < np.mean(left) < 0.7 and max(left) - min(left) > 0.1


def test_labels_are_seldom_near_an_end_of_the_scale(reader):
    assert (np.abs(reader[0].labels) > 2.5).mean() < 0.05
