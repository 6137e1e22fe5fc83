"""Tokeniser, encoders and the feature cache; the real MiniLM where it is the point, the tiny encoder elsewhere."""

import numpy as np
import pytest
import torch

from mgmr_lib.data import text
from mgmr_lib.data.corpus import Corpus, Ragged, Split
from mgmr_lib.data.door import text_view
from mgmr_lib.data.encoding_memo import SHARED_ENCODINGS
from mgmr_lib.data.load import prepare
from mgmr_lib.data.text import cached_features, encode, load_encoder, load_tokenizer, tokenize, vocabulary_mismatch
from mgmr_lib.errors import CourseError

SENTENCES = ["A gripping, smart film.", "No.", "unbelievably " * 40, "Café naïve 3/4 :-)", ""]


@pytest.fixture(scope="module", autouse=True)
def prepared():
    prepare([], wait=True)


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer("minilm")


@pytest.fixture(scope="module")
def tiny():
    return load_encoder("tiny")


def test_processes_of_one_test_run_share_what_an_encoder_said(tokenizer, tmp_path, monkeypatch):
    encoder = load_encoder("tiny")
    ids, lengths = tokenize(tokenizer, SENTENCES, 20)
    alone = encode(encoder, ids, lengths)
    monkeypatch.setenv(SHARED_ENCODINGS, str(tmp_path))
    assert np.array_equal(encode(encoder, ids, lengths).values, alone.values)
    (file,) = tmp_path.iterdir()
    monkeypatch.setattr(encoder, "forward", None)  # a second process reads, and computes nothing
    shared = encode(encoder, ids, lengths)
    assert np.array_equal(shared.values, alone.values) and np.array_equal(shared.lengths, alone.lengths)
    monkeypatch.undo()
    monkeypatch.setenv(SHARED_ENCODINGS, str(tmp_path))
    changed = ids.copy()
    changed[0, 1] += 1
    assert not np.array_equal(encode(encoder, changed, lengths).values, alone.values)
    with torch.no_grad():
        other = load_encoder("tiny")
        next(other.parameters()).add_(1.0)
    assert not np.array_equal(encode(other, ids, lengths).values, alone.values)
    file.write_bytes(b"no features")
    assert np.array_equal(encode(encoder, ids, lengths).values, alone.values)


def make_split(ids, lengths, raw_text=None):
    n = len(ids)
    frames = Ragged(np.zeros((n, 2), np.float32), np.ones(n, np.int64), 1)
    raw_text = tuple(raw_text or [""] * n)
    return Split(tuple(f"v$_${i}" for i in range(n)), raw_text, ids, lengths, frames, frames, np.zeros(n, np.float32))


def test_known_ids_of_the_uncased_vocabulary(tokenizer):
    ids, lengths = tokenize(tokenizer, ["This movie is great!"], 10)
    assert ids.tolist() == [[101, 2023, 3185, 2003, 2307, 999, 102, 0, 0, 0]]
    assert lengths.tolist() == [7] and ids.dtype == lengths.dtype == np.int64


def test_truncation_keeps_cls_and_sep_and_padding_is_zero(tokenizer):
    ids, lengths = tokenize(tokenizer, SENTENCES, 12)
    assert ids.shape == (5, 12) and lengths[2] == 12 and lengths[4] == 2
    for row, length in zip(ids, lengths, strict=True):
        assert row[0] == 101 and row[length - 1] == 102
        assert (row[length:] == 0).all() and (row[:length] != 0).all()
    whole, _ = tokenize(tokenizer, SENTENCES, 200)
    assert (whole[2, :11] == ids[2, :11]).all()


def test_tokenising_equals_the_transformers_tokenizer(tokenizer):
    from transformers import BertTokenizerFast

    from mgmr_lib.data.download.pinned import MINILM

    reference = BertTokenizerFast(vocab=str(MINILM.path / "vocab.txt"))
    expected = reference(SENTENCES, truncation=True, max_length=20, padding="max_length")["input_ids"]
    assert tokenize(tokenizer, SENTENCES, 20)[0].tolist() == expected


