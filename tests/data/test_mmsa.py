"""The reader of MMSA pickles: what real files hold, what broken ones hold, and what hostile ones try."""

import collections
import gzip
import io
import os
import pickle
import struct

import numpy as np
import pytest

from mgmr_lib.data.corpus import SPLITS, Corpus, Ragged, Split
from mgmr_lib.data.mmsa import export_mmsa, load_mmsa, pickle_machine
from mgmr_lib.data.mmsa.safe_pickle import load
from mgmr_lib.errors import CourseError

N = {"train": 12, "valid": 5, "test": 7}


def make_data(aligned=False, sims=False, audio=(9, 3), vision=(11, 4), tokens=8, seed=0):
    """A file as MMSA writes it, with other sizes than the standard ones."""
    rng, data = np.random.default_rng(seed), {}
    for split, n in N.items():
        lengths = {"text": rng.integers(2, tokens + 1, n)}
        bert = np.zeros((n, 3, tokens), np.int64)
        for i, length in enumerate(lengths["text"]):
            bert[i, 0, :length], bert[i, 1, :length] = rng.integers(1000, 20000, length), 1
            bert[i, 0, 0], bert[i, 0, length - 1] = 101, 102
        part = {"text_bert": bert, "text": rng.normal(size=(n, tokens, 768)).astype(np.float32)}
        for key, (longest, dim) in (("audio", audio), ("vision", vision)):
            part[key] = np.zeros((n, longest, dim), np.float32)
            lengths[key] = rng.integers(1, longest + 1, n)
            for i, length in enumerate(lengths[key]):
                part[key][i, :length] = rng.normal(size=(length, dim))
        if not aligned:
            part |= {f"{key}_lengths": lengths[key].tolist() for key in ("audio", "vision")}
        labels = rng.integers(-5, 6, n) / 5 * (1 if sims else 3)
        part["regression_labels"] = labels.astype(np.float32)
        part["classification_labels"] = (np.sign(labels) + 1).astype(np.float32)
        part["annotations"] = [["Negative", "Neutral", "Positive"][int(s) + 1] for s in np.sign(labels)]
        part["id"] = np.array([f"{split}{i // 3}$_${i % 3}" for i in range(n)])
        part["raw_text"] = np.array([f"sentence {i} of {split}" for i in range(n)], dtype=object)
        if sims:
            part |= {f"regression_labels_{m}": rng.integers(-5, 6, n) / 5 for m in "TAV"}
        data[split] = part
    return data


def write(folder, data, name="file.pkl", protocol=4):
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else pickle.dumps(data, protocol=protocol))
    return path


def assert_same_split(one: Split, other: Split):
    assert one.ids == other.ids and one.raw_text == other.raw_text and set(one.extra) == set(other.extra)
    arrays = [(one.token_ids, other.token_ids), (one.token_lengths, other.token_lengths), (one.labels, other.labels)]
    arrays += [(one.extra[k], other.extra[k]) for k in one.extra]
    for a, b in ((one.audio, other.audio), (one.vision, other.vision)):
        arrays += [(a.values, b.values), (a.lengths, b.lengths)]
        assert a.max_length == b.max_length
    assert all(a.dtype == b.dtype and a.shape == b.shape and (a == b).all() for a, b in arrays)


def refused(path, *words, **options):
    """The error's sentence: one line that names the file and holds all words."""
    with pytest.raises(CourseError) as caught:
        load_mmsa(path, **options)
    said = str(caught.value)
    assert "\n" not in said and path.name in said
    assert all(word in said for word in words), said
    return said


# ---- files that load
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(6))
def test_reads_what_is_there_in_every_protocol(tmp_path, protocol):
    data = make_data()
    corpus = load_mmsa(write(tmp_path, data, protocol=protocol))
    assert corpus.name == "file" and corpus.repaired == {} and set(corpus.splits) == set(SPLITS)
    for split, n in N.items():
        part, got = data[split], corpus[split]
        assert len(got) == n and got.ids == tuple(part["id"]) and got.raw_text == tuple(part["raw_text"])
        assert (got.token_ids == part["text_bert"][:, 0]).all() and got.token_ids.dtype == np.int64
        assert (got.token_lengths == part["text_bert"][:, 1].sum(1)).all()
        assert (got.labels == part["regression_labels"]).all() and got.labels.dtype == np.float32
        for key, ragged in (("audio", got.audio), ("vision", got.vision)):
            assert ragged.lengths.tolist() == part[f"{key}_lengths"] and ragged.max_length == part[key].shape[1]
            assert (ragged.padded() == part[key]).all() and ragged.values.dtype == np.float32
    assert corpus["train"].extra == {}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_module_paths_of_numpy_1_and_2(tmp_path, protocol, core):
    raw = pickle.dumps(make_data(), protocol=protocol)
    here = b"numpy._core" if b"numpy._core" in raw else b"numpy.core"
    if core != here and protocol >= 4:  # a name carries its length, and the frame around it too
        for module in (b".multiarray", b".numeric"):
            old, new = here + module, core + module
            raw = raw.replace(bytes([0x8C, len(old)]) + old, bytes([0x8C, len(new)]) + new)
        raw = b"".join(_unframed(raw))
    elif core != here:
        raw = raw.replace(here, core)
    assert core + b".multiarray" in raw
    assert_same_split(load_mmsa(write(tmp_path, raw))["test"], load_mmsa(write(tmp_path, make_data(), "b.pkl"))["test"])


