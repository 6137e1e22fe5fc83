"""Broken set-ups: one sentence, exit code 2, no traceback, and the same command goes on when the fault is mended."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path

import pytest

from mgmr_lib.errors import CourseError
from mgmr_lib.setup import environment as environments
from mgmr_lib.setup import faults
from mgmr_lib.setup.commands import main
from mgmr_lib.setup.environment import Environment
from mgmr_lib.setup.installer import Installer
from mgmr_lib.setup.machine import Machine
from tests.setup import stand_ins

ROOT = getattr(os, "geteuid", lambda: -1)() == 0
POSIX = pytest.mark.skipif(os.name == "nt", reason="makes its fault with POSIX's permissions or links")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    return stand_ins.registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def env(wheels):
    return stand_ins.environment(wheels)


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    return stand_ins.bare_venv(tmp_path_factory.mktemp("venv"))


@pytest.fixture
def fresh(tmp_path):
    return stand_ins.checkout(tmp_path / "ein Kurs für Łódź")  # spaces and letters beyond ASCII in every test


@pytest.fixture
def root(fresh, venv):
    """A checkout whose set-up was interrupted after .venv was made."""
    shutil.copytree(venv, fresh / ".venv", symlinks=True)
    return fresh


def fails(done, *words):
    """One sentence, exit code 2, no traceback."""
    assert done.returncode == 2, done.stdout + done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "Traceback" not in done.stdout + done.stderr, done.stderr
    assert all(word in errors[0] for word in words), errors[0]


def works(done, *words):
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stdout + done.stderr
    assert all(word in done.stdout for word in words), done.stdout


def test_open_then_test_adds_only_and_then_nothing_is_done(root, env):
    ascii_only = env | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    works(
        stand_ins.course(root, ascii_only, "open", "--no-browser"),
        "setting up",
        "ran data prepare",
        "ran open --no-browser",
    )
    installed = stand_ins.packages(root)
    assert (installed / "torch").is_dir() and not (installed / "tester").exists()
    torch_is_from = (installed / "torch" / "__init__.py").stat().st_ino
    done = stand_ins.course(root, env, "test", "--fast")
    works(done, "adding to .venv", "ran test --fast")
    assert "setting up" not in done.stdout and (installed / "tester").is_dir()
    assert (installed / "torch" / "__init__.py").stat().st_ino == torch_is_from
    done = stand_ins.course(root, env | {"PIP_FIND_LINKS": "/nowhere"}, "open")
    works(done, "ran open")
    assert "adding" not in done.stdout and json.loads((root / ".venv/course-stamp.json").read_text())["needs"] == "test"
    done = stand_ins.course(root, env, "run", "--help")
    works(done, "ran run --help")
    assert "data prepare" not in done.stdout


def test_changed_pins_are_installed(root, env, wheels):
    works(stand_ins.course(root, env, "doctor"))
    stand_ins.wheel(wheels, "numpy", "1.1")
    pins = (root / "constraints.txt").read_text()
    (root / "constraints.txt").write_text(pins.replace("numpy==1.0", "numpy==1.1"))
    works(stand_ins.course(root, env, "doctor"), "adding to .venv")
    assert (stand_ins.packages(root) / "numpy-1.1.dist-info").is_dir()


def break_nothing_made(root):
    (root / ".venv" / "bin").mkdir(parents=True)


def break_pip(root):
    shutil.rmtree(stand_ins.packages(root) / "pip")


def break_interpreter(root):
    for python in (root / ".venv" / "bin").glob("python*"):
        python.unlink()
    (root / ".venv" / "bin" / "python").symlink_to("/nowhere/python")


def break_half_installed(root):
    (root / ".venv" / "course-stamp.json").unlink()
    shutil.rmtree(stand_ins.packages(root) / "numpy")
    (stand_ins.packages(root) / "numpy-1.0.dist-info" / "RECORD").unlink()


def break_stamp(root):
    (root / ".venv" / "course-stamp.json").write_text('{"needs": "open"')


@POSIX
def test_every_half_made_venv_is_made_whole(fresh, env):
    root = fresh
    break_nothing_made(root)
    works(stand_ins.course(root, env, "open"), "ran open")
    for damage in (break_half_installed, break_stamp, break_pip, break_interpreter):
        damage(root)
        works(stand_ins.course(root, env, "open"), "ran open")
        installed = stand_ins.packages(root)
        assert all((installed / name).is_dir() for name in ("pip", "torch", "numpy")), damage.__name__
        assert (installed / "numpy-1.0.dist-info" / "RECORD").exists(), damage.__name__


@POSIX
def test_no_venv_module(fresh, env, tmp_path):
    root = fresh
    split_off = tmp_path / "debian"
    split_off.mkdir()
    (split_off / "sitecustomize.py").write_text('import sys\nsys.modules["ensurepip"] = None\n')
    bare = env | {"PYTHONPATH": str(split_off), "PATH": str(tmp_path / "empty")}
    fails(stand_ins.course(root, bare, "open"), "sudo apt install python3.", "-venv", "same command again")
    assert not (root / ".venv").exists()
    works(stand_ins.course(root, env, "open"), "ran open")


def test_a_python_whose_venv_breaks_half_way_leaves_nothing(fresh, monkeypatch):
    def half(folder):
        code = f"import os, sys; os.makedirs({str(folder / 'bin')!r}); sys.exit('ensurepip is not available')"
        return [sys.executable, "-c", code]

    monkeypatch.setattr(environments, "_venv_command", half)
    with pytest.raises(CourseError, match="python3.*-venv"):
        Environment(fresh)._make()
    assert not (fresh / ".venv").exists()
    full = [sys.executable, "-c", "import sys; sys.exit('OSError: [Errno 28] No space left on device')"]
    monkeypatch.setattr(environments, "_venv_command", lambda _: full)
    with pytest.raises(CourseError, match="the disk is full: .* MB are free"):
        Environment(fresh)._make()


@POSIX
def test_uv_makes_the_venv_where_this_python_cannot(fresh, wheels, tmp_path):
    split_off, seeds = tmp_path / "debian", tmp_path / "seeds"
    split_off.mkdir()
    (split_off / "sitecustomize.py").write_text('import sys\nsys.modules["ensurepip"] = None\n')
    shutil.copytree(wheels, seeds)
    for name in ("pip", "setuptools", "wheel"):
        stand_ins.wheel(seeds, name, "99.0", __main___dot_py="raise SystemExit(1)")
    own = stand_ins.uv_environment(seeds) | {"PYTHONPATH": str(split_off)}
    works(stand_ins.course(fresh, own, "open"), "with uv", "ran open")
    assert (stand_ins.packages(fresh) / "pip-99.0.dist-info").is_dir()


@POSIX
def test_a_path_that_python_cannot_hold_is_told_before_anything_is_made(tmp_path, capsys):
    root = stand_ins.checkout(tmp_path / "week:1")
    assert main(["open"], root) == 2
    assert f"a folder whose name holds ':' cannot hold Python packages: rename {root}" in capsys.readouterr().err
    assert not (root / ".venv").exists()


def test_a_machine_without_wheels_is_refused_before_anything_is_made(fresh, monkeypatch, capsys):
    monkeypatch.setattr(environments.machine, "this_machine", lambda: Machine(python=(3, 10)))
    assert main(["open"], fresh) == 2
    assert "the course needs Python 3.11 to 3.14" in capsys.readouterr().err and not (fresh / ".venv").exists()


def test_who_may_not_write_is_served_by_what_is_whole_and_told_who_can_mend_the_rest(fresh, monkeypatch):
    env = Environment(fresh)
    packages = env.folder / "lib" / "python3.11" / "site-packages"
    for name in environments.WITNESSES:
        (packages / name).mkdir(parents=True)
    env.python.parent.mkdir()
    env.python.write_text("")
    theirs = environments.Stamp("open", "cpu", "3.99", env.pins(), "/where/it/was/made")
    env.stamp_file.write_text(json.dumps(asdict(theirs)))
    assert not env.serves("open", None)  # made by another Python, elsewhere: one's own is made again
    monkeypatch.setattr(environments.os, "access", lambda *_: False)
    assert env.serves("open", None) and env.serves("open", "cpu") and not env.serves("open", "cuda")
    env.prepare("open", None)
    (fresh / "constraints.txt").write_text("torch==2.13.1\n")  # an update that nobody has installed yet
    with pytest.raises(CourseError, match="who owns it runs `python course.py open` there once"):
        env.prepare("open", None)


def test_a_second_terminal_waits_for_the_first(fresh, capsys):
    done = []

    def second():
        with environments._alone(fresh):
            done.append("second")

    with environments._alone(fresh):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.5)
        assert "another terminal is setting this course up: waiting for it" in capsys.readouterr().out
        done.append("first")
    thread.join(20)
    assert done == ["first", "second"]


def test_what_an_installer_says_and_nobody_knows_is_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # so that it is pip, whose stderr is shown at the end alone
    with pytest.raises(CourseError, match="the installation failed .the lines above say why."):
        Installer(Path(sys.executable), tmp_path).install("--no-such-option")
    assert "no such option: --no-such-option" in capsys.readouterr().err


def test_no_network_and_a_proxy_that_refuses(root, env):
    online = {k: v for k, v in env.items() if k not in ("PIP_NO_INDEX", "PIP_FIND_LINKS")}
    online["PIP_RETRIES"] = "1"
    dead = online | {"PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    fails(stand_ins.course(root, dead, "open"), "check the network", "same command again")
    fails(stand_ins.course(root, dead | {"PIP_RETRIES": "0"}, "open"), "check the network")
    refused = online | {
        "PIP_INDEX_URL": "https://registry.invalid/simple",
        "HTTPS_PROXY": "http://me:secret@127.0.0.1:9",
    }
    done = stand_ins.course(root, refused, "open")
    fails(done, "proxy HTTPS_PROXY=http://...@127.0.0.1:9")
    assert "secret" not in done.stderr
    works(stand_ins.course(root, env, "open"), "ran open")


def test_a_damaged_package_and_pins_that_do_not_fit(root, env, wheels, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(wheels, damaged)
    (damaged / "numpy-1.0-py3-none-any.whl").write_bytes(b"PK\x03\x04 no more came")
    fails(stand_ins.course(root, env | {"PIP_FIND_LINKS": str(damaged)}, "open"), "damaged", "pip cache purge")
    pins = (root / "constraints.txt").read_text()
    (root / "constraints.txt").write_text(pins.replace("numpy==1.0", "numpy==0.9"))
    fails(stand_ins.course(root, env, "open"), "pinned versions do not fit")
    (root / "constraints.txt").write_text(pins)
    works(stand_ins.course(root, env, "open"), "ran open")


def test_a_disk_that_is_too_small_is_known_before_the_download(root, env):
    file = root / "mgmr_lib" / "setup" / "sizes.json"
    facts = file.read_text()
    huge = json.loads(facts)
    for row in huge["set_ups"].values():
        row["disk_mb"] = 10**12
    file.write_text(json.dumps(huge))
    fails(stand_ins.course(root, env, "open"), "GB are needed", "make room")
    file.write_text(facts)
    works(stand_ins.course(root, env, "open"), "ran open")


@pytest.mark.skipif(not (ROOT and sys.platform == "linux"), reason="mounts a small disk, which root on Linux may")
def test_a_disk_that_fills_up_on_the_way(tmp_path, env, wheels, venv):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("this container may not mount")
    try:
        root = stand_ins.checkout(disk / "course")
        (root / "mgmr_lib/setup/sizes.json").write_text(
            json.dumps(
                {
                    "set_ups": {
                        f"{n} {b}": {"download_mb": 1, "disk_mb": 1} for n in ("open", "test") for b in ("cpu", "cuda")
                    }
                }
            )
        )
        ballast = root / "ballast"
        ballast.write_bytes(b"")
        shutil.copytree(venv, root / ".venv", symlinks=True)
        works(stand_ins.course(root, env, "doctor"))
        shutil.rmtree(stand_ins.packages(root) / "numpy")
        with open(ballast, "wb") as file:
            file.write(b"0" * (shutil.disk_usage(disk).free - 1_500_000))
        (root / "constraints.txt").write_text(
            (root / "constraints.txt").read_text().replace("numpy==1.0", "numpy==2.0")
        )
        big = stand_ins.wheel(wheels, "numpy", "2.0", big=os.urandom(4_000_000).hex())
        fails(stand_ins.course(root, env, "doctor"), "disk is full", str(root))
        ballast.unlink()
        works(stand_ins.course(root, env, "doctor"))
        big.unlink()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def test_a_venv_that_jupyterlab_holds_open_stays_whole(fresh, monkeypatch):
    root = fresh
    (root / ".venv").mkdir()
    (root / ".venv" / "torch.dll").write_text("in use")

    def locked(*_):
        raise PermissionError(13, "The process cannot access the file", str(root / ".venv"))

    monkeypatch.setattr(Path, "rename", locked)
    with pytest.raises(CourseError, match="stop JupyterLab"):
        Environment(root)._make()
    assert (root / ".venv" / "torch.dll").exists()


def as_user(number):
    """Run as somebody who does not own the checkout, where this process may choose."""
    return {"user": number, "group": number, "extra_groups": []} if ROOT else {}


def python_for_all():
    """A Python that other users may start as well (root's own may lie in root's home), or a skip."""
    for python in (stand_ins.BASE, "/usr/bin/python3", "/usr/local/bin/python3"):
        code = "import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))"
        try:
            if not subprocess.run([python, "-c", code], capture_output=True, cwd="/", **as_user(54321)).returncode:
                return python
        except OSError:
            continue
    pytest.skip("no supported Python on this machine can be started by other users")


@POSIX
def test_one_read_only_installation_serves_two_learners(env):
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = Path(name)
        folder.chmod(0o755)
        root = stand_ins.checkout(folder / "course")
        fresh = stand_ins.checkout(folder / "fresh")
        python = python_for_all()
        works(stand_ins.course(root, env, "open", python=python), "ran open")
        closed = [*root.rglob("*"), root, *fresh.rglob("*"), fresh]
        for path in closed:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o222)
        before = sorted(root.rglob("*"))
        try:
            for user in (54321, 54322):
                home = folder / str(user)
                home.mkdir(mode=0o777)
                home.chmod(0o777)
                own = env | {"HOME": str(home), "TMPDIR": str(home)}
                works(stand_ins.course(root, own, "open", python=python, **as_user(user)), "ran open")
                fails(
                    stand_ins.course(root, own, "test", python=python, **as_user(user)),
                    "who owns it runs `python course.py test`",
                )
                fails(
                    stand_ins.course(fresh, own, "open", python=python, **as_user(user)),
                    "who owns it runs `python course.py open`",
                )
            assert sorted(root.rglob("*")) == before
        finally:
            for path in closed:
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | 0o200)


def test_uv_installs_where_it_is_on_the_path(root, wheels):
    own = stand_ins.uv_environment(wheels)
    works(stand_ins.course(root, own, "test"), "with uv", "ran test")
    there = {p.name.split("-")[0] for p in stand_ins.packages(root).glob("*.dist-info")}
    assert there - {"setuptools"} == {"pip", "torch", "numpy", "jupyterlab", "tester", "mgmr_course"}
    (root / "constraints.txt").write_text("torch==2.13.0\nnumpy==0.9\n")
    fails(stand_ins.course(root, own, "test"), "pinned versions do not fit")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk"),
        ("error: failed to copy file: No space left on device (os error 28)", "disk"),
        ("ERROR: Could not install packages due to an OSError: [WinError 32] The process cannot access the "
         "file", "in use"),
        ("PermissionError: [WinError 5] Access is denied: 'C:\\\\course\\\\.venv\\\\torch.dll'", "in use"),
        ("ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Proxy Auth'))\nNo matching "
         "distribution", "proxy"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate is not yet "
         "valid'))", "certificate"),
        ("Caused by: invalid peer certificate: UnknownIssuer", "certificate"),
        ("NewConnectionError: [Errno -3] Temporary failure in name resolution\nERROR: No matching distribution found "
         "for torch", "network"),
        ("  Caused by: dns error: failed to lookup address information", "network"),
        ("pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool: Read timed out.", "network"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "damaged"),
        ("ERROR: ResolutionImpossible: for help visit", "pins"),
        ("  x No solution found when resolving dependencies:", "pins"),
        ("ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'", "not writable"),
        ("something never seen", "unknown"),
    ],
)  # fmt: skip
def test_what_an_installer_says_has_one_meaning(said, kind, tmp_path):
    assert faults.kind_of(said) == kind
    sentence = faults.sentence(kind, tmp_path / ".venv")
    assert "\n" not in sentence and "run the same command again" in sentence


def test_a_killed_installer_means_memory():
    assert faults.kind_of("", -9) == faults.kind_of("", 137) == "memory"
