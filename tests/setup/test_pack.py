"""`course.py pack` walks through requirements as other systems read them; `open --from` installs from what it made."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from mgmr_lib import cli
from mgmr_lib.commands import pack as packing
from mgmr_lib.commands.pack import collect
from mgmr_lib.commands.pack.collect import SYSTEMS, Collector
from mgmr_lib.data.classroom import corpora
from mgmr_lib.data.download.pinned import SOURCES
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.setup import packed, sizes, torch_choice
from mgmr_lib.setup.environment import Environment
from mgmr_lib.setup.machine import Machine, this_machine
from mgmr_lib.setup.packed import Pack
from tests.setup import stand_ins
from tests.setup.test_recovery import fails, works

HERE = packed.SYSTEMS.get((this_machine().system, this_machine().processor))
PYTHON = "{}.{}".format(*this_machine().python)
PROJECT = """
[project]
name = "mgmr-course"
version = "0.1.0"
dependencies = ["torch", "numpy", "jupyterlab[lsp]"]
[project.optional-dependencies]
dev = ["tester"]
"""
PINS = """# pins
torch==2.13.0
numpy==1.0
jupyterlab==1.0
tester==1.0
server==1.0
colors==1.0 ; sys_platform == 'win32'
soup==1.0 ; python_full_version < '3.11.5'
soup==2.0 ; python_full_version >= '3.11.5'
lsp==1.0
cuda==1.0 ; sys_platform == 'linux'
never==1.0
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """A registry: numpy with a wheel for each system, a chain of requirements with markers and an extra."""
    folder = tmp_path_factory.mktemp("registry")
    stand_ins.torch_wheel(folder, "cpu", "py3-none-manylinux_2_28_x86_64")
    stand_ins.torch_wheel(folder, "cuda")
    for python in ("311", "312", "313", "314"):
        for tag in ("manylinux_2_17_x86_64.manylinux2014_x86_64", "macosx_11_0_arm64", "win_amd64"):
            stand_ins.wheel(folder, "numpy", "1.0", f"cp{python}-cp{python}-{tag}")
    needs = 'server\nRequires-Dist: lsp; extra == "lsp"\nRequires-Dist: never; extra == "more"'
    stand_ins.wheel(folder, "jupyterlab", "1.0", requires=needs)
    stand_ins.wheel(folder, "server", "1.0", requires="colors; sys_platform == 'win32'\nRequires-Dist: soup")
    for name, version in (("colors", "1.0"), ("soup", "1.0"), ("soup", "2.0"), ("lsp", "1.0"), ("tester", "1.0")):
        stand_ins.wheel(folder, name, version)
    return folder


@pytest.fixture
def root(tmp_path):
    made = stand_ins.checkout(tmp_path / "ein Kurs für Łódź")
    (made / "pyproject.toml").write_text(stand_ins.PYPROJECT + PROJECT)
    (made / "constraints.txt").write_text(PINS)
    return made


@pytest.fixture
def registry(wheels, monkeypatch):
    """This process's pip sees the stand-in registry and nothing else."""
    for name, value in stand_ins.environment(wheels).items():
        monkeypatch.setenv(name, value)
    return wheels


def names(pack: Pack, target: str) -> set[str]:
    return {"-".join(w.removeprefix("wheels/").split("-")[:2]) for w in pack.targets[target]}


COMMON = {"jupyterlab-1.0", "lsp-1.0", "server-1.0", "numpy-1.0"}


def test_each_system_gets_what_its_own_markers_say(root, registry, tmp_path):
    pack = packing.begin(tmp_path, "open", root)
    for system in SYSTEMS:
        pack = packing.add_target(pack, SYSTEMS[system], "3.12", root)
    assert names(pack, "linux-3.12") == COMMON | {"torch-2.13.0+cpu", "soup-2.0"}
    assert names(pack, "macos-3.12") == COMMON | {"torch-2.13.0", "soup-2.0"}
    assert names(pack, "windows-3.12") == COMMON | {"torch-2.13.0", "soup-2.0", "colors-1.0"}
    [numpy] = [w for w in pack.targets["windows-3.12"] if "numpy" in w]
    assert numpy.endswith("numpy-1.0-cp312-cp312-win_amd64.whl")
    assert Pack.read(tmp_path) == pack and not pack.damaged(list(pack.files))