def _unframed(raw):
    """A pickle without its FRAME steps, whose lengths a changed name makes wrong."""
    import pickletools

    steps = list(pickletools.genops(raw))
    ends = [position for _, _, position in steps[1:]] + [len(raw)]
    return [raw[at:end] for (op, _, at), end in zip(steps, ends, strict=True) if op.name != "FRAME"]


def test_file_types_that_real_files_mix(tmp_path):
    expected = load_mmsa(write(tmp_path, make_data()))
    data = make_data()
    for part in data.values():
        part["text_bert"] = part["text_bert"].astype(np.float32)
        part["audio"] = np.asfortranarray(part["audio"].astype(np.float64))
        part["vision"] = part["vision"].astype(">f4")
        part["audio_lengths"] = np.array(part["audio_lengths"], dtype=np.float32)
        part["vision_lengths"] = [np.int64(v) for v in part["vision_lengths"]]
        part["regression_labels"] = [float(v) for v in part["regression_labels"]]
        part["id"] = [str(v).encode() for v in part["id"]]
        part["raw_text"] = part["raw_text"].astype(str)[:, None]
        part["something"] = {"else": [1, (2, {})]}
    for wrap in (dict, collections.OrderedDict):
        corpus = load_mmsa(write(tmp_path, wrap({k: wrap(v) for k, v in data.items()}), "mixed.pkl"))
        for split in SPLITS:
            assert_same_split(corpus[split], expected[split])
    for part in data.values():
        part["regression_labels"] = np.array(part["regression_labels"], dtype=object)
        part["id"] = np.arange(len(part["id"]))
        part["raw_text"] = [None, float("nan"), 3, *part["raw_text"][3:, 0]]
        part["dev"] = part["annotations"]
    data["dev"] = data.pop("valid")
    corpus = load_mmsa(write(tmp_path, data, "more.pkl"))
    assert corpus["valid"].ids == ("0", "1", "2", "3", "4") and corpus["train"].raw_text[:3] == ("", "", "3")
    assert (corpus["valid"].labels == expected["valid"].labels).all()


def test_optional_keys_may_be_absent(tmp_path):
    data = make_data()
    for part in data.values():
        for key in ("text", "annotations", "classification_labels"):
            del part[key]
    assert len(load_mmsa(write(tmp_path, data))["train"]) == N["train"]


def test_aligned_files_end_a_clip_at_its_last_nonzero_frame(tmp_path):
    data = make_data(aligned=True)
    vision = data["train"]["vision"]
    vision[0], vision[1], vision[2] = 0, 0, 1.0
    vision[1, 4] = 2.0  # four dropped frames in front of it do not cut the clip
    vision[2, 3] = 0.0
    vision[3] = 0
    vision[3, :3, 1], vision[3, 2] = 1.0, -np.inf  # a frame that is all -inf becomes zero first
    corpus = load_mmsa(write(tmp_path, data))
    assert corpus["train"].vision.lengths[:4].tolist() == [0, 5, 11, 2]
    assert corpus["train"].recorded("vision").tolist()[:2] == [False, True] and corpus.repaired == {"train/vision": 4}


def test_arrays_that_python_2_wrote_and_empty_bytes(tmp_path):
    """A Python 2 pickle holds an array's bytes as text; protocol 2 writes no bytes as a call of `bytes`."""
    expected, state = np.array([1.5, -2.0]), (3, "<", None, None, None, -1, -1, 0)
    old = _forged(state, shape=(2,), raw="MARK", spec="f8")
    text = pickle.dumps("MARK", 3)[2:-1]
    assert old.count(text) == 1
    old = old.replace(text, b"U" + bytes([expected.nbytes]) + expected.tobytes())
    np.testing.assert_array_equal(load(write(tmp_path, old))["train"], expected)
    data = make_data()
    data["train"]["raw_text"] = [b"", *data["train"]["raw_text"][1:]]
    assert load_mmsa(write(tmp_path, data, protocol=2))["train"].raw_text[:2] == ("", "sentence 1 of train")


