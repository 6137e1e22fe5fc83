"""The counterparts of the papers' tables: rows from the ledger with intervals over seeds, the papers' own rows beside
them.

The papers' numbers lie in data/results/papers.csv, copied from their tables. They were measured on real recordings with
other text encoders: they stand beside ours to be read, not to be compared. The column `area` is "not said" where the
paper does not say whether data was missing (MFMB-Net's Table 2).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mgmr_lib.experiments import beside
from mgmr_lib.experiments.ledger import curves, provenance_line, read_ledger, summary
from mgmr_lib.experiments.plan import (
    ABLATIONS,
    BASELINES,
    CARE,
    EXPERIMENTS,
    LAYERS,
    OBJECTIVES,
    PARTS,
    READINGS,
    REFERENCES,
    RIDGES,
    TWO,
    names_of,
)
from mgmr_lib.files import make_folder, write_text
from mgmr_lib.markdown import table as tabulated
from mgmr_lib.paths import REPOSITORY

PAPERS = REPOSITORY / "data" / "results" / "papers.csv"
METRICS = {
    "mosi": ("acc7", "acc5", "acc2_non0", "acc2_has0", "f1_non0", "f1_has0", "mae", "corr"),
    "sims": ("acc5", "acc3", "acc2", "f1", "mae", "corr"),
}
METRICS["mosei"] = METRICS["mosi"]
HEADS = {
    "acc7": "Acc-7",
    "acc5": "Acc-5",
    "acc3": "Acc-3",
    "acc2": "Acc-2",
    "f1": "F1",
    "acc2_non0": "Acc-2 neg/pos",
    "mae": "MAE",
    "acc2_has0": "Acc-2 neg/nonneg",
    "f1_non0": "F1 neg/pos",
    "f1_has0": "F1 neg/nonneg",
    "corr": "Corr",
    "seconds": "seconds",
}
AREA_WORDS = {
    "complete": "complete data (rate 0)",
    "mean": "plain mean over missing rates 0.0 to 0.9",
    "auilc": "AUILC over missing rates 0.0 to 1.0",
}


@dataclass(frozen=True)
class Table:
    """One counterpart: which records and area it shows, and which paper's table stands beside it (None where there is
    none)."""

    key: str
    title: str
    protocol: str
    area: str
    names: tuple[str, ...]
    paper: tuple[str, int] | None = None


def tables_of(experiment: str, family: str) -> list[Table]:
    """The tables of an experiment for a corpus of this family."""
    everyone = ("mean", *RIDGES, *BASELINES, *TWO)
    if experiment in ("curve", "rates"):  # the latter's is rates_table.py's
        return []
    if experiment == "table":
        overall = {"mosi": 3, "mosei": 4, "sims": 5}[family]
        area = ("MFMB-Net", 4) if family != "sims" else None
        complete = ("MFMB-Net", 3) if family != "sims" else None
        unimodal = ("MFMB-Net", 2) if family == "mosi" else None
        return [
            Table("overall", "All networks while modalities go missing", "B", "mean", everyone, ("MGMR-Net", overall)),
            Table("auilc", "All networks, area under the curve", "B", "auilc", everyone, area),
            Table("complete", "Trained and tested on complete data", "A-0.0", "complete", (*BASELINES, *TWO), complete),
            Table(
                "unimodal",
                "One modality or three, complete data",
                "A-0.0",
                "complete",
                ("fc_v", "fc_a", "fc_t", "concat"),
                unimodal,
            ),
        ]
    if experiment == "systems":
        names = ("mean", *RIDGES, "concat", *names_of("systems"))
        return [Table("systems", "Nine later networks beside the two", "B", "auilc", names)]
    if experiment == "layers":
        return [
            Table(
                "layers",
                "Both networks with the layers of Mamba-2 and Mamba-3",
                "B",
                "auilc",
                (*TWO, "mfmb_mamba", *LAYERS),
            )
        ]
    if experiment == "care":
        return [Table("care", "Both networks without what was chosen for them alone", "B", "auilc", (*TWO, *CARE))]
    if experiment == "objectives":
        both = tuple(name for pair in OBJECTIVES.items() for name in pair)
        return [Table("objectives", "MFMB-Net and two rivals, each with both objectives", "B", "auilc", both)]
    if experiment == "parts":
        names = ("mfmb", "mfmb_code", *PARTS)
        return [Table("parts", "The published code's parts, taken back one at a time", "B", "auilc", names)]
    papers = {"mgmr": ("MGMR-Net", 6), "mfmb": ("MFMB-Net", 5)} if family == "mosi" else {}
    return [
        Table(
            "ablation-mgmr", "MGMR-Net without its parts", "B", "mean", ("mgmr", *ABLATIONS["mgmr"]), papers.get("mgmr")
        ),
        Table(
            "ablation-mfmb",
            "MFMB-Net without its parts",
            "B",
            "auilc",
            ("mfmb", *ABLATIONS["mfmb"]),
            papers.get("mfmb"),
        ),
        Table("readings", "Other readings of both papers", "B", "auilc", (*TWO, *READINGS)),
    ]


def paper_rows(paper: tuple[str, int] | None, family: str) -> pd.DataFrame:
    """The rows that a paper's table prints for this family: index model, columns metrics, as printed (per cent, or MAE
    and Corr)."""
    frame = pd.read_csv(PAPERS)
    if paper is None:
        return frame.iloc[:0].pivot_table(index="model", columns="metric", values="value")
    part = frame[(frame.paper == paper[0]) & (frame.table == paper[1]) & (frame.corpus == family)]
    wide = part.pivot_table(index="model", columns="metric", values="value", sort=False)
    return wide.reindex(part["model"].unique())


def condition_said(paper: tuple[str, int], family: str) -> bool:
    """Whether the paper says on what data its table was measured, complete or at which missing rates."""
    frame = pd.read_csv(PAPERS)
    part = frame[(frame.paper == paper[0]) & (frame.table == paper[1]) & (frame.corpus == family)]
    return "not said" not in set(part.area)


def rows(table: Table, records: Iterable[dict], family: str) -> pd.DataFrame:
    """Tidy numbers of a table: name, label, source, seeds, METRIC, METRIC low, METRIC high (accuracies and F1 in per
    cent), and what stands beside a network (beside.py)."""
    records = [r for r in records if r["name"] in table.names]
    found, trained = summary(records, table.names), beside.beside(records)
    out = []
    for name, row in found.iterrows():
        line: dict = {"name": name, "label": row["label"], "source": "this course", "seeds": row["seeds"]}
        for metric in METRICS[family]:
            factor = 1.0 if metric in ("mae", "corr") else 100.0
            for suffix in ("", " low", " high"):
                line[metric + suffix] = factor * row.get(f"{table.area} {metric}{suffix}", float("nan"))
        out.append(line | (trained[name].row() if name in trained else {}))
    paper, number = table.paper or ("", 0)
    for model, values in paper_rows(table.paper, family).iterrows():
        source = f"{paper}'s Table {number}"
        out.append({"label": model, "source": source, **{m: values.get(m, float("nan")) for m in METRICS[family]}})
    return pd.DataFrame(out)


def cell(row: pd.Series, metric: str) -> str:
    """ "73.5 [72.9, 74.1]", "0.526 [0.517, 0.535]"; without an interval where there is one seed; "" where there is no
    number."""
    value, low, high = row[metric], row.get(f"{metric} low"), row.get(f"{metric} high")
    digits = 3 if metric in ("mae", "corr") else 1
    if pd.isna(value):
        return ""
    if row["source"] != "this course":
        return f"{value:.{3 if digits == 3 else 2}f}"
    return f"{value:.{digits}f}" if pd.isna(low) else f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def page(table: Table, frame: pd.DataFrame, records: Iterable[dict], family: str, experiment: str = "table") -> str:
    """The table as a Markdown page: what it shows, provenance, rows; the papers' rows are marked and set apart."""
    metrics = [m for m in METRICS[family] if m in frame and frame[m].notna().any()]
    records = [r for r in records if r["name"] in table.names]
    lines = [
        f"# {table.title}",
        "",
        f"Protocol {table.protocol}, {AREA_WORDS[table.area]}. Brackets: 95 % intervals over training seeds (Student's "
        "t).",
        "",
    ]
    lines += [provenance_line(records, experiment), *_settings_lines(records), ""]
    if "classroom" in "".join(r["corpus"] for r in records):
        lines += ["Voice and face of the classroom corpora are simulated; sentences and ratings are real.", ""]
    heads = [HEADS[m] for m in metrics]
    ours = frame[frame.source == "this course"]
    trained = beside.beside(records)
    cells = [
        (r["label"], int(r["seeds"]), *(cell(r, m) for m in metrics), *beside.cells(trained.get(r["name"])))
        for _, r in ours.iterrows()
    ]
    lines.append(tabulated(("network", "seeds", *heads, *beside.HEADS), cells))
    lines += ["", beside.NOTE]
    theirs = frame[frame.source != "this course"]
    if table.paper and len(theirs):
        unsaid = "" if condition_said(table.paper, family) else "; it does not say whether the clips are complete"
        lines += [
            "",
            f"**The paper's numbers** ({theirs.iloc[0]['source']}; real {family.upper()} recordings, other encoders, "
            f"one number a cell{unsaid}):",
            "",
        ]
        cells = [(r["label"], *(cell(r, m) for m in metrics)) for _, r in theirs.iterrows()]
        lines.append(tabulated(("network", *heads), cells))
    return "\n".join(lines) + "\n"


