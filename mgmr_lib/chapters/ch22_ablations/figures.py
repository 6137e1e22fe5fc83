"""Notebook 22: what the ledger says about ablations, and drawings; each drawing fills an empty figure or axes."""

import numpy as np
import pandas as pd

from mgmr_lib import markdown
from mgmr_lib.course import figures
from mgmr_lib.evaluation.statistics import t_interval, welch
from mgmr_lib.experiments.figures import differences
from mgmr_lib.experiments.ledger import areas, by_name, provenance_line
from mgmr_lib.experiments.plan import VARIANTS
from mgmr_lib.experiments.tables import HEADS, rows, tables_of
from mgmr_lib.experiments.tables import page as table_page

NOT_RECORDED = provenance_line([], "ablation")


def sketch(profile: str) -> dict:
    """Settings that make the fast profile a sketch of seconds; the other profiles are left as they are."""
    return (
        {"epochs": 4, "max_clips": 96, "batch_size": 8, "lr": 1e-3, "text_encoder": "tiny"} if profile == "fast" else {}
    )


def page(key: str, records: list[dict], family: str = "mosi") -> str:
    """Markdown of one of the ablation tables ("ablation-mgmr", "ablation-mfmb", "readings"): ours with intervals, then
    the paper's."""
    table = next(t for t in tables_of("ablation", family) if t.key == key)
    mine = [r for r in records if r["name"] in table.names]
    if not mine and table.paper is None:
        return NOT_RECORDED
    text = table_page(table, rows(table, mine, family), mine, family, "ablation")
    return text.split("\n", 2)[2]


def scores(records: list[dict], name: str, metric: str, area: str = "auilc") -> dict[int, float]:
    """{training seed: a run's score}; accuracies and F1 in points of a per cent."""
    factor = 1.0 if metric in ("mae", "corr") else 100.0
    found = {r["training_seed"]: factor * areas(r)[area, metric] for r in by_name(records).get(name, [])}
    return dict(sorted(found.items()))


def spreads(records: list[dict], metric: str, area: str = "auilc") -> dict[str, float]:
    """{label: standard deviation over training seeds} of every trained network with at least two recorded seeds."""
    found = {}
    for name, runs in by_name(records).items():
        values = list(scores(records, name, metric, area).values())
        if len(values) > 1:
            found[runs[0]["label"]] = float(np.std(values, ddof=1))
    return found


def verdicts(records: list[dict], holm, metric: str = "mae", area: str = "auilc") -> pd.DataFrame:
    """figures.differences of all recorded variants with two seeds or more, and "alone", "together": told apart from the
    whole network by its own test, and by holm(p values) over all of them."""
    frame = differences(records, metric, area)
    if not len(frame):
        return frame
    frame = frame[[len(s) > 1 for s in frame["seeds"]]].copy()
    frame["alone"] = frame["p"] <= 0.05
    frame["together"] = holm(frame["p"].tolist()) if len(frame) else []
    return frame


def verdict_table(frame: pd.DataFrame) -> str:
    """Markdown of verdicts()."""
    if not len(frame):
        return NOT_RECORDED
    head = (
        "variant",
        "seeds",
        "change of MAE (points)",
        "95 % interval",
        "p",
        "told apart alone",
        "told apart among all",
    )
    rows = []
    for _, r in frame.iterrows():
        yes = ["yes" if r[k] else "no" for k in ("alone", "together")]
        interval = f"[{r['low']:+.3f}, {r['high']:+.3f}]"
        rows.append((r["label"], len(r["seeds"]), f"{r['mean']:+.3f}", interval, f"{r['p']:.2g}", *yes))
    return markdown.table(head, rows)


def half_widths(whole: dict[int, float], variant: dict[int, float]) -> tuple[float, float]:
    """Half of the 95 % interval of the change, by pairs of common seeds and by Welch's test on all seeds."""
    both = sorted(whole.keys() & variant.keys())
    pairs = t_interval([variant[s] - whole[s] for s in both])
    unpaired = welch(list(variant.values()), list(whole.values()))
    return (pairs["high"] - pairs["low"]) / 2, (unpaired["high"] - unpaired["low"]) / 2


