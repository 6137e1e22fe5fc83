"""The logic of notebook 24: hide chosen parts of one clip, look into a network, delete one piece at a time, choose
cases by a rule.

A network and its text encoder come as a `training.setup.Setup`; a finished `training.run.Run` is one too.
"""

from dataclasses import dataclass

import numpy as np
import torch

from mgmr_lib.data.batch import mask_split
from mgmr_lib.data.corpus import MODALITIES, Split
from mgmr_lib.data.missing import valid_steps
from mgmr_lib.errors import CourseError
from mgmr_lib.training.trainer import predict

PARTS = {"nothing": (0.0, 0.0), "first half": (0.0, 0.5), "second half": (0.5, 1.0), "all": (0.0, 1.0)}


@dataclass(frozen=True)
class Look:
    """What a network makes of one clip.

    prediction: in points; keep: {modality: (l_m,) bool} at the clip's own steps. At the network's steps (k_m, some
    frames each): gates {modality: (k_m,)}, averaged over channels, or empty; guess, truth {modality: (k_m, d_m)} in
    standard deviations; missing {modality: (k_m,) bool}, where nothing of a step was seen.
    """

    prediction: float
    keep: dict[str, np.ndarray]
    gates: dict[str, np.ndarray]
    guess: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]
    missing: dict[str, np.ndarray]


def _one(clip: Split) -> Split:
    if len(clip) != 1:
        raise CourseError(f"this takes one clip, and got {len(clip)}: choose it with split.select([number])")
    return clip


def frames_hidden(frames: int, seconds: float, start: float, end: float) -> np.ndarray:
    """(frames,) bool: True where the middle of a frame lies in [start, end), both in seconds."""
    middle = (np.arange(frames) + 0.5) / frames * seconds
    return (start <= middle) & (middle < end)


def hide(clip: Split, words=(), audio=(), vision=()) -> dict[str, np.ndarray]:
    """Masks of one clip, as `mask_split` takes them: {modality: (1, l_m) bool}, True where a step stays.

    words: numbers of tokens, 0 the first behind [CLS]; audio, vision: (start, end) pairs in seconds. [CLS] and [SEP]
    always stay. Raises CourseError for a token that the sentence does not have, or a window that ends before it starts.
    """
    keep = {m: v.copy() for m, v in valid_steps(_one(clip)).items()}
    inner = int(clip.token_lengths[0]) - 2
    for w in words:
        if not 0 <= w < inner:
            raise CourseError(f"the sentence has tokens 0 to {inner - 1}, and no token {w}: choose another one")
        keep["text"][0, 1 + w] = False
    for m, windows in (("audio", audio), ("vision", vision)):
        frames = int(getattr(clip, m).lengths[0])
        for start, end in windows:
            if end < start:
                raise CourseError(f"{m}: the window from {start:g} to {end:g} s ends before it starts: swap the two")
            keep[m][0, :frames] &= ~frames_hidden(frames, seconds_of(clip), start, end)
    return keep


def seconds_of(clip: Split) -> float:
    """The clip's duration; a corpus that does not know it counts in shares of the clip (0 to 1)."""
    return float(clip.extra["seconds"][0]) if "seconds" in clip.extra else 1.0


def hide_parts(
    clip: Split, text: str = "nothing", audio: str = "nothing", vision: str = "nothing"
) -> dict[str, np.ndarray]:
    """`hide` by name: each modality loses "nothing", its "first half", its "second half" or "all"."""
    for part in (text, audio, vision):
        if part not in PARTS:
            raise CourseError(f"a part is {', '.join(PARTS)}, and not {part!r}")
    inner, seconds = int(clip.token_lengths[0]) - 2, seconds_of(clip)
    first, last = (round(inner * share) for share in PARTS[text])
    windows = {m: [tuple(share * seconds for share in PARTS[p])] for m, p in (("audio", audio), ("vision", vision))}
    return hide(clip, range(first, last), **windows)


def repeated(clip: Split, masks: list[dict[str, np.ndarray]]) -> tuple[Split, dict[str, np.ndarray]]:
    """One clip as often as there are masks, and the masks one below the other."""
    many = _one(clip).select([0] * len(masks))
    return many, {m: np.concatenate([k[m] for k in masks]) for m in MODALITIES}


def predictions(reader, clip: Split, masks: list[dict[str, np.ndarray]]) -> np.ndarray:
    """(k,) predictions for one clip under k masks."""
    many, keep = repeated(clip, masks)
    return predict(reader.model, mask_split(many, keep, reader.encoder, targets=False))


