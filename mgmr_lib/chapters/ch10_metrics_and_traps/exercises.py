"""Exercises of 10 metrics and their traps: two accuracies, classes, seven into five, weighted F1, a constant, the area
under a curve, paired clips."""

from itertools import pairwise

import numpy as np

from mgmr_lib.course.registry import Case, Exercise, Wrong


def acc2(prediction, truth, convention):
    """Share of right signs: "has0" takes 0 for positive and all clips, "non0" leaves clips with label 0 out."""
    if convention == "has0":
        return float(np.mean((prediction >= 0) == (truth >= 0)))
    some = truth != 0
    return float(np.mean((prediction[some] > 0) == (truth[some] > 0)))


def class_accuracy(prediction, truth, top):
    """Share of clips whose prediction and label have one class, after clipping both to +-top and rounding half to
    even."""
    return float(np.mean(np.round(np.clip(prediction, -top, top)) == np.round(np.clip(truth, -top, top))))


def weighted_f1(predicted, true):
    """F1 of the class True and of the class False, weighted by how many clips truly belong to each."""
    total = 0.0
    for c in (True, False):
        hits = np.sum((predicted == c) & (true == c))
        both = np.sum(predicted == c) + np.sum(true == c)
        total += np.mean(true == c) * (2 * hits / both if both else 0.0)
    return float(total)


def five_from_seven(c):
    """The class among five of every value whose class among seven is c."""
    return max(-2, min(2, c))


def constant_positive(negative, positive):
    """(accuracy, true weighted F1, swapped weighted F1) of the answer "positive" to everything."""
    share = positive / (negative + positive)
    f1 = 2 * positive / (2 * positive + negative)
    return share, share * f1, f1


def area(rates, values):
    """Area under straight lines through the points (rates, values), (t + 1,) each: as the library's `auilc`."""
    return float(np.sum((values[:-1] + values[1:]) / 2 * np.diff(rates)))


def resampled_gains(hits_a, hits_b, rows):
    """Difference of two accuracies on each row of drawn clips: hits (n,), rows (R, n) -> (R,)."""
    return hits_a[rows].mean(axis=1) - hits_b[rows].mean(axis=1)


def _numbers(rng, n, most):
    """Quarters between -most and most; some of them lie on .5 and on 0."""
    return np.array([rng.randint(-4 * most, 4 * most) / 4 for _ in range(n)])


def _acc2_cases(rng):
    made = [
        Case(
            (np.array([0.0, 0.0, 1.0, -1.0, 0.0]), np.array([1.0, 2.0, 0.0, 0.0, -1.0]), c), f"zeros on both sides, {c}"
        )
        for c in ("has0", "non0")
    ]
    for _ in range(3):
        n = rng.randint(17, 20)
        p, y = _numbers(rng, n, 3), _numbers(rng, n, 3)
        p[[0, 1, 2]], y[[0, 1, 2]] = 0.0, [1.0, 2.0, 1.5]
        p[[3, 4, 5]], y[[3, 4, 5]] = [1.0, -0.5, 2.0], 0.0
        p[[6, 7, 8, 9, 10]], y[[6, 7, 8, 9, 10]] = [-0.25, -1.0, -0.5, 0.25, 0.5], [-0.5, -0.25, -1.0, 0.75, 0.25]
        made += [(p, y, "has0"), (p.copy(), y.copy(), "non0")]
    return made


def _acc2_zero_prediction(p, y, convention):
    some = y != 0 if convention == "non0" else np.ones(len(y), bool)
    return float(np.mean((p[some] >= 0) == (y[some] >= 0)))


def _acc2_strict(p, y, convention):
    some = y != 0 if convention == "non0" else np.ones(len(y), bool)
    return float(np.mean((p[some] > 0) == (y[some] > 0)))


def _acc2_dropped_by_prediction(p, y, convention):
    return acc2(p, y, "has0") if convention == "has0" else float(np.mean((p[p != 0] > 0) == (y[p != 0] > 0)))


def _acc2_zeros_stay(p, y, convention):
    return acc2(p, y, "has0") if convention == "has0" else float(np.mean((p > 0) == (y > 0)))


def _acc2_over_all(p, y, convention):
    return acc2(p, y, "has0") if convention == "has0" else float(np.sum(((p > 0) == (y > 0)) & (y != 0)) / len(y))


def _acc2_by_sign(p, y, convention):
    some = y != 0 if convention == "non0" else np.ones(len(y), bool)
    return float(np.mean(np.sign(p[some]) == np.sign(y[some])))


