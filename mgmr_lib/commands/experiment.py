"""`experiment`: the papers' tables and figures, from runs that the ledger keeps; only runs that it lacks are
computed."""

import argparse
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.paths import REPOSITORY

KINDS = ("table", "curve", "ablation", "complexity", "reproduce")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment",
        choices=KINDS,
        help="table, curve and ablation train what the ledger lacks; reproduce repeats one record",
    )
    parser.add_argument("--profile", default="laptop", help="fast, laptop or full")
    parser.add_argument(
        "--data", default="classroom-mosi", help="a classroom corpus's name, or the path of an MMSA file"
    )
    parser.add_argument("--dataset", choices=("mosi", "mosei", "sims"), help="metric family (default: found out)")
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
        "--seeds", type=int, help="training seeds a model (default: five for the two networks, three for the others)"
    )
    parser.add_argument("--mask-seeds", type=int, default=3, help="mask seeds a missing rate")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the runs out, seed by seed")
    parser.add_argument(
        "--set",
        nargs="*",
        default=[],
        metavar="NAME=VALUE",
        help="settings of every run, such as epochs=3 max_clips=64",
    )
    parser.add_argument(
        "--ledger", type=Path, default=REPOSITORY / "data" / "results" / "ledger", help="folder of the records"
    )
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs" / "experiments", help="folder of the weights")
    parser.add_argument(
        "--out", type=Path, default=REPOSITORY / "data" / "results" / "tables", help="folder of tables and figures"
    )
    parser.add_argument(
        "--report-only", action="store_true", help="compute nothing: tables and figures from the records that are there"
    )
    parser.add_argument("--record", type=Path, help="reproduce: the record's JSON file")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def settings_of(words: list[str]) -> dict:
    """["epochs=3", ...] -> {"epochs": 3, ...}; numbers, true, false and none are read as such."""
    named = {"true": True, "false": False, "none": None}
    out = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not sign:
            raise CourseError(f"--set takes NAME=VALUE, such as epochs=3, and not {word!r}")
        if text.lower() in named:
            out[name] = named[text.lower()]
            continue
        try:
            out[name] = int(text)
        except ValueError:
            try:
                out[name] = float(text)
            except ValueError:
                out[name] = text
    return out


def main(args: argparse.Namespace) -> int:
    if args.experiment == "reproduce":
        from mgmr_lib.experiments.reproduce import main as reproduce

        return reproduce(args)
    if args.experiment == "complexity":
        from mgmr_lib.experiments.complexity import main as complexity

        return complexity(args)
    for name in ("seeds", "mask_seeds", "jobs"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise CourseError(f"--{name.replace('_', '-')} must be at least 1, not {getattr(args, name)}")
    from mgmr_lib.data.load import corpus_name
    from mgmr_lib.experiments.tables import report

    if not args.report_only:
        _compute(args)
    files = report(args.experiment, args.ledger, corpus_name(args.data), args.profile, args.out)
    if not files:
        raise CourseError(
            f"{args.ledger} holds no run of {args.data} in the {args.profile} profile: leave --report-only out to train"
        )
    for path in files:
        print(path)
    return 0


def _compute(args: argparse.Namespace) -> None:
    from mgmr_lib.experiments.plan import jobs_of, names_of
    from mgmr_lib.experiments.sweep import open_sweep, record_references, run_sweep
    from mgmr_lib.training.config import make_config

    names = args.models.split(",") if args.models else names_of(args.experiment)
    settings = settings_of(args.set)
    sweep = open_sweep(
        args.data,
        args.dataset,
        args.ledger,
        args.runs,
        mask_seeds=tuple(range(1, args.mask_seeds + 1)),
        quiet=args.quiet,
    )
    protocols = args.protocol if args.experiment == "table" else "B"
    jobs = []
    for protocol in sorted(protocols, reverse=True):
        jobs += jobs_of(
            names, protocol, args.profile, sweep.corpus.family, args.data, args.dataset, args.seeds, **settings
        )
    if "B" in protocols:
        record_references(sweep, args.profile, make_config("concat", args.profile, sweep.corpus.family).text_encoder)
    run_sweep(sweep, jobs, args.jobs)
