"""README's results, from the ledger and nothing else: equal care first, then real voices, then the first edition."""

from pathlib import Path

from mgmr_lib import markdown
from mgmr_lib.bench import recorded as bench
from mgmr_lib.experiments.headline import EVERYONE, RIVALS, TABLES, cell, headline_table, in_words, judged, verdicts
from mgmr_lib.experiments.ledger import provenance_line, read_ledger, read_named, summary
from mgmr_lib.experiments.other_worlds_page import other_worlds_section
from mgmr_lib.experiments.patterns_page import by_pattern, judged_pairs, patterns_section
from mgmr_lib.experiments.plan import CARE, POM, TWO
from mgmr_lib.experiments.tuned_page import tuned_section
from mgmr_lib.experiments.verdicts import family
from mgmr_lib.paths import REPOSITORY

CORPUS, PROFILE = "classroom-mosi", "laptop"


def care(records: list[dict]) -> list[str]:
    """Markdown lines: what the two networks were given beyond their rivals, and how they do without it."""
    given = (
        "The two networks got more care than their rivals: MFMB-Net's objective and settings were chosen on "
        "development clips, MGMR-Net's on the valid split, while the rivals keep the profile's settings."
    )
    found = family(records, [(network, rival) for network in CARE for rival in RIVALS])
    if not len(found):
        return [given]
    table = [
        (row["label"], int(row["seeds"]), *(cell(row, key) for key in ("complete mae", "auilc mae", "auilc corr")))
        for _, row in summary(records, (*TWO, *CARE)).iterrows()
    ]
    return [
        f"{given} So both were trained without it, too (`experiment care`); the same tests, {len(found)} comparisons:",
        "",
        markdown.table(("network", "seeds", "MAE, complete", "AUILC of MAE", "AUILC of Corr"), table),
        "",
        in_words(found),
    ]


def real_section(root: Path = REPOSITORY) -> list[str]:
    """Markdown lines: what is recorded on real voices and faces; none where nothing is."""
    records = [r for r in read_named(*POM, root / "data" / "results" / "ledger") if r["name"] in EVERYONE]
    if not records:
        return []
    found = family(records, judged_pairs(records))
    return [
        "", "### On real voices and faces", "",
        "POM (`data fetch pom`): 903 film reviews as features of voice and face, **without words**; more than half of "
        "the clips have no face, 203 are the test. The profile `laptop`, with every step and 30 epochs. Nothing was "
        "chosen on POM for anyone; but the two networks bring the settings that were chosen for them on the classroom "
        "corpus.", "",
        headline_table(records), "",
        f"The same tests, {len(found)} comparisons. They speak of training seeds; another 203 clips would move every "
        "row, too.", "",
        in_words(found), "",
        *patterns_section(by_pattern(*POM, root / "data" / "results" / "ledger")),
        provenance_line(records), "",
        "Again, or with other seeds: `python -m mgmr_lib experiment table --data pom --protocol B --set epochs=30`.",
    ]  # fmt: skip


def first_section(root: Path = REPOSITORY) -> list[str]:
    """Markdown lines, folded: what is recorded on the first edition in the laptop profile; none where nothing is."""
    records = read_ledger(root / "data" / "results" / "ledger", CORPUS, PROFILE)
    if not records:
        return []
    shown = [r for r in records if r["name"] in EVERYONE]
    found = judged(shown)
    return [
        "", "### The first edition, before the search", "",
        "<details><summary>The laptop profile on the first edition of the simulated world</summary>", "",
        "There all that a voice or a face says about the rating is a level that lasts for the clip, and no search "
        "chose the rivals' settings.", "",
        headline_table(shown), "",
        f"The same tests, {len(found)} comparisons:", "",
        in_words(found), "",
        verdicts(found), "",
        *care(records), "",
        provenance_line(shown), "",
        f"All of its tables, ablations among them: [{TABLES}/{CORPUS}/{PROFILE}]({TABLES}/{CORPUS}/{PROFILE}).", "",
        "</details>",
    ]  # fmt: skip


def results_section(root: Path = REPOSITORY) -> str:
    """Markdown between README's markers; says so where nothing is recorded. A damaged record is a CourseError."""
    lines = [*tuned_section(root), *other_worlds_section(root), *real_section(root), *first_section(root)]
    if not lines:
        return "Nothing is recorded yet: `python -m mgmr_lib experiment table` fills the ledger."
    return "\n".join([*lines, *bench.readme_section(root)]).strip()
