"""Drawings and sentences of notebook 20: learning curves, what the ledger says of two networks, and whether one seed
moves all networks alike.

Records are missing as long as nobody has run them: every function says so in the place of a number.
"""

from itertools import combinations, permutations

import numpy as np
import pandas as pd
from scipy import stats

from mgmr_lib.chapters.shared.recorded_areas import NOT_RECORDED
from mgmr_lib.course import figures
from mgmr_lib.evaluation.statistics import t_interval
from mgmr_lib.experiments import verdicts
from mgmr_lib.experiments.headline import SHOWN, headline_table
from mgmr_lib.experiments.ledger import areas as areas_of
from mgmr_lib.experiments.ledger import by_name, paired, provenance_line
from mgmr_lib.experiments.plan import BASELINES, REFERENCES, TWO

KEY = ("auilc", "mae")


def learning_curves(fig, histories: dict[str, list[dict]]) -> None:
    """Training and valid error after each epoch, a line per network. histories: {label: Trainer.run().history}."""
    left, right = fig.subplots(1, 2, sharey=True)
    for (label, history), marker in zip(histories.items(), "os", strict=False):
        epochs = [h["epoch"] + 1 for h in history]
        left.plot(epochs, [h["train_task"] for h in history], marker=marker, label=label)
        right.plot(epochs, [h["valid_mae"] for h in history], marker=marker, label=label)
    left.set(title="clips that it learns from", xlabel="epoch", ylabel="mean absolute error (points)")
    right.set(title="valid clips", xlabel="epoch")
    for ax in (left, right):
        ax.xaxis.get_major_locator().set_params(integer=True)
    right.legend()


def shown(records: list[dict]) -> list[dict]:
    """The records of the networks, baselines and references, without variants."""
    return [r for r in records if r["name"] in SHOWN]


def provenance(records: list[dict]) -> str:
    """Markdown: where the records come from, or that there are none."""
    return provenance_line(shown(records))


def table(records: list[dict]) -> str:
    """Markdown: headline.headline_table, and which networks lack records."""
    found = shown(records)
    if not found:
        return f"**All of it is {NOT_RECORDED}.**"
    names = {r["name"] for r in found}
    lacking = [n for n in SHOWN if n not in names and n not in REFERENCES]
    note = "\n\nBrackets: 95 % intervals over seeds. No brackets: one run."
    return headline_table(found) + note + (f" {NOT_RECORDED.capitalize()}: {', '.join(lacking)}." if lacking else "")


def scores(records: list[dict], name: str) -> dict[int, float]:
    """{training seed: AUILC of MAE} of one network; empty where it is not recorded."""
    return {r["training_seed"]: areas_of(r)[KEY] for r in by_name(records).get(name, [])}


def common(records: list[dict], first: str, second: str) -> list[int]:
    """The training seeds that both have."""
    return sorted(scores(records, first).keys() & scores(records, second).keys())


def pairs(fig, records: list[dict], first: str, second: str) -> None:
    """Both networks' areas joined by seed, and the differences with their paired interval."""
    left, right = fig.subplots(1, 2, width_ratios=[2, 3])
    left.set(xlabel="network", ylabel="AUILC of MAE (points)", xlim=(-0.3, 1.3))
    right.set(xlabel="difference (points)", ylabel="seed")
    seeds = common(records, first, second)
    if not seeds:
        for ax in (left, right):
            ax.set(title=NOT_RECORDED, xticks=[], yticks=[])
        return
    labels = [by_name(records)[n][0]["label"] for n in (first, second)]
    x, y = (scores(records, n) for n in (first, second))
    for seed in seeds:
        left.plot([0, 1], [x[seed], y[seed]], "o-", color=figures.GREY, lw=1)
    left.set_xticks([0, 1], labels)
    d = [x[s] - y[s] for s in seeds]
    right.plot(d, range(1, len(d) + 1), "o", color=figures.GREY)
    interval = t_interval(d)
    right.plot([interval["low"], interval["high"]], [0, 0], color=figures.RED, lw=3)
    right.plot(interval["mean"], 0, "o", color=figures.RED)
    right.axvline(0, color="black", lw=1, ls="--")
    right.set_yticks(range(len(d) + 1), ["mean", *map(str, seeds)])
    right.set_title(f"{labels[0]} minus {labels[1]}")


def verdict(records: list[dict], first: str, second: str) -> str:
    """Markdown: what the paired difference of the primary metric says, with the unpaired half-width beside it."""
    seeds = common(records, first, second)
    if len(seeds) < 2:
        return (
            f"**{NOT_RECORDED.capitalize()}**: a verdict needs at least two seeds that both networks have, and "
            f"the ledger holds {len(seeds)}."
        )
    found = paired(records, first, second)
    x, y = (np.array([scores(records, n)[s] for s in seeds]) for n in (first, second))
    labels = [by_name(records)[n][0]["label"] for n in (first, second)]
    said = verdicts.verdict(found)
    if said == verdicts.NOT_TOLD_APART:
        word = f"**The two are {said}** by the plan's rule: the interval holds 0"
    else:
        word = f"**{labels[0 if said == verdicts.BETTER else 1]} is better** on this corpus, by the plan's rule"
    apart = np.sqrt(x.var(ddof=1) + y.var(ddof=1))
    return (
        f"{word}. {labels[0]} minus {labels[1]}, AUILC of MAE: {verdicts.interval_text(found)} over {len(seeds)} "
        f"seeds. The differences have a standard deviation of {found['sd']:.3f}; without pairs it would be "
        f"{apart:.3f}. {len(seeds)} pairs cannot tell whether a seed moves these two alike."
    )


