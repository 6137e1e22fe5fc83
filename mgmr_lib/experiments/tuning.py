"""`experiment tune`: the same number of trials, at the same points, for every network, on clips of no result.

A trial is one training on the development corpus; its value is the lowest valid MAE, averaged over the missing rates
that early stopping looks at. Trials lie in an Optuna storage: one database of several processes, or machines, each
taking the next trial that waits. An interrupted trial waits again.
"""

import argparse
import json
import math
import time
import warnings
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from mgmr_lib.data.corpus import Corpus
from mgmr_lib.data.door import settings_for
from mgmr_lib.data.encoding_memo import EncodingMemo
from mgmr_lib.data.load import absolute_data, load_corpus
from mgmr_lib.data.text import load_encoder
from mgmr_lib.errors import CourseError
from mgmr_lib.experiments.plan import settings_given
from mgmr_lib.experiments.search_space import points, settings_at
from mgmr_lib.experiments.sweep import environment
from mgmr_lib.files import cannot_write, check_writable, make_folder, write_json
from mgmr_lib.models.registry import NETWORKS
from mgmr_lib.paths import REPOSITORY, runs_dir
from mgmr_lib.provenance import digest
from mgmr_lib.settings import known
from mgmr_lib.training.config import TrainConfig, make_config
from mgmr_lib.training.identity import fingerprint
from mgmr_lib.training.setup import prepare
from mgmr_lib.training.trainer import Trainer

CORPUS = "classroom-dev"
TRIALS, SEED, TRAINING_SEED = 16, 0, 1111
BEAT, GRACE = 10, 60  # seconds: how often a trial says that it is alive, and after what silence it waits again


@dataclass(frozen=True)
class Study:
    """What all processes that share a search agree on. storage: a database's URL, as Optuna takes them; settings: of
    every trial, in the place of the profile's."""

    storage: str
    data: str = CORPUS
    family: str = "mosi"
    models: tuple[str, ...] = tuple(NETWORKS)
    trials: int = TRIALS
    seed: int = SEED
    settings: tuple[tuple[str, Any], ...] = ()

    def points(self, model: str) -> list[dict | None]:
        """Trial 0 is the start, None."""
        return [None, *points(model, self.trials, self.seed)]

    def config(self, model: str, point: dict | None) -> TrainConfig:
        """The training that a trial is."""
        merged = settings_at(model, point) | dict(self.settings)
        return make_config(model, family=self.family, data=self.data, seed=TRAINING_SEED, **merged)


def optuna():
    """The package, quiet; a CourseError that names the fix where it is not installed."""
    try:
        import optuna as found
    except ImportError:
        raise CourseError(
            "`experiment tune` needs the package optuna: pip install -c constraints.txt -e '.[dev]'"
        ) from None
    found.logging.set_verbosity(found.logging.ERROR)
    warnings.filterwarnings("ignore", category=found.exceptions.ExperimentalWarning)
    return found


def opened(study: Study, model: str, content: str):
    """The Optuna study of one network. content: the corpus's fingerprint; a search of another one is refused."""
    with _alone(study.storage):
        found = _created(study, model)
        about = {"seed": study.seed, "fingerprint": content, "settings": dict(study.settings)}
        about = json.loads(json.dumps(about))  # as the storage gives it back
        if found.user_attrs.get("about", about) != about:
            raise CourseError(
                f"{study.storage} holds a search with another --search-seed, corpus or --set: go on with those, or "
                "give another --storage"
            )
        found.set_user_attr("about", about)
    return _taking_turns(found, study.storage)


def _taking_turns(found, storage: str):
    """SQLite locks no row: two processes that look at the same moment would both take the trial that waits."""
    ask = found.ask

    def alone(*args, **settings):
        with _alone(storage):
            return ask(*args, **settings)

    found.ask = alone
    return found


