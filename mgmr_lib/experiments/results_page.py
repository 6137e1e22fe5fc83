"""README's results: the headline table and figures, from the ledger and nothing else."""

from pathlib import Path

from mgmr_lib import markdown
from mgmr_lib.bench import recorded as bench
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments.headline import EVERYONE, RIVALS, cell, headline_table, in_words, judged, verdicts
from mgmr_lib.experiments.ledger import provenance_line, read_ledger, read_named, summary
from mgmr_lib.experiments.plan import CARE, POM, TWO
from mgmr_lib.experiments.tuned_page import tuned_section
from mgmr_lib.experiments.verdicts import family
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.training.profiles import PATTERNS

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


def real_rivals(records: list[dict]) -> tuple[str, ...]:
    """Whom the two are judged against where no words were recorded: all that is there but the mean."""
    there = {r["name"] for r in records}
    return tuple(name for name in EVERYONE if name in there and name not in (*TWO, "mean"))


def real_section(root: Path = REPOSITORY) -> list[str]:
    """Markdown lines: what is recorded on real voices and faces; none where nothing is."""
    records = [r for r in read_named(*POM, root / "data" / "results" / "ledger") if r["name"] in EVERYONE]
    if not records:
        return []
    found = family(records, [TWO, *((network, rival) for network in TWO for rival in real_rivals(records))])
    return [
        "", "### On real voices and faces", "",
        "POM (`data fetch pom`): 903 film reviews as features of voice and face, **without words**; more than half of "
        "the clips have no face, 203 are the test. The same profile, with every step and 30 epochs. Nothing was "
        "chosen on POM for anyone; but the two networks bring the settings that were chosen for them on the classroom "
        "corpus.", "",
        headline_table(records), "",
        f"The same tests, {len(found)} comparisons. They speak of training seeds; another 203 clips would move every "
        "row, too.", "",
        in_words(found), "",
        *patterns_section(root),
        provenance_line(records), "",
        "Again, or with other seeds: `python -m mgmr_lib experiment table --data pom --protocol B --set epochs=30`.",
    ]  # fmt: skip


def patterns_section(root: Path = REPOSITORY) -> list[str]:
    """Markdown lines: POM's areas under each pattern of loss, side by side; none where frames alone are recorded."""
    name, profile, settings = POM
    by_pattern = {}
    for pattern in PATTERNS:
        under = settings if pattern == "frames" else settings | {"pattern": pattern}
        found = read_named(name, profile, under, root / "data" / "results" / "ledger")
        by_pattern[pattern] = [r for r in found if r["name"] in EVERYONE]
    if not any(by_pattern[p] for p in PATTERNS[1:]):
        return []
    frames = {p: summary(rows) for p, rows in by_pattern.items() if rows}
    order = frames["frames"].sort_values("auilc mae").index
    lines = [
        "What if they go missing otherwise? AUILC of MAE where frames go one by one, in bursts, or where a modality "
        "goes as a whole; in training and test alike.", "",
        f"| network | {' | '.join(frames)} |", "|---|" + "---|" * len(frames),
    ]  # fmt: skip
    for network in order:
        cells = [_area(frame.loc[network]) if network in frame.index else "none" for frame in frames.values()]
        lines.append(f"| {frames['frames'].loc[network, 'label']} | {' | '.join(cells)} |")
    for pattern in [p for p in PATTERNS[1:] if by_pattern[p]]:
        rows = by_pattern[pattern]
        pairs = [TWO, *((network, rival) for network in TWO for rival in real_rivals(rows))]
        lines += ["", f"Under {pattern}, the same tests:", "", in_words(family(rows, pairs))]
    return [*lines, "", "</details>", ""]


def _area(row) -> str:
    low, high = row["auilc mae low"], row["auilc mae high"]
    return f"{row['auilc mae']:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low < high else "")


def results_section(root: Path = REPOSITORY) -> str:
    """Markdown between README's markers; says so where nothing is recorded. A damaged record is a CourseError."""
    records = read_ledger(root / "data" / "results" / "ledger", CORPUS, PROFILE)
    if not records:
        return "Nothing is recorded yet: `python -m mgmr_lib experiment table` fills the ledger."
    figure = f"data/results/tables/{CORPUS}/{PROFILE}"
    if not (root / figure / "curve.png").exists():
        raise CourseError(
            f"{figure}/curve.png does not exist: run `python -m mgmr_lib experiment curve --into-course --report-only`"
        )
    shown = [r for r in records if r["name"] in EVERYONE]
    found = judged(shown)
    return "\n".join([
        f"![F1 and error of the networks as more of each clip goes missing]({figure}/curve.png)", "",
        "*Sentences and ratings are real (VADER's ground truth); voice and face are simulated: "
        "[data/README.md](data/README.md).*", "",
        headline_table(shown), "",
        "Brackets: 95 % intervals over training seeds. Which differences are more than luck? Welch's test on all "
        f"seeds, and Holm's procedure over all {len(found)} comparisons (a false alarm anywhere, once in twenty "
        "times), say of the AUILC of MAE:",
        "",
        in_words(found), "",
        "<details><summary>Each comparison, with its interval</summary>", "",
        verdicts(found), "",
        "</details>", "",
        *care(records), "",
        provenance_line(shown), "",
        f"All tables, beside the papers' own numbers: [{figure}]({figure}). Any of them again: `python -m mgmr_lib "
        "experiment table`, or one run with `python -m mgmr_lib experiment reproduce --record "
        "data/results/ledger/...`.",
        *tuned_section(root),
        *real_section(root),
        *bench.readme_section(root),
    ])  # fmt: skip