def test_a_pin_that_depends_on_the_third_number_comes_in_both_versions(root, registry, tmp_path):
    pack = packing.add_target(packing.begin(tmp_path, "test", root), SYSTEMS["windows"], "3.11", root)
    assert {"soup-1.0", "soup-2.0", "tester-1.0"} <= names(pack, "windows-3.11")


def test_what_is_there_and_whole_is_kept_and_the_rest_comes_again(root, registry, tmp_path, monkeypatch, capsys):
    pack = packing.add_target(packing.begin(tmp_path, "open", root), SYSTEMS["macos"], "3.12", root)
    with monkeypatch.context() as offline:
        offline.setenv("PIP_FIND_LINKS", "")
        again = packing.add_target(packing.begin(tmp_path, "open", root), SYSTEMS["macos"], "3.12", root)
    assert again == pack and "already there, and whole" in capsys.readouterr().out
    for damage in (lambda p: p.write_bytes(p.read_bytes()[:-40]), lambda p: p.write_bytes(bytes(p.stat().st_size))):
        for name in ("numpy-1.0-cp312-cp312-macosx_11_0_arm64.whl", "server-1.0-py3-none-any.whl"):
            damage(tmp_path / "wheels" / name)
        assert packing.add_target(packing.begin(tmp_path, "open", root), SYSTEMS["macos"], "3.12", root) == pack
        assert not pack.damaged(list(pack.files))


def test_a_wheel_that_was_cut_off_before_the_manifest_was_written_comes_again(root, registry, tmp_path):
    (tmp_path / "wheels").mkdir()
    half = tmp_path / "wheels" / "server-1.0-py3-none-any.whl"
    half.write_bytes((registry / half.name).read_bytes()[:50])
    pack = packing.add_target(packing.begin(tmp_path, "open", root), SYSTEMS["linux"], "3.12", root)
    assert half.read_bytes() == (registry / half.name).read_bytes() and not pack.damaged(list(pack.files))


def test_what_cannot_be_had_is_one_sentence(root, registry, tmp_path, monkeypatch):
    begun = packing.begin(tmp_path, "open", root)
    pins = (root / "constraints.txt").read_text()
    (root / "constraints.txt").write_text(pins.replace("lsp==1.0", "lsp==9.0"))
    with pytest.raises(CourseError, match="packages for Linux with Python 3.12 could not be downloaded .*lsp==9.0"):
        packing.add_target(begun, SYSTEMS["linux"], "3.12", root)
    (root / "constraints.txt").write_text(pins.replace("lsp==1.0\n", ""))
    with pytest.raises(CourseError, match="pins no lsp"):
        packing.add_target(begun, SYSTEMS["linux"], "3.12", root)
    monkeypatch.setattr(sizes, "measured", lambda: {"packs": dict.fromkeys((*SYSTEMS, "shared_mb"), 1e12)})
    with pytest.raises(CourseError, match="make room"):
        packing.say_size(tmp_path, ["linux"], ["3.12"])
    assert cli.main(["pack", str(tmp_path), "--systems", "linux,beos"]) == 2


