"""Exercise 08.6, build it yourself: a loader for one split of a file in MMSA's layout, checked in stages."""

import numpy as np

from mgmr_lib.course.registry import Exercise, Wrong
from mgmr_lib.course.stages import in_stages

STREAMS = {"audio": 2, "vision": 3}  # features of the small files that the check makes
LONGEST = {"audio": 6, "vision": 9}


def load_split(part):
    """One split's dict -> a list with a dict for each clip: id, label, and the finite frames of its voice and face."""
    n = len(part["id"])
    for key in ("audio", "vision", "regression_labels"):
        if len(part[key]) != n:
            raise ValueError(f"{key} has {len(part[key])} rows for {n} ids")
    return [
        {"id": part["id"][i], "label": float(part["regression_labels"][i])}
        | {key: own_frames(part[key][i], part.get(f"{key}_lengths"), i) for key in STREAMS}
        for i in range(n)
    ]


def own_frames(rows, lengths, i):
    """The frames of clip i out of its rectangle: as many as stored, else up to the last that is not all zero."""
    rows = np.where(np.isfinite(rows), rows, 0.0)
    if lengths is not None:
        return rows[: int(lengths[i])]
    alive = np.flatnonzero(rows.any(axis=1))
    return rows[: alive[-1] + 1] if len(alive) else rows[:0]


# --- small files, and the clips that they hold


def small_file(rng, stored: bool):
    """(part, truth): a split of four clips whose longest fills its rectangle. truth: the list that a loader gives.

    With `stored` lengths a clip's last frame may be zero; without them it is not, and every clip has a lost frame.
    """
    names = [f"video{rng.randint(1000, 9999)}$_${i}" for i in range(4)]
    labels = rng.sample([-2.5, -1.25, -0.5, 0.75, 1.5, 2.25], 4)
    part = {"id": names, "regression_labels": np.array(labels)}
    truth = [{"id": name, "label": label} for name, label in zip(names, labels, strict=True)]
    for key, d in STREAMS.items():
        longest = LONGEST[key]
        lengths = [longest, *rng.sample(range(4, longest), 2), 4]
        padded = np.zeros((4, longest, d))
        for i, n in enumerate(lengths):
            padded[i, :n] = [[rng.choice([-1, 1]) * rng.randint(1, 9) / 4 for _ in range(d)] for _ in range(n)]
            padded[i, n - 1] = 0.0 if stored and i else [1.5, -1.5, 0.0][:d]  # not zero, but its sum is
            padded[i, 1] = 0.0
        part[key] = padded
        if stored:
            part[f"{key}_lengths"] = np.array(lengths)
        for i, n in enumerate(lengths):
            truth[i][key] = padded[i, :n].copy()
    return part, truth


def _differs(made, truth) -> str | None:
    if not isinstance(made, list) or len(made) != len(truth):
        return f"give a list of {len(truth)} dicts, one for each id; yours is {type(made).__name__}" + (
            f" of {len(made)}." if hasattr(made, "__len__") else "."
        )
    for i, (mine, wanted) in enumerate(zip(made, truth, strict=True)):
        if not isinstance(mine, dict) or set(mine) != set(wanted):
            return f"clip {i} must be a dict with the keys {', '.join(wanted)}."
        if mine["id"] != wanted["id"] or mine["label"] != wanted["label"]:
            return f"clip {i} is {wanted['id']}, label {wanted['label']}; yours says {mine['id']}, {mine['label']}."
        if type(mine["label"]) is not float:
            return f"the label of clip {i} must be a plain float, yours is a {type(mine['label']).__name__}."
        for key in STREAMS:
            found = np.asarray(mine[key])
            if found.shape != wanted[key].shape:
                return f"{key} of clip {i} has the shape {wanted[key].shape}, yours has {found.shape}."
            if not np.array_equal(found, wanted[key]):
                return f"{key} of clip {i} has the right shape, but not the right values."
    return None


def _with_lengths(fn, rng):
    part, truth = small_file(rng, stored=True)
    made = fn(part)
    wrong = _differs(made, truth)
    if wrong is None or "has the shape" not in wrong:
        return wrong
    if all(len(clip[key]) == LONGEST[key] for clip in made for key in STREAMS):
        return f"{wrong} This is the whole rectangle, with its padding."
    return f"{wrong} A stored length says where a clip ends, even where its last frame is zero."


def _without_lengths(fn, rng):
    part, truth = small_file(rng, stored=False)
    wrong = _differs(fn(part), truth)
    return wrong and f"{wrong} No lengths are stored: zeros inside a clip are lost frames, those at its end padding."


def _never_recorded(fn, rng):
    for key in STREAMS:
        part, truth = small_file(rng, stored=False)
        i = rng.randrange(4)
        part[key][i] = 0.0
        truth[i][key] = np.zeros((0, STREAMS[key]))
        wrong = _differs(fn(part), truth)
        if wrong:
            return f"{wrong} Its {key} holds nothing but zeros: it was never recorded, and has no frame."
    return None


