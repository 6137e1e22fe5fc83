"""A learner's own study: a plan that is written down before the first run, its trainings, and where they stand.

FOLDER/plan.json   the plan; it cannot be changed any more once a run of it has begun
FOLDER/ledger      its records
FOLDER/runs        its weights and checkpoints, a folder for each training
FOLDER/log.txt     what a training in the background said
"""

import argparse
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from pathlib import Path

from mgmr_lib.data.load import absolute_data, load_corpus
from mgmr_lib.data.text import TextEncoder
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments.ledger import read_in_place
from mgmr_lib.experiments.plan import TWO, VARIANTS, Job, job, reference_config, settings_given
from mgmr_lib.experiments.sweep import Sweep, record_references, run_sweep
from mgmr_lib.files import make_folder, only_one, read_json, write_json
from mgmr_lib.paths import absolute, runs_dir
from mgmr_lib.provenance import digest
from mgmr_lib.settings import known
from mgmr_lib.training.profiles import PATTERNS, PROFILES
from mgmr_lib.training.run import Run, load_run

PLAN, LOG = "plan.json", "log.txt"


@dataclass(frozen=True)
class Plan:
    """What a study compares, fixed before it begins. Each model trains with each seed, under protocol B.

    models: variants by name (experiments.plan.VARIANTS). seeds: not the recorded ones (from 1111 on), so that what
    comes out is new evidence. expectation: what its author expects, in words. written: the day, YYYY-MM-DD.
    """

    models: tuple[str, ...] = TWO
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    data: str = "classroom-mosi"
    profile: str = "laptop"
    pattern: str = "frames"
    mask_seeds: tuple[int, ...] = (1, 2, 3)
    settings: dict = field(default_factory=dict)
    metric: str = "AUILC of the mean absolute error over missing rates 0 to 1"
    verdict: str = "told apart where the 95 % interval of the paired difference leaves out 0"
    expectation: str = ""
    written: str = ""

    def __post_init__(self):
        for name in ("models", "seeds", "mask_seeds"):
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))
        for name in self.models:
            known("variant", name, VARIANTS)
        known("profile", self.profile, PROFILES)
        known("pattern", self.pattern, PATTERNS)
        if not self.models or not self.mask_seeds or not self.seeds:
            raise CourseError("a plan needs at least one network, one seed and one mask seed")
        if not all(type(s) is int and s >= 0 for s in (*self.seeds, *self.mask_seeds)):
            raise CourseError("a plan's seeds are whole numbers, 0 or more")

    @property
    def runs(self) -> list[tuple[str, int]]:
        """(name, seed) of all trainings, seed by seed: whatever is finished holds whole comparisons."""
        return [(name, seed) for seed in self.seeds for name in self.models]

    @property
    def of_runs(self) -> dict:
        """What every run sets in the place of its profile's values."""
        return dict(self.settings) | ({} if self.pattern == "frames" else {"pattern": self.pattern})


@dataclass(frozen=True)
class Standing:
    """Where one training is. state: "waiting", "begun" or "recorded"; best: the lowest valid error so far, or None."""

    name: str
    seed: int
    state: str
    epoch: int
    epochs: int | None
    best: float | None
    seconds: float


def default_folder() -> Path:
    """`runs/study` of the learner's own folder."""
    return runs_dir() / "study"


def write_plan(folder: Path, plan: Plan) -> Plan:
    """Write a plan, or return the one that stands there and says the same (its day and all).

    A CourseError where another plan stands there and a run of it has begun: a plan that follows the results is none.
    """
    folder = make_folder(absolute(folder), "--study")
    if (folder / PLAN).exists():
        old = read_plan(folder)
        if _content(old) == _content(plan):
            return old
        if any(s.state != "waiting" for s in standings(folder)):
            raise CourseError(
                f"{folder / PLAN} was written on {old.written} and a run of it has begun, so it stays as it is: give "
                f"another folder for another plan, or delete {folder} with all that it holds"
            )
    record = asdict(plan) | {"written": plan.written or date.today().isoformat()}
    write_json(folder / PLAN, record | {"digest": digest(json.loads(json.dumps(record)))})
    return read_plan(folder)


def _content(plan: Plan) -> dict:
    return {k: v for k, v in asdict(plan).items() if k != "written"}


def read_plan(folder: Path) -> Plan:
    """The plan of a study; a CourseError where there is none, or where it was changed after it was written."""
    path = absolute(folder) / PLAN
    if not path.exists():
        raise CourseError(f"{path.parent} holds no plan: write one in notebook 20, or by `experiment study`")
    record = read_json(path)
    if not isinstance(record, dict) or record.pop("digest", None) != digest(record):
        raise CourseError(f"{path} was changed after it was written: delete it, and write the plan again")
    try:
        return Plan(**{f.name: record[f.name] for f in fields(Plan)})
    except (KeyError, TypeError) as error:
        raise CourseError(f"{path} is no plan of this release ({error}): delete it, and write it again") from None


def jobs_of_plan(plan: Plan, family: str) -> list[Job]:
    """The plan's trainings, in its order."""
    of_runs = {"profile": plan.profile, "family": family, "data": plan.data, **plan.of_runs}
    return [job(name, seed, **of_runs) for name, seed in plan.runs]


