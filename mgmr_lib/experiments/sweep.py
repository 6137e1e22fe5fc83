"""Run what an experiment asks for and the ledger lacks: resumable run by run, a damaged record is named and run
again."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from accelerate import Accelerator

from mgmr_lib.data.corpus import Corpus
from mgmr_lib.data.encoding_memo import EncodingMemo
from mgmr_lib.data.text import TextEncoder, load_encoder
from mgmr_lib.errors import CourseError
from mgmr_lib.evaluation.missing_rates import missing_rate_records
from mgmr_lib.evaluation.references import mean_predictor, text_ridge, wordless
from mgmr_lib.experiments.ledger import read_in_place, write_record
from mgmr_lib.experiments.plan import REFERENCES, Job
from mgmr_lib.experiments.records import corpus_key, record_path
from mgmr_lib.files import cannot_write, read_json
from mgmr_lib.provenance import provenance
from mgmr_lib.ssm.engines.backends import status
from mgmr_lib.ssm.engines.native import preferred
from mgmr_lib.training.config import TrainConfig, make_config
from mgmr_lib.training.identity import changed_settings, fingerprint, read_config, sentence_of
from mgmr_lib.training.run import Run, train_run
from mgmr_lib.training.setup import prepare

RATES = tuple(round(i / 10, 1) for i in range(11))


@dataclass(frozen=True)
class Sweep:
    """Where the records go and how each run is measured.

    folder: weights and checkpoints, which git does not keep. others: ledgers that are read, but not written, so that
    what they hold is not computed again. settings: what every run sets in the place of its profile's values.
    """

    ledger: Path
    folder: Path
    corpus: Corpus = field(repr=False)
    mask_seeds: tuple[int, ...] = (1, 2, 3)
    rates: tuple[float, ...] = RATES
    quiet: bool = True
    others: tuple[Path, ...] = ()
    settings: dict = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """The content of the corpus, as the runs read it."""
        return fingerprint(self.corpus, self.settings.get("text_encoder", ""))

    @property
    def key(self) -> str:
        """The corpus's folder in the ledger."""
        return corpus_key(self.corpus.name, self.fingerprint, self.corpus.family)


def scan_rung() -> str:
    """The rung that "auto" takes on this machine: results agree between rungs, but not to the last digit."""
    if torch.cuda.is_available():
        return "cuda" if status("cuda") == "ok" else "triton"
    return "native" if preferred() and status("native") == "ok" else "chunked"


def environment() -> dict:
    """provenance, with the threads and the scan's rung, which the last digits depend on."""
    return provenance() | {"threads": torch.get_num_threads(), "scan": scan_rung()}


def rates_of(sweep: Sweep, job: Job) -> tuple[float, ...]:
    """Protocol A's network is only ever tested at the rate that it was trained at."""
    return sweep.rates if job.config.protocol == "B" else (job.config.rate,)


def _head(sweep: Sweep, protocol: str, profile: str, name: str, seed: int) -> dict:
    """The facts that a record's place follows from."""
    head = {
        "corpus": sweep.corpus.name,
        "dataset": sweep.corpus.family,
        "split": "test",
        "protocol": protocol,
        "profile": profile,
        "fingerprint": sweep.fingerprint,
        "name": name,
        "training_seed": seed,
    }
    return head | ({"settings": sweep.settings} if sweep.settings else {})


def _head_of(sweep: Sweep, job: Job) -> dict:
    return _head(sweep, job.protocol, job.config.profile, job.variant.name, job.config.seed)


def standing(sweep: Sweep, job: Job) -> tuple[str, str]:
    """("recorded" | "missing" | "damaged" | "stale", a sentence or ""): whether a ledger holds this run as it is
    asked for. "damaged" and "stale" speak of the ledger that is written."""
    states = [_standing_in(ledger, sweep, job) for ledger in (sweep.ledger, *sweep.others)]
    return next((s for s in states if s[0] == "recorded"), states[0])


def _standing_in(ledger: Path, sweep: Sweep, job: Job) -> tuple[str, str]:
    path = record_path(ledger, _head_of(sweep, job))
    if not path.exists():
        return "missing", ""
    try:
        record = read_in_place(ledger, path)
        config = read_config(record["config"], path)
    except CourseError as error:
        return "damaged", str(error).split(": delete it")[0] + ": this run is repeated, the file is kept as .damaged"
    measured = {(r["rate"], r["seed"]) for r in record["records"]}
    asked = {(r, s) for r in rates_of(sweep, job) for s in sweep.mask_seeds}
    changed = changed_settings(config, job.config)
    if changed:
        return "stale", f"{path} was recorded with other settings ({sentence_of(changed)}): this run is repeated"
    if record["fingerprint"] != sweep.fingerprint:
        return "stale", f"{path} was recorded on another version of {sweep.corpus.name}: this run is repeated"
    if measured != asked:
        return "stale", f"{path} was measured at other missing rates or mask seeds: this run is repeated"
    return "recorded", ""


def run_sweep(sweep: Sweep, jobs: Iterable[Job], processes: int = 1, say=print) -> list[str]:
    """Run the jobs that the ledger lacks; returns their names. processes > 1: seeds are shared out over joblib's
    workers.

    Under `accelerate launch` all processes train each run together, on shares of the same global batches.
    """
    accelerator = Accelerator()
    if processes > 1 and accelerator.num_processes > 1:
        raise CourseError("--jobs and `accelerate launch` both divide the work: use one of them")
    jobs, todo = list(jobs), []
    for j in jobs:
        state, sentence = standing(sweep, j)
        if sentence and accelerator.is_main_process:
            say(sentence)
        if state == "damaged" and accelerator.is_main_process:
            _set_aside(sweep, j)
        if state != "recorded":
            todo.append(j)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        say(f"{len(jobs) - len(todo)} of {len(jobs)} runs are recorded, {len(todo)} to go")
    groups = [[j for j in todo if j.config.seed == s] for s in dict.fromkeys(j.config.seed for j in todo)]
    if processes == 1:
        encoder = shared_encoder(todo)
        for group in groups:
            run_group(sweep, group, say, accelerator, encoder)
    else:
        import joblib

        joblib.Parallel(processes)(joblib.delayed(run_group)(sweep, group) for group in groups)
    return [j.name for j in todo]


