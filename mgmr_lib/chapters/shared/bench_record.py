"""The recorded benchmark in data/results/bench: figures for 04, 23 and 25, its provenance, ratios for README."""

from mgmr_lib.bench.report import bars, layer_curves
from mgmr_lib.files import read_json
from mgmr_lib.paths import REPOSITORY

FILE = REPOSITORY / "data" / "results" / "bench" / "bench.json"
OURS = "ours, native"


def read() -> dict:
    """All numbers of the record."""
    return read_json(FILE)


def provenance(result: dict) -> str:
    """A sentence: where and when it was measured, and how busy that machine was."""
    facts = result["provenance"]
    return (
        f"Recorded, not measured here: {facts['processor']}, one thread of {facts['cores']} cores, load "
        f"{facts['load']}, torch {facts['versions']['torch']}, commit {facts['commit'][:7]}, {facts['date']}."
    )


def last_scan(result: dict) -> list[dict]:
    """The selective scans' entries at the largest shape."""
    return [r for r in result["scan"] if r["shape"] == result["scan"][-1]["shape"]]


def last_ssd(result: dict) -> list[dict]:
    """The SSD scans' entries at the last shape, the one that README speaks of."""
    return [r for r in result["ssd"] if r["shape"] == result["ssd"][-1]["shape"]]


def times_ours(records: list[dict], ours: str, what: str = "forward+backward") -> dict[str, float]:
    """{contender: its time over ours, at one shape}."""
    seconds = {r["name"]: r["median_s"] for r in records if r["pass"] == what}
    return {name: s / seconds[ours] for name, s in seconds.items() if name != ours}


def scans(fig, result: dict) -> None:
    """04: every selective scan at the largest shape, forward and backward."""
    fig_axes = fig.subplots()
    bars(fig_axes, last_scan(result))
    fig_axes.set(ylabel="scan")


def layers(fig, result: dict) -> None:
    """23: a train step of one layer of each kind over the length."""
    layer_curves(fig.subplots(), result["layers"])


def ssd(fig, result: dict) -> None:
    """25: the SSD scan's contenders at the last shape."""
    ax = fig.subplots()
    bars(ax, last_ssd(result))
    ax.set(ylabel="scan")
