"""`data convert`: the layouts in which others publish such features, turned into MMSA's.

A pickle or its gzip (MulT's and MMSA's dicts of arrays, MISA's and MAG-BERT's lists of clips), a folder of such pickles
by split, a folder of HDF5 or .npy files by split and modality (MFN's), one HDF5 file or .npz. Nothing is executed.
"""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mgmr_lib.data.corpus import LABEL_RANGES, Corpus
from mgmr_lib.data.mmsa.layouts import KEY_NAMES, SPLIT_NAMES, one_column, renamed
from mgmr_lib.data.mmsa.reader import corpus_of, family_in
from mgmr_lib.data.mmsa.safe_pickle import load_any, shorten
from mgmr_lib.data.wordpiece import load_tokenizer, special_tokens, tokenize
from mgmr_lib.errors import CourseError

LONGEST_TEXT = 512  # tokens: what a BERT reads
KEYS = {*KEY_NAMES, *KEY_NAMES.values(), "text_bert", "audio_lengths", "vision_lengths"}


@dataclass(frozen=True)
class Choices:
    """What a file does not tell. dataset: metric family; text_encoder: whose tokeniser makes ids of words;
    label_column: which one of several labels; label_range: (lowest, highest) of the source's scale, mapped to the
    family's.
    """

    dataset: str | None = None
    text_encoder: str = "minilm"
    label_column: int | None = None
    label_range: tuple[float, float] | None = None


def convert(source: Path, choices: Choices) -> Corpus:
    """The corpus in a file or folder of a known layout; CourseError in one sentence for others."""
    data = renamed(_grouped(source))
    splits = {s: part for s, part in data.items() if s in ("train", "valid", "test")}
    if not splits:
        found = ", ".join(shorten(k, 20) for k in list(data)[:8]) or "nothing"
        raise CourseError(
            f"{shorten(source, 300)} has no split train, valid or test that we can tell (it holds {found})"
        )
    splits = {s: _of_clips(source, s, part) if isinstance(part, (list, tuple)) else part for s, part in splits.items()}
    for split, part in splits.items():
        if type(part) is not dict:
            raise CourseError(
                f"{shorten(source, 300)}: split '{split}' is a {type(part).__name__}: no layout that we know"
            )
        _prepare(source, split, part, choices)
    return corpus_of(data | splits, source, choices.dataset, partial=True)


def _prepare(source: Path, split: str, part: dict, choices: Choices) -> None:
    """Labels in one column and the family's scale; token ids where there are words alone; a blank where there is no
    text."""
    if "regression_labels" in part:
        part["regression_labels"] = _labels(source, split, part["regression_labels"], choices)
    if "text" in part or "text_bert" in part:
        return
    if "raw_text" in part:
        tokenizer, special = load_tokenizer(choices.text_encoder), special_tokens(choices.text_encoder)
        ids, lengths = tokenize(tokenizer, [str(t) for t in part["raw_text"]], LONGEST_TEXT, special)
        ids = ids[:, : int(lengths.max(initial=2))]
        mask = (np.arange(ids.shape[1])[None, :] < lengths[:, None]).astype(np.int64)
        part["text_bert"] = np.stack([ids, mask, np.zeros_like(ids)], axis=1)
    elif "audio" in part:
        part["text"] = np.zeros((len(part["audio"]), 1, 1), np.float32)


def _labels(source: Path, split: str, labels, choices: Choices):
    labels = one_column(labels)
    where = f"{shorten(source, 300)}: {split}/regression_labels"
    array = np.asarray(labels)
    if array.dtype.kind not in "biuf":
        return labels  # the reader says what is wrong
    if array.ndim > 1:
        array = array.reshape(len(array), -1)
        if choices.label_column is None or not 0 <= choices.label_column < array.shape[1]:
            raise CourseError(f"{where} has {array.shape[1]} columns: choose one with --label-column, from 0 on")
        array = array[:, choices.label_column]
    if choices.label_range is None:
        return array
    low, high = choices.label_range
    if array.size and not (low <= array.min() and array.max() <= high):
        raise CourseError(f"{where} holds {array.min():g} to {array.max():g}, outside --label-range {low:g}:{high:g}")
    top = LABEL_RANGES[family_in(choices.dataset) or "mosi"]
    return (array - low) / (high - low) * 2 * top - top


# ------------------------------------------------------------------------------------------------------ kinds of source


