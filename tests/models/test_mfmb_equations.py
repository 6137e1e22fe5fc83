"""The table of MFMB-Net's equations names code and tests that exist."""

import importlib
import re

import pytest

from mgmr_lib.paths import REPOSITORY

TABLE = REPOSITORY / "mgmr_lib" / "models" / "mfmb" / "EQUATIONS.md"
ROW = re.compile(r"\| \((\d+)\) \| .+ \| `(.+?)::(.+?)` \| `(.+?)::(.+?)` \|")
ROWS = [found.groups() for found in map(ROW.match, TABLE.read_text(encoding="utf-8").splitlines()) if found]


def named(path, name):
    """The object `name` (dotted) of the module in a file of the repository."""
    found = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    for part in name.split("."):
        found = getattr(found, part)
    return found


def test_every_equation_has_one_line():
    assert [int(number) for number, *_ in ROWS] == list(range(1, 20))


@pytest.mark.parametrize("row", ROWS, ids=[r[0] for r in ROWS])
def test_what_a_line_names_exists(row):
    _, path, name, test_path, test_name = row
    assert callable(named(path, name)) and test_name.startswith("test_") and callable(named(test_path, test_name))
