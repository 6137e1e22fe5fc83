"""What a run leaves on disk: safetensors and JSON only, each file replaced in one step, so a kill leaves the old one
whole.

RUN/config.json        the configuration and what it was run with
RUN/last.safetensors   everything that resuming needs (weights, averaged and best weights, optimiser), after each epoch
RUN/model.safetensors  the best weights, once the run is complete
RUN/result.json        history and final numbers, once the run is complete
RUN/failed.json        in the place of result.json: why the training ended early, for numbers that are not finite
"""

import json
import struct
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save_file
from torch import Tensor, nn

from mgmr_lib.errors import CourseError
from mgmr_lib.files import replacing, system_error


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict | None = None) -> None:
    """Tensors by name and a small JSON dictionary, in one safetensors file, in one step."""
    # Tensors that share memory (a decay matrix that two layers share) must be saved as copies.
    copies = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
    with replacing(path) as part:
        try:
            save_file(copies, part, {"state": json.dumps(metadata or {})})
        except SafetensorError as error:
            raise system_error(error) from None


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """The inverse of save_tensors; a broken file is a CourseError."""
    try:
        with safe_open(path, "pt") as f:
            metadata = json.loads((f.metadata() or {}).get("state", "{}"))
        if not isinstance(metadata, dict):
            raise ValueError("its state is no dictionary")
        # Not load_file: its tensors stay mapped to the file, which Windows then refuses to replace when the run goes
        # on.
        return load(path.read_bytes()), metadata
    except FileNotFoundError:
        raise CourseError(f"{path} does not exist: train first, or check the path") from None
    except (SafetensorError, ValueError, TypeError, RuntimeError, RecursionError, OSError, struct.error) as error:
        raise CourseError(f"{path} is damaged ({error}): delete it and train again") from None


def with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}/{k}": v for k, v in tensors.items()}


def without_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k[len(prefix) + 1 :]: v for k, v in tensors.items() if k.startswith(prefix + "/")}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments and step counts by "index/name" (learning rates are recomputed from the step, not stored)."""
    state = optimizer.state_dict()["state"]
    return {f"{i}/{k}": torch.as_tensor(v) for i, slots in state.items() for k, v in slots.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The inverse of optimizer_tensors."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def load_weights(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Strictly; weights of another shape or another network are a CourseError."""
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CourseError(
            f"{path} does not fit this network ({reason}): use the configuration that it was trained with"
        ) from None
