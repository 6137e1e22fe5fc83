"""What a record is: the facts that it must hold, the digest that it carries, and the place in a ledger that follows.

A record's identity is the content of its corpus (a fingerprint) and what its configuration changes from the defaults;
no file's name or path is part of it.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from mgmr_lib.data.classroom.corpora import SPECS
from mgmr_lib.evaluation.metrics import FAMILIES, aggregate
from mgmr_lib.provenance import digest

PRIMARY = ("mae", "corr")  # what every record was measured by
LARGEST = 2**63  # no seed, count or measurement comes near it


def _text(value: object) -> bool:
    return isinstance(value, str)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST  # nan is not


def _provenance(value: object) -> bool:
    return (
        isinstance(value, dict)
        and all(_text(value.get(k)) for k in ("device", "commit", "date"))
        and isinstance(value.get("versions"), dict)
        and _text(value["versions"].get("torch"))
    )


def _config(value: object) -> bool:
    """None for a reference, which is not trained; what the settings mean is for training.identity.read_config."""
    network = value.get("network") if isinstance(value, dict) else {}
    return value is None or (
        isinstance(value, dict)
        and (network is None or (isinstance(network, dict) and _number(network.get("classes", 1))))
    )


FACTS: dict[str, Callable[[object], bool]] = {
    **dict.fromkeys(("name", "label", "corpus", "split", "protocol", "profile", "fingerprint", "digest"), _text),
    "dataset": lambda value: _text(value) and value in FAMILIES,
    "training_seed": _whole,
    "config": _config,
    "provenance": _provenance,
    "records": lambda value: isinstance(value, list) and all(isinstance(row, dict) for row in value),
}
TRAINED: dict[str, Callable[[object], bool]] = {
    "config_hash": _text,
    "parameters": _whole,
    "seconds": _number,
    "best_epoch": _whole,
    "epochs": _whole,
}


def check(record: object) -> None:
    """ValueError, with the reason, for what is no record or was changed after it was written."""
    if not isinstance(record, dict):
        raise ValueError("it holds no record")
    facts = FACTS if record.get("config") is None else FACTS | TRAINED
    missing = facts.keys() - record.keys()
    if missing:
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    if record["digest"] != digest(record):
        raise ValueError("its content does not fit its digest: it was changed after it was written")
    wrong = [key for key, holds in facts.items() if not holds(record[key])]
    if wrong or not isinstance(record.get("settings", {}), dict):
        raise ValueError(f"what it says of {', '.join(wrong) or 'settings'} makes no sense")
    for row in record["records"]:
        _check_row(row)
    aggregate(record["records"])


def _check_row(row: dict) -> None:
    if not (_whole(row.get("seed")) and _number(row.get("rate")) and 0 <= row["rate"] <= 1):
        raise ValueError("a line of it has no missing rate or mask seed")
    values = {k: v for k, v in row.items() if k not in ("rate", "seed")}
    wrong = [k for k, v in values.items() if not (_number(v) or (v is None and k not in PRIMARY))]
    wrong += [k for k in PRIMARY if k not in values]
    if wrong:
        raise ValueError(f"a line of it has no number for {', '.join(wrong)}")


def corpus_key(name: str, fingerprint: str, family: str) -> str:
    """The folder of a corpus's records: a classroom corpus's name, any other's fingerprint and metric family."""
    return name if name in SPECS else f"{fingerprint}-{family}"


def profile_key(profile: str, settings: dict | None = None) -> str:
    """The folder of a profile's records; with settings that replace the profile's, a folder of their own."""
    if not settings:
        return profile
    return f"{profile}-{hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]}"


def record_path(folder: Path, record: dict) -> Path:
    """Where a record lies: CORPUS/PROFILE/PROTOCOL/NAME-SEED.json; protocol A's name holds its rate."""
    return (
        folder
        / corpus_key(record["corpus"], record["fingerprint"], record["dataset"])
        / profile_key(record["profile"], record.get("settings"))
        / record["protocol"]
        / f"{record['name']}-{record['training_seed']}.json"
    )
