"""What a laptop can tell of, read from the built notebooks: ids and words of exercises and bets.

Only what stands here is ever shown on the page; posts carry ids and positions, and no text of their own.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from mgmr_lib.course import registry
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY

EXERCISE = re.compile(r"^### Exercise (\d\d\.\d{1,2}) · (.+?) \(\w+, \d+ minutes?\)$", re.MULTILINE)
BET = re.compile(r"(\d\d\.[a-z])  Your bet: (.+)((?:\n      - .+)*)")


@dataclass(frozen=True)
class Catalogue:
    """exercises: {id: title}; bets: {id: (question, choices; none where the answer is a number)}; mistakes: {exercise:
    messages}, filled when one is first shown, since an exercise's definition imports much."""

    exercises: dict[str, str]
    bets: dict[str, tuple[str, tuple[str, ...]]]
    mistakes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def learn(self, exercise_id: str) -> None:
        """Read what `check` says to each mistake that the exercise recognises ("" for those that it does not)."""
        try:
            self.mistakes[exercise_id] = tuple(w.message.rstrip() for w in registry.find(exercise_id).wrong)
        except Exception:  # a chapter that cannot be imported here: its mistakes are not shown
            self.mistakes[exercise_id] = ()


def read(folder: Path = REPOSITORY / "notebooks") -> Catalogue:
    """The catalogue of the built notebooks in a folder. Errors: CourseError."""
    exercises, bets = {}, {}
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        try:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        except (OSError, ValueError, KeyError) as error:
            raise CourseError(f"{path} cannot be read ({error}): get a fresh copy of it (git checkout)") from None
        for cell in cells:
            exercises |= dict(EXERCISE.findall("".join(cell["source"])))
            for output in cell.get("outputs", ()):
                if found := BET.match("".join(output.get("data", {}).get("text/plain", ""))):
                    bets[found[1]] = found[2], tuple(line[8:] for line in found[3].splitlines()[1:])
    return Catalogue(exercises, bets)
