"""Everything that a run needs before its first step: the corpus, the text encoder, the network and its statistics."""

from dataclasses import dataclass, field

import numpy as np
import torch

from mgmr_lib.data.batch import MaskedSplit, mask_split
from mgmr_lib.data.corpus import Corpus, Ragged, Split
from mgmr_lib.data.door import check_trainable, text_view
from mgmr_lib.data.load import load_corpus
from mgmr_lib.data.missing import draw_masks, train_masks
from mgmr_lib.data.text import STORED, TextEncoder, cached_features, encode, load_encoder
from mgmr_lib.models.inputs import Inputs, Network
from mgmr_lib.models.registry import entry
from mgmr_lib.training.config import TrainConfig
from mgmr_lib.training.finite import check_corpus, check_features
from mgmr_lib.training.seeds import mix


@dataclass
class Setup:
    """A network together with the data that it reads: before training, or (training.run.Run) after it.

    splits: the corpus's, cut to the configuration's max_clips. encoder: the text encoder where it is frozen, None where
    the network holds one of its own. complete: its features of complete text, by split.
    """

    config: TrainConfig
    corpus: Corpus
    splits: dict[str, Split]
    model: Network
    encoder: TextEncoder | None
    complete: dict[str, Ragged] = field(default_factory=dict)

    def complete_text(self, split: str) -> Ragged | None:
        """Features of a split's complete text (computed once, cached by content); None where the network encodes."""
        if self.encoder is not None and split not in self.complete:
            self.complete[split] = cached_features(self.encoder, self.splits[split])
        return self.complete.get(split)

    def masked(
        self, split: str, rate: float, seed: int, targets: bool = False, pattern: str | None = None
    ) -> MaskedSplit:
        """A split under static masks at one missing rate; CourseError where the data has no such split.

        pattern: how steps go missing, as in training unless one is given."""
        if split not in self.splits:
            self.corpus[split]
        keep = draw_masks(self.splits[split], rate, seed, pattern=pattern or self.config.pattern)
        return mask_split(self.splits[split], keep, self.encoder, self.complete_text(split), targets)

    def train_epoch(self, epoch: int) -> MaskedSplit:
        """The training split under one epoch's masks: protocol A's never change, protocol B's are drawn anew."""
        c, split = self.config, self.splits["train"]
        keep = train_masks(split, epoch, c.seed, c.protocol, c.rate, c.pattern)
        return mask_split(split, keep, self.encoder, self.complete_text("train"))

    def valid_rates(self) -> tuple[float, ...]:
        """Protocol A validates at its own rate, protocol B over several."""
        return (self.config.rate,) if self.config.protocol == "A" else self.config.valid_rates


def cut(split: Split, clips: int | None) -> Split:
    """The first `clips` clips."""
    return split if clips is None or clips >= len(split) else split.select(np.arange(clips))


def cut_splits(corpus: Corpus, clips: int | None) -> dict[str, Split]:
    """Every split of a corpus, cut."""
    return {name: cut(split, clips) for name, split in corpus.splits.items()}


def with_shuffled_labels(split: Split, seed: int) -> Split:
    """The negative control: every label belongs to some other clip."""
    order = np.random.default_rng(seed).permutation(len(split))
    return Split(**{**vars(split), "labels": split.labels[order]})


def prepare(config: TrainConfig, corpus: Corpus | None = None, encoder: TextEncoder | None = None) -> Setup:
    """Load the corpus and the text encoder (unless given), and a freshly initialised network, with the train split's
    statistics.

    encoder: the configuration's own, frozen; sweeps load it once for many runs.
    """
    corpus = corpus or load_corpus(config.data, config.dataset)
    check_trainable(corpus)
    encoder = given_encoder(config, encoder)
    splits = cut_splits(text_view(corpus, encoder), config.max_clips)
    check_corpus(corpus, splits)
    if config.shuffle_labels:
        splits = {n: with_shuffled_labels(s, config.seed) if n != "test" else s for n, s in splits.items()}
    frozen = config.encoder_lr == 0
    torch.manual_seed(mix(config.seed, 0))
    model = build(config, feature_widths(corpus, config.text_encoder), encoder, frozen)
    setup = Setup(config, corpus, splits, model, encoder if frozen else None)
    fit_inputs(setup, encoder)
    return setup


def given_encoder(config: TrainConfig, encoder: TextEncoder | None) -> TextEncoder:
    """The configuration's text encoder: the given one if it is frozen and the same, else a newly loaded one."""
    frozen = config.encoder_lr == 0
    if encoder is not None and frozen and encoder.frozen and encoder.name == config.text_encoder:
        return encoder
    return load_encoder(config.text_encoder, frozen)


def feature_widths(corpus: Corpus, text_encoder: str = "") -> dict[str, int]:
    """{"audio": d, "vision": d}, and "text" where the network reads the file's stored text."""
    names = ("audio", "vision", "text") if text_encoder == STORED else ("audio", "vision")
    return {m: getattr(corpus.any_split, m).dim for m in names}


def build(config: TrainConfig, widths: dict[str, int], encoder: TextEncoder, frozen: bool) -> Network:
    """The untrained network. widths: {"audio": d, "vision": d} of the corpus's features, and "text" if it is stored."""
    stored = encoder.name == STORED
    dims = {"text": widths["text"] if stored else encoder.dim, "audio": widths["audio"], "vision": widths["vision"]}
    pool = {"audio": config.pool_audio, "vision": config.pool_vision}
    return entry(config.model).build(config.network, Inputs(dims, pool, None if frozen else encoder, stored))


def fit_inputs(setup: Setup, encoder: TextEncoder) -> None:
    """Standardisation by the train split's complete features (a fine-tuned encoder's at its start)."""
    train, inputs = setup.splits["train"], setup.model.inputs
    inputs.fit("audio", train.audio.values)
    inputs.fit("vision", train.vision.values)
    text = setup.complete_text("train")
    if text is None:
        text = encode(encoder, train.token_ids, train.token_lengths)
    check_features(setup.corpus, "train", train, "text", text)
    inputs.fit("text", text.values)
