"""README's first table: every network with the settings that an equal search chose for it, on the second edition."""

from pathlib import Path

from mgmr_lib import markdown
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments import objectives
from mgmr_lib.experiments.beside import objective
from mgmr_lib.experiments.headline import EVERYONE, TABLES, cell, headline_table, in_words, verdicts
from mgmr_lib.experiments.ledger import provenance_line, read_ledger, summary
from mgmr_lib.experiments.patterns_page import by_pattern, judged_pairs, patterns_section
from mgmr_lib.experiments.plan import VARIANTS
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
    figure = f"{TABLES}/{CORPUS}/{PROFILE}"
    if not (root / figure / "curve.png").exists():
        raise CourseError(
            f"{figure}/curve.png does not exist: run `python -m mgmr_lib experiment curve --data {CORPUS} --profile "
            f"{PROFILE} --into-course --report-only`"
        )
    tuning, found = read_tuning(results / TUNING.name), family(records, judged_pairs(records))
    return [
        f"![F1 and error of the networks as more of each clip goes missing]({figure}/curve.png)", "",
        "*Sentences and ratings are real (VADER's ground truth); voice and face are simulated: "
        "[data/README.md](data/README.md), second edition.*", "",
        f"**The same care for everyone.** A search chose the settings: {tuning['budget']} trials for each of "
        f"{len(tuning['networks'])} networks, at the same points of the same space (learning rate, weight decay, "
        "dropout, width, pooling and objective, where MFMB-Net alone has its classes as well), on `classroom-dev`, "
        "whose sentences no result is read on.", "",
        headline_table(records), "",
        "Brackets: 95 % intervals over training seeds. Which differences are more than luck? Welch's test on all "
        f"seeds, and Holm's procedure over all {len(found)} comparisons (a false alarm anywhere, once in twenty "
        "times), say of the AUILC of MAE:", "",
        in_words(found), "",
        control_line(everything), "",
        objectives.line(everything), "",
        "<details><summary>Each comparison, with its interval</summary>", "",
        verdicts(found), "",
        "</details>", "",
        *patterns_section(by_pattern(CORPUS, PROFILE, {}, results / "ledger")),
        "<details><summary>What the search chose</summary>", "",
        chosen_table(tuning, records), "",
        "Each search starts from the laptop profile, without what was chosen there for the two networks alone. Every "
        "trial is in [data/results/tuning.json](data/results/tuning.json).", "",
        "</details>", "",
        provenance_line(records), "",
        f"All tables, beside the papers' own numbers: [{figure}]({figure}). Again: `python -m mgmr_lib experiment "
        f"table --data {CORPUS} --protocol B --profile {PROFILE}`, or one run with `python -m mgmr_lib experiment "
        "reproduce --record data/results/ledger/...`; the search: `experiment tune`.",
    ]  # fmt: skip
