"""A run on disk: start or resume it, and load a finished one."""

import sys
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from mgmr_lib.data.batch import MaskedSplit
from mgmr_lib.data.classroom.corpora import SPECS, exact_name
from mgmr_lib.data.corpus import LABEL_RANGES, Corpus
from mgmr_lib.data.door import check_meets, check_trainable, text_view
from mgmr_lib.data.load import load_corpus
from mgmr_lib.data.text import TextEncoder
from mgmr_lib.errors import CourseError
from mgmr_lib.files import is_litter, make_folder, only_one, read_json, write_json
from mgmr_lib.paths import absolute, expanded
from mgmr_lib.provenance import provenance
from mgmr_lib.training.checkpoint import load_tensors, load_weights, save_tensors
from mgmr_lib.training.config import TrainConfig
from mgmr_lib.training.finite import why_failed
from mgmr_lib.training.identity import changed_settings, fingerprint, first_fingerprint, read_config, sentence_of
from mgmr_lib.training.precision import accelerator_for
from mgmr_lib.training.setup import Setup, build, cut, cut_splits, feature_widths, given_encoder, prepare
from mgmr_lib.training.trainer import Trainer, predict


def open_folder(folder: Path, config: TrainConfig, corpus: Corpus) -> bool:
    """Begin a run in an empty folder, or check that it holds the same run. True where that run is complete already."""
    if (folder / "config.json").exists():
        check_same(folder, config, corpus)
        return (folder / "result.json").exists() and (folder / "model.safetensors").exists()
    if not all(is_litter(f) for f in folder.iterdir()):
        raise CourseError(f"{folder} is not empty and holds no run: choose another --out")
    write_json(folder / "config.json", description(config, corpus))
    return False


def check_same(folder: Path, config: TrainConfig, corpus: Corpus) -> None:
    """A CourseError that names what differs, where a folder holds a run with other settings or other data."""
    about = read_about(folder)
    changed = changed_settings(read_config(about["config"], folder / "config.json"), config)
    if changed:
        raise CourseError(
            f"{folder} holds a run with other settings ({sentence_of(changed)}): choose another --out or delete it"
        )
    if about["fingerprint"] not in (fingerprint(corpus, config.text_encoder), first_fingerprint(corpus)):
        raise CourseError(
            f"{folder} holds a run on other data ({about['corpus']['name']} when it was trained, and its clips, labels,"
            f" words or features differ from {corpus.source or corpus.name}): choose another --out or delete it"
        )
    if about["corpus"]["family"] != corpus.family:
        raise CourseError(
            f"{folder} holds a run with the metrics of {about['corpus']['family']}, and {corpus.source or corpus.name}"
            f" is read as {corpus.family} here: give --dataset {about['corpus']['family']}, or choose another --out"
        )


def read_about(folder: Path) -> dict:
    """A run's config.json, with everything in it that we rely on; a CourseError where it is not there or not whole."""
    path = folder / "config.json"
    if not path.exists():
        raise CourseError(f"{folder} holds no run (no config.json): give the folder that train --out wrote")
    about = read_json(path)
    corpus = about.get("corpus") if isinstance(about, dict) else None
    if not isinstance(corpus, dict) or not {"name", "family", "widths", "frames", "text_length"} <= corpus.keys() or (
        not {"config", "fingerprint"} <= about.keys()
    ):  # fmt: skip
        raise CourseError(f"{path} is damaged (it lacks a run's facts): delete the folder and train again")
    return about


def description(config: TrainConfig, corpus: Corpus) -> dict:
    """What config.json says of a run."""
    return {
        "config": config.to_dict(),
        "config_hash": config.hash(),
        "fingerprint": fingerprint(corpus, config.text_encoder),
        "corpus": describe(corpus, config.max_clips, config.text_encoder),
        "provenance": provenance(),
    }


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
    reader = given_encoder(config, encoder)
    text_view(corpus, reader, quiet=True)  # what it refuses is said before the folder holds anything
    encoder = reader if reader.frozen else None
    accelerator = accelerator_for(config.precision, accelerator)
    folder = Path(folder)
    if accelerator.is_main_process:
        make_folder(folder)
    with only_one(folder, "training into") if accelerator.is_main_process else nullcontext():
        with accelerator.main_process_first():
            complete = open_folder(folder, config, corpus)
        if not complete:
            setup = prepare(config, corpus, encoder)
            progress = Trainer(setup, folder, quiet, accelerator).run()
            if accelerator.is_main_process:
                save_tensors(folder / "model.safetensors", setup.model.state_dict())
                write_json(folder / "result.json", vars(progress))
            accelerator.wait_for_everyone()
    return load_run(folder, corpus, encoder=encoder)


