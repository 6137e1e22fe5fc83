"""The web server of a class: two addresses for laptops (join, post), and a teacher's page behind a key."""

import asyncio
import contextlib
import csv
import hmac
import io
import json
import socket
import sqlite3
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler, StaticFileHandler, stream_request_body

from mgmr_lib.course.room.catalogue import Catalogue
from mgmr_lib.course.room.limits import Buckets
from mgmr_lib.course.room.posts import MOST_BYTES, Refused, read_join, read_post
from mgmr_lib.course.room.storage import Storage
from mgmr_lib.errors import CourseError

PAGE = Path(__file__).parent / "page"
MOST_CONNECTIONS, MOST_OF_ONE = 240, 120  # open at once: of all, and of one address (a hub's learners share one)
SILENCE_S = 20  # after which a connection is closed
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


@dataclass
class Room:
    """A class that runs. at: its address as laptops reach it."""

    storage: Storage
    catalogue: Catalogue
    at: str
    posts: Buckets = field(default_factory=lambda: Buckets(30, 5))  # of one laptop
    strangers: Buckets = field(default_factory=lambda: Buckets(30, 1))  # of one address, with a wrong code or token
    joins: Buckets = field(default_factory=lambda: Buckets(100, 0.2))  # of one address

    def __post_init__(self):
        self.code, self.key = self.storage.setting("code", 6), self.storage.setting("key", 24)

        self.learner: threading.Thread | None = None

    def learn(self, exercise: str) -> None:
        """Read the words of an exercise's mistakes, beside everything else; one at a time."""
        if self.learner is None or not self.learner.is_alive():
            self.learner = threading.Thread(target=self.catalogue.learn, args=(exercise,), daemon=True)
            self.learner.start()

    def line(self) -> str:
        """What a learner types."""
        return f'from mgmr_lib.course import join, leave\njoin("{self.code}", "a made-up name", at="{self.at}")'


class Handler(RequestHandler):
    """What all addresses share: strict headers, errors as JSON."""

    def initialize(self, room: Room):
        self.room = room

    def set_default_headers(self):
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-store")

    def write_error(self, status_code: int, **details):
        error = details.get("exc_info", (None, None))[1]
        why = error.log_message if isinstance(error, HTTPError) and error.log_message else self._reason
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"error": why}))

    def log_exception(self, typ, value, tb):
        """Refusals are no news for the teacher's terminal."""
        if not isinstance(value, HTTPError):
            super().log_exception(typ, value, tb)

    def refuse(self, status: int, why: str):
        """The error to raise."""
        return HTTPError(status, why.replace("%", "%%"))


@stream_request_body
class Laptop(Handler):
    """A small body, counted while it comes."""

    def prepare(self):
        self.body = b""
        length = self.request.headers.get("Content-Length") or "0"
        if not (length.isascii() and length.isdigit()):
            raise self.refuse(400, "Content-Length is a number")
        if len(length) > 12 or int(length) > MOST_BYTES:
            raise self.refuse(413, f"a post has at most {MOST_BYTES} bytes")

    def data_received(self, chunk: bytes):
        if len(self.body) <= MOST_BYTES:
            self.body += chunk

    def stranger(self, why: str):
        """The error for somebody who does not belong here: after many of them, 429."""
        known = self.room.strangers.take(self.request.remote_ip)
        return self.refuse(403, why) if known else self.refuse(429, "too many wrong words: wait a minute")

    def post(self):
        try:
            self.answer()
        except Refused as error:
            raise self.refuse(error.status, error.why) from None
        except sqlite3.Error as error:  # a full disk: the laptop keeps its post and tries again
            raise self.refuse(503, f"not kept ({error}): try again") from None


class Join(Laptop):
    def answer(self):
        code, name = read_join(self.body)
        if not hmac.compare_digest(code.strip().lower().encode(), self.room.code.encode()):
            raise self.stranger("this is not the code of the class: it stands on the teacher's page")
        if not self.room.joins.take(self.request.remote_ip):
            raise self.refuse(429, "too many joined from here at once: try again in a minute")
        self.write({"token": self.room.storage.join(name)})