def _class_cases(rng):
    p, y = np.array([-0.75, 3.75, -3.5, 1.25]), np.array([-1.0, 3.0, -3.0, 2.0])
    made = [
        Case((np.array([0.5, 1.5, 2.5, -0.5]), np.array([0.0, 2.0, 2.0, 0.0]), 3), "all predictions lie on .5"),
        Case((p, y, 3), "two predictions beyond the ends"),
    ]
    for top in (1, 2, 3, 1):
        y = _numbers(rng, 14, 3)
        p = y + np.array([rng.choice([-1, 0, 0, 1]) / 4 for _ in y])
        p[:5], y[:5] = [3.75, -4.25, 0.5, -1.5, 2.25], [3.0, -2.75, 0.25, -1.75, 1.25]
        p[5], y[5] = rng.choice([(1, -1), (-1, 1)])  # the right size with the wrong sign
        made.append((p, y, top))
    return made


def _half_up(x):
    return np.floor(x + 0.5)


def _colleague(x):
    return (x + 0.5).astype(int)


def _share(a, b):
    return float(np.mean(a == b))


def _f1_cases(rng):
    made = [
        Case((np.array([True] * 5), np.array([True, False, False, False, True])), "always True"),
        Case((np.array([True, True, True, False, False]), np.array([True, True, False, False, False])), "one is wrong"),
        Case((np.array([True] * 3), np.array([True] * 3)), "the class False does not occur at all"),
        Case((np.array([False] * 4), np.array([False] * 4)), "the class True does not occur at all"),
    ]
    for _ in range(6):
        true = np.array([True, True, False, False, False, *rng.sample([True, True, *[False] * 7], 9)])
        predicted = np.where([rng.random() < 0.6 for _ in true], True, true)
        predicted[:5] = [True, False, True, True, False]
        made.append((predicted, true))
    return made


def _f1_of(predicted, true, c):
    both = np.sum(predicted == c) + np.sum(true == c)
    return 2 * np.sum((predicted == c) & (true == c)) / both if both else 0.0


def _f1_unguarded(predicted, true):
    total = np.float64(0.0)
    with np.errstate(invalid="ignore"):
        for c in (True, False):
            both = np.sum(predicted == c) + np.sum(true == c)
            total += np.mean(true == c) * (2 * np.sum((predicted == c) & (true == c)) / both)
    return float(total)


def _area_cases(rng):
    made = [
        Case((np.array([0.0, 0.25, 1.0]), np.array([80.0, 60.0, 50.0])), "the second strip is three times as wide"),
        Case((np.array([0.25, 0.5]), np.array([80.0, 60.0])), "a single strip, a quarter wide"),
        Case((np.array([0.0, 0.5, 0.75]), np.array([0.5, -0.75, -1.0])), "a correlation that falls below 0"),
    ]
    for low, high in ((0, 20), (2, 18), (0, 18), (4, 20)):
        inside = sorted(rng.sample(range(low + 1, high), rng.randint(2, 4)))
        while len({b - a for a, b in pairwise([low, *inside, high])}) == 1:
            inside = sorted(rng.sample(range(low + 1, high), 3))
        rates = np.array([low, *inside, high]) / 20
        made.append((rates, np.array([rng.randint(-32, 320) / 4 for _ in rates])))
    return made


def _heights(values):
    """The mean height of each strip."""
    return (values[:-1] + values[1:]) / 2


def _gain_cases(rng):
    made = []
    for n, draws in ((4, 3), (8, 5), (10, 4)):
        a, b = (np.array([float(rng.random() < q) for _ in range(n)]) for q in (0.7, 0.4))
        a[:3], b[:3] = [1, 0, 1], [0, 1, 0]
        rows = np.array([[rng.randrange(n) for _ in range(n)] for _ in range(draws)])
        rows[0] = [1, 1, *(rng.choice([1, 1, 0]) for _ in range(n - 2))]  # here b is ahead, most of the time
        rows[1, 0] = 0
        made.append((a, b, rows))
    return made