def _grouped(source: Path) -> dict:
    """{split: whatever lies there} of a file or a folder."""
    if not source.exists():
        raise CourseError(f"{shorten(source, 300)} does not exist: check the path")
    if not source.is_dir():
        content = _file(source)
        if type(content) is not dict:
            raise CourseError(
                f"{shorten(source, 300)} holds a {type(content).__name__} and no splits: give the folder with the "
                "files of all splits (train.pkl, dev.pkl, test.pkl)"
            )
        return _by_split(content) if all(isinstance(v, np.ndarray) for v in content.values()) else content
    files = sorted(p for p in source.iterdir() if p.is_file() and not p.name.startswith("."))
    found: dict = {}
    for path in files:
        split, key = _split_and_key(path.name.split(".")[0])
        if split is None or path.suffix not in (
            ".pkl",
            ".pickle",
            ".p",
            ".pt",
            ".pth",
            ".gz",
            ".h5",
            ".hdf5",
            ".npy",
            ".npz",
        ):
            continue
        content = _file(path)
        if key is not None and type(content) is dict and len(content) == 1:
            content = next(iter(content.values()))  # MFN's HDF5 files call their one array "d1"
        if key is None:
            found[split] = content
        elif type(found.setdefault(split, {})) is dict:
            found[split][key] = content
    return found


def _by_split(arrays: dict) -> dict:
    """{"train_audio": array, "test/labels": ...} -> {split: {key: array}}."""
    found: dict = {}
    for name, value in arrays.items():
        split, key = _split_and_key(str(name))
        if split is not None and key is not None:
            found.setdefault(split, {})[key] = value
    return found


def _split_and_key(name: str) -> tuple[str | None, str | None]:
    """The split and the modality that the words of a name name: "video_train" -> ("train", "video")."""
    low = name.lower()
    split = key = None
    for word in re.split(r"[^a-z0-9]+", low):
        word_split = SPLIT_NAMES.get(word, word)
        if word_split in ("train", "valid", "test"):
            split = word_split
    rest = re.sub(r"(?:^|[^a-z0-9])(train|valid|val|dev|test|validation|training|testing)(?=$|[^a-z0-9])", " ", low)
    rest = "_".join(rest.replace("/", " ").replace("_", " ").split())
    for candidate in (rest, rest.split("_")[0]):
        if candidate in KEYS:
            key = candidate
            break
    return split, key


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
    try:
        import h5py
    except ImportError:
        raise CourseError(
            f"{shorten(path, 300)} is an HDF5 file: `python -m pip install h5py`, and run the same command again"
        ) from None
    arrays: dict = {}
    try:
        with h5py.File(path, "r") as file:
            file.visititems(lambda name, node: arrays.update({name: node[()]}) if hasattr(node, "shape") else None)
    except Exception as error:  # a broken file makes h5py raise almost anything
        raise CourseError(f"{shorten(path, 300)} is a damaged HDF5 file ({shorten(error)}): get it again") from None
    return {
        k: [v.decode("utf-8", "replace") for v in a.ravel()] if a.dtype.kind == "O" else a for k, a in arrays.items()
    }


def _numpy(path: Path):
    try:
        content = np.load(path, allow_pickle=False)
        return content if isinstance(content, np.ndarray) else {name: content[name] for name in content.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CourseError(
            f"{shorten(path, 300)} cannot be read without executing it, or is damaged ({shorten(error)}): save plain "
            "arrays"
            ' with numpy.savez, or see data/README.md, "Other layouts"'
        ) from None


def _of_clips(source: Path, split: str, clips) -> dict:
    """MISA's and MAG-BERT's lists: ((words, vision, audio[, words as text]), label, name) a clip."""
    found: dict = {"id": [], "raw_text": [], "audio": [], "vision": [], "regression_labels": []}
    for i, clip in enumerate(clips):
        where = f"{shorten(source, 300)}: clip {i} of split '{split}'"
        if (
            not isinstance(clip, (list, tuple))
            or len(clip) < 2
            or not isinstance(clip[0], (list, tuple))
            or len(clip[0]) < 3
        ):
            raise CourseError(f"{where} is not ((words, vision, audio), label, name): no layout that we know")
        words, vision, audio = clip[0][:3]
        words = clip[0][3] if len(clip[0]) > 3 else words
        words = words.tolist() if isinstance(words, np.ndarray) else words
        if isinstance(words, str):
            words = words.split()
        if not isinstance(words, (list, tuple)) or not all(isinstance(w, (str, bytes)) for w in words):
            raise CourseError(
                f"{where} has numbers for words, of a dictionary that is not in the file: give the file with the words"
            )
        found["raw_text"].append(" ".join(w.decode("utf-8", "replace") if isinstance(w, bytes) else w for w in words))
        found["vision"].append(vision)
        found["audio"].append(audio)
        found["regression_labels"].append(np.asarray(clip[1]).ravel())
        name = clip[2] if len(clip) > 2 else f"{split}{i}"
        found["id"].append(name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name))
    if len({len(v) for v in found["regression_labels"]}) > 1:
        raise CourseError(f"{shorten(source, 300)}: the clips of split '{split}' have different numbers of labels")
    found["regression_labels"] = np.array(found["regression_labels"])
    return found
