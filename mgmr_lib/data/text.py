"""Text encoders behind one call, and a cache of the features of complete sentences.

Encoders by name: `minilm` (offline, from `data prepare`; 6 layers, 384-d), `bert-base-uncased` and
`bert-base-chinese` (768-d, from the model hub, downloaded on first use), any other of pretrained.FAMILIES from the hub
or a folder, `tiny` (2 layers, 64-d, random weights from a fixed seed: for tests) and `stored` (no encoder: the data
file's own text features).
"""

import hashlib
import os
import re
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from mgmr_lib.data.corpus import Ragged, Split
from mgmr_lib.data.download.hub import ENCODERS, model_folder
from mgmr_lib.data.download.pinned import MINILM
from mgmr_lib.data.download.sources import progress_bar, require
from mgmr_lib.data.encoding_memo import SHARED_ENCODINGS, EncodingMemo
from mgmr_lib.data.feature_files import LARGEST, give_back, read_values, write_values
from mgmr_lib.data.pretrained import load_model, longest_text, padding_id
from mgmr_lib.data.wordpiece import Special, load_tokenizer, special_tokens, tokenize, vocabulary_mismatch
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import cache_dir

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = [
    "ENCODERS",
    "StoredFeatures",
    "TextEncoder",
    "cached_features",
    "encode",
    "load_encoder",
    "load_tokenizer",
    "tokenize",
    "vocabulary_mismatch",
]
STORED = "stored"


class TextEncoder(nn.Module):
    """A BERT or its like, without a pooler: ids (b, l), valid (b, l) bool -> last hidden state (b, l, dim), zero where
    not valid.

    A frozen encoder takes no gradients and stays in eval mode. Ids in the padding change nothing, whatever they are.
    max_tokens: the longest text that it has positions for, special tokens included.
    memo: set by sweeps, so that `encode` remembers what a frozen encoder said.
    """

    def __init__(self, name: str, bert: "PreTrainedModel", frozen: bool = True):
        super().__init__()
        self.name, self.bert, self.frozen = name, bert, frozen
        self.dim, self.vocab_size = bert.config.hidden_size, bert.config.vocab_size
        self.max_tokens, self.pad = longest_text(bert.config), padding_id(bert.config)
        self.memo: EncodingMemo | None = None
        self._remembered: dict[str, Ragged] = {}
        self._weights_id = ""
        bert.requires_grad_(not frozen)
        self.train(not frozen)

    def train(self, mode: bool = True) -> "TextEncoder":
        """A frozen encoder has no dropout, even while the rest of the network trains."""
        return super().train(mode and not self.frozen)

    def forward(self, ids: Tensor, valid: Tensor) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            ids = ids.masked_fill(~valid, self.pad)
            hidden = self.bert(input_ids=ids, attention_mask=valid.long()).last_hidden_state
            return hidden.masked_fill(~valid.unsqueeze(-1), 0.0)

    @cached_property
    def special(self) -> Special:
        """The special tokens of its vocabulary."""
        return special_tokens(self.name)

    def weights_id(self) -> str:
        """A hash of every weight, so that cached features are never another model's."""
        if not self.frozen or not self._weights_id:
            digest = hashlib.sha256()
            for key, value in sorted(self.bert.state_dict().items()):
                digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
                digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
            self._weights_id = digest.hexdigest()
        return self._weights_id


class StoredFeatures(nn.Module):
    """Stands where a text encoder stands, and takes the text features that the data file holds; missing steps are zero.

    Its width is the file's (`Split.text.dim`).
    """

    name, memo, vocab_size, max_tokens = STORED, None, 0, 1 << 62

    def __init__(self, frozen: bool = True):
        super().__init__()
        if not frozen:
            raise CourseError("--text-encoder stored takes features that are computed already: use --encoder-lr 0")
        self.frozen = True

    def masked(self, split: Split, keep: np.ndarray) -> Ragged:
        """The split's features with zeros where keep (n, L) is False."""
        features = split.stored_text.features()
        valid = np.arange(keep.shape[1])[None, :] < features.lengths[:, None]
        return Ragged(features.values * keep[valid][:, None], features.lengths, features.max_length)


def load_encoder(name: str, frozen: bool = True):
    """A text encoder by its name: one of ENCODERS, the path of a folder with config.json, or a name on the model hub.

    The transformers families of FAMILIES are read, and every weight must be there. "stored" gives a StoredFeatures.
    Errors: CourseError where `data prepare` has not been run (minilm), the hub cannot be reached, or the model is of
    another kind or incomplete.
    """
    if name == STORED:
        return StoredFeatures(frozen)
    with _quiet_transformers():
        if name == "tiny":
            from transformers import BertConfig, BertModel

            sizes = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                return TextEncoder(
                    name, BertModel(BertConfig(vocab_size=30522, **sizes), add_pooling_layer=False), frozen
                )
        if name == "minilm":
            folder = require(MINILM, "model.safetensors").parent
            require(MINILM, "config.json")
        else:
            folder = model_folder(name)
        return TextEncoder(name, load_model(name, folder).float(), frozen)


