"""Notebooks with a random half of the exercises solved, for the tests: learners are never at all or nothing."""

import random
import re
from pathlib import Path

from mgmr_lib.course.authoring.lint_outputs import BY_LEARNER
from mgmr_lib.course.authoring.source import LEARNER, SOLUTION

MARKED = re.compile(r"^(?:@exercise|check)\([\"'](\d\d\.\d+)[\"']", re.MULTILINE)


def mix(learner, solution, rng: random.Random):
    """A copy of `learner` in which each exercise is taken from `solution` with probability one half, stored outputs
    included.

    Cells that depend on the whole score (progress) keep their outputs out of the comparison. Returns (notebook, solved
    ids).
    """
    import copy

    made = copy.deepcopy(learner)
    ids = sorted({m for c in learner.cells if c.cell_type == "code" for m in MARKED.findall(c.source)})
    solved = {i for i in ids if rng.random() < 0.5}
    if ids and not 0 < len(solved) < len(ids):
        solved = set(rng.sample(ids, max(1, len(ids) // 2)))
    for i, (ours, theirs) in enumerate(zip(learner.cells, solution.cells, strict=True)):
        if ours.cell_type != "code":
            continue
        marked = set(MARKED.findall(ours.source))
        if marked & solved:
            made.cells[i] = copy.deepcopy(theirs)
        elif not marked and BY_LEARNER.search(ours.source):
            made.cells[i].metadata.tags = [*ours.metadata.get("tags", []), "nbval-ignore-output"]
    return made, sorted(solved)


def write_sample(root: Path, folder: Path, names: list[str], seed: int) -> dict[str, list[str]]:
    """Write mixed notebooks of `names` into `folder`; returns what is solved in each."""
    import nbformat

    rng, told = random.Random(seed), {}
    for name in names:
        learner, solution = (nbformat.read(root / e / name, as_version=4) for e in (LEARNER, SOLUTION))
        notebook, told[name] = mix(learner, solution, rng)
        nbformat.write(notebook, folder / name)
    return told
