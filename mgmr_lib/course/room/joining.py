"""The learner's side of a class: join, leave, and posts that never hold up a notebook.

Whoever joins agrees that ids leave the laptop: which exercises are passed or tried, which known mistakes were made,
what was bet. Answers' code never does. What cannot be sent waits in memory, and a kernel begins by telling the whole
score, so that a class that was gone for a while misses nothing.
"""

import contextlib
import http.client
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from mgmr_lib.course import score, store
from mgmr_lib.errors import CourseError

FILE = "class.json"
WAIT_S = 4  # for an answer
PAUSES_S = (1, 5, 20, 60)  # between tries, while nobody answers
MEMBERSHIP = {"at", "token", "name"}
# the class is in the same room: no proxy of the wide world stands between
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def join(code: str, name: str, at: str) -> None:
    """Join a class: its code and address stand on the teacher's page; the name is made up.

    From then on, in every notebook, the class is told which exercises are passed or tried, which mistakes `check`
    recognised, and the bets. `leave()` ends it.
    """
    try:
        at = _address(at)
        token = _ask(at + "/join", {"code": str(code), "name": str(name)}).get("token")
        if not isinstance(token, str):
            raise CourseError(f"{at} answers, but it is no class: its address stands on the teacher's page")
    except CourseError as error:
        print(error)
        return
    store.update(FILE, lambda _: {"at": at, "token": token, "name": str(name)})
    print(
        f"You are in the class as {name}. It is told which exercises you passed or tried, which mistakes `check` "
        "recognised, and your bets; your code never leaves this computer. leave() ends it."
    )
    _sender.tell()


def leave() -> None:
    """Tell the class nothing more."""
    store.update(FILE, lambda _: {})
    print("You have left the class: nothing more is sent.")


def tell_exercise(exercise_id: str, result) -> None:
    """Tell the class what `check` found, if the learner joined one. Never raises, never waits."""
    with contextlib.suppress(Exception):
        if result.state in ("passed", "wrong") and _member():
            _sender.tell({"exercises": {exercise_id: result.state}, "mistakes": _mistake(exercise_id, result.advice)})


def tell_bet(bet_id: str, answer) -> None:
    """Tell the class a bet, if the learner joined one. Never raises, never waits."""
    with contextlib.suppress(Exception):
        if _member():
            _sender.tell({"bets": {bet_id: answer}})


def _mistake(exercise_id: str, advice: str) -> list:
    from mgmr_lib.course import registry

    known = [wrong.message.rstrip() for wrong in registry.find(exercise_id).wrong]
    return [[exercise_id, known.index(advice)]] if advice and advice in known else []


def _member() -> dict:
    found = store.read(FILE)
    return found if MEMBERSHIP <= found.keys() else {}


def _address(at: str) -> str:
    parts = urllib.parse.urlsplit(str(at).strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CourseError(f"at={at!r} is no address: it stands on the teacher's page, such as http://192.168.1.5:8777")
    return f"{parts.scheme}://{parts.netloc}"


def _ask(url: str, said: dict, token: str = "") -> dict:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, json.dumps(said).encode(), headers)
    try:
        with _open(request, timeout=WAIT_S) as answer:
            found = json.loads(answer.read(10_000))
            return found if isinstance(found, dict) else {}
    except urllib.error.HTTPError as error:
        try:
            why = str(json.loads(error.read(10_000))["error"])
        except (OSError, ValueError, KeyError, TypeError):
            why = str(error.reason)
        raise Answered(error.code, f"The class answers: {' '.join(why.split())[:200]}.") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = " ".join(str(getattr(error, "reason", None) or error).split())[:100]
        raise CourseError(
            f"{url.rpartition('/')[0]} does not answer ({reason}): check the address, and that you are in the same "
            "network as the teacher"
        ) from None


class Answered(CourseError):
    """The class answered with an error: its status of HTTP, and why."""

    def __init__(self, status: int, why: str):
        super().__init__(why)
        self.status = status


class Sender:
    """One thread of this kernel that sends what waits."""

    def __init__(self):
        self.lock, self.news = threading.Lock(), threading.Event()
        self.waiting: dict = {"exercises": {}, "mistakes": [], "bets": {}}
        self.thread: threading.Thread | None = None

    def tell(self, said: dict | None = None) -> None:
        """Put something in line. The first time, the whole score goes along."""
        with self.lock:
            self._merge(said or {})
            if self.thread is None:
                self._merge(_score())
                self.thread = threading.Thread(target=self._run, daemon=True)
                self.thread.start()
            elif said is None:
                self._merge(_score())
        self.news.set()

    def _merge(self, said: dict, newer: bool = True) -> None:
        for kind in ("exercises", "bets"):
            old, new = self.waiting[kind], said.get(kind, {})
            self.waiting[kind] = old | new if newer else new | old
        self.waiting["mistakes"] += [m for m in said.get("mistakes", ()) if m not in self.waiting["mistakes"]]

    def _run(self) -> None:
        while self.news.wait():
            time.sleep(0.2)  # what is told in one breath goes in one post
            self.news.clear()
            with self.lock:
                said, self.waiting = self.waiting, {"exercises": {}, "mistakes": [], "bets": {}}
            self._send(said)

    def _send(self, said: dict) -> None:
        """Send, and where nobody answers try again together with what has come meanwhile."""
        for pause in (*PAUSES_S, PAUSES_S[-1]):
            member = _member()
            if not member or not any(said.values()):
                return
            try:
                _ask(member["at"] + "/post", said, member["token"])
                return
            except Answered as error:
                if error.status not in (429, 503):
                    return  # this class knows neither us nor what we say
            except Exception:
                pass
            time.sleep(pause)
        with self.lock:
            self._merge(said, newer=False)
        self.news.set()


def _score() -> dict:
    from mgmr_lib.course import bets

    kept = {name: state for name, state in score.read().items() if state in ("passed", "wrong")}
    made = {name: bet["bet"] for name, bet in store.read(bets.FILE).items() if isinstance(bet, dict) and "bet" in bet}
    return {"exercises": kept, "bets": made}


_sender = Sender()
