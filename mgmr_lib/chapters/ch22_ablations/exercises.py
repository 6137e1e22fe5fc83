"""Exercises of 22 ablations: a network against itself, two tests, an interval from few seeds, Holm's procedure."""

import math
import statistics

from mgmr_lib.chapters.ch22_ablations import verdict
from mgmr_lib.course.registry import Case, Exercise, Wrong


def false_alarms(scores, gap):
    """Share of ordered pairs of two different runs in which the second is lower by at least gap."""
    pairs = [(a, b) for i, a in enumerate(scores) for j, b in enumerate(scores) if i != j]
    return sum(a - b >= gap for a, b in pairs) / len(pairs)


def two_rules(whole, variant):
    """p of the paired t-test over common seeds, and of Welch's test on all seeds of both."""
    from scipy import stats

    both = sorted(whole.keys() & variant.keys())
    pairs = stats.ttest_rel([variant[s] for s in both], [whole[s] for s in both]).pvalue
    return float(pairs), float(stats.ttest_ind(list(variant.values()), list(whole.values()), equal_var=False).pvalue)


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
        Case(([70.0, 70.0, 68.0],), "two runs that agree are two runs"),
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


def _by_value(scores, gap):
    pairs = [(a, b) for a in scores for b in scores if a != b]
    return sum(a - b >= gap for a, b in pairs) / len(pairs) if pairs else 0.0


def _either_way(scores, gap):
    pairs = [(a, b) for i, a in enumerate(scores) for j, b in enumerate(scores) if i != j]
    return sum(abs(a - b) >= gap for a, b in pairs) / len(pairs)


def _strict(scores, gap):
    pairs = [(a, b) for i, a in enumerate(scores) for j, b in enumerate(scores) if i != j]
    return sum(a - b > gap for a, b in pairs) / len(pairs)


def _rule_cases(rng):
    """Errors of two networks by seed, in no order of the seeds; each slip shows in some of them."""

    def runs(seeds):
        return dict(zip(seeds, rng.sample([k / 8 for k in range(20, 60)], len(seeds)), strict=True))

    made = [
        Case(
            ({1: 70.0, 2: 72.0, 3: 68.0, 4: 66.5}, {3: 67.0, 1: 69.5, 4: 67.5, 2: 70.0}),
            "the seeds stand in another order",
        ),
        Case(({8: 70.0, 3: 72.0, 1: 66.0}, {1: 67.5, 8: 69.5, 3: 70.25}), "a set of seeds has no order"),
        Case(({1: 70.0, 2: 72.0, 3: 68.0, 4: 75.0, 5: 61.0}, {1: 69.5, 2: 70.0, 3: 67.25}), "five seeds against three"),
        Case(({1: 70.0, 3: 72.0, 4: 69.0}, {1: 67.5, 2: 79.5, 3: 70.0}), "a seed that only the variant has"),
        Case(({1: 0.0, 2: 2.0, 3: 1.5, 4: 1.0}, {2: 2.5, 1: 0.5, 3: 0.0, 4: 1.75}), "both have an error of exactly 0"),
    ]
    have = [1111, 1112, 1113, 1114, 1115]
    return made + [(runs(rng.sample(have, 5)), runs(rng.sample(have, 4 - i % 2))) for i in range(4)]


def _tests(pairs=None, all_seeds=None):
    """two_rules with one of its tests done otherwise: functions of (whole, variant) that return a p."""
    return lambda whole, variant: (
        (pairs or (lambda *both: two_rules(*both)[0]))(whole, variant),
        (all_seeds or (lambda *both: two_rules(*both)[1]))(whole, variant),
    )


def _by_place(whole, variant):
    from scipy import stats

    n = min(len(whole), len(variant))
    return float(stats.ttest_rel(list(variant.values())[:n], list(whole.values())[:n]).pvalue)


def _sorted_scores(whole, variant):
    from scipy import stats

    common = whole.keys() & variant.keys()
    return float(stats.ttest_rel(*(sorted(side[s] for s in common) for side in (variant, whole))).pvalue)


def _pooled(whole, variant):
    from scipy import stats

    return float(stats.ttest_ind(list(variant.values()), list(whole.values())).pvalue)


def _common_only(whole, variant):
    common = whole.keys() & variant.keys()
    return two_rules({s: whole[s] for s in common}, {s: variant[s] for s in common})[1]


