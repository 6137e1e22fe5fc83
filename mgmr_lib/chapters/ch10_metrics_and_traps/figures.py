"""Drawings of notebook 10, and the papers' printed scores that it reads; each function fills an empty figure or
axes."""

import numpy as np

from mgmr_lib.course import figures

# Printed scores on CMU-MOSI in per cent: (Acc-2 has0, Acc-2 non0, F1 has0, F1 non0). They are the papers' numbers, not
# ours. MFMB-Net prints has0/non0, MGMR-Net non0/has0; here both stand in the first order.
PAPER_ROWS = {
    "MFMB-Net, Table 2": {
        "FC(V)": (44.79, 42.3, 61.45, 59.03),
        "FC(A)": (44.94, 42.43, 61.54, 59.08),
        "FC(T)": (66.97, 67.18, 69.34, 69.49),
        "Concat": (68.15, 68.33, 72.60, 72.78),
    },
    "MFMB-Net, Table 4": {
        "TFN": (61.0, 60.9, 59.7, 59.7),
        "LMF": (59.7, 59.3, 56.4, 56.1),
        "MulT": (63.1, 63.2, 60.7, 61.0),
        "MISA": (63.9, 63.7, 59.0, 58.8),
        "Self-MM": (66.9, 67.5, 65.4, 66.2),
        "TFR-Net": (67.6, 67.8, 65.7, 66.1),
        "MMIM": (66.8, 66.9, 64.6, 65.8),
        "MFMB-Net": (66.4, 67.0, 69.3, 69.8),
    },
    "MGMR-Net, Table 3": {
        "MISA": (70.33, 71.49, 70.00, 71.28),
        "Self-MM": (69.26, 70.51, 67.54, 66.60),
        "MMIM": (67.06, 69.14, 64.04, 66.65),
        "CENET": (67.73, 71.46, 64.85, 68.61),
        "TETFN": (67.68, 69.76, 63.29, 65.69),
        "TFR-Net": (66.35, 68.15, 66.35, 67.03),
        "ALMT": (68.39, 70.40, 71.80, 72.57),
        "LNLN": (70.94, 72.55, 71.25, 72.73),
        "MGMR-Net": (72.37, 73.50, 72.39, 73.53),
    },
}
# MGMR-Net, Table 4 (CMU-MOSEI): (Acc-7, Acc-5) in per cent, the paper's numbers.
PAPER_MOSEI = {
    "MISA": (40.84, 39.39),
    "Self-MM": (44.70, 45.38),
    "MMIM": (40.75, 41.74),
    "CENET": (47.18, 43.01),
    "TETFN": (30.40, 47.70),
    "TFR-Net": (46.83, 34.67),
    "ALMT": (46.41, 41.64),
    "LNLN": (45.42, 46.17),
    "MGMR-Net": (46.10, 46.92),
}


def readers_by_metric(fig, table: dict) -> None:
    """One panel a metric: a dot for each reader. table: {reader: {metric: value}}, all readers with the same
    metrics."""
    names, metrics = list(table), list(next(iter(table.values())))
    axes = fig.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for ax, metric in zip(axes, metrics, strict=True):
        for i, name in enumerate(names):
            ax.plot(table[name][metric], -i, "o", ms=8, color=figures.PALETTE[i])
        ax.set_xlabel(metric)
        ax.margins(0.2)
    axes[0].set_yticks([-i for i in range(len(names))], names)
    axes[0].set_ylim(0.5 - len(names), 0.5)
    axes[0].set_ylabel("reader")


def staircases(ax, rules: dict) -> None:
    """Class against value for each rounding rule; dots mark what each rule says at exactly .5."""
    x, halves = np.linspace(-3, 3, 1201), np.arange(-2.5, 3)
    x = x[np.abs((x % 1) - 0.5) > 1e-6]
    shifts = np.linspace(-0.12, 0.12, len(rules))
    for (name, rule), shift, marker, colour in zip(rules.items(), shifts, "os^", figures.PALETTE, strict=False):
        y = np.asarray(rule(x), dtype=float) + shift
        y[1:][np.diff(y) != 0] = np.nan
        ax.plot(x, y, color=colour, lw=1.6)
        ax.plot(halves, np.asarray(rule(halves)) + shift, marker, color=colour, ms=6, label=name)
    ax.set(xlabel="value (points)", ylabel="class", yticks=range(-3, 4))
    ax.legend(loc="upper left")


