"""A pytest plugin: it tells which notebooks take longer than their own `budget_s`, and the seconds are kept.

Another machine is slower than the one on which a budget was set, so the run fails only at `FAILS_AT` times a budget:
no slower core does that, a loop that trains twice as much does.

Load it with `-p mgmr_lib.course.authoring.pytest_budget`. With xdist, the controller adds up what the workers report.
"""

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest

from mgmr_lib.course.authoring.pytest_failures import note_failure
from mgmr_lib.files import write_json

EXIT_CODE = pytest.ExitCode.TESTS_FAILED
FAILS_AT = 2.0
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
        self.far_over: list[str] = []

    def pytest_runtest_logreport(self, report):
        """One phase of one cell."""
        path = next((v for k, v in report.user_properties if k == NOTEBOOK), None)
        if path is not None:
            self.seconds[Path(path)] += report.duration

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session):
        """Turn a run red that is far over a budget."""
        busy = slowdown()
        for file, took in sorted(self.seconds.items()):
            budget = budget_of(file)
            if budget is None or took <= budget * busy:
                continue
            note = f" (times {busy:.1f}, as this machine is busy with other work)" if busy > 1 else ""
            far = took > FAILS_AT * budget * busy
            (self.far_over if far else self.over).append(
                f"{_name(file)} took {took:.1f} s, its budget is {budget} s{note}"
            )
        for line in self.far_over:
            note_failure(line)
        if self.far_over and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = EXIT_CODE
        if self.target:
            write_json(self.target, {_name(k): round(v, 1) for k, v in sorted(self.seconds.items())})

    def pytest_terminal_summary(self, terminalreporter):
        """Say which."""
        for line in self.over:
            terminalreporter.write_line(f"over budget (said, no failure): {line}", yellow=True)
        for line in self.far_over:
            terminalreporter.write_line(f"over {FAILS_AT:g} times its budget: {line}", red=True)


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
