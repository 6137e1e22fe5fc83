"""Layouts that others publish: each is made here as its writers make it, and read back value by value."""

import gzip
import os
import pickle
import time
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from mgmr_lib import cli
from mgmr_lib.data.load import load_corpus
from mgmr_lib.data.mmsa import export_mmsa, load_mmsa
from mgmr_lib.data.mmsa.convert import Choices, convert
from mgmr_lib.data.mmsa.layouts import one_column
from mgmr_lib.data.mmsa.safe_pickle import load_any
from mgmr_lib.errors import CourseError
from tests.data.test_door import glove_data
from tests.data.test_mmsa import assert_same_split, make_data, write


def same(one, other):
    for split in ("train", "valid", "test"):
        assert_same_split(one[split], other[split])
        a, b = one[split].text, other[split].text
        assert (a is None) == (b is None) and (a is None or (a.features().values == b.features().values).all())


def changed(data, **changes):
    """The file with keys of each split changed: {key: function}."""
    return {s: {**part, **{k: f(part[k]) for k, f in changes.items()}} for s, part in data.items()}


def renamed(data, **names):
    return {s: {names.get(k, k): v for k, v in part.items()} for s, part in data.items()}


READ_DIRECTLY = {
    "val": lambda d: {("val" if s == "valid" else s): part for s, part in d.items()},
    "dev": lambda d: {("dev" if s == "valid" else s): part for s, part in d.items()},
    "other names": lambda d: renamed(d, audio="acoustic", vision="visual", regression_labels="label"),
    "labels (n, 1)": lambda d: changed(d, regression_labels=lambda v: v[:, None]),
    "labels (n, 1, 1)": lambda d: changed(d, regression_labels=lambda v: v[:, None, None]),
    "labels a list of lists": lambda d: changed(d, regression_labels=lambda v: [[float(x)] for x in v]),
    "torch tensors": lambda d: changed(
        d,
        **{
            k: (lambda v: torch.from_numpy(np.asarray(v)))
            for k in ("audio", "vision", "text_bert", "regression_labels")
        },
    ),
    "a transposed tensor": lambda d: changed(
        d, vision=lambda v: torch.from_numpy(np.ascontiguousarray(v.swapaxes(0, 2))).permute(2, 1, 0)
    ),
    "parts of one tensor": lambda d: changed(
        d, audio=lambda v: torch.cat([torch.zeros(1, *v.shape[1:]), torch.from_numpy(v)])[1:]
    ),
}


@pytest.mark.parametrize("case", READ_DIRECTLY)
def test_what_is_unambiguous_is_read_as_it_is(tmp_path, case):
    data = make_data()
    same(load_mmsa(write(tmp_path, READ_DIRECTLY[case](data))), load_mmsa(write(tmp_path, data, "plain.pkl")))


def test_gzip_and_torch_save(tmp_path):
    data = make_data()
    plain, path = load_mmsa(write(tmp_path, data)), tmp_path / "file.pkl.gz"
    path.write_bytes(gzip.compress(pickle.dumps(data)))
    same(load_mmsa(path), plain)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CourseError, match="gzip"):
        load_mmsa(path)
    path = tmp_path / "file.pt"
    torch.save(READ_DIRECTLY["torch tensors"](data), path)
    same(load_mmsa(path), plain)
    torch.save(READ_DIRECTLY["torch tensors"](data), path, _use_new_zipfile_serialization=False)
    with pytest.raises(CourseError):
        load_mmsa(path)


