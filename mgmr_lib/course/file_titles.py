"""Titles in JupyterLab's file list, where file names alone say little: a small extension of JupyterLab.

It adds a style sheet that shows "01 A recurrence is a memory" where 01_recurrence.ipynb is listed, and nothing else:
names, links and files stay as they are, and the name is still read where the pointer rests on it.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from mgmr_lib.files import make_folder, write_text

NAME = "mgmr-file-titles"
ITEM, TEXT = ".jp-DirListing-item", ".jp-DirListing-itemText"  # JupyterLab's classes of a listed file and of its name
LOADED = """// JupyterLab calls init and get of every extension; this one adds a style sheet.
(globalThis._JUPYTERLAB ??= {})[%(name)s] = {
  init() {},
  get: async () => () => ({
    __esModule: true,
    default: {
      id: %(name)s + ":plugin",
      autoStart: true,
      activate() {
        const style = document.createElement("style");
        style.textContent = %(css)s;
        document.head.append(style);
      },
    },
  }),
};
"""


def titles(folder: Path) -> dict[str, str]:
    """{"01_recurrence": "01 A recurrence is a memory"} of the notebooks in a folder, from their first headings."""
    found = {}
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        try:
            heading = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]).partition("\n")[0]
        except (OSError, ValueError, LookupError, TypeError):
            continue  # a copy that is damaged or empty keeps its file's name
        match = re.fullmatch(r"# (\d\d) · (.+)", heading)
        if match:
            found[path.stem] = f"{match[1]} {match[2]}"
    return found


def style_sheet(found: Mapping[str, str], suffix: str) -> str:
    """The rules for `titles`, for the notebooks and for the solutions, whose names end in `suffix`."""
    rules = []
    for stem, title in found.items():
        for name, shown in ((f"{stem}.ipynb", title), (f"{stem}{suffix}.ipynb", f"{title} (solution)")):
            item = f'{ITEM}[title*=": {name}"] {TEXT}'
            rules += [f"{item} > span {{ font-size: 0; }}", f"{item}::after {{ content: {json.dumps(shown)}; }}"]
    return "\n".join(rules)


def install(folder: Path, notebooks: Path, suffix: str) -> Path:
    """Write the extension below `folder`, a place on JUPYTER_PATH; returns where it lies."""
    made = folder / "labextensions" / NAME
    make_folder(made / "static")
    package = {
        "name": NAME,
        "version": "1.0.0",
        "description": "Titles of the course's notebooks in the file list",
        "jupyterlab": {"extension": True, "_build": {"load": "static/titles.js", "extension": "./extension"}},
    }
    css = style_sheet(titles(notebooks), suffix)
    write_text(made / "package.json", json.dumps(package, indent=1) + "\n")
    # JSON's escapes are JavaScript's: a title with a quotation mark stays a string.
    write_text(made / "static" / "titles.js", LOADED % {"name": json.dumps(NAME), "css": json.dumps(css)})
    return made
