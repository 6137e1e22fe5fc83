"""Drawings and sentences of notebook 20: learning curves, and what the ledger says of two networks.

Records are missing as long as nobody has run them: every function says so in the place of a number.
"""

import numpy as np

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
    shared = (
        "share luck, so that pairs pay"
        if found["sd"] < 0.9 * apart
        else "share hardly any luck, so that pairs do not pay here"
    )
    return (
        f"{word}. {labels[0]} minus {labels[1]}, AUILC of MAE: {verdicts.interval_text(found)} over {len(seeds)} "
        f"seeds. The differences have a standard deviation of {found['sd']:.3f}; without pairs it would be "
        f"{apart:.3f}: the two {shared}."
    )


def rivals(records: list[dict]):
    """verdicts.family of both networks against every recorded rival and the text ridge, in the area of MAE."""
    return verdicts.family(records, [(network, rival) for network in TWO for rival in (*BASELINES, "text_ridge")])