def test_lists_and_object_arrays_of_clips(tmp_path):
    data = make_data()
    lengths = {s: part["audio_lengths"] for s, part in data.items()}

    def clips(as_what):
        out = {}
        for s, part in data.items():
            cut = [v[:n] for v, n in zip(part["audio"], lengths[s], strict=True)]
            out[s] = {**part, "audio": as_what(cut)}
            del out[s]["audio_lengths"]
        return out

    def objects(values):
        out = np.empty(len(values), dtype=object)
        out[:] = values
        return out

    plain = load_mmsa(write(tmp_path, data, "plain.pkl"))
    for as_what in (list, tuple, objects, lambda v: [c.tolist() for c in v]):
        found = load_mmsa(write(tmp_path, clips(as_what)))
        for split in plain.splits:
            np.testing.assert_array_equal(found[split].audio.values, plain[split].audio.values)
            np.testing.assert_array_equal(found[split].audio.lengths, plain[split].audio.lengths)


def misa(data, words_as_text=True):
    """MISA's and MAG-BERT's clips: ((words, vision, audio[, words as text]), label (1, 1), name)."""
    out = {}
    for split, part in data.items():
        clips = []
        for i in range(len(part["id"])):
            n = part["audio_lengths"][i]
            words = str(part["raw_text"][i]).split()
            first = (np.arange(len(words)), part["vision"][i, :n], part["audio"][i, :n], words)
            features = first if words_as_text else (words, *first[1:3])
            clips.append((features, np.array([[part["regression_labels"][i]]]), str(part["id"][i])))
        out[{"valid": "dev"}.get(split, split)] = clips
    return out


@pytest.mark.parametrize("words_as_text", [True, False])
@pytest.mark.parametrize("in_a_folder", [True, False])
def test_lists_of_clips(tmp_path, words_as_text, in_a_folder):
    data = make_data()
    source = tmp_path / "misa"
    clips = misa(data, words_as_text)
    if in_a_folder:
        source.mkdir()
        for split, values in clips.items():
            write(source, values, f"{split}.pkl")
    else:
        source = write(tmp_path, clips)
        with pytest.raises(CourseError, match="data convert"):
            load_mmsa(source)
    destination = tmp_path / "out.pkl"
    assert cli.main(["data", "convert", str(source), str(destination)]) == 0
    corpus, plain = load_mmsa(destination), load_mmsa(write(tmp_path, data, "plain.pkl"))
    for split in plain.splits:
        found = corpus[split]
        assert found.ids == plain[split].ids and found.raw_text == plain[split].raw_text and found.has_tokens
        np.testing.assert_array_equal(found.labels, plain[split].labels)
        np.testing.assert_array_equal(found.audio.values, plain[split].audio.values)
        assert (found.token_ids[:, 0] == 101).all()


def test_a_mult_file_converts_to_what_it_is_read_as(tmp_path):
    source = write(tmp_path, glove_data(), "mosi_data.pkl")
    destination = tmp_path / "out.pkl"
    assert cli.main(["data", "convert", str(source), str(destination)]) == 0
    same(load_corpus(destination), load_corpus(source))
    assert cli.main(["data", "convert", str(source), str(source)]) == 2


def test_folders_of_arrays_and_npz(tmp_path):
    data, folder = glove_data(), tmp_path / "mosi_arrays"
    folder.mkdir()
    names = {"text": "text", "audio": "covarep", "vision": "facet", "labels": "y"}
    flat = {}
    for split, part in data.items():
        for key, name in names.items():
            np.save(folder / f"{name}_{split}.npy", part[key])
            flat[f"{split}/{key}"] = part[key]
    np.savez_compressed(tmp_path / "mosi_arrays.npz", **flat)
    plain = load_corpus(write(tmp_path, data, "mosi_data.pkl"))
    for source in (folder, tmp_path / "mosi_arrays.npz"):
        found = convert(source, Choices())
        for split in plain.splits:
            np.testing.assert_array_equal(found[split].text.features().values, plain[split].text.features().values)
            np.testing.assert_array_equal(found[split].audio.values, plain[split].audio.values)
            np.testing.assert_array_equal(found[split].labels, plain[split].labels)


