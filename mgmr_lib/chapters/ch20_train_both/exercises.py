"""Exercises of 20 train both: the epoch that is reported, a paired interval, the number of seeds."""

import math
import statistics

from mgmr_lib.chapters.shared.drawing import separating
from mgmr_lib.course.registry import Case, Exercise, Wrong


def reported_error(history):
    """The test error of the first epoch with the lowest valid error."""
    return min(history, key=lambda epoch: epoch["valid"])["test"]


def _interval(mean, half):
    return mean - half, mean + half


def paired_interval(first, second, t):
    """Mean of the differences, plus and minus t standard errors."""
    d = [a - b for a, b in zip(first, second, strict=True)]
    return _interval(statistics.mean(d), t * statistics.stdev(d) / math.sqrt(len(d)))


def seeds_needed(differences, gain):
    """(2.8 sd / gain)^2, rounded up."""
    return math.ceil((2.8 * statistics.stdev(differences) / gain) ** 2)


def _unpaired(first, second, t):
    error = math.sqrt((statistics.variance(first) + statistics.variance(second)) / len(first))
    return _interval(statistics.mean(first) - statistics.mean(second), t * error)


def _population(first, second, t):
    d = [a - b for a, b in zip(first, second, strict=True)]
    return _interval(statistics.mean(d), t * statistics.pstdev(d) / math.sqrt(len(d)))


def _not_of_the_mean(first, second, t):
    d = [a - b for a, b in zip(first, second, strict=True)]
    return _interval(statistics.mean(d), t * statistics.stdev(d))


def _divided_by_n(first, second, t):
    d = [a - b for a, b in zip(first, second, strict=True)]
    return _interval(statistics.mean(d), t * statistics.stdev(d) / len(d))


def _normal_factor(first, second, t):
    return paired_interval(first, second, 1.96)


def _one_seed_less(first, second, t):
    return paired_interval(first, second, t * math.sqrt(len(first) / (len(first) - 1)))


def _history_cases(rng):
    """The best valid epoch lies behind a good one and three that are worse again, in no fixed place; it is neither the
    last, nor the one that is best or worst on test."""

    def history(valid, test):
        return ([{"valid": v / 100, "test": t / 100} for v, t in zip(valid, test, strict=True)],)

    made = [
        Case(history((100, 75, 75, 88), (125, 112, 100, 88)), "two epochs tie on valid, the later is better on test"),
        Case(history((100, 75, 88, 75), (125, 100, 88, 112)), "two epochs tie on valid, the earlier is better on test"),
    ]
    for best in (5, 6, 5, 6):
        valid, test = [130, 90, 105, 100, 95, 92, 85], sorted(rng.sample(range(80, 120), 8))
        middle = test.pop(3)
        rng.shuffle(test)
        valid.insert(best, 70)
        test.insert(best, middle)
        made.append(history(valid, test))
    return made


def _interval_cases(rng):
    made = [
        Case(([1.0, 2.0], [0.5, 1.0], 12.7), "two seeds"),
        Case(([1.5, 1.0, 1.25, 2.0], [1.5, 1.25, 0.75, 1.5], 3.2), "one seed treats both alike"),
    ]
    for n in (3, 4, 5, 8):
        luck = [rng.randint(0, 40) / 40 for _ in range(n)]
        first = [round(1 + x + rng.randint(-4, 4) / 100, 3) for x in luck]
        second = [round(1.2 + 0.8 * x + rng.randint(-4, 4) / 100, 3) for x in luck]
        made.append((first, second, rng.choice([2.2, 2.8, 3.2])))
    return made


def _seeds_cases(rng):
    made = [
        Case(([0.03, -0.01, 0.02, 0.04, 0.0], 0.005), "a small gain takes many seeds"),
        Case(([0.03, -0.01, 0.02, 0.04, 0.0], 0.5), "a gain so large that a single seed shows it"),
        Case(([-2.5, 0.0, 2.5], 3.5), "a whole number already"),
    ]

    def one(rng):
        return [rng.randint(-30, 40) / 1000 for _ in range(5)] + [0.05], rng.choice([0.004, 0.006, 0.009])

    return made + separating(rng, one, seeds_needed, [_to_the_nearest], least=5)


def _to_the_nearest(differences, gain):
    return round((2.8 * statistics.stdev(differences) / gain) ** 2)


