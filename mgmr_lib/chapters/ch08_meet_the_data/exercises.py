"""Exercises of 08 meet the data: two clocks, padding, -inf, lengths of aligned files, a permutation test."""

import operator

import numpy as np

from mgmr_lib.chapters.ch08_meet_the_data import loader
from mgmr_lib.chapters.shared.drawing import separating
from mgmr_lib.course.registry import Case, Exercise, Wrong


def same_moment(frame, rate, other_rate):
    """The other stream's frame at the middle of this one."""
    return int((frame + 0.5) / rate * other_rate)


def valid_mean(padded, lengths):
    """The mean of each clip's own frames."""
    return np.stack([clip[:n].mean(axis=0) for clip, n in zip(padded, lengths, strict=True)])


def repair(frames):
    """Zero in the place of everything that is not a finite number."""
    return np.where(np.isfinite(frames), frames, 0.0)


def clip_length(frames):
    """Last frame that is not all zero, plus one; at least one."""
    alive = np.flatnonzero(frames.any(axis=1))
    return int(alive[-1]) + 1 if len(alive) else 1


def p_value(found, shuffled):
    """How often chance gives at least as much, the real order counted among the shuffles."""
    return (1 + sum(abs(s) >= abs(found) for s in shuffled)) / (1 + len(shuffled))


# --- inputs
# ---------------------------------------------------------------------------------------------------------------


def _moment_cases(rng):
    made = [Case((7, 10.0, 25.0), "the other stream is faster"), Case((11, 20.0, 8.0), "the other stream is slower")]
    made.append(Case((2000, 30.0, 8.0), "a late frame"))  # where a ratio rounded to three digits is a frame off

    def one(rng):
        while True:
            frame, (rate, other) = rng.randint(5, 90), rng.sample([8.0, 10.0, 12.5, 20.0, 25.0, 30.0], 2)
            exact = (frame + 0.5) / rate * other
            if abs(exact - round(exact)) > 0.02:  # never on the border between two frames
                return frame, rate, other

    rivals = [lambda f, r, o, k=k: int((f + k) / r * o) for k in (0, 0.25, 0.4, 0.6, 0.75, 1)]
    rivals += [lambda f, r, o, k=k: round((f + k) / r * o) for k in (-0.5, 0, 0.5, 1)]
    rivals += [lambda f, r, o: int((f + 0.5) / int(r) * o), lambda f, r, o: int((f + 0.5) / r * int(o))]
    return made + separating(rng, one, same_moment, rivals, least=6)


def _is_an_index(same, rng):
    """What is wrong with a right number that cannot stand in brackets."""
    found = same(*_moment_cases(rng)[0].args)
    try:
        operator.index(found)
    except TypeError:
        return (
            f"The numbers are right, but {found!r} is a float: a frame's number is used as an index, so return "
            "int(...) of it."
        )
    return None


def _numbers(rng, *shape):
    return np.array([rng.choice([-1, 1]) * rng.randint(1, 12) / 4 for _ in range(int(np.prod(shape)))]).reshape(shape)


def _mean_cases(rng):
    made = []
    for filling in (0.0, 0.0, 7.0, 0.0):
        lengths = np.array([6, rng.randint(2, 3), rng.randint(4, 5)])
        padded = _numbers(rng, 3, 6, 2)
        padded[0, 2] = padded[2, 1] = 0.0
        for clip, n in zip(padded, lengths, strict=True):
            clip[n:] = filling
        made.append(
            Case(
                (padded, lengths),
                "something else than zeros in the padding" if filling else "a frame of zeros inside two clips",
            )
        )
    return made


def _repair_cases(rng):
    made = []
    for bad in (-np.inf, np.nan, np.inf, -np.inf):
        frames = _numbers(rng, 5, 3)
        for row in rng.sample(range(5), 2):
            frames[row, rng.randrange(3)] = bad
        made.append(Case((frames,), f"{bad} in two places"))
    return made


