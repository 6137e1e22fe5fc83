"""The recorded run of the whole benchmark (data/results/bench): its numbers, for notebooks and README."""

import json
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY

FOLDER = Path("data", "results", "bench")
BOTH = "forward+backward"
AGAIN = f"`python -m mgmr_lib bench --out {FOLDER.as_posix()}`"


def read(root: Path = REPOSITORY) -> dict:
    """What `bench` wrote. Errors: CourseError where nothing is recorded or the file is not as `bench` writes it."""
    path = root / FOLDER / "bench.json"
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        for part in ("provenance", "settings", "scan", "ssd", "layers"):
            result[part]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CourseError(f"{path} holds no recorded benchmark ({error}): {AGAIN.strip('`')}") from None
    return result


def provenance_line(result: dict) -> str:
    """Where and when it was measured, and how busy the machine was."""
    facts = result["provenance"]
    return (
        f"Recorded on {facts['date']} at commit {facts['commit']}: {facts['processor']}, one thread, torch "
        f"{facts['versions']['torch']}, load {facts['load']}; {AGAIN} measures anew."
    )


def seconds(records: list[dict], what: str = BOTH) -> dict[str, float]:
    """{contender: median seconds} of one shape's records."""
    return {r["name"]: r["median_s"] for r in records if r.get("pass", what) == what}


def at(records: list[dict], *shape: int) -> list[dict]:
    """The records of one shape; CourseError where it was not measured."""
    found = [r for r in records if tuple(r["shape"]) == shape]
    if not found:
        raise CourseError(f"the recorded benchmark has no shape {shape}: {AGAIN.strip('`')}")
    return found


def times(records: list[dict], ours: str, what: str = BOTH) -> dict[str, float]:
    """How many times as long as `ours` each other contender took."""
    measured = seconds(records, what)
    return {name: s / measured[ours] for name, s in measured.items() if name != ours}


def once(result: dict) -> str:
    """Who was timed once only, as a call took too long for rounds."""
    names = sorted({r["name"] for r in (*result["scan"], *result["ssd"]) if r["rounds"] == 1})
    patience = result["settings"]["patience_s"]
    return f"Timed once, as a call took longer than {patience:g} s: {'; '.join(names)}." if names else ""


def crossing(result: dict, dearer: str, rival: str) -> int | None:
    """The first recorded length from which on a train step of layer `dearer` takes longer than one of `rival`; None
    where the longest that both were measured at does not."""
    measured = {(r["name"], r["length"]): r["median_s"] for r in result["layers"]}
    lengths = sorted(length for name, length in measured if name == dearer and (rival, length) in measured)
    first = None
    for length in lengths:
        if measured[dearer, length] <= measured[rival, length]:
            first = None
        elif first is None:
            first = length
    return first


def readme_section(root: Path = REPOSITORY) -> list[str]:
    """README's lines on speed; none where nothing is recorded."""
    if not (root / FOLDER / "bench.json").exists():
        return []
    result = read(root)
    scan, ssd = (at(result[k], *result[k][-1]["shape"]) for k in ("scan", "ssd"))
    selective = times(scan, "ours, chunked")
    dual = times(ssd, "ours, ssd_scan")
    return [
        "",
        "### How fast the scans are",
        f"![Bars: one selective scan in our forms and other people's. Lines: layers over the length of their input.]"
        f"({FOLDER.as_posix()}/bench.png)",
        "",
        f"Forward and backward, processor time of one thread. The selective scan at (b, l, e, n) = "
        f"{tuple(scan[0]['shape'])}, as many times as long as ours in PyTorch: {_told(selective)}. The scan of "
        f"state-space duality at (b, l, h, p, n) = {tuple(ssd[0]['shape'])}, as many times as long as our `ssd_scan`: "
        f"{_told(dual)}. {once(result)}",
        "",
        provenance_line(result),
    ]


def _told(factors: dict[str, float]) -> str:
    ordered = sorted(factors.items(), key=lambda item: item[1])
    return "; ".join(f"{name}: {factor:.{1 if factor < 10 else 0}f}" for name, factor in ordered)