def filled(study: Study, model: str, content: str):
    """`opened`, with every trial that it lacks waiting in it."""
    found = opened(study, model, content)
    with _alone(study.storage):
        optuna().storages.fail_stale_trials(found)
        alive = {t.user_attrs.get("point") for t in found.get_trials(deepcopy=False) if t.state.name != "FAIL"}
        for number, point in enumerate(study.points(model)):
            if number not in alive:
                found.enqueue_trial({"point": number}, {"point": number, "at": point})
    return found


def _alone(storage: str):
    """One process at a time: SQLite's tables, and a study's trials, are made once."""
    path = storage.removeprefix("sqlite:///")
    if path == storage or not path or path.startswith(":"):
        return nullcontext()
    lock = Path(f"{path}.lock")
    check_writable(path, "--storage")
    try:
        lock.touch()
    except OSError as error:
        raise cannot_write(lock, error) from None
    return FileLock(lock)


def _created(study: Study, model: str):
    package = optuna()
    from sqlalchemy.exc import SQLAlchemyError

    retry = package.storages.RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=False)
    try:
        storage = package.storages.RDBStorage(
            study.storage, heartbeat_interval=BEAT, grace_period=GRACE, heartbeat_stale_trial_callback=retry
        )
        return package.create_study(study_name=model, storage=storage, load_if_exists=True)
    except (ImportError, ValueError, OSError, SQLAlchemyError, package.exceptions.OptunaError) as error:
        reason = str(error).splitlines()[0]
        raise CourseError(f"{study.storage} cannot be opened ({reason}): give another --storage") from None


def work(study: Study, corpus: Corpus, say=print) -> None:
    """Take trials that wait, network by network, until none does."""
    encoder, content, trained = None, fingerprint(corpus, ""), False
    for model in study.models:
        of_model = filled(study, model, content)

        def value(trial, model=model, of_model=of_model) -> float:
            nonlocal encoder, trained
            number = trial.user_attrs.get("point")
            if number is None:  # another process was faster, and Optuna made a trial of its own
                raise optuna().TrialPruned
            trial.suggest_int("point", 0, study.trials - 1)
            config = study.config(model, study.points(model)[number])
            if encoder is None:
                encoder = load_encoder(config.text_encoder, frozen=True)
                encoder.memo = EncodingMemo()
            begun = time.perf_counter()
            found, epoch = _trained(config, corpus, encoder)
            trained = True
            trial.set_user_attr("seconds", round(time.perf_counter() - begun, 1))
            trial.set_user_attr("best_epoch", epoch)
            say(f"{model}, trial {number}: valid MAE {found:.4f} ({time.perf_counter() - begun:.0f} s)")
            return found

        while any(t.state.name == "WAITING" for t in of_model.get_trials(deepcopy=False)):
            trained = False
            try:
                of_model.optimize(value, n_trials=1)
            except ValueError:  # a computer slept, and another process took its trial back: that one's value counts
                if not trained:
                    raise


def _trained(config: TrainConfig, corpus: Corpus, encoder) -> tuple[float, int]:
    """(lowest valid MAE, its epoch); infinite where the training is not finite before it has one."""
    trainer = Trainer(prepare(config, corpus, encoder), quiet=True)
    try:
        trainer.run()
    except CourseError:
        if trainer.progress.best_epoch < 0:
            return math.inf, -1
    return float(round(trainer.progress.best, 6)), trainer.progress.best_epoch


def run(study: Study, corpus: Corpus, processes: int = 1, say=print) -> None:
    """All trials that the storage lacks, shared out over `processes`; then those that another process gave up."""
    content = fingerprint(corpus, "")
    for model in study.models:
        filled(study, model, content)
    if processes > 1:
        import joblib

        joblib.Parallel(processes)(joblib.delayed(work)(study, corpus) for _ in range(processes))
    work(study, corpus, say)


# --------------------------------------------------------------------------------------------------------- what it says