def train(folder: Path, quiet: bool = True, say: Callable = print, encoder: TextEncoder | None = None) -> list[str]:
    """Do what is left of a study, in this process; returns the names of the runs that it did. It goes on where it was
    stopped, also within a training. encoder: the plan's text encoder, if it is loaded already."""
    folder = absolute(folder)
    plan = read_plan(folder)
    with only_one(folder, "training the study in"):
        corpus = load_corpus(plan.data)
        sweep = Sweep(folder / "ledger", folder / "runs", corpus, plan.mask_seeds, quiet=quiet, settings=plan.of_runs)
        record_references(sweep, reference_config(plan.profile, corpus.family, plan.of_runs), encoder)
        return run_sweep(sweep, jobs_of_plan(plan, corpus.family), say=say)


def standings(folder: Path) -> list[Standing]:
    """Where each training of the plan is, read from the disk alone."""
    folder, plan = absolute(folder), read_plan(folder)
    return [_standing(folder, name, seed) for name, seed in plan.runs]


def _standing(folder: Path, name: str, seed: int) -> Standing:
    for path in (folder / "ledger").glob(f"*/*/B/{name}-{seed}.json"):
        r = read_in_place(folder / "ledger", path)
        return Standing(name, seed, "recorded", r["epochs"], r["config"]["epochs"], None, r["seconds"])
    for begun in (folder / "runs").glob(f"*/{name}-{seed}-*/config.json"):
        epochs = read_json(begun)["config"]["epochs"]
        p = checkpoint_progress(begun.parent / "last.safetensors")
        return Standing(name, seed, "begun", p.get("epoch", 0), epochs, p.get("best"), p.get("seconds", 0.0))
    return Standing(name, seed, "waiting", 0, None, None, 0.0)


def checkpoint_progress(path: Path) -> dict:
    """What a checkpoint says of its training, from the file's head alone; empty where there is none, or no whole
    one."""
    try:
        with path.open("rb") as file:
            head = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        state = json.loads(head["__metadata__"]["state"])
    except (OSError, ValueError, KeyError, TypeError, struct.error, MemoryError, OverflowError):
        return {}
    return state if isinstance(state, dict) else {}


def records(folder: Path) -> list[dict]:
    """A study's records, references included, by file name; none where there is no study."""
    ledger = absolute(folder) / "ledger"
    return [read_in_place(ledger, path) for path in sorted(ledger.glob("*/*/B/[!.]*.json"))]


def runs(folder: Path, name: str) -> Iterator[Run]:
    """The finished trainings of one network, in the order of their seeds, with weights and data."""
    found = {
        int(p.parent.name.split("-")[1]): p.parent for p in absolute(folder).glob(f"runs/*/{name}-*/model.safetensors")
    }
    for seed in sorted(found):
        yield load_run(found[seed])


def seconds_left(found: list[Standing]) -> float | None:
    """At most, from what the epochs so far took; None before the first."""
    known_ones = [s for s in found if s.epoch]
    if not known_ones:
        return None
    an_epoch = sum(s.seconds for s in known_ones) / sum(s.epoch for s in known_ones)
    usual = max(s.epochs or 0 for s in known_ones)
    return an_epoch * sum((s.epochs or usual) - s.epoch for s in found if s.state != "recorded")


def in_words(plan: Plan) -> str:
    """A plan as one sentence."""
    of_runs = ", ".join(f"{k}={v}" for k, v in plan.of_runs.items())
    return (
        f"Plan of {plan.written}: {', '.join(plan.models)}, each with the seeds {', '.join(map(str, plan.seeds))}, on "
        f"{plan.data}, {plan.profile} profile{f' with {of_runs}' if of_runs else ''}; what counts is the "
        f"{plan.metric}; {plan.verdict}."
    )


def lines(folder: Path) -> list[str]:
    """The standings in words, for a terminal."""
    found = standings(folder)
    said = {"waiting": "waits", "recorded": "recorded"}
    out = [f"{s.name}, seed {s.seed}: " + said.get(s.state, f"epoch {s.epoch} of at most {s.epochs}") for s in found]
    left = seconds_left(found)
    done = sum(s.state == "recorded" for s in found)
    rest = "" if left is None or done == len(found) else f", at most {left / 60:.0f} minutes of training to go"
    return [*out, f"{done} of {len(found)} trainings recorded{rest}"]


def main(args: argparse.Namespace) -> int:
    """`experiment study`."""
    folder = absolute(args.study or default_folder())
    given = [option for option in ("models", "seeds", "set", "pattern") if getattr(args, option)]
    if not (folder / PLAN).exists() and not args.report_only:
        print(in_words(write_plan(folder, _plan_of(args))))
    elif given:
        raise CourseError(f"{folder / PLAN} says what is trained: leave --{', --'.join(given)} out, or give another "
                          "folder by --study")  # fmt: skip
    if not args.report_only:
        train(folder, args.quiet)
    for line in lines(folder):
        print(line)
    return 0


def _plan_of(args: argparse.Namespace) -> Plan:
    names = tuple(known("variant", n.strip(), VARIANTS) for n in args.models.split(",")) if args.models else TWO
    settings = settings_given(args.set, None, names)
    return Plan(names, tuple(range(1, (args.seeds or 5) + 1)), str(absolute_data(args.data)), args.profile,
                args.pattern or "frames", tuple(range(1, args.mask_seeds + 1)), settings)  # fmt: skip
