"""Learners' copies from before the chapters became folders still import, and get the same objects."""

import importlib
import subprocess
import sys

import pytest

from mgmr_lib.moved import MOVED
from mgmr_lib.paths import REPOSITORY


@pytest.mark.parametrize("old", sorted(MOVED))
def test_an_old_name_is_the_module_where_it_lives_now(old):
    assert importlib.import_module(old) is importlib.import_module(MOVED[old])


def test_old_import_lines_work_in_a_fresh_interpreter():
    lines = """
from mgmr_lib.course import figures_ch08 as draw
from mgmr_lib.course.checks.ch03 import EXERCISES
from mgmr_lib.data.classroom import SPECS
from mgmr_lib.data.mmsa import export_mmsa
from mgmr_lib.data.safe_pickle import load
from mgmr_lib.ssm.toy_tasks import CopyTask
import mgmr_lib.evaluation.ledger
assert mgmr_lib.evaluation.ledger.read_ledger
"""
    done = subprocess.run([sys.executable, "-c", lines], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_name_that_never_was_is_still_an_import_error():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("mgmr_lib.course.figures_ch99")