def _length_cases(rng):
    full, torn = _numbers(rng, rng.randint(4, 6), 2), np.zeros((10, 3))
    torn[:7], hole = _numbers(rng, 7, 3), rng.randint(1, 4)
    torn[hole : hole + 2] = 0.0
    made = [
        Case((np.zeros((4, 2)),), "nothing but zeros"),
        Case((full,), "the clip fills its rectangle"),
        Case((torn,), "two frames of zeros in a row inside the clip"),
    ]
    for hole, last in (
        (True, [0.0, 1.25, 2.5]),
        (True, [1.5, -1.0, -0.5]),
        (False, [0.0, 1.25, 2.5]),
        (True, [2.0, 0.5, 1.0]),
        (False, [0.0, 0.25, 0.0]),
        (False, [-0.25, 0.0, 0.0]),
    ):
        n = rng.randint(5, 7)
        frames = np.zeros((10, 3))
        frames[:n] = _numbers(rng, n, 3)
        frames[n - 1] = last
        if hole:
            frames[rng.randint(1, n - 3)] = 0.0
        made.append(
            Case((frames,), "a frame of zeros inside the clip" if hole else "zeros in the last frame, but not only")
        )
    return made


def _chance_cases(rng):
    made = [
        Case((0.5, [0.0, 0.25, -0.25, 0.125]), "no shuffle comes near"),
        Case((0.25, [0.25, -0.5, 0.0]), "one shuffle ties with what was found"),
        Case((-0.5, [0.75, -0.75, 0.5, 0.25, -0.125]), "a negative correlation was found"),
    ]
    for _ in range(4):
        shuffled = [rng.randint(-16, 16) / 32 for _ in range(rng.randint(9, 19))]
        made.append((rng.choice([-1, 1]) * rng.randint(8, 12) / 32, [*shuffled, 0.5, -0.5, 0.0]))
    return made


# --- plausible mistakes
# ---------------------------------------------------------------------------------------------------


def _alive_mean(padded, lengths):
    alive = padded.any(axis=2)
    return np.stack([clip[a].mean(axis=0) for clip, a in zip(padded, alive, strict=True)])


def _first_zero(frames):
    dead = np.flatnonzero(~frames.any(axis=1))
    return max(int(dead[0]), 1) if len(dead) else len(frames)


def _colleague(frames):
    zero = ~frames.any(axis=1)
    return int(zero.argmax()) if zero.any() else len(frames)


def _row_zeroed(frames):
    return np.where(np.isfinite(frames).all(axis=1, keepdims=True), frames, 0.0)


def _smaller_tail(found, shuffled):
    above, below = (1 + sum(sign * s >= sign * found for s in shuffled) for sign in (1, -1))
    return 2 * min(above, below) / (1 + len(shuffled))


def _last(alive, offset=1):
    found = np.flatnonzero(alive)
    return int(found[-1]) + offset if len(found) else 1


