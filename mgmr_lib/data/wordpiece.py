"""WordPiece token ids as MMSA stores them. (No torch here: preparing and describing data must answer at once.)"""

import numpy as np
from tokenizers import Tokenizer

from mgmr_lib.data.corpus import Split
from mgmr_lib.data.download.hub import hub_file
from mgmr_lib.data.download.pinned import MINILM
from mgmr_lib.data.download.sources import require
from mgmr_lib.errors import CourseError

PAD, UNK, CLS, SEP = 0, 100, 101, 102  # the same in the vocabulary of every encoder


def load_tokenizer(name: str) -> Tokenizer:
    """The WordPiece tokeniser of an encoder, without truncation or padding of its own. `tiny` shares minilm's."""
    path = require(MINILM, "tokenizer.json") if name in ("minilm", "tiny") else hub_file(name, "tokenizer.json")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def tokenize(tokenizer: Tokenizer, texts, max_length: int) -> tuple[np.ndarray, np.ndarray]:
    """[CLS] pieces [SEP] of each text: ids (n, max_length) int64 with zeros at the back, lengths (n,) int64.

    A text that is too long loses its last pieces, never [SEP].
    """
    ids = np.zeros((len(texts), max_length), dtype=np.int64)
    lengths = np.zeros(len(texts), dtype=np.int64)
    for row, encoding in enumerate(tokenizer.encode_batch(list(texts), add_special_tokens=False)):
        pieces = [CLS, *encoding.ids[: max_length - 2], SEP]
        ids[row, : len(pieces)] = pieces
        lengths[row] = len(pieces)
    return ids, lengths


def vocabulary_mismatch(tokenizer: Tokenizer, split: Split, clips: int = 32) -> str | None:
    """A warning where the file's ids are not what this tokeniser makes of its raw text (another vocabulary), else None.

    Ids outside the vocabulary are a CourseError: the encoder would have no embedding for them.
    """
    size = tokenizer.get_vocab_size()
    valid = np.arange(split.token_ids.shape[1])[None, :] < split.token_lengths[:, None]
    highest, lowest = int(split.token_ids[valid].max()), int(split.token_ids[valid].min())
    if highest >= size or lowest < 0:
        raise CourseError(
            f"text_bert holds the id {highest if highest >= size else lowest}, "
            f"but the text encoder's vocabulary goes from 0 to {size - 1}: "
            "choose the text encoder that the file was made for"
        )
    rows = np.linspace(0, len(split) - 1, min(clips, len(split))).astype(int)
    ids, _ = tokenize(tokenizer, [split.raw_text[i] for i in rows], split.token_ids.shape[1])
    inner = valid[rows] & (split.token_ids[rows] != CLS) & (split.token_ids[rows] != SEP)
    agree = float((ids == split.token_ids[rows])[inner].mean()) if inner.any() else 1.0
    if agree >= 0.5:
        return None
    return (
        f"only {agree:.0%} of the file's token ids are what this text encoder's vocabulary gives for its raw_text: "
        "the file was tokenised with another vocabulary, so choose another text encoder (SIMS: bert-base-chinese)"
    )
