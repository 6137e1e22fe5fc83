"""Every claim of both papers that a measurement could meet: what the paper's own tables show of it, and ours.

Each claim is stated in our words. Nothing here is typed that can be computed: the papers' numbers come from papers.csv,
ours from the ledger and the record of costs, and a claim that nothing recorded can speak to is unknown.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mgmr_lib import markdown
from mgmr_lib.chapters.ch28_what_the_papers_claim.findings import (
    SEVERAL,
    Evidence,
    Finding,
    against,
    changed,
    changed_most,
    fast_inference,
    linear_cost,
    marginal_loss,
    on_complete,
    text_first,
    unknown,
)
from mgmr_lib.chapters.ch28_what_the_papers_claim.printed import consistently, inference_times, loss
from mgmr_lib.experiments.tables import METRICS

EIGHT = METRICS["mosi"]  # the columns of a table


@dataclass(frozen=True)
class Claim:
    """says: the claim in our words; place: where the paper makes it; printed: what its own tables show; here: what
    ours do."""

    paper: str
    place: str
    says: str
    printed: Callable[[], str]
    here: Callable[[Evidence], Finding]


MGMR, MFMB = "MGMR-Net", "MFMB-Net"
CLAIMS = (
    Claim(MGMR, "1", "It is consistently ahead of the state of the art, on three corpora, while modalities go missing.",
          lambda: consistently(MGMR, ((3, "mosi"), (4, "mosei"), (5, "sims")), MGMR),
          against("mgmr", MGMR, 3, EIGHT, "Its rank on MOSEI and, beside three of its rivals, on SIMS", on_sims=True)),
    Claim(MGMR, "abstract", "On complete data, too, it is ahead of several others.",
          lambda: "no table of complete data",
          on_complete("mgmr", MGMR, 3, EIGHT, "equal", least=SEVERAL)),
    Claim(MGMR, "5.1", "It loses only marginally as more goes missing, in contrast to its rivals.",
          lambda: "Figure 3: curves, no numbers", marginal_loss(MGMR, 3)),
    Claim(MGMR, "5.2", "Without the first stage, alignment, it is worse, above all in accuracy.",
          lambda: loss(MGMR, 6, MGMR, "S-1", ("S-2", "Recon")), changed("mgmr_no_s1")),
    Claim(MGMR, "5.2", "Without the second stage, fusion, it is worse.",
          lambda: loss(MGMR, 6, MGMR, "S-2"), changed("mgmr_no_s2")),
    Claim(MGMR, "5.2", "Without the reconstruction it is worse, above all in F1 and MAE.",
          lambda: loss(MGMR, 6, MGMR, "Recon", ("S-1", "S-2")),
          changed_most("mgmr_no_recon", ("mgmr_no_s1", "mgmr_no_s2"))),
    Claim(MGMR, "3.3", "Its time grows linearly with the length.",
          lambda: "no table over lengths", linear_cost),
    Claim(MGMR, "5.3", "Its inference time is competitive.",
          lambda: inference_times(MGMR, 7, MGMR), fast_inference),
    Claim(MGMR, "3.3", "Its modalities help each other inside of a layer.",
          lambda: "stage 1's equations have no term from one modality to another; in stage 2 the layer reads all three "
                  "in turn", changed("mgmr_shared")),
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
          lambda: consistently(MFMB, ((4, "mosi"), (4, "mosei")), MFMB),
          against("mfmb", MFMB, 4, ("mae", "corr", "acc5", "f1_non0", "f1_has0"), "Its rank on MOSEI")),
    Claim(MFMB, "complete setting", "On complete data it is ahead of all others, in almost all metrics.",
          lambda: consistently(MFMB, ((3, "mosi"), (3, "mosei")), MFMB),
          on_complete("mfmb", MFMB, 3, EIGHT, "complete")),
    Claim(MFMB, "unimodal experiments", "Text tells most, and three modalities tell more.",
          lambda: "Table 2: the text's rows are ahead, one number a cell, not said whether of complete data; the "
                  "published file that is headed so mixes the clips of a batch",
          text_first),
    Claim(MFMB, "ablation study", "Without the macro stream it is worse.",
          lambda: loss(MFMB, 5, MFMB, "F-1"), changed("mfmb_no_f1")),
    Claim(MFMB, "ablation study", "Without the micro stream it is worse, more than without the macro stream.",
          lambda: loss(MFMB, 5, MFMB, "F-2", ("F-1",)), changed_most("mfmb_no_f2", ("mfmb_no_f1",))),
    Claim(MFMB, "ablation study", "Without the reconstruction it is worse, most of all.",
          lambda: loss(MFMB, 5, MFMB, "Recon", ("F-1", "F-2")),
          changed_most("mfmb_no_recon", ("mfmb_no_f1", "mfmb_no_f2"))),
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
