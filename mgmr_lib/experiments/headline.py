"""Which networks stand where: their areas with intervals, and who is told apart from whom, as Markdown."""

import pandas as pd

from mgmr_lib import markdown
from mgmr_lib.experiments import beside
from mgmr_lib.experiments.ledger import summary
from mgmr_lib.experiments.plan import REFERENCES, RIDGES, SYSTEMS, TWO
from mgmr_lib.experiments.verdicts import BETTER, NOT_TOLD_APART, WORSE, family, interval_text

SHOWN = (
    "mfmb",
    "mgmr",
    "tfr",
    "mult",
    "early_lstm",
    "late_lstm",
    "concat",
    "tfn",
    "lmf",
    "fc_t",
    "fc_a",
    "fc_v",
    *RIDGES,
    "mean",
)
EVERYONE = (*SHOWN, *SYSTEMS)
RIVALS = tuple(name for name in EVERYONE if name not in (*TWO, *RIDGES[1:], "mean"))


def cell(row, key: str) -> str:
    value, low, high = row[key], row[f"{key} low"], row[f"{key} high"]
    return f"{value:.3f}" if low != low else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def headline_table(records: list[dict]) -> str:
    """Networks by their AUILC of MAE: complete data and areas, with intervals over training seeds; beside them what
    they were trained on, their size, trials and best epochs."""
    frame, trained = summary(records, EVERYONE).sort_values("auilc mae"), beside.beside(records)
    keys = ("complete mae", "complete corr", "auilc mae", "auilc corr")
    rows = [
        (
            row["label"],
            "none" if name in REFERENCES else int(row["seeds"]),
            *(cell(row, k) for k in keys),
            *beside.cells(trained.get(name)),
        )
        for name, row in frame.iterrows()
    ]
    heads = ("network", "seeds", "MAE, complete", "Corr, complete", "AUILC of MAE", "AUILC of Corr", *beside.HEADS)
    return f"{markdown.table(heads, rows)}\n\n{beside.NOTE}"


def judged(records: list[dict]) -> pd.DataFrame:
    """verdicts.family of both networks against each other and every rival."""
    return family(records, [TWO, *((network, rival) for network in TWO for rival in RIVALS)])


def verdicts(found: pd.DataFrame) -> str:
    """Markdown of judged(): one row each; "" without records."""
    rows = [
        (r["first"], r["second"], "{} / {}".format(*r["seeds"]), interval_text(r), f"{r['p']:.2g}",
         r["word"] if r["word"] == NOT_TOLD_APART else f"**{r['word']}**")
        for _, r in found.iterrows()
    ]  # fmt: skip
    head = ("network", "against", "seeds", "difference of the AUILC of MAE", "p", "the network is")
    return markdown.table(head, rows) if rows else ""


def in_words(found: pd.DataFrame) -> str:
    """Markdown of judged(): for each network, from whom it is told apart."""
    says = {BETTER: "better than {}", WORSE: "**worse** than {}", NOT_TOLD_APART: "not told apart from {}"}
    lines = []
    for network, rows in found.groupby("first", sort=False) if len(found) else ():
        parts = [
            sentence.format(", ".join(rows.loc[rows["word"] == word, "second"]))
            for word, sentence in says.items()
            if (rows["word"] == word).any()
        ]
        lines.append(f"- **{network}** is {'; '.join(parts)}.")
    return "\n".join(lines)