@pytest.mark.parametrize("python", ["3.11.0", "3.13.99"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_pin_of_the_course_can_be_read_for_every_system(system, python, tmp_path):
    pins = Collector(tmp_path, SYSTEMS[system], python, packing.REPOSITORY).pins
    assert {"torch", "numpy", "jupyterlab", "setuptools", "soupsieve"} <= pins.keys()
    assert ("colorama" in pins) == (system == "windows") and ("appnope" in pins) == (system == "macos")
    assert packed.target(SYSTEMS[system].machine(python)) == f"{system}-{python.rpartition('.')[0]}"


@pytest.fixture
def stick(root, registry, tmp_path, monkeypatch):
    """A pack for this computer with a data file, and the variables of a learner without any network."""
    if HERE is None:
        pytest.skip("no pack serves this computer")
    made, data = tmp_path / "stick", tmp_path / "teacher"
    (data / "cache").mkdir(parents=True)
    (data / "cache" / "vocab.txt").write_text("the\na\n")
    made.mkdir()
    with monkeypatch.context() as teacher:
        teacher.setenv("MGMR_DATA", str(data))
        pack = packing.add_target(packing.begin(made, "open", root), SYSTEMS[HERE], PYTHON, root)
        packing.put_files(pack, [data / "cache" / "vocab.txt"])
    dead = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "MGMR_DATA": str(tmp_path / "learner data")}
    env = stand_ins.environment(registry, **dead)
    return made, {k: v for k, v in env.items() if k not in ("PIP_NO_INDEX", "PIP_FIND_LINKS")}


def damage_missing(path):
    path.unlink()


def damage_short(path):
    path.write_bytes(path.read_bytes()[:-1])


def damage_byte(path):
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(held)


def test_open_from_a_stick_without_a_network(root, stick, tmp_path):
    made, env = stick
    for damage in (damage_missing, damage_short, damage_byte):
        copy = tmp_path / damage.__name__
        shutil.copytree(made, copy)
        damage(copy / "wheels" / "server-1.0-py3-none-any.whl")
        fails(
            stand_ins.course(root, env, "open", "--from", str(copy)),
            "is not whole (1 of",
            "server-1.0",
            "copy it again",
        )
        assert not (root / ".venv").exists()
    data = tmp_path / "half" / "data" / "cache" / "vocab.txt"
    shutil.copytree(made, tmp_path / "half")
    damage_short(data)
    fails(stand_ins.course(root, env, "open", "--from", str(tmp_path / "half")), "data/cache/vocab.txt")
    works(stand_ins.course(root, env, "open", f"--from={made}", "--no-browser"), "no download", "ran open --no-browser")
    assert (stand_ins.packages(root) / "numpy-1.0.dist-info").is_dir()
    mine = tmp_path / "learner data" / "cache" / "vocab.txt"
    assert mine.read_text() == "the\na\n"
    mine.unlink()  # .venv is there: only the data come again, and a stick that lacks them says so
    fails(stand_ins.course(root, env, "run", "--from", str(tmp_path / "half")), "data/cache/vocab.txt")
    works(stand_ins.course(root, env, "run", "--from", str(made)), "ran run")
    assert mine.exists()
    fails(stand_ins.course(root, env, "test", "--from", str(made)), "pack again with `--for test`")


def change(made, **fields):
    path = made / packed.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda m: (m / packed.MANIFEST).unlink(), "has no course-pack.json"),
        (lambda m: damage_short(m / packed.MANIFEST), "cannot be read"),
        (lambda m: (m / packed.MANIFEST).write_text("[]"), "cannot be read"),
        (lambda m: (m / packed.MANIFEST).write_bytes(b"\xff"), "cannot be read"),
        (lambda m: change(m, format=2), "not of this course"),
        (lambda m: change(m, files={"data/../../../.profile": {"size": 1, "sha256": ""}}), "not of this course"),
        (lambda m: change(m, targets={f"{HERE}-{PYTHON}": ["/etc/passwd"]}), "not of this course"),
        (lambda m: change(m, files={"data/x": 3}), "cannot be read"),
        (lambda m: change(m, pins="0"), "another version of the course"),
        (lambda m: change(m, targets={"windows-3.10": []}), "serves windows-3.10 and this is"),
    ],
)
def test_a_folder_that_does_not_serve_is_one_sentence(stick, root, spoil, says, capsys):
    made, _ = stick
    spoil(made)
    with pytest.raises(CourseError, match=says) as error:
        Pack.read(made).check(this_machine(), "open", Environment(root).pins())
    assert "\n" not in str(error.value)


def test_torch_with_cuda_is_in_no_pack(stick, root):
    made, env = stick
    fails(stand_ins.course(root, env, "open", "--torch", "cuda", "--from", str(made)), "leave --torch cuda out")
    fails(stand_ins.course(root, env, "open", "--from"), "--from takes the folder")
    assert packed.target(Machine(processor="aarch64")) == "Linux on aarch64-3.12"