def test_encoding_equals_transformers_one_sentence_at_a_time(tokenizer):
    from transformers import BertModel

    from mgmr_lib.data.download.pinned import MINILM

    reference = BertModel.from_pretrained(MINILM.path).eval()
    encoder = load_encoder("minilm")
    assert (encoder.name, encoder.dim, encoder.vocab_size, encoder.frozen) == ("minilm", 384, 30522, True)
    ids, lengths = tokenize(tokenizer, SENTENCES, 50)
    features = encode(encoder, ids, lengths)
    for i, n in enumerate(lengths):
        with torch.no_grad():
            alone = reference(torch.as_tensor(ids[i : i + 1, :n])).last_hidden_state[0].numpy()
        np.testing.assert_allclose(features[i], alone, atol=1e-5)


def random_ids(n=37, longest=20, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, longest + 1, n)
    ids = rng.integers(1000, 20000, (n, longest)) * (np.arange(longest) < lengths[:, None])
    return ids, lengths


@pytest.mark.parametrize("batch_tokens", [1, 64, 100000])
def test_features_do_not_depend_on_order_or_batch(tiny, batch_tokens):
    ids, lengths = random_ids()
    expected = encode(tiny, ids, lengths, batch_tokens=200)
    order = np.random.default_rng(1).permutation(len(ids))
    shuffled = encode(tiny, ids[order], lengths[order], batch_tokens=batch_tokens)
    np.testing.assert_array_equal(shuffled.lengths, lengths[order])
    np.testing.assert_allclose(shuffled.values, expected.select(order).values, atol=1e-5)


def test_garbage_in_the_padding_changes_nothing(tiny):
    ids, lengths = random_ids()
    garbage = ids.copy()
    garbage[np.arange(ids.shape[1]) >= lengths[:, None]] = 10**9
    np.testing.assert_array_equal(encode(tiny, garbage, lengths).values, encode(tiny, ids, lengths).values)
    valid = torch.tensor([[True, True, False, False]])
    hidden = tiny(torch.tensor([[101, 102, -7, 10**9]]), valid)
    assert (hidden[0, 2:] == 0).all() and (hidden[0, :2].abs().sum(-1) > 0).all()


def test_frozen_means_no_gradient_and_no_dropout(tiny):
    tiny.train()
    assert not any(m.training for m in tiny.modules()) and not any(p.requires_grad for p in tiny.parameters())
    assert not tiny(torch.tensor([[101, 102]]), torch.ones(1, 2, dtype=torch.bool)).requires_grad
    free = load_encoder("tiny", frozen=False)
    assert free.training
    free(torch.tensor([[101, 102]]), torch.ones(1, 2, dtype=torch.bool)).sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in free.parameters())
    encode(free, *random_ids(3))
    assert free.training
    with pytest.raises(ValueError, match="cannot be cached"):
        cached_features(free, make_split(*random_ids(3)))


def test_tiny_is_the_same_in_every_run_and_leaves_the_seed_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = load_encoder("tiny"), load_encoder("tiny")
    assert torch.rand(1) == expected
    assert first.weights_id() == second.weights_id()
    with torch.no_grad():
        next(second.parameters()).add_(1e-3)
    assert load_encoder("tiny", frozen=False).weights_id() == first.weights_id()


@pytest.fixture
def counted(monkeypatch, tmp_path):
    """An empty data folder, and how often features were really computed."""
    monkeypatch.setenv("MGMR_DATA", str(tmp_path))
    calls, real = [], encode
    monkeypatch.setattr(text, "encode", lambda *a, **k: calls.append(1) or real(*a, **k))
    return calls


def test_features_are_computed_once_and_remembered_on_disk(counted, tmp_path):
    encoder, split = load_encoder("tiny"), make_split(*random_ids())
    expected = encode(encoder, split.token_ids, split.token_lengths)
    first = cached_features(encoder, split)
    np.testing.assert_array_equal(first.values, expected.values)
    assert cached_features(encoder, split) is first and len(counted) == 1
    again = cached_features(load_encoder("tiny"), split)
    assert len(counted) == 1
    np.testing.assert_array_equal(again.values, first.values)
    assert [p.suffix for p in (tmp_path / "cache" / "features").iterdir()] == [".safetensors"]


