"""What a training on classroom-mosei holds at most hangs on these: sequences without a second copy, sums in parts."""

import dataclasses
import pickle
import tracemalloc
from functools import partial

import numpy as np
import pytest
import torch

from mgmr_lib.data import feature_files
from mgmr_lib.data.batch import mask_split
from mgmr_lib.data.classroom import corpora, features
from mgmr_lib.data.compact import CodedRagged, PatchedRagged
from mgmr_lib.data.corpus import Ragged
from mgmr_lib.data.missing import train_masks
from mgmr_lib.data.text import encode, load_encoder
from mgmr_lib.models.inputs import Inputs, _moments
from tests.toy import toy_corpus

LENGTHS = np.array([3, 0, 5, 1])


def coded(seed=0) -> tuple[CodedRagged, Ragged]:
    steps = np.random.default_rng(seed).integers(0, 256, (9, 5)).astype(np.uint8)
    decode = partial(features.decode, modality=corpora.SPECS["classroom-mosi"].modalities()["audio"])
    return CodedRagged(steps, decode, LENGTHS, 6), Ragged(decode(steps), LENGTHS, 6)


def patched() -> tuple[PatchedRagged, Ragged]:
    rng = np.random.default_rng(1)
    before, rows = rng.normal(size=(9, 5)).astype(np.float32), np.array([0, 3])
    new = Ragged(rng.normal(size=(4, 5)).astype(np.float32), LENGTHS[rows], 6)
    after = before.copy()
    after[:3], after[8:] = new[0], new[1]
    return PatchedRagged(Ragged(before, LENGTHS, 6), rows, new), Ragged(after, LENGTHS, 6)


@pytest.mark.parametrize("made", [coded, patched])
def test_a_compact_sequence_is_the_plain_one_to_the_last_bit(made):
    compact, plain = made()
    assert len(compact) == 4 and compact.dim == 5 and compact.max_length == 6
    assert compact.values.dtype == np.float32 and np.array_equal(compact.values, plain.values)
    for i in (0, 1, 2, 3, -1, -4):
        assert np.array_equal(compact[i], plain[i])
    with pytest.raises(IndexError):
        compact[4]
    assert np.array_equal(compact.padded(), plain.padded())
    for index in ([3, 0, 0], np.array([], int), np.array([2])):
        one, other = compact.select(index), plain.select(index)
        assert np.array_equal(one.values, other.values) and np.array_equal(one.lengths, other.lengths)
    again = pickle.loads(pickle.dumps(compact))
    assert np.array_equal(again[2], plain[2])
    louder = dataclasses.replace(compact, values=compact.values + 1)
    assert type(louder) is Ragged and np.array_equal(louder[2], plain[2] + 1)
    with pytest.raises(ValueError, match="read-only"):  # it would be lost
        compact.values[:] = 0


def test_lengths_that_do_not_fit_are_refused():
    compact, plain = coded()
    with pytest.raises(ValueError, match="add up to 9, but there are 8 frames"):
        CodedRagged(compact.steps[:8], compact.decode, LENGTHS, 6)
    with pytest.raises(ValueError, match="longer or shorter"):
        PatchedRagged(plain, np.array([0]), Ragged(plain.values[:2], np.array([2]), 6))


def test_a_large_corpus_keeps_the_steps_of_its_file(monkeypatch):
    spec = corpora.SPECS["classroom-mosi"]
    plain = corpora.read(spec)
    assert type(plain["train"].audio) is Ragged
    monkeypatch.setattr(corpora, "LARGEST_DECODED", 1_000_000)
    tracemalloc.start()
    compact = corpora.read(spec)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    frames = [r for s in plain.splits.values() for r in (s.audio, s.vision)]
    assert held < 0.6 * sum(r.values.nbytes for r in frames)  # a quarter, the sentences and the tokens
    for name, split in plain.splits.items():
        for m in ("audio", "vision"):
            found = getattr(compact[name], m)
            assert type(found) is CodedRagged and np.array_equal(found.values, getattr(split, m).values)
    assert corpora.FIRST["classroom-mosei"].sizes[0] > 16_000 and corpora.LARGEST_DECODED < 300_000_000


def test_an_epochs_text_takes_no_second_copy_of_the_complete_clips():
    split, encoder = toy_corpus(sizes=(200, 1, 1))["train"], load_encoder("tiny")
    complete = encode(encoder, split.token_ids, split.token_lengths)
    keep = train_masks(split, 0, 1)
    tracemalloc.start()
    masked = mask_split(split, keep, encoder, complete)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert isinstance(masked.masked_text, PatchedRagged) and masked.masked_text.features is complete
    assert held < 0.75 * complete.values.nbytes  # half of the clips are complete


def test_statistics_are_those_of_the_whole_array():
    values = np.random.default_rng(0).normal(3, 2, (5003, 37)).astype(np.float32)
    whole = torch.from_numpy(values.astype(np.float64))
    for numbers in (1, 20_000, 64_000, 10**9):
        mean, scale = _moments(values, numbers)
        assert torch.equal(mean.float(), whole.mean(0).float())
        assert torch.equal(scale.float(), whole.std(0, unbiased=False).float())


def test_fitting_copies_no_large_array_whole():
    values = np.random.default_rng(0).normal(size=(400_000, 60)).astype(np.float32)
    tracemalloc.start()
    Inputs({"text": 1, "audio": 60, "vision": 1}).fit("audio", values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < values.nbytes  # in float64 it would be twice as much


def test_large_features_lie_on_the_disk_where_there_is_room(tmp_path, monkeypatch):
    values = np.arange(60, dtype=np.float32).reshape(12, 5)
    monkeypatch.setattr(feature_files, "LARGE", 100)
    path = tmp_path / "name.safetensors"
    feature_files.write_values(path, values)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(feature_files, "ROOM", 1 << 60)
    feature_files.write_values(path, values, 1000)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    monkeypatch.setattr(feature_files, "LARGE", 100)
    feature_files.write_values(path, values, 1000)
    assert [f.name for f in tmp_path.iterdir()] == ["name.npy"]
    assert np.array_equal(feature_files.read_values(path, (12, 5)), values)
    assert feature_files.read_values(path, (12, 6)) is None
    (tmp_path / "name.npy").write_bytes(b"\x93NUMPY broken")
    assert feature_files.read_values(path, (12, 5)) is None


def test_giving_memory_back_is_nothing_elsewhere(monkeypatch):
    feature_files.give_back()
    monkeypatch.setattr(feature_files.sys, "platform", "win32")
    feature_files._trim.cache_clear()
    try:
        assert feature_files._trim() is None
        feature_files.give_back()
    finally:
        feature_files._trim.cache_clear()
