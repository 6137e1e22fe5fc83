"""Pretrained text encoders of the transformers library: which families are read, and that every weight is there."""

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from mgmr_lib.data.download.hub import WEIGHTS
from mgmr_lib.errors import CourseError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Encoders that turn token ids and a mask into a last_hidden_state, one [CLS] and one [SEP] around a sentence. The value
# is how many of the position embeddings come before a sentence's first: RoBERTa's start behind the padding's.
FAMILIES = {
    "bert": 0, "distilbert": 0, "electra": 0, "deberta": 0, "deberta-v2": 0, "albert": 0,
    "roberta": 2, "xlm-roberta": 2, "camembert": 2, "mpnet": 2,
}  # fmt: skip


def longest_text(config) -> int:
    """How many tokens a model of this configuration has positions for."""
    return config.max_position_embeddings - FAMILIES[config.model_type]


def padding_id(config) -> int:
    """The id that padding has in this vocabulary (RoBERTa counts positions by it)."""
    return 0 if config.pad_token_id is None else config.pad_token_id


def load_model(name: str, folder: Path) -> "PreTrainedModel":
    """The encoder in a folder, without its pooler. Raises CourseError for other kinds of model and missing weights."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    family = _family(name, folder)
    if not any((folder / file).is_file() for file in (*WEIGHTS, *(f"{w}.index.json" for w in WEIGHTS))):
        raise CourseError(f"the text encoder {name!r} has no weights: {folder} holds neither {' nor '.join(WEIGHTS)}")
    try:
        config = CONFIG_MAPPING[family].from_pretrained(folder, local_files_only=True)
        kind = MODEL_MAPPING[type(config)]
        options = {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(kind).parameters else {}
        options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}  # we look at the report ourselves
        model, report = kind.from_pretrained(folder, config=config, local_files_only=True, **options)
    except Exception as error:  # whatever a broken file makes transformers, safetensors or torch raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise CourseError(f"the text encoder {name!r} cannot be read from {folder} ({reason}): get it again") from error
    _check_complete(name, model, report)
    return model


def _family(name: str, folder: Path) -> str:
    try:
        family = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise CourseError(
            f"{folder / 'config.json'} is damaged ({error}): get the text encoder {name!r} again"
        ) from error
    if family not in FAMILIES:
        raise CourseError(
            f"{name!r} is a model of the kind {str(family)[:40]!r}, which is no text encoder that we read: choose one "
            f"of the families {', '.join(FAMILIES)}"
        )
    return family


def _check_complete(name: str, model: nn.Module, report: dict) -> None:
    """Weights that the file lacks would be random, and other ones in each run. (We do not use a pooler.)"""
    lacking = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    wrong = sorted(str(key[0] if isinstance(key, tuple) else key) for key in report.get("mismatched_keys", ()))
    if lacking or wrong:
        first, count = (lacking + wrong)[0], len(lacking) + len(wrong)
        raise CourseError(
            f"the weights of {name!r} do not fill the model: {count} of {len(model.state_dict())} are missing or of "
            f"another shape (such as {first}), so it is another kind of model or an incomplete copy: get it again"
        )
