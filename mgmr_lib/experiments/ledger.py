"""The ledger: one JSON file for each training run, with everything that its numbers depend on, and what follows from
several.

CORPUS/PROFILE/PROTOCOL/NAME-SEED.json (records.record_path). Every aggregate that the course shows is computed from
these records when it is shown. A record carries a digest of its own content and lies where its content says, so that a
number changed by hand, a renamed file and two files that were swapped are noticed.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from mgmr_lib.errors import CourseError
from mgmr_lib.evaluation.metrics import aggregate
from mgmr_lib.evaluation.statistics import paired_difference, t_interval
from mgmr_lib.experiments.records import check, digest, profile_key, record_path
from mgmr_lib.files import make_folder, write_text
from mgmr_lib.paths import REPOSITORY, runs_dir

RUNS = REPOSITORY / "data" / "results" / "ledger"  # the course's records, which git keeps


def own_ledger() -> Path:
    """The learner's own records, which git does not keep."""
    return runs_dir() / "ledger"


def write_record(folder: Path, record: dict) -> Path:
    """Write a record, whole or not at all, one missing rate and mask seed a line."""
    record = {**record, "digest": digest(record)}
    path = record_path(folder, record)
    make_folder(path.parent, "--ledger")
    head = json.dumps({k: v for k, v in record.items() if k != "records"}, indent=1, allow_nan=False)
    lines = ",\n  ".join(json.dumps(r, allow_nan=False) for r in record["records"])
    write_text(path, f'{head[:-2]},\n "records": [\n  {lines}\n ]\n}}\n')
    return path


def read_record(path: Path) -> dict:
    """One record, checked: a damaged or edited file is a CourseError that names it."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_no_number)
        check(record)
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, error) from None
    return record


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of a measurement")


def damaged(path: Path, reason: object) -> CourseError:
    """The sentence for a file of the ledger that cannot be trusted."""
    return CourseError(
        f"{path} is damaged ({reason}): delete it and run the experiment again, which repeats only this run"
    )


def read_in_place(folder: Path, path: Path) -> dict:
    """One record of a ledger, checked; a CourseError too where it lies in another run's place."""
    record = read_record(path)
    place = record_path(folder, record)
    if path != place:
        raise damaged(path, f"it is the record of {place.relative_to(folder)}, and was renamed or moved")
    return record


def read_ledger(
    folder: Path | Iterable[Path] = RUNS, corpus: str = "classroom-mosi", profile: str = "laptop", protocol: str = "B"
) -> list[dict]:
    """All records of a corpus, profile and protocol ("B", or "A-0.0" for protocol A at rate 0), by name and seed.

    folder: a ledger, or several, of which the first that holds a run counts. corpus, profile: their folders
    (records.corpus_key, records.profile_key). No folder, no records: an empty list. A damaged file is a CourseError.
    """
    found: dict[str, dict] = {}
    for ledger in [folder] if isinstance(folder, Path) else folder:
        for path in (ledger / corpus / profile / protocol).glob("*.json"):
            if path.name not in found and not path.name.startswith("."):
                found[path.name] = read_in_place(ledger, path)
    return [found[name] for name in sorted(found)]


def read_named(name: str, profile: str, settings: dict, folder: Path = RUNS) -> list[dict]:
    """Protocol B's records of a corpus that is no classroom one, by the name that it had when it was recorded.

    settings: what all of its runs set in the place of the profile's. No record: an empty list.
    """
    kept = profile_key(profile, settings)
    keys = [key for key, known in corpora(folder, kept).items() if known == name]
    if len(keys) > 1:
        raise CourseError(f"{folder} holds {len(keys)} corpora that were called {name}: {', '.join(keys)}")
    return read_ledger(folder, keys[0], kept) if keys else []


def corpora(folder: Path | Iterable[Path], profile: str = "laptop", protocol: str = "B") -> dict[str, str]:
    """{corpus's folder: its name when it was recorded} of the corpora that a ledger, or several, hold."""
    names: dict[str, str] = {}
    for ledger in [folder] if isinstance(folder, Path) else folder:
        for path in sorted(ledger.glob(f"*/{profile}/{protocol}/*.json")):
            key = path.relative_to(ledger).parts[0]
            if key not in names:
                names[key] = read_in_place(ledger, path)["corpus"]
    return names


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
        for area, metric in [key for key in found[0] if all(key in f for f in found)]:
            interval = _interval([f[area, metric] for f in found])
            key = f"{area} {metric}"
            row |= {key: interval["mean"], f"{key} low": interval["low"], f"{key} high": interval["high"]}
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def _interval(values: list[float]) -> dict[str, float]:
    """t_interval, nan where a run has no value (a metric that its clips do not define)."""
    return t_interval(values) if np.isfinite(values).all() else dict.fromkeys(("mean", "low", "high"), float("nan"))