EXERCISES = [
    Exercise(
        id="10.1",
        title="Acc-2, twice",
        difficulty=1,
        minutes=6,
        reference=acc2,
        cases=_acc2_cases,
        hints=(
            "has0 compares `>= 0` on all clips. non0 first leaves out the clips whose label is 0, then compares `> 0`.",
            "prediction, truth are arrays of n numbers; truth != 0 is a mask of n booleans; the result is one number "
            "in 0..1.",
        ),
        after="A prediction of exactly 0 counts as positive under has0 and as negative under non0.",
        wrong=(
            Wrong(
                "one sign for both",
                _acc2_zero_prediction,
                "under has0 alone",
                "A prediction of exactly 0 counts as positive under has0 alone: else compare with > 0.",
            ),
            Wrong(
                "strict in both",
                _acc2_strict,
                "positive side",
                "Zero belongs to the positive side under has0: compare with >= 0 there.",
            ),
            Wrong(
                "zeros of the prediction",
                _acc2_dropped_by_prediction,
                "whose prediction is 0",
                "This leaves out clips whose prediction is 0. The clips to leave out under non0 are those whose label "
                "is 0.",
            ),
            Wrong(
                "over all clips",
                _acc2_over_all,
                "below the line",
                "The hits are right, but they are divided by all clips: under non0 fewer clips count, below the line "
                "too.",
            ),
            Wrong(
                "conventions exchanged",
                lambda p, y, c: acc2(p, y, "non0" if c == "has0" else "has0"),
                "exchanged",
                "The two conventions are exchanged.",
            ),
            Wrong(
                "three signs",
                _acc2_by_sign,
                "three values",
                "np.sign has three values, so that a prediction of 0 is right for a label of 0 alone. Here are two "
                "sides: compare with >= 0 or > 0.",
            ),
            Wrong(
                "zeros stay",
                _acc2_zeros_stay,
                "still counted",
                "Under non0, clips whose label is 0 are still counted here: leave them out before you compare.",
            ),
        ),
    ),
    Exercise(
        id="10.2",
        title="find the bug: classes",
        difficulty=2,
        minutes=8,
        reference=class_accuracy,
        cases=_class_cases,
        hints=(
            "Clip both to the scale of the classes, round both with np.round, compare.",
            "np.clip(x, -top, top) and np.round keep the shape (n,); the mean of n comparisons is one number.",
        ),
        after="np.round goes to the even neighbour at .5, as the field's evaluation code does.",
        wrong=(
            Wrong(
                "the colleague's",
                lambda p, y, top: _share(_colleague(np.clip(p, -top, top)), np.round(np.clip(y, -top, top))),
                "toward zero",
                "Turning a number into an int cuts toward zero: -1 becomes 0 on the way. Use np.round for predictions "
                "too.",
            ),
            Wrong(
                "prediction not clipped",
                lambda p, y, top: _share(np.round(p), np.round(np.clip(y, -top, top))),
                "outside the scale",
                "A prediction outside the scale gets a class of its own here: clip predictions as well.",
            ),
            Wrong(
                "label not clipped",
                lambda p, y, top: _share(np.round(np.clip(p, -top, top)), np.round(y)),
                "labels are not clipped",
                "The labels are not clipped: with five or three classes, strong labels then have classes that no "
                "prediction reaches.",
            ),
            Wrong(
                "half up",
                lambda p, y, top: _share(_half_up(np.clip(p, -top, top)), _half_up(np.clip(y, -top, top))),
                "even neighbour",
                "Here .5 always goes up. np.round goes to the even neighbour, and so do the published scores.",
            ),
            Wrong(
                "no clipping",
                lambda p, y, top: _share(np.round(p), np.round(y)),
                "Nothing is clipped",
                "Nothing is clipped: the number of classes does not enter at all.",
            ),
        ),
    ),
    Exercise(
        id="10.3",
        title="seven classes into five",
        difficulty=1,
        minutes=5,
        reference=five_from_seven,
        cases=lambda rng: [(c,) for c in rng.sample(range(-3, 4), 7)],
        hints=(
            "Which values have class 3 among seven? Clip one of them to 2 and round it.",
            "One whole number goes in, one comes out, between -2 and 2.",
        ),
        after="So two values of one class among seven have one class among five: Acc-5 can never be below Acc-7.",
        wrong=(
            Wrong(
                "unchanged", lambda c: c, "no class 3", "There is no class 3 among five: such values are clipped to 2."
            ),
            Wrong(
                "outside is neutral",
                lambda c: c if abs(c) < 3 else 0,
                "becomes neutral",
                "A strong value becomes neutral here: clipping puts it at the end of the scale.",
            ),
            Wrong(
                "shrunk",
                lambda c: round(c * 2 / 3),
                "not shrunk",
                "The scale is not shrunk: clipping leaves the classes -2 to 2 as they are.",
            ),
            Wrong(
                "one less",
                lambda c: c - ((c > 0) - (c < 0)),
                "one step",
                "Here every class moves by one step towards 0: only 3 and -3 do.",
            ),
        ),
    ),
    Exercise(
        id="10.4",
        title="weighted F1",
        difficulty=2,
        minutes=10,
        reference=weighted_f1,
        cases=_f1_cases,
        hints=(
            "For each of the two classes: hits, times two, over how often it is predicted plus how often it is true. "
            "Then weigh.",
            "predicted, true are n booleans; two F1 (numbers), two weights (shares of the true classes) make one "
            "number.",
        ),
        after="The weights come from the truth. A class that is never predicted has F1 0 and keeps its weight.",
        wrong=(
            Wrong(
                "swapped",
                lambda predicted, true: weighted_f1(true, predicted),
                "predicted shares",
                "The weights are the predicted shares: this is what f1_score(prediction, truth) gives. Weigh by the "
                "true classes.",
            ),
            Wrong(
                "unweighted",
                lambda p, t: float((_f1_of(p, t, True) + _f1_of(p, t, False)) / 2),
                "same weight",
                "Both classes have the same weight here (macro F1): weigh each by its true share.",
            ),
            Wrong(
                "positive only",
                lambda p, t: float(_f1_of(p, t, True)),
                "True alone",
                "This is the F1 of the class True alone: the class False has an F1 too.",
            ),
            Wrong(
                "accuracy",
                lambda p, t: float(np.mean(p == t)),
                "accuracy",
                "This is the accuracy (micro F1): take each class by itself.",
            ),
            Wrong(
                "weights exchanged",
                lambda p, t: float(np.mean(~t) * _f1_of(p, t, True) + np.mean(t) * _f1_of(p, t, False)),
                "other class",
                "Each F1 is multiplied by the share of the other class.",
            ),
            Wrong(
                "geometric mean",
                lambda p, t: float((_f1_of(p, t, True) * _f1_of(p, t, False)) ** 0.5),
                "geometric mean",
                "This is the geometric mean of the two F1: weigh each by its true share, and add.",
            ),
            Wrong(
                "0 / 0",
                _f1_unguarded,
                "0 / 0",
                "Where a class has no clip and is never predicted, this divides 0 / 0 and all becomes nan: such a "
                "class weighs nothing, count it as 0.",
            ),
        ),
    ),
    Exercise(
        id="10.5",
        title="a constant answer",
        difficulty=2,
        minutes=8,
        reference=constant_positive,
        cases=lambda rng: (
            [Case((3, 1), "one positive clip of four")] + [(rng.randint(4, 20), rng.randint(2, 19)) for _ in range(5)]
        ),
        hints=(
            "Nobody is predicted negative: that class has F1 0. What is the F1 of the positive class? Which weight has "
            "it, by truth and by prediction?",
            "Three numbers in 0..1: accuracy, true F1, swapped F1; with P positive of n clips, the positive class has "
            "F1 2P / (n + P).",
        ),
        after="Swapped, the class that is never predicted has weight 0, and its F1 of 0 costs nothing.",
        wrong=(
            Wrong(
                "order",
                lambda neg, pos: (constant_positive(neg, pos)[0], *constant_positive(neg, pos)[:0:-1]),
                "other way round",
                "The two F1 stand the other way round: the true one has the true shares as weights.",
            ),
            Wrong(
                "not weighted",
                lambda neg, pos: (
                    constant_positive(neg, pos)[0],
                    constant_positive(neg, pos)[2],
                    constant_positive(neg, pos)[2],
                ),
                "F1 of 0",
                "The true F1 must count the negative class: its F1 of 0 has the weight of the negative share.",
            ),
            Wrong(
                "accuracy for F1",
                lambda neg, pos: (pos / (neg + pos),) * 3,
                "precision alone",
                "Accuracy stands in all three places: that is the precision alone. The positive class's F1 is 2P / (n "
                "+ P).",
            ),
            Wrong(
                "macro",
                lambda neg, pos: (
                    constant_positive(neg, pos)[0],
                    constant_positive(neg, pos)[2] / 2,
                    constant_positive(neg, pos)[2],
                ),
                "plain mean",
                "The true F1 here is the plain mean of both classes' F1: weigh by the true shares.",
            ),
            Wrong(
                "swapped weighted",
                lambda neg, pos: (*constant_positive(neg, pos)[:2], constant_positive(neg, pos)[1]),
                "predicted shares",
                "Swapped, the weights are the predicted shares: everything is predicted positive, so that class has "
                "weight 1.",
            ),
        ),
    ),
    Exercise(
        id="10.7",
        title="the area under a curve",
        difficulty=1,
        minutes=6,
        reference=area,
        cases=_area_cases,
        hints=(
            "Go from strip to strip: its width times the mean of its two heights. Add them all up.",
            "Both arrays hold t + 1 numbers; values[:-1] and values[1:] are the left and right heights of t strips, "
            "np.diff(rates) their t widths.",
        ),
        after="Each point counts by the room it has: where many rates lie close together, none of them counts much.",
        wrong=(
            Wrong(
                "plain mean",
                lambda rates, values: float(np.mean(values)),
                "plain mean of the points",
                "This is the plain mean of the points: it does not know how far apart the rates lie.",
            ),
            Wrong(
                "widths forgotten",
                lambda rates, values: float(np.sum(_heights(values))),
                "no width",
                "The strips have no width here: multiply each mean height by the distance of its two rates.",
            ),
            Wrong(
                "mean of the strips",
                lambda rates, values: float(np.mean(_heights(values))),
                "counts alike",
                "A mean over the strips: a narrow one counts alike with a wide one. Multiply by the widths and add.",
            ),
            Wrong(
                "all equally wide",
                lambda rates, values: float(np.sum(_heights(values)) * (rates[-1] - rates[0]) / (len(rates) - 1)),
                "equally wide",
                "All strips are taken to be equally wide: each has a width of its own, np.diff(rates).",
            ),
            Wrong(
                "divided by the range",
                lambda rates, values: area(rates, values) / (rates[-1] - rates[0]),
                "last minus the first",
                "The area is divided by the last minus the first rate: Eq. 20 leaves it as it is, so over a shorter "
                "range it is smaller.",
            ),
            Wrong(
                "left heights",
                lambda rates, values: float(np.sum(values[:-1] * np.diff(rates))),
                "left end",
                "Each strip has the height of its left end here: take the mean of both ends.",
            ),
            Wrong(
                "right heights",
                lambda rates, values: float(np.sum(values[1:] * np.diff(rates))),
                "right end",
                "Each strip has the height of its right end here: take the mean of both.",
            ),
            Wrong(
                "half forgotten",
                lambda rates, values: 2 * area(rates, values),
                "twice",
                "This is twice the area: the mean of two heights is half their sum.",
            ),
            Wrong(
                "axes exchanged",
                lambda rates, values: area(values, rates),
                "axes are exchanged",
                "The axes are exchanged: the rates lie on the floor, the values are the heights (np.trapezoid takes "
                "the heights first).",
            ),
        ),
    ),
    Exercise(
        id="10.6",
        title="find the bug: whose clips",
        difficulty=2,
        minutes=6,
        reference=resampled_gains,
        cases=_gain_cases,
        hints=(
            "Both networks sit the same exam: one draw of clips for both, again and again.",
            "hits_a[rows] has the shape (R, n), as rows; the mean over axis 1 leaves R accuracies.",
        ),
        after="What is hard for both cancels in the difference, and the interval shrinks.",
        wrong=(
            Wrong(
                "drawn apart",
                lambda a, b, rows: a[rows].mean(axis=1) - b[rows[::-1]].mean(axis=1),
                "other clips",
                "The second network is scored on other clips than the first: use the same row for both.",
            ),
            Wrong(
                "second not drawn",
                lambda a, b, rows: a[rows].mean(axis=1) - b.mean(),
                "all clips",
                "The second network is always scored on all clips: draw them for both.",
            ),
            Wrong(
                "turned round",
                lambda a, b, rows: resampled_gains(b, a, rows),
                "first minus second",
                "The sign is turned round: first minus second.",
            ),
            Wrong(
                "wrong axis",
                lambda a, b, rows: (a[rows] - b[rows]).mean(axis=0),
                "over the draws",
                "This averages over the draws: each row is one draw, so take the mean over axis 1.",
            ),
            Wrong(
                "summed",
                lambda a, b, rows: (a[rows] - b[rows]).sum(axis=1),
                "number of clips",
                "This is the number of clips by which they differ: divide by n.",
            ),
            Wrong(
                "sizes",
                lambda a, b, rows: np.abs(a[rows].mean(axis=1) - b[rows].mean(axis=1)),
                "may be below 0",
                "A gain may be below 0: without its sign, every resample seems to favour the first network.",
            ),
        ),
    ),
]