def test_stored_lengths_win_and_vision_may_be_all_zero(tmp_path):
    data = make_data()
    for part in data.values():
        part["vision"][:] = 0
    corpus = load_mmsa(write(tmp_path, data))
    assert corpus["test"].vision.lengths.tolist() == data["test"]["vision_lengths"]
    assert not corpus["test"].vision.values.any()
    for part in data.values():
        del part["vision_lengths"]
    corpus = load_mmsa(write(tmp_path, data))
    assert not any(corpus[s].recorded("vision").any() for s in SPLITS)


def test_bad_features_become_zero_and_are_counted(tmp_path):
    data = make_data()
    data["train"]["audio"][3, 0] = [-np.inf, 1.0, np.nan]
    data["train"]["audio"][3, 8, 0] = np.inf
    data["test"]["vision"] = data["test"]["vision"].astype(np.float64)
    data["test"]["vision"][0, 0, 0] = 1e300  # beyond float32
    corpus = load_mmsa(write(tmp_path, data))
    assert corpus.repaired == {"train/audio": 3, "test/vision": 1}
    assert corpus["train"].audio[3][0].tolist() == [0.0, 1.0, 0.0]
    assert all(np.isfinite(r.values).all() for s in SPLITS for r in (corpus[s].audio, corpus[s].vision))


def test_lengths_beyond_the_array_are_repaired_and_zero_means_never_recorded(tmp_path):
    data = make_data()
    data["train"]["audio_lengths"][:3] = [500, 0, 9]
    corpus = load_mmsa(write(tmp_path, data))
    assert corpus["train"].audio.lengths[:3].tolist() == [9, 0, 9] and corpus.repaired == {"train/audio_lengths": 1}
    np.testing.assert_array_equal(corpus["train"].audio[2], data["train"]["audio"][2])


def test_garbage_in_the_padding_changes_nothing(tmp_path):
    clean, data = load_mmsa(write(tmp_path, make_data())), make_data()
    for part in data.values():
        beyond = part["text_bert"][:, 1] == 0
        part["text_bert"][:, 0][beyond], part["text_bert"][:, 2][beyond] = -7, 9
        for key in ("audio", "vision"):
            pad = np.arange(part[key].shape[1]) >= np.array(part[f"{key}_lengths"])[:, None]
            part[key][pad] = 1e6
    dirty = load_mmsa(write(tmp_path, data))
    for split in SPLITS:
        assert_same_split(clean[split], dirty[split])
    assert dirty.repaired == {}


def test_clips_without_tokens_get_cls_and_sep(tmp_path):
    data = make_data()
    data["train"]["text_bert"][2] = 0
    corpus = load_mmsa(write(tmp_path, data))
    assert corpus["train"].token_lengths[2] == 2 and corpus["train"].token_ids[2, :3].tolist() == [101, 102, 0]
    assert corpus.repaired == {"train/text_bert": 1}
    data["train"]["text_bert"][:] = 0
    refused(write(tmp_path, data), "train/text_bert", "mask")


def test_duplicate_ids_load(tmp_path):
    data = make_data()
    data["train"]["id"][:] = "same"
    assert set(load_mmsa(write(tmp_path, data))["train"].ids) == {"same"}


def test_sims_labels(tmp_path):
    data = make_data(sims=True)
    data["train"]["speaker"] = np.arange(N["train"])
    corpus = load_mmsa(write(tmp_path, data))
    for m in "TAV":
        assert np.allclose(corpus["test"].extra[f"regression_labels_{m}"], data["test"][f"regression_labels_{m}"])
    assert corpus.family == "sims" and "[-1, 1]" in corpus.family_reason and corpus.label_range == 1.0
    assert corpus["train"].extra["speaker"].tolist() == list(range(N["train"]))


# ---- the family
# --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place, key, dataset, family, word",
    [
        ("file.pkl", None, None, "mosi", "beyond [-1, 1]"),
        ("CMU-MOSEI/Processed/unaligned_50.pkl", None, None, "mosei", "folder is named CMU-MOSEI"),
        ("MOSI/unaligned_50.pkl", None, None, "mosi", "folder is named MOSI"),
        ("my-mosei-notes/file.pkl", None, None, "mosi", "beyond [-1, 1]"),
        ("ch-sims/mosi.pkl", None, None, "mosi", "file is named mosi.pkl"),
        ("mosi/mosei_raw.pkl", None, None, "mosei", "file is named mosei_raw.pkl"),
        ("mosi/file.pkl", "MOSEI", None, "mosei", "calls itself MOSEI"),
        ("mosi/file.pkl", "MOSEI", "mosi", "mosi", "--dataset"),
        ("mosi/file.pkl", "imdb", "classroom-mosei", "mosei", "--dataset"),
        ("sims/file.pkl", 7, "MOSI", "mosi", "--dataset"),
    ],
)
def test_family(tmp_path, place, key, dataset, family, word):
    path = tmp_path / "x" / "y" / place
    path.parent.mkdir(parents=True)
    data = make_data() | ({"dataset": key} if key else {})
    corpus = load_mmsa(write(path.parent, data, path.name), dataset=dataset, name="mine")
    assert corpus.family == family and word in corpus.family_reason and corpus.name == "mine"


