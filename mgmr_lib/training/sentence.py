"""One sentence of the learner's own, its voice and face missing."""

import numpy as np

from mgmr_lib.data.batch import mask_split
from mgmr_lib.data.corpus import MODALITIES, Ragged, Split
from mgmr_lib.data.text import load_tokenizer, tokenize
from mgmr_lib.training.run import Run


def sentence_split(run: Run, text: str) -> Split:
    """One clip with these words and blank voice and face, as long as the run's typical clip."""
    encoder = run.encoder or run.model.inputs.text_encoder
    assert encoder is not None  # frozen, or the network's own
    longest = min(run.about["corpus"]["text_length"], encoder.max_tokens)
    ids, lengths = tokenize(load_tokenizer(encoder.name), [text], longest, encoder.special)
    blank = {}
    for m in ("audio", "vision"):
        frames, width = run.about["corpus"]["frames"][m], run.about["corpus"]["widths"][m]
        blank[m] = Ragged(np.zeros((frames, width), np.float32), np.array([frames]), frames)
    return Split(("own$_$1",), (text,), ids, lengths, blank["audio"], blank["vision"], np.zeros(1, np.float32))


def predict_sentence(run: Run, text: str) -> float:
    """The sentiment of a sentence: all its tokens kept, every frame missing."""
    split = sentence_split(run, text)
    keep = {"text": np.ones((1, int(split.token_lengths[0])), bool)}
    keep |= {m: np.zeros((1, int(getattr(split, m).lengths[0])), bool) for m in MODALITIES if m != "text"}
    return float(run.predict(mask_split(split, keep, run.encoder, targets=False))[0])
