"""Frames of sliders and players, drawn while a notebook is built: with them the site's sliders move without a kernel.

`explore` and `animate` call `keep`; outside a build nothing happens. The builder stores a notebook's frames in
notebooks/frames/NN: index.json (for each figure its size, the names, the choices in words, milliseconds of a player;
and a digest of the code that drew them) and a PNG for each choice.
"""

import json
import math
import os
import re
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path

from mgmr_lib.course.figures import natural_size
from mgmr_lib.errors import CourseError
from mgmr_lib.files import write_json, write_text

FOLDER = "MGMR_FRAMES"  # set by the builder: where the kernel of a notebook leaves its frames
INDEX = "index.json"
MOST = 48  # frames of one figure: a site is read on a phone
DRAWN = re.compile(r"^\s*(?:explore|animate)\(", re.MULTILINE)  # a call that keeps frames


def spread(choices, most: int = 3) -> list:
    """At most `most` choices, first and last among them."""
    n = len(choices)
    if n <= most:
        return list(choices)
    return [choices[round(i * (n - 1) / (most - 1))] for i in range(most)]


def thinned(values: dict) -> dict[str, list]:
    """The choices, with fewer of the longest lists, until there are at most MOST combinations of them."""
    lengths = {name: len(choices) for name, choices in values.items()}
    while math.prod(lengths.values()) > MOST:
        lengths[max(reversed(lengths), key=lengths.__getitem__)] -= 1
    return {name: spread(choices, lengths[name]) for name, choices in values.items()}


def in_words(value) -> str:
    """A choice as a slider says it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def file_name(figure: int, places: tuple[int, ...]) -> str:
    """The PNG of the figure (from 1) with the choice at these places."""
    return "-".join(map(str, (figure, *places))) + ".png"


def keep(draw: Callable[..., bytes], values: dict, milliseconds: int = 0) -> None:
    """While a notebook is built: one PNG for each combination of choices, at most MOST, and what they are.

    draw: called with a choice of each name, returns a PNG; values: name -> choices in order; milliseconds: how long a
    player shows a frame, 0 for sliders.
    """
    if FOLDER not in os.environ:
        return
    folder, chosen = Path(os.environ[FOLDER]), thinned(values)
    figure = 1 + len(list(folder.glob("*.json")))
    picture = b""
    for places in product(*(range(len(choices)) for choices in chosen.values())):
        picture = draw(**{name: chosen[name][i] for name, i in zip(chosen, places, strict=True)})
        (folder / file_name(figure, places)).write_bytes(picture)
    told = natural_size(picture) | {
        "names": [name.replace("_", " ") for name in chosen],
        "choices": [[in_words(c) for c in choices] for choices in chosen.values()],
        "milliseconds": milliseconds,
    }
    write_json(folder / f"{figure}.json", told)


def calls(code: list[str]) -> int:
    """How many figures with frames these cells show."""
    return sum(len(DRAWN.findall(cell)) for cell in code)


def store(made: Path, target: Path, code: list[str], digest: str) -> None:
    """Put the frames that a kernel left in `made` in the place of `target`'s.

    code: the notebook's code cells; digest: of them. Errors: CourseError where a call left no frames.
    """
    figures = sorted(made.glob("*.json"), key=lambda p: int(p.stem))
    if len(figures) != calls(code):
        raise CourseError(
            f"{target.name} calls explore or animate {calls(code)} times at the start of a line, and {len(figures)} "
            "left frames: call them there, and once each"
        )
    shutil.rmtree(target, ignore_errors=True)
    if not figures:
        return
    target.mkdir(parents=True)
    for picture in made.glob("*.png"):
        shutil.copyfile(picture, target / picture.name)
    index = {"code": digest, "figures": [json.loads(p.read_text(encoding="utf-8")) for p in figures]}
    write_text(target / INDEX, json.dumps(index, indent=1, ensure_ascii=False) + "\n")


def stored(target: Path, code: list[str], digest: str) -> list[dict]:
    """What `store` kept for these code cells, a figure each; CourseError where it is missing or of other code."""
    if not calls(code):
        return []
    fix = f"run `python -m mgmr_lib.course build {target.name}`"
    try:
        index = json.loads((target / INDEX).read_text(encoding="utf-8"))
        figures, known = index["figures"], index["code"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CourseError(f"the frames of {target.name} are missing: {fix}") from error
    if known != digest or len(figures) != calls(code):
        raise CourseError(f"the frames of {target.name} were drawn by other code: {fix}")
    lacking = [
        name
        for k, figure in enumerate(figures, 1)
        for places in product(*(range(len(c)) for c in figure["choices"]))
        if not (target / (name := file_name(k, places))).exists()
    ]
    if lacking:
        raise CourseError(f"the frames of {target.name} lack {lacking[0]}: {fix}")
    return figures
