"""Ready-made wheels of mamba_ssm and causal_conv1d: their authors keep them beside each release, not on the package
index.

A name such as mamba_ssm-2.3.1+cu12torch2.6cxx11abiTRUE-cp312-cp312-linux_x86_64.whl says what it was built for. A wheel
for another torch, CUDA, C++ ABI or Python installs without a word and fails at its import ("undefined symbol").
"""

import json
import re
import urllib.request
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from mgmr_lib.commands.gpu.machine import Machine
from mgmr_lib.errors import CourseError

SECONDS = 30
_NAME = re.compile(
    r"(?P<package>\w+)-(?P<version>[^+-]+)\+cu(?P<cuda>\d+)torch(?P<torch>\d+\.\d+)cxx11abi(?P<abi>TRUE|FALSE)"
    r"-(?P<python>cp\d+)-cp\d+-(?P<system>\w+)\.whl"
)


@dataclass(frozen=True)
class Package:
    """name: on the package index; releases: where its authors list their wheels; files: how many nvcc compiles."""

    name: str
    releases: str
    files: int
    force_build: str

    @property
    def module(self) -> str:
        """What to import."""
        return self.name.replace("-", "_")


_RELEASES = "https://api.github.com/repos/{}/releases?per_page=30"
PACKAGES = (  # in the order of installation: the second imports the first
    Package("causal-conv1d", _RELEASES.format("Dao-AILab/causal-conv1d"), 3, "CAUSAL_CONV1D_FORCE_BUILD"),
    Package("mamba-ssm", _RELEASES.format("state-spaces/mamba"), 9, "MAMBA_FORCE_BUILD"),
)


def fits(name: str, module: str, machine: Machine) -> Version | None:
    """The version of a wheel that was built for this machine, by its name; else None."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    wanted = {
        "package": module,
        "torch": machine.torch,
        "abi": str(machine.cxx11_abi).upper(),
        "python": machine.python,
        "system": machine.system,
    }
    # "cu12", and in older names "cu118" and "cu122": minor versions of one CUDA understand each other
    if machine.cuda is None or match["cuda"][:2] != machine.cuda.split(".")[0]:
        return None
    try:
        return Version(match["version"]) if all(match[k] == v for k, v in wanted.items()) else None
    except InvalidVersion:
        return None


def find(package: Package, machine: Machine) -> str | None:
    """The address of the newest wheel that fits, with its hash where the listing has one; None where none fits.

    A CourseError where the listing cannot be read.
    """
    candidates = []
    for asset in _listing(package):
        version = fits(asset["name"], package.module, machine)
        if version is not None and not version.is_prerelease:
            candidates.append((version, asset))
    if not candidates:
        return None
    asset = max(candidates, key=lambda c: c[0])[1]
    digest = str(asset.get("digest") or "")
    return asset["browser_download_url"] + (f"#{digest.replace(':', '=')}" if digest.startswith("sha256:") else "")


def _listing(package: Package) -> list[dict]:
    try:
        with urllib.request.urlopen(package.releases, timeout=SECONDS) as answer:
            releases = json.load(answer)
        assets = [asset for release in releases for asset in release["assets"]]
        return [asset for asset in assets if isinstance(asset["name"], str) and asset["browser_download_url"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CourseError(f"the list of {package.name}'s wheels cannot be read ({package.releases}: {error})") from None
