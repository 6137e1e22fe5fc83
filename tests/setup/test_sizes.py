"""README states the sizes that were measured, and what is here is not larger than that."""

import importlib.util
import subprocess

import pytest

from mgmr_lib.paths import REPOSITORY
from mgmr_lib.setup import sizes
from mgmr_lib.setup.environment import NEEDS, Environment
from tests.setup import stand_ins


def test_readme_holds_the_measured_sizes():
    assert sizes.paragraph() in (REPOSITORY / "README.md").read_text(encoding="utf-8"), (
        "run python -m mgmr_lib.setup.sizes"
    )


def test_the_module_writes_readmes_table_and_nothing_else(tmp_path):
    root = stand_ins.checkout(tmp_path)
    (root / "README.md").write_text(f"before α\n{sizes.BEGIN}\nold\n{sizes.END}\nafter\n", encoding="utf-8")
    subprocess.run([stand_ins.PYTHON, "-m", "mgmr_lib.setup.sizes"], cwd=root, check=True)
    made = (root / "README.md").read_text(encoding="utf-8")
    assert made == f"before α\n{sizes.BEGIN}\n{sizes.paragraph()}\n{sizes.END}\nafter\n"


def test_every_set_up_is_measured():
    rows = {f"{needs} {build}": sizes.of(needs, build) for needs in NEEDS for build in ("cpu", "cuda")}
    assert set(rows) == set(sizes.measured()["set_ups"])
    for build in ("cpu", "cuda"):
        learner, tester = rows[f"open {build}"], rows[f"test {build}"]
        assert all(learner[key] <= tester[key] for key in learner)
    assert rows["open cpu"]["disk_mb"] < 2500


def test_the_venv_that_is_here_has_the_stated_size():
    stamp = Environment(REPOSITORY).stamp()
    if stamp is None or importlib.util.find_spec("mamba_ssm"):
        pytest.skip("this checkout has no .venv of course.py alone")
    seen, total = set(), 0
    for path in (REPOSITORY / ".venv").rglob("*"):
        fact = path.lstat()
        if fact.st_ino not in seen or fact.st_ino == 0:
            seen.add(fact.st_ino)
            total += getattr(fact, "st_blocks", -(-fact.st_size // 512)) * 512
    assert total / 1e6 == pytest.approx(sizes.of(stamp.needs, stamp.build)["disk_mb"], rel=0.15)
