"""Corpora that others publish as plain files: fetched one by one, pinned, checked, and turned into MMSA's layout.

Nothing of them is part of the course; what they hold, and under which licence, stands in data/README.md.
"""

import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from mgmr_lib.data.download.sources import disk_errors, file_sha256, prepare_lock, progress_bar
from mgmr_lib.errors import CourseError
from mgmr_lib.files import put_in_place
from mgmr_lib.paths import cache_dir, corpora_dir

CHUNK = 1 << 16  # bytes
SECONDS = 20  # how long a silent connection is waited for


@dataclass(frozen=True)
class Published:
    """A folder of files. url: where they lie; files: {name: (bytes, SHA-256)}; label_column, label_range: which of the
    labels we take, and the scale that they are on."""

    name: str
    url: str
    files: dict[str, tuple[int, str]]
    label_column: int | None = None
    label_range: tuple[float, float] | None = None

    @property
    def folder(self) -> Path:
        """Where the files go."""
        return cache_dir() / self.name

    @property
    def path(self) -> Path:
        """The same in MMSA's layout: what is trained on."""
        return corpora_dir() / f"{self.name}.pkl"


POM = Published(
    "pom",
    "https://github.com/pliang279/MFN/raw/b0453fb6e21b581c796246a0c32a6551f2028c1b/new_data/pom/",
    {
        "audio_test.h5": (1_398_688, "15aa2f0eaa8787e5aec2de28636fb5b0181aeacc1e8f6eec56fce4cdade367ab"),
        "audio_train.h5": (4_130_048, "a7edb566f5d5026c9ed82222fbdbfc22d506fdd243c4c112f1ecca2f5155eee7"),
        "audio_valid.h5": (690_048, "430b49d06e7fc2a8ea11bf3636cd08df4366df18647acfda39d8014d342fb7cf"),
        "video_test.h5": (1_333_728, "bd1bd57bf2bf4ad49b2ff03c79a3d13375627d23a531a6bde7b13a0f68f8c0dd"),
        "video_train.h5": (3_938_048, "936d32765899d8cab2d8c7c84fb5d6b91b249906d3e46ce51aa73c4f5b0d582d"),
        "video_valid.h5": (658_048, "39f8a4aabfe7deb94da001b9ca25ad087ddd155f2786de04a3cacd90a379bb80"),
        "y_test.h5": (29_656, "dec80f328c2e811fb28a04df2ad11495dc00be34a6c439d40b3d1848fe518a18"),
        "y_train.h5": (83_648, "420831e96b21c5fc77194c70c8a76f831fd04d3cc6cadd513e1749c3b325fef5"),
        "y_valid.h5": (15_648, "066fb33cef488591ff999b4c6859c990ff93645003cc795501c70b3ea87ac2ef"),
    },
    label_column=0,
    label_range=(1, 7),
)
PUBLISHED = {POM.name: POM}


def is_whole(path: Path, size: int, sha256: str) -> bool:
    """Whether the pinned file is there."""
    return path.is_file() and path.stat().st_size == size and file_sha256(path) == sha256


def fetch_published(source: Published, url: str | None = None, wait: bool = False, quiet: bool = False) -> Path:
    """Every file in `source.folder` and the corpus at `source.path`; what is there already stays. Returns the corpus.

    url: another place that holds the same files. A fetch that is broken off goes on where it stopped. CourseError, in
    one sentence, without a connection, for a file that is not the pinned one, or a full disk.
    """
    place = (url or source.url).rstrip("/") + "/"
    total = sum(size for size, _ in source.files.values())
    with prepare_lock(wait), disk_errors():
        source.folder.mkdir(parents=True, exist_ok=True)
        with progress_bar(total=total, unit="B", unit_scale=True, desc=source.name, disable=quiet) as bar:
            for name, (size, sha256) in source.files.items():
                if not is_whole(source.folder / name, size, sha256):
                    _fetch_file(source, place + name, source.folder / name, bar)
                else:
                    bar.update(size)
        _convert(source)
    return source.path


def _fetch_file(source: Published, url: str, path: Path, bar) -> None:
    size, sha256 = source.files[path.name]
    part = path.with_name(path.name + ".part")
    if part.exists() and part.stat().st_size >= size:
        part.unlink()
    try:
        _read_into(part, url, bar)
    except urllib.error.HTTPError as error:
        raise CourseError(f"{url} answers {error.code} ({error.reason}): {_again(source)}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise CourseError(
            f"cannot download {url} ({reason}): check the network connection; {_again(source)}"
        ) from error
    found = part.stat().st_size
    if found < size:
        raise CourseError(f"{url} broke off after {found} of {size} bytes: {_again(source)}")
    if file_sha256(part) != sha256:
        part.unlink()
        raise CourseError(
            f"{url} is not the file that was pinned (another SHA-256), so it was not kept: {_again(source)}"
        )
    put_in_place(part, path)


def _again(source: Published) -> str:
    return (
        f"`python -m mgmr_lib data fetch {source.name}` goes on where it stopped, and takes the same files from "
        "elsewhere with --from"
    )


def _read_into(part: Path, url: str, bar) -> None:
    """Append to the part what it lacks, or write it anew where the place cannot begin in the middle."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        goes_on = have > 0 and getattr(answer, "status", None) == 206
        bar.update(have if goes_on else 0)
        with part.open("ab" if goes_on else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))


def _convert(source: Published) -> None:
    from mgmr_lib.data.mmsa import export_mmsa
    from mgmr_lib.data.mmsa.convert import Choices, convert

    corpus = convert(source.folder, Choices("mosi", label_column=source.label_column, label_range=source.label_range))
    source.path.parent.mkdir(parents=True, exist_ok=True)
    export_mmsa(corpus, source.path)


def published_path(name: str) -> Path:
    """The corpus of that name on this machine, or a CourseError that says how to get it."""
    path = PUBLISHED[name].path
    if not path.is_file():
        raise CourseError(f"{name} is not here yet: run `python -m mgmr_lib data fetch {name}` (it needs the network)")
    return path