def test_hdf5_with_a_choice_of_labels_and_no_text(tmp_path):
    folder, rng, truth = tmp_path / "dump", np.random.default_rng(0), {}
    folder.mkdir()
    for split, n in (("train", 12), ("valid", 6), ("test", 7)):
        truth[split] = rng.uniform(1, 7, (n, 3))
        for key, value in (
            ("audio", rng.normal(size=(n, 5, 4))),
            ("video", rng.normal(size=(n, 5, 3))),
            ("y", truth[split]),
        ):
            with h5py.File(folder / f"{key}_{split}.h5", "w") as file:
                file["d1"] = value
    with pytest.raises(CourseError, match="3 columns: choose one with --label-column"):
        convert(folder, Choices())
    with pytest.raises(CourseError, match="outside --label-range"):
        convert(folder, Choices(label_column=1, label_range=(2, 7)))
    corpus = convert(folder, Choices(label_column=1, label_range=(1, 7)))
    np.testing.assert_allclose(corpus["test"].labels, truth["test"][:, 1] - 4, atol=1e-6)
    assert corpus["train"].text.dim == 1 and not corpus["train"].has_tokens


def test_what_would_have_to_be_executed_is_refused_with_the_way_out(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    for data in ({**make_data(), "extra": frame}, frame, changed(make_data(), regression_labels=pd.Series)):
        for read in (load_mmsa, lambda p: convert(p, Choices())):
            with pytest.raises(CourseError) as caught:
                read(write(tmp_path, data))
            said = str(caught.value)
            assert "\n" not in said and "pandas" in said and "execute" in said and "data/README.md" in said


@pytest.mark.parametrize("name", ["no split", "unknown", "clips", "numbers", "empty folder", "text"])
def test_what_no_layout_explains_is_one_sentence(tmp_path, name):
    clip = ((["a"], np.ones((2, 3)), np.ones((2, 3))), 1.0, "x")
    numbers = ((np.arange(3), np.ones((2, 3)), np.ones((2, 3))), 1.0, "x")
    contents = {
        "no split": {"a": 1},
        "unknown": {"train": 3},
        "clips": {"train": [clip, clip[:1]]},
        "numbers": {"train": [numbers]},
    }
    source = tmp_path / "folder"
    source.mkdir()
    if name in contents:
        source = write(tmp_path, contents[name])
    elif name == "text":
        source = tmp_path / "file.csv"
        source.write_text("a,b\n1,2\n")
    with pytest.raises(CourseError) as caught:
        convert(source, Choices())
    assert "\n" not in str(caught.value) and source.name in str(caught.value)


def forged(tmp_path, size, stride, offset=0, count=4):
    """What torch.save writes, with a shape that its four numbers do not fill."""
    import io
    import struct

    def number(n):
        return b"\x8a\x08" + struct.pack("<q", n)

    def numbers(values):
        return b"(" + b"".join(number(v) for v in values) + b"t"

    out = io.BytesIO()
    out.write(
        b"\x80\x02}X\x05\x00\x00\x00trainctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
    )
    out.write(
        b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
        + number(count)
        + b"tQ"
        + number(offset)
        + numbers(size)
        + numbers(stride)
    )
    out.write(b"\x89}tRs.")
    path = tmp_path / "forged.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", out.getvalue())
        archive.writestr("a/data/0", np.arange(4, dtype="<f4").tobytes())
    return path


def test_a_tensor_stays_within_its_numbers(tmp_path):
    from mgmr_lib.data.mmsa.safe_pickle import load

    assert load(forged(tmp_path, (2, 2), (1, 2)))["train"].tolist() == [[0, 2], [1, 3]]
    for broken in (
        dict(size=(5,), stride=(1,)),
        dict(size=(2,), stride=(4,)),
        dict(size=(1,), stride=(1,), offset=4),
        dict(size=(-1,), stride=(1,)),
        dict(size=(2,), stride=(-1,)),
        dict(size=(2, 2), stride=(1,)),
        dict(size=(1 << 50,), stride=(0,)),
        dict(size=(4,), stride=(1,), count=5),
        dict(size=(4,), stride=(1,), count=-1),
    ):
        with pytest.raises(CourseError):
            load(forged(tmp_path, **broken))
    assert not os.path.exists(tmp_path / "executed")


