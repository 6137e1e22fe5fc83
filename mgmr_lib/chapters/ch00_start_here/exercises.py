"""Exercises of 00 start here: two small ones, to learn how exercises work."""

from mgmr_lib.chapters.shared.drawing import misread, telling, unlike
from mgmr_lib.course.registry import Case, Exercise, Wrong

WORDS = ("there", "is", "nothing", "funny", "in", "this", "film", "but", "its", "music", "grows", "on", "me")


def hide(words, keep):
    """The words with "[UNK]" in the place of each lost one."""
    return [word if kept else "[UNK]" for word, kept in zip(words, keep, strict=True)]


def mean_absolute_error(predictions, labels):
    """The average distance of predictions from labels."""
    return sum(abs(p - y) for p, y in zip(predictions, labels, strict=True)) / len(labels)


def _hide_cases(rng):
    made = [Case((["not", "bad", "at", "all"], [False, True, True, True]), "one word lost")]
    for _ in range(4):
        n = rng.randint(3, 7)
        keep = [True, False, *(rng.random() < 0.5 for _ in range(n - 2))]
        rng.shuffle(keep)
        made.append((rng.sample(WORDS, n), keep))
    return made + [
        Case((rng.sample(WORDS, 3), [True] * 3), "nothing lost"),
        Case((rng.sample(WORDS, 3), [False] * 3), "all lost"),
    ]


def _error_cases(rng):
    def pairs(rng):
        n = rng.randint(2, 5)
        return [rng.randint(-12, 12) / 4 for _ in range(n)], [rng.randint(-12, 12) / 4 for _ in range(n)]

    orders = (lambda x: x[::-1], lambda x: [*x[-1:], *x[:-1]])  # which label is whose must show
    shows = unlike(mean_absolute_error, *(misread(mean_absolute_error, 0, change) for change in orders))
    return [
        Case(([0.0, 0.0], [2.0, -2.0]), "off by two, once up and once down"),
        *(telling(rng, pairs, shows) for _ in range(4)),
        Case(([rng.randint(1, 12) / 4], [-1.0]), "a single sentence, read too high"),
        Case(([-rng.randint(1, 12) / 4], [1.0]), "a single sentence, read too low"),
    ]


def _signed(predictions, labels):
    return sum(p - y for p, y in zip(predictions, labels, strict=True)) / len(labels)


EXERCISES = [
    Exercise(
        id="00.1",
        title="hide the lost words",
        difficulty=1,
        minutes=3,
        reference=hide,
        cases=_hide_cases,
        hints=(
            'Go through words and keep side by side; a word that is kept stays, another becomes "[UNK]".',
            "Two lists of the same length l go in, one list of l strings comes out: zip(words, keep) gives the pairs.",
        ),
        after="The result is as long as the input: a reader still knows where something is missing, and how much.",
        wrong=(
            Wrong(
                "turned round",
                lambda words, keep: ["[UNK]" if k else w for w, k in zip(words, keep, strict=True)],
                "other way round",
                "It is the other way round: True in keep means that the word stays.",
            ),
            Wrong(
                "dropped",
                lambda words, keep: [w for w, k in zip(words, keep, strict=True) if k],
                "out of the list",
                'Lost words are left out of the list: each must leave an "[UNK]" in its place, or nobody knows where '
                "it stood.",
            ),
            Wrong(
                "blanked",
                lambda words, keep: [w if k else "" for w, k in zip(words, keep, strict=True)],
                "empty string",
                'Lost words become an empty string: write "[UNK]", with the brackets.',
            ),
            Wrong(
                "joined",
                lambda words, keep: " ".join(hide(words, keep)),
                "one long string",
                "This is one long string: return a list with one string a word.",
            ),
            Wrong(
                "copied",
                lambda words, keep: list(words),
                "all words are still there",
                "Here all words are still there: look at keep, too.",
            ),
        ),
    ),
    Exercise(
        id="00.2",
        title="the mean absolute error",
        difficulty=1,
        minutes=5,
        reference=mean_absolute_error,
        cases=_error_cases,
        hints=(
            "Being two points too high and two points too low must not cancel: what does abs do to a number?",
            "Two lists of n numbers go in, one number comes out: the sum of n distances, divided by n.",
        ),
        after="Every distance counts, whichever way the reader is off.",
        wrong=(
            Wrong(
                "signed",
                _signed,
                "cancel",
                "Errors of opposite sign cancel: take the distance, abs(prediction - label), before you add.",
            ),
            Wrong(
                "abs of the mean",
                lambda predictions, labels: abs(_signed(predictions, labels)),
                "too late",
                "abs comes too late: after the sum, errors up and down have eaten each other. Take it for each "
                "sentence.",
            ),
            Wrong(
                "not divided",
                lambda predictions, labels: mean_absolute_error(predictions, labels) * len(labels),
                "divide",
                "This is the sum of the distances: divide it by their number, so that more sentences do not mean more "
                "error.",
            ),
            Wrong(
                "squared",
                lambda predictions, labels: (
                    sum((p - y) ** 2 for p, y in zip(predictions, labels, strict=True)) / len(labels)
                ),
                "squares",
                "These are squares of the distances: that is another measure, in squared points. Use abs.",
            ),
            Wrong(
                "largest",
                lambda predictions, labels: max(abs(p - y) for p, y in zip(predictions, labels, strict=True)),
                "worst sentence",
                "This is the error on the worst sentence alone: we want the average over all.",
            ),
            Wrong(
                "root of the squares",
                lambda predictions, labels: (
                    (sum((p - y) ** 2 for p, y in zip(predictions, labels, strict=True)) / len(labels)) ** 0.5
                ),
                "root",
                "This is the root of the mean square: also in points, but one large error counts more than several "
                "small ones. Average the distances themselves.",
            ),
            Wrong(
                "abs of each number",
                lambda predictions, labels: (
                    sum(abs(p) - abs(y) for p, y in zip(predictions, labels, strict=True)) / len(labels)
                ),
                "loses the side",
                "abs of each number loses the side on which it lies: 2 and -2 would be no distance apart. Take abs of "
                "the difference.",
            ),
            Wrong(
                "signed, turned round",
                lambda predictions, labels: -_signed(predictions, labels),
                "whichever is taken from which",
                "The errors keep their signs, whichever is taken from which: up and down still eat each other. Take "
                "abs of each difference.",
            ),
            Wrong(
                "returned too early",
                lambda predictions, labels: abs(predictions[0] - labels[0]) / len(labels),
                "first sentence",
                "Only the first sentence is counted: does `return` stand inside the loop?",
            ),
        ),
    ),
]
