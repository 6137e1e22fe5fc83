"""The one door for data: whatever a run meets (train, resume, evaluate, predict, a record) is checked here.

`facts` is what a run keeps of its corpus in config.json; `check_meets` compares another corpus with it; `fingerprint`
names the data, whatever the file is called.
"""

import hashlib
import sys
from dataclasses import replace

import numpy as np

from mgmr_lib.data.classroom.corpora import SPECS
from mgmr_lib.data.corpus import LABEL_RANGES, SPLITS, Corpus, Split
from mgmr_lib.data.missing import valid_mask
from mgmr_lib.data.wordpiece import BERT, agreement, load_tokenizer, tokenize, vocabulary_mismatch
from mgmr_lib.errors import CourseError

STORED = "stored"  # the text encoder's name where the file's own text features are taken
SAMPLED = 4096  # frames of each modality whose order goes into a fingerprint


def fingerprint(corpus: Corpus) -> str:
    """12 hex digits of a corpus's content: another file under the same name, or the same under another, is noticed.

    Clips' names, labels and token ids, and of a learner's own file every audio and vision value too (MOSI's aligned
    and unaligned files share all the rest). A classroom corpus's features follow from its seed.
    """
    digest = _digest_of_clips(corpus)
    if corpus.name not in SPECS:
        for split in corpus.splits.values():
            for frames in (split.audio, split.vision):
                digest.update(repr((frames.values.shape, frames.max_length)).encode())
                digest.update(np.ascontiguousarray(frames.lengths, dtype=np.int64))
                # A sum of bit patterns is exact and fast (MOSEI: 2 s); a sample of frames tells their order.
                bits = np.ascontiguousarray(frames.values).view(np.uint32)
                digest.update(bits.sum(dtype=np.uint64).tobytes())
                digest.update(np.ascontiguousarray(bits[:: max(1, len(bits) // SAMPLED)]))
    return digest.hexdigest()[:12]


def clip_fingerprint(corpus: Corpus) -> str:
    """The fingerprint of names, labels and token ids alone, which older runs of a learner's own file carry."""
    return _digest_of_clips(corpus).hexdigest()[:12]


def _digest_of_clips(corpus: Corpus):
    digest = hashlib.sha256()
    for split in corpus.splits.values():
        digest.update("\n".join(split.ids).encode())
        digest.update(np.ascontiguousarray(split.labels).tobytes())
        digest.update(np.ascontiguousarray(split.token_ids).tobytes())
    return digest


def same_data(recorded: str, corpus: Corpus) -> bool:
    """Whether a recorded fingerprint, of this version or an older one, is this corpus's."""
    return recorded in (fingerprint(corpus), clip_fingerprint(corpus))


def facts(corpus: Corpus, text_encoder: str = "") -> dict:
    """What a run must know of its corpus: to accept another one, and to predict a sentence without any."""
    train = corpus["train"]
    widths = {"audio": train.audio.dim, "vision": train.vision.dim}
    # A sentence typed by hand has no voice and no face: it gets the typical numbers of frames, all of them missing.
    frames = {"audio": int(np.median(train.audio.lengths)), "vision": int(np.median(train.vision.lengths))}
    if text_encoder == STORED:
        widths["text"] = train.text.dim
    return {"name": corpus.name, "family": corpus.family, "widths": widths, "frames": frames,
            "text_length": int(train.token_ids.shape[1]), "sizes": {k: len(v) for k, v in corpus.splits.items()}}  # fmt: skip


def settings_for(corpus: Corpus) -> dict:
    """The settings that a corpus without token ids needs; empty for others. Settings that a user gives win."""
    if corpus.any_split.has_tokens:
        return {}
    return {"text_encoder": STORED, "encoder_lr": 0.0}


def text_view(corpus: Corpus, encoder) -> Corpus:
    """The corpus as a network with this text encoder (a TextEncoder or StoredFeatures) sees it.

    The file's own features for "stored"; else the file's token ids where they are in the encoder's vocabulary, its
    raw_text tokenised anew where the encoder has special tokens unlike BERT's, and long clips cut to the encoder's
    positions; each is said on stderr. Raises CourseError, with clip and fix, where the file holds no such text.
    """
    where, split = corpus.source or corpus.name, corpus.any_split
    if encoder.name == STORED:
        if split.text is None:
            raise CourseError(f"{where} holds no text features ('text'): use a --text-encoder that reads its token ids")
        return replace(corpus, splits={name: s.with_stored_text() for name, s in corpus.splits.items()})
    if not split.has_tokens:
        width = f" ({split.text.dim} wide)" if split.text else ""
        raise CourseError(f"{where} holds text features{width} and no token ids: use --text-encoder {STORED}")
    corpus = _in_vocabulary(corpus, encoder, where)
    for name, part in corpus.splits.items():
        _check_ids(f"{where}: {name}/text_bert", part, encoder)
    return _cut(corpus, encoder, where)


def _in_vocabulary(corpus: Corpus, encoder, where: str) -> Corpus:
    """The corpus with token ids of the encoder's vocabulary; only BERT-like ones are taken on the file's word."""
    first = corpus.any_split
    worded = any(text.strip() for text in first.raw_text)
    if encoder.special == BERT:
        warning = vocabulary_mismatch(load_tokenizer(encoder.name), first) if worded else None
        if warning:
            print(f"warning: {where}: {warning}", file=sys.stderr)
        return corpus
    if not worded:
        raise CourseError(
            f"{where} has no raw_text that {encoder.name!r} could tokenise, and its token ids are BERT's: use a BERT as "
            "--text-encoder"
        )
    tokenizer, special = load_tokenizer(encoder.name), encoder.special
    if agreement(tokenizer, first, special=special) >= 0.5:
        return replace(corpus, splits={n: replace(s, unk_id=special.unk) for n, s in corpus.splits.items()})
    print(f"{where}: raw_text is tokenised anew in the vocabulary of {encoder.name}", file=sys.stderr)
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
            f"{where} holds the token id {split.token_ids[clip, step]} at clip {split.ids[clip]}, but the vocabulary of "
            f"{encoder.name!r} goes from 0 to {encoder.vocab_size - 1}: use the --text-encoder that the file was made for"
        )


def _cut(corpus: Corpus, encoder, where: str) -> Corpus:
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
    print(
        f"{where}: {cut} clips have more than the {limit} tokens that {encoder.name} reads: their ends are cut",
        file=sys.stderr,
    )
    return replace(corpus, splits=splits)


def check_trainable(corpus: Corpus) -> None:
    """All three splits, each with labels; else one sentence."""
    where = corpus.source or corpus.name
    lacking = [name for name in SPLITS if name not in corpus.splits]
    if lacking:
        raise CourseError(
            f"{where} has no split {' and '.join(map(repr, lacking))} (it holds {', '.join(corpus.splits)}), so nothing "
            "can be trained on it: a finished run predicts its clips with `predict --data`"
        )
    for name in SPLITS:
        check_labels(corpus, name)


def check_labels(corpus: Corpus, split: str) -> None:
    """Training and measuring need every label."""
    bad = np.flatnonzero(~np.isfinite(corpus[split].labels))
    if len(bad):
        raise CourseError(
            f"{corpus.source or corpus.name}: {split}/regression_labels is missing or not finite for {len(bad)} clips "
            f"(the first is {corpus[split].ids[bad[0]]}): `predict` works without labels, training and evaluating do not"
        )


def check_meets(about: dict, corpus: Corpus, own: bool = False, labels: str | None = None) -> None:
    """Whether a finished run may meet this corpus: one sentence where it may not, a warning where it is doubtful.

    about: the run's config.json; own: the data is said to be what the run was
    trained on (no --data), so that a replaced file is an error; labels: the split whose labels will be measured
    against, None for predictions alone. `text_view` checks the text.
    """
    known, where = about["corpus"], corpus.source or corpus.name
    found = {"audio": corpus.any_split.audio.dim, "vision": corpus.any_split.vision.dim}
    if "text" in known["widths"]:
        found["text"] = corpus.any_split.text.dim if corpus.any_split.text else 0
    wanted = {m: known["widths"].get(m, width) for m, width in found.items()}
    if found != wanted:
        raise CourseError(f"{where} has features of widths {found}, but the run was trained on {wanted}")
    if own and not same_data(about["fingerprint"], corpus):
        raise CourseError(
            f"{where} no longer holds the data that the run was trained on (its fingerprint is {fingerprint(corpus)}, "
            f"not {about['fingerprint']}): put the old file back, or name this one with --data to use it as other data"
        )
    if labels is not None:
        check_labels(corpus, labels)
        own_range = LABEL_RANGES[known["family"]]
        if own_range != corpus.label_range:
            raise CourseError(
                f"{where} has labels in [-{corpus.label_range:g}, {corpus.label_range:g}] ({corpus.family}), but the run "
                f"predicts in [-{own_range:g}, {own_range:g}] ({known['family']}): no metric compares the two, so use data "
                "of the run's range (`predict` works nevertheless)"
            )
