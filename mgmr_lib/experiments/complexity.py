"""Cost: time and memory of whole networks against the length of their input and at published sizes, and inference time
on complete and half-missing data.

The counterpart of MGMR-Net's Table 7, and the measurement behind its claim of linear cost. Weights are fresh: cost does
not depend on what they hold. Times are processor time on one thread, every contender measured in turn, medians.
"""

import argparse
import functools
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from mgmr_lib.bench.measure import cpu_seconds, interleaved, one_thread, peak_bytes
from mgmr_lib.data.batch import Batch, MaskedSplit, ModalityBatch, mask_split
from mgmr_lib.data.corpus import Corpus, Split
from mgmr_lib.data.door import STORED, settings_for, text_view
from mgmr_lib.data.load import load_corpus
from mgmr_lib.data.missing import draw_masks
from mgmr_lib.data.text import TextEncoder, cached_features, load_encoder
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments.plan import LAYERS, SYSTEMS, VARIANTS
from mgmr_lib.experiments.records import corpus_key
from mgmr_lib.experiments.sweep import environment
from mgmr_lib.files import make_folder, read_json, write_json
from mgmr_lib.models.inputs import Inputs
from mgmr_lib.models.registry import NETWORKS, entry
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.training.config import make_config
from mgmr_lib.training.identity import fingerprint
from mgmr_lib.training.losses import LossWeights, joint_loss

LENGTHS = (125, 250, 500, 1000, 2000, 4000)
BATCH = 4
WORDS = 50
OVER_LENGTH = ("mgmr", "mfmb", "mfmb_mamba", "mult", *LAYERS)
INFERENCE = ("fc_t", "concat", "late_lstm", "tfn", "lmf", "mult", "tfr", "mfmb", "mfmb_mamba", "mgmr")


MOSI_FRAMES = (375, 500)  # MOSI's longest voice and face, as MMSA stores them; its longest text has WORDS tokens
MOSI_WIDTHS = (768, 5, 20)


@dataclass(frozen=True)
class Costs:
    """What is measured. frames: lengths of voice and face; batch clips; rounds of interleaved calls after one that
    warms up."""

    frames: tuple[int, ...] = LENGTHS
    batch: int = BATCH
    rounds: int = 3
    patience_s: float = 20.0
    widths: tuple[int, int, int] = (384, 5, 20)


def network(name: str, profile: str, widths: tuple[int, int, int], pool: bool = False) -> nn.Module:
    """A variant with fresh weights, its profile's sizes, and (pool False) every frame of voice and face before it."""
    v = VARIANTS[name]
    config = make_config(v.model, profile, **dict(v.settings))
    pools = {"audio": config.pool_audio if pool else 1, "vision": config.pool_vision if pool else 1}
    torch.manual_seed(0)
    return entry(v.model).build(
        config.network, Inputs(dict(zip(("text", "audio", "vision"), widths, strict=True)), pools, None)
    )


def random_batch(
    frames: int | tuple[int, int], batch: int, widths: tuple[int, int, int], rate: float = 0.5, words: int = WORDS
) -> Batch:
    """A batch of noise: `frames` steps of voice and face (or of each), `words` of text, everything valid, a share
    `rate` missing."""
    steps = (words, *((frames, frames) if isinstance(frames, int) else frames))
    g = torch.Generator().manual_seed(steps[1])

    def part(length: int, width: int) -> ModalityBatch:
        target = torch.randn(batch, length, width, generator=g)
        keep = torch.rand(batch, length, generator=g) >= rate
        valid = torch.ones(batch, length, dtype=torch.bool)
        return ModalityBatch(target * keep[..., None], target, valid, keep)

    text, audio, vision = (part(n, w) for n, w in zip(steps, widths, strict=True))
    return Batch(tuple(str(i) for i in range(batch)), torch.randn(batch, generator=g), text, audio, vision)


def forward(model: nn.Module, batch: Batch) -> None:
    """Inference, no graph."""
    model.eval()
    with torch.no_grad():
        model(batch)


def train_step(model: nn.Module, batch: Batch) -> None:
    """Forward and backward of the joint loss."""
    model.train()
    model.zero_grad(set_to_none=True)
    joint_loss(model(batch), batch.labels, LossWeights())["total"].backward()


def over_length(profile: str, costs: Costs = Costs(), names: tuple[str, ...] = OVER_LENGTH) -> list[dict]:
    """Records {"name", "label", "frames", "pass", "seconds", "bytes"}: one network, one length, forward or train
    step."""
    records = []
    models = {n: network(n, profile, costs.widths) for n in names if VARIANTS[n].model in NETWORKS}
    with one_thread():
        for frames in costs.frames:
            batch = random_batch(frames, costs.batch, costs.widths)
            for what, step in (("forward", forward), ("train step", train_step)):
                calls = {n: functools.partial(step, m, batch) for n, m in models.items()}
                times = interleaved(calls, costs.rounds, costs.patience_s)
                for n, call in calls.items():
                    records.append(
                        {
                            "name": n,
                            "label": VARIANTS[n].label,
                            "frames": frames,
                            "pass": what,
                            "seconds": times[n]["median_s"],
                            "bytes": peak_bytes(call),
                        }
                    )
    return records


