"""Drawings of notebook 23, and what it reads of recorded costs."""

import numpy as np

from mgmr_lib.course import figures
from mgmr_lib.experiments.cost_tables import inference_markdown
from mgmr_lib.experiments.plan import LAYERS

NOT_RECORDED = (
    "**Not recorded yet.** No costs lie in `data/results`: `python -m mgmr_lib experiment complexity` records them."
)
MARKERS = "os^Dv"
ATTENTION = ("mfmb", "mult")  # dashed, as in long_tables
COLOURS = {"mgmr": figures.BLUE, "mfmb": figures.ORANGE, "mfmb_mamba": figures.ORANGE, "mult": figures.GREEN}


def over_frames(fig, frames, panels: dict[str, dict[str, list[float]]], labels: dict[str, str]) -> None:
    """Costs against the number of frames, a panel a cost, both axes logarithmic; grey lines rise linearly and
    quadratically.

    panels: {y label: {variant's name: values, one for each of frames or of the first ones}}; labels: {name: what the
    legend says}.
    """
    axes = fig.subplots(1, len(panels), squeeze=False)[0]
    for ax, (label, curves) in zip(axes, panels.items(), strict=True):
        for (name, values), marker in zip(curves.items(), MARKERS, strict=False):
            style = "--" if name in ATTENTION else "-"
            ax.loglog(
                frames[: len(values)],
                values,
                marker=marker,
                ms=5,
                color=COLOURS.get(name, figures.PURPLE),
                ls=style,
                label=labels[name],
            )
        low = max(min(v) for v in curves.values()) * 0.35
        for power, style in ((1, ":"), (2, "-.")):
            ax.loglog(
                [frames[0], frames[-1]],
                [low, low * (frames[-1] / frames[0]) ** power],
                style,
                color=figures.GREY,
                lw=1,
                label="linear" if power == 1 else "quadratic",
            )
        ax.set(xlabel="frames of voice and of face", ylabel=label)
        ax.set_xticks(frames, [str(f) for f in frames])
        ax.minorticks_off()
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)


def crossing(ax, lengths, curves: dict[str, list[float]], marks: dict[str, float]) -> None:
    """Multiply-adds a clip against its length; vertical lines mark lengths of interest; the legend is below."""
    for (name, values), c in zip(curves.items(), figures.PALETTE, strict=False):
        ax.plot(lengths, np.asarray(values) / 1e6, color=c, label=name)
    for (name, x), style in zip(marks.items(), ("--", ":", "-."), strict=False):
        ax.axvline(x, color="black", lw=1, ls=style, label=name)
    ax.set(xlabel="length (steps)", ylabel="multiply-adds (millions)")
    ax.legend(ncols=len(ax.lines), loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=8, columnspacing=1.2)


def times(ax, groups: dict[str, list[float]], increase: float | None = None) -> None:
    """A row per group, a dot a measurement (milliseconds); below, a line as long as a relative increase would be,
    from the first group's median."""
    for i, (name, values) in enumerate(groups.items()):
        ax.plot(
            values, [-i] * len(values), "o", ms=6, alpha=0.6, color=figures.GREY if "again" in name else figures.BLUE
        )
    names = list(groups)
    if increase is not None:
        begin = float(np.median(next(iter(groups.values()))))
        ax.plot([begin, begin * (1 + increase)], [-len(groups)] * 2, color=figures.GREY, lw=3)
        names.append("the paper's increase")
    ax.set_yticks([-i for i in range(len(names))], names)
    ax.set(ylim=(0.5 - len(names), 0.5), ylabel="input", xlabel="processor time for one batch (ms)")


def table_seven(ax, rows: dict[str, tuple[float, float]]) -> None:
    """The paper's Table 7: a row per network, complete and half missing."""
    for i, (complete, half) in enumerate(rows.values()):
        ax.plot([complete, half], [-i, -i], color=figures.GREY, lw=1)
        ax.plot(complete, -i, "o", color=figures.BLUE, label="paper: complete" if i == 0 else None)
        ax.plot(half, -i, "s", color=figures.ORANGE, label="paper: half missing" if i == 0 else None)
    ax.set_yticks([-i for i in range(len(rows))], list(rows))
    ax.set(xlim=(0, 5), xlabel="seconds, as printed", ylabel="network")
    ax.legend(loc="lower left")


def left_over(ax, common, curves: dict[str, list[float]]) -> None:
    """How many times faster a network's own part is, against the seconds that all networks share."""
    for (name, values), c in zip(curves.items(), figures.PALETTE, strict=False):
        ax.plot(common, values, color=c, label=name)
    ax.set(xlabel="shared seconds: encoder, loading, start (unknown)", ylabel="times faster", ylim=(0.9, 4))
    ax.legend(loc="upper left")


def recorded_lengths(fig, found: dict | None) -> None:
    """Recorded seconds and peak memory of a train step against the frames, with Mamba's first layer (26 shows the
    later ones); a note where nothing is recorded."""
    if found is None:
        fig.subplots().set(title="not recorded yet", xlabel="frames of voice and of face", ylabel="cost")
        return
    rows = [r for r in found["over_length"] if r["pass"] == "train step" and r["name"] not in LAYERS]
    frames, names = sorted({r["frames"] for r in rows}), list(dict.fromkeys(r["name"] for r in rows))

    def series(field: str, scale: float) -> dict[str, list[float]]:
        return {n: [r[field] / scale for r in sorted(rows, key=lambda r: r["frames"]) if r["name"] == n] for n in names}

    panels = {"processor time (s)": series("seconds", 1.0), "peak memory (MB)": series("bytes", 1e6)}
    over_frames(fig, frames, panels, {r["name"]: r["label"] for r in rows})


def recorded_inference(found: dict | None) -> str:
    """Table 7's counterpart in Markdown, the paper's rows below."""
    return NOT_RECORDED if found is None else inference_markdown(found).split("\n", 2)[2]
