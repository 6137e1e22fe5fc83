"""A class: what a laptop may send, what survives a kill, what the teacher gets, and that no notebook ever waits."""

import asyncio
import contextlib
import copy
import csv
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from mgmr_lib.course import bets, score, store
from mgmr_lib.course.grading import Verdict
from mgmr_lib.course.registry import find
from mgmr_lib.course.room import catalogue, joining
from mgmr_lib.course.room import command as room_command
from mgmr_lib.course.room.catalogue import Catalogue
from mgmr_lib.course.room.limits import Buckets
from mgmr_lib.course.room.posts import MOST_BYTES
from mgmr_lib.course.room.server import MOST_OF_ONE, PAGE, Room, serve
from mgmr_lib.course.room.storage import Storage, distribution
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY
from tests.course.test_browser import BROWSER, FLAGS

SHOWN = Catalogue(
    {"01.1": "one step", "01.2": "the <b>sequence</b>", "02.1": "three views"},
    {"01.a": ("What is left?", ("nothing", "a tenth", "a half")), "01.b": ("How many steps?", ())},
    {"01.1": ("", "The weights are swapped."), "01.2": ("=1+1 <script>alert(1)</script>",)},
)


class Running:
    """A class in a thread of this process."""

    def __init__(self, path, **limits):
        self.path, self.limits, self.ready = path, limits, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self.ready.wait(20)

    def _run(self):
        async def run():
            self.loop, self.task = asyncio.get_running_loop(), asyncio.current_task()
            with contextlib.suppress(asyncio.CancelledError):
                shown = copy.deepcopy(SHOWN)  # a class may learn of mistakes, and the next one starts without them
                await serve(Storage(self.path), shown, "127.0.0.1", 0, self._started)

        asyncio.run(run())

    def _started(self, room: Room):
        for name, bucket in self.limits.items():
            setattr(room, name, bucket)
        self.room, self.at = room, room.at
        self.ready.set()

    def close(self):
        if not self.thread.is_alive():
            return
        self.loop.call_soon_threadsafe(self.task.cancel)
        self.thread.join(10)

    def ask(self, path, body=None, token="", **headers):
        """(status, body, headers)."""
        data = json.dumps(body).encode() if isinstance(body, dict | list) else body
        request = urllib.request.Request(self.at + path, data, headers | {"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers

    def joined(self, name="blue fox"):
        status, body, _ = self.ask("/join", {"code": self.room.code, "name": name})
        assert status == 200, body
        return json.loads(body)["token"]

    def state(self):
        status, body, _ = self.ask(f"/state?key={self.room.key}")
        assert status == 200
        return json.loads(body)

    def table(self):
        status, body, _ = self.ask(f"/class.csv?key={self.room.key}")
        assert status == 200
        return list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))


@pytest.fixture
def room(tmp_path):
    made = Running(tmp_path / "class.sqlite")
    yield made
    made.close()


def test_what_laptops_tell_is_counted_once_each(room):
    first, second = room.joined("blue fox"), room.joined("Łódź 2")
    for _ in range(3):  # the same post again changes nothing
        assert room.ask("/post", {"exercises": {"01.1": "wrong"}, "mistakes": [["01.1", 1]]}, first)[0] == 200
    room.ask("/post", {"exercises": {"01.1": "passed"}, "bets": {"01.a": "a tenth", "01.b": 7}}, first)
    room.ask("/post", {"exercises": {"01.1": "wrong"}}, first)  # a passed exercise stays passed
    room.ask("/post", {"exercises": {"01.1": "wrong"}, "mistakes": [["01.1", 1]], "bets": {"01.a": "a half"}}, second)
    room.ask("/post", {"bets": {"01.a": "nothing"}}, second)  # a bet may be changed
    state = room.state()
    assert (state["laptops"], state["here"]) == (2, 2) and room.room.code in state["join"]
    assert [(e["id"], e["passed"], e["wrong"]) for e in state["exercises"]] == [("01.1", 1, 1), ("01.2", 0, 0)]
    assert state["mistakes"] == [{"id": "01.1", "says": "The weights are swapped.", "laptops": 2}]
    assert {b["id"]: b["answers"] for b in state["bets"]} == {
        "01.a": [["nothing", 1], ["a tenth", 1], ["a half", 0]],
        "01.b": [["7", 1]],
    }


