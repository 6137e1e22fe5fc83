"""Exercises of 21 missing rates: the mask, the count of what it lost, the area under a curve, the best blind answer."""

import numpy as np

from mgmr_lib.course.registry import Case, Exercise, Wrong


def keep_steps(draws, rate, protected):
    """Kept where the draw is at least the rate, or the step is protected."""
    return [u >= rate or p for u, p in zip(draws, protected, strict=True)]


def lost_share(keep, valid):
    """Lost valid steps over valid steps."""
    return (valid & ~keep).sum() / valid.sum()


def area(rates, values):
    """Trapezoid rule."""
    return sum((values[i] + values[i + 1]) / 2 * (rates[i + 1] - rates[i]) for i in range(len(rates) - 1))


def best_constant(labels):
    """The median of an odd number of labels."""
    return sorted(labels)[len(labels) // 2]


def _keep_cases(rng):
    draws = [rng.randint(0, 99) / 100 for _ in range(6)]
    ends = [True, False, False, False, False, True]
    made = [Case(([0.0, 0.5, 0.25, 0.75], 0.0, [False] * 4), "at rate 0 nothing may be lost, not even at the draw 0"),
            Case(([0.25, 0.5, 0.75], 0.5, [False] * 3), "one draw equals the rate"),
            Case((draws, 1.0, ends), "rate 1"), Case((sorted(draws), 0.99, ends), "nearly everything lost")]
    for _ in range(4):
        n = rng.randint(5, 8)
        made.append(([rng.randint(0, 99) / 100 for _ in range(n)], rng.randint(2, 8) / 10, [True, *[False] * (n - 2), True]))
    return made


def _exact_share(draws, rate, protected):
    order = sorted(range(len(draws)), key=lambda i: draws[i])
    lost = set(order[: round(rate * len(draws))])
    return [i not in lost or protected[i] for i in range(len(draws))]


def _share_cases(rng):
    made = [Case((np.array([[True, False, False, False]]), np.array([[True, True, False, False]])), "a clip of two steps, one of them lost")]
    for _ in range(4):
        lengths = [rng.randint(2, 4), rng.randint(6, 9), 10]
        valid = np.arange(12)[None, :] < np.array(lengths)[:, None]
        keep = np.array([[rng.random() < 0.6 for _ in range(12)] for _ in lengths]) & valid
        keep[0, :2], keep[1, 2], keep[2, 3:6] = [True, False], True, False
        made.append((keep, valid))
    return made


def _area_cases(rng):
    def values(n):
        return [rng.randint(2, 20) / 4 for _ in range(n)]

    made = [Case(([0.0, 1.0], [1.0, 2.0]), "two rates"), Case(([0.0, 0.5, 0.75, 1.0], values(4)), "steps of two widths")]
    made += [Case(([0.0, 0.25, 0.5], values(3)), "rates that end at 0.5"), Case(([0.25, 0.5, 1.0], values(3)), "rates that start at 0.25")]
    return made + [Case(([0.0, 0.125, 0.5, 0.875], sorted(values(4))), "a rising error") for _ in range(2)]


def _constant_cases(rng):
    """A far label on one side, so that mean, middle of the range and median lie apart; the smallest label comes twice."""
    made = [Case(([0.0, 0.0, 3.0],), "two labels agree, one is far")]
    for _ in range(4):
        low = rng.randint(-11, -5) / 4
        rest = rng.sample([i / 4 for i in range(-4, 5)], 4)
        labels = [low, low, *rest, 3.0]
        rng.shuffle(labels)
        made.append((labels,))
    return made + [Case(([rng.randint(4, 9) / 4, -2.5, 0.25, -0.5, 1.0],), "five labels in no order")]


EXERCISES = [
    Exercise(
        id="21.1", title="keep or lose", difficulty=1, minutes=5, reference=keep_steps, cases=_keep_cases,
        hints=("Compare each draw with the rate: at least the rate means kept. A protected step is kept whatever its draw.",
               "draws and protected are lists of length l, the result is a list of l booleans: zip gives pairs (u, p)."),
        after="The draws do not depend on the rate: that is why a higher rate only adds to what is lost.",
        wrong=(
            Wrong("turned round", lambda draws, rate, protected: [u < rate or p for u, p in zip(draws, protected, strict=True)], "loses what it should keep",
                  "This loses what it should keep: a low draw falls below the bar, so u >= rate is kept."),
            Wrong("protection forgotten", lambda draws, rate, protected: [u >= rate for u in draws], "Protected steps",
                  "Protected steps get lost here: [CLS] and [SEP] stay even at rate 1."),
            Wrong("bar too high", lambda draws, rate, protected: [u > rate or p for u, p in zip(draws, protected, strict=True)], "exactly the rate",
                  "A draw of exactly the rate is kept. Draws can be 0: with u > rate, something would be lost at rate 0."),
            Wrong("protection instead", lambda draws, rate, protected: [u >= rate and p for u, p in zip(draws, protected, strict=True)], "either reason",
                  "Here a step needs both reasons to stay: either reason is enough, so join them with or."),
            Wrong("exact share", _exact_share, "coin",
                  "This loses a fixed number of steps. In the protocol each step tosses its own coin, so the share varies from clip to clip."),
        ),
    ),
    Exercise(
        id="21.2", title="count what was lost", difficulty=2, minutes=8, reference=lost_share, cases=_share_cases,
        hints=("Padding was never there, so it cannot be lost: count only where valid is True.",
               "keep and valid are boolean arrays (n, l); valid & ~keep marks the lost steps; the result is one number between 0 and 1."),
        after="Padding is never missing, neither in this count nor in the loss of a reconstruction.",
        wrong=(
            Wrong("padding counted", lambda keep, valid: 1 - keep.mean(), "padding",
                  "Everything that is not kept counts as lost here, and most of that is padding."),
            Wrong("kept share", lambda keep, valid: (valid & keep).sum() / valid.sum(), "was kept",
                  "This is the share that was kept: the lost share is one minus it."),
            Wrong("mean over clips", lambda keep, valid: np.mean([lost_share(k, v) for k, v in zip(keep, valid, strict=True)]), "short clip",
                  "This averages the clips' shares, so a step of a short clip counts more than one of a long clip: put all steps together."),
            Wrong("over all cells", lambda keep, valid: (valid & ~keep).sum() / valid.size, "below the line",
                  "The lost steps are right, but below the line stands every cell of the array: divide by the valid ones."),
            Wrong("a count", lambda keep, valid: (valid & ~keep).sum(), "number of lost steps",
                  "This is the number of lost steps: divide it by the number of valid ones."),
        ),
    ),
    Exercise(
        id="21.3", title="the area under a curve", difficulty=2, minutes=8, reference=area, cases=_area_cases,
        hints=("Cut the area into strips between neighbouring rates. How wide is a strip, and what is its mean height?",
               "rates and values are lists of n numbers; there are n - 1 strips, each a number; the result is their sum."),
        after="For a reader that makes the same error everywhere, the area over rates 0 to 1 is that error.",
        wrong=(
            Wrong("plain mean", lambda rates, values: sum(values) / len(values), "plain mean",
                  "This is the plain mean of the values: the ends then count as much as the others, and the widths do not count at all."),
            Wrong("left heights", lambda rates, values: sum(values[i] * (rates[i + 1] - rates[i]) for i in range(len(rates) - 1)), "left end",
                  "Each strip has the height of its left end: take the mean of both ends."),
            Wrong("right heights", lambda rates, values: sum(values[i + 1] * (rates[i + 1] - rates[i]) for i in range(len(rates) - 1)), "right end",
                  "Each strip has the height of its right end: take the mean of both ends."),
            Wrong("equal widths", lambda rates, values: sum((values[i] + values[i + 1]) / 2 * (rates[1] - rates[0]) for i in range(len(rates) - 1)),
                  "first strip", "Every strip gets the width of the first strip: rates need not be equally far apart."),
            Wrong("not halved", lambda rates, values: 2 * area(rates, values), "both heights",
                  "The strips are twice too high: both heights are added, but not halved."),
            Wrong("mean height", lambda rates, values: area(rates, values) / (rates[-1] - rates[0]), "divided by the whole range",
                  "The area is divided by the whole range: that is the mean height, the same only from 0 to 1. AUILC is the area."),
        ),
    ),
    Exercise(
        id="21.4", title="the best blind answer", difficulty=2, minutes=6, reference=best_constant, cases=_constant_cases,
        hints=("Move the constant up a little: it gets nearer to all labels above it and farther from all below. When does that stop paying?",
               "A list of n numbers goes in (n odd), one of them comes out: the one in the middle, once they are sorted."),
        after="The median: moving away from it brings fewer labels nearer than it pushes away.",
        wrong=(
            Wrong("mean", lambda labels: sum(labels) / len(labels), "squared",
                  "This is the mean, which is best for the squared error: one far label pulls it away from all the others."),
            Wrong("not sorted", lambda labels: labels[len(labels) // 2], "sort",
                  "This is the label in the middle of the list as it came: sort them first."),
            Wrong("middle of the range", lambda labels: (min(labels) + max(labels)) / 2, "extremes",
                  "This looks at the two extremes alone: the labels between them decide."),
            Wrong("zero", lambda labels: 0.0, "neutral",
                  "Zero is the neutral answer, but the labels may lie mostly on one side of it."),
            Wrong("most frequent", lambda labels: max(sorted(set(labels)), key=labels.count), "most often",
                  "This is the label that comes most often, which may lie at the edge: here the distance counts, not the hit."),
        ),
    ),
]
