"""`experiment long`: where linear cost should matter. For clips of 2,000 to 16,000 simulated frames: who can tell what
two moments far from each other decide, and what a train step costs in time and memory.

A training begins with short clips and doubles their length stage by stage: begun at 2,000 frames, MGMR-Net and
MFMB-Net's Mamba twin still guessed after 160 and 80 steps. Errors are measured behind each stage, on clips as long as
its own, that no training sees.
"""

import argparse
import functools
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from sklearn.linear_model import Ridge
from torch import Tensor, nn
from torch.nn.functional import softplus
from tqdm.auto import tqdm

from mgmr_lib.bench.measure import interleaved, one_thread, peak_bytes
from mgmr_lib.data.batch import Batch
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments.long_clips import WORDS, long_clips
from mgmr_lib.experiments.long_networks import CONTENDERS, Contender
from mgmr_lib.experiments.sweep import environment
from mgmr_lib.files import make_folder, read_json, write_json
from mgmr_lib.paths import REPOSITORY
from mgmr_lib.provenance import digest
from mgmr_lib.training.seeds import mix

FILE = REPOSITORY / "data" / "results" / "long_sequences.json"
CONTROLS = {"mean": ("ridge on the mean frame", 1), "parts": ("ridge on ten parts' means", WORDS)}
UNSEEN = 10**6  # seeds of the clips on which errors are measured


@dataclass(frozen=True)
class Plan:
    """lengths: of the clips, in frames; a training starts at `shortest`, with `first` steps there and `steps` at each
    doubled length. clips: on which an error is measured; fitted: on which a ridge is fitted. memory: bytes that a
    train step may need; costs are of `cost_batch` clips, each the median of `rounds` unless one call takes longer
    than `patience_s`."""

    lengths: tuple[int, ...] = (2000, 4000, 8000, 16000)
    seeds: tuple[int, ...] = (0, 1)
    shortest: int = 250
    first: int = 60
    steps: int = 20
    batch: int = 8
    lr: float = 5e-3
    clips: int = 128
    fitted: int = 512
    memory: float = 6e9
    cost_batch: int = 2
    rounds: int = 3
    patience_s: float = 2.0


QUICK = Plan((80, 160), (0,), 40, 2, 1, 2, clips=4, fitted=16, rounds=1)  # the same code in seconds


def loss_of(model: nn.Module, batch: Batch) -> Tensor:
    """log(1 + exp(-label * prediction)): small where the signs agree."""
    return softplus(-batch.labels * model(batch).prediction).mean()


def train_step(model: nn.Module, batch: Batch) -> None:
    """Forward and backward."""
    model.zero_grad(set_to_none=True)
    loss_of(model.train(), batch).backward()