HOSTILE = [
    (b"", 400),
    (b"{", 400),
    (b"\xff\xfe", 400),
    (b"[" * 20_000, 400),
    (b"[]", 422),
    (b"9" * 5_000, 400),
    (b'{"exercises": {"99.9": "passed"}}', 422),
    (b'{"exercises": {"01.1": "<script>"}}', 422),
    (b'{"exercises": {"01.1": ["passed"]}}', 422),
    (b'{"exercises": []}', 422),
    (b'{"mistakes": [["01.1", -1]]}', 422),
    (b'{"mistakes": [["01.1", true]]}', 422),
    (b'{"mistakes": [["01.1", 1000000]]}', 422),
    (b'{"mistakes": [[["01.1"], 1]]}', 422),
    (b'{"mistakes": {"01.1": 1}}', 422),
    (b'{"bets": {"01.a": "<img src=x onerror=alert(1)>"}}', 422),
    (b'{"bets": {"01.a": 1}}', 422),
    (b'{"bets": {"01.a": ["a half"]}}', 422),
    (b'{"bets": {"01.b": NaN}}', 422),
    (b'{"bets": {"01.b": 1e999}}', 422),
    (b'{"bets": {"01.b": -Infinity}}', 422),
    (b'{"bets": {"01.b": true}}', 422),
    (b'{"bets": {"01.b": ' + b"9" * 400 + b"}}", 422),
    (b'{"note": "x"}', 422),
]


@pytest.mark.parametrize(("body", "status"), HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_post_is_refused_and_keeps_nothing(room, body, status):
    token = room.joined()
    found, said, _ = room.ask("/post", body, token)
    assert found == status and set(json.loads(said)) == {"error"} and b"<" not in said
    assert len(room.table()) == 1
    assert room.ask("/post", {"exercises": {"01.1": "passed"}}, token)[0] == 200


@pytest.mark.parametrize("length", [MOST_BYTES + 1, 3_000_000, 10**13])
def test_a_long_post_is_refused_before_it_is_sent(room, length):
    token = room.joined()
    wire = http.client.HTTPConnection(urllib.parse.urlsplit(room.at).netloc, timeout=10)
    wire.putrequest("POST", "/post")
    wire.putheader("Authorization", f"Bearer {token}")
    wire.putheader("Content-Length", str(length))
    wire.endheaders()
    with contextlib.closing(wire):
        answer = wire.getresponse()
        assert answer.status == 413 and set(json.loads(answer.read())) == {"error"}
    assert len(room.table()) == 1 and room.ask("/post", {"exercises": {"01.1": "passed"}}, token)[0] == 200


def test_one_bad_part_keeps_the_whole_post_out(room):
    token = room.joined()
    assert room.ask("/post", {"exercises": {"01.1": "passed", "77.7": "passed"}}, token)[0] == 422
    assert len(room.table()) == 1


@pytest.mark.parametrize("name", ["", " ", "<b>x</b>", "x" * 25, "a\nb", "=1+1", "@x", 7, None, "\u202eabc", "a\x00"])
def test_names_that_are_none_are_refused(room, name):
    assert room.ask("/join", {"code": room.room.code, "name": name})[0] == 422
    assert room.state()["laptops"] == 0


def test_wrong_codes_and_tokens_and_then_too_many_of_them(room):
    assert room.ask("/join", {"code": "aaaaaa", "name": "x"})[0] == 403
    assert (
        room.ask("/join", {"code": "é", "name": "x"})[0]
        == room.ask("/join", b'{"code":"\\ud800","name":"x"}')[0]
        == 422
    )
    assert room.ask("/post", {"exercises": {"01.1": "passed"}})[0] == 403
    token = room.joined()
    guesses = [room.ask("/join", {"code": f"{k:06}", "name": "x"})[0] for k in range(40)]
    assert set(guesses) == {403, 429} and guesses[-1] == 429
    assert room.ask("/post", {"exercises": {"01.1": "passed"}}, token)[0] == 200  # who belongs here is not held up


def test_a_laptop_that_makes_every_mistake_there_could_be_is_stopped(room):
    told = Catalogue({f"{n:02}.1": "x" for n in range(20)}, {})
    room.room.catalogue = told
    token = room.joined()
    answers = [room.ask("/post", {"mistakes": [[e, k] for k in range(40)]}, token)[0] for e in told.exercises]
    assert answers == [200] * 10 + [422] * 10 and len(room.table()) == 401


def test_a_flood_of_one_laptop_does_not_stop_another(tmp_path):
    made = Running(tmp_path / "x.sqlite", posts=Buckets(10, 0.01))
    try:
        loud, quiet = made.joined("loud"), made.joined("quiet")
        answers = [made.ask("/post", {"bets": {"01.b": k}}, loud)[0] for k in range(30)]
        assert answers == [200] * 10 + [429] * 20
        assert made.ask("/post", {"exercises": {"01.1": "passed"}}, quiet)[0] == 200
    finally:
        made.close()


def test_a_bucket_fills_again_and_forgets_the_silent():
    now = [0.0]
    buckets = Buckets(2, 1, most=2, now=lambda: now[0])
    assert [buckets.take("a") for _ in range(3)] == [True, True, False]
    now[0] = 1.0
    assert [buckets.take("a") for _ in range(2)] == [True, False]
    assert buckets.take("b") and buckets.take("c") and set(buckets.held) == {"b", "c"}


def test_connections_that_say_nothing_leave_room_for_others(room):
    port = int(room.at.rpartition(":")[2])
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(MOST_OF_ONE + 20)]
    time.sleep(0.5)
    for sock in silent:
        sock.close()
    time.sleep(0.5)
    assert room.state()["laptops"] == 0  # and what was closed counts no more