@torch.no_grad()
def look(reader, clip: Split, keep: dict[str, np.ndarray]) -> Look:
    """One clip under one mask, with what the network shows of its inside."""
    encoder = reader.encoder
    complete = None if encoder is None else mask_split(clip, hide(clip), encoder, targets=False).masked_text
    batch = mask_split(_one(clip), keep, encoder, complete).batch([0])
    reader.model.eval()
    sequences, output = reader.model.inputs(batch), reader.model(batch)
    gates = {m: _flat(g[0]) for m, g in output.gates.items()}
    return Look(
        float(output.prediction[0]),
        {m: k[0] for m, k in keep.items()},
        gates,
        {m: r.value[0].numpy() for m, r in output.reconstruction.items()},
        {m: s.target[0].numpy() for m, s in sequences.items()},
        {m: s.missing[0].numpy() for m, s in sequences.items()},
    )


def _flat(gate: torch.Tensor) -> np.ndarray:
    """(k,) or (k, d) -> (k,), the mean over channels."""
    return (gate if gate.dim() == 1 else gate.mean(-1)).numpy()


def one_at_a_time(clip: Split, modality: str = "text") -> list[dict[str, np.ndarray]]:
    """A mask for each token (text) or each begun second (audio, vision) of one clip, with just that piece hidden."""
    if modality == "text":
        return [hide(clip, words=[w]) for w in range(int(_one(clip).token_lengths[0]) - 2)]
    if modality not in MODALITIES:
        raise CourseError(f"a modality is {', '.join(MODALITIES)}, and not {modality!r}")
    return [hide(clip, **{modality: [(s, s + 1.0)]}) for s in range(int(np.ceil(seconds_of(clip))))]


def changes(reader, clip: Split, modality: str = "text") -> np.ndarray:
    """(k,) how the prediction on the complete clip changes, in points, as each piece of `one_at_a_time` is hidden
    alone."""
    found = predictions(reader, clip, [hide(clip), *one_at_a_time(clip, modality)])
    return found[1:] - found[0]


def with_the_spread_of(wanted: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n,) `values`, stretched around their mean until they spread as `wanted` does; their order stays."""
    return values.mean() + (values - values.mean()) * np.std(wanted) / np.std(values)


def content_words(pieces: list[str]) -> np.ndarray:
    """(k,) bool: whole words of four letters or more that scikit-learn's list of little words does not hold."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    whole = [p.isalpha() and not after.startswith("##") for p, after in zip(pieces, [*pieces[1:], ""], strict=True)]
    large = [len(p) > 3 and p not in ENGLISH_STOP_WORDS for p in pieces]
    return np.array(whole, bool) & np.array(large, bool)


def reworded(sentences: list[str], word: str) -> list[str]:
    """Each sentence with `word` in the place of its one "not", or without it ("").

    Raises CourseError for a sentence that does not hold exactly one "not".
    """
    for s in sentences:
        if s.lower().split().count("not") != 1:
            raise CourseError(f'{s!r} needs the word "not" exactly once, between spaces: write it so')
    return [" ".join(w for w in (word if v.lower() == "not" else v for v in s.split()) if w) for s in sentences]


CASES = ("smallest error", "largest gain over text alone", "largest error")


def choose_cases(error: np.ndarray, rival_error: np.ndarray) -> dict[str, int]:
    """The rule of notebook 24, to be stated before anybody looks: {case: clip number}, ties to the first clip.

    error, rival_error: (n,) absolute errors of the network and of a reader of text alone on the same broken clips.
    """
    error, rival_error = np.asarray(error, float), np.asarray(rival_error, float)
    if error.shape != rival_error.shape or error.ndim != 1 or not len(error):
        raise CourseError("the two lists of errors must have one length, and not be empty: predict on the same split")
    found = (error.argmin(), (rival_error - error).argmax(), error.argmax())
    return dict(zip(CASES, map(int, found), strict=True))


KINDS = ("right where the rivals are wrong", "easy: everybody is right", "hard: everybody is wrong")


def three_kinds(errors: dict[str, np.ndarray], ours: str) -> dict[str, int]:
    """The three kinds of case of MGMR-Net's Figure 4, by a rule, ties to the first clip: {kind: clip number}.

    errors: {reader: (n,) absolute errors} on the same broken clips; ours: the reader that the figure is about. Right
    where the rivals are wrong: the largest lead over the best rival; easy: the smallest of the worst reader's errors;
    hard: the largest of the best reader's.
    """
    if ours not in errors or len(errors) < 2 or len({np.shape(e) for e in errors.values()}) != 1:
        raise CourseError("three kinds of case need the errors of our reader and of a rival, on the same clips")
    rivals = np.array([e for name, e in errors.items() if name != ours], float)
    everyone = np.array(list(errors.values()), float)
    lead = rivals.min(0) - np.asarray(errors[ours], float)
    found = (lead.argmax(), everyone.max(0).argmin(), everyone.min(0).argmax())
    return dict(zip(KINDS, map(int, found), strict=True))


def standing(error: np.ndarray, clip: int) -> float:
    """The share of the other clips with a smaller error than this one: 0 the best clip, 1 the worst."""
    error = np.asarray(error, float)
    return float((error < error[clip]).sum() / max(1, len(error) - 1))
