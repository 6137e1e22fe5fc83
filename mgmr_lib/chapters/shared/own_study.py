"""The learner's own study beside what was recorded (20 to 24).

A study counts only where the learner works: the course's notebooks and solutions, executed by the builder or the
tests, find none.
"""

import functools
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from mgmr_lib.course import figures, store, study_panel
from mgmr_lib.evaluation.statistics import paired_difference, t_interval
from mgmr_lib.experiments import study, verdicts
from mgmr_lib.experiments.figures import band, colour
from mgmr_lib.experiments.ledger import RUNS, areas, by_name, curves, read_ledger
from mgmr_lib.experiments.plan import TWO, VARIANTS
from mgmr_lib.experiments.records import corpus_key, profile_key
from mgmr_lib.training.run import Run

NONE = "No training of your own is recorded yet: section 7 of notebook 20 starts a study, and these cells read it."


@functools.cache
def _nobodys() -> Path:
    return Path(tempfile.mkdtemp(prefix="mgmr-study-"))


def folder() -> Path:
    """Where the learner's study is; an empty folder outside the learner's place."""
    return study.default_folder() if store.counts_here() else _nobodys()


def panel(plan: study.Plan) -> None:
    """The study's panel; Start writes this plan, where no other one has begun."""
    study_panel.show_study(folder(), plan)


def records() -> list[dict]:
    """The study's records, references included."""
    return study.records(folder())


def recorded_like(own: Iterable[dict], ledger: Path = RUNS) -> list[dict]:
    """What the course recorded under the study's own conditions: corpus, profile, settings, pattern."""
    for r in own:
        key = corpus_key(r["corpus"], r["fingerprint"], r["dataset"])
        return read_ledger(ledger, key, profile_key(r["profile"], r.get("settings")))
    return []


def beside(own: list[dict], recorded: list[dict]) -> str:
    """Markdown: each of the study's networks, its area with an interval over seeds, beside the recorded one."""
    theirs = by_name(recorded)
    rows = [
        f"| {VARIANTS[name].label} | {_area(found)} | {_area(theirs.get(name, []))} |"
        for name, found in by_name(own).items()
        if name in VARIANTS
    ]
    if not rows:
        return NONE
    head = "| network | AUILC of MAE, your trainings | recorded |\n|---|---|---|\n"
    return head + "\n".join(rows) + "\n\nBrackets: 95 % intervals over seeds."


def _area(found: list[dict]) -> str:
    values = [areas(r)["auilc", "mae"] for r in found]
    if not values:
        return "none"
    if len(values) == 1:
        return f"{values[0]:.3f} (one seed)"
    i = t_interval(values)
    return f"{i['mean']:.3f} [{i['low']:.3f}, {i['high']:.3f}], {len(values)} seeds"


def pair(own: list[dict], recorded: list[dict], first: str = TWO[0], second: str = TWO[1]) -> str:
    """Markdown: what the plan's verdict says of two networks, on the study's seeds and on the recorded ones."""
    lines = [f"- {who}: {_pair(rows, first, second)}" for who, rows in (("yours", own), ("recorded", recorded)) if rows]
    if not own:
        return NONE
    return f"{VARIANTS[first].label} minus {VARIANTS[second].label}, AUILC of MAE, by pairs:\n\n" + "\n".join(lines)


def _pair(rows: list[dict], first: str, second: str) -> str:
    at = _by_seed(rows)
    seeds = sorted(at.get(first, {}).keys() & at.get(second, {}).keys())
    if len(seeds) < 2:
        return "fewer than two seeds that both networks share, so no interval"
    found = paired_difference([at[first][s] for s in seeds], [at[second][s] for s in seeds])
    return f"{verdicts.interval_text(found)}, {len(seeds)} seeds: {verdicts.verdict(found)}"


def _by_seed(rows: list[dict]) -> dict[str, dict[int, float]]:
    """{name: {training seed: AUILC of MAE}}."""
    return {
        name: {r["training_seed"]: areas(r)["auilc", "mae"] for r in found} for name, found in by_name(rows).items()
    }


def bands(fig, own: list[dict], recorded: list[dict], names: Iterable[str] = TWO) -> None:
    """Error against the missing rate: the study's means with bands over seeds, the recorded ones dashed."""
    ax = fig.subplots()
    ax.set(xlabel="missing rate (share of steps lost)", ylabel="mean absolute error (points)")
    for rows, style in ((own, "-"), (recorded, "--")):
        frame = curves(rows)
        for name in [n for n in names if rows and n in set(frame["name"])]:
            line = band(frame[frame["name"] == name], "mae")
            label = f"{VARIANTS[name].label}, {'yours' if style == '-' else 'recorded'}"
            ax.plot(line.index, line["mean"], ls=style, color=colour(name), label=label)
            if style == "-":
                ax.fill_between(line.index, line["low"], line["high"], color=colour(name), alpha=0.2, lw=0)
    if not own:
        ax.set_title("no training of your own yet", color=figures.GREY)
    if ax.get_legend_handles_labels()[0]:
        ax.legend()


def spreads(own: list[dict], recorded: list[dict]) -> str:
    """Markdown: how far apart trainings of one network lie that differ in their seed alone (AUILC of MAE)."""
    theirs, lines = by_name(recorded), []
    for name, found in by_name(own).items():
        if name in VARIANTS and len(found) > 1:
            mine, other = (np.std([areas(r)["auilc", "mae"] for r in f], ddof=1) if len(f) > 1 else None
                           for f in (found, theirs.get(name, [])))  # fmt: skip
            said = "not recorded with two seeds" if other is None else f"recorded {other:.4f}"
            lines.append(f"- {VARIANTS[name].label}: {mine:.4f} points over your {len(found)} seeds; {said}")
    return "Standard deviation over seeds:\n\n" + "\n".join(lines) if lines else NONE


def seconds(own: list[dict], recorded: list[dict]) -> str:
    """Markdown: what an epoch of training took, in the study and where the course was recorded."""
    theirs, lines = by_name(recorded), []
    for name, found in by_name(own).items():
        if name in VARIANTS:
            said = [f"{_an_epoch(f):.1f} s" if f else "not recorded" for f in (found, theirs.get(name, []))]
            lines.append(f"- {VARIANTS[name].label}: {said[0]} an epoch in your study, {said[1]} where recorded")
    return "\n".join(lines) or NONE


def _an_epoch(found: list[dict]) -> float:
    return sum(r["seconds"] for r in found) / sum(r["epochs"] for r in found)


def judged(own: list[dict], whole: str, judge: Callable) -> str:
    """Markdown: what `judge` (notebook 22's run_experiment) says of the study's changed versions of one network."""
    at = _by_seed(own)
    changed = [n for n in at if n in VARIANTS and n != whole and VARIANTS[n].model == VARIANTS[whole].model]
    if not changed or whole not in at:
        return NONE if not own else f"Your study compares {VARIANTS[whole].label} with no changed version of it."
    seeds = sorted(at[whole])
    found = judge(lambda name, seed: at[name].get(seed), whole, changed, seeds)
    return "\n".join(
        f"- {VARIANTS[name].label}: {word}"
        + ("" if np.isnan(mean) else f", {verdicts.interval_text({'mean': mean, 'low': low, 'high': high})}")
        for name, (word, mean, low, high) in found.items()
    )


def networks(names: Iterable[str] = TWO) -> dict[str, Run]:
    """{label: the study's first finished training} of each of these networks that has one."""
    found = {name: next(study.runs(folder(), name), None) for name in names}
    return {VARIANTS[name].label: run for name, run in found.items() if run is not None}