def _from_mean(whole, variant):
    from scipy import stats

    common = whole.keys() & variant.keys()
    return float(stats.ttest_1samp([variant[s] for s in common], statistics.fmean(whole.values())).pvalue)


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
        Case(([0.3, 0.0168, 0.6],), "the smallest is a hair above 0.05 / 3"),
        Case(([0.03, 0.001, 0.03],), "two that agree are two comparisons"),
    ]
    for _ in range(3):
        made.append(([rng.choice([0.001, 0.008, 0.012, 0.02, 0.03, 0.045, 0.3, 0.7]) for _ in range(5)],))
    return made


def _bonferroni(p):
    return [x <= 0.05 / len(p) for x in p]


def _no_stop(p):
    rank = {i: r for r, i in enumerate(sorted(range(len(p)), key=lambda i: p[i]))}
    return [x <= 0.05 / (len(p) - rank[i]) for i, x in enumerate(p)]


def _hochberg(p):
    order, m = sorted(range(len(p)), key=lambda i: p[i]), len(p)
    passed = [rank for rank, i in enumerate(order) if p[i] <= 0.05 / (m - rank)]
    return [order.index(i) <= max(passed, default=-1) for i in range(m)]


def _false_discovery(p):
    order, m = sorted(range(len(p)), key=lambda i: p[i]), len(p)
    passed = [rank for rank, i in enumerate(order) if p[i] <= 0.05 * (rank + 1) / m]
    return [order.index(i) <= max(passed, default=-1) for i in range(m)]


def _falling_bar(p):
    order, found = sorted(range(len(p)), key=lambda i: p[i]), [False] * len(p)
    for rank, i in enumerate(order):
        if p[i] > 0.05 / (rank + 1):
            break
        found[i] = True
    return found


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
                "by value",
                _by_value,
                "two runs that agree",
                "The two runs of a pair are told apart by their scores here: two runs that agree are still two runs, "
                "so go by their places in the list.",
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
        title="one change by two rules",
        difficulty=2,
        minutes=6,
        reference=two_rules,
        cases=_rule_cases,
        hints=(
            "Pairs: for each seed that both have, the variant's error beside the whole network's, in one order. Welch: "
            "all errors of the one against all of the other, whatever their seeds.",
            "ttest_rel takes two lists of k errors, k the number of common seeds, in the same order; ttest_ind takes "
            "list(variant.values()) and list(whole.values()); two numbers from 0 to 1 come out.",
        ),
        after="What a seed does to both alike, if anything, drops out of pairs; Welch's test keeps every seed.",
        wrong=(
            Wrong(
                "by place",
                _tests(pairs=_by_place),
                "order of the dictionaries",
                "These pairs follow the order of the dictionaries: pair by the seed, not by the place.",
            ),
            Wrong(
                "sorted errors",
                _tests(pairs=_sorted_scores),
                "sorted",
                "Both lists of errors are sorted before they are paired: that marries the best run to the best.",
            ),
            Wrong(
                "from the mean",
                _tests(pairs=_from_mean),
                "mean of the whole",
                "Every variant is compared with the mean of the whole network's runs: pair each with its own seed's "
                "run.",
            ),
            Wrong(
                "one spread for both",
                _tests(all_seeds=_pooled),
                "equal_var",
                "The second test takes one spread for both networks: with equal_var=False each keeps its own (Welch).",
            ),
            Wrong(
                "Welch on common seeds",
                _tests(all_seeds=_common_only),
                "all seeds",
                "Welch's test sees the common seeds only: it pairs nothing, so give it all seeds of both.",
            ),
            Wrong(
                "the other way round",
                lambda whole, variant: two_rules(whole, variant)[::-1],
                "pairs first",
                "Both numbers are right, in the other order: pairs first, then Welch.",
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
                "full width",
                lambda changes: 2 * half_width(changes),
                "from end to end",
                "This is the interval's width from end to end: asked for is half of it.",
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
                "from the largest",
                _hochberg,
                "Hochberg",
                "This looks for the largest p that passes, and takes all below it (Hochberg's procedure): that is safe "
                "only for comparisons that are independent or go together; Holm's comes from the other end.",
            ),
            Wrong(
                "false discovery rate",
                _false_discovery,
                "false discovery",
                "This bounds the share of false alarms among all that pass (the false discovery rate, 0.05 times the "
                "place by m): Holm's procedure bounds the probability of any.",
            ),
            Wrong(
                "a bar that falls",
                _falling_bar,
                "bar falls",
                "The bar falls from one p to the next: it begins at 0.05 / m, and rises.",
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