@pytest.mark.parametrize("place", ["labels", "voice", "clips"])
def test_a_small_file_of_repeated_lists_is_refused_at_once(tmp_path, place):
    """28 lists of the one before, twice: a few hundred bytes, and 2^28 numbers for whoever follows them."""
    repeated, data = [1.0], make_data()
    for _ in range(28):
        repeated = [repeated, repeated]
    if place == "clips":
        data = misa(data)
        data["train"][1] = (data["train"][1][0], repeated, "name")
    else:
        key = {"labels": "regression_labels", "voice": "audio"}[place]
        data["train"][key] = [repeated] * len(data["train"]["id"])
    started = time.perf_counter()
    for read in (load_mmsa, lambda p: convert(p, Choices())):
        with pytest.raises(CourseError, match=r"file\.pkl is refused, because it repeats its lists"):
            read(write(tmp_path, data))
    assert time.perf_counter() - started < 5


# ---- what is read, case by case: {name: (change of each split's dict, what the sentence says or None)}


def ragged_text(part, first=None):
    """One array of features a clip, a step fewer than its tokens, the first of them blank or `first`."""
    steps = part["text_bert"][:, 1].sum(1)
    rows = [np.full((n - 1, 4), i, np.float32) for i, n in enumerate(steps)]
    return {**part, "text": [[] if first is None else first, *rows[1:]]}


REFUSED = {
    "labels of different lengths": (lambda p: {**p, "regression_labels": [[1.0, 2.0], *[[1.0]] * (len(p["id"]) - 1)]},
                                    "train/regression_labels is a list"),
    "labels of lists of different lengths": (lambda p: {**p, "regression_labels": [[[1.0], [2.0, 3.0]]] * len(p["id"])},
                                             "train/regression_labels is a list"),
    "labels of words": (lambda p: {**p, "regression_labels": np.array(["good"] * len(p["id"]))},
                        "train/regression_labels holds <U4 values, not numbers"),
    "a number for a voice": (lambda p: {**p, "audio": 3}, "train/audio is a int"),
    "a single array for a voice": (lambda p: {**p, "audio": np.array(3.0)}, "train/audio has shape"),
    "a number for a voice, and no face": (lambda p: {"audio": 3, "id": p["id"]}, "lacks the keys vision"),
    "words in the voice": (lambda p: {**p, "audio": [*p["audio"][:-1], [["a"]]]}, "train/audio holds something other"),
    "another width": (lambda p: {**p, "vision": [*p["vision"][:-1], np.ones((2, 9))]}, "at clip 11, but each clip"),
    "text of numbers": (lambda p: ragged_text(p, np.array(3.0)), "train/text has something other than"),
    "text of rows of different lengths": (lambda p: ragged_text(p, [[1.0], [2.0, 3.0]]), "train/text has something"),
    "sentences of lists": (lambda p: {**without(p, "text", "text_bert"), "raw_text": [["a", "b"]] * len(p["id"])},
                           "train/raw_text holds a list at clip 0"),
    "one number for all sentences": (lambda p: {**without(p, "text", "text_bert"), "raw_text": 3},
                                     "train/raw_text is a int"),
}  # fmt: skip


def without(part, *keys):
    return {k: v for k, v in part.items() if k not in keys}


@pytest.mark.parametrize("case", REFUSED)
def test_odd_values_are_one_sentence_that_names_the_key(tmp_path, case):
    change, words = REFUSED[case]
    data = {split: change(part) for split, part in make_data().items()}
    with pytest.raises(CourseError) as caught:
        convert(write(tmp_path, data), Choices())
    assert words in str(caught.value) and "file.pkl" in str(caught.value) and "\n" not in str(caught.value)