def test_labels_outside_the_family(tmp_path):
    refused(write(tmp_path, make_data(), "sims.pkl"), "[-1, 1] of sims", "--dataset", "train/regression_labels")
    data = make_data()
    data["test"]["regression_labels"][3] = 3.2
    refused(write(tmp_path, data), "test/regression_labels", "3.2", "clip 3", "[-3, 3]")
    with pytest.raises(CourseError, match="mosi, mosei or sims, not 'imdb'"):
        load_mmsa(write(tmp_path, make_data()), dataset="imdb")


# ---- broken files
# ------------------------------------------------------------------------------------------------------


def test_files_that_are_no_pickles(tmp_path):
    refused(tmp_path / "none.pkl", "does not exist")
    refused(tmp_path, "folder")
    refused(write(tmp_path, b""), "empty")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "fifo.pkl")
        refused(tmp_path / "fifo.pkl", "regular file")
        (tmp_path / "loop.pkl").symlink_to(tmp_path / "loop.pkl")
        refused(tmp_path / "loop.pkl", "cannot be read: ")
    for text in (
        "hello world\n",
        "id,text\n1,good\n",
        "columns,a,b\n1,2\n",
        "Plain words",
        "I am\n",
        '{"train": 1}',
        "Sätze\n",
        "version https://git-lfs\n",
        "0",
        "(((",
        "Lorem\n",
        "once upon a time\n",
        "N\n",
        "t",
        "R",
        "b",
        "<html>",
    ):
        said = refused(write(tmp_path, text.encode()))
        assert "text file" in said or "not a dict" in said, (text, said)
    refused(write(tmp_path, b"\x00\x01\x02" * 500), "not a pickle")
    refused(write(tmp_path, b"\x8f\x90."), "not a pickle")
    with pytest.raises(CourseError, match=r"a\?b.pkl cannot be read: .*embedded null"):
        load_mmsa(tmp_path / "a\0b.pkl")
    np.savez_compressed(tmp_path / "arrays.npz", a=np.ones(3))
    refused(tmp_path / "arrays.npz", "a zip archive", "data convert")
    refused(write(tmp_path, gzip.compress(b"")), "is empty")
    zeros = gzip.compress(bytes(1 << 22))
    refused(write(tmp_path, zeros * 30), "unpacks to far more data than it holds")  # 120 MB of 0.1
    refused(write(tmp_path, b"PK\x03\x04" + bytes(range(256))), "not a pickle")


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_truncated_anywhere(tmp_path, protocol):
    raw = pickle.dumps(make_data(audio=(3, 1), vision=(3, 1)), protocol=protocol)
    for cut in [*range(1, 200, 7), *np.linspace(200, len(raw) - 1, 40).astype(int)]:
        said = refused(write(tmp_path, raw[:cut]))
        assert "ends too early" in said or (protocol == 0 and "text file" in said), said


def test_flipped_bytes_never_escape_as_another_error(tmp_path):
    raw = bytearray(pickle.dumps(make_data(audio=(3, 1), vision=(3, 1)), protocol=4))
    rng = np.random.default_rng(0)
    outcomes = collections.Counter()
    for _ in range(150):
        broken = bytearray(raw)
        for at in rng.integers(0, 3000, 3):
            broken[at] = rng.integers(0, 256)
        try:
            load_mmsa(write(tmp_path, bytes(broken)))
            outcomes["read"] += 1
        except CourseError as error:
            assert "\n" not in str(error) and "file.pkl" in str(error)
            outcomes["refused"] += 1
    assert outcomes["refused"] > 50


@pytest.mark.parametrize(
    "value, word",
    [([1, 2], "list"), ("text", "str"), (None, "NoneType"), (3, "int"), (np.arange(3), "numpy array"), ((1,), "tuple")],
)
def test_pickles_of_other_things(tmp_path, value, word):
    refused(write(tmp_path, value), f"holds a {word}", "not a dict")


def test_splits_that_are_missing_or_no_dicts(tmp_path):
    data = make_data()
    refused(write(tmp_path, {}), "no split 'train'", "nothing")
    refused(write(tmp_path, {k: data[k] for k in ("train", "test")}), "no split 'valid'", "train, test")
    refused(write(tmp_path, data | {"test": [1]}), "split 'test' is a list")
    refused(write(tmp_path, data | {"test": np.zeros(3)}), "split 'test' is a ndarray")


