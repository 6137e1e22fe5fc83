"""Exercises of 24 the case study: seconds to frames, gains on fresh masks, a fair control for the largest change,
a share with its interval."""

import numpy as np

from mgmr_lib.chapters.shared.drawing import misread, separating, telling, unlike
from mgmr_lib.course.registry import Case, Exercise, Wrong


def frames_hidden(frames, seconds, start, end):
    """True where the middle of a frame lies in [start, end)."""
    middles = [(i + 0.5) / frames * seconds for i in range(frames)]
    return [start <= m < end for m in middles]


def fresh_gain(gains, fresh, k):
    """Mean fresh gain of the k clips whose first gain is largest."""
    order = sorted(range(len(gains)), key=lambda i: gains[i], reverse=True)
    return sum(fresh[i] for i in order[:k]) / k


def as_large(changes, others):
    """The share of other clips whose largest absolute change is at least this clip's."""
    mine = max(abs(c) for c in changes)
    return sum(max(abs(c) for c in other) >= mine for other in others) / len(others)


def turned_share(plain, changed, is_praise):
    """Share of pairs that moved away from what was said (down from praise, up from blame), and its exact interval."""
    from scipy import stats

    triples = zip(plain, changed, is_praise, strict=True)
    count = sum(after < before if good else after > before for before, after, good in triples)
    interval = stats.binomtest(count, len(plain)).proportion_ci()
    return count / len(plain), float(interval.low), float(interval.high)


def _frame_cases(rng):
    made = [
        Case((4, 2.0, 0.0, 1.0), "the first half"),
        Case((4, 2.0, 0.25, 0.75), "the window starts in the middle of a frame, and ends in one"),
    ]
    for _ in range(4):
        frames, start = rng.randint(7, 12), rng.randint(1, 3) / 2 + 0.25
        made.append((frames, 4.5, start, start + rng.randint(1, 3) / 2 + 0.25))

    def one(rng):
        return rng.randint(7, 15), rng.randint(9, 19) / 4 + 0.1, rng.randint(1, 5) / 4, rng.randint(7, 10) / 4

    rivals = [lambda n, s, a, b, k=k: [a <= (i + k) / n * s < b for i in range(n)] for k in (0, 0.25, 0.75, 1)]
    rivals += [
        lambda n, s, a, b: frames_hidden(n, s, round(a), b),
        lambda n, s, a, b: frames_hidden(n, s, a, round(b)),
        lambda n, s, a, b: frames_hidden(n, round(s), a, b),
        lambda n, s, a, b: [int(a * n / s) <= i < int(b * n / s) for i in range(n)],
        lambda n, s, a, b: [round(a * n / s) <= i < round(b * n / s) + 1 for i in range(n)],
    ]
    return made + separating(rng, one, frames_hidden, rivals, least=3)


def _gain_cases(rng):
    """Gains in no order, some below zero; the fresh ones have their largest elsewhere, and k is less than half."""
    made = []
    for _ in range(5):
        n = rng.randint(6, 9)
        gains = rng.sample(range(-20, 40), n)
        fresh = rng.sample(range(-20, 40), n)
        best = max(range(n), key=lambda i: gains[i])
        top = max(range(n), key=lambda i: fresh[i])
        if best == top:
            fresh[best] = -25
        made.append(([g / 8 for g in gains], [f / 8 for f in fresh], rng.randint(2, 3)))

    def below(rng):
        down = [-g / 8 for g in rng.sample(range(20, 60), 6)]
        return down, [g / 8 for g in rng.sample(range(-20, 40), 6)], 2

    def close(rng):
        near = [rng.randint(1, 3) + e for e in (0.0, 0.125, -0.125, 0.25, -0.25, 0.375)]
        return [-0.5, *near, -9.0], [g / 8 for g in rng.sample(range(-40, -1), 8)], 2

    def order_changes_by(*changes):
        others = [misread(fresh_gain, 0, lambda gains, c=c: [c(g) for g in gains]) for c in changes]
        return unlike(fresh_gain, *others)

    return made + [
        Case(([1.0, 3.0, 3.0, -1.0, 2.0, 0.5], [0.25, 1.0, -0.5, 2.0, 3.0, -3.0], 3), "two of the chosen gains agree"),
        Case(telling(rng, below, order_changes_by(abs, lambda g: max(g, 0.0))), "every gain is below 0"),
        Case(telling(rng, close, order_changes_by(round, int)), "every fresh gain is below 0"),
        Case(([9.0, -8.0, 0.5, 0.25], [-g / 8 for g in rng.sample(range(1, 20), 4)], 1), "the first clip is best"),
    ]


