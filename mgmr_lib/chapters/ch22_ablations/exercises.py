"""Exercises of 22 ablations: a network against itself, pairs of seeds, an interval from few seeds, Holm's procedure."""

import math
import statistics

from mgmr_lib.chapters.ch22_ablations import verdict
from mgmr_lib.course.registry import Case, Exercise, Wrong


def false_alarms(scores, gap):
    """Share of ordered pairs of two different runs in which the second is lower by at least gap."""
    pairs = [(a, b) for i, a in enumerate(scores) for j, b in enumerate(scores) if i != j]
    return sum(a - b >= gap for a, b in pairs) / len(pairs)


def paired_changes(whole, variant):
    """Variant minus whole for each seed that both have, in the order of the seeds."""
    return [variant[s] - whole[s] for s in sorted(whole.keys() & variant.keys())]


def half_width(changes):
    """Half of the 95 % t-interval of a mean of few changes."""
    from scipy import stats

    n = len(changes)
    return float(stats.t.ppf(0.975, n - 1)) * statistics.stdev(changes) / math.sqrt(n)


def holm(p):
    """Holm's procedure at 5 %: True where a comparison is told apart."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    found, m = [False] * len(p), len(p)
    for rank, i in enumerate(order):
        if p[i] > 0.05 / (m - rank):
            break
        found[i] = True
    return found


def _alarm_cases(rng):
    made = [
        Case(([70.0, 69.5],), "two runs"),
        Case(([68.0, 69.0, 70.0],), "three runs, rising"),
        Case(([70.0, 70.0, 70.0, 70.0],), "four equal runs"),
    ]
    made += [Case(([rng.randint(264, 288) / 4 for _ in range(5)],), "five runs") for _ in range(3)]
    return [Case((c.args[0], 1.0), c.about) for c in made] + [
        Case(([66.0, 67.0, 71.0, 70.0, 69.5], 0.5), "another gap")
    ]


def _unordered(scores, gap):
    n = len(scores)
    pairs = [(scores[i], scores[j]) for i in range(n) for j in range(i + 1, n)]
    return sum(a - b >= gap for a, b in pairs) / len(pairs)


def _with_itself(scores, gap):
    return sum(a - b >= gap for a in scores for b in scores) / len(scores) ** 2


def _either_way(scores, gap):
    pairs = [(a, b) for i, a in enumerate(scores) for j, b in enumerate(scores) if i != j]
    return sum(abs(a - b) >= gap for a, b in pairs) / len(pairs)


def _strict(scores, gap):
    pairs = [(a, b) for i, a in enumerate(scores) for j, b in enumerate(scores) if i != j]
    return sum(a - b > gap for a, b in pairs) / len(pairs)


def _pair_cases(rng):
    def runs(seeds):
        return {s: rng.randint(200, 300) / 4 for s in seeds}

    made = [
        Case(({1: 70.0, 2: 72.0, 3: 68.0}, {3: 67.0, 1: 69.5, 2: 70.0}), "the seeds stand in another order"),
        Case(({1: 70.0, 2: 72.0, 3: 68.0, 4: 75.0, 5: 61.0}, {1: 69.5, 2: 70.0, 3: 67.0}), "five seeds against three"),
    ]
    made += [
        Case(({8: 70.0, 3: 72.0, 1: 66.0}, {1: 67.5, 8: 69.5, 3: 70.0}), "a set of seeds has no order"),
        Case(({1: 70.0, 3: 72.0}, {1: 67.5, 2: 69.5, 3: 70.0}), "a seed that only the variant has"),
    ]
    for _ in range(3):
        have = [1111, 1112, 1113, 1114, 1115]
        some = rng.sample(have, 4)
        made.append((runs(rng.sample(have, 5)), runs(some)))
    return made


def _by_place(whole, variant):
    return [b - a for a, b in zip(whole.values(), variant.values(), strict=False)]


def _from_mean(whole, variant):
    mean = statistics.fmean(whole.values())
    return [variant[s] - mean for s in sorted(whole.keys() & variant.keys())]


def _sorted_scores(whole, variant):
    common = whole.keys() & variant.keys()
    return [b - a for a, b in zip(sorted(whole[s] for s in common), sorted(variant[s] for s in common), strict=True)]


def _width_cases(rng):
    made = [Case(([-0.5, 0.25, 1.0],), "three seeds"), Case(([0.25, -1.25],), "two seeds")]
    return made + [([rng.randint(-12, 12) / 4 + i / 8 for i in range(n)],) for n in (3, 4, 5, 8)]


def _normal_width(changes):
    return 1.96 * statistics.stdev(changes) / math.sqrt(len(changes))


def _population_width(changes):
    from scipy import stats

    n = len(changes)
    return float(stats.t.ppf(0.975, n - 1)) * statistics.pstdev(changes) / math.sqrt(n)


def _colleague(changes):
    return 1.96 * statistics.pstdev(changes) / math.sqrt(len(changes))


def _one_degree_more(changes):
    from scipy import stats

    n = len(changes)
    return float(stats.t.ppf(0.975, n)) * statistics.stdev(changes) / math.sqrt(n)


def _one_sided(changes):
    from scipy import stats

    n = len(changes)
    return float(stats.t.ppf(0.95, n - 1)) * statistics.stdev(changes) / math.sqrt(n)


def _no_root(changes):
    from scipy import stats

    return float(stats.t.ppf(0.975, len(changes) - 1)) * statistics.stdev(changes)


def _holm_cases(rng):
    made = [
        Case(([0.04],), "one comparison"),
        Case(([0.05],), "exactly 0.05, which is low enough"),
        Case(([0.03, 0.04],), "two, both below 0.05"),
        Case(([0.015, 0.9, 0.01, 0.5],), "four in no order"),
        Case(([0.02, 0.03, 0.04, 0.8],), "none is small enough to begin with"),
        Case(([0.001, 0.024, 0.02, 0.045],), "one passes, the next does not, the largest lies below 0.05"),
        Case(([0.03, 0.001, 0.02],), "all fall, one after the other"),
    ]
    for _ in range(3):
        made.append(([rng.choice([0.001, 0.008, 0.012, 0.02, 0.03, 0.045, 0.3, 0.7]) for _ in range(5)],))
    return made


def _bonferroni(p):
    return [x <= 0.05 / len(p) for x in p]


def _no_stop(p):
    rank = {i: r for r, i in enumerate(sorted(range(len(p)), key=lambda i: p[i]))}
    return [x <= 0.05 / (len(p) - rank[i]) for i, x in enumerate(p)]


def _in_given_order(p):
    found, m = [False] * len(p), len(p)
    for i, x in enumerate(p):
        if x > 0.05 / (m - i):
            break
        found[i] = True
    return found


def _sorted_answer(p):
    return holm(sorted(p))


EXERCISES = [
    Exercise(
        id="22.1",
        title="a network against itself",
        difficulty=1,
        minutes=6,
        reference=false_alarms,
        cases=_alarm_cases,
        hints=(
            'Take every run as "the whole network" and every other run as "the variant". In which share of these pairs '
            "does the variant look worse by the gap?",
            "scores is a list of n numbers; there are n (n - 1) ordered pairs of two different runs; the result is one "
            "number from 0 to 1.",
        ),
        after="Every one of these losses is false: both runs are the same network.",
        wrong=(
            Wrong(
                "each pair once",
                _unordered,
                "one order only",
                "Each pair is counted in one order only: with the runs the other way round, the other one is the "
                "variant.",
            ),
            Wrong(
                "with itself",
                _with_itself,
                "itself",
                "A run is compared with itself here: leave these pairs out, above and below the line.",
            ),
            Wrong(
                "either way",
                _either_way,
                "gain",
                "A gain counts as a loss here: only a lower second score is one, so take no absolute value.",
            ),
            Wrong("strictly more", _strict, "exactly", "A loss of exactly the gap counts: at least, not more than."),
            Wrong(
                "a count",
                lambda scores, gap: false_alarms(scores, gap) * len(scores) * (len(scores) - 1),
                "number of pairs",
                "This is the number of pairs that look like a loss: divide by the number of all ordered pairs.",
            ),
        ),
    ),
    Exercise(
        id="22.2",
        title="pairs of seeds",
        difficulty=1,
        minutes=5,
        reference=paired_changes,
        cases=_pair_cases,
        hints=(
            "A pair is one seed: that seed's variant minus that seed's whole network. Seeds that only one of them has "
            "cannot be paired.",
            "Two dictionaries {seed: score} go in; a list of k numbers comes out, k the number of common seeds, in "
            "increasing order of the seed.",
        ),
        after="What both runs of a seed have in common, such as masks and the order of the clips, cancels in the "
        "difference.",
        wrong=(
            Wrong(
                "by place",
                _by_place,
                "order of the dictionaries",
                "These pairs follow the order of the dictionaries: pair by the seed, not by the place.",
            ),
            Wrong(
                "sign",
                lambda whole, variant: [-x for x in paired_changes(whole, variant)],
                "the other way round",
                "This is whole minus variant, the other way round: a change is what the variant adds.",
            ),
            Wrong(
                "from the mean",
                _from_mean,
                "mean of the whole",
                "Every variant is compared with the mean of the whole network's runs: pair each with its own seed's "
                "run.",
            ),
            Wrong(
                "sorted scores",
                _sorted_scores,
                "sorted",
                "Both lists of scores are sorted before they are paired: that marries the best run to the best and "
                "hides the spread.",
            ),
            Wrong(
                "mean only",
                lambda whole, variant: [statistics.fmean(paired_changes(whole, variant))],
                "one number",
                "This is one number, the mean change: the interval needs every single change.",
            ),
        ),
    ),
    Exercise(
        id="22.3",
        title="an interval from three seeds",
        difficulty=2,
        minutes=8,
        reference=half_width,
        cases=_width_cases,
        hints=(
            "Two things are too small here: the spread, which divides by n, and the factor 1.96, which is for many "
            "seeds.",
            "changes is a list of n numbers; np.std(changes, ddof=1) and stats.t.ppf(0.975, n - 1) are one number "
            "each.",
        ),
        after="With three seeds the honest factor is more than twice 1.96.",
        wrong=(
            Wrong(
                "as found", _colleague, "unchanged", "This is the colleague's function, unchanged in what it computes."
            ),
            Wrong(
                "normal factor",
                _normal_width,
                "known spread",
                "The spread is right, but 1.96 is the factor for a known spread: yours was estimated from n numbers, "
                "so take t with n - 1 degrees of freedom.",
            ),
            Wrong(
                "population spread",
                _population_width,
                "ddof",
                "The factor is right, but the spread divides by n: it is measured around its own mean, so use ddof=1.",
            ),
            Wrong(
                "degrees of freedom",
                _one_degree_more,
                "used one up",
                "t has n degrees of freedom here: the mean used one up, n - 1 are left.",
            ),
            Wrong(
                "one-sided",
                _one_sided,
                "0.975",
                "This takes the factor at 0.95, which leaves 5 % on each side: 0.975 leaves 2.5 %.",
            ),
            Wrong(
                "no root",
                _no_root,
                "square root",
                "This is the spread of one change: a mean of n changes spreads less, by the square root of n.",
            ),
        ),
    ),
    Exercise(
        id="22.4",
        title="Holm's procedure",
        difficulty=3,
        minutes=10,
        reference=holm,
        cases=_holm_cases,
        hints=(
            "Go from the smallest p upwards. The first must be at most 0.05 / m, the second at most 0.05 / (m - 1), "
            "and so on; at the first failure stop.",
            "p is a list of m numbers; the result is a list of m booleans in the order of p. sorted(range(m), "
            "key=lambda i: p[i]) gives the places.",
        ),
        after="Whatever the comparisons have to do with each other, the probability of any false alarm stays at most 5 "
        "%.",
        wrong=(
            Wrong(
                "uncorrected",
                lambda p: [x <= 0.05 for x in p],
                "each for itself",
                "Every comparison is judged each for itself: with many of them, some p below 0.05 come by luck.",
            ),
            Wrong(
                "Bonferroni",
                _bonferroni,
                "m all the way",
                "The bar stays 0.05 / m all the way (Bonferroni): after each one that passes, one comparison fewer is "
                "left.",
            ),
            Wrong(
                "no stop",
                _no_stop,
                "stop",
                "The procedure must stop at the first p that fails: larger ones are not told apart, even where they "
                "lie below their own bar.",
            ),
            Wrong(
                "not sorted",
                _in_given_order,
                "smallest",
                "This goes through p in the order given: begin with the smallest.",
            ),
            Wrong(
                "sorted answer",
                _sorted_answer,
                "places",
                "The booleans come out in sorted order: put each back into the places of p.",
            ),
        ),
    ),
    verdict.EXERCISE,
]
