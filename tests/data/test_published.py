"""`data fetch` from a local server: it resumes, checks, and says in one sentence what is wrong."""

import threading
from dataclasses import replace
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import h5py
import numpy as np
import pytest

from mgmr_lib import cli
from mgmr_lib.data.download import published
from mgmr_lib.data.download.published import POM, fetch_published
from mgmr_lib.data.load import load_corpus
from mgmr_lib.errors import CourseError


class Files(BaseHTTPRequestHandler):
    """Serves a folder, from the middle where it is asked to; `cut`: how many bytes before the line breaks."""

    def __init__(self, state, *rest):
        self.state = state
        super().__init__(*rest)

    def do_GET(self):
        path = self.state["folder"] / self.path.rsplit("/", 1)[-1]
        if not path.exists():
            return self.send_error(404)
        content, asked = path.read_bytes(), self.headers.get("Range")
        self.state["asked"].append((path.name, asked))
        start = int(asked.split("=")[1].rstrip("-")) if asked and self.state["ranges"] else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.state["cut"]])

    def log_message(self, *_):
        pass


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A small corpus of POM's layout behind a server: (source, the server's state)."""
    monkeypatch.setenv("MGMR_DATA", str(tmp_path / "data"))
    folder, rng, pins = tmp_path / "site", np.random.default_rng(0), {}
    folder.mkdir()
    for split, n in (("train", 30), ("valid", 6), ("test", 8)):
        blank = np.arange(n) % 2 == 0
        arrays = {"audio": rng.random((n, 6, 4)), "video": rng.random((n, 6, 3)), "y": rng.uniform(1, 7, (n, 17))}
        arrays["video"][blank], arrays["audio"][:, :2] = 0, 0
        for key, value in arrays.items():
            path = folder / f"{key}_{split}.h5"
            with h5py.File(path, "w") as file:
                file["d1"] = value
            pins[path.name] = (path.stat().st_size, sha256(path.read_bytes()).hexdigest())
    state = {"folder": folder, "asked": [], "cut": None, "ranges": True}
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, state))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    source = replace(POM, url=f"http://127.0.0.1:{server.server_port}/pom/", files=pins)
    monkeypatch.setitem(published.PUBLISHED, "pom", source)
    yield source, state
    server.shutdown()
    server.server_close()


def test_fetch_checks_converts_and_does_it_once(place, capsys):
    source, state = place
    assert cli.main(["data", "fetch", "pom"]) == 0
    said = capsys.readouterr().out
    assert "vision was never recorded" in said and "train 15 of 30" in said and str(source.path) in said
    corpus = load_corpus("pom")
    with h5py.File(state["folder"] / "y_test.h5") as file:
        np.testing.assert_allclose(corpus["test"].labels, file["d1"][:, 0] - 4, atol=1e-6)
    assert (corpus["train"].audio.lengths == 4).all() and not corpus["train"].recorded("text").any()
    assert cli.main(["data", "fetch", "pom"]) == 0 and len(state["asked"]) == len(source.files)
    assert cli.main(["data", "verify"]) in (0, 2) and "audio_train.h5" in capsys.readouterr().out
    assert not list(source.folder.glob("*.part"))


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_broke_off_goes_on(place, ranges):
    source, state = place
    state |= {"cut": 1000, "ranges": ranges}
    with pytest.raises(CourseError, match="broke off after 1000 of .*goes on where it stopped"):
        fetch_published(source, quiet=True)
    (part,) = source.folder.glob("*.part")
    assert part.stat().st_size == 1000 and not source.path.exists()
    state["cut"] = None
    fetch_published(source, quiet=True)
    assert state["asked"][1] == (part.name.removesuffix(".part"), "bytes=1000-")
    assert all(published.is_whole(source.folder / name, *pin) for name, pin in source.files.items())


def test_a_file_that_is_not_the_pinned_one_is_not_kept(place):
    source, state = place
    path = state["folder"] / "video_test.h5"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(CourseError, match="video_test.h5 is not the file that was pinned"):
        fetch_published(source, quiet=True)
    assert not (source.folder / "video_test.h5").exists() and not list(source.folder.glob("*.part"))


def test_no_connection_and_no_file_are_one_sentence_each(place, capsys):
    source, state = place
    for url, words in (("http://127.0.0.1:9/x", "check the network connection"), (source.url, "answers 404")):
        (state["folder"] / "audio_test.h5").unlink(missing_ok=True)
        assert cli.main(["data", "fetch", "pom", "--from", url]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert words in said and "data fetch pom" in said and "Traceback" not in said
    assert cli.main(["data", "describe", "pom"]) == 2
    assert "run `python -m mgmr_lib data fetch pom`" in capsys.readouterr().err


def test_the_same_files_from_a_folder(place):
    source, state = place
    assert fetch_published(source, state["folder"].as_uri(), quiet=True).is_file() and not state["asked"]


def test_a_part_that_is_longer_than_the_file_is_begun_anew(place):
    """A kill between the last byte and the check, or another file under the name of the part."""
    source, state = place
    source.folder.mkdir(parents=True)
    (source.folder / "y_test.h5.part").write_bytes(bytes(source.files["y_test.h5"][0] + 1))
    fetch_published(source, quiet=True)
    assert ("y_test.h5", None) in state["asked"] and not list(source.folder.glob("*.part"))
    assert published.is_whole(source.folder / "y_test.h5", *source.files["y_test.h5"])
