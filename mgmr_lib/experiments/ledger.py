"""The ledger: one JSON file a training run, with everything that its numbers depend on, and what follows from several.

data/results/ledger/CORPUS/PROFILE/PROTOCOL/NAME-SEED.json. Every aggregate that the course shows is computed from these
records when it is shown. A record carries a digest of its own content, so that a number changed by hand is noticed.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from mgmr_lib.errors import CourseError
from mgmr_lib.evaluation.metrics import aggregate
from mgmr_lib.evaluation.statistics import paired_difference, t_interval
from mgmr_lib.paths import REPOSITORY

RUNS = REPOSITORY / "data" / "results" / "ledger"
KEYS = {"name", "label", "corpus", "dataset", "split", "protocol", "profile", "training_seed", "fingerprint", "provenance",
        "records", "digest"}  # fmt: skip
TRAINED = {"config", "config_hash", "parameters", "seconds", "best_epoch", "epochs"}
AREAS = ("complete", "mean", "auilc")


def digest(record: dict) -> str:
    """12 hex digits of a record's content (all but the digest itself)."""
    rest = {k: v for k, v in record.items() if k != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:12]


def record_path(folder: Path, record: dict) -> Path:
    """Where a record lies: CORPUS/PROFILE/PROTOCOL/NAME-SEED.json; protocol A's name holds its rate."""
    return (
        folder
        / record["corpus"]
        / record["profile"]
        / record["protocol"]
        / f"{record['name']}-{record['training_seed']}.json"
    )


def write_record(folder: Path, record: dict) -> Path:
    """Write a record, whole or not at all, one missing rate and mask seed a line."""
    record = {**record, "digest": digest(record)}
    path = record_path(folder, record)
    path.parent.mkdir(parents=True, exist_ok=True)
    head = json.dumps({k: v for k, v in record.items() if k != "records"}, indent=1)
    lines = ",\n  ".join(json.dumps(r) for r in record["records"])
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(f'{head[:-2]},\n "records": [\n  {lines}\n ]\n}}\n', encoding="utf-8", newline="\n")
    os.replace(temporary, path)
    return path


