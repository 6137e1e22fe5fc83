"""Drawings and sentences of notebook 21, all from the ledger's records."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from mgmr_lib.data.classroom.corpora import SPECS
from mgmr_lib.data.missing import draw_masks, protected_tokens, valid_steps
from mgmr_lib.evaluation.plots import LABELS
from mgmr_lib.evaluation.statistics import t_interval
from mgmr_lib.experiments import beside, ledger
from mgmr_lib.experiments import verdicts as words
from mgmr_lib.experiments.figures import band, colour
from mgmr_lib.experiments.headline import SHOWN, headline_table, judged
from mgmr_lib.experiments.headline import verdicts as family_table
from mgmr_lib.experiments.plan import BASELINES, TWO

EMPTY = "**Not recorded yet.** The ledger in `data/results/ledger` holds no such run, so none is shown."


def bands(fig, records: Iterable[dict], names: Iterable[str], metrics: tuple[str, ...] = ("mae", "corr")) -> None:
    """Curves over missing rates with 95 % bands over training seeds, one panel a metric; a note where nothing is
    recorded."""
    frame = ledger.curves(list(records))
    if frame.empty:
        fig.subplots().set(title="not recorded yet", xlabel="missing rate", ylabel=LABELS["mae"])
        return
    axes = fig.subplots(1, len(metrics), squeeze=False)[0]
    for ax, metric in zip(axes, metrics, strict=True):
        for name in [n for n in names if n in set(frame["name"])]:
            part = frame[frame["name"] == name]
            line = band(part, metric)
            ax.plot(
                line.index,
                line["mean"],
                marker=None if name == "mean" else "o",
                ms=3.5,
                color=colour(name),
                label=part["label"].iloc[0],
            )
            ax.fill_between(line.index, line["low"], line["high"], color=colour(name), alpha=0.2, lw=0)
        ax.set(xlabel="missing rate (share of steps lost)", ylabel=LABELS[metric])
    handles = axes[0].get_legend_handles_labels()
    fig.legend(*handles, loc="outside lower center", ncols=len(handles[1]))


def at_rate(records: Iterable[dict]) -> Callable:
    """draw(fig, rate, metric): the networks in order at one missing rate, an interval each."""
    frame = ledger.curves([r for r in records if r["name"] in SHOWN])

    def draw(fig, rate: float = 0.5, metric: str = "mae") -> None:
        ax = fig.subplots()
        ax.set(title=f"missing rate {rate:g}", xlabel=LABELS[metric], ylabel="network")
        if frame.empty:
            return
        part = frame[np.isclose(frame["rate"], rate)]
        found = {n: (g["label"].iloc[0], t_interval(g[metric].to_numpy())) for n, g in part.groupby("name")}
        order = sorted(found, key=lambda n: found[n][1]["mean"], reverse=metric == "mae")
        for i, name in enumerate(order):
            value = found[name][1]
            ax.plot([value["low"], value["high"]], [i, i], color=colour(name), lw=2)
            ax.plot(value["mean"], i, "o", ms=5, color=colour(name))
        ax.set_yticks(
            range(len(order)), [found[n][0].replace("mean of the training labels", "mean") for n in order], fontsize=8
        )
        ax.grid(axis="y", visible=False)

    return draw


def by_training(records: Iterable[dict], name: str, rate: float, metric: str) -> list[list[float]]:
    """Of one network at one rate: a list a training, in it the metric under each mask seed. Empty where nothing is
    recorded."""
    return [
        [row[metric] for row in r["records"] if np.isclose(row["rate"], rate)] for r in records if r["name"] == name
    ]


def widths_said(rate: float, table: list[list[float]], pooled: list[float], independent: list[float]) -> str:
    """How wide the interval is over all numbers, and over one number a training."""
    if len(table) < 2:
        return EMPTY
    wide, narrow = (t["high"] - t["low"] for t in (t_interval(independent), t_interval(pooled)))
    return (
        f"MGMR-Net at rate {rate:g}, recorded: {len(table)} trainings under {len(table[0])} masks each. Taken over all "
        f"{len(pooled)} numbers the interval is {narrow:.3f} points wide, taken over one number a training {wide:.3f}: "
        f"{wide / narrow:.1f} times as wide."
    )


def shares_lost(
    records: Iterable[dict], name: str, metric: str, lead_lost: Callable, blind: float | None = None
) -> dict[float, dict]:
    """{missing rate: t_interval over trainings} of the share of the lead over the mean label that is gone. lead_lost:
    exercise 21.2; blind: another reader's value in the place of the mean label's."""
    frame = ledger.curves(list(records))
    if not {name, "mean"} <= set(frame.get("name", ())):
        return {}
    table = frame[frame["name"] == name].pivot(index="training_seed", columns="rate", values=metric)
    blind = frame.loc[frame["name"] == "mean", metric].iloc[0] if blind is None else blind
    return {
        rate: t_interval([lead_lost(row[0.0], row[rate], blind) for _, row in table.iterrows()])
        for rate in table.columns
    }


def lost_said(found: dict[float, dict], rates: tuple[float, ...] = (0.5, 0.9)) -> str:
    """Of shares_lost(): "37 % [34 %, 39 %] at rate 0.5 and ...", or that nothing is recorded."""
    parts = [
        f"{found[r]['mean']:.0%} [{found[r]['low']:.0%}, {found[r]['high']:.0%}] at rate {r:g}" for r in rates if found
    ]
    return " and ".join(parts) or "not recorded"


def best_in_last(records: Iterable[dict], name: str) -> str:
    """A sentence: how many of a network's trainings were best in the last epoch allowed; "" for none."""
    found = beside.beside(r for r in records if r["name"] == name).get(name)
    if not found or not found.last:
        return ""
    label = next(r["label"] for r in records if r["name"] == name)
    return (
        f"**Best in the last**: {found.last} of {label}'s {len(found.best)} trainings were best in the last of "
        f"{found.allowed} epochs, so its error may fall further; a longer training of it is not recorded on these "
        "clips."
    )