def test_text_features_of_their_own_lengths_stand_beside_tokens(tmp_path):
    data = {split: ragged_text(part) for split, part in make_data().items()}
    corpus = load_mmsa(write(tmp_path, data))
    train = corpus["train"]
    assert train.has_tokens and train.text.dim == train.text.features().dim == 4
    assert train.text.features().lengths.tolist() == [0, *(train.token_lengths[1:] - 1)]
    assert (train.text.features()[3] == 3).all()


def test_text_features_that_no_clip_has_leave_the_tokens(tmp_path):
    data = {split: {**part, "text": [[]] * len(part["id"])} for split, part in make_data().items()}
    train = load_mmsa(write(tmp_path, data))["train"]
    assert train.has_tokens and (train.token_ids == data["train"]["text_bert"][:, 0]).all()
    with pytest.raises(CourseError, match="train/text has shape .* at clip 0, but each clip must be"):
        train.text.features()


def test_broken_text_features_beside_tokens_are_said_when_they_are_read(tmp_path, capsys):
    data = make_data()
    data["train"]["text"][2, 0, :5] = np.nan
    corpus = load_mmsa(write(tmp_path, data))
    assert corpus.repaired == {} and not capsys.readouterr().err
    features = corpus["train"].text.features()
    assert (features[2][0, :5] == 0).all() and (features[2][0, 5:] == data["train"]["text"][2, 0, 5:]).all()
    assert "train/text: 5 values were infinite or NaN" in capsys.readouterr().err
    assert corpus.repaired == {"train/text": 5}


def test_lists_of_clips_are_cut_to_stored_lengths(tmp_path):
    data = make_data()
    plain = load_mmsa(write(tmp_path, data, "plain.pkl"))
    for part in data.values():
        part["audio"] = list(part["audio"])
        part["audio_lengths"] = np.array(part["audio_lengths"])[:, None]  # (n, 1)
    same(load_mmsa(write(tmp_path, data)), plain)


def test_sentences_under_the_name_of_text_become_tokens(tmp_path):
    """Bytes and blanks are read as the reader reads them elsewhere."""
    data = {}
    for split, part in make_data().items():
        words = [b"a good film", None, float("nan"), *["bad"] * (len(part["id"]) - 3)]
        data[split] = {**without(part, "text", "text_bert"), "raw_text": words}
    train = convert(write(tmp_path, data), Choices())["train"]
    assert train.raw_text[:4] == ("a good film", "", "", "bad")
    assert train.token_ids[0, :5].tolist() == [101, 1037, 2204, 2143, 102] and train.token_lengths[1] == 2
    for part in data.values():
        part["text"] = ["a good film", "", "", *part.pop("raw_text")[3:]]
    assert convert(write(tmp_path, data), Choices())["train"].raw_text == train.raw_text


def test_a_split_without_labels_is_exported_without_them(tmp_path):
    data = {"test": without(make_data()["test"], "regression_labels", "annotations", "classification_labels")}
    corpus = load_mmsa(write(tmp_path, data), partial=True)
    export_mmsa(corpus, tmp_path / "out.pkl")
    back, labels = load_mmsa(tmp_path / "out.pkl", partial=True)["test"], np.zeros(len(corpus["test"]))
    assert np.isnan(back.labels).all()
    assert_same_split(replace(back, labels=labels), replace(corpus["test"], labels=labels))
    written = pickle.loads((tmp_path / "out.pkl").read_bytes())["test"]  # ours
    assert not {"annotations", "classification_labels", "regression_labels"} & set(written)
    with pytest.raises(CourseError, match="no split 'train'"):
        load_mmsa(tmp_path / "out.pkl")


