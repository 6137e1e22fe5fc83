"""Notebooks with some of the exercises solved, or answered wrongly, for the tests: learners are never at all or
nothing."""

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


def with_wrong_answers(learner, number: str, rng: random.Random):
    """A copy of `learner` with a random third of its exercises answered wrongly: by a declared mistake, by an answer
    that stops with an error, or in a way that Python cannot read. Returns (notebook, the ids)."""
    import copy

    from mgmr_lib.course import registry

    made, specs = copy.deepcopy(learner), registry.exercises_of(number)
    chosen = rng.sample(specs, max(1, len(specs) // 3)) if specs else []
    for spec in chosen:
        task = next(c for c in made.cells if c.cell_type == "code" and f'@exercise("{spec.id}")' in c.source)
        name = re.search(r"^def (\w+)", task.source[task.source.index("@exercise") :], re.MULTILINE)[1]
        mistakes = [
            f"{name} = exercise({spec.id!r})(registry.find({spec.id!r}).wrong[{k}].fn)" for k in range(len(spec.wrong))
        ]
        stops = f"@exercise({spec.id!r})\ndef {name}(*args):\n    return args[99]"
        unreadable = f'@exercise("{spec.id}")\ndef {name}(:\n    return 1'
        task.source += "\n" if task.source.endswith("\n") else "\n\n"
        answer = rng.choice([*mistakes, stops, unreadable])
        task.source = answer if answer == unreadable else f"{task.source}from mgmr_lib.course import registry\n{answer}"
    return made, sorted(s.id for s in chosen)


def run_with_wrong_answers(root: Path, name: str, seed: int) -> list[str]:
    """Run a learner's notebook with a random third answered wrongly, as JupyterLab's Run All does; returns the errors
    that would end it."""
    import nbformat
    from nbclient import NotebookClient

    from mgmr_lib.course.authoring.build import kernel_environment

    notebook, ids = with_wrong_answers(
        nbformat.read(root / LEARNER / name, as_version=4), name[:2], random.Random(seed)
    )
    client = NotebookClient(
        notebook, timeout=600, allow_errors=True, resources={"metadata": {"path": str(root / LEARNER)}}
    )
    client.execute(env=kernel_environment())
    ended = [
        f"{name} (wrong: {', '.join(ids)}; seed {seed}): {o.ename}: {o.evalue} in {c.source.splitlines()[0]!r}"
        for c in notebook.cells
        if c.cell_type == "code" and "@exercise(" not in c.source
        for o in c.outputs
        if o.output_type == "error"
    ]
    said = sum("not yet" in str(c.outputs) for c in notebook.cells if c.cell_type == "code")
    return ended + ([] if said >= len(ids) else [f"{name}: only {said} of {ids} were found wrong (seed {seed})"])