@contextmanager
def _quiet_transformers():
    """Load without progress bars and load reports: their order varies from run to run."""
    import transformers

    level, bars = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)
        if bars:
            transformers.logging.enable_progress_bar()


def encode(
    encoder: TextEncoder,
    ids: np.ndarray,
    lengths: np.ndarray,
    batch_tokens: int = 2048,
    progress: bool = False,
    shared: bool = True,
) -> Ragged:
    """The features of ids (n, L) with the given lengths: a Ragged of width encoder.dim, in the order of the rows.

    Clips of like length share a batch of about batch_tokens tokens, so that hardly any padding is computed.
    shared: False computes even what the folder of shared encodings holds.
    """

    def compute() -> Ragged:
        found = _encode_or_read if shared else _encode
        return found(encoder, ids, lengths, batch_tokens, progress)

    return encoder.memo.features(ids, lengths, compute) if encoder.memo is not None and encoder.frozen else compute()


def _encode_or_read(
    encoder: TextEncoder, ids: np.ndarray, lengths: np.ndarray, batch_tokens: int, progress: bool
) -> Ragged:
    """`_encode`, or what another process of this test run wrote into the folder that MGMR_SHARED_ENCODINGS names.

    The number of threads and the batches are part of the key, since both move the last bits.
    """
    folder = os.environ.get(SHARED_ENCODINGS)
    if not folder or not encoder.frozen:
        return _encode(encoder, ids, lengths, batch_tokens, progress)
    key = f"{_content_key(ids, lengths)}-{encoder.weights_id()[:16]}-{batch_tokens}-{torch.get_num_threads()}"
    path = Path(folder) / f"{key}.safetensors"
    values = read_values(path, (int(lengths.sum()), encoder.dim))
    if values is None:
        values = _encode(encoder, ids, lengths, batch_tokens, progress).values
        write_values(path, values)
    return Ragged(values, np.asarray(lengths, dtype=np.int64), ids.shape[1])


@torch.no_grad()
def _encode(encoder: TextEncoder, ids: np.ndarray, lengths: np.ndarray, batch_tokens: int, progress: bool) -> Ragged:
    training = encoder.training
    encoder.eval()
    device = next(encoder.parameters()).device
    starts = np.concatenate([[0], np.cumsum(lengths)])
    values = np.empty((int(starts[-1]), encoder.dim), dtype=np.float32)
    with progress_bar(total=len(ids), desc=f"text features ({encoder.name})", unit="clip", disable=not progress) as bar:
        for count, rows in enumerate(_batches_of_like_length(lengths, batch_tokens)):
            if count % 16 == 0:  # batches of ever other sizes leave holes, of half a gigabyte on classroom-mosei
                give_back()
            longest = int(lengths[rows].max())
            valid = torch.arange(longest)[None, :] < torch.as_tensor(lengths[rows])[:, None]
            hidden = encoder(torch.as_tensor(ids[rows, :longest]).to(device), valid.to(device)).float().cpu().numpy()
            for row, features in zip(rows, hidden, strict=True):
                values[starts[row] : starts[row + 1]] = features[: lengths[row]]
            bar.update(len(rows))
    encoder.train(training)
    return Ragged(values, np.asarray(lengths, dtype=np.int64), ids.shape[1])


def _batches_of_like_length(lengths: np.ndarray, batch_tokens: int):
    order = np.argsort(-np.asarray(lengths), kind="stable")
    start = 0
    while start < len(order):
        count = max(1, batch_tokens // int(lengths[order[start]]))
        yield order[start : start + count]
        start += count


def cached_features(encoder: TextEncoder, split: Split, progress: bool = False) -> Ragged:
    """`encode` of the split's complete text, remembered by content: in the encoder object, and on disk (feature_files).

    The key is a hash of the ids, the lengths and the weights. A data folder that cannot be written to costs time, not
    the run.
    """
    if encoder.name == STORED:
        return split.stored_text.features()
    if not encoder.frozen:
        raise ValueError("features of an encoder that is being trained cannot be cached")
    key = _content_key(split.token_ids, split.token_lengths)
    name = f"{re.sub(r'[^A-Za-z0-9._-]+', '--', encoder.name)[-60:]}-{key}-{encoder.weights_id()[:16]}"
    if name not in encoder._remembered:
        path = cache_dir() / "features" / f"{name}.safetensors"
        values = read_values(path, (int(split.token_lengths.sum()), encoder.dim))
        if values is None:
            values = encode(encoder, split.token_ids, split.token_lengths, progress=progress).values
            write_values(path, values, LARGEST)
        encoder._remembered[name] = Ragged(values, split.token_lengths.astype(np.int64), split.token_ids.shape[1])
    return encoder._remembered[name]


def _content_key(ids: np.ndarray, lengths: np.ndarray) -> str:
    """24 hexadecimal digits of the SHA-256 of a table of ids (n, L), read up to the lengths (n,)."""
    key = hashlib.sha256()
    valid = np.arange(ids.shape[1])[None, :] < np.asarray(lengths)[:, None]
    for part in (np.asarray(ids.shape), ids[valid], lengths):
        key.update(np.ascontiguousarray(part, dtype=np.int64).data)
    return key.hexdigest()[:24]
