"""The teacher's page, solutions/instructor/README.md: all minute plans at a glance, and routes made of their rows."""

import re
from dataclasses import dataclass
from pathlib import Path

from mgmr_lib.course.authoring.pages import load_yaml
from mgmr_lib.course.authoring.source import SOLUTION, Source
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY

FILE = "routes.yml"
ROW = re.compile(r"^\| (\d+)-(\d+) \| (.+?) \|", re.MULTILINE)
CUTS = re.compile(r"\b(\d+) with the cuts\b")
KINDS = {"pause": "Pause", "talk": "Questions, and what remains open"}


@dataclass(frozen=True)
class Plan:
    """A notebook's minute plan. rows: {what: minutes}; shortest: minutes with all cuts."""

    rows: dict[str, int]
    shortest: int

    @property
    def minutes(self) -> int:
        """With everything."""
        return sum(self.rows.values())


def read_plan(path: Path) -> Plan:
    """The plan in a file of solutions/instructor. Errors: CourseError where its minutes have a gap or a name comes
    twice. A section "Second sitting" has minutes of its own, which no route plans with."""
    text = path.read_text(encoding="utf-8")
    first_sitting = text.split("\n## Second sitting\n")[0]
    found = [(int(begin), int(end), what) for begin, end, what in ROW.findall(first_sitting)]
    ends = [0, *(end for _, end, _ in found)]
    cut = CUTS.search(text)
    if not found or not cut:
        raise CourseError(f"{path} holds no minute plan, or does not say how long it is `with the cuts`")
    for (begin, end, what), before in zip(found, ends, strict=False):
        if begin != before or end <= begin:
            raise CourseError(f"{path}: the row {what!r} begins at {begin}, the one before ends at {before}")
    rows = {what: end - begin for begin, end, what in found}
    if len(rows) != len(found):
        raise CourseError(f"{path}: two rows have the same name")
    return Plan(rows, int(cut[1]))


def plans(root: Path = REPOSITORY) -> dict[str, Plan]:
    """All plans by the notebook's number."""
    folder = root / SOLUTION / "instructor"
    return {path.name[:2]: read_plan(path) for path in sorted(folder.glob("[0-9][0-9]_*.md"))}


def timetable(session: dict, known: dict[str, Plan], where: str) -> list[tuple[int, int, str, str]]:
    """(from, minutes, number of the notebook or "", what) of a session. Errors: CourseError where it does not add up
    to its minutes, or names a row that no plan has."""
    lines, clock = [], 0
    for block in session["blocks"]:
        for number, what, minutes in _lines(block, known, where):
            lines.append((clock, minutes, number, what))
            clock += minutes
    if clock != session["minutes"]:
        raise CourseError(
            f"notebooks/src/{FILE}, {where}: {session['minutes']} minutes are said, the blocks make {clock}"
        )
    return lines


def _lines(block: dict, known: dict[str, Plan], where: str) -> list[tuple[str, str, int]]:
    number = block.get("notebook")
    if number is None:
        [(kind, minutes)] = block.items()
        return [("", KINDS[kind], minutes)]
    if number not in known:
        raise CourseError(f"notebooks/src/{FILE}, {where}: there is no plan for notebook {number}")
    rows = known[number].rows
    chosen = block.get("rows", list(rows))
    if strange := [row for row in chosen if row not in rows]:
        raise CourseError(f"notebooks/src/{FILE}, {where}: the plan of {number} has no row {strange[0]!r}")
    if chosen != sorted(chosen, key=list(rows).index):
        raise CourseError(f"notebooks/src/{FILE}, {where}: the rows of {number} are not in the plan's order")
    return [(number, what, rows[what]) for what in chosen]


def page(sources: dict[str, Source], root: Path = REPOSITORY) -> str:
    """The teacher's page."""
    known, routes = plans(root), load_yaml(FILE, root)
    lines = [HEAD, "## All plans", "", *_overview(sources, known), ""]
    for name, route in routes.items():
        lines += _route(name, route, sources, known)
    return "\n".join(lines).rstrip() + "\n"


def _overview(sources: dict[str, Source], known: dict[str, Plan]) -> list[str]:
    rows = [
        f"| {_link(source)} | {known[number].minutes} | {known[number].shortest} | {source.meta.minutes} |"
        for number, source in sorted(sources.items())
        if number in known
    ]
    total = [sum(getattr(plan, name) for plan in known.values()) for name in ("minutes", "shortest")]
    alone = sum(source.meta.minutes for source in sources.values())
    return [
        "| notebook and its plan | minutes in a room | with all cuts | alone |",
        "|---|---|---|---|",
        *rows,
        f"| **all, in hours** | **{total[0] / 60:.0f}** | **{total[1] / 60:.0f}** | **{alone / 60:.0f}** |",
    ]


def _route(name: str, route: dict, sources: dict[str, Source], known: dict[str, Plan]) -> list[str]:
    total = sum(session["minutes"] for session in route["sessions"])
    lines = [f"## {name.capitalize()} ({_clock(total)})", "", route["for"], ""]
    for k, session in enumerate(route["sessions"], 1):
        where = f"{name}, session {k}"
        if title := session.get("title"):
            lines += [f"### {k} {title} ({session['minutes']} minutes)", ""]
        lines += ["| from | minutes | notebook | what |", "|---|---|---|---|"]
        shown = ""
        for begin, minutes, number, what in timetable(session, known, where):
            link = _link(sources[number]) if number else ""
            lines.append(f"| {_clock(begin)} | {minutes} | {link if number != shown else ''} | {what} |")
            shown = number
        lines.append("")
    if alone := route.get("alone"):
        minutes = sum(sources[number].meta.minutes for number in alone)
        titles = ", ".join(_link(sources[number]) for number in alone)
        lines += [f"For home ({_clock(minutes)} alone): {titles}.", ""]
    return lines


def _link(source: Source) -> str:
    return f"[{source.meta.number} {source.meta.title}]({source.path.stem}.md)"


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"


HEAD = """# For teachers

Generated from the minute plans in this folder and from `notebooks/src/routes.yml`. A plan says what happens when, where
learners get stuck, what to ask, and what to leave out first. "In a room" counts talk and waiting; "alone" is what the
notebook itself says.

- **No network in the room**: `python course.py pack FOLDER` makes a folder for USB sticks or a share, for
  Linux, macOS and Windows; learners run `python course.py open --from FOLDER`.
- **How far is the room?** `python course.py class --host 0.0.0.0` serves a page with bars for each exercise, the
  commonest mistakes and the bets. Learners join by a line that the page shows; those who do not send nothing, and
  nobody's code is ever sent.
- **Slides and paper**: `python course.py slides` makes three decks, and A4 hand-outs with their solutions, from the
  notebooks, in `runs/slides`; a deck's second slide chooses a route of this page, and nothing in them needs a network.
"""
