"""What a laptop may send: small JSON of a fixed form, with ids that the course knows. Everything else is refused."""

import json
import math
import re
from dataclasses import dataclass

from mgmr_lib.course.room.catalogue import Catalogue

MOST_BYTES = 64_000  # of one post: the whole score of a learner takes about 10 000
NAME = re.compile(r"[\w][\w .'-]{0,23}")  # a made-up name: letters of any script, digits, a few signs
STATES = ("wrong", "passed")
MOST_MISTAKES = 40  # that one exercise may know


class Refused(Exception):
    """A post that is not taken: status of HTTP, and why."""

    def __init__(self, status: int, why: str):
        super().__init__(why)
        self.status, self.why = status, why


@dataclass(frozen=True)
class Post:
    """exercises: {id: "wrong" or "passed"}; mistakes: (exercise, position among its known mistakes); bets: {id: the
    choice, or the number}."""

    exercises: dict[str, str]
    mistakes: tuple[tuple[str, int], ...]
    bets: dict[str, str | float]


def _object(body: bytes, keys: set[str]) -> dict:
    if len(body) > MOST_BYTES:
        raise Refused(413, f"a post has at most {MOST_BYTES} bytes")
    try:
        found = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Refused(400, "a post is a JSON object in UTF-8") from None
    if not isinstance(found, dict) or not found.keys() <= keys:
        raise Refused(422, f"a post has the fields {', '.join(sorted(keys))} and no others")
    return found


def read_join(body: bytes) -> tuple[str, str]:
    """(code, name). Errors: Refused."""
    found = _object(body, {"code", "name"})
    code, name = found.get("code"), found.get("name")
    if not isinstance(code, str) or not code.isascii() or not isinstance(name, str) or not NAME.fullmatch(name.strip()):
        raise Refused(
            422, "code is a word; a name has 1 to 24 letters, digits, spaces or . ' - and begins with a letter"
        )
    return code, name.strip()


def read_post(body: bytes, catalogue: Catalogue) -> Post:
    """What a laptop tells. Errors: Refused."""
    found = _object(body, {"exercises", "mistakes", "bets"})
    exercises, bets = found.get("exercises", {}), found.get("bets", {})
    mistakes = found.get("mistakes", [])
    if not (isinstance(exercises, dict) and isinstance(bets, dict) and isinstance(mistakes, list)):
        raise Refused(422, "exercises and bets are objects, mistakes a list")
    for name, state in exercises.items():
        if name not in catalogue.exercises or state not in STATES:
            raise Refused(422, "an exercise is one of the course's, and wrong or passed")
    for mistake in mistakes:
        if not _is_mistake(mistake, catalogue):
            raise Refused(422, "a mistake is an exercise of the course and a position among its mistakes")
    for name, answer in bets.items():
        if name not in catalogue.bets or not _is_answer(answer, catalogue.bets[name][1]):
            raise Refused(422, "a bet is one of the course's, with one of its choices or a finite number")
    return Post(exercises, tuple((e, place) for e, place in mistakes), bets)


def _is_mistake(given, catalogue: Catalogue) -> bool:
    if not isinstance(given, list) or len(given) != 2 or not isinstance(given[0], str):
        return False
    return given[0] in catalogue.exercises and type(given[1]) is int and 0 <= given[1] < MOST_MISTAKES


def _is_answer(given, choices: tuple[str, ...]) -> bool:
    if choices:
        return isinstance(given, str) and given in choices
    return type(given) in (int, float) and abs(given) < 1e15 and math.isfinite(given)
