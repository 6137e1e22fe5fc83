"""Where a number says it comes from: the commit, marked where files differ from it, and nothing where there is none."""

import subprocess

import pytest

from mgmr_lib import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with one commit that stands for the course's."""
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path / "course")
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "file").write_text("one")

    def git(*words):
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", str(tmp_path / "course"), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "x")
    git("tag", "v1")  # a tag is no commit: the name of what it points at may change
    return git


def test_the_commit_is_named_and_a_changed_file_marks_it(checkout, tmp_path):
    head = checkout("rev-parse", "HEAD")[:7]
    assert provenance.commit() == head
    (tmp_path / "course" / "file").write_text("two")
    assert provenance.commit() == head + "+"


def test_without_a_checkout_or_without_git_there_is_no_commit(checkout, tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    assert provenance.commit() == ""
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path / "course")
    assert provenance.commit() != ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.commit() == ""