def test_clips_with_a_sentence_in_one_piece_and_clips_of_several_labels(tmp_path):
    clip = ("a good  film", np.ones((2, 3)), np.ones((4, 5)))
    data = {s: [(clip, [1.0, 2.0]), (clip, [-1.0, 0.5])] for s in ("train", "valid", "test")}
    train = convert(write(tmp_path, data), Choices(label_column=1))["train"]
    assert train.raw_text == ("a good film",) * 2 and train.labels.tolist() == [2.0, 0.5]
    assert train.ids == ("train0", "train1") and train.audio.dim == 5
    for labels, words in (
        ([1.0], "different numbers of labels"),
        ([1.0, [2.0]], "clip 1 of split 'train' has a label"),
    ):
        data["train"][1] = (clip, labels)
        with pytest.raises(CourseError, match=f"file.pkl.*{words}"):
            convert(write(tmp_path, data), Choices(label_column=0))


# ---- HDF5 and .npz files as they come: {name: (what is added to the file, what the sentence says)}


def hdf5(path, **more):
    """One HDF5 file with all splits, and further data sets."""
    with h5py.File(path, "w") as file:
        for split, n in (("train", 6), ("valid", 3), ("test", 3)):
            file[f"{split}/audio"], file[f"{split}/vision"] = np.ones((n, 4, 3)), np.ones((n, 4, 2))
            file[f"{split}/labels"] = np.linspace(-1, 1, n)
        for name, value in more.items():
            if isinstance(value, list):  # of different lengths
                made = file.create_dataset(f"train/{name}", (len(value),), dtype=h5py.vlen_dtype(np.float32))
                for i, row in enumerate(value):
                    made[i] = row
            else:
                file[f"train/{name}"] = (
                    file["train"].ref if isinstance(value, str) and value == "a reference" else value
                )
    return path


def test_hdf5_holds_more_than_numbers(tmp_path):
    """Words and names are read; a single text, lists of different lengths and references that nobody asks for are no
    obstacle."""
    words = np.array(["a good film", "näh", "", "c", "d", "e"], dtype=object)
    path = hdf5(
        tmp_path / "mosi.h5", raw_text=words, id=words, title="POM", extra=[[1.0], [1.0, 2.0]], link="a reference"
    )
    with h5py.File(path, "a") as file:
        file["train/nothing"] = h5py.Empty("f")
        file["valid/raw_text"], file["test/raw_text"] = [b"bad"] * 3, [b"bad"] * 3
    corpus = convert(path, Choices())
    assert corpus["train"].raw_text[:3] == corpus["train"].ids[:3] == ("a good film", "näh", "")
    assert corpus["valid"].raw_text == ("bad",) * 3 and corpus["train"].token_lengths.tolist()[:3] == [5, 3, 2]
    assert corpus["train"].labels[0] == -1
    with pytest.raises(CourseError, match=r"mosi.h5: train/vision_lengths"):
        convert(hdf5(path, vision_lengths=[[1.0]] * 6), Choices())


def test_damaged_arrays_are_one_sentence(tmp_path):
    """Of an HDF5 file the end is gone; of a compressed .npz some bytes in the middle; a third needs pickle."""
    path, other = hdf5(tmp_path / "mosi.h5"), tmp_path / "mosi.npz"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(CourseError, match="mosi.h5 is a damaged HDF5 file .*: get it again"):
        convert(path, Choices())
    arrays = {
        f"{s}/{k}": np.random.default_rng(0).random((40, 3, 3)) for s in ("train", "test") for k in ("audio", "vision")
    }
    np.savez_compressed(other, **arrays)
    whole = other.read_bytes()
    for at in range(200, len(whole), 997):
        other.write_bytes(whole[:at] + b"\xff\x00\xff" + whole[at + 3 :])
        with pytest.raises(CourseError, match="mosi.npz"):
            convert(other, Choices())
    marker = tmp_path / "executed"
    np.savez(other, **{"train/audio": np.array([Executed(marker)], dtype=object)})
    with pytest.raises(CourseError, match="mosi.npz cannot be read without executing it"):
        convert(other, Choices())
    assert not marker.exists()
    pickle.loads(pickle.dumps(Executed(marker)))
    assert marker.exists(), "the file would have run, had it been unpickled"
    for content in (b"PK\x03\x04" + bytes(100), whole[:300]):
        other.write_bytes(content)
        with pytest.raises(CourseError, match="mosi.npz"):
            convert(other, Choices())