@pytest.mark.parametrize(
    ("code", "said", "says"),
    [
        (1, "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        (1, "", "could not be downloaded .no reason given.: mend that"),
        (0, "", "pip left no wheel of jupyterlab for Linux with Python 3.12: run the same command again"),
    ],
)
def test_what_pip_does_wrong_is_one_sentence(root, tmp_path, monkeypatch, code, said, says):
    monkeypatch.setattr(collect.installer, "run", lambda *_, **__: (code, said))
    monkeypatch.setattr(torch_choice, "_offers", lambda *_: True)
    with pytest.raises(CourseError, match=says) as error:
        packing.add_target(packing.begin(tmp_path, "open", root), SYSTEMS["linux"], "3.12", root)
    assert "\n" not in str(error.value) and not (tmp_path / packed.MANIFEST).exists()


@pytest.fixture
def course(root, monkeypatch):
    """A checkout of the course with one commit and a file that is in none."""
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", str(root)]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    (root / "my notes.txt").write_text("mine")
    monkeypatch.setattr(packing, "REPOSITORY", root)
    return root


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """The data folder of a teacher, as small as can be, once `data prepare` has been there."""
    monkeypatch.setenv("MGMR_DATA", str(tmp_path / "teacher"))
    paths = [source.path / name for source in SOURCES for name in source.members]
    paths += [corpora.corpus_path("classroom-mosi"), corpora.manifest_path("classroom-mosi")]

    def prepare(names, wait):
        assert (names, wait) == (["classroom-mosi"], True)
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"this is {path.name}")

    monkeypatch.setattr("mgmr_lib.data.load.prepare", prepare)
    return {path.relative_to(tmp_path / "teacher") for path in paths}


@pytest.fixture
def own_pins(tmp_path, monkeypatch):
    """This process's pip finds a stand-in of whatever the course itself asks for, in its pinned version, and no
    more."""
    pins = Collector(tmp_path, SYSTEMS["macos"], "3.12.0", packing.REPOSITORY).pins
    asked = {canonicalize_name(Requirement(text).name) for text in packing.roots(packing.REPOSITORY, "open")}
    for name in asked:
        stand_ins.wheel(tmp_path / "own", name.replace("-", "_"), pins[name])
    for name, value in stand_ins.environment(tmp_path / "own").items():
        monkeypatch.setenv(name, value)
    return {f"{name} {pins[name]}" for name in asked}


def test_the_command_packs_wheels_data_and_the_committed_course(
    own_pins, prepared, course, tmp_path, monkeypatch, capsys
):
    made = tmp_path / "a stick"
    assert cli.main(["pack", str(made), "--systems", "macos", "--pythons", "3.12"]) == 0
    said = capsys.readouterr().out
    assert f"ready: {made}, 0.0 GB for macos-3.12" in said and "open --from a stick " in said
    pack = Pack.read(made)
    named = {(str(n), str(v)) for n, v, *_ in (parse_wheel_filename(Path(w).name) for w in pack.targets["macos-3.12"])}
    assert {f"{name} {version}" for name, version in named} == own_pins
    pack.check(SYSTEMS["macos"].machine("3.12"), "open", Environment(REPOSITORY).pins())
    monkeypatch.setenv("MGMR_DATA", str(tmp_path / "learner"))
    pack.put_data()
    there = {p.relative_to(tmp_path / "learner") for p in (tmp_path / "learner").rglob("*") if p.is_file()}
    assert there == prepared
    assert all((tmp_path / "learner" / p).read_bytes() == (tmp_path / "teacher" / p).read_bytes() for p in there)
    assert "this folder serves: macos-3.12." in (made / "HOW.txt").read_text()
    with zipfile.ZipFile(made / "course.zip") as archive:
        assert archive.read("course/course.py") == (course / "course.py").read_bytes()
        assert not [name for name in archive.namelist() if "notes" in name]


@pytest.mark.parametrize("git", [True, False])
def test_without_git_the_pack_holds_no_course_and_says_so(tmp_path, monkeypatch, capsys, git):
    if not git:
        monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(packing, "REPOSITORY", tmp_path)  # unpacked from a zip: no checkout
    (tmp_path / "course.zip").write_text("an older one")
    packing.add_course(Pack(tmp_path, "", "open", {"linux-3.12": []}, {}))
    assert "no git here: bring a copy of the course along yourself" in capsys.readouterr().out
    assert not (tmp_path / "course.zip").exists() and "linux-3.12" in (tmp_path / "HOW.txt").read_text()