BREAK = {
    "no audio": ("audio", None, ("lacks the key audio",)),
    "audio 2-D": ("audio", lambda x: x[:, 0], ("valid/audio", "(5, 3)", "(clips, frames, features)")),
    "audio 4-D": ("audio", lambda x: x[None], ("valid/audio", "shape")),
    "audio clips": ("audio", lambda x: x[:-1], ("valid/audio", "4 clips", "id has 5")),
    "audio no frames": ("audio", lambda x: x[:, :0], ("valid/audio", "empty")),
    "audio text": ("audio", lambda x: x.astype(str), ("valid/audio", "<U")),
    "audio object": ("audio", lambda x: x.astype(object), ("valid/audio", "object")),
    "audio list": ("audio", lambda x: [list(x)] * 5, ("valid/audio", "clip 0")),
    "audio None": ("audio", lambda x: np.array(None, dtype=object), ("valid/audio",)),
    "audio width": ("audio", lambda x: x[:, :, :2], ("audio", "widths", "'valid': 2")),
    "vision width": ("vision", lambda x: np.concatenate([x, x], 2), ("vision", "widths")),
    "text_bert rows": ("text_bert", lambda x: x[:, :2], ("valid/text_bert", "ids, mask, segments")),
    "text_bert turned": ("text_bert", lambda x: x.transpose(0, 2, 1), ("valid/text_bert", "ids, mask, segments")),
    "text_bert short": ("text_bert", lambda x: x[:, :, :1], ("valid/text_bert",)),
    "text_bert negative": ("text_bert", lambda x: x * np.array([-1, 1, 1])[:, None], ("valid/text_bert", "from 0")),
    "text_bert fractions": ("text_bert", lambda x: x + [[0.5], [0], [0]], ("valid/text_bert", "whole")),
    "text_bert nan": ("text_bert", lambda x: x + [[np.nan], [0], [0]], ("valid/text_bert", "whole")),
    "text_bert huge": ("text_bert", lambda x: x * [[2.0**40], [1], [1]], ("valid/text_bert", "whole")),
    "mask not 0/1": ("text_bert", lambda x: x * np.array([1, 2, 1])[:, None], ("valid/text_bert", "0 and 1")),
    "mask reversed": ("text_bert", lambda x: np.roll(x[:, :, ::-1], -1, 2), ("valid/text_bert", "followed by zeros")),
    "labels NaN": ("regression_labels", lambda x: x * np.nan, ("valid/regression_labels", "NaN")),
    "labels inf": ("regression_labels", lambda x: x + np.inf, ("valid/regression_labels", "infinite")),
    "labels 2-D": ("regression_labels", lambda x: np.stack([x, x], 1), ("valid/regression_labels", "shape")),
    "labels text": ("regression_labels", lambda x: ["good"] * 5, ("valid/regression_labels", "list")),
    "labels huge": ("regression_labels", lambda x: [10**400] * 5, ("valid/regression_labels",)),
    "labels none": ("regression_labels", lambda x: np.array([None] * 5), ("valid/regression_labels", "object")),
    "labels few": ("regression_labels", lambda x: x[:2], ("valid/regression_labels", "2 clips")),
    "raw_text few": ("raw_text", lambda x: x[:2], ("valid/raw_text", "2 clips")),
    "raw_text a text": ("raw_text", lambda x: "abcde", ("valid/raw_text", "str")),
    "raw_text lists": ("raw_text", lambda x: [["a"]] * 5, ("valid/raw_text", "list at clip 0")),
    "raw_text 2-D": ("raw_text", lambda x: np.array([["a", "b"]] * 5), ("valid/raw_text", "shape")),
    "id empty": ("id", lambda x: x[:0], ("valid/id", "no clips")),
    "lengths few": ("audio_lengths", lambda x: x[:3], ("valid/audio_lengths", "3 clips")),
    "lengths negative": ("audio_lengths", lambda x: [-1, *x[1:]], ("valid/audio_lengths", "negative")),
    "lengths fractions": ("vision_lengths", lambda x: [1.5, *x[1:]], ("valid/vision_lengths", "whole")),
    "lengths NaN": ("vision_lengths", lambda x: np.full(5, np.nan), ("valid/vision_lengths", "NaN")),
    "lengths text": ("vision_lengths", lambda x: "five", ("valid/vision_lengths", "str")),
    "text 2-D": ("text", lambda x: x[:, 0], ("valid/text", "shape")),
    "text clips": ("text", lambda x: x[1:], ("valid/text", "4 clips")),
    "annotations few": ("annotations", lambda x: x[1:], ("valid/annotations", "4 clips")),
    "classes NaN": ("classification_labels", lambda x: x * np.nan, ("valid/classification_labels", "NaN")),
    "classes few": ("classification_labels", lambda x: x[1:], ("valid/classification_labels", "4 clips")),
}


