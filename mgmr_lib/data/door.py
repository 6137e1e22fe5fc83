"""The one door for data: whatever a run meets (train, resume, evaluate, predict, a record) is checked here.

`check_trainable` before training, `check_meets` before a finished run reads a corpus, `text_view` wherever an encoder
meets text. (What names the data whatever its file is called is training.identity.fingerprint.)
"""

import sys
from dataclasses import replace

import numpy as np

from mgmr_lib.data.corpus import LABEL_RANGES, SPLITS, Corpus, Split
from mgmr_lib.data.missing import valid_mask
from mgmr_lib.data.wordpiece import BERT, agreement, load_tokenizer, tokenize, vocabulary_mismatch
from mgmr_lib.errors import CourseError

STORED = "stored"  # the text encoder's name where the file's own text features are taken


FEW_STEPS = 64  # up to so many steps a clip, voice and face are not averaged: a profile's pooling would leave two


def settings_for(corpus: Corpus) -> dict:
    """The settings that a corpus needs in the place of a profile's: the file's own text features where it holds no
    token ids, no pooling where its clips are short. Settings that a user gives win."""
    stored = {} if corpus.any_split.has_tokens else {"text_encoder": STORED, "encoder_lr": 0.0}
    return stored | {f"pool_{modality}": 1 for modality in short(corpus)}


def short(corpus: Corpus) -> dict[str, int]:
    """{"audio" or "vision": steps of its longest clip}, where that is FEW_STEPS at most (such as features averaged
    over words)."""
    longest = {}
    for m in ("audio", "vision"):
        found = [getattr(s, m) for s in corpus.splits.values() if getattr(s, m) is not None]
        longest[m] = max((int(r.lengths.max()) for r in found if len(r)), default=0)
    return {m: steps for m, steps in longest.items() if 0 < steps <= FEW_STEPS}


def text_view(corpus: Corpus, encoder, quiet: bool = False) -> Corpus:
    """The corpus as a network with this text encoder (a TextEncoder or StoredFeatures) sees it.

    The file's own features for "stored"; else the file's token ids where they are in the encoder's vocabulary, its
    raw_text tokenised anew where the encoder has special tokens unlike BERT's, and long clips cut to the encoder's
    positions; each is said on stderr, unless quiet. Raises CourseError, with clip and fix, where the file holds no such
    text.
    """
    where, split = corpus.source or corpus.name, corpus.any_split
    if encoder.name == STORED:
        if split.text is None:
            raise CourseError(f"{where} holds no text features ('text'): use a --text-encoder that reads its token ids")
        return replace(corpus, splits={name: s.with_stored_text() for name, s in corpus.splits.items()})
    if not split.has_tokens:
        if not any(s.recorded("text").any() for s in corpus.splits.values()):
            raise CourseError(f"{where} holds no text (it was never recorded): use --text-encoder {STORED}")
        width = f" ({split.text.dim} wide)" if split.text else ""
        raise CourseError(f"{where} holds text features{width} and no token ids: use --text-encoder {STORED}")
    say = (lambda line: None) if quiet else (lambda line: print(line, file=sys.stderr))
    corpus = _in_vocabulary(corpus, encoder, where, say)
    for name, part in corpus.splits.items():
        _check_ids(f"{where}: {name}/text_bert", part, encoder)
    return _cut(corpus, encoder, where, say)


def _in_vocabulary(corpus: Corpus, encoder, where: str, say) -> Corpus:
    """The corpus with token ids of the encoder's vocabulary; only BERT-like ones are taken on the file's word."""
    first = corpus.any_split
    worded = any(text.strip() for text in first.raw_text)
    if encoder.special == BERT:
        warning = vocabulary_mismatch(load_tokenizer(encoder.name), first) if worded else None
        if warning:
            say(f"warning: {where}: {warning}")
        return corpus
    if not worded:
        raise CourseError(
            f"{where} has no raw_text that {encoder.name!r} could tokenise, and its token ids are BERT's: use a BERT "
            "as --text-encoder"
        )
    tokenizer, special = load_tokenizer(encoder.name), encoder.special
    if agreement(tokenizer, first, special=special) >= 0.5:
        return replace(corpus, splits={n: replace(s, unk_id=special.unk) for n, s in corpus.splits.items()})
    say(f"{where}: raw_text is tokenised anew in the vocabulary of {encoder.name}")
    splits = {}
    for name, split in corpus.splits.items():
        ids, lengths = tokenize(tokenizer, split.raw_text, split.token_ids.shape[1], special)
        splits[name] = replace(split, token_ids=ids, token_lengths=lengths, unk_id=special.unk)
    return replace(corpus, splits=splits)


