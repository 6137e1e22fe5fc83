"""constraints.txt holds on every system and Python that the course serves, and no two of its pins contradict each
other."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from mgmr_lib.paths import REPOSITORY
from mgmr_lib.setup.machine import NEWEST, OLDEST

PYTHONS = [f"3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
SYSTEMS = {  # uv's name of a platform: its environment markers
    "x86_64-manylinux_2_28": ("linux", "Linux", "posix", "x86_64"),
    "aarch64-manylinux_2_28": ("linux", "Linux", "posix", "aarch64"),
    "aarch64-apple-darwin": ("darwin", "Darwin", "posix", "arm64"),
    "x86_64-pc-windows-msvc": ("win32", "Windows", "nt", "AMD64"),
}
PINS = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
TORCH = json.loads(Path(__file__).with_name("torch_requires.json").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


parsed = functools.cache(Requirement)


def markers(platform: str, python: str) -> dict[str, str]:
    """What environment markers mean there."""
    names = dict(
        zip(("sys_platform", "platform_system", "os_name", "platform_machine"), SYSTEMS[platform], strict=True)
    )
    versions = {"python_version": python, "python_full_version": f"{python}.9", "implementation_version": f"{python}.9"}
    python_is = {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    return names | versions | python_is | {"platform_release": "", "platform_version": "", "extra": ""}


def pinned(text: str, where: dict[str, str]) -> dict[str, Version]:
    """{name: version} that constraints text pins in this environment."""
    found = {}
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            pin = parsed(line)
            if pin.marker is None or pin.marker.evaluate(where):
                assert re.fullmatch(r"==[^*]+", str(pin.specifier)), f"{line} is not one exact version"
                assert canonicalize_name(pin.name) not in found, f"{pin.name} is pinned twice"
                found[canonicalize_name(pin.name)] = Version(str(pin.specifier)[2:])
    return found


Asked = dict[str, tuple[str | None, list[str]]]  # {package: (the version that asks; None: every one, what it asks for)}


def requirements() -> Asked:
    """What the course, torch's CUDA build and everything that is installed here in a pinned version ask for."""
    asked = {canonicalize_name(d.metadata["Name"]): (d.version, d.requires or []) for d in metadata.distributions()}
    pins = pinned(PINS, markers("x86_64-manylinux_2_28", "{}.{}".format(*sys.version_info[:2])))
    same: Asked = {
        name: (str(pins[name]), requires)
        for name, (version, requires) in asked.items()
        if name in pins and Version(version).public == str(pins[name])
    }
    course = PROJECT["dependencies"] + sum(PROJECT["optional-dependencies"].values(), [])
    return same | {"torch": (None, TORCH["requires"]), "mgmr-course": (None, course)}


def contradictions(text: str, asked: Asked) -> list[str]:
    """Requirements that the pins break, or leave without a pin, wherever the version that asks is the pinned one."""
    found = set()
    for platform in SYSTEMS:
        for python in PYTHONS:
            where = markers(platform, python)
            pins = pinned(text, where)
            for name in asked.keys() & (pins.keys() | {"mgmr-course"}):
                version_asking, requires = asked[name]
                if version_asking and version_asking != str(pins[name]):
                    continue  # another version is pinned there: it asks for something else, the resolver knows what
                for requirement in map(parsed, requires):
                    if requirement.marker and not requirement.marker.evaluate(where):
                        continue
                    version = pins.get(canonicalize_name(requirement.name))
                    if version is None or not requirement.specifier.contains(version, prereleases=True):
                        found.add(f"{name} asks for {requirement}, pinned is {version} ({platform}, {python})")
    return sorted(found)


def test_no_two_pins_contradict_each_other():
    assert contradictions(PINS, requirements()) == []


