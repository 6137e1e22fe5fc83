"""Exercise 22.5, build it yourself: an experiment from its runs to its verdicts, checked in stages."""

import itertools
import math
import re

from mgmr_lib.chapters.ch22_ablations.mistakes import FEW, changed_experiment
from mgmr_lib.course.compare import difference
from mgmr_lib.course.registry import Exercise, Wrong
from mgmr_lib.course.stages import in_stages


def run_experiment(train, whole, variants, seeds):
    """Every run once, changes within a seed, Student's intervals, and Holm's procedure over all variants.

    train(name, seed): an error, or None where the training failed. Returns {variant: (verdict, mean, low, high)}.
    """
    from scipy import stats

    errors = {name: [train(name, seed) for seed in seeds] for name in (whole, *variants)}
    results, p = {}, {}
    for name in variants:
        pairs = zip(errors[whole], errors[name], strict=True)
        changes = [b - a for a, b in pairs if a is not None and b is not None]
        if len(changes) < 2:
            results[name] = FEW
            continue
        test = stats.ttest_1samp(changes, 0.0)
        low, high = test.confidence_interval(0.95)
        p[name], mean = float(test.pvalue), sum(changes) / len(changes)
        results[name] = (mean, float(low), float(high))
    for rank, name in enumerate(sorted(p, key=p.__getitem__)):
        if p[name] > 0.05 / (len(p) - rank):
            break
        results[name] = ("worse" if results[name][0] > 0 else "better", *results[name])
    return {n: r if len(r) == 4 else ("not told apart", *r) for n, r in results.items()}


# --- experiments whose outcome is known


def made_up(rng, p_values: dict[str, float], failed: tuple[tuple[str, int], ...] = (), way: int = 0):
    """(scores, signs): {(name, seed): error} of a whole network, which comes first, and of variants whose paired
    t-tests give these p values. Its name and the four seeds are drawn.

    failed: (name, "" for the whole network; place of the seed) of runs without an error. The whole network's errors
    differ far more from seed to seed than any change does; signs: which way each goes, in turn up (1) and down (-1),
    so that both come; way: that of the first (0: either).
    """
    from scipy import stats

    n, name_of_whole = 4, rng.choice(["complete", "full", "unchanged"])
    seeds, whole = rng.sample(range(10, 1000), n), rng.sample([0.6, 0.8, 1.0, 1.2, 1.4], n)
    scores = {(name_of_whole, s): e for s, e in zip(seeds, whole, strict=True)}
    way = way or rng.choice([-1, 1])
    signs = {name: way * (-1) ** i for i, name in enumerate(p_values)}
    for name, p in p_values.items():
        noise = rng.sample([-0.03, -0.01, 0.01, 0.03], n)
        spread = math.sqrt(sum(x * x for x in noise) / (n - 1))
        mean = signs[name] * float(stats.t.isf(p / 2, n - 1)) * spread / math.sqrt(n)
        scores |= {(name, s): e + mean + x for s, e, x in zip(seeds, whole, noise, strict=True)}
    return scores | {(name or name_of_whole, seeds[place]): None for name, place in failed}, signs


def _whole(scores) -> tuple[str, list[int]]:
    """The whole network's name, and the seeds."""
    whole = next(iter(scores))[0]
    return whole, [seed for name, seed in scores if name == whole]


def _asked(fn, scores, variants):
    """(what fn returns, the runs that it asked for, in order)."""
    runs = []

    def train(name, seed):
        runs.append((name, seed))
        if (name, seed) not in scores:
            raise ValueError(f"train knows no {name!r} with seed {seed}: take names and seeds from the arguments")
        return scores[name, seed]

    whole, seeds = _whole(scores)
    return fn(train, whole, list(variants), seeds), runs


def _expected(scores, variants):
    whole, seeds = _whole(scores)
    return run_experiment(lambda name, seed: scores[name, seed], whole, variants, seeds)


def _shape(found, variants) -> str | None:
    if not isinstance(found, dict) or set(found) != set(variants):
        return f"return a dict with one entry for each of {', '.join(variants)}, and none for the whole network."
    for name, entry in found.items():
        if not isinstance(entry, tuple) or len(entry) != 4:
            return f"the entry of {name} must be a tuple (verdict, mean, low, high), yours is {entry!r}."
    return None


