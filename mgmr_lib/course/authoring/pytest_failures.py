"""A pytest plugin: what failed, a line each, in the file that MGMR_FAILURES names.

`course.py test` repeats these lines in its summary: a log that is cut at its end (CI's) still says what failed. Load it
with `-p mgmr_lib.course.authoring.pytest_failures`; with xdist the controller writes.
"""

import os
import re
from pathlib import Path

FAILURES = "MGMR_FAILURES"
WIDTH = 300


def note_failure(line: str) -> None:
    """Append one line, if anybody asked."""
    if os.environ.get(FAILURES):
        with Path(os.environ[FAILURES]).open("a", encoding="utf-8", newline="\n") as file:
            file.write(" ".join(line.split())[:WIDTH] + "\n")


def pytest_configure(config):
    """Only the controller (or a run without xdist) writes."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Failures(), "mgmr-failures")


class Failures:
    """Every phase that failed, and every file that could not be collected."""

    def pytest_runtest_logreport(self, report):
        """A test, its set-up or its tear-down."""
        if report.failed:
            note_failure(f"{report.nodeid}: {reason(report)}")

    def pytest_collectreport(self, report):
        """A file that cannot be imported."""
        if report.failed:
            note_failure(f"{report.nodeid}: {reason(report)}")


def reason(report) -> str:
    """The first line of an exception's message; for a cell, what was stored and what came."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash:
        return crash.message
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(report.longrepr))  # nbval's colours
    return plain.partition("Traceback:")[2][:WIDTH] or plain[-WIDTH:]
