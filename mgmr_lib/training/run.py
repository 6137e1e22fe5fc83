"""A run on disk: start or resume it, and load a finished one."""

import platform
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from mgmr_lib.data.batch import MaskedSplit
from mgmr_lib.data.corpus import Corpus, Split
from mgmr_lib.data.door import check_meets, check_trainable, clip_fingerprint, fingerprint, text_view
from mgmr_lib.data.door import facts as describe
from mgmr_lib.data.load import load_corpus
from mgmr_lib.data.masked import mask_split
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.data.text import TextEncoder
from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.training.checkpoint import load_tensors, load_weights, read_json, save_tensors, write_json
from mgmr_lib.training.config import TrainConfig
from mgmr_lib.training.setup import build, cut, given_encoder, prepare
from mgmr_lib.training.trainer import Trainer, predict


def provenance() -> dict:
    """What the numbers of a run depend on beside its configuration."""
    packages = ("torch", "transformers", "accelerate", "numpy", "scikit-learn")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu, {torch.get_num_threads()} threads"
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {p: version(p) for p in packages},
        "device": device,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit(),
    }


def commit() -> str:
    """The course's commit, "+" behind it where files differ from it; "" outside a git checkout."""
    command = ["git", "describe", "--always", "--abbrev=7", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def open_folder(folder: Path, description: dict, clips: str = "") -> bool:
    """Make a run's folder, or check that it holds the same run. True where that run is complete already.

    clips: the corpus's `clip_fingerprint`, which older runs carry.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "config.json"
        if path.exists():
            before = read_json(path)
            same_data = before.get("fingerprint") in (description["fingerprint"], clips)
            if before.get("config") != description["config"] or not same_data:
                raise CourseError(
                    f"{folder} holds a run with other settings or data: choose another --out or delete it"
                )
            return (folder / "result.json").exists() and (folder / "model.safetensors").exists()
        if any(folder.iterdir()):
            raise CourseError(f"{folder} is not empty and holds no run: choose another --out")
        write_json(path, description)
    except (FileExistsError, NotADirectoryError):
        raise CourseError(f"{folder} is a file, not a folder: choose another --out") from None
    except PermissionError:
        raise CourseError(f"{folder} cannot be written to: choose another --out or mend its permissions") from None
    return False


def train_run(
    config: TrainConfig,
    folder: Path,
    corpus: Corpus | None = None,
    quiet: bool = False,
    accelerator: Accelerator | None = None,
    encoder: TextEncoder | None = None,
) -> "Run":
    """Train into a folder, or go on where a killed run stopped; a complete one is only loaded.

    encoder: the configuration's frozen text encoder, if it is loaded already.
    """
    corpus = corpus or load_corpus(config.data, config.dataset)
    check_trainable(corpus)
    accelerator = accelerator or Accelerator()
    folder = Path(folder)
    description = {
        "config": config.to_dict(),
        "config_hash": config.hash(),
        "fingerprint": fingerprint(corpus),
        "corpus": describe(corpus, config.text_encoder),
        "provenance": provenance(),
    }
    with accelerator.main_process_first():
        complete = open_folder(folder, description, clip_fingerprint(corpus))
    if not complete:
        setup = prepare(config, corpus, encoder)
        trainer = Trainer(setup, folder, quiet, accelerator)
        started = time.perf_counter()
        progress = trainer.run()
        if accelerator.is_main_process:
            save_tensors(folder / "model.safetensors", setup.model.state_dict())
            seconds = round(time.perf_counter() - started, 1)
            write_json(folder / "result.json", {"seconds": seconds, **vars(progress)})
        accelerator.wait_for_everyone()
    return load_run(folder, corpus, encoder=encoder)


@dataclass
class Run:
    """A finished run: what it was trained on, the network with its best weights, and the text encoder if frozen."""

    folder: Path
    config: TrainConfig
    about: dict
    corpus: Corpus | None
    model: torch.nn.Module
    encoder: torch.nn.Module
    device: str = "cpu"

    @property
    def frozen(self) -> torch.nn.Module | None:
        """The encoder where it stands outside the network; None where it was fine-tuned inside it."""
        return self.encoder if self.config.encoder_lr == 0 else None

    def split(self, name: str) -> Split:
        """A split of the run's corpus, cut as the configuration says."""
        return cut(self.corpus[name], self.config.max_clips)

    def masked(self, split: Split, rate: float, seed: int) -> MaskedSplit:
        """A split under static masks at one missing rate, its text encoded if the encoder is frozen."""
        return mask_split(split, draw_masks(split, rate, seed), self.frozen, targets=False)

    def predict(self, masked: MaskedSplit, batch_size: int = 64) -> np.ndarray:
        """(n,) predictions in order."""
        return predict(self.model, masked, batch_size, self.device)


def load_run(
    folder: Path,
    corpus: Corpus | None = None,
    data: str | None = None,
    encoder: TextEncoder | None = None,
    labels: str | None = None,
    partial: bool = False,
    without_corpus: bool = False,
) -> Run:
    """A finished run, with its own corpus or (data, a name or path) another one that it may meet (see data.door).

    labels: the split whose labels will be measured against; partial: the file may lack other splits and labels;
    without_corpus: load none, for sentences of one's own.
    """
    folder = Path(folder)
    if not (folder / "config.json").exists():
        raise CourseError(f"{folder} holds no run (no config.json): give the folder that train --out wrote")
    about = read_json(folder / "config.json")
    if not (folder / "model.safetensors").exists():
        raise CourseError(
            f"the run in {folder} is not complete: run its train command again, and it goes on where it stopped"
        )
    config = TrainConfig.from_dict(about["config"])
    encoder, own = given_encoder(config, encoder), corpus is None and data is None
    if corpus is None and not without_corpus:
        corpus = load_corpus(data or config.data, config.dataset, partial=partial)
    if corpus is not None:
        check_meets(about, corpus, own, labels)
        corpus = text_view(corpus, encoder)
    model = build(config, about["corpus"]["widths"], encoder, config.encoder_lr == 0)
    tensors, _ = load_tensors(folder / "model.safetensors")
    load_weights(model, tensors, folder / "model.safetensors")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Run(folder, config, about, corpus, model.to(device).eval(), encoder.to(device), device)
