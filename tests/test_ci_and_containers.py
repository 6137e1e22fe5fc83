"""CI, containers and conda say nothing of their own: they call course.py's commands and take the course's own list."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from mgmr_lib.course.__main__ import _parser
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.setup import commands
from mgmr_lib.setup.environment import EXTRAS

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
DOCKERFILES = sorted(REPOSITORY.glob("Dockerfile*"))
DEVCONTAINER = REPOSITORY / ".devcontainer" / "devcontainer.json"
CALL = re.compile(r"python3?\"?,? \"?course\.py((?:\"?,? \"?[\w.:/=-]+)*)")


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def calls(content: str) -> list[list[str]]:
    """The arguments of every `python course.py ...` in a text, also in a list of strings."""
    return [re.findall(r"[\w.:/=-]+", found) for found in CALL.findall(content)]


def pythons_allowed() -> SpecifierSet:
    return SpecifierSet(tomllib.loads(text(REPOSITORY / "pyproject.toml"))["project"]["requires-python"])


def workflow(name: str) -> dict:
    return yaml.safe_load(text(REPOSITORY / ".github" / "workflows" / name))


@pytest.mark.parametrize("file", [*WORKFLOWS, *DOCKERFILES, DEVCONTAINER], ids=lambda p: p.name)
def test_every_call_of_the_course_is_one_that_it_understands(file):
    """Also in comments, which people copy."""
    found = calls(text(file))
    assert found
    for arguments in found:
        name, _, rest = commands.parse(arguments)
        module, *words = (*commands.COMMANDS[name].module, *rest)
        if module == "mgmr_lib.course":
            _, unknown = _parser().parse_known_args(words)
            assert not unknown or (name == "open" and set(unknown) <= {"--no-browser", "--ip=0.0.0.0"}), arguments


def test_calls_are_found_in_every_notation():
    content = (
        "RUN python3 course.py open --prepare-only\n"
        'CMD ["python", "course.py", "open", "--ip=0.0.0.0"]\n# python course.py test'
    )
    assert calls(content) == [["open", "--prepare-only"], ["open", "--ip=0.0.0.0"], ["test"]]


def test_ci_runs_on_three_systems_and_two_pythons_weekly_and_on_push():
    ci = workflow("ci.yml")
    when = ci[True]  # YAML reads the key `on` as true
    assert {"push", "pull_request", "schedule"} <= set(when)
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", when["schedule"][0]["cron"])  # once a week
    matrix = ci["jobs"]["fast"]["strategy"]["matrix"]
    assert {system.split("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert len(set(matrix["python"])) == 2 and all(version in pythons_allowed() for version in matrix["python"])
    assert min(matrix["python"], key=lambda v: int(v.split(".")[1])) == f"3.{oldest()}"
    assert ["test", "--fast"] in calls(text(WORKFLOWS[0]))
    assert ".ci/run" in [step.get("run") for step in ci["jobs"]["full"]["steps"]]
    assert ci["permissions"] == {"contents": "read"}


@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("git") is None, reason="needs bash and git")
def test_the_branch_for_colab_holds_the_sites_downloads_and_nothing_else(tmp_path):
    origin, checkout, folder = tmp_path / "origin", tmp_path / "checkout", tmp_path / "down loads"

    def git(*words, where=checkout):
        own = ("-c", "user.name=x", "-c", "user.email=x@x")
        done = subprocess.run(["git", "-C", str(where), *own, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    for place in (origin, checkout, folder / "solutions"):
        place.mkdir(parents=True)
    git("init", "-q", "--bare", where=origin)
    git("init", "-q", "-b", "main")
    (checkout / ".ci").mkdir()
    script = shutil.copy(REPOSITORY / ".ci" / "publish_notebooks", checkout / ".ci")
    git("add", "-A")
    git("commit", "-q", "-m", "the course")
    git("remote", "add", "origin", str(origin))
    (folder / "00_start_here.ipynb").write_text("{}")

    def publish():
        return subprocess.run([script, str(folder)], capture_output=True, text=True, cwd=tmp_path)

    refused = publish()
    assert refused.returncode == 1 and "with MGMR_REPOSITORY set" in refused.stderr
    for again in ("first", "second"):  # a branch that is there is replaced
        for name in ("00_start_here.ipynb", "solutions/00_start_here.ipynb"):
            (folder / name).write_text(json.dumps({"cells": [{"id": "fetch-the-course", "source": again}]}))
        assert publish().returncode == 0
    files = git("ls-tree", "-r", "--name-only", "colab", where=origin).splitlines()
    assert files == ["00_start_here.ipynb", "solutions/00_start_here.ipynb"]
    assert "second" in git("show", "colab:00_start_here.ipynb", where=origin)
    assert git("rev-list", "--count", "colab", where=origin) == "1"
    assert git("status", "--short") == "" and git("branch", "--format=%(refname:short)") == "main"
    runs = [step.get("run", "") for step in workflow("site.yml")["jobs"]["colab"]["steps"]]
    assert ".ci/publish_notebooks notebooks-to-publish" in runs


def oldest() -> int:
    return next(minor for minor in range(50) if f"3.{minor}" in pythons_allowed())


def test_ci_run_is_the_readmes_test_command():
    script = text(REPOSITORY / ".ci" / "run")
    assert script.rstrip().endswith("course.py test") and "python course.py test" in text(REPOSITORY / "README.md")


def test_actionlint_has_nothing_to_say():
    if shutil.which("actionlint") is None:
        pytest.skip("actionlint is not on the path (github.com/rhysd/actionlint)")
    done = subprocess.run(["actionlint", *map(str, WORKFLOWS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def stages(file: Path) -> list[str]:
    return re.findall(r"^FROM (\S+)", text(file), re.MULTILINE)


def test_containers_set_up_with_open_and_start_with_open():
    assert [p.name for p in DOCKERFILES] == ["Dockerfile", "Dockerfile.cuda"]
    for file, build in zip(DOCKERFILES, ("cpu", "cuda"), strict=True):
        run = [line for line in text(file).splitlines() if line.startswith("RUN python")]
        assert [calls(line) for line in run] == [[["open", "--torch", build, "--prepare-only"]]]
        start = json.loads(text(file).split("\nCMD ")[1])
        assert start[1:3] == ["course.py", "open"] and start[0] == run[0].split()[1]
        assert re.search(r"^USER (?!root)", text(file), re.MULTILINE)


def test_each_base_image_is_named_once():
    images = [image for file in DOCKERFILES for image in stages(file) if ":" in image]
    assert len(images) == len(set(images)) == 2 and all(re.search(r":\d+\.\d+", image) for image in images)
    container = json.loads(text(DEVCONTAINER))
    assert "image" not in container and container["build"]["dockerfile"] == "../Dockerfile"
    assert f" AS {container['build']['target']}\n" in text(DOCKERFILES[0])
    assert not any(image in text(f) for image in images for f in (*WORKFLOWS, DEVCONTAINER, REPOSITORY / "README.md"))


def test_the_images_python_and_cuda_are_the_courses():
    cpu, cuda = (next(i for i in stages(file) if ":" in i) for file in DOCKERFILES)
    assert re.search(r"python:(\d+\.\d+)", cpu)[1] in pythons_allowed()
    pinned = re.search(r"^cuda-toolkit==(\d+\.\d+)", text(REPOSITORY / "constraints.txt"), re.MULTILINE)[1]
    assert re.search(r"cuda:(\d+\.\d+)\.\d+-devel", cuda)[1] == pinned  # devel: the images with nvcc


def test_no_image_takes_along_what_the_repository_leaves_out():
    kept_out = {line.strip("/") for line in text(REPOSITORY / ".gitignore").splitlines() if line and line[0] != "#"}
    ignored = {line.removeprefix("**/") for line in text(REPOSITORY / ".dockerignore").splitlines() if line[:1] != "#"}
    assert kept_out - ignored == set() and ".git" in ignored


def test_nothing_of_the_library_is_left_out_of_the_repository():
    """A rule for what commands write must not hit a folder of the library that has the same name."""
    tracked = subprocess.run(
        ["git", "ls-files", "mgmr_lib"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("no git checkout")
    files = [f"{Path(f).parent.as_posix()}/new.js" for f in tracked.stdout.split()]
    command = ["git", "check-ignore", "--no-index", *dict.fromkeys(files)]
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert files and (found.returncode, found.stdout) == (1, "")  # 1: none is ignored; 0 and 128 are no such answer


def test_conda_takes_the_same_list_in_the_same_versions():
    environment = yaml.safe_load(text(REPOSITORY / "environment.yml"))
    python, pip, listed = environment["dependencies"]
    assert python.removeprefix("python=") in pythons_allowed() and pip == "pip"
    assert listed["pip"] == ["-c constraints.txt", f"-e {EXTRAS['test']}"]