def _runs(fn, rng):
    variants = ["narrow", "deaf", "blind"]
    scores, _ = made_up(rng, dict.fromkeys(variants, 0.2))
    found, runs = _asked(fn, scores, variants)
    whole, seeds = _whole(scores)
    wanted = set(itertools.product((whole, *variants), seeds))
    if set(runs) != wanted or len(runs) != len(wanted):
        return (
            f"4 networks with 4 seeds: 16 trainings, each done once; yours did {len(runs)}, {len(set(runs))} different."
        )
    return _shape(found, variants)


def _numbers(fn, rng, which: slice, what: str):
    variants = ["narrow", "deaf"]
    scores, _ = made_up(rng, {"narrow": 0.3, "deaf": 0.01})
    found, wanted = _asked(fn, scores, variants)[0], _expected(scores, variants)
    for name in variants:
        mine = found[name][which]
        if not all(
            isinstance(v, (int, float)) and abs(v - w) < 1e-9 for v, w in zip(mine, wanted[name][which], strict=True)
        ):
            shown = ", ".join(f"{v:+.4f}" if isinstance(v, (int, float)) else repr(v) for v in mine)
            return f"{what} of {name} is {', '.join(f'{w:+.4f}' for w in wanted[name][which])}, yours {shown}."
    return None


def _means(fn, rng):
    return _numbers(fn, rng, slice(1, 2), "the mean change (variant minus whole)")


def _intervals(fn, rng):
    wrong = _numbers(fn, rng, slice(2, 4), "the 95 % interval of the changes (Student's t, 3 degrees of freedom)")
    if wrong is None:
        return None
    shown = [float(x) for x in re.findall(r"[+-]\d+\.\d+", wrong)]
    if len(shown) == 4 and shown[3] - shown[2] < shown[1] - shown[0]:
        return f"{wrong} Yours is narrower than so few changes allow: 1.96 is for a spread that is known."
    return f"{wrong} It is an interval of the changes within seeds, not as two samples."


def _wording(fn, rng, p_values, why: str, way: int = 0):
    names = sorted(p_values, key=p_values.__getitem__, reverse=True)  # Holm begins with the last of them
    scores, signs = made_up(rng, {n: p_values[n] for n in names}, way=way)
    found, wanted = _asked(fn, scores, names)[0], _expected(scores, names)
    for name in names:
        if found[name][0] != wanted[name][0]:
            goes = "up" if signs[name] > 0 else "down"
            return (
                f"the error of {name} goes {goes} with p = {p_values[name]:g}; the verdict is {wanted[name][0]!r}, "
                f"yours {found[name][0]!r}. {why}"
            )
    return None


def _one(fn, rng):
    why = "The words are 'worse', 'better' and 'not told apart'; an error that goes up is worse."
    way = rng.choice([-1, 1])
    for p in (0.001, 0.04, 0.06, 0.5):  # the first two are told apart: one goes up, one down
        wrong = _wording(fn, rng, {"deaf": p}, why, way)
        if wrong:
            return wrong
        way = -way
    return None


def _many(fn, rng):
    for p_values in (
        {"narrow": 0.001, "deaf": 0.03, "blind": 0.04},
        {"narrow": 0.001, "deaf": 0.02, "blind": 0.045},
        {"narrow": 0.02, "deaf": 0.022, "blind": 0.03},
        {"narrow": 0.001, "deaf": 0.03, "blind": 0.6},
        {"narrow": 0.0168, "deaf": 0.3, "blind": 0.6},
    ):
        why = f"All p values: {', '.join(f'{v:g}' for v in p_values.values())}; judge them by Holm's procedure at 5 %."
        wrong = _wording(fn, rng, p_values, why)
        if wrong and "the verdict is 'not told apart'" in wrong:
            return f"{wrong} Among so many it is not enough to be below 5 % alone."
        if wrong:
            return f"{wrong} The bound grows on the way: 5 % / 3, then 5 % / 2, then 5 %."
    return None


