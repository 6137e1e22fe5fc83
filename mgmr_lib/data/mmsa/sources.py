"""The files in which others publish features, by split and modality: one file or a folder, nothing executed.

A modality's file is known by the words of its name, in any order and case ("audio_train.h5", "covarepValid.npy",
"test/facet.h5").
"""

import re
import zipfile
from pathlib import Path

import h5py
import numpy as np

from mgmr_lib.data.mmsa.layouts import KEY_NAMES, SPLIT_NAMES
from mgmr_lib.data.mmsa.safe_pickle import load_any, shorten
from mgmr_lib.errors import CourseError

KEYS = {*KEY_NAMES, *KEY_NAMES.values(), "text_bert", "audio_lengths", "vision_lengths"}
SPLITS = {"train", "valid", "test"}
ENDINGS = {".pkl", ".pickle", ".p", ".pt", ".pth", ".gz", ".h5", ".hdf5", ".hdf", ".npy", ".npz"}


def grouped(source: Path) -> tuple[dict, list[str]]:
    """{split: whatever lies there} of a file or a folder, and the names of files whose place nobody can tell."""
    if not source.exists():
        raise CourseError(f"{shorten(source, 300)} does not exist: check the path")
    if source.is_dir():
        return _folder(source)
    content = _file(source)
    if type(content) is not dict:
        raise CourseError(
            f"{shorten(source, 300)} holds a {type(content).__name__} and no splits: give the folder with the "
            "files of all splits (train.pkl, dev.pkl, test.pkl)"
        )
    return (_by_split(content) if all(isinstance(v, np.ndarray) for v in content.values()) else content), []


def _folder(source: Path) -> tuple[dict, list[str]]:
    """The files of a folder and of the folders in it: {split: content} or {split: {modality: array}}."""
    found: dict = {}
    unread: list[str] = []
    taken: dict[tuple[str, str | None], str] = {}
    paths = [p for p in sorted([*source.glob("*"), *source.glob("*/*")]) if p.is_file() and p.suffix in ENDINGS]
    for path in paths:
        name = path.relative_to(source).as_posix()
        if any(word.startswith(".") for word in name.split("/")):
            continue
        split, key = split_and_key(_stem(name))
        if split is None or key is None and _words(_stem(name)) - {*SPLITS, *SPLIT_NAMES}:
            unread.append(shorten(name, 60))
            continue
        meant = None if key is None else KEY_NAMES.get(key, key)
        other = taken.setdefault((split, meant), name)
        if other != name:
            raise CourseError(
                f"{shorten(source, 300)} holds two files for {meant or 'all'} of split '{split}', {shorten(other, 60)}"
                f" and {shorten(name, 60)}: leave one in the folder"
            )
        content = _file(path)
        if key is None:
            found[split] = content
        elif type(found.setdefault(split, {})) is dict:
            found[split][key] = _one_array(path, content)
    return found, unread


def _stem(name: str) -> str:
    """The name without its endings: "train/audio.h5" -> "train/audio"."""
    folder, _, file = name.rpartition("/")
    return f"{folder}/{file.split('.')[0]}"


def _one_array(path: Path, content):
    """The array of a modality's own file, whatever its key is (MFN's HDF5 files call it "d1")."""
    if type(content) is not dict:
        return content
    if len(content) != 1:
        held = ", ".join(shorten(k, 20) for k in list(content)[:8]) or "nothing"
        raise CourseError(f"{shorten(path, 300)} holds {held}, and we cannot tell which is meant: keep one array in it")
    return next(iter(content.values()))


def _by_split(arrays: dict) -> dict:
    """{"train_audio": array, "test/labels": ...} -> {split: {key: array}}."""
    found: dict = {}
    for name, value in arrays.items():
        split, key = split_and_key(str(name))
        if split is not None and key is not None:
            found.setdefault(split, {})[key] = value
    return found


def _words(name: str) -> set[str]:
    """The words of a name, in lower case: "audioTrain_v2" -> {"audio", "train", "v2"}."""
    return {w.lower() for w in re.findall(r"[A-Z]*[a-z0-9]+|[A-Z]+", re.sub(r"[^A-Za-z0-9]+", " ", name))}


def split_and_key(name: str) -> tuple[str | None, str | None]:
    """The split and the modality that the words of a name name: "video_train" -> ("train", "video").

    None for what no word names, or words name differently ("audio_video").
    """
    words = _words(name)
    splits = {SPLIT_NAMES.get(w, w) for w in words} & SPLITS
    rest = "_".join(w for w in re.split(r"[^a-z0-9]+", name.lower()) if w and SPLIT_NAMES.get(w, w) not in SPLITS)
    keys = {rest} & KEYS or {min(w for w in words if KEY_NAMES.get(w, w) == m) for m in _meant(words)}
    return (splits.pop() if len(splits) == 1 else None), (keys.pop() if len(keys) == 1 else None)


def _meant(words: set[str]) -> set[str]:
    """MMSA's keys that these words stand for."""
    return {KEY_NAMES.get(w, w) for w in words if w in KEYS}


def _file(path: Path):
    head = path.open("rb").read(8)
    if head[:4] == b"\x89HDF":
        return _hdf5(path)
    if head[:6] == b"\x93NUMPY" or head[:4] == b"PK\x03\x04" and not _is_torch(path):
        return _numpy(path)
    return load_any(path)


def _is_torch(path: Path) -> bool:
    try:
        return any(name.endswith("/data.pkl") for name in zipfile.ZipFile(path).namelist())
    except (zipfile.BadZipFile, OSError):
        return True


def _hdf5(path: Path) -> dict:
    arrays: dict = {}
    try:
        with h5py.File(path, "r") as file:
            file.visititems(
                lambda name, node: arrays.update({name: np.asarray(node[()])}) if hasattr(node, "shape") else None
            )
    except Exception as error:  # a broken file makes h5py raise almost anything
        raise CourseError(f"{shorten(path, 300)} is a damaged HDF5 file ({shorten(error)}): get it again") from None
    for array in arrays.values():
        if array.dtype.kind == "O":
            array[...] = np.frompyfunc(lambda v: v.decode("utf-8", "replace") if isinstance(v, bytes) else v, 1, 1)(
                array
            )
    return arrays


def _numpy(path: Path):
    try:
        content = np.load(path, allow_pickle=False)
        return content if isinstance(content, np.ndarray) else {name: content[name] for name in content.files}
    except Exception as error:  # a broken archive makes numpy, zipfile or zlib raise almost anything
        raise CourseError(
            f"{shorten(path, 300)} cannot be read without executing it, or is damaged ({shorten(error)}): save plain "
            "arrays"
            ' with numpy.savez, or see data/README.md, "Other layouts"'
        ) from None
