"""What the room told, in one SQLite file: every post that was answered is in it, also after a kill.

A post is a state (the best of an exercise, a bet as it stands), never an event: sent twice it counts once.
"""

import hashlib
import json
import secrets
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from mgmr_lib.course.room.catalogue import Catalogue
from mgmr_lib.course.room.posts import Post, Refused
from mgmr_lib.errors import CourseError

LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"  # none that look alike on a projector
MOST_LAPTOPS = 400
MOST_MISTAKES = 400  # of one laptop
HERE_S = 600  # seconds without a word, after which a laptop does not count as here
TABLES = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS laptops (id INTEGER PRIMARY KEY, token TEXT UNIQUE NOT NULL, name TEXT NOT NULL,
                                    joined REAL NOT NULL, seen REAL NOT NULL);
CREATE TABLE IF NOT EXISTS told (laptop INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, value TEXT NOT NULL,
                                 at REAL NOT NULL, PRIMARY KEY (laptop, kind, id));
"""
TELL = "INSERT INTO told VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value, at = excluded.at "
UNLESS_PASSED = "WHERE value != 'passed' AND value != excluded.value"
UNLESS_SAME = "WHERE value != excluded.value"


class Storage:
    """The file. Its settings hold the code of the class and the teacher's key."""

    def __init__(self, path: Path):
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = sqlite3.connect(path, timeout=5)
            # WAL: a commit is safe from the death of this process; NORMAL: only a power cut may take the last seconds
            self.file.execute("PRAGMA journal_mode = WAL")
            self.file.execute("PRAGMA synchronous = NORMAL")
            self.file.executescript(TABLES)
        except (sqlite3.Error, OSError) as error:
            raise CourseError(
                f"{path} cannot serve as the file of a class ({error}): name another one with --store"
            ) from None

    def setting(self, name: str, length: int) -> str:
        """A random word of the class, the same after a restart."""
        made = "".join(secrets.choice(LETTERS) for _ in range(length))
        with self.file:
            self.file.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, made))
        return self.file.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()[0]

    def join(self, name: str) -> str:
        """Take in a laptop; returns the token that its posts carry. Errors: Refused."""
        token, now = secrets.token_urlsafe(18), time.time()
        with self.file:
            if self.file.execute("SELECT COUNT(*) FROM laptops").fetchone()[0] >= MOST_LAPTOPS:
                raise Refused(503, "the class is full")
            row = (_hash(token), name, now, now)
            self.file.execute("INSERT INTO laptops (token, name, joined, seen) VALUES (?, ?, ?, ?)", row)
        return token

    def laptop(self, token: str) -> int | None:
        """Whose token it is."""
        row = self.file.execute("SELECT id FROM laptops WHERE token = ?", (_hash(token),)).fetchone()
        return row[0] if row else None

    def tell(self, laptop: int, post: Post) -> None:
        """Keep a post: all of it, or nothing and an error (of sqlite3, or Refused)."""
        now = time.time()
        with self.file:
            self.file.execute("UPDATE laptops SET seen = ? WHERE id = ?", (now, laptop))
            rows = [(laptop, "exercise", name, state, now) for name, state in post.exercises.items()]
            self.file.executemany(TELL + UNLESS_PASSED, rows)
            rows = [(laptop, "mistake", f"{exercise}#{place}", "", now) for exercise, place in post.mistakes]
            rows += [(laptop, "bet", name, json.dumps(answer), now) for name, answer in post.bets.items()]
            self.file.executemany(TELL + UNLESS_SAME, rows)
            mine = "SELECT COUNT(*) FROM told WHERE laptop = ? AND kind = 'mistake'"
            if post.mistakes and self.file.execute(mine, (laptop,)).fetchone()[0] > MOST_MISTAKES:
                raise Refused(422, f"one laptop makes at most {MOST_MISTAKES} mistakes")  # which undoes all of it

    def names(self) -> list[str]:
        """Who joined, in order."""
        return [name for (name,) in self.file.execute("SELECT name FROM laptops ORDER BY id")]

    def counts(self, catalogue: Catalogue) -> dict:
        """What the page shows. mistakes hold (exercise, position): their words come from the catalogue."""
        said: dict[str, dict[str, Counter]] = {kind: defaultdict(Counter) for kind in ("exercise", "mistake", "bet")}
        for kind, name, value, number in self.file.execute(
            "SELECT kind, id, value, COUNT(*) FROM told GROUP BY kind, id, value"
        ):
            said[kind][name][value] += number
        numbers = {name[:2] for name in (*said["exercise"], *said["bet"])}
        since = time.time() - HERE_S
        return {
            "laptops": self.file.execute("SELECT COUNT(*) FROM laptops").fetchone()[0],
            "here": self.file.execute("SELECT COUNT(*) FROM laptops WHERE seen > ?", (since,)).fetchone()[0],
            "exercises": [
                {
                    "id": e,
                    "title": title,
                    "passed": said["exercise"][e]["passed"],
                    "wrong": said["exercise"][e]["wrong"],
                }
                for e, title in catalogue.exercises.items()
                if e[:2] in numbers
            ],
            "mistakes": sorted(((name, held.total()) for name, held in said["mistake"].items()), key=lambda m: -m[1]),
            "bets": [
                {"id": b, "text": text, "answers": distribution(choices, held)}
                for b, (text, choices) in catalogue.bets.items()
                if (held := said["bet"].get(b))
            ],
        }

    def rows(self, catalogue: Catalogue) -> Iterator[tuple]:
        """Everything, as lines of a table: (laptop, name, kind, id, question or title, value, when)."""
        yield "laptop", "name", "kind", "id", "about", "value", "when (UTC)"
        told = "SELECT laptop, name, kind, told.id, value, at FROM told JOIN laptops ON laptop = laptops.id ORDER BY at"
        for laptop, name, kind, what, value, at in self.file.execute(told):
            about = {
                "exercise": catalogue.exercises.get(what, ""),
                "bet": catalogue.bets.get(what, ("",))[0],
                "mistake": catalogue.exercises.get(what.partition("#")[0], ""),
            }[kind]
            shown = json.loads(value) if kind == "bet" else value
            yield laptop, name, kind, what, about, shown, time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def distribution(choices: tuple[str, ...], held: Counter) -> list[tuple[str, int]]:
    """How many chose what: every choice in its order, or up to eight ranges of numbers."""
    answers = Counter({json.loads(value): number for value, number in held.items()})
    if choices:
        return [(choice, answers[choice]) for choice in choices]
    if len(answers) <= 8:
        return [(f"{value:g}", answers[value]) for value in sorted(answers)]
    low, high = min(answers), max(answers)
    width, bars = (high - low) / 8, [0] * 8
    for value, number in answers.items():
        bars[min(7, int((value - low) / width))] += number
    return [(f"{low + k * width:.3g} to {low + (k + 1) * width:.3g}", number) for k, number in enumerate(bars)]