def describe(corpus: Corpus, clips: int | None = None, text_encoder: str = "") -> dict:
    """What a run must know of its corpus to do without it, and to accept another one. clips: its max_clips.

    source: the file's place, absolute, so that the run is usable from every folder. label_mean: the simplest rival, the
    mean of the training labels.
    """
    train = corpus["train"]
    # A sentence typed by hand has no voice and no face: it gets the typical numbers of frames, all of them missing.
    frames = {"audio": int(np.median(train.audio.lengths)), "vision": int(np.median(train.vision.lengths))}
    return {
        "name": corpus.name,
        "family": corpus.family,
        "label_range": corpus.label_range,
        "source": str(absolute(corpus.source)) if corpus.source else "",
        "widths": feature_widths(corpus, text_encoder),
        "frames": frames,
        "text_length": int(train.token_ids.shape[1]),
        "label_mean": float(np.mean(cut(train, clips).labels)),
        "sizes": {k: len(v) for k, v in corpus.splits.items()},
    }


@dataclass
class Run(Setup):
    """A finished run: a Setup whose network holds the best weights. It serves wherever a Setup does.

    folder: where it lies; about: what its config.json says; device: where the network is. A run that was loaded without
    a corpus has no splits.
    """

    folder: Path = Path()
    about: dict = field(default_factory=dict)
    device: str = "cpu"

    @property
    def label_range(self) -> float:
        """Labels that the network was trained on lie in [-label_range, label_range]."""
        return label_range(self.about)

    def predict(self, masked: MaskedSplit, batch_size: int = 64) -> np.ndarray:
        """(n,) predictions in order. A number that is not finite is a CourseError that names the clip."""
        found = predict(self.model, masked, batch_size, self.device)
        lost = np.flatnonzero(~np.isfinite(found))
        if len(lost):
            raise CourseError(
                f"the network in {self.folder} predicts {found[lost[0]]} for clip {masked.split.ids[lost[0]]}"
                f" ({len(lost)} of {len(found)} clips): its training went wrong; train again with a smaller --lr"
            )
        return found


def load_run(
    folder: Path,
    corpus: Corpus | None = None,
    data: str | None = None,
    encoder: TextEncoder | None = None,
    with_corpus: bool = True,
) -> Run:
    """A finished run, with its own corpus or (data, a name or path) another one of the same family and widths.

    with_corpus False: the network alone, which predicts typed sentences; its data may be gone.
    """
    folder = expanded(folder)
    about = read_about(folder)
    failure = why_failed(folder)
    if not (folder / "model.safetensors").exists():
        raise CourseError(
            failure
            or f"the run in {folder} is not complete: run its train command again, and it goes on where it stopped"
        )
    if failure:
        print(f"warning: {folder} ended early: {failure}", file=sys.stderr)
    config = read_config(about["config"], folder / "config.json")
    said = corpus is not None  # by whoever read it
    if corpus is None and with_corpus:
        corpus = corpus_of(folder, about, config, data)
    if corpus is not None:
        check_meets(folder, about, corpus)
    encoder = given_encoder(config, encoder)
    frozen = config.encoder_lr == 0
    model = build(config, about["corpus"]["widths"], encoder, frozen)
    tensors, _ = load_tensors(folder / "model.safetensors")
    load_weights(model, tensors, folder / "model.safetensors")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    splits = {} if corpus is None else cut_splits(text_view(corpus, encoder, said), config.max_clips)
    outside = encoder.to(device) if frozen else None
    corpus = corpus or Corpus(about["corpus"]["name"], about["corpus"]["family"], "as in training", {})
    return Run(config, corpus, splits, model.to(device).eval(), outside, {}, folder, about, device)


def corpus_of(folder: Path, about: dict, config: TrainConfig, data: str | None = None) -> Corpus:
    """The corpus that a run is measured on: `data` if given, else its own, wherever the command was started.

    It may lack splits and labels: what is asked of it later says so.
    """
    if data is not None:
        return _in_family(load_corpus(data, partial=True), about["corpus"]["family"])
    if config.data in SPECS:
        return load_corpus(exact_name(config.data))
    path = expanded(about["corpus"].get("source") or config.data)
    if not path.exists():
        raise CourseError(
            f"{folder} was trained on {path}, which is not there any more: give its new place with --data"
        )
    corpus = load_corpus(path, about["corpus"]["family"])
    if about["fingerprint"] not in (fingerprint(corpus, config.text_encoder), first_fingerprint(corpus)):
        print(f"warning: {path} holds other data than when {folder} was trained on it", file=sys.stderr)
    return corpus


def label_range(about: dict) -> float:
    """A run predicts labels in [-label_range, label_range]."""
    return about["corpus"].get("label_range") or LABEL_RANGES[about["corpus"]["family"]]


def _in_family(corpus: Corpus, family: str) -> Corpus:
    """Other data whose name does not tell its family is taken for the run's; labels that look otherwise are said."""
    if corpus.family == family or not corpus.family_is_a_guess:
        return corpus
    if LABEL_RANGES[family] != corpus.label_range:
        print(
            f"warning: {corpus.source}: {corpus.family_reason.split(' (')[0]}, and they are taken for {family}'s",
            file=sys.stderr,
        )
    return replace(corpus, family=family)