def paired(records: Iterable[dict], first: str, second: str, metric: str = "mae", area: str = "auilc") -> dict:
    """statistics.paired_difference of first - second over the training seeds that both have, and "seeds".

    A reference without a training (the text ridge, the mean) has one value, which every seed of the other is paired
    with, on whichever side it stands. Raises CourseError where there is no common seed.
    """
    groups = by_name(records)
    a, b = (_by_seed(groups, name, metric, area) for name in (first, second))
    trained = [groups[name][0].get("config") is not None for name in (first, second)]
    if trained[0] and not trained[1]:
        b = dict.fromkeys(a, next(iter(b.values())))
    if trained[1] and not trained[0]:
        a = dict.fromkeys(b, next(iter(a.values())))
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        raise CourseError(f"{first!r} and {second!r} have no training seed in common: record both with the same seeds")
    return paired_difference([a[s] for s in seeds], [b[s] for s in seeds]) | {"seeds": seeds}


def _by_seed(groups: dict[str, list[dict]], name: str, metric: str, area: str) -> dict[int, float]:
    """{training seed: value} of one name; CourseError where there is none."""
    if name not in groups:
        raise CourseError(f"the ledger holds no run of {name!r}: record it with `python -m mgmr_lib experiment table`")
    values = {r["training_seed"]: areas(r).get((area, metric), float("nan")) for r in groups[name]}
    if not np.isfinite(list(values.values())).all():
        raise CourseError(f"the runs of {name!r} have no {metric} for the area {area!r}: choose another metric or area")
    return values


def curves(records: Iterable[dict]) -> pd.DataFrame:
    """Tidy: one row per run and missing rate (means over mask seeds), columns name, label, training_seed, rate,
    metrics."""
    rows = []
    for r in records:
        head = {"name": r["name"], "label": r["label"], "training_seed": r["training_seed"]}
        rows += [{**head, "rate": p["rate"], **p["mean"]} for p in aggregate(r["records"])["per_rate"]]
    return pd.DataFrame(rows)


def provenance_line(records: Iterable[dict], experiment: str = "table") -> str:
    """Markdown: that these numbers were recorded, and what they depend on. experiment: the one that records them."""
    records = list(records)
    if not records:
        return (
            "**Not recorded yet.** The ledger holds no such run: "
            f"`python -m mgmr_lib experiment {experiment}` records them."
        )
    trained = [r for r in records if r.get("config") is not None]

    def several(values) -> str:
        return ", ".join(sorted({str(v) for v in values if v not in ("", None)}))

    facts = [r["provenance"] for r in records]
    seeds = several(r["training_seed"] for r in trained)
    masks = sorted({row["seed"] for r in records for row in r["records"]})
    minutes = np.sum([r["seconds"] for r in trained]) / 60
    return (
        f"**Recorded, not computed here**: {several(r['corpus'] for r in records)}, "
        f"{several(r['profile'] for r in records)} profile, protocol {several(r['protocol'] for r in records)}, "
        f"{len(trained)} training runs (seeds {seeds}; mask seeds {masks[0]} to {masks[-1]}), {minutes:.0f} minutes of "
        f"training on {several(f['device'] for f in facts)}, torch {several(f['versions']['torch'] for f in facts)}, "
        f"commit {several(f['commit'] for f in facts)}, {several(f['date'] for f in facts)}.{_objectives(trained)}"
    )


def _objectives(trained: list[dict]) -> str:
    """Which of the trainings classified or took the squared error, so that nobody takes a difference for the
    architecture's alone; "" for none."""
    kinds: dict[str, list[dict]] = {}
    for r in trained:
        network = r["config"].get("network") or {}
        if network.get("classes", 1) > 1:
            targets = network["class_targets"]
            ours = "" if targets == "one-hot" else f"; {targets} targets are ours"
            kind = f"{network['classes']} {targets} classes (cross-entropy, MFMB-Net's Eq. 17{ours})"
            kinds.setdefault(kind, []).append(r)
        elif (r["config"].get("objective") or network.get("task", "mae")) == "mse":
            kinds.setdefault("the squared error", []).append(r)
    told = [f"{_together(found)} on {kind}" for kind, found in kinds.items()]
    rest = sum(map(len, kinds.values())) < len(trained)
    return f" Trained {'; '.join(told)}{', all else on the absolute error' if rest else ''}." if told else ""


def _together(trained: list[dict]) -> str:
    """The labels of these trainings; of a network with more than three, its own, and the number of its variants."""
    by_model: dict[str, dict[str, str]] = {}
    for r in trained:
        by_model.setdefault(r["config"].get("model", r["name"]), {})[r["name"]] = r["label"]
    words: list[str] = []
    for model, labels in by_model.items():
        variants = len(labels) - (model in labels)
        short = f"{labels[model]} and {variants} of its variants" if model in labels else f"{variants} variants"
        words += [short] if len(labels) > 3 else labels.values()
    return " and ".join(words)
