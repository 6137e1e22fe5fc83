"""A published Mamba language model, read into the same blocks as our character model (notebook 05).

The layout is that of Hugging Face's `MambaForCausalLM`, in which state-spaces/mamba-130m-hf and its larger kin are
kept: config.json, and model.safetensors with `backbone.embeddings`, `backbone.layers.{i}.norm` and `.mixer` (the nine
tensors of a block), `backbone.norm_f`; the readout shares the embedding's weights.
"""

import json
from pathlib import Path

import torch
from torch import Tensor

from mgmr_lib.chapters.ch05_mamba_block.language import CharModel
from mgmr_lib.errors import CourseError

FILES = ("config.json", "model.safetensors")
RENAMED = {
    "backbone.embeddings.": "embed.",
    "backbone.norm_f.": "norms.{layers}.",
    ".norm.": "norms.{i}.",
    ".mixer.": "blocks.{i}.",
}


def published_model(source: str | Path) -> CharModel:
    """The language model in a folder, or under a name on the hub such as state-spaces/mamba-130m-hf.

    It maps ids of its own tokeniser (b,l) to logits (b,l,v), in float32. CourseError: a file is missing or is none of
    this layout, or the hub cannot be reached.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = _folder(source)
    try:
        config = json.loads((folder / FILES[0]).read_text(encoding="utf-8"))
        weights = load_file(folder / FILES[1])
        model = _empty(config)
        named = {_our_name(name, config["num_hidden_layers"]): w.float() for name, w in weights.items()}
        if config.get("tie_word_embeddings", True):
            named.pop("lm_head.weight", None)  # a copy of the embedding
        model.load_state_dict(named, strict=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CourseError(
            f"{folder} holds no language model in the layout of MambaForCausalLM ({reason}): "
            "name a folder that its save_pretrained wrote, such as a copy of state-spaces/mamba-130m-hf"
        ) from error
    return model.eval()


def _folder(source: str | Path) -> Path:
    """Where the files lie; a name that is no folder is asked for on the hub."""
    if Path(source).is_dir():
        return Path(source)
    from mgmr_lib.data.download.hub import hub_file

    try:
        return [hub_file(str(source), file).parent for file in FILES][0]
    except CourseError as error:
        raise CourseError(
            f"{source} is no folder, and the model hub does not give it: check the name and the network, or name a "
            "folder with config.json and model.safetensors"
        ) from error


def _empty(config: dict) -> CharModel:
    """Our model in the sizes of a published config."""
    options = {"d_conv": "conv_kernel", "expand": "expand", "dt_rank": "time_step_rank"}
    more = {ours: config[theirs] for ours, theirs in options.items()}
    sizes = (config[key] for key in ("vocab_size", "hidden_size", "num_hidden_layers", "state_size"))
    model = CharModel(*sizes, conv_bias=config["use_conv_bias"], bias=config["use_bias"], **more)
    for norm in model.norms:
        norm.eps = config["layer_norm_epsilon"]
    return model


def _our_name(name: str, layers: int) -> str:
    """backbone.layers.3.mixer.D -> blocks.3.D, and so on; a name that we do not know comes back as it is."""
    i, rest = "", name
    if name.startswith("backbone.layers."):
        _, _, i, rest = name.split(".", 3)
        rest = "." + rest
    for theirs, ours in RENAMED.items():
        if rest.startswith(theirs):
            return ours.format(i=i, layers=layers) + rest[len(theirs) :]
    return name


@torch.no_grad()
def continue_text(model: CharModel, ids: Tensor, count: int) -> Tensor:
    """ids (l) -> (l+count): `count` likeliest next ids, one step at a time; what it carries does not grow."""
    state, written = model.allocate_state(), ids.tolist()
    for i in written[:-1]:
        _, state = model.step(torch.tensor([i]), state)
    for _ in range(count):
        logits, state = model.step(torch.tensor(written[-1:]), state)
        written.append(int(logits.argmax()))
    return torch.tensor(written)
