"""Options of the test suite, and fixtures that several rooms' tests share."""

import subprocess

import pytest


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own, one megabyte large; skipped where this user may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        made = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("a small disk needs the command `mount`")
    if made.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def pytest_addoption(parser):
    parser.addoption(
        "--mutants",
        choices=("some", "full"),
        default="some",
        help="how often the check of an exercise meets each mutant: 20 draws (some) or 200 (full)",
    )
