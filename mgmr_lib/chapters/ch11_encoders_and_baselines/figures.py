"""Drawings of notebook 11, and the printed table that it starts from; each function fills an empty figure or axes."""

import numpy as np

from mgmr_lib.course import figures
from mgmr_lib.errors import CourseError
from mgmr_lib.evaluation.statistics import t_interval

# MFMB-Net's Table 2, CMU-MOSI, as printed: (Acc-2 has0, Acc-2 non0, Acc-7) in per cent. The paper's numbers, not ours.
PAPER_TABLE_2 = {
    "FC(V)": (44.79, 42.3, 15.48),
    "FC(A)": (44.94, 42.43, 15.43),
    "FC(T)": (66.97, 67.18, 28.92),
    "Concat": (68.15, 68.33, 29.07),
}
LABELS = {"acc2_has0": "Acc-2, has0 (share)", "mae": "mean absolute error (points)", "corr": "correlation (no unit)"}
COLUMNS = (
    ("complete mae", "MAE, complete", 3),
    ("complete corr", "Corr, complete", 3),
    ("auilc mae", "AUILC of MAE", 3),
    ("auilc corr", "AUILC of Corr", 3),
)


def paired_bars(ax, groups: dict[str, dict[str, float]]) -> None:
    """Bars side by side: {group: {bar: value}}, every group with the same bars; values written above them."""
    names = list(next(iter(groups.values())))
    width = 0.8 / len(names)
    for i, name in enumerate(names):
        values = [g[name] for g in groups.values()]
        at = np.arange(len(groups)) + (i - (len(names) - 1) / 2) * width
        ax.bar(at, values, 0.92 * width, color=figures.PALETTE[i], label=name)
        for x, v in zip(at, values, strict=True):
            ax.text(x, max(v, 0), f"{v:.2f}", ha="center", va="bottom", fontsize=9)
    ax.set_xticks(range(len(groups)), list(groups))
    ax.legend(ncols=len(names), loc="upper left")
    ax.grid(axis="x", visible=False)


def readers_over_seeds(
    fig, scores: dict[str, list[dict]], lines: dict[str, dict] | None = None, metrics=("acc2_has0", "mae", "corr")
) -> None:
    """One panel a metric, a row per reader: a dot for each training seed and the 95 % t-interval of their mean.

    scores: {reader: [metrics of a run, ...]}; lines: {rival: metrics}, drawn as vertical lines. A name with "control"
    is grey.
    """
    axes = fig.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for ax, metric in zip(axes, metrics, strict=True):
        for i, (name, runs) in enumerate(scores.items()):
            values = [r[metric] for r in runs]
            colour = figures.GREY if "control" in name else figures.BLUE
            ax.plot(values, len(values) * [-i], "o", ms=5, alpha=0.6, color=colour)
            found = t_interval(values)
            if np.isfinite(found["low"]):
                ax.plot([found["low"], found["high"]], [-i - 0.25] * 2, color=colour, lw=2.2)
        for (name, at), style in zip((lines or {}).items(), ("--", ":"), strict=False):
            ax.axvline(at[metric], ls=style, color="#333333", lw=1.3, label=name)
        ax.set_xlabel(LABELS[metric])
    axes[0].set_yticks([-i for i in range(len(scores))], list(scores))
    axes[0].set(ylim=(-len(scores) + 0.4, 0.5), ylabel="reader")
    if lines:
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(lines))


def weights_against_width(ax, widths, tensor, low_rank) -> None:
    """Weights of one fusion layer against the width of a modality's vector, both axes logarithmic."""
    ax.loglog(widths, [tensor(w) for w in widths], "o-", base=10, label="fusion tensor")
    ax.loglog(widths, [low_rank(w) for w in widths], "s-", base=10, label="low rank")
    ax.set_xscale("log", base=2)
    ax.set_xticks(widths, [str(w) for w in widths])
    ax.set(xlabel="width of each modality's vector (numbers)", ylabel="weights of the fusion layer")
    ax.legend(loc="upper left")


def errors_against_length(fig, found: dict[str, dict[str, list[float]]], lengths) -> None:
    """{panel: {reader: squared errors at the lengths}}, both axes logarithmic."""
    axes = fig.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for ax, (title, readers) in zip(axes, found.items(), strict=True):
        for (name, values), marker in zip(readers.items(), "os^D", strict=False):
            ax.loglog(lengths, values, marker + "-", label=name)
        ax.set_xticks(lengths, [str(n) for n in lengths])
        ax.minorticks_off()
        ax.set(title=title, xlabel="frames of the clip")
    axes[0].set_ylabel("squared error (no unit)")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)


