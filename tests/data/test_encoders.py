"""Text encoders of every family that is read, from small random checkpoints as save_pretrained and the hub write
them."""

import json
import threading
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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
    assert not any("pooler" in key for key in encoder.bert.state_dict())
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


# ---- the hub: a server on this machine that the real client asks


class Hub(BaseHTTPRequestHandler):
    """Serves folder/OWNER/NAME/FILE as the model hub does, and counts what is taken."""

    def __init__(self, folder, taken, *rest):
        self.folder, self.taken = folder, taken
        super().__init__(*rest)

    def do_HEAD(self):
        name, _, file = self.path.strip("/").partition("/resolve/main/")
        path = self.folder / name / file
        if name and not path.is_file():
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound" if path.parent.is_dir() else "RepoNotFound")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        content = path.read_bytes() if name else b""
        self.send_response(200)
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.taken.append(file)
            self.wfile.write(content)

    do_GET = do_HEAD  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """(the folder of a hub on this machine, the files that were taken from it)."""
    from huggingface_hub import constants

    folder, taken = tmp_path / "hub", []
    (folder / "own").mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, folder, taken))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", place)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", place + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    yield folder, taken
    server.shutdown()
    server.server_close()


def test_a_name_on_the_hub_is_fetched_once_and_reads_as_its_folder(hub, monkeypatch):
    from huggingface_hub import constants

    folder, taken = hub
    checkpoint(folder / "own" / "bert")
    encoder, tokenizer = load_encoder("own/bert"), load_tokenizer("own/bert")
    assert encoder.weights_id() == load_encoder(str(folder / "own" / "bert")).weights_id()
    assert tokenizer.encode("good").ids == load_tokenizer(str(folder / "own" / "bert")).encode("good").ids
    assert sorted(taken) == ["config.json", "model.safetensors", "tokenizer.json"]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # what was taken serves without the hub
    assert load_encoder("own/bert").weights_id() == encoder.weights_id() and len(taken) == 3


def test_older_files_of_the_hub_serve_where_the_newer_are_missing(hub):
    folder, taken = hub
    network = checkpoint(folder / "own" / "old", tokenizer=False)
    (folder / "own" / "old" / "model.safetensors").unlink()
    torch.save(network.state_dict(), folder / "own" / "old" / "pytorch_model.bin")
    (folder / "own" / "old" / "vocab.txt").write_text("\n".join(vocabulary("bert")[0]) + "\n")
    state = load_encoder("own/old").bert.state_dict()
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in state.items())
    assert load_tokenizer("own/old").encode("good").ids == [101, 108, 102]
    assert sorted(taken) == ["config.json", "pytorch_model.bin", "vocab.txt"]


def test_what_the_hub_lacks_is_one_sentence_with_the_fix(hub, tmp_path):
    folder, _ = hub
    (folder / "own" / "empty").mkdir()
    for name, words in (("own/absent", "has no text encoder 'own/absent' .*check the name's spelling"),
                        ("own/empty", "'own/empty' has no config.json on the hub")):  # fmt: skip
        for load in (load_encoder, load_tokenizer):
            with pytest.raises(CourseError, match=words) as caught:
                load(name)
            assert "\n" not in str(caught.value)
    checkpoint(folder / "own" / "empty", model=False, tokenizer=False)
    with pytest.raises(CourseError, match="'own/empty' has no weights"):
        load_encoder("own/empty")
    with pytest.raises(CourseError, match="'own/empty' has no tokeniser"):
        load_tokenizer("own/empty")


def test_an_empty_folder_of_the_name_of_an_encoder_does_not_hide_it(hub):
    folder, _ = hub
    Path("bert-base-chinese").mkdir()
    checkpoint(folder / "bert-base-chinese")
    assert load_encoder("bert-base-chinese").dim == 16


def test_vocabularies_that_are_no_tokeniser_of_berts_kind(tmp_path):
    checkpoint(tmp_path, "roberta", tokenizer=False)
    (tmp_path / "vocab.json").write_text("{")
    (tmp_path / "merges.txt").write_text("")
    with pytest.raises(
        CourseError, match="has no tokenizer.json, and none can be made of its vocabulary .*save one there"
    ):
        load_tokenizer(str(tmp_path))
    for unknown, special in (("[UNK]", False), (None, True)):  # nothing around a sentence; no token for a missing one
        ids = {token: i for i, token in enumerate(["[CLS]", "[SEP]", *WORDS, *([unknown] if unknown else [])])}
        made = Tokenizer(models.WordLevel(ids, **({"unk_token": unknown} if unknown else {})))
        if special:
            made.post_processor = processors.TemplateProcessing(
                single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
            )
        with pytest.raises(CourseError, match="knows no .UNK.: choose a text encoder of BERT's kind"):
            special_tokens(str(tmp_path), made)
