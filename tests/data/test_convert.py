"""Layouts that others publish: each is made here as its writers make it, and read back value by value."""

import gzip
import os
import pickle
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from mgmr_lib import cli
from mgmr_lib.data.load import load_corpus
from mgmr_lib.data.mmsa import load_mmsa
from mgmr_lib.data.mmsa.convert import Choices, convert
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