def _check_ids(where: str, split: Split, encoder) -> None:
    valid = valid_mask(split.token_lengths, split.token_ids.shape[1])
    wrong = ((split.token_ids >= encoder.vocab_size) | (split.token_ids < 0)) & valid
    if wrong.any():
        clip, step = np.argwhere(wrong)[0]
        raise CourseError(
            f"{where} holds the token id {split.token_ids[clip, step]} at clip {split.ids[clip]}, but the vocabulary "
            f"of {encoder.name!r} goes from 0 to {encoder.vocab_size - 1}: use the --text-encoder that the file was "
            "made for"
        )


def _cut(corpus: Corpus, encoder, where: str, say) -> Corpus:
    """Clips longer than the encoder's positions keep their first tokens and the last one ([SEP])."""
    limit, splits, cut = encoder.max_tokens, {}, 0
    for name, split in corpus.splits.items():
        rows = np.flatnonzero(split.token_lengths > limit)
        cut += len(rows)
        ids = split.token_ids[:, :limit].copy()
        ids[rows, -1] = split.token_ids[rows, split.token_lengths[rows] - 1]
        splits[name] = replace(split, token_ids=ids, token_lengths=np.minimum(split.token_lengths, limit))
    if not cut:
        return corpus
    say(f"{where}: {cut} clips have more than the {limit} tokens that {encoder.name} reads: their ends are cut")
    return replace(corpus, splits=splits)


def check_trainable(corpus: Corpus) -> None:
    """All three splits, each with labels; else one sentence."""
    where = corpus.source or corpus.name
    lacking = [name for name in SPLITS if name not in corpus.splits]
    if lacking:
        raise CourseError(
            f"{where} has no split {' and '.join(map(repr, lacking))} (it holds {', '.join(corpus.splits)}), so "
            "nothing can be trained on it: a finished run predicts its clips with `predict --data`"
        )
    for name in SPLITS:
        check_labels(corpus, name)


def check_labels(corpus: Corpus, split: str) -> None:
    """Training and measuring need every label."""
    bad = np.flatnonzero(~np.isfinite(corpus[split].labels))
    if len(bad):
        raise CourseError(
            f"{corpus.source or corpus.name}: {split}/regression_labels is missing or not finite for {len(bad)} clips "
            f"(the first is {corpus[split].ids[bad[0]]}): `predict` works without labels, training and evaluating do "
            "not"
        )


def check_meets(run, about: dict, corpus: Corpus) -> None:
    """One sentence where a finished run cannot meet a corpus: its features or labels are none that its network knows.

    run: its folder, for the sentence; about: its config.json. (`text_view` checks the words, `check_labels` a split.)
    """
    known, name, split = about["corpus"], corpus.source or corpus.name, corpus.any_split
    found = {m: getattr(split, m).dim if getattr(split, m) is not None else 0 for m in known["widths"]}
    if found != known["widths"]:
        raise CourseError(f"{name} has features of widths {found}, but {run} was trained on {known['widths']}")
    limit = known.get("label_range") or LABEL_RANGES[known["family"]]
    if corpus.label_range != limit and any(np.isfinite(s.labels).any() for s in corpus.splits.values()):
        raise CourseError(
            f"{name} has labels from -{corpus.label_range:g} to {corpus.label_range:g} ({corpus.family}), but {run}"
            f" was trained to predict -{limit:g} to {limit:g}: its errors would mean nothing"
        )
