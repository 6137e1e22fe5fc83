"""Exercises of 21 missing rates: the best blind answer, a lead that is lost, what a band is taken over, pairs of
seeds."""

from mgmr_lib.chapters.shared.drawing import telling, unlike
from mgmr_lib.course.registry import Case, Exercise, Wrong


def best_constant(labels):
    """The median of an odd number of labels."""
    return sorted(labels)[len(labels) // 2]


def lead_lost(complete, broken, blind):
    """The share of the lead over the blind rival that is gone."""
    return (complete - broken) / (complete - blind)


def independent_values(table):
    """One number a training."""
    return [sum(row) / len(row) for row in table]


def differences(first, second):
    """first - second over common seeds, in their order."""
    return [first[seed] - second[seed] for seed in sorted(set(first) & set(second))]


def _constant_cases(rng):
    """A far label on one side, so that mean, middle of the range and median lie apart, and that another label lies
    nearest to the mean; the smallest label comes twice."""

    def drawn(rng):
        low = rng.randint(-11, -5) / 4
        labels = [low, low, *rng.sample([i / 4 for i in range(-4, 5)], 4), 3.0]
        rng.shuffle(labels)
        return (labels,)

    tells = unlike(best_constant, lambda labels: min(labels, key=lambda v: abs(v - sum(labels) / len(labels))))
    made = [Case(([0.0, 0.0, 3.0],), "two labels agree, one is far")]
    made += [telling(rng, drawn, tells) for _ in range(4)]
    return made + [Case(([rng.randint(4, 9) / 4, -2.5, 0.25, -0.5, 1.0],), "five labels in no order")]


def _lead_cases(rng):
    """Errors and scores; all of it lost, more than all, nothing, and less than nothing."""
    made = [
        Case((0.75, 1.0, 1.25), "errors: a half is gone"),
        Case((0.75, 0.625, 0.25), "scores: a quarter is gone"),
        Case((0.5, 1.5, 1.0), "an error that ends behind the blind rival's"),
        Case((0.5, 0.375, 1.5), "an error that falls while more is lost"),
        Case((0.75, 0.75, 1.5), "nothing is gone"),
    ]
    for sign in (1, -1, 1, -1):
        complete, lead, lost = rng.randint(5, 9) / 8, rng.randint(3, 6) / 8, rng.choice([1, 3, 5, 7]) / 8
        made.append((complete, complete + sign * lead * lost, complete + sign * lead))
    return made


def _table_cases(rng):
    made = [Case(([[1.0, 2.0, 6.0], [0.0, 2.0, 4.0]],), "two trainings, three mask seeds")]
    made.append(Case(([[1.0, 1.0, 4.0], [3.0, 0.0, 0.0]],), "two masks agree"))
    for _ in range(3):
        m = rng.randint(2, 4)
        made.append(([[rng.randint(0, 20) / 4 + 8 * i for _ in range(m)] for i in range(rng.randint(3, 5))],))
    return made


def _pair_cases(rng):
    made = [
        Case(({2: 1.0, 1: 3.0}, {1: 0.5, 2: 4.0}), "the same seeds in another order"),
        Case(({1: 1.0, 2: 3.0, 5: 2.0}, {2: 0.5, 3: 4.0, 5: 1.0}), "only some seeds in common"),
    ]
    made.append(
        Case(
            ({2: 0.0, 10: 1.5, 1111: 2.0, 5: 0.5, 3: 1.0}, {1111: 2.0, 10: 0.5, 2: 0.25, 5: 0.0, 4: 3.0}),
            "areas of 0, two areas that agree, seeds of one digit and of more",
        )
    )
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
        title="a lead that is lost",
        difficulty=1,
        minutes=5,
        reference=lead_lost,
        cases=_lead_cases,
        hints=(
            "How large is the lead while nothing is lost? By how much has the network come nearer to the blind rival?",
            "Three numbers go in, one comes out: a difference by a difference. If both point the same way, their sign "
            "drops out, and errors need no other formula than scores.",
        ),
        after="A share of the lead needs the blind rival's value, which a table of networks alone does not hold.",
        wrong=(
            Wrong(
                "share left",
                lambda complete, broken, blind: (broken - blind) / (complete - blind),
                "1 minus it",
                "This is the share of the lead that is left: 1 minus it is gone.",
            ),
            Wrong(
                "by its own size",
                lambda complete, broken, blind: (broken - complete) / complete,
                "without the blind rival",
                "This is the change relative to the network's own value, without the blind rival: an error of 0 is no "
                "lead, and a score of 0 is no blindness.",
            ),
            Wrong(
                "by the blind rival's size",
                lambda complete, broken, blind: (broken - complete) / blind,
                "not by the blind rival's value",
                "Divide by the lead with nothing lost, not by the blind rival's value.",
            ),
            Wrong(
                "in points",
                lambda complete, broken, blind: broken - complete,
                "not a share",
                "These are points, not a share: divide by the lead with nothing lost.",
            ),
            Wrong(
                "by what is left",
                lambda complete, broken, blind: (complete - broken) / ((broken - blind) or 1.0),
                "This divides",
                "This divides by the lead that is left: take the lead with nothing lost.",
            ),
            Wrong(
                "without a sign",
                lambda complete, broken, blind: abs(complete - broken) / abs(complete - blind),
                "moves away",
                "A network that moves away from the blind rival has lost nothing: its share is below 0, so keep the "
                "signs.",
            ),
            Wrong(
                "at most all",
                lambda complete, broken, blind: min(1.0, (complete - broken) / (complete - blind)),
                "more than all",
                "A network may end behind the blind rival, and has lost more than all of its lead: do not cap.",
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
        after="What a seed does to both networks alike, if anything, drops out of the difference.",
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
