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
    with pytest.raises(CourseError, match=r"the folder .* cannot be made \(.+\): choose another --out"):
        files.make_folder(tmp_path / ("x" * 5000))
    with pytest.raises(CourseError, match=r"cannot be read \(.+\): check the path"):
        files.read_json(tmp_path)
    files.check_writable(tmp_path / "a" / "b" / "c.json")
    assert names(tmp_path) == ["a", "file"]


def test_a_disk_that_is_read_only(small_disk):
    files.write_text(small_disk / "x", "kept")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(CourseError, match="cannot be written to: choose another --here or mend its permissions"):
        files.check_writable(small_disk / "x", "--here")
    with pytest.raises(CourseError, match="the disk is read-only, so choose another folder"):
        files.write_text(small_disk / "x", "new")
    with files.only_one(small_disk, "measuring"):  # there is nothing to guard
        assert (small_disk / "x").read_text() == "kept" and names(small_disk) == ["x"]


def test_a_part_of_a_process_that_can_be_none_stays(tmp_path):
    strange = tmp_path / f".x.{10**30}.part"
    strange.write_text("somebody's")
    files.write_text(tmp_path / "x", "whole\n")
    assert names(tmp_path) == [strange.name, "x"]


@pytest.fixture
def as_on_windows(monkeypatch, tmp_path):
    """`open_elsewhere(n)`: replacing a file fails n times, as on Windows while a program has it open."""
    real, left = os.replace, [0]

    def refused(source, target):
        if left[0]:
            left[0] -= 1
            raise PermissionError(errno.EACCES, "Access is denied", str(source), 5, str(target))
        real(source, target)

    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(files, "WAITS", (0.0, 0.0))
    monkeypatch.setattr(files.os, "replace", refused)

    def open_elsewhere(times):
        left[0] = times

    return open_elsewhere


def test_a_file_that_is_open_for_a_moment_is_replaced_after_it(as_on_windows, tmp_path):
    files.write_text(tmp_path / "x", "old")
    as_on_windows(2)
    files.write_text(tmp_path / "x", "new")
    assert (tmp_path / "x").read_bytes() == b"new" and names(tmp_path) == ["x"]


def test_on_windows_every_part_goes_since_one_that_is_open_cannot(as_on_windows, tmp_path):
    (tmp_path / f".x.{os.getpid()}0.part").write_text("half")
    (tmp_path / f".x.{os.getppid()}.part").write_text("half")
    files.write_text(tmp_path / "x", "whole\n")
    assert names(tmp_path) == ["x"]


def test_a_file_that_stays_open_is_one_sentence_and_stays_as_it_was(as_on_windows, tmp_path):
    files.write_text(tmp_path / "x", "old")
    as_on_windows(99)
    with pytest.raises(CourseError, match="x is open in another program and cannot be replaced: close it there"):
        files.write_text(tmp_path / "x", "new")
    assert (tmp_path / "x").read_bytes() == b"old" and names(tmp_path) == ["x"]
    with pytest.raises(CourseError, match="mend its permissions"):  # nothing is there that could be open
        files.write_text(tmp_path / "y", "new")


def test_text_has_unix_newlines(tmp_path):
    files.write_text(tmp_path / "x", "a\nü\n")
    assert (tmp_path / "x").read_bytes() == "a\nü\n".encode()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_weights_can_be_read_by_whom_the_umask_lets_read(tmp_path):
    import torch
    from safetensors.torch import save_file

    before = os.umask(0o027)
    try:
        with files.replacing(tmp_path / "w.safetensors") as part:
            save_file({"w": torch.ones(1)}, part)
    finally:
        os.umask(before)
    assert (tmp_path / "w.safetensors").stat().st_mode & 0o777 == 0o640
