"""README's results: the headline table and figures, from the ledger and nothing else."""

from pathlib import Path

from mgmr_lib import markdown
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments.ledger import by_name, paired, provenance_line, read_ledger, summary
from mgmr_lib.experiments.plan import REFERENCES, TWO
from mgmr_lib.experiments.verdicts import NOT_TOLD_APART, interval_text, verdict
from mgmr_lib.paths import REPOSITORY

CORPUS, PROFILE = "classroom-mosi", "laptop"
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
    "text_ridge",
    "frames_ridge",
    "mean",
)
RIVALS = ("concat", "late_lstm", "fc_t")


def _cell(row, key: str) -> str:
    value, low, high = row[key], row[f"{key} low"], row[f"{key} high"]
    return f"{value:.3f}" if low != low else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def headline_table(records: list[dict]) -> str:
    """Networks by their AUILC of MAE: complete data and areas, with intervals over training seeds."""
    frame = summary(records, SHOWN).sort_values("auilc mae")
    keys = ("complete mae", "complete corr", "auilc mae", "auilc corr")
    rows = [
        (row["label"], "none" if name in REFERENCES else int(row["seeds"]), *(_cell(row, k) for k in keys))
        for name, row in frame.iterrows()
    ]
    return markdown.table(
        ("network", "seeds", "MAE, complete", "Corr, complete", "AUILC of MAE", "AUILC of Corr"), rows
    )


def _word(difference: dict, metric: str) -> str:
    word = verdict(difference, metric)
    return word if word == NOT_TOLD_APART else f"**{word}**"


def verdicts(records: list[dict]) -> list[str]:
    """What the paired differences say of the two networks against simple rivals, computed, one sentence each."""
    names, out = by_name(records), []
    for network in [n for n in TWO if n in names]:
        for rival in [r for r in RIVALS if r in names]:
            found = {m: paired(records, network, rival, m) for m in ("mae", "corr")}
            mae, corr = (f"{interval_text(f)}, {_word(f, m)}" for m, f in found.items())
            out.append(f"- {names[network][0]['label']} against {names[rival][0]['label']}: AUILC of MAE {mae}; of "
                       f"Corr {corr} ({len(found['mae']['seeds'])} seeds).")  # fmt: skip
    return out


def results_section(root: Path = REPOSITORY) -> str:
    """Markdown between README's markers; says so where nothing is recorded. A damaged record is a CourseError."""
    records = read_ledger(root / "data" / "results" / "ledger", CORPUS, PROFILE)
    if not records:
        return "Nothing is recorded yet: `python -m mgmr_lib experiment table` fills the ledger."
    figure = f"data/results/tables/{CORPUS}/{PROFILE}"
    if not (root / figure / "curve.png").exists():
        raise CourseError(
            f"{figure}/curve.png does not exist: run `python -m mgmr_lib experiment curve --into-course --report-only`"
        )
    shown = [r for r in records if r["name"] in SHOWN]
    return "\n".join([
        f"![F1 and error of the networks as more of each clip goes missing]({figure}/curve.png)", "",
        "*Sentences and ratings are real (VADER's ground truth); voice and face are simulated: "
        "[data/README.md](data/README.md).*", "",
        headline_table(shown), "",
        "Brackets: 95 % intervals over training seeds; differences below are paired by seed.", "",
        *verdicts(shown), "",
        provenance_line(shown), "",
        f"All tables, beside the papers' own numbers: [{figure}]({figure}). Any of them again: `python -m mgmr_lib "
        "experiment table`, or one run with `python -m mgmr_lib experiment reproduce --record "
        "data/results/ledger/...`.",
    ])  # fmt: skip
