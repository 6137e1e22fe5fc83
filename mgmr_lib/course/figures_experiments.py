"""Drawings of 00 and of Part V (20 to 24)."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mgmr_lib.course import figures
from mgmr_lib.data.classroom import SPECS
from mgmr_lib.data.classroom_features import PAUSE
from mgmr_lib.data.corpus import MODALITIES, Split
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.errors import CourseError
from mgmr_lib.evaluation.metrics import aggregate

# --- 00 start here --------------------------------------------------------------------------------------------------------

SHOWN = {"audio": ("pitch", "voice pitch (Hz)"), "vision": ("AU12 lip corner puller", "smile (0 to 5)")}


def channel(corpus_name: str, modality: str, name: str) -> int:
    """The column of a named feature of a classroom corpus."""
    return SPECS[corpus_name].modalities()[modality].names.index(name)


def lost_clip(clip: Split, encoding, said: dict[float, float] | None = None, seed: int = 1) -> Callable:
    """A drawing of one clip with parts lost: words at the times when they are spoken, pitch and smile as curves.

    clip: a split of one clip of classroom-mosi; encoding: its text as the tokeniser gives it (tokens and offsets, [CLS] and [SEP]
    left out); said: missing rate -> a prediction for the title; seed: of the masks. Returns draw(fig, rate).
    """
    seconds = float(clip.extra["seconds"][0])
    letters = max(end for _, end in encoding.offsets)
    centres = [PAUSE + (start + end) / 2 / letters * (seconds - 2 * PAUSE) for start, end in encoding.offsets]

    def draw(fig, rate: float = 0.0) -> None:
        keep = draw_masks(clip, float(rate), seed)
        axes = fig.subplots(3, 1, sharex=True, height_ratios=[1, 2, 2])
        _words(axes[0], encoding.tokens, centres, keep["text"][0][1:-1])
        for ax, modality in zip(axes[1:], SHOWN, strict=True):
            _curve(ax, clip, modality, keep[modality][0], seconds)
        axes[0].set_title(f"missing rate {rate:g}" + ("" if said is None else f": the text ridge says {said[rate]:+.2f}"))
        axes[-1].set(xlabel="time (s)", xlim=(0, seconds))

    return draw


def _words(ax, tokens, centres, kept) -> None:
    for token, centre, seen in zip(tokens, centres, kept, strict=True):
        ax.text(centre, 0.5, token if seen else "•", ha="center", va="center", fontsize=9, color="black" if seen else figures.RED)
    ax.set(ylim=(0, 1), yticks=[])
    ax.grid(False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(bottom=False)


def _curve(ax, clip: Split, modality: str, kept, seconds: float) -> None:
    name, label = SHOWN[modality]
    values = getattr(clip, modality)[0][:, channel("classroom-mosi", modality, name)]
    time = (np.arange(len(values)) + 0.5) / len(values) * seconds
    colour = figures.BLUE if modality == "audio" else figures.GREEN
    ax.plot(time[kept], values[kept], ".", ms=4, color=colour)
    ax.plot(time, np.where(kept, values, np.nan), lw=1.2, color=colour)
    spare = 0.1 * max(float(np.ptp(values)), 0.1)
    ax.set(ylabel=label.replace(" (", "\n("), ylim=(values.min() - spare, values.max() + spare))


# --- 21 missing rates -----------------------------------------------------------------------------------------------------


def nested_masks(fig, clip: Split, rates, seed: int = 1) -> None:
    """One clip's masks, a row a missing rate and a column a step: dark where it is kept."""
    axes = fig.subplots(1, 3, sharey=True, width_ratios=[1, 2, 2])
    for ax, modality in zip(axes, MODALITIES, strict=True):
        rows = np.stack([draw_masks(clip, float(rate), seed)[modality][0] for rate in rates])
        ax.imshow(rows, aspect="auto", interpolation="nearest", cmap="Blues", vmin=0, vmax=1.3)
        unit = "token" if modality == "text" else "frame"
        ax.set(title=f"{modality}: {rows.shape[1]} {unit}s", xlabel=f"{unit} of the clip")
        ax.grid(False)
    axes[0].set(ylabel="missing rate", yticks=range(len(rates)), yticklabels=[f"{rate:g}" for rate in rates])


def training_rates(fig, drawn: list[dict[str, np.ndarray]]) -> None:
    """Protocol B's rates of some epochs (one dictionary an epoch): every clip a dot, text against voice."""
    axes = fig.subplots(1, len(drawn), sharex=True, sharey=True, squeeze=False)[0]
    for epoch, (ax, rates) in enumerate(zip(axes, drawn, strict=True)):
        ax.plot(rates["text"], rates["audio"], ".", ms=3, alpha=0.6, color=figures.BLUE)
        complete = np.mean([max(r) == 0 for r in zip(*rates.values(), strict=True)])
        ax.set(title=f"epoch {epoch}: {complete:.0%} complete (all at 0, 0)", xlabel="text lost (rate)")
    axes[0].set(ylabel="voice lost (rate)")