EXERCISES = [
    Exercise(
        id="08.1",
        title="the same moment",
        difficulty=1,
        minutes=5,
        reference=same_moment,
        cases=_moment_cases,
        test=_is_an_index,
        hints=(
            "When is the middle of our frame, in seconds? Which of the other frames is on at that time?",
            "frame is a whole number from 0, rates are frames a second; (frame + 0.5) / rate is a time; int() cuts the "
            "fraction off.",
        ),
        after="Only a time can be compared between streams, never a frame's number.",
        wrong=(
            Wrong(
                "same number",
                lambda frame, rate, other: frame,
                "the same number",
                "This is the same number: it counts frames of another length. Go through the time.",
            ),
            Wrong(
                "rates swapped",
                lambda frame, rate, other: int((frame + 0.5) / other * rate),
                "change places",
                "The two rates must change places: divide by our own rate to get seconds.",
            ),
            Wrong(
                "start of the frame",
                lambda frame, rate, other: int(frame / rate * other),
                "begins",
                "This is the moment at which our frame begins; take its middle, frame + 0.5.",
            ),
            Wrong(
                "rounded",
                lambda frame, rate, other: round((frame + 0.5) / rate * other),
                "one frame too late",
                "This rounds, and lands one frame too late half of the time: frame k lasts from k to k + 1, so cut the "
                "fraction off.",
            ),
            Wrong(
                "no whole number",
                lambda frame, rate, other: (frame + 0.5) / rate * other,
                "whole number",
                "This is the right place with a fraction; a frame is a whole number: int() cuts it off.",
            ),
            Wrong("floored to a float", lambda frame, rate, other: (frame + 0.5) * other // rate, "used as an index"),
            Wrong(
                "start rounded",
                lambda frame, rate, other: round(frame / rate * other),
                "to the nearest",
                "This rounds the moment at which the frame starts to the nearest frame: take its middle, and cut the "
                "fraction off.",
            ),
        ),
    ),
    Exercise(
        id="08.2",
        title="a mean without padding",
        difficulty=1,
        minutes=6,
        reference=valid_mean,
        cases=_mean_cases,
        hints=(
            "Each clip has its own number of frames: take the mean of these and of nothing else.",
            "padded is (n, L, d), lengths (n); padded[i, : lengths[i]] is (lengths[i], d); the result is (n, d).",
        ),
        after="A clip's result must not depend on how long the longest clip of its file is.",
        wrong=(
            Wrong(
                "padding counted",
                lambda padded, lengths: padded.mean(axis=1),
                "pulls the mean",
                "This divides by the padded length: the padding pulls the mean of short clips towards zero.",
            ),
            Wrong(
                "trusts the zeros",
                lambda padded, lengths: padded.sum(axis=1) / lengths[:, None],
                "relies on zeros",
                "This relies on zeros in the padding; behind an encoder other values stand there.",
            ),
            Wrong(
                "zero frames dropped",
                _alive_mean,
                "inside the clip",
                "This guesses the padding from the values: frames of zeros inside the clip are dropped too. You have "
                "the lengths.",
            ),
            Wrong(
                "one frame short",
                lambda padded, lengths: valid_mean(padded, lengths - 1),
                "last frame",
                "The last frame of each clip is left out: x[:n] already ends before n.",
            ),
            Wrong(
                "the sum",
                lambda padded, lengths: valid_mean(padded, lengths) * lengths[:, None],
                "not divided",
                "This is the sum, not divided by the number of frames.",
            ),
        ),
    ),
    Exercise(
        id="08.3",
        title="find the bug: repair what is not finite",
        difficulty=1,
        minutes=5,
        reference=repair,
        cases=_repair_cases,
        hints=(
            "Look up what np.nan_to_num makes of -inf when it is not told otherwise. Which single test finds -inf, inf "
            "and NaN?",
            "np.isfinite(frames) is (l, d) like frames; np.where(condition, frames, 0.0) chooses place by place.",
        ),
        after="The library's reader does the same, and counts how often.",
        wrong=(
            Wrong(
                "nan_to_num",
                lambda frames: np.nan_to_num(frames),
                "largest number",
                "np.nan_to_num turns -inf into the largest number below zero that a computer has, not into 0.",
            ),
            Wrong(
                "only -inf",
                lambda frames: np.where(np.isneginf(frames), 0.0, frames),
                "other two",
                "-inf is gone, but the other two, inf and NaN, may come as well: test with np.isfinite.",
            ),
            Wrong(
                "only NaN",
                lambda frames: np.where(np.isnan(frames), 0.0, frames),
                "is no NaN",
                "-inf is no NaN: this leaves it where it was.",
            ),
            Wrong(
                "whole frame",
                _row_zeroed,
                "good values",
                "This wipes the whole frame, with the good values of its other features.",
            ),
            Wrong(
                "frame dropped",
                lambda frames: frames[np.isfinite(frames).all(axis=1)],
                "shifts",
                "This drops frames: the clip gets shorter, and everything behind them shifts in time.",
            ),
        ),
    ),
    Exercise(
        id="08.4",
        title="find the bug: where does a clip end?",
        difficulty=2,
        minutes=8,
        reference=clip_length,
        cases=_length_cases,
        hints=(
            "A frame of zeros in the middle may be a dropped one. Only zeros up to the very end are padding.",
            "frames is (L, d); frames.any(axis=1) is (L): True where a frame is not all zero. The result is one whole "
            "number, at least 1.",
        ),
        after="The library's reader has this rule, but for one thing: there a clip of nothing but zeros has the "
        "length 0, since nobody recorded it.",
        wrong=(
            Wrong(
                "first zero frame",
                _first_zero,
                "dropped frame",
                "This stops at the first frame of zeros, which may be a dropped frame in the middle of the clip.",
            ),
            Wrong(
                "frames counted",
                lambda frames: max(int(frames.any(axis=1).sum()), 1),
                "loses its end",
                "This counts the frames that are not zero: with a hole in the middle, the clip loses its end.",
            ),
            Wrong(
                "index of the last",
                lambda frames: max(_last(frames.any(axis=1), 0), 1),
                "add one",
                "This is the number of the last frame, which counts from 0: add one to get a length.",
            ),
            Wrong(
                "all features",
                lambda frames: _last(frames.all(axis=1)),
                "any of its features",
                "A frame is alive if any of its features is not zero; here all must be.",
            ),
            Wrong(
                "added up",
                lambda frames: _last(frames.sum(axis=1) != 0),
                "cancel",
                "The features are added up first: values of both signs cancel, and a frame seems dead.",
            ),
            Wrong(
                "no clip at all",
                lambda frames: clip_length(frames) if frames.any() else 0,
                "at least one",
                "A clip of zeros gets the length 0, and a mean over it is 0 / 0: at least one frame stays.",
            ),
            Wrong(
                "the colleague's",
                _colleague,
                "first hole",
                "The clip ends at its first hole here, and a clip of nothing but zeros has no frame: look for the last "
                "frame with something in it.",
            ),
        ),
    ),
    Exercise(
        id="08.5",
        title="how often does chance do that?",
        difficulty=2,
        minutes=8,
        reference=p_value,
        cases=_chance_cases,
        hints=(
            "Count the shuffles whose size is at least that of what was found, and let the real order be one more "
            "shuffle.",
            "found is a number, shuffled a list of n numbers; the result is a share between 1 / (n + 1) and 1.",
        ),
        after="With n shuffles the smallest possible answer is 1 / (n + 1): more cannot be claimed.",
        wrong=(
            Wrong(
                "real order left out",
                lambda found, shuffled: sum(abs(s) >= abs(found) for s in shuffled) / len(shuffled),
                "cannot be zero",
                "A chance cannot be zero after finitely many shuffles: count the real order as one of them, above and "
                "below the line.",
            ),
            Wrong(
                "one side",
                lambda found, shuffled: (1 + sum(s >= found for s in shuffled)) / (1 + len(shuffled)),
                "either sign",
                "Sizes count, with either sign: we would have been as surprised by the opposite correlation. Use abs "
                "on both.",
            ),
            Wrong(
                "turned round",
                lambda found, shuffled: (1 + sum(abs(s) <= abs(found) for s in shuffled)) / (1 + len(shuffled)),
                "at most as much",
                "This counts the shuffles that give at most as much; the surprising ones give at least as much.",
            ),
            Wrong(
                "strictly more",
                lambda found, shuffled: (1 + sum(abs(s) > abs(found) for s in shuffled)) / (1 + len(shuffled)),
                "exactly as large",
                "A shuffle that is exactly as large counts too: use >=.",
            ),
            Wrong(
                "a count",
                lambda found, shuffled: 1 + sum(abs(s) >= abs(found) for s in shuffled),
                "is a number of shuffles",
                "This is a number of shuffles: divide it by how many there are, the real order included.",
            ),
            Wrong(
                "smaller tail",
                _smaller_tail,
                "smaller tail",
                "This takes the smaller tail twice, which asks how the shuffles lie around what was found. Here sizes "
                "are compared: abs(s) >= abs(found).",
            ),
        ),
    ),
    loader.EXERCISE,
]
