"""The learner's own copies of the notebooks, in `learner/`: made once, never overwritten, so that an update of the
course never destroys an answer. JupyterLab opens on them.
"""

import datetime
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from mgmr_lib.course.authoring.source import LEARNER, SOLUTION
from mgmr_lib.course.score import learner_dir
from mgmr_lib.errors import CourseError
from mgmr_lib.files import write_text
from mgmr_lib.paths import REPOSITORY

MANIFEST = ".copies.json"
IDLE_S = 3600
CULLING = {"cull_idle_timeout": IDLE_S, "cull_interval": 60, "cull_connected": True, "cull_busy": False}
PAGES = ("glossary.md", "bibliography.md")


def cells_digest(text: str) -> str | None:
    """A hash of what a learner edits: each cell's kind and source. None where the file is no readable notebook."""
    try:
        cells = json.loads(text)["cells"]
        kept = [(c["cell_type"], "".join(c["source"]).rstrip()) for c in cells]
    except (ValueError, KeyError, TypeError):
        return None
    return hashlib.sha256(json.dumps(kept).encode()).hexdigest()


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _manifest(folder: Path) -> dict[str, str]:
    try:
        kept = json.loads(_read(folder / MANIFEST) or "{}")
        return kept if isinstance(kept, dict) else {}
    except ValueError:
        return {}


def prepare(root: Path = REPOSITORY, folder: Path | None = None) -> list[str]:
    """Make the copies that are missing, refresh the unedited ones, leave the edited ones alone. Returns what to tell
    the learner."""
    folder = folder or learner_dir()
    notebooks = sorted((root / LEARNER).glob("[0-9][0-9]_*.ipynb"))
    if not notebooks:
        raise CourseError(f"there are no notebooks in {root / LEARNER}: get the whole repository, or build them")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        notes = _copy_all(notebooks, folder)
        pages = [root / LEARNER / name for name in PAGES]
        if root.resolve() not in folder.resolve().parents:  # JupyterLab cannot show what lies outside its own folder
            (folder / SOLUTION).mkdir(exist_ok=True)
            pages += (root / SOLUTION).glob("[0-9][0-9]_*.ipynb")
        for page in pages:
            if page.exists():
                copy = folder / (SOLUTION if page.parent.name == SOLUTION else "") / page.name
                shutil.copyfile(page, copy)
    except OSError as e:
        raise CourseError(
            f"{e.filename or folder}: {e.strerror}; the working copies need a folder that can be written to"
        ) from e
    return notes


def _copy_all(notebooks: list[Path], folder: Path) -> list[str]:
    manifest, notes = _manifest(folder), []
    for path in notebooks:
        fresh = path.read_text(encoding="utf-8")
        copy, theirs = folder / path.name, cells_digest(fresh)
        if not copy.exists():
            write_text(copy, fresh)
            manifest[path.name] = theirs
            continue
        mine = cells_digest(_read(copy) or "")
        if manifest.get(path.name) == theirs or mine == theirs:
            continue
        if mine is not None and mine == manifest.get(path.name):
            write_text(copy, fresh)
            manifest[path.name] = theirs
            notes.append(
                f"{path.name}: the course has a new version, and you had not edited yours: it is up to date now"
            )
        else:
            notes.append(
                f"{path.name}: the course has a new version; yours is edited and stays. "
                f"`python course.py reset {path.name[:2]}` gives the new one and keeps yours beside it"
            )
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    return notes


def reset(number: str, root: Path = REPOSITORY, folder: Path | None = None) -> str:
    """A fresh copy of notebook `number`; the old one is kept in learner/backup. Returns what was done."""
    folder = folder or learner_dir()
    found = sorted((root / LEARNER).glob(f"{number.zfill(2)}_*.ipynb")) if re.fullmatch(r"\d{1,2}", number) else []
    if not found:
        raise CourseError(f"there is no notebook {number!r}: give its number, such as `python course.py reset 01`")
    path, done = found[0], ""
    copy = folder / path.name
    if copy.exists():
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        kept = folder / "backup" / f"{path.stem}-{stamp}.ipynb"
        tries = 1
        while kept.exists():
            tries += 1
            kept = kept.with_name(f"{path.stem}-{stamp}-{tries}.ipynb")
        kept.parent.mkdir(parents=True, exist_ok=True)
        os.replace(copy, kept)
        done = f" (yours is now backup/{kept.name})"
    fresh = path.read_text(encoding="utf-8")
    write_text(copy, fresh)
    manifest = _manifest(folder) | {path.name: cells_digest(fresh)}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    return f"{copy.name} is fresh{done}"


def lab_environment(folder: Path) -> dict[str, str]:
    """JupyterLab's settings for the course (no news, no update checks), apart from the learner's own JupyterLab."""
    settings = folder / ".jupyter" / "settings"
    notification = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    if not notification.exists():
        notification.parent.mkdir(parents=True, exist_ok=True)
        write_text(notification, json.dumps({"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}))
    own = {
        "MGMR_LEARNER": str(folder),  # a notebook's kernel stands in another folder than this process
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / ".jupyter" / "workspaces"),
    }
    return os.environ | own


def lab_command(start: str, *options: str, root: Path = REPOSITORY) -> list[str]:
    """The command that opens JupyterLab on `start`, a path below `root`.

    A container's only user is often root, whom JupyterLab turns away unless told not to.
    """
    as_root = ["--allow-root"] if getattr(os, "geteuid", lambda: -1)() == 0 else []
    where = [f"--ServerApp.root_dir={root}", f"--LabApp.default_url=/lab/tree/{start}"]
    # The browser is given the address itself: snap's and the Store's browsers cannot read the page that redirects to it.
    browser = "--ServerApp.use_redirect_file=False"
    # A kernel holds about a gigabyte; one that nobody used for IDLE_S gives it back, its notebook open or not.
    idle = [f"--MappingKernelManager.{name}={value}" for name, value in CULLING.items()]
    return [sys.executable, "-m", "jupyterlab", *where, browser, *idle, *as_root, *options]


def open_lab(options: list[str], root: Path = REPOSITORY) -> int:
    """Prepare the copies and start JupyterLab on the first; `options` go to JupyterLab (--no-browser, --port=8890)."""
    folder = learner_dir()
    for note in prepare(root, folder):
        print(note)
    first = sorted(folder.glob("[0-9][0-9]_*.ipynb"))[0]
    inside = root in folder.resolve().parents
    base = root if inside else folder
    start = first.relative_to(base).as_posix() if inside else first.name
    print(f"JupyterLab opens on {first.name}; your answers are kept in {folder}. Stop it with Ctrl-C.", flush=True)
    print("A notebook that is left alone for an hour gives its memory back: to go on, run it from the top.", flush=True)
    try:
        return subprocess.run(lab_command(start, *options, root=base), env=lab_environment(folder), cwd=base).returncode
    except KeyboardInterrupt:
        return 0
