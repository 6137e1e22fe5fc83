"""One run of uv or pip in .venv, with its progress on the screen; a failure becomes one sentence."""

import os
import re
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.setup import faults

KEPT_LINES = 400  # of what the installer says: enough to know why it failed
PIP_SPEAKS = re.compile(
    r"^(global|install|:env:)\.(index-url|extra-index-url|find-links|no-index|proxy)=", re.MULTILINE
)
UV_SPEAKS = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_FIND_LINKS", "UV_OFFLINE")


class Installer:
    """Installs into the environment of `python`: by uv where it is on the path, else by pip.

    Where pip has been told of another index, a proxy or a folder of wheels, pip it is: uv does not read pip's settings.
    source: options that say where packages come from; none: as uv or pip is set up.
    """

    def __init__(self, python: Path, root: Path, source: list[str] | None = None):
        self.python, self.root, self.source = python, root, source or []
        self.pip = [str(python), "-m", "pip"]
        self.uv = None if self._pip_is_configured() else shutil.which("uv")

    def _pip_is_configured(self) -> bool:
        if any(os.environ.get(name) for name in UV_SPEAKS):
            return False
        said = subprocess.run([*self.pip, "config", "list"], capture_output=True, text=True, check=False)
        return bool(PIP_SPEAKS.search(said.stdout))

    @property
    def name(self) -> str:
        """Who installs."""
        return "uv" if self.uv else "pip"

    def keeps(self, requirement: str) -> bool:
        """Whether pip finds it in folders of wheels (find-links), without any index."""
        options = ["--dry-run", "--no-deps", "--no-index", "--only-binary", ":all:", "--ignore-installed"]
        command = [*self.pip, "install", *options, "--disable-pip-version-check", requirement]
        return subprocess.run(command, capture_output=True, cwd=self.root, check=False).returncode == 0

    def install(self, *arguments: str) -> None:
        """Install; CourseError with the reason and the fix where that fails."""
        if self.uv:
            command = [self.uv, "pip", "install", "--python", str(self.python), *self.source, *arguments]
        else:
            command = [*self.pip, "install", "--disable-pip-version-check", "--no-input", *self.source, *arguments]
        returncode, said = run(command, self.root, live=bool(self.uv))
        if returncode:
            kind = faults.kind_of(said, returncode)
            if kind == "unknown":
                sys.stderr.write(said)
            raise CourseError(faults.sentence(kind, self.python.parent.parent))


def run(command: list[str], folder: Path, live: bool) -> tuple[int, str]:
    """Run with stdout on the screen. Returns (exit code, the last lines of stderr); stderr is shown if `live` (uv's
    progress is there; pip's progress is on stdout, and on stderr are its many words about a failure)."""
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None  # it is a pipe
        for raw in process.stderr:
            line = raw.decode("utf-8", "replace")
            lines.append(line)
            live = live and not line.startswith("error:")  # uv's last words: ours say them in one sentence
            if live or line.startswith("WARNING: Retrying"):
                sys.stderr.write(line)
                sys.stderr.flush()
    return process.returncode, "".join(lines)
