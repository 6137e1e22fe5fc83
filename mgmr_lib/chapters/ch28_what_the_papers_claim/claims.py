"""Every claim of both papers that a measurement could meet: what the paper's own tables show of it, and ours.

Each claim is stated in our words. Nothing here is typed that can be computed: the papers' numbers come from papers.csv,
ours from the ledger and the record of costs, and a claim that nothing recorded can speak to is unknown.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pandas as pd

from mgmr_lib import markdown
from mgmr_lib.chapters.ch28_what_the_papers_claim import rivals
from mgmr_lib.evaluation.statistics import holm
from mgmr_lib.experiments import verdicts
from mgmr_lib.experiments.figures import differences
from mgmr_lib.experiments.plan import TWO, VARIANTS
from mgmr_lib.experiments.tables import paper_rows

HOLDS, PART, NOT, APART, UNKNOWN = (
    "holds here",
    "in part",
    "does not hold here",
    "not told apart here",
    "unknown here",
)
WORDS = (HOLDS, PART, NOT, APART, UNKNOWN)
LOWER = ("mae",)
RIVALS = rivals.RIVALS
TABLE_7 = ("misa", "self_mm", "mmim", "almt", "lnln")  # beside whom MGMR-Net's inference is timed in its paper
SEVERAL = 3
Finding = tuple[str, str]  # (one of the five words, why)


@dataclass(frozen=True)
class Evidence:
    """What was recorded: runs under protocol B and A (complete data), the costs (None where there are none), and runs
    under protocol B with settings that one search chose for everyone."""

    runs: list[dict]
    complete: list[dict]
    costs: dict | None
    equal: list[dict] = field(default_factory=list)

    @functools.cached_property
    def changes(self) -> pd.DataFrame:
        """Every recorded change of a network against the whole one, by pairs of seeds, and "told" by Holm."""
        found = differences(self.runs)
        return found.assign(told=holm(found["p"].tolist()) if len(found) else [])


@dataclass(frozen=True)
class Claim:
    """says: the claim in our words; place: where the paper makes it; printed: what its own tables show; here: what
    ours do."""

    paper: str
    place: str
    says: str
    printed: Callable[[], str]
    here: Callable[[Evidence], Finding]


# --- what the papers' own tables show


def best_columns(paper: str, table: int, family: str, network: str) -> tuple[int, int]:
    """(columns in which the network's printed value is strictly the best, columns)."""
    rows = paper_rows((paper, table), family)
    best = 0
    for metric in rows.columns:
        sign = -1 if metric in LOWER else 1
        mine, others = sign * rows.loc[network, metric], sign * rows.drop(network)[metric]
        best += bool(mine > others.max())
    return best, len(rows.columns)


def consistently(paper: str, tables: tuple[tuple[int, str], ...], network: str) -> str:
    """ "best in 8 of 8 columns of Table 3 (MOSI), ..."."""
    found = [(table, family, *best_columns(paper, table, family, network)) for table, family in tables]
    return "best in " + ", ".join(f"{b} of {n} columns of Table {t} ({f.upper()})" for t, f, b, n in found)


def printed_loss(paper: str, table: int, whole: str, part: str) -> str:
    """What the row without a part prints beside the whole network's: in how many columns it is worse, and by what."""
    rows = paper_rows((paper, table), "mosi")
    a, b = rows.loc[whole], rows.loc[f"{whole} w/o {part}"]
    worse = sum((b[m] > a[m]) if m in LOWER else (b[m] < a[m]) for m in rows.columns)
    told = [f"{m} {b[m] - a[m]:+.3f}" if m in ("mae", "corr") else f"{m} {b[m] - a[m]:+.1f}" for m in rows.columns]
    return f"Table {table}: worse in {worse} of {len(rows.columns)} columns ({', '.join(told)}), one number a cell"


# --- what ours show


def against(network: str, paper: str, table: int):
    """A finding: from how many rivals of the paper's own table the network is told apart, in the AUILC of MAE, judged
    as one family, all with settings that one search chose. It holds if the network is better than all. Beside that, in
    numbers: everyone, and the same without the search."""

    def here(evidence: Evidence) -> Finding:
        own, everyone = rivals.theirs(paper, table), ("mfmb" if network == "mgmr" else "mgmr", *RIVALS)
        found = rivals.differences(evidence, network, "equal search", own)
        if not len(found):
            return UNKNOWN, "no run is recorded."
        others = {c: rivals.told_apart(rivals.differences(evidence, network, c, everyone)) for c in rivals.CONDITIONS}
        why = f"{rivals.told_apart(found)} of its own rivals, {_open(found)}. All recorded networks, after "
        why += "; with ".join(f"{condition}: {told}" for condition, told in others.items())
        return _rank(found), f"by MAE alone, {why}."

    return here


def on_complete(network: str, paper: str, table: int, least: int | None = None):
    """A finding like against(), trained and tested on complete data, in the profile's settings. Unknown where fewer
    than SEVERAL of the paper's rivals are recorded so, in part where some are missing; `least`: it holds if better than
    so many and worse than none."""

    def here(evidence: Evidence) -> Finding:
        own = rivals.theirs(paper, table)
        found = verdicts.family(evidence.complete, [(network, rival) for rival in own], area="complete")
        if len(found) < SEVERAL:
            return UNKNOWN, f"of its {len(own)} rivals {len(found)} are recorded so: {rivals.told_apart(found)}."
        why = f"by MAE alone, {rivals.told_apart(found)} of its {len(own)} rivals that are recorded so, {_open(found)}."
        word = _rank(found, least)
        return (PART if word == HOLDS and least is None and len(found) < len(own) else word), why

    return here


def _open(found: pd.DataFrame) -> str:
    names = found["second"][found["word"] == verdicts.NOT_TOLD_APART].tolist()
    return f"not told apart from {', '.join(names) or 'none'}"


def _rank(found: pd.DataFrame, least: int | None = None) -> str:
    words = found["word"].tolist()
    better, worse = words.count(verdicts.BETTER), words.count(verdicts.WORSE)
    holds = better == len(found) if least is None else better >= least and not worse
    return HOLDS if holds else PART if better else NOT if worse else APART


def marginal_loss(evidence: Evidence) -> Finding:
    """Which share of its lead over the mean label MGMR-Net keeps at rate 0.9, beside its paper's rivals' shares: the
    paper calls the loss marginal "in contrast" to theirs."""
    records = evidence.equal or evidence.runs
    found = rivals.keeps_more(records, "mgmr", rivals.theirs(MGMR, 3))
    if not len(found):
        return UNKNOWN, "no run is recorded."
    left = rivals.shares_left(records)
    shares = {name: sum(values) / len(values) for name, values in left.items() if name in found.index or name == "mgmr"}
    others = [share for name, share in shares.items() if name != "mgmr"]
    why = f"of its lead over the mean label, in MAE, {shares['mgmr']:.0%} are left at rate 0.9, of its rivals' "
    more, less = (found["word"].tolist().count(word) for word in (verdicts.BETTER, verdicts.WORSE))
    why += (
        f"{min(others):.0%} to {max(others):.0%}; told apart as more than {more}, as less than {less} of {len(found)}."
    )
    return _rank(found), why


def changed(variant: str):
    """A finding on a changed network against the whole one: notebook 22's test, by pairs of seeds, in one family of all
    recorded changes."""

    def here(evidence: Evidence) -> Finding:
        if variant not in evidence.changes.index:
            return UNKNOWN, "no run is recorded."
        row = evidence.changes.loc[variant]
        word = APART if not row["told"] else HOLDS if row["mean"] > 0 else NOT
        return word, f"the AUILC of MAE changes by {verdicts.interval_text(row)}, p = {row['p']:.2g}."

    return here


def changed_most(variant: str, others: Iterable[str]):
    """changed(), for a claim that this change does most harm: in part where it harms and another harms more."""

    def here(evidence: Evidence) -> Finding:
        word, why = changed(variant)(evidence)
        means = evidence.changes["mean"] if len(evidence.changes) else {}
        more = [VARIANTS[o].label for o in others if variant in means and o in means and means[o] > means[variant]]
        if more:
            why += f" The error rises more with {' and '.join(more)}."
        return PART if word == HOLDS and more else word, why

    return here


def linear_cost(evidence: Evidence) -> Finding:
    """The last doubling of the frames, in seconds of a recorded train step, beside MulT's attention."""
    if evidence.costs is None:
        return UNKNOWN, "no cost is recorded."
    factors = {}
    for name in ("mgmr", "mult"):
        rows = [r for r in evidence.costs["over_length"] if r["name"] == name and r["pass"] != "forward"]
        at = {r["frames"]: r["seconds"] for r in rows}
        lengths = sorted(at)
        factors[name] = at[lengths[-1]] / at[lengths[-2]]
    why = f"from {lengths[-2]} to {lengths[-1]} frames a train step takes {factors['mgmr']:.2f} times as long, "
    return (HOLDS if factors["mgmr"] < 2.3 else NOT), why + f"MulT's {factors['mult']:.2f} times."


def fast_inference(evidence: Evidence) -> Finding:
    """Recorded seconds over the test split beside the other networks'; faster is who is so at every rate, which do the
    same work. Judged beside Table 7's rivals alone, to whom the claim compares."""
    if evidence.costs is None:
        return UNKNOWN, "no cost is recorded."
    at = {(r["name"], r["rate"]): r["seconds"] for r in evidence.costs["inference"]}
    names, rates = {n for n, _ in at}, {rate for _, rate in at}
    others = sorted(n for n in names if n in (*TWO, *RIVALS) and n != "mgmr")  # of other papers, not our variants
    ahead = {n for n in others if all(at[n, r] < at["mgmr", r] for r in rates)}
    faster = sorted(VARIANTS[n].label for n in ahead)
    why = (
        f"{at['mgmr', 0.0]:.2f} s for the complete test split; faster, complete and half missing: "
        f"{', '.join(faster) or 'none'} (of {len(others)} networks)."
    )
    rivals = names & set(TABLE_7)
    if not rivals:
        return UNKNOWN, why + " None of Table 7's rivals was timed."
    return (HOLDS if not rivals & ahead else NOT if rivals <= ahead else PART), why


def text_first(evidence: Evidence) -> Finding:
    """One modality alone on complete data: is text ahead of both others, and the three together ahead of text?"""
    pairs = [("fc_t", "fc_a"), ("fc_t", "fc_v"), ("concat", "fc_t")]
    found = verdicts.family(evidence.complete, pairs, area="complete")
    if len(found) < len(pairs):
        return UNKNOWN, "no run is recorded."
    words = found["word"].tolist()
    told = "; ".join(f"{r['first']} against {r['second']} {verdicts.interval_text(r)}" for _, r in found.iterrows())
    none = NOT if verdicts.WORSE in words else APART
    word = HOLDS if words == [verdicts.BETTER] * 3 else PART if verdicts.BETTER in words else none
    return word, f"MAE on complete data: {told}. How much voice and face tell here was put in by our simulator."


def unknown(why: str):
    """A claim that nothing recorded speaks to."""
    return lambda evidence: (UNKNOWN, why)


MGMR, MFMB = "MGMR-Net", "MFMB-Net"
CLAIMS = (
    Claim(MGMR, "1", "It is consistently ahead of the state of the art, on three corpora, while modalities go missing.",
          lambda: consistently(MGMR, ((3, "mosi"), (4, "mosei"), (5, "sims")), MGMR),
          against("mgmr", MGMR, 3)),
    Claim(MGMR, "abstract", "On complete data, too, it is ahead of several others.",
          lambda: "no table of complete data",
          on_complete("mgmr", MGMR, 3, least=SEVERAL)),
    Claim(MGMR, "5.1", "It loses only marginally as more goes missing, in contrast to its rivals.",
          lambda: "Figure 3: curves, no numbers", marginal_loss),
    Claim(MGMR, "5.2", "Without the first stage, alignment, it is worse.",
          lambda: printed_loss(MGMR, 6, MGMR, "S-1"), changed("mgmr_no_s1")),
    Claim(MGMR, "5.2", "Without the second stage, fusion, it is worse.",
          lambda: printed_loss(MGMR, 6, MGMR, "S-2"), changed("mgmr_no_s2")),
    Claim(MGMR, "5.2", "Without the reconstruction it is worse.",
          lambda: printed_loss(MGMR, 6, MGMR, "Recon"), changed("mgmr_no_recon")),
    Claim(MGMR, "3.3", "Its time grows linearly with the length.",
          lambda: "no table over lengths", linear_cost),
    Claim(MGMR, "5.3", "Its inference time is competitive.",
          lambda: "Table 7: seconds, one number a cell, not said of what", fast_inference),
    Claim(MGMR, "3.3", "Its modalities help each other inside of a layer.",
          lambda: "the layer's equations have no term from one modality to another", changed("mgmr_shared")),
    Claim(MGMR, "5.1", "It carries over from one culture to another.",
          lambda: "three corpora, each trained and tested by itself; no test across",
          unknown("our corpora are English sentences from one collection, of one culture.")),
    Claim(MGMR, "abstract; 2.2, 2.3", "It reconstructs in a cycle, and in continuous time.",
          lambda: "promised there, absent from section 3", unknown("there is no equation to build.")),
    Claim(MGMR, "5.4", "It reads subtle cues where others fail (Figure 4).",
          lambda: "three clips, said to be representative: rivals fail on one, nobody on the next, all on the last",
          unknown("our clips have other words; notebook 24 shows how such cases are chosen.")),
    Claim(MFMB, "robustness study", "It is ahead of all others while modalities go missing: on MOSI in MAE, Corr, "
          "Acc-5 and F1, on MOSEI in nearly all metrics.",
          lambda: consistently(MFMB, ((4, "mosi"), (4, "mosei")), MFMB), against("mfmb", MFMB, 4)),
    Claim(MFMB, "complete setting", "On complete data it is ahead of all others, in almost all metrics.",
          lambda: consistently(MFMB, ((3, "mosi"), (3, "mosei")), MFMB),
          on_complete("mfmb", MFMB, 3)),
    Claim(MFMB, "unimodal experiments", "Text tells most, and three modalities tell more.",
          lambda: "Table 2: the text's rows are ahead, one number a cell, not said whether of complete data; the "
                  "published file that is headed so mixes the clips of a batch",
          text_first),
    Claim(MFMB, "ablation study", "Without the macro stream it is worse.",
          lambda: printed_loss(MFMB, 5, MFMB, "F-1"), changed("mfmb_no_f1")),
    Claim(MFMB, "ablation study", "Without the micro stream it is worse, more than without the macro stream.",
          lambda: printed_loss(MFMB, 5, MFMB, "F-2"), changed_most("mfmb_no_f2", ("mfmb_no_f1",))),
    Claim(MFMB, "ablation study", "Without the reconstruction it is worse, most of all.",
          lambda: printed_loss(MFMB, 5, MFMB, "Recon"), changed_most("mfmb_no_recon", ("mfmb_no_f1", "mfmb_no_f2"))),
    Claim(MFMB, "abstract; conclusion", "Its reconstruction and its fusion work together on what is missing.",
          lambda: "in the equations what is rebuilt meets the loss alone; in its code the line that hands it to the "
                  "fusion is commented out",
          unknown("there is no equation to build.")),
)  # fmt: skip


def judged(evidence: Evidence) -> list[tuple[Claim, Finding]]:
    """Every claim with what was recorded of it."""
    return [(claim, claim.here(evidence)) for claim in CLAIMS]


def page(found: Iterable[tuple[Claim, Finding]], paper: str) -> str:
    """A Markdown table of one paper's claims."""
    rows = [
        (f"{c.says} ({c.place})", c.printed(), f"**{word}**: {why}") for c, (word, why) in found if c.paper == paper
    ]
    return markdown.table((f"{paper} says", "its own tables", "our records"), rows)