def test_the_table_of_torchs_requirements_is_that_of_the_pinned_torch():
    assert f"\ntorch=={TORCH['version']}\n" in PINS
    assert f'"torch=={TORCH["version"]}"' in (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "version", "victim"),
    [
        ("triton", "3.9.0", "torch asks for triton==3.7.1"),
        ("nvidia-cudnn-cu13", "9.26.0.51", "torch asks for nvidia-cudnn"),
        ("sympy", "1.12", "torch asks for sympy"),
        ("numpy", "1.26.4", "mgmr-course asks for numpy"),
        ("huggingface-hub", "0.30.0", "transformers asks for huggingface-hub"),
        ("tokenizers", "0.15.0", "transformers asks for tokenizers"),
        ("pydantic-core", "2.41.0", "pydantic asks for pydantic-core"),
        ("ipykernel", "5.0", "jupyterlab asks for ipykernel"),
    ],
)
def test_a_pin_changed_to_a_contradiction_is_found(name, version, victim):
    changed, count = re.subn(rf"^{name}==[^\s;]+", f"{name}=={version}", PINS, flags=re.MULTILINE)
    asked = requirements()
    if victim.split()[0] not in asked:
        pytest.skip(f"another version of {victim.split()[0]} is installed here than the pinned one")
    assert count and any(line.startswith(victim) for line in contradictions(changed, asked))


def test_what_one_version_asks_for_binds_no_other():
    pins = 'maker==1.0 ; python_full_version < "3.13"\nmaker==2.0 ; python_full_version >= "3.13"\nused==5.0\n'
    asked: Asked = {"maker": ("1.0", ["used<5"])}
    found = contradictions(pins, asked)
    assert found and all("used<5, pinned is 5.0" in line for line in found)
    assert {line[-5:-1] for line in found} == {p for p in PYTHONS if p < "3.13"}


def test_a_pin_that_is_removed_is_found():
    assert any(
        "pinned is None" in line for line in contradictions(re.sub(r"(?m)^triton==.*\n", "", PINS), requirements())
    )


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def resolve(uv: str, platform: str, python: str, pins: Path) -> subprocess.CompletedProcess:
    """Let uv resolve the course for another system, from the registry's metadata, wheels only."""
    where = ["--python-platform", platform, "--python-version", python, "--only-binary", ":all:"]
    command = [uv, "pip", "compile", "-q", "--extra", "dev", "-c", str(pins), *where, "pyproject.toml"]
    env = os.environ | {"MACOSX_DEPLOYMENT_TARGET": "14.0", "UV_HTTP_TIMEOUT": "20", "UV_PYTHON_DOWNLOADS": "never"}
    return subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=300, check=False)


OFFLINE = re.compile(r"error sending request|dns error|[Cc]onnect|timed out|[Ff]ailed to fetch|Network|offline")


def test_the_pins_resolve_for_every_system_and_python(tmp_path):
    if (uv := _uv()) is None:
        pytest.skip("uv is not installed here")
    first = resolve(uv, next(iter(SYSTEMS)), PYTHONS[0], REPOSITORY / "constraints.txt")
    if first.returncode and OFFLINE.search(first.stderr):
        pytest.skip(f"the registry cannot be reached: {first.stderr.strip().splitlines()[-1]}")
    jobs = [(platform, python) for platform in SYSTEMS for python in PYTHONS]
    with ThreadPoolExecutor(4) as pool:  # uv mostly waits for the registry
        done = list(pool.map(lambda job: resolve(uv, *job, REPOSITORY / "constraints.txt"), jobs))
    failed = [f"{job}: {d.stderr}" for job, d in zip(jobs, done, strict=True) if d.returncode]
    assert not failed, "\n".join(failed)
    linux = dict(line.split("==") for line in done[0].stdout.splitlines() if "==" in line and line[0] not in " #")
    assert linux["torch"] == TORCH["version"] and "nvidia-cudnn-cu13" in linux
    broken = tmp_path / "constraints.txt"
    broken.write_text(re.sub(r"(?m)^triton==[^\s;]+", "triton==3.9.0", PINS))
    assert "No solution found" in resolve(uv, next(iter(SYSTEMS)), PYTHONS[0], broken).stderr