EXERCISES = [
    Exercise(
        id="20.1",
        title="find the bug: which epoch",
        difficulty=2,
        minutes=6,
        reference=reported_error,
        cases=_history_cases,
        hints=(
            "The plan names the split that chooses, and the test clips are only read once the choice is made.",
            "history is a list of dictionaries, one an epoch; find the epoch first, by one key, then return its other "
            "key: one number.",
        ),
        after="Choosing on the test clips reports the luckiest epoch; choosing on valid leaves test luck out of the "
        "choice.",
        wrong=(
            Wrong(
                "best on test",
                lambda history: min(e["test"] for e in history),
                "chosen on the test clips",
                "This is the colleague's: the epoch is chosen on the test clips, so the number is a minimum over lucky "
                "draws.",
            ),
            Wrong(
                "valid reported",
                lambda history: min(e["valid"] for e in history),
                "valid error itself",
                "This reports the lowest valid error itself: the choice was made on it, so it is flattered as well. "
                "Report that epoch's test error.",
            ),
            Wrong(
                "last epoch",
                lambda history: history[-1]["test"],
                "last epoch",
                "This is the last epoch, however far it has overfitted: the plan chooses by the valid error.",
            ),
            Wrong(
                "worst valid",
                lambda history: max(history, key=lambda e: e["valid"])["test"],
                "highest valid error",
                "This takes the epoch with the highest valid error: lower is better.",
            ),
            Wrong(
                "later of a tie",
                lambda history: min(reversed(history), key=lambda e: e["valid"])["test"],
                "earlier",
                "Where two epochs tie on valid, the earlier one is meant.",
            ),
        ),
    ),
    Exercise(
        id="20.2",
        title="a paired interval",
        difficulty=2,
        minutes=8,
        reference=paired_interval,
        cases=_interval_cases,
        hints=(
            "First the difference of each seed, then everything from the list of differences: their mean, their "
            "standard deviation.",
            "first and second are lists of n numbers; the differences are n numbers; low and high are one number each.",
        ),
        after="What a seed does to both networks alike, if anything, has left the differences, and the interval with "
        "it.",
        wrong=(
            Wrong(
                "unpaired",
                _unpaired,
                "two separate averages",
                "These are two separate averages: luck that both share would stay in. Take the differences seed by "
                "seed first.",
            ),
            Wrong(
                "population sd",
                _population,
                "n - 1",
                "The squared deviations are divided by n: with n - 1 below the line the standard deviation of few "
                "numbers is not too small.",
            ),
            Wrong(
                "not of the mean",
                _not_of_the_mean,
                "single difference",
                "This is where a single difference falls: the mean of n of them varies less, by the square root of n.",
            ),
            Wrong(
                "divided by n",
                _divided_by_n,
                "divide by the square root",
                "The standard deviation is divided by n: divide by the square root of n.",
            ),
            Wrong(
                "1.96 for t",
                _normal_factor,
                "many seeds",
                "The factor 1.96 is for many seeds: take the t that is given.",
            ),
            Wrong(
                "root of one seed less",
                _one_seed_less,
                "n itself",
                "Under the square root of the standard error stands n itself: one is taken off for the standard "
                "deviation alone.",
            ),
            Wrong(
                "turned round",
                lambda a, b, t: paired_interval(b, a, t),
                "second minus first",
                "This is second minus first: the interval has the other sign.",
            ),
        ),
    ),
    Exercise(
        id="20.3",
        title="how many seeds",
        difficulty=2,
        minutes=6,
        reference=seeds_needed,
        cases=_seeds_cases,
        hints=(
            "How many standard deviations large is the gain? The number of seeds grows with the square of the inverse.",
            "differences is a list of numbers, gain one number; the result is a whole number, rounded up.",
        ),
        after="Half the gain takes four times the seeds.",
        wrong=(
            Wrong(
                "not squared",
                lambda d, g: math.ceil(2.8 * statistics.stdev(d) / g),
                "square",
                "The ratio is not squared: the error of a mean shrinks with the square root of n, so n grows with the "
                "square.",
            ),
            Wrong(
                "rounded down",
                lambda d, g: math.floor((2.8 * statistics.stdev(d) / g) ** 2),
                "too few",
                "Rounded down it is a seed too few: round up.",
            ),
            Wrong(
                "to the nearest",
                _to_the_nearest,
                "nearest whole number",
                "This goes to the nearest whole number, which is sometimes the one below: round up.",
            ),
            Wrong(
                "rounded too early",
                lambda d, g: math.ceil(2.8 * statistics.stdev(d) / g) ** 2,
                "too early",
                "This rounds too early: round up last, when the whole formula is worked out.",
            ),
            Wrong(
                "population sd",
                lambda d, g: math.ceil((2.8 * statistics.pstdev(d) / g) ** 2),
                "n - 1",
                "The standard deviation has n below the line, and comes out too small: use n - 1.",
            ),
            Wrong(
                "mean for gain",
                lambda d, g: math.ceil((2.8 * statistics.stdev(d) / (statistics.mean(d) or 1.0)) ** 2),
                "pilot's own mean",
                "This divides by the pilot's own mean: the gain that matters is given, and the pilot's mean is partly "
                "luck.",
            ),
            Wrong(
                "variance",
                lambda d, g: math.ceil((2.8 * statistics.variance(d) / g) ** 2),
                "variance",
                "This puts the variance in the place of the standard deviation.",
            ),
        ),
    ),
]
