"""Tables and drawings of notebook 19: equations and tests, curves, recorded runs, costs over length, stale
gradients."""

import functools
from collections.abc import Iterable
from pathlib import Path

from mgmr_lib import markdown
from mgmr_lib.bench.measure import interleaved, one_thread
from mgmr_lib.chapters.shared.counting import bytes_for_backward
from mgmr_lib.course import figures
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments import ledger, verdicts
from mgmr_lib.experiments.complexity import network, random_batch, train_step
from mgmr_lib.paths import REPOSITORY

EQUATIONS = REPOSITORY / "mgmr_lib" / "models" / "mfmb" / "EQUATIONS.md"
COLOURS = {
    "MFMB-Net": figures.BLUE,
    "Concat": figures.ORANGE,
    "the code's reading": figures.GREEN,
    "Mamba twin": figures.PURPLE,
}
NOT_YET = "**Not recorded yet.**"
NAMES = ("mfmb", "mfmb_mamba")


def equations(path: Path = EQUATIONS) -> str:
    """Markdown: the table of mfmb/EQUATIONS.md, a row an equation, without the folders."""
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    for folder in ("mgmr_lib/models/", "mgmr_lib/training/", "tests/models/", "tests/training/"):
        rows = [row.replace(f"`{folder}", "`") for row in rows]
    return "\n".join(rows)


def curves(ax, rates: list[float], mae: dict) -> None:
    """{reader: error at each rate}; rivals and controls grey and dashed."""
    for (name, values), marker in zip(mae.items(), "ods^vPX", strict=False):
        grey = name not in COLOURS
        ax.plot(rates, values, marker + ("--" if grey else "-"), color=COLOURS.get(name, figures.GREY), label=name)
    ax.set(xlabel="missing rate (share of steps lost)", ylabel="error (points)")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def recorded_table(records: list[dict], names: Iterable[str]) -> str:
    """Markdown: means over training seeds; names without a record are listed below."""
    names, frame = list(names), ledger.summary(records, names)
    head = ("network", "seeds", "AUILC of MAE", "AUILC of Corr", "MAE, complete", "Corr, complete")
    keys = ("auilc mae", "auilc corr", "complete mae", "complete corr")
    rows = [(r["label"], r["seeds"], *(f"{r[k]:.3f}" for k in keys)) for _, r in frame.iterrows()]
    absent = [n for n in names if n not in frame.index]
    note = f"\n\n{NOT_YET} No run in the ledger of: {', '.join(absent)}." if absent else ""
    return (markdown.table(head, rows) if rows else "") + note


