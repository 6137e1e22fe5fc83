"""Exercise of 28 what the papers claim: in how many columns a row of a table is really the best."""

from mgmr_lib.course.registry import Case, Exercise, Wrong


def best_columns(mine, others, lower):
    """The columns in which `mine` is strictly better than every other row that has a number there, in mine's order."""
    found = []
    for column, value in mine.items():
        rivals = [row[column] for row in others if row.get(column) is not None]
        if value is not None and rivals and all(value < r if column in lower else value > r for r in rivals):
            found.append(column)
    return found


def _cases(rng):
    made = [
        Case(({"Acc": 70.0, "MAE": 1.25}, [{"Acc": 69.0, "MAE": 1.5}], ["MAE"]), "best in both: a small MAE is good"),
        Case(({"Acc": 70.0, "MAE": 1.25}, [{"Acc": 69.0, "MAE": 1.0}], ["MAE"]), "one rival has the smaller MAE"),
        Case(({"F1": 70.0, "Acc": 65.0}, [{"F1": 70.0, "Acc": 60.0}], ["MAE"]), "a tie in F1"),
        Case(({"F1": 70.0, "Acc": 65.0}, [{"F1": None, "Acc": 66.0}, {"F1": 60.0, "Acc": 60.0}], []), "an empty cell"),
        Case(({"F1": 70.0, "Acc": 65.0}, [{"F1": None, "Acc": 66.0}, {"Acc": 60.0}], []), "nobody else has an F1"),
        Case(({"Corr": -0.25}, [{"Corr": None}, {"Corr": -0.5}], []), "an empty cell, and Corr below 0"),
        Case(({"Acc": None, "F1": 70.0}, [{"Acc": 60.0, "F1": 65.0}], []), "an empty cell of one's own"),
        Case(({"MAE": 0.5, "Corr": -0.25}, [{"MAE": 0.5, "Corr": -0.5}], ["MAE"]), "a tie in MAE, and Corr below 0"),
        Case(({"Corr": 0.25}, [{"Corr": -0.5}], []), "a rival's Corr below 0"),
        Case(({"Corr": -0.25}, [{"Corr": 0.0}, {"Corr": -0.5}], []), "a rival's Corr is 0"),
        Case(({"Corr": 0.0}, [{"Corr": -0.5}], []), "one's own Corr is 0"),
        Case(({"Corr": -0.5, "Gain": -0.5}, [{"Corr": 0.25, "Gain": -0.25}], []), "numbers below 0"),
        Case(
            ({"Loss": 0.5, "MAE": 2.0}, [{"Loss": 0.75, "MAE": 1.0}], ["Loss"]),
            "another column of which less is better",
        ),
        Case(({"Acc": 0.7, "F1": 0.6}, [{"Acc": 0.6, "F1": 0.7}], []), "shares, not percentages"),
        Case(({"MAE": 0.5, "Corr": 0.75}, [{"MAE": 0.75, "Corr": 0.5}, {"MAE": 0.25, "Corr": 0.5}], ["MAE"]), ""),
    ]
    made += [
        Case(({"MAE": 0.5, "Acc": 70.0}, [{"Acc": 60.0, "MAE": 0.75}], ["MAE"]), "best in both, MAE first"),
        Case(({"F1": 70.0, "Acc": 65.0}, [{"Acc": 60.0}, {"F1": 65.0}], []), "the first rival has no F1"),
        Case(({"Acc": 70.0, "Acc loss": 2.5}, [{"Acc": 65.0, "Acc loss": 3.0}], ["Acc loss"]), "two names in one"),
    ]
    for _ in range(3):
        rows = [{c: rng.randint(1, 12) / 4 for c in ("Acc", "F1", "MAE", "Corr")} for _ in range(3)]
        made.append(Case((rows[0], rows[1:], ["MAE"])))
    return made


def _with(better, empty=None, order=None):
    def best(mine, others, lower):
        found = []
        for column, value in mine.items():
            rivals = [row.get(column) for row in others]
            rivals = [r if r is not None else empty for r in rivals if r is not None or empty is not None]
            if value is not None and rivals and better(value, rivals, column in lower):
                found.append(column)
        return order(found) if order else found

    return best


def _strictly(value, rivals, lower):
    return all(value < r if lower else value > r for r in rivals)


def _best_of_none(mine, others, lower):
    rivals = {c: [row[c] for row in others if row.get(c) is not None] for c in mine}
    return [c for c, value in mine.items() if value is not None and _strictly(value, rivals[c], c in lower)]


def _with_own_zeros_left_out(mine, others, lower):
    return best_columns({c: v for c, v in mine.items() if v}, others, lower)


def _with_zeros_left_out(mine, others, lower):
    return best_columns(mine, [{c: v for c, v in row.items() if v} for row in others], lower)


EXERCISES = [
    Exercise(
        id="28.1",
        title="consistently the best?",
        difficulty=1,
        minutes=6,
        reference=best_columns,
        cases=_cases,
        hints=(
            "Go through the columns of `mine`. Collect the other rows' numbers there, without the empty ones; then ask "
            "whether mine is better than all of them.",
            "mine: {column: number}, others: a list of such dicts, lower: a list of columns; the result is a list of "
            "columns. row.get(column) is None where a row has no number.",
        ),
        after='A table with one such column less does not say "consistently" any more.',
        wrong=(
            Wrong(
                "larger is better",
                _with(lambda v, r, lower: v > max(r)),
                "smaller one is better",
                "In the columns of `lower`, such as MAE, the smaller one is better.",
            ),
            Wrong(
                "ties count",
                _with(lambda v, r, lower: v <= min(r) if lower else v >= max(r)),
                "tie",
                "A tie is no lead: who is as good as another is not ahead of all.",
            ),
            Wrong(
                "better than one",
                _with(lambda v, r, lower: any(v < x if lower else v > x for x in r)),
                "every other row",
                "To be the best is to be better than every other row, not than one of them.",
            ),
            Wrong(
                "empty cells as zero",
                _with(_strictly, empty=0.0),
                "no number",
                "A row that has no number in a column says nothing there; it is not 0.",
            ),
            Wrong(
                "own zero as empty",
                _with_own_zeros_left_out,
                "and that column is left out",
                "One's own value is zero in one column, and that column is left out; only None is empty.",
            ),
            Wrong(
                "nobody else",
                _best_of_none,
                "no one to be better",
                "In one column nobody else has a number: there is no one to be better than.",
            ),
            Wrong(
                "zero as an empty cell",
                _with_zeros_left_out,
                "0 is a number",
                "A 0 is a number: a cell is empty where it holds None, or is not there.",
            ),
            Wrong(
                "better than the mean",
                _with(lambda v, r, lower: (v < sum(r) / len(r)) if lower else (v > sum(r) / len(r))),
                "their mean",
                "This compares with their mean: the best of them decides.",
            ),
        ),
    )
]
