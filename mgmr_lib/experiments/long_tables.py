"""Table and figure of the recorded long clips."""

from pathlib import Path
from statistics import mean

import matplotlib.figure

from mgmr_lib import markdown
from mgmr_lib.evaluation.plots import save_figure
from mgmr_lib.experiments.figures import colour
from mgmr_lib.experiments.long_networks import CONTENDERS
from mgmr_lib.experiments.long_sequences import CONTROLS
from mgmr_lib.files import make_folder, write_text

COLOURS = {"mgmr": "mgmr", "mgmr_attention": "mgmr", "mfmb": "mfmb", "mfmb_mamba": "mfmb"}
OTHERS = {"attention": "#009E73", "mamba": "#009E73", "table": "0.35", "mean": "0.35", "parts": "0.6"}
ATTENTION = ("mgmr_attention", "mfmb", "attention", "table")  # dashed; scans are drawn through


def label_of(name: str) -> str:
    """What readers call a contender or a control."""
    return CONTENDERS[name].label if name in CONTENDERS else CONTROLS[name][0]


def errors(found: dict) -> dict[str, dict[int, float]]:
    """{name: {frames: mean error over the seeds}}, networks and controls."""
    rows = found["errors"] + found["controls"]
    names = dict.fromkeys(r["name"] for r in rows)
    lengths = {n: dict.fromkeys(r["frames"] for r in rows if r["name"] == n) for n in names}
    return {
        n: {f: mean(r["error"] for r in rows if (r["name"], r["frames"]) == (n, f)) for f in lengths[n]} for n in names
    }


def series(found: dict, field: str) -> dict[str, dict[int, float]]:
    """{name: {frames: seconds or bytes of a train step}}, where it was measured."""
    rows = [r for r in found["costs"] if field in r]
    return {n: {r["frames"]: r[field] for r in rows if r["name"] == n} for n in CONTENDERS}


def needed_minutes(found: dict, name: str, frames: int) -> float:
    """What a stage of training at that length takes, by the measured train step."""
    plan = found["plan"]
    return series(found, "seconds")[name][frames] * plan["steps"] * plan["batch"] / plan["cost_batch"] / 60


def _error_cell(found: dict, name: str, frames: int) -> str:
    measured = errors(found)[name] if name != "table" else {}
    if frames in measured:
        return f"{measured[frames]:.1%}"
    if name == "table":
        return "–"
    return f"not run: needs {needed_minutes(found, name, frames):.0f} min"


def _cost_cell(found: dict, name: str, frames: int) -> str:
    row = next(r for r in found["costs"] if (r["name"], r["frames"]) == (name, frames))
    if "needs_bytes" in row:
        return f"not run: needs {row['needs_bytes'] / 1e9:.0f} GB"
    return f"{row['seconds']:.2f} s, {row['bytes'] / 1e6:.0f} MB"


def long_markdown(found: dict) -> str:
    """Errors and costs as a page."""
    plan = found["plan"]
    head = ("network", *(f"{n:,} frames" for n in plan["lengths"]))
    wrong = [(label_of(n), *(_error_cell(found, n, f) for f in plan["lengths"])) for n in (*CONTENDERS, *CONTROLS)]
    cost = [(label_of(n), *(_cost_cell(found, n, f) for f in plan["lengths"])) for n in CONTENDERS]
    return (
        f"# Long clips\n\n{provenance_line(found)}\n\nShare of wrong signs, {len(plan['seeds'])} trainings of each "
        f"network, {plan['clips']} unseen clips at each length (guessing: 50%); minutes are those of {plan['steps']} "
        f"steps by the measured train step.\n\n{markdown.table(head, wrong)}\n\n"
        f"A train step of {plan['cost_batch']} clips: processor time, peak memory.\n\n{markdown.table(head, cost)}\n"
    )


def provenance_line(found: dict) -> str:
    """Markdown: that these numbers were recorded, and where."""
    p = found["provenance"]
    return (
        f"**Recorded, not computed here**: simulated clips, {found['seconds'] / 60:.0f} minutes of processor time, "
        f"{p['device'].split(',')[0]}, one thread, torch {p['versions']['torch']}, scan `{p['scan']}`, commit "
        f"{p['commit']}, {p['date']}."
    )


def draw_long(figure: matplotlib.figure.Figure, found: dict) -> None:
    """Three panels over the frames: wrong signs, processor time and peak memory of a train step."""
    lengths, axes = found["plan"]["lengths"], figure.subplots(1, 3)
    wrong = {n: {f: 100 * v for f, v in of.items()} for n, of in errors(found).items()}
    panels = (wrong, series(found, "seconds"), {n: {f: v / 1e6 for f, v in of.items()}
                                                for n, of in series(found, "bytes").items()})  # fmt: skip
    labels = ("wrong signs (%)", "train step (s)", "peak memory (MB)")
    for ax, panel, label in zip(axes, panels, labels, strict=True):
        for name, values in panel.items():
            c = colour(COLOURS[name]) if name in COLOURS else OTHERS[name]
            style = "--" if name in ATTENTION else ":" if name in CONTROLS else "-"
            ax.plot(list(values), list(values.values()), style, marker="o", ms=4, color=c, label=label_of(name))
        ax.set(xlabel="frames of voice", ylabel=label, xscale="log", yscale="linear" if ax is axes[0] else "log")
        ax.set_xticks(lengths, [f"{n // 1000}k" if n >= 1000 else str(n) for n in lengths])
        ax.minorticks_off()
    handles = {t: h for ax in axes for h, t in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3, fontsize=8, handlelength=3)


def write_long(found: dict, folder: Path) -> list[Path]:
    """Markdown and PNG of the record; returns the files."""
    make_folder(folder)
    figure = matplotlib.figure.Figure(figsize=(10, 4.4), layout="constrained", dpi=120)
    draw_long(figure, found)
    figure.suptitle("Long clips: who tells the sign, and what a train step costs (dashed: attention)")
    write_text(folder / "long_sequences.md", long_markdown(found))
    save_figure(figure, folder / "long_sequences.png")
    return [folder / "long_sequences.md", folder / "long_sequences.png"]