def _change_cases(rng):
    """Every clip has a large change somewhere, mostly a negative one, and many small ones."""
    made = [
        Case(([0.125, -0.5, 0.25], [[0.5, 0.0], [0.25, -0.25], [-0.75, 0.125]]), "one other clip ties"),
        Case(
            ([-0.125, 0.5, 0.25], [[0.25, 0.0, 0.125, -0.5], [0.375, -0.25], [0.125, 0.0, -0.125, 0.625], [0.125]]),
            "the largest change goes up; those of two other, longer clips come late",
        ),
    ]
    for count in (4, 5, 6, 7):  # shares of different wholes: no constant is right for all
        others = []
        for _ in range(count):
            clip = [rng.randint(-2, 2) / 16 for _ in range(rng.randint(4, 7))]
            clip[rng.randrange(len(clip))] = rng.choice([-1, -1, 1]) * rng.randint(4, 12) / 16
            others.append(clip)
        mine = sorted(max(abs(c) for c in clip) for clip in others)[1 if count % 2 else count - 1]
        made.append(([rng.randint(-2, 2) / 16, mine if count == 6 else -mine, 3 / 16, rng.randint(-2, 2) / 16], others))
    return made


def _share_cases(rng):
    """Pairs of every kind: right and wrong moves of praise and of blame in different numbers, some across 0, ties."""

    def pairs(moves):
        moves = rng.sample(moves, len(moves))
        plain = [rng.randint(-12, 12) / 8 for _ in moves]
        return plain, [p + m for p, (m, _) in zip(plain, moves, strict=True)], [good for _, good in moves]

    def moved(down, up, lifted, sunk):
        """Numbers of praise that goes down and up, and of blame that goes up and down."""
        kinds = ((down, -1, True), (up, 1, True), (lifted, 1, False), (sunk, -1, False))
        return [(sign * rng.randint(1, 9) / 8, good) for count, sign, good in kinds for _ in range(count)]

    return [
        Case(pairs(moved(4, 1, 2, 3)), "ten pairs"),
        Case(pairs(moved(5, 0, 5, 0)), "all ten move the right way"),
        Case(pairs(moved(0, 3, 0, 3)), "none of six does"),
        Case(pairs([*moved(2, 1, 3, 1), (0.0, True), (0.0, False), (0.0, False)]), "three do not move"),
        Case(pairs(moved(rng.randint(5, 7), 2, rng.randint(1, 2), 4)), "more praise than blame"),
        Case(pairs(moved(1, rng.randint(2, 3), rng.randint(5, 7), 1)), "blame moves more often"),
    ]


def _counting(holds):
    """turned_share with another rule for a pair: holds(before, after, good)."""

    def share(plain, changed, is_praise):
        from scipy import stats

        count, n = sum(map(bool, map(holds, plain, changed, is_praise))), len(plain)
        found = stats.binomtest(count, n).proportion_ci()
        return count / n, float(found.low), float(found.high)

    return share


def _usual_interval(plain, changed, is_praise):
    share = turned_share(plain, changed, is_praise)[0]
    half = 1.96 * (share * (1 - share) / len(plain)) ** 0.5
    return share, share - half, share + half


def _over_those_that_moved(plain, changed, is_praise):
    from scipy import stats

    moved = [p != c for p, c in zip(plain, changed, strict=True)]
    found = stats.binomtest(round(turned_share(plain, changed, is_praise)[0] * len(plain)), sum(moved))
    interval = found.proportion_ci()
    return found.statistic, float(interval.low), float(interval.high)


def _of_90_percent(plain, changed, is_praise):
    from scipy import stats

    share = turned_share(plain, changed, is_praise)[0]
    found = stats.binomtest(round(share * len(plain)), len(plain)).proportion_ci(0.9)
    return share, float(found.low), float(found.high)


def _wilson(plain, changed, is_praise):
    from scipy import stats

    share = turned_share(plain, changed, is_praise)[0]
    found = stats.binomtest(round(share * len(plain)), len(plain)).proportion_ci(method="wilson")
    return share, float(found.low), float(found.high)


