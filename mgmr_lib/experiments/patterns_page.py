"""Markdown: the same networks where frames go missing one by one, in bursts, or where a modality goes as a whole."""

from pathlib import Path

from mgmr_lib import markdown
from mgmr_lib.experiments.headline import EVERYONE, cell, in_words
from mgmr_lib.experiments.ledger import read_named, summary
from mgmr_lib.experiments.plan import TWO
from mgmr_lib.experiments.verdicts import family
from mgmr_lib.training.profiles import PATTERNS


def rivals(records: list[dict]) -> tuple[str, ...]:
    """Whom the two networks are judged against: everyone that is recorded, the mean of the labels left out."""
    there = {r["name"] for r in records}
    return tuple(name for name in EVERYONE if name in there and name not in (*TWO, "mean"))


def judged_pairs(records: list[dict]) -> list[tuple[str, str]]:
    """The comparisons that a table plans: the two with each other, and each with every rival."""
    return [TWO, *((network, rival) for network in TWO for rival in rivals(records))]


def by_pattern(corpus: str, profile: str, settings: dict, ledger: Path) -> dict[str, list[dict]]:
    """{pattern: what is recorded under it} of a corpus, as read_named takes it; patterns without a record left out."""
    found = {}
    for pattern in PATTERNS:
        under = settings if pattern == "frames" else settings | {"pattern": pattern}
        found[pattern] = [r for r in read_named(corpus, profile, under, ledger) if r["name"] in EVERYONE]
    return {pattern: records for pattern, records in found.items() if records}


def patterns_table(found: dict[str, list[dict]]) -> str:
    """Markdown: the AUILC of MAE of each network under each pattern, with intervals; lowest under the first on top."""
    frames = {pattern: summary(rows) for pattern, rows in found.items()}
    first = next(iter(frames.values()))
    table = [
        (
            first.loc[network, "label"],
            *(cell(of.loc[network], "auilc mae") if network in of.index else "none" for of in frames.values()),
        )
        for network in first.sort_values("auilc mae").index
    ]
    return markdown.table(("network", *frames), table)


def patterns_section(found: dict[str, list[dict]]) -> list[str]:
    """Markdown lines, folded: the areas under each pattern side by side (by_pattern), and the verdicts; none where
    frames alone are recorded."""
    if set(found) <= {"frames"}:
        return []
    seeds = {p: len({r["training_seed"] for r in rows if r["config"]}) for p, rows in found.items()}
    lines = [
        "<details><summary>Frames one by one, bursts, whole modalities: the same networks under each</summary>", "",
        "AUILC of MAE where frames go one by one, in bursts, or where a modality goes as a whole; in training and "
        f"test alike (seeds: {', '.join(f'{p} {n}' for p, n in seeds.items())}).", "",
        patterns_table(found),
    ]  # fmt: skip
    for pattern, rows in found.items():
        if pattern != "frames":
            lines += ["", f"Under {pattern}, the same tests:", "", in_words(family(rows, judged_pairs(rows)))]
    return [*lines, "", "</details>", ""]
