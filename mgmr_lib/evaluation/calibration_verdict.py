"""Where a simulated voice or face lies outside of the real ones, and why: what `calibrate` says below its table."""

import re
from dataclasses import dataclass

import pandas as pd

from mgmr_lib import markdown
from mgmr_lib.data.classroom.corpora import SPECS

SENSES = {"audio": "voice", "vision": "face"}
# A second real corpus (340 clips of 20 steps, audio 74 and face 36 wide), measured once with the same summaries; it is
# not part of this repository. Lower and upper quartile over its channels, or one number.
ELSEWHERE = {
    ("audio", "clips without it"): (0.0, 0.0),
    ("audio", "steps a clip (median)"): (20, 20),
    ("audio", "variance between clips"): (0.55, 0.78),
    ("audio", "autocorrelation of the rest"): (0.05, 0.05),
    ("audio", "ridge on means"): (0.360, 0.360),
    ("audio", "ridge on means, spread, extremes"): (0.394, 0.394),
    ("audio", "ridge on means of thirds"): (0.367, 0.367),
    ("audio", "ridge on zero-sum kernels"): (0.248, 0.248),
    ("vision", "clips without it"): (0.0, 0.0),
    ("vision", "steps a clip (median)"): (20, 20),
    ("vision", "variance between clips"): (0.29, 0.38),
    ("vision", "autocorrelation of the rest"): (0.11, 0.11),
    ("vision", "ridge on means"): (0.132, 0.132),
    ("vision", "ridge on means, spread, extremes"): (0.135, 0.135),
    ("vision", "ridge on means of thirds"): (0.191, 0.191),
    ("vision", "ridge on zero-sum kernels"): (0.273, 0.273),
}
REASONS = {
    "steps a clip (median)": "our clips last as long as their words, and a step is so many frames, not a segment",
    "variance between clips": "how much of a channel belongs to the speaker was set on classroom-mosi's own frames",
    "autocorrelation of the rest": "a step is a fraction of a second here and a segment of seconds in real corpora, so "
    "that more of the last step is left; where a step is longer than a gesture, next to nothing is",
    "ridge on lengths alone": "by design: our lengths follow from the number of words and a speed of its own, so that "
    "they tell next to nothing; in POM who talks longer was rated otherwise",
    "the same on noise of these lengths": "by design: our lengths tell next to nothing (the row on lengths alone)",
    "ridge on zero-sum kernels": "not found why: it is heard in the face of classroom-mosi, on which it was set; "
    "here are 709 channels, of which a kernel takes ten at most, and taking every frame for a step does not help",
}
LEVELS = "the edition was set on classroom-mosi to lie near real levels, not on them; other ratings and widths move it"
FIRST_EDITION = "the first edition: all that is said is a level that lasts for the clip"


@dataclass(frozen=True)
class Outside:
    """One summary of a simulated corpus beside the real ones: its value, their lowest and highest, and the reason, ""
    where it lies within."""

    corpus: str
    modality: str
    summary: str
    value: float
    low: float
    high: float
    reason: str

    @property
    def within(self) -> bool:
        return self.low <= self.value <= self.high


def numbers(cell: str) -> tuple[float, float, float]:
    """ "0.75 (0.67-0.81)" -> (0.75, 0.67, 0.81); "54%" -> 0.54 three times."""
    found = [float(x) for x in re.findall(r"(?<![\d.])-?\d+(?:\.\d+)?", cell)]
    found = [x / 100 for x in found] if cell.endswith("%") else found
    return (found[0], found[1], found[2]) if len(found) == 3 else (found[0], found[0], found[0])


def is_simulated(column: str) -> bool:
    """Whether a column of `side_by_side` is one of the classroom's, "classroom-mosi@2, 5 frames a step"."""
    return column.partition(",")[0] in SPECS


def compared(table: pd.DataFrame) -> list[Outside]:
    """Each summary of each simulated column, against the quartiles (or numbers) of all real columns and of ELSEWHERE.

    A table without a real column is compared with ELSEWHERE alone.
    """
    found = []
    for (modality, summary), row in table.iterrows():
        real = [numbers(cell)[1:] for column, cell in row.items() if not is_simulated(str(column))]
        real += [ELSEWHERE[modality, summary]] if (modality, summary) in ELSEWHERE else []
        if not real:
            continue
        low, high = min(a for a, _ in real), max(b for _, b in real)
        for column, cell in row.items():
            if is_simulated(str(column)):
                value = numbers(cell)[0]
                reason = "" if low <= value <= high else _reason(str(column), summary)
                found.append(Outside(str(column), modality, summary, value, low, high, reason))
    return found


def _reason(column: str, summary: str) -> str:
    name = column.partition(",")[0]
    if summary.startswith("ridge on") and SPECS[name].voice is None and "lengths" not in summary:
        return FIRST_EDITION
    return REASONS.get(summary, LEVELS)


def in_words(found: list[Outside]) -> str:
    """Markdown: how many summaries lie within the real ones, corpus by corpus, and why each of the others does not."""
    lines = []
    for corpus in dict.fromkeys(o.corpus for o in found):
        own = [o for o in found if o.corpus == corpus]
        lines.append(f"{corpus}: {sum(o.within for o in own)} of {len(own)} summaries lie within the real ones.")
        lines += [
            f"- {SENSES[o.modality]}, {o.summary}: {o.value:.3g} (real: {o.low:.3g} to {o.high:.3g}); {o.reason}."
            for o in own
            if not o.within
        ]
        lines.append("")
    return "\n".join(lines).strip()


def page(table: pd.DataFrame, provenance: dict) -> str:
    """The table and its verdicts as Markdown, with what they depend on."""
    rows = [(SENSES[m], what, *cells) for (m, what), cells in zip(table.index, table.to_numpy().tolist(), strict=True)]
    return "\n".join([
        "# Real and simulated voices and faces, by simple summaries", "",
        "Correlations of ridges are five-fold; quartiles over channels (or the range of three draws) in brackets. No "
        "network is among them. Real: POM, and quartiles of a second real corpus that was measured once.", "",
        markdown.table(("", "summary", *table.columns), rows), "",
        in_words(compared(table)), "",
        f"Commit {provenance['commit']}, {provenance['date']}, torch {provenance['versions']['torch']}. Again: `python "
        "-m mgmr_lib calibrate pom classroom-mosi@2 ...`.", "",
    ])  # fmt: skip