@torch.no_grad()
def error(model: nn.Module, frames: int, plan: Plan) -> float:
    """Share of unseen clips whose sign the network gets wrong."""
    model.eval()
    batches = [long_clips(frames, plan.batch, UNSEEN + i) for i in range(plan.clips // plan.batch)]
    wrong = [(model(b).prediction * b.labels <= 0).float().mean().item() for b in batches]
    return sum(wrong) / len(wrong)


def train(contender: Contender, seed: int, plan: Plan) -> list[dict]:
    """One training that grows its clips: {"frames", "error", "seconds"} of each recorded length; seconds are those of
    that stage's steps alone."""
    torch.manual_seed(mix(seed, 0))
    model, rows, step = contender.build(), [], 0
    optimiser = torch.optim.AdamW(model.parameters(), lr=plan.lr)
    frames = plan.shortest
    while frames <= (max(plan.lengths) if contender.up_to is None else min(contender.up_to, max(plan.lengths))):
        begun = time.process_time()
        for _ in range(plan.first if frames == plan.shortest else plan.steps):
            step += 1
            for group in optimiser.param_groups:
                group["lr"] = plan.lr * min(1.0, step / 10)
            train_step(model, long_clips(frames, plan.batch, mix(seed, step)))
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
        if frames in plan.lengths:
            seconds = time.process_time() - begun
            rows.append({"frames": frames, "seed": seed, "error": error(model, frames, plan), "seconds": seconds})
        frames *= 2
    return rows


def costs(plan: Plan) -> list[dict]:
    """{"name", "frames", "seconds", "bytes"} of a train step; {"needs_bytes"} instead where the growth from the two
    lengths before says that it would take more than the plan's memory."""
    rows: list[dict] = []
    models = {name: c.build() for name, c in CONTENDERS.items()}
    for frames in plan.lengths:
        batch, calls = long_clips(frames, plan.cost_batch, frames), {}
        for name, model in models.items():
            if (needs := _needs([r for r in rows if r["name"] == name], frames)) > plan.memory:
                rows.append({"name": name, "frames": frames, "needs_bytes": needs})
            else:
                calls[name] = functools.partial(train_step, model, batch)
        times = interleaved(calls, plan.rounds, plan.patience_s)
        for name, call in calls.items():
            seconds = times[name]["median_s"]
            rows.append({"name": name, "frames": frames, "seconds": seconds, "bytes": peak_bytes(call)})
    return rows


def _needs(before: list[dict], frames: int) -> float:
    """Bytes at `frames`, by the power law through the two longest lengths; 0 where there are no two."""
    if len(before) < 2:
        return 0.0
    (l0, b0), (l1, b1) = ((r["frames"], r.get("bytes") or r["needs_bytes"]) for r in before[-2:])
    return b1 * (frames / l1) ** (math.log(b1 / b0) / math.log(l1 / l0))


def control(name: str, frames: int, seed: int, plan: Plan) -> dict:
    """A ridge that reads averages of the voice alone."""
    parts = CONTROLS[name][1]

    def features(count: int, first: int) -> tuple:
        batches = [long_clips(frames, 16, first + i) for i in range(max(1, count // 16))]
        means = [b.audio.x.unfold(1, frames // parts, frames // parts).mean(-1).flatten(1) for b in batches]
        return torch.cat(means).numpy(), torch.cat([b.labels for b in batches]).numpy()

    x, y = features(plan.fitted, mix(seed, frames))
    scale = x.std(0)
    unseen, labels = features(plan.fitted, UNSEEN)
    wrong = Ridge().fit(x / scale, y).predict(unseen / scale) * labels <= 0
    return {"name": name, "frames": frames, "seed": seed, "error": float(wrong.mean())}


def measure(plan: Plan = Plan(), quiet: bool = False) -> dict:
    """Everything that `experiment long` records."""
    begun = time.process_time()
    with one_thread():
        found: dict = {"plan": asdict(plan), "provenance": environment() | {"threads": 1}, "costs": costs(plan)}
        todo = [(name, seed) for seed in plan.seeds for name, c in CONTENDERS.items() if c.up_to != 0]
        bar = tqdm(todo, desc="trainings", unit="training", disable=quiet)
        found["errors"] = [{"name": n} | row for n, seed in bar for row in train(CONTENDERS[n], seed, plan)]
        found["controls"] = [
            control(name, frames, seed, plan) for name in CONTROLS for frames in plan.lengths for seed in plan.seeds
        ]
    found["seconds"] = time.process_time() - begun
    found = found | {"plan": {k: list(v) if isinstance(v, tuple) else v for k, v in found["plan"].items()}}
    return found | {"digest": digest(found)}


def read_long(path: Path = FILE) -> dict:
    """The record; a CourseError where none is there, or where it was changed after it was written."""
    again = "`python -m mgmr_lib experiment long` measures again"
    if not path.exists():
        raise CourseError(f"{path} does not exist: {again}")
    found = read_json(path)
    if found.get("digest") != digest(found) or not {"plan", "provenance", "costs", "errors", "controls"} <= set(found):
        raise CourseError(f"{path} was changed after it was written: restore it from git, or {again}")
    unknown = {r["name"] for r in found["costs"] + found["errors"]} - CONTENDERS.keys()
    if unknown:
        raise CourseError(f"{path} speaks of {', '.join(sorted(unknown))}, which this course does not have: {again}")
    return found


def main(args: argparse.Namespace) -> int:
    """`experiment long`: measure (unless --report-only), then a table and a figure. Profile fast: a few tiny clips."""
    from mgmr_lib.experiments.long_tables import write_long

    quick = args.profile == "fast"
    if quick and args.into_course:
        raise CourseError("--profile fast tries the code on tiny clips: leave --into-course out")
    paths = [ledger.parent / FILE.name for ledger in (args.ledger, *args.others)]
    if not args.report_only:
        make_folder(paths[0].parent, "--ledger")
        write_json(paths[0], measure(QUICK if quick else Plan(), args.quiet))
        print(paths[0])
    found = read_long(next((path for path in paths if path.exists()), paths[0]))
    for file in write_long(found, args.out / "long"):
        print(file)
    return 0
