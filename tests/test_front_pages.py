"""What people meet first says what is true: README's first screen, the questions and troubles, versions, links."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from mgmr_lib import doctor
from mgmr_lib.course.authoring import cover
from mgmr_lib.course.authoring.source import FIELDS, source_dir
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.setup import environment, faults, machine
from mgmr_lib.setup.commands import COMMANDS

PAGES = ("README.md", "FAQ.md", "CHANGELOG.md", "CONTRIBUTING.md", "data/README.md", "data/your_own_study.md")
FOLDER = Path("/somewhere/.venv")


def text(name):
    return (REPOSITORY / name).read_text(encoding="utf-8")


def test_readmes_first_lines_hold_outcome_hours_commands_and_picture():
    first = text("README.md").split("\n## ")[0]
    heads = [yaml.safe_load(re.search(r"mgmr:\n(.*?)# ---", f.read_text(encoding="utf-8"), re.S)[1].replace("#", ""))
             for f in sorted(source_dir().glob("[0-9]*.py"))]  # fmt: skip
    assert all(set(FIELDS) <= set(h) for h in heads)
    hours = round(sum(h["minutes"] for h in heads) / 60)
    notebooks, about = re.search(r"(\d+) notebooks, about (\d+) hours", first).groups()
    assert int(notebooks) == len(heads) and abs(int(about) - hours) <= 1
    before_picture, _, after = first.partition("](.github/cover.png)")
    assert "python course.py open" in before_picture and "python course.py test" in before_picture and after
    in_sight = [line for line in before_picture.splitlines() if line and not line.startswith("<!--")]
    assert len(in_sight) < 11, "the picture slips below the first screen"
    assert "−3" in after and "sentiment" in after


def test_readmes_words_are_those_of_the_recorded_curves():
    assert cover.in_words() in text("README.md"), "run python -m mgmr_lib.course.authoring.cover"
    assert 5_000 < cover.FILE.stat().st_size < 100_000


def test_another_curve_makes_other_words(tmp_path, monkeypatch):
    table = cover.TABLE.read_text(encoding="utf-8").replace("\nmfmb,MFMB-Net,", "\nmfmb,gone,")
    row = "\nmfmb,MFMB-Net,1,{},0,0,0,0,0,0,0,{},0"
    (tmp_path / "curves.csv").write_text(
        table.rstrip() + "".join(row.format(r, e) for r, e in ((0, 0.5), (0.5, 0.6), (1, 1.4))), encoding="utf-8"
    )
    monkeypatch.setattr(cover, "TABLE", tmp_path / "curves.csv")
    assert "MFMB-Net by 0.50 and 0.60" in cover.in_words()


def told(sentence):
    """Whether a row of FAQ's tables says what this sentence says: one of its first cells is in the sentence."""
    rows = [line.split("|")[1].strip() for line in text("FAQ.md").splitlines() if line.startswith("| ")]
    return any(all(part.strip() in sentence for part in row.split("...")) for row in rows if len(row) > 8)


@pytest.mark.parametrize("kind", [kind for _, kind in faults.TABLE] + ["unknown"])
def test_every_failure_of_the_set_up_stands_in_the_faq(kind):
    assert told(faults.sentence(kind, Path(environment.__file__).parent)), faults.sentence(kind, FOLDER)


@pytest.mark.parametrize(
    "unfit", [machine.Machine(python=(3, 9)), machine.Machine(system="Darwin", processor="x86_64")], ids=str
)
def test_machines_that_people_have_stand_in_the_faq(unfit):
    assert told(machine.refusal(unfit))


def test_what_doctor_asks_for_stands_in_the_faq(monkeypatch):
    monkeypatch.setattr(doctor, "NEEDS_FREE_GB", 3e9)
    monkeypatch.setattr(doctor, "NEEDS_PYTHON", (3, 99))
    monkeypatch.setattr(doctor, "PACKAGES", ("no-such-package",))
    asked = [row[2] for row in [*doctor.machine(), *doctor.packages()] if row[2]]
    asked.append(doctor.BROKEN)
    assert len(asked) == 4
    for sentence in asked:
        assert told(sentence.replace("3000000000", "3").replace("3.99", "3.11")), sentence


def test_a_failure_that_nobody_described_is_found():
    assert not told("the moon is in the wrong place: wait a week")


def test_versions_and_commands_agree():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0" and citation["version"] == project["version"]
    assert f"\n## {project['version']}" in text("CHANGELOG.md") and "MIT" in citation["license"]
    used = {c for page in PAGES for c in re.findall(r"python course\.py ([a-z]+)", text(page))}
    assert used <= set(COMMANDS), used


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_of_the_repository_hold(page):
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text(page), flags=re.S)
    for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", prose):
        if "://" not in target:
            assert ((REPOSITORY / page).parent / target).exists(), f"{page} links {target}"


@pytest.mark.parametrize(
    "form", sorted((REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda p: p.name
)
def test_forms_for_issues_are_forms(form):
    content = yaml.safe_load(form.read_text(encoding="utf-8"))
    if form.name == "config.yml":
        assert set(content) <= {"blank_issues_enabled", "contact_links"}
        return
    assert {"name", "description", "body"} <= set(content)
    assert all(
        field["type"] in ("markdown", "input", "textarea", "dropdown", "checkboxes") for field in content["body"]
    )
    assert all("label" in field["attributes"] for field in content["body"] if field["type"] != "markdown")
