"""The learner's own copies of the notebooks, in `learner/`: made once, never overwritten, so that an update of the
course never destroys an answer. JupyterLab opens on them, and shows nothing but that folder: whatever a learner clicks,
the course's own files stay as they are. Solutions are copies too, marked as such.
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

from mgmr_lib.course import file_titles
from mgmr_lib.course.authoring.source import LEARNER, SOLUTION
from mgmr_lib.course.store import SOLUTIONS, learner_dir
from mgmr_lib.errors import CourseError
from mgmr_lib.files import write_text
from mgmr_lib.paths import REPOSITORY

OLD_MANIFEST = ".copies.json"  # what copies were made of, before each copy kept it itself
SUFFIX = "_SOLUTION"  # in the name of a solution's copy, and so on its tab
MARK = "copied"  # in a copy's metadata, under mgmr: the digest of the course's version that it was made of
IDLE_S = 3600
CULLING = {"cull_idle_timeout": IDLE_S, "cull_interval": 60, "cull_connected": True, "cull_busy": False}
PAGES = ("glossary.md", "bibliography.md")
LAB_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "filebrowser-extension/browser": {"showLastModifiedColumn": False},  # titles need its room
}
BANNER = (
    "# SOLUTION of {title}\n\nRead it and run it; **your own work is in [{name}](../{name})**. "
    "Nothing that is done here counts in `progress()`."
)


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


def _made_of(text: str, name: str, old: dict[str, str]) -> str | None:
    """The digest of the course's version that a copy was made of, as the copy says (or the old manifest, if there is
    one); None where nobody knows."""
    try:
        return json.loads(text)["metadata"]["mgmr"][MARK]
    except (ValueError, KeyError, TypeError):
        return old.get(name)


def _old_manifest(folder: Path) -> dict[str, str]:
    try:
        kept = json.loads(_read(folder / OLD_MANIFEST) or "{}")
        return kept if isinstance(kept, dict) else {}
    except ValueError:
        return {}


def learners_copy(text: str) -> str:
    """What a learner gets of a notebook: no outputs, so that no bet is spoiled; marked with what it was made of."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return _marked(notebook)


def solution_copy(text: str, name: str) -> str:
    """What a learner gets of a solution: its title says so, and its links fit the folder."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            source = "".join(cell["source"]).replace("](../notebooks/", "](../")
            cell["source"] = re.sub(r"\]\((\d\d_\w+)\.ipynb", rf"](\1{SUFFIX}.ipynb", source)
    first = notebook["cells"][0]
    title, _, rest = first["source"].partition("\n")
    first["source"] = BANNER.format(title=title.removeprefix("# "), name=name) + "\n" + rest
    return _marked(notebook)


def _marked(notebook: dict) -> str:
    digest = cells_digest(json.dumps(notebook))
    notebook["metadata"].setdefault("mgmr", {})[MARK] = digest
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def prepare(root: Path = REPOSITORY, folder: Path | None = None) -> list[str]:
    """Make the copies that are missing, refresh the unedited ones, leave the edited ones alone. Returns what to tell
    the learner."""
    folder = folder or learner_dir()
    notebooks = sorted((root / LEARNER).glob("[0-9][0-9]_*.ipynb"))
    if not notebooks:
        raise CourseError(f"there are no notebooks in {root / LEARNER}: get the whole repository, or build them")
    try:
        (folder / SOLUTIONS).mkdir(parents=True, exist_ok=True)
        old = _old_manifest(folder)
        notes = [_copy(folder / p.name, learners_copy(p.read_text(encoding="utf-8")), old) for p in notebooks]
        for p in sorted((root / SOLUTION).glob("[0-9][0-9]_*.ipynb")):
            fresh = solution_copy(p.read_text(encoding="utf-8"), p.name)
            _copy(folder / SOLUTIONS / f"{p.stem}{SUFFIX}.ipynb", fresh, {})
        for name in PAGES:
            if (root / LEARNER / name).exists():
                shutil.copyfile(root / LEARNER / name, folder / name)
    except OSError as e:
        raise CourseError(
            f"{e.filename or folder}: {e.strerror}; the working copies need a folder that can be written to"
        ) from e
    return [n for n in notes if n]


def _copy(copy: Path, fresh: str, old: dict[str, str]) -> str:
    """Make or refresh one copy; returns what to tell the learner, "" where there is nothing to say."""
    theirs = cells_digest(fresh)
    if not copy.exists():
        write_text(copy, fresh)
        return ""
    text = _read(copy) or ""
    mine, made_of = cells_digest(text), _made_of(text, copy.name, old)
    if theirs in (mine, made_of):
        return ""
    if mine is not None and mine == made_of:
        write_text(copy, fresh)
        return f"{copy.name}: the course has a new version, and you had not edited yours: it is up to date now"
    return (
        f"{copy.name}: the course has a new version; yours is edited and stays. "
        f"`python course.py reset {copy.name[:2]}` gives the new one and keeps yours beside it"
    )


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
    write_text(copy, learners_copy(path.read_text(encoding="utf-8")))
    return f"{copy.name} is fresh{done}"


def lab_environment(folder: Path) -> dict[str, str]:
    """JupyterLab's settings for the course (no news, no update checks, titles in the file list), apart from the
    learner's own JupyterLab."""
    settings = folder / ".jupyter" / "settings"
    for name, chosen in LAB_SETTINGS.items():
        file = settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_text(file, json.dumps(chosen))
    own = {
        "MGMR_LEARNER": str(folder),  # a notebook's kernel stands in another folder than this process
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / ".jupyter" / "workspaces"),
        "JUPYTER_PATH": os.pathsep.join(filter(None, (str(folder / ".jupyter"), os.environ.get("JUPYTER_PATH")))),
    }
    file_titles.install(folder / ".jupyter", folder, SUFFIX)
    return os.environ | own


def lab_command(start: str, *options: str, root: Path = REPOSITORY) -> list[str]:
    """The command that opens JupyterLab on `start`, a path below `root`.

    A container's only user is often root, whom JupyterLab turns away unless told not to.
    """
    as_root = ["--allow-root"] if getattr(os, "geteuid", lambda: -1)() == 0 else []
    where = [f"--ServerApp.root_dir={root}", f"--LabApp.default_url=/lab/tree/{start}"]
    # The browser is given the address itself: snap's and the Store's browsers cannot read the page that redirects to
    # it.
    browser = "--ServerApp.use_redirect_file=False"
    # A kernel holds about a gigabyte; one that nobody used for IDLE_S gives it back, its notebook open or not.
    idle = [f"--MappingKernelManager.{name}={value}" for name, value in CULLING.items()]
    return [sys.executable, "-m", "jupyterlab", *where, browser, *idle, *as_root, *options]


def open_lab(options: list[str], root: Path = REPOSITORY) -> int:
    """Prepare the copies and start JupyterLab on the first; `options` go to JupyterLab (--no-browser, --port=8890)."""
    folder = learner_dir().resolve()
    for note in prepare(root, folder):
        print(note)
    first = sorted(folder.glob("[0-9][0-9]_*.ipynb"))[0]
    print(f"JupyterLab opens on {first.name}; your answers are kept in {folder}. Stop it with Ctrl-C.", flush=True)
    print("A notebook that is left alone for an hour gives its memory back: to go on, run it from the top.", flush=True)
    try:
        env = lab_environment(folder) | {"MGMR_LEARNER": str(folder)}
        return subprocess.run(lab_command(first.name, *options, root=folder), env=env, cwd=folder).returncode
    except KeyboardInterrupt:
        return 0
