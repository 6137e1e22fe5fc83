"""The learner's score: kept in `learner/score.json`, drawn by `progress()`."""

from mgmr_lib.course import store

FILE = "score.json"
STATES = ("not attempted", "wrong", "passed")


def read() -> dict[str, str]:
    """Best state of each exercise that was ever checked."""
    return {k: v for k, v in store.read(FILE).items() if v in STATES}


def record(exercise_id: str, state: str) -> None:
    """Remember `state` if it is better than what is kept: a passed exercise stays passed."""

    def better(kept: dict) -> dict:
        known = kept.get(exercise_id)
        worse = known in STATES and STATES.index(state) <= STATES.index(known)
        return kept if worse else kept | {exercise_id: state}

    if better(store.read(FILE)) != store.read(FILE):
        store.update(FILE, better)


def progress(number: str | None = None) -> None:
    """Draw the exercises passed and the bets won: of notebook `number` ("01"), or of the whole course."""
    from mgmr_lib.course import calibration, registry
    from mgmr_lib.course.display import markdown
    from mgmr_lib.markdown import table

    exercises = registry.exercises_of(number) if number else registry.all_exercises()
    kept = read()
    sign = {"passed": "●", "wrong": "◐", "not attempted": "○"}
    rows: dict[str, list[str]] = {}
    for e in exercises:
        rows.setdefault(e.id[:2], []).append(sign[kept.get(e.id, "not attempted")])
    done = sum(kept.get(e.id) == "passed" for e in exercises)
    shown = table(("notebook", "exercises"), ((n, " ".join(s)) for n, s in rows.items()))
    markdown(f"**{done} of {len(exercises)} exercises passed** (● passed, ◐ tried, ○ open)\n\n{shown}")
    bets = calibration.settled(number)
    if bets:
        markdown(calibration.in_words(bets))
        calibration.draw(bets)
