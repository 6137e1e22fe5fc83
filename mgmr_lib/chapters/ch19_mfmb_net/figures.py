"""Tables and drawings of notebook 19: curves, recorded runs, costs over length, stale
gradients."""

import functools
from collections.abc import Iterable

import numpy as np

from mgmr_lib import markdown
from mgmr_lib.bench.measure import interleaved, one_thread
from mgmr_lib.chapters.shared.counting import bytes_for_backward
from mgmr_lib.course import figures
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments import ledger, objectives, verdicts
from mgmr_lib.experiments.complexity import network, random_batch, train_step
from mgmr_lib.experiments.plan import OBJECTIVES, VARIANTS
from mgmr_lib.models.inputs import Inputs
from mgmr_lib.models.mfmb.network import MFMBNet
from mgmr_lib.training.config import make_config

COLOURS = {
    "MFMB-Net": figures.BLUE,
    "Concat": figures.ORANGE,
    "the code's reading": figures.GREEN,
    "Mamba twin": figures.PURPLE,
}
NOT_YET = "**Not recorded yet.**"
NAMES = ("mfmb", "mfmb_mamba")


def curves(ax, rates: list[float], mae: dict) -> None:
    """{reader: error at each rate}; rivals and controls grey and dashed."""
    for (name, values), marker in zip(mae.items(), "ods^vPX", strict=False):
        grey = name not in COLOURS
        ax.plot(rates, values, marker + ("--" if grey else "-"), color=COLOURS.get(name, figures.GREY), label=name)
    ax.set(xlabel="missing rate (share of steps lost)", ylabel="error (points)")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def recorded_table(records: list[dict], names: Iterable[str]) -> str:
    """Markdown: means over training seeds, weights, and the epoch that was kept of those trained, a number per seed;
    names without a record are listed below."""
    names, frame, runs = list(names), ledger.summary(records, names), ledger.by_name(records)
    head = ("network", "seeds", "weights", "epoch kept", "AUILC of MAE", "AUILC of Corr", "MAE, complete",
            "Corr, complete")  # fmt: skip
    keys = ("auilc mae", "auilc corr", "complete mae", "complete corr")

    def kept(name: str) -> str:
        return ", ".join(str(r["best_epoch"] + 1) for r in runs[name]) + f" of {runs[name][0]['epochs']}"

    rows = [
        (r["label"], r["seeds"], f"{runs[name][0]['parameters']:,}", kept(name), *(f"{r[k]:.3f}" for k in keys))
        for name, r in frame.iterrows()
    ]
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


def twin_verdict(records: list[dict], found: dict | None) -> str:
    """Markdown bullets: the twin beside the original in error, weights, time and memory, and the recorded lengths
    between which it breaks even; or that something is not recorded."""
    runs = ledger.by_name(r for r in records if r["name"] in NAMES)
    if found is None or len(runs) < len(NAMES):
        return f"{NOT_YET} The verdict needs runs of both and the costs over length."
    gap = ledger.paired(records, "mfmb_mamba", "mfmb")
    cost = {(r["name"], r["frames"]): r for r in found["over_length"] if r["pass"] == "train step"}
    lengths = sorted({n for name, n in cost if name == "mfmb_mamba"})
    times = {n: cost["mfmb_mamba", n]["seconds"] / cost["mfmb", n]["seconds"] for n in lengths}
    memory = [cost["mfmb_mamba", n]["bytes"] / cost["mfmb", n]["bytes"] for n in lengths]
    slower = [n for n in lengths if times[n] > 1]
    quicker = [n for n in lengths if times[n] <= 1]
    even = f"between {slower[-1]} and {quicker[0]} frames" if slower and quicker else "nowhere in the record"
    size = runs["mfmb_mamba"][0]["parameters"] / runs["mfmb"][0]["parameters"]
    profiles = runs["mfmb"][0]["profile"], found.get("profile", "")
    return "\n".join(
        (
            f"- **error**, area over all rates: twin minus original {gap['mean']:+.3f} points (95 % interval "
            f"{gap['low']:+.3f} to {gap['high']:+.3f}, {len(gap['seeds'])} seeds)",
            f"- **weights**: {size:.1f} times as many (both of these in the profile `{profiles[0]}`)",
            f"- **time** of a train step (profile `{profiles[1]}`): "
            + ", ".join(f"{times[n]:.2f} times at {n}" for n in lengths)
            + " frames",
            f"- **memory** for the backward pass: {min(memory):.1f} to {max(memory):.1f} times as much",
            f"- **it breaks even** in time {even}; in memory "
            f"{'nowhere' if min(memory) > 1 else 'somewhere'} in the record",
        )
    )


def generation_costs(profile: str, frames: int, batch: int = 2, widths: tuple[int, int, int] = (384, 5, 20)) -> dict:
    """{"original" or the twin's layer: processor seconds of one train step}, fresh weights, measured in turn."""
    data, calls = random_batch(frames, batch, widths), {}
    for layer in ("original", "selective", "mamba2", "mamba3"):
        what = {} if layer == "original" else {"encoder": "mamba", "layer": layer}
        config = make_config("mfmb", profile, **what)
        model = MFMBNet(config.network, Inputs(dict(zip(("text", "audio", "vision"), widths, strict=True)), {}, None))
        calls[layer] = functools.partial(train_step, model, data)
    with one_thread():
        return {name: t["min_s"] for name, t in interleaved(calls, 1, patience_s=20.0).items()}


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
    """Processor seconds and saved memory of a train step over length, a curve per network."""
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
        low, high = ax.get_ylim()
        steps = [a * 10.0**k for k in range(-4, 6) for a in (1, 2, 5)]
        ax.set_yticks([y for y in steps if low <= y <= high], [f"{y:g}" for y in steps if low <= y <= high])
    ax.legend()
    fig.suptitle("What one training step costs as clips get longer", x=0.01, ha="left")


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


def objectives_drawn(ax, records: Iterable[dict]) -> None:
    """A line a network from its error's area on L1 to that on classes, with intervals over trainings."""
    frame = ledger.summary(list(records), [name for on in objectives.ON.values() for name in on.values()])
    for i, name in enumerate(OBJECTIVES):
        rows = frame.loc[[on[name] for on in objectives.ON.values()]]
        middle, low, high = (rows[f"auilc mae{end}"].to_numpy() for end in ("", " low", " high"))
        x = np.arange(2) + 0.04 * (i - 1)
        colour, marker = ((figures.RED, "o"), (figures.BLUE, "s"), (figures.GREY, "^"))[i]
        ax.errorbar(x, middle, yerr=[middle - low, high - middle], color=colour, marker=marker, capsize=3,
                    label=VARIANTS[name].label)  # fmt: skip
    ax.set_xticks([0, 1], ["L1", "seven two-hot classes"])
    ax.set(xlim=(-0.4, 1.4), xlabel="objective of the training", ylabel="AUILC of the mean\nabsolute error (points)")