def _differs(found, wanted, variants) -> str | None:
    """The first variant whose entry is not the wanted one."""
    for name in variants:
        mine, theirs = found[name], wanted[name]
        if mine[0] != theirs[0] or any(difference(v, w, 0, 1e-9) for v, w in zip(mine[1:], theirs[1:], strict=True)):
            return name
    return None


def _zero(fn, rng):
    """One error, the whole network's and then a variant's, is exactly 0: only what takes 0 for a failed run notices."""
    variants = ["narrow", "deaf"]
    for of_whole in (True, False):
        scores, _ = made_up(rng, {"narrow": 0.01, "deaf": 0.3})
        whole, seeds = _whole(scores)
        perfect = whole if of_whole else "narrow", rng.choice(seeds)
        scores = {run: error - scores[perfect] for run, error in scores.items()}
        found, wanted = _asked(fn, scores, variants)[0], _expected(scores, variants)
        if name := _differs(found, wanted, variants):
            return (
                f"the error of {perfect[0]} with seed {perfect[1]} is 0.0: the entry of {name} is {wanted[name]}, "
                f"yours {found[name]}. A perfect run has not failed: ask whether an error `is None`, not whether it is "
                "true."
            )
    return None


def _failures(fn, rng):
    """Two failed runs leave two and three pairs; then three fail, and the one pair that is left has no test."""
    variants = ["narrow", "deaf", "blind"]
    a, b = rng.sample(range(4), 2)
    for failed in ((("narrow", a), ("", b)), (*(("deaf", s) for s in range(4) if s != a), ("narrow", b))):
        scores, _ = made_up(rng, {"narrow": 1e-6, "deaf": 1e-6, "blind": 0.03}, failed)
        found, wanted = _asked(fn, scores, variants)[0], _expected(scores, variants)
        which = ", ".join(f"{name} with seed {seed}" for (name, seed), error in scores.items() if error is None)
        name = _differs(found, wanted, variants)
        if name and found[name][0] == wanted[name][0] == FEW[0]:
            return f"the entry of {name} must be {FEW}, with float('nan') for each number; yours is {found[name]}."
        if name:
            return (
                f"train gave None for {which}: the entry of {name} is {wanted[name]}, yours {found[name]}. Only "
                "seeds that both networks have count; fewer than two make no test, and no place in Holm's family."
            )
    return None


EXERCISE = Exercise(
    id="22.5",
    title="build it yourself: an experiment with a verdict",
    difficulty=3,
    minutes=30,
    reference=run_experiment,
    test=in_stages(
        ("every run once", _runs),
        ("changes within a seed", _means),
        ("intervals", _intervals),
        ("one verdict", _one),
        ("several verdicts", _many),
        ("an error of zero", _zero),
        ("runs that failed", _failures),
    ),
    hints=(
        "First all runs into a dictionary, then the changes of each variant, then mean, interval and p of each; only "
        "when all p values are there can Holm's procedure say which are told apart.",
        "changes: a list of as many numbers as seeds at which neither run is None. "
        "stats.ttest_1samp(changes, 0).pvalue is its p, .confidence_interval(0.95) its interval (low, high).",
    ),
    after="This is `differences` of mgmr_lib.experiments.figures and exercise 22.4 in one: the way from runs to words.",
    wrong=(
        Wrong("whole network trained anew", changed_experiment(twice=True), "each done once"),
        Wrong("whole minus variant", changed_experiment(turned=True), "variant minus whole"),
        Wrong("not within seeds", changed_experiment(unpaired=True), "not as two samples"),
        Wrong("the normal distribution", changed_experiment(normal=True), "narrower than so few"),
        Wrong(
            "each for itself",
            changed_experiment(lambda p: {n: v <= 0.05 for n, v in p.items()}),
            "not enough to be below",
        ),
        Wrong("Bonferroni", changed_experiment(lambda p: {n: v <= 0.05 / len(p) for n, v in p.items()}), "bound grows"),
        Wrong("failed runs count as zero", changed_experiment(zeros=True), "seeds that both networks have"),
        Wrong("zero counts as failed", changed_experiment(falsy=True), "has not failed"),
    ),
)
