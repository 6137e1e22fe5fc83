"""Notebook 28: the rules by which records speak to a claim. One scale of five words for all of them.

A rank is judged in each metric that the claim names, against the rivals of the paper's own table, by Welch's test on
all seeds and Holm's procedure over the rivals. A changed network is judged by pairs of seeds and Holm's procedure over
the ten changes of notebook 22. What is read off numbers without a test says so.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pandas as pd

from mgmr_lib.chapters.ch28_what_the_papers_claim import rivals
from mgmr_lib.errors import CourseError
from mgmr_lib.evaluation.statistics import holm
from mgmr_lib.experiments import verdicts
from mgmr_lib.experiments.figures import differences
from mgmr_lib.experiments.ledger import paired
from mgmr_lib.experiments.plan import TWO, VARIANTS
from mgmr_lib.experiments.tables import HEADS

HOLDS, PART, NOT, APART, UNKNOWN = (
    "holds here",
    "in part",
    "does not hold here",
    "not told apart here",
    "unknown here",
)
WORDS = (HOLDS, PART, NOT, APART, UNKNOWN)
TABLE_7 = ("misa", "self_mm", "mmim", "almt", "lnln")  # beside whom MGMR-Net's inference is timed in its paper
SEVERAL = 3  # fewer recorded rivals than this say nothing about a rank
TRAINED = {"equal": "trained while modalities go missing", "complete": "trained on complete data"}
LINEAR = 2.3  # twice the frames in at most so many times the seconds
Finding = tuple[str, str]  # (one of the five words, why)


@dataclass(frozen=True)
class Evidence:
    """What was recorded. equal, complete: runs with settings that one search chose for everyone, trained while
    modalities go missing (protocol B) and on complete data (protocol A, rate 0); costs: None where there are none;
    runs: protocol B with a profile's settings, on the first edition, for what care for settings makes of a rank;
    sims: protocol B on SIMS's counterpart."""

    equal: list[dict]
    complete: list[dict]
    costs: dict | None
    runs: list[dict] = field(default_factory=list)
    sims: list[dict] = field(default_factory=list)

    @functools.cached_property
    def changes(self) -> pd.DataFrame:
        """The recorded ones of notebook 22's ten changes against the whole network, by pairs of seeds, and "told" by
        Holm's procedure over them."""
        found = differences(self.equal)
        return found.assign(told=holm(found["p"].tolist()) if len(found) else [])


# --- ranks


def in_each(records: list[dict], network: str, own: Iterable[str], metrics: Iterable[str], area: str) -> dict:
    """{metric: verdicts.family against the recorded ones of `own`}."""
    own = list(own)
    return {m: verdicts.family(records, [(network, rival) for rival in own], m, area) for m in metrics}


def one_word(families: dict[str, pd.DataFrame], spare: int = 0) -> str:
    """HOLDS if the network is better than all in every metric but `spare` ones and worse in none; else by all
    comparisons together."""
    words = [word for found in families.values() for word in found["word"]]
    better, worse = words.count(verdicts.BETTER), words.count(verdicts.WORSE)
    ahead = sum((found["word"] == verdicts.BETTER).all() for found in families.values())
    if ahead >= len(families) - spare and not worse:
        return HOLDS
    return PART if better > worse else NOT if worse else APART


def in_numbers(families: dict[str, pd.DataFrame]) -> str:
    """ "of 7 of its own rivals, MAE: better than 7, worse than 0; Corr: 4, 0"."""
    counts = {m: found["word"].tolist() for m, found in families.items()}
    told = [f"{HEADS[m]}: better than {w.count(verdicts.BETTER)}, worse than {w.count(verdicts.WORSE)}"
            for m, w in counts.items()]  # fmt: skip
    return f"of {len(next(iter(counts.values())))} of its own rivals, {'; '.join(told)}"


