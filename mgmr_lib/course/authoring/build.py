"""Build notebooks from their sources, and check without executing that every built notebook is the one its source
makes.

A built notebook's metadata keeps two digests: of its source's text, and of its stored outputs. The rest needs none: the
check makes the cells again from the source. So a changed source line, a changed cell, a deleted output and a changed
number in an output each fail the check. Whether the outputs are still what the library computes is nbval's question, in
the tests.
"""

import hashlib
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mgmr_lib.course import frames
from mgmr_lib.course.authoring import cell_seconds, pages, routes
from mgmr_lib.course.authoring.skeleton import skeleton
from mgmr_lib.course.authoring.source import EDITIONS, LEARNER, SOLUTION, Source, read_sources, source_dir
from mgmr_lib.course.display import STORED, WIDGET
from mgmr_lib.errors import CourseError
from mgmr_lib.files import write_text
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.setup.cloud import project_address

KERNEL_ENVIRONMENT = {
    STORED: "1",
    "MGMR_PROFILE": "fast",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "MGMR_NATIVE_SCAN": "by name",  # stored numbers must not depend on a compiler
}


def kernel_environment() -> dict[str, str]:
    """The environment that notebooks are executed in, by the builder and by the tests."""
    env = {k: v for k, v in os.environ.items() if k != "MGMR_LEARNER"}  # a built notebook shows nobody's score
    return env | KERNEL_ENVIRONMENT


