"""`experiment plan`: which runs a ledger lacks, and what they would cost here: hours, memory, disk.

Each network trains on one batch; what that takes, times the batches and epochs of a whole training, is an upper bound:
a training that stops early is shorter.
"""

import argparse
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from tqdm.auto import tqdm

from mgmr_lib.bench.measure import peak_bytes
from mgmr_lib.data.corpus import Corpus
from mgmr_lib.data.door import settings_for
from mgmr_lib.data.load import absolute_data, load_corpus
from mgmr_lib.data.text import TextEncoder, encode
from mgmr_lib.experiments.plan import BASELINES, EXPERIMENTS, TWO, VARIANTS, Job, jobs_of, settings_given
from mgmr_lib.experiments.sweep import Sweep, shared_encoder, standing
from mgmr_lib.settings import known
from mgmr_lib.training.config import TrainConfig
from mgmr_lib.training.setup import cut, prepare
from mgmr_lib.training.trainer import Trainer

KEPT = 6  # times the weights on disk: the network; in the checkpoint it, its best, its mean, AdamW's two moments


@dataclass(frozen=True)
class Cost:
    """Of one training: seconds at most (without what is shared, the frozen text encoder); bytes: the most that a step
    holds beyond weights; weights: their number."""

    seconds: float
    bytes: int
    weights: int


def cost(config: TrainConfig, corpus: Corpus, encoder: TextEncoder | None = None) -> Cost:
    """Measured on one batch. encoder: the configuration's own, frozen, with a memory for what it said."""
    size = min(config.batch_size, len(corpus["train"]))
    setup = prepare(replace(config, max_clips=size, epochs=1), corpus, encoder)
    clips, valid = (len(cut(corpus[split], config.max_clips)) for split in ("train", "valid"))
    setup.splits["valid"] = cut(setup.splits["valid"], max(1, round(size * valid / clips)))
    Trainer(setup, quiet=True).run()  # what happens once: compilation, the text of this epoch
    started = time.perf_counter()
    Trainer(setup, quiet=True).run()
    seconds = (time.perf_counter() - started) * clips / size * config.epochs
    return Cost(seconds, _peak(setup), sum(p.numel() for p in setup.model.parameters()))


def _peak(setup) -> int:
    if not torch.cuda.is_available():
        return peak_bytes(lambda: Trainer(setup, quiet=True).run())
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    Trainer(setup, quiet=True).run()
    return torch.cuda.max_memory_allocated() - before


def encoding_seconds(config: TrainConfig, corpus: Corpus, encoder: TextEncoder) -> float:
    """What a frozen encoder needs at most for the masked text of a whole training, which runs of one seed share.

    Stored features need nothing. The whole time is measured: a folder of shared encodings is not read.
    """
    if not isinstance(encoder, TextEncoder):
        return 0.0
    train = corpus["train"]
    few = cut(train, config.batch_size)
    memo, encoder.memo = encoder.memo, None
    try:
        encode(encoder, few.token_ids, few.token_lengths, shared=False)
        started = time.perf_counter()
        encode(encoder, few.token_ids, few.token_lengths, shared=False)
        return (time.perf_counter() - started) * len(cut(train, config.max_clips)) / len(few) * config.epochs
    finally:
        encoder.memo = memo


def planned_jobs(names: Iterable[str] | None, protocols: str, **how) -> list[Job]:
    """The runs of these variants under protocol B, and those that are tabled on complete data under A, too; of every
    experiment where no names are given. how: what plan.jobs_of takes beside them."""
    everyone = dict.fromkeys((*TWO, *(name for names in EXPERIMENTS.values() for name in names)))
    names = list(everyone if names is None else names)
    of = {"B": names, "A": [name for name in names if name in (*TWO, *BASELINES)]}
    return [job for protocol in sorted(protocols, reverse=True) for job in jobs_of(of[protocol], protocol, **how)]


def lines(jobs: list[Job], to_go: list[Job], costs: dict[str, Cost], encoding: float, processes: int) -> list[str]:
    """What is printed: a line for each variant, and the sum."""
    out = []
    for name, found in costs.items():
        runs, left = (sum(j.variant.name == name for j in part) for part in (jobs, to_go))
        out.append(
            f"{name:24s} {left:3d} of {runs:3d} runs to go, at most {found.seconds / 3600:.2f} hours each, "
            f"{found.weights / 1e6:.2f} million weights, {found.bytes / 1e9:.2f} GB for a step"
        )
    seeds = {j.config.seed for j in to_go}
    hours = (sum(costs[j.variant.name].seconds for j in to_go) + encoding * len(seeds)) / 3600
    disk = sum(KEPT * 4 * costs[j.variant.name].weights for j in to_go) / 1e9
    share = max(1, min(processes, len(seeds)))
    out.append(
        f"in all: {len(to_go)} of {len(jobs)} runs to go, at most {hours:.1f} hours of training"
        + (f" ({hours / share:.1f} with --jobs {share})" if share > 1 else "")
        + (f", of which the frozen text encoder {encoding * len(seeds) / 3600:.1f}" if encoding else "")
        + f"; {disk:.1f} GB of weights and checkpoints"
    )
    return out


def main(args: argparse.Namespace) -> int:
    """`experiment plan`."""
    named = args.models.split(",") if args.models else None
    names = None if named is None else tuple(dict.fromkeys(known("variant", n.strip(), VARIANTS) for n in named))
    settings = settings_given(args.set, args.pattern, names or TWO)
    args.data = absolute_data(args.data)
    corpus = load_corpus(args.data, args.dataset)
    masks = tuple(range(1, args.mask_seeds + 1))
    sweep = Sweep(args.ledger, args.runs, corpus, masks, others=args.others, settings=settings)
    how = {"profile": args.profile, "family": corpus.family, "data": args.data, "dataset": args.dataset}
    given = settings_for(corpus) | settings
    jobs = planned_jobs(names, args.protocol, **how, count=args.seeds, **given)
    to_go = [job for job in jobs if standing(sweep, job)[0] != "recorded"]
    encoder = shared_encoder(jobs)
    one_of_each = list({j.variant.name: j for j in to_go}.values())
    bar = tqdm(one_of_each, desc="a batch of each", unit="network", disable=args.quiet)
    costs = {j.variant.name: cost(j.config, corpus, encoder) for j in bar}
    encoding = encoding_seconds(to_go[0].config, corpus, encoder) if to_go and encoder is not None else 0.0
    for line in lines(jobs, to_go, costs, encoding, args.jobs):
        print(line)
    return 0