def against(network: str, paper: str, table: int, metrics: tuple[str, ...], missing: str = "",
            on_sims: bool = False):  # fmt: skip
    """A finding on a rank while modalities go missing: AUILC of each metric. missing: corpora that the claim names and
    nothing is recorded of; then it holds in part at most. Beside it, in MAE: everyone, and what fewer trainings and
    other care for settings make of it; on_sims: and its rank among those recorded on SIMS's counterpart."""

    def here(evidence: Evidence) -> Finding:
        own, everyone = rivals.theirs(paper, table), ("mfmb" if network == "mgmr" else "mgmr", *rivals.RIVALS)
        families = in_each(evidence.equal, network, own, metrics, "auilc")
        if len(families[metrics[0]]) < SEVERAL:
            return UNKNOWN, "no run is recorded."
        word, why = one_word(families), f"{in_numbers(families)}."
        others = {c: rivals.told_apart(rivals.differences(evidence, network, c, everyone)) for c in rivals.CONDITIONS}
        why += " MAE, everyone: " + "; ".join(f"{condition}: {told}" for condition, told in others.items()) + "."
        if on_sims and evidence.sims:
            found = verdicts.family(evidence.sims, [(network, rival) for rival in own])
            why += f" MAE on SIMS's counterpart: {rivals.told_apart(found)}."
        if missing:
            word, why = PART if word == HOLDS else word, f"{why} {missing} is not recorded."
        return word, why

    return here


def on_complete(network: str, paper: str, table: int, metrics: tuple[str, ...], source: str, least: int | None = None):
    """A finding on a rank on complete clips. source: "equal", trained while modalities go missing, or "complete",
    trained on complete data; the other one stands beside it. least: it holds if better than so many and worse than
    none, in every metric; without it, if better than all in every metric but one ("almost all")."""

    def here(evidence: Evidence) -> Finding:
        own, beside = rivals.theirs(paper, table), "complete" if source == "equal" else "equal"
        families = in_each(getattr(evidence, source), network, own, metrics, "complete")
        found = families[metrics[0]]
        if len(found) < SEVERAL:
            return UNKNOWN, f"of its {len(own)} rivals {len(found)} are recorded so."
        why = f"{TRAINED[source]}, {in_numbers(families)}."
        others = in_each(getattr(evidence, beside), network, own, metrics[-2:], "complete")
        if len(others[metrics[-1]]) >= SEVERAL:
            why += f" Beside that, {TRAINED[beside]}, {in_numbers(others)}."
        if least is None:
            return one_word(families, spare=1), why
        words = [family["word"].tolist() for family in families.values()]
        enough = all(w.count(verdicts.BETTER) >= least and verdicts.WORSE not in w for w in words)
        word = one_word(families)
        return (HOLDS if enough else PART if word == HOLDS else word), why

    return here


def marginal_loss(paper: str, table: int):
    """A finding: by how much MGMR-Net's MAE rises and its F1 falls from rate 0 to rate 0.9, beside its paper's rivals,
    as the paper says it; these two count. Beside them, of its lead over the mean label in MAE, which share is left."""

    def here(evidence: Evidence) -> Finding:
        own = rivals.theirs(paper, table)
        families = {m: rivals.loses_less(evidence.equal, "mgmr", own, m) for m in ("mae", "f1_non0")}
        if len(families["mae"]) < SEVERAL:
            return UNKNOWN, "no run is recorded."
        lost = {m: rivals.mean_loss(evidence.equal, "mgmr", m) for m in families}
        left = rivals.shares_left(evidence.equal).get("mgmr", [float("nan")])
        shares = rivals.keeps_more(evidence.equal, "mgmr", own)
        why = (
            f"from rate 0 to 0.9 its MAE rises by {lost['mae']:.2f} points and its F1 falls by "
            f"{100 * lost['f1_non0']:.0f}; it loses less than, more than, of {len(families['mae'])} rivals: "
        )
        told = [(found["word"].tolist(), HEADS[m]) for m, found in families.items()]
        why += "; ".join(f"{m} {w.count(verdicts.BETTER)}, {w.count(verdicts.WORSE)}" for w, m in told)
        why += (
            f". Of its lead over the mean label in MAE, which the claim does not name, {sum(left) / len(left):.0%} are "
            f"left, {rivals.told_apart(shares, 'more', 'less')}. Over these networks the rise and the error at rate 0 "
            f"correlate by r = {rivals.start_and_rise(evidence.equal, ('mgmr', *own)):+.2f}: who starts worse has less "
            f"to lose. At rate 0.9 itself its MAE is {rivals.told_apart(rivals.at_rate(evidence.equal, 'mgmr', own))}."
        )
        return one_word(families), why

    return here


# --- changed networks