def outputs_digest(notebook) -> str:
    """SHA-256 of execution counts and outputs."""
    kept = [(c.get("execution_count"), c["outputs"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    return hashlib.sha256(json.dumps(kept, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def code_of(notebook) -> tuple[list[str], str]:
    """(the code cells, their SHA-256)."""
    code = [c.source for c in notebook.cells if c.cell_type == "code"]
    return code, hashlib.sha256(json.dumps(code).encode()).hexdigest()


def frames_folder(number: str, root: Path = REPOSITORY) -> Path:
    """Where the frames of a notebook's sliders are kept."""
    return root / LEARNER / "frames" / number


def tidy(notebook) -> None:
    """Drop what differs from run to run: widget views and state, times; keep the rest of the outputs as they are."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            for output in cell.outputs:
                output.get("data", {}).pop(WIDGET, None)
            cell.outputs = [o for o in cell.outputs if o.get("data", True)]


def execute(notebook, folder: Path, timeout: float = 600, drawn: Path | None = None) -> dict[str, int]:
    """Execute in place, from `folder`, in the fast profile; CourseError that shows the failing cell. Returns the
    seconds of its slow cells. drawn: a folder for the frames of its sliders."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        record_timing=True,
        store_widget_state=False,
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=40"],
        resources={"metadata": {"path": str(folder)}},
    )
    name = f"{notebook.metadata.mgmr.edition}/{notebook.metadata.mgmr.number}"
    try:
        client.execute(env=kernel_environment() | ({frames.FOLDER: str(drawn)} if drawn else {}))
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as e:
        raise CourseError(f"{name}: a cell fails, nothing was written: {e}") from e
    seconds = cell_seconds.of(notebook)
    tidy(notebook)
    return seconds


def serialise(notebook) -> str:
    """The file's text."""
    import nbformat

    return nbformat.writes(notebook, indent=1, ensure_ascii=False) + "\n"


def _stored(path: Path):
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except Exception as e:
        raise CourseError(f"{path} is not a readable notebook ({e}): build it again") from e


def _with_outputs(notebook, stored):
    """The skeleton with the stored outputs, or None where the code cells differ."""
    ours = [c for c in notebook.cells if c.cell_type == "code"]
    theirs = [c for c in stored.cells if c.cell_type == "code"]
    if [(c.source, c.metadata.get("tags")) for c in ours] != [(c.source, c.metadata.get("tags")) for c in theirs]:
        return None
    for a, b in zip(ours, theirs, strict=True):
        a.outputs, a.execution_count = b.outputs, b.execution_count
    return notebook


def _kept(notebook, path: Path):
    """The skeleton with the outputs stored in `path`, or None where they are tampered with or a code cell changed."""
    if not path.exists():
        return None
    stored = _stored(path)
    sound = stored.metadata.get("mgmr", {}).get("outputs") == outputs_digest(stored)
    return _with_outputs(notebook, stored) if sound else None


def build_one(
    source: Source, edition: str, sources: dict, root: Path = REPOSITORY, reuse: bool = False, run: bool = True
) -> str:
    """Build one edition; returns what was done. `reuse`: keep sound outputs if no code cell changed; not `run`: do only
    that."""
    path = root / edition / source.meta.file_name
    notebook, done = skeleton(source, edition, sources, root), "outputs kept"
    kept = _kept(notebook, path) if reuse else None
    if kept is None and not run:
        return "left alone"
    if kept is None:
        done = "executed"
        if edition == LEARNER:
            execute_and_draw(notebook, path.parent, root)
        else:
            execute(notebook, path.parent)
    notebook.metadata.mgmr["outputs"] = outputs_digest(notebook)
    text = serialise(notebook)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return f"{done}, unchanged"
    write_text(path, text)
    return done


def execute_and_draw(notebook, folder: Path, root: Path = REPOSITORY) -> None:
    """Execute, and keep what its slow cells took and the frames of its sliders."""
    number = notebook.metadata.mgmr.number
    with tempfile.TemporaryDirectory(prefix="mgmr-frames-") as drawn:
        seconds = execute(notebook, folder, drawn=Path(drawn))
        frames.store(Path(drawn), frames_folder(number, root), *code_of(notebook))
    cell_seconds.keep(number, seconds, root)


def generated_files(sources: dict, root: Path = REPOSITORY) -> dict[Path, str]:
    """The generated pages and README, with the text that they should have."""
    made = {
        root / LEARNER / "glossary.md": pages.glossary_page(sources, pages.load_yaml("glossary.yml", root)),
        root / LEARNER / "bibliography.md": pages.bibliography_page(pages.load_yaml("bibliography.yml", root)),
    }
    if (source_dir(root) / routes.FILE).exists():
        made[root / SOLUTION / "instructor" / "README.md"] = routes.page(sources, root)
    readme = root / "README.md"
    if readme.exists():
        table = pages.readme_table(sources, pages.measured_seconds(root))
        text = readme.read_text(encoding="utf-8")
        results = _results(root) if pages.RESULTS_BEGIN in text else ""
        made[readme] = pages.readme(text, table, results, pages.readme_links(project_address(root)))
    return made


def _results(root: Path) -> str:
    from mgmr_lib.experiments.results_page import results_section  # pandas and scipy take seconds to load

    return results_section(root)


def build(numbers: list[str], root: Path = REPOSITORY, force: bool = False) -> None:
    """Build the notebooks of `numbers` (all where empty) and the generated pages.

    Named notebooks are executed; in the others, links to them are brought up to date. Without names, all that changed
    is executed: a notebook whose code cells are as they were keeps its outputs, unless `force`.
    """
    sources = read_sources(root)
    unknown = sorted(set(numbers) - set(sources))
    if unknown:
        raise CourseError(
            f"there is no source for notebook {', '.join(unknown)} in notebooks/src (there are: {', '.join(sources)})"
        )
    jobs = [(sources[n], e) for n in (numbers or sorted(sources)) for e in EDITIONS]
    for edition in EDITIONS:
        (root / edition).mkdir(exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        running = [(s, e, pool.submit(build_one, s, e, sources, root, not numbers and not force)) for s, e in jobs]
        for s, e, job in running:
            print(f"{e}/{s.meta.file_name}: {job.result()}", flush=True)
    for number in sorted(set(sources) - set(numbers)) if numbers else []:
        for edition in EDITIONS:
            done = build_one(sources[number], edition, sources, root, reuse=True, run=False)
            if done == "outputs kept":
                print(f"{edition}/{sources[number].meta.file_name}: links up to date")
    for path, text in generated_files(sources, root).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
            print(f"{path.relative_to(root)}: written")


def differences(root: Path = REPOSITORY) -> list[str]:
    """Everything in which the built files differ from what their sources make; nothing is executed."""
    sources, found = read_sources(root), []
    for number, source in sources.items():
        for edition in EDITIONS:
            path = root / edition / source.meta.file_name
            name = f"{edition}/{path.name}"
            fix = f"run `python -m mgmr_lib.course build {number}`"
            if not path.exists():
                found.append(f"{name} is missing: {fix}")
                continue
            try:
                stored = _stored(path)
            except CourseError as e:
                found.append(str(e))
                continue
            found += [
                f"{name} {what}: {fix}" for what in _differences(stored, skeleton(source, edition, sources, root), path)
            ]
    found += _frames_that_differ(sources, root)
    for edition in EDITIONS:
        known = {s.meta.file_name for s in sources.values()}
        found += [
            f"{edition}/{p.name} has no source in notebooks/src: delete it or write its source"
            for p in sorted((root / edition).glob("*.ipynb"))
            if p.name not in known
        ]
    found += [
        f"{p.relative_to(root)} differs from its sources: run `python -m mgmr_lib.course build`"
        for p, text in generated_files(sources, root).items()
        if not p.exists() or p.read_text(encoding="utf-8") != text
    ]
    return found


def _frames_that_differ(sources: dict, root: Path):
    for number, source in sources.items():
        code = code_of(skeleton(source, LEARNER, sources, root))
        try:
            frames.stored(frames_folder(number, root), *code)
        except CourseError as e:
            yield str(e)


def _differences(stored, fresh, path: Path):
    ours = stored.metadata.get("mgmr", {})
    if ours.get("source") != fresh.metadata.mgmr.source:
        yield "was built from another version of its source"
    if ours.get("outputs") != outputs_digest(stored):
        yield "holds outputs that the build did not store (one was changed or deleted)"
        return
    filled = _with_outputs(fresh, stored)
    if filled is None:
        yield "has other code cells than its source makes"
        return
    filled.metadata.mgmr["outputs"] = ours.get("outputs")
    if ours.get("source") == fresh.metadata.mgmr.source and serialise(filled) != path.read_text(encoding="utf-8"):
        yield "differs from what its source makes (its text, metadata or cell ids)"


def check() -> int:
    """Print the differences; the exit code."""
    found = differences()
    print(
        "\n".join(found) if found else "every built notebook and page is what its source makes",
        file=sys.stderr if found else None,
    )
    return 1 if found else 0
