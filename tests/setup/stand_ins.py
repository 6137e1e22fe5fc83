"""A small course with stand-in packages: the real set-up code in a checkout that installs in seconds, without a
network.

Every package is a wheel of a few bytes; the library's own code beyond the set-up is replaced by a module that says what
it was asked to do.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mgmr_lib.paths import REPOSITORY
from mgmr_lib.setup.machine import this_machine

VERSION = "2.13.0"
BASE = getattr(sys, "_base_executable", sys.executable)
# Starts course.py; under coverage the environment's own Python, which counts the lines that the copied set-up walks.
PYTHON = sys.executable if "COVERAGE_PROCESS_CONFIG" in os.environ else BASE
SAY = 'import os, sys\nprint("ran", *sys.argv[1:], "learner", os.environ.get("MGMR_LEARNER"), flush=True)\n'
BACKEND = '''
import base64, pathlib, zipfile

def build_editable(folder, settings=None, metadata=None):
    """A wheel of metadata alone: course.py puts the checkout on the path of what it starts."""
    name = "mgmr_course-0.1.0-py3-none-any.whl"
    info = "mgmr_course-0.1.0.dist-info/"
    files = {
        info + "METADATA": "Metadata-Version: 2.1\\nName: mgmr-course\\nVersion: 0.1.0\\n" + REQUIRES,
        info + "WHEEL": "Wheel-Version: 1.0\\nGenerator: stand-in\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as z:
        for path, text in files.items():
            z.writestr(path, text)
        z.writestr(info + "RECORD", "".join(f"{p},,\\n" for p in [*files, info + "RECORD"]))
    return name

REQUIRES = """Requires-Dist: torch
Requires-Dist: numpy
Requires-Dist: jupyterlab
Provides-Extra: dev
Requires-Dist: tester; extra == "dev"
"""
'''
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def wheel(folder: Path, name: str, version: str, tag: str = "py3-none-any", requires: str = "", **files) -> Path:
    """A wheel `name`-`version` with these files in its package."""
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info/"
    contents = {f"{name}/__init__.py": f'__version__ = "{version}"\n'}
    contents |= {f"{name}/{file.replace('_dot_', '.')}": text for file, text in files.items()}
    needed = f"Requires-Dist: {requires}\n" if requires else ""
    contents |= {
        info + "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}",
        info + "WHEEL": f"Wheel-Version: 1.0\nGenerator: stand-in\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in contents.items():
            archive.writestr(file, text)
        archive.writestr(info + "RECORD", "".join(f"{file},,\n" for file in [*contents, info + "RECORD"]))
    return path


def native_tag() -> str:
    """The tag of a wheel for this Python on Linux."""
    tag = "cp{}{}".format(*sys.version_info[:2])
    return f"{tag}-{tag}-linux_{this_machine().processor}"


def torch_wheel(folder: Path, build: str, tag: str = "py3-none-any", **files) -> Path:
    """A stand-in torch: build "cpu" is called 2.13.0+cpu, "cuda" is the registry's 2.13.0."""
    cuda = "Optional[str] = None" if build == "cpu" else "Optional[str] = '13.0'"
    version = f"{VERSION}+cpu" if build == "cpu" else VERSION
    return wheel(folder, "torch", version, tag, version_dot_py=f"from typing import Optional\ncuda: {cuda}\n", **files)


def registry(folder: Path) -> Path:
    """What the registry has: torch with CUDA, and the rest."""
    torch_wheel(folder, "cuda")
    for name in ("numpy", "jupyterlab", "tester"):
        wheel(folder, name, "1.0")
    return folder


def checkout(folder: Path) -> Path:
    """A checkout with the real course.py and set-up, and stand-ins for everything that they install or start."""
    library = folder / "mgmr_lib"
    shutil.copytree(REPOSITORY / "mgmr_lib" / "setup", library / "setup", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(REPOSITORY / "course.py", folder / "course.py")
    for name in ("errors.py", "files.py", "paths.py"):
        shutil.copyfile(REPOSITORY / "mgmr_lib" / name, library / name)
    (library / "__init__.py").write_text("")
    (library / "__main__.py").write_text(SAY)
    (library / "course").mkdir()
    (library / "course" / "__init__.py").write_text("")
    (library / "course" / "__main__.py").write_text(SAY)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "constraints.txt").write_text(f"torch=={VERSION}\nnumpy==1.0\njupyterlab==1.0\ntester==1.0\n")
    return folder


def bare_venv(folder: Path) -> Path:
    """A checkout's .venv with nothing but pip, to copy: making one takes seconds."""
    subprocess.run([BASE, "-m", "venv", str(folder / ".venv")], check=True)
    return folder / ".venv"


def environment(wheels: Path, **own: str) -> dict[str, str]:
    """Variables in which pip sees these wheels and nothing else, and no index of torch answers."""
    inherited = {
        k: v
        for k, v in os.environ.items()
        if not k.upper().startswith(("PIP_", "UV_", "MGMR_")) and "PROXY" not in k.upper()
    }
    pip = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": str(wheels),
        "PIP_NO_INDEX": "1",
        "PIP_RETRIES": "0",
        "PIP_TIMEOUT": "5",
        "PIP_NO_CACHE_DIR": "1",
        "MGMR_TORCH_INDEX": "http://127.0.0.1:9",
    }
    return inherited | pip | own


def uv_environment(wheels: Path) -> dict[str, str]:
    """Variables in which uv is on the path and sees these wheels and nothing else; a skip where uv is not installed."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        pytest.skip("uv is not installed here")
    bare = {name: value for name, value in environment(wheels).items() if not name.startswith("PIP_")}
    return bare | {
        "PATH": f"{Path(uv).parent}{os.pathsep}{os.environ['PATH']}",
        "PIP_CONFIG_FILE": os.devnull,
        "UV_FIND_LINKS": str(wheels),
        "UV_OFFLINE": "1",
        "UV_CACHE_DIR": str(wheels.parent / "uv's cache"),
        "UV_NO_CONFIG": "1",
    }


def course(
    root: Path, env: dict[str, str], *arguments: str, python: str = PYTHON, **options
) -> subprocess.CompletedProcess:
    """`python course.py ARGUMENTS` in the checkout."""
    command = [python, str(root / "course.py"), *arguments]
    return subprocess.run(
        command, env=env, cwd=root, capture_output=True, text=True, timeout=300, check=False, **options
    )


def packages(root: Path) -> Path:
    """The site-packages of the checkout's .venv."""
    found = sorted((root / ".venv").glob("lib/python3*/site-packages"))
    return found[0] if found else root / ".venv" / "Lib" / "site-packages"
