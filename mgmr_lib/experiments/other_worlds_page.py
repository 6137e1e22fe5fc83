"""README: the other simulated corpora, with the settings that the search chose once, on MOSI's development clips."""

from pathlib import Path

from mgmr_lib.experiments.headline import EVERYONE, headline_table, in_words
from mgmr_lib.experiments.ledger import provenance_line, read_ledger
from mgmr_lib.experiments.patterns_page import judged_pairs
from mgmr_lib.experiments.tuned_page import PROFILE
from mgmr_lib.experiments.verdicts import family
from mgmr_lib.paths import REPOSITORY

CORPORA = ("classroom-sims@2", "classroom-mosei@2")


def other_worlds_section(root: Path = REPOSITORY) -> list[str]:
    """Markdown lines, a folded part for each of CORPORA that is recorded; none where nothing is."""
    lines: list[str] = []
    for corpus in CORPORA:
        records = read_ledger(root / "data" / "results" / "ledger", corpus, PROFILE)
        shown = [r for r in records if r["name"] in EVERYONE]
        if not shown:
            continue
        found = family(shown, judged_pairs(shown))
        lines += [
            "", f"<details><summary>The same settings on {corpus}</summary>", "",
            "Nothing was searched for here again: the settings are those chosen on the development clips above.", "",
            headline_table(shown), "",
            f"The same tests, {len(found)} comparisons:", "",
            in_words(found), "",
            provenance_line(shown), "",
            "</details>",
        ]  # fmt: skip
    return lines