def test_half_a_request_and_a_body_that_lies_about_its_length(room):
    port = int(room.at.rpartition(":")[2])
    for raw in (
        b"POST /post HTTP/1.1\r\n",
        b"GARBAGE\r\n\r\n",
        b"POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            sock.sendall(raw)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.putrequest("POST", "/post")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    connection.send(b"11170\r\n" + b"x" * 70_000 + b"\r\n0\r\n\r\n")
    assert connection.getresponse().status in (403, 413)
    assert room.state()["laptops"] == 0


def test_only_the_teacher_sees_the_page(room):
    for path in ("/", "/state", "/class.csv", "/?key=", "/state?key=guess", "/state?key=%C3%A9"):
        assert room.ask(path)[0] == 403
    assert room.ask("/nothing")[0] == 404 and room.ask("/../server.py")[0] in (403, 404)
    assert room.ask("/join")[0] == 405
    status, body, headers = room.ask(f"/?key={room.room.key}")
    policy = headers["Content-Security-Policy"]
    assert status == 200 and "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert not re.search(rb"https?:|<script>|\bon\w+=|style=", body)  # nothing from elsewhere, nothing inline
    assert room.ask("/page.js")[0] == room.ask("/page.css")[0] == 200


def test_the_page_asks_for_no_newer_javascript_and_makes_no_html_of_words():
    code = re.sub(r"//.*", "", (PAGE / "page.js").read_text(encoding="utf-8"))
    newer = (
        r"\basync\b|\bawait\b|\?\.|\?\?|\*\*|Object\.(entries|values|fromEntries)|\.(flat|flatMap|at|includes|padStart|"
        r"replaceAll|matchAll|allSettled|finally)\(|\{\s*\.\.\.|catch\s*\{|\d_\d|#\w+\s*[=(;]"
    )
    assert not re.search(newer, code), re.search(newer, code)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function\(", code)


def test_the_table_holds_everything_and_no_formula(room):
    token = room.joined("-minus".lstrip("-"))
    room.ask("/post", {"exercises": {"01.2": "passed"}, "bets": {"01.b": -2.5, "01.a": "a half"}}, token)
    head, *rows = room.table()
    assert head == ["laptop", "name", "kind", "id", "about", "value", "when (UTC)"]
    assert sorted(row[:6] for row in rows) == [
        ["1", "minus", "bet", "01.a", "What is left?", "a half"],
        ["1", "minus", "bet", "01.b", "How many steps?", "-2.5"],
        ["1", "minus", "exercise", "01.2", "the <b>sequence</b>", "passed"],
    ]


def test_numbers_that_were_bet_become_ranges():
    from collections import Counter

    assert distribution((), Counter({"1": 2, "0.5": 1})) == [("0.5", 1), ("1", 2)]
    bars = distribution((), Counter({str(k): 1 for k in range(17)}))
    assert [n for _, n in bars] == [2] * 7 + [3] and bars[0][0] == "0 to 2" and bars[-1][0] == "14 to 16"


def test_a_restart_keeps_code_key_laptops_and_answers(tmp_path):
    first = Running(tmp_path / "class.sqlite")
    token = first.joined()
    first.ask("/post", {"exercises": {"01.1": "passed"}}, token)
    before = first.state()
    first.close()
    second = Running(tmp_path / "class.sqlite")
    try:
        assert (second.room.code, second.room.key) == (first.room.code, first.room.key)
        assert second.state()["exercises"] == before["exercises"]
        assert second.ask("/post", {"bets": {"01.a": "a half"}}, token)[0] == 200
    finally:
        second.close()


def started(tmp_path, port):
    """`python -m mgmr_lib.course class` as a process, and (code, key)."""
    command = [sys.executable, "-m", "mgmr_lib.course", "class", "--no-browser", f"--port={port}"]
    process = subprocess.Popen(
        [*command, "--store", str(tmp_path / "class.sqlite")], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    said = ""
    while "stop:" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    return process, re.search(r'join\("(\w+)"', said)[1], re.search(r"key=(\w+)", said)[1]


@pytest.mark.slow
def test_a_kill_loses_no_post_that_was_answered(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ask = lambda path, body=None, token="": Running.ask(  # noqa: E731
        type("At", (), {"at": f"http://127.0.0.1:{port}"}), path, body, token
    )
    process, code, key = started(tmp_path, port)
    try:
        token = json.loads(ask("/join", {"code": code, "name": "fox"})[1])["token"]
        kept = {}
        for k in range(1, 25):
            name = f"{1 + k // 5:02}.{1 + k % 4}"
            if ask("/post", {"exercises": {name: "passed"}}, token)[0] == 200:
                kept[name] = "passed"
        assert kept
        process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        process.wait(10)
        process, again, _ = started(tmp_path, port)
        assert again == code
        table = list(csv.reader(io.StringIO(ask(f"/class.csv?key={key}")[1].decode("utf-8-sig"))))
        assert {row[3]: row[5] for row in table[1:]} == kept
        command = [sys.executable, "-m", "mgmr_lib.course", "class", "--no-browser", f"--port={port}"]
        own = os.environ | {"MGMR_LEARNER": str(tmp_path)}
        busy = subprocess.run(
            command, capture_output=True, text=True, cwd=REPOSITORY, timeout=120, env=own, check=False
        )
        assert busy.returncode == 2 and "--port" in busy.stderr and "Traceback" not in busy.stderr
    finally:
        process.kill()


def test_a_file_that_is_no_class_is_one_sentence(tmp_path):
    (tmp_path / "x").write_bytes(b"not SQLite" * 100)
    with pytest.raises(CourseError, match="--store"):
        Storage(tmp_path / "x")
    with pytest.raises(CourseError, match="--store"):
        Storage(tmp_path / "x" / "y")


def test_a_port_that_is_taken_is_one_sentence(tmp_path):
    with socket.socket() as taken, pytest.raises(CourseError, match="--port"):
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        asyncio.run(serve(Storage(tmp_path / "x"), SHOWN, "127.0.0.1", taken.getsockname()[1]))


def test_a_new_class_keeps_the_file_of_the_last(tmp_path):
    Storage(tmp_path / "class.sqlite").join("fox")
    room_command.put_aside(tmp_path / "class.sqlite")
    assert Storage(tmp_path / "class.sqlite").names() == []
    [old] = tmp_path.glob("class-20*.sqlite")
    assert Storage(old).names() == ["fox"]


def test_the_catalogue_knows_every_exercise_and_bet_of_the_course():
    found = catalogue.read()
    asked, headings = set(), set()
    for path in (REPOSITORY / "notebooks" / "src").glob("[0-9]*.py"):
        text = path.read_text(encoding="utf-8")
        asked |= set(re.findall(r"^predict\(\s*[\"'](\d\d\.[a-z])", text, re.MULTILINE))
        headings |= set(re.findall(r"^@exercise\([\"'](\d\d\.\d+)", text, re.MULTILINE))
    assert found.bets.keys() == asked and found.exercises.keys() == headings
    assert found.bets["01.a"] == (
        "How much of the clap is left after 20 silent steps?",
        ("nothing", "a tenth", "a half"),
    )
    found.learn("01.1")
    assert any(found.mistakes["01.1"])


# --- the learner's side


@pytest.fixture
def learner(tmp_path, monkeypatch):
    """A learner's folder, and a kernel that has not told anything yet."""
    home = tmp_path / "learner"
    home.mkdir()
    monkeypatch.setenv("MGMR_LEARNER", str(home))
    monkeypatch.chdir(home)
    monkeypatch.setattr(joining, "_sender", joining.Sender())
    monkeypatch.setattr(joining, "PAUSES_S", (0.1,))
    return home


def waits(true, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False


def test_a_laptop_that_joined_tells_and_one_that_left_does_not(room, learner, capsys):
    joining.tell_exercise("01.1", Verdict("passed"))  # before joining: nothing
    score.record("02.1", "passed")
    joining.join(room.room.code, "blue fox", at=room.at + "/")
    assert "You are in the class as blue fox" in capsys.readouterr().out
    assert waits(lambda: len(room.table()) == 2)  # the score so far
    wrong = next(w for w in find("01.1").wrong if w.message)
    place = find("01.1").wrong.index(wrong)
    room.room.catalogue.mistakes["01.1"] = tuple(w.message for w in find("01.1").wrong)
    joining.tell_exercise("01.1", Verdict("wrong", "...", advice=wrong.message.rstrip()))
    bets.place(bets.Question("01.a", "?", choices=("nothing", "a tenth", "a half")), "a tenth", 70)
    assert waits(lambda: len(room.table()) == 5)
    assert {tuple(r[2:4]) for r in room.table()[1:]} >= {("mistake", f"01.1#{place}"), ("bet", "01.a")}
    joining.leave()
    joining.tell_exercise("01.2", Verdict("passed"))
    time.sleep(0.6)
    assert len(room.table()) == 5


def test_a_class_that_is_gone_never_holds_up_a_notebook_and_misses_nothing(learner, tmp_path, capsys):
    first = Running(tmp_path / "class.sqlite")
    joining.join(first.room.code, "fox", at=first.at)
    first.close()
    began = time.monotonic()
    for _ in range(20):
        joining.tell_exercise("01.1", Verdict("passed"))
    assert time.monotonic() - began < 1
    second = Running(tmp_path / "class.sqlite")
    try:
        store.update(joining.FILE, lambda kept: kept | {"at": second.at})
        assert waits(lambda: len(second.table()) == 2)
    finally:
        second.close()


@pytest.mark.parametrize(
    ("code", "at", "says"),
    [
        ("wrong1", None, "not the code of the class"),
        ("x", "192.168.1.5:8777", "is no address"),
        ("x", "file:///etc/passwd", "is no address"),
        ("x", "http://127.0.0.1:9", "does not answer"),
        ("x", "http://127.0.0.1:many", "does not answer"),
    ],
)
def test_a_join_that_fails_is_one_sentence(room, learner, capsys, code, at, says):
    joining.join(code, "fox", at=at or room.at)
    said = capsys.readouterr().out
    assert says in said and said.count("\n") == 1
    assert not (learner / joining.FILE).exists()


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on the PATH")
def test_the_page_in_a_browser_shows_words_as_words(room, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    for k in range(4):
        token = room.joined(f"laptop {k}")
        post = {
            "exercises": {"01.1": "passed" if k else "wrong"},
            "mistakes": [["01.2", 0]],
            "bets": {"01.a": "a half"},
        }
        assert room.ask("/post", post, token)[0] == 200
    said: list[str] = []
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_page(viewport={"width": 1366, "height": 900})
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append("a dialog"))
        asked: set[str] = set()
        page.on("request", lambda request: asked.add(request.url.split("?")[0]))
        page.goto(f"{room.at}/?key={room.room.key}")
        page.wait_for_selector("#exercises tr")
        bar = page.locator("#exercises tr").first.locator(".bar span")
        widths = [bar.nth(k).evaluate("e => e.getBoundingClientRect().width") for k in range(2)]
        assert widths[0] == pytest.approx(3 * widths[1], rel=0.02) and widths[1] > 20
        assert "<b>sequence</b>" in page.inner_text("#exercises")
        assert "<script>alert(1)</script>" in page.inner_text("#mistakes")
        assert page.inner_text("#asked") == "What is left?" and "a half" in page.inner_text("#bets")
        assert page.inner_text("#laptops") == "4" and room.room.code in page.inner_text("#join")
        for width in (1366, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.set_viewport_size({"width": 1366, "height": 900})
        page.screenshot(path=str(tmp_path / "class.png"), full_page=True)
        room.close()
        page.get_by_text("The class does not answer").wait_for()
        browser.close()
    assert {url.removeprefix(room.at) for url in asked} <= {"/", "/page.css", "/page.js", "/state"}
    assert not [line for line in said if "ERR_CONNECTION_REFUSED" not in line], said


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n{}", "it is no class"),
        (b"HTTP/1.0 200 OK\r\n\r\n<html>", "does not answer"),
        (b"SSH-2.0-x\r\n", "does not answer"),
        (b"", "does not answer"),
    ],
)
def test_somebody_else_at_that_address_is_one_sentence(learner, capsys, answer, says):
    with socket.create_server(("127.0.0.1", 0)) as other:

        def reply():
            connection, _ = other.accept()
            with connection, connection.makefile("rb") as asked:
                head = b"".join(iter(asked.readline, b"\r\n")).lower()
                asked.read(int(head.partition(b"content-length:")[2].split()[0]))  # what is unread resets a connection
                connection.sendall(answer)

        threading.Thread(target=reply, daemon=True).start()
        joining.join("x", "fox", at=f"http://127.0.0.1:{other.getsockname()[1]}")
    said = capsys.readouterr().out
    assert says in said and said.count("\n") == 1 and not (learner / joining.FILE).exists()