def _settings_lines(records: list[dict]) -> list[str]:
    """What these runs set in the place of their profile's values."""
    settings = {k: v for r in records for k, v in r.get("settings", {}).items()}
    words = ", ".join(f"`{k}={v}`" for k, v in settings.items())
    return ["", f"**Not the profile's own settings**: {words}."] if settings else []


def lacking(
    ledger: Path | Iterable[Path], corpus: str, profile: str, planned: Mapping[str, Mapping[str, Iterable]]
) -> str:
    """Which planned runs no record is there of, "" for none: "mgmr (seeds 1113), tfn (all seeds)", protocol A's named.

    planned: {protocol's folder: {name: training seeds}} (plan.planned).
    """
    words = []
    for protocol, names in planned.items():
        recorded = {(r["name"], r["training_seed"]) for r in read_ledger(ledger, corpus, profile, protocol)}
        for name, seeds in names.items():
            missing = [str(s) for s in seeds if (name, s) not in recorded]
            if missing:
                which = "all seeds" if len(missing) == len(tuple(seeds)) else f"seeds {', '.join(missing)}"
                words.append(f"{name} ({which}{'' if protocol == 'B' else ', protocol A'})")
    return ", ".join(words)


def report(
    experiment: str, ledger: Path | Iterable[Path], corpus: str, profile: str, out: Path, fingerprint: str | None = None
) -> list[Path]:
    """Write an experiment's tables (Markdown and CSV) and figure (PNG) from the records; returns the files.

    corpus, profile: the records' folders (records.corpus_key, records.profile_key). fingerprint: only records of this
    content; another version of a classroom corpus under the same name is left out.
    """
    from mgmr_lib.evaluation.plots import save_figure
    from mgmr_lib.experiments import rates_table
    from mgmr_lib.experiments.figures import ablation_figure, area_figure, curve_figure

    if experiment == "rates":
        return rates_table.report(ledger, corpus, profile, out, fingerprint)
    by_protocol = {p: read_ledger(ledger, corpus, profile, p) for p in ("B", "A-0.0")}
    if fingerprint is not None:
        by_protocol = {p: [r for r in rs if r["fingerprint"] == fingerprint] for p, rs in by_protocol.items()}
    everything = by_protocol["B"] + by_protocol["A-0.0"]
    if not everything:
        return []
    family, name = everything[0]["dataset"], everything[0]["corpus"]
    folder = out / (name if name == corpus else f"{name}-{corpus}") / profile
    make_folder(folder)
    texts: dict[str, str] = {}
    if experiment == "curve":
        texts["curves.csv"] = curves(by_protocol["B"]).to_csv(index=False, float_format="%.6g", lineterminator="\n")
    # Of the others, the networks beside their own are in these tables already.
    own = experiment in ("table", "curve") or any(r["name"] in EXPERIMENTS[experiment] for r in everything)
    for table in tables_of(experiment, family) if own else []:
        records = by_protocol[table.protocol]
        frame = rows(table, records, family)
        if len(frame) and (frame.source == "this course").any():
            texts[f"{table.key}.md"] = page(table, frame, records, family, experiment)
            texts[f"{table.key}.csv"] = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    for file, text in texts.items():
        write_text(folder / file, text)
    files = [folder / file for file in texts]
    draw = {"curve": curve_figure, "ablation": ablation_figure}.get(experiment, area_figure)
    drawn = [r for r in by_protocol["B"] if r["name"] in (*names_of(experiment), *REFERENCES)]
    if drawn and own:
        files.append(folder / f"{experiment}.png")
        save_figure(draw(drawn, f"{name}, {profile} profile"), files[-1])
    return files
