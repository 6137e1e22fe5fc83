"""Exercises of 21 missing rates: the best blind answer, a band, what it is taken over, pairs of seeds."""

from mgmr_lib.chapters.shared.drawing import telling
from mgmr_lib.course.registry import Case, Exercise, Wrong


def best_constant(labels):
    """The median of an odd number of labels."""
    return sorted(labels)[len(labels) // 2]


def interval(values, t):
    """Student's interval of the mean."""
    s = len(values)
    mean = sum(values) / s
    return mean - t * _sd(values) / s**0.5, mean + t * _sd(values) / s**0.5


def _sd(values, less=1):
    mean = sum(values) / len(values)
    return (sum((v - mean) ** 2 for v in values) / (len(values) - less)) ** 0.5


def independent_values(table):
    """One number a training."""
    return [sum(row) / len(row) for row in table]


def differences(first, second):
    """first - second over common seeds, in their order."""
    return [first[seed] - second[seed] for seed in sorted(set(first) & set(second))]


def _constant_cases(rng):
    """A far label on one side, so that mean, middle of the range and median lie apart; the smallest label comes
    twice."""
    made = [Case(([0.0, 0.0, 3.0],), "two labels agree, one is far")]
    for _ in range(4):
        low = rng.randint(-11, -5) / 4
        rest = rng.sample([i / 4 for i in range(-4, 5)], 4)
        labels = [low, low, *rest, 3.0]
        rng.shuffle(labels)
        made.append((labels,))
    return made + [Case(([rng.randint(4, 9) / 4, -2.5, 0.25, -0.5, 1.0],), "five labels in no order")]


def _interval_cases(rng):
    made = [Case(([1.0, 3.0], 12.0), "two trainings")]
    for n in (3, 4, 5):

        def several(rng, n=n):
            values = [rng.randint(1, 20) / 4 for _ in range(n - 1)]
            return [*values, max(values) + rng.randint(1, 8) / 4]

        values = telling(rng, several, lambda drawn: sum(drawn) % len(drawn) != 0)  # the mean is no whole number
        made.append((values, rng.randint(2, 6) + 0.5))
    return made


def _table_cases(rng):
    made = [Case(([[1.0, 2.0, 6.0], [0.0, 2.0, 4.0]],), "two trainings, three mask seeds")]
    for _ in range(3):
        m = rng.randint(2, 4)
        made.append(([[rng.randint(0, 20) / 4 + 8 * i for _ in range(m)] for i in range(rng.randint(3, 5))],))
    return made


def _pair_cases(rng):
    made = [
        Case(({2: 1.0, 1: 3.0}, {1: 0.5, 2: 4.0}), "the same seeds in another order"),
        Case(({1: 1.0, 2: 3.0, 5: 2.0}, {2: 0.5, 3: 4.0, 5: 1.0}), "only some seeds in common"),
    ]
    made.append(Case(({8: 1.5, 3: 3.0, 1: 2.0}, {8: 0.5, 1: 4.0, 3: 1.75}), "a set of seeds has no order"))
    for _ in range(3):
        seeds = rng.sample(range(1, 9), 5)
        made.append(
            ({s: rng.randint(1, 20) / 4 for s in seeds[:4]}, {s: rng.randint(1, 20) / 4 + 6 for s in seeds[1:]})
        )
    return made


EXERCISES = [
    Exercise(
        id="21.1",
        title="the best blind answer",
        difficulty=2,
        minutes=6,
        reference=best_constant,
        cases=_constant_cases,
        hints=(
            "Move the constant up a little: it gets nearer to all labels above it and farther from all below. When "
            "does that stop paying?",
            "A list of n numbers goes in (n odd), one of them comes out: the one in the middle, once they are sorted.",
        ),
        after="The median: moving away from it brings fewer labels nearer than it pushes away.",
        wrong=(
            Wrong(
                "mean",
                lambda labels: sum(labels) / len(labels),
                "squared",
                "This is the mean, which is best for the squared error: one far label pulls it away from all the "
                "others.",
            ),
            Wrong(
                "not sorted",
                lambda labels: labels[len(labels) // 2],
                "sort",
                "This is the label in the middle of the list as it came: sort them first.",
            ),
            Wrong(
                "middle of the range",
                lambda labels: (min(labels) + max(labels)) / 2,
                "extremes",
                "This looks at the two extremes alone: the labels between them decide.",
            ),
            Wrong(
                "zero",
                lambda labels: 0.0,
                "neutral",
                "Zero is the neutral answer, but the labels may lie mostly on one side of it.",
            ),
            Wrong(
                "most frequent",
                lambda labels: max(sorted(set(labels)), key=labels.count),
                "most often",
                "This is the label that comes most often, which may lie at the edge: here the distance counts, not the "
                "hit.",
            ),
        ),
    ),
    Exercise(
        id="21.2",
        title="a band",
        difficulty=1,
        minutes=5,
        reference=interval,
        cases=_interval_cases,
        hints=(
            "First the mean, then the standard deviation with s - 1 below the line, then t times sd over the root of s "
            "to either side.",
            "values is a list of s numbers, t one number; the result is a pair of numbers, the lower one first.",
        ),
        after="Ten times as many trainings would make the band about a third as wide, and t_s smaller on top.",
        wrong=(
            Wrong(
                "divided by s",
                lambda values, t: _around(values, t * _sd(values, 0) / len(values) ** 0.5),
                "s - 1",
                "Below the line of sd stands s here: with few values that is too narrow, it must be s - 1.",
            ),
            Wrong(
                "no root",
                lambda values, t: _around(values, t * _sd(values)),
                "one training",
                "The root of s is missing: this band would hold one training, not their mean.",
            ),
            Wrong(
                "divided by s, no root",
                lambda values, t: _around(values, t * _sd(values) / len(values)),
                "the root of s",
                "sd is divided by s instead of by the root of s: the band is too narrow.",
            ),
            Wrong(
                "t forgotten",
                lambda values, t: _around(values, _sd(values) / len(values) ** 0.5),
                "standard error",
                "This is one standard error to either side: multiply it by t.",
            ),
            Wrong(
                "from minimum to maximum",
                lambda values, t: (min(values), max(values)),
                "smallest to the largest",
                "This goes from the smallest to the largest value: the interval of the mean is another thing.",
            ),
        ),
    ),
    Exercise(
        id="21.3",
        title="what a band is taken over",
        difficulty=2,
        minutes=8,
        reference=independent_values,
        cases=_table_cases,
        hints=(
            "What would be new if we bought one more number: another training, or another mask of the same one?",
            "table is a list of s lists of m numbers; the result is a list of s numbers.",
        ),
        after="More mask seeds make each training's number steadier. They are no further trainings.",
        wrong=(
            Wrong(
                "all numbers",
                lambda table: [v for row in table for v in row],
                "s times m",
                "All s times m numbers are in the list: masks of the same training are no new evidence about another "
                "training.",
            ),
            Wrong(
                "over trainings",
                lambda table: [sum(column) / len(column) for column in zip(*table, strict=True)],
                "one number a mask seed",
                "This is one number a mask seed, averaged over trainings: the other way round.",
            ),
            Wrong(
                "first mask only",
                lambda table: [row[0] for row in table],
                "first mask seed",
                "Only the first mask seed is used: one number a training is right, but take the mean over all its "
                "masks.",
            ),
            Wrong(
                "grand mean",
                lambda table: [sum(map(sum, table)) / sum(map(len, table))],
                "Only a single number is left",
                "Only a single number is left: an interval needs one a training.",
            ),
        ),
    ),
    Exercise(
        id="21.4",
        title="in pairs",
        difficulty=2,
        minutes=8,
        reference=differences,
        cases=_pair_cases,
        hints=(
            "Which seeds are in both dictionaries? Go through them in rising order.",
            "first and second map s seeds to numbers; the result is a list with one number for each common seed.",
        ),
        after="What a seed does to both networks alike drops out of the difference: that is what pairs are for.",
        wrong=(
            Wrong(
                "in order of the dictionary",
                lambda first, second: [first[s] - second[s] for s in first if s in second],
                "sort the seeds",
                "The pairs are right, but in the dictionary's order: sort the seeds.",
            ),
            Wrong(
                "turned round",
                lambda first, second: [second[s] - first[s] for s in sorted(set(first) & set(second))],
                "sign",
                "The sign is turned round: first minus second.",
            ),
            Wrong(
                "position by position",
                lambda first, second: [a - b for a, b in zip(first.values(), second.values(), strict=False)],
                "position",
                "This pairs values by their position: the seed is what makes a pair.",
            ),
            Wrong(
                "missing seeds as zero",
                lambda first, second: [
                    first.get(s, 0.0) - second.get(s, 0.0) for s in sorted(set(first) | set(second))
                ],
                "only one",
                "A seed that only one of them has gives no pair: leave it out.",
            ),
            Wrong(
                "difference of means",
                lambda first, second: [sum(first.values()) / len(first) - sum(second.values()) / len(second)],
                "difference of two means",
                "This is the difference of two means over different seeds: pair first.",
            ),
        ),
    ),
]


def _around(values, half):
    mean = sum(values) / len(values)
    return mean - half, mean + half