def changed(variant: str):
    """A finding on a changed network against the whole one."""

    def here(evidence: Evidence) -> Finding:
        if variant not in evidence.changes.index:
            return UNKNOWN, "no run is recorded."
        row = evidence.changes.loc[variant]
        word = APART if not row["told"] else HOLDS if row["mean"] > 0 else NOT
        return word, f"the AUILC of MAE changes by {verdicts.interval_text(row)}, p = {row['p']:.2g}."

    return here


def changed_most(variant: str, others: tuple[str, ...]):
    """changed(), for a claim that this change does more harm than others: in part where it harms and is not told apart
    as worse than each of them."""

    def here(evidence: Evidence) -> Finding:
        word, why = changed(variant)(evidence)
        try:
            found = [paired(evidence.equal, variant, other) for other in others]
        except CourseError:
            return (PART if word == HOLDS else word), why
        told = holm([row["p"] for row in found])
        beside = "; ".join(f"than {VARIANTS[o].label.split(' ', 1)[1]} {verdicts.interval_text(row)}"
                           for o, row in zip(others, found, strict=True))  # fmt: skip
        more = all(sure and row["mean"] > 0 for sure, row in zip(told, found, strict=True))
        return PART if word == HOLDS and not more else word, f"{why} By how much more {beside}."

    return here


# --- costs, and single modalities


def linear_cost(evidence: Evidence) -> Finding:
    """The last doubling of the frames, in seconds of a recorded train step, beside MulT's attention. In part at most:
    only voice and face grow, and both stages are behind the pooling onto the text's steps, which do not."""
    if evidence.costs is None:
        return UNKNOWN, "no cost is recorded."
    factors = {}
    for name in ("mgmr", "mult"):
        rows = [r for r in evidence.costs["over_length"] if r["name"] == name and r["pass"] != "forward"]
        at = {r["frames"]: r["seconds"] for r in rows}
        lengths = sorted(at)
        factors[name] = at[lengths[-1]] / at[lengths[-2]]
    why = f"from {lengths[-2]} to {lengths[-1]} frames of voice and face a train step takes {factors['mgmr']:.2f} "
    why += f"times as long, MulT's {factors['mult']:.2f} times. Read off, at most {LINEAR} counts as linear. But what "
    why += "grows there are encoders and reconstruction: the scans of both stages, of which the paper speaks, see the "
    why += f"{evidence.costs['words']} steps of the text at every length."
    return (PART if factors["mgmr"] < LINEAR else NOT), why


def fast_inference(evidence: Evidence) -> Finding:
    """Recorded seconds over the test split beside the other networks'; faster is who is so at every rate, which do the
    same work. Judged beside Table 7's rivals alone, to whom the claim compares."""
    if evidence.costs is None:
        return UNKNOWN, "no cost is recorded."
    at = {(r["name"], r["rate"]): r["seconds"] for r in evidence.costs["inference"]}
    names, rates = {n for n, _ in at}, {rate for _, rate in at}
    others = sorted(n for n in names if n in (*TWO, *rivals.RIVALS) and n != "mgmr")  # of other papers, not variants
    ahead = {n for n in others if all(at[n, r] < at["mgmr", r] for r in rates)}
    faster = sorted(VARIANTS[n].label for n in ahead)
    why = (
        f"{at['mgmr', 0.0]:.2f} s for the complete test split; faster, complete and half missing: "
        f"{', '.join(faster) or 'none'} (of {len(others)} other networks)."
    )
    timed = names & set(TABLE_7)
    if not timed:
        return UNKNOWN, why + " None of Table 7's rivals, to whom it compares, was timed."
    return (HOLDS if not timed & ahead else NOT if timed <= ahead else PART), why


def text_first(evidence: Evidence) -> Finding:
    """One modality alone, trained on complete data: is text ahead of both others, and the three together ahead of
    text?"""
    pairs = [("fc_t", "fc_a"), ("fc_t", "fc_v"), ("concat", "fc_t")]
    found = verdicts.family(evidence.complete, pairs, area="complete")
    if len(found) < len(pairs):
        return UNKNOWN, "no run is recorded."
    told = "; ".join(f"{r['first']} against {r['second']} {verdicts.interval_text(r)}" for _, r in found.iterrows())
    return one_word(
        {"mae": found}
    ), f"MAE on complete data: {told}. How much voice and face tell here was put in by our simulator."


def unknown(why: str) -> Callable[[Evidence], Finding]:
    """A claim that nothing recorded speaks to."""
    return lambda evidence: (UNKNOWN, why)
