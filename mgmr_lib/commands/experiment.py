"""`experiment`: the papers' tables and figures, from runs that a ledger keeps; only runs that it lacks are computed."""

import argparse
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY, absolute, expanded, runs_dir
from mgmr_lib.settings import known, whole
from mgmr_lib.training.profiles import FAMILIES, PATTERNS, PROFILES

KINDS = (
    "table",
    "curve",
    "ablation",
    "systems",
    "layers",
    "care",
    "parts",
    "objectives",
    "rates",
    "complexity",
    "long",
    "plan",
    "tune",
    "study",
    "reproduce",
)
DEFAULT = "classroom-mosi"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment",
        choices=KINDS,
        help="table (baselines), curve, ablation, systems (nine later networks), layers (Mamba-2, Mamba-3), care "
        "(both networks without what was chosen for them alone), parts (those of MFMB-Net's published code, taken "
        "back one at a time), objectives (MFMB-Net and two rivals, each on L1 and on classes) "
        "and rates (a network for each of four missing rates, beside one for all) train what the "
        "ledger lacks; long measures errors and costs on simulated clips of up to "
        "16,000 frames (its own sizes); plan says what such runs would cost here; tune chooses settings, with the same "
        "trials for every network; study trains what a plan of your own says (notebook 20); "
        "reproduce repeats one record",
    )
    parser.add_argument("--profile", default="laptop", choices=PROFILES, help="sizes of all networks")
    parser.add_argument(
        "--data",
        help=f"a classroom corpus's name, or the path of an MMSA file (default: {DEFAULT}; tune: classroom-dev)",
    )
    parser.add_argument("--dataset", choices=FAMILIES, help="metric family (default: found out)")
    parser.add_argument(
        "--models", help="comma-separated names, to run only these (default: all that the experiment shows)"
    )
    parser.add_argument(
        "--protocol",
        default="AB",
        choices=("A", "B", "AB"),
        help="table: A trains and tests on complete data, B over missing rates",
    )
    parser.add_argument(
        "--seeds",
        type=whole(low=1),
        help="training seeds of each model (default: five for the two networks, three for the others)",
    )
    parser.add_argument("--pattern", choices=PATTERNS, help="how steps go missing (default: frames); tabled apart")
    parser.add_argument("--mask-seeds", type=whole(low=1), default=3, help="mask seeds of each missing rate")
    parser.add_argument("--jobs", type=whole(low=1), default=1, help="processes that share the runs out, seed by seed")
    parser.add_argument(
        "--set",
        nargs="*",
        default=[],
        metavar="NAME=VALUE",
        help="settings of every run, such as epochs=3 max_clips=64; such runs are kept and tabled apart",
    )
    parser.add_argument(
        "--ledger", type=Path, help="folder of the records (default: runs/ledger, read together with the course's)"
    )
    parser.add_argument("--runs", type=Path, help="folder of the weights (default: runs/experiments)")
    parser.add_argument("--out", type=Path, help="folder of tables and figures (default: runs/tables)")
    parser.add_argument(
        "--into-course",
        action="store_true",
        help="for authors: records, tables and figures go into data/results, which git keeps",
    )
    parser.add_argument(
        "--report-only", action="store_true", help="compute nothing: tables and figures from the records that are there"
    )
    parser.add_argument(
        "--inference-again", action="store_true",
        help="complexity: time inference alone once more, in the record that is there; the machine has to be quiet",
    )  # fmt: skip
    parser.add_argument("--trials", type=whole(low=1), default=16, help="tune: trials of each network")
    parser.add_argument("--search-seed", type=whole(low=0), default=0, help="tune: which points the trials are at")
    parser.add_argument(
        "--storage", metavar="URL", help="tune: the database of the trials (default: runs/tuning.db, SQLite)"
    )
    parser.add_argument("--record", type=Path, help="reproduce: the record's JSON file")
    parser.add_argument(
        "--study", type=Path, help="study: its folder, with its plan, records and weights (default: runs/study)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def main(args: argparse.Namespace) -> int:
    if args.experiment == "reproduce":
        from mgmr_lib.experiments.reproduce import main as reproduce

        return reproduce(args)
    if args.experiment == "tune":
        from mgmr_lib.experiments.tuning import main as tune

        set_places(args)
        return tune(args)
    if args.experiment == "study":
        from mgmr_lib.experiments.study import main as study

        return study(args)
    args.data = args.data or DEFAULT
    set_places(args)
    if args.experiment == "plan":
        from mgmr_lib.experiments.budget import main as plan

        return plan(args)
    if args.experiment == "complexity":
        from mgmr_lib.experiments.complexity import main as complexity

        return complexity(args)
    if args.experiment == "long":
        from mgmr_lib.experiments.long_sequences import main as long_sequences

        return long_sequences(args)
    return _experiment(args)


def set_places(args: argparse.Namespace) -> None:
    """Fill in where records, weights and tables go; `others` are the ledgers that are read as well."""
    course = REPOSITORY / "data" / "results"
    if args.into_course and (args.ledger or args.out):
        raise CourseError("--into-course says where records and tables go: leave --ledger and --out out")
    args.others = () if args.ledger or args.into_course else (course / "ledger",)
    args.ledger = absolute(args.ledger or (course if args.into_course else runs_dir()) / "ledger")
    args.out = absolute(args.out or (course if args.into_course else runs_dir()) / "tables")
    args.runs = absolute(args.runs or runs_dir() / "experiments")


def _experiment(args: argparse.Namespace) -> int:
    from mgmr_lib.experiments.plan import VARIANTS, names_of, planned, settings_given, trainings_of
    from mgmr_lib.experiments.records import profile_key
    from mgmr_lib.experiments.tables import lacking, report

    names = args.models.split(",") if args.models else names_of(args.experiment)
    names = tuple(dict.fromkeys(known("variant", name.strip(), VARIANTS) for name in names))
    settings = settings_given(args.set, args.pattern, names)
    trainings = trainings_of(args.experiment, args.protocol)
    key, fingerprint = (
        _stored_corpus(args, settings) if args.report_only else _compute(args, names, trainings, settings)
    )
    ledgers, profile = (args.ledger, *args.others), profile_key(args.profile, settings)
    files = report(args.experiment, ledgers, key, profile, args.out, fingerprint)
    if not files:
        raise CourseError(
            f"{args.ledger} holds no run of {args.data} in the {args.profile} profile"
            f"{' with these settings' if settings else ''}: leave --report-only out to train"
        )
    for path in files:
        print(path)
    missing = lacking(ledgers, key, profile, planned(names, trainings, args.seeds))
    if missing:
        print(f"not recorded, and so not in these tables: {missing}")
    return 0


def _compute(args: argparse.Namespace, names, trainings, settings: dict) -> tuple[str, str]:
    """Train and measure what is lacking; returns the corpus's folder in the ledger and its fingerprint."""
    from mgmr_lib.data.door import settings_for
    from mgmr_lib.data.load import absolute_data, load_corpus
    from mgmr_lib.experiments.carry_over import carry_over
    from mgmr_lib.experiments.plan import jobs_of, reference_config
    from mgmr_lib.experiments.sweep import Sweep, record_references, run_sweep

    args.data = absolute_data(args.data)
    corpus = load_corpus(args.data, args.dataset)
    masks = tuple(range(1, args.mask_seeds + 1))
    sweep = Sweep(args.ledger, args.runs, corpus, masks, quiet=args.quiet, others=args.others, settings=settings)
    of_runs, jobs = settings_for(corpus) | settings, []
    how = (args.profile, corpus.family, args.data, args.dataset, args.seeds)
    for protocol, rate in trainings:
        jobs += jobs_of(names, protocol, *how, rate=rate, **of_runs)
    carry_over(sweep, jobs)
    if "B" in dict(trainings):
        record_references(sweep, reference_config(args.profile, corpus.family, of_runs))
    run_sweep(sweep, jobs, args.jobs)
    return sweep.key, sweep.fingerprint


def _stored_corpus(args: argparse.Namespace, settings: dict) -> tuple[str, str | None]:
    """The corpus's folder in the ledger (and its fingerprint, where it was read); a file that is gone goes by the name
    that it had, as long as one corpus alone had it."""
    from mgmr_lib.data.classroom.corpora import SPECS, recorded_name
    from mgmr_lib.data.load import corpus_name, load_corpus
    from mgmr_lib.experiments.ledger import corpora
    from mgmr_lib.experiments.records import corpus_key, profile_key
    from mgmr_lib.training.identity import fingerprint

    if recorded_name(args.data) in SPECS:
        return recorded_name(args.data), None
    if expanded(args.data).exists():
        corpus = load_corpus(args.data, args.dataset)
        content = fingerprint(corpus, settings.get("text_encoder", ""))
        return corpus_key(corpus.name, content, corpus.family), content
    stored = corpora((args.ledger, *args.others), profile_key(args.profile, settings), "*")
    keys = [key for key, name in stored.items() if args.data == key or corpus_name(args.data) == name]
    if len(keys) != 1:
        raise CourseError(
            f"{args.data} is not there, and {len(keys)} recorded corpora have its name: give a file, or one of "
            f"{', '.join(sorted(stored)) or 'none'}"
        )
    return keys[0], None
