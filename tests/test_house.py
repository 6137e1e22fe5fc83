"""The house: who may import whom, how long a file is, and that the printed trees and diagrams are true."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from mgmr_lib.paths import REPOSITORY

LIBRARY = REPOSITORY / "mgmr_lib"
FILES = sorted(LIBRARY.rglob("*.py"))
ROOMS = ("course", "chapters")  # not the library: what a notebook calls, and what single notebooks need
COMMON = {
    "errors",
    "paths",
    "files",
    "settings",
    "markdown",
    "provenance",
    "moved",
}  # single files that every room may use
BELOW = {  # a room and what it may import besides itself and COMMON
    **{name: set() for name in COMMON},
    "setup": set(),
    "ssm": set(),
    "data": set(),
    "models": {"ssm", "data"},
    "training": {"models", "data", "ssm"},
    "evaluation": {"training", "models", "data"},
    "experiments": {"evaluation", "training", "models", "data", "ssm", "bench"},
    "course": {"setup", "ssm", "data", "models", "training", "evaluation", "experiments", "bench", "chapters"},
}


def room(path: Path) -> str:
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The rooms of mgmr_lib that a file imports, at the top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "mgmr_lib":
            parts = node.module.split(".")
            names |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {a.name.split(".")[1] for a in node.names if a.name.startswith("mgmr_lib.")}
    return names


@pytest.mark.parametrize("path", [f for f in FILES if room(f) not in ROOMS], ids=lambda p: str(p.relative_to(LIBRARY)))
def test_the_library_knows_no_chapter_and_no_notebook(path):
    assert not imported(path) & {"chapters", "course"}, f"{path}: chapters import the library, never the reverse"


@pytest.mark.parametrize("path", [f for f in FILES if room(f) in BELOW], ids=lambda p: str(p.relative_to(LIBRARY)))
def test_rooms_import_only_what_lies_below_them(path):
    allowed = BELOW[room(path)] | {room(path)} | COMMON
    assert imported(path) <= allowed, f"{path} imports {sorted(imported(path) - allowed)}"


def test_the_course_knows_chapters_through_the_registry_alone():
    direct = [f.name for f in (LIBRARY / "course").rglob("*.py") if "chapters" in imported(f)]
    assert direct == ["registry.py"]


@pytest.mark.parametrize("path", [f for f in FILES if room(f) not in ROOMS], ids=lambda p: str(p.relative_to(LIBRARY)))
def test_a_file_of_the_library_has_at_most_300_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_every_notebook_with_exercises_has_its_chapter():
    slugs = {p.stem for p in (REPOSITORY / "notebooks" / "src").glob("[0-9][0-9]_*.py")}
    chapters = {p.name.removeprefix("ch") for p in (LIBRARY / "chapters").glob("ch*")}
    assert chapters == slugs


def test_the_tree_in_contributing_names_every_folder():
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tree = re.search(r"## The house\n.*?```\n(.*?)```", text, re.S)[1]
    named, stack = set(), []
    for line in tree.splitlines():
        entry = re.match(r"^(\s*)([\w./]+/)\s", line)
        if entry:
            stack = stack[: len(entry[1]) // 2] + [entry[2]]
            named.add("".join(stack).rstrip("/"))
    packages = {str(p.parent.relative_to(REPOSITORY)) for p in LIBRARY.rglob("__init__.py")}
    packages = {p for p in packages if not re.search(r"chapters/ch\d\d", p)}
    assert packages <= named, f"CONTRIBUTING's tree lacks {sorted(packages - named)}"
    assert {n for n in named if not (REPOSITORY / n).exists()} == set()


def test_what_the_diagram_in_contributing_names_exists():
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = re.findall(r"`?(mgmr_lib(?:\.\w+)+)`?", "".join(re.findall(r"```mermaid\n(.*?)```", text, re.S)))
    assert len(names) >= 8
    for name in names:
        parts = name.split(".")
        for cut in range(len(parts), 0, -1):
            try:
                found = importlib.import_module(".".join(parts[:cut]))
                break
            except ModuleNotFoundError:
                continue
        for part in parts[cut:]:
            found = getattr(found, part)