def seed_luck(records: list[dict]) -> pd.DataFrame:
    """(networks, seeds): how far each training's AUILC of MAE lies from its network's mean, over the seeds that all
    networks with three trainings or more have. Without the control, where a seed deals out the labels, too."""
    trained = by_name(r for r in records if r.get("config") is not None and not r["config"].get("shuffle_labels"))
    table = pd.DataFrame({name: scores(found, name) for name, found in trained.items() if len(found) > 2}).dropna()
    return (table - table.mean()).T if len(table) > 1 else pd.DataFrame()


def simulated_luck(shared: float, own: float, networks: int = 20, seeds: int = 5, rng: int = 1) -> pd.DataFrame:
    """The same of simulated errors: luck that a seed brings to all networks, and luck of each."""
    draw = np.random.default_rng(rng)
    table = pd.DataFrame(shared * draw.normal(size=(seeds, 1)) + own * draw.normal(size=(seeds, networks)))
    return (table - table.mean()).T


def shared_luck(luck) -> float:
    """Correlation of two networks' luck (networks, seeds) under one seed, over all pairs: 1 where each seed moves all
    networks alike, about 0 where it moves each in its own way."""
    luck = np.asarray(luck)
    own = (luck**2).sum()
    return float(((luck.sum(axis=0) ** 2).sum() - own) / ((len(luck) - 1) * own))


def shuffled_luck(luck, rounds: int = 1000, seed: int = 0) -> tuple[float, float]:
    """The control: 95 % of shared_luck with each network's seeds dealt out at random, so that nothing is shared."""
    rng = np.random.default_rng(seed)
    found = [shared_luck(rng.permuted(luck, axis=1)) for _ in range(rounds)]
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def pairs_are_shorter(luck) -> float:
    """Of all two networks in luck (networks, seeds): the share whose difference has a shorter 95 % interval by pairs
    than by Welch's test on the same trainings."""
    shorter = []
    for x, y in combinations(np.asarray(luck), 2):
        paired_one, apart = t_interval(x - y), stats.ttest_ind(x, y, equal_var=False).confidence_interval()
        shorter.append(paired_one["high"] - paired_one["low"] < apart.high - apart.low)
    return float(np.mean(shorter))


def luck_clouds(fig, worlds: dict[str, pd.DataFrame], named: tuple[str, ...] = (*TWO, "concat")) -> None:
    """A panel each: the luck of every two networks under the same seed; pairs within `named` large."""
    for ax, (title, luck) in zip(np.ravel(fig.subplots(1, len(worlds))), worlds.items(), strict=True):
        ax.set(title=title if luck.size else NOT_RECORDED, xlabel="one network's luck")
        ours = luck.loc[[name for name in named if name in luck.index]]
        edge = 1.05 * np.abs(luck.to_numpy()).max(initial=0.001)
        for some, colour, size, alpha in ((luck, figures.BLUE, 2, 0.3), (ours, figures.RED, 6, 1)):
            pairs = [(some.loc[x], some.loc[y]) for x, y in permutations(some.index, 2)]
            x, y = np.concatenate(pairs, axis=1) if pairs else ([], [])
            ax.plot(x, y, ".", color=colour, ms=size, alpha=alpha)
        ax.plot([-edge, edge], [-edge, edge], ":", color="black", lw=1)
        tick = f"{float(f'{0.7 * edge:.0e}'):g}"
        at = {"ticks": (-float(tick), 0, float(tick)), "labels": (f"−{tick}", "0", tick)}
        ax.set_xticks(**at)
        ax.set_yticks(**at)
        ax.set(xlim=(-edge, edge), ylim=(-edge, edge))
    fig.axes[0].set_ylabel("another's, same seed (points)")


def luck_said(worlds: dict[str, pd.DataFrame]) -> str:
    """Markdown: shared_luck of each world, beside its control."""
    lines = []
    for name, luck in worlds.items():
        if luck.size:
            low, high = shuffled_luck(luck)
            lines.append(
                f"- {name}, {luck.shape[0]} networks and {luck.shape[1]} seeds: **{shared_luck(luck):+.2f}**; with "
                f"each network's seeds dealt out at random {low:+.2f} to {high:+.2f}"
            )
    return "\n".join(lines) or f"**{NOT_RECORDED.capitalize()}.**"


def rivals(records: list[dict]):
    """verdicts.family of both networks against every recorded rival and the text ridge, in the area of MAE."""
    return verdicts.family(records, [(network, rival) for network in TWO for rival in (*BASELINES, "text_ridge")])