def test_the_cache_knows_content_order_and_weights(counted):
    encoder = load_encoder("tiny")
    ids, lengths = random_ids()
    cached_features(encoder, make_split(ids, lengths))
    other = ids.copy()
    other[3, 1] += 1
    cached_features(encoder, make_split(other, lengths))
    cached_features(encoder, make_split(ids[::-1], lengths[::-1]))
    changed = load_encoder("tiny")
    with torch.no_grad():
        next(changed.parameters()).add_(1e-3)
    cached_features(changed, make_split(ids, lengths))
    assert len(counted) == 4
    garbage = ids.copy()
    garbage[np.arange(ids.shape[1]) >= lengths[:, None]] = 77
    cached_features(encoder, make_split(garbage, lengths))  # padding is no content
    assert len(counted) == 4


def test_a_damaged_cache_file_is_computed_again(counted, tmp_path):
    split = make_split(*random_ids())
    expected = cached_features(load_encoder("tiny"), split).values
    (file,) = (tmp_path / "cache" / "features").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(cached_features(load_encoder("tiny"), split).values, expected)
    assert len(counted) == 2


def test_a_data_folder_that_cannot_be_written_costs_nothing_but_time(counted, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MGMR_DATA", str(tmp_path / "file"))
    assert len(cached_features(load_encoder("tiny"), make_split(*random_ids()))) == 37


def test_a_vocabulary_that_does_not_fit_is_said(tokenizer):
    ids, lengths = tokenize(tokenizer, SENTENCES[:4], 20)
    assert vocabulary_mismatch(tokenizer, make_split(ids, lengths, SENTENCES[:4])) is None
    other = np.where((ids > 102), ids + 1, ids)
    warning = vocabulary_mismatch(tokenizer, make_split(other, lengths, SENTENCES[:4]))
    assert "another vocabulary" in warning and "\n" not in warning
    unknown = ids.copy()
    unknown[0, 1] = 30522
    corpus = Corpus("made", "mosi", "", {"test": make_split(unknown, lengths)})
    with pytest.raises(
        CourseError, match=r"test/text_bert .* 30522 at clip v\$_\$0, .* 0 to 30521: use the --text-encoder"
    ):
        text_view(corpus, load_encoder("tiny"))
    padding = ids.copy()
    padding[1, -1] = 10**6
    assert vocabulary_mismatch(tokenizer, make_split(padding, lengths, SENTENCES[:4])) is None


@pytest.mark.parametrize("load", [load_encoder, load_tokenizer])
def test_without_the_hub_one_sentence_names_the_offline_encoder(load, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CourseError, match="offline encoder `minilm`"):
        load("no-such/bert-for-this-test")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CourseError, match="offline encoder `minilm`") as caught:
        load("no-such/bert-for-this-test")
    assert "\n" not in str(caught.value)
    with pytest.raises(CourseError, match="choose one of minilm"):
        load("no such name!")


def test_without_data_prepare_the_sentence_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("MGMR_DATA", str(tmp_path))
    with pytest.raises(CourseError, match="data prepare"):
        load_tokenizer("minilm")
    with pytest.raises(CourseError, match="data prepare"):
        load_encoder("minilm")


def test_stored_features_cannot_be_trained():
    with pytest.raises(CourseError, match="computed already: use --encoder-lr 0"):
        load_encoder("stored", frozen=False)


def test_features_beyond_the_cache_are_not_written(counted, tmp_path, monkeypatch):
    monkeypatch.setattr(text, "LARGEST", 1000)
    encoder, split = load_encoder("tiny"), make_split(*random_ids())
    features = cached_features(encoder, split)
    np.testing.assert_array_equal(features.values, encode(encoder, split.token_ids, split.token_lengths).values)
    assert cached_features(encoder, split) is features and len(counted) == 1  # in memory it is kept
    assert not (tmp_path / "cache" / "features").exists()
