"""`python -m mgmr_lib.course test`: everything that must be green, and which part of it is not."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from mgmr_lib.course.authoring import build, lint, mixed, pages
from mgmr_lib.course.authoring.pytest_failures import FAILURES
from mgmr_lib.course.authoring.source import EDITIONS, LEARNER, read_sources
from mgmr_lib.course.store import write_text
from mgmr_lib.data.encoding_memo import SHARED_ENCODINGS
from mgmr_lib.paths import REPOSITORY

CELL_TIMEOUT, SAMPLE = 120, 2
SHOWN = 10  # failures that the summary repeats for a part
WORKERS = str(max(2, min(4, os.cpu_count() or 2)))
THREADS = {k: v for k, v in build.KERNEL_ENVIRONMENT.items() if k.endswith("_NUM_THREADS")}


def _call(*arguments: str, env: dict[str, str] | None = None) -> int:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=REPOSITORY, env=env or os.environ | THREADS
    ).returncode


def _pytest(*arguments: str, env: dict[str, str] | None = None) -> int:
    return _call("pytest", "-p", "mgmr_lib.course.authoring.pytest_failures", *arguments, env=env)


def ruff() -> int:
    """Style of the library, its tests and the notebooks' sources (whose imports may come where they are needed)."""
    sources = [str(s.path) for s in read_sources().values()]
    library = _call("ruff", "check", "--quiet", ".") or _call("ruff", "format", "--check", "--quiet", ".")
    may = "E402,E501,E731,F401,I001,B018"
    return library or (_call("ruff", "check", "--quiet", "--ignore", may, *sources) if sources else 0)