def read_record(path: Path) -> dict:
    """One record, checked: a damaged or edited file is a CourseError that names it."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        missing = (KEYS if record.get("config") is None else KEYS | TRAINED) - record.keys()
        if missing:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        aggregate(record["records"])
        if record["digest"] != digest(record):
            raise ValueError("its content does not fit its digest: it was changed after it was written")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CourseError(
            f"{path} is damaged ({error}): delete it and run the experiment again, which repeats only this run"
        ) from None
    return record


def read_ledger(
    folder: Path = RUNS, corpus: str = "classroom-mosi", profile: str = "laptop", protocol: str = "B"
) -> list[dict]:
    """All records of a corpus, profile and protocol ("B", or "A-0.0" for protocol A at rate 0), by name and seed.

    No folder, no records: an empty list. A damaged file is a CourseError.
    """
    files = sorted((folder / corpus / profile / protocol).glob("*.json"))
    return [read_record(f) for f in files]


def areas(record: dict) -> dict[tuple[str, str], float]:
    """{(area, metric): value} of one run: "complete" (rate 0), "mean" over 0..0.9, "auilc" over all of 0..1.

    An area that the record's rates do not cover is left out.
    """
    found = aggregate(record["records"])
    rates = found["rates"]
    out = {("complete", m): v for m, v in found["per_rate"][0]["mean"].items() if rates[0] == 0.0}
    if len(rates) > 1 and rates[0] == 0.0:
        out |= {
            ("mean", m): v for m, v in found["mean_rates_0_to_0.9"].items() if max(r for r in rates if r <= 0.9) >= 0.9
        }
        out |= {("auilc", m): v for m, v in found["auilc"].items() if rates[-1] == 1.0}
    return out


def by_name(records: Iterable[dict]) -> dict[str, list[dict]]:
    """Records grouped by name, in the order of their first appearance."""
    groups: dict[str, list[dict]] = {}
    for r in records:
        groups.setdefault(r["name"], []).append(r)
    return groups


def summary(records: Iterable[dict], names: Iterable[str] | None = None) -> pd.DataFrame:
    """One row a name: "label", "seeds" (training runs), and for each area and metric three columns.

    "auilc mae" is the mean over training seeds, "auilc mae low" and "auilc mae high" its 95 % t-interval (nan for one
    seed).
    names: the rows wanted, in this order; a name without a record is left out.
    """
    groups = by_name(records)
    rows = {}
    for name in groups if names is None else [n for n in names if n in groups]:
        found = [areas(r) for r in groups[name]]
        row: dict = {"label": groups[name][0]["label"], "seeds": len(found)}
        for area, metric in found[0]:
            interval = t_interval([f[area, metric] for f in found])
            key = f"{area} {metric}"
            row |= {key: interval["mean"], f"{key} low": interval["low"], f"{key} high": interval["high"]}
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def paired(records: Iterable[dict], first: str, second: str, metric: str = "mae", area: str = "auilc") -> dict:
    """statistics.paired_difference of first - second over the training seeds that both have, and "seeds".

    A reference without a training (the text ridge, the mean) has one value, which every seed of the other is paired
    with. Raises CourseError where there is no common seed.
    """
    groups = by_name(records)
    values = []
    for name in (first, second):
        if name not in groups:
            raise CourseError(
                f"the ledger holds no run of {name!r}: record it with `python -m mgmr_lib experiment table`"
            )
        values.append({r["training_seed"]: areas(r)[area, metric] for r in groups[name]})
    a, b = values
    if groups[second][0].get("config") is None:
        b = dict.fromkeys(a, next(iter(b.values())))
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        raise CourseError(f"{first!r} and {second!r} have no training seed in common: record both with the same seeds")
    return paired_difference([a[s] for s in seeds], [b[s] for s in seeds]) | {"seeds": seeds}


def curves(records: Iterable[dict]) -> pd.DataFrame:
    """Tidy: one row a run and missing rate (means over mask seeds), columns name, label, training_seed, rate,
    metrics."""
    rows = []
    for r in records:
        head = {"name": r["name"], "label": r["label"], "training_seed": r["training_seed"]}
        rows += [{**head, "rate": p["rate"], **p["mean"]} for p in aggregate(r["records"])["per_rate"]]
    return pd.DataFrame(rows)


def provenance_line(records: Iterable[dict]) -> str:
    """Markdown: that these numbers were recorded, and what they depend on."""
    records = list(records)
    if not records:
        return "**Not recorded yet.** The ledger holds no such run: `python -m mgmr_lib experiment table` records them."
    trained = [r for r in records if r.get("config") is not None]

    def several(values) -> str:
        return ", ".join(sorted({str(v) for v in values if v not in ("", None)}))

    facts = [r["provenance"] for r in records]
    seeds = several(r["training_seed"] for r in trained)
    masks = sorted({row["seed"] for r in records for row in r["records"]})
    minutes = np.sum([r["seconds"] for r in trained]) / 60
    return (
        f"**Recorded, not computed here**: {several(r['corpus'] for r in records)}, {several(r['profile'] for r in records)} profile, "
        f"protocol {several(r['protocol'] for r in records)}, {len(trained)} training runs (seeds {seeds}; mask seeds {masks[0]} to {masks[-1]}), "
        f"{minutes:.0f} minutes of training on {several(f['device'] for f in facts)}, torch {several(f['versions']['torch'] for f in facts)}, "
        f"commit {several(f['commit'] for f in facts)}, {several(f['date'] for f in facts)}."
        f"{_objectives(trained)}"
    )


def _objectives(trained: list[dict]) -> str:
    """Which of the trainings classified, so that nobody takes a difference for the architecture's alone; "" for
    none."""
    kinds: dict[str, list[str]] = {}
    for r in trained:
        network = r["config"].get("network") or {}
        if network.get("classes", 1) > 1:
            kinds.setdefault(f"{network['classes']} {network['class_targets']} classes", []).append(r["label"])
    told = [f"{' and '.join(dict.fromkeys(labels))} on {kind}" for kind, labels in kinds.items()]
    rest = sum(map(len, kinds.values())) < len(trained)
    return (
        f" Trained {'; '.join(told)} (MFMB-Net's Eq. 17){', all else on the absolute error' if rest else ''}."
        if told
        else ""
    )
