"""What differs between Linux, macOS and Windows and must not reach a learner: newlines, encodings, mapped files."""

import ast
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from mgmr_lib.data.feature_files import read_values, write_values
from mgmr_lib.data.mmsa.export import export_mmsa
from mgmr_lib.data.mmsa.reader import load_mmsa
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.setup import commands
from mgmr_lib.training import checkpoint
from tests.toy import toy_corpus

TEXT_METHODS = {"write_text": {"encoding", "newline"}, "read_text": {"encoding"}, "to_csv": {"lineterminator"}}


def careless_calls(source: str) -> list[str]:
    """Calls that take the platform's newline or encoding for a text file: "line: what is missing"."""
    tree, found = ast.parse(source), []
    modules = {
        a.asname or a.name.split(".")[-1] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names
    }
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        of_module = isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") in modules
        if name in TEXT_METHODS and isinstance(call.func, ast.Attribute) and not of_module:
            needed = TEXT_METHODS[name]
        elif name == "open" and not of_module:
            needed = _needed_by_open(call)
        else:
            continue
        missing = needed - {k.arg for k in call.keywords}
        if missing and not any(k.arg is None for k in call.keywords):
            found.append(f"{call.lineno}: {name} without {' and '.join(sorted(missing))}")
    return found


def _needed_by_open(call: ast.Call) -> set[str]:
    """open(path, mode) and path.open(mode); something.open(name) is an archive's."""
    first = 0 if isinstance(call.func, ast.Attribute) else 1
    given = [k.value for k in call.keywords if k.arg == "mode"] or call.args[first : first + 1]
    if given and not isinstance(given[0], ast.Constant):
        return set()
    mode = given[0].value if given else "r"
    if "b" in mode:
        return set()
    return {"encoding", "newline"} if set(mode) & set("wax+") else {"encoding"}


@pytest.mark.parametrize(
    ("code", "complaints"),
    [
        ("path.write_text(t)", 1),
        ("path.write_text(t, encoding='utf-8')", 1),
        ("path.write_text(t, encoding='utf-8', newline='\\n')", 0),
        ("path.read_text()", 1),
        ("open(p, 'w', encoding='utf-8')", 1),
        ("open(p)", 1),
        ("open(p, 'wb')", 0),
        ("path.open(mode='a')", 1),
        ("path.open()", 1),
        ("archive.open(name)", 0),
        ("os.open(name, os.O_RDONLY)", 0),
        ("frame.to_csv(p, index=False)", 1),
        ("from mgmr_lib import files\nfiles.write_text(p, t)", 0),
        ("write_text(p, t)", 0),
    ],
)
def test_the_guard_sees_what_it_is_for(code, complaints):
    assert len(careless_calls(code)) == complaints


def test_no_text_file_takes_the_platforms_newline_or_encoding():
    files = sorted((REPOSITORY / "mgmr_lib").rglob("*.py"))
    found = {str(f.relative_to(REPOSITORY)): careless_calls(f.read_text(encoding="utf-8")) for f in files}
    assert {name: calls for name, calls in found.items() if calls} == {}


def mapped(path: Path) -> bool:
    """Whether this process has the file mapped into memory: Windows then refuses to replace or delete it."""
    return str(path) in Path("/proc/self/maps").read_text(encoding="utf-8")


linux_only = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of mapped files")


@linux_only
def test_the_list_of_mapped_files_shows_one(tmp_path):
    from safetensors.torch import load_file

    path = tmp_path / "x.safetensors"
    checkpoint.save_tensors(path, {"a": torch.zeros(2000)})
    tensors = load_file(path)
    assert mapped(path) and tensors


@linux_only
def test_a_checkpoint_can_be_replaced_while_its_tensors_live(tmp_path):
    path, tensors = tmp_path / "last.safetensors", {"a": torch.arange(2000.0), "b": torch.tensor([True])}
    checkpoint.save_tensors(path, tensors, {"epoch": 3})
    loaded, state = checkpoint.load_tensors(path)
    assert state == {"epoch": 3} and all(torch.equal(loaded[k], tensors[k]) for k in tensors)
    assert not mapped(path)


@linux_only
def test_cached_features_and_corpora_can_be_replaced_while_they_live(tmp_path):
    values = np.arange(6000, dtype=np.float32).reshape(2, 3000)
    write_values(tmp_path / "features", values)
    read = read_values(tmp_path / "features", (2, 3000))
    assert np.array_equal(read, values) and not mapped(tmp_path / "features")
    export_mmsa(corpus := toy_corpus(), tmp_path / "toy.pkl")
    loaded = load_mmsa(tmp_path / "toy.pkl")
    assert np.array_equal(loaded["train"].labels, corpus["train"].labels) and not mapped(tmp_path / "toy.pkl")


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this is no checkout of the repository")
    return done.stdout.splitlines()


def test_every_tracked_file_is_text_with_unix_newlines_or_binary():
    """A checkout on Windows (core.autocrlf) is the same, byte for byte."""
    names = tracked()
    said = subprocess.run(
        ["git", "check-attr", "--stdin", "text", "eol"],
        cwd=REPOSITORY,
        input="\n".join(names),
        capture_output=True,
        text=True,
    ).stdout
    attributes: dict[str, dict] = {}
    for line in said.splitlines():
        name, attribute, value = line.rsplit(": ", 2)
        attributes.setdefault(name, {})[attribute] = value
    for name in names:
        is_text = b"\0" not in (REPOSITORY / name).read_bytes()
        got = attributes[name]
        assert (got["text"], got["eol"]) == ("auto", "lf") if is_text else got["text"] in ("unset", "auto"), name
        assert not is_text or b"\r\n" not in (REPOSITORY / name).read_bytes(), name


def test_every_command_of_the_course_speaks_utf_8(monkeypatch):
    given = {}
    monkeypatch.setattr(
        commands.subprocess, "run", lambda *a, env, **k: given.update(env) or subprocess.CompletedProcess(a, 0)
    )
    monkeypatch.delenv("PYTHONUTF8", raising=False)
    assert commands.call(REPOSITORY, Path("python"), "-m", "mgmr_lib") == 0
    assert given["PYTHONUTF8"] == "1"
    monkeypatch.setenv("PYTHONUTF8", "0")  # whoever sets it decides
    commands.call(REPOSITORY, Path("python"))
    assert given["PYTHONUTF8"] == "0"