def published_sizes(
    names: tuple[str, ...] = SYSTEMS, frames: tuple[int, int] = MOSI_FRAMES, batch: int = 24, rounds: int = 3
) -> list[dict]:
    """Records {"name", "label", "parameters", "seconds", "bytes"} of a train step at a network's published sizes, text
    features given: what the published modules were measured at (cost_tables.PUBLISHED_MODULES)."""
    models = {n: network(n, "full", MOSI_WIDTHS) for n in names if VARIANTS[n].model in NETWORKS}
    clips = random_batch(frames, batch, MOSI_WIDTHS)
    calls = {n: functools.partial(train_step, m, clips) for n, m in models.items()}
    with one_thread():
        times = interleaved(calls, rounds, 60.0)
        return [
            {
                "name": n,
                "label": VARIANTS[n].label,
                "parameters": sum(p.numel() for p in m.parameters()),
                "seconds": times[n]["median_s"],
                "bytes": peak_bytes(calls[n]),
            }
            for n, m in models.items()
        ]


def inference(
    corpus: Corpus, profile: str, names: tuple[str, ...] = INFERENCE, rounds: int = 3, batch_size: int = 64
) -> list[dict]:
    """Seconds for the whole test split, text features given, complete and with half of everything missing (Table 7's
    counterpart)."""
    test, encoder = _as_read(corpus, profile)
    complete = cached_features(encoder, test)
    masked = {r: mask_split(test, draw_masks(test, r, 1), encoder, complete, targets=False) for r in (0.0, 0.5)}
    widths = (complete.dim, test.audio.dim, test.vision.dim)
    names = tuple(n for n in names if VARIANTS[n].model in NETWORKS)
    models = {n: network(n, profile, widths, pool=True) for n in names}
    batches = {rate: _batches(split, batch_size) for rate, split in masked.items()}
    calls = {(n, r): functools.partial(_all, models[n], batches[r]) for n in names for r in batches}
    with one_thread():  # both rates in turn, so that a machine that slows down slows both
        times = interleaved(calls, rounds, 240.0, cpu_seconds)
    return [
        {
            "name": n,
            "label": VARIANTS[n].label,
            "rate": rate,
            "clips": len(test),
            "seconds": times[n, rate]["median_s"],
            "parameters": sum(p.numel() for p in models[n].parameters()),
        }
        for rate in batches
        for n in names
    ]


def _as_read(corpus: Corpus, profile: str) -> tuple[Split, TextEncoder]:
    """The test split as the networks of a profile read it, and the text encoder (the file's own text where it has no
    tokens)."""
    name = settings_for(corpus).get("text_encoder", make_config("concat", profile).text_encoder)
    encoder = load_encoder(name)
    return text_view(corpus, encoder)["test"], encoder


def _batches(split: MaskedSplit, size: int) -> list[Batch]:
    return [split.batch(range(i, min(i + size, len(split)))) for i in range(0, len(split), size)]


def _all(model: nn.Module, batches: list[Batch]) -> None:
    for batch in batches:
        forward(model, batch)


def measure_costs(corpus: Corpus, profile: str, costs: Costs = Costs()) -> dict:
    """Everything that `experiment complexity` records."""
    test, encoder = _as_read(corpus, profile)
    text = test.stored_text.dim if encoder.name == STORED else encoder.dim
    costs = replace(costs, widths=(text, test.audio.dim, test.vision.dim))
    return {
        "corpus": corpus.name,
        "profile": profile,
        "batch": costs.batch,
        "words": WORDS,
        "provenance": environment() | {"threads": 1},
        "over_length": over_length(profile, costs),
        "published": published_sizes(),
        "inference": inference(corpus, profile),
    }


def inference_again(found: dict, corpus: Corpus) -> dict:
    """The record with inference measured once more, which takes a minute: it alone has to be quiet, as its networks lie
    close together. The new rows have a provenance of their own."""
    again = {"inference": environment() | {"threads": 1}}
    return found | {"inference": inference(corpus, found["profile"]), "again": found.get("again", {}) | again}


def provenance_of(found: dict, part: str) -> dict:
    """When and where a part of the record was measured: "over_length", "published" or "inference"."""
    return found.get("again", {}).get(part, found["provenance"])


def costs_path(corpus: str, profile: str, folder: Path = REPOSITORY / "data" / "results") -> Path:
    """Where the record lies."""
    return folder / f"complexity-{corpus}-{profile}.json"


def read_costs(path: Path) -> dict | None:
    """The record; None where nothing is recorded."""
    if not path.exists():
        return None
    found = read_json(path)
    if not {"over_length", "inference", "provenance"} <= found.keys():
        raise CourseError(
            f"{path} is no record of costs: delete it and run `python -m mgmr_lib experiment complexity` again"
        )
    return found


def main(args: argparse.Namespace) -> int:
    """`experiment complexity`: measure (unless --report-only), then tables and figure."""
    from mgmr_lib.experiments.cost_tables import write_costs

    corpus = load_corpus(args.data, args.dataset)
    key = corpus_key(corpus.name, fingerprint(corpus), corpus.family)
    paths = [costs_path(key, args.profile, ledger.parent) for ledger in (args.ledger, *args.others)]
    if args.inference_again and (found := read_costs(paths[0])) is not None:
        write_json(paths[0], inference_again(found, corpus))
    elif not args.report_only:
        make_folder(paths[0].parent, "--ledger")
        write_json(paths[0], measure_costs(corpus, args.profile))
        print(paths[0])
    found = next((costs for path in paths if (costs := read_costs(path)) is not None), None)
    if found is None:
        raise CourseError(
            f"{paths[0]} does not exist: run `python -m mgmr_lib experiment complexity` without --report-only"
        )
    for file in write_costs(found, args.out / key / args.profile):
        print(file)
    return 0
