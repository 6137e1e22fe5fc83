"""A pytest plugin: the test run fails when a notebook takes longer than its own `budget_s`, and the seconds are kept.

Load it with `-p mgmr_lib.course.authoring.pytest_budget`. With xdist, the controller adds up what the workers report.
"""

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest

from mgmr_lib.files import write_json

EXIT_CODE = pytest.ExitCode.TESTS_FAILED
NOTEBOOK = "notebook"


def pytest_addoption(parser):
    """--notebook-seconds FILE keeps the measured seconds as JSON."""
    parser.addoption("--notebook-seconds", metavar="FILE", help="write the seconds of each notebook here")


def pytest_configure(config):
    """Only the controller (or a run without xdist) counts."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Budget(config), "notebook-budget")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Send the notebook's path along, also from a worker: node ids are relative to nobody knows what."""
    report = yield
    if item.path.suffix == ".ipynb":
        report.user_properties.append((NOTEBOOK, str(item.path)))
    return report


class Budget:
    """Adds up set-up, cells and tear-down of every notebook."""

    def __init__(self, config):
        self.seconds: dict[Path, float] = defaultdict(float)
        self.target = config.getoption("--notebook-seconds")
        self.over: list[str] = []

    def pytest_runtest_logreport(self, report):
        """One phase of one cell."""
        path = next((v for k, v in report.user_properties if k == NOTEBOOK), None)
        if path is not None:
            self.seconds[Path(path)] += report.duration

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session):
        """Turn a run red that is over a budget."""
        busy = slowdown()
        for file, took in sorted(self.seconds.items()):
            budget = budget_of(file)
            if budget is not None and took > budget * busy:
                note = f" (times {busy:.1f}, as this machine is busy with other work)" if busy > 1 else ""
                self.over.append(f"{_name(file)} took {took:.1f} s, its budget is {budget} s{note}")
        if self.over and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = EXIT_CODE
        if self.target:
            write_json(self.target, {_name(k): round(v, 1) for k, v in sorted(self.seconds.items())})

    def pytest_terminal_summary(self, terminalreporter):
        """Say which."""
        for line in self.over:
            terminalreporter.write_line(f"over budget: {line}", red=True)


def slowdown() -> float:
    """How many processes share each core, at least 1: budgets hold for a machine that does nothing else."""
    try:
        return max(1.0, max(os.getloadavg()[:2]) / (os.cpu_count() or 1))
    except (AttributeError, OSError):  # not on Windows
        return 1.0


def _name(file: Path) -> str:
    """ "notebooks/01_recurrence.ipynb"."""
    return f"{file.parent.name}/{file.name}"


def budget_of(path: Path) -> float | None:
    """The budget in a notebook's metadata, or None where it has none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["metadata"]["mgmr"]["budget_s"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