def trials_of(found, study: Study) -> list[dict]:
    """The finished trials of one network, one for each point, the first to finish."""
    rows: dict[int, dict] = {}
    for t in found.get_trials(deepcopy=False):
        number = t.user_attrs.get("point")
        if t.state.name == "COMPLETE" and number is not None and number < study.trials and number not in rows:
            value = t.value if math.isfinite(t.value) else None  # a training that was not finite
            rows[number] = {"trial": number, "at": t.user_attrs["at"], "valid_mae": value} | {
                key: t.user_attrs[key] for key in ("best_epoch", "seconds") if key in t.user_attrs
            }
    return [rows[number] for number in sorted(rows)]


def chosen(study: Study, corpus: Corpus) -> dict:
    """Settings for each network whose trials are complete, as `training.tuned` reads them: the best trial's, the
    earlier one's where two are level, with every trial beside it."""
    networks, content = {}, fingerprint(corpus, "")
    for model in study.models:
        rows = trials_of(opened(study, model, content), study)
        if len(rows) < study.trials:
            continue
        best = min(rows, key=lambda row: (math.inf if row["valid_mae"] is None else row["valid_mae"], row["trial"]))
        networks[model] = {"settings": settings_at(model, best["at"]), "trial": best["trial"], "trials": rows}
    found = {
        "corpus": corpus.name,
        "fingerprint": content,
        "seed": study.seed,
        "training_seed": TRAINING_SEED,
        "budget": study.trials,
        "set": dict(study.settings),
        "networks": networks,
        "provenance": environment(),
    }
    return found | {"digest": digest(found)}


def error_text(trial: dict, digits: int) -> str:
    """A trial's valid MAE, or "not finite"."""
    return "not finite" if trial["valid_mae"] is None else f"{trial['valid_mae']:.{digits}f}"


def lines(found: dict, models: Iterable[str]) -> list[str]:
    """A line for each network: its trials, the start's value and the best one's."""
    out = []
    for model in models:
        if model not in found["networks"]:
            out.append(
                f"{model}: not all of its {found['budget']} trials are finished; the same command goes on (a trial "
                f"whose process was killed waits {GRACE} seconds)"
            )
            continue
        network = found["networks"][model]
        start, best = network["trials"][0], network["trials"][network["trial"]]
        seconds = sum(row.get("seconds", 0) for row in network["trials"])
        out.append(
            f"{model}: {len(network['trials'])} trials, {seconds:.0f} s, valid MAE {error_text(start, 4)} at the "
            f"start, {error_text(best, 4)} in trial {best['trial']}"
        )
    return out


def main(args: argparse.Namespace) -> int:
    """`experiment tune`: search, then write what was chosen for each network whose trials are complete."""
    if args.profile != "laptop":
        raise CourseError(f"tune starts from the laptop profile: leave --profile {args.profile} out, sizes go by --set")
    names = args.models.split(",") if args.models else NETWORKS
    models = tuple(dict.fromkeys(known("model", name.strip(), NETWORKS) for name in names))
    given = settings_given(args.set, args.pattern, models)
    storage = args.storage or f"sqlite:///{make_folder(runs_dir()) / 'tuning.db'}"
    data = absolute_data(args.data or CORPUS)
    corpus = load_corpus(data, args.dataset)
    settings = tuple(sorted((settings_for(corpus) | given).items()))
    study = Study(storage, data, corpus.family, models, args.trials, args.search_seed, settings)
    if not args.report_only:
        run(study, corpus, args.jobs)
    found = chosen(study, corpus)
    path = (REPOSITORY / "data" / "results" if args.into_course else args.out) / "tuning.json"
    for line in lines(found, models):
        print(line)
    if len(found["networks"]) < len(models) and args.into_course:
        raise CourseError(f"not written to {path}: networks whose trials are not all there would have had less care")
    make_folder(path.parent)
    write_json(path, found)
    print(path)
    return 0