def curves(fig, records: dict[str, list[dict]], metrics=("mae", "corr")) -> None:
    """Missing-rate curves of several predictors on the same masks, one panel a metric; names with "control" or "shuffled" in grey."""
    from mgmr_lib.evaluation.plots import LABELS

    axes = fig.subplots(1, len(metrics), squeeze=False)[0]
    markers = "os^Dv"
    for ax, metric in zip(axes, metrics, strict=True):
        for i, (name, found) in enumerate(records.items()):
            colour = figures.GREY if "control" in name or "shuffled" in name else figures.PALETTE[i]
            by_rate: dict[float, list[float]] = {}
            for record in found:
                by_rate.setdefault(record["rate"], []).append(record[metric])
            means = [float(np.mean(v)) for v in by_rate.values()]
            ax.plot(list(by_rate), means, marker=markers[i % 5], color=colour, label=name)
        ax.set(xlabel="missing rate (share of steps lost)", ylabel=LABELS[metric])
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(records))


NOT_RECORDED = "**Not recorded yet.** No result of the laptop profile lies in `data/results`, so none is shown."


def recorded_runs(path: Path) -> list[dict]:
    """The evaluations in a file of data/results ({"runs": [what `evaluate` writes, ...]}); none where there is no file."""
    if not path.exists():
        return []
    try:
        runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
        if not all({"model", "records", "training_seed", "config_hash", "provenance"} <= set(run) for run in runs):
            raise KeyError("records")
        return runs
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CourseError(f"data/results/{path.name} holds no evaluations ({error}): record them again, or delete it") from error


def recorded_provenance(runs: list[dict]) -> str:
    """Markdown: that these numbers were recorded, and what they depend on."""
    if not runs:
        return NOT_RECORDED
    lines = ["**Recorded, not computed here:**", ""]
    for run in runs:
        p = run["provenance"]
        versions = ", ".join(f"{k} {v}" for k, v in p.get("versions", {}).items() if k in ("torch", "transformers"))
        commit = f", commit {p['commit']}" if p.get("commit") else ""
        lines.append(f"- {run.get('name', run['model'])} on {run['data']}, protocol {run['protocol']}, training seed {run['training_seed']}, "
                     f"settings {run['config_hash']}; {p.get('date', 'no date')}, {p.get('device', 'device unknown')}{_took(run)}, "
                     f"{versions}{commit}")
    return "\n".join(lines)


def _took(run: dict) -> str:
    seconds = run.get("training", {}).get("seconds")
    return f", {seconds:.0f} seconds of training" if seconds else ""


def by_reader(runs: list[dict]) -> tuple[dict[str, list], dict[str, list]]:
    """The records of each trained reader, one list a training, and those of the references of the first run."""
    trained: dict[str, list] = {}
    for run in runs:
        trained.setdefault(run.get("name", run["model"]), []).append(run["records"])
    return trained, {name: [other["records"]] for run in runs[:1] for name, other in run.get("references", {}).items()}


def recorded_curves(fig, runs: list[dict]) -> None:
    """The recorded curves, means over training and mask seeds; a note in the picture's place where nothing is recorded."""
    if not runs:
        fig.subplots().set(title="not recorded yet", xlabel="missing rate", ylabel="mean absolute error")
        return
    trained, references = by_reader(runs)
    curves(fig, {name: [r for records in several for r in records] for name, several in {**trained, **references}.items()})


def recorded_table(runs: list[dict]) -> str:
    """Markdown: error at some rates and both areas, means over training and mask seeds, recomputed from the records."""
    if not runs:
        return NOT_RECORDED
    trained, references = by_reader(runs)
    lines = ["| reader | trainings | MAE at rate 0 | at 0.5 | at 1 | AUILC of MAE | AUILC of Corr |", "|---|---|---|---|---|---|---|"]
    for name, several in {**trained, **references}.items():
        found = [aggregate(records) for records in several]
        at = {row["rate"]: np.mean([f["per_rate"][i]["mean"]["mae"] for f in found]) for i, row in enumerate(found[0]["per_rate"])}
        cells = [f"{at[rate]:.3f}" if rate in at else "" for rate in (0.0, 0.5, 1.0)]
        cells += [f"{np.mean([f['auilc'][metric] for f in found]):.3f}" for metric in ("mae", "corr")]
        lines.append(f"| {name} | {len(several) if name in trained else 'none'} | {' | '.join(cells)} |")
    return "\n".join(lines)
