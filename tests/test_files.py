"""Whole-or-nothing writes: a full disk, a forbidden folder and a killed writer leave the old file and no litter."""

import errno
import os
import subprocess
import sys

import pytest

from mgmr_lib import files
from mgmr_lib.errors import CourseError


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_replaced_and_its_lines_end_alike_everywhere(tmp_path):
    path = tmp_path / "a [1].txt"
    files.write_text(path, "one\n")
    files.write_text(path, "two\nα\n")
    assert path.read_bytes() == "two\nα\n".encode() and names(tmp_path) == ["a [1].txt"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("step", ["write_bytes", "fsync", "replace"])
def test_a_write_that_fails_is_one_sentence_and_leaves_the_old_file(tmp_path, monkeypatch, step, code):
    path = tmp_path / "result.json"
    files.write_json(path, {"old": 1})

    def fail(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files.Path if step == "write_bytes" else os, step, fail)
    with pytest.raises(CourseError, match=r"result\.json cannot be written") as found:
        files.write_json(path, {"new": 2})
    assert os.strerror(code) in str(found.value) and "\n" not in str(found.value)
    assert files.read_json(path) == {"old": 1} and names(tmp_path) == ["result.json"]


def test_an_interrupted_write_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / "x") as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="a process that ends in mid-write: POSIX signals")
def test_a_killed_writers_part_goes_with_the_next_write_and_a_living_ones_stays(tmp_path):
    script = (
        "import os, sys; from mgmr_lib import files\n"
        "with files.replacing(sys.argv[1]) as part: part.write_text('half'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "x")], cwd=os.getcwd())
    assert len(names(tmp_path)) == 1
    living = tmp_path / f".x.{os.getppid()}.part"
    living.write_text("someone else's")
    files.write_text(tmp_path / "x", "whole\n")
    assert names(tmp_path) == [living.name, "x"]


def test_a_full_disk(small_disk):
    path = small_disk / "big"
    files.write_bytes(path, b"old")
    with pytest.raises(CourseError, match="No space left on device"):
        files.write_bytes(path, bytes(4 << 20))
    assert path.read_bytes() == b"old" and names(small_disk) == ["big"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "NaN", "\udcff"])
def test_what_is_no_json_object_is_one_sentence(tmp_path, text):
    (tmp_path / "x.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CourseError, match=r"x\.json is damaged"):
        files.read_json(tmp_path / "x.json")


def test_folders_and_files_in_the_way_are_said_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="is a file, not a folder"):
        files.make_folder(tmp_path / "file" / "below")
    with pytest.raises(CourseError, match="is a folder"):
        files.check_writable(tmp_path)
    files.check_writable(tmp_path / "a" / "b" / "c.json")
    assert names(tmp_path) == ["a", "file"]
