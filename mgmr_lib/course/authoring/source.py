"""Read notebooks/src/NN_slug.py and make the cells of its two editions.

A source is a jupytext percent file. Its YAML header holds the metadata block `mgmr`; the builder adds a header cell
(from that block) and a closing cell (notation and what comes next, from the glossary). Regions between `# SOLUTION` and
`# END SOLUTION` stay in the solution and become `raise NotImplementedError` in the learner's edition.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY

LEARNER, SOLUTION = "notebooks", "solutions"  # the editions, named as their folders
EDITIONS = (LEARNER, SOLUTION)
FILE_NAME = re.compile(r"^(\d\d)_[a-z0-9_]+\.py$")
REGION = re.compile(r"^([ \t]*)# SOLUTION *\n(.*?)^[ \t]*# END SOLUTION *$", re.DOTALL | re.MULTILINE)
# Asks for a bet, or settles one: (which, id).
BET = re.compile(r"^ *(predict|outcome)\(\s*[\"']([^\"']*)", re.MULTILINE)
FIELDS = {
    "title": str,
    "claim": str,
    "goals": list,
    "minutes": int,
    "budget_s": int,
    "device": str,
    "requires": list,
    "introduces": list,
}
PARTS = (
    (0, 0, "Start"),
    (1, 7, "I From a recurrence to Mamba"),
    (8, 11, "II Data that goes missing"),
    (12, 15, "III MGMR-Net"),
    (16, 19, "IV MFMB-Net"),
    (20, 24, "V The experiments"),
    (25, 99, "VI Where Mamba went, and who else fuses"),
)


@dataclass(frozen=True)
class Meta:
    """The metadata block. requires: numbers of notebooks; introduces: keys of the glossary; preview: may name concepts
    early."""

    number: str
    slug: str
    title: str
    claim: str
    goals: tuple[str, ...]
    minutes: int
    budget_s: int
    device: str
    requires: tuple[str, ...]
    introduces: tuple[str, ...]
    preview: bool = False

    @property
    def file_name(self) -> str:
        """The built notebook's file name."""
        return f"{self.number}_{self.slug}.ipynb"

    @property
    def part(self) -> str:
        """The part of the course that it belongs to."""
        return next(name for first, last, name in PARTS if first <= int(self.number) <= last)


@dataclass(frozen=True)
class Cell:
    """One cell of a source. kind: "code" or "markdown"; tags: nbval's and ours."""

    kind: str
    source: str
    tags: tuple[str, ...] = ()
    extra: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class Source:
    """One notebook's source: where it lies, its whole text, its metadata and its cells."""

    path: Path
    text: str
    meta: Meta
    cells: tuple[Cell, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the whole text (line ends as \\n)."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def source_dir(root: Path = REPOSITORY) -> Path:
    """The folder of the sources."""
    return root / "notebooks" / "src"


def _meta(path: Path, block) -> Meta:
    name = f"notebooks/src/{path.name}"
    if not isinstance(block, dict):
        raise CourseError(f"{name}: the header lacks the block jupyter: mgmr: (CONTRIBUTING.md shows one)")
    unknown = sorted(set(block) - set(FIELDS) - {"preview"})
    lacking = sorted(set(FIELDS) - set(block))
    if unknown or lacking:
        raise CourseError(
            f"{name}: in the block mgmr, missing: {lacking or 'nothing'}, unknown: {unknown or 'nothing'}"
        )
    for key, kind in FIELDS.items():
        if not isinstance(block[key], kind) or isinstance(block[key], bool):
            raise CourseError(f"{name}: mgmr.{key} must be a {kind.__name__}, not {block[key]!r}")
    number, _, slug = path.stem.partition("_")
    values = {k: tuple(map(str, v)) if isinstance(v, list) else v for k, v in block.items()}
    return Meta(number=number, slug=slug, **values)


def read_source(path: Path) -> Source:
    """Read one source; CourseError that names the file where its name or header is not as it should be."""
    import jupytext

    if not FILE_NAME.match(path.name):
        raise CourseError(
            f"{path}: name a source NN_slug.py (two digits, lower-case letters), such as 01_recurrence.py"
        )
    text = path.read_text(encoding="utf-8")
    try:
        notebook = jupytext.reads(text, fmt="py:percent")
    except Exception as e:
        raise CourseError(
            f"{path}: jupytext cannot read it ({str(e).splitlines()[0]}); check its header and its # %% lines"
        ) from e
    cells = []
    for c in notebook.cells:
        if not c.source.strip():
            continue
        extra = {k: v for k, v in c.metadata.items() if k != "tags"}
        cells.append(
            Cell(c.cell_type, c.source.strip("\n"), tuple(c.metadata.get("tags", ())), tuple(sorted(extra.items())))
        )
    return Source(path, text, _meta(path, notebook.metadata.get("mgmr")), tuple(cells))


def read_sources(root: Path = REPOSITORY) -> dict[str, Source]:
    """All sources by number."""
    found = {}
    for path in sorted(source_dir(root).glob("[0-9]*.py")):
        source = read_source(path)
        if source.meta.number in found:
            raise CourseError(f"{path.name} and {found[source.meta.number].path.name} have the same number: rename one")
        found[source.meta.number] = source
    return found


def edition_code(code: str, edition: str, where: str = "a cell") -> str:
    """A code cell of one edition: the solution without its markers, or `raise NotImplementedError` in its place."""
    if edition == LEARNER:
        made = REGION.sub(lambda m: f"{m[1]}raise NotImplementedError  # your code here", code)
    else:
        made = REGION.sub(lambda m: m[2].rstrip("\n"), code)
    if re.search(r"#\s*(END )?SOLUTION\b", made):
        raise CourseError(f"{where}: a # SOLUTION without its # END SOLUTION, each on a line of its own")
    return made
