"""A run that is killed after every epoch ends where an uninterrupted one does."""

import json
from pathlib import Path

import torch

from mgmr_lib.data.corpus import Corpus
from mgmr_lib.training.checkpoint import load_tensors
from mgmr_lib.training.config import TrainConfig
from mgmr_lib.training.run import train_run
from mgmr_lib.training.setup import prepare
from mgmr_lib.training.trainer import Trainer, predict


class Killed(Exception):
    pass


class OneEpoch(Trainer):
    def _save(self):
        super()._save()
        raise Killed


def assert_resuming_changes_nothing(config: TrainConfig, corpus: Corpus, folder: Path) -> dict[str, torch.Tensor]:
    """History, predictions and everything in the last checkpoint, which is returned."""
    whole = train_run(config, folder / "whole", corpus, quiet=True)
    parts = folder / "parts"
    parts.mkdir()
    for _ in range(config.epochs):
        try:
            OneEpoch(prepare(config, corpus), parts, quiet=True).run()
        except Killed:
            continue
        raise AssertionError("training ended before its last epoch")
    setup = prepare(config, corpus)
    progress = Trainer(setup, parts, quiet=True).run()
    assert progress.history == json.loads((folder / "whole" / "result.json").read_text())["history"]
    masked = setup.masked("test", 0.5, 1)
    assert (predict(setup.model, masked) == whole.predict(whole.masked("test", 0.5, 1))).all()
    tensors, resumed = (load_tensors(folder / name / "last.safetensors")[0] for name in ("whole", "parts"))
    assert tensors.keys() == resumed.keys() and all(torch.equal(t, resumed[name]) for name, t in tensors.items())
    return tensors
