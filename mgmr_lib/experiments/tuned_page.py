"""README's second table: every network with the settings that an equal search chose for it, on the second edition."""

from pathlib import Path

from mgmr_lib import markdown
from mgmr_lib.experiments.beside import objective
from mgmr_lib.experiments.headline import EVERYONE, RIVALS, cell, headline_table, in_words
from mgmr_lib.experiments.ledger import provenance_line, read_ledger, summary
from mgmr_lib.experiments.plan import TWO, VARIANTS
from mgmr_lib.experiments.tuning import error_text
from mgmr_lib.experiments.verdicts import family
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.training.config import TrainConfig
from mgmr_lib.training.tuned import TUNING, read_tuning

CORPUS, PROFILE = "classroom-mosi@2", "tuned"
SHUFFLED = "mgmr_shuffled"


def chosen_table(tuning: dict, records: list[dict]) -> str:
    """Markdown: what the search chose for each network, and what that gained on the development clips."""
    rows = []
    for model, network in tuning["networks"].items():
        runs = [r for r in records if r["name"] == model]
        if not runs:
            continue
        start, best = network["trials"][0], network["trials"][network["trial"]]
        config = TrainConfig.from_dict(runs[0]["config"])
        rows.append(
            (VARIANTS[model].label, len(network["trials"]),
             error_text(start, 3), error_text(best, 3), f"{config.lr:g}", f"{config.weight_decay:g}",
             f"{config.network.dropout:g}",
             f"{1 if best['at'] is None else best['at']['width']:g}", f"{config.pool_audio} / {config.pool_vision}",
             objective(runs[0]["config"]), runs[0]["parameters"])
        )  # fmt: skip
    head = ("network", "trials", "valid MAE before", "after", "learning rate", "weight decay", "dropout",
            "times as wide", "frames a step", "objective", "weights")  # fmt: skip
    return markdown.table(head, rows)


def control_line(records: list[dict]) -> str:
    """A sentence: how the network whose labels were shuffled does; "" where it is not recorded."""
    found = summary(records)
    if SHUFFLED not in found.index or "mean" not in found.index:
        return ""
    control, mean = found.loc[SHUFFLED], found.loc["mean"]
    return (
        f"The control, {control['label']}, has an AUILC of MAE of {cell(control, 'auilc mae')}; the mean of the "
        f"training labels has {mean['auilc mae']:.3f}."
    )


def tuned_section(root: Path = REPOSITORY) -> list[str]:
    """Markdown lines: what is recorded with equally chosen settings; none where nothing is."""
    results = root / "data" / "results"
    everything = read_ledger(results / "ledger", CORPUS, PROFILE)
    records = [r for r in everything if r["name"] in EVERYONE]
    if not records:
        return []
    tuning = read_tuning(results / TUNING.name)
    there = {r["name"] for r in records}
    rivals = [name for name in RIVALS if name in there]
    found = family(records, [TWO, *((network, rival) for network in TWO for rival in rivals)])
    return [
        "", "### The same care for everyone", "",
        f"On the second edition of the simulated world ([data/README.md](data/README.md)), with settings that a search "
        f"chose: {tuning['budget']} trials for each of {len(tuning['networks'])} networks, at the same points of the "
        "same space (learning rate, weight decay, dropout, width, pooling, objective), on `classroom-dev`, whose "
        "sentences no result is read on. Each search starts from the laptop profile, without what was chosen there for "
        "the two networks alone.", "",
        headline_table(records), "",
        control_line(everything), "",
        f"The same tests, {len(found)} comparisons:", "",
        in_words(found), "",
        "<details><summary>What the search chose</summary>", "",
        chosen_table(tuning, records), "",
        "</details>", "",
        provenance_line(records), "",
        f"Again: `python -m mgmr_lib experiment tune`, then `experiment table --data {CORPUS} --protocol B --profile "
        f"{PROFILE}`. The search is in [data/results/tuning.json](data/results/tuning.json), every trial.",
    ]  # fmt: skip
