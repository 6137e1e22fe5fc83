"""A published checkpoint's layout in our blocks: transformers' logits and text, one sentence for what is broken."""

import json

import pytest
import torch

from mgmr_lib.chapters.ch05_mamba_block.published import continue_text, published_model
from mgmr_lib.errors import CourseError

SIZES = [
    dict(vocab_size=50, hidden_size=32, num_hidden_layers=3, state_size=16),
    dict(vocab_size=23, hidden_size=24, num_hidden_layers=1, state_size=5, expand=3, conv_kernel=3, time_step_rank=4),
    dict(vocab_size=31, hidden_size=16, num_hidden_layers=2, state_size=4, use_bias=True, layer_norm_epsilon=1e-2),
]


@pytest.fixture(params=range(len(SIZES)), ids=["as published", "other sizes", "biases"])
def checkpoint(request, tmp_path):
    """A random checkpoint on disk, and transformers' own model of it."""
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()
    torch.manual_seed(request.param)
    theirs = transformers.MambaForCausalLM(transformers.MambaConfig(**SIZES[request.param])).eval()
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(0.2 * torch.randn_like(p))  # no tensor may hide behind its start
    theirs.save_pretrained(tmp_path)
    return tmp_path, theirs


def test_logits_and_text_are_those_of_transformers(checkpoint):
    folder, theirs = checkpoint
    ours = published_model(folder)
    ids = torch.randint(theirs.config.vocab_size, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert (ours(ids) - theirs(ids).logits).abs().max() < 1e-4
    written = theirs.generate(ids[:1, :7], max_new_tokens=20, do_sample=False, eos_token_id=None, pad_token_id=0)
    assert torch.equal(continue_text(ours, ids[0, :7], 20), written[0])


def test_step_by_step_is_the_full_pass_and_the_state_does_not_grow(checkpoint):
    ours = published_model(checkpoint[0])
    ids = torch.randint(20, (1, 30), generator=torch.Generator().manual_seed(2))
    state, steps, sizes = ours.allocate_state(), [], set()
    with torch.no_grad():
        for column in ids.unbind(1):
            logits, state = ours.step(column, state)
            steps.append(logits)
            sizes.add(sum(part.numel() for block in state for part in block))
        assert torch.allclose(torch.stack(steps, 1), ours(ids), atol=1e-4)
    assert len(sizes) == 1


def test_what_is_no_such_checkpoint_is_refused_in_one_sentence(checkpoint, tmp_path, monkeypatch):
    folder, _ = checkpoint
    good = json.loads((folder / "config.json").read_text())
    for change in ({"state_size": 7}, {"num_hidden_layers": 9}, {"hidden_size": "wide"}):
        (folder / "config.json").write_text(json.dumps({**good, **change}))
        with pytest.raises(CourseError, match="save_pretrained"):
            published_model(folder)
    del good["time_step_rank"]
    (folder / "config.json").write_text(json.dumps(good))
    with pytest.raises(CourseError, match="time_step_rank"):
        published_model(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(CourseError, match="save_pretrained"):
        published_model(folder)
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(CourseError, match="save_pretrained"):
        published_model(folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CourseError, match="network"):
        published_model("nobody/no-such-model")
