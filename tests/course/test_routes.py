"""The teacher's page: plans without gaps, routes whose minutes add up, and refusals that name the place."""

import copy
import re

import pytest
import yaml

from mgmr_lib.course.authoring import routes
from mgmr_lib.course.authoring.source import read_sources
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY

INSTRUCTOR = REPOSITORY / "solutions" / "instructor"
PAGE = INSTRUCTOR / "README.md"


def test_the_page_is_what_plans_and_routes_make():
    assert PAGE.read_text(encoding="utf-8") == routes.page(read_sources()), "run `python -m mgmr_lib.course build`"


def test_every_minute_on_the_page_follows_the_one_before_and_every_route_has_its_length():
    """Read from the page itself, as a teacher does."""
    text = PAGE.read_text(encoding="utf-8")
    stated = {"Half a day": 210, "One day": 420, "Four evenings": 600, "A term": 14 * 90}
    for name, minutes in stated.items():
        part = re.search(rf"^## {name} \((\d+):(\d\d)\)\n(.*?)(?=^## |\Z)", text, re.M | re.S)
        assert 60 * int(part[1]) + int(part[2]) == minutes
        tables = part[3].split("| from | minutes |")[1:]
        assert len(tables) == {"Four evenings": 4, "A term": 14}.get(name, 1)
        total = 0
        for table in tables:
            rows = [tuple(map(int, row)) for row in re.findall(r"^\| (\d+):(\d\d) \| (\d+) \|", table, re.M)]
            clock = 0
            for hours, past, length in rows:
                assert 60 * hours + past == clock and length > 0
                clock += length
            total += clock
        assert total == minutes


def test_every_notebook_has_a_plan_with_everything_and_a_shorter_one():
    known = routes.plans()
    assert known.keys() == read_sources().keys()
    for number, plan in known.items():
        said = re.search(r"(\d+) minutes with everything", next(INSTRUCTOR.glob(f"{number}_*.md")).read_text("utf-8"))
        assert plan.minutes == int(said[1]) > plan.shortest > 0, number


def test_a_term_leaves_out_no_notebook():
    term = yaml.safe_load((REPOSITORY / "notebooks" / "src" / routes.FILE).read_text("utf-8"))["a term"]
    met = {block.get("notebook") for session in term["sessions"] for block in session["blocks"]} - {None}
    assert met | set(term["alone"]) == read_sources().keys() and not met & set(term["alone"])


def test_links_of_the_page_lead_somewhere():
    links = set(re.findall(r"\]\(([^)#]+)\)", PAGE.read_text(encoding="utf-8")))
    assert len(links) >= 28 and all((INSTRUCTOR / link).exists() for link in links)


SESSION = {"minutes": 25, "blocks": [{"notebook": "01", "rows": ["a", "b"]}, {"pause": 5}, {"notebook": "02"}]}
KNOWN = {"01": routes.Plan({"a": 5, "b": 10, "c": 1}, 10), "02": routes.Plan({"d": 5}, 5)}


def test_a_timetable_has_a_clock():
    assert routes.timetable(SESSION, KNOWN, "x") == [
        (0, 5, "01", "a"),
        (5, 10, "01", "b"),
        (15, 5, "", "Pause"),
        (20, 5, "02", "d"),
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.update(minutes=26), "26 minutes are said, the blocks make 25"),
        (lambda s: s["blocks"][0].update(rows=["a", "z"]), "no row 'z'"),
        (lambda s: s["blocks"][0].update(rows=["b", "a"]), "not in the plan's order"),
        (lambda s: s["blocks"][0].update(notebook="77"), "no plan for notebook 77"),
    ],
)
def test_a_route_that_does_not_fit_its_plans_is_refused(change, says):
    session = copy.deepcopy(SESSION)
    change(session)
    with pytest.raises(CourseError, match=says):
        routes.timetable(session, KNOWN, "one day, session 1")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("| 0-5 | a | x |\n| 6-9 | b | x |", "begins at 6, the one before ends at 5"),
        ("| 0-5 | a | x |\n| 5-5 | b | x |", "begins at 5"),
        ("| 0-5 | a | x |\n| 5-9 | a | x |", "same name"),
        ("nothing", "holds no minute plan"),
    ],
)
def test_a_plan_with_a_gap_is_refused(tmp_path, rows, says):
    (tmp_path / "01_x.md").write_text(f"9 minutes with everything, 5 with the cuts below\n{rows}\n")
    with pytest.raises(CourseError, match=says):
        routes.read_plan(tmp_path / "01_x.md")
