"""One call for every corpus: a classroom corpus by its name, or a learner's own MMSA pickle by its path."""

import sys
from pathlib import Path

from mgmr_lib.data.classroom import corpora as classroom
from mgmr_lib.data.corpus import Corpus
from mgmr_lib.data.download.pinned import SOURCES
from mgmr_lib.data.download.published import PUBLISHED, published_path
from mgmr_lib.data.download.sources import fetch, is_ready, prepare_lock
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import absolute


def load_corpus(name_or_path: str | Path, family: str | None = None, partial: bool = False) -> Corpus:
    """A corpus by name ("classroom-mosi", "classroom-mosi@2", one of published.PUBLISHED) or a data file's path.

    family: "mosi", "mosei" or "sims" where the file does not tell it. partial: a file may lack splits and labels. A
    classroom corpus that is not there yet is downloaded and built first (data/README.md). Errors: CourseError for an
    unknown name, a file that cannot be read, a failed download.
    """
    spec = classroom.SPECS.get(classroom.recorded_name(str(name_or_path)))
    if spec is not None:
        if family not in (None, spec.family):
            raise CourseError(f"{spec.name} has the layout and labels of {spec.family}: leave --dataset {family} out")
        if not classroom.is_built(spec):
            prepare([spec.name], wait=True, say=lambda text: print(text, file=sys.stderr))
        return classroom.read(spec)
    path = _place(name_or_path)
    if not path.exists():
        raise CourseError(
            f"{name_or_path} is neither a file nor one of {', '.join([*classroom.SPECS, *PUBLISHED])}: "
            "give one of these names, or the path of an MMSA pickle such as data/mosi/unaligned_50.pkl"
        )
    from mgmr_lib.data.mmsa.reader import load_mmsa

    return load_mmsa(path, dataset=family, name=corpus_name(name_or_path), partial=partial)


def absolute_data(name_or_path: str | Path) -> str:
    """What a configuration keeps: a corpus's name as it is, a path absolute, so that it holds from every folder."""
    name = classroom.recorded_name(str(name_or_path))
    return name if name in classroom.SPECS or _fetched(name) else str(absolute(name_or_path))


def _fetched(name: str | Path) -> bool:
    """Whether this is the name of a corpus to fetch, and no file."""
    return str(name) in PUBLISHED and not absolute(name).exists()


def _place(name_or_path: str | Path) -> Path:
    """The file of a path, or of the name of a fetched corpus."""
    return published_path(str(name_or_path)) if _fetched(name_or_path) else absolute(name_or_path)


def corpus_name(name_or_path: str | Path) -> str:
    """What records and tables call a corpus: its name, or its file's without the ending.

    A file that is called like a classroom corpus gets "-file" behind it: its records must not replace the course's.
    """
    name = classroom.recorded_name(str(name_or_path))
    if name in classroom.SPECS:
        return name
    stem = Path(name_or_path).stem
    return f"{stem}-file" if stem in classroom.SPECS else stem


def prepare(names: list[str], wait: bool = False, say=print) -> None:
    """Download the two sources and build the named classroom corpora, unless that is done already."""
    missing = [name for name in names if not classroom.is_built(classroom.SPECS[name])]
    if not missing and all(is_ready(source) for source in SOURCES):
        return
    with prepare_lock(wait, say):
        for source in SOURCES:
            fetch(source)
        for name in missing:
            if not classroom.is_built(classroom.SPECS[name]):  # another process may have built it while we waited
                classroom.build(classroom.SPECS[name], say)