class Executed:
    """Pickles as a call that makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


def test_folders_skip_hidden_files_and_ask_where_a_file_holds_several_arrays(tmp_path):
    for key, width in (("audio", 3), ("video", 2)):
        for split in ("train", "valid", "test"):
            with h5py.File(tmp_path / f"{key}_{split}.h5", "w") as file:
                file["d1"] = np.ones((4, 3, width))
    (tmp_path / "._audio_train.h5").write_bytes(b"what macOS leaves in archives")
    corpus = convert(tmp_path, Choices())
    assert len(corpus["train"]) == 4 and corpus["train"].audio.dim == 3 and not any("_" in n for n in corpus.notes)
    with h5py.File(tmp_path / "audio_train.h5", "a") as file:
        file["d2"] = np.ones(2)
    with pytest.raises(CourseError, match="audio_train.h5 holds d1, d2, and we cannot tell which"):
        convert(tmp_path, Choices())


@pytest.mark.parametrize("words", [["convert"], ["describe"]])
def test_a_path_that_is_not_there(tmp_path, capsys, words):
    rest = [str(tmp_path / "out.pkl")] if words == ["convert"] else []
    for name in ("absent.pkl", "x" * 300):
        assert cli.main(["data", *words, str(tmp_path / name), *rest]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "absent.pkl" in said or "xxx" in said
    assert not (tmp_path / "out.pkl").exists()


def test_parameters_and_tensors_of_no_numbers_are_read(tmp_path):
    data = make_data()
    data["test"]["audio"] = torch.nn.Parameter(torch.from_numpy(data["test"]["audio"]))
    for part in data.values():
        part["unused"] = torch.zeros(0, 3)
    plain = load_mmsa(write(tmp_path, make_data(), "plain.pkl"))
    same(load_mmsa(write(tmp_path, data)), plain)
    torch.save(data["test"]["audio"], tmp_path / "array.pt")
    assert load_any(tmp_path / "array.pt").shape == data["test"]["audio"].shape
    path = write(tmp_path, torch.zeros(0, 3), "none.pkl")
    assert load_any(path).shape == (0, 3)


def nested_tensor(swap):
    """A pickle of a tensor, in which `swap` (a pair of bytes) has changed something of the same length."""
    raw = pickle.dumps({"train": torch.arange(3.0)}, 4)
    assert raw.count(swap[0]) >= 1
    return raw.replace(*swap)


@pytest.mark.parametrize(
    "swap, words",
    [
        ((b"little_endian", b"little_endiaN"), "without its numbers"),
        ((b"FloatStorage", b"ShortStorage"), "wrong number of bytes"),
        ((b"storage", b"storagE"), "refused"),
    ],
)
def test_a_tensor_in_a_pickle_whose_parts_do_not_agree(tmp_path, swap, words):
    with pytest.raises(CourseError, match=f"file.pkl .*{words}"):
        load_mmsa(write(tmp_path, nested_tensor(swap)))


def test_a_torch_archive_that_points_elsewhere_is_refused(tmp_path):
    path = tmp_path / "file.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}X\x01\x00\x00\x00aX\x0b\x00\x00\x00/etc/passwdQs.")
    with pytest.raises(CourseError, match="file.pt is refused, because it refers to something outside the file"):
        load_mmsa(path)


@pytest.mark.parametrize("one", [lambda v: np.array([v]), lambda v: [v], lambda v: np.array([[v]]), float])
def test_labels_of_one_number_each_are_a_column_however_they_are_wrapped(one):
    assert list(one_column([one(0.5), one(-2.0)])) == [0.5, -2.0]
    several = [np.array([0.5, 1.0]), np.array([1.0, 2.0])]
    assert one_column(several) is several