@pytest.mark.parametrize("case", BREAK)
def test_broken_keys(tmp_path, case):
    key, change, words = BREAK[case]
    data = make_data()
    if change is None:
        del data["valid"][key]
    else:
        data["valid"][key] = change(data["valid"][key])
    refused(write(tmp_path, data), *words)


def test_empty_split(tmp_path):
    data = make_data()
    data["test"] = {k: v[:0] for k, v in data["test"].items()}
    refused(write(tmp_path, data), "test/id", "empty")


def test_one_modality_labels_are_checked(tmp_path):
    data = make_data(sims=True)
    data["train"]["regression_labels_A"][1] = np.nan
    refused(write(tmp_path, data), "train/regression_labels_A", "NaN")


# ---- hostile files
# -----------------------------------------------------------------------------------------------------


class Call:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


class WithState:
    pass


def _object_array(item):
    out = np.empty(3, dtype=object)
    out[:] = item
    return out


def hostile(marker):
    """Pickles that would create `marker`, or reach for a name that could."""
    command = f"touch {marker}"
    code = f"open({str(marker)!r}, 'w')"
    call, evaluate = Call(os.system, command), Call(eval, code)
    data = make_data()

    def inside(value, key="raw_text"):
        return data | {"train": data["train"] | {key: value}}

    for protocol in range(6):
        yield pickle.dumps(call, protocol)
        yield pickle.dumps(evaluate, protocol)
        yield pickle.dumps(inside(call), protocol)
        yield pickle.dumps(inside([[{"deep": (1, evaluate)}]], "unused"), protocol)
        yield pickle.dumps(inside(_object_array(call)), protocol)
        yield pickle.dumps(inside(_object_array([{"a": evaluate}]), "id"), protocol)
        yield pickle.dumps({"extra": call, **data}, protocol)
        yield pickle.dumps(WithState(), protocol)
        yield pickle.dumps(Call(getattr, Call(__import__, "os"), "system"), protocol)
        yield pickle.dumps(np.array([(1, call)], dtype=[("a", int), ("b", object)]), protocol)
        yield pickle.dumps({"train": np.ma.masked_array([1.0]), "x": np.datetime64("2020-01-01")}, protocol)
        yield pickle.dumps(inside({1, 2}, "unused"), protocol)
    text = command.encode()
    yield b"cos\nsystem\n(S'" + text + b"'\ntR."
    yield b"cposix\nsystem\n(S'" + text + b"'\ntR."
    yield b"(S'" + text + b"'\nios\nsystem\n."  # INST
    yield b"(cos\nsystem\nS'" + text + b"'\no."  # OBJ
    yield b"\x80\x02cos\nsystem\nX" + struct.pack("<I", len(text)) + text + b"\x85\x81."  # NEWOBJ
    yield b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c" + bytes([len(text)]) + text + b"\x85\x7d\x92."  # NEWOBJ_EX
    yield b"\x80\x04\x8c\x05numpy\x8c\x12core.os.system.foo\x93."
    yield b"\x80\x02cnumpy\nload\nX\x01\x00\x00\x00a\x85R."
    yield b"ccopyreg\n_reconstructor\n(cos\nsystem\nc__builtin__\nobject\nNtR."
    yield b"ccopy_reg\nadd_extension\n(S'os'\nS'system'\nI1\ntR."
    yield b"\x80\x02}\x82\x01."  # extension registry
    yield b"}Pos\n."  # persistent id
    yield b"\x80\x02X\x02\x00\x00\x00osQ."  # the same, of what lies on the stack
    yield b"(S'" + text + b"'\ninumpy\nndarray\n."  # INST of a name that is known
    yield b"\x80\x02cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\x00\x00\x00O8\x85RC\x08AAAAAAAA\x86R."
    yield b"\x80\x02ctorch.storage\n_load_from_bytes\nX\x01\x00\x00\x00a\x85R."  # of a text
    yield b"\x80\x02cnumpy\nndarray\nI100000000\n\x85R."  # numpy's own constructor: memory
    yield b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(ccollections\nOrderedDict\n(I0\ntS'b'\ntR."
    yield b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(c__builtin__\ndict\n(I0\ntS'b'\ntR."
    yield b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00hextR."
    yield b"\x80\x02}X\x08\x00\x00\x00__init__X\x01\x00\x00\x00a\x86b."  # BUILD on a dict
    yield b"\x80\x02](K\x01e)R."  # call of a list


def test_nothing_hostile_runs(tmp_path):
    marker = tmp_path / "executed"
    count = 0
    for raw in hostile(marker):
        said = refused(write(tmp_path, raw))
        assert not marker.exists(), raw
        assert "refused" in said and "trust" in said, (said, raw)
        count += 1
    assert count > 80
    pickle.loads(pickle.dumps(Call(os.system, f"touch {marker}")))
    assert marker.exists(), "the files would have run, had they been unpickled"


def test_the_forbidden_name_is_told(tmp_path):
    system = "posix.system" if os.name == "posix" else "nt.system"
    refused(write(tmp_path, {"a": [Call(os.system, "true")]}), system)
    refused(write(tmp_path, {"a": [Call(eval, "1")]}), "builtins.eval")
    refused(write(tmp_path, b"(S'true'\nios\nsystem\n."), "os.system")
    said = refused(write(tmp_path, b"\x80\x02cos\nsy\x1b[31mstem\n."))
    assert "\x1b" not in said


def _forged(dtype_state, shape=(1,), raw=b"A" * 8, spec="O8"):
    """An array whose dtype claims to be something else: numpy's own code would read the bytes as pointers."""
    out = io.BytesIO()
    out.write(
        b"\x80\x03}X\x05\x00\x00\x00traincnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    )
    out.write(b"(K\x01" + pickle.dumps(shape, 3)[2:-1])
    out.write(b"cnumpy\ndtype\n(X" + struct.pack("<I", len(spec)) + spec.encode() + b"\x89\x88tR")
    out.write(pickle.dumps(dtype_state, 3)[2:-1] + b"b\x89" + pickle.dumps(raw, 3)[2:-1] + b"tbs.")
    return out.getvalue()


@pytest.mark.parametrize(
    "raw",
    [
        _forged((3, "|", None, None, None, -1, -1, 0)),  # object dtype without its flag
        _forged((3, "|", None, None, None, -1, -1, 63)),
        _forged((3, "|", None, ("a",), {"a": 1}, 8, 8, 0), spec="f8"),
        _forged((3, "<", None, None, None, -1, -1, 0), spec="V8"),
        _forged((3, "<", None, None, None, -1, -1, 0), spec="f8,O"),
        _forged((4, "<", None, None, None, -1, -1, 0, ({}, ("D", 1, 1, 1))), spec="M8"),
        _forged((3, "<", None, None, None, -1, -1, 0), shape=(10**12,), spec="f8"),
        _forged((3, "<", None, None, None, -1, -1, 0), shape=(-1,), spec="f8"),
        _forged((3, "<", None, None, None, -1, -1, 0), shape=(2**80, 0), raw=b"", spec="f8"),
        _forged((3, "<", None, None, None, -1, -1, 0), shape=(1.0,), spec="f8"),
        _forged((3, "<", None, None, None, -1, -1, 0), shape="a", spec="f8"),
        _forged((3, "<", None, None, None, 10**9, 4, 0), spec="U100000000"),
        _forged((), spec="f8"),
        _forged(None, spec="f8"),
    ],
)
def test_forged_arrays(tmp_path, raw):
    said = refused(write(tmp_path, raw))
    assert "refused" in said or "damaged" in said


def test_bombs(tmp_path):
    nested = b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    tuples = b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"Ns."  # a key whose hash would exhaust the C stack
    laughs = b"\x80\x02]q\x00" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(60)) + b"."
    claims = b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"abc"
    blob = b"\x80\x04\x96" + struct.pack("<Q", 1 << 40) + b"abc"
    memo = b"\x80\x02}r" + struct.pack("<I", 0xFFFFFFFF) + b"K\x01K\x01s."
    digits = b"L" + b"9" * 100_000 + b"L\n."
    marks = b"\x80\x02" + b"(" * 100_000 + b"."
    copies = b"\x80\x02(X" + struct.pack("<I", 1_000_000) + b"a" * 1_000_000 + b"q\x00"
    copies += b"X\x06\x00\x00\x00latin1q\x01" + b"c_codecs\nencode\nq\x02" + b"h\x02h\x00h\x01\x86R" * 2000 + b"t."
    shape = b"\x80\x02cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\n)C\x01b\x87R(K\x01(" + b"K\x09" * 20_000
    shape += b"tcnumpy\ndtype\nX\x02\x00\x00\x00f8\x85R\x89C\x00tb."
    spec = laughs[:-1] + b"0cnumpy\ndtype\nh\x3c\x85R."
    for raw in (nested, tuples, laughs, claims, blob, digits, marks, copies, shape, spec):
        refused(write(tmp_path, raw))
    refused(write(tmp_path, memo), "no split 'train'")
    refused(write(tmp_path, b"\x80\x02](K\x01K\x02u."), "damaged", "pairs for something that is no dict")
    cycle = []
    cycle.append(cycle)
    data = make_data()
    data["train"]["raw_text"] = cycle
    refused(write(tmp_path, data), "within itself")
    data["train"]["raw_text"] = np.empty(N["train"], dtype=object)
    data["train"]["raw_text"][:] = [cycle] * N["train"]
    refused(write(tmp_path, data), "object array with a list")
    data["train"] = data
    refused(write(tmp_path, data), "within itself")
    data["train"], deep = make_data()["train"], []
    for _ in range(40):
        deep = [deep]
    refused(write(tmp_path, data | {"unused": deep}), "more than 32 levels")


def test_a_pickle_of_too_many_steps_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pickle_machine, "MAX_STEPS", 1000)
    said = refused(write(tmp_path, b"\x80\x02" + b"N0" * 501 + b"}."), "has more than 1000 parts")
    assert "execute" not in said  # it is plain data, and only too much
    refused(write(tmp_path, b"\x80\x02" + b"N0" * 499 + b"}."), "no split 'train'")


def test_broken_characters(tmp_path):
    data = make_data()
    data["test"]["raw_text"] = np.frombuffer(b"\xff" * 4 * N["test"], dtype="<U1")
    refused(write(tmp_path, data), "damaged", "characters")
    data["test"]["raw_text"] = ["half \ud800 a pair"] * N["test"]
    assert load_mmsa(write(tmp_path, data))["test"].raw_text[0] == "half ? a pair"


def test_large_arrays_stay_in_the_file(tmp_path):
    """'text' is 768 wide and never used: reading must not copy it, whatever the size of the file."""
    import tracemalloc

    data = make_data()
    for part in data.values():
        part["text"] = np.zeros((len(part["id"]), 400, 768), np.float32)
    path = write(tmp_path, data)
    tracemalloc.start()
    load_mmsa(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 25e6 and peak < 5e6


# ---- writing
# -----------------------------------------------------------------------------------------------------------


def make_corpus(n=6, family="sims"):
    rng = np.random.default_rng(1)

    def split(name):
        lengths = rng.integers(2, 8, n)
        ids = np.where(np.arange(9) < lengths[:, None], rng.integers(200, 900, (n, 9)), 0)
        ragged = [
            Ragged(rng.normal(size=(k.sum(), d)).astype(np.float32), k.astype(np.int64), 12)
            for k, d in ((rng.integers(1, 12, n), 3), (np.full(n, 1), 5))
        ]
        labels = np.array([-1, -0.2, 0, 0.4, 1, 0], np.float32)
        text = tuple(f"{name} näh {i} 好" for i in range(n))
        extra = {"sarcasm": np.arange(n) % 2 == 0, "regression_labels_T": labels[::-1].copy()}
        return Split(tuple(f"{name}$_${i}" for i in range(n)), text, ids, lengths, *ragged, labels, extra)

    return Corpus("made", family, "made so", {s: split(s) for s in SPLITS})


def test_export_reads_back_equal_and_plainly(tmp_path):
    corpus, path = make_corpus(), tmp_path / "out.pkl"
    export_mmsa(corpus, path)
    back = load_mmsa(path)
    assert back.family == "sims" and "itself" in back.family_reason and back.repaired == {}
    for split in SPLITS:
        assert_same_split(back[split], corpus[split])
    data = pickle.loads(path.read_bytes())  # ours, so that plain unpickling may show what others will see
    part = data["train"]
    assert (
        part["text_bert"].shape == (6, 3, 9)
        and part["audio"].shape == (6, 12, 3)
        and part["vision"].shape == (6, 12, 5)
    )
    assert part["text_bert"][:, 1].sum(1).tolist() == corpus["train"].token_lengths.tolist()
    assert part["annotations"].tolist() == ["Negative", "Negative", "Neutral", "Positive", "Positive", "Neutral"]
    assert part["classification_labels"].tolist() == [0, 0, 1, 2, 2, 1]
    assert set(part) >= {"raw_text", "id", "audio_lengths", "vision_lengths", "regression_labels"}
    assert [p.name for p in tmp_path.iterdir()] == ["out.pkl"]
    first = path.read_bytes()
    export_mmsa(corpus, path)
    assert path.read_bytes() == first


def test_export_failure_leaves_nothing(tmp_path, monkeypatch):
    with pytest.raises(CourseError, match="out.pkl cannot be written"):
        export_mmsa(make_corpus(), tmp_path / "absent" / "out.pkl")
    path = tmp_path / "out.pkl"
    path.write_bytes(b"old")

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pickle, "dump", full)
    with pytest.raises(CourseError, match="No space left"):
        export_mmsa(make_corpus(), path)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1