def _one_length_stored(fn, rng):
    """Aligned and unaligned streams in one file: lengths for one of them alone."""
    for key in STREAMS:
        part, truth = small_file(rng, stored=False)
        part[f"{key}_lengths"] = np.array([len(clip[key]) for clip in truth])
        for rows, clip in zip(part[key], truth, strict=True):
            rows[len(clip[key]) - 1] = clip[key][-1] = 0.0  # without its length, a clip would end too early
        wrong = _differs(fn(part), truth)
        if wrong:
            return f"{wrong} Only the lengths of {key} are stored."
    return None


def _not_finite(fn, rng):
    for stored in (True, False):
        part, truth = small_file(rng, stored)
        for key in STREAMS:
            for i, bad in enumerate((-np.inf, np.nan, np.inf)):
                part[key][i, 2, 0], truth[i][key][2, 0] = bad, 0.0
            part[key][3, -1] = np.nan  # behind the end: not a frame, with or without lengths
        before = {key: part[key].copy() for key in STREAMS}
        wrong = _differs(fn(part), truth)
        if wrong and "has the shape" in wrong:
            return f"{wrong} A value in the padding that is no number counts as zero there, too: it makes no frame."
        if wrong:
            return f"{wrong} The file holds values that are no numbers: they count as zero."
        if any(not np.array_equal(part[key], before[key], equal_nan=True) for key in STREAMS):
            return "the file's own arrays have changed: repair a copy."
    return None


def _refusals(fn, rng):
    for key in ("audio", "vision", "regression_labels"):
        for extra in (False, True):
            part, _ = small_file(rng, stored=False)
            part[key] = np.concatenate([part[key], part[key][:1]]) if extra else part[key][:-1]
            rows = len(part[key])
            try:
                fn(part)
            except ValueError as error:
                if key not in str(error):
                    return f"{key} has {rows} rows for 4 ids; the ValueError says {str(error)!r}: name the key in it."
            except Exception as error:
                return f"{key} has {rows} rows for 4 ids: raise a ValueError that names it, not {type(error).__name__}."
            else:
                return f"{key} has {rows} rows for 4 ids, and nothing was said: raise a ValueError that names {key}."
    return None


# --- plausible mistakes


def _loaded_with(frames_of, check=True):
    def load(part):
        if check:
            load_split(part)
        return [
            {"id": name, "label": float(label)}
            | {key: frames_of(part[key][i], part.get(f"{key}_lengths"), i) for key in STREAMS}
            for i, (name, label) in enumerate(zip(part["id"], part["regression_labels"], strict=True))
        ]

    return load


def _first_zero(rows, lengths, i):
    if lengths is not None:
        return own_frames(rows, lengths, i)
    dead = np.flatnonzero(~rows.any(axis=1))
    return rows[: dead[0]] if len(dead) else rows


def _one_at_least(rows, lengths, i):
    found = own_frames(rows, lengths, i)
    return found if len(found) else rows[:1]


def _repaired_last(rows, lengths, i):
    alive = np.flatnonzero(rows.any(axis=1)) if lengths is None else None
    n = int(lengths[i]) if lengths is not None else (alive[-1] + 1 if len(alive) else 0)
    return np.where(np.isfinite(rows[:n]), rows[:n], 0.0)


def _in_place(rows, lengths, i):
    rows[~np.isfinite(rows)] = 0.0
    return own_frames(rows, lengths, i).copy()


EXERCISE = Exercise(
    id="08.6",
    title="build it yourself: a loader",
    difficulty=3,
    minutes=25,
    reference=load_split,
    test=in_stages(
        ("clips with stored lengths", _with_lengths),
        ("clips without", _without_lengths),
        ("a stream that was never recorded", _never_recorded),
        ("lengths of one stream alone", _one_length_stored),
        ("values that are no numbers", _not_finite),
        ("files that disagree with themselves", _refusals),
    ),
    hints=(
        "Write a function for one rectangle first: repair a copy, then ask for a stored length, and only where there "
        "is none look for the last frame that is not all zero. Exercises 08.3 and 08.4 hold both halves.",
        "part['audio'] is (n, L, d), part['audio_lengths'], where it is there, (n); a clip's 'audio' is (l, d) with "
        "l from 0 to L. part.get('audio_lengths') is None where the key is missing.",
    ),
    after="The library's reader adds what other people's files do besides: padding in front, other keys and shapes.",
    wrong=(
        Wrong(
            "padding kept",
            _loaded_with(lambda rows, lengths, i: np.where(np.isfinite(rows), rows, 0.0)),
            "whole rectangle",
        ),
        Wrong(
            "stored lengths not read",
            _loaded_with(lambda rows, lengths, i: own_frames(rows, None, i)),
            "A stored length says",
        ),
        Wrong("ends at the first zero", _loaded_with(_first_zero), "lost frames"),
        Wrong("one frame at least", _loaded_with(_one_at_least), "nothing but zeros"),
        Wrong(
            "not repaired",
            _loaded_with(lambda r, lengths, i: r[: len(own_frames(r, lengths, i))]),
            "not the right values",
        ),
        Wrong("repaired behind the cut", _loaded_with(_repaired_last), "it makes no frame"),
        Wrong("repaired in place", _loaded_with(_in_place), "repair a copy"),
        Wrong("nothing refused", _loaded_with(own_frames, check=False), "raise a ValueError that names"),
    ),
)