def two_rules(records: Iterable[dict], first: str, second: str, pairs: list[float]) -> str:
    """One comparison by pairs (exercise 21.4) and by Welch's test on all seeds, and how often, over both networks and
    every rival, the paired interval is the wider one."""
    records = list(records)
    found = words.family(records, [(network, rival) for network in TWO for rival in BASELINES])
    if (first, second) not in found.index or len(pairs) < 2:
        return EMPTY
    row, wider = found.loc[[(first, second)]].iloc[0], 0
    for (network, rival), welch in found.iterrows():
        paired = ledger.paired(records, network, rival)
        wider += paired["high"] - paired["low"] > welch["high"] - welch["low"]
    seeds = row["seeds"]
    return (
        f"{row['first']} minus {row['second']}: {words.interval_text(t_interval(pairs))} by your {len(pairs)} pairs, "
        f"{words.interval_text(row)} by Welch's test on all {seeds[0]} and {seeds[1]} seeds. Over both networks and "
        f"their {len(BASELINES)} rivals the paired interval is the wider one in {wider} of {len(found)} comparisons."
    )


def area_table(records: Iterable[dict]) -> str:
    """Markdown: all networks by their area, with intervals."""
    records = [r for r in records if r["name"] in SHOWN]
    return headline_table(records) if records else EMPTY


def verdicts(records: Iterable[dict]) -> str:
    """Markdown: the two networks against each other and every recorded rival of the plan, judged as one
    family."""
    found = family_table(judged([r for r in records if r["name"] in SHOWN]))
    return f"Recorded; Welch's test on all seeds, Holm's procedure over all rows:\n\n{found}" if found else EMPTY


def steps_lost(split, pools: dict[str, int], rates: Iterable[float], pattern: str) -> dict[str, list[tuple]]:
    """{modality: [(share of frames lost, share of pooled steps with no frame left) for each rate]} of a split's masks.

    pools: {modality: frames that are averaged into one step}.
    """
    valid, found = valid_steps(split), {m: [] for m in pools}
    for rate in rates:
        keep = draw_masks(split, rate, seed=1, pattern=pattern)
        for m, frames in pools.items():
            spare = ((0, 0), (0, -valid[m].shape[1] % frames))
            there, left = (np.pad(x, spare).reshape(len(x), -1, frames) for x in (valid[m], keep[m] & valid[m]))
            lost = 1 - left.sum() / there.sum(), 1 - left.any(axis=2).sum() / there.any(axis=2).sum()
            found[m].append(tuple(map(float, lost)))
    return found


def clips_lost(split, rate: float, patterns: Iterable[str], seeds: Iterable[int] = (1, 2, 3)) -> dict[str, float]:
    """{pattern: share of clips of which no step of any modality is left but [CLS] and [SEP]}, over mask seeds."""
    valid, found = valid_steps(split), {}
    if split.has_tokens:
        valid["text"] = valid["text"] & ~protected_tokens(split.token_lengths, valid["text"].shape[1])
    for pattern in patterns:
        kept = [draw_masks(split, rate, seed=seed, pattern=pattern) for seed in seeds]
        left = [np.stack([(keep[m] & valid[m]).any(axis=1) for m in valid]).any(axis=0) for keep in kept]
        found[pattern] = float(1 - np.mean(left))
    return found


def pooled_losses(fig, found: dict[str, dict[str, list[tuple]]]) -> None:
    """A panel a pattern of loss: pooled steps that are empty against frames that are lost. found: {pattern:
    steps_lost()}."""
    for ax, (pattern, by_modality) in zip(fig.subplots(1, len(found), sharey=True), found.items(), strict=True):
        for (m, pairs), marker in zip(by_modality.items(), "os", strict=False):
            frames, steps = zip(*pairs, strict=True)
            ax.plot([100 * f for f in frames], [100 * s for s in steps], marker=marker, label=m)
        ax.plot([0, 100], [0, 100], ls=":", color="black", lw=1, label="no pooling")
        ax.set(title=pattern, xlabel="frames that are lost (%)")
    fig.axes[0].set_ylabel("steps with nothing left (%)")
    fig.axes[0].legend(loc="upper left")


def own_corpora(folders: Iterable[Path] | None = None) -> dict[str, str]:
    """{its folder in the ledger: its name} of corpora with laptop records under protocol B that are none of the
    classroom's: a learner's own. folders: ledgers (default: the learner's and the course's)."""
    folders = own_ledgers() if folders is None else folders
    return {key: name for key, name in ledger.corpora(folders).items() if key not in SPECS}


def own_ledgers() -> tuple[Path, ...]:
    """The learner's ledger, and the course's, where an earlier release put a learner's records."""
    return ledger.own_ledger(), ledger.RUNS