class Told(Laptop):
    def answer(self):
        token = self.request.headers.get("Authorization", "").removeprefix("Bearer ")
        laptop = self.room.storage.laptop(token)
        if laptop is None:
            raise self.stranger("this laptop has not joined")
        if not self.room.posts.take(str(laptop)):
            raise self.refuse(429, "too often: wait a moment")
        self.room.storage.tell(laptop, read_post(self.body, self.room.catalogue))
        self.write({"kept": True})


class Teacher(Handler):
    """Addresses that want the key."""

    def prepare(self):
        if not hmac.compare_digest(self.get_query_argument("key", "").encode(), self.room.key.encode()):
            raise self.refuse(403, "the teacher's address, with its key, stands in the terminal that runs the class")


class Page(Teacher):
    def get(self):
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish((PAGE / "page.html").read_bytes())


class State(Teacher):
    def get(self):
        catalogue = self.room.catalogue
        counts = self.room.storage.counts(catalogue)
        shown = []
        for name, laptops in counts["mistakes"]:
            exercise, _, place = name.partition("#")
            says = catalogue.mistakes.get(exercise)
            if says is None:  # its definition imports much: not while laptops wait
                self.room.learn(exercise)
            elif int(place) < len(says) and says[int(place)]:
                shown.append({"id": exercise, "says": says[int(place)], "laptops": laptops})
        self.write(counts | {"mistakes": shown, "join": self.room.line()})


class Table(Teacher):
    def get(self):
        out = io.StringIO()
        csv.writer(out).writerows(
            [_plain(value) for value in row] for row in self.room.storage.rows(self.room.catalogue)
        )
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", "attachment; filename=class.csv")
        self.finish(b"\xef\xbb\xbf" + out.getvalue().encode())


def _plain(value):
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value


class File(StaticFileHandler):
    """page.css and page.js."""

    def set_default_headers(self):
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-cache")


class Server(HTTPServer):
    """Lets nobody hold all connections."""

    def initialize(self, *args, **options):
        super().initialize(*args, **options)
        self.open: Counter[str] = Counter()

    def handle_stream(self, stream, address):
        whose = str(address[0])
        if self.open.total() >= MOST_CONNECTIONS or self.open[whose] >= MOST_OF_ONE:
            stream.close()
            return
        self.open[whose] += 1
        super().handle_stream(stream, address)

    def on_close(self, server_conn):
        super().on_close(server_conn)
        whose = str(server_conn.context.address[0])
        self.open[whose] -= 1
        if self.open[whose] <= 0:
            del self.open[whose]


def application(room: Room) -> Application:
    """The addresses."""
    own = {"room": room}
    return Application(
        [
            ("/", Page, own),
            ("/state", State, own),
            ("/class.csv", Table, own),
            ("/join", Join, own),
            ("/post", Told, own),
            (r"/(page\.css|page\.js)", File, {"path": str(PAGE)}),
        ],
        default_handler_class=Missing,
        default_handler_args=own,
        log_function=lambda handler: None,
    )


class Missing(Handler):
    def prepare(self):
        raise self.refuse(404, "there is nothing here")


def address_of(host: str, port: int) -> str:
    """How other computers reach a server that listens on `host`."""
    if host in ("0.0.0.0", "::", ""):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.connect(("192.0.2.1", 9))  # sends nothing: only asks which way out there is
            return f"http://{probe.getsockname()[0]}:{port}"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


async def serve(storage: Storage, catalogue: Catalogue, host: str, port: int, started=lambda room: None) -> None:
    """Serve until cancelled; started(room) is called once laptops can join. Errors: CourseError for the address."""
    try:
        sockets = bind_sockets(port, host)
    except OSError as error:
        raise CourseError(
            f"{host}:{port} cannot be served ({error.strerror or error}): is a class running there already? "
            "Another number goes with --port"
        ) from None
    room = Room(storage, catalogue, address_of(host, sockets[0].getsockname()[1]))
    server = Server(
        application(room),
        max_header_size=8_192,
        max_body_size=4_000_000,  # a little more than MOST_BYTES is read, so that the answer can say why not
        idle_connection_timeout=SILENCE_S,
        body_timeout=SILENCE_S,
    )
    server.add_sockets(sockets)
    started(room)
    try:
        await asyncio.Event().wait()
    finally:
        server.stop()
        await server.close_all_connections()
