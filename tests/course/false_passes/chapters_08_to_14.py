"""What once passed in chapters 08 to 14."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score

from mgmr_lib.chapters.ch08_meet_the_data.loader import STREAMS, load_split, own_frames
from mgmr_lib.chapters.ch10_metrics_and_traps.exercises import acc2, class_accuracy
from mgmr_lib.chapters.ch11_encoders_and_baselines.exercises import attend, low_rank
from mgmr_lib.chapters.ch12_alignment.exercises import branch
from mgmr_lib.chapters.ch14_reconstruction.exercises import fill_line

# --- 08


def _no_tail_no_answer(frames):
    for t in range(len(frames)):
        if not frames[t:].any():
            return max(t, 1)


def _last_fall(frames):
    falls = np.flatnonzero(np.diff(frames.any(axis=1).astype(int)) == -1)
    return int(falls[-1]) + 1 if len(falls) else 1


def _two_zero_frames(frames):
    return next((max(t, 1) for t in range(len(frames) - 1) if not frames[t : t + 2].any()), len(frames))


def _loader(has_lengths=lambda part, key: f"{key}_lengths" in part, least=lambda key: 0):
    def load(part):
        clips = load_split(part)
        for i, clip in enumerate(clips):
            for key in STREAMS:
                lengths = part[f"{key}_lengths"] if has_lengths(part, key) else None
                frames = own_frames(part[key][i], lengths, i)
                clip[key] = frames if len(frames) >= least(key) else np.zeros((1, STREAMS[key]))
        return clips

    return load


def _silence_is_none(part):
    return [{**clip, "audio": clip["audio"] if len(clip["audio"]) else None} for clip in load_split(part)]


# --- 09


def _specials_stay(ids, keep, valid):
    return np.where(valid, np.where(keep | (ids == 101) | (ids == 102), ids, 100), 0)


def _nonzero_errors(guess, truth, keep, valid):
    errors = np.abs(guess - truth)[valid & ~keep]
    return errors[errors > 0].mean()


def _two_features(guess, truth, keep, valid):
    return np.abs(guess - truth)[valid & ~keep].sum() / (valid & ~keep).sum() / 2


def _first_step_left_out(guess, truth, keep, valid):
    return np.abs(guess - truth)[:, 1:][(valid & ~keep)[:, 1:]].mean()


def _rolled(u, rate, start, width, valid):
    rows = [np.roll(np.repeat(row >= rate, width)[: valid.shape[1]], -a) for row, a in zip(u, start, strict=True)]
    return np.stack(rows) & valid


# --- 10


def _product_positive(prediction, truth, convention):
    if convention == "has0":
        return acc2(prediction, truth, "has0")
    return float(np.mean((prediction * truth)[truth != 0] > 0))


def _same_sign(prediction, truth, convention):
    if convention == "has0":
        return acc2(prediction, truth, "has0")
    return float(np.mean(np.sign(prediction[truth != 0]) == np.sign(truth[truth != 0])))


def _f1_of_sklearn(predicted, true):
    return f1_score(true, predicted, average="weighted", zero_division=1)


# --- 11 to 14


def _filled(fill):
    def answer(queries, keys, values, valid):
        return (queries @ keys.T / keys.shape[1] ** 0.5).masked_fill(~valid, fill).softmax(-1) @ values

    return answer


def _shares_by_hand(queries, keys, values, valid):
    shares = (queries @ keys.T / keys.shape[1] ** 0.5).exp() * valid
    return shares / shares.sum(-1, keepdim=True) @ values


def _needs_two(values):
    kept = [v for v in values if v is not None]
    return fill_line(values) if len(kept) >= 2 else [0.0] * len(values)


def _three_features(value, target, valid, keep):
    lost = valid & ~keep
    return (F.smooth_l1_loss(value, target, reduction="none") * lost[..., None]).sum() / max(1, 3 * int(lost.sum()))


def _where_masks_differ(value, target, valid, keep):
    differ = valid ^ keep
    return F.smooth_l1_loss(value[differ], target[differ]) if differ.any() else value.new_zeros(())


def _clear_padding(ahead, back, text, other, valid):
    return tuple(x * valid[..., None] for x in branch(ahead, back, text, other, valid))


def _lowest(line, valid):
    low = torch.finfo(line.dtype).min
    return line.masked_fill(~valid.repeat_interleave(3, dim=1)[..., None], low).amax(1)


WRONG = {
    "08.4": {
        "nothing where no zeros follow": _no_tail_no_answer,
        "one where no zeros follow": _last_fall,
        "two zero frames end a clip": _two_zero_frames,
    },
    "08.6": {
        "audio's lengths asked for both": _loader(lambda part, key: "audio_lengths" in part),
        "vision's lengths asked for both": _loader(lambda part, key: "vision_lengths" in part),
        "all lengths or none": _loader(lambda part, key: all(f"{k}_lengths" in part for k in STREAMS)),
        "silence keeps a frame": _loader(least=lambda key: int(key == "audio")),
        "a faceless clip keeps a frame": _loader(least=lambda key: int(key == "vision")),
        "silence is None": _silence_is_none,
    },
    "09.2": {
        "floats": lambda ids, keep, valid: np.where(valid, np.where(keep, ids, 100.0), 0.0),
        "[CLS] and [SEP] are never lost": _specials_stay,
        "lost where the masks differ": lambda ids, keep, valid: ids * (keep & valid) + 100 * (valid ^ keep),
        "keep before valid": lambda ids, keep, valid: np.where(keep, ids, 100 * valid),
    },
    "09.3": {
        "padding read off zeros": lambda guess, truth, keep, valid: np.abs(guess - truth)[~keep & truth.any(-1)].mean(),
        "errors of zero left out": _nonzero_errors,
        "always two features": _two_features,
        "first step left out": _first_step_left_out,
        "lost where the masks differ": lambda guess, truth, keep, valid: np.abs(guess - truth)[valid != keep].mean(),
    },
    "09.5": {"wraps round": _rolled},
    "10.1": {"product above 0": _product_positive, "same sign": _same_sign},
    "10.2": {
        "sign left out": lambda p, y, top: class_accuracy(np.abs(p), np.abs(y), top),
        "clipped by a half more": lambda p, y, top: class_accuracy(p, y, top - 0.5),
    },
    "11.3": {"paired by place": lambda factors, z: low_rank(factors, dict(zip(factors, z.values(), strict=True)))},
    "11.4": {"filled with -100": _filled(-100.0)},
    "14.1": {"needs two kept steps": _needs_two},
    "14.4": {"always three features": _three_features, "lost where the masks differ": _where_masks_differ},
}

RIGHT = {
    "10.4": {"an empty class has F1 1, and no weight": _f1_of_sklearn},
    "11.4": {
        "padding cut off": lambda q, k, v, valid: attend(q, k[valid], v[valid], valid[valid]),
        "shares by hand": _shares_by_hand,
        "minus infinity": _filled(-math.inf),
    },
    "12.3": {"zeros in the padding": _clear_padding},
    "13.3": {"lowest number": _lowest},
    "14.1": {"zeros where all kept are zero": lambda v: fill_line(v) if any(v) else [0.0] * len(v)},
}
