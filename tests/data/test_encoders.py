"""Text encoders of every family that is read, from small random checkpoints as save_pretrained and the hub write
them."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from mgmr_lib.data.corpus import Corpus, Ragged, Split
from mgmr_lib.data.door import text_view
from mgmr_lib.data.text import encode, load_encoder, load_tokenizer, tokenize
from mgmr_lib.data.wordpiece import BERT, Special, special_tokens
from mgmr_lib.errors import CourseError

WORDS = "a the film was good bad dull bright story and it is not so very".split()
SIZES = dict(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, max_position_embeddings=20,
    attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0,
)  # fmt: skip
DISTIL = dict(dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=20)
ROBERTA_LIKE = ("roberta", "xlm-roberta", "camembert", "mpnet")
FAMILIES = ["bert", "distilbert", "electra", "deberta", "deberta-v2", "albert", *ROBERTA_LIKE]


def vocabulary(family: str) -> tuple[list[str], tuple[str, str, str, str]]:
    """Token list and (pad, unk, first, last); BERT-like families have BERT's own places for them."""
    if family in ROBERTA_LIKE:
        return ["<s>", "<pad>", "</s>", "<unk>", *WORDS], ("<pad>", "<unk>", "<s>", "</s>")
    tokens = ["[PAD]", *(f"[unused{i}]" for i in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    return tokens, ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def checkpoint(folder, family="bert", model=True, tokenizer=True, head=None):
    """A random model of a family with a small vocabulary, as save_pretrained writes it."""
    from transformers import AutoConfig, AutoModel

    tokens, (pad, unk, first, last) = vocabulary(family)
    sizes = DISTIL if family == "distilbert" else dict(SIZES)
    if family == "electra":
        sizes["embedding_size"] = 8
    if family == "deberta-v2":
        sizes |= {"relative_attention": True, "position_buckets": 4, "pos_att_type": ["p2c", "c2p"]}
    torch.manual_seed(3)
    config = AutoConfig.for_model(family, vocab_size=len(tokens), pad_token_id=tokens.index(pad), **sizes)
    network = (AutoModel.from_config(config) if head is None else head(config)).eval()
    if model:
        network.save_pretrained(folder)
    else:
        config.save_pretrained(folder)
    if tokenizer:
        ids = {token: i for i, token in enumerate(tokens)}
        made = Tokenizer(models.WordLevel(ids, unk_token=unk))
        made.pre_tokenizer = pre_tokenizers.Whitespace()
        made.post_processor = processors.TemplateProcessing(
            single=f"{first} $A {last}", special_tokens=[(first, ids[first]), (last, ids[last])]
        )
        made.save(str(folder / "tokenizer.json"))
    return network


def corpus_of(texts, ids, lengths) -> Corpus:
    n = len(texts)
    frames = Ragged(np.zeros((n, 2), np.float32), np.ones(n, np.int64), 1)
    names = tuple(f"v$_${i}" for i in range(n))
    return Corpus("own", "mosi", "", {"train": Split(names, tuple(texts), ids, lengths, frames, frames, np.zeros(n))})


TEXTS = ["the film was good", "it is not so bad and not so dull", "bright", "a very very good story"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_reads_words_as_transformers_does(tmp_path, family):
    network = checkpoint(tmp_path, family)
    encoder, again = load_encoder(str(tmp_path)), load_encoder(str(tmp_path))
    assert encoder.weights_id() == again.weights_id()
    assert encoder.max_tokens == (18 if family in ROBERTA_LIKE else 20) and encoder.dim == 16
    tokenizer = load_tokenizer(str(tmp_path))
    special = special_tokens(str(tmp_path), tokenizer)
    assert special == (Special(0, 2, 3) if family in ROBERTA_LIKE else BERT)
    ids, lengths = tokenize(tokenizer, TEXTS, 12, special)
    features = encode(encoder, ids, lengths)  # a batch, so that padding is in it
    for i, text in enumerate(TEXTS):
        alone = torch.tensor([tokenizer.encode(text).ids])
        with torch.no_grad():
            expected = network(input_ids=alone, attention_mask=torch.ones_like(alone)).last_hidden_state[0]
        np.testing.assert_allclose(features[i], expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("family", ["roberta", "bert"])
def test_a_corpus_is_tokenised_anew_only_where_the_vocabulary_is_another(tmp_path, family, capsys):
    checkpoint(tmp_path, family)
    encoder = load_encoder(str(tmp_path))
    own = tokenize(load_tokenizer(str(tmp_path)), TEXTS, 12, encoder.special)
    capsys.readouterr()
    kept = text_view(corpus_of(TEXTS, *own), encoder)["train"]
    assert (kept.token_ids == own[0]).all() and kept.unk_id == encoder.special.unk
    assert capsys.readouterr().err == ""
    foreign = own[0] + (own[0] > 0) * 90  # in nobody's vocabulary
    if family == "roberta":
        anew = text_view(corpus_of(TEXTS, foreign, own[1]), encoder)["train"]
        assert (anew.token_ids == own[0]).all() and anew.unk_id == 3
        assert "tokenised anew" in capsys.readouterr().err
        with pytest.raises(CourseError, match="no raw_text"):
            text_view(corpus_of([""] * 4, *own), encoder)
    else:
        with pytest.raises(CourseError, match=r"train/text_bert holds the token id \d+ at clip v\$_\$0"):
            text_view(corpus_of(TEXTS, foreign, own[1]), encoder)


def test_the_hub_layout_of_an_old_bert_is_read(tmp_path):
    """bert-base-uncased on the hub: every name behind "bert.", LayerNorm's gamma and beta, the heads of
    pre-training."""
    from transformers import BertForPreTraining

    checkpoint(tmp_path, head=BertForPreTraining)
    path = tmp_path / "model.safetensors"
    names = load_file(path)
    assert "bert.embeddings.word_embeddings.weight" in names and "cls.seq_relationship.weight" in names
    old = {k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
           for k, v in names.items()}  # fmt: skip
    assert old.keys() != names.keys()
    with torch.no_grad():
        for value in old.values():
            if value.is_floating_point():
                value.add_(0.01 * torch.randn_like(value))
    save_file(old, path, {"format": "pt"})
    encoder = load_encoder(str(tmp_path))
    for key, value in encoder.bert.state_dict().items():
        assert torch.equal(value, old["bert." + key.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta")])  # fmt: skip
    assert not any("pooler" in key for key in encoder.bert.state_dict())


def refusal(folder) -> str:
    with pytest.raises(CourseError) as caught:
        load_encoder(str(folder))
        load_tokenizer(str(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_weights_never_pass(tmp_path):
    checkpoint(tmp_path)
    path = tmp_path / "model.safetensors"
    whole = load_file(path)
    without_pooler = {k: v for k, v in whole.items() if "pooler" not in k}
    save_file(without_pooler, path, {"format": "pt"})
    load_encoder(str(tmp_path))
    lacking = {k: v for k, v in without_pooler.items() if "layer.1.output.dense.weight" not in k}
    save_file(lacking, path, {"format": "pt"})
    assert "1 of " in refusal(tmp_path) and "layer.1.output.dense.weight" in refusal(tmp_path)
    save_file({f"other.{k}": v for k, v in whole.items()}, path, {"format": "pt"})
    assert "missing" in refusal(tmp_path)
    wrong = dict(without_pooler)
    wrong["embeddings.word_embeddings.weight"] = torch.zeros(7, 16)
    save_file(wrong, path, {"format": "pt"})
    assert "another shape (such as embeddings.word_embeddings.weight)" in refusal(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    assert "cannot be read" in refusal(tmp_path)
    path.unlink()
    assert "has no weights" in refusal(tmp_path)


def test_one_family_under_the_name_of_another_is_refused(tmp_path):
    checkpoint(tmp_path, "roberta")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "distilbert"}))
    assert "missing" in refusal(tmp_path)


@pytest.mark.parametrize("kind", ["t5", "gpt2", "vit", "wav2vec2", "x" * 500, None, 3])
def test_other_kinds_of_model_are_one_sentence(tmp_path, kind):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    assert "no text encoder" in refusal(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{", '"bert"', "\x00"])
def test_a_broken_configuration_is_one_sentence(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    assert "config.json" in refusal(tmp_path)


def test_folders_that_hold_no_encoder(tmp_path):
    assert "no config.json" in refusal(tmp_path)
    assert "no folder" in refusal(tmp_path / "absent")
    checkpoint(tmp_path, tokenizer=False)
    assert "has no tokeniser" in refusal(tmp_path) and "tokenizer.json" in refusal(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary("bert")[0]) + "\n")
    assert load_tokenizer(str(tmp_path)).encode("good").ids == [101, 108, 102]
    (tmp_path / "tokenizer.json").write_text("{}")
    assert "is no tokeniser" in refusal(tmp_path)


def test_a_configuration_cannot_name_code_to_run(tmp_path):
    checkpoint(tmp_path)
    marker = tmp_path / "executed"
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w')\nclass Evil: pass\n")
    config = json.loads((tmp_path / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil", "AutoTokenizer": ["evil.Evil", None]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    load_encoder(str(tmp_path))
    assert not marker.exists()