def _all_singles(changes, others):
    mine, singles = max(abs(c) for c in changes), [abs(c) for other in others for c in other]
    return sum(s >= mine for s in singles) / len(singles)


EXERCISES = [
    Exercise(
        id="24.1",
        title="seconds to frames",
        difficulty=1,
        minutes=5,
        reference=frames_hidden,
        cases=_frame_cases,
        hints=(
            "Each frame covers an equal share of the clip. Where, in seconds, is the middle of frame i?",
            "A list of `frames` booleans comes out; the middle of frame i is (i + 0.5) / frames * seconds, one number.",
        ),
        after="By the middles, two windows that meet never hide a frame twice and never leave one out.",
        wrong=(
            Wrong(
                "by its start",
                lambda n, s, a, b: [a <= i / n * s < b for i in range(n)],
                "start of a frame",
                "This asks where the start of a frame lies: take its middle, so that it goes where most of it is.",
            ),
            Wrong(
                "any overlap",
                lambda n, s, a, b: [(i + 1) / n * s > a and i / n * s < b for i in range(n)],
                "touches",
                "This hides each frame that the window touches: two windows that meet then hide one frame twice.",
            ),
            Wrong(
                "kept for hidden",
                lambda n, s, a, b: [not a <= (i + 0.5) / n * s < b for i in range(n)],
                "turned round",
                "This is turned round: True means hidden here.",
            ),
            Wrong(
                "end included",
                lambda n, s, a, b: [a <= (i + 0.5) / n * s <= b for i in range(n)],
                "end of the window",
                "A middle exactly at the end of the window belongs to the next one.",
            ),
            Wrong(
                "shares for seconds",
                lambda n, s, a, b: [a <= (i + 0.5) / n < b for i in range(n)],
                "share of the clip",
                "(i + 0.5) / frames is a share of the clip: times `seconds` it becomes seconds.",
            ),
        ),
    ),
    Exercise(
        id="24.2",
        title="chosen, then measured again",
        difficulty=2,
        minutes=7,
        reference=fresh_gain,
        cases=_gain_cases,
        hints=(
            "One list chooses, the other one is reported. Sort clip numbers, and not gains.",
            "gains and fresh are lists of n numbers in one order of clips; the result is a mean of k of the fresh "
            "ones.",
        ),
        after="What a choice was made on flatters the chosen. The fresh measurement does not know of it.",
        wrong=(
            Wrong(
                "reported on the choice",
                lambda g, f, k: sum(sorted(g, reverse=True)[:k]) / k,
                "same numbers that chose",
                "These are the same numbers that chose: luck that made a clip look good is still in them.",
            ),
            Wrong(
                "chosen on fresh",
                lambda g, f, k: sum(sorted(f, reverse=True)[:k]) / k,
                "chosen by the fresh",
                "Here the clips are chosen by the fresh gains: then they are no longer fresh.",
            ),
            Wrong(
                "smallest gains",
                lambda g, f, k: sum(f[i] for i in sorted(range(len(g)), key=lambda i: g[i])[:k]) / k,
                "smallest",
                "This takes the clips with the smallest gains: sort the other way.",
            ),
            Wrong(
                "absolute gains",
                lambda g, f, k: fresh_gain([abs(x) for x in g], f, k),
                "large losses",
                "Absolute values choose large losses as well: the largest gains are asked for, with their signs.",
            ),
            Wrong(
                "all clips",
                lambda g, f, k: sum(f) / len(f),
                "all clips",
                "This is the mean over all clips: only the k chosen ones are asked for.",
            ),
            Wrong(
                "sum", lambda g, f, k: k * fresh_gain(g, f, k), "sum", "This is the sum of the k gains: divide by k."
            ),
        ),
    ),
    Exercise(
        id="24.3",
        title="find the bug: a fair control",
        difficulty=3,
        minutes=9,
        reference=as_large,
        cases=_change_cases,
        hints=(
            "The clip's number is a maximum over its words. What must the number of each other clip be, so that like "
            "meets like?",
            "changes: k numbers; others: a list of lists; from each list one number, its largest absolute value; the "
            "result is a share between 0 and 1.",
        ),
        after="A maximum must be compared with maxima: the best of a dozen words is large in any clip.",
        wrong=(
            Wrong(
                "all single changes",
                _all_singles,
                "maximum with single",
                "This is the colleague's: it compares a maximum with single words. The largest of many is large "
                "anywhere, so each other clip must send its own largest.",
            ),
            Wrong(
                "without the sign",
                lambda c, o: sum(max(x) >= max(c) for x in o) / len(o),
                "sign",
                "The sign matters here: a large change downwards is a large change. Take absolute values first.",
            ),
            Wrong(
                "this clip with its sign",
                lambda c, o: sum(max(map(abs, x)) >= max(c) for x in o) / len(o),
                "this clip alone",
                "The others' changes are absolute values, those of this clip alone are not: take both alike.",
            ),
            Wrong(
                "the others with their sign",
                lambda c, o: sum(max(x) >= max(map(abs, c)) for x in o) / len(o),
                "other clips alone",
                "This clip's changes are absolute values, those of the other clips alone are not: take both alike.",
            ),
            Wrong(
                "means",
                lambda c, o: float(np.mean([np.mean(np.abs(x)) >= np.mean(np.abs(c)) for x in o])),
                "average",
                "These are average changes: the claim is about the largest one.",
            ),
            Wrong(
                "strictly more",
                lambda c, o: sum(max(map(abs, x)) > max(map(abs, c)) for x in o) / len(o),
                "A tie counts",
                "A tie counts: at least as large was asked for.",
            ),
            Wrong(
                "share below",
                lambda c, o: 1 - as_large(c, o),
                "smaller",
                "This is the share of clips whose largest change is smaller: asked for is the other share.",
            ),
        ),
    ),
    Exercise(
        id="24.4",
        title="a share and its interval",
        difficulty=2,
        minutes=8,
        reference=turned_share,
        cases=_share_cases,
        hints=(
            "Go through the pairs. Praise counts where the second prediction is lower, blame where it is higher. Then "
            "divide, and ask for the interval of that count.",
            "Three lists of n go in, a tuple of three numbers comes out; binomtest takes the count and n, and "
            "proportion_ci() has .low and .high.",
        ),
        after="Ten of ten is not always: even then the interval begins at about two thirds.",
        wrong=(
            Wrong(
                "always down",
                _counting(lambda before, after, good: after < before),
                "downwards",
                "Every move downwards counts here: from blame, the right way is up.",
            ),
            Wrong(
                "any move",
                _counting(lambda before, after, good: after != before),
                "Any move",
                "Any move counts here: it must go down from praise, and up from blame.",
            ),
            Wrong(
                "turned round",
                _counting(lambda before, after, good: after > before if good else after < before),
                "turned round",
                "This is turned round: with the word, praise should go down and blame up.",
            ),
            Wrong(
                "ties count",
                _counting(lambda before, after, good: after <= before if good else after >= before),
                "no change",
                "A prediction that does not move counts here: no change is not a move the right way.",
            ),
            Wrong(
                "across zero",
                _counting(lambda before, after, good: after < 0 if good else after > 0),
                "side of zero",
                "This asks on which side of zero the second prediction lies: the rule asks which way it moved.",
            ),
            Wrong(
                "the usual interval",
                _usual_interval,
                "large samples",
                "This interval is for large samples: of ten in ten it would say that the share is 1, for sure. "
                "Take binomtest's.",
            ),
            Wrong(
                "over those that moved",
                _over_those_that_moved,
                "stayed where they were",
                "Pairs that stayed where they were are left out: they are part of all pairs, below the line too.",
            ),
            Wrong(
                "90 %",
                _of_90_percent,
                "leaves out 5 %",
                "This interval leaves out 5 % on each side: 95 % are inside if proportion_ci is not told otherwise.",
            ),
            Wrong(
                "another interval",
                _wilson,
                "exact",
                "This is Wilson's interval: a good one, but the exact one was asked for (proportion_ci without a "
                "method).",
            ),
            Wrong(
                "a count",
                lambda plain, changed, is_praise: (
                    turned_share(plain, changed, is_praise)[0] * len(plain),
                    *turned_share(plain, changed, is_praise)[1:],
                ),
                "number of pairs",
                "The first number is the number of pairs: divide by how many there are.",
            ),
        ),
    ),
]