def types_and_duplicates() -> int:
    """Types of the library ([tool.mypy] of pyproject says which rooms), and no six lines that stand in two files
    ([tool.pylint]). Each reads everything with one core, so they run side by side."""
    commands = (("mypy", "--no-error-summary"), ("pylint", "mgmr_lib", "tests"))
    readers = [
        subprocess.Popen([sys.executable, "-m", *command], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        for command in commands
    ]
    for reader in readers:
        print(reader.communicate()[0], end="")
    return max(abs(reader.returncode) for reader in readers)


def lints() -> int:
    """Rules of the notebooks."""
    found = lint.lint()
    print("\n".join(found) if found else "nothing to say")
    return 1 if found else 0


def unit_tests(*options: str) -> int:
    """Tests of the library."""
    return _pytest("tests", "-q", "-n", WORKERS, "--dist", "worksteal", "-rs", "--durations=30", *options)


def quick_unit_tests() -> int:
    """All but those that train, drive a browser or start many processes."""
    return unit_tests("-m", "not slow")


def nbval(*targets: str, seconds: Path | None = None) -> int:
    """Run notebooks and compare every stored output, strictly.

    The outputs were stored on Linux; other systems' mathematics may round the last digit shown the other way, so there
    a notebook only has to run to its end.
    """
    options = [
        "-p",
        "mgmr_lib.course.authoring.pytest_budget",
        "--nbval" if sys.platform == "linux" else "--nbval-lax",
        "--nbval-current-env",
        "--nbval-cell-timeout",
        str(CELL_TIMEOUT),
        "--nbval-sanitize-with",
        str(Path(__file__).with_name("sanitize.cfg")),
        "-n",
        "2",
        "--dist",
        "loadfile",
        "-q",
    ]
    options += ["--notebook-seconds", str(seconds)] if seconds else []
    return _pytest(*options, *targets, env=build.kernel_environment())


def notebooks() -> int:
    """Both editions of every notebook, untouched."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "seconds.json"
        code = nbval(*EDITIONS, seconds=file)
        _tell_seconds(file)
    return code


def quick_notebooks() -> int:
    """Of each part of the course the notebook that takes the least time, as a learner gets it."""
    seconds, quickest = pages.measured_seconds(), {}
    for number, source in sorted(read_sources().items()):
        took = seconds.get(number, {}).get(LEARNER, float("inf"))
        if took < quickest.get(source.meta.part, (float("inf"), ""))[0] or source.meta.part not in quickest:
            quickest[source.meta.part] = (took, f"{LEARNER}/{source.meta.file_name}")
    return nbval(*(name for _, name in quickest.values()))


def mixed_notebooks() -> int:
    """A few learner's notebooks with half of the exercises solved; MGMR_TEST_SEED chooses others."""
    names = [s.meta.file_name for s in read_sources().values()]
    seed = int(os.environ.get("MGMR_TEST_SEED") or 1)
    chosen = random.Random(seed).sample(names, min(SAMPLE, len(names)))
    with tempfile.TemporaryDirectory(prefix="mixed-") as folder:
        told = mixed.write_sample(REPOSITORY, Path(folder), sorted(chosen), seed)
        print(f"solved (repeat with MGMR_TEST_SEED={seed}): {told}", flush=True)
        return nbval(folder)


def wrong_notebooks() -> int:
    """Some learner's notebooks with a third of the exercises answered wrongly: Run All reaches their end.

    MGMR_TEST_SEED chooses other notebooks and other exercises.
    """
    names = [s.meta.file_name for s in read_sources().values()]
    seed = int(os.environ.get("MGMR_TEST_SEED") or 1)
    chosen = random.Random(seed).sample(names, min(SAMPLE, len(names)))
    print(f"answered wrongly in part (repeat with MGMR_TEST_SEED={seed}): {', '.join(chosen)}", flush=True)
    found = [fault for name in chosen for fault in mixed.run_with_wrong_answers(REPOSITORY, name, seed)]
    print("\n".join(found) if found else "all of them run to their end")
    return 1 if found else 0


def _tell_seconds(file: Path) -> None:
    """Print the slowest notebooks, and keep the seconds where MGMR_RECORD_SECONDS asks for it (README's table shows
    them)."""
    if not file.exists():
        return
    took = json.loads(file.read_text(encoding="utf-8"))
    slowest = sorted(took.items(), key=lambda item: -item[1])[:5]
    print("slowest: " + ", ".join(f"{name} {s:.1f} s" for name, s in slowest))
    if os.environ.get("MGMR_RECORD_SECONDS"):
        kept = pages.measured_seconds()
        for name, s in took.items():
            edition, _, notebook = name.partition("/")
            kept.setdefault(notebook[:2], {})[edition] = round(s)
        known = {n: kept[n] for n in sorted(kept) if n in read_sources()}
        write_text(REPOSITORY / LEARNER / "seconds.json", json.dumps(known, indent=1) + "\n")
        print("recorded in notebooks/seconds.json: run `python -m mgmr_lib.course build`")


FAST, FULL = "fast", "full"
PARTS: tuple[tuple[str, Callable[[], int], tuple[str, ...]], ...] = (  # name, what, in which runs
    ("style (ruff)", ruff, (FAST, FULL)),
    ("types (mypy), and nothing stands twice (pylint)", types_and_duplicates, (FAST, FULL)),
    ("notebook rules (lint)", lints, (FAST, FULL)),
    ("notebooks are built from their sources (build --check)", build.check, (FAST, FULL)),
    ("unit tests but the slow ones (pytest tests)", quick_unit_tests, (FAST,)),
    ("one notebook of each part (nbval)", quick_notebooks, (FAST,)),
    ("unit tests and the browser test (pytest tests)", unit_tests, (FULL,)),
    ("every notebook, both editions (nbval)", notebooks, (FULL,)),
    ("a sample with half of the exercises solved (nbval)", mixed_notebooks, (FULL,)),
    ("a sample with a third of the exercises answered wrongly", wrong_notebooks, (FULL,)),
)


def run(fast: bool = False) -> int:
    """Run all parts, even after a failure; 0 if all are green. `fast`: what a few minutes can tell.

    Its processes share what frozen text encoders said: hundreds of short trainings read the same masked sentences.
    """
    with tempfile.TemporaryDirectory(prefix="mgmr-encodings-") as folder, mock.patch.dict(os.environ):
        os.environ.setdefault(SHARED_ENCODINGS, folder)
        with tempfile.TemporaryDirectory(prefix="mgmr-failures-") as told:
            return _run(fast, Path(told) / "failures.txt")


def _run(fast: bool, failures: Path) -> int:
    started, results = time.monotonic(), []
    os.environ[FAILURES] = str(failures)
    for name, part, runs in PARTS:
        if (FAST if fast else FULL) not in runs:
            continue
        print(f"\n=== {name}", flush=True)
        begun = time.monotonic()
        failures.write_bytes(b"")
        try:
            code = part()
        except Exception as e:  # one broken part must not hide the others' results
            print(f"{type(e).__name__}: {e}", file=sys.stderr)
            code = 1
        failed = failures.read_text(encoding="utf-8").splitlines() if code else []
        results.append((name, code, time.monotonic() - begun, failed))
    print("\n=== summary")
    for name, code, took, failed in results:
        print(f"{'ok    ' if code == 0 else 'FAILED'}  {took:6.1f} s  {name}")
        for line in failed[:SHOWN]:
            print(f"            {line}")
        if len(failed) > SHOWN:
            print(f"            and {len(failed) - SHOWN} more")
    bad = [name for name, code, _, _ in results if code]
    print(
        f"total {time.monotonic() - started:.0f} s: "
        + (f"{len(bad)} of {len(results)} parts FAILED" if bad else "all green")
    )
    return 1 if bad else 0
