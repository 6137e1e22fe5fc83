"""Token ids as MMSA stores them, by each encoder's own tokeniser. (No torch here: describing data must answer at
once.)"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from mgmr_lib.data.corpus import Split
from mgmr_lib.data.download.hub import TOKENIZERS, model_folder
from mgmr_lib.data.download.pinned import MINILM
from mgmr_lib.data.download.sources import require
from mgmr_lib.errors import CourseError

UNK, CLS, SEP = 100, 101, 102  # in BERT's vocabularies, English and Chinese


@dataclass(frozen=True)
class Special:
    """The ids of a vocabulary's special tokens. unk stands in for a missing token."""

    cls: int
    sep: int
    unk: int


BERT = Special(CLS, SEP, UNK)


def load_tokenizer(name: str) -> Tokenizer:
    """The tokeniser of an encoder, without truncation or padding of its own. `tiny` shares minilm's.

    name: as `text.load_encoder` takes it. Errors: CourseError where it has none, or none that can be read.
    """
    if name == "stored":
        raise CourseError(
            "stored text features come from the data file, so words of one's own have none: train with another "
            "--text-encoder"
        )
    if name in ("minilm", "tiny"):
        path = require(MINILM, "tokenizer.json")
    else:
        folder = model_folder(name, TOKENIZERS)
        path = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path)) if path.is_file() else _converted(name, folder)
    except CourseError:
        raise
    except Exception as error:  # the tokenizers library raises plain Exception
        raise CourseError(
            f"{path} is no tokeniser ({str(error)[:200]}): get the text encoder {name!r} again"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _converted(name: str, folder: Path) -> Tokenizer:
    """A fast tokeniser made of a vocabulary file, as older models have it."""
    if not any(all((folder / file).is_file() for file in files) for files in TOKENIZERS):
        raise CourseError(
            f"the text encoder {name!r} has no tokeniser: {folder} holds neither tokenizer.json nor a vocabulary "
            f"({', '.join(' + '.join(files) for files in TOKENIZERS[1:])}), so save its tokeniser there"
        )
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False).backend_tokenizer
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise CourseError(
            f"the text encoder {name!r} has no tokenizer.json, and none can be made of its vocabulary ({reason}): save "
            "one there"
        ) from error


def special_tokens(name: str, tokenizer: Tokenizer | None = None) -> Special:
    """The special tokens of an encoder's vocabulary, asked of its tokeniser."""
    if name in ("minilm", "tiny", "stored"):
        return BERT
    tokenizer = tokenizer or load_tokenizer(name)
    around = tokenizer.encode("").ids
    named = [getattr(tokenizer.model, "unk_token", None), "[UNK]", "<unk>"]
    ids = [tokenizer.token_to_id(token) for token in named if isinstance(token, str)]
    unknown = [token for token in ids if token is not None]
    if len(around) != 2 or not unknown:
        raise CourseError(
            f"the tokeniser of {name!r} does not put one token before and one behind a sentence, or knows no [UNK]: "
            "choose a text encoder of BERT's kind"
        )
    return Special(around[0], around[1], unknown[0])


def tokenize(tokenizer: Tokenizer, texts, max_length: int, special: Special = BERT) -> tuple[np.ndarray, np.ndarray]:
    """[CLS] pieces [SEP] of each text: ids (n, max_length) int64 with zeros at the back, lengths (n,) int64.

    A text that is too long loses its last pieces, never [SEP].
    """
    ids = np.zeros((len(texts), max_length), dtype=np.int64)
    lengths = np.zeros(len(texts), dtype=np.int64)
    for row, encoding in enumerate(tokenizer.encode_batch(list(texts), add_special_tokens=False)):
        pieces = [special.cls, *encoding.ids[: max_length - 2], special.sep]
        ids[row, : len(pieces)] = pieces
        lengths[row] = len(pieces)
    return ids, lengths


def agreement(tokenizer: Tokenizer, split: Split, clips: int = 32, special: Special = BERT) -> float:
    """The share of the file's token ids that this tokeniser makes of its raw_text, over some clips that have words."""
    worded = [i for i, text in enumerate(split.raw_text) if text.strip()]
    rows = np.array(worded, int)[np.linspace(0, len(worded) - 1, min(clips, len(worded))).astype(int)]
    ids, _ = tokenize(tokenizer, [split.raw_text[i] for i in rows], split.token_ids.shape[1], special)
    found = split.token_ids[rows]
    valid = np.arange(found.shape[1])[None, :] < split.token_lengths[rows][:, None]
    inner = valid & (found != special.cls) & (found != special.sep)
    return float((ids == found)[inner].mean()) if inner.any() else 1.0


def vocabulary_mismatch(tokenizer: Tokenizer, split: Split, clips: int = 32) -> str | None:
    """A warning where the file's ids are not what this tokeniser makes of its raw text (another vocabulary), else
    None."""
    agree = agreement(tokenizer, split, clips)
    if agree >= 0.5:
        return None
    return (
        f"only {agree:.0%} of the file's token ids are what this text encoder's vocabulary gives for its raw_text: "
        "the file was tokenised with another vocabulary, so choose another text encoder (SIMS: bert-base-chinese)"
    )