def two_rules_table(labels, runs: dict[str, list[dict[int, float]]], p_values, words) -> str:
    """Markdown, a row per variant: half widths and p by both rules, and whether each tells it apart among all.

    labels: of the variants in the order of runs; runs: {variant: [whole network's {seed: error}, its own]}; p_values:
    (variants, 2), pairs before Welch; words: two rows of booleans, one for each rule.
    """
    if not len(runs):
        return NOT_RECORDED
    what = ("half width", "p", "told apart")
    head = ["variant", *(f"{rule}: {w}" for rule in ("pairs", "Welch") for w in what)]
    rows = []
    for i, (label, (whole, variant)) in enumerate(zip(labels, runs.values(), strict=True)):
        cells = [
            (f"{half:.3f}", f"{p:.2g}", "**yes**" if told[i] else "no")
            for half, p, told in zip(half_widths(whole, variant), p_values[i], words, strict=True)
        ]
        rows.append((label, *cells[0], *cells[1]))
    return markdown.table(head, rows)


def changes_of(records: list[dict], name: str, metric: str = "mae") -> dict[int, float]:
    """{training seed that both have: variant minus whole network}."""
    whole, variant = (scores(records, n, metric) for n in (VARIANTS[name].model, name))
    return {seed: variant[seed] - whole[seed] for seed in whole.keys() & variant.keys()}


def told_twice(records: list[dict], holm) -> pd.DataFrame:
    """verdicts() of the records' trainings with "pairs" and "welch" in the place of "alone" and "together": whether
    each rule tells the change apart among all of them."""
    trained = [r for r in records if r["config"] is not None]
    frame = verdicts(trained, holm)
    if not len(frame):
        return frame
    sides = {n: [list(scores(trained, k, "mae").values()) for k in (VARIANTS[n].model, n)] for n in frame.index}
    p = [welch(variant, whole)["p"] for whole, variant in sides.values()]
    return frame.drop(columns=["alone", "together"]).assign(pairs=frame["together"], welch=holm(p))


def twice_table(here: pd.DataFrame, there: pd.DataFrame) -> str:
    """Markdown of told_twice() on the second and on the first edition, the changes that both have."""
    if not len(here) or not len(there):
        return NOT_RECORDED
    rows = []
    for name in here.index.intersection(there.index):
        cells = []
        for frame in (here, there):
            r = frame.loc[name]
            rules = [rule for rule, told in (("pairs", r["pairs"]), ("Welch", r["welch"])) if told]
            cells += [f"{r['mean']:+.3f} [{r['low']:+.3f}, {r['high']:+.3f}]", " and ".join(rules) or "no"]
        rows.append((here.loc[name, "label"], *cells))
    head = ("variant", "second edition, searched settings", "told apart by", "first edition, `laptop`", "told apart by")
    return markdown.table(head, rows)


def one_run_each(ax, found: dict[str, list[float]], blind: float) -> None:
    """A row per variant, a dot a training run, the first row on top; the dashed line is the blind rival."""
    for i, (name, values) in enumerate(found.items()):
        ax.plot(
            values,
            [-i] * len(values),
            "o",
            ms=8,
            alpha=0.8,
            color=figures.GREY if "control" in name else figures.PALETTE[0],
        )
    ax.axvline(blind, ls="--", color=figures.RED, lw=1.2, label="blind rival")
    ax.set_yticks([-i for i in range(len(found))], list(found))
    ax.set(ylim=(0.5 - len(found), 0.5), ylabel="network")
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)


def false_losses(ax, spread, shares: dict[str, list[float]], recorded: dict[str, float]) -> None:
    """Share of useless changes that look like a loss, against the spread over seeds; ticks below mark recorded
    spreads."""
    for name, values in shares.items():
        ax.plot(spread, 100 * np.asarray(values), label=name)
    for i, s in enumerate(recorded.values()):
        ax.axvline(s, ymax=0.12, color="black", lw=1.2, label="recorded spreads" if i == 0 else None)
    ax.set(
        xlabel="spread from seed to seed (standard deviation, points)",
        ylabel="useless changes that\nlook like a loss (%)",
        ylim=(0, 70),
    )
    ax.legend(loc="upper left", ncols=2)