def comparisons(records: list[dict], pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Markdown bullets: the paired difference of AUILC of MAE over the seeds that both have, or that it is not
    recorded."""
    labels, said = {r["name"]: r["label"] for r in records}, []
    for first, second in pairs:
        try:
            found = ledger.paired(records, first, second)
        except CourseError:
            said.append(f"- {NOT_YET} {first} against {second}.")
            continue
        if len(found["seeds"]) == 1:
            said.append(
                f"- {labels[first]} against {labels[second]}, error over all rates: {found['mean']:+.3f} points in one "
                "seed: no interval, no verdict."
            )
            continue
        ends = (
            f"{found['mean']:+.3f} points (95 % interval {found['low']:+.3f} to {found['high']:+.3f}, "
            f"{len(found['seeds'])} seeds)"
        )
        word = {verdicts.BETTER: "lower", verdicts.WORSE: "higher"}.get(
            verdicts.verdict(found), verdicts.NOT_TOLD_APART
        )
        said.append(f"- {labels[first]} against {labels[second]}, error over all rates: {ends}: {word}.")
    return said


def step_costs(
    profile: str, frames: tuple[int, ...], batch: int = 2, rounds: int = 2, widths: tuple[int, int, int] = (384, 5, 20)
) -> list[dict]:
    """Records of one train step of MFMB-Net and its twin, fresh weights, at each length: processor seconds and saved
    bytes."""
    models, records = {n: network(n, profile, widths) for n in NAMES}, []
    with one_thread():
        for length in frames:
            data = random_batch(length, batch, widths)
            calls = {n: functools.partial(train_step, m, data) for n, m in models.items()}
            times = interleaved(calls, rounds, patience_s=20.0)
            records += [
                {
                    "name": n,
                    "frames": length,
                    "pass": "train step",
                    "seconds": times[n]["median_s"],
                    "bytes": bytes_for_backward(functools.partial(models[n].train(), data)),
                }
                for n in NAMES
            ]
    return records


def cost_curves(fig, costs: list[dict]) -> None:
    """Processor seconds and saved memory of a train step over length, a curve a network."""
    fields = (("seconds", 1, "processor seconds"), ("bytes", 2**20, "kept for backward (MiB)"))
    for ax, (field, scale, label) in zip(fig.subplots(1, 2), fields, strict=True):
        for (name, colour), marker in zip((("mfmb", figures.BLUE), ("mfmb_mamba", figures.PURPLE)), "os", strict=True):
            found = sorted(
                (r["frames"], r[field] / scale) for r in costs if r["name"] == name and r["pass"] == "train step"
            )
            ax.plot(
                *zip(*found, strict=True),
                marker + "-",
                color=colour,
                label="Mamba twin" if name == "mfmb_mamba" else "MFMB-Net",
            )
        ax.set(xscale="log", yscale="log", xlabel="frames of voice and of face", ylabel=label)
        ticks = [x for x, _ in found]
        ax.set_xticks(ticks, [str(t) for t in ticks])
        ax.minorticks_off()
    ax.legend()
    fig.suptitle("What one training step costs as clips get longer", x=0.01, ha="left")


def recorded_costs(found: dict | None) -> str:
    """Markdown: recorded seconds of a train step over length, with provenance; or that there is no record."""
    if found is None:
        return (
            f"{NOT_YET} No costs over length lie in `data/results`: `python -m mgmr_lib experiment complexity` "
            "records them."
        )
    mine = [r for r in found["over_length"] if r["pass"] == "train step" and r["name"] in ("mfmb", "mfmb_mamba")]
    lengths, facts = sorted({r["frames"] for r in mine}), found["provenance"]
    rows = []
    for name in ("mfmb", "mfmb_mamba"):
        cells = {r["frames"]: f"{r['seconds']:.2f} s, {r['bytes'] / 2**20:.0f} MiB" for r in mine if r["name"] == name}
        label = next((r["label"] for r in mine if r["name"] == name), name)
        rows.append((label, *(cells.get(n, "") for n in lengths)))
    head = (
        f"**Recorded, not computed here**: {found['profile']} profile, batch {found['batch']}, one thread, "
        f"{facts.get('device', 'cpu')}, commit {facts.get('commit', '')}, {facts.get('date', '')}."
    )
    return head + "\n\n" + markdown.table(("train step", *(f"{n} frames" for n in lengths)), rows)


def stale(fig, paths: dict) -> None:
    """{(every, lr): distances}: one panel a learning rate, logarithmic."""
    rates = sorted({lr for _, lr in paths})
    for ax, lr in zip(fig.subplots(1, len(rates), squeeze=False)[0], rates, strict=True):
        for every, colour in ((1, figures.BLUE), (4, figures.RED)):
            values = [v if v < 1e9 else float("nan") for v in paths[every, lr]]
            ax.plot(
                range(1, len(values) + 1),
                values,
                color=colour,
                label=f"cleared after {'every batch' if every == 1 else 'every 4th'}",
            )
        ax.set(yscale="log", xlabel="step", title=f"learning rate {lr:g}", ylabel="squared distance")
    ax.legend()
    fig.suptitle("Uncleared gradients: more noise, or an explosion", x=0.01, ha="left")
