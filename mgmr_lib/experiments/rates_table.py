"""Experiment "rates": a network for each missing rate (protocol A: trained and tested at that rate) beside one network
for all rates (protocol B: it meets every rate in training, and is tested at this one)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from mgmr_lib import markdown
from mgmr_lib.evaluation.statistics import holm, t_interval, welch
from mgmr_lib.experiments.ledger import curves, provenance_line, read_ledger
from mgmr_lib.experiments.plan import APART, filed, names_of
from mgmr_lib.experiments.verdicts import BETTER, NOT_TOLD_APART, WORSE, interval_text
from mgmr_lib.files import make_folder, write_text

TITLE = "A network for each missing rate, or one for all of them"


def comparison(ledger: Path | Iterable[Path], corpus: str, profile: str, fingerprint: str | None = None):
    """(frame, records): a row for each network and rate of APART that both protocols recorded with two seeds or more.

    Columns: name, label, rate; "own" and "shared", mean absolute errors with "own low" and so on (Student's t over
    seeds); "seeds", of both; "mean", "low", "high", "p" of own - shared by Welch's test; "word" for the network of its
    own, by Holm's procedure over all rows.
    """
    names, rows, used = names_of("rates"), [], []
    of = {}
    for trained in ("B", *(filed("A", rate) for rate in APART)):
        found = [r for r in read_ledger(ledger, corpus, profile, trained) if r["name"] in names]
        of[trained] = [r for r in found if fingerprint in (None, r["fingerprint"])]
    for name in names:
        shared = [r for r in of["B"] if r["name"] == name]
        for rate in APART:
            own = [r for r in of[filed("A", rate)] if r["name"] == name]
            if len(own) < 2 or len(shared) < 2:
                continue
            used += [r for r in (*own, *shared) if r not in used]
            rows.append({"name": name, "label": own[0]["label"], "rate": rate, **_row(own, shared, rate)})
    for row, told in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["word"] = (BETTER if row["mean"] < 0 else WORSE) if told else NOT_TOLD_APART
    return pd.DataFrame(rows), used


def _row(own: list[dict], shared: list[dict], rate: float) -> dict:
    values = {key: _errors(records, rate) for key, records in (("own", own), ("shared", shared))}
    row: dict[str, Any] = {"seeds": (len(own), len(shared))}
    for key, errors in values.items():
        interval = t_interval(errors)
        row |= {key: interval["mean"], f"{key} low": interval["low"], f"{key} high": interval["high"]}
    return row | welch(values["own"], values["shared"])


def _errors(records: list[dict], rate: float) -> list[float]:
    """Mean absolute error of each run at this rate, mask seeds averaged."""
    table = curves(records)
    return table.loc[table["rate"] == rate, "mae"].tolist()


def report(
    ledger: Path | Iterable[Path], corpus: str, profile: str, out: Path, fingerprint: str | None = None
) -> list[Path]:
    """Write rates.md and rates.csv from the records; returns the files, none where fewer than two rates can be
    compared."""
    frame, records = comparison(ledger, corpus, profile, fingerprint)
    if not len(frame) or frame["rate"].nunique() < 2:
        return []
    name = records[0]["corpus"]
    folder = out / (name if name == corpus else f"{name}-{corpus}") / profile
    make_folder(folder)
    files = [folder / "rates.md", folder / "rates.csv"]
    write_text(files[0], page(frame, records))
    table = frame.assign(own_seeds=[s[0] for s in frame["seeds"]], shared_seeds=[s[1] for s in frame["seeds"]])
    text = table.drop(columns="seeds").to_csv(index=False, float_format="%.6g", lineterminator="\n")
    write_text(files[1], text)
    return files


def page(frame: pd.DataFrame, records: list[dict]) -> str:
    """The comparison as Markdown, with its verdicts and provenance."""
    rows = [
        (r["label"], f"{r['rate']:g}", _cell(r, "own"), _cell(r, "shared"), "{} / {}".format(*r["seeds"]),
         interval_text(r), f"{r['p']:.2g}", r["word"])
        for _, r in frame.iterrows()
    ]  # fmt: skip
    head = ("network", "rate", "trained at this rate", "trained at all rates", "seeds", "difference", "p",
            "its own training is")  # fmt: skip
    return "\n".join([
        f"# {TITLE}", "",
        "Mean absolute error on the test split at one missing rate, 95 % intervals over training seeds. Difference: "
        f"Welch's test; the word by Holm's procedure over these {len(frame)} comparisons.", "",
        markdown.table(head, rows), "",
        provenance_line(records, "rates"), "",
    ])  # fmt: skip


def _cell(row, key: str) -> str:
    return f"{row[key]:.3f} [{row[f'{key} low']:.3f}, {row[f'{key} high']:.3f}]"