def without_a_modality(fig, found: dict[str, dict[str, dict]], blind: dict) -> None:
    """{network: {what is gone: metrics}}: MAE with a line at the blind rival, and correlation, a marker a network."""
    axes = fig.subplots(1, 2, sharey=True)
    for ax, metric in zip(axes, ("mae", "corr"), strict=True):
        for (name, cases), marker, shift in zip(found.items(), "os^", (-0.12, 0.12, 0.0), strict=False):
            ax.plot(
                [c[metric] for c in cases.values()], [-i + shift for i in range(len(cases))], marker, ms=8, label=name
            )
        ax.axvline(blind[metric], ls="--", color="#333333", lw=1.3, label="blind rival")
        ax.set_xlabel(LABELS[metric])
    cases = list(next(iter(found.values())))
    axes[0].set_yticks([-i for i in range(len(cases))], cases)
    axes[0].set(ylim=(-len(cases) + 0.4, 0.6), ylabel="what is lost")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)


def recorded_rows(table, names) -> str:
    """Markdown: one row a name in the order of `names`; "mean [low, high]" of the ledger's summary, or that there is no
    record."""
    lines = [
        "| network | trainings | " + " | ".join(title for _, title, _ in COLUMNS) + " |",
        "|" + (len(COLUMNS) + 2) * "---|",
    ]
    for name in names:
        if name not in table.index:
            lines.append(f"| {name} | none yet |{len(COLUMNS) * ' |'}")
            continue
        row = table.loc[name]
        cells = [_cell(row, key, digits) for key, _, digits in COLUMNS]
        lines.append(f"| {row['label']} | {int(row['seeds']) if row['trained'] else 'none'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(row, key: str, digits: int) -> str:
    if key not in row or not np.isfinite(row[key]):
        return ""
    text = f"{row[key]:.{digits}f}"
    low, high = row.get(f"{key} low", np.nan), row.get(f"{key} high", np.nan)
    return f"{text} [{low:.{digits}f}, {high:.{digits}f}]" if np.isfinite(low) else text


def recorded_table(records: list[dict], names) -> object:
    """The ledger's summary of `names`, with a column "trained": False for rivals that need no training."""
    from mgmr_lib.experiments.ledger import by_name, summary

    table = summary(records, names)
    trained = {n: r[0].get("config") is not None for n, r in by_name(records).items()}
    table["trained"] = [trained[n] for n in table.index]
    return table


def against(records: list[dict], names, reference: str, metric: str = "mae", area: str = "auilc") -> str:
    """Markdown: which trained networks are better or worse than `reference` over common training seeds, and which are
    neither.

    Better: the paired 95 % interval of the difference lies below 0 (metric is an error). No record of the reference:
    said so.
    """
    from mgmr_lib.experiments.ledger import by_name, paired
    from mgmr_lib.experiments.verdicts import BETTER, NOT_TOLD_APART, WORSE, verdict

    groups = by_name(records)
    if reference not in groups:
        return f"**Not recorded yet**: the ledger holds no run of {reference}."
    words = {
        BETTER: "better than",
        NOT_TOLD_APART: "no different, as far as these trainings can tell, from",
        WORSE: "worse than",
    }
    networks: dict[str, list[str]] = {word: [] for word in words}
    for name in names:
        if name in groups and name != reference and groups[name][0].get("config") is not None:
            found = paired(records, name, reference, metric, area)
            networks[verdict(found)].append(f"{groups[name][0]['label']} ({found['mean']:+.3f})")
    label = groups[reference][0]["label"]
    return "\n".join(f"- {words[v]} {label}: {', '.join(who) or 'none'}" for v, who in networks.items())


def recorded_forest(fig, table, keys=("complete mae", "auilc mae")) -> None:
    """One panel a key: each network's recorded mean and 95 % interval; a note where nothing is recorded."""
    if not len(table):
        fig.subplots().set(title="not recorded yet", xlabel=LABELS["mae"], ylabel="network")
        return
    axes = fig.subplots(1, len(keys), sharey=True, squeeze=False)[0]
    for ax, key in zip(axes, keys, strict=True):
        if key not in table:
            raise CourseError(
                f"the ledger's summary has no column {key!r}: it holds {', '.join(map(str, table.columns))}"
            )
        for i, (_, row) in enumerate(table.iterrows()):
            colour = figures.BLUE if row["trained"] else figures.GREY
            ax.plot([row[f"{key} low"], row[f"{key} high"]], [-i, -i], color=colour, lw=2.2)
            ax.plot(row[key], -i, "o", color=colour)
        area = "all there" if key.startswith("complete") else "mean over rates 0 to 1 (AUILC)"
        ax.set(xlabel=LABELS[key.split()[-1]], title=area)
    axes[0].set_yticks([-i for i in range(len(table))], list(table["label"]))
    axes[0].set_ylabel("network")