def _set_aside(sweep: Sweep, job: Job) -> None:
    path = record_path(sweep.ledger, _head_of(sweep, job))
    try:
        path.replace(path.with_name(path.name + ".damaged"))
    except OSError as error:
        raise cannot_write(path, error) from None


def run_group(
    sweep: Sweep, jobs: list[Job], say=print, accelerator: Accelerator | None = None, encoder: TextEncoder | None = None
) -> None:
    """Runs of one seed, one after the other. They meet the same masks, so each epoch's text is encoded once for all."""
    accelerator = accelerator or Accelerator()
    encoder = encoder or shared_encoder(jobs)
    for job in jobs:
        started = time.perf_counter()
        c = job.config
        folder = sweep.folder / sweep.key / f"{job.name}-{c.hash()}"
        run = train_run(c, folder, sweep.corpus, sweep.quiet, accelerator, encoder)
        if accelerator.is_main_process:
            record = measure(sweep, job, run)
            write_record(sweep.ledger, record)
            first = record["records"][0]
            say(f"{job.name} ({job.protocol}): {time.perf_counter() - started:.0f} s, at rate {first['rate']:g} MAE "
                f"{first['mae']:.3f}, Corr {first['corr']:.3f}")  # fmt: skip
        accelerator.wait_for_everyone()


def shared_encoder(jobs: list[Job]) -> TextEncoder | None:
    """The frozen encoder that these runs have in common, with a memory for what it said; None where there is none."""
    names = {j.config.text_encoder for j in jobs if j.config.encoder_lr == 0}
    if len(names) != 1:
        return None
    encoder = load_encoder(names.pop(), frozen=True)
    encoder.memo = EncodingMemo()
    return encoder


def measure(sweep: Sweep, job: Job, run: Run) -> dict:
    """A finished run's record (without its digest)."""
    name = job.variant.name
    rows = missing_rate_records(
        {name: run.predict},
        lambda rate, seed: run.masked("test", rate, seed),
        sweep.corpus.family,
        rates_of(sweep, job),
        sweep.mask_seeds,
        True,
    )[name]
    result = read_json(run.folder / "result.json")
    return _head_of(sweep, job) | {
        "label": job.variant.label,
        "config": job.config.to_dict(),
        "config_hash": job.config.hash(),
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "seconds": result["seconds"],
        "epochs": result["epoch"],
        "best_epoch": result["best_epoch"],
        "provenance": environment(),
        "records": [rounded(r) for r in rows],
    }


def rounded(record: dict) -> dict:
    """Six digits behind the point: more than any table shows, and stable text. None where a metric has no value."""
    return {k: _six_digits(v) if isinstance(v, float) else v for k, v in record.items()}


def _six_digits(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def record_references(sweep: Sweep, config: TrainConfig, encoder: TextEncoder | None = None) -> None:
    """The mean predictor and the text ridge (without words: those on voice and face) on the same clips and masks,
    unless they are recorded.

    No training, one record each, seed 0. config: a run's, for its profile, its text encoder and its max_clips; encoder:
    that text encoder, if it is loaded already.
    """
    facts = {"text_encoder": config.text_encoder, "max_clips": config.max_clips}
    if config.pattern != "frames":
        facts["pattern"] = config.pattern
    words = sweep.corpus["train"].recorded("text").any()
    names = [name for name in REFERENCES if name == "mean" or (name == "text_ridge") == words]
    heads = {name: _head(sweep, "B", config.profile, name, 0) for name in names}
    if all(_recorded_reference(sweep, head, facts) for head in heads.values()):
        return
    setup = prepare(replace(config, encoder_lr=0.0, shuffle_labels=False), sweep.corpus, encoder)
    train, complete = setup.splits["train"], setup.complete_text("train")
    assert complete is not None  # the encoder is frozen
    ridges = {"text_ridge": text_ridge(complete, train.labels)} if words else wordless(train)
    predictors = {"mean": mean_predictor(train.labels), **ridges}

    def masked(rate: float, seed: int):
        return setup.masked("test", rate, seed)

    found = missing_rate_records(predictors, masked, sweep.corpus.family, sweep.rates, sweep.mask_seeds, sweep.quiet)
    for name, rows in found.items():
        record = {"label": REFERENCES[name], "config": None, "reference": facts, "provenance": environment()}
        write_record(sweep.ledger, heads[name] | record | {"records": [rounded(r) for r in rows]})


def _recorded_reference(sweep: Sweep, head: dict, facts: dict) -> bool:
    """Whether a ledger holds this reference, of the same text encoder and clips."""
    for ledger in (sweep.ledger, *sweep.others):
        try:
            record = read_in_place(ledger, record_path(ledger, head))
        except CourseError:
            continue
        measured = {(r["rate"], r["seed"]) for r in record["records"]}
        first = {"text_encoder": make_config("concat", head["profile"]).text_encoder, "max_clips": None}
        same = record["fingerprint"] == head["fingerprint"] and record.get("reference", first) == facts
        if same and measured == {(r, s) for r in sweep.rates for s in sweep.mask_seeds}:
            return True
    return False
