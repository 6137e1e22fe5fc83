"""The network or its objective? MFMB-Net and two rivals, each trained on L1 and on two-hot classes."""

from collections.abc import Iterable

import pandas as pd

from mgmr_lib.experiments import verdicts
from mgmr_lib.experiments.plan import OBJECTIVES

ON = {  # objective -> {network: the variant that is trained on it}
    "L1": {"mfmb": "mfmb_l1", "concat": "concat", "late_lstm": "late_lstm"},
    "classes": {"mfmb": "mfmb", "concat": "concat_classes", "late_lstm": "late_lstm_classes"},
}


def family(records: Iterable[dict]) -> pd.DataFrame:
    """verdicts.family of seven differences in the AUILC of MAE: MFMB-Net against each rival on the same objective, and
    each network on classes against itself on L1; fewer where a variant is not recorded."""
    rivals = [(on["mfmb"], on[rival]) for on in ON.values() for rival in ("concat", "late_lstm")]
    return verdicts.family(records, rivals + [(ON["classes"][n], ON["L1"][n]) for n in OBJECTIVES])


def lead(found: pd.DataFrame, objective: str, rival: str = "concat") -> float:
    """By how much less MFMB-Net errs than a rival where both have this objective."""
    return -float(found.loc[(ON[objective]["mfmb"], ON[objective][rival]), "mean"])


def line(records: Iterable[dict]) -> str:
    """A sentence: MFMB-Net beside Concat where both have one objective; "" where it is not recorded."""
    found = family(records)
    if len(found) < 7:
        return ""
    told = {objective: found.loc[(on["mfmb"], on["concat"])] for objective, on in ON.items()}
    said = "; ".join(f"both on {o}, {verdicts.interval_text(row)}, {row['word']}" for o, row in told.items())
    return (
        "In this table MFMB-Net has classes and its rivals a distance. Trained on the same objective, with everything "
        f"else as it is (`experiment objectives`, notebook 19), MFMB-Net minus Concat in the AUILC of MAE: {said} (of "
        f"{len(found)} comparisons)."
    )