def coverage(ax, seeds, found: dict[str, list[float]]) -> None:
    """Share of intervals that hold the truth, against the number of seeds; dashed: the 95 per cent that were
    promised."""
    for (name, values), marker in zip(found.items(), "os^", strict=False):
        ax.plot(seeds, 100 * np.asarray(values), marker=marker, label=name)
    ax.axhline(95, ls="--", color="black", lw=1)
    ax.set(xlabel="seeds (training runs of each network)", ylabel="intervals that hold\nthe truth (%)", xscale="log")
    ax.set_xticks(seeds, [str(s) for s in seeds])
    ax.minorticks_off()
    ax.legend(loc="lower right")


def rows_and_ceiling(fig, tables: dict[str, pd.DataFrame], ceilings: dict) -> None:
    """A panel a convention: the papers' ablation rows, Acc-2 to the right and F1 upwards, under the ceiling of the true
    F1.

    tables: {title: rows as tables.paper_rows gives them}; ceilings: {"non0": fn(accuracy as a fraction) -> fraction,
    ...}.
    """
    a = np.linspace(0.64, 0.76, 20)
    axes = fig.subplots(1, len(ceilings), sharey=True, squeeze=False)[0]
    for ax, (convention, ceiling) in zip(axes, ceilings.items(), strict=True):
        ax.plot(100 * a, 100 * ceiling(a), color="black", lw=1.4, label="ceiling of the true F1")
        ax.fill_between(100 * a, 64, 100 * ceiling(a), color=figures.GREY, alpha=0.12, lw=0)
        for (title, frame), marker, colour in zip(tables.items(), "os", (figures.BLUE, figures.ORANGE), strict=False):
            x, y = frame[f"acc2_{convention}"], frame[f"f1_{convention}"]
            ax.plot(x, y, marker, color=colour, ms=7, label=f"paper: {title}")
            for name in frame.index if marker == "o" else ():
                said, above = name.replace("MGMR-Net ", ""), y[name] > 100 * ceiling(x[name] / 100)
                place = {"ha": "right", "xytext": (-6, 4)} if above else {"ha": "left", "xytext": (6, -10)}
                ax.annotate(said, (x[name], y[name]), textcoords="offset points", fontsize=8, **place)
        ax.set(
            title=f"{HEADS[f'f1_{convention}'].removeprefix('F1 ')}", xlabel="Acc-2 (%)", xlim=(64, 76), ylim=(66, 75)
        )
    axes[0].set_ylabel("weighted F1 (%)")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)


def any_alarm(ax, tests, found: dict[str, list[float]]) -> None:
    """Share of experiments with at least one false alarm, against the number of comparisons."""
    for (name, values), marker in zip(found.items(), "os^", strict=False):
        ax.plot(tests, 100 * np.asarray(values), marker=marker, label=name)
    ax.axhline(5, ls="--", color="black", lw=1)
    ax.set(
        xlabel="comparisons, none of which has anything to find",
        ylabel="experiments with\na false alarm (%)",
        ylim=(0, None),
    )
    ax.legend(loc="upper left")


def changes(fig, frame: pd.DataFrame) -> None:
    """Paired changes of the MAE with their intervals, a row per variant; zero is the whole network."""
    ax = fig.subplots()
    for i, (_, r) in enumerate(frame.iterrows()):
        colour = figures.ORANGE if r["together"] else figures.BLUE
        ax.plot([r["low"], r["high"]], [-i, -i], color=colour, lw=2)
        ax.plot(r["mean"], -i, "o", color=colour)
    labels = frame["label"].tolist() if len(frame) else []
    ax.set_yticks([-i for i in range(len(labels))], labels)
    ax.axvline(0, color="black", lw=1, ls=":")
    ax.set(xlabel="change in AUILC of MAE (points); right is worse", ylabel="variant")
    if not len(frame):
        ax.set_title("not recorded yet")
