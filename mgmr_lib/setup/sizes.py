"""What each set-up takes, as measured on real machines (sizes.json): checked before a download, told in README.

`python -m mgmr_lib.setup.sizes` writes README's table again.
"""

import json
from pathlib import Path

from mgmr_lib.paths import REPOSITORY

BEGIN, END = "<!-- sizes:begin -->", "<!-- sizes:end -->"
FILE = Path(__file__).with_name("sizes.json")


def measured() -> dict:
    """{"set_ups": {"open cpu": {"download_mb", "disk_mb", "minutes"}, ...}, "data_mb", "how"}."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def of(needs: str, build: str) -> dict:
    """The measurement of `open` or `test` with torch's "cpu" or "cuda" build."""
    return measured()["set_ups"][f"{needs} {build}"]


def paragraph() -> str:
    """README's table of sizes."""
    facts = measured()
    lines = ["| | download | disk (`.venv`) | minutes |", "|---|---|---|---|"]
    for name, row in facts["set_ups"].items():
        needs, build = name.split()
        what = f"`{needs}`, torch for {'the CPU' if build == 'cpu' else 'CUDA'}"
        sizes = " | ".join(f"{row[key] / 1000:.1f} GB" for key in ("download_mb", "disk_mb"))
        lines.append(f"| {what} | {sizes} | {row['minutes']:.0f} |")
    return "\n".join(
        [*lines, "", f"The data and the text encoder take {facts['data_mb'] / 1000:.1f} GB more. {facts['how']}"]
    )


if __name__ == "__main__":
    readme = REPOSITORY / "README.md"
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    text = f"{before}{BEGIN}\n{paragraph()}\n{END}{rest.split(END)[1]}"
    readme.write_text(text, encoding="utf-8", newline="\n")