def accuracy_against_f1(fig, shares: dict, ceiling) -> None:
    """The papers' rows, accuracy to the right and F1 upwards, a panel a convention, with the ceiling of the true F1.

    shares: {"has0": share of the positive class, "non0": ...}; ceiling(accuracy, share) -> largest true F1, all as
    fractions.
    """
    a = np.linspace(0.35, 0.8, 50)
    axes = fig.subplots(1, 2, sharey=True)
    for j, (ax, (convention, share)) in enumerate(zip(axes, shares.items(), strict=True)):
        ax.plot(100 * a, 100 * ceiling(a, share), color="black", lw=1.4, label="ceiling of the true F1")
        ax.fill_between(100 * a, 40, 100 * ceiling(a, share), color=figures.GREY, alpha=0.12, lw=0)
        ax.plot(100 * a, 200 * a / (1 + a), ls="--", lw=1.2, color=figures.RED, label="swapped F1 of a constant answer")
        for (table, rows), marker, colour in zip(
            PAPER_ROWS.items(), "o^s", (figures.ORANGE, figures.BLUE, figures.GREEN), strict=True
        ):
            x, y = [row[j] for row in rows.values()], [row[2 + j] for row in rows.values()]
            ax.plot(x, y, marker, color=colour, ms=6, alpha=0.8, label=f"paper: {table}")
        for table, name, words in (
            ("MFMB-Net, Table 2", "FC(V)", "FC(V), FC(A)"),
            ("MFMB-Net, Table 2", "Concat", "Concat"),
            ("MGMR-Net, Table 3", "MGMR-Net", "MGMR-Net"),
        ):
            row = PAPER_ROWS[table][name]
            below = name != "Concat"
            ax.annotate(
                words,
                (row[j], row[2 + j]),
                (4 if below else -4, -11 if below else 6),
                textcoords="offset points",
                fontsize=8,
                ha="left" if below else "right",
            )
        ax.set(title=convention, xlabel="Acc-2 (%)", xlim=(35, 80), ylim=(40, 80))
    axes[0].set_ylabel("weighted F1 (%)")
    axes[1].legend(loc="lower right", fontsize=8)


def selection(fig, growth: dict, per_metric: dict) -> None:
    """What selecting gains: left over the number of checkpoints, right for each metric.

    growth: {rule: (numbers, gains in points of Acc-2)}; per_metric: {rule: {metric: gain}}.
    """
    left, right = fig.subplots(1, 2)
    for (rule, (numbers, gains)), marker in zip(growth.items(), "os^", strict=False):
        left.plot(numbers, gains, marker + "-", label=rule)
    left.set(xlabel="checkpoints to choose from", ylabel="gain in Acc-2 (points)", xscale="log")
    left.set_xticks(numbers, [str(n) for n in numbers])
    left.minorticks_off()
    left.margins(y=0.1)
    left.set_ylim(top=1.35 * left.get_ylim()[1])
    left.legend(loc="upper left")
    width = 0.8 / len(per_metric)
    for i, (rule, gains) in enumerate(per_metric.items()):
        right.bar([k + (i - 0.5) * width for k in range(len(gains))], list(gains.values()), width, label=rule)
    right.set_xticks(range(len(gains)), list(gains))
    right.axhline(0, color="black", lw=0.8)
    right.set(xlabel="metric", ylabel="gain (points, or hundredths)")
    right.set_ylim(top=1.35 * right.get_ylim()[1])
    right.legend(loc="upper left")


def area_and_mean(fig, rates, values, last: float = 0.9) -> None:
    """Left: the area that AUILC takes. Right: the bars whose mean is the plain mean. rates, values: lists of n."""
    left, right = fig.subplots(1, 2, sharey=True)
    rates, values = np.asarray(rates), np.asarray(values)
    left.fill_between(rates, 0, values, color=figures.SKY, alpha=0.6, lw=0)
    left.plot(rates, values, "o-", color=figures.BLUE)
    inside = rates <= last + 1e-9
    right.bar(rates[inside], values[inside], 0.06, color=figures.ORANGE)
    right.plot(rates[~inside], values[~inside], "x", ms=9, mew=2, color=figures.GREY)
    left.set(title="AUILC: the area", xlabel="missing rate", ylabel="Acc-2 (%)")
    right.set(title="plain mean: ten bars, the last point left out", xlabel="missing rate")


def intervals(ax, found: dict) -> None:
    """A dot with its interval for each name, from the top down. found: {name: (value, low, high)}."""
    for i, (value, low, high) in enumerate(found.values()):
        ax.plot([low, high], [-i, -i], lw=3, color=figures.PALETTE[i], solid_capstyle="butt")
        ax.plot(value, -i, "o", ms=8, color=figures.PALETTE[i])
    ax.set_yticks([-i for i in range(len(found))], list(found))
    ax.set_ylim(0.5 - len(found), 0.5)


def power_over_clips(
    fig, disagree: float, power, gain: float = 0.5, clips=(200, 686, 2000, 4659, 20_000, 60_000)
) -> None:
    """Share of experiments that see the gain, over the number of test clips. power(clips, gain, disagree),
    fractions."""
    ax = fig.subplots()
    ax.plot(clips, [100 * power(n, gain / 100, disagree) for n in clips], "o-")
    ax.axvline(686, ls=":", color=figures.GREY)
    ax.axhline(80, ls="--", color=figures.GREY, lw=1)
    ax.set(
        title=f"{gain:g} points, {disagree:.0%} disagree",
        xlabel="test clips (dotted: 686)",
        ylabel="seen (%)",
        xscale="log",
        ylim=(0, 104),
    )


def power_over_seeds(ax, curves: dict) -> None:
    """Share of experiments that see the gain, over the seeds per network. curves: {name: (seeds, shares)}."""
    for (name, (seeds, shares)), marker in zip(curves.items(), "os^d", strict=False):
        ax.plot(seeds, [100 * s for s in shares], marker + "-", label=name)
    ax.axhline(80, ls="--", color=figures.GREY, lw=1)
    ax.set(xlabel="seeds for each network", ylabel="experiments that see it (%)", ylim=(0, 104), xscale="log")
    ax.set_xticks(seeds, [str(s) for s in seeds])
    ax.minorticks_off()
    ax.legend(loc="lower right")
